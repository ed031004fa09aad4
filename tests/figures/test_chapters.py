"""Figures of single chapters: what must hold whatever numbers they are given."""

import numpy as np
import pytest
import torch

from workbook.figures.attention import attention_map
from workbook.figures.contrastive import _apart, learned_space, points_on_the_circle
from workbook.figures.pooling import POOLINGS, mean_walk, quality_by_length, weight_grid
from workbook.figures.start import arrows, finds_its_passage, neighbours


def style(line):
    return line.line.color, line.line.dash, line.marker.symbol


def test_a_pooling_keeps_its_look_whatever_stands_beside_it():
    few = quality_by_length({"attention": [0.4, 0.5], "mean": [0.3, 0.2]}, ["short", "long"])
    every = quality_by_length({name: [0.1, 0.2] for name in POOLINGS}, ["short", "long"])
    looks = {line.name: style(line) for line in every.data}
    assert {line.name: style(line) for line in few.data} == {name: looks[name] for name in ("attention", "mean")}
    assert all(len(set(column)) == len(POOLINGS) for column in zip(*looks.values(), strict=True))


def test_a_walk_ends_at_the_mean_of_all_and_says_where():
    tokens, padding = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), torch.tensor([[3.0, -3.0]] * 2)
    for count, end, told, cosine in ((0, (1, 1), "(1, 1), 45°", 1.0), (1, (1.5, 0), "(1.5, 0), 0°", 0.7071)):
        fig = mean_walk(tokens, padding, count)
        walk, steps, mean, square, line, mark = fig.data
        assert len(walk.x) == 4
        assert len(steps.x) == 1 + count
        assert (steps.x[-1], steps.y[-1]) == (mean.x[-1], mean.y[-1]) == end
        assert (square.x[0], square.y[0]) == (1, 1)
        assert (line.y[count], mark.y[0]) == (cosine, cosine)
        assert told in fig.layout.annotations[0].text
    first, second = (mean_walk(tokens, padding, count).layout for count in (0, 2))
    assert (first.xaxis.range, first.yaxis.range) == (second.xaxis.range, second.yaxis.range)


def test_a_grid_shows_each_weight_and_what_it_makes():
    fig = weight_grid(torch.tensor([[6.0, 0.0], [0.0, 3.0]]), {"CLS": [1, 0], "mean": [0.5, 0.5]}, [False, True])
    assert [list(row) for row in fig.data[0].z] == [[1.0, 0.0], [0.5, 0.5]]
    assert fig.data[0].texttemplate == "%{z:.2f}"
    assert [a.text for a in fig.layout.annotations] == ["→ (6, 0)", "→ (3, 1.5)"]
    assert list(fig.data[0].x) == ["token 1<br>(6, 0)", "padding<br>(0, 3)"]


def test_neighbours_are_names_even_where_they_look_like_numbers():
    fig = neighbours([(0.4, "2020"), (0.3, "day")], "date")
    (bars,) = fig.data
    assert (list(bars.x), list(bars.y)) == (["2020", "day"], [0.4, 0.3])
    assert fig.layout.xaxis.type == "category"


def test_arrows_say_their_cosines():
    fig = arrows((2, 0), {"answers": (4, 3), "longer": (6, 8)})
    told = [line.text[1].replace("<br>", " ") for line in fig.data]
    assert told == [
        "query (2, 0) length 2",
        "answers (4, 3) length 5, cosine 0.80",
        "longer (6, 8) length 10, cosine 0.60",
    ]


def test_a_passage_in_two_rankings():
    ten = [f"p{i}" for i in range(10)]
    over_steps = {0: (ten, 977), 20: (["mine", *ten[:9]], 1)}
    start, end = (finds_its_passage((ten, 15), over_steps, "mine", step) for step in (0, 20))
    assert [list(fig.data[0].y) for fig in (start, end)] == [[11, 11], [11, 1]]
    assert (start.data[1].text[-1], start.data[2].text[-1]) == ("mine: rank 15", "mine: rank 977")
    assert len(end.data[2].text) == 10
    assert [list(fig.data[4].y) for fig in (start, end)] == [[977], [977, 1]]  # the outcome is not drawn in advance
    assert list(end.data[3].y) == [15, 15]
    nowhere = finds_its_passage(([], None), over_steps, "mine", 0)
    assert list(nowhere.data[1].text) == ["mine: not found"]


def test_every_cosine_has_its_place_in_the_learned_space():
    fig = learned_space([0.97, 0.98], [-0.99, -0.62, 0.01, 0.02], 1.0)
    for line, places in zip(fig.data, ([0.95], [-1.0, -0.65, 0.0]), strict=True):
        assert sum(line.y[:-1]) == pytest.approx(1)  # the last step repeats the one before it
        assert [x for x, y in zip(line.x[:-1], line.y[:-1], strict=True) if y] == pytest.approx(places)
    low, high = fig.layout.xaxis.range
    assert (low, high) == (-1, 1)
    assert max(max(line.y) for line in fig.data) <= fig.layout.yaxis.range[1]
    spread = learned_space(np.linspace(-0.9, 0.9, 40), np.linspace(-0.9, 0.9, 40), 1.0)
    assert tuple(spread.layout.yaxis.range) == (0, 0.4)


def circle(*angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.01, 0.02, 2.0), (3.1, -3.1, 3.14), (0.0, 1.0, 2.0), (0.5,)])
def test_labels_on_the_circle_stay_apart_and_near_their_points(angles):
    moved = _apart(circle(*angles))
    assert np.allclose(np.linalg.norm(moved, axis=1), 1)
    for i in range(len(angles)):
        assert all(np.linalg.norm(moved[i] - moved[j]) > 0.15 for j in range(i))
    assert np.linalg.norm(moved - circle(*angles), axis=1).max() < 0.4
    if min(np.diff(sorted(angles)), default=9) > 0.2:
        assert np.allclose(moved, circle(*angles))


def test_each_pair_on_the_circle_has_its_number_outside():
    fig = points_on_the_circle(np.stack([np.stack([circle(0.1, 0.12, 2.0)] * 2, axis=1)] * 2), "InfoNCE")
    notes = fig.layout.annotations
    assert [note.text for note in notes] == ["1", "2", "3"]
    assert all(note.x**2 + note.y**2 > 1.2 for note in notes)


def test_a_map_of_nearly_equal_weights_uses_all_of_its_colours():
    (cells,) = attention_map(["a", "b"], torch.tensor([[0.52, 0.48], [0.49, 0.51]])).data
    assert (cells.zmin, cells.zmax) == (0.48, 0.52)
    assert cells.texttemplate
    many = attention_map(["t"] * 30, torch.full((30, 30), 1 / 30))
    assert not many.data[0].texttemplate
