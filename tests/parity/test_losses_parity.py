"""Our losses are sentence-transformers' losses, gradients too, in float64."""

import pytest
import torch

from workbook.losses import info_nce, nt_xent, triplet_loss

pytestmark = pytest.mark.parity
SETTINGS = [
    (("query_to_doc",), "joint"),
    (("query_to_doc", "doc_to_query"), "joint"),
    (("query_to_doc", "doc_to_query"), "per_direction"),
    (("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"), "joint"),
]


def embeddings(B, M, D=12):
    generator = torch.Generator().manual_seed(B * 100 + M)
    make = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()  # noqa: E731
    return make(B, D), make(B, D), make(B, M, D) if M else None


@pytest.mark.parametrize(("directions", "partition_mode"), SETTINGS)
@pytest.mark.parametrize("M", [0, 1, 3])
@pytest.mark.parametrize("B", [2, 9])
@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
def test_info_nce(directions, partition_mode, M, B, temperature):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    inputs = [x for x in embeddings(B, M) if x is not None]
    loss = info_nce(*inputs, temperature=temperature, directions=directions, partition_mode=partition_mode)
    gradients = torch.autograd.grad(loss, inputs)

    peer = MultipleNegativesRankingLoss(
        None, scale=1 / temperature, directions=directions, partition_mode=partition_mode
    )
    columns = inputs[:2] + ([inputs[2][:, m] for m in range(M)] if M else [])
    expected = peer.compute_loss_from_embeddings(columns, None)
    expected_gradients = torch.autograd.grad(expected, inputs)
    assert torch.allclose(loss, expected, rtol=0, atol=1e-12)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12 / temperature)


@pytest.mark.parametrize("margin", [0.1, 1.0, 5.0])
def test_triplet_loss(margin):
    from sentence_transformers.sentence_transformer.losses import TripletLoss

    query, positive, negatives = embeddings(7, 1)
    loss = triplet_loss(query, positive, negatives[:, 0], margin)
    expected = TripletLoss(None, triplet_margin=margin).compute_loss_from_embeddings(
        [query, positive, negatives[:, 0]], None
    )
    assert torch.allclose(loss, expected, rtol=0, atol=1e-12)


def test_nt_xent_is_cross_entropy_over_the_other_views():
    a, b, _ = embeddings(5, 0)
    views = torch.nn.functional.normalize(torch.cat([a, b]))
    terms = []
    for i in range(10):
        others = [j for j in range(10) if j != i]
        logits = torch.stack([views[i] @ views[j] for j in others]) / 0.1
        terms.append(torch.nn.functional.cross_entropy(logits, torch.tensor(others.index((i + 5) % 10))))
    assert torch.allclose(nt_xent(a, b, 0.1), torch.stack(terms).mean(), rtol=0, atol=1e-12)
