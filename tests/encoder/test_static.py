import torch

from tests.encoder.test_text_encoder import TEXTS, small
from workbook.encoder import StaticEncoder
from workbook.pooling import mean_pool


def test_the_mean_of_ragged_texts_is_the_mean_of_padded_ones():
    encoder = small(static=True)
    ids = encoder.token_ids([*TEXTS, "", TEXTS[0] * 9])
    torch.testing.assert_close(encoder.backbone.mean_of(ids), encoder.backbone.mean(*encoder.pad(ids)))
    assert encoder.backbone.mean_of([]).shape == (0, 16)


def test_the_fast_way_of_the_static_encoder_is_the_mean():
    encoder = small(static=True)
    ids, mask = encoder.tokenize([*TEXTS, ""])
    slow = mean_pool(encoder.backbone(ids, mask), mask)
    torch.testing.assert_close(encoder.backbone.mean(ids, mask), slow, rtol=0, atol=1e-6)
    (gradient,) = torch.autograd.grad(slow.square().sum(), encoder.backbone.word.weight)
    (fast,) = torch.autograd.grad(encoder.backbone.mean(ids, mask).square().sum(), encoder.backbone.word.weight)
    torch.testing.assert_close(fast, gradient, rtol=0, atol=1e-6)


def test_scale_by_idf_makes_rare_tokens_long_and_keeps_directions():
    table = StaticEncoder(4, 3)
    before = table.word.weight.detach().clone()
    table.scale_by_idf([[0, 0, 1], [0, 2], [0]])
    idf = torch.log1p(3 / (1 + torch.tensor([3.0, 1.0, 1.0, 0.0])))
    assert torch.allclose(table.word.weight.detach(), before * (idf / idf.mean())[:, None])
