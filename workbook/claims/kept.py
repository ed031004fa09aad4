"""A record that was stopped goes on where it was: what its arms have measured is kept until the record is whole.

    @kept
    def fine_tuned(objective, seed, budget): ...       -> an array, or a dict of arrays

    with arms("claim_27") as before: ...               a large experiment; before.seconds: spent by runs that were stopped

`kept` is `functools.cache`; inside of `arms` what a function returns is written to disk, too. The folder is named by the code, so after a
change of the experiment, or of a concept that it rests on, nothing old is met.
"""

import functools
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numpy as np

from workbook.support.files import user_cache, whole_file

P = ParamSpec("P")
Measured = TypeVar("Measured", np.ndarray, dict[str, np.ndarray])
PACKAGE = Path(__file__).resolve().parents[1]
OF = "of "  # stands in the file before the name of each array of a dict
NOT_MEASURED = {"book", "demo", "exercises", "figures", "pipeline"}


@dataclass
class Arms:
    """Where the arms of the experiment that runs are kept, and how long those took that were read back."""

    folder: Path
    seconds: float = 0.0


_running: list[Arms] = []


@contextmanager
def arms(name: str) -> Iterator[Arms]:
    """Keep what every `kept` function measures inside; when the block has ended without an error, all of it is removed."""
    _running.append(Arms(user_cache() / "claims" / f"{name}-{_code()[:16]}"))
    try:
        yield _running[-1]
        for folder in _running[-1].folder.parent.glob(f"{name}-*"):  # those of older code, too
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        _running.pop()


def kept(arm: Callable[P, Measured]) -> Callable[P, Measured]:
    """A function whose array, or dict of arrays, is measured once for the same arguments, told apart by their `repr`."""

    @functools.cache
    @functools.wraps(arm)
    def measured(*args: P.args, **kwargs: P.kwargs) -> Measured:
        if not _running:
            return arm(*args, **kwargs)
        told = f"{arm.__module__}.{arm.__qualname__} {args!r} {kwargs!r}"
        path = _running[-1].folder / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as file:
                _running[-1].seconds += float(file["seconds"])
                named = {name.removeprefix(OF): file[name] for name in file.files if name.startswith(OF)}
                return cast(Measured, named if named else file["values"])
        start = time.perf_counter()
        values = arm(*args, **kwargs)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            named = {OF + name: row for name, row in values.items()} if isinstance(values, dict) else {"values": values}
            np.savez(file, seconds=np.array(time.perf_counter() - start), **named)
        return values

    return cast(Callable[P, Measured], measured)


def _code() -> str:
    """SHA-256 of the package's sources, but for the rooms that no measurement enters."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in NOT_MEASURED:
            digest.update(path.read_bytes())
    return digest.hexdigest()
