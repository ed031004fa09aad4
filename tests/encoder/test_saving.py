import numpy as np
import pytest
import torch

from tests.encoder.test_text_encoder import TEXTS, small
from workbook.encoder import Dense, Normalize, StaticEncoder, TextEncoder, load
from workbook.pooling import AttentionPool, ConcatenatedPool, cls_pool, last_token_pool, max_pool, mean_pool


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("pooling", [mean_pool, cls_pool, "attention"])
def test_saved_and_loaded_it_is_the_same(tmp_path, static, pooling):
    if pooling == "attention":
        pooling = AttentionPool(16)
        torch.nn.init.normal_(pooling.query)
    encoder = small(pooling, static=static, query_prompt="q: ", padding_side="left", max_length=9)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.encode_query(TEXTS), encoder.encode_query(TEXTS))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_causal_encoder_comes_back_causal(tmp_path):
    encoder = small(last_token_pool, causal=True)
    encoder.save(tmp_path / "model")
    assert load(tmp_path / "model").backbone.causal
    assert np.array_equal(load(tmp_path / "model").encode(TEXTS), encoder.encode(TEXTS))
    # sentence-transformers has no causal BERT under this name: rather no model than another one.
    assert not (tmp_path / "model" / "modules.json").exists()


def test_saving_replaces_a_saved_encoder_and_nothing_else(tmp_path):
    small().save(tmp_path / "model")
    small(static=True).save(tmp_path / "model")
    assert isinstance(load(tmp_path / "model").backbone, StaticEncoder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="new folder"):
        small().save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"


def test_a_failed_save_leaves_the_old_encoder(tmp_path, monkeypatch):
    small().save(tmp_path / "model")
    before = load(tmp_path / "model").encode(TEXTS)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbook.encoder.saving.write_json", full)
    with pytest.raises(OSError, match="No space"):
        small(cls_pool).save(tmp_path / "model")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert np.array_equal(load(tmp_path / "model").encode(TEXTS), before)


def test_what_cannot_be_saved_or_loaded_is_said(tmp_path):
    with pytest.raises(ValueError, match="cannot save the pooling"):
        small(lambda hidden, mask: hidden[:, 0]).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match=r"workbook\.json"):
        load(tmp_path)
    small().save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="neither a folder"):
        TextEncoder.from_pretrained("no/such-model-anywhere")


@pytest.mark.parametrize("static", [False, True])
def test_every_setting_and_every_layer_comes_back(tmp_path, static):
    torch.manual_seed(0)
    encoder = small(
        ConcatenatedPool(max_pool, cls_pool), static=static, layers=[Normalize(), Dense(32, 7, activation="GELU"), Dense(7, 7, bias=False)],
        normalize=False, max_length=9, query_prompt="q: ", document_prompt="d: ", default_prompt="x: ", include_prompt=False,
        truncate_dim=6, padding_side="left", truncation_side="left",
    )  # fmt: skip
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for call in ("encode", "encode_query", "encode_document"):
        assert np.array_equal(getattr(again, call)(TEXTS), getattr(encoder, call)(TEXTS))
    settings = ("max_length", "include_prompt", "truncate_dim", "padding_side", "truncation_side", "default_prompt")
    assert all(getattr(again, name) == getattr(encoder, name) for name in settings)


def test_layers_and_poolings_without_a_name_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="cannot save a layer of type Linear; use Dense and Normalize"):
        small(layers=[torch.nn.Linear(16, 4)]).save(tmp_path / "model")
    with pytest.raises(ValueError, match="cannot save the pooling"):
        small(ConcatenatedPool(mean_pool, AttentionPool(16))).save(tmp_path / "model")
    for wrong in ("tanh", "Linear3", "Module", "Sequential"):
        with pytest.raises(ValueError, match=f"such as Tanh, GELU or Identity, got '{wrong}'"):
            Dense(4, 4, activation=wrong)
    assert not list(tmp_path.iterdir())
