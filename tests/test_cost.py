import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from workbook.cost import multiply_adds
from workbook.encoder.transformer import TransformerEncoder


def test_by_hand():
    assert multiply_adds(2, 3, 1, 5) == {"projections": 72, "attention": 24, "feed_forward": 60}
    assert multiply_adds(0, 3, 1) == {"projections": 0, "attention": 0, "feed_forward": 0}


def test_equals_the_counter_of_torch():
    T, D, L = 7, 8, 3
    encoder = TransformerEncoder(20, D, L, 2).eval()
    ids = torch.ones(1, T, dtype=torch.long)
    with (
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        encoder(ids, ids)
    assert counter.get_total_flops() == 2 * sum(multiply_adds(T, D, L).values())


def test_doubling_the_text_quadruples_attention_only():
    short, long = multiply_adds(64, 32, 2), multiply_adds(128, 32, 2)
    assert long["attention"] == 4 * short["attention"]
    assert long["projections"] == 2 * short["projections"]
    assert long["feed_forward"] == 2 * short["feed_forward"]


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="negative"):
        multiply_adds(-1, 8, 1)
