"""GradCache: the gradient of the whole batch from pieces, in bounded memory."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.test_fit import PAIRS, static, transformer, weights
from workbook.losses import info_nce, margin_mse, matryoshka_loss
from workbook.train import fit
from workbook.train.gradcache import full_batch_step, gradcache_step, peak_saved_bytes

SYMMETRIC = functools.partial(
    info_nce, temperature=0.1, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
)


def gradient(model):
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def tokenized(encoder, B, sides=2):
    return [
        encoder.tokenize([PAIRS[row][side % 2] for row in range(side // 2, B + side // 2)]) for side in range(sides)
    ]


def with_negatives(loss, **options):
    """A loss of a query, a positive and negatives that come as columns (B, D), as they do from the encoder."""
    return lambda query, positive, *negatives: loss(query, positive, torch.stack(negatives, dim=1), **options)


# --- GradCache ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mini_batch_size", [1, 3, 7, 100])
@pytest.mark.parametrize(
    ("loss", "sides"),
    [
        (functools.partial(info_nce, temperature=0.1), 2),
        (SYMMETRIC, 2),
        (with_negatives(info_nce), 4),
        (with_negatives(margin_mse, labels=torch.arange(21.0).reshape(7, 3)), 4),
        (matryoshka_loss(SYMMETRIC, [4, 16], [2.0, 1.0]), 2),
    ],
)
def test_the_gradient_is_that_of_the_whole_batch(loss, sides, mini_batch_size):
    whole, cached = transformer().double(), transformer().double()
    columns = tokenized(whole, 7, sides)
    expected = full_batch_step(whole, columns, loss)
    found = gradcache_step(cached, columns, loss, mini_batch_size)
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(gradient(cached), gradient(whole), atol=1e-12, rtol=0)


def test_in_single_precision_too():
    whole, cached = transformer(num_layers=2), transformer(num_layers=2)
    info_nce(*(whole(*column) for column in tokenized(whole, 40))).backward()
    gradcache_step(cached, tokenized(cached, 40), info_nce, 6)
    error = (gradient(cached) - gradient(whole)).norm() / gradient(whole).norm()
    assert error < 1e-5


@given(st.integers(1, 12), st.integers(1, 15), st.integers(0, 1000))
@settings(max_examples=40)
def test_any_batch_in_any_pieces(B, mini_batch_size, seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 4)).double()
    columns = [(torch.randn(B, 5, dtype=torch.float64),) for _ in range(2)]
    info_nce(*(model(*column) for column in columns)).backward()
    whole = gradient(model)
    model.zero_grad()
    gradcache_step(model, columns, info_nce, mini_batch_size)
    torch.testing.assert_close(gradient(model), whole, atol=1e-11, rtol=0)


def test_gradient_accumulation_is_another_thing():
    """Each piece only knows its own negatives: the mean of its losses is lower, and its gradient points elsewhere."""
    whole, pieces = transformer().double(), transformer().double()
    expected = gradcache_step(whole, tokenized(whole, 12), info_nce, 4)
    columns = tokenized(pieces, 12)
    losses = []
    for start in range(0, 12, 4):
        part = [tuple(x[start : start + 4] for x in column) for column in columns]
        losses.append(info_nce(*(pieces(*column) for column in part)) / 3)
        losses[-1].backward()
    assert sum(losses) < expected - 0.5
    assert (gradient(whole) - gradient(pieces)).norm() > 0.25 * gradient(whole).norm()


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")),
    pytest.param("mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
def test_the_second_pass_repeats_the_dropout_of_the_first(device):
    def loss(query, positive):  # one that draws random numbers too
        return info_nce(query + 0.1 * torch.rand(query.shape, device=device), positive)

    pieced, cached = (transformer(dropout=0.3).to(device).train() for _ in range(2))
    columns = [tuple(x.to(device) for x in column) for column in tokenized(pieced, 9)]
    torch.manual_seed(7)
    expected = loss(
        *(torch.cat([pieced(*(x[start : start + 4] for x in column)) for start in (0, 4, 8)]) for column in columns)
    )
    expected.backward()
    drawn_next = torch.rand(3, device=device)
    torch.manual_seed(7)
    found = gradcache_step(cached, columns, loss, 4)
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient(cached), gradient(pieced), atol=1e-5, rtol=0)
    assert torch.equal(torch.rand(3, device=device), drawn_next)  # as if there had been one pass


def test_it_adds_to_the_gradient_that_is_there():
    model = static().double()
    gradcache_step(model, tokenized(model, 5), info_nce, 2)
    once = gradient(model)
    gradcache_step(model, tokenized(model, 5), info_nce, 2)
    torch.testing.assert_close(gradient(model), 2 * once)


def test_one_encoder_for_each_column_and_a_frozen_one_is_left_alone():
    towers = [static(0).double(), transformer(1).double()]
    towers[0].requires_grad_(False)
    columns = [tower.tokenize([pair[side] for pair in PAIRS[:6]]) for side, tower in enumerate(towers)]
    gradcache_step(towers, columns, info_nce, 4)
    found = gradient(towers[1])
    assert all(p.grad is None for p in towers[0].parameters())
    towers[1].zero_grad()
    info_nce(*(tower(*column) for tower, column in zip(towers, columns, strict=True))).backward()
    torch.testing.assert_close(found, gradient(towers[1]), atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, c: gradcache_step(e, c, info_nce, 0), "mini_batch_size must be at least 1, got 0"),
        (lambda e, c: gradcache_step(e, [c[0], e.tokenize(["a"])], info_nce), r"same number of rows.*got \[1, 4\]"),
        (lambda e, c: gradcache_step(e, [], info_nce), r"at least 1, got \[\] rows"),
        (lambda e, c: gradcache_step(e, [e.tokenize([])] * 2, info_nce), r"at least 1, got \[0\] rows"),
        (lambda e, c: gradcache_step([e], c, info_nce), "each of the 2 columns, got 1"),
        (lambda e, c: gradcache_step(e, c, lambda q, p: q.sum()), "does not use column 1 of 2"),
    ],
)
def test_bad_input_is_named(call, message):
    encoder = static()
    with pytest.raises(ValueError, match=message):
        call(encoder, tokenized(encoder, 4))


# --- memory -------------------------------------------------------------------------------------


def kept(B, mini_batch_size=None):
    """Bytes of activations in a step on B texts of one length, under a loss that keeps nothing itself."""
    encoder = transformer()
    input_ids, mask = encoder.tokenize([PAIRS[0][0]] * B)
    if mini_batch_size is None:
        most = peak_saved_bytes(lambda: encoder(input_ids, mask).sum().backward(), encoder)
    else:
        most = peak_saved_bytes(
            lambda: gradcache_step(encoder, [(input_ids, mask)], torch.sum, mini_batch_size), encoder
        )
    return most - input_ids.nbytes  # which the embedding layer saves, and which are there anyway


def test_memory_does_not_grow_with_the_batch():
    assert kept(64, 8) == kept(256, 8) == kept(8)
    assert kept(256) > 30 * kept(256, 8)


def test_saved_bytes_by_hand():
    x = torch.ones(1000, requires_grad=True)
    model = torch.nn.Linear(1000, 1, bias=False)
    assert peak_saved_bytes(lambda: (x * x).sum(), model) == 4000  # saved twice, and there once
    assert peak_saved_bytes(lambda: x.sin().exp().sum(), model) == 8000  # x, and exp's own result
    assert peak_saved_bytes(lambda: [x.sin().sum().backward() for _ in range(5)], model) == 4000  # one after another
    assert peak_saved_bytes(lambda: model(torch.ones(2, 1000)).sum(), model) == 8000  # the input, not the weight


# --- inside fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [static, transformer])
@pytest.mark.parametrize("sides", [2, 4])
def test_fit_in_pieces_is_the_same_training(make, sides):
    texts = [(*pair, "a red car", "a blue sky")[:sides] for pair in PAIRS]
    whole, pieces = make().double(), make().double()
    first = fit(whole, texts, steps=4, batch_size=30, lr=0.01)
    second = fit(pieces, texts, steps=4, batch_size=30, lr=0.01, mini_batch_size=7)
    assert [r["loss"] for r in first] == pytest.approx([r["loss"] for r in second], abs=1e-9)
    torch.testing.assert_close(weights(whole), weights(pieces), atol=1e-6, rtol=0)


def test_labels_and_dropout_in_pieces():
    def loss(query, positive, labels):
        return info_nce(query, positive, ids=labels)

    ids = torch.arange(len(PAIRS)) // 2
    options = {"steps": 3, "batch_size": 20, "labels": ids, "mini_batch_size": 6}
    first, second = transformer(dropout=0.2), transformer(dropout=0.2)
    assert fit(first, PAIRS, loss, **options) == fit(second, PAIRS, loss, **options)
    assert torch.equal(weights(first), weights(second))


def test_under_bfloat16_in_pieces():
    whole, pieces = (
        fit(transformer(), PAIRS, steps=10, batch_size=24, lr=0.01, dtype=torch.bfloat16, mini_batch_size=size)
        for size in (None, 8)
    )
    assert [r["loss"] for r in whole] == pytest.approx([r["loss"] for r in pieces], abs=0.1)
    assert pieces[-1]["loss"] < 0.8 * pieces[0]["loss"]


def test_a_mini_batch_of_none_is_refused():
    with pytest.raises(ValueError, match="mini_batch_size must be at least 1, got 0"):
        fit(static(), PAIRS, steps=1, mini_batch_size=0)
