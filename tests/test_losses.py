"""The losses by hand, at the edges, and what must not change them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbook.losses import info_nce, info_nce_gradient, nt_xent, triplet_loss
from workbook.similarity import normalize


def pair(seed, B=5, D=6):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(B, D, generator=generator, dtype=torch.float64) for _ in range(2))


def test_info_nce_by_hand():
    query, positive = torch.eye(2), torch.eye(2)  # own cosine 1, other cosine 0
    assert torch.isclose(info_nce(query, positive, temperature=1.0), torch.tensor(math.log(1 + math.exp(-1))))


def test_a_negative_that_equals_the_positive_costs_log_two():
    query = torch.tensor([[1.0, 0.0]])
    assert torch.isclose(info_nce(query, query, query[:, None, :], temperature=0.05), torch.tensor(math.log(2)))


def test_a_batch_of_one_has_nothing_to_tell_apart():
    query, positive = torch.randn(1, 4), torch.randn(1, 4)
    assert info_nce(query, positive).abs() < 1e-6
    assert nt_xent(query, positive).abs() < 1e-6


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(0.02, 2))
def test_length_and_order_do_not_matter(seed, scale, temperature):
    query, positive = pair(seed)
    loss = info_nce(query, positive, temperature=temperature)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(loss, info_nce(query * scale, positive, temperature=temperature))
    assert torch.allclose(loss, info_nce(query[order], positive[order], temperature=temperature))
    both = ("query_to_doc", "doc_to_query")
    assert torch.allclose(
        info_nce(query, positive, directions=both, partition_mode="per_direction"),
        info_nce(positive, query, directions=both, partition_mode="per_direction"),
    )


@pytest.mark.parametrize("temperature", [1e-4, 1e4])
def test_extreme_temperatures_stay_finite(temperature):
    query, positive = pair(0)
    query.requires_grad_()
    info_nce(query, positive, temperature=temperature).backward()
    assert query.grad.isfinite().all()


def test_negatives_do_change_the_loss():
    query, positive = pair(1)
    negatives = torch.randn(5, 2, 6, dtype=torch.float64)
    assert info_nce(query, positive, negatives) > info_nce(query, positive)


@given(st.integers(0, 1000), st.floats(0.05, 2))
def test_the_gradient_by_hand_is_autograds(seed, temperature):
    query, positive = (normalize(x) for x in pair(seed))
    q = query.clone().requires_grad_()
    (q @ positive.T / temperature).log_softmax(dim=1).diagonal().neg().mean().backward()
    assert torch.allclose(q.grad, info_nce_gradient(query, positive, temperature), atol=1e-12)


def test_gradcheck():
    inputs = [x[:3, :3].clone().requires_grad_() for x in pair(2)]
    negatives = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    directions = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
    assert torch.autograd.gradcheck(
        lambda *x: info_nce(*x, temperature=0.5, directions=directions), [*inputs, negatives]
    )
    assert torch.autograd.gradcheck(lambda *x: nt_xent(*x, temperature=0.5), inputs)


def test_triplet_loss_by_hand_and_its_silence_beyond_the_margin():
    query, near, far = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 0.0]])
    assert torch.isclose(triplet_loss(query, near, far, margin=5.0), torch.tensor(2.0), atol=1e-4)
    query.requires_grad_()
    triplet_loss(query, near, far, margin=1.0).backward()
    assert torch.equal(query.grad, torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: info_nce(torch.ones(2, 3), torch.ones(3, 3)), r"same shape \(B, D\), got \(2, 3\) and \(3, 3\)"),
        (
            lambda: info_nce(torch.ones(2, 3), torch.ones(2, 3), temperature=0),
            r"temperature must be positive.*1 / scale",
        ),
        (
            lambda: info_nce(torch.ones(2, 3), torch.ones(2, 3), temperature=float("nan")),
            "temperature must be positive",
        ),
        (lambda: info_nce(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 3)), r"negatives must be \(B, M, D\)"),
        (lambda: info_nce(torch.ones(2, 3), torch.ones(2, 3), directions=("doc_to_doc",)), "must hold query_to_doc"),
        (lambda: info_nce(torch.ones(2, 3), torch.ones(2, 3), partition_mode="each"), "partition_mode must be"),
        (
            lambda: info_nce(
                torch.ones(2, 3),
                torch.ones(2, 3),
                directions=("query_to_doc", "doc_to_doc"),
                partition_mode="per_direction",
            ),
            "per_direction needs",
        ),
        (lambda: triplet_loss(*[torch.ones(2, 3)] * 3, margin=0), "margin must be positive"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
