"""The figures of chapter 07: a training that is looked at while it runs, a checkpoint with its drawers, a sweep, and two maps.

Each takes numbers and returns a plotly Figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.theme import COLORS, GREY, INK, SYMBOLS, figure, numbers_in_cells, ticks_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Seen:
    """What one look at a training showed.

    Attributes:
        step: how many steps had been taken.
        rate: the learning rate, as a share of its peak.
        loss: on held-out pairs, in nats.
        quality, low, high: the mean of a metric over dev queries, and its interval.
        rank: of one query's own passage.
    """

    step: int
    rate: float
    loss: float
    quality: float
    low: float
    high: float
    rank: int


def where_to_stop(
    looks: Sequence[Seen], step: int, flags: bool = False, metric: str = "nDCG@10", query: str = ""
) -> "Figure":
    """Four tracks over the steps of one training, with a cursor that goes through them all.

    Args:
        looks: in order of the step.
        step: where the cursor stands; one of the looks' steps.
        flags: whether the lowest loss and the highest metric are marked.
        metric: what quality is.
        query: whose own passage is followed.
    """
    import plotly.graph_objects as go

    now = next(look for look in looks if look.step == step)
    steps = [look.step for look in looks]
    most = max(look.rank for look in looks)
    marked = " A flag stands at the lowest loss and one at the highest value of the metric." if flags else ""
    title = f"step {step}: {metric} {now.quality:.3f}"
    if flags:
        title = _verdict(looks)
    fig = figure(
        alt=f"Four tracks over the steps {steps[0]} to {steps[-1]} of a training, with a vertical line at step {step} through them all. "
        "From top to bottom: the learning rate as a share of its peak, from 0 to 1; the loss on held-out pairs in nats; "
        f"{metric} on dev queries with its 95 % band; and the rank of one query's own passage, 1 on top, on a logarithmic axis.{marked}",
        notice="Read the loss and the metric at the same step. Then look at the width of the band: a highest point that stands out less "
        "than the band is wide is partly luck.",
        title=title,
        height=660,
        showlegend=False,
        margin={"l": 75, "r": 20, "t": 50, "b": 60},
    )
    fig.add_trace(
        go.Scatter(
            x=steps + steps[::-1],
            y=[round(look.high, 4) for look in looks] + [round(look.low, 4) for look in looks][::-1],
            fill="toself", fillcolor="rgba(0,114,178,0.15)", line={"width": 0}, hoverinfo="skip", yaxis="y3",
        )
    )  # fmt: skip
    tracks = (
        ("learning rate", [look.rate for look in looks], "y", COLORS[1], "square"),
        ("loss", [look.loss for look in looks], "y2", COLORS[3], "triangle-up"),
        (metric, [look.quality for look in looks], "y3", COLORS[0], "circle"),
        ("rank", [look.rank for look in looks], "y4", INK, "diamond"),
    )
    for name, y, axis, color, symbol in tracks:
        fig.add_trace(
            go.Scatter(
                x=steps, y=[round(float(v), 4) for v in y], name=name, yaxis=axis, mode="lines+markers",
                line={"color": color}, marker={"symbol": symbol, "size": 7},
            )
        )  # fmt: skip
    losses = [look.loss for look in looks]
    room = 0.1 * (max(losses) - min(losses)) or 0.1
    fig.update_layout(
        xaxis={"title": "step", "range": [0, steps[-1] * 1.04], "anchor": "y4"},
        yaxis={"domain": [0.83, 1], "title": "rate", "range": [0, 1.1]},
        yaxis2={"domain": [0.57, 0.77], "title": "loss", "range": [round(min(losses) - room, 3), round(max(losses) + room, 3)]},
        yaxis3={
            "domain": [0.29, 0.51], "title": metric,
            "range": [round(min(look.low for look in looks) - 0.01, 3), round(max(look.high for look in looks) + 0.02, 3)],
        },
        yaxis4={
            "domain": [0, 0.23], "title": "rank", "type": "log", "range": [round(math.log10(most) + 0.15, 3), -0.15],
            **ticks_at(sorted({1, most, *(look.rank for look in looks if look.rank in (10, 100, 1000))})),
        },
    )  # fmt: skip
    fig.update_xaxes(gridcolor="#E5E5E5", linecolor="#444444")
    fig.add_shape(
        type="line", x0=step, x1=step, y0=0, y1=1, yref="paper", line={"color": GREY, "width": 2, "dash": "dot"}
    )
    fig.add_annotation(
        x=0, y=1, xref="paper", yref="y4 domain", xanchor="left", yanchor="bottom", showarrow=False, font={"size": 12},
        text=f"rank {now.rank}" + (f" of “{_short(query)}”" if query else ""),
    )  # fmt: skip
    if flags:
        for look, name, axis, value in (
            (_lowest(looks), "lowest loss", "y2", _lowest(looks).loss),
            (_highest(looks), f"highest {metric}", "y3", _highest(looks).quality),
        ):
            fig.add_annotation(
                x=look.step, y=value, yref=axis, text=f"⚑ {name}: step {look.step}", showarrow=True, arrowhead=0, arrowcolor=GREY, ax=0, ay=-26,
                font={"size": 12}, xanchor="left" if 2 * look.step < steps[-1] else "right",
            )  # fmt: skip
    return fig


def _short(query: str) -> str:
    return query if len(query) <= 40 else f"{query[:39]}…"


def _lowest(looks: Sequence[Seen]) -> Seen:
    return min(looks, key=lambda look: look.loss)


def _highest(looks: Sequence[Seen]) -> Seen:
    return max(looks, key=lambda look: look.quality)


def _verdict(looks: Sequence[Seen]) -> str:
    by_loss, best = _lowest(looks), _highest(looks)
    if by_loss.step == best.step:
        return f"both flags at step {best.step}: {best.quality:.3f}"
    tied = ", tied" if best.low <= by_loss.quality else ""
    return f"by loss {by_loss.quality:.3f}, by metric {best.quality:.3f}{tied}"


def chest(drawers: Mapping[str, str], empty: str = "nothing") -> "Figure":
    """A checkpoint as a chest of drawers: what lies in each, and one that is empty.

    Args:
        drawers: name -> what lies in it, from top to bottom.
        empty: the name of the drawer that was not saved; any other word for none.
    """
    fig = figure(
        alt=f"A chest of {len(drawers)} drawers, from top to bottom: {', '.join(drawers)}. In each stands what it holds; a drawer that was "
        "not saved has a dashed frame and is empty.",
        notice="Each drawer answers a question of the next step: where am I, where was I going, how far do I step, what do I read, and what "
        "is drawn at random?",
        title="a whole checkpoint" if empty not in drawers else f"lost: {empty}",
        height=90 + 62 * len(drawers),
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
    )
    fig.update_xaxes(visible=False, range=[0, 10])
    fig.update_yaxes(visible=False, range=[len(drawers), 0])
    for i, (name, held) in enumerate(drawers.items()):
        lost = name == empty
        fig.add_shape(
            type="rect", x0=0.1, x1=9.9, y0=i + 0.08, y1=i + 0.92, fillcolor="rgba(0,114,178,0)" if lost else "rgba(0,114,178,0.12)",
            line={"color": COLORS[3] if lost else COLORS[0], "width": 3, "dash": "dash" if lost else "solid"},
        )  # fmt: skip
        fig.add_annotation(x=0.4, y=i + 0.32, xanchor="left", showarrow=False, text=f"<b>{i + 1} · {name}</b>")
        fig.add_annotation(x=0.4, y=i + 0.7, xanchor="left", showarrow=False, text="empty" if lost else held)
    return fig


def rates_after_a_stop(rates: Mapping[str, Sequence[float]], stop: int) -> "Figure":
    """Lines: the learning rate of each step, of a run that never stopped and of runs that were resumed.

    Args:
        rates: name -> the rate of each step, as a share of the peak; the first is drawn as a halo under the others.
        stop: after how many steps the others were stopped.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Lines of the learning rate, from 0 to 1 as a share of its peak, over the steps of a training: {', '.join(rates)}. A dotted "
        f"vertical line stands where the run was stopped, after step {stop}. The first is a wide pale band under the others.",
        notice="A resumed run should stay on the pale band. Where a line leaves it, read both rates at the same step and divide.",
        xaxis_title="step",
        yaxis_title="learning rate, share of its peak",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    for i, (name, y) in enumerate(rates.items()):
        style = (
            {"color": "rgba(0,158,115,0.35)", "width": 12}
            if i == 0
            else {
                "color": (COLORS[0], COLORS[3], INK)[(i - 1) % 3],
                "width": 3,
                "dash": ("solid", "dash", "dot")[(i - 1) % 3],
            }
        )
        fig.add_trace(
            go.Scatter(x=list(range(len(y))), y=[round(float(v), 4) for v in y], name=name, mode="lines", line=style)
        )
    fig.add_vline(x=stop, line={"color": GREY, "dash": "dot", "width": 2})
    fig.update_yaxes(range=[0, 1.08])
    return fig


def sweep(values: Mapping[tuple[float, int], float], metric: str) -> "Figure":
    """A grid: quality by learning rate and batch size, each cell with its number, the best one framed.

    Args:
        values: (learning rate, pairs in a batch) -> quality; 6 by 6 at most.
        metric: what quality is.
    """

    lrs, sizes = sorted({lr for lr, _ in values}), sorted({B for _, B in values})
    z = [[round(float(values[lr, B]), 3) if (lr, B) in values else None for B in sizes] for lr in lrs]
    names = [f"{lr:g}" for lr in lrs], [f"{B:,}" for B in sizes]
    fig = figure(
        alt=f"A grid of {metric}: {len(lrs)} learning rates, from {lrs[0]:g} to {lrs[-1]:g} upwards, by {len(sizes)} batch sizes, from "
        f"{sizes[0]} to {sizes[-1]:,} to the right. Each cell shows its number; the highest is framed.",
        notice="Is the best cell at the edge of the grid? Then the grid was too small. And is it better than its neighbours by more than "
        "the interval of one cell?",
        title=f"{metric} on dev queries",
        xaxis_title="pairs in a batch",
        yaxis_title="learning rate",
        height=130 + 70 * len(lrs),
    )
    numbers_in_cells(fig, names[1], names[0], z)
    row, column = max(
        ((r, c) for r in range(len(lrs)) for c in range(len(sizes)) if z[r][c] is not None),
        key=lambda at: z[at[0]][at[1]] or 0.0,
    )
    fig.add_shape(
        type="rect", x0=column - 0.49, x1=column + 0.49, y0=row - 0.49, y1=row + 0.49, line={"color": COLORS[3], "width": 4},
    )  # fmt: skip
    return fig


def loss_and_quality(models: Mapping[str, Mapping[str, tuple[float, float]]], metric: str) -> "Figure":
    """Points: loss on held-out pairs against quality, one for each model; a series for each thing that was varied.

    Args:
        models: what was varied -> name of a model -> (loss, quality).
        metric: what quality is.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Points, one for each model: its loss on held-out pairs in nats, lower to the right, against {metric}. The colour and the symbol "
        f"say what was varied: {', '.join(models)}.",
        notice="Better lies to the right and upwards. If a lower loss meant a better retriever, each series would only rise from left "
        "to right. Look where it is flat, and where it turns down.",
        xaxis_title="loss on held-out pairs, nats (lower is right)",
        yaxis_title=metric,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    for i, (name, points) in enumerate(models.items()):
        fig.add_trace(
            go.Scatter(
                x=[round(float(loss), 3) for loss, _ in points.values()],
                y=[round(float(quality), 4) for _, quality in points.values()],
                name=name, text=list(points), mode="markers+text", textposition=("top center", "bottom center")[i % 2],
                marker={"color": COLORS[i % len(COLORS)], "symbol": SYMBOLS[i % len(SYMBOLS)], "size": 10},
            )
        )  # fmt: skip
    fig.update_xaxes(autorange="reversed")
    return fig


def two_maps(layouts: Mapping[str, np.ndarray], groups: Sequence[str], number: str, when: str = "") -> "Figure":
    """The same points on two maps side by side, under a number that no map has changed.

    Args:
        layouts: setting -> (N, 2); two of them.
        groups: N names, such as the package of each text.
        number: what was measured without a map.
        when: before or after training.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Two maps of the same {len(groups)} texts as points in two dimensions without units, laid out with two settings: "
        f"{', '.join(layouts)}. Colour and symbol say where a text comes from: {', '.join(dict.fromkeys(groups))}. Above them stands a "
        "number that was measured without a map.",
        notice="What you see on one map only is the map's doing: islands, gaps, their sizes. What both show may be in the vectors. "
        "Whether training helped, the number says.",
        title=f"{when}: {number}" if when else number,
        height=460,
        margin={"l": 15, "r": 15, "t": 80, "b": 60},
        legend={"orientation": "h", "y": -0.02, "yanchor": "top"},
    )
    names = list(dict.fromkeys(groups))
    for side, (setting, points) in enumerate(layouts.items()):
        suffix = "" if side == 0 else str(side + 1)
        left = side / len(layouts)
        fig.update_layout(
            {
                f"xaxis{suffix}": {
                    "domain": [left, left + 0.96 / len(layouts)], "anchor": f"y{suffix}", "showticklabels": False, "zeroline": False,
                },
                f"yaxis{suffix}": {"anchor": f"x{suffix}", "showticklabels": False, "zeroline": False},
            }
        )  # fmt: skip
        fig.add_annotation(
            text=setting, x=left, y=1.0, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False
        )
        for i, group in enumerate(names):
            rows = [row for row, name in enumerate(groups) if name == group]
            fig.add_trace(
                go.Scatter(
                    x=points[rows, 0].round(2).tolist(), y=points[rows, 1].round(2).tolist(), mode="markers", name=group,
                    showlegend=side == 0, legendgroup=group, xaxis=f"x{suffix}", yaxis=f"y{suffix}",
                    marker={"color": COLORS[i % len(COLORS)], "symbol": SYMBOLS[i % len(SYMBOLS)], "size": 6, "opacity": 0.8},
                )
            )  # fmt: skip
    return fig
