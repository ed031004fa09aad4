"""The shape of an embedding space in two numbers: are pairs close, and is the sphere used?

Letters: B pairs, N vectors, D dimensions. Both numbers are losses, in float32
or more: lower is better.

Taught in 04.
"""

import math

import torch
from torch import Tensor

from workbook.similarity import normalize
from workbook.support.precision import at_least_float32


def alignment(x: Tensor, y: Tensor, alpha: float = 2.0) -> Tensor:
    """How far apart the two sides of a pair are, on average.

        alignment = mean_i |x_i - y_i| ** alpha

    0 when every pair coincides; 2 for random directions with alpha = 2; 4 at most.

    Args:
        x, y: (B, D), the two sides; normalized here.
        alpha: exponent of the distance.
    Returns:
        a scalar.
    Raises:
        ValueError: shapes differ.

    Source: Wang and Isola 2020.
    """
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"expected two tensors of the same shape (B, D), got {tuple(x.shape)} and {tuple(y.shape)}")
    x, y = normalize(at_least_float32(x)), normalize(at_least_float32(y))
    distance: Tensor = torch.linalg.vector_norm(x - y, dim=1)  # (B,)
    return distance.pow(alpha).mean()


def uniformity(x: Tensor, t: float = 2.0) -> Tensor:
    """How evenly vectors spread over the sphere.

        uniformity = log mean_{i<j} exp(-t |x_i - x_j|²)

    0 when all vectors coincide; about -4 for vectors spread evenly over a sphere of many dimensions.

    Args:
        x: (N, D) with N of at least 2; normalized here.
        t: how fast the kernel falls with distance.
    Returns:
        a scalar.
    Raises:
        ValueError: fewer than two vectors.

    Source: Wang and Isola 2020.
    """
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"expected (N, D) with at least two vectors, got {tuple(x.shape)}; one vector has no spread")
    squared_distance = torch.pdist(normalize(at_least_float32(x))).pow(2)  # (N (N - 1) / 2,)
    return squared_distance.mul(-t).logsumexp(dim=0) - math.log(len(squared_distance))
