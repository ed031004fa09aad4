"""The rules of claims 54 to 57 can fall either way, and what they compare is what they say."""

import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims.chapter_11 import COLLECTIONS, world
from workbook.claims.chapter_19 import (
    BY_OTHERS,
    BY_RIVAL,
    CLAIMS,
    DOMAINS,
    OLD,
    RIVALS,
    SIZES,
    apart,
    as_judged,
    asked,
    family,
    first_hits,
    halves,
    leaked_pairs,
    pooled,
    turned,
)
from workbook.claims.measuring import METRIC, collection_named
from workbook.metrics import evaluate

LEAK, RANKING, ONE_METRIC, POOL = CLAIMS


def leak(*steps):
    row = {
        f"step {i}": {"honest": honest, "leaked": leaked, "leaked minus honest": DOWN}
        for i, (honest, leaked) in enumerate(steps)
    }
    return {c: {"steps up": row, "worst that read it minus best honest": {"1": UP}} for c in COLLECTIONS}


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([(UP, TIED), (UP, DOWN)], "holds"),
        ([(UP, UP), (UP, TIED)], "depends"),
        ([(UP, UP), (TIED, DOWN)], "misleading"),  # what is no true step is not asked for
        ([(TIED, UP), (DOWN, UP)], "not settled here"),
    ],
)
def test_the_leak_can_fall_either_way(steps, verdict):
    result = LEAK.decide(leak(*steps))
    assert result.verdict == verdict
    assert "read the test 1 times" in result.because


def domains(first, second, third, by_chance=0):
    ahead = {name: {"a minus b": row} for name, row in zip(DOMAINS, (first, second, third), strict=True)}
    return {
        "ahead": ahead,
        METRIC: {domain: {"a": 0.5, "b": 0.4} for domain in DOMAINS},
        "tau": {f"{DOMAINS[i]} and {DOMAINS[j]}": 0.5 for i in range(3) for j in range(i + 1, 3)},
        "two halves": {domain: {"tau": 0.9, "turned": by_chance} for domain in DOMAINS},
    }


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (domains(UP, DOWN, TIED), "depends"),
        (domains(UP, UP, TIED), "misleading"),
        (domains(UP, UP, DOWN), "depends"),
        (domains(UP, UP, DOWN, by_chance=1), "not settled here"),
    ],
)
def test_the_ranking_can_fall_either_way(found, verdict):
    result = RANKING.decide(found)
    assert result.verdict == verdict
    assert "tau 0.50" in result.because
    assert "first: a in planted" in result.because


def test_three_domains_in_which_each_pair_turns_something_hold():
    rows = {"a": [UP, DOWN, TIED], "b": [UP, TIED, DOWN], "c": [TIED, UP, DOWN]}
    found = domains(UP, UP, UP) | {
        "ahead": {name: {pair: row[i] for pair, row in rows.items()} for i, name in enumerate(DOMAINS)}
    }
    assert RANKING.decide(found).verdict == "holds"
    assert turned({"a": UP, "b": TIED, "c": DOWN}, {"a": DOWN, "b": DOWN, "c": UP}) == ["a", "c"]


def trades(*rows):
    made = {f"x{i}": {"gain": gain, "cost": cost} for i, (gain, cost) in enumerate(rows)}
    return {"trades": made}


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (trades((UP, DOWN)), trades((TIED, DOWN)), "holds"),
        (trades((UP, DOWN)), trades((DOWN, DOWN)), "depends"),  # a choice that is worse in both was a bad one
        (trades((TIED, TIED)), trades((DOWN, TIED)), "misleading"),
        (trades((TIED, [0.0, -0.02, 0.02])), trades((UP, TIED)), "not settled here"),
    ],
)
def test_one_metric_can_fall_either_way(first, second, verdict):
    result = ONE_METRIC.decide(dict(zip(COLLECTIONS, (first, second), strict=True)))
    assert result.verdict == verdict
    assert len(result.intervals) == 2


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((UP, UP, UP, UP), "holds"),
        ((TIED, TIED, TIED, TIED), "misleading"),
        ((UP, UP, TIED, TIED), "depends"),
        (([0.02, 0.01, 0.03],) * 4, "not settled here"),
    ],
)
def test_the_pool_can_fall_either_way(rows, verdict):
    names = [f"{new}, {told}, 10" for new in RIVALS for told in (BY_RIVAL, BY_OTHERS)]
    found = {
        "queries": 800, "taken away": dict(zip(names, rows, strict=True)) | {f"{RIVALS[0]}, {BY_RIVAL}, 3": UP},
        "true lead": dict.fromkeys(RIVALS, UP), "lead": dict.fromkeys(names[:1], DOWN) | dict.fromkeys(names[1:], UP),
    }  # fmt: skip
    result = POOL.decide(found)
    assert result.verdict == verdict
    assert len(result.intervals) == 4
    assert f"turned by {names[0]}" in result.because


# --- the experiments -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "family_of"), [("planted", family), ("pydocs", None)])
def test_the_halves_share_no_right_passage_and_each_query_stands_in_one(name, family_of):
    docs = collection_named(name, 2_000).split("test")
    parts = apart(docs, family_of)
    assert sorted(parts[0] | parts[1]) == sorted(docs.queries)
    assert not parts[0] & parts[1]
    assert min(map(len, parts)) > len(docs.queries) // 3
    right = [{p for q in part for p in docs.qrels[q]} for part in parts]
    assert not right[0] & right[1]
    if family_of:
        assert not {family_of(q) for q in parts[0]} & {family_of(q) for q in parts[1]}


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_what_leaks_is_a_half_with_its_right_passages(collection):
    test, parts = world(collection, "notebook").test, halves(collection, "notebook")
    for half, part in enumerate(parts):
        assert {query for query, _ in leaked_pairs(collection, half, "notebook")} == {test.queries[q] for q in part}


def test_each_domain_has_queries_enough_for_an_interval():
    assert all(len(asked(domain, "notebook").queries) >= 20 for domain in DOMAINS)


def test_what_nobody_judged_keeps_its_place_and_brings_nothing():
    run, truth = {"q": {"a": 0.9, "b": 0.5, "c": 0.1}}, {"q": {"a": 1, "c": 1}}
    assert first_hits([run, {"q": {"c": 1.0}}], 1) == {"q": {"a", "c"}}
    judged = as_judged(run, {"q": {"b", "c"}})
    assert list(judged["q"].values()) == [0.9, 0.5, 0.1]
    alone = evaluate({"q": {"c": 1, "d": 1}}, run, (METRIC,))[METRIC]  # c at rank 3, and two right ones in all
    assert evaluate(truth, judged, (METRIC,))[METRIC] == pytest.approx(alone)


def test_who_reorders_what_was_judged_loses_nothing():
    run, truth = {"q": {"a": 0.9, "b": 0.5}}, {"q": {"b": 1, "z": 1}}
    turned_round = {"q": {"a": 0.1, "b": 0.5}}
    pool = first_hits([run], 2)
    assert as_judged(turned_round, pool) == turned_round
    assert evaluate(truth, as_judged(run, pool), (METRIC,)) == evaluate(truth, run, (METRIC,))


def test_a_deeper_pool_takes_less_away_and_nothing_from_who_was_judged():
    rows, depths = pooled(0, "notebook"), SIZES["notebook"].depths
    for new in RIVALS:
        assert np.array_equal(rows[f"{BY_RIVAL}, 10: {OLD} for {new}"], rows[f"truth: {OLD}"])
        lost = [(rows[f"truth: {new}"] - rows[f"{BY_RIVAL}, {depth}: {new} for {new}"]).mean() for depth in depths]
        assert lost == sorted(lost, reverse=True)
        assert lost[-1] > 0
