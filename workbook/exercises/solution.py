"""The solution of an exercise, as the chapter's complete edition has it.

A chapter is written in one place, so the solution is read from there and stands nowhere else.
"""

import re
import textwrap
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "source"
NEXT = SOURCES / "next"  # chapters that are not built yet
MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")


def is_in_preparation(chapter: str) -> bool:
    """Whether a chapter has exercises and no notebook yet, so that no learner meets them."""
    return any(NEXT.glob(f"{chapter}_*.py"))


def solution(id: str) -> str:
    """The cell of an exercise without its marks; an empty text where the chapters are not at hand.

    Args:
        id: the number of the exercise, such as "02.1".
    Returns:
        the code, with the comment that names the exercise.
    """
    for path in SOURCES.rglob(f"{id.split('.')[0]}_*.py"):
        cell = re.search(
            rf"^# Exercise {re.escape(id)} .*?(?=^# %%|\Z)", path.read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
        if cell:
            lines = [line for line in cell.group().splitlines() if line.strip() not in MARKS]
            return textwrap.dedent("\n".join(lines)).strip()
    return ""
