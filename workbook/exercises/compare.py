"""Two results held side by side: are they the same, and if not, what is the first thing that differs?

A result may be a tensor, an array, a number, a text, None, or lists, tuples, dicts, sets and
dataclasses of these. NaN equals NaN, and an infinity equals the same infinity.
"""

import copy
import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
import torch

FORM = ("kind", "shape", "dtype")  # what a result is; everything else is what it holds
PLAIN = (bool, int, float, str)
KINDS: dict[type, str] = {bool: "number", int: "number", float: "number", str: "text", dict: "dict", list: "list", tuple: "list"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Difference:
    """The first difference between two results: what differs, where, and one sentence about it.

    `what` is one of FORM, or "value".
    """

    what: str
    where: str
    sentence: str


def first_difference(yours: Any, expected: Any, tolerance: float) -> Difference | None:
    """Find the first difference; differences of form (kind, shape, dtype) come before those of value.

    Numbers agree when abs(yours - expected) <= tolerance * (1 + abs(expected)).
    """
    differences = list(_differences(yours, expected, tolerance, ""))
    return min(differences, key=lambda d: d.what not in FORM, default=None)


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Tell whether two results are the same: kind, shape, dtype and values."""
    return not any(True for _ in _differences(a, b, tolerance, ""))


def same_values(a: Any, b: Any, tolerance: float) -> bool:
    """Tell whether two results hold the same values in the same shape, whatever their dtype."""
    return all(d.what == "dtype" for d in _differences(a, b, tolerance, ""))


class NotAResult(ValueError):
    """A result that cannot be compared with anything: it holds itself, or has no values."""


def snapshot(value: Any, depth: int = 0) -> Any:
    """Copy tensors, arrays, modules, dataclasses that can change, and containers; anything else is kept as it is.

    Raises:
        NotAResult: it holds itself, or a tensor without values.
    """
    if depth > 20:
        raise NotAResult("the result holds itself, or is nested more than twenty times")
    if type(value) in PLAIN:
        return value
    if isinstance(value, torch.Tensor):
        if value.is_meta:
            raise NotAResult("the result is a tensor on the meta device, which has a shape and no values")
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, torch.nn.Module) or _can_change(value):
        return copy.deepcopy(value)
    if inspect.iscoroutine(value):
        value.close()  # it was never awaited, and Python would warn of that later
        return value
    if isinstance(value, Mapping):
        return {key: snapshot(item, depth + 1) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [snapshot(item, depth + 1) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Set):
        return set(value)
    return value


def _can_change(value: Any) -> bool:
    """Whether it is a dataclass that is not frozen."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type) and not value.__dataclass_params__.frozen  # type: ignore[attr-defined]


def kind(value: Any) -> str:
    """Name what a value is, in the words a learner knows."""
    if type(value) in KINDS:
        return KINDS[type(value)]
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, np.ndarray):
        return "numpy array"
    if isinstance(value, bool | int | float | np.generic):
        return "number"
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, Mapping):
        return "dict"
    if isinstance(value, tuple | list):
        return "list"
    if isinstance(value, Set):
        return "set"
    if inspect.isgenerator(value):
        return "generator"
    if inspect.iscoroutine(value):
        return "coroutine"
    if callable(value) and hasattr(value, "__name__"):
        return "function"
    return type(value).__name__


def size(value: Any) -> int:
    """How much there is to read in a value: elements of tensors, letters of texts."""
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, Mapping):
        return sum(size(key) + size(item) for key, item in value.items())
    if isinstance(value, tuple | list | Set):
        return sum(size(item) for item in value)
    return len(value) if isinstance(value, str) else 1


def describe(value: Any) -> str:
    """Name a value in a few words, with its shape where it has one: "float32 tensor (2, 3)"."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"{_dtype(value)} {kind(value)} {tuple(value.shape)}"
    if isinstance(value, Mapping | tuple | list | Set):
        name = "tuple" if isinstance(value, tuple) else kind(value)
        return f"{name} of {len(value)}"
    if isinstance(value, bool | int | float | str | np.generic):
        return clip(render(value), 40)
    return kind(value)


def render(value: Any, digits: int = 4) -> str:
    """Write a value the same way on every machine, tensors as nested lists."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return _nested(to_array(value), digits)
    if isinstance(value, np.generic):
        return render(value.item(), digits)
    if isinstance(value, float):
        text = (
            f"{value:.{digits}f}".rstrip("0").rstrip(".")
            if 1e-3 <= abs(value) < 1e6 or value == 0
            else f"{value:.{digits}g}"
        )
        return text if any(letter in text for letter in ".en") else f"{text}.0"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{render(key)}: {render(item, digits)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        items = ", ".join(render(item, digits) for item in value)
        return f"({items})" if isinstance(value, tuple) else f"[{items}]"
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(render(item, digits) for item in value)) + "}"
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {first_line(value)}"
    if kind(value) in ("generator", "coroutine", "function"):
        return kind(value)
    try:
        return without_addresses(repr(value))
    except Exception:  # an integer of more than 4,300 digits, or a __repr__ of the learner's that raises
        return f"{article(kind(value))} that cannot be written out"


def clip(text: str, width: int) -> str:
    """Cut a text to one line of `width` letters."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without addresses of memory."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        return ""
    return clip(without_addresses(lines[0]), 200) if lines else ""


def without_addresses(text: str) -> str:
    """Take the addresses of memory out of a text: they differ at each run."""
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", text)


def _differences(yours: Any, expected: Any, tolerance: float, where: str) -> Iterator[Difference]:
    if _identical(yours, expected):
        return
    place, wanted = f" at {where}" if where else "", kind(expected)
    if wanted == "number" and _is_scalar(yours):
        yours, expected = _number(yours), _number(expected)
        wanted = kind(expected)
    if _is_numbers(expected) and isinstance(yours, torch.Tensor | np.ndarray) and yours.ndim == 1:
        yours = to_array(
            yours
        ).tolist()  # a list, a tuple and an array with one axis count alike where numbers are wanted
    if kind(yours) != wanted:
        named = "tuple" if isinstance(expected, tuple) else wanted
        yield Difference("kind", where, f"expected a {named}{place}, got {article(describe(yours))}")
    elif isinstance(expected, torch.Tensor | np.ndarray):
        yield from _array_differences(yours, expected, tolerance, where)
    elif wanted == "number":
        if not _close(np.asarray(yours), np.asarray(expected), tolerance).all():
            yield Difference("value", where, f"expected {render(expected)}{place}, got {render(yours)}")
    elif isinstance(expected, Mapping):
        missing, extra = [k for k in expected if k not in yours], [k for k in yours if k not in expected]
        if missing:
            yield Difference("value", where, f"the key {render(missing[0])} is missing{place}")
        if extra:
            yield Difference("value", where, f"the key {render(extra[0])} should not be there{place}")
        for key in expected:
            if key in yours:
                yield from _differences(yours[key], expected[key], tolerance, f"{where}[{render(key)}]")
    elif isinstance(expected, tuple | list):
        if len(yours) != len(expected):
            yield Difference("value", where, f"expected {len(expected)} items{place}, got {len(yours)}")
        for index, (mine, theirs) in enumerate(zip(yours, expected, strict=False)):
            yield from _differences(mine, theirs, tolerance, f"{where}[{index}]")
    elif dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        for field in dataclasses.fields(expected):
            yield from _differences(
                getattr(yours, field.name, None), getattr(expected, field.name), tolerance, f"{where}.{field.name}"
            )
    elif not _equal(yours, expected):
        yield Difference("value", where, f"expected {clip(render(expected), 60)}{place}, got {clip(render(yours), 60)}")


def _identical(yours: Any, expected: Any) -> bool:
    """Whether two numbers, texts or tensors are plainly the same, as most are: it is told faster than what differs."""
    if type(yours) in PLAIN:
        return type(yours) is type(expected) and yours == expected
    return _is_dense(yours) and _is_dense(expected) and yours.dtype == expected.dtype and torch.equal(yours, expected)


def _is_dense(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def _array_differences(yours: Any, expected: Any, tolerance: float, where: str) -> Iterator[Difference]:
    place = f" at {where}" if where else ""
    if tuple(yours.shape) != tuple(expected.shape):
        yield Difference("shape", where, f"expected the shape {tuple(expected.shape)}{place}, got {tuple(yours.shape)}")
        return
    if _dtype(yours) != _dtype(expected):
        yield Difference("dtype", where, f"expected the dtype {_dtype(expected)}{place}, got {_dtype(yours)}")
    mine, theirs = to_array(yours), to_array(expected)
    wrong = ~_close(mine, theirs, tolerance)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f"{where}{list(first)}" if first else where
        sentence = f"{int(wrong.sum())} of {wrong.size} values differ{place}; the first at {at or 'the only place'}"
        yield Difference("value", at, f"{sentence}: expected {render(theirs[first])}, got {render(mine[first])}")


def _close(yours: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    if yours.dtype.kind in "OUSMm" or expected.dtype.kind in "OUSMm":
        return np.asarray(yours == expected)
    with np.errstate(all="ignore"):
        equal = np.asarray(yours == expected)
        if equal.all():  # most are, and this is much faster
            return equal
        return np.isclose(yours, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, BaseException):  # one that is returned in place of raised; its words are free
        return type(a) is type(b)
    try:
        return bool(a == b)
    except Exception:
        return False


def to_array(value: Any) -> np.ndarray:
    """A tensor as an array, floats in double precision; an array as it is."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.to_dense() if value.layout != torch.strided else value
        value = value.double() if value.is_floating_point() else value
        return np.asarray(value.resolve_conj().numpy())
    return value


def _dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _is_numbers(value: Any) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(kind(item) == "number" for item in value)


def _is_scalar(value: Any) -> bool:
    return kind(value) == "number" or (isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor | np.ndarray | np.generic) else value


def article(words: str) -> str:
    """Put "a" or "an" before a description."""
    if words in ("None",):
        return words
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _nested(array: Any, digits: int) -> str:
    if not isinstance(array, np.ndarray):
        return render(array, digits)
    if array.ndim == 0:
        return render(array.item(), digits)
    return "[" + ", ".join(_nested(row, digits) for row in array) + "]"
