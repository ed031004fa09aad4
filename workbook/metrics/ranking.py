"""Is it any good? Recall, MRR, nDCG and the others, of a run against judgements.

Letters: Q queries, K ranks, R judged passages. `qrels` is query id -> passage id -> grade; `run` is query id ->
passage id -> score. Everything is computed on one matrix of grades, (Q, K): the grade of the passage that
each query has at each rank. The formulas are in `workbook.metrics.measures`.

Ties are broken as trec_eval breaks them: scores are compared in float32, and among equal scores the
larger passage id comes first. A query that the run lacks counts as 0, with a warning; trec_eval
leaves it out of the mean, which rewards a system for staying silent.

Taught in 03.
"""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workbook.metrics.measures import measure, parse
from workbook.support.types import Qrels, Run

CELLS = 2**22  # so many scores are compared at a time
DEFAULT = ("ndcg@10", "recall@100", "mrr@10", "map")


def evaluate(
    qrels: Qrels,
    run: Run,
    metrics: Sequence[str] = DEFAULT,
    per_query: bool = False,
    relevance_level: int = 1,
) -> dict[str, Any]:
    """Measure a run against judgements.

    Args:
        qrels: query id -> passage id -> grade; grades of 0 and below are not relevant.
        run: query id -> passage id -> score, in any order. Queries without judgements are ignored.
        metrics: ndcg, ndcg_exp (with gain 2^grade - 1), recall, precision, hit_rate, mrr or map, each with "@k" or
            without for the whole run of each query; r_precision.
        per_query: give every query's value instead of the mean.
        relevance_level: the grade from which a passage counts as relevant (trec_eval: -l), 1 for all above 0; nDCG
            sees grades as they are.
    Returns:
        metric -> mean over the queries of `qrels`; with per_query, metric -> query id -> value. A query without a
        relevant passage counts as 0; a warning says how many there are, and the mean over the others.
    Raises:
        ValueError: a metric is unknown, there are no queries, ids are of different types, or a grade or a score is
            no number.

    >>> found = evaluate({"q": {"a": 3, "b": 1}}, {"q": {"b": 2.0, "c": 1.5, "a": 1.0}}, ["recall@2", "mrr", "ndcg@3"])
    >>> {metric: round(value, 3) for metric, value in found.items()}
    {'recall@2': 0.5, 'mrr': 1.0, 'ndcg@3': 0.689}

    Equal to pytrec_eval, and ndcg_exp to ranx' ndcg_burges.
    """
    wanted = {name: parse(name) for name in metrics}
    check_types(qrels, run)
    missing = [query for query in qrels if query not in run]
    if missing:
        warnings.warn(
            f"{len(missing)} of {len(qrels)} queries are not in the run and count as 0, the first is {missing[0]!r}",
            stacklevel=2,
        )
    lengths = np.array([len(run.get(query, ())) for query in qrels])
    deepest = max([1, *(k or int(lengths.max()) for _, k in wanted.values())])
    gains, ideal = grades(qrels, run, deepest)
    values = measure(wanted, gains, ideal, lengths, relevance_level)
    if per_query:
        return {name: dict(zip(qrels, x.tolist(), strict=True)) for name, x in values.items()}
    return _means(values, ideal, relevance_level)


def ndcg_by_chance(qrels: Qrels, num_passages: int, k: int = 10) -> float:
    """The mean nDCG@k of a search that knows nothing: all passages, in random order.

        each of the k places holds a passage drawn from N, so the expected DCG is (sum of grades / N) · Σ 1 / log2(rank + 1)

    Args:
        qrels: query id -> passage id -> grade.
        num_passages: N, how many are searched.
        k: places that count.
    Raises:
        ValueError: there is no query, or a query has more relevant passages than there are.
    """
    if not qrels or num_passages < max(len(judged) for judged in qrels.values()):
        raise ValueError(
            f"expected queries, and as many passages as are judged at least, got {len(qrels)}, {num_passages}"
        )
    discounts = 1 / np.log2(np.arange(2, min(k, num_passages) + 2))
    found = []
    for judged in qrels.values():
        gains = np.array(sorted((grade for grade in judged.values() if grade > 0), reverse=True), dtype=float)
        ideal = float((gains[: len(discounts)] * discounts[: len(gains)]).sum())
        found.append(gains.sum() / num_passages * discounts.sum() / ideal if ideal else 0.0)
    return float(np.mean(found))


def judged_only(qrels: Qrels, relevance_level: int = 1) -> dict[str, Mapping[str, int]]:
    """The judgements of those queries that have a relevant passage: no system can find one for the others."""
    return {
        query: judged
        for query, judged in qrels.items()
        if any(grade > 0 and (relevance_level == 1 or grade >= relevance_level) for grade in judged.values())
    }


def evaluate_ids(
    ids: ArrayLike,
    relevant_ids: ArrayLike,
    relevant_grades: ArrayLike | None = None,
    metrics: Sequence[str] = DEFAULT,
    per_query: bool = False,
    relevance_level: int = 1,
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
        per_query, relevance_level: as in `evaluate`.
    Returns:
        metric -> mean over the Q queries; with per_query, metric -> (Q,).
    Raises:
        ValueError: a metric is unknown, there are no queries, the shapes do not belong together, or
            a passage stands twice among the relevant ones of a query.

    Equal to `evaluate`, and so to pytrec_eval, where no two scores are equal.
    """
    wanted = {name: parse(name) for name in metrics}
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
    values = measure(wanted, gains, ideal, (found >= 0).sum(axis=1), relevance_level)
    return values if per_query else _means(values, ideal, relevance_level)


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
        ValueError: a score or a grade is NaN.
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
    if np.isnan(ideal).any():
        query = list(qrels)[int(np.isnan(ideal).any(axis=1).argmax())]
        raise ValueError(f"a grade of query {query!r} is NaN; leave the passage out if nobody judged it")
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


def check_types(qrels: Qrels, run: Run) -> None:
    """Refuse what can be compared only by mistake: 7 and "7" are two ids, "1" is no grade.

    Raises:
        ValueError: there are no queries, something is no dictionary, ids are of different types, or a grade or a
            score is no number.
    """
    for name, given, values in (("qrels", qrels, "grade"), ("run", run, "score")):
        inner: Iterable[Any] = given.values() if isinstance(given, Mapping) else [given]
        if wrong := [one for one in inner if not isinstance(one, Mapping)]:
            raise ValueError(f"{name} must be query id -> passage id -> {values}, got {type(wrong[0]).__name__} in it")
    if not qrels:
        raise ValueError("qrels holds no query; there is nothing to measure")
    _check_kinds("query", set(map(type, qrels)), set(map(type, run)))
    judged = set(map(type, chain.from_iterable(qrels.values())))
    _check_kinds("passage", judged, {type(next(iter(found))) for found in run.values() if found})
    for kind in set(map(type, chain.from_iterable(grade_of.values() for grade_of in qrels.values()))):
        if not issubclass(kind, (Real, np.bool_)):
            passage, grade = next(
                pair for grade_of in qrels.values() for pair in grade_of.items() if type(pair[1]) is kind
            )
            raise ValueError(f"the grade of passage {passage!r} is {grade!r}; a grade is a number")
    for query, grade_of in qrels.items():
        found = run.get(query, {})
        if not grade_of.keys() <= found.keys():  # only where one is missing can an id of another type hide
            _check_kinds("passage", judged, set(map(type, found)))
        try:
            sum(found.values())  # the quickest way to meet what is no number
        except TypeError as error:
            raise ValueError(f"the scores of query {query!r} must be numbers ({error})") from error


def _check_kinds(what: str, in_qrels: set[type], in_run: set[type]) -> None:
    """Refuse ids of more than one type; numpy's strings and integers are equal to Python's."""
    both = [{_kind(one) for one in types} for types in (in_qrels, in_run)]
    if len(both[0] | both[1]) > 1:
        named = [" and ".join(sorted(kinds)) for kinds in both]
        raise ValueError(
            f"{what} ids must be of one type, got {named[0]} in qrels and {named[1]} in the run; 7 and '7' are two ids, so "
            "turn all into str"
        )


def _kind(one: type) -> str:
    return "str" if issubclass(one, str) else "int" if issubclass(one, Integral) else one.__name__


def _means(values: dict[str, np.ndarray], ideal: np.ndarray, relevance_level: int) -> dict[str, Any]:
    """The mean of each metric; says how many queries no system can answer, and the mean without them."""
    best = ideal.max(axis=1, initial=0)
    has_relevant = np.asarray(best >= relevance_level if relevance_level > 1 else best > 0)
    Q, rest = len(has_relevant), int(has_relevant.sum())
    if rest < Q > 1:  # of a single query it is plain to see
        others = ", ".join(f"{name} {x[has_relevant].mean():.3f}" for name, x in values.items()) if rest else "none"
        warnings.warn(
            f"{Q - rest} of {Q} queries have no relevant passage and count as 0; over the other {rest}: {others} "
            "(judged_only(qrels) leaves them out)",
            stacklevel=3,
        )
    return {name: float(x.mean()) for name, x in values.items()}


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
