"""A figure as plain values: short numbers, no packed arrays, no random ids, so each build writes the same bytes."""

import base64
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_BYTES = 295_000  # with the alternative text beside it, an output stays under 300 kB

Spec = dict[str, Any]  # a figure: {"data": [traces], "layout": {…}}


def plain(value: Any) -> Any:
    """A figure or a part of it, as the dicts, lists, numbers and texts that JSON knows.

    Floats keep four digits; NaN and infinity, which JSON lacks, become None, a gap in the drawing.
    """
    if hasattr(value, "to_plotly_json"):
        value = value.to_plotly_json()
    if isinstance(value, dict) and "bdata" in value:  # an array as plotly packs it
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        shape = [int(n) for n in str(value.get("shape", "-1")).split(",")]
        return plain(array.reshape(shape).tolist())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "uid"}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)  # such as a date


def spec(fig: "Figure") -> Spec:
    """The traces and the layout of a figure, without the buttons and sliders of its own and its words.

    Raises:
        TypeError: fig is no figure.
    """
    if not hasattr(fig, "to_plotly_json"):
        raise TypeError(f"the function must return a plotly Figure, got {type(fig).__name__}; does it end with return?")
    values = plain(fig)
    layout = {key: value for key, value in values["layout"].items() if key not in ("sliders", "updatemenus", "meta")}
    return {"data": [{"type": "scatter", **trace} for trace in values["data"]], "layout": layout}


def bundle(fig: "Figure") -> dict[str, Any]:
    """What a notebook stores of a figure.

    Raises:
        ValueError: it is too large.
    """
    values = plain(fig)
    values["layout"].pop("meta", None)  # the words stand beside it, as text
    if (size := num_bytes(values)) > MAX_BYTES:
        raise ValueError(f"the figure takes {size:,} bytes, at most {MAX_BYTES:,} can be stored; give fewer points")
    return values


def num_bytes(values: Any) -> int:
    """The length of plain values as JSON."""
    return len(json.dumps(values))
