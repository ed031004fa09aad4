"""Claims 44 to 46: what a second stage keeps and how deep it should read, and what fusing keyword search with dense search gains.

What is chosen is chosen on dev queries; test queries decide. Nothing is drawn by chance, so there are no seeds.

    WORKBOOK_PUBLIC=FOLDER python -m workbook claims run 45 --record

measures public collections as well, those that the folder holds in BEIR's layout. They have no dev queries, so what is chosen
is that of pydocs; they stand in the record and decide nothing.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from workbook.base import load_cross_encoder
from workbook.bm25 import BM25
from workbook.claims.claim import NOT_SETTLED, Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    best_of,
    collection_named,
    difference,
    encoder_named,
    of_run,
    public,
    signed,
    strange,
    visible,
)
from workbook.data import Collection
from workbook.metrics import evaluate, judged_only
from workbook.rerank.fusion import rrf, score_fusion
from workbook.similarity import dense_search
from workbook.support.types import Run
from workbook.support.words import Words, words

COLLECTIONS = ("planted", "pydocs", "pydocs-code")
DEEP = "recall@100"
KEYWORDS, DENSE, RANKS, SUM = "BM25", "dense", "reciprocal ranks", "weighted sum"
TWO_DENSE = "two dense searches, reciprocal ranks"
WEIGHTS = tuple(round(0.1 * tenths, 1) for tenths in range(1, 10))  # of the dense search
CONFIDENCE = 0.99  # of a difference: eighteen decide
PLANTED = 10_000  # passages, so that there are queries enough


class Size(NamedTuple):
    """How much is searched, how deep, and by which dense models."""

    queries: int
    passages: int
    depth: int
    encoders: tuple[str, ...]
    max_length: int  # tokens of a text
    words: tuple[str, ...]  # ways to make words of a text, keys of TOKENIZERS
    k1_b: tuple[tuple[float, float], ...]


TOKENIZERS: Mapping[str, Callable[[str], list[str]]] = {
    "plain": words,
    "without stop words": Words("english"),
    "stems without stop words": Words("english", "english"),
}
SIZES = {
    "notebook": Size(40, 200, 20, ("base",), 32, ("plain",), ((1.2, 0.75),)),
    "record": Size(
        400, 3_500, 100, ("base/start", "base", "all-MiniLM-L6-v2"), 192, tuple(TOKENIZERS), ((1.2, 0.75), (0.9, 0.4), (1.5, 0.9)),
    ),
}  # fmt: skip
OTHER = {"base/start": "all-MiniLM-L6-v2", "base": "all-MiniLM-L6-v2", "all-MiniLM-L6-v2": "base"}


def weighted(weight: float) -> str:
    """The name of a sum in which the dense search counts so much, and keyword search the rest."""
    return f"{weight} dense"


strangers = cache(public)


@cache
def searched(collection: str, split: str, budget: str) -> Collection:
    """Queries of a split among passages that none of ours was trained on; of a public collection what it has."""
    size = SIZES[budget]
    if collection in strangers():
        return strangers()[collection].split(split).sample(size.queries, size.passages)
    return strange(collection_named(collection, PLANTED), split, size.queries, size.passages)


@cache
def by_words(collection: str, split: str, way: str, k1: float, b: float, budget: str) -> Run:
    """Keyword search in one of its ways."""
    docs = searched(collection, split, budget)
    return BM25(k1, b, tokenize=TOKENIZERS[way]).index(docs.corpus).search(docs.queries, k=SIZES[budget].depth)


@cache
def by_vectors(collection: str, split: str, encoder: str, budget: str) -> Run:
    """Dense search."""
    docs, model = searched(collection, split, budget), encoder_named(encoder)
    model.max_length = SIZES[budget].max_length
    return dense_search(model, docs.corpus, docs.queries, k=SIZES[budget].depth)


@cache
def keywords_of(collection: str, budget: str) -> tuple[str, float, float]:
    """The way to search by words that dev queries prefer; a public collection takes that of pydocs."""
    own = collection if collection in COLLECTIONS else "pydocs"
    docs = searched(own, "dev", budget)
    ways = [(way, k1, b) for way in SIZES[budget].words for k1, b in SIZES[budget].k1_b]
    return best_of(ways, lambda way: float(of_run(by_words(own, "dev", *way, budget), docs).mean()))


@kept
def found(collection: str, encoder: str, split: str, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 and Recall@100 of each query that has an answer, (2, Q), by search: each alone, and both fused in every way."""
    docs = searched(collection, split, budget)
    alone = [
        by_words(collection, split, *keywords_of(collection, budget), budget),
        by_vectors(collection, split, encoder, budget),
    ]
    runs: dict[str, Run] = {KEYWORDS: alone[0], DENSE: alone[1], RANKS: rrf(alone)}
    runs |= {weighted(weight): score_fusion(alone, [1 - weight, weight]) for weight in WEIGHTS}
    if budget == "record":
        runs[TWO_DENSE] = rrf([alone[1], by_vectors(collection, split, OTHER[encoder], budget)])
    qrels = judged_only(docs.qrels)
    each = {name: evaluate(qrels, run, (METRIC, DEEP), per_query=True) for name, run in runs.items()}
    return {name: np.array([list(rows[metric].values()) for metric in (METRIC, DEEP)]) for name, rows in each.items()}


def compared(rows: Mapping[str, np.ndarray], weight: float) -> Measurements:
    """Means of the searches, and what each fusion has more than either search."""
    arms = {RANKS: rows[RANKS], SUM: rows[weighted(weight)]}
    arms |= {name: rows[name] for name in (TWO_DENSE,) if name in rows}
    result: Measurements = {"weight": weight, "queries": rows[DENSE].shape[1]}
    for number, metric in enumerate((METRIC, DEEP)):
        result[metric] = {
            name: round(float(row[number].mean()), 4)
            for name, row in {KEYWORDS: rows[KEYWORDS], DENSE: rows[DENSE], **arms}.items()
        }
        result[f"{metric} minus"] = {
            name: {
                search: difference(row[number][None], rows[search][number][None], CONFIDENCE)
                for search in (KEYWORDS, DENSE)
            }
            for name, row in arms.items()
        }
    return result


def best_weight(rows: Mapping[str, np.ndarray]) -> float:
    """The weight of the dense search with the best nDCG@10."""
    return max(WEIGHTS, key=lambda weight: float(rows[weighted(weight)][0].mean()))


def measure_fusion(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Every collection with every dense model; public ones beside."""
    cases: Measurements = {}
    beside: Measurements = {}
    for encoder in SIZES[budget].encoders:
        for collection in COLLECTIONS:
            weight = best_weight(found(collection, encoder, "dev", budget))
            cases[f"{collection}, {encoder}"] = compared(found(collection, encoder, "test", budget), weight)
        for collection in strangers():
            rows = found(collection, encoder, "test", budget)
            beside[f"{collection}, {encoder}"] = compared(rows, cases[f"pydocs, {encoder}"]["weight"])
    return {"cases": cases, "beside": beside, "keywords": {c: list(keywords_of(c, budget)) for c in COLLECTIONS}}


def decide_fusion(m: Measurements) -> Verdict:
    """Is the fusion by ranks above both searches, in every case?"""
    rows = {case: each[f"{METRIC} minus"][RANKS] for case, each in m["cases"].items()}
    above = [all(low > 0 for _, low, _ in row.values()) for row in rows.values()]
    below = [any(high < 0 for _, _, high in row.values()) for row in rows.values()]
    unseen = "misleading" if any(below) else NOT_SETTLED
    verdict = "holds" if all(above) else "depends" if any(above) else unseen
    parts = []
    for case, row in rows.items():
        each = m["cases"][case]
        deep = each[f"{DEEP} minus"][RANKS]
        parts.append(
            f"{case} ({short_of(each[METRIC], KEYWORDS)}, {short_of(each[METRIC], DENSE)}): minus BM25 {signed(row[KEYWORDS])}, minus dense "
            f"{signed(row[DENSE])}; the sum at weight {each['weight']} minus dense {signed(each[f'{METRIC} minus'][SUM][DENSE])}; Recall@100 minus BM25 "
            f"{signed(deep[KEYWORDS])}, minus dense {signed(deep[DENSE])}"
        )
    every = [interval for row in rows.values() for interval in row.values()]
    because = f"nDCG@10 of reciprocal ranks, {CONFIDENCE:.0%} intervals. {'. '.join(parts)}. A difference of {visible(every):.3f} would have been seen"
    drawn = [Interval(f"{case}: minus {search}", *row[search]) for case, row in rows.items() for search in row]
    return Verdict(verdict, because, tuple(drawn))


def short_of(means: Mapping[str, float], search: str) -> str:
    """Such as "BM25 0.612"."""
    return f"{search} {means[search]:.3f}"


# --- claims 44 and 46: how deep the second stage reads ------------------------------------------

READ = ("planted", "pydocs")
KEEPS = 0.95  # of the quality of reading all
BUDGET = 0.1  # seconds of one core for a query's second stage
SHALLOW = 10


class Reading(NamedTuple):
    """How much is read: every query with every passage."""

    dev: int  # queries
    test: int
    passages: int
    timed: int  # queries whose reading is timed


READINGS = {"notebook": Reading(6, 8, 24, 2), "record": Reading(100, 200, 1_000, 20)}


@cache
def whole(collection: str, split: str, budget: str) -> Collection:
    """A collection so small that a cross-encoder can read all of it for each query."""
    size = READINGS[budget]
    return strange(collection_named(collection, PLANTED), split, getattr(size, split), size.passages)


@kept
def read_all(collection: str, split: str, budget: str) -> dict[str, np.ndarray]:
    """Scores of each query with each passage, (Q, N): of the encoder, and of the cross-encoder that comes with the workbook."""
    docs, reader = whole(collection, split, budget), load_cross_encoder()
    passages = list(docs.corpus.values())
    read = [reader.predict([(query, passage) for passage in passages]) for query in docs.queries.values()]
    base = encoder_named("base")
    apart = base.encode_query(list(docs.queries.values())) @ base.encode_document(passages).T
    return {DENSE: apart, "read": np.array(read)}


def at_depths(collection: str, split: str, depths: Sequence[int], budget: str) -> np.ndarray:
    """nDCG@10 of each query when the cross-encoder orders the encoder's first passages: (depths, Q)."""
    docs, scores = whole(collection, split, budget), read_all(collection, split, budget)
    ids, queries = list(docs.corpus), list(docs.queries)
    order = np.argsort(-scores[DENSE], axis=1, kind="stable")  # (Q, N)
    curves = []
    for depth in depths:
        first = zip(queries, order[:, :depth], scores["read"], strict=True)
        curves.append(of_run({q: {ids[p]: float(row[p]) for p in best} for q, best, row in first}, docs))
    return np.array(curves)


def depths_of(budget: str) -> list[int]:
    """From one passage to all, about three in every tenfold."""
    passages = READINGS[budget].passages
    return [depth for ten in (1, 10, 100, 1_000) for depth in (ten, 2 * ten, 5 * ten) if depth < passages] + [passages]


def seconds_of_a_pair(collection: str, budget: str) -> list[float]:
    """Of one core, read in the order in which the encoder has found them, a query at a time: one number a query."""
    docs, reader = whole(collection, "test", budget), load_cross_encoder()
    scores = read_all(collection, "test", budget)[DENSE]
    passages, found = list(docs.corpus.values()), []
    for query, row in list(zip(docs.queries.values(), scores, strict=True))[: READINGS[budget].timed]:
        pairs = [(query, passages[p]) for p in np.argsort(-row)[:20]]
        start = time.process_time()
        reader.predict(pairs)
        found.append((time.process_time() - start) / len(pairs))
    return found


def measure_budget(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What is left of reading all, at the depth for which there is time."""
    cases: Measurements = {}
    for collection in READ:
        pair = float(np.median(seconds_of_a_pair(collection, budget)))
        depth = min(max(int(BUDGET / pair), 1), READINGS[budget].passages)
        some, every = at_depths(collection, "test", [depth, READINGS[budget].passages], budget)
        alone = of_run(by_vectors_alone(collection, budget), whole(collection, "test", budget))
        cases[collection] = {
            "seconds": round(pair, 5),
            "depth": depth,
            "means": {
                name: round(float(row.mean()), 4) for name, row in ((DENSE, alone), ("some", some), ("all", every))
            },
            "minus all": difference(some[None], every[None], CONFIDENCE),
            "minus what it must keep": difference(
                some[None], KEEPS * max(every, alone, key=lambda row: row.mean())[None], CONFIDENCE
            ),
            "queries": len(some),
        }
    return {"cases": cases, "passages": READINGS[budget].passages}


def by_vectors_alone(collection: str, budget: str) -> Run:
    """The encoder's own order of all passages."""
    docs, scores = whole(collection, "test", budget), read_all(collection, "test", budget)[DENSE]
    rows = zip(docs.queries, scores, strict=True)
    return {query: dict(zip(docs.corpus, map(float, row), strict=True)) for query, row in rows}


def decide_budget(m: Measurements) -> Verdict:
    """Is most of the quality of reading all kept, in both collections?"""
    rows = {name: each["minus what it must keep"] for name, each in m["cases"].items()}
    kept_it, lost_it = [row[1] > 0 for row in rows.values()], [row[2] < 0 for row in rows.values()]
    unseen = "misleading" if all(lost_it) else NOT_SETTLED
    verdict = "holds" if all(kept_it) else "depends" if any(kept_it) else unseen
    parts = [
        f"{name}: {each['seconds'] * 1_000:.1f} ms a pair, so {each['depth']} passages; encoder {each['means'][DENSE]:.3f}, these read {each['means']['some']:.3f}, "
        f"all {m['passages']:,} read {each['means']['all']:.3f}, difference {signed(each['minus all'])}"
        for name, each in m["cases"].items()
    ]
    seen = visible(each["minus all"] for each in m["cases"].values())
    because = f"nDCG@10, {CONFIDENCE:.0%} intervals, 100 ms of one core for the second stage. {'; '.join(parts)}. A difference of {seen:.3f} would have been seen"
    return Verdict(verdict, because, tuple(Interval(name, *each["minus all"]) for name, each in m["cases"].items()))


def measure_depth(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The curve over depths; the best one by dev queries, held against ten and against all on test queries."""
    depths, cases = depths_of(budget), {}
    shallow = max(depth for depth in depths if depth <= SHALLOW)
    for collection in READ:
        dev, test = (at_depths(collection, split, depths, budget) for split in ("dev", "test"))
        best = int(dev.mean(axis=1).argmax())
        curves = {depth: curve[None] for depth, curve in zip(depths, test, strict=True)}
        cases[collection] = {
            "best": depths[best],
            "curve": [round(float(x), 4) for x in test.mean(axis=1)],
            "dev": [round(float(x), 4) for x in dev.mean(axis=1)],
            "minus shallow": difference(curves[depths[best]], curves[shallow], CONFIDENCE),
            "all minus best": difference(curves[depths[-1]], curves[depths[best]], CONFIDENCE),
        }
    return {"cases": cases, "depths": depths, "shallow": shallow}


def decide_depth(m: Measurements) -> Verdict:
    """Does reading deeper than ten help, and does reading all cost, in both collections?"""
    helps = {name: each["minus shallow"] for name, each in m["cases"].items()}
    hurts = {name: each["all minus best"] for name, each in m["cases"].items()}
    both = [helps[name][1] > 0 and hurts[name][2] < 0 for name in m["cases"]]
    neither = [helps[name][2] < 0 or hurts[name][1] > 0 for name in m["cases"]]
    unseen = "misleading" if all(neither) else NOT_SETTLED
    verdict = "holds" if all(both) else "depends" if any(both) else unseen
    parts = [
        f"{name}: best by dev queries {each['best']} ({m['shallow']}: {at(m, each, m['shallow'])}, {each['best']}: {at(m, each, each['best'])}, all {m['depths'][-1]:,}: "
        f"{each['curve'][-1]:.3f}); best minus {m['shallow']} {signed(helps[name])}, all minus best {signed(hurts[name])}"
        for name, each in m["cases"].items()
    ]
    seen = visible([*helps.values(), *hurts.values()])
    because = f"nDCG@10 over the depth, {CONFIDENCE:.0%} intervals. {'; '.join(parts)}. A difference of {seen:.3f} would have been seen"
    drawn = [
        Interval(f"{name}: {what}", *rows[name])
        for name in m["cases"]
        for what, rows in (("deeper", helps), ("all", hurts))
    ]
    return Verdict(verdict, because, tuple(drawn))


def at(m: Measurements, each: Measurements, depth: int) -> str:
    """Such as "0.713": the curve at a depth."""
    return f"{each['curve'][m['depths'].index(depth)]:.3f}"


CLAIMS = (
    Claim(
        id=44,
        chapter="16",
        statement="Retrieve-and-rerank approaches the cross-encoder's quality at about 10 ms + 100 ms.",
        rule=(
            "The cross-encoder that comes with the workbook reads every one of 1,000 passages, none of which base was trained on but for right ones, for each of 200 test queries, on planted and on "
            "pydocs. As many of base's first passages are read as one core reads in 100 ms, by the median over 20 queries. A collection is fulfilled when nDCG@10 of these is more than .95 times that of "
            "reading all, or of base's own order where that is better, with the 99 % interval. Holds when both are, depends when one is, misleading when both lie below, otherwise not settled here. Base's own search, with its query encoded, takes "
            "less than 10 ms among 1,000 passages; what it takes among millions is chapter 17's"
        ),
        measure=measure_budget,
        decide=decide_budget,
        seeded=False,
    ),
    Claim(
        id=45,
        chapter="16",
        statement="Fusing sparse and dense beats either.",
        rule=(
            "BM25 and three dense models (base/start, base, all-MiniLM-L6-v2; the first two learned from the third) on planted, pydocs and pydocs-code, 400 test "
            "queries among 3,500 passages, none of which the first two were trained on but for right ones. Dev queries choose BM25's words, k1 and b. The first hundred "
            "of each are fused by reciprocal ranks with k = 60. A case is fulfilled when nDCG@10 of the fusion is above both searches, each with its 99 % interval. "
            "Holds when all nine cases are, depends when some are, misleading when none is and somewhere the fusion lies below one of its two searches, otherwise not "
            "settled here. A weighted sum of min-max scores, whose weight dev queries choose, two dense searches fused, Recall@100 and public collections stand beside "
            "and decide nothing"
        ),
        measure=measure_fusion,
        decide=decide_fusion,
        seeded=False,
    ),
    Claim(
        id=46,
        chapter="16",
        statement="Reranking deeper helps, until it hurts.",
        rule=(
            "The same readings as claim 44's, and of 100 dev queries: nDCG@10 when the cross-encoder orders base's first 1, 2, 5, 10 and so on to all 1,000. Dev queries choose the best depth of each "
            "collection. A collection is fulfilled when on test queries the best depth is above ten, and all is below the best depth, each with its 99 % interval. Holds when planted and pydocs are, "
            "depends when one is, misleading when in both either deeper than ten is worse or all is better than the best, otherwise not settled here"
        ),
        measure=measure_depth,
        decide=decide_depth,
        seeded=False,
    ),
)
