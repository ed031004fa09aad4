"""The flat index: all vectors as they are, every one compared with every query.

Exact, nothing to train, and the yardstick for the others: their recall is the share of its results
that they find too. It costs 4 D bytes and D multiply-adds for each passage (and 4 bytes for |x|² under "l2").

Letters: Q queries, N passages, D dimensions, K results.

Taught in 17.
"""

from typing import Any

import torch

from workbook.index.vectors import (
    answer,
    as_vectors,
    check_metric,
    check_positive,
    chunks,
    exhaustive,
    kept_norms,
    score,
)

QUERIES = 256  # queries that are searched at a time


class FlatIndex:
    """Exact search.

    Args:
        d: dimensions of a vector.
        metric: "inner_product" (larger is closer) or "l2" (the squared distance, smaller is closer).
    Raises:
        ValueError: an argument is out of range.

    Equal to faiss `IndexFlatIP` and `IndexFlatL2`.
    """

    ARGUMENTS = ("d", "metric")
    TENSORS = ("vectors", "norms")

    def __init__(self, d: int, metric: str = "inner_product"):
        check_positive(d=d)
        check_metric(metric)
        self.d, self.metric = d, metric
        self.is_trained = True
        self.vectors = torch.empty(0, d)  # (N, D)
        self.norms = kept_norms(self.vectors, metric)

    @property
    def ntotal(self) -> int:
        """N, how many vectors it holds."""
        return len(self.vectors)

    def train(self, x: Any) -> None:
        """Nothing to learn; the call is there so that every index is used alike."""
        for _ in chunks(x, self.d):  # a wrong input is refused all the same
            pass

    def add(self, x: Any) -> None:
        """Store vectors; their ids go on from `ntotal`. Read 4,096 at a time.

        Args:
            x: (N, D), numpy or torch. Each call copies what is there, so add many at a time.
        Raises:
            ValueError: another D, or values that are not finite.
        """
        new = list(chunks(x, self.d))
        self.vectors = torch.cat([self.vectors.to(new[0].device), *new])
        self.norms = torch.cat([self.norms.to(new[0].device), *(kept_norms(part, self.metric) for part in new)])

    def search(self, q: Any, k: int) -> tuple[Any, Any]:
        """The k nearest passages of each query.

        Passages are scored 4,096 at a time for 256 queries, so memory does not grow with N.

        Args:
            q: (Q, D), numpy or torch.
            k: results per query.
        Returns:
            scores, or squared distances under "l2", (Q, K), and ids (Q, K), best first, equal scores by
            id; id -1 and -inf (inf under "l2") where there are fewer than k passages. Numpy if q was.
        Raises:
            ValueError: k is not positive, another D, or values that are not finite.
        """
        check_positive(k=k)
        queries = as_vectors(q, self.d, "q").to(self.vectors.device)
        best, ids = exhaustive(
            queries,
            self.ntotal,
            k,
            lambda block: lambda rows: score(block, self.vectors[rows], self.metric, self.norms[rows]),
            block=QUERIES,
            most=2**20,
        )
        return answer(best, ids, k, queries, self.metric, q)

    def reset(self) -> None:
        """Forget all vectors."""
        self.vectors, self.norms = self.vectors[:0].clone(), self.norms[:0].clone()
