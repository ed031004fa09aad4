"""The batches written out give what `TextEncoder.encode` gives."""

import pytest
import torch

from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.encoder.plain import encode_in_batches
from workbook.pooling import cls_pool, last_token_pool, mean_pool

TEXTS = ["sort a list", "", "open a socket and read from it until the peer closes", "mean", "a b c d", "sort"]


@pytest.mark.parametrize("pool", [mean_pool, last_token_pool, cls_pool])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_equals_the_text_encoder(pool, batch_size):
    torch.manual_seed(3)
    tokenizer = train_tokenizer(TEXTS, vocab_size=80)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 16, num_layers=1, num_heads=2).eval()
    encoder = TextEncoder(tokenizer, backbone, pool)
    with torch.no_grad():
        ours = encode_in_batches(encoder.token_ids(TEXTS), backbone, pool, batch_size)
    torch.testing.assert_close(ours, torch.tensor(encoder.encode(TEXTS)), atol=1e-5, rtol=1e-5)
