"""The figures of chapter 21: requests that wait before a model, a server under load, and a model that was swapped in silence.

Each takes numbers and returns a plotly Figure.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.parts import (
    ABOVE,
    HIDDEN,
    in_few_lines,
    marks_at,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    VERMILLION,
    bar_style,
    figure,
    short,
    stacked,
    ticks_at,
)
from workbook.serving.queue import nearest_rank
from workbook.support.checks import check_choice

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ONE_BY_ONE, TOGETHER = "one by one", "all that wait"
WAYS = {ONE_BY_ONE: (ORANGE, "dash", "square"), TOGETHER: (BLUE, "solid", "circle")}  # colour, dash, symbol
PERCENTS = (50, 95, 99)
MARKS = {50: "circle", 95: "square", 99: "diamond"}
SHOWN = 24  # requests that are drawn as bars
ROW = 44  # pixels for a setting of a server
BESIDE: dict[int, dict[str, Any]] = {  # where a mark's name stands clear of the curve
    50: {"yanchor": "top", "xanchor": "left", "xshift": 6, "yshift": -4},
    95: {"yanchor": "top", "xanchor": "left", "xshift": 6, "yshift": -4},
    99: {"yanchor": "bottom", "xanchor": "left", "yshift": 4},
}


class Served(NamedTuple):
    """What one way of serving does at one load.

    Attributes:
        arrivals: N, in milliseconds, ascending.
        latencies: N, in that order.
        fixed, each: what a batch takes, and each request in it; one by one, the fixed part is 0.
    """

    arrivals: Sequence[float]
    latencies: Sequence[float]
    fixed: float
    each: float


class Measured(NamedTuple):
    """What a server did under load.

    Attributes:
        latencies: (runs, N), in milliseconds.
        per_second: answers a second, on the mean.
    """

    latencies: Sequence[Sequence[float]]
    per_second: float


def batch_sizes(served: Served) -> list[int]:
    """How many were answered together with each request: N."""
    done = [round(a + latency, 6) for a, latency in zip(served.arrivals, served.latencies, strict=True)]
    counts: dict[float, int] = {}
    for moment in done:
        counts[moment] = counts.get(moment, 0) + 1
    return [counts[moment] for moment in done]


def waiting(served: Served) -> list[tuple[float, float, float]]:
    """When each request came, when its batch began, and when it was answered: N of (arrival, start, done)."""
    found = []
    for arrival, latency, n in zip(served.arrivals, served.latencies, batch_sizes(served), strict=True):
        done = arrival + latency
        found.append((arrival, max(arrival, done - served.fixed - served.each * n), done))
    return found


def bars_of_requests(served: Served) -> "Figure":
    """The central object: a bar for each request, pale while it waits and solid while it is served, with its latency."""
    n = len(served.arrivals)
    last = max(done for _, _, done in waiting(served))
    fig = figure(
        alt=f"{n} horizontal bars over milliseconds, from 0 to {last:g}, one for each request, the first on top. The pale part of a bar is waiting, the solid part is service; each bar ends with its latency.",
        notice="Read a bar from its left end: that is when somebody asked. Which of the solid parts may overlap, and which never do?",
        title=title_at_top(f"{n} requests before one server"),
        height=130 + 34 * n,
        margin={"l": 20, "r": 20, "t": 70, "b": 50},
        legend={**ABOVE, "traceorder": "normal"},
        barmode="stack",
        xaxis={"range": [0, round(1.12 * last, 3)], "title": {"text": "milliseconds", "standoff": 5}},
        yaxis={"autorange": "reversed", **HIDDEN},
    )
    _bars(fig, served, n)
    for i, (arrival, _, done) in enumerate(waiting(served)):
        note_below(fig, i, f"{done - arrival:g}", done, xref="x", yref="y", xshift=4, yanchor="middle")
    return fig


def queue(rate: float, way: str, served: Mapping[tuple[float, str], Served]) -> "Figure":
    """The signature: the first requests as bars, all latencies by percent, and p99 over the load.

    Args:
        rate: requests a second, the control.
        way: ONE_BY_ONE or TOGETHER.
        served: (rate, way) -> what happened.
    """
    import plotly.graph_objects as go

    rates = sorted({each for each, _ in served})
    check_choice("rate", rate, tuple(rates))
    check_choice("way", way, tuple(WAYS))
    now, color = served[rate, way], WAYS[way][0]
    found = {
        key: dict(zip(PERCENTS, (nearest_rank(each.latencies, p) for p in PERCENTS), strict=True))
        for key, each in served.items()
    }
    told = in_few_lines(_told(rate, way, now, found[rate, way]))
    line = small_letters()["size"] + 5
    below = line * 4
    total, (bars, _, curve, _, loads) = stacked(230, 62, 170, 66, 170)
    highest = max(max(each.latencies) for each in served.values())
    lowest = min(min(each.latencies) for each in served.values())
    decades = [10**e for e in range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)]
    log_ms: dict[str, Any] = {
        "type": "log",
        "range": [math.log10(decades[0]), math.log10(decades[-1])],
        **ticks_at(decades),
    }
    apart = [each for i, each in enumerate(rates) if i == 0 or each - rates[i - 1] >= 10]  # where a phone has room
    shown = waiting(now)[:SHOWN]
    fig = figure(
        alt=(
            f"Three views. Above, the first {len(shown)} requests as bars over milliseconds, the first on top: pale while a request waits, solid while it is served. In the middle, the percent of all requests "
            f"that were answered within a time, from {decades[0]:g} to {decades[-1]:,} ms on a logarithmic axis, with marks at {', '.join(f'p{p}' for p in PERCENTS)}. Below, p99 on a logarithmic axis over {rates[0]:g} to {rates[-1]:g} requests a "
            "second, a line for each way of serving; an upright line marks the load."
        ),
        notice="Move the load up with “one by one”, then switch. Look for the longest pale part, and how far it is from the mark of p50. Arrivals are random here; real ones come in bursts, and are worse.",
        title=title_at_top(f"{rate:g} requests a second, {way}"),
        height=total + 170 + below,
        margin={"l": 60, "r": 20, "t": 80, "b": 60 + below},
        legend={**ABOVE, "traceorder": "normal"},
        barmode="stack",
        xaxis={"range": [0, round(1.02 * max(done for _, _, done in shown), 1)], "anchor": "y", "title": {"text": "milliseconds", "standoff": 3}},
        yaxis={"range": [SHOWN - 0.4, -0.6], "domain": bars, "title": "request", "showticklabels": False, "showgrid": False, "zeroline": False},
        xaxis2={"anchor": "y2", "title": {"text": "latency, ms", "standoff": 3}, **log_ms},
        yaxis2={"range": [0, 104], "domain": curve, "anchor": "x2", "title": "percent", "tickvals": [0, 50, 95], "zeroline": False},
        xaxis3={"anchor": "y3", "title": {"text": "requests a second", "standoff": 3}, "range": [rates[0] - 4, rates[-1] + 4], "tickvals": apart, "tickangle": 0},
        yaxis3={"domain": loads, "anchor": "x3", "title": "p99, ms", **log_ms},
    )  # fmt: skip
    _bars(fig, now, SHOWN)
    percents = sorted({*range(1, 101, 3), *PERCENTS, 100})
    fig.add_trace(
        go.Scatter(
            x=rounded([nearest_rank(now.latencies, p) for p in percents]), y=percents, name="answered", mode="lines", xaxis="x2", yaxis="y2",
            line={"color": INK, "width": 2}, showlegend=False, hovertemplate="%{y} % within %{x:.0f} ms<extra></extra>",
        )
    )  # fmt: skip
    for p in PERCENTS:
        at = found[rate, way][p]
        marker = {"symbol": MARKS[p], "size": 11, "color": color, "line": {"color": INK, "width": 1.5}}
        marks_at(fig, f"p{p}", np.array([[at, p]]), marker, xaxis="x2", yaxis="y2", showlegend=False)
        note_below(fig, p, f"p{p}", math.log10(at), xref="x2", yref="y2", **BESIDE[p])
    for name, (tone, stroke, mark) in WAYS.items():
        fig.add_trace(
            go.Scatter(
                x=rates, y=rounded([found[each, name][99] for each in rates]), name=f"p99, {name}", mode="lines+markers", xaxis="x3", yaxis="y3",
                line={"color": tone, "dash": stroke, "width": 3}, marker={"symbol": mark, "size": 8, "color": tone}, showlegend=False,
                hovertemplate="%{x} a second: p99 %{y:.0f} ms<extra>" + name + "</extra>",
            )
        )  # fmt: skip
        high = name == ONE_BY_ONE  # left of where it rises; the other line is flat
        beside = rates[-min(3, len(rates))] if high else rates[min(1, len(rates) - 1)]
        places: dict[str, Any] = {"xanchor": "right", "yanchor": "middle", "xshift": -10} if high else {"yshift": -6}
        note_below(fig, math.log10(found[beside, name][99]), name, beside, xref="x3", yref="y3", **places)
    fig.add_shape(
        type="line",
        x0=rate,
        x1=rate,
        xref="x3",
        y0=0,
        y1=1,
        yref="y3 domain",
        line={"color": INK, "width": 2, "dash": "dot"},
    )
    note_below(fig, 0, told, xshift=-40, yshift=-52)
    return fig


def under_load(measured: Mapping[str, Measured], title: str = "") -> "Figure":
    """The headline: p50, p95 and p99 of a server in each setting, over its runs.

    Args:
        measured: setting -> what it did; the first stands on top.
        title: what was served.
    """
    import plotly.graph_objects as go

    found = {
        name: {p: [nearest_rank(list(run), p) for run in each.latencies] for p in PERCENTS}
        for name, each in measured.items()
    }
    values = [value for each in found.values() for runs in each.values() for value in runs]
    low, high = math.log10(min(values) / 1.3), math.log10(max(values) * 1.6)
    ticks = [t for e in range(6) for t in (10**e, 3 * 10**e) if low <= math.log10(t) <= high]
    fig = figure(
        alt=f"Rows for {', '.join(measured)}, from top to bottom. In each, marks at p50, p95 and p99 on a logarithmic axis of milliseconds, joined by a line; thick pieces reach from one run to the other.",
        notice="A row is one way of collecting requests. Compare the right ends first, then the left ends: which setting is better for the slowest request, and which for the usual one?",
        title=title_at_top(title),
        height=150 + ROW * len(measured),
        margin={"l": 20, "r": 20, "t": 70, "b": 60},
        legend=ABOVE,
        xaxis={"type": "log", "range": [round(low, 3), round(high, 3)], "title": {"text": "latency, ms", "standoff": 5}, **ticks_at(ticks), "tickangle": 0},
        yaxis={"type": "category", "autorange": "reversed", "automargin": True},
    )  # fmt: skip
    names = [f"{name}<br>{each.per_second:.0f} answers a second" for name, each in measured.items()]
    for told, by_percent in zip(names, found.values(), strict=True):
        ends = [float(np.mean(by_percent[p])) for p in (PERCENTS[0], PERCENTS[-1])]
        fig.add_trace(go.Scatter(x=rounded(ends), y=[told] * 2, mode="lines", line={"color": GREY, "width": 2}, showlegend=False, hoverinfo="skip"))  # fmt: skip
    for p, color in zip(PERCENTS, (BLUE, ORANGE, VERMILLION), strict=True):
        means = [float(np.mean(each[p])) for each in found.values()]
        spread = {
            "type": "data", "symmetric": False, "thickness": 3, "width": 0, "color": color,
            "array": rounded([max(each[p]) - mean for each, mean in zip(found.values(), means, strict=True)]),
            "arrayminus": rounded([mean - min(each[p]) for each, mean in zip(found.values(), means, strict=True)]),
        }  # fmt: skip
        fig.add_trace(
            go.Scatter(
                x=rounded(means), y=names, mode="markers", name=f"p{p}", error_x=spread,
                marker={"symbol": MARKS[p], "size": 12, "color": color, "line": {"color": INK, "width": 1}},
                hovertemplate=f"p{p}: %{{x:.0f}} ms<extra></extra>",
            )
        )  # fmt: skip
    return fig


def swapped(
    today: str,
    cosines: Mapping[str, Sequence[float]],
    found: Mapping[str, float],
    yours: Mapping[str, float],
    metric: str,
) -> "Figure":
    """The broken case: each stored text's cosine with itself, as today's model sees it, and what a search still finds.

    Args:
        today: whose vectors are compared with the stored ones, the control.
        cosines: model -> N cosines.
        found: model -> the value of `metric` with its queries in the old index.
        yours: model -> the cosine of a text of the reader's own.
        metric: what is found.
    """
    import plotly.graph_objects as go

    check_choice("today", today, tuple(cosines))
    edges = np.round(np.linspace(-0.4, 1.0, 57), 4)
    values = np.asarray(cosines[today])
    share = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
    told = in_few_lines(
        f"{today}: {metric} {short(found[today])}. A text's cosine with its stored vector is {np.median(values):.2f} in the middle; of yours it is {yours[today]:.2f}. "
        "Every score still looks like a score."
    )
    below = (small_letters()["size"] + 5) * (2 + told.count("<br>"))
    fig = figure(
        alt=f"A histogram of {len(values)} cosines, from −0.4 to 1, one for each stored text: its stored vector against today's. A diamond marks a text of the reader's own. States: {', '.join(cosines)}.",
        notice="The scale of the bars is the same for all states. Where does each hill stand, and is the one nearest to 1 also the one that finds most? A hill that has moved is a question, not yet an answer.",
        title=title_at_top(f"today's vectors: {today}"),
        height=330 + below,
        margin={"l": 60, "r": 20, "t": 60, "b": 60 + below},
        xaxis={"range": [-0.42, 1.04], "title": {"text": "cosine with the stored vector", "standoff": 5}},
        yaxis={"range": [0, 1.08], "title": "share of texts"},
        bargap=0,
    )
    middles = (edges[:-1] + edges[1:]) / 2
    fig.add_trace(
        go.Bar(
            x=rounded(middles.tolist()),
            y=rounded(share.tolist()),
            name="texts",
            showlegend=False,
            marker=bar_style(BLUE),
            hoverinfo="skip",
        )
    )
    place = np.array([[min(max(yours[today], -0.4), 1.0), 0.5]])
    marker = {"symbol": "diamond", "size": 14, "color": GREEN, "line": {"color": INK, "width": 1.5}}
    marks_at(fig, "your text", place, marker, showlegend=False)
    note_below(fig, 0.5, "yours", float(place[0, 0]), xref="x", yref="y", xanchor="right", xshift=-16, yanchor="middle")
    note_below(fig, 0, told, xshift=-40, yshift=-52)
    return fig


def _bars(fig: "Figure", served: Served, most: int) -> None:
    """The first requests: pale while they wait, solid while they are served."""
    import plotly.graph_objects as go

    rows = waiting(served)[:most]
    for name, color, low, high in (("waits", "#F2CFA0", 0, 1), ("is served", BLUE, 1, 2)):
        fig.add_trace(
            go.Bar(
                y=list(range(len(rows))), x=rounded([row[high] - row[low] for row in rows]), base=rounded([row[low] for row in rows]), name=name,
                orientation="h", marker={"color": color, "line": {"color": INK, "width": 0.5}}, hoverinfo="skip", offset=-0.4, width=0.8,
            )
        )  # fmt: skip


def _told(rate: float, way: str, now: Served, at: Mapping[int, float]) -> str:
    """The sentence below the signature."""
    sizes = batch_sizes(now)
    batches = sum(1 / size for size in sizes)
    several = f" A batch has {len(sizes) / batches:.1f} on the mean." if max(sizes) > 1 else ""
    return f"{rate:g} a second, {way}: p50 {at[50]:.0f}, p95 {at[95]:.0f}, p99 {at[99]:.0f} ms, of {len(sizes):,} requests.{several}"
