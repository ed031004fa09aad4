"""The figures of chapter 04: what the temperature does, how points move, what the space looks like.

Each takes arrays and returns a plotly Figure. Taught in 04.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.theme import COLORS, DASHES, SYMBOLS, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def softmax_weights(cosines: Sequence[float], temperature: float) -> "Figure":
    """Bars: the softmax weight of each passage, and the force on the query, at one temperature.

    Args:
        cosines: of one query with its passages, its own first.
        temperature: what they are divided by.

    Taught in 04.
    """
    import plotly.graph_objects as go

    logits = np.asarray(cosines) / temperature
    weight = np.exp(logits - logits.max())
    weight /= weight.sum()
    names = ["own"] + [f"other {i}" for i in range(1, len(cosines))]
    names = [f"{name}<br>cos {c:.2f}" for name, c in zip(names, cosines, strict=True)]
    force = np.concatenate([[1 - weight[0]], weight[1:]]) / temperature
    fig = figure(
        title=f"temperature {temperature}: softmax weight, and force on the query",
        yaxis_title="softmax weight",
        yaxis2={"title": "force (1 / temperature units)", "overlaying": "y", "side": "right", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.08},
    )
    fig.add_trace(go.Bar(x=names, y=weight.round(4).tolist(), name="softmax weight", marker={"color": COLORS[0]}))
    fig.add_trace(
        go.Scatter(
            x=names,
            y=force.round(3).tolist(),
            name="force",
            yaxis="y2",
            mode="markers",
            marker={"color": COLORS[3], "symbol": SYMBOLS[2], "size": 12},
        )
    )
    fig.update_yaxes(range=[0, 1.02], selector={"overlaying": None})
    fig.update_layout(xaxis_title="passage", yaxis2={"gridcolor": "rgba(0,0,0,0)"}, margin={"r": 70})
    return fig


def points_on_the_circle(paths: np.ndarray, title: str) -> "Figure":
    """An animation: pairs of points that move on the circle as training goes on.

    Args:
        paths: (frames, pairs, 2 sides, 2 coordinates) of unit vectors.
        title: which loss moves them.

    Taught in 04.
    """
    import plotly.graph_objects as go

    def traces(points: np.ndarray) -> list:
        drawn = []
        for i, pair in enumerate(points):
            drawn.append(
                go.Scatter(
                    x=pair[:, 0].round(3).tolist(),
                    y=pair[:, 1].round(3).tolist(),
                    mode="lines+markers",
                    line={"color": COLORS[i % len(COLORS)], "width": 1, "dash": "dot"},
                    marker={"symbol": ["circle", "square-open"], "size": 12, "color": COLORS[i % len(COLORS)]},
                    name=f"pair {i + 1}",
                )
            )
        return drawn

    circle = np.linspace(0, 2 * np.pi, 73)
    outline = go.Scatter(
        x=np.cos(circle).round(3).tolist(),
        y=np.sin(circle).round(3).tolist(),
        mode="lines",
        line={"color": "#999999", "width": 1},
        name="sphere",
        hoverinfo="skip",
    )
    fig = figure(title=title, width=560, height=560, xaxis_title="dimension 1", yaxis_title="dimension 2")
    fig.add_traces([*traces(paths[0]), outline])
    fig.frames = [go.Frame(name=str(i), data=[*traces(points), outline]) for i, points in enumerate(paths)]
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    play = {"frame": {"duration": 120, "redraw": True}, "transition": {"duration": 0}, "fromcurrent": True}
    fig.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "showactive": False,
                "x": 0.0,
                "y": -0.12,
                "buttons": [{"label": "play", "method": "animate", "args": [None, play]}],
            }
        ],
        sliders=[
            {
                "steps": [{"label": str(i), "method": "animate", "args": [[str(i)], still]} for i in range(len(paths))],
                "currentvalue": {"prefix": "frame "},
                "x": 0.15,
                "len": 0.85,
            }
        ],
    )
    fig.update_xaxes(range=[-1.2, 1.2])
    fig.update_yaxes(range=[-1.2, 1.2], scaleanchor="x")
    return fig


def quality_by_temperature(values: dict[str, dict[float, Sequence[float]]], metric: str) -> "Figure":
    """Lines: quality over temperature, one line for each condition, with the seeds as whiskers.

    Args:
        values: condition -> temperature -> one value per seed.
        metric: what the values are.

    Taught in 04.
    """
    import plotly.graph_objects as go

    fig = figure(xaxis_title="temperature", yaxis_title=metric)
    fig.update_xaxes(type="log")
    for i, (name, by_temperature) in enumerate(values.items()):
        seeds = [np.asarray(v) for v in by_temperature.values()]
        mean = [round(float(v.mean()), 4) for v in seeds]
        fig.add_trace(
            go.Scatter(
                x=list(by_temperature),
                y=mean,
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
    return fig


def alignment_and_uniformity(tracks: dict[str, Sequence[tuple[float, float]]]) -> "Figure":
    """Paths through the plane of alignment and uniformity as training goes on; both are better when lower.

    Args:
        tracks: condition -> (alignment, uniformity) at each measured step.

    Taught in 04.
    """
    import plotly.graph_objects as go

    fig = figure(xaxis_title="uniformity (lower: better spread)", yaxis_title="alignment (lower: closer pairs)")
    for i, (name, points) in enumerate(tracks.items()):
        fig.add_trace(
            go.Scatter(
                x=[round(float(u), 4) for _, u in points],
                y=[round(float(a), 4) for a, _ in points],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i], "size": [6] * (len(points) - 1) + [13]},
            )
        )
    return fig


def map_of_texts(before: np.ndarray, after: np.ndarray, groups: Sequence[str], when: str) -> "Figure":
    """Points: a two-dimensional map of texts, coloured by where they come from, before or after training.

    Args:
        before, after: (N, 2) coordinates.
        groups: N names, such as the package of each text.
        when: "before training" or "after training".

    Taught in 04.
    """
    import plotly.graph_objects as go

    points = before if when == "before training" else after
    fig = figure(xaxis_title="map, first axis", yaxis_title="map, second axis", title=when)
    for i, group in enumerate(dict.fromkeys(groups)):
        rows = [row for row, name in enumerate(groups) if name == group]
        fig.add_trace(
            go.Scatter(
                x=points[rows, 0].round(2).tolist(),
                y=points[rows, 1].round(2).tolist(),
                mode="markers",
                name=group,
                marker={
                    "color": COLORS[i % len(COLORS)],
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                    "size": 7,
                    "opacity": 0.8,
                },
            )
        )
    return fig
