"""The figures of chapter 12: what must hold whatever they are given."""

import pytest

from workbook.figures.stored import stored
from workbook.figures.training_data import (
    MOST_CHANGED,
    clicks_by_place,
    how_many_words,
    leak_curve,
    places_to_change,
    runs_of,
    shared_runs,
    with_changes,
)
from workbook.training_data import jaccard, shingles

TEXT = " ".join(f"w{i}" for i in range(21))


def test_runs_are_the_shingles_of_the_package():
    for text in ("The cat sat on the mat", "two words", "", TEXT):
        assert len(set(runs_of(text))) == len(shingles(text))


def test_the_drawing_counts_what_both_have():
    fig = shared_runs("the cat sat on the mat", "the cat sat on a mat")
    assert fig.layout.title.text == "1 shared of 5 in all: J = 0.200"
    lines = [trace for trace in fig.data if trace.mode == "lines"]
    assert len(lines) == 1
    left, right = fig.data[1:]
    assert list(left.text) == ["the cat sat on", "cat sat on the", "sat on the mat"]
    assert list(left.marker.symbol) == ["square", "circle-open", "circle-open"] == list(right.marker.symbol)
    assert shared_runs("one two", "three four").layout.title.text == "0 shared of 2 in all: J = 0.000"


@pytest.mark.parametrize(("changed", "J"), [(0, 1), (1, 14 / 22), (2, 10 / 26)])
def test_each_change_breaks_the_runs_it_stands_in(changed, J):
    assert [place + 1 for place in places_to_change(21, 2)] == [11, 6]
    assert jaccard(shingles(TEXT), shingles(with_changes(TEXT, changed))) == pytest.approx(J)
    fig = how_many_words(TEXT, changed)
    strip, curve, copy = fig.data
    assert list(strip.marker.symbol).count("x") == 4 * changed
    assert copy.x[0] == pytest.approx(J, abs=1e-4)
    assert list(curve.y) == sorted(curve.y)
    told = [note.text for note in fig.layout.annotations]
    assert told[0].count("<b>") == changed
    assert ("drops it (equal)" in told[1]) == (changed == 0)


def test_places_are_different_and_as_many_as_asked_for():
    for length in (1, 2, 5, 21):
        for changed in range(length + 1):
            assert len(set(places_to_change(length, changed))) == changed
            assert all(0 <= place < length for place in places_to_change(length, changed))
    assert len(places_to_change(3, 9)) == 3
    assert with_changes("one", 3).split() == ["pear"]


def test_the_signature_is_small_and_keeps_its_axes():
    fig, kept = stored(lambda changed: how_many_words(TEXT, changed), {"changed": list(range(MOST_CHANGED + 1))})
    assert kept == MOST_CHANGED + 1
    assert len(fig.to_json()) < 150_000
    first, last = how_many_words(TEXT, 0), how_many_words(TEXT, MOST_CHANGED)
    assert first.layout.xaxis2.range == last.layout.xaxis2.range
    assert "\n" not in first.layout.meta["alt"]


def test_the_leak_has_a_line_for_each_kind_of_query():
    quality = {
        "all": {0: [0.4, 0.5], 50: [0.6, 0.7]},
        "leaked": {50: [0.9, 0.9]},
        "others": {0: [0.4, 0.5], 50: [0.4, 0.5]},
    }
    fig = leak_curve(quality, "nDCG@10")
    assert [trace.name for trace in fig.data] == list(quality)
    assert list(fig.data[0].y) == [0.45, 0.65]
    assert list(fig.data[0].error_y.array) == [0.05, 0.05]
    assert list(fig.layout.xaxis.tickvals) == [0, 50]


def test_clicks_stand_from_the_top_down_and_right_answers_are_marked():
    fig = clicks_by_place([0.5, 0.1], [0.5, 0.8], [False, True], "heart attack")
    assert [list(bar.x) for bar in fig.data] == [[0.5, 0.1], [0.5, 0.8]]
    assert list(fig.data[0].y) == ["1", "2 ■"]
    assert fig.layout.yaxis.autorange == "reversed"
