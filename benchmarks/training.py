"""Training beside sentence-transformers' trainer: the same pairs, start and optimizer, one thread.

Two comparisons with one run of the peer. On the same batches the two are one computation: the losses
agree, step by step, and so does what was learned. Ours is faster because it reads a batch a few texts of
similar length at a time. Then ours trains as it does by default, on whole batches of similar length,
which saves a little more. What each has learned, the loss on held-out pairs, stands in the note.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor
from transformers import PrinterCallback

from benchmarks.models import STATIC, TRANSFORMER, Pairs, load_peer, pairs, save_encoders
from benchmarks.timing import rate_row, timed
from workbook.encoder import TextEncoder, load
from workbook.losses import info_nce
from workbook.train import bucketed_batches, fit

LENGTHS = (128, 256)  # where texts are cut, in tokens; the shorter, the less padding there is to save
PAIRS, BATCH, LR = 512, 64, 5e-4
PEER = "sentence-transformers' trainer"
FLOOR, FLOOR_BFLOAT16 = 1.8, 2.5  # in float32; bfloat16 against the peer's float32
STATIC_PAIRS, STATIC_EPOCHS, STATIC_BATCH, STATIC_LR = 8_192, 4, 512, 2e-2
HELD_OUT, TEMPERATURE = 500, 0.05
SAME_STEPS, SAME, SAME_BFLOAT16 = 5, 1e-4, 1e-2  # how far the first losses may be apart, relative to their size


@dataclass(frozen=True)
class Job:
    """What both are given."""

    start: Path  # an encoder, saved
    train: Pairs
    epochs: int
    batch_size: int
    lr: float
    dtype: torch.dtype | None = None


def run() -> list[dict]:
    """Pairs per CPU second, tokenization included: a transformer, in bfloat16 too where that is fast, and a static encoder."""
    torch.set_num_threads(1)
    train, held_out = pairs(STATIC_PAIRS), pairs(HELD_OUT, "dev")
    texts = [text for pair in train for text in pair]
    rows = []
    for length in LENGTHS:
        longest = length == LENGTHS[-1]
        with tempfile.TemporaryDirectory() as name:
            transformer, static = save_encoders(texts, Path(name), length)
            what = f"train {TRANSFORMER}, {length} tokens"
            job = Job(transformer, train[:PAIRS], 1, BATCH, LR)
            full = compare(what, job, held_out, FLOOR)
            rows += full
            if longest and has_bfloat16():
                half = compare(f"{what}, bfloat16", replace(job, dtype=torch.bfloat16), held_out)
                rows += half + [against_float32(*both) for both in zip(half, full, strict=True)]
            if longest:
                job = Job(static, train, STATIC_EPOCHS, STATIC_BATCH, STATIC_LR)
                rows += compare(f"train {STATIC}, {STATIC_EPOCHS} epochs", job, held_out, FLOOR)
    return rows


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; elsewhere it makes training slower."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "avx512_bf16" in cpuinfo.read_text(errors="replace")


def compare(what: str, job: Job, held_out: Pairs, floor: float | None = None) -> list[dict]:
    """Two rows: on the same batches, and on batches of similar length."""
    lengths = np.zeros(len(job.train))  # without bucketing no length counts
    batches = [
        batch
        for epoch in range(job.epochs)
        for batch in bucketed_batches(lengths, job.batch_size, 0, epoch, pool_batches=1)
    ]
    same, bucketed, peer = load(job.start), load(job.start), trainer(job, batches)
    history, seconds = timed(lambda: fit(same, job.train, steps=len(batches), **options(job), pool_batches=1))
    _, peer_seconds = timed(peer.train)
    _, bucketed_seconds = timed(lambda: fit(bucketed, job.train, steps=len(batches), **options(job)))
    difference = largest_difference([record["loss"] for record in history], peer.loss.losses, job.dtype)
    before, after, peer_after, bucketed_after = (
        held_out_loss(model, held_out) for model in (load(job.start), same, peer.model, bucketed)
    )
    learned = f"held-out loss {before:.3f} → {{:.3f}}, the peer's {peer_after:.3f}"
    note = f"first {SAME_STEPS} losses equal to {difference:.0e}; {learned.format(after)}"
    count = job.epochs * len(job.train)
    return [
        rate_row(f"{what}, same batches", PEER, count, seconds, peer_seconds, "pairs", floor, note),
        rate_row(
            f"{what}, bucketed",
            PEER,
            count,
            bucketed_seconds,
            peer_seconds,
            "pairs",
            floor,
            learned.format(bucketed_after),
        ),
    ]


def against_float32(half: dict, full: dict) -> dict:
    """Ours in bfloat16 beside the peer in float32; what each learned stands in the rows that this one joins."""
    ratio = half["ours"] / full["peer"]
    return half | {
        "peer": full["peer"],
        "peer_name": "the same in float32",
        "ratio": ratio,
        "floor": FLOOR_BFLOAT16,
        "note": "",
    }


def options(job: Job) -> dict:
    """The settings of `fit`. Without warmup its schedule is the peer's."""
    return {"batch_size": job.batch_size, "lr": job.lr, "dtype": job.dtype, "warmup": 0.0, "temperature": TEMPERATURE}


def trainer(job: Job, batches: list[np.ndarray]) -> SentenceTransformerTrainer:
    """The peer with the same settings, and with everything off that only watches."""
    model = load_peer(job.start)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(job.start) + "-peer",
        num_train_epochs=1,  # `batches` holds all of them
        batch_sampler=lambda *_, **__: Batches(batches),
        per_device_train_batch_size=job.batch_size,
        learning_rate=job.lr,
        lr_scheduler_type="linear",
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=job.dtype is torch.bfloat16,
        use_cpu=True,
        dataloader_pin_memory=False,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    queries, positives = zip(*job.train, strict=True)
    dataset = Dataset.from_dict({"anchor": queries, "positive": positives})
    peer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=dataset, loss=Recorded(model))
    peer.remove_callback(PrinterCallback)
    return peer


class Batches:
    """A batch sampler of given batches."""

    def __init__(self, batches: list[np.ndarray]):
        self.batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Recorded(MultipleNegativesRankingLoss):
    """The peer's loss, which keeps what it said: the trainer's log rounds."""

    def __init__(self, model: SentenceTransformer):
        super().__init__(model, scale=1 / TEMPERATURE)
        self.losses: list[float] = []

    def forward(self, *inputs) -> Tensor:
        loss = super().forward(*inputs)
        self.losses.append(loss.item())
        return loss


def largest_difference(ours: list[float], peer: list[float], dtype: torch.dtype | None) -> float:
    """How far the first losses are apart, relative to their size.

    Raises:
        AssertionError: so far that two different computations were timed.
    """
    a, b = np.array(ours[:SAME_STEPS]), np.array(peer[:SAME_STEPS])
    difference = float(np.max(np.abs(a - b) / np.abs(b)))
    limit = SAME if dtype is None else SAME_BFLOAT16
    assert len(ours) == len(peer), f"{len(ours)} steps, the peer's {len(peer)}"
    assert difference < limit, f"the losses differ by {difference:.1e}: {a}, the peer's {b}"
    return difference


@torch.no_grad()
def held_out_loss(model: TextEncoder | SentenceTransformer, held_out: Pairs) -> float:
    """The loss on held-out pairs, all in one batch."""
    query, positive = (torch.from_numpy(model.encode(list(texts))) for texts in zip(*held_out, strict=True))
    return float(info_nce(query, positive, temperature=TEMPERATURE))
