"""The stages as commands: what they print, when they show progress, and one line for each mistake."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from workbook import pipeline
from workbook.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(capfd):
    def run(*words):
        status = main([str(word) for word in words])
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


@pytest.mark.slow
def test_from_toy_to_the_next_model(command, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    small = ("--dimensions", 16, "--vocab-size", 300, "--steps", 20, "--batch-size", 16)
    lines = [
        ("data", first, "toy"),
        ("train", first, "--split", "dev", *small),
        ("encode", first, "--processes", 1),
        ("index", first, "--kind", "flat"),
        ("search", first, "dev", "--processes", 1),
        ("search", first, "test", "--processes", 1, "--exact"),
        ("evaluate", first, "test", "--exact"),
        ("mine", first, "dev", "--processes", 1),
        ("data", second, first),
        (
            "train",
            second,
            "--split",
            "dev",
            "--encoder",
            first / "model",
            "--negatives",
            first / "negatives/dev",
            *small,
        ),
        ("encode", second, "--processes", 1),
    ]
    for words in lines:
        status, out, err = command(*words)
        assert (status, err) == (0, "")  # nothing but what was made: no bar where nobody looks
        assert re.search(r"\d\.\d s; .*manifest\.json\n$", out)
        if words[0] == "evaluate":
            assert re.search(r"ndcg@10 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "WORK"], r"WORK/data is not there; run `python -m workbook data WORK SOURCE` first"),
        (["data", "WORK", "nosuch"], r"no collection and no folder 'nosuch'"),
        (["data", "FILE", "toy"], r"expected a work folder, but FILE is a file; give another name"),
        (["data", "WORK", "toy", "--passages", "3"], r"only planted takes passages, 'toy' does not"),
        (["data", "WORK", "EMPTY"], r"EMPTY is in no layout that is known here"),
        (["data", "WORK", "SCORES"], r"holds SimilaritySet, and no passages to search"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(command, tmp_path, words, said):
    places = {"WORK": tmp_path / "work", "FILE": tmp_path / "file", "EMPTY": tmp_path / "empty"}
    places["FILE"].write_text("mine")
    places["EMPTY"].mkdir()
    places["SCORES"] = tmp_path / "scores.tsv"
    places["SCORES"].write_text("split\tscore\tsentence1\tsentence2\ntest\t1.0\ta\tb\n")
    status, out, err = command(*(places.get(word, word) for word in words))
    assert status == 1
    assert out == ""
    for name, place in places.items():
        err = err.replace(str(place), name)
    assert re.match(f"workbook: .*{said}", err)
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.json"))
    assert places["FILE"].read_text() == "mine"


def test_a_wrong_option_is_told_by_its_name(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["search", "work", "--prbes", "3"])
    assert stopped.value.code == 2
    assert "--prbes" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_a_message(command, tmp_path):
    pipeline.data(tmp_path, "toy")
    status, _, err = command("train", tmp_path, "--split", "test", "--lr", "1e30", "--steps", 9, "--dimensions", 16)
    assert status == 1
    assert re.match(r"workbook: the loss is .*\n$", err)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_a_terminal_sees_one_bar_with_the_time_left(tmp_path):
    """As many as there are steps, not two bars for one training; and none with --quiet."""
    import fcntl
    import pty
    import struct
    import termios

    pipeline.data(tmp_path, "toy")
    words = ["train", str(tmp_path), "--split", "test", "--steps", "40", "--dimensions", "16", "--anew"]

    def seen(words):
        terminal, inside = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name != "WORKBOOK_LIVE"}
        # A process of its own, not a fork: this one has threads, whose locks a fork would inherit locked.
        run = [sys.executable, "-m", "workbook", *words]
        child = subprocess.Popen(run, cwd=ROOT, env=environment, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        shown = b""
        with suppress(OSError):  # which is how a terminal ends on Linux
            while piece := os.read(terminal, 65_536):
                shown += piece
        os.close(terminal)
        assert child.wait() == 0, shown
        return shown.decode()

    shown = seen(words)
    assert re.search(r"training: +\d+%\|.*\d+/40 \[\d\d:\d\d<\d\d:\d\d", shown)
    assert "\x1b[A" not in shown  # a second bar below the first
    assert "training" not in seen([*words, "--quiet"])
