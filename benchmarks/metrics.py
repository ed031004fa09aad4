"""Metrics beside pytrec_eval and ranx: the same judgements and results, mean over the queries, one thread."""

import numba
import numpy as np
import pytrec_eval
import ranx

from benchmarks.timing import row
from workbook.metrics import evaluate, evaluate_ids, number_qrels

PASSAGES, QUERIES, DEPTH, JUDGED = 50_000, 2_000, 100, 8


def run() -> list[dict]:
    """nDCG@10, Recall@100 and MAP, from dictionaries to means, and from what a search returns to means."""
    numba.set_num_threads(1)
    generator = np.random.default_rng(0)
    passages = [f"p{i}" for i in range(PASSAGES)]
    ids = np.array([generator.choice(PASSAGES, DEPTH, replace=False) for _ in range(QUERIES)])  # (Q, K), best first
    relevant = generator.permuted(ids, axis=1)[:, :JUDGED]  # (Q, R)
    grades = generator.integers(1, 4, size=relevant.shape)
    qrels = {
        f"q{q}": {f"p{i}": int(grade) for i, grade in zip(*row, strict=True)}
        for q, row in enumerate(zip(relevant, grades, strict=True))
    }
    found = {f"q{q}": {f"p{i}": 1 - rank / DEPTH for rank, i in enumerate(row)} for q, row in enumerate(ids)}
    trec = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "map"})
    names = ["ndcg@10", "recall@100", "map"]

    def from_trec() -> list[float]:
        rows = list(trec.evaluate(found).values())
        return [float(np.mean([values[name] for values in rows])) for name in ("ndcg_cut_10", "recall_100", "map")]

    def from_ranx() -> list[float]:
        return list(ranx.evaluate(ranx.Qrels(qrels), ranx.Run(found), names).values())

    def from_dictionaries() -> list[float]:
        return list(evaluate(qrels, found, names).values())

    judged = number_qrels(qrels, found, passages)

    def from_ids() -> list[float]:
        return list(evaluate_ids(ids, *judged, names).values())

    for means in (from_trec(), from_ranx(), from_ids()):  # and ranx compiles
        np.testing.assert_allclose(means, from_dictionaries(), rtol=0, atol=1e-9)
    what = f"3 metrics of {QUERIES:,} queries"
    arrays = "ours is given row numbers, as a search returns them; the peer dictionaries, its judgements read before"
    return [
        row(f"{what}, from ids", "pytrec_eval", from_ids, from_trec, floor=3.0, note=arrays),
        row(
            f"{what}, from dictionaries",
            "pytrec_eval",
            from_dictionaries,
            from_trec,
            note="the peer's judgements were read before",
        ),
        row(f"{what}, from dictionaries", "ranx", from_dictionaries, from_ranx),
    ]
