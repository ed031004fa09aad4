"""The figures of chapter 06: what must hold whatever numbers they are given."""

import math

import pytest

from workbook.figures.dual_encoders import Moment, angle_of_mean, pull, table_of_prompts, two_doors
from workbook.figures.stored import stored

MOMENTS = {
    "shared": {0: Moment([1.0, 1.0], 0.2, 1.0), 60: Moment([1.0, 1.0], 0.5, 1.0)},
    "two towers": {0: Moment([0.1, -0.1], 0.0, 0.05), 60: Moment([0.6, 0.4], 0.25, 0.7)},
}


def texts(fig):
    return [annotation.text for annotation in fig.layout.annotations]


@pytest.mark.parametrize(("num_text", "angle"), [(1, 26.6), (2, 45.0), (4, 63.4), (8, 76.0), (16, 82.9)])
def test_a_short_text_is_turned_most(num_text, angle):
    assert angle_of_mean(2, num_text) == pytest.approx(angle, abs=0.05)
    mean = pull(2, num_text).data[3]
    assert math.degrees(math.atan2(mean.y[1], mean.x[1])) == pytest.approx(angle, abs=0.05)
    assert sum((mean.x[1], mean.y[1])) == pytest.approx(1, abs=1e-3)  # a mean of unit vectors at a right angle


def test_a_row_of_dots_and_a_bar_for_each_kind_of_towers():
    before, after = (two_doors(MOMENTS, step) for step in (0, 60))
    assert [list(trace.x) for trace in before.data[::4]] == [[1.0, 1.0], [0.1, -0.1]]
    assert [trace.x[0] for trace in after.data[1::4]] == [1.0, 0.5]  # the means
    assert [trace.x[0] for trace in after.data[2::4]] == [1.0, 0.7]  # the reader's own text
    assert [trace.x[0] for trace in after.data[3::4]] == [0.5, 0.25]
    assert "two towers: mean 0.50" in texts(after)
    for axis in ("xaxis", "xaxis2"):  # one scale for all steps
        assert before.layout[axis].range == after.layout[axis].range
    fig, kept = stored(lambda step: two_doors(MOMENTS, step), {"step": [0, 60]})
    assert kept == 2
    assert len(fig.layout.sliders[0].steps) == 2


def test_each_cell_of_the_table_shows_its_number_and_what_was_not_tried_is_empty():
    fig = table_of_prompts({"with": {"with": 0.5, "without": 0.25}, "without": {"without": 0.4}}, "Recall@10")
    assert [list(row) for row in fig.data[0].z] == [[0.5, 0.25], [None, 0.4]]
    assert (list(fig.data[0].x), list(fig.data[0].y)) == (["with", "without"], ["with", "without"])
    assert [list(row) for row in fig.data[0].text] == [["0.500", "0.250"], ["", "0.400"]]
    assert fig.data[0].texttemplate == "%{text}"
