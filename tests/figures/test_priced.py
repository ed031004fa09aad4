"""Quality over price, by its data."""

import math

import pytest

from workbook.figures import priced as figures
from workbook.figures.plain import num_bytes, plain
from workbook.figures.priced import Priced

SYSTEMS = {
    "reader": Priced(7.5, 0.7, 0.65, 0.75, "cross-encoder"),
    "BM25": Priced(0.002, 0.5, 0.45, 0.55, "BM25"),
    "its twin": Priced(7.5, 0.7, 0.65, 0.75, "cross-encoder"),
    "vectors": Priced(0.01, 0.52, 0.5, 0.6, "dense"),
}


def test_points_are_numbered_from_cheap_to_dear():
    fig = figures.quality_and_price(SYSTEMS, title="planted")
    assert [each.name for each in fig.data] == ["1 · BM25", "2 · vectors", "3 · reader", "4 · its twin"]
    assert [each.text[0] for each in fig.data] == ["<b>1</b>", "<b>2</b>", "<b>3</b>", "<b>4</b>"]
    assert [(each.x[0], each.y[0]) for each in fig.data] == [(0.002, 0.5), (0.01, 0.52), (7.5, 0.7), (7.5, 0.7)]
    assert (fig.data[1].error_y.array[0], fig.data[1].error_y.arrayminus[0]) == pytest.approx((0.08, 0.02))
    assert fig.data[2].textposition != fig.data[3].textposition  # both numbers can be read
    assert list(fig.layout.xaxis.tickvals) == [0.002, 0.01, 7.5]
    assert list(fig.layout.yaxis.range) == [0.4, 0.8]
    assert len({each.marker.symbol for each in fig.data}) == 3
    left, right = fig.layout.xaxis.range
    assert left < math.log10(0.002) < math.log10(7.5) < right


def test_one_system_and_a_long_name():
    name = "a cross-encoder of six layers that was trained on MS MARCO"
    fig = figures.quality_and_price(
        {name: Priced(1, 0.5, 0.5, 0.5, "late interaction")}, "seconds per million passages"
    )
    assert fig.data[0].name.replace("<br>", " ") == f"1 · {name}"
    assert fig.layout.xaxis.title.text == "seconds per million passages"
    low, high = fig.layout.yaxis.range
    assert low <= 0.5 < high


@pytest.mark.parametrize("wrong", [Priced(0, 0.5, 0.5, 0.5, "dense"), Priced(1, 0.5, 0.5, 0.5, "magic")])
def test_a_system_has_a_price_and_a_kind(wrong):
    with pytest.raises(ValueError, match="'b' has not"):
        figures.quality_and_price({"a": SYSTEMS["BM25"], "b": wrong})


def test_numbers_keep_away_from_marks():
    assert figures._free_sides([(0, 0)]) == ["middle right"]
    assert figures._free_sides([(0, 0), (16, 0)])[0] == "middle left"
    assert len(set(figures._free_sides([(5, 5)] * 6))) == 6
    assert figures._free_sides([(5, 5)] * 9)[-1] == "middle right"  # no side is left
    assert figures._free_sides([]) == []


def test_the_figure_brings_its_words():
    fig = figures.quality_and_price(SYSTEMS, title="planted")
    assert len(fig.layout.meta["alt"]) > 100
    assert len(fig.layout.meta["notice"]) > 100
    assert num_bytes(plain(fig)) < 28_000
