"""Named values of a solution that the learner's code has too: what is right so far."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from workbook.exercises import compare, limits
from workbook.exercises.exercise import Answer
from workbook.exercises.seen import Seen, numbers_in
from workbook.exercises.sources import solutions_of

Locals = dict[str, tuple[Any, int]]  # name -> its value and the line that gave it


def milestone(seen: Seen) -> Iterator[str]:
    """The last named value of the solution that the answer has, too, in every call."""
    calls = [i for i, wrong in enumerate(seen.wrong) if wrong][:6]
    for source, globals_ in solutions_of(seen.exercise, seen.answer):
        names = dict(globals_)
        try:
            exec(compile(source, "<solution>", "exec"), names)
        except Exception:
            continue
        theirs = names[next(n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))]
        pairs = [(_locals(theirs, seen.mine[i].args), _locals(seen.answer, seen.mine[i].args)) for i in calls]
        if not pairs or any(not a or not b for a, b in pairs):
            continue
        met = [name for name in pairs[0][1] if _is_milestone(name, pairs, seen)]
        if met:
            last = max(met, key=lambda name: pairs[0][1][name][1])
            yield f"`{last}` (line {pairs[0][1][last][1]}) has the right value: look at what is done with it"
            return


def _is_milestone(name: str, pairs: list[tuple[Locals, Locals]], seen: Seen) -> bool:
    """Whether a name has, in each call, a value that a name of the solution has too; the values must vary."""
    if any(name not in mine for _, mine in pairs):
        return False
    if any(isinstance(mine[name][0], int) for _, mine in pairs):
        return False  # a size that both have says nothing
    values = [numbers_in(mine[name][0]) for _, mine in pairs]
    if any(value is None or not value.size for value in values):
        return False
    if len({round(float(x), 6) for value in values if value is not None for x in value.ravel()}) < 2:
        return False
    tolerance = seen.exercise.tolerance
    return any(
        all(
            other in theirs and compare.same_values(mine[name][0], theirs[other][0], tolerance)
            for theirs, mine in pairs
        )
        for other in pairs[0][0]
    )


def _locals(function: Answer, args: tuple) -> Locals:
    """The local names of a function when it ends, with the last line that gave each its value; not its parameters."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return {}
    found: dict[str, tuple[Any, int]] = {}
    before: dict[str, int] = {}
    line = code.co_firstlineno

    def inside(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        nonlocal line
        for name, value in frame.f_locals.items():
            if before.get(name) != id(value):
                before[name] = id(value)
                found[name] = (compare.snapshot(value), line - code.co_firstlineno + 1)
        line = frame.f_lineno
        return inside

    def start(frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        return inside if frame.f_code is code else None

    traced = sys.gettrace()
    try:
        with limits.quiet():
            sys.settrace(start)
            limits.run_limited(lambda: function(*(compare.snapshot(a) for a in args)), 1.0)
    except (Exception, SystemExit, limits.TimeLimit):
        pass
    finally:
        sys.settrace(traced)
    parameters = code.co_varnames[: code.co_argcount]
    return {name: kept for name, kept in found.items() if name not in parameters or kept[1] > 1}
