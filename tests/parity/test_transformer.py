import pytest
import torch

from workbook.encoder.plain import plain_weights, token_vectors
from workbook.encoder.transformer import TransformerEncoder

pytestmark = pytest.mark.parity


def bert(**options):
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    sizes = {"vocab_size": 90, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = BertConfig(**{**sizes, "intermediate_size": 80, "max_position_embeddings": 40, **options})
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


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_the_encoder_in_one_function_equals_bert(mask):
    theirs = bert()
    weights = plain_weights(TransformerEncoder.from_bert(theirs))
    mask = torch.tensor(mask)
    ids = torch.randint(0, 90, mask.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        difference = token_vectors(ids, mask, weights, 4) - theirs(ids, mask).last_hidden_state
    assert difference[mask.bool()].abs().max() <= 2e-6


def test_the_encoder_in_one_function_equals_the_modules_with_padding_on_the_left():
    ours = TransformerEncoder.from_bert(bert())
    mask = torch.tensor([[0, 0, 0, 1, 1], [1, 1, 1, 1, 1]])
    ids = torch.randint(0, 90, mask.shape)
    with torch.no_grad():
        difference = token_vectors(ids, mask, plain_weights(ours), 4) - ours(ids, mask)
    assert difference[mask.bool()].abs().max() <= 2e-6


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


FIELDS = {  # a field of BertConfig -> another value than BERT's own
    "layer_norm_eps": 1e-3,
    "is_decoder": True,
    "type_vocab_size": 16,
    "hidden_dropout_prob": 0.4,
    "attention_probs_dropout_prob": 0.4,
    "max_position_embeddings": 12,
    "intermediate_size": 7,
    "num_attention_heads": 6,
    "chunk_size_feed_forward": 2,
    "hidden_act": "relu",
    "position_embedding_type": "relative_key",
    "add_cross_attention": True,
    "pruned_heads": {0: [1]},
}
REFUSED = ("hidden_act", "position_embedding_type", "add_cross_attention", "pruned_heads")


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_of_the_configuration_is_honoured_or_refused_by_name(field):
    theirs = bert(**{"is_decoder": field == "add_cross_attention", field: FIELDS[field]})
    if field in REFUSED:
        with pytest.raises(ValueError, match=field):
            TransformerEncoder.from_bert(theirs)
        return
    ours = TransformerEncoder.from_bert(theirs)
    ids, mask = torch.randint(0, 90, (2, 12)), torch.tensor([[1] * 12, [1] * 7 + [0] * 5])
    segments = torch.randint(0, theirs.config.type_vocab_size, ids.shape)
    with torch.no_grad():
        expected = theirs(ids, mask, token_type_ids=segments).last_hidden_state
        assert (ours(ids, mask, segments) - expected)[mask.bool()].abs().max() <= 2e-6
    rates = [layer.p for layer in theirs.modules() if isinstance(layer, torch.nn.Dropout)]
    found = [layer.p for layer in ours.modules() if isinstance(layer, torch.nn.Dropout)]
    found += [block.attention.dropout for block in ours.blocks]
    assert sorted({*found}) == sorted({*rates})


def test_what_is_taken_over_can_be_written_down_again(tmp_path):
    from transformers import BertConfig

    from workbook.encoder.transformer import bert_config

    changed = {field: value for field, value in FIELDS.items() if field not in (*REFUSED, "chunk_size_feed_forward")}
    theirs = bert(**changed)
    ours = TransformerEncoder.from_bert(theirs)
    assert TransformerEncoder(**ours.config).config == ours.config
    again = BertConfig(**bert_config(ours.config))
    assert {field: getattr(again, field) for field in changed} == changed


def test_weights_of_other_names_or_shapes_are_listed_and_change_nothing():
    from workbook.encoder.transformer import bert_name, take_weights

    theirs, ours = bert(), TransformerEncoder(90, 48, 3, 4, 80, max_length=40)
    names = {name: bert_name(name) for name, _ in ours.named_parameters()}
    before = [p.clone() for p in ours.parameters()]
    weights = {f"model.{name}": value for name, value in theirs.state_dict().items()}
    with pytest.raises(ValueError, match=r"embeddings.LayerNorm.bias.* more; not expected: model.embeddings"):
        take_weights(ours, weights, names)
    narrow = theirs.state_dict() | {"encoder.layer.2.output.dense.bias": torch.zeros(5)}
    with pytest.raises(ValueError, match=r"other shape: encoder.layer.2.output.dense.bias; not expected: pooler"):
        take_weights(ours, narrow, names)
    assert all(torch.equal(old, new) for old, new in zip(before, ours.parameters(), strict=True))


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
