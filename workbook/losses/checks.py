"""What the losses ask of their inputs before they count: shapes that belong together, numbers that make sense.

Letters: B texts in a batch, M explicit negatives of each query, D dimensions, Q queries, N passages of each.

Taught in 04.
"""

import math

import torch
from torch import Tensor

from workbook.support.precision import at_least_float32

LARGEST = torch.finfo(torch.float32).max  # the upper end of a range without infinity


def check_pair(a: Tensor, b: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Two tensors of one shape (B, D), with at least one row, and a temperature above zero; back in float32 or more.

    Raises:
        ValueError: they are not.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"expected two tensors of the same shape (B, D), got {tuple(a.shape)} and {tuple(b.shape)}")
    if len(a) == 0:
        raise ValueError(f"expected at least one pair, got {tuple(a.shape)}; a loss over nothing has no mean")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; if you have a scale, give 1 / scale")
    return at_least_float32(a), at_least_float32(b)


def check_negatives(query: Tensor, negatives: Tensor) -> Tensor:
    """Explicit negatives (B, M, D) that belong to query (B, D); back in float32 or more.

    Raises:
        ValueError: they do not.
    """
    B, D = query.shape
    if negatives.ndim != 3 or negatives.shape[0] != B or negatives.shape[2] != D:
        raise ValueError(
            f"negatives must be (B, M, D) = ({B}, M, {D}), got {tuple(negatives.shape)}; "
            "give M negatives for every query of the batch"
        )
    return at_least_float32(negatives)


def check_labels(
    scores: Tensor,
    labels: Tensor,
    ndim: int,
    mask: Tensor | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    advice: str = "find where it arose",
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (B,) or (Q, N), their labels, and which of the places hold a passage.

    Args:
        scores: the logits.
        labels: of the same shape.
        ndim: 1 for (B,), 2 for (Q, N).
        mask: of the same shape, 1 = passage; None where all are. What stands in other places is not looked at.
        low, high, advice: as in `check_range`, for the labels of passages.
    Returns:
        scores in float32 or more; labels in their dtype, without gradient, 0 where there is no passage; the mask
        as booleans.
    Raises:
        ValueError: the shapes differ, there are no scores, a query has no passage, or a label is out of range.
    """
    if scores.ndim != ndim or labels.shape != scores.shape:
        raise ValueError(
            f"logits and labels must both be {'(B,)' if ndim == 1 else '(Q, N)'}, got {tuple(scores.shape)} and {tuple(labels.shape)}; "
            "give one label for each logit"
        )
    if scores.numel() == 0:
        raise ValueError(f"expected at least one score, got {tuple(scores.shape)}; a loss over nothing has no mean")
    passage = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.bool()
    if passage.shape != scores.shape:
        raise ValueError(
            f"mask must be (Q, N) = {tuple(scores.shape)} to match the scores, got {tuple(passage.shape)}; "
            "1 is a passage, 0 is a place that only fills the row"
        )
    if mask is not None:
        check_passages(passage)
    scores = at_least_float32(scores)
    labels = labels.detach().to(scores.dtype).masked_fill(~passage, 0.0)
    check_range(labels, low, high, advice)
    return scores, labels, passage


def check_range(labels: Tensor, low: float, high: float, advice: str) -> None:
    """No label is NaN, below `low` or above `high`; high=LARGEST refuses plus infinity alone.

    Raises:
        ValueError: one is; the message names it and ends in the advice.
    """
    wrong = ~((labels >= low) & (labels <= high))  # NaN is in no range
    if is_true(wrong.any()):
        place, number = wrong.nonzero()[0].tolist(), labels[wrong][0].item()
        raise ValueError(f"labels must lie in [{low:g}, {high:g}], labels{place} is {number:g}; {advice}")


def check_passages(there: Tensor) -> None:
    """Each row of (Q, N) has a passage.

    Raises:
        ValueError: one has none.
    """
    none = ~there.any(dim=1)
    if is_true(none.any()):
        raise ValueError(
            f"every query needs a passage, query {int(none.nonzero()[0])} has none; leave it out of the batch"
        )


def is_true(condition: Tensor) -> bool:
    """What a check reads out of a tensor; an accelerator is waited for."""
    return bool(condition)
