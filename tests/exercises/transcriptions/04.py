"""What someone types who follows the contracts of chapter 04 word by word."""

import torch

from tests.helpers.transcribed import cosine, info_nce, unit


def info_nce_with_negatives(query, positive, negatives, temperature):
    B, M, _ = negatives.shape
    passages = [positive[j] for j in range(B)] + [negatives[j, m] for j in range(B) for m in range(M)]
    loss = 0
    for i in range(B):
        scores = torch.stack([cosine(query[i], passage) for passage in passages]) / temperature
        loss = loss - (scores[i] - torch.logsumexp(scores, dim=0))
    return loss / B


def symmetric(query, positive, temperature):
    return (info_nce(query, positive, temperature) + info_nce(positive, query, temperature)) / 2


def smallest_batch():
    query = torch.tensor([[1.0], [-1.0]])
    positive = torch.tensor([[2.0], [3.0]])
    return query, positive


def nt_xent(a, b, temperature):
    B = len(a)
    views = list(a) + list(b)
    loss = 0
    for i in range(2 * B):
        partner = i + B if i < B else i - B
        others = [j for j in range(2 * B) if j != i]
        scores = torch.stack([cosine(views[i], views[j]) for j in others]) / temperature
        loss = loss - (scores[others.index(partner)] - torch.logsumexp(scores, dim=0))
    return loss / (2 * B)


def info_nce_gradient(query, positive, temperature):
    q, d = unit(query), unit(positive)
    B = len(q)
    rows = []
    for i in range(B):
        p = torch.softmax(torch.stack([q[i] @ d[j] for j in range(B)]) / temperature, dim=0)
        push = sum(p[j] * d[j] for j in range(B))
        rows.append((push - d[i]) / (B * temperature))
    return torch.stack(rows)


def training_step(table, optimizer, query_ids, query_mask, passage_ids, passage_mask, temperature):
    def embed(ids, mask):
        vectors = []
        for text, keep in zip(ids, mask, strict=True):
            tokens = [table[id] for id, is_token in zip(text, keep, strict=True) if is_token == 1]
            vectors.append(sum(tokens) / len(tokens))
        return torch.stack(vectors)

    optimizer.zero_grad()
    loss = symmetric(embed(query_ids, query_mask), embed(passage_ids, passage_mask), temperature)
    loss.backward()
    optimizer.step()
    return loss.item()


def uniformity(x):
    x = unit(x)
    N = len(x)
    values = [torch.exp(-2 * ((x[i] - x[j]) ** 2).sum()) for i in range(N) for j in range(i + 1, N)]
    return torch.log(sum(values) / len(values))
