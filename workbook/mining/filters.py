"""False negatives: candidates that look like negatives and are answers nobody has labelled.

The better a retriever, the more of what it ranks first is right. To train against a right answer
teaches a mistake, so candidates are judged before they are used: against the score of the positive
(margins), against fixed bounds, or by a better reader (a cross-encoder, a language model). Each
filter is one line; `filter_report` counts its mistakes where the truth is known.

Letters: Q queries, K candidates of a query.

Taught in 09.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from workbook.mining.candidates import Candidates
from workbook.rerank import score_pairs
from workbook.similarity import Run
from workbook.support.types import Qrels

PAIRS_AT_A_TIME = 4_096  # that a cross-encoder is asked about in one call


def keeps_absolute_margin(scores: Tensor, positive_scores: Tensor, margin: float) -> Tensor:
    """Keep a candidate that scores below the positive by at least a margin.

        score + margin ≤ positive

    With a margin of 0: keep what does not beat the positive.

    Args:
        scores: (Q, K).
        positive_scores: (Q,), of the hardest positive of each query.
        margin: in units of the score.
    Returns:
        (Q, K) bool, True where the candidate is kept.
    Raises:
        ValueError: the shapes do not belong together, or a positive has no score.

    Source: Moreira et al. 2024 (NV-Retriever, TopK-MarginPos).
    """
    _check_scores(scores, positive_scores)
    return scores + margin <= positive_scores[:, None]


def keeps_relative_margin(scores: Tensor, positive_scores: Tensor, margin: float) -> Tensor:
    """Keep a candidate that scores below the positive by at least a share of the positive's score.

        score ≤ positive - |positive| · margin

    The absolute value is there for negative scores: (1 - margin) · positive would lie above them.

    Args:
        scores: (Q, K).
        positive_scores: (Q,), of the hardest positive of each query.
        margin: a share, such as 0.05 for "at most 95 % of the positive".
    Returns:
        (Q, K) bool, True where the candidate is kept.
    Raises:
        ValueError: the shapes do not belong together, or a positive has no score.

    Source: Moreira et al. 2024 (NV-Retriever, TopK-PercPos).
    """
    _check_scores(scores, positive_scores)
    return scores <= (positive_scores - positive_scores.abs() * margin)[:, None]


def keeps_within(scores: Tensor, min_score: float | None = None, max_score: float | None = None) -> Tensor:
    """Keep a candidate whose score lies between two fixed bounds, whatever its positive scores.

        min_score ≤ score ≤ max_score

    Args:
        scores: (Q, K).
        min_score, max_score: None for no bound.
    Returns:
        (Q, K) bool, True where the candidate is kept.
    """
    kept = torch.ones_like(scores, dtype=torch.bool)
    if min_score is not None:
        kept &= scores >= min_score
    if max_score is not None:
        kept &= scores <= max_score
    return kept


def reread(found: Candidates, cross_encoder: Any, queries: Mapping[str, str], corpus: Mapping[str, str]) -> Candidates:
    """Score candidates and positives anew with a model that reads query and passage together.

    Every filter then judges by a better reader than the one that searched: cross-encoder verification.
    A language model that answers 1 for "this is an answer" and 0 for "it is not" does as well, with
    max_score 0.5.

    Args:
        found: what a search returned.
        cross_encoder: anything with predict([(query, passage), …]) -> one score for each pair.
        queries, corpus: the texts.
    Returns:
        the same candidates with the new scores, best first.
    Raises:
        ValueError: the number of scores is not that of the pairs, or a score is NaN.

    Source: Qu et al. 2021 (RocketQA, denoised hard negatives).
    """
    asked = [queries[query_id] for query_id in found.query_ids]

    def text(row: int) -> str:
        return corpus[found.passage_ids[row]]

    scores = torch.full_like(found.scores, float("-inf"))
    pairs = (
        (asked[i], text(row))
        for i, row in zip(found.possible.nonzero()[:, 0].tolist(), found.rows[found.possible].tolist(), strict=True)
    )
    scores[found.possible] = _predict(cross_encoder, pairs).to(scores)
    positive_scores = torch.full_like(found.positive_scores, float("inf"))
    own = ((query, text(row)) for query, positives in zip(asked, found.positives, strict=True) for row in positives)
    there = torch.arange(positive_scores.shape[1]) < torch.tensor([len(x) for x in found.positives])[:, None]
    positive_scores[there.to(scores.device)] = _predict(cross_encoder, own).to(scores)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    return replace(
        found,
        rows=found.rows.gather(1, order),
        scores=scores,
        possible=found.possible.gather(1, order),
        positive_scores=positive_scores,
    )


def _predict(cross_encoder: Any, pairs: Iterator[tuple[str, str]]) -> Tensor:
    scores: list[float] = []
    while some := list(islice(pairs, PAIRS_AT_A_TIME)):
        scores += score_pairs(cross_encoder, some)
    return torch.tensor(scores)


def filter_report(candidates: Run, kept: Run, truth: Qrels) -> dict[str, float]:
    """How well a filter told false negatives from true ones, where the truth is known.

        precision = false negatives removed / removed
        recall    = false negatives removed / false negatives

    Args:
        candidates: query id -> passage id -> score before the filter; `Candidates.run` makes it.
        kept: the same after the filter.
        truth: query id -> passage id -> grade, complete. A grade above 0 makes a candidate a false negative.
    Returns:
        candidates, false negatives, removed: counts; precision, recall; `left`, the share of false
        negatives among the kept; `lost`, the share of true negatives that were removed. NaN where
        nothing can be divided.
    Raises:
        ValueError: something was kept that was no candidate.
    """
    before = {(query_id, passage_id) for query_id, found in candidates.items() for passage_id in found}
    after = {(query_id, passage_id) for query_id, found in kept.items() for passage_id in found}
    if not after <= before:
        raise ValueError(
            f"kept holds {sorted(after - before)[0]}, which is no candidate; give the run before the filter"
        )
    false = {
        (query_id, passage_id) for query_id, passage_id in before if truth.get(query_id, {}).get(passage_id, 0) > 0
    }
    removed = before - after
    return {
        "candidates": len(before),
        "false negatives": len(false),
        "removed": len(removed),
        "precision": _share(len(removed & false), len(removed)),
        "recall": _share(len(removed & false), len(false)),
        "left": _share(len(after & false), len(after)),
        "lost": _share(len(removed - false), len(before - false)),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _check_scores(scores: Tensor, positive_scores: Tensor) -> None:
    if scores.ndim != 2 or positive_scores.shape != scores.shape[:1]:
        raise ValueError(
            f"expected scores (Q, K) and positive_scores (Q,), got {tuple(scores.shape)} and "
            f"{tuple(positive_scores.shape)}; of several positives give the lowest score"
        )
    if positive_scores.isnan().any():
        raise ValueError(
            f"the positive of query number {int(positive_scores.isnan().nonzero()[0])} has no score, so no margin can "
            "be kept from it; mine from a run that holds the positives, or give a cross_encoder"
        )
