"""The signature of chapter 16, by its data."""

import math

import pytest

from tests.helpers.drawn import pieces, told_by, trace
from workbook.figures import time_budget as figures
from workbook.figures.depths import Curves, own_list
from workbook.figures.plain import num_bytes, plain
from workbook.figures.stored import stored
from workbook.figures.time_budget import Stages

DEPTHS = [1, 2, 5, 10, 20, 50, 100, 200]
CURVES = Curves(
    DEPTHS, [0.3, 0.4, 0.5, 0.569, 0.65, 0.75, 0.827, 0.9], [0.3, 0.37, 0.45, 0.494, 0.55, 0.6, 0.633, 0.58], [0.3, 0.35, 0.38, *[0.4] * 5],
)  # fmt: skip
STAGES = Stages({"keywords": 2, "dense": 8}, 5)
FOUND = {f"p{i}": -float(i) for i in range(1, 61)}
READ = {p: (1.0 if p == "p41" else -i % 7 / 10) for i, p in enumerate(FOUND)}
OWN = own_list("where is it?", FOUND, READ, {"p41": 1}, {p: f"passage number {p}" for p in FOUND})


def draw(depth, stages=STAGES, curves=CURVES, own=OWN):
    return figures.budget(depth, stages, curves, own)


def sentences(fig):
    return [told_by(note) for note in fig.layout.annotations if note.text.startswith(("Depth", "“"))]


# The bar


def test_stages_stand_one_after_another():
    parts, fits = figures.spent(STAGES, 10)
    assert parts == [("keywords", 0, 2), ("dense", 2, 10), ("pairs", 10, 60)]
    assert fits == 20
    assert figures.spent(Stages({"slow": 200}, 5), 10)[1] == 0
    assert figures.spent(Stages({}, 0.1, 0.3), 1)[1] == 3  # not 2: floats
    with pytest.raises(ValueError, match="milliseconds"):
        figures.spent(Stages({}, 0), 1)


@pytest.mark.parametrize(
    ("depth", "stages", "lengths"),
    [
        (10, STAGES, [2, 8, 50, 0]),
        (20, STAGES, [2, 8, 100, 0]),
        (50, STAGES, [2, 8, 100, 110]),  # at most to twice the limit, where the axis has ended
        (1, Stages({"keywords": 2, "dense": 120}, 5), [2, 108, 0, 17]),
        (1, Stages({}, 1), [1, 0]),
    ],
)
def test_what_does_not_fit_lies_beyond_the_limit(depth, stages, lengths):
    fig = draw(depth, stages)
    bars = [each for each in fig.data if each.type == "bar"]
    assert [each.name for each in bars] == [*stages.before, "pairs", "too much"]
    assert [each.x[0] for each in bars] == lengths
    assert list(fig.layout.xaxis.range) == [0, 165]
    assert list(fig.layout.xaxis.ticktext) == ["0", "110 ms"]
    assert len({(each.marker.color, each.marker.pattern.shape) for each in bars}) == len(bars)


def test_the_sentence_comes_from_the_data():
    first, _ = sentences(draw(10))
    assert first == "Depth 10: .494 under a ceiling of .569. 60 of 110 ms: keywords 2, dense 8, 10 pairs 50."
    late, _ = sentences(draw(100))
    assert late == (
        "Depth 100: .633 under a ceiling of .827. 510 of 110 ms: keywords 2, dense 8, 100 pairs 500. That is 400 ms too much; 20 pairs would fit."
    )
    assert "1 pair 0.4." in sentences(draw(1, Stages({}, 0.4)))[0]


# The curves


def test_three_curves_and_a_cursor_on_each():
    fig = draw(20)
    for name, values in zip(("ceiling", "reranked", "first stage"), CURVES[1:], strict=True):
        assert list(trace(fig, name).x) == DEPTHS
        assert list(trace(fig, name).y) == list(values)
    now = trace(fig, "now")
    assert (list(now.x), list(now.y)) == ([20] * 3, [0.65, 0.55, 0.4])
    cursor = [shape for shape in fig.layout.shapes if shape.xref == "x2"]
    assert [shape.x0 for shape in cursor] == [20]
    assert fig.layout.xaxis2.ticktext[-1] == "all"
    assert list(fig.layout.xaxis2.tickvals) == DEPTHS
    left, right = fig.layout.xaxis2.range
    assert left < 0 < math.log10(200) < right
    dashes = [trace(fig, name).line.dash for name in ("ceiling", "reranked", "first stage")]
    assert len(set(dashes)) == 3


def test_a_single_search_and_a_fused_one_have_their_roles():
    assert trace(draw(1), "first stage").line.dash == "dashdot"
    assert trace(draw(1, Stages({"keywords": 2}, 5)), "first stage").line.dash == "dash"


def test_more_than_all_are_all_and_other_depths_are_unknown():
    assert draw(999) == draw(200)
    assert draw(200).layout.title.text == "depth 200: all"
    with pytest.raises(ValueError, match=r"1, 2, 5.*got 3"):
        draw(3)


def test_one_depth_alone_is_drawn():
    fig = draw(1, curves=Curves([1], [0.5], [0.5], [0.5]))
    left, right = fig.layout.xaxis2.range
    assert left < 0 < right
    assert fig.layout.title.text == "depth 1: all"


# The list


def test_the_right_one_enters_from_below_and_keeps_its_ring():
    before, after = draw(20), draw(50)
    (place,) = zip(trace(before, "ring").x, trace(before, "ring").y, strict=True)
    assert place[0] == 0
    assert figures.TEN < place[1] < figures.TEN + 1 + figures.BELOW_TEN
    assert pieces(trace(before, "relevant"))[0][0][0] != 0  # no line: it is not read
    assert list(zip(trace(after, "ring").x, trace(after, "ring").y, strict=True)) == [place, (1, 1)]
    ((start, end),) = pieces(trace(after, "relevant"))
    assert (start, end) == (place, (1, 1))
    assert trace(after, "names").text[0] == "passage number p41 (41)"
    assert sentences(before)[1] == "“where is it?”: the right one stands at 41 and is not read."
    assert sentences(after)[1] == "“where is it?”: the right one rises from 41 to 1."


def test_lines_say_who_rises_and_who_does_not():
    fig = draw(20)
    rises, falls = (pieces(trace(fig, name)) for name in ("rises", "falls or stays"))
    assert all(end[1] < start[1] for start, end in rises)
    assert all(end[1] >= start[1] for start, end in falls)
    assert trace(fig, "rises").line.dash != trace(fig, "falls or stays").line.dash
    assert 10 <= len(rises) + len(falls) <= 20
    assert len(trace(fig, "names").text) == 10
    assert len(trace(draw(5), "names").text) == 5  # only what was read has a place


@pytest.mark.parametrize("n", [0, 1, 9, 10])
@pytest.mark.parametrize("depth", [1, 200])
def test_short_lists_are_drawn(n, depth):
    found = dict(list(FOUND.items())[:n])
    fig = draw(depth, own=own_list("q", found, READ, {"p1": 1}, {}))
    heights = [y for name in ("ring", "not relevant") for y in trace(fig, name).y if y is not None]
    assert all(1 <= y <= figures.TEN + 0.5 + figures.BELOW_TEN + 1e-9 for y in heights)
    assert len(heights) == n + min(n, depth)
    if n:
        assert trace(fig, "names").text[0].startswith("p")  # a passage without a name is called by its id


def test_the_stored_signature_is_small_and_nothing_moves_that_need_not():
    fig, kept = stored(draw, {"depth": DEPTHS}, play=True)
    assert kept == len(DEPTHS)
    assert num_bytes(plain(fig)) < 60_000
    drawn = [draw(depth) for depth in DEPTHS]
    assert all(num_bytes(plain(each)) < 28_000 for each in drawn)
    for axis in ("xaxis", "xaxis2", "yaxis2", "xaxis3", "yaxis3"):
        assert len({str(each.layout[axis]) for each in drawn}) == 1
    assert len({each.layout.height for each in drawn}) == 1
    assert len({each.layout.meta["alt"] for each in drawn}) == 1


def test_the_figure_brings_its_words_and_no_outcome():
    meta = draw(1).layout.meta
    assert len(meta["alt"]) > 100
    assert len(meta["notice"]) > 100
    assert ".3" not in meta["alt"]
