import pytest
import torch

from workbook.encoder.transformer import TransformerEncoder

pytestmark = pytest.mark.parity


def bert(**options):
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=90,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=40,
        **options,
    )
    return BertModel(config).eval()


MASKS = {
    "one token": [[1]],
    "no padding": [[1] * 12] * 3,
    "right padding": [[1] * 12, [1] * 7 + [0] * 5, [1] + [0] * 11],
    "as long as it may be": [[1] * 40, [1] + [0] * 39],
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_bert(mask, dtype):
    theirs = bert().to(dtype)
    ours = TransformerEncoder.from_bert(theirs).to(dtype)
    mask = torch.tensor(mask)
    ids = torch.randint(0, 90, mask.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        difference = (ours(ids, mask) - theirs(ids, mask).last_hidden_state)[mask.bool()].abs().max()
    assert difference <= (2e-6 if dtype == torch.float32 else 1e-12)


def test_equals_bert_with_left_padding_when_bert_is_told_the_positions():
    from workbook.encoder.transformer import token_positions

    theirs = bert()
    ours = TransformerEncoder.from_bert(theirs)
    mask = torch.tensor([[0, 0, 0, 1, 1], [1, 1, 1, 1, 1]])
    ids = torch.randint(0, 90, mask.shape)
    with torch.no_grad():
        expected = theirs(ids, mask, position_ids=token_positions(mask)).last_hidden_state
        difference = (ours(ids, mask) - expected)[mask.bool()].abs().max()
    assert difference <= 2e-6


def test_weights_that_are_not_berts_are_refused():
    with pytest.raises(ValueError, match="exact GELU"):
        TransformerEncoder.from_bert(bert(hidden_act="relu"))


def test_gradients_equal_berts():
    theirs = bert()
    ours = TransformerEncoder.from_bert(theirs)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    ids = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]])
    # A sum of squares would do for no test: after a LayerNorm it is nearly the same whatever the weights are.
    weight = torch.randn(int(mask.sum()), theirs.config.hidden_size, generator=torch.Generator().manual_seed(0))
    (ours(ids, mask)[mask.bool()] * weight).sum().backward()
    (theirs(ids, mask).last_hidden_state[mask.bool()] * weight).sum().backward()
    gradient = ours.embeddings.word.weight.grad
    assert gradient.norm() > 0.1
    torch.testing.assert_close(gradient, theirs.embeddings.word_embeddings.weight.grad, rtol=1e-4, atol=1e-5)
