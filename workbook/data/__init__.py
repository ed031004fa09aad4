"""Data, from hand-written to the reader's own.

    from workbook import data
    docs = data.load("pydocs")

Taught in 00 and 03.
"""

import re
from functools import cache
from pathlib import Path

from workbook.data.beir import MalformedFile, load_folder
from workbook.data.collection import Collection

__all__ = ["Collection", "MalformedFile", "load"]

NAMES = ("toy", "pydocs", "pydocs-code", "planted")
PLANTED = re.compile(r"planted(?:-([1-9]\d{0,7}))?")  # planted-1000000: with so many passages


def load(name_or_path: str | Path) -> Collection:
    """Load a collection.

    Args:
        name_or_path: "toy" (hand-written), "pydocs" (title → body of the documentation in the
            installed packages), "pydocs-code" (title → code), "planted" (generated, 10,000 passages) or
            "planted-N" (the same with N passages, such as "planted-1000000"; all of it is held in
            memory), or a folder in BEIR layout. `workbook.data.planted.planted` gives the truth of any
            pair of it, has more settings, and streams what does not fit into memory.
    Returns:
        the collection. Treat it as read-only: named ones are loaded once and shared.
    Raises:
        FileNotFoundError: there is neither such a name nor such a folder.
        MalformedFile: a line of a file is broken; the message names file and line.

    Taught in 00.
    """
    if name_or_path in NAMES or PLANTED.fullmatch(str(name_or_path)):
        return _named(str(name_or_path))
    if Path(name_or_path).is_dir():
        return load_folder(Path(name_or_path))
    raise FileNotFoundError(
        f"no collection {str(name_or_path)!r}; expected {', '.join(NAMES)}, planted-N, or a folder with corpus.jsonl, queries.jsonl, qrels/"
    )


@cache
def _named(name: str) -> Collection:
    if name == "toy":
        from workbook.data.toy import load_toy

        return load_toy()
    if asked := PLANTED.fullmatch(name):
        from workbook.data.planted.corpus import planted

        return planted(int(asked[1] or 10_000)).collection()
    from workbook.data.pydocs import load_pydocs

    return load_pydocs(code=name == "pydocs-code")
