"""Questions put to an answer by calls of their own, and where among the calls it is wrong."""

import random
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from workbook.exercises import compare, running
from workbook.exercises.exercise import Answer, Call, Exercise
from workbook.exercises.seen import Seen, close, names_of, numbers_in


def _again(seen: Seen, args: tuple, function: Answer | None = None) -> Call:
    clock = None if function is seen.exercise.reference else seen.clock
    return running.again(seen.exercise, function or seen.answer, args, clock)


def unused(seen: Seen) -> str | None:
    """An argument that changes the reference's results, and never yours."""
    drawn = [(a, b) for a, b in zip(seen.mine, seen.right, strict=True) if a.error is None and b.error is None][:30]
    if len(drawn) < 3:
        return None
    for i, name in enumerate(names_of(seen.exercise, drawn[0][0].args)):
        mattered = moved = 0
        for a, b in drawn:
            other = _other(a.args[i])
            if other is None:
                break
            args = (*a.args[:i], other, *a.args[i + 1 :])
            theirs = _again(seen, args, seen.exercise.reference)
            if theirs.error is not None or running.same_call(seen.exercise, theirs, b, compare.same_values):
                continue
            mattered += 1
            others = [other, *_far_from(a.args[i])]
            calls = (_again(seen, (*a.args[:i], value, *a.args[i + 1 :])) for value in others)
            if any(not running.same_call(seen.exercise, call, a, compare.same_values) for call in calls):
                moved += 1
                break
        if mattered >= 3 and not moved:
            what = f"the order of `{name}`" if isinstance(drawn[0][0].args[i], list) else f"the argument `{name}`"
            return f"{what} never changes your result, and it should"
    return None


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, Tensor):
        if value.dtype == torch.bool:
            return ~value | torch.eye(*value.shape[-2:], dtype=torch.bool) if value.ndim > 1 else ~value
        if value.is_floating_point():
            return value.flip(-1) * 1.5 + torch.arange(value.numel(), dtype=value.dtype).reshape(value.shape) * 0.1
        return torch.ones_like(value) if bool((value == 0).any()) else None if value.ndim == 0 else _shorter(value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 2
    if isinstance(value, list):
        return value[::-1]
    if isinstance(value, dict) and all(isinstance(v, int) for v in value.values()):
        return {key: 1 - min(v, 1) for key, v in value.items()}
    if isinstance(value, str):
        return f"{value[::-1]} heart"
    return None


def _far_from(value: Any) -> tuple[Any, ...]:
    """Numbers far from this one: an answer may round it away, or hold it against something of another size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ()
    return value * 100 + 1, value / 100 if isinstance(value, float) else 1


def _shorter(mask: Tensor) -> Tensor:
    other = mask.clone()
    other[..., -1] = 0
    return other


def batch_mates(seen: Seen) -> str | None:
    """A row's result that depends on the other rows, where the reference's does not."""
    batch = [part.split(",")[0].strip(" (") for part in seen.exercise.signature.split("->")[0].split("),")]
    result = seen.exercise.signature.split("->")[-1].strip()
    first = batch[0]
    if not first.isalpha() or not result.startswith(f"({first},"):
        return None
    rows = [i for i, letter in enumerate(batch) if letter == first]
    checked = 0
    for a, b in zip(seen.mine, seen.right, strict=True):
        if a.error is not None or not isinstance(b.result, Tensor) or len(b.result) < 2:
            continue
        for r in range(len(b.result)):
            args = tuple(arg[r : r + 1] if i in rows else arg for i, arg in enumerate(a.args))
            alone, theirs = _again(seen, args), _again(seen, args, seen.exercise.reference)
            if theirs.error is not None or not compare.same_values(theirs.result[0], b.result[r], 1e-4):
                return None  # the rows belong together in this exercise
            checked += 1
            mine = numbers_in(a.result)
            if mine is None or mine.shape != numbers_in(b.result).shape:  # type: ignore[union-attr]
                return None
            single = numbers_in(alone.result)
            if alone.error is not None or single is None or len(single) != 1:
                continue
            if not close(single[0], mine[r]):
                return "a row's result depends on its batch-mates: alone it comes out different. Something runs over the whole batch, or takes another row's numbers"
    return None


def length_counts(seen: Seen) -> str | None:
    """A tensor whose length must not count, and does."""
    calls = [(a, b) for a, b in zip(seen.mine, seen.right, strict=True) if a.error is None and b.error is None][:20]
    for i, name in enumerate(names_of(seen.exercise, calls[0][0].args)) if calls else ():
        if not isinstance(calls[0][0].args[i], Tensor) or not calls[0][0].args[i].is_floating_point():
            continue
        moved = 0
        for a, b in calls:
            args = (*a.args[:i], a.args[i] * 7.0, *a.args[i + 1 :])
            theirs = _again(seen, args, seen.exercise.reference)
            if not running.same_call(seen.exercise, theirs, b, compare.same_values):
                break
            moved += not running.same_call(seen.exercise, _again(seen, args), a, compare.same_values)
        else:
            if moved >= 3:
                return f"the length of `{name}` counts in your result, and it should not: seven times longer vectors give other numbers"
    return None


def normalized_inputs(seen: Seen) -> str | None:
    """Right once some of the vectors among the arguments have length 1."""
    names = names_of(seen.exercise, seen.mine[0].args)
    floats = [i for i, a in enumerate(seen.mine[0].args) if isinstance(a, Tensor) and a.is_floating_point() and a.ndim]
    sets = [floats, *([i] for i in floats if len(floats) > 1)]
    for chosen in sets:
        if chosen and _lengths_count(seen, chosen) and all(_right_once_normalized(seen, a, b, chosen) for a, b in list(zip(seen.mine, seen.right, strict=True))[:30]):  # fmt: skip
            what = " and ".join(f"`{names[i]}`" for i in chosen)
            return f"your result is right where the vectors of {what} have length 1, and wrong at other lengths"
    return None


def _lengths_count(seen: Seen, chosen: list[int]) -> bool:
    """Whether the answer itself changes in a call that it gets wrong, once the vectors have length 1."""
    wrong = [call for call, is_wrong in zip(seen.mine, seen.wrong, strict=True) if is_wrong and call.error is None]
    return any(not running.same_call(seen.exercise, _again(seen, _normalized(call, chosen)), call, compare.same_values) for call in wrong[:10])  # fmt: skip


def _normalized(call: Call, chosen: list[int]) -> tuple:
    return tuple(torch.nn.functional.normalize(a, dim=-1) if i in chosen else a for i, a in enumerate(call.args))


def _right_once_normalized(seen: Seen, mine: Call, right: Call, chosen: list[int]) -> bool:
    args = _normalized(mine, chosen)
    theirs = _again(seen, args, seen.exercise.reference)
    if not running.same_call(seen.exercise, theirs, right, compare.same_values):
        return False  # length counts in this exercise
    return running.same_call(seen.exercise, _again(seen, args), right, compare.same_values)


def situation(seen: Seen) -> str | None:
    """The situation that all wrong calls share, and right ones do not."""
    wrong = seen.wrong
    if not any(wrong) or all(wrong):
        return None
    best: tuple[float, str] | None = None
    names = list(seen.exercise.situations)
    holds = {s.name: [_holds(s.holds, call.args) for call in seen.mine] for s in names}
    both = {
        f"{a.name}, and {b.name}": [x and y for x, y in zip(holds[a.name], holds[b.name], strict=True)]
        for n, a in enumerate(names)
        for b in names[n + 1 :]
    }
    for group, enough, ahead in ((holds, 0.5, 0.1), (both, 0.95, 0.04)):  # two at once are met by chance more often
        for name, flags in group.items():
            inside, right = sum(flags), sum(not w for w in wrong)
            if sum(wrong) < 2 or any(w and not f for w, f in zip(wrong, flags, strict=True)) or right < 3:
                continue
            precision = sum(wrong) / inside
            if inside < len(wrong) and precision >= enough and (best is None or precision > best[0] + ahead):
                words = (
                    f"it is wrong only where {name} ({sum(wrong)} of {inside} such calls); "
                    f"it is right in all {len(wrong) - inside} others"
                )
                best = (precision, words)
    return best[1] if best else None


def _holds(rule: Callable[..., bool], args: tuple) -> bool:
    try:
        return bool(rule(*args))
    except Exception:
        return False


def small_case(exercise: Exercise, answer: Answer, clock: running.Clock) -> tuple[Call, Call] | None:
    """Of many small random calls the smallest on which the answer is wrong: (yours, expected)."""
    for seed in _smallest_first(exercise):
        right = _right_in_a_small_case(exercise, seed)
        if right is None:
            continue
        mine = running.again(exercise, answer, right.args, clock, right.case.name)
        if not running.same_call(exercise, mine, right, compare.same_values):
            return mine, right
    return None


@cache
def _smallest_first(exercise: Exercise) -> list[int]:
    """The seeds of the small random calls, those first whose arguments are read at a glance."""
    draw = exercise.draw
    if draw is None:
        return []

    def size(seed: int) -> int:
        args = draw(random.Random(seed))
        return sum(compare.size(arg) for arg in args) + 100 * (not _readable(args))

    return sorted(range(1000, 1400), key=size)


@lru_cache(maxsize=400)
def _right_in_a_small_case(exercise: Exercise, seed: int) -> Call | None:
    """What the reference does in a small random call; None where another right answer does something else."""
    assert exercise.draw is not None
    args = compare.snapshot(exercise.draw(random.Random(seed)))
    right, other = (running.again(exercise, f, args, None, "a small random call") for f in (exercise.reference, exercise.another))  # fmt: skip
    return right if running.same_call(exercise, right, other, compare.same_values) else None


def _readable(args: tuple) -> bool:
    return all(not isinstance(a, Tensor) or not a.is_floating_point() or bool((a == a.round()).all()) for a in args)
