"""LoRA beside peft, on Hugging Face's BertModel: the same numbers in A and B, the same results."""

import copy

import pytest
import torch

from tests.encoder.test_text_encoder import TEXTS, TOKENIZER
from tests.parity.test_transformer import bert
from workbook.adapt.lora import add_lora, load_adapter, lora_state, merge, save_adapter, trained_parameters
from workbook.encoder import TextEncoder
from workbook.encoder.hugging_face import HuggingFaceBackbone

pytestmark = pytest.mark.parity

TARGETS = ["query", "value", "attention.output.dense"]
IDS = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]])
MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])


def both(r=4, alpha=6.0, targets=TARGETS, dropout=0.0, dtype=torch.float32):
    """Ours and peft's around the same model, with the same A and a B that is not zero."""
    from peft import LoraConfig, get_peft_model

    model = bert().to(dtype)
    ours = add_lora(copy.deepcopy(model), r, alpha, targets, dropout).eval()
    config = LoraConfig(r=r, lora_alpha=alpha, target_modules=targets, lora_dropout=dropout)
    theirs = get_peft_model(model, config).eval()
    generator = torch.Generator().manual_seed(5)
    parameters = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, value in lora_state(ours).items():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
            parameters[f"base_model.model.{name}.default.weight"].copy_(value)
    return ours, theirs


def hidden(model):
    return model(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("r", "alpha"), [(1, 1.0), (4, 6.0), (16, 32), (100, 7.0)])  # 100 is more than the layer has
def test_outputs_equal_pefts(r, alpha, dtype):
    ours, theirs = both(r, alpha, dtype=dtype)
    with torch.no_grad():
        assert torch.equal(hidden(ours), hidden(theirs))
        assert not torch.allclose(hidden(ours), hidden(bert().to(dtype)), atol=1e-2)
    assert trained_parameters(ours) == theirs.get_nb_trainable_parameters()


def test_dropout_is_pefts():
    ours, theirs = both(dropout=0.5)
    with torch.no_grad():
        plain = hidden(ours)
        torch.manual_seed(0)
        a = hidden(ours.train())
        torch.manual_seed(0)
        b = hidden(theirs.train())
    assert torch.equal(a, b)
    assert not torch.allclose(a, plain, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_equal_pefts(dtype):
    ours, theirs = both(dtype=dtype)
    weight = torch.randn(7, 48, generator=torch.Generator().manual_seed(1), dtype=dtype)
    (hidden(ours) * weight).sum().backward()
    (hidden(theirs) * weight).sum().backward()
    parameters = dict(theirs.named_parameters())
    reached = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    assert reached.keys() == lora_state(ours).keys()
    assert min(gradient.abs().max() for gradient in reached.values()) > 1e-3
    for name, gradient in reached.items():
        assert torch.equal(gradient, parameters[f"base_model.model.{name}.default.weight"].grad), name


def test_merged_equals_pefts_and_what_it_was():
    ours, theirs = both()
    with torch.no_grad():
        before = hidden(ours)
        merged, peers = merge(ours), theirs.merge_and_unload()
        assert (hidden(merged) - before).abs().max() <= 3e-6
        assert torch.equal(hidden(merged), hidden(peers))
    assert merged.state_dict().keys() == bert().state_dict().keys()


def test_the_start_is_drawn_as_peft_draws_it():
    from peft import LoraConfig, get_peft_model

    ours = torch.cat([v.flatten() for n, v in lora_state(add_lora(bert(), 16)).items() if "lora_A" in n])
    model = get_peft_model(bert(), LoraConfig(r=16, target_modules=["query", "value"]))
    theirs = torch.cat([v.flatten() for n, v in model.named_parameters() if "lora_A" in n])
    assert len(ours) == len(theirs) == 16 * 48 * 6
    assert abs(ours.std() / theirs.std() - 1) < 0.03  # 4,608 numbers: the deviation is known to about 1 %
    assert ours.abs().max() <= 48**-0.5
    assert theirs.abs().max() <= 48**-0.5


def test_peft_reads_our_adapter_and_we_read_pefts(tmp_path):
    from peft import PeftModel

    ours, theirs = both()
    save_adapter(ours, tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    with torch.no_grad():
        assert torch.equal(hidden(PeftModel.from_pretrained(bert(), tmp_path / "ours").eval()), hidden(ours))
        assert torch.equal(hidden(load_adapter(bert(), tmp_path / "theirs").eval()), hidden(ours))


def test_a_hugging_face_backbone_merged_loads_in_sentence_transformers(tmp_path):
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertModel(BertConfig(vocab_size=TOKENIZER.get_vocab_size(), max_position_embeddings=40, **size))
    encoder = TextEncoder(TOKENIZER, HuggingFaceBackbone(model), max_length=16)
    add_lora(encoder, r=2)
    for value in lora_state(encoder).values():
        value.add_(0.2)
    before = encoder.encode(TEXTS)
    merge(encoder).save(tmp_path / "merged")
    peer = SentenceTransformer(str(tmp_path / "merged"), device="cpu", local_files_only=True)
    assert abs(peer.encode(TEXTS) - before).max() < 3e-6
