"""Jaccard over runs of words against scikit-learn; signatures and bands against datasketch; the chance to meet against counting."""

import random

import datasketch
import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import jaccard_score

from workbook.exercises.chapter_12 import candidate_pairs
from workbook.training_data import chance_to_meet, jaccard, minhash, shingles
from workbook.training_data.near_duplicates import PRIME, _buckets, _numberings

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


def datasketch_minhash(num_hashes=100, **arguments):
    """datasketch's MinHash by its first scheme, (a·x + b) mod p, with our numberings."""
    numberings = tuple(part[:, 0] for part in _numberings(num_hashes))
    return datasketch.MinHash(num_hashes, permutations=numberings, scheme="legacy", **arguments)


def test_a_signature_is_datasketchs_with_the_same_numberings(monkeypatch):
    monkeypatch.setattr(datasketch.minhash, "_mersenne_prime", np.uint64(PRIME))
    for text in (*AWKWARD, *drawn(2), *drawn(3)):
        theirs = datasketch_minhash(hashfunc=lambda x: x % PRIME)
        theirs.update_batch(shingles(text))
        assert minhash(shingles(text)).tolist() == theirs.hashvalues.tolist()


@pytest.mark.parametrize(("bands", "rows"), [(20, 5), (10, 3), (50, 2), (3, 12)])
def test_the_same_texts_meet_as_in_datasketchs_index(bands, rows):
    rng = random.Random(bands)
    texts = drawn(4) + drawn(5)
    for text in list(texts):  # copies of which a few words were changed
        words = text.split()
        words[rng.randrange(len(words))] = "changed"
        texts += [" ".join(words), f"{text} more"]
    signatures = [minhash(shingles(text), bands * rows) for text in texts]
    index = datasketch.MinHashLSH(num_perm=bands * rows, params=(bands, rows))
    theirs = [datasketch_minhash(bands * rows, hashvalues=signature) for signature in signatures]
    for row, each in enumerate(theirs):
        index.insert(row, each)
    met = {(min(i, j), max(i, j)) for i, each in enumerate(theirs) for j in index.query(each) if i != j}
    assert candidate_pairs(torch.tensor(np.array(signatures, dtype=np.int64)), bands, rows) == met
    assert 5 < len(met) < len(texts) * (len(texts) - 1) / 2 - 10
    buckets = [set(_buckets(shingles(text), bands, rows)) for text in texts]
    assert {(i, j) for j in range(len(texts)) for i in range(j) if buckets[i] & buckets[j]} == met
