"""What is wrong in a file of other people's data: stop at the first, or skip, count and say so.

Every reader reports through one object. With `strict` a report is an error that names file and line; without
it the line is left out and counted, and a summary says what was dropped. Nothing is dropped in silence.

Taught in 03.
"""

from collections import Counter
from pathlib import Path
from typing import Any

EXAMPLES = 3  # of each kind, with file and line


def unit_of(path: Path) -> str:
    """What numbers count in a file: "row" in a Parquet file, "line" elsewhere."""
    return "row" if path.name.endswith(".parquet") else "line"


class MalformedFile(ValueError):
    """A line of a data file is not what it should be."""

    def __init__(self, path: Path, line: int, expected: str, came: str, unit: str = ""):
        super().__init__(f"{path.name}, {unit or unit_of(path)} {line}: expected {expected}, got {came[:120]}")


class Problems:
    """The problems that were met while reading, counted by kind, with the first few examples of each.

    Args:
        strict: raise a `MalformedFile` at the first problem instead of counting it.

    Attributes:
        counts: kind -> how many lines were dropped because of it.
        examples: kind -> the first few, as "file, line n: expected …, got …".
        notes: what is no fault, and yet should be known before anything is measured.

    It is true when there are problems, notes aside; printed, it is a summary.
    """

    def __init__(self, strict: bool = False):
        self.strict = strict
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self._seen: dict[tuple[str, str], Seen] = {}  # (file, kind) -> lines; a bit for each

    def report(self, kind: str, path: Path, line: int, expected: str, came: str, unit: str = "") -> None:
        """Report a problem. The same line may be read several times, and is counted once for each kind.

        Args:
            kind: a few words under which it is counted, such as "repeated id".
            path, line: where; lines are counted from 1.
            expected, came: what should stand there, and what does.
            unit: what `line` counts, if not what `unit_of` says.
        Raises:
            MalformedFile: the object is strict.
        """
        error = MalformedFile(path, line, expected, came, unit)
        if self.strict:
            raise error
        if not self._seen.setdefault((str(path), kind), Seen()).add(str(line)):
            return
        self.counts[kind] += 1
        if len(examples := self.examples.setdefault(kind, [])) < EXAMPLES:
            examples.append(str(error))

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        if not self:
            return "\n".join(["nothing was dropped", *self.notes])
        lines = [f"{self.counts.total():,} lines dropped or cut short; strict=True stops at the first"]
        for kind, count in self.counts.most_common():
            lines.append(f"  {count:,} × {kind}")
            lines += [f"      {example}" for example in self.examples[kind]]
            if count > len(self.examples[kind]):
                lines.append(f"      and {count - len(self.examples[kind]):,} more")
        return "\n".join(lines + self.notes)

    def __repr__(self) -> str:
        return f"Problems({dict(self.counts)})"

    def to_json(self) -> dict[str, Any]:
        """Counts, examples and notes, ready for a manifest."""
        notes = {"notes": self.notes} if self.notes else {}
        return {"counts": dict(self.counts), "examples": self.examples, **notes}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Problems":
        """What `to_json` wrote."""
        problems = cls()
        problems.counts.update(value["counts"])
        problems.examples = {kind: list(examples) for kind, examples in value["examples"].items()}
        problems.notes = list(value.get("notes", []))
        return problems


class Seen:
    """Which ids have come already, in little memory: a bit for each where ids are whole numbers.

    MS MARCO's 8.8 million ids take 1 MB this way instead of a gigabyte.
    """

    LARGEST = 2**31  # a bit map of at most 256 MB

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[str] = set()

    def add(self, id: str) -> bool:
        """Add an id; False when it was there already."""
        # "7" and "07" are two ids, so only the usual way to write a number counts as one.
        usual = len(id) <= 10 and id.isascii() and id.isdigit() and (id[0] != "0" or id == "0")
        if usual and (number := int(id)) < self.LARGEST:
            byte, bit = number >> 3, 1 << (number & 7)
            size = len(self._bits)
            if size <= byte <= 2 * size + 1_000_000:  # a lonely large number is no reason for a large map
                self._bits.extend(bytes(byte + 1 - size + size // 4))
            if byte < len(self._bits):
                new = not self._bits[byte] & bit and id not in self._others
                self._bits[byte] |= bit
                return new
        new = id not in self._others
        self._others.add(id)
        return new
