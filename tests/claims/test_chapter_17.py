"""The rules of claims 47, 48, 49 and 73 can fall either way, and what they count is what is read."""

import numpy as np
import pytest
import torch

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims.chapter_17 import (
    BIT,
    BIT_FLOAT,
    BIT_RESCORED,
    CLAIMS,
    COLLECTIONS,
    FEW_DIMS,
    FIXED,
    HALF,
    HNSW,
    INT8,
    IVF,
    IVFPQ,
    MANY,
    PQ,
    RANDOM,
    Size,
    least_knob,
    power,
    searches,
    shares,
    stand_for,
)
from workbook.similarity import normalize

FRONTIER, ROUNDING, GROWTH, BYTES = CLAIMS


def row(reads=0.05, enough=UP, traded=UP):
    return {"chosen reads": reads, "chosen minus nine tenths": enough, "chosen minus the least": traded}


def frontier(**changes):
    rows = {name: row() for name in (IVF, PQ, IVFPQ, HNSW)}
    return dict.fromkeys((*COLLECTIONS, RANDOM), rows | changes)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "holds"),
        ({IVF: row(reads=0.11)}, "depends"),
        ({HNSW: row(enough=TIED)}, "depends"),
        ({PQ: row(traded=TIED)}, "depends"),  # its cheapest setting finds as much: no trade
        ({name: row(enough=DOWN) for name in (IVF, PQ, IVFPQ, HNSW)}, "misleading"),
    ],
)
def test_the_frontier_can_fall_either_way(changes, verdict):
    result = FRONTIER.decide({"collections": frontier(**changes)})
    assert result.verdict == verdict
    assert len(result.intervals) == 8
    assert "Random vectors" in result.because


def rounding(int8, bit):
    mean = {"float32": 0.8, INT8: 0.79, BIT: 0.6, BIT_RESCORED: 0.7, BIT_FLOAT: 0.75}
    return {"ndcg@10": mean, "minus its share": {INT8: int8, BIT_RESCORED: bit}}


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (rounding(UP, UP), rounding(UP, UP), "holds"),
        (rounding(UP, UP), rounding(TIED, UP), "depends"),
        (rounding(UP, DOWN), rounding(DOWN, UP), "misleading"),
        (rounding(TIED, DOWN), rounding(DOWN, TIED), "misleading"),
    ],
)
def test_rounding_can_fall_either_way(a, b, verdict):
    result = ROUNDING.decide({"cases": {"planted, base": a, "pydocs, base": b}})
    assert result.verdict == verdict
    assert "int8 0.988" in result.because


def growth(**powers):
    plain = {"read": [0.5, 0.45, 0.55], "build": [1.0, 0.95, 1.05]}
    return {
        "sizes": [500, 1_000],
        "indexes": {n: {"powers": plain | powers.get(n, {}), "found": [0.95, 0.96]} for n in (IVF, FIXED, HNSW)},
    }


@pytest.mark.parametrize(
    ("powers", "verdict"),
    [
        ({}, "holds"),
        ({"IVF": {"build": [1.5, 1.5, 1.5]}}, "depends"),
        ({"HNSW": {"read": [0.88, 0.82, 0.94]}}, "depends"),
        ({name: {"read": [1.0, 0.9, 1.1], "build": [1.5, 1.4, 1.6]} for name in ("IVF", "HNSW")}, "misleading"),
    ],
)
def test_growth_can_fall_either_way(powers, verdict):
    assert GROWTH.decide(growth(**powers)).verdict == verdict


@pytest.mark.parametrize(
    ("rows", "verdict"), [((UP, UP), "holds"), ((UP, TIED), "depends"), ((DOWN, DOWN), "misleading")]
)
def test_bytes_can_fall_either_way(rows, verdict):
    cases = {
        f"case {i}": {"differences": {f"{MANY} minus {FEW_DIMS}": r, f"{HALF} minus {MANY}": TIED}}
        for i, r in enumerate(rows)
    }
    assert BYTES.decide({"cases": cases}).verdict == verdict


SMALL = Size(60, 5, 4, 4, {}, 20, (4, 20), (), 60, (), 8)


def test_all_lists_and_all_candidates_find_all_and_read_all():
    x, queries = (normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(n))) for n in (300, 7))
    exact = torch.topk(queries @ x.T, 10).indices.numpy()
    search = searches(x, SMALL, seed=0)
    found, read = search[IVF](queries, 4)
    assert shares(found, queries, x, exact).tolist() == [1.0] * 7
    assert read == 4 + 300
    found, read = search[PQ](queries, 300)
    assert shares(found, queries, x, exact).tolist() == [1.0] * 7
    assert read == pytest.approx(300 / 16 + 256 + 300)  # a code of 4 bytes is a sixteenth of a vector
    assert search[IVFPQ](queries, 4)[1] == pytest.approx(4 + 256 + 300 / 16 + 20)
    few, many = search[HNSW](queries, 10), search[HNSW](queries, 200)
    assert 10 < few[1] < many[1] <= 400
    assert shares(few[0], queries, x, exact).mean() < shares(many[0], queries, x, exact).mean()


def test_the_least_knob_is_the_least():
    assert [least_knob(lambda n: n / 10, 1, most) for most in (10, 5, 1)] == [10, 5, 1]
    assert least_knob(lambda n: 1.0, 10, 64) == 10
    assert least_knob(lambda n: 1.0 if n >= 37 else 0.0, 1, 64) == 37


def test_what_scores_as_high_as_the_tenth_is_one_of_the_ten():
    x = normalize(torch.randn(30, 8, generator=torch.Generator().manual_seed(0)))
    x = torch.cat([x, x])  # each twice: the eleventh and the twelfth are as near as ten others
    queries = normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(1)))
    ranked = torch.argsort(queries @ x.T, dim=1, descending=True, stable=True)
    assert shares(ranked[:, :10].numpy(), queries, x, ranked[:, :10].numpy()).tolist() == [1.0] * 4
    twins = (ranked[:, :10] + 30) % 60
    assert shares(twins.numpy(), queries, x, ranked[:, :10].numpy()).tolist() == [1.0] * 4
    assert shares(ranked[:, 10:20].numpy(), queries, x, ranked[:, :10].numpy()).tolist() == [0.0] * 4
    nothing = np.full((4, 10), -1)
    assert shares(nothing, queries, x, ranked[:, :10].numpy()).tolist() == [0.0] * 4


def test_a_power_is_found_again():
    sizes = [100, 200, 400]
    costs = np.array([[3 * n**0.5 for n in sizes], [5 * n**0.5 for n in sizes]])
    assert power(sizes, costs) == pytest.approx([0.5, 0.5, 0.5])
    low, high = power(sizes, np.array([[n**0.4 for n in sizes], [n**0.6 for n in sizes]]))[1:]
    assert low < 0.4 < 0.6 < high


def test_more_bits_stand_for_a_vector_more_closely():
    x = torch.randn(400, 6, generator=torch.Generator().manual_seed(0))
    errors = [(stand_for(x, x, bits) - x).square().mean().item() for bits in (1, 2, 4, 8, 32)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(1 - 2 / np.pi, abs=0.03)  # the best one-bit code of a normal distribution
    assert errors[-1] == 0


@pytest.mark.parametrize(
    "claim",
    [*CLAIMS[:3], pytest.param(BYTES, marks=pytest.mark.slow)],  # which trains four encoders
    ids=lambda claim: str(claim.id),
)
def test_a_small_run_is_decided(claim):
    assert claim.decide(claim.measure("notebook", (0,))).because
