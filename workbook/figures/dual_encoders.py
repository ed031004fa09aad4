"""The figures of chapter 06: what a prompt does to a mean, and what two towers make of one and the same text.

Each takes numbers and returns a plotly Figure. Bars of arms are `results.bars`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbook.figures.theme import COLORS, GREY, INK, bar_style, figure, numbers_in_cells

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROWS_OF_DOTS = 5  # dots are spread over so many heights, that they do not hide one another


class Moment(NamedTuple):
    """Two towers at one step of their training.

    Attributes:
        cosines: for each text, between the vectors that the two towers give it.
        recall: Recall@10 of a search with them.
        own: the cosine of the reader's own text.
    """

    cosines: Sequence[float]
    recall: float
    own: float


def angle_of_mean(num_prompt: int, num_text: int) -> float:
    """The direction, in degrees, of the mean of prompt tokens at 0 degrees and text tokens at 90, all of length 1."""
    return math.degrees(math.atan2(num_text, num_prompt))


def pull(num_prompt: int, num_text: int) -> "Figure":
    """The central object: a prompt's tokens at 0 degrees, a text's at 90, and the mean of them all.

    Args:
        num_prompt: tokens of the prompt, 1 or more.
        num_text: tokens of the text, 1 or more.
    """
    import plotly.graph_objects as go

    angle = angle_of_mean(num_prompt, num_text)
    n = num_prompt + num_text
    mean = (num_prompt / n, num_text / n)
    unit = (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    fig = figure(
        alt="Arrows from one point in a square from 0 to 1 both ways: one to the right for each token of a prompt, one upwards for each "
        "token of a text, drawn as one with their number; and the mean of all tokens, a shorter arrow between them, with a thin line "
        "to the quarter of a circle that shows its direction.",
        notice="Follow the end of the mean's thin line along the quarter of the circle: how long must a text be before its prompt hardly "
        "turns it? Search compares directions alone, so the arrow's length does not count.",
        title=f"the mean stands at {angle:.1f}°",
        height=460,
        width=520,
        xaxis={"range": [-0.12, 1.25], "title": "direction of the prompt", "zeroline": False},
        yaxis={"range": [-0.12, 1.25], "title": "direction of the text", "scaleanchor": "x", "zeroline": False},
        margin={"l": 60, "r": 20, "t": 50, "b": 60},
    )  # fmt: skip
    t = np.linspace(0, math.pi / 2, 31)
    fig.add_trace(
        go.Scatter(
            x=np.cos(t).round(3).tolist(), y=np.sin(t).round(3).tolist(), mode="lines", showlegend=False,
            line={"color": GREY, "width": 1}, hoverinfo="skip",
        )
    )  # fmt: skip
    arrows = (
        (f"{num_prompt} of the prompt", (1.0, 0.0), COLORS[3], "solid", 3),
        (f"{num_text} of the text", (0.0, 1.0), COLORS[2], "solid", 3),
        (f"mean, {angle:.1f}°", mean, INK, "solid", 5),
        ("its direction", unit, INK, "dot", 1),
    )
    for name, (x, y), color, dash, width in arrows:
        fig.add_trace(
            go.Scatter(
                x=[0, round(x, 4)], y=[0, round(y, 4)], name=name, mode="lines+markers", showlegend=False,
                line={"color": color, "dash": dash, "width": width},
                marker={"size": [0, 10], "symbol": "circle", "color": color},
                hovertemplate=f"{name}<extra></extra>",
            )
        )  # fmt: skip
    for name, x, y, anchor, shift in (
        (arrows[0][0], 1.0, 0.0, "right", -14), (arrows[1][0], 0.0, 1.0, "left", 14), ("mean", *mean, "left", 0),
    ):  # fmt: skip
        fig.add_annotation(
            x=round(x, 4), y=round(y, 4), text=name, xanchor=anchor, xshift=8 if anchor == "left" else 0, yshift=shift,
            showarrow=False,
        )  # fmt: skip
    return fig


def two_doors(moments: Mapping[str, Mapping[int, Moment]], step: int) -> "Figure":
    """The signature: for each kind of towers a row of texts by the cosine of their two vectors, and what a search finds.

    Args:
        moments: kind of towers -> training step -> what they make of the texts then.
        step: the step to draw.
    """
    import plotly.graph_objects as go

    kinds = list(moments)
    top = max(each.recall for by_step in moments.values() for each in by_step.values()) or 1.0
    count = len(next(iter(moments[kinds[0]].values())).cosines)
    fig = figure(
        alt=f"{len(kinds)} rows of {count} dots on an axis from -1 to 1, one row for each of: {', '.join(kinds)}. A dot is a text; its "
        "place is the cosine between the vectors that the query tower and the document tower give it. A ringed diamond is the reader's "
        "own text, a line the mean. On the right a bar for each row: Recall@10 of a search with these towers. The control is the "
        "training step.",
        notice="First look where each row begins at step 0, then where it ends. Then read the bars: is the row whose texts agree best "
        "also the one that finds most? A cosine of one half is no fault in itself, since a query is only ever compared with passages.",
        title=f"after {step} steps",
        height=150 + 120 * len(kinds),
        margin={"l": 20, "r": 20, "t": 50, "b": 60},
        xaxis={"domain": [0, 0.66], "range": [-1.05, 1.05], "title": "cosine of a text's two vectors"},
        yaxis={"range": [len(kinds) - 0.35, -0.65], "showticklabels": False, "showgrid": False, "zeroline": False},
        xaxis2={"domain": [0.72, 1], "range": [0, round(1.35 * top, 3)], "title": "Recall@10", "anchor": "y2", "nticks": 4},
        yaxis2={"range": [len(kinds) - 0.35, -0.65], "showticklabels": False, "showgrid": False, "zeroline": False, "anchor": "x2"},
    )  # fmt: skip
    for row, kind in enumerate(kinds):
        moment = moments[kind][step]
        cosines = [round(float(c), 2) for c in moment.cosines]
        heights = [round(row + 0.3 * (i % ROWS_OF_DOTS) / ROWS_OF_DOTS, 2) for i in range(len(cosines))]
        mean = round(float(np.mean(moment.cosines)), 2)
        fig.add_trace(
            go.Scatter(
                x=cosines, y=heights, mode="markers", name=kind, showlegend=False,
                marker={"color": COLORS[0], "size": 7, "opacity": 0.5}, hovertemplate="%{x:.2f}<extra></extra>",
            )
        )  # fmt: skip
        fig.add_trace(
            go.Scatter(
                x=[mean, mean], y=[row - 0.08, row + 0.36], mode="lines", showlegend=False,
                line={"color": INK, "width": 2}, hovertemplate=f"mean {mean:.2f}<extra></extra>",
            )
        )  # fmt: skip
        fig.add_trace(
            go.Scatter(
                x=[round(float(moment.own), 2)], y=[row + 0.12], mode="markers", showlegend=False,
                marker={"color": COLORS[3], "size": 13, "symbol": "diamond", "line": {"color": INK, "width": 2}},
                hovertemplate="your text, %{x:.2f}<extra></extra>",
            )
        )  # fmt: skip
        fig.add_trace(
            go.Bar(
                x=[round(float(moment.recall), 3)], y=[row + 0.12], orientation="h", width=0.3, xaxis="x2", yaxis="y2",
                marker=bar_style(COLORS[0]), showlegend=False,
            )
        )  # fmt: skip
        fig.add_annotation(x=-1, y=row - 0.3, text=f"{kind}: mean {mean:.2f}", xanchor="left", showarrow=False)
        fig.add_annotation(
            x=round(float(moment.recall), 3), y=row + 0.12, xref="x2", yref="y2", text=f"{moment.recall:.3f}",
            xanchor="left", xshift=6, showarrow=False,
        )  # fmt: skip
    return fig


def table_of_prompts(values: Mapping[str, Mapping[str, float]], metric: str, title: str = "") -> "Figure":
    """A grid with a number in each cell: how it was trained down, how it is searched across.

    Args:
        values: trained -> searched -> its value, or no entry where that was not tried.
        metric: what the values are.
        title: what is compared.
    """
    rows, columns = list(values), list(dict.fromkeys(name for row in values.values() for name in row))
    z = [[None if name not in values[row] else round(float(values[row][name]), 3) for name in columns] for row in rows]
    fig = figure(
        alt=f"A grid of {len(rows)} by {len(columns)} cells with {metric} written in each. Down, how it was trained: {', '.join(rows)}. "
        f"Across, how it is searched: {', '.join(columns)}. Lighter is more; an empty cell was not tried.",
        notice="Compare along a row: training is done, and only what is put before the texts at search differs. The highest cell of a "
        "row says which search fits that training.",
        title=title,
        height=170 + 70 * len(rows),
        margin={"l": 120, "r": 20, "t": 60, "b": 70},
        xaxis={"title": "searched", "showgrid": False},
        yaxis={"title": "trained", "autorange": "reversed", "showgrid": False},
    )  # fmt: skip
    numbers_in_cells(fig, columns, rows, z)
    return fig
