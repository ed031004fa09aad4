"""Data sets of Hugging Face's hub: what files there are, how large, with which checksums.

The hub states the SHA-256 of large files and git's SHA-1 of small ones. They are asked for once, with the commit
to which they belong, and kept in hub.json; files are then taken from that commit, and compared.

`HF_ENDPOINT` names another hub, as for Hugging Face's own libraries.

Taught in 20.
"""

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.public.catalogue import RemoteFile
from workbook.data.public.download import DownloadError, get_json
from workbook.data.readers.formats import QRELS_FILES, ROW_FILES
from workbook.data.readers.mteb import choose
from workbook.data.readers.reading import Reading, into_memory
from workbook.data.readers.texts import qrels_rows, text_rows
from workbook.support.files import write_json

LISTING = "hub.json"
ENDINGS = (*ROW_FILES, *QRELS_FILES)


def hub_files(data_set: str, only: tuple[str, ...], folder: Path, parts: tuple[str, ...] = ()) -> dict[str, RemoteFile]:
    """Ask the hub for the files of a data set, and keep the answer in hub.json.

    Args:
        data_set: "owner/name".
        only: what the paths of wanted files begin with; if empty, the texts and judgements of one collection.
        folder: where to keep the answer.
        parts: the language and split of that collection, as for `mteb.choose`.
    Returns:
        path in the data set -> what to download.
    Raises:
        DownloadError: the hub gives no usable answer, or holds no such files.
        FileNotFoundError: the data set holds no corpus, queries and judgements, or has several languages and none
            was named, or not this one; the message lists them.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", data_set):
        raise ValueError(f"expected the name of a data set as owner/name, got {data_set!r}")
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    facts = get_json(f"{hub}/api/datasets/{data_set}?blobs=true")
    commit = str(facts.get("sha", "")) if isinstance(facts, dict) else ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise DownloadError(f"{hub} names no commit for {data_set}; is the name right?")
    files: dict[str, tuple[str, int, str]] = {}
    try:
        for file in facts["siblings"]:
            path, size, large = str(file["rfilename"]), int(file["size"]), file.get("lfs")
            stated = f"sha256:{large['sha256']}" if large else f"git:{file['blobId']}"
            if path.endswith(ENDINGS) and (not only or path.startswith(only)):
                address = f"{hub}/datasets/{data_set}/resolve/{commit}/{quote(path)}"
                files[_inside(path)] = (address, size, stated)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DownloadError(f"the hub's list of the files of {data_set} cannot be read ({error!r})") from error
    if not files:
        raise DownloadError(f"{data_set} holds no file that ends in {', '.join(ENDINGS)}")
    if not only:
        chosen = choose(files, parts, data_set)
        files = {path: files[path] for kind in chosen.values() for path in kind}
    licence = str((facts.get("cardData") or {}).get("license", ""))
    write_json(folder / LISTING, {"data set": data_set, "commit": commit, "licence": licence, "files": files})
    return _remote(files)


def kept_files(folder: Path) -> dict[str, RemoteFile] | None:
    """The answer that was kept in hub.json; None where there is none."""
    try:
        kept: dict[str, tuple[str, int, str]] = json.loads((folder / LISTING).read_text("utf-8"))["files"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(f"{folder / LISTING} is damaged ({error}); remove {folder} and load again") from error
    return _remote(kept)


def _remote(files: dict[str, tuple[str, int, str]]) -> dict[str, RemoteFile]:
    return {_inside(path): RemoteFile(*facts, PurePosixPath(path).name) for path, facts in files.items()}


def kept_licence(folder: Path) -> str:
    """The licence that the data set's card on the hub states; "" where it states none."""
    return str(json.loads((folder / LISTING).read_text("utf-8")).get("licence", ""))


def from_datasets(
    corpus: Any, queries: Any, qrels: Any, name: str = "data set", licence: str = "unknown", strict: bool = False
) -> Collection:
    """A collection out of three data sets of Hugging Face's library `datasets`, which are in memory or streamed.

    Args:
        corpus, queries: rows with an id and a text, named as in `workbook.data.readers.texts`.
        qrels: rows with query id, passage id and score; or split -> such rows, as in a `DatasetDict`.
        strict: stop at the first row that is not so.
    Raises:
        MalformedFile: with `strict`, a row is broken.
    """
    problems, splits = Problems(strict), qrels if hasattr(qrels, "keys") else {"test": qrels}
    reading = Reading(
        name,
        lambda problems: text_rows(Path(f"{name} corpus"), enumerate(corpus, 1), problems),
        lambda problems: text_rows(Path(f"{name} queries"), enumerate(queries, 1), problems),
        {
            split: lambda problems, _, rows=rows, split=split: qrels_rows(  # type: ignore[misc]
                Path(f"{name} {split}"), enumerate(rows, 1), problems
            )
            for split, rows in splits.items()
        },
        licence,
    )
    return into_memory(reading, problems)


def _inside(path: str) -> str:
    """A path that stays in its folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or set(path) & set("\\:\0"):
        raise DownloadError(f"the hub lists {path!r}, which would lead out of its folder")
    return path
