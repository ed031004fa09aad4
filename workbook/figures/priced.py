"""Quality over price, the figure that chapters 14 and 15 share: bytes of a passage, milliseconds of a pair.

It takes numbers and returns a plotly Figure.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from workbook.figures.parts import rounded
from workbook.figures.theme import BLUE, INK, ORANGE, SKY, figure, in_lines, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KINDS = {  # of systems: colour and symbol
    "BM25": (ORANGE, "square"), "dense": (BLUE, "circle"), "late interaction": (BLUE, "diamond"), "cross-encoder": (SKY, "star"),
}  # fmt: skip


class Priced(NamedTuple):
    """A system, or a way to keep a passage: its price, what it finds with its interval, and what it is, one of `KINDS`."""

    price: float
    value: float
    low: float
    high: float
    kind: str


def quality_and_price(
    systems: Mapping[str, Priced], price: str = "milliseconds per pair", metric: str = "nDCG@10", title: str = ""
) -> "Figure":
    """Quality over price: a numbered point with its whiskers for each system, named below the axis.

    Args:
        systems: name -> what it costs and what it finds.
        price: what it costs, with its unit.
        metric: what quality is.
        title: what was searched.
    """
    import plotly.graph_objects as go

    if wrong := [name for name, each in systems.items() if each.kind not in KINDS or not each.price > 0]:
        raise ValueError(f"a system must have a price above 0 and a kind of {', '.join(KINDS)}; {wrong[0]!r} has not")
    points = sorted(systems.items(), key=lambda item: item[1].price)
    prices = [each.price for _, each in points]
    left, right = math.log10(prices[0]) - 0.25, math.log10(prices[-1]) + 0.25
    bottom = math.floor(10 * min(each.low for _, each in points)) / 10
    top = max(math.ceil(10 * max(each.high for _, each in points)) / 10, bottom + 0.1)
    names = [in_lines(f"{number} · {name}", 40) for number, (name, _) in enumerate(points, start=1)]
    below = sum(22 * (1 + name.count("<br>")) for name in names)
    fig = figure(
        alt=f"Numbered points over {price}, on a logarithmic axis from {prices[0]:,.3g} to {prices[-1]:,.3g}; the height is {metric}, from {bottom:g} to {top:g}, with whiskers. From left to right: "
        f"{', '.join(name for name, _ in points)}.",
        notice="Better is up, cheaper is left. A step to the right costs a factor, not a sum: ask of each point what it adds over the one left of it, and how many times as much it takes. "
        "Where whiskers overlap, this drawing does not settle the order.",
        title=title,
        height=420 + below,
        margin={"l": 70, "r": 25, "t": 50, "b": 85 + below},
        legend={"orientation": "v", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0, "itemclick": False, "itemdoubleclick": False, "bgcolor": "rgba(255,255,255,0)"},
        xaxis={"type": "log", "title": {"text": price, "standoff": 5}, "range": [round(left, 3), round(right, 3)], **ticks_at(_three(prices), apart=1.6)},
        yaxis={"title": metric, "range": [round(bottom, 1), round(top, 1)]},
    )  # fmt: skip
    pixels = [
        (300 * (math.log10(each.price) - left) / (right - left), 280 * (each.value - bottom) / (top - bottom))
        for _, each in points
    ]
    for number, ((_, each), name, side) in enumerate(zip(points, names, _free_sides(pixels), strict=True), start=1):
        color, symbol = KINDS[each.kind]
        fig.add_trace(
            go.Scatter(
                x=[float(f"{each.price:.4g}")], y=[round(each.value, 4)], mode="markers+text", text=[f"<b>{number}</b>"], name=name, textposition=side,
                cliponaxis=False, marker={"size": 15, "color": color, "symbol": symbol, "line": {"color": INK, "width": 1.5}},
                hovertemplate="%{x}, %{y:.3f}",
                error_y={
                    "type": "data", "symmetric": False, "array": rounded([each.high - each.value]), "arrayminus": rounded([each.value - each.low]),
                    "color": "#444444",
                },
            )
        )  # fmt: skip
    return fig


def _three(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


def _free_sides(places: Sequence[tuple[float, float]]) -> list[str]:
    """Beside each mark the side where a number covers no other mark and no other number; right where none is free.

    Whiskers stand above and below marks, so numbers stand left and right.

    Args:
        places: of the marks, in pixels of a narrow page, y upwards.
    """
    shifts = {
        "middle right": (16, 0), "middle left": (-16, 0), "top right": (14, 14), "bottom right": (14, -14), "top left": (-14, 14),
        "bottom left": (-14, -14),
    }  # fmt: skip
    taken = list(places)
    sides = []
    for x, y in places:
        free = [
            side
            for side, (right, up) in shifts.items()
            if all(math.hypot(x + right - a, y + up - b) >= 13 for a, b in taken)
        ]
        side = free[0] if free else "middle right"
        sides.append(side)
        taken.append((x + shifts[side][0], y + shifts[side][1]))
    return sides
