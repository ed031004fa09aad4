"""Validation: the queries that a training is measured on while it runs, so that it ends at its best and not at its last.

They are those of the split "dev" where there is one. Otherwise some are held out of the pairs: the queries whose
passage's text has the smallest hashes, so the same texts are held out whatever is added, and all queries of one
passage together. A pair that is a near-duplicate of one of theirs, on either side, is not trained on.

Letters: Q queries, N passages, P pairs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.encoder import StaticEncoder, TextEncoder
from workbook.metrics import evaluate
from workbook.mining.candidates import text_key
from workbook.pipeline.data_stage import read_qrels, read_texts, searched_corpus, with_splits
from workbook.similarity import dense_search
from workbook.support.types import Qrels, Run
from workbook.train import rank, world_size
from workbook.training_data.near_duplicates import jaccard, shingles

DEV = ("dev", "validation", "valid")
QUERIES = 500  # at most
PASSAGES, SLOW_PASSAGES = 5_000, 1_000  # beside the relevant ones; the second number with a transformer
ALIKE = 0.8  # J of two texts of which one would give the other away
METRIC = "ndcg@10"


@dataclass(frozen=True)
class Validation:
    """What a training is measured on.

    Attributes:
        source: where the queries are from, in words.
        held_out: the ids of those that are held out of the training split; none where dev is a split of its own.
        queries, corpus, qrels: a collection in memory.
        passages: N of the whole corpus.
    """

    source: str
    held_out: frozenset[str]
    queries: Mapping[str, str]
    corpus: Mapping[str, str]
    qrels: Qrels
    passages: int

    def measure(self, encoder: TextEncoder) -> dict[str, float]:
        """The score of an encoder, as `workbook.train.Looks` asks for it. Under torchrun the first process measures."""
        score = torch.zeros(1, dtype=torch.float64)
        if rank() == 0:
            with suppress(ValueError):  # NaN: this look is worth nothing, and the next step says what is wrong
                score[0] = self._score(dense_search(encoder, self.corpus, self.queries, k=10))
        if world_size() > 1:
            torch.distributed.broadcast(score, 0)
        return {"domain": score.item(), "general": score.item()}

    def bm25(self) -> float:
        """The score of BM25 on the same queries and passages."""
        return self._score(BM25().index(self.corpus).search(self.queries, k=10))

    def alike(self) -> Callable[[Iterable[str]], bool]:
        """A function that tells whether one of some texts is a near-duplicate of what is held out."""
        relevant = [self.corpus[id] for judged in self.qrels.values() for id in judged]
        texts = [*self.queries.values(), *relevant] if self.held_out else []
        sets = [shingles(text) for text in texts]
        holders = defaultdict(list)  # shingle -> numbers of the texts that hold it
        for number, one in enumerate(sets):
            for shingle in one:
                holders[shingle].append(number)

        def is_alike(texts: Iterable[str]) -> bool:
            for own in map(shingles, texts):
                met = {number for shingle in own & holders.keys() for number in holders[shingle]}
                if any(jaccard(own, sets[number]) >= ALIKE for number in met):
                    return True
            return False

        return is_alike

    def _score(self, run: Run) -> float:
        return float(evaluate(self.qrels, run, [METRIC])[METRIC])


def choose_validation(work: Path, split: str, encoder: TextEncoder) -> Validation | None:
    """What a training on a split is measured on.

    Args:
        work: the work folder.
        split: that is trained on; its own pairs are held out where no other one is for development.
        encoder: that is trained; a transformer is measured on fewer passages.
    Returns:
        up to 500 queries with their relevant passages among others; None where the split has fewer than two queries
        with a passage that the corpus holds.
    """
    splits, corpus = with_splits(work)["splits"], read_texts(work, "corpus")
    dev = next((name for name in DEV if name != split and splits.get(name, {}).get("queries")), split)
    judged = {
        query_id: relevant
        for query_id, grades in read_qrels(work, dev).items()
        if (relevant := {id: grade for id, grade in grades.items() if grade > 0 and id in corpus})
    }
    wanted = QUERIES if dev != split else held_out_size(len(judged))
    if not judged or not wanted:
        return None
    order = _order(corpus, judged)
    # Queries of one passage have one hash, and stay together.
    last = sorted(order.values())[min(wanted, len(order)) - 1]
    chosen = {query_id: judged[query_id] for query_id, place in order.items() if place <= last}
    needed = np.array([corpus.row(id) for relevant in chosen.values() for id in relevant])
    most = PASSAGES if isinstance(encoder.backbone, StaticEncoder) else SLOW_PASSAGES
    others = np.linspace(0, len(corpus) - 1, min(most, len(corpus))).astype(np.int64)  # evenly spaced
    rows = np.union1d(needed, others)
    texts = searched_corpus(work, dev).texts_at(rows)
    queries, stored = read_texts(work, "queries"), dict(zip(corpus.ids_at(rows), texts, strict=True))
    return Validation(
        f"queries of {dev}" if dev != split else f"queries held out of {split}",
        frozenset(chosen if dev == split else ()),
        {query_id: queries[query_id] for query_id in chosen},
        stored,
        chosen,
        len(corpus),
    )


def held_out_size(Q: int) -> int:
    """How many of Q queries are held out: a tenth, but where that is below 100, up to a quarter."""
    return min(QUERIES, max(Q // 10, min(100, Q // 4)))


def _order(corpus: Any, judged: Qrels) -> dict[str, bytes]:
    """A hash for each query, by the text of its passage; of several passages, by the one with the smallest key."""
    ids = sorted({id for relevant in judged.values() for id in relevant}, key=corpus.row)
    key: dict[str, bytes] = {}
    for start in range(0, len(ids), 10_000):
        some = ids[start : start + 10_000]
        key |= zip(some, map(text_key, corpus.texts_at([corpus.row(id) for id in some])), strict=True)
    return {query: blake2b(min(key[id] for id in found)).digest() for query, found in judged.items()}


def reached(validation: Validation, curve: list[dict[str, float]], best: int) -> dict[str, Any]:
    """What a training has come to, for the manifest.

    Args:
        validation: what it was measured on.
        curve: the looks, as `workbook.train.Looks` keeps them.
        best: the step whose weights were kept.
    """
    looks = {int(look["step"]): look["domain"] for look in curve}
    bm25 = validation.bm25()
    corpus = f"{len(validation.corpus):,} of {validation.passages:,} passages"
    beaten = "beaten" if looks[best] > bm25 else "not beaten; start from a trained encoder, or fuse the two"
    sentence = (
        f"nDCG@10 {looks[best]:.3f} after step {best} of {max(looks)}, before the first step {looks[0]:.3f}; BM25 "
        f"{bm25:.3f}, {beaten}. On {len(validation.queries):,} {validation.source}, {corpus}"
    )
    facts = {
        "queries": len(validation.queries), "source": validation.source, "passages": len(validation.corpus),
        "bm25": bm25, "best_step": best, "looks": [{"step": step, METRIC: score} for step, score in looks.items()],
    }  # fmt: skip
    return {"reached": sentence, "validation": facts}
