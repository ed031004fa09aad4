"""Maps: many dimensions flattened to two, to look at and not to measure."""

import warnings

import numpy as np

from workbook.data.collection import sha256
from workbook.support.files import write_json


def umap_of(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """A two-dimensional UMAP of vectors, kept in the cache under the fingerprint of the vectors.

    The first map of a process costs 10 to 20 seconds of compilation; a cached one costs nothing.

    Args:
        vectors: (N, D) with N of at least 10.
        seed: of the layout.
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
    rounded = np.round(vectors.astype(np.float64), 3)
    path = cache_path().parent / f"umap-{sha256(rounded.tolist(), seed)[:16]}.json"
    if path.exists():
        return np.array(json.loads(path.read_text("utf-8")))
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that a fixed seed means one thread
        layout = umap.UMAP(n_neighbors=15, metric="cosine", random_state=seed).fit_transform(rounded)
    write_json(path, np.round(layout, 2).tolist())
    return layout
