"""Progress: how much is done, and how long the rest will take."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workbook.support.frontend import is_live


@contextmanager
def progress(
    label: str, total: int | None, done: int = 0, show: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """A bar on stderr with the time left, which follows from the speed of this run.

    Args:
        label: what is counted.
        total: how many there are; None where nobody knows, and then there is no time left to tell.
        done: how many a run before this one has done.
        show: whether to show it; by default to a person only.
    Yields:
        a function to call with how many more are done.
    """
    if not (is_live() if show is None else show):
        yield lambda count: None
        return
    from tqdm.auto import tqdm

    # A log file gets a line every ten seconds, a terminal ten a second.
    pause = 0.1 if sys.stderr.isatty() else 10.0
    with tqdm(
        desc=label, total=total, initial=done, unit="", unit_scale=True, mininterval=pause, file=sys.stderr
    ) as bar:
        yield bar.update


def silence_libraries() -> None:
    """No bars of transformers and of the hub, in this process and in those that it starts."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if "transformers" in sys.modules:  # it has read the variable already
        from transformers.utils import logging

        logging.disable_progress_bar()
