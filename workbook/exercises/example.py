"""The smallest failing example, in ten lines at most: the call, and yours beside what is expected."""

import inspect
from typing import Any

import numpy as np
import torch

from workbook.exercises import compare
from workbook.exercises.exercise import Call, Exercise

LINES = 10
WIDTH = 88
COLUMN = 34


def names(answer: Any, exercise: Exercise, args: tuple) -> list[str]:
    """The names of the arguments, as the learner wrote them, else as the reference has them."""
    for function in (answer, exercise.reference):
        try:
            bound = inspect.signature(function).bind(*args)
        except (TypeError, ValueError):
            continue
        if len(bound.arguments) == len(args):
            return list(bound.arguments)
    return [f"argument {i + 1}" for i in range(len(args))]


def call_only(answer: Any, exercise: Exercise, call: Call) -> list[str]:
    """The name of the case and its arguments."""
    told = [
        (arg, f"{name} = {_short(arg)}")
        for name, arg in zip(names(answer, exercise, call.args), call.args, strict=True)
    ]
    if len(told) > 5:  # numbers share a line: without them nobody can redo the example by hand
        numbers = [line for arg, line in told if isinstance(arg, int | float)]
        others = [line for arg, line in told if not isinstance(arg, int | float)]
        shown = others if len(others) <= 5 else [*others[:4], f"and {len(others) - 4} more arguments"]
        return [call.case.name, *(f"  {line}" for line in (*shown, *([", ".join(numbers)] if numbers else [])))]
    return [call.case.name, *(f"  {line}" for _, line in told)]


def beside(answer: Any, exercise: Exercise, call: Call, right: Call) -> list[str]:
    """The call, and then both results in two columns, or one below the other where they are wide."""
    head = call_only(answer, exercise, call)
    yours: Any = call.error if call.error is not None else call.result
    if right.error is not None:
        return [
            *head,
            f"  yours     {compare.clip(compare.render(yours), WIDTH)}",
            f"  expected  {type(right.error).__name__} is raised",
        ]
    shown = right.result if call.case.expected is None else call.case.expected
    room = LINES - len(head) - 1
    rows = _rows(yours, shown, room)
    if rows is None:
        difference = compare.first_difference(yours, right.result, exercise.tolerance)
        lines = [f"  yours     {_short(yours)}", f"  expected  {_short(right.result)}"]
        return [*head, *lines, *([f"  {compare.clip(difference.sentence, 2 * WIDTH)}"] if difference else [])]
    width = max(len("yours"), *(len(mine) for mine, _ in rows))
    return [
        *head,
        f"  {'yours':<{width}}   expected",
        *(f"  {mine:<{width}}   {theirs}".rstrip() for mine, theirs in rows),
    ]


def _rows(yours: Any, expected: Any, room: int) -> list[tuple[str, str]] | None:
    """Both results row by row, with as many digits as it takes to see them differ; None if too large."""
    for digits in (4, 8):
        left, right = _lines(yours, digits), _lines(expected, digits)
        if max(len(left), len(right)) > room or max(map(len, (*left, *right))) > COLUMN + 10 * (room > 1):
            return None
        left, right = ([*lines, *[""] * (max(len(left), len(right)) - len(lines))] for lines in (left, right))
        if left != right:
            return list(zip(left, right, strict=True))
    return None


def _lines(value: Any, digits: int) -> list[str]:
    array = isinstance(value, torch.Tensor | np.ndarray)
    if (array and value.ndim >= 2 and len(value)) or (
        isinstance(value, list) and value and isinstance(value[0], list | tuple)
    ):
        return [compare.render(row, digits) for row in value]
    if compare.kind(value) == "dict" and value:
        return [f"{compare.render(key)}: {compare.render(item, digits)}" for key, item in value.items()]
    return [compare.render(value, digits)]


def _short(value: Any) -> str:
    """A value in one line: whole where it is small, else its kind and shape."""
    small = compare.size(value) <= 64
    text = compare.render(value) if small else ""
    if isinstance(value, torch.Tensor | np.ndarray):
        named = compare.describe(value)
        if not small or len(text) > WIDTH:
            return named
        return f"{text}   # {named}" if len(text) + len(named) + 5 <= WIDTH else text
    return (
        text
        if small and len(text) <= WIDTH
        else compare.clip(f"{compare.describe(value)}: {compare.render(value)}", WIDTH)
    )
