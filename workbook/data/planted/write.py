"""A planted corpus as files, in the two layouts that other tools read. Passages are written as they are made.

Taught in 09 and 20.
"""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from workbook.data.planted.corpus import LICENCE, SPLITS, Planted
from workbook.data.planted.labels import labels
from workbook.data.stored.qrels import write_qrels
from workbook.support.files import whole_file, write_json

BUFFER = 1 << 20  # bytes


def write_msmarco(corpus: Planted, folder: str | Path) -> Path:
    """Write a corpus in MS MARCO's layout.

    collection.tsv holds "id TAB passage", queries.SPLIT.tsv "id TAB query", qrels.SPLIT.tsv
    "query id TAB 0 TAB passage id TAB grade", as TREC has it; there are no headers.

    Args:
        corpus: what to write.
        folder: made if need be. Each file in it is whole or not there.
    Returns:
        the folder.
    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    _stream(folder / "collection.tsv", (f"{id}\t{text}\n" for id, text in corpus.passages()))
    for split, (queries, judged) in _lines(corpus).items():
        _stream(folder / f"queries.{split}.tsv", (f"{id}\t{text}\n" for id, text in queries))
        grades = ((query, *one) for query, found in judged.items() for one in found.items())
        _stream(folder / f"qrels.{split}.tsv", (f"{query}\t0\t{id}\t{grade}\n" for query, id, grade in grades))
    return folder


def write_beir(corpus: Planted, folder: str | Path) -> Path:
    """Write a corpus in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv, meta.json.

    Args:
        corpus: what to write.
        folder: made if need be. Each file in it is whole or not there.
    Returns:
        the folder, which `workbook.data.load` reads.
    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    lines = _lines(corpus)
    every = chain.from_iterable(queries for queries, _ in lines.values())
    for name, texts in (("corpus.jsonl", corpus.passages()), ("queries.jsonl", every)):
        _stream(folder / name, (json.dumps({"_id": id, "text": text}, ensure_ascii=False) + "\n" for id, text in texts))
    for split, (_, judged) in lines.items():
        write_qrels(folder / "qrels" / f"{split}.tsv", judged)
    write_json(folder / "meta.json", {"name": "planted", "licence": LICENCE, "fingerprint": corpus.fingerprint})
    return folder


def _lines(corpus: Planted) -> dict[str, tuple[list[tuple[str, str]], dict[str, dict[str, int]]]]:
    """For each split its queries and its judgements, made in one pass."""
    lines: dict[str, tuple[list[tuple[str, str]], dict[str, dict[str, int]]]] = {split: ([], {}) for split in SPLITS}
    for query in corpus.every_query():
        queries, judged = lines[query.split]
        queries.append((query.id, query.text))
        judged[query.id] = labels(corpus.settings, query)
    return lines


def _stream(path: Path, lines: Iterable[str]) -> None:
    """Write lines as they come; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.tmp"):  # by a run that was killed
        left.unlink(missing_ok=True)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="", buffering=BUFFER) as file:
        file.writelines(lines)
