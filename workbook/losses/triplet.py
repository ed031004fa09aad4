"""Triplet losses: the positive must be nearer than the negative, by a margin; beyond it nothing is asked.

Letters: B texts in a batch, D dimensions. Distance is Euclidean.

Taught in 04.
"""

import torch
from torch import Tensor

from workbook.losses.checks import check_pair
from workbook.similarity import euclidean_sim


def triplet_loss(query: Tensor, positive: Tensor, negative: Tensor, margin: float = 5.0) -> Tensor:
    """Triplet loss: the positive must be nearer than the negative, by a margin.

        loss = mean_i  max(0, |q_i - p_i| - |q_i - n_i| + margin)

    Once the margin is kept the gradient is zero: unlike InfoNCE it stops looking.

    Args:
        query, positive, negative: (B, D).
        margin: in units of Euclidean distance; above 2 it can never be kept by vectors of length 1.
    Returns:
        the mean loss, a scalar.
    Raises:
        ValueError: shapes differ, the batch is empty, or margin is not positive.

    Relations: equal to sentence-transformers `TripletLoss` with Euclidean distance.
    Source: Schroff et al. 2015 (FaceNet).
    """
    query, positive = check_pair(query, positive)
    query, negative = check_pair(query, negative)
    _check_margin(margin)
    return (_distance(query, positive) - _distance(query, negative) + margin).clamp(min=0).mean()


def batch_hard_triplet_loss(embeddings: Tensor, labels: Tensor, margin: float = 5.0) -> Tensor:
    """Batch-hard triplet loss: of each text its farthest fellow and its nearest stranger make the triplet.

        loss = mean_i  max(0, max_{j: same class} |x_i - x_j|  -  min_{j: other class} |x_i - x_j|  +  margin)

    The batch finds its own hard negatives, so it needs several classes of several texts each. A text without a fellow
    counts as one with a fellow at distance 0; one without a stranger costs nothing.

    Args:
        embeddings: (B, D).
        labels: (B,), the class of each text. For pairs give `torch.cat([query, positive])` and the classes twice.
        margin: in units of Euclidean distance.
    Returns:
        the mean over the batch, a scalar.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, or margin is not positive.

    Relations: equal to sentence-transformers `BatchHardTripletLoss`.
    Source: Hermans et al. 2017.
    """
    embeddings, _ = check_pair(embeddings, embeddings)
    _check_margin(margin)
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must be (B,) = ({len(embeddings)},), a class for each, got {tuple(labels.shape)}")
    same = labels[:, None] == labels  # (B, B)
    distance = -euclidean_sim(embeddings, embeddings)  # (B, B)
    farthest_fellow = distance.masked_fill(~same, 0.0).amax(dim=1)  # (B,); a text is its own fellow at distance 0
    nearest_stranger = distance.masked_fill(same, float("inf")).amin(dim=1)
    return (farthest_fellow - nearest_stranger + margin).clamp(min=0).mean()


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of each row of a to its row of b: (B,)."""
    distance: Tensor = torch.linalg.vector_norm(a - b, dim=1)
    return distance


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}; with 0 two equal distances already cost nothing")
