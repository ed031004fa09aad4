"""The contracts of chapter 00, typed out word by word."""

import torch


def shared_words(query, passage):
    """How many different words of the query are words of the passage; case does not count; words end at white space."""
    words_of_the_query, words_of_the_passage = [], []
    for text, found in ((query, words_of_the_query), (passage, words_of_the_passage)):
        for word in text.split():
            if word.lower() not in found:
                found.append(word.lower())
    count = 0
    for word in words_of_the_query:
        if word in words_of_the_passage:
            count = count + 1
    return count


def where_they_differ():
    """Letters a to z and spaces, as few characters as possible: a word, and a longer one that begins with it."""
    return ("z", "zy")


def cosine(a, b):
    """The sum of the products, over the product of the two lengths, as in the formula."""
    dot = (a * b).sum()
    length_of_a = torch.sqrt((a * a).sum())
    length_of_b = torch.sqrt((b * b).sum())
    return dot / (length_of_a * length_of_b)


def found_in_first(ranked, wanted, k):
    """1 if the wanted id is among the first k of the list, else 0."""
    place = 0
    for id in ranked:
        place = place + 1
        if place > k:
            break
        if id == wanted:
            return 1
    return 0


def recall_at(encode, corpus, queries, wanted, k):
    """Passages ranked by the cosine with the query, the highest first; the share of queries whose passage is among the first k."""
    passages = encode([corpus[id] for id in corpus])
    found = []
    for query_id in queries:
        query = encode([queries[query_id]])[0]
        scored = []
        for passage_id, passage in zip(corpus, passages, strict=True):
            scored.append((float(cosine(query, passage)), passage_id))
        scored.sort(reverse=True)
        ranked = [passage_id for _, passage_id in scored]
        found.append(found_in_first(ranked, wanted[query_id], k))
    return sum(found) / len(found)
