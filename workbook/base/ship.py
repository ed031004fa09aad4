"""`python -m workbook base`: make both encoders, measure them, and put them with their cards into `datasets/base`.

Taught in 10, 11 and 15.
"""

import datetime
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from workbook.base import measure
from workbook.base.card import card
from workbook.base.make import Plan, make_base, make_start, once, read_once, save_half, teacher_vectors
from workbook.base.texts import pairs
from workbook.data.seen import hashes
from workbook.encoder.shipped import FOLDER
from workbook.support import machine
from workbook.support.files import write_atomically, write_json, write_npy
from workbook.zoo import load_pretrained

PLAN = Plan()
TEACHER = "all-MiniLM-L6-v2"
Made = TypeVar("Made")


def ship(work: Path, folder: Path = FOLDER, public: Path | None = None, plan: Plan = PLAN) -> dict[str, Any]:
    """Everything from the texts to the cards; what the work folder holds already is not done again.

    Args:
        work: keeps the texts, the teacher's vectors and the state of every stage: 1 GB.
        folder: where the two encoders go.
        public: a folder with public collections in BEIR's layout, to be measured too.
        plan: sizes and steps.
    Returns:
        the figures, as they stand in figures.json.
    Raises:
        FileNotFoundError: the teacher is not on this machine.
        ValueError: the work folder holds a run of another plan.
    """
    work.mkdir(parents=True, exist_ok=True)
    same_plan(work / "plan.json", plan)
    teacher = load_pretrained(TEACHER)
    sources = once(work / "pairs.json", pairs)
    read = read_once(teacher, sources, plan, work)
    texts = [text for kind in read.values() for text in kind]
    hours = Hours(work / "hours.json")
    hours.of("teacher", lambda: teacher_vectors(teacher, texts, work / "vectors"))
    start = save_half(hours.of("start", lambda: make_start(teacher, sources, plan, work)), folder / "start")
    base = save_half(hours.of("base", lambda: make_base(start, sources, plan, work)), folder / "base")
    seen = hashes(text for of_source in sources.values() for pair in of_source for text in pair)
    write_npy(folder / "seen.npy", seen)
    made = {
        "texts": len(texts), "tuples": len(json.loads((work / "tuples.json").read_text("utf-8"))), "seen": len(seen), "hours": hours.spent,
        "date": datetime.date.today().isoformat(), **machine.describe(),
    }  # fmt: skip
    figures = measure.measure({"start": start, "base": base, TEACHER: teacher}, measure.collections(public))
    write_json(folder / "figures.json", {"plan": asdict(plan), "made": made, "figures": figures})
    write_cards(folder)
    return figures


def write_cards(folder: Path = FOLDER) -> None:
    """Write both cards from figures.json."""
    told = json.loads((folder / "figures.json").read_text("utf-8"))
    for name in ("start", "base"):
        write_atomically(folder / name / "README.md", card(name, Plan(**told["plan"]), told["made"], told["figures"]))


def same_plan(path: Path, plan: Plan) -> None:
    """Remember the plan of a work folder, and refuse another one."""
    asked = json.loads(json.dumps(asdict(plan)))
    if path.exists() and (there := json.loads(path.read_text("utf-8"))) != asked:
        other = [name for name in asked if asked[name] != there.get(name)]
        raise ValueError(f"{path.parent} holds a run with other {', '.join(other)}; give another --work, or remove it")
    write_json(path, asked)


class Hours:
    """How long each stage took, over all the runs that it needed."""

    def __init__(self, path: Path):
        self.path = path
        self.spent: dict[str, float] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def of(self, stage: str, work: Callable[[], Made]) -> Made:
        """Do the work, and add its time to the stage's, also when it is stopped."""
        begun = time.perf_counter()
        try:
            return work()
        finally:
            self.spent[stage] = self.spent.get(stage, 0) + (time.perf_counter() - begun) / 3600
            write_json(self.path, self.spent)
