"""A file is whole or not there."""

import os
from pathlib import Path

import pytest

from workbook.files import replace_folder, write_atomically, write_json


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
    with pytest.raises(OSError, match="No space left"):
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
