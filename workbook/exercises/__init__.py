"""Exercises that say what is wrong, hints, solutions, questions, and the learner's progress.

    mean_pool = check("02.1", mean_pool)     your function once it is right, the package's until then
    hint("02.1")                             three levels, each call one more
    reveal("02.1")                           a solution, and the package's own source
    progress()                               what is done and what is left
    predict("02.p1"), quiz("02")             questions

How to write an exercise
------------------------
`chapter_NN.py` defines `EXERCISES`, a tuple of `Exercise`, and `QUESTIONS`, a tuple of `Question`.

    EXERCISES = (
        Exercise(
            id="02.1", title="masked mean pooling", difficulty="medium", minutes=10,
            section="Build it",                      # a heading of the chapter, without the ##
            signature="(B, T, D), (B, T) -> (B, D)",
            reference=mean_pool,                     # a function of the package
            another=_by_loop,                        # a second right one, written differently
            gradient=True,                           # each tensor of floats gets the reference's gradient
            cases=(Case("one text, the second token is padding", _two_tokens, torch.tensor([[2.0]])), …),
            properties=(Property("padding changes nothing", _padding_changes_nothing),),
            mistakes=(Mistake("padding is averaged in", _plain_mean, "You divide by T, …"), …),
            hints=("where to look", "what to do", "nearly the code, in words"),
        ),
    )

- The first case is small enough for pencil and paper, and carries its result. `args` is a function
  that makes fresh arguments. Results are compared with the reference's; `expected` is what is shown,
  and a test proves that the two agree. A case for which the reference raises asks for that error.
- A mistake is recognized by its behaviour: its results on all cases, whether it changes its inputs,
  lets a gradient through, and which properties fail. Where two mistakes agree on all of that, the
  first is named, so add a case that tells them apart. Three mistakes at least.
- `diagnosis` says what the answer does and why that is wrong. Neither it nor a hint shows the solution.
- A property returns None, or one sentence on what it saw; an `assert` with a message does too.
- Results may be tensors, arrays, numbers, texts, and lists, dicts, sets and dataclasses of them.
- Random numbers belong in the arguments. Cases take milliseconds: an answer has ten seconds for all.
- `tests/exercises/test_every_exercise.py` proves all of this for every exercise.
"""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping

from workbook.exercises import store
from workbook.exercises.engine import SECONDS, Finding, examine
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property
from workbook.exercises.show import Block, say
from workbook.exercises.solution import solution

__all__ = [
    "EXERCISES", "Case", "Choice", "Exercise", "Finding", "Mistake", "Property", "Question",
    "check", "hint", "predict", "progress", "quiz", "reveal",
]  # fmt: skip


class _Exercises(Mapping[str, Exercise]):
    """Exercise id -> Exercise, read from the `chapter_NN` modules when they are needed."""

    def __init__(self) -> None:
        self._chapters: dict[str, dict[str, Exercise]] = {}

    def chapter(self, number: str) -> dict[str, Exercise]:
        if number not in self._chapters:
            found = getattr(importlib.import_module(f"{__name__}.chapter_{number}"), "EXERCISES", ())
            self._chapters[number] = {exercise.id: exercise for exercise in found}
            if len(self._chapters[number]) != len(found):
                raise ValueError(f"two exercises of chapter {number} have the same id")
        return self._chapters[number]

    def __getitem__(self, id: str) -> Exercise:
        number = str(id).split(".")[0]
        if number in chapters() and id in self.chapter(number):
            return self.chapter(number)[id]
        raise KeyError(nearest("exercise", id, list(self)))

    def __iter__(self) -> Iterator[str]:
        for number in chapters():
            yield from self.chapter(number)

    def __len__(self) -> int:
        return sum(1 for _ in self)


EXERCISES: Mapping[str, Exercise] = _Exercises()

_HINTS_SHOWN: dict[str, int] = {}  # per kernel, so that a fresh run shows the same again


def chapters() -> list[str]:
    """The numbers of the chapters that have exercises or questions, such as "02"."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [name.removeprefix("chapter_") for name in names if name.startswith("chapter_")]


def nearest(what: str, id: str, ids: list[str]) -> str:
    """Say that an id does not exist, and which ones come near it."""
    close = difflib.get_close_matches(str(id), ids, n=3, cutoff=0.4) or ids[:3]
    return f"no {what} {id!r}; did you mean {', '.join(close)}?" if close else f"no {what} {id!r}; there are none yet"


def check(id: str, answer: Answer, seconds: float = SECONDS) -> Answer:
    """Check your function, say what is wrong with it, and hand back a function that works.

    Args:
        id: the number of the exercise, such as "02.1".
        answer: your function.
        seconds: it is stopped after this long.
    Returns:
        your function once it is right; until then the package's own, so that the notebook runs on.
    Raises:
        KeyError: there is no such exercise. A wrong answer never raises.
    """
    exercise = EXERCISES[id]
    finding = examine(exercise, answer, seconds)
    tone, title, blocks = _told(exercise, finding)
    message = (
        ""
        if finding.kind == "not started"
        else store.update(lambda saved: _note_try(saved, id, finding.kind == "right"))
    )
    say(tone, title, [*blocks, *([Block(message)] if message else [])])
    return answer if finding.kind == "right" else exercise.reference


def hint(id: str) -> None:
    """Show the next of the three hints of an exercise.

    Raises:
        KeyError: there is no such exercise.
    """
    exercise = EXERCISES[id]
    level = _HINTS_SHOWN[id] = min(_HINTS_SHOWN.get(id, 0) + 1, len(exercise.hints))

    def note(saved: store.Progress) -> None:
        entry = store.entry(saved, "exercises", id)
        entry["hints"] = max(entry.get("hints", 0), level)

    message = store.update(note)
    rest = (
        "There is one more."
        if level == 2
        else "There are two more."
        if level == 1
        else f'Next: reveal("{id}") shows a solution.'
    )
    say(
        "note",
        f"Hint {level} of {len(exercise.hints)} for {id}",
        [Block(exercise.hints[level - 1]), Block(f"{rest} {message}".strip())],
    )


def reveal(id: str) -> None:
    """Show a solution of an exercise, and the package's own function.

    Raises:
        KeyError: there is no such exercise.
    """
    exercise = EXERCISES[id]
    message = store.update(lambda saved: store.entry(saved, "exercises", id).update(revealed=True))
    source = inspect.getsource(inspect.unwrap(exercise.reference))
    place = f"{exercise.reference.__module__}.{exercise.reference.__qualname__}"
    chapter = solution(id)
    blocks = [Block("A solution:"), Block(chapter, "code")] if chapter else []
    blocks += [Block(f"Your answer is compared with `{place}`:"), Block(source, "code")]
    say("note", f"{id} · {exercise.title}", [*blocks, *([Block(message)] if message else [])])


def progress() -> None:
    """Show what is done, what was tried and what is left, chapter by chapter."""
    saved, message = store.read()
    records = saved.get("exercises", {})
    lines: list[str] = []
    for number in chapters():
        exercises = EXERCISES.chapter(number)  # type: ignore[attr-defined]
        done = sum(bool(records.get(id, {}).get("solved")) for id in exercises)
        lines.append(f"Chapter {number}: {done} of {len(exercises)} done")
        lines += [f"  {_state(records.get(id, {}))}  {id} {exercise.title}" for id, exercise in exercises.items()]
    if message:
        lines.append(message)
    say("note", "Your progress", [Block("\n".join(lines) or "there are no exercises yet", "code")])


def _state(record: dict) -> str:
    if record.get("solved"):
        return "✓ done       "
    return f"… tries: {record['tries']:<4}" if record.get("tries") else "○ not started"


def _note_try(saved: store.Progress, id: str, right: bool) -> None:
    entry = store.entry(saved, "exercises", id)
    if not entry.get("solved"):
        entry["tries"] = entry.get("tries", 0) + 1
        entry["solved"] = right


def _told(exercise: Exercise, finding: Finding) -> tuple[str, str, list[Block]]:
    """A finding as a message: tone, title, blocks."""
    name = f"{exercise.id} · {exercise.title}"
    reference = getattr(exercise.reference, "__name__", "the package's own function")
    if finding.kind == "right":
        return "right", f"{name}: right", []
    if finding.kind == "not started":
        advice = (
            f'Until it is right, the notebook goes on with the package\'s `{reference}`. hint("{exercise.id}") helps.'
        )
        return "note", f"{name}: not started", [Block(advice)]
    blocks = [Block(finding.headline)]
    if finding.mistake:
        section = finding.mistake.section or exercise.section
        blocks += [
            Block(f"Known mistake: {finding.mistake.name}", "strong"),
            Block(finding.mistake.diagnosis),
            Block(f"Reread “{section}”."),
        ]
    if finding.example:
        blocks += [
            Block("The smallest failing example:" if finding.kind != "raised" else "In this call:"),
            Block("\n".join(finding.example), "code"),
        ]
    if finding.printed:
        blocks += [Block("There your function printed:"), Block("\n".join(finding.printed), "code")]
    if not finding.mistake:
        blocks.append(Block(f'Reread “{exercise.section}”, or ask for help with hint("{exercise.id}").'))
    return "wrong", f"{name}: not right yet", blocks


from workbook.exercises.quiz import Choice, Question, predict, quiz  # noqa: E402  (it needs `chapters` and `nearest`)
