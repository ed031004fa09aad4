"""What a model has seen: short hashes of its training texts, so that nobody tests it on them unknowingly.

Taught in 19.
"""

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from workbook.data.collection import Collection


def hashes(texts: Iterable[str]) -> np.ndarray:
    """64 bits for each different text, sorted; blanks and upper case make no difference.

    Args:
        texts: any number.
    Returns:
        (N,) uint64. Of a million texts and a million hashes one meets by chance once in 20 million runs.
    """
    return np.unique(np.fromiter((_hash(text) for text in texts), dtype=np.uint64))


def without_seen(collection: Collection, seen: np.ndarray, model: str) -> Collection:
    """The collection without the queries that a model was trained on, or whose right passage it was.

    Training queries stay: only what is measured has to be new. A warning says how many are dropped.

    Args:
        collection: any; its splits keep their names.
        seen: of the model's training texts, as `hashes` gives them.
        model: its name, for the warning.
    Returns:
        the same corpus with fewer queries; the collection itself where none was seen.
    """
    measured = {query for split, ids in collection.splits.items() if split != "train" for query in ids}
    dropped = set()
    for query in measured:
        right = (p for p, grade in collection.qrels.get(query, {}).items() if grade > 0 and p in collection.corpus)
        texts = [collection.queries[query], *(collection.corpus[passage] for passage in right)]
        if np.isin(hashes(texts), seen, assume_unique=True).any():
            dropped.add(query)
    if not dropped:
        return collection
    warnings.warn(
        f"{collection.name}: {len(dropped):,} of {len(measured):,} queries outside the training split are dropped, "
        f"because {model} was trained on them or on their passages",
        stacklevel=2,
    )
    return replace(
        collection,
        queries={query: text for query, text in collection.queries.items() if query not in dropped},
        qrels={query: judged for query, judged in collection.qrels.items() if query not in dropped},
        splits={split: tuple(q for q in ids if q not in dropped) for split, ids in collection.splits.items()},
    )


def without_read(collection: Collection, seen: np.ndarray) -> Collection:
    """The collection without passages that a model was trained on, but for those that are right for one of its queries.

    A model that has learned that a passage belongs to another query ranks it low: an advantage over models that have not.

    Args:
        collection: one split of a collection, after `without_seen`.
        seen: of the model's training texts, as `hashes` gives them.
    Returns:
        the same queries and judgements with fewer passages.
    """
    right = {p for judged in collection.qrels.values() for p, grade in judged.items() if grade > 0}
    read = np.isin(np.array([_hash(text) for text in collection.corpus.values()], dtype=np.uint64), seen)
    kept = {
        p: text for (p, text), known in zip(collection.corpus.items(), read, strict=True) if p in right or not known
    }
    return replace(collection, corpus=kept)


def _hash(text: str) -> int:
    plain = " ".join(text.lower().split())
    return int.from_bytes(hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=8).digest(), "little")
