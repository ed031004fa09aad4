"""Bars of a headline result."""

import pytest

from workbook.figures.engine import described
from workbook.figures.results import bars


def test_each_bar_has_its_number_and_its_interval():
    fig = bars({"mean": 0.36, "CLS": 0.06}, "nDCG@10", {"mean": (0.33, 0.4)}, chance=0.001, bm25=0.5)
    (drawn,) = fig.data
    assert (list(drawn.y), list(drawn.x), drawn.orientation) == (["mean", "CLS"], [0.36, 0.06], "h")
    assert list(drawn.error_x.array) == pytest.approx([0.04, 0])
    assert list(drawn.error_x.arrayminus) == pytest.approx([0.03, 0])
    assert [note.text for note in fig.layout.annotations] == ["0.360", "0.060", "chance 0.001", "BM25 0.500"]
    assert [line.x0 for line in fig.layout.shapes] == [0.001, 0.5]
    assert fig.layout.xaxis.range[0] == 0
    assert fig.layout.xaxis.range[1] > 0.5
    assert "BM25 at 0.500" in described(fig).alt


def test_without_lines_and_intervals():
    fig = bars({"a": 0.0}, "Recall@10")
    assert fig.layout.shapes == ()
    assert "Vertical" not in described(fig).alt


@pytest.mark.parametrize("intervals", [{"b": (0, 1)}, {"a": (0.3, 0.4)}])
def test_an_interval_must_hold_its_value(intervals):
    with pytest.raises(ValueError, match="must hold its value"):
        bars({"a": 0.2}, "Recall@10", intervals)
