"""The figures of chapter 04: what the temperature does, how points move, what the space looks like.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.results import add_lines_of_seeds
from workbook.figures.stored import stored
from workbook.figures.theme import COLORS, DASHES, GREY, INK, SEQUENCE, SYMBOLS, bar_style, figure, ticks_at

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
    fig = figure(
        alt=f"Lines of {metric} over temperature on a logarithmic axis, one for each of: {', '.join(values)}. Whiskers reach from "
        "the lowest seed to the highest.",
        notice="Where is each line highest, and how much does it lose on either side? Whiskers that overlap settle nothing.",
        xaxis_title="temperature",
        yaxis_title=metric,
    )
    fig.update_xaxes(type="log", **ticks_at(sorted({t for each in values.values() for t in each})))
    add_lines_of_seeds(fig, values)
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


def batch_matrix(
    cosines: np.ndarray, temperature: float, queries: Sequence[str] = (), ids: Sequence[int] = (), masked: bool = False
) -> "Figure":
    """The central object of InfoNCE: the (B, B) cosines, and beside them each row as a softmax; the diagonal is outlined.

    Args:
        cosines: (B, B), queries down and passages across; B of 8 at most.
        temperature: what they are divided by.
        queries: B names; without them, numbers.
        ids: B numbers; passages with equal ones are copies, and their cells are outlined with dashes.
        masked: whether copies leave the softmax.
    """
    import plotly.graph_objects as go

    cosines = np.asarray(cosines, dtype=float)
    B = len(cosines)
    twin = np.equal.outer(ids, ids) & ~np.eye(B, dtype=bool) if len(ids) else np.zeros((B, B), dtype=bool)
    logits = np.where(twin & masked, -np.inf, cosines / temperature)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    loss = float(-np.log(np.maximum(shares.diagonal(), 1e-300)).mean())
    rows = [f"{i} {name}" if name else f"query {i}" for i, name in enumerate([*queries] or [""] * B, 1)]
    columns = [str(i) for i in range(1, B + 1)]
    fig = figure(
        alt=f"Two tables of {B} by {B} cells, queries down and passages across: on the left the cosines, from -1 to 1, on the right "
        "each row as shares that add up to 1. Each cell shows its number; the cells of the diagonal are outlined."
        + (" Where row and column hold the same passage, the outline is dashed." if len(ids) else ""),
        notice="Read a row: it is one query with all passages of the batch. The loss looks at the outlined share of each row."
        + (" A dashed cell is a copy of the row's own passage: how much of the row does it take?" if len(ids) else ""),
        title=f"temperature {temperature:g}: loss {loss:.2f}, the mean of -log(outlined share)",
        height=380,
        xaxis={"domain": [0, 0.47], "title": "passage (cells: cosines)", "type": "category"},
        xaxis2={"domain": [0.53, 1], "title": "passage (cells: softmax)", "type": "category"},
        yaxis2={"anchor": "x2", "showticklabels": False, "autorange": "reversed", "range": [B - 0.5, -0.5]},
    )
    for side, values in enumerate((cosines, shares)):
        axis = "" if side == 0 else "2"
        fig.add_trace(
            go.Heatmap(
                x=columns,
                y=rows,
                z=values.round(3).tolist(),
                text=[
                    [
                        "out" if side and masked and gone else f"{value:.2f}"
                        for value, gone in zip(row, copies, strict=True)
                    ]
                    for row, copies in zip(values, twin, strict=True)
                ],
                texttemplate="%{text}",
                textfont={"size": 14},
                colorscale=SEQUENCE,
                zmin=-0.5 if side == 0 else 0,  # dark ends would hide the numbers
                zmax=1,
                showscale=False,
                xaxis=f"x{axis}",
                yaxis=f"y{axis}",
            )
        )
        marks = [(i, i, COLORS[3], "solid") for i in range(B)]
        marks += [(int(row), int(column), COLORS[4], "dash") for row, column in np.argwhere(twin)]
        for row, column, color, dash in marks:
            fig.add_shape(
                type="rect", x0=column - 0.48, x1=column + 0.48, y0=row - 0.48, y1=row + 0.48, xref=f"x{axis}",
                yref=f"y{axis}", line={"color": color, "width": 4, "dash": dash},
            )  # fmt: skip
    fig.update_yaxes(autorange="reversed")
    return fig


def circles(paths: dict[str, np.ndarray], step: int) -> "Figure":
    """Several circles side by side: pairs of points after so many steps of training, one circle for each loss.

    Args:
        paths: name -> (steps, pairs, 2 sides, 2 coordinates) of unit vectors.
        step: which one to draw.
    """
    import plotly.graph_objects as go

    around, width = np.linspace(0, 2 * np.pi, 61), 1 / len(paths)
    fig = figure(
        alt=f"{len(paths)} circles side by side: {'; '.join(paths)}. On each, the queries of some pairs are filled circles with "
        "numbers and their passages filled squares; a dotted line joins the two of a pair.",
        notice="Two distances to follow on each circle: between the two points of a pair, and between the pairs.",
        title=f"after {step} steps",
        height=340,
        margin={"l": 10, "r": 10, "t": 90, "b": 30},
    )
    for i, (name, path) in enumerate(paths.items()):
        n, (query, passage) = "" if i == 0 else str(i + 1), path[step].transpose(1, 0, 2).round(3)
        where = {"xaxis": f"x{n}", "yaxis": f"y{n}", "showlegend": i == 0}
        fig.add_scatter(
            x=np.cos(around).round(3).tolist(), y=np.sin(around).round(3).tolist(), mode="lines", hoverinfo="skip",
            line={"color": "#999999", "width": 1}, **{**where, "showlegend": False},
        )  # fmt: skip
        gaps = [[None, None]] * len(query)
        joined = [point for three in zip(query.tolist(), passage.tolist(), gaps, strict=True) for point in three]
        fig.add_scatter(
            x=[x for x, _ in joined], y=[y for _, y in joined], mode="lines", hoverinfo="skip",
            line={"color": "#777777", "width": 1, "dash": "dot"}, **{**where, "showlegend": False},
        )  # fmt: skip
        for points, role, color, symbol, size in (
            (passage, "passage", COLORS[2], "square", 13), (query, "query", INK, "circle", 11),
        ):  # fmt: skip
            numbers = [str(k + 1) if role == "query" else "" for k in range(len(points))]
            fig.add_trace(
                go.Scatter(
                    x=points[:, 0].tolist(), y=points[:, 1].tolist(), mode="markers+text", text=numbers,
                    textposition="top center", marker={"color": color, "symbol": symbol, "size": size}, name=role, **where,
                )
            )  # fmt: skip
        hidden = {"range": [-1.35, 1.35], "visible": False}
        domain = [round(i * width, 3), round((i + 1) * width, 3)]
        fig.update_layout({f"xaxis{n}": {**hidden, "domain": domain, "anchor": f"y{n}"}})
        fig.update_layout({f"yaxis{n}": {**hidden, "scaleanchor": f"x{n}", "anchor": f"x{n}"}})
        fig.add_annotation(
            x=sum(domain) / 2, y=1.02, xref="paper", yref="paper", yanchor="bottom", text=name, showarrow=False
        )
    fig.update_layout(legend={"orientation": "h", "y": -0.02, "yanchor": "top"})
    return fig


def one_temperature(
    cosines: Sequence[float], spaces: dict[float, tuple[Sequence[float], Sequence[float]]], temperature: float
) -> "Figure":
    """Three views of one temperature: the softmax weights, the forces on the query, and the space that was trained at it.

    Args:
        cosines: of one query with its passages, its own first; drawn on a circle on which the query points to the right.
        spaces: temperature -> the cosines of pairs, and of texts that do not belong together, after training.
        temperature: one of them.
    """
    import plotly.graph_objects as go

    logits = np.asarray(cosines) / temperature
    weight = np.exp(logits - logits.max())
    weight /= weight.sum()
    roles = [("own", COLORS[2], "square"), ("confusing", COLORS[3], "triangle-up")]
    roles += [("easy", GREY, "circle-open")] * (len(cosines) - 2)
    names = [f"{role}<br>{cosine:.2f}" for (role, _, _), cosine in zip(roles, cosines, strict=True)]
    names = [name.replace("easy", f"easy {i - 1}") for i, name in enumerate(names)]
    force = np.concatenate([[1 - weight[0]], weight[1:]]) / temperature
    angle = np.arccos(cosines) * np.array([(-1) ** i for i in range(len(cosines))])
    fig = figure(
        alt=f"Three views, one below the other, at one temperature. Bars from 0 to 1: the softmax weights of {len(cosines)} passages, "
        "with their cosines. A circle: a query on the right, its passages around it, and a line to each, as thick as its force. Two "
        "histograms of cosines from -1 to 1 after training: of queries with their own passages, and with passages of others.",
        notice="Follow one temperature through all three. The thickness of a line is its force, on one scale for all temperatures.",
        title=f"temperature {temperature:g}",
        height=860,
        margin={"l": 60, "r": 20, "t": 60, "b": 60},
        yaxis={"domain": [0.73, 1], "range": [0, 1.02], "title": "softmax weight"},
        xaxis={"anchor": "y", "title": "passage and its cosine with the query"},
        xaxis2={"domain": [0.22, 0.78], "range": [-1.3, 1.3], "anchor": "y2", "visible": False},
        yaxis2={"domain": [0.32, 0.64], "range": [-1.2, 1.2], "anchor": "x2", "scaleanchor": "x2", "visible": False},
        xaxis3={"anchor": "y3", "range": [-1, 1], "title": "cosine of query and passage, after training"},
        yaxis3={"domain": [0, 0.23], "anchor": "x3", "range": [0, 0.45], "title": "share"},
    )  # fmt: skip
    fig.add_trace(
        go.Bar(
            x=names, y=weight.round(4).tolist(), marker=bar_style([color for _, color, _ in roles]), showlegend=False
        )
    )
    around = np.linspace(0, 2 * np.pi, 61)
    fig.add_scatter(
        x=np.cos(around).round(3).tolist(), y=np.sin(around).round(3).tolist(), mode="lines", hoverinfo="skip",
        line={"color": "#999999", "width": 1}, xaxis="x2", yaxis="y2", showlegend=False,
    )  # fmt: skip
    for i, (role, color, symbol) in enumerate(roles):
        fig.add_scatter(
            x=[1, round(float(np.cos(angle[i])), 3)], y=[0, round(float(np.sin(angle[i])), 3)], mode="lines+markers",
            line={"color": color, "width": round(0.5 + min(1.6 * float(force[i]), 10), 2), "dash": "solid" if i == 0 else "dash"},
            marker={"symbol": ["circle", symbol], "size": 13, "color": [INK, color]}, name=role,
            xaxis="x2", yaxis="y2", showlegend=False,
        )  # fmt: skip
    words = f"pull of its own {force[0]:.2f}, push of the confusing one {force[1]:.2f},<br>of all easy ones together {force[2:].sum():.2f}"
    fig.add_annotation(x=0.5, y=0.285, xref="paper", yref="paper", text=words, showarrow=False, yanchor="middle")
    edges = np.linspace(-1.0, 1.0, 41)
    for place, name, color, dash in ((0, "own passage", COLORS[2], "solid"), (1, "other passages", GREY, "dash")):
        counts, _ = np.histogram(np.clip(spaces[temperature][place], -1.0, 1.0), edges)
        fig.add_scatter(
            x=edges.round(3).tolist(), y=(counts[[*range(len(counts)), -1]] / max(counts.sum(), 1)).round(4).tolist(),
            line={"shape": "hv", "color": color, "dash": dash}, name=name, fill="tozeroy", xaxis="x3", yaxis="y3",
        )  # fmt: skip
    fig.update_layout(legend={"x": 0.02, "y": 0.22, "yanchor": "top"})
    return fig
