"""The live rendering: a control for each parameter, and a figure that is updated in place."""

import html
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from workbook.figures.choices import are_numbers, label
from workbook.figures.choices import words as in_words
from workbook.figures.plain import Spec, spec
from workbook.figures.updates import differences, kind
from workbook.support.page import LIVE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def panel(function: Callable[..., "Figure"], parameters: dict[str, list[Any]], play: bool = False) -> Any:
    """Controls, the figure, and a message when a draw fails, as one widget.

    Args:
        function: called with one value of each parameter, returns a plotly Figure.
        parameters: name -> values.
        play: add a button that runs through the first parameter, if it has numbers.
    """
    import ipywidgets as widgets

    from workbook.figures.theme import figure

    controls = {name: _control(name, values) for name, values in parameters.items()}
    message = widgets.HTML()

    def draw(instead: Spec) -> Spec:
        try:
            drawn = spec(function(**{name: parameters[name][control.index] for name, control in controls.items()}))
            message.value = ""
            return drawn
        except Exception as error:  # told to the reader; the figure keeps its last state
            message.value = f"<b>✗</b> {html.escape(f'{type(error).__name__}: {error}')}"
            return instead

    shown = draw(instead=spec(figure()))
    widget = figure_widget(shown)

    def redraw(_change: Any) -> None:
        nonlocal shown
        drawn = draw(instead=shown)
        follow(widget, shown, drawn)
        shown = drawn

    for control in controls.values():
        control.observe(redraw, names="index")
    rows = list(controls.values())
    if play and are_numbers(next(iter(parameters.values()))):
        button = widgets.Play(max=len(rows[0].options) - 1, interval=500, show_repeat=False)
        widgets.link((button, "value"), (rows[0], "index"))
        rows[0] = widgets.HBox([button, rows[0]])
    box = widgets.VBox([*rows, widget, message])
    box.add_class(LIVE)
    return box


def figure_widget(shown: Spec) -> Any:
    """A FigureWidget that is born with the figure in it.

    Plotly's own tells the page of an empty figure first and sends the contents after it. What is sent before
    the page has loaded plotly can be lost, and the figure stays blank.
    """
    import plotly.graph_objects as go

    class FullFigureWidget(go.FigureWidget):
        def __init__(self, shown: Spec) -> None:
            self._widget_data, self._widget_layout = shown["data"], shown["layout"]
            super().__init__(shown)

    return FullFigureWidget(shown)


def follow(widget: Any, shown: Spec, drawn: Spec) -> None:
    """Turn the figure on a FigureWidget into another.

    Traces of the same kinds change in place; if the kinds differ, all traces make room for new ones.

    Args:
        widget: a FigureWidget that shows `shown`.
        shown, drawn: figures, as from `spec`.
    """
    in_place = list(map(kind, shown["data"])) == list(map(kind, drawn["data"]))
    if not in_place:
        widget.data = ()
    with widget.batch_update():
        _set(widget.layout, shown["layout"], drawn["layout"])
        if in_place:
            for trace, before, after in zip(widget.data, shown["data"], drawn["data"], strict=True):
                _set(trace, before, after)
    if not in_place:
        widget.add_traces(drawn["data"])
    # A page that is loaded again asks for these; plotly leaves them as they were at the start, whatever the slider says.
    widget._widget_data, widget._widget_layout = deepcopy(widget._data), deepcopy(widget._layout_obj._props)


def _set(target: Any, before: Spec, after: Spec) -> None:
    for path, value in differences([before, after])[1].items():
        if len(path) > 1 and path[0] not in target:
            target[path[0]] = {}  # such as a second axis, which plotly makes only when it is named
        target[path] = value


def _control(name: str, values: list[Any]) -> Any:
    import ipywidgets as widgets

    options = [(label(value), i) for i, value in enumerate(values)]
    wide = {"description_width": "initial"}
    if are_numbers(values):
        return widgets.SelectionSlider(
            options=options, description=in_words(name), style=wide, layout={"width": "480px"}, continuous_update=True
        )
    return widgets.ToggleButtons(options=options, description=in_words(name), style={**wide, "button_width": "auto"})
