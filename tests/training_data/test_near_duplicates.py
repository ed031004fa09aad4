"""Near-duplicates: MinHash estimates what it should, planted duplicates of known J are found, and nothing else is."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.training_data.near_duplicates import (
    MinHashIndex,
    chance_to_meet,
    find,
    jaccard,
    join,
    minhash,
    near_duplicates,
    shingles,
)


def twins(seed: int, words: int, changed: int) -> tuple[str, str, float]:
    """Two texts that differ in their last words, and their J: of S = words - 3 shingles `changed` differ on each side."""
    common = [f"w{seed}x{i}" for i in range(words)]
    other = common[: words - changed] + [f"v{seed}x{i}" for i in range(changed)]
    S = words - 3
    return " ".join(common), " ".join(other), (S - changed) / (S + changed)


def test_shingles_are_runs_of_words_whatever_the_case_and_the_punctuation():
    assert shingles("One two, three. FOUR five") == shingles("one TWO three four - five")
    assert len(shingles("a b c d e")) == 2
    assert len(shingles("a b")) == len(shingles("")) == 1
    assert shingles("a b") != shingles("a b c")
    assert len(shingles("word " * 5_000)) == 1


def test_jaccard_by_hand():
    assert jaccard({1, 2, 3}, {2, 3, 4}) == 0.5
    assert jaccard({1}, {2}) == 0
    assert jaccard(set(), set()) == 1
    a, b, J = twins(0, 43, 4)
    assert jaccard(shingles(a), shingles(b)) == J == 36 / 44


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=40), st.sets(st.integers(0, 2**32 - 1), max_size=40))
def test_the_signature_of_a_union_is_the_smaller_of_both(a, b):
    both = minhash(a | b)
    assert np.array_equal(both, np.minimum(minhash(a), minhash(b)) if b else minhash(a))


@pytest.mark.parametrize("changed", [2, 10, 25])
def test_signatures_agree_as_often_as_the_sets_do(changed):
    share, expected = [], []
    for seed in range(60):
        a, b, J = twins(seed, 60, changed)
        share.append((minhash(shingles(a)) == minhash(shingles(b))).mean())
        expected.append(J)
    error = (np.mean(expected) * (1 - np.mean(expected)) / 60 / 100) ** 0.5  # 60 pairs of 100 minima
    assert abs(np.mean(share) - np.mean(expected)) < 5 * error


def test_an_empty_set_has_no_signature():
    with pytest.raises(ValueError, match="give at least one shingle"):
        minhash(set())


def test_the_chance_to_meet_is_that_of_the_docstring():
    assert [round(chance_to_meet(J), 2) for J in (0.0, 0.3, 0.6, 1.0)] == [0, 0.05, 0.80, 1]
    assert round(chance_to_meet(0.8), 4) == 0.9996


@pytest.mark.parametrize("changed", [2, 5, 8, 14, 22])
def test_planted_duplicates_meet_as_often_as_the_formula_says(changed):
    """J from 0.93 down to 0.42; 300 pairs each, within five standard errors of 1 - (1 - J^5)^20."""
    met = 0
    for seed in range(300):
        a, b, J = twins(seed, 59, changed)
        groups = near_duplicates({"a": a, "b": b})
        met += groups["a"] == groups["b"]
    expected = chance_to_meet(J)
    assert abs(met / 300 - expected) <= 5 * (expected * (1 - expected) / 300) ** 0.5 + 1e-3


def test_of_planted_duplicates_an_index_finds_all_that_matter_and_nothing_else():
    """1,000 texts, to a fifth of which a twin is planted above the threshold, to a fifth one below: precision and recall."""
    rng = random.Random(0)
    index, wanted, unwanted = MinHashIndex(threshold=0.8), {}, {}
    for seed in range(1_000):
        a, b, J = twins(seed, 60, rng.choice([1, 3, 5]) if seed < 200 else 12)  # J .97, .90, .84, or .65
        index.add(f"t{seed}", a)
        if seed < 200:
            wanted[f"t{seed}"] = b, J
        elif seed < 400:
            unwanted[f"t{seed}"] = b
    found = {name: index.nearest(text) for name, (text, _) in wanted.items()}
    right = [name for name, match in found.items() if match and match[0] == name]
    assert len(right) >= 0.99 * len(wanted)  # recall
    assert all(found[name][1] == pytest.approx(wanted[name][1]) for name in right)  # and J is exact
    assert [name for name, text in unwanted.items() if index.nearest(text)] == []  # precision 1


def test_the_nearest_of_several_is_returned_and_the_first_of_equals():
    index = MinHashIndex(threshold=0.1)
    text, far, _ = twins(0, 40, 10)
    near = twins(0, 40, 2)[1]
    for name, added in (("far", far), ("near", near), ("again", near)):
        index.add(name, added)
    assert index.nearest(text)[0] == "near"
    assert index.nearest("quite another text than those") is None
    assert MinHashIndex().nearest(text) is None


@pytest.mark.parametrize("threshold", [0, 1.1, -1])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold must be above 0 and at most 1"):
        MinHashIndex(threshold)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_joining_gives_the_connected_parts_of_the_graph(edges):
    import networkx as nx

    parent: dict[int, int] = {}
    for a, b in edges:
        join(parent, a, b)
    graph = nx.Graph(edges)
    graph.add_nodes_from(range(10))
    for part in nx.connected_components(graph):
        assert len({find(parent, node) for node in part}) == 1
    assert len({find(parent, node) for node in range(10)}) == nx.number_connected_components(graph)
