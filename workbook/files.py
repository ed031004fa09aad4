"""Files that are whole or not there: every file the workbook writes is written by these few lines.

Taught in 07.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a file so that a kill or a full disk at any moment leaves the old one or the new one.

    The content goes to a temporary file beside the target, is flushed to the disk, and then takes
    the target's name in one step.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file is untouched.

    Taught in 07.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; give the ones that others may read.
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, atomically, with a newline at the end. Taught in 07."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
