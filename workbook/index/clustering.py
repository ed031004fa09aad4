"""K-means: N vectors are described by k centroids, each the mean of the vectors nearest to it.

Two steps take turns, and neither can raise the sum of squared distances:

    assign   label_i = argmin_j |x_i - c_j|²
    update   c_j     = mean of the x_i with label_i = j

IVF cuts the space with it, product quantization makes its codebooks with it.

Letters: N vectors, D dimensions, k clusters.

Taught in 17.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.index.vectors import as_vectors, score, squared_norm, wide
from workbook.similarity import first_k, normalize
from workbook.support.checks import check_positive

SPLIT = 1 / 1024  # how far the halves of a split cluster are moved apart, relative to the centroid


def kmeans(
    x: Any,
    k: int,
    iterations: int = 25,
    seed: int = 0,
    centroids: Any = None,
    spherical: bool = False,
    max_points_per_centroid: int = 256,
) -> Any:
    """Find k centroids.

    A cluster that has lost all its vectors gets half of another: see `split_empty`.

    Args:
        x: (N, D), numpy or torch.
        k: how many centroids.
        iterations: how often the two steps are taken (faiss: niter).
        seed: chooses the sample and the first centroids; the global random state is left alone.
        centroids: (k, D), where to start; None starts at k different rows of x.
        spherical: assign by inner product and keep the centroids at length 1, for search by inner product.
        max_points_per_centroid: from more than this many rows per centroid a sample is taken, which
            bounds time and memory; below about 40 the centroids are poor.
    Returns:
        (k, D) float32, numpy if x was. When N = k the rows themselves are returned, as faiss does.
    Raises:
        ValueError: fewer rows than centroids, wrong shapes, or values that are not finite.

    Equal to faiss `Clustering` from the same first centroids, splits included. Source: Lloyd 1982.
    """
    check_positive(k=k, max_points_per_centroid=max_points_per_centroid)
    if iterations < 0:
        raise ValueError(f"iterations must not be negative, got {iterations}")
    rows = as_vectors(sample(x, k * max_points_per_centroid, seed))
    N, D = rows.shape
    if k > N:
        raise ValueError(
            f"{k} centroids need at least {k} training vectors, better {40 * k}, got {N}; "
            "give more vectors, or ask for fewer centroids (a smaller nlist, or fewer nbits)"
        )
    if centroids is None:
        first = np.random.default_rng(seed).choice(N, k, replace=False)
        c = rows[torch.from_numpy(first).to(rows.device)]
    else:
        c = as_vectors(centroids, D, "centroids").to(rows.device, copy=True)
        if len(c) != k:
            raise ValueError(f"centroids must be (k, D) = ({k}, {D}), got {tuple(c.shape)}")
    if k == N:
        c, iterations = rows.clone(), 0
    elif spherical:
        c = normalize(c)
    metric = "inner_product" if spherical else "l2"
    for _ in range(iterations):
        labels = assign(rows, c, metric)  # (N,)
        counts = torch.bincount(labels, minlength=k)  # (k,)
        c = torch.zeros_like(c).index_add_(0, labels, rows) / counts.clamp(min=1)[:, None]
        split_empty(c, counts)
        if spherical:
            c = normalize(c)
    return c if isinstance(x, Tensor) else c.cpu().numpy()


def assign(x: Tensor, centroids: Tensor, metric: str = "l2", chunk_size: int = 1_024) -> Tensor:
    """The nearest centroid of every vector; the first one of equally near ones.

    Args:
        x: (N, D).
        centroids: (k, D).
        metric: "l2", or "inner_product" for the largest product.
        chunk_size: rows at a time; memory is chunk_size · k scores, small enough to stay in the cache.
    Returns:
        (N,) numbers of centroids.
    """
    labels = torch.empty(len(x), dtype=torch.long, device=x.device)
    if metric == "l2":  # |x - c|² without |x|², which is the same for all centroids; see `squared_distances`
        centroids = wide(centroids)
        bias = centroids.square().sum(dim=1).mul(-0.5)
    for start in range(0, len(x), chunk_size):
        part = x[start : start + chunk_size].to(centroids.dtype)
        products = part @ centroids.T if metric != "l2" else torch.addmm(bias, part, centroids.T)
        labels[start : start + chunk_size] = argmax(products)
    return labels


def nearest_lists(x: Tensor, centroids: Tensor, metric: str, n: int, chunk_size: int = 1_024) -> Tensor:
    """The n nearest centroids of every vector, the first ones of equally near ones: (N, D), (k, D) -> (N, n).

    A vector is put into a list and looked for by this one rule. Equal centroids can differ in their scores by a
    rounding error, another one for each number of vectors that are multiplied at a time; so whatever differs by
    no more counts as equal.
    """
    if len(x) > chunk_size:
        parts = (x[start : start + chunk_size] for start in range(0, len(x), chunk_size))
        return torch.cat([nearest_lists(part, centroids, metric, n) for part in parts])
    scores = score(x, centroids, metric)
    values, lists = scores.topk(min(n + 1, len(centroids)), dim=1)
    if n < len(centroids):
        # The error of float32, and of a distance in float64. In plain Python, which is quickest where one query asks.
        norms = squared_norm(x).tolist() if metric == "l2" else [0.0] * len(x)
        last = values[:, n - 1 :].tolist()  # the last one that is chosen, and the next
        slack = [1e-6 * abs(a) + 1e-14 * norm for (a, _), norm in zip(last, norms, strict=True)]
        for i, (a, b) in enumerate(last):
            if a - b <= slack[i]:
                tied = scores[i : i + 1]
                lists[i, :n] = first_k(tied.where((tied - a).abs() > slack[i], a), n)[1]
    return lists[:, :n]


def argmax(scores: Tensor) -> Tensor:
    """The position of the largest value along the last dimension; numpy does it several times faster on a CPU."""
    return torch.from_numpy(scores.numpy().argmax(-1)) if scores.device.type == "cpu" else scores.argmax(-1)


def split_empty(centroids: Tensor, counts: Tensor) -> None:
    """Give every empty cluster half of a large one, in place.

    The clusters are visited in turn, and one with n of N vectors is taken with probability
    (n - 1) / (N - k). Its centroid is copied, and the two copies are moved apart by 1/1024 of each
    coordinate, in alternating directions, so that the next assignment divides the vectors.

    Args:
        centroids: (k, D), changed in place.
        counts: (k,), how many vectors each has.

    As faiss does, with the same random numbers.
    """
    k, N = len(counts), int(counts.sum())
    size = counts.tolist()
    random = _uniform(1234)
    apart = torch.full_like(centroids[0], SPLIT)
    apart[1::2] *= -1
    for empty in np.flatnonzero(counts.cpu().numpy() == 0).tolist():
        large = 0
        while not next(random) < np.float32((size[large] - 1) / (N - k)):
            large = (large + 1) % k
        centroids[empty] = centroids[large] * (1 + apart)
        centroids[large] *= 1 - apart
        size[empty] = size[large] / 2
        size[large] -= size[empty]


def _uniform(seed: int) -> Iterator[np.float32]:
    """The Mersenne twister of C++, one number between 0 and 1 after another."""
    twister = np.random.RandomState(seed)
    while True:
        yield from twister.randint(0, 2**32, 1_024, dtype=np.uint32).astype(np.float32) / np.float32(2**32)


def sample(x: Any, most: int, seed: int) -> Any:
    """At most this many rows of x, in their order; the others are not read."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    if x.ndim != 2 or len(x) <= most:
        return x
    rows = np.sort(np.random.default_rng(seed).choice(len(x), most, replace=False))
    return x[torch.from_numpy(rows).to(x.device)] if isinstance(x, Tensor) else x[rows]
