"""The figures of chapter 16: what each rank of each run adds to a fused sum, whose hits a sum shows, and several depths.

Each takes numbers and returns a plotly Figure. `hits_by_retriever` prepares some of these numbers; the signature is
`workbook.figures.time_budget`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.parts import ABOVE, in_few_lines, marks_at, note_below, rounded, small_letters, title_at_top
from workbook.figures.theme import COLORS, GREY, INK, figure, short, stacked, ticks_at
from workbook.metrics.ranking import ranked_ids
from workbook.support.checks import check_positive
from workbook.support.types import Run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DARK = "#222222"  # stays so on a dark page
BOTH, NEITHER = "both", "neither"
LOOKS = (  # of rerankers: colour, dash and symbol
    (COLORS[5], "dot", "circle"), (COLORS[4], "solid", "square"), (COLORS[2], "dash", "diamond"), (COLORS[3], "dashdot", "triangle-up"),
)  # fmt: skip
RUNS = ((COLORS[1], DARK), (COLORS[0], "white"), (COLORS[5], DARK))  # keywords, dense, a third: bar and its text


def shares_of_ranks(runs: Mapping[str, Sequence[str]], k: int, title: str = "") -> "Figure":
    """The central object: a bar for each passage, made of what each run's rank adds, and a line at the most possible.

    Args:
        runs: name of a run -> its passages, best first.
        k: as in reciprocal rank fusion.
        title: what is fused.
    """
    import plotly.graph_objects as go

    places = {name: {p: rank for rank, p in enumerate(ranked, start=1)} for name, ranked in runs.items()}
    ids = list(dict.fromkeys(p for place in places.values() for p in place))
    sums = {p: sum(1 / (k + place[p]) for place in places.values() if p in place) for p in ids}
    best_first, most = sorted(ids, key=lambda p: -sums[p]), len(runs) / (k + 1)
    fig = figure(
        alt=f"Horizontal bars from 0, one for each passage, the largest on top: {', '.join(best_first)}. Each is made of a part for each run "
        f"that holds the passage ({', '.join(runs)}), as long as 1 divided by {k} plus the rank there, which is written in it. A vertical "
        f"line at {most:.6f} is the most possible; right of it stand the sums.",
        notice="How much of a bar's length comes from the rank, and how much from being found at all? A sum near the line is a good place in "
        "every run, and says nothing about how good the passage is.",
        title=title,
        height=150 + 46 * len(ids),
        margin={"l": 40, "r": 20, "t": 80, "b": 60},
        barmode="stack",
        bargap=0.25,
        showlegend=False,
        xaxis={"title": f"sum of 1 / ({k} + rank)", "range": [0, 1.22 * most]},
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": best_first[::-1]},
    )
    for number, (name, place) in enumerate(places.items()):
        held = [p for p in best_first if p in place]
        fig.add_trace(
            go.Bar(
                x=[round(1 / (k + place[p]), 6) for p in held], y=held, orientation="h", name=name,
                marker={"color": RUNS[number % len(RUNS)][0], "line": {"color": "white", "width": 2}},
                text=[f"{name} 1/{k + place[p]}" for p in held], textposition="inside", insidetextanchor="middle",
                textfont={"color": RUNS[number % len(RUNS)][1]}, textangle=0, hoverinfo="skip",
            )
        )  # fmt: skip
    fig.add_vline(x=round(most, 6), line={"color": INK, "dash": "dot", "width": 2})
    fig.add_annotation(x=most, y=1, yref="paper", yanchor="bottom", text=f"most possible {most:.6f}", showarrow=False)
    for p in best_first:
        fig.add_annotation(x=most, y=p, text=f"{sums[p]:.6f}", xanchor="left", xshift=8, showarrow=False)
    return fig


def hits_by_retriever(fused: Mapping[str, Run], runs: Mapping[str, Run], k: int = 10) -> dict[str, dict[str, float]]:
    """Of the first k hits of fused runs, how many stand among the first k of one retriever alone, of both, or of neither.

    Args:
        fused: name -> a run that was made of both.
        runs: the two retrievers: name -> run.
        k: how many hits are counted, in all runs; their order is that of `evaluate`.
    Returns:
        name of a fused run -> whose -> hits, the mean over its queries. Where lists are short they are fewer than k.
    Raises:
        ValueError: there are not two retrievers, k is not positive, or a fused run has no queries.
    """
    check_positive(k=k)
    if len(runs) != 2:
        raise ValueError(f"expected two retrievers, got {len(runs)}: {', '.join(runs)}")
    first, second = runs
    shares = {}
    for name, run in fused.items():
        if not run:
            raise ValueError(f"expected a run with queries, got none for {name!r}")
        counts = dict.fromkeys((first, BOTH, second, NEITHER), 0)
        for query, scores in run.items():
            own = [set(ranked_ids(each.get(query, {}), k)) for each in runs.values()]
            for hit in ranked_ids(scores, k):
                whose = {(True, False): first, (True, True): BOTH, (False, True): second, (False, False): NEITHER}
                counts[whose[hit in own[0], hit in own[1]]] += 1
        shares[name] = {whose: count / len(run) for whose, count in counts.items()}
    return shares


def whose_hits(
    shares: Mapping[str, Mapping[str, float]], k: int = 10, queries: int = 0, title: str = "whose hits are they?"
) -> "Figure":
    """The broken case: a bar for each way to fuse, made of the hits that one retriever, both or neither has among its first.

    Args:
        shares: way to fuse -> whose -> hits, as from `hits_by_retriever`: one retriever, both, the other, neither.
        k: hits that are counted.
        queries: of how many queries they are means; 0 does not tell.
        title: what is compared.
    """
    import plotly.graph_objects as go

    kinds = list(next(iter(shares.values())))
    first, second = kinds[0], kinds[2]
    looks = {
        first: (COLORS[1], "/", "white"), BOTH: (COLORS[1], "x", COLORS[0]), second: (COLORS[0], "", "white"), NEITHER: (GREY, ".", "white"),
    }  # fmt: skip
    legend = {first: f"{first} alone", BOTH: BOTH, second: f"{second} alone", NEITHER: NEITHER}
    sample = f", mean over {queries:,} queries" if queries else ""
    letter = small_letters()["size"]
    height, rows = stacked(*[40 + 2 * letter] * len(shares))  # a name, the bar, and its numbers
    middles = [top - (letter + 20) / height for _, top in rows]
    fig = figure(
        alt=f"A horizontal bar from 0 to {k} for each way to fuse, from top to bottom: {', '.join(shares)}. Each is cut into hits that stand among the first {k} of {first} alone, of both, of {second} alone, "
        "and of neither. The number of each larger part stands below it.",
        notice="If both searches had an equal say, each would have about as many hits of its own. What neither had among its first stood a little further down in both. A search that has no say still has the hits that it shares with the other.",
        title=title_at_top(title),
        height=height + 175,
        margin={"l": 20, "r": 20, "t": 110, "b": 55},
        barmode="stack",
        legend={**ABOVE, "traceorder": "normal", "font": small_letters()},
        xaxis={
            "range": [0, 1.02 * k],
            "title": {"text": f"of the first {k} hits{sample}", "standoff": 5},
            "nticks": 6,
            "showgrid": False,
        },
        yaxis={"range": [round(-8 / height, 4), 1], "visible": False},
    )
    for kind in kinds:
        color, hatch, lines = looks[kind]
        fig.add_trace(
            go.Bar(
                x=[round(each[kind], 3) for each in shares.values()], y=rounded(middles), orientation="h", width=24 / height,
                name=legend[kind], customdata=list(shares), hovertemplate="%{customdata}: %{x:.1f}",
                marker={"color": color, "line": {"color": INK, "width": 1}, "pattern": {"shape": hatch, "fillmode": "overlay", "fgcolor": lines, "solidity": 0.5 if kind == BOTH else 0.3}},
            )
        )  # fmt: skip
    for (name, each), (_, top), middle in zip(shares.items(), rows, middles, strict=True):
        at = 0.0
        note_below(fig, top, f"<b>{name}</b>", yref="y", xref="x", yshift=-2)
        for kind in kinds:
            if each[kind] >= 0.08 * k:  # there is room for a number
                center = at + each[kind] / 2
                note_below(
                    fig,
                    middle,
                    f"{each[kind]:.1f}",
                    center,
                    xref="x",
                    yref="y",
                    xanchor="center",
                    yshift=-11,
                    font=small_letters(12),
                )
            at += each[kind]
    return fig


def best_depth(values: Mapping[int, tuple[float, float, float]]) -> int:
    """The depth of the highest value; of equal ones the smallest depth, for it is the cheapest."""
    return min(values, key=lambda depth: (-values[depth][0], depth))


def depth_sweep(
    curves: Mapping[str, Mapping[int, tuple[float, float, float]]], metric: str = "nDCG@10", title: str = "", first: float | None = None
) -> "Figure":  # fmt: skip
    """Quality over depth, a line with intervals for each reranker, its best depth marked and held against the deepest.

    Args:
        curves: reranker -> depth -> (value, low, high), as from `workbook.figures.depths.intervals_by_depth`.
        metric: what quality is.
        title: what was searched.
        first: what the first stage reaches by itself.
    """
    import plotly.graph_objects as go

    if empty := [name for name, values in curves.items() if not values]:
        raise ValueError(f"each reranker must have one depth at least, {empty[0]!r} has none")
    depths = sorted({depth for values in curves.values() for depth in values})
    told = "<br>".join(in_few_lines(_told(name, values)) for name, values in curves.items())
    below = (small_letters()["size"] + 5) * (1 + told.count("<br>"))
    reach = math.log10(depths[-1] / depths[0])
    fig = figure(
        alt=f"A line for each of {', '.join(curves)}: {metric} from 0, with whiskers, over the depth, {depths[0]:,} to {depths[-1]:,} on a logarithmic axis. A ring marks the best depth of each line."
        + (f" A dashed line is the first stage alone, {short(first)}." if first is not None else ""),
        notice="Follow a line beyond its ring: does it fall, and by more than its whiskers are long? A deeper reader has a higher ceiling and more chances to be wrong; which of the two wins, only such a drawing tells.",
        title=title_at_top(title or "does deeper help?"),
        height=440 + below,
        margin={"l": 65, "r": 20, "t": 90, "b": 70 + below},
        legend=ABOVE,
        xaxis={
            "type": "log", "title": {"text": "depth: passages read", "standoff": 5}, **ticks_at(depths, apart=1.9), "tickangle": 0, "tickfont": small_letters(12),
            "range": [round(math.log10(depths[0]) - 0.05 * reach - 0.05, 3), round(math.log10(depths[-1]) + 0.05 * reach + 0.05, 3)],
        },
    )  # fmt: skip
    top = max([high for values in curves.values() for *_, high in values.values()] + [first or 0.0]) or 1.0
    fig.update_yaxes(range=[0, round(1.08 * top, 3)], title=metric)
    if first is not None:
        fig.add_hline(y=round(first, 4), line={"color": COLORS[1], "dash": "dash", "width": 2})
        note_below(fig, first, f"first stage {short(first)}", 1, yref="y", xanchor="right", yanchor="bottom")
    for number, (name, values) in enumerate(curves.items()):
        color, dash, symbol = LOOKS[number % len(LOOKS)]
        aside = 10 ** (0.012 * (number - (len(curves) - 1) / 2) * max(reach, 0.3))  # whiskers stand side by side
        ordered = sorted(values)
        fig.add_trace(
            go.Scatter(
                x=[float(f"{depth * aside:.4g}") for depth in ordered], y=rounded([values[depth][0] for depth in ordered]), mode="lines+markers", name=name,
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 9, "line": {"color": INK, "width": 1}},
                customdata=ordered, hovertemplate="depth %{customdata}: %{y:.3f}",
                error_y={
                    "type": "data", "symmetric": False, "color": "#444444", "thickness": 1.5, "width": 3,
                    "array": rounded([values[depth][2] - values[depth][0] for depth in ordered]),
                    "arrayminus": rounded([values[depth][0] - values[depth][1] for depth in ordered]),
                },
            )
        )  # fmt: skip
        best = best_depth(values)
        ring = {"symbol": "circle-open", "size": 21, "color": color, "line": {"width": 3}}
        marks_at(fig, f"best of {name}", np.array([[best * aside, values[best][0]]]), ring, showlegend=False)
    note_below(fig, 0, told, xshift=-45, yshift=-52)
    return fig


def _told(name: str, values: Mapping[int, tuple[float, float, float]]) -> str:
    best, last = best_depth(values), max(values)
    told = f"{name}: best at {best:,} ({short(values[best][0])})"
    if best == last:
        return told + (", the deepest." if len(values) > 1 else ".")
    tied = values[best][1] <= values[last][2]
    return told + f"; at {last:,} {short(values[last][0])}, {'tied' if tied else 'lower'}."
