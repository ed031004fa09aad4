"""A file is whole or not there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbook.support.files import (
    inside,
    replace_folder,
    whole_file,
    write_atomically,
    write_json,
    write_npy,
    write_safetensors,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "deep/down/file.txt"
    write_atomically(path, "one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*file\.txt'$"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_json_ends_with_a_newline(tmp_path):
    write_json(tmp_path / "a.json", {"β": 1})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "β": 1\n}\n'


def save_model(folder, text):
    with replace_folder(folder, "model.json") as new:
        (new / "model.json").write_text(text)
        (new / "weights").write_text(text)


def test_a_folder_is_made_and_replaced(tmp_path):
    for text in ("one", "two"):
        save_model(tmp_path / "deep/model", text)
        assert {path.name: path.read_text() for path in (tmp_path / "deep/model").iterdir()} == {
            "model.json": text,
            "weights": text,
        }
    assert os.listdir(tmp_path / "deep") == ["model"]


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match=r"no model\.json; give a new folder"):
        save_model(tmp_path, "new")
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_folder_that_could_not_be_written_leaves_the_old_one(tmp_path):
    save_model(tmp_path / "model", "old")

    def fill_the_disk():
        with replace_folder(tmp_path / "model", "model.json") as new:
            (new / "model.json").write_text("new")
            raise OSError(28, "disk full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()
    assert (tmp_path / "model/weights").read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_that_cannot_take_its_name_puts_the_old_one_back(tmp_path, monkeypatch):
    save_model(tmp_path / "model", "old")
    rename = Path.rename

    def refuse(self, target):
        if self.name == "new":
            raise PermissionError("not here")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        save_model(tmp_path / "model", "new")
    assert (tmp_path / "model/weights").read_text() == "old"


def test_a_whole_file_takes_its_name_when_the_block_ends(tmp_path):
    with whole_file(tmp_path / "large") as temporary:
        temporary.write_text("one")
        assert [(name[:7], name[-4:]) for name in os.listdir(tmp_path)] == [(".large.", ".tmp")]
    assert (tmp_path / "large").read_text() == "one"
    assert os.listdir(tmp_path) == ["large"]


def test_two_that_write_the_same_file_at_once_do_not_mix(tmp_path):
    """As when a cluster takes a worker for lost and gives its task to another one, while it is still writing."""
    with whole_file(tmp_path / "large") as first:
        first.write_text("from the first")
        with whole_file(tmp_path / "large") as second:
            second.write_text("from the second, and longer")
        assert (tmp_path / "large").read_text() == "from the second, and longer"
    assert (tmp_path / "large").read_text() == "from the first"
    assert os.listdir(tmp_path) == ["large"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "large").write_text("old")

    def fail():
        with whole_file(tmp_path / "large") as new:
            new.write_text("ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"cannot write .*large: No space left.*run again"):
        fail()
    assert (tmp_path / "large").read_text() == "old"
    assert os.listdir(tmp_path) == ["large"]


@pytest.mark.parametrize(
    "array", [np.arange(12, dtype=np.float16).reshape(3, 4), np.empty((0, 5), np.int32), np.arange(8)[::2]], ids=str
)
def test_arrays_are_written_as_numpy_writes_them(tmp_path, array):
    write_npy(tmp_path / "ours.npy", array)
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_FSIZE as a disk that is full")
@pytest.mark.parametrize("limit", [100, 1_000, 2_000, 4_000])
def test_an_array_that_does_not_fit_on_the_disk_is_an_error_whatever_its_size(tmp_path, limit):
    """numpy.save leaves a short file without a word at some of these sizes."""
    script = (
        "import resource, signal, sys, numpy; from workbook.support.files import write_npy\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try: write_npy(sys.argv[1], numpy.arange(500))\n"
        "except OSError as error: print(error)\n"
    )
    run = [sys.executable, "-c", script, str(tmp_path / "array.npy")]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "cannot write" in said
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "a/b.txt", "./a", "", "..a", "a..b/..."])
def test_a_name_that_stays_in_its_folder(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path / name
    assert inside(tmp_path, name).resolve().is_relative_to(tmp_path.resolve())


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "a/..", "/etc/passwd", "C:/a", "..\\a", "a\0b", "//a"])
def test_a_name_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="would lead out of"):
        inside(tmp_path, name)


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_tensors_are_written_as_safetensors_writes_them_and_others_may_read_them(tmp_path):
    import torch
    from safetensors.torch import save_file

    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(1, dtype=torch.float16)}
    write_safetensors(tmp_path / "ours.safetensors", tensors, {"format": "pt"})
    save_file(tensors, tmp_path / "theirs.safetensors", {"format": "pt"})
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()
    assert (tmp_path / "ours.safetensors").stat().st_mode & 0o777 == 0o644
    with pytest.raises(OSError, match=r"cannot write .*not-there/x: No such file"):
        write_safetensors(tmp_path / "not-there/x", tensors)
