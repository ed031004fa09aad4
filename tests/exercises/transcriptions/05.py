"""What someone types who follows the contracts of chapter 05 word by word."""

import math

import torch

from tests.helpers.transcribed import cosine, info_nce


def info_nce_without_twins(query, positive, ids, temperature):
    B = len(query)
    loss = 0
    for i in range(B):
        choices = [i] + [j for j in range(B) if ids[j] != ids[i]]
        scores = torch.stack([cosine(query[i], positive[j]) for j in choices]) / temperature
        loss = loss - (scores[0] - torch.logsumexp(scores, dim=0))
    return loss / B


def share_with_twin(copies, batch_size):
    N = sum(copies)
    expected = 0
    for c in copies:
        misses = 1
        for drawn in range(1, batch_size):
            left = N - drawn
            others = left - (c - 1)
            misses = misses * max(others, 0) / left
        expected = expected + c / N * (1 - misses)
    return float(expected)


def beside_chance(query, positive, temperature):
    B = len(query)
    right = 0
    for i in range(B):
        cosines = [float(cosine(query[i], positive[j])) for j in range(B)]
        if cosines[i] == max(cosines):
            right += 1
    return float(info_nce(query, positive, temperature)) - math.log(B), right / B


def smallest_list():
    query = torch.tensor([[-1.0], [2.0]])
    passages = torch.tensor([[-3.0], [1.0], [-1.0], [1.0]])
    return query, passages


def loss_of_one_process(query, positive, all_query, all_positive, rank, temperature):
    W = len(all_query)
    queries = torch.cat([query if w == rank else all_query[w] for w in range(W)])
    positives = torch.cat([positive if w == rank else all_positive[w] for w in range(W)])
    return W * info_nce(queries, positives, temperature)


def gradcache_step(encoder, queries, passages, loss, mini_batch_size):
    B = len(queries)
    starts = range(0, B, mini_batch_size)
    with torch.no_grad():
        x = torch.cat([encoder(queries[i : i + mini_batch_size]) for i in starts])
        y = torch.cat([encoder(passages[i : i + mini_batch_size]) for i in starts])
    x.requires_grad = True
    y.requires_grad = True
    value = loss(x, y)
    value.backward()
    for i in starts:
        piece = encoder(queries[i : i + mini_batch_size])
        piece.backward(x.grad[i : i + mini_batch_size])
    for i in starts:
        piece = encoder(passages[i : i + mini_batch_size])
        piece.backward(y.grad[i : i + mini_batch_size])
    return float(value)
