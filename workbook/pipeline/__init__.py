"""From a collection to a measured search, in stages that stream, can be killed, and go on where they were.

    data → train → encode → index → search → evaluate
             ↑                │       └──→ mine
             │                └→ ask, judge │
             └──── the next round ──────────┘

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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbook.pipeline.asking import ask
    from workbook.pipeline.data_stage import data
    from workbook.pipeline.encode_stage import encode
    from workbook.pipeline.evaluate_stage import evaluate
    from workbook.pipeline.index_stage import index
    from workbook.pipeline.judging import judge
    from workbook.pipeline.mine_stage import mine
    from workbook.pipeline.search_stage import search
    from workbook.pipeline.train_stage import train

__all__ = ["ask", "data", "encode", "evaluate", "index", "judge", "mine", "search", "train"]


def __getattr__(name: str) -> Any:
    """A stage, from a module that is imported when it is first asked for: faiss and pyarrow are extras."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"ask": "asking", "judge": "judging"}.get(name, f"{name}_stage")
    return getattr(import_module(f"{__name__}.{module}"), name)
