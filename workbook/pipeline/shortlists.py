"""Shortlists: which lists of IVF a passage is compared with while the index is built.

Comparing each of N passages with each of 2 · sqrt(N) lists costs as N · sqrt(N): most of the time of building, from
a few million passages on. But passages that are near each other have the same few nearest lists. So the sample that the
lists were trained on is put into groups, and each group gets a shortlist: the lists that were nearest to at least
one of its vectors. A passage is compared with the groups, and then with the shortlist of the nearest one.

The price: a passage whose nearest list no vector of its group had goes to the best list of the shortlist instead.

Letters: B vectors, S vectors of the sample, D dimensions, L lists, G groups.
"""

import math

import numpy as np

ROUNDS = 10  # of k-means


def learn_shortlists(sample: np.ndarray, lists: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups of the sample's vectors, and the shortlist of each.

    Args:
        sample: vectors that the lists were trained on, (S, D) float32.
        lists: centroids of the lists, (L, D) float32.
        seed: of k-means.
    Returns:
        centroids of the groups, (G, D) float32, and whether a list is on the shortlist of a group, (G, L) bool.
        There are sqrt(L) / 5 groups, at least one: more would make shortlists shorter, and wrong lists more frequent.
    """
    import faiss

    (L, D), G = lists.shape, max(1, math.isqrt(len(lists)) // 5)
    if G == 1:
        return lists.mean(axis=0, keepdims=True), np.ones((1, L), bool)
    means = faiss.Kmeans(D, G, niter=ROUNDS, seed=seed, spherical=True, min_points_per_centroid=1)
    means.train(sample)
    groups = np.asarray(means.centroids)
    on = np.zeros((G, L), bool)
    on[_nearest(sample, groups), _nearest(sample, lists)] = True
    return groups, on


def nearest_lists(x: np.ndarray, lists: np.ndarray, groups: np.ndarray, on: np.ndarray) -> np.ndarray:
    """The list with the largest product on the shortlist of each vector's group.

    Args:
        x: vectors, (B, D) float32.
        lists: centroids of the lists, (L, D) float32.
        groups, on: as `learn_shortlists` returns them.
    Returns:
        (B,) int64 numbers of lists.
    """
    group_of = _nearest(x, groups)
    found = np.zeros(len(x), np.int64)
    for group in np.unique(group_of):
        rows, shortlist = np.flatnonzero(group_of == group), np.flatnonzero(on[group])
        if len(shortlist):
            found[rows] = shortlist[_nearest(x[rows], lists[shortlist])]
        else:  # no vector of the sample was in this group
            found[rows] = _nearest(x[rows], lists)
    return found


def _nearest(x: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(B, D), (C, D) -> (B,): the centroid with the largest product, by faiss, which uses one thread where it is told to."""
    import faiss

    return faiss.knn(x, centroids, 1, faiss.METRIC_INNER_PRODUCT)[1][:, 0]
