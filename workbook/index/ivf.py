"""The inverted file: the space is cut into nlist cells, and a query looks into the nearest few only.

K-means finds nlist centroids; each passage goes into the list of its nearest one. A search compares the
query with the centroids, opens the nprobe nearest lists, and scores only what stands there: about
nprobe / nlist of all passages. What is missed are neighbours that lie across a border, so recall grows
with nprobe, and with nprobe = nlist the search is exact again.

`IVFPQIndex` stores, instead of the vectors, the product-quantized rest r = x - c that remains when the
centroid c of the list is taken away. The rest is smaller than x, so the same bytes describe it better.

Lists stand one after another in one array. Queries are grouped by list, so that a list is read once for
all queries that open it and scored with one matrix product.

Letters: N passages, D dimensions, Q queries, K results.

Source: Jégou et al. 2011. Taught in 17.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.index.clustering import assign, kmeans, sample
from workbook.index.product_quantization import (
    add_up_one,
    check_empty,
    check_pieces,
    check_trained,
    decode,
    encode,
    train_codebooks,
)
from workbook.index.vectors import (
    answer,
    as_vectors,
    check_metric,
    check_positive,
    chunks,
    kept_norms,
    score,
)

QUERIES = 1_024  # queries that are searched at a time
SCORES = 2**22  # scores that a list is given at a time: 16 MB


class IVFIndex:
    """Search in the nearest lists, vectors stored whole.

    Args:
        d: dimensions of a vector.
        nlist: how many lists; a common choice is between √N and 4 √N.
        metric: "inner_product" or "l2". The centroids of the former are kept at length 1.
        nprobe: how many lists a query opens; can be set at any time.
        seed: of the k-means.
    Raises:
        ValueError: an argument is out of range.

    Equal to faiss `IndexIVFFlat` with the same centroids.
    """

    ARGUMENTS: tuple[str, ...] = ("d", "nlist", "metric", "nprobe", "seed")
    TENSORS: tuple[str, ...] = ("centroids", "start", "ids", "rows", "norms")
    start: Tensor  # (nlist + 1,), list i owns start[i] : start[i + 1]
    ids: Tensor  # (N,), by list
    rows: Tensor  # (N, D) vectors, or (N, m) codes, by list
    norms: Tensor  # (N, 1), |x|² under "l2"; (N, 0) otherwise

    def __init__(self, d: int, nlist: int, metric: str = "inner_product", nprobe: int = 1, seed: int = 0):
        check_positive(d=d, nlist=nlist, nprobe=nprobe)
        check_metric(metric)
        self.d, self.nlist, self.metric, self.nprobe, self.seed = d, nlist, metric, nprobe, seed
        self.centroids = torch.empty(0, d)  # (nlist, D)
        self.reset()

    @property
    def is_trained(self) -> bool:
        """Whether it has centroids."""
        return len(self.centroids) > 0

    @property
    def ntotal(self) -> int:
        """N, how many vectors it holds."""
        return len(self.ids)

    def train(self, x: Any) -> None:
        """Learn the centroids from vectors like those to come: nlist of them at least, better 40 times as many.

        Args:
            x: (N, D), numpy or torch; from more than 256 for each list a sample is taken.
        Raises:
            RuntimeError: the index holds vectors, whose lists would no longer fit.
            ValueError: too few vectors, another D, or values that are not finite.
        """
        x = as_vectors(sample(x, 256 * self.nlist, self.seed), self.d)
        check_empty(self)
        self.centroids = kmeans(x, self.nlist, 10, self.seed, spherical=self.metric == "inner_product")
        self.reset()  # to the device of the centroids

    def add(self, x: Any) -> None:
        """Put vectors into their lists; their ids go on from `ntotal`. Read 4,096 at a time.

        Memory beside the new index is the old one and a few numbers for each vector.

        Args:
            x: (N, D), numpy or torch. Each call lays out all lists anew, so add many at a time.
        Raises:
            RuntimeError: the index is not trained.
            ValueError: another D, or values that are not finite.
        """
        check_trained(self)
        before, nlist = self.ntotal, self.nlist
        lists = [torch.arange(nlist, device=self.centroids.device).repeat_interleave(self.start.diff())]
        rows, norms = [self.rows], [self.norms]
        for chunk in chunks(x, self.d):
            chunk = chunk.to(self.centroids.device)
            lists.append(assign(chunk, self.centroids, self.metric))
            stored, meant = self._encode(chunk, lists[-1])
            rows.append(stored)
            norms.append(kept_norms(meant, self.metric))
        list_of = torch.cat(lists)
        order = list_of.argsort(stable=True)  # by list, then by id
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        self.rows, self.norms = _placed(rows, place), _placed(norms, place)
        self.ids = torch.cat([self.ids, torch.arange(before, len(order), device=order.device)])[order]
        self.start = torch.cat([order.new_zeros(1), torch.bincount(list_of, minlength=nlist).cumsum(0)])

    def search(self, q: Any, k: int) -> tuple[Any, Any]:
        """The k nearest passages in the nprobe nearest lists; arguments and results as in `FlatIndex.search`.

        1,024 queries are searched at a time; memory is 1,024 · nprobe · k results and 4 million scores,
        or the scores and ids (and codes, where vectors are compressed) of the lists that one query opens, where that
        is more.

        Raises:
            RuntimeError: the index is not trained.
            ValueError: k or nprobe is not positive, another D, or values that are not finite.
        """
        check_trained(self)
        check_positive(k=k, nprobe=self.nprobe)
        queries = as_vectors(q, self.d, "q").to(self.centroids.device)
        nprobe = min(self.nprobe, self.nlist)
        # With fewer pairs of query and list than lists, hardly any list is opened twice.
        if 0 < len(queries) <= min(self.nlist // nprobe, QUERIES) and queries.device.type == "cpu":
            best, ids = self._query_by_query(queries, nprobe, k)
        else:
            each = [self._list_by_list(block, nprobe, k) for block in queries.split(QUERIES)]
            best, ids = (torch.cat(part) for part in zip(*each, strict=True))
        return answer(best, ids, k, queries, self.metric, q)

    def _opened(self, queries: Tensor, nprobe: int) -> Tensor:
        """The lists (Q, nprobe) whose centroids are nearest to each query."""
        return score(queries, self.centroids, self.metric).topk(nprobe, dim=1).indices

    def _query_by_query(self, queries: Tensor, nprobe: int, k: int) -> tuple[Tensor, Tensor]:
        """Score all rows of the lists that a query opens, one query after another: (Q, K) scores and ids.

        In numpy, because for so little work the calls themselves are what takes time, and numpy's are cheaper.
        """
        best, found = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1)
        start, ids, norms = self.start.numpy(), self.ids.numpy(), self.norms.numpy()
        opened = self._opened(queries, nprobe).numpy()
        for i, (query, lists) in enumerate(zip(queries.numpy(), opened, strict=True)):
            owned = [slice(a, b) for a, b in zip(start[lists].tolist(), start[lists + 1].tolist(), strict=True)]
            scores = self._scores_of_lists(query, lists, owned)
            if self.metric == "l2":
                scores = 2 * scores - np.concatenate([norms[own, 0] for own in owned])
            K = min(k, len(scores))
            order = torch.from_numpy(scores).topk(K).indices.numpy()
            best[i, :K], found[i, :K] = scores[order], np.concatenate([ids[own] for own in owned])[order]
        return torch.from_numpy(best), torch.from_numpy(found)

    def _scores_of_lists(self, query: np.ndarray, lists: np.ndarray, owned: list[slice]) -> np.ndarray:
        """Products of a query with the rows of these lists, one list after another. A list is a view, not a copy."""
        rows = self.rows.numpy()
        return np.concatenate([np.vecdot(rows[own], query) for own in owned])

    def _list_by_list(self, queries: Tensor, nprobe: int, k: int) -> tuple[Tensor, Tensor]:
        """Score each list for all queries that open it: (Q, K) scores and ids."""
        Q, opened = len(queries), self._opened(queries, nprobe)
        pair = opened.flatten().argsort()  # pairs of a query and a list it opens, sorted by list
        query_of, back = pair // nprobe, pair.argsort()
        last = torch.bincount(opened.flatten(), minlength=self.nlist).cumsum(0).tolist()
        start = self.start.tolist()
        best = queries.new_full((Q * nprobe, k), float("-inf"))
        place = torch.zeros(Q * nprobe, k, dtype=torch.long, device=queries.device)
        for number, (first, end) in enumerate(zip([0, *last], last, strict=False)):
            a, b = start[number], start[number + 1]
            step = max(1, SCORES // max(b - a, 1))
            for i in range(first, end if b > a else first, step):
                j, width = min(i + step, end), min(k, b - a)
                scores = self._scores(queries.index_select(0, query_of[i:j]), number, slice(a, b))  # (j - i, b - a)
                best[i:j, :width], positions = scores.topk(width, dim=1, sorted=False)
                place[i:j, :width] = positions + a
        best, order = best[back].view(Q, nprobe * k).topk(k, dim=1)
        place = place[back].view(Q, nprobe * k).gather(1, order)
        return best, (self.ids[place] if self.ntotal else place).masked_fill(best == float("-inf"), -1)

    def _scores(self, queries: Tensor, number: int, rows: slice) -> Tensor:
        """Inside scores of rows of one list: (Q, D) -> (Q, rows)."""
        return score(queries, self._decode(number, self.rows[rows]), self.metric, self.norms[rows])

    def _encode(self, x: Tensor, lists: Tensor) -> tuple[Tensor, Tensor]:
        """For vectors (N, D) that go into these lists (N,): what is stored, and the vectors (N, D) it stands for."""
        return x, x

    def _decode(self, number: int, stored: Tensor) -> Tensor:
        """The vectors (rows, D) that stored rows of one list stand for."""
        return stored

    def reset(self) -> None:
        """Forget all vectors, keep the centroids."""
        device = self.centroids.device
        nothing = torch.empty(0, self.d, device=device)
        self.start = torch.zeros(self.nlist + 1, dtype=torch.long, device=device)
        self.ids = torch.empty(0, dtype=torch.long, device=device)
        self.rows = self._encode(nothing, self.ids)[0]
        self.norms = kept_norms(nothing, self.metric)


class IVFPQIndex(IVFIndex):
    """Search in the nearest lists, vectors compressed to m bytes: the index of very large collections.

        x  ≈  c + r̂

    Where a list is read once for many queries, its rows are turned back into vectors and scored with one
    matrix product; a single query adds up tables, as faiss always does. Under "l2" the norm |c + r̂|² is stored,
    4 bytes more for each passage, where faiss keeps a table for each list.

    Args:
        d: dimensions of a vector.
        nlist: how many lists.
        m: pieces, and bytes of a vector; must divide d.
        nbits: bits of a code, 1 to 8.
        metric: "inner_product" or "l2".
        nprobe: how many lists a query opens; can be set at any time.
        seed: of the k-means.
    Raises:
        ValueError: an argument is out of range.

    Equal to faiss `IndexIVFPQ` with the same centroids and codebooks.
    """

    ARGUMENTS = ("d", "nlist", "m", "nbits", "metric", "nprobe", "seed")
    TENSORS = (*IVFIndex.TENSORS, "codebooks")

    def __init__(
        self,
        d: int,
        nlist: int,
        m: int,
        nbits: int = 8,
        metric: str = "inner_product",
        nprobe: int = 1,
        seed: int = 0,
    ):
        check_pieces(d, m, nbits)
        self.m, self.nbits = m, nbits
        self.codebooks = torch.empty(m, 0, d // m)  # (m, ksub, dsub)
        super().__init__(d, nlist, metric, nprobe, seed)

    @property
    def is_trained(self) -> bool:
        """Whether it has centroids and codebooks."""
        return super().is_trained and self.codebooks.shape[1] > 0

    def train(self, x: Any) -> None:
        """Learn the centroids, and then the codebooks from what the centroids leave over.

        Args:
            x: (N, D), numpy or torch; at least nlist and 2^nbits vectors, better 40 times as many.
        Raises:
            RuntimeError: the index holds vectors, whose codes would no longer fit.
            ValueError: too few vectors, another D, or values that are not finite.
        """
        super().train(x)
        x = sample(x, 256 * 2**self.nbits, self.seed)  # what the k-means of a piece would take at most
        x = as_vectors(x, self.d).to(self.centroids.device)
        rest = x - self.centroids[assign(x, self.centroids, self.metric)]
        self.codebooks = train_codebooks(rest, self.m, self.nbits, seed=self.seed)

    def _encode(self, x: Tensor, lists: Tensor) -> tuple[Tensor, Tensor]:
        c = self.centroids[lists]
        codes = encode(x - c, self.codebooks)
        return codes, c + decode(codes, self.codebooks)

    def _decode(self, number: int, stored: Tensor) -> Tensor:
        return decode(stored, self.codebooks) + self.centroids[number]

    def _scores_of_lists(self, query: np.ndarray, lists: np.ndarray, owned: list[slice]) -> np.ndarray:
        """q · (c + r̂) = q · c + what the tables say: for one query they are cheaper than the vectors."""
        codes, centroids, codebooks = self.rows.numpy(), self.centroids.numpy(), self.codebooks.numpy()
        table = codebooks @ query.reshape(self.m, -1, 1)  # (m, ksub, 1)
        rest = add_up_one(np.concatenate([codes[own] for own in owned]), table[:, :, 0])
        return rest + (centroids[lists] @ query).repeat([own.stop - own.start for own in owned])


def _placed(parts: list[Tensor], place: Tensor) -> Tensor:
    """The rows of all parts, (n, C) each, every one at its place (N,); joined first they would be there twice."""
    whole = parts[0].new_empty(len(place), parts[0].shape[1])
    for part, where in zip(parts, place.split([len(part) for part in parts]), strict=True):
        whole[where] = part
    return whole
