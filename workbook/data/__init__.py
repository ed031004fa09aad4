"""Data, from hand-written to the reader's own.

    from workbook import data
    docs = data.load("pydocs")

Taught in 00 and 03.
"""

import re
import warnings
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from workbook.data.collection import Collection
from workbook.data.problems import MalformedFile, Problems

if TYPE_CHECKING:
    from workbook.data.public.load import Streamed
    from workbook.data.readers.sts import SimilaritySet

__all__ = ["Collection", "MalformedFile", "Problems", "load"]

NAMES = ("toy", "pydocs", "pydocs-code", "planted")
PLANTED = re.compile(r"planted(?:-([1-9]\d{0,7}))?")  # planted-1000000: with so many passages
NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")  # what looks like the name of a collection, and not like a path


@overload
def load(  # type: ignore[overload-overlap]
    name_or_path: Literal["stsbenchmark", "sts-b"], download: bool | None = ..., strict: bool = ...
) -> "SimilaritySet": ...
@overload
def load(  # type: ignore[overload-overlap]
    name_or_path: Literal["msmarco-triples", "msmarco-hard-negatives"], download: bool | None = ..., strict: bool = ...
) -> "Streamed": ...
@overload
def load(
    name_or_path: str | Path, download: bool | None = ..., strict: bool = ..., store: str | Path | None = ...
) -> Collection: ...
def load(
    name_or_path: str | Path, download: bool | None = None, strict: bool = False, store: str | Path | None = None
) -> Any:
    """Load a collection.

    Args:
        name_or_path: "toy" (hand-written), "pydocs" (title → body of the documentation in the
            installed packages), "pydocs-code" (title → code), "planted" (generated, 10,000
            passages) or "planted-N" (with N passages, all in memory; `workbook.data.planted.planted` gives the truth of
            any pair, has more settings, and streams what does not fit into memory); a public collection, such as
            "msmarco-passage", "trec-dl-2019", "nq", "squad", "beir/scifact", "beir/cqadupstack/android",
            "mteb/scifact", "mteb/MIRACLRetrieval/de" (a language; a split may follow), "codesearchnet/python" or
            "stsbenchmark" (docs/data.md lists them); or a folder with files in the layout of BEIR, MS MARCO,
            Hugging Face (MTEB; language and split may follow it as well), SQuAD or CodeSearchNet; or texts of your
            own, without queries: a folder of .txt, .md and .rst files, or one .csv, .tsv, .jsonl or .parquet file
            (`workbook.data.readers.own`); or a file of sentence pairs in one of STS-B's layouts.
        download: True allows the download of a public collection. None asks the variable
            WORKBOOK_DOWNLOAD; without either nothing is downloaded.
        strict: stop at the first broken line of a file. Else it is left out, a warning says so, and the
            collection's `problems` tell which.
        store: a folder for the texts of a large collection, which is then read from there and not held in
            memory; from then on, load that folder. Public collections stand in the cache anyway.
    Returns:
        the collection; of texts alone it has no queries and no splits. Treat it as read-only: named ones are loaded once and shared. Sentence pairs are a
        `SimilaritySet`, "msmarco-triples" and "msmarco-hard-negatives" are streams.
    Raises:
        FileNotFoundError: there is neither such a name nor such a folder, no layout fits the folder, or a public
            collection is not on this machine and its download was not allowed.
        MalformedFile: with `strict`, a line of a file is broken; the message names file and line.
    """
    if name_or_path in NAMES or PLANTED.fullmatch(str(name_or_path)):
        return _named(str(name_or_path))
    path = Path(name_or_path).expanduser()
    if path.exists():
        return _warned(_from_path(path, strict, store))
    from workbook.data.public import catalogue
    from workbook.data.public.load import is_public, load_public
    from workbook.data.readers.folders import chosen_part, not_there

    if is_public(str(name_or_path)):
        return _warned(load_public(str(name_or_path), download, strict))
    folder, parts = chosen_part(path)
    if parts:
        return _warned(_from_path(folder, strict, store, parts))
    text, known = str(name_or_path), [*NAMES, *catalogue.names()]
    if isinstance(name_or_path, Path) or not NAME.fullmatch(text) or (path.parent != Path() and path.parent.is_dir()):
        raise FileNotFoundError(not_there(path.absolute()))
    near = get_close_matches(text, [*known, *(entry.name for entry in Path().iterdir())])
    meant = f"did you mean {' or '.join(near)}?" if near else f"collections are {', '.join(known)}, planted-N, mteb/…"
    raise FileNotFoundError(f"no collection and no folder {text!r}; {meant}")


def _from_path(folder: Path, strict: bool, store: str | Path | None, parts: tuple[str, ...] = ()) -> Any:
    from workbook.data.readers.folders import read_folder
    from workbook.data.readers.own import read_own
    from workbook.data.readers.reading import into_folder, into_memory, open_folder
    from workbook.data.readers.sts import is_sts, load_sts

    problems = Problems(strict)
    if sentences := [folder] * is_sts(folder) if folder.is_file() else sorted(folder.glob("sts-*.csv")):
        return load_sts(sentences, problems, folder.name)
    if (stored := open_folder(folder, strict)) is not None:
        return stored
    reading = read_own(folder, problems) if folder.is_file() else read_folder(folder, problems, parts=parts)
    return into_memory(reading, problems) if store is None else into_folder(reading, Path(store), problems)


def _warned(loaded: Any) -> Any:
    if loaded.problems or loaded.problems.notes:
        warnings.warn(f"{loaded.name}: {loaded.problems}", stacklevel=3)
    return loaded


@cache
def _named(name: str) -> Collection:
    if name == "toy":
        from workbook.data.toy import load_toy

        return load_toy()
    if asked := PLANTED.fullmatch(name):
        from workbook.data.planted.corpus import planted

        return planted(int(asked[1] or 10_000)).collection()
    from workbook.data.pydocs import load_pydocs

    return load_pydocs(code=name == "pydocs-code")
