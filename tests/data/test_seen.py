"""Queries that a model was trained on are dropped, and counted."""

import warnings

import numpy as np
import pytest

from workbook.data import Collection
from workbook.data.seen import hashes, without_seen


@pytest.fixture
def collection():
    return Collection(
        name="small",
        corpus={"a": "Sort a list.", "b": "Open  a File", "c": "Close it.", "d": "Nothing of the kind."},
        queries={"1": "how to sort", "2": "how to open", "3": "how to close", "4": "train me"},
        qrels={"1": {"a": 1, "d": 0}, "2": {"b": 1}, "3": {"c": 2}, "4": {"a": 1}},
        splits={"train": ("4",), "dev": ("1",), "test": ("2", "3")},
        licence="none",
        fingerprint="x",
    )


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        (["How to  OPEN"], {"1", "3", "4"}),  # the query itself
        (["open a file"], {"1", "3", "4"}),  # its passage
        (["Nothing of the kind."], {"1", "2", "3", "4"}),  # judged, but not right
        (["train me", "Sort a list."], {"2", "3", "4"}),  # what is trained on stays
        ([], {"1", "2", "3", "4"}),
    ],
)
def test_what_was_seen_is_dropped_outside_of_training(collection, seen, left):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = without_seen(collection, hashes(seen), "base")
    assert set(found.queries) == set(found.qrels) == left
    assert {query for ids in found.splits.values() for query in ids} == left
    assert found.corpus == collection.corpus


def test_the_number_is_told(collection):
    with pytest.warns(UserWarning, match=r"small: 2 of 3 queries .* because base was trained"):
        without_seen(collection, hashes(["how to open", "close it."]), "base")


def test_hashes_are_sorted_and_of_different_texts():
    found = hashes(["b", "a", "A ", "a"])
    assert found.dtype == np.uint64
    assert len(found) == 2
    assert found[0] < found[1]
