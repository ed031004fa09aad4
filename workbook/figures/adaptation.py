"""The figures of chapter 18: a thin product, and what a training gains on one domain and loses on another.

Each takes numbers and returns a plotly Figure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.parts import (
    ABOVE,
    HIDDEN,
    in_few_lines,
    lines_through,
    marks_at,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    SKY,
    SYMBOLS,
    VERMILLION,
    figure,
    short,
    stacked,
    ticks_at,
)
from workbook.support.checks import check_choice

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Path = Sequence[tuple[float, float]]  # (old, new) at each look, the start first
SIGNED = [[0, BLUE], [0.5, "#FFFFFF"], [1, VERMILLION]]
MOST_NUMBERS = 64  # that are written into cells
MIXTURE = "average with the start"
COLOURS = (ORANGE, VERMILLION, PINK, GREEN, SKY)
RANKS = (1, 3, 10, 30, 100, 300, 1000)


class Place(NamedTuple):
    """Where a model stands: (mean, low, high) on the old domain and on the new one."""

    old: tuple[float, float, float]
    new: tuple[float, float, float]


def thin_product(lora_B: Any, lora_A: Any, scale: float) -> "Figure":
    """The central object: B beside the update and A above it, as in a multiplication table.

    Args:
        lora_B: (D_out, r).
        lora_A: (r, D_in).
        scale: alpha / r.
    Raises:
        ValueError: the two do not fit together.
    """
    left, above = (np.asarray(each, dtype=float) for each in (lora_B, lora_A))
    if left.ndim != 2 or above.ndim != 2 or left.shape[1] != above.shape[0]:
        raise ValueError(f"expected B (D_out, r) and A (r, D_in), got {left.shape} and {above.shape}")
    (rows, r), columns = left.shape, above.shape[1]
    update = scale * left @ above
    few, many = left.size + above.size, update.size
    told = in_few_lines(f"Each cell is {scale:g} times its row's B times its column's A{', summed over r' if r > 1 else ''}: {few} numbers make {many}.")  # fmt: skip
    below = (small_letters()["size"] + 5) * (1 + told.count("<br>"))
    fig = figure(
        alt=f"A grid of {rows} rows and {columns} columns. On its left B, {rows} by {r}; above it A, {r} by {columns}. Each cell has its number, blue below 0 and red above.",
        notice="Take any two rows of the grid: what has the one to be multiplied with to give the other? A column under a zero of A is empty, whatever B holds.",
        title=title_at_top(f"rank {r}: {few} numbers for {many}"),
        height=120 + 46 * (rows + r) + below,
        margin={"l": 20, "r": 20, "t": 60, "b": 20 + below},
        xaxis={"range": [-r - 1.1, columns - 0.4], **HIDDEN},
        yaxis={"range": [rows + 0.1, -r - 1.1], **HIDDEN},
    )
    largest = float(max(np.abs(each).max() for each in (left, above, update))) or 1.0
    for name, cells, x, y in (("B", left, -r - 0.5, 0.0), ("A", above, 0.0, -r - 0.5), ("update", update, 0.0, 0.0)):
        _cells(fig, name, cells, x, y, largest)
    for name, x, y in ((f"B ({rows}, {r})", -r / 2 - 1, rows - 0.2), (f"A ({r}, {columns})", -0.7, -r / 2 - 1)):
        note_below(fig, y, name, x, xref="x", yref="y", xanchor="center" if y > 0 else "right", yanchor="middle")
    note_below(fig, 0, told, yshift=-10)
    return fig


def plane_of_domains(paths: Mapping[str, Path], metric: str = "nDCG@10", title: str = "") -> "Figure":
    """The broken case: paths of several trainings that begin at one place, in the plane of what is kept and what is gained.

    Args:
        paths: name -> its places after some steps, the common start first.
        metric: what quality is.
        title: what is compared.
    Raises:
        ValueError: a path has no place, or begins elsewhere.
    """
    start = _start_of(paths)
    fig = figure(
        alt=f"A plane with equal scales: {metric} on the old domain to the right, on the new one upwards. A ring marks the start, a dashed upright line what it has on the old domain. "
        f"From the ring paths with marks lead to the ends of {len(paths)} trainings: {', '.join(paths)}.",
        notice="Right of the dashed line nothing is forgotten, above the ring something is learned. Follow each path from the ring: in which direction does it set out, and does it turn?",
        title=title_at_top(title),
        height=560,
        margin={"l": 70, "r": 30, "t": 120, "b": 60},
        legend=ABOVE,
        **_axes(metric, [place for path in paths.values() for place in path]),
    )  # fmt: skip
    _draw_paths(fig, paths)
    _draw_start(fig, start)
    return fig


def there_and_back(
    alpha: float,
    mixture: Mapping[float, Place],
    paths: Mapping[str, Path],
    ranks: Mapping[str, Mapping[float, int]],
    metric: str = "nDCG@10",
) -> "Figure":
    """The signature: paths away from a start, the average that leads back, and what single queries make of it.

    Args:
        alpha: share of the adapted weights that is looked at.
        mixture: share -> where the average stands; 0 is the start and 1 the adapted model.
        paths: as in `plane_of_domains`; all begin at the start.
        ranks: query -> share -> rank of its right passage.
        metric: what quality is.
    Raises:
        ValueError: alpha is none of the mixture's shares, these lack 0 or 1, or as `plane_of_domains`.
    """
    check_choice("alpha", alpha, tuple(mixture))
    if not {0, 1} <= mixture.keys():
        raise ValueError(f"the mixture needs the shares 0 and 1, got {', '.join(map(str, mixture))}")
    _start_of(paths)
    shares = sorted(mixture)
    told = {share: _sentences(share, mixture, ranks) for share in shares}
    lines = max(text.count("<br>") + 1 for text in told.values())  # as many as any share needs, so that nothing moves
    below = (small_letters()["size"] + 6) * lines + 10
    height, rows = stacked(380, 75, 190)
    ends = [(x, y) for place in mixture.values() for x, y in zip(place.old, place.new, strict=True)]
    fig = figure(
        alt=f"Above, a plane with equal scales: {metric} on the old domain to the right, on the new one upwards. A ring marks the start, a dashed upright line what it has on the old domain; "
        f"paths lead to the ends of {', '.join(paths)}, and a dotted line straight from the start to one of them. A mark with whiskers is the average at a share, 0 to 1. Below, ranks of {len(ranks)} queries over the share, rank 1 on top.",
        notice="Does the mark keep to the dotted line? Compare it with the ends of the other paths: which training would have brought you to the same place? Below, follow each letter: at which share does its rank change most?",
        title=title_at_top(f"{alpha:g} of the adapted weights"),
        height=height + 200 + below,
        margin={"l": 70, "r": 30, "t": 160, "b": 40 + below},
        legend=ABOVE,
        **_axes(metric, [*ends, *(place for path in paths.values() for place in path)], rows[0]),
        xaxis2={"range": [-0.03, 1.1], "tickvals": [0, 0.25, 0.5, 0.75, 1], "anchor": "y2", "zeroline": False, "title": {"text": "share of the adapted weights", "standoff": 4}},
        yaxis2={"domain": rows[2], "anchor": "x2", "type": "log", "title": "rank", **_ranks(ranks)},
    )  # fmt: skip
    _draw_paths(fig, paths)
    before, after = ((mixture[share].old[0], mixture[share].new[0]) for share in (0, 1))
    lines_through(fig, "straight", [np.array([before, after])], {"color": INK, "width": 1.5, "dash": "dot"})
    _draw_start(fig, before)
    _draw_mixture(fig, mixture, [share for share in shares if share <= alpha])
    _draw_ranks(fig, ranks, [share for share in shares if share <= alpha])
    note_below(fig, 0, told[alpha], xshift=-45, yshift=-50)
    return fig


def _cells(fig: "Figure", name: str, cells: np.ndarray, x: float, y: float, largest: float) -> None:
    """A block of cells, its first at (x, y)."""
    import plotly.graph_objects as go

    written = [[f"{value:g}" for value in row] for row in (cells.round(2) + 0.0).tolist()]
    fig.add_trace(
        go.Heatmap(
            z=(cells.round(4) + 0.0).tolist(), x=[x + i for i in range(cells.shape[1])], y=[y + i for i in range(cells.shape[0])],
            name=name, zmin=-largest, zmax=largest, colorscale=SIGNED, showscale=False, xgap=2, ygap=2, hoverinfo="skip",
            **({"text": written, "texttemplate": "%{text}", "textfont": {"size": 16}} if cells.size <= MOST_NUMBERS else {}),
        )
    )  # fmt: skip


def _start_of(paths: Mapping[str, Path]) -> tuple[float, float]:
    starts = {tuple(path[0]) if path else None for path in paths.values()}
    if len(starts) != 1 or None in starts:
        raise ValueError(f"all paths must begin at one place, got {len(starts)} starts of {len(paths)} paths")
    ((old, new),) = [start for start in starts if start is not None]
    return old, new


def _axes(metric: str, places: Iterable[tuple[float, float]], domain: Sequence[float] = (0, 1)) -> dict[str, Any]:
    """Equal scales: both axes span the same, around what is drawn."""
    columns = np.array(list(places), dtype=float)
    low, high = columns.min(axis=0), columns.max(axis=0)
    half = 0.56 * float(max((high - low).max(), 0.02))
    middle = (low + high) / 2
    ranges = [[round(float(m - half), 4), round(float(m + half), 4)] for m in middle]
    shared = {"constrain": "domain", "zeroline": False}
    return {
        "xaxis": {**shared, "range": ranges[0], "anchor": "y", "title": {"text": f"{metric}, old domain", "standoff": 4}},
        "yaxis": {**shared, "range": ranges[1], "scaleanchor": "x", "domain": list(domain), "title": f"{metric}, new domain"},
    }  # fmt: skip


def _draw_start(fig: "Figure", start: tuple[float, float]) -> None:
    fig.add_vline(x=round(start[0], 4), line={"color": GREY, "width": 2, "dash": "dash"}, yref="y")
    marker = {"symbol": "circle-open", "size": 20, "color": INK, "line": {"width": 3}}
    marks_at(fig, "start", np.array([start]), marker, showlegend=False)


def _draw_paths(fig: "Figure", paths: Mapping[str, Path]) -> None:
    import plotly.graph_objects as go

    for number, (name, path) in enumerate(paths.items()):
        look = number % len(COLOURS)
        sizes = [0] * (len(path) > 1) + [7] * (len(path) - 2) + [13]  # the start has its ring, the end a large mark
        fig.add_trace(
            go.Scatter(
                x=rounded([old for old, _ in path]), y=rounded([new for _, new in path]), name=name, mode="lines+markers",
                line={"color": COLOURS[look], "dash": DASHES[look], "width": 2.5},
                marker={"symbol": SYMBOLS[look], "size": sizes, "line": {"color": INK, "width": 1}},
                hovertemplate="old %{x:.3f}, new %{y:.3f}",
            )
        )  # fmt: skip


def _draw_mixture(fig: "Figure", mixture: Mapping[float, Place], shares: Sequence[float]) -> None:
    """The way so far, and at its end a mark with an interval in each direction."""
    import plotly.graph_objects as go

    here = mixture[shares[-1]]
    way = np.array([[mixture[share].old[0], mixture[share].new[0]] for share in shares])
    lines_through(fig, "average, so far", [way], {"color": BLUE, "width": 4})
    bars = {
        name: {
            "type": "data", "symmetric": False, "color": BLUE, "thickness": 2,
            "array": rounded([of[2] - of[0]]), "arrayminus": rounded([of[0] - of[1]]),
        }
        for name, of in (("error_x", here.old), ("error_y", here.new))
    }  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=rounded([here.old[0]]), y=rounded([here.new[0]]), name=MIXTURE, mode="markers", hoverinfo="skip",
            marker={"symbol": "circle", "size": 13, "color": BLUE}, **bars,
        )
    )  # fmt: skip


def _draw_ranks(fig: "Figure", ranks: Mapping[str, Mapping[float, int]], shares: Sequence[float]) -> None:
    """A line for each query up to the present share, its letter at the end."""
    import plotly.graph_objects as go

    for letter, of in zip("abcdefgh", ranks.values(), strict=False):
        look = "abcdefgh".index(letter)
        fig.add_trace(
            go.Scatter(
                x=list(shares), y=[of[share] for share in shares], mode="lines+markers+text", name=letter, showlegend=False,
                text=[""] * (len(shares) - 1) + [letter], textposition="middle right", textfont=small_letters(16),
                line={"color": INK, "width": 2, "dash": DASHES[look % 6]}, marker={"symbol": SYMBOLS[look % 7], "size": 8, "color": INK},
                hovertemplate="rank %{y}", xaxis="x2", yaxis="y2",
            )
        )  # fmt: skip


def _ranks(ranks: Mapping[str, Mapping[float, int]]) -> dict[str, Any]:
    """Rank 1 on top, down to the lowest that is met."""
    lowest = max((rank for of in ranks.values() for rank in of.values()), default=10)
    ticks = [rank for rank in RANKS if rank <= 1.3 * lowest]
    return {"range": [round(math.log10(lowest) + 0.15, 3), -0.15], **ticks_at(ticks)}


def _sentences(alpha: float, mixture: Mapping[float, Place], ranks: Mapping[str, Mapping[float, int]]) -> str:
    here, before, after = mixture[alpha], mixture[0], mixture[1]
    told = f"α = {alpha:g}: old {short(here.old[0])}, new {short(here.new[0])}; adapted: {short(after.old[0])}, {short(after.new[0])}."
    gain, loss = after.new[0] - before.new[0], before.old[0] - after.old[0]
    if gain > 0 and loss > 0:
        told += f" That is {(here.new[0] - before.new[0]) / gain:.0%} of the gain for {(before.old[0] - here.old[0]) / loss:.0%} of the loss."
    asked = (
        in_few_lines(f"{letter} “{query}”: rank {of[0]}, here {of[alpha]}")
        for letter, (query, of) in zip("abcdefgh", ranks.items(), strict=False)
    )
    return "<br>".join([in_few_lines(told), *asked])
