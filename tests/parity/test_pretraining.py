"""Masked language modelling is transformers': the model with its loss, and what is hidden from it."""

import pytest
import torch

from tests.train.test_fit import TOKENIZER
from workbook.encoder import TextEncoder
from workbook.encoder.transformer import TransformerEncoder
from workbook.pretraining.objectives import IGNORED, MaskedLanguageModel, mask_tokens, special_ids

pytestmark = pytest.mark.parity
V = TOKENIZER.get_vocab_size()
MASKS = {
    "one token": [[1]],
    "no padding": [[1] * 12] * 3,
    "right padding": [[1] * 12, [1] * 7 + [0] * 5, [1] + [0] * 11],
    "as long as it may be": [[1] * 40, [1] + [0] * 39],
}


def both(dtype):
    """transformers' model and ours with its weights."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=V, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80,
        max_position_embeddings=40,
    )  # fmt: skip
    theirs = BertForMaskedLM(config).eval()
    torch.nn.init.normal_(theirs.cls.predictions.bias)  # zero at the start, where a missing bias would not be seen
    ours = MaskedLanguageModel(TextEncoder(TOKENIZER, TransformerEncoder.from_bert(theirs.bert)))
    transform = theirs.cls.predictions.transform
    ours.head.dense.load_state_dict(transform.dense.state_dict())
    ours.head.norm.load_state_dict(transform.LayerNorm.state_dict())
    ours.head.bias.data.copy_(theirs.cls.predictions.bias)
    return theirs.to(dtype), ours.to(dtype).eval()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_logits_loss_and_gradients_equal_bert_for_masked_lm(mask, dtype, tolerance):
    theirs, ours = both(dtype)
    mask = torch.tensor(mask)
    input_ids = torch.randint(5, V, mask.shape, generator=torch.Generator().manual_seed(2))
    hidden_ids, labels = ours.hide(input_ids, mask, 0.9, torch.Generator().manual_seed(3))
    expected = theirs(hidden_ids, mask, labels=labels)
    assert (ours(hidden_ids, mask) - expected.logits)[mask.bool()].abs().max() <= tolerance
    ours.rate = 0.9
    loss = ours.loss(input_ids, mask, torch.Generator().manual_seed(3))
    assert abs(loss - expected.loss) <= 2 * tolerance
    loss.backward()
    expected.loss.backward()
    gradients = [(ours.word.grad, theirs.bert.embeddings.word_embeddings.weight.grad),
                 (ours.head.bias.grad, theirs.cls.predictions.bias.grad),
                 (ours.head.dense.weight.grad, theirs.cls.predictions.transform.dense.weight.grad)]  # fmt: skip
    for a, b in gradients:
        assert (a - b).abs().max() <= 5 * tolerance


def collator(rate, seed=None):
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZER, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
        mask_token="[MASK]",
    )  # fmt: skip
    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=rate, seed=seed)


def ids(B, T):
    return torch.randint(0, V, (B, T), generator=torch.Generator().manual_seed(B))


OPTIONS = {"mask_id": TOKENIZER.token_to_id("[MASK]"), "vocab_size": V, "special_ids": special_ids(TOKENIZER)}


@pytest.mark.parametrize("rate", [0.0, 0.15, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (16, 7)])
def test_the_same_tokens_are_hidden_from_the_same_seed(rate, shape):
    input_ids = ids(*shape)
    expected = collator(rate, seed=11)([row.tolist() for row in input_ids])
    hidden, labels = mask_tokens(
        input_ids, torch.ones_like(input_ids), torch.Generator().manual_seed(11), rate, **OPTIONS
    )
    assert torch.equal(hidden, expected["input_ids"])
    assert torch.equal(labels, expected["labels"])


def test_shares_are_the_collators_from_different_seeds_too():
    """Each share differs by less than four standard deviations of the difference of two binomial shares."""
    input_ids = ids(400, 128)
    expected = collator(0.15, seed=1)([row.tolist() for row in input_ids])
    hidden, labels = mask_tokens(input_ids, torch.ones_like(input_ids), torch.Generator().manual_seed(2), **OPTIONS)

    def shares(hidden, labels):
        chosen = labels != IGNORED
        masked, same = (hidden == OPTIONS["mask_id"]) & chosen, (hidden == labels) & chosen
        n = int((input_ids > 4).sum())
        k = int(chosen.sum())
        return [(k / n, n), (int(masked.sum()) / k, k), (int(same.sum()) / k, k)]

    ours, theirs = shares(hidden, labels), shares(expected["input_ids"], expected["labels"])
    for (a, n), (b, m) in zip(ours, theirs, strict=True):
        assert abs(a - b) < 4 * (b * (1 - b) * (1 / n + 1 / m)) ** 0.5
