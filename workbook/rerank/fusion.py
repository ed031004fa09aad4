"""Fusion: several runs for the same queries become one.

Keyword search and dense search miss different passages, so together they find more than either.
Their scores cannot simply be added: BM25 gives 23.4 where a cosine gives 0.71. Three ways out: use
the ranks alone (`rrf`), bring the scores to one scale first (`score_fusion`), or train one model whose
scores belong together (`hybrid_scores`, as in BGE-M3).

Letters: R runs, Q queries, N passages. A run is query id -> passage id -> score; within one, equal
scores rank in the order in which the run holds them.

Taught in 16.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor

from workbook.support.checks import check_choice
from workbook.support.types import Run

Scores = Mapping[str, float]
Array = TypeVar("Array", np.ndarray, Tensor, float)

NORMS = ("min-max", "z-score")


def rrf(runs: Sequence[Run], k: int = 60, weights: Sequence[float] | None = None) -> Run:
    """Reciprocal rank fusion: only ranks count, so the scales of the scores do not matter.

        score(d) = sum_r  weight_r / (k + rank_r(d)),   ranks start at 1

    k says how much being first is worth: with k = 0 the first counts twice the second, with k = 60
    hardly more. A run that does not hold d adds nothing.

    Args:
        runs: R runs. A query that only some of them hold is fused from those; an empty result adds nothing.
        k: the larger, the more equal the ranks.
        weights: one for each run; 1 each by default. A run of weight 2 counts as if it stood there twice.
    Returns:
        run: every query and passage of any run, best first; of equal sums the passage of an earlier run comes first,
            and within a run the one of better rank.
    Raises:
        ValueError: there are no runs, k is negative, weights do not belong to them, or a score is not finite.

    Equal to ranx `fuse(method="rrf")`. Source: Cormack et al. 2009.
    """
    if not k >= 0:
        raise ValueError(f"k must be at least 0, got {k}; ranks start at 1, and 60 is the usual choice")
    return _add_up([{query: _reciprocal_ranks(scores, k) for query, scores in run.items()} for run in runs], weights)


def score_fusion(
    runs: Sequence[Run],
    weights: Sequence[float] | None = None,
    norm: str | None = "min-max",
    missing: str = "zero",
) -> Run:
    """Weighted sum of scores, brought to one scale query by query.

        score(d) = sum_r  weight_r · norm_r(s_r(d))

        min-max    norm(s) = (s - min) / (max - min)      from 0, the worst that was found, to 1, the best
        z-score    norm(s) = (s - mean) / deviation       0 is the average of what was found

    Keeps what `rrf` throws away, how far the first is ahead of the second, and with it the outliers.

    Args:
        runs: R runs. A query that only some of them hold is fused from those; an empty result adds nothing.
        weights: one for each run; 1 each by default.
        norm: "min-max", "z-score", or None for scores that share a scale already.
        missing: what a run gives to a passage that it did not find: "zero", or "lowest", its lowest
            normalized score for the query. Under z-score zero is the average, so that not being found
            is better than being found last: take "lowest" there.
    Returns:
        run: every query and passage of any run, best first; of equal sums the passage of an earlier run comes first,
            and within a run the one of better rank.
    Raises:
        ValueError: there are no runs, weights do not belong to them, a name is unknown, or a score is
            not finite.

    Where all scores of a query are equal, as when there is only one, each becomes 0. A range below 1e-9 counts as
    1e-9, so scores that differ by less do not reach 1.
    Equal to ranx `fuse(norm="min-max" or "zmuv", method="wsum")` with missing="zero". Source: Fox and Shaw 1994
    (CombSUM); Bruch et al. 2023.
    """
    if norm not in (*NORMS, None):
        raise ValueError(f"norm must be one of {', '.join(NORMS)} or None, got {norm!r}")
    check_choice("missing", missing, ("zero", "lowest"))
    normalized: list[Run] = [{query: _normalize(scores, norm) for query, scores in run.items()} for run in runs]
    if missing == "lowest":
        normalized = [_fill(run, normalized) for run in normalized]
    return _add_up(normalized, weights)


def hybrid_scores(
    dense: Array, sparse: Array, multi_vector: Array | None = None, weights: Sequence[float] = (0.4, 0.2, 0.4)
) -> Array:
    """BGE-M3's score: the weighted mean of three ways to compare a query with a passage.

        score = (w₁ · dense + w₂ · sparse + w₃ · multi_vector) / (w₁ + w₂ + w₃)

        dense          q · d of two vectors of length 1
        sparse         sum_w  q_w · d_w over the words that both texts hold
        multi_vector   mean over the query's tokens of the best match among the passage's tokens: a MaxSim
                       divided by the number of query tokens; the undivided sum would drown the other two

    One model is trained on all three, so its scores belong together and need no normalizing. All
    three must be known for every candidate: retrieve with one or two of them, then score with all.

    Args:
        dense, sparse, multi_vector: one shape, such as (Q, N), and one kind: arrays, tensors or numbers. Without
            multi_vector the mean is over the first two.
        weights: (w₁, w₂, w₃); 0.4, 0.2, 0.4 as in the model card's example. Only their proportion matters.
    Returns:
        the scores, in the shape of the inputs.
    Raises:
        ValueError: shapes differ, or the weights in use are negative or sum to 0.

    Equal to FlagEmbedding `compute_score`, modes "sparse+dense" and "colbert+sparse+dense".
    Source: Chen et al. 2024 (BGE-M3).
    """
    parts = [part for part in (dense, sparse, multi_vector) if part is not None]
    shapes = [tuple(getattr(part, "shape", ())) for part in parts]
    used = list(weights)[: len(parts)]
    if len(set(shapes)) > 1:
        raise ValueError(f"scores must have one shape, got {shapes}; score the same candidates in each way")
    if len(weights) != 3 or min(used) < 0 or not sum(used) > 0:
        raise ValueError(f"weights must be three numbers, none negative and not all 0, got {tuple(weights)}")
    total = parts[0] * used[0]
    for part, weight in zip(parts[1:], used[1:], strict=True):
        total = total + part * weight
    return total / sum(used)


def _reciprocal_ranks(scores: Scores, k: int) -> dict[str, float]:
    return {passage: 1 / (k + rank) for rank, passage in enumerate(_best_first(scores), start=1)}


def _normalize(scores: Scores, norm: str | None) -> dict[str, float]:
    _check(scores)
    if norm is None or not scores:
        return dict(scores)
    values = np.fromiter(scores.values(), dtype=np.float64, count=len(scores))
    if values.min() == values.max():  # their mean may differ from them by a rounding error
        values = np.zeros_like(values)
    elif norm == "min-max":
        values = (values - values.min()) / max(values.max() - values.min(), 1e-9)
    else:
        values = (values - values.mean()) / max(values.std(), 1e-9)
    return dict(zip(scores, values.tolist(), strict=True))


def _fill(run: Run, runs: Sequence[Run]) -> Run:
    """Give every passage that another run found the lowest score of this one; a query it lacks stays lacking."""
    filled: dict[str, dict[str, float]] = {}
    for query, scores in run.items():
        lowest = min(scores.values(), default=0.0)
        others = {passage: lowest for other in runs for passage in other.get(query, {})}
        filled[query] = {**scores, **{passage: s for passage, s in others.items() if passage not in scores}}
    return filled


def _add_up(runs: Sequence[Run], weights: Sequence[float] | None) -> Run:
    if not runs:
        raise ValueError("runs must hold at least one run, got none")
    weights = [1.0] * len(runs) if weights is None else list(weights)
    if len(weights) != len(runs) or not all(math.isfinite(weight) for weight in weights):
        raise ValueError(f"weights must be {len(runs)} finite numbers, one for each run, got {weights}")
    total: dict[str, dict[str, float]] = {}
    for run, weight in zip(runs, weights, strict=True):
        for query, scores in run.items():
            sums = total.setdefault(query, {})
            for passage in _best_first(scores):
                sums[passage] = sums.get(passage, 0.0) + weight * scores[passage]
    return {query: {passage: sums[passage] for passage in _best_first(sums)} for query, sums in total.items()}


def _best_first(scores: Scores) -> list[str]:
    _check(scores)
    return sorted(scores, key=scores.__getitem__, reverse=True)  # stable: equal scores keep their order


def _check(scores: Scores) -> None:
    for passage, score in scores.items():
        if not math.isfinite(score):
            raise ValueError(f"the score of passage {passage!r} is {score}; scores must be finite, find where it arose")
