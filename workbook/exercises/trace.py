"""An error in a learner's function, told in two lines: which line, what it said, which shapes stood there."""

import inspect
import linecache
import re
import traceback
from types import FrameType
from typing import Any

import numpy as np
import torch

from workbook.exercises import compare


def not_started(answer: Any, error: BaseException | None) -> bool:
    """Whether the stub's own `raise NotImplementedError` ended the call, and not one of a library below it."""
    if not isinstance(error, NotImplementedError):
        return False
    innermost = list(traceback.walk_tb(error.__traceback__))[-1][0]
    file = _file(answer)
    return file is None or innermost.f_code.co_filename == file


def where_it_broke(answer: Any, error: BaseException) -> str:
    """Tell an error by its name, its words, the line it came from and the shapes named in that line."""
    if isinstance(error, SystemExit):
        told = "SystemExit, which ends the whole program: take exit() or sys.exit() out"
    elif isinstance(error, RecursionError):
        told = "RecursionError: it calls itself without an end"
    elif isinstance(error, MemoryError):
        told = "MemoryError: it asked for more memory than there is; is a tensor much larger than it should be?"
    elif not_started(answer, error):
        told = "NotImplementedError: one branch of your function is still a stub"
    else:
        told = f"{type(error).__name__}: {compare.first_line(error)}".rstrip(": ")
    frame, line = _own_frame(answer, error)
    if frame is None:
        return f"{told}{_arguments(answer)}" if isinstance(error, TypeError) else told
    source = linecache.getline(frame.f_code.co_filename, line).strip()
    shapes = _shapes(frame, source)
    place = f"\nin line {line}: {compare.clip(source, 90)}" if source else f"\nin line {line}"
    return told + place + (f"\nwhere {shapes}" if shapes else "")


def _own_frame(answer: Any, error: BaseException) -> tuple[FrameType | None, int]:
    """The deepest frame of the learner's own code, and its line."""
    file = _file(answer)
    found: tuple[FrameType | None, int] = (None, 0)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if file is not None and frame.f_code.co_filename == file:
            found = frame, line
    return found


def _file(answer: Any) -> str | None:
    target: Any = inspect.unwrap(answer) if callable(answer) else answer
    target = getattr(target, "func", target)
    if not hasattr(target, "__code__"):
        target = getattr(type(target), "forward", None) or vars(type(target)).get("__call__")
    code = getattr(target, "__code__", None)
    return code.co_filename if code is not None else None


def _shapes(frame: FrameType, source: str) -> str:
    names = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", source))
    values = [(name, frame.f_locals[name]) for name in names if name in frame.f_locals]
    told = [
        f"{name} is {compare.article(compare.describe(value))}"
        for name, value in values
        if isinstance(value, torch.Tensor | np.ndarray)
    ]
    return ", ".join(told[:5])


def _arguments(answer: Any) -> str:
    try:
        return f"\nyour function takes {inspect.signature(answer)}"
    except (TypeError, ValueError):
        return ""
