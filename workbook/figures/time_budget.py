"""The signature of chapter 16, "110 milliseconds": how deep the second stage reads, what that costs, and what it brings.

It takes numbers and returns a plotly Figure; `workbook.figures.depths` prepares them from runs, judgements and stored scores.
What is fused is drawn by `workbook.figures.retrieve_and_rerank`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.depths import Curves, Own, order_after, told_of
from workbook.figures.parts import (
    ABOVE,
    TOGETHER,
    in_few_lines,
    lines_through,
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
    PINK,
    SKY,
    VERMILLION,
    figure,
    short,
    stacked,
    ticks_at,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

STAGES = ((ORANGE, "/"), (BLUE, ""), (PINK, "+"))  # keywords, dense, a third: colour and hatch
TEN = 10  # ranks of the list that have a row each
BELOW_TEN = 3.5  # rows for all ranks behind these
LETTERS = 21  # of a name


class Stages(NamedTuple):
    """What a query's search is made of.

    Attributes:
        before: name of a stage before the reranker -> its milliseconds.
        per_pair: milliseconds that the reranker takes for a pair.
        limit: milliseconds that the search may take.
    """

    before: Mapping[str, float]
    per_pair: float
    limit: float = 110


def spent(stages: Stages, depth: int) -> tuple[list[tuple[str, float, float]], int]:
    """The stages of a search one after another, as (name, begin, end) in milliseconds, and how many pairs would fit.

    Args:
        stages: what they take.
        depth: pairs that the reranker reads.
    Raises:
        ValueError: a pair takes no time, or a stage less than none.
    """
    if stages.per_pair <= 0 or min(stages.before.values(), default=0) < 0:
        raise ValueError(f"expected milliseconds of 0 or more, and more for a pair, got {stages}")
    parts, begin = [], 0.0
    for name, length in [*stages.before.items(), ("pairs", depth * stages.per_pair)]:
        parts.append((name, begin, begin + length))
        begin += length
    return parts, max(0, math.floor((stages.limit - parts[-1][1]) / stages.per_pair + 1e-9))


def budget(depth: int, stages: Stages, curves: Curves, own: Own, metric: str = "nDCG@10", queries: int = 0) -> "Figure":
    """The signature: the time of a search by stages, quality over depth under its ceiling, and one query's list.

    Args:
        depth: passages that the reranker reads, one of the curves' depths: the control. More than all are all.
        stages: what the time is spent on.
        curves: quality by depth.
        own: one query with its candidates.
        metric: what quality is.
        queries: of how many queries the curves are means; 0 does not tell.
    Raises:
        ValueError: the curves have no such depth.
    """
    deepest = curves.depths[-1]
    depth = min(depth, deepest)
    if depth not in curves.depths:
        raise ValueError(f"depth must be one of the curves' {', '.join(map(str, curves.depths))}, got {depth}")
    at = list(curves.depths).index(depth)
    parts, _ = spent(stages, depth)
    line = small_letters()["size"] + 5
    texts = [  # in as many lines as any depth needs, so that nothing moves
        [in_few_lines(_told(each, stages, curves)) for each in curves.depths],
        [in_few_lines(told_of(own, each)) for each in curves.depths],
    ]
    high = [line * (1 + max(text.count("<br>") for text in column)) for column in texts]
    height, rows = stacked(46, 30 + high[0], 52, 230, 82 + high[1], 22 * (TEN + 4))
    fig = figure(
        alt=f"Above, a bar of milliseconds from 0, cut into {', '.join(name for name, *_ in parts)}; a line marks {stages.limit:g}, and what lies beyond it is hatched. In the middle, {metric} from 0 to 1 over the "
        f"depth, 1 to {deepest:,} on a logarithmic axis: a thin line for the ceiling, one for the reranked list, one for the first stage; large marks show the present depth. Below, the candidates of one "
        f"query, rank 1 on top: left in the order of the first stage, right as the reranker orders those that it has read. Lines join the same passage; ranks behind {TEN} stand closer together. Filled "
        "squares in a ring are relevant; of the others, solid lines rise and dotted ones do not. The control is the depth.",
        notice="Watch the gap between the two upper lines as the depth grows, and the bar above. The ceiling is what a perfect judge would get, not a forecast. In the list, a passage that was not read "
        "cannot rise, and each one more that is read can also push the right one down.",
        title=title_at_top(f"depth {depth:,}" + (": all" if depth == deepest else "")),
        height=height + 130,
        margin={"l": 60, "r": 20, "t": 110, "b": 20},
        barmode="stack",
        legend={
            **ABOVE,
            "traceorder": "normal",
            "font": small_letters(12),
            "entrywidth": 5.4 * small_letters(12)["size"],
        },
        legend2={
            **ABOVE,
            "font": small_letters(12),
            "entrywidth": 5 * small_letters(12)["size"],
            "y": rows[3][1] + 3 / height,
        },
    )
    _bar(fig, parts, stages.limit, rows[0])
    note_below(fig, rows[1][1], texts[0][at], xshift=-40, yshift=-26)
    _quality(fig, curves, at, len(stages.before) > 1, rows[3], metric + (f", {queries:,} queries" if queries else ""))
    note_below(fig, rows[4][1], texts[1][at], xshift=-40, yshift=-52)
    _list(fig, own, depth, rows[5])
    return fig


def _told(depth: int, stages: Stages, curves: Curves) -> str:
    """The sentence: quality under its ceiling, and where the time goes."""
    at = list(curves.depths).index(depth)
    parts, fits = spent(stages, depth)
    total = parts[-1][2]
    pairs = f"{depth:,} pair{'s' if depth > 1 else ''}"
    each = [f"{name} {_ms(milliseconds)}" for name, milliseconds in stages.before.items()]
    each.append(f"{pairs} {_ms(depth * stages.per_pair)}")
    told = f"Depth {depth:,}: {short(curves.reranked[at])} under a ceiling of {short(curves.ceiling[at])}. "
    told += f"{_ms(total)} of {stages.limit:g} ms: {', '.join(each)}."
    if total > stages.limit:
        told += f" That is {_ms(total - stages.limit)} ms too much; {fits:,} pair{'' if fits == 1 else 's'} would fit."
    return re.sub(r"(?<=\d) (?=ms|pair|of)|(?<=of) (?=\d)|(?<=[a-z]) (?=\d)", TOGETHER, told)


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bar(fig: "Figure", parts: Sequence[tuple[str, float, float]], limit: float, domain: Sequence[float]) -> None:
    """One bar, cut into the stages, and at the limit."""
    import plotly.graph_objects as go

    looks = [*(STAGES[i % len(STAGES)] for i in range(len(parts) - 1)), (SKY, ".")]
    within = [(name, look, begin, min(end, limit)) for (name, begin, end), look in zip(parts, looks, strict=True)]
    beyond = ("too much", (VERMILLION, "x"), limit, max(limit, parts[-1][2]))
    for name, (color, hatch), begin, end in [*within, beyond]:
        fig.add_trace(
            go.Bar(
                x=[round(max(0.0, min(end, 2 * limit) - begin), 3)], y=[""], orientation="h", name=name, hoverinfo="skip",
                marker={
                    "color": color, "line": {"color": INK, "width": 1},
                    "pattern": {"shape": hatch, "fillmode": "overlay", "fgcolor": "white", "solidity": 0.3},
                },
            )
        )  # fmt: skip
    fig.update_layout(
        xaxis={
            "range": [0, round(1.5 * limit, 3)], "anchor": "y", "showgrid": False, "zeroline": False, "tickmode": "array", "tickvals": [0, limit],
            "ticktext": ["0", f"{limit:g} ms"],
        },
        yaxis={"domain": domain, "visible": False, "type": "category"},
    )  # fmt: skip
    fig.add_shape(
        type="line", x0=limit, x1=limit, xref="x", y0=0, y1=1, yref="y domain", line={"color": INK, "width": 3}
    )  # fmt: skip
    if parts[-1][2] > 1.5 * limit:
        note_below(fig, 1, "goes on →", 1, yref="y domain", xanchor="right", yanchor="bottom")


def _quality(fig: "Figure", curves: Curves, at: int, fused: bool, domain: Sequence[float], title: str) -> None:
    """The three curves over depth, and large marks at the present one."""
    import plotly.graph_objects as go

    first = (INK, "dashdot", "square") if fused else (ORANGE, "dash", "square")
    looks = [
        ("ceiling", curves.ceiling, (INK, "solid", "line-ew"), 1.5), ("reranked", curves.reranked, (SKY, "dot", "circle"), 4.0),
        ("first stage", curves.first, first, 2.5),
    ]  # fmt: skip
    axes: dict[str, Any] = {"xaxis": "x2", "yaxis": "y2"}
    for name, values, (color, dash, symbol), width in looks:
        fig.add_trace(
            go.Scatter(
                x=list(curves.depths), y=rounded(values), mode="lines+markers", name=name, legend="legend2", **axes,
                line={"color": color, "dash": dash, "width": width}, marker={"symbol": symbol, "size": 6, "line": {"color": INK, "width": 1}},
            )
        )  # fmt: skip
    deepest = curves.depths[-1]
    now = np.array([[math.nan, values[at]] for _, values, *_ in looks])
    now[:, 0] = curves.depths[at]
    cursor = {
        "size": [0, 15, 11], "symbol": [look[2] for _, _, look, _ in looks], "color": [look[0] for _, _, look, _ in looks], "line": {"color": INK, "width": 1.5},
    }  # fmt: skip
    marks_at(fig, "now", now, cursor, showlegend=False, **axes)
    fig.add_shape(
        type="line", x0=curves.depths[at], x1=curves.depths[at], xref="x2", y0=0, y1=1, yref="y2 domain", line={"color": INK, "width": 1.5, "dash": "dot"},
    )  # fmt: skip
    ticks = ticks_at([depth for depth in curves.depths if depth * 1.6 < deepest or depth == deepest], apart=1.9)
    ticks |= {"ticktext": [*ticks["ticktext"][:-1], "all"], "tickangle": 0, "tickfont": small_letters(12)}
    reach = math.log10(deepest)
    fig.update_layout(
        xaxis2={
            "type": "log", "range": [round(-0.04 * reach - 0.02, 3), round(1.04 * reach + 0.02, 3)], "anchor": "y2", "title": {"text": "depth: passages read", "standoff": 5}, **ticks,
        },
        yaxis2={"domain": domain, "anchor": "x2", "range": [0, 1.02], "title": title, "automargin": True},
    )  # fmt: skip


def _list(fig: "Figure", own: Own, depth: int, domain: Sequence[float]) -> None:
    """One query's candidates in the old order and in the new one, the first ten in rows, and what stands behind closer together."""
    old = {p: rank for rank, p in enumerate(own.found, start=1)}
    after = order_after(own, depth)
    new = {p: rank for rank, p in enumerate(after, start=1)}
    shown = list(dict.fromkeys([*own.found[:TEN], *after[:TEN], *(p for p in own.found if p in own.right)]))
    deepest = max(len(own.found), TEN + 1)

    def height(rank: int) -> float:
        return rank if rank <= TEN else TEN + 0.5 + BELOW_TEN * math.log(rank / TEN) / math.log(deepest / TEN)

    axes: dict[str, Any] = {"xaxis": "x3", "yaxis": "y3"}
    ends = {p: np.array([[0, height(old[p])], [1, height(new[p])]]) for p in shown if p in new}
    for name, kept, line in (
        ("falls or stays", [p for p in ends if new[p] >= old[p] and p not in own.right], {"color": GREY, "width": 1.5, "dash": "dot"}),
        ("rises", [p for p in ends if new[p] < old[p] and p not in own.right], {"color": BLUE, "width": 2}),
        ("relevant", [p for p in ends if p in own.right], {"color": GREEN, "width": 4}),
    ):  # fmt: skip
        lines_through(fig, name, [ends[p] for p in kept] or [np.full((1, 2), np.nan)], line, **axes)
    places = [((0, height(old[p])), p) for p in shown] + [(tuple(ends[p][1]), p) for p in ends]
    wrong = np.array([place for place, p in places if p not in own.right]).reshape(-1, 2)
    right = np.array([place for place, p in places if p in own.right]).reshape(-1, 2)
    marks_at(fig, "not relevant", wrong, {"symbol": "circle-open", "size": 8, "color": GREY}, showlegend=False, **axes)
    ring = {"symbol": "circle-open", "size": 20, "color": GREEN, "line": {"width": 2}}
    marks_at(fig, "ring", right, ring, showlegend=False, **axes)
    marks_at(fig, "right", right, {"symbol": "square", "size": 10, "color": GREEN}, showlegend=False, **axes)
    named = [(p, own.names.get(p, p)) for p in after[:TEN]]
    marks_at(
        fig, "names", np.array([(1.25, new[p]) for p, _ in named]).reshape(-1, 2), mode="text", textposition="middle right", textfont=small_letters(),
        text=[f"{name if len(name) <= LETTERS else name[: LETTERS - 1] + '…'} ({old[p]})" for p, name in named], showlegend=False, **axes,
    )  # fmt: skip
    last = len(own.found)
    ranks = [1, 5, TEN] + ([last] if last > TEN else [])
    fig.update_layout(
        xaxis3={"range": [-0.2, 4.6], "visible": False, "anchor": "y3"},
        yaxis3={
            "domain": domain, "anchor": "x3", "range": [TEN + 1 + BELOW_TEN, 0.2], "showgrid": False, "zeroline": False, "title": "rank",
            "tickmode": "array", "tickvals": [round(height(rank), 3) for rank in ranks], "ticktext": [f"{rank:,}" for rank in ranks],
        },
    )  # fmt: skip
    for x, anchor, text in ((0, "center", "before"), (1, "center", "after"), (1.7, "left", "(rank before)")):
        note_below(
            fig, 1, text, x, xref="x3", yref="y3 domain", xanchor=anchor, yanchor="bottom", font=small_letters(12)
        )
    if last > TEN:
        fig.add_shape(
            type="line", x0=-0.2, x1=4.6, xref="x3", y0=TEN + 0.5, y1=TEN + 0.5, yref="y3", line={"color": GREY, "width": 1, "dash": "dash"},
        )  # fmt: skip
