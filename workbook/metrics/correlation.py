"""Do two scores order texts alike? The rank correlation that similarity tests are measured with.

Taught in 03.
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

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2 or np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(f"expected two lists of N ≥ 2 numbers without NaN, got shapes {x.shape} and {y.shape}")
    x, y = (rankdata(values) for values in (x, y))  # equal values share their mean rank
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length > 0 else float("nan")
