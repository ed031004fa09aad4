"""Parts of stored texts: one file of Arrow's IPC format, uncompressed, with the columns id and text.

A part is written whole or not at all, and read through a memory map. What is read may be damaged, or made by
somebody else: nothing in it is followed before it was looked at.

Taught in 20.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workbook.support.files import whole_file


def part_name(number: int) -> str:
    """The file of a part."""
    return f"part-{number:05}.arrow"


def write_part(path: Path, rows: list[tuple[str, str]], first: int) -> list[str]:
    """Write one part, whole or not at all.

    Args:
        path: where to.
        rows: (id, text) pairs.
        first: the row number of the first of them, for messages.
    Returns:
        the ids.
    Raises:
        ValueError: an id or a text cannot be written as UTF-8.
        TypeError: one is not a string.
        OSError: the disk is full or the folder cannot be written; there is no file then.
    """
    import pyarrow as pa

    ids, texts = [id for id, _ in rows], [text for _, text in rows]
    try:
        columns = [pa.array(values, pa.large_string()) for values in (ids, texts)]
    except (TypeError, UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        _explain(rows, first)
        raise ValueError(f"rows from {first} on cannot be stored: {error}") from error
    if any(column.null_count for column in columns):
        _explain(rows, first)
    batch = pa.record_batch(columns, names=["id", "text"])

    with whole_file(path) as temporary, temporary.open("wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    return ids


def _explain(rows: list[tuple[str, str]], first: int) -> None:
    """Name the row that cannot be stored."""
    for row, pair in enumerate(rows, start=first):
        for value, what in zip(pair, ("id", "text"), strict=True):
            if not isinstance(value, str):
                raise TypeError(f"row {row}: expected a string as {what}, got {type(value).__name__}: {value!r:.80}")
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError(
                    f"row {row}, id {pair[0]!r}: the {what} cannot be written as UTF-8 ({error.reason} at "
                    f"position {error.start}); mend it with text.encode('utf-8', 'replace').decode()"
                ) from error


def read_part(path: Path) -> Any:
    """The one record batch of a part, memory-mapped; its columns are id and text.

    Raises:
        ValueError: the file is damaged.
    """
    import pyarrow as pa

    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        expected = pa.schema([("id", pa.large_string()), ("text", pa.large_string())])
        if reader.num_record_batches != 1 or not reader.schema.equals(expected):
            raise ValueError("expected one batch with the columns id and text")
        batch = reader.get_batch(0)
        if any(column.null_count for column in batch.columns):
            raise ValueError("expected an id and a text in every row")
        batch.validate()
        return batch
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(damaged(path, str(error))) from error


def whole_part(path: Path, part_rows: int) -> list[str] | None:
    """The ids of a full part that an unfinished run left, or None."""
    try:
        batch = read_part(path)
        batch.validate(full=True)
    except ValueError:
        return None
    return batch.column(0).to_pylist() if len(batch) == part_rows else None


class Column:
    """A column of strings whose offsets are looked at before Arrow follows them: in a damaged file they point anywhere.

    Args:
        column: Arrow's, of large strings.
        path: the file it is from, for messages.
    """

    def __init__(self, column: Any, path: Path):
        self.column, self.path = column, path
        _, offsets, data = column.buffers()
        self.offsets = np.frombuffer(offsets, np.int64)[: len(column) + 1] if len(column) else np.zeros(1, np.int64)
        self.size = 0 if data is None else data.size

    def slice(self, start: int, stop: int) -> list[str]:
        """The strings of the rows from start to before stop."""
        begin, end = self.offsets[start:stop], self.offsets[start + 1 : stop + 1]
        return self._strings(begin, end, lambda: self.column[start:stop])

    def take(self, rows: np.ndarray) -> list[str]:
        """The strings of any rows, in the order asked for."""
        return self._strings(self.offsets[rows], self.offsets[rows + 1], lambda: self.column.take(rows))

    def _strings(self, begin: np.ndarray, end: np.ndarray, values: Callable[[], Any]) -> list[str]:
        if not ((begin >= 0) & (begin <= end) & (end <= self.size)).all():
            raise ValueError(damaged(self.path, "a text lies outside the file"))
        try:
            return list(values().to_pylist())
        except UnicodeDecodeError as error:
            raise ValueError(damaged(self.path, str(error))) from error


def damaged(path: Path, what: str) -> str:
    """What is said of a damaged file."""
    return f"{path} is damaged: {what}; {mend(path.parent)}"


def mend(folder: Path) -> str:
    """What to do about a damaged file in a folder of texts."""
    return f"remove {folder} and store the texts again"
