"""What `check` says to answers that nobody planned for.

    python -m tests.exercises.unplanned            the figures: the open answers, the sealed ones, the new
    python -m tests.exercises.unplanned 02.1       each answer to one exercise that may be read, and what it is told
    python -m tests.exercises.unplanned --missed   the open ones that are not told their cause

The answers lie in `unplanned`, those that may be read in `open.toml` and `opened.toml`. Each wrong one carries the label of its
cause, regular expressions that name it, and the lines in which it stands; what `check` prints must match one of
the expressions, or send the reader to one of the lines. Of the sealed ones only the
figures are shown: they are not to be read while the checks are tuned.
"""

import linecache
import math
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbook.exercises import EXERCISES
from workbook.exercises.catalogue import chapters
from workbook.exercises.checking import as_text
from workbook.exercises.engine import examine
from workbook.exercises.solution import solution
from workbook.similarity import cos_sim, normalize

FOLDER = Path(__file__).with_name("unplanned")
PARTS = ("open", "sealed", "new")
BELOW = re.compile(r"\(line (\d+)\) has the right value")
PLACE = re.compile(r"`[^`]+` in line (\d+)|in line (\d+):|`return` in line (\d+)")


@dataclass(frozen=True)
class Answer:
    """One answer of the set: `cause` says what is wrong (or unusual, where it is right)."""

    exercise: str
    right: bool
    cause: str
    code: str
    told: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()  # where the fault stands; 1 is the first line of the code


@dataclass(frozen=True)
class Outcome:
    """What became of it: "told", "example only", "accepted", "rejected" (a right one), or "passed" (a right one)."""

    answer: Answer
    what: str
    text: str


def answers(part: str) -> list[Answer]:
    """The open answers and those that were sealed once, the sealed ones, or the new ones of all chapters."""
    paths = sorted(FOLDER.glob("new_*.toml")) if part == "new" else sorted(FOLDER.glob(f"{part}*.toml"))
    read = [a for path in paths for a in tomllib.loads(path.read_text("utf-8"))["answer"]]
    return [
        Answer(a["exercise"], a["right"], a["cause"], a["code"], tuple(a.get("told", ())), tuple(a.get("lines", ())))
        for a in read
    ]


def function(answer: Answer):
    """The function that an answer's code defines, with its source at hand as in a notebook."""
    names = {
        "torch": torch,
        "np": np,
        "math": math,
        "re": re,
        "F": torch.nn.functional,
        "Counter": Counter,
        "cos_sim": cos_sim,
        "normalize": normalize,
    }
    for id in EXERCISES:
        if id[:2] == answer.exercise[:2] and id < answer.exercise:
            exec(solution(id), names)
    wanted = re.search(r"^def (\w+)", solution(answer.exercise), re.MULTILINE).group(1)
    file = f"<answer {abs(hash(answer.code))}>"
    linecache.cache[file] = (len(answer.code), None, answer.code.splitlines(True), file)
    exec(compile(answer.code, file, "exec"), names)
    return names[wanted]


def outcome(answer: Answer) -> Outcome:
    """Check one answer."""
    finding = examine(EXERCISES[answer.exercise], function(answer))
    text = as_text(EXERCISES[answer.exercise], finding)
    if answer.right:
        return Outcome(answer, "passed" if finding.kind == "right" else "rejected", text)
    if finding.kind == "right":
        return Outcome(answer, "accepted", text)
    mistake = (finding.mistake.name, finding.mistake.diagnosis) if finding.mistake else ()
    heard = "\n".join((finding.headline, *mistake, *finding.said))  # not the title, the example and what to reread
    named = any(re.search(pattern, heard, re.IGNORECASE) for pattern in answer.told)
    placed = any(int(line) in answer.lines for found in PLACE.findall(heard) for line in found if line)
    placed = placed or any(int(line) + 1 == min(answer.lines, default=0) for line in BELOW.findall(heard))
    return Outcome(answer, "told" if named or placed else "example only", text)


def share(outcomes: list[Outcome]) -> float:
    """Of the wrong answers, the share that is told its cause."""
    wrong = [o for o in outcomes if not o.answer.right]
    return sum(o.what == "told" for o in wrong) / len(wrong)


def main(arguments: list[str]) -> None:
    ids = [a for a in arguments if a[:2] in chapters()]
    for part in PARTS[:1] if "--missed" in arguments else PARTS:
        chosen = [a for a in answers(part) if not ids or a.exercise in ids]
        if not chosen:
            continue  # answers to later exercises are all among the new ones
        outcomes = [outcome(a) for a in chosen]
        if part != "sealed" and (ids or "--missed" in arguments):
            for o in outcomes:
                if ids or o.what in ("accepted", "example only", "rejected"):
                    print(f"{'=' * 100}\n[{o.what}] {o.answer.exercise}: {o.answer.cause}\n{o.answer.code}\n{o.text}\n")
        counts = Counter(o.what for o in outcomes)
        print(f"{part}: {share(outcomes):.1%} of {sum(not a.right for a in chosen)} wrong answers are told their cause; {dict(counts)}")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
