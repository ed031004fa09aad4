"""Has the model changed under the index? Canary texts, whose vectors are stored and made anew each day, tell.

A model that is swapped in silence gives vectors of the same shape and scores that look like scores. Its vectors of
the same texts point elsewhere. Where the texts are not ours to choose, the distribution of scores is compared.

Letters: N canary texts, D dimensions.

Taught in 21.
"""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from workbook.similarity import normalize


def agreement(stored: Tensor, fresh: Tensor) -> float:
    """The mean cosine of each text's stored vector with its fresh one: (N, D), (N, D) -> from -1 to 1.

    Raises:
        ValueError: the shapes differ, which is drift enough.
    """
    if stored.shape != fresh.shape or stored.ndim != 2:
        raise ValueError(f"expected two (N, D) of one shape, got {tuple(stored.shape)} and {tuple(fresh.shape)}")
    return float((normalize(stored) * normalize(fresh)).sum(-1).mean())


def alarm_threshold(quiet: Sequence[float], rate: float) -> float:
    """The value below which at most a share `rate` of quiet days lies: the false alarms that are accepted.

    With k of them below it, a new day like these rings with the probability (k + 1) / (days + 1): it may be worse
    than all that were seen.

    Args:
        quiet: the statistic on days on which nothing had changed, one at least.
        rate: from 0 to below 1; 0 gives the smallest value seen.
    Returns:
        an alarm is due where a day's statistic is *below* it.
    Raises:
        ValueError: there is no quiet day, or the rate is out of range.
    """
    if not quiet or not 0 <= rate < 1:
        raise ValueError(f"expected quiet days and a rate from 0 to below 1, got {len(quiet)} days and {rate}")
    return sorted(quiet)[math.floor(rate * len(quiet))]


def largest_gap(a: Sequence[float], b: Sequence[float]) -> float:
    """How far two distributions of scores lie apart: the largest difference of their shares at or below a value.

        gap = max over x of | share of a ≤ x  −  share of b ≤ x |

    Args:
        a, b: scores of two days, one each at least, in any order.
    Returns:
        from 0 (alike) to 1 (no score of one among those of the other).

    Equal to the statistic of scipy's `ks_2samp`, that of Kolmogorov and Smirnov.
    """
    first, second = np.sort(np.asarray(a, dtype=float)), np.sort(np.asarray(b, dtype=float))
    both = np.concatenate([first, second])
    shares = [np.searchsorted(scores, both, side="right") / len(scores) for scores in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())
