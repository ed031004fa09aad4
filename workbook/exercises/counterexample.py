"""What an input is worth that should show a mistake: is it allowed, does it show the mistake, is it the smallest?"""

from typing import Any

from workbook.exercises import compare
from workbook.exercises.exercise import Mistake, Reversed


def judge(exercise: Reversed, result: Any) -> tuple[str, str, Mistake | None, list[str]]:
    """The kind of finding, a sentence, the known mistake and the lines of an example; all is well where it is "right".

    Args:
        exercise: the two functions that have to differ, and what an input may be.
        result: what the learner's function returned: the arguments as a tuple, or the only one.
    """
    args = result if isinstance(result, tuple) else (result,)
    try:
        complaint = exercise.valid(*args)
    except Exception as error:
        wanted = exercise.signature.split("->")[-1].strip()
        complaint = (
            f"return {wanted}; got {compare.article(compare.describe(result))}"
            if isinstance(error, TypeError)
            else f"this is not an input that the function takes: {compare.first_line(error)}"
        )
    if complaint:
        return "contract", complaint, _known(exercise, args, refused=True), []
    try:
        good = exercise.right(*compare.snapshot(args))
        bad = exercise.wrong(*compare.snapshot(args))
    except Exception as error:
        sentence = f"the function cannot be called with this: {type(error).__name__}: {compare.first_line(error)}"
        return "contract", sentence, _known(exercise, args), []
    lines = [f"{name}  {compare.clip(compare.render(value), 80)}" for name, value in (("right", good), ("wrong", bad))]
    if compare.same_values(bad, good, exercise.tolerance):
        sentence = "on this input both functions give the same, so it does not show the mistake"
        return "case", sentence, _known(exercise, args), lines
    size = exercise.measure(*args)
    if size > exercise.smallest:
        sentence = f"it shows the mistake, and a smaller input does, too: yours has size {size}, the smallest {exercise.smallest}"
        return "property", sentence, _known(exercise, args), lines
    return "right", "", None, lines


def _known(exercise: Reversed, args: tuple, refused: bool = False) -> Mistake | None:
    """The first known mistake whose condition these arguments meet; of a refused input, only one that is refused itself."""
    for mistake in exercise.mistakes:
        assert mistake.when is not None, "a mistake of a reversed exercise says when it is met"
        try:
            if mistake.when(*args) and (not refused or _is_refused(exercise, mistake)):
                return mistake
        except Exception:
            continue
    return None


def _is_refused(exercise: Reversed, mistake: Mistake) -> bool:
    found = mistake.implementation()
    try:
        return bool(exercise.valid(*(found if isinstance(found, tuple) else (found,))))
    except Exception:
        return True
