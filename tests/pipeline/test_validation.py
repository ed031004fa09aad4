"""A training is measured on what it does not learn from, ends at its best look, and says whether BM25 is better."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.small import collection, contents
from workbook import pipeline
from workbook.bm25 import BM25
from workbook.encoder import load
from workbook.metrics import evaluate
from workbook.pipeline.data_stage import read_qrels
from workbook.pipeline.pairs import read_pairs
from workbook.pipeline.validation import choose_validation, held_out_size
from workbook.similarity import dense_search

SMALL = collection()
TRAIN = {"dimensions": 32, "vocab_size": 500, "max_length": 16, "batch_size": 16}


@pytest.fixture
def work(tmp_path):
    pipeline.data(tmp_path / "work", SMALL)
    return tmp_path / "work"


def ndcg(encoder, validation):
    run = dense_search(encoder, validation.corpus, validation.queries, k=10)
    return evaluate(validation.qrels, run, ["ndcg@10"])["ndcg@10"]


@pytest.mark.parametrize("lr", [0.003, 100.0])
def test_it_ends_at_its_best_look_and_never_below_its_start(work, lr):
    manifest = pipeline.train(work, **TRAIN, lr=lr, steps=60)
    told = manifest["validation"]
    looks = {look["step"]: look["ndcg@10"] for look in told["looks"]}
    assert list(looks)[:2] == [0, 6]
    assert looks[told["best_step"]] == max(looks.values()) >= looks[0]
    encoder = load(work / "model")
    validation = choose_validation(work, "train", encoder)
    assert ndcg(encoder, validation) == looks[told["best_step"]]
    history = json.loads((work / "model/history.json").read_text())
    assert manifest["steps_done"] == len(history) == max(looks)
    assert max(looks) in (60, told["best_step"] + 5 * 6)  # five looks without a new best
    bm25 = BM25().index(validation.corpus).search(validation.queries, 10)
    assert told["bm25"] == evaluate(validation.qrels, bm25, ["ndcg@10"])["ndcg@10"]
    assert f"BM25 {told['bm25']:.3f}, {'not ' * (told['bm25'] >= max(looks.values()))}beaten" in manifest["reached"]


def test_what_is_held_out_follows_the_texts(tmp_path):
    """Other ids, another order and other passages around them change nothing."""
    named = {id: f"other-{id}" for id in SMALL.corpus}
    corpus = {named[id]: SMALL.corpus[id] for id in reversed(SMALL.corpus)}
    qrels = {f"x{id}": {named[p]: 1 for p in judged} for id, judged in reversed(SMALL.qrels.items())}
    again = replace(
        SMALL, corpus=corpus | {"one more": "of another kind"}, queries={f"x{id}": text for id, text in SMALL.queries.items()},
        qrels=qrels, splits={"train": tuple(f"x{id}" for id in SMALL.splits["train"])}, fingerprint="again",
    )  # fmt: skip
    texts = []
    for name, made in (("one", SMALL), ("two", again)):
        pipeline.data(tmp_path / name, made)
        pipeline.train(tmp_path / name, **TRAIN, steps=0)
        validation = choose_validation(tmp_path / name, "train", load(tmp_path / name / "model"))
        texts.append({made.queries[id] for id in validation.held_out})
        assert len(texts[-1]) == held_out_size(len(SMALL.splits["train"])) == 28
        pairs = read_pairs(tmp_path / name, "train", 10_000, 0, validation=validation)
        assert not texts[-1] & {query for query, _ in pairs}
    assert texts[0] == texts[1]


def test_what_is_alike_is_not_trained_on(tmp_path):
    """Copies of all passages, which other queries ask for, or whose queries are the same."""
    ids = SMALL.splits["train"]
    copies = {f"copy-{id}": f"{SMALL.corpus[next(iter(SMALL.qrels[id]))].upper()} !" for id in ids}
    asked = {f"again-{id}": SMALL.queries[id][::-1] for id in ids}
    doubled = replace(
        SMALL, corpus={**SMALL.corpus, **copies}, queries={**SMALL.queries, **asked},
        qrels={**SMALL.qrels, **{f"again-{id}": {f"copy-{id}": 1} for id in ids}},
        splits={"train": (*ids, *asked)}, fingerprint="doubled",
    )  # fmt: skip
    pipeline.data(tmp_path, doubled)
    pipeline.train(tmp_path, **TRAIN, steps=0)
    validation = choose_validation(tmp_path, "train", load(tmp_path / "model"))
    pairs = read_pairs(tmp_path, "train", 10_000, 0, validation=validation)
    held = {doubled.corpus[id].lower().strip(" !") for judged in validation.qrels.values() for id in judged}
    assert len(pairs) == 2 * (len(ids) - len(held))
    assert not held & {text.lower().strip(" !") for _, text in pairs}


@pytest.mark.parametrize(("Q", "held"), [(1, 0), (4, 1), (100, 25), (500, 100), (1_259, 125), (10**6, 500)])
def test_how_many_are_held_out(Q, held):
    assert held_out_size(Q) == held


def test_a_split_for_development_is_used_as_it_is_and_a_test_query_never(tmp_path):
    train, test = SMALL.splits["train"], SMALL.splits["test"]
    named = replace(SMALL, splits={"train": train, "dev": test[:50], "test": test[50:]}, fingerprint="named")
    pipeline.data(tmp_path, named)
    manifest = pipeline.train(tmp_path, **TRAIN, steps=10)
    validation = choose_validation(tmp_path, "train", load(tmp_path / "model"))
    assert manifest["validation"]["source"] == "queries of dev"
    assert set(validation.queries) == set(test[:50])
    assert manifest["pairs"] == len(train)
    other = choose_validation(tmp_path, "dev", load(tmp_path / "model"))
    assert set(other.queries) < set(test[:50])  # a training on dev holds out of dev


def test_the_steps_fit_the_pairs_and_too_many_are_said(work):
    assert pipeline.train(work, **TRAIN)["settings"]["steps"] == 70  # 10 epochs of 112 pairs
    with pytest.warns(UserWarning, match=r"400 steps of 16 are 57 epochs of 112 pairs.*70 steps are 10"):
        manifest = pipeline.train(work, **TRAIN, steps=400, anew=True)
    assert manifest["steps_done"] <= 400
    assert manifest["epochs"] == round(manifest["steps_done"] * 16 / 84, 2)


def test_mined_negatives_are_mixed_with_the_old_pairs(whole, tmp_path):
    pipeline.data(tmp_path, whole)
    plain, mixed = (
        read_pairs(tmp_path, "train", 10_000, 0, negatives) for negatives in (None, whole / "negatives/train")
    )
    mined = json.loads((whole / "negatives/train/manifest.json").read_text())["counts"]["queries kept"]
    assert len(mixed) == len(plain) + mined
    assert sorted({texts[:2] for texts in mixed}) == sorted(plain)
    judged = read_qrels(tmp_path, "train")
    positives = {SMALL.queries[id]: {SMALL.corpus[p] for p in judged[id]} for id in judged}
    assert not any(set(negatives) & positives[query] for query, _, *negatives in mixed)


def test_the_next_round_never_ends_below_the_model_it_began_with(whole, tmp_path):
    pipeline.data(tmp_path, whole)
    mined = whole / "negatives/train"
    manifest = pipeline.train(tmp_path, encoder=str(whole / "model"), negatives=mined, batch_size=16, lr=0.5)
    validation = choose_validation(tmp_path, "train", load(tmp_path / "model"))
    assert ndcg(load(tmp_path / "model"), validation) >= ndcg(load(whole / "model"), validation)
    assert manifest["validation"]["looks"][0]["ndcg@10"] == ndcg(load(whole / "model"), validation)


def test_nothing_to_hold_out_is_a_training_without_looks(tmp_path):
    one = replace(SMALL, splits={"train": SMALL.splits["train"][:1]}, fingerprint="one")
    pipeline.data(tmp_path, one)
    assert "reached" not in pipeline.train(tmp_path, **TRAIN, steps=3)


def test_a_folder_of_sentence_transformers_is_gone_on_from(tmp_path):
    from sentence_transformers import SentenceTransformer

    pipeline.data(tmp_path / "first", SMALL)
    pipeline.train(tmp_path / "first", encoder="transformer", dimensions=16, layers=1, vocab_size=300, steps=2)
    theirs = SentenceTransformer(str(tmp_path / "first/model"))
    theirs.save(str(tmp_path / "theirs"))
    pipeline.data(tmp_path / "next", SMALL)
    manifest = pipeline.train(tmp_path / "next", encoder=str(tmp_path / "theirs"), steps=0)
    assert manifest["settings"]["encoder"] == "theirs"
    np.testing.assert_allclose(load(tmp_path / "next/model").encode(["a text"]), theirs.encode(["a text"]), atol=1e-5)
    shutil.rmtree(tmp_path / "first")
    assert contents(tmp_path / "next")
