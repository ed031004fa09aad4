"""The figures of chapter 03: metrics on one ranking, recall by depth, and how many queries it takes.

Each takes arrays and returns a plotly Figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure, ticks_at
from workbook.metrics import evaluate

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ON_ONE_QUERY = {"Recall@10": "recall@10", "MRR@10": "mrr@10", "nDCG@10": "ndcg@10", "average precision": "map"}


def metrics_by_rank(rank: int, others: Sequence[int] = (), num_relevant: int = 3) -> "Figure":
    """Bars: what four metrics say when a relevant passage moves down the ranking of one query.

    Args:
        rank: where the passage stands, from 1.
        others: ranks of further relevant passages.
        num_relevant: how many relevant passages there are.
    """
    import plotly.graph_objects as go

    relevant = {rank, *others}
    run = {"q": {f"{r:02d}": float(-r) for r in range(1, 21)}}
    qrels = {"q": {f"{r:02d}": 1 for r in relevant} | {f"never {i}": 1 for i in range(num_relevant - len(relevant))}}
    values = evaluate(qrels, run, list(ON_ONE_QUERY.values()))
    fig = figure(
        alt="Four bars from 0 to 1: Recall@10, MRR@10, nDCG@10 and average precision of one query, for several ranks of its "
        "relevant passage.",
        notice="Which bars react to the first ranks, and which only to the tenth? The metrics disagree about what a rank is worth.",
        title=f"one relevant passage at rank {rank}",
        yaxis_title="value",
        xaxis_title="metric",
    )
    fig.add_trace(
        go.Bar(
            x=list(ON_ONE_QUERY),
            y=[round(values[name], 4) for name in ON_ONE_QUERY.values()],
            marker=bar_style(COLORS[: len(values)], ["", "/", "x", "."]),
            showlegend=False,
        )
    )
    fig.update_yaxes(range=[0, 1.02])
    return fig


def recall_by_depth(values: dict[str, dict[int, float]]) -> "Figure":
    """Lines: recall of each system over the number of passages that are looked at.

    Args:
        values: system -> k -> Recall@k.
    """
    import plotly.graph_objects as go

    fig = figure(
        alt=f"Lines of Recall@k, from 0 to 1, over k on a logarithmic axis, one for each of: {', '.join(values)}.",
        notice="Where a line starts says how often the first passage is right; its steepness, what reading on is worth. Who leads "
        "may depend on k.",
        xaxis_title="k, passages looked at",
        yaxis_title="Recall@k",
    )
    fig.update_xaxes(type="log", **ticks_at(sorted({k for by_k in values.values() for k in by_k})))
    for i, (name, by_k) in enumerate(values.items()):
        fig.add_trace(
            go.Scatter(
                x=list(by_k),
                y=[round(v, 4) for v in by_k.values()],
                name=name,
                mode="lines+markers",
                line={"color": COLORS[i], "dash": DASHES[i]},
                marker={"symbol": SYMBOLS[i], "size": 8},
            )
        )
    fig.update_yaxes(range=[0, 1])
    return fig


def means_of_differences(differences: np.ndarray, num_queries: int, draws: int = 400, seed: int = 0) -> "Figure":
    """A histogram: the mean difference of two systems, over many test sets of a size.

    Args:
        differences: one value per query, B minus A.
        num_queries: the size of the test sets.
        draws: how many are drawn.
        seed: of the drawing.
    """
    import plotly.graph_objects as go

    generator = np.random.default_rng(seed)
    means = differences[generator.integers(0, len(differences), size=(draws, num_queries))].mean(axis=1)
    wrong = float((means * differences.mean() <= 0).mean())
    edges = np.linspace(-0.3, 0.3, 61)
    counts, _ = np.histogram(means, edges)
    centre = (edges[:-1] + edges[1:]) / 2
    fig = figure(
        alt=f"Histogram of the mean difference in nDCG@10 of two systems, from -0.3 to 0.3, over {draws} test sets of one size; hatched "
        "are those that name the wrong winner.",
        notice="The middle stays where it is; the width shrinks with the root of the number of queries. What lies on the wrong "
        "side of 0 is a wrong verdict.",
        title=f"{num_queries} queries: {wrong:.0%} of the test sets name the wrong winner",
        xaxis_title="mean difference in nDCG@10",
        yaxis_title="test sets",
    )
    for name, side, color, shape in (
        ("right winner", centre * differences.mean() > 0, COLORS[0], ""),
        ("wrong winner", centre * differences.mean() <= 0, COLORS[3], "/"),
    ):
        fig.add_trace(
            go.Bar(
                x=centre[side].round(4).tolist(),
                y=counts[side].tolist(),
                name=name,
                marker=bar_style(color, shape),
            )
        )
    fig.update_layout(bargap=0)
    return fig
