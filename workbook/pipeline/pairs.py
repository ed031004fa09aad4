"""Pairs: what a training learns from, as texts, from the judgements of a split or from mined negatives."""

import random
from collections.abc import Collection
from pathlib import Path
from typing import Any

from workbook.data.stored.storage import StoredTexts
from workbook.pipeline.data_stage import read_qrels, read_texts, training_corpus, with_splits
from workbook.pipeline.manifests import check, finished
from workbook.pipeline.validation import Validation

Ids = tuple[str, ...]  # of a query, its positive, and its negatives


def count_pairs(work: str | Path, split: str) -> int:
    """How many pairs a split has.

    Raises:
        KeyError: there is no such split.
        ValueError: it has no query.
    """
    with_splits(work, split)
    return len(_judged_pairs(work, split, ()))


def read_pairs(
    work: str | Path,
    split: str,
    most: int,
    seed: int,
    negatives: str | Path | None = None,
    validation: Validation | None = None,
) -> list[tuple[str, ...]]:
    """(query, positive, negative, …) texts of a split, at most so many, drawn at random.

    Mined negatives are mixed with the old pairs: every pair comes once with as many passages at random for its
    negatives, and where some were mined for it, once more with those. So no more than half of the tuples are mined,
    and a query for which nothing was mined is not forgotten.

    Of the corpus only these passages are read.

    Args:
        work: the work folder.
        split: whose judgements are the pairs.
        most: how many tuples.
        seed: draws them, and the passages at random.
        negatives: a folder that `mine` has finished.
        validation: what is held out. Its queries are left out, and so is a tuple whose query or positive is a
            near-duplicate of one of its texts.
    Raises:
        ValueError: nothing is left.
    """
    queries, corpus, rng = read_texts(work, "queries"), training_corpus(work), random.Random(seed)
    found: list[Ids] = _judged_pairs(work, split, validation.held_out if validation else ())
    mined = _read_negatives(Path(negatives), validation.held_out if validation else ()) if negatives else []
    rows = rng.sample(range(len(found) + len(mined)), min(most, len(found) + len(mined)))
    found += mined
    chosen = [found[row] for row in sorted(rows)]
    if mined:
        judged, M = read_qrels(work, split), len(mined[0]) - 2
        chosen = [ids if len(ids) > 2 else (*ids, *_others(corpus, judged[ids[0]], M, rng)) for ids in chosen]
    tuples = [(queries[query_id], *(corpus[id] for id in ids)) for query_id, *ids in chosen]
    if validation is not None and validation.held_out:
        is_alike = validation.alike()
        tuples = [texts for texts in tuples if not is_alike(texts[:2])]
    if not tuples:
        raise ValueError(
            f"every pair of the split {split!r} is a near-duplicate of those held out; train without validation"
        )
    return tuples


def _judged_pairs(work: str | Path, split: str, held_out: Collection[str]) -> list[Ids]:
    return [
        (query_id, passage_id)
        for query_id, judged in read_qrels(work, split).items()
        if query_id not in held_out
        for passage_id, grade in judged.items()
        if grade > 0
    ]


def _others(corpus: StoredTexts, judged: Collection[str], M: int, rng: random.Random) -> list[str]:
    """M passages at random that nobody has judged for the query; repeated where the corpus has no more."""
    rows = rng.sample(range(len(corpus)), min(M + len(judged), len(corpus)))
    free = [id for id in corpus.ids_at(rows) if id not in judged] or list(judged)
    return (free * M)[:M]


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


def _read_negatives(folder: Path, held_out: Collection[str]) -> list[Ids]:
    work, found = folder.parent.parent, []
    manifest = finished(work, f"negatives/{folder.name}", "mine")
    for name in (file["file"] for file in manifest["files"] if file["file"].endswith(".tsv")):
        with check(work, manifest, name, "mine").open(encoding="utf-8", newline="\n") as lines:
            tuples = (tuple(line.rstrip("\n").split("\t")) for line in lines)
            found += [ids for ids in tuples if ids[0] not in held_out]
    return found
