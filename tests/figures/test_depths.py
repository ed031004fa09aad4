"""What the depth of a reranker brings, from stored scores."""

import numpy as np
import pytest

from workbook.exercises import chapter_16
from workbook.figures import depths
from workbook.metrics import evaluate
from workbook.rerank import rerank

QRELS = {"q": {"d": 1, "b": 2, "x": 1}, "r": {"a": 1}}
RUN = {"q": {"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0}, "r": {"c": 2.0, "a": 1.0}}
SCORES = {"q": {"a": 0.1, "b": 0.5, "c": 0.9, "d": 0.7}, "r": {"c": 0.2, "a": 0.3}}
NAMES = {"a": "Apple", "b": "Birch", "c": "Cedar", "d": "Dahlia"}


class Reader:
    def predict(self, pairs):
        return np.array([SCORES[query[0].lower()][passage[0].lower()] for query, passage in pairs])


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 99])
def test_stored_scores_order_as_the_reranker_does(depth):
    found = rerank(Reader(), RUN, {"q": "Q?", "r": "R?"}, NAMES, depth)
    assert depths.reranked_to(RUN, SCORES, depth) == found


def test_curves_are_those_of_the_package_and_of_the_exercise():
    curves = depths.curves_by_depth(QRELS, RUN, SCORES, [3, 1, 2, 2, 50])
    assert curves.depths == [1, 2, 3, 4]  # sorted, each once, and all
    for depth, perfect, reranked, first in zip(*curves, strict=True):
        by_hand = [chapter_16.ceiling(QRELS[q], RUN[q], depth, 10)[1] for q in QRELS]
        assert perfect == pytest.approx(sum(by_hand) / 2)
        assert reranked == evaluate(QRELS, depths.reranked_to(RUN, SCORES, depth), ["ndcg@10"])["ndcg@10"]
        assert max(reranked, first) <= perfect + 1e-9
    assert list(curves.ceiling) == sorted(curves.ceiling)
    assert curves.ceiling[0] == curves.reranked[0] == curves.first[0]  # one passage has one order
    assert curves.first[-1] == evaluate(QRELS, RUN, ["ndcg@10"])["ndcg@10"]


def test_intervals_hold_the_curve():
    curves = depths.curves_by_depth(QRELS, RUN, SCORES, [1, 2])
    found = depths.intervals_by_depth(QRELS, RUN, SCORES, [1, 2])
    assert list(found) == curves.depths
    assert [mean for mean, _, _ in found.values()] == pytest.approx(curves.reranked)
    assert all(low <= mean <= high for mean, low, high in found.values())


def test_an_empty_list_counts_and_nothing_at_all_is_an_error():
    curves = depths.curves_by_depth(QRELS, {"q": RUN["q"], "r": {}}, {**SCORES, "r": {}}, [1])
    assert curves.ceiling[-1] == pytest.approx(chapter_16.ceiling(QRELS["q"], RUN["q"], 4, 10)[1] / 2)
    with pytest.raises(ValueError, match="candidates"):
        depths.curves_by_depth(QRELS, {"q": {}, "r": {}}, {}, [1])
    with pytest.raises(ValueError, match="depth"):
        depths.curves_by_depth(QRELS, RUN, SCORES, [0])


def own(run=RUN["q"], scores=SCORES["q"], judged=QRELS["q"], query="where?"):
    return depths.own_list(query, run, scores, judged, NAMES)


def test_one_query_in_both_orders():
    mine = own()
    assert list(mine.found) == ["a", "b", "c", "d"]
    assert list(mine.right) == ["d", "b", "x"]
    assert [depths.order_after(mine, depth) for depth in (1, 3, 4, 9)] == [["a"], ["c", "b", "a"], ["c", "d", "b", "a"], ["c", "d", "b", "a"]]  # fmt: skip
    assert mine.names == NAMES  # x has no name, and was not found


def test_ties_are_ordered_as_evaluate_orders_them():
    tied = own(run={"a": 1.0, "b": 1.0, "c": 1.0}, scores={"a": 0.0, "b": 0.0, "c": 0.0})
    assert list(tied.found) == ["c", "b", "a"]
    assert depths.order_after(tied, 2) == ["c", "b"]


@pytest.mark.parametrize(
    ("judged", "depth", "told"),
    [
        ({"d": 1}, 1, "the right one stands at 4 and is not read."),
        ({"d": 1}, 4, "the right one rises from 4 to 2."),
        ({"a": 1}, 1, "the right one stays at 1."),
        ({"a": 1}, 4, "the right one falls from 1 to 4."),
        ({"d": 1, "b": 1}, 2, "the best of 2 right ones rises from 2 to 1."),
        ({"d": 1, "b": 1}, 1, "the best of 2 right ones stands at 2 and is not read."),
        ({"x": 1}, 4, "no right one was found."),
        ({"a": 0}, 4, "nothing is relevant."),
        ({}, 4, "nothing is relevant."),
    ],
)
def test_the_sentence_about_one_query(judged, depth, told):
    assert depths.told_of(own(judged=judged), depth) == f"“where?”: {told}"


def test_a_long_query_is_cut_and_an_empty_list_told():
    assert depths.told_of(own(query="w" * 80), 1).index("…") == depths.LONGEST
    nothing = depths.own_list("where?", {}, {}, {"a": 1}, {})
    assert depths.order_after(nothing, 5) == []
    assert depths.told_of(nothing, 5).endswith("no right one was found.")
