"""What is known of each public collection (catalogue.json): where it is, how large, its licence and checksums.

Nothing was downloaded to write it; each fact is somebody's statement, and tests hold those of ir_datasets
against it:

    MS MARCO, TREC, BEIR, CodeSearchNet   sizes, MD5 and counts: ir_datasets 0.6.3. BEIR's own README gives the same
                                          MD5; MS MARCO's README the same 8,841,823 passages.
    BEIR's licences                       what MTEB 2.26 states of the same task, or that it states none. NQ: CC BY-SA
                                          3.0 in the data set's own README, where MTEB has CC BY-NC-SA 3.0. SciFact:
                                          another copy on the hub states CC BY-NC 2.0, where MTEB has 4.0.
    hub data sets                         sizes on the hub's own pages, as stored in 2024 and 2025
    SQuAD                                 SHA-256 and sizes: quoted by several public repositories; 87,599 and 10,570
                                          questions: the data set's rows on the hub
    STS-B                                 MD5 and numbers of pairs: torchtext; licence: the archive's LICENSE.txt;
                                          its size: from memory, nobody states it

A licence here is a pointer, not advice: read it at its source. A file without a checksum is pinned when it is first
downloaded: its SHA-256 is written down beside it, and compared from then on. That notices later changes, not a first
download that was already wrong.

Taught in 20.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        url: where it is.
        size: in bytes; None where unknown.
        checksum: "md5:…", "sha256:…" or "git:…" (SHA-1 of a git blob), or None: pinned at the first download.
        name: what it is called on the disk; the last part of the address by default.
    """

    url: str
    size: int | None = None
    checksum: str | None = None
    name: str = ""

    @property
    def file_name(self) -> str:
        """What it is called on the disk."""
        return self.name or self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Entry:
    """A public collection.

    Attributes:
        title: what it is, in a few words.
        kind: whose layout it has: "beir", "msmarco", "squad", "codesearchnet", "sts", "triples", "hard negatives".
        licence: under which the texts may be used; read it before you do.
        page: where its authors describe it.
        files: what is downloaded.
        passages, queries: how many there should be; None where unknown. For "sts", `queries` counts the pairs.
        hub: a data set on Hugging Face's hub, whose files and checksums are asked for there.
        only: the files wanted from the hub, by the beginning of their path; by default those that `mteb.choose` finds.
        parts: of an archive that holds several collections, the folder of this one; of a hub data set, the language
            and perhaps the split.
        about: the size in bytes, roughly, where the exact one is not known before the download.
    """

    title: str
    kind: str
    licence: str
    page: str
    files: tuple[RemoteFile, ...] = ()
    passages: int | None = None
    queries: int | None = None
    hub: str = ""
    only: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    about: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes to download; None where unknown."""
        sizes = [file.size for file in self.files]
        return sum(size for size in sizes if size) if sizes and None not in sizes else None


def read_catalogue(path: Path) -> dict[str, Entry]:
    """Name -> entry, out of a file that names only what is known of each."""
    rows: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    for row in rows.values():
        row["files"] = tuple(RemoteFile(**file) for file in row.get("files", ()))
        row |= {name: tuple(row[name]) for name in ("only", "parts") if name in row}
    return {name: Entry(**row) for name, row in rows.items()}


CATALOGUE = read_catalogue(Path(__file__).with_suffix(".json"))
ALIASES = {
    "msmarco": "msmarco-passage",
    "natural-questions": "beir/nq",
    "nq": "beir/nq",
    "sts-b": "stsbenchmark",
    "codesearchnet": "codesearchnet/python",
}
PARTS = {"trec-dl-2019": "msmarco-passage", "trec-dl-2020": "msmarco-passage"}  # a split by its own name
# A name that holds several collections, each with its own name: one zip with a folder for each forum.
SEVERAL = {"beir/cqadupstack": tuple(entry.parts[0] for name, entry in CATALOGUE.items() if "cqadupstack/" in name)}


def mteb(name: str) -> Entry:
    """The entry of a retrieval task of MTEB: its files are asked for on the hub.

    Args:
        name: "mteb/scifact", or "mteb/MIRACLRetrieval/de" for one language, and "…/dev" after it for one split.
    """
    owner, task, *parts = name.split("/")
    page = f"https://huggingface.co/datasets/{owner}/{task}"
    title = f"MTEB: {', '.join([task, *parts])}"
    return Entry(title, "hugging face", f"see {page}", page, hub=f"{owner}/{task}", parts=tuple(parts))


def names() -> list[str]:
    """The names that `load` knows."""
    return [*CATALOGUE, *ALIASES, *PARTS]


def describe(name: str, entry: Entry) -> str:
    """Size, licence and source, as shown before anything is downloaded."""
    size = readable(entry.size)
    if entry.size is None:
        size = f"about {readable(entry.about)}" if entry.about else "unknown until the hub is asked, and shown then"
    source = (
        f"hub data set {entry.hub}" if entry.hub else ", ".join(dict.fromkeys(f.url.split("/")[2] for f in entry.files))
    )
    return f"{name}: {entry.title}\n  size: {size}\n  licence: {entry.licence}\n  source: {source}; {entry.page}"


def readable(size: int | None) -> str:
    """Bytes for people."""
    if size is None:
        return "unknown"
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    raise AssertionError
