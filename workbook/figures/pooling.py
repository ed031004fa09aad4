"""The figures of chapter 02: which token counts how much, the mean as a walk, what padding does, and what length does.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbook.figures.theme import COLORS, DASHES, GREY, SYMBOLS, bar_style, figure
from workbook.similarity import cos_sim, dot_score, euclidean_sim

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

POOLINGS = ("mean", "CLS", "weighted mean", "last token", "attention")  # each keeps its colour, dash and symbol


def token_weights(tokens: Sequence[str], weights: dict[str, Sequence[float]], pooling: str) -> "Figure":
    """Bars: the share of each token position in the pooled vector.

    Args:
        tokens: the T tokens, padding included.
        weights: pooling name -> T weights that add up to 1.
        pooling: which of them to draw.
    """
    import plotly.graph_objects as go

    # Plotly merges bars of one name; the position keeps equal tokens apart.
    names = [f"{position} {token}" for position, token in enumerate(tokens, start=1)]
    is_padding = ["/" if token == "[PAD]" else "" for token in tokens]
    fig = figure(
        alt=f"Bars from 0 to 1: the weight of each of {len(tokens)} token positions in the pooled vector, for one pooling at a time; "
        "positions of padding are hatched.",
        notice="The weights of each pooling add up to 1. Which poolings give everything to one token, and which gives some of it "
        "to padding?",
        xaxis_title="position and token",
        yaxis_title="weight in the pooled vector",
        title=pooling,
    )
    fig.add_trace(
        go.Bar(
            x=names,
            y=[round(float(w), 4) for w in weights[pooling]],
            marker=bar_style(COLORS[0], is_padding),
            name=pooling,
            showlegend=False,
        )
    )
    fig.update_yaxes(range=[0, 1])
    return fig


def weight_grid(hidden: Tensor, weights: dict[str, Sequence[float]], padding: Sequence[bool] = ()) -> "Figure":
    """The weights of one text as a grid: a row for each pooling, a column for each position, the pooled vector at its end.

    Args:
        hidden: (T, D), what stands at the positions.
        weights: pooling -> T weights that add up to 1.
        padding: for each of the T positions, whether it is padding.
    """
    import plotly.graph_objects as go

    T, names = len(hidden), list(weights)
    padding = padding or [False] * T
    grid = torch.tensor([list(map(float, weights[name])) for name in names])  # (poolings, T)
    pooled = grid @ hidden.float()
    columns = [f"{'padding' if padding[t] else f'token {t + 1}'}<br>{_numbers(hidden[t])}" for t in range(T)]
    fig = figure(
        alt=f"A grid of {len(names)} rows, one for each pooling ({', '.join(names)}), and {T} columns, one for each position with its "
        "vector above it. Each cell holds a weight between 0 and 1; the pooled vector stands at the end of the row.",
        notice="Read a row from left to right: weight times vector, added up, is the vector at its end. Which rows have a weight above 0 "
        "in a column of padding?",
        title="the weights of one text",
        height=130 + 44 * len(names),
    )
    fig.add_trace(
        go.Heatmap(
            z=[[round(float(w), 3) for w in row] for row in grid],
            x=columns,
            y=names,
            zmin=0,
            zmax=1,
            colorscale=[[0, "#FFFFFF"], [1, "#7FB6DA"]],
            xgap=2,
            ygap=2,
            showscale=False,
            texttemplate="%{z:.2f}",
            textfont={"size": 14},
            hovertemplate="%{y}: %{z}<extra></extra>",
        )
    )
    for row in range(len(names)):
        fig.add_annotation(
            x=1, xref="paper", y=row, text=f"→ {_numbers(pooled[row])}", xanchor="left", xshift=6, showarrow=False
        )
    fig.update_xaxes(side="top", showgrid=False)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_layout(margin={"r": 150, "t": 95, "b": 20})
    return fig


def mean_walk(tokens: Tensor, padding: Tensor, num_padding: int) -> "Figure":
    """The mean as a walk: each vector, divided by their number, begins where the one before it ends.

    Below it: the cosine between the end of the walk and the mean of the tokens alone, up to this number of padding.

    Args:
        tokens: (T, 2), the vectors of a text's tokens.
        padding: (P, 2), the vectors that padding holds.
        num_padding: how many of them are averaged in, 0 to P.
    """
    import plotly.graph_objects as go

    P = len(padding)
    walks = [torch.cat([tokens, padding[:n]]).cumsum(0) / (len(tokens) + n) for n in range(P + 1)]
    ends = torch.stack([walk[-1] for walk in walks])  # (P + 1, 2)
    mean = ends[0]
    cosines = [round(float(value), 4) for value in cos_sim(mean[None], ends)[0]]
    points = [[0.0, 0.0], *walks[num_padding].tolist()]
    angle = float(torch.rad2deg(torch.atan2(ends[num_padding][1], ends[num_padding][0])))
    fig = figure(
        alt=f"Above, a plane: {len(tokens)} arrows of tokens and up to {P} dashed arrows of padding, each beginning where the one before "
        "it ends; an arrow from the origin to the end of the walk, and a square at the mean of the tokens alone. Below, a line of the "
        f"cosine between the two, from -1 to 1, over 0 to {P} vectors of padding, as far as the number that is drawn above.",
        notice="With more padding every arrow gets shorter, because all are divided by a larger number; and the walk goes on in the "
        "direction of the padding. The square does not move. A walk in the plane is easy to draw; in 64 dimensions it is the same walk.",
        title=f"vectors of padding: {num_padding}",
        height=660,
    )

    def arrows(path: list[list[float]], name: str, color: str, dash: str, width: int = 3) -> None:
        fig.add_trace(
            go.Scatter(
                x=[round(x, 4) for x, _ in path],
                y=[round(y, 4) for _, y in path],
                mode="lines+markers",
                name=name,
                line={"color": color, "dash": dash, "width": width},
                marker={"symbol": "arrow", "size": [0] + [14] * (len(path) - 1), "angleref": "previous"},
            )
        )

    T = len(tokens)
    arrows(points[: T + 1], "tokens, divided by their number", COLORS[0], "solid")
    arrows(points[T:], "padding, divided too", GREY, "dash")
    arrows([[0.0, 0.0], points[-1]], "careless mean", COLORS[3], "solid", 4)
    fig.add_trace(
        go.Scatter(
            x=[round(float(mean[0]), 4)],
            y=[round(float(mean[1]), 4)],
            mode="markers",
            name="mean of the tokens",
            marker={"symbol": "square", "size": 14, "color": COLORS[2]},
        )
    )
    below = {"xaxis": "x2", "yaxis": "y2", "showlegend": False, "line": {"color": COLORS[3]}}
    fig.add_trace(
        go.Scatter(
            x=list(range(num_padding + 1)), y=cosines[: num_padding + 1], mode="lines+markers", name="cosine", **below
        )
    )
    fig.add_trace(
        go.Scatter(
            x=[num_padding],
            y=[cosines[num_padding]],
            mode="markers+text",
            text=[f"{cosines[num_padding]:.2f}"],
            textposition="top right",
            name="drawn above",
            marker={"size": 16, "color": COLORS[3], "symbol": "circle-open", "line": {"width": 3}},
            **below,
        )
    )
    fig.add_annotation(
        x=0, y=1.01, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, align="left",
        text=f"The walk ends at {_numbers(ends[num_padding])}, {angle:.0f}° from the horizontal.<br>"
        f"Its cosine with the mean of the tokens is {cosines[num_padding]:.2f}.",
    )  # fmt: skip
    every = torch.cat([torch.zeros(1, 2), *walks])
    low, high = every.min(0).values, every.max(0).values
    room = 0.15 * float((high - low).max())
    axis = {"gridcolor": "#E5E5E5", "zerolinecolor": "#BBBBBB", "automargin": True}
    fig.update_layout(
        xaxis={"range": [float(low[0]) - room, float(high[0]) + room], "title": "dimension 1"},
        yaxis={"range": [float(low[1]) - room, float(high[1]) + room], "title": "dimension 2", "domain": [0.45, 1]},
        xaxis2={**axis, "anchor": "y2", "title": "vectors of padding", "dtick": 1, "range": [-0.3, P + 0.5]},
        yaxis2={
            **axis,
            "anchor": "x2",
            "title": "cosine",
            "domain": [0, 0.24],
            "range": [-1.1, 1.9],
            "tickvals": [-1, 0, 1],
        },
        legend={"x": 1, "xanchor": "right", "y": 1, "yanchor": "top"},
        margin={"t": 100},
    )
    fig.update_yaxes(scaleanchor="x", selector={"anchor": None})
    return fig


def padding_drift(
    drift: Mapping[int | str, Mapping[str, Sequence[float]]], padding: Sequence[int], num_tokens: int | str
) -> "Figure":
    """Lines: how far an embedding moves from itself as padding joins the batch.

    Args:
        drift: number of tokens, or what a text is called -> pooling name -> cosine with the unpadded embedding, one for each padding.
        padding: numbers of padded positions.
        num_tokens: which text to draw.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Lines: the cosine of an embedding with its unpadded self, from 0 to 1, against {min(padding)} to {max(padding)} padded "
        f"positions, one for each of: {', '.join(drift[num_tokens])}.",
        notice="Which line moves? Compare a short text with a long one at the same padding.",
        xaxis_title="padded positions",
        yaxis_title="cosine with the unpadded embedding",
        title=f"a text of {num_tokens} tokens" if isinstance(num_tokens, int) else num_tokens,
    )
    for i, (name, values) in enumerate(drift[num_tokens].items()):
        fig.add_trace(
            go.Scatter(
                x=list(padding),
                y=[round(float(v), 4) for v in values],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i]},
            )
        )
    fig.update_yaxes(range=[-0.05, 1.05])
    return fig


def three_similarities(length: float) -> "Figure":
    """A query and two passages in the plane; passage A is stretched, and each similarity names its winner.

    Args:
        length: the length of passage A, which points 40 degrees away from the query; B is 20 degrees away.
    """
    import plotly.graph_objects as go

    query = _vector(90, 1.0)
    passages = torch.stack([_vector(50, length), _vector(110, 1.0)])
    winners = [
        f"{name}: {'AB'[int(score(query[None], passages).argmax())]}"
        for name, score in (("cosine", cos_sim), ("dot product", dot_score), ("Euclidean", euclidean_sim))
    ]
    fig = figure(
        alt="Three arrows from the centre of a circle of length 1: a query, passage A 40 degrees away from it, whose length changes, "
        "and passage B 20 degrees away. The title names the winner by each similarity.",
        notice="Only the length of A changes, never an angle. Which of the three similarities changes its mind, and at what length?",
        xaxis_title="dimension 1",
        yaxis_title="dimension 2",
        title="nearest by " + " · ".join(winners),
    )
    circle = np.linspace(0, 2 * np.pi, 73)
    fig.add_trace(
        go.Scatter(
            x=np.cos(circle).round(3).tolist(),
            y=np.sin(circle).round(3).tolist(),
            mode="lines",
            line={"color": "#999999", "dash": "dot", "width": 1},
            name="length 1",
        )
    )
    for i, (name, vector) in enumerate([("query", query), ("passage A", passages[0]), ("passage B", passages[1])]):
        fig.add_trace(
            go.Scatter(
                x=[0.0, round(float(vector[0]), 3)],
                y=[0.0, round(float(vector[1]), 3)],
                mode="lines+markers",
                name=name,
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i], "size": [1, 12], "opacity": 1},
            )
        )
    fig.update_xaxes(range=[-1.4, 2.2])
    fig.update_yaxes(range=[-1.2, 2.2], scaleanchor="x")
    return fig


def quality_by_length(quality: dict[str, Sequence[float]], lengths: Sequence[str]) -> "Figure":
    """Lines: retrieval quality of each pooling over the quarters of passage length.

    Args:
        quality: one of POOLINGS -> one value for each quarter.
        lengths: what to call the quarters.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Lines of nDCG@10 from 0 upwards over four quarters of passage length, one for each of: {', '.join(quality)}.",
        notice="Compare the order of the lines and how even each is over the lengths. A gap between neighbours from one training "
        "settles nothing.",
        xaxis_title="length of the right passage",
        yaxis_title="nDCG@10",
    )
    for name, values in quality.items():
        i = POOLINGS.index(name)
        fig.add_trace(
            go.Scatter(
                x=list(lengths),
                y=[round(float(v), 4) for v in values],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i], "size": 9},
            )
        )
    fig.update_yaxes(rangemode="tozero")
    return fig


def _vector(degrees: float, length: float) -> Tensor:
    angle = torch.tensor(degrees).deg2rad()
    return length * torch.stack([angle.cos(), angle.sin()])


def _numbers(vector: Tensor) -> str:
    """A short vector in words: (1.5, 0)."""
    return "(" + ", ".join(f"{float(x) + 0.0:.2f}".rstrip("0").rstrip(".") for x in vector) + ")"
