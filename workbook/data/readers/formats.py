"""Lines, JSON Lines, tab-separated and Parquet files, plain or gzipped, read one row at a time.

Each reader yields a number with every row (lines from 1, rows of Parquet files from 1), reports what it cannot
read to a `Problems`, and goes on with the next row. Nothing here ever loads a pickle.

Taught in 03.
"""

import gzip
import json
import zlib
from collections.abc import Collection as Names
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from workbook.data.problems import Problems

ROW_FILES = (".jsonl", ".jsonl.gz", ".json.gz", ".parquet")
MAX_LINE = 16 * 2**20  # bytes; a longer "line" is no text
SHOWN = 200  # characters of a line that go into a message


def open_bytes(path: Path) -> IO[bytes]:
    """A file opened for reading, unpacked on the way where its name ends in .gz."""
    return gzip.open(path) if path.name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def files_below(folder: Path, pattern: str = "*") -> list[Path]:
    """The files of a folder and the folders below it, sorted; none of a hidden folder, which may be half-written."""
    return sorted(
        path
        for path in folder.rglob(pattern)
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def read_lines(path: Path, problems: Problems, whole: bool = False) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that are not empty, without their ends, numbered from 1.

    Args:
        path: a file, gzipped where its name ends in .gz.
        problems: told of lines that are not UTF-8 or too long, and of a gzip file that is cut off or damaged.
        whole: expect a newline at the very end: in a file of which nothing else shows that it was cut off.
            The line is reported, and left out.
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
                if line and not line.isspace():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        problems.report("cut-off end", path, number + 1, "a whole gzip file", str(error))


def read_json_objects(
    path: Path, problems: Problems, expected: str = "a JSON object"
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file."""
    for number, line in read_lines(path, problems):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # ValueError: Python reads no number of more than 4,300 digits
            problems.report("not JSON", path, number, "a JSON object", repr(line[:SHOWN]))
            continue
        if not isinstance(row, dict):
            problems.report("not an object", path, number, expected, repr(line[:SHOWN]))
        elif "\\u" in line and has_surrogate(row):
            problems.report("not UTF-8", path, number, "text that can be written as UTF-8", "half a surrogate pair")
        else:
            yield number, row


def read_tsv(
    path: Path, width: int | tuple[int, int], expected: str, problems: Problems, whole: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a tab-separated file. Quotes are text: MS MARCO and STS-B do not escape them.

    Args:
        width: how many fields; or the fewest and the most.
        expected: what the fields are, for the message.
        whole: as in `read_lines`.
    """
    fewest, most = (width, width) if isinstance(width, int) else width
    for number, line in read_lines(path, problems, whole):
        fields = line.split("\t")
        if fewest <= len(fields) <= most:
            yield number, fields
        else:
            problems.report(
                "wrong number of fields", path, number, f"{expected}, separated by tabs", repr(line[:SHOWN])
            )


def read_parquet(path: Path, problems: Problems, columns: Names[str] | None = None) -> Iterator[tuple[int, dict]]:
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
        problems.report("damaged Parquet file", path, number + 1, "a whole Parquet file", str(error), "row")


def read_rows(path: Path, problems: Problems, columns: Names[str] | None = None) -> Iterator[tuple[int, dict]]:
    """The rows of a .jsonl, .jsonl.gz or .parquet file as dictionaries.

    Raises:
        ValueError: the name ends otherwise.
    """
    if path.name.endswith(".parquet"):
        return read_parquet(path, problems, columns)
    if path.name.endswith(ROW_FILES):
        return read_json_objects(path, problems)
    raise ValueError(f"{path.name} has an unknown ending; expected one of {', '.join(ROW_FILES)}")


def unit(path: Path) -> str:
    """What numbers count in a file: "row" in a Parquet file, "line" elsewhere."""
    return "row" if path.name.endswith(".parquet") else "line"


def has_surrogate(value: Any) -> bool:
    """Whether a JSON value holds half a surrogate pair, which no UTF-8 can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
        return False
    except UnicodeEncodeError:
        return True
