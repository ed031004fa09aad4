"""One call, two renderings of a figure: live with a kernel, static everywhere else.

Live, `explore` makes a control for each parameter and updates the figure in place. In a stored
notebook it draws the figure once for every value, as frames that a slider of plotly's own moves
through; that needs no kernel.

Plotly lays an update over what is drawn already. Both renderings therefore set everything in which
the figures differ, and take back what a figure lacks (`updates`): every value looks like a fresh draw.

Taught in 00.
"""

import base64
import html
import itertools
import json
import math
import re
from collections.abc import Callable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.frontend import in_notebook, is_live

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_FRAMES = 40
MAX_BYTES = 295_000  # with the alternative text beside it, an output stays under 300 kB
FEW = 3  # values that a parameter keeps while another has more
ROOM = 90  # pixels below the figure for the slider
PLOTLY = "application/vnd.plotly.v1+json"
AXIS = re.compile(r"[xyz]axis\d*$|radialaxis$")
LISTS = ("annotations", "images", "shapes")  # plotly merges these item by item

Spec = dict[str, Any]  # a figure as plain values: {"data": [traces], "layout": {…}}


def show(fig: "Figure", alt: str) -> None:
    """Show a figure with its alternative text.

    Args:
        fig: a plotly Figure; an animation keeps its own buttons.
        alt: what the figure shows, in a sentence or two, for those who do not see it.
    Raises:
        ValueError: alt is empty, or the figure is too large to store.

    Taught in 00.
    """
    _display({PLOTLY: _bundle(fig), "text/plain": f"Figure: {_described(alt)}"})
    if is_live():
        _caption(alt)


def explore(function: Callable[..., "Figure"], alt: str, *, play: bool = False, **parameters: Sequence[Any]) -> None:
    """Show a figure that the reader can change.

    A stored figure holds at most 40 combinations and 300 kB. Of more, it keeps an even selection and
    says so; in front of a person all can be chosen.

    Args:
        function: called with one value of each parameter, returns a plotly Figure.
        alt: what the figure shows and how it changes.
        play: add a button that runs through the values of the first parameter, if they are numbers.
        parameters: name -> the values to choose from, in order.
    Raises:
        ValueError: alt is empty, a parameter has no values, or one draw alone is too large to store.

    Taught in 00.
    """
    _described(alt)
    if not parameters or any(isinstance(values, str) or not len(values) for values in parameters.values()):
        raise ValueError("explore needs at least one parameter with values, such as temperature=[0.05, 0.1]")
    if is_live() and in_notebook():
        _display_object(_panel(function, alt, parameters, play))
        return
    fig = frames(function, parameters, play)
    stored, total = max(1, len(fig.frames)), math.prod(map(len, parameters.values()))
    note = f" Stored are {stored} of {total} combinations; run the cell to choose among all." if stored < total else ""
    show(fig, alt + note)


def frames(function: Callable[..., "Figure"], parameters: dict[str, Sequence[Any]], play: bool = False) -> "Figure":
    """The static rendering: a frame for each combination of values, the first parameter moving fastest, and a slider.

    Where the combinations would be more than 40, or too many for 300 kB, the values are thinned evenly.

    Taught in 00.
    """
    values = {name: list(each) for name, each in parameters.items()}
    sizes = [len(each) for each in values.values()]
    drawn: dict[tuple[int, ...], Spec] = {}
    most = MAX_FRAMES
    while True:
        kept = [_spread(size, keep) for size, keep in zip(sizes, _thinned(sizes, most), strict=True)]
        chosen = [row[::-1] for row in itertools.product(*reversed(kept))]
        choices = [{name: values[name][i] for name, i in zip(values, row, strict=True)} for row in chosen]
        for row, choice in zip(chosen, choices, strict=True):
            if row not in drawn:
                drawn[row] = _spec(function(**choice))
        fig = _animation([drawn[row] for row in chosen], choices, math.prod(sizes), play)
        size = len(json.dumps(_plain(fig)))
        if size <= MAX_BYTES or len(chosen) == 1:
            return fig
        most = min(len(chosen) - 1, len(chosen) * MAX_BYTES // size)


def updates(specs: Sequence[Spec]) -> tuple[list[Spec], list[Spec]]:
    """Figures that can follow one another, and what each must set to look the same after any of the others.

    Returns:
        The figures, with equally many traces, annotations and shapes, invisible where one had none; and for
        each what it sets, only where they differ: None for what it lacks, "traces" for the rows of "data".

    Taught in 00.
    """
    data = _padded([spec["data"] for spec in specs])
    layouts = [dict(spec["layout"]) for spec in specs]
    for name in LISTS:
        for layout, items in zip(layouts, _padded([layout.get(name, []) for layout in layouts]), strict=True):
            if items:
                layout[name] = items
    slots = [_moves(rows) for rows in zip(*data, strict=True)]
    moving = [i for i, moves in enumerate(slots) if moves[0]]
    steps = [
        {"data": [slots[i][k] for i in moving], "traces": moving, "layout": layout}
        for k, layout in enumerate(_moves(layouts))
    ]
    return [{"data": d, "layout": layout} for d, layout in zip(data, layouts, strict=True)], steps


def _padded(figures: Sequence[list[Spec]]) -> list[list[Spec]]:
    """Lists of equal length, invisible where a figure has no trace that is like the others in type and attributes."""
    slots: list[tuple[str | None, frozenset]] = []
    places = []
    for items in figures:
        at = 0
        for item in items:  # the order stays: what is drawn later lies above
            if (kind := _kind(item)) in slots[at:]:
                at = slots.index(kind, at) + 1
            else:
                slots.insert(at, kind)
                at += 1
    for items in figures:
        own, at = {}, 0
        for item in items:
            at = slots.index(_kind(item), at) + 1
            own[at - 1] = item
        places.append(own)
    always = [all(i in own for own in places) for i in range(len(slots))]
    empty = [{**({"type": kind} if kind else {}), "visible": False} for kind, _ in slots]
    return [
        [own[i] if always[i] else {"visible": True, **own[i]} if i in own else empty[i] for i in range(len(slots))]
        for own in places
    ]


def _kind(item: Spec) -> tuple[str | None, frozenset]:
    return item.get("type"), frozenset(_flat(item, inside_lists=True))


def _moves(states: Sequence[Spec]) -> list[Spec]:
    flat = [_flat(state) for state in states]
    paths = [
        path for path in dict.fromkeys(itertools.chain(*flat)) if any(f.get(path) != flat[0].get(path) for f in flat)
    ]
    for path in [path for path in paths if path[-1] == "range" and AXIS.match(path[-2])]:
        auto = (*path[:-1], "autorange")  # plotly remembers the range that it found: say when to look anew
        for f in flat:
            f.setdefault(auto, None if None in f.get(path, ()) else path not in f)
        paths.append(auto)
    return [_nested({path: f.get(path) for path in dict.fromkeys(paths)}) for f in flat]


def _flat(value: Any, inside_lists: bool = False, path: tuple = ()) -> dict[tuple, Any]:
    if isinstance(value, list) and inside_lists and value and isinstance(value[0], dict):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {path: value}
    return {p: leaf for key, item in value.items() for p, leaf in _flat(item, inside_lists, (*path, key)).items()}


def _nested(flat: dict[tuple, Any]) -> Spec:
    result: Spec = {}
    for (*parents, last), value in flat.items():
        target = result
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return result


def _spec(fig: "Figure") -> Spec:
    if not hasattr(fig, "to_plotly_json"):
        raise TypeError(f"the function must return a plotly Figure, got {type(fig).__name__}; does it end with return?")
    plain = _plain(fig)
    layout = {key: value for key, value in plain["layout"].items() if key not in ("sliders", "updatemenus")}
    return {"data": [{"type": "scatter", **trace} for trace in plain["data"]], "layout": layout}


def _animation(specs: list[Spec], choices: list[dict[str, Any]], total: int, play: bool) -> "Figure":
    import plotly.graph_objects as go

    higher = [{**spec["layout"], "height": (spec["layout"].get("height") or 420) + ROOM} for spec in specs]
    specs, steps = updates([{**spec, "layout": layout} for spec, layout in zip(specs, higher, strict=True)])
    fig = go.Figure(specs[0])
    if len(specs) > 1:
        fig.frames = [go.Frame(name=str(i)) for i in range(len(steps))]
        for frame, step in zip(fig.frames, steps, strict=True):
            frame._props.update(step)  # go.Frame(…) would drop the None that takes an attribute back
    plays = play and _are_numbers([next(iter(choice.values())) for choice in choices])
    labels = [" · ".join(map(_label, choice.values())) for choice in choices]
    fig.update_layout(
        sliders=[
            {
                "active": 0,
                "steps": [
                    {"label": text, "method": "animate", "args": [[str(i)], _pace(0)]} for i, text in enumerate(labels)
                ],
                "currentvalue": {
                    "prefix": " · ".join(map(_words, choices[0])) + ": ",
                    "suffix": f"   ({len(choices)} of {total} combinations)" if len(choices) < total else "",
                },
                "pad": {"t": 45},
                **({"x": 0.15, "len": 0.85} if plays else {}),
            }
        ],
    )
    if plays:
        run = {**_pace(500), "fromcurrent": True}
        fig.update_layout(
            updatemenus=[
                {
                    "type": "buttons",
                    "direction": "left",
                    "showactive": False,
                    "x": 0,
                    "xanchor": "left",
                    "y": 0,
                    "yanchor": "top",
                    "pad": {"t": 70},
                    "buttons": [
                        {"label": "▶", "method": "animate", "args": [None, run]},
                        {"label": "❚❚", "method": "animate", "args": [[None], _pace(0)]},
                    ],
                }
            ]
        )
    return fig


def _pace(milliseconds: int) -> dict[str, Any]:
    return {
        "mode": "immediate",
        "frame": {"duration": milliseconds, "redraw": True},
        "transition": {"duration": 0},
    }


def _panel(function: Callable[..., "Figure"], alt: str, parameters: dict[str, Sequence[Any]], play: bool) -> Any:
    """The live rendering: controls, the figure, a message when a draw fails, and the alternative text."""
    import ipywidgets as widgets
    import plotly.graph_objects as go

    from workbook.figures.theme import figure

    values = {name: list(each) for name, each in parameters.items()}
    controls = {name: _control(name, each) for name, each in values.items()}
    shown = _spec(figure())
    widget, message = go.FigureWidget(shown), widgets.HTML()

    def redraw(_change: Any = None) -> None:
        nonlocal shown
        try:
            drawn = _spec(function(**{name: values[name][control.index] for name, control in controls.items()}))
            shown = _follow(widget, shown, drawn)
            message.value = ""
        except Exception as error:  # shown to the reader: the figure keeps its last state
            message.value = f"<b>✗</b> {html.escape(f'{type(error).__name__}: {error}')}"

    redraw()
    for control in controls.values():
        control.observe(redraw, names="index")
    rows = list(controls.values())
    if play and _are_numbers(next(iter(values.values()))):
        button = widgets.Play(max=len(rows[0].options) - 1, interval=500, show_repeat=False)
        widgets.link((button, "value"), (rows[0], "index"))
        rows[0] = widgets.HBox([button, rows[0]])
    caption = widgets.HTML(f"<small>{html.escape(_described(alt))}</small>")
    return widgets.VBox([*rows, widget, message, caption])


def _follow(widget: Any, shown: Spec, drawn: Spec) -> Spec:
    """Turn the figure on a FigureWidget into the next one; returns what is there then."""
    (before, after), (_, step) = updates([shown, drawn])
    if len(before["data"]) > len(widget.data):
        widget.data, after["data"], step["traces"] = (), drawn["data"], []
    with widget.batch_update():
        for i, change in zip(step["traces"], step["data"], strict=False):
            _set(widget.data[i], change)
        _set(widget.layout, step["layout"])
    if not widget.data:
        widget.add_traces(after["data"])
    return after


def _set(target: Any, change: Spec) -> None:
    for path, value in _flat(change).items():
        target[path] = value


def _control(name: str, values: list[Any]) -> Any:
    import ipywidgets as widgets

    options = [(_label(value), i) for i, value in enumerate(values)]
    wide = {"description_width": "initial"}
    if _are_numbers(values):
        return widgets.SelectionSlider(
            options=options, description=_words(name), style=wide, layout={"width": "480px"}, continuous_update=True
        )
    return widgets.ToggleButtons(options=options, description=_words(name), style=wide)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Real) and not isinstance(value, bool) for value in values)


def _label(value: Any) -> str:
    text = str(value)
    return f"{value:.6g}" if isinstance(value, float | np.floating) and len(text) > 8 else text


def _words(name: str) -> str:
    return name.replace("_", " ")


def _spread(size: int, keep: int) -> list[int]:
    """So many of the numbers below `size`, evenly, with both ends."""
    return [round(i * (size - 1) / (keep - 1)) for i in range(keep)] if keep > 1 else [0]


def _thinned(sizes: Sequence[int], most: int) -> list[int]:
    """How many values of each parameter to keep: the first gives up values only when the others have few."""
    kept = list(sizes)
    while math.prod(kept) > most:
        others = [i for i in range(1, len(kept)) if kept[i] > FEW]
        few = [i for i in range(len(kept)) if kept[i] > 1]
        if others:
            longest = max(others, key=lambda i: (kept[i], i))
        elif kept[0] > FEW:
            longest = 0
        else:
            longest = few[-1]
        kept[longest] -= 1
    return kept


def _described(alt: str) -> str:
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows, for those who do not see it")
    return " ".join(alt.split())


def _bundle(fig: "Figure") -> dict[str, Any]:
    """Plotly's JSON with short numbers and without random ids: the same bytes at each build."""
    clean = _plain(fig)
    size = len(json.dumps(clean))
    if size > MAX_BYTES:
        raise ValueError(f"the figure takes {size:,} bytes, at most {MAX_BYTES:,} can be stored; give fewer points")
    return clean


def _plain(value: Any) -> Any:
    if hasattr(value, "to_plotly_json"):
        value = value.to_plotly_json()
    if isinstance(value, dict) and "bdata" in value:  # an array as plotly packs it
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        shape = [int(n) for n in str(value.get("shape", "-1")).split(",")]
        return _plain(array.reshape(shape).tolist())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "uid"}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)  # such as a date


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
