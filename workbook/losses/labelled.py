"""Labelled pairs: how alike two texts are, by a yes or no or on a scale.

Letters: B pairs in a batch, D dimensions. Similarity is the cosine, so inputs need not be normalized.

Taught in 12.
"""

import math

import torch
from torch import Tensor

from workbook.losses.checks import check_pair, check_range
from workbook.similarity import normalize


def contrastive_loss(a: Tensor, b: Tensor, labels: Tensor, margin: float = 0.5) -> Tensor:
    """Contrastive loss: pairs that belong together are pulled to distance 0, others pushed until a margin is between them.

        loss = mean_i  ½ · ( label_i · d_i²  +  (1 - label_i) · max(0, margin - d_i)² ),   d_i = 1 - cos(a_i, b_i)

    Each pair is judged alone, where InfoNCE asks which of many is nearest.

    Args:
        a, b: (B, D); row i of one belongs to row i of the other.
        labels: (B,), 1 for a pair that belongs together, 0 for one that does not; in between, both parts count in
            that proportion.
        margin: a distance; pairs that do not belong together and are further apart cost nothing.
    Returns:
        the mean over the batch, a scalar.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, a label is outside [0, 1], or margin is not
            positive.

    Relations: equal to sentence-transformers `ContrastiveLoss` with its default, the cosine distance.
    Source: Hadsell et al. 2006.
    """
    a, b = check_pair(a, b)
    labels = _labels(a, labels, 0, 1, "1 is a pair that belongs together, 0 is none")
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}; with 0 nothing would be pushed apart")
    distance = 1 - _cosines(a, b)  # (B,)
    pull, push = distance.square(), (margin - distance).clamp(min=0).square()
    return 0.5 * (labels * pull + (1 - labels) * push).mean()


def cosine_similarity_loss(a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
    """Cosine similarity loss: the cosine of a pair shall be its label.

        loss = mean_i  (cos(a_i, b_i) - label_i)²

    The value itself is asked for, so grades from 0 to 5 must be brought into the range of a cosine first.
    `cosent` asks for their order alone.

    Args:
        a, b: (B, D); row i of one belongs to row i of the other.
        labels: (B,), how alike they are, in the range of a cosine; most often from 0 to 1.
    Returns:
        the mean over the batch, a scalar.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, or a label is not between -1 and 1.

    Relations: equal to sentence-transformers `CosineSimilarityLoss`.
    Source: Reimers and Gurevych 2019.
    """
    a, b = check_pair(a, b)
    labels = _labels(a, labels, -1, 1, "divide grades by the highest one, or ask for their order alone, by cosent")
    return (_cosines(a, b) - labels).square().mean()


def cosent(a: Tensor, b: Tensor, labels: Tensor, temperature: float = 0.05) -> Tensor:
    """CoSENT: a pair with a higher label shall have the higher cosine.

        loss = log( 1 + sum_{labels_i > labels_j}  exp((s_j - s_i) / temperature) ),   s_i = cos(a_i, b_i)

    Every two pairs of different labels are compared. The labels themselves are not: 1, 2, 3 and 0, 0.5, 10
    ask for the same, where `cosine_similarity_loss` would not. Spearman's correlation, by which such models are
    judged, does not look at them either.

    Args:
        a, b: (B, D); row i of one belongs to row i of the other.
        labels: (B,), how alike they are, on any scale.
        temperature: divides the cosines; its inverse is called `scale` elsewhere.
    Returns:
        a scalar; 0 where all labels are equal. Memory is B² numbers.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, a label is NaN, or temperature is not
            positive.

    Relations: equal to sentence-transformers `CoSENTLoss`. The sum, not the mean, of the comparisons stands
    in the logarithm, so a larger batch has a larger loss.
    Source: Su 2022.
    """
    a, b = check_pair(a, b, temperature)
    labels = _labels(a, labels, -math.inf, math.inf, "leave the pair out")
    s = _cosines(a, b) / temperature  # (B,)
    wrong_way = (s[None, :] - s[:, None])[labels[:, None] > labels[None, :]]  # s_j - s_i where i should be above j
    return torch.cat([s.new_zeros(1), wrong_way]).logsumexp(dim=0)  # exp(0) is the 1


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Of each row of a with its row of b: (B, D), (B, D) -> (B,)."""
    return (normalize(a) * normalize(b)).sum(dim=1)


def _labels(a: Tensor, labels: Tensor, low: float, high: float, advice: str) -> Tensor:
    """One for each row of a, in its dtype and without gradient."""
    if labels.shape != a.shape[:1]:
        raise ValueError(f"labels must be (B,) = ({len(a)},), one for each pair, got {tuple(labels.shape)}")
    check_range(labels, low, high, advice)
    return labels.detach().to(a.dtype)
