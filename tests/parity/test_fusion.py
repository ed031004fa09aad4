"""Our fusion is ranx's, score for score."""

import random

import pytest

from workbook.rerank.fusion import rrf, score_fusion

pytestmark = [pytest.mark.parity, pytest.mark.slow]  # ranx compiles on its first call


def several_runs(seed, count):
    """Runs without equal scores: ranx leaves their order to an unstable sort."""
    generator = random.Random(seed)
    passages = [f"d{i}" for i in range(40)]
    queries = ["q2", "q10", "q1"]
    return [
        {
            query: {p: generator.gauss(0, 10**r) for p in generator.sample(passages, generator.randint(1, 30))}
            for query in queries
        }
        for r in range(count)
    ]


def fused(runs, **settings):
    from ranx import Run, fuse

    return fuse([Run(run) for run in runs], **settings).to_dict()


@pytest.mark.parametrize(("seed", "count"), [(0, 2), (1, 3), (2, 4)])
def test_rrf(seed, count):
    runs = several_runs(seed, count)
    for k in (0, 1, 60, 1000):
        assert rrf(runs, k=k) == fused(runs, norm=None, method="rrf", params={"k": k})


def test_weighted_rrf_is_ranx_with_runs_repeated():
    """ranx has no weights for it: a run of weight 3 is given to it three times."""
    runs, weights = several_runs(7, 3), (3, 1, 2)
    repeated = [run for run, weight in zip(runs, weights, strict=True) for _ in range(weight)]
    theirs = fused(repeated, norm=None, method="rrf", params={"k": 60})
    for query, scores in rrf(runs, weights=weights).items():
        assert scores == pytest.approx(theirs[query], rel=0, abs=1e-15)


@pytest.mark.parametrize(("seed", "count"), [(3, 2), (4, 3)])
def test_score_fusion(seed, count):
    runs, weights = several_runs(seed, count), [1.0, 0.3, 2.5][:count]
    params = {"weights": weights}
    assert score_fusion(runs, weights) == fused(runs, norm="min-max", method="wsum", params=params)
    assert score_fusion(runs, weights, norm=None) == fused(runs, norm=None, method="wsum", params=params)
    theirs = fused(runs, norm="zmuv", method="wsum", params=params)  # numba adds up a mean in another order
    for query, scores in score_fusion(runs, weights, norm="z-score").items():
        assert scores == pytest.approx(theirs[query], rel=0, abs=1e-12)


def test_adversarial_runs():
    runs = [
        {"q": {"alone": 5.0}},
        {"q": {"a": 1.0, "b": 1.0 + 1e-12, "c": -1e9}},
        {"q": {"alone": 0.0, "a": -1.0, "c": 1e9}},
    ]
    assert rrf(runs) == fused(runs, norm=None, method="rrf")
    assert score_fusion(runs) == fused(runs, norm="min-max", method="wsum", params={"weights": [1.0, 1.0, 1.0]})
