"""A disk that stops at a chosen step, so that a check can kill a program at every one of them.

    disk = Disk(steps=2)
    disk.write("a.tmp", "hello")
    disk.rename("a.tmp", "a")
    disk.write("b.tmp", "hello")      # raises Killed, and leaves "he"

Taught in 20.
"""

from dataclasses import dataclass, field


class Killed(BaseException):
    """The process ends here. Not an Exception: nothing can be caught and set right by a process that has ended."""


@dataclass(repr=False)
class Disk:
    """Files by their names, and what was done to them.

    Attributes:
        files: name -> what stands in it.
        steps: how many writes and renames are done before the kill; None: there is no kill.
        log: "write a" and "rename a to b", in order.
    """

    files: dict[str, str] = field(default_factory=dict)
    steps: int | None = None
    log: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Disk({self.files})"

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def write(self, name: str, text: str) -> None:
        """Put a text into a file, in place of what stood there; a kill comes when half of it is written."""
        if len(self.log) == self.steps:
            self.files[name] = text[: len(text) // 2]
            raise Killed
        self.files[name] = text
        self.log.append(f"write {name}")

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in one step: a kill comes before it or after it, never in between."""
        if old not in self.files:
            raise FileNotFoundError(f"no file {old!r} to rename")
        if len(self.log) == self.steps:
            raise Killed
        self.files[new] = self.files.pop(old)
        self.log.append(f"rename {old} to {new}")
