"""One call, two renderings of a figure: live with a kernel, static everywhere else.

In a stored notebook `explore` draws the figure once for every value, and a slider of plotly's own moves
through them (`stored`). Live it puts a control for each parameter beside that, and a figure that is updated
in place (`panel`); the page shows the live one while its kernel lives, and the stored one afterwards
(`support.page`). In both, every value looks like a fresh draw (`updates`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbook.figures.choices import checked
from workbook.figures.panel import panel
from workbook.figures.plain import bundle, spec
from workbook.figures.stored import stored
from workbook.figures.words import Words
from workbook.support.frontend import in_notebook, is_live
from workbook.support.page import GRID, page_style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PLOTLY = "application/vnd.plotly.v1+json"


def show(fig: "Figure", alt: str = "") -> None:
    """Show a figure with its alternative text, and below it, folded, what to notice.

    Args:
        fig: a plotly Figure; an animation keeps its own buttons.
        alt: what the figure shows, for those who do not see it; the house's own figures bring theirs.
    Raises:
        TypeError: fig is no figure.
        ValueError: there is no alternative text, or the figure is too large to store.
    """
    if not hasattr(fig, "to_plotly_json"):
        raise TypeError(f"show needs a plotly Figure, got {type(fig).__name__}")
    _show(fig, described(fig, alt))


def explore(
    function: Callable[..., "Figure"], alt: str = "", *, play: bool = False, **parameters: Iterable[Any]
) -> None:
    """Show a figure that the reader can change.

    A stored figure holds at most 40 combinations and 300 kB. Of more, it keeps an even selection and
    says so; in front of a person all can be chosen.

    Args:
        function: called with one value of each parameter, returns a plotly Figure.
        alt: what the figure shows and how it changes; the house's own figures bring theirs.
        play: add a button that runs through the values of the first parameter, if they are numbers. The figure
            then needs a range for each axis along which something moves.
        parameters: name -> the values to choose from, in order.
    Raises:
        TypeError: the function returns no Figure.
        ValueError: there is no alternative text, a parameter has no values, one draw alone is too large to store, or play is
            asked for and an axis has no range.
    """
    values = checked(parameters)
    first = function(**{name: each[0] for name, each in values.items()})
    spec(first)  # says what is wrong if this is no figure
    words = described(first, alt)
    live = panel(function, values, play) if is_live() and in_notebook() else None
    try:
        fig, kept = stored(function, values, play)
    except Exception:
        if live is None:
            raise
        _show(first, words, live)  # the panel tells which values fail, and why
        return
    total = math.prod(map(len, values.values()))
    if kept < total:
        words = replace(
            words, alt=f"{words.alt} Stored are {kept} of {total} combinations; run the cell to choose among all."
        )
    _show(fig, words, live)


def described(fig: "Figure", alt: str = "") -> Words:
    """The words of a figure: the alternative text that is given, or else its own, and what to notice.

    Raises:
        ValueError: there is no alternative text.
    """
    own = fig.layout.meta or {}
    alt = " ".join((alt or own.get("alt", "")).split())
    if not alt:
        raise ValueError("alt is empty; say in a sentence what the figure shows, for those who do not see it")
    return Words(alt, own.get("notice", ""))


def _show(fig: "Figure", words: Words, live: Any = None) -> None:
    """The stored figure, the live one right after it if there is one, and the words."""
    if not in_notebook():
        print(words)
        return
    _display({PLOTLY: bundle(fig), "text/plain": str(words)}, raw=True)
    if live is not None:
        _display(live)
    if is_live():
        kind = GRID if any(trace.type == "heatmap" for trace in fig.data) else ""
        html = f'{page_style()}<div class="{kind}">{words.folded()}</div>'
        _display({"text/html": html, "text/plain": "What to notice"}, raw=True)


def _display(thing: Any, raw: bool = False) -> None:
    from IPython.display import display

    display(thing, raw=raw)
