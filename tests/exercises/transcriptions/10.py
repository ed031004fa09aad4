"""What someone types who follows the contracts of chapter 10 word by word."""

import torch


def hide_tokens(ids, mask, special, rate, mask_id, u, v, others):
    is_special = torch.zeros(ids.shape, dtype=torch.bool)
    for number in special:
        is_special = is_special | (ids == number)
    chosen = (mask == 1) & ~is_special & (u < rate)
    hidden = ids.clone()
    becomes_mask = chosen & (v < 0.8)
    hidden[becomes_mask] = mask_id
    becomes_other = chosen & (v >= 0.8) & (v < 0.9)
    hidden[becomes_other] = others[becomes_other]
    labels = torch.full(ids.shape, -100, dtype=torch.int64)
    labels[chosen] = ids[chosen]
    return hidden, labels


def inverse_cloze(passages, chosen, drawn, removal):
    pairs = []
    for number in range(len(passages)):
        sentences = passages[number]
        if len(sentences) < 2:
            continue
        place = chosen[number]
        if drawn[number] < removal:
            passage = " ".join(sentences[:place] + sentences[place + 1 :])
        else:
            passage = " ".join(sentences)
        pairs.append((sentences[place], passage))
    return pairs


def two_spans(words, shares, places):
    texts = []
    for share, place in zip(shares, places, strict=True):
        n = int(len(words) * share)
        if n < 1:
            n = 1
        number_of_starts = len(words) - n + 1
        begin = int(place * number_of_starts)
        texts.append(" ".join(words[begin : begin + n]))
    return texts[0], texts[1]


def decoding_mask(mask, rate, drawn):
    B, T = mask.shape
    result = torch.zeros(B, T, T, dtype=torch.bool)
    for text in range(B):
        for i in range(T):
            for j in range(T):
                if j == 0:
                    result[text, i, j] = True
                elif j != i and mask[text, j] == 1:
                    result[text, i, j] = bool(drawn[text, i, j] >= rate)
    return result


def smallest_leak():
    return torch.tensor([[1, 1]]), 0.3, torch.tensor([[[0.5, 0.5], [0.5, 0.5]]])


def pretrain_step(model, ids, mask, special, mask_id, rates, draws, lr):
    encoder_rate, decoder_rate = rates
    u, v, others, w = draws
    hidden, labels = hide_tokens(ids, mask, special, encoder_rate, mask_id, u, v, others)
    token_vectors = model.encode(hidden, mask)
    sentence = token_vectors[:, 0]
    rebuilt = model.decode(sentence, ids, decoding_mask(mask, decoder_rate, w))
    asked = ids.clone()
    asked[mask == 0] = -100
    for number in special:
        asked[ids == number] = -100
    total = 0.0 * token_vectors.sum()
    for vectors, wanted in ((token_vectors, labels), (rebuilt, asked)):
        number = int((wanted != -100).sum())
        if number > 0:
            scores = model.logits(vectors).reshape(-1, model.logits(vectors).shape[-1])
            total = total + torch.nn.functional.cross_entropy(scores, wanted.reshape(-1), ignore_index=-100)
    for p in model.parameters():
        p.grad = None
    total.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= lr * p.grad
    return total.item()
