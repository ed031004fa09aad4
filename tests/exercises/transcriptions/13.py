"""What someone types who follows the contracts of chapter 13 word by word."""

import torch


def truncate(x, size, layer_norm):
    if layer_norm:
        x = (x - x.mean(dim=-1, keepdim=True)) / torch.sqrt(x.var(dim=-1, keepdim=True, unbiased=False) + 1e-5)
    kept = x[..., :size]
    squares = (kept * kept).sum(dim=-1, keepdim=True)
    zero = squares == 0
    length = torch.sqrt(torch.where(zero, torch.ones_like(squares), squares))
    return kept / length


def weight_of_dimensions(sizes, weights, D):
    result = torch.zeros(D)
    for dimension in range(D):
        for size, weight in zip(sizes, weights, strict=True):
            if dimension < size:
                result[dimension] += weight
    return result


def matryoshka_info_nce(query, positive, sizes, weights, temperature):
    total = 0.0
    for size, weight in zip(sizes, weights, strict=True):
        q = query[:, :size] / query[:, :size].norm(dim=1, keepdim=True)
        d = positive[:, :size] / positive[:, :size].norm(dim=1, keepdim=True)
        logits = q @ d.T / temperature
        own = torch.arange(len(query))
        total = total + weight * torch.nn.functional.cross_entropy(logits, own)
    return total


def smallest_vectors():
    return [1, 0, 0], [1, 1, 0], [1, 0, 5], 2


def principal_directions(vectors, size):
    values, directions = torch.linalg.eigh(vectors.T @ vectors)
    order = torch.argsort(values, descending=True)
    return directions[:, order[:size]]


def funnel(query, corpus, sizes, kept):
    rows = torch.arange(len(corpus))
    count = 0
    for size, keep in zip(sizes, kept, strict=True):
        count += size * len(rows)
        cosines = torch.cosine_similarity(corpus[rows][:, :size], query[:size].unsqueeze(0), dim=1)
        order = torch.argsort(cosines, descending=True)
        rows = rows[order[:keep]]
    return rows.tolist(), count
