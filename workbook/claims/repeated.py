"""Was a committed record met, once more and elsewhere? Its verdict, and each of its intervals."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbook.claims.claim import Interval, Verdict
from workbook.support import machine


@dataclass(frozen=True)
class Repeated:
    """What another machine found: kept beside the record, which stays as it is."""

    verdict: str
    intervals: tuple[Interval, ...]
    seeds: tuple[int, ...]
    date: str
    hardware: dict[str, Any]
    versions: dict[str, str]

    def told(self) -> str:
        """One line, such as "repeated 2026-11-30 with 5 seeds on …: holds"."""
        processor = f"{self.hardware.get('processor', '?')}, {self.hardware.get('system', '?')}"
        return f"repeated {self.date} with {len(self.seeds)} seeds on {processor}: {self.verdict}"

    @classmethod
    def now(cls, verdict: Verdict, seeds: tuple[int, ...]) -> "Repeated":
        """Of a run that has just ended, on this machine."""
        return cls(verdict.verdict, verdict.intervals, seeds, datetime.date.today().isoformat(), **machine.describe())

    @classmethod
    def read(cls, fields: dict[str, Any]) -> "Repeated":
        """From the fields of a record's file."""
        intervals = tuple(Interval(*each) for each in fields["intervals"])
        return cls(**{**fields, "intervals": intervals, "seeds": tuple(fields["seeds"])})


def compared(verdict: Verdict, committed: str, intervals: Sequence[Interval]) -> list[str]:
    """Lines that say whether a run meets the record: first the verdict, then each interval that both have.

    Args:
        verdict: of the run.
        committed: the record's verdict.
        intervals: the record's.
    """
    same = "met" if verdict.verdict == committed else "NOT met"
    lines = [f"the record's verdict is {same}: {committed} there, {verdict.verdict} here"]
    here = {each.name: each for each in verdict.intervals}
    for there in intervals:
        if there.name in here:
            mine = here[there.name]
            told = f"{mine.value:+.3f} here, {there.value:+.3f} [{there.low:+.3f}, {there.high:+.3f}] there"
            lines.append(f"  {_relation(mine, there)}: {there.name}: {told}")
    if len(lines) == 1 and intervals:
        lines.append("  this run has none of the record's intervals")
    return lines


def _relation(mine: Interval, there: Interval) -> str:
    """Whether a value lies in the record's interval, or at least the two intervals overlap."""
    if there.low <= mine.value <= there.high:
        return "inside"
    return "near, the intervals overlap" if mine.low <= there.high and there.low <= mine.high else "APART"
