"""The figures of chapter 15 that show two texts read together: cells across, and a wall between them for some layers.

Each takes numbers and returns a plotly Figure. `work_behind_a_wall` and `stored_behind_a_wall` compute what a wall saves
and what it costs; scores are drawn by `workbook.figures.logits`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.cost import multiply_adds
from workbook.figures.parts import (
    ABOVE,
    HIDDEN,
    TOGETHER,
    in_few_lines,
    lines_through,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import BLUE, GREY, INK, SKY, VERMILLION, figure, short, stacked
from workbook.support.checks import check_positive

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

APART = 1.22  # from one grid to the next, whose side is 1
COURSES = 14  # of bricks, if the wall were as high as a grid


def work_behind_a_wall(
    query_tokens: int,
    passage_tokens: int,
    candidates: int,
    walled: int,
    num_layers: int,
    hidden: int,
    intermediate_size: int | None = None,
) -> int:
    """The multiply-adds that a query costs, with a wall between the two texts in the first layers.

        work = walled layers of the query, once  +  the other layers of the pair, for each candidate

    Behind the wall a passage does not know the query, so its states are computed beforehand and stored.

    Args:
        query_tokens, passage_tokens: of each text.
        candidates: passages that are scored.
        walled: layers behind the wall: 0 is a cross-encoder, num_layers a bi-encoder.
        num_layers: all layers.
        hidden: D.
        intermediate_size: as in `multiply_adds`.
    Raises:
        ValueError: walled is negative or more than num_layers, or as `multiply_adds`.
    """
    _check_wall(walled, num_layers)
    sizes = [(query_tokens, walled, 1), (query_tokens + passage_tokens, num_layers - walled, candidates)]
    return sum(
        times * sum(multiply_adds(tokens, hidden, layers, intermediate_size).values())
        for tokens, layers, times in sizes
    )


def stored_behind_a_wall(passage_tokens: int, walled: int, num_layers: int, hidden: int) -> int:
    """The bytes that are stored for a passage, at 2 for each number.

    Without a wall nothing is; with one through all layers, a vector; else the states of all tokens where the wall ends.
    """
    _check_wall(walled, num_layers)
    vectors = 0 if walled == 0 else 1 if walled == num_layers else passage_tokens
    return 2 * vectors * hidden


def _check_wall(walled: int, num_layers: int) -> None:
    check_positive(num_layers=num_layers)
    if not 0 <= walled <= num_layers:
        raise ValueError(f"walled must be from 0 to num_layers = {num_layers}, got {walled}")


class _Measured(NamedTuple):
    """What was measured of one setting: the value, and its interval."""

    value: float
    low: float
    high: float


def wall(
    query_tokens: Sequence[str],
    passage_tokens: Sequence[str],
    walled: int,
    num_layers: int,
    points: Mapping[int, tuple[float, float, float]],
    hidden: int = 384,
    candidates: int = 100,
    metric: str = "nDCG@10",
    intermediate_size: int | None = None,
) -> "Figure":
    """The signature: a wall between query and passage in the first layers, the work that it saves, and what is left of quality.

    Args:
        query_tokens, passage_tokens: the two texts; special tokens count as tokens.
        walled: layers behind the wall, 0 to num_layers: the control.
        num_layers: all layers.
        points: layers behind the wall -> (value, low, high), for those that were measured.
        hidden, intermediate_size: sizes of the model.
        candidates: passages that are scored for a query.
        metric: what quality is.
    """
    _check_wall(walled, num_layers)
    q, p = len(query_tokens), len(passage_tokens)
    check_positive(query_tokens=q, passage_tokens=p, candidates=candidates)
    settings = range(num_layers + 1)
    sizes = (num_layers, hidden, intermediate_size)
    work = [work_behind_a_wall(q, p, candidates, each, *sizes) for each in settings]
    measured = {each: _Measured(*map(float, points[each])) for each in settings if each in points}
    columns = min(num_layers, 3 if num_layers <= 6 else 6)
    lines = math.ceil(num_layers / columns)
    told = [  # in as many lines as any setting needs, so that nothing moves
        in_few_lines(_told(q, p, each, work, measured, metric, stored_behind_a_wall(p, each, num_layers, hidden)))
        for each in settings
    ]
    line = small_letters()["size"] + 6
    height, rows = stacked(150 * lines, line * (2 + max(text.count("<br>") for text in told)), 170, 3 * line, 170)
    fig = figure(
        alt=f"Above, a square grid for each of {num_layers} layers: {q} tokens of a query and {p} of a passage down, and the same across. Grey parts are pairs of tokens "
        "within a text, dotted parts pairs across; in the first layers, as many as the control says, bricks close the parts across. Below, over the number of layers behind the "
        f"wall, 0 to {num_layers}: the multiply-adds for {candidates} candidates on a logarithmic axis, and {metric} with whiskers. A line and large marks show the present setting.",
        notice="A wall from the first layer upwards lets the passage's part be computed before anybody asks. Compare the two curves at the line: does the second fall as the first does? Work "
        "that is saved is stored instead: as long as a layer above the wall reads tokens, each passage keeps a vector for each of its tokens.",
        title=title_at_top(f"a wall through {walled} of {num_layers} layers"),
        height=height + 145,
        margin={"l": 65, "r": 20, "t": 90, "b": 55},
        legend=ABOVE,
        xaxis={**HIDDEN, "range": [-0.12, round(APART * columns - 0.15, 3)], "anchor": "y"},
        yaxis={**HIDDEN, "range": [round(1.4 * lines - 0.1, 3), -0.12], "scaleanchor": "x", "domain": rows[0]},
    )  # fmt: skip
    corners = [(APART * (layer % columns), 1.4 * (layer // columns)) for layer in range(num_layers)]
    _grids(fig, corners, q, p, walled)
    note_below(fig, rows[1][1], told[walled], xshift=-45, yshift=-4)
    axis = {"range": [-0.3, num_layers + 0.3], "tickvals": list(settings), "zeroline": False}
    least, most = math.log10(work[-1]), math.log10(work[0])
    room = max(0.25 * (most - least), 0.1)
    fig.update_layout(
        xaxis2={**axis, "anchor": "y2", "showticklabels": False},
        yaxis2={
            "domain": rows[2], "anchor": "x2", "type": "log", "title": "multiply-adds", "automargin": True, **_ticks(work),
            "range": [round(least - room, 3), round(most + room, 3)],
        },
        xaxis3={**axis, "anchor": "y3", "title": {"text": "layers behind the wall", "standoff": 5}},
        yaxis3={"domain": rows[4], "anchor": "x3", "title": metric, "automargin": True, "range": _around(measured)},
    )  # fmt: skip
    _curve(
        fig,
        "multiply-adds",
        "2",
        {each: _Measured(n, n, n) for each, n in enumerate(work)},
        walled,
        _amount(work[walled]),
    )
    label = short(measured[walled].value) if walled in measured else ""
    _curve(fig, metric, "3", measured, walled, label)
    fig.add_shape(
        type="line", x0=walled, x1=walled, xref="x3", y0=0, y1=rows[2][1], yref="paper",
        line={"color": INK, "width": 1.5, "dash": "dot"},
    )  # fmt: skip
    for x, anchor, text in ((0.1, "left", "← read together"), (num_layers - 0.1, "right", "read apart →")):
        note_below(fig, rows[3][1], text, x=x, xref="x3", xanchor=anchor, yshift=-2)
    return fig


def _amount(number: float) -> str:
    """A count in three digits: 85 M, 78.8 G."""
    for unit, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{float(f'{number / unit:.3g}'):g}{name}"
    return f"{number:g}"


def _told(
    q: int, p: int, walled: int, work: Sequence[int], measured: Mapping[int, _Measured], metric: str, stored: int
) -> str:
    """The sentence: the share of the work, what is left of the gain of reading together, and what is stored."""
    last = len(work) - 1
    share = 100 * work[walled] / work[0]
    told = [
        f"Wall through {walled} of {last}: {_amount(work[walled])} multiply-adds, {share:{'.0f' if share >= 1 else '.2g'}} % of the work"
    ]
    if walled not in measured:
        told.append(f"{metric} was not measured here")
    elif 0 in measured and last in measured and last:
        together, apart, here = measured[0], measured[last], measured[walled]
        gain = together.value - apart.value
        if together.low <= apart.high and apart.low <= together.high:
            told.append(f"{metric} {short(here.value)}; read together or apart, they are tied")
        elif gain < 0:
            told.append(f"{metric} {short(here.value)}; reading together gains nothing")
        else:
            told.append(f"{metric} {short(here.value)}, {100 * (here.value - apart.value) / gain:.0f} % of the gain")
    else:
        told.append(f"{metric} {short(measured[walled].value)}")
    kept = f"{stored / 1000:.2g} kB" if stored >= 100 else f"{stored} bytes"
    told.append(f"{kept} stored for a passage of {p}")
    sentence = f"{'; '.join(told)}. (q: {q} query tokens, p: {p} passage tokens.)"
    return re.sub(r"(?<=\d) (?=\S)", TOGETHER, sentence)  # a number stays with its unit


def _grids(fig: "Figure", corners: Sequence[tuple[float, float]], q: int, p: int, walled: int) -> None:
    """A square for each layer, with the pairs within a text, the pairs across, and bricks on these in the first `walled`."""
    cut = q / (q + p)
    own = [(0.0, 0.0, cut, cut), (cut, cut, 1.0, 1.0)]  # left, top, right, bottom
    across = [(cut, 0.0, 1.0, cut), (0.0, cut, cut, 1.0)]
    joints = [joint for box in across for joint in _mortar(*box)]
    for name, boxes, few, line, fill in (
        ("within a text", own, corners, GREY, {"fillcolor": "rgba(138,138,138,0.35)"}),
        ("across", across, corners, SKY, {"fillcolor": SKY, "fillpattern": {"shape": ".", "fgcolor": "white", "bgcolor": SKY, "size": 6, "solidity": 0.2}}),
        ("wall", across, corners[:walled], VERMILLION, {"fillcolor": VERMILLION}),
    ):  # fmt: skip
        outlines = [_outline(x, y, *box) for x, y in few for box in boxes] or [np.full((1, 2), np.nan)]
        lines_through(fig, name, outlines, {"color": line, "width": 1}, fill="toself", **fill)
        fig.data[-1].showlegend = True
    for layer, (x, y) in enumerate(corners):
        lines_through(
            fig, f"bricks {layer + 1}", [joint + np.array([x, y]) for joint in joints], {"color": "white", "width": 1}
        )
        fig.data[-1].visible = layer < walled
        fig.add_annotation(
            x=x,
            y=y + 1,
            text=f"layer {layer + 1}",
            showarrow=False,
            xanchor="left",
            yanchor="top",
            font=small_letters(12),
        )
    x, y = corners[0]
    for letter, middle in (("q", cut / 2), ("p", (1 + cut) / 2)):
        fig.add_annotation(
            x=x, y=y + middle, text=letter, showarrow=False, xanchor="right", xshift=-2, font=small_letters(12)
        )
        fig.add_annotation(x=x + middle, y=y, text=letter, showarrow=False, yanchor="bottom", font=small_letters(12))


def _outline(x: float, y: float, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]) + np.array([x, y])


def _mortar(left: float, top: float, right: float, bottom: float) -> list[np.ndarray]:
    """The joints of a brick wall in a box, as lines of two ends: each course is half a brick further than the one below."""
    height = 1 / COURSES
    lines = []
    for course in range(max(1, round((bottom - top) * COURSES))):
        low = bottom - course * height
        high = max(top, low - height)
        if high > top + 1e-9:
            lines.append(np.array([(left, high), (right, high)]))
        first = left + height * (1 + course % 2)
        lines += [np.array([(x, low), (x, high)]) for x in np.arange(first, right - 1e-9, 2 * height)]
    return lines


def _ticks(work: Sequence[int]) -> dict[str, Any]:
    """Ticks at the least, the most, and what the last layer costs above a wall."""
    values = sorted({work[0], work[-1], work[max(0, len(work) - 2)]})
    return {"tickmode": "array", "tickvals": values, "ticktext": [_amount(each) for each in values]}


def _around(measured: Mapping[int, _Measured]) -> list[float]:
    """An axis from the tenth below the lowest whisker to the tenth above the highest: points are compared by their height."""
    low, high = [each.low for each in measured.values()], [each.high for each in measured.values()]
    bottom, top = math.floor(10 * min(low, default=0)) / 10, math.ceil(10 * max(high, default=0.9) + 0.2) / 10
    return [round(bottom, 1), round(max(top, bottom + 0.1), 1)]


def _curve(fig: "Figure", name: str, axis: str, points: Mapping[int, _Measured], walled: int, label: str) -> None:
    """Points with whiskers over the layers behind the wall, and a large one with its number at the present setting."""
    import plotly.graph_objects as go

    axes = {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
    values = list(points.values())
    fig.add_trace(
        go.Scatter(
            x=list(points), y=[float(each.value) for each in values], mode="lines+markers", name=name, showlegend=False,
            line={"color": BLUE, "width": 2}, marker={"size": 8}, **axes,
            error_y={
                "type": "data", "symmetric": False, "color": "#444444", "visible": any(each.high > each.low for each in values),
                "array": rounded([each.high - each.value for each in values]), "arrayminus": rounded([each.value - each.low for each in values]),
            },
        )
    )  # fmt: skip
    here, last = points.get(walled), max(points, default=None)
    fig.add_trace(
        go.Scatter(
            x=[walled], y=[float(here.value) if here else None], mode="markers+text", name=f"{name} now", showlegend=False, text=[f"<b>{label}</b>"],
            textposition="bottom left" if walled == last else "top right", cliponaxis=False, hoverinfo="skip",
            marker={"size": 16, "color": BLUE, "symbol": "diamond"}, textfont=small_letters(14), **axes,
        )
    )  # fmt: skip


def cells_across(query: Sequence[str], passage: Sequence[str]) -> "Figure":
    """The central object: each token of two texts beside each other one, and the cells across counted by their numbers.

    Args:
        query, passage: tokens of the two texts.
    """
    import plotly.graph_objects as go

    q, p = len(query), len(passage)
    check_positive(query=q, passage=p)
    tokens = [*query, *passage]
    side = np.arange(q + p) < q
    across = side[:, None] != side
    numbers = np.where(across, np.cumsum(across).reshape(across.shape), 0)
    fig = figure(
        alt=f"A grid of {len(tokens)} by {len(tokens)} cells. Down stand the tokens that look, across those that are looked at, first the query's ({', '.join(query)}), "
        f"then the passage's ({', '.join(passage)}). Frames stand around the cells between a token of one text and a token of the other, which are numbered.",
        notice="Cover the framed cells: what is left are two texts that were read apart. The last number counts what a model that reads them apart never computes, "
        "and that in each of its layers.",
        title=title_at_top(f"{q} tokens meet {p}"),
        width=40 * small_letters()["size"],
        height=170 + 52 * len(tokens),
        margin={"l": 95, "r": 45, "t": 125, "b": 55},
        xaxis={"tickvals": list(range(len(tokens))), "ticktext": tokens, "side": "top", "tickangle": -60, "showgrid": False, "zeroline": False},
        yaxis={
            "tickvals": list(range(len(tokens))), "ticktext": tokens, "range": [len(tokens) - 0.5, -0.5], "showgrid": False, "zeroline": False,
        },
    )  # fmt: skip
    fig.add_trace(
        go.Heatmap(
            z=across.astype(int).tolist(), zmin=0, zmax=1, colorscale=[[0, "#D9D9D9"], [1, SKY]], showscale=False, xgap=2, ygap=2,
            text=[[str(number) if number else "" for number in row] for row in numbers.tolist()], texttemplate="%{text}", textfont={"color": "#222222", **small_letters(16)},
            hoverinfo="skip",
        )
    )  # fmt: skip
    for left, right, top, bottom in ((q, q + p, 0, q), (0, q, q, q + p)):
        fig.add_shape(
            type="rect", x0=left - 0.5, x1=right - 0.5, y0=top - 0.5, y1=bottom - 0.5, line={"color": INK, "width": 3}
        )
    told = f"{across.size} cells: {q * q} within the query, {p * p} within the passage, {int(across.sum())} across."
    note_below(fig, 0, in_few_lines(told), yshift=-8)
    return fig
