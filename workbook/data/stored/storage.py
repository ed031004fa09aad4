"""Texts on disk, memory-mapped: 8.8 million passages open in a moment and take no memory until they are read.

A folder holds parts of 100,000 rows each (Arrow's IPC file format, uncompressed, columns id and text), an
index from ids to rows, and a manifest that is written last. A folder without a manifest is unfinished.

    part-00000.arrow, part-00001.arrow, …
    id_hashes.npy    (N,) the 64-bit hashes of the ids, sorted
    id_rows.npy      (N,) the row of each hash
    manifest.json    rows, parts, their sizes and SHA-256

Letters: N texts.

Taught in 20.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import ItemsView as Items
from collections.abc import ValuesView as Values
from itertools import compress, islice
from pathlib import Path
from typing import Any

import numpy as np

from workbook.data.stored.parts import Column, damaged, mend, part_name, read_part, whole_part, write_part
from workbook.support.files import refuse_damaged, sha256_of, sweep, write_json, write_npy

MANIFEST, HASHES, ROWS = "manifest.json", "id_hashes.npy", "id_rows.npy"
FORMAT = "workbook texts 1"
PART_ROWS = 100_000


def store_texts(
    folder: str | Path,
    items: Iterable[tuple[str, str]] | Callable[[int], Iterable[tuple[str, str]]],
    part_rows: int = PART_ROWS,
) -> "StoredTexts":
    """Write texts into a folder, one part in memory at a time.

    Args:
        folder: where to; an unfinished one is begun anew, or gone on with (see `items`).
        items: (id, text) pairs. Or a function from a row number to the pairs from that row on: then the
            parts that a killed run has left are kept, and the function is asked for the rest. It is for
            the caller to see to it that they come from the same source.
        part_rows: rows in a part.
    Returns:
        the texts, opened.
    Raises:
        FileExistsError: the folder holds finished texts, which are never overwritten.
        ValueError: an id comes twice, or a text cannot be written as UTF-8.
        TypeError: an id or a text is not a string.
        OSError: the disk is full or the folder cannot be written; there is no manifest then.
    """
    if part_rows < 1:
        raise ValueError(f"part_rows must be at least 1, got {part_rows}")
    folder = Path(folder)
    if (folder / MANIFEST).exists():
        raise FileExistsError(f"{folder} holds finished texts; open them with open_texts, or remove the folder first")
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    parts: list[dict[str, Any]] = []
    hashes = [np.empty(0, np.uint64)]

    def add(ids: list[str]) -> None:
        parts.append({"file": part_name(len(parts)), "rows": len(ids), **_facts(folder / part_name(len(parts)))})
        hashes.append(_hash(ids))

    there = sorted(folder.glob("part-*.arrow"))
    for path in there if callable(items) else ():
        if path.name != part_name(len(parts)) or (found := whole_part(path, part_rows)) is None:
            break  # the last part of a source may be short: it is written again
        add(found)
    for path in there[len(parts) :]:
        path.unlink()
    rest = iter(items(len(parts) * part_rows) if callable(items) else items)
    while rows := list(islice(rest, part_rows)):
        add(write_part(folder / part_name(len(parts)), rows, len(parts) * part_rows))
    _write_index(folder, np.concatenate(hashes), part_rows)
    manifest = {
        "format": FORMAT,
        "rows": sum(part["rows"] for part in parts),
        "part_rows": part_rows,
        "sha256": hashlib.sha256("".join(part["sha256"] for part in parts).encode()).hexdigest(),
        "parts": parts,
        "index": [{"file": name, **_facts(folder / name)} for name in (HASHES, ROWS)],
    }
    write_json(folder / MANIFEST, manifest)
    return StoredTexts(folder)


def open_texts(folder: str | Path, verify: bool = False) -> "StoredTexts":
    """Open texts that `store_texts` wrote; nothing of them is read yet.

    Args:
        folder: where they are.
        verify: compare each file with its SHA-256 before it is used for the first time.
    Raises:
        FileNotFoundError: the folder holds no finished texts.
        ValueError: a file in it is missing, has another size, or is of another format.
    """
    return StoredTexts(folder, verify)


class StoredTexts(Mapping[str, str]):
    """id -> text from a folder, read when it is asked for, in the order in which it was stored.

    Args:
        folder: where `store_texts` wrote.
        verify: as in `open_texts`.
    """

    def __init__(self, folder: str | Path, verify: bool = False):
        self.folder, self.verify = Path(folder), verify
        if not (self.folder / MANIFEST).is_file():
            raise FileNotFoundError(
                f"{self.folder} holds no finished texts (there is no {MANIFEST}); write them with store_texts"
            )
        try:
            self.manifest: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text("utf-8"))
            files = _stated_files(self.manifest)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.folder / MANIFEST} is damaged ({error}); remove the folder and store again"
            ) from error
        refuse_damaged(self.folder, files, mend(self.folder))
        self._starts = np.cumsum([0, *(part["rows"] for part in self.manifest["parts"])])
        self._tables: dict[int, dict[str, Column]] = {}
        self._index_verified = not verify
        self._hashes: np.ndarray = _map(self.folder / HASHES, len(self))
        self._rows: np.ndarray = _map(self.folder / ROWS, len(self))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of all parts: equal for equal ids and texts in equal order."""
        return str(self.manifest["sha256"])

    def __repr__(self) -> str:
        return f"StoredTexts({str(self.folder)!r}: {len(self):,} texts)"

    def __reduce__(self) -> Any:
        return StoredTexts, (str(self.folder), self.verify)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __iter__(self) -> Iterator[str]:
        for ids, _ in self.batches():
            yield from ids

    def __getitem__(self, id: str) -> str:
        return self.texts(row := self.row(id), row + 1)[0]

    def __contains__(self, id: object) -> bool:
        try:
            return isinstance(id, str) and self.row(id) >= 0
        except KeyError:
            return False

    def items(self) -> Items[str, str]:
        """(id, text) pairs in stored order, without a look-up for each."""
        return _Items(self)

    def values(self) -> Values[str]:
        """The texts in stored order, without a look-up for each."""
        return _Values(self)

    def row(self, id: str) -> int:
        """The row of an id, from 0, by binary search among the hashes.

        Raises:
            KeyError: there is no such id.
        """
        if not self._index_verified:
            refuse_damaged(self.folder, self.manifest["index"], mend(self.folder), content=True)
            self._index_verified = True
        wanted = _hash([id])[0]
        first, after = (np.searchsorted(self._hashes, wanted, side) for side in ("left", "right"))
        for row in self._rows[first:after].tolist():
            if self.ids(row, row + 1) == [id]:
                return int(row)
        raise KeyError(id)

    def ids(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The ids of the rows from start to before stop."""
        return self._column("id", start, stop)

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The texts of the rows from start to before stop."""
        return self._column("text", start, stop)

    def texts_at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The texts of any rows, in the order asked for, quicker than one at a time."""
        return self._at("text", rows)

    def ids_at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The ids of any rows, in the order asked for."""
        return self._at("id", rows)

    def batches(
        self, size: int = 4_096, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[list[str], list[str]]]:
        """(ids, texts) of `size` rows at a time; the last batch may be shorter.

        Args:
            size: rows of a batch.
            start, stop: the rows to read; all by default.
        """
        stop = len(self) if stop is None else min(stop, len(self))
        for first in range(start, stop, size):
            last = min(first + size, stop)
            yield self.ids(first, last), self.texts(first, last)

    def check(self, start: int = 0, stop: int | None = None) -> None:
        """Compare the parts that hold these rows with their SHA-256; the size alone was compared on opening.

        Raises:
            ValueError: a part is damaged; the message names it.
        """
        stop = len(self) if stop is None else stop
        wanted = (self._starts[:-1] < stop) & (self._starts[1:] > start)
        refuse_damaged(self.folder, compress(self.manifest["parts"], wanted), mend(self.folder), content=True)

    def _column(self, name: str, start: int, stop: int | None) -> list[str]:
        start, stop, _ = slice(start, stop).indices(len(self))
        found: list[str] = []
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            first, after = self._starts[number : number + 2]
            last = min(stop, int(after))
            found += self._table(number)[name].slice(int(start - first), int(last - first))
            start, number = last, number + 1
        return found

    def _at(self, name: str, rows: Sequence[int] | np.ndarray) -> list[str]:
        wanted = np.asarray(rows, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows must lie between 0 and {len(self) - 1}, got {wanted.min()} to {wanted.max()}")
        parts = np.searchsorted(self._starts, wanted, side="right") - 1
        found: list[str] = [""] * len(wanted)
        for number in np.unique(parts):
            places = np.flatnonzero(parts == number)
            values = self._table(int(number))[name].take(wanted[places] - self._starts[number])
            for place, value in zip(places.tolist(), values, strict=True):
                found[place] = value
        return found

    def _table(self, number: int) -> "dict[str, Column]":
        if number not in self._tables:
            part, path = self.manifest["parts"][number], self.folder / part_name(number)
            if self.verify:
                refuse_damaged(self.folder, [part], mend(self.folder), content=True)
            batch = read_part(path)
            if len(batch) != part["rows"]:
                raise ValueError(damaged(path, f"expected {part['rows']:,} rows, got {len(batch):,}"))
            self._tables[number] = {"id": Column(batch.column(0), path), "text": Column(batch.column(1), path)}
        return self._tables[number]


class _Items(Items[str, str]):
    _mapping: StoredTexts

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for ids, texts in self._mapping.batches():
            yield from zip(ids, texts, strict=True)


class _Values(Values[str]):
    _mapping: StoredTexts

    def __iter__(self) -> Iterator[str]:
        for _, texts in self._mapping.batches():
            yield from texts


def _stated_files(manifest: Any) -> list[dict[str, Any]]:
    """The files that a manifest describes: those that are written here, and no others, wherever they stand."""
    if manifest["format"] != FORMAT:
        raise ValueError(f"expected the format {FORMAT!r}, got {manifest['format']!r}")
    parts = manifest["parts"]
    names, files = [*map(part_name, range(len(parts))), HASHES, ROWS], [*parts, *manifest["index"]]
    for name, file in zip(names, files, strict=True):
        if file["file"] != name:
            raise ValueError(f"expected the file {name}, got {file['file']!r}")
    for number in [file["bytes"] for file in files] + [part["rows"] for part in parts]:
        if type(number) is not int or number < 0:
            raise ValueError(f"expected whole numbers as rows and bytes, got {number!r}")
    if missing := [file["file"] for file in files if "sha256" not in file] + ["all"] * ("sha256" not in manifest):
        raise ValueError(f"expected the SHA-256 of {missing[0]}")
    return files


def _hash(ids: list[str]) -> np.ndarray:
    """64-bit FNV-1a of the UTF-8 bytes of each id, stirred, (N,) uint64: all ids take a step for each byte together.

    Source: Fowler, Noll and Vo 1991 (FNV-1a); Steele et al. 2014 (SplitMix64, the last three lines).
    """
    raw = [id.encode("utf-8", "surrogatepass") for id in ids]
    lengths = np.fromiter(map(len, raw), np.int64, len(raw))
    starts = lengths.cumsum() - lengths
    data = np.frombuffer(b"".join(raw), np.uint8)
    h = np.full(len(raw), 0xCBF29CE484222325, np.uint64)
    rows = np.arange(len(raw))
    for step in range(int(lengths.max(initial=0))):
        rows = rows[lengths[rows] > step]
        h[rows] = (h[rows] ^ data[starts[rows] + step]) * np.uint64(0x100000001B3)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


def _write_index(folder: Path, hashes: np.ndarray, part_rows: int) -> None:
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    for place in np.flatnonzero(hashes[1:] == hashes[:-1]):
        one, two = order[place : place + 2].tolist()
        parts = [read_part(folder / part_name(row // part_rows)) for row in (one, two)]
        id, other = (str(part.column(0)[row % part_rows]) for part, row in zip(parts, (one, two), strict=True))
        if id == other:
            raise ValueError(f"expected each id once, but {id!r} is the id of rows {one} and {two}; leave one out")
    kind = np.uint32 if len(order) < 2**32 else np.uint64
    for name, values in ((HASHES, hashes), (ROWS, order.astype(kind))):
        write_npy(folder / name, values)


def _map(path: Path, rows: int) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "u" or values.shape != (rows,):
            raise ValueError(f"expected {rows:,} whole numbers")
        return values
    except (ValueError, EOFError, OverflowError, SyntaxError, TypeError) as error:
        raise ValueError(damaged(path, str(error))) from error


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
