"""The experiments of claims 14 and 15: is it the gradient of the whole batch, in pieces and in several processes?

Run as a module under torchrun, this is what each process does:

    torchrun --nproc-per-node 2 -m workbook.claims.whole_batch FOLDER SEED
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor

from workbook.claims.claim import Measurements
from workbook.encoder import TransformerEncoder
from workbook.losses import info_nce
from workbook.pooling import mean_pool
from workbook.support.files import write_safetensors
from workbook.support.processes import torchrun
from workbook.train.distributed import average_gradients, gather_with_gradient, rank, share
from workbook.train.gradcache import full_batch_step, gradcache_step, peak_saved_bytes

VOCABULARY, TOKENS, MINI = 200, 24, 16
BATCHES = {"notebook": (16, 32), "record": (32, 64, 128, 256)}
WORLDS = {"notebook": (2,), "record": (2, 4)}
MINUTES = 10  # that some processes may take together


class Mean(torch.nn.Module):
    """A transformer of two layers with mean pooling, in float64: token ids (B, T) -> (B, D)."""

    def __init__(self, seed: int, dropout: float = 0.0):
        super().__init__()
        torch.manual_seed(seed)
        self.transformer = TransformerEncoder(VOCABULARY, 64, num_layers=2, num_heads=4, dropout=dropout)
        self.double()

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, T) -> (B, D)."""
        mask = torch.ones_like(ids)
        return mean_pool(self.transformer(ids, mask), mask)


def texts(B: int, seed: int) -> list[Tensor]:
    """Random token ids of B queries and B passages, (B, T) each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(5, VOCABULARY, (B, TOKENS), generator=generator) for _ in range(2)]


def gradient(model: torch.nn.Module, step: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """The loss of a step, and the gradient that it leaves in the weights, as one vector."""
    model.zero_grad()
    loss = float(step())
    return loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def loss_at_010(query: Tensor, positive: Tensor) -> Tensor:
    """InfoNCE at temperature 0.1."""
    return info_nce(query, positive, temperature=0.1)


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


# --- claim 14 --------------------------------------------------------------------------------


def measure_gradcache(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By batch size, the worst over seeds: how far the gradient is from that of one piece, and what is held in memory."""
    rows = []
    for B in BATCHES[budget]:
        apart, apart_dropout = 0.0, 0.0
        for seed in seeds:
            columns = [(ids,) for ids in texts(B, seed)]
            model = Mean(seed)
            _, cached = gradient(model, lambda: gradcache_step(model, columns, loss_at_010, MINI))  # noqa: B023
            _, whole = gradient(model, lambda: full_batch_step(model, columns, loss_at_010))  # noqa: B023
            apart = max(apart, _apart(cached, whole))
            apart_dropout = max(apart_dropout, _with_dropout(columns, seed))
        held = peak_saved_bytes(lambda: gradcache_step(model, columns, loss_at_010, MINI), model)  # noqa: B023
        held_whole = peak_saved_bytes(lambda: full_batch_step(model, columns, loss_at_010), model)  # noqa: B023
        rows.append({
            "batch size": B, "difference": apart, "difference with dropout": apart_dropout,
            "megabytes": round(held / 2**20, 2), "megabytes, whole": round(held_whole / 2**20, 2),
        })  # fmt: skip
    return {"mini-batch size": MINI, "rows": rows}


def _with_dropout(columns: list[tuple[Tensor]], seed: int) -> float:
    """The same, with dropout: the pieces are embedded once and all kept, from the same random state."""
    model = Mean(seed, dropout=0.1).train()

    def kept() -> Tensor:
        embedded = [torch.cat([model(piece) for piece in ids.split(MINI)]) for (ids,) in columns]
        loss = loss_at_010(*embedded)
        torch.autograd.backward(loss)
        return loss.detach()

    torch.manual_seed(seed)
    _, whole = gradient(model, kept)
    torch.manual_seed(seed)
    _, cached = gradient(model, lambda: gradcache_step(model, columns, loss_at_010, MINI))
    return _apart(cached, whole)


# --- claim 15 --------------------------------------------------------------------------------


def as_copies(x: Tensor) -> Tensor:
    """The known mistake: rows of other processes come as copies without a history, and nothing makes up for it."""
    everyone = gather_with_gradient(x.detach())
    before = rank() * len(x)
    return torch.cat([everyone[:before], x, everyone[before + len(x) :]])


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "gathered": gather_with_gradient,
    "alone": lambda x: x,
    "copies without gradient": as_copies,
}


def this_process(seed: int, way: str, B: int = 16) -> tuple[float, Tensor]:
    """Loss and gradient of 16 pairs, each process with its share of them; the mean over processes."""
    model = Mean(seed)
    own = [share(ids) for ids in texts(B, seed)]

    def step() -> Tensor:
        loss = loss_at_010(*(WAYS[way](model(ids)) for ids in own))
        torch.autograd.backward(loss)
        average_gradients(model.parameters())
        return loss.detach()

    return gradient(model, step)


def measure_devices(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By number of processes, the worst over seeds: how far loss and gradient are from those of one process."""
    found: Measurements = {way: {} for way in WAYS}
    for W in WORLDS[budget]:
        for seed in seeds:
            loss, whole = this_process(seed, "gathered")
            for way, (theirs, gradient) in _processes(W, seed).items():
                row = {
                    "loss": abs(theirs - loss), "gradient": _apart(gradient, whole),
                    "cosine": float(torch.nn.functional.cosine_similarity(gradient, whole, dim=0)),
                    "length": float(gradient.norm() / whole.norm()),
                }  # fmt: skip
                before = found[way].get(str(W), row)
                pick = {"loss": max, "gradient": max, "cosine": min, "length": max}
                found[way][str(W)] = {name: pick[name](row[name], before[name]) for name in row}
    return found


def _processes(W: int, seed: int) -> dict[str, tuple[float, Tensor]]:
    """What the first of W processes of torchrun finds, in each of the WAYS."""
    with tempfile.TemporaryDirectory() as folder:
        torchrun(["-m", "workbook.claims.whole_batch", folder, str(seed)], W, 60 * MINUTES)
        found = load_file(Path(folder) / "found.safetensors")
    return {way: (float(found[f"{way}: loss"]), found[f"{way}: gradient"]) for way in WAYS}


def main(folder: str, seed: str) -> None:
    """One process of torchrun."""
    dist.init_process_group("gloo")
    found: dict[str, Tensor] = {}
    for way in WAYS:
        loss, found[f"{way}: gradient"] = this_process(int(seed), way)
        found[f"{way}: loss"] = torch.tensor(loss, dtype=torch.float64)
    if rank() == 0:
        write_safetensors(Path(folder) / "found.safetensors", found)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
