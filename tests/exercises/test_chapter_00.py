"""What the exercises of chapter 00 say of themselves."""

import random
from itertools import product

import pytest

from workbook.exercises import EXERCISES
from workbook.exercises.chapter_00 import recall_at, shared_words, words_inside
from workbook.metrics import evaluate
from workbook.similarity import cos_sim


def test_no_shorter_input_shows_the_mistake():
    texts = ["".join(letters) for n in range(3) for letters in product("ab ", repeat=n)]
    pairs = [(query, passage) for query in texts for passage in texts if len(query) + len(passage) < 3]
    assert len(pairs) > 20
    assert all(words_inside(*pair) == shared_words(*pair) for pair in pairs)
    assert words_inside("a", "ab") != shared_words("a", "ab")


@pytest.mark.parametrize("seed", range(20))
def test_the_measurement_is_the_one_of_the_package(seed):
    encode, corpus, queries, wanted, k = EXERCISES["00.5"].draw(random.Random(seed))
    scores = cos_sim(encode(list(queries.values())), encode(list(corpus.values()))).tolist()
    run = {query: dict(zip(corpus, row, strict=True)) for query, row in zip(queries, scores, strict=True)}
    qrels = {query: {wanted[query]: 1} for query in queries}
    assert recall_at(encode, corpus, queries, wanted, k) == pytest.approx(
        evaluate(qrels, run, (f"recall@{k}",))[f"recall@{k}"]
    )
