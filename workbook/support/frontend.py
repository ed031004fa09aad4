"""Where the code is running: in front of a person, or in a build, a test or a script.

Everything that differs between the two is decided here, once: progress bars, clocks and the
budget of training steps. A stored notebook must come out the same byte for byte on every build,
so clocks and bars are shown to a person only.
"""

from __future__ import annotations  # an older Python must get as far as the message that it is too old

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
EACH = 0.5  # seconds between two states of a progress bar in a notebook


def is_live() -> bool:
    """Tell whether a person sits in front of this process.

    JupyterLab sets `JPY_SESSION_NAME` in the kernels it starts; nbclient and nbval do not.
    `WORKBOOK_LIVE=1` or `0` overrides the guess (a voila page sets 1).
    """
    override = os.environ.get("WORKBOOK_LIVE")
    if override is not None:
        return override == "1"
    return "JPY_SESSION_NAME" in os.environ or sys.stderr.isatty()


def is_presented() -> bool:
    """Tell whether a room is looking on: `WORKBOOK_PRESENT=1` gives large letters and hides the code."""
    return os.environ.get("WORKBOOK_PRESENT") == "1"


def in_notebook() -> bool:
    """Tell whether this process is a Jupyter kernel."""
    return "ipykernel" in sys.modules


def track(items: Iterable[T], total: int | None = None, label: str = "", show: bool | None = None) -> Iterator[T]:
    """Iterate over `items` behind a progress bar that only a person sees.

    In a notebook the bar is no widget: one would be an error in every page that is loaded later. What is left of it
    is a line of text, if it took long enough to be seen.

    Args:
        items: what to iterate over.
        total: how many there are, when `items` has no length.
        label: a few words shown before the bar.
        show: whether to show it; by default to a person only.
    """
    if not (is_live() if show is None else show):
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    if in_notebook():
        yield from _bar_in_a_page(items, total, label)
        return
    from tqdm import tqdm

    yield from tqdm(items, total=total, desc=label, leave=False)


def _bar_in_a_page(items: Iterable[T], total: int | None, label: str) -> Iterator[T]:
    from IPython import display

    show: Any = display.display  # it has no types
    start = shown = time.monotonic()
    place, done = None, 0

    def told(bar: str = "") -> dict[str, str]:
        of = f" of {total:,}" if total else ""
        text = f"{label or 'done'}: {done:,}{of}, {time.monotonic() - start:.0f} s"
        return {"text/plain": text} | ({"text/html": f"{bar} <small>{text}</small>"} if bar else {})

    try:
        for done, item in enumerate(items, start=1):
            yield item
            if (now := time.monotonic()) - shown >= EACH:
                shown = now
                data = told(f'<progress value="{done}" max="{total or 0}"></progress>')
                if place is None:
                    place = show(data, raw=True, display_id=True)
                else:
                    place.update(data, raw=True)
    finally:
        if place is not None:
            place.update(told(), raw=True)


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
