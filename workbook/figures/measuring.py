"""The figures of chapter 03: gains and metrics of one ranking, a keyword score in parts, recall by depth, how many queries it takes.

Each takes arrays and returns a plotly Figure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures.theme import COLORS, DASHES, GREY, INK, SEQUENCE, SYMBOLS, bar_style, figure, ticks_at
from workbook.metrics import evaluate

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from workbook.bm25 import BM25

ON_ONE_QUERY = {
    "reciprocal rank": "mrr@10",
    "nDCG@10": "ndcg@10",
    "Recall@10": "recall@10",
    "Recall@100": "recall@100",
}
SHAPES = ("", "/", "x", ".", "\\", "-", "|")  # hatching of words beside one another
STRIP = 12  # ranks that are drawn
WORDS = 8  # parts of a score that are drawn
GREEN = COLORS[2]  # a relevant passage; another one is grey


def gains_table(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> "Figure":
    """Cells: what one ranking collects rank by rank, above what the best possible ranking of its query collects.

    Args:
        ranked: passage ids, best first.
        judged: passage id -> grade.
        k: where both are cut.
    """
    import plotly.graph_objects as go

    best = sorted((p for p in judged if judged[p] > 0), key=lambda p: -judged[p])
    rows = {"best possible": best, "this run": list(ranked)}  # the first row is drawn at the bottom
    K = max(k, *map(len, rows.values()))
    grades = [[judged.get(row[r], 0) if r < len(row) else None for r in range(K)] for row in rows.values()]
    dcgs = [sum((g or 0) / np.log2(r + 2) for r, g in enumerate(row[:k])) for row in grades]
    fig = figure(
        alt=f"Two rows of cells over ranks 1 to {K}: the passages of a run, and the best possible ranking, each with its grade from 0 "
        f"to 3. Below each rank stands its discount. A line marks the cut after rank {k}; the sums of both rows stand at the right.",
        notice="Multiply each grade by the discount below it and add up the row, as far as the line: that is the sum at its end. "
        "Which passages of the lower row are missing in the upper one?",
        title=f"one query, cut at k = {k}",
        xaxis_title="rank, and its discount 1 / log2(rank + 1)",
        height=300,
    )
    fig.add_trace(
        go.Heatmap(
            z=grades, y=list(rows), colorscale=SEQUENCE, zmin=0, zmax=3, xgap=3, ygap=3, showscale=False,
            text=[[f"{p}: {judged.get(p, 0)}" for p in row] + [""] * (K - len(row)) for row in rows.values()],
            texttemplate="%{text}", textfont={"size": 15},
        )
    )  # fmt: skip
    for y, dcg in enumerate(dcgs):
        fig.add_annotation(x=K - 0.4, y=y, text=f"DCG {dcg:.2f}", showarrow=False, xanchor="left", font={"size": 15})
    fig.add_vline(x=k - 0.5, line={"color": INK, "width": 3})
    ticks = [f"{r + 1}<br>{1 / np.log2(r + 2):.2f}" for r in range(K)]
    fig.update_xaxes(tickvals=list(range(K)), ticktext=ticks, range=[-0.5, K + 0.7], showgrid=False)
    fig.update_yaxes(showgrid=False)
    return fig


def metrics_by_rank(rank: int, others: Sequence[int] = (), num_relevant: int = 1) -> "Figure":
    """A strip of ranks and bars: what four metrics say when a relevant passage moves down the ranking of one query.

    Args:
        rank: where the passage stands, from 1.
        others: ranks of further relevant passages.
        num_relevant: how many relevant passages there are, those that stand nowhere included.
    """
    import plotly.graph_objects as go

    relevant = {rank, *others}
    run = {"q": {f"{r:02d}": float(-r) for r in range(1, 21)}}
    qrels = {"q": {f"{r:02d}": 1 for r in relevant} | {f"never {i}": 1 for i in range(num_relevant - len(relevant))}}
    values = evaluate(qrels, run, list(ON_ONE_QUERY.values()))
    fig = figure(
        alt=f"Above, a strip of ranks 1 to {STRIP}: squares for relevant passages, small rings for others, a line after rank 10. "
        "Below, four bars from 0 to 1: reciprocal rank, nDCG@10, Recall@10 and Recall@100 of this query.",
        notice="Move the square one place at a time. Which bars react to the first ranks, and which only at the line? A bar that "
        "does not move is not wrong: it asks another question.",
        title=f"relevant passage at rank {rank}",
        height=460,
    )
    ranks = range(1, STRIP + 1)
    fig.add_trace(
        go.Scatter(
            x=list(ranks),
            y=[0] * STRIP,
            yaxis="y2",
            mode="markers",
            marker={
                "symbol": ["square" if r in relevant else "circle-open" for r in ranks],
                "size": [24 if r in relevant else 13 for r in ranks],
                "color": [GREEN if r in relevant else GREY for r in ranks],
                "opacity": 1,
            },
            showlegend=False,
        )
    )
    numbers = [round(values[name], 4) for name in ON_ONE_QUERY.values()]
    fig.add_trace(
        go.Bar(
            x=numbers,
            y=list(ON_ONE_QUERY),
            xaxis="x2",
            orientation="h",
            marker=bar_style(COLORS[: len(values)], ["", "/", "x", "."]),
            text=[f"{value:.3f}" for value in numbers],
            textposition="outside",
            cliponaxis=False,
            showlegend=False,
        )
    )
    axis = {"gridcolor": "#E5E5E5", "linecolor": "#444444"}
    fig.update_layout(
        xaxis={"title": "rank", "range": [0.4, STRIP + 0.6], "dtick": 1, "showgrid": False, "anchor": "y2"},
        yaxis2={"domain": [0.84, 1], "visible": False, "range": [-1, 1]},
        xaxis2={**axis, "range": [0, 1.12], "anchor": "y", "title": "value for this query"},
        yaxis={"domain": [0, 0.58], "autorange": "reversed", "type": "category"},
    )
    fig.add_shape(type="line", x0=10.5, x1=10.5, y0=-1, y1=1, yref="y2", line={"color": INK, "dash": "dot"})
    return fig


def scores_by_word(index: "BM25", corpus: Mapping[str, str], query: str, top: int = 6) -> "Figure":
    """Stacked bars: what each word of a query adds to the score of the first passages.

    Args:
        index: a BM25 that holds the corpus.
        corpus: passage id -> text; what stands in front of the first line break is taken for a title.
        query: any text.
        top: how many passages.
    """
    import plotly.graph_objects as go

    found = index.search({"q": query}, k=top)["q"]
    row = {passage: i for i, passage in enumerate(index.passage_ids)}
    counts = Counter(index.tokenize(query))
    names = [f"{i}. {corpus[passage].splitlines()[0][:34]}" for i, passage in enumerate(found, start=1)]
    fig = figure(
        alt=f"Stacked horizontal bars: the BM25 score of the first {top} passages for a query, one part for each word of the query.",
        notice="A part is wide where the word is rare, or stands often in a short passage. A word without any part stands in none "
        "of these passages. Do the words that decide carry the meaning?",
        title=f"“{query[:48]}”" if found else "no passage holds any of these words",
        xaxis_title="BM25 score",
        barmode="stack",
        height=190 + 46 * top,
    )
    parts = {word: times * index.scores(word) for word, times in counts.items()}
    if len(parts) > WORDS:
        rest = [parts.pop(word) for word in list(parts)[WORDS - 1 :]]
        parts["other words"] = np.sum(rest, axis=0)
    # Always as many traces: where their number changes, plotly forgets the direction of the axis.
    for i, word in enumerate([*parts, *[""] * (WORDS - len(parts))]):
        fig.add_trace(
            go.Bar(
                x=[round(float(parts[word][row[passage]]), 3) if word else 0 for passage in found],
                y=list(range(len(names))),
                name=word,
                showlegend=bool(word),
                orientation="h",
                marker=bar_style(COLORS[i % 6], SHAPES[i % len(SHAPES)]),
            )
        )
    fig.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[top - 0.5, -0.5], showgrid=False)
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    fig.update_layout(legend=legend, margin={"l": 240, "t": 110}, title_y=0.96)
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
