"""One look for every figure: readable in JupyterLab's light and dark themes, and without colour.

Taught in 00.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe-Ito without yellow, in an order that keeps neighbours far apart for colour-blind eyes too.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
SEQUENCE = "Cividis"


def figure(**layout: Any) -> "Figure":
    """An empty plotly Figure in the house style: white paper and dark text, whatever the page's theme.

    Args:
        layout: passed to plotly's layout, such as xaxis_title="rank", title="…".

    Taught in 00.
    """
    import plotly.graph_objects as go

    axis = {"gridcolor": "#E5E5E5", "zerolinecolor": "#BBBBBB", "linecolor": "#444444", "automargin": True}
    style: dict[str, Any] = {
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"color": "#222222", "size": 13},
        "colorway": list(COLORS),
        "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
        "width": 720,
        "height": 420,
        "legend": {"bgcolor": "rgba(255,255,255,0.8)"},
        "xaxis": axis,
        "yaxis": axis,
    }
    fig = go.Figure(layout={"template": "none"})  # plotly's own template would be 7 kB in every stored figure
    fig.update_layout(style)
    fig.update_layout(layout)
    return fig
