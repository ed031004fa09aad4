"""The figures of chapter 15 that show what a score says: a sigmoid twice, probabilities against what was so, and prices.

Each takes numbers and returns a plotly Figure. How two texts are read together is drawn by `workbook.figures.cross_encoders`.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from workbook.figures.theme import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    figure,
    short,
    stacked,
)
from workbook.metrics.calibration import Reliability

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROOM = 0.12  # of the width of a phone's axis, that a number needs
LOOKS = (("before", VERMILLION, "dash", "triangle-up", "/"), ("after", BLUE, "solid", "circle", ""))


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
