"""MS MARCO's passages: texts and judgements as tab-separated files without a header, and negatives to train with.

    collection.tsv                passage id, text
    queries.SPLIT.tsv             query id, text
    qrels.SPLIT.tsv               query id, 0, passage id, grade
    2019qrels-pass.txt            query id, Q0, passage id, grade 0 to 3, separated by spaces (TREC Deep Learning)
    qidpidtriples.train.*.tsv     query id, positive id, negative id
    msmarco-hard-negatives.jsonl  {"qid", "pos": [ids], "neg": {system: [ids]}}

Each may be packed. A header is reported, and never taken for a text. Nothing in them is escaped, quotes are text. Some passages of the published collection were
encoded twice ("donâ\\x80\\x99t"); they are kept as published, as the figures in the literature were measured.

Source: Nguyen et al. 2016; Craswell et al. 2020, 2021. Taught in 08 and 17.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbook.data.problems import Problems
from workbook.data.readers.formats import PACKED, read_json_objects, read_tsv, stem
from workbook.data.readers.reading import Reading, Texts
from workbook.data.readers.texts import read_qrels
from workbook.support.files import files_below

LAYOUT = "collection.tsv, queries.SPLIT.tsv and qrels.SPLIT.tsv or 2019qrels-pass.txt"
ID_NAMES = re.compile(r"(_|doc|document|passage|corpus|p|q|query)?(id|no|key|number)")
TEXT_NAMES = re.compile(
    r"(passage|query|document|doc)?(text|body|content|contents)|passage|query|question|document|title"
)
TRIPLE = "query id, positive passage id and negative passage id"


@dataclass(frozen=True)
class HardNegatives:
    """The negatives that several systems found for a query."""

    query_id: str
    positive_ids: list[str]
    negative_ids: dict[str, list[str]]  # system -> passage ids, best first


def read_msmarco(folder: Path) -> Reading:
    """Find the files of MS MARCO's layout in a folder, or in folders below it.

    A split is named as in its qrels file: train, dev, dev.small; TREC's are trec-dl-2019 and trec-dl-2020. The
    queries of all files are put together; the same query in two files is one query.

    Raises:
        FileNotFoundError: a file of the layout is missing.
    """
    corpus = find(folder, "collection.tsv")
    queries = find(folder, "queries.*.tsv") + find(folder, "msmarco-test20*-queries.tsv")
    judged = [path for pattern in ("qrels.*.tsv", "qrels.*.txt", "20*qrels-pass.txt") for path in find(folder, pattern)]
    qrels = {split: path for path in judged if (split := split_of(path))}
    for files, what in ((corpus, "collection.tsv"), (queries or not qrels, "queries.*.tsv")):
        if not files:
            raise FileNotFoundError(f"{folder} holds no {what}; expected {LAYOUT}")
    return Reading(
        folder.name,
        partial(_texts, tuple(corpus[:1])),
        partial(_texts, tuple(queries)),
        {split: partial(read_qrels, path, whole=True) for split, path in qrels.items()},
        files=(corpus[0].name, "queries.*.tsv"),
    )


def find(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder and the folders below it that match a pattern, each plain or else packed."""
    found: dict[Path, Path] = {}
    for ending in ("", *PACKED):
        for path in files_below(folder, pattern + ending):
            found.setdefault(path.with_name(path.name.removesuffix(ending)), path)
    return sorted(found.values(), key=lambda path: (len(path.parts), path))


def split_of(path: Path) -> str | None:
    """The split that a qrels file judges, or None for a name of another kind."""
    name = stem(path.name)
    if match := re.fullmatch(r"(20\d\d)qrels-pass", name):
        return f"trec-dl-{match[1]}"
    return name.removeprefix("qrels.") if name.startswith("qrels.") else None


def read_tsv_texts(path: Path, problems: Problems) -> Texts:
    """The texts of a collection.tsv or queries.*.tsv.

    A last line without its newline is reported and left out: it looks whole, but nobody can know.
    """
    for number, (id, text) in read_tsv(path, 2, "id and text", problems, whole=True):
        if number == 1 and is_header(id, text):
            problems.report("header", path, number, "id and text from the first line on", repr(f"{id}\t{text}"))
        elif id and text and not text.isspace():
            yield path, number, id, text
        else:
            problems.report("no id or text", path, number, "id and text, separated by a tab", repr(f"{id}\t{text}"))


def is_header(id: str, text: str) -> bool:
    """Whether two fields are the names of columns, such as pid and passage, "Query ID" and "Text"."""
    return all(
        names.fullmatch(re.sub(r"[\W_]", "", field.lower())) for names, field in ((ID_NAMES, id), (TEXT_NAMES, text))
    )


def read_triples(path: Path, problems: Problems) -> Iterator[tuple[str, str, str]]:
    """The (query id, positive id, negative id) of a qidpidtriples file, in the order of the file.

    The published files hold 270 to 400 million rows: take what you need, and do not make a list.
    """
    for number, (query_id, positive_id, negative_id) in read_tsv(path, 3, TRIPLE, problems, whole=True):
        if positive_id == negative_id:
            problems.report("negative is the positive", path, number, "two passages", repr(positive_id))
        elif query_id and positive_id and negative_id:
            yield query_id, positive_id, negative_id
        else:
            problems.report("no id", path, number, TRIPLE, repr((query_id, positive_id, negative_id)))


def read_hard_negatives(path: Path, problems: Problems) -> Iterator[HardNegatives]:
    """The rows of sentence-transformers' msmarco-hard-negatives.jsonl(.gz).

    A negative is an id, or an object {"pid", "score", …} as in the file's first edition.
    """
    expected = 'an object {"qid": id, "pos": [ids], "neg": {system: [ids]}}'
    for number, row in read_json_objects(path, problems):
        try:
            negatives = {str(system): [_id(entry) for entry in ids] for system, ids in row["neg"].items()}
            found = HardNegatives(_id(row["qid"]), [_id(entry) for entry in row["pos"]], negatives)
        except (KeyError, TypeError, AttributeError):
            problems.report("no hard negatives", path, number, expected, repr(row))
        else:
            yield found


def _id(entry: object) -> str:
    if isinstance(entry, dict):
        entry = entry["pid"]
    if isinstance(entry, bool) or not isinstance(entry, int | str):
        raise TypeError(f"no id: {entry!r}")
    return str(entry)


def _texts(paths: tuple[Path, ...], problems: Problems) -> Texts:
    """The texts of several files. The same id with the same text in two of them is one text."""
    if len(paths) == 1:
        yield from read_tsv_texts(paths[0], problems)
        return
    seen: dict[str, tuple[Path, str]] = {}
    for path in paths:
        for place in read_tsv_texts(path, problems):
            first, text = seen.setdefault(place[2], (path, place[3]))
            if first == path or text != place[3]:
                yield place
