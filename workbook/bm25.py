"""BM25: the keyword search that every retriever has to beat.

Letters: N passages, V words. A passage's score is a sum over the words of the query:

    score(query, d) = sum_w idf(w) · tf(w, d)

where tf grows with the count f of the word and levels off, and shrinks with the passage's length L
against the mean length L̄, and idf is large for words that few of the N passages hold (n of them).
All of it is known before any query comes, so the index stores the finished numbers, word by word,
and a search only adds up columns.

Taught in 03.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from workbook.index.inverted import InvertedIndex, best
from workbook.support.checks import check_positive, check_texts
from workbook.support.files import read_saved, replace_folder, write_json
from workbook.support.types import Corpus, Queries
from workbook.support.words import STOP_WORDS, Words, words

__all__ = ["BM25", "METHODS", "STOP_WORDS", "Words", "bm25_score", "words"]

Tokenize = Callable[[str], list[str]]
POSTINGS, SETTINGS = "postings.safetensors", "bm25.json"

TINY = np.finfo(float).tiny

# method -> (idf from N and n, tf from f, L / L̄, k1, b, delta)
METHODS: dict[str, tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    "lucene": (
        lambda N, n: np.log(1 + (N - n + 0.5) / (n + 0.5)),
        lambda f, length, k1, b, delta: f / (k1 * (1 - b + b * length) + f),
    ),
    "robertson": (
        lambda N, n: np.maximum(np.log((N - n + 0.5) / (n + 0.5)), 0.0),
        lambda f, length, k1, b, delta: f / (k1 * (1 - b + b * length) + f),
    ),
    "atire": (
        lambda N, n: np.log(N / n),
        lambda f, length, k1, b, delta: f * (k1 + 1) / (k1 * (1 - b + b * length) + f),
    ),
    "bm25+": (
        lambda N, n: np.log((N + 1) / n),
        lambda f, length, k1, b, delta: delta + f * (k1 + 1) / (k1 * (1 - b + b * length) + f),
    ),
    "bm25l": (
        lambda N, n: np.log((N + 1) / (n + 0.5)),
        lambda f, length, k1, b, delta: (k1 + 1) * (_c(f, length, b) + delta) / (k1 + _c(f, length, b) + delta),
    ),
}


def bm25_score(
    query: Sequence[str],
    passage: Sequence[str],
    corpus: Sequence[Sequence[str]],
    k1: float = 1.2,
    b: float = 0.75,
    method: str = "lucene",
    delta: float = 0.5,
) -> float:
    """The score of one passage for one query, plainly: the formula above, word by word.

    Args:
        query, passage: words.
        corpus: the words of all passages, for N, n and the mean length.
        k1, b, method, delta: as in `BM25`.
    """
    idf, tf = METHODS[method]
    mean_length = sum(map(len, corpus)) / len(corpus)
    score = 0.0
    for word in query:
        n = sum(word in other for other in corpus)
        if n:
            f = np.float64(passage.count(word))
            score += float(idf(len(corpus), n) * tf(f, len(passage) / mean_length, k1, b, delta))
    return score


class BM25:
    """A keyword index: `bm25_score` of every word in every passage, computed beforehand.

    Args:
        k1: how fast repeated words stop counting; 0 ignores repetition.
        b: how much long passages are held back; 0 not at all, 1 in full proportion.
        method: "lucene", "robertson", "atire", "bm25+" or "bm25l". The first two
            leave out the factor (k1 + 1), which changes scores but no ranking.
        tokenize: text -> words; `words` by default. Stop words and stemming go in here, see `Words`.
        delta: what bm25+ and bm25l add; the others have no use for it.
    Raises:
        ValueError: an argument is out of range.

    >>> BM25().index({"a": "cats and dogs", "b": "dogs only"}).search({"q": "a cat, or cats"}, k=1)["q"].keys()
    dict_keys(['a'])

    Equal to bm25s in each method. Source: Robertson and Zaragoza 2009; Kamphuis et al. 2020 for the
    variants; Lù 2024 for scoring ahead of time.
    """

    def __init__(
        self, k1: float = 1.2, b: float = 0.75, method: str = "lucene", tokenize: Tokenize = words, delta: float = 0.5
    ):
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
        if k1 < 0 or not 0 <= b <= 1:
            raise ValueError(f"expected k1 ≥ 0 and b between 0 and 1, got k1={k1} and b={b}")
        self.k1, self.b, self.method, self.tokenize, self.delta = k1, b, method, tokenize, delta
        self.passage_ids: list[str] = []
        self.vocabulary: dict[str, int] = {}

    def index(self, corpus: Corpus) -> "BM25":
        """Compute the score of every word in every passage that holds it.

        The texts are read one at a time, also from the disk; what stays of a word is a number, its own. So memory
        grows with the words of the corpus, a few numbers for each, as the index does; it does not hold the texts.

        Args:
            corpus: passage id -> text: a dictionary, or `workbook.data.stored.storage.StoredTexts`. An empty text
                matches nothing.
        Returns:
            itself.
        Raises:
            ValueError: the corpus is no such mapping, or a text is no text.
        """
        check_texts("corpus", corpus)
        self.passage_ids = list(corpus)
        lengths: list[int] = []

        def tokenized() -> Iterator[list[str]]:
            for passage_id, text in corpus.items():
                tokens = self._tokens(text, f"passage {passage_id!r}")
                lengths.append(len(tokens))
                yield tokens

        number = defaultdict[str, int](count().__next__)  # a word that is new gets the next number
        word = np.fromiter(map(number.__getitem__, chain.from_iterable(tokenized())), np.int32)
        self.vocabulary = dict(number)
        N, V, L = len(lengths), len(number), np.array(lengths, dtype=np.int64)  # L: (N,)
        # A row for each passage, a 1 for each of its words. Turned into columns and equal cells added up, it holds f.
        counts = csr_array((np.ones_like(word), word, np.append(0, L.cumsum())), shape=(N, V)).tocsc()
        counts.sum_duplicates()
        f, passage, start = counts.data, counts.indices, counts.indptr
        n = np.diff(start)  # (V,), how many passages hold each word: word w owns start[w] : start[w + 1]
        idf, tf = METHODS[self.method]
        length = (L / max(L.mean(), TINY))[passage] if N else L
        score = tf(f, length, self.k1, self.b, self.delta)
        score *= np.repeat(idf(N, n), n)
        self.absent = self._absent(N, n)
        if self.absent.any():
            score -= np.repeat(self.absent, n)
        self.postings = InvertedIndex(start, passage, score, N)
        return self

    def _absent(self, N: int, n: np.ndarray) -> np.ndarray:
        """What bm25+ and bm25l give for each word (V,) to passages without it, too: to all the same; the others 0."""
        if self.method not in ("bm25+", "bm25l"):
            return np.zeros(len(n))
        idf, tf = METHODS[self.method]
        # k1 = 0 would make tf of an absent word 0 / 0; its limit is meant.
        absent: np.ndarray = idf(N, n) * tf(np.zeros(1), np.ones(1), max(self.k1, TINY), self.b, self.delta)
        return absent

    def scores(self, query: str) -> np.ndarray:
        """The score of every passage for one query: (N,) in float64. A word twice counts twice."""
        points, common = self._points(query)
        return points + common

    def search(self, queries: Queries, k: int = 100) -> dict[str, dict[str, float]]:
        """The k best passages of each query.

        Args:
            queries: query id -> text.
            k: results per query. A passage without any word of the query is not returned.
        Returns:
            run: query id -> passage id -> score, best first; equal scores in the order of the corpus.
        Raises:
            RuntimeError: nothing is indexed yet.
            ValueError: k is not positive, the queries are no such mapping, or one is no text.
        """
        check_positive(k=k)
        check_texts("queries", queries)
        run = {}
        for query_id, text in queries.items():
            points, common = self._points(text)
            found = best(points, k)
            ids = map(self.passage_ids.__getitem__, found.tolist())
            run[query_id] = dict(zip(ids, (points[found] + common).tolist(), strict=True))
        return run

    def save(self, folder: str | Path) -> None:
        """Write the index into a folder, whole or not at all, over one that is there.

        Raises:
            RuntimeError: nothing is indexed yet.
            FileExistsError: the folder holds something else.
            OSError: the disk is full or the place cannot be written; what stood there is untouched.
        """
        self._check_indexed()
        tokenize: Any = None  # a function of your own: it has to be given again
        if self.tokenize is words:
            tokenize = {}
        elif type(self.tokenize) is Words and not callable(self.tokenize.stemmer):
            tokenize = {"stop_words": sorted(self.tokenize.stop_words), "stemmer": self.tokenize.stemmer}
        settings = {"k1": self.k1, "b": self.b, "method": self.method, "delta": self.delta}
        with replace_folder(folder, SETTINGS) as new:
            self.postings.save(new / POSTINGS)
            texts = {"passage_ids": self.passage_ids, "vocabulary": list(self.vocabulary)}
            write_json(new / SETTINGS, {"settings": settings, "tokenize": tokenize, **texts})

    @classmethod
    def load(cls, folder: str | Path, tokenize: Tokenize | None = None) -> "BM25":
        """Read an index that `save` wrote. Its numbers are mapped, not read: they come as a search needs them.

        Args:
            folder: where it is.
            tokenize: what it was indexed with, if that was a function of your own; `words` and `Words` are remembered.
        Raises:
            FileNotFoundError: the folder holds no index.
            ValueError: a file in it is damaged, or it was indexed with a function of your own.
        """
        with read_saved(folder, SETTINGS, "BM25 index", "BM25.save") as saved:
            given, ids, vocabulary = saved["tokenize"], saved["passage_ids"], saved["vocabulary"]
            index = cls(**saved["settings"])
            index.postings = InvertedIndex.load(Path(folder) / POSTINGS)
            n = np.diff(index.postings.indptr)
            if len(ids) != index.postings.num_passages or len(vocabulary) != len(n):
                raise ValueError("its files do not belong together")
        if tokenize is None and given is None:
            raise ValueError(f"{folder} was indexed with a tokenize function of its own; give the same one to load")
        index.tokenize = tokenize or (Words(**given) if given else words)
        index.passage_ids, index.vocabulary = ids, {word: number for number, word in enumerate(vocabulary)}
        index.absent = index._absent(len(ids), n)
        return index

    def _points(self, query: str) -> tuple[np.ndarray, float]:
        """What each passage gets for the words it holds, (N,), and what all get, with or without them."""
        self._check_indexed()
        tokens = self._tokens(query, "a query")
        known = np.array([self.vocabulary[w] for w in tokens if w in self.vocabulary], dtype=np.intp)
        return self.postings.scores(known), float(self.absent[known].sum())

    def _tokens(self, text: str, what: str) -> list[str]:
        try:
            return self.tokenize(text)
        except (AttributeError, TypeError) as error:
            if isinstance(text, str):
                raise
            raise ValueError(f"{what} must be a text, got {type(text).__name__} {text!r}") from error

    def _check_indexed(self) -> None:
        if not hasattr(self, "postings"):
            raise RuntimeError("this BM25 holds no corpus yet; call index(corpus) first, or BM25.load a saved one")


def _c(f: np.ndarray, length: np.ndarray, b: float) -> np.ndarray:
    """bm25l's count, corrected for length."""
    return f / (1 - b + b * length)
