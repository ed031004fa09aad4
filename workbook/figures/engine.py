"""One call, two renderings of a figure: live with a kernel, static everywhere else.

Live, `explore` makes a control for each parameter and updates the figure in place (`panel`). In a stored
notebook it draws the figure once for every value, and a slider of plotly's own moves through them
(`stored`). In both, every value looks like a fresh draw (`updates`).
"""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from workbook.figures.choices import checked
from workbook.figures.panel import caption, panel
from workbook.figures.plain import bundle
from workbook.figures.stored import stored
from workbook.support.frontend import in_notebook, is_live

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PLOTLY = "application/vnd.plotly.v1+json"


def show(fig: "Figure", alt: str) -> None:
    """Show a figure with its alternative text.

    Args:
        fig: a plotly Figure; an animation keeps its own buttons.
        alt: what the figure shows, in a sentence or two, for those who do not see it.
    Raises:
        TypeError: fig is no figure.
        ValueError: alt is empty, or the figure is too large to store.
    """
    text = described(alt)
    if not hasattr(fig, "to_plotly_json"):
        raise TypeError(f"show needs a plotly Figure, got {type(fig).__name__}")
    data = {PLOTLY: bundle(fig), "text/plain": f"Figure: {text}"}
    if not in_notebook():
        print(data["text/plain"])
        return
    _display(data, raw=True)
    if is_live():
        _display({"text/html": caption(text), "text/plain": text}, raw=True)


def explore(function: Callable[..., "Figure"], alt: str, *, play: bool = False, **parameters: Iterable[Any]) -> None:
    """Show a figure that the reader can change.

    A stored figure holds at most 40 combinations and 300 kB. Of more, it keeps an even selection and
    says so; in front of a person all can be chosen.

    Args:
        function: called with one value of each parameter, returns a plotly Figure.
        alt: what the figure shows and how it changes.
        play: add a button that runs through the values of the first parameter, if they are numbers. The figure
            then needs a range for each axis along which something moves.
        parameters: name -> the values to choose from, in order.
    Raises:
        TypeError: the function returns no Figure.
        ValueError: alt is empty, a parameter has no values, one draw alone is too large to store, or play is
            asked for and an axis has no range.
    """
    text, values = described(alt), checked(parameters)
    if is_live() and in_notebook():
        _display(panel(function, text, values, play))
        return
    fig, kept = stored(function, values, play)
    total = math.prod(map(len, values.values()))
    note = f" Stored are {kept} of {total} combinations; run the cell to choose among all." if kept < total else ""
    show(fig, text + note)


def described(alt: str) -> str:
    """An alternative text on one line.

    Raises:
        ValueError: it is empty.
    """
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows, for those who do not see it")
    return " ".join(alt.split())


def _display(thing: Any, raw: bool = False) -> None:
    from IPython.display import display

    display(thing, raw=raw)
