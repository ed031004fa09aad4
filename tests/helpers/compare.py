"""What counts as the same output of a cell on another machine.

Text: integers and words exactly, printed decimals to one unit in the last printed place. Lines that
begin with "measured:" hold exact outcomes of training and are not compared. Figures: every number to
three digits, arrays decoded first, everything else exactly.
"""

import base64
import math
import re
from typing import Any

import numpy as np

NUMBER = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")
MEASURED = re.compile(r"(?<![^\n>])[ ]*measured:[^\n<]*")  # at the head of a line or of a paragraph of HTML
DIGITS, NEAR_ZERO = 2e-3, 1e-4


class Text(str):
    """Printed text that equals another up to its last printed decimals."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and same_text(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Data(dict):
    """A figure's JSON that equals another to three digits."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and same_data(dict(self), dict(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


def same_text(a: str, b: str) -> bool:
    """Whether two printed texts are the same but for rounding."""
    a, b = (MEASURED.sub("measured:", str(text)) for text in (a, b))
    if NUMBER.split(a) != NUMBER.split(b):
        return False
    return all(same_decimal(x, y) for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True))


def same_decimal(a: str, b: str) -> bool:
    """Whether two printed decimals differ by at most one unit in the last printed place."""
    unit = max(last_place(a), last_place(b))
    return abs(float(a) - float(b)) <= unit * 1.001


def last_place(number: str) -> float:
    """What one unit in the last printed place is worth: 0.01 for "1.25", 0.1 for "3.4"."""
    mantissa, _, exponent = number.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def same_data(a: Any, b: Any) -> bool:
    """Whether two pieces of a figure's JSON are the same to three digits."""
    a, b = decoded(a), decoded(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_data(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_data, a, b))
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=DIGITS, abs_tol=NEAR_ZERO)
    return bool(a == b)


def decoded(value: Any) -> Any:
    """Plotly's typed arrays, {"dtype", "bdata"}, as lists."""
    if isinstance(value, dict) and {"dtype", "bdata"} <= value.keys():
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        return array.astype(float).tolist()
    return value


def comparable(value: Any) -> Any:
    """Wrap an output so that nbval's plain == compares it by these rules."""
    if isinstance(value, str):
        return Text(value)
    return Data(value) if isinstance(value, dict) else value
