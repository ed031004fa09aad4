"""The figures of chapter 09: a bar below one positive, a sieve for all candidates, and what filters find for what they cost.

Each takes numbers and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbook.figures.results import add_lines_of_seeds
from workbook.figures.theme import COLORS, DASHES, GREY, INK, SYMBOLS, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

POSITIVE, FALSE = "#009E73", "#CC79A7"
BARS = ("threshold", "absolute margin", "relative margin")
DRAWN = 700  # dots of true negatives, at most
GRID = np.linspace(0, 0.3, 31)  # shares of true negatives lost, for the curves


class Sifted(NamedTuple):
    """Candidates of many queries, one number or truth for each.

    Attributes:
        positive: (n,) the score of its query's positive.
        score: (n,) its own.
        false: (n,) bool, whether it is right after all.
    """

    positive: np.ndarray
    score: np.ndarray
    false: np.ndarray


def bar_of_one_query(scores: Mapping[str, float], positive: float, hidden: str, margin: float) -> "Figure":
    """The central object: one query's candidates on an axis of cosines, its positive, and the bar of a relative margin below it.

    Args:
        scores: name of a candidate -> its cosine.
        positive: the cosine of the positive.
        hidden: which candidate is right after all.
        margin: the share of the positive's score that a candidate must stay below it.
    """
    import plotly.graph_objects as go

    bar = positive - abs(positive) * margin
    every = (*scores.values(), positive)
    low, high = round(min(0.2, min(every) - 0.12), 2), round(max(0.9, max(every) + 0.05), 2)
    fig = figure(
        alt=f"An axis of cosines from {low:g} to {high:g} with a green square, the positive at {positive:.2f}, and {len(scores)} candidates on the line below "
        f"it, each with its name and number; one of them is a pink diamond, a right answer that nobody labelled, the others are hollow "
        "circles. A vertical line is the bar; what lies to its right is removed. The control is the margin.",
        notice="Move the bar until the diamond falls. What else has fallen by then? And which of the fallen would have taught most?",
        title=f"margin {margin:g}: bar at {bar:.3f}",
        height=300,
        xaxis={"range": [low, high], "title": "cosine with the query", "zeroline": False},
        yaxis={"range": [-0.8, 1.6], "visible": False},
        margin={"l": 20, "r": 20, "t": 50, "b": 60},
    )
    fig.add_shape(type="rect", x0=bar, x1=high, y0=-0.8, y1=1.6, fillcolor="rgba(213,94,0,0.12)", line={"width": 0})
    fig.add_shape(type="line", x0=bar, x1=bar, y0=-0.8, y1=1.6, line={"color": COLORS[3], "width": 3, "dash": "dash"})
    fig.add_trace(
        go.Scatter(
            x=[positive], y=[1], mode="markers+text", text=[f"positive {positive:.2f}"], textposition="middle left", showlegend=False,
            marker={"color": POSITIVE, "symbol": "square", "size": 16},
        )
    )  # fmt: skip
    for i, (name, score) in enumerate(scores.items()):
        right = name == hidden
        fig.add_trace(
            go.Scatter(
                x=[score], y=[0], mode="markers+text", text=[f"{name}<br>{score:.2f}"], showlegend=False,
                textposition="bottom center" if i % 2 else "top center",
                marker={
                    "color": FALSE if right else GREY, "symbol": "diamond" if right else "circle-open", "size": 15,
                    "line": {"color": POSITIVE if right else GREY, "width": 2},
                },
            )
        )  # fmt: skip
    return fig


def suspicion(bar: str, sifted: Sifted) -> np.ndarray:
    """What a kind of bar compares with its setting, (n,): the larger, the sooner a candidate is removed."""
    positive, score = sifted.positive, sifted.score
    if bar == "threshold":
        return score
    if bar == "absolute margin":
        return score - positive
    return (score - positive) / np.maximum(np.abs(positive), 1e-9)


def setting_that_loses(bar: str, sifted: Sifted, lost: float) -> float:
    """The setting of a bar that removes this share of the true negatives."""
    return float(np.quantile(suspicion(bar, sifted)[~sifted.false], 1 - lost))


def recall_at(bar: str, sifted: Sifted, lost: float) -> float:
    """The share of false negatives that a bar removes where it loses this share of the true ones."""
    return float((suspicion(bar, sifted)[sifted.false] > setting_that_loses(bar, sifted, lost)).mean())


def sieve(sifted: Sifted, bar: str, lost: float) -> "Figure":
    """The signature: each candidate by its query's positive and by its own score, a bar across, and what all bars find for what they lose.

    Args:
        sifted: the candidates; of the true negatives an even selection is drawn, all are counted.
        bar: one of BARS.
        lost: the share of true negatives that the bar may remove.
    """
    import plotly.graph_objects as go

    setting = setting_that_loses(bar, sifted, lost)
    removed = suspicion(bar, sifted) > setting
    found, false = int((removed & sifted.false).sum()), int(sifted.false.sum())
    wrong, true = int((removed & ~sifted.false).sum()), int((~sifted.false).sum())
    low, high = (round(float(f(np.concatenate([sifted.positive, sifted.score]))), 1) for f in (np.min, np.max))
    low, high = min(0.0, low), min(1.0, high + 0.1)
    said = {"threshold": f"{setting:.2f}", "absolute margin": f"{-setting:.2f}", "relative margin": f"{-setting:.2f}"}[
        bar
    ]
    fig = figure(
        alt="Two views. Above, a square of dots, one for each candidate: across, the cosine of its query's positive, upwards its own cosine. "
        "Hollow grey circles are true negatives, pink diamonds false ones, a thin line marks where both cosines are equal. A dashed line "
        "is the bar; the shaded side above it is removed. Below, three curves: the share of false negatives found, from 0 to 1, over the "
        "share of true negatives lost, from 0 to 0.3, one for each kind of bar, with a vertical line at the present share. Controls: the "
        "share that may be lost, and the kind of bar.",
        notice="Compare kinds of bars at the same share lost, never at settings that happen to look alike. Then look at the grey cloud: does it "
        "rise from left to right as steeply as the bar? A bar that is steeper than the cloud cuts away the wrong side.",
        title=f"{bar} {said}: {found} of {false} found, {wrong} of {true:,} lost",
        height=760,
        showlegend=False,
        margin={"l": 60, "r": 20, "t": 50, "b": 60},
        xaxis={"domain": [0, 1], "range": [low, high], "title": "cosine of the query's positive", "anchor": "y"},
        yaxis={"domain": [0.42, 1], "range": [low, high], "title": "cosine of the candidate"},
        xaxis2={"domain": [0, 1], "range": [0, 0.305], "title": "share of true negatives lost", "anchor": "y2"},
        yaxis2={"domain": [0, 0.28], "range": [0, 1.05], "title": "false ones found", "anchor": "x2"},
    )
    x = np.array([low, 0.0, high]) if low < 0 else np.array([low, high])
    y = {
        "threshold": np.full(len(x), setting), "absolute margin": x + setting, "relative margin": x + np.abs(x) * setting,
    }[bar]  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=[*x.tolist(), high, low], y=[*np.round(y, 4).tolist(), 2, 2], mode="lines", fill="toself", line={"width": 0},
            fillcolor="rgba(213,94,0,0.12)", hoverinfo="skip",
        )
    )  # fmt: skip
    step = max(1, int(np.ceil(true / DRAWN)))
    for rows, name, marker in (
        (np.flatnonzero(~sifted.false)[::step], "true negative", {"color": GREY, "symbol": "circle-open", "size": 6}),
        (np.flatnonzero(sifted.false), "false negative",
         {"color": FALSE, "symbol": "diamond", "size": 8, "line": {"color": POSITIVE, "width": 1}}),
    ):  # fmt: skip
        fig.add_trace(
            go.Scatter(
                x=np.round(sifted.positive[rows], 3).tolist(), y=np.round(sifted.score[rows], 3).tolist(), mode="markers",
                name=name, marker=marker, hovertemplate=name + " %{y:.2f}, positive %{x:.2f}<extra></extra>",
            )
        )  # fmt: skip
    fig.add_trace(
        go.Scatter(x=[low, high], y=[low, high], mode="lines", line={"color": INK, "width": 1}, hoverinfo="skip")
    )
    fig.add_trace(
        go.Scatter(
            x=x.tolist(), y=np.round(y, 4).tolist(), mode="lines", hoverinfo="skip",
            line={"color": COLORS[3], "width": 3, "dash": "dash"},
        )
    )  # fmt: skip
    for i, kind in enumerate(BARS):
        recall = [recall_at(kind, sifted, share) for share in GRID]
        fig.add_trace(
            go.Scatter(
                x=np.round(GRID, 2).tolist(), y=np.round(recall, 3).tolist(), name=kind, mode="lines", xaxis="x2", yaxis="y2",
                line={"color": (COLORS[0], COLORS[1], INK)[i], "dash": DASHES[i], "width": 3 if kind == bar else 2},
                hovertemplate=kind + " %{y:.2f}<extra></extra>",
            )
        )  # fmt: skip
        fig.add_annotation(
            x=0.30, y=(0.16, 0.09, 0.02)[i] * 2.2, xref="x2", yref="y2", xanchor="right", yanchor="bottom", showarrow=False,
            text=f"{kind} {recall_at(kind, sifted, lost):.2f}", font={"size": 13},
        )  # fmt: skip
    fig.add_shape(
        type="line",
        x0=lost,
        x1=lost,
        y0=0,
        y1=1.05,
        xref="x2",
        yref="y2",
        line={"color": GREY, "dash": "dot", "width": 2},
    )
    return fig


def wrong_bar(margin: float) -> "Figure":
    """The broken case: two bars over the positive's score, p − |p| · margin and p · (1 − margin), which part where p is negative.

    Args:
        margin: a share of the positive's score.
    """
    import plotly.graph_objects as go

    p = np.linspace(-1, 1, 5)
    fig = figure(
        alt="Three lines over the positive's score from -1 to 1, upwards the highest score that is kept. A thin line marks the positive's own "
        "score. A solid line is the positive minus a share of its size, a dashed one (1 − margin) times the positive. The control is the "
        "margin.",
        notice="Find the place where the two bars part. On the left of it, which one lies above the thin line? What lies above the thin line is "
        "nearer to the query than its positive.",
        title=f"margin {margin:g}",
        xaxis_title="score of the positive",
        yaxis_title="highest score that is kept",
        showlegend=False,
        height=460,
    )
    lines = (
        ("the positive itself", p, INK, "solid", 1),
        ("p − |p| · margin", p - np.abs(p) * margin, COLORS[0], "solid", 4),
        ("p · (1 − margin)", p * (1 - margin), COLORS[3], "dash", 3),
    )
    for name, y, color, dash, width in lines:
        fig.add_trace(
            go.Scatter(
                x=p.tolist(), y=np.round(y, 4).tolist(), name=name, mode="lines", line={"color": color, "dash": dash, "width": width},
                hovertemplate=name + ": %{y:.3f}<extra></extra>",
            )
        )  # fmt: skip
    for name, end, anchor, shift in (
        ("p · (1 − margin)", -0.8 * (1 - margin), "right", 16), ("p − |p| · margin", -0.8 * (1 + margin), "left", -16),
    ):  # fmt: skip
        fig.add_annotation(
            x=-0.8,
            y=end,
            text=name,
            xanchor=anchor,
            xshift=8 if anchor == "left" else -8,
            yshift=shift,
            showarrow=False,
        )
    fig.update_xaxes(range=[-1.3, 1.05])
    fig.update_yaxes(range=[-1.4, 1.05])
    return fig


def found_for_lost(lost: Sequence[float], recall: Mapping[str, Mapping[str, Sequence[float]]]) -> "Figure":
    """Curves: the share of false negatives found over the share of true ones lost, by who reads and by which bar.

    Args:
        lost: shares of true negatives, in ascending order.
        recall: reader -> bar -> the share of false negatives found at each.
    """
    import plotly.graph_objects as go

    bars = list(dict.fromkeys(bar for of_reader in recall.values() for bar in of_reader))
    fig = figure(
        alt=f"Curves of the share of false negatives found, from 0 to 1, over the share of true negatives lost, from 0 to {max(lost):g}. Colour and "
        f"symbol say who reads: {', '.join(recall)}. Dashes say which bar: {', '.join(bars)}.",
        notice="First compare colours at one kind of dash, then dashes at one colour. Which of the two changes more, the reader or the bar?",
        xaxis_title="share of true negatives lost",
        yaxis_title="share of false negatives found",
        legend={"orientation": "h", "y": -0.2, "yanchor": "top"},
        height=560,
    )
    for i, (reader, of_reader) in enumerate(recall.items()):
        for bar, values in of_reader.items():
            fig.add_trace(
                go.Scatter(
                    x=list(lost), y=[round(float(v), 3) for v in values], name=f"{reader}, {bar}", mode="lines+markers",
                    line={"color": (COLORS[0], COLORS[3], COLORS[2])[i % 3], "dash": DASHES[bars.index(bar)]},
                    marker={"symbol": SYMBOLS[i], "size": 9},
                )
            )  # fmt: skip
    fig.update_xaxes(range=[0, round(max(lost) * 1.03, 3)])
    fig.update_yaxes(range=[0, 1.02])
    return fig


def dose_response(
    quality: Mapping[float, Sequence[float]], metric: str, without: Sequence[float], mined: tuple[float, float]
) -> "Figure":
    """A line: quality by the share of negatives that are right, with what no hard negative gives and with what mining gives.

    Args:
        quality: share of right answers among the negatives, 0 to 1 -> one value for each seed.
        metric: what quality is.
        without: the same of a training without hard negatives.
        mined: the share of right answers as they are mined, and quality there.
    """
    import plotly.graph_objects as go

    base = float(np.mean(without))
    every = [*(v for values in quality.values() for v in values), *without, mined[1]]
    room = 0.15 * (max(every) - min(every)) or 0.01
    fig = figure(
        alt=f"A line of {metric} over the share of negatives that are right answers, from 0 to 1, with whiskers from the lowest seed to the highest. A "
        "dotted horizontal line is a training without hard negatives, a diamond negatives as they were mined.",
        notice="Does the line fall evenly, or only where nearly all negatives are right? Where, if anywhere, does it cross the dotted line: from there "
        "on hard negatives do more harm than good. The axis does not begin at 0.",
        xaxis_title="share of negatives that are right answers",
        yaxis_title=metric,
        showlegend=False,
    )
    add_lines_of_seeds(fig, {"by dose": quality})
    fig.add_trace(
        go.Scatter(
            x=[round(mined[0], 3)], y=[round(mined[1], 4)], mode="markers+text", text=["as mined"], textposition="top right",
            marker={"symbol": "diamond", "size": 14, "color": FALSE, "line": {"color": POSITIVE, "width": 2}},
        )
    )  # fmt: skip
    fig.add_hline(y=round(base, 4), line={"color": GREY, "dash": "dot", "width": 2})
    fig.add_annotation(
        x=1, y=base, text=f"no hard negative {base:.3f}", xanchor="right", yanchor="bottom", showarrow=False
    )
    fig.update_xaxes(range=[-0.04, 1.04])
    fig.update_yaxes(range=[round(min(every) - room, 3), round(max(every) + room, 3)])
    return fig
