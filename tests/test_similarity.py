"""Similarity and exact search: by hand, in any chunk, with ties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbook.similarity import (
    as_run,
    cos_sim,
    dense_search,
    dot_score,
    dot_score_of_one,
    euclidean_sim,
    normalize,
    top_k,
    truncate,
)
from workbook.support.precision import at_least_float32

A = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
B = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0]])


@pytest.mark.parametrize("layer_norm", [False, True])
def test_what_is_cut_has_length_one_and_zero_stays_zero(layer_norm):
    x = torch.tensor([[3.0, 4.0, 12.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
    whole = x - x.mean(dim=1, keepdim=True) if layer_norm else x
    torch.testing.assert_close(truncate(x, 2, layer_norm), normalize(whole[:, :2]), atol=1e-6, rtol=0)
    assert truncate(x[0], 3).norm() == pytest.approx(1)
    assert truncate(x.half(), 2).dtype == torch.float16
    assert not truncate(x, 2)[1:].any()


def test_a_whole_vector_cut_after_it_was_normalized_ranks_otherwise():
    q, a, b = (torch.tensor(x) for x in ([0.5, 0.1, 0.7, 0.5], [0.8, 0.4, 0.4, 0.2], [0.3, 0.1, 0.9, 0.3]))
    assert torch.allclose(torch.stack([q @ a, q @ b]), torch.tensor([0.82, 0.94]))
    assert torch.allclose(torch.stack([q[:2] @ a[:2], q[:2] @ b[:2]]), torch.tensor([0.44, 0.16]))
    cut = [truncate(q, 2) @ truncate(x, 2) for x in (a, b)]
    assert torch.allclose(torch.stack(cut), torch.tensor([0.9648, 0.9923]), atol=1e-4)


@pytest.mark.parametrize("dim", [0, 3])
def test_a_cut_is_within_the_vector(dim):
    with pytest.raises(ValueError, match="from 1 to D = 2"):
        truncate(A, dim)


def test_by_hand():
    assert torch.allclose(normalize(A), torch.tensor([[0.6, 0.8], [1.0, 0.0]]))
    assert torch.equal(dot_score(A, B), torch.tensor([[25.0, 8.0, -3.0], [3.0, 0.0, -1.0]]))
    assert torch.allclose(cos_sim(A, B), torch.tensor([[1.0, 0.8, -0.6], [0.6, 0.0, -1.0]]))
    assert torch.allclose(euclidean_sim(A, B)[1], -torch.tensor([20.0, 5.0, 4.0]).sqrt(), atol=1e-5)


def test_a_zero_vector_stays_zero():
    assert torch.equal(normalize(torch.zeros(2, 3)), torch.zeros(2, 3))
    assert torch.equal(cos_sim(torch.zeros(1, 3), torch.ones(2, 3)), torch.zeros(1, 2))


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_cosine_does_not_see_length(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(3, 5, generator=generator).double(), torch.randn(4, 5, generator=generator).double()
    assert torch.allclose(cos_sim(a * scale, b), cos_sim(a, b), atol=1e-12)


@given(st.integers(0, 10_000))
def test_after_normalizing_the_three_rank_alike(seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = (normalize(torch.randn(n, 6, generator=generator).double()) for n in (3, 20))
    ranks = [score(a, b).argsort(dim=1, descending=True) for score in (dot_score, cos_sim, euclidean_sim)]
    assert torch.equal(ranks[0], ranks[1])
    assert torch.equal(ranks[0], ranks[2])


@pytest.mark.parametrize("bad", [torch.ones(3), torch.ones(2, 5), torch.ones(2, 2, 2)])
def test_shapes_that_do_not_fit_are_named(bad):
    for score in (dot_score, cos_sim, euclidean_sim, lambda a, b: top_k(a, b, 1)):
        with pytest.raises(ValueError, match=r"expected .*same D, got"):
            score(A, bad)


@given(
    st.integers(1, 5),
    st.integers(0, 40),
    st.integers(1, 50),
    st.integers(1, 17),
    st.integers(0, 1000),
    st.booleans(),
)
def test_top_k_is_a_full_sort_with_ties_by_id(Q, N, k, chunk_size, seed, few_values):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randint(-1, 2, (Q, 3), generator=generator).double()
    corpus = torch.randint(-1, 2, (N, 3), generator=generator).double()
    if not few_values:  # without ties
        corpus = torch.randn(N, 3, generator=generator).double()
    scores, ids = top_k(queries, corpus, k, chunk_size)
    expected = (queries @ corpus.T).sort(dim=1, descending=True, stable=True)
    assert scores.shape == ids.shape == (Q, min(k, N))
    assert torch.equal(ids, expected.indices[:, :k])
    assert torch.allclose(scores, expected.values[:, :k])


def test_top_k_memory_is_bounded_by_the_chunk():
    seen = []

    def score(a, b):
        seen.append(b.shape[0])
        return dot_score(a, b)

    top_k(torch.randn(2, 4), torch.randn(1000, 4), 10, chunk_size=64, score=score)
    assert max(seen) == 64
    assert sum(seen) == 1000


def test_top_k_refuses_what_has_no_rank():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        top_k(A, B, 0)
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got 0"):
        top_k(A, B, 2, chunk_size=0)


@pytest.mark.parametrize("score", [dot_score, cos_sim, euclidean_sim])
@pytest.mark.parametrize("k", [1, 3])
def test_a_nan_is_refused_by_the_row_that_holds_it(score, k):
    for chunk_size in (1, 2, 3):
        for row in range(3):
            spoiled = B.clone()
            spoiled[row, 1] = float("nan")
            with pytest.raises(ValueError, match=f"corpus must not hold NaN, row {row} does"):
                top_k(A, spoiled, k, chunk_size, score)
    spoiled = A.clone()
    spoiled[1, 0] = float("nan")
    with pytest.raises(ValueError, match="queries must not hold NaN, row 1 does"):
        top_k(spoiled, B, k, score=score)


def test_a_nan_that_arises_on_the_way_is_refused_too_and_infinity_has_a_rank():
    infinite = torch.tensor([[1.0, float("inf")], [1.0, 1.0]])
    with pytest.raises(ValueError, match="a score is NaN, though no vector holds one"):
        top_k(A, infinite, 1)  # 0 times infinity
    assert top_k(A[:1], infinite, 1)[1].tolist() == [[0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_one_query_has_the_scores_that_it_has_among_others(dtype):
    generator = torch.Generator().manual_seed(0)
    q, x = (torch.randn(n, 48, generator=generator).to(dtype) for n in (2, 300))
    for rows in (x, x[::3], x.T.contiguous().T, x[:0]):
        alone = dot_score_of_one(q[:1], rows)
        assert alone.dtype == at_least_float32(q).dtype
        assert torch.allclose(alone, dot_score(q, rows)[:1], atol=2e-5)
    with pytest.raises(RuntimeError):
        dot_score_of_one(q[:1].double(), x.float())  # as torch: only half precision is widened


# --- half precision ------------------------------------------------------------------------------

HALVES = [torch.float16, torch.bfloat16]
SCORES = {
    "dot_score": dot_score,
    "cos_sim": cos_sim,
    "euclidean_sim": euclidean_sim,
    "one query": dot_score_of_one,
    "top_k": lambda a, b: top_k(a, b, 9, chunk_size=2)[0],
}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", SCORES)
def test_scores_of_halves_are_those_of_the_same_numbers_in_float32(name, dtype):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 48, generator=generator).to(dtype) for n in (1, 9))
    score, exact = SCORES[name], SCORES[name](a.float(), b.float())
    torch.testing.assert_close(score(a, b), exact)  # the dtype too
    torch.testing.assert_close(score(a.float(), b), exact)  # a corpus in half precision, queries in full
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(score(a.float(), b.float()), exact)
    gradient, expected = (torch.autograd.grad(score(x, b).sum(), x)[0]
                          for x in (a.clone().requires_grad_(), a.float().requires_grad_()))  # fmt: skip
    torch.testing.assert_close(gradient, expected.to(dtype))


@pytest.mark.parametrize("dtype", HALVES)
def test_a_difference_that_a_half_cannot_hold_decides(dtype):
    corpus = torch.tensor([[2048.0 if dtype == torch.float16 else 256.0, one] for one in (0.0, 1.0)], dtype=dtype)
    query = torch.ones(1, 2, dtype=dtype)
    assert (dot_score(query, corpus)[0].diff() == 1).all()
    assert top_k(query, corpus, 2)[1].tolist() == [[1, 0]]
    assert dot_score(30_000 * query, query).item() > 59_000  # in float16, 4 of them would be infinite
    assert dot_score(30_000 * query.repeat(1, 2), query.repeat(1, 2)).isfinite().all()


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32, torch.float64])
def test_a_vector_keeps_its_dtype_when_normalized_whatever_its_length(dtype):
    x = torch.full((3, 4096), 60_000.0).to(dtype)
    x[1], x[2] = 0, 1e-4
    found = normalize(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found[0], torch.full((4096,), 1 / 64, dtype=dtype))
    assert torch.equal(found[1], torch.zeros(4096, dtype=dtype))
    torch.testing.assert_close(found[2], found[0], atol=0, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("Q", [1, 4, 40])  # torch changes its way at 25
def test_distances_far_from_the_origin_are_not_lost(dtype, Q):
    points = torch.tensor([[1000.0, -1000.0], [1000.1, -1000.0], [1000.2, -1000.0], [1000.4, -1000.0]], dtype=dtype)
    corpus = points.repeat(10, 1)
    found = euclidean_sim(points[torch.arange(Q) % 4], corpus)
    by_hand = -(points[torch.arange(Q) % 4, None].double() - corpus.double()).norm(dim=2)
    torch.testing.assert_close(found.double(), by_hand, atol=1e-6, rtol=1e-6)
    assert top_k(points, points, 1, score=euclidean_sim)[1].tolist() == [[0], [1], [2], [3]]


@pytest.mark.filterwarnings("error")
def test_one_query_keeps_its_gradient_and_its_silence():
    query, x = torch.randn(1, 4, requires_grad=True), torch.randn(5, 4)
    top_k(query, x, 1)[0].sum().backward()
    assert torch.equal(query.grad, x[(x @ query[0]).argmax()][None])
    huge = torch.tensor([[1e38, 1e38], [float("inf"), 1.0]])
    assert dot_score_of_one(torch.tensor([[10.0, 10.0]]), huge).tolist() == [[float("inf")] * 2]


@pytest.mark.parametrize("as_what", [torch.tensor, np.array])
def test_rows_become_a_run_by_name(as_what):
    scores, ids = as_what([[3.0, 1.0], [2.0, 0.0]]), as_what([[2, 0], [1, -1]])
    run = as_run({"q": "text", "r": "text"}, ["a", "b", "c"], scores, ids)
    assert run == {"q": {"c": 3.0, "a": 1.0}, "r": {"b": 2.0}}
    assert list(run["q"]) == ["c", "a"]


@pytest.mark.parametrize(
    ("queries", "passages", "message"),
    [
        (["q"], "abc", r"each of the 1 queries, got \(2, 2\) and \(2, 2\)"),
        (["q", "r"], "ab", "row 2 is none of the 2 passages; .*as list.corpus."),
    ],
)
def test_rows_that_belong_to_other_passages_or_queries_are_refused(queries, passages, message):
    with pytest.raises(ValueError, match=message):
        as_run(queries, list(passages), torch.zeros(2, 2), torch.tensor([[2, 0], [1, 0]]))


def test_no_queries():
    scores, ids = top_k(torch.ones(0, 2), B, 2)
    assert scores.shape == ids.shape == (0, 2)


class Lengths:
    """Encodes a text as (its length, 1)."""

    def encode_document(self, texts):
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    encode_query = encode_document


def test_dense_search_returns_a_run_best_first():
    run = dense_search(Lengths(), {"short": "a", "long": "aaaa"}, {"q": "aa"}, k=10)
    assert run == {"q": {"long": 9.0, "short": 3.0}}
    assert list(run["q"]) == ["long", "short"]


def test_dense_search_takes_the_embeddings_of_the_corpus_if_they_are_there():
    class OnlyQueries:
        encode_query = Lengths.encode_query

    corpus, queries = {"short": "a", "long": "aaaa"}, {"q": "aa"}
    embeddings = Lengths().encode_document(list(corpus.values()))
    for known in (embeddings, torch.from_numpy(embeddings)):
        found = dense_search(OnlyQueries(), corpus, queries, corpus_embeddings=known)
        assert found == dense_search(Lengths(), corpus, queries)
    with pytest.raises(ValueError, match="an embedding for each of 2 passages, got 1"):
        dense_search(OnlyQueries(), corpus, queries, corpus_embeddings=embeddings[:1])


def test_dense_search_passes_options_on_to_both_sides():
    class Cut:
        def encode_query(self, texts, truncate_dim):
            return np.ones((len(texts), 3), dtype=np.float32)[:, :truncate_dim]

        encode_document = encode_query

    assert dense_search(Cut(), {"p": "a"}, {"q": "a"}, truncate_dim=2) == {"q": {"p": 2.0}}
