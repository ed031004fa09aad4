"""The flat index: all vectors as they are, every one compared with every query.

Exact, nothing to train, and the yardstick for the others: their recall is the share of its results
that they find too. It costs 4 D bytes and D multiply-adds for each passage.

Letters: Q queries, N passages, D dimensions, K results.

Taught in 17.
"""

from typing import Any

import torch
from torch import Tensor

from workbook.index.base import Index
from workbook.index.vectors import CHUNK, chunks, closeness, exhaustive, score


def flat_search(query: Tensor, x: Tensor, k: int, metric: str = "inner_product") -> list[int]:
    """Exact search, plainly: the k rows of x that are nearest to a query, (D,), (N, D) -> at most k row numbers."""
    return sorted(range(len(x)), key=lambda i: -closeness(query, x[i], metric))[:k]


class FlatIndex(Index):
    """Exact search: `flat_search` for many queries at once, in bounded memory, equal scores by id.

    Args:
        d: dimensions of a vector.
        metric: "inner_product" (larger is closer) or "l2" (the squared distance, smaller is closer).
    Raises:
        ValueError: an argument is out of range.

    Equal to faiss `IndexFlatIP` and `IndexFlatL2`.
    """

    ARGUMENTS = ("d", "metric")
    TENSORS = ("vectors", "ids")
    ROWS = "vectors"

    def __init__(self, d: int, metric: str = "inner_product"):
        super().__init__(d, metric)
        self.vectors = torch.empty(0, d)  # (N, D)

    def _add(self, x: Any) -> None:
        new = list(chunks(x, self.d))
        self.vectors = torch.cat([self.vectors.to(new[0].device), *new])

    def _search(self, queries: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        return exhaustive(
            queries,
            self.ntotal,
            k,
            lambda block: lambda rows: score(block, self.vectors[rows], self.metric),
            most=CHUNK if self.metric == "l2" else 2**20,
            allowed=allowed,
        )

    def _vectors(self, rows: Tensor) -> Tensor:
        return self.vectors[rows]
