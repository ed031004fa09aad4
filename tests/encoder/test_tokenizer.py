import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.encoder.test_text_encoder import TEXTS, TOKENIZER, small
from workbook.encoder import check_texts, rectangle, train_tokenizer


def test_tokenizer_writes_cls_and_sep_and_pads_with_zero():
    assert [TOKENIZER.token_to_id(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [0, 1, 2, 3, 4]
    assert TOKENIZER.encode("a list").tokens[0] == "[CLS]"
    assert TOKENIZER.encode("a list").tokens[-1] == "[SEP]"
    assert TOKENIZER.encode("LIST").ids == TOKENIZER.encode("list").ids
    with pytest.raises(ValueError, match="vocab_size"):
        train_tokenizer(TEXTS, vocab_size=5)


@given(
    st.lists(st.lists(st.integers(1, 99), max_size=6), max_size=5), st.sampled_from(["left", "right"]), st.booleans()
)
def test_a_rectangle_holds_each_text_and_nothing_else(ids, side, tensors):
    given = [torch.tensor(tokens, dtype=torch.long) for tokens in ids] if tensors else ids
    input_ids, mask = rectangle(given, pad_id=0, padding_side=side)
    T = max([1, *map(len, ids)])
    assert input_ids.shape == mask.shape == (len(ids), T)
    for row, tokens in enumerate(ids):
        gap = [0] * (T - len(tokens))
        assert input_ids[row].tolist() == (tokens + gap if side == "right" else gap + tokens)
        assert mask[row].tolist() == [int(i > 0) for i in input_ids[row].tolist()]


@pytest.mark.parametrize(
    ("texts", "help"),
    [
        ("one string", r"encode\(\[text\]\)"),
        ({"p1": "a text"}, r"give list\(texts\.values\(\)\)"),
        ((text for text in TEXTS), r"a generator, .* give list\(texts\)"),
        ({"a", "b"}, r"a set, .* give list\(texts\)"),
        ({"p1": "a"}.values(), r"a dict_values, .* give list\(texts\)"),
        (map(str, [1, 2]), r"a map, .* give list\(texts\)"),
        (7, "a int, which"),
        (["a", None], "got NoneType at position 1"),
        ([b"a"], "got bytes at position 0"),
        ([["a", "b"]], "got list at position 0"),
    ],
    ids=repr,
)
def test_what_is_no_list_of_strings_is_refused_with_what_to_give(texts, help):
    for call in (check_texts, small().encode, small().tokenize, small().encode_query, small().encode_tokens):
        with pytest.raises(TypeError, match=help):
            call(texts)


def test_other_sequences_of_strings_are_taken():
    expected = small().encode(TEXTS)
    for same in (tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, dtype=object)):
        assert np.array_equal(small().encode(same), expected)
