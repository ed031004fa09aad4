"""`python -m workbook base`: make both encoders, measure them, and put them with their cards into `datasets/base`.

Taught in 10, 11 and 15.
"""

import datetime
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from workbook.base import heads, measure
from workbook.base.card import card, head_card
from workbook.base.make import Plan, make_base, make_start, once, read_once, save_half, teacher_vectors, words_of
from workbook.base.texts import Pair, lookups, pairs
from workbook.data.seen import hashes
from workbook.encoder import TextEncoder
from workbook.encoder.shipped import FOLDER
from workbook.support import machine
from workbook.support.files import write_atomically, write_json, write_npy
from workbook.zoo import load_pretrained

PLAN = Plan()
TEACHER = "all-MiniLM-L6-v2"
Made = TypeVar("Made")


def ship(
    work: Path, dictionary: Path, folder: Path = FOLDER, public: Path | None = None, plan: Plan = PLAN
) -> dict[str, Any]:
    """Everything from the texts to the cards; what the work folder holds already is not done again.

    Args:
        work: keeps the texts, the teacher's vectors and the state of every stage: 1 GB.
        dictionary: the folder of WordNet's data files.
        folder: where the two encoders go.
        public: a folder with public collections in BEIR's layout, to be measured too.
        plan: sizes and steps.
    Returns:
        the figures, as they stand in figures.json.
    Raises:
        FileNotFoundError: the teacher or the dictionary is not on this machine.
        ValueError: the work folder holds a run of another plan.
    """
    work.mkdir(parents=True, exist_ok=True)
    same_plan(work / "plan.json", plan)
    teacher = load_pretrained(TEACHER)
    sources = once(work / "pairs.json", partial(pairs, dictionary))
    read = read_once(teacher, sources, plan, work)
    texts = [text for kind in read.values() for text in kind]
    hours = Hours(work / "hours.json")
    hours.of("teacher", teacher_vectors, teacher, texts, work / "vectors")
    start = save_half(hours.of("start", make_start, teacher, sources, plan, work), folder / "start")
    looked_up = lookups(sources, read, words_of(teacher), plan.pairs_of_a_source, random.Random(plan.seed))
    base = save_half(hours.of("base", make_base, start, sources | looked_up, plan, work), folder / "base")
    seen = hashes(text for of_source in sources.values() for pair in of_source for text in pair)
    write_npy(folder / "seen.npy", seen)
    made = {
        "texts": len(texts), "tuples": len(json.loads((work / "tuples.json").read_text("utf-8"))), "seen": len(seen), "hours": hours.spent,
        **dated(),
    }  # fmt: skip
    encoders = {name: measure.by_one_vector(e) for name, e in {"start": start, "base": base, TEACHER: teacher}.items()}
    figures = measure.measure(encoders, measure.collections(public), base.tokenizer)
    write_json(folder / "figures.json", {"plan": asdict(plan), "made": made, "figures": figures})
    write_cards(folder)
    for name in heads.HEADS:
        ship_head(name, base, sources, work, folder)
    return figures


def ship_head(
    name: str, base: TextEncoder, sources: Mapping[str, Sequence[Pair]], work: Path, folder: Path = FOLDER
) -> None:
    """Train a head on the base, measure it once on the test queries, and put it with its card beside the base.

    Args:
        name: "cross_encoder" or "colbert".
        base: as it is read back from its folder.
        sources, work, folder: as in `ship`; the cross-encoder reads pydocs alone, and the worlds of `planted`.
    """
    work.mkdir(parents=True, exist_ok=True)
    lists, make, read, plan = heads.HEADS[name]
    hours = Hours(work / "hours.json")
    rows = once(work / f"{name}.json", partial(lists, base, sources, plan))
    heads.save_head(hours.of(name, make, base, rows, plan, work / name), folder / name)
    head = read(folder / name, base)
    search = measure.by_reading_again(head, base) if name == "cross_encoder" else measure.by_tokens(head)
    told = json.loads((folder / "figures.json").read_text("utf-8"))
    told.setdefault("heads", {})[name] = {
        "plan": asdict(plan), "lists": len(rows), "hours": hours.spent[name], "made": dated(),
        "figures": measure.measure(
            {"base": measure.by_one_vector(base), name: search}, measure.collections(), base.tokenizer
        ),
    }  # fmt: skip
    write_json(folder / "figures.json", told)
    write_cards(folder)


def dated() -> dict[str, Any]:
    """The day and the machine."""
    return {"date": datetime.date.today().isoformat(), **machine.describe()}


def write_cards(folder: Path = FOLDER) -> None:
    """Write all cards from figures.json."""
    told = json.loads((folder / "figures.json").read_text("utf-8"))
    encoders = [name for name in ("start", "base") if name in told["figures"]["planted"]["systems"]]
    cards = {name: card(name, Plan(**told["plan"]), told["made"], told["figures"]) for name in encoders}
    cards |= {name: head_card(name, of_head) for name, of_head in told.get("heads", {}).items()}  # they are made last
    for name, text in cards.items():
        write_atomically(folder / name / "README.md", text)


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

    def of(self, stage: str, work: Callable[..., Made], *arguments: Any) -> Made:
        """Do the work, and add its time to the stage's, also when it is stopped."""
        begun = time.perf_counter()
        try:
            return work(*arguments)
        finally:
            self.spent[stage] = self.spent.get(stage, 0) + (time.perf_counter() - begun) / 3600
            write_json(self.path, self.spent)
