"""A large experiment that is stopped goes on: no arm is measured twice, and nothing is left when it is whole."""

import numpy as np
import pytest

from workbook.claims import Claim, Verdict, kept, record


class Experiment:
    """Three arms, each an array of its seed; `stop_at` is stopped before it has ended."""

    def __init__(self, stop_at=None):
        self.measured, self.stop_at = [], stop_at

        @kept.kept
        def arm(name, seed, budget):
            if seed == self.stop_at:
                raise KeyboardInterrupt
            self.measured.append(seed)
            return np.full(3, seed / 7)

        self.arm = arm

    def claim(self):
        def measure(budget, seeds):
            return {"rows": [self.arm("plain", seed, budget).tolist() for seed in (*seeds, 0)]}

        return Claim(900, "00", "It helps.", "…", measure, lambda m: Verdict("holds", "…", ()))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path))
    return tmp_path / "claims"


def test_no_arm_is_measured_twice_and_the_result_is_that_of_one_run(cache):
    whole = record.run_record(Experiment().claim(), (0, 1, 2))
    with pytest.raises(KeyboardInterrupt):
        record.run_record(Experiment(stop_at=2).claim(), (0, 1, 2))
    assert len(list(cache.rglob("*.npz"))) == 2
    again = Experiment()
    resumed = record.run_record(again.claim(), (0, 1, 2))
    assert again.measured == [2]
    assert resumed.measurements == whole.measurements
    assert list(cache.iterdir()) == []


def test_the_seconds_of_a_stopped_run_count(cache, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    with pytest.raises(KeyboardInterrupt):
        record.run_record(Experiment(stop_at=1).claim(), (0, 1))
    first = 10.0  # one arm between two looks at the clock
    resumed = record.run_record(Experiment().claim(), (0, 1))
    assert resumed.seconds == first + 30  # start, the second arm's two looks, end


def test_another_code_meets_nothing_old(monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        record.run_record(Experiment(stop_at=1).claim(), (0, 1))
    monkeypatch.setattr(kept, "_code", lambda: "0" * 64)
    again = Experiment()
    record.run_record(again.claim(), (0, 1))
    assert again.measured == [0, 1]


def test_outside_of_a_record_nothing_is_written(cache):
    experiment = Experiment()
    experiment.claim().measure("notebook", (0, 0))
    assert experiment.measured == [0]
    assert not cache.exists()


def test_a_dict_of_arrays_comes_back_as_it_was():
    measured = []

    def experiment(stop):
        @kept.kept
        def arm(seed):
            if seed == stop:
                raise KeyboardInterrupt
            measured.append(seed)
            return {"own index: a, b": np.arange(3.0), "seconds": np.array(0.5)}

        return Claim(
            900,
            "00",
            "It helps.",
            "…",
            lambda budget, seeds: {str(s): str(arm(s)) for s in seeds},
            lambda m: Verdict("holds", "…"),
        )

    with pytest.raises(KeyboardInterrupt):
        record.run_record(experiment(stop=1), (0, 1))
    found = record.run_record(experiment(stop=None), (0, 1)).measurements
    assert measured == [0, 1]
    assert found["0"] == found["1"]
