"""Starting several processes that train together, from a notebook or a test as well as from a terminal.

Taught in 05.
"""

import os
import subprocess
import sys
from collections.abc import Sequence


def torchrun(arguments: Sequence[str], processes: int, seconds: float = 600.0) -> None:
    """What `torchrun --nproc-per-node processes arguments…` does, on this machine alone and with a thread for each.

    Args:
        arguments: a script and what it is given, or "-m", a module and what it is given.
        processes: W.
        seconds: that all of it may take.
    Raises:
        RuntimeError: a process failed; the message ends with what it printed last.
        subprocess.TimeoutExpired: it took too long.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--rdzv_backend", "c10d",
               "--rdzv_endpoint", "127.0.0.1:0", "--local_addr", "127.0.0.1", *map(str, arguments)]  # fmt: skip
    surroundings = os.environ | {"OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        surroundings["GLOO_SOCKET_IFNAME"] = "lo"
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise RuntimeError(f"{processes} processes were started, and one failed: {done.stderr[-2000:]}")
