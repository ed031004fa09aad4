"""The figures of chapter 16, by their data."""

import pytest

from workbook.figures.retrieve_and_rerank import shares_of_ranks


def test_the_parts_of_a_bar_are_the_shares_of_its_ranks():
    fig = shares_of_ranks({"keywords": "ABCD", "dense": "CAEB"}, 60)
    keywords, dense = fig.data
    assert (list(keywords.y), list(dense.y)) == (["A", "C", "B", "D"], ["A", "C", "B", "E"])
    assert list(keywords.text) == [f"keywords 1/{n}" for n in (61, 63, 62, 64)]
    assert list(dense.x) == pytest.approx([1 / 62, 1 / 61, 1 / 64, 1 / 63], abs=1e-6)
    assert list(fig.layout.yaxis.categoryarray) == ["D", "E", "B", "C", "A"]  # a category axis runs upwards
    line_label, *sums = fig.layout.annotations
    assert line_label.text == "most possible 0.032787"
    assert {note.y: note.text for note in sums} == {
        "A": "0.032522", "C": "0.032266", "B": "0.031754", "E": "0.015873", "D": "0.015625",
    }  # fmt: skip
    (line,) = fig.layout.shapes
    assert line.x0 == line.x1 == pytest.approx(2 / 61, abs=1e-6)


def test_parts_are_told_apart_by_name_and_colour():
    fig = shares_of_ranks({"a": "AB", "b": "BA", "c": "A"}, 1)
    assert len({bars.marker.color for bars in fig.data}) == 3
    assert (fig.data[0].marker.color, fig.data[1].marker.color) == (
        "#E69F00",
        "#0072B2",
    )  # keywords and dense, as in all chapters
    assert all(text.startswith(bars.name) for bars in fig.data for text in bars.text)
