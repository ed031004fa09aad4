"""The rules of claims 50 to 53 and 69 can fall either way, and what they train on is not what they test on."""

import numpy as np
import pytest
import torch

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims.chapter_18 import (
    AVERAGES,
    CLAIMS,
    FAR,
    FULL,
    LONGER,
    LOOKS,
    LOW_RANK,
    MIXED,
    NEAR,
    OLD_ALONE,
    RANK,
    REMEDIES,
    SIZES,
    STAGED,
    STRONG,
    TOGETHER,
    WEAK,
    domains,
    footprint,
    joined,
    old,
    old_pairs,
    own,
    own_pairs,
    parts_of,
    result,
    rows_of,
    steps_for,
    trained,
    world,
)
from workbook.claims.measuring import TUNING_SEED, texts_of
from workbook.data import Collection
from workbook.data.seen import hashes
from workbook.encoder import load
from workbook.encoder.shipped import seen_by

PAIRS, LORA_CLAIM, FORGETTING, STAGES, AVERAGE = CLAIMS
BESIDE = {"new": {"base": 0.5, "BM25": 0.4}}


def pairs(gains, ahead):
    return {
        "beside": BESIDE,
        "gain": gains,
        "gain of old pairs": TIED,
        "gain of few, as long": TIED,
        "own minus old pairs": ahead,
    }


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [
        (pairs({"32": TIED, "384": UP}, UP), pairs({"32": DOWN, "8192": UP}, UP), "holds"),
        (pairs({"384": UP}, UP), pairs({"8192": TIED}, UP), "depends"),
        (pairs({"384": UP}, UP), pairs({"8192": UP}, TIED), "depends"),  # any pairs would have done
        (pairs({"32": UP, "384": TIED}, UP), pairs({"8192": DOWN}, UP), "misleading"),
        (pairs({"384": [0.02, 0.01, 0.03]}, UP), pairs({"8192": TIED}, UP), "not settled here"),
    ],
)
def test_the_number_of_pairs_can_fall_either_way(near, far, verdict):
    found = PAIRS.decide({NEAR: near, FAR: far})
    assert found.verdict == verdict
    assert len(found.intervals) == len(near["gain"]) + len(far["gain"]) + 2


def test_it_is_told_from_which_number_on_the_gain_counts():
    found = PAIRS.decide({FAR: pairs({"32": TIED, "2048": UP, "8192": UP}, UP)})
    assert "2,048 are enough" in found.because
    assert "none are enough" in PAIRS.decide({FAR: pairs({"32": TIED}, UP)}).because


def lora(few, most, held):
    memory = {FULL: 100, LOW_RANK: held}
    return {
        "domains": {d: {"LoRA minus full": {"few": few[i], "most": most[i]}} for i, d in enumerate((NEAR, FAR))},
        "memory": {
            arm: {"trained numbers": n, "activations": n // 2, "gradients and optimizer": n - n // 2}
            for arm, n in memory.items()
        },
    }


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (lora([UP, UP], [TIED, TIED], 20), "holds"),
        (lora([UP, UP], [TIED, TIED], 80), "depends"),  # close, and with less data, but not with less memory
        (lora([TIED, UP], [TIED, TIED], 20), "depends"),
        (lora([TIED, TIED], [DOWN, TIED], 20), "depends"),
        (lora([UP, UP], [DOWN, DOWN], 20), "misleading"),
        (lora([UP, UP], [TIED, TIED], 100), "misleading"),
        (lora([TIED, DOWN], [[-0.01, -0.04, 0.02]] * 2, 20), "not settled here"),
    ],
)
def test_lora_can_fall_either_way(found, verdict):
    assert LORA_CLAIM.decide(found).verdict == verdict


def forgetting(narrow, kept, half):
    return {
        "narrow": {"new": UP, "old": narrow},
        "kept": dict.fromkeys(REMEDIES, UP) | {MIXED: kept},
        "more than half of the gain": dict.fromkeys(REMEDIES, UP) | {MIXED: half},
    }


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [
        (forgetting(DOWN, UP, UP), forgetting(DOWN, UP, UP), "holds"),
        (forgetting(DOWN, UP, UP), forgetting(DOWN, TIED, UP), "depends"),
        (forgetting(DOWN, UP, UP), forgetting(DOWN, UP, TIED), "depends"),  # who learns nothing forgets nothing
        (forgetting(TIED, UP, UP), forgetting(DOWN, UP, UP), "depends"),
        (forgetting(TIED, UP, UP), forgetting(TIED, UP, UP), "misleading"),
        (forgetting([0.0, -0.05, 0.05], UP, UP), forgetting(TIED, UP, UP), "not settled here"),
    ],
)
def test_forgetting_can_fall_either_way(near, far, verdict):
    assert FORGETTING.decide({NEAR: near, FAR: far}).verdict == verdict


def stages(strong, weak):
    ahead = {STRONG: strong, WEAK: weak}
    return {"staged minus": ahead, "staged minus both in one": TIED, "gain": dict.fromkeys((STRONG, WEAK, STAGED), UP)}


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [
        (stages(UP, UP), stages(UP, UP), "holds"),
        (stages(UP, UP), stages(TIED, UP), "depends"),
        (stages(DOWN, DOWN), stages(DOWN, DOWN), "misleading"),
        (stages(TIED, TIED), stages(TIED, TIED), "not settled here"),
    ],
)
def test_stages_can_fall_either_way(near, far, verdict):
    assert STAGES.decide({NEAR: near, FAR: far}).verdict == verdict


def average(changed, above):
    return {
        "adapted minus base": dict(zip(("new", "old"), changed, strict=True)),
        "above the middle": dict(zip(("new", "old"), above, strict=True)),
        "minus": {MIXED: {"new": TIED, "old": TIED}},
    }


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [
        (average((UP, DOWN), (UP, UP)), average((UP, DOWN), (UP, UP)), "holds"),
        (average((UP, TIED), (DOWN, DOWN)), average((UP, DOWN), (UP, UP)), "holds"),  # where nothing was lost, nothing is asked
        (average((UP, DOWN), (UP, TIED)), average((UP, DOWN), (UP, UP)), "depends"),
        (average((UP, DOWN), (DOWN, DOWN)), average((UP, DOWN), (DOWN, DOWN)), "misleading"),
        (average((UP, DOWN), (TIED, TIED)), average((UP, DOWN), (TIED, TIED)), "not settled here"),
        (average((TIED, DOWN), (UP, UP)), average((UP, TIED), (UP, UP)), "not settled here"),
    ],
)  # fmt: skip
def test_the_average_can_fall_either_way(near, far, verdict):
    found = AVERAGE.decide({NEAR: near, FAR: far})
    assert found.verdict == verdict
    assert len(found.intervals) == 4


# --- the experiments -------------------------------------------------------------------------


def test_dev_test_and_training_have_no_query_and_no_right_passage_in_common():
    of = world(NEAR, "notebook")
    assert not set(of.dev.queries) & set(of.test.queries)
    right = [{p for judged in part.qrels.values() for p in judged} for part in (of.dev, of.test)]
    assert not right[0] & right[1]
    searched = set(texts_of(of.dev, of.test, old("dev", "notebook"), old("test", "notebook")))
    assert not searched & {text for pair in of.pairs for text in pair}
    assert not searched & {text for pair in old_pairs("notebook") for text in pair}


def test_base_has_read_nothing_that_a_new_domain_is_measured_by():
    of = world(NEAR, "notebook")
    for part in (of.dev, of.test):
        right = [part.corpus[p] for judged in part.qrels.values() for p in judged]
        assert not np.isin(hashes([*part.queries.values(), *right]), seen_by("base")).any()
        assert len(part.queries) >= SIZES["notebook"].queries - 2


def test_no_passage_of_the_new_domain_is_searched_with_the_old_ones():
    known = [p.partition("/")[2] for p in old("test", "notebook").corpus]
    assert not any(own(p) for p in known)
    assert own("networkx.classes.graph.Graph")


def test_base_has_been_trained_on_what_is_mixed_in():
    texts = [passage for _, passage in old_pairs("notebook")]
    assert np.isin(hashes(texts), seen_by("base")).all()


def test_parts_follow_from_what_passages_say():
    corpus = {str(i): f"passage number {i}" for i in range(400)}
    qrels = {f"q{p}": {p: 1} for p in corpus}
    docs = Collection("c", corpus, {q: q for q in qrels}, qrels, {})
    parts = parts_of(docs, 0.35, 0.15)
    assert sum(map(len, parts.values())) == 400
    assert 100 < len(parts["test"]) < 180
    assert 30 < len(parts["dev"]) < 95
    fewer = Collection("c", dict(list(corpus.items())[:50]), {}, dict(list(qrels.items())[:50]), {})
    assert set(parts_of(fewer, 0.35, 0.15)["test"]) <= set(parts["test"])


def test_collections_that_are_joined_keep_their_own_answers():
    one = Collection("one", {"p": "a"}, {"q": "x"}, {"q": {"p": 1}}, {})
    two = Collection("two", {"p": "b"}, {"q": "y"}, {"q": {"p": 1}}, {})
    both = joined(one, two)
    assert both.corpus == {"0/p": "a", "1/p": "b"}
    assert both.qrels == {"0/q": {"0/p": 1}, "1/q": {"1/p": 1}}


def test_more_pairs_hold_the_fewer_and_arms_differ_in_what_they_say():
    few, many = (own_pairs(NEAR, count, 0, "notebook") for count in (8, 16))
    assert many[:8] == few
    assert own_pairs(NEAR, 8, 1, "notebook") != few
    general = set(old_pairs("notebook"))
    rows = {arm: rows_of(arm, NEAR, 8, 0, "notebook") for arm in (FULL, OLD_ALONE, MIXED, WEAK, TOGETHER)}
    assert rows[FULL] == few
    assert set(rows[OLD_ALONE]) <= general
    assert len(rows[OLD_ALONE]) == 8
    assert sum(row in general for row in rows[MIXED]) == len(rows[MIXED]) // 2 == 8
    assert not set(rows[WEAK]) & set(few)
    assert sum(row in few for row in rows[TOGETHER]) == len(rows[TOGETHER]) // 2


@pytest.mark.slow
def test_every_arm_changes_base_and_none_changes_its_shape():
    before = load("base").state_dict()
    for arm in (FULL, LOW_RANK, STAGED):
        after = trained(arm, NEAR, 8, 1e-3, 0, "notebook").state_dict()
        assert before.keys() == after.keys()
        assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_averages_are_measured_where_they_are_asked_for():
    found = result(FULL, NEAR, 16, 3e-4, 0, "notebook")
    assert set(found) == {"new", "old"} | {f"{alpha} {name}" for alpha in AVERAGES for name in ("new", "old")}
    assert set(result(FULL, NEAR, 16, 3e-4, TUNING_SEED, "notebook")) == {"new", "old"}
    assert set(result(FULL, NEAR, 8, 3e-4, 0, "notebook")) == {"new", "old"}


def test_lora_trains_what_its_formula_says_and_holds_less():
    full, low = (footprint(arm, "notebook") for arm in (FULL, LOW_RANK))
    D, inner, layers, r = 256, 1024, 2, RANK
    assert low["trained numbers"] == layers * r * (4 * 2 * D + 2 * (D + inner))
    assert full["trained numbers"] == full["all numbers"]
    assert low["gradients and optimizer"] < full["gradients and optimizer"] / 10


def test_what_is_measured_in_seconds_needs_no_download():
    assert domains("notebook") == (NEAR,)
    assert all(SIZES[budget].few in of for budget in SIZES for of in (SIZES[budget].near, SIZES[budget].far))


def test_arms_that_are_compared_take_the_same_number_of_steps():
    for domain, count, steps in ((NEAR, 32, 32), (NEAR, 384, 48), (FAR, 512, 64), (FAR, 2_048, 256), (FAR, 8_192, 256)):
        for arm in (FULL, OLD_ALONE, LOW_RANK, MIXED):
            assert steps_for(arm, domain, count, "record") == steps
    assert {steps_for(arm, FAR, 128, "record") for arm in (STRONG, WEAK, STAGED, TOGETHER)} == {64}
    assert steps_for(LONGER, FAR, 128, "record") == steps_for(FULL, FAR, 8_192, "record")
    assert all(steps_for(FULL, d, n, "record") % LOOKS == 0 for d, n in ((NEAR, 384), (FAR, 8_192)))
