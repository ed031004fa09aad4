"""What someone types who follows the contracts of chapter 16 word by word."""

import math

import torch


def ranking(scores):
    """Highest score first; equal scores in the order in which the dict holds them."""
    ids = list(scores)
    return sorted(ids, key=lambda passage: (-scores[passage], ids.index(passage)))


def best_first(runs, sums):
    """Of equal sums the passage of the earlier run, and within a run the one with the better rank."""
    met = []
    for scores in runs:
        for passage in ranking(scores):
            if passage not in met:
                met.append(passage)
    return {passage: sums[passage] for passage in sorted(met, key=lambda p: (-sums[p], met.index(p)))}


def rrf(runs, k):
    sums = {}
    for scores in runs:
        for place, passage in enumerate(ranking(scores)):
            sums[passage] = sums.get(passage, 0) + 1 / (k + place + 1)
    return best_first(runs, sums)


def weighted_sum(runs, weights):
    sums = {}
    for scores, weight in zip(runs, weights, strict=True):
        for passage, score in scores.items():
            low, high = min(scores.values()), max(scores.values())
            between = 0.0 if low == high else (score - low) / (high - low)
            sums[passage] = sums.get(passage, 0.0) + weight * between
    return best_first(runs, sums)


def splade_vector(logits, mask):
    rows = []
    for text, real in zip(logits, mask, strict=True):
        tokens = [token for token, one in zip(text, real, strict=True) if one == 1]
        if tokens:
            weights = [torch.log(1 + torch.clamp(token, min=0)) for token in tokens]
            rows.append(torch.stack(weights).amax(dim=0))
        else:
            rows.append(torch.zeros(logits.shape[2]))
    return torch.stack(rows)


def price(weights):
    total = 0.0
    for word in range(weights.shape[1]):
        mean = sum(weights[text, word] for text in range(weights.shape[0])) / weights.shape[0]
        total = total + mean**2
    return total


def ceiling(judged, scores, depth, k):
    read = sorted(scores, key=lambda passage: scores[passage], reverse=True)[:depth]
    relevant = [passage for passage, grade in judged.items() if grade > 0]
    if not relevant:
        return 0.0, 0.0
    recall = len([passage for passage in relevant if passage in read]) / len(relevant)
    order = sorted(read, key=lambda passage: judged.get(passage, 0), reverse=True)
    ideal = sorted(judged.values(), reverse=True)
    reached = sum(judged.get(passage, 0) / math.log2(rank + 1) for rank, passage in enumerate(order[:k], start=1))
    best = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(ideal[:k], start=1))
    return recall, reached / best


def smallest_cut():
    return ["first", "second"], {"first": -3, "second": 12}, 10, 1


def search_within(query, retrievers, milliseconds, per_pair, budget, k, score):
    spent = 0
    for name in retrievers:
        spent += milliseconds[name]
    if spent > budget:
        raise ValueError("the retrievers take more than the budget")
    runs = [retriever(query) for retriever in retrievers.values()]
    candidates = list(rrf(runs, 60))
    many = 0
    while many < len(candidates) and spent + (many + 1) * per_pair <= budget:
        many += 1
    scored = candidates[:many]
    scores = score([(query, passage) for passage in scored])
    by_score = dict(zip(scored, scores, strict=True))
    order = sorted(scored, key=lambda passage: (-by_score[passage], scored.index(passage)))
    return (order + candidates[many:])[:k]
