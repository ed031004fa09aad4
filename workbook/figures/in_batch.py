"""The figures of chapter 05: which cells of the batch a way of training looks at, and what a larger batch changes.

Each takes numbers and returns a plotly Figure. The (B, B) matrix with its twins is `contrastive.batch_matrix`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.results import add_lines_of_seeds
from workbook.figures.theme import COLORS, GREY, bar_style, figure, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Way:
    """One way of taking a step with a batch of B pairs.

    Attributes:
        seen: (B, B), whether query i has passage j among its choices.
        held: texts whose activations are in memory together, as (first row, last row + 1, first column, last column + 1).
        kilobytes: that are held for the backward pass, on one device.
        degrees: between its gradient and that of the whole batch.
    """

    seen: np.ndarray
    held: tuple[tuple[int, int, int, int], ...]
    kilobytes: float
    degrees: float


def blocks(B: int, size: int) -> np.ndarray:
    """(B, B): whether row and column lie in the same piece of `size`."""
    piece = np.arange(B) // size
    return np.equal.outer(piece, piece)


def ways_to_fill(ways: Mapping[str, Way], way: str) -> "Figure":
    """The square of all queries and passages of a batch, filled as one way of training fills it; beside it what it costs.

    Args:
        ways: name -> what it sees, holds and gets wrong; all of one B.
        way: the one to draw.
    """
    import plotly.graph_objects as go

    shown = ways[way]
    B = len(shown.seen)
    own = np.eye(B, dtype=bool)
    z = np.where(own, 2, np.where(shown.seen, 1, 0))
    negatives = int((shown.seen & ~own).sum(axis=1).min())
    fig = figure(
        alt=f"A square of {B} by {B} cells, queries down and passages across. Cells that are among a query's choices are filled, the "
        "own passage in another colour; cells that nobody looks at are empty; a frame stands around the texts that are in memory "
        f"together. On the right three bars: negatives for each query, from 0 to {B - 1}; kilobytes held for the backward pass; and "
        "the angle between the gradient and that of the whole batch, in degrees.",
        notice="Three things to hold against one another: how many cells of a row are filled, how large a frame is, and the angle. An "
        "empty cell is not a cosine of 0: nobody looked.",
        title=way,
        height=430,
        margin={"l": 55, "r": 20, "t": 50, "b": 55},
        xaxis={"domain": [0, 0.54], "title": "passage", "range": [-0.7, B - 0.3], "showgrid": False, "zeroline": False},
        yaxis={"title": "query", "range": [B - 0.3, -0.7], "showgrid": False, "zeroline": False, "scaleanchor": "x"},
    )  # fmt: skip
    fig.update_xaxes(tickvals=[0, B // 2 - 1, B - 1], ticktext=["1", str(B // 2), str(B)])
    fig.update_yaxes(tickvals=[0, B // 2 - 1, B - 1], ticktext=["1", str(B // 2), str(B)])
    fig.add_trace(
        go.Heatmap(
            x=list(range(B)), y=list(range(B)), z=z.tolist(), zmin=0, zmax=2, showscale=False, xgap=1, ygap=1,
            colorscale=[[0, "#EDEDED"], [0.33, "#EDEDED"], [0.34, COLORS[0]], [0.66, COLORS[0]], [0.67, COLORS[2]], [1, COLORS[2]]],
            hovertemplate="query %{y}, passage %{x}<extra></extra>",
        )
    )  # fmt: skip
    for top, bottom, left, right in shown.held:
        fig.add_shape(
            type="rect", x0=left - 0.5, x1=right - 0.5, y0=top - 0.5, y1=bottom - 0.5,
            line={"color": COLORS[3], "width": 4},
        )  # fmt: skip
    most: dict[str, tuple[float, float, str]] = {
        "negatives for each query": (negatives, B - 1, f"{negatives}"),
        "kilobytes held": (
            shown.kilobytes,
            max(each.kilobytes for each in ways.values()),
            f"{shown.kilobytes:,.0f}",
        ),
        "degrees from the whole": (
            shown.degrees,
            max(each.degrees for each in ways.values()),
            f"{shown.degrees:.0f}",
        ),
    }
    for i, (name, (value, top_value, text)) in enumerate(most.items()):
        floor = 0.76 - 0.34 * i
        axes = {"xaxis": f"x{i + 2}", "yaxis": f"y{i + 2}"}
        fig.add_trace(
            go.Bar(x=[round(float(value), 2)], y=[name], orientation="h", marker=bar_style(COLORS[0]), showlegend=False, **axes)
        )  # fmt: skip
        reach = [0, round(1.25 * float(top_value), 2) or 1.0]
        fig.update_layout(
            {
                f"xaxis{i + 2}": {"domain": [0.66, 1], "range": reach, "anchor": f"y{i + 2}", "nticks": 4},
                f"yaxis{i + 2}": {
                    "domain": [floor, floor + 0.13], "anchor": f"x{i + 2}", "showticklabels": False, "type": "category",
                },
            }
        )  # fmt: skip
        fig.add_annotation(
            x=0.66, y=floor + 0.14, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
            text=f"{name}: {text}",
        )  # fmt: skip
    return fig


def quality_by_batch(values: Mapping[str, Mapping[int, Sequence[float]]], metric: str) -> "Figure":
    """Lines: quality over batch size, one line for each thing that is kept equal, with the seeds as whiskers.

    Args:
        values: what is equal -> batch size -> one value per seed.
        metric: what the values are.
    """
    fig = figure(
        alt=f"Lines of {metric} over batch size on a logarithmic axis, one for each of: {', '.join(values)}. Whiskers reach from the "
        "lowest seed to the highest.",
        notice="One question for each line: does it go on rising to the right? Then compare the lines at one batch size: they differ "
        "in steps alone.",
        xaxis_title="pairs in a batch",
        yaxis_title=metric,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    fig.update_xaxes(type="log", **ticks_at(sorted({B for each in values.values() for B in each})))
    add_lines_of_seeds(fig, values)
    return fig


def loss_by_batch(losses: Mapping[int, float], accuracy: Mapping[int, float]) -> "Figure":
    """Lines over batch size for one model that stays as it is: its loss, the price of a guess, and how often it is right.

    Args:
        losses: batch size -> InfoNCE.
        accuracy: batch size -> the share of queries whose own passage is the nearest.
    """
    import plotly.graph_objects as go

    sizes = sorted(losses)
    fig = figure(
        alt=f"Two panels over batch size, from {sizes[0]} to {sizes[-1]} on a logarithmic axis, for one model. Above, in nats: its loss, "
        "and the logarithm of the batch size, the price of a guess. Below, from 0 to 1: the share of queries whose own passage is the "
        "nearest.",
        notice="The model is the same at every point. Follow the loss, then its distance from the dotted line, then the lower panel: "
        "which of the three could be compared between two batch sizes?",
        height=500,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        yaxis={"domain": [0.4, 1], "title": "loss, nats", "range": [0, math.ceil(math.log(sizes[-1]))]},
        yaxis2={"domain": [0, 0.3], "anchor": "x", "range": [0, 1.05], "title": "own one nearest"},
        xaxis={"anchor": "y2", "title": "pairs in a batch"},
    )
    fig.update_xaxes(type="log", **ticks_at(sizes))
    lines = (
        ("loss", [losses[B] for B in sizes], COLORS[0], "solid", "circle", "y"),
        ("a guess, log B", [math.log(B) for B in sizes], GREY, "dot", "line-ew", "y"),
        ("own one nearest", [accuracy[B] for B in sizes], COLORS[2], "dash", "square", "y2"),
    )
    for name, y, color, dash, symbol, axis in lines:
        fig.add_trace(
            go.Scatter(
                x=sizes,
                y=[round(float(v), 3) for v in y],
                name=name,
                yaxis=axis,
                mode="lines+markers",
                line={"color": color, "dash": dash},
                marker={"symbol": symbol, "size": 9},
            )
        )
    return fig
