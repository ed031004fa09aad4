"""Reranking with a cross-encoder beside sentence-transformers: the same weights, the same pairs, one thread."""

import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder as Peer

from benchmarks.models import HEADS, HIDDEN, LAYERS, VOCABULARY, pairs
from benchmarks.timing import rate_row, row
from workbook.cross_encoder import CrossEncoder
from workbook.encoder import TransformerEncoder, train_tokenizer
from workbook.rerank.fusion import rrf

QUERIES, DEPTH, LENGTH = 8, 50, 128


def run() -> list[dict]:
    """Score 50 passages for each of some queries; fuse two runs of a hundred passages."""
    torch.set_num_threads(1)
    return [scoring_row(), fusion_row()]


def scoring_row() -> dict:
    """Every passage of a query in one call, as a reranker does it."""
    texts = pairs(QUERIES * DEPTH)
    asked = [(texts[i // DEPTH * DEPTH][0], passage) for i, (_, passage) in enumerate(texts)]
    tokenizer = train_tokenizer([text for pair in texts for text in pair], VOCABULARY)
    torch.manual_seed(0)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), HIDDEN, LAYERS, HEADS, max_length=LENGTH)
    ours = CrossEncoder(tokenizer, backbone, LENGTH).eval()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder) / "model")
        peer = Peer(str(Path(folder) / "model"), device="cpu", local_files_only=True)
    assert np.allclose(ours.predict(asked), peer.predict(asked), atol=1e-5)
    line = row("", "sentence-transformers", lambda: ours.predict(asked), lambda: peer.predict(asked, batch_size=32))
    what = f"cross-encoder, {LAYERS}-layer {HIDDEN}-d, {len(asked)} pairs"
    return rate_row(what, "sentence-transformers", len(asked), line["ours"], line["peer"], "pairs")


def fusion_row() -> dict:
    """Reciprocal rank fusion; ranx compiled beforehand."""
    from ranx import Run, fuse

    generator = np.random.default_rng(0)
    runs = [
        {
            f"q{q}": {
                f"p{i}": float(s)
                for i, s in zip(generator.choice(10_000, 100, False), generator.random(100), strict=True)
            }
            for q in range(500)
        }
        for _ in range(2)
    ]
    assert rrf(runs) == fuse([Run(run) for run in runs], norm=None, method="rrf").to_dict()
    return row(
        "reciprocal rank fusion, 500 queries, 2 runs of 100, dict to dict",
        "ranx",
        lambda: rrf(runs),
        lambda: fuse([Run(run) for run in runs], norm=None, method="rrf").to_dict(),
    )
