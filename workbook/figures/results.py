"""The headline result of a chapter: bars with intervals, beside chance and keyword search."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROW = 46  # pixels for each bar
LINES = {"chance": ("#777777", "dot"), "BM25": (COLORS[1], "dash")}


def bars(
    values: Mapping[str, float],
    metric: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    chance: float | None = None,
    bm25: float | None = None,
    title: str = "",
    whiskers: str = "intervals",
) -> "Figure":
    """Horizontal bars from 0, the first on top, each with its number and interval; vertical lines for what to beat.

    Args:
        values: name -> its value, of 0 or more.
        metric: what the values are.
        intervals: name -> (low, high), for those that have one.
        chance: what a guess reaches.
        bm25: what keyword search reaches.
        title: what is compared.
        whiskers: what `intervals` are, in words.
    Raises:
        ValueError: an interval belongs to no value, or does not hold it.
    """
    import plotly.graph_objects as go

    intervals = intervals or {}
    for name, (low, high) in intervals.items():
        if name not in values or not low <= values[name] <= high:
            raise ValueError(f"the interval of {name!r}, [{low}, {high}], must hold its value, got {values.get(name)}")
    ends = {name: intervals.get(name, (value, value)) for name, value in values.items()}
    lines = {name: at for name, at in (("chance", chance), ("BM25", bm25)) if at is not None}
    top = max([high for _, high in ends.values()] + list(lines.values())) or 1.0
    marked = f" Vertical lines: {', '.join(f'{name} at {at:.3f}' for name, at in lines.items())}." if lines else ""
    fig = figure(
        alt=f"Horizontal bars of {metric} from 0, from top to bottom: {', '.join(values)}. Whiskers are {whiskers}.{marked}",
        notice="Where whiskers overlap, this drawing does not settle the order of the bars."
        + (" Compare each bar with the lines before you compare the bars with one another." if lines else ""),
        title=title,
        xaxis_title=metric,
        height=150 + ROW * len(values),
    )
    fig.add_trace(
        go.Bar(
            x=[round(float(value), 4) for value in values.values()],
            y=list(values),
            orientation="h",
            marker=bar_style(COLORS[0]),
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [round(float(ends[name][1] - value), 4) for name, value in values.items()],
                "arrayminus": [round(float(value - ends[name][0]), 4) for name, value in values.items()],
                "color": "#444444",
            },
            showlegend=False,
        )
    )
    for name, value in values.items():  # the number stands behind the whisker
        fig.add_annotation(x=ends[name][1], y=name, text=f"{value:.3f}", xanchor="left", xshift=8, showarrow=False)
    for name, at in lines.items():
        color, dash = LINES[name]
        fig.add_vline(x=round(float(at), 4), line={"color": color, "dash": dash, "width": 2})
        fig.add_annotation(
            x=at, y=1, yref="paper", yanchor="bottom", text=f"{name} {at:.3f}", showarrow=False, font={"size": 12}
        )
    fig.update_xaxes(range=[0, round(1.2 * top, 4)])
    fig.update_yaxes(autorange="reversed", type="category")
    fig.update_layout(bargap=0.4, margin={"t": 80 if lines else 50})
    return fig


def add_lines_of_seeds(fig: "Figure", values: Mapping[str, Mapping[Any, Sequence[float]]]) -> None:
    """Add a line for each condition: the mean over the seeds, with whiskers from the lowest to the highest.

    Args:
        fig: it is changed; its vertical axis then begins at 0.
        values: condition -> place on the horizontal axis -> one value per seed.
    """
    import plotly.graph_objects as go

    for i, (name, by_place) in enumerate(values.items()):
        seeds = [np.asarray(v) for v in by_place.values()]
        fig.add_trace(
            go.Scatter(
                x=list(by_place),
                y=[round(float(v.mean()), 4) for v in seeds],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i], "size": 9},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [round(float(v.max() - v.mean()), 4) for v in seeds],
                    "arrayminus": [round(float(v.mean() - v.min()), 4) for v in seeds],
                },
            )
        )
    fig.update_yaxes(rangemode="tozero")
