"""Clicks: whoever searches says what is right, for nothing; but only of what was shown, and mostly of what stood on top.

Whether a hit is clicked depends on two things, and a log shows only that both came together:

    P(click) = P(looked at | position) · P(attractive | query, passage)

the position-based model. So the share of clicks says more about the place than about the passage. Weighting each click by
1 / P(looked at) takes the place out again: on average the sum is what it would be if all had been looked at.

    simulate_clicks           a log where the truth is known
    click_rates               raw: clicks / times shown
    corrected_rates           each click weighted by 1 / P(looked at)
    looked_at_from_random     P(looked at), from a small part of the traffic that was shown in random order
    best_pairs                training pairs: for each query the passage that is clicked most

A passage that nobody was shown has no clicks, corrected or not.

Taught in 12.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from workbook.support.checks import check_positive
from workbook.support.types import Qrels, Run, Shown

Rates = dict[str, dict[str, float]]  # query -> passage -> rate


def looked_at(num_positions: int, steepness: float = 1.0) -> list[float]:
    """P(looked at) by position, from 1 on: (1 / position) ^ steepness; with 0 all are looked at.

    Source: Joachims et al. 2017, who simulate with such a curve.
    """
    check_positive(num_positions=num_positions)
    return [(1 / position) ** steepness for position in range(1, num_positions + 1)]


def simulate_clicks(
    run: Run,
    qrels: Qrels,
    looked_at: Sequence[float],
    sessions: int = 20,
    noise: float = 0.1,
    shuffle: bool = False,
    seed: int = 0,
) -> list[Shown]:
    """A log of the position-based model.

    Args:
        run: query id -> passage id -> score; as many as there are positions are shown, best first.
        qrels: query id -> passage id -> grade; above 0 is attractive, and clicked whenever it is looked at.
        looked_at: P(looked at) at positions 1, 2, …
        sessions: how often each query is asked.
        noise: the share of other hits that are clicked all the same when they are looked at.
        shuffle: show the hits in random order, another one in each session.
        seed: decides clicks and orders.
    Returns:
        one entry for each hit shown, query by query.
    Raises:
        ValueError: sessions is not positive, or a probability lies outside [0, 1].

    Source: Richardson et al. 2007; Craswell et al. 2008 (position-based model).
    """
    check_positive(sessions=sessions)
    _check_shares(noise, *looked_at)
    rng = np.random.default_rng(seed)
    log: list[Shown] = []
    for query, scores in run.items():
        hits = sorted(scores, key=lambda passage: -scores[passage])[: len(looked_at)]
        attractive = {p: 1.0 if qrels.get(query, {}).get(p, 0) > 0 else noise for p in hits}
        for _ in range(sessions):
            order = [hits[i] for i in rng.permutation(len(hits))] if shuffle else hits
            drawn = rng.random(len(order))
            log += [Shown(query, p, i + 1, bool(drawn[i] < looked_at[i] * attractive[p])) for i, p in enumerate(order)]
    return log


def click_rates(log: Iterable[Shown]) -> Rates:
    """The share of times that a passage was clicked when it was shown for a query: query -> passage -> share."""
    return _rates((shown, 1.0) for shown in log)


def corrected_rates(log: Iterable[Shown], looked_at: Sequence[float], smallest: float = 0.05) -> Rates:
    """What the share of clicks would be, had every hit been looked at: query -> passage -> rate.

        rate = (1 / times shown) · sum over clicks of 1 / P(looked at | position)

    Right on average, and the noisier the deeper: a click at a place that one in fifty looks at would count fifty times.

    Args:
        log: with positions.
        looked_at: P(looked at) at positions 1, 2, …
        smallest: probabilities are not taken to be below it; it trades a little bias for less noise.
    Returns:
        as from `click_rates`; a rate may lie above 1.
    Raises:
        ValueError: a position is unknown or deeper than `looked_at`, a probability lies outside [0, 1], or
            `smallest` is 0.

    Source: Joachims et al. 2017 (inverse propensity scoring); Strehl et al. 2010 (clipping).
    """
    _check_shares(*looked_at)
    if not 0 < smallest <= 1:
        raise ValueError(f"smallest must be above 0 and at most 1, got {smallest}; with 0 one click may count for ever")

    def weighted() -> Iterable[tuple[Shown, float]]:
        for shown in log:
            if not 1 <= shown.position <= len(looked_at):
                raise ValueError(
                    f"position must be from 1 to {len(looked_at)}, for which P(looked at) is given, got {shown.position}; "
                    "a log without positions cannot be corrected"
                )
            yield shown, 1 / max(looked_at[shown.position - 1], smallest)

    return _rates(weighted())


def _rates(weighted: Iterable[tuple[Shown, float]]) -> Rates:
    """The weights of clicks, added up and divided by the times shown."""
    total: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for shown, weight in weighted:
        sums = total[shown.query][shown.passage]
        sums[0] += weight * shown.clicked
        sums[1] += 1
    return {query: {p: clicks / times for p, (clicks, times) in of.items()} for query, of in total.items()}


def looked_at_from_random(log: Iterable[Shown]) -> list[float]:
    """P(looked at) by position beside that of position 1, from hits in random order.

    In random order every position shows equally good hits, so what differs is how many look there.

    Args:
        log: of sessions with `shuffle`.
    Returns:
        for positions 1, 2, …, the clicks there divided by those at position 1.
    Raises:
        ValueError: nobody clicked at position 1, or a position between the first and the last was never shown.

    Source: Joachims et al. 2017, section 5.1 (swaps with the first position are milder than a random order).
    """
    clicks, times = defaultdict[int, int](int), defaultdict[int, int](int)
    for shown in log:
        clicks[shown.position] += shown.clicked
        times[shown.position] += 1
    if not clicks[1] or sorted(times) != list(range(1, len(times) + 1)):
        raise ValueError(
            f"expected every position from 1 on and clicks at position 1, got positions {sorted(times)}; record more sessions "
            "in random order"
        )
    first = clicks[1] / times[1]
    return [clicks[position] / times[position] / first for position in sorted(times)]


def best_pairs(rates: Rates, least: float = 0.0) -> list[tuple[str, str]]:
    """For each query the passage with the highest rate above `least`; of equal ones the first. (query, passage) ids."""
    best = {query: max(of, key=lambda p: of[p]) for query, of in rates.items() if of}
    return [(query, p) for query, p in best.items() if rates[query][p] > least]


def _check_shares(*shares: float) -> None:
    wrong = [share for share in shares if not 0 <= share <= 1]
    if wrong:
        raise ValueError(f"expected probabilities from 0 to 1, got {wrong[0]}")
