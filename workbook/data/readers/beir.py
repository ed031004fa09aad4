"""Collections in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv.

Every line is checked; a malformed one is reported with file, line number and what was expected.

Taught in 03.
"""

import json
import re
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path

from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.readers.formats import read_json_objects, read_tsv
from workbook.data.readers.reading import NO_JUDGEMENTS, Judgements, Reading, Texts, into_memory

TEXT = 'an object with "_id" and a string "text"'
LAYOUT = "corpus.jsonl, queries.jsonl and qrels/*.tsv"


def load_folder(folder: Path, name: str | None = None, licence: str = "unknown", strict: bool = False) -> Collection:
    """Read a folder in BEIR's layout into memory.

    Args:
        folder: holds corpus.jsonl ({"_id", "text", and perhaps "title"}), queries.jsonl
            ({"_id", "text"}) and qrels/SPLIT.tsv (header, then query id, passage id, grade).
        name: what to call it; the folder's name by default.
        licence: what to state as its licence, unless a meta.json in the folder states one.
        strict: stop at the first broken line; else it is left out, and the collection's `problems` tell.
    Raises:
        FileNotFoundError: a file of the layout is missing.
        MalformedFile: with `strict`, a line is broken, an id stands twice, or a judgement names an unknown id.

    Source: Thakur et al. 2021.
    """
    problems = Problems(strict)
    return into_memory(read_beir(Path(folder), problems, name, licence), problems)


def read_beir(folder: Path, problems: Problems, name: str | None = None, licence: str = "unknown") -> Reading:
    """Find the files of BEIR's layout in a folder; each may be gzipped.

    Raises:
        FileNotFoundError: a file of the layout is missing.
    """
    corpus, queries = _needed(folder, "corpus.jsonl"), _needed(folder, "queries.jsonl")
    qrels = sorted((folder / "qrels").glob("*.tsv"))
    if not qrels:
        raise FileNotFoundError(f"{folder} holds no qrels/*.tsv; {NO_JUDGEMENTS}")
    return Reading(
        name or folder.name,
        partial(read_texts, corpus),
        partial(read_texts, queries),
        {path.stem: partial(read_qrels, path) for path in qrels},
        stated_licence(folder, problems, licence),
        (corpus.name, queries.name),
    )


def read_texts(path: Path, problems: Problems) -> Texts:
    """The texts of a corpus.jsonl or queries.jsonl; a title stands on a line of its own before its text."""
    for number, row in read_jsonl(path, problems):
        title = str(row.get("title") or "").strip()
        yield path, number, str(row["_id"]), f"{title}\n{row['text']}" if title else row["text"]


def read_jsonl(path: Path, problems: Problems) -> Iterator[tuple[int, dict]]:
    """The objects of a JSON Lines file, each with an "_id" and a "text"."""
    for number, row in read_json_objects(path, problems, TEXT):
        if is_id(row.get("_id")) and isinstance(row.get("text"), str):
            yield number, row
        else:
            problems.report("no id or text", path, number, TEXT, json.dumps(row, ensure_ascii=False))


def is_id(value: object) -> bool:
    """Whether a value of JSON can be an id: a string that is not empty, or a whole number."""
    return (isinstance(value, str) and value != "") or (isinstance(value, int) and not isinstance(value, bool))


def read_qrels(path: Path, problems: Problems, queries: Container[str] = ()) -> Judgements:
    """The judgements of a qrels/SPLIT.tsv; the first line may be a header, whatever it calls its columns.

    BEIR's own loader reads these files as CSV: an id with a quote in it stands in quotes, and the quote is doubled.

    Args:
        queries: the known query ids: what begins with one of them is no header.
    """
    expected = "query id, passage id and a whole grade"
    for number, (query_id, passage_id, grade) in read_tsv(path, 3, expected, problems):
        if is_whole(grade):
            yield path, number, unquoted(query_id), unquoted(passage_id), int(grade)
        elif number > 1 or query_id in queries:
            problems.report("no whole grade", path, number, f"{expected}, separated by tabs", repr(grade))


def unquoted(field: str) -> str:
    """A field of a CSV file without its quotes; one that only begins or ends with a quote stays."""
    inside = field[1:-1]
    quoted = len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if quoted else field


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, with or without a sign, of at most nine digits."""
    return re.fullmatch(r"[+-]?[0-9]{1,9}", text) is not None


def stated_licence(folder: Path, problems: Problems, otherwise: str) -> str:
    """The licence that a meta.json in the folder states, if there is one."""
    meta = folder / "meta.json"
    if not meta.is_file():
        return otherwise
    try:
        return str(json.loads(meta.read_text("utf-8")).get("licence", otherwise))
    except (ValueError, AttributeError) as error:
        problems.report("broken meta.json", meta, 1, 'a JSON object such as {"licence": "CC BY 4.0"}', str(error))
        return otherwise


def _needed(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder} holds no {name}; expected {LAYOUT}")
