"""What a reader can choose: values in words, and a selection of them where all are too many to store."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

FEW = 3  # values that a parameter keeps while another has more


def checked(parameters: dict[str, Any]) -> dict[str, list[Any]]:
    """The values of each parameter as a list.

    Raises:
        ValueError: there is no parameter, or one has no values.
    """
    if not parameters:
        raise ValueError("explore needs at least one parameter with values, such as temperature=[0.05, 0.1]")
    values = {}
    for name, given in parameters.items():
        try:
            values[name] = [] if isinstance(given, str) else list(given)
        except TypeError:
            values[name] = []
        if not values[name]:
            raise ValueError(f"{name} must be a list with at least one value, got {given!r}; try {name}=[…]")
    return values


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all are numbers, so that they have an order to run through."""
    return all(isinstance(value, Real) and not isinstance(value, bool) for value in values)


def label(value: Any) -> str:
    """A value in a few letters."""
    text = str(value)
    return f"{value:.6g}" if isinstance(value, float | np.floating) and len(text) > 8 else text


def words(name: str) -> str:
    """The name of a parameter as words."""
    return name.replace("_", " ")


def spread(size: int, keep: int) -> list[int]:
    """So many of the numbers below `size`, evenly, with both ends."""
    return [round(i * (size - 1) / (keep - 1)) for i in range(keep)] if keep > 1 else [0]


def thinned(sizes: Sequence[int], most: int) -> list[int]:
    """How many values of each parameter to keep, so that there are at most `most` combinations.

    The first parameter gives up values only when the others have few.
    """
    kept = list(sizes)
    while math.prod(kept) > most:
        others = [i for i in range(1, len(kept)) if kept[i] > FEW]
        if others:
            longest = max(others, key=lambda i: (kept[i], i))
        elif kept[0] > FEW:
            longest = 0
        else:
            longest = max(i for i in range(len(kept)) if kept[i] > 1)
        kept[longest] -= 1
    return kept
