"""SQuAD 1.1 as retrieval: a question, and the paragraph it was written for.

One JSON file: {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}.
A paragraph has no id in it; its place, title#n, becomes its id. A paragraph that stands twice is one passage.

Source: Rajpurkar et al. 2016. Taught in 03 and 20.
"""

import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from workbook.data.problems import Problems
from workbook.data.readers.formats import has_surrogate
from workbook.data.readers.reading import Judgements, Reading, Texts
from workbook.data.readers.texts import titled

LAYOUT = 'a .json file {"data": [{"title", "paragraphs": [{"context", "qas"}]}]}'


@dataclass(frozen=True)
class Paragraph:
    """A paragraph and its questions."""

    place: int  # counted from 1 through the whole file
    id: str
    text: str
    questions: list[tuple[str, str]]  # id, text


def read_squad(files: list[Path], problems: Problems) -> Reading:
    """Read SQuAD files, one split each: train-v1.1.json is "train", dev-v1.1.json is "dev".

    Raises:
        MalformedFile: with strict problems, a file is not in SQuAD's layout.
    """
    load = cache(lambda path: tuple(paragraphs(path, problems)))

    def passages(problems: Problems) -> Texts:
        for path in files:
            first: dict[str, Paragraph] = {}
            for paragraph in load(path):
                if first.setdefault(paragraph.id, paragraph) is paragraph:
                    yield path, paragraph.place, paragraph.id, paragraph.text

    def queries(problems: Problems) -> Texts:
        for path in files:
            for paragraph in load(path):
                yield from ((path, paragraph.place, *question) for question in paragraph.questions)

    def judgements(path: Path, problems: Problems, queries: Container[str]) -> Judgements:
        for paragraph in load(path):
            for query_id, _ in paragraph.questions:
                yield path, paragraph.place, query_id, paragraph.id, 1

    splits = {split_of(path): partial(judgements, path) for path in files}
    return Reading("SQuAD", passages, queries, splits, files=("the paragraphs", "the questions"))


def split_of(path: Path) -> str:
    """train-v1.1.json -> train."""
    return path.name.split("-")[0].split(".")[0]


def is_squad(path: Path) -> bool:
    """Whether a file begins like one of SQuAD's."""
    with path.open("rb") as file:
        return b'"paragraphs"' in file.read(65_536)


def paragraphs(path: Path, problems: Problems) -> Iterator[Paragraph]:
    """The paragraphs of a file, numbered from 1. A question without id or text is reported and left out."""
    try:
        articles = json.loads(path.read_bytes().decode("utf-8-sig"))["data"]
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.report("not UTF-8", path, line, "text in UTF-8", f"the byte {error.object[error.start]:#x}")
        return
    except (ValueError, RecursionError) as error:  # RecursionError: 5,000 brackets
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        problems.report("not JSON", path, line, f"JSON at column {column}", str(error))
        return
    except (KeyError, TypeError) as error:
        problems.report("not SQuAD", path, 1, LAYOUT, repr(error))
        return
    place, ids = 0, dict[str, str]()
    for article in _objects(articles, "articles", path, place, problems):
        for number, entry in enumerate(_objects(article.get("paragraphs", []), "paragraphs", path, place, problems)):
            place += 1
            if has_surrogate([article.get("title"), entry]):
                problems.report("not UTF-8", path, place, "UTF-8", "half a surrogate pair", "paragraph")
                continue
            text = entry.get("context")
            if not isinstance(text, str) or not text.strip():
                problems.report("no context", path, place, 'a "context"', repr(text), "paragraph")
                continue
            body = titled(str(article.get("title", "")).replace("_", " "), text)
            questions = []
            for qa in _objects(entry.get("qas", []), "questions", path, place, problems):
                if isinstance(qa.get("id"), str) and isinstance(qa.get("question"), str) and qa["question"].strip():
                    questions.append((qa["id"], qa["question"].strip()))
                else:
                    problems.report("no question", path, place, '"id" and "question"', repr(qa), "paragraph")
            yield Paragraph(place, ids.setdefault(body, f"{article.get('title', '')}#{number}"), body, questions)


def _objects(value: object, what: str, path: Path, place: int, problems: Problems) -> list[dict[str, Any]]:
    """The objects of a list; what is no list, and what is in it and no object, is reported."""
    entries = value if isinstance(value, list) else [value]
    found = [entry for entry in entries if isinstance(value, list) and isinstance(entry, dict)]
    if len(found) < len(entries):
        wrong = next(entry for entry in entries if entry not in found)
        problems.report(f"no {what}", path, place + 1, f"a list of {what}", repr(wrong), "paragraph")
    return found
