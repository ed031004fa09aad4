"""What a learner calls: check an answer, ask for a hint or a solution, see what is done."""

import inspect

from workbook.exercises import catalogue, show, store
from workbook.exercises.buttons import offer
from workbook.exercises.catalogue import EXERCISES
from workbook.exercises.engine import Finding, examine
from workbook.exercises.exercise import Answer, Exercise
from workbook.exercises.running import SECONDS
from workbook.exercises.show import Block, say
from workbook.exercises.solution import is_in_preparation, solution

_HINTS_SHOWN: dict[str, int] = {}  # per kernel, so that a fresh run shows the same again


def check(id: str, answer: Answer, seconds: float = SECONDS) -> Answer:
    """Check your function, say what is wrong with it, and hand back a function that works.

    Args:
        id: the number of the exercise, such as "02.1".
        answer: your function.
        seconds: of the processor, after which it is stopped.
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
    if finding.kind != "right":
        offer(id, Hint=hint, Solution=reveal)
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
    for number in (number for number in catalogue.chapters() if not is_in_preparation(number)):
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


def as_text(exercise: Exercise, finding: Finding) -> str:
    """A finding as `check` prints it."""
    return show.as_text(*_told(exercise, finding))


def _told(exercise: Exercise, finding: Finding) -> tuple[str, str, list[Block]]:
    """A finding as a message: tone, title, blocks."""
    name = f"{exercise.id} · {exercise.title}"
    reference = getattr(exercise.reference, "__name__", "the package's own function")
    if finding.kind == "right":
        return "right", f"{name}: right", [Block(f"It passes, but {sentence}.") for sentence in finding.said]
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
    blocks += [Block(f"· {sentence}.") for sentence in finding.said]
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
