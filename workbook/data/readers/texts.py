"""Texts and judgements out of files, whatever their form.

    texts        rows with _id, id, docid, pid or qid; text (or passage, query, contents); perhaps a title
    judgements   rows with query-id, corpus-id and score (or query_id, pid and so on)
                 lines with query id, passage id and grade, after a header or none (BEIR)
                 lines with query id, 0 or Q0, passage id and grade (TREC, MS MARCO)

Fields of a line stand between tabs or spaces. A grade is a whole number, written 1 or 1.0.

Taught in 03.
"""

import json
import re
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from workbook.data.problems import Problems
from workbook.data.readers.formats import QRELS_FILES, read_lines, read_rows
from workbook.data.readers.reading import Judgements, Texts

IDS = ("_id", "id", "docid", "pid", "qid", "corpus-id", "query-id")
QUERY_IDS = ("query-id", "query_id", "qid", "query")
PASSAGE_IDS = ("corpus-id", "corpus_id", "pid", "docid", "passage_id")
GRADES = ("score", "relevance", "label", "grade")
TEXTS = ("text", "passage", "query", "contents")
TEXT = 'an object with "_id" and a string "text"'
QRELS = "query id, (0 or Q0,) passage id and a whole grade, between tabs or spaces"
NUMBER = r"[+-]?[0-9]{1,9}(\.0*)?(e[+-]?0+)?"  # a whole one


def read_texts(path: Path, problems: Problems) -> Texts:
    """The texts of a file of rows."""
    return text_rows(path, read_rows(path, problems, (*IDS, *TEXTS, "title")), problems)


def text_rows(path: Path, rows: Iterable[tuple[int, dict[str, Any]]], problems: Problems) -> Texts:
    """The texts of numbered rows; a title stands on a line of its own before its text."""
    for number, row in rows:
        id, text = _first(row, IDS), _first(row, TEXTS)
        if is_id(id) and isinstance(text, str):
            yield path, number, str(id), titled(row.get("title"), text)
        else:
            problems.report("no id or text", path, number, TEXT, f"{row!r:.120}")


def titled(title: object, text: str) -> str:
    """A text under its title, if it has one."""
    title = str(title or "").strip()
    return f"{title}\n{text}" if title else text


def is_id(value: object) -> bool:
    """Whether a value can be an id: a string that is not empty, or a whole number."""
    return (isinstance(value, str) and value != "") or (isinstance(value, int) and not isinstance(value, bool))


def read_qrels(path: Path, problems: Problems, queries: Container[str] = (), whole: bool = False) -> Judgements:
    """The judgements of a file of rows or lines.

    BEIR's own loader reads its three columns as CSV: an id with a quote in it stands in quotes, and the quote is
    doubled. TREC Deep Learning grades from 0 to 3; its binary measures count 2 and 3 as relevant.

    Args:
        queries: the known query ids: a first line that begins with one of them is no header.
        whole: as for `formats.read_lines`.
    """
    if not path.name.endswith(QRELS_FILES):
        yield from qrels_rows(path, read_rows(path, problems, (*QUERY_IDS, *PASSAGE_IDS, *GRADES)), problems)
        return
    width = 0  # how many fields the first line has, and so all: a line with fewer is cut off
    for number, line in read_lines(path, problems, whole):
        fields = line.split("\t") if line.count("\t") in (2, 3) else line.split()
        if len(fields) not in ((width,) if width else (3, 4)):
            problems.report("wrong number of fields", path, number, QRELS, repr(line))
            continue
        width = len(fields)
        query_id, passage_id, grade = fields[0], fields[-2], whole_grade(fields[-1])
        if width == 3:
            query_id, passage_id = unquoted(query_id), unquoted(passage_id)
        if grade is not None:
            yield path, number, query_id, passage_id, grade
        elif number > 1 or query_id in queries:
            problems.report("no whole grade", path, number, QRELS, repr(line))


def qrels_rows(path: Path, rows: Iterable[tuple[int, dict[str, Any]]], problems: Problems) -> Judgements:
    """The judgements of numbered rows."""
    for number, row in rows:
        query_id, passage_id, grade = _first(row, QUERY_IDS), _first(row, PASSAGE_IDS), whole_grade(_first(row, GRADES))
        if query_id is None or passage_id is None or grade is None:
            problems.report("no judgement", path, number, "query-id, corpus-id and a whole score", repr(row))
        else:
            yield path, number, str(query_id), str(passage_id), grade


def whole_grade(value: object) -> int | None:
    """The whole number that a grade is, written 2, "2", "2.0" or "2e+00"; None for any other grade."""
    if isinstance(value, str):
        return int(float(value)) if re.fullmatch(NUMBER, value.strip()) else None
    whole = isinstance(value, int | float) and abs(value) < 1e9 and value == int(value)
    return int(value) if whole else None  # type: ignore[call-overload]


def unquoted(field: str) -> str:
    """A field of a CSV file without its quotes; one that only begins or ends with a quote stays."""
    inside = field[1:-1]
    quoted = len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if quoted else field


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


def _first(row: dict[str, Any], names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)
