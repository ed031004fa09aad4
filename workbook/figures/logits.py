"""The figures of chapter 15 that show what a score says: a sigmoid twice, probabilities against what was so, and prices.

Each takes numbers and returns a plotly Figure. How two texts are read together is drawn by `workbook.figures.cross_encoders`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.parts import (
    ABOVE,
    TOGETHER,
    in_few_lines,
    lines_through,
    marks_at,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import COLORS, GREY, INK, figure, in_lines, short, stacked, ticks_at
from workbook.metrics.calibration import Reliability

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ORANGE, BLUE, VERMILLION, SKY = COLORS[1], COLORS[0], COLORS[3], COLORS[5]
ROOM = 0.12  # of the width of a phone's axis, that a number needs
LOOKS = (("before", VERMILLION, "dash", "triangle-up", "/"), ("after", BLUE, "solid", "circle", ""))
KINDS = {  # of systems: colour and symbol
    "BM25": (ORANGE, "square"), "dense": (BLUE, "circle"), "late interaction": (BLUE, "diamond"), "cross-encoder": (SKY, "star"),
}  # fmt: skip


def _sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))  # without overflow


def least_losses() -> tuple[float, float]:
    """The least loss of a relevant passage and of another, if a cross-entropy with a sigmoid of its own is given a sigmoid's output."""
    return -math.log(_sigmoid(1.0)), -math.log(1 - _sigmoid(0.0))


def sigmoid_twice(logits: Sequence[float]) -> "Figure":
    """The broken case: logits, their sigmoid, and the sigmoid of that, on three axes; a line joins what belongs to one pair.

    Args:
        logits: one of each pair.
    """
    if not len(logits) or not np.isfinite(np.asarray(logits, dtype=float)).all():
        raise ValueError(f"expected finite logits, one at least, got {list(logits)}")
    once = [_sigmoid(float(x)) for x in logits]
    twice = [_sigmoid(p) for p in once]
    reach = max(1, math.ceil(1.1 * max(abs(float(x)) for x in logits)))
    places = np.array([[0.5 + float(x) / (2 * reach) for x in logits], once, twice])  # (3, N), from 0 to 1
    match, other = least_losses()
    low, high = _sigmoid(0.0), _sigmoid(1.0)
    told = (
        f"Through two sigmoids all lies between {short(low)} and {short(high)}. Whatever the model says, the loss of a relevant passage is at least {short(match)}, "
        f"which is −ln{TOGETHER}{short(high)}, and that of another {short(other)}."
    )
    levels = [_levels(row) for row in places]
    letter = small_letters()["size"]
    line, told = letter + 3, in_few_lines(told)
    above, below = line * max(levels[0]), line * (max(levels[2]) + 1)  # pixels of numbers in lines
    text = (letter + 5) * (1 + told.count("<br>"))
    fig = figure(
        alt=f"Three axes one below the other: the logits of {len(logits)} pairs from −{reach} to {reach}, their sigmoid from 0 to 1, and the sigmoid of that from 0 to 1. "
        "A filled mark with its number stands on each axis for each pair, and a line joins the three marks of a pair. A band on the lowest axis holds all that can stand there.",
        notice="The order is kept, so no ranking metric sees anything. But follow the pair that the model is surest of down to the lowest axis: how far from 1 does it stay? "
        "A cross-entropy that takes logits has a sigmoid of its own, so its input is to be a logit.",
        title=title_at_top("logits, a sigmoid, and one more"),
        height=375 + above + below + text,
        margin={"l": 45, "r": 35, "t": 62 + letter + above, "b": 32 + below + text},
        showlegend=False,
        xaxis={"range": [-0.03, 1.03], "visible": False},
        yaxis={"range": [2.1, -0.1], "visible": False},
    )
    band = {"x0": low, "x1": high, "y0": 1.92, "y1": 2.08}
    fig.add_shape(type="rect", line={"width": 0}, fillcolor="rgba(86,180,233,0.6)", layer="below", **band)
    lines_through(
        fig,
        "pairs",
        [np.stack([places[:, pair], np.arange(3)], axis=1) for pair in range(len(logits))],
        {"color": GREY, "width": 2},
    )
    names = (("logit", 0.0, letter + 13 + above), ("sigmoid<br>once", 0.1, 8), ("sigmoid twice", 0.0, 8))
    for row, (values, ends) in enumerate(zip((logits, once, twice), ((-reach, reach), (0, 1), (0, 1)), strict=True)):
        name, left, up = names[row]
        lines_through(fig, f"axis {row}", [np.array([[0, row], [1, row]])], {"color": INK, "width": 1.5})
        note_below(fig, row, f"<b>{name}</b>", left, xref="x", yref="y", yanchor="bottom", yshift=up)
        for at, tick in zip((0, 1), ends, strict=True):
            note_below(
                fig, row, _signed(tick), at, xref="x", yref="y", xanchor="center", yshift=-6, font=small_letters(12)
            )
        marks_at(
            fig,
            name.replace("<br>", " "),
            np.stack([places[row], np.full(len(logits), row)], axis=1),
            {"color": BLUE, "size": 12},
        )
        told_of = {place: (pair, values[pair]) for pair, place in enumerate(places[row].tolist())}  # equal ones once
        for place, (pair, value) in told_of.items():
            aside = 0 if row != 1 else -1 if places[0, pair] >= place else 1  # away from the line that comes from above
            note_below(
                fig, row, _signed(value) if row == 0 else short(value), place, xref="x", yref="y", xanchor=("center", "left", "right")[aside],
                xshift=5 * aside, yanchor="top" if row == 2 else "bottom",
                yshift=(-9 - line * (1 + levels[row][pair]) + letter) if row == 2 else 4 * (row == 0) + 4 + line * levels[row][pair],
            )  # fmt: skip
    note_below(fig, 0, told, xshift=-25, yshift=-20 - below)
    return fig


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _levels(places: Sequence[float]) -> list[int]:
    """For each number on an axis the line in which it is written, so that neighbours do not touch; equal places share one."""
    levels: dict[float, int] = {}
    ends: list[float] = []  # of each line: where its last number stands
    for place in sorted(float(each) for each in places):
        if place in levels:
            continue
        free = [level for level, end in enumerate(ends) if place - end >= ROOM]
        level = free[0] if free else len(ends)
        ends[level:level + 1] = [place]  # fmt: skip
        levels[place] = level
    return [levels[float(place)] for place in places]


def calibration_error(curve: Reliability) -> float:
    """The expected calibration error of a reliability curve: how far shares lie from probabilities, by the counts."""
    said, shares, counts = (np.asarray(each, dtype=float) for each in curve)
    return float((counts * np.abs(shares - said)).sum() / counts.sum())


def share_interval(share: Any, count: Any) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a share of some passages, low and high.

        (s + z²/2n ± z √(s (1 − s)/n + z²/4n²)) / (1 + z²/n),   z = 1.96

    Source: Wilson 1927.
    """
    s, n, z2 = np.asarray(share, dtype=float), np.asarray(count, dtype=float), 1.96**2
    middle, half = s + z2 / (2 * n), np.sqrt(z2 * (s * (1 - s) / n + z2 / (4 * n * n)))
    return np.minimum((middle - half) / (1 + z2 / n), s), np.maximum((middle + half) / (1 + z2 / n), s)


def reliability(
    before: Reliability, after: Reliability, names: tuple[str, str] = ("before", "after"), bins: int = 10, title: str = ""
) -> "Figure":  # fmt: skip
    """What was said against what was so, before calibration and after it, and how many passages stand in each bin.

    Args:
        before, after: as from `workbook.metrics.reliability_curve`.
        names: what they are.
        bins: with which they were made.
        title: of what model.
    """
    import plotly.graph_objects as go

    curves = dict(zip(names, (before, after), strict=True))
    if len(curves) < 2 or not all(len(curve.counts) for curve in curves.values()):
        raise ValueError(f"expected two names and two curves with a bin each at least, got {names}")
    height, rows = stacked(290, 40, 150)
    most = max(int(np.max(curve.counts)) for curve in curves.values())
    totals = ", ".join(f"{name} {int(np.sum(curve.counts)):,}" for name, curve in curves.items())
    fig = figure(
        alt=f"Above, the share of relevant passages from 0 to 1 over the probability that was said, 0 to 1: a line each for {names[0]} and {names[1]}, a point for each bin, with 95 % "
        "intervals. A thin diagonal is where both are equal. Below, a bar from 0 for each bin of each: how many passages stand there. The legend tells the expected calibration error.",
        notice="Below the diagonal more was said than was so. Look at the bars before you judge a point: a bin with few passages has a long whisker and little weight in the error. "
        "The order of the passages is the same before and after, and so is every ranking metric.",
        title=title_at_top(title or "what was said, and what was so"),
        height=height + 175,
        margin={"l": 70, "r": 20, "t": 120, "b": 55},
        legend={**ABOVE, "orientation": "v"},
        bargap=0,
        xaxis={"range": [-0.02, 1.02], "anchor": "y", "showticklabels": False, "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1]},
        yaxis={"range": [-0.02, 1.02], "domain": rows[0], "title": "share relevant", "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1]},
        xaxis2={
            "range": [-0.02, 1.02], "anchor": "y2", "title": {"text": "probability that was said", "standoff": 5},
            "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1],
        },
        yaxis2={"range": [0, 1.08 * most], "domain": rows[2], "title": "passages", "anchor": "x2", "nticks": 5},
    )  # fmt: skip
    lines_through(fig, "diagonal", [np.array([[0, 0], [1, 1]])], {"color": INK, "width": 1})
    for side, ((name, curve), (_, color, dash, symbol, hatch)) in enumerate(zip(curves.items(), LOOKS, strict=True)):
        low, high = share_interval(curve.shares, curve.counts)
        fig.add_trace(
            go.Scatter(
                x=rounded(curve.probabilities.tolist()), y=rounded(curve.shares.tolist()), mode="lines+markers", cliponaxis=False,
                name=f"{name}: expected calibration error {short(calibration_error(curve))}",
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 10}, customdata=np.asarray(curve.counts).tolist(),
                hovertemplate="said %{x:.2f}, was %{y:.2f}, of %{customdata}<extra></extra>",
                error_y={
                    "type": "data", "symmetric": False, "color": color, "thickness": 1.5, "width": 3,
                    "array": (high - curve.shares).round(4).tolist(), "arrayminus": (curve.shares - low).round(4).tolist(),
                },
            )
        )  # fmt: skip
        bins_of = np.clip(np.ceil(np.asarray(curve.probabilities, dtype=float) * bins) - 1, 0, bins - 1)
        fig.add_trace(
            go.Bar(
                x=rounded((bins_of + 0.28 + 0.44 * side) / bins), y=np.asarray(curve.counts).tolist(), width=0.4 / bins, xaxis="x2", yaxis="y2",
                name=f"{name}, passages", showlegend=False, hovertemplate="%{y} passages<extra></extra>",
                marker={"color": color, "pattern": {"shape": hatch, "fillmode": "overlay", "fgcolor": "white", "solidity": 0.3}},
            )
        )  # fmt: skip
    fig.layout.meta["alt"] += f" Passages: {totals}."
    return fig


class Timed(NamedTuple):
    """A system: what it costs, what it finds with its interval, and what it is, one of `KINDS`."""

    price: float
    value: float
    low: float
    high: float
    kind: str


def quality_and_price(
    systems: Mapping[str, Timed], price: str = "milliseconds per pair", metric: str = "nDCG@10", title: str = ""
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
