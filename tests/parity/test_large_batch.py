"""GradCache is sentence-transformers' cached losses, in float64, gradients of every weight included."""

import functools

import pytest
import torch

from tests.train.test_fit import PAIRS, transformer
from tests.train.test_gradcache import SYMMETRIC, gradient, with_negatives
from workbook.losses import info_nce, matryoshka_loss
from workbook.train.gradcache import gradcache_step

pytestmark = pytest.mark.parity
B = 13


def peer_of(encoder, folder):
    """The same encoder in sentence-transformers, in float64, without dropout."""
    from sentence_transformers import SentenceTransformer

    encoder.save(folder)
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True).double().train()


def peer_gradient(model, name):
    """The gradient under our name for the weight."""
    from workbook.encoder.transformer import bert_name

    weights = dict(model.named_parameters())
    found = next(weights[key] for key in weights if key.endswith("." + bert_name(name)))
    return found.grad


@pytest.mark.parametrize("mini_batch_size", [1, 4, 50])
@pytest.mark.parametrize("case", ["plain", "symmetric", "negatives", "matryoshka"])
def test_cached_losses(case, mini_batch_size, tmp_path):
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss, MatryoshkaLoss

    columns = [list(column) for column in zip(*PAIRS[:B], strict=True)]
    columns += [[PAIRS[row + 5][1] for row in range(B)]] if case == "negatives" else []
    loss = {
        "plain": functools.partial(info_nce, temperature=0.1),
        "symmetric": SYMMETRIC,
        "negatives": with_negatives(info_nce, temperature=0.1),
        "matryoshka": matryoshka_loss(functools.partial(info_nce, temperature=0.1), [16, 4], [1.0, 0.5]),
    }[case]
    ours = transformer(num_layers=2)
    peer = peer_of(ours, tmp_path / "encoder")
    ours.double().train()
    symmetric = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    peers_loss = CachedMultipleNegativesRankingLoss(
        peer, scale=10.0, mini_batch_size=mini_batch_size, **(symmetric if case == "symmetric" else {})
    )
    if case == "matryoshka":
        peers_loss = MatryoshkaLoss(peer, peers_loss, [16, 4], [1.0, 0.5])

    found = gradcache_step(ours, [ours.tokenize(texts) for texts in columns], loss, mini_batch_size)
    expected = peers_loss([peer.preprocess(texts) for texts in columns], None)
    expected.backward()
    torch.testing.assert_close(found, expected.detach(), atol=1e-11, rtol=0)
    for name, weight in ours.backbone.named_parameters():
        theirs = peer_gradient(peer, name)
        torch.testing.assert_close(weight.grad, theirs, atol=1e-11, rtol=0, msg=lambda m, name=name: f"{name}: {m}")
    assert gradient(ours).norm() > 0.01
