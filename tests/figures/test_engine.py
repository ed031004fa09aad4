import json

import pytest

from workbook.figures import engine, explore, show
from workbook.figures.engine import PLOTLY
from workbook.figures.theme import figure
from workbook.support.page import LIVE


def bars(height, points=1):
    return figure().add_bar(y=[height] * points)


@pytest.fixture
def displayed(monkeypatch):
    """What is shown in a notebook: mime bundles and widgets."""
    things = []
    monkeypatch.setattr(engine, "_display", lambda thing, raw=False: things.append(thing))
    monkeypatch.setattr(engine, "in_notebook", lambda: True)
    monkeypatch.setenv("WORKBOOK_LIVE", "0")
    return things


def test_a_stored_figure_holds_its_alternative_text(displayed):
    show(bars(1), alt="One bar,\n  one high.")
    (data,) = displayed
    assert data["text/plain"] == "Figure: One bar, one high."
    assert data[PLOTLY]["data"][0]["y"] == [1]
    json.dumps(data, allow_nan=False)


def test_a_stored_figure_to_explore_has_a_slider_and_its_alternative_text(displayed):
    explore(bars, alt="A bar that grows.", height=[1, 2])
    (data,) = displayed
    assert data["text/plain"] == "Figure: A bar that grows."
    assert len(data[PLOTLY]["layout"]["sliders"][0]["steps"]) == 2


def test_a_live_figure_shows_its_alternative_text(displayed, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    show(bars(1), alt="One <bar>.")
    assert "<p style='margin: 4px 0'>One &lt;bar&gt;.</p>" in displayed[1]["text/html"]
    explore(bars, alt="A bar that grows.", height=[1, 2])
    stored, live, words = displayed[2:]
    assert len(stored[PLOTLY]["layout"]["sliders"][0]["steps"]) == 2
    assert LIVE in live._dom_classes
    assert "A bar that grows." in words["text/html"]
    assert LIVE in words["text/html"]  # the rule that lets the stored one step back


def with_words(height):
    return figure(alt="A bar from 0 to 2.", notice="Does it grow?").add_bar(y=[height])


def test_a_figure_brings_its_own_words(displayed):
    show(with_words(1))
    explore(with_words, height=[1, 2])
    for data in displayed:
        assert data["text/plain"] == "Figure: A bar from 0 to 2.\nWhat to notice: Does it grow?"
        assert "meta" not in data[PLOTLY]["layout"]  # once is enough


def test_live_what_to_notice_stays_folded_until_it_is_asked_for(displayed, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    explore(with_words, height=[1, 2])
    told = displayed[-1]["text/html"]
    assert "<details style" in told
    assert told.index("</summary>") < told.index("Does it grow?")


def test_outside_a_notebook_the_alternative_text_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(engine, "in_notebook", lambda: False)
    explore(bars, alt="A bar that grows.", height=[1, 2])
    assert capsys.readouterr().out == "Figure: A bar that grows.\n"


def test_what_was_left_out_is_said(displayed):
    explore(bars, alt="A bar.", height=range(50))
    explore(bars, alt="A bar.", height=range(8), points=[15_000])
    assert displayed[0]["text/plain"] == (
        "Figure: A bar. Stored are 40 of 50 combinations; run the cell to choose among all."
    )
    assert "of 8 combinations; run the cell" in displayed[1]["text/plain"]
    for data in displayed:
        assert len(json.dumps(data)) < 300_000


def test_live_all_can_be_chosen(displayed, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    explore(bars, alt="A bar.", height=range(50))
    assert len(displayed[1].children[0].options) == 50


def test_live_values_that_fail_are_told_in_the_panel(displayed, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "1")

    def fails(height):
        if height > 1:
            raise ValueError("too high")
        return bars(height)

    explore(fails, alt="A bar.", height=[1, 2])
    stored, live, _ = displayed
    assert "sliders" not in stored[PLOTLY]["layout"]
    live.children[0].index = 1
    assert "too high" in live.children[-1].value


@pytest.mark.parametrize("live", ["0", "1"])
@pytest.mark.parametrize("alt", ["", "  \n"])
def test_an_empty_alternative_text_is_an_error(displayed, monkeypatch, alt, live):
    monkeypatch.setenv("WORKBOOK_LIVE", live)
    with pytest.raises(ValueError, match="alt is empty"):
        show(bars(1), alt=alt)
    with pytest.raises(ValueError, match="alt is empty"):
        explore(bars, alt=alt, height=[1])
    assert displayed == []


@pytest.mark.parametrize("live", ["0", "1"])
def test_parameters_without_values_are_an_error(displayed, monkeypatch, live):
    monkeypatch.setenv("WORKBOOK_LIVE", live)
    with pytest.raises(ValueError, match="height must be a list with at least one value"):
        explore(bars, alt="A bar.", height=[])
    with pytest.raises(ValueError, match="at least one parameter"):
        explore(bars, alt="A bar.")


def test_no_figure_is_an_error():
    with pytest.raises(TypeError, match="show needs a plotly Figure, got NoneType"):
        show(None, alt="Nothing.")
    with pytest.raises(TypeError, match="does it end with return"):
        explore(lambda height: None, alt="Nothing.", height=[1])


def test_a_draw_that_is_too_large_alone_is_an_error():
    with pytest.raises(ValueError, match="give fewer points"):
        explore(bars, alt="A bar.", height=[1, 2], points=[120_000])


def test_a_play_button_is_stored_with_frames(displayed):
    explore(lambda h: bars(h).update_yaxes(range=[0, 3]), alt="A bar that grows.", play=True, h=[1, 2, 3])
    assert len(displayed[0][PLOTLY]["frames"]) == 3
