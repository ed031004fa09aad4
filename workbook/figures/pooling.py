"""The figures of chapter 02: which token counts how much, what padding does, and what length does.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure
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


def padding_drift(drift: dict[int, dict[str, Sequence[float]]], padding: Sequence[int], num_tokens: int) -> "Figure":
    """Lines: how far an embedding moves from itself as padding joins the batch.

    Args:
        drift: number of tokens -> pooling name -> cosine with the unpadded embedding, one for each padding.
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
        title=f"a text of {num_tokens} tokens",
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
