"""Run an answer and write down all that can be observed of it: results, errors, changes, gradients, properties."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import torch

from workbook.exercises import compare, example, limits
from workbook.exercises.exercise import Answer, Call, Case, Exercise, Property

SECONDS = 10.0
RANDOM_CALLS = 60
KEEP = "keep to torch operations, without detach(), item(), numpy() or no_grad()"


class Clock:
    """The seconds that are left of a check; only the answer that is observed uses them up."""

    def __init__(self, seconds: float):
        self.seconds = self.left = seconds

    def run(self, function: Callable[[], Any]) -> Any:
        """Call `function` within the seconds that are left; what it takes is taken off."""
        used = limits.stopwatch()
        try:
            return limits.run_limited(function, self.left)
        finally:
            self.left = max(self.left - used(), 0.05)


@dataclass(frozen=True)
class Behaviour:
    """All that a check observes of an implementation; two mistakes differ when this does.

    `calls` are the calls of the cases. The rest is observed when it is first asked for: most wrong answers are known
    for what they are before anybody asks for their gradients.
    """

    exercise: Exercise
    answer: Answer
    calls: tuple[Call, ...]
    clock: Clock

    @cached_property
    def random(self) -> tuple[Call, ...]:
        """The calls with drawn arguments."""
        return tuple(call(self.exercise, self.answer, case, self.clock) for case in random_cases(self.exercise))

    @cached_property
    def steady(self) -> bool:
        """Whether the cases, called again from last to first, give the same results."""
        if any(first.error for first in self.calls):
            return True
        again = [call(self.exercise, self.answer, first.case, self.clock) for first in reversed(self.calls)]
        pairs = zip(again, reversed(self.calls), strict=True)
        return all(same_call(self.exercise, a, b, compare.same) for a, b in pairs)

    @cached_property
    def gradient(self) -> str | None:
        """What is wrong with the gradients to the tensors; None where nothing is, or none is asked for."""
        wanted = _wanted(self.exercise)
        told = (_gradient_in(case, right, self.exercise, self.answer, self.clock) for case, right in wanted)
        return next(filter(None, told), None)

    @cached_property
    def properties(self) -> tuple[str | BaseException | None, ...]:
        """What each property saw: None where it holds, a sentence, or an error."""
        return tuple(_property(rule, self.answer, self.clock) for rule in self.exercise.properties)


@lru_cache(maxsize=4)  # a learner stays with an exercise, and so do the tests
def known_mistakes(exercise: Exercise) -> tuple[Behaviour, ...]:
    """What each known mistake does, observed once: what a learner tries again is held against the same."""
    return tuple(_known(exercise, mistake.implementation) for mistake in exercise.mistakes)


def _known(exercise: Exercise, implementation: Answer) -> Behaviour:
    clock = Clock(SECONDS)
    calls = (call(exercise, implementation, case, clock) for case in exercise.cases)
    return Behaviour(exercise, implementation, tuple(replace(each, args=()) for each in calls), clock)


def call(exercise: Exercise, function: Answer, case: Case, clock: Clock | None) -> Call:
    """One call with fresh arguments; the time is limited where there is a clock."""
    args = case.args()
    before = tuple(compare.snapshot(arg) for arg in args)
    entries = [list(arg) if isinstance(arg, list) else None for arg in args]
    result, error, printed = _outcome(exercise, function, args, clock)
    if error is not None:
        return Call(case, before, error=error, printed=printed)
    changed = tuple(
        i
        for i, (old, new) in enumerate(zip(before, args, strict=True))
        if i not in exercise.may_change and (not compare.same(new, old, 0.0) or _other_tensors(entries[i], new))
    )
    return Call(case, before, result, changed=changed, printed=printed)


def again(exercise: Exercise, function: Answer, args: tuple, clock: Clock | None, name: str = "") -> Call:
    """One call with copies of arguments that were there before; whether it changes them is not looked at."""
    case = Case(name, lambda: tuple(compare.snapshot(arg) for arg in args))
    result, error, printed = _outcome(exercise, function, case.args(), clock)
    return Call(case, args, result, error, printed=printed)


def _outcome(
    exercise: Exercise, function: Answer, args: tuple, clock: Clock | None
) -> tuple[Any, BaseException | None, str]:
    """The result of a call or its error, and what was printed."""
    with limits.quiet() as printed:
        try:
            result = _within(clock, lambda: function(*args))
            seen = exercise.observe(result, args) if exercise.observe else result
            return compare.snapshot(seen), None, printed.getvalue()
        except (Exception, SystemExit, limits.TimeLimit) as error:
            return None, error, printed.getvalue()


def _other_tensors(before: list[Any] | None, after: Any) -> bool:
    """Whether an entry of a list gave way to another tensor, be it one with equal numbers."""
    if before is None:
        return False
    return any(a is not b for a, b in zip(before, after, strict=False) if isinstance(a, torch.Tensor))


@cache
def expected(exercise: Exercise) -> list[Call]:
    """What the reference does in each case."""
    return [call(exercise, exercise.reference, case, None) for case in exercise.cases]


@cache
def random_expected(exercise: Exercise) -> list[Call]:
    """What the reference does in the random calls."""
    return [call(exercise, exercise.reference, case, None) for case in random_cases(exercise)]


@cache
def random_cases(exercise: Exercise) -> tuple[Case, ...]:
    """The random calls of an exercise on which `reference` and `another` agree: the same ones each time."""
    found = []
    for seed in range(RANDOM_CALLS if exercise.draw else 0):
        case = Case("a random call", _drawn(exercise, seed))
        first, second = (call(exercise, function, case, None) for function in (exercise.reference, exercise.another))
        if same_call(exercise, first, second, compare.same_values):
            found.append(case)
    return tuple(found)


def _drawn(exercise: Exercise, seed: int) -> Callable[[], tuple]:
    draw = exercise.draw
    assert draw is not None
    return lambda: draw(random.Random(seed))


def same_call(exercise: Exercise, a: Call, b: Call, same: Callable[[Any, Any, float], bool]) -> bool:
    """Whether two calls gave the same result, or raised the same kind of error."""
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    return same(a.result, b.result, exercise.tolerance)


def raises(right: Call, mine: Call) -> bool:
    """Whether the error is the one that this case asks for."""
    return right.error is not None and isinstance(mine.error, type(right.error))


def _property(rule: Property, answer: Answer, clock: Clock) -> str | BaseException | None:
    with limits.quiet():
        try:
            told = _within(clock, lambda: rule.check(answer))
            return told and compare.clip(told, 300)
        except AssertionError as error:
            return compare.first_line(error) or "it does not"
        except (Exception, SystemExit, limits.TimeLimit) as error:
            return error


def _within(clock: Clock | None, function: Callable[[], Any]) -> Any:
    if clock is None:
        return function()
    with limits.memory_limit(), limits.no_tensor_of_itself():
        return clock.run(function)


@cache
def _wanted(exercise: Exercise) -> list[tuple[Case, dict[int, torch.Tensor]]]:
    """The calls whose gradients count, and what the reference gives there.

    Only those in which `another` gives the same: at the edges, such as a vector of zeros, right
    answers differ.
    """
    found = []
    for case in (*exercise.cases, *random_cases(exercise)[: RANDOM_CALLS // 2]) if exercise.gradient else ():
        right = _gradients(case, exercise.reference, None)
        if isinstance(right, str):
            continue  # a case that asks for an error, or a result that does not depend on the tensors
        other = _gradients(case, exercise.another, None)
        if _same_gradients(right, other):
            found.append((case, right))
    return found


def _same_gradients(right: dict[int, torch.Tensor], other: dict[int, torch.Tensor] | str) -> bool:
    return not isinstance(other, str) and all(
        torch.allclose(g, other[i], rtol=1e-3, atol=1e-4) for i, g in right.items()
    )


def _gradient_in(
    case: Case, right: dict[int, torch.Tensor], exercise: Exercise, answer: Answer, clock: Clock
) -> str | None:
    mine = _gradients(case, answer, clock)
    if isinstance(mine, str):  # of a result that is a constant, such as that of empty texts only, none is asked for
        return mine if any(wanted.any() for wanted in right.values()) else None
    called = example.names(answer, exercise, case.args())
    for i, wanted in right.items():
        found = mine[i]
        if not wanted.isfinite().all():
            continue
        if not found.isfinite().all():
            return f"the gradient to {called[i]} is not finite: somewhere you divide by zero, take the logarithm or the root of zero, or let exp overflow"
        if found.abs().max() > 1e-5 and not wanted.any():
            return f"the values are right, but a gradient flows into {called[i]}, and none may: take it out of the graph with detach()"
        if wanted.abs().max() > 1e-5 and not found.any():
            return (
                f"the values are right, but no gradient flows back to {called[i]}, so nothing is learned there: {KEEP}"
            )
        if (found - wanted).abs().max() > 1e-2 * (1 + wanted.abs().max()):
            return f"the values are right, but a part of the gradient to {called[i]} is cut off: {KEEP}"
    return None


def _gradients(case: Case, function: Answer, clock: Clock | None) -> dict[int, torch.Tensor] | str:
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
