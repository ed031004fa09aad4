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
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workbook.metrics.significance import Interval, bootstrap_ci, paired_permutation_test

__all__ = [
    "Interval",
    "average_precision",
    "bootstrap_ci",
    "evaluate",
    "evaluate_ids",
    "ndcg",
    "number_qrels",
    "paired_permutation_test",
    "precision",
    "recall",
    "reciprocal_rank",
    "spearman",
]

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]

CELLS = 2**22  # so many scores are compared at a time


def recall(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant passages that stand in the first k: (Q, K), (Q, R) -> (Q,).

    Args:
        gains: grades of the retrieved passages in rank order, 0 where not relevant.
        ideal: grades of all judged passages in descending order, padded with 0.
        k: how many ranks count.
    """
    return _ratio((gains[:, :k] > 0).sum(axis=1), (ideal > 0).sum(axis=1))


def precision(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Share of the first k ranks that hold a relevant passage: (Q, K), (Q, R) -> (Q,)."""
    return (gains[:, :k] > 0).sum(axis=1) / k


def reciprocal_rank(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant passage, 0 if it is not among the first k: (Q, K), (Q, R) -> (Q,)."""
    relevant = gains[:, :k] > 0
    if relevant.shape[1] == 0:
        return np.zeros(len(gains))
    return np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1), 0.0)


def ndcg(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Discounted gain over the gain of the best possible ranking: (Q, K), (Q, R) -> (Q,).

        DCG@k = sum_{rank ≤ k} grade / log2(rank + 1),   nDCG@k = DCG@k / ideal DCG@k

    The ideal ranking comes from all judged passages, not from those that were retrieved.

    Source: Järvelin and Kekäläinen 2002, with linear gain as in trec_eval.
    """
    return _ratio(_dcg(gains, k), _dcg(ideal, k))


def average_precision(gains: np.ndarray, ideal: np.ndarray, k: int) -> np.ndarray:
    """Mean, over the relevant passages, of the precision at each one's rank: (Q, K), (Q, R) -> (Q,).

    A relevant passage that was not retrieved adds 0.
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

    Equal to pytrec_eval.
    """
    wanted = {name: _parse(name) for name in metrics}
    if not qrels:
        raise ValueError("qrels holds no query; there is nothing to measure")
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


def evaluate_ids(
    ids: ArrayLike,
    relevant_ids: ArrayLike,
    relevant_grades: ArrayLike | None = None,
    metrics: Sequence[str] = ("ndcg@10", "recall@100", "mrr@10", "map"),
    per_query: bool = False,
) -> dict[str, Any]:
    """Measure search results as they come from `top_k`: row numbers, best first, without dictionaries or scores.

    The order given is the ranking; ties are what the search made of them. A passage that is listed
    twice counts once, where it stands first.

    Args:
        ids: (Q, K) row numbers of the corpus; below 0 where there is no result.
        relevant_ids: (Q, R) row numbers of the relevant passages, -1 where a query has fewer than R.
            `number_qrels` makes them, and the grades, from `qrels`.
        relevant_grades: (Q, R) their grades, 0 where there is none; without them each counts 1. A
            grade beside -1 stands for a passage that the corpus lacks: relevant, and never found.
        metrics: as in `evaluate`; without "@k", for all K ranks.
        per_query: give every query's value instead of the mean.
    Returns:
        metric -> mean over the Q queries; with per_query, metric -> (Q,).
    Raises:
        ValueError: a metric is unknown, there are no queries, the shapes do not belong together, or
            a passage stands twice among the relevant ones of a query.

    Equal to `evaluate`, and so to pytrec_eval, where no two scores are equal.
    """
    wanted = {name: _parse(name) for name in metrics}
    found, relevant = np.asarray(ids), np.asarray(relevant_ids)
    given = relevant if relevant_grades is None else np.asarray(relevant_grades)
    _check_ids(found, relevant, given)
    known = relevant >= 0  # (Q, R)
    grade = known * 1.0 if relevant_grades is None else np.maximum(given, 0.0)
    (Q, K), every = found.shape, np.arange(len(found))
    gains = np.zeros((Q, K))
    for passage, points in zip(relevant.T, (grade * known).T, strict=True):  # one passage of each query: (Q,)
        if K:
            hit = found == passage[:, None]  # (Q, K)
            first = hit.argmax(axis=1)
            gains[every, first] += points * hit[every, first]
    ideal = np.sort(grade)[:, ::-1]
    values = {name: metric(gains, ideal, k or max(K, 1)) for name, (metric, k) in wanted.items()}
    return values if per_query else {name: float(x.mean()) for name, x in values.items()}


def number_qrels(qrels: Qrels, query_ids: Iterable[str], passage_ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Judgements as `evaluate_ids` takes them: the relevant passages' row numbers and grades.

    Args:
        qrels: query id -> passage id -> grade.
        query_ids: the queries in the order in which they were asked; `queries` itself will do.
        passage_ids: the passages in the order in which they were searched; `corpus` itself will do.
    Returns:
        row numbers (Q, R), -1 where a query has fewer than R or the corpus lacks the passage, and
        grades (Q, R), 0 where there is none. R is the largest number of relevant passages of a query.
    Raises:
        ValueError: the queries are not those of `qrels`.
    """
    asked = list(query_ids)
    if different := qrels.keys() ^ set(asked):
        raise ValueError(f"query {min(different)!r} is asked or judged, but not both; search the judged queries")
    number = {passage: row for row, passage in enumerate(passage_ids)}
    relevant = [{passage: grade for passage, grade in qrels[query].items() if grade > 0} for query in asked]
    rows = [[number.get(passage, -1) for passage in judged] for judged in relevant]
    return _padded(rows, -1, np.int64), _padded([judged.values() for judged in relevant], 0, np.float64)


def grades(qrels: Qrels, run: Run, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The grades that a run puts at each rank, and the best possible: (Q, K), (Q, R).

    Nothing is sorted: the rank of a relevant passage is the number of passages that stand above it.

    Raises:
        ValueError: a score is NaN.
    """
    results = [run.get(query, {}) for query in qrels]
    scores = _padded([found.values() for found in results], -np.inf, np.float32)  # (Q, longest)
    for unranked in np.flatnonzero(np.isnan(scores).any(axis=1)):
        ranked_ids(results[unranked], k)  # refuses, and names the passage
    hits = [  # the relevant passages that were found
        (q, passage, found[passage], grade)
        for q, (judged, found) in enumerate(zip(qrels.values(), results, strict=True))
        for passage, grade in judged.items()
        if grade > 0 and passage in found
    ]
    gains = np.zeros((len(results), k))
    step = max(1, CELLS // scores.shape[1])
    for start in range(0, len(hits), step):
        q, passage, score, grade = map(list, zip(*hits[start : start + step], strict=True))
        own, others = np.array(score, dtype=np.float32)[:, None], scores[q]  # (hits, 1), (hits, longest)
        rank = np.count_nonzero(others > own, axis=1)  # from 0
        for i in np.flatnonzero(
            np.count_nonzero(others == own, axis=1) > 1
        ):  # of equal ones the larger ids stand above
            ids = list(results[q[i]])
            rank[i] += sum(ids[j] > passage[i] for j in np.flatnonzero(others[i, : len(ids)] == own[i]))
        shown = rank < k
        gains[np.array(q)[shown], rank[shown]] = np.array(grade)[shown]
    ideal = np.maximum(_padded([judged.values() for judged in qrels.values()], 0, np.float64), 0)
    return gains, np.sort(ideal)[:, ::-1]


def ranked_ids(scores: Mapping[str, float], k: int) -> list[str]:
    """The k passages with the highest scores; ties by descending id, in float32.

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

    Equal to scipy.stats.spearmanr.
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


def _padded(rows: Sequence[Collection[float]], fill: float, dtype: type) -> np.ndarray:
    """Rows of different lengths as one matrix, filled up at the end: (rows, longest), one column at least."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    matrix = np.full((len(rows), max(lengths.max(initial=0), 1)), fill, dtype=dtype)
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = np.fromiter(chain.from_iterable(rows), dtype, lengths.sum())
    return matrix


def _check_ids(ids: np.ndarray, relevant: np.ndarray, grade: np.ndarray) -> None:
    matrices = ids.ndim == relevant.ndim == 2
    if not (matrices and len(ids) == len(relevant) > 0 and relevant.shape == grade.shape):
        raise ValueError(
            "expected ids (Q, K), relevant_ids (Q, R) and relevant_grades (Q, R) with the same Q ≥ 1, "
            f"got {ids.shape}, {relevant.shape} and {grade.shape}"
        )
    for name, x in (("ids", ids), ("relevant_ids", relevant)):
        if x.size and not np.issubdtype(x.dtype, np.integer):
            raise ValueError(f"{name} must hold row numbers, got {x.dtype}; `number_qrels` turns ids into rows")
    ordered = np.sort(relevant)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        row = int(twice.any(axis=1).argmax())
        raise ValueError(f"query {row} judges passage {ordered[row, 1:][twice[row]][0]} twice; keep one grade of it")


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
