"""The exercises of chapter 21: a queue, batches, int8 by the batch, a cache that knows the model, drift, a handler of /v1/embeddings."""

import base64
import math
import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.serving.cache import replay
from workbook.serving.drift import agreement, alarm_threshold
from workbook.serving.queue import nearest_rank, one_by_one, together
from workbook.similarity import normalize

Numbers = Sequence[float]


def _draw_arrivals(rng: random.Random, most: int = 7) -> list[float]:
    """Ascending times in halves, some at once, some far apart; none begins at 0, so that a clock that does is seen."""
    now, found = rng.choice((1.0, 2.5, 7.0)), []
    for _ in range(rng.randint(1, most)):
        found.append(now)
        now += rng.choice((0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 9.0))
    return found


# --- 21.1 the queue --------------------------------------------------------------------------


def queue_latencies(arrivals: Numbers, service: float, percents: Sequence[int]) -> tuple[list[float], list[float]]:
    """One server: the latency of each request, and percentiles of them by nearest rank."""
    latencies = one_by_one(arrivals, service)
    return latencies, [nearest_rank(latencies, percent) for percent in percents]


def _by_waiting(arrivals, service, percents):
    waits = [0.0]
    for before, now in pairwise(arrivals):
        waits.append(max(0.0, waits[-1] + service - (now - before)))
    latencies = np.array(waits) + service

    def smallest_that_reaches(percent):
        return min(x for x in latencies if 100 * (latencies <= x).sum() >= percent * len(latencies))

    return latencies.tolist(), [float(smallest_that_reaches(percent)) for percent in percents]


def _ranked(latencies: list[float], percents: Sequence[int], place: Callable[[int, int], int]) -> list[float]:
    """Each percentile at the place, from 0, that `place` gives for (percent, N)."""
    ordered, N = sorted(latencies), len(latencies)
    return [ordered[min(max(place(percent, N), 0), N - 1)] for percent in percents]


def _nearest(percent: int, N: int) -> int:
    return -(-percent * N // 100) - 1


def _served(serve: Callable[[Numbers, float], list[float]]) -> Answer:
    """Other latencies, and the right percentiles of them."""

    def answer(arrivals, service, percents):
        latencies = serve(arrivals, service)
        return latencies, _ranked(latencies, percents, _nearest)

    return answer


def _told(percentiles: Callable[[list[float], Sequence[int]], list[float]]) -> Answer:
    """The right latencies, and something else than their percentiles."""

    def answer(arrivals, service, percents):
        latencies = one_by_one(arrivals, service)
        return latencies, [float(x) for x in percentiles(latencies, percents)]

    return answer


def _placed(place: Callable[[int, int], int]) -> Answer:
    return _told(lambda latencies, percents: _ranked(latencies, percents, place))


def _without_idle(arrivals: Numbers, service: float) -> list[float]:
    return [arrivals[0] + (i + 1) * service - arrival for i, arrival in enumerate(arrivals)]


def _after_the_one_before(arrivals: Numbers, service: float) -> list[float]:
    before = [-math.inf, *arrivals]
    return [max(arrival, last + service) + service - arrival for arrival, last in zip(arrivals, before, strict=False)]


def _dropped(arrivals: Numbers, service: float) -> list[float]:
    found: list[float] = []
    free = -math.inf
    for arrival in arrivals:
        if arrival >= free:
            free = arrival + service
            found.append(service)
    return found


def _percentiles_of_waits(arrivals, service, percents):
    latencies = one_by_one(arrivals, service)
    return latencies, _ranked([x - service for x in latencies], percents, _nearest)


def _draw_queue(rng: random.Random) -> tuple[list[float], float, list[int]]:
    percents = rng.sample((1, 25, 50, 75, 90, 95, 99, 100), rng.randint(1, 3))
    return _draw_arrivals(rng), rng.choice((0.5, 1.0, 2.0, 4.0)), percents


def _idle(arrivals: Numbers, service: float) -> bool:
    return any(latency == service for latency in one_by_one(arrivals, service)[1:])


def _is_not_sorted(arrivals: Numbers, service: float, percents: Sequence[int]) -> bool:
    latencies = one_by_one(arrivals, service)
    return latencies != sorted(latencies)


QUEUE = Exercise(
    id="21.1",
    title="the queue",
    difficulty="easy",
    minutes=8,
    section="Build it: the queue",
    signature="list of float, float, list of int -> (list of float, list of float)",
    reference=queue_latencies,
    another=_by_waiting,
    draw=_draw_queue,
    loops=True,
    situations=(
        Situation("a request has to wait", lambda a, s, p: max(one_by_one(a, s)) > s),
        Situation("no request has to wait", lambda a, s, p: max(one_by_one(a, s)) == s),
        Situation("the server is idle for a while", lambda a, s, p: _idle(a, s)),
        Situation("two requests come at once", lambda a, s, p: len(set(a)) < len(a)),
        Situation("a later request is answered faster than an earlier one", _is_not_sorted),
        Situation("there is one request", lambda a, s, p: len(a) == 1),
        Situation("a percentile's rank is a whole number", lambda a, s, p: any(x * len(a) % 100 == 0 for x in p)),
        Situation("the percents are not ascending", lambda a, s, p: list(p) != sorted(p)),
    ),
    cases=(
        Case(
            "three close together, two later",
            lambda: ([0.0, 2.0, 4.0, 30.0, 31.0], 10.0, [50, 95]),
            ([10.0, 18.0, 26.0, 10.0, 19.0], [18.0, 26.0]),
        ),
        Case(
            "four of ten arrive at once",
            lambda: ([1.0, 1.0, 1.0, 1.0, 25.0, 30.0, 40.0, 50.0, 60.0, 70.0], 5.0, [90, 60, 99]),
            ([5.0, 10.0, 15.0, 20.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0], [15.0, 5.0, 20.0]),
        ),
        Case("one request", lambda: ([3.0], 2.0, [1, 100]), ([2.0], [2.0, 2.0])),
        Case(
            "ranks that come out whole",
            lambda: ([2.0, 3.0, 4.0, 5.0], 2.0, [25, 50, 75]),
            ([2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0]),
        ),
    ),
    mistakes=(
        Mistake(
            "the generator waits",
            _served(lambda arrivals, service: [service] * len(arrivals)),
            "Every request of yours takes the service time alone, as if none ever met another. A load generator sees that if it waits for an "
            "answer before it sends again: the requests that would have queued are never sent (coordinated omission). Requests come when "
            "they come; let them find the server busy.",
        ),
        Mistake(
            "the busy server sends them away",
            _served(_dropped),
            "Requests that find the server busy are missing. They are the slow ones, and without them your percentiles only know the days on "
            "which nobody waits.",
        ),
        Mistake(
            "waiting alone",
            _served(lambda arrivals, service: [x - service for x in one_by_one(arrivals, service)]),
            "You measure how long a request waits until it is served. The user waits for the answer: the service belongs to the latency.",
        ),
        Mistake(
            "the time on the clock",
            _served(
                lambda arrivals, service: [x + a for x, a in zip(one_by_one(arrivals, service), arrivals, strict=True)]
            ),
            "You return when each answer is ready. A latency is how long that took, counted from the request's own arrival.",
        ),
        Mistake(
            "the server is never idle",
            _served(_without_idle),
            "Each of your requests is served right behind the one before, even where the server has been free for a while and the request was "
            "not there yet. Nothing can start before it arrives.",
        ),
        Mistake(
            "the clock starts at 0",
            _served(lambda arrivals, service: [(i + 1) * service - arrival for i, arrival in enumerate(arrivals)]),
            "You count services from time 0, whatever the arrivals are. A request starts when it has arrived *and* the server is free.",
        ),
        Mistake(
            "the one before has not waited",
            _served(_after_the_one_before),
            "You let a request wait until the one before is served, and forget that this one had to wait as well. What is to be remembered is "
            "when the server gets free, not when the last request came.",
        ),
        Mistake(
            "served twice",
            _served(lambda arrivals, service: [x + service for x in one_by_one(arrivals, service)]),
            "The service time stands in each latency once too often. Perhaps you add it to the time at which the answer is ready already.",
        ),
        Mistake(
            "in reverse order",
            _served(lambda arrivals, service: one_by_one(arrivals, service)[::-1]),
            "The latencies are right and stand in the reverse order. The first belongs to the first request.",
        ),
        Mistake(
            "latencies are sorted",
            lambda *args: (sorted(queue_latencies(*args)[0]), queue_latencies(*args)[1]),
            "You return the latencies sorted. Percentiles need them sorted; what you return stands in the order of arrival, so that one can see "
            "who waited. `list.sort` changes the list itself.",
        ),
        Mistake(
            "the mean",
            _told(lambda latencies, percents: [sum(latencies) / len(latencies) for _ in percents]),
            "You return the mean, whatever the percent is. A mean says nothing about the slow ones: one in a hundred can wait ten times as long "
            "and hardly move it.",
        ),
        Mistake(
            "a percentile of averages",
            _told(
                lambda latencies, percents: _ranked(
                    [total / n for n, total in enumerate(accumulate(latencies), start=1)], percents, _nearest
                )
            ),
            "You average the latencies first, each with those before it, and take percentiles of the averages. What was slow is smoothed away by "
            "then. Percentiles are taken of single requests, and averaged never.",
        ),
        Mistake(
            "percentiles of the waiting",
            _percentiles_of_waits,
            "Your percentiles are those of the waiting time, your latencies have the service in them. Take the percentiles of the latencies.",
        ),
        Mistake(
            "not sorted",
            _told(lambda latencies, percents: [latencies[_nearest(p, len(latencies))] for p in percents]),
            "You take the request at that place in the order of *arrival*. A percentile looks at the latencies from the smallest to the "
            "largest.",
        ),
        Mistake(
            "counted from the slowest",
            _told(
                lambda latencies, percents: [
                    sorted(latencies, reverse=True)[_nearest(p, len(latencies))] for p in percents
                ]
            ),
            "You count from the slowest request. p99 is what 99 of 100 do not exceed: counted from the fastest.",
        ),
        Mistake(
            "one place too far",
            _placed(lambda percent, N: percent * N // 100),
            "Your place is one too far wherever percent · N / 100 is a whole number: ranks count from 1, places in a list from 0. Of four "
            "requests the second one already is p50.",
        ),
        Mistake(
            "rounded down",
            _placed(lambda percent, N: percent * N // 100 - 1),
            "You round the rank down. Then fewer than that percent of the requests are as fast: the rank is rounded *up*.",
        ),
        Mistake(
            "rounded to the nearest place",
            _placed(lambda percent, N: round(percent * (N - 1) / 100)),
            "You spread 0 to 100 percent over the places 0 to N − 1, and round. That is another definition; here the rank is percent · N / 100, "
            "rounded up, and counts from 1.",
        ),
        Mistake(
            "between two requests",
            _told(lambda latencies, percents: [np.percentile(latencies, p) for p in percents]),
            "You interpolate between two latencies, as `np.percentile` does unless told otherwise. By nearest rank a percentile is the latency of "
            "a request that happened.",
        ),
        Mistake(
            "always the slowest",
            _placed(lambda percent, N: N - 1),
            "You always return the slowest request. Did you take the percent for a share, 95 for .95? Then the rank lies beyond the list.",
        ),
        Mistake(
            "equal latencies count once",
            _told(lambda latencies, percents: _ranked(list(dict.fromkeys(latencies)), percents, _nearest)),
            "Equal latencies count once with you, as in a set. Each request counts: nine fast ones of ten are nine tenths.",
        ),
        Mistake(
            "a share of the slowest",
            _told(lambda latencies, percents: [p / 100 * max(latencies) for p in percents]),
            "You take that percent of the largest latency. A percentile counts requests; it is not a part of a number.",
        ),
        Mistake(
            "the mean of the slowest",
            _told(
                lambda latencies, percents: [
                    float(np.mean(sorted(latencies)[_nearest(p, len(latencies)) :])) for p in percents
                ]
            ),
            "You average all requests from that rank on. That is a number of its own; the percentile is the one request at the rank.",
        ),
    ),
    hints=(
        "When can a request be served? Two things must have happened: it has arrived, and the one before it is done.",
        "Carry one number from request to request: when the server gets free. A latency is the end of a request minus its arrival.",
        "For the percentiles sort a copy. The rank is percent · N / 100, rounded up, and counts from 1; math.ceil rounds up.",
    ),
)


# --- 21.2 all that wait, together ------------------------------------------------------------


def batched_latencies(arrivals: Numbers, window: float, largest: int, fixed: float, each: float) -> list[float]:
    """Requests served in batches: the latency of each."""
    return together(arrivals, window, largest, fixed, each)


def _as_events(arrivals, window, largest, fixed, each):
    """The same, with the clock going from one event to the next."""
    found: dict[int, float] = {}
    batch: list[tuple[int, float]] = []
    closes = free = -math.inf
    queue, clock = list(enumerate(arrivals)), -math.inf
    while queue or batch:
        if not batch:
            i, arrival = queue.pop(0)
            clock = max(arrival, free)
            batch, closes = [(i, arrival)], clock + window
        while queue and len(batch) < largest and queue[0][1] <= closes:
            batch.append(queue.pop(0))
            clock = max(clock, batch[-1][1])
        if len(batch) < largest:
            clock = closes
        free = clock + fixed + each * len(batch)
        found.update({i: free - arrival for i, arrival in batch})
        batch = []
    return [found[i] for i in range(len(arrivals))]


def _within(waiting: Numbers, opened: float, window: float, largest: int) -> list[float]:
    return [arrival for arrival in waiting[:largest] if arrival <= opened + window]


def _when_full(opened: float, batch: Numbers, window: float, largest: int) -> float:
    return max(opened, batch[-1]) if len(batch) == largest else opened + window


def _batched(
    arrivals, window, largest, fixed, each, *, opens=lambda first, free, window: max(first, free), members=_within,
    closes=lambda opened, batch, window, largest, rest: _when_full(opened, batch, window, largest),
    cost=lambda n, fixed, each: fixed + each * n,
    latency=lambda arrival, place, opened, closed, done, each: done - arrival,
):  # fmt: skip
    """Batches with one part exchanged."""
    found: list[float] = []
    free = -math.inf
    while len(found) < len(arrivals):
        waiting = arrivals[len(found) :]
        opened = opens(waiting[0], free, window)
        batch = members(waiting, opened, window, largest) or waiting[:1]
        closed = closes(opened, batch, window, largest, len(waiting) - len(batch))
        done = closed + cost(len(batch), fixed, each)
        free = done
        found += [latency(arrival, i, opened, closed, done, each) for i, arrival in enumerate(batch)]
    return found


def _together(**parts: Any) -> Answer:
    return lambda *args: _batched(*args, **parts)


def _window_restarts(waiting: Numbers, opened: float, window: float, largest: int) -> list[float]:
    batch = [waiting[0]]
    for arrival in waiting[1:largest]:
        if arrival > max(opened, batch[-1]) + window:
            break
        batch.append(arrival)
    return batch


def _latest_plus_window(opened, batch, window, largest, rest):
    return max(opened, batch[-1]) if len(batch) == largest else max(opened, batch[-1]) + window


def _background(arrivals, window, largest, fixed, each):
    """Batches are made by the clock of the arrivals alone, and wait for the server whole."""
    found: list[float] = []
    free = -math.inf
    while len(found) < len(arrivals):
        waiting = arrivals[len(found) :]
        batch = _within(waiting, waiting[0], window, largest)
        free = max(_when_full(waiting[0], batch, window, largest), free) + fixed + each * len(batch)
        found += [free - arrival for arrival in batch]
    return found


def _window_of_the_first(arrivals, window, largest, fixed, each):
    """The window runs from the first request's arrival, while the server may still be busy."""
    found: list[float] = []
    free = -math.inf
    while len(found) < len(arrivals):
        waiting = arrivals[len(found) :]
        until = max(waiting[0] + window, free)
        batch = [arrival for arrival in waiting[:largest] if arrival <= until]
        closed = max(free, batch[-1]) if len(batch) == largest else until
        free = closed + fixed + each * len(batch)
        found += [free - arrival for arrival in batch]
    return found


def _on_by_the_largest(arrivals, window, largest, fixed, each):
    """The next batch begins `largest` requests further on, however many were in this one."""
    found: list[float] = []
    free = -math.inf
    for i in range(0, len(arrivals), largest):
        opened = max(arrivals[i], free)
        batch = _within(arrivals[i:], opened, window, largest)
        free = _when_full(opened, batch, window, largest) + fixed + each * len(batch)
        found += [free - arrival for arrival in batch]
    return found


def _always_the_first(arrivals, window, largest, fixed, each):
    """Each batch is made of the first requests of all."""
    found: list[float] = []
    free = -math.inf
    while len(found) < len(arrivals):
        opened = max(arrivals[len(found)], free)
        batch = _within(arrivals, opened, window, largest)
        free = _when_full(opened, batch, window, largest) + fixed + each * len(batch)
        found += [free - arrival for arrival in batch]
    return found


def _one_at_a_time(arrivals, window, largest, fixed, each):
    return one_by_one(arrivals, fixed + each)


def _mean_of_batch(arrivals, window, largest, fixed, each):
    found: list[float] = []
    free = -math.inf
    while len(found) < len(arrivals):
        waiting = arrivals[len(found) :]
        opened = max(waiting[0], free)
        batch = _within(waiting, opened, window, largest)
        free = _when_full(opened, batch, window, largest) + fixed + each * len(batch)
        found += [free - sum(batch) / len(batch)] * len(batch)
    return found


def _draw_batches(rng: random.Random) -> tuple[list[float], float, int, float, float]:
    return (
        _draw_arrivals(rng), rng.choice((0.0, 1.0, 2.0, 4.0)), rng.randint(1, 4), rng.choice((0.5, 1.0, 3.0, 6.0)),
        rng.choice((0.5, 1.0, 2.0)),
    )  # fmt: skip


def _sizes(arrivals: Numbers, window: float, largest: int, fixed: float, each: float) -> list[int]:
    """How many stand in each batch: those of one batch are answered at one time."""
    latencies = together(arrivals, window, largest, fixed, each)
    return list(Counter(a + x for a, x in zip(arrivals, latencies, strict=True)).values())


def _joins_at_the_close(*args: Any) -> bool:
    return together(*args) != _batched(
        *args, members=lambda w, opened, window, largest: [a for a in w[:largest] if a < opened + window] or w[:1]
    )


def _is_the_queue(answer: Answer) -> str | None:
    arrivals = [0.0, 2.0, 4.0, 30.0, 31.0]
    found = answer(arrivals, 0.0, 1, 8.0, 2.0)
    return None if np.allclose(found, [10.0, 18.0, 26.0, 10.0, 19.0]) else f"it gives {compare.render(list(found))}"


BATCHES = Exercise(
    id="21.2",
    title="all that wait, together",
    difficulty="medium",
    minutes=12,
    section="Build it: all that wait, together",
    signature="list of float, float, int, float, float -> list of float",
    reference=batched_latencies,
    another=_as_events,
    draw=_draw_batches,
    loops=True,
    situations=(
        Situation("a batch holds more than one", lambda *args: max(_sizes(*args)) > 1),
        Situation("a batch is full", lambda *args: max(_sizes(*args)) == args[2]),
        Situation("a batch is not full", lambda *args: min(_sizes(*args)) < args[2]),
        Situation("the window is 0", lambda a, window, *rest: window == 0),
        Situation("the largest batch is 1", lambda a, window, largest, *rest: largest == 1),
        Situation("two requests come at once", lambda a, *rest: len(set(a)) < len(a)),
        Situation("there is one request", lambda a, *rest: len(a) == 1),
        Situation("a request comes exactly when the window ends", _joins_at_the_close),
    ),
    cases=(
        Case(
            "a window of 3",
            lambda: ([0.0, 2.0, 4.0, 30.0, 31.0], 3.0, 4, 8.0, 1.0),
            [13.0, 11.0, 21.0, 13.0, 12.0],
        ),
        Case(
            "no window: all that wait",
            lambda: ([0.0, 2.0, 4.0, 30.0, 31.0], 0.0, 8, 8.0, 1.0),
            [9.0, 17.0, 15.0, 9.0, 17.0],
        ),
        Case(
            "full batches do not wait",
            lambda: ([0.0, 1.0, 1.0, 1.0, 5.0], 10.0, 2, 4.0, 1.0),
            [7.0, 6.0, 12.0, 12.0, 23.0],
        ),
        Case("one comes as the window ends", lambda: ([1.0, 3.0, 3.5], 2.0, 5, 1.0, 1.0), [5.0, 3.0, 6.5]),
        Case("seven, close together", lambda: ([1.0, 1.5, 2.5, 4.0, 4.0, 6.0, 8.5], 2.0, 3, 3.0, 0.5)),
    ),
    properties=(Property("with batches of one and no window it is the queue of 21.1", _is_the_queue),),
    mistakes=(
        Mistake(
            "the window starts again",
            _together(
                members=_window_restarts,
                closes=lambda opened, batch, window, largest, rest: _latest_plus_window(
                    opened, batch, window, largest, rest
                ),
            ),
            "Each newcomer starts your window anew. In steady traffic the first request then waits until the batch is full. The window counts from "
            "the moment the batch opens, once.",
        ),
        Mistake(
            "the window counts from the first arrival",
            _window_of_the_first,
            "Your window runs from the arrival of the first request, also while the server is busy. The batch opens only when the server is "
            "free; the window begins there.",
        ),
        Mistake(
            "batches are made while the server is busy",
            _background,
            "You close a batch by the clock even though nobody can take it yet, and those that come while it waits for the server are left for the "
            "next one. A batch opens when the server is free.",
        ),
        Mistake(
            "a full batch waits",
            _together(closes=lambda opened, batch, window, largest, rest: opened + window),
            "Your full batch waits for the end of the window. Nobody else can join it: it closes when the last place is taken.",
        ),
        Mistake(
            "a full batch waits for nobody, not even its own",
            _together(
                closes=lambda opened, batch, window, largest, rest: opened if len(batch) == largest else opened + window
            ),
            "Your full batch closes when it opens, before its last request has arrived. It closes when that one comes.",
        ),
        Mistake(
            "closed by the last who comes",
            _together(closes=lambda opened, batch, window, largest, rest: max(opened, batch[-1])),
            "Your batch closes with the last request that comes within the window. The server cannot know that it is the last: a batch that is not "
            "full stays open to the end of the window.",
        ),
        Mistake(
            "it knows that nobody comes",
            _together(
                closes=lambda opened, batch, window, largest, rest: (
                    _when_full(opened, batch, window, largest) if rest else max(opened, batch[-1])
                )
            ),
            "Behind the last request of all you do not wait for the window. A server cannot know that nobody else will come.",
        ),
        Mistake(
            "the window is not waited for",
            _together(closes=lambda opened, batch, window, largest, rest: opened),
            "You take in who comes within the window, and begin to serve at its opening, before they are there. A batch that is not full begins when its window ends.",
        ),
        Mistake(
            "waited for, and not let in",
            _together(members=lambda waiting, opened, window, largest: _within(waiting, opened, 0.0, largest)),
            "You wait until the window ends, and take only those who were there at its opening. Who comes while it is open belongs to the batch.",
        ),
        Mistake(
            "the arrival and the free server are added",
            _together(opens=lambda first, free, window: first + max(free, 0.0)),
            "A batch of yours opens at the arrival plus the time at which the server is free. Both are times on one clock: the later one counts.",
        ),
        Mistake(
            "on by the largest batch",
            _on_by_the_largest,
            "After each batch you go on by `largest` requests. A batch that was not full held fewer: those in between are never answered.",
        ),
        Mistake(
            "the first requests again and again",
            _always_the_first,
            "Every batch of yours is made of the first requests of all. Those that are answered are gone: look at the ones that still wait.",
        ),
        Mistake(
            "the window is not used",
            lambda arrivals, window, largest, fixed, each: together(arrivals, 0.0, largest, fixed, each),
            "`window` never counts: you take who waits already. With a window above 0 the batch stays open for a while.",
        ),
        Mistake(
            "until the batch is full",
            _together(
                members=lambda waiting, opened, window, largest: waiting[:largest],
                closes=lambda opened, batch, window, largest, rest: max(opened, batch[-1]),
            ),
            "Your batches always wait until they are full, however long that takes. The window is there so that a lonely request is answered.",
        ),
        Mistake(
            "any number at once",
            lambda arrivals, window, largest, fixed, each: together(arrivals, window, len(arrivals) + 1, fixed, each),
            "`largest` never counts. Memory, and the patience of the first, limit a batch.",
        ),
        Mistake(
            "one too many",
            lambda arrivals, window, largest, fixed, each: together(arrivals, window, largest + 1, fixed, each),
            "Your batches hold one more than `largest`. Ask for room before you add, not after.",
        ),
        Mistake(
            "left out at the end of the window",
            _together(
                members=lambda waiting, opened, window, largest: [a for a in waiting[:largest] if a < opened + window],
            ),
            "A request that comes exactly when the window ends is left out. It joins, and with a window of 0 so do those that come at the "
            "moment of opening.",
        ),
        Mistake(
            "the server is always free",
            _together(opens=lambda first, free, window: first),
            "Your batches open as soon as somebody comes, even while the one before is being served. There is one server: it must be free.",
        ),
        Mistake(
            "the fixed cost is forgotten",
            _together(cost=lambda n, fixed, each: each * n),
            "A batch costs `each` for every request, with you, and no `fixed`. The fixed part is what batching saves.",
        ),
        Mistake(
            "the fixed cost for each",
            _together(cost=lambda n, fixed, each: (fixed + each) * n),
            "Every request of a batch pays the fixed cost. Then batching saves nothing: a batch pays it once.",
        ),
        Mistake(
            "a batch costs as one",
            _together(cost=lambda n, fixed, each: fixed + each),
            "Your batch costs the same whatever its size is. Larger batches take longer: `each` counts for every request in it.",
        ),
        Mistake(
            "the largest batch is paid for",
            lambda arrivals, window, largest, fixed, each: _batched(
                arrivals, window, largest, fixed, each, cost=lambda n, fixed, each: fixed + each * largest
            ),
            "You pay for `largest` requests however many there are, as if the batch were filled up. Count those that are in it.",
        ),
        Mistake(
            "from the opening on",
            _together(latency=lambda arrival, i, opened, closed, done, each: done - opened),
            "Your latency begins when the batch opens. A request that came while the server was busy has waited longer: count from its own arrival.",
        ),
        Mistake(
            "from the close on",
            _together(latency=lambda arrival, i, opened, closed, done, each: done - closed),
            "Your latency is the time of the model alone. The user also waits for the window, and for the server to get free.",
        ),
        Mistake(
            "until the close",
            _together(latency=lambda arrival, i, opened, closed, done, each: closed - arrival),
            "Your latency ends when the batch closes. The answer comes when it is done.",
        ),
        Mistake(
            "the time on the clock",
            _together(latency=lambda arrival, i, opened, closed, done, each: done),
            "You return when each answer is ready. Take the arrival off: a latency is how long it took.",
        ),
        Mistake(
            "answered one after the other",
            lambda arrivals, window, largest, fixed, each: _batched(
                arrivals,
                window,
                largest,
                fixed,
                each,
                latency=lambda arrival, i, opened, closed, done, each: closed + fixed + each * (i + 1) - arrival,
            ),
            "The first of your batch has its answer before the last is computed. A batch is one call of the model: all answers come when it is "
            "done.",
        ),
        Mistake(
            "the mean of the batch",
            _mean_of_batch,
            "All requests of a batch get the same latency with you. They are answered at the same time, but have come at different ones.",
        ),
        Mistake(
            "one by one",
            _one_at_a_time,
            "Nobody shares a batch: each request is served alone. Who waits when a batch opens, or comes within its window, joins it.",
        ),
    ),
    hints=(
        "For each batch three moments: it opens, it closes, it is done. What does each depend on?",
        "It opens at the later of two moments: the first waiting request is there, the server is free. Then walk through the next requests, "
        "at most `largest` in all, that come before the window has passed.",
        "A full batch closes when its last request has come, but not before it has opened; any other at the end of its window. Remember when "
        "it is done for the next one, and go on behind its last request.",
    ),
)


# --- 21.3 int8 by the batch ------------------------------------------------------------------


def int8_product(x: Tensor, weight_codes: Tensor, weight_scales: Tensor, by_row: bool) -> tuple[Tensor, Tensor]:
    """Round x as it comes, multiply in integers, scale back: (B, D), (D, E), (E,), bool -> (B, D), (B, E)."""
    axes = (1,) if by_row else (0, 1)
    low, high = x.amin(axes, keepdim=True).clamp(max=0), x.amax(axes, keepdim=True).clamp(min=0)
    scale = torch.where(high > low, (high - low) / 255, 1.0)  # (B, 1) or (1, 1)
    zero = (-low / scale).round()
    codes = ((x / scale).round() + zero).clamp(0, 255)
    sums = (codes - zero).long() @ weight_codes.long()  # (B, E), exact
    return codes.to(torch.uint8), sums * scale * weight_scales


def _row_after_row(x, weight_codes, weight_scales, by_row):
    codes, products = [], []
    for row in x.tolist():
        seen = row if by_row else x.flatten().tolist()
        low, high = min(0.0, *seen), max(0.0, *seen)
        scale = (high - low) / 255 or 1.0
        zero = round(-low / scale)
        coded = [min(255, max(0, round(number / scale) + zero)) for number in row]
        codes.append(coded)
        whole = [sum((c - zero) * int(w) for c, w in zip(coded, column, strict=True)) for column in weight_codes.T]
        products.append([n * scale * float(s) for n, s in zip(whole, weight_scales, strict=True)])
    return torch.tensor(codes, dtype=torch.uint8), torch.tensor(products)


def _range(x: Tensor, by_row: bool) -> tuple[Tensor, Tensor]:
    axes = (1,) if by_row else (0, 1)
    return x.amin(axes, keepdim=True).clamp(max=0), x.amax(axes, keepdim=True).clamp(min=0)


def _rounded(
    x, weight_codes, weight_scales, by_row, *, limits=_range, steps=lambda low, high: torch.where(high > low, (high - low) / 255, 1.0),
    zero_of=lambda low, scale: (-low / scale).round(), code=lambda x, scale, zero: ((x / scale).round() + zero).clamp(0, 255),
    multiply=lambda codes, zero, W: ((codes - zero).long() @ W.long()).float(),
    back=lambda sums, scale, s, x, W: sums * scale * s, kept=lambda codes: codes.to(torch.uint8),
):  # fmt: skip
    """The product with one part exchanged."""
    low, high = limits(x, by_row)
    scale = steps(low, high)
    zero = zero_of(low, scale)
    codes = code(x, scale, zero)
    return kept(codes), back(multiply(codes, zero, weight_codes), scale, weight_scales, x, weight_codes)


def _int8(**parts: Any) -> Answer:
    return lambda *args: _rounded(*args, **parts)


def _wrapped(numbers: Tensor, low: int) -> Tensor:
    """What eight bits make of whole numbers: they begin again behind their end."""
    return (numbers - low) % 256 + low


def _symmetric(x: Tensor, by_row: bool) -> tuple[Tensor, Tensor]:
    most = x.abs().amax((1,) if by_row else (0, 1), keepdim=True)
    return -most, most


def _own_range(x: Tensor, by_row: bool) -> tuple[Tensor, Tensor]:
    axes = (1,) if by_row else (0, 1)
    return x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)


def _in_columns(x: Tensor, by_row: bool) -> tuple[Tensor, Tensor]:
    if not by_row:
        return _range(x, by_row)
    return x.amin(0, keepdim=True).clamp(max=0), x.amax(0, keepdim=True).clamp(min=0)


def _clamped_apart(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    return low.clamp(min=0), high.clamp(max=0)


def _half_up(x: Tensor) -> Tensor:
    return x.sign() * (x.abs() + 0.5).floor()


def _draw_product(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, bool]:
    B, D, E = rng.randint(1, 3), rng.randint(2, 4), rng.randint(1, 3)
    x = draws.vectors(rng, B, D, zeros=0.15)
    kind = rng.random()
    if kind < 0.3:  # a step of exactly a half in the whole, so that some numbers lie between two codes
        low = -rng.randint(0, 255) / 2
        x = torch.tensor([[low + rng.randint(0, 510) / 4 for _ in range(D)] for _ in range(B)])
        x[0, 0], x[-1, -1] = low, low + 127.5
    elif kind < 0.5:
        x = x.abs() if rng.random() < 0.5 else -x.abs()  # all on one side of zero
    if rng.random() < 0.4:
        x[rng.randrange(B)] *= 20  # one text with large numbers
    weight_codes = torch.tensor([[rng.randint(-127, 127) for _ in range(E)] for _ in range(D)], dtype=torch.int8)
    return x, weight_codes, torch.tensor([rng.choice((0.5, 0.25, 0.01)) for _ in range(E)]), rng.random() < 0.5


def _batch_of(x: list[list[float]], by_row: bool, W: list[list[int]], s: list[float]) -> Callable[[], tuple]:
    return lambda: (torch.tensor(x), torch.tensor(W, dtype=torch.int8), torch.tensor(s), by_row)


def _alone_or_not(answer: Answer) -> str | None:
    x = torch.tensor([[0.3, -0.2, 0.5], [40.0, -7.0, 3.0], [0.0, 0.1, -0.1]])
    W, s = torch.tensor([[3, -90], [100, 7], [-50, 127]], dtype=torch.int8), torch.tensor([0.01, 0.02])
    alone = torch.cat([answer(row[None], W, s, True)[1] for row in x])
    return None if torch.allclose(answer(x, W, s, True)[1], alone, atol=1e-5) else "with by_row True it does"


INT8 = Exercise(
    id="21.3",
    title="int8 by the batch",
    difficulty="medium",
    minutes=10,
    section="Build it: int8 by the batch",
    signature="(B, D), int8 (D, E), (E,), bool -> uint8 (B, D), (B, E)",
    reference=int8_product,
    another=_row_after_row,
    draw=_draw_product,
    situations=(
        Situation("the scale is one for all rows", lambda x, W, s, by_row: not by_row),
        Situation("each row has its own scale", lambda x, W, s, by_row: by_row),
        Situation("a row is zero", draws.some_zero),
        Situation("no number is negative", lambda x, *rest: bool((x >= 0).all())),
        Situation("no number is positive", lambda x, *rest: bool((x <= 0).all())),
        Situation("there is one row", lambda x, *rest: len(x) == 1),
        Situation(
            "one row is much larger than another",
            lambda x, *rest: float(x.abs().amax(1).max()) > 10 * float(x.abs().amax(1).min()),
        ),
    ),
    cases=(
        Case(
            "a step of 1, and numbers halfway",
            _batch_of([[-100.0, 0.5], [155.0, 1.5]], False, [[1], [2]], [0.5]),
            (torch.tensor([[0, 100], [255, 102]], dtype=torch.uint8), torch.tensor([[-50.0], [79.5]])),
        ),
        Case(
            "each row by itself",
            _batch_of([[-1.0, 0.0], [0.0, 255.0]], True, [[10, 0], [0, 100]], [1.0, 0.5]),
            (torch.tensor([[0, 255], [0, 255]], dtype=torch.uint8), torch.tensor([[-10.0, 0.0], [0.0, 12750.0]])),
        ),
        Case(
            "the same rows together",
            _batch_of([[-1.0, 0.0], [0.0, 254.0]], False, [[10, 0], [0, 100]], [1.0, 0.5]),
            (torch.tensor([[0, 1], [1, 255]], dtype=torch.uint8), torch.tensor([[-10.0, 0.0], [0.0, 12700.0]])),
        ),
        Case(
            "both ends lie halfway",
            _batch_of([[-101.5, 153.5]], False, [[2], [1]], [1.0]),
            (torch.tensor([[0, 255]], dtype=torch.uint8), torch.tensor([[-51.0]])),
        ),
        Case("halfway, above an odd zero", _batch_of([[-101.0, 154.0, 0.5, 2.5]], False, [[1], [1], [3], [5]], [1.0])),
        Case(
            "far above zero",
            _batch_of([[200.0, 255.0]], True, [[100], [-50]], [0.01]),
            (torch.tensor([[200, 255]], dtype=torch.uint8), torch.tensor([[72.5]])),
        ),
        Case("a row of zeros", _batch_of([[0.0, 0.0], [51.0, -204.0]], True, [[1], [1]], [1.0])),
        Case("nothing but zeros", _batch_of([[0.0, 0.0]], False, [[1], [1]], [1.0])),
        Case(
            "three texts, all signs",
            _batch_of(
                [[0.3, -0.2, 0.5], [40.0, -7.0, 3.0], [0.01, 0.1, -0.1]],
                False,
                [[3, -90], [100, 7], [-50, 127]],
                [0.01, 0.25],
            ),
        ),
    ),
    properties=(Property("with a scale for each row no text depends on its batch-mates", _alone_or_not),),
    mistakes=(
        Mistake(
            "always one scale",
            lambda x, W, s, by_row: int8_product(x, W, s, False),
            "`by_row` never counts: one scale rounds all rows. Then a text's numbers are rounded by the largest number of its batch-mates, which is "
            "what a scale for each row mends.",
        ),
        Mistake(
            "always a scale for each row",
            lambda x, W, s, by_row: int8_product(x, W, s, True),
            "Each row has its own scale, also where one for the whole batch is asked for. That is the better way, and not the one whose fault you "
            "want to see here.",
        ),
        Mistake(
            "a scale for each column",
            _int8(limits=_in_columns),
            "With by_row you take minimum and maximum of each *column*: over the texts. Then a text still depends on its batch-mates. Look along "
            "the row.",
        ),
        Mistake(
            "the range is the same on both sides",
            _int8(limits=_symmetric),
            "You take the range from −max|x| to max|x|. Numbers that lie mostly on one side of zero then waste half of the codes: low and high are "
            "looked for separately.",
        ),
        Mistake(
            "zero on the wrong side of each end",
            _int8(limits=lambda x, by_row: _clamped_apart(*_own_range(x, by_row))),
            "You hold the low end at 0 or above and the high end at 0 or below. The range has to *reach* zero: the low end is at most 0, the high end at least.",
        ),
        Mistake(
            "the range leaves zero out",
            _int8(limits=_own_range),
            "Your range runs from the smallest to the largest number, even if zero is not between them. Zero must be a code of its own, since padding "
            "and half of the activations are zero: low is at most 0, high at least 0.",
        ),
        Mistake(
            "256 steps",
            _int8(steps=lambda low, high: torch.where(high > low, (high - low) / 256, 1.0)),
            "You divide the range by 256. There are 256 codes, and 255 steps between them.",
        ),
        Mistake(
            "127 steps",
            _int8(steps=lambda low, high: torch.where(high > low, (high - low) / 127, 1.0)),
            "You divide the range by 127. That belongs to int8 with a sign, to weights; these codes run from 0 to 255.",
        ),
        Mistake(
            "nothing but zeros is NaN",
            _int8(
                steps=lambda low, high: (high - low) / 255,
                back=lambda sums, scale, s, x, W: sums * scale * s / (scale > 0),
            ),
            "Where all numbers are zero the range is empty, and you divide by zero. The scale is 1 there.",
        ),
        Mistake(
            "rounded down",
            _int8(code=lambda x, scale, zero: ((x / scale).floor() + zero).clamp(0, 255)),
            "You round down. Every number is then a little too small, and the errors of a sum add up instead of cancelling. Round to the nearest.",
        ),
        Mistake(
            "cut towards zero",
            _int8(code=lambda x, scale, zero: ((x / scale).trunc() + zero).clamp(0, 255)),
            "You cut the digits off, as int() does and a conversion to a whole type: everything moves towards zero. Round to the nearest.",
        ),
        Mistake(
            "halves go away from zero",
            _int8(code=lambda x, scale, zero: (_half_up(x / scale) + zero).clamp(0, 255)),
            "Halves are rounded away from zero. Here they go to the even number, as torch.round and onnxruntime do.",
        ),
        Mistake(
            "rounded after the zero is added",
            _int8(code=lambda x, scale, zero: (x / scale + zero).round().clamp(0, 255)),
            "You add the zero first and then round. With an odd zero the halves go the other way: round x / scale, then add.",
        ),
        Mistake(
            "beyond 255 it begins again",
            _int8(code=lambda x, scale, zero: _wrapped((x / scale).round() + zero, 0)),
            "A code of 256 becomes 0 in eight bits: the largest number turns into the smallest. Cut the codes off at 0 and 255 before they become "
            "uint8.",
        ),
        Mistake(
            "the zero is cut off",
            _int8(zero_of=lambda low, scale: (-low / scale).floor()),
            "You round the zero down. It is rounded to the nearest whole number, like everything else.",
        ),
        Mistake(
            "the zero is not a whole number",
            _int8(
                zero_of=lambda low, scale: -low / scale,
                code=lambda x, scale, zero: (x / scale + zero).round().clamp(0, 255),
                multiply=lambda codes, zero, W: (codes - zero) @ W.float(),
            ),
            "Your zero is not rounded. Integers are multiplied here, so the zero is one as well.",
        ),
        Mistake(
            "no zero in the codes",
            _int8(code=lambda x, scale, zero: (x / scale).round().clamp(0, 255)),
            "You do not add the zero to the codes, and all that is negative is cut off at 0. The zero shifts the numbers to where uint8 has room.",
        ),
        Mistake(
            "the zero is not taken off",
            _int8(multiply=lambda codes, zero, W: (codes.long() @ W.long()).float()),
            "You multiply the codes as they are. They are shifted by the zero, and the shift is multiplied, too: take it off before.",
        ),
        Mistake(
            "a difference in eight bits",
            _int8(multiply=lambda codes, zero, W: (_wrapped(codes - zero, 0).long() @ W.long()).float()),
            "Code minus zero is computed in uint8, which has no negative numbers: −1 becomes 255. Go to a wider type first.",
        ),
        Mistake(
            "a sum in eight bits",
            _int8(multiply=lambda codes, zero, W: _wrapped((codes - zero).long() @ W.long(), -128).float()),
            "The sums are kept in eight bits and begin again behind 127. Products of bytes are added up in 32 bits or more.",
        ),
        Mistake(
            "the product of whole numbers",
            _int8(back=lambda sums, scale, s, x, W: sums),
            "You return sums of integers. Both scales belong to them before they are numbers again.",
        ),
        Mistake(
            "the scale of the weights is missing",
            _int8(back=lambda sums, scale, s, x, W: sums * scale),
            "You scale back what comes from x, and not what comes from the weights. Each of the E columns has its own scale.",
        ),
        Mistake(
            "the scale of x is missing",
            _int8(back=lambda sums, scale, s, x, W: sums * s),
            "You multiply by the weights' scales alone. The codes of x have a scale as well.",
        ),
        Mistake(
            "divided by the scale",
            _int8(back=lambda sums, scale, s, x, W: sums / scale * s),
            "You divide by the scale a second time. A code is a number divided by it; back you go by multiplying.",
        ),
        Mistake(
            "one scale for all weights",
            _int8(back=lambda sums, scale, s, x, W: sums * scale * s.max()),
            "You scale all columns by the largest of their scales. Each column has its own.",
        ),
        Mistake(
            "the exact product",
            _int8(back=lambda sums, scale, s, x, W: x @ (W.float() * s)),
            "Your product is that of x itself; the codes are made and not used. It costs what float costs, and it does not show what rounding does.",
        ),
        Mistake(
            "codes with a sign",
            _int8(kept=lambda codes: (codes - 128).to(torch.int8)),
            "Your codes run from −128 to 127. Here they are uint8, from 0 to 255, and the zero says which of them stands for 0.",
        ),
    ),
    hints=(
        "Three numbers are shared, by all or by a row: low, high and, from these, the scale. The zero is the code of 0.",
        "amin and amax take the axes over which they look, and keepdim=True keeps what you get ready for x. clamp puts zero into the range.",
        "Code: divided by the scale, rounded, shifted by the zero, cut off. For the product go to whole numbers of 32 or 64 bits, take the zero "
        "off again, multiply, and then scale twice.",
    ),
)


# --- 21.4 a cache that knows the model -------------------------------------------------------

Key = tuple[str, str, str]


def replay_cache(requests: Sequence[Key], size: int) -> tuple[list[bool], list[Key]]:
    """Send requests through a cache of the most recently used: which were hits, and what is left."""
    hits, left = replay(requests, size)
    return hits, left  # type: ignore[return-value]


def _by_last_use(requests, size):
    hits: list[bool] = []
    held: list[Any] = []
    for request in requests:
        hits.append(request in held)
        held = [key for key in held if key != request] + [request]
        held = held[-size:]
    return hits, held


def _replayed(
    requests, size, *, key=lambda request: request, touch=lambda held, key: held.move_to_end(key),
    full=lambda held, size: len(held) > size, evict=lambda held, uses: held.popitem(last=False),
    left=list, hit=lambda known, new_model: known, changes=lambda held: None,
):  # fmt: skip
    """A cache with one part exchanged. It holds key -> the request that brought it in."""
    held: OrderedDict = OrderedDict()
    uses: Counter = Counter()
    hits: list[bool] = []
    model = requests[0][0]
    for request in requests:
        if request[0] != model:
            changes(held)
            model = request[0]
        name = key(request)
        uses[name] += 1
        hits.append(name in held)
        if name in held:
            touch(held, name)
        else:
            held[name] = request
            if full(held, size):
                evict(held, uses)
    return hits, left(held.values())


def _cached(**parts: Any) -> Answer:
    return lambda *args: _replayed(*args, **parts)


def _evicted_before_asked(requests, size):
    """Room is made before the cache looks whether it needs any."""
    hits: list[bool] = []
    held: list[Key] = []
    for request in requests:
        if len(held) == size:
            held.pop(0)
        hits.append(request in held)
        held = [key for key in held if key != request] + [request]
    return hits, held


def _least_often_used(held: OrderedDict, uses: Counter) -> None:
    newest = next(reversed(held))
    del held[min((name for name in held if name != newest), key=lambda name: uses[name], default=newest)]


def _newest_before(held: OrderedDict, uses: Counter) -> None:
    newest = list(held)[-2] if len(held) > 1 else list(held)[-1]
    del held[newest]


def _only_once_more(requests, size):
    """What comes for the first time is not kept; what comes again is."""
    seen: set = set()
    hits: list[bool] = []
    held: list[Key] = []
    for request in requests:
        hits.append(request in held)
        if request in seen:
            held = ([key for key in held if key != request] + [request])[-size:]
        seen.add(request)
    return hits, held


def _stops_when_full(requests, size):
    hits: list[bool] = []
    held: list[Key] = []
    for request in requests:
        known = request in held
        hits.append(known)
        if known:
            held.remove(request)
        if known or len(held) < size:
            held.append(request)
    return hits, held


def _twice_in_the_list(requests, size):
    hits: list[bool] = []
    held: list[Key] = []
    for request in requests:
        hits.append(request in held)
        held = [*held, request][-size:]
    return hits, held


def _newcomers_go_first(requests, size):
    held: list[Key] = []
    hits = []
    for request in requests:
        hits.append(request in held)
        if hits[-1]:
            held.remove(request)
        elif len(held) >= size:
            held.pop(0)
        held.insert(0, request)
    return hits, held


def _draw_requests(rng: random.Random) -> tuple[list[Key], int]:
    models, prompts, texts = ("new", "old"), ("query: ", ""), ("a", "query: a", "b", "B")
    few = [(rng.choice(models), rng.choice(prompts), rng.choice(texts)) for _ in range(rng.randint(2, 5))]
    return [rng.choice(few) for _ in range(rng.randint(1, 9))], rng.randint(1, 3)


def _differ_in(place: int) -> Callable[..., bool]:
    def holds(requests: Sequence[Key], size: int) -> bool:
        rest = {r[:place] + r[place + 1 :] for r in requests}
        return len(rest) < len(set(requests))

    return holds


def _came_back(requests: Sequence[Key], size: int) -> bool:
    hits, _ = replay(requests, size)
    seen: set = set()
    for request, hit in zip(requests, hits, strict=True):
        if request in seen and not hit:
            return True
        seen.add(request)
    return False


OLD, NEW = ("old", "query: ", "a"), ("new", "query: ", "a")

CACHE = Exercise(
    id="21.4",
    title="a cache that knows the model",
    difficulty="medium",
    minutes=10,
    section="Further: a cache that knows the model",
    signature="list of (str, str, str), int -> (list of bool, list of (str, str, str))",
    reference=replay_cache,
    another=_by_last_use,
    draw=_draw_requests,
    loops=True,
    situations=(
        Situation("something is evicted", lambda requests, size: len(set(requests)) > size),
        Situation("all have room", lambda requests, size: len(set(requests)) <= size),
        Situation("there is a hit", lambda requests, size: any(replay(requests, size)[0])),
        Situation("something that was evicted comes again", _came_back),
        Situation("two requests differ in the model alone", _differ_in(0)),
        Situation("two requests differ in the prompt alone", _differ_in(1)),
        Situation("two requests differ in the text alone", _differ_in(2)),
        Situation("there is one request", lambda requests, size: len(requests) == 1),
        Situation("there is room for one", lambda requests, size: size == 1),
    ),
    cases=(
        Case(
            "a hit is in use again",
            lambda: ([("m", "", "a"), ("m", "", "b"), ("m", "", "a"), ("m", "", "c"), ("m", "", "b")], 2),
            ([False, False, True, False, False], [("m", "", "c"), ("m", "", "b")]),
        ),
        Case(
            "a new model, and the old one again",
            lambda: ([OLD, NEW, NEW, OLD], 3),
            ([False, False, True, True], [NEW, OLD]),
        ),
        Case(
            "prompt and text make the same words, and a capital",
            lambda: ([("m", "query: ", "a"), ("m", "", "query: a"), ("m", "", "a"), ("m", "", "A")], 5),
            ([False] * 4, [("m", "query: ", "a"), ("m", "", "query: a"), ("m", "", "a"), ("m", "", "A")]),
        ),
        Case(
            "room for one",
            lambda: ([("m", "", "a"), ("m", "", "a"), ("m", "", "b"), ("m", "", "a")], 1),
            ([False, True, False, False], [("m", "", "a")]),
        ),
        Case(
            "used often, long ago",
            lambda: (
                [
                    ("m", "", "a"),
                    ("m", "", "a"),
                    ("m", "", "a"),
                    ("m", "", "b"),
                    ("m", "", "c"),
                    ("m", "", "a"),
                    ("m", "", "a "),
                ],
                2,
            ),
            ([False, True, True, False, False, False, False], [("m", "", "a"), ("m", "", "a ")]),
        ),
        Case(
            "eight requests, room for three",
            lambda: ([("m", "", t) for t in "abcadbae"], 3),
            ([False, False, False, True, False, False, True, False], [("m", "", "b"), ("m", "", "a"), ("m", "", "e")]),
        ),
    ),
    mistakes=(
        Mistake(
            "a key without the model",
            _cached(key=lambda request: request[1:]),
            "Your key leaves the model out. After a change of model the cache goes on to serve vectors of the old one: they have the right shape, and "
            "mean nothing in the new index.",
        ),
        Mistake(
            "a key without the prompt",
            _cached(key=lambda request: (request[0], request[2])),
            "Your key leaves the prompt out. A query and a passage with the same words have different vectors, and the second one asked for gets "
            "that of the first.",
        ),
        Mistake(
            "the text alone",
            _cached(key=lambda request: request[2]),
            "Your key is the text alone. Model and prompt make the vector as well: what is the same vector must be decided by all three.",
        ),
        Mistake(
            "prompt and text in one string",
            _cached(key=lambda request: (request[0], request[1] + request[2])),
            'You join prompt and text. Prompt "query: " with text "a" and no prompt with text "query: a" then are one key. A model that leaves the '
            "prompt out of pooling gives them different vectors. Keep the three apart.",
        ),
        Mistake(
            "capitals do not count",
            _cached(key=lambda request: (*request[:2], request[2].lower())),
            "You make texts small before you compare. Whether capitals count is for the tokenizer to say, and here nothing says so.",
        ),
        Mistake(
            "blanks do not count",
            _cached(key=lambda request: (*request[:2], request[2].strip())),
            "You take blanks at the ends away before you compare. The model gets them as they are, so the key has them as they are.",
        ),
        Mistake(
            "emptied at each change of model",
            _cached(changes=lambda held: held.clear()),
            "You empty the cache whenever another model is asked. While two models serve side by side, which is how one changes them without "
            "downtime, it would never hold anything. The key parts them already.",
        ),
        Mistake(
            "the parts of a key in another order",
            _cached(left=lambda held: [request[1:] + request[:1] for request in held]),
            "What you return has its parts in another order than the requests have. Inside, a key may look as you like; what comes out is (model, prompt, text).",
        ),
        Mistake(
            "newcomers stand where the next to go stands",
            _newcomers_go_first,
            "You put newcomers, and hits, to the front, and take away from the front. So what was used last goes first. Put them to the end.",
        ),
        Mistake(
            "what is left in the order of first requests",
            lambda requests, size: (_replayed(requests, size)[0], list(dict.fromkeys(requests))[-size:]),
            "Your hits are right, but what you call left are the last different requests by their *first* coming. What is in use again moves to the end.",
        ),
        Mistake(
            "first in, first out",
            _cached(touch=lambda held, key: None),
            "A hit changes nothing in your order, so what came first goes first, even if it was asked for a moment ago. A hit is a use: the "
            "key moves behind all others.",
        ),
        Mistake(
            "the most recently used goes",
            _cached(evict=_newest_before),
            "You evict what was used last before the newcomer. Recent things come again; what was used longest ago goes.",
        ),
        Mistake(
            "the newcomer goes",
            _stops_when_full,
            "Once your cache is full nothing new gets in. The first texts of the day then hold their places for ever.",
        ),
        Mistake(
            "the least often used goes",
            _cached(evict=_least_often_used),
            "You evict what was used least *often*. Something popular last week would never leave. What was used longest ago goes.",
        ),
        Mistake(
            "emptied when it is full",
            _cached(evict=lambda held, uses: [held.popitem(last=False) for _ in range(len(held) - 1)]),
            "When there is no room you throw everything else away. One place is needed.",
        ),
        Mistake(
            "one too many",
            _cached(full=lambda held, size: len(held) > size + 1),
            'Your cache holds one more than `size`. Compare after the newcomer is in, or with "as many as" before.',
        ),
        Mistake(
            "one too few",
            _cached(full=lambda held, size: len(held) >= max(size, 2)),
            "Your cache holds one less than `size`. Something goes only when more than `size` would be there.",
        ),
        Mistake(
            "nothing goes",
            _cached(full=lambda held, size: False),
            "Nothing is ever evicted: `size` does not count. A cache without a limit is a leak of memory.",
        ),
        Mistake(
            "room is made before it is needed",
            _evicted_before_asked,
            "You make room before you look whether the key is there. A hit needs no room, and the one evicted may be the very one that is asked for.",
        ),
        Mistake(
            "a hit takes a second place",
            _twice_in_the_list,
            "A key that is asked for again stands in your cache twice, and takes the place of another. It moves; it is not added.",
        ),
        Mistake(
            "kept from the second time on",
            _only_once_more,
            "What comes for the first time is not kept with you. It is computed then, and kept at once.",
        ),
        Mistake(
            "seen once is a hit for ever",
            lambda requests, size: (
                [request in requests[:i] for i, request in enumerate(requests)],
                replay(requests, size)[1],
            ),
            "You call everything a hit that was asked for before, also what has been evicted since. Look at what the cache holds now.",
        ),
        Mistake(
            "misses instead of hits",
            lambda *args: ([not hit for hit in replay(*args)[0]], replay(*args)[1]),
            "You note True where the cache did *not* hold the key. Hits are asked for.",
        ),
        Mistake(
            "the number of hits",
            lambda *args: (sum(replay(*args)[0]), replay(*args)[1]),
            "You return how many hits there were. One bool for each request is asked for.",
        ),
        Mistake(
            "the newest first",
            _cached(left=lambda held: list(held)[::-1]),
            "What is left stands the wrong way round: the next to go comes first.",
        ),
        Mistake(
            "texts are left",
            _cached(left=lambda held: [request[2] for request in held]),
            "You return the texts of what is left. The whole keys are asked for, all three parts.",
        ),
        Mistake(
            "in the order of the alphabet",
            _cached(left=sorted),
            "What is left is sorted by its words, or comes from a set. It stands in the order of use.",
        ),
    ),
    hints=(
        "What must be equal so that the model would give the same vector? All of that is the key. A tuple can be one.",
        "Keep the keys in an order: what was used longest ago in front. What does a hit do to that order, what does a miss?",
        "A dict keeps the order in which keys came in. Take a key that is asked for out before you put it in, and it stands at the end; "
        "next(iter(d)) is the first.",
    ),
)


# --- 21.5 drift ------------------------------------------------------------------------------


def drift_alarm(stored: Tensor, quiet: Tensor, today: Tensor, rate: float) -> tuple[float, float, bool]:
    """Today's mean cosine with the stored vectors, the threshold from quiet days, and whether to ring: (N, D), (days, N, D), (N, D), float."""
    statistic = agreement(stored, today)
    threshold = alarm_threshold([agreement(stored, fresh) for fresh in quiet], rate)
    return statistic, threshold, statistic < threshold


def _text_by_text(stored, quiet, today, rate):
    def mean_cosine(fresh):
        cosines = []
        for a, b in zip(stored.tolist(), fresh.tolist(), strict=True):
            lengths = math.hypot(*a) * math.hypot(*b)
            cosines.append(sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0)
        return sum(cosines) / len(cosines)

    days = [mean_cosine(fresh) for fresh in quiet]
    allowed = int(rate * len(days))
    threshold = max(t for t in days if sum(day < t for day in days) <= allowed)
    return mean_cosine(today), threshold, mean_cosine(today) < threshold


def _cosines(stored: Tensor, fresh: Tensor) -> Tensor:
    """(N, D), (..., N, D) -> (..., N)."""
    return (normalize(stored) * normalize(fresh)).sum(-1)


def _alarmed(
    stored, quiet, today, rate, *, cosines=_cosines, day=lambda cosines: cosines.mean(-1),
    place=lambda rate, days: math.floor(rate * days), threshold=None, rings=lambda statistic, threshold: statistic < threshold,
    kept=lambda statistic, threshold: (statistic, threshold),
):  # fmt: skip
    """An alarm with one part exchanged."""
    statistic = float(day(cosines(stored, today)))
    days = [float(day(cosines(stored, fresh))) for fresh in quiet]
    ordered = sorted(days)
    bound = threshold(days, rate) if threshold else ordered[min(max(place(rate, len(days)), 0), len(days) - 1)]
    return (*kept(statistic, float(bound)), bool(rings(statistic, bound)))


def _drift(**parts: Any) -> Answer:
    return lambda *args: _alarmed(*args, **parts)


def _by_today_too(stored, quiet, today, rate):
    return _alarmed(stored, torch.cat([quiet, today[None]]), today, rate)


def _over_all_texts(stored, quiet, today, rate):
    cosines = sorted(_cosines(stored, quiet).flatten().tolist())
    bound = cosines[math.floor(rate * len(cosines))]
    statistic = agreement(stored, today)
    return statistic, bound, statistic < bound


def _from_the_first_day(stored, quiet, today, rate):
    return _alarmed(quiet[0], quiet, today, rate)


def _threshold_by(way: Callable[[list[float], float], float]) -> Answer:
    return _drift(threshold=way)


def _draw_days(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, float]:
    N, D, days = rng.randint(1, 3), rng.randint(2, 3), rng.randint(1, 8)
    while True:
        stored = draws.vectors(rng, N, D, zeros=0.05)
        noise = torch.tensor([rng.uniform(-1, 1) for _ in range(days * N * D)]).reshape(days, N, D)
        quiet = stored * rng.choice((1.0, 2.0)) + noise * rng.choice((0.3, 1.0))
        kind = rng.random()
        if kind < 0.4:
            today = stored + torch.tensor([rng.uniform(-1, 1) for _ in range(N * D)]).reshape(N, D)
        elif kind < 0.8:
            today = draws.vectors(rng, N, D, zeros=0.05)
        else:
            today = quiet[0] * 3
        if rng.random() < 0.2:
            stored, quiet, today = normalize(stored), normalize(quiet), normalize(today)
        rate = rng.choice((0.0, 0.125, 0.25, 0.5, 0.75))
        statistic, threshold, _ = drift_alarm(stored, quiet, today, rate)
        if abs(statistic - threshold) > 1e-3:  # what is nearly equal is another question
            return stored, quiet, today, rate


def _axes(*places: int) -> list[list[float]]:
    return [[1.0 if d == place else 0.0 for d in range(3)] for place in places]


def _day(*agree: bool) -> list[list[float]]:
    """The stored vector where it agrees, one at a right angle where not."""
    return [[1.0, 0.0] if yes else [0.0, 1.0] for yes in agree]


def _quiet_days(rate: float, today: list[list[float]]) -> Callable[[], tuple]:
    """Four texts; on five days four, three, four, two, three of them agree."""
    days = [(1, 1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 1), (0, 1, 0, 1), (1, 0, 1, 1)]
    quiet = [_day(*map(bool, day)) for day in days]
    return lambda: (torch.tensor(_day(True, True, True, True)), torch.tensor(quiet), torch.tensor(today), rate)


def _length_does_not_count(answer: Answer) -> str | None:
    stored, quiet, today, rate = _quiet_days(0.25, [[3.0, 4.0], [4.0, 3.0], [0.0, 2.0], [1.0, 0.0]])()
    longer = torch.tensor([[5.0], [0.1], [2.0], [7.0]])
    a, b = answer(stored, quiet, today, rate), answer(stored * longer, quiet, today * 3, rate)
    return (
        None
        if np.allclose(a, b, atol=1e-4)
        else f"longer vectors give {compare.render(b)} instead of {compare.render(a)}"
    )


DRIFT = Exercise(
    id="21.5",
    title="an alarm for drift",
    difficulty="medium",
    minutes=12,
    section="Build it: an alarm for drift",
    signature="(N, D), (days, N, D), (N, D), float -> (float, float, bool)",
    reference=drift_alarm,
    another=_text_by_text,
    draw=_draw_days,
    situations=(
        Situation("there is an alarm", lambda *args: drift_alarm(*args)[2]),
        Situation("there is no alarm", lambda *args: not drift_alarm(*args)[2]),
        Situation("a vector is zero", draws.some_zero),
        Situation("the rate is 0", lambda s, q, t, rate: rate == 0),
        Situation("a false alarm is allowed", lambda s, q, t, rate: rate * len(q) >= 1),
        Situation("there is one quiet day", lambda s, q, t, rate: len(q) == 1),
        Situation("there is one text", lambda s, *rest: len(s) == 1),
        Situation("rate times days is no whole number", lambda s, q, t, rate: rate * len(q) % 1 > 0),
        Situation("a length is not 1", lambda s, q, t, rate: not torch.allclose(normalize(t), t)),
    ),
    cases=(
        Case(
            "half of the texts agree, no false alarm is allowed",
            _quiet_days(0.0, _day(True, False, False, False)),
            (0.25, 0.5, True),
        ),
        Case("as on the worst quiet day", _quiet_days(0.0, _day(True, False, False, True)), (0.5, 0.5, False)),
        Case("one false alarm in five", _quiet_days(0.25, _day(True, False, False, True)), (0.5, 0.75, True)),
        Case("half of five, rounded down", _quiet_days(0.5, _day(True, False, True, True)), (0.75, 0.75, False)),
        Case("an eighth of five, rounded down", _quiet_days(0.125, _day(True, True, False, False)), (0.5, 0.5, False)),
        Case("three in five", _quiet_days(0.75, _day(True, True, True, True)), (1.0, 1.0, False)),
        Case(
            "longer vectors, another direction, a zero",
            lambda: (
                torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0]]),
                torch.tensor(
                    [[[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [1.0, 0.0]], [[3.0, 4.0], [0.0, 5.0], [1.0, 1.0], [0.0, 1.0]]]
                ),
                torch.tensor([[3.0, -4.0], [0.0, -7.0], [1.0, 1.0], [5.0, 5.0]]),
                0.5,
            ),
            (0.15, 0.75, True),
        ),
        Case(
            "one quiet day, three texts",
            lambda: (
                torch.tensor(_axes(0, 1, 2)),
                torch.tensor([[[2.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 3.0]]]),
                torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]),
                0.75,
            ),
        ),
    ),
    properties=(Property("lengths do not count", _length_does_not_count),),
    mistakes=(
        Mistake(
            "dot products",
            _drift(cosines=lambda stored, fresh: (stored * fresh).sum(-1)),
            "You take dot products. A model whose vectors are only longer would look like a better day: directions are compared, by the cosine.",
        ),
        Mistake(
            "the stored vectors alone at length 1",
            _drift(cosines=lambda stored, fresh: (normalize(stored) * fresh).sum(-1)),
            "You scale the stored vectors and leave the fresh ones as they are. A cosine divides by both lengths.",
        ),
        Mistake(
            "every text with every text",
            _drift(cosines=lambda stored, fresh: (normalize(stored) @ normalize(fresh).T).flatten()),
            "You compare every stored vector with every fresh one. That is how alike the texts are to one another. Each text is compared with itself.",
        ),
        Mistake(
            "the cosine of two means",
            _drift(cosines=lambda stored, fresh: _cosines(stored.mean(-2), fresh.mean(-2))[None]),
            "You compare the mean vector of all texts with that of today. Two models can agree on the middle and on nothing else.",
        ),
        Mistake(
            "all numbers in one",
            _drift(cosines=lambda stored, fresh: _cosines(stored.flatten(), fresh.flatten())[None]),
            "You put all texts into one long vector and take its cosine. Long vectors then count more; each text has its own cosine.",
        ),
        Mistake(
            "the worst text",
            _drift(day=lambda cosines: cosines.amin(-1)),
            "Your statistic is the smallest cosine of the day. One odd text decides it. Here it is the mean over the texts.",
        ),
        Mistake(
            "the text in the middle",
            _drift(day=lambda cosines: cosines.median(-1).values),
            "You take the median over the texts. It sees nothing as long as half of them agree; here the mean is asked for.",
        ),
        Mistake(
            "the sum",
            _drift(day=lambda cosines: cosines.sum(-1)),
            "You add the cosines up and do not divide by the number of texts.",
        ),
        Mistake(
            "the sign is lost",
            _drift(day=lambda cosines: cosines.abs().mean(-1)),
            "You take absolute values. A vector that points the other way has drifted as far as it can.",
        ),
        Mistake(
            "the mean over all products",
            _drift(day=lambda cosines: cosines.mean(-1), cosines=lambda a, b: (normalize(a) * normalize(b)).mean(-1)),
            "You divide by D as well: the mean runs over all products. A cosine is the *sum* over the dimensions; the mean is over the texts.",
        ),
        Mistake(
            "distance instead of cosine",
            _drift(day=lambda cosines: 1 - cosines.mean(-1)),
            "You turn the cosine into a distance, 1 minus it, and go on as before. Then small is good, and the alarm rings on the best days.",
        ),
        Mistake(
            "the mean of differences",
            _drift(cosines=lambda stored, fresh: -torch.linalg.vector_norm(stored - fresh, dim=-1)),
            "You take the distance between the vectors. Lengths count in it; the cosine is asked for.",
        ),
        Mistake(
            "zero is NaN",
            _drift(
                cosines=lambda stored, fresh: (
                    (stored * fresh).sum(-1)
                    / (torch.linalg.vector_norm(stored, dim=-1) * torch.linalg.vector_norm(fresh, dim=-1))
                )
            ),
            "A vector of zeros has no direction, and you divide zero by zero. One NaN makes the whole day NaN, and NaN is never below a "
            "threshold: the alarm is dead. Its cosine counts as 0.",
        ),
        Mistake(
            "the rate does not count",
            _drift(place=lambda rate, days: 0),
            "Your threshold is always the worst quiet day. With a rate above 0 some false alarms are accepted, so that smaller changes are seen.",
        ),
        Mistake(
            "one place too low",
            _drift(place=lambda rate, days: math.floor(rate * days) - 1),
            "You take the k-th smallest where k days may lie *below* the threshold. Then only k − 1 do: it is the next one, and its place in a list "
            "that counts from 0 is k.",
        ),
        Mistake(
            "one place too high",
            _drift(place=lambda rate, days: math.floor(rate * days) + 1),
            "Your threshold stands one place too high: more quiet days lie below it than the rate allows.",
        ),
        Mistake(
            "rounded up",
            _drift(place=lambda rate, days: math.ceil(rate * days)),
            "You round the number of allowed false alarms up. Then more days ring than the rate allows.",
        ),
        Mistake(
            "rounded",
            _drift(place=lambda rate, days: round(rate * days)),
            "You round to the nearest whole number. Where that is up, more quiet days ring than the rate allows.",
        ),
        Mistake(
            "from the best days",
            _drift(place=lambda rate, days: days - 1 - math.floor(rate * days)),
            "You count from the best day down. Then nearly every quiet day rings. The bad end is where the cosines are small.",
        ),
        Mistake(
            "between two days",
            _threshold_by(lambda days, rate: float(np.quantile(days, rate))),
            "You interpolate between two days, as `np.quantile` does. Here the threshold is the statistic of one of the quiet days.",
        ),
        Mistake(
            "two standard deviations",
            _threshold_by(lambda days, rate: float(np.mean(days) - 2 * np.std(days))),
            "You take the mean minus two standard deviations. That promises a rate only where days are distributed like a bell; near 1, where "
            "cosines end, they are not. Count days.",
        ),
        Mistake(
            "a share of the mean",
            _threshold_by(lambda days, rate: float(np.mean(days)) * (1 - rate)),
            "You lower the mean by the rate. The rate is a share of *days*, not of the cosine.",
        ),
        Mistake(
            "days are not sorted",
            _threshold_by(lambda days, rate: days[math.floor(rate * len(days))]),
            "You take the day at that place in the calendar. Sort the days by their statistic first.",
        ),
        Mistake(
            "texts instead of days",
            _over_all_texts,
            "Your threshold is one of the cosines of single texts. What you compare with it is the mean of a day: the threshold must be one of those.",
        ),
        Mistake(
            "today is a quiet day",
            _by_today_too,
            "You count today among the quiet days. A day that is to be judged must not move its own threshold.",
        ),
        Mistake(
            "compared with the first day",
            _from_the_first_day,
            "You compare with the fresh vectors of the first quiet day. What the index holds are the stored ones.",
        ),
        Mistake(
            "it rings on the threshold, too",
            _drift(rings=lambda statistic, threshold: statistic <= threshold),
            "A day that is exactly as bad as the threshold rings with you. With a rate of 0 the worst quiet day itself would have rung.",
        ),
        Mistake(
            "it rings above",
            _drift(rings=lambda statistic, threshold: statistic > threshold),
            "It rings when the cosine is *above* the threshold. A high cosine means that nothing has changed.",
        ),
    ),
    hints=(
        "First one number for a day: each text's stored vector with its fresh one, then the mean. It is needed for every quiet day, and for today.",
        "How many quiet days may lie below the threshold? The rate times their number, rounded down. Sort the days.",
        "In a sorted list that counts from 0, place k has k days before it. Zero vectors: `normalize` leaves them zero, and a product with them is 0.",
    ),
)


# --- 21.6 the other way round ----------------------------------------------------------------


def smallest_batch() -> tuple[list[float], list[list[float]], list[list[float]]]:
    """One number for the text, a large one for its batch-mate, and two passages between which it is to choose."""
    return [1.0], [[1000.0]], [[1.0], [0.0]]


def _back(rows: np.ndarray) -> np.ndarray:
    """What the codes of 21.3 stand for, with one scale for all rows: (B, D) -> (B, D)."""
    low, high = min(0.0, rows.min()), max(0.0, rows.max())
    scale = (high - low) / 255 or 1.0
    zero = np.round(-low / scale)
    return np.asarray((np.clip(np.round(rows / scale) + zero, 0, 255) - zero) * scale)


def _nearest_alone(text, mates, passages) -> int:
    x, P = np.asarray(text, dtype=float), np.asarray(passages, dtype=float)
    return int(((P - _back(x[None])[0]) ** 2).sum(1).argmin())


def _nearest_in_batch(text, mates, passages) -> int:
    x, P = np.asarray(text, dtype=float), np.asarray(passages, dtype=float)
    rows = np.concatenate([x[None], np.asarray(mates, dtype=float).reshape(-1, len(x))])
    return int(((P - _back(rows)[0]) ** 2).sum(1).argmin())


EQUALLY_NEAR = "two passages are equally near to the text itself: then nobody can say which is its neighbour"


def _not_a_batch(text: Any, mates: Any, passages: Any) -> str | None:
    x, M, P = (np.asarray(each, dtype=float) for each in (text, mates, passages))
    if x.ndim != 1 or M.ndim != 2 or P.ndim != 2:
        return f"`text` is a list of numbers, `mates` and `passages` are lists of such lists; got {x.ndim}, {M.ndim} and {P.ndim} axes"
    if not len(x) or not len(M) or not len(P) or {M.shape[1], P.shape[1]} != {len(x)}:
        return f"text (D,), mates (M, D), passages (N, D), one of each at least; got {x.shape}, {M.shape}, {P.shape}"
    numbers = np.concatenate([x, M.ravel(), P.ravel()])
    if not (np.isfinite(numbers).all() and (np.abs(numbers) <= 1e6).all()):
        return "the numbers lie between −1e6 and 1e6"
    far = np.sort(((P - x) ** 2).sum(1))
    return EQUALLY_NEAR if (np.diff(far) <= 1e-9 * (1 + far[1:])).any() else None


def _no_change(text: Any, mates: Any, passages: Any) -> bool:
    return _nearest_alone(text, mates, passages) == _nearest_in_batch(text, mates, passages)


def _same_scale(text: Any, mates: Any) -> bool:
    x, M = np.asarray(text, dtype=float), np.asarray(mates, dtype=float)
    return bool(M.max() <= max(0.0, x.max()) and M.min() >= min(0.0, x.min()))


SMALLEST = Reversed(
    id="21.6",
    title="a neighbour lost to a batch-mate",
    difficulty="easy",
    minutes=5,
    section="Build it: a neighbour lost to a batch-mate",
    signature="() -> (D,), (M, D), (N, D)",
    reference=smallest_batch,
    another=lambda: (torch.tensor([-3.0]), torch.tensor([[2000.0]]), torch.tensor([[1.0], [-4.0]])),
    right=_nearest_alone,
    wrong=_nearest_in_batch,
    valid=_not_a_batch,
    smallest=4,
    measure=lambda text, mates, passages: compare.size(text) + compare.size(mates) + compare.size(passages),
    cases=(Case("nothing is passed in", lambda: (), smallest_batch()),),
    mistakes=(
        Mistake(
            "passages before batch-mates",
            lambda: ([1.0], [[1.0], [0.0]], [[1000.0]]),
            "You return the passages before the batch-mates. The order is text, mates, passages: with these there is one passage, and no choice.",
            when=lambda text, mates, passages: (
                len(passages) == 1
                and len(mates) > 1
                and np.ndim(mates) == np.ndim(passages) == 2
                and not _no_change(text, passages, mates)
            ),
        ),
        Mistake(
            "the text is one of many",
            lambda: ([[1.0]], [[1000.0]], [[1.0], [0.0]]),
            "There is one text: a list of numbers, not a list of lists.",
            when=lambda text, mates, passages: np.ndim(text) == 2,
        ),
        Mistake(
            "a batch-mate is a list of its own",
            lambda: ([1.0], [1000.0], [[1.0], [0.0]]),
            "`mates` holds texts, and a text is a list, even of one number: a list of lists.",
            when=lambda text, mates, passages: np.ndim(mates) == 1,
        ),
        Mistake(
            "a passage is a list of its own",
            lambda: ([1.0], [[1000.0]], [1.0, 0.0]),
            "`passages` holds vectors, and a vector is a list, even of one number: a list of lists.",
            when=lambda text, mates, passages: np.ndim(passages) == 1,
        ),
        Mistake(
            "another number of dimensions",
            lambda: ([1.0], [[1000.0, 0.0]], [[1.0], [0.0]]),
            "Text, mates and passages have different numbers of dimensions.",
            when=lambda text, mates, passages: (
                np.ndim(mates) == np.ndim(passages) == 2
                and {np.shape(mates)[1], np.shape(passages)[1]} != {np.shape(text)[0]}
            ),
        ),
        Mistake(
            "equally near",
            lambda: ([1.0], [[1000.0]], [[0.0], [2.0]]),
            "Two of your passages are equally near to the text. Then it has no neighbour that it could lose: move one.",
            when=lambda text, mates, passages: _not_a_batch(text, mates, passages) == EQUALLY_NEAR,
        ),
        Mistake(
            "one passage",
            lambda: ([1.0], [[1000.0]], [[1.0]]),
            "There is one passage. Whatever becomes of the text, it is the nearest.",
            when=lambda text, mates, passages: len(passages) == 1,
        ),
        Mistake(
            "batch-mates within the text's range",
            lambda: ([3.0], [[1.0]], [[3.0], [0.0]]),
            "Your batch-mates lie within the range that the text has by itself, so the scale stays the same. It is the largest number of all that "
            "makes it.",
            when=lambda text, mates, passages: _same_scale(text, mates),
        ),
        Mistake(
            "the step is too small",
            lambda: ([1.0], [[10.0]], [[1.0], [0.0]]),
            "The right idea: the mate makes the step larger. But it still is smaller than the text's distance to the border between its passages. How "
            "large must a mate be so that the text is rounded to another place?",
            when=lambda text, mates, passages: (
                _no_change(text, mates, passages)
                and len(text) == 1
                and np.abs(np.asarray(mates)).max() < 600 * np.abs(np.asarray(text)).max()
            ),
        ),
        Mistake(
            "rounded, and still nearest",
            lambda: ([1.0], [[1000.0]], [[0.5], [-3.0]]),
            "The text is rounded to another place with you, and its neighbour stays. Put one passage where the text is, another one where it is rounded to.",
            when=lambda text, mates, passages: _no_change(text, mates, passages),
        ),
        Mistake(
            "more dimensions than it takes",
            lambda: ([1.0, 1.0], [[1000.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]),
            "It shows it, with more dimensions than it takes. One number is enough for a text to be rounded.",
            when=lambda text, mates, passages: np.shape(text)[0] > 1,
        ),
        Mistake(
            "more batch-mates than it takes",
            lambda: ([1.0], [[1000.0], [-1000.0]], [[1.0], [0.0]]),
            "It shows it, with more batch-mates than it takes. One large number decides for all.",
            when=lambda text, mates, passages: len(mates) > 1,
        ),
        Mistake(
            "more passages than it takes",
            lambda: ([1.0], [[1000.0]], [[1.0], [0.0], [-50.0]]),
            "It shows it, with more passages than it takes. How many must there be so that one can be lost?",
            when=lambda text, mates, passages: len(passages) > 2,
        ),
    ),
    hints=(
        "Which number of a batch decides how wide a step is for all of it? And what becomes of a number much smaller than a step?",
        "Alone the text comes back as it is, or nearly. Beside a mate a thousand times as large it is rounded, and to what?",
        "One dimension, one mate, two passages: one where the text is, one where it is rounded to.",
    ),
)


# --- 21.7 a handler of /v1/embeddings --------------------------------------------------------


def answer_embeddings(request: dict, model: str, D: int, encode: Callable, cache: dict) -> dict:
    """The JSON that answers a request to /v1/embeddings; vectors are kept in `cache`, (model, text) -> D numbers."""
    size, form = request.get("dimensions", D), request.get("encoding_format", "float")
    texts: Any = request.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    refused = {
        "model": request.get("model") != model,
        "input": not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts),
        "dimensions": not isinstance(size, int) or not 1 <= size <= D,
        "encoding_format": form not in ("float", "base64"),
    }
    for name, wrong in refused.items():
        if wrong:
            message = f"{name} cannot be {request.get(name)!r}"
            return {"error": {"message": message, "type": "invalid_request_error", "param": name, "code": None}}
    if new := [text for text in dict.fromkeys(texts) if (model, text) not in cache]:
        cache.update(zip([(model, text) for text in new], encode(new), strict=True))
    data = []
    for i, text in enumerate(texts):
        vector = np.array(cache[model, text][:size], dtype="<f4")  # four bytes each, the lowest first
        vector /= np.linalg.norm(vector) or 1
        embedding = vector.tolist() if form == "float" else base64.b64encode(vector.tobytes()).decode()
        data.append({"object": "embedding", "index": i, "embedding": embedding})
    words = sum(len(text.split()) for text in texts)
    return {
        "object": "list", "data": data, "model": model, "usage": {"prompt_tokens": words, "total_tokens": words},
    }  # fmt: skip


VECTORS = {
    "a": [0.36, 0.48, 0.8],
    "b": [0.0, 0.0, 1.0],
    "c": [0.8, 0.6, 0.0],
    "d e": [-0.6, 0.0, 0.8],
    "f g h": [0.0, -0.28, 0.96],
}


class Encode:
    """A model of five texts that writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """list of str -> list of as many lists of 3 floats."""
        self.asked.append(list(texts))
        return [list(VECTORS.get(text, [1.0, 0.0, 0.0])) for text in texts]

    def __repr__(self) -> str:
        return "encode"


def _seen(answer: Any, args: tuple) -> Any:
    """The answer, with numbers in place of base64 and without the words of an error; what was asked, what the cache holds."""
    encode, cache = args[3], args[4]
    asked, encode.asked = encode.asked, []
    if not isinstance(answer, dict):
        return answer
    return {"answer": _readable(answer), "asked of encode": asked, "cache": dict(cache)}


def _readable(answer: dict) -> dict:
    error = answer.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str) and error["message"]:
        return {**answer, "error": {**error, "message": "…"}}
    if not isinstance(answer.get("data"), list):
        return answer
    return {**answer, "data": [_decoded(item) for item in answer["data"]]}


def _decoded(item: Any) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("embedding"), str):
        return item
    try:
        numbers = np.frombuffer(base64.b64decode(item["embedding"], validate=True), dtype="<f4").tolist()
    except ValueError:
        return item
    return {**item, "embedding": {"base64 of": numbers}}


def _as_a_service(request, model, D, encode, cache):
    """The same, written as people write a service."""

    def error(param):
        return {"error": {"message": f"bad {param}", "type": "invalid_request_error", "param": param, "code": None}}

    if "model" not in request or request["model"] != model:
        return error("model")
    texts = request.get("input", [])
    if isinstance(texts, str):
        texts = [texts]
    if type(texts) is not list or len(texts) == 0 or any(type(text) is not str or text == "" for text in texts):
        return error("input")
    size = request.get("dimensions", D)
    if type(size) is not int or size < 1 or size > D:
        return error("dimensions")
    wanted = request.get("encoding_format", "float")
    if wanted != "float" and wanted != "base64":
        return error("encoding_format")
    missing = []
    for text in texts:
        if (model, text) not in cache and text not in missing:
            missing.append(text)
    if missing:
        for text, vector in zip(missing, encode(missing), strict=True):
            cache[(model, text)] = vector
    response: dict[str, Any] = {"object": "list", "model": model, "data": []}
    tokens = 0
    for text in texts:
        tokens += len(text.split())
        embedding: Any
        cut = cache[(model, text)][:size]
        length = math.sqrt(sum(x * x for x in cut))
        cut = [x / length for x in cut] if length > 0 else [0.0] * size
        if wanted == "base64":
            embedding = base64.b64encode(np.asarray(cut, dtype=np.float32).tobytes()).decode("ascii")
        else:
            embedding = cut
        response["data"].append({"object": "embedding", "index": len(response["data"]), "embedding": embedding})
    response["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return response


def _at_length_one(numbers: np.ndarray) -> np.ndarray:
    return numbers / (np.linalg.norm(numbers) or 1)


def _listed(texts: Any) -> Any:
    return [texts] if isinstance(texts, str) else texts


CHECKS: dict[str, Callable[[dict, str, int], bool]] = {
    "model": lambda request, model, D: request.get("model") != model,
    "input": lambda request, model, D: (
        not isinstance(_listed(request.get("input")), list)
        or not request["input"]
        or not all(isinstance(t, str) and t for t in _listed(request["input"]))
    ),
    "dimensions": lambda request, model, D: (
        not isinstance(request.get("dimensions", D), int) or not 1 <= request.get("dimensions", D) <= D
    ),
    "encoding_format": lambda request, model, D: request.get("encoding_format", "float") not in ("float", "base64"),
}


def _error(name: str) -> dict:
    return {"error": {"message": f"{name}?", "type": "invalid_request_error", "param": name, "code": None}}


def _unknown(texts, known):
    return [text for text in dict.fromkeys(texts) if not known(text)]


def _words_of_all(texts, new):
    return sum(len(text.split()) for text in texts)


def _handled(
    request, model, D, encode, cache, *, checks=CHECKS, refuse=_error, listed=_listed, key=lambda model, text: (model, text),
    to_encode=_unknown, kept=lambda vector, size: vector,
    ask=lambda encode, texts: encode(texts) if texts else [], cut=lambda vector, size: vector[:size], again=_at_length_one,
    written=lambda v: base64.b64encode(v.astype("<f4").tobytes()).decode(), form=lambda request: request.get("encoding_format", "float"),
    order=lambda texts, new: list(enumerate(texts)), words=_words_of_all, first=0,
    keep=lambda cache, found: cache.update(found), size_of=lambda request, D: request.get("dimensions", D), item="embedding",
):  # fmt: skip
    """The handler with one part exchanged."""
    for name, is_wrong in checks.items():
        if is_wrong(request, model, D):
            return refuse(name)
    texts, size = listed(request["input"]), size_of(request, D)
    new = to_encode(texts, lambda text: key(model, text) in cache)
    known = {text: cache[key(model, text)] for text in texts if key(model, text) in cache}
    found = {text: kept(vector, size) for text, vector in zip(new, ask(encode, new), strict=True)}
    keep(cache, {key(model, text): vector for text, vector in found.items()})
    vectors = {**known, **found}
    data = []
    for i, text in order(texts, new):
        vector = again(np.array(cut(vectors[text], size), dtype=float))
        embedding = written(vector) if form(request) == "base64" else vector.tolist()
        data.append({"object": item, "index": i + first, "embedding": embedding})
    total = words(texts, new)
    return {
        "object": "list", "data": data, "model": model, "usage": {"prompt_tokens": total, "total_tokens": total},
    }  # fmt: skip


def _handler(**parts: Any) -> Answer:
    return lambda *args: _handled(*args, **parts)


def _without(*names: str) -> dict[str, Callable[[dict, str, int], bool]]:
    return {name: check for name, check in CHECKS.items() if name not in names}


def _raised(name: str) -> dict:
    raise ValueError(f"{name} cannot be that")


def _of_any_model(request, model, D, encode, cache):
    """A vector of this text, whichever model made it."""
    if "error" in (refused := _handled(request, model, D, Encode(), dict(cache))):
        return refused
    borrowed = {(model, text): vector for (other, text), vector in cache.items() if other != model}
    own = {key: vector for key, vector in cache.items() if key[0] == model}
    wide = {**borrowed, **own}
    answer = _handled(request, model, D, encode, wide)
    asked = [text for texts in encode.asked for text in texts]
    cache.update({(model, text): wide[model, text] for text in asked})
    return answer


def _cached_first(texts: list[str], new: list[str]) -> list[tuple[int, str]]:
    done = [text for text in texts if text not in new] + [text for text in texts if text in new]
    return list(enumerate(done))


def _finished_order(texts: list[str], new: list[str]) -> list[tuple[int, str]]:
    pairs = list(enumerate(texts))
    return [pair for pair in pairs if pair[1] not in new] + [pair for pair in pairs if pair[1] in new]


def _draw_request(rng: random.Random) -> tuple[dict, str, int, Encode, dict]:
    model, texts = "base-7f3a", list(VECTORS)
    request: dict[str, Any] = {"model": model if rng.random() < 0.9 else rng.choice(("base", "base-0000", ""))}
    kind = rng.random()
    if kind < 0.2:
        request["input"] = rng.choice(texts)
    elif kind < 0.88:
        request["input"] = [rng.choice(texts) for _ in range(rng.randint(1, 4))]
    else:
        request["input"] = rng.choice(([], "", ["a", ""], [3], ["a", 7], {"text": "a"}, 5))
    if rng.random() < 0.5:
        request["dimensions"] = rng.choice((1, 2, 2, 2, 3, 3, 0, 4))
    if rng.random() < 0.5:
        request["encoding_format"] = rng.choice(("float", "base64", "base64", "int8"))
    few = rng.sample(texts, rng.randint(0, 3))
    cache = {(rng.choice((model, model, "base-0000")), text): VECTORS[text] for text in few}
    cache = {key: v if key[0] == model else [v[2], v[0], -v[1]] for key, v in cache.items()}
    shuffled = list(request.items())
    rng.shuffle(shuffled)
    return dict(shuffled), model, 3, Encode(), cache


def _is_refused(request: dict, model: str, D: int, *rest: Any) -> bool:
    return any(check(request, model, D) for check in CHECKS.values())


def _asked_for(request: dict, model: str, D: int, *rest: Any) -> list[str]:
    return [] if _is_refused(request, model, D) else _listed(request["input"])


def _call(cache: dict | None = None, **request: Any) -> Callable[[], tuple]:
    """A call with a model of the right name unless another is given."""
    return lambda: (
        {"model": "base-7f3a", **request}, "base-7f3a", 3, Encode(), {key: list(v) for key, v in (cache or {}).items()}
    )  # fmt: skip


def _expected(data: list[Any], words: int, asked: list[list[str]], cache: dict) -> dict:
    items = [{"object": "embedding", "index": i, "embedding": each} for i, each in enumerate(data)]
    usage = {"prompt_tokens": words, "total_tokens": words}
    answer = {"object": "list", "data": items, "model": "base-7f3a", "usage": usage}
    return {"answer": answer, "asked of encode": asked, "cache": cache}


def _refusal(name: str, cache: dict | None = None) -> dict:
    return {
        "answer": {"error": {"message": "…", "type": "invalid_request_error", "param": name, "code": None}},
        "asked of encode": [],
        "cache": cache or {},
    }


HANDLER = Exercise(
    id="21.7",
    title="a handler of /v1/embeddings",
    difficulty="hard",
    minutes=20,
    section="Build it: a handler of /v1/embeddings",
    signature="dict, str, int, function, dict -> dict",
    reference=answer_embeddings,
    another=_as_a_service,
    draw=_draw_request,
    observe=_seen,
    may_change=(4,),
    loops=True,
    situations=(
        Situation("the input is one text", lambda request, *rest: isinstance(request["input"], str)),
        Situation("the request is refused", _is_refused),
        Situation("the model is another one", lambda request, model, *rest: request["model"] != model),
        Situation(
            "a text stands in the input twice", lambda *args: len(set(_asked_for(*args))) < len(_asked_for(*args))
        ),
        Situation(
            "a text is in the cache already",
            lambda *args: any((args[1], text) in args[4] for text in _asked_for(*args)),
        ),
        Situation(
            "all texts are in the cache already",
            lambda *args: bool(_asked_for(*args)) and all((args[1], text) in args[4] for text in _asked_for(*args)),
        ),
        Situation(
            "the cache holds a text's vector of another model",
            lambda *args: any(("base-0000", text) in args[4] for text in _asked_for(*args)),
        ),
        Situation("vectors are cut", lambda request, model, D, *rest: request.get("dimensions", D) in range(1, D)),
        Situation("base64 is asked for", lambda request, *rest: request.get("encoding_format") == "base64"),
        Situation("a text has more than one word", lambda *args: any(" " in text for text in _asked_for(*args))),
    ),
    cases=(
        Case(
            "one text, cut to two numbers",
            _call(input="a", dimensions=2),
            _expected([[0.6, 0.8]], 1, [["a"]], {("base-7f3a", "a"): VECTORS["a"]}),
        ),
        Case(
            "one text of two words",
            _call(input="d e"),
            _expected([VECTORS["d e"]], 2, [["d e"]], {("base-7f3a", "d e"): VECTORS["d e"]}),
        ),
        Case(
            "a text twice, one in the cache, one of another model",
            _call(
                {("base-7f3a", "c"): VECTORS["c"], ("old", "a"): [0.0, 1.0, 0.0]},
                input=["d e", "c", "a", "d e"],
            ),
            _expected(
                [VECTORS["d e"], VECTORS["c"], VECTORS["a"], VECTORS["d e"]],
                6,
                [["d e", "a"]],
                {
                    ("base-7f3a", "c"): VECTORS["c"],
                    ("old", "a"): [0.0, 1.0, 0.0],
                    ("base-7f3a", "d e"): VECTORS["d e"],
                    ("base-7f3a", "a"): VECTORS["a"],
                },
            ),
        ),
        Case(
            "all in the cache, as base64",
            _call({("base-7f3a", "c"): VECTORS["c"]}, input=["c"], encoding_format="base64", dimensions=3),
            _expected([{"base64 of": [0.8, 0.6, 0.0]}], 1, [], {("base-7f3a", "c"): VECTORS["c"]}),
        ),
        Case(
            "nothing is left of it",
            _call(input=["b", "f g h"], dimensions=1),
            _expected(
                [[0.0], [0.0]],
                4,
                [["b", "f g h"]],
                {("base-7f3a", "b"): VECTORS["b"], ("base-7f3a", "f g h"): VECTORS["f g h"]},
            ),
        ),
        Case(
            "another model, and no text",
            lambda: ({"model": "base", "input": []}, "base-7f3a", 3, Encode(), {}),
            _refusal("model"),
        ),
        Case("an empty list", _call(input=[]), _refusal("input")),
        Case("an empty text", _call(input=["a", ""]), _refusal("input")),
        Case("token ids, and too many dimensions", _call(input=[3, 5], dimensions=4), _refusal("input")),
        Case("no input", _call(encoding_format="int8"), _refusal("input")),
        Case(
            "more dimensions than there are",
            _call(input="a", dimensions=4, encoding_format="int8"),
            _refusal("dimensions"),
        ),
        Case("no dimension", _call(input="a", dimensions=0), _refusal("dimensions")),
        Case(
            "another format",
            _call({("base-7f3a", "a"): VECTORS["a"]}, input="a", encoding_format="int8"),
            _refusal("encoding_format", {("base-7f3a", "a"): VECTORS["a"]}),
        ),
        Case(
            "a cached vector, cut",
            _call({("base-7f3a", "a"): VECTORS["a"]}, input=["a", "c"], dimensions=2, encoding_format="float"),
        ),
    ),
    mistakes=(
        Mistake(
            "not normalized again",
            _handler(again=lambda v: v),
            "You cut the vectors and leave them shorter than 1. Dot products then rank by length as well. Scale each to length 1 again.",
        ),
        Mistake(
            "nothing is left, and NaN",
            _handler(again=lambda v: v / (np.linalg.norm(v) or math.nan)),
            "Where only zeros are left you divide by zero. NaN is not even JSON. Such a vector stays zero.",
        ),
        Mistake(
            "cut vectors in the cache",
            _handler(kept=lambda vector, size: _at_length_one(np.array(vector[:size])).tolist()),
            "You put the cut vectors into the cache. The next request may ask for all numbers, and finds too few. Keep the whole, cut the copy.",
        ),
        Mistake(
            "dimensions do not count",
            _handler(cut=lambda vector, size: vector),
            "`dimensions` never counts: all numbers are returned, and an index made for fewer refuses them.",
        ),
        Mistake(
            "the last dimensions",
            _handler(cut=lambda vector, size: vector[-size:]),
            "You keep the last numbers. A model that can be cut has what matters in the first ones.",
        ),
        Mistake(
            "two bytes a number",
            _handler(written=lambda v: base64.b64encode(v.astype("<f2").tobytes()).decode()),
            "You write two bytes for a number, float16. The published form has four, float32: whoever reads yours gets half as many numbers, and other ones.",
        ),
        Mistake(
            "eight bytes a number",
            _handler(written=lambda v: base64.b64encode(v.astype("<f8").tobytes()).decode()),
            "Your base64 holds float64. Clients read four bytes a number: they would see twice as many numbers, none of them right.",
        ),
        Mistake(
            "base64 of a text",
            _handler(written=lambda v: base64.b64encode(compare.render(v.tolist()).encode()).decode()),
            "You encode the written list. What is wanted are the bytes of the float32 numbers themselves.",
        ),
        Mistake(
            "bytes instead of a string",
            _handler(written=lambda v: base64.b64encode(v.astype("<f4").tobytes())),
            "base64.b64encode gives bytes, and JSON has none. Decode them to a string.",
        ),
        Mistake(
            "the highest byte first",
            _handler(written=lambda v: base64.b64encode(v.astype(">f4").tobytes()).decode()),
            "Your bytes stand in the other order, the highest first. The protocol has the lowest first, as nearly all processors do.",
        ),
        Mistake(
            "always floats",
            _handler(form=lambda request: "float"),
            "You always answer with lists of numbers. Where base64 is asked for, as the openai client does unless told otherwise, a string is due.",
        ),
        Mistake(
            "letters for texts",
            _handler(listed=list),
            "One string is taken apart into letters with you. A loop over a string gives its letters: put it into a list first.",
        ),
        Mistake(
            "a text twice is encoded twice",
            _handler(to_encode=lambda texts, known: [t for t in texts if not known(t)]),
            "A text that stands in the input twice is encoded twice. Ask for each new text once; both places get the vector.",
        ),
        Mistake(
            "a text twice is answered once",
            _handler(order=lambda texts, new: list(enumerate(dict.fromkeys(texts)))),
            "A text that stands in the input twice is answered once. Whoever asked counts on as many vectors as texts.",
        ),
        Mistake(
            "numbered as they were finished",
            _handler(order=_cached_first),
            "Your numbers follow the order in which vectors were ready: cached ones first. `index` is the text's place in the *input*; the caller "
            "joins vectors and texts by it, and would give them to the wrong texts.",
        ),
        Mistake(
            "sent as they were finished",
            _handler(order=_finished_order),
            "Your indexes are right, and the data stand in the order in which they were ready. Many clients never look at `index`: send them in the "
            "order of the input.",
        ),
        Mistake(
            "a text twice has one number",
            _handler(order=lambda texts, new: [(texts.index(text), text) for text in texts]),
            "A text that stands in the input twice gets the number of its first place both times. The number is the place in the input.",
        ),
        Mistake(
            "numbered from 1",
            _handler(first=1),
            "Your indexes begin at 1. They count from 0.",
        ),
        Mistake(
            "the cache is not read",
            _handler(to_encode=lambda texts, known: list(dict.fromkeys(texts))),
            "You encode texts whose vectors are in the cache. Look there first: the model is what costs.",
        ),
        Mistake(
            "nothing is kept",
            _handler(keep=lambda cache, found: None),
            "What you encode is not put into the cache, so the next request pays again.",
        ),
        Mistake(
            "a key without the model",
            _handler(key=lambda model, text: text),
            "Your key is the text alone. After a change of model the cache would go on serving the old model's vectors. The key has both.",
        ),
        Mistake(
            "a vector of any model",
            _of_any_model,
            "You take a cached vector of this text from whichever model made it. Vectors of two models cannot be compared, though they look alike.",
        ),
        Mistake(
            "encode is called for nothing",
            _handler(ask=lambda encode, texts: encode(texts)),
            "Where all texts are cached you call `encode` with an empty list. Many models refuse that, and all of them cost something.",
        ),
        Mistake(
            "one call for each text",
            _handler(ask=lambda encode, texts: [encode([text])[0] for text in texts]),
            "You call `encode` for each text. One call with all new texts is what makes a batch.",
        ),
        Mistake(
            "only the first text is counted",
            _handler(words=lambda texts, new: len(texts[0].split())),
            "You count the words of the first text alone. The usage is that of all texts of the request.",
        ),
        Mistake(
            "only new texts are counted",
            _handler(words=lambda texts, new: sum(len(t.split()) for t in new)),
            "You count the words of what was encoded. Usage is what was asked for: all texts of the request, cached and repeated ones too.",
        ),
        Mistake(
            "each text is counted once",
            _handler(words=lambda texts, new: sum(len(t.split()) for t in set(texts))),
            "A text that stands in the input twice is counted once. It was asked for twice.",
        ),
        Mistake(
            "texts are counted",
            _handler(words=lambda texts, new: len(texts)),
            "You count texts. Usage counts tokens, and here words stand for them.",
        ),
        Mistake(
            "letters are counted",
            _handler(words=lambda texts, new: sum(map(len, texts))),
            "You count letters: the length of a string. Split it at blanks first.",
        ),
        Mistake(
            "any model is answered",
            _handler(checks=_without("model")),
            "You answer whatever model is asked for. A caller whose index was made by another one would get vectors that do not belong there, and "
            "no error. Refuse.",
        ),
        Mistake(
            "the input is not looked at",
            _handler(
                checks={
                    **_without("model", "input"),
                    "model": CHECKS["model"],
                    "input": lambda request, model, D: "input" not in request,
                }
            ),
            "You take every input that is there, also an empty list, an empty text, or token ids. What you cannot honour gets an error object that names it.",
        ),
        Mistake(
            "an empty list is answered",
            _handler(
                checks={
                    **CHECKS,
                    "input": lambda request, model, D: (
                        request.get("input") != [] and CHECKS["input"](request, model, D)
                    ),
                }
            ),
            "An empty list gets an answer without data. It is refused: with nothing to embed, something went wrong at the caller's.",
        ),
        Mistake(
            "an empty text is encoded",
            _handler(
                checks={
                    **CHECKS,
                    "input": lambda request, model, D: (
                        not isinstance(_listed(request.get("input")), list)
                        or not _listed(request["input"])
                        or not all(isinstance(t, str) for t in _listed(request["input"]))
                    ),
                }
            ),
            "You encode an empty text. It has a vector, which says nothing and is near to something all the same. Refuse it.",
        ),
        Mistake(
            "too many dimensions are cut down in silence",
            _handler(
                checks=_without("dimensions"), size_of=lambda request, D: max(1, min(request.get("dimensions", D), D))
            ),
            "Dimensions out of range are brought into it in silence. The caller has laid out an index for what was asked: say that it cannot be had.",
        ),
        Mistake(
            "dimensions have no upper end",
            _handler(checks={**CHECKS, "dimensions": lambda request, model, D: request.get("dimensions", D) < 1}),
            "You refuse dimensions below 1 and let too many pass. The vectors then are shorter than what was asked for, and nobody is told.",
        ),
        Mistake(
            "dimensions may be 0",
            _handler(checks={**CHECKS, "dimensions": lambda request, model, D: request.get("dimensions", D) > D}),
            "Zero dimensions are answered with empty vectors. The least is 1.",
        ),
        Mistake(
            "whatever is not float is base64",
            _handler(
                checks=_without("encoding_format"),
                form=lambda request: "float" if request.get("encoding_format", "float") == "float" else "base64",
            ),
            "A format that nobody knows is answered in base64. What you cannot honour is refused by its name: encoding_format.",
        ),
        Mistake(
            "a format nobody knows",
            _handler(checks=_without("encoding_format")),
            "A format that you do not know is answered with floats. Refuse it: the caller would read them as something else.",
        ),
        Mistake(
            "an exception instead of an answer",
            _handler(refuse=_raised),
            "You raise an error. In a server that is a 500 and a page that no client can read. Return an error object that says what is wrong.",
        ),
        Mistake(
            "an error in a sentence",
            _handler(refuse=lambda name: {"error": f"{name} is wrong"}),
            "Your error is a sentence. Clients read an object: message, type, param and code.",
        ),
        Mistake(
            "an error that names nothing",
            _handler(refuse=lambda name: {**_error(name), "error": {**_error(name)["error"], "param": None}}),
            "Your error does not say which part of the request is wrong. `param` names it.",
        ),
        Mistake(
            "an error without its frame",
            _handler(refuse=lambda name: _error(name)["error"]),
            "You return what belongs below the key `error`. Without it a client takes your answer for an embedding.",
        ),
        Mistake(
            "the input is looked at first",
            _handler(checks={name: CHECKS[name] for name in ("input", "model", "dimensions", "encoding_format")}),
            "Where several things are wrong you name another one first. The order is model, input, dimensions, encoding_format.",
        ),
        Mistake(
            "every item is a list",
            _handler(item="list"),
            'Each item of `data` calls itself a list. The whole answer is one; an item is an "embedding".',
        ),
    ),
    hints=(
        "Five steps: make the input a list, refuse, encode what is new, one item for each text, usage. Which of them must not happen twice for a text "
        "that stands there twice?",
        "dict.fromkeys keeps the order and drops what is repeated. Keep whole vectors in the cache, and cut a copy when you answer.",
        "For base64: an array of float32, its bytes with tobytes(), base64.b64encode, and decode() to a string. `or 1` guards a length of zero.",
    ),
)

EXERCISES = (QUEUE, BATCHES, INT8, CACHE, DRIFT, SMALLEST, HANDLER)
