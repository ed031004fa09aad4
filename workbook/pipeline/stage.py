"""A stage: a folder that is finished when its manifest is there, and goes on where it was when it is not.

    WORK/vectors/started.json     what is being made, from what: a run with other settings is refused
    WORK/vectors/corpus-00000.npy each file takes its name when it is whole
    WORK/vectors/manifest.json    written last: settings, inputs, versions, and the SHA-256 of every file
    WORK/costs/vectors.json       time and memory, kept apart: they differ between two equal runs

Taught in 20.
"""

import errno
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from workbook import __version__
from workbook.files import sha256_of, write_json

MANIFEST, STARTED = "manifest.json", "started.json"
LIBRARIES = ("faiss-cpu", "numpy", "pyarrow", "tokenizers", "torch")


class Stage:
    """A folder under way. Made by `stage`.

    Attributes:
        folder: where the files go.
        finished: whether everything is there already.
        sha256: what is known of files, by their path in the folder; others are read again at the end.

    Taught in 20.
    """

    def __init__(self, work: Path, name: str, settings: dict[str, Any], inputs: dict[str, str]):
        self.work, self.name, self.settings, self.inputs = work, name, settings, inputs
        self.folder = work / name
        self.finished = (self.folder / MANIFEST).is_file()
        self.sha256: dict[str, str] = {}
        self._wall, self._cpu = time.time(), _cpu_seconds()
        self.resumed = False

    @property
    def manifest(self) -> dict[str, Any]:
        """What `finish` wrote. Taught in 20."""
        return json.loads((self.folder / MANIFEST).read_text("utf-8"))

    def finish(self, results: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the manifest: from now on the folder counts as whole.

        Args:
            results: what else the manifest should tell, as JSON.
        Returns:
            the manifest.

        Taught in 20.
        """
        _sweep(self.folder)
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
            "versions": versions(),
            **(results or {}),
            "fingerprint": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
            "files": files,
        }
        (self.work / "costs").mkdir(exist_ok=True)
        _sweep(self.work / "costs")
        write_json(
            self.work / "costs" / f"{self.name.replace('/', '-')}.json",
            {
                "wall_seconds": round(time.time() - self._wall, 3),
                "cpu_seconds": round(_cpu_seconds() - self._cpu, 3),
                "peak_memory_bytes": peak_memory(),
                "resumed": self.resumed,
            },
        )
        write_json(self.folder / MANIFEST, manifest)
        (self.folder / STARTED).unlink(missing_ok=True)
        self.finished = True
        return manifest


@contextmanager
def stage(
    work: str | Path, name: str, settings: dict[str, Any], inputs: dict[str, str], anew: bool = False
) -> Iterator[Stage]:
    """Begin a stage, or go on with it; nobody else can while the block runs.

    Args:
        work: the work folder.
        name: the folder of the stage within it, such as "vectors" or "runs/test".
        settings: JSON; with other settings the folder is refused.
        inputs: name -> fingerprint of what the stage reads; with other inputs the folder is refused.
        anew: remove what is there, instead.
    Yields:
        the stage; `finished` tells whether there is something to do.
    Raises:
        ValueError: the folder was made with other settings, from other inputs or by other versions.
        RuntimeError: another process is at it.
        OSError: the folder cannot be written.

    Taught in 20.
    """
    work = Path(work)
    now = {"settings": settings, "inputs": inputs, "versions": versions()}
    with ExitStack() as held:
        try:
            work.mkdir(parents=True, exist_ok=True)
            held.enter_context(_lock(work / f".{name.replace('/', '-')}.lock", name))
            run = _begin(Stage(work, name, settings, inputs), now, anew)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            folder = Path(error.filename).parent if error.filename else work
            raise type(error)(
                error.errno, f"cannot write into {folder}: {error.strerror}; give a folder that you may write to"
            ) from error
        yield run


def _begin(run: Stage, now: dict[str, Any], anew: bool) -> Stage:
    """Make the folder of a stage, or see what is in it."""
    if anew and run.folder.exists():
        (run.folder / MANIFEST).unlink(missing_ok=True)  # first: what is half removed must not count as finished
        shutil.rmtree(run.folder)
        run.finished = False
    run.folder.mkdir(parents=True, exist_ok=True)
    if run.finished:
        # Another version of a library does not spoil what is whole.
        _refuse_other(run.folder, run.manifest, {name: now[name] for name in ("settings", "inputs")})
        (run.folder / STARTED).unlink(missing_ok=True)  # a kill may have come between the last two steps
        return run
    if (run.folder / STARTED).is_file():
        _refuse_other(run.folder, _json(run.folder / STARTED), now)
        run.resumed = True
    elif any(not path.name.startswith(".") for path in run.folder.iterdir()):
        raise ValueError(
            f"{run.folder} holds files that no stage has begun; give another work folder, or --anew to remove them"
        )
    _sweep(run.folder)
    write_json(run.folder / STARTED, now)
    return run


def finished(work: str | Path, name: str, command: str) -> dict[str, Any]:
    """The manifest of a stage that another one reads.

    Raises:
        FileNotFoundError: it is not finished; the message says which command finishes it.
        ValueError: a file of it is missing or has another size.

    Taught in 20.
    """
    folder = Path(work) / name
    if not (folder / MANIFEST).is_file():
        state = "is unfinished" if (folder / STARTED).is_file() else "is not there"
        raise FileNotFoundError(f"{folder} {state}; run `python -m workbook {command} {work}` first")
    manifest = _json(folder / MANIFEST)
    for file in manifest["files"]:
        path = folder / file["file"]
        size = path.stat().st_size if path.is_file() else None
        if size != file["bytes"]:
            came = "no such file" if size is None else f"{size:,} bytes"
            raise ValueError(
                f"{path} is damaged: expected {file['bytes']:,} bytes, got {came}; "
                f"run `python -m workbook {command} {work} --anew`"
            )
    return manifest


def check(work: str | Path, manifest: dict[str, Any], name: str, command: str) -> Path:
    """The path of a file of a finished stage, after a comparison with its SHA-256.

    Raises:
        ValueError: the file is damaged; the message names it and says how it is made again.

    Taught in 20.
    """
    path = Path(work) / manifest["stage"] / name
    expected = next(file["sha256"] for file in manifest["files"] if file["file"] == name)
    if (found := sha256_of(path)) != expected:
        raise ValueError(
            f"{path} is damaged: expected SHA-256 {expected[:16]}…, got {found[:16]}…; "
            f"run `python -m workbook {command} {work} --anew`"
        )
    return path


def versions() -> dict[str, str]:
    """Python's, ours, and those of the libraries that decide the bytes of what a stage writes. Taught in 20."""
    found = {"python": platform.python_version(), "workbook": __version__}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak_memory() -> int | None:
    """The most memory that this process, or one of those it waited for, held at once, in bytes.

    Pages of memory-mapped files count in it, though the system may take them back at any time.
    None where the system cannot tell (Windows).

    Taught in 20.
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


def _sweep(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); run the stage with --anew") from error


def _refuse_other(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    differ = [
        f"{name} was {before[kind].get(name)!r} and is now {now[kind].get(name)!r}"
        for kind in now
        for name in sorted(before[kind].keys() | now[kind].keys())
        if before[kind].get(name) != now[kind].get(name)
    ]
    if differ:
        raise ValueError(
            f"{folder} was made differently: {'; '.join(differ)}. Run it as before, with --anew to make it again, or "
            "with another work folder"
        )


@contextmanager
def _lock(path: Path, name: str) -> Iterator[None]:
    """Hold a file so that no other process can; the system lets go of it when this one ends, however it ends."""
    with path.open("a+b") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK):
                warnings.warn(
                    f"the disk of {path.parent} knows no locks; see to it that nobody else is at {name}", stacklevel=4
                )
            else:
                raise RuntimeError(
                    f"another process is at {name} in {path.parent}; wait for it, or end it and run again"
                ) from error
        yield
