"""What the depth of a reranker brings, from scores that are stored: the numbers of chapter 16's figures.

    curves_by_depth(qrels, run, scores, depths)      -> ceiling, reranked and first stage
    intervals_by_depth(qrels, run, scores, depths)   -> a reranker alone, with intervals
    own_list(query, found, scores, judged, names)    -> one query's candidates

All pairs are read once, and each depth takes what it needs from the stored scores.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from workbook.metrics import Interval, bootstrap_ci, evaluate
from workbook.metrics.ranking import ranked_ids
from workbook.rerank import ceiling, rerank
from workbook.support.checks import check_positive
from workbook.support.types import Qrels, Run

LONGEST = 44  # letters of a query


class Curves(NamedTuple):
    """Quality by depth: of a perfect judge, of the reranker, and of the same passages in the order of the first stage.

    Attributes:
        depths: ascending; the last one is all.
        ceiling, reranked, first: one value for each.
    """

    depths: Sequence[int]
    ceiling: Sequence[float]
    reranked: Sequence[float]
    first: Sequence[float]


class Own(NamedTuple):
    """One query's candidates.

    Attributes:
        query: its text.
        found: the candidates as the first stage orders them, best first.
        scores: candidate -> the reranker's score.
        right: those that are relevant, found or not.
        names: candidate -> what it is called.
    """

    query: str
    found: Sequence[str]
    scores: Mapping[str, float]
    right: Collection[str]
    names: Mapping[str, str]


class StoredScores:
    """A reranker that has read every pair already: texts are ids."""

    def __init__(self, scores: Run):
        self.scores = scores

    def predict(self, pairs: Sequence[tuple[str, str]], /) -> np.ndarray:
        """The score of each pair of a query's and a passage's name: (N,)."""
        return np.array([self.scores[query][passage] for query, passage in pairs])


def reranked_to(run: Run, scores: Run, depth: int) -> dict[str, dict[str, float]]:
    """The first passages of each query, by the scores of a reranker that are known: as `workbook.rerank.rerank`.

    Args:
        run: what was retrieved.
        scores: query -> passage -> the reranker's score, of all that may be read.
        depth: passages that are read of each query.
    """
    ids = {passage: passage for found in run.values() for passage in found}
    return rerank(StoredScores(scores), run, {query: query for query in run}, ids, depth)


def curves_by_depth(qrels: Qrels, run: Run, scores: Run, depths: Sequence[int], metric: str = "ndcg@10") -> Curves:
    """Quality at some depths, and where all are read: with stored scores, so that no pair is read twice.

    Args:
        qrels: query -> passage -> grade.
        run: what the first stage found.
        scores: query -> passage -> the reranker's score, of every candidate.
        depths: from 1; what is more than all is left out.
        metric: as in `evaluate`.
    """
    depths = _depths_of(run, depths)
    perfect, reranked, first = [], [], []
    for depth in depths:
        read = {query: {p: found[p] for p in ranked_ids(found, depth)} for query, found in run.items()}
        perfect.append(ceiling(qrels, run, depth, metric))
        reranked.append(float(evaluate(qrels, reranked_to(run, scores, depth), [metric])[metric]))
        first.append(float(evaluate(qrels, read, [metric])[metric]))
    return Curves(depths, perfect, reranked, first)


def intervals_by_depth(
    qrels: Qrels, run: Run, scores: Run, depths: Sequence[int], metric: str = "ndcg@10"
) -> dict[int, Interval]:
    """What a reranker reaches at some depths, and where all are read, with intervals over queries.

    Args:
        qrels, run, scores, depths, metric: as in `curves_by_depth`.
    """
    found = {}
    for depth in _depths_of(run, depths):
        values = evaluate(qrels, reranked_to(run, scores, depth), [metric], per_query=True)[metric]
        found[depth] = bootstrap_ci(list(values.values()))
    return found


def _depths_of(run: Run, depths: Sequence[int]) -> list[int]:
    """The depths below the longest list, and that of the longest list: all."""
    check_positive(depth=min(depths, default=1))
    longest = max(map(len, run.values()), default=0)
    check_positive(candidates=longest)
    return [*sorted({depth for depth in depths if depth < longest}), longest]


def own_list(
    query: str,
    found: Mapping[str, float],
    scores: Mapping[str, float],
    judged: Mapping[str, int],
    names: Mapping[str, str],
) -> Own:
    """The candidates of one query, in the order in which `evaluate` sees them.

    Args:
        query: its text.
        found: candidate -> the first stage's score.
        scores: candidate -> the reranker's score.
        judged: passage -> grade.
        names: passage -> what it is called, such as its title or its text.
    """
    right = [passage for passage, grade in judged.items() if grade > 0]
    order = ranked_ids(found, len(found))
    return Own(query, order, dict(scores), right, {p: names[p] for p in [*order, *right] if p in names})


def order_after(own: Own, depth: int) -> list[str]:
    """The candidates that were read, best first by the reranker; ties as in `evaluate`."""
    return ranked_ids({p: own.scores[p] for p in own.found[:depth]}, depth)


def told_of(own: Own, depth: int) -> str:
    """Where the best of the relevant passages stands before and after, in a sentence."""
    query = own.query if len(own.query) <= LONGEST else own.query[: LONGEST - 1] + "…"
    found = [p for p in own.found if p in own.right]
    new = {p: rank for rank, p in enumerate(order_after(own, depth), start=1)}
    read = [p for p in found if p in new]
    which = "the right one" if len(own.right) == 1 else f"the best of {len(own.right)} right ones"
    if not found:
        return f"“{query}”: " + ("nothing is relevant." if not own.right else "no right one was found.")
    if not read:
        return f"“{query}”: {which} stands at {own.found.index(found[0]) + 1} and is not read."
    best = min(read, key=lambda p: new[p])
    old = own.found.index(best) + 1
    way = (
        f"stays at {old}"
        if new[best] == old
        else f"{'rises' if new[best] < old else 'falls'} from {old} to {new[best]}"
    )
    return f"“{query}”: {which} {way}."
