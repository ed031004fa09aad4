"""`toy`: the hand-written collection of datasets/toy, with what only a hand-written one can have.

Hard negatives, known positives that are left out of the judgements, sentence pairs with graded
similarity, and parallel sentences in five languages. datasets/toy/CARD.md says how it was made.

Taught in 00 and 03.
"""

from dataclasses import dataclass
from pathlib import Path

from workbook.data.collection import Collection
from workbook.data.problems import MalformedFile, Problems
from workbook.data.readers.folders import load_folder
from workbook.data.readers.formats import read_json_objects, read_lines, read_tsv

FOLDER = Path(__file__).resolve().parent.parent.parent / "datasets" / "toy"
STRICT = Problems(strict=True)  # what the workbook ships is whole, or the reader is told at once


@dataclass(frozen=True)
class SimilarityPair:
    """Two sentences and how similar people find them, 0 (unrelated) to 5 (the same)."""

    first: str
    second: str
    score: float


def load_toy() -> Collection:
    """The collection: about 300 passages over ten subjects, queries with grades 0 to 3."""
    return load_folder(FOLDER, name="toy", licence="CC BY 4.0", strict=True)


def subjects() -> dict[str, str]:
    """Passage id -> subject."""
    return {str(row["_id"]): str(row["subject"]) for _, row in read_json_objects(FOLDER / "corpus.jsonl", STRICT)}


def query_types() -> dict[str, str]:
    """Query id -> type: keyword, question, paraphrase and so on."""
    return {str(row["_id"]): str(row["type"]) for _, row in read_json_objects(FOLDER / "queries.jsonl", STRICT)}


def hard_negatives() -> dict[str, dict[str, str]]:
    """Query id -> passage id -> why it looks right and is not."""
    return _notes(FOLDER / "hard_negatives.tsv")


def unlabelled_positives() -> dict[str, dict[str, str]]:
    """Query id -> passage id -> why it answers the query, though no judgement says so."""
    return _notes(FOLDER / "unlabelled_positives.tsv")


def similarity_pairs() -> list[SimilarityPair]:
    """Sentence pairs with their similarity.

    Raises:
        MalformedFile: a line has no score from 0 to 5 and two sentences.
    """
    path, pairs = FOLDER / "similarity.tsv", []
    for number, (score, first, second) in _rows(path, 3):
        try:
            value = float(score)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 5:
            raise MalformedFile(path, number, "a score from 0 to 5", repr(score))
        pairs.append(SimilarityPair(first, second, value))
    return pairs


def parallel_texts() -> dict[str, list[str]]:
    """Language -> sentences; the n-th sentences of all languages say the same."""
    path = FOLDER / "parallel.tsv"
    languages = next(read_lines(path, STRICT))[1].split("\t")[1:]
    columns = zip(*(row[1:] for _, row in _rows(path, 1 + len(languages))), strict=True)
    return dict(zip(languages, map(list, columns), strict=True))


def _notes(path: Path) -> dict[str, dict[str, str]]:
    notes: dict[str, dict[str, str]] = {}
    for _, (query_id, passage_id, why) in _rows(path, 3):
        notes.setdefault(query_id, {})[passage_id] = why
    return notes


def _rows(path: Path, width: int) -> list[tuple[int, list[str]]]:
    """The rows of a tab-separated file below its header."""
    rows = read_tsv(path, width, f"{width} fields", STRICT)
    return [(number, fields) for number, fields in rows if number > 1]
