"""The figures of chapter 12: runs of words that two texts share, how many changes hide a copy, what a leak does, clicks by place.

Each takes texts or numbers and returns a plotly Figure.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.results import add_lines_of_seeds
from workbook.figures.theme import BLUE, GREEN, GREY, INK, VERMILLION, bar_style, figure, in_lines
from workbook.training_data import chance_to_meet, decontaminate, jaccard, shingles

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INSTEAD = ("pear", "river", "chair", "moon", "ladder", "violin", "harbour", "candle")  # stands where a word was
MOST_CHANGED = len(INSTEAD)


def runs_of(text: str, size: int = 4) -> list[str]:
    """The runs of `size` words of a text, in order, as `workbook.training_data.shingles` cuts them."""
    words = re.findall(r"\w+", text.lower())
    return [" ".join(words[i : i + size]) for i in range(max(len(words) - size + 1, 1))]


def shared_runs(first: str, second: str, size: int = 4) -> "Figure":
    """The central object: the runs of two texts as two columns, and a line between equal ones.

    Args:
        first, second: texts.
        size: words in a run.
    """
    import plotly.graph_objects as go

    left, right = (list(dict.fromkeys(runs_of(text, size))) for text in (first, second))
    both = [run for run in left if run in right]
    union = len({*left, *right})
    fig = figure(
        alt=f"Two columns of runs of {size} words: {len(left)} of “{first}” on the left, {len(right)} of “{second}” on the right, each run "
        "beside a mark. Lines join equal runs; squares have a partner, hollow circles have none. The title counts both.",
        notice="A word that is changed breaks every run that it stands in. How many runs is that, and how many words?",
        title=f"{len(both)} shared of {union} in all: J = {len(both) / union:.3f}",
        height=140 + 44 * max(len(left), len(right)),
        showlegend=False,
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
        xaxis={"visible": False, "range": [-1.3, 2.3]},
        yaxis={"visible": False, "range": [max(len(left), len(right)) - 0.5, -0.5]},
    )
    for run in both:
        fig.add_trace(
            go.Scatter(
                x=[0, 1], y=[left.index(run), right.index(run)], mode="lines", line={"color": GREEN, "width": 3}, hoverinfo="skip"
            )
        )  # fmt: skip
    for x, runs, place in ((0, left, "middle left"), (1, right, "middle right")):
        fig.add_trace(
            go.Scatter(
                x=[x] * len(runs), y=list(range(len(runs))), mode="markers+text", text=runs, textposition=place, hoverinfo="skip",
                textfont={"size": 16},
                marker={
                    "size": 13, "line": {"width": 2}, "color": [GREEN if run in both else GREY for run in runs],
                    "symbol": ["square" if run in both else "circle-open" for run in runs],
                },
            )
        )  # fmt: skip
    return fig


def places_to_change(length: int, changed: int) -> list[int]:
    """Where words are changed, as far from one another as can be: the middle, the middles of the halves, and so on."""
    places: list[int] = []
    step = 1
    while len(places) < min(changed, length):
        found = (int(length * (2 * i + 1) / 2 ** (step)) for i in range(2 ** (step - 1)))
        places += [place for place in found if place not in places]
        step += 1
    return places[:changed]


def with_changes(text: str, changed: int) -> str:
    """The text with so many of its words exchanged."""
    words = text.split()
    for place, word in zip(places_to_change(len(words), changed), INSTEAD, strict=False):
        words[place] = word
    return " ".join(words)


def how_many_words(text: str, changed: int, bands: int = 20, rows: int = 5) -> "Figure":
    """The signature: a text with some words changed, its runs, and how probable it is that an index still brings it up.

    Args:
        text: the test text; a copy of it is changed.
        changed: how many words: the control, from 0 to MOST_CHANGED.
        bands, rows: how the signature of an index is cut.
    """
    import plotly.graph_objects as go

    copy, words = with_changes(text, changed), text.split()
    kept = [run in set(runs_of(text)) for run in runs_of(copy)]
    J = jaccard(shingles(text), shingles(copy))
    chance = chance_to_meet(J, bands, rows)
    dropped = decontaminate([(copy,)], {"test": text}).dropped
    says = f"drops it ({dropped[0].why})" if dropped else "keeps it"
    new = set(places_to_change(len(words), changed))
    shown = " ".join(f"<b>{word}</b>" if i in new else word for i, word in enumerate(copy.split()))
    at = np.linspace(0, 1, 51)
    fig = figure(
        alt=f"Three views of a copy of a text of {len(words)} words, in which the control changes 0 to {MOST_CHANGED} words. On top the copy, changed words "
        f"bold. Below it a strip of its {len(kept)} runs of four words: a square for a run that the text has, a cross for one that it has not. "
        f"Below that a curve from 0 to 1 on both axes: the chance to meet in one of {bands} bands of {rows}, over the share of runs in common, "
        "J; a diamond stands at the copy, a thin vertical line at J = 0.8.",
        notice="Watch the strip first: how many runs break with one word? Then the diamond: where on the curve is it steep? And does "
        "`decontaminate`, which asks for J of 0.8 or thirteen words in a row, say what the curve says?",
        title=f"{changed} of {len(words)} words changed",
        height=640,
        showlegend=False,
        margin={"l": 70, "r": 20, "t": 50, "b": 60},
        xaxis={"domain": [0, 1], "anchor": "y", "visible": False, "range": [-0.7, len(kept) - 0.3]},
        yaxis={"domain": [0.62, 0.7], "anchor": "x", "visible": False, "range": [-0.5, 0.5]},
        xaxis2={"anchor": "y2", "title": "J, share of runs in common", "range": [-0.02, 1.02]},
        yaxis2={"domain": [0, 0.5], "anchor": "x2", "title": "chance to meet", "range": [-0.05, 1.05]},
    )
    fig.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="top", align="left", showarrow=False, text=in_lines(shown, 84),
    )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=list(range(len(kept))), y=[0] * len(kept), mode="markers", hovertext=runs_of(copy), hoverinfo="text",
            marker={
                "size": max(6, min(22, 560 // max(1, len(kept)))), "color": [GREEN if k else VERMILLION for k in kept],
                "symbol": ["square" if k else "x" for k in kept],
            },
        )
    )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=at.round(2).tolist(), y=[round(chance_to_meet(float(j), bands, rows), 4) for j in at], mode="lines", xaxis="x2", yaxis="y2",
            line={"color": BLUE, "width": 3}, hoverinfo="skip",
        )
    )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=[round(J, 4)], y=[round(chance, 4)], mode="markers", xaxis="x2", yaxis="y2",
            marker={"symbol": "diamond", "size": 16, "color": VERMILLION, "line": {"color": INK, "width": 2}},
            hovertemplate="J %{x:.2f}: %{y:.2f}<extra></extra>",
        )
    )  # fmt: skip
    fig.add_shape(
        type="line", x0=0.8, x1=0.8, y0=0, y1=1, xref="x2", yref="y2", line={"color": INK, "dash": "dot", "width": 1}
    )
    fig.add_annotation(
        x=0, y=0.57, xref="paper", yref="paper", xanchor="left", showarrow=False, align="left",
        text=f"J {J:.2f}, the same band in {100 * chance:.0f} % of random numberings; decontaminate {says}",
    )  # fmt: skip
    return fig


def leak_curve(quality: Mapping[str, Mapping[int, Sequence[float]]], metric: str, title: str = "") -> "Figure":
    """The broken case: quality over the percent of test queries that leaked, on all, the leaked and the other queries.

    Args:
        quality: which queries -> percent leaked -> one value for each seed.
        metric: what the values are.
        title: where they were measured.
    """
    percent = sorted({p for of in quality.values() for p in of})
    fig = figure(
        alt=f"Lines of {metric} from 0 over the percent of test queries of which a copy stands in the training, from {min(percent)} to {max(percent)}, one "
        f"line for each of: {', '.join(quality)}. Whiskers reach from the lowest to the highest seed.",
        notice="A report has the line of all queries alone. Look at the queries that did not leak: what does the model do there that it did "
        "not do before?",
        title=title,
        height=460,
        xaxis={"title": "% of the test queries that leaked", "tickvals": percent},
        yaxis={"title": metric},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},  # below is the slider
        margin={"l": 65, "r": 20, "t": 80, "b": 60},
    )
    add_lines_of_seeds(fig, quality)
    return fig


def clicks_by_place(
    raw: Sequence[float], corrected: Sequence[float], relevant: Sequence[bool], title: str = ""
) -> "Figure":
    """The hits of one query from the top down: the share of clicks, raw and corrected for the place.

    Args:
        raw, corrected: for positions 1, 2, …
        relevant: which of the hits are right.
        title: the query.
    """
    import plotly.graph_objects as go

    places = [f"{i + 1} ■" if right else f"{i + 1}" for i, right in enumerate(relevant)]
    fig = figure(
        alt=f"Two groups of horizontal bars from 0 for {len(places)} positions, position 1 on top: the share of times that the hit there was clicked, and the same "
        "corrected for how many look at that place. A square beside the number of a position marks a right answer.",
        notice="Which position has the longest bar of each kind? A corrected rate may lie above 1: it is right on average only.",
        title=title,
        height=130 + 40 * len(places),
        xaxis={"title": "clicks for each time shown"},
        yaxis={"title": "position", "type": "category", "autorange": "reversed"},
        barmode="group",
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    for name, values, color, shape in (("raw", raw, GREY, "/"), ("corrected", corrected, BLUE, "")):
        fig.add_trace(
            go.Bar(
                x=[round(float(v), 4) for v in values], y=places, orientation="h", name=name, marker=bar_style(color, shape)
            )
        )  # fmt: skip
    return fig
