"""What a measurement was taken on: processor, memory, accelerator, versions.

A figure without its conditions cannot be compared with another.
"""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPORTED = (
    "torch", "numpy", "tokenizers", "transformers", "sentence-transformers", "faiss-cpu", "bm25s", "scikit-learn",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Hardware and versions of this machine, as JSON."""
    return {"hardware": hardware(), "versions": versions()}


def hardware() -> dict[str, Any]:
    """Processor, cores, memory in GiB, accelerator. No host or user name."""
    import torch

    if torch.cuda.is_available():
        accelerator = torch.cuda.get_device_name(0)
    elif torch.backends.mps.is_available():
        accelerator = "Apple GPU"
    else:
        accelerator = "none"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "accelerator": accelerator,
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
    }


def versions(libraries: Sequence[str] = REPORTED) -> dict[str, str]:
    """Versions of Python and of libraries, those that numbers depend on by default; missing ones are left out."""
    found = {"python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def memory_bytes() -> int:
    """The machine's memory in bytes; 0 where it cannot be told."""
    try:
        import psutil
    except ImportError:
        return 0
    return int(psutil.virtual_memory().total)


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
