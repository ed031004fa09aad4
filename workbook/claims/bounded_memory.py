"""The experiment of claim 59: the memory of each stage of the pipeline at several sizes of a collection, and the rows that come out.

Run as a module, this is the control, which holds all vectors, as a list and as the array that is made of it, or none:

    python -m workbook.claims.bounded_memory ROWS list|blocks
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from workbook.claims.claim import Measurements
from workbook.claims.kept import PACKAGE, kept
from workbook.support.files import user_cache
from workbook.support.watching import watch

MEASURED = {"notebook": (2_000, 4_000), "record": (10_000, 100_000, 1_000_000)}  # by every seed
LARGEST = 8_800_000  # by the first seed alone
STEPS = 50  # of the training: its memory does not depend on them
STAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # name, folder, arguments behind the work folder
    ("data", "data", ("planted",)),
    ("train", "model", ("--steps", str(STEPS))),
    ("encode", "vectors", ()),
    ("index", "index", ("--kind", "ivfpq")),
    ("search", "runs/dev", ("dev", "--limit", "2000", "--no-trec")),
    ("evaluate", "evaluation/dev", ("dev",)),
    ("search train", "runs/train", ("train", "--limit", "10000", "--no-trec")),
    ("mine", "negatives/train", ()),
)
COUNTED = ("data", "encode", "index")  # their manifests say how many passages went through; the others speak of queries
PARALLEL = ("encode", "index", "search", "mine")
LIST, BLOCKS = "list", "blocks"
DIMENSIONS, BLOCK = 256, 4_096


@kept
def memory(N: int, seed: int, budget: str, code: str) -> dict[str, np.ndarray]:
    """Most bytes that each stage and its children held, own and with mapped pages, and rows: (stages,) each."""
    stages = STAGES if budget == "record" else STAGES[:1]
    own: list[int] = []
    resident: list[int] = []
    rows: list[int] = []
    user_cache().mkdir(parents=True, exist_ok=True)  # a disk with room; a temporary folder may be memory
    with tempfile.TemporaryDirectory(dir=user_cache()) as work:
        for name, folder, more in stages:
            command = [sys.executable, "-m", "workbook", name.split()[0], work, *more, "--quiet"]
            if name == "data":
                command += ["--passages", str(N), "--seed", str(seed)]
            if name.split()[0] in PARALLEL:
                command += ["--processes", "2"]
            cost = watch(command)
            own.append(cost["peak_anonymous_bytes"] or 0)
            resident.append(cost["peak_resident_bytes"])
            rows.append(rows_of(json.loads((Path(work) / folder / "manifest.json").read_text("utf-8"))))
    return {"own": np.array(own), "resident": np.array(resident), "rows": np.array(rows)}


def rows_of(manifest: dict[str, Any]) -> int:
    """How many passages a stage has seen, by its manifest; 0 where it does not say."""
    return int(manifest.get("passages", manifest.get("rows", 0)))


@kept
def control(N: int, way: str, budget: str) -> np.ndarray:
    """The most own bytes of a process that holds N vectors in its way."""
    cost = watch([sys.executable, "-m", "workbook.claims.bounded_memory", str(N), way])
    return np.array(cost["peak_anonymous_bytes"] or 0)


def pipeline_code() -> str:
    """Of the stages, which `kept` does not look at."""
    digest = hashlib.sha256()
    for path in sorted((PACKAGE / "pipeline").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def slope(few: int, many: int, at_few: Sequence[float], at_many: Sequence[float]) -> list[float]:
    """Bytes for each passage more, with an interval by the spread of the runs at the smaller size: (value, low, high)."""
    value = (np.mean(at_many) - np.mean(at_few)) / (many - few)
    n, error = len(at_few), 0.0
    if n > 1:
        spread = np.std(at_few, ddof=1) * np.sqrt(1 / n + 1 / len(at_many))
        error = t.ppf(0.975, n - 1) * spread / (many - few)
    return [round(float(x), 3) for x in (value, value - error, value + error)]


def measure_memory(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By stage: peaks at each size, and bytes for each passage more between two sizes; beside them the control."""
    code, sizes = pipeline_code(), MEASURED[budget]
    runs = {N: [memory(N, seed, budget, code) for seed in seeds] for N in sizes}
    if budget == "record":
        sizes = (*sizes, LARGEST)
        runs[LARGEST] = [memory(LARGEST, seeds[0], budget, code)]
    names = [name for name, _, _ in STAGES][: len(runs[sizes[0]][0]["own"])]
    found: Measurements = {"sizes": list(sizes), "stages": {}, "control": {}}
    for i, name in enumerate(names):
        peaks = {N: [float(run["own"][i]) for run in runs[N]] for N in sizes}
        found["stages"][name] = {
            "own": {str(N): peaks[N] for N in sizes},
            "resident": {str(N): [float(run["resident"][i]) for run in runs[N]] for N in sizes},
            "rows": {str(N): [int(run["rows"][i]) for run in runs[N]] for N in sizes},
            "bytes a passage": {
                f"{few} to {many}": slope(few, many, peaks[few], peaks[many]) for few, many in pairwise(sizes)
            },
        }
    few, many = MEASURED[budget][-2:]
    for way in (LIST, BLOCKS):
        held = [float(control(N, way, budget)) for N in (few, many)]
        found["control"][way] = {"own": held, "bytes a passage": round((held[1] - held[0]) / (many - few), 1)}
    return found


def hold(N: int, way: str) -> int:
    """N random vectors in blocks, collected and concatenated, or used and let go; how many there were."""
    generator, rows = np.random.default_rng(0), 0
    collected: list[np.ndarray] = []
    for start in range(0, N, BLOCK):
        block = generator.standard_normal((min(BLOCK, N - start), DIMENSIONS), dtype=np.float32)
        rows += len(block)
        if way == LIST:
            collected.append(block)
    return len(np.concatenate(collected)) if way == LIST else rows


if __name__ == "__main__":
    print(hold(int(sys.argv[1]), sys.argv[2]))
