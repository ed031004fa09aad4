"""The statistical card: slopes of laws that hold exactly, figures that can be counted by hand, and the planted corpus beside real ones."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from workbook.bm25 import BM25, words
from workbook.data import load
from workbook.data.card import METRICS, card, card_table, vocabulary_growth, zipf_slope
from workbook.data.collection import Collection
from workbook.metrics import evaluate
from workbook.support.content_words import GLUE, content_words

# Real collections, in a folder beside the repository; they are not part of it.
REAL = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.parametrize("slope", [-0.5, -1.0, -1.7])
def test_the_slope_of_an_exact_power_law_is_its_exponent_in_any_order(slope):
    counts = 1e9 * np.arange(1, 5_001) ** slope
    np.random.default_rng(0).shuffle(counts)
    assert zipf_slope(counts) == pytest.approx(slope, abs=1e-9)


def test_rare_and_very_frequent_words_do_not_bend_the_slope():
    counts = 1e9 / np.arange(1, 20_001)
    counts[:9] *= 50
    counts[2_000:] = 1
    assert zipf_slope(counts) == pytest.approx(-1, abs=1e-9)
    assert math.isnan(zipf_slope([3] * 99))


def test_the_vocabulary_grows_as_fast_as_its_law():
    new_each_time = [[f"w{i}", f"v{i}"] for i in range(400)]
    counts, growth = vocabulary_growth(new_each_time, 400)
    assert growth == pytest.approx(1)
    assert counts == Counter(w for passage in new_each_time for w in passage)
    _, none = vocabulary_growth([["a", "b"]] * 400, 400)
    assert none == pytest.approx(0, abs=1e-12)
    root = [[f"w{math.isqrt(i)}"] for i in range(10_000)]  # after n words there are √n different ones
    assert vocabulary_growth(root, 10_000)[1] == pytest.approx(0.5, abs=0.01)
    assert math.isnan(vocabulary_growth([["a"]] * 3, 3)[1])


def test_content_words_are_the_words_of_bm25_without_glue():
    text = "The Height of X, and of (Harvel's) 43 metres: it IS what it is."
    assert content_words(text) == {"height", "harvel", "43", "metres"} == set(words(text)) - GLUE


@pytest.fixture
def small() -> Collection:
    return Collection(
        "small",
        corpus={"1": "red apples and pears", "2": "green pears", "3": "the sea"},
        queries={"a": "red fruit", "b": "what is the ocean", "c": "never searched"},
        qrels={"a": {"1": 3, "2": 0}, "b": {"3": 2, "2": 1}, "c": {"1": 1}},
        splits={"train": ("c",), "test": ("a", "b")},
    )


def test_what_can_be_counted_by_hand_is_so(small):
    figures = card(small, dense=False)
    assert figures["passages"] == 3
    assert figures["words per passage"] == pytest.approx((4 + 2 + 2) / 3)
    assert figures["different words"] == 7
    assert figures["seen once"] == pytest.approx(6 / 7)
    assert figures["queries"] == 2
    assert figures["words per query"] == 3
    assert figures["positives per query"] == 1.5
    assert figures["pairs without a shared word"] == pytest.approx(2 / 3)  # "the" and "is" do not count
    assert not any(name.startswith(("static", "MiniLM")) for name in figures)


def test_its_difficulty_is_that_of_bm25_on_the_split(small):
    test = small.split("test")
    expected = evaluate(test.qrels, BM25().index(test.corpus).search(test.queries, k=100), METRICS)
    figures = card(small, dense=False)
    assert {metric: figures[f"BM25 {metric}"] for metric in METRICS} == expected
    assert card(small, split="train", dense=False)["queries"] == 1
    other = card(small, dense=False, qrels={"a": {"2": 1}})
    assert (other["queries"], other["positives per query"]) == (1, 1)


def test_a_table_has_a_column_for_each_collection_and_a_dash_where_nothing_was_measured():
    table = card_table({"one": {"passages": 12_345.0, "seen once": 0.5, "Zipf slope": -1.0}, "two": {"passages": 3.0}})
    assert table.splitlines() == [
        "| | one | two |",
        "|---|---:|---:|",
        "| passages | 12,345 | 3 |",
        "| seen once | 50% | – |",
        "| Zipf slope | -1.000 | – |",
    ]


@pytest.mark.slow
def test_the_planted_corpus_is_as_difficult_as_real_ones_and_a_trained_model_goes_beyond_bm25():
    figures = card(load("planted"))
    assert 0.35 < figures["BM25 ndcg@10"] < 0.6
    assert figures["static recall@100"] > figures["BM25 recall@100"] + 0.05
    assert -1.1 < figures["Zipf slope"] < -0.75
    assert 0.4 < figures["vocabulary growth"] < 0.75
    assert 0.1 < figures["pairs without a shared word"] < 0.4
    assert 50 < figures["words per passage"] < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cacm", "vaswani_npl", "squad_dev"])
def test_real_collections_have_the_figures_in_the_card(name):
    if not (REAL / name).is_dir():
        pytest.skip(f"the collection {name} is not on this machine")
    figures = card(load(REAL / name), dense=False)
    text = (Path(__file__).parents[2] / "datasets" / "planted" / "CARD.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    at = next(row.index(name) for row in rows if name in row)
    stated = {row[0]: row[at] for row in rows if len(row) > at and row[0] in figures}
    made = card_table({name: figures}).splitlines()[2:]
    assert len(stated) > 10
    assert {line.split("|")[1].strip(): line.split("|")[2].strip() for line in made} == stated
