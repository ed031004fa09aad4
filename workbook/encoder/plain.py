"""An encoder written out: token vectors as one function of the weights, and texts encoded in batches.

Letters: N texts, B texts in a batch, T token positions, D hidden size, H heads, S = D / H.

Taught in 01 and 02.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.encoder.tokenizer import rectangle
from workbook.encoder.transformer import (
    TransformerEncoder,
    attention_mask,
    attention_weights,
    split_heads,
    token_positions,
)
from workbook.pooling import Pooling
from workbook.similarity import normalize

LAYER_NORM_EPS = 1e-12  # BERT's
PAD_ID = 0


def token_vectors(input_ids: Tensor, mask: Tensor, weights: Mapping[str, Any], num_heads: int) -> Tensor:
    """Token ids in, one vector per token out, from nothing but tensors.

        hidden = LayerNorm(word + position + segment 0), then in each block
        hidden = LayerNorm(hidden + Attention(hidden))
        hidden = LayerNorm(hidden + W₂ GELU(W₁ hidden))

    Args:
        input_ids: (B, T) token ids.
        mask: (B, T), 1 = token, 0 = padding, on either side; each text has a token.
        weights: tables "word" (V, D), "position" (P, D), "segment" (2, D); "norm", a pair (scale, shift); and
            "blocks", a list of dicts of pairs: "query", "key", "value", "output", "expand", "contract" hold
            (W, b), "attention_norm" and "norm" hold (scale, shift). See `plain_weights`.
        num_heads: H.
    Returns:
        hidden (B, T, D). Positions of padding hold values without meaning.

    Source: Devlin et al. 2019. Equal to `TransformerEncoder`, and to Hugging Face `BertModel`.
    """

    def layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], scale, shift, LAYER_NORM_EPS)

    words, places = weights["word"][input_ids], weights["position"][token_positions(mask)]  # (B, T, D) each
    hidden = layer_norm(words + places + weights["segment"][0], *weights["norm"])
    allowed = attention_mask(mask)  # (B, 1, T, T)
    for block in weights["blocks"]:
        q, k, v = (split_heads(F.linear(hidden, *block[name]), num_heads) for name in ("query", "key", "value"))
        context = (attention_weights(q, k, allowed) @ v).transpose(1, 2).flatten(2)  # (B, H, T, S) -> (B, T, D)
        hidden = layer_norm(hidden + F.linear(context, *block["output"]), *block["attention_norm"])
        wide = F.gelu(F.linear(hidden, *block["expand"]))  # (B, T, 4 D)
        hidden = layer_norm(hidden + F.linear(wide, *block["contract"]), *block["norm"])
    return hidden


def plain_weights(encoder: TransformerEncoder) -> dict[str, Any]:
    """The weights of an encoder in the form that `token_vectors` takes; no number is copied or changed."""

    def pair(module: Any) -> tuple[Tensor, Tensor]:
        return module.weight.detach(), module.bias.detach()

    tables = {name: getattr(encoder.embeddings, name).weight.detach() for name in ("word", "position", "segment")}
    blocks = [
        {name: pair(getattr(block.attention, name)) for name in ("query", "key", "value", "output")}
        | {name: pair(getattr(block, name)) for name in ("attention_norm", "expand", "contract", "norm")}
        for block in encoder.blocks
    ]
    return {**tables, "norm": pair(encoder.embeddings.norm), "blocks": blocks}


def encode_in_batches(
    token_ids: Sequence[Sequence[int]], backbone: Callable[[Tensor, Tensor], Tensor], pool: Pooling, batch_size: int
) -> Tensor:
    """One vector of length 1 for each text, encoded in batches of similar length, the longest first.

        vector = normalize(pool(backbone(ids, mask), mask))

    Args:
        token_ids: the token ids of N texts, each with at least one; N is at least 1.
        backbone: (ids (B, T), mask (B, T)) -> hidden (B, T, D).
        pool: (hidden (B, T, D), mask (B, T)) -> (B, D).
        batch_size: B, at most; the last batch may be smaller.
    Returns:
        (N, D), in the order of `token_ids`.

    Equal to `TextEncoder.encode`, which also cuts and tokenizes.
    """
    longest_first = sorted(range(len(token_ids)), key=lambda row: -len(token_ids[row]))
    vectors: list[Tensor] = [torch.empty(0)] * len(token_ids)
    for start in range(0, len(token_ids), batch_size):
        rows = longest_first[start : start + batch_size]
        ids, mask = rectangle([token_ids[row] for row in rows], PAD_ID)  # (B, T), (B, T)
        for row, vector in zip(rows, normalize(pool(backbone(ids, mask), mask)), strict=True):
            vectors[row] = vector
    return torch.stack(vectors)
