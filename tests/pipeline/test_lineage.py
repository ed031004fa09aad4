"""No stage uses what is older than what it was made from, and nothing is lost to a wrong number or a wrong name."""

import json
import shutil

import numpy as np
import pytest

from tests.helpers.small import SHARD_ROWS, STAGES, collection, contents
from workbook import pipeline
from workbook.encoder import load
from workbook.pipeline import data_stage
from workbook.pipeline.encode_stage import query_vectors
from workbook.pipeline.manifests import again
from workbook.pipeline.train_stage import read_pairs

TRAIN = {"dimensions": 32, "vocab_size": 500, "steps": 24, "batch_size": 16, "save_every": 4, "max_length": 16}


@pytest.fixture
def work(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "work")
    return tmp_path / "work"


def test_what_was_made_anew_is_noticed_by_every_later_stage(work):
    pipeline.data(work, collection(seed=1), part_rows=100, anew=True)
    for name in ("encode", "search", "evaluate", "mine"):
        with pytest.raises(ValueError, match=r"model was made from .*data held before.* run `python -m workbook train"):
            STAGES[name](work)
    pipeline.train(work, **TRAIN, anew=True)
    with pytest.raises(ValueError, match=r"vectors was made from .*model held before.* workbook encode .* --anew"):
        pipeline.index(work, kind="flat")
    pipeline.encode(work, shard_rows=SHARD_ROWS, anew=True)
    with pytest.raises(ValueError, match=r"index was made from .*vectors held before.* workbook index .* --anew"):
        pipeline.search(work, "test", k=30)  # a split that has no run yet
    pipeline.index(work, lists=8, code_bytes=8, anew=True)
    for name in ("evaluate", "mine"):
        with pytest.raises(ValueError, match=r"runs/train was made from .* workbook search .*work train --anew"):
            STAGES[name](work)
    pipeline.search(work, "train", k=30, probes=4, anew=True)
    with pytest.raises(ValueError, match=r"evaluation/train was made differently: data was '?\w+…"):
        STAGES["evaluate"](work)


@pytest.mark.parametrize(
    "call",
    [
        lambda work: pipeline.train(work, split="nosuch", anew=True),
        lambda work: pipeline.train(work, **(TRAIN | {"dimensions": 0}), anew=True),
        lambda work: pipeline.train(work, lr=float("nan"), anew=True),
        lambda work: pipeline.train(work, encoder="statc", anew=True),
        lambda work: pipeline.train(work, encoder=str(work / "model"), anew=True),
        lambda work: pipeline.train(work, negatives=work, anew=True),
        lambda work: pipeline.train(work, split="test", negatives=work / "negatives/train", anew=True),
        lambda work: pipeline.encode(work, splits=["nosuch"], anew=True),
        lambda work: pipeline.encode(work, shard_rows=0, anew=True),
        lambda work: pipeline.encode(work, batch_size=0, anew=True),
        lambda work: pipeline.encode(work, processes=0, anew=True),
        lambda work: pipeline.search(work, "train", candidates=0, anew=True),
        lambda work: pipeline.search(work, "train", k=30, candidates=29, anew=True),
        lambda work: pipeline.evaluate(work, "train", metrics=["nosuch@3"], anew=True),
        lambda work: pipeline.evaluate(work, "train", metrics=["recall@100"], anew=True),  # of 30 results
        lambda work: pipeline.evaluate(work, "../../other/runs/train", anew=True),
        lambda work: pipeline.mine(work, "train", relative_margin=float("nan"), anew=True),
        lambda work: pipeline.mine(work, "train", sampling_strategy="best", anew=True),
        lambda work: pipeline.mine(work, "../train", anew=True),
        lambda work: pipeline.data(work, "nosuch", anew=True),
        lambda work: pipeline.data(work, collection(), part_rows=0, anew=True),
        lambda work: pipeline.data(work / "inside", work, anew=True),
    ],
)
def test_what_is_finished_outlives_a_wrong_number_or_name(work, call):
    before = contents(work)
    with pytest.raises((ValueError, KeyError, FileNotFoundError)) as raised:
        call(work)
    assert len(str(raised.value)) > 20  # what was expected, and what came
    assert contents(work) == before


def test_default_metrics_are_those_that_the_run_is_deep_enough_for(work):
    assert list(json.loads((work / "evaluation/train/manifest.json").read_text())["metrics"]) == [
        "ndcg@10",
        "mrr@10",
        "recall@10",
    ]
    pipeline.search(work, "test", k=5_000, probes=8)  # all there are
    assert "recall@100" in pipeline.evaluate(work, "test")["metrics"]


def test_a_split_without_queries_is_left_out_and_said(tmp_path):
    from dataclasses import replace

    small = collection(passages=40)
    empty = replace(small, splits={**small.splits, "dev": ()}, fingerprint="empty")
    pipeline.data(tmp_path, empty)
    pipeline.train(tmp_path, **(TRAIN | {"steps": 2}))
    pipeline.encode(tmp_path)
    pipeline.index(tmp_path, kind="flat")
    for stage in (pipeline.search, pipeline.evaluate, pipeline.mine):
        with pytest.raises(ValueError, match=r"'dev' of .* holds no query with a judgement; train has 5 queries"):
            stage(tmp_path, "dev")
    with pytest.raises(ValueError, match="'dev'"):
        pipeline.train(tmp_path, split="dev", anew=True)


def test_queries_that_were_not_encoded_are_encoded_by_the_search(whole, tmp_path):
    for name in ("data", "model"):
        shutil.copytree(whole / name, tmp_path / name)
    pipeline.encode(tmp_path, splits=["train"])
    pipeline.index(tmp_path, kind="flat")
    pipeline.search(tmp_path, "test", k=20)
    np.testing.assert_array_equal(query_vectors(tmp_path, "test"), query_vectors(whole, "test"))


def test_mined_negatives_train_the_next_model_in_a_work_folder_of_its_own(whole, tmp_path):
    """The loop: data, train, encode, index, search, mine, and train again, from the first model or from none."""
    work = tmp_path / "next"
    pipeline.data(work, whole)
    assert {k: v for k, v in contents(work).items() if k[0] != "."} == {
        name: content for name, content in contents(whole).items() if name.startswith("data/")
    }
    mined = whole / "negatives/train"
    manifest = pipeline.train(work, encoder=str(whole / "model"), negatives=mined, **TRAIN)
    assert set(manifest["inputs"]) == {"data", "encoder", "negatives"}
    assert manifest["settings"]["lr"] == 0.003  # as of a static encoder, which it goes on from
    pairs = read_pairs(work, "train", 10_000, 0, mined)
    assert {len(texts) for texts in pairs} == {2 + 3}
    small = collection()
    allowed = {(small.queries[q], small.corpus[p]) for q, judged in small.qrels.items() for p in judged}
    assert {texts[:2] for texts in pairs} <= allowed
    assert not {(query, negative) for query, _, *negatives in pairs for negative in negatives} & allowed
    for name in ("encode", "index", "search", "evaluate", "mine"):
        STAGES[name](work)
    pipeline.data(tmp_path / "other", collection(seed=1), part_rows=100)
    with pytest.raises(ValueError, match="mined from other data"):
        pipeline.train(tmp_path / "other", negatives=mined)


def test_without_steps_the_encoder_stays_as_it_is(whole, tmp_path):
    pipeline.data(tmp_path, whole)
    manifest = pipeline.train(tmp_path, encoder=str(whole / "model"), steps=0)
    assert manifest["steps_done"] == 0
    ours, theirs = load(tmp_path / "model"), load(whole / "model")
    assert (ours.encode(["a word"]) == theirs.encode(["a word"])).all()


def test_an_encoder_that_changed_is_another_input(whole, tmp_path):
    pipeline.data(tmp_path, whole)
    shutil.copytree(whole / "model", tmp_path / "first")
    pipeline.train(tmp_path, encoder=str(tmp_path / "first"), steps=0)
    (tmp_path / "first/workbook.json").write_text((tmp_path / "first/workbook.json").read_text() + " ")
    with pytest.raises(ValueError, match=r"encoder was \w+… and is now"):
        pipeline.train(tmp_path, encoder=str(tmp_path / "first"), steps=0)


def test_a_run_that_goes_on_counts_what_was_dropped_before_the_kill(tmp_path, monkeypatch):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "one"}\n{broken\n{"_id": "a", "text": "again"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "one"}\n')
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\nq\tb\t1\n")
    whole = pipeline.data(tmp_path / "whole", folder)
    assert sum(whole["dropped"]["counts"].values()) == 3

    def kill(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data_stage, "_write_qrels", kill)  # after corpus and queries
        with pytest.raises(KeyboardInterrupt):
            pipeline.data(tmp_path / "again", folder)
    pipeline.data(tmp_path / "again", folder)
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")


def test_advice_is_the_command_that_makes_what_is_missing(whole):
    assert again("w", "data", "data") == "python -m workbook data w SOURCE"
    assert again("w", "model", "train") == "python -m workbook train w"
    assert again("w", "runs/dev", "search") == "python -m workbook search w dev"
    assert again("w", "runs/dev-exact", "search") == "python -m workbook search w dev --exact"
    with pytest.raises(FileNotFoundError, match=r"workbook search .* test --exact` first"):
        pipeline.evaluate(whole, "test", exact=True)
