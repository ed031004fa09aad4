"""Sparse search beside bm25s and scipy, and SPLADE encoding beside sentence-transformers: the same numbers, one thread."""

import tempfile
from pathlib import Path

import bm25s
import numpy as np
import scipy.sparse
import torch
import transformers
from bm25s.selection import topk
from sentence_transformers import SparseEncoder

from benchmarks.models import HEADS, HIDDEN, LAYERS, VOCABULARY, pairs
from benchmarks.timing import row
from workbook.encoder import TransformerEncoder, train_tokenizer
from workbook.index.inverted import InvertedIndex, SparseVectors
from workbook.sparse import SpladeEncoder

PASSAGES, QUERIES, WORDS, K = 20_000, 500, 8_000, 100
TEXTS, LENGTH = 256, 64


def run() -> list[dict]:
    """Search with BM25's weights and with SPLADE-like ones; turn vectors over; encode."""
    torch.set_num_threads(1)
    return [*keyword_rows(), *learned_rows(), encoding_row()]


def keyword_rows() -> list[dict]:
    """The index of bm25s itself, searched by both: short queries, every weight 1."""
    generator = np.random.default_rng(0)
    texts = [[str(word) for word in zipf(generator, n, 1.0)] for n in generator.integers(20, 120, size=PASSAGES)]
    peer = bm25s.BM25(k1=1.2, b=0.75, backend="numpy")
    peer.index(texts, show_progress=False)
    asked = [[str(w) for w in zipf(generator, n, 1.0)] for n in generator.integers(3, 10, size=QUERIES)]
    ids = [np.array(peer.get_tokens_ids(words)) for words in asked]
    index = InvertedIndex(peer.scores["indptr"], peer.scores["indices"], peer.scores["data"], PASSAGES)
    joined = np.concatenate(ids).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(x) for x in ids])])
    queries = SparseVectors(indptr, joined, np.ones(len(joined), dtype=np.float32), len(index.indptr) - 1)

    def theirs() -> np.ndarray:
        return peer.retrieve(asked, k=K, show_progress=False, n_threads=0).scores

    assert np.allclose(index.search(queries, K)[0], theirs(), rtol=1e-5)
    what = f"BM25 weights, {QUERIES} queries, {PASSAGES:,} passages, top {K}"
    return [row(what, "bm25s, numpy", lambda: index.search(queries, K), theirs, floor=1.0)]


def learned_rows() -> list[dict]:
    """About 90 words in a passage and 30 in a query, frequent ones in many, as SPLADE expands texts."""
    generator = np.random.default_rng(1)
    passages, queries = (
        vectors(generator, count, shortest, longest)
        for count, shortest, longest in ((PASSAGES, 50, 200), (QUERIES, 15, 60))
    )
    index = InvertedIndex.from_vectors(passages)
    corpus = scipy.sparse.csr_array((passages.weights, passages.ids, passages.indptr), (PASSAGES, WORDS))
    asked = scipy.sparse.csr_array((queries.weights, queries.ids, queries.indptr), (QUERIES, WORDS))
    turned = corpus.T.tocsr()  # (V, N)

    def accumulate() -> np.ndarray:
        """bm25s' two steps, with the query's weights, which bm25s has none of."""
        found = np.zeros((QUERIES, K), dtype=np.float32)
        for q in range(QUERIES):
            scores = np.zeros(PASSAGES, dtype=np.float32)
            for word, weight in zip(*queries[q], strict=True):
                owned = slice(index.indptr[word], index.indptr[word + 1])
                np.add.at(scores, index.passages[owned], weight * index.weights[owned])
            found[q] = topk(scores, K, backend="numpy")[0]
        return found

    def product() -> np.ndarray:
        """scipy's product of sparse matrices, then the best of what each row holds."""
        scores = asked @ turned
        found = np.zeros((QUERIES, K), dtype=np.float32)
        for q in range(QUERIES):
            held = scores.data[scores.indptr[q] : scores.indptr[q + 1]]
            best = held[np.argpartition(-held, K - 1)[:K]] if len(held) > K else held
            found[q, : len(best)] = -np.sort(-best)
        return found

    def ours() -> np.ndarray:
        return index.search(queries, K)[0]

    assert np.allclose(ours(), accumulate(), rtol=1e-4)
    assert np.allclose(ours(), product(), rtol=1e-4)
    what = f"SPLADE-like weights, {QUERIES} queries, {PASSAGES:,} passages, top {K}"
    return [
        row(what, "bm25s' steps, weighted", ours, accumulate, floor=1.0),
        row(what, "scipy.sparse product", ours, product),
        row(
            f"inverted index of {PASSAGES:,} passages, {len(passages.ids):,} places",
            "scipy.sparse tocsc",
            lambda: InvertedIndex.from_vectors(passages),
            lambda: corpus.tocsc(),
        ),
    ]


def encoding_row() -> dict:
    """Untrained, so that half of all weights are above zero: the pooling and the head are what is timed."""
    texts = [text for _, text in pairs(TEXTS)]
    tokenizer = train_tokenizer(texts, VOCABULARY)
    torch.manual_seed(0)
    size = tokenizer.get_vocab_size()
    ours = SpladeEncoder(tokenizer, TransformerEncoder(size, HIDDEN, LAYERS, HEADS, max_length=LENGTH), LENGTH).eval()
    ours.head.bias.data.fill_(-2.0)  # few weights, as after training
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder) / "model")
        peer = SparseEncoder(str(Path(folder) / "model"), device="cpu", local_files_only=True)
    theirs = peer.encode(texts[:32], convert_to_sparse_tensor=False, convert_to_tensor=True).numpy()
    assert np.allclose(ours.encode(texts[:32]).to_dense(), theirs, atol=1e-5)
    return row(
        f"SPLADE, encode {len(texts)} texts, {size:,} words",
        "sentence-transformers",
        lambda: ours.encode(texts),
        lambda: peer.encode(texts, batch_size=32, convert_to_tensor=True, save_to_cpu=True),
    )


def zipf(generator: np.random.Generator, count: int, exponent: float) -> np.ndarray:
    """Words as frequent as in text."""
    share = 1 / np.arange(1, WORDS + 1) ** exponent
    return generator.choice(WORDS, size=count, p=share / share.sum())


def vectors(generator: np.random.Generator, count: int, shortest: int, longest: int) -> SparseVectors:
    """Sparse vectors with random words and weights."""
    rows = [np.unique(zipf(generator, n, 0.8)) for n in generator.integers(shortest, longest, size=count)]
    indptr = np.concatenate([[0], np.cumsum([len(ids) for ids in rows])])
    ids = np.concatenate(rows).astype(np.int32)
    return SparseVectors(indptr, ids, generator.random(len(ids), dtype=np.float32), WORDS)
