"""Reranking: what it reads, what it cannot find, and what a stage says of itself."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.bm25 import BM25
from workbook.metrics import evaluate
from workbook.rerank import ceiling, rerank, search_in_stages
from workbook.rerank.fusion import score_fusion

CORPUS = {"a": "red", "b": "red green", "c": "green", "d": "blue blue", "e": "red blue"}
QUERIES = {"1": "red", "2": "blue"}


class LongestFirst:
    """A judge of texts that likes length, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def predict(self, pairs):
        self.asked.append(list(pairs))
        return [float(len(passage)) for _, passage in pairs]


def test_rerank_by_hand():
    model, run = LongestFirst(), {"1": {"a": 0.9, "b": 0.8, "e": 0.7, "c": 0.1}, "2": {"d": 2.0}}
    assert rerank(model, run, QUERIES, CORPUS, depth=2) == {"1": {"b": 9.0, "a": 3.0}, "2": {"d": 9.0}}
    assert model.asked == [[("red", "red"), ("red", "red green"), ("blue", "blue blue")]]


def test_the_first_are_the_best_scores_not_the_first_to_stand_there():
    run = {"1": {"c": 0.1, "a": 0.9}}
    assert list(rerank(LongestFirst(), run, QUERIES, CORPUS, depth=1)["1"]) == ["a"]


def test_equal_new_scores_keep_the_old_order():
    run = {"1": {"d": 1.0, "b": 3.0, "e": 2.0}}
    same = type("Same", (), {"predict": lambda self, pairs: [1.0] * len(pairs)})()
    assert list(rerank(same, run, QUERIES, CORPUS)["1"]) == ["b", "e", "d"]


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
def test_chunks_change_nothing(chunk_size):
    model, run = LongestFirst(), {"1": {"a": 3, "b": 2, "c": 1}, "2": {"d": 2, "e": 1}, "empty": {}}
    queries = {**QUERIES, "empty": ""}
    assert rerank(model, run, queries, CORPUS, chunk_size=chunk_size) == rerank(LongestFirst(), run, queries, CORPUS)
    assert max(map(len, model.asked)) <= chunk_size


passages = st.sampled_from("abcdefgh")
runs = st.dictionaries(st.sampled_from("123"), st.dictionaries(passages, st.integers(0, 4).map(float), max_size=8))
judgements = st.dictionaries(
    st.sampled_from("123"), st.dictionaries(passages, st.integers(0, 3), min_size=1), min_size=1
)


@pytest.mark.filterwarnings("ignore:.*count as 0")
@settings(deadline=None)  # another process may take the processor
@given(judgements, runs, st.integers(1, 8), st.integers(0, 10_000))
def test_no_reranker_finds_what_was_never_retrieved(qrels, run, depth, seed):
    class Any:
        def predict(self, pairs):
            return [seed * ord(passage) % 5 for _, passage in pairs]  # ties too

    texts = {passage: passage for passage in "abcdefgh"}
    new = rerank(Any(), run, {query: query for query in "123"}, texts, depth)
    assert all(set(new[query]) <= set(run[query]) and len(new[query]) <= depth for query in run)
    most = evaluate(qrels, run, [f"recall@{depth}"])[f"recall@{depth}"]
    assert ceiling(qrels, run, depth, "recall@100") == most
    assert evaluate(qrels, new, ["recall@100"])["recall@100"] == most  # the same passages, in another order
    for metric in ("recall@2", "ndcg@3", "ndcg@10", "mrr@10", "map"):
        assert evaluate(qrels, new, [metric])[metric] <= ceiling(qrels, run, depth, metric) + 1e-12


def test_a_ceiling_by_hand():
    qrels, run = {"1": {"a": 1, "z": 1}}, {"1": {"b": 3.0, "c": 2.0, "a": 1.0}}
    assert ceiling(qrels, run, 2, "mrr@10") == 0
    assert ceiling(qrels, run, 3, "mrr@10") == 1
    assert ceiling(qrels, run, 3, "recall@10") == 0.5  # z was never retrieved


def test_stages_by_hand():
    ticks = itertools.accumulate(itertools.cycle([10.0, 1.0]))  # every stage takes a second
    first = BM25().index(CORPUS)
    retrievers = {"bm25": first.search, "fixed": lambda queries, k: {query: {"c": 1.0, "d": 0.5} for query in queries}}
    model = LongestFirst()
    run, stages = search_in_stages(retrievers, QUERIES, CORPUS, model, 3, rerank_depth=2, clock=lambda: next(ticks))
    assert [stage.name for stage in stages] == ["retrieve: bm25", "retrieve: fixed", "fuse", "rerank"]
    assert [stage.seconds for stage in stages] == [1.0] * 4
    assert stages[0].run == first.search(QUERIES, 3)
    assert stages[2].read == (3 + 2 + 2 + 2) / 2
    assert stages[3].read == 2
    assert sum(map(len, model.asked)) == 4
    assert run == stages[3].run == rerank(LongestFirst(), stages[2].run, QUERIES, CORPUS, 2)
    assert repr(stages[0]) == "retrieve: bm25: the corpus -> 2 passages, 500.0 ms per query"
    assert repr(stages[3]) == "rerank: 2 passages -> 2 passages, 500.0 ms per query"


def test_one_retriever_needs_no_fusion_and_a_reranker_is_optional():
    first = BM25().index(CORPUS)
    run, stages = search_in_stages({"bm25": first.search}, QUERIES, CORPUS)
    assert run == first.search(QUERIES, 100)
    assert [stage.name for stage in stages] == ["retrieve: bm25"]
    both = {"one": first.search, "two": first.search}
    fused, _ = search_in_stages(both, QUERIES, CORPUS, fuse=lambda runs: score_fusion(runs, [1.0, 0.0], norm=None))
    assert fused == run
    assert search_in_stages({"bm25": first.search}, {}, CORPUS, LongestFirst())[0] == {}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rerank(LongestFirst(), {}, QUERIES, CORPUS, depth=0),
            ValueError,
            "depth must be at least",
        ),
        (lambda: rerank(LongestFirst(), {"9": {"a": 1}}, QUERIES, CORPUS), KeyError, "query '9' and passage 'a'"),
        (lambda: rerank(LongestFirst(), {"1": {"z": 1}}, QUERIES, CORPUS), KeyError, "one of which has no text"),
        (
            lambda: rerank(type("Two", (), {"predict": lambda s, pairs: [[1, 2]]})(), {"1": {"a": 1}}, QUERIES, CORPUS),
            ValueError,
            "one finite score for each of 1 pairs, got 2",
        ),
        (lambda: ceiling({"1": {"a": 1}}, {}, 0), ValueError, "depth must be at least 1"),
        (lambda: search_in_stages({}, QUERIES, CORPUS), ValueError, "expected a retriever"),
        (
            lambda: search_in_stages({"x": lambda q, k: {}}, QUERIES, CORPUS, retrieve_depth=0),
            ValueError,
            "positive retrieve_depth",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
