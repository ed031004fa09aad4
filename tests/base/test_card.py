"""What is measured, and the card that is written from it."""

import dataclasses
import random

import pytest
import torch

from workbook.base import Plan, ship
from workbook.base.card import card, head_card
from workbook.base.heads import HeadPlan
from workbook.base.measure import by_one_vector, measure
from workbook.data import Collection
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.support import machine


@pytest.fixture(scope="module")
def figures():
    rng = random.Random(0)
    words = [f"word{i}" for i in range(40)]
    corpus = {f"p{i}": " ".join(rng.choices(words, k=8)) for i in range(30)}
    queries = {f"q{i}": " ".join(corpus[f"p{i}"].split()[:3]) for i in range(12)}
    qrels = {f"q{i}": {f"p{i}": 1} for i in range(12)}
    collection = Collection("small", corpus, queries, qrels, {"test": tuple(queries)}, "none", "x")
    tokenizer = train_tokenizer(list(corpus.values()), vocab_size=120)
    torch.manual_seed(0)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 16, 1, 2, max_length=16)
    encoder = TextEncoder(tokenizer, backbone, max_length=16)
    search = by_one_vector(encoder)
    return measure({"start": search, "base": search}, {"small": collection}, tokenizer)


@pytest.fixture
def made():
    counts = {"texts": 1_000, "tuples": 300, "seen": 900, "date": "2026-01-01"}
    return {**counts, "hours": {"teacher": 0.2, "start": 1.5, "base": 0.3}, **machine.describe()}


def test_systems_and_differences_are_measured_on_the_same_queries(figures):
    found = figures["small"]
    assert (found["queries"], found["passages"]) == (12, 30)
    assert set(found["systems"]) == {"BM25", "start", "base"}
    assert found["systems"]["BM25"]["ndcg@10"] > 0.9  # a query is the beginning of its passage
    for row in found["systems"].values():
        assert row["low"] <= row["ndcg@10"] <= row["high"]
    assert found["gain"]["base over start"] == (0, 0, 0)  # it is one encoder
    mean, _, _ = found["gain"]["base over BM25"]
    assert mean == pytest.approx(found["systems"]["base"]["ndcg@10"] - found["systems"]["BM25"]["ndcg@10"])


def test_a_card_names_what_was_done_and_measured(figures, made):
    plan = Plan(layers=3, vector_steps=77, pair_steps=55, pair_share=0.5)
    start, base = (card(name, plan, made, figures) for name in ("start", "base"))
    bm25 = figures["small"]["systems"]["BM25"]["ndcg@10"]
    for text in (start, base):
        assert text.startswith('---\nlanguage: "en"\nlicense: "mit"\n')
        assert "3 layers of 256 dimensions" in text
        assert "77 steps of 256 of 1,000 texts" in text
        assert "with the seeds 101 to 112" in text
        assert "900 different texts" in text
        assert f"| small (12 among 30) | BM25 | {bm25:.3f} [" in text
    assert "55 steps of 64 of 300 pairs" in base
    assert "50% of them after" in base
    assert "Contrastive training" not in start
    assert "| small | BM25 | " in base.split("## What it can do")[1]


def test_the_card_of_a_head_names_its_lists_and_what_it_gains(figures, made):
    plan = dataclasses.asdict(HeadPlan(r=3, steps=21, batch_size=4, lr=0.001, num_negatives=5, range_max=40, seed=7))
    told = {"plan": plan, "lists": 77, "hours": 0.25, "made": made}
    renamed = {
        "small": {
            **figures["small"],
            "gain": {
                pair.replace("base over", "colbert over"): gain for pair, gain in figures["small"]["gain"].items()
            },
        }
    }
    text = head_card("colbert", {**told, "figures": renamed})
    assert "21 steps of 4 of 77 lists" in text
    assert "seed 7, 0.2 h" in text
    assert "5 drawn from the first 40" in text
    assert made["date"] in text
    assert "from workbook.base import load_colbert\n" in text
    assert "| small | BM25 | " in text


def test_another_plan_in_a_work_folder_is_refused(tmp_path):
    ship.same_plan(tmp_path / "plan.json", Plan())
    ship.same_plan(tmp_path / "plan.json", Plan())
    with pytest.raises(ValueError, match="a run with other layers, seed; give another --work"):
        ship.same_plan(tmp_path / "plan.json", Plan(layers=3, seed=1))


def test_hours_add_up_over_runs_that_were_stopped(tmp_path):
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ship.Hours(tmp_path / "hours.json").of("start", stopped)
    first = ship.Hours(tmp_path / "hours.json").spent["start"]
    again = ship.Hours(tmp_path / "hours.json")
    assert again.of("start", lambda: 7) == 7
    assert again.spent["start"] > first > 0
