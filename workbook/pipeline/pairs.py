"""Pairs: what a training learns from, as texts, from the judgements of a split or from mined negatives."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workbook.pipeline.data_stage import read_qrels, read_texts, training_corpus, with_splits
from workbook.pipeline.manifests import check, finished


def read_pairs(
    work: str | Path, split: str, most: int, seed: int, negatives: str | Path | None = None
) -> list[tuple[str, ...]]:
    """(query, positive, negative, …) texts of a split, at most so many, drawn at random.

    Of the corpus only these passages are read.
    """
    queries, corpus = read_texts(work, "queries"), training_corpus(work)
    found: Sequence[tuple[str, ...]] = (
        list(_read_negatives(Path(negatives)))
        if negatives
        else [
            (query_id, passage_id)
            for query_id, judged in read_qrels(work, split).items()
            for passage_id, grade in judged.items()
            if grade > 0
        ]
    )
    chosen = sorted(random.Random(seed).sample(range(len(found)), min(most, len(found))))
    return [(queries[query_id], *(corpus[id] for id in ids)) for query_id, *ids in (found[row] for row in chosen)]


def refuse_without_pairs(work: str | Path, split: str) -> None:
    """Make sure that a split has something to learn from.

    Raises:
        KeyError: there is no such split.
        ValueError: it has no judgement above 0.
    """
    with_splits(work, split)
    if not any(grade > 0 for judged in read_qrels(work, split).values() for grade in judged.values()):
        raise ValueError(f"the split {split!r} of {work} has no judgement above 0 to learn from; choose another one")


def read_mined(folder: Path, data: str, split: str) -> dict[str, Any]:
    """The manifest of mined negatives, once it is sure that they fit.

    Args:
        folder: such as WORK/negatives/train.
        data: the fingerprint of the data that they must have been mined from.
        split: which they must have been mined for.
    Raises:
        FileNotFoundError: mine has not finished there.
        ValueError: they are of other data or of another split, or there are none.
    """
    if folder.resolve().parent.name != "negatives":
        raise FileNotFoundError(f"expected a folder that mine has made, such as WORK/negatives/train, got {folder}")
    manifest = finished(folder.parent.parent, f"negatives/{folder.name}", "mine")
    if manifest["inputs"]["data"] != data:
        raise ValueError(f"{folder} was mined from other data; mine from these, or take the work folder it belongs to")
    if manifest["settings"]["split"] != split:
        raise ValueError(f"{folder} was mined for the split {manifest['settings']['split']!r}, got {split!r}")
    if not manifest["counts"].get("queries kept"):
        raise ValueError(f"{folder} holds no negatives: {manifest['counts']}; mine again with looser filters")
    return manifest


def _read_negatives(folder: Path) -> Iterator[tuple[str, ...]]:
    work = folder.parent.parent
    manifest = finished(work, f"negatives/{folder.name}", "mine")
    for name in (file["file"] for file in manifest["files"] if file["file"].endswith(".tsv")):
        with check(work, manifest, name, "mine").open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield tuple(line.rstrip("\n").split("\t"))
