"""The loss of 04.1 as its contract says it; later contracts build on it."""

import torch


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def cosine(a, b):
    return (unit(a) * unit(b)).sum()


def info_nce(query, positive, temperature):
    B = len(query)
    loss = 0
    for i in range(B):
        scores = torch.stack([cosine(query[i], positive[j]) for j in range(B)]) / temperature
        loss = loss - (scores[i] - torch.logsumexp(scores, dim=0))
    return loss / B
