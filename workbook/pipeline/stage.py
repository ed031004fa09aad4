"""A stage: a folder that is finished when its manifest is there, and goes on where it was when it is not.

WORK/vectors/started.json     what is being made, from what: a run with other settings is refused
WORK/vectors/corpus-00000.npy each file takes its name when it is whole
WORK/vectors/manifest.json    written last: settings, inputs, versions, and the SHA-256 of every file
WORK/costs/vectors.json       time and memory, kept apart: they differ between two equal runs
"""

import errno
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from workbook import __version__
from workbook.pipeline.costs import Clock
from workbook.pipeline.manifests import MANIFEST, STARTED, check, finished, read_json
from workbook.support.files import refuse_damaged, sha256_of, sweep, write_json
from workbook.support.machine import versions

__all__ = ["Job", "at_least", "check", "finished", "remove", "stage"]

LIBRARIES = ("faiss-cpu", "numpy", "pyarrow", "tokenizers", "torch")  # which decide the bytes of what a stage writes


class Job:
    """A stage under way. Made by `stage`.

    Attributes:
        folder: where the files go.
        finished: whether everything is there already.
        sha256: what is known of files, by their path in the folder; others are read again at the end.
    """

    def __init__(self, work: Path, name: str, settings: dict[str, Any], inputs: dict[str, str]):
        self.work, self.name, self.settings, self.inputs = work, name, settings, inputs
        self.folder = work / name
        self.finished = (self.folder / MANIFEST).is_file()
        self.sha256: dict[str, str] = {}
        self.clock, self.resumed = Clock(), False

    @property
    def manifest(self) -> dict[str, Any]:
        """What `finish` wrote."""
        return read_json(self.folder / MANIFEST)

    def finish(self, results: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the manifest: from now on the folder counts as whole.

        Args:
            results: what else the manifest should tell, as JSON.
        Returns:
            the manifest.
        """
        sweep(self.folder)
        files = []
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and name not in (MANIFEST, STARTED):
                digest = self.sha256.get(name) or sha256_of(path)
                files.append({"file": name, "bytes": path.stat().st_size, "sha256": digest})
        manifest = {
            "stage": self.name,
            "settings": self.settings,
            "inputs": self.inputs,
            "versions": _versions(),
            **(results or {}),
            "fingerprint": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
            "files": files,
        }
        self.clock.write(self.work / "costs" / f"{self.name.replace('/', '-')}.json", self.resumed)
        write_json(self.folder / MANIFEST, manifest)
        (self.folder / STARTED).unlink(missing_ok=True)
        self.finished = True
        return manifest


@contextmanager
def stage(
    work: str | Path,
    name: str,
    settings: dict[str, Any],
    inputs: dict[str, str],
    anew: bool = False,
    aside: str | None = None,
) -> Iterator[Job]:
    """Begin a stage, or go on with it; nobody else can while the block runs.

    Args:
        work: the work folder.
        name: the folder of the stage within it, such as "vectors" or "runs/test".
        settings: JSON; with other settings the folder is refused.
        inputs: name -> fingerprint of what the stage reads; with other inputs the folder is refused.
        anew: remove what is there, instead.
        aside: a folder for what the stage needs only while it is under way, removed with the other one.
    Yields:
        the stage; `finished` tells whether there is something to do.
    Raises:
        ValueError: the folder was made with other settings, from other inputs or by other versions, or it would lie
            outside of the work folder.
        RuntimeError: another process is at it.
        OSError: the folder cannot be written.
    """
    work = Path(work)
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise ValueError(f"expected a folder inside of {work}, got {name!r}; give the name of a split")
    if work.exists() and not work.is_dir():
        raise NotADirectoryError(f"expected a work folder, but {work} is a file; give another name")
    with ExitStack() as held:
        try:
            work.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(work / f".{name.replace('/', '-')}.lock", timeout=0))
            if anew:
                remove(work / name, *([work / aside] if aside else []))
            job = Job(work, name, settings, inputs)
            _begin(job, {"settings": settings, "inputs": inputs, "versions": _versions()})
        except Timeout as error:
            raise RuntimeError(
                f"another process is at {name} in {work}; wait for it, or end it and run again"
            ) from error
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            folder = Path(error.filename).parent if error.filename else work
            raise type(error)(
                error.errno, f"cannot write into {folder}: {error.strerror}; give a folder that you may write to"
            ) from error
        try:
            yield job
        except Exception:
            _forget(job, aside)
            raise


def _begin(job: Job, now: dict[str, Any]) -> None:
    """Find out what a run before this one has left, and refuse what does not belong to this one."""
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.finished:
        # Another version of a library does not spoil what is whole.
        _refuse_other(job.folder, job.manifest, {name: now[name] for name in ("settings", "inputs")})
        refuse_damaged(job.folder, job.manifest["files"], "run it with --anew")
        (job.folder / STARTED).unlink(missing_ok=True)  # a kill may have come between the last two steps
        return
    if (job.folder / STARTED).is_file():
        _refuse_other(job.folder, read_json(job.folder / STARTED), now)
        job.resumed = True
    elif any(not path.name.startswith(".") for path in job.folder.iterdir()):
        raise ValueError(
            f"{job.folder} holds files that no stage has begun; give another work folder, or --anew to remove them"
        )
    sweep(job.folder)
    write_json(job.folder / STARTED, now)


def remove(folder: Path, *others: Path) -> None:
    """Remove a stage, the manifest first: a kill in between must not leave a folder that counts as whole."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for each in (*others, folder):
        if each.exists():
            shutil.rmtree(each)


def _forget(job: Job, aside: str | None) -> None:
    """A run that failed before it made anything leaves nothing, so that the next may have other settings."""
    made = [path for name in (job.name, aside) if name for path in (job.work / name).rglob("*") if path.is_file()]
    if made == [job.folder / STARTED]:
        shutil.rmtree(job.folder, ignore_errors=True)


def at_least(least: int, **numbers: int | None) -> None:
    """Refuse numbers that are too small, before anything is removed or written.

    Args:
        least: the smallest that is allowed.
        numbers: by name; None is left alone.
    Raises:
        ValueError: one is too small.
    """
    for name, number in numbers.items():
        if number is not None and number < least:
            raise ValueError(f"{name} must be at least {least}, got {number}")


def _versions() -> dict[str, str]:
    """Ours, Python's, and those of the libraries above."""
    return {"workbook": __version__, **versions(LIBRARIES)}


def _refuse_other(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    differ = [
        f"{name} was {_short(before[kind].get(name))} and is now {_short(now[kind].get(name))}"
        for kind in now
        for name in sorted(before[kind].keys() | now[kind].keys())
        if before[kind].get(name) != now[kind].get(name)
    ]
    if differ:
        raise ValueError(
            f"{folder} was made differently: {'; '.join(differ)}. Run it as before, with --anew to make it again, or "
            "with another work folder"
        )


def _short(value: Any) -> str:
    """A setting as it is, and of a fingerprint its beginning."""
    return f"{value[:12]}…" if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else repr(value)
