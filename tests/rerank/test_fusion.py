"""Fusion by hand, at the edges, and what must not change it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.rerank.fusion import hybrid_scores, rrf, score_fusion

BM25 = {"q": {"a": 12.0, "b": 8.0, "c": 4.0}}
DENSE = {"q": {"b": 0.9, "d": 0.7, "a": 0.5}}

runs = st.lists(
    st.dictionaries(
        st.sampled_from(["q1", "q2", "q3"]),
        st.dictionaries(st.sampled_from("abcdef"), st.integers(-3, 3).map(float), max_size=6),
        max_size=3,
    ),
    min_size=1,
    max_size=4,
)


def test_rrf_by_hand():
    fused = rrf([BM25, DENSE])
    assert fused == {"q": {"b": 1 / 62 + 1 / 61, "a": 1 / 61 + 1 / 63, "d": 1 / 62, "c": 1 / 63}}
    assert list(fused["q"]) == ["b", "a", "d", "c"]


def test_a_run_with_more_weight_counts_as_if_it_stood_there_more_often():
    assert rrf([BM25, DENSE], weights=[1, 2])["q"] == pytest.approx(rrf([BM25, DENSE, DENSE])["q"])
    assert list(rrf([BM25, DENSE], weights=[1, 0.1])["q"]) == ["a", "b", "c", "d"]
    assert rrf([BM25, DENSE], weights=[0, 1])["q"] == rrf([DENSE])["q"] | {"c": 0.0}
    assert rrf([BM25, DENSE], weights=[1, 1]) == rrf([BM25, DENSE])


def test_k_says_what_the_first_rank_is_worth():
    assert rrf([BM25], k=0)["q"] == {"a": 1.0, "b": 1 / 2, "c": 1 / 3}
    first, second, _ = rrf([BM25], k=10**6)["q"].values()
    assert second / first > 0.999


def test_min_max_by_hand():
    fused = score_fusion([BM25, DENSE], weights=(1.0, 2.0))["q"]
    assert fused == {"b": 0.5 + 2.0, "a": 1.0 + 0.0, "d": pytest.approx(2 * 0.5), "c": 0.0}
    assert next(iter(fused)) == "b"
    assert list(fused)[-1] == "c"


def test_z_score_by_hand():
    fused = score_fusion([BM25], norm="z-score")["q"]
    assert fused == pytest.approx({"a": math.sqrt(1.5), "b": 0.0, "c": -math.sqrt(1.5)})


def test_without_a_norm_the_larger_scale_decides():
    assert list(score_fusion([BM25, DENSE], norm=None)["q"]) == ["a", "b", "c", "d"]


def test_under_z_score_zero_rewards_not_being_found_and_lowest_does_not():
    a, b = {"q": {"x": 3.0, "y": 2.0, "last": 1.0}}, {"q": {"x": 3.0, "y": 2.0, "absent": 1.0}}
    only_in_one = {"q": {"x": 3.0, "y": 2.0, "last": 1.0, "absent": 1.0}}
    zero = score_fusion([a, b], norm="z-score")["q"]
    lowest = score_fusion([a, b], norm="z-score", missing="lowest")["q"]
    both = score_fusion([only_in_one, b], norm="z-score")["q"]
    assert both["last"] > both["absent"]  # found last by one run only, before found last by both
    assert zero["last"] == pytest.approx(-math.sqrt(1.5))
    assert lowest["last"] == pytest.approx(-2 * math.sqrt(1.5))
    found = score_fusion([only_in_one, b], norm="z-score", missing="lowest")["q"]
    assert found["last"] == pytest.approx(found["absent"])


def test_one_passage_alone_and_equal_scores_become_zero():
    assert score_fusion([{"q": {"a": 7.0}}]) == {"q": {"a": 0.0}}
    assert score_fusion([{"q": {"a": 7.0, "b": 7.0}}], norm="z-score") == {"q": {"a": 0.0, "b": 0.0}}
    thirds = dict.fromkeys("abc", -11.116259210374808)  # the mean of the three is another number in floating point
    assert score_fusion([{"q": thirds}], norm="z-score") == {"q": dict.fromkeys("abc", 0.0)}


@pytest.mark.parametrize("fuse", [rrf, score_fusion])
def test_missing_queries_and_empty_runs(fuse):
    alone = fuse([BM25])
    assert fuse([BM25, {}]) == alone
    assert fuse([BM25, {"q": {}}]) == alone
    assert fuse([{}, {}]) == {}
    assert fuse([{"q": {}}, {}]) == {"q": {}}
    both = fuse([BM25, {"p": {"z": 1.0}}])
    assert both["q"] == alone["q"]
    assert set(both) == {"q", "p"}


@pytest.mark.parametrize("fuse", [rrf, score_fusion])
def test_of_equal_sums_the_better_rank_of_the_first_run_comes_first(fuse):
    worst_first = [{"q": {"b": 0.0, "a": 1.0}}, {"q": {"a": 0.0, "b": 1.0}}]
    assert list(fuse(worst_first)["q"]) == ["a", "b"]
    assert len(set(fuse(worst_first)["q"].values())) == 1


def test_ties_keep_the_order_in_which_they_came():
    tied = {"q": {"z": 1.0, "a": 1.0, "m": 2.0}}
    assert list(rrf([tied])["q"]) == ["m", "z", "a"]
    assert rrf([tied])["q"]["z"] == 1 / 62
    assert list(rrf([{"q": {"x": 1.0, "y": 0.5}}, {"q": {"y": 1.0, "x": 0.5}}])["q"]) == ["x", "y"]


@settings(deadline=None)  # another process may take the processor
@given(runs, st.floats(0.1, 10), st.floats(-100, 100))
def test_ranks_do_not_see_the_scale_and_norms_remove_it(several, scale, shift):
    moved = [{q: {p: scale * s + shift for p, s in scores.items()} for q, scores in run.items()} for run in several]
    assert rrf(moved) == rrf(several)
    for norm in ("min-max", "z-score"):
        before, after = score_fusion(several, norm=norm), score_fusion(moved, norm=norm)
        assert {q: set(x) for q, x in after.items()} == {q: set(x) for q, x in before.items()}
        for query, scores in before.items():
            assert after[query] == pytest.approx(scores, abs=1e-6)


@settings(deadline=None)  # another process may take the processor
@given(runs)
def test_fusion_finds_what_the_runs_found_and_nothing_else(several):
    for fused in (rrf(several), score_fusion(several), score_fusion(several, norm="z-score", missing="lowest")):
        assert set(fused) == {query for run in several for query in run}
        for query, scores in fused.items():
            assert set(scores) == {passage for run in several for passage in run.get(query, {})}
            values = list(scores.values())
            assert values == sorted(values, reverse=True)


def test_hybrid_scores_by_hand_in_every_kind_of_number():
    assert hybrid_scores(0.6, 0.2, 0.5) == pytest.approx(0.4 * 0.6 + 0.2 * 0.2 + 0.4 * 0.5)
    dense, sparse, multi = torch.rand(3, 2, 5, dtype=torch.float64).unbind()
    expected = (dense + 0.3 * sparse + multi) / 2.3
    assert torch.allclose(hybrid_scores(dense, sparse, multi, weights=(1.0, 0.3, 1.0)), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(hybrid_scores(dense.numpy(), sparse.numpy(), multi.numpy(), (1, 0.3, 1)), expected)
    assert torch.allclose(hybrid_scores(dense, sparse), (0.4 * dense + 0.2 * sparse) / 0.6, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rrf([]), "at least one run, got none"),
        (lambda: rrf([BM25], k=-1), "k must be at least 0, got -1"),
        (lambda: rrf([BM25], k=float("nan")), "k must be at least 0, got nan"),
        (lambda: rrf([{"q": {"a": float("nan")}}]), "score of passage 'a' is nan"),
        (lambda: score_fusion([{"q": {"a": float("inf")}}]), "score of passage 'a' is inf"),
        (lambda: score_fusion([]), "at least one run, got none"),
        (lambda: rrf([BM25, DENSE], weights=[1]), "2 finite numbers, one for each run"),
        (lambda: rrf([BM25], weights=[float("nan")]), "1 finite numbers, one for each run"),
        (lambda: score_fusion([BM25], weights=[1, 2]), "1 finite numbers, one for each run"),
        (lambda: score_fusion([BM25], norm="max"), "norm must be one of min-max, z-score or None, got 'max'"),
        (lambda: score_fusion([BM25], missing="mean"), 'missing must be "zero" or "lowest"'),
        (lambda: hybrid_scores(torch.ones(2, 3), torch.ones(2, 4)), r"one shape, got \[\(2, 3\), \(2, 4\)\]"),
        (lambda: hybrid_scores(0.1, 0.1, 0.1, weights=(0, 0, 0)), "not all 0"),
        (lambda: hybrid_scores(0.1, 0.1, weights=(0, 0, 1)), "not all 0"),
        (lambda: hybrid_scores(0.1, 0.1, weights=(1, 1)), "three numbers"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
