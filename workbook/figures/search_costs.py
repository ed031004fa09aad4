"""The figures of chapter 17 that show what an index finds for what it costs: bytes read, bytes stored, and how both grow.

Each takes numbers and returns a plotly Figure. `read_scale` reads the record up to 8.8 million passages.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.parts import (
    ABOVE,
    TOGETHER,
    in_few_lines,
    lines_through,
    note_below,
    rounded,
    small_letters,
    title_at_top,
)
from workbook.figures.theme import BLUE, COLORS, DASHES, GREEN, GREY, INK, PINK, SYMBOLS, VERMILLION, figure, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SCALE = Path(__file__).parents[1] / "pipeline/records/scale.json"
NARROW = (300, 330)  # pixels of a plot on a phone
FAR = 10**9  # passages, to which the cost curve is computed
BELOW = {**ABOVE, "y": -0.2, "yanchor": "top"}


class Setting(NamedTuple):
    """An index with its knob at one place.

    Attributes:
        knob: where it stands.
        read: what is read for a query, as a share of the bytes of all whole vectors.
        value, low, high: what it finds, with an interval.
    """

    knob: float
    read: float
    value: float
    low: float
    high: float


class Tried(NamedTuple):
    """An index with its knob at several places.

    Attributes:
        knob: its name, such as "nprobe"; "" where it has none.
        bytes: that are stored for each vector.
        settings: from little to much.
    """

    knob: str
    bytes: float
    settings: Sequence[Setting]


def frontier(
    indexes: Mapping[str, Tried], metric: str = "recall of the exact ten", title: str = "", span: tuple[float, float] = (0, 1)
) -> "Figure":  # fmt: skip
    """What each index finds over what it reads: a line for each, the knob's places written where there is room.

    Args:
        indexes: name -> the index with its knob at several places.
        metric: what it finds.
        title: what was searched.
        span: of the vertical axis, the same for all figures that are to be compared.
    """
    reads = [setting.read for tried in indexes.values() for setting in tried.settings]
    left, right = math.log10(min(reads)) - 0.15, max(math.log10(max(reads)), 0) + 0.08
    rounds = [factor * 10.0**power for power in range(-9, 3) for factor in (1, 3)]
    fig = figure(
        alt=f"A line with points for each of {', '.join(indexes)}: {metric}, from {span[0]:g} to {span[1]:g}, with whiskers, over the share of the bytes of all vectors that is read for a query, on a "
        f"logarithmic axis from {min(reads):.2g} to {max(reads):.2g}. Points are places of a knob, some with their number. The legend tells the bytes stored of a vector.",
        notice="Better is up, cheaper is left. Ask the figure for the recall that you need, and go left along that height: which index is reached last, and what does it "
        "store? Fewer bytes read are less work, but not always less time: a walk reads here and there, a list in one go.",
        title=title,
        height=600,
        margin={"l": 65, "r": 20, "t": 50, "b": 190},
        legend={**BELOW, "font": small_letters()},
        xaxis={
            "type": "log", "range": [round(left, 3), round(right, 3)], "title": {"text": "share of the bytes read", "standoff": 5},
            **ticks_at([at for at in rounds if left <= math.log10(at) <= right]),
        },
        yaxis={"range": [span[0], span[1] + 0.03 * (span[1] - span[0])], "title": metric},
    )  # fmt: skip
    lines = []
    for name, tried in indexes.items():
        size = f"{tried.bytes:,.0f}" if tried.bytes >= 10 else f"{tried.bytes:g}"
        knob = f" · {tried.knob}" if tried.knob else ""
        points = [(s.read, s.value, s.low, s.high, f"{s.knob:g}" if knob else "") for s in tried.settings]
        lines.append((f"{name}{knob} · {size} bytes", points))
    _lines_with_labels(fig, lines)
    return fig


def _lines_with_labels(
    fig: "Figure", lines: Sequence[tuple[str, Sequence[tuple[float, float, float, float, str]]]]
) -> None:
    """A line with whiskers for each name, over a logarithmic axis; a label stands where it covers nothing on a narrow page.

    Args:
        fig: with the ranges of its axes.
        lines: name and points: place, value, low, high, label.
    """
    import plotly.graph_objects as go

    (left, right), (bottom, top) = fig.layout.xaxis.range, fig.layout.yaxis.range
    points = [point for _, each in lines for point in each]
    x = [NARROW[0] * (math.log10(point[0]) - left) / (right - left) for point in points]
    y, low, high = ([NARROW[1] * (point[i] - bottom) / (top - bottom) for point in points] for i in (1, 2, 3))
    taken = [(x[i] - 6, min(y[i] - 6, low[i]), x[i] + 6, max(y[i] + 6, high[i])) for i in range(len(points))]
    beside = []
    for i, point in enumerate(points):
        wide = 7 * len(point[4])
        sides = {
            "middle right": (x[i] + 8, y[i] - 7, x[i] + 8 + wide, y[i] + 7),
            "middle left": (x[i] - 8 - wide, y[i] - 7, x[i] - 8, y[i] + 7),
            "top center": (x[i] - wide / 2, y[i] + 7, x[i] + wide / 2, y[i] + 21),
            "bottom center": (x[i] - wide / 2, y[i] - 21, x[i] + wide / 2, y[i] - 7),
        }
        free = [
            side
            for side, box in sides.items()
            if wide and _inside(box) and not any(_meet(box, other) for other in taken)
        ]
        beside.append(free[0] if free else "")
        taken += [sides[free[0]]] if free else []
    for number, (name, each) in enumerate(lines):
        own, beside = beside[: len(each)], beside[len(each) :]
        fig.add_trace(
            go.Scatter(
                x=[_short(point[0]) for point in each], y=rounded([point[1] for point in each]), mode="lines+markers+text", name=name,
                text=[point[4] if side else "" for point, side in zip(each, own, strict=True)], textfont=small_letters(12), cliponaxis=False,
                textposition=[side or "top center" for side in own], line={"color": COLORS[number % 7], "dash": DASHES[number % 7], "width": 2},
                marker={"symbol": SYMBOLS[number % 7], "size": 10}, customdata=[point[4] for point in each],
                hovertemplate="%{customdata}: %{y:.3f}",
                error_y={
                    "type": "data", "symmetric": False, "color": "#444444", "thickness": 1.5, "width": 3,
                    "array": rounded([point[3] - point[1] for point in each]), "arrayminus": rounded([point[1] - point[2] for point in each]),
                },
            )
        )  # fmt: skip


def _inside(box: tuple[float, ...]) -> bool:
    return box[0] >= 0 and box[2] <= NARROW[0] and box[1] >= 0 and box[3] <= NARROW[1] + 10


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def equal_bytes(
    grid: Mapping[int, Mapping[int, tuple[float, float, float]]], metric: str = "nDCG@10", title: str = ""
) -> "Figure":
    """Quality over bytes, a line for each number of bits; dotted lines join what takes equally many bytes.

    Args:
        grid: bits of a number -> numbers kept -> quality, and its interval: (value, low, high).
        metric: what quality is.
        title: what was searched.
    """
    import plotly.graph_objects as go

    of_size: dict[float, list[tuple[int, int]]] = {}
    for bits, by_dims in grid.items():
        for dims in by_dims:
            of_size.setdefault(dims * bits / 8, []).append((bits, dims))
    equal = {size: each for size, each in sorted(of_size.items()) if len(each) > 1}
    told = "; ".join(f"{size:g} bytes: {', '.join(f'{d} × {b}' for b, d in each)}" for size, each in equal.items())
    fig = figure(
        alt=f"A line for each number of bits, {', '.join(map(str, grid))}: {metric} from 0, with whiskers, over the bytes of a vector, on a logarithmic axis from {min(of_size):g} to {max(of_size):,g}. "
        f"A point is a number of dimensions, some with their number. Points of equally many bytes stand side by side about a dotted line. Dimensions × bits at equal bytes: {told}.",
        notice="Go along a dotted line: which point of it is highest? Where whiskers overlap, the drawing does not settle it. Then ask whether the answer is the same on the left, where bytes "
        "are few, and on the right.",
        title=title,
        height=540,
        margin={"l": 65, "r": 20, "t": 50, "b": 120},
        legend=BELOW,
        xaxis={"type": "log", "title": {"text": "bytes of a vector", "standoff": 5}, **ticks_at(sorted(of_size), apart=3)},
    )  # fmt: skip
    top = max(high for by_dims in grid.values() for _, _, high in by_dims.values())
    fig.update_xaxes(range=[round(math.log10(min(of_size)) - 0.2, 3), round(math.log10(max(of_size)) + 0.2, 3)])
    fig.update_yaxes(range=[0, round(1.08 * top, 3) or 1.0], title=metric)
    for size, each in equal.items():
        heights = [grid[bits][dims][0] for bits, dims in each]
        fig.add_trace(
            go.Scatter(
                x=[size, size], y=rounded([min(heights), max(heights)]), mode="lines", line={"color": GREY, "dash": "dot", "width": 2},
                showlegend=False, hoverinfo="skip", name=f"{size:g} bytes",
            )
        )  # fmt: skip
    lines = []
    for i, (bits, by_dims) in enumerate(grid.items()):
        aside = 2 ** (0.14 * (i - (len(grid) - 1) / 2))  # whiskers stand side by side, not upon one another
        points = [(dims * bits / 8 * aside, *by_dims[dims], str(dims)) for dims in sorted(by_dims)]
        lines.append(("1 bit" if bits == 1 else f"{bits} bits", points))
    _lines_with_labels(fig, lines)
    return fig


def read_on_average(sizes: Sequence[int]) -> float:
    """How many vectors one opened list holds on average, if queries fall as vectors do: Σ n² / Σ n, 0 where there are none."""
    return float(np.square(np.asarray(sizes, dtype=float)).sum() / max(sum(sizes), 1))


def lists_by_size(sizes: Mapping[str, Sequence[int]]) -> "Figure":
    """The broken case: the lists of some indexes from the longest to the shortest, and what one probe reads.

    Args:
        sizes: on what the cells were trained -> the length of each list.
    """
    import plotly.graph_objects as go

    ranked = {name: sorted(map(int, each), reverse=True) for name, each in sizes.items()}
    longest, most = (max(measure(each) for each in ranked.values()) for measure in (len, max))
    means = {name: sum(each) / len(each) for name, each in ranked.items()}
    told = [
        f"{name}: longest {each[0]:,}, a probe reads {read_on_average(each):,.0f} of {sum(each):,}, "
        f"{read_on_average(each) / means[name] if means[name] else 0:.1f} equal shares"
        for name, each in ranked.items()
    ]
    lines = [in_few_lines(each) for each in told]
    height = (small_letters()["size"] + 5) * sum(1 + each.count("<br>") for each in lines) + 10
    fig = figure(
        alt=f"For each of {', '.join(ranked)} a line over the lists of an index, from the longest to the shortest: how many vectors stand in each, from 0. "
        f"A thin line marks {', '.join(f'{mean:,.0f}' for mean in dict.fromkeys(means.values()))}, what each would hold if all were equal. Above stands how many vectors a probe reads on average.",
        notice="The area under the lines is the same, but a query falls where vectors are: a list with twice as many is opened twice as often, and each time costs twice as much. That is why the "
        "sum of squares counts, if queries are like the vectors.",
        title=title_at_top("lists, the longest first"),
        height=420 + height,
        margin={"l": 65, "r": 20, "t": 40 + height, "b": 110},
        legend=BELOW,
        xaxis={"title": {"text": "list", "standoff": 5}, "range": [0.5, longest + 0.5]},
        yaxis={"title": "vectors", "range": [0, round(1.08 * max(most, 1), 1)]},
    )  # fmt: skip
    looks = ((BLUE, "solid", "circle"), (VERMILLION, "dash", "triangle-up"), (GREEN, "dot", "square"))
    for i, (name, each) in enumerate(ranked.items()):
        color, dash, symbol = looks[i % len(looks)]
        fig.add_trace(
            go.Scatter(
                x=[number + 1 for number in range(len(each))], y=each, mode="lines+markers", name=name, line={"color": color, "dash": dash, "width": 3},
                marker={"symbol": symbol, "size": 10},
            )
        )  # fmt: skip
    for mean in dict.fromkeys(means.values()):
        lines_through(
            fig,
            f"equal shares, {mean:,.0f}",
            [np.array([[0.5, mean], [longest + 0.5, mean]])],
            {"color": INK, "width": 1.5, "dash": "dot"},
        )
    fig.update_traces(showlegend=True)
    note_below(fig, 1, "<br>".join(lines), yanchor="bottom", yshift=6)
    return fig


def read_scale() -> dict[str, Any]:
    """The record of the pipeline on collections of 10,000 to 8.8 million passages."""
    record: dict[str, Any] = json.loads(SCALE.read_text("utf-8"))
    return record


class Costs(NamedTuple):
    """What was measured of one thing at several sizes of a collection.

    Attributes:
        passages: ascending.
        values: one for each.
    """

    passages: list[int]
    values: list[float]

    def at(self, passages: float) -> tuple[float, float]:
        """What it would be at another size, computed: by the slope of the last two measured sizes, and in proportion to the last one."""
        (a, b), (low, high) = self.passages[-2:], self.values[-2:]
        slope = math.log(high / low) / math.log(b / a)
        return high * (passages / b) ** slope, high * passages / b


def costs(record: Mapping[str, Any]) -> dict[str, dict[str, Costs]]:
    """From the record: what is counted -> of what -> its costs.

    Seconds are CPU seconds: of encoding for "vectors", of building for an index. Milliseconds are those of one query,
    scored again by whole vectors.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}

    def add(what: str, of: str, size: int, value: float) -> None:
        found.setdefault(what, {}).setdefault(of, {})[size] = float(value)

    for size, one in sorted((int(size), one) for size, one in record["sizes"].items()):
        kind = {"ivfpq": "IVF-PQ", "hnsw": "HNSW", "flat": "flat"}[one["index"]["kind"]]
        add("CPU time to encode or build", "vectors", size, one["stages"]["encode"]["cpu_seconds"])
        add("bytes on disk", "vectors", size, one["stages"]["encode"]["bytes"])
        built = {kind: (one["stages"]["index"], one["latency"])}
        if "hnsw" in one:
            built["HNSW"] = one["hnsw"]["index"], one["hnsw"]["latency"]
        for name, (stage, latency) in built.items():
            add("CPU time to encode or build", name, size, stage["cpu_seconds"])
            add("time of one query", name, size, latency["whole_ms"])
            add("bytes on disk", name, size, stage["bytes"])
    return {what: {of: Costs(list(each), list(each.values())) for of, each in found[what].items()} for what in UNITS}


UNITS: dict[str, dict[float, str]] = {  # ticks of a logarithmic axis; of seconds, milliseconds and bytes
    "CPU time to encode or build": {
        1: "1 s",
        10: "10 s",
        60: "1 min",
        600: "10 min",
        3_600: "1 h",
        36_000: "10 h",
        864_000: "10 days",
    },
    "time of one query": {1: "1 ms", 10: "10 ms", 100: "0.1 s", 1_000: "1 s"},
    "bytes on disk": {1e6: "1 MB", 1e8: "100 MB", 1e10: "10 GB", 1e12: "1 TB"},
}
OF = {"vectors": (BLUE, "circle"), "IVF-PQ": (GREEN, "square"), "HNSW": (PINK, "diamond"), "flat": (GREY, "x")}


def cost_curve(record: Mapping[str, Any]) -> "Figure":
    """What encoding, building and searching cost by the size of the collection, and what a billion would, by computation.

    Args:
        record: as from `read_scale`.
    """
    import plotly.graph_objects as go

    panels = costs(record)
    sizes = sorted({size for panel in panels.values() for each in panel.values() for size in each.passages})
    last = sizes[-1]
    left, right = math.log10(sizes[0]) - 0.2, math.log10(FAR) + 0.2
    powers = {10**p: f"10<sup>{p}</sup>" for p in range(3, 10) if 10**p <= last}
    ticks = {size: powers.get(size, f"{size / 10**6:g} M") for size in sizes} | {FAR: "10<sup>9</sup>"}
    fig = figure(
        alt=f"{len(panels)} plots one below the other over the number of passages, on logarithmic axes: {', '.join(panels)}. Filled marks on lines were measured, at "
        f"{', '.join(f'{size:,}' for size in sizes)}. Dashed grey lines go up in proportion to the passages. In the shaded part, up to a billion, nothing was measured: dotted lines go on with the slope of the last two "
        "sizes and end in hollow marks.",
        notice="Compare slopes: a line as steep as the dashed ones pays the same for each passage, a flatter one pays less. What takes a fixed time to start makes the left end flat. Up to a billion the "
        "two rules bracket a guess, no more: memory and disks of such a machine are not in them. HNSW was built up to a million passages; its larger collections are several graphs, so it is not drawn further.",
        title=title_at_top("what more passages cost"),
        height=1000,
        margin={"l": 70, "r": 20, "t": 70, "b": 55},
        legend=ABOVE,
    )
    axis = {
        "type": "log",
        "range": [round(left, 3), round(right, 3)],
        "tickmode": "array",
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }
    tall = 1 / len(panels)
    for row, (what, panel) in enumerate(panels.items()):
        suffix, top = "" if row == 0 else str(row + 1), 1 - row * tall
        name = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        far = {of: each.at(FAR) for of, each in panel.items() if each.passages[-1] == last}
        every = [
            *(value for each in panel.values() for value in each.values),
            *(value for ends in far.values() for value in ends),
        ]
        ends = math.log10(min(every)) - 0.15, math.log10(max(every)) + 0.15
        marks = {value: text for value, text in UNITS[what].items() if ends[0] <= math.log10(value) <= ends[1]}
        fig.update_layout(
            {
                f"xaxis{suffix}": {**axis, "anchor": name["yaxis"]},
                f"yaxis{suffix}": {
                    "type": "log", "domain": [round(top - tall + 0.045, 4), round(top - 0.055, 4)], "anchor": name["xaxis"],
                    "range": [round(end, 3) for end in ends], "tickmode": "array", "tickvals": list(marks), "ticktext": list(marks.values()),
                },
            }
        )  # fmt: skip
        fig.add_shape(
            type="rect", x0=last, x1=10**right, xref=name["xaxis"], y0=0, y1=1, yref=f"{name['yaxis']} domain", layer="below",
            fillcolor="rgba(138,138,138,0.15)", line={"width": 0},
        )  # fmt: skip
        for of, each in panel.items():
            color, symbol = OF[of]
            if of in far:
                guide = [sizes[0], FAR]
                fig.add_trace(
                    go.Scatter(
                        x=guide, y=[_short(each.values[-1] * size / last) for size in guide], mode="lines", line={"color": GREY, "dash": "dash", "width": 1},
                        name=f"{of} in proportion", showlegend=False, hoverinfo="skip", **name,
                    )
                )  # fmt: skip
                fig.add_trace(
                    go.Scatter(
                        x=[last, FAR], y=[_short(each.values[-1]), _short(far[of][0])], mode="lines+markers", name=f"{of}, computed", showlegend=False,
                        line={"color": color, "dash": "dot", "width": 3}, marker={"symbol": f"{symbol}-open", "size": [0, 11], "line": {"width": 2}}, **name,
                    )
                )  # fmt: skip
            fig.add_trace(
                go.Scatter(
                    x=each.passages, y=[_short(value) for value in each.values], mode="lines+markers", name=of, showlegend=row == 0, legendgroup=of,
                    line={"color": color, "width": 3}, marker={"symbol": symbol, "size": 10}, **name,
                )
            )  # fmt: skip
        told = "; ".join(f"{of} {_between(what, *far[of])}".replace(" ", TOGETHER) for of in far)
        told = in_few_lines(f"{what}. A billion, computed: {told}").replace(what, f"<b>{what}</b>")
        note_below(fig, 1, told, yref=f"{name['yaxis']} domain", yanchor="bottom", yshift=4)
        middle: dict[str, Any] = {"x": (math.log10(last) + right) / 2, "xref": name["xaxis"], "xanchor": "center"}
        note_below(fig, 0, "computed", **middle, yref=f"{name['yaxis']} domain", yanchor="bottom")
    fig.update_layout({f"xaxis{len(panels)}": {"title": {"text": "passages", "standoff": 5}}})
    return fig


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _between(what: str, low: float, high: float) -> str:
    """Two amounts in words, in the unit of the smaller one."""
    if what == "bytes on disk":
        units: list[tuple[float, str]] = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1, "bytes")]
    elif what == "time of one query":
        units = [(1_000, "s"), (1, "ms")]
    else:
        units = [(86_400, "days"), (3_600, "h"), (60, "min"), (1, "s")]
    low, high = sorted((low, high))
    size, unit = next(((size, unit) for size, unit in units if low >= size), units[-1])
    return " to ".join(dict.fromkeys(f"{float(f'{value / size:.2g}'):,g}" for value in (low, high))) + f" {unit}"
