"""A slow machine trains for fewer steps and says so; a build takes them all."""

import itertools

import pytest
import torch

from tests.train.test_fit import PAIRS, static, weights
from workbook.train import budget, steps_within
from workbook.train.budget import FEWEST


@pytest.fixture
def clock(monkeypatch):
    """A machine on which each look at the clock is two seconds after the last."""
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    moments = itertools.count(0, 2.0)
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(moments))


@pytest.mark.parametrize(("seconds", "expected"), [(100, 50), (1, FEWEST), (300, 150), (1000, 150)])
def test_the_budget_decides(clock, capsys, seconds, expected):
    assert steps_within(seconds, 150, static(), PAIRS, batch_size=8) == expected
    said = capsys.readouterr().out
    assert bool(said) == (expected < 150)
    if said:
        assert f"A step takes 2.0 s here, so {expected} of 150 steps are taken" in said


def test_never_more_than_were_wanted(clock):
    assert steps_within(1, 3, static(), PAIRS, batch_size=8) == 3


def test_the_encoder_and_the_random_state_stay_as_they_were(clock):
    encoder = static()
    before, state = weights(encoder), torch.get_rng_state()
    steps_within(10, 100, encoder, PAIRS, batch_size=8, lr=0.1)
    assert torch.equal(weights(encoder), before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_build_takes_all_steps_and_times_nothing(monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "0")
    monkeypatch.setattr(budget, "fit", lambda *args: pytest.fail("times"))
    assert steps_within(0.001, 150, static(), PAIRS) == 150
