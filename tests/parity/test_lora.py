"""LoRA beside peft, on Hugging Face's BertModel: the same numbers in A and B, the same results."""

import copy
import json

import pytest
import torch

from tests.encoder.test_text_encoder import TEXTS, TOKENIZER
from tests.parity.test_transformer import bert
from workbook.adapt.lora import (
    CONFIG,
    add_lora,
    load_adapter,
    lora_state,
    merge,
    save_adapter,
    trained_parameters,
)
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


VALUES = {  # a field of LoraConfig -> values other than its own, and whether the adapter is read or refused
    "r": ([1, 7], "read"),
    "lora_alpha": ([3, 0.5], "read"),
    "lora_dropout": ([0.3], "read"),
    "target_modules": (
        [["key"], ["1.attention.self.query"], r".*\.[02]\..*(query|output\.dense)", "all-linear"],
        "read",
    ),
    "exclude_modules": ([["1.attention.self.query"], r".*\.2\..*"], "read"),
    "layers_to_transform": ([1, [0, 2]], "read"),
    "layers_pattern": (["layer", ["layer"]], "read"),
    "rank_pattern": ([{"value": 7, r"layer\.1\..*query": 2}, {r"^encoder.layer.0.attention.self.query": 3}], "read"),
    "alpha_pattern": ([{"query": 30}, {"1.attention.self.value": 1, "value": 9}], "read"),
    "use_rslora": ([True], "read"),
    "fan_in_fan_out": ([True], "read"),
    "init_lora_weights": ([False, "gaussian", "orthogonal", "mica", "eva"], "read"),
    "base_model_name_or_path": (["somewhere"], "read"),
    "revision": (["main"], "read"),
    "task_type": (["FEATURE_EXTRACTION"], "read"),
    "inference_mode": ([True], "read"),
    "megatron_core": (["another"], "read"),
    "qalora_group_size": ([8], "read"),
    "auto_mapping": ([{"base_model_class": "BertModel"}], "read"),
    "bias": (["all", "lora_only"], "refused"),
    "use_dora": ([True], "refused"),
    "lora_bias": ([True], "refused"),
    "modules_to_save": ([["pooler"]], "refused"),
    "trainable_token_indices": ([{"word_embeddings": [3]}], "refused"),
    "target_parameters": ([["output.dense.weight"]], "refused"),
    "layer_replication": ([[[0, 2], [1, 3]]], "refused"),
    "ensure_weight_tying": ([True], "refused"),
}
# Those that peft itself takes only with other hardware, data or layers: refused by what their file would say.
OTHERS = {
    "init_lora_weights": ["eva-like", "corda", "loftq", "lora_ga"],
    "loftq_config": [{"loftq_bits": 4}],
    "corda_config": [{"corda_method": "kpm"}],
    "lora_ga_config": [{"direction": "ArB2r"}],
    "megatron_config": [{"hidden_size": 4}],
    "velora_config": [{"num_groups": 2}],
    "alora_invocation_tokens": [[1, 2]],
    "use_qalora": [True],
    "monteclora_config": [{"num_samples": 2}],
    "use_bdlora": [{"nblocks": 2}],
    "arrow_config": [{"top_k": 2}],
    "kasa_config": [{"beta": 0.1}],
}
SAYS_NOTHING = {"peft_type", "peft_version", "eva_config", "runtime_config"}  # set in the above, or never saved


def adapter(folder, **fields):
    """An adapter that peft made and saved, with numbers that are not zero."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": ["query", "value"], **fields})
    model = get_peft_model(bert(), config)
    generator = torch.Generator().manual_seed(5)
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.data += torch.randn(value.shape, generator=generator) * 0.2
    model.save_pretrained(folder)


def test_every_field_of_pefts_configuration_is_tried():
    from peft import LoraConfig

    assert {*VALUES, *OTHERS} | SAYS_NOTHING == set(LoraConfig.__dataclass_fields__)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in VALUES for value in VALUES[field][0]], ids=str
)
def test_an_adapter_of_pefts_is_read_as_peft_reads_it_or_refused_by_the_field(tmp_path, field, value):
    from peft import PeftModel

    adapter(tmp_path, **({"layers_to_transform": [1]} if field == "layers_pattern" else {}), **{field: value})
    model = bert()
    if VALUES[field][1] == "refused":
        with pytest.raises(ValueError, match=f"not plain LoRA: {field}="):
            load_adapter(model, tmp_path)
        return
    theirs = PeftModel.from_pretrained(bert(), tmp_path).eval()
    ours = load_adapter(model, tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(hidden(ours), hidden(theirs))
        assert (hidden(ours) - hidden(bert())).abs().max() > 1e-4
        again = load_adapter(ours, tmp_path)  # into the LoRA that is there
        assert (hidden(merge(again)) - hidden(theirs.merge_and_unload())).abs().max() <= 3e-6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora"])
def test_a_start_that_changes_the_model_itself_is_refused(tmp_path, start):
    adapter(tmp_path, init_lora_weights=start)
    with pytest.raises(ValueError, match=f"init_lora_weights='{start}'; load it with peft"):
        load_adapter(bert(), tmp_path)


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in OTHERS for value in OTHERS[field]], ids=str)
def test_what_peft_could_not_be_asked_for_here_is_refused_by_the_field(tmp_path, field, value):
    adapter(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(config | {field: value}))
    with pytest.raises(ValueError, match=f"not plain LoRA: {field}="):
        load_adapter(bert(), tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert load_adapter(bert(), tmp_path)


def test_an_update_of_something_else_than_a_linear_layer_is_refused(tmp_path):
    adapter(tmp_path, target_modules=["word_embeddings", "query"])
    with pytest.raises(ValueError, match=r"belongs to another model: .*word_embeddings.lora_embedding_A"):
        load_adapter(bert(), tmp_path)
