"""The figures of chapter 13: what a cut leaves, which dimensions are trained, what each size gives and costs, and funnels.

Each takes numbers and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.figures.theme import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PINK,
    SEQUENCE,
    VERMILLION,
    bar_style,
    figure,
    numbers_in_cells,
    ticks_at,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LOOKS = {  # way to make vectors ready for the cut -> colour, dash and symbol
    "plain": (VERMILLION, "dash", "triangle-up"),
    "Matryoshka": (BLUE, "solid", "circle"),
    "plain, PCA": (GREEN, "dot", "square"),
    "plain, turned at random": (GREY, "longdash", "x"),
    "trained for that size alone": (PINK, "dashdot", "diamond"),
}
STATES = ("whole", "cut", "cut, at length 1 again")


def _cut(x: Sequence[float], size: int, state: str) -> np.ndarray:
    kept = np.asarray(x, dtype=float)[: len(x) if state == STATES[0] else size]
    return kept / np.linalg.norm(kept) if state == STATES[2] else kept


def _look(name: str, number: int) -> tuple[str, str, str]:
    """A way keeps its look whatever stands beside it; others take the next one."""
    return LOOKS.get(name, list(LOOKS.values())[number % len(LOOKS)])


def cells(vectors: Mapping[str, Sequence[float]], size: int, state: str) -> "Figure":
    """The central object: vectors as rows of cells, what is cut off, and the product of each with the first.

    Args:
        vectors: name -> D numbers; the first is the query.
        size: how many numbers stay.
        state: one of STATES.
    """
    names, D = list(vectors), len(next(iter(vectors.values())))
    made = {name: _cut(x, size, state) for name, x in vectors.items()}
    rows = [[round(float(v), 3) for v in x] + [None] * (D - len(x)) for x in made.values()]
    fig = figure(
        alt=f"A grid of {len(names)} rows ({', '.join(names)}) and {D} columns, the numbers of each vector, each written in its cell. To "
        f"the right of each row but the first stands its product with the first one. The control: {', '.join(STATES)}; cells that are cut "
        "off are empty.",
        notice="Look at the two products in each state. Which of the two passages wins, and what has changed between the second state and "
        "the third?",
        title=state,
        height=110 + 70 * len(names),
        margin={"l": 60, "r": 130, "t": 60, "b": 20},
    )
    numbers_in_cells(fig, [f"{i + 1}" for i in range(D)], names, rows)
    fig.update_traces(zmin=0, zmax=1)
    first = made[names[0]]
    for name in names:
        text = "product" if name == names[0] else f"{float(first @ made[name]):.3f}"
        fig.add_annotation(x=1.02, xref="paper", y=name, text=text, xanchor="left", showarrow=False)
    fig.update_yaxes(autorange="reversed")
    fig.update_xaxes(side="top")
    return fig


def two_arrows(vectors: Mapping[str, Sequence[float]], again: bool) -> "Figure":
    """The broken case: the first two numbers of each vector as an arrow from one origin.

    Args:
        vectors: name -> numbers, of which two are drawn; the first is the query.
        again: whether each is scaled to length 1 after the cut.
    """
    import plotly.graph_objects as go

    state = STATES[2] if again else STATES[1]
    made = {name: _cut(x, 2, state) for name, x in vectors.items()}
    query = next(iter(made.values()))
    scores = {name: float(query @ x) for name, x in list(made.items())[1:]}
    looks = ((INK, "circle", "solid"), (VERMILLION, "triangle-up", "dash"), (GREEN, "square", "solid"))
    fig = figure(
        alt=f"Arrows from one origin, in a square from 0 to 1: {', '.join(made)}, each drawn by its first two numbers, with a mark of its own "
        "at the end, and an arc of radius 1. The control says whether they were scaled to length 1 after the cut. The title gives the "
        "product of each passage with the query.",
        notice="A product counts how far an arrow reaches along the query. A long arrow that points elsewhere can reach further than a "
        "short one that points the same way.",
        title=f"{state}: " + ", ".join(f"{name} {score:.3f}" for name, score in scores.items()),
        width=560,
        height=560,
        showlegend=False,
        xaxis={"range": [-0.05, 1.15], "title": "first number"},
        yaxis={"range": [-0.05, 1.15], "title": "second number", "scaleanchor": "x"},
    )
    t = np.linspace(0, np.pi / 2, 31)
    fig.add_trace(
        go.Scatter(
            x=np.cos(t).round(3).tolist(), y=np.sin(t).round(3).tolist(), mode="lines", line={"color": GREY, "width": 1},
            hoverinfo="skip",
        )
    )  # fmt: skip
    for (name, x), (color, symbol, dash) in zip(made.items(), looks, strict=False):
        fig.add_trace(
            go.Scatter(
                x=[0, round(float(x[0]), 4)], y=[0, round(float(x[1]), 4)], mode="lines+markers", name=name,
                line={"color": color, "width": 4, "dash": dash}, marker={"symbol": symbol, "size": [0, 14], "color": color},
            )
        )  # fmt: skip
        fig.add_annotation(
            x=round(float(x[0]), 4), y=round(float(x[1]), 4), text=name, xanchor="left", xshift=12, showarrow=False
        )
    return fig


def gradient_by_dimension(
    lengths: Mapping[str, Sequence[float]], dims: Sequence[int], weights: Sequence[float]
) -> "Figure":
    """How much gradient each dimension receives under some losses, above how many losses see it.

    Args:
        lengths: name of the loss -> (D,), the root mean square of the gradient in each dimension.
        dims: the sizes of the nested loss, ascending.
        weights: (D,), the weights of the losses that see a dimension, added up.
    """
    import plotly.graph_objects as go

    D = len(weights)
    place = [j + 1 for j in range(D)]
    fig = figure(
        alt=f"Two tracks over dimensions 1 to {D} on a logarithmic axis, with ticks at the sizes {', '.join(map(str, dims))}. Above, a line "
        f"for each loss ({', '.join(lengths)}), on a logarithmic axis: the gradient of a dimension beside the mean over all, which is 1. "
        "Below, a staircase: the weights of the losses that see a dimension, added up.",
        notice="Compare the steps below with the line of the nested loss above. They need not have the same height: losses of short vectors "
        "are larger, and gradients of several losses may point the same way or against one another.",
        title="which dimensions are trained",
        height=540,
        margin={"l": 75, "r": 20, "t": 60, "b": 60},
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    for i, (name, values) in enumerate(lengths.items()):
        color, dash, _ = _look(name, i)
        shares = np.maximum(np.asarray(values, dtype=float) / max(float(np.mean(values)), 1e-12), 1e-3)
        fig.add_trace(
            go.Scatter(x=place, y=shares.round(3).tolist(), mode="lines", name=name, line={"color": color, "dash": dash, "width": 2})
        )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=place, y=[round(float(w), 3) for w in weights], mode="lines", yaxis="y2", showlegend=False,
            line={"color": INK, "shape": "hv", "width": 3},
        )
    )  # fmt: skip
    fig.update_layout(
        xaxis={"type": "log", "title": "dimension", "anchor": "y2", **ticks_at([1, *dims])},
        yaxis={"domain": [0.42, 1], "title": "gradient / mean", "type": "log", **ticks_at([0.1, 1, 10])},
        yaxis2={"domain": [0, 0.32], "title": "sum of weights", "rangemode": "tozero"},
    )
    return fig


def by_size(values: Mapping[str, Mapping[Any, Sequence[float]]], metric: str, title: str = "") -> "Figure":
    """Quality over the numbers that are kept: a line for each way to make vectors ready, with whiskers over the seeds.

    Args:
        values: name -> size -> one value for each seed.
        metric: what they are.
        title: where they were measured.
    """
    import plotly.graph_objects as go

    sizes = sorted({int(size) for each in values.values() for size in each})
    fig = figure(
        alt=f"Lines over the numbers kept, on a logarithmic axis with ticks at {', '.join(map(str, sizes))}: {metric} from 0 of "
        f"{', '.join(values)}. Whiskers run from the lowest seed to the highest.",
        notice="Read one size at a time, from right to left. Where do lines part, and which is the cheapest way to be on the upper one? "
        "Where whiskers overlap, the drawing does not settle the order.",
        title=title,
        height=480,
        legend={"orientation": "h", "y": -0.22, "yanchor": "top"},
        margin={"l": 65, "r": 20, "t": 50, "b": 110},
        xaxis={"type": "log", "title": "numbers kept", **ticks_at(sizes)},
        yaxis={"title": metric, "rangemode": "tozero"},
    )
    for i, (name, each) in enumerate(values.items()):
        color, dash, symbol = _look(name, i)
        seeds = {int(size): np.asarray(v, dtype=float) for size, v in each.items()}
        fig.add_trace(
            go.Scatter(
                x=list(seeds), y=[round(float(v.mean()), 4) for v in seeds.values()], mode="lines+markers", name=name,
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 10},
                error_y={
                    "type": "data", "symmetric": False, "color": "#444444",
                    "array": [round(float(v.max() - v.mean()), 4) for v in seeds.values()],
                    "arrayminus": [round(float(v.mean() - v.min()), 4) for v in seeds.values()],
                },
            )
        )  # fmt: skip
    return fig


@dataclass(frozen=True)
class Cut:
    """What a size gives and costs.

    Attributes:
        bytes: of a passage.
        milliseconds: of a search with one query.
        hits: the ids of the first hits of the reader's own query, best first.
    """

    bytes: int
    milliseconds: float
    hits: Sequence[str]


def the_knife(
    quality: Mapping[str, Mapping[int, float]],
    shares: Mapping[str, Sequence[float]],
    cuts: Mapping[int, Cut],
    titles: Mapping[str, str],
    size: int,
    metric: str = "nDCG@10",
) -> "Figure":
    """The signature: one cut that moves quality, the strip of the vector, bytes, milliseconds, and the hits of a query.

    Args:
        quality: way to make vectors ready -> size -> quality.
        shares: way -> (D,), the share of the squared length in each dimension; those of the last way are drawn as a strip.
        cuts: size -> what it costs, and what the own query finds; the largest is the whole vector.
        titles: id of a hit -> a short text.
        size: how many numbers are kept: the control.
        metric: what quality is.
    """
    import plotly.graph_objects as go

    sizes, whole = sorted(cuts), max(cuts)
    now, full = cuts[size], cuts[whole]
    told = ", ".join(f"{name} {each[size]:.3f}" for name, each in quality.items())
    held = ", ".join(f"{name} {100 * float(np.sum(each[:size])):.0f} %" for name, each in shares.items())
    fig = figure(
        alt=f"Five views that one cut moves; it is at one of {', '.join(map(str, sizes))} numbers. On top, {metric} over the numbers kept, "
        f"a line for each of {', '.join(quality)}, with a vertical line at the cut. Below it a strip of {whole} dimensions in groups: bars of "
        f"their share of the squared length, those cut off in grey. Then two bars from 0: bytes of a passage, milliseconds of a search. "
        f"At the bottom the first {len(full.hits)} hits of a query, on the left those of whole vectors, on the right those of cut ones; lines "
        "join the same passage.",
        notice="Move the cut down from the whole vector. Which view changes first: the hits, the curve, or the bytes? And does the curve "
        "fall where the strip says that much of the length is gone?",
        title=f"cut to {size} of {whole}",
        height=900,
        margin={"l": 65, "r": 20, "t": 50, "b": 30},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    for number, (name, each) in enumerate(quality.items()):
        color, dash, symbol = _look(name, number)
        fig.add_trace(
            go.Scatter(
                x=sizes, y=[round(float(each[d]), 4) for d in sizes], mode="lines+markers", name=name,
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 9},
            )
        )  # fmt: skip
    fig.add_shape(type="line", x0=size, x1=size, y0=0, y1=1, yref="y domain", line={"color": INK, "width": 2})
    _note(fig, 0.665, f"{metric} at {size}: {told}")
    name = list(shares)[-1]
    groups, step = _groups(shares[name], sizes[0])
    kept = [(i + 1) * step <= size for i in range(len(groups))]
    fig.add_trace(
        go.Bar(
            x=[(i + 0.5) * step for i in range(len(groups))], y=[round(100 * g, 2) for g in groups], width=0.9 * step, xaxis="x2",
            yaxis="y2", showlegend=False, marker=bar_style([BLUE if k else GREY for k in kept], ["" if k else "/" for k in kept]),
        )
    )  # fmt: skip
    _note(fig, 0.445, f"of the squared length the cut keeps: {held}")
    costs = (
        ("bytes a passage", now.bytes, full.bytes, f"{now.bytes:,}"),
        ("milliseconds a search", now.milliseconds, max(c.milliseconds for c in cuts.values()), f"{now.milliseconds:.2f}"),
    )  # fmt: skip
    for i, (what, value, most, text) in enumerate(costs):
        begin = 0.52 * i
        fig.add_trace(
            go.Bar(
                x=[float(f"{value:.3g}")], y=[what], orientation="h", xaxis=f"x{i + 3}", yaxis=f"y{i + 3}", showlegend=False,
                marker=bar_style(BLUE),
            )
        )  # fmt: skip
        fig.add_annotation(
            x=begin, y=0.365, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, text=f"{what}: {text}",
        )  # fmt: skip
        axis = {
            "domain": [begin, begin + 0.46],
            "anchor": f"y{i + 3}",
            "range": [0, float(f"{1.1 * most:.3g}")],
            "nticks": 5,
        }
        fig.update_layout({f"xaxis{i + 3}": axis})
        below = {"domain": [0.31, 0.36], "anchor": f"x{i + 3}", "showticklabels": False, "type": "category"}
        fig.update_layout({f"yaxis{i + 3}": below})
    _hits(fig, full.hits, now.hits, titles, size)
    top = max(max(each.values()) for each in quality.values())
    fig.update_layout(
        xaxis={"type": "log", "anchor": "y", "title": {"text": "numbers kept", "standoff": 4}, **ticks_at(sizes)},
        yaxis={"domain": [0.71, 0.97], "title": metric, "range": [0, round(1.1 * top, 3)]},
        xaxis2={"domain": [0, 1], "anchor": "y2", "range": [0, len(shares[name])]},
        yaxis2={"domain": [0.49, 0.6], "title": "%", "rangemode": "tozero", "nticks": 3},
    )
    return fig


def _note(fig: "Figure", y: float, text: str) -> None:
    fig.add_annotation(
        x=0, y=y, xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False, text=text, font={"size": 13},
    )  # fmt: skip


def _groups(shares: Sequence[float], step: int) -> tuple[list[float], int]:
    """Shares of neighbouring dimensions added up, at most 32 groups."""
    while len(shares) / step > 32:
        step *= 2
    return [float(np.sum(shares[i : i + step])) for i in range(0, len(shares), step)], step


def _hits(fig: "Figure", whole: Sequence[str], cut: Sequence[str], titles: Mapping[str, str], size: int) -> None:
    import plotly.graph_objects as go

    for x, hits, anchor, head in (
        (0.42, whole, "right", "all numbers"), (0.58, cut, "left", f"the first {size}"),
    ):  # fmt: skip
        fig.add_annotation(
            x=x, y=0, xref="x5", yref="y5", text=f"<b>{head}</b>", xanchor=anchor, showarrow=False, font={"size": 13}
        )
        for rank, hit in enumerate(hits, start=1):
            text = titles[hit] if len(titles[hit]) <= 38 else f"{titles[hit][:37]}…"
            fig.add_annotation(
                x=x, y=rank, xref="x5", yref="y5", text=text, xanchor=anchor, showarrow=False, font={"size": 12}
            )
    lines = [(whole.index(hit) + 1, rank) for rank, hit in enumerate(cut, start=1) if hit in whole]
    fig.add_trace(
        go.Scatter(
            x=[x for _ in lines for x in (0.43, 0.57, None)], y=[y for a, b in lines for y in (a, b, None)], mode="lines+markers",
            xaxis="x5", yaxis="y5", line={"color": INK, "width": 2}, marker={"symbol": "circle", "size": 5}, showlegend=False,
            hoverinfo="skip",
        )
    )  # fmt: skip
    fig.update_layout(
        xaxis5={"domain": [0, 1], "anchor": "y5", "range": [0, 1], "visible": False},
        yaxis5={"domain": [0, 0.26], "anchor": "x5", "range": [len(whole) + 0.6, -0.5], "visible": False},
    )


def funnels(
    work: Mapping[str, float], recall: Mapping[str, float], quality: Mapping[str, float], chosen: str, metric: str
) -> "Figure":
    """Funnels by their work: above, how many of the exact ten they find, below, quality.

    Args:
        work: name -> multiply-adds as a share of exact search.
        recall: name -> share of the exact ten.
        quality: name -> quality.
        chosen: the one that dev queries chose.
        metric: what quality is.
    """
    import plotly.graph_objects as go

    names = sorted(work, key=lambda name: work[name])
    marks = {
        "exact": ("square", INK, 13),
        "first stage alone": ("triangle-up", VERMILLION, 13),
        chosen: ("star", GREEN, 18),
    }
    fig = figure(
        alt=f"Two clouds of {len(names)} points over the same logarithmic axis: multiply-adds as a share of exact search, from "
        f"{min(work.values()):.3f} to 1. Above, the share of the exact ten that was found; below, {metric}, on an axis that does not begin at "
        "0. A square is exact search, a triangle the first stage alone, a star the funnel that dev queries chose, dots are others.",
        notice="How far to the left can you go before the points below come down? They may stay up where those above have fallen: a passage "
        "of the exact ten that is missing need not be an answer.",
        title="funnels",
        height=560,
        showlegend=False,
        margin={"l": 75, "r": 20, "t": 50, "b": 60},
        xaxis={"type": "log", "title": "multiply-adds, share of exact search", "anchor": "y2", **ticks_at([0.03, 0.06, 0.12, 0.25, 0.5, 1])},
        yaxis={"domain": [0.55, 1], "title": "of the exact ten"},
        yaxis2={"domain": [0, 0.45], "title": metric},
    )  # fmt: skip
    looks = [marks.get(name, ("circle", BLUE, 10)) for name in names]
    for values, axis in ((recall, "y"), (quality, "y2")):
        fig.add_trace(
            go.Scatter(
                x=[round(work[name], 4) for name in names], y=[round(float(values[name]), 4) for name in names], text=names,
                mode="markers", yaxis=axis, hovertemplate="%{text}: %{y:.3f}<extra></extra>",
                marker={
                    "symbol": [look[0] for look in looks], "color": [look[1] for look in looks], "size": [look[2] for look in looks],
                },
            )
        )  # fmt: skip
    return fig


def size_and_pairs(values: Mapping[Any, Mapping[Any, Sequence[float]]], metric: str, title: str = "") -> "Figure":
    """A grid: size of the vector across, number of training pairs down, the mean over the seeds in each cell.

    Args:
        values: number of pairs -> size -> one value for each seed.
        metric: what they are.
        title: which loss, and where.
    """
    rows = [str(n) for n in values]
    columns = [str(size) for size in next(iter(values.values()))]
    fig = figure(
        alt=f"A grid with {metric} in each cell. Columns are the numbers kept: {', '.join(columns)}. Rows are the numbers of training pairs, "
        f"from top to bottom {', '.join(rows)}.",
        notice="Go along a row: where does more size stop paying? Then compare rows: does that place move to the right as pairs get more?",
        title=title,
        height=160 + 62 * len(rows),
        margin={"l": 80, "r": 20, "t": 60, "b": 70},
    )
    z = [[round(float(np.mean(values[n][size])), 4) for size in values[n]] for n in values]
    numbers_in_cells(fig, columns, rows, z)
    fig.update_traces(colorscale=SEQUENCE)
    fig.update_layout(xaxis_title="numbers kept", yaxis_title="training pairs", yaxis_autorange="reversed")
    return fig
