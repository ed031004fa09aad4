"""The rules of claims 54 to 57 can fall either way, and what they compare is what they say."""

import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims.chapter_11 import COLLECTIONS, world
from workbook.claims.chapter_19 import (
    CLAIMS,
    CLEAN,
    DOMAINS,
    LEAKED,
    OLD,
    RIVALS,
    SIZES,
    asked,
    halves,
    judged_from,
    leaked_pairs,
    pooled,
    turned,
)

LEAK, RANKING, ONE_METRIC, POOL = CLAIMS


def leak(*steps):
    row = {
        f"step {i}": {"true": true, "as tested": told, "as tested, honest": UP} for i, (true, told) in enumerate(steps)
    }
    return {
        c: {"steps up": row, "worst that read it minus best honest": {LEAKED: UP, CLEAN: DOWN}} for c in COLLECTIONS
    }


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
    assert "on clean queries -0.100" in result.because


def domains(first, second, third):
    return {
        "ahead": {name: {"a minus b": row} for name, row in zip(DOMAINS, (first, second, third), strict=True)},
        "tau": {f"{DOMAINS[i]} and {DOMAINS[j]}": 0.5 for i in range(3) for j in range(i + 1, 3)},
    }


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [((UP, DOWN, TIED), "depends"), ((UP, UP, TIED), "misleading"), ((UP, UP, DOWN), "depends")],
)
def test_the_ranking_can_fall_either_way(rows, verdict):
    result = RANKING.decide(domains(*rows))
    assert result.verdict == verdict
    assert "tau 0.50" in result.because


def test_three_domains_in_which_each_pair_turns_something_hold():
    rows = {"a": [UP, DOWN, TIED], "b": [UP, TIED, DOWN], "c": [TIED, UP, DOWN]}
    found = domains(UP, UP, UP) | {
        "ahead": {name: {pair: row[i] for pair, row in rows.items()} for i, name in enumerate(DOMAINS)}
    }
    assert RANKING.decide(found).verdict == "holds"
    assert turned({"a": UP, "b": TIED, "c": DOWN}, {"a": DOWN, "b": DOWN, "c": UP}) == ["a", "c"]


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [(DOWN, DOWN, "holds"), (DOWN, UP, "depends"), (TIED, UP, "misleading")]
)
def test_one_metric_can_fall_either_way(first, second, verdict):
    rows = {
        c: {"chosen by another": {"x": TIED, "y": row}} for c, row in zip(COLLECTIONS, (first, second), strict=True)
    }
    result = ONE_METRIC.decide(rows)
    assert result.verdict == verdict
    assert len(result.intervals) == 4


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [((DOWN, DOWN), "holds"), ((UP, UP), "misleading"), ((DOWN, TIED), "depends"), ((TIED, TIED), "not settled here")],
)
def test_the_pool_can_fall_either_way(rows, verdict):
    part = {
        "queries": 80,
        "lead": dict.fromkeys(RIVALS, DOWN),
        "lead minus true lead": dict(zip(RIVALS, rows, strict=True)),
    }
    truth = part | {"queries": 100, "lead": dict.fromkeys(RIVALS, UP)}
    result = POOL.decide({"pool 10": part, "truth": truth, "one label": part})
    assert result.verdict == verdict
    assert "20% of the queries" in result.because
    assert "turned by pool 10, one label" in result.because


# --- the experiments -------------------------------------------------------------------------


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_what_leaks_is_the_one_half_with_its_right_passages(collection):
    test = world(collection, "notebook").test
    parts = halves(test)
    assert sorted(parts[LEAKED] + parts[CLEAN]) == sorted(test.queries)
    assert abs(len(parts[LEAKED]) - len(parts[CLEAN])) <= 1
    leaked = {query for query, _ in leaked_pairs(collection, "notebook")}
    assert leaked
    assert not leaked & {test.queries[q] for q in parts[CLEAN]}


def test_each_domain_has_queries_enough_for_an_interval():
    assert all(len(asked(domain, "notebook").queries) >= 20 for domain in DOMAINS)


def test_a_pool_holds_the_first_hits_with_their_true_grades():
    run, truth = {"q": {"a": 0.1, "b": 0.9, "c": 0.5}}, {"q": {"a": 2, "c": 1}}
    assert judged_from(run, truth, 2) == {"q": {"b": 0, "c": 1}}


def test_a_deeper_pool_drops_no_more_queries_and_the_truth_drops_none():
    rows, depths = pooled(0, "notebook"), SIZES["notebook"].depths
    missing = [np.isnan(rows[f"pool {depth}: {OLD}"]).sum() for depth in depths]
    assert missing == sorted(missing, reverse=True)
    assert not np.isnan(rows[f"truth: {OLD}"]).any()
    for depth in depths:
        there = ~np.isnan(rows[f"pool {depth}: {OLD}"])
        assert (rows[f"pool {depth}: {OLD}"][there] > 0).all()  # its own pool holds a right hit of its first ten
