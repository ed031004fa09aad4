"""What the field asserts, settled by experiment.

Each claim has a rule that was written before the run, an experiment, and a verdict computed from
the measurements by that rule. Two budgets: "notebook" runs in seconds with one seed, in front of
the learner; "record" takes minutes and several seeds, and its result is committed in `records/`.

    settle(9)                       run the small experiment here and now
    settle(10, budget="record")     show the committed record, and the command that repeats it
    python -m workbook claims       the board: every claim with its verdict
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from workbook.claims.card import show_card
from workbook.claims.claim import VERDICTS, Claim, Interval, Measurements, Verdict
from workbook.claims.record import Record, read_record, run_record

__all__ = [
    "CLAIMS", "VERDICTS", "Claim", "Interval", "Measurements", "Record", "Verdict", "board", "read_record", "run_record",
    "settle",
]  # fmt: skip


class _Claims(Mapping[int, Claim]):
    """Claim id -> Claim, read from the `chapter_NN` modules at first use."""

    def __init__(self) -> None:
        self._by_id: dict[int, Claim] = {}

    def _all(self) -> dict[int, Claim]:
        if not self._by_id:
            found: dict[int, Claim] = {}
            for module in sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("chapter_")):
                for claim in importlib.import_module(f"{__name__}.{module}").CLAIMS:
                    if claim.id in found:
                        raise ValueError(
                            f"claim {claim.id} stands twice: in {module} and in chapter {found[claim.id].chapter}"
                        )
                    found[claim.id] = claim
            self._by_id = dict(sorted(found.items()))
        return self._by_id

    def __getitem__(self, id: int) -> Claim:
        claims = self._all()
        if id not in claims:
            raise KeyError(f"no claim {id!r}; there are {', '.join(map(str, claims))}")
        return claims[id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


CLAIMS: Mapping[int, Claim] = _Claims()


def settle(id: int, budget: str = "notebook", seed: int = 0) -> Verdict:
    """Settle a claim and show it as a card: its verdict, its statement, its rule, what was measured.

    Args:
        id: the number of the claim.
        budget: "notebook" runs the small experiment now; "record" shows the committed record of the
            large one, with the command that repeats it.
        seed: the seed of the small experiment.
    Returns:
        the verdict.
    Raises:
        KeyError: there is no such claim.
        ValueError: the budget is neither "notebook" nor "record".
    """
    claim = CLAIMS[id]
    if budget == "notebook":
        verdict = claim.decide(claim.measure("notebook", (seed,)))
        show_card(claim, verdict, f"this run, seed {seed}")
        return verdict
    if budget != "record":
        raise ValueError(f'budget must be "notebook" or "record", got {budget!r}')
    committed = read_record(id)
    if committed is None:
        raise KeyError(f"claim {id} has no committed record; make one with: {record_command(id)}")
    verdict = Verdict(committed.verdict, committed.because, claim.decide(committed.measurements).intervals)
    seeds = f", {len(committed.seeds)} seeds" if claim.seeded else ""
    show_card(claim, verdict, f"committed record{seeds}", record_command(id))
    return verdict


def record_command(id: int) -> str:
    """The command that measures a claim at its record budget."""
    return f"python -m workbook claims run {id} --record"


def board() -> str:
    """The claims with the verdict of each committed record, as a table of text."""
    lines = [f"{'claim':>5}  {'chapter':<7}  {'verdict':<19}  statement"]
    for claim in CLAIMS.values():
        committed = read_record(claim.id)
        verdict = committed.verdict if committed else "no record yet"
        lines.append(f"{claim.id:>5}  {claim.chapter:<7}  {verdict:<19}  {claim.statement}")
    return "\n".join(lines)
