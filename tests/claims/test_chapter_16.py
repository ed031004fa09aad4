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
    better_of,
    compared,
    found,
    searched,
    weighted,
)
from workbook.claims.measuring import METRIC

(FUSION,) = CLAIMS


def cases(*rows):
    return {
        f"{collection}, base": {
            "better": {METRIC: DENSE},
            f"{METRIC} minus the better": {RANKS: row, "weighted sum": UP},
            f"{DEEP} minus the better": {RANKS: TIED},
        }
        for collection, row in zip(COLLECTIONS, rows, strict=True)
    }


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [((UP, UP, UP), "holds"), ((UP, TIED, DOWN), "depends"), ((TIED, DOWN, TIED), "misleading")],
)
def test_it_can_fall_either_way(rows, verdict):
    result = FUSION.decide({"cases": cases(*rows)})
    assert result.verdict == verdict
    assert len(result.intervals) == 3
    assert "over dense" in result.because


def test_the_better_is_named_for_each_metric_and_what_has_a_weight_stands_beside():
    dev = {KEYWORDS: np.array([[0.2, 0.4], [0.9, 0.9]]), DENSE: np.array([[0.5, 0.7], [0.1, 0.1]])}
    assert better_of(dev) == [DENSE, KEYWORDS]
    test = {
        name: np.array([[value] * 4, [value / 2] * 4])
        for name, value in {KEYWORDS: 0.2, DENSE: 0.5, RANKS: 0.6}.items()
    }
    row = compared(test | {weighted(0.3): test[KEYWORDS]}, [DENSE, KEYWORDS], 0.3)
    assert row[f"{METRIC} minus the better"] == {RANKS: [0.1, 0.1, 0.1], "weighted sum": [-0.3, -0.3, -0.3]}
    assert row[f"{DEEP} minus the better"][RANKS] == [0.2, 0.2, 0.2]


def test_a_sum_that_is_nearly_all_dense_is_nearly_the_dense_search():
    rows = found("planted", "base", "test", "notebook")
    docs = searched("planted", "test", "notebook")
    assert all(row.shape == (2, len(docs.queries)) for row in rows.values())
    assert abs(rows[weighted(0.9)][0].mean() - rows[DENSE][0].mean()) < 0.15
    assert rows[RANKS][0].mean() >= min(rows[DENSE][0].mean(), rows[KEYWORDS][0].mean())
