"""What someone types who follows the contracts of chapter 06 word by word."""

import torch

from tests.helpers.transcribed import cosine, info_nce


def pull_of_prompt(prompt, text):
    P, T = len(prompt), len(text)
    alone = sum(text[t] for t in range(T)) / T
    together = (sum(prompt[p] for p in range(P)) + sum(text[t] for t in range(T))) / (P + T)
    return float(cosine(alone, together))


def mean_pool_without_prompt(hidden, mask, skip):
    B, T, D = hidden.shape
    rows = []
    for b in range(B):
        total, seen, used = torch.zeros(D), 0, 0
        for t in range(T):
            if mask[b, t] == 1:
                seen += 1
                if seen > skip:
                    total = total + hidden[b, t]
                    used += 1
        rows.append(total / used if used else total + 0 * hidden[b].sum())
    return torch.stack(rows)


def tower_gradients(weight, queries, passages, temperature):
    query_tower = weight.clone().detach().requires_grad_()
    document_tower = weight.clone().detach().requires_grad_()
    info_nce(queries @ query_tower.T, passages @ document_tower.T, temperature).backward()
    shared = weight.clone().detach().requires_grad_()
    info_nce(queries @ shared.T, passages @ shared.T, temperature).backward()
    return query_tower.grad, document_tower.grad, shared.grad


def smallest_batch():
    hidden = torch.tensor([[[7.0], [3.0], [-4.0]]])
    mask = torch.tensor([[0, 1, 1]])
    return hidden, mask, 1


def search_by_role(encode, prompts, queries, documents, k):
    found = []
    vectors = encode([prompts[1] + document for document in documents])
    for query in queries:
        vector = encode([prompts[0] + query])[0]
        cosines = [float(cosine(vector, other)) for other in vectors]
        order = sorted(range(len(documents)), key=lambda n: cosines[n], reverse=True)
        found.append(order[: min(k, len(documents))])
    return torch.tensor(found)


def train_step(towers, queries, passages, temperature, lr):
    sides = []
    for tower, texts in ((towers.query_encoder, queries), (towers.document_encoder, passages)):
        ids, mask = tower.tokenize([tower.prompt + text for text in texts])
        sides.append(mean_pool_without_prompt(tower(ids, mask), mask, tower.skip))
    loss = info_nce(sides[0], sides[1], temperature)
    for weight in towers.parameters():
        weight.grad = None
    loss.backward()
    with torch.no_grad():
        for weight in towers.parameters():
            if weight.grad is not None:
                weight -= lr * weight.grad
    return loss.item()
