"""The figures of chapter 10: what must hold whatever numbers they are given."""

import numpy as np
import pytest

from workbook.figures.pretraining import (
    Rebuilt,
    beside_published,
    learning_curve,
    seen_cells,
    two_clouds,
    two_masks,
    what_it_carries,
)
from workbook.figures.stored import stored

TOKENS = ["[CLS]", "heart", "attack", "symptoms"]
FOUR = [[0.9, 0.3, 0.6, 0.7], [0.1, 0.7, 0.8, 0.4], [0.6, 0.2, 0.9, 0.7], [0.3, 0.5, 0.6, 0.1]]


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_nobody_sees_itself_and_everybody_sees_the_sentence(rate):
    seen = seen_cells(np.array(FOUR), rate)
    assert seen[:, 0].all()
    assert not seen.diagonal()[1:].any()
    assert seen[1:, 1:].sum() == {0.0: 6, 0.5: 4, 1.0: 0}[rate]


def test_each_number_of_both_masks_is_shown_and_said():
    fig = two_masks(TOKENS, [0.9, 0.12, 0.6, 0.8], FOUR, 0.3, 0.5)
    encoder, decoder = fig.data
    assert list(encoder.text[0]) == ["always", "0.12<br>hidden", "0.60", "0.80"]
    assert list(encoder.z[0]) == [1, 0, 1, 1]
    assert [list(row) for row in decoder.text][1] == ["always", "itself", "0.80", "0.40"]
    assert [list(row) for row in decoder.z] == [[3, 3, 3, 3], [2, 0, 1, 0], [2, 0, 0, 1], [2, 1, 1, 0]]
    told = fig.layout.annotations[0].text.replace("<br>", " ")
    assert told == "heart sees h and attack, attack sees h and symptoms, symptoms sees h and heart and attack"
    assert two_masks(TOKENS, [0.9, 0.12, 0.6, 0.8], FOUR, 0.3, 1.0).layout.annotations[0].text.count("sees h") == 3


def rebuilt(rate):
    seen = seen_cells(np.array(FOUR), rate)
    return Rebuilt(seen, [0.0] * 4, [0.0] * 4, ["[CLS]", "heart", "the", "of"], ["x", "y", "z", "symptoms"])


def test_the_signature_moves_grid_words_and_cursor_and_keeps_its_axes():
    shares, means = (0.0, 0.5, 1.0), {0.0: (4.0, 5.0), 0.5: (5.0, 5.9), 1.0: (6.0, 6.5)}
    first, last = (what_it_carries(TOKENS, {r: rebuilt(r) for r in shares}, means, share) for share in (0.0, 1.0))
    assert [list(row) for row in first.data[0].z] != [list(row) for row in last.data[0].z]
    assert [list(line.y) for line in first.data[1:]] == [[4.0, 5.0, 6.0], [5.0, 5.9, 6.5]]
    assert first.layout.yaxis2.range == last.layout.yaxis2.range
    assert (first.layout.shapes[0].x0, last.layout.shapes[0].x0) == (0.0, 1.0)
    said = [note.text for note in first.layout.annotations]
    assert "<b>heart</b> the of" in said
    assert "y z <b>symptoms</b>" in said
    assert any("4.00" in text and "5.00" in text for text in said)
    fig, kept = stored(
        lambda hidden: what_it_carries(TOKENS, {r: rebuilt(r) for r in shares}, means, hidden), {"hidden": list(shares)}
    )
    assert kept == 3
    assert len(fig.layout.sliders[0].steps) == 3


def test_ticks_of_a_learning_curve_stand_at_what_was_measured():
    quality = {name: {"32": [0.1, 0.2], "4096": [0.4, 0.5]} for name in ("none", "ICT", "spans")}
    fig = learning_curve(quality, "nDCG@10", "from scratch", bm25=0.3)
    assert list(fig.layout.xaxis.tickvals) == [32, 4096]
    assert [line.name for line in fig.data] == list(quality)
    assert list(fig.data[0].y) == pytest.approx([0.15, 0.45])
    assert fig.layout.shapes[0].y0 == 0.3
    assert not learning_curve(quality, "nDCG@10", "continued").layout.shapes


def test_clouds_part_queries_by_whether_they_leaked_and_rank_1_is_on_top():
    fig = two_clouds([5, 20, 9], [1, 30, 9], [True, False, False])
    inside, outside, line = fig.data
    assert (list(inside.x), list(inside.y)) == ([5], [1])
    assert list(outside.y) == [30, 9]
    assert inside.name == "stood among the texts: 1 of 1 sooner"
    assert outside.name == "did not: 0 of 2 sooner"
    assert list(line.x) == list(line.y)
    assert fig.layout.yaxis.range[0] > fig.layout.yaxis.range[1]


def test_published_figures_stand_as_they_are_and_ours_have_their_seeds():
    fig = beside_published({"MS MARCO": (0.346, 0.382)}, {"scratch": ([0.2, 0.4], [0.1, 0.3])})
    mlm, retromae = fig.data[-2:]
    assert list(mlm.x) == [0.346, 0.3]
    assert list(retromae.x) == [0.382, 0.2]
    assert list(mlm.error_x.array) == [0.0, 0.1]
    assert list(mlm.y) == ["MS MARCO (published)", "scratch (here)"]
