"""Metrics beside pytrec_eval and ranx: the same judgements and run, mean over the queries, one thread."""

import numba
import numpy as np
import pytrec_eval
import ranx

from benchmarks.timing import row
from workbook.metrics import evaluate

QUERIES, DEPTH = 2_000, 100


def run() -> list[dict]:
    """nDCG@10, Recall@100 and MAP, from dictionaries to means."""
    numba.set_num_threads(1)
    generator = np.random.default_rng(0)
    qrels, found = {}, {}
    for q in range(QUERIES):
        ids = generator.choice(50_000, size=DEPTH, replace=False)
        scores = generator.permutation(DEPTH) / DEPTH
        qrels[f"q{q}"] = {f"p{i}": int(generator.integers(1, 4)) for i in ids[:8]}
        found[f"q{q}"] = {f"p{i}": float(score) for i, score in zip(ids, scores, strict=True)}
    trec = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "map"})
    names = ["ndcg@10", "recall@100", "map"]
    ranx.evaluate(ranx.Qrels(qrels), ranx.Run(found), names)  # compiles

    def mean(evaluator: pytrec_eval.RelevanceEvaluator) -> dict[str, float]:
        rows = list(evaluator.evaluate(found).values())
        return {name: float(np.mean([values[name] for values in rows])) for name in rows[0]}

    return [
        row(
            f"3 metrics of {QUERIES:,} queries",
            "pytrec_eval",
            lambda: evaluate(qrels, found, names),
            lambda: mean(trec),
        ),
        row(
            f"3 metrics of {QUERIES:,} queries",
            "ranx",
            lambda: evaluate(qrels, found, names),
            lambda: ranx.evaluate(ranx.Qrels(qrels), ranx.Run(found), names),
        ),
    ]
