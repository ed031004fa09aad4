"""Quantization, rescoring and the funnel: by hand, at the edges, and in bounded memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.index.quantize import (
    binary_search,
    dequantize_embeddings,
    hamming_search,
    quantization_ranges,
    quantize_embeddings,
    scalar_search,
    vector_bytes,
)
from workbook.index.rescore import funnel_cost, funnel_search, rescore


def vectors(N, D=16, seed=0):
    x = np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def best(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def test_codes_by_hand():
    x = np.array([[0.0, -255.0], [255.0, 255.0], [1.9, 0.0]])  # steps of 1 and of 2
    ranges = quantization_ranges(x)
    assert ranges.tolist() == [[0.0, -255.0], [255.0, 255.0]]
    assert quantize_embeddings(x, "uint8", ranges).tolist() == [[0, 0], [255, 255], [1, 127]]  # the floor
    assert quantize_embeddings(x, "int8", ranges).tolist() == [[-128, -128], [127, 127], [-127, -1]]
    beyond = np.array([[-9.0, 900.0]])
    assert quantize_embeddings(beyond, "uint8", ranges).tolist() == [[0, 255]]  # cut off
    bits = np.array([[1.0, -1, 0, 1, -1, -1, -1, -1, 1]])  # zero is not positive, and nine bits take two bytes
    assert quantize_embeddings(bits, "ubinary").tolist() == [[0b10010000, 0b10000000]]
    assert quantize_embeddings(bits, "binary").tolist() == [[0b10010000 - 128, 0]]


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(1, 9), st.integers(0, 999), st.sampled_from(["int8", "uint8"]))
def test_what_comes_back_is_below_by_less_than_a_step(N, D, seed, precision):
    x = np.random.default_rng(seed).standard_normal((N, D))
    ranges = quantization_ranges(x)
    lost = x - dequantize_embeddings(quantize_embeddings(x, precision, ranges), precision, ranges)
    step = (ranges[1] - ranges[0]) / 255
    assert (lost > -1e-5).all()
    assert (lost < step + 1e-5).all()


def test_a_dimension_without_width_comes_back_exactly():
    x = np.array([[0.5, 1.0], [0.5, 2.0]])
    ranges = quantization_ranges(x)
    codes = quantize_embeddings(x, "uint8", ranges)
    assert dequantize_embeddings(codes, "uint8", ranges)[:, 0].tolist() == [0.5, 0.5]


def test_ranges_come_from_the_calibration_set_or_the_vectors():
    x, calibration = vectors(20), 3 * vectors(50, seed=1)
    given_ranges = quantize_embeddings(x, "int8", quantization_ranges(calibration))
    assert (quantize_embeddings(x, "int8", calibration_embeddings=calibration) == given_ranges).all()
    assert (quantize_embeddings(x, "int8") == quantize_embeddings(x, "int8", quantization_ranges(x))).all()
    assert not (quantize_embeddings(x, "int8") == given_ranges).all()


def test_tensors_and_nothing_are_quantized_too():
    x = vectors(5_000)  # more than one chunk
    for precision in ("float32", "int8", "uint8", "binary", "ubinary"):
        codes = quantize_embeddings(x, precision)
        assert (quantize_embeddings(torch.from_numpy(x), precision) == codes).all()
        assert codes.nbytes == len(x) * vector_bytes(16, precision)
        nothing = quantize_embeddings(x[:0], precision)
        assert (nothing.shape, nothing.dtype) == ((0, codes.shape[1]), codes.dtype)
    assert [vector_bytes(384, p) for p in ("float32", "int8", "ubinary")] == [1536, 384, 48]
    assert vector_bytes(9, "binary") == 2


@pytest.mark.parametrize("precision", ["int8", "uint8"])
@pytest.mark.parametrize("N", [0, 3, 300, 9_000])
def test_scalar_search_is_exact_search_among_the_reconstructions(precision, N):
    x, q, ranges = vectors(N), vectors(6, seed=1), quantization_ranges(vectors(100, seed=2))
    codes = quantize_embeddings(x, precision, ranges)
    scores, ids = scalar_search(q, codes, 10, precision, ranges)
    expected = q @ dequantize_embeddings(codes, precision, ranges).T
    K = min(10, N)
    assert ids.shape == (6, 10)
    assert (ids[:, :K] == best(expected, 10)).mean() > 0.98 if N else True  # rounding may swap neighbours
    assert np.allclose(scores[:, :K], np.take_along_axis(expected, best(expected, 10), axis=1), atol=1e-5)
    assert (ids[:, K:] == -1).all()


def test_hamming_distance_by_hand():
    queries = np.array([[0b0000], [0b1111]], dtype=np.uint8)
    codes = np.array([[0b0111], [0b0001], [0b1000], [0b0000]], dtype=np.uint8)
    distances, ids = hamming_search(queries, codes, 3)
    assert distances.tolist() == [[0, 1, 1], [1, 3, 3]]
    assert ids.tolist() == [[3, 1, 2], [0, 1, 2]]  # equal distances by id


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 4), st.integers(1, 20), st.integers(1, 70), st.integers(1, 23), st.booleans())
def test_hamming_search_in_any_chunk(N, Q, B, k, chunk_size, signed):
    rng = np.random.default_rng(N + B)
    bits = rng.integers(0, 2, (N, 8 * B)), rng.integers(0, 2, (Q, 8 * B))
    x, q = (quantize_embeddings(b - 0.5, "binary" if signed else "ubinary") for b in bits)
    distances, ids = hamming_search(q, x, k, chunk_size)
    expected = (bits[1][:, None] != bits[0]).sum(-1)
    assert (ids == best(-expected, k)).all()
    assert (distances == np.take_along_axis(expected, ids, axis=1)).all()


def test_rescoring_wins_back_what_the_bits_lose():
    x, q = vectors(2_000, 64), vectors(50, 64, seed=1)
    truth = best(q @ x.T, 10)
    codes = quantize_embeddings(x, "ubinary")

    def recall(multiplier, vectors_of=None):
        found = binary_search(q, codes, 10, multiplier, vectors_of)[1]
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth, strict=True)])

    bits_only = recall(1)
    assert bits_only < 0.5
    assert recall(8) > bits_only + 0.05  # by the float query alone
    assert recall(8, x.__getitem__) > recall(8) + 0.1  # by the float vectors
    assert recall(200, x.__getitem__) == 1.0  # all passages are candidates
    signed = quantize_embeddings(x, "binary")
    assert (binary_search(q, signed, 10)[1] == binary_search(q, codes, 10)[1]).all()


def test_rescore_by_hand():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    scores, ids = rescore(np.array([[1.0, 0.0], [0.0, 3.0]]), [[0, 1, 2], [0, 1, -1]], x.__getitem__, 2)
    assert ids.tolist() == [[2, 0], [1, 0]]
    assert scores.tolist() == [[2.0, 1.0], [3.0, 0.0]]
    scores, ids = rescore(np.array([[1.0, 0.0]]), [[-1, 2]], x.__getitem__, 4)
    assert ids.tolist() == [[2, -1, -1, -1]]
    assert np.isneginf(scores[0, 1:]).all()


# The funnel


def test_a_funnel_of_one_size_is_exact_search_by_cosine():
    x, q = 5 * vectors(300) * np.linspace(1, 2, 300, dtype=np.float32)[:, None], vectors(7, seed=1)
    scores, ids = funnel_search(q, x, 6, [16])
    cosines = q @ (x / np.linalg.norm(x, axis=1, keepdims=True)).T
    assert (ids == best(cosines, 6)).all()
    assert np.allclose(scores, np.take_along_axis(cosines, ids, axis=1), atol=1e-6)


def test_a_wide_funnel_is_exact_and_a_narrow_one_is_not():
    x, q = vectors(400), vectors(40, seed=1)
    exact = funnel_search(q, x, 5, [16])[1]
    assert (funnel_search(q, x, 5, [4, 8, 16], rescore_multiplier=80)[1] == exact).all()  # 5 · 80 = 400
    narrow = funnel_search(q, x, 5, [4, 8, 16], rescore_multiplier=1)[1]
    assert not (narrow == exact).all()
    assert {*narrow[0]} == {*funnel_search(q[:, :4], x[:, :4], 5, [4])[1][0]}  # the first stage chose, the rest ranked


def test_prefixes_are_normalized_again():
    x = np.array([[0.1, 0.0, 1.0], [0.9, 0.3, 0.0]])  # by cosine the first is nearer to q in two dimensions
    assert funnel_search(np.array([[1.0, 0.0, 0.0]]), x, 1, [2])[1].tolist() == [[0]]


@pytest.mark.parametrize(
    ("N", "k", "dims", "multiplier"), [(400, 5, [4, 8, 16], 3), (30, 5, [2, 16], 80), (9, 1, [16], 4)]
)
def test_the_work_of_a_funnel_is_what_its_stages_read(monkeypatch, N, k, dims, multiplier):
    from workbook.index import rescore as module

    read = []
    first, later = module.exhaustive, module.rescore

    def exhaustive(queries, rows, *rest):
        read.append(rows * queries.shape[1])
        return first(queries, rows, *rest)

    def rescore(queries, ids, *rest):
        read.append(int((ids >= 0).sum()) * queries.shape[1])
        return later(queries, ids, *rest)

    monkeypatch.setattr(module, "exhaustive", exhaustive)
    monkeypatch.setattr(module, "rescore", rescore)
    funnel_search(vectors(1), vectors(N), k, dims, multiplier)
    assert funnel_cost(N, k, dims, multiplier) == sum(read)


def test_a_funnel_over_few_passages_and_tensors():
    scores, ids = funnel_search(torch.from_numpy(vectors(2)), torch.from_numpy(vectors(3)), 5, [4, 16])
    assert isinstance(ids, torch.Tensor)
    assert (ids[:, 3:] == -1).all()
    assert sorted(ids[0, :3].tolist()) == [0, 1, 2]
    assert scores[0, 3:].isneginf().all()


# Bad input and memory


NAN = np.array([[0.0, 1.0], [np.nan, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize_embeddings(vectors(3), "int4"), "precision must be one of"),
        (lambda: vector_bytes(8, "half"), "precision must be one of"),
        (lambda: quantize_embeddings(vectors(1), "int8"), "at least two vectors.*got 1.*calibration_embeddings"),
        (lambda: quantize_embeddings(np.zeros((3, 4), np.int8), "int8"), "codes cannot be quantized again"),
        (lambda: quantize_embeddings(vectors(3)[0], "int8"), r"must be \(N, D\) floats, got \(16,\)"),
        (lambda: quantize_embeddings(vectors(3), "int8", np.zeros((2, 4))), r"ranges must be \(2, D\) = \(2, 16\)"),
        (lambda: quantize_embeddings(vectors(3), "int8", np.array([[1.0] * 16, [0.0] * 16])), "least above largest"),
        (lambda: quantize_embeddings(NAN, "ubinary"), "row 1 holds NaN or infinity"),
        (lambda: quantization_ranges(NAN), "must hold finite numbers"),
        (lambda: dequantize_embeddings(np.zeros((1, 1), np.uint8), "ubinary", None), "a sign has no size"),
        (lambda: scalar_search(vectors(2), np.zeros((5, 16), np.int8), 1, "uint8", np.zeros((2, 16))), "got 'uint8'"),
        (lambda: scalar_search(vectors(2), np.zeros((5, 8), np.int8), 1, "int8", np.zeros((2, 8))), "D = 8"),
        (lambda: hamming_search(np.zeros((1, 2), np.uint8), np.zeros((1, 3), np.uint8), 1), "quantize queries and"),
        (lambda: hamming_search(np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.int8), 1), "quantize queries and"),
        (lambda: hamming_search(np.zeros((1, 2)), np.zeros((1, 2)), 1), "expected bytes, got float64"),
        (lambda: hamming_search(np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.uint8), 0), "k must be at least 1"),
        (lambda: binary_search(vectors(1), np.zeros((1, 2), np.uint8), 1, 0), "rescore_multiplier must be at least 1"),
        (lambda: rescore(vectors(2), [[0]], vectors(3).__getitem__, 1), r"candidates must be \(Q, C\) with Q = 2"),
        (lambda: funnel_search(vectors(1), vectors(3), 1, [8, 4]), r"must ascend .* got \(8, 4\)"),
        (lambda: funnel_search(vectors(1), vectors(3), 1, [4, 32]), "D = 16 at most"),
        (lambda: funnel_search(vectors(1), vectors(3), 1, []), "must ascend"),
        (lambda: funnel_search(vectors(1), vectors(3, 8), 1, [4]), r"corpus must be \(N, D\) with D = 16"),
        (lambda: funnel_search(NAN, NAN[:1], 1, [2]), "query_embeddings must hold finite numbers, row 1"),
        (lambda: funnel_search(NAN[:1], NAN, 1, [2]), "corpus must hold finite numbers, row 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """Codes on the disk, mapped: only a chunk of them is in memory at a time (what numpy allocates is counted)."""
    D, ranges, q = 32, np.stack([-np.ones(32), np.ones(32)]), vectors(2, 32)

    def peaks(N):
        codes = np.lib.format.open_memmap(tmp_path / f"{N}.npy", "w+", np.uint8, (N, D))
        codes[:] = np.random.default_rng(0).integers(0, 256, (N, D), dtype=np.uint8)
        found = []
        for search in (
            lambda: scalar_search(q, codes, 5, "uint8", ranges),
            lambda: hamming_search(codes[:2], codes, 5, chunk_size=4_096),
        ):
            tracemalloc.start()
            search()
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return found

    small, large = peaks(20_000), peaks(80_000)
    for one, other in zip(small, large, strict=True):
        assert other < 1.2 * one + 50_000
        assert other < 80_000 * D / 2  # less than half of the codes alone
