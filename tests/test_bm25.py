import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.bm25 import BM25, METHODS, Words, words

CORPUS = {
    "1": "the heart pumps blood",
    "2": "heart attack symptoms",
    "3": "attack on the chess board",
    "4": "blood sugar",
}


def test_by_hand():
    # "heart" stands in 2 of 4 passages; passage 2 has 3 words, the mean is 14 / 4.
    idf = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    expected = idf / (1 + 1.2 * (0.25 + 0.75 * 3 / 3.5))
    assert BM25().index(CORPUS).search({"q": "heart"}, k=1) == {"q": {"2": pytest.approx(expected, abs=1e-12)}}


def test_best_first_and_only_what_matches():
    run = BM25().index(CORPUS).search({"q": "Heart attack?", "r": "sugar"}, k=10)
    assert list(run["q"]) == ["2", "1", "3"]
    assert list(run["q"].values()) == sorted(run["q"].values(), reverse=True)
    assert list(run["r"]) == ["4"]


@pytest.mark.parametrize("method", METHODS)
def test_empty_texts_unknown_words_and_no_corpus(method):
    index = BM25(method=method).index({"empty": "", "full": "heart attack", "other": "chess board game"})
    assert index.search({"nothing": "", "unknown": "zebra"}) == {"nothing": {}, "unknown": {}}
    assert np.isfinite(index.scores("heart")).all()
    assert BM25(method=method).index({}).search({"q": "heart"}) == {"q": {}}
    assert BM25(method=method).index({"a": "", "b": ""}).search({"q": "heart"}) == {"q": {}}


@pytest.mark.parametrize("method", METHODS)
def test_a_passage_without_any_word_of_the_query_is_not_returned(method):
    run = BM25(method=method).index(CORPUS | {"5": "", "6": "cold war", "7": "tea"}).search({"q": "sugar board"})
    assert sorted(run["q"]) == ["3", "4"]


def test_equal_scores_keep_the_order_of_the_corpus_also_at_the_cut():
    index = BM25().index(dict.fromkeys("zxya", "same words") | {"other": "nothing here"})
    assert list(index.search({"q": "same"}, k=3)["q"]) == ["z", "x", "y"]


def test_a_word_twice_in_the_query_counts_twice():
    index = BM25().index(CORPUS)
    assert index.scores("blood blood") == pytest.approx(2 * index.scores("blood"))


def test_length_is_held_back_only_with_b():
    corpus = {"short": "heart", "long": "heart and many more words that say nothing", "other": "chess"}
    short, long, _ = BM25(b=0.0).index(corpus).scores("heart")
    assert short == long
    short, long, _ = BM25(b=0.75).index(corpus).scores("heart")
    assert short > long


def test_repetition_counts_less_and_less_and_with_k1_zero_not_at_all():
    corpus = {"1": "a1 b1 b1 b1", "2": "a1 a1 b1 b1", "3": "a1 a1 a1 b1", "4": "c1 c1 c1 c1"}
    once, twice, thrice, _ = BM25().index(corpus).scores("a1")
    assert twice - once > thrice - twice > 0
    for method in METHODS:
        assert np.isfinite(BM25(k1=0, method=method).index(corpus).scores("a1")).all()
    assert len(set(BM25(k1=0).index(corpus).scores("a1")[:3])) == 1


def test_stop_words_and_stemming_go_in_through_tokenize():
    stemmed = BM25(tokenize=lambda text: [word.rstrip("s") for word in words(text) if word != "the"])
    stemmed.index({"1": "the dogs", "2": "a cat"})
    assert stemmed.search({"q": "dog", "r": "the"}) == {"q": {"1": pytest.approx(stemmed.scores("dog")[0])}, "r": {}}


def test_the_texts_are_read_one_at_a_time():
    class Tokens(list):
        alive = most = 0

        def __init__(self, text):
            super().__init__(words(text))
            Tokens.alive += 1
            Tokens.most = max(Tokens.most, Tokens.alive)

        def __del__(self):
            Tokens.alive -= 1

    index = BM25(tokenize=Tokens).index({str(i): "heart attack" for i in range(100)})
    assert len(index.passage_ids) == 100
    assert Tokens.most <= 3


def test_indexing_again_forgets_the_first_corpus():
    index = BM25().index(CORPUS).index({"new": "chess"})
    assert index.search({"q": "heart", "r": "chess"})["q"] == {}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tokenize", [words, Words(stop_words="english", stemmer=None), Words(stop_words=["on"])])
def test_a_saved_index_searches_alike(method, tokenize, tmp_path):
    index = BM25(1.5, 0.4, method, tokenize).index(CORPUS | {"é": "", "5": "the heart Übung"})
    index.save(tmp_path / "index")
    index.save(tmp_path / "index")  # over the one that is there
    again = BM25.load(tmp_path / "index")
    queries = {"q": "the heart attack", "r": "on blood übung", "s": ""}
    assert again.search(queries) == index.search(queries)
    assert (again.scores("heart on") == index.scores("heart on")).all()
    assert vars(again).keys() == vars(index).keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_a_saved_index_remembers_its_stems_and_asks_for_a_tokenizer_of_its_own(tmp_path):
    index = BM25(tokenize=str.split).index({"1": "a b", "2": "c"})
    index.save(tmp_path / "own")
    with pytest.raises(ValueError, match="a tokenize function of its own; give the same one"):
        BM25.load(tmp_path / "own")
    assert BM25.load(tmp_path / "own", str.split).search({"q": "a"}) == index.search({"q": "a"})
    BM25(tokenize=Words(stemmer=str.upper)).index(CORPUS).save(tmp_path / "stems")
    with pytest.raises(ValueError, match="a tokenize function of its own"):
        BM25.load(tmp_path / "stems")
    pytest.importorskip("Stemmer")
    BM25(tokenize=Words("english", "english")).index(CORPUS).save(tmp_path / "english")
    assert list(BM25.load(tmp_path / "english").search({"q": "boards"})["q"]) == ["3"]


def test_what_is_no_saved_index_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no BM25 index, expected bm25\.json"):
        BM25.load(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="give a new folder"):
        BM25().index(CORPUS).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    BM25().index(CORPUS).save(tmp_path / "index")
    BM25().index({"1": "other words"}).save(tmp_path / "other")
    (tmp_path / "other" / "bm25.json").replace(tmp_path / "index" / "bm25.json")
    with pytest.raises(ValueError, match="do not belong together"):
        BM25.load(tmp_path / "index")
    for content in ("{", "{}", '{"settings": {"k7": 1}, "tokenize": {}, "passage_ids": [], "vocabulary": []}'):
        (tmp_path / "index" / "bm25.json").write_text(content)
        with pytest.raises(ValueError, match="is damaged"):
            BM25.load(tmp_path / "index")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: BM25().search({"q": "heart"}), RuntimeError, r"call index\(corpus\) first"),
        (lambda: BM25().scores("heart"), RuntimeError, r"call index\(corpus\) first"),
        (lambda: BM25().save("never"), RuntimeError, r"call index\(corpus\) first"),
        (
            lambda: BM25().index(["a b", "c"]),
            ValueError,
            r"corpus must be a mapping id -> text, got list; give ids, as in",
        ),
        (
            lambda: BM25().index(text for text in ["a"]),
            ValueError,
            "corpus must be a mapping id -> text, got generator",
        ),
        (lambda: BM25().index("a text"), ValueError, "corpus must be a mapping id -> text, got str"),
        (lambda: BM25().index({"1": None}), ValueError, "passage '1' must be a text, got NoneType None"),
        (lambda: BM25().index({"1": ["a"]}), ValueError, "passage '1' must be a text, got list"),
        (lambda: BM25().index(CORPUS).search("heart"), ValueError, r'queries must be .* got str; .* \{"q": text\}'),
        (lambda: BM25().index(CORPUS).search(["heart"]), ValueError, "queries must be a mapping id -> text, got list"),
        (lambda: BM25().index(CORPUS).search({"q": 3}), ValueError, "a query must be a text, got int 3"),
    ],
)
def test_first_steps_that_go_wrong_are_told_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("wrong", [{"method": "okapi"}, {"k1": -1}, {"b": 1.5}])
def test_arguments_are_checked(wrong):
    with pytest.raises(ValueError, match=r"unknown method|expected k1"):
        BM25(**wrong)
    with pytest.raises(ValueError, match="k must be"):
        BM25().index(CORPUS).search({"q": "heart"}, k=0)


texts = st.lists(st.lists(st.sampled_from(["aa", "bb", "cc", "dd"]), max_size=6).map(" ".join), min_size=1, max_size=8)


@given(texts, st.sampled_from(sorted(METHODS)), st.permutations(range(8)))
def test_the_order_of_the_corpus_changes_no_score(passages, method, order):
    corpus = {str(i): text for i, text in enumerate(passages)}
    shuffled = {str(i): corpus[str(i)] for i in order if i < len(passages)}
    one, other = (BM25(method=method).index(c).search({"q": "aa bb"}, k=99)["q"] for c in (corpus, shuffled))
    assert one == pytest.approx(other, abs=1e-12)


@given(texts, st.integers(1, 10))
def test_a_smaller_k_is_the_start_of_a_larger_one(passages, k):
    index = BM25().index({str(i): text for i, text in enumerate(passages)})
    everything = list(index.search({"q": "aa cc"}, k=99)["q"].items())
    assert list(index.search({"q": "aa cc"}, k=k)["q"].items()) == everything[:k]


@pytest.mark.parametrize("method", ["lucene", "bm25+"])
@pytest.mark.parametrize("order", ["random", "sorted", "every 40th"])
@pytest.mark.parametrize("k", [1, 10, 400])
def test_the_short_way_to_the_best_is_a_full_sort(method, order, k):
    """Many passages, few different scores, and the best of them where the groups are the most unequal."""
    generator = np.random.default_rng(k)
    repeats = generator.integers(0, 6, size=(1000, 2))
    if order != "random":
        repeats = repeats[np.argsort(-repeats.sum(axis=1))]
    if order == "every 40th":  # the best 25 all fall into one of the 40 groups of k = 10
        repeats = repeats.reshape(40, 25, 2).swapaxes(0, 1).reshape(1000, 2)
    corpus = {str(i): "aa " * a + "bb " * b + "cc " * (12 - a - b) for i, (a, b) in enumerate(repeats)}
    index = BM25(method=method).index(corpus)
    scores = index.scores("aa bb")
    best = [i for i in np.argsort(-scores, kind="stable") if repeats[i].any()]
    assert index.search({"q": "aa bb"}, k=k)["q"] == {str(i): scores[i] for i in best[:k]}
    assert list(index.search({"q": "aa bb"}, k=k)["q"]) == [str(i) for i in best[:k]]
