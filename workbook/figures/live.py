"""Controls and a figure that a kernel redraws: what `explore` shows to a person.

Taught in 00.
"""

from collections.abc import Callable, Sequence
from typing import Any

from workbook.figures.spec import Spec, changes, label, plain


def panel(function: Callable[..., Any], parameters: dict[str, list[Any]], alt: str, play: bool = False) -> Any:
    """A control for each parameter, and below them the figure and its description in words.

    An error in `function` is shown in place of an update; the figure and the controls stay.

    Taught in 00.
    """
    import ipywidgets as widgets
    import plotly.graph_objects as go

    controls = {name: control(name, values) for name, values in parameters.items()}
    canvas, trouble = go.FigureWidget(), widgets.HTML()
    shown: Spec = {"data": [], "layout": {}}
    known: dict[tuple[int, ...], Spec] = {}

    def redraw(_: Any = None) -> None:
        nonlocal shown
        key = tuple(int(control.index) for control in controls.values())
        try:
            if key not in known:
                known[key] = plain(function(**{name: control.value for name, control in controls.items()}))
        except Exception as error:  # the function may be a learner's: tell, and keep the figure
            trouble.value = _trouble(error)
            return
        trouble.value = ""
        apply(canvas, shown, known[key])
        shown = known[key]

    redraw()
    for each in controls.values():
        each.observe(redraw, names="index")
    rows = [_player(each) if play else each for each in controls.values()]
    return widgets.VBox([*rows, trouble, canvas, widgets.HTML(in_words(alt))])


def control(name: str, values: Sequence[Any]) -> Any:
    """A slider for numbers, a menu for words. Taught in 00."""
    import ipywidgets as widgets

    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    kind = widgets.SelectionSlider if numbers else widgets.Dropdown
    return kind(
        options=[(label(value), value) for value in values],
        value=values[0],
        description=name.replace("_", " "),
        style={"description_width": "initial"},
        layout=widgets.Layout(width="min(36em, 95%)"),
    )


def apply(canvas: Any, old: Spec, new: Spec) -> None:
    """Turn the figure `old` on a FigureWidget into `new`, sending only what differs. Taught in 00."""
    types = [[trace.get("type") for trace in spec["data"]] for spec in (old, new)]
    if types[0] != types[1]:
        canvas.data = ()
        with canvas.batch_update():
            _set(canvas.layout, changes(old["layout"], new["layout"]))
        canvas.add_traces(new["data"])
        return
    with canvas.batch_update():
        for trace, before, after in zip(canvas.data, old["data"], new["data"], strict=True):
            _set(trace, changes(before, after))
        _set(canvas.layout, changes(old["layout"], new["layout"]))


def in_words(alt: str) -> str:
    """The alternative text as a line that unfolds below the figure. Taught in 00."""
    import html

    return (
        '<details style="margin: 2px 0 10px; max-width: 60em; line-height: 1.45"><summary style="cursor: pointer">'
        f'The figure in words</summary><p style="margin: 4px 0 0 18px">{html.escape(alt)}</p></details>'
    )


def _set(target: Any, values: dict[str, Any]) -> None:
    for path, value in values.items():
        target[path] = value


def _player(each: Any) -> Any:
    import ipywidgets as widgets

    button = widgets.Play(min=0, max=len(each.options) - 1, interval=300, show_repeat=False)
    button.observe(lambda change: setattr(each, "index", change["new"]), names="value")
    each.observe(lambda change: setattr(button, "value", change["new"]), names="index")
    return widgets.HBox([button, each])


def _trouble(error: Exception) -> str:
    import html

    text = html.escape(f"{type(error).__name__}: {error}")
    return (
        '<div role="alert" style="border-left: 4px solid #D55E00; padding: 2px 12px; line-height: 1.45">'
        f"<strong>✗ The figure could not be drawn with these values.</strong> {text}</div>"
    )
