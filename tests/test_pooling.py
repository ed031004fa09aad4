"""Pooling: by hand, on any padding, on any batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbook.pooling import (
    POOLINGS as NAMED,
)
from workbook.pooling import (
    AttentionPool,
    ConcatenatedPool,
    attention_pool,
    attention_pool_weights,
    cls_pool,
    last_token_pool,
    max_pool,
    mean_pool,
    mean_sqrt_len_pool,
    names_of_pooling,
    pooling_from_names,
    weighted_mean_pool,
)

POOLINGS = {
    "cls": cls_pool,
    "mean": mean_pool,
    "max": max_pool,
    "last_token": last_token_pool,
    "weighted_mean": weighted_mean_pool,
    "mean_sqrt_len": mean_sqrt_len_pool,
    "concatenated": ConcatenatedPool(cls_pool, mean_pool),
}

HIDDEN = torch.tensor([[[1.0, 10.0], [3.0, -10.0], [99.0, 99.0]]])
MASK = torch.tensor([[1, 1, 0]])


def learned_pool(hidden, mask):
    query = torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(0))
    return attention_pool(hidden, mask, query)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cls", [1.0, 10.0]),
        ("mean", [2.0, 0.0]),
        ("max", [3.0, 10.0]),
        ("last_token", [3.0, -10.0]),
        ("weighted_mean", [(1 + 2 * 3) / 3, (10 - 20) / 3]),
        ("mean_sqrt_len", [(1 + 3) / 2**0.5, 0.0]),
        ("concatenated", [1.0, 10.0, 2.0, 0.0]),
    ],
)
def test_by_hand(name, expected):
    assert torch.allclose(POOLINGS[name](HIDDEN, MASK), torch.tensor([expected]))


def test_attention_pool_by_hand():
    query = torch.tensor([1.0, 0.0])
    weight = torch.tensor([1.0, 3.0]).softmax(0)
    assert torch.allclose(attention_pool_weights(HIDDEN, MASK, query), torch.cat([weight, torch.zeros(1)])[None])
    assert torch.allclose(attention_pool(HIDDEN, MASK, query), (weight[:, None] * HIDDEN[0, :2]).sum(0)[None])


def test_attention_pool_refuses_a_query_of_another_size():
    with pytest.raises(ValueError, match=r"query must be \(D,\) = \(2,\) to match hidden, got \(3,\)"):
        attention_pool(HIDDEN, MASK, torch.zeros(3))


def test_an_untrained_attention_pool_is_the_mean():
    hidden, mask = torch.randn(4, 7, 5), torch.ones(4, 7)
    mask[1, 3:] = 0
    assert torch.allclose(AttentionPool(5)(hidden, mask), mean_pool(hidden, mask), atol=1e-6)


@st.composite
def texts(draw):
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    seed = draw(st.integers(0, 2**31 - 1))
    return lengths, torch.Generator().manual_seed(seed)


def pad(rows, T, side, filler):
    hidden = torch.full((len(rows), T, rows[0].shape[1]), filler, dtype=rows[0].dtype)
    mask = torch.zeros(len(rows), T, dtype=torch.long)
    for i, row in enumerate(rows):
        where = slice(0, len(row)) if side == "right" else slice(T - len(row), T)
        hidden[i, where], mask[i, where] = row, 1
    return hidden, mask


@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
@given(texts(), st.integers(0, 6), st.sampled_from([0.0, 1e30, float("nan"), float("inf")]))
def test_right_padding_and_batch_mates_change_nothing(name, texts, extra, filler):
    lengths, generator = texts
    pool = POOLINGS.get(name, learned_pool)
    rows = [torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in lengths]
    together = pool(*pad(rows, max(lengths) + extra, "right", filler))
    alone = torch.cat([pool(row[None], torch.ones(1, len(row))) for row in rows])
    assert torch.allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
@given(texts(), st.integers(0, 6))
def test_left_padding_gives_what_right_padding_gives(name, texts, extra):
    lengths, generator = texts
    pool = POOLINGS.get(name, learned_pool)
    rows = [torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in lengths]
    left = pool(*pad(rows, max(lengths) + extra, "left", 7.0))
    right = pool(*pad(rows, max(lengths) + extra, "right", 7.0))
    assert torch.allclose(left, right, atol=1e-12)


@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
def test_a_row_of_padding_is_zero_and_its_gradient_finite(name):
    hidden = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    pooled = POOLINGS.get(name, learned_pool)(hidden, mask)
    assert torch.equal(pooled[1], torch.zeros_like(pooled[1]))
    pooled.sum().backward()
    assert hidden.grad.isfinite().all()
    assert hidden.grad[0].abs().sum() > 0


@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
@pytest.mark.parametrize("kind", [torch.bool, torch.long, torch.float32])
def test_masks_of_any_type_and_halves(name, kind):
    pool = POOLINGS.get(name, learned_pool)
    assert pool(HIDDEN.bfloat16(), MASK.to(kind)).dtype == torch.bfloat16
    assert torch.equal(pool(HIDDEN, MASK.to(kind)), pool(HIDDEN, MASK))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
def test_halves_are_summed_in_float32(name, dtype):
    """What a half cannot hold on the way: 81,920 in float16, the sum of the token numbers, the number 362 in bfloat16."""
    pool = POOLINGS.get(name, learned_pool)
    for T, value in ((4096, 20.0), (362, 1.0), (2, 60_000.0)):
        hidden = torch.full((1, T, 3), value, dtype=dtype)
        assert torch.equal(pool(hidden, torch.ones(1, T)), pool(hidden.double(), torch.ones(1, T)).to(dtype))
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 400, 8, generator=generator).to(dtype)
    mask = torch.arange(400)[None] < torch.tensor([[400], [300], [7]])
    outcomes = []
    for x in (hidden.requires_grad_(), hidden.detach().float().requires_grad_()):
        pooled = pool(x, mask)
        outcomes.append((pooled.detach().to(dtype), torch.autograd.grad(pooled.sum(), x)[0].to(dtype)))
    torch.testing.assert_close(*outcomes)
    with torch.autocast("cpu", torch.bfloat16):  # which would take the product over tokens in bfloat16
        again = pool(hidden.detach().float(), mask)
    torch.testing.assert_close(again, pool(hidden.detach().float(), mask), atol=0, rtol=0)


def test_attention_weights_of_halves_sum_to_one():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 500, 4, generator=generator).bfloat16()
    weights = attention_pool_weights(hidden, torch.ones(2, 500), torch.ones(4).bfloat16())
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert AttentionPool(4)(hidden, torch.ones(2, 500)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", [*POOLINGS, "attention"])
@pytest.mark.parametrize(
    ("hidden", "mask", "message"),
    [
        (torch.zeros(8, 32, 4), torch.ones(8, 31), r"mask must be \(B, T\) = \(8, 32\) to match hidden, got \(8, 31\)"),
        (torch.zeros(8, 32), torch.ones(8, 32), r"hidden must be \(B, T, D\), got \(8, 32\)"),
        (torch.zeros(2, 0, 4), torch.ones(2, 0), "at least one position"),
    ],
)
def test_shapes_that_do_not_fit_are_named(name, hidden, mask, message):
    with pytest.raises(ValueError, match=message):
        POOLINGS.get(name, learned_pool)(hidden, mask)


def test_names_and_poolings_find_one_another():
    for names in [["mean"], ["cls", "max"], ["max", "cls", "mean"], *([name] for name in NAMED)]:
        assert names_of_pooling(pooling_from_names(names)) == names
    assert pooling_from_names("mean") is mean_pool
    for other in (AttentionPool(4), learned_pool, ConcatenatedPool(mean_pool, AttentionPool(4))):
        assert names_of_pooling(other) == []
    for wrong, said in (("average", "average"), (["mean", "sum"], "sum"), ([], "none")):
        with pytest.raises(ValueError, match=f"must be of cls, max, mean, .*, got {said}"):
            pooling_from_names(wrong)


def test_what_is_learned_in_a_part_is_learned_in_the_whole():
    assert len(list(ConcatenatedPool(mean_pool, AttentionPool(4)).parameters())) == 1
