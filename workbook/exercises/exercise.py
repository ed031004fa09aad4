"""What an exercise is made of. The chapters declare them; `workbook.exercises.engine` runs them."""

import random
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
class Situation:
    """Something that may be the case with the arguments of a call.

    `name` finishes the sentence "it is wrong only where …", such as "a text is padded on the left";
    `holds` gets the arguments and says whether it is so.
    """

    name: str
    holds: Callable[..., bool]


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
    when: Callable[..., bool] | None = None  # in a reversed exercise: whether these arguments make the mistake


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise: its reference, its cases, its properties, its known mistakes, its hints.

    `reference` is a function of the package. `another` is a second right implementation, written
    differently; a test proves that the check accepts it. `section` is the heading to reread. `draw`
    makes the arguments of a random call; a call counts only where `reference` and `another` agree.
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
    draw: Callable[[random.Random], tuple] | None = None  # arguments of a random call, small ones
    situations: tuple[Situation, ...] = ()  # what may be the case with them
    observe: Callable[[Any, tuple], Any] | None = None  # (result, arguments) -> what is compared; default: the result
    loops: bool = False  # a right answer loops in Python: nothing is to be remarked on it
    may_change: tuple[int, ...] = ()  # arguments that a right answer changes, such as a model that is trained


@dataclass(frozen=True, eq=False)
class Reversed(Exercise):
    """The other way round: the learner finds the smallest input on which a given function is wrong.

    The answer is a function without arguments that returns the input. `right` and `wrong` are the two
    functions, `valid` says what is not allowed about an input (None where all is well), `smallest` is
    the number of numbers, letters and ids in the smallest input that tells them apart.
    """

    right: Answer = field(default=lambda *args: None)
    wrong: Answer = field(default=lambda *args: None)
    valid: Callable[..., str | None] = field(default=lambda *args: None)
    smallest: int = 1
    measure: Callable[..., int] = field(default=lambda *args: 1)  # the size of an input
