"""The experiment of claim 18: is a training that was stopped and went on the same as one that never stopped?

Run as a module, this is the training that is killed:

    python -m workbook.claims.stopped_run FOLDER KIND SEED STEPS
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from workbook.claims.claim import Measurements
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.support.files import write_safetensors
from workbook.train import History, fit
from workbook.train.resume import NAME

KINDS = ("static", "transformer with dropout")
STOPS = {"notebook": (30, (7,)), "record": (60, (1, 10, 23, 45, 59))}  # steps, and after which of them it is stopped
KILLED = {"notebook": 10, "record": 25}  # after which step the process is killed, at the earliest
WORDS = [f"word{i}" for i in range(60)]
PATIENCE = 300.0  # seconds for a process to come as far as that


def pairs() -> list[tuple[str, str]]:
    """250 pairs of words drawn at random, some of them shared by both sides; the same everywhere."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(WORDS), (250, 12), generator=generator).tolist()
    return [(" ".join(WORDS[i] for i in row[:5]), " ".join(WORDS[i] for i in row[2:])) for row in drawn]


def new_encoder(kind: str, seed: int) -> TextEncoder:
    """One of KINDS with fresh weights."""
    tokenizer = train_tokenizer(WORDS, vocab_size=120)
    torch.manual_seed(seed)
    size = tokenizer.get_vocab_size()
    backbone = StaticEncoder(size, 32) if kind == "static" else TransformerEncoder(size, 32, 2, 2, dropout=0.1)
    return TextEncoder(tokenizer, backbone, max_length=16)


def train(encoder: TextEncoder, seed: int, steps: int, folder: Path | None = None, until: int | None = None) -> History:
    """All steps, or those up to `until`; with a folder, it goes on from there."""
    return fit(
        encoder, pairs(), steps=steps, batch_size=32, lr=0.01, seed=seed, temperature=0.1, checkpoint=folder, save_every=1,
        on_step=lambda record: record["step"] == until, show=False,
    )  # fmt: skip


def weights(encoder: TextEncoder) -> Tensor:
    """All weights in one vector."""
    return torch.cat([p.detach().flatten() for p in encoder.parameters()])


def measure_resume(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """For each kind of encoder and each stop: are weights and losses those of a run that never stopped, bit by bit? And
    what a checkpoint is off by that lacks a part.
    """
    steps, stops = STOPS[budget]
    each: tuple[int | str, ...] = (*stops, "killed")
    rows, controls = [], []
    for kind in KINDS:
        for seed in seeds:
            whole = new_encoder(kind, seed)
            history = train(whole, seed, steps)
            for stop in each:
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    if isinstance(stop, str):
                        done = kill(folder, kind, seed, steps, KILLED[budget])
                    else:
                        train(new_encoder(kind, seed), seed, steps, folder, until=stop)
                        done = stop
                    resumed = new_encoder(kind, seed + 1)  # as a new process has other weights
                    told = train(resumed, seed, steps, folder)
                rows.append({
                    "encoder": kind, "seed": seed, "stop": stop, "steps done": done, "steps": steps,
                    "equal weights": torch.equal(weights(resumed), weights(whole)), "equal losses": told == history,
                })  # fmt: skip
            controls += [
                {"encoder": kind, "seed": seed, "without": part, "largest difference": off}
                for part, off in without(kind, seed, steps, stops[len(stops) // 2], weights(whole)).items()
            ]
    return {"rows": rows, "controls": controls}


def kill(folder: Path, kind: str, seed: int, steps: int, at: int) -> int:
    """Start a training as a process of its own and kill it (SIGKILL) once `at` steps are on the disk; how many were."""
    command = [sys.executable, "-m", "workbook.claims.stopped_run", str(folder), kind, str(seed), str(steps)]
    surroundings = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, env=surroundings)
    ends = time.monotonic() + PATIENCE
    try:
        while steps_on_disk(folder) < at and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
    done = steps_on_disk(folder)
    if not at <= done < steps:
        raise RuntimeError(
            f"the process was to be killed between step {at} and step {steps}, and {done} steps are on the disk"
        )
    return done


def steps_on_disk(folder: Path) -> int:
    """How far the checkpoint in a folder has come; 0 where there is none."""
    path = folder / NAME
    return len(json.loads(path.read_text("utf-8"))["history"]) if path.exists() else 0


def without(kind: str, seed: int, steps: int, stop: int, whole: Tensor) -> dict[str, float]:
    """How far the weights end from those of the whole run if a part of the checkpoint is lost: the largest difference."""
    from safetensors.torch import load_file

    found = {}
    for part in ("all but the weights", "optimizer.", "random."):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stopped = new_encoder(kind, seed)
            train(stopped, seed, steps, folder, until=stop)
            if part == "all but the weights":
                train(stopped, seed, steps - stop)  # a new schedule, over the steps that are left
                encoder = stopped
            else:
                (file,) = folder.glob("step-*.safetensors")
                fresh = torch.Generator().manual_seed(seed).get_state()
                tensors = {
                    name: fresh
                    if name.startswith(part) and part == "random."
                    else 0 * x
                    if name.startswith(part)
                    else x
                    for name, x in load_file(file).items()
                }
                write_safetensors(file, tensors)
                encoder = new_encoder(kind, seed)
                train(encoder, seed, steps, folder)
        found[part.rstrip(".")] = float(f"{(weights(encoder) - whole).abs().max():.3g}")
    return found


if __name__ == "__main__":

    def slow(record: dict[str, float]) -> None:
        """Time enough to be killed between two steps, or in the middle of a write."""
        time.sleep(0.02)

    place, kind, seed, steps = sys.argv[1:]
    fit(
        new_encoder(kind, int(seed)), pairs(), steps=int(steps), batch_size=32, lr=0.01, seed=int(seed), temperature=0.1,
        checkpoint=place, save_every=1, on_step=slow, show=False,
    )  # fmt: skip
