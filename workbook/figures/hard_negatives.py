"""The figures of chapter 08: how hard each wrong answer pushes, from which ranks it comes, and what rounds of mining do.

Each takes numbers and returns a plotly Figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.figures.theme import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    SKY,
    VERMILLION,
    bar_style,
    figure,
    ticks_at,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ANSWERS = ("states", "in passing", "roughly")  # kinds of `planted` that answer
NEAR = ("denies", "asks", "other facet", "sister", "namesake")  # kinds that look like an answer
MARKS: dict[str, dict[str, Any]] = {
    "a right answer": {"symbol": "diamond", "color": PINK, "size": 11, "line": {"color": GREEN, "width": 2}},
    "looks like one": {"symbol": "triangle-up", "color": VERMILLION, "size": 9},
    "easy": {"symbol": "circle-open", "color": GREY, "size": 7, "line": {"width": 2}},
}


@dataclass(frozen=True)
class Ranked:
    """What a retriever ranks for one query, marked answers left out.

    Attributes:
        query: its text.
        own: the cosine of its marked answer.
        cosines: of the candidates, best first.
        kinds: of the candidates, in the words of `planted`; "" where nobody knows.
    """

    query: str
    own: float
    cosines: Sequence[float]
    kinds: Sequence[str]


@dataclass(frozen=True)
class Window:
    """What a window of ranks holds, over all queries.

    Attributes:
        right: the share of right answers in it.
        push: the mean weight of one of its passages in the softmax.
        quality, low, high: of a model that was trained on negatives from it, with its interval.
    """

    right: float
    push: float
    quality: float
    low: float
    high: float


def softmax_weights(own: float, wrong: Sequence[float], temperature: float) -> list[float]:
    """The weights of a query's own passage and of the wrong ones: 1 + N numbers that add up to 1."""
    logits = np.array([own, *wrong], dtype=float) / temperature
    powers = np.exp(logits - logits.max())
    return [float(w) for w in powers / powers.sum()]


def five_passages(own: float, wrong: Sequence[float], temperature: float) -> "Figure":
    """The central object: a query's own passage and some wrong ones, each with its cosine and its weight in the softmax.

    Args:
        own: cosine of the own passage.
        wrong: cosines of the wrong ones, best first.
        temperature: of the softmax.
    """
    import plotly.graph_objects as go

    weights = softmax_weights(own, wrong, temperature)
    names = [f"own · {own:.2f}", *(f"wrong · {cosine:.2f}" for cosine in wrong)]
    fig = figure(
        alt=f"{len(names)} rows, the query's own passage on top and {len(wrong)} wrong ones below it, each named by its cosine, from "
        f"{own:g} and {max(wrong):g} down to {min(wrong):g}. A bar shows its weight in the softmax, from 0 to 1, with the number behind it.",
        notice="All weights add up to 1. What the own passage lacks is what pushes. Go down the rows and look by how much the weight falls "
        "while the cosine falls a little.",
        title=f"weights at temperature {temperature:g}",
        height=130 + 48 * len(names),
        margin={"l": 120, "r": 20, "t": 50, "b": 60},
        xaxis={"range": [0, 1.25], "title": "weight in the softmax", "tickvals": [0, 0.25, 0.5, 0.75, 1]},
    )
    fig.add_trace(
        go.Bar(
            x=[float(f"{w:.3g}") for w in weights], y=names, orientation="h", showlegend=False,
            marker=bar_style([GREEN] + [VERMILLION] * len(wrong), [""] + ["/"] * len(wrong)),
        )
    )  # fmt: skip
    for name, weight in zip(names, weights, strict=True):
        fig.add_annotation(x=weight, y=name, text=_short(weight), xanchor="left", xshift=8, showarrow=False)
    fig.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return fig


def _short(weight: float) -> str:
    return f"{weight:.3f}" if weight >= 0.001 else f"{weight:.6f}".rstrip("0")


def the_window(
    ranked: Ranked, windows: Mapping[int, Window], start: int, width: int = 15, temperature: float = 0.05,
    metric: str = "nDCG@10",
) -> "Figure":  # fmt: skip
    """The signature: one query's candidates by rank, the window that negatives are taken from, and what comes of it.

    Args:
        ranked: the query and its candidates.
        windows: first rank -> what such a window holds; these ranks are the stops of the control.
        start: the first rank of the window, counted from 1.
        width: how many ranks it holds.
        temperature: of the softmax in which a chosen passage pushes.
        metric: what quality is.
    """
    import plotly.graph_objects as go

    depth = len(ranked.cosines)
    kinds = [_mark(kind) for kind in ranked.kinds]
    chosen = range(start - 1, min(start - 1 + width, depth))
    pushes = softmax_weights(ranked.own, [ranked.cosines[i] for i in chosen], temperature)[1:]
    ends = min(ranked.cosines), max([ranked.own, *ranked.cosines])
    known = any(ranked.kinds)
    colours = ", ".join(f"{name}: {mark['symbol']}" for name, mark in MARKS.items()) if known else "all alike"
    fig = figure(
        alt=f"Above, {depth} points: the candidates of one query by rank, 1 to {depth} on a logarithmic axis, and cosine, with a line at the "
        f"cosine of its marked answer. Marks say what a candidate is ({colours}). A band marks the window of {width} ranks from which "
        "negatives are taken. In the middle, bars at the same ranks: the weight of each chosen passage in the query's softmax. "
        f"Below, three bars over all queries: the share of right answers in the window, the mean weight, and {metric} after training "
        "with its interval. The control is the first rank of the window.",
        notice="Move the window and watch the middle and the lower bars together: what is lost in weight, and what is won in safety? A "
        "strong push is not a good push, if it comes from a diamond.",
        title=f"ranks {start} to {start + width - 1}",
        height=660,
        margin={"l": 70, "r": 20, "t": 50, "b": 50},
        legend={"orientation": "h", "y": 1.0, "yanchor": "top", "x": 1, "xanchor": "right", "bgcolor": "rgba(255,255,255,0)"},
    )  # fmt: skip
    for name, mark in MARKS.items():
        at = [i for i in range(depth) if kinds[i] == name]
        if at:
            fig.add_trace(
                go.Scatter(
                    x=[i + 1 for i in at], y=[round(float(ranked.cosines[i]), 3) for i in at], mode="markers", name=name, marker=mark,
                    text=[ranked.kinds[i] for i in at], hovertemplate="rank %{x}, %{y:.2f}, %{text}<extra></extra>",
                    showlegend=known,
                )
            )  # fmt: skip
    fig.add_shape(
        type="line", x0=0, x1=1, xref="paper", y0=ranked.own, y1=ranked.own, line={"color": GREEN, "width": 3},
    )  # fmt: skip
    fig.add_annotation(
        x=0, xref="paper", y=ranked.own, text=f"■ marked answer {ranked.own:.2f}", xanchor="left", yanchor="bottom", showarrow=False,
        font={"size": 12},
    )  # fmt: skip
    left, right = math.log10(start - 0.4), math.log10(start + width - 0.6)
    for axis in ("y domain", "y2 domain"):
        fig.add_shape(
            type="rect", x0=10**left, x1=10**right, y0=0, y1=1, yref=axis, fillcolor="rgba(86,180,233,0.2)",
            line={"width": 1, "color": SKY}, layer="below",
        )  # fmt: skip
    fig.add_trace(
        go.Bar(
            x=[i + 1 for i in chosen], y=[float(f"{push:.3g}") for push in pushes], xaxis="x", yaxis="y2", showlegend=False,
            marker=bar_style([MARKS[kinds[i]]["color"] for i in chosen]),
        )
    )  # fmt: skip
    reach = (
        max(w.push for w in windows.values()),
        max(w.right for w in windows.values()),
        max(w.high for w in windows.values()),
    )
    now = windows[start]
    lower = (
        ("right answers in it", now.right, reach[1], f"{100 * now.right:.1f} %", None),
        ("mean weight of one", now.push, reach[0], f"{now.push:.4f}", None),
        (f"{metric} after training", now.quality, reach[2], f"{now.quality:.3f}", (now.low, now.high)),
    )
    for i, (name, value, top, text, ends_of) in enumerate(lower):
        begin = i * 0.35
        fig.add_trace(_bar(value, name, i + 2, ends_of, PINK if i == 0 else VERMILLION if i == 1 else BLUE))
        fig.update_layout(
            {
                f"xaxis{i + 2}": {
                    "domain": [begin, begin + 0.3], "anchor": f"y{i + 3}", "range": [0, round(1.1 * top, 4) or 1.0], "nticks": 4,
                },
                f"yaxis{i + 3}": {"domain": [0, 0.08], "anchor": f"x{i + 2}", "showticklabels": False, "type": "category"},
            }
        )  # fmt: skip
        fig.add_annotation(
            x=begin, y=0.09, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, font={"size": 12},
            text=f"{name}: {text}",
        )  # fmt: skip
    fig.update_layout(
        xaxis={
            "type": "log", "range": [-0.12, round(math.log10(depth) + 0.05, 3)], "anchor": "y2", "title": "rank",
            **ticks_at([s for s in windows if s <= depth]),
        },
        yaxis={
            "domain": [0.55, 1], "title": "cosine", "range": [round(ends[0] - 0.05, 2), round(ends[1] + 0.12, 2)],
        },
        yaxis2={"domain": [0.3, 0.49], "title": "weight", "range": [0, 1]},
    )  # fmt: skip
    return fig


def _mark(kind: str) -> str:
    return "a right answer" if kind in ANSWERS else "looks like one" if kind in NEAR else "easy"


def _bar(value: float, name: str, number: int, ends: tuple[float, float] | None, color: str) -> Any:
    import plotly.graph_objects as go

    whisker = None
    if ends is not None:
        whisker = {
            "type": "data", "symmetric": False, "color": "#444444",
            "array": [round(float(ends[1] - value), 4)], "arrayminus": [round(float(value - ends[0]), 4)],
        }  # fmt: skip
    return go.Bar(
        x=[round(float(value), 4)], y=[name], orientation="h", xaxis=f"x{number}", yaxis=f"y{number + 1}", showlegend=False,
        marker=bar_style(color), error_x=whisker,
    )  # fmt: skip


def quality_and_right_answers(
    quality: Mapping[str, Sequence[float]],
    right: Mapping[str, Sequence[float]],
    metric: str,
    what: str,
    title: str = "",
) -> "Figure":
    """Two curves one above the other, over the same settings: quality, and the share of right answers among the negatives.

    Args:
        quality: setting -> one value for each seed.
        right: setting -> the same; settings without negatives are missing.
        metric: what quality is.
        what: what the settings are.
        title: what is compared.
    """
    import plotly.graph_objects as go

    names = list(quality)
    fig = figure(
        alt=f"Two lines over the same settings of {what}: {', '.join(names)}. Above, {metric}, with whiskers from the lowest seed to the "
        "highest; its axis does not begin at 0. Below, the share of right answers among the negatives, in per cent, from 0.",
        notice="Read both at the same setting. Is quality highest where the share is lowest? Where whiskers overlap, the drawing does "
        "not settle it.",
        title=title,
        height=520,
        showlegend=False,
        margin={"l": 75, "r": 20, "t": 50, "b": 60},
    )
    for values, axis, color, symbol, scale in ((quality, "y", BLUE, "circle", 1), (right, "y2", PINK, "diamond", 100)):
        seeds = {name: scale * np.asarray(values[name], dtype=float) for name in names if name in values}
        fig.add_trace(
            go.Scatter(
                x=list(seeds), y=[round(float(v.mean()), 4) for v in seeds.values()], mode="lines+markers", yaxis=axis,
                line={"color": color, "width": 3, "dash": "solid" if scale == 1 else "dash"}, marker={"symbol": symbol, "size": 10},
                error_y={
                    "type": "data", "symmetric": False, "color": "#444444",
                    "array": [round(float(v.max() - v.mean()), 4) for v in seeds.values()],
                    "arrayminus": [round(float(v.mean() - v.min()), 4) for v in seeds.values()],
                },
            )
        )  # fmt: skip
    fig.update_layout(
        xaxis={"type": "category", "title": what, "anchor": "y2", "categoryorder": "array", "categoryarray": names},
        yaxis={"domain": [0.47, 1], "title": metric},
        yaxis2={"domain": [0, 0.4], "title": "right answers, %", "rangemode": "tozero"},
    )
    return fig


def rounds(
    losses: Sequence[Sequence[float]],
    lengths: Sequence[Sequence[float]],
    quality: Sequence[Sequence[float]],
    metric: str,
) -> "Figure":
    """Three tracks over the steps of some rounds of mining: the loss, the length of the gradient, and quality after each.

    Args:
        losses, lengths: of each step, round by round.
        quality: before the first round and after each, one value for each seed.
        metric: what quality is.
    """
    import plotly.graph_objects as go

    ends = [0, *np.cumsum([len(each) for each in losses]).tolist()]
    fig = figure(
        alt=f"Three tracks over the {ends[-1]} steps of {len(losses)} rounds, with a vertical line where a round ends and negatives are "
        "mined anew. From top to bottom: the training loss of each step, the length of its gradient before clipping, and "
        f"{metric} before the first round and after each, with whiskers from the lowest seed to the highest.",
        notice="Look at the loss on both sides of a vertical line: the same model on two lists. It may jump either way, and quality does not "
        "follow it: each list asks something else.",
        title=f"{len(losses)} rounds of mine, filter, train",
        height=600,
        showlegend=False,
        margin={"l": 75, "r": 20, "t": 50, "b": 60},
    )
    for values, axis, color in ((losses, "y", VERMILLION), (lengths, "y2", ORANGE)):
        for number, of_round in enumerate(values):
            fig.add_trace(
                go.Scatter(
                    x=[ends[number] + i + 1 for i in range(len(of_round))], y=[round(float(v), 3) for v in of_round], yaxis=axis,
                    mode="lines+markers", line={"color": color, "dash": "solid" if axis == "y" else "dash"},
                    marker={"symbol": "triangle-up" if axis == "y" else "square", "size": 7},
                )
            )  # fmt: skip
    seeds = [np.asarray(each, dtype=float) for each in quality]
    fig.add_trace(
        go.Scatter(
            x=ends, y=[round(float(v.mean()), 4) for v in seeds], yaxis="y3", mode="lines+markers",
            line={"color": BLUE, "width": 3}, marker={"symbol": "circle", "size": 10},
            error_y={
                "type": "data", "symmetric": False, "color": "#444444",
                "array": [round(float(v.max() - v.mean()), 4) for v in seeds],
                "arrayminus": [round(float(v.mean() - v.min()), 4) for v in seeds],
            },
        )
    )  # fmt: skip
    for end in ends[1:-1]:
        fig.add_shape(
            type="line", x0=end + 0.5, x1=end + 0.5, y0=0, y1=1, yref="paper", line={"color": GREY, "dash": "dot", "width": 2}
        )  # fmt: skip
    fig.update_layout(
        xaxis={"title": "step", "range": [-0.5, ends[-1] + 0.9], "anchor": "y3"},
        yaxis={"domain": [0.7, 1], "title": "loss", "rangemode": "tozero"},
        yaxis2={"domain": [0.36, 0.64], "title": "gradient", "rangemode": "tozero"},
        yaxis3={"domain": [0, 0.3], "title": metric},
    )
    return fig


def wrong_way(own: float, hidden: float, others: Sequence[float], temperature: float, counted: bool) -> "Figure":
    """A circle with a query, its marked answer and an answer that nobody has marked: where does a step take the query?

    Args:
        own: cosine of the marked answer, drawn on one side of the query.
        hidden: cosine of the other answer, drawn on the other side.
        others: cosines of further wrong passages, which are not drawn.
        temperature: of the softmax.
        counted: whether the hidden answer stands among the wrong ones.
    """
    import plotly.graph_objects as go

    wrong = [hidden, *others] if counted else list(others)
    weights = softmax_weights(own, wrong, temperature)
    angles = math.acos(own), -math.acos(hidden)
    places = [(math.cos(a), math.sin(a)) for a in angles]
    pull = 1 - weights[0]
    # along the circle at the query, which points to the right: up is towards the marked answer
    along = pull * places[0][1] - (weights[1] * places[1][1] if counted else 0.0)
    t = np.linspace(-math.pi / 2, math.pi / 2, 61)
    fig = figure(
        alt="The right half of a circle of length 1. A dot, the query, lies at its right end; a square above it is the answer that is "
        f"marked, at a cosine of {own:g}; a diamond below it an answer that nobody has marked, at {hidden:g}. An arrow from the query shows "
        "where a step takes it; its length is the gradient's. The control says whether the diamond counts as wrong.",
        notice="The diamond answers as well as the square does. Look where the arrow points with it among the wrong ones, and how long it "
        "is without it.",
        title=f"own weight {weights[0]:.3f}" + (f", hidden answer {weights[1]:.3f}" if counted else ""),
        height=520,
        width=520,
        xaxis={"range": [-0.1, 1.5], "visible": False},
        yaxis={"range": [-0.95, 1.1], "visible": False, "scaleanchor": "x"},
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
    )
    fig.add_trace(
        go.Scatter(
            x=np.cos(t).round(3).tolist(), y=np.sin(t).round(3).tolist(), mode="lines", showlegend=False,
            line={"color": GREY, "width": 1}, hoverinfo="skip",
        )
    )  # fmt: skip
    texts = (
        ("query", (1.0, 0.0), {"symbol": "circle", "color": INK, "size": 14}),
        (f"marked, {own:.2f}", places[0], {"symbol": "square", "color": GREEN, "size": 14}),
        (f"not marked, {hidden:.2f}", places[1], {**MARKS["a right answer"], "size": 15}),
    )
    for name, (x, y), mark in texts:
        fig.add_trace(
            go.Scatter(x=[round(x, 4)], y=[round(y, 4)], mode="markers", name=name, marker=mark, showlegend=False)
        )
        fig.add_annotation(x=round(x, 4), y=round(y, 4), text=name, xanchor="left", xshift=14, showarrow=False)
    fig.add_annotation(
        x=1.0, y=round(0.9 * along, 4), ax=1.0, ay=0.0, xref="x", yref="y", axref="x", ayref="y", showarrow=True, arrowhead=2,
        arrowwidth=5, arrowcolor=VERMILLION, text="",
    )  # fmt: skip
    return fig


def before_and_after(
    cosines: Mapping[str, tuple[Sequence[float], Sequence[float]]], metric: Mapping[str, str]
) -> "Figure":
    """Histograms of cosines one below the other: a query with its own passage, and with a passage drawn at random.

    Args:
        cosines: when -> (own, random).
        metric: when -> what a search finds then, in words.
    """
    import plotly.graph_objects as go

    edges = np.linspace(-1, 1, 41)
    middles = ((edges[1:] + edges[:-1]) / 2).round(3).tolist()
    fig = figure(
        alt=f"{len(cosines)} histograms one below the other ({', '.join(cosines)}), all over the cosine from -1 to 1. In each, hatched bars "
        "show passages drawn at random, plain bars a query's own passage, as shares of all.",
        notice="What matters is how far the two hills stand apart, not where they stand. Where they lie upon one another, no threshold "
        "and no ranking can part them.",
        title="",
        height=110 + 210 * len(cosines),
        margin={"l": 65, "r": 20, "t": 50, "b": 60},
        barmode="overlay",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    step = 1 / len(cosines)
    for row, (when, pair) in enumerate(cosines.items()):
        suffix = "" if row == 0 else str(row + 1)
        top = 1 - row * step
        fig.update_layout(
            {
                f"yaxis{suffix}": {
                    "domain": [top - 0.72 * step, top - 0.06],
                    "title": "share",
                    "rangemode": "tozero",
                    "nticks": 4,
                },
                "xaxis": {"range": [-1, 1], "title": "cosine", "anchor": f"y{suffix}"},
            }
        )
        for name, values, color, shape in (("random passage", pair[1], GREY, "/"), ("own passage", pair[0], GREEN, "")):
            shares = np.histogram(np.clip(values, -1, 1), edges)[0] / max(1, len(values))
            fig.add_trace(
                go.Bar(
                    x=middles, y=shares.round(4).tolist(), name=name, yaxis=f"y{suffix}", opacity=0.75, width=0.05,
                    marker=bar_style(color, shape), showlegend=row == 0, legendgroup=name,
                )
            )  # fmt: skip
        fig.add_annotation(
            x=-1, y=1, yref=f"y{suffix} domain", xanchor="left", yanchor="bottom", showarrow=False, text=f"{when}: {metric[when]}",
        )  # fmt: skip
    return fig
