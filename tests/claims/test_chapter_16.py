"""The rule of claim 45 can fall either way, and what is fused is compared with the search that dev queries name."""

import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims.chapter_16 import (
    CLAIMS,
    COLLECTIONS,
    DEEP,
    DENSE,
    KEYWORDS,
    RANKS,
    SUM,
    best_weight,
    compared,
    found,
    searched,
    weighted,
)
from workbook.claims.measuring import METRIC
from workbook.data.seen import hashes
from workbook.encoder.shipped import seen_by

(FUSION,) = CLAIMS


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
