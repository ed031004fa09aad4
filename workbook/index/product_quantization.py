"""Product quantization: a vector is cut into m pieces, and each piece is named by its nearest centroid.

A vector x = [x_1 … x_m] is stored as m codes of one byte each. Its reconstruction x̂ = [c_1 … c_m] has
the centroids in place of the pieces, and one of (2^nbits)^m different vectors can be told apart with
only m · 2^nbits centroids. A query is not quantized. Its product with a reconstruction falls into
pieces as well,

    q · x̂ = sum_j q_j · c_j

so all products of q_j with the centroids of piece j are put into a table once, and a passage costs m
lookups and m - 1 additions instead of D multiply-adds.

Under "l2" the table holds -|q_j - c_j|² instead. The tables of many queries stand side by side, so that one code fetches a whole row of them: this is
the sum of embeddings that `torch.nn.functional.embedding_bag` computes, and it is what makes it fast.

Letters: N passages, D dimensions, Q queries, K results, m pieces, ksub = 2^nbits centroids of a piece,
dsub = D / m dimensions of a piece.

Source: Jégou et al. 2011. Taught in 17.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.index.base import Index
from workbook.index.clustering import argmax, kmeans, sample
from workbook.index.vectors import as_vectors, chunks, closeness, exhaustive, wide
from workbook.support.checks import check_positive

TABLES = 64  # queries whose tables are used at a time: m · ksub · 64 floats, 1 MB for 16 bytes a vector
FEW = 4  # below this many queries single lookups are faster than sums of rows


def pq_search(query: Tensor, codes: Tensor, codebooks: Tensor, k: int, metric: str = "inner_product") -> list[int]:
    """Search among codes, plainly: a table for each piece, then m lookups for each passage.

    Args:
        query: (D,).
        codes: (N, m).
        codebooks: (m, ksub, dsub).
        k: how many.
        metric: "inner_product" or "l2".
    Returns:
        at most k row numbers, best first.
    """
    pieces = query.view(len(codebooks), -1)  # (m, dsub)
    table = [[closeness(piece, c, metric) for c in book] for piece, book in zip(pieces, codebooks, strict=True)]
    scores = [sum(table[j][code] for j, code in enumerate(row)) for row in codes.tolist()]
    return sorted(range(len(codes)), key=lambda i: -scores[i])[:k]


def train_codebooks(x: Any, m: int, nbits: int = 8, iterations: int = 25, seed: int = 0) -> Tensor:
    """One k-means for each piece.

    Args:
        x: (N, D).
        m: pieces; must divide D.
        nbits: bits of a code, 1 to 8.
        iterations: of each k-means.
        seed: of each k-means.
    Returns:
        codebooks (m, ksub, dsub).
    Raises:
        ValueError: m does not divide D, or there are fewer than 2^nbits vectors.
    """
    x = as_vectors(x)
    check_pieces(x.shape[1], m, nbits)
    pieces = x.view(len(x), m, -1).unbind(dim=1)  # m of (N, dsub)
    return torch.stack([kmeans(piece, 2**nbits, iterations, seed) for piece in pieces])


def encode(x: Tensor, codebooks: Tensor, chunk_size: int = 128) -> Tensor:
    """The nearest centroid of every piece: (N, D), (m, ksub, dsub) -> codes (N, m) uint8.

    |x - c|² without |x|², which is the same for all centroids; in float64, see `squared_distances`. Memory is
    chunk_size · m · ksub scores.
    """
    m, _, dsub = codebooks.shape
    books = wide(codebooks)
    bias = -books.square().sum(dim=2)[:, None, :]  # (m, 1, ksub)
    codes = torch.empty(len(x), m, dtype=torch.uint8, device=x.device)
    for start in range(0, len(x), chunk_size):
        pieces = wide(x[start : start + chunk_size]).view(-1, m, dsub).transpose(0, 1)  # (m, chunk, dsub)
        closest = torch.baddbmm(bias, pieces, books.transpose(1, 2), alpha=2)  # (m, chunk, ksub)
        codes[start : start + chunk_size] = argmax(closest).T.to(torch.uint8)
    return codes


def decode(codes: Tensor, codebooks: Tensor) -> Tensor:
    """The reconstruction: codes (N, m), (m, ksub, dsub) -> x̂ (N, D)."""
    m, ksub, dsub = codebooks.shape
    return codebooks.view(m * ksub, dsub).index_select(0, _rows(codes, ksub).flatten()).view(len(codes), m * dsub)


def lookup_tables(queries: Tensor, codebooks: Tensor, metric: str) -> Tensor:
    """What each code of each piece adds to each query's score.

    Args:
        queries: (Q, D).
        codebooks: (m, ksub, dsub).
        metric: "inner_product" for q_j · c_j, "l2" for -|q_j - c_j|².
    Returns:
        (m, ksub, Q).
    """
    m, _, dsub = codebooks.shape
    pieces = queries.view(len(queries), m, dsub).permute(1, 2, 0)  # (m, dsub, Q)
    if metric == "inner_product":
        return torch.bmm(codebooks, pieces)
    books, pieces = wide(codebooks), wide(pieces)
    norms = books.square().sum(dim=2, keepdim=True) + pieces.square().sum(dim=1, keepdim=True)  # (m, ksub, Q)
    return torch.baddbmm(-norms, books, pieces, alpha=2).float()


def add_up(codes: Tensor, tables: Tensor) -> Tensor:
    """Each passage's score: the sum of its m entries in each query's table.

    Args:
        codes: (N, m) uint8.
        tables: (m, ksub, Q).
    Returns:
        (N, Q).
    """
    m, ksub, Q = tables.shape
    if FEW > Q and codes.device.type == "cpu":  # a row of one or two numbers is not worth fetching
        sums = torch.empty(Q, len(codes), dtype=tables.dtype)
        for total, table in zip(sums.numpy(), tables.permute(2, 0, 1).contiguous().numpy(), strict=True):
            total[:] = add_up_one(codes.numpy(), table)
        return sums.T
    return F.embedding_bag(_rows(codes, ksub), tables.view(m * ksub, Q), mode="sum")


def add_up_one(codes: np.ndarray, table: np.ndarray) -> np.ndarray:
    """`add_up` for one query, a piece after another: codes (N, m), table (m, ksub) -> (N,)."""
    total = np.zeros(len(codes), table.dtype)
    for entries, column in zip(table, codes.T, strict=True):
        total += entries.take(column)
    return total


def _rows(codes: Tensor, ksub: int) -> Tensor:
    """Where the entry of each code stands when the pieces' tables stand one below the other: (N, m) int32."""
    return codes.int() + ksub * torch.arange(codes.shape[1], dtype=torch.int32, device=codes.device)


class PQIndex(Index):
    """Exhaustive search over compressed vectors: m bytes for each instead of 4 D. `pq_search` for many queries.

    Args:
        d: dimensions of a vector.
        m: pieces, and bytes of a vector; must divide d.
        nbits: bits of a code, 1 to 8. Below 8 a code still takes a byte here; faiss packs them.
        metric: "inner_product" or "l2". The centroids are trained for the distance either way.
        seed: of the k-means.
    Raises:
        ValueError: an argument is out of range.

    Equal to faiss `IndexPQ` with the same codebooks.
    """

    ARGUMENTS = ("d", "m", "nbits", "metric", "seed")
    TENSORS = ("codebooks", "codes", "ids")
    ROWS = "codes"

    def __init__(self, d: int, m: int, nbits: int = 8, metric: str = "inner_product", seed: int = 0):
        check_pieces(d, m, nbits)
        super().__init__(d, metric)
        self.m, self.nbits, self.seed = m, nbits, seed
        self.codebooks = torch.empty(0)  # (m, ksub, dsub)
        self.codes = torch.empty(0, m, dtype=torch.uint8)  # (N, m)

    @property
    def is_trained(self) -> bool:
        """Whether it has codebooks."""
        return len(self.codebooks) > 0

    def train(self, x: Any) -> None:
        """Learn the codebooks from vectors like those to come: 2^nbits of them at least, better 40 times as many.

        Args:
            x: (N, D), numpy or torch; from more than 256 for each centroid a sample is taken.
        Raises:
            RuntimeError: the index holds vectors, whose codes would no longer fit.
            ValueError: too few vectors, another D, or values that are not finite.
        """
        x = as_vectors(sample(x, 256 * 2**self.nbits, self.seed), self.d)
        self._check_empty()
        self.codebooks = train_codebooks(x, self.m, self.nbits, seed=self.seed)

    def _add(self, x: Any) -> None:
        new = [encode(chunk.to(self.codebooks.device), self.codebooks) for chunk in chunks(x, self.d)]
        self.codes = torch.cat([self.codes.to(new[0].device), *new])

    def _search(self, queries: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        def prepare(block: Tensor) -> Callable[[Any], Tensor]:
            tables = lookup_tables(block, self.codebooks, self.metric)
            return lambda rows: add_up(self.codes[rows], tables).T.contiguous()

        return exhaustive(queries, self.ntotal, k, prepare, block=TABLES, most=2**18, allowed=allowed)

    def _vectors(self, rows: Tensor) -> Tensor:
        return decode(self.codes[rows], self.codebooks)


def check_pieces(d: int, m: int, nbits: int) -> None:
    """Refuse m pieces that do not divide d dimensions, and codes that do not fit a byte.

    Raises:
        ValueError: which of them, and what would do.
    """
    check_positive(d=d, m=m)
    if d % m:
        near = ", ".join(str(i) for i in range(1, d + 1) if d % i == 0)
        raise ValueError(f"m must divide the dimensions, got d={d} and m={m}; m can be one of {near}")
    if not 1 <= nbits <= 8:
        raise ValueError(f"nbits must be between 1 and 8, so that a code fits a byte, got {nbits}")
