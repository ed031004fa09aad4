"""The figures of chapter 00: what two systems find, and which words an encoder puts side by side.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbook.figures.theme import COLORS, bar_style, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


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
            marker=bar_style([COLORS[2], COLORS[1], COLORS[0], "#777777"], ["", "/", "x", "."]),
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
            marker={"color": COLORS[0]},
            showlegend=False,
        )
    )
    fig.update_xaxes(type="category")  # a neighbour such as 2020 is a name, not a place on the axis
    fig.update_yaxes(range=[0, 1.02])
    return fig
