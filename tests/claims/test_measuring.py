import numpy as np
import pytest

from workbook.claims import measuring
from workbook.claims.measuring import TUNING_SEED, difference, of_run, per_query, public, signed, tuned, visible
from workbook.data import load
from workbook.data.planted import planted
from workbook.data.planted.write import write_beir


def test_seeds_that_differ_widen_the_interval():
    a, b = np.tile([0.6, 0.4, 0.7, 0.5], (2, 1)), np.full((2, 4), 0.4)
    value, low, high = difference(a, b)
    assert value == 0.15
    assert 0 <= low < value < high <= 0.3
    apart = difference(a + np.array([[0.1], [-0.1]]), b)
    assert apart[0] == value
    # two seeds 0.2 apart: a standard error of 0.1, and Student's t of one degree of freedom
    assert apart[2] - value == pytest.approx(np.hypot(high - value, 12.706 * 0.1), abs=1e-3)
    assert difference(b + 0.1, b) == [0.1, 0.1, 0.1]


def test_what_would_have_been_seen_is_half_the_widest_interval_and_signs_are_said():
    rows = [[0.01, -0.01, 0.02], [0.0, -0.05, 0.05]]
    assert visible(rows) == pytest.approx(0.05)
    assert signed(rows[0]) == "+0.010 [-0.010, +0.020]"


def test_quality_of_an_encoder_is_that_of_its_search():
    class Letters:
        def encode_query(self, texts):
            return np.array([[text.count("e"), text.count("a"), 1.0] for text in texts])

        encode_document = encode_query

    docs = load("planted-300").split("dev").sample(10, 60)
    run = measuring.dense_search(Letters(), docs.corpus, docs.queries, k=10)
    values = of_run(run, docs)
    assert values.shape == (len(docs.queries),)
    assert 0 < values.mean() < 1
    np.testing.assert_array_equal(per_query(Letters(), docs), values)


@pytest.mark.parametrize("quick", [True, False])
def test_a_training_has_its_temperature_and_gives_way_to_options(monkeypatch, quick):
    seen = {}
    monkeypatch.setattr(measuring, "fit", lambda encoder, rows, **options: seen.update(options))
    measuring.train(None, [("q", "p")], quick=quick, steps=3, temperature=0.1)
    assert (seen["dtype"] is not None) == quick
    assert (seen["temperature"], seen["steps"], seen["show"]) == (0.1, 3, False)


def test_dev_queries_choose_the_rate_and_the_last_point_decides():
    seen = []

    def experiment(rate, seed):
        seen.append((rate, seed))
        return np.array([[1 - rate] * 3, [rate] * 3])  # before and after

    rows, rate = tuned(experiment, (0, 1), (0.1, 0.2))
    assert rate == 0.2
    assert rows.shape == (2, 2, 3)
    assert seen == [(0.1, TUNING_SEED), (0.2, TUNING_SEED), (0.2, 0), (0.2, 1)]
    seen.clear()
    tuned(experiment, (0,), (0.1,))
    assert seen == [(0.1, 0)]  # no choice, so none is asked for


def test_public_collections_are_measured_where_a_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("WORKBOOK_PUBLIC", raising=False)
    assert public() == {}
    monkeypatch.setenv("WORKBOOK_PUBLIC", str(tmp_path))
    assert public() == {}
    write_beir(planted(60), tmp_path / "cosqa")
    assert list(public()) == ["cosqa"]
    assert public(["cacm"]) == {}
