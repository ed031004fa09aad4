"""Batches: which texts are read together in a step.

Padding costs as much as text, so texts of similar length go together; and every epoch has another
order, which follows from the seed.

Letters: N texts, B texts in a batch, T token positions.

Taught in 05 and 07.
"""

import itertools
import math
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from workbook.encoder.tokenizer import rectangle

__all__ = [
    "bucketed_batches", "drawn_batches", "epoch_batches", "rectangle", "share_with_twin", "source_shares", "stream_batches",
    "without_duplicates",
]  # fmt: skip


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


def without_duplicates(batches: Sequence[np.ndarray], texts: Sequence[Sequence[Hashable]]) -> list[np.ndarray]:
    """The rows of some batches, put together anew so that no text stands in two rows of a batch.

    A batch takes the next row in order that has no text in common with it; the others wait for the next batch. So an
    epoch without duplicates is left as it is. A text that stands in many rows makes small batches at the end.

    Args:
        batches: arrays of row numbers, such as one epoch from `bucketed_batches`.
        texts: for each of the N rows its texts, such as (query, positive).
    Returns:
        arrays of row numbers; the same rows, in batches no larger than the largest.

    The same batches as sentence-transformers' sampler NO_DUPLICATES forms from one order of the rows.
    """
    sizes, rows = [len(batch) for batch in batches], deque(np.concatenate(batches).tolist())
    found: list[np.ndarray] = []
    while rows:
        size = sizes[len(found)] if len(found) < len(sizes) else max(sizes)
        seen: set[Hashable] = set()
        batch: list[int] = []
        waiting: list[int] = []
        while rows and len(batch) < size:
            row = rows.popleft()
            if seen.isdisjoint(texts[row]):
                batch.append(row)
                seen.update(texts[row])
            else:
                waiting.append(row)
        rows.extendleft(reversed(waiting))
        found.append(np.array(batch))
    return found


def share_with_twin(copies: Sequence[int], batch_size: int) -> float:
    """The share of a random batch, as expected, whose text stands in the batch at least once more.

        1/N · sum_t  c_t · (1 - P_t),   P_t = prod_{i=0}^{B-2} (N - c_t - i) / (N - 1 - i)

    Put one copy of text t into the batch. Of the N - 1 rows that are left, N - c_t are other texts, and P_t is the
    probability that all B - 1 further draws are such rows. Each in-batch negative that is a twin is a false one.

    Args:
        copies: c_t, how often each distinct text stands in the corpus; they add up to N.
        batch_size: B, drawn without putting back.
    Returns:
        between 0 and 1.
    Raises:
        ValueError: a text stands nowhere, or the batch is not from 1 to N.
    """
    N = sum(copies)
    if not copies or min(copies) < 1 or not 1 <= batch_size <= N:
        raise ValueError(
            f"expected counts of 1 or more and a batch from 1 to their sum, {N}, got a batch of {batch_size} and a smallest "
            f"count of {min(copies, default=0)}"
        )
    i = np.arange(batch_size - 1)
    texts_with = Counter(copies)  # how many texts have so many copies
    alone = {c: float(np.prod(np.maximum(N - c - i, 0) / (N - 1 - i))) for c in texts_with}
    return sum(texts_with[c] * c * (1 - alone[c]) for c in texts_with) / N


def stream_batches(
    lengths: np.ndarray,
    batch_size: int,
    seed: int = 0,
    pool_batches: int = 16,
    start: int = 0,
    texts: Sequence[Sequence[Hashable]] | None = None,
    groups: Sequence[Hashable] | None = None,
) -> Iterator[np.ndarray]:
    """The batches of one epoch after another, without end.

    The position in the data is the step, from which epoch and place in it follow: a stopped run that
    goes on at step `start` meets the batches it would have met.

    Args:
        lengths, batch_size, seed, pool_batches: as in `bucketed_batches`.
        start: how many batches have been used already.
        texts, groups: as in `epoch_batches`. How many batches an epoch has is then known only once it is put together,
            so those before `start` are, once more.
    Returns:
        an iterator over arrays of row numbers.
    """
    per_epoch = math.ceil(len(lengths) / batch_size)
    first, place = divmod(start, per_epoch) if texts is None and groups is None else (0, start)
    for epoch in itertools.count(first):
        batches = epoch_batches(lengths, batch_size, seed, epoch, pool_batches, texts, groups)
        yield from batches[place:]
        place = max(0, place - len(batches))


def epoch_batches(
    lengths: np.ndarray,
    batch_size: int,
    seed: int = 0,
    epoch: int = 0,
    pool_batches: int = 16,
    texts: Sequence[Sequence[Hashable]] | None = None,
    groups: Sequence[Hashable] | None = None,
) -> list[np.ndarray]:
    """The batches of one epoch, with what keeps rows apart.

    Args:
        lengths, batch_size, seed, epoch, pool_batches: as in `bucketed_batches`.
        texts: for each row its texts; with them no text stands twice in a batch (`without_duplicates`).
        groups: for each row its group, such as the source of a pair; with them a batch holds rows of one group only, and
            a group has as many batches as it has rows for. What sets one source apart from another, such as length
            or style, then tells no negative from the positive.
    Returns:
        arrays of row numbers; every row stands in exactly one of them.

    Source of batches from one source: Nussbaum et al. 2024 (Nomic Embed).
    """
    if groups is None:
        batches = bucketed_batches(lengths, batch_size, seed, epoch, pool_batches)
        return batches if texts is None else without_duplicates(batches, texts)
    rows_of: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group, []).append(row)
    batches = []
    for rows in map(np.array, rows_of.values()):
        own = None if texts is None else [texts[row] for row in rows]
        batches += [rows[part] for part in epoch_batches(lengths[rows], batch_size, seed, epoch, pool_batches, own)]
    return [batches[i] for i in np.random.default_rng([seed, epoch]).permutation(len(batches))]


def source_shares(
    sizes: Mapping[str, int], alpha: float = 1.0, weights: Mapping[str, float] | None = None
) -> dict[str, float]:
    """How often a batch comes from each source: large sources more often, but not as much more as they are larger.

        p_i = w_i n_i^α / sum_j w_j n_j^α

    Args:
        sizes: source -> n, how many pairs it has.
        alpha: 1 draws by size, 0 draws all sources equally often; GTE took 0.5.
        weights: source -> w, for sources that shall count more or less than their size says; 1 where it is not given.
    Returns:
        source -> p; they add up to 1.
    Raises:
        ValueError: there is no source, one is empty, a weight is negative or names no source, or all are 0.

    Source: Li et al. 2023 (GTE), equation 4.
    """
    weights = weights or {}
    if not sizes or min(sizes.values()) < 1 or set(weights) - set(sizes) or min(weights.values(), default=0) < 0:
        raise ValueError(
            f"expected sources with at least one pair each, and weights of 0 or more for some of them, got {dict(sizes)} and "
            f"{dict(weights)}"
        )
    powers = {source: weights.get(source, 1.0) * n**alpha for source, n in sizes.items()}
    total = sum(powers.values())
    if total == 0:
        raise ValueError("all weights are 0, so nothing can be drawn; give at least one source a weight above 0")
    return {source: power / total for source, power in powers.items()}


def drawn_batches(
    lengths: np.ndarray,
    batch_size: int,
    groups: Sequence[Hashable],
    shares: Mapping[Any, float],
    seed: int = 0,
    pool_batches: int = 16,
    start: int = 0,
    texts: Sequence[Sequence[Hashable]] | None = None,
) -> Iterator[np.ndarray]:
    """Batches of one source each, without end; which source, is drawn anew for every batch.

    A source goes through its own rows epoch by epoch. One that is drawn more often than its size says is read more often.

    Args:
        lengths, batch_size, seed, pool_batches, start, texts: as in `stream_batches`.
        groups: for each row its source.
        shares: source -> how often it is drawn, as from `source_shares`.
    Returns:
        an iterator over arrays of row numbers.
    Raises:
        ValueError: shares and groups do not name the same sources.
    """
    if set(groups) != set(shares):
        raise ValueError(
            f"shares must name the sources of the rows, {sorted(map(str, set(groups)))}, got {sorted(map(str, shares))}"
        )
    rows_of = {source: np.array([row for row, group in enumerate(groups) if group == source]) for source in shares}
    sources, rng = list(shares), np.random.default_rng([seed, len(shares)])
    drawn = (sources[i] for i in iter(lambda: int(rng.choice(len(sources), p=list(shares.values()))), -1))
    used = Counter(itertools.islice(drawn, start))
    streams = {
        source: stream_batches(
            lengths[rows], batch_size, seed, pool_batches, used[source],
            None if texts is None else [texts[row] for row in rows],
        )
        for source, rows in rows_of.items()
    }  # fmt: skip
    for source in drawn:
        yield rows_of[source][next(streams[source])]
