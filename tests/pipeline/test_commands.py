"""The stages as commands: what they print, when they show progress, and one line for each mistake."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers.small import collection
from workbook import pipeline
from workbook.__main__ import main
from workbook.pipeline.encoders import read_encoder
from workbook.zoo import minilm_from_wheel

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
            assert re.search(r"exact +0\.\d{3} \[0\.\d{3}, 0\.\d{3}\].*vectors, exact\n", out)


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


PATHS = {
    "data": ["work", "texts", "--add", "real"],
    "train": ["work", "--encoder", "model", "--negatives", "other/negatives/train"],
    "encode": ["work"],
    "index": ["work"],
    "search": ["work", "--rerank", "model"],
    "evaluate": ["work"],
    "mine": ["work"],
    "ask": ["work", "a question", "--rerank", "model"],
    "judge": ["work", "--rerank", "model"],
}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of the caller's, with one of the package's name in it; and an environment with another interpreter."""
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    (tmp_path / "here/workbook").mkdir(parents=True)
    (tmp_path / "here/workbook/__init__.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("workbook.pipeline.commands.extras", lambda: ("lab", "scale"))
    monkeypatch.setattr("workbook.book.environment.ensure", lambda extras: wrapper)
    return tmp_path / "here"


@pytest.mark.parametrize("name", PATHS)
def test_a_command_that_begins_again_stays_in_the_callers_folder(elsewhere, monkeypatch, name):
    begun = []
    monkeypatch.setattr(subprocess, "call", lambda run, **how: begun.append((run, how)) or 0)
    assert main([name, *PATHS[name]]) == 0
    ((run, how),) = begun
    assert run[-len(PATHS[name]) - 1 :] == [name, *PATHS[name]]
    assert "cwd" not in how
    assert how["env"]["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a script of the shell as interpreter")
def test_relative_paths_are_those_of_the_caller(command, elsewhere):
    small = collection(60)
    (elsewhere / "texts/qrels").mkdir(parents=True)
    for name, texts in (("corpus", small.corpus), ("queries", small.queries)):
        lines = [json.dumps({"_id": id, "text": text}) for id, text in texts.items()]
        (elsewhere / f"texts/{name}.jsonl").write_text("\n".join(lines))
    judged = [f"{id}\t{passage}\t1" for id in small.queries for passage in small.qrels[id]]
    (elsewhere / "texts/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged))
    (elsewhere / "texts/qrels/real.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged[:5]))
    pipeline.data("start", "texts")
    pipeline.train("start", split="test", dimensions=16, vocab_size=300, steps=2, batch_size=8)
    for words in (
        ["data", "work", "texts"],
        ["train", "work", "--encoder", "start/model", "--steps", "0"],
        ["encode", "work", "--processes", "1"],
        ["index", "work"],
        ["ask", "work", small.corpus["p7"], "-k", "1"],
    ):
        status, out, err = command(*words)
        assert (status, err) == (0, "")
    assert "1. p7" in out
    assert (elsewhere / "work/index/manifest.json").is_file()
    assert not (ROOT / "work").exists()


@pytest.mark.slow
@pytest.mark.skipif(minilm_from_wheel() is None, reason="the extra offline is not installed")
@pytest.mark.parametrize(("live", "words"), [("0", []), ("1", ["--quiet"])], ids=["pipe", "quiet"])
def test_no_bar_of_transformers_is_seen_where_ours_are_not(tmp_path, live, words):
    """Theirs is of the weights that are loaded."""
    pipeline.data(tmp_path / "work", collection(40))
    read_encoder("all-MiniLM-L6-v2").save(tmp_path / "minilm")
    pipeline.train(tmp_path / "work", encoder=str(tmp_path / "minilm"), steps=0)
    run = [sys.executable, "-m", "workbook", "encode", str(tmp_path / "work"), "--processes", "2", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WORKBOOK_LIVE": live}
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "%" not in done.stdout + done.stderr
