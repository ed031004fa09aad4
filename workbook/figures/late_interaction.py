"""The figures of chapter 14: whom each token finds, what a passage costs, and zeros that win.

Each takes numbers and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from workbook.figures.results import add_lines_of_seeds
from workbook.figures.theme import COLORS, GREY, INK, SEQUENCE, bar_style, figure, in_lines

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LARGEST_WITH_NUMBERS = 8  # rows or columns
GLUE = frozenset(("[CLS]", "[SEP]", "[Q]", "[D]", "[MASK]", "[UNK]"))


class Meeting(NamedTuple):
    """A query and a passage, token by token.

    Attributes:
        query: S tokens.
        passage: T tokens.
        similarity: (S, T).
        one_vector: the cosine of the two texts as one vector each.
    """

    query: Sequence[str]
    passage: Sequence[str]
    similarity: Tensor
    one_vector: float


def kept_rows(query: Sequence[str], without: str = "") -> list[int]:
    """The rows of a query that take part: all, or without glue, which is what special tokens, marker and [MASK] are."""
    return [row for row, token in enumerate(query) if not (without == "glue" and token in GLUE)]


def who_answers_whom(met: Meeting, shown: str = "all", title: str = "") -> "Figure":
    """The signature: a square of similarities with each row's maximum outlined, and the maxima, whose sum is the score.

    Args:
        met: the two texts.
        shown: "all", or "glue" to leave special tokens and [MASK] of the query out.
        title: the passage's name.
    """
    import plotly.graph_objects as go

    rows = kept_rows(met.query, shown)
    similarity = np.asarray(met.similarity, dtype=float)[rows]
    best = similarity.argmax(axis=1)
    maxima = similarity.max(axis=1)
    queries = [f"{place + 1} {met.query[row]}" for place, row in enumerate(rows)]
    passages = [f"{place + 1} {token}" for place, token in enumerate(met.passage)]
    glue = sum(value for row, value in zip(rows, maxima, strict=True) if met.query[row] in GLUE)
    small = max(len(queries), len(passages)) <= LARGEST_WITH_NUMBERS
    fig = figure(
        alt=f"A grid: {len(queries)} tokens of a query down, {len(passages)} of a passage across, the cosine of their vectors as a shade from −1 to 1. "
        "In each row the largest cell is outlined. Right of it, a bar for each row as long as that cell; the bars' sum is the passage's "
        f"score. Query: {', '.join(met.query[row] for row in rows)}. Passage: {', '.join(met.passage)}.",
        notice="Read a row: where is its outline, on the same word, on a relative, or on something that stands for nothing? Then add up how much of "
        "the sum comes from tokens that are no words. A cell compares two words in their sentences, not two words of a dictionary.",
        title=title,
        height=250 + 26 * len(queries),
        margin={"l": 110, "r": 20, "t": 130, "b": 120},
        showlegend=False,
        bargap=0.25,
    )
    fig.add_trace(
        go.Heatmap(
            z=similarity.round(3).tolist(), x=passages, y=queries, zmin=-1, zmax=1, colorscale=SEQUENCE, showscale=False, xgap=1, ygap=1,
            **({"text": similarity.round(2).tolist(), "texttemplate": "%{text:.2f}"} if small else {}),
            hovertemplate="%{y} · %{x}: %{z:.2f}<extra></extra>",
        )
    )  # fmt: skip
    for row, column in enumerate(best.tolist()):
        box = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        fig.add_shape(type="rect", line={"color": COLORS[3], "width": 2.5}, **box)
    is_glue = [met.query[row] in GLUE for row in rows]
    fig.add_trace(
        go.Bar(
            x=maxima.round(3).tolist(), y=queries, orientation="h", xaxis="x2",
            text=[f"{value:.2f} {met.passage[column]}" for value, column in zip(maxima, best.tolist(), strict=True)],
            textposition="inside", insidetextanchor="start", textfont={"size": 12, "color": "#222222"}, textangle=0,
            constraintext="none", cliponaxis=False, hoverinfo="skip",
            marker={**bar_style([GREY if glued else COLORS[5] for glued in is_glue], ["/" if glued else "" for glued in is_glue]), "opacity": 0.6},
        )
    )  # fmt: skip
    fig.update_layout(
        xaxis={"domain": [0, 0.66], "type": "category", "side": "top", "tickangle": -60, "showgrid": False},
        xaxis2={"domain": [0.7, 1], "range": [0, 1], "title": "best match", "anchor": "y", "gridcolor": "#E5E5E5"},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
    )
    told = f"score {maxima.sum():.2f}, of which {glue:.2f} from tokens that are no words; as one vector each: {met.one_vector:.2f}"
    fig.add_annotation(
        x=0, y=0, xref="paper", yref="paper", xanchor="left", yanchor="top", yshift=-76, showarrow=False, text=told,
    )  # fmt: skip
    fig.update_layout(title={"y": 0.99, "yref": "container", "yanchor": "top"})
    return fig


def two_words(
    query: Sequence[str], passage: Sequence[str], similarity: Sequence[Sequence[float]], sizes: Mapping[str, int]
) -> "Figure":
    """The central object: the grid of a few tokens with its numbers, the sum of its row maxima, and bytes.

    Args:
        query, passage: S and T tokens.
        similarity: S rows of T numbers.
        sizes: what a passage is stored as -> its bytes.
    """
    import plotly.graph_objects as go

    values = np.asarray(similarity, dtype=float)
    best, maxima = values.argmax(axis=1), values.max(axis=1)
    names = [f"{name}, {size:,} bytes" for name, size in sizes.items()]
    fig = figure(
        alt=f"Above, a grid of numbers: the query tokens {', '.join(query)} down, the passage tokens {', '.join(passage)} across, the largest of each row outlined, "
        f"and right of it the sum of these. Below, bars from 0 for the bytes of a passage: {', '.join(names)}.",
        notice="No cell is compared with the row below it: two tokens of the query may choose the same token of the passage. And the bars: what costs more, "
        "to keep every token or to keep every bit?",
        height=420,
        margin={"l": 90, "r": 90, "t": 50, "b": 60},
        showlegend=False,
        xaxis={"tickvals": list(range(len(passage))), "ticktext": list(passage), "side": "top", "showgrid": False, "zeroline": False},
        yaxis={
            "domain": [0.62, 0.95], "tickvals": list(range(len(query))), "ticktext": list(query), "range": [len(query) - 0.5, -0.5],
            "showgrid": False, "zeroline": False,
        },
        xaxis2={"domain": [0, 1], "anchor": "y2", "title": "bytes of a passage of 60 tokens", "range": [0, 1.15 * max(sizes.values())]},
        yaxis2={"domain": [0, 0.42], "autorange": "reversed", "showticklabels": False},
    )  # fmt: skip
    fig.add_trace(
        go.Heatmap(
            z=values.tolist(), zmin=-1, zmax=1, colorscale=SEQUENCE, showscale=False, xgap=2, ygap=2, text=values.tolist(),
            texttemplate="%{text:.2f}", textfont={"size": 16}, hoverinfo="skip",
        )
    )  # fmt: skip
    for row, column in enumerate(best.tolist()):
        box = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        fig.add_shape(type="rect", line={"color": COLORS[3], "width": 3}, **box)
    fig.add_annotation(
        x=1.01, y=0.8, xref="paper", yref="paper", xanchor="left", showarrow=False, align="left",
        text="<br>+ ".join(f"{value:.2f}" for value in maxima) + f"<br>= {maxima.sum():.2f}",
    )  # fmt: skip
    fig.add_trace(
        go.Bar(
            x=list(sizes.values()), y=names, orientation="h", xaxis="x2", yaxis="y2", text=names, textposition="auto",
            marker=bar_style([COLORS[5]] * len(names)), hoverinfo="skip", cliponaxis=False, textangle=0, insidetextanchor="start",
        )
    )  # fmt: skip
    return fig


def zeros_that_win(
    scores: Mapping[str, Sequence[float]], padded: Mapping[str, Sequence[float]], masked: str = "without a mask"
) -> "Figure":
    """The broken case: two passages, the best match of each query token, with zeros of padding among the candidates or without.

    Args:
        scores: passage -> the best match of each query token among its own tokens.
        padded: the same with a token of zeros among them.
        masked: "with a mask" or "without a mask": which of the two is drawn.
    """
    import plotly.graph_objects as go

    drawn = padded if masked == "without a mask" else scores
    passages = list(drawn)
    tokens = len(next(iter(drawn.values())))
    fig = figure(
        alt=f"Bars for the passages {', '.join(passages)}: the best match of each of {tokens} query tokens one on top of the other, from 0; what lies below 0 hangs "
        "down. Above each passage stands its sum.",
        notice="Which token's bar changes when the mask goes, and why only that one? A zero is no small similarity: it beats every negative one.",
        title=masked,
        height=420,
        barmode="relative",
        yaxis={"title": "sum of the best matches", "range": [-0.5, 1.3]},
    )
    for token in range(tokens):
        fig.add_trace(
            go.Bar(
                x=passages, y=[round(drawn[name][token], 3) for name in passages], name=f"query token {token + 1}", width=0.5,
                text=[f"{drawn[name][token]:+.2f}" for name in passages], textposition="inside", textangle=0,
                marker=bar_style(COLORS[0] if token == 0 else COLORS[1], "" if token == 0 else "/"),
            )
        )  # fmt: skip
    for name in passages:
        fig.add_annotation(x=name, y=1.2, text=f"= {sum(drawn[name]):.2f}", showarrow=False, font={"size": 16})
    return fig


def matched(shares: Mapping[str, Mapping[str, float]], counts: Mapping[str, int], title: str = "") -> "Figure":
    """What query words found, by what the passage offered them: one bar of shares for each offer.

    Args:
        shares: what the passage offers -> what was found -> share of the words.
        counts: what the passage offers -> how many words.
        title: what was searched.
    """
    import plotly.graph_objects as go

    offers = list(shares)
    kinds = list(next(iter(shares.values())))
    names = [in_lines(f"{offer} ({counts[offer]:,} words)", 18) for offer in offers]
    fig = figure(
        alt=f"A bar from 0 to 1 for each of what a passage offers to a word of the query: {', '.join(offers)}; each is cut into the shares of words that found {', '.join(kinds)}.",
        notice="In the last bar there is nothing of the same kind to find, so something else is found of necessity. Look at where another form of the word is there: that is the claim.",
        title=title,
        height=400,
        barmode="stack",
        yaxis={"title": "share of the words", "range": [0, 1]},
    )
    looks = ((COLORS[2], ""), (COLORS[0], "/"), (GREY, "x"))
    for (color, shape), kind in zip(looks, kinds, strict=True):
        values = [round(shares[offer][kind], 3) for offer in offers]
        fig.add_trace(
            go.Bar(
                x=names, y=values, name=kind, text=[f"{value:.2f}" if value >= 0.04 else "" for value in values], textposition="inside",
                textangle=0, marker={**bar_style(color, shape), "line": {"color": INK, "width": 0.5}},
            )
        )  # fmt: skip
    return fig


def as_passages_grow(values: Mapping[str, Mapping[int, Sequence[float]]], bm25: Mapping[int, float]) -> "Figure":
    """Quality over how many texts from elsewhere stand behind each passage: a line for each arm, and one for BM25.

    Args:
        values: arm -> texts behind each passage -> one value per seed.
        bm25: texts behind each passage -> its quality.
    """
    import plotly.graph_objects as go

    places = list(bm25)
    fig = figure(
        alt=f"Lines over the number of texts that stand behind each passage, {', '.join(map(str, places))}: nDCG@10 from 0 for {', '.join(values)}, with whiskers from the "
        "lowest seed to the highest, and a dashed line for BM25.",
        notice="Compare the slopes before the heights: the queries ask for the same passages all along. Who loses least when a passage says more than one thing?",
        title="more than one thing in a passage",
        height=430,
        xaxis={"title": "texts from elsewhere behind each passage", "tickmode": "array", "tickvals": places},
        yaxis={"title": "nDCG@10"},
    )
    add_lines_of_seeds(fig, values)
    fig.add_trace(
        go.Scatter(
            x=places, y=[round(bm25[place], 4) for place in places], name="BM25", mode="lines", line={"color": COLORS[1], "dash": "dash"},
        )
    )  # fmt: skip
    fig.update_yaxes(range=[0, 1])
    return fig
