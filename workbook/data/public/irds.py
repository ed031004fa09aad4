"""Any collection of the library ir_datasets, for those that `load` does not know by name.

The library brings and keeps its files itself, in ~/.ir_datasets or `IR_DATASETS_HOME`. It reads some collections
(BEIR's among them) through stores that are pickles; no pickle is ever loaded here, so those are refused: read them
with `workbook.data.load("beir/…")`.

Source: MacAvaney et al. 2021. Taught in 20.
"""

import json
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.public.catalogue import readable
from workbook.data.public.download import ask
from workbook.data.readers.reading import Judgements, Reading, Texts, into_folder, into_memory


class PickleRefused(ValueError):
    """A library wanted to load or write a pickle."""


def from_ir_datasets(
    name: str, download: bool | None = None, strict: bool = False, store: str | Path | None = None
) -> Collection:
    """Load a collection of ir_datasets, such as "vaswani", "cranfield" or "msmarco-passage/dev/small".

    Args:
        name: its name there; what follows the last "/" becomes the split's name, "test" where there is none.
        download: True lets the library download what it lacks; None asks WORKBOOK_DOWNLOAD.
        strict: stop at an id that stands twice, or a judgement of an unknown id.
        store: a folder for the texts of a large collection; in memory by default.
    Returns:
        the collection.
    Raises:
        ImportError: ir_datasets is not installed (extra `data`).
        NotAllowed: the download was not allowed. It is asked for always: the library does not say what it has.
        PickleRefused: the library keeps this collection in a pickle.
        KeyError: it knows no such name.
    """
    try:
        import ir_datasets
    except ImportError as error:
        raise ImportError("ir_datasets is not installed; pip install 'embedding-workbook[data]'") from error
    ask(_describe(name, ir_datasets), download, ir_datasets.util.home_path())
    problems = Problems(strict)
    with _no_pickles():
        return read_ir_dataset(ir_datasets.load(name), name, problems, store)


def read_ir_dataset(data_set: Any, name: str, problems: Problems, store: str | Path | None = None) -> Collection:
    """A collection out of an ir_datasets object: documents, queries and judgements."""

    def passages(problems: Problems) -> Texts:
        for number, document in enumerate(data_set.docs_iter(), 1):
            yield Path(f"{name} docs"), number, document.doc_id, document.default_text()

    def queries(problems: Problems) -> Texts:
        for number, query in enumerate(data_set.queries_iter(), 1):
            yield Path(f"{name} queries"), number, query.query_id, query.default_text()

    def judgements(problems: Problems, known: Container[str]) -> Judgements:
        for number, judged in enumerate(data_set.qrels_iter(), 1):
            yield Path(f"{name} qrels"), number, judged.query_id, judged.doc_id, int(judged.relevance)

    split = name.rsplit("/", 1)[1] if "/" in name else "test"
    reading = Reading(
        name, passages, queries, {split: judgements}, f"see https://ir-datasets.com/{name.split('/')[0]}.html"
    )
    return into_memory(reading, problems) if store is None else into_folder(reading, Path(store), problems)


def _describe(name: str, library: Any) -> str:
    table = json.loads((Path(library.__file__).parent / "etc" / "downloads.json").read_text("utf-8"))
    group = table.get(name.split("/")[0], {})
    sizes = [entry.get("size_hint", 0) for entry in group.values() if isinstance(entry, dict)]
    size = readable(sum(sizes)) if sizes else "unknown"
    page = f"https://ir-datasets.com/{name.split('/')[0]}.html"
    return (
        f"{name}, through ir_datasets\n  size: at most {size}, for all its parts\n  licence: see {page}\n  source: "
        f"the library's list of addresses; {page}"
    )


@contextmanager
def _no_pickles() -> Iterator[None]:
    """Within the library, and only there, the module pickle is replaced by one that refuses."""
    import sys

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PickleRefused(
            "ir_datasets keeps this collection in a pickle, and no pickle is loaded here; use workbook.data.load with its "
            "name or a folder"
        )

    refusing = SimpleNamespace(load=refuse, loads=refuse, dump=refuse, dumps=refuse, Unpickler=refuse)
    replaced = {
        module: module.pickle
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "ir_datasets" and getattr(module, "pickle", None) is not None
    }
    try:
        for module in replaced:
            module.pickle = refusing  # type: ignore[attr-defined]
        yield
    finally:
        for module, pickle in replaced.items():
            module.pickle = pickle  # type: ignore[attr-defined]
