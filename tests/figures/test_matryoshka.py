"""The figures of chapter 13: what must hold whatever numbers they are given."""

import numpy as np
import pytest

from workbook.figures import matryoshka as figures
from workbook.figures.matryoshka import STATES, Cut
from workbook.figures.stored import stored

THREE = {"query": [0.5, 0.1, 0.7, 0.5], "a": [0.8, 0.4, 0.4, 0.2], "b": [0.3, 0.1, 0.9, 0.3]}
SIZES = (8, 16, 32, 64)
QUALITY = {"plain": dict.fromkeys(SIZES, 0.5), "Matryoshka": {8: 0.3, 16: 0.4, 32: 0.5, 64: 0.6}}
SHARES = {name: [1 / 64] * 64 for name in QUALITY}
CUTS = {d: Cut(4 * d, 0.01 * d, ["p1", "p2", "p3"] if d > 8 else ["p3", "p4", "p1"]) for d in SIZES}
TITLES = {f"p{i}": f"passage {i}" for i in range(5)}


@pytest.mark.parametrize(
    ("state", "products"),
    [(STATES[0], ["0.820", "0.940"]), (STATES[1], ["0.440", "0.160"]), (STATES[2], ["0.965", "0.992"])],
)
def test_cells_show_the_products_of_the_text(state, products):
    fig = figures.cells(THREE, 2, state)
    assert [a.text for a in fig.layout.annotations] == ["product", *products]
    assert [row.count(None) for row in map(list, fig.data[0].z)] == [0 if state == "whole" else 2] * 3


@pytest.mark.parametrize(("again", "wins"), [(False, "a"), (True, "b")])
def test_arrows_are_cut_to_two_and_the_winner_turns(again, wins):
    fig = figures.two_arrows(THREE, again)
    ends = {trace.name: (trace.x[1], trace.y[1]) for trace in fig.data[1:]}
    scores = {name: np.dot(ends["query"], ends[name]) for name in "ab"}
    assert max(scores, key=scores.get) == wins
    assert len({trace.marker.symbol for trace in fig.data[1:]}) == 3
    if again:
        assert all(np.hypot(*end) == pytest.approx(1, abs=1e-3) for end in ends.values())


def test_the_gradient_stands_beside_its_mean_above_a_staircase():
    fig = figures.gradient_by_dimension({"plain": [2.0] * 4, "nested": [6.0, 2.0, 2.0, 2.0]}, [1, 4], [2, 1, 1, 1])
    plain, nested, stairs = fig.data
    assert list(plain.y) == [1, 1, 1, 1]
    assert list(nested.y) == [2, 0.667, 0.667, 0.667]
    assert list(stairs.y) == [2, 1, 1, 1]
    assert stairs.line.shape == "hv"
    assert list(fig.layout.xaxis.tickvals) == [1, 1, 4]


def test_lines_by_size_have_looks_of_their_own():
    fig = figures.by_size({"a": {"8": [0.1, 0.3], "16": [0.5, 0.5]}, "b": {"16": [0.4]}}, "nDCG@10")
    assert list(fig.data[0].x) == [8, 16]
    assert fig.data[0].y[0] == pytest.approx(0.2)
    assert len({(t.line.color, t.line.dash, t.marker.symbol) for t in fig.data}) == 2
    assert list(fig.layout.xaxis.tickvals) == [8, 16]


def test_a_way_keeps_its_look_whatever_stands_beside_it():
    few = figures.by_size({"plain, PCA": {8: [0.1]}, "plain": {8: [0.1]}}, "nDCG@10")
    every = figures.by_size({name: {8: [0.1]} for name in figures.LOOKS}, "nDCG@10")
    looks = {t.name: (t.line.color, t.line.dash, t.marker.symbol) for t in every.data}
    assert {t.name: (t.line.color, t.line.dash, t.marker.symbol) for t in few.data}.items() <= looks.items()
    assert all(len(set(column)) == len(looks) for column in zip(*looks.values(), strict=True))


@pytest.mark.parametrize("size", SIZES)
def test_one_cut_moves_all_views(size):
    fig = figures.the_knife(QUALITY, SHARES, CUTS, TITLES, size)
    assert fig.layout.title.text == f"cut to {size} of 64"
    told = " ".join(a.text for a in fig.layout.annotations)
    assert f"Matryoshka {QUALITY['Matryoshka'][size]:.3f}" in told
    assert f"bytes a passage: {4 * size}" in told
    assert f"Matryoshka {100 * size / 64:.0f} %" in told
    strip = next(t for t in fig.data if t.type == "bar" and t.yaxis == "y2")
    assert list(strip.marker.color).count(figures.BLUE) == size / 8
    assert fig.layout.shapes[0].x0 == size


def test_lines_join_the_same_passage_in_both_lists():
    whole, cut = (figures.the_knife(QUALITY, SHARES, CUTS, TITLES, size).data[-1] for size in (64, 8))
    assert list(whole.y) == [1, 1, None, 2, 2, None, 3, 3, None]
    assert list(cut.y) == [3, 1, None, 1, 3, None]  # p3 came up, p1 went down, p4 is new


def test_axes_stay_and_the_stored_figure_is_small():
    a, b = (figures.the_knife(QUALITY, SHARES, CUTS, TITLES, size).layout for size in (8, 64))
    for axis in ("yaxis", "xaxis2", "xaxis3", "xaxis4", "xaxis5", "yaxis5"):
        assert a[axis].range == b[axis].range
    fig, kept = stored(lambda size: figures.the_knife(QUALITY, SHARES, CUTS, TITLES, size), {"size": list(SIZES)})
    assert kept == len(SIZES)
    assert len(fig.to_json()) < 300_000


def test_funnels_stand_by_their_work_and_the_chosen_one_is_a_star():
    work = {"exact": 1.0, "a": 0.1, "b": 0.2, "first stage alone": 0.06}
    fig = figures.funnels(work, dict.fromkeys(work, 0.9), dict.fromkeys(work, 0.5), "b", "nDCG@10")
    above, below = fig.data
    assert list(above.x) == [0.06, 0.1, 0.2, 1.0] == list(below.x)
    assert list(above.marker.symbol) == ["triangle-up", "circle", "star", "square"]
    assert above.yaxis != below.yaxis


def test_the_grid_holds_means_over_seeds():
    fig = figures.size_and_pairs({"75": {"8": [0.1, 0.3]}, "300": {"8": [0.5, 0.5]}}, "nDCG@10")
    assert fig.data[0].z[0][0] == pytest.approx(0.2)
    assert list(fig.data[0].y) == ["75", "300"]
