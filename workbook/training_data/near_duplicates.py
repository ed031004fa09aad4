"""Near-duplicates: which of many texts are almost the same, without comparing every two of them.

Cut a text into shingles, overlapping runs of a few words. How alike two texts are is the share of
shingles that they have in common, the Jaccard index of the two sets:

    J(A, B) = |A ∩ B| / |A ∪ B|

MinHash turns that share into a probability. Number all shingles at random and keep the smallest
number of each set: A and B keep the same one with probability J, since it is the smallest of A ∪ B
that decides, and it has to lie in A ∩ B. A hundred such numberings give a hundred minima, the
signature. Its minima are cut into bands of rows, and two texts become candidates when one band
agrees in all its rows, which a dictionary finds without any comparison:

    P(candidates) = 1 - (1 - J^rows)^bands

Taught in 12.
"""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TypeVar

import numpy as np

Node = TypeVar("Node", int, str)

PRIME = (1 << 31) - 1
CHARACTERS = 1_500  # of a text that are looked at: what is alike for so long is alike


def shingles(text: str, size: int = 4) -> set[int]:
    """The runs of `size` words of a text, each as a number.

    Args:
        text: its first 1,500 characters are looked at, in lower case, without punctuation.
        size: words in a run; a text with fewer is one run, whatever its length.
    Returns:
        the CRC-32 of each run; never empty.
    """
    words = re.findall(r"\w+", text[:CHARACTERS].lower())
    runs = (" ".join(words[i : i + size]) for i in range(max(len(words) - size + 1, 1)))
    return {zlib.crc32(run.encode("utf-8", "surrogatepass")) for run in runs}


def jaccard(a: set[int], b: set[int]) -> float:
    """The share of two sets that they have in common, between 0 and 1.

        J(A, B) = |A ∩ B| / |A ∪ B|

    Two empty sets are equal, so their J is 1.

    Source: Jaccard 1912.
    """
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def minhash(shingles: set[int], num_hashes: int = 100) -> np.ndarray:
    """The signature of a set: its smallest member under each of many random numberings.

        minhash_i = min over x in the set of  (factor_i · x + shift_i) mod (2³¹ - 1)

    The share of equal entries in two signatures estimates J, with a standard error of
    sqrt(J · (1 - J) / num_hashes).

    Args:
        shingles: numbers below 2³²; at least one.
        num_hashes: H, how many numberings. They are the same in every call and on every machine.
    Returns:
        (H,) uint64.
    Raises:
        ValueError: the set is empty.

    Source: Broder 1997.
    """
    if not shingles:
        raise ValueError("an empty set has no smallest member; give at least one shingle")
    factor, shift = _numberings(num_hashes)
    hashes = np.fromiter(shingles, dtype=np.uint64, count=len(shingles)) % np.uint64(PRIME)
    minima: np.ndarray = ((factor * hashes + shift) % np.uint64(PRIME)).min(axis=1)
    return minima


def chance_to_meet(similarity: float, bands: int = 20, rows: int = 5) -> float:
    """How probable it is that two texts become candidates.

        P = 1 - (1 - J^rows)^bands

    With 20 bands of 5 rows: 5 % at J = 0.3, 80 % at 0.6, 99.96 % at 0.8.

    Args:
        similarity: J, between 0 and 1.
        bands, rows: how the signature is cut.
    Returns:
        between 0 and 1.

    Source: Leskovec, Rajaraman and Ullman 2014, chapter 3.
    """
    return 1 - (1 - similarity**rows) ** bands


def near_duplicates(texts: Mapping[str, str], bands: int = 20, rows: int = 5) -> dict[str, int]:
    """Group texts that share most of their words in order: text id -> number of its group.

    Texts that meet in a band are one group, and so are those that meet a third one. Nothing is
    compared a second time: a group may hold a text that is alike by chance, or by a chain of others.
    That suits a split, which must tear nothing apart; to drop texts, see `MinHashIndex`.

    Args:
        texts: text id -> text.
        bands, rows: see `chance_to_meet`.
    Returns:
        text id -> the same number for all texts of a group.

    Source: Broder 1997.
    """
    parent: dict[int, int] = {}
    first_in_bucket: dict[tuple[int, bytes], int] = {}
    for number, text in enumerate(texts.values()):
        for bucket in _buckets(shingles(text), bands, rows):
            join(parent, number, first_in_bucket.setdefault(bucket, number))
    return {name: find(parent, number) for number, name in enumerate(texts)}


class MinHashIndex:
    """Texts to compare others with: those that meet in a band, then those whose J is high enough.

    Args:
        threshold: J from which two texts are near-duplicates.
        bands, rows: see `chance_to_meet`. Near-duplicates that do not meet are missed; what is
            returned is certain, since J of the whole sets is computed.
    Raises:
        ValueError: threshold is not above 0 and at most 1.

    Source: Broder 1997.
    """

    def __init__(self, threshold: float = 0.8, bands: int = 20, rows: int = 5):
        if not 0 < threshold <= 1:
            raise ValueError(
                f"threshold must be above 0 and at most 1, got {threshold}; it is a share, not a percentage"
            )
        self.threshold, self.bands, self.rows = threshold, bands, rows
        self._shingles: dict[str, set[int]] = {}
        self._bucket: dict[tuple[int, bytes], list[str]] = defaultdict(list)

    def add(self, name: str, text: str) -> None:
        """Remember a text."""
        self._shingles[name] = shingles(text)
        for bucket in _buckets(self._shingles[name], self.bands, self.rows):
            self._bucket[bucket].append(name)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """The most similar remembered text and its J; of equally similar ones the first.

        Args:
            text: any text.
        Returns:
            (name, J), or None where no candidate reaches the threshold.
        """
        own = shingles(text)
        met = (name for bucket in _buckets(own, self.bands, self.rows) for name in self._bucket.get(bucket, ()))
        best: tuple[str, float] | None = None
        for name in dict.fromkeys(met):
            J = jaccard(own, self._shingles[name])
            if self.threshold <= J and (best is None or best[1] < J):
                best = name, J
        return best


def join(parent: dict[Node, Node], a: Node, b: Node) -> None:
    """Make one group of the groups of a and b; the group of b keeps its root."""
    a, b = find(parent, a), find(parent, b)
    if a != b:
        parent[a] = b


def find(parent: dict[Node, Node], node: Node) -> Node:
    """The root of a node's group. The path to it is shortened on the way: union-find."""
    root = node
    while root in parent:
        root = parent[root]
    while node != root:
        parent[node], node = root, parent[node]
    return root


def _buckets(shingles: set[int], bands: int, rows: int) -> Iterator[tuple[int, bytes]]:
    """A key for each band; two texts with an equal key are candidates."""
    minima = minhash(shingles, bands * rows)
    for band in range(bands):
        yield band, minima[band * rows : (band + 1) * rows].tobytes()


@cache
def _numberings(num_hashes: int) -> tuple[np.ndarray, np.ndarray]:
    """factor and shift, each (H, 1)."""
    factor, shift = np.random.default_rng(0).integers(1, PRIME, size=(2, num_hashes, 1), dtype=np.uint64)
    return factor, shift
