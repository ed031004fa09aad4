import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbook.metrics import (
    evaluate,
    evaluate_ids,
    grades,
    judged_only,
    kendall_tau,
    ndcg_by_chance,
    number_qrels,
    ranked_ids,
    spearman,
)
from workbook.metrics import ranking as metrics

JUDGED = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 0, "f": 1, "g": 0}
RUN = {"q": {"b": 6.0, "a": 5.0, "x": 4.0, "c": 3.0, "e": 2.0, "y": 1.0}}
NAMES = ("ndcg@4", "recall@4", "precision@4", "mrr@4", "map", "ndcg", "recall")
MORE = ("precision", "hit_rate@2", "hit_rate", "r_precision", "ndcg_exp@4", "ndcg_exp", "mrr")


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
    assert ranked_ids({"a": 1.0, "c": 1.0, "b": 1.0, "d": 2.0}, 3) == ["d", "c", "b"]
    assert ranked_ids({"a": 1.0 + 1e-12, "b": 1.0}, 2) == ["b", "a"]


def test_a_tie_across_the_cut_is_broken_as_well():
    assert ranked_ids({"a": 1.0, "b": 1.0}, 1) == ["b"]


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
    qrels = {"empty": {"a": 1}, "none": {"a": 0}, "bare": {}}
    with pytest.warns(
        UserWarning, match=r"2 of 3 queries have no relevant passage and count as 0; over the other 1: ndcg"
    ):
        values = evaluate(qrels, {"empty": {}, "none": {"a": 1.0}, "bare": {}})
    assert set(values.values()) == {0.0}


def test_queries_without_a_relevant_passage_are_counted_and_can_be_left_out():
    qrels = {"q": {"a": 2}, "low": {"a": 1}, "none": {"a": 0}, "spam": {"a": -1}, "bare": {}}
    run = {query: {"a": 1.0} for query in qrels}
    for level, kept in ((1, ["q", "low"]), (2, ["q"]), (3, [])):
        assert list(judged_only(qrels, level)) == kept
        others = "recall 1.000" if kept else "none"
        with pytest.warns(UserWarning, match=f"{5 - len(kept)} of 5 .* over the other {len(kept)}: {others}"):
            assert evaluate(qrels, run, ["recall"], relevance_level=level) == {"recall": len(kept) / 5}
        with pytest.warns(UserWarning, match=f"over the other {len(kept)}: {others}"):
            evaluate_ids([[0]] * 5, [[0]] * 5, [[2], [1], [0], [-1], [0]], ["recall"], relevance_level=level)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(judged_only(qrels), run, ["recall"]) == {"recall": 1.0}
        assert evaluate(qrels, run, ["recall"], per_query=True)["recall"]["none"] == 0
        assert evaluate({"q": {}}, run, ["recall"]) == {"recall": 0.0}  # of one query it is plain to see


def test_more_metrics_by_hand():
    run = {"q": {"b": 6.0, "a": 5.0, "x": 4.0, "c": 3.0, "e": 2.0, "y": 1.0}}
    ideal = 7 + 3 / math.log2(3) + 1 / 2 + 1 / math.log2(5)
    expected = {
        "hit_rate@1": 0.0,
        "hit_rate@2": 1.0,
        "hit_rate": 1.0,
        "r_precision": 2 / 4,  # four are relevant, and two of them among the first four
        "ndcg_exp@4": (7 / math.log2(3) + 1 / math.log2(5)) / ideal,
        "precision": 2 / 6,
    }
    assert evaluate({"q": JUDGED}, run, tuple(expected)) == pytest.approx(expected, abs=1e-12)
    level_2 = {"recall": 1 / 2, "mrr": 1 / 2, "map": 1 / 4, "precision@4": 1 / 4, "r_precision": 1 / 2, "hit_rate@1": 0}
    graded = evaluate({"q": JUDGED}, run, ["ndcg@4", *level_2], relevance_level=2)
    assert graded.pop("ndcg@4") == evaluate({"q": JUDGED}, run, ["ndcg@4"])["ndcg@4"]  # which sees all grades
    assert graded == pytest.approx(level_2)


def test_without_a_depth_each_query_has_its_own():
    qrels = {"short": {"a": 1, "b": 1}, "long": {"a": 1}, "empty": {"a": 1}}
    run = {"short": {"a": 1.0}, "long": {p: 1.0 / i for i, p in enumerate("axyz", start=1)}, "empty": {}}
    for others in ((), ("recall@1",), ("recall@100",)):  # what else is asked for changes nothing
        values = evaluate(qrels, run, ("precision", "ndcg", *others), per_query=True)
        assert values["precision"] == {"short": 1.0, "long": 0.25, "empty": 0.0}
        assert values["ndcg"]["short"] == pytest.approx(1 / (1 + 1 / math.log2(3)))  # the ideal has both
    ids = evaluate_ids([[0, -1, -1], [0, 7, 8], [-1, -1, -1]], [[0], [0], [0]], metrics=["precision"], per_query=True)
    assert ids["precision"].tolist() == [1, 1 / 3, 0]


@pytest.mark.parametrize(
    ("qrels", "run", "message"),
    [
        (
            {"q": {7: 1}},
            {"q": {"7": 1.0}},
            r"passage ids must be of one type, got int in qrels and str in the run; .* str",
        ),
        ({"q": {"7": 1}}, {"q": {7: 1.0}}, "passage ids must be of one type, got str in qrels and int in the run"),
        ({"q": {"7": 1}}, {"q": {"x": 2.0, 7: 1.0}}, "passage ids must be of one type"),
        ({"q": {"7": 1, 8: 1}}, {"q": {"7": 1.0}}, "got int and str in qrels and str in the run"),
        ({"q": {"7": 1}}, {"q": {np.int64(7): 1.0}}, "got str in qrels and int in the run"),
        ({"q": {b"7": 1}}, {"q": {"7": 1.0}}, "got bytes in qrels"),
        ({1: {"7": 1}}, {"1": {"7": 1.0}}, "query ids must be of one type, got int in qrels and str in the run"),
        ({"q": {"7": "1"}}, {"q": {"7": 1.0}}, "the grade of passage '7' is '1'; a grade is a number"),
        ({"q": {"7": None}}, {"q": {"7": 1.0}}, "the grade of passage '7' is None"),
        ({"q": {"7": math.nan}}, {"q": {"7": 1.0}}, "a grade of query 'q' is NaN"),
        ({"q": {"7": 1}}, {"q": {"7": "1.0"}}, "the scores of query 'q' must be numbers"),
        ({"q": {"7": 1}}, {"q": {"7": 1.0, "8": None}}, "the scores of query 'q' must be numbers"),
        ({"q": ["7"]}, {"q": {"7": 1.0}}, "qrels must be query id -> passage id -> grade, got list in it"),
        ({"q": {"7": 1}}, {"q": ["7"]}, "run must be query id -> passage id -> score, got list in it"),
        ({"q": {"7": 1}}, [{"7": 1.0}], "run must be query id -> passage id -> score, got list in it"),
    ],
)
def test_what_would_be_compared_by_mistake_is_refused(qrels, run, message):
    with pytest.raises(ValueError, match=message):
        evaluate(qrels, run)


def test_numbers_of_every_kind_are_numbers():
    qrels = {np.str_("q"): {np.str_("a"): True, "b": np.int8(2), "c": np.float32(0), "d": np.bool_(True)}}
    run = {"q": {"a": np.float32(3), "b": 2, "c": True, "d": np.float64(0.5)}}
    assert evaluate(qrels, run, ["recall", "mrr"]) == {"recall": 1.0, "mrr": 1.0}
    assert evaluate({1: {7: 1}}, {np.int64(1): {np.int32(7): 1.0}}, ["recall"]) == {"recall": 1.0}


def test_unknown_passages_and_a_k_larger_than_the_run():
    assert evaluate({"q": {"a": 1}}, {"q": {"never seen": 2.0, "a": 1.0}}, ("recall@1000",)) == {"recall@1000": 1.0}


@pytest.mark.parametrize("name", ["ndgc@10", "recall@0", "recall@", "", "map@-1", "set_F", "r_precision@5", "f1", 5])
def test_an_unknown_metric_is_refused(name):
    with pytest.raises(ValueError, match="unknown metric"):
        evaluate({"q": {"a": 1}}, RUN, (name,))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="no query"):
        evaluate({}, RUN)
    with pytest.raises(ValueError, match="'b' is NaN"):
        evaluate({"p": {"a": 1}, "q": {"a": 1}}, {"p": {"a": 1.0}, "q": {"a": 1.0, "b": float("nan")}})


scores = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-3, 3).map(float), max_size=8)
judgements = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-1, 3), max_size=8)


@given(scores, judgements)
def test_between_zero_and_one_whatever_comes(found, judged):
    for value in evaluate({"q": judged}, {"q": found}, (*NAMES, *MORE)).values():
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


@given(scores, judgements, st.integers(1, 9))
def test_counting_who_stands_above_puts_each_grade_where_the_ranking_does(found, judged, k):
    gains, ideal = grades({"q": judged}, {"q": found}, k)
    expected = [max(0, judged.get(passage, 0)) for passage in ranked_ids(found, k)]
    assert gains.tolist() == [expected + [0] * (k - len(expected))]
    assert ideal.tolist() == [sorted((max(0, grade) for grade in judged.values()), reverse=True) or [0]]


def test_minus_infinity_is_a_score_like_any_other():
    run = {"q": {"a": -math.inf, "b": -math.inf}, "r": {"a": 3.0, "b": 2.0, "c": 1.0}}
    gains, _ = grades({"q": {"a": 2, "b": 1}, "r": {"c": 1}}, run, 3)
    assert gains.tolist() == [[1, 2, 0], [0, 0, 1]]


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_the_memory_for_comparing_scores_is_bounded(monkeypatch, at_a_time):
    qrels = {f"q{q}": {f"p{i}": 1 + i % 3 for i in range(q, 20, 3)} for q in range(9)}
    run = {f"q{q}": {f"p{i}": float(i * q % 7) for i in range(20)} for q in range(9)}
    at_once = evaluate(qrels, run, per_query=True)
    monkeypatch.setattr(metrics, "CELLS", 20 * at_a_time)
    assert evaluate(qrels, run, per_query=True) == at_once


def test_ids_by_hand():
    # ranks: b a x c e y, as in the example above; b, e and x are not relevant
    ids, relevant, grade = [[1, 0, 23, 2, 4, 24]], [[0, 2, 3, 5]], [[3, 1, 2, 1]]
    assert evaluate_ids(ids, relevant, grade, NAMES) == pytest.approx(evaluate({"q": JUDGED}, RUN, NAMES), abs=1e-12)
    assert evaluate_ids(torch.tensor(ids), torch.tensor(relevant), torch.tensor(grade), ("mrr",)) == {"mrr": 0.5}


def test_ids_without_grades_count_one_each():
    ids, relevant = np.array([[7, 3, 5], [1, 2, 0]]), np.array([[3, 5], [0, -1]])
    values = evaluate_ids(ids, relevant, metrics=("recall@2", "recall", "mrr"), per_query=True)
    found = {"recall@2": [0.5, 0.0], "recall": [1.0, 1.0], "mrr": [0.5, 1 / 3]}
    assert {name: x.tolist() for name, x in values.items()} == found


def test_a_negative_grade_is_not_relevant_among_ids():
    values = evaluate_ids([[2, 1]], [[1, 2]], [[2, -1]], ("ndcg@2", "recall@1", "mrr"))
    assert values == pytest.approx({"ndcg@2": 1 / math.log2(3), "recall@1": 0, "mrr": 0.5})


def test_no_result_matches_no_passage_and_a_relevant_one_that_the_corpus_lacks_counts_against_recall():
    values = evaluate_ids([[-1, 4, -1]], [[4, -1, -1]], [[1, 1, 0]], ("recall", "mrr", "precision@3"))
    assert values == {"recall": 0.5, "mrr": 0.5, "precision@3": pytest.approx(1 / 3)}


def test_a_passage_listed_twice_counts_once_where_it_stands_first():
    twice = evaluate_ids([[9, 4, 4, 5]], [[4, 5]], [[2, 1]], (*NAMES, "ndcg@2"), per_query=True)
    once = evaluate_ids([[9, 4, 8, 5]], [[4, 5]], [[2, 1]], (*NAMES, "ndcg@2"), per_query=True)
    assert {name: x.tolist() for name, x in twice.items()} == {name: x.tolist() for name, x in once.items()}


def test_nothing_found_and_nothing_judged_count_zero():
    assert set(evaluate_ids(np.zeros((2, 0), int), [[1], [2]], metrics=NAMES).values()) == {0.0}
    assert set(evaluate_ids([[1, 2]], np.zeros((1, 0), int), metrics=NAMES).values()) == {0.0}
    assert set(evaluate_ids([[1, 2]], [[-1]], metrics=NAMES).values()) == {0.0}
    assert set(evaluate_ids([[1, 2]], [[1]], [[-2]], metrics=NAMES).values()) == {0.0}


@pytest.mark.parametrize(
    ("ids", "relevant", "grade", "message"),
    [
        ([1, 2], [[1]], None, r"same Q ≥ 1, got \(2,\), \(1, 1\) and \(1, 1\)"),
        ([[1, 2]], [[1], [2]], None, "same Q ≥ 1"),
        ([[1, 2]], [[1]], [[1, 2]], "same Q ≥ 1"),
        (np.zeros((0, 3), int), np.zeros((0, 1), int), None, "same Q ≥ 1"),
        ([[1.0, 2.0]], [[1]], None, "ids must hold row numbers, got float64"),
        ([[1]], [["p1"]], None, "relevant_ids must hold row numbers"),
        ([[1], [1]], [[3, 4, -1, -1], [7, 5, 7, 7]], None, "query 1 judges passage 7 twice"),
    ],
)
def test_ids_that_do_not_fit_are_named(ids, relevant, grade, message):
    with pytest.raises(ValueError, match=message):
        evaluate_ids(ids, relevant, grade)


def test_a_relevance_level_below_1_is_refused():
    with pytest.raises(ValueError, match="relevance_level must be at least 1, got 0"):
        evaluate({"q": {"a": 1}}, RUN, relevance_level=0)


def test_ids_refuse_an_unknown_metric():
    with pytest.raises(ValueError, match="unknown metric"):
        evaluate_ids([[1]], [[1]], metrics=("ndgc",))


def test_numbers_for_judgements():
    qrels = {"q": {"a": 2, "gone": 1, "c": 0}, "r": {"b": 3}, "s": {"a": -1}}
    rows, grade = number_qrels(qrels, ["r", "q", "s"], {"a": "…", "b": "…", "c": "…"})
    assert rows.tolist() == [[1, -1], [0, -1], [-1, -1]]
    assert grade.tolist() == [[3, 0], [2, 1], [0, 0]]
    for asked in (["q", "r"], ["q", "r", "s", "t"]):
        with pytest.raises(ValueError, match=r"query '[st]' is asked or judged, but not both"):
            number_qrels(qrels, asked, [])


ranked = st.lists(st.permutations(range(8)), min_size=1, max_size=4)
PASSAGES = "abcdefgh"


@given(ranked, st.lists(judgements, min_size=4, max_size=4), st.integers(0, 8))
def test_ids_equal_the_dictionaries(rankings, judged, k):
    qrels = {f"q{i}": judged[i] for i in range(len(rankings))}
    run = {f"q{i}": {PASSAGES[p]: float(-rank) for rank, p in enumerate(r[:k])} for i, r in enumerate(rankings)}
    ours = evaluate_ids([r[:k] for r in rankings], *number_qrels(qrels, run, PASSAGES), (*NAMES, *MORE), per_query=True)
    expected = evaluate(qrels, run, (*NAMES, *MORE), per_query=True)
    for name, x in ours.items():
        assert dict(zip(qrels, x.tolist(), strict=True)) == pytest.approx(expected[name], abs=1e-12)


@given(ranked, st.data())
def test_no_result_at_the_end_changes_nothing_and_numbers_may_be_dealt_anew(rankings, data):
    ids = np.array(rankings)
    relevant = np.array([data.draw(st.permutations(range(8))) for _ in rankings])[:, :3]
    grade = np.array([[1, 2, 3]] * len(ids))
    values = evaluate_ids(ids, relevant, grade, NAMES)
    longer = np.concatenate([ids, np.full((len(ids), 2), -1)], axis=1)
    assert evaluate_ids(longer, relevant, grade, NAMES) == values
    dealt = np.array(data.draw(st.permutations(range(8))))
    assert evaluate_ids(dealt[ids], dealt[relevant], grade, NAMES) == values
    assert evaluate_ids(ids, relevant[:, ::-1], grade[:, ::-1], NAMES) == values


def test_spearman_by_hand():
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


def test_kendall_tau_by_hand():
    assert kendall_tau([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx((5 - 1) / 6)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))
    assert math.isnan(kendall_tau([1, 2], [3, 3]))


@pytest.mark.parametrize("agreement", [spearman, kendall_tau])
@pytest.mark.parametrize(("a", "b"), [([1], [1]), ([1, 2], [1, 2, 3]), ([1, float("nan")], [1, 2]), ([], [])])
def test_what_is_no_two_lists_of_numbers_is_refused(agreement, a, b):
    with pytest.raises(ValueError, match="N ≥ 2 numbers"):
        agreement(a, b)


@pytest.mark.filterwarnings("ignore:1 of 3 queries")
def test_chance_is_the_mean_over_random_orders():
    passages = [f"p{i}" for i in range(12)]
    qrels = {"one": {"p0": 1}, "three": {"p1": 2, "p4": 1, "p5": 1, "p6": 0}, "none": {"p7": 0}}
    rng = np.random.default_rng(0)
    runs = [{q: dict(zip(passages, rng.random(12), strict=True)) for q in qrels} for _ in range(4_000)]
    drawn = np.mean([evaluate(qrels, run, ("ndcg@5",))["ndcg@5"] for run in runs])
    assert ndcg_by_chance(qrels, 12, k=5) == pytest.approx(drawn, abs=0.01)
    one_answer = sum(1 / np.log2(rank + 1) for rank in range(1, 11)) / 500
    assert ndcg_by_chance({"q": {"a": 1}}, 500) == pytest.approx(one_answer)
    assert ndcg_by_chance({"q": {"a": 1}}, 1) == 1
    for empty in ({}, {"q": {"a": 1, "b": 1}}):
        with pytest.raises(ValueError, match="as many passages"):
            ndcg_by_chance(empty, 1)
