"""A stage is finished when its manifest is there, and refuses what does not belong together."""

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbook.pipeline.stage import check, finished, stage
from workbook.support.files import whole_file


def make(work, settings=None, inputs=None, content="x", **options):
    with stage(work, "made", settings or {"a": 1}, inputs or {"data": "f"}, **options) as run:
        if run.finished:
            return run.manifest
        with whole_file(run.folder / "file") as temporary:
            temporary.write_text(content)
        return run.finish({"told": 3})


def test_the_manifest_tells_what_was_made_from_what(tmp_path):
    manifest = make(tmp_path)
    assert manifest["settings"] == {"a": 1}
    assert manifest["inputs"] == {"data": "f"}
    assert manifest["told"] == 3
    assert {"python", "workbook", "torch"} <= manifest["versions"].keys()
    # The SHA-256 of "x".
    assert manifest["files"] == [
        {"file": "file", "bytes": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    ]
    assert finished(tmp_path, "made", "make") == manifest
    costs = json.loads((tmp_path / "costs/made.json").read_text())
    assert costs["wall_seconds"] >= 0
    assert not costs["resumed"]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["file", "manifest.json"]


def test_a_finished_stage_is_not_made_again_unless_asked(tmp_path):
    first = make(tmp_path)
    assert make(tmp_path, content="y") == first
    again = make(tmp_path, content="y", anew=True)
    assert again["fingerprint"] != first["fingerprint"]


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize(
    ("changed", "message"),
    [({"settings": {"a": 2}}, "a was 1 and is now 2"), ({"inputs": {"data": "g"}}, "data was 'f' and is now 'g'")],
)
def test_other_settings_and_inputs_are_refused_by_name(tmp_path, changed, message, ready):
    if ready:
        make(tmp_path)
    else:
        with stage(tmp_path, "made", {"a": 1}, {"data": "f"}):
            pass
    with pytest.raises(ValueError, match=f"was made differently: {message}.*--anew"):
        make(tmp_path, **changed)
    make(tmp_path, **changed, anew=True)


def test_an_unfinished_stage_of_other_versions_is_refused_and_a_finished_one_is_not(tmp_path, monkeypatch):
    with stage(tmp_path, "made", {"a": 1}, {"data": "f"}):
        pass
    monkeypatch.setattr("workbook.pipeline.stage.versions", lambda libraries: {"torch": "0.1"})
    with pytest.raises(ValueError, match=r"torch was '.*' and is now '0.1'"):
        make(tmp_path)
    monkeypatch.undo()
    whole = make(tmp_path)
    monkeypatch.setattr("workbook.pipeline.stage.versions", lambda libraries: {"torch": "0.1"})
    assert make(tmp_path) == whole


def test_an_unfinished_stage_is_not_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="made is not there; run `python -m workbook make"):
        finished(tmp_path, "made", "make")
    with stage(tmp_path, "made", {}, {}):
        pass
    with pytest.raises(FileNotFoundError, match="made is unfinished; run `python -m workbook make"):
        finished(tmp_path, "made", "make")


def test_files_of_somebody_else_are_left_alone(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds files that no stage has begun"):
        make(tmp_path)
    assert (tmp_path / "made/thesis.txt").read_text() == "years of work"


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    manifest = make(tmp_path)
    path = tmp_path / "made/file"
    path.write_text("z")
    with pytest.raises(ValueError, match=r"made.file is damaged: expected SHA-256 2d71.*run .*make .*--anew"):
        check(tmp_path, manifest, "file", "make")
    path.write_text("too long")
    with pytest.raises(ValueError, match=r"made.file is damaged: expected 1 bytes, got 8 bytes"):
        finished(tmp_path, "made", "make")
    path.unlink()
    with pytest.raises(ValueError, match="got no such file"):
        finished(tmp_path, "made", "make")


def test_two_processes_do_not_work_at_the_same_stage(tmp_path):
    script = (
        "import sys, time; from workbook.pipeline.stage import stage\n"
        "with stage(sys.argv[1], 'made', {}, {}): print('in', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(RuntimeError, match="another process is at made"), stage(tmp_path, "made", {}, {}):
            pass
        with stage(tmp_path, "another", {}, {}):
            pass
    finally:
        other.kill()
        other.wait()
    with stage(tmp_path, "made", {}, {}):  # the lock went with the process
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"cannot write into .*Permission denied; give a folder"):
        make(tmp_path / "locked")


def test_what_a_kill_leaves_of_a_removal_does_not_count_as_finished(tmp_path, monkeypatch):
    make(tmp_path)

    def killed(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbook.pipeline.stage.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, anew=True)
    with pytest.raises(FileNotFoundError, match="made is not there"):
        finished(tmp_path, "made", "make")


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_disk_without_locks_is_said_and_used(tmp_path, monkeypatch):
    """As Lustre is where it was mounted without -o flock."""

    def refuse(file, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.warns(UserWarning, match="falling back to SoftFileLock"):
        make(tmp_path)


def test_half_written_files_are_swept(tmp_path):
    with stage(tmp_path, "made", {"a": 1}, {"data": "f"}) as run:
        (run.folder / ".file.tmp").write_text("hal")
        (run.folder / ".manifest.json.abc.tmp").write_text("hal")
    make(tmp_path)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["file", "manifest.json"]


def test_costs_do_not_touch_the_manifest(tmp_path):
    make(tmp_path / "one")
    time.sleep(0.01)
    make(tmp_path / "two")
    one, two = ((tmp_path / name / "made/manifest.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_run_that_fails_before_it_made_anything_leaves_nothing(tmp_path):
    def fail(work, name=None):
        with stage(work, "made", {"a": 1}, {"data": "f"}) as run:
            if name:
                (run.folder / name).write_text("x")
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail(tmp_path / "one")
    assert not (tmp_path / "one/made").exists()
    make(tmp_path / "one", {"a": 2})  # other settings are no matter
    with pytest.raises(ValueError, match="wrong"):
        fail(tmp_path / "two", "file")
    assert (tmp_path / "two/made/file").exists()  # what was made is kept


def test_a_kill_while_the_old_is_removed_leaves_nothing_that_counts_as_whole(tmp_path, monkeypatch):
    make(tmp_path)

    def kill(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("workbook.pipeline.stage.shutil.rmtree", kill)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, anew=True)
    with pytest.raises(FileNotFoundError, match="is not there"):
        finished(tmp_path, "made", "make")
    with pytest.raises(ValueError, match="--anew to remove them"):
        make(tmp_path)
    make(tmp_path, anew=True)


def test_what_belongs_aside_is_removed_with_the_stage(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch/checkpoint").write_text("of other settings")
    with stage(tmp_path, "made", {}, {}, anew=True, aside="scratch"):
        assert not (tmp_path / "scratch").exists()


def test_a_finished_stage_whose_file_is_gone_is_not_called_finished(tmp_path):
    make(tmp_path)
    (tmp_path / "made/file").unlink()
    with pytest.raises(
        ValueError, match=r"made.file is damaged: expected 1 bytes, got no such file; run it with --anew"
    ):
        make(tmp_path)


@pytest.mark.parametrize("name", ["../made", "runs/../../made", "{}/made"])
def test_no_stage_lies_outside_of_the_work_folder(tmp_path, name):
    outside = stage(tmp_path / "work", name.format(tmp_path), {}, {}, anew=True)
    with pytest.raises(ValueError, match="expected a folder inside of"), outside:
        pass
    assert not list(tmp_path.iterdir())
