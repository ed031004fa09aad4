"""GradCache: what the second forward pass costs, and what it saves in memory.

One step on one batch, four ways: plain and with GradCache, ours and sentence-transformers'. All four have the
same loss and the same gradient. Both times include tokenization; ours runs inside `fit`, so it includes the optimizer too.
"""

import functools
import math
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor

from benchmarks.models import TRANSFORMER, Pairs, load_peer, pairs, save_encoders
from benchmarks.timing import cpu_seconds, timed
from workbook.encoder import TextEncoder, load
from workbook.train import fit
from workbook.train.gradcache import peak_saved_bytes

LENGTH, TEMPERATURE = 128, 0.05
BATCH, MINI_BATCH, REPEATS = 128, 32, 2
CURVE = (64, 128, 256)  # batch sizes of the memory curve
SAME = 1e-3  # how far the gradients of the word embeddings may be apart, relative to their length
LIMIT = 1.4  # GradCache may cost this many times the plain step


def run() -> list[dict]:
    """CPU seconds of a step beside the plain one and beside the peer, then the memory curve."""
    torch.set_num_threads(1)
    texts = pairs(max(CURVE))
    with tempfile.TemporaryDirectory() as name:
        start, _ = save_encoders([text for pair in texts for text in pair], Path(name), LENGTH)
        return [*time_rows(start, texts[:BATCH]), *memory_rows(start, texts)]


def time_rows(start: Path, batch: Pairs) -> list[dict]:
    """GradCache beside the plain step, and beside the peer's GradCache."""
    model = load_peer(start)
    plain_loss = MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE)
    cached_loss = CachedMultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE, mini_batch_size=MINI_BATCH)
    results = [
        step(start, batch, None), step(start, batch, MINI_BATCH),
        peer_step(model, plain_loss, batch), peer_step(model, cached_loss, batch),
    ]  # fmt: skip
    apart = max(float((gradient - results[0]).norm() / results[0].norm()) for gradient in results)
    assert apart < SAME, f"the gradients are {apart:.0e} apart"

    cached, plain = cpu_seconds(lambda: step(start, batch, MINI_BATCH), lambda: step(start, batch, None), REPEATS)
    peer_cached, peer_plain = cpu_seconds(
        lambda: peer_step(model, cached_loss, batch), lambda: peer_step(model, plain_loss, batch), REPEATS
    )
    what = f"{TRANSFORMER}, step of {BATCH} pairs, GradCache by {MINI_BATCH}"
    overhead, peer_overhead = cached / plain, peer_cached / peer_plain
    note = f"{overhead:.2f} times the plain step (limit {LIMIT}), the peer's {peer_overhead:.2f}; gradients equal to {apart:.0e}"
    each = {"ours": cached, "unit": "CPU s", "note": note}
    return [
        {"what": f"{what}, cost", "peer": plain, "peer_name": "the plain step", "ratio": plain / cached,
         "floor": round(1 / LIMIT, 2)} | each,
        {"what": what, "peer": peer_cached, "peer_name": "CachedMultipleNegativesRankingLoss",
         "ratio": peer_cached / cached} | each,
    ]  # fmt: skip


def memory_rows(start: Path, texts: Pairs) -> list[dict]:
    """The activations that a step holds at most, by batch size."""
    rows = []
    for batch_size in CURVE:
        most = []
        for mini_batch_size in (MINI_BATCH, None):
            encoder = load(start)
            one_step = functools.partial(train, encoder, texts[:batch_size], mini_batch_size)
            most.append(peak_saved_bytes(one_step, encoder) / 2**20)
        what = f"{TRANSFORMER}, activations of {batch_size} pairs, GradCache by {MINI_BATCH}"
        row = {"what": what, "ours": most[0], "peer": most[1], "peer_name": "the plain step"}
        rows.append(row | {"ratio": most[1] / most[0], "unit": "MiB"})
    return rows


def step(start: Path, batch: Pairs, mini_batch_size: int | None) -> Tensor:
    """A step from the saved start; the gradient of the word embeddings."""
    encoder = load(start)
    train(encoder, batch, mini_batch_size)
    return encoder.backbone.embeddings.word.weight.grad


def train(encoder: TextEncoder, batch: Pairs, mini_batch_size: int | None) -> None:
    """One step of `fit` on all of the pairs at once, in pieces or not."""
    options = {"steps": 1, "batch_size": len(batch), "temperature": TEMPERATURE, "max_grad_norm": math.inf}
    fit(encoder, batch, mini_batch_size=mini_batch_size, **options)


def peer_step(model: SentenceTransformer, loss: torch.nn.Module, batch: Pairs) -> Tensor:
    """Forward and backward of the peer's loss on the same batch."""
    model.train().zero_grad()
    loss([model.preprocess(list(texts)) for texts in zip(*batch, strict=True)], None).backward()
    return model[0].auto_model.embeddings.word_embeddings.weight.grad.clone()


if __name__ == "__main__":
    found, seconds = timed(run)
    for line in found:
        print(line)
    print(f"{seconds:.0f} CPU s")
