"""The word vectors of the shipped encoder as a script: 8,000 pieces of 256 numbers in one byte each.

A text's vector is the mean of its pieces' vectors, each weighed by how rare the piece is in the book (chapters 00 and 02).
A byte for each number, with a scale for each piece, is the int8 of chapter 17.
"""

import base64
import json

import numpy as np

from workbook.encoder import TransformerEncoder, load


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


def words_of_base() -> tuple[dict[str, int], np.ndarray]:
    """The pieces of the shipped encoder with their numbers, and their vectors: (V, D) float32."""
    encoder = load("base")
    assert isinstance(encoder.backbone, TransformerEncoder)
    vectors: np.ndarray = encoder.backbone.embeddings.word.weight.detach().float().numpy()
    return encoder.tokenizer.get_vocab(), vectors


def vectors_script() -> str:
    """The vocabulary and the word vectors of the shipped encoder, as a script that sets a variable."""
    vocabulary, vectors = words_of_base()
    table, scale = as_bytes(vectors)
    values = {
        "pieces": sorted(vocabulary, key=vocabulary.__getitem__),
        "size": table.shape[1],
        "scale": [float(f"{value:.6g}") for value in scale],
        "table": base64.b64encode(table.tobytes()).decode(),
    }
    return f"window.workbookVectors = {json.dumps(values, ensure_ascii=False, separators=(',', ':'))};\n"
