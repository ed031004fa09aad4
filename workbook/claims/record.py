"""The committed result of a claim's large experiment, with all that is needed to repeat it."""

import datetime
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbook.claims.claim import Claim, Measurements
from workbook.claims.kept import arms
from workbook.claims.repeated import Repeated
from workbook.support import machine
from workbook.support.files import write_json

FOLDER = Path(__file__).parent / "records"
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Record:
    """A verdict, the measurements behind it, and the conditions they were taken under."""

    claim: int
    statement: str
    rule: str
    verdict: str
    because: str
    measurements: Measurements
    seeds: tuple[int, ...]
    seconds: float
    date: str
    command: str
    hardware: dict[str, Any]
    versions: dict[str, str]
    repeated: tuple[Repeated, ...] = ()  # what other machines found


def run_record(claim: Claim, seeds: tuple[int, ...] = SEEDS) -> Record:
    """Run a claim's experiment at the record budget; one that was stopped goes on. No record is written."""
    start = time.perf_counter()
    with arms(f"claim_{claim.id:02d}") as before:
        measurements = claim.measure("record", seeds)
        verdict = claim.decide(measurements)
    return Record(
        claim=claim.id,
        statement=claim.statement,
        rule=claim.rule,
        verdict=verdict.verdict,
        because=verdict.because,
        measurements=measurements,
        seeds=seeds,
        seconds=round(time.perf_counter() - start + before.seconds, 1),
        date=datetime.date.today().isoformat(),
        command=f"python -m workbook claims run {claim.id} --record",
        **machine.describe(),
    )


def record_path(id: int) -> Path:
    """Where the committed record of a claim lies."""
    return FOLDER / f"claim_{id:02d}.json"


def write_record(result: Record) -> Path:
    """Write a record to its committed place, atomically."""
    write_json(record_path(result.claim), asdict(result))
    return record_path(result.claim)


def append_record(committed: Record, repeated: Repeated) -> Path:
    """Put what this machine found beside a committed record, which stays as it is."""
    return write_record(replace(committed, repeated=(*committed.repeated, repeated)))


def read_record(id: int) -> Record | None:
    """Read the committed record of a claim; None where there is none yet.

    Raises:
        ValueError: the file is not a record.
    """
    path = record_path(id)
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_text("utf-8"))
        repeated = tuple(Repeated.read(each) for each in fields.get("repeated", ()))
        return Record(**{**fields, "seeds": tuple(fields["seeds"]), "repeated": repeated})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path.name} is not a record of a claim ({error}); restore it with git, or run: python -m workbook claims run {id} --record"
        ) from error
