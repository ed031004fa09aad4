"""The figures of chapter 11: one stage taken out of every family, one lane with what was published, and stages in six orders.

Each takes numbers and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbook.figures.theme import COLORS, DASHES, GREY, INK, SYMBOLS, bar_style, figure
from workbook.recipes import Recipe, TrainingStage

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NOTHING, PROMPT = "nothing", "prompt"
LOOKS = {  # kind of a stage -> its colour and hatching
    "pre-training": (COLORS[5], "."),
    "weak pairs": (GREY, ""),
    "labelled pairs": (COLORS[3], "/"),
    "distillation": (COLORS[0], "x"),
}
CHOICES = (NOTHING, *LOOKS, PROMPT)
LANE = 78  # pixels


def kind_of(stage: TrainingStage) -> str:
    """Which of LOOKS a stage is drawn as."""
    if stage.data == "texts":
        return "pre-training"
    return (
        "distillation" if stage.kind == "distillation" else "weak pairs" if stage.data == "weak" else "labelled pairs"
    )


def taken_out(recipe: Recipe, out: str) -> str | None:
    """The name in a record of what a family loses when one of CHOICES goes; None where it has no such thing."""
    if out == PROMPT:
        return PROMPT if recipe.query_prompt else None
    return next((stage.name for stage in recipe.stages if kind_of(stage) == out), None)


def lanes(recipes: Sequence[Recipe], found: Mapping[str, Any], out: str = NOTHING, title: str = "") -> "Figure":
    """The signature: a lane of stages for each family, one of them taken out, and what each lane reaches.

    Args:
        recipes: the families, the first on top.
        found: family -> its entry in the record of `workbook.claims.recipe_stages`.
        out: one of CHOICES.
        title: what was searched.
    """
    import plotly.graph_objects as go

    names = [recipe.name for recipe in recipes]
    fig = figure(
        alt=f"Lanes, one for each family: {', '.join(names)}. In a lane blocks stand for its stages in their order; the width of a block is "
        "its share of the recipe, its text names it; −2 stands for two hard negatives beside each pair, ¶ for a prompt before queries. An empty "
        "block is the one that the control has taken out; the others have its steps. Right of each lane, on an axis "
        "from 0: a small ring for nDCG@10 with all stages, and a mark with whiskers for what is left. Lanes that have no such stage keep "
        "their mark.",
        notice="Families differ in data and size in life; here only the recipe differs, and what a family took over from others (a backbone, a language model) costs no steps, "
        "for it is given; without it a family begins at fresh weights. Where the whiskers reach the ring, nothing was lost "
        "that this drawing could show.",
        title=title,
        height=170 + LANE * len(names),
        margin={"l": 90, "r": 20, "t": 60, "b": 60},
        showlegend=False,
        barmode="stack",
        bargap=0.35,
    )
    for number in range(max(len(recipe.stages) for recipe in recipes)):  # a trace for each place in the lanes
        widths, texts, colors, shapes, edges = [], [], [], [], []
        for recipe in recipes:
            stage = recipe.stages[number] if number < len(recipe.stages) else None
            gone = stage is not None and stage.name == taken_out(recipe, out)
            color, shape = LOOKS[kind_of(stage)] if stage is not None else (GREY, "")
            widths.append(round(stage.share, 3) if stage is not None else 0)
            texts.append("" if stage is None else _said(stage, recipe, out))
            colors.append("rgba(0,0,0,0)" if gone else color)
            shapes.append("" if gone else shape)
            edges.append(GREY if gone else "white")
        fig.add_trace(
            go.Bar(
                x=widths, y=names, orientation="h", text=texts, textposition="inside", insidetextanchor="middle", hoverinfo="text",
                textfont={"color": "#222222", "size": 12}, textangle=0, constraintext="none", cliponaxis=False,
                marker={**bar_style(colors, shapes), "opacity": 0.55, "line": {"color": edges, "width": 2}},
            )
        )  # fmt: skip
    whole = [float(np.mean(found[name]["ndcg@10"]["all stages"])) for name in names]
    fig.add_trace(
        go.Scatter(
            x=[round(x, 4) for x in whole], y=names, mode="markers", xaxis="x2",
            marker={"symbol": "circle-open", "size": 14, "color": INK},
        )
    )  # fmt: skip
    left, low, high = zip(*(_left(recipe, found[recipe.name], out) for recipe in recipes), strict=True)
    fig.add_trace(
        go.Scatter(
            x=list(left), y=names, mode="markers+text", xaxis="x2", text=[f"{x:.3f}" for x in left],
            textposition="top center", marker={"symbol": SYMBOLS[2], "size": 9, "color": COLORS[0]}, cliponaxis=False,
            error_x={"type": "data", "symmetric": False, "array": list(high), "arrayminus": list(low), "color": "#444444"},
        )
    )  # fmt: skip
    fig.update_layout(
        xaxis={"domain": [0, 0.6], "range": [0, 1], "title": "share of the recipe", "tickformat": ".0%"},
        xaxis2={"domain": [0.65, 1], "range": [0, 1], "title": "nDCG@10", "anchor": "y", "gridcolor": "#E5E5E5"},
        yaxis={"autorange": "reversed", "type": "category"},
    )
    return fig


def _said(stage: TrainingStage, recipe: Recipe, out: str) -> str:
    negatives = f"−{stage.num_negatives}" if stage.num_negatives else ""
    prompt = "¶" if recipe.query_prompt and stage.data != "texts" and stage.prompted and out != PROMPT else ""
    lines = stage.name.replace("-", "- ").split()
    return "<br>".join([*lines, " ".join(filter(None, (negatives, prompt)))]).removesuffix("<br>")


def _left(recipe: Recipe, found: Mapping[str, Any], out: str) -> tuple[float, float, float]:
    """nDCG@10 of a lane, and how far its whiskers reach down and up."""
    whole = float(np.mean(found["ndcg@10"]["all stages"]))
    name = taken_out(recipe, out)
    if name is None:  # the interval over queries of the whole
        value, low, high = found["interval"]
    else:
        value, low, high = (whole + each for each in found["without"][name])
    return round(value, 4), round(value - low, 4), round(high - value, 4)


def lost(recipes: Sequence[Recipe], found: Mapping[str, Any], out: str) -> list[str]:
    """One sentence for each family that has what was taken out: what it lost, or that it is tied."""
    lines = []
    for recipe in recipes:
        name = taken_out(recipe, out)
        if name is not None:
            value, low, high = found[recipe.name]["without"][name]
            tied = " (tied)" if low <= 0 <= high else ""
            lines.append(f"{recipe.name} without {name}: {value:+.3f} [{low:+.3f}, {high:+.3f}]{tied}")
    return lines


class Block(NamedTuple):
    """A stage of one lane with what was published: its name, what was done in it, and the score after each of these."""

    name: str
    kind: str  # one of LOOKS
    scores: Mapping[str, float]


def one_lane(blocks: Sequence[Block], measure: str) -> "Figure":
    """The central object: the stages of one family in their order, and the published score after each way to do them.

    Args:
        blocks: in the order of training. One without scores was not measured by itself.
        measure: what the scores are.
    """
    import plotly.graph_objects as go

    steps: list[tuple[Block, str, float | None]] = []
    for block in blocks:
        steps += [(block, done, score) for done, score in block.scores.items()] or [(block, "", None)]
    labels = [done or block.name for block, done, _ in steps]
    known = [score for _, _, score in steps if score is not None]
    fig = figure(
        alt=f"A lane of {len(blocks)} stages from left to right: {', '.join(block.name for block in blocks)}. Above it, bars of {measure} from "
        f"0, one for each published way to do a stage: {', '.join(label for label in labels if label)}; a stage that was not "
        "measured by itself has none.",
        notice="Bars of one colour are the same stage, done in several ways. Compare how far the bars of one stage differ with how far the "
        "next stage goes beyond the last of them.",
        title=measure,
        height=440,
        margin={"l": 60, "r": 20, "t": 50, "b": 120},
        showlegend=False,
        xaxis={
            "range": [-0.6, len(steps) - 0.4],
            "tickmode": "array",
            "tickvals": list(range(len(steps))),
            "ticktext": labels,
        },
        yaxis={"range": [0, round(1.15 * max(known), 1)]},
    )
    looks = [LOOKS[block.kind] for block, _, _ in steps]
    fig.add_trace(
        go.Bar(
            x=list(range(len(steps))), y=[score or 0 for _, _, score in steps],
            text=["" if score is None else f"{score:.2f}" for _, _, score in steps], textposition="outside",
            marker=bar_style([color for color, _ in looks], [shape for _, shape in looks]), width=0.6,
        )
    )  # fmt: skip
    start = 0
    for block in blocks:
        end = start + max(1, len(block.scores))
        fig.add_shape(
            type="rect", xref="x", yref="paper", x0=start - 0.45, x1=end - 0.55, y0=-0.36, y1=-0.22, line={"color": GREY},
            fillcolor=LOOKS[block.kind][0], opacity=0.35,
        )  # fmt: skip
        fig.add_annotation(x=(start + end - 1) / 2, y=-0.29, yref="paper", text=block.name, showarrow=False)
        start = end
    return fig


def six_orders(lines: Mapping[str, Sequence[Sequence[float]]], shown: str, title: str = "") -> "Figure":
    """The broken case: quality before training and after each stage, a line for each order of the same stages.

    Args:
        lines: order, such as "a → b → c" -> for each seed nDCG@10 at the start and after each stage.
        shown: the order that is drawn in full; the others are grey.
        title: what was searched.
    """
    import plotly.graph_objects as go

    of_seeds = {order: np.asarray(values, dtype=float) for order, values in lines.items()}
    steps = next(iter(of_seeds.values())).shape[1]
    fig = figure(
        alt=f"Lines from left to right over the start and {steps - 1} stages: nDCG@10 from 0 to 1. One line for each order of the same stages: "
        f"{'; '.join(lines)}. The one that the control names is drawn thick, with whiskers from the lowest seed to the highest; "
        "below its points stand the stages.",
        notice="A line that bends down shows a stage that undoes what the one before it has done. All lines spend the same steps on the same "
        "stages.",
        title=title,
        height=460,
        showlegend=False,
        xaxis={
            "range": [-0.2, steps - 0.8],
            "tickmode": "array",
            "tickvals": list(range(steps)),
            "title": "trained so far",
        },
        yaxis={"range": [0, 1], "title": "nDCG@10"},
    )
    fig.update_xaxes(ticktext=["start", *shown.split(" → ")])
    for i, (order, values) in enumerate(of_seeds.items()):
        chosen = order == shown
        mean = values.mean(axis=0)
        error: dict[str, Any] = {"type": "data", "symmetric": False, "color": "#444444", "visible": chosen}
        error |= {
            "array": (values.max(axis=0) - mean).round(4).tolist(),
            "arrayminus": (mean - values.min(axis=0)).round(4).tolist(),
        }
        fig.add_trace(
            go.Scatter(
                x=list(range(steps)), y=mean.round(4).tolist(), mode="lines+markers", name=order, error_y=error,
                line={"color": COLORS[0] if chosen else GREY, "width": 4 if chosen else 1.5, "dash": "solid" if chosen else DASHES[i % 5 + 1]},
                marker={"size": 10 if chosen else 5, "symbol": SYMBOLS[0]}, opacity=1 if chosen else 0.6,
            )
        )  # fmt: skip
    best = max(of_seeds, key=lambda order: float(of_seeds[order][:, -1].mean()))
    ends = {order: float(values[:, -1].mean()) for order, values in of_seeds.items()}
    fig.add_annotation(
        x=0, y=1.0, xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False,
        text=f"ends at {ends[shown]:.3f}; the best order at {ends[best]:.3f}", align="left",
    )  # fmt: skip
    return fig
