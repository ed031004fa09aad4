"""One look for every figure: readable on a light and on a dark page, and without telling colours apart.

Paper stays white and text dark, whatever the theme of JupyterLab. The colours are those of Okabe and
Ito without the yellow, which is too faint on white. Use a colour together with the symbol or the
dash of the same number, so that no reader depends on colour alone.

Source: Okabe and Ito 2008, "Color Universal Design". Taught in 00.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "2px,6px")
SEQUENTIAL = "Cividis"  # for amounts: equally ordered for every kind of colour vision
DIVERGING = "PuOr"  # for values with a sign: give it zmid=0

_AXIS = {
    "automargin": True,
    "gridcolor": "#e6e6e6",
    "linecolor": "#666666",
    "showline": True,
    "ticks": "outside",
    "tickcolor": "#666666",
    "title": {"standoff": 10},
    "zerolinecolor": "#bbbbbb",
}
_AXIS_3D = {"backgroundcolor": "#ffffff", "gridcolor": "#dddddd", "linecolor": "#666666", "zerolinecolor": "#bbbbbb"}

TEMPLATE: dict[str, Any] = {
    "layout": {
        "colorway": list(COLORS),
        "colorscale": {"sequential": SEQUENTIAL, "sequentialminus": SEQUENTIAL, "diverging": DIVERGING},
        "font": {"color": "#222222", "size": 14},
        "height": 420,
        "hoverlabel": {"align": "left"},
        "margin": {"l": 70, "r": 30, "t": 60, "b": 60},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "scene": {"xaxis": _AXIS_3D, "yaxis": _AXIS_3D, "zaxis": _AXIS_3D},
        "title": {"x": 0.02, "xanchor": "left", "font": {"size": 16}},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}


def figure(xaxis_title: str = "", yaxis_title: str = "", title: str = "", **layout: Any) -> "Figure":
    """An empty figure in the look of the workbook.

    Args:
        xaxis_title: what the x axis shows, with its unit.
        yaxis_title: what the y axis shows, with its unit.
        title: one line above the figure.
        layout: anything else that plotly's `update_layout` takes.

    Taught in 00.
    """
    import plotly.graph_objects as go

    fig = go.Figure(layout={"template": TEMPLATE})
    for name, text in (("xaxis_title", xaxis_title), ("yaxis_title", yaxis_title), ("title_text", title)):
        if text:
            fig.update_layout({name: text})
    fig.update_layout(**layout)
    return fig
