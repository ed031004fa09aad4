"""What someone types who follows the contracts of chapter 15 word by word."""

import math

import torch


def pair_ids(query, passage, cls, sep, max_length):
    first, second = list(query), list(passage)
    shorter_at_first = second if len(first) > len(second) else first  # the query, if they begin equally long
    while len([cls, *first, sep, *second, sep]) > max_length:
        if len(first) > len(second):
            first.pop()
        elif len(second) > len(first):
            second.pop()
        else:
            shorter_at_first.pop()
    ids = [cls, *first, sep, *second, sep]
    segments = [0] + [0 for _ in first] + [0] + [1 for _ in second] + [1]
    return ids, segments


def three_losses(scores, labels):
    pointwise, pairs, rows = [], [], []
    for row, wanted in zip(scores, labels, strict=True):
        for score, label in zip(row, wanted, strict=True):
            pointwise.append(torch.nn.functional.binary_cross_entropy_with_logits(score, label))
        for right in row[wanted == 1]:
            for wrong in row[wanted == 0]:
                pairs.append(torch.logaddexp(torch.tensor(0.0), wrong - right))
        P = wanted / wanted.sum()
        ln_S = row - torch.logsumexp(row, dim=0)
        rows.append(-(P * ln_S).sum())
    return torch.stack(pointwise).mean(), torch.stack(pairs).mean(), torch.stack(rows).mean()


def margin_mse(query, positive, negatives, teacher):
    squares = []
    for i in range(len(query)):
        for m in range(negatives.shape[1]):
            student = query[i] @ positive[i] - query[i] @ negatives[i, m]
            wanted = teacher[i, 0] - teacher[i, 1 + m]
            squares.append((student - wanted.detach()) ** 2)
    return torch.stack(squares).mean()


def reliability(probabilities, labels, bins):
    said, share, count, error = [], [], [], 0.0
    N = len(probabilities)
    for b in range(bins):
        inside = (probabilities > b / bins) & (probabilities <= (b + 1) / bins)
        if b == 0:
            inside = inside | (probabilities == 0)
        if not inside.any():
            continue
        said.append(probabilities[inside].mean())
        share.append(labels[inside].mean())
        count.append(int(inside.sum()))
        error += count[-1] / N * abs(float(share[-1]) - float(said[-1]))
    return torch.stack(said), torch.stack(share), torch.tensor(count), error


def smallest_list():
    return [-0.5]


def train_on_lists(model, queries, corpus, qrels, run, others, num_hard, lr):
    pairs, sizes = [], []
    for query in queries:
        relevant = [passage for passage in qrels[query] if qrels[query][passage] > 0]
        listed = [relevant[0]]
        irrelevant = [passage for passage in run[query] if passage not in relevant]
        irrelevant.sort(key=lambda passage: -run[query][passage])
        listed.extend(irrelevant[:num_hard])
        for passage in others:
            if passage not in relevant and passage not in listed:
                listed.append(passage)
        sizes.append(len(listed))
        for passage in listed:
            pairs.append((queries[query], corpus[passage]))
    logits = model(pairs)
    losses, reciprocal, start = [], [], 0
    for size in sizes:
        scores = logits[start : start + size]
        start += size
        losses.append(-scores.softmax(dim=0)[0].log())
        rank = 1 + sum(1 for score in scores[1:] if score.item() >= scores[0].item())
        reciprocal.append(1 / rank)
    loss = sum(losses) / len(losses)
    for parameter in model.parameters():
        parameter.grad = None
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= lr * parameter.grad
    return loss.item(), math.fsum(reciprocal) / len(reciprocal)
