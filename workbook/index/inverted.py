"""The inverted index: search by touching only the passages that share a word with the query.

A sparse vector has V dimensions, one for each word of a vocabulary, and few of them are not zero. Passage by
passage, it says which words a passage holds. Turned over, word by word, it says which passages hold a
word: that is what a search asks. BM25 fills such vectors by a formula, SPLADE by a trained model; the
search is the same.

Letters: N passages, V words, Q queries, K results. A place is one (passage, word) with its weight.

Taught in 03 and 16.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save
from safetensors.torch import load_file

from workbook.similarity import as_run
from workbook.support.checks import check_positive, check_texts
from workbook.support.files import write_atomically
from workbook.support.types import Corpus, Queries, Run

BLOCK = 32  # passages of which `best` first looks at the best one only


@dataclass(frozen=True)
class SparseVectors:
    """N sparse vectors, row after row ("CSR"): row i owns the places indptr[i] to indptr[i + 1].

    Attributes:
        indptr: (N + 1,) integers.
        ids: (places,) integers, the words of row 0, then of row 1, and so on.
        weights: (places,) the weight of each.
        vocab_size: V.
    Raises:
        ValueError: the arrays do not belong together, an id is not a word, or a weight is negative or not finite.

    The same layout as `scipy.sparse.csr_array`.
    """

    indptr: np.ndarray
    ids: np.ndarray
    weights: np.ndarray
    vocab_size: int

    def __post_init__(self) -> None:
        places = len(self.ids)
        if len(self.weights) != places or len(self.indptr) < 1 or self.indptr[0] != 0 or self.indptr[-1] != places:
            raise ValueError(
                f"ids and weights must have indptr[-1] places each, got {places} and {len(self.weights)} "
                f"for indptr {self.indptr[:1]} to {self.indptr[-1:]}"
            )
        if (np.diff(self.indptr) < 0).any():
            raise ValueError("indptr must not fall; row i owns the places indptr[i] to indptr[i + 1]")
        if places and not (self.ids.min() >= 0 and self.ids.max() < self.vocab_size):
            raise ValueError(
                f"ids must lie in [0, {self.vocab_size}), got {self.ids.min()} to {self.ids.max()}; is it another vocabulary?"
            )
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            raise ValueError("weights must be finite and not negative; a search returns what scores above 0")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The ids and the weights of one row."""
        owned = slice(self.indptr[row], self.indptr[row + 1])
        return self.ids[owned], self.weights[owned]

    def take(self, rows: np.ndarray) -> "SparseVectors":
        """Some of the rows, in the order asked for: (R,) row numbers -> R vectors."""
        count = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], count.cumsum()])
        places = np.repeat(self.indptr[:-1][rows] - indptr[:-1], count) + np.arange(indptr[-1])
        return SparseVectors(indptr, self.ids[places], self.weights[places], self.vocab_size)

    def to_dense(self) -> np.ndarray:
        """The same as a matrix, (N, V); a word that stands twice in a row counts twice."""
        dense = np.zeros((len(self), self.vocab_size), dtype=self.weights.dtype)
        np.add.at(dense, (np.repeat(np.arange(len(self)), np.diff(self.indptr)), self.ids), self.weights)
        return dense

    @classmethod
    def from_dense(cls, matrix: np.ndarray) -> "SparseVectors":
        """Keep what is not zero: (N, V) -> N sparse vectors."""
        row, ids = matrix.nonzero()
        indptr = np.concatenate([[0], np.bincount(row, minlength=len(matrix)).cumsum()])
        return cls(indptr, ids.astype(np.int32), matrix[row, ids], matrix.shape[1])

    @classmethod
    def concatenate(cls, parts: Sequence["SparseVectors"], vocab_size: int) -> "SparseVectors":
        """The rows of several, one after another."""
        counts = np.concatenate([np.zeros(0, dtype=np.int64), *(np.diff(part.indptr) for part in parts)])
        ids = np.concatenate([np.zeros(0, dtype=np.int32), *(part.ids for part in parts)])
        weights = np.concatenate([np.zeros(0, dtype=np.float32), *(part.weights for part in parts)])
        return cls(np.concatenate([[0], counts.cumsum()]), ids, weights, vocab_size)


class InvertedIndex:
    """The postings of every word: which passages hold it, and with what weight.

    Sparse vectors say, passage by passage, which words it holds. Turned over, word by word, they let a
    search touch only the passages that share a word with the query:

        score(q, d) = sum_v q_v · d_v  =  a sum over the words of q alone, each adding to the passages of its list

    Args:
        indptr: (V + 1,); word v owns the places indptr[v] to indptr[v + 1].
        passages: (places,) passage numbers.
        weights: (places,) none negative; scores are added up in their precision.
        num_passages: N.

    Equal to a dense product. The index of `workbook.bm25` is of the same kind.
    """

    def __init__(self, indptr: np.ndarray, passages: np.ndarray, weights: np.ndarray, num_passages: int):
        self.indptr, self.passages, self.weights, self.num_passages = indptr, passages, weights, num_passages

    @classmethod
    def from_vectors(cls, vectors: SparseVectors, chunk_size: int = 2**20) -> "InvertedIndex":
        """Turn N sparse vectors over.

        Args:
            vectors: one for each passage.
            chunk_size: places that are sorted at a time; the memory needed beside vectors and index is a few
                times this and V, whatever N is.
        Returns:
            the index; the passages of every word in ascending order.
        Raises:
            ValueError: chunk_size is not positive.
        """
        check_positive(chunk_size=chunk_size)
        V, places = vectors.vocab_size, len(vectors.ids)
        chunks = [slice(first, first + chunk_size) for first in range(0, places, chunk_size)]
        count = np.zeros(V, dtype=np.int64)
        for chunk in chunks:
            count += np.bincount(vectors.ids[chunk], minlength=V)
        indptr = np.concatenate([[0], count.cumsum()])
        passages, weights = np.empty(places, dtype=np.int32), np.empty_like(vectors.weights)
        free = indptr[:-1].copy()  # (V,), the first place of each word that is not taken yet
        for chunk in chunks:
            ids = vectors.ids[chunk]
            if V <= 2**16:
                ids = ids.astype(np.uint16)  # numpy sorts 16 bits five times as fast
            order = np.argsort(ids, kind="stable")
            word = ids[order]
            n = np.bincount(word, minlength=V)
            # The i-th place of the chunk belongs to the (i - first)-th passage of its word: after those that are there.
            first = n.cumsum() - n
            place = np.arange(len(word)) + np.repeat(free - first, n)
            row = np.searchsorted(vectors.indptr, np.arange(chunk.start, chunk.start + len(word)), side="right") - 1
            passages[place], weights[place] = row[order], vectors.weights[chunk][order]
            free += n
        return cls(indptr, passages, weights, len(vectors))

    def scores(self, ids: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """The score of every passage for one query.

        Args:
            ids: the words of the query; one that stands twice counts twice.
            weights: their weights; 1 each by default, as in keyword search.
        Returns:
            (N,).
        """
        total = np.zeros(self.num_passages, dtype=self.weights.dtype)
        begin, end = self.indptr[ids].tolist(), self.indptr[np.add(ids, 1)].tolist()
        if weights is None:
            for b, e in zip(begin, end, strict=True):
                np.add.at(total, self.passages[b:e], self.weights[b:e])
        else:
            for b, e, weight in zip(begin, end, weights.astype(total.dtype, copy=False), strict=True):
                np.add.at(total, self.passages[b:e], weight * self.weights[b:e])
        return total

    def search(self, queries: SparseVectors, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best passages of each query.

        Args:
            queries: Q sparse vectors over the same vocabulary.
            k: results per query; when k > N, there are N.
        Returns:
            scores (Q, K) in descending order and passage numbers (Q, K). A passage that shares no word with
            the query is not returned; the empty places hold score 0 and number -1, as in faiss. Equal
            scores in the order of the passages.
        Raises:
            ValueError: k is not positive, or the vocabulary is another.
        """
        check_positive(k=k)
        if queries.vocab_size != len(self.indptr) - 1:
            raise ValueError(
                f"expected queries over the {len(self.indptr) - 1} words of the index, got {queries.vocab_size}; "
                "encode both sides with the same model"
            )
        K = min(k, self.num_passages)
        scores = np.zeros((len(queries), K), dtype=self.weights.dtype)
        passages = np.full((len(queries), K), -1, dtype=np.int64)
        for q in range(len(queries)):
            total = self.scores(*queries[q])
            found = best(total, k)
            passages[q, : len(found)], scores[q, : len(found)] = found, total[found]
        return scores, passages

    @property
    def nbytes(self) -> int:
        """Bytes of the index in memory."""
        return int(self.indptr.nbytes + self.passages.nbytes + self.weights.nbytes)

    def save(self, path: str | Path) -> None:
        """Write the index as one safetensors file, whole or not at all."""
        arrays = {"indptr": self.indptr, "passages": self.passages, "weights": self.weights}
        write_atomically(path, save({**arrays, "num_passages": np.array(self.num_passages)}))

    @classmethod
    def load(cls, path: str | Path) -> "InvertedIndex":
        """Read an index that `save` wrote. It is mapped: a page comes into memory when a search first touches it.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        try:
            arrays = {name: array.numpy() for name, array in load_file(path).items()}
            return cls(arrays["indptr"], arrays["passages"], arrays["weights"], int(arrays["num_passages"]))
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} holds no inverted index ({error}); build and save it again") from error


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best of the passages that score above 0, best first; equal scores by passage number.

    Deal the passages into blocks and look at the best of each: k of these best ones are at least as good
    as the k-th of them, so whatever is worse than that one is not among the k best of all. What remains
    is little and is sorted. Most of the time goes into one maximum over blocks.

    Args:
        scores: (N,), none negative.
        k: at least 1.
    Returns:
        at most k passage numbers.
    """
    blocks = len(scores) // BLOCK
    bound = 0.0
    if blocks >= k:
        heads = scores[: blocks * BLOCK].reshape(BLOCK, blocks).max(axis=0)
        bound = np.partition(heads, blocks - k)[blocks - k]
    found = (scores >= bound).nonzero()[0] if bound > 0 else (scores > 0).nonzero()[0]
    return found[np.argsort(-scores[found], kind="stable")[:k]]


class SparseEncoder(Protocol):
    """Gives each text a weight for some words of a vocabulary: N texts -> N sparse vectors."""

    def encode_query(self, texts: Sequence[str], /) -> SparseVectors:
        """Queries: Q texts -> Q vectors."""

    def encode_document(self, texts: Sequence[str], /) -> SparseVectors:
        """Passages: N texts -> N vectors."""


def sparse_search(
    encoder: SparseEncoder,
    corpus: Corpus,
    queries: Queries,
    k: int = 100,
    index: InvertedIndex | None = None,
) -> Run:
    """Encode a corpus and queries, and search: the whole sparse retriever in one call.

    Args:
        encoder: a `workbook.sparse.SpladeEncoder`, or anything whose `encode_query` and `encode_document` give `SparseVectors`.
        corpus: passage id -> text.
        queries: query id -> text.
        k: results per query.
        index: of what `encode_document` gave for this corpus before, to save doing it again.
    Returns:
        run: query id -> passage id -> score, best first. A passage that shares no word is not returned.
    Raises:
        ValueError: corpus or queries are no such mapping, or the corpus and its index differ in number.

    The sparse twin of `workbook.similarity.dense_search`.
    """
    check_texts("corpus", corpus)
    check_texts("queries", queries)
    passage_ids = list(corpus)
    if index is None:
        index = InvertedIndex.from_vectors(encoder.encode_document(list(corpus.values())))
    if index.num_passages != len(corpus):
        raise ValueError(
            f"expected an index of {len(corpus)} passages, got {index.num_passages}; is it of another corpus?"
        )
    scores, found = index.search(encoder.encode_query(list(queries.values())), k)
    return as_run(queries, passage_ids, scores, found)
