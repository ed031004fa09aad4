"""One type for every collection: texts, queries, judgements, splits, licence, fingerprint.

Taught in 03.
"""

import hashlib
import json
import random
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Collection:
    """A retrieval collection.

    Attributes:
        name: what it is called.
        corpus: passage id -> text.
        queries: query id -> text.
        qrels: query id -> passage id -> grade; 0 means judged and not relevant.
        splits: split name -> query ids.
        licence: under which the texts may be used.
        fingerprint: versions and SHA-256: two collections with equal fingerprints are equal.

    Taught in 03.
    """

    name: str
    corpus: dict[str, str] = field(repr=False)
    queries: dict[str, str] = field(repr=False)
    qrels: dict[str, dict[str, int]] = field(repr=False)
    splits: dict[str, tuple[str, ...]] = field(repr=False)
    licence: str = "unknown"
    fingerprint: str = ""

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(queries):,}" for name, queries in self.splits.items())
        return f"{self.name}: {len(self.corpus):,} passages, {len(self.queries):,} queries ({sizes}); {self.licence}"

    def pairs(self, split: str = "train") -> list[tuple[str, str]]:
        """The (query, positive passage) texts of a split, one for each judgement above 0.

        Raises:
            KeyError: there is no such split.

        Taught in 04.
        """
        return [
            (self.queries[query_id], self.corpus[passage_id])
            for query_id in self._split_ids(split)
            for passage_id, grade in self.qrels.get(query_id, {}).items()
            if grade > 0
        ]

    def split(self, name: str) -> "Collection":
        """The whole corpus, with the queries and judgements of one split only. Taught in 03.

        Raises:
            KeyError: there is no such split.
        """
        return self._only(self._split_ids(name), name)

    def sample(self, num_queries: int, seed: int = 0) -> "Collection":
        """The whole corpus with a random choice of queries, in their order; all, if there are no more. Taught in 03.

        Raises:
            ValueError: num_queries is not positive.
        """
        if num_queries < 1:
            raise ValueError(f"num_queries must be at least 1, got {num_queries}")
        ids = list(self.queries)
        chosen = set(random.Random(seed).sample(ids, min(num_queries, len(ids))))
        return self._only(tuple(query_id for query_id in ids if query_id in chosen), "sample")

    def _split_ids(self, name: str) -> tuple[str, ...]:
        if name not in self.splits:
            raise KeyError(f"{self.name} has no split {name!r}; it has {', '.join(self.splits)}")
        return self.splits[name]

    def _only(self, query_ids: tuple[str, ...], split: str) -> "Collection":
        return replace(
            self,
            queries={query_id: self.queries[query_id] for query_id in query_ids},
            qrels={query_id: self.qrels[query_id] for query_id in query_ids if query_id in self.qrels},
            splits={split: query_ids},
        )


def sha256(*parts: object) -> str:
    """The SHA-256 of JSON-like parts, whatever the order in which dictionaries were filled. Taught in 03."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
