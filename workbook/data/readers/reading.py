"""From a layout to a collection: every reader says where its texts and judgements stand; here they are taken in.

A reader of a layout returns a `Reading`: functions that start streams. Nothing is read until a collection is
made of it, in memory or in a folder. What every layout can get wrong is checked here, once: an id that stands
twice, a judgement that names an unknown id or stands twice.

Taught in 03 and 20.
"""

import json
import shutil
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbook.data.collection import Collection, fingerprint, without_relevant
from workbook.data.problems import Problems, Seen
from workbook.data.stored.qrels import read_qrels, write_qrels
from workbook.support.files import write_atomically, write_json

Texts = Iterator[tuple[Path, int, str, str]]  # file, line, id, text
Judgements = Iterator[tuple[Path, int, str, str, int]]  # file, line, query id, passage id, grade

FORMAT = "workbook collection 1"  # raise it when what is read changes: what was stored before is then read again
MANIFEST, UNFINISHED = "manifest.json", "unfinished"
PARTS = ("corpus", "queries", "qrels")


@dataclass(frozen=True)
class Reading:
    """What was found in a folder: streams that can be started, any number of times.

    Attributes:
        name: what the collection is called.
        passages, queries: start a stream of (file, line, id, text), reporting to a `Problems`; of queries it may be
            empty, and then no split is judged.
        judgements: split -> starts a stream of (file, line, query id, passage id, grade); it is told the known
            query ids, for files whose first line may be a header.
        licence: under which the texts may be used.
        files: in which passages and queries stand, for messages.
    """

    name: str
    passages: Callable[[Problems], Texts]
    queries: Callable[[Problems], Texts]
    judgements: Mapping[str, Callable[[Problems, Container[str]], Judgements]]
    licence: str = "unknown"
    files: tuple[str, str] = field(default=("the passages", "the queries"))


def into_memory(reading: Reading, problems: Problems) -> Collection:
    """Read everything into dictionaries.

    Raises:
        MalformedFile: something is wrong and `problems` is strict.
    """
    corpus = dict(once(reading.passages(problems), problems))
    queries = dict(once(reading.queries(problems), problems))
    return _collection(reading, corpus, queries, problems)


def into_folder(reading: Reading, folder: Path, problems: Problems, replace: bool = False) -> Collection:
    """Read everything into a folder, a part at a time in memory; the collection then reads from there.

    Written are corpus/ and queries/ (Arrow, memory-mapped), qrels/SPLIT.tsv in BEIR's layout, and manifest.json,
    last: without it the folder is unfinished, and is written again.

    Args:
        folder: where to; finished ones are opened by `open_folder`.
        replace: write a finished one again.
    Raises:
        FileExistsError: the folder is finished, or holds something that was not written here.
        MalformedFile: something is wrong and `problems` is strict.
        OSError: the disk is full or the folder cannot be written.
    """
    from workbook.data.stored.storage import store_texts

    parts = [folder / name for name in PARTS if (folder / name).exists()]
    ours = (folder / UNFINISHED).exists() or (folder / MANIFEST).exists()
    if parts and not ours:
        raise FileExistsError(f"{folder} holds a {parts[0].name} that was not written here; name another folder")
    if (folder / MANIFEST).exists() and not replace:
        raise FileExistsError(f"{folder} holds a finished collection; load it by its path, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / UNFINISHED, "")
    (folder / MANIFEST).unlink(missing_ok=True)
    for part in parts:
        shutil.rmtree(part)
    corpus = store_texts(folder / "corpus", once(reading.passages(problems), problems, one_line=True))
    queries = store_texts(folder / "queries", once(reading.queries(problems), problems, one_line=True))
    collection = _collection(reading, corpus, queries, problems)
    for split, ids in collection.splits.items():
        write_qrels(folder / "qrels" / f"{split}.tsv", {id: collection.qrels[id] for id in ids})
    manifest = {
        "format": FORMAT, "name": collection.name, "licence": collection.licence,
        "fingerprint": collection.fingerprint, "passages": len(corpus), "queries": len(queries),
        "splits": {split: len(ids) for split, ids in collection.splits.items()}, "problems": problems.to_json(),
    }  # fmt: skip
    write_json(folder / MANIFEST, manifest)
    (folder / UNFINISHED).unlink()
    return collection


def open_folder(folder: Path, strict: bool = False) -> Collection | None:
    """The collection that `into_folder` finished in a folder; None where there is none, or one of an older version.

    Args:
        strict: None for one that was read with problems, too: it is to be read again, to stop at the first.
    Raises:
        ValueError: a file in it is damaged.
    """
    from workbook.data.stored.storage import open_texts

    manifest = folder / MANIFEST
    if not manifest.is_file() or not (folder / "corpus" / MANIFEST).is_file():
        return None  # somebody else's manifest, perhaps
    try:
        facts = json.loads(manifest.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{manifest} is damaged ({error}); remove {folder} and load again") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        return None
    try:
        name, licence, mark = (str(facts[key]) for key in ("name", "licence", "fingerprint"))
        problems, stated = Problems.from_json(facts["problems"]), dict(facts["splits"])
        if bad := [split for split in stated if set(split) & set("/\\\0")]:
            raise ValueError(f"the split {bad[0]!r} would lead out of the folder")
        if strict and problems:
            return None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{manifest} is damaged ({error!r}); remove {folder} and load again") from error
    qrels: dict[str, dict[str, int]] = {}
    splits: dict[str, tuple[str, ...]] = {}
    for split, count in stated.items():
        path = folder / "qrels" / f"{split}.tsv"
        try:
            judged = read_qrels(path)
            if len(judged) != count:
                raise ValueError(f"{path} is damaged, line 1: expected {count:,} queries, got {len(judged):,}")
        except ValueError as error:
            raise ValueError(f"{error}; remove {folder} and load again") from error
        splits[split] = tuple(judged)
        for query_id, grades in judged.items():
            qrels.setdefault(query_id, {}).update(grades)
    corpus, queries = open_texts(folder / "corpus"), open_texts(folder / "queries")
    return Collection(name, corpus, queries, qrels, splits, licence, mark, problems)


def once(texts: Texts, problems: Problems, one_line: bool = False) -> Iterator[tuple[str, str]]:
    """The (id, text) pairs, each id once; a second one is reported.

    Args:
        one_line: report ids with a tab or a line break too, which no table of judgements can hold.
    """
    seen = Seen()
    for path, line, id, text in texts:
        if one_line and set(id) & set("\t\n\r"):
            problems.report("id with a tab or line break", path, line, "an id on one line", repr(id))
        elif seen.add(id):
            yield id, text
        else:
            problems.report("repeated id", path, line, "each _id once", f"{id!r} again")


def read_judgements(
    reading: Reading, corpus: Mapping[str, str], queries: Mapping[str, str], problems: Problems
) -> tuple[dict[str, dict[str, int]], dict[str, tuple[str, ...]]]:
    """The judgements whose query and passage are there, and the queries of each split.

    Args:
        reading: what a layout's reader returned.
        corpus, queries: the texts that were read.
        problems: where what is left out is reported: unknown ids, repeated and contradicting judgements.
    Returns:
        qrels, query id -> passage id -> grade; and splits, split -> query ids.
    """
    qrels: dict[str, dict[str, int]] = {}
    splits: dict[str, tuple[str, ...]] = {}
    for split, start in reading.judgements.items():
        in_split: dict[str, set[str]] = {}  # a dict keeps the order of the file
        for path, line, query_id, passage_id, grade in start(problems, queries):
            for kind, id, known, place in (
                ("query", query_id, queries, reading.files[1]),
                ("passage", passage_id, corpus, reading.files[0]),
            ):
                if id not in known:
                    problems.report(f"unknown {kind} id", path, line, f"a {kind} id of {place}", repr(id))
                    break
            else:
                judged = in_split.setdefault(query_id, set())
                before = qrels.setdefault(query_id, {}).get(passage_id)
                if passage_id in judged:
                    came = f"{query_id} {passage_id} again"
                    problems.report("repeated judgement", path, line, "each judgement once", came)
                elif before is not None and before != grade:  # one split may hold another, as dev holds dev.small
                    expected = f"the grade {before} that another split gives to {query_id} {passage_id}"
                    problems.report("contradicting judgement", path, line, expected, str(grade))
                else:
                    qrels[query_id][passage_id] = grade
                    judged.add(passage_id)
        splits[split] = tuple(query_id for query_id, judged in in_split.items() if judged)
    problems.notes = [
        f"{len(ids):,} of {len(splits[split]):,} queries of {split} have no relevant passage; a mean counts each as 0"
        for split, ids in without_relevant(splits, qrels).items()
    ]
    return {query_id: judged for query_id, judged in qrels.items() if judged}, splits


def _collection(
    reading: Reading, corpus: Mapping[str, str], queries: Mapping[str, str], problems: Problems
) -> Collection:
    """A reading whose texts are read, with its judgements and its fingerprint."""
    qrels, splits = read_judgements(reading, corpus, queries, problems)
    mark = f"{reading.name} sha256:{fingerprint(corpus, queries, qrels, splits)[:16]}"
    return Collection(reading.name, corpus, queries, qrels, splits, reading.licence, mark, problems)
