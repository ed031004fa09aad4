"""The formulas: what a ranking is worth, for all queries at once.

Letters: Q queries, K ranks, R judged passages. Each takes

    gains   (Q, K)  the grade of the passage at each rank, 0 where it is not relevant
    ideal   (Q, R)  the grades of all judged passages in descending order, padded with 0
    k               how many ranks count

and returns (Q,), 0 where there is nothing relevant to find.

Taught in 03.
"""

import re
from functools import partial
from typing import Any, Protocol

import numpy as np


class Measure(Protocol):
    """gains (Q, K), ideal (Q, R), k -> (Q,)."""

    def __call__(self, gains: np.ndarray, ideal: np.ndarray, k: Any, /) -> np.ndarray: ...


def recall(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant passages that stand in the first k."""
    return _ratio((gains[:, :k] > 0).sum(axis=1), (ideal > 0).sum(axis=1))


def precision(gains: np.ndarray, ideal: np.ndarray, k: int | np.ndarray) -> np.ndarray:
    """Share of the first k ranks that hold a relevant passage; k may be another one for each query, (Q,)."""
    return _ratio((gains[:, : np.max(k)] > 0).sum(axis=1), np.broadcast_to(k, len(gains)))


def r_precision(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Precision at R, the query's own number of relevant passages: where precision and recall are equal. No k."""
    relevant = (ideal > 0).sum(axis=1)
    first = np.arange(gains.shape[1]) < relevant[:, None]  # (Q, K)
    return _ratio(((gains > 0) & first).sum(axis=1), relevant)


def hit_rate(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """1 where any relevant passage stands in the first k, else 0 (trec_eval: success)."""
    return np.asarray((gains[:, :k] > 0).any(axis=1), dtype=np.float64)


def reciprocal_rank(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant passage, 0 if it is not among the first k."""
    relevant = gains[:, :k] > 0
    if relevant.shape[1] == 0:
        return np.zeros(len(gains))
    return np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1), 0.0)


def ndcg(gains: np.ndarray, ideal: np.ndarray, k: int, exponential: bool = False) -> np.ndarray:
    """Discounted gain over the gain of the best possible ranking.

        DCG@k = sum_{rank ≤ k} gain / log2(rank + 1),   nDCG@k = DCG@k / ideal DCG@k

    The gain is the grade, or 2^grade - 1 with `exponential`, which makes grade 3 worth seven of grade 1. The ideal
    ranking comes from all judged passages, not from those that were retrieved.

    Source: Järvelin and Kekäläinen 2002, with linear gain as in trec_eval; Burges et al. 2005 for the other.
    """
    if exponential:
        gains, ideal = 2.0**gains - 1, 2.0**ideal - 1
    return _ratio(_dcg(gains[:, :k]), _dcg(ideal[:, :k]))


def average_precision(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Mean, over the relevant passages, of the precision at each one's rank; one that was not retrieved adds 0."""
    relevant = gains[:, :k] > 0
    precisions = relevant.cumsum(axis=1) / np.arange(1, relevant.shape[1] + 1)
    return _ratio((precisions * relevant).sum(axis=1), (ideal > 0).sum(axis=1))


METRICS: dict[str, Measure] = {
    "ndcg": ndcg,
    "ndcg_exp": partial(ndcg, exponential=True),
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "mrr": reciprocal_rank,
    "map": average_precision,
    "r_precision": r_precision,
}
GRADED = ("ndcg", "ndcg_exp")  # these see how relevant a passage is, the others only whether it is
WHOLE = ("r_precision",)  # these have no "@k"


def parse(name: str) -> tuple[str, int | None]:
    """ "recall@10" -> ("recall", 10), "map" -> ("map", None).

    Raises:
        ValueError: there is no such metric.
    """
    found = re.fullmatch(r"(\w+?)(?:@([1-9]\d*))?", name.lower()) if isinstance(name, str) else None
    if not found or found[1] not in METRICS or (found[1] in WHOLE and found[2]):
        raise ValueError(
            f"unknown metric {name!r}; expected one of {', '.join(METRICS)}, with a depth as in ndcg@10, or without for "
            "the whole run; r_precision has none"
        )
    return found[1], int(found[2]) if found[2] else None


def measure(
    metrics: dict[str, tuple[str, int | None]],
    gains: np.ndarray,
    ideal: np.ndarray,
    lengths: np.ndarray,
    relevance_level: int,
) -> dict[str, np.ndarray]:
    """Every metric of every query.

    Args:
        metrics: name -> what `parse` makes of it.
        gains, ideal: (Q, K), (Q, R), grades.
        lengths: (Q,), how many passages each query retrieved, what "precision" without "@k" is divided by.
        relevance_level: the grade from which a passage counts as relevant, for all metrics that do not see grades; 1
            takes all above 0.
    Returns:
        name -> (Q,).
    Raises:
        ValueError: the level is not positive.
    """
    if not relevance_level >= 1:
        raise ValueError(f"relevance_level must be at least 1, got {relevance_level}; a grade of 0 is not relevant")
    values = {}
    for name, (kind, k) in metrics.items():
        seen, best = gains, ideal
        if relevance_level > 1 and kind not in GRADED:
            seen, best = gains * (gains >= relevance_level), ideal * (ideal >= relevance_level)
        depth = lengths if kind == "precision" and k is None else k or max(gains.shape[1], ideal.shape[1])
        values[name] = METRICS[kind](seen, best, depth)
    return values


def _dcg(gains: np.ndarray) -> np.ndarray:
    return np.asarray(gains @ (1.0 / np.log2(np.arange(2, gains.shape[1] + 2))))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and 0 where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0))
