"""Collections in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv.

Every line is checked, and a malformed one is reported with file, line number and what was expected.

Taught in 03.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from workbook.data.collection import Collection, sha256


class MalformedFile(ValueError):
    """A line of a data file is not what it should be. Taught in 03."""

    def __init__(self, path: Path, line: int, expected: str, came: str):
        super().__init__(f"{path.name}, line {line}: expected {expected}, got {came[:120]}")


def load_folder(folder: Path, name: str | None = None, licence: str = "unknown") -> Collection:
    """Read a folder in BEIR's layout.

    Args:
        folder: holds corpus.jsonl ({"_id", "text", and perhaps "title"}), queries.jsonl
            ({"_id", "text"}) and qrels/SPLIT.tsv (header, then query id, passage id, grade).
        name: what to call it; the folder's name by default.
        licence: what to state as its licence, unless a meta.json in the folder states one.
    Raises:
        FileNotFoundError: a file of the layout is missing.
        MalformedFile: a line is broken, an id stands twice, or a judgement names an unknown id.

    Source: Thakur et al. 2021. Taught in 03.
    """
    for needed in ("corpus.jsonl", "queries.jsonl"):
        if not (folder / needed).is_file():
            raise FileNotFoundError(f"{folder} holds no {needed}; expected corpus.jsonl, queries.jsonl and qrels/*.tsv")
    corpus = _texts(folder / "corpus.jsonl")
    queries = _texts(folder / "queries.jsonl")
    qrels: dict[str, dict[str, int]] = {}
    splits: dict[str, tuple[str, ...]] = {}
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no qrels/*.tsv; a collection without judgements cannot be measured on")
    for path in files:
        in_split: dict[str, None] = {}  # a dict keeps the order of the file
        for line, query_id, passage_id, grade in _judgements(path, queries):
            if query_id not in queries or passage_id not in corpus:
                kind, unknown = ("query", query_id) if query_id not in queries else ("passage", passage_id)
                raise MalformedFile(path, line, f"a {kind} id of {kind_file(kind)}", repr(unknown))
            if passage_id in qrels.setdefault(query_id, {}):
                raise MalformedFile(path, line, "each judgement once", f"{query_id} {passage_id} again")
            qrels[query_id][passage_id] = grade
            in_split[query_id] = None
        splits[path.stem] = tuple(in_split)
    meta = folder / "meta.json"
    if meta.is_file():
        try:
            licence = str(json.loads(meta.read_text("utf-8")).get("licence", licence))
        except (ValueError, AttributeError) as error:
            raise MalformedFile(meta, 1, 'a JSON object such as {"licence": "CC BY 4.0"}', str(error)) from error
    name = name or folder.name
    digest = sha256(corpus, queries, qrels, {split: list(ids) for split, ids in splits.items()})
    return Collection(name, corpus, queries, qrels, splits, licence, f"{name} sha256:{digest[:16]}")


def kind_file(kind: str) -> str:
    """The file that holds the texts of a kind. Taught in 03."""
    return "queries.jsonl" if kind == "query" else "corpus.jsonl"


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that are not empty, numbered from 1. Taught in 03.

    Raises:
        MalformedFile: a line is not UTF-8.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise MalformedFile(path, number, "text in UTF-8", f"the byte {raw[error.start]:#x}") from error
            if line.strip():
                yield number, line


def read_jsonl(path: Path) -> Iterator[tuple[int, dict]]:
    """The objects of a JSON Lines file, each with an "_id" and a "text". Taught in 03.

    Raises:
        MalformedFile: a line is not such an object.
    """
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise MalformedFile(path, number, "a JSON object", repr(line)) from error
        if not isinstance(row, dict) or not {"_id", "text"} <= row.keys() or not isinstance(row["text"], str):
            raise MalformedFile(path, number, 'an object with "_id" and a string "text"', repr(line))
        yield number, row


def _texts(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, row in read_jsonl(path):
        if (id := str(row["_id"])) in texts:
            raise MalformedFile(path, number, "each _id once", f"{id!r} again")
        title = str(row.get("title") or "").strip()
        texts[id] = f"{title}\n{row['text']}" if title else row["text"]
    return texts


def _judgements(path: Path, queries: dict[str, str]) -> Iterator[tuple[int, str, str, int]]:
    for number, line in read_lines(path):
        try:
            query_id, passage_id, grade = line.split("\t")
            if number == 1 and query_id not in queries and not grade.lstrip("+-").isdigit():
                continue  # a header, whatever it calls its columns
            yield number, query_id, passage_id, int(grade)
        except ValueError as error:
            raise MalformedFile(
                path, number, "query id, passage id and a whole grade, separated by tabs", repr(line)
            ) from error
