"""One look for every figure: readable in JupyterLab's light and dark themes, and without colour."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from workbook.support.frontend import is_presented

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe-Ito without yellow, in an order that keeps neighbours far apart for colour-blind eyes too.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
# A dark page turns black lines, marks and shapes light (`support.page`), and no other dark colour.
BLUE, ORANGE, GREEN, VERMILLION, PINK, SKY, INK = COLORS
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
SEQUENCE = "Cividis"
GREY = "#8A8A8A"  # can be seen on both


def bar_style(color: str | Sequence[str], shape: str | Sequence[str] = "") -> dict[str, Any]:
    """The marker of bars: a colour, and white hatching upon it as the second channel.

    Args:
        color: of all bars, or one for each.
        shape: the hatching, "" for none, or "/", "x", ".", or one for each.
    """
    colors, shapes = (each if isinstance(each, str) else list(each) for each in (color, shape))
    white = "white" if isinstance(colors, str) else ["white"] * len(colors)
    return {"color": colors, "pattern": {"shape": shapes, "fillmode": "overlay", "fgcolor": white, "solidity": 0.3}}


def ticks_at(values: Sequence[float], apart: float = 0) -> dict[str, Any]:
    """The ticks of a logarithmic axis at the values that were measured, and nowhere else.

    Args:
        values: where the ticks may stand.
        apart: leave out a value that is not larger by this factor than the one before, for want of room; 0 keeps all.
    """
    kept: list[float] = []
    for value in sorted(values) if apart else values:
        if not (apart and kept) or value > apart * kept[-1]:
            kept.append(value)
    return {"tickmode": "array", "tickvals": kept, "ticktext": [f"{value:,g}" for value in kept]}


def numbers_in_cells(
    fig: "Figure", columns: Sequence[str], rows: Sequence[str], z: Sequence[Sequence[float | None]]
) -> None:
    """Draw a grid of values, each written in its cell by plotly, which a dark page leaves alone; one without stays empty.

    Args:
        fig: what to draw in; its axes are named by `columns` and `rows`.
        columns, rows: names.
        z: a row of values for each row.
    """
    import plotly.graph_objects as go

    text = [["" if value is None else f"{value:.3f}" for value in row] for row in z]
    fig.add_trace(
        go.Heatmap(
            x=columns, y=rows, z=z, text=text, texttemplate="%{text}", textfont={"size": 16}, colorscale=SEQUENCE,
            showscale=False, xgap=2, ygap=2, hoverongaps=False,
        )
    )  # fmt: skip
    fig.update_layout(xaxis_type="category", yaxis_type="category")


def short(value: float) -> str:
    """A share or a metric in three decimals, as the text writes it: .494."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def in_lines(text: str, width: int = 80) -> str:
    """A text cut into lines, since annotations do not wrap."""
    lines, line = [], ""
    for word in text.split(" "):
        if len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])


def stacked(*pixels: int) -> tuple[int, list[list[float]]]:
    """The domains of rows one below the other, which keep their heights on any page.

    Args:
        pixels: of each row, from top to bottom; a gap or a line of text is a row as well.
    Returns:
        the sum of the pixels, and [bottom, top] of each row as shares of it.
    """
    total = sum(pixels)
    edges = [round(1 - sum(pixels[:row]) / total, 4) for row in range(len(pixels))] + [0.0]
    return total, [[bottom, top] for top, bottom in pairwise(edges)]


def figure(alt: str = "", notice: str = "", **layout: Any) -> "Figure":
    """An empty plotly Figure in the house style: white paper and dark text.

    A dark page gives it dark paper (`support.page`).

    Args:
        alt: what is drawn, for those who do not see it: marks, axes and ranges, and not the outcome.
        notice: what to look at and how to read it; shown below the figure to a reader who asks.
        layout: passed to plotly's layout, such as xaxis_title="rank", title="…".
    """
    import plotly.graph_objects as go

    axis = {"gridcolor": "#E5E5E5", "zerolinecolor": "#BBBBBB", "linecolor": "#444444", "automargin": True}
    style: dict[str, Any] = {
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"color": "#222222", "size": 20 if is_presented() else 14},
        "colorway": list(COLORS),
        "margin": {"l": 60, "r": 20, "t": 50, "b": 70},
        "title": {
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "font": {"size": 28 if is_presented() else 16},
        },  # plotly's buttons come up at the right
        "modebar": {"remove": ["select", "lasso", "autoscale", "zoomin", "zoomout", "sendDataToCloud"]},
        "width": 1080 if is_presented() else 720,
        "height": 620 if is_presented() else 420,
        "legend": {"bgcolor": "rgba(255,255,255,0.8)"},
        "xaxis": axis,
        "yaxis": axis,
    }
    fig = go.Figure(layout={"template": "none"})  # plotly's own template would be 7 kB in every stored figure
    fig.update_layout(style)
    if isinstance(layout.get("title"), str):
        layout["title"] = {"text": layout["title"]}  # a text alone would put the title's place back
    fig.update_layout(layout, meta={"alt": alt, "notice": notice})
    return fig
