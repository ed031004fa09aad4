"""Batches: which texts are read together in a step.

Padding costs as much as text, so texts of similar length go together; and every epoch has another
order, which follows from the seed.

Letters: N texts, B texts in a batch, T token positions.

Taught in 07.
"""

import math
from collections.abc import Iterator

import numpy as np

from workbook.encoder.tokenizer import rectangle

__all__ = ["bucketed_batches", "rectangle", "stream_batches"]


def bucketed_batches(
    lengths: np.ndarray, batch_size: int, seed: int = 0, epoch: int = 0, pool_batches: int = 16
) -> list[np.ndarray]:
    """Cut one epoch into batches of texts of similar length, in random order.

    All texts are shuffled and dealt into pools of `pool_batches` batches. Each pool is sorted by
    length and cut into batches, and the batches of all pools are shuffled. A small pool wastes more on
    padding; a pool of everything would put the same texts together in every epoch.

    Args:
        lengths: (N,) tokens of each text.
        batch_size: the most a batch may hold. Sizes differ by one at most, so no batch is a remnant.
        seed, epoch: the same two give the same batches.
        pool_batches: batches in a pool.
    Returns:
        arrays of row numbers; every one of the N rows stands in exactly one of them.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    num_batches = math.ceil(len(lengths) / batch_size)
    cuts = np.arange(num_batches + 1) * len(lengths) // num_batches
    for first in range(0, num_batches, pool_batches):
        pool = order[cuts[first] : cuts[min(first + pool_batches, num_batches)]]
        if pool_batches > 1:
            pool[:] = pool[np.argsort(lengths[pool], kind="stable")]  # a view: this sorts `order` in place
    batches = np.split(order, cuts[1:-1])
    return [batches[i] for i in rng.permutation(num_batches)]


def stream_batches(
    lengths: np.ndarray, batch_size: int, seed: int = 0, pool_batches: int = 16, start: int = 0
) -> Iterator[np.ndarray]:
    """The batches of one epoch after another, without end.

    The position in the data is the step, from which epoch and place in it follow: a stopped run that
    goes on at step `start` meets the batches it would have met.

    Args:
        lengths, batch_size, seed, pool_batches: as in `bucketed_batches`.
        start: how many batches have been used already.
    Returns:
        an iterator over arrays of row numbers.
    """
    epoch, place = divmod(start, math.ceil(len(lengths) / batch_size))
    while True:
        yield from bucketed_batches(lengths, batch_size, seed, epoch, pool_batches)[place:]
        epoch, place = epoch + 1, 0
