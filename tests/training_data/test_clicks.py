"""Clicks: the simulated log follows the model, and the correction takes the place out of it."""

import numpy as np
import pytest

from workbook.support.types import Shown
from workbook.training_data import (
    best_pairs,
    click_rates,
    corrected_rates,
    looked_at,
    looked_at_from_random,
    simulate_clicks,
)

RUN = {"q": {str(i): 10.0 - i for i in range(10)}}
QRELS = {"q": {"6": 2}}


def test_a_log_follows_the_model():
    log = simulate_clicks(RUN, QRELS, looked_at(10), sessions=4_000, noise=0.1)
    assert len(log) == 40_000
    rates = click_rates(log)["q"]
    for i in range(10):
        expected = (1.0 if i == 6 else 0.1) / (i + 1)
        assert abs(rates[str(i)] - expected) < 5 * np.sqrt(expected * (1 - expected) / 4_000)
    assert log == simulate_clicks(RUN, QRELS, looked_at(10), sessions=4_000, noise=0.1)
    assert log != simulate_clicks(RUN, QRELS, looked_at(10), sessions=4_000, noise=0.1, seed=1)


def test_raw_clicks_name_the_place_and_corrected_ones_the_passage():
    few = {"q": {"6": 1}}
    log = simulate_clicks(RUN, few, [1.0, *[0.1] * 9], sessions=3_000, noise=0.3)
    assert best_pairs(click_rates(log)) == [("q", "0")]
    assert best_pairs(corrected_rates(log, [1.0, *[0.1] * 9])) == [("q", "6")]


def test_the_correction_by_hand():
    log = [Shown("q", "a", 1, True), Shown("q", "a", 1, False), Shown("q", "b", 2, True), Shown("q", "b", 2, False)]
    assert click_rates(log) == {"q": {"a": 0.5, "b": 0.5}}
    assert corrected_rates(log, [1.0, 0.25]) == {"q": {"a": 0.5, "b": 2.0}}
    assert corrected_rates(log, [1.0, 0.25], smallest=0.5) == {"q": {"a": 0.5, "b": 1.0}}


def test_a_random_order_shows_who_looks_where():
    true = looked_at(6)
    log = simulate_clicks(RUN, QRELS, true, sessions=20_000, shuffle=True)
    assert np.allclose(looked_at_from_random(log), true, atol=0.06)
    in_order = looked_at_from_random(simulate_clicks(RUN, {"q": {"0": 1}}, true, sessions=20_000))
    assert in_order[1] < true[1] / 2  # in the ranker's order the best stands on top, so less seems to be seen below


def test_best_pairs_leave_out_queries_without_a_click():
    assert best_pairs({"q": {"a": 0.0}, "r": {"a": 0.1, "b": 0.1}, "s": {}}) == [("r", "a")]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: looked_at(0), "num_positions"),
        (lambda: simulate_clicks(RUN, QRELS, [1.2]), r"probabilities from 0 to 1, got 1\.2"),
        (lambda: simulate_clicks(RUN, QRELS, [1.0], noise=-0.1), "got -0.1"),
        (lambda: simulate_clicks(RUN, QRELS, [1.0], sessions=0), "sessions"),
        (lambda: corrected_rates([Shown("q", "a", 0, True)], [1.0]), "without positions cannot be corrected"),
        (lambda: corrected_rates([Shown("q", "a", 2, True)], [1.0]), "from 1 to 1"),
        (lambda: corrected_rates([], [1.0], smallest=0), "smallest must be above 0"),
        (lambda: looked_at_from_random([Shown("q", "a", 1, False)]), "clicks at position 1"),
        (lambda: looked_at_from_random([Shown("q", p, p, True) for p in (1, 3)]), r"got positions \[1, 3\]"),
        (lambda: looked_at_from_random([]), "clicks at position 1"),
    ],
)
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
