"""The figures of chapter 09: what must hold whatever numbers they are given."""

import numpy as np
import pytest

from workbook.figures.false_negatives import (
    BARS,
    Sifted,
    bar_of_one_query,
    dose_response,
    found_for_lost,
    recall_at,
    setting_that_loses,
    sieve,
    suspicion,
    wrong_bar,
)
from workbook.figures.stored import stored


def sifted(n=400, slope=0.2, seed=0):
    rng = np.random.default_rng(seed)
    positive = rng.uniform(0.4, 0.9, n)
    false = rng.random(n) < 0.1
    return Sifted(positive, 0.4 + slope * (positive - 0.65) + 0.05 * rng.normal(size=n) + 0.1 * false, false)


def test_the_bar_lies_a_share_below_the_positive_and_the_hidden_answer_is_the_diamond():
    for margin, at in ((0.0, 0.8), (0.05, 0.76), (0.2, 0.64)):
        fig = bar_of_one_query({"first": 0.79, "third": 0.75}, 0.8, "third", margin)
        area, line = fig.layout.shapes
        assert line.x0 == line.x1 == area.x0 == pytest.approx(at)
        assert [dots.marker.symbol for dots in fig.data] == ["square", "circle-open", "diamond"]
    wide = bar_of_one_query({"a": -0.2}, 0.1, "a", 0.05).layout.xaxis.range
    assert wide[0] < -0.2
    assert wide[1] > 0.1


@pytest.mark.parametrize("bar", BARS)
def test_each_bar_loses_what_it_may_and_finds_what_it_says(bar):
    data = sifted()
    for lost in (0.01, 0.1, 0.3):
        removed = suspicion(bar, data) > setting_that_loses(bar, data, lost)
        assert removed[~data.false].mean() == pytest.approx(lost, abs=0.01)
        assert recall_at(bar, data, lost) == removed[data.false].mean()
        said = f"{(removed & data.false).sum()} of {data.false.sum()} found, {(removed & ~data.false).sum()} of "
        assert said in sieve(data, bar, lost).layout.title.text


def test_the_bar_is_drawn_where_it_cuts():
    data = sifted()
    slopes = {}
    for bar in BARS:
        line = next(trace for trace in sieve(data, bar, 0.1).data if trace.line.dash == "dash" and trace.xaxis is None)
        slopes[bar] = (line.y[-1] - line.y[0]) / (line.x[-1] - line.x[0])
        above = data.score > np.interp(data.positive, line.x, line.y)
        np.testing.assert_array_equal(above, suspicion(bar, data) > setting_that_loses(bar, data, 0.1))
    assert slopes["threshold"] == 0
    assert slopes["absolute margin"] == pytest.approx(1, abs=1e-3)


def test_below_a_slope_of_one_half_the_threshold_finds_more_and_above_it_the_margin():
    flat, steep = sifted(20_000, slope=0.1), sifted(20_000, slope=0.9)
    assert recall_at("threshold", flat, 0.1) > recall_at("absolute margin", flat, 0.1)
    assert recall_at("threshold", steep, 0.1) < recall_at("absolute margin", steep, 0.1)


def test_the_dots_stay_while_the_bar_moves_and_all_states_fit_into_a_stored_figure():
    data = sifted(6_000)
    first, last = sieve(data, "threshold", 0.01), sieve(data, "relative margin", 0.3)
    dots = [[trace for trace in fig.data if trace.mode == "markers"] for fig in (first, last)]
    assert [list(d.x) for d in dots[0]] == [list(d.x) for d in dots[1]]
    assert first.layout.xaxis.range == last.layout.xaxis.range
    assert {d.marker.symbol for d in dots[0]} == {"circle-open", "diamond"}
    fig, kept = stored(
        lambda lost, bar: sieve(data, bar, lost), {"lost": [0.01, 0.02, 0.05, 0.1, 0.2, 0.3], "bar": list(BARS)}
    )
    assert kept == 18
    assert len(fig.layout.sliders[0].steps) == 18


def test_the_wrong_bar_crosses_the_positive_at_zero():
    itself, right, wrong = wrong_bar(0.1).data
    for x, p, r, w in zip(itself.x, itself.y, right.y, wrong.y, strict=True):
        assert x == p
        assert r <= p
        assert (w > p) == (p < 0)
        assert (w == r) == (p >= 0)


def test_a_curve_for_each_reader_and_bar_in_a_look_of_its_own():
    recall = {reader: {"threshold": [0.1, 0.3], "margin": [0.1, 0.2]} for reader in ("encoder", "guide")}
    fig = found_for_lost([0.01, 0.1], recall)
    assert len({(line.line.color, line.line.dash, line.marker.symbol) for line in fig.data}) == 4
    assert {line.line.dash for line in fig.data if "margin" in line.name} == {"dash"}


def test_a_dose_has_its_seeds_and_what_it_is_held_against():
    fig = dose_response({0.0: [0.7, 0.72], 1.0: [0.6, 0.62]}, "nDCG@10", [0.65, 0.67], (0.3, 0.69))
    line, mined = fig.data
    assert list(line.x) == [0.0, 1.0]
    assert list(line.y) == pytest.approx([0.71, 0.61])
    assert (mined.x[0], mined.y[0]) == (0.3, 0.69)
    assert fig.layout.shapes[0].y0 == pytest.approx(0.66)
    assert fig.layout.yaxis.range[0] < 0.6
