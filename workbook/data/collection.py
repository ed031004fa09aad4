"""One type for every collection: texts, queries, judgements, splits, licence, fingerprint.

Taught in 03.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from workbook.data.problems import Problems

NO_JUDGEMENTS = "a collection without judgements cannot be measured on"
TEXTS_ALONE = (
    "texts alone: they can be searched, and make training pairs out of their own structure "
    "(title_body and first_sentence_rest of workbook.training_data); to measure takes queries and judgements"
)


@dataclass(frozen=True)
class Collection:
    """A retrieval collection.

    Texts may be dictionaries, or mappings that read from the disk (`workbook.data.stored.storage.StoredTexts`):
    no method reads more of them than it returns.

    Attributes:
        name: what it is called.
        corpus: passage id -> text.
        queries: query id -> text.
        qrels: query id -> passage id -> grade; 0 means judged and not relevant.
        splits: split name -> query ids.
        licence: under which the texts may be used.
        fingerprint: versions and SHA-256: two collections with equal fingerprints are equal.
        problems: what was dropped while reading; print it. False when there was nothing.
    """

    name: str
    corpus: Mapping[str, str] = field(repr=False)
    queries: Mapping[str, str] = field(repr=False)
    qrels: dict[str, dict[str, int]] = field(repr=False)
    splits: dict[str, tuple[str, ...]] = field(repr=False)
    licence: str = "unknown"
    fingerprint: str = ""
    problems: Problems = field(default_factory=Problems, repr=False, compare=False)

    def __repr__(self) -> str:
        if not self.queries:
            return f"{self.name}: {len(self.corpus):,} passages, {TEXTS_ALONE}; {self.licence}"
        sizes = ", ".join(f"{name} {len(queries):,}" for name, queries in self.splits.items()) or "none judged"
        return f"{self.name}: {len(self.corpus):,} passages, {len(self.queries):,} queries ({sizes}); {self.licence}"

    @property
    def unjudged_queries(self) -> dict[str, tuple[str, ...]]:
        """Split -> its queries without a relevant passage, for splits that have some: a mean counts each as 0."""
        return without_relevant(self.splits, self.qrels)

    def pairs(self, split: str = "train") -> list[tuple[str, str]]:
        """The (query, positive passage) texts of a split, one for each judgement above 0.

        Raises:
            KeyError: there is no such split.
        """
        return [
            (self.queries[query_id], self.corpus[passage_id])
            for query_id in self._split_ids(split)
            for passage_id, grade in self.qrels.get(query_id, {}).items()
            if grade > 0
        ]

    def split(self, name: str) -> "Collection":
        """The whole corpus, with the queries and judgements of one split only.

        Raises:
            KeyError: there is no such split.
        """
        return self._only(self._split_ids(name), name)

    def sample(self, num_queries: int, num_passages: int | None = None, seed: int = 0) -> "Collection":
        """A random choice of queries, and of passages to search for them.

        A choice of passages holds every passage that is judged for a chosen query. Fewer passages make
        an easier search: numbers of two choices can only be compared when both have the same size.

        Args:
            num_queries: how many queries; all, if there are no more.
            num_passages: how many passages, at least; None keeps the whole corpus.
            seed: the same seed gives the same choice. Both keep the order they have here.
        Raises:
            ValueError: a number is not positive.
        """
        if num_queries < 1 or (num_passages is not None and num_passages < 1):
            raise ValueError(f"expected at least 1 query and 1 passage, got {num_queries} and {num_passages}")
        rng = random.Random(seed)
        # Places are drawn, not ids: a list of 8.8 million ids would fill the memory that the texts are kept out of.
        chosen = set(rng.sample(range(len(self.queries)), min(num_queries, len(self.queries))))
        few = self._only(tuple(query_id for place, query_id in enumerate(self.queries) if place in chosen), "sample")
        if num_passages is None:
            return few
        judged = {passage_id for judgements in few.qrels.values() for passage_id in judgements}
        num_others = len(self.corpus) - sum(passage_id in self.corpus for passage_id in judged)
        drawn = set(rng.sample(range(num_others), min(max(0, num_passages - len(judged)), num_others)))
        place = count()  # among the others
        kept = (passage_id for passage_id in self.corpus if passage_id in judged or next(place) in drawn)
        return replace(few, corpus={passage_id: self.corpus[passage_id] for passage_id in kept})

    def _split_ids(self, name: str) -> tuple[str, ...]:
        if name not in self.splits:
            has = ", ".join(self.splits) or (
                f"{len(self.queries):,} queries, none judged" if self.queries else TEXTS_ALONE
            )
            raise KeyError(f"{self.name} has no split {name!r}; it has {has}")
        return self.splits[name]

    def _only(self, query_ids: tuple[str, ...], split: str) -> "Collection":
        return replace(
            self,
            queries={query_id: self.queries[query_id] for query_id in query_ids},
            qrels={query_id: self.qrels[query_id] for query_id in query_ids if query_id in self.qrels},
            splits={split: query_ids},
        )


def without_relevant(
    splits: Mapping[str, Iterable[str]], qrels: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[str, ...]]:
    """Split -> its queries for which no passage has a grade above 0; splits without such queries are left out."""
    found = {
        split: tuple(id for id in ids if not any(grade > 0 for grade in qrels.get(id, {}).values()))
        for split, ids in splits.items()
    }
    return {split: ids for split, ids in found.items() if ids}


def sha256(*parts: object) -> str:
    """The SHA-256 of JSON-like parts, whatever the order in which dictionaries were filled."""
    encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256()
    for piece in encoder.iterencode(parts):  # piece by piece: as one string, a corpus would be in memory twice
        digest.update(piece.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def fingerprint(
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: dict[str, dict[str, int]],
    splits: dict[str, tuple[str, ...]],
) -> str:
    """The SHA-256 of a collection's contents.

    Dictionaries give `sha256` of all four, whatever order they were filled in. Texts on the disk have a
    fingerprint of their own, made when they were written, and are not read again; theirs depends on the order.
    """
    texts = [getattr(texts, "fingerprint", texts) for texts in (corpus, queries)]
    return sha256(*texts, qrels, {split: list(ids) for split, ids in splits.items()})
