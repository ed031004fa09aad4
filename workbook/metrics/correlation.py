"""Do two scores order texts alike, or systems? Spearman's correlation of ranks, and Kendall's count of pairs.

Taught in 03 and 19.
"""

import numpy as np
from numpy.typing import ArrayLike


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation: the correlation of the ranks, equal values sharing their mean rank.

    Args:
        a, b: (N,), for example predicted similarities and human scores.
    Returns:
        from -1 to 1; NaN where one side is constant and has no order.
    Raises:
        ValueError: different lengths, fewer than two values, or a NaN.

    Equal to scipy.stats.spearmanr.
    """
    from scipy.stats import rankdata

    x, y = (rankdata(values) for values in _two_lists(a, b))  # equal values share their mean rank
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length > 0 else float("nan")


def kendall_tau(a: ArrayLike, b: ArrayLike) -> float:
    """Kendall's tau-b: of all pairs of systems, those in the same order in both minus those in the opposite order.

        tau = (C - D) / sqrt(P_a · P_b)        P_a, P_b: pairs that are not tied in a, in b

    Args:
        a, b: (N,), for example the scores of N systems on two collections.
    Returns:
        from -1 to 1; NaN where all are tied on one side.
    Raises:
        ValueError: different lengths, fewer than two values, or a NaN.

    Equal to scipy.stats.kendalltau.
    """
    x, y = _two_lists(a, b)
    x, y = (np.sign(np.subtract.outer(values, values)) for values in (x, y))  # (N, N): who is ahead of whom
    pairs = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / pairs) if pairs > 0 else float("nan")


def _two_lists(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2 or np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(f"expected two lists of N ≥ 2 numbers without NaN, got shapes {x.shape} and {y.shape}")
    return x, y
