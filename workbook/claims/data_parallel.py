"""The experiment of claim 60: what a step of training takes in one process and in two that exchange vectors and gradients.

Run as a module under torchrun, this is what each process does:

    torchrun --nproc-per-node 2 -m workbook.claims.data_parallel FOLDER SEED BUDGET

One process takes the whole batch while the other waits; two take half of it each and exchange nothing, which is all that this
machine can give; two take half each and exchange. The three come in turn, so what else the machine does meets all alike.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor, nn

from workbook.claims.kept import kept
from workbook.encoder import StaticEncoder, TransformerEncoder
from workbook.losses import info_nce
from workbook.pooling import mean_pool
from workbook.support.files import write_safetensors
from workbook.support.processes import torchrun
from workbook.train.distributed import average_gradients, gather_with_gradient, rank, share

ONE, ALONE, GATHERED = "one process", "two, nothing exchanged", "two, gathered"
WAYS = (ONE, ALONE, GATHERED)
W = 2
MINUTES = 30  # that the processes of one seed may take


class Case(NamedTuple):
    """A training: its encoder, how many pairs stand in a batch, how many steps are timed together."""

    name: str
    layers: int  # 0 is a bag of vectors
    batch_size: int
    steps: int


class Size(NamedTuple):
    """How large it is."""

    cases: tuple[Case, ...]
    words: int
    dimensions: int
    tokens: int
    rounds: int


SIZES = {
    "notebook": Size(
        (Case("bag, batch 16", 0, 16, 2), Case("transformer, batch 16", 1, 16, 1)), 200, 32, 8, 2
    ),
    "record": Size(
        (
            Case("bag, batch 256", 0, 256, 10), Case("bag, batch 2,048", 0, 2_048, 5), Case("transformer, batch 32", 4, 32, 4),
            Case("transformer, batch 128", 4, 128, 2),
        ),
        30_000, 256, 32, 6,
    ),
}  # fmt: skip


class Model(nn.Module):
    """Token ids (B, T) -> vectors (B, D)."""

    def __init__(self, case: Case, size: Size, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        heads = max(1, size.dimensions // 64)
        self.backbone = (
            TransformerEncoder(size.words, size.dimensions, case.layers, heads, dropout=0.0)
            if case.layers
            else StaticEncoder(size.words, size.dimensions)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, T) -> (B, D)."""
        mask = torch.ones_like(ids)
        if isinstance(self.backbone, StaticEncoder):
            return self.backbone.mean(ids, mask)
        return mean_pool(self.backbone(ids, mask), mask)


def take_steps(model: Model, batches: Iterator[list[Tensor]], way: str) -> float:
    """Steps of this process in its way; the last loss. In ONE the first process takes them all, and the others none."""
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), torch.zeros(())
    if way == ONE and rank() > 0:
        return 0.0
    for sides in batches:
        optimizer.zero_grad()
        vectors = [model(ids if way == ONE else share(ids)) for ids in sides]
        if way == GATHERED:
            vectors = [gather_with_gradient(each) for each in vectors]
        loss = info_nce(vectors[0], vectors[1], temperature=0.1)
        torch.autograd.backward(loss)
        if way == GATHERED:
            average_gradients(model.parameters())
        optimizer.step()
    return float(loss.detach())


def timed(case: Case, size: Size, seed: int) -> dict[str, Tensor]:
    """Seconds of a step by round and way, (rounds, ways), and how far the last loss of two processes is from that of one."""
    start, apart = Model(case, size, seed), 0.0
    seconds: list[list[float]] = []
    generator = torch.Generator().manual_seed(seed)
    shape = (case.steps, 2, case.batch_size, size.tokens)
    for turn in range(size.rounds + 1):  # the first is not counted
        ids = torch.randint(5, size.words, shape, generator=generator)
        took: list[float] = []
        ended: dict[str, float] = {}
        for way in WAYS:
            model = deepcopy(start)
            dist.barrier()
            begin = time.perf_counter()
            ended[way] = take_steps(model, iter([list(sides) for sides in ids]), way)
            if way != ONE:
                dist.barrier()  # until the slower one is ready
            took.append((time.perf_counter() - begin) / case.steps)
            dist.barrier()
        if turn:
            seconds.append(took)
        if rank() == 0:
            apart = max(apart, abs(ended[GATHERED] - ended[ONE]))
    return {"seconds": torch.tensor(seconds, dtype=torch.float64), "apart": torch.tensor(apart)}


@kept
def steps_of(seed: int, budget: str) -> dict[str, np.ndarray]:
    """For each case, seconds of a step, (rounds, ways), and how far apart the losses are."""
    with tempfile.TemporaryDirectory() as folder:
        torchrun(["-m", "workbook.claims.data_parallel", folder, str(seed), budget], W, 60 * MINUTES)
        return {name: each.numpy() for name, each in load_file(Path(folder) / "found.safetensors").items()}


def main(folder: str, seed: str, budget: str) -> None:
    """One process of torchrun."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found: dict[str, Tensor] = {}
    for case in SIZES[budget].cases:
        measured = timed(case, SIZES[budget], int(seed))
        found |= {f"{case.name}: {what}": each for what, each in measured.items()}
    if rank() == 0:
        write_safetensors(Path(folder) / "found.safetensors", found)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
