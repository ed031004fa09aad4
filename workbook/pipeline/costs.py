"""Costs: the time and the memory of a stage, in a file of their own, since they differ between two equal runs.

WORK/costs/vectors.json
"""

import os
import sys
import time
from pathlib import Path

from workbook.support.files import sweep, write_json


class Clock:
    """Measures from the moment it is made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.time(), _cpu_seconds()

    def write(self, path: Path, resumed: bool) -> None:
        """Write what it took until now.

        Args:
            path: where to.
            resumed: whether a run before this one did a part of the work.
        """
        path.parent.mkdir(exist_ok=True)
        sweep(path.parent)
        write_json(
            path,
            {
                "wall_seconds": round(time.time() - self.wall, 3),
                "cpu_seconds": round(_cpu_seconds() - self.cpu, 3),
                "peak_memory_bytes": peak_memory(),
                "resumed": resumed,
            },
        )


def peak_memory() -> int | None:
    """The most memory that this process, or one of those it waited for, held at once, in bytes.

    Pages of memory-mapped files count in it, though the system may take them back at any time.
    None where the system cannot tell (Windows).
    """
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * unit


def _cpu_seconds() -> float:
    """Of this process and of those it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
