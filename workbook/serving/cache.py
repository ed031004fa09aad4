"""A cache of vectors that knows which model made them: the text used longest ago goes first (LRU).

The key is (fingerprint of the model, prompt, text). Without the fingerprint, vectors of the old model survive a new
one; without the prompt, a query meets the vector of a passage with the same words.

Taught in 21.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from workbook.support.checks import check_positive

V = TypeVar("V")


class Cache(Generic[V]):
    """At most `size` values; a new one takes the place of the one that was used longest ago.

    Args:
        size: 1 or more.
    Raises:
        ValueError: size is below 1.
    """

    def __init__(self, size: int):
        check_positive(size=size)
        self.size = size
        self.hits = self.misses = 0
        self._values: OrderedDict[Hashable, V] = OrderedDict()  # what was used longest ago stands first

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[Hashable]:
        """What it holds, the next to go first."""
        return list(self._values)

    def get(self, key: Hashable) -> V | None:
        """The value of a key, which is in use again; None where there is none."""
        if key not in self._values:
            self.misses += 1
            return None
        self.hits += 1
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value; where there is no room, what was used longest ago goes."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self.size:
            self._values.popitem(last=False)


def replay(keys: Iterable[Hashable], size: int) -> tuple[list[bool], list[Hashable]]:
    """Send keys through a cache: which of them it held, and what it holds in the end, the next to go first."""
    cache = Cache[bool](size)
    hits = []
    for key in keys:
        hits.append(cache.get(key) is not None)
        cache.put(key, True)
    return hits, cache.keys()
