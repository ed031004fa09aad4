"""One call, two renderings of a figure: live with a kernel, static everywhere else.

Live, `explore` makes a control for each parameter and updates the figure in place. In a stored
notebook it draws the figure once for every value, as frames that a slider of plotly's own moves
through; that needs no kernel.

Taught in 00.
"""

import html
import itertools
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.frontend import in_notebook, is_live

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_FRAMES = 40
MAX_BYTES = 300_000
PLOTLY = "application/vnd.plotly.v1+json"


def show(fig: "Figure", alt: str) -> None:
    """Show a figure with its alternative text.

    Args:
        fig: a plotly Figure; an animation keeps its own buttons.
        alt: what the figure shows, in a sentence or two, for those who do not see it.
    Raises:
        ValueError: alt is empty, or the figure is too large to store.

    Taught in 00.
    """
    _display({PLOTLY: _bundle(fig.to_plotly_json()), "text/plain": f"Figure: {_described(alt)}"})
    if is_live():
        _caption(alt)


def explore(function: Callable[..., "Figure"], alt: str, **parameters: Sequence[Any]) -> None:
    """Show a figure that the reader can change.

    Args:
        function: called with one value of each parameter, returns a plotly Figure.
        alt: what the figure shows and how it changes.
        parameters: name -> the values to choose from, in order.
    Raises:
        ValueError: alt is empty, a parameter has no values, or the static rendering would be too large.

    Taught in 00.
    """
    _described(alt)
    if not parameters or not all(len(values) for values in parameters.values()):
        raise ValueError("explore needs at least one parameter with values, such as temperature=[0.05, 0.1]")
    if is_live() and in_notebook():
        _explore_live(function, alt, parameters)
    else:
        show(frames(function, parameters), alt)


def frames(function: Callable[..., "Figure"], parameters: dict[str, Sequence[Any]]) -> "Figure":
    """The static rendering: one frame for each combination of values, and a slider. Taught in 00.

    Raises:
        ValueError: there are too many combinations.
    """
    import plotly.graph_objects as go

    choices = list(itertools.product(*parameters.values()))
    if len(choices) > MAX_FRAMES:
        raise ValueError(f"{len(choices)} combinations are too many for a stored figure; give at most {MAX_FRAMES}")
    drawn = [function(**dict(zip(parameters, choice, strict=True))) for choice in choices]
    labels = [
        " · ".join(_label(name, value, parameters) for name, value in zip(parameters, choice, strict=True))
        for choice in choices
    ]
    counts = {len(fig.data) for fig in drawn}
    if len(counts) > 1:
        raise ValueError(
            f"the figure must have the same number of traces for every value, got {sorted(counts)}; add empty ones"
        )
    fig = go.Figure(drawn[0])
    # A frame carries its own title and annotations; plotly would keep the first figure's otherwise.
    fig.frames = [
        go.Frame(name=str(i), data=each.data, layout=each.layout.to_plotly_json() if _differs(each, drawn[0]) else None)
        for i, each in enumerate(drawn)
    ]
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": label, "method": "animate", "args": [[str(i)], still]} for i, label in enumerate(labels)]
    prefix = f"{next(iter(parameters))}: " if len(parameters) == 1 else ""
    fig.update_layout(
        sliders=[{"active": 0, "steps": steps, "currentvalue": {"prefix": prefix}, "pad": {"t": 45}}],
        height=(fig.layout.height or 420) + 90,
    )
    return fig


def _explore_live(function: Callable[..., "Figure"], alt: str, parameters: dict[str, Sequence[Any]]) -> None:
    import ipywidgets as widgets
    import plotly.graph_objects as go

    controls = {name: _control(name, values) for name, values in parameters.items()}
    widget = go.FigureWidget(function(**{name: control.value for name, control in controls.items()}))
    message = widgets.HTML()

    def redraw(_change: Any) -> None:
        try:
            fig = function(**{name: control.value for name, control in controls.items()})
            with widget.batch_update():
                for shown, drawn in zip(widget.data, fig.data, strict=True):
                    shown.update(drawn.to_plotly_json(), overwrite=True)
                widget.layout.update(fig.layout.to_plotly_json())
            message.value = ""
        except Exception as error:  # shown to the reader: the figure keeps its last state
            message.value = f"<b>✗</b> {html.escape(f'{type(error).__name__}: {error}')}"

    for control in controls.values():
        control.observe(redraw, names="value")
    caption = widgets.HTML(f"<small>{html.escape(alt)}</small>")
    _display_object(widgets.VBox([*controls.values(), widget, message, caption]))


def _control(name: str, values: Sequence[Any]) -> Any:
    import ipywidgets as widgets

    options = [(str(value), value) for value in values]
    words = name.replace("_", " ")
    wide = {"description_width": "initial"}
    if all(isinstance(value, int | float) for value in values):
        return widgets.SelectionSlider(
            options=options, description=words, style=wide, layout={"width": "480px"}, continuous_update=True
        )
    return widgets.ToggleButtons(options=options, description=words, style=wide)


def _label(name: str, value: Any, parameters: dict[str, Sequence[Any]]) -> str:
    return str(value) if len(parameters) == 1 else f"{name.replace('_', ' ')} {value}"


def _differs(a: "Figure", b: "Figure") -> bool:
    return a.layout.to_plotly_json() != b.layout.to_plotly_json()


def _described(alt: str) -> str:
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows, for those who do not see it")
    return " ".join(alt.split())


def _bundle(fig: dict[str, Any]) -> dict[str, Any]:
    """Plotly's JSON with short numbers and without random ids: the same bytes at each build."""
    clean = _plain(fig)
    size = len(json.dumps(clean))
    if size > MAX_BYTES:
        raise ValueError(
            f"the figure takes {size:,} bytes, at most {MAX_BYTES:,} can be stored; give fewer points or frames"
        )
    return clean


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "uid"}
    if hasattr(value, "to_plotly_json"):
        return _plain(value.to_plotly_json())
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return None if not np.isfinite(value) else float(f"{value:.4g}")
    if isinstance(value, np.integer):
        return int(value)
    return value


def _display(bundle: dict[str, Any]) -> None:
    if not in_notebook():
        print(bundle["text/plain"])
        return
    from IPython.display import display

    display(bundle, raw=True)


def _display_object(thing: Any) -> None:
    from IPython.display import display

    display(thing)


def _caption(alt: str) -> None:
    if in_notebook():
        from IPython.display import HTML

        _display_object(HTML(f"<small>{html.escape(_described(alt))}</small>"))
