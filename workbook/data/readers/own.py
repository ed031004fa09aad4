"""Texts of one's own, without queries and judgements: a folder of text files, a table, rows of JSON.

    a folder          its .txt, .md and .rst files, and those in folders below; the id is the path in the folder
    one such file     the same; the id is its name
    .csv, .tsv        a first row that names the columns
    .jsonl, .parquet  rows

The title of a text file is its first heading, or what its front matter states, or else its name without ending. A
file of more than 200 words becomes several passages, PATH#1, PATH#2 and so on, each under the title: paragraphs
(what stands between empty lines) are put together while they have at most 200 words, and a longer one is cut at the
last end of a sentence that fits.

In a table or rows, the text stands in a column with a usual name (`TEXT_NAMES`), or in the only one that holds
several words; a title and an id are taken from columns with usual names, and where there is no id, the row's
number is it. These texts are not cut.

Taught in 03.
"""

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from workbook.data.problems import Problems
from workbook.data.readers.formats import ROW_FILES, TABLE_FILES, read_rows, stem
from workbook.data.readers.reading import Reading, Texts
from workbook.data.readers.texts import is_id, stated_licence, titled, unquoted
from workbook.support.files import MAX_LINE, files_below

LAYOUT = f"a folder of .txt, .md and .rst files, or the path of one file of texts ({', '.join(TABLE_FILES[:2])}, .jsonl, .parquet)"
TEXT_FILES = (".txt", ".md", ".rst")
NO_TEXT = ("readme", "license", "licence", "card")  # beside files of another kind, these are about them
TEXT_NAMES = ("text", "passage", "contents", "content", "body", "document", "abstract", "description")
TITLE_NAMES = ("title", "heading", "headline", "subject", "name")
ID_NAMES = ("id", "docid", "docno", "pid", "passageid", "documentid", "corpusid", "key", "uid")
LOOKED_AT = 20  # rows from which columns are chosen
WORDS = 200  # of a passage, at most
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$|^(\S.*)\n([=\-~^*+#])\3{2,}[ \t]*$", re.MULTILINE)
FRONT_MATTER = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)


class Columns(NamedTuple):
    """In which columns text, title and id stand."""

    text: str
    title: str | None
    id: str | None


def read_own(path: Path, problems: Problems) -> Reading:
    """Texts of one's own as a reading without queries and judgements.

    Raises:
        ValueError: the file's ending is unknown, or no column can be taken for the text; the message lists them.
    """
    if path.is_dir():
        passages = partial(_files, path, files_below(path))
    elif path.name.lower().endswith(TEXT_FILES):
        passages = partial(_files, path.parent, [path])
    elif path.name.endswith((*ROW_FILES, *TABLE_FILES)):
        passages = partial(_rows, path, choose_columns(path))
    else:
        raise ValueError(f"{path.name} has an unknown ending; expected {LAYOUT}")
    licence = stated_licence(path if path.is_dir() else path.parent, problems, "unknown")
    return Reading(stem(path.name), passages, lambda problems: iter(()), {}, licence, (path.name, "no file"))


def has_texts(folder: Path) -> bool:
    """Whether a folder is one of text files: not one with other files and a README to them."""
    files = files_below(folder)
    texts = [path for path in files if path.name.lower().endswith(TEXT_FILES)]
    others = any(path.name.endswith((*ROW_FILES, *TABLE_FILES)) for path in files)
    return any(path.stem.lower() not in NO_TEXT for path in texts) or (bool(texts) and not others)


def choose_columns(path: Path) -> Columns:
    """The columns of a file of rows, by their names, and the text by what stands in it if need be.

    Raises:
        ValueError: none or several could be the text; the message lists the columns.
    """
    rows = [row for _, row in islice(read_rows(path, Problems()), LOOKED_AT)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    plain = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(names)}
    text, title, id = (
        next((plain[usual] for usual in usuals if usual in plain), None)
        for usuals in (TEXT_NAMES, TITLE_NAMES, ID_NAMES)
    )
    if text is None:
        wordy = [name for name in names if name not in (title, id) and any(_words(row.get(name)) > 1 for row in rows)]
        if not wordy and title is not None:
            wordy, title = [title], None
        if len(wordy) != 1:
            columns = f"the columns are {', '.join(names)}" if names else "there are no rows"
            raise ValueError(f"{path}: expected the texts in a column named {', '.join(TEXT_NAMES)}; {columns}")
        text = wordy[0]
    return Columns(text, title, id)


def _words(value: object) -> int:
    return len(value.split()) if isinstance(value, str) else 0


def _rows(path: Path, columns: Columns, problems: Problems) -> Texts:
    for number, row in read_rows(path, problems):
        if ".tsv" in path.name:
            row = {name: unquoted(field) for name, field in row.items()}
        id = number if columns.id is None else row.get(columns.id)
        text = row.get(columns.text)
        if is_id(id) and _words(text):
            yield path, number, str(id), titled(columns.title and row.get(columns.title), str(text))
        else:
            expected = f"{columns.id or 'no id'} and {columns.text}"
            problems.report("no id or text", path, number, expected, f"{row!r:.120}")


def _files(folder: Path, files: list[Path], problems: Problems) -> Texts:
    for path in files:
        text = read_text(path, problems)
        if text is None:
            continue
        id, (title, body) = path.relative_to(folder).as_posix(), title_of(text, path.stem)
        passages = list(cut(body))
        for number, passage in enumerate(passages, start=1):
            yield path, number, f"{id}#{number}" if len(passages) > 1 else id, titled(title, passage).rstrip()


def read_text(path: Path, problems: Problems) -> str | None:
    """A text file; None, and a report, where it is none, is empty, binary, not UTF-8 or too large."""
    if not path.name.lower().endswith(TEXT_FILES):
        problems.report("no text file", path, 1, ", ".join(TEXT_FILES), f"a file {path.suffix or 'without ending'}")
        return None
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_LINE)
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        if len(raw) == MAX_LINE:
            kind, came = "file too large", f"{MAX_LINE:,} bytes or more"
        elif text.strip() and "\0" not in text:
            return text
        else:
            kind, came = ("binary file", "a byte 0") if text.strip() else ("empty file", "nothing")
    except UnicodeDecodeError as error:
        kind, came = "not UTF-8", f"the byte {raw[error.start]:#x}"
    except OSError as error:
        kind, came = "file that cannot be read", str(error.strerror)
    problems.report(kind, path, 1, "text in UTF-8", came)
    return None


def title_of(text: str, otherwise: str) -> tuple[str, str]:
    """The title of a text and what stands below it; a heading that is not its beginning stays there."""
    stated = None
    if front := FRONT_MATTER.match(text):
        text = text[front.end() :]
        stated = re.search(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", front[1], re.MULTILINE)
    heading = HEADING.search(text)
    title = heading[1] or heading[2] if heading else otherwise
    if heading and not text[: heading.start()].strip():
        text = text[heading.end() :]
    return (stated[1] if stated else title).strip(), text.strip()


def cut(text: str, most: int = WORDS) -> Iterator[str]:
    """The passages of a text: paragraphs, put together while they have at most `most` words."""
    together: list[str] = []
    size = 0
    for paragraph in re.split(r"\n\s*\n", text):
        for piece in _cut_paragraph(paragraph, most):
            if together and size + len(piece.split()) > most:
                yield "\n\n".join(together)
                together, size = [], 0
            together.append(piece)
            size += len(piece.split())
    yield "\n\n".join(together)


def _cut_paragraph(paragraph: str, most: int) -> Iterator[str]:
    """Pieces of at most `most` words, which end with a sentence where one ends in the second half of them."""
    words = paragraph.split()
    if len(words) <= most:
        yield paragraph
        return
    while words:
        ends = (n for n in range(most, most // 2, -1) if words[n - 1][-1] in ".!?")
        end = next(ends, most) if len(words) > most else len(words)
        yield " ".join(words[:end])
        words = words[end:]
