"""Parts that several figures are drawn from: lines and marks as one trace, notes, small letters, legends.

Each adds to a plotly Figure or gives what one of its settings takes.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.figures.theme import in_lines
from workbook.support.frontend import is_presented

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TOGETHER = "\u00a0"  # a space at which no line ends
HIDDEN: dict[str, Any] = {"visible": False, "constrain": "domain"}  # an axis of a plane
ABOVE = {  # a legend between the title and the plot; its paper is clear, for a dark page does not turn that of a second legend
    "orientation": "h", "y": 1.003, "yanchor": "bottom", "x": 0, "itemclick": False, "itemsizing": "constant", "bgcolor": "rgba(255,255,255,0)",
}  # fmt: skip


def title_at_top(text: str) -> dict[str, Any]:
    """A title at the upper edge, whatever stands between it and the plot."""
    return {"text": text, "y": 0.99, "yref": "container", "yanchor": "top"}


def small_letters(size: int = 13) -> dict[str, int]:
    """Small letters, in front of a room larger."""
    return {"size": size + 7 if is_presented() else size}


def in_few_lines(text: str) -> str:
    """A sentence in lines that a phone has room for, or a room's screen."""
    return in_lines(text, 80 if is_presented() else 48)


def lines_through(fig: "Figure", name: str, pieces: Sequence[np.ndarray], line: Mapping[str, Any], **more: Any) -> None:
    """Lines through places, (n, 2) each, as one trace with gaps; no legend tells of them."""
    import plotly.graph_objects as go

    x, y = ([v for piece in pieces for v in (*piece[:, axis].round(3).tolist(), None)] for axis in (0, 1))
    fig.add_trace(go.Scatter(x=x, y=y, mode="lines", name=name, line=line, showlegend=False, hoverinfo="skip", **more))


def marks_at(
    fig: "Figure", name: str, places: np.ndarray, marker: Mapping[str, Any] | None = None, **more: Any
) -> None:
    """Marks at places, (n, 2); without any the legend names them all the same."""
    import plotly.graph_objects as go

    x, y = (places[:, axis].round(3).tolist() or [None] for axis in (0, 1))
    fig.add_trace(go.Scatter(x=x, y=y, name=name, **{"mode": "markers", "marker": marker, "hoverinfo": "skip", **more}))


def rounded(values: Sequence[float]) -> list[float]:
    """Numbers with the four digits that a picture can show."""
    return [round(float(value), 4) for value in values]


def note_below(fig: "Figure", y: float, text: str, x: float = 0, **more: Any) -> None:
    """A sentence in small letters that hangs from a height of the paper, 0 at the bottom and 1 at the top of the plots."""
    fig.add_annotation(
        **{
            "x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top", "align": "left", "showarrow": False,
            "text": text, "font": small_letters(), **more,
        }
    )  # fmt: skip
