"""The figures of chapter 14, by their data."""

import numpy as np
import pytest
import torch

from workbook.figures import late_interaction as figures
from workbook.figures.late_interaction import Meeting

MET = Meeting(
    ["[CLS]", "red", "hat"], ["a", "blue", "cap"], torch.tensor([[0.9, 0, 0], [0, 0.3, -0.1], [0.1, 0, 0.7]]), 0.5
)


def test_each_query_token_has_its_best_match_outlined_and_added():
    fig = figures.who_answers_whom(MET)
    grid, bars = fig.data
    assert np.allclose(grid.z, MET.similarity, atol=1e-3)
    assert [(box.x0 + 0.5, box.y0 + 0.5) for box in fig.layout.shapes] == [(0, 0), (1, 1), (2, 2)]
    assert list(bars.x) == pytest.approx([0.9, 0.3, 0.7])
    assert "score 1.90, of which 0.90 from tokens that are no words" in fig.layout.annotations[0].text


def test_glue_is_left_out_when_asked():
    fig = figures.who_answers_whom(MET, "glue")
    assert [name.split()[1] for name in fig.data[0].y] == ["red", "hat"]
    assert "score 1.00, of which 0.00" in fig.layout.annotations[0].text


def test_the_two_maxima_of_the_small_grid_are_outlined_and_the_bytes_drawn():
    fig = figures.two_words(["heart", "attack"], ["x", "y"], [[0.3, 0.6], [0.2, 0.1]], {"one": 256, "all": 15_360})
    outlined = [s for s in fig.layout.shapes if s.type == "rect"]
    assert [(box.x0 + 0.5, box.y0 + 0.5) for box in outlined] == [(1, 0), (0, 1)]
    assert any("0.80" in (note.text or "") for note in fig.layout.annotations)
    assert list(fig.data[-1].x) == [256, 15_360]


@pytest.mark.parametrize(
    ("masked", "sums"), [("with a mask", ["= 0.70", "= 0.80"]), ("without a mask", ["= 0.90", "= 0.80"])]
)
def test_a_zero_turns_the_order_round(masked, sums):
    fig = figures.zeros_that_win({"A": [0.9, -0.2], "B": [0.7, 0.1]}, {"A": [0.9, 0.0], "B": [0.7, 0.1]}, masked)
    assert [note.text for note in fig.layout.annotations] == sums


def test_what_words_found_is_cut_into_shares():
    shares = {"there": {"same": 0.9, "stem": 0.02, "other": 0.08}, "absent": {"same": 0.0, "stem": 0.0, "other": 1.0}}
    fig = figures.matched(shares, {"there": 1_200, "absent": 30})
    assert [list(part.y) for part in fig.data] == [[0.9, 0.0], [0.02, 0.0], [0.08, 1.0]]
    assert [list(part.text) for part in fig.data] == [["0.90", ""], ["", ""], ["0.08", "1.00"]]
    assert "1,200" in fig.data[0].x[0]


def test_passages_grow_beside_keyword_search():
    fig = figures.as_passages_grow(
        {"one": {0: [0.7, 0.8], 2: [0.5, 0.6]}, "all": {0: [0.7, 0.7], 2: [0.6, 0.7]}}, {0: 0.5, 2: 0.4}
    )
    lines = {trace.name: list(trace.y) for trace in fig.data if trace.name}
    assert lines["one"] == pytest.approx([0.75, 0.55])
    assert lines["BM25"] == [0.5, 0.4]
    assert list(fig.layout.yaxis.range) == [0, 1]
