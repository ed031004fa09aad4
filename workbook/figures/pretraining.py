"""The figures of chapter 10: two masks, what one vector carries, starts over numbers of labels, and a leak.

Each takes numbers and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.results import add_lines_of_seeds
from workbook.figures.theme import COLORS, DASHES, GREY, INK, SYMBOLS, figure, in_lines, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HIDDEN, SEEN, VECTOR, NOT_ASKED = "#EDEDED", COLORS[5], COLORS[0], "#C9C9C9"
KINDS = [
    [0, HIDDEN],
    [0.24, HIDDEN],
    [0.25, SEEN],
    [0.49, SEEN],
    [0.5, VECTOR],
    [0.74, VECTOR],
    [0.75, NOT_ASKED],
    [1, NOT_ASKED],
]
LARGEST_WITH_WORDS = 24  # tokens


def seen_cells(drawn: np.ndarray, rate: float) -> np.ndarray:
    """What each position of a text without padding may look at: (T, T) numbers, (T, T) of booleans."""
    seen: np.ndarray = (drawn >= rate) & ~np.eye(len(drawn), dtype=bool)
    seen[:, 0] = True
    return seen


def _kinds(seen: np.ndarray) -> np.ndarray:
    """0 hidden, 1 seen, 2 the vector, 3 in the row of [CLS], which nobody asks for."""
    kinds = seen.astype(int)
    kinds[:, 0] = 2
    kinds[0] = 3
    return kinds


def two_masks(
    tokens: Sequence[str],
    encoder_drawn: Sequence[float],
    decoder_drawn: Sequence[Sequence[float]],
    encoder_rate: float,
    rate: float,
) -> "Figure":
    """The central object: what RetroMAE hides from its encoder, and from each position of its decoder, with the numbers that decide.

    Args:
        tokens: T tokens, the first of them [CLS].
        encoder_drawn: T numbers; below `encoder_rate` a token is hidden from the encoder.
        decoder_drawn: T rows of T numbers; below `rate` a token is hidden from that position.
        encoder_rate: of the encoder.
        rate: of the decoder.
    """
    import plotly.graph_objects as go

    drawn, T = np.asarray(decoder_drawn, dtype=float), len(tokens)
    seen = seen_cells(drawn, rate)
    hidden = [i > 0 and number < encoder_rate for i, number in enumerate(encoder_drawn)]
    asked = ", ".join(f"{tokens[i]} sees {_and(tokens, seen[i])}" for i in range(1, T))
    fig = figure(
        alt=f"Two grids of numbers between 0 and 1, drawn at random. Above, one row of {T}: the tokens {', '.join(tokens)}, each with its number; "
        f"those below {encoder_rate:g} are hidden from the encoder. Below, {T} rows and {T} columns: row i is a token to be rebuilt, "
        f"column j what it may look at, the first column is the sentence's vector h. A cell is coloured by whether it may be looked at; the "
        "row of [CLS], which nobody asks for, is grey. The control is the share hidden from the decoder.",
        notice="Go down a column: each row has a draw of its own, so a token that is hidden from one position helps another. Then go down "
        "the diagonal. And which column is the same at every rate?",
        title=f"hidden from the decoder: {rate:g}",
        height=470,
        margin={"l": 110, "r": 20, "t": 60, "b": 70},
        xaxis={"tickvals": list(range(T)), "ticktext": list(tokens), "side": "top", "showgrid": False, "zeroline": False, "anchor": "y"},
        yaxis={"domain": [0.78, 0.92], "tickvals": [0], "ticktext": ["encoder sees"], "showgrid": False, "zeroline": False},
        xaxis2={"tickvals": list(range(T)), "ticktext": ["h", *tokens[1:]], "showgrid": False, "zeroline": False, "anchor": "y2"},
        yaxis2={
            "domain": [0, 0.66], "tickvals": list(range(T)), "ticktext": list(tokens), "showgrid": False, "zeroline": False,
            "range": [T - 0.5, -0.5],
        },
    )  # fmt: skip
    for z, text, axes in (
        ([[0 if gone else 1 for gone in hidden]], [_encoder_text(encoder_drawn, hidden)], {}),
        (_kinds(seen).tolist(), _decoder_text(drawn), {"xaxis": "x2", "yaxis": "y2"}),
    ):
        fig.add_trace(
            go.Heatmap(
                z=z, zmin=0, zmax=4, colorscale=KINDS, showscale=False, xgap=3, ygap=3, text=text, texttemplate="%{text}",
                textfont={"size": 14}, hoverinfo="skip", **axes,
            )
        )  # fmt: skip
    fig.add_annotation(
        x=0,
        y=-0.16,
        xref="paper",
        yref="paper",
        xanchor="left",
        showarrow=False,
        text=in_lines(asked),
        align="left",
        font={"size": 13},
    )
    return fig


def _encoder_text(drawn: Sequence[float], hidden: Sequence[bool]) -> list[str]:
    return [
        "always" if i == 0 else f"{n:.2f}<br>hidden" if gone else f"{n:.2f}"
        for i, (n, gone) in enumerate(zip(drawn, hidden, strict=True))
    ]


def _decoder_text(drawn: np.ndarray) -> list[list[str]]:
    T = len(drawn)
    return [["always" if j == 0 else "itself" if i == j else f"{drawn[i, j]:.2f}" for j in range(T)] for i in range(T)]


def _and(tokens: Sequence[str], row: np.ndarray) -> str:
    return " and ".join(["h", *(tokens[j] for j in range(1, len(tokens)) if row[j])])


class Rebuilt(NamedTuple):
    """A text that was rebuilt at one rate, from its own vector and from a stranger's.

    Attributes:
        seen: (T, T) of booleans, what each position looked at.
        own, stranger: (T,) nats of each token, NaN for those that nobody asks for.
        own_words, stranger_words: T guesses.
    """

    seen: np.ndarray
    own: Sequence[float]
    stranger: Sequence[float]
    own_words: Sequence[str]
    stranger_words: Sequence[str]


def what_it_carries(
    tokens: Sequence[str], rebuilt: Mapping[float, Rebuilt], means: Mapping[float, tuple[float, float]], rate: float
) -> "Figure":
    """The signature: a text as a grid of who may look at whom, what is rebuilt, and the loss with its own vector and a stranger's.

    Args:
        tokens: T tokens, the first of them [CLS].
        rebuilt: share hidden -> what came of it; its keys are the stops of the control.
        means: share hidden -> nats for each token over many texts, with the own vector and with a stranger's.
        rate: the share hidden now.
    """
    import plotly.graph_objects as go

    T, now = len(tokens), rebuilt[rate]
    own, stranger = means[rate]
    top = max(max(pair) for pair in means.values()) * 1.08
    names = [f"{i} {token}" for i, token in enumerate(tokens)]
    fig = figure(
        alt=f"Three views. Above, a grid of {T} rows and {T} columns for the tokens of one text: a row is a token to be rebuilt, a column what it may "
        "look at; the first column is the text's vector, the row of [CLS] is grey. In the middle, three rows of words: the text, what is "
        "rebuilt from its own vector, and what from the vector of another text; right guesses are set bold. Below, two lines over the share "
        f"hidden from the decoder, {min(means):g} to {max(means):g}: the loss in nats for each token, from 0 to {top:.1f}, over many "
        "texts, with the own vector and with a stranger's, and a vertical line at the present share. The control is that share.",
        notice="The distance between the two lines is what the vector is worth to the decoder. A stranger's vector misleads, so the distance "
        "says more than the vector knows. Compare the distance where little is hidden with that where everything is.",
        title=f"hidden from the decoder: {rate:g}",
        height=820,
        showlegend=False,
        margin={"l": 110, "r": 20, "t": 50, "b": 60},
        xaxis={"tickvals": list(range(T)), "ticktext": ["h", *tokens[1:]], "showgrid": False, "zeroline": False, "anchor": "y", "tickangle": -60},
        yaxis={
            "domain": [0.6, 1], "tickvals": list(range(T)), "ticktext": names, "showgrid": False, "zeroline": False, "range": [T - 0.5, -0.5],
        },
        xaxis2={"anchor": "y2", "title": "share hidden from the decoder", "tickvals": list(rebuilt), "range": [-0.05, 1.05]},
        yaxis2={"domain": [0, 0.24], "range": [0, round(top, 2)], "title": "nats a token", "anchor": "x2"},
    )  # fmt: skip
    fig.add_trace(
        go.Heatmap(
            z=_kinds(now.seen).tolist(), zmin=0, zmax=4, colorscale=KINDS, showscale=False, xgap=1, ygap=1, hoverinfo="skip",
        )
    )  # fmt: skip
    for y, name, words in (
        (0.44, "the text", tokens),
        (0.40, "own vector", now.own_words),
        (0.36, "a stranger's", now.stranger_words),
    ):
        told = [
            f"<b>{word}</b>" if name != "the text" and word == true else word
            for word, true in zip(words, tokens, strict=True)
        ]
        line = " ".join(told[1:]) if T <= LARGEST_WITH_WORDS else " ".join(told[1:LARGEST_WITH_WORDS]) + " …"
        fig.add_annotation(
            x=0, y=y, xref="paper", yref="paper", xanchor="left", showarrow=False, text=line, font={"size": 13}
        )
        fig.add_annotation(
            x=-0.01, y=y, xref="paper", yref="paper", xanchor="right", showarrow=False, text=name, font={"size": 12}
        )
    for i, name in enumerate(("own vector", "a stranger's")):
        values = [round(float(pair[i]), 3) for pair in means.values()]
        fig.add_trace(
            go.Scatter(
                x=list(means), y=values, mode="lines+markers", name=name, xaxis="x2", yaxis="y2",
                line={"color": (COLORS[0], GREY)[i], "dash": DASHES[i], "width": 3},
                marker={"symbol": SYMBOLS[i], "size": 9}, hovertemplate=name + " %{y:.2f}<extra></extra>",
            )
        )  # fmt: skip
    fig.add_shape(
        type="line",
        x0=rate,
        x1=rate,
        y0=0,
        y1=top,
        xref="x2",
        yref="y2",
        line={"color": INK, "dash": "dot", "width": 2},
    )
    fig.add_annotation(
        x=1, y=0.29, xref="paper", yref="paper", xanchor="right", showarrow=False, font={"size": 13},
        text=f"● own vector {own:.2f} · ■ a stranger's {stranger:.2f} nats a token",
    )  # fmt: skip
    return fig


def learning_curve(
    quality: Mapping[str, Mapping[str, Sequence[float]]], metric: str, title: str, bm25: float | None = None
) -> "Figure":
    """Quality over the number of labelled pairs, a line for each start, with whiskers from the lowest seed to the highest.

    Args:
        quality: start -> number of labels, as text -> one value per seed.
        metric: what is measured.
        title: what all lines have in common.
        bm25: what keyword search reaches.
    """
    counts = [int(count) for count in next(iter(quality.values()))]
    fig = figure(
        alt=f"Lines of {metric} from 0 over the number of labelled pairs, {min(counts):,} to {max(counts):,} on a logarithmic axis, one for each way "
        f"to begin: {', '.join(quality)}. Whiskers reach from the lowest to the highest seed."
        + ("" if bm25 is None else " A dashed line is BM25."),
        notice="Look at the distance to the line without pre-training, from left to right: from how many labels on do the whiskers meet? A "
        "start that never leaves that line has bought nothing here.",
        title=title,
        height=460,
        xaxis={"type": "log", "title": "labelled pairs", **ticks_at(counts)},
        yaxis={"title": metric},
    )
    add_lines_of_seeds(fig, {name: {int(n): values for n, values in of.items()} for name, of in quality.items()})
    if bm25 is not None:
        fig.add_hline(y=round(bm25, 4), line={"color": COLORS[1], "dash": "dash", "width": 2})
        fig.add_annotation(
            x=0,
            y=bm25,
            xref="paper",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            text=f"BM25 {bm25:.3f}",
            font={"size": 12},
        )
    return fig


def two_clouds(clean: Sequence[int], leaked: Sequence[int], is_leaked: Sequence[bool]) -> "Figure":
    """The broken case: each query's rank after pre-training on clean texts, and with test queries among the texts.

    Args:
        clean, leaked: the rank of each query's answer, 1 on top.
        is_leaked: whether a query stood among the texts.
    """
    import plotly.graph_objects as go

    deepest = max([*clean, *leaked, 10])
    ticks: dict[str, Any] = ticks_at([n for n in (1, 2, 5, 10, 30, 100, 300, 1_000, 3_000) if n <= deepest])
    low, high = float(np.log10(0.8)), float(np.log10(deepest * 1.25))
    fig = figure(
        alt=f"A square of {len(clean)} points, one for each query: across, the rank of its answer after pre-training on clean texts, upwards that after "
        f"pre-training on texts among which test queries stand with their answers; both from {deepest:,} to 1 on logarithmic axes, rank 1 at the "
        "right and on top. Diamonds are queries that stood there, hollow circles those that did not. A thin line marks equal ranks.",
        notice="A point above the line was found sooner after the leak. Look at the circles first: they were in no text, so they say what "
        "pre-training is worth on new questions. Then at the diamonds.",
        title="ranks, with and without the leak",
        height=620,
        xaxis={"type": "log", "range": [high, low], "title": "rank, clean texts", "zeroline": False, **ticks},
        yaxis={"type": "log", "range": [high, low], "title": "rank, leaked texts", "zeroline": False, **ticks},
        legend={"orientation": "h", "y": -0.16},
    )
    for of, name, marker in (
        (True, "stood among the texts", {"symbol": "diamond", "color": COLORS[3], "size": 9}),
        (False, "did not", {"symbol": "circle-open", "color": GREY, "size": 8, "line": {"width": 2}}),
    ):
        at = [i for i, flag in enumerate(is_leaked) if flag == of]
        better = sum(leaked[i] < clean[i] for i in at)
        fig.add_trace(
            go.Scatter(
                x=[clean[i] for i in at], y=[leaked[i] for i in at], mode="markers", marker=marker,
                name=f"{name}: {better} of {len(at)} sooner", hovertemplate="rank %{x}, then %{y}<extra></extra>",
            )
        )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=[1, deepest],
            y=[1, deepest],
            mode="lines",
            line={"color": INK, "width": 1},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    return fig


def beside_published(
    published: Mapping[str, Sequence[float]], ours: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> "Figure":
    """MLM and RetroMAE as starts: published figures as they stand, and ours with the ends of our seeds.

    Args:
        published: what was measured -> (after MLM, after RetroMAE).
        ours: what was measured -> (after MLM, after RetroMAE), each one value per seed.
    """
    import plotly.graph_objects as go

    rows = {f"{name} (published)": ([a], [b]) for name, (a, b) in published.items()} | {
        f"{name} (here)": pair for name, pair in ours.items()
    }
    fig = figure(
        alt=f"{len(rows)} rows: {', '.join(rows)}. In each two marks on an axis from 0, joined by a line: a circle for the model that was fine-tuned "
        "from masked language modelling, a diamond for the one from RetroMAE. Ours have whiskers from the lowest to the highest seed.",
        notice="Rows differ in what is measured, so compare marks within a row only. Published rows have no interval: none was published.",
        title="two starts, the same fine-tuning",
        height=150 + 62 * len(rows),
        xaxis={"title": "quality, each row in its own measure", "rangemode": "tozero"},
        legend={"orientation": "h", "y": -0.25},
        margin={"l": 210, "r": 20, "t": 50, "b": 70},
    )
    for name, pair in rows.items():
        fig.add_trace(
            go.Scatter(
                x=[round(float(np.mean(side)), 4) for side in pair], y=[name, name], mode="lines", showlegend=False, hoverinfo="skip",
                line={"color": GREY, "width": 2},
            )
        )  # fmt: skip
    for i, name in enumerate(("MLM", "RetroMAE")):
        means = [float(np.mean(pair[i])) for pair in rows.values()]
        fig.add_trace(
            go.Scatter(
                x=[round(mean, 4) for mean in means], y=list(rows), mode="markers+text", name=name,
                text=[f"{mean:.3f}" for mean in means], textposition=("bottom center", "top center")[i],
                marker={"symbol": ("circle", "diamond")[i], "color": (GREY, COLORS[0])[i], "size": 14},
                error_x={
                    "type": "data", "symmetric": False, "color": "#444444",
                    "array": [round(max(pair[i]) - mean, 4) for pair, mean in zip(rows.values(), means, strict=True)],
                    "arrayminus": [round(mean - min(pair[i]), 4) for pair, mean in zip(rows.values(), means, strict=True)],
                },
            )
        )  # fmt: skip
    fig.update_yaxes(autorange="reversed", type="category")
    return fig
