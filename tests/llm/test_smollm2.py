"""SmolLM2 from its GGUF file: it writes through `LocalModel`, and its decoder embeds through `TextEncoder`."""

import numpy as np
import pytest

from workbook.encoder import TextEncoder, load
from workbook.llm import LocalModel
from workbook.training_data import judge_prompt
from workbook.zoo import files_of_wheel

pytestmark = pytest.mark.slow  # half a minute for each time that the file is read

PROMPTS = [
    "What is the capital of France? Answer in one word.",
    judge_prompt("how long to boil an egg", "Boil the egg for six minutes, then cool it under the tap."),
]
TEXTS = ["a cat sits on the mat", "a kitten", "The stock market fell on Monday, and much more than that."]


@pytest.fixture(scope="module")
def path():
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    try:
        return files_of_wheel("SmolLM2-135M-Instruct")[0]
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def model(path):
    return LocalModel(path, max_tokens=12)


@pytest.fixture(scope="module")
def encoder(path):
    return TextEncoder.from_pretrained(path, pooling="lasttoken", max_length=64)


def test_it_answers_what_it_is_asked(model):
    answers = model(PROMPTS)
    assert "Paris" in answers[0]
    assert answers == [model([prompt])[0] for prompt in PROMPTS]  # alone or in a batch, and each time
    assert model.model == "SmolLM2-135M-Instruct.Q4_1"
    assert model.settings == {"temperature": 0.0, "max_tokens": 12}


def test_its_weights_are_those_of_the_file(model, path):
    import gguf

    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    table = tensors["token_embd.weight"]
    expected = gguf.quants.dequantize(table.data, table.tensor_type)
    np.testing.assert_array_equal(model._network.get_input_embeddings().weight.detach().numpy(), expected)


def test_a_text_has_the_vector_of_its_last_token(encoder, model):
    import torch

    for text, vector in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        with torch.no_grad():
            hidden = model._network.model(torch.tensor([encoder.token_ids([text])[0]])).last_hidden_state
        np.testing.assert_allclose(vector, hidden[0, -1].numpy(), rtol=0, atol=2e-3)
    assert encoder.embedding_size == 576


def test_its_decoder_can_be_trained_and_saved_like_any_other(encoder, tmp_path):
    vectors = encoder(*encoder.tokenize(TEXTS[:1]))
    vectors.sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())
    encoder.zero_grad()
    encoder.save(tmp_path / "smollm2")
    np.testing.assert_array_equal(load(tmp_path / "smollm2").encode(TEXTS), encoder.encode(TEXTS))
