"""False negatives: candidates that look like negatives and are answers nobody has labelled.

The better a retriever, the more of what it ranks first is right. To train against a right answer
teaches a mistake, so candidates are judged before they are used: against the score of the positive
(margins), against fixed bounds, or by a better reader (a cross-encoder, a language model).
`is_kept` is all the filters for one candidate; below it each is one line for all candidates of all
queries. `filter_report` counts the mistakes of a filter where the truth is known.

Letters: Q queries, K candidates of a query.

Taught in 09.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from workbook.mining.candidates import Candidates
from workbook.rerank.pipeline import score_pairs
from workbook.support.types import Corpus, Qrels, Queries, Reranker, Run


def is_kept(
    score: float,
    positive_score: float,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
) -> bool:
    """All filters for one candidate: is it far enough below the positive, and within the bounds?

    Args:
        score: of the candidate.
        positive_score: of the hardest positive of its query.
        absolute_margin, relative_margin: see `keeps_absolute_margin` and `keeps_relative_margin`; None for none.
        max_score, min_score: see `keeps_within`.
    """
    return (
        (absolute_margin is None or score + absolute_margin <= positive_score)
        and (relative_margin is None or score <= positive_score - abs(positive_score) * relative_margin)
        and (max_score is None or score <= max_score)
        and (min_score is None or score >= min_score)
    )


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
    lowest = float("-inf") if min_score is None else min_score
    highest = float("inf") if max_score is None else max_score
    return (lowest <= scores) & (scores <= highest)


FILTERS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {  # name -> (scores, positive_scores, setting)
    "absolute_margin": keeps_absolute_margin,
    "relative_margin": keeps_relative_margin,
    "max_score": lambda scores, _, bound: keeps_within(scores, max_score=bound),
    "min_score": lambda scores, _, bound: keeps_within(scores, min_score=bound),
}


def apply_filters(found: Candidates, **settings: float | None) -> tuple[Tensor, dict[str, int]]:
    """Which candidates pass the filters of `mine_hard_negatives`, and how many each removed.

    Args:
        found: the candidates.
        settings: any of `FILTERS`, which work in that order; None leaves one out.
    Returns:
        kept (Q, K) bool, and a count for each filter.
    Raises:
        TypeError: there is no such filter.
    """
    if unknown := settings.keys() - FILTERS.keys():
        raise TypeError(f"there is no filter {', '.join(sorted(unknown))}; expected {', '.join(FILTERS)}")
    kept, counts = found.possible, {}
    for name, keeps in FILTERS.items():
        setting = settings.get(name)
        if setting is not None:
            still = kept & keeps(found.scores, found.hardest_positive, setting)
            counts[f"removed by {name}"] = int(kept.sum() - still.sum())
            kept = still
    return kept, counts


def score_with_cross_encoder(
    found: Candidates, cross_encoder: Reranker, queries: Queries, corpus: Corpus
) -> Candidates:
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
    positives = [row for rows in found.positives for row in rows]

    def read(places: Tensor, rows: list[int]) -> Tensor:  # the new scores of the places (Q, …) that hold a passage
        asked = (queries[found.query_ids[i]] for i in places.nonzero()[:, 0].tolist())
        passages = (corpus[found.passage_ids[row]] for row in rows)
        return torch.tensor(score_pairs(cross_encoder, zip(asked, passages, strict=True))).to(found.scores)

    scores = torch.full_like(found.scores, float("-inf"))
    scores[found.possible] = read(found.possible, found.rows[found.possible].tolist())
    positive_scores = found.positive_scores.clone()
    counts = torch.tensor([len(rows) for rows in found.positives])
    filled = (torch.arange(positive_scores.shape[1]) < counts[:, None]).to(scores.device)  # (Q, P)
    positive_scores[filled] = read(filled, positives).to(positive_scores)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    return replace(
        found,
        rows=found.rows.gather(1, order),
        scores=scores,
        possible=found.possible.gather(1, order),
        positive_scores=positive_scores,
    )


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


def count_filter(kept: Tensor, possible: Tensor, false: Tensor) -> dict[str, float]:
    """The three numbers of `filter_report` that judge a filter, from tables in place of runs.

        precision = false negatives removed / removed
        recall    = false negatives removed / false negatives
        lost      = true negatives removed / true negatives

    Args:
        kept: (Q, K) bool, what a filter keeps.
        possible: (Q, K) bool, the candidates; nothing else counts.
        false: (Q, K) bool, those of them that are right.
    Returns:
        precision, recall and lost, pooled over all queries; NaN where nothing can be divided.
    """
    removed = possible & ~kept
    shares = {
        "precision": (removed & false, removed),
        "recall": (removed & false, possible & false),
        "lost": (removed & ~false, possible & ~false),
    }
    return {name: _share(int(part.sum()), int(whole.sum())) for name, (part, whole) in shares.items()}


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
