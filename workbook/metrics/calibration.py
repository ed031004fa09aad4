"""Is a probability what it says? Of all passages that got 0.8, eight in ten should be relevant.

Order and calibration are two things: any rising function of the scores ranks alike, and one of them at most tells
probabilities. So a ranking metric cannot see what is measured here.

Letters: N predictions, K bins that are not empty.

Taught in 15.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NEWTON_STEPS = 100  # at most; ten are usual


class Reliability(NamedTuple):
    """What was said and what was so, for each bin that is not empty, from low probabilities to high ones: (K,) each."""

    probabilities: np.ndarray  # the mean of what was said
    shares: np.ndarray  # the share that is relevant
    counts: np.ndarray  # how many fell into the bin


class Platt(NamedTuple):
    """A probability from a logit: σ(scale · logit + shift)."""

    scale: float
    shift: float


def reliability_curve(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> Reliability:
    """What was said beside what was so, bin by bin: equal where probabilities are calibrated.

    Bin number b of `bins` equal ones holds the probabilities above b / bins, up to and including (b + 1) / bins; the
    first holds 0 as well. Empty bins are left out.

    Args:
        probabilities: (N,), between 0 and 1. Logits are none.
        labels: (N,), 1 = relevant, 0 = not.
        bins: how many.
    Returns:
        mean probabilities, shares and counts, each (K,).
    Raises:
        ValueError: there is nothing to measure, the lengths differ, a probability is outside [0, 1], a label is neither
            0 nor 1, or bins is not positive.

    Equal to sklearn.calibration.calibration_curve, which gives no counts. Source: Murphy and Winkler 1977.
    """
    p, y = _checked(probabilities, labels, "probabilities")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"probabilities must lie in [0, 1], got {p.min():g} to {p.max():g}; a logit needs a sigmoid, once"
        )
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}")
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)  # (N,); a probability on an edge belongs below it
    counts = np.bincount(place, minlength=bins)  # (bins,)
    said, so = (np.bincount(place, weights=values, minlength=bins) for values in (p, y))
    there = counts > 0
    return Reliability(said[there] / counts[there], so[there] / counts[there], counts[there])


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> float:
    """How far what was said lies from what was so, on average over the predictions.

        error = sum_b  count_b / N · |share_b - probability_b|

    0 does not make a model good: who says the overall share of every passage has it. And within a bin errors of both
    signs cancel, so fewer bins give smaller errors, and more bins noisier ones.

    Args:
        probabilities, labels, bins: as in `reliability_curve`.
    Returns:
        from 0 to 1, lower is better.
    Raises:
        ValueError: as in `reliability_curve`.

    Source: Naeini et al. 2015.
    """
    said, shares, counts = reliability_curve(probabilities, labels, bins)
    return float((counts * np.abs(shares - said)).sum() / counts.sum())


def fit_platt(logits: ArrayLike, labels: ArrayLike, smooth: bool = True) -> Platt:
    """The two numbers that make probabilities of logits, by maximum likelihood.

        minimize  sum_n  -( t_n · log p_n + (1 - t_n) · log(1 - p_n) ),   p_n = σ(scale · logit_n + shift)

    The order of the passages stays as it is, as long as `scale` is positive; a negative one says that the scores are
    the wrong way round. Fit on other queries than those that are judged afterwards.

    Args:
        logits: (N,), any finite numbers.
        labels: (N,), 1 = relevant, 0 = not.
        smooth: the targets t are Platt's, (N₊ + 1) / (N₊ + 2) for a relevant passage and 1 / (N₋ + 2) for another, as if
            one more of each kind had been seen. With False they are the labels.
    Returns:
        scale and shift: the same at each call, found by Newton's method.
    Raises:
        ValueError: there is nothing to fit, the lengths differ, a logit is not finite, a label is neither 0 nor 1, all
            labels or all logits are the same; or smooth is False and one logit parts all labels: then every larger
            scale is likelier, and there is no best one. With Platt's targets there is.

    Equal to a logistic regression without a penalty, with smooth=False. Source: Platt 1999; Lin et al. 2007.
    """
    x, y = _checked(logits, labels, "logits")
    if not np.isfinite(x).all():
        raise ValueError("logits must be finite, got NaN or infinity; leave such passages out")
    relevant, other = x[y == 1], x[y == 0]
    if len(relevant) == 0 or len(other) == 0:
        raise ValueError(
            f"expected labels of both kinds, got {len(relevant)} of 1 and {len(other)} of 0; one kind alone does not say "
            "where it ends"
        )
    if x.min() == x.max():
        raise ValueError(f"expected different logits, got {x[0]:g} each time; they tell no passage from another")
    if not smooth and (relevant.min() >= other.max() or other.min() >= relevant.max()):
        raise ValueError("one logit parts all labels, so no scale is the best; use smooth=True, or more passages")
    t = y
    if smooth:
        t = np.where(y == 1, (len(relevant) + 1) / (len(relevant) + 2), 1 / (len(other) + 2))
    mean, deviation = x.mean(), x.std()
    features = np.stack([(x - mean) / deviation, np.ones_like(x)], axis=1)  # (N, 2)
    scale, shift = _newton(features, t)
    return Platt(float(scale / deviation), float(shift - scale * mean / deviation))


def _newton(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The weights (2,) of the likeliest logistic regression: features (N, 2), targets (N,)."""

    def loss(weights: np.ndarray) -> float:
        logits = features @ weights
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    weights = np.zeros(features.shape[1])
    for _ in range(NEWTON_STEPS):
        p = 0.5 * (1 + np.tanh(features @ weights / 2))  # σ, without overflow
        gradient = features.T @ (p - targets)
        curvature = features.T @ (features * (p * (1 - p))[:, None]) + 1e-12 * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        size, before = 1.0, loss(weights)
        while loss(weights - size * step) > before and size > 1e-10:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-10 * (1 + np.abs(weights).max()):
            break
    return weights


def _checked(values: ArrayLike, labels: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise ValueError(f"expected {name} and labels (N,), N of at least 1, got shapes {x.shape} and {y.shape}")
    if not ((y == 0) | (y == 1)).all():
        raise ValueError("labels must be 0 or 1; say from which grade on a passage counts as relevant")
    return x, y
