"""What each type of task computes, by hand; tests/parity/test_mteb.py holds the same beside mteb and beir."""

import numpy as np
import pytest

from workbook.metrics import (
    bitext_mining,
    classification,
    clustering,
    pair_classification,
    retrieval,
    sts,
    summarization,
)

EAST, NORTH, WEST, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 1.0]


def test_retrieval_by_hand():
    queries, corpus = {"q": EAST, "unjudged": NORTH}, {"north": NORTH, "east": [9.0, 0.0], "between": NORTH_EAST}
    qrels = {"q": {"between": 2}, "unjudged": {}}
    assert retrieval(queries, corpus, qrels, metrics=["mrr@10", "recall@1"]) == {"mrr@10": 0.5, "recall@1": 0.0}
    few = {"q": ["north", "between"]}
    assert retrieval(queries, corpus, qrels, few, metrics=["mrr@10"]) == {"mrr@10": 1.0}


def test_a_passage_with_the_querys_own_id_is_left_out_where_one_asks_for_it():
    corpus, qrels = {"a": EAST, "b": NORTH_EAST}, {"a": {"b": 1}}
    assert retrieval({"a": EAST}, corpus, qrels, metrics=["mrr"]) == {"mrr": 0.5}
    assert retrieval({"a": EAST}, corpus, qrels, ignore_identical_ids=True, metrics=["mrr"]) == {"mrr": 1.0}


def test_a_query_without_candidates_counts_0():
    qrels = {"q": {"a": 1}, "silent": {"a": 1}}
    found = retrieval({"q": EAST, "silent": EAST}, {"a": EAST}, qrels, {"q": ["a"]}, metrics=["map"])
    assert found == {"map": 0.5}


def test_sts_asks_for_order_alone():
    assert sts([EAST] * 3, [EAST, NORTH_EAST, WEST], [5, 4.9, 0]) == pytest.approx(1)


def test_summarization_takes_the_nearest_human_summary_and_leaves_out_texts_without_an_order():
    human = [np.array([EAST, NORTH]), np.array([EAST]), np.array([EAST])]
    machine = [np.array([[0.1, 1], NORTH_EAST, WEST]), np.array([EAST, WEST]), np.array([NORTH])]
    assert summarization(human, machine, [[3, 2, 1], [2, 2], [1]]) == pytest.approx(1)


def test_pairs_by_hand():
    first, second = [EAST] * 4, [EAST, NORTH_EAST, NORTH, WEST]
    found = pair_classification(first, second, [1, 0, 1, 0])
    assert found["ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["accuracy"] == 0.75


def test_lengths_count_for_the_best_of_four_similarities():
    first, second = np.array([EAST] * 3), np.array([EAST, [5.0, 0.0], [6.0, 0.0]])
    found = pair_classification(first, second, [1, 0, 0])
    assert (found["ap"], found["max_ap"]) == (pytest.approx(1 / 3), 1.0)


def test_hubs_are_punished_twice():
    assert bitext_mining([EAST, NORTH], [EAST, NORTH]) == 1
    assert bitext_mining([EAST, NORTH_EAST], [EAST, WEST]) == pytest.approx((2 / 3 + 0) / 2)
    assert bitext_mining([NORTH], [EAST, NORTH], gold=[1]) == 1


def test_classes_and_clusters_that_lie_apart():
    generator = np.random.default_rng(0)
    labels = ["a", "b"] * 30
    vectors = np.array([EAST, WEST] * 30) + generator.normal(0, 0.1, (60, 2))
    assert classification(vectors, labels, vectors, labels) == 1
    assert clustering(vectors, labels) == clustering(vectors, labels, draws=3, size=40) == pytest.approx(1)
    assert classification(vectors, labels, vectors, labels[::-1], draws=1) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: retrieval({"q": EAST}, {"a": EAST}, {"Q": {"a": 1}}), "none of the 1 queries is judged"),
        (lambda: retrieval({"q": EAST}, {"a": EAST}, {"q": {"a": 1}}, {"q": ["b"]}), "candidate 'b' is no passage"),
        (lambda: retrieval({"q": [1.0]}, {"a": EAST}, {"q": {"a": 1}}), "the same D"),
        (lambda: sts([EAST], [[1.0]], [1]), r"two matrices \(N, D\).*got \(1, 2\) and \(1, 1\); encode both"),
        (lambda: sts([EAST], [EAST], [1]), "two lists of N ≥ 2"),
        (lambda: summarization([[EAST]], [], []), "an entry a text, got 1, 0 and 0"),
        (lambda: summarization([[EAST]], [[EAST]], [[1]]), "no text has two summaries"),
        (lambda: pair_classification([EAST], [EAST], [1]), "a label 0 or 1 for each of 1 pairs, and both"),
        (lambda: pair_classification([EAST] * 2, [EAST] * 2, [1, 2]), "a label 0 or 1"),
        (lambda: classification([EAST], ["a"], [EAST], ["a"]), "two classes at least, got 1 and 1 labels of 1 classes"),
        (lambda: classification([EAST], ["a", "b"], [EAST], ["a"]), "a label for each of 1 and 1 vectors"),
        (lambda: clustering([EAST], []), "a label for each vector, got 0 labels and 1 vectors"),
        (lambda: bitext_mining([EAST] * 2, [EAST]), "for each of 2 sources the row of one of 1 targets"),
        (lambda: bitext_mining([EAST], [EAST], [0, 0]), "the row of one of 1 targets"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
