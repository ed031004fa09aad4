import ipywidgets as widgets
import numpy as np
import pytest

from workbook.bm25 import BM25
from workbook.data import Collection
from workbook.figures import search
from workbook.figures.search import side_by_side

DOCS = Collection("three", {"a": "<b>sort</b> a list", "b": "wait for a thread", "c": "word " * 60}, {}, {}, {})
VECTORS = np.eye(3, dtype=np.float32)


class Encoder:
    """Sends every query to the passage "b", then "a"."""

    def encode_query(self, texts):
        return np.array([[0.5, 1.0, 0.0]] * len(texts), dtype=np.float32)


def show(queries, k=2):
    side_by_side(DOCS, BM25().index(DOCS.corpus), Encoder(), VECTORS, queries, k=k)


@pytest.fixture
def live(monkeypatch):
    """The text box, its button and the table below, as a reader gets them."""
    shown = []
    monkeypatch.setattr(search, "in_notebook", lambda: True)
    monkeypatch.setenv("WORKBOOK_LIVE", "1")
    monkeypatch.setattr("IPython.display.display", shown.append)
    show(["sort"])
    (panel,) = shown
    row, table = panel.children
    return *row.children, table


def test_a_stored_notebook_holds_the_answers_to_the_given_queries(capsys):
    show(["sort", "zzz"])
    assert capsys.readouterr().out.splitlines() == [
        "query: sort",
        "  keyword search  a",
        "  encoder         b · a",
        "query: zzz",
        "  keyword search  nothing",
        "  encoder         b · a",
    ]


def test_a_reader_sees_the_first_query_answered(live):
    box, button, table = live
    assert box.value == "sort"
    assert button.description == "Search"
    assert table.value.index("keyword search") < table.value.index("<b>a</b>") < table.value.index("<b>b</b>")
    assert "&lt;b&gt;sort&lt;/b&gt; a list" in table.value


def test_another_query_is_answered_and_an_empty_one_asked_for(live):
    box, button, table = live
    box.value = "word"
    assert "<b>c</b>" in table.value
    assert " …" in table.value  # a long passage is cut at a word
    box.value = " "
    assert table.value == "Type a few words and press Enter."
    box.value = "zzz"
    assert "no passage holds any of these words" in table.value
    table.value = ""
    button.click()
    assert "<b>b</b>" in table.value
    assert isinstance(button, widgets.Button)
