"""The static rendering: one figure with a slider of plotly's own, which needs no kernel.

Each position of the slider holds what one combination of values sets in the figure. With a play button
the same updates are the frames of an animation.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbook.figures.choices import are_numbers, label, spread, thinned, words
from workbook.figures.plain import MAX_BYTES, Spec, num_bytes, plain, spec
from workbook.figures.updates import flat, updates

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_COMBINATIONS = 40
ROOM = 105  # pixels below the figure for the slider


def stored(
    function: Callable[..., "Figure"], parameters: dict[str, list[Any]], play: bool = False
) -> tuple["Figure", int]:
    """A figure with a position of its slider for each combination of values, the first parameter moving fastest.

    Where the combinations would be more than 40, or too many for 300 kB, the values are thinned evenly.

    Args:
        function: called with one value of each parameter, returns a plotly Figure.
        parameters: name -> values.
        play: add a button that runs through them, if the first parameter has numbers.
    Returns:
        The figure, and how many combinations it holds.
    Raises:
        TypeError: the function returns no Figure.
        ValueError: an axis that is to be played has no range.
    """
    sizes = [len(values) for values in parameters.values()]
    play = play and are_numbers(next(iter(parameters.values())))
    drawn: dict[tuple[int, ...], Spec] = {}
    most = MAX_COMBINATIONS
    while True:
        kept = [spread(size, keep) for size, keep in zip(sizes, thinned(sizes, most), strict=True)]
        rows = [row[::-1] for row in itertools.product(*reversed(kept))]
        choices = [{name: parameters[name][i] for name, i in zip(parameters, row, strict=True)} for row in rows]
        for row, choice in zip(rows, choices, strict=True):
            if row not in drawn:
                drawn[row] = spec(function(**choice))
        fig = with_slider([drawn[row] for row in rows], choices, math.prod(sizes), play)
        size = num_bytes(plain(fig))
        if size <= MAX_BYTES or len(rows) == 1:
            return fig, len(rows)
        most = max(1, min(len(rows) - 1, len(rows) * MAX_BYTES // size))


def with_slider(specs: Sequence[Spec], choices: Sequence[dict[str, Any]], total: int, play: bool) -> "Figure":
    """One figure that can become each of the given ones.

    Args:
        specs: the figures.
        choices: for each of them the values that it was drawn for.
        total: how many there would be if none was left out.
        play: make them the frames of an animation with a play button.
    Raises:
        ValueError: an axis that is to be played has no range.
    """
    import plotly.graph_objects as go

    if play:
        _check_ranges(specs)
    figures, steps = updates([{**spec, "layout": _with_room(spec["layout"])} for spec in specs])
    fig = go.Figure(figures[0])
    if play:
        fig.frames = [go.Frame(name=str(i)) for i in range(len(steps))]
        for frame, step in zip(fig.frames, steps, strict=True):
            frame._props.update(step)  # go.Frame(…) would drop the None that takes an attribute back
        calls = [{"method": "animate", "args": [[str(i)], _pace(0)]} for i in range(len(steps))]
        fig.update_layout(updatemenus=[_buttons()])
    else:
        calls = [{"method": "update", "args": arguments(figures[0], step)} for step in steps]
    texts = [" · ".join(map(label, choice.values())) for choice in choices]
    left_out = f"   ({len(choices)} of {total} combinations)" if len(choices) < total else ""
    slider = {
        "active": 0,
        "steps": [{"label": text} for text in texts],
        "currentvalue": {"prefix": " · ".join(map(words, choices[0])) + ": ", "suffix": left_out},
        "pad": {"t": 60, "l": 95 if play else 3 * len(texts[0]), "r": 3 * len(texts[-1])},  # half of the outer labels
    }
    fig.update_layout(sliders=[slider])
    for target, call in zip(fig.layout.sliders[0].steps, calls, strict=True):
        target._props.update(call)
    return fig


def arguments(first: Spec, step: Spec) -> list[Any]:
    """A step as the arguments of Plotly.update: path -> one value per trace, path -> value, the traces.

    `update`, unlike a frame, lets plotly look anew for the ranges of axes that have none.
    """
    changes = [flat(change) for change in step["data"]]
    before = [flat(first["data"][i]) for i in step["traces"]]
    paths = dict.fromkeys(itertools.chain(*changes))
    data = {
        ".".join(path): [change.get(path, same.get(path)) for change, same in zip(changes, before, strict=True)]
        for path in paths
    }
    return [data, {".".join(path): value for path, value in flat(step["layout"]).items()}, step["traces"]]


def _check_ranges(specs: Sequence[Spec]) -> None:
    for letter in "xy":
        names = {trace.get(f"{letter}axis", letter) for spec in specs for trace in spec["data"]}
        for name in sorted(names):
            axis = f"{letter}axis{name[1:]}"
            coordinates = {
                repr([trace.get(letter) for trace in spec["data"] if trace.get(f"{letter}axis", letter) == name])
                for spec in specs
            }
            if len(coordinates) > 1 and any("range" not in spec["layout"].get(axis, {}) for spec in specs):
                raise ValueError(
                    f"play needs a range for {axis}: its values move, and plotly does not rescale an axis while it plays; "
                    f"give one that holds them all, such as fig.update_layout({axis}_range=[0, 1])"
                )


def _with_room(layout: Spec) -> Spec:
    return {**layout, "height": (layout.get("height") or 420) + ROOM}


def _buttons() -> dict[str, Any]:
    return {
        "type": "buttons",
        "direction": "left",
        "showactive": False,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 85},
        "buttons": [
            {"label": "▶", "method": "animate", "args": [None, {**_pace(500), "fromcurrent": True}]},
            {"label": "❚❚", "method": "animate", "args": [[None], _pace(0)]},
        ],
    }


def _pace(milliseconds: int) -> dict[str, Any]:
    return {
        "mode": "immediate",
        "frame": {"duration": milliseconds, "redraw": True},
        "transition": {"duration": 0},
    }
