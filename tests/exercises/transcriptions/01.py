"""Chapter 01: what someone types who follows each contract word by word."""

import torch
import torch.nn.functional as F


def wordpiece(word, vocabulary):
    pieces = []
    rest = word
    while rest != "":
        found = None
        for length in range(1, len(rest) + 1):
            piece = rest[:length] if not pieces else "##" + rest[:length]
            if piece in vocabulary:
                found = length  # the longest one stays
        if found is None:
            return ["[UNK]"]
        pieces.append(rest[:found] if not pieces else "##" + rest[:found])
        rest = rest[found:]
    return pieces


def token_positions(mask):
    B, T = mask.shape
    numbers = torch.zeros(B, T, dtype=torch.int64)
    for b in range(B):
        before, last = 0, 0
        for t in range(T):
            if mask[b, t] == 1:
                numbers[b, t] = last = before
                before += 1
            else:
                numbers[b, t] = last
    return numbers


def attention_weights(query, key, allowed):
    S = query.shape[-1]
    scores = torch.matmul(query, key.transpose(-2, -1)) / S**0.5
    scores = torch.where(allowed, scores, torch.tensor(float("-inf")))
    return torch.softmax(scores, dim=-1)


def attention_mask(mask, causal):
    B, T = mask.shape
    allowed = torch.zeros(B, 1, T, T, dtype=torch.bool)
    for b in range(B):
        for t in range(T):
            for k in range(T):
                is_token = mask[b, k] == 1
                allowed[b, 0, t, k] = k == t or (is_token and (not causal or k <= t))
    return allowed


def split_heads(x, num_heads):
    S = x.shape[2] // num_heads
    return torch.stack([x[:, :, h * S : (h + 1) * S] for h in range(num_heads)], dim=1)


def multiply_adds(tokens, hidden_size, num_layers):
    projections = attention = feed_forward = 0
    for _ in range(num_layers):
        projections += 4 * tokens * hidden_size * hidden_size
        attention += tokens * hidden_size * tokens + tokens * tokens * hidden_size
        feed_forward += tokens * hidden_size * (4 * hidden_size) + tokens * (4 * hidden_size) * hidden_size
    return {"projections": projections, "attention": attention, "feed_forward": feed_forward}


def dead_end():
    return "xyz", {"xy", "x", "##yz"}


def token_vectors(input_ids, mask, weights, num_heads):
    D = weights["word"].shape[1]
    hidden = weights["word"][input_ids] + weights["position"][token_positions(mask)] + weights["segment"][0]
    scale, shift = weights["norm"]
    hidden = F.layer_norm(hidden, (D,), scale, shift, 1e-12)
    allowed = attention_mask(mask, False)
    for block in weights["blocks"]:
        came_in = hidden
        query = split_heads(F.linear(hidden, *block["query"]), num_heads)
        key = split_heads(F.linear(hidden, *block["key"]), num_heads)
        value = split_heads(F.linear(hidden, *block["value"]), num_heads)
        mixed = attention_weights(query, key, allowed) @ value
        joined = torch.cat([mixed[:, h] for h in range(num_heads)], dim=-1)
        scale, shift = block["attention_norm"]
        hidden = F.layer_norm(came_in + F.linear(joined, *block["output"]), (D,), scale, shift, 1e-12)
        came_in = hidden
        narrow = F.linear(F.gelu(F.linear(hidden, *block["expand"])), *block["contract"])
        scale, shift = block["norm"]
        hidden = F.layer_norm(came_in + narrow, (D,), scale, shift, 1e-12)
    return hidden
