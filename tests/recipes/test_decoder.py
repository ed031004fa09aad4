"""A tiny decoder with random weights, in Hugging Face's layout: the end token, and the vector of the last token."""

import pytest
import torch
from tokenizers import Tokenizer

from tests.train.test_fit import PAIRS, TOKENIZER
from workbook.adapt import add_lora, merge
from workbook.claims import decoder_run
from workbook.claims.decoder_run import MEAN, SEARCHED, TRAINED, WHOLE, Size, measure
from workbook.encoder import TextEncoder
from workbook.pooling import last_token_pool
from workbook.recipes.decoder import LINEAR, decoder_encoder, with_end_token
from workbook.train import fit

END = "[SEP]"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("decoder")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=TOKENIZER.get_vocab_size(), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
    )  # fmt: skip
    LlamaModel(config).save_pretrained(folder)
    bare = Tokenizer.from_str(TOKENIZER.to_str())
    bare.post_processor = None  # a decoder's own tokenizer puts nothing around a text
    PreTrainedTokenizerFast(tokenizer_object=bare, eos_token=END, pad_token="[PAD]").save_pretrained(folder)
    return folder


def last(encoder, text):
    return encoder.tokenizer.id_to_token(encoder.token_ids([text])[0][-1])


def test_the_end_token_stands_behind_each_text_and_survives_a_cut(model):
    encoder = decoder_encoder(model, max_length=8)
    long = " ".join([PAIRS[0][0]] * 20)
    assert [last(encoder, text) for text in ("", PAIRS[0][0], long)] == [END] * 3
    assert len(encoder.token_ids([long])[0]) == 8
    without = decoder_encoder(model, end=None, max_length=8)
    assert last(without, long) != END


def test_an_end_token_written_into_the_text_is_the_first_to_be_cut(model):
    plain = decoder_encoder(model, end=None, max_length=8).tokenizer
    assert plain.encode("a b " + END).tokens[-1] == END
    assert plain.encode(" ".join([PAIRS[0][0]] * 20) + " " + END).tokens[-1] != END


def test_a_token_that_is_not_there_is_refused(model):
    with pytest.raises(ValueError, match="no token '<end>'"):
        decoder_encoder(model, end="<end>")


def test_the_tokenizer_that_was_given_stays_as_it_is():
    before = TOKENIZER.to_str()
    with_end_token(TOKENIZER, END)
    assert TOKENIZER.to_str() == before


def test_only_the_last_token_has_seen_the_text_and_padding_does_not_count(model):
    encoder = decoder_encoder(model)
    assert encoder.pooling is last_token_pool
    short, long = PAIRS[0][0], PAIRS[1][1] + " " + PAIRS[2][1]
    together, alone = encoder.encode([short, long]), encoder.encode([short])
    torch.testing.assert_close(torch.from_numpy(together[0]), torch.from_numpy(alone[0]), atol=1e-5, rtol=0)
    changed = encoder.encode(["the " + short])
    assert abs(changed - alone).max() > 1e-3  # what stands before is seen


def test_lora_trains_beside_the_frozen_layers_and_can_be_merged(model):
    encoder = decoder_encoder(model, max_length=16)
    before = encoder.encode([PAIRS[0][0]])
    add_lora(encoder, r=2, alpha=4, target_modules=LINEAR)
    frozen = {n: p.detach().clone() for n, p in encoder.named_parameters() if not p.requires_grad}
    fit(encoder, PAIRS[:32], steps=3, batch_size=8, lr=0.05)
    after = encoder.encode([PAIRS[0][0]])
    assert abs(after - before).max() > 1e-4
    assert all(torch.equal(p, frozen[n]) for n, p in encoder.named_parameters() if n in frozen)
    merged = merge(encoder).encode([PAIRS[0][0]])
    torch.testing.assert_close(torch.from_numpy(merged), torch.from_numpy(after), atol=1e-5, rtol=0)


def test_the_recorded_run_trains_each_arm_and_changes_the_first_at_search(model):
    size = Size(steps=2, batch_size=4, r=2, max_length=24, pairs=20, queries=6, passages=12, seeds=(0, 1))
    found = measure(model, size)
    assert found["lr"] in size.lrs
    assert set(found["ndcg@10"]) == {"untrained", *TRAINED, *SEARCHED}
    assert all(len(values) == 2 for arm, values in found["ndcg@10"].items() if arm != "untrained")
    assert set(found["minus"]) == {*TRAINED, *SEARCHED} - {WHOLE}
    assert 0 < found["trained parameters"] < found["parameters"]


def test_the_recorded_run_trains_on_nothing_that_is_asked_or_searched():
    pairs, dev, test = decoder_run.data(Size(pairs=50, queries=20, passages=40))
    apart = {text for docs in (dev, test) for part in (docs.queries, docs.corpus) for text in part.values()}
    assert len(pairs) == 50
    assert not apart & {text for pair in pairs for text in pair}
    assert not set(dev.queries) & set(test.queries)


def test_what_is_changed_at_search_is_changed_alone(model):
    size = Size(max_length=24)
    encoder = decoder_run.new_encoder(model, size, 0)
    plain, endless, mean = decoder_run.at_search(encoder, model, size).values()
    assert isinstance(plain, TextEncoder)
    assert all(each.backbone is encoder.backbone for each in (plain, endless, mean))
    assert (plain.query_prompt, endless.query_prompt) == ("", encoder.query_prompt)
    assert mean.pooling is not encoder.pooling
    assert MEAN in TRAINED
