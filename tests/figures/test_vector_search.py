"""The figures of chapter 17 that show how an index works, by their data."""

import re

import numpy as np
import pytest
import torch

from tests.helpers.drawn import pieces, told_by, trace
from workbook.exercises import chapter_17
from workbook.figures import vector_search as figures
from workbook.figures.plain import num_bytes, plain
from workbook.figures.stored import stored
from workbook.figures.vector_search import Cells, Curve
from workbook.index import HNSWIndex, IVFIndex

NPROBES = [1, 2, 3, 4, 6, 8, 12, 16]
FOUR, BOOKS, QUERY = [[1, 2], [1.4, 6], [5, 2.2], [4.6, 5.8]], [[[1.2], [4.8]], [[2.1], [5.9]]], [2, 3]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def places(trace):
    return [(x, y) for x, y in zip(trace.x, trace.y, strict=True) if x is not None]


@pytest.fixture(scope="module")
def drawn():
    return figures.cells_in_the_plane(random(300, 2), random(1, 2, seed=5)[0])


@pytest.fixture(scope="module")
def curves():
    flat, wide = random(260, 2, seed=1), random(260, 24, seed=2)
    return {name: figures.recall_by_nprobe(x[:60], x[60:]) for name, x in {"plane": flat, "random": wide}.items()}


# A search in cells


@pytest.mark.parametrize(
    ("vectors", "queries"),
    [
        (random(300, 8), random(40, 8, seed=1)),
        (random(300, 2).round(), random(40, 2, seed=1).round()),  # many ties
        (torch.cat([random(30, 4)] * 5), random(20, 4, seed=1)),  # each vector five times
    ],
)
def test_a_curve_is_what_the_index_finds(vectors, queries):
    curve = figures.recall_by_nprobe(queries, vectors, nlist=8, seed=3)
    index = IVFIndex(vectors.shape[1], 8, "l2", seed=3)
    index.train(vectors)
    index.add(vectors)
    index.nprobe = 8
    far = index.search(queries, 10)[0]
    for nprobe in range(1, 9):
        index.nprobe = nprobe
        got = index.search(queries, 10)[0]
        share = (got <= far[:, -1:] * (1 + 1e-5)).double().mean()  # of equally far ones any will do
        assert curve.found[nprobe - 1] <= share + 1e-9
        if vectors.shape[1] == 8:  # no ties
            assert curve.found[nprobe - 1] == pytest.approx(share.item())
    assert curve.found[-1] == curve.scanned[-1] == pytest.approx(1)
    assert list(curve.found) == sorted(curve.found)
    assert list(curve.scanned) == sorted(curve.scanned)


def test_a_curve_of_fewer_vectors_than_ten_asks_for_all():
    curve = figures.recall_by_nprobe(random(5, 3, seed=1), random(6, 3), nlist=3)
    assert curve.found == pytest.approx(curve.scanned)  # all six are neighbours
    assert curve.found[-1] == 1


def test_numpy_and_torch_give_the_same_curve():
    queries, vectors = random(9, 5), random(50, 5, seed=1)
    assert figures.recall_by_nprobe(queries, vectors, 4) == figures.recall_by_nprobe(queries.numpy(), vectors.numpy(), 4)  # fmt: skip


def test_a_map_holds_exact_neighbours_and_the_nearest_centroids(drawn):
    far = np.square(drawn.points - drawn.query).sum(axis=1)
    assert drawn.neighbours.tolist() == far.argsort(kind="stable")[:10].tolist()
    to_centroids = np.square(drawn.points[:, None] - drawn.centroids).sum(axis=2)
    assert (drawn.list_of == to_centroids.argmin(axis=1)).all()


# Cells on a map


def area(corners):
    x, y = corners.T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


@pytest.mark.parametrize(
    "centroids",
    [
        random(16, 2).numpy(),
        np.array([[0, 0], [1, 1], [2, 2.0]]),  # on one line
        np.array([[0.5, 0.5]]),
        np.array([[0, 0], [1, 0], [0, 0], [1.0, 0]]),  # twins
    ],
)
def test_cells_fill_the_box_and_hold_what_is_nearest(centroids):
    box = (-3.0, 3.0, -2.0, 2.5)
    outlines = [figures.cell(centroids, i, box) for i in range(len(centroids))]
    assert sum(area(outline) for outline in outlines) == pytest.approx(6 * 4.5)
    for i, outline in enumerate(outlines):
        if len(outline):
            middle = outline.mean(axis=0)
            assert np.square(centroids - middle).sum(axis=1).argmin() == i
        else:
            assert (centroids[:i] == centroids[i]).all(axis=1).any()


@pytest.mark.parametrize("nprobe", [1, 4, 16])
def test_opened_cells_and_missed_neighbours_are_drawn(drawn, curves, nprobe):
    fig = figures.cells_on_a_map(drawn, curves, nprobe)
    order = np.square(drawn.centroids - drawn.query).sum(axis=1).argsort(kind="stable")
    met = np.isin(drawn.list_of[drawn.neighbours], order[:nprobe])
    assert len(pieces(trace(fig, "cells"))) == 16
    assert len(pieces(trace(fig, "opened"))) == nprobe
    for name, rows in (("found", met), ("missed", ~met)):
        assert places(trace(fig, name)) == [tuple(xy) for xy in drawn.points[drawn.neighbours[rows]].round(3).tolist()]
    assert list(trace(fig, "rings").marker.color) == [figures.GREEN if each else figures.VERMILLION for each in met]
    assert list(trace(fig, "turns").text) == [f"<b>{i + 1}</b>" for i in range(nprobe)]
    assert places(trace(fig, "turns"))[0] == tuple(drawn.centroids[order[0]].round(3).tolist())
    assert fig.layout.title.text == f"{nprobe} of 16 cells opened"
    assert trace(fig, "found").marker.symbol != trace(fig, "missed").marker.symbol  # without colour, too


def test_all_cells_opened_miss_nothing_and_more_are_as_good_as_all(drawn, curves):
    every, more = (figures.cells_on_a_map(drawn, curves, nprobe) for nprobe in (16, 99))
    assert places(trace(every, "missed")) == []
    assert every == more


def test_the_cursor_stands_on_each_line_and_the_sentence_says_the_same(drawn, curves):
    fig = figures.cells_on_a_map(drawn, curves, 3)
    for name, at in zip(curves, places(trace(fig, "cursor")), strict=True):
        line = trace(fig, name)
        assert at == pytest.approx((line.x[2], line.y[2]), abs=1e-3)
        assert line.y[2] == pytest.approx(curves[name].found[2], abs=1e-4)
    told = told_by(fig.layout.annotations[0])
    shares = ", ".join(f"{name} {curve.found[2]:.2f}" for name, curve in curves.items())
    assert re.fullmatch(rf"3 of 16 cells opened, on this map \d+ of 10 found\. Share found: {shares}\.", told)
    looks = {(line.line.dash, line.marker.symbol) for line in (trace(fig, name) for name in curves)}
    assert len(looks) == len(curves)


def test_the_stored_map_is_small_and_keeps_its_axes(drawn, curves):
    fig, kept = stored(lambda nprobe: figures.cells_on_a_map(drawn, curves, nprobe), {"nprobe": NPROBES}, play=True)
    assert kept == len(NPROBES)
    assert num_bytes(plain(fig)) < 50_000
    many, _ = stored(lambda nprobe: figures.cells_on_a_map(drawn, curves, nprobe), {"nprobe": NPROBES})
    moved = {path for step in many.layout.sliders[0].steps for path in step.args[0]}
    vectors = [i for i, each in enumerate(many.data) if each.name == "vectors"]
    assert not any(vectors[0] in step.args[2] for step in many.layout.sliders[0].steps)  # points are stored once
    assert {"x", "y"} <= moved


def test_an_empty_cell_and_few_neighbours_are_drawn():
    points = np.array([[0.0, 0], [1, 0], [0, 1]])
    centroids = np.array([[0.0, 0], [1, 1], [5, 5]])
    few = Cells(points, centroids, np.array([0, 0, 0]), np.array([0.9, 0.9]), np.array([1, 2, 0]))
    curve = Curve([0, 1, 1], [0, 1, 1])
    first, second = (figures.cells_on_a_map(few, {"text": curve}, nprobe) for nprobe in (1, 2))
    assert len(places(trace(first, "missed"))) == 3  # the nearest cell is the empty one
    assert places(trace(first, "found")) == []
    assert "on this map 0 of 3 found" in told_by(first.layout.annotations[0])
    assert len(places(trace(second, "found"))) == 3


def test_of_equally_near_cells_the_smaller_number_is_opened():
    tie = Cells(np.zeros((1, 2)), np.array([[1.0, 0], [-1, 0]]), np.array([0]), np.zeros(2), np.array([0]))
    fig = figures.cells_on_a_map(tie, {}, 1)
    assert places(trace(fig, "turns")) == [(1, 0)]
    assert len(places(trace(fig, "found"))) == 1


def test_a_curve_must_fit_the_map(drawn):
    with pytest.raises(ValueError, match=r"16 places.*'text'"):
        figures.cells_on_a_map(drawn, {"text": Curve([1.0], [1.0])}, 1)
    with pytest.raises(ValueError, match="nprobe"):
        figures.cells_on_a_map(drawn, {}, 0)


# Codes


def test_the_distances_of_the_text_and_the_swap():
    codes, corners, far, by_code = figures.by_their_codes(FOUR, BOOKS, QUERY)
    assert codes == ["00", "01", "10", "11"]
    assert corners.tolist() == [[1.2, 2.1], [1.2, 5.9], [4.8, 2.1], [4.8, 5.9]]
    assert far.tolist() == pytest.approx([2.00, 9.36, 9.64, 14.60])
    assert by_code.tolist() == pytest.approx([1.45, 9.05, 8.65, 16.25])
    fig = figures.four_points(FOUR, BOOKS, QUERY)
    told = [note.text for note in fig.layout.annotations if note.yref == "y2"]
    left = ["<b>true distance</b>", "00   2.00", "01   9.36", "10   9.64", "11   14.60"]
    right = ["<b>by its code</b>", "1.45   00", "8.65   10", "9.05   01", "16.25   11"]
    assert told == left + right
    ends = {name: [(a[1], b[1]) for a, b in pieces(trace(fig, name))] for name in ("stays", "changes")}
    assert ends == {"stays": [(1, 1), (4, 4)], "changes": [(2, 3), (3, 2)]}


def test_lines_lead_from_the_query_to_points_and_corners():
    fig = figures.four_points(FOUR, BOOKS, QUERY)
    assert [end for _, end in pieces(trace(fig, "to points"))] == [tuple(point) for point in FOUR]
    assert [end for _, end in pieces(trace(fig, "to corners"))] == [(1.2, 2.1), (1.2, 5.9), (4.8, 2.1), (4.8, 5.9)]
    assert all(begin == (2, 3) for name in ("to points", "to corners") for begin, _ in pieces(trace(fig, name)))
    assert list(fig.layout.xaxis.tickvals) == [1.2, 4.8]
    assert list(fig.layout.yaxis.ticktext) == ["0: 2.1", "1: 5.9"]
    (query,) = places(trace(fig, "query"))
    assert query == (2, 3)


def test_of_equally_near_entries_the_first_is_the_code():
    codes, *_ = figures.by_their_codes([[1, 5]], [[[0], [2]], [[4], [6]]], QUERY)
    assert codes == ["00"]
    with pytest.raises(ValueError, match="a code of its own"):
        figures.four_points([[1, 2], [1.1, 2]], BOOKS, QUERY)


def test_a_point_on_its_corner_does_not_disturb():
    fig = figures.four_points([[1.2, 2.1], [4.8, 5.9]], BOOKS, [1.2, 2.1])
    assert "0.00   00" in [note.text for note in fig.layout.annotations]


# A walk


@pytest.fixture(scope="module")
def graph():
    x = random(120, 2)
    index = HNSWIndex(2, M=4, metric="l2")
    index.add(x)
    return x, figures.links_of(index), index


@pytest.mark.parametrize("ef", [1, 3, 10, 200])
def test_a_walk_meets_what_the_exercise_says(graph, ef):
    x, links, _ = graph
    for entry in (0, 7, 60):
        query = random(1, 2, seed=entry + 1)[0]
        path = figures.walk_to(query, x, links, entry, ef)
        best, met = chapter_17.walk(query, links, x, entry, ef, 1)
        assert (path.found[:1], len(path.met)) == (best, met)
        assert path.met[0] == path.hops[0] == path.came_from[0] == entry
        assert len({*path.hops}) == len(path.hops)
        for i, (hop, before) in enumerate(zip(path.hops, path.came_from, strict=True)):
            assert i == 0 or (hop in links[before] and before in path.hops[:i])
        assert {*path.met} == {entry, *(n for hop in path.hops for n in links[hop])}


def test_the_links_of_the_lowest_level_reach_what_a_search_finds(graph):
    x, links, index = graph
    assert len(links) == 120
    assert max(map(len, links)) <= 8
    assert all(i not in each and len({*each}) == len(each) for i, each in enumerate(links))
    query = random(1, 2, seed=9)
    index.ef_search = 120
    path = figures.walk_to(query[0], x, links, 0, 120)
    assert path.found[:10] == index.search(query, 10)[1][0].tolist()


def test_equally_near_vectors_are_taken_by_number():
    x = [[2, 0], [0, 1], [0, -1], [1, 0]]
    path = figures.walk_to([0, 0], x, [[3, 2, 1], [], [], []], 0, 2)
    assert path.hops == [0, 1, 2]
    assert path.found == [1, 2]
    alone = figures.walk_to([0, 0], x, [[], [], [], []], 0, 5)
    assert (alone.hops, alone.met, alone.found) == ([0], [0], [0])


def test_only_the_hops_have_links(graph):
    x, links, _ = graph
    query = random(1, 2, seed=3)[0]
    path = figures.walk_to(query, x, links, 7, 1)
    for hops in (1, 2, None):
        fig = figures.a_walk(x, links, path, query, hops)
        shown = path.hops[:hops]
        assert len(pieces(trace(fig, "links"))) == sum(len(links[hop]) for hop in shown)
        assert len(pieces(trace(fig, "way"))) == len(shown) - 1
        assert list(trace(fig, "hops").text) == [str(i + 1) for i in range(len(shown))]
        assert len(places(trace(fig, "met"))) == len({path.hops[0], *(n for hop in shown for n in links[hop])})
    assert fig.layout.title.text == f"{len(path.hops)} of {len(path.hops)} hops: {len(path.met)} of 120 met"
    first, last = (figures.a_walk(x, links, path, query, hops).layout for hops in (1, None))
    assert (first.xaxis.range, first.yaxis.range) == (last.xaxis.range, last.yaxis.range)


def test_a_walk_that_goes_nowhere_is_drawn():
    path = figures.walk_to([1, 1], [[0, 0], [1, 0]], [[], []], 0, 1)
    fig = figures.a_walk([[0, 0], [1, 0]], [[], []], path, [1, 1])
    assert pieces(trace(fig, "way")) == []
    assert places(trace(fig, "hops")) == [(0, 0)]


def test_every_figure_brings_its_words_and_no_outcome(drawn, curves, graph):
    x, links, _ = graph
    path = figures.walk_to([0, 0], x, links, 7, 1)
    for fig in (
        figures.cells_on_a_map(drawn, curves, 1),
        figures.four_points(FOUR, BOOKS, QUERY),
        figures.a_walk(x, links, path, [0, 0]),
    ):
        assert len(fig.layout.meta["alt"]) > 100
        assert len(fig.layout.meta["notice"]) > 100
        assert 0 < len(fig.layout.title.text) < 40
        assert num_bytes(plain(fig)) < 30_000
    first, second = (figures.cells_on_a_map(drawn, curves, nprobe).layout.meta["alt"] for nprobe in (1, 9))
    assert first == second
