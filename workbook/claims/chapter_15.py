"""Claims 42 and 43: what reading both texts together is worth, over which bi-encoder, and what it costs.

The reader is the cross-encoder that comes with the workbook (`workbook.base.reader`), trained anew for each seed; its rival is
trained beside it on the same lists, with the same words counted and a wall through its layers. What they score is the base's
first fifty, of test queries.

    WORKBOOK_PUBLIC=FOLDER python -m workbook claims run 42 --record

measures public collections as well; they stand in the record and decide nothing.
"""

import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from workbook.base.heads import CROSS_ENCODER, HeadPlan, make_cross_encoder, reading_lists
from workbook.base.reader import Reader, ReadingList
from workbook.claims.claim import NOT_SETTLED, Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import best_of, collection_named, difference, of_run, public, signed, strange, visible
from workbook.cost import multiply_adds
from workbook.data import Collection, load
from workbook.encoder import TextEncoder, TransformerEncoder
from workbook.encoder import load as load_encoder
from workbook.metrics import bootstrap_ci
from workbook.similarity import dense_search
from workbook.support.files import user_cache
from workbook.support.types import Run

COLLECTIONS = ("planted", "pydocs")
PLANTED = 10_000  # passages, so that there are queries enough
AS_IT_IS, SAME_LISTS = "base as it is", "base behind a wall, on the same lists"
LEAST, MOST = 1.05, 1.15  # times as good, says the claim
CONFIDENCE = 0.99  # of a difference: four decide


class Size(NamedTuple):
    """How much is trained and read."""

    plan: HeadPlan
    pairs: int  # of pydocs' training, at most
    queries: dict[str, int]  # by split
    passages: int
    depth: int
    max_length: int  # tokens that the base reads
    rates: tuple[float, ...]  # of which dev queries choose one for each wall


SIZES = {
    "notebook": Size(
        HeadPlan(r=4, steps=4, batch_size=2, lr=1e-4, num_negatives=3, range_max=10, lists_of_a_source=40, worlds=0),
        40, {"dev": 20, "test": 20}, 120, 10, 32, (1e-4,),
    ),
    "record": Size(CROSS_ENCODER, 100_000, {"dev": 100, "test": 400}, 3_500, 50, 192, (3e-4, 8e-4)),
}  # fmt: skip

strangers = cache(public)


@cache
def first_stage(budget: str) -> TextEncoder:
    """The base, as it is."""
    base = load_encoder("base")
    base.max_length = SIZES[budget].max_length
    return base


def shape_of(base: TextEncoder) -> tuple[int, int]:
    """D and L of its transformer."""
    assert isinstance(base.backbone, TransformerEncoder)
    return base.backbone.hidden_size, len(base.backbone.blocks)


@cache
def searched(collection: str, split: str, budget: str) -> Collection:
    """Queries of a split among passages that the base was not trained on, but for right ones; of a public collection what it has."""
    size = SIZES[budget]
    if collection in strangers():
        return strangers()[collection].split(split).sample(size.queries[split], size.passages)
    return strange(collection_named(collection, PLANTED), split, size.queries[split], size.passages)


@cache
def candidates(collection: str, split: str, budget: str) -> Run:
    """The base's first passages."""
    docs = searched(collection, split, budget)
    return dense_search(first_stage(budget), docs.corpus, docs.queries, k=SIZES[budget].depth)


@cache
def lists(budget: str) -> list[ReadingList]:
    """What every reader of every seed learns from."""
    size = SIZES[budget]
    return reading_lists(first_stage(budget), {"pydocs": load("pydocs").pairs("train")[: size.pairs]}, size.plan)


@kept
def read(wall: int, lr: float, seed: int, budget: str) -> dict[str, np.ndarray]:
    """Train a reader with so many layers behind the wall; nDCG@10 of each query, (Q,), by "collection split"."""
    work = user_cache() / "claims" / f"reader-{budget}-{wall}-{lr}-{seed}"
    plan = dataclasses.replace(SIZES[budget].plan, lr=lr, seed=seed)
    reader = make_cross_encoder(first_stage(budget), lists(budget), plan, work, wall)
    parts = [(name, split) for name in COLLECTIONS for split in ("dev", "test")]
    parts += [(name, "test") for name in strangers()]
    found = {f"{name} {split}": reranked(reader, name, split, budget) for name, split in parts}
    shutil.rmtree(work, ignore_errors=True)  # only now: an arm that was stopped goes on in there
    return found


def reranked(reader: Reader, collection: str, split: str, budget: str) -> np.ndarray:
    """nDCG@10 of each query when the reader orders what the base has found: (Q,)."""
    docs, run = searched(collection, split, budget), candidates(collection, split, budget)
    pairs = [(docs.queries[query], docs.corpus[passage]) for query in run for passage in run[query]]
    scores = iter(reader.predict(pairs).tolist())
    return of_run({query: {passage: next(scores) for passage in run[query]} for query in run}, docs)


def rate_of(wall: int, budget: str) -> float:
    """The learning rate that dev queries prefer for readers with this wall."""

    def quality(lr: float) -> float:
        found = read(wall, lr, 0, budget)
        return float(np.mean([found[f"{name} dev"].mean() for name in COLLECTIONS]))

    return best_of(SIZES[budget].rates, quality)


def measure_gain(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Readers through every wall, over the base as it is and over the one behind the wall."""
    _, layers = shape_of(first_stage(budget))
    rates = {wall: rate_of(wall, budget) for wall in (0, layers)}
    rates |= dict.fromkeys(range(1, layers), rates[0])
    trained = {0: seeds, **dict.fromkeys(range(1, layers), seeds[:1]), layers: seeds}  # wall -> seeds
    cases: Measurements = {}
    beside: Measurements = {}
    walls: Measurements = {}
    for collection in (*COLLECTIONS, *strangers()):
        alone = of_run(candidates(collection, "test", budget), searched(collection, "test", budget))
        by_wall = {
            wall: np.array([read(wall, rates[wall], seed, budget)[f"{collection} test"] for seed in of_wall])
            for wall, of_wall in sorted(trained.items())
        }
        rivals = {AS_IT_IS: np.repeat(alone[None], len(seeds), axis=0), SAME_LISTS: by_wall[layers]}
        for name, rival in rivals.items():
            (cases if collection in COLLECTIONS else beside)[f"{collection}, {name}"] = {
                "bi-encoder": round(float(rival.mean()), 4),
                "cross-encoder": round(float(by_wall[0].mean()), 4),
                "minus": difference(by_wall[0], rival, CONFIDENCE),
                "minus the least": difference(by_wall[0], LEAST * rival, CONFIDENCE),
                "minus the most": difference(by_wall[0], MOST * rival, CONFIDENCE),
            }
        walls[collection] = {
            str(wall): [round(x, 4) for x in bootstrap_ci(rows.mean(axis=0))] for wall, rows in by_wall.items()
        }
    return {
        "cases": cases, "beside": beside, "walls": walls, "rates": {str(wall): rate for wall, rate in rates.items()},
        "queries": {name: len(searched(name, "test", budget).queries) for name in COLLECTIONS},
    }  # fmt: skip


def decide_gain(m: Measurements) -> Verdict:
    """Is the reader at least so many times as good, in every case?"""
    rows = m["cases"].values()
    reached = [each["minus the least"][1] > 0 for each in rows]
    missed = [each["minus the least"][2] < 0 for each in rows]
    unseen = "misleading" if all(missed) else NOT_SETTLED
    verdict = "holds" if all(reached) else "depends" if any(reached) else unseen
    parts = [
        f"{case}: {each['bi-encoder']:.3f} to {each['cross-encoder']:.3f}, {signed(each['minus'])}, "
        f"{each['cross-encoder'] / each['bi-encoder'] - 1:+.0%}"
        for case, each in m["cases"].items()
    ]
    most = [case for case, each in m["cases"].items() if each["minus the most"][1] > 0]
    seen = visible(each["minus"] for each in rows)
    because = (
        f"nDCG@10 of the base's first fifty, bi-encoder to cross-encoder, {CONFIDENCE:.0%} intervals over queries and seeds. {'; '.join(parts)}. "
        f"More than 15 % better: {', '.join(most) or 'nowhere'}. A difference of {seen:.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(Interval(case, *each["minus"]) for case, each in m["cases"].items()))


# --- claim 43: the cost of a million passages ------------------------------------------------

ROUNDS = 5
MILLION = 1_000_000
FACTOR = 100.0  # times as long as the search that it would replace


class Cost(NamedTuple):
    """How much is timed."""

    pairs: int  # read in a round
    vectors: int  # searched in a round
    queries: int


COSTS = {"notebook": Cost(64, 20_000, 4), "record": Cost(512, MILLION, 8)}


def measure_cost(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Seconds for one query and a million passages, read by the reader and searched by the base; rounds take turns."""
    size, base = COSTS[budget], first_stage(budget)
    reader, rng = Reader(base), np.random.default_rng(0)
    vectors = rng.standard_normal((size.vectors, shape_of(base)[0]), dtype=np.float32)
    result: Measurements = {}
    for collection in COLLECTIONS:
        docs = searched(collection, "test", budget)
        queries, passages = list(docs.queries.values()), list(docs.corpus.values())
        drawn = rng.integers(len(passages), size=size.pairs)
        pairs = [(queries[i % len(queries)], passages[row]) for i, row in enumerate(drawn.tolist())]

        def read_them(pairs: Sequence[tuple[str, str]] = pairs) -> None:
            reader.predict(pairs)

        def search_them(queries: Sequence[str] = queries[: size.queries]) -> None:
            for query in queries:
                np.argpartition(vectors @ base.encode_query([query])[0], -100)

        seconds(read_them), seconds(search_them)  # once, so that all is loaded
        rounds = [(seconds(read_them), seconds(search_them)) for _ in range(ROUNDS)]
        reading, searching = (np.array(column) for column in zip(*rounds, strict=True))
        reading *= MILLION / size.pairs
        searching *= MILLION / size.vectors / size.queries
        tokens = [len(reader.whole_ids(text)) for text in (*queries, *passages)]
        asked, said = np.mean(tokens[: len(queries)]), np.mean(np.minimum(tokens[len(queries) :], 160))
        result[collection] = {
            "reading": [round(float(x), 2) for x in reading],
            "searching": [round(float(x), 4) for x in searching],
            "ratio": [round(float(x), 1) for x in reading / searching],
            "multiply-adds of a million pairs": MILLION
            * sum(multiply_adds(round(asked + said), *shape_of(base)).values()),
        }
    return {"collections": result, "pairs": size.pairs, "vectors": size.vectors}


def seconds(work: Callable[[], object]) -> float:
    """Of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def decide_cost(m: Measurements) -> Verdict:
    """Does reading all take more than a hundred times as long as searching all, in every round?"""
    lows = [min(each["ratio"]) for each in m["collections"].values()]
    highs = [max(each["ratio"]) for each in m["collections"].values()]
    verdict = "holds" if min(lows) > FACTOR else "misleading" if max(highs) < FACTOR else "depends"
    parts = [
        f"{name}: {np.median(each['reading']):,.0f} s a query, read by the cross-encoder, {np.median(each['searching']):.2f} s searched exactly by the "
        f"bi-encoder, {min(each['ratio']):,.0f} to {max(each['ratio']):,.0f} times as long"
        for name, each in m["collections"].items()
    ]
    return Verdict(verdict, f"One core, a million passages. {'; '.join(parts)}")


CLAIMS = (
    Claim(
        id=42,
        chapter="15",
        statement="Cross-encoders are 5 to 15 % better than bi-encoders.",
        rule=(
            "A cross-encoder that begins as base is trained for 1,500 steps on lists of base's own candidates (seeds 0 to 4), and reads base's first fifty of 400 test "
            "queries (planted: as many as there are) among 3,500 passages that base was not trained on but for right ones, on planted and on pydocs. Two rivals: base as it is, and the same "
            "training with a wall through both layers, so that it has read the same lists and counts the same words but reads apart. A hundred dev queries of each choose each one's learning rate, 3e-4 or 8e-4. A case, a collection and a rival, is fulfilled when nDCG@10 is more than "
            "1.05 times the rival's, with the 99 % interval over queries and seeds. Holds when all four are, depends when some are, misleading when all four lie below 1.05 with "
            "their intervals, otherwise not settled here. A wall through the first layer alone, and public collections, stand beside and decide nothing"
        ),
        measure=measure_gain,
        decide=decide_gain,
    ),
    Claim(
        id=43,
        chapter="15",
        statement="A cross-encoder cannot serve as first stage.",
        rule=(
            "Seconds of one core for one query and a million passages, on planted and pydocs: the cross-encoder, by 512 pairs drawn at random and read as they are, cut to 160 tokens, against base's exact search, its query encoded and "
            "compared to a million stored vectors; five rounds of both, taking turns. Holds when reading takes more than 100 times as long in every round of both, misleading when in none, else depends"
        ),
        measure=measure_cost,
        decide=decide_cost,
        seeded=False,
    ),
)
