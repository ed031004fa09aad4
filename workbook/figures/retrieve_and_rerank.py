"""The figures of chapter 16: what each rank of each run adds to a fused sum.

Each takes numbers and returns a plotly Figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbook.figures.theme import COLORS, INK, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DARK = "#222222"  # stays so on a dark page
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
