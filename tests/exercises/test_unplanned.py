"""The set of answers that nobody planned for: its form always, what the checks say to it in the slow run."""

import pytest

from tests.exercises import unplanned
from workbook.exercises import EXERCISES

TOLD = 0.95


@pytest.mark.parametrize("half", unplanned.HALVES)
def test_the_set_is_large_and_labelled(half):
    answers = unplanned.answers(half)
    wrong = [a for a in answers if not a.right]
    assert len(wrong) >= 150
    assert len(answers) - len(wrong) >= 40
    assert {a.exercise for a in wrong} <= set(EXERCISES)
    for answer in wrong:
        assert answer.cause
        assert answer.told
        assert answer.lines
        assert max(answer.lines) <= answer.code.strip("\n").count("\n") + 1
    for answer in answers:
        assert callable(unplanned.function(answer))


@pytest.mark.slow
@pytest.mark.parametrize("half", unplanned.HALVES)
def test_nothing_wrong_is_accepted_nothing_right_is_rejected_and_most_causes_are_told(half):
    outcomes = [unplanned.outcome(answer) for answer in unplanned.answers(half)]
    assert [o.answer.cause for o in outcomes if o.what in ("accepted", "rejected")] == []
    assert unplanned.share(outcomes) >= TOLD
