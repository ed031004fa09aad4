"""Our BM25 is bm25s', method by method, and gives the published figures of two classic collections."""

from pathlib import Path

import numpy as np
import pytest

from workbook.bm25 import BM25, METHODS, words

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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cacm", {"ndcg@10": 0.496, "recall@100": 0.668, "map": 0.343}),
        ("vaswani_npl", {"ndcg@10": 0.436, "recall@100": 0.603, "map": 0.287}),
    ],
)
def test_the_known_figures_of_a_classic_collection(name, expected):
    if not (COLLECTIONS / name).is_dir():
        pytest.skip(f"the collection {name} is not on this machine")
    stemmer = pytest.importorskip("Stemmer").Stemmer("english")
    from bm25s.stopwords import STOPWORDS_EN

    from workbook.data import load
    from workbook.metrics import evaluate

    docs = load(COLLECTIONS / name)
    stop = set(STOPWORDS_EN)
    index = BM25(tokenize=lambda text: stemmer.stemWords([word for word in words(text) if word not in stop]))
    run = index.index(docs.corpus).search(docs.queries, k=1000)
    assert evaluate(docs.qrels, run, tuple(expected)) == pytest.approx(expected, abs=0.01)
