"""Claim 45: what fusing keyword search with dense search gains, by collection and by dense model.

Which of two searches is the better one, and how much weight each has in a weighted sum, is chosen on dev queries; test queries
decide. Nothing is drawn by chance, so there are no seeds.

    WORKBOOK_PUBLIC=FOLDER python -m workbook claims run 45 --record

measures public collections as well, those that the folder holds in BEIR's layout. They have no dev queries, so there the two
searches stand as they are and the weight is that of pydocs; they stand in the record and decide nothing.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from workbook.bm25 import BM25
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import METRIC, collection_named, difference, encoder_named, public, signed, visible
from workbook.data import Collection
from workbook.metrics import evaluate, judged_only
from workbook.rerank.fusion import rrf, score_fusion
from workbook.similarity import dense_search

COLLECTIONS = ("planted", "pydocs", "pydocs-code")
DEEP = "recall@100"
KEYWORDS, DENSE, RANKS = "BM25", "dense", "reciprocal ranks"
WEIGHTS = tuple(round(0.1 * tenths, 1) for tenths in range(1, 10))  # of the dense search


class Size(NamedTuple):
    """How much is searched, how deep, and by which dense models."""

    queries: int
    passages: int
    depth: int
    encoders: tuple[str, ...]
    max_length: int  # tokens of a text


SIZES = {
    "notebook": Size(20, 100, 20, ("base",), 32),
    "record": Size(400, 5_000, 100, ("base/start", "base", "all-MiniLM-L6-v2"), 192),
}


def weighted(weight: float) -> str:
    """The name of a sum in which the dense search counts so much, and keyword search the rest."""
    return f"{weight} dense"


strangers = cache(public)


@cache
def searched(collection: str, split: str, budget: str) -> Collection:
    """The queries of a split, and the passages among which they search; of a public collection all it has, up to the size."""
    size = SIZES[budget]
    docs = strangers().get(collection) or collection_named(collection, size.passages)
    return docs.split(split).sample(size.queries, size.passages)


@kept
def found(collection: str, encoder: str, split: str, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 and Recall@100 of each query that has an answer, (2, Q), by search: each alone, and both fused in every way."""
    size, docs = SIZES[budget], searched(collection, split, budget)
    model = encoder_named(encoder)
    model.max_length = size.max_length
    alone = [
        BM25().index(docs.corpus).search(docs.queries, k=size.depth),
        dense_search(model, docs.corpus, docs.queries, k=size.depth),
    ]
    runs = dict(zip((KEYWORDS, DENSE), alone, strict=True)) | {RANKS: rrf(alone)}
    runs |= {weighted(weight): score_fusion(alone, [1 - weight, weight]) for weight in WEIGHTS}
    qrels = judged_only(docs.qrels)
    each = {name: evaluate(qrels, run, (METRIC, DEEP), per_query=True) for name, run in runs.items()}
    return {name: np.array([list(rows[metric].values()) for metric in (METRIC, DEEP)]) for name, rows in each.items()}


def compared(rows: Mapping[str, np.ndarray], better: Sequence[str], weight: float) -> Measurements:
    """Means of the searches, and what both fusions have more than the better search, which is named for each metric."""
    arms = {RANKS: rows[RANKS], "weighted sum": rows[weighted(weight)]}
    named = {KEYWORDS: rows[KEYWORDS], DENSE: rows[DENSE], **arms}
    result: Measurements = {
        "better": dict(zip((METRIC, DEEP), better, strict=True)),
        "weight": weight,
        "queries": rows[DENSE].shape[1],
    }
    for number, metric in enumerate((METRIC, DEEP)):
        result[metric] = {name: round(float(row[number].mean()), 4) for name, row in named.items()}
        result[f"{metric} minus the better"] = {
            name: difference(row[number][None], rows[better[number]][number][None]) for name, row in arms.items()
        }
    return result


def better_of(rows: Mapping[str, np.ndarray]) -> list[str]:
    """Of the two searches the better one in nDCG@10, and in Recall@100."""
    return [max((KEYWORDS, DENSE), key=lambda name: rows[name][number].mean()) for number in range(2)]


def best_weight(rows: Mapping[str, np.ndarray]) -> float:
    """The weight of the dense search with the best nDCG@10."""
    return max(WEIGHTS, key=lambda weight: float(rows[weighted(weight)][0].mean()))


def measure_fusion(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Every collection with every dense model; public ones beside."""
    cases: Measurements = {}
    beside: Measurements = {}
    for encoder in SIZES[budget].encoders:
        weight = 0.5
        for collection in COLLECTIONS:
            dev, test = (found(collection, encoder, split, budget) for split in ("dev", "test"))
            weight = best_weight(dev)
            cases[f"{collection}, {encoder}"] = compared(test, better_of(dev), weight)
        for collection in strangers():
            rows = found(collection, encoder, "test", budget)
            beside[f"{collection}, {encoder}"] = compared(rows, better_of(rows), cases[f"pydocs, {encoder}"]["weight"])
    return {"cases": cases, "beside": beside}


def decide_fusion(m: Measurements) -> Verdict:
    """Is the fusion by ranks above the better of the two, in every case?"""
    rows = {case: each[f"{METRIC} minus the better"] for case, each in m["cases"].items()}
    deep = {case: each[f"{DEEP} minus the better"][RANKS] for case, each in m["cases"].items()}
    above = [row[RANKS][1] > 0 for row in rows.values()]
    verdict = "holds" if all(above) else "depends" if any(above) else "misleading"
    parts = [
        f"{case}: {signed(row[RANKS])} over {m['cases'][case]['better'][METRIC]}, weighted {signed(row['weighted sum'])}, Recall@100 "
        f"{signed(deep[case])}"
        for case, row in rows.items()
    ]
    because = f"nDCG@10 of reciprocal ranks minus the better search. {'; '.join(parts)}; a difference of {visible([row[RANKS] for row in rows.values()]):.3f} would have been seen"
    return Verdict(verdict, because, tuple(Interval(case, *row[RANKS]) for case, row in rows.items()))


CLAIMS = (
    Claim(
        id=45,
        chapter="16",
        statement="Fusing sparse and dense beats either.",
        rule=(
            "BM25 and three dense models (base/start, base, all-MiniLM-L6-v2) on planted, pydocs and pydocs-code, 400 test queries among 5,000 passages; "
            "the first hundred of each are fused by reciprocal ranks with k = 60. A case is fulfilled when nDCG@10 of the fusion is above that of the better of "
            "the two, which dev queries name, with its interval. Holds when all nine cases are, depends when some are, misleading when none is. A weighted "
            "sum of min-max scores, whose weight dev queries choose, Recall@100 and public collections stand beside and decide nothing"
        ),
        measure=measure_fusion,
        decide=decide_fusion,
        seeded=False,
    ),
)
