"""Sources: where a collection comes from, as streams, whatever its layout.

Taught in 20.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from workbook.data import PLANTED
from workbook.data.collection import Collection
from workbook.data.folders import read_folder
from workbook.data.problems import Problems
from workbook.data.reading import once, read_judgements
from workbook.data.storage import StoredTexts, open_texts
from workbook.files import sha256_of

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
        num_passages: where it is known beforehand.
        licence: under which the texts may be used.
        report: () -> what else the manifest should tell, once everything is read.

    Taught in 20.
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


def open_source(source: Any, strict: bool = False, **options: Any) -> Source:
    """Find out what a source is, and open it.

    Args:
        source: as in `workbook.pipeline.data_stage.data`.
        strict: stop at the first malformed line.
        options: for "planted": passages (how many) and seed.
    Raises:
        FileNotFoundError: there is no such collection.

    Taught in 20.
    """
    if isinstance(source, Collection):
        return _collection(source)
    if named := PLANTED.fullmatch(str(source)):
        return _planted(**({"passages": int(named[1])} if named[1] else {}), **options)
    if options:
        raise ValueError(f"only planted takes {', '.join(options)}, {source!r} does not")
    if Path(source).is_dir():
        return _folder(Path(source), strict)
    from workbook import data

    return _collection(data.load(str(source), strict=strict))


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
        licence=reading.licence,
        report=lambda: {"dropped": problems.to_json()},
    )
