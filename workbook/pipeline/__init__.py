"""From a collection to a measured search, in stages that stream, can be killed, and go on where they were.

    data → train → encode → index → search → evaluate
             ↑                          └──→ mine
             └──── the next round ────────────┘

Each stage is a function and a command, `python -m workbook STAGE WORK …`. All that it makes lies in the work
folder, in a folder of its own, beside a manifest that is written last. A later round has a work folder of its own.

    from workbook import pipeline
    pipeline.data("work", "pydocs")
    pipeline.train("work")
    pipeline.encode("work")
    pipeline.index("work")
    pipeline.search("work", "test")
    pipeline.evaluate("work", "test")

    pipeline.search("work", "train")
    pipeline.mine("work")
    pipeline.data("next", "work")
    pipeline.train("next", encoder="work/model", negatives="work/negatives/train")
"""

from typing import Any

__all__ = ["data", "encode", "evaluate", "index", "mine", "search", "train"]


def data(work: Any, source: Any, **options: Any) -> dict[str, Any]:
    """Put a collection on disk. See `workbook.pipeline.data_stage.data`."""
    from workbook.pipeline.data_stage import data as stage

    return stage(work, source, **options)


def train(work: Any, **options: Any) -> dict[str, Any]:
    """Train an encoder. See `workbook.pipeline.train_stage.train`."""
    from workbook.pipeline.train_stage import train as stage

    return stage(work, **options)


def encode(work: Any, **options: Any) -> dict[str, Any]:
    """Encode passages and queries. See `workbook.pipeline.encode_stage.encode`."""
    from workbook.pipeline.encode_stage import encode as stage

    return stage(work, **options)


def index(work: Any, **options: Any) -> dict[str, Any]:
    """Build an index. See `workbook.pipeline.index_stage.index`."""
    from workbook.pipeline.index_stage import index as stage

    return stage(work, **options)


def search(work: Any, split: str = "test", **options: Any) -> dict[str, Any]:
    """Search for the queries of a split. See `workbook.pipeline.search_stage.search`."""
    from workbook.pipeline.search_stage import search as stage

    return stage(work, split, **options)


def evaluate(work: Any, split: str = "test", **options: Any) -> dict[str, Any]:
    """Measure a run. See `workbook.pipeline.evaluate_stage.evaluate`."""
    from workbook.pipeline.evaluate_stage import evaluate as stage

    return stage(work, split, **options)


def mine(work: Any, split: str = "train", **options: Any) -> dict[str, Any]:
    """Mine hard negatives from a run. See `workbook.pipeline.mine_stage.mine`."""
    from workbook.pipeline.mine_stage import mine as stage

    return stage(work, split, **options)
