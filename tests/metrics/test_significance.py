import numpy as np
import pytest

from workbook.metrics.significance import Interval, bootstrap_ci, paired_permutation_test


def test_an_interval_holds_its_mean_and_prints_itself():
    interval = bootstrap_ci([0.0, 1.0, 1.0, 0.0])
    assert interval.mean == 0.5
    assert interval.low < 0.5 < interval.high
    assert str(Interval(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"


def test_a_constant_has_no_spread():
    assert bootstrap_ci([0.25] * 9) == (0.25, 0.25, 0.25)


def test_the_interval_has_the_width_that_theory_gives():
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap_ci(values, num_resamples=4_000)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(400), rel=0.1)


def test_about_95_of_100_intervals_hold_the_truth():
    generator = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        interval = bootstrap_ci(generator.random(60), num_resamples=400, seed=seed)
        held += interval.low <= 0.5 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_more_confidence_is_a_wider_interval_and_a_seed_repeats_it():
    values = np.random.default_rng(2).random(50)
    narrow, wide = bootstrap_ci(values, confidence=0.5), bootstrap_ci(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert bootstrap_ci(values, seed=5) == bootstrap_ci(values, seed=5) != bootstrap_ci(values, seed=6)


def test_few_queries_are_counted_exactly():
    # Of the 8 sign patterns of three equal differences, two reach the observed sum: all plus, all minus.
    assert paired_permutation_test([1, 1, 1], [0, 0, 0]) == 2 / 8
    assert paired_permutation_test([0.4], [0.1]) == 1.0


def test_equal_systems_have_p_one_and_the_sides_are_alike():
    a, b = np.random.default_rng(3).random((2, 10))
    assert paired_permutation_test(a, a) == 1.0
    assert paired_permutation_test(a, b) == paired_permutation_test(b, a)


def test_drawing_comes_close_to_counting():
    a, b = np.random.default_rng(4).random((2, 12))
    exact = paired_permutation_test(a, b, num_permutations=2**12)
    assert paired_permutation_test(a, b, num_permutations=4_000) == pytest.approx(exact, abs=0.03)


def test_a_clear_win_is_found_and_p_is_never_zero():
    assert paired_permutation_test(np.ones(50), np.zeros(50), num_permutations=999) == 1 / 1000


def test_equal_systems_are_called_different_about_one_time_in_twenty():
    generator = np.random.default_rng(5)
    p = [paired_permutation_test(*generator.random((2, 30)), num_permutations=300) for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11


@pytest.mark.parametrize("values", [[], [float("nan")], [[1.0]]])
def test_what_is_not_one_number_per_query_is_refused(values):
    with pytest.raises(ValueError, match="one number per query"):
        bootstrap_ci(values)
    with pytest.raises(ValueError, match="one number per query"):
        paired_permutation_test(values, [1.0])


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match=r"95 % is 0\.95"):
        bootstrap_ci([1.0], confidence=95)
    with pytest.raises(ValueError, match="same order"):
        paired_permutation_test([1.0, 2.0], [1.0])
