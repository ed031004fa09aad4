"""One figure with a slider that needs no kernel: a frame for each value.

Plotly lays a frame over what is drawn already. Whatever differs between any two frames is therefore
written into all of them, so that every frame looks the same from wherever the slider comes.

Taught in 00.
"""

from collections.abc import Sequence
from typing import Any

from workbook.figures.spec import Spec, changes

_LISTS = ("annotations", "shapes", "images")  # plotly merges these item by item


def with_slider(specs: Sequence[Spec], labels: Sequence[str], name: str, play: bool = False) -> Spec:
    """Join figures into one with a slider.

    Args:
        specs: the figures, from `workbook.figures.spec.plain`.
        labels: what the slider says at each.
        name: what the slider says before each label, such as "temperature".
        play: put a button beside the slider that runs through the figures.

    Taught in 00.
    """
    specs = _same_traces([_same_items(spec, specs) for spec in specs])
    first = specs[0]
    moving = [i for i in range(len(first["data"])) if any(spec["data"][i] != first["data"][i] for spec in specs)]
    paths = {i: _differing([spec["data"][i] for spec in specs]) for i in moving}
    layout_paths = _differing([spec["layout"] for spec in specs])
    frames = []
    for text, spec in zip(labels, specs, strict=True):
        frames.append(
            {
                "name": text,
                "data": [{"type": spec["data"][i]["type"], **_take(spec["data"][i], paths[i])} for i in moving],
                "traces": moving,
                "layout": _take(spec["layout"], layout_paths),
            }
        )
    layout = {**first["layout"], "sliders": [_slider(labels, name, play)]}
    if play:
        layout["updatemenus"] = [_play_button()]
    return {"data": first["data"], "layout": layout, "frames": frames}


def _same_traces(specs: Sequence[Spec]) -> list[Spec]:
    """Give every figure the same traces of the same types; those it lacks are invisible."""
    slots: list[tuple[int, str]] = []  # position and type
    for position in range(max(len(spec["data"]) for spec in specs)):
        for spec in specs:
            if position < len(spec["data"]):
                slot = (position, spec["data"][position].get("type", "scatter"))
                if slot not in slots:
                    slots.append(slot)
    result = []
    for spec in specs:
        own = {(i, trace.get("type", "scatter")): trace for i, trace in enumerate(spec["data"])}
        data = [
            {**own[slot], "type": slot[1], "visible": own[slot].get("visible", True)}
            if slot in own
            else {"type": slot[1], "visible": False}
            for slot in slots
        ]
        result.append({**spec, "data": data})
    return result


def _same_items(spec: Spec, specs: Sequence[Spec]) -> Spec:
    """Give every figure equally many annotations; those it lacks are invisible."""
    layout = dict(spec["layout"])
    for key in _LISTS:
        most = max(len(other["layout"].get(key) or []) for other in specs)
        if most:
            own = [{"visible": True, **item} for item in layout.get(key) or []]
            layout[key] = own + [{"visible": False}] * (most - len(own))
    return {**spec, "layout": layout}


def _differing(values: Sequence[dict[str, Any]]) -> list[str]:
    """The paths at which any of the mappings differs from the first."""
    paths: dict[str, None] = {}
    for value in values[1:]:
        paths.update(dict.fromkeys(changes(values[0], value)))
    return list(paths)


def _take(value: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """The part of a mapping at some paths; None where it has nothing, which resets plotly's value."""
    part: dict[str, Any] = {}
    for path in paths:
        *parents, last = path.split(".")
        source: Any = value
        target = part
        for parent in parents:
            source = source.get(parent) if isinstance(source, dict) else None
            target = target.setdefault(parent, {})
        target[last] = source.get(last) if isinstance(source, dict) else None
    return part


def _slider(labels: Sequence[str], name: str, play: bool) -> dict[str, Any]:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    return {
        "active": 0,
        "currentvalue": {"prefix": f"{name}: " if name else "", "font": {"size": 15}},
        "pad": {"t": 50, "b": 10},
        "x": 0.12 if play else 0,
        "len": 0.88 if play else 1,
        "steps": [{"label": text, "method": "animate", "args": [[text], at_once]} for text in labels],
    }


def _play_button() -> dict[str, Any]:
    run = {"fromcurrent": True, "frame": {"duration": 250, "redraw": True}, "transition": {"duration": 0}}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    return {
        "type": "buttons",
        "direction": "left",
        "showactive": False,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 75},
        "buttons": [
            {"label": "▶", "method": "animate", "args": [None, run]},
            {"label": "❚❚", "method": "animate", "args": [[None], stop]},
        ],
    }
