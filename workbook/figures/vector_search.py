"""The figures of chapter 17 that show how an index works: cells on a map, codes and their corners, a walk.

Each takes numbers and returns a plotly Figure. `cells_in_the_plane`, `recall_by_nprobe`, `links_of` and `walk_to` prepare
some of these numbers; what an index costs is drawn by `workbook.figures.search_costs`.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from workbook.figures.parts import (
    ABOVE,
    HIDDEN,
    TOGETHER,
    in_few_lines,
    lines_through,
    marks_at,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import BLUE, GREEN, GREY, INK, PINK, SKY, VERMILLION, figure
from workbook.index import FlatIndex, HNSWIndex, IVFIndex
from workbook.index.clustering import nearest_lists
from workbook.support.checks import check_positive

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KINDS = (  # of vectors in the curve beside the map: colour, dash and symbol
    (PINK, "dash", "square"), (BLUE, "solid", "circle"), (GREY, "dot", "diamond"), (INK, "dashdot", "star"),
)  # fmt: skip


class Cells(NamedTuple):
    """A map of vectors in the plane, cut into cells.

    Attributes:
        points: (N, 2).
        centroids: (C, 2).
        list_of: (N,), the cell in which each point stands.
        query: (2,).
        neighbours: (k,), the points that are really nearest to it, the nearest first.
    """

    points: np.ndarray
    centroids: np.ndarray
    list_of: np.ndarray
    query: np.ndarray
    neighbours: np.ndarray


class Curve(NamedTuple):
    """What opening cells finds and costs, means over queries; place i is for i + 1 cells.

    Attributes:
        scanned: (C,), the share of all vectors that stand in the opened cells.
        found: (C,), the share of the nearest that stand there.
    """

    scanned: Sequence[float]
    found: Sequence[float]


def cells_in_the_plane(points: Any, query: Any, nlist: int = 16, k: int = 10, seed: int = 0) -> Cells:
    """Cut points into cells as `IVFIndex` does, and find the k nearest of a query by exact search.

    Args:
        points: (N, 2), N of nlist at least.
        query: (2,).
        nlist: how many cells.
        k: how many neighbours; all, where there are fewer points.
        seed: of the k-means.
    """
    points, query = (torch.as_tensor(x, dtype=torch.float32) for x in (points, query))
    centroids, list_of, neighbours = _cut(query[None], points, nlist, k, seed)
    return Cells(*(x.numpy() for x in (points, centroids, list_of, query, neighbours[0])))


def recall_by_nprobe(queries: Any, vectors: Any, nlist: int = 16, seed: int = 0, k: int = 10) -> Curve:
    """How much of each query's k nearest an `IVFIndex` finds with 1 to nlist cells, by squared distance.

    Whatever of the k nearest stands in an opened cell is found, so the rank of a neighbour's cell says from which
    nprobe on.

    Args:
        queries: (Q, D), Q of 1 at least.
        vectors: (N, D), N of nlist at least; the cells are learned from them.
        nlist: how many cells.
        seed: of the k-means.
        k: how many neighbours; all, where there are fewer vectors.
    """
    queries, vectors = (torch.as_tensor(x, dtype=torch.float32) for x in (queries, vectors))
    centroids, list_of, neighbours = _cut(queries, vectors, nlist, k, seed)
    opened = nearest_lists(queries, centroids, "l2", nlist)  # (Q, C), the nearest first
    turn = opened.argsort(dim=1).gather(1, list_of[neighbours])  # (Q, k), when a neighbour's cell is opened, from 0
    found = [float((turn <= last).double().mean()) for last in range(nlist)]
    sizes = torch.bincount(list_of, minlength=nlist).double()
    scanned = sizes[opened].cumsum(dim=1).mean(dim=0) / len(vectors)
    return Curve(scanned.tolist(), found)


def _cut(queries: Any, vectors: Any, nlist: int, k: int, seed: int) -> tuple[Any, Any, Any]:
    """The centroids, the cell of each vector, and the k nearest vectors of each query: (C, D), (N,), (Q, k)."""
    index, exact = IVFIndex(vectors.shape[1], nlist, "l2", seed=seed), FlatIndex(vectors.shape[1], "l2")
    index.train(vectors)
    exact.add(vectors)
    list_of = nearest_lists(vectors, index.centroids, "l2", 1)[:, 0]
    return index.centroids, list_of, exact.search(queries, min(k, len(vectors)))[1]


def cell(centroids: np.ndarray, number: int, box: Sequence[float]) -> np.ndarray:
    """The corners of a cell in the plane: the part of a box that is nearest to one centroid.

    The box is cut along the line half-way to each other centroid. Of equal centroids the first one has the cell.

    Args:
        centroids: (C, 2).
        number: which of them.
        box: left, right, bottom, top.
    Returns:
        (n, 2), in order; (0, 2) where nothing is left.
    """
    left, right, bottom, top = box
    corners = [np.array(xy, dtype=float) for xy in ((left, bottom), (right, bottom), (right, top), (left, top))]
    own = np.asarray(centroids[number], dtype=float)
    for other, centroid in enumerate(np.asarray(centroids, dtype=float)):
        across, middle = centroid - own, (centroid @ centroid - own @ own) / 2
        if not across.any():
            corners = [] if other < number else corners
            continue
        beyond = [float(corner @ across - middle) for corner in corners]
        cut = []
        for i, corner in enumerate(corners):
            if beyond[i - 1] * beyond[i] < 0:
                cut.append(corners[i - 1] + (corner - corners[i - 1]) * beyond[i - 1] / (beyond[i - 1] - beyond[i]))
            if beyond[i] <= 0:
                cut.append(corner)
        corners = cut
    return np.array(corners).reshape(-1, 2)


def cells_on_a_map(drawn: Cells, curves: Mapping[str, Curve], nprobe: int) -> "Figure":
    """The signature: the cells that a query opens on a map, which neighbours it misses, and the share found over the share read.

    Args:
        drawn: the map.
        curves: what was searched -> what each number of cells finds and costs, from 1 to all of the map.
        nprobe: how many cells are opened: the control.
    """
    import plotly.graph_objects as go

    C, k = len(drawn.centroids), len(drawn.neighbours)
    check_positive(nprobe=nprobe)
    nprobe = min(nprobe, C)
    if wrong := [name for name, curve in curves.items() if not len(curve.scanned) == len(curve.found) == C]:
        raise ValueError(
            f"each curve must have {C} places, one for each number of cells, as the map has; {wrong[0]!r} has not"
        )
    box = _box(np.vstack([drawn.points, drawn.query[None]]))
    order = np.square(drawn.centroids - drawn.query).sum(axis=1).argsort(kind="stable")
    met = np.isin(drawn.list_of[drawn.neighbours], order[:nprobe])
    fig = figure(
        alt=f"Above, a map of {len(drawn.points)} points in {C} cells. A filled circle is the query; rings mark its {k} nearest points, with a square "
        "inside where the search finds one and a cross where it does not. Opened cells are coloured and carry the number of their turn. Below, "
        f"for {', '.join(curves)} a line with the share of the nearest that was found, from 0 to 1, over the share of all vectors that was read, from 0 to 1; "
        f"a large mark on each line shows the present number of cells. The control is that number, from 1 to {C}.",
        notice="Watch the map and the large marks together. In the plane a cell has few neighbours; with more numbers nearly every cell is next to every other. "
        "Near on this map is not near in hundreds of numbers, so read the price off the line that is like your vectors.",
        title=title_at_top(f"{nprobe} of {C} cells opened"),
        height=900,
        margin={"l": 60, "r": 20, "t": 90, "b": 55},
        legend=ABOVE,
        legend2={**ABOVE, "y": 0.285},
        xaxis={**HIDDEN, "range": box[:2], "anchor": "y"},
        yaxis={**HIDDEN, "range": box[2:], "scaleanchor": "x", "domain": [0.45, 1]},
        xaxis2={"anchor": "y2", "range": [0, 1.02], "title": {"text": "share of the vectors read", "standoff": 5}},
        yaxis2={"anchor": "x2", "range": [0, 1.05], "title": "share found", "domain": [0, 0.28]},
    )
    outlines = [cell(drawn.centroids, number, box) for number in range(C)]
    closed = [np.vstack([outline, outline[:1]]) for outline in outlines]
    opened = [closed[number] for number in order[:nprobe].tolist()]
    lines_through(fig, "cells", closed, {"color": GREY, "width": 1})
    lines_through(fig, "opened", opened, {"color": SKY, "width": 3}, fill="toself", fillcolor="rgba(86,180,233,0.3)")
    ring = {
        "symbol": "circle-open",
        "size": 17,
        "color": [GREEN if each else VERMILLION for each in met],
        "line": {"width": 2},
    }
    marks_at(fig, "vectors", drawn.points, {"color": GREY, "size": 4})
    marks_at(fig, "rings", drawn.points[drawn.neighbours], ring, showlegend=False)
    marks_at(fig, "found", drawn.points[drawn.neighbours[met]], {"symbol": "square", "color": GREEN, "size": 9})
    marks_at(fig, "missed", drawn.points[drawn.neighbours[~met]], {"symbol": "x", "color": VERMILLION, "size": 9})
    marks_at(fig, "query", drawn.query[None], {"color": INK, "size": 13})
    turns = [f"<b>{turn + 1}</b>" for turn in range(nprobe)]
    marks_at(
        fig,
        "turns",
        drawn.centroids[order[:nprobe]],
        mode="text",
        text=turns,
        textfont=small_letters(15),
        showlegend=False,
    )
    looks = [KINDS[i % len(KINDS)] for i in range(len(curves))]
    for (name, curve), (color, dash, symbol) in zip(curves.items(), looks, strict=True):
        fig.add_trace(
            go.Scatter(
                x=rounded(curve.scanned), y=rounded(curve.found), mode="lines+markers", name=name, xaxis="x2", yaxis="y2", legend="legend2",
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 6},
            )
        )  # fmt: skip
    now = np.array([[curve.scanned[nprobe - 1], curve.found[nprobe - 1]] for curve in curves.values()]).reshape(-1, 2)
    cursor = {"size": 15, "color": [look[0] for look in looks], "symbol": [look[2] for look in looks]}
    marks_at(fig, "cursor", now, cursor, xaxis="x2", yaxis="y2", showlegend=False)
    shares = [f"{name}{TOGETHER}{curve.found[nprobe - 1]:.2f}" for name, curve in curves.items()]
    told = f"{nprobe} of {C} cells opened, on this map {met.sum()} of {k} found. Share found: {', '.join(shares)}."
    note_below(fig, 0.435, in_few_lines(told))
    return fig


def _box(points: np.ndarray, room: float = 0.05) -> list[float]:
    """Left, right, bottom and top of a picture around points, with a little room."""
    low, high = points.min(axis=0), points.max(axis=0)
    room *= max(float((high - low).max()), 1e-9)
    return [round(float(edge), 3) for axis in (0, 1) for edge in (low[axis] - room, high[axis] + room)]


def by_their_codes(
    points: Any, codebooks: Any, query: Any
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The codes of points in the plane, the corners that these stand for, and squared distances to both.

    Args:
        points: (N, 2).
        codebooks: (2, K, 1).
        query: (2,).
    Returns:
        N codes such as "01", the corners (N, 2), the distances of the points (N,), those of the corners (N,).
    """
    points, books, query = (np.asarray(x, dtype=float) for x in (points, codebooks, query))
    codes = np.abs(points[:, :, None] - books[None, :, :, 0]).argmin(axis=2)  # (N, 2); of equally near ones the first
    corners = np.stack([books[piece, codes[:, piece], 0] for piece in (0, 1)], axis=1)
    far, far_by_code = (np.square(x - query).sum(axis=1) for x in (points, corners))
    return ["".join(map(str, code)) for code in codes.tolist()], corners, far, far_by_code


def four_points(points: Any, codebooks: Any, query: Any) -> "Figure":
    """The central object: points, the corners that their codes stand for, and who comes first by either.

    Args:
        points: (N, 2), no two of them with the same code.
        codebooks: (2, K, 1): two pieces of one number.
        query: (2,).
    """
    codes, corners, far, by_code = by_their_codes(points, codebooks, query)
    if len(set(codes)) < len(codes):
        raise ValueError(
            f"each point must have a code of its own, by which the drawing calls it, got {', '.join(codes)}"
        )
    points, query = np.asarray(points, dtype=float), np.asarray(query, dtype=float)
    books = np.asarray(codebooks, dtype=float)[:, :, 0]
    box = _box(np.vstack([points, corners, query[None]]), 0.13)
    first, second = ([codes[i] for i in each.argsort(kind="stable")] for each in (far, by_code))
    entries = [", ".join(f"{value:g}" for value in book) for book in books]
    fig = figure(
        alt=f"Above, a plane. Grid lines stand at the entries of two codebooks: {entries[0]} across and {entries[1]} upwards. {len(points)} filled circles are points, "
        f"diamonds the corners that their codes stand for ({', '.join(codes)}); a thick line joins each point to its corner. From the query, a larger circle at ({query[0]:g}, {query[1]:g}), "
        "thin solid lines lead to the points and dashed ones to the corners. Below, two columns with the codes, the nearest on top: left by the squared "
        "distance to the point, right by that to its corner. Lines join the same code; those that change places are thick.",
        notice="Wherever a point lies off its corner, the distance by its code is a little wrong. Which mistakes change the order, and which do not? Look at how far the two distances of "
        "neighbours in a column lie apart, and at how much the corner moved each.",
        title=title_at_top("where a code puts a point"),
        height=800,
        margin={"l": 70, "r": 20, "t": 75, "b": 20},
        legend=ABOVE,
        xaxis={"range": box[:2], "title": {"text": "first piece", "standoff": 5}, **_entries(books[0])},
        yaxis={"range": box[2:], "title": "second piece", "scaleanchor": "x", "domain": [0.42, 1], **_entries(books[1])},
        xaxis2={"visible": False, "range": [0, 1], "anchor": "y2"},
        yaxis2={"visible": False, "range": [len(codes) + 0.5, -0.4], "domain": [0, 0.31], "anchor": "x2"},
    )  # fmt: skip
    lines_through(fig, "to points", [np.stack([query, point]) for point in points], {"color": BLUE, "width": 1.5})
    lines_through(
        fig,
        "to corners",
        [np.stack([query, corner]) for corner in corners],
        {"color": VERMILLION, "width": 1.5, "dash": "dash"},
    )
    lines_through(
        fig, "moved", [np.stack(pair) for pair in zip(points, corners, strict=True)], {"color": GREY, "width": 5}
    )
    marks_at(fig, "point", points, {"color": BLUE, "size": 11})
    marks_at(fig, "corner", corners, {"color": VERMILLION, "symbol": "diamond", "size": 12})
    marks_at(fig, "query", query[None], {"color": INK, "size": 14})
    for code, corner, point in zip(codes, corners, points, strict=True):
        right, up = _free_side(corner, (point, query))
        fig.add_annotation(
            x=corner[0], y=corner[1], text=f"<b>{code}</b>", showarrow=False, xanchor="left" if right > 0 else "right",
            yanchor="bottom" if up > 0 else "top", xshift=8 * right, yshift=4 * up, font=small_letters(16),
        )  # fmt: skip
    for number, (x0, anchor, ranked, values, head) in enumerate(
        ((0.36, "right", first, far, "true distance"), (0.64, "left", second, by_code, "by its code"))
    ):
        fig.add_annotation(x=x0, y=0, xref="x2", yref="y2", text=f"<b>{head}</b>", xanchor=anchor, showarrow=False)
        for rank, code in enumerate(ranked, start=1):
            parts = [code, f"{values[codes.index(code)]:.2f}"]
            fig.add_annotation(
                x=x0, y=rank, xref="x2", yref="y2", text="   ".join(parts[::-1] if number else parts), xanchor=anchor, showarrow=False,
            )  # fmt: skip
    ranks = {code: np.array([[0.39, first.index(code) + 1], [0.61, second.index(code) + 1]]) for code in codes}
    moved = [ends for ends in ranks.values() if ends[0, 1] != ends[1, 1]]
    stay = [ends for ends in ranks.values() if ends[0, 1] == ends[1, 1]]
    lines_through(fig, "stays", stay, {"color": GREY, "width": 2, "dash": "dot"}, xaxis="x2", yaxis="y2")
    lines_through(fig, "changes", moved, {"color": VERMILLION, "width": 5}, xaxis="x2", yaxis="y2")
    return fig


def _entries(book: np.ndarray) -> dict[str, Any]:
    """Grid lines at the entries of a codebook, each with its code."""
    text = [f"{code}: {value:g}" for code, value in enumerate(book.tolist())]
    lines = {"gridcolor": GREY, "griddash": "dot", "zeroline": False, "constrain": "domain"}
    return {"tickmode": "array", "tickvals": book.tolist(), "ticktext": text, **lines}


def _free_side(place: np.ndarray, others: Sequence[np.ndarray]) -> tuple[int, int]:
    """The diagonal, (±1, ±1), along which a label at a place is farthest from what lies in the direction of others."""

    def nearest(side: tuple[int, int]) -> float:
        return max(float((other - place) @ side / max(np.linalg.norm(other - place), 1e-9)) for other in others)

    return min(((x, y) for x in (1, -1) for y in (1, -1)), key=nearest)


class Walk(NamedTuple):
    """A search in a graph.

    Attributes:
        hops: the vectors behind which it has looked, in order.
        came_from: for each hop the earlier one whose link it followed; the first came from itself.
        met: all vectors that it has met, in order, the entry first.
        found: those that it keeps in the end, the nearest first.
    """

    hops: list[int]
    came_from: list[int]
    met: list[int]
    found: list[int]


def links_of(index: HNSWIndex) -> list[list[int]]:
    """The links of each vector on the lowest level of an index: N lists."""
    starts = index.start[:-1].tolist()
    return [[n for n in index.links[i : i + 2 * index.M].tolist() if n >= 0] for i in starts]


def walk_to(query: Any, vectors: Any, neighbours: Sequence[Sequence[int]], entry: int, ef: int) -> Walk:
    """Walk through a graph towards a query, and remember the way. Of equally near vectors the smaller number comes first.

    Args:
        query: (D,).
        vectors: (N, D).
        neighbours: N lists: where links lead from each vector.
        entry: where the walk begins.
        ef: how many of the nearest it keeps; it ends when it has looked behind all of them.
    """
    check_positive(ef=ef)
    far = np.square(np.asarray(vectors, dtype=float) - np.asarray(query, dtype=float)).sum(axis=1).tolist()
    through = {entry: entry}  # vector -> the hop by which it was met first
    waiting, kept = [(far[entry], entry)], [(-far[entry], -entry)]  # the nearest on top; the farthest on top
    hops = []
    while waiting:
        distance, here = heapq.heappop(waiting)
        if (-distance, -here) < kept[0]:
            break
        hops.append(here)
        for n in neighbours[here]:
            if n in through:
                continue
            through[n] = here
            if len(kept) < ef or (-far[n], -n) > kept[0]:
                heapq.heappush(waiting, (far[n], n))
                heapq.heappush(kept, (-far[n], -n))
                if len(kept) > ef:
                    heapq.heappop(kept)
    return Walk(hops, [through[hop] for hop in hops], list(through), [-n for _, n in sorted(kept, reverse=True)])


def a_walk(
    vectors: Any, neighbours: Sequence[Sequence[int]], path: Walk, query: Any, hops: int | None = None
) -> "Figure":
    """One walk through the lowest level of a graph in the plane: its hops, their links, and all that it has met.

    Args:
        vectors: (N, 2).
        neighbours: N lists: where links lead from each vector.
        path: the walk, as from `walk_to`.
        query: (2,).
        hops: how many of its hops are drawn; None for all.
    """
    x, asked = np.asarray(vectors, dtype=float), np.asarray(query, dtype=float)
    shown = path.hops if hops is None else path.hops[:hops]
    met = list(dict.fromkeys([path.hops[0], *(n for hop in shown for n in neighbours[hop])]))
    steps = [(a, b) for a, b in zip(path.came_from, shown, strict=False) if a != b]
    around = [*path.hops, *(n for hop in path.hops for n in neighbours[hop])]
    box = _box(np.vstack([x[around], asked[None]]))
    inside = np.all([x[:, 0] >= box[0], x[:, 0] <= box[1], x[:, 1] >= box[2], x[:, 1] <= box[3]], axis=0)
    fig = figure(
        alt=f"A map of {len(x)} small grey points. Numbered circles are the hops of a walk, at most {len(path.hops)}; thick lines join each to the hop from which it was reached, "
        "thin lines are the links of the hops, and middle-sized squares the vectors at their ends, which the walk has met. The largest circle is the query.",
        notice="Follow the numbers. Is every hop nearer to the query than the one before, and how many vectors are measured for each? All that has no square was never looked at.",
        title=title_at_top(f"{len(shown)} of {len(path.hops)} hops: {len(met)} of {len(x)} met"),
        height=560,
        margin={"l": 20, "r": 20, "t": 75, "b": 20},
        legend=ABOVE,
        xaxis={**HIDDEN, "range": box[:2]},
        yaxis={**HIDDEN, "range": box[2:], "scaleanchor": "x"},
    )
    lines_through(fig, "links", [x[[hop, n]] for hop in shown for n in neighbours[hop]], {"color": GREY, "width": 1})
    lines_through(fig, "way", [x[list(step)] for step in steps], {"color": BLUE, "width": 5})
    marks_at(fig, "vectors", x[inside], {"color": GREY, "size": 4})
    marks_at(fig, "met", x[met], {"color": BLUE, "symbol": "square", "size": 7})
    marks_at(fig, "query", asked[None], {"color": INK, "size": 25})  # a rim is left of it where a hop comes to it
    numbers = [str(i + 1) for i in range(len(shown))]
    white = {"color": "white", **small_letters(12)}
    marks_at(
        fig, "hops", x[shown], {"color": BLUE, **small_letters(20)}, mode="markers+text", text=numbers, textfont=white
    )
    return fig
