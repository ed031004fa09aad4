"""The rules of claims 61, 62 and 70 can fall either way, and what they compare is what they say."""

import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims.chapter_21 import (
    ALIKE,
    ALONE,
    BASE,
    BESIDE,
    CHANGES,
    CLAIMS,
    COMPANIES,
    COPIES,
    INSTEAD,
    MINILM,
    ONNX,
    PASSAGES,
    QUERIES,
    TORCH,
    Point,
    alarms,
    beaten,
    companies,
    least,
    levers,
    ratio,
    traffic,
)
from workbook.claims.measuring import METRIC

SERVING, CHANGE, COMPANY = CLAIMS
ALL, HALF = [0.98, 0.97, 0.99], [0.5, 0.45, 0.55]
HALF_A_PERCENT, WIDE = [0.005, 0.001, 0.009], [0.0, -0.02, 0.02]


# --- claim 70 --------------------------------------------------------------------------------


def company(moves=UP, ten=ALL, lost=TIED, copies=UP):
    row = {
        "moved": UP,
        "moved minus twice float32": moves,
        "moved minus twice copies": copies,
        "ten that stay": ten,
        f"{METRIC} minus alone": lost,
    }
    return {**dict.fromkeys(COMPANIES, row), INSTEAD: {"ten that stay": ALL}}


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (company(), company(lost=HALF_A_PERCENT), "holds"),
        (company(), company(ten=HALF), "depends"),
        (company(ten=HALF), company(lost=DOWN), "misleading"),
        (company(moves=TIED), company(moves=DOWN), "misleading"),  # then nothing depends on batch-mates
        (company(copies=TIED), company(copies=DOWN), "misleading"),  # then it is the size of a batch
        (company(lost=WIDE), company(lost=WIDE), "not settled here"),
        (company(), company(lost=WIDE), "depends"),
    ],
)
def test_batch_mates_can_fall_either_way(first, second, verdict):
    result = COMPANY.decide({"cases": {"planted, a": first, "pydocs, a": second}})
    assert result.verdict == verdict
    assert len(result.intervals) == 4


IDS = [[1], [2, 2], [3, 3], [4, 4], [5, 5, 5]]
OTHERS = [[9] * n for n in range(1, 20)]


@pytest.mark.parametrize("name", [ALONE, *COMPANIES])
def test_each_query_is_in_one_batch_and_stands_where_it_is_said(name):
    batches = list(companies(IDS, OTHERS, name, 4, seed=0))
    assert sorted(row for rows, _ in batches for row in rows) == list(range(len(IDS)))
    for rows, ids in batches:
        assert ids[: len(rows)] == [IDS[row] for row in rows]
        assert 1 <= len(ids) <= 4


def test_who_meets_whom_is_what_the_name_says():
    assert all(len(ids) == 1 for _, ids in companies(IDS, OTHERS, ALONE, 4, 0))
    assert all(ids == ids[:1] * 4 for _, ids in companies(IDS, OTHERS, COPIES, 4, 0))
    assert all(len({len(each) for each in ids}) == 1 for _, ids in companies(IDS, OTHERS, ALIKE, 4, 0))
    assert all(9 not in ids[0] + ids[-1] for _, ids in companies(IDS, OTHERS, QUERIES, 4, 0))
    assert all(ids[-1][0] == 9 for _, ids in companies(IDS, OTHERS, PASSAGES, 4, 0))


def test_other_seeds_meet_others():
    drawn = [list(companies(IDS, OTHERS, QUERIES, 2, seed)) for seed in range(5)]
    assert any(each != drawn[0] for each in drawn)
    assert list(companies(IDS, OTHERS, QUERIES, 2, 0)) == drawn[0]


# --- claim 61 --------------------------------------------------------------------------------

QUICK, SLOW = [0.5, 0.45, 0.55], [1.0, 0.95, 1.05]


def lever(ndcg=TIED, time=QUICK, size=1.0, saves="time"):
    return {METRIC: ndcg, "time": time, "bytes": size, "saves": saves}


def serving(*rows):
    case = {"levers": {f"lever {i}": row for i, row in enumerate(rows)}, "frontier": ["a point"]}
    return {"collections": {"planted": case, "pydocs": case}, "bytes of a vector": {"a point": 4, "another": 8}}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([lever(), lever(time=SLOW, size=0.5, saves="bytes")], "holds"),
        ([lever(), lever(ndcg=DOWN)], "depends"),
        ([lever(time=SLOW), lever(time=QUICK, saves="bytes")], "misleading"),  # quick, but no smaller
        ([lever(ndcg=WIDE), lever(ndcg=DOWN, size=0.5, saves="bytes")], "misleading"),
    ],
)
def test_the_levers_can_fall_either_way(rows, verdict):
    result = SERVING.decide(serving(*rows))
    assert result.verdict == verdict
    assert "nothing beats 1 of 2 points" in result.because
    assert len(result.intervals) == 2 * len(rows)


def test_a_lever_turns_one_thing():
    for each in levers((MINILM, BASE)):
        assert sum(a != b for a, b in zip(each.before, each.after, strict=True)) == 1
    assert len(levers((MINILM, BASE))) == 7
    assert {each.before.model for each in levers((BASE,))} == {BASE}


def test_a_ratio_of_times_is_that_of_each_session():
    before = np.array([1.0, 2.0, 4.0])  # the machine was slower and slower
    assert ratio(before / 2, before) == [0.5, 0.5, 0.5]
    value, low, high = ratio(np.array([0.4, 1.1, 2.2]), before)
    assert low < value < high


def test_a_point_is_beaten_by_what_is_nowhere_worse_and_somewhere_clearly_better():
    a, b = Point("a", TORCH, 1), Point("b", ONNX, 1)
    rows = {a: np.tile([0.5, 0.7], 50), b: np.tile([0.5, 0.7], 50)}
    times = {a: np.array([2.0, 2.1]), b: np.array([1.0, 1.05])}
    sizes = {a: 8, b: 8}
    assert beaten(a, b, times, sizes, rows)
    assert not beaten(b, a, times, sizes, rows)
    assert not beaten(a, b, times, {a: 8, b: 16}, rows)
    assert not beaten(a, b, times, sizes, {**rows, b: rows[b] - 0.1})
    alike = {a: times[a], b: times[a]}
    assert not beaten(a, b, alike, sizes, rows)  # nothing is clearly better
    assert beaten(a, b, alike, {a: 8, b: 4}, rows)


# --- claim 62 --------------------------------------------------------------------------------


CORRUPTED = [-0.2, -0.25, -0.15]  # by more than a twentieth


def change(lost=CORRUPTED, rings=1.0, false=0.05):
    return {
        "new in old minus new in new": lost, "rings": {"10": rings}, "false alarms": {"10": false}, "canaries needed": 1,
    }  # fmt: skip


def changes(*rows, **beside):
    each = dict(zip(CHANGES, rows * len(CHANGES), strict=False))
    return {"cases": {"planted, int8": each | {BESIDE[-1]: change(TIED, 0.05, **beside)}}, "canaries": 10}


@pytest.mark.parametrize(
    ("m", "verdict"),
    [
        (changes(change()), "holds"),
        (changes(change(), change(TIED)), "depends"),
        (changes(change(), change(rings=0.5)), "depends"),
        (changes(change(rings=0.5), change(TIED)), "misleading"),  # what corrupts is not found
        (changes(change(TIED)), "misleading"),
        (changes(change(), false=0.2), "not settled here"),
    ],
)
def test_a_silent_change_can_fall_either_way(m, verdict):
    result = CHANGE.decide(m)
    assert result.verdict == verdict
    assert len(result.intervals) == len(CHANGES)


def test_canaries_ring_for_a_hill_that_moved_and_seldom_for_one_that_did_not():
    rng = np.random.default_rng(0)
    quiet, moved = (mean + 0.001 * rng.standard_normal((40, 50)) for mean in (0.99, 0.98))
    false, rings = alarms(quiet, moved, n=10, days=500, seed=0)
    assert rings == 1.0
    assert false < 0.2
    assert alarms(quiet, quiet, n=10, days=500, seed=0)[1] < 0.2


def test_questions_of_the_day_ring_for_other_scores_and_for_other_people():
    rng = np.random.default_rng(0)
    scores = {name: mean + 0.1 * rng.standard_normal(300) for name, mean in (("quiet", 0.6), ("changed", 0.2), ("other questions", 0.3))}  # fmt: skip
    found = traffic(scores, n=50, days=100, seed=0)
    assert found["changed"] == 1.0
    assert found["other questions"] == 1.0
    assert found["quiet"] < 0.3


def test_the_fewest_are_those_from_which_on_it_is_always_found():
    assert least({1: 0.2, 2: 0.96, 5: 0.9, 10: 0.97, 20: 1.0}) == 10
    assert least({1: 0.2, 2: 0.3}) is None
