"""A run that was stopped and resumed ends in exactly the weights of one that never stopped."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.train.test_fit import PAIRS, static, transformer, weights
from workbook.support import files
from workbook.train import fit, resume

STEPS = 14  # two epochs and a bit: 72 pairs in batches of 12
OPTIONS = {"steps": STEPS, "batch_size": 12, "lr": 0.01}


def stop_after(step: int):
    return lambda record: record["step"] == step


@pytest.mark.parametrize("stopped_at", [1, 6, 13])
@pytest.mark.parametrize("make", [static, lambda: transformer(dropout=0.3)])
def test_stopped_and_resumed_equals_never_stopped(tmp_path, make, stopped_at):
    whole = make()
    history = fit(whole, PAIRS, **OPTIONS)
    fit(make(), PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(stopped_at))
    resumed = make()  # a new process would start from fresh weights, too
    assert fit(resumed, PAIRS, **OPTIONS, checkpoint=tmp_path) == history
    assert torch.equal(weights(resumed), weights(whole))


def test_stopping_at_every_step_changes_nothing(tmp_path):
    whole = transformer(dropout=0.3)
    fit(whole, PAIRS, **OPTIONS)
    for step in range(1, STEPS + 1):
        encoder = transformer(seed=step - 1, dropout=0.3)  # only the first start counts
        fit(encoder, PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(step))
    assert torch.equal(weights(encoder), weights(whole))


def test_a_run_that_restarts_its_schedule_would_be_noticed(tmp_path):
    """The test above can fail: without the checkpoint the weights are others."""
    whole, twice = static(), static()
    fit(whole, PAIRS, **OPTIONS)
    fit(twice, PAIRS, **{**OPTIONS, "steps": 7})
    fit(twice, PAIRS, **{**OPTIONS, "steps": 7})
    assert not torch.allclose(weights(twice), weights(whole), atol=1e-4)


def test_a_finished_run_is_not_trained_further(tmp_path):
    encoder = static()
    history = fit(encoder, PAIRS, **OPTIONS, checkpoint=tmp_path)
    again = static(seed=9)
    assert fit(again, PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=lambda record: pytest.fail("a step")) == history
    assert torch.equal(weights(again), weights(encoder))


def test_only_the_newest_tensors_are_kept(tmp_path):
    fit(static(), PAIRS, **OPTIONS, checkpoint=tmp_path, save_every=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-{STEPS}.safetensors", resume.NAME]


SCRIPT = """
import sys, time
from tests.train.test_resume import OPTIONS
from tests.train.test_fit import PAIRS, transformer
from workbook.train import fit
def slow(record):
    print(record["step"], flush=True)
    time.sleep(0.02)
fit(transformer(dropout=0.3), PAIRS, **OPTIONS, checkpoint=sys.argv[1], save_every=1, on_step=slow)
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_where_its_last_checkpoint_was(tmp_path):
    whole = transformer(dropout=0.3)
    fit(whole, PAIRS, **OPTIONS)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while (line := process.stdout.readline()) and int(line) < 5:
        pass
    time.sleep(0.01)  # somewhere between a step and its checkpoint
    process.kill()
    process.wait()
    done = len(json.loads((tmp_path / resume.NAME).read_text())["history"])
    assert 4 <= done < STEPS
    resumed = transformer(dropout=0.3)
    fit(resumed, PAIRS, **OPTIONS, checkpoint=tmp_path, save_every=1)
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("write", range(8))
def test_a_kill_in_the_middle_of_any_write_leaves_a_checkpoint_that_works(tmp_path, monkeypatch, write):
    whole = static()
    fit(whole, PAIRS, **OPTIONS)
    replace, calls = os.replace, []

    def killed(*args):
        calls.append(args)
        if len(calls) == write + 1:
            raise KeyboardInterrupt
        replace(*args)

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(static(), PAIRS, **OPTIONS, checkpoint=tmp_path, save_every=2)
    monkeypatch.undo()
    resumed = static()
    fit(resumed, PAIRS, **OPTIONS, checkpoint=tmp_path, save_every=2)
    assert torch.equal(weights(resumed), weights(whole))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    fit(static(), PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(4))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fit(static(), PAIRS, **OPTIONS, checkpoint=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0.02}, "lr was 0.01 and is now 0.02"),
        ({"steps": 20}, "steps was 14 and is now 20"),
        ({"temperature": 0.1}, "temperature was None and is now 0.1"),
        ({"seed": 1}, "seed was 0 and is now 1"),
        ({"pairs": PAIRS[:-1]}, "pairs was '.*' and is now"),
        ({"pairs": [(*PAIRS[0][:1], "a car"), *PAIRS[1:]]}, "pairs was '.*' and is now"),
    ],
)
def test_another_configuration_is_refused_by_name_and_nothing_is_changed(tmp_path, changed, message):
    fit(static(), PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(4))
    encoder = static(seed=3)
    before = weights(encoder)
    options = {"pairs": PAIRS, **OPTIONS, **changed}
    with pytest.raises(ValueError, match=f"belongs to another configuration: .*{message}.*folder of its own"):
        fit(encoder, **options, checkpoint=tmp_path)
    assert torch.equal(weights(encoder), before)


def test_another_model_is_refused_by_name(tmp_path):
    fit(transformer(), PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(1))
    with pytest.raises(ValueError, match=r"belongs to another model: backbone\.blocks\.1"):
        fit(transformer(num_layers=2), PAIRS, **OPTIONS, checkpoint=tmp_path)


@pytest.mark.parametrize("name", ["step-4.safetensors", resume.NAME])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b""])
def test_a_damaged_checkpoint_is_refused_with_what_to_do(tmp_path, name, damage):
    fit(static(), PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(4))
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    encoder = static(seed=3)
    before = weights(encoder)
    with pytest.raises(ValueError, match=r"cannot be read .*remove the folder to start the training anew"):
        fit(encoder, PAIRS, **OPTIONS, checkpoint=tmp_path)
    assert torch.equal(weights(encoder), before)


def test_tied_weights_are_saved_and_come_back_tied(tmp_path):
    def tied():
        encoder = static()
        encoder.twin = encoder.backbone.word
        return encoder

    whole = tied()
    fit(whole, PAIRS, **OPTIONS)
    fit(tied(), PAIRS, **OPTIONS, checkpoint=tmp_path, on_step=stop_after(5))
    resumed = tied()
    fit(resumed, PAIRS, **OPTIONS, checkpoint=tmp_path)
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.twin.weight is resumed.backbone.word.weight
