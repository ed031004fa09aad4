"""What an exercise is made of. The chapters declare them; `workbook.exercises.engine` runs them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One call of the learner's function.

    `args` makes fresh arguments at each call, so that an answer that changes them spoils nothing.
    `expected` is the result worked out by hand, shown to the learner; where it is None the
    reference is asked.
    """

    name: str
    args: Callable[[], tuple]
    expected: Any = None


@dataclass(frozen=True)
class Call:
    """One call and what came of it: a result or an error, the arguments it changed, what it printed."""

    case: Case
    args: tuple
    result: Any = None
    error: BaseException | None = None
    changed: tuple[int, ...] = ()
    printed: str = ""


@dataclass(frozen=True)
class Property:
    """Something that must hold for every right answer, such as "padding changes nothing".

    `check` gets the learner's function and returns None, or one sentence that says what it saw.
    """

    name: str
    check: Callable[[Answer], str | None]


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation that people really write, and what to say to them.

    The check recognizes a mistake by its output: the learner's function gives, on every case, what
    `implementation` gives. `diagnosis` names the mistake and why it is one, in words, without
    showing the solution.
    """

    name: str
    implementation: Answer
    diagnosis: str
    section: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise: its reference, its cases, its properties, its known mistakes, its hints.

    `reference` is a function of the package. `another` is a second right implementation, written
    differently; a test proves that the check accepts it. `section` is the heading to reread.
    """

    id: str
    title: str
    difficulty: str  # "easy", "medium" or "hard"
    minutes: int
    section: str
    reference: Answer
    another: Answer
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str, str]
    properties: tuple[Property, ...] = ()
    gradient: bool = False  # each tensor of floats must get the gradient that the reference gives it
    tolerance: float = 1e-5
    signature: str = field(default="")  # the comment of the stub: "(B, T, D), (B, T) -> (B, D)"
