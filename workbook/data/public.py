"""Public collections by name: download once, read once into Arrow files, open in a moment from then on.

Below the user's cache (or `WORKBOOK_CACHE`) stand collections/NAME/files, what was downloaded, and beside it what
was read from it: corpus/, queries/, qrels/ and manifest.json. A killed run goes on at the next call.

Taught in 17.
"""

import os
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from workbook.data.archives import is_archive, unpack
from workbook.data.catalogue import ALIASES, CATALOGUE, PARTS, Entry, describe, mteb
from workbook.data.collection import Collection
from workbook.data.download import ask, fetch
from workbook.data.folders import read_folder, row_or_table_files
from workbook.data.msmarco import HardNegatives, read_hard_negatives, read_triples
from workbook.data.problems import Problems
from workbook.data.reading import into_folder, open_folder
from workbook.data.sts import SimilaritySet, load_sts

UNPACKED = "unpacked"


@dataclass(frozen=True)
class Streamed:
    """Training data too large for the memory: iterate over it, any number of times.

    Attributes:
        name: what it is called.
        path: the file that is read.
        licence: under which it may be used.
        problems: what was dropped so far.

    Taught in 08.
    """

    name: str
    path: Path
    kind: str
    licence: str
    problems: Problems = field(default_factory=Problems, repr=False, compare=False)

    def __iter__(self) -> Iterator[tuple[str, str, str]] | Iterator[HardNegatives]:
        return (read_triples if self.kind == "triples" else read_hard_negatives)(self.path, self.problems)


def is_public(name: str) -> bool:
    """Whether a name is that of a public collection. Taught in 17."""
    return name in CATALOGUE or name in ALIASES or name in PARTS or re.fullmatch(r"mteb/[\w.-]+", name) is not None


def load_public(
    name: str, download: bool | None = None, strict: bool = False, cache: Path | None = None
) -> Collection | SimilaritySet | Streamed:
    """Load a public collection from the cache, after bringing it there if that is allowed.

    Args:
        name: a name of `catalogue.CATALOGUE`, `ALIASES` or `PARTS`, or "mteb/TASK".
        download: True allows the download; None leaves it to the variable WORKBOOK_DOWNLOAD; False forbids it.
        strict: stop at the first broken line, also where the cache was filled without.
        cache: where collections are kept; `cache_folder()` by default.
    Returns:
        a `Collection` whose texts stand on the disk; for "stsbenchmark" a `SimilaritySet`; for triples and
        hard negatives a `Streamed`.
    Raises:
        NotAllowed: it is not there, and the download was not allowed.
        DownloadError: it could not be brought.
        MalformedFile: with `strict`, a line is broken.

    Taught in 17.
    """
    if name in PARTS:
        whole = load_public(PARTS[name], download, strict, cache)
        assert isinstance(whole, Collection)
        return replace(whole.split(name), name=name)
    name = ALIASES.get(name, name)
    entry = CATALOGUE.get(name) or mteb(name)
    folder = (cache or cache_folder()) / name.replace("/", "--")
    problems = Problems(strict)
    collection = open_folder(folder)
    if collection is not None and not (strict and collection.problems):
        return collection
    files = bring(name, entry, folder / "files", download)
    if entry.kind in ("triples", "hard negatives"):
        return Streamed(name, files[0], entry.kind, entry.licence, problems)
    place = _unpacked(files, folder / "files")
    if entry.kind == "sts":
        found = [path for path in row_or_table_files(place) if path.name.startswith("sts")]
        return load_sts(found, problems, name, entry.licence)
    reading = read_folder(place, problems, name, entry.licence)
    collection = into_folder(reading, folder, problems, replace=True)
    shutil.rmtree(folder / "files" / UNPACKED, ignore_errors=True)  # what was read can be unpacked again
    if entry.passages is not None and len(collection.corpus) != entry.passages:
        warnings.warn(
            f"{name} should hold {entry.passages:,} passages, {len(collection.corpus):,} were read; "
            f"what was dropped: {collection.problems}",
            stacklevel=2,
        )
    return collection


def bring(name: str, entry: Entry, folder: Path, download: bool | None) -> list[Path]:
    """The files of an entry, downloaded where they are not there yet and that is allowed. Taught in 17.

    Raises:
        NotAllowed: a file is missing, and the download was not allowed.
    """
    if not entry.hub:
        missing = [file for file in entry.files if not (folder / file.file_name).is_file()]
        if missing:
            ask(describe(name, entry), download, folder)
        return [fetch(file, folder) for file in entry.files]
    from workbook.data.hub import hub_files, kept_files

    files = kept_files(folder)
    if files is None:
        ask(describe(name, entry), download, folder)
        files = hub_files(entry.hub, entry.only, folder)
    if any(not (folder / path).is_file() for path in files):
        ask(describe(name, replace(entry, hub="", files=tuple(files.values()))), download, folder)
    return [fetch(file, (folder / path).parent) for path, file in files.items()]


def cache_folder() -> Path:
    """Where collections are kept: in the user's cache, or below `WORKBOOK_CACHE`. Taught in 17."""
    import platformdirs

    folder = os.environ.get("WORKBOOK_CACHE") or platformdirs.user_cache_path("embedding-workbook")
    return Path(folder) / "collections"


def _unpacked(files: list[Path], folder: Path) -> Path:
    """The folder below which all files stand, those of archives too: of the only archive, or of all downloads."""
    target = folder
    for archive in filter(is_archive, files):
        target = folder / UNPACKED / archive.name.split(".")[0]
        if not target.exists():
            unpack(archive, target)
    return target if len(files) == 1 else folder


def forget(name: str, cache: Path | None = None) -> None:
    """Remove a collection from the cache, downloads and all. Taught in 17.

    Raises:
        FileNotFoundError: it is not there.
    """
    name = ALIASES.get(name, name)
    if not is_public(name):
        raise FileNotFoundError(f"no public collection {name!r}")
    folder = (cache or cache_folder()) / name.replace("/", "--")
    shutil.rmtree(folder)
