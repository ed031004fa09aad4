"""Every broken training is told apart, and a healthy one is left in peace."""

import math
import random
from dataclasses import replace

import pytest
import torch

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.train import Symptoms, diagnose, symptoms
from workbook.train.early_stopping import best, stopped_at

WORDS = [f"word{i}" for i in range(120)]
HEALTHY = Symptoms(
    gradient=True, moved=2.0, distinct=1.0, readable=1.0, spread=8.0, crowded_before=0.0, crowded=0.2, before=-0.3, after=-1.5
)  # fmt: skip


def pairs(count=400):
    rng = random.Random(0)
    rows = [rng.sample(WORDS, 8) for _ in range(count)]
    return [(" ".join(row[:4]), " ".join(row[2:])) for row in rows]


def encoder(kind="static", max_length=16):
    tokenizer = train_tokenizer(WORDS, vocab_size=200)
    torch.manual_seed(0)
    size = tokenizer.get_vocab_size()
    backbone = StaticEncoder(size, 64) if kind == "static" else TransformerEncoder(size, 32, 1, 2)
    return TextEncoder(tokenizer, backbone, max_length=max_length)


PAIRS = pairs()
BROKEN = {
    "none of the seven": {},
    "no gradient reaches the weights": {"embed": lambda e, texts: torch.tensor(e.encode(list(texts)))},
    "the learning rate is 0, or far too low": {"lr": 0.0},
    "one side is full of duplicates": {"pairs": [(query, PAIRS[0][1]) for query, _ in PAIRS]},
    "texts are cut to the same beginning": {
        "pairs": [(query, "word1 word2 word3 word4 " + d) for query, d in PAIRS], "encoder": encoder(max_length=4),
    },
    "the temperature is too high for these cosines": {"temperature": 20.0},
    "the learning rate is too high: all texts became one": {"encoder": encoder("transformer"), "lr": 1.0},
    "queries and passages do not belong together": {"pairs": list(zip([q for q, _ in PAIRS], sorted(d for _, d in PAIRS), strict=True))},
}  # fmt: skip


@pytest.mark.parametrize("told", BROKEN)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_leaf_is_recognized(told, seed):
    arguments = {"encoder": encoder(), "pairs": PAIRS, "lr": 0.02, "steps": 20, "batch_size": 32, "seed": seed}
    assert diagnose(symptoms(**{**arguments, **BROKEN[told]})) == told


def test_the_encoder_is_left_as_it_is():
    ours = encoder()
    before = ours.backbone.word.weight.clone()
    seen = symptoms(ours, PAIRS, lr=0.02, steps=3)
    assert torch.equal(ours.backbone.word.weight, before)
    assert seen.moved > 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "none of the seven"),
        ({"moved": 1e-5}, "the learning rate is 0, or far too low"),
        ({"after": math.nan, "crowded": math.nan}, "the learning rate is too high: all texts became one"),
        ({"crowded": 0.95, "after": 0.0, "moved": 200.0}, "the learning rate is too high: all texts became one"),
        ({"crowded": 0.95, "after": 0.0, "before": -1.2}, "the learning rate is too high: all texts became one"),
        ({"crowded": 0.95, "after": 0.0, "before": 2.0}, "queries and passages do not belong together"),
        # many pretrained models begin like that
        ({"crowded_before": 0.97, "crowded": 0.95}, "none of the seven"),
    ],
)
def test_what_a_training_of_its_own_does_not_show(changes, told):
    assert diagnose(replace(HEALTHY, **changes)) == told


def test_queries_that_are_all_one_are_duplicates_too():
    same = [("what is it", passage) for _, passage in PAIRS[:100]]
    assert diagnose(symptoms(encoder(), same, lr=0.02, steps=3)) == "one side is full of duplicates"


def test_pairs_known_by_heart_do_not_belong_together_for_that():
    """Read thirty times, even shuffled pairs have a loss that falls; pairs that were not read tell the difference."""
    shuffled = list(zip([q for q, _ in PAIRS[:80]], [d for _, d in PAIRS[1:80]] + [PAIRS[0][1]], strict=True))
    seen = symptoms(encoder(), shuffled, lr=0.02, steps=60, batch_size=32)
    assert diagnose(seen) == "queries and passages do not belong together"


def test_few_pairs_are_refused():
    with pytest.raises(ValueError, match="10 pairs or more"):
        symptoms(encoder(), PAIRS[:9], lr=0.02)


CURVE = [
    {"step": s, "domain": d, "general": 0.0} for s, d in ((10, 0.3), (20, 0.38), (30, 0.37), (40, 0.41), (50, 0.41))
]


@pytest.mark.parametrize(("patience", "step"), [(1, 30), (2, float("inf")), (3, float("inf"))])
def test_a_training_stops_at_the_look_that_uses_up_its_patience(patience, step):
    assert stopped_at(CURVE, patience) == step
    assert best(CURVE) == 40
