"""Keywords, fusion and reranking are runs like others; evaluate compares them, and says what was searched."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small import collection, contents
from workbook import pipeline
from workbook.bm25 import BM25
from workbook.cross_encoder import CrossEncoder
from workbook.encoder import TransformerEncoder, load, train_tokenizer
from workbook.metrics import evaluate as evaluate_in_memory
from workbook.pipeline.data_stage import read_qrels
from workbook.pipeline.manifests import again, split_and_system
from workbook.pipeline.search_stage import chosen_systems
from workbook.pipeline.systems import read_reranker
from workbook.rerank import rerank, rrf

SMALL = collection()
QUERIES = {id: SMALL.queries[id] for id in SMALL.splits["test"]}


@pytest.fixture(scope="module")
def reranker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reranker") / "model"
    tokenizer = train_tokenizer(list(SMALL.corpus.values()), 300)
    CrossEncoder(tokenizer, TransformerEncoder(tokenizer.get_vocab_size(), 16, 1, 2, 32, max_length=64), 64).save(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def searched(whole, reranker, tmp_path_factory):
    work = tmp_path_factory.mktemp("systems") / "work"
    shutil.copytree(whole, work)
    pipeline.search(work, "test", "bm25,dense,rrf", reranker, k=30, rerank_depth=10, probes=4, limit=60)
    return work


def run_of(work, name):
    run: dict[str, dict[str, float]] = {}
    for line in (work / "runs" / name / "run.tsv").read_text().splitlines():
        query_id, _, passage_id, rank, _, _ = line.split("\t")
        run.setdefault(query_id, {})[passage_id] = -float(rank)
    return run


def order(run):
    return {id: list(found) for id, found in run.items() if found}


def test_keywords_are_those_of_bm25(searched):
    few = dict(list(QUERIES.items())[:60])
    assert order(run_of(searched, "test-bm25")) == order(BM25().index(SMALL.corpus).search(few, 30))


def test_fusion_is_rrf_of_the_two_runs(searched):
    fused = rrf([run_of(searched, "test-bm25"), run_of(searched, "test")])
    found = order(run_of(searched, "test-rrf"))
    for id, ids in order(fused).items():  # equal scores may stand in another order where one system found nothing
        assert [fused[id][one] for one in found[id]] == pytest.approx([fused[id][one] for one in ids[:30]])


def test_reranking_reads_the_first_of_the_last_system(searched, reranker):
    base = {id: dict(list(found.items())[:10]) for id, found in run_of(searched, "test-rrf").items()}
    expected = rerank(CrossEncoder.load(reranker), base, QUERIES, SMALL.corpus, 10)
    assert order(run_of(searched, "test-rrf-rerank")) == order(expected)


@pytest.mark.parity
def test_a_cross_encoder_of_sentence_transformers_is_one(reranker, tmp_path):
    from sentence_transformers import CrossEncoder as Theirs

    theirs = Theirs(str(reranker))
    theirs.save(str(tmp_path / "theirs"))
    (tmp_path / "theirs/workbook.json").unlink(missing_ok=True)
    pairs = [(query, text) for query, text in zip(QUERIES.values(), SMALL.corpus.values(), strict=False)]
    np.testing.assert_allclose(read_reranker(tmp_path / "theirs").predict(pairs), theirs.predict(pairs), atol=1e-5)


def test_evaluate_compares_all_runs_of_the_split(searched):
    told = pipeline.evaluate(searched, "test")
    lines = told["summary"].splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["system", "dense", "bm25", "rrf", "rrf-rerank"]
    expected = evaluate_in_memory(
        {id: SMALL.qrels[id] for id in list(QUERIES)[:60]}, run_of(searched, "test-bm25"), ["ndcg@10"]
    )["ndcg@10"]
    found = json.loads((searched / "evaluation/test-bm25/evaluation.json").read_text())
    assert found["metrics"]["ndcg@10"]["mean"] == pytest.approx(expected)
    assert f"{expected:.3f}" in lines[2]
    assert "ivfpq of 900 vectors, approximate: 4 of 8 lists, 120 candidates scored again" in lines[1]
    assert "the words of all 900 passages" in lines[2]
    assert any(line.startswith("dense does not beat BM25: ndcg@10 -0.") for line in lines)
    assert "–" not in lines[1]
    pipeline.search(searched, "train", k=30, probes=4, batch_queries=16)
    assert "BM25 was not asked" in pipeline.evaluate(searched, "train")["summary"]


def test_a_run_that_is_added_needs_nothing_anew(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "work")
    work = tmp_path / "work"
    before = pipeline.evaluate(work, "train")
    pipeline.search(work, "train", "bm25", k=30)
    after = pipeline.evaluate(work, "train")
    assert after["metrics"] == before["metrics"]
    assert "bm25" in after["summary"]
    assert contents(whole).items() <= contents(work).items()


def test_queries_without_a_relevant_passage_are_counted(tmp_path):
    nothing = list(QUERIES)[:40]
    qrels = {**SMALL.qrels, **{id: dict.fromkeys(SMALL.qrels[id], 0) for id in nothing}}
    pipeline.data(tmp_path, replace(SMALL, qrels=qrels, fingerprint="nothing"))
    pipeline.search(tmp_path, "test", "bm25")  # keywords need no model
    told = pipeline.evaluate(tmp_path, "test")
    Q = len(QUERIES)
    assert told["queries without a relevant passage"] == 40
    share = told["metrics"]["ndcg@10"]["mean"] / told["mean of the others"]["ndcg@10"]
    assert share == pytest.approx((Q - 40) / Q)
    assert f"of {Q - 40}" in told["summary"]
    assert "40 of them have no relevant passage and count as 0" in told["summary"]


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_of_keywords_goes_on(whole, tmp_path, monkeypatch, processes):
    work = tmp_path / "work"
    shutil.copytree(whole, work)
    shutil.copytree(whole, tmp_path / "other")
    from workbook.pipeline import search_stage

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search_stage, "_join", killed)
        with pytest.raises(KeyboardInterrupt):
            pipeline.search(work, "test", "rrf", k=20, batch_queries=16)
    assert list((work / "runs/test-bm25").glob("part-*.npy"))
    for each in (work, tmp_path / "other"):
        pipeline.search(each, "test", "rrf", k=20, batch_queries=16, processes=processes)
    assert contents(work) == contents(tmp_path / "other")


def test_keywords_of_other_data_are_built_anew(tmp_path):
    pipeline.data(tmp_path, SMALL)
    pipeline.search(tmp_path, "test", "bm25")
    pipeline.data(tmp_path, collection(seed=1), anew=True)
    pipeline.search(tmp_path, "test", "bm25", anew=True)
    assert (
        json.loads((tmp_path / "bm25/manifest.json").read_text())["inputs"]["data"]
        == json.loads((tmp_path / "data/manifest.json").read_text())["fingerprint"]
    )


@pytest.mark.parametrize(("N", "kind"), [(300, "flat"), (301, "ivfpq")])
def test_the_index_is_exact_where_that_costs_nothing(tmp_path, monkeypatch, N, kind):
    monkeypatch.setattr("workbook.pipeline.index_stage.EXACT_UP_TO", 300)
    pipeline.data(tmp_path, collection(N))
    pipeline.train(tmp_path, dimensions=16, vocab_size=300, steps=2, batch_size=8)
    pipeline.encode(tmp_path)
    assert pipeline.index(tmp_path)["settings"]["kind"] == kind


def test_systems_have_an_order_and_names():
    assert chosen_systems("rrf") == chosen_systems(["dense", "bm25", "rrf"]) == ["bm25", "dense", "rrf"]
    with pytest.raises(ValueError, match="the systems are bm25, dense, rrf, got 'splade'"):
        chosen_systems("bm25,splade")
    assert split_and_system("dev-small") == ("dev-small", "")
    assert split_and_system("dev-small-dense-rerank") == ("dev-small", "dense-rerank")
    assert again("w", "runs/dev-bm25", "search") == "python -m workbook search w dev --with bm25"
    assert again("w", "runs/a-b-rrf-rerank", "search").endswith("search w a-b --with bm25,dense,rrf --rerank MODEL")


# --- splits that are added later ---------------------------------------------------------------------------


def a_folder(folder, queries, judged):
    (folder / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": id, "text": text}) for id, text in queries.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    rows = [f"{query}\t{passage}\t{grade}" for query, one in judged.items() for passage, grade in one.items()]
    (folder / "qrels/real.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows))
    return folder


@pytest.mark.parametrize("form", ["folder", "collection"])
def test_a_split_that_is_added_leaves_vectors_and_index_alone(whole, tmp_path, form):
    work = tmp_path / "work"
    shutil.copytree(whole, work)
    queries = {"r1": SMALL.corpus["p3"], "r2": SMALL.corpus["p8"]}
    judged = {"r1": {"p3": 2, "p4": 0}, "r2": {"p8": 1, "unknown": 1}}
    source = (
        a_folder(tmp_path / "more", queries, judged)
        if form == "folder"
        else replace(SMALL, queries=queries, qrels=judged, splits={"real": ("r1", "r2")}, fingerprint="more")
    )
    added = pipeline.data(work, source, add="real")
    assert (added["queries"], added["judgements"]) == (2, 3)
    assert read_qrels(work, "real") == {"r1": {"p3": 2, "p4": 0}, "r2": {"p8": 1}}
    pipeline.search(work, "real", "bm25,dense,rrf", k=20, probes=8)
    assert pipeline.evaluate(work, "real")["queries"] == 2
    assert contents(whole).items() <= contents(work).items()
    vectors = load(work / "model").encode_query(list(queries.values())).astype(np.float16)
    np.testing.assert_array_equal(np.load(work / "queries/real/vectors.npy"), vectors)
    with pytest.raises(KeyError, match="has no split 'real'"):
        pipeline.train(work, split="real", anew=True)
    pipeline.data(work, collection(seed=1), part_rows=100, anew=True)
    with pytest.raises(
        ValueError, match=r"splits/real was made from .*data held before.* data .* SOURCE --add real --anew"
    ):
        pipeline.evaluate(work, "real")


def test_of_several_splits_one_is_named(whole, tmp_path):
    several = replace(SMALL, fingerprint="several")
    with pytest.raises(KeyError, match="has no split 'real' to add; it has train, test"):
        pipeline.data(whole, several, add="real")
    shutil.copytree(whole / "data", tmp_path / "data")
    only = replace(SMALL, splits={"test": SMALL.splits["test"]}, fingerprint="only")
    assert pipeline.data(tmp_path, only, add="real")["queries"] == len(SMALL.splits["test"])


@pytest.mark.parametrize(
    ("name", "judged", "error", "message"),
    [
        ("train", {"r1": {"p3": 1}}, ValueError, "has a split 'train', which came with its passages"),
        ("real", {"r1": {"unknown": 1}}, ValueError, "names a query of its own and a passage of"),
        ("../real", {"r1": {"p3": 1}}, ValueError, "must be of letters"),
        ("a-bm25", {"r1": {"p3": 1}}, ValueError, "nor with -exact, -bm25"),
    ],
)
def test_a_split_that_cannot_be_added_is_said(whole, tmp_path, name, judged, error, message):
    folder = a_folder(tmp_path / "more", {"r1": "a text"}, judged)
    before = contents(whole)
    with pytest.raises(error, match=message):
        pipeline.data(whole, folder, add=name)
    assert {file: content for file, content in contents(whole).items() if file[0] != "."} == {
        file: content for file, content in before.items() if file[0] != "."
    }
