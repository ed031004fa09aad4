"""The figures of chapter 04: what the temperature does, how points move, what the space looks like.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.stored import stored
from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def softmax_weights(cosines: Sequence[float], temperature: float) -> "Figure":
    """Bars: the softmax weight of each passage, and the force on the query, at one temperature.

    Args:
        cosines: of one query with its passages, its own first.
        temperature: what they are divided by.
    """
    import plotly.graph_objects as go

    logits = np.asarray(cosines) / temperature
    weight = np.exp(logits - logits.max())
    weight /= weight.sum()
    names = ["own"] + [f"other {i}" for i in range(1, len(cosines))]
    names = [f"{name}<br>cos {c:.2f}" for name, c in zip(names, cosines, strict=True)]
    force = np.concatenate([[1 - weight[0]], weight[1:]]) / temperature
    fig = figure(
        alt=f"Bars: the softmax weight, from 0 to 1, of {len(cosines)} passages, the own one first, each with its cosine. Points on "
        "a second axis: the force that each puts on the query.",
        notice="Two things move: where the weight goes, and who pushes. Compare the passage next to the own one with all easy ones "
        "together. The scale of the force, on the right, changes with the temperature.",
        title=f"temperature {temperature}: softmax weight, and force on the query",
        yaxis_title="softmax weight",
        yaxis2={"title": "force (length of the gradient)", "overlaying": "y", "side": "right", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    fig.add_trace(go.Bar(x=names, y=weight.round(4).tolist(), name="softmax weight", marker=bar_style(COLORS[0])))
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
    fig.update_layout(xaxis_title="passage", yaxis2={"showgrid": False, "tickmode": "auto"}, margin={"t": 80, "r": 70})
    return fig


def points_on_the_circle(paths: np.ndarray, title: str) -> "Figure":
    """An animation: pairs of points that move on the circle as training goes on.

    Args:
        paths: (frames, pairs, 2 sides, 2 coordinates) of unit vectors.
        title: which loss moves them.
    """
    import plotly.graph_objects as go

    circle = np.linspace(0, 2 * np.pi, 73)

    def draw(frame: int) -> "Figure":
        fig = figure(title=title, width=560, height=560, xaxis_title="dimension 1", yaxis_title="dimension 2")
        fig.add_trace(
            go.Scatter(
                x=np.cos(circle).round(3).tolist(),
                y=np.sin(circle).round(3).tolist(),
                mode="lines",
                line={"color": "#999999", "width": 1},
                name="sphere",
                hoverinfo="skip",
            )
        )
        for i, pair in enumerate(paths[frame]):
            fig.add_trace(
                go.Scatter(
                    x=pair[:, 0].round(3).tolist(),
                    y=pair[:, 1].round(3).tolist(),
                    mode="lines+markers",
                    line={"color": COLORS[i % len(COLORS)], "width": 1, "dash": "dot"},
                    marker={"symbol": ["circle", "square-open"], "size": 12, "color": COLORS[i % len(COLORS)]},
                    name=f"pair {i + 1}",
                )
            )
        for i, (x, y) in enumerate(1.16 * _apart(paths[frame][:, 0])):  # outside of the circle, beside its query
            fig.add_annotation(x=round(float(x), 3), y=round(float(y), 3), text=str(i + 1), showarrow=False)
        fig.update_xaxes(range=[-1.25, 1.25])
        fig.update_yaxes(range=[-1.25, 1.25], scaleanchor="x")
        return fig

    fig, _ = stored(draw, {"frame": list(range(len(paths)))}, play=True)
    fig.layout.meta = {
        "alt": f"Animation of {paths.shape[1]} pairs of points on a circle, in both dimensions from -1 to 1. The query of each pair "
        "is a filled circle, its passage an empty square, and a line joins the two.",
        "notice": "Watch two distances: between the two points of a pair, and between one pair and its neighbours.",
    }
    return fig


def _apart(points: np.ndarray, gap: float = 0.17) -> np.ndarray:
    """Points on the circle, (N, 2), moved along it until neighbours are `gap` radians apart, so that labels can be read."""
    angles = np.arctan2(points[:, 1], points[:, 0])
    order = np.argsort(angles, kind="stable")
    turns = [0.0] * (len(order) - 1) + [2 * np.pi]  # after the last comes the first, one turn later
    for _ in range(100):
        for a, b, turn in zip(order, np.roll(order, -1), turns, strict=True):
            missing = max(0.0, gap - (angles[b] + turn - angles[a]))
            angles[a] -= missing / 2
            angles[b] += missing / 2
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def quality_by_temperature(values: dict[str, dict[float, Sequence[float]]], metric: str) -> "Figure":
    """Lines: quality over temperature, one line for each condition, with the seeds as whiskers.

    Args:
        values: condition -> temperature -> one value per seed.
        metric: what the values are.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Lines of {metric} over temperature on a logarithmic axis, one for each of: {', '.join(values)}. Whiskers reach from "
        "the lowest seed to the highest.",
        notice="Where is each line highest, and how much does it lose on either side? Whiskers that overlap settle nothing.",
        xaxis_title="temperature",
        yaxis_title=metric,
    )
    fig.update_xaxes(type="log", **ticks_at(sorted({t for each in values.values() for t in each})))
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
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Paths in the plane of uniformity (across) and alignment (upwards), both better when lower, one for each of: "
        f"{', '.join(tracks)}. Each begins at the first step and ends in a large symbol.",
        notice="No path reaches the corner where both are lowest. Compare the ends: who has the closest pairs, who the widest space?",
        xaxis_title="uniformity (lower: better spread)",
        yaxis_title="alignment (lower: closer pairs)",
        title="from the first step to the last, the large symbol",
    )
    for i, (name, points) in enumerate(tracks.items()):
        fig.add_trace(
            go.Scatter(
                x=[round(float(u), 4) for _, u in points],
                y=[round(float(a), 4) for a, _ in points],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i], "size": [6] * (len(points) - 1) + [14], "opacity": 1},
            )
        )
    return fig


def learned_space(own: Sequence[float], others: Sequence[float], temperature: float) -> "Figure":
    """Two histograms: cosines of queries with their own passages, and with all other passages.

    Args:
        own: the cosine of each pair.
        others: the cosines of texts that do not belong together.
        temperature: the one that the space was trained with, for the title.
    """
    import plotly.graph_objects as go

    edges = np.linspace(-1.0, 1.0, 41)
    fig = figure(
        alt="Two histograms of cosines from -1 to 1: of queries with their own passages, and with passages of others.",
        notice="Two things to follow: where the others gather, and how much of the own ones lies to the right of them. What counts "
        "is the overlap, not the place.",
        xaxis_title="cosine of query and passage",
        yaxis_title="share of the pairs in a bin of 0.05",
        title=f"trained at temperature {temperature}",
    )
    for i, (name, cosines) in enumerate((("own passage", own), ("other passages", others))):
        counts, _ = np.histogram(np.clip(cosines, -1.0, 1.0), edges)  # rounding may lead out
        fig.add_trace(
            go.Scatter(
                x=edges.round(3).tolist(),
                y=(counts[[*range(len(counts)), -1]] / max(counts.sum(), 1))
                .round(4)
                .tolist(),  # the last step needs an end
                name=name,
                line={"shape": "hv", "color": COLORS[i], "dash": DASHES[i]},
                fill="tozeroy",
            )
        )
    fig.update_xaxes(range=[-1.0, 1.0])
    fig.update_yaxes(range=[0, 0.4 if max(max(trace.y) for trace in fig.data) <= 0.4 else 1])
    return fig


def map_of_texts(before: np.ndarray, after: np.ndarray, groups: Sequence[str], when: str) -> "Figure":
    """Points: a two-dimensional map of texts, coloured by where they come from, before or after training.

    Args:
        before, after: (N, 2) coordinates.
        groups: N names, such as the package of each text.
        when: "before training" or "after training".
    """
    import plotly.graph_objects as go

    points = before if when == "before training" else after
    fig = figure(
        alt=f"Map of {len(groups)} texts as points in two dimensions without units, before training and after it; colour and symbol "
        f"say where a text comes from: {', '.join(dict.fromkeys(groups))}.",
        notice="Are points of one colour together? Distances between islands, and their sizes, are the map's doing.",
        xaxis_title="map, first axis",
        yaxis_title="map, second axis",
        title=when,
    )
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
