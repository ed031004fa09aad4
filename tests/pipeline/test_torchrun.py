"""Two processes of torchrun train the model of one, and write the vectors of one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.small import SHARD_ROWS, contents
from workbook import pipeline
from workbook.encoder import load

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed"),
]


def torchrun(work):
    run = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "tests.helpers.torchrun_stages",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *run, str(work)], cwd=ROOT, env=environment, check=True)


def test_two_processes_train_and_encode_as_one(whole, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(whole / "data", work / "data")
    torchrun(work)
    one, two = (load(folder / "model").backbone.word.weight for folder in (whole, work))
    # The same sums, in another order. 24 steps move a weight by up to 1.
    torch.testing.assert_close(two, one, rtol=0, atol=1e-4)
    histories = [json.loads((folder / "model/history.json").read_text()) for folder in (whole, work)]
    losses = [[record["loss"] for record in history] for history in histories]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert not (work / "training").exists()

    alone = tmp_path / "alone"  # the same model, encoded by one process
    for name in ("data", "model"):
        shutil.copytree(work / name, alone / name)
    pipeline.encode(alone, shard_rows=SHARD_ROWS)
    names = {name for name in contents(alone) if name.startswith("vectors/")}
    assert len(names) == 6 + 2 + 1  # shards, splits, manifest
    assert {name: contents(work)[name] for name in names} == {name: contents(alone)[name] for name in names}
