"""The figures of chapter 00: vectors as arrows, a passage in two rankings, what two systems find, words side by side.

Each takes arrays and returns a plotly Figure.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbook.figures.theme import BLUE, GREEN, GREY, INK, ORANGE, bar_style, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

SHOWN = 10  # passages of a ranking
LABEL = 30  # letters of a passage's name, from its end


def arrows(query: tuple[float, float], passages: Mapping[str, tuple[float, float]]) -> "Figure":
    """A query and passages as arrows from one point, each with its numbers, its length and its cosine with the query.

    Args:
        query: (x, y), not zero.
        passages: name -> (x, y), the first the one that answers; none is zero.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"A query and {len(passages)} passages as arrows from one point in the plane, each with its two numbers, its length and "
        "its cosine with the query.",
        notice="The cosine falls as the angle to the query grows. How long an arrow is does not enter.",
        title="one query, and passages",
        xaxis_title="first number",
        yaxis_title="second number",
    )
    looks = [(INK, "circle", "query", query)]
    looks += [
        (GREEN, "square", name, at) if i == 0 else (GREY, "circle-open", name, at)
        for i, (name, at) in enumerate(passages.items())
    ]
    for color, symbol, name, (x, y) in looks:
        cosine = (x * query[0] + y * query[1]) / (math.hypot(x, y) * math.hypot(*query))
        told = f"{name} ({x:g}, {y:g})<br>length {math.hypot(x, y):g}" + (
            "" if name == "query" else f", cosine {cosine:.2f}"
        )
        fig.add_trace(
            go.Scatter(
                x=[0, x],
                y=[0, y],
                mode="lines+markers+text",
                text=["", told],
                textposition="middle right",
                line={"color": color, "width": 3},
                marker={"symbol": symbol, "size": [0, 12], "color": color},
                showlegend=False,
            )
        )
    ends = [query, *passages.values()]
    fig.update_xaxes(range=[-0.5, 1.7 * max(x for x, _ in ends) + 3])
    fig.update_yaxes(range=[min(y for _, y in ends) - 1, 1.15 * max(y for _, y in ends)], scaleanchor="x")
    return fig


def finds_its_passage(
    keyword: tuple[Sequence[str], int | None], encoder: Mapping[int, tuple[Sequence[str], int]], wanted: str, step: int
) -> "Figure":
    """Two rankings side by side, a line from the wanted passage in one to the same in the other, and its rank so far.

    Args:
        keyword: the first passages that keyword search finds, and the rank of the wanted one, None if it is not found.
        encoder: step -> the same for the encoder, after that many steps.
        wanted: the name of the wanted passage.
        step: up to which step to draw.
    """
    import plotly.graph_objects as go

    last = max(rank for _, rank in (keyword, *encoder.values()) if rank)
    fig = figure(
        alt=f"Above, two columns of {SHOWN} passages: on the left those that keyword search finds, on the right those of the encoder "
        f"after {', '.join(map(str, encoder))} steps; a line joins the wanted passage in both, below rank {SHOWN} if it is not shown. "
        f"Below, its rank over the steps on a logarithmic axis from 1 at the top to {last:,}, and the rank in keyword search as a dashed line.",
        notice="Follow the square on the right, and see which passages stand around it at each step. One query is a story, not a measurement.",
        title=f"after {step} steps",
        height=700,
    )
    places = [min(rank or SHOWN + 1, SHOWN + 1) for rank in (keyword[1], encoder[step][1])]
    fig.add_trace(
        go.Scatter(
            x=[0, 1], y=places, mode="lines", line={"color": GREEN, "width": 3}, showlegend=False, hoverinfo="skip"
        )
    )
    for x, (names, rank), side in ((0, keyword, "left"), (1, encoder[step], "right")):
        fig.add_trace(_column(names, rank, wanted, x, side))
    steps = [at for at in encoder if at <= step]
    if keyword[1]:
        fig.add_trace(
            go.Scatter(
                x=[str(at) for at in encoder],
                y=[keyword[1]] * len(encoder),
                mode="lines",
                line={"color": ORANGE, "dash": "dash", "width": 3},
                name="keyword search",
                xaxis="x2",
                yaxis="y2",
            )
        )
    fig.add_trace(
        go.Scatter(
            x=[str(at) for at in steps],
            y=[encoder[at][1] for at in steps],
            mode="lines+markers+text",
            text=[f"{encoder[at][1]:,}" for at in steps],
            textposition="bottom center",
            line={"color": BLUE, "width": 3},
            marker={"size": 10},
            name="encoder",
            showlegend=True,
            xaxis="x2",
            yaxis="y2",
        )
    )
    for at_x, name, side in ((0.1, "keyword search", "right"), (0.9, f"encoder, step {step}", "left")):
        fig.add_annotation(x=at_x, y=-0.2, text=f"<b>{name}</b>", xanchor=side, showarrow=False)
    fig.update_layout(
        xaxis={"range": [-1.9, 2.9], "visible": False},
        yaxis={"range": [SHOWN + 1.7, -0.8], "domain": [0.42, 1], "visible": False},
        xaxis2={"title": "training step", "type": "category", "categoryarray": [str(at) for at in encoder], "anchor": "y2", "range": [-0.4, len(encoder) - 0.6]},
        yaxis2={"title": "rank of the wanted passage", "type": "log", "range": [math.log10(4 * last), -0.15], "domain": [0, 0.34], "tickvals": [1, 10, 100, 1000, 10_000], "ticktext": ["1", "10", "100", "1,000", "10,000"], "anchor": "x2"},
        legend={"x": 1, "xanchor": "right", "y": 0.36, "yanchor": "bottom", "orientation": "h"},
    )  # fmt: skip
    return fig


def _column(names: Sequence[str], rank: int | None, wanted: str, x: int, side: str) -> "Scatter":
    """The first passages of a ranking; below them the wanted one, where it is not among them."""
    import plotly.graph_objects as go

    rows = [(place, name, name == wanted) for place, name in enumerate(names[:SHOWN], start=1)]
    below = rank is None or rank > SHOWN
    if below:
        rows.append((SHOWN + 1, f"{wanted}: {f'rank {rank:,}' if rank else 'not found'}", True))
    return go.Scatter(
        x=[x] * len(rows),
        y=[place for place, _, _ in rows],
        mode="markers+text",
        text=[name if len(name) <= LABEL or hit else f"…{name[-LABEL:]}" for _, name, hit in rows],
        textposition=f"middle {side}",
        textfont={"size": 12},
        marker={
            "symbol": ["square" if hit else "circle-open" for _, _, hit in rows],
            "color": [GREEN if hit else GREY for _, _, hit in rows],
            "size": [14 if hit else 7 for _, _, hit in rows],
        },
        showlegend=False,
        hoverinfo="skip",
    )


def found_by_both(shares: dict[int, Sequence[float]], k: int) -> "Figure":
    """Bars: the share of the queries whose passage both systems find, one of them, or none.

    Args:
        shares: k -> shares for both, only keyword search, only the encoder, neither.
        k: how many passages are looked at.
    """
    import plotly.graph_objects as go

    names = ["both", "only keyword search", "only the encoder", "neither"]
    fig = figure(
        alt="Four bars from 0 to 1: the share of the queries whose passage is found by both systems, only by keyword search, only "
        f"by the encoder, and by neither, for k = {', '.join(map(str, shares))}.",
        notice="The two bars in the middle are what either system alone would lose. Which of them is taller at k = 1, and which "
        "further down?",
        title=f"the right passage among the first {k}",
        yaxis_title="share of the queries",
        xaxis_title="found by",
    )
    fig.add_trace(
        go.Bar(
            x=names,
            y=[round(float(x), 4) for x in shares[k]],
            marker=bar_style([GREEN, ORANGE, BLUE, "#777777"], ["", "/", "x", "."]),
            showlegend=False,
        )
    )
    fig.update_yaxes(range=[0, 1])
    return fig


def neighbours(nearest: Sequence[tuple[float, str]], word: str) -> "Figure":
    """Bars: the cosine of one word with the words that lie closest to it, as the trained encoder sees them.

    Args:
        nearest: (cosine, neighbour), the closest first.
        word: whose neighbours they are.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Bars of the cosine, from 0 to 1, of one word with its {len(nearest)} nearest in the vocabulary, the closest first.",
        notice="Some neighbours mean nearly the same. Others only stood in the same texts, and say what the encoder has read.",
        title=f"nearest to “{word}”",
        yaxis_title="cosine",
        xaxis_title="neighbour, the closest first",
    )
    fig.add_trace(
        go.Bar(
            x=[name for _, name in nearest],
            y=[round(float(c), 3) for c, _ in nearest],
            marker={"color": BLUE},
            showlegend=False,
        )
    )
    fig.update_xaxes(type="category")  # a neighbour such as 2020 is a name, not a place on the axis
    fig.update_yaxes(range=[0, 1.02])
    return fig
