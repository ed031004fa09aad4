"""Two searches side by side: a text box for a person, a table for a stored notebook."""

import html
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.data import Collection
from workbook.similarity import top_k
from workbook.support.frontend import in_notebook, is_live


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

    box = widgets.Text(value=first, description="query", continuous_update=False, layout={"width": "560px"})
    button, table = widgets.Button(description="Search"), widgets.HTML()

    def search(_event: Any) -> None:
        table.value = _table(docs, *answer(box.value)) if box.value.strip() else "Type a few words and press Enter."

    box.observe(search, names="value")  # Enter, or leaving the box
    button.on_click(search)
    search(None)
    display(widgets.VBox([widgets.HBox([box, button]), table]))


def _table(docs: Collection, words: list[str], dense: list[str]) -> str:
    """Both answers as HTML, in the colours of the page."""
    style = "text-align: left; vertical-align: top; padding: 0 16px 0 0; line-height: 1.4; overflow-wrap: anywhere"
    heads = "".join(f"<th style='{style}'>{name}</th>" for name in ("keyword search", "your encoder"))
    cells = "".join(f"<td style='{style}'>{_column(docs, found)}</td>" for found in (words, dense))
    return f"<table style='table-layout: fixed; width: 100%; max-width: 70em'><tr>{heads}</tr><tr>{cells}</tr></table>"


def _column(docs: Collection, found: list[str]) -> str:
    if not found:
        return "nothing: no passage holds any of these words"
    passages = [textwrap.shorten(docs.corpus[id], 160, placeholder=" …") for id in found]
    return "".join(
        f"<p><b>{html.escape(id)}</b><br>{html.escape(text)}</p>" for id, text in zip(found, passages, strict=True)
    )
