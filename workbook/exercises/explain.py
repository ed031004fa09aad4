"""What can be said about a wrong answer that no known mistake explains, each sentence true of all calls.

The learner's own line that is wrong, found by changes of the code (`edits`) or by named values of the solution
that stand in the answer too (milestones); what the results have to do with the right ones (`relations`); and
what the answer does "as if", found by changes of a solution.
"""

import ast
import inspect
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from workbook.exercises import compare, limits, running
from workbook.exercises.edits import Edit, edits
from workbook.exercises.exercise import Answer, Call, Exercise
from workbook.exercises.milestones import milestone, other_value
from workbook.exercises.relations import bounds, relations
from workbook.exercises.seen import Seen
from workbook.exercises.sources import source_of

TRIES = 2500  # changes that each of the two searches looks at: a number and no time, so that load changes nothing
FIRST, SECOND = 80, 100  # of two changes at once: how many first ones, and how many second ones to each
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
    for sentences in (_static, _repair, other_value, relations, broken, _as_if, _as_if_twice, milestone, bounds):
        if sentences is _as_if_twice and found:
            continue  # two changes at once are looked for only where nothing else is known
        if sentences is other_value and any(" in line " in told for told in found):
            continue  # a place is known already
        with limits.quiet():
            for sentence in islice(sentences(seen), 2):
                shorter = [told for told in found if sentence.startswith(told)]  # the same, and less of it
                found = [told for told in found if told not in shorter]
                if not any(told.startswith(sentence) for told in found):
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
    for edit in _searched(edits(source, [text for text, _ in seen.solutions])):
        function = _defined(edit, globals_)
        if function and all(_agrees(seen, function, seen.right[i]) for i in order):
            line = source.splitlines()[edit.line - 1].strip() if 0 < edit.line <= source.count("\n") + 1 else ""
            part = edit.before if len(edit.before) < len(line) else line
            if edit.around:
                yield f"`{_clip(part)}` in line {edit.line} is right so far: the fault is in what is done with it"
            elif edit.graft:
                yield f"with another value of `{_clip(part)}` in line {edit.line} your function is right: look at it, at what goes into it, and at what is made of it"
            else:
                yield f"look at `{_clip(part)}` in line {edit.line}: a small change there, and nowhere else, makes your function right"
            return


def _as_if(seen: Seen) -> Iterator[str]:
    """A change of a solution that gives what the answer gives."""
    if not _mostly_results(seen):
        return
    order = _wrong_first(seen)
    for source, globals_ in seen.solutions:
        for edit in _searched(edits(source)):
            function = _defined(edit, globals_)
            if function and all(_agrees(seen, function, seen.mine[i]) for i in order):
                if all(_agrees(seen, function, call) for call in seen.right):
                    continue  # the change changes nothing: the answer has the right values, in another form
                yield f"it behaves as if, in a right solution, {edit.words(source_of(seen.answer) or '')}"
                return


def _as_if_twice(seen: Seen) -> Iterator[str]:
    """Two changes of a solution that together give what the answer gives: two mistakes at once."""
    if not _mostly_results(seen):
        return
    order = _wrong_first(seen)
    first_call = seen.mine[order[0]]
    own = source_of(seen.answer) or ""
    end = time.thread_time() + SECONDS
    for source, globals_ in islice(seen.solutions, 1):
        singles = (e for e in edits(source, texts=True) if e.source and _gives_a_result(seen, e, globals_, first_call))
        for first in islice(singles, FIRST):
            for second in islice(edits(first.source), SECOND):
                if time.thread_time() > end:
                    return
                function = _defined(second, globals_)
                if function and all(_agrees(seen, function, seen.mine[i]) for i in order):
                    yield f"it behaves as if, in a right solution, {first.words(own)}, and {second.words(own)}"
                    return


def _mostly_results(seen: Seen) -> bool:
    """Whether at least half of the calls gave a result: errors of one kind tell no change from another."""
    return sum(call.error is None for call in seen.mine) >= len(seen.mine) / 2


def _gives_a_result(seen: Seen, edit: Edit, globals_: dict[str, Any], call: Call) -> bool:
    function = _defined(edit, globals_)
    return function is not None and _again(seen, function, call).error is None


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
    return running.same_call(seen.exercise, _again(seen, function, wanted), wanted, compare.same_values)


def _again(seen: Seen, function: Answer, call: Call) -> Call:
    """The same call, by another function and in half a second at most."""
    return running.again(seen.exercise, function, call.args, running.Clock(0.5))


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
