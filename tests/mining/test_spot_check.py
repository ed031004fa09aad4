"""A rate from a few judgements: weighed by the strata, with an interval that holds the truth."""

import math
import random

import numpy as np
import pytest
import torch

from workbook.mining import count_filter, filter_report, strata_of, stratified_rate, stratified_sample


def test_ranks_count_candidates_alone_and_each_lies_in_one_stratum():
    possible = [[True, False, True, True], [False, False, True, False]]
    assert strata_of(possible, ((1, 1), (2, 3))) == [[(0, 0), (1, 2)], [(0, 2), (0, 3)]]


def test_a_sample_is_spread_over_the_strata_without_repetition():
    strata = [[(0, i) for i in range(5)], [(1, i) for i in range(50)], [(2, 0)]]
    sample = stratified_sample(strata, 8, seed=3)
    assert [len(s) for s in sample] == [3, 3, 1]
    assert all(len(set(s)) == len(s) and set(s) <= set(of) for s, of in zip(sample, strata, strict=True))
    assert stratified_sample(strata, 8, seed=3) == sample
    assert stratified_sample(strata, 8, seed=4) != sample


@pytest.mark.parametrize(("strata", "num"), [([[(0, 0)], []], 4), ([[(0, 0)], [(0, 1)]], 1)])
def test_a_stratum_that_cannot_be_judged_is_refused(strata, num):
    with pytest.raises(ValueError, match="at least one judgement"):
        stratified_sample(strata, num)


def test_a_rate_by_hand():
    found = stratified_rate([100, 900], [[True, True, False, False], [False] * 4])
    error = 1.96 * math.sqrt(0.01 * 0.25 / 4 + 0.81 * (1 / 6) * (5 / 6) / 4)
    assert found.mean == pytest.approx(0.05)
    assert (found.low, found.high) == (0.0, pytest.approx(0.05 + error))
    with pytest.raises(ValueError, match="judge one of each"):
        stratified_rate([100, 900], [[True], []])


def test_in_many_samples_the_interval_holds_the_truth_and_the_rate_is_not_biased():
    rng = random.Random(0)
    shares, sizes = (0.3, 0.1, 0.01), (800, 1_600, 13_000)
    truth = {(h, i): i < round(s * n) for h, (s, n) in enumerate(zip(shares, sizes, strict=True)) for i in range(n)}
    strata = [[(h, i) for i in range(n)] for h, n in enumerate(sizes)]
    rate = sum(truth.values()) / len(truth)
    held, rates = 0, []
    for _ in range(300):
        sample = stratified_sample(strata, 30, seed=rng.random())
        found = stratified_rate(sizes, [[truth[place] for place in s] for s in sample])
        held += found.low <= rate <= found.high
        rates.append(found.mean)
    assert held >= 0.93 * 300
    assert np.mean(rates) == pytest.approx(rate, abs=3 * np.std(rates) / math.sqrt(300))


def test_counting_in_tables_is_the_report_of_runs():
    rng = torch.Generator().manual_seed(0)
    kept, possible, false = (torch.rand(4, 6, generator=rng) < share for share in (0.7, 0.8, 0.4))
    runs = [
        {str(q): {str(k): 1.0 for k in range(6) if table[q, k]} for q in range(4)}
        for table in (possible, possible & kept)
    ]
    truth = {str(q): {str(k): 1 for k in range(6) if false[q, k]} for q in range(4)}
    report = filter_report(*runs, truth)
    assert count_filter(kept, possible, false) == {name: report[name] for name in ("precision", "recall", "lost")}
    nothing = count_filter(possible, possible, torch.zeros_like(false))
    assert math.isnan(nothing["precision"])
    assert math.isnan(nothing["recall"])
    assert nothing["lost"] == 0
