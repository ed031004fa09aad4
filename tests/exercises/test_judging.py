"""The reader's own spot check: what is drawn, what is said of it, and that it can be used without a mouse and without a kernel."""

import json

import numpy as np
import pytest
import torch

from workbook.exercises import judging
from workbook.exercises.judging import as_html, as_text, judge_hits, judge_negatives, pool_hits, spot_check
from workbook.mining import Candidates

Q, K = 12, 20
IDS = [f"p{i}" for i in range(Q * K)]
FOUND = Candidates(
    [f"q{i}" for i in range(Q)], [*IDS, "own"], torch.arange(Q * K).reshape(Q, K), torch.rand(Q, K),
    torch.ones(Q, K, dtype=torch.bool), [[Q * K]] * Q, torch.ones(Q, 1),
)  # fmt: skip
QUERIES = {f"q{i}": f"query <{i}>" for i in range(Q)}
CORPUS = {id: f"text of {id}" for id in (*IDS, "own")}
TRUTH = {f"q{i}": {IDS[i * K]: 3} for i in range(0, Q, 2)}  # every second query's first candidate is right


@pytest.fixture
def check():
    return spot_check(FOUND, QUERIES, CORPUS, TRUTH, num=12)


def test_each_stratum_gets_its_share_and_the_order_does_not_tell_the_rank(check):
    strata = [each.stratum for each in check.candidates]
    assert [strata.count(h) for h in range(4)] == [3, 3, 3, 3]
    assert strata != sorted(strata)
    assert check.sizes == [Q, 2 * Q, 7 * Q, 10 * Q]
    assert check.truth == pytest.approx(6 / (Q * K))
    assert all(each.right is (each.stratum == 0 and int(each.query[7:-1]) % 2 == 0) for each in check.candidates)


def test_a_reader_who_judges_as_the_truth_does_is_told_so(check):
    right = [each.right for each in check.candidates]
    told = check.told(right)
    assert "You judged 0 of 12 otherwise" in told
    assert "Truth: 0.025; your interval holds it" in told
    other = [not right[0], *right[1:]]
    assert "You judged 1 of 12 otherwise" in check.told(other)


def test_without_a_truth_the_rate_stands_alone():
    unknown = spot_check(FOUND, QUERIES, CORPUS, num=8)
    assert unknown.told([False] * 8).startswith("You: 0.000 of all candidates are right answers, interval [0.000,")
    assert "ruth" not in unknown.told([False] * 8)
    assert "Right answers" not in as_text(unknown)
    assert "Nobody knows yet." in as_html(unknown)


def test_without_a_kernel_each_candidate_unfolds_to_the_truth(check):
    page = as_html(check)
    assert page.count("<summary") == 1 + 12
    assert "query &lt;" in page
    assert page.count("It is an answer.") == sum(bool(each.right) for each in check.candidates)
    assert "<script" not in page


def test_in_a_terminal_it_is_text(capsys, monkeypatch):
    monkeypatch.setattr(judging, "in_notebook", lambda: False)
    judge_negatives(FOUND, QUERIES, CORPUS, TRUTH, num=4)
    assert "1. query <" in capsys.readouterr().out


def test_buttons_judge_one_after_the_other_step_back_and_end_in_the_verdict(check):
    pytest.importorskip("ipywidgets")
    shown, buttons, result = judging._widget(check).children
    yes, no, back = buttons.children
    assert back.disabled
    for each in check.candidates[:-1]:
        assert each.passage in shown.value
        (yes if each.right else no).click()
    back.click()
    assert check.candidates[-2].passage in shown.value
    for each in check.candidates[-2:]:
        (yes if each.right else no).click()
    assert check.told([each.right for each in check.candidates]) in result.value.replace("&#x27;", "'")
    assert (yes.disabled, no.disabled, back.disabled) == (True, True, False)


ASKED = {f"q{i}": f"query {i}" for i in range(6)}
FOUND_BY = {
    "BM25": {q: {"a": 3.0, "b": 2.0, "c": 1.0} for q in ASKED},
    "encoder": {q: {"d": 3.0, "a": 2.0, "c": 1.0} for q in ASKED},
}
PASSAGES = {p: f"passage {p}" for p in "abcd"}
ANSWERS = {"q0": {"d": 1}, "q1": {"d": 1, "a": 1}, "q2": {"b": 1}}  # the others have none


def test_hits_of_all_systems_stand_in_one_pool_and_nothing_tells_who_found_them():
    pool = pool_hits(FOUND_BY, ASKED, PASSAGES, k=2, num=4, truth=ANSWERS)
    assert len({hit.query_id for hit in pool.candidates}) == 4
    for query in pool.first["BM25"]:
        assert sorted(hit.passage_id for hit in pool.candidates if hit.query_id == query) == ["a", "b", "d"]
    asked = [hit.query_id for hit in pool.candidates]
    assert asked == sorted(asked, key=asked.index), "the hits of a query stand together"
    orders = {
        tuple(hit.passage_id for hit in pool_hits(FOUND_BY, ASKED, PASSAGES, 2, 1, seed=seed).candidates)
        for seed in range(12)
    }
    assert len(orders) > 1, "the order tells who found what"


def test_precision_and_its_difference_come_from_the_judgements():
    pool = pool_hits(FOUND_BY, ASKED, PASSAGES, k=2, num=6, truth=ANSWERS)
    said = [hit.right for hit in pool.candidates]
    values = pool.precision(said)
    by_query = {q: (values["BM25"][i], values["encoder"][i]) for i, q in enumerate(pool.first["BM25"])}
    assert by_query == {"q0": (0, 0.5), "q1": (0.5, 1.0), "q2": (0.5, 0), "q3": (0, 0), "q4": (0, 0), "q5": (0, 0)}
    told = pool.told(said)
    assert "BM25 0.167 [" in told
    assert "encoder minus BM25 0.083 [" in told
    assert "6 queries. So few tell large differences only. By the truth: +0.083. You judged 0 of 18 otherwise" in told
    alone = pool_hits(FOUND_BY, ASKED, PASSAGES, k=2, num=6)
    assert "truth" not in alone.told(said)
    np.testing.assert_array_equal(alone.precision([True] * 18)["BM25"], np.ones(6))


def test_one_system_or_a_query_without_hits_is_refused():
    with pytest.raises(ValueError, match="two systems or more to compare, got 1"):
        pool_hits({"BM25": FOUND_BY["BM25"]}, ASKED, PASSAGES)
    with pytest.raises(ValueError, match="encoder has no hits for query 'q"):
        pool_hits({**FOUND_BY, "encoder": {}}, ASKED, PASSAGES)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        pool_hits(FOUND_BY, ASKED, PASSAGES, k=0)


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed, in order."""
    pytest.importorskip("ipywidgets")
    display = pytest.importorskip("IPython.display")
    found = []
    monkeypatch.setattr(judging, "in_notebook", lambda: True)
    monkeypatch.setattr(judging, "is_live", lambda: True)
    monkeypatch.setattr(display, "display", lambda *things, **_: found.extend(things))
    return found


def test_judgements_are_kept_at_once_and_nothing_is_asked_twice(shown, tmp_path):
    path = tmp_path / "judged.json"
    path.write_text(json.dumps({"another query": {"p": 1}}), "utf-8")

    def open_again(k):
        judge_hits(FOUND_BY, ASKED, PASSAGES, k=k, num=2, keep=path)
        page, (yes, no, back) = shown[-1].children[0], shown[-1].children[1].children
        return page, yes, no, back

    page, yes, no, back = open_again(2)
    yes.click()
    no.click()
    yes.click()
    back.click()
    kept = json.loads(path.read_text("utf-8"))
    assert kept.pop("another query") == {"p": 1}
    assert sorted(grade for of_query in kept.values() for grade in of_query.values() if grade is not None) == [0, 1]
    page, yes, no, back = open_again(2)
    assert page.value.startswith('<p style="line-height: 1.45">3 of 6')
    for _ in range(4):
        yes.click()
    assert yes.disabled
    done = json.loads(path.read_text("utf-8"))
    assert sum(len(of_query) for of_query in done.values()) == 1 + 6
    open_again(1)
    assert json.loads(path.read_text("utf-8")) == done, "fewer hits of the same systems are known already"
    assert "Precision@1" in shown[-1].children[2].value


@pytest.mark.parametrize("text", ["not yet", "[1, 2]", '{"a query": 1}'])
def test_a_file_that_holds_no_judgements_is_left_alone(text, tmp_path):
    (tmp_path / "notes.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"notes\.json holds no judgements.*; give `keep` another name"):
        judge_hits(FOUND_BY, ASKED, PASSAGES, keep=tmp_path / "notes.json")
    assert (tmp_path / "notes.json").read_text("utf-8") == text
