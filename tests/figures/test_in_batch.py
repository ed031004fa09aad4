"""The figures of chapter 05: what must hold whatever numbers they are given."""

import math

import numpy as np
import pytest

from workbook.figures.contrastive import batch_matrix
from workbook.figures.in_batch import Way, blocks, loss_by_batch, quality_by_batch, ways_to_fill
from workbook.figures.stored import stored

S = np.array([[0.8, 0.3, 0.8, 0.1], [0.2, 0.7, 0.2, 0.3], [0.6, 0.1, 0.6, 0.2], [0.0, 0.4, 0.0, 0.9]])
IDS = [1, 2, 1, 4]


def outlines(fig, dash):
    return {((s.x0 + s.x1) / 2, (s.y0 + s.y1) / 2) for s in fig.layout.shapes if s.line.dash == dash}


def test_twins_take_half_of_a_row_until_they_leave_it():
    counted, masked = (batch_matrix(S, 0.1, ids=IDS, masked=masked) for masked in (False, True))
    assert "loss 0.36" in counted.layout.title.text
    assert "loss 0.02" in masked.layout.title.text
    shares = np.array(counted.data[1].z)
    assert (shares[0, 0], shares[0, 2]) == (pytest.approx(0.5, abs=5e-3), pytest.approx(0.5, abs=5e-3))
    left = np.array(masked.data[1].z)
    assert (left[0, 2], left[2, 0]) == (0, 0)
    assert left.sum(axis=1) == pytest.approx(1, abs=3e-3)
    assert np.array(masked.data[0].z) == pytest.approx(S)  # the cosines stay as they are
    assert masked.data[1].text[0][2] == "out"
    assert outlines(counted, "dash") == {(2, 0), (0, 2)}
    assert outlines(counted, "solid") == {(i, i) for i in range(4)}


def test_without_ids_nothing_is_a_twin():
    fig = batch_matrix(S, 0.1)
    assert not outlines(fig, "dash")
    assert "dashed" not in fig.layout.meta["alt"]


def test_a_piece_sees_itself_alone():
    assert blocks(4, 2).tolist() == [[True, True, False, False]] * 2 + [[False, False, True, True]] * 2


def test_the_square_is_filled_and_framed_as_the_way_says():
    ways = {
        "whole": Way(np.ones((4, 4), bool), ((0, 4, 0, 4),), 80.0, 0.0),
        "pieces": Way(blocks(4, 2), ((0, 2, 0, 2),), 20.0, 26.0),
    }
    whole, pieces = (ways_to_fill(ways, way) for way in ways)
    assert np.array(pieces.data[0].z).tolist() == [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 1], [0, 0, 1, 2]]
    assert (np.array(whole.data[0].z) > 0).all()
    assert [bar.x[0] for bar in pieces.data[1:]] == [1, 20.0, 26.0]
    assert [bar.x[0] for bar in whole.data[1:]] == [3, 80.0, 0.0]
    assert [s.x1 - s.x0 for s in pieces.layout.shapes] == [2]
    for axis in ("xaxis2", "xaxis3", "xaxis4"):  # one scale for all states
        assert whole.layout[axis].range == pieces.layout[axis].range
    fig, kept = stored(lambda way: ways_to_fill(ways, way), {"way": list(ways)})
    assert kept == 2
    assert [step.label for step in fig.layout.sliders[0].steps] == list(ways)


def test_a_guess_is_the_logarithm_of_the_batch():
    fig = loss_by_batch({2: 0.2, 8: 0.6, 1024: 3.6}, {2: 0.9, 8: 0.8, 1024: 0.4})
    loss, guess, nearest = fig.data
    assert list(loss.y) == [0.2, 0.6, 3.6]
    assert list(guess.y) == pytest.approx([math.log(B) for B in (2, 8, 1024)], abs=1e-3)
    assert (nearest.yaxis, list(nearest.y)) == ("y2", [0.9, 0.8, 0.4])
    assert fig.layout.yaxis.range[1] >= math.log(1024)


def test_lines_over_batch_size_reach_from_the_lowest_seed_to_the_highest():
    fig = quality_by_batch(
        {"equal steps": {16: [0.2, 0.4], 64: [0.5, 0.5]}, "equal time": {16: [0.3], 64: [0.2]}}, "nDCG"
    )
    line = fig.data[0]
    assert list(line.y) == [0.3, 0.5]
    assert (line.error_y.array[0], line.error_y.arrayminus[0]) == (pytest.approx(0.1), pytest.approx(0.1))
    assert fig.layout.xaxis.type == "log"
    assert len({(line.line.dash, line.marker.symbol) for line in fig.data}) == 2  # told apart without colour
