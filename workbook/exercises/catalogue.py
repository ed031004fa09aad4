"""Which exercises and questions there are: read from the `chapter_NN` modules when they are needed."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbook.exercises.exercise import Exercise

FOLDER = Path(__file__).parent


class Unknown(KeyError):
    """There is no such exercise, question or chapter. A notebook shows it as one sentence."""

    def __str__(self) -> str:
        return str(self.args[0])

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class _Exercises(Mapping[str, Exercise]):
    """Exercise id -> Exercise, read from the `chapter_NN` modules when they are needed."""

    def __init__(self) -> None:
        self._chapters: dict[str, dict[str, Exercise]] = {}

    def chapter(self, number: str) -> dict[str, Exercise]:
        if number not in self._chapters:
            found = getattr(importlib.import_module(f"workbook.exercises.chapter_{number}"), "EXERCISES", ())
            self._chapters[number] = {exercise.id: exercise for exercise in found}
            if len(self._chapters[number]) != len(found):
                raise ValueError(f"two exercises of chapter {number} have the same id")
        return self._chapters[number]

    def __getitem__(self, id: str) -> Exercise:
        number = str(id).split(".")[0]
        if number in chapters() and id in self.chapter(number):
            return self.chapter(number)[id]
        raise Unknown(nearest("exercise", id, list(self)))

    def __iter__(self) -> Iterator[str]:
        for number in chapters():
            yield from self.chapter(number)

    def __len__(self) -> int:
        return sum(1 for _ in self)


EXERCISES: Mapping[str, Exercise] = _Exercises()


def chapters() -> list[str]:
    """The numbers of the chapters that have exercises or questions, such as "02"."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))
    return [name.removeprefix("chapter_") for name in names if name.startswith("chapter_")]


def nearest(what: str, id: str, ids: list[str]) -> str:
    """Say that an id does not exist, and which ones come near it."""
    close = difflib.get_close_matches(str(id), ids, n=3, cutoff=0.4) or ids[:3]
    return f"no {what} {id!r}; did you mean {', '.join(close)}?" if close else f"no {what} {id!r}; there are none yet"
