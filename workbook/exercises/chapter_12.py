"""The exercises of chapter 12: which pairs to keep, which texts are alike, what leaks, and what clicks are worth."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, combinations, pairwise
from operator import eq
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.exercises import compare
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation

# --- 12.1 which queries find their passage ---------------------------------------------------


def consistent_pairs(scores: Tensor, own: Tensor, k: int) -> Tensor:
    """Which queries find their own passage among the first k: (Q, N), (Q,), int -> (Q,) of booleans."""
    return _rank(scores, own) <= k


def _own_score(scores: Tensor, own: Tensor) -> Tensor:
    return scores.gather(1, own[:, None])  # (Q, 1)


def _rank(scores: Tensor, own: Tensor) -> Tensor:
    return (scores >= _own_score(scores, own)).sum(dim=1)  # its own passage is the one that makes it start at 1


def _rank_of_query(scores: Tensor, own: Tensor) -> Tensor:
    """The place of the query among all queries, for its passage."""
    return (scores[:, own] >= _own_score(scores, own).T).sum(dim=0)


def _found_one_by_one(scores, own, k):
    kept = []
    for row, column in zip(scores.tolist(), own.tolist(), strict=True):
        before = [j for j, score in enumerate(row) if j != column and score >= row[column]]
        kept.append(len(before) < k)
    return torch.tensor(kept)


def _place_in_order(scores: Tensor, own: Tensor) -> Tensor:
    """The rank where equal scores stand in the order of the columns, as a stable sort leaves them."""
    return 1 + (scores.argsort(dim=1, descending=True, stable=True) == own[:, None]).int().argmax(dim=1)


def _each_score_once(scores, own, k):
    rows = zip(scores.tolist(), own.tolist(), strict=True)
    return torch.tensor([sum(score > row[column] for score in set(row)) < k for row, column in rows])


def _against_nobodys(scores: Tensor, own: Tensor, k: int) -> Tensor:
    nobodys = torch.ones(scores.shape[1], dtype=torch.bool)
    nobodys[own] = False
    return 1 + (scores[:, nobodys] >= _own_score(scores, own)).sum(dim=1) <= k


def _of_the_topk(scores, own, k):
    return (scores.topk(k, dim=1).values[:, -1:] <= _own_score(scores, own))[:, 0]


def _draw_scores(rng: random.Random) -> tuple[Tensor, Tensor, int]:
    Q, N = rng.randint(1, 4), rng.randint(1, 5)
    step = rng.choice((1, 1, 10, 100))
    scores = torch.tensor([[rng.randint(-2 * step, 3 * step) / step for _ in range(N)] for _ in range(Q)])
    return scores, torch.tensor([rng.randrange(N) for _ in range(Q)]), rng.randint(1, 4)


def _three_queries(k: int) -> tuple[Tensor, Tensor, int]:
    """Ranks 1, 2 (a tie) and 3."""
    scores = [[0.9, 0.2, 0.1, 0.3], [0.4, 0.5, 0.5, 0.1], [0.3, 0.8, 0.6, 0.7]]
    return torch.tensor(scores), torch.tensor([0, 1, 2]), k


CONSISTENT = Exercise(
    id="12.1",
    title="which queries find their passage",
    difficulty="easy",
    minutes=8,
    section="Build it: which queries find their passage",
    signature="(Q, N), (Q,), int -> (Q,) bool",
    reference=consistent_pairs,
    another=_found_one_by_one,
    draw=_draw_scores,
    situations=(
        Situation(
            "another passage scores as high as a query's own",
            lambda scores, own, k: bool(((scores == _own_score(scores, own)).sum(dim=1) > 1).any()),
        ),
        Situation("two queries have the same passage", lambda scores, own, k: len(own.unique()) < len(own)),
        Situation("k is larger than the number of passages", lambda scores, own, k: k > scores.shape[1]),
        Situation("k is 1", lambda scores, own, k: k == 1),
        Situation("there is one query only", lambda scores, own, k: len(own) == 1),
        Situation(
            "a query's passage stands in another column than its own number",
            lambda scores, own, k: own.tolist() != list(range(len(own))),
        ),
    ),
    cases=(
        Case("three queries, k = 1", lambda: _three_queries(1), torch.tensor([True, False, False])),
        Case("three queries, k = 2", lambda: _three_queries(2), torch.tensor([True, True, False])),
        Case(
            "more queries than passages",
            lambda: (torch.tensor([[0.1, 0.7], [0.6, 0.2], [0.9, 0.3]]), torch.tensor([1, 1, 0]), 1),
        ),
        Case("a model that scores all alike", lambda: (torch.full((2, 4), 0.5), torch.tensor([3, 0]), 2)),
        Case(
            "a rival a hair behind",
            lambda: (torch.tensor([[0.9, 0.9 - 1e-7, 0.1]]), torch.tensor([0]), 1),
            torch.tensor([True]),
        ),
        Case("k beyond the list", lambda: (torch.tensor([[0.1, 0.7]]), torch.tensor([0]), 5), torch.tensor([True])),
    ),
    mistakes=(
        Mistake(
            "ties count for it",
            lambda scores, own, k: (scores > _own_score(scores, own)).sum(dim=1) < k,
            "You count only the passages that score *higher*. Then a model that scores all alike finds everything, and the filter keeps all. "
            "What scores as high stands before it.",
        ),
        Mistake(
            "ties in the order of the columns",
            lambda scores, own, k: _place_in_order(scores, own) <= k,
            "Where scores are equal, the order of the columns decides with you, as a sort leaves it. That order says nothing. What scores "
            "as high stands before the query's own passage, wherever its column is.",
        ),
        Mistake(
            "ranks from 0",
            lambda scores, own, k: _rank(scores, own) - 1 <= k,
            "Your ranks begin with 0, so k + 1 places are allowed. The first place has rank 1.",
        ),
        Mistake(
            "rank k is left out",
            lambda scores, own, k: _rank(scores, own) < k,
            "You leave out rank k itself. Among the first k it is still in.",
        ),
        Mistake(
            "always the first place",
            lambda scores, own, k: _rank(scores, own) <= 1,
            "k never counts: you keep a query only where its passage comes first.",
        ),
        Mistake(
            "does the passage find its query?",
            lambda scores, own, k: _rank_of_query(scores, own) <= k,
            "You rank the queries for each passage: a column of the matrix. Asked for is whether the *query* finds its passage among all "
            "passages: compare along a row.",
        ),
        Mistake(
            "passage i for query i",
            lambda scores, own, k: _rank(scores, torch.arange(len(own)) % scores.shape[1]) <= k,
            "You take the passage in column i for query i's own. Queries outnumber passages, or stand in another order: `own` says which "
            "column it is.",
        ),
        Mistake(
            "the lowest scores first",
            lambda scores, own, k: (scores <= _own_score(scores, own)).sum(dim=1) <= k,
            "You count the passages that score lower or equal. The best one has the highest score: count those that score higher or equal.",
        ),
        Mistake(
            "each score counts once",
            _each_score_once,
            "You count different *scores* that are higher, and not passages: several with the same score take one place together. Each of them "
            "stands before the query's own.",
        ),
        Mistake(
            "every own passage left out",
            _against_nobodys,
            "You hold each query against the passages that are no query's own, for you leave out the own passages of *all* queries. Only "
            "its own one does not count against a query; those of the others are among its rivals.",
        ),
        Mistake(
            "argsort is not a rank",
            lambda scores, own, k: (
                scores.argsort(dim=1, descending=True, stable=True).gather(1, own[:, None])[:, 0] < k
            ),
            "`argsort` says which passage stands at each place; you read it as the place of each passage. Those are two different lists, "
            "each the other one's inverse.",
        ),
        Mistake(
            "the k-th best score decides",
            lambda scores, own, k: _of_the_topk(scores, own, k),
            "You hold the own score against the k-th best. That raises where k is larger than the number of passages, and lets ties count for "
            "the query. Count how many score as high or higher.",
        ),
    ),
    hints=(
        "A rank is a count: how many passages stand before the query's own?",
        "Take each query's own score out of its row, as a column (Q, 1), and compare the whole matrix with it.",
        "With >= the query's own passage counts itself, so the sum along a row is the rank already, from 1 on.",
    ),
)


# --- 12.2 a signature ------------------------------------------------------------------------

MERSENNE = (1 << 31) - 1


def minhash_signature(shingles: set[int], a: Sequence[int], b: Sequence[int], p: int) -> list[int]:
    """The smallest number of a set under each of H numberings: set of int, H ints, H ints, int -> list of H ints."""
    return _signature(shingles, a, b, p)


def _number(x: int, a: int, b: int, p: int) -> int:
    return (a * x + b) % p


def _signature(shingles, a, b, p, *, number: Callable[[int, int, int, int], int] = _number):
    """The signature with one part exchanged."""
    return [min(number(x, factor, shift, p) for x in shingles) for factor, shift in zip(a, b, strict=True)]


def _signature_by_table(shingles, a, b, p):
    x = np.array([int(s) for s in shingles], dtype=np.uint64)
    factor, shift = np.array(a, dtype=np.uint64)[:, None], np.array(b, dtype=np.uint64)[:, None]
    return ((factor * x + shift) % np.uint64(p)).min(axis=1).tolist()  # below 2**31 · 2**32: no overflow


def _signing(**parts: Any) -> Answer:
    return lambda *args: _signature(*args, **parts)


def _in_float32(x: int, a: int, b: int, p: int) -> int:
    return int((np.float32(a) * np.float32(x) + np.float32(b)) % np.float32(p))


def _winner(shingles, a, b, p):
    """Of several that get the smallest number, the one that the set gives first."""
    winners = []
    for factor, shift in zip(a, b, strict=True):
        numbers = {x: _number(x, factor, shift, p) for x in shingles}
        winners.append(min(numbers, key=numbers.__getitem__))
    return winners


def _draw_shingles(rng: random.Random) -> tuple[set[int], list[int], list[int], int]:
    H = rng.randint(1, 5)
    if rng.random() < 0.35:
        p, top = MERSENNE, 2**32
    else:
        p, top = rng.choice((11, 13, 23)), 30
    shingles = {rng.randrange(top) for _ in range(rng.randint(1, 6))}
    factors = [rng.randrange(1, p) for _ in range(H)]
    if rng.random() < 0.15:
        factors = factors[:1] * H
    return shingles, factors, [rng.randrange(p) for _ in range(H)], p


HAND_A, HAND_B, HAND_P = [4, 2, 3, 6], [1, 10, 6, 5], 13  # the numberings that the chapter works out by hand

SIGNATURE = Exercise(
    id="12.2",
    title="a signature",
    difficulty="medium",
    minutes=8,
    section="Build it: a signature",
    signature="set of int, list of int, list of int, int -> list of int",
    reference=minhash_signature,
    another=_signature_by_table,
    draw=_draw_shingles,
    tolerance=0.0,
    situations=(
        Situation("a product does not fit into 32 bits", lambda x, a, b, p: p > 2**16),
        Situation("there is one shingle only", lambda x, a, b, p: len(x) == 1),
        Situation("there is one numbering only", lambda x, a, b, p: len(a) == 1),
        Situation("a shingle is not below p", lambda x, a, b, p: max(x) >= p),
        Situation(
            "two minima are equal",
            lambda x, a, b, p: len(set(minhash_signature(x, a, b, p))) < len(a),
        ),
    ),
    cases=(
        Case("text A of the chapter", lambda: ({1, 2, 3, 4, 5}, HAND_A, HAND_B, HAND_P), [0, 1, 2, 3]),
        Case("two shingles, three numberings", lambda: ({3, 10}, [1, 2, 6], [0, 5, 4], 11), [3, 0, 0]),
        Case(
            "large numbers",
            lambda: ({4_000_000_000, 123_456_789, 77}, [2_000_000_011, 5], [9, 2_111_222_333], MERSENNE),
        ),
        Case("one shingle", lambda: ({7}, [3, 5], [1, 2], 13), [9, 11]),
    ),
    mistakes=(
        Mistake(
            "the smallest shingle, numbered",
            lambda x, a, b, p: _signature({min(x)}, a, b, p),
            "You take the smallest shingle and number it, or the remainder after the minimum, which comes to the same. Then one shingle stands for "
            "the whole set under every numbering. Number all of them, remainder included, and take the minimum afterwards.",
        ),
        Mistake(
            "one numbering for all",
            lambda x, a, b, p: _signature(x, a[:1] * len(a), b[:1] * len(a), p),
            "All places use the first numbering, so the signature says H times the same. Each place has a numbering of its own.",
        ),
        Mistake(
            "the H smallest of one numbering",
            lambda x, a, b, p: sorted(_number(s, a[0], b[0], p) for s in x)[: len(a)],
            "You keep the smallest numbers of one numbering. That is another sketch (bottom-k); here each place is the minimum under its own "
            "numbering, so that places can be compared one by one.",
        ),
        Mistake(
            "a minimum for each shingle",
            lambda x, a, b, p: [min(_number(s, *ab, p) for ab in zip(a, b, strict=True)) for s in x],
            "You take the minimum over the numberings, one for each shingle. It runs over the shingles: one for each numbering.",
        ),
        Mistake(
            "it begins with 0",
            lambda x, a, b, p: [0] * len(a),
            "All your minima are 0: the smallest number so far begins with 0, and nothing is smaller. Begin with p, or with nothing.",
        ),
        Mistake(
            "not begun anew",
            lambda *args: list(accumulate(_signature(*args), min)),
            "What was smallest under one numbering is still there under the next: begin anew for each.",
        ),
        Mistake(
            "no remainder",
            _signing(number=lambda x, a, b, p: a * x + b),
            "The remainder is missing, or it is that of the shift alone, since % binds before +. Without it each numbering keeps the order of "
            "the shingles, so the same one always wins.",
        ),
        Mistake(
            "the remainder comes before the shift",
            _signing(number=lambda x, a, b, p: a * x % p + b),
            "You take the remainder of the product and add the shift to it: it moves all numbers alike, and the same shingle wins as "
            "without it. The remainder is that of the sum.",
        ),
        Mistake(
            "no shift",
            _signing(number=lambda x, a, b, p: a * x % p),
            "The shift is missing. Then shingle 0 has the number 0 under every numbering, and always wins.",
        ),
        Mistake(
            "the shingle that wins",
            _winner,
            "You return the shingle that got the smallest number. The number itself is asked for.",
        ),
        Mistake(
            "the minima sorted",
            lambda *args: sorted(_signature(*args)),
            "You sort the minima. A place belongs to a numbering; sorted, the places of two signatures no longer mean the same.",
        ),
        Mistake(
            "each minimum once",
            lambda *args: list(dict.fromkeys(_signature(*args))),
            "You keep equal minima once, as a set or a dict does. Then signatures have different lengths, and their places do not match.",
        ),
        Mistake(
            "in double precision",
            _signing(number=lambda x, a, b, p: int((float(a) * float(x) + float(b)) % p)),
            "You compute in floats, which have 53 bits for digits. A product needs more than 60 of them, so its last ones are lost, and the "
            "remainder is made of those. Use whole numbers.",
        ),
        Mistake(
            "equal factors once",
            lambda x, a, b, p: [min(_number(s, *ab, p) for s in x) for ab in dict(zip(a, b, strict=True)).items()],
            "Numberings with equal factors became one, as the keys of a dict do. Go through the pairs of `zip` itself: H numbers are asked for.",
        ),
        Mistake(
            "in single precision",
            _signing(number=_in_float32),
            "You compute in float32, which has 24 bits for digits. A product needs more than 60 of them: what is lost are the last "
            "ones, and the remainder is made of those. Use whole numbers.",
        ),
    ),
    hints=(
        "Two loops: the outer one runs over numberings. What does the inner one run over, and what is left of it?",
        "For one numbering: the number of every shingle, then the smallest of these numbers.",
        "A list with one entry for each pair from `zip` of factors and shifts. Mind which of %, * and + comes first.",
    ),
)


# --- 12.3 bands ------------------------------------------------------------------------------


def candidate_pairs(signatures: Tensor, bands: int, rows: int) -> set[tuple[int, int]]:
    """Texts that agree in a whole band: (N, H), int, int -> set of (i, j) with i < j."""
    return _pairs_where(_share_a_band)(signatures, bands, rows)


def _cut(signature: list[int], bands: int, rows: int) -> list[tuple[int, ...]]:
    return [tuple(signature[band * rows : (band + 1) * rows]) for band in range(bands)]


def _side_by_side(
    x: list[int], y: list[int], bands: int, rows: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    return zip(_cut(x, bands, rows), _cut(y, bands, rows), strict=True)


def _share_a_band(x: list[int], y: list[int], bands: int, rows: int) -> bool:
    return any(u == v for u, v in _side_by_side(x, y, bands, rows))


def _pairs_where(meet: Callable[[list[int], list[int], int, int], bool]) -> Answer:
    """All pairs of texts whose signatures meet by another rule."""

    def pairs(signatures, bands, rows):
        lists = list(enumerate(signatures.tolist()))
        return {(i, j) for (i, x), (j, y) in combinations(lists, 2) if meet(x, y, bands, rows)}

    return pairs


def _bucketed(signatures, bands, rows):
    found = set()
    for band in range(bands):
        bucket: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, key in enumerate(signatures[:, band * rows : (band + 1) * rows].tolist()):
            found |= {(j, i) for j in bucket[tuple(key)]}
            bucket[tuple(key)].append(i)
    return found


def _bucket_pairs(choose: Callable[[list[int]], Iterable[tuple[int, int]]]) -> Answer:
    """In each bucket other pairs are made of its texts."""

    def pairs(signatures, bands, rows):
        found = set()
        for band in range(bands):
            bucket: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for i, signature in enumerate(signatures.tolist()):
                bucket[_cut(signature, bands, rows)[band]].append(i)
            found |= {pair for texts in bucket.values() for pair in choose(texts)}
        return found

    return pairs


def _in_common(change: Callable[[list[int], int, int], list[Any]]) -> Answer:
    """Texts meet where two bands at the same place are equal, with the bands cut or read in another way."""

    def meet(x: list[int], y: list[int], bands: int, rows: int) -> bool:
        return any(u == v for u, v in zip(change(x, bands, rows), change(y, bands, rows), strict=True))

    return _pairs_where(meet)


def _equal_places(x: list[int], y: list[int], bands: int, rows: int) -> int:
    return sum(u == v for u, v in zip(x[: bands * rows], y[: bands * rows], strict=True))


def _chained(signatures, bands, rows):
    group = list(range(len(signatures)))
    for i, j in candidate_pairs(signatures, bands, rows):
        group = [group[i] if g == group[j] else g for g in group]
    return {(i, j) for i, j in combinations(range(len(group)), 2) if group[i] == group[j]}


def _draw_signatures(rng: random.Random) -> tuple[Tensor, int, int]:
    bands, rows = rng.choice(((1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 1), (1, 3)))
    H, N = bands * rows + rng.choice((0, 0, 1, 2)), rng.randint(1, 5)
    high = rng.choice((1, 1, 2))
    return torch.tensor([[rng.randint(0, high) for _ in range(H)] for _ in range(N)]), bands, rows


def _set_of_pairs(result: Any, args: tuple) -> list[tuple[int, int]]:
    if not isinstance(result, set | frozenset):
        raise compare.NotAResult(f"return a set of pairs, got {compare.article(compare.describe(result))}")
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in result):
        raise compare.NotAResult("every entry of the set must be a tuple of two row numbers")
    return sorted((int(i), int(j)) for i, j in result)


BY_HAND = [[0, 1, 2, 3], [0, 1, 1, 2], [0, 0, 2, 1], [2, 4, 0, 0]]  # the four texts of the chapter

BANDS = Exercise(
    id="12.3",
    title="bands",
    difficulty="medium",
    minutes=11,
    section="Build it: bands",
    signature="(N, H), int, int -> set of (int, int)",
    reference=candidate_pairs,
    another=_bucketed,
    draw=_draw_signatures,
    observe=_set_of_pairs,
    tolerance=0.0,
    situations=(
        Situation("places are left over behind the last band", lambda s, bands, rows: s.shape[1] > bands * rows),
        Situation("there is one text only", lambda s, bands, rows: len(s) == 1),
        Situation("there is one band only", lambda s, bands, rows: bands == 1),
        Situation("a band has one row", lambda s, bands, rows: rows == 1),
        Situation("there are more rows than bands", lambda s, bands, rows: rows > bands),
        Situation("nobody meets", lambda s, bands, rows: not candidate_pairs(s, bands, rows)),
        Situation(
            "three texts meet in one band",
            lambda s, bands, rows: any(
                max(int(n) for n in s[:, b * rows : (b + 1) * rows].unique(dim=0, return_counts=True)[1]) > 2
                for b in range(bands)
            ),
        ),
        Situation(
            "a text meets two that do not meet each other",
            lambda s, bands, rows: _chained(s, bands, rows) != candidate_pairs(s, bands, rows),
        ),
    ),
    cases=(
        Case("the four texts of the chapter", lambda: (torch.tensor(BY_HAND), 2, 2), [(0, 1)]),
        Case("each place a band", lambda: (torch.tensor([[1, 2], [3, 2], [1, 4]]), 2, 1), [(0, 1), (0, 2)]),
        Case("three in one bucket", lambda: (torch.tensor([[5, 6], [5, 6], [5, 6]]), 1, 2), [(0, 1), (0, 2), (1, 2)]),
        Case("equal bands at different places", lambda: (torch.tensor([[1, 2, 3, 4], [3, 4, 1, 2]]), 2, 2), []),
        Case(
            "a place is left over",
            lambda: (torch.tensor([[1, 11, 3, 4, 9], [0, 0, 0, 0, 9], [11, 1, 3, 4, 0], [11, 1, 0, 9, 2]]), 2, 2),
            [(0, 2), (2, 3)],
        ),
        Case(
            "large numbers that differ by 1",
            lambda: (torch.tensor([[2**30, 5, 9], [2**30 + 1, 5, 9], [2**30 + 1, 5, 8]]), 1, 2),
            [(1, 2)],
        ),
        Case(
            "three bands of two",
            lambda: (torch.tensor([[1, 2, 3, 4, 5, 6], [1, 0, 3, 0, 5, 0], [2, 1, 4, 3, 5, 6]]), 3, 2),
        ),
        Case(
            "two bands of three",
            lambda: (torch.tensor([[1, 2, 3, 4, 5, 6], [1, 2, 0, 4, 5, 0], [0, 2, 3, 4, 5, 6]]), 2, 3),
        ),
    ),
    mistakes=(
        Mistake(
            "all bands must agree",
            _pairs_where(lambda x, y, bands, rows: _cut(x, bands, rows) == _cut(y, bands, rows)),
            "You ask for every band to agree, so only equal signatures meet. One band is enough: *and* within a band, *or* between bands.",
        ),
        Mistake(
            "one place in every band",
            _pairs_where(
                lambda x, y, bands, rows: all(any(map(eq, *both)) for both in _side_by_side(x, y, bands, rows))
            ),
            "You ask for one equal place in each band: *or* within a band, *and* between bands. It is the other way round.",
        ),
        Mistake(
            "one equal place is enough",
            _pairs_where(lambda x, y, bands, rows: _equal_places(x, y, bands, rows) > 0),
            "One equal place makes a candidate with you. All rows of a band have to agree; else nearly all texts meet nearly all others.",
        ),
        Mistake(
            "equal places of all bands together",
            _pairs_where(lambda x, y, bands, rows: _equal_places(x, y, bands, rows) >= rows),
            "You count equal places over the whole signature, and `rows` of them anywhere make a pair. They must be the rows of one band.",
        ),
        Mistake(
            "bands share their buckets",
            _pairs_where(lambda x, y, bands, rows: bool(set(_cut(x, bands, rows)) & set(_cut(y, bands, rows)))),
            "A band of one text meets a *different* band of another one: the number of the band is missing in the key, or all bands fall into "
            "one dict. Their minima come from different numberings and have nothing to do with each other.",
        ),
        Mistake(
            "bands and rows exchanged",
            lambda signatures, bands, rows: candidate_pairs(signatures, rows, bands),
            "You cut into `rows` bands of `bands` rows. More rows in a band make it stricter, more bands make it more lenient: exchanged, the "
            "curve has another place and slope.",
        ),
        Mistake(
            "every so many places",
            _in_common(lambda x, bands, rows: [x[band : bands * rows : bands] for band in range(bands)]),
            "Your bands take every so many places, as `reshape(rows, bands)` or a slice with a step does. A band is a run of `rows` places "
            "side by side.",
        ),
        Mistake(
            "a band as a set",
            _in_common(lambda x, bands, rows: [set(part) for part in _cut(x, bands, rows)]),
            "You compare bands as sets, so neither order nor repetition counts. Each place is a numbering of its own: place by place.",
        ),
        Mistake(
            "the places of a band, written together",
            _in_common(lambda x, bands, rows: ["".join(map(str, part)) for part in _cut(x, bands, rows)]),
            "You write the places of a band one after the other into a text: 1 and 11 give the same as 11 and 1. Take a tuple as the key.",
        ),
        Mistake(
            "the sum of a band",
            _in_common(lambda x, bands, rows: [sum(part) for part in _cut(x, bands, rows)]),
            "You compare sums of bands. Different bands have equal sums: take the whole band as the key, as a tuple.",
        ),
        Mistake(
            "only with the first in the bucket",
            _bucket_pairs(lambda texts: [(texts[0], j) for j in texts[1:]]),
            "You pair each text of a bucket with the first one alone. All that share a bucket are candidates of one another.",
        ),
        Mistake(
            "only with the one before",
            _bucket_pairs(lambda texts: list(pairwise(texts))),
            "You pair each text with the last one that fell into the bucket before it: an entry of the dict is overwritten. All that share a "
            "bucket are candidates of one another.",
        ),
        Mistake(
            "chains count",
            _chained,
            "You also pair texts that met only through a third one. That makes groups; asked for are pairs that agree in a band themselves.",
        ),
        Mistake(
            "both orders",
            lambda *args: {pair for i, j in candidate_pairs(*args) for pair in ((i, j), (j, i))},
            "Each pair stands there twice, (i, j) and (j, i). The smaller number comes first, once.",
        ),
        Mistake(
            "the larger one first",
            lambda *args: {(j, i) for i, j in candidate_pairs(*args)},
            "The larger row number stands first in your pairs. Asked for is (i, j) with i < j: the text that came first comes first.",
        ),
        Mistake(
            "nothing ever meets",
            lambda *args: set(),
            "Nothing meets with you, not even equal signatures. Look at the key: tensors are looked up by identity and not by value, so two "
            "with equal numbers are two keys. Take a tuple of plain numbers (`tolist`), and put the text into its bucket.",
        ),
        Mistake(
            "a text meets itself",
            lambda signatures, bands, rows: (
                candidate_pairs(signatures, bands, rows) | {(i, i) for i in range(len(signatures))}
            ),
            "Each text meets itself with you. i is smaller than j.",
        ),
        Mistake(
            "bands overlap",
            _in_common(lambda x, bands, rows: [x[i : i + rows] for i in range(bands * rows - rows + 1)]),
            "Your bands begin at every place and overlap. The next one begins where the one before has ended.",
        ),
        Mistake(
            "bands begin one place apart",
            _in_common(lambda x, bands, rows: [x[band : band + rows] for band in range(bands)]),
            "Your band number i begins at place i, so bands overlap, and the last places are never looked at. It begins at i · rows.",
        ),
        Mistake(
            "what is left over is a band, too",
            _in_common(
                lambda x, bands, rows: [*_cut(x, bands, rows), *([x[bands * rows :]] if len(x) > bands * rows else [])]
            ),
            "Places behind the last band count as one more band. They are not looked at.",
        ),
        Mistake(
            "as many bands as fit",
            _in_common(lambda x, bands, rows: _cut(x, len(x) // rows, rows)),
            "You cut the whole signature into bands. Only `bands` of them count.",
        ),
        Mistake(
            "rows worked out from the length",
            _in_common(lambda x, bands, rows: _cut(x, bands, len(x) // bands)),
            "You divide the length of the signature by the number of bands. `rows` says how many places a band has; some may be left over.",
        ),
        Mistake(
            "a threshold for the estimate",
            _pairs_where(
                lambda x, y, bands, rows: (
                    _equal_places(x, y, bands, rows) / (bands * rows) >= (1 / bands) ** (1 / rows) - 1e-9
                )
            ),
            "You hold the share of equal places against the threshold (1/b)^(1/r). That is where the curve is steepest, and no rule: two "
            "texts meet when a whole band agrees.",
        ),
    ),
    hints=(
        "Within a band every place must agree; of all bands one must.",
        "Without a dictionary: for each two texts and each band compare two slices. With one: the key is the band's number and its places, "
        "as a tuple.",
        "Band number i begins at i · rows. From a bucket make all pairs (`itertools.combinations`), and collect them in one set.",
    ),
)


# --- 12.4 runs of words that leak ------------------------------------------------------------

Words = Sequence[str]


def drop_leaked(texts: Sequence[str], evaluation: Sequence[str], n: int) -> list[str]:
    """Texts that share no run of n words with an evaluation text: list of str, list of str, int -> list of str."""
    return _dropped(texts, evaluation, n)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _runs_of(words: Words, n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def _runs(words: Words, n: int) -> set[tuple[str, ...]]:
    """All runs of n words; of a shorter text the whole of it; nothing of an empty one."""
    return _runs_of(words, min(n, len(words))) if words else set()


def _dropped(
    texts, evaluation, n, *,
    words=_words, runs=_runs, of_exam=None, leaks=lambda own, known: bool(own & known), kept=lambda text: text,
):  # fmt: skip
    """Decontamination with one part exchanged."""
    known = set().union(*((of_exam or runs)(words(text), n) for text in evaluation))
    return [kept(text) for text in texts if not leaks(runs(words(text), n), known)]


def _leak_free_by_comparing(texts, evaluation, n):
    exams = [_words(text) for text in evaluation]
    kept = []
    for text in texts:
        words = _words(text)
        leaks = bool(words) and words in exams
        for exam in exams:
            for i in range(len(words) - n + 1):
                for j in range(len(exam) - n + 1):
                    leaks = leaks or words[i : i + n] == exam[j : j + n]
        if not leaks:
            kept.append(text)
    return kept


def _dropping(**parts: Any) -> Answer:
    return lambda *args: _dropped(*args, **parts)


def _if(leaks: Callable[[str, str, int], bool]) -> Answer:
    """A text goes where `leaks` holds for it and an evaluation text."""
    return lambda texts, evaluation, n: [t for t in texts if not any(leaks(t, e, n) for e in evaluation)]


def _joined(text: str) -> str:
    return " ".join(_words(text))


def _contained(inner: Words, outer: Words) -> bool:
    return bool(inner) and tuple(inner) in _runs_of(outer, len(inner))


def _in_order(text: str, n: int) -> list[Words]:
    words = _words(text)
    return [words[i : i + n] for i in range(max(1, len(words) - n + 1))] if words else []


def _shared_words(text: str, exam: str, n: int) -> bool:
    own, known = set(_words(text)), set(_words(exam))
    return bool(own) and len(own & known) >= min(n, max(len(own), len(known)))


def _as_one_text(texts, evaluation, n):
    """The evaluation is one long text."""
    return _dropped(texts, [" ".join(evaluation), *evaluation], n)


LEAK_WORDS = ("sort", "a", "list", "of", "list,", "A", "Sort", "as", "so-a", "list.", "part", "art", "p")


def _draw_leak(rng: random.Random) -> tuple[list[str], list[str], int]:
    def text(least: int = 0) -> str:
        return " ".join(rng.choice(LEAK_WORDS) for _ in range(rng.choice((least, 1, 2, 3, 3, 4, 5, 6))))

    evaluation = [text() for _ in range(rng.randint(1, 3))]
    texts = [text() for _ in range(rng.randint(1, 4))]
    for row in range(len(texts)):
        copied = rng.choice(evaluation)
        if rng.random() < 0.25:  # a copy, written in another way
            texts[row] = rng.choice((copied.upper(), f"{copied}!", copied.replace(" ", "  ")))
        elif rng.random() < 0.3:  # a part of one, between other words
            words = copied.split()
            start = rng.randint(0, max(0, len(words) - 2))
            texts[row] = " ".join([text(), *words[start : start + rng.randint(2, 4)], text()])
        elif rng.random() < 0.1:
            texts[row] = rng.choice(("", "?!", "--"))
    texts += texts[:1] if rng.random() < 0.15 else []
    rng.shuffle(texts)
    return texts, [*evaluation, "…"] if rng.random() < 0.2 else evaluation, rng.randint(2, 4)


def _lengths(texts: Sequence[str]) -> list[int]:
    return [len(_words(text)) for text in texts]


def _two_exams() -> tuple[list[str], list[str], int]:
    texts = [
        "To sort a list, in-place!",
        "a list is sorted",
        "How do I sort a list?",
        "Sort lists.",
        "in place of a list",
    ]
    return texts, ["How do I sort a list in place?", "sort lists"], 3


LEAKED = Exercise(
    id="12.4",
    title="runs of words that leak",
    difficulty="medium",
    minutes=10,
    section="Build it: runs of words that leak",
    signature="list of str, list of str, int -> list of str",
    reference=drop_leaked,
    another=_leak_free_by_comparing,
    draw=_draw_leak,
    situations=(
        Situation("a text is shorter than n words", lambda texts, exam, n: any(0 < m < n for m in _lengths(texts))),
        Situation(
            "an evaluation text is shorter than n words", lambda texts, exam, n: any(0 < m < n for m in _lengths(exam))
        ),
        Situation("a text has no word at all", lambda texts, exam, n: 0 in _lengths(texts)),
        Situation("an evaluation text has no word at all", lambda texts, exam, n: 0 in _lengths(exam)),
        Situation(
            "a word is written with capitals", lambda texts, exam, n: any(t != t.lower() for t in (*texts, *exam))
        ),
        Situation("there are signs beside words", lambda texts, exam, n: any(re.search(r"[^\w\s]", t) for t in texts)),
        Situation("there is more than one evaluation text", lambda texts, exam, n: len(exam) > 1),
        Situation("nothing is dropped", lambda texts, exam, n: drop_leaked(texts, exam, n) == list(texts)),
        Situation("a text has exactly n words", lambda texts, exam, n: n in _lengths(texts)),
        Situation("a text is there twice", lambda texts, exam, n: len(set(texts)) < len(texts)),
    ),
    cases=(
        Case(
            "other words, the same letters",
            lambda: (["over all", "an overall view", "all in one"], ["overall", "ano ver all", "alli None"], 2),
            ["over all", "an overall view", "all in one"],
        ),
        Case("five texts, runs of three", _two_exams, ["a list is sorted", "in place of a list"]),
        Case(
            "short texts",
            lambda: (["Sort!", "sort a list", "a list", "to sort"], ["sort", "how to sort a list today"], 4),
            ["sort a list", "a list", "to sort"],
        ),
        Case("signs alone", lambda: (["?", "", "a list"], ["…", "a list of words"], 2), ["?", ""]),
        Case(
            "a part of a word, and a border",
            lambda: (["art of war", "a part of it", "wares peace", "a partner"], ["a part of wares", "peace, war"], 2),
            ["art of war", "wares peace", "a partner"],
        ),
        Case(
            "at the end, at the start",
            lambda: (["x y a b c", "a b c x y", "b c x a b"], ["k a b c", "a b d"], 3),
            ["b c x a b"],
        ),
        Case(
            "letters and signs of other languages",
            lambda: (
                ["Straße oben", "STRASSE unten", "the “list”—here"],
                ["Stra e oben", "Straße unten", "a list here"],
                2,
            ),
            ["Straße oben", "STRASSE unten"],
        ),
        Case("words in another order", lambda: (["list a sort to"], ["to sort a list"], 2), ["list a sort to"]),
        Case("no evaluation", lambda: (["a b", ""], [], 2), ["a b", ""]),
    ),
    mistakes=(
        Mistake(
            "capitals count",
            _dropping(words=lambda text: re.findall(r"\w+", text)),
            "Capitals keep texts apart with you. A copy that begins a sentence is a copy: lower case first.",
        ),
        Mistake(
            "signs belong to words",
            _dropping(words=lambda text: text.lower().split()),
            "You part words at blanks, so a comma stays at its word, and “list,” is another word than “list”. Take runs of letters and digits.",
        ),
        Mistake(
            "signs are deleted",
            _dropping(words=lambda text: re.sub(r"[^\w\s]", "", text.lower()).split()),
            "You delete signs before you part words, so “in-place” becomes one word. By the contract a sign parts two words.",
        ),
        Mistake(
            "capitals and signs count",
            _dropping(words=lambda text: text.split()),
            "You compare words as they are written, with capitals and signs. Lower case, and runs of letters and digits.",
        ),
        Mistake(
            "short texts never leak",
            _dropping(runs=_runs_of),
            "A text of fewer than n words has no run with you, so a short query stays in training although the exam asks it word by word. "
            "A short text is one run.",
        ),
        Mistake(
            "a short text leaks wherever its words stand",
            _if(
                lambda t, e, n: (
                    bool(_runs(_words(t), n) & _runs(_words(e), n))
                    or (len(_words(e)) < n and _contained(_words(e), _words(t)))
                    or (len(_words(t)) < n and _contained(_words(t), _words(e)))
                )
            ),
            "A short text leaks with you wherever its words stand inside a longer one. “a list” would then drop half of all texts. A short text "
            "leaks only what is equal to it.",
        ),
        Mistake(
            "a short query leaks into longer texts",
            _if(
                lambda t, e, n: (
                    bool(_runs(_words(t), n) & _runs(_words(e), n))
                    or (len(_words(e)) < n and _contained(_words(e), _words(t)))
                )
            ),
            "A text goes with you when it holds a short evaluation text somewhere inside. Two words of a query stand in many texts; a short "
            "text leaks only what is equal to it.",
        ),
        Mistake(
            "short texts are compared as they are written",
            _if(lambda t, e, n: t == e or bool(_runs_of(_words(t), n) & _runs_of(_words(e), n))),
            "You compare short texts as they are written, so a capital or a question mark hides a copy. A short text is one run of words like any "
            "other.",
        ),
        Mistake(
            "short texts are dropped",
            _dropping(runs=_runs_of, leaks=lambda own, known: not own or bool(own & known)),
            "You drop every text of fewer than n words. Most queries are that short. Such a text is one run, and goes only where the exam has "
            "it, too.",
        ),
        Mistake(
            "part of a word",
            _if(
                lambda t, e, n: any(
                    " ".join(run) in _joined(e) if len(run) == n else " ".join(run) == _joined(e)
                    for run in _runs(_words(t), n)
                )
            ),
            "You look for a run as a piece of text, so “art of” is found in “part of”. Compare words, as tuples.",
        ),
        Mistake(
            "only equal texts",
            _if(lambda t, e, n: bool(_words(t)) and _words(t) == _words(e)),
            "You drop only what is equal to an evaluation text. One more word in front hides a copy from that. Compare runs of n words.",
        ),
        Mistake(
            "words in any order",
            _if(_shared_words),
            "You count words in common, wherever they stand. Any two texts on one topic share n words; a run has them in order, side by side.",
        ),
        Mistake(
            "only at the same place",
            _if(lambda t, e, n: any(map(eq, _in_order(t, n), _in_order(e, n)))),
            "You compare the first run with the first, the second with the second. A copied part stands somewhere else as a rule: each run "
            "with every run.",
        ),
        Mistake(
            "the last run is forgotten",
            _dropping(
                runs=lambda words, n: (
                    {tuple(words[i : i + n]) for i in range(len(words) - n)} if len(words) >= n else _runs(words, n)
                )
            ),
            "The last run of each text is not looked at. From L words there are L − n + 1 runs.",
        ),
        Mistake(
            "runs side by side",
            _dropping(
                runs=lambda words, n: (
                    {tuple(words[i : i + n]) for i in range(0, len(words) - n + 1, n)}
                    if len(words) >= n
                    else _runs(words, n)
                )
            ),
            "Your runs stand side by side, without overlap. A copy that begins one word later is then cut at other places, and not found.",
        ),
        Mistake(
            "shorter runs at the end",
            _dropping(runs=lambda words, n: {tuple(words[i : i + n]) for i in range(len(words))}),
            "Your runs go on to the end of the text and get shorter there, down to a single word. A text of n words or more has only runs of n.",
        ),
        Mistake(
            "runs of letters",
            _dropping(runs=lambda words, n: _runs(" ".join(words), n)),
            "Your runs are made of letters. Every text shares n letters with every other: count words.",
        ),
        Mistake(
            "a run as a set",
            _dropping(runs=lambda words, n: {frozenset(run) for run in _runs(words, n)}),
            "Your runs are sets, so neither the order of words nor their repetition counts. A run is words in a row: take a tuple.",
        ),
        Mistake(
            "the words of a run, written together",
            _dropping(runs=lambda words, n: {"".join(run) for run in _runs(words, n)}),
            "You write the words of a run together without a gap, so other words make the same run: “over all” and “overall”. Keep them "
            "apart, in a tuple.",
        ),
        Mistake(
            "what leaks is returned",
            lambda texts, evaluation, n: [t for t in texts if t not in drop_leaked(texts, evaluation, n)],
            "You return the texts that leak. Asked for are the others, those that may stay.",
        ),
        Mistake(
            "the exam as one text",
            lambda texts, evaluation, n: drop_leaked(texts, [" ".join(evaluation)], n),
            "The evaluation texts were joined to one. Its runs go on from one text into the next, and a short text has lost its own run. Make "
            "the runs of each text by itself.",
        ),
        Mistake(
            "all runs must be known",
            _dropping(leaks=lambda own, known: bool(own) and own <= known),
            "You drop a text only when all its runs are known. One shared run is a leak.",
        ),
        Mistake(
            "texts without words leak",
            _dropping(runs=lambda words, n: _runs(words, n) or {()}),
            "Two texts without any word count as equal with you. They share nothing.",
        ),
        Mistake(
            "the exam is cleaned",
            lambda texts, evaluation, n: drop_leaked(evaluation, texts, n),
            "You drop evaluation texts. An exam that changes with the training data compares nothing: drop from training.",
        ),
        Mistake(
            "runs across two texts",
            _as_one_text,
            "Your runs go on from one evaluation text into the next: they were joined. Make the runs of each text by itself.",
        ),
        Mistake(
            "texts come back without signs",
            _dropping(kept=_joined),
            "The right texts, in lower case and without signs. Words are for comparing; what is kept stays as it was.",
        ),
    ),
    hints=(
        "One small function does most of it: from a text to the set of its runs. What has it to say of a short text, and of an empty one?",
        "Words first (`re.findall`, lower case). Runs as tuples of words in a set; then two texts share a run where two sets meet.",
        "Collect the runs of all evaluation texts in one set. The run length is n, or the number of words where that is smaller; no "
        "words, no run.",
    ),
)


# --- 12.5 from raw pairs to a training set ---------------------------------------------------

Pair = tuple[str, str]


@dataclass(frozen=True)
class Near:
    """near(passages) -> places (i, j), i < j, of near-duplicates: equal texts, and those that are named."""

    alike: frozenset[frozenset[str]]

    def __call__(self, passages: Sequence[str]) -> set[tuple[int, int]]:
        if isinstance(passages, str):
            raise TypeError("near takes a list of passages, and got one text")
        pairs = combinations(enumerate(passages), 2)
        return {(i, j) for (i, x), (j, y) in pairs if x == y or frozenset((x, y)) in self.alike}

    def __repr__(self) -> str:
        return f"near({', '.join('~'.join(sorted(pair)) for pair in sorted(self.alike, key=sorted))})"


@dataclass(frozen=True)
class Place:
    """place(text) -> a number from 0 on and below 1, given for each text."""

    of: tuple[tuple[str, float], ...]

    def __call__(self, text: str) -> float:
        return dict(self.of)[text]

    def __repr__(self) -> str:
        return f"place({', '.join(f'{text} {value}' for text, value in self.of)})"


@dataclass(frozen=True)
class Leaks:
    """leaks(text, others) -> whether one of the others is equal to the text, or named with it."""

    shared: frozenset[frozenset[str]]

    def __call__(self, text: str, others: Sequence[str]) -> bool:
        if isinstance(others, str) or not isinstance(text, str):
            raise TypeError("leaks takes a text and a list of texts")
        if len(text) > 1:  # the texts of the cases are letters
            raise ValueError(f"leaks was asked about {text!r}, which is neither a query nor a passage of the pairs")
        return any(text == other or frozenset((text, other)) in self.shared for other in others)

    def __repr__(self) -> str:
        return f"leaks({', '.join('~'.join(sorted(pair)) for pair in sorted(self.shared, key=sorted))})"


@dataclass(frozen=True)
class Finds:
    """finds(query, passage, passages) -> False where one that distracts it is among them, or its own is not, or twice for some."""

    distracted: tuple[tuple[str, str], ...]
    once: str = ""  # queries that find nothing where their passage stands twice

    def __call__(self, query: str, passage: str, passages: Sequence[str]) -> bool:
        if isinstance(passages, str):
            raise TypeError("finds takes a query, its passage and a list of passages")
        rivals = {rival for asked, rival in self.distracted if asked == query and rival != passage}
        twice = query in self.once and list(passages).count(passage) > 1
        return passage in passages and not twice and not rivals & set(passages)

    def __repr__(self) -> str:
        told = [f"{query} beside {rival}" for query, rival in self.distracted]
        return f"finds(not {', '.join([*told, *(f'{query} where its passage stands twice' for query in self.once)])})"


def training_set(
    pairs: Sequence[Pair],
    near: Callable[[list[str]], set[tuple[int, int]]],
    place: Callable[[str], float],
    leaks: Callable[[str, list[str]], bool],
    finds: Callable[[str, str, list[str]], bool],
    share: float,
) -> tuple[list[int], list[int]]:
    """Raw pairs, grouped, split, decontaminated and filtered: the rows to train on and those to evaluate on."""
    return _assemble(pairs, near, place, leaks, finds, share)


def _groups(pairs: Sequence[Pair], near: Any) -> list[int]:
    group = list(range(len(pairs)))
    for i, j in near([passage for _, passage in pairs]):
        group = [group[i] if g == group[j] else g for g in group]
    return group


def _relabelled_once(pairs: Sequence[Pair], near: Any) -> list[int]:
    group = list(range(len(pairs)))
    for i, j in sorted(near([passage for _, passage in pairs])):
        group[j] = group[i]
    return group


def _members(row: int, group: list[int], pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair, g in zip(pairs, group, strict=True) if g == group[row]]


def _speaks(row: int, group: list[int], pairs: Sequence[Pair], place: Any) -> float:
    return place(min(passage for _, passage in _members(row, group, pairs)))


def _both(pair: Pair) -> tuple[str, ...]:
    return pair


def _assemble(
    pairs, near, place, leaks, finds, share, *,
    groups=_groups, at=_speaks, out=lambda x, share: x < share, exam_of=_both, looked_at=_both, some=any, clean=True,
    among=lambda left, train, evaluation: [*left], by_turns=False, filters=True,
):  # fmt: skip
    """The set with one part exchanged."""
    group = groups(pairs, near)
    evaluation = [row for row in range(len(pairs)) if out(at(row, group, pairs, place), share)]
    train = [row for row in range(len(pairs)) if row not in evaluation]
    exam = [text for row in evaluation for text in exam_of(pairs[row])]

    def cleaned(rows: list[int]) -> list[int]:
        return [row for row in rows if not (clean and some(leaks(text, exam) for text in looked_at(pairs[row])))]

    def filtered(rows: list[int]) -> list[int]:
        passages = [pairs[row][1] for row in among(rows, train, evaluation)]
        kept: list[int] = []
        for n, row in enumerate(rows):
            if by_turns:
                passages = [pairs[other][1] for other in (*kept, *rows[n:])]
            if not filters or finds(*pairs[row], passages):
                kept.append(row)
        return kept

    return filtered(cleaned(train)), evaluation


def _assembled_by_union(pairs, near, place, leaks, finds, share):
    passages = [passage for _, passage in pairs]
    twins = near(passages)
    groups: list[set[int]] = []
    for row in range(len(pairs)):
        mine = {row}
        apart = []
        for other in groups:
            if any((i, row) in twins for i in other):
                mine |= other
            else:
                apart.append(other)
        groups = [*apart, mine]
    evaluation = sorted(r for g in groups if place(min(passages[r] for r in g)) < share for r in g)
    exam = [text for r in evaluation for text in pairs[r]]
    clean = [r for r in range(len(pairs)) if r not in evaluation and not any(leaks(text, exam) for text in pairs[r])]
    left = [passages[r] for r in clean]
    return [r for r in clean if finds(pairs[r][0], pairs[r][1], left)], evaluation


def _of_groups_one(pairs, near, place, leaks, finds, share):
    """Of each group the row whose passage speaks for it stays, the others go."""
    group, best = _groups(pairs, near), dict[int, int]()
    for row, g in enumerate(group):
        if g not in best or pairs[row][1] < pairs[best[g]][1]:
            best[g] = row
    rows = sorted(best.values())
    train, evaluation = _assemble([pairs[r] for r in rows], lambda passages: set(), place, leaks, finds, share)
    return [rows[r] for r in train], [rows[r] for r in evaluation]


def _assembling(**parts: Any) -> Answer:
    return lambda *args: _assemble(*args, **parts)


def _exam_cleaned(pairs, near, place, leaks, finds, share):
    train, evaluation = _assemble(pairs, near, place, leaks, finds, share, clean=False)
    seen = [text for row, pair in enumerate(pairs) if row not in evaluation for text in pair]
    return train, [row for row in evaluation if not any(leaks(text, seen) for text in pairs[row])]


def _only_direct(pairs, near, *rest):
    passages = [passage for _, passage in pairs]
    twins = {(i, i) for i in range(len(pairs))} | near(passages)
    first = [min(p for j, p in enumerate(passages) if {(i, j), (j, i)} & twins) for i in range(len(pairs))]
    return _assemble(pairs, near, *rest, at=lambda row, group, pairs, place: place(first[row]))


def _in_order_of_groups(pairs, near, *rest):
    group = _groups(pairs, near)
    return tuple(sorted(rows, key=lambda row: (group[row], row)) for rows in training_set(pairs, near, *rest))


def _so_many_groups(pairs, near, place, leaks, finds, share):
    group = _groups(pairs, near)
    first = {g: min(p for (_, p), h in zip(pairs, group, strict=True) if h == g) for g in group}
    out = sorted(first, key=lambda g: place(first[g]))[: int(share * len(first))]
    return _assemble(pairs, near, place, leaks, finds, 1, at=lambda row, *_: 1 - (group[row] in out))


def _exam_filtered(pairs, near, place, leaks, finds, share):
    train, evaluation = training_set(pairs, near, place, leaks, finds, share)
    passages = [pairs[row][1] for row in evaluation]
    return train, [row for row in evaluation if finds(*pairs[row], passages)]


def _filtered_at_the_start(pairs, near, place, leaks, finds, share):
    passages = [passage for _, passage in pairs]
    rows = [row for row, pair in enumerate(pairs) if finds(*pair, passages)]
    train, evaluation = _assemble([pairs[row] for row in rows], near, place, leaks, finds, share, filters=False)
    return [rows[row] for row in train], [rows[row] for row in evaluation]


def _kind_by_kind(pairs, near, place, leaks, finds, share):
    """Queries are held against queries, passages against passages."""
    _, evaluation = _assemble(pairs, near, place, leaks, finds, share, filters=False)
    exam = [[pairs[row][side] for row in evaluation] for side in (0, 1)]
    rows = [row for row in range(len(pairs)) if row not in evaluation]
    left = [row for row in rows if not any(leaks(pairs[row][side], exam[side]) for side in (0, 1))]
    return [row for row in left if finds(*pairs[row], [pairs[other][1] for other in left])], evaluation


def _draw_raw(rng: random.Random) -> tuple:
    passages, queries = "abcdef"[: rng.randint(4, 6)], "pqrstu"
    pairs = [(rng.choice(queries), rng.choice(passages)) for _ in range(rng.randint(3, 8))]
    asked, told = ([rng.choice(pairs) for _ in range(n)] for n in (rng.choice((0, 1, 2, 4)), rng.choice((1, 2, 4))))
    links = rng.sample(list(combinations(passages, 2)), rng.choice((0, 1, 2, 3)))
    shared = {frozenset((rng.choice(pair), rng.choice(rng.choice(pairs)))) for pair in told}
    return (
        pairs,
        Near(frozenset(map(frozenset, links))),
        Place(tuple((text, rng.choice((0.1, 0.3, 0.6, 0.7, 0.9))) for text in (*passages, *queries))),
        Leaks(frozenset(shared)),
        Finds(tuple(sorted({(query, rng.choice(pairs)[1]) for query, _ in asked}))),
        rng.choice((0.0, 0.3, 0.5, 0.5, 0.5, 0.6, 0.8)),
    )


def _torn(*args: Any) -> bool:
    """Whether a split pair by pair would part near-duplicates."""
    _, near, place, _, _, share = args
    pairs = args[0]
    return any(
        (place(pairs[i][1]) < share) != (place(pairs[j][1]) < share) for i, j in near([passage for _, passage in pairs])
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple | set) and all(isinstance(row, int | np.integer) for row in value)


def _sides(result: Any, args: tuple) -> dict[str, list[int]]:
    if not isinstance(result, list | tuple) or len(result) != 2 or not all(map(_is_rows, result)):
        raise compare.NotAResult("return two lists of row numbers: those to train on, and those to evaluate on")
    return {name: [int(row) for row in rows] for name, rows in zip(("train", "evaluation"), result, strict=True)}


def _near(*texts: str) -> Near:
    return Near(frozenset(frozenset(text) for text in texts))


def _leaks(*texts: str) -> Leaks:
    return Leaks(frozenset(frozenset(text) for text in texts))


def _place(**of: float) -> Place:
    return Place(tuple(of.items()))


LETTERS = {"p": 0.9, "q": 0.1, "r": 0.9, "s": 0.1, "t": 0.9}


def _six_pairs() -> tuple:
    """a, b and c are a chain; a speaks for it and goes to evaluation. e leaks q; r is distracted by f."""
    pairs = [("p", "c"), ("q", "a"), ("r", "d"), ("s", "b"), ("t", "e"), ("s", "f")]
    return (
        pairs,
        _near("ab", "bc"),
        _place(a=0.1, b=0.9, c=0.8, d=0.7, e=0.6, f=0.9, **LETTERS),
        _leaks("eq"),
        Finds((("r", "e"),)),
        0.3,
    )  # fmt: skip


def _twins(answer: Answer) -> str | None:
    pairs = [("p", "b"), ("q", "a")]
    train, evaluation = answer(pairs, _near("ab"), _place(a=0.9, b=0.1, **LETTERS), _leaks(), Finds(()), 0.5)
    if list(train) == [0, 1] and not list(evaluation):
        return None
    if list(train) and list(evaluation):
        return "of two near-duplicates one is trained on and one evaluated on"
    return f"two near-duplicates; the first by alphabet has the place 0.9: both are to be trained on, got {list(train)} and {list(evaluation)}"


ASSEMBLE = Exercise(
    id="12.5",
    title="from raw pairs to a training set",
    difficulty="hard",
    minutes=18,
    section="Build it: from raw pairs to a training set",
    signature="list of (str, str), 4 functions, float -> list of int, list of int",
    reference=training_set,
    another=_assembled_by_union,
    draw=_draw_raw,
    observe=_sides,
    loops=True,
    situations=(
        Situation("a split pair by pair would part near-duplicates", _torn),
        Situation(
            "near-duplicates are tied by a chain",
            lambda pairs, near, *rest: any(
                g == h and (i, j) not in near([p for _, p in pairs])
                for (i, g), (j, h) in combinations(enumerate(_groups(pairs, near)), 2)
            ),
        ),
        Situation("nothing goes to evaluation", lambda *args: not training_set(*args)[1]),
        Situation("all goes to evaluation", lambda *args: len(training_set(*args)[1]) == len(args[0])),
        Situation(
            "a pair leaks",
            lambda *args: len(_assemble(*args, filters=False)[0]) < len(args[0]) - len(training_set(*args)[1]),
        ),
        Situation(
            "a query does not find its passage",
            lambda *args: len(_assemble(*args, filters=False)[0]) > len(training_set(*args)[0]),
        ),
        Situation("a query is there twice", lambda pairs, *rest: len({q for q, _ in pairs}) < len(pairs)),
        Situation(
            "a place is the share itself", lambda pairs, near, place, *rest: any(place(p) == rest[-1] for _, p in pairs)
        ),
    ),
    cases=(
        Case("six pairs", _six_pairs, {"train": [2], "evaluation": [0, 1, 3]}),
        Case(
            "two near-duplicates, torn by a split",
            lambda: ([("p", "b"), ("q", "a")], _near("ab"), _place(a=0.6, b=0.2, **LETTERS), _leaks(), Finds(()), 0.5),
            {"train": [0, 1], "evaluation": []},
        ),
        Case(
            "what distracts a query has leaked",
            lambda: (
                [("p", "a"), ("r", "d"), ("t", "e"), ("q", "f")],
                _near(),
                _place(a=0.1, d=0.9, e=0.9, f=0.9, **LETTERS),
                _leaks("ea"),
                Finds((("r", "e"), ("q", "a"))),
                0.3,
            ),
            {"train": [1, 3], "evaluation": [0]},
        ),
        Case(
            "two that distract each other",
            lambda: (
                [("p", "a"), ("r", "d"), ("t", "e")],
                _near(),
                _place(a=0.1, d=0.9, e=0.9, **LETTERS),
                _leaks(),
                Finds((("p", "a"), ("r", "e"), ("t", "d"))),
                0.3,
            ),
        ),
        Case(
            "a query of the exam in training",
            lambda: (
                [("p", "a"), ("p", "d"), ("t", "e"), ("s", "f")],
                _near(),
                _place(a=0.1, d=0.9, e=0.9, f=0.9, **LETTERS),
                _leaks("ep", "sa"),
                Finds(()),
                0.3,
            ),
            {"train": [], "evaluation": [0]},
        ),
        Case(
            "a passage that is there twice",
            lambda: (
                [("p", "a"), ("q", "a"), ("r", "d")],
                _near(),
                _place(a=0.9, d=0.9, **LETTERS),
                _leaks(),
                Finds((), once="q"),
                0.5,
            ),
            {"train": [0, 2], "evaluation": []},
        ),
        Case(
            "a capital comes before every small letter",
            lambda: ([("p", "a"), ("q", "B")], _near("aB"), _place(a=0.9, B=0.2, **LETTERS), _leaks(), Finds(()), 0.5),
            {"train": [], "evaluation": [0, 1]},
        ),
        Case(
            "no pair at all", lambda: ([], _near(), _place(), _leaks(), Finds(()), 0.5), {"train": [], "evaluation": []}
        ),
    ),
    properties=(Property("near-duplicates stand on one side", _twins),),
    mistakes=(
        Mistake(
            "split before grouping",
            _assembling(at=lambda row, group, pairs, place: place(pairs[row][1])),
            "Each pair is split by its own passage, so near-duplicates are torn: one is trained on, its twin is in the exam. No later step mends "
            "that. Group first, then split whole groups.",
        ),
        Mistake(
            "chains are torn",
            _assembling(groups=_relabelled_once),
            "When two groups meet, you give a new number to one text alone, and those tied to it keep the old one. A text that is near to two "
            "others makes one group of all three: all with the old number get the new one.",
        ),
        Mistake(
            "only direct near-duplicates",
            _only_direct,
            "You look only at a text's direct near-duplicates. In a chain the two ends then have different speakers, and can land on different "
            "sides. Make groups of chains.",
        ),
        Mistake(
            "the first row speaks",
            _assembling(at=lambda row, group, pairs, place: place(_members(row, group, pairs)[0][1])),
            "The pair that comes first speaks for its group. Order pairs in another way, and the exam changes. Let content decide: the "
            "passage that is first in the alphabet.",
        ),
        Mistake(
            "the smallest place speaks",
            _assembling(at=lambda row, group, pairs, place: min(place(p) for _, p in _members(row, group, pairs))),
            "You take the smallest place of a group. Of many numbers one is nearly always small, so large groups drift to evaluation. One "
            "passage speaks, and its place is taken as it is.",
        ),
        Mistake(
            "one row of each group",
            _of_groups_one,
            "You keep one row of each group and drop the others. Near-duplicates stay, all of them: the group only sees to it that they stand "
            "on one side.",
        ),
        Mistake(
            "queries are split",
            _assembling(at=lambda row, group, pairs, place: place(min(q for q, _ in _members(row, group, pairs)))),
            "You split by queries. Two queries of one passage then land on different sides, and training sees the exam's answer. Passages decide.",
        ),
        Mistake(
            "in the order of the groups",
            _in_order_of_groups,
            "The right rows, group by group. Both lists ascend.",
        ),
        Mistake(
            "split by row",
            _assembling(at=lambda row, group, pairs, place: row / len(pairs)),
            "You split by the number of the row. Near-duplicates are torn, and with another order of pairs the exam changes. Use `place`.",
        ),
        Mistake(
            "the share itself goes out, too",
            _assembling(out=lambda x, share: x <= share),
            "A place that equals the share goes to evaluation with you. Only what lies below it does.",
        ),
        Mistake(
            "the sides are exchanged",
            lambda *args: training_set(*args)[::-1],
            "Both lists are right, in the other order: training comes first.",
        ),
        Mistake(
            "so many of the groups",
            _so_many_groups,
            "You sort the groups by their place and take a share of them. Then each new pair can move others to the other side. A group's place "
            "is held against `share` by itself.",
        ),
        Mistake(
            "not decontaminated",
            _assembling(clean=False),
            "Nothing is decontaminated. Near-duplicates stay on one side, but a shared query, or a run of words, still leaks.",
        ),
        Mistake(
            "only queries are looked at",
            _assembling(looked_at=lambda pair: pair[:1]),
            "You look only at the training queries. A passage that holds what the exam asks leaks as well.",
        ),
        Mistake(
            "only passages are looked at",
            _assembling(looked_at=lambda pair: pair[1:]),
            "You look only at the training passages. A query that the exam asks, too, leaks as well.",
        ),
        Mistake(
            "the exam's passages alone",
            _assembling(exam_of=lambda pair: pair[1:]),
            "You hold training against the exam's passages alone. Its queries leak, too.",
        ),
        Mistake(
            "queries against queries, passages against passages",
            _kind_by_kind,
            "You compare queries with queries and passages with passages. A passage that quotes the exam's question leaks, too: hold both against "
            "both.",
        ),
        Mistake(
            "both texts must leak",
            _assembling(some=all),
            "You drop a pair only where both its texts leak. One is enough.",
        ),
        Mistake(
            "the exam is cleaned",
            _exam_cleaned,
            "You drop evaluation pairs that leak and keep the training ones. An exam that changes with the training data compares nothing.",
        ),
        Mistake(
            "no filter",
            _assembling(filters=False),
            "Nothing is filtered: `finds` never decides.",
        ),
        Mistake(
            "the filter sees all passages",
            _assembling(among=lambda left, train, evaluation: [*left, *evaluation, *train]),
            "A query has to find its passage among all passages, those of evaluation and those that leaked as well. Then the exam decides what is "
            "trained on. Among those that are left.",
        ),
        Mistake(
            "filtered before it is decontaminated",
            _assembling(among=lambda left, train, evaluation: [*train]),
            "You filter before you decontaminate, or among passages that have gone. A passage that leaks has then cost others their place. "
            "What leaks goes first, and only what is left is searched.",
        ),
        Mistake(
            "filtered before anything else",
            _filtered_at_the_start,
            "You filter all pairs before they are grouped and split. Then the exam holds only what a first model finds already, and looks easier "
            "than it is. Filter training, at the end.",
        ),
        Mistake(
            "the exam is filtered, too",
            _exam_filtered,
            "You filter the evaluation as well. Then the exam holds only what a first model finds already, and looks easier than it is.",
        ),
        Mistake(
            "the list shrinks on the way",
            _assembling(by_turns=True),
            "Passages of pairs that were just dropped are missing for the pairs behind them, so the order of pairs decides. Take the list of "
            "passages once, before the filter.",
        ),
    ),
    hints=(
        "Four steps, and each works with what the one before has left. Which lists of rows are there after each?",
        "Groups: a list with a number for each row, at first its own. For each two near-duplicates all rows with the one number get the other. "
        "The passage that speaks is the `min` of its group's.",
        "One list with all texts of the exam, for `leaks`; `any` over a pair's two texts. Then one list with the passages that are left, for "
        "`finds`, made before the filter begins.",
    ),
)

# --- 12.6 clicks and positions ---------------------------------------------------------------

Log = Sequence[tuple[str, int, str, int]]
Shown = list[
    tuple[int, float, int]
]  # of one passage: whether it was clicked, how likely it was looked at, its position


def corrected_clicks(log: Log, looked: Sequence[float]) -> dict[str, dict[str, float]]:
    """Click rates with the position's share taken out: rows, list of float -> query -> passage -> rate."""
    return _rates(_corrected)(log, looked)


def _corrected(shown: Shown) -> float:
    return sum(clicked / chance for clicked, chance, _ in shown) / len(shown)


def _rates(
    rate: Callable[[Shown], float], at: Callable[[Sequence[float], int], float] = lambda looked, p: looked[p - 1]
) -> Answer:
    """Each passage of each query has a rate, worked out of the times that it was shown."""

    def rates(log, looked):
        shown: dict[str, dict[str, Shown]] = {}
        for query, position, passage, clicked in log:
            shown.setdefault(query, {}).setdefault(passage, []).append((clicked, at(looked, position), position))
        return {query: {passage: rate(times) for passage, times in each.items()} for query, each in shown.items()}

    return rates


def _corrected_in_two_passes(log, looked):
    count: dict[tuple[str, str], int] = {}
    total: dict[tuple[str, str], float] = {}
    for row in log:
        key = (row[0], row[2])
        count[key] = count.get(key, 0) + 1
        total[key] = total.get(key, 0.0) + (1 / looked[row[1] - 1] if row[3] else 0.0)
    found: dict[str, dict[str, float]] = {}
    for query, passage in count:
        found.setdefault(query, {})[passage] = total[query, passage] / count[query, passage]
    return found


def _pooled(log, looked):
    """A passage has one rate, whatever was asked."""
    pooled = corrected_clicks([("", position, passage, clicked) for _, position, passage, clicked in log], looked)
    return {query: {passage: pooled[""][passage] for q, _, passage, _ in log if q == query} for query, *_ in log}


def _over(total: Callable[[Shown], float], count: Callable[[Log, str, str], int]) -> Answer:
    """The sum of one passage, divided by a count of other rows."""

    def rates(log, looked):
        summed = _rates(total)(log, looked)
        return {
            query: {passage: value / max(1, count(log, query, passage)) for passage, value in each.items()}
            for query, each in summed.items()
        }

    return rates


def _sum(shown: Shown) -> float:
    return sum(clicked / chance for clicked, chance, _ in shown)


def _without_zero(log, looked):
    found = corrected_clicks(log, looked)
    return {q: kept for q, each in found.items() if (kept := {p: v for p, v in each.items() if v})}


def _mean_chance(shown: Shown) -> float:
    return sum(chance for _, chance, _ in shown) / len(shown)


def _mean_of_positions(shown: Shown) -> float:
    by_chance: dict[float, list[float]] = {}
    for clicked, chance, _ in shown:
        by_chance.setdefault(chance, []).append(clicked / chance)
    return float(np.mean([np.mean(values) for values in by_chance.values()]))


def _in_one_dict(log, looked):
    together = _rates(_corrected)([("", *row[1:]) for row in log], looked).get("", {})
    return {row[0]: together for row in log}


def _clicks(shown: Shown) -> int:
    return sum(clicked for clicked, _, _ in shown)


def _draw_log(rng: random.Random) -> tuple[list[tuple[str, int, str, int]], list[float]]:
    looked = rng.choice(([1.0, 0.5], [1.0, 0.5, 0.25], [0.8, 0.4, 0.2], [0.9, 0.6, 0.3, 0.1]))
    queries, passages = ["q1", "q2"][: rng.choice((1, 2, 2))], rng.sample(["a", "b", "c"], rng.choice((2, 2, 3)))
    rate = rng.choice((0.0, 0.5, 0.5, 0.5, 0.8))
    log = [
        (rng.choice(queries), rng.randint(1, len(looked)), rng.choice(passages), int(rng.random() < rate))
        for _ in range(rng.randint(1, 9))
    ]
    return log, looked


def _by_query_and_passage(log: Log) -> dict[tuple[str, str], list[tuple[int, int]]]:
    rows: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for query, position, passage, clicked in log:
        rows.setdefault((query, passage), []).append((position, clicked))
    return rows


def _two_passages() -> tuple[list[tuple[str, int, str, int]], list[float]]:
    """a: two of three clicks, at the top; b: one of two, at position 3."""
    log = [("q", 1, "a", 1), ("q", 3, "b", 1), ("q", 1, "a", 0), ("q", 3, "b", 0), ("q", 1, "a", 1)]
    return log, [1.0, 0.5, 0.25]


CLICKS = Exercise(
    id="12.6",
    title="clicks and positions",
    difficulty="medium",
    minutes=9,
    section="Further: clicks",
    signature="list of (str, int, str, int), list of float -> dict of dicts of float",
    reference=corrected_clicks,
    another=_corrected_in_two_passes,
    draw=_draw_log,
    loops=True,
    situations=(
        Situation("there is more than one query", lambda log, looked: len({row[0] for row in log}) > 1),
        Situation(
            "a passage was shown for two queries",
            lambda log, looked: len({(r[0], r[2]) for r in log}) > len({r[2] for r in log}),
        ),
        Situation("a click happened below the first position", lambda log, looked: any(r[3] and r[1] > 1 for r in log)),
        Situation("nobody clicked", lambda log, looked: not any(row[3] for row in log)),
        Situation(
            "a passage was shown at several positions",
            lambda log, looked: any(len({p for p, _ in rows}) > 1 for rows in _by_query_and_passage(log).values()),
        ),
        Situation(
            "a passage was shown more than once, and not always clicked",
            lambda log, looked: any(len({c for _, c in rows}) > 1 for rows in _by_query_and_passage(log).values()),
        ),
        Situation(
            "a passage was never clicked",
            lambda log, looked: any(not any(c for _, c in rows) for rows in _by_query_and_passage(log).values()),
        ),
        Situation("the first position is not always looked at", lambda log, looked: looked[0] < 1),
        Situation(
            "a rate is above 1",
            lambda log, looked: any(v > 1 for each in corrected_clicks(log, looked).values() for v in each.values()),
        ),
        Situation("somebody was shown the last position", lambda log, looked: any(r[1] == len(looked) for r in log)),
    ),
    cases=(
        Case("two passages", _two_passages, {"q": {"a": 2 / 3, "b": 2.0}}),
        Case(
            "two queries, one passage",
            lambda: ([("p", 2, "a", 1), ("q", 1, "a", 0), ("p", 1, "a", 1), ("p", 2, "a", 0)], [0.8, 0.4]),
            {"p": {"a": 1.25}, "q": {"a": 0.0}},
        ),
        Case("nobody clicked", lambda: ([("q", 1, "a", 0), ("q", 2, "b", 0)], [1.0, 0.5]), {"q": {"a": 0.0, "b": 0.0}}),
        Case(
            "at several positions",
            lambda: ([("q", 3, "c", 1), ("q", 1, "c", 1), ("q", 2, "c", 0), ("q", 2, "a", 1)], [0.9, 0.6, 0.3]),
        ),
        Case("hardly anybody looks there", lambda: ([("q", 2, "a", 1)], [1.0, 0.01]), {"q": {"a": 100.0}}),
        Case("an empty log", lambda: ([], [1.0, 0.5]), {}),
    ),
    mistakes=(
        Mistake(
            "raw click rate",
            _rates(lambda shown: _clicks(shown) / len(shown)),
            "This is the raw click rate: the positions never count. What stands at the top is clicked because it stands there. A click "
            "counts 1 over the chance that its position was looked at.",
        ),
        Mistake(
            "multiplied instead of divided",
            _rates(lambda shown: sum(clicked * chance for clicked, chance, _ in shown) / len(shown)),
            "You multiply a click by the chance that its position was looked at: what stands low counts even less than it does already. "
            "Divide.",
        ),
        Mistake(
            "the chance squared",
            _rates(lambda shown: sum(clicked / chance**2 for clicked, chance, _ in shown) / len(shown)),
            "You divide by the chance twice. Once takes the position's share out; twice favours what stood low.",
        ),
        Mistake(
            "positions counted from 0",
            _rates(_corrected, at=lambda looked, position: looked[position]),
            "You read `looked` at the position's own number: position 1 gets the chance of position 2, and the last one none at all. Positions "
            "begin at 1, lists at 0.",
        ),
        Mistake(
            "the sum, not divided",
            _rates(_sum),
            "You add up and do not divide. Then what was shown more often wins. Divide by how often it was shown.",
        ),
        Mistake(
            "divided by the clicks",
            _rates(lambda shown: _sum(shown) / max(1, _clicks(shown))),
            "You divide by the number of clicks. Then only what was clicked counts, and a passage that was passed over nine times of ten looks "
            "as good as one that never was. Divide by how often it was shown.",
        ),
        Mistake(
            "the largest",
            _rates(lambda shown: max(clicked / chance for clicked, chance, _ in shown)),
            "You keep the most that a single row counts. One click then outweighs all the times that it was passed over: take the mean.",
        ),
        Mistake(
            "half of the old, half of the new",
            _rates(lambda shown: reduce(lambda rate, time: (rate + time[0] / time[1]) / 2, shown, 0.0)),
            "You halve the sum at each row. Then the last row counts half, and the first hardly anything. Add up, and divide once at the end.",
        ),
        Mistake(
            "older and newer half and half",
            _rates(lambda shown: reduce(lambda rate, new: (rate + new) / 2, [row[0] / row[1] for row in shown])),
            "You take the mean of what was there and what is new, row by row. Then the last row counts half, and the first hardly anything. "
            "Add up, and divide once at the end.",
        ),
        Mistake(
            "the last row alone",
            _rates(lambda shown: shown[-1][0] / shown[-1][1]),
            "The last row of a passage replaces those before it: a dict keeps what was written last. Collect the rows, then take the mean.",
        ),
        Mistake(
            "a mean of means",
            _rates(_mean_of_positions),
            "You take a mean for each position, and then the mean of these, however many rows a position has. Each row counts once.",
        ),
        Mistake(
            "one dict for all queries",
            _in_one_dict,
            "All queries have one inner dict: what is written for one is there for all, as `dict.fromkeys(queries, {})` makes it. Give each "
            "query a dict of its own.",
        ),
        Mistake(
            "a chance has a floor",
            _rates(lambda shown: sum(c / max(chance, 0.05) for c, chance, _ in shown) / len(shown)),
            "You keep the chance from falling below .05, as `corrected_rates` of the package does. That tames a lucky click far down, and is "
            "no longer right on average; asked for is the division by the chance itself.",
        ),
        Mistake(
            "clicks over looks",
            _rates(lambda shown: _clicks(shown) / (len(shown) * _mean_chance(shown))),
            "You divide the clicks by the expected number of looks. That is an estimator, too, a steadier one, and it never wanders "
            "so far above 1. Asked for is the mean of each click divided by its own chance: they differ where a passage was shown at "
            "several positions.",
        ),
        Mistake(
            "divided by the weights",
            _rates(lambda shown: _sum(shown) / sum(1 / chance for _, chance, _ in shown)),
            "You divide by the sum of the weights, clicked or not. That is the self-normalized form, in which no rate is above 1; a "
            "passage that always stood at one position gets its raw rate back. Divide by how often it was shown.",
        ),
        Mistake(
            "all queries together",
            _pooled,
            "You count a passage over all queries together. It may answer one and not the other: its rate belongs to the query.",
        ),
        Mistake(
            "divided by all rows of the query",
            _over(_sum, lambda log, query, passage: sum(row[0] == query for row in log)),
            "You divide by all rows of the query. A passage is judged by the times that it was shown itself.",
        ),
        Mistake(
            "cut off at 1",
            _rates(lambda shown: min(1.0, _corrected(shown))),
            "You cut the rate off at 1. A corrected rate may be above it: a click far down stands for all those who would have clicked had "
            "they looked. Cut off, the mean is no longer right.",
        ),
        Mistake(
            "only clicked passages",
            _without_zero,
            "Passages that nobody clicked are missing. They were shown: their rate is 0, which is something else than not known.",
        ),
    ),
    hints=(
        "A click at a position that is looked at half of the time stands for two people who would have clicked. What stands for a row without a click?",
        "For each query and passage two numbers: how often it was shown, and the sum of what its clicks count.",
        "Position 1 is entry 0 of `looked`. Rows without a click add 0 to the sum and 1 to the count.",
    ),
)


# --- 12.7 two rankings from one log ----------------------------------------------------------

GIVEN = [1.0, 0.5, 0.25]  # how likely positions 1, 2 and 3 are looked at


def smallest_log() -> list[tuple[str, int, str, int]]:
    """a is clicked whenever it is shown, at the top; b half of the times, at the bottom."""
    return [("q", 1, "a", 1), ("q", 3, "b", 1), ("q", 3, "b", 0)]


def _raw(log: Any) -> dict[str, float]:
    return _rates(lambda shown: _clicks(shown) / len(shown))(log, GIVEN)["q"]


def _true(log: Any) -> dict[str, float]:
    return corrected_clicks(log, GIVEN)["q"]


def _best(rates: dict[str, float]) -> str:
    return max(rates, key=lambda passage: rates[passage])


def _tied(rates: dict[str, float]) -> bool:
    return abs(rates["a"] - rates["b"]) < 1e-9


def _not_a_log(log: Any) -> str | None:
    if not isinstance(log, list | tuple) or not all(isinstance(row, list | tuple) and len(row) == 4 for row in log):
        return "a log is a list of rows of four: query, position, passage, clicked"
    for query, position, passage, clicked in log:
        if query != "q" or passage not in ("a", "b"):
            return f'a row is (query, position, passage, clicked), with the query "q" and the passage "a" or "b"; got {(query, position, passage, clicked)!r}'
        if compare.kind(position) != "number" or position not in (1, 2, 3):
            return f"a position is 1, 2 or 3, got {position!r}"
        if clicked not in (0, 1):
            return f"clicked is 0 or 1, got {clicked!r}"
    if {row[2] for row in log} != {"a", "b"}:
        return "both passages must have been shown"
    for name, rates in (("raw", _raw(log)), ("corrected", _true(log))):
        if _tied(rates):
            return f"the {name} rates of a and b are equal, so neither is preferred"
    return None


def _positions(log: Any) -> set[int]:
    return {row[1] for row in log}


def _below(log: Any) -> bool:
    """Whether the passage with the higher raw rate stood further down, on the whole."""
    mean = {p: np.mean([row[1] for row in log if row[2] == p]) for p in "ab"}
    best = _best(_raw(log))
    return bool(mean[best] > mean["b" if best == "a" else "a"])


REVERSED = Reversed(
    id="12.7",
    title="two rankings from one log",
    difficulty="medium",
    minutes=7,
    section="Further: clicks",
    signature="() -> list of (str, int, str, int)",
    reference=smallest_log,
    another=lambda: [["q", 3, "a", 0], ["q", 1, "b", 1], ["q", 3, "a", 1]],
    right=lambda log: _best(_true(log)),
    wrong=lambda log: _best(_raw(log)),
    valid=_not_a_log,
    smallest=3,
    measure=lambda log: len(log),
    cases=(Case("nothing is passed in", lambda: (), smallest_log()),),
    mistakes=(
        Mistake(
            "one passage alone",
            lambda: [("q", 1, "a", 1), ("q", 3, "a", 1)],
            "One passage alone cannot be preferred to anything. Show both.",
            when=lambda log: len({row[2] for row in log}) == 1,
        ),
        Mistake(
            "nobody clicked",
            lambda: [("q", 1, "a", 0), ("q", 3, "b", 0)],
            "Nobody clicked. Zero divided by any chance is zero: a correction can make a click count more, and cannot make one.",
            when=lambda log: bool(log) and not any(row[3] for row in log),
        ),
        Mistake(
            "raw, they are equal",
            lambda: [("q", 1, "a", 1), ("q", 3, "b", 1)],
            "The raw rates are equal, so raw clicks prefer neither. The one at the top must be ahead by raw clicks: let the other one be "
            "passed over at times.",
            when=lambda log: _tied(_raw(log)),
        ),
        Mistake(
            "corrected, they are equal",
            lambda: [("q", 1, "a", 1), ("q", 2, "b", 1), ("q", 2, "b", 0)],
            "The corrected rates are equal: what the lower place makes up for is just what it has lost in clicks. Move it further down.",
            when=lambda log: _tied(_true(log)),
        ),
        Mistake(
            "all at one position",
            lambda: [("q", 1, "a", 1), ("q", 1, "b", 1), ("q", 1, "b", 0)],
            "Both passages always stood at the same position. Then both rates are divided by the same number, and the order stays.",
            when=lambda log: len(_positions(log)) == 1,
        ),
        Mistake(
            "the lower one was never clicked",
            lambda: [("q", 1, "a", 1), ("q", 3, "b", 0)],
            "One passage was never clicked, and no correction lifts it above 0. It needs a click, far down.",
            when=lambda log: min(_raw(log).values()) == 0,
        ),
        Mistake(
            "the better one stands lower already",
            lambda: [("q", 3, "a", 1), ("q", 1, "b", 1), ("q", 1, "b", 0)],
            "The passage that is ahead by raw clicks also stood lower. Correction then puts it further ahead. It must have stood at the top.",
            when=lambda log: _best(_raw(log)) == _best(_true(log)) and _below(log),
        ),
        Mistake(
            "not far enough down",
            lambda: [("q", 2, "a", 1), ("q", 3, "b", 1), ("q", 3, "b", 0), ("q", 3, "b", 0)],
            "The right idea: the lower one has fewer clicks, which count more. But it does not overtake yet. Let it stand further down than "
            "the other one, or lose fewer clicks.",
            when=lambda log: _best(_raw(log)) == _best(_true(log)),
        ),
        Mistake(
            "more rows than it takes",
            lambda: [("q", 1, "a", 1), ("q", 1, "a", 1), ("q", 3, "b", 1), ("q", 3, "b", 0)],
            "It works, and the log is longer than it must be. How often must the one at the top have been shown? And how often the other, so "
            "that it has a click and is still behind?",
            when=lambda log: len(log) > 3,
        ),
    ),
    hints=(
        "Raw clicks must prefer the passage that stood at the top. By how little can it be ahead?",
        "A rate of 1 for the one at the top takes one row. Between 0 and 1 for the other one takes two.",
        "A click at position 3 counts 4. Shared between two rows, is that more than what the other one has?",
    ),
)


EXERCISES = (CONSISTENT, SIGNATURE, BANDS, LEAKED, ASSEMBLE, CLICKS, REVERSED)
