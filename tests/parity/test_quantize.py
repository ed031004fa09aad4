"""Our codes and rescored results are sentence-transformers'; our Hamming distances are faiss'."""

import numpy as np
import pytest

from workbook.index.quantize import (
    binary_search,
    dequantize_embeddings,
    hamming_search,
    quantization_ranges,
    quantize_embeddings,
    scalar_search,
)

pytestmark = pytest.mark.parity
PRECISIONS = ["float32", "int8", "uint8", "binary", "ubinary"]


def vectors(N, D, seed=0):
    return np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["random", "constant", "zeros", "whole", "float64", "odd"])
def test_the_same_codes(precision, kind):
    from sentence_transformers.util import quantize_embeddings as peer

    x = vectors(5_000, 13 if kind == "odd" else 24)
    if kind == "constant":
        x[:, 3] = 0.7
    if kind == "zeros":
        x[x < 0.5] = 0
    if kind == "whole":  # many values on the border between two steps
        x = np.round(20 * x)
    if kind == "float64":
        x = x.astype(np.float64) * np.pi
    calibration = x[:500]
    for arguments in ({}, {"calibration_embeddings": calibration}, {"ranges": quantization_ranges(calibration)}):
        ours, theirs = quantize_embeddings(x, precision, **arguments), peer(x, precision, **arguments)
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_the_same_vectors_come_back(precision):
    from sentence_transformers.util.quantization import _dequantize_embeddings

    x = vectors(200, 24)
    ranges = quantization_ranges(x)
    codes = quantize_embeddings(x, precision, ranges)
    assert np.allclose(
        dequantize_embeddings(codes, precision, ranges), _dequantize_embeddings(codes, precision, ranges), atol=1e-6
    )


def answers(results):
    return (np.array([[hit[name] for hit in hits] for hits in results]) for name in ("score", "corpus_id"))


@pytest.mark.parametrize("D", [64, 75])
def test_binary_search(D):
    import faiss
    from sentence_transformers.util.quantization import semantic_search_faiss

    faiss.omp_set_num_threads(1)
    x, q = vectors(400, D), vectors(20, D, seed=1)
    codes = quantize_embeddings(x, "ubinary")
    # With every passage a candidate no tie of the Hamming distance decides.
    results, _ = semantic_search_faiss(
        q, corpus_embeddings=codes, corpus_precision="ubinary", top_k=10, rescore_multiplier=40
    )
    expected, expected_ids = answers(results)
    for ours in (codes, quantize_embeddings(x, "binary")):
        scores, ids = binary_search(q, ours, 10, rescore_multiplier=40)
        assert (ids == expected_ids).all()
        assert np.abs(scores - expected).max() < 1e-5
    # With few candidates: the same scores, but where a tie at the border lets another passage in.
    results, _ = semantic_search_faiss(q, corpus_embeddings=codes, corpus_precision="ubinary", top_k=10)
    scores, ids = binary_search(q, codes, 10, rescore_multiplier=2)
    assert np.mean(ids == list(answers(results))[1]) > 0.8


@pytest.mark.parametrize("B", [1, 6, 8, 24])
def test_hamming_distances(B):
    import faiss

    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    x, q = rng.integers(0, 256, (3_000, B), dtype=np.uint8), rng.integers(0, 256, (9, B), dtype=np.uint8)
    index = faiss.IndexBinaryFlat(8 * B)
    index.add(x)
    expected, expected_ids = index.search(q, 15)
    distances, ids = hamming_search(q, x, 15, chunk_size=700)
    assert (distances == expected).all()
    inner = expected < expected[:, -1:]  # nearer than the last: no tie can put another passage there
    for row in range(len(q)):
        assert set(ids[row, inner[row]]) == set(expected_ids[row, inner[row]])


def test_scalar_search():
    import faiss
    from sentence_transformers.util.quantization import semantic_search_faiss

    faiss.omp_set_num_threads(1)
    x, q = vectors(400, 32), vectors(20, 32, seed=1)
    ranges = quantization_ranges(x)
    codes = quantize_embeddings(x, "uint8", ranges)
    results, _ = semantic_search_faiss(
        q, corpus_embeddings=codes, corpus_precision="uint8", top_k=10, ranges=ranges, rescore_multiplier=40
    )
    expected, expected_ids = answers(results)
    scores, ids = scalar_search(q, codes, 10, "uint8", ranges)
    assert (ids == expected_ids).all()
    assert np.abs(scores - expected).max() < 1e-5
    signed = scalar_search(q, quantize_embeddings(x, "int8", ranges), 10, "int8", ranges)
    assert (signed[1] == ids).all()
