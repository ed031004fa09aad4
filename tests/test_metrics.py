import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.metrics import evaluate, ranking, spearman

JUDGED = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 0, "f": 1, "g": 0}
RUN = {"q": {"b": 6.0, "a": 5.0, "x": 4.0, "c": 3.0, "e": 2.0, "y": 1.0}}
NAMES = ("ndcg@4", "recall@4", "precision@4", "mrr@4", "map", "ndcg", "recall")


def test_by_hand():
    ideal = 3 + 2 / math.log2(3) + 1 / 2 + 1 / math.log2(5)
    found = 3 / math.log2(3) + 1 / math.log2(5)
    expected = {
        "ndcg@4": found / ideal,
        "recall@4": 2 / 4,
        "precision@4": 2 / 4,
        "mrr@4": 1 / 2,
        "map": (1 / 2 + 2 / 4) / 4,
        "ndcg": found / ideal,
        "recall": 2 / 4,
    }
    assert evaluate({"q": JUDGED}, RUN, NAMES) == pytest.approx(expected, abs=1e-12)


def test_precision_divides_by_k_even_when_less_was_returned():
    assert evaluate({"q": {"a": 1}}, {"q": {"a": 1.0}}, ("precision@10",)) == {"precision@10": 0.1}


def test_a_find_beyond_k_counts_nothing():
    run = {"q": {"x": 2.0, "a": 1.0}}
    assert set(evaluate({"q": {"a": 1}}, run, ("ndcg@1", "recall@1", "mrr@1", "map@1")).values()) == {0.0}
    assert evaluate({"q": {"a": 1}}, run, ("mrr@2",)) == {"mrr@2": 0.5}


def test_equal_scores_stand_by_descending_id_and_are_compared_in_float32():
    assert ranking({"a": 1.0, "c": 1.0, "b": 1.0, "d": 2.0}, 3) == ["d", "c", "b"]
    assert ranking({"a": 1.0 + 1e-12, "b": 1.0}, 2) == ["b", "a"]


def test_a_tie_across_the_cut_is_broken_as_well():
    assert ranking({"a": 1.0, "b": 1.0}, 1) == ["b"]


def test_the_ideal_comes_from_all_judgements():
    assert evaluate({"q": {"a": 3, "c": 1}}, {"q": {"c": 1.0}}, ("ndcg@10",))["ndcg@10"] < 0.5


def test_a_negative_grade_is_not_relevant():
    judged = {"q": {"spam": -2, "a": 1}}
    values = evaluate(judged, {"q": {"spam": 2.0, "a": 1.0}}, ("ndcg@10", "recall@10", "mrr@10"))
    assert values == pytest.approx({"ndcg@10": 1 / math.log2(3), "recall@10": 1.0, "mrr@10": 0.5})


def test_a_query_missing_from_the_run_counts_as_zero_and_is_named():
    with pytest.warns(UserWarning, match="1 of 2 queries .* 'silent'"):
        values = evaluate({"q": {"a": 1}, "silent": {"b": 1}}, {"q": {"a": 1.0}}, ("recall@10",), per_query=True)
    assert values == {"recall@10": {"q": 1.0, "silent": 0.0}}


def test_a_query_without_judgements_is_ignored():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate({"q": {"a": 1}}, {"q": {"a": 1.0}, "other": {"a": 1.0}}, ("map",)) == {"map": 1.0}


def test_empty_results_and_queries_without_relevant_passages_count_zero():
    values = evaluate({"empty": {"a": 1}, "none": {"a": 0}, "bare": {}}, {"empty": {}, "none": {"a": 1.0}, "bare": {}})
    assert set(values.values()) == {0.0}


def test_unknown_passages_and_a_k_larger_than_the_run():
    assert evaluate({"q": {"a": 1}}, {"q": {"never seen": 2.0, "a": 1.0}}, ("recall@1000",)) == {"recall@1000": 1.0}


@pytest.mark.parametrize("name", ["ndgc@10", "recall@0", "recall@", "", "map@-1"])
def test_an_unknown_metric_is_refused(name):
    with pytest.raises(ValueError, match="unknown metric"):
        evaluate({"q": {"a": 1}}, RUN, (name,))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="no query"):
        evaluate({}, RUN)
    with pytest.raises(ValueError, match="'b' is NaN"):
        evaluate({"q": {"a": 1}}, {"q": {"a": 1.0, "b": float("nan")}})


scores = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-3, 3).map(float), max_size=8)
judgements = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-1, 3), max_size=8)


@given(scores, judgements)
def test_between_zero_and_one_whatever_comes(found, judged):
    for value in evaluate({"q": judged}, {"q": found}, NAMES).values():
        assert 0 <= value <= 1 + 1e-12


@given(scores, judgements, st.randoms())
def test_the_order_of_the_dictionary_and_the_scale_of_the_scores_change_nothing(found, judged, random):
    items = list(found.items())
    random.shuffle(items)
    changed = {passage: 4 * score + 8 for passage, score in items}
    assert evaluate({"q": judged}, {"q": changed}, NAMES) == evaluate({"q": judged}, {"q": found}, NAMES)


@given(judgements.filter(lambda judged: any(grade > 0 for grade in judged.values())))
def test_the_grades_as_scores_are_the_best_ranking(judged):
    run = {"q": {passage: float(grade) for passage, grade in judged.items()}}
    assert evaluate({"q": judged}, run, ("ndcg@3", "map", "mrr@1")) == pytest.approx(
        {"ndcg@3": 1, "map": 1, "mrr@1": 1}
    )


def test_spearman_by_hand():
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


@pytest.mark.parametrize(("a", "b"), [([1], [1]), ([1, 2], [1, 2, 3]), ([1, float("nan")], [1, 2]), ([], [])])
def test_spearman_refuses(a, b):
    with pytest.raises(ValueError, match="N ≥ 2 numbers"):
        spearman(a, b)
