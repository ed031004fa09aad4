"""Several processes: however their parent or one of them ends, all end, and the next run ends with the same bytes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.small import STAGES, contents

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"encode": "vectors", "index": "index", "search": "runs", "mine": "negatives"}
BLOWS = [  # stage, how many files are there when it happens, what happens
    ("encode", 0, "kill the parent"),  # the workers are still loading what they need
    ("encode", 3, "kill the parent"),
    ("index", 2, "kill the parent"),
    ("search", 2, "kill the parent"),
    ("mine", 3, "kill the parent"),
    ("encode", 2, "kill a worker"),
    ("encode", 0, "interrupt all"),
    ("encode", 2, "interrupt all"),
    ("encode", 2, "interrupt the parent"),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, so that a parent costs milliseconds"),
]


@pytest.fixture(scope="module")
def struck(whole, tmp_path_factory):
    """What became of every stage that was struck: (stage, files, blow) -> (its work folder, how it ended)."""
    pytest.importorskip("psutil")
    folder, cases = tmp_path_factory.mktemp("struck"), []
    for number, (name, files, blow) in enumerate(BLOWS):
        work = folder / str(number)
        shutil.copytree(whole, work)
        shutil.rmtree(work / FOLDERS[name])
        cases.append([name, str(work), FOLDERS[name], files, blow])
    run = [sys.executable, "-m", "tests.helpers.orphans", json.dumps(cases)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return {blow: (Path(case[1]), told) for blow, case, told in zip(BLOWS, cases, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("blow", BLOWS, ids=lambda blow: f"{blow[0]}-{blow[1]}-{blow[2].replace(' ', '-')}")
def test_all_workers_end_and_the_next_run_ends_with_the_same_bytes(struck, whole, blow):
    work, told = struck[blow]
    assert told["in time"]
    assert told["workers"] == 2
    assert told["ends"]
    assert "Traceback" not in told["said"]
    if blow[2] == "kill the parent":
        assert told["code"] == -signal.SIGKILL
    elif blow[2] == "kill a worker":
        assert told["code"] == 1
        assert re.fullmatch("workbook: a worker process was killed.*what is finished is kept.*\n", told["said"])
    else:
        assert told["code"] == 130
        assert told["said"] == ""
    STAGES[blow[0]](work)
    assert contents(work) == contents(whole)
