"""What the figures of chapter 19 draw and say."""

import pytest

from workbook.figures.judgements import HOLE, RIGHT, WRONG, Pool, judged_by_its_rival, ten_hits

HITS = [RIGHT, HOLE, WRONG, HOLE, RIGHT, HOLE, RIGHT, HOLE, WRONG, HOLE]
POOLS = [
    Pool(1, 40, {"BM25": 1.0, "encoder": 0.9}, [RIGHT] + [HOLE] * 9),
    Pool(10, 60, {"BM25": 0.7, "encoder": 0.8}, HITS),
]
TRUTH = {"BM25": 0.5, "encoder": 0.8}


def texts(fig):
    return " ".join(note.text.replace("<br>", " ") for note in fig.layout.annotations)


def test_the_bounds_are_those_of_holes_that_are_all_wrong_or_all_right():
    fig = ten_hits(HITS)
    assert "holes wrong: .300" in texts(fig)
    assert "holes right: .800" in texts(fig)
    assert [len(trace.x) for trace in fig.data] == [3, 2, 5]


def test_without_holes_the_bounds_meet():
    fig = ten_hits([RIGHT, WRONG])
    assert "holes wrong: .500" in texts(fig)
    assert "holes right: .500" in texts(fig)


@pytest.mark.parametrize(("depth", "leads", "left"), [(1, "BM25", 40), (10, "encoder", 60)])
def test_the_sentence_names_who_leads_and_how_many_queries_are_left(depth, leads, left):
    fig = judged_by_its_rival(depth, POOLS, TRUTH, "a question")
    assert f"so {leads} leads" in texts(fig)
    assert f"{left} of 60 queries" in texts(fig)
    assert "“a question”" in texts(fig)


def test_the_truth_stands_beyond_the_deepest_pool_and_lines_hold_what_was_measured():
    fig = judged_by_its_rival(1, POOLS, TRUTH)
    true = [trace for trace in fig.data if trace.name == "encoder, in truth"]
    assert true[0].x[0] > POOLS[-1].depth
    assert true[0].y[0] == 0.8
    assert list(fig.data[0].y) == [1.0, 0.7]


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="hit must be"):
        ten_hits(["right"])
    with pytest.raises(ValueError, match="depth must be"):
        judged_by_its_rival(5, POOLS, TRUTH)
