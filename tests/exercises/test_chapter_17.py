"""The plain forms of chapter 17 give what the package gives."""

import random

import numpy as np
import pytest
import torch

from workbook.exercises import chapter_17 as chapter
from workbook.index import HNSWIndex, IVFIndex, IVFPQIndex, PQIndex, kmeans

N, Q, D = 200, 8, 8
SEEDS = range(3)


def vectors(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, D, generator=torch.Generator().manual_seed(seed))


def filled(index, x):
    index.train(x)
    index.add(x)
    return index


@pytest.mark.parametrize("seed", SEEDS)
def test_one_round_is_the_first_step_of_kmeans(seed):
    x = vectors(N, seed)
    cells, moved = chapter.kmeans_round(x, x[:6])
    assert set(cells.tolist()) == set(range(6))  # none is empty, which the package would split
    torch.testing.assert_close(moved, kmeans(x, 6, iterations=1, centroids=x[:6]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_search_in_cells_is_that_of_the_index(seed):
    x, queries = vectors(N, seed), vectors(Q, seed + 10)
    index = filled(IVFIndex(D, 9, "l2", nprobe=3), x)
    cells, _ = chapter.kmeans_round(x, index.centroids)
    found = [chapter.search_cells(q, x, cells, index.centroids, 3, 7) for q in queries]
    assert found == index.search(queries, 7)[1].tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_codes_and_distances_are_those_of_the_index(seed):
    x, queries = vectors(N, seed), vectors(Q, seed + 10)
    index = filled(PQIndex(D, 4, 3, "l2"), x)
    distances, ids = index.search(queries, N)
    for query, row, order in zip(queries, distances, ids, strict=True):
        codes, own = chapter.codes_and_distances(query, x, index.codebooks)
        assert torch.equal(codes, index.codes.long())
        torch.testing.assert_close(own[order], row, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_index_of_cells_and_codes_is_that_of_the_package_rescored(seed):
    x, queries = vectors(N, seed), vectors(Q, seed + 10)
    index = filled(IVFPQIndex(D, 5, 4, 3, "l2", nprobe=2), x)
    for query in queries:
        ids = index.search(query[None], 20)[1][0].tolist()
        best = sorted(ids, key=lambda n: float((x[n] - query).square().sum()))[:6]
        assert chapter.search_ivfpq(query, x, index.centroids, index.codebooks, 2, 20, 6) == best


@pytest.mark.parametrize(("ef", "k"), [(1, 1), (1, 5), (12, 5)])
def test_a_walk_is_that_of_the_lowest_level(ef, k):
    x, queries = vectors(N, 0), vectors(Q, 10)
    index = HNSWIndex(D, M=4, metric="l2", ef_search=ef)
    index.add(x)
    index.levels[:] = 0  # what lies above is left out, and the search begins at vector 0
    places = [index.links[int(a) : int(a) + 2 * index.M].tolist() for a in index.start[:-1]]
    neighbours = [[n for n in row if n >= 0] for row in places]
    found = [chapter.walk(q, neighbours, x, 0, ef, k)[0] for q in queries]
    assert found == index.search(queries, k)[1].tolist()


def test_no_input_of_two_numbers_shows_the_ranges_of_one_query():
    """With one vector there is one ranking; two vectors and a query have three numbers at least."""
    exercise, rng = chapter.RANGES, random.Random(0)
    for _ in range(200):
        args = [rng.uniform(-3, 3)], [[rng.uniform(-3, 3)]]
        assert exercise.measure(*args) < exercise.smallest
        assert exercise.right(*args) == exercise.wrong(*args)


@pytest.mark.parametrize("seed", range(20))
def test_ranges_of_one_query_are_those_of_the_byte_exercise(seed):
    rng = np.random.default_rng(seed)
    query, x = rng.integers(-8, 9, 2) / 4, rng.integers(-8, 9, (5, 2)) / 4
    one = torch.tensor(query, dtype=torch.float32).repeat(2, 1)
    codes, _ = chapter.int8_round_trip(one, torch.tensor(x, dtype=torch.float32))
    assert np.array_equal(chapter._steps(query, x), codes.numpy() + 128.0)
