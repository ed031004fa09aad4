"""The figures of chapter 20: what grows with a corpus and meets which wall, where a row stands, and what is held in memory.

Each takes numbers and returns a plotly Figure. `workbook.figures.search_costs.read_scale` reads the record that two of them draw.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from workbook.figures.parts import ABOVE, HIDDEN, in_few_lines, note_below, rounded, small_letters, title_at_top
from workbook.figures.theme import (
    BLUE,
    COLORS,
    DASHES,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SYMBOLS,
    VERMILLION,
    bar_style,
    figure,
    stacked,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHORTEST, LONGEST = 10**3, 10**9  # passages, the ends of the ruler
UNITS = {
    "bytes": ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "bytes")),
    "hours": ((24 * 365, "years"), (24, "days"), (1, "h"), (1 / 60, "min"), (1 / 3600, "s")),
    "seconds": ((3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")),
}
MARKS = {"bytes": (10**6, 10**7, 10**8, 10**9, 10**10, 10**11), "seconds": (1, 10, 60, 600, 3600)}  # of an axis
LOOKS = ((BLUE, ""), (GREEN, "/"), (ORANGE, "."))  # of bars: colour, hatching
MOST_CELLS = 8


class Machine(NamedTuple):
    """What a machine has and does, by measurement or by its price list.

    Attributes:
        memory, disk: bytes.
        night: hours for which it may encode.
        passages_per_second: that it encodes.
        bytes_per_second: of vectors that an exact search reads, one query at a time.
    """

    memory: float
    disk: float
    night: float
    passages_per_second: float
    bytes_per_second: float


def walls(machine: Machine, row_bytes: float) -> dict[str, int]:
    """The most passages before each wall, the nearest first: memory and disk for vectors of so many bytes, and the night."""
    most = {
        "memory": machine.memory / row_bytes,
        "disk": machine.disk / row_bytes,
        "night": machine.night * 3600 * machine.passages_per_second,
    }
    return {name: int(most[name]) for name in sorted(most, key=lambda name: most[name])}


def ruler(passages: int, machine: Machine, stored: Mapping[str, float]) -> "Figure":
    """The signature: bytes, hours and seconds of a corpus of some size, and the walls of a machine.

    Args:
        passages: N.
        machine: whose walls and rates.
        stored: how a vector is kept -> its bytes; an exact search reads vectors of the first.
    """
    import plotly.graph_objects as go

    row_bytes = next(iter(stored.values()))
    amounts: dict[str, dict[str, float]] = {
        "bytes": {name: passages * size for name, size in stored.items()},
        "hours": {"encoding": passages / machine.passages_per_second / 3600},
        "seconds": {"exact search": passages * row_bytes / machine.bytes_per_second},
    }
    lines: dict[str, dict[str, float]] = {
        "bytes": {"memory": machine.memory, "disk": machine.disk},
        "hours": {"night": machine.night},
        "seconds": {},
    }
    height, (scale, _, *panels) = stacked(40, 60, 40 + 45 * len(stored), 50, 75, 50, 75)
    panels = panels[::2]
    told = in_few_lines(_told(passages, amounts, machine, row_bytes))
    below = (small_letters()["size"] + 5) * (1 + told.count("<br>"))
    fig = figure(
        alt=f"A logarithmic ruler of passages from {SHORTEST:,} to {LONGEST:,} with a mark. Below, bars on logarithmic axes: the bytes of all vectors as {', '.join(stored)}, with upright lines at "
        f"{amount('bytes', machine.memory)} of memory and {amount('bytes', machine.disk)} of disk; the hours of encoding, with a line at {machine.night:g} hours; and the seconds of one exact search.",
        notice="Move the mark to the right until the first bar crosses a line: which one is it? Each step of an axis is ten times, so a bar that is a little longer may cost ten times as much. "
        "A straight ruler hides cliffs: where vectors leave memory, a search reads from the disk, and its bar would jump.",
        title=title_at_top("what grows with the passages"),
        height=height + 120 + below,
        margin={"l": 20, "r": 20, "t": 60, "b": 50 + below},
        showlegend=False,
        xaxis={
            "type": "log", "range": [2.8, 9.2], "tickmode": "array", "tickvals": [10**p for p in range(3, 10)],
            "ticktext": [f"10<sup>{p}</sup>" for p in range(3, 10)], "anchor": "y",
        },
        yaxis={"range": [-1, 1], "domain": scale, **HIDDEN},
    )  # fmt: skip
    fig.add_trace(
        go.Scatter(x=[passages], y=[0], mode="markers", name="passages", marker={"symbol": "triangle-down", "size": 18, "color": INK}, hoverinfo="skip")
    )  # fmt: skip
    note_below(
        fig,
        1,
        f"{passages:,} passages",
        math.log10(passages),
        xref="x",
        yref="y",
        xanchor=_side(passages),
        yanchor="bottom",
    )
    for row, (kind, bars) in enumerate(amounts.items(), start=2):
        ends = [_extent(kind, machine, stored, passages) for passages in (SHORTEST, LONGEST)]
        low, high = ends[0][0] / 2, ends[1][1] * 3
        ticks = [size for size, _ in UNITS[kind] if low < size < high]
        fig.update_layout({
            f"xaxis{row}": {
                "type": "log", "range": [round(math.log10(low), 3), round(math.log10(high), 3)], "anchor": f"y{row}", "tickmode": "array",
                "tickvals": ticks, "ticktext": [amount(kind, tick) for tick in ticks], "tickangle": 0, "tickfont": small_letters(12),
            },
            f"yaxis{row}": {"domain": panels[row - 2], "anchor": f"x{row}", "range": [len(bars) - 0.3, -0.7], **HIDDEN},
        })  # fmt: skip
        place = {"xref": f"x{row}", "yref": f"y{row}"}
        for i, (name, value) in enumerate(bars.items()):
            color, hatch = LOOKS[i] if kind == "bytes" else (BLUE, "")
            fig.add_trace(
                go.Bar(
                    x=[float(f"{value:.4g}")], y=[i], orientation="h", name=name, width=0.45, marker=bar_style(color, hatch), xaxis=f"x{row}",
                    yaxis=f"y{row}", hovertemplate=f"{name}: {amount(kind, value)}",
                )
            )  # fmt: skip
            note_below(
                fig, i - 0.25, f"{name}: {amount(kind, value)}", 0.01, xref="paper", yref=f"y{row}", yanchor="bottom"
            )
        for name, value in lines[kind].items():
            fig.add_shape(
                type="line",
                x0=value,
                x1=value,
                y0=-0.7,
                y1=len(bars) - 0.3,
                line={"color": INK, "width": 2, "dash": "dot"},
                **place,
            )
            note_below(fig, -0.7, name, math.log10(value), yanchor="bottom", xanchor="center", **place)
    note_below(fig, 0, told, yshift=-38)
    return fig


def _side(passages: int) -> str:
    """On which side of the mark its number has room."""
    return "left" if passages < 10**5 else "right" if passages > 10**7 else "center"


def _extent(kind: str, machine: Machine, stored: Mapping[str, float], passages: int) -> tuple[float, float]:
    """The least and the most of a kind at so many passages."""
    sizes = list(stored.values())
    if kind == "bytes":
        return passages * min(sizes), passages * max(sizes)
    rate = machine.passages_per_second * 3600 if kind == "hours" else machine.bytes_per_second / sizes[0]
    return passages / rate, passages / rate


def amount(kind: str, value: float) -> str:
    """An amount in the largest unit of which it is one at least, in three digits: "13.5 GB"."""
    size, unit = next(((size, unit) for size, unit in UNITS[kind] if value >= size * 0.9995), UNITS[kind][-1])
    told = f"{float(f'{value / size:.3g}'):,g}"
    return f"{told} {unit.removesuffix('s') if told == '1' and unit in ('bytes', 'days', 'years') else unit}"


def _told(passages: int, amounts: Mapping[str, Mapping[str, float]], machine: Machine, row_bytes: float) -> str:
    bytes_of = ", ".join(f"{amount('bytes', value)} as {name}" for name, value in amounts["bytes"].items())
    hours, seconds = amounts["hours"]["encoding"], amounts["seconds"]["exact search"]
    first = next(iter(amounts["bytes"]))
    passed = [f"the {name}, at {most:,}" for name, most in walls(machine, row_bytes).items() if most < passages]
    return (
        f"{passages:,} passages: {bytes_of}; {amount('hours', hours)} to encode; {amount('seconds', seconds)} for one exact search. "
        f"Walls behind you, with {first}: {', then '.join(passed) or 'none'}."
    )


def rows_in_a_file(row: int, rows: int, shard_rows: int, row_bytes: int, header: int = 0) -> "Figure":
    """The central object: the shards of a corpus, and in one of them the bytes at which a row begins and ends.

    Args:
        row: which one, from 0.
        rows: of the whole corpus.
        shard_rows, row_bytes, header: as in the formula; at most eight shards of at most eight rows can be drawn.
    """
    shards = -(-rows // shard_rows)
    if not 0 <= row < rows or shards > MOST_CELLS or shard_rows > MOST_CELLS:
        raise ValueError(f"expected a row below {rows}, and at most {MOST_CELLS} shards of at most {MOST_CELLS} rows")
    shard, place = divmod(row, shard_rows)
    here = min(shard_rows, rows - shard * shard_rows)
    first = header + place * row_bytes
    height, (above, _, below) = stacked(70, 70, 90)
    fig = figure(
        alt=f"Above, {shards} boxes in a row, one for each shard. Below, one shard as a file: a box for its header, then one for each of its rows, with the numbers of the bytes at which they begin.",
        notice="Only two numbers are needed to find the row: how many shards lie before it, and how many rows before it in its shard. No row is read to find another, so it takes as long for the last as for the first.",
        title=title_at_top("where a row stands"),
        height=height + 140,
        margin={"l": 20, "r": 20, "t": 50, "b": 60},
        xaxis={"range": [-0.1, max(shards, 4) + 0.1], **HIDDEN},
        yaxis={"range": [0, 1], "domain": above, **HIDDEN},
        xaxis2={"range": [-0.1, shard_rows + 1.1], "anchor": "y2", **HIDDEN},
        yaxis2={"range": [0, 1], "domain": below, **HIDDEN},
    )
    for number in range(shards):
        last = min(rows, (number + 1) * shard_rows) - 1
        _cell(fig, number, 1, f"shard {number}", "x", "y", BLUE if number == shard else GREY)
        note_below(
            fig,
            0,
            f"{number * shard_rows} to {last}",
            number + 0.5,
            xref="x",
            yref="y",
            xanchor="center",
            font=small_letters(12),
        )
    if header:
        _cell(fig, 0, 1, "header", "x2", "y2", GREY, opacity=0.15)
    for i in range(here):
        _cell(fig, i + 1, 1, f"row {shard * shard_rows + i}", "x2", "y2", BLUE if i == place else GREY)
        note_below(
            fig, 0, f"{header + i * row_bytes}", i + 1, xref="x2", yref="y2", xanchor="center", font=small_letters(12)
        )
    told = f"Row {row}: shard {row} // {shard_rows} = {shard}, bytes {header} + {place} · {row_bytes} = {first} to {first + row_bytes - 1}."
    note_below(fig, 0, in_few_lines(told), yshift=-28)
    return fig


def _cell(
    fig: "Figure", left: float, width: float, text: str, x: str, y: str, color: str, opacity: float = 0.45
) -> None:
    fig.add_shape(
        type="rect", x0=left + 0.02, x1=left + width - 0.02, y0=0, y1=1, xref=x, yref=y, fillcolor=color, opacity=opacity, line={"color": INK, "width": 1}
    )  # fmt: skip
    note_below(
        fig,
        0.5,
        text.replace(" ", "<br>"),
        left + width / 2,
        xref=x,
        yref=y,
        xanchor="center",
        yanchor="middle",
        align="center",
        font=small_letters(12),
    )


def memory_over_rows(held: Mapping[str, Sequence[float]], rows: Sequence[int], title: str = "") -> "Figure":
    """The broken case: megabytes that are held while rows come in, a line for each way.

    Args:
        held: way -> bytes at each of `rows`, or fewer where it ends earlier, and one more where something comes after the last row.
        rows: how many have been read.
        title: what was read.
    """
    import plotly.graph_objects as go

    places = [*rows, rows[-1] + (rows[-1] - rows[-2] if len(rows) > 1 else 1)]
    most = {name: max(values) for name, values in held.items()}
    fig = figure(
        alt=f"Lines over the rows that have been read, up to {rows[-1]:,}: the megabytes held, from 0, for {', '.join(held)}. One place more stands for what is done after the last row.",
        notice="Look at the slope first, then at the last step. A line that rises reaches the end of any memory, the question is only when. What does the last step do to a machine that had just room enough?",
        title=title_at_top(title or "what is held while rows come in"),
        height=430,
        margin={"l": 65, "r": 20, "t": 85, "b": 100},
        legend=ABOVE,
        xaxis={"title": {"text": "rows read", "standoff": 5}, "tickmode": "array", "tickvals": [rows[0], rows[len(rows) // 2], places[-1]], "ticktext": [f"{rows[0]:,}", f"{rows[len(rows) // 2]:,}", "after"]},
        yaxis={"title": "megabytes held", "range": [0, round(1.12 * max(most.values()) / 1e6, 3)]},
    )  # fmt: skip
    looks = ((VERMILLION, "dash", "triangle-up"), (BLUE, "solid", "circle"), (GREEN, "dot", "square"))
    for (color, dash, symbol), (name, values) in zip(looks, held.items(), strict=False):
        fig.add_trace(
            go.Scatter(
                x=places[: len(values)], y=rounded([value / 1e6 for value in values]), mode="lines+markers", name=name,
                line={"color": color, "dash": dash, "width": 3}, marker={"symbol": symbol, "size": 8}, hovertemplate="%{x:,} rows: %{y:.1f} MB",
            )
        )  # fmt: skip
    told = "; ".join(f"{name}: at most {amount('bytes', value)}" for name, value in most.items())
    note_below(fig, 0, in_few_lines(f"{told}."), yshift=-52)
    return fig


def stages_by_size(record: Mapping[str, Any], stages: Sequence[str], row_bytes: int) -> "Figure":
    """CPU seconds and own memory of some stages at each measured size, beside all vectors held at once.

    Args:
        record: as from `read_scale`.
        stages: which ones, at most seven.
        row_bytes: of a vector, for the line to compare with.
    """
    import plotly.graph_objects as go

    sizes = sorted(map(int, record["sizes"]))
    kinds = {
        "cpu_seconds": ("seconds", "CPU time"),
        "peak_anonymous_bytes": ("bytes", "memory of its own, at most"),
    }
    height, (upper, _, lower) = stacked(260, 80, 260)
    ticks = {
        "tickmode": "array",
        "tickvals": sizes,
        "ticktext": [f"{size / 10**6:g} M" if size >= 10**6 else f"{size:,}" for size in sizes],
    }
    across = {
        "type": "log",
        "range": [round(math.log10(sizes[0]) - 0.15, 3), round(math.log10(sizes[-1]) + 0.15, 3)],
        **ticks,
    }
    fig = figure(
        alt=f"Two plots over the number of passages, {', '.join(f'{size:,}' for size in sizes)}, on logarithmic axes, a line for each of the stages {', '.join(stages)}: its CPU time, and the most memory of its own. "
        f"In the lower plot a thin dotted line goes up with {row_bytes:,} bytes for each passage, all vectors at once.",
        notice="Compare each line of the lower plot with the dotted one: which rise with it, and up to where? Every mark is one run of one machine, so small steps mean nothing. Pages of mapped files are not "
        "counted as memory of its own, for the system can take them back.",
        title=title_at_top("each stage, as measured"),
        height=height + 215,
        margin={"l": 75, "r": 20, "t": 135, "b": 60},
        legend={**ABOVE, "y": 1.05},  # above the name of the upper plot
        xaxis={**across, "anchor": "y"},
        xaxis2={**across, "anchor": "y2", "title": {"text": "passages", "standoff": 5}},
    )  # fmt: skip
    for row, (field, (kind, what)) in enumerate(kinds.items(), start=1):
        suffix, domain = ("", upper) if row == 1 else (str(row), lower)
        values = {name: [float(record["sizes"][str(size)]["stages"][name][field]) for size in sizes] for name in stages}
        every = [value for each in values.values() for value in each]
        if kind == "bytes":
            every += [sizes[0] * row_bytes, sizes[-1] * row_bytes]
        low, high = min(every) / 1.5, max(every) * 1.5
        marks = [mark for mark in MARKS[kind] if low < mark < high]
        fig.update_layout({
            f"yaxis{suffix}": {
                "type": "log", "domain": domain, "anchor": f"x{suffix}", "range": [round(math.log10(low), 3), round(math.log10(high), 3)],
                "tickmode": "array", "tickvals": marks, "ticktext": [amount(kind, mark) for mark in marks],
            },
        })  # fmt: skip
        for i, (name, each) in enumerate(values.items()):
            fig.add_trace(
                go.Scatter(
                    x=sizes, y=[float(f"{value:.4g}") for value in each], mode="lines+markers", name=name, legendgroup=name, showlegend=row == 1,
                    line={"color": COLORS[i], "dash": DASHES[i], "width": 3}, marker={"symbol": SYMBOLS[i], "size": 9}, xaxis=f"x{suffix}", yaxis=f"y{suffix}",
                    hovertemplate=f"{name}, %{{x:,}}: %{{y:.3g}}",
                )
            )  # fmt: skip
        note_below(fig, 1, f"<b>{what}</b>", 0, xref="paper", yref=f"y{suffix} domain", yanchor="bottom", yshift=4)
        if kind == "bytes":
            ends = [sizes[0], sizes[-1]]
            fig.add_trace(
                go.Scatter(
                    x=ends, y=[float(size * row_bytes) for size in ends], mode="lines", name="all vectors at once", showlegend=False, hoverinfo="skip",
                    line={"color": INK, "dash": "dot", "width": 1.5}, xaxis=f"x{suffix}", yaxis=f"y{suffix}",
                )
            )  # fmt: skip
            note_below(
                fig,
                math.log10(sizes[1] * row_bytes),
                "all vectors<br>at once",
                math.log10(sizes[1]),
                xref=f"x{suffix}",
                yref=f"y{suffix}",
                xanchor="left",
                yanchor="top",
            )
    return fig
