"""Sources: where a collection comes from, as streams, whatever its layout."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from workbook import data
from workbook.data import NAMES, PLANTED
from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.readers import texts
from workbook.data.readers.folders import read_folder
from workbook.data.readers.reading import Reading, Texts, once, open_folder, read_judgements
from workbook.data.stored.storage import StoredTexts
from workbook.support.files import sha256_of

Judgements = Mapping[str, Mapping[str, int]]


@dataclass
class Source:
    """A collection as streams.

    Attributes:
        name: what it is called.
        settings, inputs: what tells it from others: arguments, and fingerprints of what is read.
        passages: (row) -> (id, text) pairs from that row on.
        queries: () -> (id, text) pairs.
        qrels: (corpus, queries), as they were stored -> split -> query id -> passage id -> grade.
        num_passages, num_queries: where they are known beforehand, at least about: for the time left.
        licence: under which the texts may be used.
        report: () -> what else the manifest should tell, once everything is read.
        folder: where the files are that are read, if they are the reader's own.
    """

    name: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    passages: Callable[[int], Iterable[tuple[str, str]]]
    queries: Callable[[], Iterable[tuple[str, str]]]
    qrels: Callable[[Mapping[str, str], Mapping[str, str]], Mapping[str, Judgements]]
    num_passages: int | None = None
    licence: str = "unknown"
    report: Callable[[], dict[str, Any]] = field(default=dict)
    folder: Path | None = None
    num_queries: int | None = None


def open_source(source: Any, strict: bool = False, **options: Any) -> Source:
    """Find out what a source is, and open it.

    Args:
        source: as in `workbook.pipeline.data_stage.data`, but no work folder.
        strict: stop at the first malformed line.
        options: for "planted": passages (how many) and seed.
    Raises:
        FileNotFoundError: there is no such collection.
        ValueError: it has no passages, or does not take the options.
    """
    if isinstance(source, Collection):
        return _collection(source)
    name, folder = str(source), Path(source)
    if named := PLANTED.fullmatch(name):
        return _planted(**({"passages": int(named[1])} if named[1] else {}), **options)
    if options:
        raise ValueError(f"only planted takes {', '.join(options)}, {name!r} does not")
    if name not in NAMES and folder.is_dir():
        if stored := open_folder(folder):
            return _collection(stored)
        with suppress(
            FileNotFoundError
        ):  # in a layout with no lines to stream: `data.load` reads it, or says what it lacks
            return _folder(folder, strict)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was dropped stands in the manifest
        loaded = data.load(name, strict=strict)
    if not isinstance(loaded, Collection):
        raise ValueError(
            f"{name} holds {type(loaded).__name__}, and no passages to search; expected a collection with queries and "
            "judgements"
        )
    return replace(_collection(loaded), folder=folder if folder.is_dir() else None)


def _collection(collection: Collection) -> Source:
    def qrels(*stored: Mapping[str, str]) -> Mapping[str, Judgements]:
        return {
            split: {query_id: collection.qrels[query_id] for query_id in ids if query_id in collection.qrels}
            for split, ids in collection.splits.items()
        }

    return Source(
        collection.name,
        {"source": collection.name},
        {"collection": collection.fingerprint},
        partial(from_row, collection.corpus),
        lambda: collection.queries.items(),
        qrels,
        len(collection.corpus),
        collection.licence,
        lambda: {"dropped": collection.problems.to_json()} if collection.problems else {},
        num_queries=len(collection.queries),
    )


def from_row(texts: Mapping[str, str], start: int) -> Iterator[tuple[str, str]]:
    """The (id, text) pairs from a row on."""
    if isinstance(texts, StoredTexts):
        for ids, found in texts.batches(start=start):
            yield from zip(ids, found, strict=True)
    else:
        yield from islice(texts.items(), start, None)


def _planted(passages: int = 10_000, seed: int = 0, **options: Any) -> Source:
    from workbook.data.planted import planted
    from workbook.data.planted.corpus import LICENCE, SPLITS

    corpus = planted(passages, seed=seed, **options)
    return Source(
        f"planted-{passages}",
        {"source": "planted", "passages": passages, "seed": seed, **options},
        {"planted": corpus.fingerprint},
        corpus.passages,
        corpus.queries,
        lambda *stored: {split: corpus.qrels(split) for split in SPLITS},
        passages,
        LICENCE,
        num_queries=corpus.num_queries,
    )


def open_judged(folder: Path, strict: bool = False) -> Source:
    """A folder with queries.jsonl and qrels/SPLIT.tsv in BEIR's layout, for the passages of a work folder."""
    files = {path.stem: partial(texts.read_qrels, path) for path in sorted((folder / "qrels").glob("*.tsv"))}
    queries = folder / "queries.jsonl"
    reading = Reading(
        folder.name,
        lambda problems: iter(()),
        partial(texts.read_texts, queries),
        files,
        files=("the corpus", queries.name),
    )
    return _folder(folder, strict, reading)


def _folder(folder: Path, strict: bool, reading: Reading | None = None) -> Source:
    """A folder in any layout that `workbook.data.load` knows, line by line."""
    problems = Problems(strict)
    reading = reading or read_folder(folder, problems)

    def qrels(corpus: Mapping[str, str], queries: Mapping[str, str]) -> Mapping[str, Judgements]:
        judged, splits = read_judgements(reading, corpus, queries, problems)
        return {split: {id: judged[id] for id in ids} for split, ids in splits.items()}

    return Source(
        reading.name,
        {"source": reading.name, "strict": strict},
        {path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()},
        lambda start: islice(once(reading.passages(problems), problems), start, None),
        lambda: once(reading.queries(problems), problems),
        qrels,
        _lines(reading.passages, reading.files[0]),
        reading.licence,
        lambda: {"dropped": problems.to_json()},
        folder,
        _lines(reading.queries, reading.files[1]),
    )


def _lines(texts: Callable[[Problems], Texts], file: str) -> int | None:
    """How many texts there are about, where each has a line of one file: for the time left."""
    first = next(iter(texts(Problems())), None)
    if first is None or first[0].name != file or first[0].suffix == ".gz":
        return None
    with first[0].open("rb") as opened:
        return sum(block.count(b"\n") for block in iter(lambda: opened.read(2**20), b""))
