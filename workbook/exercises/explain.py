"""What can be said about a wrong answer that no known mistake explains, each sentence true of all calls.

The learner's own line that is wrong, found by changes of the code (`edits`) or by named values of the solution
that stand in the answer too (milestones); what the results have to do with the right ones (`relations`); and
what the answer does "as if", found by changes of a solution.
"""

import ast
import inspect
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Any

import numpy as np
import torch

from workbook.exercises import compare, limits, running
from workbook.exercises.edits import Edit, edits
from workbook.exercises.exercise import Answer, Call, Case, Exercise
from workbook.exercises.relations import Seen, bounds, numbers_in, relations
from workbook.exercises.solution import solution

TRIES = 2500  # changes that each of the two searches looks at: a number and no time, so that load changes nothing
PAIRS = 4000  # pairs of changes
SECONDS = 20.0  # of the processor, for changes that run long
SENTENCES = 3


def explain(
    exercise: Exercise, answer: Answer, mine: tuple[Call, ...], right: tuple[Call, ...], properties: Sequence[Any]
) -> tuple[str, ...]:
    """The first few sentences that hold, those that name a place in the learner's code first.

    Args:
        mine, right: what the answer and the reference did, in the same calls.
        properties: what each property of the exercise saw in the answer.
    """

    def broken(seen: Seen) -> Iterator[str]:
        pairs = zip(exercise.properties, properties, strict=True)
        yield from (f"{rule.name}: that must hold, and {told}" for rule, told in pairs if isinstance(told, str))

    seen = Seen(exercise, answer, mine, right, running.Clock(SECONDS))
    found: list[str] = []
    if not any(seen.wrong):
        return ()  # the results are right: a gradient is lost, or an input changed, and the headline says so
    for sentences in (_static, _repair, relations, broken, _as_if, _as_if_twice, _milestone, bounds):
        if sentences is _as_if_twice and found:
            continue  # two changes at once are looked for only where nothing else is known
        with limits.quiet():
            for sentence in islice(sentences(seen), 2):
                if sentence not in found:
                    found.append(sentence)
        if len(found) >= SENTENCES:
            break
    return tuple(found[:SENTENCES])


# --- what the code shows without being run ----------------------------------------------------


def _static(seen: Seen) -> Iterator[str]:
    """A default value that is shared by all calls; a return that ends a loop in its first turn."""
    source = source_of(seen.answer)
    if source is None:
        return
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for default in node.args.defaults:
                if isinstance(default, ast.List | ast.Dict | ast.Set | ast.Call):
                    yield f"the default value `{ast.unparse(default)}` is made once and shared by all calls: what one call puts in is still there in the next"
        if isinstance(node, ast.For) and _leaves(node.body):
            yield f"the loop in line {node.lineno} ends in its first turn, whatever it meets: only the first item is looked at (`return` in line {_last_return(node)})"


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether these statements return, whatever happens."""
    last = body[-1]
    return isinstance(last, ast.Return) or (
        isinstance(last, ast.If) and bool(last.orelse) and _leaves(last.body) and _leaves(last.orelse)
    )


def _last_return(node: ast.For) -> int:
    return max(child.lineno for child in ast.walk(node) if isinstance(child, ast.Return))


# --- changes of code -------------------------------------------------------------------------


def _repair(seen: Seen) -> Iterator[str]:
    """A place in the learner's code where one change makes everything right."""
    source = source_of(seen.answer)
    if source is None:
        return
    globals_ = getattr(inspect.unwrap(seen.answer), "__globals__", {})
    order = _wrong_first(seen)
    for edit in _searched(edits(source, [text for text, _ in _solutions(seen)])):
        function = _defined(edit, globals_)
        if function and all(_agrees(seen, function, seen.right[i]) for i in order):
            line = source.splitlines()[edit.line - 1].strip() if 0 < edit.line <= source.count("\n") + 1 else ""
            part = edit.before if len(edit.before) < len(line) else line
            if edit.graft:
                yield f"with another value of `{_clip(part)}` in line {edit.line} your function is right: the fault is there, or in what goes into it"
            else:
                yield f"look at `{_clip(part)}` in line {edit.line}: a small change there, and nowhere else, makes your function right"
            return


def _as_if(seen: Seen) -> Iterator[str]:
    """A change of a solution that gives what the answer gives."""
    if not _mostly_results(seen):
        return
    order = _wrong_first(seen)
    for source, globals_ in _solutions(seen):
        for edit in _searched(edits(source)):
            function = _defined(edit, globals_)
            if function and all(_agrees(seen, function, seen.mine[i]) for i in order):
                yield f"it behaves as if {edit.words(source_of(seen.answer) or '')}"
                return


def _as_if_twice(seen: Seen) -> Iterator[str]:
    """Two changes of a solution that together give what the answer gives: two mistakes at once."""
    if not _mostly_results(seen):
        return
    order = _wrong_first(seen)
    first_call = seen.mine[order[0]]
    own = source_of(seen.answer) or ""
    end = time.thread_time() + SECONDS
    for source, globals_ in islice(_solutions(seen), 1):
        singles = [
            edit for edit in edits(source, texts=True) if edit.source and _runs(seen, edit, globals_, first_call)
        ]
        for first in islice(singles, PAIRS // 50):
            for second in islice(edits(first.source), 100):
                if time.thread_time() > end:
                    return
                function = _defined(second, globals_)
                if function and all(_agrees(seen, function, seen.mine[i]) for i in order):
                    yield f"it behaves as if {first.words(own)}, and {second.words(own)}"
                    return


def _mostly_results(seen: Seen) -> bool:
    """Whether at least half of the calls gave a result: errors of one kind tell no change from another."""
    return sum(call.error is None for call in seen.mine) >= len(seen.mine) / 2


def _runs(seen: Seen, edit: Edit, globals_: dict[str, Any], call: Call) -> bool:
    """Whether a change gives a result, and not the right one."""
    function = _defined(edit, globals_)
    if function is None:
        return False
    case = Case("", lambda: tuple(compare.snapshot(a) for a in call.args))
    return running.call(seen.exercise, function, case, running.Clock(0.5)).error is None


def _searched(found: Iterator[Edit]) -> Iterator[Edit]:
    """The first edits, until they have taken too long."""
    end = time.thread_time() + SECONDS / 2
    for number, edit in enumerate(islice(found, TRIES)):
        if number % 50 == 0 and time.thread_time() > end:
            return
        yield edit


def _wrong_first(seen: Seen) -> list[int]:
    """The calls in the order that rules an edit out soonest."""
    return sorted(range(len(seen.mine)), key=lambda i: not seen.wrong[i])


def _agrees(seen: Seen, function: Answer, wanted: Call) -> bool:
    case = Case("", lambda: tuple(compare.snapshot(a) for a in wanted.args))
    found = running.call(seen.exercise, function, case, running.Clock(0.5))
    return running.same_call(seen.exercise, found, wanted, compare.same_values)


def source_of(answer: Answer) -> str | None:
    """The text of one plain `def`; None for a lambda, a class, a function with a closure, or code without a file."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(answer)))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError, IndentationError, ValueError):
        return None
    one = len(tree.body) == 1 and isinstance(tree.body[0], ast.FunctionDef) and not tree.body[0].decorator_list
    return source if one and not getattr(inspect.unwrap(answer), "__closure__", None) else None


def _solutions(seen: Seen) -> Iterator[tuple[str, dict[str, Any]]]:
    """The chapter's solution and the exercise's other right answers, as source with the names that they use."""
    exercise = seen.exercise
    module = inspect.getmodule(exercise.another) or inspect.getmodule(exercise.reference)
    names = {**vars(module)} if module else {}
    names |= {"torch": torch, "np": np, "F": torch.nn.functional}
    written = _only_function(solution(exercise.id))
    if written:
        yield written, {**getattr(inspect.unwrap(seen.answer), "__globals__", {}), **names}
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


def _defined(edit: Edit, globals_: dict[str, Any]) -> Answer | None:
    """The function that a changed code defines."""
    if edit.code is None:
        return None
    names = dict(globals_)
    try:
        exec(edit.code, names)
    except Exception:
        return None
    found = names.get(edit.code.co_names[0])
    return found if callable(found) else None


def _clip(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 70 else f"{text[:69]}…"


# --- milestones ------------------------------------------------------------------------------


def _milestone(seen: Seen) -> Iterator[str]:
    """The last named value of the solution that the answer has, too, in every call."""
    calls = [i for i, wrong in enumerate(seen.wrong) if wrong][:6]
    for source, globals_ in _solutions(seen):
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


Locals = dict[str, tuple[Any, int]]


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
