"""Manifests: what one stage leaves for the next, and how the next makes sure that it is whole and up to date.

A manifest names every file with its size and SHA-256, and what it was made from with a fingerprint. Before a stage
reads another one it compares: sizes of all files, the SHA-256 of those it opens, and the fingerprints down to the data.
So neither a damaged file nor one from before the last `--anew` is ever used.
"""

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbook.support.files import refuse_damaged

MANIFEST, STARTED = "manifest.json", "started.json"
# Which command makes a folder; all others are made by search.
COMMANDS = {"vectors": "encode", "model": "train", "splits": "data", "data": "data", "index": "index"}


def finished(work: str | Path, name: str, command: str) -> dict[str, Any]:
    """The manifest of a stage that another one reads.

    Args:
        work: the work folder.
        name: the folder of the stage within it, such as "vectors" or "runs/test".
        command: which makes it.
    Raises:
        FileNotFoundError: it is not finished; the message says which command finishes it.
        ValueError: a file of it is missing or has another size, or what it was made from has been made anew since.
    """
    folder = Path(work) / name
    if not (folder / MANIFEST).is_file():
        state = "is unfinished" if (folder / STARTED).is_file() else "is not there"
        raise FileNotFoundError(f"{folder} {state}; run `{again(work, name, command)}` first")
    manifest = read_json(folder / MANIFEST)
    refuse_damaged(folder, manifest["files"], f"run `{again(work, name, command)} --anew`")
    _refuse_outdated(Path(work), name, command, manifest)
    return manifest


def check(work: str | Path, manifest: dict[str, Any], name: str, command: str) -> Path:
    """The path of a file of a finished stage, after a comparison with its SHA-256.

    Args:
        work: the work folder.
        manifest: of the stage, from `finished`.
        name: of the file within the stage's folder.
        command: which makes the stage.
    Raises:
        ValueError: the file is damaged; the message names it and says how it is made again.
    """
    folder, file = Path(work) / manifest["stage"], next(file for file in manifest["files"] if file["file"] == name)
    refuse_damaged(folder, [file], f"run `{again(work, manifest['stage'], command)} --anew`", content=True)
    return folder / name


def check_all(work: str | Path, name: str, command: str, more: Callable[[int], object] = lambda count: None) -> None:
    """Compare every file of a finished stage with its SHA-256, and call `more` after each; as `finished` and `check`."""
    manifest = finished(work, name, command)
    for file in manifest["files"]:
        check(work, manifest, file["file"], command)
        more(1)


def again(work: str | Path, name: str, command: str) -> str:
    """The command line that makes a stage, as far as its folder's name tells.

    >>> again("work", "runs/dev-exact", "search")
    'python -m workbook search work dev --exact'
    """
    words, (folder, _, rest) = [command, str(work)], name.partition("/")
    split, system = split_and_system(rest) if folder == "runs" else (rest, "")
    if command == "data":
        words += ["SOURCE", *(["--add", split] if split else [])]
    elif split:
        words.append(split)
    if system == "exact":
        words.append("--exact")
    elif system:
        base, _, reranked = system.partition("-")
        words += ["--with", "bm25,dense,rrf" if base == "rrf" else base, *(["--rerank", "MODEL"] if reranked else [])]
    return " ".join(["python -m workbook", *words])


def split_and_system(run: str) -> tuple[str, str]:
    """The two parts of a run's name; the system is "" for the index.

    >>> split_and_system("dev-rrf-rerank")
    ('dev', 'rrf-rerank')
    """
    found = re.search("-(exact|bm25|rrf|(bm25|dense|rrf)-rerank)$", run)
    return (run[: found.start()], found[1]) if found else (run, "")


def runs_of(work: str | Path, split: str) -> list[str]:
    """The names of the finished runs of a split."""
    names = sorted(path.parent.name for path in (Path(work) / "runs").glob(f"*/{MANIFEST}"))
    return [name for name in names if split_and_system(name)[0] == split]


def read_json(path: Path) -> dict[str, Any]:
    """A manifest, or what a stage has begun with.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); run the stage with --anew") from error


def kept(*stages: str, most: int = 1) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Keep what a function reads out of a work folder, until one of the stages that it reads is made anew.

        @kept("runs/{1}")
        def read(work, name): …

    Args:
        stages: their folders, where {1} is the function's second argument, which is a string.
        most: how many results are kept.
    """

    def decorate(read: Callable[..., Any]) -> Callable[..., Any]:
        cached = functools.lru_cache(most)(lambda written, work, *others: read(work, *others))

        @functools.wraps(read)
        def reading(work: str | Path, *others: Any) -> Any:
            manifests = [Path(work, stage.format(work, *others), MANIFEST) for stage in stages]
            written = tuple(path.stat().st_mtime_ns if path.is_file() else None for path in manifests)
            return cached(written, str(work), *others)

        return reading

    return decorate


def _refuse_outdated(work: Path, name: str, command: str, manifest: dict[str, Any]) -> None:
    """Follow the inputs down to the data, and name the first stage that is older than what it was made from."""
    for origin in reversed(manifest["inputs"]):  # the last made first
        path = work / origin / MANIFEST
        if not path.is_file():  # no stage of this work folder, or one that was removed to save space
            continue
        now = read_json(path)
        _refuse_outdated(work, origin, COMMANDS.get(origin.split("/")[0], "search"), now)
        if now["fingerprint"] != manifest["inputs"][origin]:
            raise ValueError(
                f"{work / name} was made from what {work / origin} held before, and that was made anew since; "
                f"run `{again(work, name, command)} --anew`"
            )
