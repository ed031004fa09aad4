"""Public collections by name: download once, read once into Arrow files, open in a moment from then on.

Below the user's cache (or `WORKBOOK_CACHE`) stand collections/NAME/files, what was downloaded, and beside it what
was read from it: corpus/, queries/, qrels/ and manifest.json. A killed run goes on at the next call. Two processes
that want the same collection at once take turns: the second finds it there.

Taught in 20.
"""

import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.public.archives import is_archive, unpack
from workbook.data.public.catalogue import ALIASES, CATALOGUE, PARTS, SEVERAL, Entry, describe, mteb
from workbook.data.public.download import allowed, ask, fetch, one_at_a_time
from workbook.data.readers.folders import read_folder, row_or_table_files
from workbook.data.readers.msmarco import HardNegatives, read_hard_negatives, read_triples
from workbook.data.readers.reading import into_folder, open_folder
from workbook.data.readers.sts import SimilaritySet, load_sts
from workbook.support.files import user_cache

UNPACKED = "unpacked"
PICKLES = (".pkl", ".pickle")  # as in CodeSearchNet's archives


@dataclass(frozen=True)
class Streamed:
    """Training data too large for the memory: iterate over it, any number of times.

    Attributes:
        name: what it is called.
        path: the file that is read.
        licence: under which it may be used.
        problems: what was dropped so far.
    """

    name: str
    path: Path
    kind: str
    licence: str
    problems: Problems = field(default_factory=Problems, repr=False, compare=False)

    def __iter__(self) -> Iterator[tuple[str, str, str]] | Iterator[HardNegatives]:
        return (read_triples if self.kind == "triples" else read_hard_negatives)(self.path, self.problems)


def is_public(name: str) -> bool:
    """Whether a name is that of a public collection, or of several."""
    known = name in CATALOGUE or name in ALIASES or name in PARTS or name in SEVERAL
    return known or re.fullmatch(r"mteb(/\w[\w.-]*){1,3}", name) is not None


def load_public(
    name: str, download: bool | None = None, strict: bool = False, cache: Path | None = None
) -> Collection | SimilaritySet | Streamed:
    """Load a public collection from the cache, after bringing it there if that is allowed.

    Args:
        name: a name of `catalogue.CATALOGUE`, `ALIASES` or `PARTS`; or "mteb/TASK", which language and split may
            follow.
        download: True allows the download; None leaves it to the variable WORKBOOK_DOWNLOAD; False forbids it.
        strict: stop at the first broken line, also where the cache was filled without.
        cache: where collections are kept; `cache_folder()` by default.
    Returns:
        a `Collection` whose texts stand on the disk; for "stsbenchmark" a `SimilaritySet`; for triples and
        hard negatives a `Streamed`.
    Raises:
        NotAllowed: it is not there, and the download was not allowed.
        DownloadError: it could not be brought.
        FileNotFoundError: the name holds several collections, which the message lists.
        MalformedFile: with `strict`, a line is broken.
    """
    if name in SEVERAL:
        raise FileNotFoundError(
            f"{name} holds a collection for each of {', '.join(SEVERAL[name])}; name one: {name}/{SEVERAL[name][0]}"
        )
    if name in PARTS:
        whole = load_public(PARTS[name], download, strict, cache)
        assert isinstance(whole, Collection)
        return replace(whole.split(name), name=name)
    name = ALIASES.get(name, name)
    entry = CATALOGUE.get(name) or mteb(name)
    cache = cache or cache_folder()
    folder = folder_of(name, cache)
    # A refusal must leave nothing behind, not even the file of a lock.
    waiting = one_at_a_time(folder) if folder.exists() or allowed(download) else nullcontext()
    if (collection := open_folder(folder, strict)) is not None:
        return collection
    with waiting:  # and perhaps another process has read it in the meantime
        found = open_folder(folder, strict)
        return _brought(name, entry, folder, cache, download, Problems(strict)) if found is None else found


def _brought(
    name: str, entry: Entry, folder: Path, cache: Path, download: bool | None, problems: Problems
) -> Collection | SimilaritySet | Streamed:
    """Download what is missing, and read it."""
    home = folder  # collections that come in one archive share its download
    if entry.files and entry.parts:
        home = folder_of(name.removesuffix("/" + "/".join(entry.parts)), cache)
    files = bring(name, entry, home / "files", download)
    if entry.kind in ("triples", "hard negatives"):
        return Streamed(name, files[0], entry.kind, entry.licence, problems)
    place = _unpacked(files, home / "files", folder / "files" / UNPACKED, entry.parts)
    if entry.kind == "sts":
        found = [path for path in row_or_table_files(place) if path.name.startswith("sts")]
        pairs = load_sts(found, problems, name, entry.licence)
        _compare(name, "pairs", entry.queries, sum(map(len, pairs.splits.values())), pairs.problems)
        return pairs
    licence = _licence(entry, home / "files")
    reading = read_folder(place, problems, name, licence, entry.parts if entry.hub else ())
    collection = into_folder(reading, folder, problems, replace=True)
    shutil.rmtree(folder / "files" / UNPACKED, ignore_errors=True)  # what was read can be unpacked again
    _compare(name, "passages", entry.passages, len(collection.corpus), collection.problems)
    _compare(name, "queries", entry.queries, len(collection.queries), collection.problems)
    return collection


def _compare(name: str, what: str, expected: int | None, found: int, problems: Problems) -> None:
    if expected is not None and found != expected:
        warnings.warn(
            f"{name} should hold {expected:,} {what}, {found:,} were read; what was dropped: {problems}", stacklevel=4
        )


def bring(name: str, entry: Entry, folder: Path, download: bool | None) -> list[Path]:
    """The files of an entry, downloaded where they are not there yet and that is allowed.

    Raises:
        NotAllowed: a file is missing, and the download was not allowed.
    """
    if not entry.hub:
        missing = [file for file in entry.files if not (folder / file.file_name).is_file()]
        if missing:
            ask(describe(name, entry), download, folder)
        return [fetch(file, folder) for file in entry.files]
    from workbook.data.public.hub import hub_files, kept_files

    files = kept_files(folder)
    if files is None:
        ask(describe(name, entry), download, folder)
        files = hub_files(entry.hub, entry.only, folder, entry.parts)
    if any(not (folder / path).is_file() for path in files):
        found = replace(entry, hub="", files=tuple(files.values()), licence=_licence(entry, folder))
        ask(describe(name, found), download, folder)
    return [fetch(file, (folder / path).parent) for path, file in files.items()]


def _licence(entry: Entry, files: Path) -> str:
    """The licence of the catalogue; or that which the hub states, where the catalogue only says where to look."""
    from workbook.data.public.hub import kept_licence

    stated = kept_licence(files) if entry.hub and entry.licence.startswith("see ") else ""
    return f"{stated}; {entry.licence}" if stated else entry.licence


def cache_folder() -> Path:
    """Where collections are kept: in the user's cache, or below `WORKBOOK_CACHE`."""
    return user_cache() / "collections"


def folder_of(name: str, cache: Path) -> Path:
    """Where a collection stands in the cache."""
    return cache / name.replace("/", "--")


def _unpacked(files: list[Path], folder: Path, work: Path, parts: tuple[str, ...]) -> Path:
    """The folder below which all files stand, those of archives too: of the only archive, or of all downloads.

    Of an archive with several collections only the named one is unpacked. Pickles stay packed.
    """

    def wanted(path: PurePosixPath) -> bool:
        return path.suffix not in PICKLES and set(parts) <= set(path.parts[:-1])

    target = folder
    for archive in filter(is_archive, files):
        target = work / archive.name.split(".")[0]
        if not target.exists():
            unpack(archive, target, wanted)
    if parts and target != folder:
        return next((path for path in sorted(target.rglob(parts[-1])) if path.is_dir()), target)
    return target if len(files) == 1 else folder


def forget(name: str, cache: Path | None = None) -> None:
    """Remove a collection from the cache, downloads and all.

    Raises:
        FileNotFoundError: it is not there.
    """
    name = ALIASES.get(name, name)
    if not is_public(name):
        raise FileNotFoundError(f"no public collection {name!r}")
    folder = folder_of(name, cache or cache_folder())
    if not folder.exists():
        raise FileNotFoundError(f"{name} is not in the cache: there is no {folder}")
    with one_at_a_time(folder):
        shutil.rmtree(folder)
