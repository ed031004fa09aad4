"""Where the code is running: in front of a person, or in a build, a test or a script.

Everything that differs between the two is decided here, once: progress bars, clocks and the
budget of training steps. A stored notebook must come out the same byte for byte on every build,
so clocks and bars are shown to a person only.
"""

from __future__ import annotations  # an older Python must get as far as the message that it is too old

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def is_live() -> bool:
    """Tell whether a person sits in front of this process.

    JupyterLab sets `JPY_SESSION_NAME` in the kernels it starts; nbclient and nbval do not.
    `WORKBOOK_LIVE=1` or `0` overrides the guess (a voila page sets 1).
    """
    override = os.environ.get("WORKBOOK_LIVE")
    if override is not None:
        return override == "1"
    return "JPY_SESSION_NAME" in os.environ or sys.stderr.isatty()


def in_notebook() -> bool:
    """Tell whether this process is a Jupyter kernel."""
    return "ipykernel" in sys.modules


def track(items: Iterable[T], total: int | None = None, label: str = "", show: bool | None = None) -> Iterator[T]:
    """Iterate over `items` behind a progress bar that only a person sees.

    Args:
        items: what to iterate over.
        total: how many there are, when `items` has no length.
        label: a few words shown before the bar.
        show: whether to show it; by default to a person only.
    """
    if not (is_live() if show is None else show):
        yield from items
        return
    from tqdm.auto import tqdm

    yield from tqdm(items, total=total, desc=label, leave=False)


@contextmanager
def stopwatch(label: str) -> Iterator[None]:
    """Time a block and tell a person how long it took. Builds and tests print nothing."""
    start = time.perf_counter()
    yield
    if is_live():
        print(f"{label}: {time.perf_counter() - start:.1f} s")


def budgeted(steps: int) -> int:
    """The number of training steps to run: `steps`, or a fraction of them in a quick run.

    `WORKBOOK_STEP_DIVISOR=20` makes every training run twenty times shorter. The test that runs
    the learner's edition to its end sets it; nothing else does.

    Raises:
        ValueError: the variable is not a positive integer.
    """
    text = os.environ.get("WORKBOOK_STEP_DIVISOR", "1")
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"WORKBOOK_STEP_DIVISOR must be a positive integer, got {text!r}; unset it to run in full")
    return max(1, steps // int(text))
