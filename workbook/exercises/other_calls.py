"""Right results for other arguments: an answer that does something to what it was given before it does the right thing.

Each way is tried on the arguments of all calls. Where the reference, given the changed ones, gives in every call what
the answer gave, that is what the answer does "as if".
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.exercises import compare, running
from workbook.exercises.exercise import Call
from workbook.exercises.seen import Seen, names_of, numbers_in

Ways = tuple[tuple[str, Callable[[Any], Any]], ...]


def _standardized(x: Tensor, unbiased: bool) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / x.std(dim=-1, keepdim=True, unbiased=unbiased).clamp(min=1e-12)


def _within_0_and_1(x: Tensor) -> Tensor:
    low, high = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
    return (x - low) / (high - low).clamp(min=1e-12)


FLOATS: Ways = (
    ("the vectors of {0} were brought to length 1 first", lambda x: torch.nn.functional.normalize(x, dim=-1)),
    ("the columns of {0}, dimension by dimension, were brought to length 1 (`dim=0`)", lambda x: torch.nn.functional.normalize(x, dim=0)),
    ("{0} as a whole, all rows together, were brought to length 1", lambda x: x / x.norm().clamp(min=1e-12)),
    ("the mean of each vector of {0} were subtracted first: centered, as in a correlation", lambda x: x - x.mean(dim=-1, keepdim=True)),
    ("the mean of each column of {0} were subtracted first: centered over the rows", lambda x: x - x.mean(dim=0, keepdim=True)),
    ("each vector of {0} lost its mean and were divided by its standard deviation, as LayerNorm does", lambda x: _standardized(x, False)),
    ("each vector of {0} lost its mean and were divided by its standard deviation", lambda x: _standardized(x, True)),
    ("each vector of {0} were brought between 0 and 1 first", _within_0_and_1),
    ("{0} had gone through a softmax first", lambda x: x.softmax(dim=-1)),
    ("each vector of {0} were divided by the sum of its absolute values, not by its length", lambda x: x / x.abs().sum(dim=-1, keepdim=True).clamp(min=1e-12)),
    ("each vector of {0} were divided by its largest value, not by its length", lambda x: x / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12)),
    ("{0} held no signs: everything in it counts as above 0", torch.abs),
    ("everything below 0 in {0} were cut off", lambda x: x.clamp(min=0)),
    ("the numbers of {0} were squared", lambda x: x**2),
    ("{0} were rounded", torch.round),
)  # fmt: skip
TENSORS: Ways = (
    ("every row of {0} were its first row: one row stands for all of them", lambda x: x[:1].expand_as(x)),
    ("every row of {0} were its last row: one row stands for all of them", lambda x: x[-1:].expand_as(x)),
    ("the last axis of {0} ran backwards", lambda x: x.flip(-1)),
    ("the rows of {0} came in reversed order", lambda x: x.flip(0)),
    ("the first row of {0} were missing", lambda x: x[1:]),
    ("the last row of {0} were missing", lambda x: x[:-1]),
    ("the first column of {0} were all zeros", lambda x: torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:]], dim=1)),
    ("{0} were transposed", lambda x: x.transpose(-1, -2)),
)
WHOLE: Ways = (
    ("ones and zeros of {0} were exchanged", lambda x: 1 - x),
    ("{0} held ones only: it decides nothing", torch.ones_like),
    ("{0} had one more place filled in each row", lambda x: (x + x.roll(1, -1)).clamp(max=1)),
    ("the last one of each row of {0} were a zero", lambda x: x * (x.flip(-1).cumsum(-1).flip(-1) > 1)),
    ("the first one of each row of {0} were a zero", lambda x: x * (x.cumsum(-1) > 1)),
)
SCALARS: Ways = (
    ("{0} were one more", lambda x: x + 1),
    ("{0} were one less", lambda x: x - 1),
    ("{0} were 1, whatever it is", lambda x: type(x)(1)),
    ("1 / {0} stood for {0}", lambda x: 1 / x),
    ("{0} had the other sign", lambda x: -x),
    ("{0} were squared", lambda x: x * x),
    ("the root of {0} stood for it", lambda x: x**0.5),
    ("{0} were twice as large", lambda x: 2 * x),
    ("{0} were half as large", lambda x: x / 2 if isinstance(x, float) else x // 2),
    ("{0} had no end: everything counts", lambda x: type(x)(1000)),
)
LISTS: Ways = (
    ("{0} were reversed", lambda x: x[::-1]),
    ("{0} were sorted", sorted),
    ("{0} were sorted from the largest down", lambda x: sorted(x, reverse=True)),
    ("nothing stood twice in {0}", lambda x: type(x)(dict.fromkeys(x))),
    ("the first of {0} were missing", lambda x: x[1:]),
    ("the last of {0} were missing", lambda x: x[:-1]),
    ("there were the first of {0} only", lambda x: x[:1]),
    ("there were the last of {0} only", lambda x: x[-1:]),
)
MAPPINGS: Ways = (
    ("every grade above 0 in {0} counted 1: binary, whatever the grade is", lambda d: {k: int(v > 0) for k, v in d.items()}),
    ("everything in {0} counted 1, a grade of 0 too", lambda d: dict.fromkeys(d, 1)),
    ("only the highest grade in {0} counted, and every other were 0", lambda d: {k: v if v == max(d.values()) else 0 for k, v in d.items()}),
    ("only grades above 1 in {0} counted", lambda d: {k: v if v > 1 else 0 for k, v in d.items()}),
    ("only grades of exactly 1 in {0} counted", lambda d: {k: v if v == 1 else 0 for k, v in d.items()}),
    ("every grade in {0} were one more", lambda d: {k: v + 1 for k, v in d.items()}),
    ("every grade in {0} were one less", lambda d: {k: v - 1 for k, v in d.items()}),
    ("what has a grade of 0 in {0} were not there", lambda d: {k: v for k, v in d.items() if v}),
    ("the values of {0} had the other sign", lambda d: {k: -v for k, v in d.items()}),
)  # fmt: skip
TEXTS: Ways = (
    ("{0} were in lower case", str.lower),
    ("{0} were in upper case", str.upper),
    ("{0} were reversed", lambda x: x[::-1]),
    ("the first character of {0} were missing", lambda x: x[1:]),
    ("the last character of {0} were missing", lambda x: x[:-1]),
    ("no word stood twice in {0}", lambda x: " ".join(dict.fromkeys(x.split()))),
)


def other_arguments(seen: Seen) -> str | None:
    """The first change of the arguments under which the reference gives, in every call, what the answer gives."""
    order = sorted((i for i in range(len(seen.mine)) if _is_finite(seen.mine[i])), key=lambda i: not seen.wrong[i])
    if seen.exercise.may_change or len(order) < len(seen.mine) / 2 or sum(seen.wrong[i] for i in order) < 3:
        return None  # what is NaN tells no way from another
    for words, change in _changes(seen):
        if all(_same(seen, change, i, seen.mine[i]) for i in order) and not all(
            _same(seen, change, i, seen.right[i])
            for i in order  # a change that changes nothing explains nothing
        ):
            return f"it behaves as if {words}"
    return None


def _is_finite(call: Call) -> bool:
    values = numbers_in(call.result)
    return call.error is None and (values is None or bool(np.isfinite(values).all()))


def _changes(seen: Seen) -> Iterator[tuple[str, Callable[[tuple], tuple]]]:
    """Every change: of one argument, of all vectors at once, and two arguments exchanged."""
    args = next(call.args for call, wrong in zip(seen.mine, seen.wrong, strict=True) if wrong)
    names = [f"`{name}`" for name in names_of(seen.exercise, args)]
    floats = [i for i, arg in enumerate(args) if isinstance(arg, Tensor) and arg.is_floating_point() and arg.ndim]
    for chosen in ([floats] if len(floats) > 1 else []) + [[i] for i in range(len(args))]:
        for words, way in _ways(args[chosen[0]]):
            yield words.format(" and ".join(names[i] for i in chosen)), _changing(chosen, way)
    for i, j in combinations(range(len(args)), 2):
        if type(args[i]) is type(args[j]):
            yield f"{names[i]} and {names[j]} were exchanged", _exchanging(i, j)


def _ways(arg: Any) -> Ways:
    if isinstance(arg, Tensor) and arg.ndim:
        return (*FLOATS, *TENSORS) if arg.is_floating_point() else (*WHOLE, *TENSORS)
    if isinstance(arg, int | float) and not isinstance(arg, bool):
        return SCALARS
    if isinstance(arg, list):
        return LISTS
    if isinstance(arg, Mapping) and arg and all(isinstance(v, int | float) for v in arg.values()):
        return MAPPINGS
    return TEXTS if isinstance(arg, str) else ()


def _changing(chosen: list[int], way: Callable[[Any], Any]) -> Callable[[tuple], tuple]:
    return lambda args: tuple(way(arg) if i in chosen else arg for i, arg in enumerate(args))


def _exchanging(i: int, j: int) -> Callable[[tuple], tuple]:
    order = {i: j, j: i}
    return lambda args: tuple(args[order.get(n, n)] for n in range(len(args)))


def _same(seen: Seen, change: Callable[[tuple], tuple], index: int, wanted: Call) -> bool:
    """Whether the reference does, with other arguments, what was done in this call."""
    try:
        args = change(tuple(compare.snapshot(arg) for arg in seen.mine[index].args))
    except Exception:
        return False
    theirs = running.again(seen.exercise, seen.exercise.reference, args, running.Clock(0.5))
    return running.same_call(seen.exercise, theirs, wanted, compare.same_values)
