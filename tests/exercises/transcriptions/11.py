"""What someone types who follows the contracts of chapter 11 word by word."""

import torch


def source_shares(sizes, alpha):
    total = 0.0
    for size in sizes:
        if size > 0:
            total += size**alpha
    probabilities = []
    for size in sizes:
        probabilities.append(0.0 if size == 0 else size**alpha / total)
    return probabilities


def one_source_batches(source, order, batch_size):
    piles = {name: [] for name in source}
    batches = []
    for row in order:
        name = source[row]
        piles[name].append(row)
        if len(piles[name]) == batch_size:
            batches.append(piles[name])
            piles[name] = []
    for pile in piles.values():
        if len(pile) >= 2:
            batches.append(pile)
    return batches


def add_instructions(pairs, source, instructions, prompt):
    result = []
    for number in range(len(pairs)):
        query, passage = pairs[number]
        name = source[number]
        task = name
        if name in instructions:
            task = instructions[name]
        filled = prompt.replace("{task}", task)
        result.append((filled + query, passage))
    return result


def with_end_token(texts, max_length, eos, pad):
    rows = []
    for text in texts:
        ids = list(text)
        if len(ids) > 0 and ids[-1] == eos:
            ids = ids[:-1]
        ids = ids[: max_length - 1]
        ids.append(eos)
        rows.append(ids)
    T = max(len(row) for row in rows)
    ids = torch.full((len(texts), T), pad, dtype=torch.int64)
    mask = torch.zeros((len(texts), T), dtype=torch.int64)
    for b, row in enumerate(rows):
        ids[b, : len(row)] = torch.tensor(row)
        mask[b, : len(row)] = 1
    return ids, mask


def smallest_cut():
    return [[5, 6]], 2


def e5_loss(query, positive, negatives, labels, temperature, alpha):
    B, M, D = negatives.shape
    passages = torch.cat([positive.unsqueeze(1), negatives], dim=1)
    cosines = torch.cosine_similarity(query.unsqueeze(1), passages, dim=2)
    log_S = torch.log_softmax(cosines / temperature, dim=1)
    P = torch.softmax(labels.detach(), dim=1)
    kl = (P * (P.log() - log_S)).sum(dim=1).mean()
    every = torch.cosine_similarity(query.unsqueeze(1), passages.reshape(1, B * (1 + M), D), dim=2)
    right = torch.tensor([i * (1 + M) for i in range(B)])
    return kl + alpha * torch.nn.functional.cross_entropy(every / temperature, right)


def run_stages(encoder, stages, pairs, steps, prompt, mine, train):
    left = steps - len(stages)
    due = [stage.share * left for stage in stages]
    whole = [int(number) for number in due]
    lost = [number - cut for number, cut in zip(due, whole, strict=True)]
    counts = [1 + cut for cut in whole]
    order = sorted(range(len(stages)), key=lambda i: (-lost[i], i))
    still_left = left - sum(whole)
    for i in order[:still_left]:
        counts[i] += 1
    for i, stage in enumerate(stages):
        if stage.data == "all":
            examples = [pair for some in pairs.values() for pair in some]
        else:
            examples = list(pairs[stage.data])
        if stage.prompted:
            examples = [(prompt + query, passage) for query, passage in examples]
        if stage.num_negatives > 0:
            examples = mine(encoder, examples, stage.num_negatives)
        encoder = train(encoder, stage, examples, counts[i])
    return encoder
