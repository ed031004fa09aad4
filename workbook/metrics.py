"""Is it any good? Recall, MRR, nDCG and average precision, computed for all queries at once.

Letters: Q queries, K ranks. `qrels` is query id -> passage id -> grade; `run` is query id -> passage
id -> score. Everything is computed on one matrix of grades, (Q, K): the grade of the passage that
each query has at each rank.

Ties are broken as trec_eval breaks them: scores are compared in float32, and among equal scores the
larger passage id comes first. A query that the run lacks counts as 0, with a warning; trec_eval
leaves it out of the mean, which rewards a system for staying silent.

Taught in 03.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workbook.significance import Interval, bootstrap_ci, paired_permutation_test

__all__ = [
    "Interval",
    "average_precision",
    "bootstrap_ci",
    "evaluate",
    "ndcg",
    "paired_permutation_test",
    "precision",
    "recall",
    "reciprocal_rank",
    "spearman",
]

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]


def recall(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant passages that stand in the first k: (Q, K), (Q, R) -> (Q,).

    Args:
        gains: grades of the retrieved passages in rank order, 0 where not relevant.
        ideal: grades of all judged passages in descending order, padded with 0.
        k: how many ranks count.

    Taught in 03.
    """
    return _ratio((gains[:, :k] > 0).sum(axis=1), (ideal > 0).sum(axis=1))


def precision(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Share of the first k ranks that hold a relevant passage: (Q, K), (Q, R) -> (Q,). Taught in 03."""
    return (gains[:, :k] > 0).sum(axis=1) / k


def reciprocal_rank(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant passage, 0 if it is not among the first k: (Q, K), (Q, R) -> (Q,). Taught in 03."""
    relevant = gains[:, :k] > 0
    if relevant.shape[1] == 0:
        return np.zeros(len(gains))
    return np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1), 0.0)


def ndcg(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Discounted gain over the gain of the best possible ranking: (Q, K), (Q, R) -> (Q,).

        DCG@k = sum_{rank ≤ k} grade / log2(rank + 1),   nDCG@k = DCG@k / ideal DCG@k

    The ideal ranking comes from all judged passages, not from those that were retrieved.

    Source: Järvelin and Kekäläinen 2002, with linear gain as in trec_eval. Taught in 03.
    """
    return _ratio(_dcg(gains, k), _dcg(ideal, k))


def average_precision(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Mean, over the relevant passages, of the precision at each one's rank: (Q, K), (Q, R) -> (Q,).

    A relevant passage that was not retrieved adds 0. Taught in 03.
    """
    relevant = gains[:, :k] > 0
    precisions = relevant.cumsum(axis=1) / np.arange(1, relevant.shape[1] + 1)
    return _ratio((precisions * relevant).sum(axis=1), (ideal > 0).sum(axis=1))


METRICS = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "mrr": reciprocal_rank,
    "map": average_precision,
}


def evaluate(
    qrels: Qrels,
    run: Run,
    metrics: Sequence[str] = ("ndcg@10", "recall@100", "mrr@10", "map"),
    per_query: bool = False,
) -> dict[str, Any]:
    """Measure a run against judgements.

    Args:
        qrels: query id -> passage id -> grade; grades of 0 and below are not relevant.
        run: query id -> passage id -> score, in any order. Queries without judgements are ignored.
        metrics: ndcg, recall, precision, mrr or map, each with "@k" or without for the whole run.
        per_query: give every query's value instead of the mean.
    Returns:
        metric -> mean over the queries of `qrels`; with per_query, metric -> query id -> value.
    Raises:
        ValueError: a metric is unknown, there are no queries, or a score is NaN.

    Equal to pytrec_eval. Taught in 03.
    """
    if not qrels:
        raise ValueError("qrels holds no query; there is nothing to measure")
    wanted = {name: _parse(name) for name in metrics}
    missing = [query for query in qrels if query not in run]
    if missing:
        warnings.warn(
            f"{len(missing)} of {len(qrels)} queries are not in the run and count as 0, the first is {missing[0]!r}",
            stacklevel=2,
        )
    deepest = max((k or 0 for _, k in wanted.values()), default=0)
    if any(k is None for _, k in wanted.values()):
        deepest = max([1, *(len(run.get(query, {})) for query in qrels)])
    gains, ideal = grades(qrels, run, deepest)
    values = {name: metric(gains, ideal, k or deepest) for name, (metric, k) in wanted.items()}
    if per_query:
        return {name: dict(zip(qrels, x.tolist(), strict=True)) for name, x in values.items()}
    return {name: float(x.mean()) for name, x in values.items()}


def grades(qrels: Qrels, run: Run, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The grades that a run puts at each rank, and the best possible: (Q, K), (Q, R).

    Raises:
        ValueError: a score is NaN.

    Taught in 03.
    """
    gains = np.zeros((len(qrels), k))
    ideal = np.zeros((len(qrels), max([1, *map(len, qrels.values())])))
    for row, (query, judged) in enumerate(qrels.items()):
        best = sorted((grade for grade in judged.values() if grade > 0), reverse=True)
        ideal[row, : len(best)] = best
        for rank, passage in enumerate(ranking(run.get(query, {}), k)):
            gains[row, rank] = max(0, judged.get(passage, 0))
    return gains, ideal


def ranking(scores: Mapping[str, float], k: int) -> list[str]:
    """The k passages with the highest scores; ties by descending id, in float32. Taught in 03.

    Raises:
        ValueError: a score is NaN.
    """
    ids = list(scores)
    values = np.fromiter(scores.values(), dtype=np.float32, count=len(ids))
    if np.isnan(values).any():
        raise ValueError(f"the score of passage {ids[int(np.isnan(values).argmax())]!r} is NaN, which has no rank")
    order = np.argsort(-values, kind="stable")
    # Only where a score stands twice do ids matter; a sort by id is slow, so it is done there alone.
    if (np.diff(values[order][: k + 1]) == 0).any():
        order = np.array(sorted(range(len(ids)), key=lambda i: (values[i], ids[i]), reverse=True))
    return [ids[i] for i in order[:k]]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation: the correlation of the ranks, equal values sharing their mean rank.

    Args:
        a, b: (N,), for example predicted similarities and human scores.
    Returns:
        from -1 to 1; NaN where one side is constant and has no order.
    Raises:
        ValueError: different lengths, fewer than two values, or a NaN.

    Equal to scipy.stats.spearmanr. Taught in 03.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2 or np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(f"expected two lists of N ≥ 2 numbers without NaN, got shapes {x.shape} and {y.shape}")
    x, y = (_mean_ranks(values) for values in (x, y))
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length > 0 else float("nan")


def _dcg(gains: np.ndarray, k: int) -> np.ndarray:
    gains = gains[:, :k]
    return gains @ (1.0 / np.log2(np.arange(2, gains.shape[1] + 2)))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and 0 where there is nothing relevant to find."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum()
    return (last - (count - 1) / 2)[group]


def _parse(name: str) -> tuple[Any, int | None]:
    found = re.fullmatch(r"(\w+?)(?:@([1-9]\d*))?", name.lower())
    if not found or found.group(1) not in METRICS:
        raise ValueError(f"unknown metric {name!r}; expected one of {', '.join(METRICS)}, with a depth as in ndcg@10")
    return METRICS[found.group(1)], int(found.group(2)) if found.group(2) else None
