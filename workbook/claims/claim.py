"""What a claim is made of: a statement, a rule written before the run, an experiment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

NOT_SETTLED = "not settled here"
VERDICTS = ("holds", "holds at scale only", "depends", "misleading", NOT_SETTLED)

Measurements = dict[str, Any]  # JSON: numbers, strings, lists, dicts


class Interval(NamedTuple):
    """A measured difference, with the ends between which other queries and seeds would have put it."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """One of VERDICTS, one sentence with the numbers that decided it, and the intervals among them, to be drawn."""

    verdict: str
    because: str
    intervals: tuple[Interval, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}, got {self.verdict!r}")

    def _ipython_display_(self) -> None:
        """Nothing more: `settle` has shown it."""


@dataclass(frozen=True)
class Claim:
    """A sentence the field repeats, and the experiment that settles it.

    `rule` says in words when the claim holds; `decide` is the same rule in code: it sees nothing
    but the measurements. `measure(budget, seeds)` runs the experiment: `budget` is "notebook"
    (seconds, one seed) or "record" (minutes, several seeds, intervals over queries and seeds).
    """

    id: int
    chapter: str
    statement: str
    rule: str
    measure: Callable[[str, tuple[int, ...]], Measurements]
    decide: Callable[[Measurements], Verdict]
    seeded: bool = True  # False where nothing is drawn by chance
