"""Collections in BEIR's layout, and in that of Hugging Face, as MTEB's retrieval tasks and MS MARCO's copies have it.

BEIR's is corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv. On Hugging Face a data set is made of configurations:
corpus, queries, and qrels or default, which stands in data/. Each is a file, corpus.jsonl, or a folder with a file
for each split: corpus/test-00000-of-00001.parquet, qrels/test.jsonl. Where there is a collection for each language,
or pair of languages, its name comes first: de-corpus, de-queries and de-qrels. `texts.py` says what stands in them.

A corpus may have a file for each split, too. Often they are the same passages; then each counts once. Where an id
stands for one passage in a split and for another in the next, only one split can be read: name it.

Queries and judgements may be missing: then the texts stand alone.

A second form is microsoft/ms_marco: each row holds a query and ten passages, is_selected for those that answer
it. There passages have no ids: the SHA-256 of a text becomes its id, so that the same text is one passage. The
answers of its split test are held back: no query of it is judged.

Source: Thakur et al. 2021. Taught in 20.
"""

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from workbook.data.collection import NO_JUDGEMENTS
from workbook.data.problems import Problems, Seen, unit_of
from workbook.data.readers.formats import QRELS_FILES, ROW_FILES, prefer_unpacked, read_rows, stem
from workbook.data.readers.reading import Judgements, Reading, Texts
from workbook.data.readers.texts import read_qrels, read_texts

LAYOUT = "corpus.jsonl, queries.jsonl and qrels/*.tsv; or folders of .parquet with these names, or rows of microsoft/ms_marco"
KINDS = {"corpus": ("corpus", "passage", "passages", "collection"), "queries": ("queries", "query"),
         "qrels": ("qrels", "default", "data", "judgements")}  # fmt: skip


def read_hugging_face(folder: Path, parts: Sequence[str] = ()) -> Reading:
    """Find the files of Hugging Face's layout in a folder.

    Args:
        parts: the language, where there is a collection for each; and the split, if only one is wanted.
    Raises:
        FileNotFoundError: a part of the layout is missing, or the language or split.
    """
    if not has_corpus(folder) and (rows := [path for path in row_files(folder) if is_msmarco_rows(path)]):
        return _msmarco_rows(folder.name, rows)
    paths = [path.relative_to(folder).as_posix() for path in [*row_files(folder), *folder.glob("*qrels/*")]]
    chosen = choose(paths, parts, str(folder), complete=False)
    files = {kind: [folder / path for path in found] for kind, found in chosen.items()}
    splits: dict[str, list[Path]] = {}
    for path in files["qrels"]:
        splits.setdefault(split_of(path), []).append(path)
    corpus, queries = (
        files[kind][0].name if len(files[kind]) == 1 else f"the {kind}" for kind in ("corpus", "queries")
    )
    return Reading(
        folder.name,
        partial(_texts, files["corpus"]),
        partial(_texts, files["queries"]),
        {split: partial(_judgements, paths) for split, paths in splits.items()},
        files=(corpus, queries),
    )


def choose(paths: Iterable[str], parts: Sequence[str], place: str, complete: bool = True) -> dict[str, list[str]]:
    """Of the files of a data set, those of one collection.

    Args:
        paths: where they stand in the data set.
        parts: what follows the data set in a name: the language, if there is a collection for each, and the split.
        place: what the data set is called, for messages.
        complete: whether queries and judgements must be there; else both may be missing, or the judgements.
    Returns:
        "corpus", "queries" and "qrels" -> paths. With a split, a corpus that has no such split is taken whole.
    Raises:
        FileNotFoundError: there is no such language or split, or none was named; the message lists them.
    """
    files: dict[str, list[str]] = {}
    for path in prefer_unpacked(path for path in paths if path.endswith((*ROW_FILES, *QRELS_FILES))):
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
    found = {
        kind: next((files[prefix + name] for name in names if prefix + name in files), [])
        for kind, names in KINDS.items()
    }
    for kind, needed in (("corpus", True), ("queries", complete or found["qrels"]), ("qrels", complete)):
        if needed and not found[kind]:
            why = f"; {NO_JUDGEMENTS}" if kind == "qrels" else ""
            raise FileNotFoundError(f"{place} holds no {prefix}{kind}{why}; expected {LAYOUT}")
    rows = {split_of(path) for path in found["qrels"] if path.endswith(ROW_FILES)}  # some stand there in both forms
    found["qrels"] = [path for path in found["qrels"] if path.endswith(ROW_FILES) or split_of(path) not in rows]
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


def has_corpus(folder: Path) -> bool:
    """Whether a folder holds texts in Hugging Face's layout, for one language or several."""
    configs = {config_of(path.relative_to(folder).as_posix()) for path in row_files(folder)}
    return bool(languages_of(configs)) or not configs.isdisjoint(KINDS["corpus"])


def row_files(folder: Path) -> list[Path]:
    """The .jsonl and .parquet files of a folder and of those directly below it, sorted."""
    found = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in found if path.name.endswith(ROW_FILES) and path.is_file())


def split_of(path: str | PurePosixPath | Path) -> str:
    """test-00000-of-00001.parquet and test.jsonl -> test."""
    return re.sub(r"-\d{5}-of-\d{5}.*$", "", stem(PurePosixPath(path).name))


def is_msmarco_rows(path: Path) -> bool:
    """Whether a file's first row is like those of microsoft/ms_marco."""
    first = next(read_rows(path, Problems()), None)
    return first is not None and {"query", "query_id", "passages"} <= first[1].keys()


def _texts(paths: list[Path], problems: Problems) -> Texts:
    """The texts of all files. What stands under the same id in the files of two splits counts once."""
    several = len({split_of(path) for path in paths}) > 1
    seen: dict[str, tuple[str, int]] = {}  # id -> the first split it stands in, and the hash of its text
    for path in paths:
        split = split_of(path)
        for place in read_texts(path, problems):
            first, text = seen.setdefault(place[2], (split, hash(place[3]))) if several else (split, 0)
            if first == split:
                yield place
            elif text != hash(place[3]):
                raise ValueError(
                    f"{path}, {unit_of(path)} {place[1]}: the id {place[2]!r} stands for another text than in the "
                    f"split {first}; read one split alone: add /{first} or /{split} to the name"
                )


def _judgements(paths: list[Path], problems: Problems, queries: Container[str]) -> Judgements:
    for path in paths:
        yield from read_qrels(path, problems, queries)


# --- microsoft/ms_marco: a query and its ten passages in a row ----------------------------------


def _msmarco_rows(name: str, paths: list[Path]) -> Reading:
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
    return Reading(name, passages, queries, splits)


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
                problems.report("no query with passages", path, number, expected, repr(row))
            else:
                yield path, number, query_id, query, pairs


def _text_id(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
