"""What someone types who follows the contracts of chapter 09 word by word."""

import math

import numpy as np
import torch


def training_row(scores, is_positive, margin):
    row = []
    lowest = None
    for i in range(len(scores)):
        if is_positive[i]:
            row.append(i)
            if lowest is None or scores[i] < lowest:
                lowest = scores[i]
    bar = lowest - abs(lowest) * margin
    negatives = []
    for i in range(len(scores)):
        if not is_positive[i] and scores[i] <= bar:
            negatives.append(i)
    negatives.sort(key=lambda i: float(scores[i]), reverse=True)
    return row + negatives


def count_filter(kept, possible, false):
    removed = 0
    removed_false = 0
    all_false = 0
    all_true = 0
    for q in range(possible.shape[0]):
        for k in range(possible.shape[1]):
            if not possible[q, k]:
                continue
            if false[q, k]:
                all_false += 1
            else:
                all_true += 1
            if not kept[q, k]:
                removed += 1
                if false[q, k]:
                    removed_false += 1

    def divide(a, b):
        if b == 0:
            return float("nan")
        return a / b

    return {
        "precision": divide(removed_false, removed),
        "recall": divide(removed_false, all_false),
        "lost": divide(removed - removed_false, all_true),
    }


def guided_loss(query, positive, guide_query, guide_positive, temperature):
    def cosines(a, b):
        a = a / a.norm(dim=1, keepdim=True)
        b = b / b.norm(dim=1, keepdim=True)
        return a @ b.T

    B = len(query)
    total = 0
    guide = cosines(guide_query, guide_positive)
    guide_queries = cosines(guide_query, guide_query)
    guide_passages = cosines(guide_positive, guide_positive)
    model = cosines(query, positive)
    model_queries = cosines(query, query)
    model_passages = cosines(positive, positive)
    for i in range(B):
        bound = guide[i, i]
        own = torch.exp(model[i, i] / temperature)
        below = own
        for j in range(B):
            if j == i:
                continue
            if guide[i, j] <= bound:
                below = below + torch.exp(model[i, j] / temperature)
            if guide_queries[i, j] <= bound:
                below = below + torch.exp(model_queries[i, j] / temperature)
            if guide_passages[i, j] <= bound:
                below = below + torch.exp(model_passages[i, j] / temperature)
        total = total - torch.log(own / below)
    return total / B


def spot_check_rate(sizes, judged):
    N = sum(sizes)
    rate = 0.0
    squared = 0.0
    for size, stratum in zip(sizes, judged, strict=True):
        weight = size / N
        k = sum(stratum)
        n = len(stratum)
        rate += weight * k / n
        careful = (k + 1) / (n + 2)
        squared += weight**2 * careful * (1 - careful) / n
    step = 1.96 * math.sqrt(squared)
    return rate, max(rate - step, 0.0), min(rate + step, 1.0)


def let_through():
    scores = [-0.19]
    positive = -0.2
    margin = 0.5
    return scores, positive, margin


def filter_intervals(kept, possible, false, draws):
    report = {}
    for name in kept:
        values = count_filter(kept[name], possible, false)
        collected = {"precision": [], "recall": [], "lost": []}
        for draw in draws.tolist():
            some = count_filter(kept[name][draw], possible[draw], false[draw])
            for measure in collected:
                if not math.isnan(some[measure]):
                    collected[measure].append(some[measure])
        report[name] = {}
        for measure in collected:
            if collected[measure]:
                low = float(np.quantile(collected[measure], 0.025))
                high = float(np.quantile(collected[measure], 0.975))
            else:
                low = high = float("nan")
            report[name][measure] = (values[measure], low, high)
    return report
