"""The learner's own commands: what they say and how they end. The stages are tested in tests/pipeline."""

import os
import subprocess
import sys

import pytest

from workbook.__main__ import _parser, main
from workbook.book import notebooks
from workbook.book.learner import reset, start
from workbook.exercises import EXERCISES


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
        (["notebooks", "99"], 2, "no chapter 99; there are 00_start_here"),
        pytest.param(["claims", "run", "999"], 2, "name claims out of 1, 2", marks=pytest.mark.slow),  # imports much
    ],
)
def test_what_does_not_exist_is_told_in_a_line(learn, capsys, arguments, status, words):
    assert main(arguments) == status
    said = capsys.readouterr().err
    assert said.startswith(f"workbook: {words}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["notebooks", "77"], ["reset", "77"]])
def test_a_number_is_looked_at_before_anything_is_installed(learn, monkeypatch, capsys, arguments):
    monkeypatch.setattr("workbook.book.environment.ensure", lambda extras: pytest.fail("installs"))
    assert main(arguments) == 2
    assert "no chapter" in capsys.readouterr().err


def in_one_line(capsys):
    said = capsys.readouterr().err
    assert said.startswith("workbook: ")
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize("command", [["start"], ["lab", "--no-browser"]])
def test_a_broken_file_among_the_chapters_is_told_in_a_line(learn, tmp_path, monkeypatch, capsys, command):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/00_start_here.ipynb").write_text('{"cells": [')
    monkeypatch.setattr("workbook.book.learner.start.__defaults__", (tmp_path / "broken",))
    assert main(command) == 1
    assert "00_start_here.ipynb cannot be made into a learner's edition" in in_one_line(capsys)


def test_a_file_where_the_learners_folder_should_be_is_told_in_a_line(learn, capsys):
    learn.write_text("mine")
    assert main(["start"]) == 1
    assert "learn is a file" in in_one_line(capsys)
    assert learn.read_text() == "mine"


def test_a_cut_notebook_is_named_and_nothing_of_it_is_lost(learn):
    start(learn)
    cut, saved = learn / "02_pooling.ipynb", learn / ".ipynb_checkpoints/02_pooling-checkpoint.ipynb"
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    (line,) = start(learn)
    assert line.startswith("02_pooling.ipynb is cut off or damaged")
    assert "python -m workbook reset 02" in line
    assert "checkpoint" not in line
    assert cut.read_bytes() == whole[: len(whole) // 2]
    saved.parent.mkdir()
    saved.write_bytes(whole)
    (line,) = start(learn)
    assert ".ipynb_checkpoints/02_pooling-checkpoint.ipynb" in line
    assert reset("02", learn) == "02_pooling.ipynb is as new; your own is kept as 02_pooling.kept.ipynb"
    assert (learn / "02_pooling.kept.ipynb").read_bytes() == whole[: len(whole) // 2]
    assert start(learn) == []


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


def test_progress_lists_every_exercise_that_a_notebook_holds(learn, capsys, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LIVE", "0")
    assert main(["progress"]) == 0
    told = capsys.readouterr().out
    assert "Chapter 00: 0 of 5 done" in told
    built = {path.name[:2] for path in notebooks.NOTEBOOKS.glob("*.ipynb")}
    there = [id for id in EXERCISES if id[:2] in built]
    assert told.count("○ not started") == len(there)
    assert all(f" {id} " in told for id in there)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_a_reader_that_stops_early_is_no_error(learn):
    command = [sys.executable, "-c", "from workbook.__main__ import main; main(['claims'])"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(60)
