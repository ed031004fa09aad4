"""A figure as plain lists, numbers and texts, and the difference between two of them.

Both renderings of `explore` are made from this: the same numbers on every machine, short enough to
store, and comparable piece by piece.

Taught in 00.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbook.figures.theme import TEMPLATE

Spec = dict[str, Any]


def plain(figure: Any) -> Spec:
    """A plotly figure as {"data": […], "layout": {…}} of plain values, in the look of the workbook.

    Raises:
        TypeError: it is not a plotly figure.

    Taught in 00.
    """
    import plotly.graph_objects as go

    if not isinstance(figure, go.Figure):
        raise TypeError(f"expected a plotly Figure, got {type(figure).__name__}; does your function return it?")
    styled = go.Figure(figure)
    styled.layout.template = TEMPLATE
    spec = _plain(styled.to_plotly_json())
    for trace in spec["data"]:
        trace.pop("uid", None)  # plotly makes them at random
    return {"data": spec["data"], "layout": spec["layout"]}


def changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """What must be set to turn one mapping into another: "marker.size" -> 9, None for what is gone.

    Taught in 00.
    """
    found: dict[str, Any] = {}
    for key in [*old, *(key for key in new if key not in old)]:
        here = f"{path}{key}"
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and (after is None or isinstance(after, Mapping)):
            found |= changes(before, after or {}, f"{here}.")
        elif isinstance(after, Mapping) and before is None:
            found |= changes({}, after, f"{here}.")
        elif before != after:
            found[here] = after
    return found


def label(value: Any) -> str:
    """A parameter's value as a reader wants to see it. Taught in 00."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy arrays and numbers, torch tensors
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # Five significant digits: more than a screen can show, and equal on every machine.
        return float(f"{value:.5g}") + 0.0 if np.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)  # dates
