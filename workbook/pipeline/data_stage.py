"""data: any collection, put on disk once, so that every later stage reads it without holding it.

WORK/data/corpus/          texts (`workbook.data.stored.storage`)
WORK/data/queries/         texts
WORK/data/qrels/SPLIT.tsv  judgements in BEIR's layout
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from workbook.data.stored.storage import MANIFEST, PART_ROWS, StoredTexts, open_texts, store_texts
from workbook.pipeline.progress import progress
from workbook.pipeline.sources import open_source
from workbook.pipeline.stage import Job, at_least, check, finished, stage
from workbook.support.files import whole_file

HEADER = "query-id\tcorpus-id\tscore\n"


def data(
    work: str | Path,
    source: str | Path | Any,
    strict: bool = False,
    part_rows: int = PART_ROWS,
    anew: bool = False,
    show: bool | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Put a collection on disk, passage by passage.

    Args:
        work: the work folder.
        source: a name that `workbook.data.load` knows, "planted", a folder in BEIR's or MS MARCO's layout, a
            `workbook.data.Collection`, or another work folder, whose data is taken over.
        strict: stop at the first malformed line; otherwise it is left out, counted and reported.
        part_rows: passages in a part of the texts.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
        options: passed on to the source: passages and seed for "planted".
    Returns:
        the manifest, with the counts, and what was left out and why.
    Raises:
        FileNotFoundError: there is no such collection.
        ValueError: the work folder holds another collection or lies inside of the source, there is no passage, or a
            line is malformed.
    """
    at_least(1, part_rows=part_rows)
    opened = open_source(source, strict=strict, **options)
    if opened.folder and Path(work).resolve().is_relative_to(opened.folder.resolve()):
        raise ValueError(f"the work folder {work} lies inside of {source}, whose files are read; give one outside")
    settings = {"part_rows": part_rows, **opened.settings}
    with stage(work, "data", settings, opened.inputs, anew) as run:
        if run.finished:
            return run.manifest
        corpus = _store(run, "corpus", opened.passages, opened.num_passages, show)
        if not len(corpus):
            raise ValueError(
                f"{opened.name} holds no passage that can be read; give another collection, or run with --strict to see "
                "what is wrong with its first line"
            )
        queries = _store(run, "queries", lambda start: islice(opened.queries(), start, None), opened.num_queries, show)
        splits: dict[str, dict[str, int]] = {}
        for split, judgements in opened.qrels(run.work).items():
            _check_name(split, splits)
            splits[split] = _write_qrels(run.folder / "qrels" / f"{split}.tsv", judgements)
        counts = {"passages": len(corpus), "queries": len(queries), "splits": splits}
        return run.finish({"name": opened.name, "licence": opened.licence, **counts, **opened.report()})


def read_texts(work: str | Path, name: str) -> StoredTexts:
    """The corpus or the queries of a work folder; each file of them is compared with its SHA-256 before it is used.

    Args:
        work: the work folder.
        name: "corpus" or "queries".
    Raises:
        FileNotFoundError: data is not finished.
        ValueError: a file is damaged; this one at once, others when they are read.
    """
    manifest = check(work, finished(work, "data", "data"), f"{name}/{MANIFEST}", "data")
    return open_texts(manifest.parent, verify=True)


def with_splits(work: str | Path, *splits: str) -> dict[str, Any]:
    """The manifest of the data, once it is sure that it has these splits, and queries in them.

    Raises:
        FileNotFoundError: data is not finished.
        KeyError: there is no such split.
        ValueError: a split has no query, or what was stored is damaged.
    """
    manifest = finished(work, "data", "data")
    there = manifest["splits"]
    for split in splits:
        if split not in there:
            raise KeyError(f"{work} has no split {split!r}; it has {', '.join(there) or 'none'}")
        if not there[split]["queries"]:
            counts = ", ".join(f"{name} has {facts['queries']:,} queries" for name, facts in there.items())
            raise ValueError(f"the split {split!r} of {work} holds no query with a judgement; {counts}")
    return manifest


def read_qrels(work: str | Path, split: str) -> dict[str, dict[str, int]]:
    """Query id -> passage id -> grade of a split, in the order of the file, which is the order of its query vectors.

    Raises:
        KeyError: there is no such split.
    """
    manifest = finished(work, "data", "data")
    if split not in manifest["splits"]:
        raise KeyError(f"{work} has no split {split!r}; it has {', '.join(manifest['splits']) or 'none'}")
    qrels: dict[str, dict[str, int]] = {}
    with check(work, manifest, f"qrels/{split}.tsv", "data").open(encoding="utf-8", newline="\n") as file:
        next(file)
        for line in file:
            query_id, passage_id, grade = line.rstrip("\n").split("\t")
            qrels.setdefault(query_id, {})[passage_id] = int(grade)
    return qrels


def _store(run: Job, name: str, items: Any, total: int | None, show: bool | None) -> StoredTexts:
    folder = run.folder / name

    def counted(start: int) -> Iterator[tuple[str, str]]:
        with progress(f"storing {name}", total, start, show) as more:
            stream = iter(items(start))
            while block := list(islice(stream, 1_000)):
                yield from block
                more(len(block))

    if (folder / MANIFEST).is_file():
        # A run before this one has stored them; what malformed lines there are is found out by reading once more.
        deque(items(len(open_texts(folder))), maxlen=0)
    else:
        store_texts(folder, counted, run.settings["part_rows"])
    texts = open_texts(folder)
    for file in [*texts.manifest["parts"], *texts.manifest["index"]]:
        run.sha256[f"{name}/{file['file']}"] = file["sha256"]
    return texts


def _check_name(split: str, others: Iterable[str]) -> None:
    """A split becomes the name of files and folders, which must stay in the work folder and apart, on every system."""
    if not re.fullmatch(r"\w[\w.-]*", split) or split.endswith((".", "-exact")):
        raise ValueError(
            "the name of a split must be of letters, digits, points, hyphens and underscores, begin with a letter or "
            f"digit, and end neither with a point nor with -exact, got {split!r}"
        )
    if same := [other for other in others if other.casefold() == split.casefold()]:
        raise ValueError(f"the splits {same[0]!r} and {split!r} would be one file on Windows and macOS; rename one")


def _write_qrels(path: Path, judgements: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEADER)
        for query_id, judged in judgements.items():
            for passage_id, grade in judged.items():
                if any(mark in id for id in (query_id, passage_id) for mark in "\t\n\r"):
                    raise ValueError(f"an id must not hold a tab or a line break, got {query_id!r} and {passage_id!r}")
                file.write(f"{query_id}\t{passage_id}\t{grade}\n")
                count += 1
    return {"queries": sum(map(bool, judgements.values())), "judgements": count}
