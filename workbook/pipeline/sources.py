"""Sources: where a collection comes from, as streams, whatever its layout."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from workbook import data
from workbook.data import NAMES, PLANTED
from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.readers.folders import read_folder
from workbook.data.readers.reading import Texts, once, open_folder, read_judgements
from workbook.data.stored.storage import StoredTexts, open_texts
from workbook.pipeline.manifests import MANIFEST, finished
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
        qrels: (work folder, whose corpus and queries are stored) -> split -> query id -> passage id -> grade.
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
    qrels: Callable[[Path], Mapping[str, Judgements]]
    num_passages: int | None = None
    licence: str = "unknown"
    report: Callable[[], dict[str, Any]] = field(default=dict)
    folder: Path | None = None
    num_queries: int | None = None


def open_source(source: Any, strict: bool = False, **options: Any) -> Source:
    """Find out what a source is, and open it.

    Args:
        source: as in `workbook.pipeline.data_stage.data`.
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
        if (folder / "data" / MANIFEST).is_file():
            return _work_folder(folder)
        stored = open_folder(folder)
        return _folder(folder, strict) if stored is None else _collection(stored)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was dropped stands in the manifest
        loaded = data.load(name, strict=strict)
    if not isinstance(loaded, Collection):
        raise ValueError(
            f"{name} holds {type(loaded).__name__}, and no passages to search; expected a collection with queries and "
            "judgements"
        )
    return _collection(loaded)


def _collection(collection: Collection) -> Source:
    corpus = collection.corpus

    def passages(start: int) -> Iterator[tuple[str, str]]:
        if isinstance(corpus, StoredTexts):
            for ids, texts in corpus.batches(start=start):
                yield from zip(ids, texts, strict=True)
        else:
            yield from islice(corpus.items(), start, None)

    def qrels(work: Path) -> Mapping[str, Judgements]:
        return {
            split: {query_id: collection.qrels[query_id] for query_id in ids if query_id in collection.qrels}
            for split, ids in collection.splits.items()
        }

    return Source(
        collection.name,
        {"source": collection.name},
        {"collection": collection.fingerprint},
        passages,
        lambda: collection.queries.items(),
        qrels,
        len(corpus),
        collection.licence,
        lambda: {"dropped": collection.problems.to_json()} if collection.problems else {},
        num_queries=len(collection.queries),
    )


def _planted(passages: int = 10_000, seed: int = 0, **options: Any) -> Source:
    from workbook.data.planted import planted
    from workbook.data.planted.corpus import LICENCE

    corpus = planted(passages, seed=seed, **options)
    splits = ("train", "dev", "test")
    return Source(
        f"planted-{passages}",
        {"source": "planted", "passages": passages, "seed": seed, **options},
        {"planted": corpus.fingerprint},
        corpus.passages,
        corpus.queries,
        lambda work: {split: corpus.qrels(split) for split in splits},
        passages,
        LICENCE,
        num_queries=corpus.num_queries,
    )


def _work_folder(folder: Path) -> Source:
    """The data of another work folder, byte by byte: for the next model on the same texts."""
    from workbook.pipeline.data_stage import read_qrels, read_texts

    facts = finished(folder, "data", "data")
    corpus, queries = read_texts(folder, "corpus"), read_texts(folder, "queries")

    def passages(start: int) -> Iterator[tuple[str, str]]:
        for ids, texts in corpus.batches(start=start):
            yield from zip(ids, texts, strict=True)

    return Source(
        facts["name"],
        facts["settings"],
        facts["inputs"],
        passages,
        queries.items,
        lambda work: {split: read_qrels(folder, split) for split in facts["splits"]},
        len(corpus),
        facts["licence"],
        lambda: {"dropped": facts["dropped"]} if "dropped" in facts else {},
        folder,
        len(queries),
    )


def _folder(folder: Path, strict: bool) -> Source:
    """A folder in any layout that `workbook.data.load` knows, line by line."""
    problems = Problems(strict)
    reading = read_folder(folder, problems)

    def qrels(work: Path) -> Mapping[str, Judgements]:
        corpus, queries = (open_texts(work / "data" / name) for name in ("corpus", "queries"))
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
