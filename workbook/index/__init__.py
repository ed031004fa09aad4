"""Vector search: five ways to find the nearest of many vectors, each beside faiss.

| index | how it saves | bytes of a vector |
|---|---|---|
| `FlatIndex` | not at all: exact | 4 D |
| `IVFIndex` | looks into a few lists only | 4 D + 8 |
| `PQIndex` | compares codes, not vectors | m |
| `IVFPQIndex` | both | m + 8 |
| `HNSWIndex` | walks a graph of neighbours | 4 D + 8 M and a little |

Under "l2" all but `PQIndex` and `HNSWIndex` keep |x|², 4 bytes more.

All are used alike, with faiss' calls: `train(x)`, `add(x)`, `search(q, k)`, `reset()`, `ntotal`, and
`write_index`, `read_index` for the disk.

Taught in 17.
"""

from workbook.index.clustering import kmeans
from workbook.index.flat import FlatIndex
from workbook.index.hnsw import HNSWIndex
from workbook.index.ivf import IVFIndex, IVFPQIndex
from workbook.index.product_quantization import PQIndex
from workbook.index.storage import bytes_per_vector, read_index, write_index

__all__ = [
    "FlatIndex", "HNSWIndex", "IVFIndex", "IVFPQIndex", "PQIndex", "bytes_per_vector", "kmeans", "read_index",
    "write_index",
]  # fmt: skip
