"""Named values of a solution that the learner's code has too: what is right so far, and which one is not."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from workbook.exercises import compare, limits, running
from workbook.exercises.exercise import Answer
from workbook.exercises.seen import Seen, numbers_in
from workbook.exercises.sources import source_of

THEIRS = "__theirs__"  # the name under which a solution's value stands in the learner's code
CALLS = 12  # looked at first; all others only where these agree
Locals = dict[str, tuple[Any, int]]  # name -> its value and the line that gave it


def other_value(seen: Seen) -> Iterator[str]:
    """A named value of the learner's that makes the function right, once that of a solution stands in its place."""
    source = source_of(seen.answer)
    if source is None:
        return
    order = sorted(
        range(len(seen.mine)), key=lambda i: not seen.wrong[i]
    )  # the wrong ones first: they rule out soonest
    few, rest = order[:CALLS], order[CALLS:]
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    steps = [node for node in function.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    globals_ = getattr(inspect.unwrap(seen.answer), "__globals__", {})

    def mends(code: CodeType, calls: list[int], found: list[Locals], name: str) -> bool:
        values = [values.get(name, (None, 0))[0] for values in found]
        return _is_a_step(seen, calls, values) and _mends(seen, calls, code, function.name, globals_, values)

    for text, names in seen.solutions:
        right = _values_of(text, names, seen, few)
        for step in steps:
            own, step.value = step.value, ast.Name(THEIRS, ast.Load())
            code = compile(ast.fix_missing_locations(tree), "<another value>", "exec")
            step.value = own
            for name in right[0] if right else ():
                if mends(code, few, right, name) and (
                    not rest or mends(code, rest, _values_of(text, names, seen, rest), name)
                ):
                    yield f"with another value of `{ast.unparse(step)}` in line {step.lineno} your function is right: look at it, and at what goes into it"
                    return


def _values_of(text: str, names: dict[str, Any], seen: Seen, calls: list[int]) -> list[Locals]:
    """The named values of a solution, call by call."""
    names = dict(names)
    try:
        exec(compile(text, "<solution>", "exec"), names)
    except Exception:
        return []
    theirs = names[next(n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef))]
    return [_locals(theirs, seen.mine[i].args) for i in calls]


def _is_a_step(seen: Seen, calls: list[int], values: list[Any]) -> bool:
    """Whether these are numbers, and not the whole result."""
    same = [
        compare.same_values(value, seen.right[i].result, seen.exercise.tolerance)
        for i, value in zip(calls, values, strict=True)
    ]
    return any(numbers_in(value) is not None for value in values) and not all(same)


def _mends(
    seen: Seen, calls: list[int], code: CodeType, name: str, globals_: dict[str, Any], values: list[Any]
) -> bool:
    """Whether the learner's function is right in these calls, with these values in one place."""
    for i, value in zip(calls, values, strict=True):
        names = {**globals_, THEIRS: compare.snapshot(value)}
        exec(code, names)
        call = running.again(seen.exercise, names[name], seen.mine[i].args, running.Clock(0.5))
        if not running.same_call(seen.exercise, call, seen.right[i], compare.same_values):
            return False
    return True


def milestone(seen: Seen) -> Iterator[str]:
    """The last named value of the solution that the answer has, too, in every call.

    The name of a loop is none: it has another value in each round, and only the last would be compared.
    """
    rounds = _names_of_loops(source_of(seen.answer) or "")
    calls = [i for i, wrong in enumerate(seen.wrong) if wrong][:6]
    for source, globals_ in seen.solutions:
        theirs = _values_of(source, globals_, seen, calls)
        pairs = [(a, _locals(seen.answer, seen.mine[i].args)) for a, i in zip(theirs, calls, strict=False)]
        if not pairs or any(not a or not b for a, b in pairs):
            continue
        met = [name for name in pairs[0][1] if name not in rounds and _is_milestone(name, pairs, seen)]
        if met:
            last = max(met, key=lambda name: pairs[0][1][name][1])
            yield f"`{last}` (line {pairs[0][1][last][1]}) has the right value: look at what is done with it"
            return


def _names_of_loops(source: str) -> set[str]:
    loops = [node.target for node in ast.walk(ast.parse(source)) if isinstance(node, ast.For)]
    return {node.id for target in loops for node in ast.walk(target) if isinstance(node, ast.Name)}


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
