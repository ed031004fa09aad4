"""The fast functions of mining give what their plain twins give."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from workbook.mining import (
    candidates,
    closest_pairs,
    closest_pairs_plain,
    is_kept,
    keeps_absolute_margin,
    keeps_relative_margin,
    keeps_within,
    mine_hard_negatives,
    negatives_of_one_query,
)

Q, K = 6, 40
BOUNDS = {"absolute_margin": 0.1, "relative_margin": 0.2, "max_score": 0.9, "min_score": -0.6}


def scores(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(Q, K + 1, generator=generator, dtype=torch.float64) * 2 - 1
    return drawn[:, :K], drawn[:, K]


def by_loop(scores: Tensor, positives: Tensor, **settings: float) -> Tensor:
    rows = zip(scores.tolist(), positives.tolist(), strict=True)
    return torch.tensor([[is_kept(score, positive, **settings) for score in row] for row, positive in rows])


def one_filter(name: str, keeps: Callable[..., Tensor]) -> tuple[Any, ...]:
    setting = {name: BOUNDS[name]}
    return name, lambda s, p: keeps(s, p, BOUNDS[name]), lambda s, p: by_loop(s, p, **setting), scores


def retrieved(seed: int) -> tuple[Any, ...]:
    """Queries with one or two positives each, and a run that holds some passages of each."""
    found, _ = scores(seed)
    corpus = {f"p{n}": f"passage {n}" for n in range(K)}
    queries = {f"q{n}": f"query {n}" for n in range(Q)}
    run = {q: dict(zip(corpus, row, strict=True)) for q, row in zip(queries, found.tolist(), strict=True)}
    return queries, corpus, {q: dict.fromkeys(list(corpus)[n : n + 1 + n % 2], 1) for n, q in enumerate(queries)}, run


def numbers(passage_ids: Iterable[str]) -> list[int]:
    return [int(passage_id[1:]) for passage_id in passage_ids]


def mined(queries: Any, corpus: Any, qrels: Any, run: Any) -> dict[str, list[int]]:
    ranks = {"range_min": 1, "range_max": 12, "num_negatives": 4}
    found = mine_hard_negatives(queries, corpus, qrels, run, too_few="keep", **ranks, **BOUNDS)
    return {query: numbers(negatives) for query, negatives in found.negatives.items()}


def mined_plain(queries: Any, corpus: Any, qrels: Any, run: Any) -> dict[str, list[int]]:
    found = candidates(queries, corpus, qrels, run, 12).run()  # the depth is that of the search
    chosen = {}
    for query, positives in qrels.items():
        own = {passage: run[query][passage] for passage in positives}
        chosen[query] = negatives_of_one_query(found[query], own, 4, 1, 12, **BOUNDS)
    return {query: numbers(negatives) for query, negatives in chosen.items() if negatives}


def embeddings(seed: int) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(50, 6, generator=generator, dtype=torch.float64), 80 + seed, 3


def as_rows(pairs: list[tuple[float, int, int]]) -> tuple[Tensor, list[tuple[int, int]]]:
    return torch.tensor([score for score, *_ in pairs]), [(i, j) for _, i, j in pairs]


# name, fast, plain, make_inputs(seed)
PLAIN: list[tuple[Any, ...]] = [
    one_filter("absolute_margin", keeps_absolute_margin),
    one_filter("relative_margin", keeps_relative_margin),
    one_filter("max_score", lambda s, _, bound: keeps_within(s, max_score=bound)),
    one_filter("min_score", lambda s, _, bound: keeps_within(s, min_score=bound)),
    ("mine_hard_negatives", mined, mined_plain, retrieved),
    ("closest_pairs", lambda *a: as_rows(closest_pairs(*a, chunk_size=7)), lambda *a: as_rows(closest_pairs_plain(*a)),
     embeddings),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("fast", "plain", "make_inputs"), [row[1:] for row in PLAIN], ids=[row[0] for row in PLAIN])
def test_the_fast_version_gives_what_the_plain_one_gives(fast, plain, make_inputs, seed):
    inputs = make_inputs(seed)
    torch.testing.assert_close(fast(*inputs), plain(*inputs), rtol=1e-6, atol=1e-9)
