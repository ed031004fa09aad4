"""Matryoshka: one loss at several sizes of the vector, so that its first dimensions are a good vector too.

Taught in 13.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from workbook.similarity import truncate
from workbook.support.precision import at_least_float32

Loss = Callable[..., Tensor]


def matryoshka_loss(
    loss: Loss, matryoshka_dims: Sequence[int], matryoshka_weights: Sequence[float] | None = None
) -> Loss:
    """Make of a loss one that sums it over truncated embeddings.

        loss'(x, …) = sum_k  weight_k · loss(truncate(x, dim_k), …)

    Nothing else tells the model to put what matters first: a loss of cosines stays the same when all vectors are
    turned, so which dimension holds what is left to chance. Truncated vectors are normalized again. A dimension is
    reached by the loss of each size above it, the first ones by all.

    Args:
        loss: any loss on embeddings.
        matryoshka_dims: the sizes, each at most D. Leave out D, and the full vector is not trained.
        matryoshka_weights: one for each size; all 1 by default.
    Returns:
        a loss of the same arguments. Positional arguments are embeddings (..., D) and are truncated; what is
        given by name (temperature, labels, a guide's embeddings) is passed on as it is.
    Raises:
        ValueError: there is no size, a size is below 1 or above D, there are not as many weights, or
            no argument is positional.

    Relations: equal to sentence-transformers `MatryoshkaLoss`, which normalizes the full size too.
    Source: Kusupati et al. 2022.
    """
    dims = tuple(matryoshka_dims)
    weights = (1.0,) * len(dims) if matryoshka_weights is None else tuple(matryoshka_weights)
    if not dims or min(dims) < 1:
        raise ValueError(f"matryoshka_dims must hold at least one size, all 1 or more, got {dims}")
    if len(weights) != len(dims):
        raise ValueError(f"matryoshka_weights must hold one weight for each of {dims}, got {weights}")
    return functools.partial(_sum_over_sizes, loss, dims, weights)


def _sum_over_sizes(
    loss: Loss, dims: tuple[int, ...], weights: tuple[float, ...], *embeddings: Tensor, **others: Any
) -> Tensor:
    if not embeddings:
        raise ValueError("give the embeddings by position, as loss(query, positive): what has a name is not truncated")
    D = min(x.shape[-1] for x in embeddings)
    if max(dims) > D:
        raise ValueError(f"matryoshka_dims must be at most D = {D}, the size of the embeddings, got {dims}")
    full = [at_least_float32(x) for x in embeddings]
    losses = [w * loss(*(truncate(x, d) for x in full), **others) for d, w in zip(dims, weights, strict=True)]
    return functools.reduce(Tensor.add, losses)
