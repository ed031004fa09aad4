"""Data, from hand-written to the reader's own.

    from workbook import data
    docs = data.load("pydocs")

Taught in 00 and 03.
"""

from functools import cache
from pathlib import Path

from workbook.data.beir import MalformedFile, load_folder
from workbook.data.collection import Collection

__all__ = ["Collection", "MalformedFile", "load"]

NAMES = ("toy", "pydocs", "pydocs-code")


def load(name_or_path: str | Path) -> Collection:
    """Load a collection.

    Args:
        name_or_path: "toy" (hand-written), "pydocs" (title → body of the documentation in the
            installed packages), "pydocs-code" (title → code), or a folder in BEIR layout.
    Returns:
        the collection. Treat it as read-only: named ones are loaded once and shared.
    Raises:
        FileNotFoundError: there is neither such a name nor such a folder.
        MalformedFile: a line of a file is broken; the message names file and line.

    Taught in 00.
    """
    if name_or_path in NAMES:
        return _named(str(name_or_path))
    if Path(name_or_path).is_dir():
        return load_folder(Path(name_or_path))
    raise FileNotFoundError(
        f"no collection {str(name_or_path)!r}; expected {', '.join(NAMES)}, or a folder with corpus.jsonl, queries.jsonl, qrels/"
    )


@cache
def _named(name: str) -> Collection:
    if name == "toy":
        from workbook.data.toy import load_toy

        return load_toy()
    from workbook.data.pydocs import load_pydocs

    return load_pydocs(code=name == "pydocs-code")
