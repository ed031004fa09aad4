"""Maps: many dimensions flattened to two, to look at and not to measure."""

import warnings

import numpy as np

from workbook.data.collection import sha256
from workbook.support.files import write_json


def umap_of(vectors: np.ndarray, seed: int = 0, n_neighbors: int = 15, min_dist: float = 0.1) -> np.ndarray:
    """A two-dimensional UMAP of vectors, kept in the cache under the fingerprint of the vectors.

    The first map of a process costs 10 to 20 seconds of compilation; a cached one costs nothing.

    Args:
        vectors: (N, D) with N of at least 10.
        seed: of the layout.
        n_neighbors: how many neighbours of each point the layout tries to keep together.
        min_dist: how close two points may come in it.
    Returns:
        (N, 2).
    Raises:
        ValueError: there are too few vectors.

    Source: McInnes et al. 2018.
    """
    import json

    from workbook.data.pydocs import cache_path

    if vectors.ndim != 2 or len(vectors) < 10:
        raise ValueError(
            f"expected (N, D) with at least 10 vectors, got {vectors.shape}; a map of few points says nothing"
        )
    settings = () if (n_neighbors, min_dist) == (15, 0.1) else (n_neighbors, min_dist)
    rounded = np.round(vectors.astype(np.float64), 3)
    path = cache_path().parent / f"umap-{sha256(rounded.tolist(), seed, *settings)[:16]}.json"
    if path.exists():
        return np.array(json.loads(path.read_text("utf-8")))
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that a fixed seed means one thread
        layout = umap.UMAP(
            n_neighbors=n_neighbors, min_dist=min_dist, metric="cosine", random_state=seed
        ).fit_transform(rounded)
    write_json(path, np.round(layout, 2).tolist())
    return layout


def neighbours_kept(vectors: np.ndarray, layout: np.ndarray, k: int = 10) -> float:
    """How much of the neighbourhood a map keeps: of each point's k nearest by cosine, the share still among its k nearest on the map.

    Args:
        vectors: (N, D).
        layout: (N, 2).
        k: less than N.
    Returns:
        from 0 to 1; a map drawn at random keeps about k / (N - 1).
    """
    if not 0 < k < len(vectors):
        raise ValueError(f"k must be from 1 to {len(vectors) - 1}, fewer than the points, got {k}")
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    apart = np.square(layout[:, None] - layout).sum(axis=2)
    found = []
    for distances in (-(unit @ unit.T), apart):
        np.fill_diagonal(distances, np.inf)
        found.append(np.argsort(distances, axis=1, kind="stable")[:, :k])
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*found, strict=True)]))
