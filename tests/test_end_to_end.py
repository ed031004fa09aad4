"""Two minutes that train every kind of model on real pages: what must hold, by margins that chance does not cross."""

import numpy as np
import pytest

from benchmarks import end_to_end as e2e
from workbook.data import load
from workbook.metrics import evaluate
from workbook.metrics.significance import bootstrap_ci
from workbook.rerank import ceiling

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def docs():
    return load("pydocs").split("test").sample(e2e.QUERIES, e2e.PASSAGES)


@pytest.fixture(scope="module")
def systems(docs):
    return e2e.train_all(docs)


@pytest.fixture(scope="module")
def per_query(docs, systems):
    """system -> metric -> (Q,)."""
    metrics = ("ndcg@10", "recall@20", "recall@100")
    found = {name: evaluate(docs.qrels, system.run, metrics, per_query=True) for name, system in systems.items()}
    return {name: {m: np.array([v[m][q] for q in docs.qrels]) for m in metrics} for name, v in found.items()}


def test_the_table_names_every_system_with_its_intervals(docs, systems, capsys):
    printed = e2e.table(e2e.judge([systems], docs))
    with capsys.disabled():
        print(f"\n{printed}")
    for name in systems:
        (line,) = [line for line in printed.splitlines() if line.startswith(f"{name}  ")]
        assert line.count("[") == (2 if name == e2e.BI else 3)
    assert len(systems) == 11
    assert all(set(system.run) == set(docs.queries) for system in systems.values())


def test_every_retriever_is_far_above_chance(docs, per_query):
    """A random ranking of the passages finds a query's only relevant one in its first ten with 10 / N."""
    chance = 10 / len(docs.corpus)
    assert chance < 0.01
    for name, values in per_query.items():
        assert bootstrap_ci(values["ndcg@10"]).low > (0.3 if name == e2e.CROSS else 0.35), name


def test_a_bag_of_vectors_finds_what_keyword_search_does_not(per_query):
    assert bootstrap_ci(per_query[e2e.BI]["recall@100"] - per_query["BM25"]["recall@100"]).low > 0.02


def test_matryoshka_keeps_what_truncation_loses(per_query):
    ndcg = {name: values["ndcg@10"] for name, values in per_query.items()}
    assert bootstrap_ci(ndcg[e2e.NESTED_SMALL] - ndcg[e2e.PLAIN]).low > 0  # a quarter of the vector
    assert bootstrap_ci(ndcg[e2e.NESTED] - ndcg[e2e.BI]).high > -0.02  # and the whole one costs little
    assert bootstrap_ci(ndcg[e2e.BI] - ndcg[e2e.PLAIN]).low > 0.05


def test_training_on_with_mined_negatives_breaks_nothing(per_query):
    for name in (e2e.CONTROL, e2e.HARD):
        assert (per_query[name]["ndcg@10"] - per_query[e2e.BI]["ndcg@10"]).mean() > -0.05


def test_a_reranker_orders_what_it_was_given_and_finds_nothing_else(docs, systems, per_query):
    first, again = systems[e2e.BI].run, systems[e2e.CROSS].run
    assert all(set(again[query]) == set(list(first[query])[: e2e.DEPTH]) for query in docs.queries)
    np.testing.assert_array_equal(per_query[e2e.CROSS]["recall@100"], per_query[e2e.BI]["recall@20"])
    assert per_query[e2e.CROSS]["ndcg@10"].mean() < ceiling(docs.qrels, first, e2e.DEPTH)
    assert all(set(systems[e2e.FUSED].run[query]) == set(again[query]) for query in docs.queries)
    fused = per_query[e2e.FUSED]["ndcg@10"]
    assert bootstrap_ci(fused - per_query[e2e.CROSS]["ndcg@10"]).low > 0  # the first score was worth keeping
    assert (fused - per_query[e2e.BI]["ndcg@10"]).mean() > -0.03
    # In random order each of the places is as likely for the relevant passage.
    chance = per_query[e2e.BI]["recall@20"] * (1 / np.log2(np.arange(2, 12))).sum() / e2e.DEPTH
    assert bootstrap_ci(per_query[e2e.CROSS]["ndcg@10"] - chance).low > 0.1


def test_bytes_of_a_passage_follow_from_the_shapes(docs, systems):
    size = {name: system.bytes_per_passage for name, system in systems.items()}
    N = len(docs.corpus)
    assert size[e2e.BI] == size[e2e.NESTED] == size[e2e.HARD] == size[e2e.CROSS] == size[e2e.FUSED] == 4 * e2e.SIZE
    assert size[e2e.PLAIN] == size[e2e.NESTED_SMALL] == 4 * e2e.SMALL
    tokens = (size[e2e.COLBERT] * N - 8 * N) / (4 * e2e.SMALL)  # beside a length of 8 bytes
    assert tokens == pytest.approx(round(tokens), abs=1e-6)
    assert 4 < tokens / N <= 96
    places = (size[e2e.SPLADE] * N - 8 * (e2e.VOCABULARY + 1)) / 8  # a number and a weight for each word in use
    assert places == pytest.approx(round(places), abs=1e-6)
    assert 4 < places / N < e2e.VOCABULARY / 4  # sparse
