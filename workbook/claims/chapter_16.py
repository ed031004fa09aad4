"""Claim 45: what fusing keyword search with dense search gains, by collection and by dense model.

How keyword search makes its words, and how much weight each search has in a weighted sum, is chosen on dev queries; test queries
decide. Nothing is drawn by chance, so there are no seeds.

    WORKBOOK_PUBLIC=FOLDER python -m workbook claims run 45 --record

measures public collections as well, those that the folder holds in BEIR's layout. They have no dev queries, so what is chosen
is that of pydocs; they stand in the record and decide nothing.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

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


CLAIMS = (
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
)
