"""The fast functions of late interaction give what their plain twins give."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.late_interaction.test_plaid import built, questions
from workbook.late_interaction import (
    compress_one,
    decompress_one,
    maxsim,
    maxsim_one,
    maxsim_padded,
    plaid_one,
    segment_max,
)

LENGTHS = torch.tensor([3, 1, 7, 2])
DOORS = {"nprobe": 2, "centroid_score_threshold": 0.2, "ndocs": 60}


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ragged(seed: int) -> tuple[Tensor, Tensor]:
    return draw(seed, 3, 5, 8), draw(seed + 100, int(LENGTHS.sum()), 8)


def every_pair(query: Tensor, passages: Any) -> Tensor:
    return torch.stack([torch.stack([maxsim_one(q, p) for p in passages]) for q in query])


def padded_plain(query: Tensor, passages: Tensor, mask: Tensor) -> Tensor:
    return every_pair(query, [passage[is_token] for passage, is_token in zip(passages, mask, strict=True)])


def segment_max_plain(values: Tensor) -> Tensor:
    return torch.stack([segment.max(dim=1).values for segment in values.split(LENGTHS.tolist(), dim=1)], dim=1)


def compressed(seed: int) -> tuple[Any, ...]:
    index, passages, _ = built(N=20, num_centroids=8, seed=seed)
    return index.codec, passages


def recovered(codec: Any, x: Tensor) -> Tensor:
    return codec.decompress(*codec.compress(x))


def recovered_plain(codec: Any, x: Tensor) -> Tensor:
    pieces = [compress_one(row, codec.centroids, codec.bucket_cutoffs) for row in x]
    return torch.stack([decompress_one(*piece, codec.centroids, codec.bucket_weights) for piece in pieces])


def plaid_inputs(seed: int) -> tuple[Any, ...]:
    index, passages, lengths = built(N=150, num_centroids=64, seed=seed)
    return index.build(), questions(seed, passages, lengths, Q=4)[0]


def plaid(index: Any, queries: Tensor) -> Tensor:
    return index.search(queries, k=5, **DOORS)[0].sort(dim=1).values


def plaid_plain(index: Any, queries: Tensor) -> Tensor:
    lengths = index.lengths.tolist()
    pieces = list(zip(index.codes.split(lengths), index.residuals.split(lengths), strict=True))
    return torch.tensor([sorted(plaid_one(query, index.codec, pieces, 5, **DOORS).values()) for query in queries])


# name, fast, plain, make_inputs(seed)
PLAIN: list[tuple[str, Callable[..., Any], Callable[..., Any], Callable[[int], tuple[Any, ...]]]] = [
    ("maxsim", lambda q, p: maxsim(q, p, LENGTHS), lambda q, p: every_pair(q, p.split(LENGTHS.tolist())), ragged),
    ("maxsim_padded", maxsim_padded, padded_plain,
     lambda seed: (draw(seed, 3, 5, 8), draw(seed, 4, 7, 8), torch.arange(7) < LENGTHS[:, None])),
    ("segment_max", lambda values: segment_max(values, LENGTHS), segment_max_plain, lambda seed: (draw(seed, 4, 13),)),
    ("ResidualCodec", recovered, recovered_plain, compressed),
    ("PlaidIndex.search", plaid, plaid_plain, plaid_inputs),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("fast", "plain", "make_inputs"), [row[1:] for row in PLAIN], ids=[row[0] for row in PLAIN])
def test_the_fast_version_gives_what_the_plain_one_gives(fast, plain, make_inputs, seed):
    inputs = make_inputs(seed)
    torch.testing.assert_close(fast(*inputs), plain(*inputs), rtol=1e-5, atol=1e-6)
