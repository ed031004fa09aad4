"""The exercises of chapter 17: k-means, cells, codes of pieces, a byte for a number, a walk through a graph, an index of cells and codes."""

import random
from bisect import insort
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.exercises import compare
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.index import flat_search
from workbook.index.clustering import assign
from workbook.index.product_quantization import add_up, encode, lookup_tables
from workbook.index.quantize import dequantize_embeddings, quantization_ranges, quantize_embeddings
from workbook.similarity import normalize


def _halves(rng: random.Random, *shape: int, most: int = 4) -> Tensor:
    """Whole and half numbers: their squares are exact in float32, so equal distances are equal in every way of computing."""
    count = torch.Size(shape).numel()
    return torch.tensor([rng.randint(-most, most) / 2 for _ in range(count)]).reshape(shape)


def _far(query: Tensor, x: Tensor) -> Tensor:
    """Squared distances: (D,), (N, D) -> (N,)."""
    return (x - query).square().sum(-1)


def _minus_dots(query: Tensor, x: Tensor) -> Tensor:
    return -(x @ query)


def _minus_cosines(query: Tensor, x: Tensor) -> Tensor:
    return -(normalize(x) @ normalize(query))


def _order(far: Tensor) -> list[int]:
    """From the smallest to the largest, equal ones by number."""
    found: list[int] = far.argsort(stable=True).tolist()
    return found


# --- 17.1 one round of k-means ---------------------------------------------------------------


def kmeans_round(vectors: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Each vector to its nearest centroid, each centroid to the mean of its vectors: (N, D), (C, D) -> (N,), (C, D)."""
    cells = assign(vectors, centroids)
    members = [vectors[cells == c] for c in range(len(centroids))]
    return cells, torch.stack([rows.mean(0) if len(rows) else centroids[c] for c, rows in enumerate(members)])


def _vector_by_vector(vectors, centroids):
    cells = []
    for x in vectors:
        far = [float((x - c).square().sum()) for c in centroids]
        cells.append(min(range(len(far)), key=lambda c: (far[c], c)))
    moved = centroids.clone()
    for c in set(cells):
        moved[c] = torch.stack([x for x, cell in zip(vectors, cells, strict=True) if cell == c]).sum(0) / cells.count(c)
    return torch.tensor(cells), moved


def _pairs_far(vectors: Tensor, centroids: Tensor) -> Tensor:
    """(N, D), (C, D) -> (N, C)."""
    return (vectors[:, None] - centroids[None]).square().sum(-1)


def _round(
    vectors, centroids, *, apart=_pairs_far, choose=lambda far: far.argmin(1),
    move=lambda rows, old, x: rows.mean(0), empty=lambda old, x, far: old,
):  # fmt: skip
    """A round of k-means with one part exchanged."""
    far = apart(vectors, centroids)
    cells = choose(far)
    members = [vectors[cells == c] for c in range(len(centroids))]
    moved = [
        move(rows, old, vectors) if len(rows) else empty(old, vectors, far)
        for rows, old in zip(members, centroids, strict=True)
    ]
    return cells, torch.stack(moved)


def _rounded(**parts: Any) -> Answer:
    return lambda *args: _round(*args, **parts)


def _assigned_again(vectors, centroids):
    _, moved = _round(vectors, centroids)
    return _pairs_far(vectors, moved).argmin(1), moved


def _until_nothing_moves(vectors, centroids):
    cells, moved = _round(vectors, centroids)
    for _ in range(50):
        cells, moved = _round(vectors, moved)
    return cells, moved


def _one_after_the_other(vectors, centroids):
    """The centroid moves as soon as a vector comes to it."""
    moved, counts, cells = centroids.clone(), [0] * len(centroids), []
    for x in vectors:
        c = int(_far(x, moved).argmin())
        counts[c] += 1
        moved[c] += (x - moved[c]) / counts[c]
        cells.append(c)
    return torch.tensor(cells), moved


def _without_empty_cells(vectors, centroids):
    cells, moved = _round(vectors, centroids)
    return cells, moved[cells.unique()]


def _nearest_vector_of_each(vectors, centroids):
    chosen = _pairs_far(vectors, centroids).argmin(0)
    return chosen, vectors[chosen]


def _in_place(vectors, centroids):
    cells, moved = _round(vectors, centroids)
    centroids.copy_(moved)
    return cells, centroids


def _draw_round(rng: random.Random) -> tuple[Tensor, Tensor]:
    N, C, D = rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 3)
    vectors, centroids = _halves(rng, N, D), _halves(rng, C, D)
    if C > 1 and rng.random() < 0.25:
        centroids[rng.randrange(C)] += 20.0  # too far away for anyone
    if C > 1 and rng.random() < 0.25:
        centroids[-1] = centroids[0]
    return vectors, centroids


def _is_tied(vectors: Tensor, centroids: Tensor) -> bool:
    far = _pairs_far(vectors, centroids)
    return bool(((far == far.amin(1, keepdim=True)).sum(1) > 1).any())


def _counts(vectors: Tensor, centroids: Tensor) -> Tensor:
    return torch.bincount(_pairs_far(vectors, centroids).argmin(1), minlength=len(centroids))


def _never_worse(answer: Answer) -> str | None:
    vectors = torch.tensor([[0.0, 0.0], [1.0, 3.0], [4.0, 0.5], [5.0, 2.0], [-2.0, 1.0]])
    centroids = torch.tensor([[0.0, 1.0], [3.0, 3.0], [9.0, 9.0]])
    cells, moved = answer(vectors, centroids)
    before, after = (float((vectors - c[cells]).square().sum()) for c in (centroids, moved))
    return (
        None if after <= before + 1e-4 else f"the squared distances add up to {before:.4g} before, to {after:.4g} after"
    )


ROUND = Exercise(
    id="17.1",
    title="one round of k-means",
    difficulty="easy",
    minutes=8,
    section="Build it: one round of k-means",
    signature="(N, D), (C, D) -> (N,), (C, D)",
    reference=kmeans_round,
    another=_vector_by_vector,
    draw=_draw_round,
    loops=True,
    situations=(
        Situation("a cell is empty", lambda x, c: bool((_counts(x, c) == 0).any())),
        Situation("a vector is equally near to two centroids", _is_tied),
        Situation("there is one centroid", lambda x, c: len(c) == 1),
        Situation("there is one vector", lambda x, c: len(x) == 1),
        Situation("a cell has more than one vector", lambda x, c: bool((_counts(x, c) > 1).any())),
        Situation(
            "the centroid with the largest dot product is another one than the nearest",
            lambda x, c: not torch.equal((x @ c.T).argmax(1), _pairs_far(x, c).argmin(1)),
        ),
    ),
    cases=(
        Case(
            "four vectors, two centroids",
            lambda: (
                torch.tensor([[0.0, 0.0], [2.0, 0.0], [8.0, 4.0], [10.0, 8.0]]),
                torch.tensor([[1.0, 1.0], [9.0, 5.0]]),
            ),
            (torch.tensor([0, 0, 1, 1]), torch.tensor([[1.0, 0.0], [9.0, 6.0]])),
        ),
        Case(
            "a tie, and a cell that stays empty",
            lambda: (torch.tensor([[1.0], [3.0], [-2.0]]), torch.tensor([[0.0], [2.0], [9.0]])),
            (torch.tensor([0, 1, 0]), torch.tensor([[-0.5], [3.0], [9.0]])),
        ),
        Case(
            "two equal centroids",
            lambda: (torch.tensor([[1.0, 1.0], [0.0, 2.0]]), torch.tensor([[4.0, 4.0], [0.0, 0.0], [0.0, 0.0]])),
            (torch.tensor([1, 1]), torch.tensor([[4.0, 4.0], [0.5, 1.5], [0.0, 0.0]])),
        ),
        Case(
            "six vectors, three centroids, all signs",
            lambda: (
                torch.tensor([[3.0, -1.0], [2.5, 0.5], [-1.0, 2.0], [-3.0, 1.5], [0.5, 0.5], [7.0, -6.0]]),
                torch.tensor([[2.0, 0.0], [-2.0, 1.0], [5.0, 5.0]]),
            ),
        ),
    ),
    properties=(Property("the squared distances to the centroids, added up, do not grow", _never_worse),),
    mistakes=(
        Mistake(
            "an empty cell is NaN",
            _rounded(empty=lambda old, x, far: old * float("nan")),
            "A cell without vectors has no mean: zero divided by zero is NaN, and in the next round every distance to it is NaN, too. "
            "Ask whether a cell has vectors, and leave its centroid where it is if it has none.",
        ),
        Mistake(
            "an empty cell goes to zero",
            _rounded(empty=lambda old, x, far: torch.zeros_like(old)),
            "A centroid without vectors lands on zero, as a sum of nothing does when it is divided by at least 1. It keeps its place.",
        ),
        Mistake(
            "an empty cell takes the first vector",
            _rounded(empty=lambda old, x, far: x[0]),
            "You put an empty cell's centroid on the first vector. Starting it anew is a good idea elsewhere; here it keeps its place.",
        ),
        Mistake(
            "an empty cell takes the farthest vector",
            _rounded(empty=lambda old, x, far: x[far.amin(1).argmax()]),
            "You put an empty cell's centroid on the vector that is farthest from its own centroid. Some libraries do; the contract keeps it "
            "where it is.",
        ),
        Mistake(
            "empty cells are left out",
            _without_empty_cells,
            "Cells without vectors are missing in your result, so the numbers of those behind them no longer fit the assignment. Return C "
            "centroids, whatever happens.",
        ),
        Mistake(
            "the last empty cells are missing",
            lambda *args: (_round(*args)[0], _round(*args)[1][: int(_round(*args)[0].max()) + 1]),
            "You count cells up to the largest number that occurs in the assignment. Empty cells behind it are then missing: there are as many "
            "as centroids.",
        ),
        Mistake(
            "a cell of one vector stays",
            _rounded(move=lambda rows, old, x: rows.mean(0) if len(rows) > 1 else old),
            "A centroid with one vector stays where it was with you. The mean of one vector is that vector: only a cell with none stays.",
        ),
        Mistake(
            "of equally near ones the last",
            _rounded(choose=lambda far: far.shape[1] - 1 - far.flip(1).argmin(1)),
            "Of equally near centroids you take the one with the larger number; `<=` in a loop, or a search from the back, does that. The "
            "smaller number is asked for.",
        ),
        Mistake(
            "the largest dot product",
            _rounded(apart=lambda x, c: -(x @ c.T)),
            "You give a vector to the centroid with the largest dot product. A long centroid has large products with everything. With "
            "vectors of any length the *distance* has to decide.",
        ),
        Mistake(
            "the largest cosine",
            _rounded(apart=lambda x, c: -(normalize(x) @ normalize(c).T)),
            "You compare directions. Two vectors of one direction can be far apart, and nothing is normalized here: compare distances.",
        ),
        Mistake(
            "the product counts once",
            _rounded(apart=lambda x, c: c.square().sum(1) - x @ c.T),
            "You write the squared distance out, and the product of vector and centroid counts once. It counts twice: |x − c|² = |x|² − 2 x · c + "
            "|c|².",
        ),
        Mistake(
            "the farthest centroid",
            _rounded(choose=lambda far: far.argmax(1)),
            "You take the centroid at the *largest* distance. `argmax` belongs to similarities.",
        ),
        Mistake(
            "absolute differences",
            _rounded(apart=lambda x, c: (x[:, None] - c[None]).abs().sum(-1)),
            "You add up absolute differences. The mean is the best place for a sum of *squared* distances; with these it is not.",
        ),
        Mistake(
            "added up before squaring",
            _rounded(apart=lambda x, c: (x[:, None] - c[None]).sum(-1).square()),
            "You add up the differences and square the sum. Then a difference of +1 and one of -1 cancel. Square each, then add up.",
        ),
        Mistake(
            "the sum instead of the mean",
            _rounded(move=lambda rows, old, x: rows.sum(0)),
            "Your centroids are sums. A cell with many vectors is then thrown far out: divide by how many there are.",
        ),
        Mistake(
            "divided by all vectors",
            _rounded(move=lambda rows, old, x: rows.sum(0) / len(x)),
            "You divide each cell's sum by N, the number of all vectors. A cell's mean is over its own vectors.",
        ),
        Mistake(
            "divided by one more",
            _rounded(move=lambda rows, old, x: rows.sum(0) / (len(rows) + 1)),
            "You divide by the count plus one, perhaps so that nothing is divided by zero. That draws every centroid towards zero; empty cells "
            "are a case of their own.",
        ),
        Mistake(
            "the median",
            _rounded(move=lambda rows, old, x: rows.median(0).values),
            "You take the median of each dimension. The mean is what makes the sum of squared distances smallest.",
        ),
        Mistake(
            "the middle of smallest and largest",
            _rounded(move=lambda rows, old, x: (rows.amin(0) + rows.amax(0)) / 2),
            "You take the middle between the smallest and the largest number. The mean counts every vector.",
        ),
        Mistake(
            "one number for all dimensions",
            _rounded(move=lambda rows, old, x: rows.mean().expand_as(old)),
            "You take one mean over everything, dimensions included. Each dimension has its own: the mean over the first axis.",
        ),
        Mistake(
            "one of the vectors",
            _rounded(move=lambda rows, old, x: rows[_far(rows.mean(0), rows).argmin()]),
            "You put a centroid on the vector nearest to the mean. That is k-medoids. A centroid may lie where no vector is.",
        ),
        Mistake(
            "the sum begins at the old centroid",
            _rounded(move=lambda rows, old, x: (rows.sum(0) + old) / len(rows)),
            "You add the vectors to the old centroid before you divide. A sum begins at zero; the old centroid only said who belongs together.",
        ),
        Mistake(
            "the old centroid counts, too",
            _rounded(move=lambda rows, old, x: (rows.sum(0) + old) / (len(rows) + 1)),
            "You average the old centroid in, as if it were one of the vectors. It only said who belongs together.",
        ),
        Mistake(
            "at length 1",
            _rounded(move=lambda rows, old, x: normalize(rows.mean(0))),
            "You scale the mean to length 1. That belongs to a k-means for inner products; with distances it is no longer the mean.",
        ),
        Mistake(
            "centroids do not move",
            lambda vectors, centroids: (_pairs_far(vectors, centroids).argmin(1), centroids.clone()),
            "You assign, and return the centroids as they came in. The second half of a round moves each to the mean of its vectors.",
        ),
        Mistake(
            "assigned once more",
            _assigned_again,
            "Your assignment belongs to the *new* centroids: you look again after they have moved. One round assigns first, then moves, and "
            "returns both.",
        ),
        Mistake(
            "until nothing moves",
            _until_nothing_moves,
            "You go on until nothing changes. One round is asked for; the loop stands outside.",
        ),
        Mistake(
            "a centroid moves at once",
            _one_after_the_other,
            "You move a centroid as soon as one vector has come to it, so the next vector meets another centroid than the first, and the order "
            "counts. Assign all vectors first.",
        ),
        Mistake(
            "each centroid looks for a vector",
            _nearest_vector_of_each,
            "You look for the nearest vector of each centroid, the minimum over the wrong axis. It is each *vector* that looks for its centroid: "
            "(N,) numbers below C.",
        ),
        Mistake(
            "cells from 1",
            lambda *args: (_round(*args)[0] + 1, _round(*args)[1]),
            "Your cells are counted from 1. They are counted from 0, so that they pick rows of the centroids.",
        ),
        Mistake(
            "the centroids first",
            lambda *args: _round(*args)[::-1],
            "You return the centroids first. The assignment comes first, then the centroids.",
        ),
        Mistake(
            "what was passed in has changed",
            _in_place,
            "The numbers are right, and you wrote the new centroids over the old ones. Whoever called your function finds other centroids there "
            "than before: work on a copy.",
        ),
    ),
    hints=(
        "Two steps, and the second one looks only at what the first has found. Which numbers does the first need?",
        "With one more axis each, `vectors[:, None]` and `centroids[None]` give all differences at once, (N, C, D). Square them and add up "
        "over D; the place of the smallest is the cell.",
        "A comparison of the assignment with a number is a mask that picks a cell's vectors. Look at how many there are before you take the mean.",
    ),
)


# --- 17.2 search in the nearest cells --------------------------------------------------------


def search_cells(
    query: Tensor, vectors: Tensor, assignment: Tensor, centroids: Tensor, nprobe: int, k: int
) -> list[int]:
    """The nearest vectors that stand in the nearest cells: (D,), (N, D), (N,), (C, D), int, int -> list of int."""
    opened = flat_search(query, centroids, nprobe, "l2")
    candidates = [n for n, cell in enumerate(assignment.tolist()) if cell in opened]
    return [candidates[i] for i in flat_search(query, vectors[candidates], k, "l2")]


def _by_two_keys(query, vectors, assignment, centroids, nprobe, k):
    """With numpy's sorting by two keys, and distances of what is not opened at infinity."""
    to_centroids = ((centroids - query) ** 2).sum(1).numpy()
    opened = np.lexsort((np.arange(len(centroids)), to_centroids))[:nprobe]
    inside = np.isin(assignment.numpy(), opened)
    far = np.where(inside, ((vectors - query) ** 2).sum(1).numpy(), np.inf)
    order = np.lexsort((np.arange(len(far)), far))
    return [int(n) for n in order[: min(k, int(inside.sum()))]]


def _nearest_cells(far: Tensor, nprobe: int, assignment: Tensor) -> list[int]:
    return _order(far)[:nprobe]


def _nearest_numbers(numbers: list[int], far: Tensor, k: int) -> list[int]:
    return [numbers[i] for i in _order(far)[:k]]


def _in_cells(
    query, vectors, assignment, centroids, nprobe, k, *, to_cells=_far, cells=_nearest_cells, to_vectors=_far,
    last=_nearest_numbers,
):  # fmt: skip
    """A search in cells with one part exchanged."""
    opened = cells(to_cells(query, centroids), nprobe, assignment)
    numbers = [n for n, cell in enumerate(assignment.tolist()) if cell in opened]
    return last(numbers, to_vectors(query, vectors[numbers]), k)


def _opening(**parts: Any) -> Answer:
    return lambda *args: _in_cells(*args, **parts)


def _backwards(far: Tensor) -> list[int]:
    """From the smallest to the largest, equal ones by the larger number first."""
    return sorted(range(len(far)), key=lambda i: (float(far[i]), -i))


def _until_k_are_there(query, vectors, assignment, centroids, nprobe, k):
    order = _order(_far(query, centroids))
    while nprobe < len(order) and int(torch.isin(assignment, torch.tensor(order[:nprobe])).sum()) < k:
        nprobe += 1
    return _in_cells(query, vectors, assignment, centroids, nprobe, k)


def _filtered_at_the_end(query, vectors, assignment, centroids, nprobe, k):
    opened = _order(_far(query, centroids))[:nprobe]
    return [n for n in _order(_far(query, vectors))[:k] if int(assignment[n]) in opened]


def _k_of_each_cell(query, vectors, assignment, centroids, nprobe, k):
    far, found = _far(query, vectors), []
    for c in _order(_far(query, centroids))[:nprobe]:
        members = [n for n in _order(far) if int(assignment[n]) == c]
        found += members[:k]
    return sorted(found, key=lambda n: (float(far[n]), n))


def _cell_by_cell(query, vectors, assignment, centroids, nprobe, k):
    far, found = _far(query, vectors), []
    for c in _order(_far(query, centroids))[:nprobe]:
        found += [n for n in _order(far) if int(assignment[n]) == c]
    return found[:k]


def _gathered_cell_by_cell(query, vectors, assignment, centroids, nprobe, k):
    """Sorted by distance, equal ones in the order in which their cells were opened."""
    order = _order(_far(query, centroids))[:nprobe]
    numbers = [n for c in order for n, cell in enumerate(assignment.tolist()) if cell == c]
    return _nearest_numbers(numbers, _far(query, vectors[numbers]), k)


def _topk_cells(far: Tensor, nprobe: int, assignment: Tensor) -> list[int]:
    return far.topk(min(nprobe, len(far)), largest=False).indices.tolist()


def _topk_numbers(numbers: list[int], far: Tensor, k: int) -> list[int]:
    return [numbers[i] for i in far.topk(min(k, len(far)), largest=False).indices.tolist()]


def _cells_of_nearest_vectors(query, vectors, assignment, centroids, nprobe, k):
    order = [int(assignment[n]) for n in _order(_far(query, vectors))]
    opened = list(dict.fromkeys(order))[:nprobe]
    return _in_cells(query, vectors, assignment, centroids, nprobe, k, cells=lambda *args: opened)


def _ranked_by_centroid(query, vectors, assignment, centroids, nprobe, k):
    far = _far(query, centroids[assignment])
    numbers = _inside(query, vectors, assignment, centroids, nprobe, k)
    return _nearest_numbers(numbers, far[numbers], k)


def _over_the_centroid(query, vectors, assignment, centroids, nprobe, k):
    of_cell = centroids[assignment]
    far = _far(query, of_cell) + (vectors - of_cell).square().sum(1)
    numbers = _inside(query, vectors, assignment, centroids, nprobe, k)
    return _nearest_numbers(numbers, far[numbers], k)


def _assigned_anew(query, vectors, assignment, centroids, nprobe, k):
    return _in_cells(query, vectors, _pairs_far(vectors, centroids).argmin(1), centroids, nprobe, k)


def _at_least_k(numbers: list[int], far: Tensor, k: int) -> list[int]:
    if k > len(numbers):
        raise RuntimeError("selected index k out of range")  # as topk says it
    return _nearest_numbers(numbers, far, k)


def _distances_come_back(query, vectors, *rest):
    far = _far(query, vectors)
    return [float(far[n]) for n in _in_cells(query, vectors, *rest)]


def _last_cell_alone(query, vectors, assignment, centroids, nprobe, k):
    return _in_cells(
        query, vectors, assignment, centroids, nprobe, k, cells=lambda far, nprobe, cell_of: _order(far)[:nprobe][-1:]
    )


def _cells_by_their_mean(query, vectors, assignment, centroids, nprobe, k):
    """Empty cells have no mean, and are passed over."""
    there = sorted(set(assignment.tolist()))
    means = torch.stack([vectors[assignment == c].mean(0) for c in there])
    opened = [there[i] for i in _order(_far(query, means))[:nprobe]]
    return _in_cells(query, vectors, assignment, centroids, nprobe, k, cells=lambda *args: opened)


def _one_of_equal_ones(numbers: list[int], far: Tensor, k: int) -> list[int]:
    by_distance = dict(zip(far.tolist(), numbers, strict=True))
    return [by_distance[distance] for distance in sorted(by_distance)][:k]


def _no_more_cells_than_there_are(far: Tensor, nprobe: int, assignment: Tensor) -> list[int]:
    if nprobe > len(far):
        raise RuntimeError("selected index k out of range")  # as topk says it
    return _order(far)[:nprobe]


def _draw_cells(rng: random.Random) -> tuple[Any, ...]:
    N, C, D = rng.randint(3, 8), rng.randint(2, 5), rng.randint(1, 2)
    vectors, centroids = _halves(rng, N, D), _halves(rng, C, D)
    assignment = _pairs_far(vectors, centroids).argmin(1)
    for n in range(N):
        if rng.random() < 0.15:  # it came when the centroids lay elsewhere
            assignment[n] = rng.randrange(C)
    if rng.random() < 0.4:
        left = rng.randrange(C)
        assignment[assignment == left] = (left + 1) % C
    return _halves(rng, D), vectors, assignment, centroids, rng.choice((1, 1, 2, 2, 3, C + 1)), rng.randint(1, 5)


def _inside(query, vectors, assignment, centroids, nprobe, k) -> list[int]:
    opened = _order(_far(query, centroids))[:nprobe]
    return [n for n, cell in enumerate(assignment.tolist()) if cell in opened]


def _missed_at_the_border() -> tuple[Any, ...]:
    """The nearest vector, number 2, stands just across the border: the query's own cell is 0."""
    vectors = torch.tensor([[0.0, 0.0], [1.0, 3.0], [5.0, 1.0], [8.0, 0.0], [9.0, 2.0]])
    return (
        torch.tensor([3.5, 1.0]),
        vectors,
        torch.tensor([0, 0, 1, 1, 1]),
        torch.tensor([[0.5, 1.5], [7.5, 1.0]]),
        1,
        3,
    )


def _three_cells() -> tuple[Any, ...]:
    """The nearest cell, 2, is empty. By dot products other cells and other vectors would come first."""
    vectors = torch.tensor([[2.0, 2.0], [6.0, 6.0], [1.0, -1.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -2.0]])
    centroids = torch.tensor([[5.0, 5.0], [0.0, -1.0], [1.0, 1.0], [-1.0, 2.0]])
    return torch.tensor([1.0, 0.5]), vectors, torch.tensor([0, 0, 1, 3, 3, 1]), centroids, 2, 2


def _equally_near() -> tuple[Any, ...]:
    """Cells 0 and 2 are equally near, and so are vectors 1 and 3 in cell 0."""
    vectors = torch.tensor([[5.0], [1.0], [-2.0], [-1.0], [2.0]])
    return torch.tensor([0.0]), vectors, torch.tensor([1, 0, 2, 0, 2]), torch.tensor([[1.0], [6.0], [-1.0]]), 1, 4


def _eight_in_four() -> tuple[Any, ...]:
    vectors = torch.tensor(
        [[0.5, 2.0], [-1.5, 3.0], [4.0, 0.5], [3.5, -2.0], [-3.0, -3.0], [0.0, -1.0], [1.0, 1.5], [2.0, 4.0]]
    )
    centroids = torch.tensor([[0.0, 2.5], [3.5, 0.0], [-1.0, -2.0], [2.5, 3.5]])
    return torch.tensor([1.5, 1.0]), vectors, torch.tensor([0, 0, 1, 1, 2, 2, 0, 3]), centroids, 3, 4


def _all_cells_is_exact(answer: Answer) -> str | None:
    query, vectors, assignment, centroids, _, k = _eight_in_four()
    found = answer(query, vectors, assignment, centroids, len(centroids), k)
    exact = _order(_far(query, vectors))[:k]
    return None if list(found) == exact else f"all cells opened, {list(found)} is found; the nearest of all are {exact}"


CELLS = Exercise(
    id="17.2",
    title="search in the nearest cells",
    difficulty="medium",
    minutes=10,
    section="Build it: search in the nearest cells",
    signature="(D,), (N, D), (N,), (C, D), int, int -> list of int",
    reference=search_cells,
    another=_by_two_keys,
    draw=_draw_cells,
    loops=True,
    situations=(
        Situation("fewer are found than k", lambda *args: len(_inside(*args)) < args[5]),
        Situation("nothing is found", lambda *args: not _inside(*args)),
        Situation(
            "an opened cell is empty",
            lambda *args: not set(_order(_far(args[0], args[3]))[: args[4]]) <= set(args[2].tolist()),
        ),
        Situation("nprobe is 1", lambda *args: args[4] == 1),
        Situation("nprobe is larger than the number of cells", lambda *args: args[4] > len(args[3])),
        Situation(
            "the nearest vector of all stands in a cell that is not opened",
            lambda *args: _order(_far(args[0], args[1]))[0] not in _inside(*args),
        ),
        Situation(
            "a vector stands in another cell than that of its nearest centroid",
            lambda q, x, cells, c, *rest: not torch.equal(cells, _pairs_far(x, c).argmin(1)),
        ),
        Situation(
            "two centroids are equally near", lambda q, x, cells, c, *rest: len(set(_far(q, c).tolist())) < len(c)
        ),
        Situation("two vectors are equally near", lambda q, x, *rest: len(set(_far(q, x).tolist())) < len(x)),
    ),
    cases=(
        Case("the nearest one lies across the border", _missed_at_the_border, [1, 0]),
        Case("an empty cell is opened", _three_cells, [2, 5]),
        Case("equally near cells, equally near vectors", _equally_near, [1, 3]),
        Case("eight vectors, three of four cells", _eight_in_four, [6, 0, 2, 7]),
    ),
    properties=(Property("with all cells opened the search is exact", _all_cells_is_exact),),
    mistakes=(
        Mistake(
            "nprobe is not used",
            _opening(cells=lambda far, nprobe, assignment: _order(far)[:1]),
            "One cell is opened, whatever `nprobe` is. What lies just across a border is then never found: open as many as are asked for.",
        ),
        Mistake(
            "all cells are opened",
            _opening(cells=lambda far, nprobe, assignment: _order(far)),
            "You search everywhere. The results may be better, but nothing is saved: the cells are there so that most vectors are never read.",
        ),
        Mistake(
            "the last opened cell alone",
            _last_cell_alone,
            "What you find in one cell overwrites what was found in the one before, so only the last of the opened cells counts. Collect the vectors "
            "of all of them.",
        ),
        Mistake(
            "the nearest cell is left out",
            _opening(cells=lambda far, nprobe, assignment: _order(far)[1 : nprobe + 1]),
            "You pass over the nearest cell, as if it were the query itself. The query is no centroid: begin with the first.",
        ),
        Mistake(
            "cells by the mean of their vectors",
            _cells_by_their_mean,
            "You choose cells by the mean of the vectors that stand in them now, and `centroids` never counts. That reads every vector for each "
            "query. The centroids are given.",
        ),
        Mistake(
            "the first cells",
            _opening(cells=lambda far, nprobe, assignment: list(range(min(nprobe, len(far))))),
            "You open the cells with the smallest numbers. The query decides: those with the nearest centroids.",
        ),
        Mistake(
            "the farthest cells",
            _opening(cells=lambda far, nprobe, assignment: _order(-far)[:nprobe]),
            "You open the cells with the largest distance. `topk` takes the largest unless you say otherwise.",
        ),
        Mistake(
            "cells by dot product",
            _opening(to_cells=_minus_dots),
            "You choose cells by dot product, and long centroids win. Cells were made by distance, so they are opened by distance.",
        ),
        Mistake(
            "vectors by dot product",
            _opening(to_vectors=_minus_dots),
            "The cells are right, and in them you rank by dot product. With vectors of any length that is another order than by distance.",
        ),
        Mistake(
            "dot products throughout",
            _opening(to_cells=_minus_dots, to_vectors=_minus_dots),
            "You compare by dot products, cells and vectors. They rank as distances do only where all vectors have length 1; here they have "
            "any.",
        ),
        Mistake(
            "cosines throughout",
            _opening(to_cells=_minus_cosines, to_vectors=_minus_cosines),
            "You compare by cosine. Nothing is normalized here: a vector in the right direction can be far away.",
        ),
        Mistake(
            "of equally near cells the larger number",
            _opening(cells=lambda far, nprobe, assignment: _backwards(far)[:nprobe]),
            "Of equally near cells you open the one with the larger number. The smaller one comes first.",
        ),
        Mistake(
            "of equally near vectors the larger number",
            _opening(last=lambda numbers, far, k: [numbers[i] for i in _backwards(far)[:k]]),
            "Of equally near vectors you put the larger number first. The smaller one comes first; a stable sort keeps it there.",
        ),
        Mistake(
            "of equally near vectors the one in the nearer cell",
            _gathered_cell_by_cell,
            "Of equally near vectors you put the one first whose cell is nearer: you gather them cell by cell, and a stable sort keeps that. The "
            "smaller number comes first, whatever its cell.",
        ),
        Mistake(
            "topk for cells",
            _opening(cells=_topk_cells),
            "You choose cells with `topk`, which promises no order among equal ones. Of equally near cells the smaller number comes first: "
            "`argsort(stable=True)` keeps that.",
        ),
        Mistake(
            "topk for vectors",
            _opening(last=_topk_numbers),
            "You choose vectors with `topk`, which promises no order among equal ones. Of equally near vectors the smaller number comes first: "
            "`argsort(stable=True)` keeps that.",
        ),
        Mistake(
            "topk throughout",
            _opening(cells=_topk_cells, last=_topk_numbers),
            "You choose cells and vectors with `topk`, which promises no order among equal ones. The smaller number comes first in both: "
            "`argsort(stable=True)` keeps that.",
        ),
        Mistake(
            "empty cells do not count",
            _opening(
                cells=lambda far, nprobe, assignment: [c for c in _order(far) if bool((assignment == c).any())][:nprobe]
            ),
            "You pass over empty cells and open the next ones instead. An empty cell that is opened counts: nprobe cells are opened, whatever "
            "is in them.",
        ),
        Mistake(
            "as many cells as it takes",
            _until_k_are_there,
            "You open more cells until there are k vectors. Then nobody knows what a search costs. `nprobe` cells are opened; if they hold fewer "
            "than k, fewer come back.",
        ),
        Mistake(
            "filtered at the end",
            _filtered_at_the_end,
            "You take the k nearest of *all* vectors and drop those outside the opened cells. That reads every vector, and then gives fewer than "
            "k where the cells hold enough. Choose the cells first, then the k nearest in them.",
        ),
        Mistake(
            "k of each cell",
            _k_of_each_cell,
            "You take k from each opened cell, and return all of these. All opened cells together give k.",
        ),
        Mistake(
            "cell by cell",
            _cell_by_cell,
            "You list the nearest cell's vectors first, then the next cell's. A vector of the second cell can be nearer than one of the first: "
            "rank all candidates together.",
        ),
        Mistake(
            "the cells of the nearest vectors",
            _cells_of_nearest_vectors,
            "You find the nearest vectors first and open the cells in which they stand. If they were known, no cells would be needed. The "
            "centroids decide.",
        ),
        Mistake(
            "ranked by their centroid",
            _ranked_by_centroid,
            "You rank candidates by the distance to their cell's centroid: all of one cell are then alike. The centroid only opens the door; "
            "rank by the vectors themselves.",
        ),
        Mistake(
            "the way over the centroid",
            _over_the_centroid,
            "You add the distance from the query to the centroid and that from the centroid to the vector. The way over the centroid says little of "
            "the straight one: compare the query with the vector.",
        ),
        Mistake(
            "assigned anew",
            _assigned_anew,
            "You look up each vector's nearest centroid yourself. That reads all vectors for each query, and `assignment` says where they stand: "
            "a vector is found where it was put.",
        ),
        Mistake(
            "places instead of numbers",
            _opening(last=lambda numbers, far, k: _order(far)[:k]),
            "You return places among the candidates. A sort counts within what it is given: look up which vectors stand at these places.",
        ),
        Mistake(
            "k is not used",
            _opening(last=lambda numbers, far, k: _nearest_numbers(numbers, far, len(numbers))),
            "You return all candidates. At most k are asked for.",
        ),
        Mistake(
            "filled up with -1",
            _opening(last=lambda numbers, far, k: (_nearest_numbers(numbers, far, k) + [-1] * k)[:k]),
            "Where fewer are found you fill up with -1, as faiss does because its results are arrays. Here a list comes back: it may be short.",
        ),
        Mistake(
            "more is asked for than there is",
            _opening(last=_at_least_k),
            "Where the opened cells hold fewer than k vectors you ask for k all the same, and `topk` raises an error. Ask for as many as there "
            "are.",
        ),
        Mistake(
            "more cells are asked for than there are",
            _opening(cells=_no_more_cells_than_there_are),
            "Where `nprobe` is larger than the number of cells you ask for that many all the same, and `topk` raises an error. Open all cells then.",
        ),
        Mistake(
            "equally near vectors overwrite one another",
            _opening(last=_one_of_equal_ones),
            "Distances are the keys of your dict, so of equally near vectors only the last is left. Use the number as the key, or sort numbers by "
            "distance.",
        ),
        Mistake(
            "the farthest first",
            _opening(last=lambda numbers, far, k: _nearest_numbers(numbers, -far, k)),
            "You return the farthest vectors of the opened cells. Small distances are good ones.",
        ),
        Mistake(
            "the nearest last",
            _opening(last=lambda numbers, far, k: _nearest_numbers(numbers, far, k)[::-1]),
            "The right vectors, with the nearest one last. It stands first.",
        ),
        Mistake(
            "the smallest numbers",
            _opening(last=lambda numbers, far, k: sorted(numbers)[:k]),
            "You return the candidates with the smallest numbers, as a list of pairs does that is sorted with the number in front. Put the distance "
            "in front.",
        ),
        Mistake(
            "in the order of the vectors",
            _opening(last=lambda numbers, far, k: sorted(_nearest_numbers(numbers, far, k))),
            "The right vectors, sorted by their number. The nearest one stands first.",
        ),
        Mistake(
            "distances come back",
            _distances_come_back,
            "You return distances. The numbers of the vectors are asked for.",
        ),
    ),
    hints=(
        "Two searches, one after the other: in a short list, and in a part of a long one. What does the first one choose?",
        "Sort the centroids by distance to the query; the first `nprobe` of them are opened. A slice that is too long does no harm.",
        "Collect the numbers of all vectors whose cell is opened. Sort these *numbers* by the distance of their vectors: Python's `sorted` keeps "
        "equal ones in the order in which they come.",
    ),
)


# --- 17.3 product quantization ---------------------------------------------------------------


def codes_and_distances(query: Tensor, vectors: Tensor, codebooks: Tensor) -> tuple[Tensor, Tensor]:
    """Each piece as its nearest entry's number, and the query's distances by tables: -> codes (N, m), distances (N,)."""
    codes = encode(vectors, codebooks)
    tables = -lookup_tables(query[None], codebooks, "l2")  # (m, K, 1)
    return codes.long(), add_up(codes, tables)[:, 0]


def _piece_by_piece(query, vectors, codebooks):
    """The loop, and distances to the vectors that the codes stand for."""
    m = len(codebooks)
    codes, distances = [], []
    for x in vectors:
        row = [int(_far(piece, book).argmin()) for piece, book in zip(x.chunk(m), codebooks, strict=True)]
        codes.append(row)
        distances.append(float(_far(query, torch.cat([book[c] for book, c in zip(codebooks, row, strict=True)]))))
    return torch.tensor(codes), torch.tensor(distances)


def _pieces(x: Tensor, m: int) -> Tensor:
    """(N, D) -> (N, m, D / m)."""
    return x.view(len(x), m, -1)


def _strided(x: Tensor, m: int) -> Tensor:
    return x.view(len(x), -1, m).transpose(1, 2)


def _to_entries(pieces: Tensor, codebooks: Tensor) -> Tensor:
    """(N, m, D / m), (m, K, D / m) -> (N, m, K)."""
    return (pieces[:, :, None] - codebooks[None]).square().sum(-1)


def _products(pieces: Tensor, codebooks: Tensor) -> Tensor:
    return -(pieces[:, :, None] * codebooks[None]).sum(-1)


def _named(codes: Tensor, codebooks: Tensor) -> Tensor:
    """The entries that codes stand for: (N, m), (m, K, D / m) -> (N, m, D / m)."""
    return codebooks[torch.arange(len(codebooks)), codes]


def _looked_up(table: Tensor, codes: Tensor) -> Tensor:
    """(m, K), (N, m) -> (N, m)."""
    return table[torch.arange(len(table)), codes]


def _quantized(
    query, vectors, codebooks, *, cut=_pieces, near=_to_entries, choose=lambda far: far.argmin(-1),
    ask=lambda pieces, books: pieces, table=_to_entries, look_up=_looked_up, total=lambda found: found.sum(1),
    books_of=lambda books: books,
):  # fmt: skip
    """Codes and distances with one part exchanged."""
    m = len(codebooks)
    books = books_of(codebooks)
    codes = choose(near(cut(vectors, m), books))
    tables = table(ask(cut(query[None], m), books), books)[0]  # (m, K)
    return codes, total(look_up(tables, codes))


def _quantizing(**parts: Any) -> Answer:
    return lambda *args: _quantized(*args, **parts)


def _from_codes(distances: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Answer:
    """The codes are right, and the distances are made of query, vectors, codes and codebooks."""

    def answer(query, vectors, codebooks):
        codes, _ = _quantized(query, vectors, codebooks)
        return codes, distances(query, vectors, codes, codebooks)

    return answer


def _rebuilt(codes: Tensor, codebooks: Tensor) -> Tensor:
    return _named(codes, codebooks).flatten(1)


def _codes_as_numbers(query, vectors, codes, codebooks):
    own = _to_entries(_pieces(query[None], len(codebooks)), codebooks).argmin(-1)
    return (codes - own).square().sum(1).float()


def _square_of_sum(pieces: Tensor, codebooks: Tensor) -> Tensor:
    return (pieces[:, :, None] - codebooks[None]).sum(-1).square()


def _roles_exchanged(query, vectors, codebooks):
    m = len(codebooks)
    tables = _to_entries(_pieces(vectors, m), codebooks)  # (N, m, K)
    own = _to_entries(_pieces(query[None], m), codebooks)[0].argmin(-1)  # (m,)
    return tables.argmin(-1), tables[:, torch.arange(m), own].sum(1)


def _one_code_for_all(query, vectors, codebooks):
    whole = codebooks.transpose(0, 1).flatten(1)  # (K, D)
    codes = _pairs_far(vectors, whole).argmin(1)
    return codes[:, None].repeat(1, len(codebooks)), _far(query, whole[codes])


def _books_turned(query, vectors, codebooks):
    """The first axis is read as entries, the second as pieces."""
    m = len(codebooks)
    columns, total = [], torch.zeros(len(vectors))
    for j, (piece, asked) in enumerate(zip(vectors.chunk(m, 1), query.chunk(m), strict=True)):
        book = codebooks[:, j]
        columns.append(_pairs_far(piece, book).argmin(1))
        total = total + _far(asked, book)[columns[-1]]
    return torch.stack(columns, 1), total


def _draw_pieces(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    m, K, width, N = rng.randint(1, 3), rng.randint(2, 4), rng.randint(1, 2), rng.randint(1, 4)
    codebooks = _halves(rng, m, K, width)
    vectors = _halves(rng, N, m * width)
    if rng.random() < 0.2:
        vectors[rng.randrange(N)] = codebooks[:, rng.randrange(K)].flatten()
    return _halves(rng, m * width), vectors, codebooks


def _entry_is_tied(query: Tensor, vectors: Tensor, codebooks: Tensor) -> bool:
    far = _to_entries(_pieces(vectors, len(codebooks)), codebooks)
    return bool(((far == far.amin(-1, keepdim=True)).sum(-1) > 1).any())


def _four_points() -> tuple[Tensor, Tensor, Tensor]:
    """The four points of the chapter's drawing."""
    points = torch.tensor([[1.0, 2.0], [1.4, 6.0], [5.0, 2.2], [4.6, 5.8]])
    return torch.tensor([2.0, 3.0]), points, torch.tensor([[[1.2], [4.8]], [[2.1], [5.9]]])


def _two_wide_pieces() -> tuple[Tensor, Tensor, Tensor]:
    vectors = torch.tensor([[1.0, 0.0, 2.0, -1.0], [-2.0, 3.0, 0.0, 0.0], [0.0, 1.0, -1.0, 2.0]])
    codebooks = torch.tensor([[[0.0, 0.0], [2.0, 1.0], [-2.0, 2.0]], [[1.0, -1.0], [-1.0, 0.0], [0.0, 3.0]]])
    return torch.tensor([1.0, 1.0, 0.0, -2.0]), vectors, codebooks


def _a_passage_alone(answer: Answer) -> str | None:
    query, vectors, codebooks = _two_wide_pieces()
    codes, distances = answer(query, vectors, codebooks)
    for n in range(len(vectors)):
        code, distance = answer(query, vectors[[n]], codebooks)
        if code[0].tolist() != codes[n].tolist() or abs(float(distance[0]) - float(distances[n])) > 1e-4:
            return f"vector {n} is quantized otherwise alone than together with two others"
    return None


PIECES = Exercise(
    id="17.3",
    title="product quantization",
    difficulty="medium",
    minutes=12,
    section="Build it: product quantization",
    signature="(D,), (N, D), (m, K, D / m) -> (N, m), (N,)",
    reference=codes_and_distances,
    another=_piece_by_piece,
    draw=_draw_pieces,
    loops=True,
    situations=(
        Situation("two entries are equally near to a piece", _entry_is_tied),
        Situation("there is one piece", lambda q, x, books: len(books) == 1),
        Situation("a piece has one number", lambda q, x, books: books.shape[2] == 1),
        Situation("there is one vector", lambda q, x, books: len(x) == 1),
        Situation("there are as many pieces as entries", lambda q, x, books: len(books) == books.shape[1]),
        Situation(
            "a vector is what its codes stand for",
            lambda q, x, books: bool((_rebuilt(_quantized(q, x, books)[0], books) == x).all(1).any()),
        ),
    ),
    cases=(
        Case(
            "four points, two pieces of one bit",
            _four_points,
            (torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([1.45, 9.05, 8.65, 16.25])),
        ),
        Case(
            "three vectors, two pieces of two numbers",
            _two_wide_pieces,
            (torch.tensor([[0, 0], [2, 1], [0, 2]]), torch.tensor([4.0, 15.0, 27.0])),
        ),
        Case(
            "one piece is plain k-means",
            lambda: (
                torch.tensor([0.0, 1.0]),
                torch.tensor([[3.0, 1.0], [-1.0, -1.0]]),
                torch.tensor([[[2.0, 0.0], [0.0, -2.0], [4.0, 0.0]]]),
            ),
            (torch.tensor([[0], [1]]), torch.tensor([5.0, 9.0])),
        ),
        Case(
            "three pieces, four entries each",
            lambda: (
                torch.tensor([0.5, -1.0, 2.0]),
                torch.tensor([[1.0, 2.0, -3.0], [-2.5, 0.5, 0.0], [4.0, -4.0, 1.5]]),
                torch.tensor(
                    [
                        [[0.0], [1.5], [-2.0], [3.5]],
                        [[-3.5], [-1.0], [1.0], [2.5]],
                        [[2.0], [-0.5], [-2.5], [0.5]],
                    ]
                ),
            ),
        ),
    ),
    properties=(Property("each vector is quantized for itself", _a_passage_alone),),
    mistakes=(
        Mistake(
            "the query is quantized, too",
            _quantizing(ask=lambda pieces, books: _named(_to_entries(pieces, books).argmin(-1), books)),
            "You replace the query's pieces by their nearest entries before you compare. Only vectors have to be stored small; the query is here, "
            "whole, and rounding it adds an error for nothing. Compare its own numbers with the entries.",
        ),
        Mistake(
            "codes compared as numbers",
            _from_codes(_codes_as_numbers),
            "You subtract codes from codes. A code is the name of an entry: 3 is no nearer to 2 than to 0. Compare what they stand for.",
        ),
        Mistake(
            "the distances of the vectors themselves",
            _from_codes(lambda query, vectors, codes, books: _far(query, vectors)),
            "Your distances are those to the vectors. In an index these are gone: all it has is the codes, and the entries that they name.",
        ),
        Mistake(
            "how far a vector is from what its codes stand for",
            _from_codes(lambda query, vectors, codes, books: (vectors - _rebuilt(codes, books)).square().sum(1)),
            "You measure what the quantization loses: from a vector to its entries. The query does not count in that. Measure from the query.",
        ),
        Mistake(
            "every other number belongs to a piece",
            _quantizing(cut=_strided),
            "You deal the numbers out to the pieces in turn, as `view(-1, m)` does. A piece holds numbers that stand side by side.",
        ),
        Mistake(
            "the query's first piece for all",
            _quantizing(ask=lambda pieces, books: pieces[:, :1].expand_as(pieces)),
            "You compare the query's first piece with the entries of all codebooks. Piece j of the query belongs to codebook j.",
        ),
        Mistake(
            "the first codebook for all",
            _quantizing(books_of=lambda books: books[:1].expand_as(books)),
            "All pieces are looked up in the first codebook. Each has its own: entry 0 of another piece is another vector.",
        ),
        Mistake(
            "the nearest entry of each table for all",
            _quantizing(look_up=lambda table, codes: table.amin(1).expand(len(codes), -1)),
            "You take the smallest number of each table, so all vectors are equally far. A vector's own codes say which numbers of the tables are "
            "its.",
        ),
        Mistake(
            "the first table for all",
            _quantizing(look_up=lambda table, codes: table[0][codes]),
            "The codes are right, and all of them are looked up in the first piece's table. Code j belongs to table j.",
        ),
        Mistake(
            "all codes in all tables",
            _quantizing(look_up=lambda table, codes: table[:, codes].sum(0)),
            "You look up every code in every table, as `table[:, codes]` does, and add up m times m numbers. Piece j's code goes into piece j's table "
            "alone.",
        ),
        Mistake(
            "codebooks read the other way round",
            _books_turned,
            "You read the codebooks as (K, m, …): the first axis as entries, the second as pieces. The first axis is the piece.",
        ),
        Mistake(
            "one code for the whole vector",
            _one_code_for_all,
            "You look for one number whose entries together are nearest to the whole vector. Then K vectors can be told apart, not K to the power "
            "of m. Each piece chooses for itself.",
        ),
        Mistake(
            "codes by dot product",
            _quantizing(near=_products),
            "You take the entry with the largest dot product. Long entries then stand for everything. The entry is to be *near*: take the distance.",
        ),
        Mistake(
            "dot products in the tables",
            _quantizing(table=_products),
            "Your tables hold dot products (with a minus). Squared distances are asked for, piece by piece.",
        ),
        Mistake(
            "dot products throughout",
            _quantizing(near=_products, table=_products),
            "You compare by dot products, for the codes and in the tables. Both go by squared distance.",
        ),
        Mistake(
            "the farthest entry",
            _quantizing(choose=lambda far: far.argmax(-1)),
            "You take the entry at the *largest* distance. `argmax` belongs to similarities.",
        ),
        Mistake(
            "of equally near entries the last",
            _quantizing(choose=lambda far: far.shape[-1] - 1 - far.flip(-1).argmin(-1)),
            "Of equally near entries you take the one with the larger number. The smaller one is asked for.",
        ),
        Mistake(
            "absolute differences",
            _quantizing(table=lambda pieces, books: (pieces[:, :, None] - books[None]).abs().sum(-1)),
            "Your tables hold absolute differences. Square them: only squared distances of pieces add up to that of the whole.",
        ),
        Mistake(
            "roots are added up",
            _quantizing(total=lambda found: found.sqrt().sum(1)),
            "You take the root of each piece's distance before you add up. Squares add up to the square of the whole, roots do not.",
        ),
        Mistake(
            "added up before squaring",
            _quantizing(near=_square_of_sum, table=_square_of_sum),
            "You add up the differences within a piece and square the sum: +1 and -1 then cancel. Square each difference, then add up.",
        ),
        Mistake(
            "the mean within a piece",
            _quantizing(
                near=lambda pieces, books: _to_entries(pieces, books) / books.shape[2],
                table=lambda pieces, books: _to_entries(pieces, books) / books.shape[2],
            ),
            "You take the mean of a piece's squares. The codes stay the same; a squared distance is the sum.",
        ),
        Mistake(
            "the root at the end",
            _quantizing(total=lambda found: found.sum(1).sqrt()),
            "You take the root of the sum. It ranks alike; the squared distance is asked for.",
        ),
        Mistake(
            "the mean over the pieces",
            _quantizing(total=lambda found: found.mean(1)),
            "You take the mean over the pieces. They are added up.",
        ),
        Mistake(
            "the first piece alone",
            _quantizing(total=lambda found: found[:, 0]),
            "Your distances hold the first piece and no other. Add up all m.",
        ),
        Mistake(
            "the last piece alone",
            _quantizing(total=lambda found: found[:, -1]),
            "Each piece's distance overwrites the one before, so only the last counts. Add up all m.",
        ),
        Mistake(
            "the query's codes in the vectors' tables",
            _roles_exchanged,
            "The query and the vectors have changed roles: you make the tables of each vector, and look them up at the query's codes. That quantizes "
            "the query, and needs the vectors, which an index no longer has. Codes are those of the vectors, tables those of the query.",
        ),
        Mistake(
            "one code of a piece for all vectors",
            _quantizing(choose=lambda far: far.sum(0).argmin(-1).expand(len(far), -1)),
            "You choose one entry of each codebook for all vectors together. Each vector has codes of its own: mind the axis of the minimum.",
        ),
        Mistake(
            "the mean is taken off",
            lambda query, vectors, books: _quantized(query - vectors.mean(0), vectors - vectors.mean(0), books),
            "You take the mean of the vectors off first. Then a vector's codes depend on the others. Nothing is taken off.",
        ),
        Mistake(
            "minus the distance",
            _quantizing(total=lambda found: -found.sum(1)),
            "Your distances are negative, as scores that grow with nearness. A distance is 0 or more.",
        ),
        Mistake(
            "pieces in rows",
            lambda *args: (_quantized(*args)[0].T, _quantized(*args)[1]),
            "Your codes have a row for each piece. A row is a vector: (N, m).",
        ),
        Mistake(
            "codes from 1",
            lambda *args: (_quantized(*args)[0] + 1, _quantized(*args)[1]),
            "Your codes are counted from 1. They are counted from 0, so that they pick entries.",
        ),
        Mistake(
            "the entries instead of their numbers",
            lambda query, vectors, books: (
                _rebuilt(_quantized(query, vectors, books)[0], books),
                _quantized(query, vectors, books)[1],
            ),
            "You return the entries themselves, as many numbers as the vectors had. What is stored is the number of each entry: (N, m).",
        ),
        Mistake(
            "the distances first",
            lambda *args: _quantized(*args)[::-1],
            "You return the distances first. The codes come first, then the distances.",
        ),
    ),
    hints=(
        "For each piece, two questions to one codebook: which entry is nearest to a vector's piece, and how far is each entry from the query's?",
        "17.1 answers the first one: it gives each piece its nearest entry. `x.chunk(m, dim=1)` cuts (N, D) into m pieces.",
        "The second answer is a table of K numbers for each piece. Index it with all codes of that piece at once, and add up over the pieces.",
    ),
)


# --- 17.4 a byte for each number -------------------------------------------------------------


def int8_round_trip(calibration: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """One of 256 steps for each number, and the numbers that these stand for: (M, D), (N, D) -> int8 (N, D), (N, D)."""
    ranges = quantization_ranges(calibration)
    codes = quantize_embeddings(vectors, "int8", ranges)
    return torch.from_numpy(codes), torch.from_numpy(dequantize_embeddings(codes, "int8", ranges))


def _number_by_number(calibration, vectors):
    codes, back = torch.zeros(vectors.shape, dtype=torch.int8), torch.zeros(vectors.shape)
    for d in range(vectors.shape[1]):
        low, high = float(calibration[:, d].min()), float(calibration[:, d].max())
        step = (high - low) / 255 if high > low else 1.0
        for n in range(len(vectors)):
            code = min(max(int((float(vectors[n, d]) - low) // step), 0), 255)
            codes[n, d], back[n, d] = code - 128, low + step * code
    return codes, back


def _wrapped(codes: Tensor) -> Tensor:
    """Whole numbers in eight bits, as a processor cuts them."""
    return ((codes.long() + 128) % 256 - 128).to(torch.int8)


def _of_dimensions(calibration: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    return calibration.amin(0), calibration.amax(0)


def _one_at_least(width: Tensor) -> Tensor:
    return torch.where(width == 0, 1.0, width / 255)


def _int8(
    calibration, vectors, *, ends=_of_dimensions, step_of=_one_at_least, level=torch.floor,
    clip=lambda codes: codes.clamp(0, 255), stored=lambda codes: _wrapped(codes - 128),
    back=lambda low, step, codes, x: low + step * codes,
):  # fmt: skip
    """Codes and the numbers that they stand for, with one part exchanged; `codes` are from 0 to 255."""
    low, high = ends(calibration, vectors)
    step = step_of(high - low)
    codes = clip(level((vectors - low) / step))
    return stored(codes), back(low, step, codes, vectors)


def _byte(**parts: Any) -> Answer:
    return lambda *args: _int8(*args, **parts)


def _symmetric(calibration, vectors):
    """Zero stays zero: the largest absolute value of a dimension becomes 127."""
    step = torch.where(calibration.abs().amax(0) == 0, 1.0, calibration.abs().amax(0) / 127)
    codes = (vectors / step).round().clamp(-127, 127)
    return codes.to(torch.int8), codes * step


def _lowest_level(calibration: Tensor) -> Tensor:
    """How many steps above zero each minimum lies."""
    low, high = calibration.amin(0), calibration.amax(0)
    return low / _one_at_least(high - low)


def _divided_by_nothing(calibration, vectors):
    low, high = _of_dimensions(calibration, vectors)
    step = (high - low) / 255
    codes = ((vectors - low) / step).floor().clamp(0, 255)
    return (codes - 128).to(torch.int8), low + step * codes


def _towards_zero(calibration, vectors):
    low, high = _of_dimensions(calibration, vectors)
    step = _one_at_least(high - low)
    codes = ((vectors - low) / step - 128).clamp(-128, 127).to(torch.int8)
    return codes, low + step * (codes.float() + 128)


def _draw_ranges(rng: random.Random) -> tuple[Tensor, Tensor]:
    """Steps are powers of 2, and what lies inside lies between two steps, so that no rounding decides."""
    M, N, D = rng.randint(2, 3), rng.randint(1, 3), rng.randint(1, 3)
    calibration, vectors = torch.zeros(M, D), torch.zeros(N, D)
    for d in range(D):
        low, step = rng.randint(-40, 40) / 4, rng.choice((1 / 64, 1 / 32, 1 / 8, 1.0))
        width = 255 * step
        inside = [low + step * (rng.randint(0, 254) + rng.choice((0.25, 0.5, 0.75))) for _ in range(M + N)]
        values = [low, low + width, *inside[N : N + M - 2]]
        if rng.random() < 0.2:
            values, inside, step = [low] * M, [low, low + 2.5, low - 1.5, low + 7.25, low + 0.5, low + 300.0], 2.5
        rng.shuffle(values)
        calibration[:, d] = torch.tensor(values)
        outside = (low, low - 3.5 * step, low - 40.5 * step, low + width + 3.5 * step, low + width + 90.5 * step)
        vectors[:, d] = torch.tensor(
            [rng.choice(inside) if rng.random() < 0.7 else rng.choice(outside) for _ in range(N)]
        )
    return calibration, vectors


def _a_step_of_one() -> tuple[Tensor, Tensor]:
    """From 0 to 255 the codes are the numbers themselves, minus 128."""
    return torch.tensor([[0.0], [255.0], [7.0]]), torch.tensor([[100.75], [0.0], [255.0], [300.5], [-3.5]])


def _two_ranges() -> tuple[Tensor, Tensor]:
    """The second dimension is half as wide as the first, the third has no width."""
    calibration = torch.tensor([[100.0, -60.0, 2.0], [-155.0, 67.5, 2.0]])
    return calibration, torch.tensor([[-54.5, 0.75, 2.0], [0.5, 90.0, 4.5], [-200.0, -60.0, 1.0]])


def _each_number_for_itself(answer: Answer) -> str | None:
    calibration, vectors = _two_ranges()
    codes, back = answer(calibration, vectors)
    for n in range(len(vectors)):
        code, number = answer(calibration, vectors[[n]])
        if code[0].tolist() != codes[n].tolist() or not torch.allclose(number[0], back[n], atol=1e-4):
            return f"vector {n} gets other codes alone than together with two others: the ranges come from the calibration set only"
    return None


def _never_off_by_a_step(answer: Answer) -> str | None:
    calibration = torch.tensor([[0.0, -1.0], [63.75, 1.0]])
    vectors = torch.tensor([[0.3, -0.9], [17.77, 0.123], [63.7, 0.99]])
    below = vectors - answer(calibration, vectors)[1]
    worst = (below / torch.tensor([0.25, 2 / 255])).flatten()
    if bool((worst < -1e-3).any() or (worst > 1.001).any()):
        return f"a number inside its range comes back {float(worst[worst.sub(0.5).abs().argmax()]):.3g} steps lower"
    return None


def _is_constant(calibration: Tensor, vectors: Tensor) -> bool:
    return bool((calibration.amin(0) == calibration.amax(0)).any())


BYTES = Exercise(
    id="17.4",
    title="a byte for each number",
    difficulty="medium",
    minutes=10,
    section="Build it: a byte for each number",
    signature="(M, D), (N, D) -> int8 (N, D), (N, D)",
    reference=int8_round_trip,
    another=_number_by_number,
    draw=_draw_ranges,
    loops=True,
    situations=(
        Situation("a number lies below its range", lambda calibration, x: bool((x < calibration.amin(0)).any())),
        Situation("a number lies above its range", lambda calibration, x: bool((x > calibration.amax(0)).any())),
        Situation(
            "all numbers lie inside their ranges",
            lambda calibration, x: bool(((x >= calibration.amin(0)) & (x <= calibration.amax(0))).all()),
        ),
        Situation("a dimension is constant in the calibration set", _is_constant),
        Situation("there is one vector", lambda calibration, x: len(x) == 1),
        Situation("there is one dimension", lambda calibration, x: x.shape[1] == 1),
        Situation("no number is negative", lambda calibration, x: bool((x >= 0).all())),
    ),
    cases=(
        Case(
            "from 0 to 255, five numbers",
            _a_step_of_one,
            (
                torch.tensor([[-28], [-128], [127], [127], [-128]], dtype=torch.int8),
                torch.tensor([[100.0], [0.0], [255.0], [255.0], [0.0]]),
            ),
        ),
        Case(
            "three dimensions, one of them constant",
            _two_ranges,
            (
                torch.tensor([[-28, -7, -128], [27, 127, -126], [-128, -128, -128]], dtype=torch.int8),
                torch.tensor([[-55.0, 0.5, 2.0], [0.0, 67.5, 4.0], [-155.0, -60.0, 2.0]]),
            ),
        ),
        Case(
            "small steps, one vector",
            lambda: (
                torch.tensor([[1.0, -2.0], [-1.0, -1.0], [2.984375, 1.984375]]),
                torch.tensor([[0.7578125, -0.5078125]]),
            ),
        ),
    ),
    properties=(
        Property("each vector gets its codes for itself", _each_number_for_itself),
        Property("inside its range a number comes back at most one step lower, and never higher", _never_off_by_a_step),
    ),
    mistakes=(
        Mistake(
            "ranges from the vectors themselves",
            _byte(ends=lambda calibration, x: (x.amin(0), x.amax(0))),
            "You take minimum and maximum from the vectors that are to be quantized. The next batch then has other ranges, and its codes mean "
            "something else; one vector alone has no range at all. The calibration set gives the ranges, once, for passages and queries.",
        ),
        Mistake(
            "ranges from one vector",
            _byte(ends=lambda calibration, x: (x[0], x[0])),
            "You take the ranges from one vector, so minimum and maximum are the same in every dimension, and every step is 1: all that is smaller "
            "than it becomes -128. Ranges need many vectors: the calibration set.",
        ),
        Mistake(
            "ranges of both together",
            _byte(ends=lambda calibration, x: _of_dimensions(torch.cat([calibration, x]), x)),
            "You let the vectors widen the ranges, so that nothing lies outside. Then the codes of one batch do not fit those of another: cut off "
            "what lies outside instead.",
        ),
        Mistake(
            "one range for all dimensions",
            _byte(
                ends=lambda calibration, x: (calibration.min().expand(x.shape[1]), calibration.max().expand(x.shape[1]))
            ),
            "You take one minimum and one maximum for all dimensions. A narrow dimension then has a few steps only. Each has its own range.",
        ),
        Mistake(
            "a range for each vector",
            _byte(ends=lambda calibration, x: (x.amin(1, keepdim=True), x.amax(1, keepdim=True))),
            "You take minimum and maximum of each *vector*. Equal codes of two vectors then mean different numbers. Ranges belong to dimensions, "
            "and come from the calibration set.",
        ),
        Mistake(
            "outside its range a code wraps around",
            _byte(
                clip=lambda codes: codes,
                back=lambda low, step, codes, x: low + step * (_wrapped(codes - 128).float() + 128),
            ),
            "A number outside its range gets a code that eight bits do not hold, and what is left of it is at the other end: the largest becomes "
            "small. Cut codes off at 0 and 255 before they are stored.",
        ),
        Mistake(
            "cut off above alone",
            _byte(
                clip=lambda codes: codes.clamp(max=255),
                back=lambda low, step, codes, x: low + step * (_wrapped(codes - 128).float() + 128),
            ),
            "You cut codes off at 255 and not at 0. A number below its range gets a code that eight bits do not hold, and comes out at the other end.",
        ),
        Mistake(
            "cut off below alone",
            _byte(
                clip=lambda codes: codes.clamp(min=0),
                back=lambda low, step, codes, x: low + step * (_wrapped(codes - 128).float() + 128),
            ),
            "You cut codes off at 0 and not at 255. A number above its range gets a code that eight bits do not hold, and comes out at the other end.",
        ),
        Mistake(
            "what lies above gets the lowest code",
            _byte(clip=lambda codes: torch.where(codes > 255, 0.0, codes.clamp(min=0))),
            "A number above its range gets the lowest code with you. The largest level is the nearest that there is: cut off at 255.",
        ),
        Mistake(
            "cut off in the codes alone",
            lambda calibration, x: (
                _int8(calibration, x)[0],
                _int8(calibration, x, clip=lambda codes: codes)[1],
            ),
            "Your codes are cut off, and the numbers that come back are not: you made them before the cut. They come from the codes; nothing "
            "else is stored.",
        ),
        Mistake(
            "cut off at -127",
            _byte(clip=lambda codes: codes.clamp(1, 255)),
            "Your codes begin at -127. Eight bits hold 256 levels, from -128 to 127.",
        ),
        Mistake(
            "rounded to the nearest step",
            _byte(level=torch.round),
            "You round to the nearest step. On the average that is nearer; the rule of the contract, and of sentence-transformers, is the step "
            "*below*, and codes of two libraries must agree.",
        ),
        Mistake(
            "towards zero",
            _towards_zero,
            "You take 128 off first and then cut the digits off, as a conversion to int8 does: towards zero. Below zero that is upwards. Go to the "
            "step below before anything is converted.",
        ),
        Mistake(
            "256 steps",
            _byte(step_of=lambda width: torch.where(width == 0, 1.0, width / 256)),
            "You divide the range by 256. Between 256 levels there are 255 steps: the minimum is level 0, the maximum level 255.",
        ),
        Mistake(
            "254 steps",
            _byte(step_of=lambda width: torch.where(width == 0, 1.0, width / 254)),
            "You divide the range by 254. From level 0 to level 255 there are 255 steps.",
        ),
        Mistake(
            "the minimum is not subtracted",
            lambda calibration, x: _int8(
                calibration, x, level=lambda levels: torch.floor(levels + _lowest_level(calibration))
            ),
            "You divide by the step without subtracting the minimum, so level 0 is at zero. The ruler begins at the minimum.",
        ),
        Mistake(
            "zero stays zero",
            _symmetric,
            "You divide by the largest absolute value, so that zero stays zero. That is another scheme: a dimension that runs from 0 to 1 uses half "
            "of its levels in it. Here the levels run from the minimum to the maximum.",
        ),
        Mistake(
            "nothing is done about a constant dimension",
            _divided_by_nothing,
            "Where a dimension is constant in the calibration set the step is 0, and you divide by it: NaN and infinity, and what becomes of them "
            "in eight bits is chance. There the step is 1.",
        ),
        Mistake(
            "a tiny step for a constant dimension",
            _byte(step_of=lambda width: (width / 255).clamp(min=1e-8)),
            "Where a dimension is constant you keep the step just above 0. Whatever lies a little above it gets the largest code, and comes back as "
            "if it were equal. There the step is 1.",
        ),
        Mistake(
            "a constant dimension is one wide",
            _byte(step_of=lambda width: torch.where(width == 0, 1.0, width) / 255),
            "Where a dimension is constant you take its *width* as 1, so the step is 1 / 255. The step is 1 there.",
        ),
        Mistake(
            "a constant dimension has level 0",
            lambda calibration, x: _int8(
                calibration, x, clip=lambda codes: codes.clamp(0, 255) * (calibration.amin(0) < calibration.amax(0))
            ),
            "A dimension that is constant in the calibration set always gets the lowest code. Later vectors may differ there: the step is 1, and the "
            "rule is the same as elsewhere.",
        ),
        Mistake(
            "codes come back",
            _byte(back=lambda low, step, codes, x: codes - 128),
            "You return the codes as if they were the numbers. Dimensions have different steps and minima, so the order of dot products can turn. "
            "Multiply by the step, and add the minimum.",
        ),
        Mistake(
            "the minimum is not added",
            _byte(back=lambda low, step, codes, x: step * codes),
            "You multiply by the step and leave it there. Level 0 stands for the minimum: add it.",
        ),
        Mistake(
            "the step is not used",
            _byte(back=lambda low, step, codes, x: low + codes),
            "You add the minimum to the number of the level. A level is a *step* above the one before: multiply first.",
        ),
        Mistake(
            "128 is not added back",
            _byte(back=lambda low, step, codes, x: low + step * (codes - 128)),
            "You took 128 off for int8, and do not add it back: every number comes out 128 steps too low.",
        ),
        Mistake(
            "128 is added in eight bits",
            _byte(back=lambda low, step, codes, x: low + step * _wrapped(codes).float()),
            "You add 128 to the codes while they are int8. Eight bits hold nothing above 127, so the upper half of the levels comes out 256 too low. "
            "Turn them to floats first.",
        ),
        Mistake(
            "the first dimension's step for all",
            _byte(back=lambda low, step, codes, x: low + step[..., :1] * codes),
            "On the way back all dimensions have the first one's step. Each has its own.",
        ),
        Mistake(
            "the middle of the step",
            _byte(back=lambda low, step, codes, x: low + step * (codes + 0.5)),
            "You return the middle of each step. On the average that is nearer; asked for is its lower end, as the package has it.",
        ),
        Mistake(
            "the vectors come back",
            _byte(back=lambda low, step, codes, x: x),
            "You return the vectors as they came in. What comes back is made of the codes alone: eight bits do not hold more.",
        ),
        Mistake(
            "cut off and no more",
            lambda calibration, x: (
                _int8(calibration, x)[0],
                torch.minimum(torch.maximum(x, calibration.amin(0)), calibration.amax(0)),
            ),
            "You cut the vectors off at the ends of their ranges, and return that. What comes back is made of the codes: whole steps above the "
            "minimum.",
        ),
        Mistake(
            "codes from 0",
            _byte(stored=lambda codes: codes.to(torch.uint8)),
            "Your codes run from 0 to 255: that is uint8. For int8 take 128 off, and add it again on the way back.",
        ),
        Mistake(
            "the numbers first",
            lambda *args: _int8(*args)[::-1],
            "You return the numbers first. The codes come first, then what they stand for.",
        ),
    ),
    hints=(
        "Each dimension has a ruler of 256 marks. Where does it begin, and how far apart are the marks?",
        "How many steps above the minimum does a number lie, in whole steps? Cut that off at 0 and 255; nothing is stored before.",
        "`torch.where` mends a step of 0. Take 128 off, convert at the very end, and turn to floats before you go back: int8 cannot hold 255.",
    ),
)


# --- 17.5 a walk through a graph -------------------------------------------------------------


def walk(
    query: Tensor, neighbours: Sequence[Sequence[int]], vectors: Tensor, entry: int, ef: int, k: int
) -> tuple[list[int], int]:
    """Step from vector to vector towards the query: the k nearest that were met, and how many were met."""
    keep = max(ef, k)

    def far(n: int) -> float:
        return float((vectors[n] - query).square().sum())

    met = {entry}
    todo = [(far(entry), entry)]  # the nearest on top
    kept = [(-far(entry), -entry)]  # the farthest on top
    while todo:
        distance, here = heappop(todo)
        if (-distance, -here) < kept[0]:
            break
        for n in neighbours[here]:
            if n in met:
                continue
            met.add(n)
            distance = far(n)
            if len(kept) < keep or (-distance, -n) > kept[0]:
                heappush(todo, (distance, n))
                heappush(kept, (-distance, -n))
                if len(kept) > keep:
                    heappop(kept)
    return [-n for _, n in sorted(kept, reverse=True)][:k], len(met)


def _without_heaps(query, neighbours, vectors, entry, ef, k):
    """All that were met, in order; look behind the nearest of the first ones that was not looked behind yet."""
    met = {entry: float(_far(query, vectors[entry]))}
    done: set[int] = set()
    while True:
        ranked = sorted(met, key=lambda n: (met[n], n))
        waiting = [n for n in ranked[: max(ef, k)] if n not in done]
        if not waiting:
            return ranked[:k], len(met)
        done.add(waiting[0])
        met |= {n: float(_far(query, vectors[n])) for n in neighbours[waiting[0]] if n not in met}


_Met = tuple[float, int]  # how far, and the number


def _first_numbers(kept: list[_Met], k: int) -> list[int]:
    return [n for _, n in kept[:k]]


def _step(
    query, neighbours, vectors, entry, ef, k, *, far=lambda query, x: float((x - query).square().sum()),
    key=lambda far, n: (far, n), room=lambda ef, k: max(ef, k), take=lambda todo: todo.pop(0),
    stops=lambda here, kept, room, opened: here > kept[-1],
    enters=lambda found, kept, room, here: len(kept) < room or found < kept[-1],
    mark="met", start=True, last=_first_numbers, count="met",
):  # fmt: skip
    """A walk with one part exchanged; `todo` and `kept` are sorted, the nearest first."""
    most, looks = room(ef, k), 1
    first = key(far(query, vectors[entry]), entry)
    number = (lambda item: -item[1]) if key(0.0, 1) == (0.0, -1) else (lambda item: item[1])
    todo, kept = [first], [first] if start else []
    met: set[int] = {entry} if mark in ("met", "kept") else set()
    opened: list[int] = []
    while todo and looks < 2000:
        here = take(todo)
        if kept and stops(here, kept, most, opened):
            break
        if mark == "opened":
            met.add(number(here))
        opened.append(number(here))
        for n in neighbours[number(here)]:
            if n in met:
                continue
            if mark.startswith("met"):
                met.add(n)
            looks += 1
            found = key(far(query, vectors[n]), n)
            if enters(found, kept, most, here):
                if mark == "kept":
                    met.add(n)
                insort(todo, found)
                insort(kept, found)
                if len(kept) > most:
                    kept.pop()
    numbers = last([(item[0], number(item)) for item in kept], k)
    links = 1 + sum(len(neighbours[n]) for n in opened)
    tally = {"met": len(met), "opened": len(opened), "looks": looks, "kept": len(kept), "links": links}
    return numbers, tally[count]


def _stepping(**parts: Any) -> Answer:
    return lambda *args: _step(*args, **parts)


def _first_in_first_out(query, neighbours, vectors, entry, ef, k):
    """A queue in place of a heap: what was met first is looked behind first."""
    far = _far(query, vectors).tolist()
    met, todo, kept = {entry}, [entry], [(far[entry], entry)]
    while todo:
        here = todo.pop(0)
        if (far[here], here) > kept[-1]:
            break
        for n in neighbours[here]:
            if n not in met:
                met.add(n)
                if len(kept) < max(ef, k) or (far[n], n) < kept[-1]:
                    todo.append(n)
                    insort(kept, (far[n], n))
                    del kept[max(ef, k) :]
    return [n for _, n in kept[:k]], len(met)


def _last_in_first_out(query, neighbours, vectors, entry, ef, k):
    """A stack in place of a heap."""
    far = _far(query, vectors).tolist()
    met, todo, kept = {entry}, [entry], [(far[entry], entry)]
    while todo:
        here = todo.pop()
        if (far[here], here) > kept[-1]:
            break
        for n in neighbours[here]:
            if n not in met:
                met.add(n)
                if len(kept) < max(ef, k) or (far[n], n) < kept[-1]:
                    todo.append(n)
                    insort(kept, (far[n], n))
                    del kept[max(ef, k) :]
    return [n for _, n in kept[:k]], len(met)


def _turn_by_turn(chosen: Callable[[list[int]], list[int]]) -> Answer:
    """Without heaps: of those that are kept and wait, in order, look behind the chosen ones."""

    def search(query, neighbours, vectors, entry, ef, k):
        far = _far(query, vectors).tolist()
        met, done = {entry}, set()
        while True:
            kept = sorted(met, key=lambda n: (far[n], n))[: max(ef, k)]
            waiting = [n for n in kept if n not in done]
            if not waiting:
                return kept[:k], len(met)
            for here in chosen(waiting):
                done.add(here)
                met.update(neighbours[here])

    return search


def _ends_where_nothing_enters(query, neighbours, vectors, entry, ef, k):
    far = _far(query, vectors).tolist()
    met, done, kept = {entry}, set(), [entry]
    while waiting := [n for n in kept if n not in done]:
        done.add(waiting[0])
        met.update(neighbours[waiting[0]])
        before, kept = kept, sorted(met, key=lambda n: (far[n], n))[: max(ef, k)]
        if kept == before:
            break
    return kept[:k], len(met)


def _from_one_to_the_next(query, neighbours, vectors, entry, ef, k):
    met, done = {entry: float(_far(query, vectors[entry]))}, set()
    while True:
        kept = sorted(met, key=lambda n: (met[n], n))[: max(ef, k)]
        waiting = [n for n in kept if n not in done]
        if not waiting:
            return kept[:k], len(met)
        done.add(waiting[0])
        for n in neighbours[waiting[0]]:
            met.setdefault(n, float(_far(vectors[waiting[0]], vectors[n])))


def _first_looked_behind(query, neighbours, vectors, entry, ef, k):
    """One heap for those that wait and those that are kept."""
    far = _far(query, vectors).tolist()
    met, todo, result = {entry}, [(far[entry], entry)], []
    while todo:
        result.append(heappop(todo)[1])
        if len(result) == max(ef, k):
            break
        for n in neighbours[result[-1]]:
            if n not in met:
                met.add(n)
                heappush(todo, (far[n], n))
    return result[:k], len(met)


def _both_ways(query, neighbours, vectors, entry, ef, k):
    both = [
        sorted({*row, *(m for m, other in enumerate(neighbours) if n in other)}) for n, row in enumerate(neighbours)
    ]
    return walk(query, both, vectors, entry, ef, k)


def _all_that_is_reached(query, neighbours, vectors, entry, ef, k):
    met, todo = {entry}, [entry]
    while todo:
        for n in neighbours[todo.pop()]:
            if n not in met:
                met.add(n)
                todo.append(n)
    far = _far(query, vectors).tolist()
    return sorted(met, key=lambda n: (far[n], n))[:k], len(met)


def _all_vectors(query, neighbours, vectors, entry, ef, k):
    return _order(_far(query, vectors))[:k], len(vectors)


def _one_hop(query, neighbours, vectors, entry, ef, k):
    met = {entry, *neighbours[entry]}
    far = _far(query, vectors).tolist()
    return sorted(met, key=lambda n: (far[n], n))[:k], len(met)


def _nearest_on_top(query, neighbours, vectors, entry, ef, k):
    """A heap of what is kept without the minus: its top is the nearest, and that is compared with, and thrown out."""
    far = _far(query, vectors).tolist()
    met, todo, kept = {entry}, [(far[entry], entry)], [(far[entry], entry)]
    while todo:
        here = heappop(todo)
        if here > kept[0]:
            break
        for n in neighbours[here[1]]:
            if n not in met:
                met.add(n)
                if len(kept) < max(ef, k) or (far[n], n) < kept[0]:
                    heappush(todo, (far[n], n))
                    heappush(kept, (far[n], n))
                    if len(kept) > max(ef, k):
                        heappop(kept)
    return [n for _, n in sorted(kept)][:k], len(met)


def _draw_graph(rng: random.Random) -> tuple[Any, ...]:
    """A way through all of them, in an order that has little to do with where they lie, and a few links more."""
    N, D = rng.randint(5, 9), rng.randint(1, 2)
    vectors = _halves(rng, N, D, most=8)
    way = rng.sample(range(N), N)
    links: list[set[int]] = [set() for _ in range(N)]
    for a, b in pairwise(way):
        if rng.random() < 0.85:
            links[a].add(b)
        if rng.random() < 0.7:
            links[b].add(a)
    for _ in range(rng.randint(0, 7)):
        a, b = rng.sample(range(N), 2)
        links[a].add(b)
    neighbours = [rng.sample(sorted(row), len(row)) for row in links]
    return (
        _halves(rng, D, most=8),
        neighbours,
        vectors,
        rng.choice(way[:3]),
        rng.choice((1, 1, 2, 3)),
        rng.choice((1, 1, 2, 3, 4)),
    )


def _numbers_and_count(result: Any, args: tuple) -> dict[str, Any]:
    if not isinstance(result, list | tuple) or len(result) != 2 or not isinstance(result[0], list | tuple):
        raise compare.NotAResult("return two things: a list of numbers, and how many vectors were met")
    return {"numbers": list(result[0]), "met": result[1]}


def _is_missed(query, neighbours, vectors, entry, ef, k) -> bool:
    return walk(query, neighbours, vectors, entry, ef, k)[0] != _order(_far(query, vectors))[:k]


def _five_on_a_line() -> tuple[Any, ...]:
    """0 - 1 - 2 - 3 - 4, one step apart; the query stands near 3."""
    neighbours = [[1], [0, 2], [1, 3], [2, 4], [3]]
    return torch.tensor([3.25]), neighbours, torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0]]), 0, 1, 2


def _behind_a_hill() -> tuple[tuple, ...]:
    """From 1 the way to the nearest, 3, leads over 2, which is farther away than 1."""
    neighbours = [[1], [0, 2], [1, 3], [2, 4], [3]]
    vectors = torch.tensor([[5.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 1.0], [0.5, 3.5]])
    return tuple((torch.tensor([0.0, 0.0]), neighbours, vectors, 0, ef, 1) for ef in (1, 2))


def _ties_and_one_way() -> tuple[Any, ...]:
    """Vectors 1, 2 and 3 are equally far, so 3 is thrown out, and 5 behind it is not met; nothing leads to 6, the nearest."""
    neighbours = [[3, 1, 2], [4, 2], [0], [5], [], [], [0]]
    vectors = torch.tensor([[3.0, 3.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 4.0], [5.0, 5.0], [0.0, 0.0]])
    return torch.tensor([0.0, 0.0]), neighbours, vectors, 0, 2, 2


def _longer_is_not_nearer() -> tuple[Any, ...]:
    neighbours = [[1, 2], [0, 3, 4], [0, 5], [1, 7], [1, 5], [2, 4, 6], [5], [3]]
    vectors = torch.tensor(
        [[1.0, 0.0], [3.0, 1.0], [0.0, 2.0], [9.0, 9.0], [4.0, 4.0], [1.5, 3.0], [2.0, 2.5], [8.0, 7.0]]
    )
    return torch.tensor([2.0, 2.0]), neighbours, vectors, 0, 3, 3


def _thrown_out_in_time() -> tuple[Any, ...]:
    """Vector 1 is kept for a while, and thrown out before its turn: 3 and 9, behind it, are not met."""
    neighbours = [[1, 2], [3, 9, 0], [4, 5, 0], [1], [6, 2], [7, 8], [4], [], [5], []]
    line = [10.0, 9.0, 8.0, -21.0, 5.0, 6.0, 20.0, 2.0, 1.0, 22.0]
    return torch.tensor([0.0]), neighbours, torch.tensor(line)[:, None], 0, 2, 2


def _fewer_than_k() -> tuple[Any, ...]:
    neighbours = [[1], [0], [0, 1], [2]]
    return torch.tensor([0.5]), neighbours, torch.tensor([[2.0], [-3.0], [0.0], [1.0]]), 1, 2, 4


def _wide_enough_is_exact(answer: Answer) -> str | None:
    query, neighbours, vectors, entry, _, k = _longer_is_not_nearer()
    found, met = answer(query, neighbours, vectors, entry, 50, k)
    exact = _order(_far(query, vectors))[:k]
    if list(found) != exact:
        return f"with ef = 50 of 8 vectors, {list(found)} is found; the nearest are {exact}"
    return None if met == len(vectors) else f"with ef = 50 all 8 vectors are met, and you count {met}"


def _order_of_links(answer: Answer) -> str | None:
    query, neighbours, *rest = _longer_is_not_nearer()
    first, other = answer(query, neighbours, *rest), answer(query, [row[::-1] for row in neighbours], *rest)
    return None if tuple(first) == tuple(other) else f"with every list of neighbours reversed, {first} becomes {other}"


WALK = Exercise(
    id="17.5",
    title="a walk through a graph",
    difficulty="hard",
    minutes=15,
    section="Further: a walk through a graph",
    signature="(D,), N lists of int, (N, D), int, int, int -> (list of int, int)",
    reference=walk,
    another=_without_heaps,
    draw=_draw_graph,
    observe=_numbers_and_count,
    loops=True,
    situations=(
        Situation("ef is below k", lambda *args: args[4] < args[5]),
        Situation("ef is above k", lambda *args: args[4] > args[5]),
        Situation("fewer are found than k", lambda *args: len(walk(*args)[0]) < args[5]),
        Situation("the entry has no neighbours", lambda *args: not args[1][args[3]]),
        Situation("the k nearest of all are not found", _is_missed),
        Situation("not all vectors are met", lambda *args: walk(*args)[1] < len(args[2])),
        Situation("two vectors are equally far", lambda q, links, x, *rest: len(set(_far(q, x).tolist())) < len(x)),
        Situation("one is asked for", lambda *args: args[5] == 1),
    ),
    cases=(
        Case("five on a line, ef below k", _five_on_a_line, {"numbers": [3, 4], "met": 5}),
        Case("behind a hill, one is kept", lambda: _behind_a_hill()[0], {"numbers": [1], "met": 3}),
        Case("behind a hill, two are kept", lambda: _behind_a_hill()[1], {"numbers": [3], "met": 5}),
        Case("equally far ones, links that lead one way", _ties_and_one_way, {"numbers": [1, 2], "met": 5}),
        Case("eight vectors, some long", _longer_is_not_nearer, {"numbers": [6, 5, 1], "met": 7}),
        Case("ten on a line, one thrown out before its turn", _thrown_out_in_time, {"numbers": [8, 7], "met": 8}),
        Case("fewer are found than k", _fewer_than_k, {"numbers": [0, 1], "met": 2}),
    ),
    properties=(
        Property("a walk that keeps all it meets is exact where everything can be reached", _wide_enough_is_exact),
        Property("the order in which neighbours are listed changes nothing", _order_of_links),
    ),
    mistakes=(
        Mistake(
            "ef alone",
            _stepping(room=lambda ef, k: ef),
            "You keep ef vectors, also where k is larger. Then fewer than k can come back, and nothing says so. Keep the larger of the two.",
        ),
        Mistake(
            "k alone",
            _stepping(room=lambda ef, k: k),
            "You keep k vectors, whatever `ef` is. `ef` is what a reader turns to find more: with more vectors kept, the walk looks behind more of "
            "them before it stops. Keep the larger of the two.",
        ),
        Mistake(
            "the smaller of the two",
            _stepping(room=min),
            "You keep the smaller of `ef` and k. Keep the larger: there must be room for k results, and `ef` may only add to it.",
        ),
        Mistake(
            "ef and k added up",
            _stepping(room=lambda ef, k: ef + k),
            "You keep `ef` plus k vectors. Keep the larger of the two.",
        ),
        Mistake(
            "one is kept",
            _stepping(room=lambda ef, k: 1),
            "You keep the nearest vector and no other: a greedy walk. It ends in the first hollow, where no neighbour is nearer, and it "
            "has one result at most.",
        ),
        Mistake(
            "stops at the nearest",
            _stepping(stops=lambda here, kept, room, opened: here > kept[0]),
            "You stop as soon as the next vector is farther than the *nearest* one that is kept. That is hardly more than a greedy walk: it ends in "
            "the first hollow. Compare with the farthest that is kept.",
        ),
        Mistake(
            "the farthest kept is not looked behind",
            _stepping(stops=lambda here, kept, room, opened: len(kept) >= room and here >= kept[-1]),
            "You stop where the next vector is itself the farthest that is kept. It is one of those kept: look behind it, too, and stop only where "
            "the next one is farther.",
        ),
        Mistake(
            "stops at once",
            _stepping(stops=lambda here, kept, room, opened: here >= kept[-1]),
            "Your walk ends before its first step. The entry is the nearest that waits and the farthest that is kept, both: not farther than "
            "itself. Stop only where the next one is *farther*.",
        ),
        Mistake(
            "stops when enough are kept",
            _stepping(stops=lambda here, kept, room, opened: len(kept) >= room),
            "You stop when as many are kept as there is room for. These are the first that were met, near or far. Go on while the next one is not "
            "farther than the farthest kept.",
        ),
        Mistake(
            "ef vectors are looked behind",
            _stepping(stops=lambda here, kept, room, opened: len(opened) >= room),
            "You look behind `ef` vectors and stop. `ef` says how many are kept; how long the walk is follows from what it meets.",
        ),
        Mistake(
            "ends where nothing enters",
            _ends_where_nothing_enters,
            "Your walk ends as soon as a vector has no neighbour that is kept. Others wait behind which you have not looked, and they are near enough "
            "to be kept: go on with them.",
        ),
        Mistake(
            "does not stop",
            _stepping(stops=lambda here, kept, room, opened: False),
            "You go on until no vector is left to look behind, also behind such as were thrown out in the meantime. Where the next one is farther "
            "than all that is kept, all others are, too: the walk has ended.",
        ),
        Mistake(
            "all that can be reached",
            _all_that_is_reached,
            "You visit all vectors that can be reached, and sort them. That finds more, and nothing is saved: a walk that meets everything is a "
            "search through everything.",
        ),
        Mistake(
            "all vectors",
            _all_vectors,
            "You compare the query with all vectors, and the graph is not used. What no link leads to is not found by a walk, and what was not met "
            "was not paid for.",
        ),
        Mistake(
            "the neighbours of the entry",
            _one_hop,
            "You look at the neighbours of the entry, and no further. Each vector that is kept has neighbours as well.",
        ),
        Mistake(
            "the farthest is looked behind first",
            _stepping(take=lambda todo: todo.pop()),
            "You look behind the farthest of those that wait. `heapq` has the smallest on top: put the distance in as it is for those that wait, "
            "and with a minus for those that are kept.",
        ),
        Mistake(
            "the farthest of those kept is looked behind first",
            _turn_by_turn(lambda waiting: waiting[-1:]),
            "Of the vectors that are kept you look behind the farthest first. That meets many that lie away from the query. Take the nearest.",
        ),
        Mistake(
            "round by round",
            _turn_by_turn(lambda waiting: waiting),
            "You look behind all that are kept at once, round by round. What one of them meets can throw another one out before its turn: take the "
            "nearest, and look again which is nearest then.",
        ),
        Mistake(
            "last met, first looked behind",
            _last_in_first_out,
            "You look behind the vector that was met last, as a stack does. A walk goes on from the nearest that waits; only then does a farther one "
            "mean that all others are farther.",
        ),
        Mistake(
            "the nearest on top of what is kept",
            _nearest_on_top,
            "The heap of what you keep has the *nearest* on top, and that one is thrown out when there is no room. A heap has its smallest on top: "
            "put what is kept in with a minus, so that the farthest stands there.",
        ),
        Mistake(
            "first met, first looked behind",
            _first_in_first_out,
            "You look behind vectors in the order in which you met them. A walk goes on from the nearest that waits; only then does a farther one "
            "mean that all others are farther.",
        ),
        Mistake(
            "only downhill",
            _stepping(enters=lambda found, kept, room, here: (len(kept) < room or found < kept[-1]) and found < here),
            "You take a neighbour only if it is nearer than the vector it is a neighbour of. The way out of a hollow leads uphill first: compare "
            "with the farthest that is kept.",
        ),
        Mistake(
            "none is thrown out",
            _stepping(enters=lambda found, kept, room, here: len(kept) < room),
            "Once there is no room, nothing enters any more: you keep the first that were met. A nearer one enters, and the farthest goes.",
        ),
        Mistake(
            "what was met is met again",
            _stepping(mark="never", count="looks"),
            "You do not remember which vectors were met. Links lead back, so one vector is kept several times and takes the room of others.",
        ),
        Mistake(
            "remembered too late",
            _stepping(mark="opened"),
            "You remember a vector when you look behind it, not when you meet it. Until then it can be met from two sides, and is kept twice.",
        ),
        Mistake(
            "remembered only if kept",
            _stepping(mark="kept"),
            "You remember a vector only if it is kept. One that was too far is met again from another side, and is missing in your count. Whoever was "
            "compared with the query was met.",
        ),
        Mistake(
            "the entry is met again",
            _stepping(mark="met, without the entry"),
            "You do not remember the entry. A link that leads back to it meets it a second time, and it is kept twice.",
        ),
        Mistake(
            "the entry is no result",
            _stepping(start=False),
            "The entry is never kept. It was met like the others, and may be the nearest of all.",
        ),
        Mistake(
            "links go both ways",
            _both_ways,
            "You follow links backwards, too. A list names those to which a way leads; the way back is there only if the other list has it.",
        ),
        Mistake(
            "of equally far ones the larger number",
            _stepping(key=lambda far, n: (far, -n)),
            "Of equally far vectors you prefer the larger number. Compare pairs of distance and number; in a heap with minus signs, both get one.",
        ),
        Mistake(
            "distances alone are compared",
            _stepping(
                stops=lambda here, kept, room, opened: here[0] > kept[-1][0],
                enters=lambda found, kept, room, here: len(kept) < room or found[0] < kept[-1][0],
            ),
            "Of equally far vectors you keep the one that was met first, as libraries do: then the order of the links decides. Compare pairs of "
            "distance and number, both where one enters and where the walk ends.",
        ),
        Mistake(
            "distances alone decide where it ends",
            _stepping(stops=lambda here, kept, room, opened: here[0] > kept[-1][0]),
            "You go on where the next vector is as far as the farthest kept and has a larger number. By the order of the contract it is farther: "
            "compare pairs of distance and number.",
        ),
        Mistake(
            "compared with the vector before",
            _from_one_to_the_next,
            "You measure from a vector to the neighbour it leads to. The query decides: how far is the neighbour from *it*?",
        ),
        Mistake(
            "dot products",
            _stepping(far=lambda query, x: -float(x @ query)),
            "You go by dot products of vectors of any length. Long vectors are then near to everything, a vector need not be nearest to itself, and "
            "links between near vectors lead astray. Go by distance, or scale all to length 1 before the graph is built.",
        ),
        Mistake(
            "k is not used",
            _stepping(last=lambda kept, k: [n for _, n in kept]),
            "You return all that is kept. At most k are asked for.",
        ),
        Mistake(
            "the nearest last",
            _stepping(last=lambda kept, k: [n for _, n in kept[:k]][::-1]),
            "The right vectors, with the nearest one last. It stands first.",
        ),
        Mistake(
            "the farthest of those kept",
            _stepping(last=lambda kept, k: [n for _, n in kept[::-1][:k]]),
            "You return the farthest of those that are kept: the heap with minus signs, sorted upwards, begins with them.",
        ),
        Mistake(
            "in the order of numbers",
            _stepping(last=lambda kept, k: sorted(n for _, n in kept[:k])),
            "The right vectors, sorted by their number. The nearest one stands first.",
        ),
        Mistake(
            "distances come back as well",
            _stepping(last=lambda kept, k: kept[:k]),
            "You return pairs of distance and number. The numbers alone are asked for.",
        ),
        Mistake(
            "those looked behind first are the result",
            _first_looked_behind,
            "You return the vectors in the order in which you looked behind them, and stop when there are enough. The first ones lie on the way, and "
            "need not be near. Keep apart who waits and who is kept.",
        ),
        Mistake(
            "those looked behind are counted",
            _stepping(count="opened"),
            "You count the vectors behind which you looked. Each of their neighbours was compared with the query as well: count all that were met.",
        ),
        Mistake(
            "those kept are counted",
            _stepping(count="kept"),
            "You count the vectors that are kept. Those that were met and thrown out were compared with the query as well.",
        ),
        Mistake(
            "the entry is not counted",
            lambda *args: (walk(*args)[0], walk(*args)[1] - 1),
            "The entry is missing in your count. It was compared with the query, too.",
        ),
        Mistake(
            "links are counted",
            _stepping(count="links"),
            "You count links. Several can lead to one vector, and it is compared with the query once.",
        ),
    ),
    hints=(
        "Two lists: those that wait to be looked behind, and those that are kept. Which end of each does the walk need?",
        "Take the nearest that waits; is it farther than the farthest that is kept? Else each of its neighbours that was not met before is met "
        "now: is there room for it, or is it nearer than the farthest that is kept?",
        "`heapq` has the smallest on top. Pairs of distance and number for the one heap; for the other the same with minus signs, so that the farthest "
        "stands on top. A set remembers who was met.",
    ),
)


# --- 17.6 the other way round ----------------------------------------------------------------


def smallest_ranges() -> tuple[list[float], list[list[float]]]:
    """Both vectors lie below the query, the nearer one behind the other."""
    return [1.0], [[0.0], [0.5]]


def _vectors(query: Any, vectors: Any) -> tuple[np.ndarray, np.ndarray]:
    q, x = (compare.to_array(a) if isinstance(a, Tensor) else a for a in (query, vectors))
    return np.asarray(q, dtype=float), np.asarray(x, dtype=float)


def _steps(query: Any, vectors: Any) -> np.ndarray:
    """The codes, from 0 to 255, of ranges that begin and end at the query: the step is 1."""
    q, x = _vectors(query, vectors)
    return np.clip(np.floor(x - q), 0, 255)


def _nearest_first(query: Any, vectors: Any) -> list[int]:
    q, x = _vectors(query, vectors)
    return [int(n) for n in np.argsort(((x - q) ** 2).sum(1), kind="stable")]


def _by_own_ranges(query: Any, vectors: Any) -> list[int]:
    q, _ = _vectors(query, vectors)
    return _nearest_first(query, q + _steps(query, vectors))


LARGEST = 1e6
EQUALLY_FAR = "two vectors are equally far from the query, so no ranking of them is the right one"


def _not_a_query(query: Any, vectors: Any) -> str | None:
    for name, value in (("query", query), ("vectors", vectors)):
        if not isinstance(value, list | tuple | np.ndarray | Tensor):
            return f"{name} must be a list or a tensor"
    try:
        q, x = _vectors(query, vectors)
    except ValueError:
        return "vectors must be (N, D): a list of vectors that have as many numbers as the query, each"
    if q.ndim != 1 or not q.size:
        return "query must be (D,): a list of numbers, such as [1, 2]"
    if x.ndim != 2 or not len(x) or x.shape[1] != len(q):
        return f"vectors must be (N, D) with D = {len(q)}: a list of vectors, such as {[[1] * len(q)] * 2}"
    if not np.isfinite(q).all() or not np.isfinite(x).all():
        return "query and vectors must hold numbers that are finite"
    if max(np.abs(q).max(), np.abs(x).max()) > LARGEST:
        return f"the numbers must lie between -{LARGEST:g} and {LARGEST:g}, so that squared distances can be told apart"
    far = np.sort(((x - q) ** 2).sum(1))
    if (np.diff(far) <= 1e-9 * far[1:]).any():  # rounding errors are smaller
        return EQUALLY_FAR
    return None


def _ranked_alike(query: Any, vectors: Any) -> bool:
    return _nearest_first(query, vectors) == _by_own_ranges(query, vectors)


RANGES = Reversed(
    id="17.6",
    title="ranges from one query",
    difficulty="easy",
    minutes=5,
    section="Build it: ranges from one query",
    signature="() -> (D,), (N, D)",
    reference=smallest_ranges,
    another=lambda: (torch.tensor([-2.0]), torch.tensor([[-1.25], [-2.5]])),
    right=_nearest_first,
    wrong=_by_own_ranges,
    valid=_not_a_query,
    smallest=3,
    measure=lambda query, vectors: compare.size(query) + compare.size(vectors),
    cases=(Case("nothing is passed in", lambda: (), smallest_ranges()),),
    mistakes=(
        Mistake(
            "the query comes first",
            lambda: ([[0.0], [0.5]], [1.0]),
            "You return the vectors first. The query comes first, then the vectors.",
            when=lambda query, vectors: np.ndim(query) == 2 and np.ndim(vectors) == 1,
        ),
        Mistake(
            "a vector is a list of its own",
            lambda: ([1.0], [0.0, 0.5]),
            "With one dimension a vector still is a list, of one number. `vectors` is a list of such lists.",
            when=lambda query, vectors: np.ndim(vectors) == 1,
        ),
        Mistake(
            "the query is one of many",
            lambda: ([[1.0]], [[0.0], [0.5]]),
            "There is one query: a list of numbers, not a list of lists.",
            when=lambda query, vectors: np.ndim(query) == 2,
        ),
        Mistake(
            "another number of dimensions",
            lambda: ([1.0], [[0.0, 0.0], [0.5, 0.0]]),
            "Query and vectors have different numbers of dimensions, so they cannot be compared.",
            when=lambda query, vectors: np.ndim(vectors) == 2 and np.shape(vectors)[1] != np.shape(query)[0],
        ),
        Mistake(
            "equally far",
            lambda: ([1.0], [[0.5], [1.5]]),
            "Two of your vectors are equally far from the query. Then there is no right ranking that a wrong one could differ from: move one.",
            when=lambda query, vectors: _not_a_query(query, vectors) == EQUALLY_FAR,
        ),
        Mistake(
            "one vector",
            lambda: ([1.0], [[0.5]]),
            "There is one vector, and one way to rank it.",
            when=lambda query, vectors: len(vectors) == 1,
        ),
        Mistake(
            "the codes keep them apart",
            lambda: ([0.0], [[5.0], [2.0]]),
            "Your vectors get different codes, in the right order: they lie above the query, a whole step or more apart. Which vectors get the *same* "
            "code?",
            when=lambda query, vectors: (
                _ranked_alike(query, vectors)
                and len({tuple(row) for row in _steps(query, vectors).tolist()}) == len(vectors)
            ),
        ),
        Mistake(
            "the nearer one stands first",
            lambda: ([1.0], [[0.5], [0.0]]),
            "The right idea: their codes are the same. But of equal ones the smaller number comes first, and there the nearer one stands "
            "already. Put it behind the other.",
            when=lambda query, vectors: _ranked_alike(query, vectors),
        ),
        Mistake(
            "more dimensions than it takes",
            lambda: ([1.0, 1.0], [[0.0, 0.0], [0.5, 0.5]]),
            "It shows the mistake, with more dimensions than it takes. One is enough for one to be nearer than another.",
            when=lambda query, vectors: np.shape(vectors)[1] > 1 and not _ranked_alike(query, vectors),
        ),
        Mistake(
            "more vectors than it takes",
            lambda: ([1.0], [[0.0], [0.5], [0.75]]),
            "It shows the mistake, with more vectors than it takes. How many must there be for a ranking to be wrong?",
            when=lambda query, vectors: len(vectors) > 2 and not _ranked_alike(query, vectors),
        ),
    ),
    hints=(
        "Minimum and maximum are the query's own numbers. How wide is a step then, and which code has everything that lies below the query?",
        "Two vectors with the same code cannot be told apart. Which one does the ranking put first then, and which should it?",
        "One dimension, two vectors, both below the query.",
    ),
)


# --- 17.7 cells and codes --------------------------------------------------------------------


def search_ivfpq(
    query: Tensor, vectors: Tensor, centroids: Tensor, codebooks: Tensor, nprobe: int, rescore: int, k: int
) -> list[int]:
    """Cells, codes of the residuals, and the best candidates once more by their vectors: the numbers of the k nearest."""
    cells = assign(vectors, centroids)
    codes = encode(vectors - centroids[cells], codebooks)
    far: dict[int, float] = {}
    for cell in flat_search(query, centroids, nprobe, "l2"):
        rows = (cells == cell).nonzero()[:, 0]
        tables = -lookup_tables((query - centroids[cell])[None], codebooks, "l2")
        far |= zip(rows.tolist(), add_up(codes[rows], tables)[:, 0].tolist(), strict=True)
    candidates = sorted(sorted(far, key=lambda n: (far[n], n))[:rescore])
    return [candidates[i] for i in flat_search(query, vectors[candidates], k, "l2")]


def _by_reconstruction(query, vectors, centroids, codebooks, nprobe, rescore, k):
    """Without tables: each residual is put together from its entries, and the centroid added."""
    home = ((vectors[:, None] - centroids) ** 2).sum(2).argmin(1)
    opened = np.lexsort((np.arange(len(centroids)), ((centroids - query) ** 2).sum(1).numpy()))[:nprobe].tolist()
    scored = []
    for n in range(len(vectors)):
        if int(home[n]) not in opened:
            continue
        centroid, m = centroids[home[n]], len(codebooks)
        pieces = (vectors[n] - centroid).chunk(m)
        entries = [book[_far(piece, book).argmin()] for piece, book in zip(pieces, codebooks, strict=True)]
        scored.append((float(_far(query, centroid + torch.cat(entries))), n))
    exact = [(float(_far(query, vectors[n])), n) for _, n in sorted(scored)[:rescore]]
    return [n for _, n in sorted(exact)[:k]]


def _nearest_of(numbers: Sequence[int], far: Sequence[float], many: int) -> list[int]:
    """Of equal ones the smaller number first; `far` has a place for each vector."""
    return sorted(numbers, key=lambda n: (far[n], n))[:many]


def _index(
    query, vectors, centroids, codebooks, nprobe, rescore, k, *, home=lambda x, c: _pairs_far(x, c).argmin(1),
    to_cells=_far, cells=_nearest_cells, left=lambda x, centroid: x - centroid,
    asked=lambda query, centroid, first: query - centroid, ask=lambda pieces, books: pieces, table=_to_entries,
    added=lambda query, centroid: 0.0, keep=_nearest_of, to_vectors=_far, books_of=lambda books: books,
    last=_nearest_of,
):  # fmt: skip
    """The whole index with one part exchanged."""
    m, books = len(codebooks), books_of(codebooks)
    cell_of = home(vectors, centroids)
    codes = _to_entries(_pieces(left(vectors, centroids[cell_of]), m), books).argmin(-1)  # (N, m)
    opened = cells(to_cells(query, centroids), nprobe, cell_of)
    far: list[float] = [0.0] * len(vectors)
    numbers: list[int] = []
    for cell in opened:
        pieces = _pieces(asked(query, centroids[cell], centroids[opened[0]])[None], m)
        tables = table(ask(pieces, books), books)[0]
        for n in (cell_of == cell).nonzero()[:, 0].tolist():
            far[n] = float(_looked_up(tables, codes[[n]]).sum()) + added(query, centroids[cell])
            numbers.append(n)
    kept = keep(numbers, far, rescore)
    return last(kept, to_vectors(query, vectors).tolist(), k)


def _assembled(**parts: Any) -> Answer:
    return lambda *args: _index(*args, **parts)


def _not_rescored(query, vectors, centroids, codebooks, nprobe, rescore, k):
    """By the tables to the end."""
    kept: list[int] = []

    def keep(numbers, far, rescore):
        kept.extend(_nearest_of(numbers, far, rescore))
        return kept

    _index(query, vectors, centroids, codebooks, nprobe, rescore, k, keep=keep)
    return kept[:k]


def _k_times_rescore(query, vectors, centroids, codebooks, nprobe, rescore, k):
    return _index(query, vectors, centroids, codebooks, nprobe, rescore * k, k)


def _rescored_in_each_cell(query, vectors, centroids, codebooks, nprobe, rescore, k):
    cell_of = _pairs_far(vectors, centroids).argmin(1).tolist()

    def keep(numbers, far, rescore):
        ranked = _nearest_of(numbers, far, len(numbers))
        return [n for i, n in enumerate(ranked) if sum(cell_of[o] == cell_of[n] for o in ranked[:i]) < rescore]

    return _index(query, vectors, centroids, codebooks, nprobe, rescore, k, keep=keep)


def _nearest_cell_first(numbers: list[int], far: list[float], rescore: int) -> list[int]:
    return numbers[:rescore]


def _moved_centroids(query, vectors, centroids, *rest):
    """The second result of a round of k-means stands in for the centroids; the cells are those of the first."""
    cells, moved = _round(vectors, centroids)
    return _index(query, vectors, moved, *rest, home=lambda x, c: cells)


def _residuals_of_vectors(query, vectors, centroids, *rest):
    """In the end the query is compared with what the centroids have left."""
    residuals = vectors - centroids[_pairs_far(vectors, centroids).argmin(1)]
    return _index(query, vectors, centroids, *rest, to_vectors=lambda q, x: _far(q, residuals))


def _query_left_in_first_cell(query, vectors, centroids, *rest):
    first = centroids[_order(_far(query, centroids))[0]]
    return _index(query, vectors, centroids, *rest, to_vectors=lambda q, x: _far(q - first, x))


def _mean_taken_off(query, vectors, centroids, codebooks, nprobe, rescore, k):
    mean = vectors.mean(0)
    return _index(
        query, vectors, centroids, codebooks, nprobe, rescore, k,
        left=lambda x, centroid: x - mean, asked=lambda query, centroid, first: query - mean,
    )  # fmt: skip


def _each_vector_in_each_cell(query, vectors, centroids, codebooks, nprobe, rescore, k):
    """A vector counts where it is nearest by codes."""
    far = torch.full((len(vectors),), float("inf"))
    for c in _order(_far(query, centroids))[:nprobe]:
        _, here = _quantized(query - centroids[c], vectors - centroids[c], codebooks)
        far = torch.minimum(far, here)
    kept = _nearest_of(range(len(vectors)), far.tolist(), rescore)
    return _nearest_of(kept, _far(query, vectors).tolist(), k)


def _empty_cell_raises(query, vectors, centroids, codebooks, nprobe, rescore, k):
    def cells(far, nprobe, cell_of):
        opened = _order(far)[:nprobe]
        if not set(opened) <= set(cell_of.tolist()):
            raise RuntimeError("cannot reshape tensor of 0 elements")
        return opened

    return _index(query, vectors, centroids, codebooks, nprobe, rescore, k, cells=cells)


def _without_codes(query, vectors, centroids, codebooks, nprobe, rescore, k):
    cells = _pairs_far(vectors, centroids).argmin(1)
    return _in_cells(query, vectors, cells, centroids, nprobe, min(rescore, k))


def _filled_up_by_codes(query, vectors, centroids, codebooks, nprobe, rescore, k):
    rest: list[int] = []

    def keep(numbers, far, rescore):
        ranked = _nearest_of(numbers, far, len(numbers))
        rest.extend(ranked[rescore:])
        return ranked[:rescore]

    best = _index(query, vectors, centroids, codebooks, nprobe, rescore, len(vectors), keep=keep)
    return (best + rest)[:k]


def _all_rescored(query, vectors, *rest):
    return _index(query, vectors, *rest, keep=lambda numbers, far, rescore: list(range(len(vectors))))


def _draw_index(rng: random.Random) -> tuple[Any, ...]:
    N, C, m, K, width = (
        rng.randint(5, 9),
        rng.randint(2, 4),
        rng.choice((1, 2, 2)),
        rng.randint(2, 3),
        rng.choice((1, 1, 2)),
    )
    codebooks = _halves(rng, m, K, width, most=3)
    vectors, centroids = _halves(rng, N, m * width, most=6), _halves(rng, C, m * width, most=6)
    if rng.random() < 0.3:
        centroids[rng.randrange(C)] = torch.full((m * width,), rng.choice((-9.0, 9.0)))
    query = _halves(rng, m * width, most=6)
    k = rng.choice((1, 1, 2, 3))
    return (
        query,
        vectors,
        centroids,
        codebooks,
        rng.choice((1, 2, 2, 3, C + 1)),
        k + rng.choice((-1, 0, 1, 1, 2)) or 1,
        k,
    )


def _candidates(query, vectors, centroids, codebooks, nprobe, *rest) -> list[int]:
    opened = _order(_far(query, centroids))[:nprobe]
    return [n for n, cell in enumerate(_pairs_far(vectors, centroids).argmin(1).tolist()) if cell in opened]


def _order_turned() -> tuple[Any, ...]:
    """The four points around (3, 4) and a cell far away; the codes turn the second and the third, the vectors turn them back."""
    points = torch.tensor([[1.0, 2.0], [1.4, 6.0], [5.0, 2.2], [4.6, 5.8], [20.0, 20.0]])
    codebooks = torch.tensor([[[-1.8], [1.8]], [[-1.9], [1.9]]])
    return torch.tensor([2.0, 3.0]), points, torch.tensor([[3.0, 4.0], [20.0, 21.0]]), codebooks, 1, 3, 2


def _two_cells_two_residuals() -> tuple[Any, ...]:
    """The query stands between two cells, and is another residual in each."""
    vectors = torch.tensor([[0.0], [2.0], [-2.0], [6.0], [9.0], [7.0], [4.5]])
    return torch.tensor([4.0]), vectors, torch.tensor([[1.0], [7.0]]), torch.tensor([[[-2.0], [0.0], [2.0]]]), 2, 3, 3


def _equal_codes() -> tuple[Any, ...]:
    """Vectors 0 and 1 are equally far by the tables; vector 1 stands in the cell that is opened first."""
    vectors = torch.tensor([[3.0], [-3.0], [-1.5], [5.0]])
    return torch.tensor([0.0]), vectors, torch.tensor([[4.0], [-2.0]]), torch.tensor([[[-1.0], [1.0]]]), 2, 2, 2


def _equally_near_cells() -> tuple[Any, ...]:
    """Two cells are equally near; vectors 1 and 4 are equal."""
    vectors = torch.tensor([[-1.0], [1.0], [-3.0], [3.5], [1.0]])
    return torch.tensor([0.0]), vectors, torch.tensor([[2.0], [-2.0]]), torch.tensor([[[1.0], [-1.0]]]), 1, 3, 3


def _lost_by_its_code() -> tuple[Any, ...]:
    """Vector 3, the second nearest, has the codes of vector 2, and only two candidates are kept."""
    vectors = torch.tensor([[2.0, 0.5], [0.0, 2.0], [3.0, 2.5], [1.5, 1.5], [8.0, 8.0], [9.0, 7.0]])
    codebooks = torch.tensor([[[1.0], [-1.5]], [[-1.5], [1.0]]])
    return torch.tensor([2.0, 1.0]), vectors, torch.tensor([[1.5, 1.5], [8.0, 8.0], [3.0, -4.0]]), codebooks, 2, 2, 3


def _wide_is_exact(answer: Answer) -> str | None:
    query, vectors, centroids, codebooks, *_ = _two_cells_two_residuals()
    found = answer(query, vectors, centroids, codebooks, 2, 7, 4)
    exact = _order(_far(query, vectors))[:4]
    if list(found) == exact:
        return None
    return f"all cells opened and all vectors rescored, {list(found)} is found; the nearest are {exact}"


INDEX = Exercise(
    id="17.7",
    title="an index of cells and codes",
    difficulty="hard",
    minutes=20,
    section="Build it: an index of cells and codes",
    signature="(D,), (N, D), (C, D), (m, K, D / m), int, int, int -> list of int",
    reference=search_ivfpq,
    another=_by_reconstruction,
    draw=_draw_index,
    loops=True,
    situations=(
        Situation("there are more candidates than are rescored", lambda *args: len(_candidates(*args)) > args[5]),
        Situation("fewer are found than k", lambda *args: min(len(_candidates(*args)), args[5]) < args[6]),
        Situation("fewer are rescored than k", lambda *args: args[5] < args[6]),
        Situation(
            "a cell is empty",
            lambda q, x, c, *rest: len(_pairs_far(x, c).argmin(1).unique()) < len(c),
        ),
        Situation("nprobe is 1", lambda *args: args[4] == 1),
        Situation("nprobe is larger than the number of cells", lambda *args: args[4] > len(args[2])),
        Situation("there is one piece", lambda *args: len(args[3]) == 1),
        Situation("all vectors are candidates", lambda *args: len(_candidates(*args)) == len(args[1])),
        Situation(
            "the nearest vector of all stands in a cell that is not opened",
            lambda *args: _order(_far(args[0], args[1]))[0] not in _candidates(*args),
        ),
    ),
    cases=(
        Case("codes turn two, their vectors turn them back", _order_turned, [0, 1]),
        Case("two cells, two residuals of the query", _two_cells_two_residuals, [6, 1, 3]),
        Case("equal codes in two cells", _equal_codes, [2, 0]),
        Case("two cells are equally near", _equally_near_cells, [1, 4, 3]),
        Case("one of the nearest is lost by its codes", _lost_by_its_code, [0, 2]),
    ),
    properties=(Property("with all cells opened and all vectors rescored the search is exact", _wide_is_exact),),
    mistakes=(
        Mistake(
            "the residual is forgotten",
            _assembled(left=lambda x, centroid: x, asked=lambda query, centroid, first: query),
            "You quantize the vectors themselves, and ask with the query itself. The codebooks were made for residuals, which are small and lie "
            "around zero. Take each vector's centroid off before it gets its codes.",
        ),
        Mistake(
            "the query has no residual",
            _assembled(asked=lambda query, centroid, first: query),
            "The codes are those of residuals, and you compare the query itself with them: two different places. In each cell take its centroid off "
            "the query as well.",
        ),
        Mistake(
            "one residual of the query for all cells",
            _assembled(asked=lambda query, centroid, first: query - first),
            "You take the nearest centroid off the query once, and use its tables in all cells. The codes of another cell are residuals to *its* "
            "centroid: each opened cell needs its own.",
        ),
        Mistake(
            "the vectors have no residual",
            _assembled(left=lambda x, centroid: x),
            "You take the centroid off the query, and quantize the vectors without that. Both sides need it.",
        ),
        Mistake(
            "the residual has the other sign",
            _assembled(left=lambda x, centroid: centroid - x),
            "You subtract the vectors from their centroids, and the centroid from the query. The one points back, the other away: subtract the "
            "centroid from both.",
        ),
        Mistake(
            "the query's residual has the other sign",
            _assembled(asked=lambda query, centroid, first: centroid - query),
            "You subtract the query from the centroid, and the centroid from the vectors. The one points back, the other away: subtract the centroid "
            "from both.",
        ),
        Mistake(
            "the mean of all vectors is taken off",
            _mean_taken_off,
            "You take the mean of all vectors off, on both sides, where the cell's centroid belongs. Then the codes have to say where the cell lies "
            "as well, and the codebooks were not made for that.",
        ),
        Mistake(
            "each vector in each cell",
            _each_vector_in_each_cell,
            "In every opened cell you compare all vectors, also those that stand elsewhere. A vector has one residual: that of its own cell.",
        ),
        Mistake(
            "the centroid is counted twice",
            _assembled(added=lambda query, centroid: float(_far(query, centroid))),
            "You add the distance to the centroid to what the tables say. It is in there already: query minus centroid against the residual *is* "
            "the whole distance.",
        ),
        Mistake(
            "residuals compared by their length alone",
            _assembled(
                asked=lambda query, centroid, first: 0 * query,
                added=lambda query, centroid: float(_far(query, centroid)),
            ),
            "You add the distance from query to centroid and that from centroid to vector. Squared distances of a path do not add up like that: "
            "it matters in which direction the vector lies. Compare the residual of the query with that of the vector.",
        ),
        Mistake(
            "centroids that have moved",
            _moved_centroids,
            "You use the second result of 17.1, the centroids after a round. The centroids are given: only the cells are needed.",
        ),
        Mistake(
            "not rescored",
            _not_rescored,
            "Your order is that of the tables. Codes know a vector only roughly; the candidates that are kept are compared once more, with their "
            "own vectors.",
        ),
        Mistake(
            "rescored with the residual of the query",
            _query_left_in_first_cell,
            "In the end you compare the full vectors with the *residual* of the query. Full vectors belong with the query itself.",
        ),
        Mistake(
            "rescored by what the centroids have left",
            _residuals_of_vectors,
            "You compare the query with the residuals of the candidates in the end. The full vectors are asked for there.",
        ),
        Mistake(
            "rescored by dot product",
            _assembled(to_vectors=_minus_dots),
            "In the end you rank by dot product. With vectors of any length that is another order than by distance.",
        ),
        Mistake(
            "dot products in the tables",
            _assembled(table=_products),
            "Your tables hold dot products. With the centroid taken off, a product says little: squared distances are asked for.",
        ),
        Mistake(
            "cells by dot product",
            _assembled(to_cells=_minus_dots),
            "You open the cells whose centroids have the largest dot product. They are opened by distance.",
        ),
        Mistake(
            "the query is quantized, too",
            _assembled(ask=lambda pieces, books: _named(_to_entries(pieces, books).argmin(-1), books)),
            "You replace the query's residual by its nearest entries. Only vectors have to be stored small: the tables take the query as it is.",
        ),
        Mistake(
            "the first codebook for all",
            _assembled(books_of=lambda books: books[:1].expand_as(books)),
            "All pieces are looked up in the first codebook. Each has its own.",
        ),
        Mistake(
            "nprobe is not used",
            _assembled(cells=lambda far, nprobe, cell_of: _order(far)[:1]),
            "One cell is opened, whatever `nprobe` is.",
        ),
        Mistake(
            "the last opened cell alone",
            _assembled(cells=lambda far, nprobe, cell_of: _order(far)[:nprobe][-1:]),
            "What you collect begins anew in each cell, so only the last of the opened cells counts. Make the list once, before the loop.",
        ),
        Mistake(
            "all cells are opened",
            _assembled(cells=lambda far, nprobe, cell_of: _order(far)),
            "All cells are opened, and nothing is saved.",
        ),
        Mistake(
            "an empty cell raises an error",
            _empty_cell_raises,
            "Where an opened cell is empty you ask for the codes of no vector, and an error is raised. Pass over such a cell: there is nothing "
            "to compare.",
        ),
        Mistake(
            "empty cells do not count",
            _assembled(
                cells=lambda far, nprobe, cell_of: (
                    [c for c in _order(far) if bool((cell_of == c).any())][:nprobe] or [0]
                )
            ),
            "You pass over empty cells and open the next ones instead. An empty cell that is opened counts.",
        ),
        Mistake(
            "of equally near cells the larger number",
            _assembled(cells=lambda far, nprobe, cell_of: _backwards(far)[:nprobe]),
            "Of equally near cells you open the one with the larger number. The smaller one comes first.",
        ),
        Mistake(
            "all candidates are rescored",
            _assembled(keep=lambda numbers, far, rescore: numbers),
            "All vectors of the opened cells are compared in full, and `rescore` never counts. The codes are there so that most full vectors are never "
            "read: on disk each costs a jump.",
        ),
        Mistake(
            "all vectors are rescored",
            _all_rescored,
            "In the end you compare all vectors, whatever cells and codes have chosen. That is the exact search, at its full price.",
        ),
        Mistake(
            "the codes are not used",
            _without_codes,
            "You take the nearest vectors of the opened cells by their full vectors, and the codes decide nothing. Then every vector of a cell is "
            "read whole, which the codes are there to spare.",
        ),
        Mistake(
            "k candidates at least",
            lambda q, x, c, books, nprobe, rescore, k: _index(q, x, c, books, nprobe, max(rescore, k), k),
            "You keep k candidates where `rescore` is smaller. Keep `rescore`, and return fewer: that is what the contract says, so that a caller sees "
            "what was asked for.",
        ),
        Mistake(
            "filled up by codes",
            _filled_up_by_codes,
            "Behind the rescored candidates you go on with the next ones by codes until there are k. What was not compared in full is not returned.",
        ),
        Mistake(
            "the smallest numbers",
            _assembled(keep=lambda numbers, far, rescore: sorted(numbers)[:rescore]),
            "You keep the candidates with the smallest numbers, as a list of pairs does that is sorted with the number in front. Put the distance "
            "in front.",
        ),
        Mistake(
            "k candidates",
            lambda q, x, c, books, nprobe, rescore, k: _index(q, x, c, books, nprobe, k, k),
            "You keep k candidates. Then rescoring can change their order, and none can come in that the codes had placed lower. Keep `rescore`.",
        ),
        Mistake(
            "rescore is a factor",
            _k_times_rescore,
            "You keep `rescore` times k candidates, as the `rescore_multiplier` of libraries says it. Here `rescore` is their number.",
        ),
        Mistake(
            "so many in each cell",
            _rescored_in_each_cell,
            "You keep `rescore` candidates of each cell. All opened cells together keep as many.",
        ),
        Mistake(
            "the nearest cell first",
            _assembled(keep=_nearest_cell_first),
            "You keep the first candidates as they come, the nearest cell's before the others. Their distances by the tables decide.",
        ),
        Mistake(
            "of equal codes the larger number",
            _assembled(keep=lambda numbers, far, rescore: sorted(numbers, key=lambda n: (far[n], -n))[:rescore]),
            "Of candidates at the same distance by the tables you keep the larger number. The smaller one comes first.",
        ),
        Mistake(
            "the first to be met of equal codes",
            _assembled(keep=lambda numbers, far, rescore: sorted(numbers, key=lambda n: far[n])[:rescore]),
            "Of candidates at the same distance by the tables those of the cell that was opened first stay in front. The smaller *number* comes "
            "first, in whatever cell it stands.",
        ),
        Mistake(
            "equally far in the end: the better code first",
            _assembled(last=lambda numbers, far, k: sorted(numbers, key=lambda n: far[n])[:k]),
            "Vectors at the same exact distance stay in the order of the tables. The smaller number comes first.",
        ),
        Mistake(
            "the farthest first",
            _assembled(last=lambda numbers, far, k: sorted(numbers, key=lambda n: (-far[n], n))[:k]),
            "You return the farthest of the rescored. The nearest come first.",
        ),
        Mistake(
            "the nearest last",
            _assembled(last=lambda numbers, far, k: _nearest_of(numbers, far, k)[::-1]),
            "The right vectors, with the nearest one last. It stands first.",
        ),
        Mistake(
            "in the order of the vectors",
            _assembled(last=lambda numbers, far, k: sorted(_nearest_of(numbers, far, k))),
            "The right vectors, sorted by their number. The nearest one stands first.",
        ),
        Mistake(
            "k is not used",
            _assembled(last=lambda numbers, far, k: _nearest_of(numbers, far, len(numbers))),
            "You return all that were rescored. At most k are asked for.",
        ),
        Mistake(
            "places instead of numbers",
            _assembled(
                last=lambda numbers, far, k: sorted(range(len(numbers)), key=lambda i: (far[numbers[i]], numbers[i]))[
                    :k
                ]
            ),
            "You return places among the candidates. Look up which vectors stand there.",
        ),
    ),
    hints=(
        "Three lists, each shorter than the one before: of cells, of candidates by codes, of results. What of a vector is read for each?",
        "What comes before a query: the cell of each vector, and the codes of vector minus centroid. What comes with it: for each opened cell "
        "query minus centroid, and the sums of its tables for the rows of that cell.",
        "17.1 gives the cells, 17.3 codes and sums. Collect pairs of distance and number from all opened cells, sort, keep the first `rescore`, and sort "
        "these once more by the distance of their own vectors.",
    ),
)

EXERCISES = (ROUND, CELLS, PIECES, BYTES, WALK, RANGES, INDEX)
