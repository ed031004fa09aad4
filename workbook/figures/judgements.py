"""The figures of chapter 19: ten hits of which nobody has read half, and a comparison judged by one of the compared.

Each takes numbers and returns a plotly Figure.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbook.figures.parts import (
    ABOVE,
    HIDDEN,
    in_few_lines,
    marks_at,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import BLUE, GREEN, GREY, INK, ORANGE, VERMILLION, figure, short, stacked, ticks_at
from workbook.support.checks import check_choice

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RIGHT, WRONG, HOLE = "judged right", "judged wrong", "not judged"
MARKS = {  # colour, symbol
    RIGHT: (BLUE, "square"),
    WRONG: (VERMILLION, "x"),
    HOLE: (GREY, "square-open"),
}
LINES = ((ORANGE, "solid", "square"), (BLUE, "solid", "circle"), (GREEN, "dash", "diamond"))


class Pool(NamedTuple):
    """What a pool of judgements says.

    Attributes:
        depth: how many of the rival's first hits were judged.
        queries: how many have a right passage among these; the others cannot be measured.
        values: line -> mean over these queries.
        hits: of one query, the state of each of the newcomer's first hits: RIGHT, WRONG or HOLE.
    """

    depth: int
    queries: int
    values: Mapping[str, float]
    hits: Sequence[str]


def ten_hits(hits: Sequence[str]) -> "Figure":
    """The central object: the first hits of one query with what is known of them, and the bounds of precision that follow.

    Args:
        hits: RIGHT, WRONG or HOLE of each, best first.
    """
    _check(hits)
    counts, n = Counter(hits), len(hits)
    low, high = counts[RIGHT] / n, (counts[RIGHT] + counts[HOLE]) / n
    height, (strip, bounds) = _rows(96, 90)
    fig = figure(
        alt=f"{n} marks in a row, one for each hit: {_told(counts)}. Below, an axis from 0 to 1 with a bar between two ends.",
        notice="The bar is all that these judgements say: whoever reads the open squares moves its ends together. Count the squares: where do you expect the truth, and why?",
        title=title_at_top(f"{n} hits, {counts[HOLE]} of them never read"),
        height=height,
        margin={"l": 20, "r": 20, "t": 70, "b": 60},
        legend=ABOVE,
        xaxis={"range": [0.4, n + 0.6], **HIDDEN},
        yaxis={"range": [-1, 1], "domain": strip, **HIDDEN},
        xaxis2={"range": [-0.02, 1.02], "anchor": "y2", "title": {"text": f"precision@{n}", "standoff": 5}, "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1]},
        yaxis2={"range": [-1, 1], "domain": bounds, **HIDDEN},
    )  # fmt: skip
    _strip(fig, hits, "x", "y")
    fig.add_shape(
        type="rect", x0=low, x1=high, y0=-0.3, y1=0.3, xref="x2", yref="y2", fillcolor=GREY, opacity=0.4, line_width=0
    )
    for value, told in ((low, f"holes wrong: {short(low)}"), (high, f"holes right: {short(high)}")):
        fig.add_shape(
            type="line", x0=value, x1=value, y0=-0.6, y1=0.6, xref="x2", yref="y2", line={"color": INK, "width": 3}
        )
        anchor = "right" if value == low and low < high else "left"
        note_below(fig, 0.95, told, value, xref="x2", yref="y2", xanchor=anchor)
    return fig


def judged_by_its_rival(
    depth: int, pools: Sequence[Pool], truth: Mapping[str, float], query: str = "", metric: str = "nDCG@10"
) -> "Figure":
    """The signature: quality over the depth of the pool, the truth at the right edge, and one query's hits.

    Args:
        depth: of the pool that is looked at.
        pools: by ascending depth; all have the same lines, the rival's first and the newcomer's second.
        truth: line -> its true mean over all queries, where it has one.
        query: whose hits are shown.
        metric: what quality is.
    """
    import plotly.graph_objects as go

    by_depth = {pool.depth: pool for pool in pools}
    check_choice("depth", depth, tuple(by_depth))
    at, names, most = by_depth[depth], list(pools[0].values), max(pool.queries for pool in pools)
    for pool in pools:
        _check(pool.hits)
    told = in_few_lines(_sentence(at, names, most, query))
    below = (small_letters()["size"] + 5) * (1 + told.count("<br>"))
    height, (plot, _, strip) = _rows(290, 70, 60)
    first, last = math.log10(pools[0].depth), math.log10(pools[-1].depth)
    fig = figure(
        alt=(
            f"Lines of {metric} for {', '.join(names)} over the depth of the pool, {pools[0].depth} to {pools[-1].depth} on a logarithmic axis, with a mark at the right "
            f"edge for the truth of {', '.join(truth)}. An upright line marks a depth. Below, {len(at.hits)} marks: one query's hits of {names[1]}, by what is known of them."
        ),
        notice="Go from left to right: where do the two full lines cross, and where do their marks at the right edge stand? The number of queries falls on the left, for where the rival found nothing right there is nothing to be measured by.",
        title=title_at_top(f"judged are the first hits of {names[0]}"),
        height=height + below,
        margin={"l": 65, "r": 75, "t": 90, "b": 25 + below},
        legend=ABOVE,
        xaxis={
            "type": "log", "title": {"text": "depth of the pool", "standoff": 3}, **ticks_at([pool.depth for pool in pools]), "tickangle": 0,
            "range": [round(first - 0.06, 3), round(last + 0.12, 3)], "anchor": "y",
        },
        yaxis={"range": [0, 1.04], "domain": plot, "title": metric},
        xaxis2={"range": [0.4, max(len(at.hits), 1) + 0.6], "anchor": "y2", **HIDDEN},
        yaxis2={"range": [-1, 1], "domain": strip, **HIDDEN},
    )  # fmt: skip
    fig.add_vline(x=depth, line={"color": INK, "width": 2, "dash": "dot"}, yref="y")
    for name, (color, dash, symbol) in zip(names, LINES, strict=False):
        fig.add_trace(
            go.Scatter(
                x=[pool.depth for pool in pools], y=rounded([pool.values[name] for pool in pools]), name=name, mode="lines+markers",
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 9},
                hovertemplate="depth %{x}: %{y:.3f}",
            )
        )  # fmt: skip
        if name in truth:
            marks_at(
                fig, f"{name}, in truth", np.array([[10 ** (last + 0.1), truth[name]]]),
                {"symbol": "line-ew-open", "size": 22, "color": color, "line": {"width": 5}}, showlegend=False,
            )  # fmt: skip
            note_below(fig, truth[name], f"{short(truth[name])} true", 1.01, yref="y", yanchor="middle")
    _strip(fig, at.hits, "x2", "y2")
    note_below(fig, 0, told, xshift=-45, yshift=-8)
    return fig


def _rows(*pixels: int) -> tuple[int, list[list[float]]]:
    total, domains = stacked(*pixels)
    return total + 160, domains


def _check(hits: Sequence[str]) -> None:
    for hit in hits:
        check_choice("hit", hit, tuple(MARKS))


def _strip(fig: "Figure", hits: Sequence[str], x: str, y: str) -> None:
    """One mark for each hit, its rank below it."""
    for state, (color, symbol) in MARKS.items():
        places = np.array([[rank, 0.25] for rank, hit in enumerate(hits, start=1) if hit == state])
        marker = {"symbol": symbol, "size": 22, "color": color, "line": {"width": 3, "color": color}}
        marks_at(fig, state, places.reshape(-1, 2), marker, xaxis=x, yaxis=y)
    for rank in range(1, len(hits) + 1):
        note_below(fig, -0.5, str(rank), rank, xref=x, yref=y, xanchor="center", yanchor="middle")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in MARKS)


def _sentence(at: Pool, names: Sequence[str], most: int, query: str) -> str:
    rival, newcomer = (at.values[name] for name in names[:2])
    ahead = names[0] if rival > newcomer else names[1]
    whose = f" “{query}”: {_told(Counter(at.hits))}." if query else ""
    return (
        f"Depth {at.depth}: {at.queries} of {most} queries can be measured; {names[0]} {short(rival)}, {names[1]} {short(newcomer)}, so {ahead} leads."
        f"{whose}"
    )
