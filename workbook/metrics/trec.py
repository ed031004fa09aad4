"""Runs and judgements as files, in the columns that trec_eval reads.

    run     query id  Q0  passage id  rank  score  tag
    qrels   query id  0   passage id  grade

Columns stand between spaces or tabs. `workbook.data` reads judgements, in this form too, together with their texts.

Taught in 03.
"""

from collections.abc import Iterator
from pathlib import Path

from workbook.metrics.ranking import ranked_ids
from workbook.support.files import whole_file
from workbook.support.types import Qrels, Run


def write_trec_run(run: Run, path: str | Path, tag: str = "workbook") -> None:
    """Write a run, whole or not at all, best first as trec_eval ranks: by score, equal scores by descending id.

    Raises:
        ValueError: an id or the tag is empty or holds a space, or a score is NaN.
    """
    _write(
        path,
        (
            (query, "Q0", passage, str(rank), repr(float(scores[passage])), tag)
            for query, scores in run.items()
            for rank, passage in enumerate(ranked_ids(scores, len(scores)), start=1)
        ),
    )


def write_trec_qrels(qrels: Qrels, path: str | Path) -> None:
    """Write judgements, whole or not at all.

    Raises:
        ValueError: an id is empty or holds a space.
    """
    _write(
        path, ((q, "0", passage, str(int(grade))) for q, judged in qrels.items() for passage, grade in judged.items())
    )


def read_trec_run(path: str | Path) -> dict[str, dict[str, float]]:
    """Read a run; like trec_eval, by the scores alone, whatever ranks and order say.

    Returns:
        query id -> passage id -> score, in the order of the file.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line has other columns, its score is no number, or a passage stands twice for a query.
    """
    run: dict[str, dict[str, float]] = {}
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                query, _, passage, _, score, _ = line.split()
                scores, value = run.setdefault(query, {}), float(score)
            except ValueError as error:
                raise ValueError(
                    f"{path}, line {number}: expected query id, Q0, passage id, rank, score and tag, got {line!r}"
                ) from error
            if passage in scores:
                raise ValueError(f"{path}, line {number}: passage {passage} stands twice for query {query}")
            scores[passage] = value
    return run


def _write(path: str | Path, rows: Iterator[tuple[str, ...]]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            if bad := [column for column in row if column.split() != [column]]:
                raise ValueError(
                    f"{bad[0]!r} cannot stand in a TREC file, whose columns are divided by spaces; rename it"
                )
            file.write(" ".join(row) + "\n")
