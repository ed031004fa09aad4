"""BM25 beside bm25s and rank_bm25: the same tokens, the same parameters, one thread."""

import bm25s
import numpy as np
from rank_bm25 import BM25Okapi

from benchmarks.timing import row
from workbook.bm25 import BM25

PASSAGES, QUERIES, SLOW_QUERIES = 20_000, 500, 20


def run() -> list[dict]:
    """Index and search, tokenized beforehand, so that only the two libraries' own work is timed."""
    generator = np.random.default_rng(0)
    frequency = 1 / np.arange(1, 30_001)  # words as frequent as in real text, by Zipf's law
    share = frequency / frequency.sum()

    def texts(count: int, shortest: int, longest: int) -> list[list[str]]:
        lengths = generator.integers(shortest, longest, size=count)
        return [[f"w{i}" for i in generator.choice(30_000, size=n, p=share)] for n in lengths]

    passages, queries = texts(PASSAGES, 20, 120), texts(QUERIES, 3, 10)
    corpus, asked = ({str(i): tokens for i, tokens in enumerate(texts)} for texts in (passages, queries))
    few = dict(list(asked.items())[:SLOW_QUERIES])

    def index_peer() -> bm25s.BM25:
        peer = bm25s.BM25(k1=1.2, b=0.75, backend="numpy")
        peer.index(passages, show_progress=False)
        return peer

    def index_ours() -> BM25:
        return BM25(tokenize=lambda tokens: tokens).index(corpus)  # they are tokens already

    ours, peer, slow = index_ours(), index_peer(), BM25Okapi(passages)
    for query in queries[:SLOW_QUERIES]:
        np.testing.assert_allclose(ours.scores(query), peer.get_scores(query), rtol=1e-4)  # the peer's are float32
    return [
        row(f"BM25, index {PASSAGES:,} passages", "bm25s, numpy", index_ours, index_peer, repeats=5, floor=5.0),
        row(
            f"BM25, {QUERIES} queries, top 100",
            "bm25s, numpy",
            lambda: ours.search(asked, k=100),
            lambda: peer.retrieve(queries, k=100, show_progress=False, n_threads=0),
            floor=2.0,
            note="ours returns dictionaries of float64 scores, the peer arrays of float32",
        ),
        row(
            f"BM25, index {PASSAGES:,} passages",
            "rank_bm25",
            index_ours,
            lambda: BM25Okapi(passages),
            repeats=1,
        ),
        row(
            f"BM25, {SLOW_QUERIES} queries, top 100",
            "rank_bm25",
            lambda: ours.search(few, k=100),
            lambda: [np.argsort(-slow.get_scores(tokens))[:100] for tokens in queries[:SLOW_QUERIES]],
            repeats=1,
        ),
    ]
