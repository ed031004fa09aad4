"""The figures of chapter 17: cells on a map, codes and their corners, a walk, and what an index finds for what it costs.

Each takes numbers and returns a plotly Figure. `cells_in_the_plane`, `recall_by_nprobe`, `links_of`, `walk_to` and
`read_scale` prepare some of these numbers.
"""

import heapq
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from workbook.figures.theme import COLORS, DASHES, GREY, INK, SYMBOLS, figure, in_lines, ticks_at
from workbook.index import FlatIndex, HNSWIndex, IVFIndex
from workbook.index.clustering import nearest_lists
from workbook.support.checks import check_positive
from workbook.support.frontend import is_presented

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE, GREEN, VERMILLION, PINK, SKY = COLORS[0], COLORS[2], COLORS[3], COLORS[4], COLORS[5]
SCALE = Path(__file__).parents[1] / "pipeline/records/scale.json"
TOGETHER = "\u00a0"  # a space at which no line ends
NARROW = (300, 330)  # pixels of a plot on a phone
FAR = 10**9  # passages, to which the cost curve is computed
ABOVE = {  # a legend between the title and the plot; its paper is clear, for a dark page does not turn that of a second legend
    "orientation": "h", "y": 1.003, "yanchor": "bottom", "x": 0, "itemclick": False, "itemsizing": "constant", "bgcolor": "rgba(255,255,255,0)",
}  # fmt: skip
BELOW = {**ABOVE, "y": -0.2, "yanchor": "top"}
PLANE: dict[str, Any] = {"visible": False, "constrain": "domain"}
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
        title=_title(f"{nprobe} of {C} cells opened"),
        height=900,
        margin={"l": 60, "r": 20, "t": 90, "b": 55},
        legend=ABOVE,
        legend2={**ABOVE, "y": 0.285},
        xaxis={**PLANE, "range": box[:2], "anchor": "y"},
        yaxis={**PLANE, "range": box[2:], "scaleanchor": "x", "domain": [0.45, 1]},
        xaxis2={"anchor": "y2", "range": [0, 1.02], "title": {"text": "share of the vectors read", "standoff": 5}},
        yaxis2={"anchor": "x2", "range": [0, 1.05], "title": "share found", "domain": [0, 0.28]},
    )
    outlines = [cell(drawn.centroids, number, box) for number in range(C)]
    closed = [np.vstack([outline, outline[:1]]) for outline in outlines]
    opened = [closed[number] for number in order[:nprobe].tolist()]
    _lines(fig, "cells", closed, {"color": GREY, "width": 1})
    _lines(fig, "opened", opened, {"color": SKY, "width": 3}, fill="toself", fillcolor="rgba(86,180,233,0.3)")
    ring = {
        "symbol": "circle-open",
        "size": 17,
        "color": [GREEN if each else VERMILLION for each in met],
        "line": {"width": 2},
    }
    _marks(fig, "vectors", drawn.points, {"color": GREY, "size": 4})
    _marks(fig, "rings", drawn.points[drawn.neighbours], ring, showlegend=False)
    _marks(fig, "found", drawn.points[drawn.neighbours[met]], {"symbol": "square", "color": GREEN, "size": 9})
    _marks(fig, "missed", drawn.points[drawn.neighbours[~met]], {"symbol": "x", "color": VERMILLION, "size": 9})
    _marks(fig, "query", drawn.query[None], {"color": INK, "size": 13})
    turns = [f"<b>{turn + 1}</b>" for turn in range(nprobe)]
    _marks(
        fig, "turns", drawn.centroids[order[:nprobe]], mode="text", text=turns, textfont=_small(15), showlegend=False
    )
    looks = [KINDS[i % len(KINDS)] for i in range(len(curves))]
    for (name, curve), (color, dash, symbol) in zip(curves.items(), looks, strict=True):
        fig.add_trace(
            go.Scatter(
                x=_rounded(curve.scanned), y=_rounded(curve.found), mode="lines+markers", name=name, xaxis="x2", yaxis="y2", legend="legend2",
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 6},
            )
        )  # fmt: skip
    now = np.array([[curve.scanned[nprobe - 1], curve.found[nprobe - 1]] for curve in curves.values()]).reshape(-1, 2)
    cursor = {"size": 15, "color": [look[0] for look in looks], "symbol": [look[2] for look in looks]}
    _marks(fig, "cursor", now, cursor, xaxis="x2", yaxis="y2", showlegend=False)
    shares = [f"{name}{TOGETHER}{curve.found[nprobe - 1]:.2f}" for name, curve in curves.items()]
    told = f"{nprobe} of {C} cells opened, on this map {met.sum()} of {k} found. Share found: {', '.join(shares)}."
    _note(fig, 0.435, _in_lines(told))
    return fig


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "y": 0.99, "yref": "container", "yanchor": "top"}


def _small(size: int = 13) -> dict[str, int]:
    """Small letters, in front of a room larger."""
    return {"size": size + 7 if is_presented() else size}


def _in_lines(text: str) -> str:
    """A sentence in lines that a phone has room for, or a room's screen."""
    return in_lines(text, 80 if is_presented() else 48)


def _box(points: np.ndarray, room: float = 0.05) -> list[float]:
    """Left, right, bottom and top of a picture around points, with a little room."""
    low, high = points.min(axis=0), points.max(axis=0)
    room *= max(float((high - low).max()), 1e-9)
    return [round(float(edge), 3) for axis in (0, 1) for edge in (low[axis] - room, high[axis] + room)]


def _lines(fig: "Figure", name: str, pieces: Sequence[np.ndarray], line: Mapping[str, Any], **more: Any) -> None:
    """Lines through places, (n, 2) each, as one trace with gaps; no legend tells of them."""
    import plotly.graph_objects as go

    x, y = ([v for piece in pieces for v in (*piece[:, axis].round(3).tolist(), None)] for axis in (0, 1))
    fig.add_trace(go.Scatter(x=x, y=y, mode="lines", name=name, line=line, showlegend=False, hoverinfo="skip", **more))


def _marks(fig: "Figure", name: str, places: np.ndarray, marker: Mapping[str, Any] | None = None, **more: Any) -> None:
    """Marks at places, (n, 2); without any the legend names them all the same."""
    import plotly.graph_objects as go

    x, y = (places[:, axis].round(3).tolist() or [None] for axis in (0, 1))
    fig.add_trace(go.Scatter(x=x, y=y, name=name, **{"mode": "markers", "marker": marker, "hoverinfo": "skip", **more}))


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _note(fig: "Figure", y: float, text: str, x: float = 0, **more: Any) -> None:
    fig.add_annotation(
        **{
            "x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top", "align": "left", "showarrow": False,
            "text": text, "font": _small(), **more,
        }
    )  # fmt: skip


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
        title=_title("where a code puts a point"),
        height=800,
        margin={"l": 70, "r": 20, "t": 75, "b": 20},
        legend=ABOVE,
        xaxis={"range": box[:2], "title": {"text": "first piece", "standoff": 5}, **_entries(books[0])},
        yaxis={"range": box[2:], "title": "second piece", "scaleanchor": "x", "domain": [0.42, 1], **_entries(books[1])},
        xaxis2={"visible": False, "range": [0, 1], "anchor": "y2"},
        yaxis2={"visible": False, "range": [len(codes) + 0.5, -0.4], "domain": [0, 0.31], "anchor": "x2"},
    )  # fmt: skip
    _lines(fig, "to points", [np.stack([query, point]) for point in points], {"color": BLUE, "width": 1.5})
    _lines(
        fig,
        "to corners",
        [np.stack([query, corner]) for corner in corners],
        {"color": VERMILLION, "width": 1.5, "dash": "dash"},
    )
    _lines(fig, "moved", [np.stack(pair) for pair in zip(points, corners, strict=True)], {"color": GREY, "width": 5})
    _marks(fig, "point", points, {"color": BLUE, "size": 11})
    _marks(fig, "corner", corners, {"color": VERMILLION, "symbol": "diamond", "size": 12})
    _marks(fig, "query", query[None], {"color": INK, "size": 14})
    for code, corner, point in zip(codes, corners, points, strict=True):
        right, up = _free_side(corner, (point, query))
        fig.add_annotation(
            x=corner[0], y=corner[1], text=f"<b>{code}</b>", showarrow=False, xanchor="left" if right > 0 else "right",
            yanchor="bottom" if up > 0 else "top", xshift=8 * right, yshift=4 * up, font=_small(16),
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
    _lines(fig, "stays", stay, {"color": GREY, "width": 2, "dash": "dot"}, xaxis="x2", yaxis="y2")
    _lines(fig, "changes", moved, {"color": VERMILLION, "width": 5}, xaxis="x2", yaxis="y2")
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
        title=_title(f"{len(shown)} of {len(path.hops)} hops: {len(met)} of {len(x)} met"),
        height=560,
        margin={"l": 20, "r": 20, "t": 75, "b": 20},
        legend=ABOVE,
        xaxis={**PLANE, "range": box[:2]},
        yaxis={**PLANE, "range": box[2:], "scaleanchor": "x"},
    )
    _lines(fig, "links", [x[[hop, n]] for hop in shown for n in neighbours[hop]], {"color": GREY, "width": 1})
    _lines(fig, "way", [x[list(step)] for step in steps], {"color": BLUE, "width": 5})
    _marks(fig, "vectors", x[inside], {"color": GREY, "size": 4})
    _marks(fig, "met", x[met], {"color": BLUE, "symbol": "square", "size": 7})
    _marks(fig, "query", asked[None], {"color": INK, "size": 25})  # a rim is left of it where a hop comes to it
    numbers = [str(i + 1) for i in range(len(shown))]
    white = {"color": "white", **_small(12)}
    _marks(fig, "hops", x[shown], {"color": BLUE, **_small(20)}, mode="markers+text", text=numbers, textfont=white)
    return fig


class Setting(NamedTuple):
    """An index with its knob at one place.

    Attributes:
        knob: where it stands.
        read: what is read for a query, as a share of the bytes of all whole vectors.
        value, low, high: what it finds, with an interval.
    """

    knob: float
    read: float
    value: float
    low: float
    high: float


class Tried(NamedTuple):
    """An index with its knob at several places.

    Attributes:
        knob: its name, such as "nprobe"; "" where it has none.
        bytes: that are stored for each vector.
        settings: from little to much.
    """

    knob: str
    bytes: float
    settings: Sequence[Setting]


def frontier(
    indexes: Mapping[str, Tried], metric: str = "recall of the exact ten", title: str = "", span: tuple[float, float] = (0, 1)
) -> "Figure":  # fmt: skip
    """What each index finds over what it reads: a line for each, the knob's places written where there is room.

    Args:
        indexes: name -> the index with its knob at several places.
        metric: what it finds.
        title: what was searched.
        span: of the vertical axis, the same for all figures that are to be compared.
    """
    reads = [setting.read for tried in indexes.values() for setting in tried.settings]
    left, right = math.log10(min(reads)) - 0.15, max(math.log10(max(reads)), 0) + 0.08
    rounds = [factor * 10.0**power for power in range(-9, 3) for factor in (1, 3)]
    fig = figure(
        alt=f"A line with points for each of {', '.join(indexes)}: {metric}, from {span[0]:g} to {span[1]:g}, with whiskers, over the share of the bytes of all vectors that is read for a query, on a "
        f"logarithmic axis from {min(reads):.2g} to {max(reads):.2g}. Points are places of a knob, some with their number. The legend tells the bytes stored of a vector.",
        notice="Better is up, cheaper is left. Ask the figure for the recall that you need, and go left along that height: which index is reached last, and what does it "
        "store? Fewer bytes read are less work, but not always less time: a walk reads here and there, a list in one go.",
        title=title,
        height=600,
        margin={"l": 65, "r": 20, "t": 50, "b": 190},
        legend={**BELOW, "font": _small()},
        xaxis={
            "type": "log", "range": [round(left, 3), round(right, 3)], "title": {"text": "share of the bytes read", "standoff": 5},
            **ticks_at([at for at in rounds if left <= math.log10(at) <= right]),
        },
        yaxis={"range": [span[0], span[1] + 0.03 * (span[1] - span[0])], "title": metric},
    )  # fmt: skip
    lines = []
    for name, tried in indexes.items():
        size = f"{tried.bytes:,.0f}" if tried.bytes >= 10 else f"{tried.bytes:g}"
        knob = f" · {tried.knob}" if tried.knob else ""
        points = [(s.read, s.value, s.low, s.high, f"{s.knob:g}" if knob else "") for s in tried.settings]
        lines.append((f"{name}{knob} · {size} bytes", points))
    _lines_with_labels(fig, lines)
    return fig


def _lines_with_labels(
    fig: "Figure", lines: Sequence[tuple[str, Sequence[tuple[float, float, float, float, str]]]]
) -> None:
    """A line with whiskers for each name, over a logarithmic axis; a label stands where it covers nothing on a narrow page.

    Args:
        fig: with the ranges of its axes.
        lines: name and points: place, value, low, high, label.
    """
    import plotly.graph_objects as go

    (left, right), (bottom, top) = fig.layout.xaxis.range, fig.layout.yaxis.range
    points = [point for _, each in lines for point in each]
    x = [NARROW[0] * (math.log10(point[0]) - left) / (right - left) for point in points]
    y, low, high = ([NARROW[1] * (point[i] - bottom) / (top - bottom) for point in points] for i in (1, 2, 3))
    taken = [(x[i] - 6, min(y[i] - 6, low[i]), x[i] + 6, max(y[i] + 6, high[i])) for i in range(len(points))]
    beside = []
    for i, point in enumerate(points):
        wide = 7 * len(point[4])
        sides = {
            "middle right": (x[i] + 8, y[i] - 7, x[i] + 8 + wide, y[i] + 7),
            "middle left": (x[i] - 8 - wide, y[i] - 7, x[i] - 8, y[i] + 7),
            "top center": (x[i] - wide / 2, y[i] + 7, x[i] + wide / 2, y[i] + 21),
            "bottom center": (x[i] - wide / 2, y[i] - 21, x[i] + wide / 2, y[i] - 7),
        }
        free = [
            side
            for side, box in sides.items()
            if wide and _inside(box) and not any(_meet(box, other) for other in taken)
        ]
        beside.append(free[0] if free else "")
        taken += [sides[free[0]]] if free else []
    for number, (name, each) in enumerate(lines):
        own, beside = beside[: len(each)], beside[len(each) :]
        fig.add_trace(
            go.Scatter(
                x=[_short(point[0]) for point in each], y=_rounded([point[1] for point in each]), mode="lines+markers+text", name=name,
                text=[point[4] if side else "" for point, side in zip(each, own, strict=True)], textfont=_small(12), cliponaxis=False,
                textposition=[side or "top center" for side in own], line={"color": COLORS[number % 7], "dash": DASHES[number % 7], "width": 2},
                marker={"symbol": SYMBOLS[number % 7], "size": 10}, customdata=[point[4] for point in each],
                hovertemplate="%{customdata}: %{y:.3f}",
                error_y={
                    "type": "data", "symmetric": False, "color": "#444444", "thickness": 1.5, "width": 3,
                    "array": _rounded([point[3] - point[1] for point in each]), "arrayminus": _rounded([point[1] - point[2] for point in each]),
                },
            )
        )  # fmt: skip


def _inside(box: tuple[float, ...]) -> bool:
    return box[0] >= 0 and box[2] <= NARROW[0] and box[1] >= 0 and box[3] <= NARROW[1] + 10


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def equal_bytes(
    grid: Mapping[int, Mapping[int, tuple[float, float, float]]], metric: str = "nDCG@10", title: str = ""
) -> "Figure":
    """Quality over bytes, a line for each number of bits; dotted lines join what takes equally many bytes.

    Args:
        grid: bits of a number -> numbers kept -> quality, and its interval: (value, low, high).
        metric: what quality is.
        title: what was searched.
    """
    import plotly.graph_objects as go

    of_size: dict[float, list[tuple[int, int]]] = {}
    for bits, by_dims in grid.items():
        for dims in by_dims:
            of_size.setdefault(dims * bits / 8, []).append((bits, dims))
    equal = {size: each for size, each in sorted(of_size.items()) if len(each) > 1}
    told = "; ".join(f"{size:g} bytes: {', '.join(f'{d} × {b}' for b, d in each)}" for size, each in equal.items())
    fig = figure(
        alt=f"A line for each number of bits, {', '.join(map(str, grid))}: {metric} from 0, with whiskers, over the bytes of a vector, on a logarithmic axis from {min(of_size):g} to {max(of_size):,g}. "
        f"A point is a number of dimensions, some with their number. Points of equally many bytes stand side by side about a dotted line. Dimensions × bits at equal bytes: {told}.",
        notice="Go along a dotted line: which point of it is highest? Where whiskers overlap, the drawing does not settle it. Then ask whether the answer is the same on the left, where bytes "
        "are few, and on the right.",
        title=title,
        height=540,
        margin={"l": 65, "r": 20, "t": 50, "b": 120},
        legend=BELOW,
        xaxis={"type": "log", "title": {"text": "bytes of a vector", "standoff": 5}, **ticks_at(sorted(of_size), apart=3)},
    )  # fmt: skip
    top = max(high for by_dims in grid.values() for _, _, high in by_dims.values())
    fig.update_xaxes(range=[round(math.log10(min(of_size)) - 0.2, 3), round(math.log10(max(of_size)) + 0.2, 3)])
    fig.update_yaxes(range=[0, round(1.08 * top, 3) or 1.0], title=metric)
    for size, each in equal.items():
        heights = [grid[bits][dims][0] for bits, dims in each]
        fig.add_trace(
            go.Scatter(
                x=[size, size], y=_rounded([min(heights), max(heights)]), mode="lines", line={"color": GREY, "dash": "dot", "width": 2},
                showlegend=False, hoverinfo="skip", name=f"{size:g} bytes",
            )
        )  # fmt: skip
    lines = []
    for i, (bits, by_dims) in enumerate(grid.items()):
        aside = 2 ** (0.14 * (i - (len(grid) - 1) / 2))  # whiskers stand side by side, not upon one another
        points = [(dims * bits / 8 * aside, *by_dims[dims], str(dims)) for dims in sorted(by_dims)]
        lines.append(("1 bit" if bits == 1 else f"{bits} bits", points))
    _lines_with_labels(fig, lines)
    return fig


def read_on_average(sizes: Sequence[int]) -> float:
    """How many vectors one opened list holds on average, if queries fall as vectors do: Σ n² / Σ n, 0 where there are none."""
    return float(np.square(np.asarray(sizes, dtype=float)).sum() / max(sum(sizes), 1))


def lists_by_size(sizes: Mapping[str, Sequence[int]]) -> "Figure":
    """The broken case: the lists of some indexes from the longest to the shortest, and what one probe reads.

    Args:
        sizes: on what the cells were trained -> the length of each list.
    """
    import plotly.graph_objects as go

    ranked = {name: sorted(map(int, each), reverse=True) for name, each in sizes.items()}
    longest, most = (max(measure(each) for each in ranked.values()) for measure in (len, max))
    means = {name: sum(each) / len(each) for name, each in ranked.items()}
    told = [
        f"{name}: longest {each[0]:,}, a probe reads {read_on_average(each):,.0f} of {sum(each):,}, "
        f"{read_on_average(each) / means[name] if means[name] else 0:.1f} equal shares"
        for name, each in ranked.items()
    ]
    lines = [_in_lines(each) for each in told]
    height = (_small()["size"] + 5) * sum(1 + each.count("<br>") for each in lines) + 10
    fig = figure(
        alt=f"For each of {', '.join(ranked)} a line over the lists of an index, from the longest to the shortest: how many vectors stand in each, from 0. "
        f"A thin line marks {', '.join(f'{mean:,.0f}' for mean in dict.fromkeys(means.values()))}, what each would hold if all were equal. Above stands how many vectors a probe reads on average.",
        notice="The area under the lines is the same, but a query falls where vectors are: a list with twice as many is opened twice as often, and each time costs twice as much. That is why the "
        "sum of squares counts, if queries are like the vectors.",
        title=_title("lists, the longest first"),
        height=420 + height,
        margin={"l": 65, "r": 20, "t": 40 + height, "b": 110},
        legend=BELOW,
        xaxis={"title": {"text": "list", "standoff": 5}, "range": [0.5, longest + 0.5]},
        yaxis={"title": "vectors", "range": [0, round(1.08 * max(most, 1), 1)]},
    )  # fmt: skip
    looks = ((BLUE, "solid", "circle"), (VERMILLION, "dash", "triangle-up"), (GREEN, "dot", "square"))
    for i, (name, each) in enumerate(ranked.items()):
        color, dash, symbol = looks[i % len(looks)]
        fig.add_trace(
            go.Scatter(
                x=[number + 1 for number in range(len(each))], y=each, mode="lines+markers", name=name, line={"color": color, "dash": dash, "width": 3},
                marker={"symbol": symbol, "size": 10},
            )
        )  # fmt: skip
    for mean in dict.fromkeys(means.values()):
        _lines(
            fig,
            f"equal shares, {mean:,.0f}",
            [np.array([[0.5, mean], [longest + 0.5, mean]])],
            {"color": INK, "width": 1.5, "dash": "dot"},
        )
    fig.update_traces(showlegend=True)
    _note(fig, 1, "<br>".join(lines), yanchor="bottom", yshift=6)
    return fig


def read_scale() -> dict[str, Any]:
    """The record of the pipeline on collections of 10,000 to 8.8 million passages."""
    record: dict[str, Any] = json.loads(SCALE.read_text("utf-8"))
    return record


class Costs(NamedTuple):
    """What was measured of one thing at several sizes of a collection.

    Attributes:
        passages: ascending.
        values: one for each.
    """

    passages: list[int]
    values: list[float]

    def at(self, passages: float) -> tuple[float, float]:
        """What it would be at another size, computed: by the slope of the last two measured sizes, and in proportion to the last one."""
        (a, b), (low, high) = self.passages[-2:], self.values[-2:]
        slope = math.log(high / low) / math.log(b / a)
        return high * (passages / b) ** slope, high * passages / b


def costs(record: Mapping[str, Any]) -> dict[str, dict[str, Costs]]:
    """From the record: what is counted -> of what -> its costs.

    Seconds are CPU seconds: of encoding for "vectors", of building for an index. Milliseconds are those of one query,
    scored again by whole vectors.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}

    def add(what: str, of: str, size: int, value: float) -> None:
        found.setdefault(what, {}).setdefault(of, {})[size] = float(value)

    for size, one in sorted((int(size), one) for size, one in record["sizes"].items()):
        kind = {"ivfpq": "IVF-PQ", "hnsw": "HNSW", "flat": "flat"}[one["index"]["kind"]]
        add("CPU time to encode or build", "vectors", size, one["stages"]["encode"]["cpu_seconds"])
        add("bytes on disk", "vectors", size, one["stages"]["encode"]["bytes"])
        built = {kind: (one["stages"]["index"], one["latency"])}
        if "hnsw" in one:
            built["HNSW"] = one["hnsw"]["index"], one["hnsw"]["latency"]
        for name, (stage, latency) in built.items():
            add("CPU time to encode or build", name, size, stage["cpu_seconds"])
            add("time of one query", name, size, latency["whole_ms"])
            add("bytes on disk", name, size, stage["bytes"])
    return {what: {of: Costs(list(each), list(each.values())) for of, each in found[what].items()} for what in UNITS}


UNITS: dict[str, dict[float, str]] = {  # ticks of a logarithmic axis; of seconds, milliseconds and bytes
    "CPU time to encode or build": {
        1: "1 s",
        10: "10 s",
        60: "1 min",
        600: "10 min",
        3_600: "1 h",
        36_000: "10 h",
        864_000: "10 days",
    },
    "time of one query": {1: "1 ms", 10: "10 ms", 100: "0.1 s", 1_000: "1 s"},
    "bytes on disk": {1e6: "1 MB", 1e8: "100 MB", 1e10: "10 GB", 1e12: "1 TB"},
}
OF = {"vectors": (BLUE, "circle"), "IVF-PQ": (GREEN, "square"), "HNSW": (PINK, "diamond"), "flat": (GREY, "x")}


def cost_curve(record: Mapping[str, Any]) -> "Figure":
    """What encoding, building and searching cost by the size of the collection, and what a billion would, by computation.

    Args:
        record: as from `read_scale`.
    """
    import plotly.graph_objects as go

    panels = costs(record)
    sizes = sorted({size for panel in panels.values() for each in panel.values() for size in each.passages})
    last = sizes[-1]
    left, right = math.log10(sizes[0]) - 0.2, math.log10(FAR) + 0.2
    powers = {10**p: f"10<sup>{p}</sup>" for p in range(3, 10) if 10**p <= last}
    ticks = {size: powers.get(size, f"{size / 10**6:g} M") for size in sizes} | {FAR: "10<sup>9</sup>"}
    fig = figure(
        alt=f"{len(panels)} plots one below the other over the number of passages, on logarithmic axes: {', '.join(panels)}. Filled marks on lines were measured, at "
        f"{', '.join(f'{size:,}' for size in sizes)}. Dashed grey lines go up in proportion to the passages. In the shaded part, up to a billion, nothing was measured: dotted lines go on with the slope of the last two "
        "sizes and end in hollow marks.",
        notice="Compare slopes: a line as steep as the dashed ones pays the same for each passage, a flatter one pays less. What takes a fixed time to start makes the left end flat. Up to a billion the "
        "two rules bracket a guess, no more: memory and disks of such a machine are not in them. HNSW was built up to a million passages; its larger collections are several graphs, so it is not drawn further.",
        title=_title("what more passages cost"),
        height=1000,
        margin={"l": 70, "r": 20, "t": 70, "b": 55},
        legend=ABOVE,
    )
    axis = {
        "type": "log",
        "range": [round(left, 3), round(right, 3)],
        "tickmode": "array",
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }
    tall = 1 / len(panels)
    for row, (what, panel) in enumerate(panels.items()):
        suffix, top = "" if row == 0 else str(row + 1), 1 - row * tall
        name = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        far = {of: each.at(FAR) for of, each in panel.items() if each.passages[-1] == last}
        every = [
            *(value for each in panel.values() for value in each.values),
            *(value for ends in far.values() for value in ends),
        ]
        ends = math.log10(min(every)) - 0.15, math.log10(max(every)) + 0.15
        marks = {value: text for value, text in UNITS[what].items() if ends[0] <= math.log10(value) <= ends[1]}
        fig.update_layout(
            {
                f"xaxis{suffix}": {**axis, "anchor": name["yaxis"]},
                f"yaxis{suffix}": {
                    "type": "log", "domain": [round(top - tall + 0.045, 4), round(top - 0.055, 4)], "anchor": name["xaxis"],
                    "range": [round(end, 3) for end in ends], "tickmode": "array", "tickvals": list(marks), "ticktext": list(marks.values()),
                },
            }
        )  # fmt: skip
        fig.add_shape(
            type="rect", x0=last, x1=10**right, xref=name["xaxis"], y0=0, y1=1, yref=f"{name['yaxis']} domain", layer="below",
            fillcolor="rgba(138,138,138,0.15)", line={"width": 0},
        )  # fmt: skip
        for of, each in panel.items():
            color, symbol = OF[of]
            if of in far:
                guide = [sizes[0], FAR]
                fig.add_trace(
                    go.Scatter(
                        x=guide, y=[_short(each.values[-1] * size / last) for size in guide], mode="lines", line={"color": GREY, "dash": "dash", "width": 1},
                        name=f"{of} in proportion", showlegend=False, hoverinfo="skip", **name,
                    )
                )  # fmt: skip
                fig.add_trace(
                    go.Scatter(
                        x=[last, FAR], y=[_short(each.values[-1]), _short(far[of][0])], mode="lines+markers", name=f"{of}, computed", showlegend=False,
                        line={"color": color, "dash": "dot", "width": 3}, marker={"symbol": f"{symbol}-open", "size": [0, 11], "line": {"width": 2}}, **name,
                    )
                )  # fmt: skip
            fig.add_trace(
                go.Scatter(
                    x=each.passages, y=[_short(value) for value in each.values], mode="lines+markers", name=of, showlegend=row == 0, legendgroup=of,
                    line={"color": color, "width": 3}, marker={"symbol": symbol, "size": 10}, **name,
                )
            )  # fmt: skip
        told = "; ".join(f"{of} {_between(what, *far[of])}".replace(" ", TOGETHER) for of in far)
        told = _in_lines(f"{what}. A billion, computed: {told}").replace(what, f"<b>{what}</b>")
        _note(fig, 1, told, yref=f"{name['yaxis']} domain", yanchor="bottom", yshift=4)
        middle: dict[str, Any] = {"x": (math.log10(last) + right) / 2, "xref": name["xaxis"], "xanchor": "center"}
        _note(fig, 0, "computed", **middle, yref=f"{name['yaxis']} domain", yanchor="bottom")
    fig.update_layout({f"xaxis{len(panels)}": {"title": {"text": "passages", "standoff": 5}}})
    return fig


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _between(what: str, low: float, high: float) -> str:
    """Two amounts in words, in the unit of the smaller one."""
    if what == "bytes on disk":
        units: list[tuple[float, str]] = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1, "bytes")]
    elif what == "time of one query":
        units = [(1_000, "s"), (1, "ms")]
    else:
        units = [(86_400, "days"), (3_600, "h"), (60, "min"), (1, "s")]
    low, high = sorted((low, high))
    size, unit = next(((size, unit) for size, unit in units if low >= size), units[-1])
    return " to ".join(dict.fromkeys(f"{float(f'{value / size:.2g}'):,g}" for value in (low, high))) + f" {unit}"
