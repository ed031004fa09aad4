"""CoSENT: graded pairs, of which only the order is to be learned.

Letters: B pairs in a batch, D dimensions.

Taught in 12.
"""

import torch
from torch import Tensor

from workbook.losses.checks import check_pair
from workbook.similarity import normalize


def cosent(a: Tensor, b: Tensor, labels: Tensor, temperature: float = 0.05) -> Tensor:
    """CoSENT: a pair with a higher label shall have the higher cosine.

        loss = log( 1 + sum_{labels_i > labels_j}  exp((s_j - s_i) / temperature) ),   s_i = cos(a_i, b_i)

    Every two pairs of different labels are compared. The labels themselves are not: 1, 2, 3 and 0, 0.5, 10
    ask for the same, where a loss that regresses the cosine on the label would not. Spearman's correlation,
    by which such models are judged, does not look at them either.

    Args:
        a, b: (B, D); row i of one belongs to row i of the other.
        labels: (B,), how alike they are, on any scale.
        temperature: divides the cosines; its inverse is called `scale` elsewhere.
    Returns:
        a scalar; 0 where all labels are equal. Memory is B² numbers.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, or temperature is not positive.

    Relations: equal to sentence-transformers `CoSENTLoss`. The sum, not the mean, of the comparisons stands
    in the logarithm, so a larger batch has a larger loss.
    Source: Su 2022.
    """
    check_pair(a, b, temperature)
    if labels.shape != a.shape[:1]:
        raise ValueError(f"labels must be (B,) = ({len(a)},), one for each pair, got {tuple(labels.shape)}")
    s = (normalize(a) * normalize(b)).sum(dim=1) / temperature  # (B,)
    wrong_way = (s[None, :] - s[:, None])[labels[:, None] > labels[None, :]]  # s_j - s_i where i should be above j
    return torch.cat([s.new_zeros(1), wrong_way]).logsumexp(dim=0)  # exp(0) is the 1
