"""Collections in Hugging Face's layout, as MTEB's retrieval tasks and MS MARCO's copies there have it.

Texts stand in corpus.jsonl or corpus/*.parquet, and the same for queries; judgements in qrels/, or in the
configuration "default", often a folder data/. A split is what a file's name begins with: test-00000-of-00001.parquet.
Read are .jsonl, .jsonl.gz, .parquet, and .tsv for judgements.

    texts        _id, id, docid, pid or qid; text (or passage, query); perhaps a title
    judgements   query-id, corpus-id, score (or query_id, pid and so on); MTEB writes scores as 1.0

A second form is microsoft/ms_marco: each row holds a query and ten passages, is_selected for those that answer
it. There passages have no ids: the SHA-256 of a text becomes its id, so that the same text is one passage.

Taught in 17.
"""

import hashlib
import re
from collections.abc import Container, Iterable, Iterator
from functools import partial
from pathlib import Path

from workbook.data.beir import read_qrels, stated_licence
from workbook.data.formats import ROW_FILES, read_rows, unit
from workbook.data.problems import Problems, Seen
from workbook.data.reading import NO_JUDGEMENTS, Judgements, Reading, Texts

LAYOUT = "corpus, queries and qrels (or data) as .jsonl or folders of .parquet, or microsoft/ms_marco's rows"
IDS = ("_id", "id", "docid", "pid", "qid", "corpus-id", "query-id")
QUERY_IDS = ("query-id", "query_id", "qid", "query")
PASSAGE_IDS = ("corpus-id", "corpus_id", "pid", "docid", "passage_id")
GRADES = ("score", "relevance", "label", "grade")
TEXTS = ("text", "passage", "query", "contents")
KINDS = {"corpus": ("corpus", "passage", "passages", "collection"), "queries": ("queries", "query"),
         "qrels": ("qrels", "default", "data", "judgements")}  # fmt: skip


def read_hugging_face(folder: Path, problems: Problems, name: str | None = None, licence: str = "unknown") -> Reading:
    """Find the files of Hugging Face's layout in a folder.

    Raises:
        FileNotFoundError: a part of the layout is missing.

    Taught in 17.
    """
    licence = stated_licence(folder, problems, licence)
    files = {kind: files_of(folder, kind) for kind in KINDS}
    if not files["corpus"] and (rows := [path for path in row_files(folder) if is_msmarco_rows(path)]):
        return _msmarco_rows(rows, name or folder.name, licence)
    for kind, found in files.items():
        if not found:
            why = f"; {NO_JUDGEMENTS}" if kind == "qrels" else ""
            raise FileNotFoundError(f"{folder} holds no {kind}{why}; expected {LAYOUT}")
    splits: dict[str, list[Path]] = {}
    for path in files["qrels"]:
        splits.setdefault(split_of(path), []).append(path)
    return Reading(
        name or folder.name,
        partial(_texts, files["corpus"]),
        partial(_texts, files["queries"]),
        {split: partial(_judgements, paths) for split, paths in splits.items()},
        licence,
        ("the corpus", "the queries"),
    )


def files_of(folder: Path, kind: str) -> list[Path]:
    """The files of the corpus, the queries or the qrels: by their name, or by the name of their folder.

    Taught in 17.
    """
    found = row_files(folder)
    if kind == "qrels":
        found += sorted(folder.glob("qrels/*.tsv"))
    for name in KINDS[kind]:
        named = [path for path in found if path.relative_to(folder).parts[0].split(".")[0].split("-")[0] == name]
        if named:
            return named
    return []


def row_files(folder: Path) -> list[Path]:
    """The .jsonl, .jsonl.gz and .parquet files of a folder and of those directly below it, sorted. Taught in 17."""
    found = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in found if path.name.endswith(ROW_FILES) and path.is_file())


def split_of(path: Path) -> str:
    """test-00000-of-00001.parquet and test.jsonl -> test. Taught in 17."""
    stem = path.name
    for ending in (*ROW_FILES, ".tsv"):
        stem = stem.removesuffix(ending)
    return re.sub(r"-\d{5}-of-\d{5}.*$", "", stem)


def is_msmarco_rows(path: Path) -> bool:
    """Whether a file's first row is like those of microsoft/ms_marco. Taught in 17."""
    first = next(read_rows(path, Problems()), None)
    return first is not None and {"query", "query_id", "passages"} <= first[1].keys()


def text_rows(path: Path, rows: Iterable[tuple[int, dict]], problems: Problems) -> Texts:
    """The texts of numbered rows, each with an id and a text. Taught in 17."""
    for number, row in rows:
        id, text = _first(row, IDS), _first(row, TEXTS)
        if id is None or not isinstance(text, str):
            problems.report("no id or text", path, number, 'an "_id" and a string "text"', repr(row), unit(path))
            continue
        title = str(row.get("title") or "").strip()
        yield path, number, str(id), f"{title}\n{text}" if title else text


def judgement_rows(path: Path, rows: Iterable[tuple[int, dict]], problems: Problems) -> Judgements:
    """The judgements of numbered rows, each with two ids and a whole score. Taught in 17."""
    for number, row in rows:
        query_id, passage_id, grade = _first(row, QUERY_IDS), _first(row, PASSAGE_IDS), _first(row, GRADES)
        try:
            whole = int(grade)  # type: ignore[call-overload]
            if query_id is None or passage_id is None or whole != float(grade):  # type: ignore[arg-type]
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            expected = "query-id, corpus-id and a whole score"
            problems.report("no judgement", path, number, expected, repr(row), unit(path))
        else:
            yield path, number, str(query_id), str(passage_id), whole


def _texts(paths: list[Path], problems: Problems) -> Texts:
    for path in paths:
        yield from text_rows(path, read_rows(path, problems, (*IDS, *TEXTS, "title")), problems)


def _judgements(paths: list[Path], problems: Problems, queries: Container[str]) -> Judgements:
    for path in paths:
        if path.suffix == ".tsv":
            yield from read_qrels(path, problems, queries)
        else:
            rows = read_rows(path, problems, (*QUERY_IDS, *PASSAGE_IDS, *GRADES))
            yield from judgement_rows(path, rows, problems)


def _first(row: dict, names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)


# --- microsoft/ms_marco: a query and its ten passages in a row ----------------------------------


def _msmarco_rows(paths: list[Path], name: str, licence: str) -> Reading:
    def passages(problems: Problems) -> Texts:
        seen = Seen()  # the same passage stands under many queries, and that is no mistake
        for path, number, _, _, texts in _queries_with_passages(paths, problems):
            for text, _ in texts:
                if seen.add(id := _text_id(text)):
                    yield path, number, id, text

    def queries(problems: Problems) -> Texts:
        for path, number, query_id, query, _ in _queries_with_passages(paths, problems):
            yield path, number, query_id, query

    def judgements(split: str, problems: Problems, known: Container[str]) -> Judgements:
        of_split = [path for path in paths if split_of(path) == split]
        for path, number, query_id, _, texts in _queries_with_passages(of_split, problems):
            for id in dict.fromkeys(_text_id(text) for text, selected in texts if selected):
                yield path, number, query_id, id, 1

    splits = {split: partial(judgements, split) for split in dict.fromkeys(map(split_of, paths))}
    return Reading(name, passages, queries, splits, licence)


def _queries_with_passages(
    paths: list[Path], problems: Problems
) -> Iterator[tuple[Path, int, str, str, list[tuple[str, bool]]]]:
    expected = "query, query_id, and passages with passage_text and is_selected"
    for path in paths:
        for number, row in read_rows(path, problems, ("query", "query_id", "passages")):
            try:
                texts, selected = row["passages"]["passage_text"], row["passages"]["is_selected"]
                pairs = [(text, mark == 1) for text, mark in zip(texts, selected, strict=True) if text.strip()]
                query_id, query = str(row["query_id"]), row["query"].strip()
            except (KeyError, TypeError, ValueError, AttributeError):
                problems.report("no query with passages", path, number, expected, repr(row), unit(path))
            else:
                yield path, number, query_id, query, pairs


def _text_id(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
