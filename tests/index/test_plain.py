"""What was made fast says the same as the few lines that a textbook has for it."""

import numpy as np
import pytest
import torch

from workbook.bm25 import BM25, METHODS, bm25_score, words
from workbook.index import FlatIndex, IVFIndex, PQIndex, flat_search, ivf_search, pq_search
from workbook.index.inverted import InvertedIndex, SparseVectors
from workbook.index.vectors import closeness, score

Q, N, D, K = 12, 90, 6, 7
METRICS = ("inner_product", "l2")


def vectors(rows, seed):
    return torch.randn(rows, D, generator=torch.Generator().manual_seed(seed))


def two_sides(metric):
    return vectors(Q, 0), vectors(N, 1), metric


def searched(index, q, x):
    index.train(x)
    index.add(x)
    return index, index.search(q, K)[1].tolist()


def texts(method):
    rng = np.random.default_rng(0)
    draw = lambda n: " ".join(f"word{i}" for i in rng.zipf(1.5, n) % 20)  # noqa: E731
    return {f"p{i}": draw(rng.integers(1, 15)) for i in range(40)}, [draw(4) for _ in range(9)], method


def ivf_fast(q, x, metric):
    return [[i for i in row if i >= 0] for row in searched(IVFIndex(D, 8, metric, nprobe=3), q, x)[1]]


def ivf_plain(q, x, metric):
    index, _ = searched(IVFIndex(D, 8, metric), q, x)
    return [ivf_search(query, x, index.centroids, K, 3, metric) for query in q]


def pq_fast(q, x, metric):
    return searched(PQIndex(D, 3, 4, metric), q, x)[1]


def pq_plain(q, x, metric):
    index, _ = searched(PQIndex(D, 3, 4, metric), q, x)
    return [pq_search(query, index.codes, index.codebooks, K, metric) for query in q]


def bm25_fast(corpus, queries, method):
    index = BM25(method=method).index(corpus)
    return [index.scores(query).tolist() for query in queries]


def bm25_plain(corpus, queries, method):
    passages = [words(text) for text in corpus.values()]
    return [[bm25_score(words(query), passage, passages, method=method) for passage in passages] for query in queries]


def sparse_vectors():
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 4, (rows, 30)) * (rng.random((rows, 30)) < 0.2) * 1.0 for rows in (Q, N))


def inverted_fast(queries, passages):
    index = InvertedIndex.from_vectors(SparseVectors.from_dense(passages))
    asked = SparseVectors.from_dense(queries)
    return [index.scores(*asked[i]).tolist() for i in range(len(queries))]


# name, fast, plain, arguments of both
PAIRS = [
    *(
        (f"{name}, {metric}", fast, plain, lambda metric=metric: two_sides(metric))
        for metric in METRICS
        for name, fast, plain in (
            ("score", score, lambda q, x, metric: [[closeness(a, b, metric) for b in x] for a in q]),
            (
                "exact search",
                lambda q, x, metric: searched(FlatIndex(D, metric), q, x)[1],
                lambda q, x, metric: [flat_search(query, x, K, metric) for query in q],
            ),
            ("IVF", ivf_fast, ivf_plain),
            ("product quantization", pq_fast, pq_plain),
        )
    ),
    *((f"BM25, {method}", bm25_fast, bm25_plain, lambda method=method: texts(method)) for method in METHODS),
    ("inverted index", inverted_fast, lambda queries, passages: queries @ passages.T, sparse_vectors),
]


@pytest.mark.parametrize(("fast", "plain", "arguments"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_the_fast_version_says_what_the_plain_one_says(fast, plain, arguments):
    ours, expected = (np.asarray(version(*arguments()), dtype=object) for version in (fast, plain))
    assert len(ours) == len(expected)
    for row, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(np.array(row, dtype=float), np.array(other, dtype=float), rtol=1e-5, atol=1e-5)
