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
OFF = "off"  # for an option that is on by default


def extras() -> tuple[str, ...] | None:
    """What the commands need to have installed; None where it is there, or where torchrun has started them."""
    there = all(find_spec(name) for name in ("faiss", "pyarrow", "torch"))
    return None if there or "RANK" in os.environ else ("lab", "scale")


def add_commands(command: Any) -> None:
    """Add the stages to the command line.

    Args:
        command: called with (name, run, help, extras) -> a parser, as `workbook.__main__` does.
    """

    def stage(name: str, help: str, anew: bool = True) -> argparse.ArgumentParser:
        parser = command(name, run_stage, help, extras())
        parser.set_defaults(stage=name)
        parser.add_argument("work", help="the work folder")
        if anew:
            parser.add_argument("--anew", action="store_true", help="remove what the stage has made before")
        parser.add_argument("--quiet", dest="show", action="store_const", const=False, help="no progress bars")
        return parser

    data = stage("data", "put a collection into a work folder")
    data.add_argument(
        "source",
        help="pydocs, planted, msmarco-passage, …, a folder or file of yours, or another work folder",
    )
    data.add_argument(
        "--add", metavar="SPLIT", help="add a split of the source to a work folder whose passages it judges"
    )
    data.add_argument("--strict", action="store_true", help="stop at the first malformed line")
    data.add_argument("--passages", type=int, help="of planted: how many")
    data.add_argument("--seed", type=int, help="of planted, 0 by default")

    train = stage("train", "train an encoder on the pairs of a split")
    train.add_argument("--split", help="train by default")
    train.add_argument(
        "--encoder", help="static (default), transformer, or an encoder to go on from: all-MiniLM-L6-v2 or a folder"
    )
    for name, meaning in {
        "dimensions": "of a new encoder, 256 by default",
        "layers": "of a new transformer, 4 by default",
        "vocab-size": "of a new encoder's vocabulary, at most; 30,000 by default",
        "max-length": "tokens of a text that a new encoder reads, 128 by default",
        "steps": "batches; 500 by default, but no more than 10 epochs; with 0 the encoder stays as it is",
        "batch-size": "pairs in a batch, 256 by default",
        "sample": "passages that the vocabulary is learned from, 50,000 by default",
        "save-every": "steps between checkpoints, 100 by default",
        "seed": "of weights, pairs and batches",
    }.items():
        train.add_argument(f"--{name}", type=int, help=meaning)
    train.add_argument("--lr", type=float, help="the highest learning rate")
    train.add_argument(
        "--no-validation", dest="validate", action="store_false", help="keep the last weights, not the best"
    )
    train.add_argument("--negatives", help="a folder that mine has made, such as OTHER/negatives/train")

    encode = stage("encode", "passages and queries to vectors")
    encode.add_argument("--splits", nargs="+", metavar="SPLIT", help="whose queries; all by default")
    encode.add_argument(
        "--shard-rows", type=int, help="passages in a shard; 100,000 by default, half a minute of a transformer's"
    )
    encode.add_argument("--batch-size", type=int, help="texts that a transformer reads together")

    index = stage("index", "a faiss index over the vectors")
    index.add_argument("--kind", choices=["flat", "ivfpq", "hnsw"], help="flat, which is exact, up to 50,000 passages")
    index.add_argument("--lists", type=int, help="of ivfpq; 2 · sqrt(N) by default")
    index.add_argument("--code-bytes", type=int, help="of a passage in ivfpq; D / 8 by default")
    index.add_argument("--seed", type=int, help="of the sample and of k-means, or of the graph")

    search = stage("search", "the best passages for each query of a split")
    search.add_argument("split", nargs="?", default="test")
    search.add_argument("-k", type=int, help="results of each query, 100 by default")
    search.add_argument("--probes", type=int, help="lists to look into, 64 by default")
    search.add_argument("--candidates", type=int, help="that are scored again by their vectors, 4 · k by default")
    search.add_argument("--exact", action="store_true", help="compare with every vector, into runs/SPLIT-exact")
    search.add_argument("--rerank-depth", type=int, help="how many a cross-encoder reads, 50 by default")
    search.add_argument("--limit", type=int, help="only the first so many queries")
    search.add_argument("--no-trec", dest="trec", action="store_false", help="leave out run.tsv")

    evaluate = stage("evaluate", "metrics of a run, with bootstrap intervals")
    evaluate.add_argument("split", nargs="?", default="test")
    evaluate.add_argument("--metrics", nargs="+", help="such as ndcg@10 recall@100")
    evaluate.add_argument("--exact", action="store_true", help="of the exact search's run")

    mine = stage("mine", "hard negatives from the run of a split")
    mine.add_argument("split", nargs="?", default="train")
    for name, kind, meaning in (
        ("num-negatives", int, "of each query, 4 by default"),
        ("range-min", int, "skip so many of the best, 0 by default"),
        ("range-max", int, "go down to this rank"),
        ("max-score", float, "leave out what scores higher"),
        ("min-score", float, "leave out what scores lower"),
        ("absolute-margin", float, "that a negative scores below the positive"),
        ("relative-margin", _margin, "the same as a share of the positive's score, 0.05 by default; or off"),
        ("seed", int, "of random sampling"),
    ):
        mine.add_argument(f"--{name}", type=kind, help=meaning)
    mine.add_argument("--exact", action="store_true", help="from the exact search's run")
    mine.add_argument("--sampling-strategy", choices=["top", "random"], help="top by default")

    ask = stage("ask", "the best texts for a question of your own", anew=False)
    ask.add_argument("questions", nargs="*", metavar="QUESTION", help="in quotation marks; without one you are asked")
    judge = stage("judge", "judge what is found for your own questions, and measure by it", anew=False)
    judge.add_argument(
        "split", nargs="?", default="judged", help="the name of the split that is made, judged by default"
    )
    judge.add_argument("--judgements", type=int, help="how many to ask for, 30 by default")
    for parser in (ask, judge):
        parser.add_argument(
            "-k", type=int, help="texts for each question; ask shows 5, judge takes the first 3 of each system"
        )
    for parser in (search, ask, judge):
        parser.add_argument(
            "--with", dest="systems", metavar="SYSTEMS", help="of bm25,dense,rrf; dense by default, judge takes all"
        )
        parser.add_argument("--rerank", metavar="MODEL", help="a cross-encoder that reads the first 50 again")
    for parser in (train, encode):
        parser.add_argument("--device", choices=["cpu", "cuda", "mps"], help="cpu by default")
    for parser in (encode, index, search, mine):
        parser.add_argument(
            "--processes", type=int, default=os.cpu_count() or 1, help="on this machine; its cores by default"
        )


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


UNTOLD = ("stage", "settings", "inputs", "versions", "files", "fingerprint", "validation")


def _margin(text: str) -> float | str:
    return OFF if text == OFF else float(text)


def _tell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_tell(one)}" for name, one in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
