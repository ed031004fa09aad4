"""The figures of chapter 01: who looks at whom, why scores are divided, what a text costs.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbook.cost import multiply_adds
from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


LARGEST_WITH_NUMBERS = 10  # tokens, so that each cell has room for its number


def attention_map(tokens: Sequence[str], weights: Tensor, title: str = "") -> "Figure":
    """A map of attention: row t is the token that looks, column t the token that is looked at.

    The colours run from the smallest weight to the largest, so that a head that looks nearly everywhere alike still shows
    where it does not; the scale beside the map says how little that may be. Weights of 0 are pairs that may not meet: where
    there are some, the scale begins there.

    Args:
        tokens: T tokens.
        weights: (T, T); each row sums to 1.
        title: what is drawn.
    """
    import plotly.graph_objects as go

    # The number keeps equal tokens apart.
    names = [f"{position} {token}" for position, token in enumerate(tokens)]
    fig = figure(
        alt=f"Heat map of attention weights, from the smallest to the largest, among {len(names)} tokens. Each row is a token that looks, "
        "each column a token that is looked at, and each row adds up to 1.",
        notice="A bright cell says where a value is taken from, not what is done with it. A row that looks everywhere alike has "
        f"1/{len(names)} = {1 / len(names):.2f} in each column; look for rows that do not, and for columns that nobody may look at.",
        xaxis_title="is looked at",
        yaxis_title="looks",
        title=title,
    )
    fig.add_trace(
        go.Heatmap(
            x=names,
            y=names,
            z=np.round(weights.detach().numpy().astype(float), 3).tolist(),
            zmin=round(float(weights.min()), 3),
            zmax=round(float(weights.max()), 3),
            colorscale="Cividis",
            colorbar={"title": "weight"},
            hovertemplate="%{y} takes %{z} from %{x}<extra></extra>",
        )
    )
    if len(names) <= LARGEST_WITH_NUMBERS:
        fig.update_traces(texttemplate="%{z:.2f}")
    fig.update_yaxes(autorange="reversed")
    return fig


def why_divide(size: int, num_tokens: int = 8, seed: int = 0) -> "Figure":
    """Bars: the attention of one random query over random keys of S dimensions, with and without √S.

    Args:
        size: S.
        num_tokens: how many keys.
        seed: of the random numbers, which have mean 0 and deviation 1.
    """
    import plotly.graph_objects as go

    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(size, generator=generator, dtype=torch.float64)
    scores = torch.randn(num_tokens, size, generator=generator, dtype=torch.float64) @ query
    fig = figure(
        alt=f"Two bars for each of {num_tokens} tokens: the attention weight of a random query, from 0 to 1, with the scores "
        "divided by the root of the vector size S and undivided, for several S.",
        notice="Follow the tallest bar of each kind as S grows. How much is left for the others?",
        xaxis_title="token that is looked at",
        yaxis_title="attention weight",
        title=f"S = {size}",
    )
    for i, (name, values) in enumerate([("divided by √S", scores / size**0.5), ("not divided", scores)]):
        fig.add_trace(
            go.Bar(
                x=list(range(1, num_tokens + 1)),
                y=values.softmax(dim=0).numpy().round(3).tolist(),
                name=name,
                marker=bar_style(COLORS[i], ["", "/"][i]),
            )
        )
    fig.update_yaxes(range=[0, 1])
    return fig


def cost_curve(hidden_size: int, num_layers: int, lengths: Sequence[int]) -> "Figure":
    """Lines: multiply-adds of one text against its length, by part, both axes logarithmic.

    Args:
        hidden_size: D.
        num_layers: L.
        lengths: numbers of tokens.
    """
    import plotly.graph_objects as go

    parts = [multiply_adds(length, hidden_size, num_layers) for length in lengths]
    fig = figure(
        alt=f"Lines: multiply-adds of one text for pairs of tokens, projections and feed-forward, against {lengths[0]:,} to "
        f"{lengths[-1]:,} tokens, both axes logarithmic.",
        notice="On logarithmic axes the steepness of a line is a power. Compare how steep the lines are, then look "
        "where they cross, and how that place moves from model to model.",
        xaxis_title="tokens T",
        yaxis_title="multiply-adds for one text",
        title=f"D = {hidden_size}, {num_layers} layers",
    )
    names = {"attention": "pairs of tokens", "projections": "projections", "feed_forward": "feed-forward"}
    for i, (part, name) in enumerate(names.items()):
        fig.add_trace(
            go.Scatter(
                x=list(lengths),
                y=[cost[part] for cost in parts],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i]},
            )
        )
    fig.update_xaxes(type="log", **ticks_at(lengths))
    fig.update_yaxes(type="log", range=[5.5, 13.5], dtick=1, exponentformat="power")
    return fig
