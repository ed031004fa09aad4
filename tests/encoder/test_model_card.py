import pytest
import torch
import yaml

from workbook.encoder import StaticEncoder, TextEncoder, model_card, train_tokenizer, write_card


@pytest.fixture
def encoder():
    tokenizer = train_tokenizer(["one two three"], vocab_size=40)
    return TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 8), max_length=12, query_prompt="query: ")


def test_a_card_says_what_the_encoder_is_and_what_was_measured(encoder, tmp_path):
    sections = {"What it can do": {"nDCG@10, 300 queries": 0.41234, "queries": 300}, "What it cannot do": "Word order."}
    card = model_card("Mine: the first", encoder, sections, license="mit", base_model="some/model")
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "mit"
    assert head["base_model"] == "some/model"
    assert "sentence-transformers" in head["tags"]
    assert "# Mine: the first" in card
    assert "Vectors of 8 dimensions, of length 1; at most 12 tokens" in card
    assert '"query: " before queries' in card
    assert "| nDCG@10, 300 queries | 0.412 |" in card
    assert "| queries | 300 |" in card
    encoder.save(tmp_path / "model")
    write_card(tmp_path / "model", card)
    again = TextEncoder.load(tmp_path / "model")
    assert torch.equal(next(again.parameters()), next(encoder.parameters()))
    assert (tmp_path / "model" / "README.md").read_text("utf-8") == card


def test_a_card_that_says_nothing_is_refused(encoder):
    for sections in ({}, {"What it cannot do": ""}):
        with pytest.raises(ValueError, match="a card says what a model was trained on"):
            model_card("Mine", encoder, sections)
