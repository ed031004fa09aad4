"""Jaccard over runs of words against scikit-learn, on random and on awkward texts; and the chance to meet against counting."""

import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import jaccard_score

from workbook.training_data import chance_to_meet, jaccard, minhash, shingles

AWKWARD = [
    "a a a a a a", "one, two; three. FOUR", "One two three four", "naïve café Straße façade", "x_1 y-2 z'3 4.5 6,7",
    "line\nbreaks\tand  blanks here", "數字 和 漢字 也 是 詞",
]  # fmt: skip


def drawn(seed):
    rng = random.Random(seed)
    return [" ".join(rng.choice("abcde") for _ in range(rng.randint(4, 30))) for _ in range(12)]


@pytest.mark.parametrize("texts", [AWKWARD, drawn(0), drawn(1)], ids=["awkward", "drawn", "drawn again"])
def test_jaccard_is_scikit_learns(texts):
    runs = CountVectorizer(ngram_range=(4, 4), token_pattern=r"\w+", binary=True).fit_transform(texts).toarray()
    for a, row in zip(texts, runs, strict=True):
        for b, other in zip(texts, runs, strict=True):
            assert jaccard(shingles(a), shingles(b)) == pytest.approx(jaccard_score(row, other))


@pytest.mark.parametrize("J", [0.2, 0.5, 0.7])
def test_sets_meet_as_often_as_the_curve_says(J):
    rng, common, bands, rows = np.random.default_rng(0), int(100 * J), 5, 3
    met = []
    for _ in range(300):
        union = {int(x) for x in rng.choice(2**32, 100, replace=False)}
        both = list(union)[:common]
        rest = list(union)[common:]
        a, b = {*both, *rest[::2]}, {*both, *rest[1::2]}
        equal = (minhash(a, bands * rows) == minhash(b, bands * rows)).reshape(bands, rows)
        met.append(equal.all(axis=1).any())
    expected = chance_to_meet(J, bands, rows)
    assert abs(np.mean(met) - expected) < 5 * np.sqrt(expected * (1 - expected) / 300)
