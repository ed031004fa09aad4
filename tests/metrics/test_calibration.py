import numpy as np
import pytest

from workbook.metrics import expected_calibration_error, fit_platt, reliability_curve


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_curve_by_hand():
    curve = reliability_curve([0.1, 0.3, 0.9, 0.7, 0.6], [0, 1, 1, 1, 0], bins=4)
    assert curve.probabilities.tolist() == pytest.approx([0.1, 0.3, 0.65, 0.9])
    assert curve.shares.tolist() == [0, 1, 0.5, 1]
    assert curve.counts.tolist() == [1, 1, 2, 1]


def test_empty_bins_are_left_out_and_edges_belong_below():
    curve = reliability_curve([0.0, 0.5, 1.0], [0, 1, 1], bins=2)
    assert curve.counts.tolist() == [2, 1]
    assert reliability_curve([0.5, 0.51], [0, 1], bins=100).counts.tolist() == [1, 1]
    assert len(reliability_curve([0.25] * 3, [0, 1, 1], bins=10).counts) == 1


def test_the_error_by_hand():
    # bins of .2, .4 (share ½) and .9 (share ½): (1 · .2 + 2 · .1 + 2 · .4) / 5
    error = expected_calibration_error([0.2, 0.4, 0.4, 0.9, 0.9], [0, 1, 0, 1, 0], bins=5)
    assert error == pytest.approx((0.2 + 2 * 0.1 + 2 * 0.4) / 5)


def test_who_always_says_the_overall_share_is_calibrated_and_useless():
    assert expected_calibration_error([0.25] * 4, [1, 0, 0, 0]) == 0


def test_one_bin_lets_errors_of_both_signs_cancel():
    assert expected_calibration_error([0.0, 1.0], [1, 0], bins=1) == 0
    assert expected_calibration_error([0.0, 1.0], [1, 0], bins=2) == 1


@pytest.mark.parametrize("wrong", [[1.2, 0.5], [-0.1, 0.5], [np.nan, 0.5]])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="sigmoid"):
        reliability_curve(wrong, [0, 1])


def test_other_input_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        reliability_curve([0.5], [0, 1])
    with pytest.raises(ValueError, match="at least 1"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match="which grade"):
        reliability_curve([0.5], [2])
    with pytest.raises(ValueError, match="bins"):
        reliability_curve([0.5], [1], bins=0)


def drawn(scale, shift, N=20_000, seed=0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(1, 4, N)
    return logits, generator.random(N) < sigmoid(scale * logits + shift)


@pytest.mark.parametrize(("scale", "shift"), [(0.5, -2.0), (1.0, 0.0), (-0.7, 1.0)])
def test_the_scale_and_shift_that_made_the_labels_are_found(scale, shift):
    logits, labels = drawn(scale, shift)
    found = fit_platt(logits, labels)
    assert found.scale == pytest.approx(scale, rel=0.1)
    assert found.shift == pytest.approx(shift, abs=0.15)


def test_what_was_overconfident_is_calibrated_afterwards():
    logits, labels = drawn(0.3, -1.0)
    scale, shift = fit_platt(logits[:5_000], labels[:5_000])
    before, after = (
        expected_calibration_error(sigmoid(x[5_000:]), labels[5_000:]) for x in (logits, scale * logits + shift)
    )
    assert after < 0.03 < 0.1 < before


def test_nothing_about_it_is_left_to_chance():
    logits, labels = drawn(1.0, 0.5, N=50)
    assert fit_platt(logits, labels) == fit_platt(logits, labels)


def test_where_one_logit_parts_all_labels_platts_targets_still_have_a_best_scale():
    logits, labels = [-3.0, -1.0, 1.0, 2.0], [0, 0, 1, 1]
    scale, shift = fit_platt(logits, labels)
    assert 0 < scale < 10
    said = sigmoid(scale * np.array(logits) + shift)
    wanted = np.array([1 / 4, 1 / 4, 3 / 4, 3 / 4])  # 1 / (N₋ + 2) and (N₊ + 1) / (N₊ + 2)
    assert (said - wanted).sum() == pytest.approx(0, abs=1e-8)
    assert logits @ (said - wanted) == pytest.approx(0, abs=1e-8)
    with pytest.raises(ValueError, match="smooth=True"):
        fit_platt(logits, labels, smooth=False)
    with pytest.raises(ValueError, match="smooth=True"):
        fit_platt([0.0, 1.0, 1.0, 2.0], [1, 1, 0, 0], smooth=False)  # they touch, and the other way round


def test_far_away_logits_do_no_harm():
    logits, labels = [-1e6, -2.0, -1.0, 0.5, 1.0, 1e6], [0, 1, 0, 1, 0, 1]
    assert all(np.isfinite(fit_platt(logits, labels)))


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="both kinds"):
        fit_platt([1.0, 2.0], [1, 1])
    with pytest.raises(ValueError, match="different logits"):
        fit_platt([1.0, 1.0], [0, 1])
    with pytest.raises(ValueError, match="finite"):
        fit_platt([np.inf, 1.0], [0, 1])
