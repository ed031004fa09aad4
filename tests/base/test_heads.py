"""The heads of the base: small files that turn it into a cross-encoder and into a ColBERT encoder."""

import dataclasses

import numpy as np
import pytest
import torch

from workbook.base import heads
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer

PLAN = heads.HeadPlan(r=2, steps=3, lr=0.02, batch_size=4, num_negatives=2, range_max=6, lists_of_a_source=12, worlds=1)
TEXTS = [f"{verb} the {noun}" for verb in ("sort", "read", "write", "join") for noun in ("list", "file", "path", "key")]


@pytest.fixture(scope="module")
def base():
    tokenizer = train_tokenizer(TEXTS, vocab_size=60)
    torch.manual_seed(1)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 16, 2, 2, max_length=32)
    return TextEncoder(tokenizer, backbone, max_length=32).eval()


@pytest.fixture
def rows(base):
    pairs = [(text.split(" the ")[1], text) for text in TEXTS]
    return heads.mined(base, *heads.by_text(pairs), PLAN)


def test_a_list_has_the_right_passage_first_and_no_other_answer(rows):
    assert len(rows) == len(TEXTS)
    for query, positive, *negatives in rows:
        assert query in positive
        assert len(negatives) == PLAN.num_negatives
        assert not any(query in negative for negative in negatives), "another answer became a negative"


def test_lists_of_the_worlds_hold_no_answer_as_a_negative(base, monkeypatch):
    monkeypatch.setattr(heads, "WORLDS", range(101, 102))
    monkeypatch.setattr(heads, "PASSAGES", 200)
    world = heads.planted(200, seed=101)
    number_of = {text: number for number, text in world.passages()}
    truths = {text: set(world.truths(query)) for query, text in world.queries(split="train")}
    found = heads.lists(base, {"planted": [], "docs": [(text[::-1], text) for text in TEXTS]}, PLAN)
    asked = [row for row in found if row[0] in truths]
    assert len(asked) == PLAN.lists_of_a_source
    for query, positive, *negatives in asked:
        assert number_of[positive] in truths[query]
        assert not truths[query] & {number_of[negative] for negative in negatives}
    assert sum(row[0] == row[1][::-1] for row in found) == PLAN.lists_of_a_source


def test_a_reader_learns_the_truth_of_the_worlds_and_of_documentation_what_is_near(base, monkeypatch):
    monkeypatch.setattr(heads, "WORLDS", range(101, 103))
    monkeypatch.setattr(heads, "PASSAGES", 200)
    world = heads.planted(200, seed=101)
    number_of = {text: number for number, text in world.passages()}
    truths = {text: set(world.truths(query)) for query, text in world.queries(split="train")}
    pairs = [(text.split(" the ")[1], text) for text in TEXTS]
    found = heads.reading_lists(base, {"pydocs": pairs}, PLAN)
    of_world = [row for row in found if row.query in truths]
    assert of_world, "no list of a world"
    for query, passages, labels in of_world:
        right = [number_of[passage] in truths[query] for passage in passages]
        assert right == [label > 0 for label in labels] == [True, False]
    of_docs = [row for row in found if row.query not in truths]
    asked = {query for query, _ in pairs}
    assert of_docs
    assert {row.query for row in of_docs} <= asked
    for query, passages, labels in of_docs:
        assert not any(query in passage for passage in passages), "the own passage is in its list"
        cosines = base.encode_query([query]) @ base.encode_document(list(passages)).T
        np.testing.assert_allclose(labels, cosines[0] / 0.05, atol=1e-4)  # no word of the query stands in them


@pytest.mark.parametrize("kind", ["cross_encoder", "colbert"])
def test_a_head_comes_back_from_its_file(kind, base, rows, tmp_path):
    make, read = heads.HEADS[kind].make, heads.HEADS[kind].read
    rows = lists_for(kind, rows)
    before = [p.clone() for p in base.parameters()]
    made = make(base, rows, PLAN, tmp_path / "work")
    assert all(torch.equal(p, old) for p, old in zip(base.parameters(), before, strict=True)), "the base has changed"
    heads.save_head(made, tmp_path / kind)
    back = read(tmp_path / kind, base)
    assert not back.training
    trained, loaded, untrained = (answers(model) for model in (made, back, fresh(kind, base)))
    learned = np.abs(trained - untrained).max()
    assert learned > 0
    assert np.abs(loaded - trained).max() < 0.02 * learned  # rounded to float16
    assert {path.suffix for path in (tmp_path / kind).iterdir()} == {".json", ".safetensors"}


def test_a_head_of_another_shape_is_refused(base, rows, tmp_path):
    made = heads.make_cross_encoder(base, lists_for("cross_encoder", rows), PLAN, tmp_path / "work")
    heads.save_head(made, tmp_path / "head")
    with pytest.raises(ValueError, match="belongs to another model"):
        heads.load_colbert(tmp_path / "head", base)


def test_the_work_of_another_plan_is_refused(base, rows, tmp_path):
    rows = lists_for("cross_encoder", rows)
    heads.make_cross_encoder(base, rows, PLAN, tmp_path)
    with pytest.raises(ValueError, match="lr"):
        heads.make_cross_encoder(base, rows, dataclasses.replace(PLAN, lr=1.0), tmp_path)


def answers(model) -> np.ndarray:
    if isinstance(model, heads.Reader):
        return model.predict([("list", text) for text in TEXTS])
    return model.encode_document(TEXTS)[0].numpy()


def fresh(kind, base):
    return heads.Reader(base) if kind == "cross_encoder" else heads.colbert_of(base)


def lists_for(kind, rows):
    if kind == "colbert":
        return rows
    return [heads.ReadingList(query, passages, (9.0, 0.0, 0.0)) for query, *passages in rows]
