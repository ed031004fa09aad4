"""CPU time of one call, and the rows that put ours beside a peer's."""

import time
from collections.abc import Callable
from typing import Any


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the CPU seconds it took."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def cpu_seconds(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int = 3) -> tuple[float, float]:
    """The fastest of several calls of each, taken in turn, so that a busy machine disturbs both alike."""
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        for i, function in enumerate((ours, peer)):
            best[i] = min(best[i], timed(function)[1])
    return best[0], best[1]


def row(
    what: str,
    peer_name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    repeats: int = 3,
    floor: float | None = None,
    note: str = "",
) -> dict:
    """One line of the table; a ratio above 1 says how many times faster ours is.

    The floor is the ratio we promise; the note says what each is given, where it is not the same.
    """
    a, b = cpu_seconds(ours, peer, repeats)
    return _line(what, a, b, peer_name, b / a, "CPU s", floor, note)


def rate_row(
    what: str,
    peer_name: str,
    count: int,
    ours: float,
    peer: float,
    unit: str,
    floor: float | None = None,
    note: str = "",
) -> dict:
    """The same line from two times in CPU seconds, told as how many a CPU second does."""
    return _line(what, count / ours, count / peer, peer_name, peer / ours, f"{unit} per CPU s", floor, note)


def _line(
    what: str, ours: float, peer: float, peer_name: str, ratio: float, unit: str, floor: float | None, note: str
) -> dict:
    line = {"what": what, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio, "unit": unit}
    return line | {"floor": floor, "note": note}
