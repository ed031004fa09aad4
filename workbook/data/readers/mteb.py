"""Collections in Hugging Face's layout, as MTEB's retrieval tasks and MS MARCO's copies there have it.

A data set there is made of configurations: corpus, queries, and qrels or default, which stands in data/. Each is a
file, corpus.jsonl, or a folder with a file for each split: corpus/test-00000-of-00001.parquet, qrels/test.jsonl.
Where there is a collection for each language, or pair of languages, its name comes first: de-corpus, de-queries and
de-qrels. Read are .jsonl, .jsonl.gz, .parquet, and .tsv for judgements.

    texts        _id, id, docid, pid or qid; text (or passage, query); perhaps a title
    judgements   query-id, corpus-id, score (or query_id, pid and so on); some repositories write scores as 1.0

A corpus may have a file for each split, too. Often they are the same passages; then each counts once. Where an id
stands for one passage in a split and for another in the next, only one split can be read: name it.

A second form is microsoft/ms_marco: each row holds a query and ten passages, is_selected for those that answer
it. There passages have no ids: the SHA-256 of a text becomes its id, so that the same text is one passage. The
answers of its split test are held back: no query of it is judged.

Taught in 20.
"""

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from workbook.data.problems import Problems, Seen
from workbook.data.readers.beir import read_qrels, stated_licence
from workbook.data.readers.formats import ROW_FILES, read_rows, unit
from workbook.data.readers.reading import NO_JUDGEMENTS, Judgements, Reading, Texts

LAYOUT = "corpus, queries and qrels (or data) as .jsonl or folders of .parquet, or microsoft/ms_marco's rows"
IDS = ("_id", "id", "docid", "pid", "qid", "corpus-id", "query-id")
QUERY_IDS = ("query-id", "query_id", "qid", "query")
PASSAGE_IDS = ("corpus-id", "corpus_id", "pid", "docid", "passage_id")
GRADES = ("score", "relevance", "label", "grade")
TEXTS = ("text", "passage", "query", "contents")
KINDS = {"corpus": ("corpus", "passage", "passages", "collection"), "queries": ("queries", "query"),
         "qrels": ("qrels", "default", "data", "judgements")}  # fmt: skip


def read_hugging_face(
    folder: Path, problems: Problems, name: str | None = None, licence: str = "unknown", parts: Sequence[str] = ()
) -> Reading:
    """Find the files of Hugging Face's layout in a folder.

    Args:
        parts: the language, where there is a collection for each; and the split, if only one is wanted.
    Raises:
        FileNotFoundError: a part of the layout is missing, or the language or split.
    """
    licence = stated_licence(folder, problems, licence)
    if not has_corpus(folder) and (rows := [path for path in row_files(folder) if is_msmarco_rows(path)]):
        return _msmarco_rows(rows, name or folder.name, licence)
    paths = [path.relative_to(folder).as_posix() for path in [*row_files(folder), *folder.glob("*qrels/*.tsv")]]
    files = {kind: [folder / path for path in found] for kind, found in choose(paths, parts, str(folder)).items()}
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


def choose(paths: Iterable[str], parts: Sequence[str], place: str) -> dict[str, list[str]]:
    """Of the files of a data set, those of one collection.

    Args:
        paths: where they stand in the data set.
        parts: what follows the data set in a name: the language, if there is a collection for each, and the split.
        place: what the data set is called, for messages.
    Returns:
        "corpus", "queries" and "qrels" -> paths. With a split, a corpus that has no such split is taken whole.
    Raises:
        FileNotFoundError: there is no such language or split, or none was named; the message lists them.
    """
    files: dict[str, list[str]] = {}
    for path in sorted(paths):
        files.setdefault(config_of(path), []).append(path)
    languages, rest, prefix = languages_of(files), list(parts), ""
    if rest and rest[0] in languages:
        prefix = f"{rest.pop(0)}-"
    elif languages and not any(name in files for name in KINDS["corpus"]):
        asked = f" none for {rest[0]!r}," if rest else ""
        raise FileNotFoundError(
            f"{place} holds a collection for each of {', '.join(languages)},{asked} and one must be named: "
            f"{place}/{languages[0]}"
        )
    found = {}
    for kind, names in KINDS.items():
        found[kind] = next((files[prefix + name] for name in names if prefix + name in files), [])
        if not found[kind]:
            why = f"; {NO_JUDGEMENTS}" if kind == "qrels" else ""
            raise FileNotFoundError(f"{place} holds no {prefix}{kind}{why}; expected {LAYOUT}")
    rows = {split_of(path) for path in found["qrels"] if not path.endswith(".tsv")}  # some stand there in both forms
    found["qrels"] = [path for path in found["qrels"] if not path.endswith(".tsv") or split_of(path) not in rows]
    if rest:
        splits = sorted({split_of(path) for path in found["qrels"]})
        if len(rest) > 1 or rest[0] not in splits:
            raise FileNotFoundError(f"{place} holds no {'/'.join(rest)}; the splits are {', '.join(splits)}")
        for kind, chosen in found.items():
            found[kind] = [path for path in chosen if split_of(path) == rest[0]] or chosen
    return found


def config_of(path: str) -> str:
    """The configuration that a file belongs to: de-corpus/dev-00000-of-00002.parquet -> de-corpus."""
    return split_of(PurePosixPath(PurePosixPath(path).parts[0]))


def languages_of(configs: Iterable[str]) -> list[str]:
    """The languages: what comes first in the names of a corpus and of queries."""
    names = set(configs)
    return sorted(
        name.removesuffix("-corpus")
        for name in names
        if name.endswith("-corpus") and f"{name.removesuffix('corpus')}queries" in names
    )


def configs_of(folder: Path) -> set[str]:
    """The configurations of a folder."""
    return {config_of(path.relative_to(folder).as_posix()) for path in row_files(folder)}


def has_corpus(folder: Path) -> bool:
    """Whether a folder holds texts in Hugging Face's layout, for one language or several."""
    configs = configs_of(folder)
    return bool(languages_of(configs)) or not configs.isdisjoint(KINDS["corpus"])


def row_files(folder: Path) -> list[Path]:
    """The .jsonl, .jsonl.gz and .parquet files of a folder and of those directly below it, sorted."""
    found = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in found if path.name.endswith(ROW_FILES) and path.is_file())


def split_of(path: str | PurePosixPath | Path) -> str:
    """test-00000-of-00001.parquet and test.jsonl -> test."""
    stem = PurePosixPath(path).name
    for ending in (*ROW_FILES, ".tsv"):
        stem = stem.removesuffix(ending)
    return re.sub(r"-\d{5}-of-\d{5}.*$", "", stem)


def is_msmarco_rows(path: Path) -> bool:
    """Whether a file's first row is like those of microsoft/ms_marco."""
    first = next(read_rows(path, Problems()), None)
    return first is not None and {"query", "query_id", "passages"} <= first[1].keys()


def text_rows(path: Path, rows: Iterable[tuple[int, dict]], problems: Problems) -> Texts:
    """The texts of numbered rows, each with an id and a text."""
    for number, row in rows:
        id, text = _first(row, IDS), _first(row, TEXTS)
        if id is None or not isinstance(text, str):
            problems.report("no id or text", path, number, 'an "_id" and a string "text"', repr(row), unit(path))
            continue
        title = str(row.get("title") or "").strip()
        yield path, number, str(id), f"{title}\n{text}" if title else text


def judgement_rows(path: Path, rows: Iterable[tuple[int, dict]], problems: Problems) -> Judgements:
    """The judgements of numbered rows, each with two ids and a whole score."""
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
    """The texts of all files. What stands under the same id in the files of two splits counts once."""
    several = len({split_of(path) for path in paths}) > 1
    seen: dict[str, tuple[str, int]] = {}  # id -> the first split it stands in, and the hash of its text
    for path in paths:
        split = split_of(path)
        for place in text_rows(path, read_rows(path, problems, (*IDS, *TEXTS, "title")), problems):
            if several:
                first, text = seen.setdefault(place[2], (split, hash(place[3])))
                if first != split and text != hash(place[3]):
                    raise ValueError(
                        f"{path}, {unit(path)} {place[1]}: the id {place[2]!r} stands for another text than in the "
                        f"split {first}; read one split alone: add /{first} or /{split} to the name"
                    )
                if first != split:
                    continue
            yield place


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
