"""wordllama read from its files, against the package itself."""

import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from workbook.zoo import load_wordllama

pytestmark = pytest.mark.parity

TEXTS = [
    "sort a list of numbers", "Open a SOCKET, please!", "naïve café 北京 🙂", "  two  blanks and\na new line ", "a",
    "the mean of an array " * 300,
]  # fmt: skip


@pytest.fixture(scope="module")
def ours():
    try:
        return load_wordllama()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def load_theirs():
    """Its own loader. Version 0.4.0 looks for its tokenizer beside the folder that holds it, and then asks the hub: with
    its own folder as the cache it finds it."""
    level = logging.getLogger().level
    package = pytest.importorskip("wordllama", exc_type=ImportError)
    logging.getLogger().setLevel(level)  # importing it turns the root logger up
    return partial(package.WordLlama.load, cache_dir=Path(package.__file__).parent, disable_download=True)


def test_vectors_equal_those_of_the_package(ours, load_theirs):
    vectors = ours.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 256)
    np.testing.assert_allclose(vectors, load_theirs().embed(TEXTS, norm=True), rtol=0, atol=1e-6)


def test_leading_dimensions_equal_those_of_the_package(ours, load_theirs):
    vectors = ours.encode(TEXTS, truncate_dim=64)
    np.testing.assert_allclose(vectors, load_theirs(trunc_dim=64).embed(TEXTS, norm=True), rtol=0, atol=1e-6)


def test_token_ids_equal_those_of_the_package(ours, load_theirs):
    told = load_theirs().tokenize(TEXTS)
    expected = [[i for i, real in zip(e.ids, e.attention_mask, strict=True) if real] for e in told]
    assert ours.token_ids(TEXTS) == expected


def test_an_empty_text_has_no_direction(ours):
    assert not ours.encode([""]).any()


def test_it_can_be_saved_and_knows_what_is_alike(ours, tmp_path):
    from workbook.encoder import load

    ours.save(tmp_path / "wordllama")
    again = load(tmp_path / "wordllama").encode(["a cat sits on the mat", "a kitten on a rug", "the stock market fell"])
    assert again[0] @ again[1] > again[0] @ again[2] + 0.2
