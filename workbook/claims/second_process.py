"""The experiment of claim 58: what a second process adds to encoding, and whether the way to memory is what takes it away.

Two processes stand ready, each with a thread and work of its own. They work one at a time, then both, then the other: so what else
the machine does meets all alike. Nothing is sent between them and nothing is written.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
import torch

from workbook.claims.kept import kept
from workbook.encoder import StaticEncoder, TransformerEncoder
from workbook.pooling import mean_pool

BAG, FEW_WORDS = "bag of vectors", "bag of vectors, 512 words"
TRANSFORMER, ONE_LAYER = "transformer", "transformer, one layer again and again"
PRODUCTS, SUM = "products in the cache", "a sum over what no cache holds"
TWINS = {BAG: FEW_WORDS, TRANSFORMER: ONE_LAYER}  # the same operations on less memory
NAMES = (BAG, FEW_WORDS, TRANSFORMER, ONE_LAYER, PRODUCTS, SUM)
FEW = 512  # rows of a table that the cache holds
TOKENS = 64  # of a text
Work = Callable[[], int]


class Size(NamedTuple):
    """How large the work is, and how long it is looked at."""

    words: int  # rows of the large table
    texts: int  # of the bag, in one piece
    hidden: int
    layers: int
    numbers: int  # of the sum
    seconds: float  # of a look
    rounds: int


SIZES = {
    "notebook": Size(2_000, 100, 32, 2, 10**5, 0.05, 2),
    "record": Size(250_000, 1_000, 384, 6, 64 * 10**6, 2.0, 6),
}


def works(seed: int, budget: str) -> dict[str, Work]:
    """Each of NAMES as a function that does a piece and says how many texts, products or sums that was."""
    size = SIZES[budget]
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    table = StaticEncoder(size.words, 256)
    ids = torch.randint(size.words, (size.texts, TOKENS), generator=generator)
    mask = torch.ones_like(ids)
    deep, flat = (TransformerEncoder(FEW, size.hidden, size.layers, size.hidden // 32, max_length=TOKENS) for _ in "ab")
    for block in range(size.layers):
        flat.blocks[block] = flat.blocks[0]
    short, seen = ids[:4] % FEW, mask[:4]
    square, long = torch.randn(128, 128) / 128, torch.randn(size.numbers)

    def bag(ids: torch.Tensor) -> int:
        table.mean(ids, mask)
        return len(ids)

    def transformer(model: TransformerEncoder) -> int:
        mean_pool(model(short, seen), seen)
        return len(short)

    def products() -> int:
        for _ in range(50):
            square @ square
        return 50

    return {
        BAG: lambda: bag(ids % size.words),  # its twin divides, too
        FEW_WORDS: lambda: bag(ids % FEW),
        TRANSFORMER: lambda: transformer(deep.eval()),
        ONE_LAYER: lambda: transformer(flat.eval()),
        PRODUCTS: products,
        SUM: lambda: int(long.sum() < float("inf")),
    }


def look(work: Work, seconds: float) -> tuple[float, float]:
    """Pieces done a second, and a second of the processor, in at least so many seconds; one piece at least."""
    start, cpu, done = time.perf_counter(), time.process_time(), work()
    while time.perf_counter() < start + seconds:
        done += work()
    return done / (time.perf_counter() - start), done / max(time.process_time() - cpu, 1e-9)


@torch.inference_mode()
def _serve(connection: Connection, seed: int, budget: str) -> None:
    """A process: it does what it is told, until it is told None."""
    torch.set_num_threads(1)
    every, size = works(seed, budget), SIZES[budget]
    for work in every.values():
        work()  # the first time takes longer
    connection.send("ready")
    while (told := connection.recv()) is not None:
        name, threads = told
        torch.set_num_threads(threads)
        connection.send(look(every[name], size.seconds))


@contextmanager
def two_processes(seed: int, budget: str) -> Iterator[tuple[Connection, Connection]]:
    """Two processes that are ready, with different texts; they end with the block."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    started = [
        context.Process(target=_serve, args=(there, 2 * seed + i, budget), daemon=True)
        for i, (_, there) in enumerate(pipes)
    ]
    for process in started:
        process.start()
    a, b = (here for here, _ in pipes)
    try:
        for each in (a, b):
            each.recv()
        yield a, b
        for each in (a, b):
            each.send(None)
    finally:
        for process in started:
            process.join(5)
            process.kill()


def rates(name: str, *working: Connection, threads: int = 1) -> np.ndarray:
    """What these processes do at the same time, each by the second and by the second of the processor: (processes, 2)."""
    for each in working:
        each.send((name, threads))
    return np.array([each.recv() for each in working])


@kept
def efficiencies(seed: int, budget: str) -> dict[str, np.ndarray]:
    """What both do together by what they do one at a time, (rounds, 2): by the second, and by the second of the processor.

    Under "two threads" stands what the transformer gains by a second thread in place of a second process, by half.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*NAMES, "two threads")}
    with two_processes(seed, budget) as (a, b):
        for _ in range(SIZES[budget].rounds):
            for name in NAMES:
                first, both, second = rates(name, a), rates(name, a, b), rates(name, b)
                together, apart = both.sum(axis=0), (first + second).sum(axis=0)
                found[name].append(together / apart)
            one, two = rates(TRANSFORMER, a), rates(TRANSFORMER, a, threads=2)
            found["two threads"].append((two / one / 2)[0])
    return {name: np.array(rows) for name, rows in found.items()}
