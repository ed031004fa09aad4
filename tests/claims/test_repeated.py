"""A record that is measured again: was it met, and what another machine found stands beside it."""

import pytest

from workbook.__main__ import main
from workbook.claims import CLAIMS, Claim, Interval, Verdict, record
from workbook.claims.repeated import Repeated, compared


def claim(value=0.1):
    def measure(budget, seeds):
        return {"gain": [value, value - 0.05, value + 0.05]}

    def decide(measurements):
        low = measurements["gain"][1]
        return Verdict("holds" if low > 0 else "misleading", "…", (Interval("gain", *measurements["gain"]),))

    return Claim(900, "00", "It helps.", "holds above 0", measure, decide)


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A record of claim 900 in a folder of its own."""
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    CLAIMS[next(iter(CLAIMS))]  # read the others first
    monkeypatch.setitem(CLAIMS._by_id, 900, claim())
    record.write_record(record.run_record(claim()))
    return monkeypatch


@pytest.mark.parametrize(
    ("value", "words"), [(0.12, "inside"), (0.18, "near, the intervals overlap"), (0.4, "APART"), (-0.2, "APART")]
)
def test_a_run_is_held_against_verdict_and_intervals(value, words):
    here = claim().decide(claim(value).measure("record", (0,)))
    lines = compared(here, "holds", (Interval("gain", 0.1, 0.05, 0.15), Interval("another", 0.1, 0.05, 0.15)))
    assert ("NOT met" in lines[0]) == (value < 0)
    assert words in lines[1]
    assert len(lines) == 2


def test_intervals_of_other_names_are_not_compared():
    told = compared(Verdict("holds", "…"), "holds", (Interval("gain", 0.1, 0.05, 0.15),))
    assert "none of the record's intervals" in told[1]


def test_the_command_says_whether_the_record_was_met_and_leaves_it(committed, capsys):
    before = record.record_path(900).read_bytes()
    assert main(["claims", "run", "900"]) == 0
    assert "the record's verdict is met: holds there, holds here" in capsys.readouterr().out
    committed.setitem(CLAIMS._by_id, 900, claim(-0.1))
    main(["claims", "run", "900"])
    assert "NOT met" in capsys.readouterr().out
    assert record.record_path(900).read_bytes() == before


def test_another_machine_stands_beside_the_record(committed, capsys):
    first = record.read_record(900)
    committed.setitem(CLAIMS._by_id, 900, claim(0.2))
    assert main(["claims", "run", "900", "--append"]) == 0
    after = record.read_record(900)
    assert (after.measurements, after.verdict, after.date) == (first.measurements, first.verdict, first.date)
    (repeated,) = after.repeated
    assert isinstance(repeated, Repeated)
    assert repeated.intervals == (Interval("gain", 0.2, pytest.approx(0.15), pytest.approx(0.25)),)
    assert repeated.hardware["cores"] >= 1
    assert "holds" in repeated.told()
    main(["claims", "run", "900", "--append"])
    assert len(record.read_record(900).repeated) == 2


def test_there_is_nothing_to_append_to_without_a_record(committed, capsys):
    record.record_path(900).unlink()
    assert main(["claims", "run", "900", "--append"]) == 2
    assert "make one with --record" in capsys.readouterr().err
