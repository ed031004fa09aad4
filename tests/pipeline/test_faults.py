"""A stage that is killed at any moment goes on, and ends with the very bytes of one that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.faults import KILLS

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["data", "train", "encode", "index", "index-hnsw", "search", "evaluate", "mine"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, so that a kill costs milliseconds")
@pytest.mark.parametrize("name", NAMES)
def test_killed_twenty_times_and_at_its_writes_it_ends_with_the_same_bytes(tmp_path, name):
    run = [sys.executable, "-m", "tests.helpers.faults", name, str(tmp_path), "0"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["moments"]) == KILLS
    assert len(told["hit"]) > 3
