"""The contracts of chapter 02, typed word by word."""

import torch


def mean_pool(hidden, mask):
    # "for each text the sum of the vectors whose mask is 1, divided by how many there are;
    # a text without a token gets the zero vector"
    pooled = []
    for text, row in zip(hidden, mask, strict=True):
        total, count = torch.zeros_like(text[0]), 0
        for vector, is_token in zip(text, row, strict=True):
            if is_token == 1:
                total, count = total + vector, count + 1
        pooled.append(total / count if count else total)
    return torch.stack(pooled)


def last_token_pool(hidden, mask):
    # "for each text the vector at the last position whose mask is 1"
    pooled = []
    for text, row in zip(hidden, mask, strict=True):
        last = max(t for t in range(len(row)) if row[t] == 1)
        pooled.append(text[last])
    return torch.stack(pooled)


def weighted_mean_pool(hidden, mask):
    # "each text's first token weighs 1, its second 2, and so on; the weighted sum is divided by the sum of the weights"
    pooled = []
    for text, row in zip(hidden, mask, strict=True):
        total, weights, number = torch.zeros_like(text[0]), 0, 0
        for vector, is_token in zip(text, row, strict=True):
            if is_token == 1:
                number += 1
                total, weights = total + number * vector, weights + number
        pooled.append(total / weights if weights else total)
    return torch.stack(pooled)


def attention_pool(hidden, mask, query):
    # "a token's score is its dot product with query, undivided; its weight is the softmax over the scores of its own
    # text's tokens; a text without a token gets the zero vector"
    pooled = []
    for text, row in zip(hidden, mask, strict=True):
        tokens = text[row == 1]
        if len(tokens) == 0:
            pooled.append(torch.zeros_like(text[0]))
            continue
        weight = (tokens @ query).softmax(dim=0)
        pooled.append((weight[:, None] * tokens).sum(dim=0))
    return torch.stack(pooled)


def normalize(x):
    # "each vector divided by the root of its sum of squares; a zero vector stays zero"
    length = (x**2).sum(dim=-1, keepdim=True)
    is_zero = length == 0
    return torch.where(is_zero, x, x / torch.where(is_zero, 1.0, length).sqrt())


def cos_sim(a, b):
    # "the cosine of every row of a with every row of b; the cosine with a zero vector is 0"
    return torch.stack([torch.stack([normalize(q) @ normalize(p) for p in b]) for q in a])


def tell_apart():
    # two tensors on which the two functions differ; the fewest numbers possible
    return torch.tensor([[[1.0], [1.0], [2.0]]]), torch.tensor([[0, 1, 1]])


def encode_in_batches(token_ids, backbone, pool, batch_size):
    # "take the longest texts first, batch_size at a time"
    left = sorted(enumerate(token_ids), key=lambda item: len(item[1]), reverse=True)
    result = {}
    while left:
        batch, left = left[:batch_size], left[batch_size:]
        # "fill each batch up with the id 0, on the right, to its own longest text; the mask follows the lengths"
        T = max(len(ids) for _, ids in batch)
        ids = torch.tensor([ids + [0] * (T - len(ids)) for _, ids in batch])
        mask = torch.tensor([[1] * len(ids) + [0] * (T - len(ids)) for _, ids in batch])
        hidden = backbone(ids, mask)
        pooled = normalize(pool(hidden, mask))
        for (number, _), vector in zip(batch, pooled, strict=True):
            result[number] = vector
    return torch.stack([result[number] for number in range(len(token_ids))])
