"""The figures of chapter 04: what must hold whatever numbers they are given."""

import numpy as np
import pytest

from workbook.figures.contrastive import batch_matrix, circles, one_temperature
from workbook.figures.stored import stored

S = np.array([[0.8, 0.3], [0.6, 0.6]])


def test_each_row_of_the_matrix_is_shared_out_and_the_loss_is_that_of_the_diagonal():
    fig = batch_matrix(S, 0.1)
    cosines, shares = (np.array(table.z) for table in fig.data)
    assert cosines == pytest.approx(S)
    assert shares.sum(axis=1) == pytest.approx(1, abs=2e-3)
    assert shares[1] == pytest.approx([0.5, 0.5])
    assert f"loss {-np.log([1 / (1 + np.exp(-5)), 0.5]).mean():.2f}" in fig.layout.title.text
    assert [(shape.x0 + shape.x1) / 2 for shape in fig.layout.shapes] == [0, 1, 0, 1]
    assert list(fig.data[0].y) == ["query 1", "query 2"]


def test_names_that_are_equal_keep_rows_of_their_own():
    fig = batch_matrix(S, 0.1, ["sort…", "sort…"])
    assert len(set(fig.data[0].y)) == 2


def test_every_circle_shows_its_own_path():
    turn = np.linspace(0, 1, 3 * 4 * 2).reshape(3, 4, 2)
    path = np.stack([np.cos(turn), np.sin(turn)], axis=-1)  # (steps, pairs, sides, 2)
    fig = circles({"a": path, "b": -path}, step=2)
    queries = [trace for trace in fig.data if trace.name == "query"]
    assert [list(trace.x) for trace in queries] == [
        pytest.approx(sign * path[2, :, 0, 0], abs=1e-3) for sign in (1, -1)
    ]
    assert [trace.xaxis for trace in queries] == ["x", "x2"]
    assert [note.text for note in fig.layout.annotations] == ["a", "b"]
    stored(lambda step: circles({"a": path}, step), {"step": [0, 1, 2]}, play=True)  # every axis has a range


def test_the_three_views_belong_to_one_temperature():
    spaces = {t: ([0.8, 1.0], [-1.0, 0.1]) for t in (0.1, 1.0)}
    high, low = (one_temperature([0.8, 0.75, 0.3, 0.0], spaces, t) for t in (1.0, 0.1))
    for fig in (high, low):
        assert sum(fig.data[0].y) == pytest.approx(1, abs=1e-3)
        own, others = (np.array(trace.y[:-1]) for trace in fig.data[-2:])
        assert (own.sum(), others.sum()) == (pytest.approx(1), pytest.approx(1))
    assert low.data[0].y[0] > high.data[0].y[0]
    widths = [trace.line.width for trace in low.data[2:-2]]
    assert widths[0] == max(widths)  # its own passage pulls as hard as all others push
    assert list(low.data[3].x) == [1, 0.75]  # the place on the circle is the cosine
