"""A collection of a few hundred made-up passages, the stages with settings small enough for it, and comparisons."""

import random
from pathlib import Path

from workbook import pipeline
from workbook.data import Collection
from workbook.pipeline import index_stage

index_stage.GRAPH_ROWS = 300  # so that a small collection has several graphs

SHARD_ROWS = 150


def collection(passages: int = 900, seed: int = 0) -> Collection:
    """Every passage is about a few of 400 words; a query names two of its passage's words."""
    rng = random.Random(seed)
    words = ["".join(rng.choice("bcdfgklmnprst") + rng.choice("aeiou") for _ in range(3)) for _ in range(400)]
    corpus, queries, qrels = {}, {}, {}
    for i in range(passages):
        text = rng.choices(words, k=rng.randrange(4, 30))
        corpus[f"p{i}"] = " ".join(text) + "."
        if i % 4 == 0:
            queries[f"q{i}"] = " ".join(rng.sample(text, 2))
            qrels[f"q{i}"] = {f"p{i}": 1}
    ids = list(queries)
    splits = {"train": tuple(ids[: len(ids) // 2]), "test": tuple(ids[len(ids) // 2 :])}
    return Collection("small", corpus, queries, qrels, splits, "made up", f"small {passages} {seed}")


STAGES = {
    "data": lambda work: pipeline.data(work, collection(), part_rows=100),
    "train": lambda work: pipeline.train(
        work, dimensions=32, vocab_size=500, steps=24, batch_size=16, save_every=4, max_length=16
    ),
    "encode": lambda work, **more: pipeline.encode(work, shard_rows=SHARD_ROWS, **more),
    "index": lambda work, **more: pipeline.index(work, lists=8, code_bytes=8, **more),
    "search": lambda work, **more: pipeline.search(work, "train", k=30, probes=4, batch_queries=16, **more),
    "evaluate": lambda work: pipeline.evaluate(work, "train"),
    "mine": lambda work, **more: pipeline.mine(work, "train", num_negatives=3, batch_queries=16, **more),
}
GRAPH = {**STAGES, "index": lambda work, **more: pipeline.index(work, kind="hnsw", **more)}


def run(work: Path, until: str = "mine", stages=None) -> None:
    """Run the stages up to one of them."""
    for name, stage in (stages or STAGES).items():
        stage(work)
        if name == until:
            return


def contents(work: Path) -> dict[str, bytes]:
    """Every file of a work folder, but the costs, which differ between equal runs."""
    return {
        path.relative_to(work).as_posix(): path.read_bytes()
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.parent.name != "costs"
    }
