"""Encoding beside sentence-transformers: the same saved encoder, the same passages, one thread."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.models import STATIC, TRANSFORMER, load_peer, pairs, save_encoders
from benchmarks.timing import row
from workbook.encoder import load

PASSAGES, LENGTH = 1_000, 128
BATCH_SIZES = (32, 256)  # the peer's default and ours
SAME = 1e-5


def run() -> list[dict]:
    """From strings to vectors, at the same batch size; the embeddings are shown to be equal first."""
    torch.set_num_threads(1)
    passages = [passage for _, passage in pairs(PASSAGES)]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        transformer, static = save_encoders(passages, Path(name), LENGTH)
        for what, folder, repeats in ((TRANSFORMER, transformer, 1), (STATIC, static, 3)):
            ours, peer = load(folder), load_peer(folder)
            some = passages[:100]
            np.testing.assert_allclose(ours.encode(some), peer.encode(some), rtol=0, atol=SAME)
            rows += [
                row(
                    f"encode {PASSAGES:,} passages, {what}, batch {size}",
                    "sentence-transformers",
                    lambda ours=ours, size=size: ours.encode(passages, batch_size=size),
                    lambda peer=peer, size=size: peer.encode(passages, batch_size=size, show_progress_bar=False),
                    repeats,
                )
                for size in BATCH_SIZES
            ]
    return rows
