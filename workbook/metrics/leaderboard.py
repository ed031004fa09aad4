"""A leaderboard with intervals: who is ahead, and whether that could be chance.

A table of means alone invites a wrong reading, that the first is better than the second. Beside each mean
stands the interval in which it would fall for other queries like these, and beside each difference its own:
both systems answer the same queries, so the difference is often surer than either mean.

Taught in 11.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from workbook.metrics.ranking import evaluate
from workbook.metrics.significance import bootstrap_ci, paired_permutation_test
from workbook.support.types import Qrels, Run


def leaderboard(
    results: Mapping[str, Run | Sequence[Run]],
    qrels: Qrels,
    metric: str = "ndcg@10",
    baseline: str | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rank systems by one metric, with intervals for each and for its distance to a baseline.

    Args:
        results: system -> its run, or the runs of several seeds; then each query counts with its mean over
            the seeds, and the interval still is about queries.
        qrels: query id -> passage id -> grade.
        metric: as in `evaluate`.
        baseline: the system that others are held against; the best one by default.
        seed: of bootstrap and permutation.
    Returns:
        one row per system, best first: {"rank": as in `shared_ranks`, "system", metric: Interval, "seeds", "difference":
        Interval to the baseline, "p": how often chance alone would make such a difference}; the baseline has None for
        the last two.
    Raises:
        ValueError: there are no results, a system has no run, or the baseline is none of them.
    """
    if not results or (baseline is not None and baseline not in results):
        raise ValueError(f"results must hold a system, and the baseline {baseline!r} if given; got {sorted(results)}")
    values, seeds = {}, {}
    for system, runs in results.items():
        each: list[Run] = [runs] if isinstance(runs, Mapping) else list(runs)
        if not each:
            raise ValueError(f"{system!r} has no run; leave it out")
        measured = [evaluate(qrels, run, [metric], per_query=True)[metric] for run in each]
        values[system] = np.mean([[one[query] for query in qrels] for one in measured], axis=0)  # (Q,)
        seeds[system] = len(each)
    order = sorted(values, key=lambda system: -values[system].mean())
    against = order[0] if baseline is None else baseline
    rows, ranks = [], shared_ranks(values, partial(_differ, seed=seed))
    for system in order:
        row = {
            "rank": ranks[system],
            "system": system,
            metric: bootstrap_ci(values[system], seed=seed),
            "seeds": seeds[system],
        }
        same = system == against
        row["difference"] = None if same else bootstrap_ci(values[system] - values[against], seed=seed)
        row["p"] = None if same else paired_permutation_test(values[system], values[against], seed=seed)
        rows.append(row)
    return rows


def _differ(above: np.ndarray, below: np.ndarray, seed: int = 0) -> bool:
    """Whether the interval of the difference over queries lies above 0."""
    return bootstrap_ci(above - below, seed=seed).low > 0


def shared_ranks(
    values: Mapping[str, np.ndarray], differ: Callable[[np.ndarray, np.ndarray], bool] = _differ
) -> dict[str, int]:
    """The places of systems, best first, where neighbours that do not differ share one.

    A system shares the place of the one above it unless the two differ: unless the interval of their difference lies off 0. So first and third may
    share a place that each shares with the second, though a comparison of the two alone would part them.

    Args:
        values: system -> (Q,), one value per query, or whatever `differ` takes.
        differ: (values of the one above, of the one below) -> whether they differ; by default the bootstrap over queries
            decides.
    Returns:
        system -> place, counted from 1; after two that share place 1 comes place 3.
    """
    order = sorted(values, key=lambda system: -float(np.mean(values[system])))
    ranks: dict[str, int] = {}
    for place, system in enumerate(order, start=1):
        above = order[place - 2]
        differs = place == 1 or differ(values[above], values[system])
        ranks[system] = place if differs else ranks[above]
    return ranks
