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
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from workbook.index.inverted import InvertedIndex, best
from workbook.similarity import Run

Tokenize = Callable[[str], list[str]]

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


# The 33 words that Lucene leaves out of English by default, and bm25s with it.
STOP_WORDS = frozenset(
    ("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
     "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with")
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lowercase runs of letters, digits and underscores, two characters or more."""
    return re.findall(r"\b\w\w+\b", text.lower())


class Words:
    """Words without stop words, and cut down to their stems: "running" and "runs" meet at "run".

        BM25(tokenize=Words(stop_words="english", stemmer="english"))

    Args:
        stop_words: "english" (`STOP_WORDS`), or words of your own; none by default.
        stemmer: "english" or another language of the Snowball stemmers (the package PyStemmer), or a function
            of your own from word to stem; none by default.
    Raises:
        ValueError: there is no such list or no stemmer for that language.
        ImportError: PyStemmer is not installed.

    Stop words are left out before stemming, as in bm25s. Source: Porter 2001 for the stemmers.
    """

    def __init__(self, stop_words: str | Iterable[str] = (), stemmer: str | Callable[[str], str] | None = None):
        if isinstance(stop_words, str):
            if stop_words != "english":
                raise ValueError(f"no list of stop words for {stop_words!r}; expected 'english', or words of your own")
            stop_words = STOP_WORDS
        self.stop_words = frozenset(stop_words)
        self.stemmer = stemmer
        self._stem = _snowball(stemmer) if isinstance(stemmer, str) else stemmer
        self._stems: dict[str, str] = {}

    def __call__(self, text: str) -> list[str]:
        found = [word for word in words(text) if word not in self.stop_words]
        if self._stem is None:
            return found
        stems = self._stems  # a word is stemmed once, however often it comes
        for word in found:
            if word not in stems:
                stems[word] = self._stem(word)
        return [stems[word] for word in found]

    def __reduce__(self) -> Any:  # a Snowball stemmer cannot be sent to another process; its name can
        return Words, (self.stop_words, self.stemmer)


def _snowball(language: str) -> Callable[[str], str]:
    try:
        import Stemmer
    except ImportError as error:
        raise ImportError(
            f"the {language} stemmer is in the package PyStemmer, which is not installed; pip install PyStemmer, or pass "
            "stemmer=None"
        ) from error
    if language not in Stemmer.algorithms():
        raise ValueError(f"no stemmer for {language!r}; expected one of {', '.join(Stemmer.algorithms())}")
    return Stemmer.Stemmer(language).stemWord


class BM25:
    """A keyword index.

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

    def index(self, corpus: Mapping[str, str]) -> "BM25":
        """Compute the score of every word in every passage that holds it.

        The texts are read one at a time, also from the disk; what stays of a word is a number, its own. So memory
        grows with the words of the corpus, a few numbers for each, as the index does; it does not hold the texts.

        Args:
            corpus: passage id -> text: a dictionary, or `workbook.data.stored.storage.StoredTexts`. An empty text
                matches nothing.
        Returns:
            itself.
        """
        self.passage_ids = list(corpus)
        lengths: list[int] = []

        def tokenized() -> Iterator[list[str]]:
            for text in corpus.values():
                tokens = self.tokenize(text)
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
        self.absent = np.zeros(V)
        if self.method in ("bm25+", "bm25l"):  # they give points to passages without the word, too: to all the same
            # k1 = 0 would make tf of an absent word 0 / 0; its limit is meant.
            self.absent = idf(N, n) * tf(np.zeros(1), np.ones(1), max(self.k1, TINY), self.b, self.delta)
            score -= np.repeat(self.absent, n)
        self.postings = InvertedIndex(start, passage, score, N)
        return self

    def scores(self, query: str) -> np.ndarray:
        """The score of every passage for one query: (N,) in float64. A word twice counts twice."""
        points, common = self._points(query)
        return points + common

    def search(self, queries: Mapping[str, str], k: int = 100) -> Run:
        """The k best passages of each query.

        Args:
            queries: query id -> text.
            k: results per query. A passage without any word of the query is not returned.
        Returns:
            run: query id -> passage id -> score, best first; equal scores in the order of the corpus.
        Raises:
            ValueError: k is not positive.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        run: Run = {}
        for query_id, text in queries.items():
            points, common = self._points(text)
            found = best(points, k)
            ids = map(self.passage_ids.__getitem__, found.tolist())
            run[query_id] = dict(zip(ids, (points[found] + common).tolist(), strict=True))
        return run

    def _points(self, query: str) -> tuple[np.ndarray, float]:
        """What each passage gets for the words it holds, (N,), and what all get, with or without them."""
        known = np.array([self.vocabulary[w] for w in self.tokenize(query) if w in self.vocabulary], dtype=np.intp)
        return self.postings.scores(known), float(self.absent[known].sum())


def _c(f: np.ndarray, length: np.ndarray, b: float) -> np.ndarray:
    """bm25l's count, corrected for length."""
    return f / (1 - b + b * length)
