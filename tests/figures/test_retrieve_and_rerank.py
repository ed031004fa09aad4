"""The figures of chapter 16, by their data."""

import math

import pytest

from tests.helpers.drawn import told_by, trace
from workbook.figures import retrieve_and_rerank as figures
from workbook.figures.plain import num_bytes, plain
from workbook.figures.retrieve_and_rerank import shares_of_ranks
from workbook.rerank import rrf


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


# Whose hits

KEYWORDS = {"q": {"a": 9.0, "b": 8.0, "c": 7.0}, "r": {"a": 5.0}}
DENSE = {"q": {"c": 0.9, "d": 0.8, "a": 0.7}, "r": {}}


def test_hits_are_counted_by_who_has_them_in_front():
    fused = {"added": {"q": {"a": 9.7, "c": 7.9, "b": 8.0, "d": 0.8}, "r": {"a": 5.0}}, "other": {"q": {"z": 1.0}}}
    found = figures.hits_by_retriever(fused, {"keywords": KEYWORDS, "dense": DENSE}, k=2)
    assert found == {
        "added": {"keywords": 1.5, "both": 0, "dense": 0, "neither": 0},  # a and b of q, a of r
        "other": {"keywords": 0, "both": 0, "dense": 0, "neither": 1},
    }
    three = figures.hits_by_retriever(fused, {"keywords": KEYWORDS, "dense": DENSE}, k=3)
    assert three["added"] == {"keywords": 1.0, "both": 1.0, "dense": 0, "neither": 0}  # a and c are of both


def test_counts_and_their_ties_add_up_to_k():
    runs = {name: {"q": {str(i): float(i % 3) for i in range(start, start + 12)}} for name, start in (("a", 0), ("b", 6))}  # fmt: skip
    fused = {"RRF": rrf(list(runs.values())), "empty": {"q": {}}}
    found = figures.hits_by_retriever(fused, runs)
    assert sum(found["RRF"].values()) == 10
    assert sum(found["empty"].values()) == 0


@pytest.mark.parametrize(("fused", "runs", "k"), [({}, {"a": {}}, 10), ({"x": {}}, {"a": {}, "b": {}}, 10), ({}, {"a": {}, "b": {}}, 0)])  # fmt: skip
def test_hits_need_two_retrievers_and_queries(fused, runs, k):
    with pytest.raises(ValueError, match=r"two retrievers|queries|k must"):
        figures.hits_by_retriever(fused, runs, k)


SHARES = {
    "raw scores added": {"keywords": 9.4, "both": 0.4, "dense": 0.1, "neither": 0.1},
    "RRF": {"keywords": 3.0, "both": 4.0, "dense": 3.0, "neither": 0.0},
}


def test_a_bar_is_made_of_its_shares():
    fig = figures.whose_hits(SHARES, queries=120)
    assert [each.name for each in fig.data] == ["keywords alone", "both", "dense alone", "neither"]
    assert [list(each.x) for each in fig.data] == [[9.4, 3], [0.4, 4], [0.1, 3], [0.1, 0]]
    top, bottom = fig.data[0].y
    assert top > bottom  # the first way stands on top
    assert [note.text for note in fig.layout.annotations] == ["<b>raw scores added</b>", "9.4", "<b>RRF</b>", "3.0", "4.0", "3.0"]  # fmt: skip
    assert [note.x for note in fig.layout.annotations if note.text == "4.0"] == [5]
    assert list(fig.layout.xaxis.range) == [0, 10.2]
    assert fig.layout.xaxis.title.text == "of the first 10 hits, mean over 120 queries"
    looks = {(each.marker.color, each.marker.pattern.shape) for each in fig.data}
    assert len(looks) == 4


# Several depths

SWEEP = {
    "small": {1: (0.3, 0.2, 0.4), 10: (0.5, 0.45, 0.55), 100: (0.3, 0.25, 0.35)},
    "large": {1: (0.3, 0.2, 0.4), 10: (0.6, 0.5, 0.7), 100: (0.6, 0.5, 0.7)},
    "alone": {10: (0.5, 0.5, 0.5)},
}


def test_the_best_depth_has_a_ring_and_is_told():
    fig = figures.depth_sweep(SWEEP, first=0.4)
    assert [figures.best_depth(values) for values in SWEEP.values()] == [10, 10, 10]  # of equal ones the cheapest
    for name, values in SWEEP.items():
        line, ring = trace(fig, name), trace(fig, f"best of {name}")
        assert list(line.y) == [value for value, _, _ in values.values()]
        assert list(line.customdata) == list(values)
        assert [x / depth for x, depth in zip(line.x, values, strict=True)] == pytest.approx([1] * len(values), abs=0.1)
        assert ring.y[0] == values[10][0]
        assert ring.x[0] == pytest.approx(line.x[list(values).index(10)], rel=1e-3)
    told = told_by(fig.layout.annotations[-1])
    assert told == "small: best at 10 (.500); at 100 .300, lower. large: best at 10 (.600); at 100 .600, tied. alone: best at 10 (.500)."  # fmt: skip
    assert "first stage .400" in [note.text for note in fig.layout.annotations]
    assert fig.layout.yaxis.range[0] == 0
    assert len({(trace(fig, name).line.dash, trace(fig, name).marker.symbol) for name in SWEEP}) == 3


def test_a_line_that_only_rises_is_told_so():
    fig = figures.depth_sweep({"one": {1: (0.1, 0.1, 0.1), 50: (0.2, 0.1, 0.3)}})
    assert told_by(fig.layout.annotations[-1]) == "one: best at 50 (.200), the deepest."
    left, right = figures.depth_sweep({"one": {7: (0, 0, 0)}}).layout.xaxis.range
    assert left < math.log10(7) < right
    with pytest.raises(ValueError, match="'none' has none"):
        figures.depth_sweep({"none": {}})


def test_every_figure_brings_its_words():
    for fig in (figures.whose_hits(SHARES), figures.depth_sweep(SWEEP)):
        assert len(fig.layout.meta["alt"]) > 100
        assert len(fig.layout.meta["notice"]) > 100
        assert 0 < len(fig.layout.title.text) < 40
        assert num_bytes(plain(fig)) < 28_000
