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


def row(what: str, peer_name: str, ours: Callable[[], Any], peer: Callable[[], Any], repeats: int = 3) -> dict:
    """One line of the table; a ratio above 1 says how many times faster ours is."""
    a, b = cpu_seconds(ours, peer, repeats)
    return {"what": what, "ours": a, "peer": b, "peer_name": peer_name, "ratio": b / a, "unit": "CPU s"}


def rate_row(what: str, peer_name: str, count: int, ours: float, peer: float, unit: str) -> dict:
    """The same line from two times in CPU seconds, told as how many a CPU second does."""
    row = {"what": what, "ours": count / ours, "peer": count / peer, "peer_name": peer_name, "ratio": peer / ours}
    return row | {"unit": f"{unit} per CPU s"}
