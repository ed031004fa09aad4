"""An index that knows its model, and the way from one model to the next without downtime.

    1. a new store stands beside the old one, empty
    2. every new text goes into both (dual write), while `fill` brings in those that were there before
    3. when nothing is missing, reads change over (cut-over); until then the old model answers

A query of one model against the vectors of another gives scores that look like scores, and finds nothing. So an index
carries the fingerprint of its model, and refuses others.

Taught in 21.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from workbook.encoder import TextEncoder
from workbook.encoder.text_encoder import SAVED
from workbook.pooling import names_of_pooling
from workbook.support.types import Corpus, VectorIndex


class OtherModel(ValueError):
    """Vectors of another model than the index was made with."""


def fingerprint(encoder: TextEncoder) -> str:
    """The first 16 digits of the SHA-256 of what makes a vector: tokenizer, settings, pooling, weights.

    Raises:
        ValueError: the encoder holds no weights, such as one that was exported; take the name of its file.
    """
    weights = encoder.state_dict()
    if not weights:
        raise ValueError("this encoder holds no weights to look at; give a name of your own, such as that of its file")
    settings = {name: getattr(encoder, name) for name in SAVED}
    digest = hashlib.sha256(encoder.tokenizer.to_str().encode())
    pooling = names_of_pooling(encoder.pooling) or [
        getattr(encoder.pooling, "__qualname__", type(encoder.pooling).__name__)
    ]
    digest.update(json.dumps([settings, pooling], sort_keys=True).encode())
    for name in sorted(weights):
        numbers = weights[name].detach().cpu().float().contiguous().numpy()
        digest.update(f"{name} {weights[name].dtype} {numbers.shape}".encode())
        digest.update(numbers.tobytes())
    return digest.hexdigest()[:16]


class FingerprintedIndex:
    """An index together with the fingerprint of the model whose vectors it holds.

    Args:
        index: any index.
        fingerprint: of the model.
    """

    def __init__(self, index: VectorIndex, fingerprint: str):
        self.index, self.fingerprint = index, fingerprint

    def add(self, x: np.ndarray, fingerprint: str) -> None:
        """Take N more vectors, (N, D).

        Raises:
            OtherModel: they are of another model.
        """
        self._check(fingerprint)
        self.index.add(x)

    def search(self, q: np.ndarray, k: int, fingerprint: str) -> tuple[np.ndarray, np.ndarray]:
        """(Q, D) -> scores (Q, K) and row numbers (Q, K).

        Raises:
            OtherModel: the queries are of another model.
        """
        self._check(fingerprint)
        return self.index.search(q, k)

    def _check(self, fingerprint: str) -> None:
        if fingerprint != self.fingerprint:
            raise OtherModel(
                f"this index holds vectors of model {self.fingerprint}, these are of {fingerprint}: nothing "
                "says that they can be compared; encode the texts anew, or ask the model of the index"
            )


class Store:
    """Texts under one model: what is added is encoded and indexed, what is asked is encoded and searched.

    Args:
        encoder: the model.
        index: empty.
    """

    def __init__(self, encoder: TextEncoder, index: VectorIndex):
        self.encoder, self.fingerprint = encoder, fingerprint(encoder)
        self.index = FingerprintedIndex(index, self.fingerprint)
        self.ids: list[str] = []  # of the rows

    def add(self, corpus: Corpus) -> None:
        """Take texts in that are not there yet; the others stay as they are."""
        known = set(self.ids)
        new = {id: text for id, text in corpus.items() if id not in known}
        if new:
            self.index.add(self.encoder.encode_document(list(new.values())), self.fingerprint)
            self.ids += list(new)

    def search(self, queries: Sequence[str], k: int) -> list[list[str]]:
        """The ids of the k nearest texts of each query, best first."""
        _, rows = self.index.search(self.encoder.encode_query(queries), k, self.fingerprint)
        return [[self.ids[row] for row in found if row >= 0] for found in rows.tolist()]


class Migration:
    """Two stores while one model takes the other's place.

    Args:
        old: answers until the cut-over.
        new: empty, or partly filled.
    """

    def __init__(self, old: Store, new: Store):
        self.old, self.new = old, new
        self.serving = old

    def add(self, corpus: Corpus) -> None:
        """Write into both, so that neither misses what comes meanwhile."""
        self.old.add(corpus)
        self.new.add(corpus)

    def missing(self) -> list[str]:
        """The ids that the old store has and the new one lacks."""
        there = set(self.new.ids)
        return [id for id in self.old.ids if id not in there]

    def fill(self, corpus: Mapping[str, str], most: int = 256) -> int:
        """Bring in at most so many of the missing texts, and say how many are left."""
        missing = self.missing()
        self.new.add({id: corpus[id] for id in islice(missing, most)})
        return max(len(missing) - most, 0)

    def cut_over(self) -> None:
        """Let the new model answer from now on. The old store is kept: the way back is the same line.

        Raises:
            ValueError: texts are missing yet.
        """
        if missing := self.missing():
            raise ValueError(
                f"{len(missing)} texts are missing in the new index, such as {missing[0]!r}; fill it first"
            )
        self.serving = self.new

    def search(self, queries: Sequence[str], k: int) -> list[list[str]]:
        """Ask the store that is serving."""
        return self.serving.search(queries, k)
