"""On small real collections the default of `train` helps queries that it never saw, or changes nothing."""

import shutil
from pathlib import Path

import pytest

from workbook import pipeline
from workbook.encoder import load
from workbook.metrics import evaluate
from workbook.pipeline.data_stage import read_qrels, read_queries, read_texts
from workbook.pipeline.validation import choose_validation
from workbook.similarity import dense_search

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared collections are not at hand"),
]


def ndcg(encoder, corpus, queries, qrels):
    run = dense_search(encoder, corpus, {id: queries[id] for id in qrels}, k=10)
    return evaluate(qrels, run, ["ndcg@10"])["ndcg@10"]


def cacm(work, tmp_path):
    """Abstracts alone: queries by structure to train on, and those of the collection to test with."""
    abstracts, own = tmp_path / "cacm", tmp_path / "own"
    abstracts.mkdir()
    (own / "qrels").mkdir(parents=True)
    shutil.copy(SHARED / "cacm/corpus.jsonl", abstracts)
    shutil.copy(SHARED / "cacm/queries.jsonl", own)
    shutil.copy(SHARED / "cacm/qrels/test.tsv", own / "qrels/own.tsv")
    pipeline.data(work, abstracts)
    pipeline.data(work, own, add="own")
    return "train", "own"


def cosqa(work, tmp_path):
    """500 pairs of dev to train on, 500 queries to test with."""
    pipeline.data(work, SHARED / "cosqa")
    return "dev", "test"


@pytest.mark.parametrize("prepare", [cacm, cosqa])
def test_the_default_ends_at_its_best_look_and_not_below_its_start(tmp_path, prepare):
    work = tmp_path / "work"
    split, test = prepare(work, tmp_path)
    pipeline.train(work, split=split, steps=0)
    start = load(work / "model")
    told = pipeline.train(work, split=split, anew=True)["validation"]
    trained, validation = load(work / "model"), choose_validation(work, split, start)
    best = max(look["ndcg@10"] for look in told["looks"])
    ends = ndcg(trained, validation.corpus, validation.queries, validation.qrels)
    assert ends >= best - 0.01
    assert ends >= ndcg(start, validation.corpus, validation.queries, validation.qrels)
    # And what it never saw: no worse, up to what chance gives.
    corpus, queries, qrels = read_texts(work, "corpus"), read_queries(work, test), read_qrels(work, test)
    assert ndcg(trained, corpus, queries, qrels) > ndcg(start, corpus, queries, qrels) - 0.02
