import math

import pytest
import torch

from workbook.encoder import train_tokenizer
from workbook.figures.tokens import attention_square, pieces_of_words


def test_each_word_is_a_row_as_long_as_its_letters():
    tokenizer = train_tokenizer(["token tokens tokenize"] * 5, vocab_size=60)
    fig = pieces_of_words("tokens token?", tokenizer, "small")
    rows = list(zip(*(bar.x for bar in fig.data), strict=True))
    assert [sum(row) for row in rows] == [6, 5, 1]
    first = [bar.text[0] for bar in fig.data if bar.text[0]]
    assert first == tokenizer.encode("tokens", add_special_tokens=False).tokens
    assert "for 3 words" in fig.layout.title.text


def test_a_text_without_words_is_drawn_too():
    tokenizer = train_tokenizer(["token tokens"] * 5, vocab_size=60)
    assert "0 tokens for 0 words" in pieces_of_words("", tokenizer).layout.title.text


def test_the_square_writes_its_numbers_and_its_rows_sum_to_one():
    scores = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    allowed = torch.tensor([[True, True], [True, False]])
    left, right = attention_square(["a", "b"], scores, allowed).data
    assert [list(row) for row in left.text] == [["1.10", "0.00"], ["0.00", "−∞"]]
    assert [list(row) for row in right.z] == [pytest.approx([0.75, 0.25]), pytest.approx([1, 0])]
    assert left.z[1][1] == left.zmin < 0
