"""From token ids to vectors, written out: what `TextEncoder.encode` does between the tokenizer and the result.

Letters: N texts, B texts in a batch, T token positions, D dimensions.

Taught in 02.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workbook.encoder.tokenizer import rectangle
from workbook.pooling import Pooling
from workbook.similarity import normalize

PAD_ID = 0


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
