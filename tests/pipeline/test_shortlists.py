"""Shortlists: with one group the lists are exactly the nearest; with more, those of the sample still are."""

import numpy as np
import pytest

pytest.importorskip("faiss")

from workbook.pipeline.shortlists import learn_shortlists, nearest_lists


def spread(rows: int, seed: int, D: int = 16) -> np.ndarray:
    """Unit vectors around 40 centres, (rows, D) float32."""
    centres = np.random.default_rng(7).normal(size=(40, D))
    rng = np.random.default_rng(seed)
    x = centres[rng.integers(40, size=rows)] + 0.4 * rng.normal(size=(rows, D))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_one_group_compares_with_every_list():
    lists, x = spread(99, 1), spread(3_000, 2)  # sqrt(99) / 5 is 1
    groups, on = learn_shortlists(spread(2_000, 3), lists, seed=0)
    assert on.shape == (1, 99)
    assert on.all()
    np.testing.assert_array_equal(nearest_lists(x, lists, groups, on), (x @ lists.T).argmax(axis=1))


def test_the_sample_gets_its_nearest_lists_although_shortlists_are_short():
    lists, sample = spread(900, 1), spread(20_000, 3)
    groups, on = learn_shortlists(sample, lists, seed=0)
    assert on.shape == (6, 900)
    assert on.sum(axis=1).max() < 600
    np.testing.assert_array_equal(nearest_lists(sample, lists, groups, on), (sample @ lists.T).argmax(axis=1))


def test_other_vectors_get_the_best_of_the_shortlist_and_mostly_the_best_of_all():
    lists, x = spread(900, 1), spread(5_000, 2)
    groups, on = learn_shortlists(spread(20_000, 3), lists, seed=0)
    found = nearest_lists(x, lists, groups, on)
    scores = x @ lists.T
    allowed = np.where(on[(x @ groups.T).argmax(axis=1)], scores, -np.inf)
    np.testing.assert_array_equal(found, allowed.argmax(axis=1))
    assert (found == scores.argmax(axis=1)).mean() > 0.9


def test_a_group_without_a_shortlist_compares_with_every_list():
    lists, x = spread(900, 1), spread(500, 2)
    groups, on = learn_shortlists(spread(20_000, 3), lists, seed=0)
    on[(x[:1] @ groups.T).argmax()] = False
    found = nearest_lists(x, lists, groups, on)
    assert found[0] == (x[0] @ lists.T).argmax()


def test_the_same_seed_gives_the_same_shortlists():
    lists, sample = spread(900, 1), spread(20_000, 3)
    first, again = (learn_shortlists(sample, lists, seed=5) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
