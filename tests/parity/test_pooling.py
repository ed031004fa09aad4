"""Our pooling is sentence-transformers' pooling."""

import pytest
import torch

from workbook.pooling import POOLINGS, pooling_from_names

pytestmark = pytest.mark.parity


def masks(B, T, side):
    """Rows of every length from 1 to T, padded on one side."""
    lengths = torch.arange(B) % T + 1
    mask = (torch.arange(T)[None, :] < lengths[:, None]).long()
    return mask if side == "right" else mask.flip(1)


@pytest.mark.parametrize("mode", [*POOLINGS, ("cls", "mean"), ("mean", "cls", "mean_sqrt_len_tokens")], ids=str)
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (16, 33, 24)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_to_sentence_transformers(mode, side, shape, dtype):
    from sentence_transformers.sentence_transformer.modules import Pooling

    B, T, D = shape
    hidden = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(T))
    mask = masks(B, T, side)
    peer = Pooling(D, pooling_mode=mode)
    expected = peer({"token_embeddings": hidden.clone(), "attention_mask": mask})["sentence_embedding"]
    ours = pooling_from_names(mode)(hidden, mask)
    if mode in ("cls", "lasttoken", "max"):  # a choice of values, no arithmetic
        assert torch.equal(ours, expected)
    else:  # einsum and sum add in another order
        assert torch.allclose(ours, expected, rtol=0, atol=4e-15 if dtype == torch.float64 else 1e-6)
