"""The figures of chapter 15 that show what a score says, by their data."""

import math

import numpy as np
import pytest

from tests.helpers.drawn import pieces, told_by, trace
from workbook.figures import logits as figures
from workbook.figures.plain import num_bytes, plain
from workbook.metrics import expected_calibration_error, reliability_curve


def written(fig):
    return [told_by(note) for note in fig.layout.annotations]


# A sigmoid twice


def test_the_numbers_of_the_text():
    fig = figures.sigmoid_twice([-5, 0, 5])
    assert list(trace(fig, "logit").x) == pytest.approx([1 / 12, 0.5, 11 / 12], abs=1e-3)
    assert list(trace(fig, "sigmoid once").x) == pytest.approx([0.007, 0.5, 0.993], abs=1e-3)
    assert list(trace(fig, "sigmoid twice").x) == pytest.approx([0.502, 0.622, 0.730], abs=1e-3)
    for number in ("−5", "0", "5", ".007", ".500", ".993", ".502", ".622", ".730"):
        assert number in written(fig)
    (sentence,) = [text for text in written(fig) if text.startswith("Through")]
    assert sentence == (
        "Through two sigmoids all lies between .500 and .731. Whatever the model says, the loss of a relevant passage is at least .313, which is −ln .731, "
        "and that of another .693."
    )
    assert figures.least_losses() == pytest.approx((math.log(1 + math.exp(-1)), math.log(2)))


def test_a_line_joins_the_three_places_of_a_pair():
    logits = [-2, 1, 4]
    fig = figures.sigmoid_twice(logits)
    lines = pieces(trace(fig, "pairs"))
    assert len(lines) == 3
    for pair, line in enumerate(lines):
        assert [y for _, y in line] == [0, 1, 2]
        assert [x for x, _ in line] == pytest.approx([trace(fig, name).x[pair] for name in ("logit", "sigmoid once", "sigmoid twice")])  # fmt: skip
    (band,) = fig.layout.shapes
    assert (band.x0, band.x1) == pytest.approx((0.5, 0.7311), abs=1e-4)


@pytest.mark.parametrize("logits", [[0], [3, 3, 3], [-900, 900], [0.001, 0.002], list(range(-6, 7))])
def test_one_pair_equal_ones_and_far_ones_are_drawn(logits):
    fig = figures.sigmoid_twice(logits)
    for name in ("logit", "sigmoid once", "sigmoid twice"):
        assert all(0 <= x <= 1 for x in trace(fig, name).x)
    shown = [(note.x, note.y, note.text, note.yshift) for note in fig.layout.annotations]
    assert len(shown) == len(set(shown))  # what is equal is written once


def test_numbers_of_neighbours_stand_in_lines_of_their_own():
    fig = figures.sigmoid_twice(list(range(-4, 5)))
    for row in (0, 2):
        at = [(note.x, note.yshift) for note in fig.layout.annotations if note.yref == "y" and note.y == row and note.xanchor == "center" and note.font.size != 12]  # fmt: skip
        for i, (x, line) in enumerate(at):
            assert all(abs(x - other) >= figures.ROOM - 1e-9 for other, same in at[i + 1 :] if same == line)


@pytest.mark.parametrize("logits", [[], [math.inf], [0, math.nan]])
def test_logits_are_finite(logits):
    with pytest.raises(ValueError, match="finite"):
        figures.sigmoid_twice(logits)


# Reliability


@pytest.fixture(scope="module")
def curves():
    generator = np.random.default_rng(0)
    true = 2 * generator.standard_normal(800) - 1
    labels = (generator.random(800) < 1 / (1 + np.exp(-true))).astype(float)
    return [(p, labels, reliability_curve(p, labels)) for p in (1 / (1 + np.exp(-3 * true)), 1 / (1 + np.exp(-true)))]


def test_points_are_the_curve_and_bars_its_counts(curves):
    (_, _, before), (_, _, after) = curves
    fig = figures.reliability(before, after)
    for name, (p, labels, curve) in zip(("before", "after"), curves, strict=True):
        error = expected_calibration_error(p, labels)
        assert figures.calibration_error(curve) == pytest.approx(error)
        line = trace(fig, f"{name}: expected calibration error {error:.3f}".replace(" 0.", " ."))
        assert list(line.x) == pytest.approx(curve.probabilities, abs=1e-4)
        assert list(line.y) == pytest.approx(curve.shares, abs=1e-4)
        bars = trace(fig, f"{name}, passages")
        assert list(bars.y) == curve.counts.tolist()
        assert sum(bars.y) == 800
        assert [math.floor(10 * x) for x in bars.x] == [min(9, math.ceil(10 * p) - 1) for p in curve.probabilities]
    assert fig.layout.yaxis2.range[0] == 0
    assert pieces(trace(fig, "diagonal")) == [[(0, 0), (1, 1)]]
    lines = [each for each in fig.data if "error" in each.name]
    assert len({each.line.dash for each in lines}) == len({each.marker.symbol for each in lines}) == 2


def test_whiskers_are_those_of_a_share():
    low, high = figures.share_interval([0.5, 0.0, 1.0, 0.5], [10, 10, 10, 1000])
    assert (low[0], high[0]) == pytest.approx((0.2366, 0.7634), abs=1e-3)  # Wilson's, 5 of 10
    assert (low[1], high[1]) == pytest.approx((0, 0.2775), abs=1e-3)
    assert (low[2], high[2]) == pytest.approx((0.7225, 1), abs=1e-3)
    assert high[3] - low[3] < 0.07


def test_a_bin_alone_and_the_ends_are_drawn():
    one, two = reliability_curve([0.0, 0.0], [0, 0]), reliability_curve([1.0, 1.0], [1, 0])
    fig = figures.reliability(one, two, names=("a", "b"))
    assert trace(fig, "a, passages").x[0] < 0.1
    assert 0.9 < trace(fig, "b, passages").x[0] < 1
    assert [each.name for each in fig.data if "error" in each.name] == ["a: expected calibration error .000", "b: expected calibration error .500"]  # fmt: skip
    with pytest.raises(ValueError, match="two names"):
        figures.reliability(one, two, names=("a", "a"))


def test_every_figure_brings_its_words(curves):
    for fig in (
        figures.sigmoid_twice([-5, 0, 5]),
        figures.reliability(curves[0][2], curves[1][2]),
    ):
        assert len(fig.layout.meta["alt"]) > 100
        assert len(fig.layout.meta["notice"]) > 100
        assert 0 < len(fig.layout.title.text) < 40
        assert num_bytes(plain(fig)) < 28_000
