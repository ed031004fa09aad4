"""The figures of chapter 15 that show two texts read together, by their data."""

import math

import pytest

from tests.helpers.drawn import pieces, told_by, trace
from workbook.figures import cross_encoders as figures
from workbook.figures.plain import num_bytes, plain
from workbook.figures.stored import stored

QUERY, PASSAGE = ["q"] * 8, ["p"] * 64
POINTS = {walled: (value, value - 0.03, value + 0.03) for walled, value in enumerate([0.7, 0.69, 0.68, 0.66, 0.62, 0.58, 0.5])}  # fmt: skip


def told(fig):
    return next(told_by(note) for note in fig.layout.annotations if note.text.startswith("Wall"))


# Work


def test_the_work_of_the_text():
    pair = figures.work_behind_a_wall(8, 64, 1, 0, 6, 384)
    hundred = figures.work_behind_a_wall(8, 64, 100, 0, 6, 384)
    query = figures.work_behind_a_wall(8, 64, 100, 6, 6, 384)
    assert [round(n / 1e6) for n in (pair, query)] == [788, 85]
    assert round(hundred / 1e9, 1) == 78.8
    assert round(hundred / query) == 925
    half = figures.work_behind_a_wall(8, 64, 100, 3, 6, 384)
    assert half == query / 2 + hundred / 2
    every = [figures.work_behind_a_wall(8, 64, 100, walled, 6, 384) for walled in range(7)]
    assert every == sorted(every, reverse=True)
    assert figures.work_behind_a_wall(8, 64, 0, 2, 6, 384) == query / 3  # nothing to score: the query alone
    assert figures.work_behind_a_wall(8, 64, 1, 0, 6, 384, 384) < pair


def test_what_is_stored_of_a_passage():
    assert [figures.stored_behind_a_wall(64, walled, 6, 384) for walled in (0, 1, 5, 6)] == [0, 49_152, 49_152, 768]
    assert figures.stored_behind_a_wall(64, 1, 1, 384) == 768


@pytest.mark.parametrize(("walled", "layers"), [(-1, 6), (7, 6), (0, 0)])
def test_a_wall_stands_in_the_layers(walled, layers):
    with pytest.raises(ValueError, match=r"walled|num_layers"):
        figures.work_behind_a_wall(8, 64, 100, walled, layers, 384)
    with pytest.raises(ValueError, match=r"walled|num_layers"):
        figures.wall(QUERY, PASSAGE, walled, layers, {})


@pytest.mark.parametrize(("number", "text"), [(85_229_568, "85.2 M"), (78.84e9, "78.8 G"), (999, "999"), (12_000, "12 k"), (2e12, "2 T")])  # fmt: skip
def test_amounts_have_three_digits(number, text):
    assert figures._amount(number) == text


# The wall


@pytest.mark.parametrize("walled", [0, 3, 6])
def test_a_wall_closes_the_parts_across_in_the_first_layers(walled):
    fig = figures.wall(QUERY, PASSAGE, walled, 6, POINTS)
    assert [len(pieces(trace(fig, name))) for name in ("within a text", "across")] == [12, 12]
    bricked = [box for box in pieces(trace(fig, "wall")) if not math.isnan(box[0][0])]
    assert len(bricked) == 2 * walled
    assert bricked == pieces(trace(fig, "across"))[: 2 * walled]
    assert [trace(fig, f"bricks {layer}").visible for layer in range(1, 7)] == [
        layer <= walled for layer in range(1, 7)
    ]
    assert [note.text for note in fig.layout.annotations if note.text.startswith("layer")] == [f"layer {i}" for i in range(1, 7)]  # fmt: skip
    assert fig.layout.title.text == f"a wall through {walled} of 6 layers"


def test_areas_are_pairs_of_tokens():
    fig = figures.wall(QUERY, PASSAGE, 0, 6, POINTS)

    def area(box):
        (left, top), (right, _), (_, bottom), *_ = box
        return (right - left) * (bottom - top)

    own, across = ([area(box) for box in pieces(trace(fig, name))[:2]] for name in ("within a text", "across"))
    assert own == pytest.approx([64 / 72**2, 64**2 / 72**2], abs=2e-3)
    assert across == pytest.approx([8 * 64 / 72**2] * 2, abs=2e-3)


def test_bricks_stay_in_their_wall_and_joints_are_staggered():
    joints = figures._mortar(0.2, 0.1, 1.0, 0.5)
    assert all(0.2 <= x <= 1 and 0.1 - 1e-9 <= y <= 0.5 for joint in joints for x, y in joint)
    standing = [joint for joint in joints if joint[0][0] == joint[1][0]]
    lowest = {x for (x, low), _ in standing if low == 0.5}
    next_row = {round(x, 6) for (x, low), _ in standing if abs(low - (0.5 - 1 / figures.COURSES)) < 1e-9}
    assert lowest
    assert next_row
    assert not {round(x, 6) for x in lowest} & next_row
    assert figures._mortar(0, 0, 0.01, 0.01) == []  # too small for a brick


def test_both_curves_have_all_settings_and_the_same_cursor():
    fig = figures.wall(QUERY, PASSAGE, 2, 6, POINTS)
    work = [figures.work_behind_a_wall(8, 64, 100, walled, 6, 384) for walled in range(7)]
    assert list(trace(fig, "multiply-adds").y) == work
    assert list(trace(fig, "multiply-adds").x) == list(trace(fig, "nDCG@10").x) == list(range(7))
    assert list(trace(fig, "nDCG@10").y) == [value for value, _, _ in POINTS.values()]
    assert list(trace(fig, "nDCG@10").error_y.array) == pytest.approx([0.03] * 7)
    for name, value in (("multiply-adds", work[2]), ("nDCG@10", 0.68)):
        now = trace(fig, f"{name} now")
        assert (list(now.x), list(now.y)) == ([2], [value])
    (line,) = fig.layout.shapes
    assert line.x0 == line.x1 == 2
    assert fig.layout.yaxis2.type == "log"
    low, high = fig.layout.yaxis2.range
    assert low < math.log10(work[-1]) < math.log10(work[0]) < high
    assert list(fig.layout.yaxis2.ticktext) == ["85.2 M", "13.2 G", "78.8 G"]


def test_the_sentence_counts_work_gain_and_bytes():
    assert told(figures.wall(QUERY, PASSAGE, 3, 6, POINTS)) == (
        "Wall through 3 of 6: 39.5 G multiply-adds, 50 % of the work; nDCG@10 .660, 80 % of the gain; 49 kB stored for a passage of 64. "
        "(q: 8 query tokens, p: 64 passage tokens.)"
    )  # fmt: skip
    assert "100 % of the work; nDCG@10 .700, 100 % of the gain; 0 bytes" in told(
        figures.wall(QUERY, PASSAGE, 0, 6, POINTS)
    )
    assert "0.11 % of the work; nDCG@10 .500, 0 % of the gain; 0.77 kB" in told(
        figures.wall(QUERY, PASSAGE, 6, 6, POINTS)
    )


def test_the_sentence_says_what_is_tied_lost_or_not_measured():
    tied = {0: (0.6, 0.5, 0.7), 2: (0.55, 0.5, 0.6)}
    assert "are tied" in told(figures.wall(QUERY, PASSAGE, 0, 2, tied))
    assert "was not measured here" in told(figures.wall(QUERY, PASSAGE, 1, 2, tied))
    worse = {0: (0.3, 0.2, 0.4), 2: (0.6, 0.5, 0.7)}
    assert "gains nothing" in told(figures.wall(QUERY, PASSAGE, 0, 2, worse))
    assert "nDCG@10 .300;" in told(figures.wall(QUERY, PASSAGE, 0, 2, {0: worse[0]}))  # the other end is missing


def test_one_layer_one_token_and_nothing_measured_are_drawn():
    fig = figures.wall(["a"], ["b"], 1, 1, {})
    assert list(trace(fig, "nDCG@10").x) == []
    assert list(trace(fig, "nDCG@10 now").y) == [None]
    assert list(fig.layout.yaxis3.range) == [0, 1]
    assert len([box for box in pieces(trace(fig, "wall")) if not math.isnan(box[0][0])]) == 2
    single = figures.wall(["a"], ["b"], 0, 1, {0: (0.5, 0.5, 0.5)})
    low, high = single.layout.yaxis3.range
    assert low <= 0.5 < high


def test_twelve_layers_stand_in_two_lines():
    fig = figures.wall(QUERY, PASSAGE, 12, 12, {})
    corners = {box[0] for box in pieces(trace(fig, "within a text"))[::2]}
    assert len({y for _, y in corners}) == 2
    assert len(corners) == 12


def test_the_stored_wall_is_small_and_nothing_moves_but_the_wall():
    fig, kept = stored(lambda walled: figures.wall(QUERY, PASSAGE, walled, 6, POINTS), {"walled": list(range(7))}, play=True)  # fmt: skip
    assert kept == 7
    assert num_bytes(plain(fig)) < 60_000
    drawn = [figures.wall(QUERY, PASSAGE, walled, 6, POINTS) for walled in range(7)]
    assert num_bytes(plain(drawn[6])) < 28_000
    assert len({fig.layout.height for fig in drawn}) == len({fig.layout.yaxis2.domain for fig in drawn}) == 1
    assert len({fig.layout.meta["alt"] for fig in drawn}) == 1


# Cells


def test_twelve_of_twenty_five_cells_lie_across():
    fig = figures.cells_across(["heart", "attack"], ["myo", "cardial", "infarction"])
    (grid,) = fig.data
    assert [list(row) for row in grid.text] == [
        ["", "", "1", "2", "3"], ["", "", "4", "5", "6"], ["7", "8", "", "", ""], ["9", "10", "", "", ""], ["11", "12", "", "", ""],
    ]  # fmt: skip
    assert [list(row) for row in grid.z] == [[0, 0, 1, 1, 1]] * 2 + [[1, 1, 0, 0, 0]] * 3
    (note,) = fig.layout.annotations
    assert told_by(note) == "25 cells: 4 within the query, 9 within the passage, 12 across."
    boxes = [(box.x0, box.x1, box.y0, box.y1) for box in fig.layout.shapes]
    assert boxes == [(1.5, 4.5, -0.5, 1.5), (-0.5, 1.5, 1.5, 4.5)]


def test_tokens_may_stand_twice_and_a_text_has_one_at_least():
    fig = figures.cells_across(["a"], ["a", "a"])
    assert list(fig.layout.xaxis.ticktext) == ["a", "a", "a"]
    assert told_by(fig.layout.annotations[0]) == "9 cells: 1 within the query, 4 within the passage, 4 across."
    with pytest.raises(ValueError, match="passage"):
        figures.cells_across(["a"], [])


def test_every_figure_brings_its_words_and_no_outcome():
    for fig in (figures.wall(QUERY, PASSAGE, 3, 6, POINTS), figures.cells_across(["a"], ["b"])):
        assert len(fig.layout.meta["alt"]) > 100
        assert len(fig.layout.meta["notice"]) > 100
        assert 0 < len(fig.layout.title.text) < 40
        assert "% of" not in fig.layout.meta["alt"]
