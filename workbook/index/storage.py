"""An index on disk: one file of arrays (safetensors) and one of arguments (JSON), never a pickle.

Taught in 17.
"""

import os
from pathlib import Path

from safetensors.torch import load_file

from workbook.index.base import Index
from workbook.index.flat import FlatIndex
from workbook.index.hnsw import HNSWIndex
from workbook.index.ivf import IVFIndex, IVFPQIndex
from workbook.index.product_quantization import PQIndex
from workbook.support.files import read_saved, write_json, write_safetensors

KINDS: dict[str, type[Index]] = {kind.__name__: kind for kind in (FlatIndex, IVFIndex, PQIndex, IVFPQIndex, HNSWIndex)}
ARRAYS, ARGUMENTS = "index.safetensors", "index.json"


def save_index(index: Index, folder: str | Path) -> None:
    """Write an index into a folder, over the one that is there.

    The arguments are written last, so that a folder with `index.json` is whole.

    Raises:
        OSError: the folder cannot be written.

    faiss calls it `write_index`; its files are not read here, nor ours there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{ARRAYS}.tmp"
    write_safetensors(new, {name: getattr(index, name) for name in index.TENSORS})
    (folder / ARGUMENTS).unlink(missing_ok=True)
    os.replace(new, folder / ARRAYS)
    arguments = {name: getattr(index, name) for name in index.ARGUMENTS}
    write_json(folder / ARGUMENTS, {"kind": type(index).__name__, "arguments": arguments})


def load_index(folder: str | Path) -> Index:
    """Read an index that `save_index` wrote.

    The arrays are mapped, not read: a page of the file comes into memory when a search first touches it.

    Returns:
        the index, on the CPU.
    Raises:
        FileNotFoundError: the folder holds no index.
        ValueError: a file in it is damaged.
    """
    with read_saved(folder, ARGUMENTS, "index", "save_index") as saved:
        index: Index = KINDS[saved["kind"]](**saved["arguments"])
        arrays = load_file(Path(folder) / ARRAYS)
        for name in index.TENSORS:
            setattr(index, name, arrays[name])
    return index


def bytes_per_vector(index: Index) -> float:
    """What a vector takes: all arrays of the index but the trained ones, divided by N."""
    trained = ("centroids", "codebooks", "start")
    held = [getattr(index, name) for name in index.TENSORS if name not in trained]
    return sum(int(array.nbytes) for array in held) / max(index.ntotal, 1)
