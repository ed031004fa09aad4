"""Run a learner's answer against an exercise, and find what to say about it.

In this order: not started · raised (which line, which shapes) · contract (kind, shape, dtype, inputs
unchanged, the same twice) · the cases, the hand-computed ones first · random calls · gradient · the
properties. When something is wrong, the known mistake that behaves exactly like the answer is named;
where none does, what holds in all calls is said instead.
"""

import inspect
from dataclasses import dataclass, replace

from workbook.exercises import compare, counterexample, example, limits
from workbook.exercises.exercise import Answer, Call, Exercise, Mistake, Reversed
from workbook.exercises.explain import explain
from workbook.exercises.probes import small_case
from workbook.exercises.remarks import remarks
from workbook.exercises.running import (
    SECONDS,
    Behaviour,
    Clock,
    call,
    expected,
    known_mistakes,
    raises,
    random_expected,
    same_call,
)
from workbook.exercises.trace import not_started, where_it_broke


@dataclass(frozen=True)
class Finding:
    """What a check found: one of "right", "not started", "raised", "contract", "case", "property".

    `headline` is one sentence, `mistake` the known mistake that behaves like the answer, `said` what else
    holds in all calls (of a right answer: what it costs), `example` the smallest failing example (ten lines at most), `printed` what the
    answer printed in it.
    """

    kind: str
    headline: str
    mistake: Mistake | None = None
    example: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


PRINTABLE = 12  # numbers and ids in the arguments of a call that can be read at a glance
NOT_STARTED = Finding(
    "not started", "not started yet: replace `raise NotImplementedError` with your code, then run the cell again"
)


def examine(exercise: Exercise, answer: Answer, seconds: float = SECONDS) -> Finding:
    """Run `answer` against `exercise` and say what was found first. Nothing the answer raises gets out.

    Args:
        exercise: what to check against.
        answer: the learner's function.
        seconds: of the processor, after which the answer is stopped.
    """
    if not callable(answer):
        name = getattr(exercise.reference, "__name__", "my_function")
        got = compare.describe(answer)
        return Finding(
            "contract",
            f'expected a function, got {got}; pass its name without brackets: check("{exercise.id}", {name})',
        )
    with limits.undisturbed():
        clock = Clock(seconds)
        if isinstance(exercise, Reversed):
            return _reversed(exercise, answer, clock)
        right = expected(exercise)
        calls: list[Call] = []
        for case in exercise.cases:
            mine = call(exercise, answer, case, clock)
            calls.append(mine)
            if len(calls) == 1 and not_started(answer, mine.error) and not raises(right[0], mine):
                return NOT_STARTED
            if isinstance(mine.error, limits.TimeLimit):
                return _stopped(exercise, mine, clock)
            asked, given = compare.size(right[len(calls) - 1].result), compare.size(mine.result)
            if given > 1000 + 50 * asked:  # to compare and to show it would take minutes
                what = f"your function returned {given} numbers or letters, and {asked} are asked for"
                return Finding("contract", what, example=tuple(example.call_only(answer, exercise, mine)))
        return _Judge(exercise, answer, Behaviour(exercise, answer, tuple(calls), clock), right, clock).finding()


@dataclass(frozen=True)
class _Judge:
    """Looks at what was observed, in the order of the module's docstring."""

    exercise: Exercise
    answer: Answer
    mine: Behaviour
    right: list[Call]
    clock: Clock

    def finding(self) -> Finding:
        cases = list(zip(self.mine.calls, self.right, strict=True))
        drawn = list(zip(self.mine.random, random_expected(self.exercise), strict=True))
        return (
            self._raised(cases)
            or self._form(cases)
            or self._changed()
            or self._unsteady()
            or self._wrong(cases)
            or self._raised(drawn)
            or self._form(drawn)
            or self._wrong(drawn)
            or self._gradient()
            or self._properties()
            or Finding("right", "right", said=tuple(remarks(self.exercise, self.answer)))
        )

    def _raised(self, pairs: list[tuple[Call, Call]]) -> Finding | None:
        raised = [a for a, b in pairs if a.error is not None and not raises(b, a)]
        if not raised:
            return None
        first = min(raised, key=lambda a: compare.size(a.args))
        if isinstance(first.error, limits.TimeLimit):
            return _stopped(self.exercise, first, self.clock)
        assert first.error is not None
        headline = f"your function raised {where_it_broke(self.answer, first.error)}"
        if isinstance(first.error, compare.NotAResult):
            headline = str(first.error)
        return self._tell("raised", headline, example.call_only(self.answer, self.exercise, first), first)

    def _form(self, pairs: list[tuple[Call, Call]]) -> Finding | None:
        """Another kind, shape or dtype than what is asked for."""
        formal = [(a, b, d) for a, b, d in self._differences(pairs) if d.what in compare.FORM]
        if not formal:
            return None
        a, b, difference = min(formal, key=lambda item: compare.size(item[0].args))
        lines = example.beside(self.answer, self.exercise, a, b)
        return self._tell("contract", _formal(self.exercise, a, difference), lines, a)

    def _wrong(self, pairs: list[tuple[Call, Call]]) -> Finding | None:
        wrong = self._differences(pairs)
        if not wrong:
            return None
        by_hand = [item for item in wrong if item[0].case.expected is not None] or wrong
        a, b, _ = min(by_hand, key=lambda item: compare.size(item[0].args))
        headline = f"{len(wrong)} of {len(pairs)} cases differ from what is expected"
        if pairs[0][0] is not self.mine.calls[0]:
            headline = f"the cases are right, but {len(wrong)} of {len(pairs)} random calls {'differs' if len(wrong) == 1 else 'differ'} from what is expected"
        if a.case.expected is None and compare.size(a.args) > PRINTABLE:
            a, b = small_case(self.exercise, self.answer, self.clock) or (a, b)
        return self._tell("case", headline, example.beside(self.answer, self.exercise, a, b), a)

    def _differences(self, pairs: list[tuple[Call, Call]]) -> list[tuple[Call, Call, compare.Difference]]:
        found = [(a, b, _difference(self.exercise, a, b)) for a, b in pairs]
        return [(a, b, d) for a, b, d in found if d]

    def _changed(self) -> Finding | None:
        first = next((a for a in (*self.mine.calls, *self.mine.random) if a.changed), None)
        if first is None:
            return None
        names = ", ".join(example.names(self.answer, self.exercise, first.args)[i] for i in first.changed)
        headline = f"your function changes its input {names}: whoever called it still needs the old values; work on a new tensor or a copy"
        return self._tell("contract", headline, example.call_only(self.answer, self.exercise, first), first)

    def _unsteady(self) -> Finding | None:
        if self.mine.steady:
            return None
        headline = "the same input gave two different results: does your function keep something from call to call, or draw random numbers?"
        return self._tell("contract", headline)

    def _gradient(self) -> Finding | None:
        return self._tell("contract", self.mine.gradient) if self.mine.gradient else None

    def _properties(self) -> Finding | None:
        for rule, seen in zip(self.exercise.properties, self.mine.properties, strict=True):
            if isinstance(seen, limits.TimeLimit):
                return _stopped(self.exercise, self.mine.calls[0], self.clock)
            if isinstance(seen, BaseException):
                headline = f"while checking “{rule.name}”, your function raised {where_it_broke(self.answer, seen)}"
                return self._tell("raised", headline)
            if seen:
                return self._tell(
                    "property", f"the cases are right, but this must hold too: {rule.name}. {seen}"
                )  # fmt: skip
        return None

    def _tell(self, kind: str, headline: str, lines: list[str] | None = None, a: Call | None = None) -> Finding:
        printed = limits.printed_lines(a.printed, 5) if a else []
        found = Finding(kind, headline, None, tuple(lines or ()), tuple(printed))
        mistake = _known_mistake(self.exercise, self.mine, self.right)
        if mistake:
            return replace(found, mistake=mistake)
        mine = (*self.mine.calls, *self.mine.random)
        right = (*self.right, *random_expected(self.exercise))
        return replace(found, said=explain(self.exercise, self.answer, mine, right, self.mine.properties))


def _known_mistake(exercise: Exercise, mine: Behaviour, right: list[Call]) -> Mistake | None:
    """The known mistake that gives the answer's results in every call; where those are right, that behaves like it."""
    results_are_right = _same_results(exercise, mine.calls, right) and _same_results(
        exercise, mine.random, random_expected(exercise)
    )
    alike = [
        (mistake, theirs)
        for mistake, theirs in zip(exercise.mistakes, known_mistakes(exercise), strict=True)
        if _same_results(exercise, mine.calls, theirs.calls) and _same_results(exercise, mine.random, theirs.random)
    ]
    if len(alike) == 1 and not results_are_right:
        return alike[0][0]
    exact = next((mistake for mistake, theirs in alike if _same_behaviour(exercise, mine, theirs)), None)
    return exact if exact or results_are_right or not alike else alike[0][0]


def _same_results(
    exercise: Exercise, a: tuple[Call, ...] | list[Call], b: tuple[Call, ...] | list[Call]
) -> bool:  # fmt: skip
    return all(same_call(exercise, x, y, compare.same_values) for x, y in zip(a, b, strict=True))


def _same_behaviour(exercise: Exercise, a: Behaviour, b: Behaviour) -> bool:
    return (
        all(
            same_call(exercise, x, y, compare.same) and x.changed == y.changed
            for x, y in zip(a.calls, b.calls, strict=True)
        )
        and a.steady == b.steady
        and bool(a.gradient) == bool(b.gradient)
        and [bool(seen) for seen in a.properties] == [bool(seen) for seen in b.properties]
    )


def _difference(exercise: Exercise, a: Call, right: Call) -> compare.Difference | None:
    if right.error is not None:
        name = type(right.error).__name__
        return None if raises(right, a) else compare.Difference("value", "", f"expected {name} to be raised")
    return compare.first_difference(a.result, right.result, exercise.tolerance)


def _formal(exercise: Exercise, a: Call, difference: compare.Difference) -> str:
    wanted = (
        f"; the result should be {exercise.signature.split('->')[-1].strip()}" if "->" in exercise.signature else ""
    )
    if a.result is None:
        return "your function returned None: did you forget `return`?"
    if inspect.isgenerator(a.result):
        return "your function returned a generator: use `return` instead of `yield`, or put list(…) around it"
    if inspect.iscoroutine(a.result):
        return "your function returned a coroutine: write `def`, not `async def`"
    return f"{difference.sentence}{wanted if difference.what == 'shape' else ''}"


def _reversed(exercise: Reversed, answer: Answer, clock: Clock) -> Finding:
    mine = call(exercise, answer, exercise.cases[0], clock)
    if not_started(answer, mine.error):
        return NOT_STARTED
    if isinstance(mine.error, limits.TimeLimit):
        return _stopped(exercise, mine, clock)
    if mine.error is not None:
        return Finding("raised", f"your function raised {where_it_broke(answer, mine.error)}")
    if mine.result is None:
        return Finding("contract", "your function returned None: did you forget `return`?")
    try:
        kind, sentence, mistake, lines = clock.run(lambda: counterexample.judge(exercise, mine.result))
    except limits.TimeLimit:
        return Finding("contract", "with this input the functions do not end in time: find a smaller one")
    return Finding(kind, sentence, mistake, tuple(lines))


def _stopped(exercise: Exercise, a: Call, clock: Clock) -> Finding:
    words = f"your function was stopped after {clock.seconds:g} s: does a loop never end, or is there a loop where one tensor operation would do?"
    lines = example.call_only(exercise.reference, exercise, a)
    return Finding("raised", words, None, tuple(lines), tuple(limits.printed_lines(a.printed, 5)))
