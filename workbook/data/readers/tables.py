"""Tables that one trains with: rows of texts, and a label for each, or none. `loss_for` says which loss fits them.

    read_texts      columns of a .csv, .tsv, .jsonl or .parquet file, as they are named
    read_nli        premise, hypothesis and a judgement  ->  (premise, what follows, what contradicts), no label
    scored_rows     pairs of sentences with a grade      ->  (first, second), the grade
    read_trivia     questions, answers, pages on which they may stand  ->  (question, where an answer stands), no label
    read_clicks     query, passage, and perhaps position and click     ->  a log for `workbook.training_data.clicks`

    table = read_nli(path)
    fit(encoder, table.rows, loss=getattr(losses, loss_for(*table)))

A row that cannot be read is left out and counted in `problems`; strict ones stop at the first.

Taught in 12.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from workbook.data.problems import Problems
from workbook.data.readers.formats import TABLE_FILES, read_lines, read_rows
from workbook.data.toy import SimilarityPair
from workbook.support.types import Shown

STRICT = Problems(strict=True)
PREMISE, HYPOTHESIS = ("premise", "sentence1", "anchor"), ("hypothesis", "sentence2")
JUDGEMENT = ("gold_label", "label")
JUDGED = {"0": "entailment", "1": "neutral", "2": "contradiction"}  # numbers on the hub
NOT_AGREED = ("-", "-1", "hidden", "")  # SNLI and MultiNLI, where the judges were of several opinions
QUERY, CLICKED_ON = ("query",), ("passage", "passageid", "document", "documentid", "docid", "did", "url", "clickurl")
POSITION, CLICKED = ("position", "rank", "itemrank"), ("clicked", "click", "clicks")
ORCAS = ("qid", "query", "did", "url")  # the columns of a published log without a header
AROUND = 40  # words on each side of an answer


class Table(NamedTuple):
    """Rows of texts, all of one length, and a label for each, or None."""

    rows: Sequence[tuple[str, ...]]
    labels: list[float] | None


def read_texts(path: str | Path, texts: Sequence[str], label: str | None = None, problems: Problems = STRICT) -> Table:
    """The texts of named columns, and a number as their label.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file whose columns have names.
        texts: the columns, in the order in which a loss wants them: query, positive, negatives.
        label: the column of the label; None for rows without.
        problems: told of rows without one of them.
    Raises:
        ValueError: a column is missing; the message lists those that are there.
    """
    path = Path(path)
    rows, labels = list[tuple[str, ...]](), list[float]()
    for number, row in read_rows(path, problems):
        wanted = [*texts, *([label] if label else [])]
        if missing := [name for name in wanted if name not in row]:
            raise ValueError(f"{path.name} has no column {missing[0]!r}; its columns are {', '.join(row)}")
        own = tuple(row[name] for name in texts)
        value = None if label is None else _number(row[label])
        if not all(isinstance(text, str) and text.strip() for text in own):
            problems.report("no text", path, number, f"texts in {', '.join(texts)}", repr(own))
        elif label is not None and value is None:
            problems.report("no number", path, number, f"a number in {label}", repr(row[label]))
        else:
            rows.append(own)
            labels += [] if value is None else [value]
    return Table(rows, labels if label else None)


def read_nli(path: str | Path, problems: Problems = STRICT) -> Table:
    """Triplets out of natural language inference: for a premise what follows from it, and what contradicts it.

    Read are the layouts of SNLI and MultiNLI, of AllNLI.tsv, and rows with premise, hypothesis and a label, which may be a
    number. What is neutral, and what the judges did not agree on, is left out. A premise with two of a kind gives two
    rows; one without both gives none.

    Args:
        path: a .jsonl, .tsv, .csv or .parquet file.
        problems: told of rows without texts or with an unknown label.
    Raises:
        ValueError: a column is missing; the message lists those that are there.

    Source: Bowman et al. 2015; Williams et al. 2018; Gao et al. 2021 (SimCSE: contradictions as hard negatives).
    """
    path, of = Path(path), defaultdict[str, dict[str, list[str]]](lambda: {"entailment": [], "contradiction": []})
    for number, row in read_rows(path, problems):
        names = _columns(path, row, premise=PREMISE, hypothesis=HYPOTHESIS, label=JUDGEMENT)
        premise, hypothesis, label = (row[names[name]] for name in ("premise", "hypothesis", "label"))
        said = JUDGED.get(str(label).strip(), str(label).strip().lower())
        if not all(isinstance(text, str) and text.strip() for text in (premise, hypothesis)):
            problems.report("no text", path, number, "a premise and a hypothesis", repr((premise, hypothesis)))
        elif said in ("entailment", "contradiction"):
            of[premise][said].append(hypothesis)
        elif said not in ("neutral", *NOT_AGREED):
            problems.report("unknown label", path, number, "entailment, neutral or contradiction", repr(label))
    return Table(
        [(premise, *both) for premise, kinds in of.items() for both in zip(*kinds.values(), strict=False)], None
    )


def scored_rows(pairs: Iterable[SimilarityPair], highest: float = 5.0) -> Table:
    """Pairs of sentences with their grades from 0 to 1, for a loss that reads labels.

    Args:
        pairs: such as `load("stsbenchmark").splits["train"]`, or `workbook.data.toy.similarity_pairs()`.
        highest: the highest grade.
    """
    pairs = list(pairs)
    return Table([(pair.first, pair.second) for pair in pairs], [pair.score / highest for pair in pairs])


def read_trivia(path: str | Path, evidence: str | Path, problems: Problems = STRICT) -> Table:
    """(question, the part of a page in which an answer stands) out of TriviaQA's layout.

        {"Data": [{"QuestionId", "Question", "Answer": {"Value", "Aliases"}, "EntityPages": [{"Filename"}],
                   "SearchResults": [{"Filename"}]}]}

    with the pages in evidence/wikipedia and evidence/web. Nobody has judged the pairs: a page that names the answer may
    not answer the question (distant supervision), so they are to be filtered.

    Args:
        path: a .json file of the folder qa, such as wikipedia-train.json.
        evidence: the folder with the pages.
        problems: told of questions without text or answer, and of pages that are not there.
    Returns:
        a row for each page that names an answer: 40 words on each side of the first place. Pages that name none give none.
    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the file is not in that layout.

    Source: Joshi et al. 2017.
    """
    path, evidence = Path(path), Path(evidence)
    if not evidence.is_dir():
        raise FileNotFoundError(
            f"{evidence} is no folder; give the folder with wikipedia/ and web/ that comes with qa/"
        )
    try:
        entries = json.loads(path.read_text("utf-8-sig"))["Data"]
        if not isinstance(entries, list):
            raise TypeError("Data is no list")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path.name} is not in the layout of TriviaQA ({error!r}); expected {{"Data": [{{"Question", "Answer", …}}]}}'
        ) from error
    rows = []
    for number, entry in enumerate(entries, start=1):
        try:
            question, answers = str(entry["Question"]).strip(), _answers(entry["Answer"])
            pages = [
                evidence / folder / str(page["Filename"])
                for key, folder in (("EntityPages", "wikipedia"), ("SearchResults", "web"))
                for page in entry.get(key) or ()
            ]
        except (KeyError, TypeError, AttributeError) as error:
            problems.report("no question", path, number, "Question and Answer", repr(error), "question")
            continue
        for page in pages:
            if not page.resolve().is_relative_to(evidence.resolve()) or not page.is_file():
                problems.report("page not there", path, number, "a file of the evidence", page.name, "question")
            elif (part := _part_with(page.read_text("utf-8", "replace"), answers)) is not None:
                rows.append((question, part))
    return Table(rows, None)


def _answers(answer: dict[str, Any]) -> list[str]:
    return [text for text in dict.fromkeys([answer["Value"], *answer.get("Aliases", ())]) if text.strip()]


def _part_with(page: str, answers: Sequence[str]) -> str | None:
    """The words around the first place where one of the answers stands, as whole words whatever the case."""
    said = re.search(rf"(?<!\w)(?:{'|'.join(map(re.escape, answers))})(?!\w)", page, re.IGNORECASE)
    if said is None:
        return None
    before, after = page[: said.start()].split()[-AROUND:], page[said.end() :].split()[:AROUND]
    return " ".join([*before, " ".join(said[0].split()), *after])


def read_clicks(path: str | Path, columns: Sequence[str] | None = None, problems: Problems = STRICT) -> Iterator[Shown]:
    """The lines of a click log between tabs, one at a time.

    Args:
        path: a .tsv file, packed where its name says so.
        columns: their names where the file has no header, such as `ORCAS`. Known are query; passage, document, url and
            their like; position or rank; clicked. Others are passed over. A row with an empty passage is one without a
            click, as in logs of whole sessions, and is left out.
        problems: told of lines that have other fields.
    Raises:
        ValueError: a column is missing, or the name does not end as one of a table.

    Source: Craswell et al. 2020 (ORCAS).
    """
    path = Path(path)
    if not path.name.endswith(TABLE_FILES):
        raise ValueError(f"{path.name} has an unknown ending; expected a log between tabs, {', '.join(TABLE_FILES)}")
    lines = ((number, line.split("\t")) for number, line in read_lines(path, problems))
    names = list(columns) if columns is not None else [name.strip() for name in next(lines, (0, []))[1]]
    of = _columns(path, names, query=QUERY, passage=CLICKED_ON)
    position_in, clicked_in = (_first(names, usual) or "" for usual in (POSITION, CLICKED))
    for number, fields in lines:
        row = dict(zip(names, fields, strict=False))
        position, clicked = _number(row.get(position_in, "0")), _number(row.get(clicked_in, "1"))
        if len(fields) != len(names) or not row[of["query"]].strip():
            problems.report("wrong fields", path, number, f"{', '.join(names)}, between tabs", repr(fields))
        elif not row[of["passage"]].strip():
            continue
        elif position is None or clicked is None or position != int(position) or position < 0:
            problems.report("no number", path, number, "a whole position and a number of clicks", repr(fields))
        else:
            yield Shown(row[of["query"]], row[of["passage"]], int(position), clicked > 0)


def _first(names: Iterable[str], usual: Sequence[str]) -> str | None:
    """Which of the names is the first of the usual ones, whatever its case and underscores."""
    plain = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(list(names))}
    return next((plain[re.sub(r"[\W_]", "", name)] for name in usual if re.sub(r"[\W_]", "", name) in plain), None)


def _columns(path: Path, names: Iterable[str], **wanted: Sequence[str]) -> dict[str, str]:
    """What is wanted -> the name of its column."""
    names = list(names)
    found = {what: _first(names, usual) for what, usual in wanted.items()}
    for what, name in found.items():
        if name is None:
            raise ValueError(
                f"{path.name} has no column for the {what}, expected {' or '.join(wanted[what])}; its columns are "
                f"{', '.join(names) or 'none'}"
            )
    return {what: str(name) for what, name in found.items()}


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
