"""The stages as commands: python -m workbook data|train|encode|index|search|evaluate|mine|ask|judge WORK …"""

from __future__ import annotations  # an older Python must get as far as the message that it is too old

import argparse
import os
import sys
import time
from importlib.util import find_spec
from typing import Any

from workbook.support.frontend import is_live

SKIPPED = ("run", "extras", "stage")  # what is no argument of a stage
UNTOLD = ("stage", "settings", "inputs", "versions", "files", "fingerprint", "validation")  # of a manifest
OFF = "off"  # for an option that is on by default


def extras() -> tuple[str, ...] | None:
    """What the commands need to have installed; None where it is there, or where torchrun has started them."""
    there = all(find_spec(name) for name in ("faiss", "pyarrow", "torch"))
    return None if there or "RANK" in os.environ else ("lab", "scale")


STAGES = {
    "data": "put a collection into a work folder",
    "train": "train an encoder on the pairs of a split",
    "encode": "passages and queries to vectors",
    "index": "a faiss index over the vectors",
    "search": "the best passages for each query of a split",
    "evaluate": "metrics of a run, with bootstrap intervals",
    "mine": "hard negatives from the run of a split",
    "ask": "the best texts for a question of your own",
    "judge": "judge what is found for your own questions, and measure by it",
}


def _margin(text: str) -> float | str:
    return OFF if text == OFF else float(text)


YES: dict[str, Any] = {"action": "store_true"}
INT: dict[str, Any] = {"type": int}
CORES: dict[str, Any] = {"type": int, "default": os.cpu_count() or 1}
FLOAT: dict[str, Any] = {"type": float}
TEXT: dict[str, Any] = {}

# The stages that have an option, its name, what `add_argument` takes beside the help, and the help.
OPTIONS: list[tuple[str, str, dict[str, Any], str]] = [
    ("data train encode index search evaluate mine", "--anew", YES, "remove what the stage has made before"),
    (" ".join(STAGES), "--quiet", {"dest": "show", "action": "store_const", "const": False}, "no progress bars"),
    ("data", "source", TEXT, "pydocs, planted, msmarco-passage, …, a folder or file of yours, or another work folder"),
    ("data", "--add", {"metavar": "SPLIT"}, "add a split of the source to a work folder whose passages it judges"),
    ("data", "--strict", YES, "stop at the first malformed line"),
    ("data", "--passages", INT, "of planted: how many"),
    ("data", "--seed", INT, "of planted, 0 by default"),
    ("train", "--split", TEXT, "train by default"),
    ("train", "--encoder", TEXT, "static (default), transformer, or one to go on from: all-MiniLM-L6-v2 or a folder"),
    ("train", "--dimensions", INT, "of a new encoder, 256 by default"),
    ("train", "--layers", INT, "of a new transformer, 4 by default"),
    ("train", "--vocab-size", INT, "of a new encoder's vocabulary, at most; 30,000 by default"),
    ("train", "--max-length", INT, "tokens of a text that a new encoder reads, 128 by default"),
    ("train", "--steps", INT, "batches; 500 by default, but no more than 10 epochs; with 0 the encoder stays as it is"),
    ("train", "--batch-size", INT, "pairs in a batch, 256 by default"),
    ("train", "--sample", INT, "passages that the vocabulary is learned from, 50,000 by default"),
    ("train", "--save-every", INT, "steps between checkpoints, 100 by default"),
    ("train", "--seed", INT, "of weights, pairs and batches"),
    ("train", "--lr", FLOAT, "the highest learning rate"),
    ("train", "--no-validation", {"dest": "validate", "action": "store_false"}, "keep the last weights, not the best"),
    ("train", "--negatives", TEXT, "a folder that mine has made, such as OTHER/negatives/train"),
    ("encode", "--splits", {"nargs": "+", "metavar": "SPLIT"}, "whose queries; all by default"),
    ("encode", "--shard-rows", INT, "passages in a shard; 100,000 by default, half a minute of a transformer's"),
    ("encode", "--batch-size", INT, "texts that a transformer reads together"),
    ("index", "--kind", {"choices": ["flat", "ivfpq", "hnsw"]}, "flat, which is exact, up to 50,000 passages"),
    ("index", "--lists", INT, "of ivfpq; 2 · sqrt(N) by default"),
    ("index", "--code-bytes", INT, "of a passage in ivfpq; D / 8 by default"),
    ("index", "--seed", INT, "of the sample and of k-means, or of the graph"),
    ("search evaluate", "split", {"nargs": "?", "default": "test"}, "test by default"),
    ("search", "-k", INT, "results of each query, 100 by default"),
    ("search", "--probes", INT, "lists to look into, 64 by default"),
    ("search", "--candidates", INT, "that are scored again by their vectors, 4 · k by default"),
    ("search", "--exact", YES, "compare with every vector, into runs/SPLIT-exact"),
    ("search", "--rerank-depth", INT, "how many a cross-encoder reads, 50 by default"),
    ("search", "--limit", INT, "only the first so many queries"),
    ("search", "--no-trec", {"dest": "trec", "action": "store_false"}, "leave out run.tsv"),
    ("evaluate", "--metrics", {"nargs": "+"}, "such as ndcg@10 recall@100"),
    ("evaluate", "--exact", YES, "of the exact search's run"),
    ("mine", "split", {"nargs": "?", "default": "train"}, "train by default"),
    ("mine", "--num-negatives", INT, "of each query, 4 by default"),
    ("mine", "--range-min", INT, "skip so many of the best, 0 by default"),
    ("mine", "--range-max", INT, "go down to this rank"),
    ("mine", "--max-score", FLOAT, "leave out what scores higher"),
    ("mine", "--min-score", FLOAT, "leave out what scores lower"),
    ("mine", "--absolute-margin", FLOAT, "that a negative scores below the positive"),
    ("mine", "--relative-margin", {"type": _margin}, "as a share of the positive's score, 0.05 by default; or off"),
    ("mine", "--seed", INT, "of random sampling"),
    ("mine", "--exact", YES, "from the exact search's run"),
    ("mine", "--sampling-strategy", {"choices": ["top", "random"]}, "top by default"),
    ("ask", "questions", {"nargs": "*", "metavar": "QUESTION"}, "in quotation marks; without one you are asked"),
    ("judge", "split", {"nargs": "?", "default": "judged"}, "the name of the split that is made, judged by default"),
    ("judge", "--judgements", INT, "how many to ask for, 30 by default"),
    ("ask judge", "-k", INT, "texts for each question; ask shows 5, judge takes the first 3 of each system"),
    ("search ask judge", "--with", {"dest": "systems"}, "of bm25,dense,rrf; dense by default, judge takes all"),
    ("search ask judge", "--rerank", {"metavar": "MODEL"}, "a cross-encoder that reads the first 50 again"),
    ("train encode", "--device", {"choices": ["cpu", "cuda", "mps"]}, "cpu by default"),
    ("encode index search mine", "--processes", CORES, "on this machine; its cores by default"),
]


def add_commands(command: Any) -> None:
    """Add the stages to the command line.

    Args:
        command: called with (name, run, help, extras) -> a parser, as `workbook.__main__` does.
    """
    for stage, meaning in STAGES.items():
        parser = command(stage, run_stage, meaning, extras())
        parser.set_defaults(stage=stage)
        parser.add_argument("work", help="the work folder")
        for stages, name, settings, help in OPTIONS:
            if stage in stages.split():
                parser.add_argument(name, help=help, **settings)


def run_stage(options: argparse.Namespace) -> int:
    """Run one stage and say what it made."""
    from workbook import pipeline
    from workbook.pipeline.progress import silence_libraries

    given = {name: value for name, value in vars(options).items() if name not in SKIPPED and value is not None}
    given = {name: None if value == OFF else value for name, value in given.items()}
    start = time.perf_counter()
    if not given.get("show", is_live()):
        silence_libraries()
    try:
        manifest = getattr(pipeline, options.stage)(**given)
    except (ValueError, KeyError, OSError, RuntimeError, ImportError, ArithmeticError, MemoryError) as error:
        said = error.args[0] if isinstance(error, KeyError) else error
        print(f"workbook: {said}", file=sys.stderr)
        return 1
    if manifest and os.environ.get("RANK", "0") == "0":
        told = {name: value for name, value in manifest.items() if name not in UNTOLD and value is not None}
        if "dropped" in told:
            told["dropped"] = told["dropped"]["counts"] or "nothing"
        print(manifest.get("summary") or "\n".join(f"{name}: {_tell(value)}" for name, value in told.items()))
        print(f"{time.perf_counter() - start:.1f} s; {options.work}/{manifest['stage']}/manifest.json")
    return 0


def _tell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_tell(one)}" for name, one in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
