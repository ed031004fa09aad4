"""How messages look, and the help that is offered below them."""

import re

import ipywidgets as widgets
import pytest

from workbook.exercises import buttons, checking, predict, show


@pytest.fixture
def displayed(monkeypatch):
    """What is shown to a person in a notebook."""
    things = []
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    for module in (buttons, show):
        monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda thing, raw=False: things.append(thing))
    return things


def test_each_tone_has_its_own_colour_and_the_class_of_all_messages_none(monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    for tone, (_, light, dark) in show.TONES.items():
        page = show.as_html(tone, "title", [])
        classes = re.search(r'<div class="([^"]*)"', page)[1].split()
        assert f"workbook-{tone}" in classes
        (base,) = set(classes) - {f"workbook-{tone}"}
        assert base not in {f"workbook-{other}" for other in show.TONES}
        assert not re.search(rf"\.{base}[^{{]*{{ border-color", page)
        for theme, colour in (("", light), (r"\[data-jp-theme-light=false\] ", dark)):
            assert re.search(rf"^{theme}\.workbook-{tone} {{ border-color: {colour}", page, re.M) or (
                f".workbook-{tone} {{ border-color: {colour}" in page
            )


def press(box, name):
    (button,) = [each for each in box.children[0].children if each.description == name]
    button.click()


def test_an_answer_that_is_not_right_offers_hint_and_solution(chapter_99, displayed):
    id = chapter_99.EXERCISE.id
    checking.check(id, lambda *args: None)
    message, box = displayed
    assert "not right yet" in message["text/plain"]
    assert isinstance(box, widgets.VBox)
    press(box, "Hint")
    assert displayed[-1]["text/plain"].startswith("○ Hint 1 of 3")
    press(box, "Hint")
    assert displayed[-1]["text/plain"].startswith("○ Hint 2 of 3")
    press(box, "Solution")
    assert "Your answer is compared with" in displayed[-1]["text/plain"]


def test_a_right_answer_needs_no_help(chapter_99, displayed):
    checking.check(chapter_99.EXERCISE.id, chapter_99.EXERCISE.reference)
    (message,) = displayed
    assert "right" in message["text/plain"]


def test_a_build_shows_text_and_no_buttons(chapter_99, displayed, monkeypatch, capsys):
    monkeypatch.setenv("WORKBOOK_LIVE", "0")
    checking.check(chapter_99.EXERCISE.id, lambda *args: None)
    assert displayed == []
    assert "not right yet" in capsys.readouterr().out


@pytest.mark.parametrize("call", [checking.hint, checking.reveal, lambda id: checking.check(id, len), predict])
def test_an_unknown_number_is_told_in_one_sentence(call):
    with pytest.raises(KeyError) as caught:
        call("00.9")
    (line,) = caught.value._render_traceback_()
    assert line.startswith("no ")
    assert "'00.9'; did you mean" in line
