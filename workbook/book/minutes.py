"""How long a chapter takes: counted from its exercises, its questions and its words, never guessed.

A chapter's source says `{minutes}` where the number belongs: in its head for the core, in each section
whose heading begins with "Further" for that section. Building the notebook fills it in.
"""

import re
from itertools import pairwise
from typing import Any

WORDS_A_MINUTE = 180
MINUTES_A_QUESTION = 1
PLACEHOLDER = "{minutes}"
FURTHER = re.compile(r"^## Further\b", re.MULTILINE)
_EXERCISE = re.compile(r"^# Exercise (\d\d\.\d+) ", re.MULTILINE)
_QUESTION = re.compile(r"""\b(?:predict|quiz|placement)\(([^)]*)\)""")


def sections(cells: list[Any]) -> list[list[Any]]:
    """The cells of the core, then those of each further section; a heading of level two ends one."""
    starts = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    core, further = list(cells[: starts[0] if starts else None]), []
    for start, end in pairwise([*starts, len(cells)]):
        if FURTHER.match(cells[start].source):
            further.append(cells[start:end])
        else:
            core += cells[start:end]
    return [core, *further]


def words(cells: list[Any]) -> int:
    """The words of the text between the code."""
    return sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")


def minutes(cells: list[Any]) -> int:
    """Minutes of a reader, 1 or more: reading, exercises, a minute for each question; without the machine's own time."""
    from workbook.exercises import EXERCISES

    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    exercises = sum(EXERCISES[id].minutes for id in _EXERCISE.findall(code))
    return max(1, round(words(cells) / WORDS_A_MINUTE + exercises + MINUTES_A_QUESTION * _questions(code)))


def _questions(code: str) -> int:
    from workbook.exercises.quiz import asked

    count = 0
    for name, call in ((match.group().split("(")[0], match.group(1)) for match in _QUESTION.finditer(code)):
        ids = re.findall(r'"([^"]+)"', call)
        count += len(asked(*ids)) if name != "predict" and ids else 10 if name == "placement" else 1
    return count


def fill_in(cells: list[Any]) -> None:
    """Put the minutes where the source leaves them open, and fold what goes further."""
    core, *further = sections(cells)
    for part in (core, *further):
        for cell in part:
            if PLACEHOLDER in cell.source and cell.cell_type == "markdown":
                count = minutes(part)
                text = cell.source.replace(f"{PLACEHOLDER} minutes", "1 minute") if count == 1 else cell.source
                cell.source = text.replace(PLACEHOLDER, str(count))
    for part in further:
        part[0].metadata["jp-MarkdownHeadingCollapsed"] = True
