"""CPU time of one call, and the row that puts ours beside a peer's."""

import time
from collections.abc import Callable
from typing import Any


def cpu_seconds(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int = 3) -> tuple[float, float]:
    """The fastest of several calls of each, taken in turn, so that a busy machine disturbs both alike."""
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        for i, function in enumerate((ours, peer)):
            start = time.process_time()
            function()
            best[i] = min(best[i], time.process_time() - start)
    return best[0], best[1]


def row(what: str, peer_name: str, ours: Callable[[], Any], peer: Callable[[], Any], repeats: int = 3) -> dict:
    """One line of the table; a ratio above 1 says how many times faster ours is."""
    a, b = cpu_seconds(ours, peer, repeats)
    return {"what": what, "ours": a, "peer": b, "peer_name": peer_name, "ratio": b / a, "unit": "CPU s"}
