"""What all indexes are to those who use them: vectors go in, the nearest come out, and each has an id.

A row is the place where a vector is stored, an id is its name. As long as nobody gives other ones, ids count from
0 in the order of adding.

Letters: Q queries, N passages, D dimensions, K results.

Taught in 17.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.index.vectors import allowed_rows, answer, as_ids, as_vectors, check_metric, chunks
from workbook.support.checks import check_positive
from workbook.support.types import VectorIndex


class Index(VectorIndex):
    """The calls that all indexes share; each says how it stores rows and how it searches them.

    Args:
        d: dimensions of a vector.
        metric: "inner_product" (larger is closer) or "l2" (the squared distance, smaller is closer).
    Raises:
        ValueError: an argument is out of range.
    """

    ARGUMENTS: tuple[str, ...]  # what it is made with, for the disk
    TENSORS: tuple[str, ...]  # what it holds, for the disk
    ROWS: str  # the one of them that has a row for each vector

    def __init__(self, d: int, metric: str):
        check_positive(d=d)
        check_metric(metric)
        self.d, self.metric = d, metric
        self.ids = torch.empty(0, dtype=torch.long)  # (N,), or empty as long as they are the row numbers

    @property
    def is_trained(self) -> bool:
        """Whether it has learned what it needs."""
        return True

    @property
    def ntotal(self) -> int:
        """N, how many vectors it holds."""
        return len(getattr(self, self.ROWS))

    def train(self, x: Any) -> None:
        """Nothing to learn; the call is there so that every index is used alike."""
        for _ in chunks(x, self.d):  # a wrong input is refused all the same
            pass

    def add(self, x: Any) -> None:
        """Store vectors; their ids go on from the largest one, from 0 at first. Read 4,096 at a time.

        Args:
            x: (N, D), numpy or torch. Each call copies what is there, so add many at a time.
        Raises:
            RuntimeError: the index is not trained.
            ValueError: another D, or values that are not finite.
        """
        self._extend(x, None)

    def add_with_ids(self, x: Any, ids: Any) -> None:
        """Store vectors under ids of your own.

        Args:
            x: (N, D), as in `add`.
            ids: (N,) whole numbers from 0 on, each once.
        Raises:
            RuntimeError: the index is not trained.
            ValueError: as `add`; the ids are not as many as the vectors, one is negative, or one is there already.

        As faiss `IndexIDMap`, which takes an id twice.
        """
        new, held = as_ids(ids), self._row_ids().cpu()
        if len(new) != len(x) or (len(new) and new.min() < 0):
            raise ValueError(
                f"ids must be {len(x)} whole numbers from 0 on, one for each vector, got {tuple(new.shape)}"
            )
        if len(set(new.tolist())) != len(new) or torch.isin(new, held).any():
            raise ValueError("an id stands twice, or is in the index already; remove_ids it first")
        self._extend(x, new)

    def search(self, q: Any, k: int, allowed: Any = None) -> tuple[Any, Any]:
        """The k nearest passages of each query.

        Args:
            q: (Q, D), numpy or torch.
            k: results per query.
            allowed: the ids that may be found, or a mask of booleans in which place i speaks for id i; all by default.
        Returns:
            scores, or squared distances under "l2", (Q, K), and ids (Q, K), best first; id -1 and -inf (inf under
            "l2") where there are fewer than k passages. Numpy if q was.
        Raises:
            RuntimeError: the index is not trained.
            ValueError: k is not positive, another D, values that are not finite, or a mask that is too short.
            NotImplementedError: an HNSW index cannot search a part of its vectors.
        """
        self._check_trained()
        check_positive(k=k)
        queries = as_vectors(q, self.d, "q").to(getattr(self, self.ROWS).device)
        scores, rows = self._search(queries, k, None if allowed is None else allowed_rows(allowed, self._row_ids()))
        return answer(scores, self._names(rows) if len(self.ids) else rows, k, self.metric, q)

    def reconstruct(self, ids: Any) -> Tensor:
        """The vectors that are stored under these ids, or what is left of them where they are compressed.

        Args:
            ids: one id, or (n,) of them.
        Returns:
            (D,) or (n, D).
        Raises:
            KeyError: an id is not there.

        faiss' `reconstruct` and `reconstruct_batch`.
        """
        if isinstance(ids, int | np.integer):
            return self.reconstruct([ids])[0]
        held, order = self._row_ids().sort()
        wanted = as_ids(ids).to(held.device)
        place = torch.searchsorted(held, wanted).clamp(max=max(len(held) - 1, 0))
        if missing := wanted.tolist() if not len(held) else wanted[held[place] != wanted].tolist():
            raise KeyError(f"the index holds no id {missing[0]}")
        return self._vectors(order[place])

    def remove_ids(self, ids: Any) -> int:
        """Forget the vectors with these ids; those that are not there are passed over.

        In an index without lists, whose ids are row numbers, later rows move up and take smaller numbers, as in
        faiss; ids of your own stay.

        Returns:
            how many there were.
        Raises:
            NotImplementedError: an HNSW index cannot forget, for paths lead through every vector.
        """
        held = self._row_ids()
        keep = ~torch.isin(held, as_ids(ids).to(held.device))
        self._keep(keep)
        return int((~keep).sum())

    def reset(self) -> None:
        """Forget all vectors, keep what was learned."""
        self._keep(torch.zeros(self.ntotal, dtype=torch.bool))

    def _add(self, x: Any) -> Tensor | None:
        """Store vectors; where rows change places, the former row of each, old ones before new ones."""
        raise NotImplementedError

    def _search(self, queries: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores (Q, K) and rows (Q, K), best first; -inf and -1 where there are no more. allowed: (N,) by row."""
        raise NotImplementedError

    def _vectors(self, rows: Tensor) -> Tensor:
        """What is stored in these rows, as vectors: (n,) -> (n, D)."""
        raise NotImplementedError

    def _keep(self, keep: Tensor) -> None:
        """Forget all rows but these: (N,) booleans."""
        setattr(self, self.ROWS, getattr(self, self.ROWS)[keep])
        self.ids = self.ids[keep] if len(self.ids) else self.ids

    def _extend(self, x: Any, ids: Tensor | None) -> None:
        self._check_trained()
        held = self._row_ids()
        order = self._add(x)
        if ids is None and order is None and not len(self.ids):
            return  # they are the row numbers
        first = int(held.max()) + 1 if len(held) else 0
        new = torch.arange(first, first + self.ntotal - len(held)) if ids is None else ids
        device = getattr(self, self.ROWS).device
        held = torch.cat([held.to(device), new.to(device)])
        self.ids = held if order is None else held[order]

    def _names(self, rows: Tensor) -> Tensor:
        """The ids of rows, -1 where there is none. In numpy on a CPU, whose calls are cheaper where one query asks."""
        if rows.device.type != "cpu":
            return self.ids[rows].masked_fill(rows < 0, -1)
        places = rows.numpy()
        ids = self.ids.numpy()[places]
        ids[places < 0] = -1
        return torch.from_numpy(ids)

    def _row_ids(self) -> Tensor:
        return self.ids if len(self.ids) else torch.arange(self.ntotal, device=getattr(self, self.ROWS).device)

    def _check_trained(self) -> None:
        if not self.is_trained:
            raise RuntimeError(f"this {type(self).__name__} is not trained; call train(x) with typical vectors first")

    def _check_empty(self) -> None:
        """Refuse to train an index that holds vectors: their codes would no longer mean what they did."""
        if self.ntotal:
            raise RuntimeError(
                f"train before add: {self.ntotal} vectors are stored by what was learned; call reset() first"
            )
