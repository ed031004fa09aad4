"""The claims engine: rules come before runs, records keep their conditions."""

import json

import pytest

import workbook.claims as claims
import workbook.claims.record as recording
from workbook.claims import CLAIMS, Claim, Verdict


def make_claim(**changes):
    fields = {
        "id": 900,
        "chapter": "00",
        "statement": "Two is more than one.",
        "rule": "holds when the mean over seeds is above 1",
        "measure": lambda budget, seeds: {"budget": budget, "values": [2.0 + seed for seed in seeds]},
        "decide": lambda m: Verdict(
            "holds" if min(m["values"]) > 1 else "misleading", f"lowest value {min(m['values'])}"
        ),
    }
    return Claim(**{**fields, **changes})


def test_a_verdict_is_one_of_four():
    with pytest.raises(ValueError, match="verdict must be one of"):
        Verdict("proven", "because")


def test_settle_prints_statement_rule_and_verdict(monkeypatch, capsys):
    monkeypatch.setattr(claims, "CLAIMS", {900: make_claim()})
    assert claims.settle(900, seed=3) == Verdict("holds", "lowest value 5.0")
    printed = capsys.readouterr().out
    for expected in (
        "Two is more than one.",
        "mean over seeds is above 1",
        "Claim 900: holds (this run, seed 3)",
        "measured: lowest value 5.0",
    ):
        assert expected in printed


def test_settle_refuses_an_unknown_claim_and_budget():
    with pytest.raises(KeyError, match="no claim 4711; there are 1, "):
        claims.settle(4711)
    with pytest.raises(ValueError, match='"notebook" or "record"'):
        claims.settle(9, budget="huge")


def test_a_verdict_may_go_against_the_claim(monkeypatch):
    against = make_claim(measure=lambda budget, seeds: {"values": [0.0]})
    monkeypatch.setattr(claims, "CLAIMS", {900: against})
    assert claims.settle(900).verdict == "misleading"


def test_a_record_keeps_its_conditions_and_can_be_replayed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    monkeypatch.setattr(claims, "CLAIMS", {900: make_claim()})
    result = recording.run_record(make_claim(), seeds=(0, 1))
    recording.write_record(result)
    assert recording.read_record(900) == result
    assert result.measurements == {"budget": "record", "values": [2.0, 3.0]}
    assert set(result.hardware) >= {"processor", "cores", "memory_gib", "accelerator"}
    assert "torch" in result.versions
    assert claims.settle(900, budget="record").verdict == "holds"
    assert result.command in capsys.readouterr().out


def test_where_nothing_is_drawn_by_chance_a_card_counts_no_seeds(capsys):
    claims.settle(48, budget="record")
    assert "Claim 48: depends (committed record)" in capsys.readouterr().out


def test_a_damaged_record_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    recording.record_path(900).write_text('{"claim": 900')
    with pytest.raises(ValueError, match=r"claim_900\.json is not a record.*restore it with git"):
        recording.read_record(900)


SETTLED = (*range(1, 31), *range(32, 38), 47, 48, 49, 54, 55, 57, 66, 67, 68, 71, 72, 73, 74, 75)


def test_the_claims_of_the_written_chapters_are_there():
    assert set(SETTLED) <= set(CLAIMS)


@pytest.mark.parametrize("id", SETTLED)
def test_the_committed_record_follows_from_its_measurements(id):
    claim, committed = CLAIMS[id], recording.read_record(id)
    assert committed is not None, f"claim {id} has no record; run: python -m workbook claims run {id} --record"
    assert (committed.statement, committed.rule) == (claim.statement, claim.rule), (
        "the record was made for another rule"
    )
    verdict = claim.decide(json.loads(json.dumps(committed.measurements)))
    assert (verdict.verdict, verdict.because) == (committed.verdict, committed.because)
    assert len(committed.seeds) >= 2
    assert committed.command == f"python -m workbook claims run {id} --record"


def test_each_record_has_the_intervals_of_its_sentence():
    for id, lines in ((1, 4), (3, 1), (4, 2), (5, 1), (10, 2), (7, 0)):
        verdict = claims.settle(id, budget="record")
        assert len(verdict.intervals) == lines
        assert all(each.low <= each.value <= each.high for each in verdict.intervals)
