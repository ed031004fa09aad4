"""How one figure follows another in place, so that it looks like a fresh draw.

Plotly lays an update over what is drawn already: what the next figure does not mention stays as it was.
So an update sets all in which the figures differ, None where the next one has nothing, and a figure
with fewer traces than another has invisible ones in their places.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any

from workbook.figures.plain import Spec

LISTS = ("annotations", "images", "shapes")  # plotly merges these item by item
AXIS = re.compile(r"[xyz]axis\d*$|radialaxis$")


def updates(specs: Sequence[Spec]) -> tuple[list[Spec], list[Spec]]:
    """Figures that can follow one another, and what each must set to look the same after any of the others.

    Args:
        specs: the figures, as from `spec`. They should share the kind of their subplots: a pie that takes the
            place of bars leaves empty axes behind.
    Returns:
        The figures with equally many traces, annotations and shapes; and for each its update, in the form
        of a plotly frame: the changes of some traces as "data", their positions as "traces", and "layout".
    """
    data = _padded(_named([spec["data"] for spec in specs]))
    layouts = [dict(spec["layout"]) for spec in specs]
    for name in LISTS:
        for layout, items in zip(layouts, _padded([layout.get(name, []) for layout in layouts]), strict=True):
            if items:
                layout[name] = items
    changes = [differences(rows) for rows in zip(*data, strict=True)]
    moving = [i for i, rows in enumerate(changes) if rows[0]]
    steps = [
        {"data": [nested(changes[i][k]) for i in moving], "traces": moving, "layout": nested(layout)}
        for k, layout in enumerate(differences(layouts))
    ]
    return [{"data": d, "layout": layout} for d, layout in zip(data, layouts, strict=True)], steps


def differences(states: Sequence[Spec]) -> list[dict[tuple, Any]]:
    """All paths in which some of the states differ, and for each state what it has there, None for nothing."""
    flats = [flat(state) for state in states]

    def differs(path: tuple) -> bool:
        return len({repr(values.get(path)) for values in flats}) > 1  # by text: True == 1 in Python, not in plotly

    paths = [path for path in dict.fromkeys(itertools.chain(*flats)) if differs(path)]
    for path in [path for path in paths if path[-1] == "range" and len(path) > 1 and AXIS.match(path[-2])]:
        auto = (*path[:-1], "autorange")  # plotly keeps the range that it found: say when to look anew
        for values in flats:
            values.setdefault(auto, None if None in values.get(path, ()) else path not in values)
        paths.append(auto)
    return [{path: values.get(path) for path in dict.fromkeys(paths)} for values in flats]


def kind(item: Spec) -> tuple[str | None, frozenset]:
    """What two traces must share for one to take the other's place: the type, and which attributes are set."""
    return item.get("type"), frozenset(flat(item, inside_lists=True))


def flat(value: Any, inside_lists: bool = False, path: tuple = ()) -> dict[tuple, Any]:
    """Nested dicts as path -> value: {"a": {"b": 1}} is {("a", "b"): 1}."""
    if inside_lists and isinstance(value, list) and value and isinstance(value[0], dict):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {path: value}
    return {p: leaf for key, item in value.items() for p, leaf in flat(item, inside_lists, (*path, key)).items()}


def nested(values: dict[tuple, Any]) -> Spec:
    """The way back from `flat`."""
    result: Spec = {}
    for (*parents, last), value in values.items():
        target = result
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return result


def _named(figures: Sequence[list[Spec]]) -> list[list[Spec]]:
    """Where traces will change places, those without a name get the one that plotly gives by the place."""
    if len({tuple(map(kind, traces)) for traces in figures}) == 1:
        return list(figures)
    return [[{"name": f"trace {i}", **trace} for i, trace in enumerate(traces)] for traces in figures]


def _padded(figures: Sequence[list[Spec]]) -> list[list[Spec]]:
    """Lists of equal length, in which items at one place are alike, and invisible where a figure has none."""
    slots, rows = _aligned(figures)
    missing = [any(row[i] is None for row in rows) for i in range(len(slots))]
    padded = []
    for row in rows:
        items = []
        for (type_, _), item, sometimes in zip(slots, row, missing, strict=True):
            if item is None:
                items.append({**({"type": type_} if type_ else {}), "visible": False})
            else:
                items.append({"visible": True, **item} if sometimes else item)
        padded.append(items)
    return padded


def _aligned(figures: Sequence[list[Spec]]) -> tuple[list[tuple], list[list[Spec | None]]]:
    """Slots that hold the items of every figure in its own order, for what is drawn later lies above."""
    slots: list[tuple] = []
    for items in figures:
        at = 0
        for item in items:
            if (own := kind(item)) in slots[at:]:
                at = slots.index(own, at) + 1
            else:
                slots.insert(at, own)
                at += 1
    rows = []
    for items in figures:
        row: list[Spec | None] = [None] * len(slots)
        at = 0
        for item in items:
            at = slots.index(kind(item), at)
            row[at] = item
            at += 1
        rows.append(row)
    return slots, rows
