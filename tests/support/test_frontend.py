"""What a person sees and a stored notebook does not."""

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
