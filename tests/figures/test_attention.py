import numpy as np
import pytest
import torch

from workbook.figures.attention import attention_map, cost_curve, why_divide


def test_a_map_shows_the_weights_and_keeps_equal_tokens_apart():
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    fig = attention_map(["the", "the"], weights, "head 0")
    assert np.asarray(fig.data[0].z).tolist() == weights.tolist()
    assert list(fig.data[0].x) == ["0 the", "1 the"]


@pytest.mark.parametrize("size", [4, 1024])
def test_bars_sum_to_one_and_only_the_undivided_ones_saturate(size):
    divided, undivided = (np.asarray(bar.y, dtype=float) for bar in why_divide(size).data)
    assert divided.sum() == pytest.approx(1, abs=0.005)
    assert undivided.sum() == pytest.approx(1, abs=0.005)
    assert divided.max() < 0.8
    assert bool(undivided.max() > 0.95) == (size == 1024)


def test_the_cost_curve_has_its_crossing_and_its_title_does_not_tell():
    fig = cost_curve(384, 6, [128, 6 * 384])
    pairs, projections, feed_forward = (np.asarray(line.y) for line in fig.data)
    assert pairs[1] == projections[1] + feed_forward[1]
    assert pairs[0] < projections[0] + feed_forward[0]
    assert "2,304" not in fig.layout.title.text
    low, high = fig.layout.yaxis.range
    largest = np.asarray(cost_curve(1024, 24, [16384]).data[0].y)[0]
    assert 10**low < pairs[0]
    assert largest < 10**high
