"""Chapter 03, what its contracts say, typed as they say it."""

import math

import numpy as np


def recall_at_k(ranked, judged, k):
    found = [passage for passage in ranked[:k] if passage in judged and judged[passage] > 0]
    relevant = [passage for passage in judged if judged[passage] > 0]
    if len(relevant) == 0:
        return 0.0
    return len(found) / len(relevant)


def reciprocal_rank(ranked, judged, k):
    rank = 1
    for passage in ranked[:k]:
        if passage in judged and judged[passage] > 0:
            return 1 / rank
        rank += 1
    return 0.0


def ndcg_at_k(ranked, judged, k):
    dcg = 0.0
    for rank, passage in enumerate(ranked[:k], start=1):
        grade = judged.get(passage, 0)
        dcg += grade / math.log2(rank + 1)
    best = 0.0
    for rank, grade in enumerate(sorted(judged.values(), reverse=True)[:k], start=1):
        best += grade / math.log2(rank + 1)
    if not any(grade > 0 for grade in judged.values()):
        return 0.0
    return dcg / best


def average_precision(ranked, judged):
    relevant = [passage for passage in judged if judged[passage] > 0]
    if not relevant:
        return 0.0
    total = 0.0
    for rank, passage in enumerate(ranked, start=1):
        if passage in relevant:
            total += len([p for p in ranked[:rank] if p in relevant]) / rank
    return total / len(relevant)


def bm25_weight(count, length, mean_length, num_passages, num_with_word):
    k1, b = 1.2, 0.75
    idf = math.log(1 + (num_passages - num_with_word + 0.5) / (num_with_word + 0.5))
    tf = count / (count + k1 * (1 - b + b * length / mean_length))
    return idf * tf


def interval(values, draws):
    means = []
    for row in draws:
        means.append(np.mean([values[number] for number in row]))
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def shows_the_mistake():
    ranked = ["first"]
    judged = {"first": 2, "second": 3}
    return (ranked, judged, 1)


def compare_runs(qrels, first, second, k, draws):
    firsts, seconds = [], []
    for query in qrels:
        for run, values in ((first, firsts), (second, seconds)):
            if query not in run or len(run[query]) == 0:
                values.append(0.0)
                continue
            pairs = sorted(((score, passage) for passage, score in run[query].items()), reverse=True)
            values.append(ndcg_at_k([passage for score, passage in pairs], qrels[query], k))
    differences = [s - f for f, s in zip(firsts, seconds, strict=True)]
    low, high = interval(differences, draws)
    return {
        "first": float(np.mean(firsts)),
        "second": float(np.mean(seconds)),
        "difference": float(np.mean(differences)),
        "low": low,
        "high": high,
        "better": sum(s > f for f, s in zip(firsts, seconds, strict=True)),
        "worse": sum(s < f for f, s in zip(firsts, seconds, strict=True)),
    }
