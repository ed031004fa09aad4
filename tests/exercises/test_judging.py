"""The reader's own spot check: what is drawn, what is said of it, and that it can be used without a mouse and without a kernel."""

import pytest
import torch

from workbook.exercises import judging
from workbook.exercises.judging import as_html, as_text, judge_negatives, spot_check, verdict
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
    told = verdict(check, right)
    assert "You judged 0 of 12 otherwise" in told
    assert "Truth: 0.025; your interval holds it" in told
    other = [not right[0], *right[1:]]
    assert "You judged 1 of 12 otherwise" in verdict(check, other)


def test_without_a_truth_the_rate_stands_alone():
    unknown = spot_check(FOUND, QUERIES, CORPUS, num=8)
    assert verdict(unknown, [False] * 8).startswith("You: 0.000 of all candidates are right answers, interval [0.000,")
    assert "ruth" not in verdict(unknown, [False] * 8)
    assert "Right answers" not in as_text(unknown)
    assert "Nobody knows yet." in as_html(unknown)


def test_without_a_kernel_each_candidate_unfolds_to_the_truth(check):
    page = as_html(check)
    assert page.count("<summary") == 1 + 12
    assert "query &lt;" in page
    assert page.count("a false negative") == sum(bool(each.right) for each in check.candidates)
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
    assert verdict(check, [each.right for each in check.candidates]) in result.value.replace("&#x27;", "'")
    assert (yes.disabled, no.disabled, back.disabled) == (True, True, False)
