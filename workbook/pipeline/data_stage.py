"""data: any collection, put on disk once, so that every later stage reads it without holding it.

WORK/data/corpus/          texts (`workbook.data.stored.storage`)
WORK/data/queries/         texts
WORK/data/qrels/SPLIT.tsv  judgements in BEIR's layout
WORK/splits/SPLIT/         queries/ and qrels.tsv of a split that was added later, for the same corpus
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from workbook.data.stored import qrels
from workbook.data.stored.storage import MANIFEST, PART_ROWS, StoredTexts, open_texts, store_texts
from workbook.pipeline.progress import progress
from workbook.pipeline.sources import Source, from_row, open_judged, open_source
from workbook.pipeline.stage import Job, at_least, check, finished, stage
from workbook.pipeline.structure import Uncovered, structural_queries

NAME = re.compile(r"\w[\w.-]*")
SYSTEMS = ("exact", "bm25", "rrf", "rerank")  # with which the names of runs end


def data(
    work: str | Path,
    source: str | Path | Any,
    add: str | None = None,
    strict: bool = False,
    part_rows: int = PART_ROWS,
    anew: bool = False,
    show: bool | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Put a collection on disk, passage by passage.

    A collection without queries gets some by structure (`workbook.pipeline.structure`), in three splits.

    Args:
        work: the work folder.
        source: a name that `workbook.data.load` knows, "planted", a folder or file in a layout that it knows, a
            `workbook.data.Collection`, or another work folder, whose data is taken over.
        add: the name of a split that a finished work folder gets: queries and judgements of the source's split of that
            name, or of its only one, for the passages that are there. The source may be queries.jsonl and
            qrels/SPLIT.tsv in a folder. Such a split is for measuring, not for training.
        strict: stop at the first malformed line; otherwise it is left out, counted and reported.
        part_rows: passages in a part of the texts.
        anew: remove what is there first; with `add`, that split alone.
        show: whether to show progress; by default to a person only.
        options: passed on to the source: passages and seed for "planted".
    Returns:
        the manifest, with the counts, and what was left out and why.
    Raises:
        FileNotFoundError: there is no such collection.
        KeyError: the source has no split to add of that name.
        ValueError: the work folder holds another collection or lies inside of the source, there is no passage, a
            line is malformed, or the split is there already or judges no passage of the corpus.
    """
    at_least(1, part_rows=part_rows)
    folder = Path(source) if isinstance(source, str | Path) else None
    if folder and (folder / "data" / "manifest.json").is_file():
        opened = _work_folder(folder)
    elif folder and add and (folder / "queries.jsonl").is_file():
        opened = open_judged(folder, strict)
    else:
        opened = open_source(source, strict=strict, **options)
    if opened.folder and Path(work).resolve().is_relative_to(opened.folder.resolve()):
        raise ValueError(f"the work folder {work} lies inside of {source}, whose files are read; give one outside")
    if add:
        return _add(Path(work), add, opened, anew)
    settings = {"part_rows": part_rows, **opened.settings}
    with stage(work, "data", settings, opened.inputs, anew) as job:
        if job.finished:
            return job.manifest
        corpus = _store(job, "corpus", opened.passages, opened.num_passages, show)
        if not len(corpus):
            raise ValueError(
                f"{opened.name} holds no passage that can be read; give another collection, or run with --strict to see "
                "what is wrong with its first line"
            )
        if not opened.num_queries and next(iter(opened.queries()), None) is None:
            opened = _with_structure(opened, corpus)
        queries = _store(job, "queries", lambda start: islice(opened.queries(), start, None), opened.num_queries, show)
        splits: dict[str, dict[str, int]] = {}
        for split, judgements in opened.qrels(corpus, queries).items():
            _check_name(split, splits)
            splits[split] = _write_qrels(job.folder / "qrels" / f"{split}.tsv", judgements)
        counts = {"passages": len(corpus), "queries": len(queries), "splits": splits}
        return job.finish({"name": opened.name, "licence": opened.licence, **counts, **opened.report()})


def read_texts(work: str | Path, name: str) -> StoredTexts:
    """The corpus or the queries of a work folder; each file of them is compared with its SHA-256 before it is used.

    Args:
        work: the work folder.
        name: "corpus" or "queries".
    Raises:
        FileNotFoundError: data is not finished.
        ValueError: a file is damaged; this one at once, others when they are read.
    """
    return _open_texts(work, finished(work, "data", "data"), name)


def training_corpus(work: str | Path) -> StoredTexts:
    """The passages as a training reads them: without the queries that were made from them."""
    corpus = read_texts(work, "corpus")
    return Uncovered(corpus) if "structural" in finished(work, "data", "data") else corpus


def searched_corpus(work: str | Path, split: str) -> StoredTexts:
    """The passages as the queries of a split search them: where they were made from passages, those without them.

    So it is in dev and test. Of train, from whose run negatives are mined, the passages stay whole.
    """
    corpus = read_texts(work, "corpus")
    return Uncovered(corpus, frozenset(own_passages(work, split))) if is_covered(work, split) else corpus


def read_queries(work: str | Path, split: str) -> StoredTexts:
    """The queries among which those of a split are, as `read_texts` reads them."""
    return _open_texts(work, _home(work, split), "queries")


def with_splits(work: str | Path, *splits: str) -> dict[str, Any]:
    """The manifest of the data, once it is sure that it has these splits, and queries in them.

    Raises:
        FileNotFoundError: data is not finished.
        KeyError: there is no such split, or it was added later.
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


def split_inputs(work: str | Path, split: str) -> dict[str, str]:
    """What a stage that measures depends on: the fingerprints of the data, and of the split if it was added later.

    Raises:
        as `with_splits`, but splits that were added later are there, too.
    """
    home = _home(work, split)
    if home["stage"] == "data":
        return {"data": with_splits(work, split)["fingerprint"]}
    return {"data": home["inputs"]["data"], home["stage"]: home["fingerprint"]}


def own_passages(work: str | Path, split: str) -> list[str]:
    """The ids of the passages that are judged for the queries of a split, each once."""
    return list(dict.fromkeys(id for judged in read_qrels(work, split).values() for id in judged))


def is_covered(work: str | Path, split: str) -> bool:
    """Whether the queries of a split stand in passages that are searched without them."""
    return "structural" in _home(work, split) and split != "train"


def read_qrels(work: str | Path, split: str) -> dict[str, dict[str, int]]:
    """Query id -> passage id -> grade of a split, in the order of the file, which is the order of its query vectors.

    Raises:
        KeyError: there is no such split.
    """
    home = _home(work, split)
    name = f"qrels/{split}.tsv" if home["stage"] == "data" else "qrels.tsv"
    return qrels.read_qrels(check(work, home, name, "data"))


def _home(work: str | Path, split: str) -> dict[str, Any]:
    """The manifest of the stage that holds a split."""
    manifest = finished(work, "data", "data")
    if split in manifest["splits"]:
        return manifest
    if NAME.fullmatch(split) and (Path(work) / "splits" / split / "manifest.json").is_file():
        return finished(work, f"splits/{split}", "data")
    there = [*manifest["splits"], *sorted(path.parent.name for path in (Path(work) / "splits").glob("*/manifest.json"))]
    raise KeyError(f"{work} has no split {split!r}; it has {', '.join(there) or 'none'}")


def _open_texts(work: str | Path, manifest: dict[str, Any], name: str) -> StoredTexts:
    return open_texts(check(work, manifest, f"{name}/{MANIFEST}", "data").parent, verify=True)


def _add(work: Path, split: str, opened: Source, anew: bool) -> dict[str, Any]:
    """A split for a corpus that is there: a stage of its own, so that neither vectors nor index are made anew for it."""
    facts = finished(work, "data", "data")
    if split in facts["splits"]:
        raise ValueError(f"{work} has a split {split!r}, which came with its passages; add one of another name")
    _check_name(split, facts["splits"])
    settings = {"part_rows": PART_ROWS, **opened.settings}
    with stage(work, f"splits/{split}", settings, {"data": facts["fingerprint"], **opened.inputs}, anew) as job:
        if job.finished:
            return job.manifest
        corpus, queries = read_texts(work, "corpus"), dict(opened.queries())
        splits = opened.qrels(corpus, queries)
        if split not in splits and len(splits) != 1:
            raise KeyError(f"{opened.name} has no split {split!r} to add; it has {', '.join(splits) or 'none'}")
        judged = splits[split] if split in splits else next(iter(splits.values()))
        known = {query_id: {id: one[id] for id in one if id in corpus} for query_id, one in judged.items()}
        known = {query_id: one for query_id, one in known.items() if one and query_id in queries}
        if not known:
            raise ValueError(f"no judgement of {opened.name} names a query of its own and a passage of {work}")
        _store(
            job, "queries", lambda start: ((id, queries[id]) for id in islice(known, start, None)), len(known), False
        )
        counts = _write_qrels(job.folder / "qrels.tsv", known)
        unknown = sum(map(len, judged.values())) - counts["judgements"]
        return job.finish({**counts, "judgements of other passages": unknown, **opened.report()})


def _with_structure(opened: Source, corpus: StoredTexts) -> Source:
    """The same source with queries from its passages."""
    queries, splits, counts = structural_queries(corpus)
    return replace(
        opened,
        queries=queries.items,
        qrels=lambda *stored: splits,
        num_queries=len(queries),
        report=lambda: {**opened.report(), "structural": dict(counts)},
    )


def _work_folder(folder: Path) -> Source:
    """The data of another work folder, byte by byte: for the next model on the same texts."""
    facts = finished(folder, "data", "data")
    corpus, queries = read_texts(folder, "corpus"), read_texts(folder, "queries")
    return Source(
        facts["name"],
        facts["settings"],
        facts["inputs"],
        partial(from_row, corpus),
        queries.items,
        lambda *stored: {split: read_qrels(folder, split) for split in facts["splits"]},
        len(corpus),
        facts["licence"],
        lambda: {name: facts[name] for name in ("dropped", "structural") if name in facts},
        folder,
        len(queries),
    )


def _store(job: Job, name: str, items: Any, total: int | None, show: bool | None) -> StoredTexts:
    folder = job.folder / name

    def counted(start: int) -> Iterator[tuple[str, str]]:
        with progress(f"storing {name}", total, start, show) as more:
            for item in items(start):
                yield item
                more(1)

    if (folder / MANIFEST).is_file():
        # A run before this one has stored them; what malformed lines there are is found out by reading once more.
        deque(items(len(open_texts(folder))), maxlen=0)
    else:
        store_texts(folder, counted, job.settings["part_rows"])
    texts = open_texts(folder)
    for file in [*texts.manifest["parts"], *texts.manifest["index"]]:
        job.sha256[f"{name}/{file['file']}"] = file["sha256"]
    return texts


def _check_name(split: str, others: Iterable[str]) -> None:
    """A split becomes the name of files and folders, which must stay in the work folder and apart, on every system."""
    if not NAME.fullmatch(split) or split.endswith((".", *(f"-{system}" for system in SYSTEMS))):
        raise ValueError(
            "the name of a split must be of letters, digits, points, hyphens and underscores, begin with a letter or "
            f"digit, and end neither with a point nor with -exact, -bm25, -rrf or -rerank, got {split!r}"
        )
    if same := [other for other in others if other.casefold() == split.casefold()]:
        raise ValueError(f"the splits {same[0]!r} and {split!r} would be one file on Windows and macOS; rename one")


def _write_qrels(path: Path, judgements: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    qrels.write_qrels(path, judgements)
    return {"queries": sum(map(bool, judgements.values())), "judgements": sum(map(len, judgements.values()))}
