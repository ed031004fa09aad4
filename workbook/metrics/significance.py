"""How sure can you be of a difference? Intervals by bootstrap, p-values by permutation.

Both work on one value per query, and make no assumption about how the values are distributed.

Taught in 03.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_ci(
    values: ArrayLike | Sequence[float], confidence: float = 0.95, num_resamples: int = 2_000, seed: int = 0
) -> Interval:
    """The mean of one value per query, and the interval in which it would fall for other queries like these.

    Draw as many queries as there are, with replacement, and take the mean; do that many times. The
    middle 95 % of the means are the interval (the percentile bootstrap).

    Args:
        values: (Q,), one value per query; give differences to compare two systems.
        confidence: share of the means inside the interval.
        num_resamples: how many times to draw.
        seed: of the drawing.
    Returns:
        mean, low, high.
    Raises:
        ValueError: no values, a NaN among them, or a confidence outside (0, 1).

    Source: Efron 1979; Sakai 2006 for retrieval.
    """
    x = _values(values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}; 95 % is 0.95")
    generator = np.random.default_rng(seed)
    means = np.empty(num_resamples)
    chunk = max(1, 2_000_000 // len(x))  # bounds the memory of the drawn indices
    for start in range(0, num_resamples, chunk):
        size = min(chunk, num_resamples - start)
        means[start : start + size] = x[generator.integers(0, len(x), size=(size, len(x)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(x.mean()), float(low), float(high))


def paired_permutation_test(a: ArrayLike, b: ArrayLike, num_permutations: int = 10_000, seed: int = 0) -> float:
    """How often would chance alone make a difference as large as the one between a and b?

    If the two systems were equal, each query's difference could as well have the other sign. Flip the
    signs at random, many times, and count how often the mean is at least as far from zero. With few
    queries all sign patterns are counted instead.

    Args:
        a, b: (Q,), one value per query, in the same order of queries.
        num_permutations: how many random flips.
        seed: of the flipping.
    Returns:
        the two-sided p-value, never 0.
    Raises:
        ValueError: different lengths, no values, or a NaN among them.

    Source: Fisher 1935; Smucker et al. 2007 for retrieval.
    """
    x, y = _values(a), _values(b)
    if len(x) != len(y):
        raise ValueError(f"a and b must hold one value per query each, in the same order, got {len(x)} and {len(y)}")
    difference = x - y
    observed = abs(difference.sum()) - 1e-12  # equal sums count as equal whatever the rounding
    Q = len(difference)
    if num_permutations >= 2**Q:
        signs = 1 - 2 * ((np.arange(2**Q)[:, None] >> np.arange(Q)) & 1)  # (2^Q, Q), every pattern once
        return float((np.abs(signs @ difference) >= observed).mean())
    generator = np.random.default_rng(seed)
    as_far = 0
    chunk = max(1, 4_000_000 // Q)
    for start in range(0, num_permutations, chunk):
        flips = generator.integers(0, 2, size=(min(chunk, num_permutations - start), Q), dtype=np.int8)
        as_far += int((np.abs((1 - 2 * flips) @ difference) >= observed).sum())
    return (as_far + 1) / (num_permutations + 1)  # the observed pattern is one of those that could have been drawn


def _values(values: ArrayLike | Sequence[float]) -> np.ndarray:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or np.isnan(x).any():
        raise ValueError(
            f"expected one number per query, got shape {x.shape}{' with NaN' if np.isnan(x).any() else ''}; "
            "a query without a result counts as 0"
        )
    return x
