"""What someone types who follows the contracts of chapter 14 word by word."""

import torch


def maxsim(query, passage, mask):
    total = 0.0
    for token in query:
        products = torch.stack([token @ vector for vector, real in zip(passage, mask, strict=True) if real == 1])
        total = total + products.max()
    return total


def maxsim_batch(query, query_mask, passages, mask):
    rows = []
    for tokens, asked in zip(query, query_mask, strict=True):
        row = [maxsim(tokens[asked == 1], passage, real) for passage, real in zip(passages, mask, strict=True)]
        rows.append(torch.stack(row))
    return torch.stack(rows)


def query_ids(ids, marker, mask_id, length):
    cls, words, sep = ids[0], ids[1:-1], ids[-1]
    while 3 + len(words) > length:
        words = words[:-1]
    result = [cls, marker, *words, sep]
    while len(result) < length:
        result.append(mask_id)
    return result


def compress(x, centroids, cutoffs):
    codes, buckets = [], []
    for vector in x:
        products = [float(vector @ centroid) for centroid in centroids]
        code = products.index(max(products))
        residual = vector - centroids[code]
        codes.append(code)
        buckets.append([sum(1 for cutoff in cutoffs if cutoff < number) for number in residual])
    return torch.tensor(codes), torch.tensor(buckets)


def smallest_padding():
    return torch.tensor([[3.0]]), torch.tensor([[-0.5], [0.0]]), torch.tensor([1, 0])


def plaid_search(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    looked_into = set()
    for token in query:
        products = [float(token @ centroid) for centroid in centroids]
        ranked = sorted(range(len(centroids)), key=lambda c: -products[c])
        looked_into.update(ranked[:nprobe])
    candidates = [n for n in range(len(codes)) if any(int(code) in looked_into for code in codes[n])]

    def score(vectors):
        return sum(max(float(token @ vector) for vector in vectors) for token in query)

    cheap = {n: score([centroids[code] for code in codes[n]]) for n in candidates}
    kept = sorted(candidates, key=lambda n: (-cheap[n], n))[:ndocs]
    exact = {}
    for n in kept:
        vectors = []
        for code, bucket in zip(codes[n], buckets[n], strict=True):
            vector = centroids[code] + weights[bucket]
            vectors.append(vector / vector.norm())
        exact[n] = score(vectors)
    return sorted(kept, key=lambda n: (-exact[n], n))[:k]
