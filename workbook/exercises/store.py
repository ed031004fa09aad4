"""The learner's progress: one small JSON file that survives kills, full disks and two kernels at once.

It is kept in a hidden folder of the learner's own, `learn/.workbook/progress.json`; the environment variable
WORKBOOK_LEARN names another place than `learn/`. Builds and tests of the complete edition keep no progress.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbook.support.files import write_atomically, write_json
from workbook.support.frontend import is_live

ROOT = Path(__file__).resolve().parent.parent.parent
MANIFEST = ".workbook.json"  # marks a learner's folder
HIDDEN = ".workbook"  # inside of it: what a learner need not see
PATIENCE = 2.0  # seconds to wait for another kernel that is writing

Progress = dict[str, dict[str, Any]]


def folder() -> Path:
    """The learner's folder: WORKBOOK_LEARN, else the one we work in, else `learn/`."""
    if named := os.environ.get("WORKBOOK_LEARN"):
        return Path(named).expanduser()
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if (place / MANIFEST).exists()), ROOT / "learn")


def is_kept() -> bool:
    """Tell whether progress is written: in a learner's folder, or by a person outside `notebooks/`."""
    if "WORKBOOK_LEARN" in os.environ:
        return True
    here = Path.cwd()
    if any((place / MANIFEST).exists() for place in (here, *here.parents)):
        return True
    return is_live() and (ROOT / "notebooks") not in (here, *here.parents)


def read() -> tuple[Progress, str]:
    """Read the progress, and say what was wrong with the file: (progress, message).

    A damaged file is set aside under another name, and the copy before it is taken.
    """
    _move_in()
    path = _file()
    try:
        return _parse(path.read_bytes()), ""
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"your progress could not be read ({error.strerror}); the lesson goes on without it"
    except ValueError:
        pass
    aside = _set_aside(path)
    try:
        return _parse(
            _previous().read_bytes()
        ), f"progress.json was damaged: it is now {aside}, and the copy before it is used"
    except (OSError, ValueError):
        return {}, f"progress.json was damaged: it is now {aside}, and progress starts afresh"


def update(change: Callable[[Progress], None]) -> str:
    """Read, change and write the progress as one step, whatever other kernels do at the same time.

    Args:
        change: changes the progress in place.
    Returns:
        a message for the learner, empty when all went well. Nothing is raised: a full disk must not
        end a lesson.
    """
    if not is_kept():
        return ""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with _locked():
            progress, message = read()
            before = json.dumps(progress)
            change(progress)
            if json.dumps(progress) == before and not message:
                return ""
            if _file().exists():
                write_atomically(_previous(), _file().read_bytes())
            write_json(_file(), progress)
            return message
    except OSError as error:
        return f"your progress could not be saved ({error.strerror or error}); the lesson goes on, and what was saved before is kept"


def entry(progress: Progress, group: str, id: str) -> dict[str, Any]:
    """The record of one exercise or one question, made when it is missing."""
    record = progress.setdefault(group, {}).setdefault(id, {})
    return record


def _file() -> Path:
    return folder() / HIDDEN / "progress.json"


def _previous() -> Path:
    return folder() / HIDDEN / "progress.previous.json"


def _move_in() -> None:
    """Files of progress that an earlier version left in the open go into the hidden folder."""
    for path in folder().glob("progress*.json"):
        target = folder() / HIDDEN / path.name
        try:
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                path.rename(target)
        except OSError:
            return  # it stays where it is until the disk lets it


def _parse(data: bytes) -> Progress:
    progress = json.loads(data)
    whole = isinstance(progress, dict) and all(
        isinstance(group, dict) and all(isinstance(record, dict) for record in group.values())
        for group in progress.values()
    )
    if not whole:
        raise ValueError("not a progress file")
    return progress


def _set_aside(path: Path) -> str:
    number = 1
    while (aside := path.with_name(f"progress.damaged-{number}.json")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError:
        return path.name
    return aside.name


@contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock of this folder; after PATIENCE seconds go on without it. A kill releases it."""
    with open(_file().with_name(".progress.lock"), "a+b") as file:
        end = time.monotonic() + PATIENCE
        while not (held := _try_lock(file)) and time.monotonic() < end:
            time.sleep(0.02)
        try:
            yield
        finally:
            if held:
                _unlock(file)


if os.name == "nt":
    import msvcrt

    def _try_lock(file: Any) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

    def _unlock(file: Any) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]

else:
    import fcntl

    def _try_lock(file: Any) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(file: Any) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
