import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.encoder import train_tokenizer
from workbook.encoder.wordpiece import LONGEST_WORD, WordByWord, splits_at_blanks, wordpiece

VOCABULARY = {"em", "embed", "##bed", "##ding", "##s", "##d", "##i", "un"}


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("embeddings", ["embed", "##ding", "##s"]),
        ("embed", ["embed"]),
        ("em", ["em"]),
        ("emi", ["em", "##i"]),
        ("embedx", ["[UNK]"]),  # one unknown letter makes the whole word unknown
        ("ding", ["[UNK]"]),  # ##ding continues a word, it does not begin one
        ("", []),
    ],
)
def test_by_hand(word, pieces):
    assert wordpiece(word, VOCABULARY) == pieces


def test_a_very_long_word_is_unknown():
    assert wordpiece("a" * 100, {"a", "##a"}) == ["a"] + ["##a"] * 99
    assert wordpiece("a" * 101, {"a", "##a"}) == ["[UNK]"]


@given(
    st.text("abc", max_size=12),
    st.sets(st.text("abc", min_size=1, max_size=3), max_size=12),
    st.sets(st.text("abc", min_size=1, max_size=3), max_size=12),
)
def test_equals_tokenizers(word, starts, rest):
    from tokenizers import models

    names = ["[UNK]", *sorted(starts), *sorted("##" + piece for piece in rest)]
    theirs = models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]")
    expected = [token.value for token in theirs.tokenize(word)] if word else []
    assert wordpiece(word, set(names)) == expected


# --- word by word, beside the whole text at once --------------------------------------------------

ODD = "aé́e中 \t\n\r\x0b\x0c\x00\x1c\x85\u200b\u2028\u3000\ufeff\ufffd한ﬁßΣσς.,-_(#'[]CLSEP😀\U0001f3fd"
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(ODD, max_size=60),
    st.lists(st.sampled_from(["a red hat", "[SEP]", "[MASK]b", "##a", "hat.", " ", "", "é" * 70, "hat" * 30])).map(
        " ".join
    ),
)


def tokenizer(lowercase=True, max_length=None):
    found = train_tokenizer(["a red hat, a blue hat (and ß) 中 é", "한 ﬁ Σ -- [x] red-hat"] * 3, 90, lowercase)
    if max_length is not None:
        found.enable_truncation(max_length)
    return found


CACHED = {
    (lowercase, length): WordByWord(tokenizer(lowercase, length))
    for lowercase in (True, False)
    for length in (None, 3, 5, 20)
}


@given(st.lists(TEXTS, max_size=4), st.sampled_from(sorted(CACHED, key=str)), st.booleans())
def test_word_by_word_gives_the_tokens_of_the_whole_text(texts, which, add_special_tokens):
    ours = CACHED[which]  # the same for all examples, so most words are remembered
    expected = [e.ids for e in ours.tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)]
    assert ours(texts, add_special_tokens) == expected
    assert ours(texts, add_special_tokens) == expected


def test_a_form_feed_does_not_part_words_for_bert_drops_it():
    ours = WordByWord(tokenizer())
    assert ours(["red\x0chat", "red hat"])[0] == ours.tokenizer.encode("redhat").ids != ours(["red hat"])[0]


def test_the_rest_of_a_cut_text_is_not_read():
    ours = WordByWord(tokenizer(max_length=6))
    ours(["a red hat and a blue one and more"])
    assert ours.pieces_of.cache_info().currsize == 4  # a, red, hat, and


def test_what_is_remembered_is_whole():
    ours = WordByWord(tokenizer(max_length=4))
    long = "h" * (LONGEST_WORD + 1)
    assert len(ours(["hhhhhhhh"], False)[0]) == 4
    ours.tokenizer.enable_truncation(50)  # what was cut before must not be served now
    for text in ("hhhhhhhh", "red", long):
        assert ours([text], False) == [ours.tokenizer.encode(text, add_special_tokens=False).ids]
    assert ours.pieces_of.cache_info().currsize == 2  # without the long one


def test_words_that_come_again_stay_and_the_others_are_forgotten(monkeypatch):
    monkeypatch.setattr("workbook.encoder.wordpiece.MOST_WORDS", 2)
    ours = WordByWord(tokenizer())
    texts = ["red hat", "blue red", "a red one", "more red and red"]
    assert ours(texts, False) == [e.ids for e in ours.tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert ours.pieces_of.cache_info()[:1] + ours.pieces_of.cache_info()[2:] == (2, 2, 2)  # hits, most, words


def test_what_is_remembered_stays_behind_when_a_tokenizer_is_copied():
    ours = WordByWord(tokenizer(max_length=6))
    for again in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert again(["a red hat, a blue one"]) == ours(["a red hat, a blue one"])


def test_it_is_used_only_where_blanks_part_tokens():
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    assert splits_at_blanks(tokenizer())
    assert splits_at_blanks(tokenizer(max_length=3))
    assert not splits_at_blanks(tokenizer(max_length=2))
    with_blank = tokenizer()
    with_blank.add_tokens([AddedToken("red hat")])
    assert not splits_at_blanks(with_blank)
    other = Tokenizer(models.BPE({"a": 0}, []))
    other.normalizer, other.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    assert not splits_at_blanks(other)
    plain = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    assert not splits_at_blanks(plain)
    plain.normalizer, plain.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    assert splits_at_blanks(plain)
