"""Ruled data: queries and paraphrases that a rule makes, at no cost.

A language model costs seconds for each query (`workbook.training_data.written`). Before it is asked, rules have a
right to be tried: they need no model, never invent anything, and what they give can be predicted. For the same reason
a query of theirs holds no word that its passage has not. What that is worth is measured, beside written queries and
natural ones.

    keyword_queries         the words by which a passage differs from the others
    first_sentence_rest     a passage's first sentence asks for the rest (`workbook.training_data.structured`)
    rule_paraphrases        a query without its small words, with its parts in another order, with synonyms

Taught in 12.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping

from workbook.support.checks import check_positive
from workbook.support.content_words import GLUE
from workbook.support.types import Corpus
from workbook.support.words import words

# What documentation and questions say in two ways. A rule knows no sense: "return a book" is a "give back" as well.
SYNONYMS = {
    "add": "insert", "array": "list", "build": "construct", "calculate": "compute", "change": "modify",
    "check": "test", "choose": "select", "compute": "calculate", "construct": "build", "convert": "turn",
    "create": "make", "delete": "remove", "display": "show", "fetch": "get", "find": "look up", "fix": "repair",
    "get": "fetch", "insert": "add", "kind": "type", "large": "big", "make": "create", "modify": "change",
    "number": "count", "remove": "delete", "return": "give back", "returns": "gives back", "select": "choose",
    "show": "display", "start": "begin", "test": "check", "type": "kind", "year": "date",
}  # fmt: skip


def keyword_queries(corpus: Corpus, num_words: int = 4) -> dict[str, str]:
    """For each passage the words by which it differs from the others, in the order in which they stand there.

        weight(w, d) = f_w,d · log(N / n_w)

    f is how often passage d has word w, N the number of passages, n of how many have w.

    Args:
        corpus: passage id -> text. The words of a passage alone say nothing: give all of them.
        num_words: how many, at most. Of equally heavy ones the first.
    Returns:
        passage id -> query; a passage without words that say something has none.
    Raises:
        ValueError: num_words is not positive.

    Source: Salton and Buckley 1988 (tf-idf).
    """
    check_positive(num_words=num_words)
    found = {passage_id: [w for w in words(text) if w not in GLUE] for passage_id, text in corpus.items()}
    n = Counter(w for own in found.values() for w in set(own))
    queries: dict[str, str] = {}
    for passage_id, own in found.items():
        f = Counter(own)  # keeps the order of the text
        heaviest = sorted(f, key=lambda w: -f[w] * math.log(len(corpus) / n[w]))[:num_words]
        if heaviest:
            queries[passage_id] = " ".join(w for w in f if w in heaviest)
    return queries


def rule_paraphrases(query: str, synonyms: Mapping[str, str] = SYNONYMS) -> list[str]:
    """The same query in other words, as far as rules go.

    Args:
        query: what is asked.
        synonyms: word -> what may stand in its place, in lower case.
    Returns:
        up to three texts that differ from the query and from one another, in this order: with synonyms; the parts
        around "of", "for", "in" or "to" exchanged ("size of a list" -> "a list: size"); the words that say something
        alone. None where no rule fits.
    """
    exchanged = re.sub(r"\w+", lambda word: synonyms.get(word[0].lower(), word[0]), query)
    before, _, after = next(
        (cut for cut in (query.partition(f" {word} ") for word in ("of", "for", "in", "to")) if cut[2]), (query, "", "")
    )
    turned = f"{after.rstrip('.?!')}: {before}" if after else query
    bare = " ".join(word for word in re.findall(r"\w+", query) if word.lower() not in GLUE)
    different: dict[str, str] = {}
    for text in (exchanged, turned, bare):
        different.setdefault(text.casefold(), text)
    different.pop(query.casefold(), None)
    return [text for text in different.values() if text]
