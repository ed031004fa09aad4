"""Watching a command: how long it takes, and the most memory that it and its children hold at once.

Taught in 20.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAUSE = 0.05  # seconds between two looks


def watch(command: Sequence[str], folder: Path | None = None) -> dict[str, Any]:
    """Run a command with one thread for each process, to its end.

    Args:
        command: program and arguments.
        folder: where it runs; here by default.
    Returns:
        "wall_seconds", "cpu_seconds" of it and its children, "peak_anonymous_bytes", memory of their own, None where the
        system does not tell, "peak_resident_bytes", the same with pages of mapped files, which the system may take back,
        and "said", what it printed.
    Raises:
        RuntimeError: it failed; the message ends with what it printed last.
    """
    import psutil

    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    before, start = os.times(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=surroundings)
    anonymous = resident = 0
    family = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            held = [_held(one) for one in (family, *family.children(recursive=True))]
        except psutil.Error:
            held = []
        resident = max(resident, sum(both[0] for both in held))
        anonymous = max(anonymous, sum(both[1] for both in held))
        time.sleep(PAUSE)
    said = process.stdout.read() if process.stdout else ""
    wall, after = time.perf_counter() - start, os.times()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_anonymous_bytes": anonymous or None,
        "peak_resident_bytes": resident,
        "said": said,
    }


def _held(process: Any) -> tuple[int, int]:
    """Resident and anonymous bytes of a process; 0 anonymous where the system does not tell."""
    import psutil

    if sys.platform == "linux":
        try:
            facts = Path(f"/proc/{process.pid}/status").read_text("utf-8")
        except OSError:  # it has ended
            return 0, 0
        rows = [line.split(":") for line in facts.splitlines() if line.startswith("Rss")]
        found = {name: int(value.split()[0]) * 1024 for name, value in rows}
        return sum(found.values()), found.get("RssAnon", 0)
    try:
        return process.memory_info().rss, 0
    except psutil.Error:
        return 0, 0
