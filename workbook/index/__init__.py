"""Vector search: five ways to find the nearest of many vectors, each beside faiss.

| index | how it saves | bytes of a vector |
|---|---|---|
| `FlatIndex` | not at all: exact | 4 D |
| `IVFIndex` | looks into a few lists only | 4 D + 8 |
| `PQIndex` | compares codes, not vectors | m |
| `IVFPQIndex` | both | m + 8 |
| `HNSWIndex` | walks a graph of neighbours | 4 D + 8 M and a little |

All are used alike, with faiss' calls: `train(x)`, `add(x)`, `add_with_ids(x, ids)`, `search(q, k)`, also among
`allowed` ids only, `reconstruct(ids)`, `remove_ids(ids)`, `reset()`, `ntotal`; `save_index`, `load_index` for the disk.
`flat_search`, `ivf_search` and `pq_search` say in a few lines what they compute.

Taught in 17.
"""

from workbook.index.base import Index
from workbook.index.clustering import kmeans
from workbook.index.flat import FlatIndex, flat_search
from workbook.index.hnsw import HNSWIndex
from workbook.index.ivf import IVFIndex, IVFPQIndex, ivf_search
from workbook.index.product_quantization import PQIndex, pq_search
from workbook.index.storage import bytes_per_vector, load_index, save_index

__all__ = [
    "FlatIndex", "HNSWIndex", "IVFIndex", "IVFPQIndex", "Index", "PQIndex", "bytes_per_vector", "flat_search",
    "ivf_search", "kmeans", "load_index", "pq_search", "save_index",
]  # fmt: skip
