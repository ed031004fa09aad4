"""An answer and the reference side by side, call by call, and what of them is numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from workbook.exercises import compare, example, running
from workbook.exercises.exercise import Answer, Call, Exercise
from workbook.exercises.sources import solutions_of


@dataclass(frozen=True)
class Seen:
    """An answer, what it did, and what the reference did in the same calls (in the same order)."""

    exercise: Exercise
    answer: Answer
    mine: tuple[Call, ...]
    right: tuple[Call, ...]
    clock: running.Clock

    @cached_property
    def wrong(self) -> list[bool]:
        """Which calls are wrong."""
        pairs = zip(self.mine, self.right, strict=True)
        return [not running.same_call(self.exercise, a, b, compare.same_values) for a, b in pairs]

    @cached_property
    def solutions(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """The right answers to hold this one against, as source with the names that they use."""
        return tuple(solutions_of(self.exercise, self.answer))

    @cached_property
    def numeric(self) -> list[tuple[tuple, np.ndarray, np.ndarray]]:
        """(arguments, yours, expected) of the calls whose results are numbers in the same shape."""
        found = []
        for a, b in zip(self.mine, self.right, strict=True):
            yours, expected = numbers_in(a.result), numbers_in(b.result)
            if a.error is not None or b.error is not None or yours is None or expected is None:
                continue
            if yours.shape == expected.shape and yours.size:
                found.append((a.args, yours, expected))
        return found

    @cached_property
    def all_numeric(self) -> bool:
        """Whether the numbers of nearly every call can be held beside the expected ones."""
        empty = sum(numbers_in(b.result) is not None and numbers_in(b.result).size == 0 for b in self.right)  # type: ignore[union-attr]
        return len(self.numeric) >= 3 and len(self.numeric) + empty == len(self.mine)

    def letters(self) -> list[dict[str, float]]:
        """What a factor may be equal to, call by call: sizes, scalar arguments, lengths of lists, counts of a mask."""
        return [letters_of(self.exercise, args) for args, _, _ in self.numeric]


def numbers_in(value: Any) -> np.ndarray | None:
    """A result as an array of floats; None where it is no number and holds other things."""
    if isinstance(value, Tensor):
        return None if value.is_meta or value.is_complex() else compare.to_array(value).astype(float)
    if isinstance(value, bool | int | float | np.ndarray | np.generic):
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "biuf" else None
    if isinstance(value, Mapping):
        return numbers_in(list(value.values())) if value else None
    if isinstance(value, tuple | list) and all(isinstance(v, bool | int | float | np.generic) for v in value):
        return np.asarray(value, dtype=float)
    return None


def close(a: np.ndarray | float, b: np.ndarray | float) -> bool:
    """Whether two arrays of numbers are the same but for rounding; NaN equals NaN."""
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True))


def letters_of(exercise: Exercise, args: tuple) -> dict[str, float]:
    """What a factor may be equal to in a call: sizes, numbers, lengths, counts; name -> value."""
    names = names_of(exercise, args)
    groups = [part.strip(" ()").split(",") for part in exercise.signature.split("->")[0].split("),")]
    found: dict[str, float] = {}
    for i, (name, value) in enumerate(zip(names, args, strict=True)):
        if isinstance(value, Tensor | np.ndarray):
            letters = [letter.strip() for letter in groups[i]] if i < len(groups) else []
            for axis, size in enumerate(value.shape):
                known = len(letters) == value.ndim and letters[axis].isalnum()
                found[letters[axis] if known else f"the size of axis {axis} of {name}"] = float(size)
            if set(np.unique(np.asarray(value))) <= {0, 1} and value.ndim == 2:
                found[f"the number of ones in the whole {name}"] = float(value.sum())
                found[f"the largest number of ones in a row of {name}"] = float(value.sum(1).max())
                found[f"the number of ones in the first row of {name}"] = float(value[0].sum())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
            found[f"{name} + 1"] = float(value) + 1
        elif isinstance(value, str | list | tuple | Mapping):
            found[f"the length of {name}"] = float(len(value))
        if isinstance(value, Mapping) and all(isinstance(v, int | float) for v in value.values()):
            found[f"the sum of the values of {name}"] = float(sum(value.values()))
            found[f"the number of values above 0 in {name}"] = float(sum(v > 0 for v in value.values()))
            found |= _found_of(args, name, value)
    return found


def _found_of(args: tuple, name: str, judged: Mapping[Any, Any]) -> dict[str, float]:
    """Of a ranking beside its judgements: how many of its first k are judged, and above 0."""
    ranked = next((a for a in args if isinstance(a, list) and all(isinstance(p, str | int) for p in a)), None)
    numbers = [a for a in args if isinstance(a, int) and not isinstance(a, bool)]
    if ranked is None or len(numbers) > 1:  # of two numbers nobody knows which one is k
        return {}
    k = numbers[0] if numbers else len(ranked)
    return {
        f"the number of passages in the first k that {name} holds": float(sum(p in judged for p in ranked[:k])),
        "the number of relevant passages that were found": float(sum(judged.get(p, 0) > 0 for p in ranked[:k])),
        "the smaller of k and the length of the ranking": float(min(k, len(ranked))),
        "the grade of the first relevant passage": float(next((judged[p] for p in ranked if judged.get(p, 0) > 0), 1)),
    }


def names_of(exercise: Exercise, args: tuple) -> list[str]:
    """The names of the arguments, as the reference has them."""
    return example.names(exercise.reference, exercise, args)
