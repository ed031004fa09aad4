"""The drawings of chapter 01: a text in pieces, and the square of scores that becomes a square of weights.

Each takes plain data and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from workbook.figures.theme import COLORS, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_PIECES = 16  # of one word that are drawn
BEGINS, CONTINUES, UNKNOWN = COLORS[0], COLORS[5], COLORS[3]


def pieces_of_words(text: str, tokenizer: Any, title: str = "") -> "Figure":
    """A row for each word of a text, cut into its pieces, as long as their letters.

    Args:
        text: what is cut.
        tokenizer: a `tokenizers.Tokenizer`.
        title: the figure's; the number of tokens is added.
    """
    import plotly.graph_objects as go

    encoding = tokenizer.encode(text, add_special_tokens=False)
    words: list[list[tuple[str, int]]] = []  # of each word the pieces and their letters
    for place, (piece, word, (start, end)) in enumerate(
        zip(encoding.tokens, encoding.word_ids, encoding.offsets, strict=True)
    ):
        if place == 0 or word != encoding.word_ids[place - 1]:
            words.append([])
        words[-1].append((piece, end - start))
    names = [f"{i + 1} {''.join(p.removeprefix('##') for p, _ in word)}" for i, word in enumerate(words)]
    fig = figure(
        alt="A row for each word of the text, from top to bottom. Each row is a bar as long as the word has letters, cut where "
        "the tokenizer cuts it and labelled with the pieces; the first piece, further pieces and unknown words differ in colour "
        "and hatching.",
        notice="Count the segments of a row: each will be a token with a vector of its own. A piece with ## continues a word.",
        title=f"{title}: {len(encoding.tokens)} tokens for {len(words)} words",
        xaxis_title="letters",
        height=170 + 30 * len(words),
        barmode="stack",
        showlegend=False,
    )
    for n in range(MOST_PIECES):
        drawn = [word[n] if n < len(word) else ("", 0) for word in words]
        unknown = [piece == "[UNK]" for piece, _ in drawn]
        fig.add_trace(
            go.Bar(
                x=[letters for _, letters in drawn],
                y=names,
                orientation="h",
                text=[piece for piece, _ in drawn],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": "#222222" if n else "white"},
                marker={
                    "color": [UNKNOWN if u else CONTINUES if n else BEGINS for u in unknown],
                    "line": {"color": "white", "width": 2},
                    "pattern": {"shape": ["/" if u else "" for u in unknown], "fgcolor": "white", "solidity": 0.15},
                },
                hovertemplate="%{text}: %{x} letters<extra></extra>",
            )
        )
    fig.update_yaxes(autorange="reversed", type="category")
    return fig


def attention_square(tokens: Sequence[str], scores: Tensor, allowed: Tensor, title: str = "") -> "Figure":
    """Two squares with their numbers: what each token scores, and what share it then takes.

    Args:
        tokens: T tokens.
        scores: (T, T), already divided by √S.
        allowed: (T, T) booleans, True where row may look at column.
        title: what is drawn.
    """
    import plotly.graph_objects as go

    T = len(tokens)
    weights = scores.double().masked_fill(~allowed, float("-inf")).softmax(dim=-1)
    written = [
        [f"{s:.2f}" if a else "−∞" for s, a in zip(row, may, strict=True)]
        for row, may in zip(scores.tolist(), allowed.tolist(), strict=True)
    ]
    shares = [[f"{w:.3f}".rstrip("0").rstrip(".") for w in row] for row in weights.tolist()]
    white = -0.1  # below all that is drawn: a forbidden cell is white on every page
    shown = np.where(allowed.numpy(), scores.double().numpy().clip(min=0), white).round(3).tolist()
    fig = figure(
        alt=f"Two squares of {T} by {T} cells side by side, each cell with its number. Rows are the tokens that look, columns the "
        "tokens that are looked at: left the scores, a forbidden one written as minus infinity on white, right the weights "
        "that the softmax makes of them, from 0 to 1.",
        notice="Go along one row: the weights on the right add up to 1, however many columns are forbidden.",
        title=title,
        height=430,
        showlegend=False,
    )
    for n, (values, texts, top) in enumerate(((shown, written, 2.1), (weights.numpy().round(4).tolist(), shares, 1.0))):
        axis = "" if n == 0 else "2"
        fig.add_trace(
            go.Heatmap(
                x=list(tokens),
                y=list(tokens),
                z=values,
                text=texts,
                texttemplate="%{text}",
                textfont={"size": 14},
                xaxis=f"x{axis}",
                yaxis=f"y{axis}",
                colorscale=[[0, "#FFFFFF"], [0.04, "#FFFFFF"], [0.04, "#EAF3F8"], [1, "#7FB8D9"]],
                zmin=white,
                zmax=top,
                xgap=2,
                ygap=2,
                showscale=False,
                hoverinfo="skip",
            )
        )
    side = {"autorange": "reversed", "type": "category", "automargin": True, "showgrid": False}
    fig.update_layout(
        xaxis={"domain": [0, 0.45], "type": "category", "side": "top", "title": "scores", "showgrid": False},
        xaxis2={
            "domain": [0.57, 1],
            "type": "category",
            "side": "top",
            "title": "weights",
            "anchor": "y2",
            "showgrid": False,
        },
        yaxis={**side, "title": "looks"},
        yaxis2={**side, "anchor": "x2"},
        margin={"t": 130},
        title={"y": 0.97, "yanchor": "top"},
    )
    return fig
