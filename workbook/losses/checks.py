"""What the losses ask of their inputs before they count: shapes that belong together, numbers that make sense.

Letters: B texts in a batch, M explicit negatives of each query, D dimensions, Q queries, N passages of each.

Taught in 04.
"""

import torch
from torch import Tensor


def check_pair(a: Tensor, b: Tensor, temperature: float = 1.0) -> None:
    """Two tensors of one shape (B, D), with at least one row, and a temperature above zero.

    Raises:
        ValueError: they are not.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"expected two tensors of the same shape (B, D), got {tuple(a.shape)} and {tuple(b.shape)}")
    if len(a) == 0:
        raise ValueError(f"expected at least one pair, got {tuple(a.shape)}; a loss over nothing has no mean")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; if you have a scale, give 1 / scale")


def check_negatives(query: Tensor, negatives: Tensor) -> None:
    """Explicit negatives (B, M, D) that belong to query (B, D).

    Raises:
        ValueError: they do not.
    """
    B, D = query.shape
    if negatives.ndim != 3 or negatives.shape[0] != B or negatives.shape[2] != D:
        raise ValueError(
            f"negatives must be (B, M, D) = ({B}, M, {D}), got {tuple(negatives.shape)}; "
            "give M negatives for every query of the batch"
        )


def check_labels(scores: Tensor, labels: Tensor, ndim: int) -> Tensor:
    """Labels of the same shape as the scores they belong to, (B,) or (Q, N); back in the scores' dtype, without gradient.

    Raises:
        ValueError: the shapes differ.
    """
    if scores.ndim != ndim or labels.shape != scores.shape:
        raise ValueError(
            f"logits and labels must both be {'(B,)' if ndim == 1 else '(Q, N)'}, got {tuple(scores.shape)} and {tuple(labels.shape)}; "
            "give one label for each logit"
        )
    if scores.numel() == 0:
        raise ValueError(f"expected at least one score, got {tuple(scores.shape)}; a loss over nothing has no mean")
    return labels.detach().to(scores.dtype)


def check_mask(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Which of the scores (Q, N) are there, as booleans; all of them where mask is None.

    Raises:
        ValueError: the shapes differ, or a query has no passage at all.
    """
    if mask is None:
        return torch.ones_like(scores, dtype=torch.bool)
    if mask.shape != scores.shape:
        raise ValueError(
            f"mask must be (Q, N) = {tuple(scores.shape)} to match the scores, got {tuple(mask.shape)}; "
            "1 is a passage, 0 is a place that only fills the row"
        )
    if not mask.bool().any(dim=1).all():
        row = int((~mask.bool().any(dim=1)).nonzero()[0])
        raise ValueError(f"every query needs a passage, query {row} has none; leave it out of the batch")
    return mask.bool()
