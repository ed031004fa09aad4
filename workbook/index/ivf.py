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

from workbook.index.base import Index
from workbook.index.clustering import kmeans, nearest_lists, sample
from workbook.index.product_quantization import add_up_one, check_pieces, decode, encode, train_codebooks
from workbook.index.vectors import as_vectors, chunks, closeness, score, scores_of_one
from workbook.support.checks import check_positive

GROUPED = 1_024  # queries that are grouped by list at a time
SCORES = 2**22  # scores that a list is given at a time: 16 MB


def ivf_search(
    query: Tensor, x: Tensor, centroids: Tensor, k: int, nprobe: int = 1, metric: str = "inner_product"
) -> list[int]:
    """Search in the nearest lists, plainly.

    Args:
        query: (D,).
        x: (N, D).
        centroids: (nlist, D).
        k, nprobe, metric: as in `IVFIndex`.
    Returns:
        at most k row numbers of x, best first.
    """

    def nearest(vector: Tensor, among: Tensor, n: int) -> list[int]:
        return sorted(range(len(among)), key=lambda i: -closeness(vector, among[i], metric))[:n]

    list_of = [nearest(vector, centroids, 1)[0] for vector in x]  # when they are added
    opened = nearest(query, centroids, nprobe)  # when a query comes
    candidates = [i for i in range(len(x)) if list_of[i] in opened]
    return [candidates[i] for i in nearest(query, x[candidates], k)]


class IVFIndex(Index):
    """Search in the nearest lists, vectors stored whole: `ivf_search` for many queries.

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
    TENSORS: tuple[str, ...] = ("centroids", "start", "ids", "rows")
    ROWS = "rows"
    start: Tensor  # (nlist + 1,), list i owns start[i] : start[i + 1]
    rows: Tensor  # (N, D) vectors, or (N, m) codes, by list

    def __init__(self, d: int, nlist: int, metric: str = "inner_product", nprobe: int = 1, seed: int = 0):
        super().__init__(d, metric)
        check_positive(nlist=nlist, nprobe=nprobe)
        self.nlist, self.nprobe, self.seed = nlist, nprobe, seed
        self.centroids = torch.empty(0, d)  # (nlist, D)
        self.reset()

    @property
    def is_trained(self) -> bool:
        """Whether it has centroids."""
        return len(self.centroids) > 0

    def train(self, x: Any) -> None:
        """Learn the centroids from vectors like those to come: nlist of them at least, better 40 times as many.

        Args:
            x: (N, D), numpy or torch; from more than 256 for each list a sample is taken.
        Raises:
            RuntimeError: the index holds vectors, whose lists would no longer fit.
            ValueError: too few vectors, another D, or values that are not finite.
        """
        x = as_vectors(sample(x, 256 * self.nlist, self.seed), self.d)
        self._check_empty()
        self.centroids = kmeans(x, self.nlist, 10, self.seed, spherical=self.metric == "inner_product")
        self.reset()  # to the device of the centroids

    def _add(self, x: Any) -> Tensor:
        """Lay out all lists anew; memory beside the new index is the old one and a few numbers for each vector."""
        lists, rows = [self._list_of_rows()], [self.rows]
        for chunk in chunks(x, self.d):
            chunk = chunk.to(self.centroids.device)
            lists.append(nearest_lists(chunk, self.centroids, self.metric, 1)[:, 0])
            rows.append(self._encode(chunk, lists[-1]))
        list_of = torch.cat(lists)
        order = list_of.argsort(stable=True)  # by list, then in the order of adding
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        self.rows = _placed(rows, place)
        self.start = self._starts(list_of)
        return order

    def _search(self, queries: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Of 1,024 queries at a time; memory is 1,024 · nprobe · k results and 4 million scores, or the scores
        (and vectors, where they are compressed) of the lists that one query opens, where that is more.
        """
        check_positive(nprobe=self.nprobe)
        nprobe = min(self.nprobe, self.nlist)
        # With fewer pairs of query and list than lists, hardly any list is opened twice.
        if 0 < len(queries) <= min(self.nlist // nprobe, GROUPED) and queries.device.type == "cpu":
            return self._query_by_query(queries, nprobe, k, allowed)
        blocks = [queries[i : i + GROUPED] for i in range(0, max(len(queries), 1), GROUPED)]
        each = [self._list_by_list(block, nprobe, k, allowed) for block in blocks]
        best, rows = (torch.cat(part) for part in zip(*each, strict=True))
        return best, rows.masked_fill(best == float("-inf"), -1)

    def _query_by_query(self, queries: Tensor, nprobe: int, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Score all rows of the lists that a query opens, one query after another: (Q, K) scores and rows.

        In numpy, because for so little work the calls themselves are what takes time, and numpy's are cheaper.
        """
        best, found = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1)
        start, opened = self.start.numpy(), nearest_lists(queries, self.centroids, self.metric, nprobe).numpy()
        for i, (query, lists) in enumerate(zip(queries.numpy(), opened, strict=True)):
            owned = [slice(a, b) for a, b in zip(start[lists].tolist(), start[lists + 1].tolist(), strict=True)]
            scores = self._scores_of_lists(query, lists, owned)
            if allowed is not None:
                scores[~np.concatenate([allowed.numpy()[own] for own in owned])] = -np.inf
            order = torch.from_numpy(scores).topk(min(k, len(scores))).indices.numpy()
            end = (start[lists + 1] - start[lists]).cumsum()  # where each list ends among the scores
            best[i, : len(order)] = scores[order]
            found[i, : len(order)] = order + (start[lists + 1] - end)[end.searchsorted(order, "right")]
        if allowed is not None:
            found[np.isneginf(best)] = -1
        return torch.from_numpy(best), torch.from_numpy(found)

    def _scores_of_lists(self, query: np.ndarray, lists: np.ndarray, owned: list[slice]) -> np.ndarray:
        """Scores of a query with the rows of these lists, one list after another. A list is a view, not a copy."""
        rows = self.rows.numpy()
        return np.concatenate([scores_of_one(query, rows[own], self.metric) for own in owned])

    def _list_by_list(self, queries: Tensor, nprobe: int, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Score each list for all queries that open it: (Q, K) scores and rows."""
        Q, opened = len(queries), nearest_lists(queries, self.centroids, self.metric, nprobe)
        pair = opened.flatten().argsort()  # pairs of a query and a list it opens, sorted by list
        query_of, back = pair // nprobe, pair.argsort()
        last = torch.bincount(opened.flatten(), minlength=self.nlist).cumsum(0).tolist()
        start = self.start.tolist()
        best = queries.new_full((Q * nprobe, k), float("-inf"))
        rows = torch.zeros(Q * nprobe, k, dtype=torch.long, device=queries.device)
        for number, (first, end) in enumerate(zip([0, *last], last, strict=False)):
            a, b = start[number], start[number + 1]
            step = max(1, SCORES // max(b - a, 1))
            for i in range(first, end if b > a else first, step):
                j, width = min(i + step, end), min(k, b - a)
                stored = self._decode(self.rows[a:b], self.centroids[number])
                scores = score(queries.index_select(0, query_of[i:j]), stored, self.metric)  # (j - i, b - a)
                if allowed is not None:
                    scores = scores.masked_fill(~allowed[a:b], float("-inf"))
                best[i:j, :width], places = scores.topk(width, dim=1, sorted=False)
                rows[i:j, :width] = places + a
        best, order = best[back].view(Q, nprobe * k).topk(k, dim=1)
        return best, rows[back].view(Q, nprobe * k).gather(1, order)

    def _encode(self, x: Tensor, lists: Tensor) -> Tensor:
        """What is stored of vectors (N, D) that go into these lists (N,)."""
        return x

    def _decode(self, stored: Tensor, centroids: Tensor) -> Tensor:
        """The vectors (n, D) that stored rows stand for; centroids: (D,) of their list, or (n, D) of theirs."""
        return stored

    def _vectors(self, rows: Tensor) -> Tensor:
        return self._decode(self.rows[rows], self.centroids[self._list_of_rows()[rows]])

    def _keep(self, keep: Tensor) -> None:
        self.start = self._starts(self._list_of_rows()[keep])
        super()._keep(keep)

    def reset(self) -> None:
        """Forget all vectors, keep the centroids."""
        device = self.centroids.device
        self.start = torch.zeros(self.nlist + 1, dtype=torch.long, device=device)
        self.ids = torch.empty(0, dtype=torch.long, device=device)
        self.rows = self._encode(torch.empty(0, self.d, device=device), self.ids)

    def _list_of_rows(self) -> Tensor:
        """The list in which each row stands: (N,)."""
        return torch.arange(self.nlist, device=self.start.device).repeat_interleave(self.start.diff())

    def _starts(self, list_of: Tensor) -> Tensor:
        """Where each list starts, and the last one ends, when these rows stand list by list: (N,) -> (nlist + 1,)."""
        return torch.cat([list_of.new_zeros(1), torch.bincount(list_of, minlength=self.nlist).cumsum(0)])


class IVFPQIndex(IVFIndex):
    """Search in the nearest lists, vectors compressed to m bytes: the index of very large collections.

        x  ≈  c + r̂

    Where a list is read once for many queries, its rows are turned back into vectors and scored with one
    matrix product; a single query adds up tables, as faiss always does. There it needs five times faiss' time: a look-up
    in numpy alone takes longer than faiss' whole search. Searches of many queries at once are within three times.

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
        rest = x - self.centroids[nearest_lists(x, self.centroids, self.metric, 1)[:, 0]]
        self.codebooks = train_codebooks(rest, self.m, self.nbits, seed=self.seed)

    def _encode(self, x: Tensor, lists: Tensor) -> Tensor:
        return encode(x - self.centroids[lists], self.codebooks)

    def _decode(self, stored: Tensor, centroids: Tensor) -> Tensor:
        return decode(stored, self.codebooks) + centroids

    def _scores_of_lists(self, query: np.ndarray, lists: np.ndarray, owned: list[slice]) -> np.ndarray:
        """q · (c + r̂) = q · c + what the tables say: for one query they are cheaper than the vectors."""
        if self.metric == "l2":  # each list would need tables of its own, for q - c
            vectors = [self._decode(self.rows[own], self.centroids[i]) for i, own in zip(lists, owned, strict=True)]
            return np.concatenate([scores_of_one(query, x.numpy(), "l2") for x in vectors])
        codes, centroids, codebooks = self.rows.numpy(), self.centroids.numpy(), self.codebooks.numpy()
        table = codebooks @ query.reshape(self.m, -1, 1)  # (m, ksub, 1)
        rest: np.ndarray = add_up_one(np.concatenate([codes[own] for own in owned]), table[:, :, 0])
        rest += (centroids[lists] @ query).repeat([own.stop - own.start for own in owned])
        return rest


def _placed(parts: list[Tensor], place: Tensor) -> Tensor:
    """The rows of all parts, (n, C) each, every one at its place (N,); joined first they would be there twice."""
    whole = parts[0].new_empty(len(place), parts[0].shape[1])
    start = 0
    for part in parts:
        whole[place[start : start + len(part)]] = part
        start += len(part)
    return whole
