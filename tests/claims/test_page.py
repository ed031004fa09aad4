"""The board as a page: a card for each claim, intervals to scale, a filter by verdict, nothing beside itself."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from workbook.__main__ import main
from workbook.claims import CLAIMS, read_record
from workbook.claims import page as board
from workbook.claims.claim import Interval


def test_every_claim_has_one_card_with_the_verdict_of_its_record():
    html = board.page(CLAIMS.values())
    cards = {int(id): verdict for verdict, id in re.findall(r'<article class="([\w-]+)" id="claim-(\d+)">', html)}
    assert list(cards) == list(CLAIMS)
    for id, verdict in cards.items():
        record = read_record(id)
        assert verdict == (record.verdict if record else board.NO_RECORD).replace(" ", "-")
        if record:
            assert record.because.split()[0] in html


def test_the_filter_counts_and_hides_by_verdict():
    html = board.page(CLAIMS.values())
    assert f"all {len(CLAIMS)}" in html
    for verdict in re.findall(r'<article class="([\w-]+)"', html):
        assert f"body:has(#{verdict}:checked) article:not(.{verdict})" in html
        assert f'id="{verdict}"' in html
    assert not re.search(r"<script|<link|https?://", html.replace("http://www.w3.org", ""))


def test_intervals_stand_on_one_scale_with_their_ends_and_the_zero():
    svg = ElementTree.fromstring(board.drawing([Interval("a <b>", 0.1, 0.0, 0.2), Interval("c", -0.1, -0.2, 0.0)]))
    zero, *bars = svg.findall("line")
    (left, right), (dots) = [(float(b.get("x1")), float(b.get("x2"))) for b in bars], svg.findall("circle")
    assert float(zero.get("x1")) == left[0] == right[1] == board.WIDTH / 2
    assert left[1] == board.WIDTH - 10
    assert right[0] == 10
    assert float(dots[0].get("cx")) == (left[0] + left[1]) / 2
    assert "a <b> +0.100, from +0.000 to +0.200" in svg.get("aria-label")


def test_what_a_claim_says_is_text_and_no_markup():
    claim = replace(next(iter(CLAIMS.values())), statement="<b>1 < 2 & 3</b>")
    assert "&lt;b&gt;1 &lt; 2 &amp; 3&lt;/b&gt;" in board.page([claim])


def test_the_command_writes_the_page(tmp_path, capsys):
    wanted = tmp_path / "new" / "board.html"
    assert main(["claims", "--html", str(wanted)]) == 0
    assert wanted.read_text("utf-8").startswith("<!doctype html>")
    assert "board.html" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["run", "2", "--html"], ["--record"], ["list", "--append"]])
def test_what_does_not_belong_together_is_refused(arguments, capsys):
    assert main(["claims", *arguments]) == 2
    assert "--html belongs to the list" in capsys.readouterr().err
