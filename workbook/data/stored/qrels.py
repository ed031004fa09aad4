"""Judgements on disk in BEIR's layout: a header, and in each line a query id, a passage id and a grade between tabs.

Taught in 20.
"""

from collections.abc import Mapping
from pathlib import Path

from workbook.support.files import whole_file

HEADER = "query-id\tcorpus-id\tscore\n"


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write query id -> passage id -> grade, whole or not at all.

    Raises:
        ValueError: an id holds a tab or a line break.
        OSError: the disk is full or the folder cannot be written; there is no file then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEADER)
        for query_id, judged in qrels.items():
            for passage_id, grade in judged.items():
                if set(query_id + passage_id) & set("\t\n\r"):
                    raise ValueError(f"an id must not hold a tab or a line break, got {query_id!r} and {passage_id!r}")
                file.write(f"{query_id}\t{passage_id}\t{grade}\n")


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """What `write_qrels` wrote, in the order of the file.

    Raises:
        ValueError: the file is not there or damaged; the message names the line.
    """
    qrels: dict[str, dict[str, int]] = {}
    number = 1
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            next(file, HEADER)
            for number, line in enumerate(file, start=2):  # noqa: B007
                query_id, passage_id, grade = line.rstrip("\n").split("\t")
                qrels.setdefault(query_id, {})[passage_id] = int(grade)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{path} is damaged, line {number}: {error}") from error
    return qrels
