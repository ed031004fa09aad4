"""The queue before a model: when requests come, when they are answered, and what the slowest of a hundred wait.

Nothing here waits. Times are computed, in any unit that all of them share.

    one by one    start_i = max(arrival_i, done_{i-1}),   done_i = start_i + service
    together      a batch opens when the server is free and somebody is there, takes who comes within `window`,
                  and n requests cost fixed + each · n

Taught in 21.
"""

import random
from collections.abc import Sequence

from workbook.support.checks import check_positive


def one_by_one(arrivals: Sequence[float], service: float) -> list[float]:
    """Serve requests one after the other, each as soon as the server is free.

    Args:
        arrivals: when they come, ascending.
        service: how long each takes.
    Returns:
        the latency of each: from its arrival to its answer.
    Raises:
        ValueError: the arrivals are not ascending.
    """
    _check_ascending(arrivals)
    found: list[float] = []
    free = float("-inf")
    for arrival in arrivals:
        free = max(arrival, free) + service
        found.append(free - arrival)
    return found


def together(arrivals: Sequence[float], window: float, largest: int, fixed: float, each: float) -> list[float]:
    """Serve requests in batches: who comes within the window is answered with the first.

    A batch opens as soon as the server is free and a request is there. It closes `window` later, or as soon as
    it holds `largest`. The server is then busy for fixed + each · n, and all n are answered.

    Args:
        arrivals: when requests come, ascending.
        window: how long a batch stays open; 0 takes those that wait already.
        largest: how many it holds at most.
        fixed, each: what a batch costs, and each request in it.
    Returns:
        the latency of each request, in the order of arrival.
    Raises:
        ValueError: the arrivals are not ascending, or largest is below 1.
    """
    _check_ascending(arrivals)
    check_positive(largest=largest)
    found: list[float] = []
    free = float("-inf")
    while len(found) < len(arrivals):
        waiting = arrivals[len(found) :]
        opened = max(waiting[0], free)
        batch = [arrival for arrival in waiting[:largest] if arrival <= opened + window]
        closed = max(opened, batch[-1]) if len(batch) == largest else opened + window
        free = closed + fixed + each * len(batch)
        found += [free - arrival for arrival in batch]
    return found


def nearest_rank(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` of a hundred do not exceed.

    Args:
        values: N numbers, in any order.
        percent: 1 to 100, such as 99.
    Raises:
        ValueError: there is no value, or percent is out of range.

    Equal to numpy's `percentile` with method "inverted_cdf".
    """
    if not values or not 1 <= percent <= 100:
        raise ValueError(f"expected values and a percent from 1 to 100, got {len(values)} values and {percent}")
    rank = -(-percent * len(values) // 100)  # rounded up
    return sorted(values)[rank - 1]


def random_arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Requests of people who do not know of each other: the gaps between them are exponential.

    Args:
        rate: requests in a unit of time, on the average.
        count: how many come.
        seed: of the random numbers.
    Returns:
        when each comes, ascending.
    """
    rng, now = random.Random(seed), 0.0
    found: list[float] = []
    for _ in range(count):
        now += rng.expovariate(rate)
        found.append(now)
    return found


def _check_ascending(arrivals: Sequence[float]) -> None:
    if list(arrivals) != sorted(arrivals):
        raise ValueError("arrivals must be ascending; sort them first")
