"""Run a learner's answer against an exercise, and find the one thing to say about it.

In this order: not started · raised (which line, which shapes) · contract (kind, shape, dtype, inputs
unchanged, the same twice, gradient) · the cases, the hand-computed ones first · the properties. When
something is wrong, the known mistake that behaves exactly like the answer is named.
"""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from workbook.exercises import compare, example, limits
from workbook.exercises.exercise import Answer, Call, Case, Exercise, Mistake
from workbook.exercises.trace import where_it_broke

SECONDS = 10.0
KEEP = "keep to torch operations, without detach(), item(), numpy() or no_grad()"


@dataclass(frozen=True)
class Finding:
    """What a check found: one of "right", "not started", "raised", "contract", "case", "property".

    `headline` is one sentence, `mistake` the known mistake that behaves like the answer, `example` the
    smallest failing example (ten lines at most), `printed` what the answer printed in it.
    """

    kind: str
    headline: str
    mistake: Mistake | None = None
    example: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Behaviour:
    """All that a check observes of an implementation; two mistakes differ when this does."""

    calls: tuple[Call, ...]
    steady: bool
    gradient: str | None
    properties: tuple[str | BaseException | None, ...]


class _Clock:
    """The seconds that are left of a check; only the learner's function uses them up."""

    def __init__(self, seconds: float):
        self.seconds = self.left = seconds

    def run(self, function: Callable[[], Any]) -> Any:
        start = time.monotonic()
        try:
            return limits.run_limited(function, self.left)
        finally:
            self.left = max(self.left - (time.monotonic() - start), 0.05)


def examine(exercise: Exercise, answer: Answer, seconds: float = SECONDS) -> Finding:
    """Run `answer` against `exercise` and say what was found first. Nothing the answer raises gets out.

    Args:
        exercise: what to check against.
        answer: the learner's function.
        seconds: the answer is stopped after this long.
    """
    if not callable(answer):
        name = getattr(exercise.reference, "__name__", "my_function")
        got = compare.describe(answer)
        return Finding(
            "contract",
            f'expected a function, got {got}; pass its name without brackets: check("{exercise.id}", {name})',
        )
    with limits.undisturbed():
        expected = _expected(exercise)
        clock = _Clock(seconds)
        calls: list[Call] = []
        for case in exercise.cases:
            call = _call(answer, case, clock)
            calls.append(call)
            if len(calls) == 1 and isinstance(call.error, NotImplementedError) and not _raises(expected[0], call):
                return Finding(
                    "not started",
                    "not started yet: replace `raise NotImplementedError` with your code, then run the cell again",
                )
            if isinstance(call.error, limits.TimeLimit):
                return _stopped(exercise, call, clock)
        mine = Behaviour(
            tuple(calls),
            _steady(exercise, answer, calls, clock),
            _gradient(exercise, answer, clock),
            _properties(exercise, answer, clock),
        )
        return _judge(exercise, answer, mine, expected, clock)


def _judge(exercise: Exercise, answer: Answer, mine: Behaviour, expected: list[Call], clock: _Clock) -> Finding:
    """Look at what was observed, in the order of the module's docstring."""
    pairs = list(zip(mine.calls, expected, strict=True))
    raised = [(call, right) for call, right in pairs if call.error is not None and not _raises(right, call)]
    if raised:
        call = min(raised, key=lambda pair: compare.size(pair[0].args))[0]
        assert call.error is not None
        headline = f"your function raised {where_it_broke(answer, call.error)}"
        return _finding(exercise, mine, expected, "raised", headline, example.call_only(answer, exercise, call), call)
    differences = [(call, right, _difference(exercise, call, right)) for call, right in pairs]
    wrong = [(call, right, difference) for call, right, difference in differences if difference]
    formal = [item for item in wrong if item[2].what in compare.FORM]
    if formal:
        call, right, difference = min(formal, key=lambda item: compare.size(item[0].args))
        return _finding(
            exercise,
            mine,
            expected,
            "contract",
            _formal(exercise, call, difference),
            example.beside(answer, exercise, call, right),
            call,
        )
    changed = next((call for call in mine.calls if call.changed), None)
    if changed:
        names = ", ".join(example.names(answer, exercise, changed.args)[i] for i in changed.changed)
        headline = f"your function changes its input {names}: whoever called it still needs the old values; work on a new tensor or a copy"
        return _finding(
            exercise, mine, expected, "contract", headline, example.call_only(answer, exercise, changed), changed
        )
    if not mine.steady:
        headline = "the same input gave two different results: does your function keep something from call to call, or draw random numbers?"
        return _finding(exercise, mine, expected, "contract", headline)
    if wrong:
        by_hand = [item for item in wrong if item[0].case.expected is not None] or wrong
        call, right, difference = min(by_hand, key=lambda item: compare.size(item[0].args))
        found = f"{len(wrong)} of {len(mine.calls)} cases differ from what is expected"
        return _finding(exercise, mine, expected, "case", found, example.beside(answer, exercise, call, right), call)
    if mine.gradient:
        return _finding(exercise, mine, expected, "contract", mine.gradient)
    for rule, seen in zip(exercise.properties, mine.properties, strict=True):
        if isinstance(seen, limits.TimeLimit):
            return _stopped(exercise, mine.calls[0], clock)
        if isinstance(seen, BaseException):
            headline = f"while checking “{rule.name}”, your function raised {where_it_broke(answer, seen)}"
            return _finding(exercise, mine, expected, "raised", headline)
        if seen:
            return _finding(
                exercise,
                mine,
                expected,
                "property",
                f"the cases are right, but this must hold too: {rule.name}. {seen}",
            )
    return Finding("right", "right")


def _finding(
    exercise: Exercise,
    mine: Behaviour,
    expected: list[Call],
    kind: str,
    headline: str,
    lines: list[str] | None = None,
    call: Call | None = None,
) -> Finding:
    printed = limits.printed_lines(call.printed, 5) if call else []
    return Finding(kind, headline, _known_mistake(exercise, mine, expected), tuple(lines or ()), tuple(printed))


def _known_mistake(exercise: Exercise, mine: Behaviour, expected: list[Call]) -> Mistake | None:
    """The known mistake that behaves like the answer in everything, or else gives its results."""
    behaviours: list[tuple[Mistake, Behaviour]] = []
    for mistake in exercise.mistakes:
        clock = _Clock(SECONDS)
        calls = [_call(mistake.implementation, case, clock) for case in exercise.cases]
        steady = _steady(exercise, mistake.implementation, calls, clock)
        gradient, properties = (
            _gradient(exercise, mistake.implementation, clock),
            _properties(exercise, mistake.implementation, clock),
        )
        behaviours.append((mistake, Behaviour(tuple(calls), steady, gradient, properties)))
    for mistake, theirs in behaviours:
        if _same_behaviour(exercise, mine, theirs):
            return mistake
    if all(
        _same_call(exercise, call, right, compare.same_values) for call, right in zip(mine.calls, expected, strict=True)
    ):
        return None  # the results are right, so they tell no mistake from another
    for mistake, theirs in behaviours:
        if all(_same_call(exercise, a, b, compare.same_values) for a, b in zip(mine.calls, theirs.calls, strict=True)):
            return mistake
    return None


def _same_behaviour(exercise: Exercise, a: Behaviour, b: Behaviour) -> bool:
    return (
        all(
            _same_call(exercise, x, y, compare.same) and x.changed == y.changed
            for x, y in zip(a.calls, b.calls, strict=True)
        )
        and a.steady == b.steady
        and bool(a.gradient) == bool(b.gradient)
        and [bool(seen) for seen in a.properties] == [bool(seen) for seen in b.properties]
    )


def _same_call(exercise: Exercise, a: Call, b: Call, same: Callable[[Any, Any, float], bool]) -> bool:
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    return same(a.result, b.result, exercise.tolerance)


def _call(function: Answer, case: Case, clock: _Clock | None) -> Call:
    args = case.args()
    before = [compare.snapshot(arg) for arg in args]
    with limits.quiet() as printed:
        try:
            result = _within(clock, lambda: function(*args))
        except (Exception, SystemExit, limits.TimeLimit) as error:
            return Call(case, tuple(before), error=error, printed=printed.getvalue())
    changed = tuple(i for i, (old, new) in enumerate(zip(before, args, strict=True)) if not _unchanged(old, new))
    return Call(case, tuple(before), compare.snapshot(result), changed=changed, printed=printed.getvalue())


def _within(clock: _Clock | None, function: Callable[[], Any]) -> Any:
    if clock is None:
        return function()
    with limits.memory_limit():
        return clock.run(function)


def _expected(exercise: Exercise) -> list[Call]:
    return [_call(exercise.reference, case, None) for case in exercise.cases]


def _raises(right: Call, call: Call) -> bool:
    """Whether the error is the one that this case asks for."""
    return right.error is not None and isinstance(call.error, type(right.error))


def _difference(exercise: Exercise, call: Call, right: Call) -> compare.Difference | None:
    if right.error is not None:
        name = type(right.error).__name__
        return None if _raises(right, call) else compare.Difference("value", "", f"expected {name} to be raised")
    return compare.first_difference(call.result, right.result, exercise.tolerance)


def _unchanged(old: Any, new: Any) -> bool:
    return compare.same(new, old, 0.0)


def _formal(exercise: Exercise, call: Call, difference: compare.Difference) -> str:
    wanted = (
        f"; the result should be {exercise.signature.split('->')[-1].strip()}" if "->" in exercise.signature else ""
    )
    if call.result is None:
        return "your function returned None: did you forget `return`?"
    if inspect.isgenerator(call.result):
        return "your function returned a generator: use `return` instead of `yield`, or put list(…) around it"
    if inspect.iscoroutine(call.result):
        return "your function returned a coroutine: write `def`, not `async def`"
    return f"{difference.sentence}{wanted if difference.what == 'shape' else ''}"


def _steady(exercise: Exercise, answer: Answer, calls: list[Call], clock: _Clock) -> bool:
    """Whether the cases, called again from last to first, give the same results."""
    if any(call.error for call in calls):
        return True
    again = [_call(answer, call.case, clock) for call in reversed(calls)]
    return all(_same_call(exercise, a, b, compare.same) for a, b in zip(again, reversed(calls), strict=True))


def _gradient(exercise: Exercise, answer: Answer, clock: _Clock) -> str | None:
    """What is wrong with the gradients to the tensors; None where nothing is, or none is asked for."""
    if not exercise.gradient:
        return None
    return next(filter(None, (_gradient_in(case, exercise, answer, clock) for case in exercise.cases)), None)


def _gradient_in(case: Case, exercise: Exercise, answer: Answer, clock: _Clock) -> str | None:
    right = _gradients(case, exercise.reference, clock)
    if isinstance(right, str):
        return None  # a case that asks for an error
    mine = _gradients(case, answer, clock)
    if isinstance(mine, str):
        return mine
    called = example.names(answer, exercise, case.args())
    for i, wanted in right.items():
        found = mine[i]
        if not wanted.isfinite().all():
            continue
        if not found.isfinite().all():
            return f"the gradient to {called[i]} is not finite: somewhere you divide by zero, or take the logarithm or the root of zero"
        if wanted.any() and not found.any():
            return (
                f"the values are right, but no gradient flows back to {called[i]}, so nothing is learned there: {KEEP}"
            )
        if (found - wanted).abs().max() > 1e-3 * (1 + wanted.abs().max()):
            return f"the values are right, but a part of the gradient to {called[i]} is cut off: {KEEP}"
    return None


def _gradients(case: Case, function: Answer, clock: _Clock) -> dict[int, torch.Tensor] | str:
    """The gradient to each tensor of floats among the arguments: position -> gradient."""
    args = list(case.args())
    leaves = {i: a.detach().clone().requires_grad_() for i, a in enumerate(args) if _is_floating(a)}
    for i, leaf in leaves.items():
        args[i] = leaf

    def backward() -> bool:
        result = function(*args)
        if not isinstance(result, torch.Tensor) or not result.requires_grad:
            return False
        weights = torch.linspace(0.5, 1.5, result.numel(), dtype=result.dtype).reshape(result.shape)
        (result * weights).sum().backward()
        return True

    with limits.quiet():
        try:
            flows = _within(clock, backward)
        except (Exception, SystemExit, limits.TimeLimit) as error:
            return f"no gradient flows back: {KEEP}; with tensors that ask for their gradient, it raised {type(error).__name__}: {compare.first_line(error)}"
    if not flows:
        return f"no gradient flows back to the arguments: {KEEP}"
    return {i: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for i, leaf in leaves.items()}


def _is_floating(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _properties(exercise: Exercise, answer: Answer, clock: _Clock) -> tuple[str | BaseException | None, ...]:
    """What each property saw, up to the first that does not hold."""
    seen: list[str | BaseException | None] = []
    for rule in exercise.properties:
        with limits.quiet():
            try:
                seen.append(_within(clock, lambda rule=rule: rule.check(answer)))  # type: ignore[misc]
            except AssertionError as error:
                seen.append(compare.first_line(error) or "it does not")
            except (Exception, SystemExit, limits.TimeLimit) as error:
                seen.append(error)
    return tuple(seen)


def _stopped(exercise: Exercise, call: Call, clock: _Clock) -> Finding:
    words = f"your function was stopped after {clock.seconds:g} s: does a loop never end, or is there a loop where one tensor operation would do?"
    lines = example.call_only(exercise.reference, exercise, call)
    return Finding("raised", words, None, tuple(lines), tuple(limits.printed_lines(call.printed, 5)))
