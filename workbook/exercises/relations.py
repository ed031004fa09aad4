"""What a wrong answer's results have to do with the right ones: a factor, an order, a missing step, a situation.

Everything said here was seen in all calls that it speaks of: the cases and the random calls. Each finder
takes the observed calls and gives a sentence, or None; the engine shows the first few that have one.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import Any

import numpy as np
from torch import Tensor

from workbook.exercises import compare
from workbook.exercises.other_calls import other_arguments
from workbook.exercises.probes import batch_mates, length_counts, normalized_inputs, situation, unused
from workbook.exercises.seen import Seen, close, numbers_in

CONSTANTS = {
    1 / math.log(10): "that is 1 / ln 10: a logarithm to base 10 stands where the natural one belongs",
    math.log(10): "that is ln 10: a natural logarithm stands where one to base 10 belongs",
    math.log(2): "that is ln 2: the logarithm has another base",
    1 / math.log(2): "that is 1 / ln 2: a logarithm to base 2 stands where the natural one belongs",
    math.log10(2): "that is log10 of 2: a logarithm to base 10 stands where one to base 2 belongs",
    1 / math.log10(2): "that is 1 / log10 of 2: the logarithm has another base",
    -1.0: "so the sign is turned",
    2.0: "something is added twice, or a mean is missing",
    0.5: "something is halved that should not be",
}
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "minus what is expected: the sign is turned": lambda x: -x,
    "1 minus what is expected": lambda x: 1 - x,
    "1 divided by what is expected": lambda x: 1 / x,
    "the square of what is expected: a root is missing, or a square is too much": lambda x: x**2,
    "the root of what is expected: a square is missing, or a root is too much": lambda x: np.sqrt(x),
    "e to the power of what is expected: a logarithm is missing": np.exp,
    "the logarithm of what is expected: an exponential is missing, or a logarithm is too much": np.log,
    "the absolute value of what is expected: a sign is lost": np.abs,
    "the angle whose cosine is expected": np.arccos,
    "what is expected, rounded": np.round,
    "what is expected, cut to a whole number": np.trunc,
    "1 where something above 0 is expected, else 0": lambda x: (x > 0).astype(float),
    "what is expected, with everything below 0 cut off": lambda x: np.maximum(x, 0),
    "what is expected plus 1: something is counted from the wrong start": lambda x: x + 1,
    "what is expected minus 1: something is counted from the wrong start": lambda x: x - 1,
    "true where false is expected, and false where true": lambda x: 1 - x,
}


WHOLE_CHANGES: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("with each row brought to length 1: the result is normalized, and not what goes into it", lambda x: _unit(x)),
    ("with each column brought to length 1", lambda x: _unit(x.T).T),
    ("gone through a softmax in each row", lambda x: _softmax(x, -1)),
    ("gone through a softmax in each column", lambda x: _softmax(x, 0)),
    ("with the mean of each row taken off", lambda x: x - x.mean(-1, keepdims=True)),
    ("with the largest of each row taken off", lambda x: x - x.max(-1, keepdims=True)),
    ("with each row divided by its sum", lambda x: x / x.sum(-1, keepdims=True)),
    ("with each row divided by its largest value", lambda x: x / x.max(-1, keepdims=True)),
    ("added up along each row", lambda x: x.cumsum(-1)),
    ("with the diagonal set to 0", lambda x: x * (1 - np.eye(*x.shape[-2:]))),
    ("with the part above the diagonal set to 0", np.tril),
    ("averaged with its transpose", lambda x: (x + x.T) / 2),
)


def relations(seen: Seen) -> Iterator[str]:
    """Everything that can be said, the most telling first."""
    for find in (
        unused,
        _factor,
        _row_factor,
        _offset,
        _change,
        _whole_change,
        normalized_inputs,
        other_arguments,
        _places,
        _keys,
        _shape,
        batch_mates,
        length_counts,
        situation,
        _raised,
        _finite,
        _direction,
        _part,
    ):
        sentence = find(seen)
        if sentence:
            yield sentence


# --- one number for all calls ----------------------------------------------------------------


def _varied(values: list[np.ndarray]) -> bool:
    """Whether there is enough to tell one rule from another by."""
    flat = np.concatenate([v.ravel() for v in values])
    return len(np.unique(np.round(flat[np.isfinite(flat)], 6))) >= 4


def _change(seen: Seen) -> str | None:
    if not seen.all_numeric or not _varied([expected for _, _, expected in seen.numeric]):
        return None
    with np.errstate(all="ignore"):
        for name, change in CHANGES.items():
            changes = any(not close(change(expected), expected) for _, _, expected in seen.numeric)
            if changes and all(close(yours, change(expected)) for _, yours, expected in seen.numeric):
                return f"in every call your result is {name}"
    return None


def _whole_change(seen: Seen) -> str | None:
    """What was done to the right result, row by row or as a whole."""
    if not seen.all_numeric or not _varied([expected for _, _, expected in seen.numeric]):
        return None
    for words, change in WHOLE_CHANGES:
        with np.errstate(all="ignore"):
            try:
                moved = [change(expected) for _, _, expected in seen.numeric]
            except (ValueError, IndexError, TypeError):
                continue
            pairs = [(new, yours, expected) for new, (_, yours, expected) in zip(moved, seen.numeric, strict=True)]
            if all(new.shape == yours.shape and close(yours, new) for new, yours, _ in pairs) and any(
                not close(new, expected) for new, _, expected in pairs
            ):
                return f"in every call your result is what is expected, {words}"
    return None


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    grown = np.exp(x - x.max(axis, keepdims=True))
    return grown / grown.sum(axis, keepdims=True)


def _ratios(seen: Seen) -> list[float] | None:
    """yours / expected, one number a call; NaN where all is 0; None where a call has several."""
    if not seen.all_numeric:
        return None
    ratios = []
    for _, yours, expected in seen.numeric:
        whole = np.abs(expected) > 1e-6
        if not close(yours[~whole], 0.0):
            return None
        if not whole.any():
            ratios.append(math.nan)
            continue
        found = yours[whole] / expected[whole]
        if not np.isfinite(found).all() or not close(found, found.flat[0]):
            return None
        ratios.append(float(found.flat[0]))
    return ratios if sum(not math.isnan(r) for r in ratios) >= 3 else None


def _factor(seen: Seen) -> str | None:
    ratios = _ratios(seen)
    if ratios is None:
        return None
    told = np.array([r for r in ratios if not math.isnan(r)])
    if close(told, 1.0):
        return None
    if close(told, told[0]):
        known = next((words for value, words in CONSTANTS.items() if abs(told[0] / value - 1) < 1e-3), "")
        return f"in every call your result is {told[0]:.4g} times what is expected{'; ' + known if known else ''}"
    return _equal_to_a_letter(
        seen,
        ratios,
        "in every call your result is {0} times what is expected",
        "in every call your result is what is expected, divided by {0}",
    )


def _offset(seen: Seen) -> str | None:
    if not seen.all_numeric:
        return None
    offsets = [yours - expected for _, yours, expected in seen.numeric]
    if any(not np.isfinite(o).all() or not close(o, o.flat[0]) for o in offsets):
        return None
    told = [float(o.flat[0]) for o in offsets]
    if close(np.array(told), 0.0):
        return None
    if close(np.array(told), told[0]):
        return f"in every call your result is what is expected {'plus' if told[0] > 0 else 'minus'} {abs(told[0]):.4g}"
    return _equal_to_a_letter(seen, told, "in every call your result is what is expected plus {0}", None)


def _equal_to_a_letter(seen: Seen, told: list[float], times: str, over: str | None) -> str | None:
    letters = seen.letters()
    for name in set.intersection(*map(set, letters)):
        pairs = [(t, values[name]) for t, values in zip(told, letters, strict=True) if not math.isnan(t)]
        mine, values = (np.array(column) for column in zip(*pairs, strict=True))
        with np.errstate(all="ignore"):
            if close(mine, values):
                return times.format(name)
            if over and close(mine, 1 / values):
                return over.format(name)
            if over and close(mine, values**2):
                return times.format(f"the square of {name}")
            if over and close(mine, 1 / values**2):
                return over.format(f"the square of {name}")
            if over and close(mine, np.sqrt(values)):
                return times.format(f"the root of {name}")
            if over and close(mine, 1 / np.sqrt(values)):
                return over.format(f"the root of {name}")
    return _ratio_ofletters_of(told, letters) if over else None


def _ratio_ofletters_of(told: list[float], letters: list[dict[str, float]]) -> str | None:
    """yours = expected * A / B: B stands where A belongs."""
    rows = [(t, values) for t, values in zip(told, letters, strict=True) if not math.isnan(t)]
    mine = np.array([t for t, _ in rows])
    if len({round(t, 4) for t in mine}) < 3:
        return None
    for above, below in permutations(set.intersection(*(set(values) for _, values in rows)), 2):
        with np.errstate(all="ignore"):
            if close(mine, np.array([v[above] for _, v in rows]) / np.array([v[below] for _, v in rows])):
                return f"in every call your result is what is expected, times {above}, divided by {below}: the second stands where the first belongs"
    return None


# --- a factor, an order, a bound -------------------------------------------------------------


def _row_factor(seen: Seen) -> str | None:
    """Each row is right but for a factor of its own: what that factor is."""
    if not seen.all_numeric or any(yours.ndim < 2 for _, yours, _ in seen.numeric):
        return None
    found: list[tuple[np.ndarray, tuple]] = []
    for args, yours, expected in seen.numeric:
        rows = []
        for mine, theirs in zip(yours.reshape(len(yours), -1), expected.reshape(len(expected), -1), strict=True):
            whole = np.abs(theirs) > 1e-6
            if not close(mine[~whole], 0.0):
                return None
            ratio = mine[whole] / theirs[whole] if whole.any() else np.array([math.nan])
            if not close(ratio, ratio[0]):
                return None
            rows.append(float(ratio[0]))
        found.append((np.array(rows), args))
    for words, rule in _ROW_RULES:
        try:
            if all(close(rows[~np.isnan(rows)], rule(*args)[~np.isnan(rows)]) for rows, args in found):
                return f"each row of your result is right but for a factor: {words}"
        except (TypeError, IndexError, AttributeError, ValueError, RuntimeError):
            continue
    return None


def _counts(hidden: Tensor, mask: Tensor) -> np.ndarray:
    return mask.sum(1).double().clamp(min=1e-9).numpy()


_ROW_RULES: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (
    ("the number of its tokens; it is not divided by it", lambda h, m, *r: _counts(h, m)),
    ("1 over the number of its tokens; it is divided by it once too often", lambda h, m, *r: 1 / _counts(h, m)),
    (
        "its number of tokens over T, so it is divided by the padded length",
        lambda h, m, *r: _counts(h, m) / m.shape[1],
    ),
    (
        "its number of tokens over that of the longest text, so all texts are divided by the longest one's count",
        lambda h, m, *r: _counts(h, m) / _counts(h, m).max(),
    ),
    (
        "its number of tokens over that of the first text, so all texts are divided by the first one's count",
        lambda h, m, *r: _counts(h, m) / _counts(h, m)[0],
    ),
    (
        "its number of tokens over the mean number, so all texts are divided by the same count",
        lambda h, m, *r: _counts(h, m) / _counts(h, m).mean(),
    ),
    (
        "n / (n + 1) for its n tokens, so it is divided by one token too many",
        lambda h, m, *r: _counts(h, m) / (_counts(h, m) + 1),
    ),
    (
        "the root of its number of tokens; it is divided by the root of the count",
        lambda h, m, *r: np.sqrt(_counts(h, m)),
    ),
    ("the length of its vector; it is not divided by it", lambda x, *r: x.norm(dim=-1).double().numpy().ravel()),
)


def _direction(seen: Seen) -> str | None:
    """Right once the rows of the result are brought to length 1."""
    if (
        seen.numeric
        and all(y.ndim >= 1 for _, y, _ in seen.numeric)
        and max(y.ndim for _, y, _ in seen.numeric) > 1
        and seen.all_numeric
    ):
        unit = [(_unit(y), _unit(e)) for _, y, e in seen.numeric]
        if all(close(a, b) for a, b in unit):
            return "every vector of your result points the right way; only its length is wrong"
    return None


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def _places(seen: Seen) -> str | None:
    """The right numbers in other places."""
    if not seen.all_numeric:
        return None
    moved = [(y, e) for _, y, e in seen.numeric if not close(y, e)]
    if not moved or any(not close(np.sort(y, axis=None), np.sort(e, axis=None)) for y, e in moved):
        return None
    orders: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
        ("it is transposed", lambda e: e.T),
        ("their order is reversed", lambda e: e[::-1]),
        ("each row is reversed", lambda e: e[..., ::-1]),
        ("everything is moved by one place", lambda e: np.roll(e, 1, axis=-1)),
        ("everything is moved back by one place", lambda e: np.roll(e, -1, axis=-1)),
        ("they are sorted", lambda e: np.sort(e, axis=None).reshape(e.shape)),
        ("two axes are swapped", lambda e: e.swapaxes(-1, -2) if e.ndim > 1 else e),
    )
    for words, order in orders:
        if all(order(e).shape == y.shape and close(y, order(e)) for y, e in moved):
            return f"your result holds the right numbers in other places: {words}"
    return "your result holds the right numbers in other places: they were reshaped or taken in another order"


def _keys(seen: Seen) -> str | None:
    """Of a dict: which keys are missing, and which should not be there."""
    for a, b in zip(seen.mine, seen.right, strict=True):
        if isinstance(a.result, Mapping) and isinstance(b.result, Mapping) and set(a.result) != set(b.result):
            missing, extra = ([compare.render(k) for k in x if k not in y][:4] for x, y in ((b.result, a.result), (a.result, b.result)))  # fmt: skip
            parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"too much {', '.join(extra)}"] * bool(extra)
            return f"the keys of your result are not those that are asked for: {'; '.join(parts)}"
    return None


def _shape(seen: Seen) -> str | None:
    """The right numbers in another shape, or a step that is missing at the end."""
    results = [
        (numbers_in(a.result), numbers_in(b.result))
        for a, b in zip(seen.mine, seen.right, strict=True)
        if a.error is None and b.error is None
    ]
    pairs = [(y, e) for y, e in results if y is not None and e is not None]
    enough = len(pairs) == len(results) >= max(3, len(seen.mine) / 2)
    if not enough or all(y.shape == e.shape for y, e in pairs):
        return None
    steps: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], Any]], ...] = (
        ("it is right but for axes of size 1: `keepdim` or an index adds one, or one is missing", lambda y, e: y.reshape(e.shape) if y.squeeze().shape == e.squeeze().shape else None),
        ("it is transposed", lambda y, e: y.T),
        ("two axes are swapped", lambda y, e: y.swapaxes(-1, -2)),
        ("two axes are swapped", lambda y, e: y.swapaxes(1, 2)),
        ("its mean would be right: the mean at the end is missing", lambda y, e: y.mean()),
        ("its sum would be right: the sum at the end is missing", lambda y, e: y.sum()),
        ("its mean over the first axis would be right", lambda y, e: y.mean(0)),
        ("its mean over the last axis would be right", lambda y, e: y.mean(-1)),
        ("its sum over axis 1 would be right", lambda y, e: y.sum(1)),
        ("its diagonal would be right: a column met a row, and broadcasting made a square of them", lambda y, e: np.diagonal(y)),
        ("its first row is right", lambda y, e: y[0]),
        ("it is one of the rows that are expected, the first one", lambda y, e: None if e.ndim < 1 or not close(y, e[0]) else e),
        ("its first entry is right", lambda y, e: y.flat[0]),
        ("it holds the right numbers in another shape", lambda y, e: y.reshape(e.shape)),
        ("it is the mean of what is expected: something is averaged that should stay apart", lambda y, e: None if not close(y, e.mean()) else e),
        ("it is the sum of what is expected: something is added up that should stay apart", lambda y, e: None if not close(y, e.sum()) else e),
    )  # fmt: skip
    for words, step in steps:
        try:
            found = [(step(y, e), e) for y, e in pairs]
            if all(f is not None and np.shape(f) == e.shape and close(f, e) for f, e in found):
                return f"your result has another shape; {words}"
        except (ValueError, IndexError, np.exceptions.AxisError):
            continue
    return None


def _raised(seen: Seen) -> str | None:
    """The errors of an answer that raises in some calls, where the reference does not."""
    errors = [a.error for a, b in zip(seen.mine, seen.right, strict=True) if a.error is not None and b.error is None]
    if not errors or len({type(error) for error in errors}) > 1:
        return None
    if isinstance(errors[0], compare.NotAResult):  # the check's own word for a result of another form
        return (
            f"in {len(errors)} of {len(seen.mine)} calls your result has another form: {compare.first_line(errors[0])}"
        )
    lines = {compare.first_line(error) for error in errors}
    what = f": {lines.pop()}" if len(lines) == 1 else ""  # the key of a KeyError differs from call to call
    told = f"in {len(errors)} of {len(seen.mine)} calls it raises {type(errors[0]).__name__}{what}"
    others = [wrong for wrong, call in zip(seen.wrong, seen.mine, strict=True) if call.error is None]
    return f"{told}; in all others it is right" if others and not any(others) else told


def _finite(seen: Seen) -> str | None:
    bad = [not np.isfinite(y).all() and np.isfinite(e).all() for _, y, e in seen.numeric]
    if not any(bad):
        return None
    other = [close(y, e) for (_, y, e), b in zip(seen.numeric, bad, strict=True) if not b]
    words = "your result is NaN or infinite in some calls: somewhere you divide by zero, take the logarithm of zero or let exp overflow"
    return f"{words}. In all other calls it is right" if other and all(other) else words


def bounds(seen: Seen) -> Iterator[str]:
    """Whether all that is wrong is too large, or too small: little, where nothing better is known."""
    if not seen.all_numeric or not _varied([expected for _, _, expected in seen.numeric]):
        return
    differences = [(y - e)[np.isfinite(y - e)] for _, y, e in seen.numeric]
    flat = np.concatenate([d.ravel() for d in differences])
    flat = flat[np.abs(flat) > 1e-5]
    if len(flat) >= 4 and (flat > 0).all():
        yield "wherever your result is wrong in these calls, it is too large"
    if len(flat) >= 4 and (flat < 0).all():
        yield "wherever your result is wrong in these calls, it is too small"


def _part(seen: Seen) -> str | None:
    """Of results with names, or with several parts: which of them are right."""
    results = [(a.result, b.result) for a, b in zip(seen.mine, seen.right, strict=True) if a.error is None]
    if not results or len(results) < len(seen.mine):
        return None
    first = results[0][1]
    keys: list[Any] = (
        list(first) if isinstance(first, Mapping) else list(range(len(first))) if isinstance(first, tuple) else []
    )
    right: list[str] = []
    wrong: list[str] = []
    for key in keys:
        try:
            fine = all(compare.same_values(y[key], e[key], seen.exercise.tolerance) for y, e in results)
        except (KeyError, IndexError, TypeError):
            return None
        (right if fine else wrong).append(compare.render(key) if isinstance(first, Mapping) else _ordinal(key))
    if right and wrong:
        return f"of the parts of your result {', '.join(right)} {'is' if len(right) == 1 else 'are'} right in every call; {', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not"
    return None


def _ordinal(index: int) -> str:
    return ("the first", "the second", "the third", "the fourth")[index] if index < 4 else f"number {index + 1}"
