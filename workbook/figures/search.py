"""Two searches side by side: a text box for a person, a table for a stored notebook.

Taught in 00.
"""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.data import Collection
from workbook.frontend import in_notebook, is_live
from workbook.similarity import top_k


def side_by_side(
    docs: Collection, keyword: BM25, encoder: Any, vectors: np.ndarray, queries: Sequence[str], k: int = 4
) -> None:
    """Search a collection with both systems: with a text box where somebody can type, else for given queries.

    Args:
        docs: what is searched.
        keyword: an index of its corpus.
        encoder: an encoder with `encode_query`.
        vectors: (N, D), its vectors of the corpus, in the corpus' order.
        queries: what to show before anybody has typed.
        k: passages per system.

    Taught in 00.
    """
    ids, documents = list(docs.corpus), torch.from_numpy(vectors)

    def answer(query: str) -> tuple[list[str], list[str]]:
        words = list(keyword.search({"q": query}, k)["q"])
        _, rows = top_k(torch.from_numpy(encoder.encode_query([query])), documents, k)
        return words, [ids[row] for row in rows[0].tolist()]

    if is_live() and in_notebook():
        _text_box(docs, answer, queries[0])
        return
    for query in queries:
        print(f"query: {query}")
        for name, found in zip(("keyword search", "encoder"), answer(query), strict=True):
            print(f"  {name:<15}", " · ".join(found) or "nothing")


def _text_box(docs: Collection, answer: Any, first: str) -> None:
    import ipywidgets as widgets
    from IPython.display import display

    box = widgets.Text(value=first, description="query", continuous_update=False, layout={"width": "640px"})
    table = widgets.HTML()

    def search(_change: Any) -> None:
        if not box.value.strip():
            table.value = "Type a few words and press Enter."
            return
        cells = "".join(
            f"<td style='vertical-align:top;width:50%'>{_column(docs, found)}</td>" for found in answer(box.value)
        )
        table.value = f"<table><tr><th>keyword search</th><th>your encoder</th></tr><tr>{cells}</tr></table>"

    box.observe(search, names="value")
    search(None)
    display(widgets.VBox([box, table]))


def _column(docs: Collection, found: list[str]) -> str:
    if not found:
        return "nothing: no passage holds any of these words"
    return "".join(f"<p><b>{html.escape(p)}</b><br>{html.escape(docs.corpus[p][:160])}…</p>" for p in found)
