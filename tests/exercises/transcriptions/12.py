"""What someone types who follows the contracts of chapter 12 word by word."""

import re

import torch


def consistent_pairs(scores, own, k):
    kept = []
    for i in range(scores.shape[0]):
        rank = 1
        for j in range(scores.shape[1]):
            if j != own[i] and scores[i, j] >= scores[i, own[i]]:
                rank += 1
        kept.append(rank <= k)
    return torch.tensor(kept)


def minhash_signature(shingles, a, b, p):
    signature = []
    for i in range(len(a)):
        smallest = None
        for x in shingles:
            number = (a[i] * x + b[i]) % p
            if smallest is None or number < smallest:
                smallest = number
        signature.append(smallest)
    return signature


def candidate_pairs(signatures, bands, rows):
    pairs = set()
    for i in range(len(signatures)):
        for j in range(i + 1, len(signatures)):
            for band in range(bands):
                start = band * rows
                if torch.equal(signatures[i, start : start + rows], signatures[j, start : start + rows]):
                    pairs.add((i, j))
    return pairs


def drop_leaked(texts, evaluation, n):
    def runs(text):
        words = re.findall(r"\w+", text.lower())
        if len(words) == 0:
            return []
        if len(words) < n:
            return [words]
        return [words[i : i + n] for i in range(len(words) - n + 1)]

    exam = [run for text in evaluation for run in runs(text)]
    return [text for text in texts if not any(run in exam for run in runs(text))]


def corrected_clicks(log, looked):
    rates = {}
    for query, _, passage, _ in log:
        counts = []
        for other_query, position, other_passage, clicked in log:
            if other_query == query and other_passage == passage:
                counts.append(1 / looked[position - 1] if clicked == 1 else 0)
        rates.setdefault(query, {})[passage] = sum(counts) / len(counts)
    return rates


def smallest_log():
    return [("q", 3, "b", 0), ("q", 3, "b", 1), ("q", 1, "a", 1)]


def training_set(pairs, near, place, leaks, finds, share):
    twins = near([passage for query, passage in pairs])
    groups = [{row} for row in range(len(pairs))]
    for i, j in twins:
        of_i = next(group for group in groups if i in group)
        of_j = next(group for group in groups if j in group)
        if of_i is not of_j:
            groups.remove(of_j)
            of_i |= of_j
    train, evaluation = [], []
    for group in groups:
        first = min(pairs[row][1] for row in group)
        side = evaluation if place(first) < share else train
        side.extend(group)
    train, evaluation = sorted(train), sorted(evaluation)
    exam = [pairs[row][0] for row in evaluation] + [pairs[row][1] for row in evaluation]
    left = []
    for row in train:
        query, passage = pairs[row]
        if not leaks(query, exam) and not leaks(passage, exam):
            left.append(row)
    passages = [pairs[row][1] for row in left]
    kept = [row for row in left if finds(pairs[row][0], pairs[row][1], passages)]
    return kept, evaluation
