"""The card of a claim: one text for all, with intervals that a reader can see."""

import re

import pytest

from tests.claims.test_engine import make_claim
from workbook.claims import card
from workbook.claims.card import LINE, WIDTH, drawn, show_card
from workbook.claims.claim import Interval, Verdict


def axis(line):
    return re.search(r"[━·●╋┊]+", line)[0]


def test_intervals_share_one_scale_with_zero_in_the_middle():
    above, across, scale = drawn([Interval("A", 0.3, 0.2, 0.4), Interval("longer", 0.0, -0.1, 0.1)])
    assert len(axis(above)) == WIDTH
    assert axis(above)[WIDTH // 2] == "┊"  # 0 lies outside
    assert axis(above).index("●") == 26
    assert axis(above).count("━") == 8
    assert axis(across)[WIDTH // 2] == "●"
    assert "-0.40" in scale
    assert "+0.40" in scale


def test_an_interval_that_begins_just_above_zero_does_not_cross_it():
    line, *_ = drawn([Interval("A", 0.1, 0.004, 0.2), Interval("far", 0.9, 0.8, 1.0)])
    assert axis(line)[WIDTH // 2] == "┊"


@pytest.mark.parametrize("letters", [40, 43, 48, 56])
def test_a_long_name_leaves_an_interval_less_room(letters):
    *lines, scale = drawn([Interval("n" * letters, 0.3, 0.2, 0.4), Interval("A", -0.1, -0.2, 0.0)])
    assert {len(line) for line in lines} <= {LINE - 1, LINE}
    assert len(axis(lines[0])) % 2 == 1
    assert axis(lines[0])[len(axis(lines[0])) // 2] == "┊"
    assert len(scale) <= LINE


def test_zero_inside_an_interval_is_marked():
    (line, _) = drawn([Interval("A", 0.1, -0.1, 0.3)])
    assert axis(line)[WIDTH // 2] == "╋"
    assert line.endswith("+0.100 [-0.100, +0.300]")


def test_nothing_is_lost_where_everything_is_zero():
    assert "●" in drawn([Interval("A", 0.0, 0.0, 0.0)])[0]


@pytest.mark.parametrize(
    ("verdict", "mark"), [("holds", "✓"), ("depends", "○"), ("holds at scale only", "○"), ("misleading", "✗")]
)
def test_a_card_says_verdict_rule_and_command(capsys, verdict, mark):
    found = Verdict(verdict, "0.3 on 5 seeds", (Interval("A", 0.3, 0.2, 0.4),))
    show_card(make_claim(), found, "committed record, 5 seeds", "python -m workbook claims run 900 --record")
    told = capsys.readouterr().out
    assert told.startswith(f"{mark} Claim 900: {verdict} (committed record, 5 seeds)\n")
    for part in ("Two is more than one.", "mean over seeds", "measured: 0.3", "━●━", "claims run 900 --record"):
        assert part in told


def test_a_notebook_gets_html_with_the_same_text_beside_it(monkeypatch):
    shown = []
    monkeypatch.setattr(card, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_card(make_claim(), Verdict("holds", "lowest value 5"), "this run, seed 0")
    (data,) = shown
    assert data["text/plain"].startswith("✓ Claim 900: holds (this run, seed 0)")
    assert "<p>measured: lowest value 5</p>" in data["text/html"]
