"""BM25: the keyword search that every retriever has to beat.

Letters: N passages, V words. A passage's score is a sum over the words of the query:

    score(query, d) = sum_w idf(w) · tf(w, d)

where tf grows with the count f of the word and levels off, and shrinks with the passage's length L
against the mean length L̄, and idf is large for words that few of the N passages hold (n of them).
All of it is known before any query comes, so the index stores the finished numbers, word by word,
and a search only adds up columns.

Taught in 03.
"""

import re
from collections.abc import Callable, Mapping
from itertools import chain

import numpy as np

from workbook.similarity import Run

Tokenize = Callable[[str], list[str]]

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


def words(text: str) -> list[str]:
    """Lowercase runs of letters, digits and underscores, two characters or more. Taught in 03."""
    return re.findall(r"\b\w\w+\b", text.lower())


class BM25:
    """A keyword index.

    Args:
        k1: how fast repeated words stop counting; 0 ignores repetition.
        b: how much long passages are held back; 0 not at all, 1 in full proportion.
        method: "lucene", "robertson", "atire", "bm25+" or "bm25l". The first two
            leave out the factor (k1 + 1), which changes scores but no ranking.
        tokenize: text -> words; `words` by default. Stop words and stemming go in here.
        delta: what bm25+ and bm25l add; the others have no use for it.
    Raises:
        ValueError: an argument is out of range.

    Equal to bm25s in each method. Source: Robertson and Zaragoza 2009; Kamphuis et al. 2020 for the
    variants; Lù 2024 for scoring ahead of time. Taught in 03.
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

    def index(self, corpus: Mapping[str, str]) -> "BM25":
        """Compute the score of every word in every passage that holds it.

        Args:
            corpus: passage id -> text. An empty text matches nothing.
        Returns:
            itself.

        Taught in 03.
        """
        self.passage_ids = list(corpus)
        texts = [self.tokenize(text) for text in corpus.values()]
        self.vocabulary = {word: i for i, word in enumerate(dict.fromkeys(chain.from_iterable(texts)))}
        N, V = len(texts), len(self.vocabulary)
        L = np.array([len(text) for text in texts], dtype=np.int64)  # (N,)
        word = np.fromiter(map(self.vocabulary.__getitem__, chain.from_iterable(texts)), np.int64, int(L.sum()))
        # One number for each (word, passage): sorted, equal ones stand together, and their run length is f.
        cell, f = np.unique(word * max(N, 1) + np.repeat(np.arange(N), L), return_counts=True)
        word, self.passage = np.divmod(cell, max(N, 1))  # by word, then by passage
        n = np.bincount(word, minlength=V)  # (V,), how many passages hold each word
        self.start = np.concatenate([[0], n.cumsum()])  # word w owns start[w] : start[w + 1]
        idf, tf = METHODS[self.method]
        length = (L / max(L.mean(), 1e-12))[self.passage] if N else L
        self.score = np.repeat(idf(N, n), n) * tf(f, length, self.k1, self.b, self.delta)
        # bm25+ and bm25l give points to passages without the word, too: the same for all of them.
        # k1 = 0 would make tf of an absent word 0 / 0; its limit is meant.
        absent = idf(N, n) * tf(np.zeros(1), np.ones(1), max(self.k1, np.finfo(float).tiny), self.b, self.delta)
        self.absent = absent if self.method in ("bm25+", "bm25l") else np.zeros(V)
        self.score -= np.repeat(self.absent, n)
        return self

    def scores(self, query: str) -> np.ndarray:
        """The score of every passage for one query: (N,) in float64. A word twice counts twice. Taught in 03."""
        total = np.zeros(len(self.passage_ids))
        for word in self.tokenize(query):
            w = self.vocabulary.get(word)
            if w is not None:
                owned = slice(self.start[w], self.start[w + 1])
                total[self.passage[owned]] += self.score[owned]
                total += self.absent[w]
        return total

    def search(self, queries: Mapping[str, str], k: int = 100) -> Run:
        """The k best passages of each query.

        Args:
            queries: query id -> text.
            k: results per query. A passage without any word of the query is not returned.
        Returns:
            run: query id -> passage id -> score, best first; equal scores in the order of the corpus.
        Raises:
            ValueError: k is not positive.

        Taught in 03.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        run: Run = {}
        for query_id, text in queries.items():
            scores = self.scores(text)
            found = np.flatnonzero(scores > 0)
            if len(found) > k:  # everything at least as good as the k-th best, ties included
                kth = np.partition(scores[found], len(found) - k)[len(found) - k]
                found = found[scores[found] >= kth]
            found = found[np.argsort(-scores[found], kind="stable")][:k]
            run[query_id] = {self.passage_ids[i]: float(scores[i]) for i in found}
        return run


def _c(f: np.ndarray, length: np.ndarray, b: float) -> np.ndarray:
    """bm25l's count, corrected for length."""
    return f / (1 - b + b * length)
