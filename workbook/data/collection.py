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

        Taught in 03.
        """
        if num_queries < 1 or (num_passages is not None and num_passages < 1):
            raise ValueError(f"expected at least 1 query and 1 passage, got {num_queries} and {num_passages}")
        rng = random.Random(seed)
        chosen = set(rng.sample(list(self.queries), min(num_queries, len(self.queries))))
        few = self._only(tuple(query_id for query_id in self.queries if query_id in chosen), "sample")
        if num_passages is None:
            return few
        kept = {passage_id for judged in few.qrels.values() for passage_id in judged}
        others = [passage_id for passage_id in self.corpus if passage_id not in kept]
        kept.update(rng.sample(others, min(max(0, num_passages - len(kept)), len(others))))
        return replace(few, corpus={passage_id: text for passage_id, text in self.corpus.items() if passage_id in kept})

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
