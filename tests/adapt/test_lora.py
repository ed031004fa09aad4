"""LoRA: the start is the old model, the formula by hand, only updates are trained, merging changes nothing."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.train.test_fit import PAIRS, transformer, weights
from workbook.adapt.lora import (
    CONFIG,
    WEIGHTS,
    LoRALinear,
    add_lora,
    extract_lora,
    load_adapter,
    lora_state,
    merge,
    save_adapter,
    trained_parameters,
)
from workbook.encoder import load
from workbook.encoder.transformer import TransformerEncoder
from workbook.train import fit

TEXTS = ["sort a list", "open a socket", "a"]


def moved(model, seed=3):
    """A model whose updates are not zero any more."""
    generator = torch.Generator().manual_seed(seed)
    for value in lora_state(model).values():
        value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return model


def test_the_formula_by_hand():
    layer = LoRALinear(nn.Linear(2, 2), r=1, alpha=3.0)
    with torch.no_grad():
        layer.base.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        layer.base.bias.copy_(torch.tensor([10.0, 20.0]))
        layer.lora_A.copy_(torch.tensor([[1.0, 2.0]]))
        layer.lora_B.copy_(torch.tensor([[1.0], [-1.0]]))
    # A x = 1·1 + 2·2 = 5; (3 / 1) B A x = (15, -15)
    assert layer(torch.tensor([1.0, 2.0])).tolist() == [1 + 10 + 15, 2 + 20 - 15]
    assert layer.weight.tolist() == [[4.0, 6.0], [-3.0, -5.0]]


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 9), st.floats(0.1, 50), st.booleans())
@settings(deadline=None, max_examples=30)
def test_merging_changes_no_output(D_in, D_out, r, alpha, bias):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(D_in, D_out, bias=bias)).double()
    x = torch.randn(5, D_in, dtype=torch.float64)
    before = model(x)
    add_lora(model, r, alpha, ["0"])
    assert torch.equal(model(x), before)  # B is zero
    after = moved(model)(x).detach()
    assert not torch.allclose(after, before)
    assert type(merge(model)[0]) is nn.Linear
    torch.testing.assert_close(model(x), after, rtol=0, atol=1e-9)


def test_only_the_updates_are_trained():
    encoder = add_lora(transformer(), r=2, target_modules=["query", "value"])
    start = {name: p.clone() for name, p in encoder.named_parameters()}
    history = fit(encoder, PAIRS, steps=20, batch_size=12, lr=0.05)
    changed = {name for name, p in encoder.named_parameters() if not torch.equal(p, start[name])}
    assert changed == set(lora_state(encoder))
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    D = encoder.backbone.hidden_size
    layers = len(encoder.backbone.blocks)
    trained, total = trained_parameters(encoder)
    assert trained == layers * 2 * 2 * (D + D)
    assert total == sum(p.numel() for p in transformer().parameters()) + trained


@pytest.mark.parametrize("stopped_at", [1, 7])
def test_stopped_and_resumed_equals_never_stopped(tmp_path, stopped_at):
    options = {"steps": 10, "batch_size": 12, "lr": 0.01}

    def make():
        return add_lora(transformer(), r=2, dropout=0.3)

    whole = make()
    history = fit(whole, PAIRS, **options)
    fit(make(), PAIRS, **options, checkpoint=tmp_path, on_step=lambda record: record["step"] == stopped_at)
    resumed = moved(make())  # only the checkpoint counts
    assert fit(resumed, PAIRS, **options, checkpoint=tmp_path) == history
    assert torch.equal(weights(resumed), weights(whole))


def test_dropout_touches_the_update_alone():
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(64, 3), r=4, dropout=0.5)
    x = torch.randn(2, 64)
    assert torch.equal(layer.train()(x), layer.base(x))  # B is zero: nothing of the base is dropped
    moved(nn.Sequential(layer))
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), layer(x))


def test_the_seed_decides_and_the_global_state_stays():
    state = torch.get_rng_state()
    a, b, other = (lora_state(add_lora(transformer(), seed=seed)) for seed in (1, 1, 2))
    torch.set_rng_state(state)
    model = transformer()
    state = torch.get_rng_state()
    add_lora(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], other[name]) for name in a)
    assert len({value.flatten()[0].item() for name, value in a.items() if "lora_A" in name}) > 1  # not all the same


def test_a_layer_in_two_places_gets_one_update_and_is_merged_once():
    torch.manual_seed(0)
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"a": shared, "b": shared}).double()
    add_lora(model, r=2, target_modules=["a", "b"])
    assert model["a"] is model["b"]
    x = torch.randn(3, 4, dtype=torch.float64)
    after = moved(model)["b"](x).detach()
    merge(model)
    assert model["a"] is model["b"]
    torch.testing.assert_close(model["a"](x), after, rtol=0, atol=1e-12)


def test_a_merged_encoder_is_saved_and_trained_like_any_other(tmp_path):
    encoder = moved(add_lora(transformer(), target_modules=["query", "expand", "attention.output"]))
    before = encoder.encode(TEXTS)
    merge(encoder).save(tmp_path / "merged")
    assert abs(load(tmp_path / "merged").encode(TEXTS) - before).max() < 3e-6
    assert trained_parameters(encoder)[0] == trained_parameters(transformer())[1]


def test_an_adapter_that_is_not_merged_is_never_saved_in_silence(tmp_path):
    with pytest.raises(ValueError, match="merge it first, or keep it with save_adapter"):
        add_lora(transformer()).save(tmp_path / "unmerged")
    assert not (tmp_path / "unmerged").exists()


def test_an_adapter_comes_back(tmp_path):
    encoder = moved(add_lora(transformer(), r=3, alpha=5.0, dropout=0.1))
    save_adapter(encoder, tmp_path)
    fresh = load_adapter(transformer(), tmp_path)
    assert (fresh.encode(TEXTS) == encoder.encode(TEXTS)).all()
    assert fresh.backbone.blocks[0].attention.query.dropout == 0.1
    again = load_adapter(moved(add_lora(transformer(), r=3, alpha=5.0), seed=8), tmp_path)
    assert (again.encode(TEXTS) == encoder.encode(TEXTS)).all()
    save_adapter(moved(again, seed=9), tmp_path)  # replaces
    assert (load_adapter(transformer(), tmp_path).encode(TEXTS) == again.encode(TEXTS)).all()


def test_a_damaged_or_foreign_adapter_is_refused_and_changes_nothing(tmp_path):
    encoder, narrow = transformer(), transformer()
    narrow.backbone = TransformerEncoder(50, hidden_size=8, num_layers=1, num_heads=2)
    before = weights(encoder).clone()
    with pytest.raises(FileNotFoundError, match=CONFIG):
        load_adapter(encoder, tmp_path)
    save_adapter(add_lora(transformer(), r=3), tmp_path)
    with pytest.raises(ValueError, match="belongs to another model"):
        load_adapter(narrow, tmp_path)
    with pytest.raises(ValueError, match="another LoRA"):
        load_adapter(add_lora(transformer(), r=3, alpha=1.0), tmp_path)
    config, tensors = (tmp_path / CONFIG).read_text(), (tmp_path / WEIGHTS).read_bytes()
    for change, message in (
        ({"lora_alpha": 4.0}, "belongs to another adapter_model"),  # a kill between the two files
        ({"use_dora": True}, "use_dora"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"peft_type": "IA3", "r": None, "bias": None, "init_ia3_weights": True}, "peft_type='IA3'"),
        ({"target_modules": ["query"]}, r"holds .*value.lora_A, which its target_modules \['query'\] leave out"),
        ({"target_modules": ["nothing"]}, "nothing"),
        ({"rank_pattern": {"query": 2}}, r"belongs to another model: .*lora_A is \(3, 16\) there, and here \(2, 16\)"),
        ({"a_field_of_tomorrow": 1}, "a_field_of_tomorrow=1"),
    ):
        (tmp_path / CONFIG).write_text(json.dumps(json.loads(config) | change))
        with pytest.raises(ValueError, match=message):
            load_adapter(encoder, tmp_path)
    (tmp_path / CONFIG).write_text(config[:-20])
    with pytest.raises(ValueError, match="damaged"):
        load_adapter(encoder, tmp_path)
    (tmp_path / CONFIG).write_text(config)
    for cut in (0, 4, 60, len(tensors) - 5):
        (tmp_path / WEIGHTS).write_bytes(tensors[:cut])
        with pytest.raises(ValueError, match="damaged"):
            load_adapter(encoder, tmp_path)
    assert torch.equal(weights(encoder), before)
    assert all(p.requires_grad for p in encoder.parameters())
    for gone in ("peft_type", "r", "lora_alpha", "lora_dropout", "target_modules"):
        (tmp_path / CONFIG).write_text(json.dumps({k: v for k, v in json.loads(config).items() if k != gone}))
        with pytest.raises(ValueError, match="damaged"):
            load_adapter(encoder, tmp_path)


def test_loading_leaves_the_global_random_state(tmp_path):
    save_adapter(add_lora(transformer()), tmp_path)
    encoder, state = transformer(), torch.get_rng_state()
    load_adapter(encoder, tmp_path)
    assert torch.equal(state, torch.get_rng_state())


def tuned(seed=5):
    """As `transformer`, after a training that moved every weight."""
    generator = torch.Generator().manual_seed(seed)
    model = transformer()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


def test_of_a_full_training_the_nearest_update_is_kept():
    """The error is what Eckart and Young say: the root of the squares of the singular values that are left out."""
    full, model = tuned(), extract_lora(tuned(), transformer(), 3)
    before = dict(transformer().named_modules())
    for name, layer in ((n, m) for n, m in model.named_modules() if isinstance(m, LoRALinear)):
        change = full.get_submodule(name).weight - before[name].weight
        left_out = torch.linalg.svdvals(change)[3:].square().sum().sqrt()
        torch.testing.assert_close(
            (full.get_submodule(name).weight - layer.weight).norm(), left_out, rtol=1e-4, atol=1e-5
        )
        assert torch.equal(layer.base.weight, before[name].weight)
        assert torch.equal(layer.base.bias, full.get_submodule(name).bias)


def test_at_full_rank_an_extracted_update_is_the_whole_training():
    model = extract_lora(tuned(), transformer(), 64)
    torch.testing.assert_close(model.encode_document(TEXTS), tuned().encode_document(TEXTS), atol=1e-5, rtol=1e-5)
    back = merge(model)
    for (name, weight), whole in zip(back.named_parameters(), tuned().parameters(), strict=True):
        torch.testing.assert_close(weight, whole, atol=1e-5, rtol=1e-5, msg=name)


def test_an_extraction_from_another_model_or_twice_is_refused():
    with pytest.raises(ValueError, match="already"):
        extract_lora(add_lora(transformer()), transformer())
    with pytest.raises(ValueError, match="no linear layer is called 'q_proj'"):
        extract_lora(tuned(), transformer(), 2, ("q_proj",))
    model, narrow = tuned(), nn.ModuleDict({"query": nn.Linear(3, 3), "value": nn.Linear(3, 3)})
    with pytest.raises(ValueError, match="built in different ways"):
        extract_lora(model, narrow)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"r": 0}, "r must"),
        ({"r": 1.5}, "r must"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"dropout": 1.0}, "dropout"),
        ({"target_modules": "query"}, "names such as"),
        ({"target_modules": []}, "names such as"),
        (
            {"target_modules": ["query", "q_proj"]},
            "no linear layer is called 'q_proj'; this model has contract, expand",
        ),
        ({"target_modules": ["uery"]}, "no linear layer"),
        ({"target_modules": ["norm"]}, "no linear layer"),
    ],
)
def test_bad_settings_are_refused_and_nothing_is_frozen(options, message):
    encoder = transformer()
    with pytest.raises(ValueError, match=message):
        add_lora(encoder, **options)
    assert all(p.requires_grad for p in encoder.parameters())


def test_lora_twice_or_none_is_refused():
    with pytest.raises(ValueError, match="already"):
        add_lora(add_lora(transformer()))
    for call in (merge, lora_state):
        with pytest.raises(ValueError, match="no LoRA"):
            call(transformer())
    mixed = nn.Sequential(LoRALinear(nn.Linear(2, 2), r=1), LoRALinear(nn.Linear(2, 2), r=2))
    with pytest.raises(ValueError, match="one r"):
        save_adapter(mixed, "never")
