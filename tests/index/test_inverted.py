"""The inverted index is a dense product, whatever it is asked."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.bm25 import BM25
from workbook.index.inverted import BLOCK, InvertedIndex, SparseVectors, best


def sparse(seed, N, V, share=0.3, dtype=np.float64):
    """Random vectors, some of them empty, with few different weights so that scores are often equal."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 4, size=(N, V)) * (rng.random((N, V)) < share * rng.random((N, 1)))
    return SparseVectors.from_dense(dense.astype(dtype))


def test_by_hand():
    passages = SparseVectors.from_dense(np.array([[1.0, 0, 2], [0, 0, 0], [0, 3, 0], [0, 1, 1]]))
    index = InvertedIndex.from_vectors(passages)
    assert index.indptr.tolist() == [0, 1, 3, 5]
    assert index.passages.tolist() == [0, 2, 3, 0, 3]
    assert index.weights.tolist() == [1, 3, 1, 2, 1]
    scores, found = index.search(SparseVectors.from_dense(np.array([[0, 1.0, 2], [0, 0, 0]])), k=3)
    assert found.tolist() == [[0, 2, 3], [-1, -1, -1]]  # 4, 3 and 3: the tie by passage number
    assert scores.tolist() == [[4, 3, 3], [0, 0, 0]]


@settings(deadline=None)  # another process may take the processor
@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(1, 12), st.integers(1, 50), st.integers(1, 9))
def test_a_search_is_the_dense_product(seed, N, V, k, chunk_size):
    passages, queries = sparse(seed, N, V), sparse(seed + 1, 3, V)
    index = InvertedIndex.from_vectors(passages, chunk_size)
    scores, found = index.search(queries, k)
    expected = queries.to_dense() @ passages.to_dense().T  # (Q, N)
    order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
    for q in range(3):
        ids = order[q][expected[q][order[q]] > 0]
        assert found[q, : len(ids)].tolist() == ids.tolist()
        assert scores[q, : len(ids)].tolist() == expected[q][ids].tolist()  # whole numbers: exact
        assert (found[q, len(ids) :] == -1).all()
        assert (scores[q, len(ids) :] == 0).all()


@settings(deadline=None)  # another process may take the processor
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6), st.sampled_from([1, 5, 300]))
def test_best_is_a_stable_sort(seed, k, few_values, times):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, few_values, size=BLOCK * times + 3).astype(float)
    if seed % 2:
        scores *= rng.random(len(scores))
    order = np.argsort(-scores, kind="stable")
    assert best(scores, k).tolist() == order[scores[order] > 0][:k].tolist()


def test_best_where_all_good_ones_are_neighbours_or_in_one_block():
    for where in (slice(100, 200), slice(0, None, 100)):
        scores = np.random.default_rng(0).random(10_000)
        scores[where] += 1
        assert best(scores, 100).tolist() == np.argsort(-scores, kind="stable")[:100].tolist()


def test_random_weights_to_the_precision_of_their_type():
    rng = np.random.default_rng(0)
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-14)):
        a, b = ((rng.random((n, 200)) * (rng.random((n, 200)) < 0.1)).astype(dtype) for n in (500, 20))
        index = InvertedIndex.from_vectors(SparseVectors.from_dense(a))
        queries = SparseVectors.from_dense(b)
        for q in range(20):
            scores = index.scores(*queries[q])
            assert scores.dtype == dtype
            np.testing.assert_allclose(scores, b[q].astype(np.float64) @ a.T.astype(np.float64), rtol=tolerance)


def test_bm25_scores_through_this_index():
    corpus = {"a": "red green", "b": "blue blue", "c": "green blue red red"}
    bm25, words = BM25().index(corpus), ["red", "green", "blue"]
    columns = np.stack([bm25.scores(word) for word in words], axis=1)  # (N, V)
    index = InvertedIndex.from_vectors(SparseVectors.from_dense(columns))
    for query in ("red blue", "green green", ""):
        ids = np.array([words.index(word) for word in query.split()], dtype=int)
        np.testing.assert_array_equal(index.scores(ids), bm25.scores(query))


def test_a_word_that_stands_twice_counts_twice():
    twice = SparseVectors(np.array([0, 3]), np.array([1, 1, 0]), np.array([2.0, 3.0, 1.0]), 2)
    assert twice.to_dense().tolist() == [[1, 5]]
    index = InvertedIndex.from_vectors(twice)
    assert index.scores(np.array([1])).tolist() == [5]
    assert index.scores(np.array([1, 1])).tolist() == [10]


@settings(deadline=None)  # another process may take the processor
@given(st.integers(0, 1000), st.lists(st.integers(0, 5), max_size=10))
def test_rows_can_be_taken_and_joined(seed, rows):
    vectors = sparse(seed, 6, 5)
    taken = vectors.take(np.array(rows, dtype=int))
    np.testing.assert_array_equal(taken.to_dense(), vectors.to_dense()[rows])
    joined = SparseVectors.concatenate([vectors, taken], 5)
    np.testing.assert_array_equal(joined.to_dense(), np.concatenate([vectors.to_dense(), taken.to_dense()]))
    assert len(SparseVectors.concatenate([], 5)) == 0


def test_saved_and_loaded(tmp_path):
    index = InvertedIndex.from_vectors(sparse(3, 30, 7, dtype=np.float32))
    index.save(tmp_path / "index.safetensors")
    again = InvertedIndex.load(tmp_path / "index.safetensors")
    queries = sparse(4, 3, 7, dtype=np.float32)
    for ours, theirs in zip(index.search(queries, 5), again.search(queries, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in tmp_path.iterdir()] == ["index.safetensors"]
    (tmp_path / "index.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="holds no inverted index"):
        InvertedIndex.load(tmp_path / "index.safetensors")
    with pytest.raises(FileNotFoundError):
        InvertedIndex.load(tmp_path / "another.safetensors")


def test_memory_beside_vectors_and_index_does_not_grow_with_the_corpus():
    def beside(N):
        places = 20 * N
        ids = np.random.default_rng(0).integers(0, 500, size=places).astype(np.int32)
        vectors = SparseVectors(np.arange(0, places + 1, 20), ids, np.ones(places, dtype=np.float32), 500)
        tracemalloc.start()
        index = InvertedIndex.from_vectors(vectors, chunk_size=10_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - index.passages.nbytes - index.weights.nbytes

    assert beside(100_000) < beside(10_000) + 100_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SparseVectors(np.array([0, 2]), np.array([0]), np.array([1.0]), 3), "indptr"),
        (lambda: SparseVectors(np.array([0, 2, 1]), np.array([0]), np.array([1.0]), 3), "indptr must not fall"),
        (
            lambda: SparseVectors(np.array([0, 1]), np.array([3]), np.array([1.0]), 3),
            r"ids must lie in \[0, 3\), got 3",
        ),
        (lambda: SparseVectors(np.array([0, 1]), np.array([-1]), np.array([1.0]), 3), "ids must lie in"),
        (lambda: SparseVectors(np.array([0, 1]), np.array([0]), np.array([np.nan]), 3), "finite and not negative"),
        (lambda: SparseVectors(np.array([0, 1]), np.array([0]), np.array([-1.0]), 3), "finite and not negative"),
        (lambda: InvertedIndex.from_vectors(sparse(0, 3, 4), 0), "chunk_size must be at least 1, got 0"),
        (lambda: InvertedIndex.from_vectors(sparse(0, 3, 4)).search(sparse(0, 3, 4), 0), "k must be at least 1, got 0"),
        (
            lambda: InvertedIndex.from_vectors(sparse(0, 3, 4)).search(sparse(0, 3, 5), 1),
            "over the 4 words of the index",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
