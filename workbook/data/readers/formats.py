"""Lines, JSON Lines, tables with commas or tabs and Parquet files, plain or packed, read one row at a time.

Each reader yields a number with every row (lines from 1, rows of Parquet files from 1), reports what it cannot
read to a `Problems`, and goes on with the next row. Nothing here ever loads a pickle.

Taught in 03.
"""

import bz2
import csv
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Collection as Names
from pathlib import Path
from typing import IO, Any

from workbook.data.problems import Problems
from workbook.support.files import MAX_LINE

PACKED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def packed(*endings: str) -> tuple[str, ...]:
    """Endings of files, and the same of packed ones."""
    return (*endings, *(ending + more for ending in endings for more in PACKED))


ROW_FILES = (*packed(".jsonl"), ".json.gz", ".parquet")
TABLE_FILES = packed(".csv", ".tsv")
QRELS_FILES = packed(".tsv", ".txt", ".qrels")
SHOWN = 200  # characters of a line that go into a message


def open_bytes(path: Path) -> IO[bytes]:
    """A file opened for reading, unpacked on the way where its name ends in .gz, .bz2 or .xz."""
    opened: IO[bytes] = PACKED[path.suffix](path) if path.suffix in PACKED else path.open("rb")
    return opened


def stem(name: str) -> str:
    """A file's name without its ending: test.jsonl.gz -> test."""
    return re.sub(r"\.(jsonl|json|parquet|csv|tsv|txt|qrels)(\.(gz|bz2|xz))?$", "", name)


def prefer_unpacked(names: Iterable[str]) -> list[str]:
    """The names without those of packed files that stand there unpacked, too."""
    found: dict[str, str] = {}
    for name in sorted(names):  # "a.tsv" comes before "a.tsv.gz"
        found.setdefault(re.sub(r"\.(gz|bz2|xz)$", "", name), name)
    return list(found.values())


def read_lines(path: Path, problems: Problems, whole: bool = False, empty: bool = False) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that are not empty, without their ends, numbered from 1.

    Args:
        path: a file, packed where its name says so.
        problems: told of lines that are not UTF-8 or too long, and of a packed file that is cut off or damaged.
        whole: expect a newline at the very end: in a file of which nothing else shows that it was cut off.
            The line is reported, and left out.
        empty: give the empty lines too.
    """
    number = 0
    try:
        with open_bytes(path) as file:
            while raw := file.readline(MAX_LINE):
                number += 1
                if len(raw) == MAX_LINE:
                    problems.report("line too long", path, number, f"fewer than {MAX_LINE:,} bytes", f"{raw[:40]!r}…")
                    while len(raw) == MAX_LINE and not raw.endswith(b"\n"):
                        raw = file.readline(MAX_LINE)
                    continue
                if whole and not raw.endswith(b"\n"):
                    expected = "a newline at the end (if the file is whole, add one)"
                    problems.report("cut-off end", path, number, expected, f"{raw[-40:]!r}")
                    continue
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    problems.report("not UTF-8", path, number, "text in UTF-8", f"the byte {raw[error.start]:#x}")
                    continue
                if empty or (line and not line.isspace()):
                    yield number, line
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if path.suffix not in PACKED or getattr(error, "errno", None):  # the disk's, not the file's
            raise
        problems.report("cut-off end", path, number + 1, f"a whole {path.suffix} file", str(error))


def read_json_objects(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file."""
    for number, line in read_lines(path, problems):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # ValueError: Python reads no number of more than 4,300 digits
            problems.report("not JSON", path, number, "a JSON object", repr(line[:SHOWN]))
            continue
        if not isinstance(row, dict):
            problems.report("not an object", path, number, "a JSON object", repr(line[:SHOWN]))
        elif "\\u" in line and has_surrogate(row):
            problems.report("not UTF-8", path, number, "text that can be written as UTF-8", "half a surrogate pair")
        else:
            yield number, row


def read_tsv(
    path: Path, width: int, expected: str, problems: Problems, whole: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a tab-separated file. Quotes are text: MS MARCO and STS-B do not escape them.

    Args:
        width: how many fields.
        expected: what the fields are, for the message.
        whole: as in `read_lines`.
    """
    for number, line in read_lines(path, problems, whole):
        fields = line.split("\t")
        if len(fields) == width:
            yield number, fields
        else:
            problems.report(
                "wrong number of fields", path, number, f"{expected}, separated by tabs", repr(line[:SHOWN])
            )


def read_csv(path: Path, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file with commas, or with semicolons where its first line has no comma; numbered by their last line.

    A field in quotes may hold commas, line breaks and doubled quotes.
    """
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        for number, line in read_lines(path, problems, empty=True):  # noqa: B007
            yield f"{line}\n"

    first = next(read_lines(path, Problems()), (0, ""))[1]
    rows = csv.reader(lines(), delimiter=";" if ";" in first and "," not in first else ",")
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            problems.report("not CSV", path, number, "fields between commas", str(error))
            continue
        if row is None:
            return
        if row:
            yield number, row


def read_table(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a .csv or .tsv file whose first row names the columns. Between tabs, quotes are text."""
    if path.name.endswith(packed(".csv")):
        rows = read_csv(path, problems)
    else:
        rows = ((number, line.split("\t")) for number, line in read_lines(path, problems))
    _, names = next(rows, (0, []))
    for number, fields in rows:
        if len(fields) == len(names):
            yield number, dict(zip(names, fields, strict=True))
        else:
            problems.report("wrong number of fields", path, number, ", ".join(names), repr(fields)[:SHOWN])


def read_parquet(
    path: Path, problems: Problems, columns: Names[str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file, a thousand at a time in memory.

    Args:
        columns: the only ones to read; all by default. Those that the file lacks are left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            wanted = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
            for batch in file.iter_batches(batch_size=1_000, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # a date may be beyond Python's
        problems.report("damaged Parquet file", path, number + 1, "a whole Parquet file", str(error))


def read_rows(
    path: Path, problems: Problems, columns: Names[str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a .jsonl, .parquet, .csv or .tsv file as dictionaries.

    Raises:
        ValueError: the name ends otherwise.
    """
    if path.name.endswith(".parquet"):
        return read_parquet(path, problems, columns)
    if path.name.endswith(ROW_FILES):
        return read_json_objects(path, problems)
    if path.name.endswith(TABLE_FILES):
        return read_table(path, problems)
    raise ValueError(f"{path.name} has an unknown ending; expected one of {', '.join((*ROW_FILES, *TABLE_FILES))}")


def has_surrogate(value: Any) -> bool:
    """Whether a JSON value holds half a surrogate pair, which no UTF-8 can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
        return False
    except UnicodeEncodeError:
        return True
