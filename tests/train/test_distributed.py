"""Several processes take the step of one with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.distributed_training import everything
from workbook.train.distributed import average_gradients, gather_with_gradient, share

ROOT = Path(__file__).parents[2]


def test_one_process_alone_gathers_and_shares_nothing():
    x = torch.ones(3, 2, requires_grad=True)
    x.grad = torch.full((3, 2), 5.0)
    average_gradients([x])
    assert gather_with_gradient(x) is x
    assert share([1, 2, 3]) == [1, 2, 3]
    assert (x.grad == 5).all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What each of two processes under torchrun has found, and what one process finds."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--rdzv_backend", "c10d",
               "--rdzv_endpoint", "127.0.0.1:0", "--local_addr", "127.0.0.1",
               "-m", "tests.helpers.distributed_training", str(folder)]  # fmt: skip
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    if sys.platform == "linux":
        surroundings["GLOO_SOCKET_IFNAME"] = "lo"
    result = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=1100)
    assert result.returncode == 0, result.stderr
    two = [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    return two, everything(tmp_path_factory.mktemp("one"))


def apart(a, b):
    return float((torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)).abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["even", "uneven"])
def test_two_processes_are_one_with_the_whole_batch(runs, batch):
    two, one = runs
    for each in two:
        for what in ("loss", "gradient", "weights"):
            assert apart(each[batch][what], one[batch][what]) < 1e-12


@pytest.mark.slow
def test_gathering_is_torchs_own_all_gather_with_gradient(runs):
    two, one = runs
    for each in two:
        assert apart(each["torch's own"]["gradient"], one["even"]["gradient"]) < 1e-12


@pytest.mark.slow
def test_gathering_without_gradient_needs_a_factor_of_world_size(runs):
    two, one = runs
    for each in two:
        assert apart(each["mistake"]["loss"], one["even"]["loss"]) < 1e-12  # nothing to be seen in the loss
        half = (torch.tensor(one["even"]["gradient"], dtype=torch.float64) / 2).tolist()
        assert apart(each["mistake"]["gradient"], half) < 1e-12
        assert apart(each["mistake"]["gradient"], one["even"]["gradient"]) > 1e-3
        assert apart(each["mended"]["gradient"], one["even"]["gradient"]) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("way", ["fit", "fit in pieces"])
def test_fit_under_torchrun_takes_the_steps_of_one_process(runs, way):
    two, one = runs
    assert two[0][way] == two[1][way]
    assert apart(two[0][way]["losses"], one["fit"]["losses"]) < 1e-5
    assert apart(two[0][way]["weights"], one["fit"]["weights"]) < 1e-5


@pytest.mark.slow
def test_likenesses_under_torchrun_are_those_of_the_whole_batch(runs):
    two, one = runs
    for each in two:
        assert apart(each["fit_vectors"]["losses"], one["fit_vectors"]["losses"]) < 1e-9
        assert apart(each["fit_vectors"]["weights"], one["fit_vectors"]["weights"]) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("way", ["adapt", "adapt that stops early", "adapt that goes on"])
def test_adapt_under_torchrun_is_that_of_one_process_and_one_process_writes(runs, way):
    two, one = runs
    assert two[0][way].pop("files written") > 3
    assert two[1][way].pop("files written") == 0
    assert two[0][way] == two[1][way]
    whole = one["adapt" if way == "adapt that goes on" else way]
    assert apart(two[0][way]["losses"], whole["losses"]) < 1e-9
    assert apart(two[0][way]["weights"], whole["weights"]) < 1e-9
    assert two[0][way]["curve"] == whole["curve"]
    assert two[0][way]["best step"] == whole["best step"]
    assert len(whole["losses"]) == 18 or (way == "adapt that stops early" and len(whole["losses"]) < 60)


@pytest.mark.slow
def test_what_processes_cannot_share_is_refused_in_all_of_them(runs):
    for each in runs[0]:
        assert "a row for each of the 2 processes, got 1" in each["too few"]
        assert "got [(2, 3), (2, 4)] by rank" in each["shapes"]
        assert "one shape and dtype" in each["dtypes"]
        assert each["no rows here"] == [[7.0] * 3] * 2
        assert each["averaged"] == [True, [0.5, 0.5]]
