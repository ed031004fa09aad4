"""The learner's own commands: what they say and how they end. The stages are tested in tests/pipeline."""

import os
import subprocess
import sys

import pytest

from workbook.__main__ import _parser, main
from workbook.book.learner import start


@pytest.fixture
def learn(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LEARN", str(tmp_path / "learn"))
    monkeypatch.setattr("workbook.book.environment.ensure", lambda extras: sys.executable)
    return tmp_path / "learn"


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 0
    assert "progress" in capsys.readouterr().out


def test_every_command_has_a_line_of_help():
    (commands,) = _parser()._subparsers._group_actions
    assert {"lab", "start", "progress", "doctor", "reset", "claims", "test"} <= set(commands.choices)
    assert all(parser.description for parser in commands.choices.values())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["reset", "77", "--yes"], 2, "no chapter '77'; there are 00, 01"),
        (["notebooks", "99"], 1, "no chapter 99; there are 00_start_here"),
        pytest.param(["claims", "run", "999"], 2, "name claims out of 1, 2", marks=pytest.mark.slow),  # imports much
    ],
)
def test_what_does_not_exist_is_told_in_a_line(learn, capsys, arguments, status, words):
    assert main(arguments) == status
    said = capsys.readouterr().err
    assert said.startswith(f"workbook: {words}")
    assert len(said.splitlines()) == 1


def test_reset_asks_and_keeps_the_learners_own(learn, capsys, monkeypatch):
    start(learn)
    (learn / "02_pooling.ipynb").write_text("my work")
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert main(["reset", "02"]) == 0
    assert "02_pooling.ipynb stays as it is" in capsys.readouterr().out
    assert (learn / "02_pooling.ipynb").read_text() == "my work"
    assert main(["reset", "2", "--yes"]) == 0
    assert "your own is kept as 02_pooling.kept.ipynb" in capsys.readouterr().out
    assert (learn / "02_pooling.kept.ipynb").read_text() == "my work"


def test_reset_where_nobody_can_answer(learn, capsys, monkeypatch):
    start(learn)

    def nobody(question):
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    assert main(["reset", "02"]) == 1
    assert "add --yes" in capsys.readouterr().err


def test_progress_lists_every_exercise(learn, capsys, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "0")
    assert main(["progress"]) == 0
    told = capsys.readouterr().out
    assert "Chapter 00: 0 of 3 done" in told
    assert told.count("○ not started") == 27


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_a_reader_that_stops_early_is_no_error(learn):
    command = [sys.executable, "-c", "from workbook.__main__ import main; main(['claims'])"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(60)
