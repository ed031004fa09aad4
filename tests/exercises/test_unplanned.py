"""The set of answers that nobody planned for: its form always, what the checks say to it in the slow run."""

import pytest

from tests.exercises import unplanned
from workbook.exercises import EXERCISES

# A ratchet; every third answer is a small sample. All of them, on 30 November 2026, before anyone had read what the sealed
# ones are told: sealed 96.4 %, nothing accepted, nothing right rejected. The goal is 95 %.
TOLD = {"open": 0.97, "sealed": 0.92, "new": 0.85}
ACCEPTED = {"open": 0, "sealed": 0, "new": 0}


@pytest.mark.parametrize("part", unplanned.PARTS)
def test_the_set_is_large_and_labelled(part):
    answers = unplanned.answers(part)
    wrong = [a for a in answers if not a.right]
    assert len(wrong) >= 75
    assert len(answers) - len(wrong) >= 15
    assert {a.exercise for a in wrong} <= set(EXERCISES)
    for answer in wrong:
        assert answer.cause
        assert answer.told
        assert answer.lines or part == "new"
        assert max(answer.lines, default=0) <= answer.code.strip("\n").count("\n") + 1
    for answer in answers:
        assert callable(unplanned.function(answer))


@pytest.mark.slow
@pytest.mark.parametrize("part", unplanned.PARTS)
def test_few_wrong_are_accepted_no_right_is_rejected_and_most_causes_are_told(part):
    """Every third answer, of the many open ones every sixth; `python -m tests.exercises.unplanned` takes them all."""
    outcomes = [unplanned.outcome(answer) for answer in unplanned.answers(part)[:: 6 if part == "open" else 3]]
    assert [o.answer.cause for o in outcomes if o.what == "rejected"] == []
    assert sum(o.what == "accepted" for o in outcomes) <= ACCEPTED[part]
    assert unplanned.share(outcomes) >= TOLD[part]
