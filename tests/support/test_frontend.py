"""What a person sees and a stored notebook does not."""

import re

import pytest

from workbook.support import frontend


@pytest.mark.parametrize("live", [True, False])
def test_clocks_are_for_persons(monkeypatch, capsys, live):
    monkeypatch.setenv("WORKBOOK_LIVE", "1" if live else "0")
    with frontend.stopwatch("training"):
        pass
    assert ("training: " in capsys.readouterr().out) == live


def test_jupyterlab_is_live_and_a_build_is_not(monkeypatch):
    monkeypatch.delenv("WORKBOOK_LIVE", raising=False)
    monkeypatch.setattr(frontend.sys.stderr, "isatty", lambda: False, raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not frontend.is_live()
    monkeypatch.setenv("JPY_SESSION_NAME", "04_infonce.ipynb")
    assert frontend.is_live()


@pytest.mark.parametrize("live", ["0", "1"])
def test_track_passes_everything_on(monkeypatch, live, capsys):
    monkeypatch.setenv("WORKBOOK_LIVE", live)
    monkeypatch.setattr(frontend, "in_notebook", lambda: False)
    assert list(frontend.track(iter("abc"), total=3, label="steps")) == ["a", "b", "c"]
    assert bool(capsys.readouterr().err) == (live == "1")


def test_a_quick_run_takes_a_fraction_of_the_steps(monkeypatch):
    monkeypatch.delenv("WORKBOOK_STEP_DIVISOR", raising=False)
    assert frontend.budgeted(300) == 300
    monkeypatch.setenv("WORKBOOK_STEP_DIVISOR", "20")
    assert frontend.budgeted(300) == 15
    assert frontend.budgeted(7) == 1
    monkeypatch.setenv("WORKBOOK_STEP_DIVISOR", "none")
    with pytest.raises(ValueError, match="must be a positive integer, got 'none'"):
        frontend.budgeted(300)


class Place:
    """Where IPython shows something that can be changed later."""

    def __init__(self):
        self.states = []

    def update(self, data, raw):
        self.states.append(data)


@pytest.fixture
def place(monkeypatch):
    place = Place()

    def display(data, raw, display_id):
        place.update(data, raw)
        return place

    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    monkeypatch.setattr(frontend, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    return place


def test_a_bar_in_a_notebook_leaves_a_line_of_text(place, monkeypatch):
    monkeypatch.setattr(frontend, "EACH", 0)
    assert list(frontend.track("abc", label="training")) == ["a", "b", "c"]
    *during, after = place.states
    assert [re.search(r'<progress value="\d" max="3">', state["text/html"])[0][17:18] for state in during] == [
        "1",
        "2",
        "3",
    ]
    assert after == {"text/plain": "training: 3 of 3, 0 s"}


def test_a_bar_that_is_broken_off_leaves_its_text_too(place, monkeypatch):
    monkeypatch.setattr(frontend, "EACH", 0)
    for item in frontend.track(iter(range(10))):
        if item == 2:
            break
    assert place.states[-1]["text/plain"].startswith("done: ")


def test_what_is_done_in_a_moment_needs_no_bar(place):
    assert list(frontend.track("abc")) == ["a", "b", "c"]
    assert place.states == []
