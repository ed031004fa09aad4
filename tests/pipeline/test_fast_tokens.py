"""Remembered pieces give the tokenizer's own ids, for any text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.pipeline import fast_tokens
from workbook.pipeline.encode_stage import encode_texts
from workbook.pipeline.fast_tokens import FastTokens, treats_pieces_alone

TEXT = "the cat's naïve façade, über-cool 漢字 [MASK] [CLS]x don't end. e.g. 3.14 tab\there new\nline İstanbul ΣΑΣ"
WORDS = TEXT.split(" ")
TOKENIZER = train_tokenizer([" ".join(WORDS)] * 3 + ["a cat and the dog"], 120)


def plain(texts, limit):
    tokenizer = Tokenizer.from_str(TOKENIZER.to_str())
    tokenizer.enable_truncation(limit)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def lists(found):
    ids, lengths = found
    return [part.tolist() for part in np.split(ids, lengths.cumsum()[:-1])] if len(lengths) else []


texts = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.lists(st.sampled_from([*WORDS, "", " ", "\u00a0", "e\u0301", "\u0301", "\x1c", "\u200b"]), max_size=30).map(
            " ".join
        ),
    ),
    max_size=8,
)


@given(texts, st.integers(1, 40))
def test_the_ids_are_the_tokenizers(some, limit):
    fast = FastTokens(TOKENIZER, limit)
    assert fast.remembers
    for _ in range(2):  # the second time from memory
        assert lists(fast(some)) == plain(some, limit)


def test_memory_is_bounded_and_what_was_forgotten_is_learned_again(monkeypatch):
    monkeypatch.setattr(fast_tokens, "MOST_PIECES", 5)
    monkeypatch.setattr(fast_tokens, "AT_A_TIME", 2)
    fast = FastTokens(TOKENIZER, 50)
    some = [f"{word} {i} the" for i, word in enumerate(WORDS)] + ["x" * 300 + " end."]
    for _ in range(2):
        assert lists(fast(some)) == plain(some, 50)
        assert len(fast._known) <= 6
        assert "x" * 300 not in fast._known


def test_tokenizers_that_look_over_a_space_are_not_split():
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel()
    assert not treats_pieces_alone(byte_level)
    replaced = Tokenizer.from_str(TOKENIZER.to_str())
    replaced.normalizer = normalizers.Sequence([normalizers.Replace("a b", "c"), normalizers.BertNormalizer()])
    assert not treats_pieces_alone(replaced)
    reaching = Tokenizer.from_str(TOKENIZER.to_str())
    reaching.add_tokens(["new york"])
    assert not treats_pieces_alone(reaching)
    reaching.enable_truncation(7)
    assert lists(FastTokens(reaching, 7)(["in new york " * 5])) == [
        reaching.encode("in new york " * 5, add_special_tokens=False).ids
    ]


@pytest.mark.parametrize("normalize", [True, False])
def test_fast_encoding_equals_the_encoders_own(normalize):
    encoder = TextEncoder(TOKENIZER, StaticEncoder(TOKENIZER.get_vocab_size(), 24), normalize=normalize, max_length=9)
    some = [" ".join(WORDS[i:]) for i in range(len(WORDS))] + ["", "   ", "the"]
    np.testing.assert_allclose(encode_texts(encoder, some), encoder.encode(some), atol=1e-6)
    np.testing.assert_allclose(
        encode_texts(encoder, some, "query: "), encoder.encode(some, prompt="query: "), atol=1e-6
    )
    assert encode_texts(encoder, []).shape == (0, 24)
