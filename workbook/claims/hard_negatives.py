"""The experiment behind claims 19 to 22, 67 and 68: one encoder, many ways of choosing the wrong answers it learns from.

All arms of a seed start from the same weights: `ENCODER`, after some steps on pairs alone. Negatives come from a corpus
without the answers to dev and test queries. In `planted` the truth about every pair is known; its training labels are told
to name one answer for each query, as labels of large collections do. So it is counted how many negatives are right answers
that nobody has marked. Dev queries choose, test queries decide.

    python -m workbook.claims.hard_negatives        SmolLM2 writes the negatives of claim 21, once; about five minutes
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbook.base import load_cross_encoder
from workbook.bm25 import BM25
from workbook.claims import measuring
from workbook.claims.kept import kept
from workbook.claims.measuring import TUNING_SEED, per_query
from workbook.data import Collection, load
from workbook.data.planted import planted
from workbook.encoder import TextEncoder
from workbook.encoder import load as load_encoder
from workbook.encoder.shipped import FOLDER
from workbook.llm import LocalModel, Recorded
from workbook.mining import Mined, candidates, mine_hard_negatives, score_with_cross_encoder, training_tuples
from workbook.mining.candidates import Source
from workbook.support.types import Corpus, Qrels, Queries, Reranker, Run
from workbook.train.loop import History
from workbook.training_data import generate_negatives
from workbook.zoo import files_of_wheel

ENCODER = "base/start"  # all arms start from it
WRITTEN = Path(__file__).parents[2] / "datasets/smollm2/negatives.jsonl"
WRITER, WRITTEN_QUERIES, MAX_TOKENS = "SmolLM2-135M-Instruct", 96, 64  # of an answer: about as long as a passage
NONE, RANDOM, KEYWORDS, OWN = "pairs alone", "random", "BM25", "own"
CLEAN, CROSS_ENCODER, LANGUAGE_MODEL = "own, no right answers", "cross-encoder", "written"
MARGIN = 0.05  # of a filter: so much below the positive, as a share of its score
READ = 20  # candidates of a query that a cross-encoder reads


class Size(NamedTuple):
    """How much is trained and searched."""

    warm_steps: int  # on pairs alone, before an arm begins
    steps: int
    batch_size: int
    lrs: tuple[float, ...]
    max_length: int
    queries: int
    passages: int
    searched: tuple[int, int]  # dev or test queries, and the passages among which they search


SIZES = {
    "notebook": Size(2, 2, 8, (1e-4,), 24, 24, 120, (20, 60)),
    "record": Size(12, 60, 32, (3e-4, 6e-4), 64, 1_200, 6_000, (400, 1_000)),
}


class World(NamedTuple):
    """What is mined and trained on, what is searched afterwards, and the whole truth where it is known."""

    train: Collection
    dev: Collection
    test: Collection
    truth: Qrels | None


@cache
def world(collection: str, budget: str) -> World:
    """Train queries with the passages around them; dev and test queries with theirs."""
    size, truth = SIZES[budget], None
    if collection == "planted":
        made = planted(size.passages, unlabelled=1.0, label_noise=0.0)
        docs, truth = made.collection(), made.qrels("train", complete=True)
    else:
        docs = load(collection)
    train = without_held_out(docs).sample(size.queries, size.passages)
    dev, test = (docs.split(split).sample(*size.searched) for split in ("dev", "test"))
    return World(train, dev, test, truth and {query: truth[query] for query in train.queries})


def without_held_out(docs: Collection) -> Collection:
    """The train queries, and a corpus in which no passage answers a dev or test query."""
    held = {p for split in ("dev", "test") for query in docs.splits[split] for p in docs.qrels.get(query, ())}
    return replace(docs.split("train"), corpus={p: text for p, text in docs.corpus.items() if p not in held})


# --- training --------------------------------------------------------------------------------


def new_encoder(budget: str) -> TextEncoder:
    """The encoder that all start from."""
    encoder = load_encoder(ENCODER)
    encoder.max_length = SIZES[budget].max_length
    return encoder


def train(
    encoder: TextEncoder,
    tuples: Sequence[tuple[str, ...]],
    steps: int,
    lr: float,
    seed: int,
    budget: str,
    **options: Any,
) -> History:
    """Steps of InfoNCE at temperature 0.05, in bfloat16 for a record."""
    return measuring.train(
        encoder, tuples, quick=budget == "record", steps=steps, batch_size=SIZES[budget].batch_size, lr=lr, seed=seed, **options
    )  # fmt: skip


@cache
def base_of(collection: str, seed: int, budget: str) -> TextEncoder:
    """The encoder after training on pairs alone, where all arms of a seed begin. It is not to be trained on."""
    encoder = new_encoder(budget)
    train(encoder, world(collection, budget).train.pairs("sample"), SIZES[budget].warm_steps, 1e-4, seed, budget)
    return encoder.eval()


def warmed(collection: str, seed: int, budget: str) -> TextEncoder:
    """A copy of `base_of`, to be trained on."""
    return copy.deepcopy(base_of(collection, seed, budget))


# --- where negatives come from ---------------------------------------------------------------


class Remembering:
    """An encoder that reads the same text once on each side."""

    def __init__(self, encoder: TextEncoder):
        self._read = {"query": encoder.encode_query, "document": encoder.encode_document}
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, D)."""
        return self._remembered("query", texts)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, D)."""
        return self._remembered("document", texts)

    def _remembered(self, side: str, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if (side, text) not in self._known]
        if new:
            self._known |= {(side, text): vector for text, vector in zip(new, self._read[side](new), strict=True)}
        return np.stack([self._known[side, text] for text in texts])


class Arm(NamedTuple):
    """A way of choosing negatives.

    Attributes:
        source: who ranks the candidates.
        num_negatives: M.
        range_min: ranks that are skipped.
        width: draw at random from so many ranks behind them; 0 takes the first ones.
        relative_margin: of a filter, or None.
        num_queries: train on so many queries only; 0 for all.
    """

    source: str
    num_negatives: int = 1
    range_min: int = 0
    width: int = 0
    relative_margin: float | None = None
    num_queries: int = 0


@cache
def _ranked(collection: str, source: str, seed: int, budget: str) -> Source:
    """Who ranks: the encoder itself, or a run."""
    train, _, _, truth = world(collection, budget)
    if source == OWN:
        return Remembering(base_of(collection, seed, budget))
    if source == KEYWORDS:
        return candidates(train.queries, train.corpus, train.qrels, BM25(), k=100).run()
    if source == RANDOM:
        rng, ids = random.Random(seed), list(train.corpus)
        return {query: dict.fromkeys(rng.sample(ids, min(40, len(ids))), 0.0) for query in train.queries}
    if source == CLEAN and truth is not None:
        own = _ranked(collection, OWN, seed, budget)
        found = candidates(train.queries, train.corpus, train.qrels, own, k=100).run()
        return {q: {p: s for p, s in ranked.items() if p not in truth[q]} for q, ranked in found.items()}
    raise ValueError(f"no source {source!r} for {collection!r}")


@cache
def mined(collection: str, arm: Arm, seed: int, budget: str) -> Mined:
    """The negatives of an arm. Queries with too few get random passages besides, so that all arms train on the same pairs."""
    train = world(collection, budget).train
    queries = dict(list(train.queries.items())[: arm.num_queries or None])
    if arm.source == LANGUAGE_MODEL:
        written = written_negatives(queries, train.corpus, train.qrels)
        others = mined(collection, arm._replace(source=RANDOM), seed, budget)  # where the model wrote nothing usable
        return replace(written, negatives={**others.negatives, **written.negatives}, positives=others.positives)
    if arm.source == CROSS_ENCODER:
        own = _ranked(collection, OWN, seed, budget)
        return read_negatives(queries, train, own, load_cross_encoder(), arm.num_negatives)
    return mine_hard_negatives(
        queries, train.corpus, train.qrels, _ranked(collection, arm.source, seed, budget), range_min=arm.range_min,
        range_max=arm.range_min + (arm.width or arm.num_negatives) if arm.relative_margin is None else None,
        relative_margin=arm.relative_margin, num_negatives=arm.num_negatives,
        sampling_strategy="random" if arm.width else "top", too_few="pad", seed=seed,
    )  # fmt: skip


def read_negatives(queries: Queries, train: Collection, own: Source, reader: Reranker, num_negatives: int) -> Mined:
    """What a cross-encoder scores highest among the encoder's first candidates, if it scores the positive higher."""
    found = candidates(queries, train.corpus, train.qrels, own, k=READ)
    read = score_with_cross_encoder(found, reader, queries, train.corpus)
    kept = read.scores < read.hardest_positive[:, None]
    return mine_hard_negatives(
        queries, train.corpus, train.qrels, read.run(kept), num_negatives=num_negatives, too_few="pad"
    )


def has_cross_encoder() -> bool:
    """Whether a cross-encoder is shipped."""
    return (FOLDER / "cross_encoder").exists()


def written_negatives(queries: Queries, corpus: Corpus, qrels: Qrels, model: Recorded | None = None) -> Mined:
    """What SmolLM2 has written for each query, replayed from `datasets/smollm2/negatives.jsonl`."""
    return generate_negatives(queries, corpus, qrels, model or Recorded(WRITTEN), num_negatives=1)


def write(budget: str = "record") -> Mined:
    """Ask SmolLM2 for the negatives of claim 21; those that are in the file already are not asked for again."""
    train = world("planted", budget).train
    queries = dict(list(train.queries.items())[:WRITTEN_QUERIES])
    model = LocalModel(files_of_wheel(WRITER)[0], max_tokens=MAX_TOKENS)
    return written_negatives(queries, train.corpus, train.qrels, Recorded(WRITTEN, model))


def false_share(mined: Mined, truth: Qrels) -> float:
    """The share of negatives that are right answers."""
    pairs = [(query, p) for query, found in mined.negatives.items() for p in found]
    return sum(truth[query].get(p, 0) > 0 for query, p in pairs) / max(1, len(pairs))


def false_by_rank(ranked: Run, truth: Qrels, first: int, last: int) -> float:
    """The share of right answers among the candidates from rank `first` to rank `last`, counted from 1."""
    pairs = [(query, p) for query, found in ranked.items() for p in list(found)[first - 1 : last]]
    return sum(truth[query].get(p, 0) > 0 for query, p in pairs) / max(1, len(pairs))


@kept
def trained(collection: str, arm: Arm, steps: int, lr: float, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query after training with an arm's negatives: (Q,). Of dev queries with TUNING_SEED, else of test queries."""
    at = world(collection, budget)
    encoder = warmed(collection, seed, budget)
    train(encoder, tuples_of(collection, arm, seed, budget), steps, lr, seed, budget)
    return per_query(encoder, at.dev if seed == TUNING_SEED else at.test)


def tuples_of(collection: str, arm: Arm, seed: int, budget: str) -> list[tuple[str, ...]]:
    """The rows that an arm trains on."""
    docs = world(collection, budget).train
    if arm.source != NONE:
        return training_tuples(mined(collection, arm, seed, budget), docs.queries, docs.corpus)
    queries = list(docs.queries)[: arm.num_queries or None]
    return [(docs.queries[q], docs.corpus[p]) for q in queries for p, grade in docs.qrels[q].items() if grade > 0]


def tuned_lr(collection: str, arm: Arm, steps: int, budget: str) -> float:
    """The better learning rate on dev queries, with a seed of its own."""
    lrs = SIZES[budget].lrs
    tries = {lr: trained(collection, arm, steps, lr, TUNING_SEED, budget).mean() for lr in lrs}
    return max(tries, key=lambda lr: tries[lr])


class Result(NamedTuple):
    """What an arm gave: nDCG@10 of the test queries (seeds, queries), and the share of right answers by seed."""

    rows: np.ndarray
    false: list[float] | None
    lr: float
    steps: int


def result(collection: str, arm: Arm, budget: str, seeds: tuple[int, ...], steps: int = 0, lr: float = 0.0) -> Result:
    """An arm at its own best learning rate, or at `lr` where that is given; `steps` are the budget's, if 0."""
    steps = steps or SIZES[budget].steps
    lr = lr or tuned_lr(collection, arm, steps, budget)
    rows = np.array([trained(collection, arm, steps, lr, seed, budget) for seed in seeds])
    truth = world(collection, budget).truth
    if truth is None or arm.source == NONE:
        return Result(rows, None, lr, steps)
    return Result(rows, [false_share(mined(collection, arm, seed, budget), truth) for seed in seeds], lr, steps)


if __name__ == "__main__":
    print(write().counts)
