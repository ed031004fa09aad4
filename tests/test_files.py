"""A file is whole or not there."""

import os

import pytest

from workbook.files import write_atomically, write_json


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
