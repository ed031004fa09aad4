"""HNSW: a graph in which every vector knows some of its neighbours, and a search walks from one to the next.

Every vector stands on level 0; one in M of them on level 1 too, one in M² on level 2, and so on. The
few vectors of a high level are far apart, so its links are long: a search goes down from the top,
always to the neighbour that is nearest to the query, and each level brings it closer. On level 0 it
keeps the `ef` nearest vectors found so far, looks at the neighbours of each, and stops when the nearest
one that it has not looked at is farther than all that it keeps.

A new vector searches for its own neighbours in the same way, and links are made in both directions.
Which links to keep decides everything: a candidate that is nearer to a neighbour already kept than to
the vector itself is left out, since it is reached through that neighbour.

Inside, smaller is closer: the squared distance, or minus the inner product.

Letters: N passages, D dimensions, Q queries, K results, M links of a vector on a level (2 M on level 0).

Source: Malkov and Yashunin 2016; the choices that the paper leaves open are made as in faiss.
Taught in 17.
"""

from heapq import heappop, heappush, heapreplace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.index.base import Index
from workbook.index.vectors import chunks, distances_of_one
from workbook.support.checks import check_positive

Found = list[tuple[float, int]]  # distance and vector number


class HNSWIndex(Index):
    """Search by walking a graph. Nothing to train; adding is the expensive part.

    Args:
        d: dimensions of a vector.
        M: links of a vector on each level, twice as many on level 0; at least 2.
        ef_construction: how many candidates a new vector considers (faiss: efConstruction).
        ef_search: how many vectors a search keeps (faiss: efSearch); can be set at any time. More is
            slower and finds more.
        metric: "inner_product" or "l2".
        seed: chooses the levels.
    Raises:
        ValueError: an argument is out of range.

    Recall as faiss `IndexHNSWFlat` at equal parameters; the walk is written in Python, a vector at a time,
    so it shows the method, not its speed.
    """

    ARGUMENTS = ("d", "M", "ef_construction", "ef_search", "metric", "seed")
    TENSORS = ("vectors", "levels", "start", "links", "ids")
    ROWS = "vectors"

    def __init__(
        self,
        d: int,
        M: int = 32,
        ef_construction: int = 40,
        ef_search: int = 16,
        metric: str = "inner_product",
        seed: int = 0,
    ):
        super().__init__(d, metric)
        check_positive(ef_construction=ef_construction, ef_search=ef_search)
        if M < 2:
            raise ValueError(f"M must be at least 2, so that levels get smaller, got {M}")
        self.M, self.seed, self.ef_construction, self.ef_search = M, seed, ef_construction, ef_search
        self.reset()

    def reset(self) -> None:
        """Forget all vectors."""
        self.vectors, self.ids = torch.empty(0, self.d), self.ids[:0]  # (N, D), (N,)
        self.levels = torch.empty(0, dtype=torch.int32)  # (N,), the highest level of each
        self.start = torch.zeros(1, dtype=torch.long)  # vector i owns links[start[i] : start[i + 1]]
        self.links = torch.empty(0, dtype=torch.int32)  # 2 M places on level 0, M on each above; -1 is empty
        self.num_distances = 0  # that the last `add` or `search` computed, which is nearly all of its work

    def _add(self, x: Any) -> None:
        """Link vectors into the graph, those with many levels first; all are kept on the CPU."""
        before = self.ntotal
        entry = int(self.levels.argmax()) if before else -1
        self.vectors = torch.cat([self.vectors, *(chunk.cpu() for chunk in chunks(x, self.d))])
        new = self.ntotal - before
        # P(level ≥ l) = M^-l
        uniform = 1 - np.random.default_rng((self.seed, before)).random(new)  # in (0, 1]
        levels = torch.from_numpy((-np.log(uniform) / np.log(self.M)).astype(np.int32))
        places = self.M * (2 + levels.long())
        self.levels = torch.cat([self.levels, levels])
        self.start = torch.cat([self.start, self.start[-1] + places.cumsum(0)])
        self.links = torch.cat([self.links, torch.full((int(places.sum()),), -1, dtype=torch.int32)])
        walk = _Walk(self)
        for i in (levels.argsort(descending=True, stable=True) + before).tolist():
            if entry >= 0:
                walk.insert(i, entry, self.ef_construction)
            if entry < 0 or self.levels[i] > self.levels[entry]:
                entry = i
        self.num_distances = walk.computed

    def _search(self, queries: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """max(ef_search, k) vectors are kept, as in faiss. Memory is one mark for each passage."""
        if allowed is not None:
            raise NotImplementedError(
                "HNSWIndex cannot search a part of its vectors, for its paths lead through the others; search a FlatIndex "
                "or an IVFIndex, or ask for more and leave out what is not allowed"
            )
        check_positive(ef_search=self.ef_search)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        if self.ntotal:
            walk, entry = _Walk(self), int(self.levels.argmax())
            for number, query in enumerate(queries.numpy()):
                found = sorted(walk.search(query, entry, max(self.ef_search, k)))[:k]
                rows[number, : len(found)] = [i for _, i in found]
                scores[number, : len(found)] = [-distance for distance, _ in found]
            self.num_distances = walk.computed
        return torch.from_numpy(scores), torch.from_numpy(rows)

    def _vectors(self, rows: Tensor) -> Tensor:
        return self.vectors[rows]

    def _keep(self, keep: Tensor) -> None:
        raise NotImplementedError(
            "HNSWIndex cannot forget some of its vectors, for its paths lead through them; reset() it"
        )


class _Walk:
    """The graph as numpy arrays, which a step at a time is quicker with than tensors. Shares the index's memory."""

    def __init__(self, index: HNSWIndex):
        self.M, self.l2 = index.M, index.metric == "l2"
        self.x, self.links = index.vectors.numpy(), index.links.numpy()
        self.start, self.levels = index.start.tolist(), index.levels.tolist()
        self.seen = np.zeros(len(self.x), dtype=bool)
        self.computed = 0  # distances

    def places(self, i: int, level: int) -> np.ndarray:
        """The places for vector i's links on a level: a view."""
        first = self.start[i] + (self.M * (level + 1) if level else 0)
        return self.links[first : first + (self.M if level else 2 * self.M)]

    def neighbours(self, i: int, level: int) -> np.ndarray:
        """The vectors that i is linked to on a level."""
        places = self.places(i, level)
        return places[: np.count_nonzero(places >= 0)]  # the empty ones stand at the end

    def distances(self, query: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """From a query to vectors: (n,)."""
        x = self.x[ids]
        self.computed += len(ids)
        return distances_of_one(query, x) if self.l2 else -(x @ query)

    def search(self, query: np.ndarray, entry: int, ef: int) -> Found:
        """The ef nearest vectors on level 0, in no order."""
        here = (float(self.distances(query, np.array([entry]))[0]), entry)
        for level in range(self.levels[entry], 0, -1):
            (here,) = self.beam(query, here, level, 1)
        return self.beam(query, here, 0, ef)

    def beam(self, query: np.ndarray, here: tuple[float, int], level: int, ef: int) -> Found:
        """Keep the ef nearest vectors seen, and look at the neighbours of each, nearest first.

        With ef = 1 it steps to the nearest neighbour until none is nearer.
        """
        seen = self.seen
        touched = [np.array([here[1]])]
        seen[here[1]] = True
        todo = [here]  # smallest distance first
        kept = [(-here[0], here[1])]  # largest distance first
        while todo:
            distance, i = heappop(todo)
            if distance > -kept[0][0]:
                break
            ids = self.neighbours(i, level)
            ids = ids[~seen[ids]]
            if not len(ids):
                continue
            seen[ids] = True
            touched.append(ids)
            for distance, j in zip(self.distances(query, ids).tolist(), ids.tolist(), strict=True):
                if len(kept) < ef:
                    heappush(kept, (-distance, j))
                    heappush(todo, (distance, j))
                elif distance < -kept[0][0]:
                    heapreplace(kept, (-distance, j))
                    heappush(todo, (distance, j))
        for ids in touched:
            seen[ids] = False
        return [(-distance, i) for distance, i in kept]

    def insert(self, i: int, entry: int, ef: int) -> None:
        """Find neighbours for vector i on each of its levels, from the top, and link both ways."""
        query = self.x[i]
        here = (float(self.distances(query, np.array([entry]))[0]), entry)
        for level in range(self.levels[entry], -1, -1):
            (here,) = self.beam(query, here, level, 1)
            if level > self.levels[i]:
                continue
            found = sorted(self.beam(query, here, level, ef))
            places = self.places(i, level)
            kept = self.choose(query, found, len(places))
            places[: len(kept)] = kept
            for j in kept:
                self.link(j, i, level)

    def link(self, i: int, new: int, level: int) -> None:
        """Link i to `new`; where all places are taken, choose again among them all."""
        places = self.places(i, level)
        used = np.count_nonzero(places >= 0)
        if used < len(places):
            places[used] = new
            return
        ids = np.append(places, np.int32(new))
        distances = self.distances(self.x[i], ids)
        kept = self.choose(self.x[i], sorted(zip(distances.tolist(), ids.tolist(), strict=True)), len(places))
        places[: len(kept)] = kept
        places[len(kept) :] = -1

    def choose(self, query: np.ndarray, candidates: Found, most: int) -> list[int]:
        """Which candidates to link to: nearest first, without those that are nearer to one chosen before.

        Fewer candidates than places are all taken.
        """
        ids = [i for _, i in candidates]
        if len(ids) < most:
            return ids
        x = self.x[ids]
        if self.l2:  # seen from the query: the numbers are as small as the distances, and keep their digits
            x = x - query
            norms = np.vecdot(x, x)
            between = norms + norms[:, None] - 2 * (x @ x.T)  # (n, n)
        else:
            between = -(x @ x.T)
        # nearest[n]: the distance from candidate n to the nearest one chosen so far.
        nearest = np.full(len(ids), np.inf, dtype=np.float32)
        chosen: list[int] = []
        for n, (distance, i) in enumerate(candidates):
            self.computed += len(chosen)  # which is all that a loop would compare it with
            if nearest[n] < distance:
                continue
            chosen.append(i)
            if len(chosen) == most:
                break
            np.minimum(nearest, between[n], out=nearest)
        return chosen
