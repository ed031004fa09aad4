"""The word vectors of the shipped encoder as a script: 8,000 pieces of 256 numbers in one byte each.

A text's vector is the mean of its pieces' vectors, each weighed by how rare the piece is in the book (chapters 00 and 02).
A byte for each number, with a scale for each piece, is the int8 of chapter 17.
"""

import base64
import json
from pathlib import Path

import numpy as np

from workbook.encoder.shipped import FOLDER

NAME = "embeddings.word_embeddings.weight"


def as_bytes(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A table of vectors as whole numbers from -127 to 127, and the scale of each row.

    Args:
        table: (V, D).
    Returns:
        (V, D) int8, (V,) float32: their product is the table, up to half a scale.
    """
    scale = np.abs(table).max(axis=1) / 127
    scale[scale == 0] = 1
    return np.rint(table / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def vectors_script(folder: Path = FOLDER / "base") -> str:
    """The vocabulary and the word vectors of an encoder, as a script that sets a variable.

    Args:
        folder: of an encoder with a WordPiece tokenizer, as `TextEncoder.save` writes it.
    """
    from safetensors.numpy import load_file

    vocabulary = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    table, scale = as_bytes(load_file(folder / "model.safetensors")[NAME].astype(np.float32))
    values = {
        "pieces": sorted(vocabulary, key=vocabulary.__getitem__),
        "size": table.shape[1],
        "scale": [float(f"{value:.6g}") for value in scale],
        "table": base64.b64encode(table.tobytes()).decode(),
    }
    return f"window.workbookVectors = {json.dumps(values, ensure_ascii=False, separators=(',', ':'))};\n"
