"""Chance without state: every draw is a hash of its own address.

A generator that must start anywhere cannot roll dice one after the other. Here the draws of
passage 7,000,000 follow from the seed and the number 7,000,000 alone, by splitmix64, a few
multiplications and shifts of 64-bit numbers. They are the same on every machine and in every process.

Taught in 09.
"""

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
MASK = (1 << 64) - 1

# What a draw is for; two purposes never share their draws.
FAMILY, PASSAGE, QUERY, LABEL, NOISE, TABLE = range(1, 7)


def mix(x: int) -> int:
    """One round of splitmix64: a number below 2⁶⁴ scattered over all of them, one to one."""
    x = (x + GOLDEN) & MASK
    x = ((x ^ (x >> 30)) * FIRST) & MASK
    x = ((x ^ (x >> 27)) * SECOND) & MASK
    return x ^ (x >> 31)


def draw(seed: int, purpose: int, *address: int) -> int:
    """The 64 random bits that belong to an address."""
    x = mix(mix(seed & MASK) ^ purpose)
    for part in address:
        x = mix(x ^ (part & MASK))
    return x


def draws(seed: int, purpose: int, numbers: np.ndarray, count: int) -> np.ndarray:
    """`count` draws for each of many numbers; column i of row n is draw(seed, purpose, n, i).

    Args:
        seed: of the corpus.
        purpose: one of the constants above.
        numbers: (N,) whole numbers, 0 or more.
        count: C, how many each gets.
    Returns:
        (N, C) uint64.

    Source: Steele, Lea and Flood 2014 (splitmix64).
    """
    start = np.uint64(mix(mix(seed & MASK) ^ purpose))
    rows = _mix(start ^ np.asarray(numbers, dtype=np.uint64))  # (N,)
    return _mix(rows[:, None] ^ np.arange(count, dtype=np.uint64))  # (N, C)


def _mix(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(GOLDEN)  # wraps around at 2⁶⁴, as it should
    x = (x ^ (x >> np.uint64(30))) * np.uint64(FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(SECOND)
    x = x ^ (x >> np.uint64(31))
    return x
