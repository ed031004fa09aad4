"""The figures of chapter 07: what must hold whatever numbers they are given."""

import numpy as np
import pytest

from workbook.figures.first_retriever import (
    Seen,
    chest,
    loss_and_quality,
    rates_after_a_stop,
    sweep,
    two_maps,
    where_to_stop,
)
from workbook.figures.maps import neighbours_kept
from workbook.figures.stored import stored

LOOKS = [
    Seen(10, 1.0, 3.0, 0.30, 0.27, 0.33, 200),
    Seen(20, 0.5, 2.5, 0.35, 0.32, 0.38, 12),
    Seen(30, 0.1, 2.8, 0.36, 0.33, 0.39, 1),
]


def flags(fig):
    return {a.text: a.x for a in fig.layout.annotations if a.text.startswith("⚑")}


def test_one_cursor_goes_through_four_tracks():
    for step in (10, 20, 30):
        fig = where_to_stop(LOOKS, step)
        (cursor,) = fig.layout.shapes
        assert (cursor.x0, cursor.x1, cursor.yref) == (step, step, "paper")
        assert len({line.yaxis for line in fig.data}) == 4
    first, last = (where_to_stop(LOOKS, step).layout for step in (10, 30))
    for axis in ("yaxis", "yaxis2", "yaxis3", "yaxis4"):
        assert first[axis].range == last[axis].range
    assert first.yaxis4.range[0] > first.yaxis4.range[1]  # rank 1 on top


def test_flags_are_hidden_until_they_are_asked_for():
    assert not flags(where_to_stop(LOOKS, 10))
    assert "lowest" not in where_to_stop(LOOKS, 10).layout.meta["alt"]
    assert flags(where_to_stop(LOOKS, 10, flags=True)) == {
        "⚑ lowest loss: step 20": 20,
        "⚑ highest nDCG@10: step 30": 30,
    }


def test_the_sentence_says_tied_within_the_band_and_not_outside():
    assert where_to_stop(LOOKS, 10, flags=True).layout.title.text == "by loss 0.350, by metric 0.360, tied"
    far = [LOOKS[0], LOOKS[1], Seen(30, 0.1, 2.8, 0.46, 0.43, 0.49, 1)]
    assert where_to_stop(far, 10, flags=True).layout.title.text == "by loss 0.350, by metric 0.460"
    assert where_to_stop(LOOKS[:2], 10, flags=True).layout.title.text == "both flags at step 20: 0.350"


def test_thirteen_steps_fit_into_a_stored_figure():
    looks = [Seen(10 * i, 0.5, 3 - 0.1 * i, 0.3 + 0.01 * i, 0.2, 0.5, 300 - 20 * i) for i in range(1, 14)]
    fig, kept = stored(lambda step: where_to_stop(looks, step), {"step": [look.step for look in looks]})
    assert kept == 13
    assert len(fig.layout.sliders[0].steps) == 13


def test_an_empty_drawer_shows_nothing_of_what_was_in_it():
    drawers = {"weights": "12 numbers", "step": "60 of 100"}
    whole, lost = chest(drawers), chest(drawers, "step")
    assert "60 of 100" in {a.text for a in whole.layout.annotations}
    assert "60 of 100" not in {a.text for a in lost.layout.annotations}
    assert [s.line.dash for s in lost.layout.shapes] == ["solid", "dash"]


def test_the_right_resume_is_a_halo_under_the_others():
    fig = rates_after_a_stop({"never stopped": [1, 0.5], "resumed": [1, 0.5], "restarted": [1, 1]}, 1)
    assert fig.data[0].line.width > 2 * fig.data[1].line.width
    assert list(fig.data[0].y) == list(fig.data[1].y)
    assert len({(line.line.color, line.line.dash) for line in fig.data}) == 3


def test_the_best_cell_is_framed():
    fig = sweep({(0.1, 32): 0.2, (0.1, 64): 0.3, (0.01, 32): 0.4, (0.01, 64): 0.1}, "nDCG@10")
    (frame,) = fig.layout.shapes
    assert ((frame.x0 + frame.x1) / 2, (frame.y0 + frame.y1) / 2) == (0, 0)
    assert [list(row) for row in fig.data[0].z] == [[0.4, 0.1], [0.2, 0.3]]
    assert list(fig.data[0].y) == ["0.01", "0.1"]


def test_a_lower_loss_lies_to_the_right():
    fig = loss_and_quality({"rates": {"0.1": (2.0, 0.3), "0.2": (1.0, 0.4)}, "batches": {"32": (1.5, 0.2)}}, "nDCG@10")
    assert fig.layout.xaxis.autorange == "reversed"
    assert len({(s.marker.color, s.marker.symbol) for s in fig.data}) == 2


def test_two_maps_have_the_same_points_in_the_same_looks():
    points = np.arange(12.0).reshape(6, 2)
    fig = two_maps({"5": points, "50": points[::-1]}, ["a", "b", "a", "b", "a", "b"], "nDCG@10 0.400", "after")
    assert fig.layout.title.text == "after: nDCG@10 0.400"
    assert [s.xaxis for s in fig.data] == ["x", "x", "x2", "x2"]
    assert fig.data[0].marker == fig.data[2].marker
    assert sum(len(s.x) for s in fig.data) == 12


def test_a_map_that_is_the_space_keeps_all_neighbours_and_a_random_one_few():
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 1.5, 60)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert neighbours_kept(vectors, vectors, k=5) == 1.0
    assert neighbours_kept(vectors, rng.normal(size=(60, 2)), k=5) < 0.4
    with pytest.raises(ValueError, match="k must be from 1 to 59"):
        neighbours_kept(vectors, vectors, k=60)
