"""The code of an answer, and of the right answers to hold it against, as text."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from workbook.exercises.exercise import Answer, Exercise
from workbook.exercises.solution import solution


def source_of(answer: Answer) -> str | None:
    """The text of one plain `def`; None for a lambda, a class, a function with a closure, or code without a file."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(answer)))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError, IndentationError, ValueError):
        return None
    one = len(tree.body) == 1 and isinstance(tree.body[0], ast.FunctionDef) and not tree.body[0].decorator_list
    return source if one and not getattr(inspect.unwrap(answer), "__closure__", None) else None


def solutions_of(exercise: Exercise, answer: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    """The chapter's solution and the exercise's other right answers, as source with the names that they use.

    Args:
        answer: the learner's function; its notebook has the names that the chapter imported.
    """
    module = inspect.getmodule(exercise.another) or inspect.getmodule(exercise.reference)
    names = {**vars(module)} if module else {}
    names |= {"torch": torch, "np": np, "F": torch.nn.functional}
    written = _only_function(solution(exercise.id))
    if written:
        yield written, {**getattr(inspect.unwrap(answer), "__globals__", {}), **names}
    for function in (exercise.another, exercise.reference):
        source = source_of(function)
        if source:
            yield source, {**function.__globals__}


def _only_function(cell: str) -> str | None:
    """The last `def` of a cell."""
    try:
        functions = [node for node in ast.parse(cell).body if isinstance(node, ast.FunctionDef)]
    except SyntaxError:
        return None
    return ast.unparse(functions[-1]) if len(functions) == 1 else None
