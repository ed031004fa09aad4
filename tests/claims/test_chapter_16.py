"""The rules of claims 44 to 46 can fall either way, and what is compared is what they say."""

import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_16
from workbook.claims.chapter_16 import (
    CLAIMS,
    COLLECTIONS,
    DEEP,
    DENSE,
    KEYWORDS,
    RANKS,
    READ,
    READINGS,
    SUM,
    at_depths,
    best_weight,
    by_vectors_alone,
    compared,
    depths_of,
    found,
    read_all,
    searched,
    weighted,
    whole,
)
from workbook.claims.measuring import METRIC, of_run
from workbook.data.seen import hashes
from workbook.encoder.shipped import seen_by

FIT, FUSION, DEPTH = CLAIMS


def case(over_keywords, over_dense):
    minus = {RANKS: {KEYWORDS: over_keywords, DENSE: over_dense}, SUM: {KEYWORDS: UP, DENSE: UP}}
    return {"weight": 0.5, METRIC: {KEYWORDS: 0.5, DENSE: 0.6}, f"{METRIC} minus": minus, f"{DEEP} minus": minus}


def cases(*rows):
    return {f"{collection}, base": case(*row) for collection, row in zip(COLLECTIONS, rows, strict=True)}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (((UP, UP), (UP, UP), (UP, UP)), "holds"),
        (((UP, UP), (UP, TIED), (UP, DOWN)), "depends"),
        (((UP, TIED), (UP, DOWN), (TIED, TIED)), "misleading"),
        (((UP, TIED), (TIED, UP), (TIED, TIED)), "not settled here"),
    ],
)
def test_it_can_fall_either_way(rows, verdict):
    result = FUSION.decide({"cases": cases(*rows)})
    assert result.verdict == verdict
    assert len(result.intervals) == 6
    assert "BM25 0.500, dense 0.600" in result.because


def test_a_fusion_is_compared_with_each_search_by_itself():
    rows = {
        name: np.array([[value] * 4, [value / 2] * 4])
        for name, value in {KEYWORDS: 0.2, DENSE: 0.5, RANKS: 0.6}.items()
    }
    row = compared(rows | {weighted(0.3): rows[KEYWORDS]}, 0.3)
    assert row[f"{METRIC} minus"][RANKS] == {KEYWORDS: [0.4, 0.4, 0.4], DENSE: [0.1, 0.1, 0.1]}
    assert row[f"{METRIC} minus"][SUM][DENSE] == [-0.3, -0.3, -0.3]
    assert row[f"{DEEP} minus"][RANKS][KEYWORDS] == [0.2, 0.2, 0.2]


def test_dev_queries_choose_the_weight():
    rows = {
        weighted(weight): np.array([[0.1 * (weight == 0.7)], [0.0]])
        for weight in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    }
    assert best_weight(rows) == 0.7


def test_a_sum_that_is_nearly_all_dense_is_nearly_the_dense_search():
    rows = found("planted", "base", "test", "notebook")
    docs = searched("planted", "test", "notebook")
    assert all(row.shape == (2, len(docs.queries)) for row in rows.values())
    assert abs(rows[weighted(0.9)][0].mean() - rows[DENSE][0].mean()) < 0.15
    assert rows[RANKS][0].mean() >= min(rows[DENSE][0].mean(), rows[KEYWORDS][0].mean())


def test_no_passage_that_base_has_read_is_searched_but_for_right_ones():
    docs = searched("pydocs", "test", "notebook")
    right = {p for judged in docs.qrels.values() for p in judged}
    others = [text for p, text in docs.corpus.items() if p not in right]
    assert len(others) > 100
    assert not np.isin(hashes(others), seen_by("base")).any()


def budget_case(row):
    return {
        "seconds": 0.01,
        "depth": 10,
        "means": {DENSE: 0.4, "some": 0.5, "all": 0.6},
        "minus all": DOWN,
        "minus what it must keep": row,
    }


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [((UP, UP), "holds"), ((UP, DOWN), "depends"), ((DOWN, DOWN), "misleading"), ((TIED, DOWN), "not settled here")],
)
def test_what_a_budget_keeps_can_fall_either_way(rows, verdict):
    cases = dict(zip(READ, map(budget_case, rows), strict=True))
    result = FIT.decide({"cases": cases, "passages": 1_000})
    assert result.verdict == verdict
    assert "10.0 ms a pair, so 10 passages; encoder 0.400, these read 0.500, all 1,000 read 0.600" in result.because


def depth_case(deeper, every):
    return {"best": 50, "curve": [0.1, 0.5, 0.6, 0.4], "minus shallow": deeper, "all minus best": every}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (((UP, DOWN), (UP, DOWN)), "holds"),
        (((UP, DOWN), (UP, TIED)), "depends"),
        (((UP, TIED), (UP, TIED)), "not settled here"),
        (((DOWN, DOWN), (UP, UP)), "misleading"),
    ],
)
def test_how_deep_can_fall_either_way(rows, verdict):
    cases = {name: depth_case(*row) for name, row in zip(READ, rows, strict=True)}
    result = DEPTH.decide({"cases": cases, "depths": [1, 10, 50, 1_000], "shallow": 10})
    assert result.verdict == verdict
    assert "best by dev queries 50 (10: 0.500, 50: 0.600, all 1,000: 0.400)" in result.because


def test_depths_go_from_one_to_all():
    assert depths_of("record") == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]
    assert depths_of("notebook")[-1] == READINGS["notebook"].passages


class Upside:
    """Reads the first passage of a corpus as the best one, whatever is asked."""

    def predict(self, pairs):
        return -np.arange(len(pairs), dtype=float)


def test_what_is_read_is_the_encoders_first(monkeypatch):
    """At depth one nothing is reordered; over all only the reader counts, and it likes the corpus' own order."""
    monkeypatch.setattr(chapter_16, "load_cross_encoder", Upside)
    docs = whole("planted", "test", "notebook")
    every = READINGS["notebook"].passages
    first, all_read = at_depths("planted", "test", [1, every], "notebook")
    alone = of_run(
        {
            q: dict(sorted(run.items(), key=lambda item: -item[1])[:1])
            for q, run in by_vectors_alone("planted", "notebook").items()
        },
        docs,
    )
    np.testing.assert_allclose(first, alone)
    in_order = {q: {p: -float(row) for row, p in enumerate(docs.corpus)} for q in docs.queries}
    np.testing.assert_allclose(all_read, of_run(in_order, docs))
    read_all.cache_clear()


def test_a_budget_of_time_becomes_a_depth(monkeypatch):
    monkeypatch.setattr(chapter_16, "load_cross_encoder", Upside)
    monkeypatch.setattr(chapter_16, "seconds_of_a_pair", lambda *_: [0.03, 0.02, 0.5])
    found = chapter_16.measure_budget("notebook", ())["cases"]["planted"]
    read_all.cache_clear()
    assert found["depth"] == 3
