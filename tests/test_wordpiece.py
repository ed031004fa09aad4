import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.wordpiece import wordpiece

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
