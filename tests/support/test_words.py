import pytest

from workbook.support.words import STOP_WORDS, Words, words


def test_words():
    assert words("Don't sort_values(x) ÜBER 42") == ["don", "sort_values", "über", "42"]


def test_words_without_stop_words_and_with_stems():
    assert Words()("The dogs and the cats") == ["the", "dogs", "and", "the", "cats"]
    assert Words(stop_words="english")("The dogs and the cats") == ["dogs", "cats"]
    assert Words(stop_words=["dogs"])("The dogs") == ["the"]
    assert Words(stemmer=lambda word: word[:3])("running runs") == ["run", "run"]
    assert len(STOP_WORDS) == 33


def test_stop_words_are_left_out_before_stemming():
    assert Words(stop_words=["run"], stemmer=lambda word: word[:3])("run running") == ["run"]


def test_the_snowball_stemmer_by_its_language_also_in_another_process():
    import copy  # by the same protocol as multiprocessing

    pytest.importorskip("Stemmer")
    english = Words(stop_words="english", stemmer="english")
    assert english("The runners were running quickly") == ["runner", "were", "run", "quick"]
    assert copy.deepcopy(english)("The runners were running quickly") == english("runners were running quickly")
    assert Words(stemmer="german")("laufende Läufer") == ["laufend", "lauf"]


def test_a_word_is_stemmed_once():
    asked = []
    tokenize = Words(stemmer=lambda word: asked.append(word) or word)
    assert tokenize("aa bb aa") == tokenize("aa bb aa")
    assert asked == ["aa", "bb"]


def test_unknown_lists_and_stemmers_are_named(monkeypatch):
    with pytest.raises(ValueError, match="no list of stop words for 'klingon'"):
        Words(stop_words="klingon")
    pytest.importorskip("Stemmer")
    with pytest.raises(ValueError, match=r"no stemmer for 'klingon'; expected one of .*english"):
        Words(stemmer="klingon")
    import sys

    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(ImportError, match="pip install PyStemmer, or pass stemmer=None"):
        Words(stemmer="english")
