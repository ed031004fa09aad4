"""A full disk, a read-only disk, a folder of somebody else: made by the system, not played. A line says what is wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "data": "data", "train": "model", "encode": "vectors", "index": "index", "search": "runs",
    "evaluate": "evaluation", "mine": "negatives",
}  # fmt: skip
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")]


def attempts(what, folder, whole, *prefix):
    shutil.copytree(whole, folder / "work")
    run = [*prefix, sys.executable, "-m", "tests.helpers.disks", what, str(folder)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def mounted(whole, tmp_path_factory):
    """Everything that needs a disk of its own; the system removes the disks with the namespace, whatever happens."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("only Linux lets a user mount disks of their own, and not everywhere")
    return attempts("mounted", tmp_path_factory.mktemp("mounted"), whole, *NAMESPACE)


@pytest.fixture(scope="module")
def forbidden(whole):
    """What a user meets who may read the work folder and not write; for root, somebody without rights is that user."""
    with tempfile.TemporaryDirectory(prefix="workbook-forbidden-") as folder:
        os.chmod(folder, 0o755)
        if any(not place.stat().st_mode & 0o001 for place in Path(folder).resolve().parents):
            pytest.skip("the folder for temporary files is closed to other users")
        yield attempts("forbidden", Path(folder), whole)


def said_in_a_line(case):
    lines = [line for line in case["said"].splitlines() if not line.startswith("WARNING clustering")]  # faiss
    assert len(lines) == 1, case["said"]
    return lines[0]


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_full_disk_is_an_error_with_the_files_name_and_with_room_the_stage_goes_on(mounted, stage):
    cases = {name: case for name, case in mounted["full"].items() if name.split()[0] == stage}
    assert cases
    for case in cases.values():
        assert case["code"] == 1
        line = said_in_a_line(case)
        assert "No space left on device" in line or "faiss could not write it" in line
        assert re.search(f"/disk/work/(training|{FOLDERS[stage]})/", line)
        assert case["half-written"] == []
        assert not case["finished"]
        assert case["again"]["code"] == 0
        assert case["same bytes"]


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_disk_that_is_mounted_read_only_is_named(mounted, stage):
    case = mounted["read-only"][stage]
    assert case["code"] == 1
    assert re.fullmatch(
        r"workbook: \[Errno 30\] cannot write into \S+/disk/work: Read-only file system; give a folder .*",
        said_in_a_line(case),
    )
    assert case["left"] == []


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_folder_that_a_user_may_not_write_is_named(forbidden, stage):
    for name, folder in ((stage, f"forbidden-{stage}"), (f"{stage}'s folder", f"forbidden-{stage}/{FOLDERS[stage]}")):
        case = forbidden[name]
        assert case["code"] == 1
        assert re.fullmatch(
            rf"workbook: \[Errno 13\] cannot write into \S+/{folder}: Permission denied; give a folder .*",
            said_in_a_line(case),
        )
        assert case["left"] == []
