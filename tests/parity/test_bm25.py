"""Our BM25 is bm25s', method by method, and gives the known figures of real collections."""

from pathlib import Path

import numpy as np
import pytest

from workbook.bm25 import BM25, METHODS, STOP_WORDS, Words, words

pytestmark = pytest.mark.parity

# Real collections, in a folder beside the repository; they are not part of it.
COLLECTIONS = Path(__file__).resolve().parents[3] / "shared" / "data"


def random_corpus(seed: int) -> dict[str, str]:
    generator = np.random.default_rng(seed)
    vocabulary = [f"word{i}" for i in range(40)]
    popular = 1 / np.arange(1, 41)
    return {
        f"p{i}": " ".join(generator.choice(vocabulary, size=generator.integers(1, 30), p=popular / popular.sum()))
        for i in range(120)
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (1.5, 0.0), (2.0, 1.0)])
def test_every_score_equal_to_bm25s(method, k1, b):
    import bm25s

    corpus = random_corpus(0)
    peer = bm25s.BM25(k1=k1, b=b, method=method, dtype="float64")
    peer.index([words(text) for text in corpus.values()], show_progress=False)
    ours = BM25(k1=k1, b=b, method=method).index(corpus)
    for query in ("word0", "word3 word17", "word1 word1 word39", "word5 unknown"):
        assert np.allclose(ours.scores(query), peer.get_scores(words(query)), rtol=0, atol=1e-12), query


@pytest.mark.parametrize("method", METHODS)
def test_the_best_passages_of_many_are_those_of_bm25s(method):
    import bm25s

    generator = np.random.default_rng(1)
    popular = 1 / np.arange(1, 501)
    draw = generator.choice(500, size=(3000, 30), p=popular / popular.sum())
    tokens = [[f"word{i}" for i in row[: 1 + length]] for row, length in zip(draw, draw[:, 0] % 29, strict=True)]
    peer = bm25s.BM25(k1=1.2, b=0.75, method=method, dtype="float64")
    peer.index(tokens, show_progress=False)
    queries = [["word0", "word7", "word7"], ["word499", "word3"], ["word20"]]
    ids, scores = peer.retrieve(queries, k=10, show_progress=False)
    index = BM25(method=method).index({str(i): " ".join(text) for i, text in enumerate(tokens)})
    run = index.search({str(i): " ".join(query) for i, query in enumerate(queries)}, k=10)
    for found, peer_scores in zip(run.values(), scores, strict=True):
        assert list(found.values()) == pytest.approx(peer_scores.tolist(), abs=1e-12)
    # Ties stand in no fixed order there, so only the passages above the last score must be the same.
    for found, peer_ids, peer_scores in zip(run.values(), ids, scores, strict=True):
        above = {str(i) for i, score in zip(peer_ids, peer_scores, strict=True) if score > peer_scores[-1] + 1e-9}
        assert above == {i for i, score in found.items() if score > peer_scores[-1] + 1e-9}


def real(name: str, split: str = "test"):
    """A real collection; the test is skipped where it is not there."""
    if not (COLLECTIONS / name).is_dir():
        pytest.skip(f"the collection {name} is not on this machine")
    from workbook.data import load

    return load(COLLECTIONS / name, strict=True).split(split)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cacm", {"ndcg@10": 0.496, "recall@100": 0.668, "map": 0.343}),
        ("vaswani_npl", {"ndcg@10": 0.436, "recall@100": 0.603, "map": 0.287}),
        ("cosqa", {"ndcg@10": 0.336, "recall@100": 0.768, "map": 0.299}),
        pytest.param("squad_dev", {"ndcg@10": 0.873, "recall@100": 0.993, "map": 0.847}, marks=pytest.mark.slow),
    ],
)
def test_the_known_figures_of_a_real_collection(name, expected):
    from workbook.metrics import evaluate

    pytest.importorskip("Stemmer")
    docs = real(name)
    index = BM25(tokenize=Words(stop_words="english", stemmer="english"))
    run = index.index(docs.corpus).search(docs.queries, k=1000)
    assert evaluate(docs.qrels, run, tuple(expected)) == pytest.approx(
        expected, abs=0.001
    )  # half the last digit, twice


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cacm", "vaswani_npl", "cosqa", "squad_dev"])
@pytest.mark.parametrize("method", METHODS)
def test_every_score_on_a_real_collection_equal_to_bm25s_with_the_same_tokens(name, method):
    import bm25s

    pytest.importorskip("Stemmer")
    docs, tokenize = real(name), Words(stop_words="english", stemmer="english")
    peer = bm25s.BM25(k1=1.2, b=0.75, method=method, dtype="float64")
    peer.index([tokenize(text) for text in docs.corpus.values()], show_progress=False)
    ours = BM25(method=method, tokenize=tokenize).index(docs.corpus)
    queries = [text for text in docs.queries.values() if any(word in ours.vocabulary for word in tokenize(text))]
    for text in queries[:: max(1, len(queries) // 50)]:
        assert np.allclose(ours.scores(text), peer.get_scores(tokenize(text)), rtol=0, atol=1e-6), text


def test_stop_words_and_tokens_are_those_of_bm25s():
    import bm25s
    from bm25s.stopwords import STOPWORDS_EN

    stemmer = pytest.importorskip("Stemmer").Stemmer("english")
    assert set(STOPWORDS_EN) == STOP_WORDS
    texts = ["The runners were running; it's  the Running of 3 RUNS, naïvely", "", "is it a the", "x_1 ÜBER über's 2nd"]
    for stem, name in ((stemmer, "english"), (None, None)):
        theirs = bm25s.tokenize(texts, stopwords="english", stemmer=stem, return_ids=False, show_progress=False)
        tokenize = Words(stop_words="english", stemmer=name)
        assert [tokenize(text) for text in texts] == [list(tokens) for tokens in theirs]


def test_texts_on_the_disk_give_the_same_index(tmp_path):
    from workbook.data.stored.storage import store_texts

    corpus = random_corpus(1)
    stored = store_texts(tmp_path / "texts", corpus.items(), part_rows=50)
    queries = {"q": "word0 word3", "r": "word39"}
    assert BM25().index(stored).search(queries) == BM25().index(corpus).search(queries)
