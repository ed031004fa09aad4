import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_08, hard_negatives
from workbook.claims.chapter_08 import (
    ADDED,
    AGAIN,
    ALSO,
    CLAIMS,
    COLLECTIONS,
    HOW_MANY,
    LISTS,
    ONCE,
    ORDER,
    OTHER_WAYS,
    STARTS,
)
from workbook.claims.hard_negatives import Arm, false_by_rank, false_share, mined, tuples_of, without_held_out, world
from workbook.data import load
from workbook.mining import Mined

RANDOM, MINERS, READERS, ROUNDS, NUMBER, WINDOW = CLAIMS


def left(share, fewer):
    return {
        "steps": [0, 32], "share near zero": {name: [[0.1, share]] for name in LISTS}, "last share, 31 random": [share, share],
        "fewer with its own first": fewer,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("planted", "pydocs", "verdict"),
    [
        (left(0.8, UP), left(0.6, UP), "holds"),
        (left(0.8, UP), left(0.4, UP), "depends"),
        (left(0.8, UP), left(0.6, TIED), "depends"),
        (left(0.3, UP), left(0.4, UP), "misleading"),
    ],
)
def test_random_negatives_can_fall_either_way(planted, pydocs, verdict):
    found = RANDOM.decide({"collections": dict(zip(COLLECTIONS, (planted, pydocs), strict=True))})
    assert found.verdict == verdict
    assert len(found.intervals) == 2


def miners(*differences):
    false = {"random": [0.0], "BM25": [0.05], "own": [0.09]}
    rows = [dict(zip(ORDER, differences[i : i + 2], strict=True)) for i in (0, 2)]
    return {
        "collections": {
            name: {"differences": row, "right answers among the negatives": false}
            for name, row in zip(COLLECTIONS, rows, strict=True)
        }
    }


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [((UP, UP, UP, UP), "holds"), ((UP, TIED, DOWN, UP), "depends"), ((TIED, DOWN, TIED, DOWN), "misleading")],
)
def test_the_order_of_miners_can_fall_either_way(differences, verdict):
    found = MINERS.decide(miners(*differences))
    assert found.verdict == verdict
    assert "own 0.090" in found.because
    assert "would have been seen" in found.because


@pytest.mark.parametrize(
    ("read", "written", "verdict"), [(UP, UP, "holds"), (UP, TIED, "depends"), (TIED, DOWN, "misleading")]
)
def test_readers_and_writers_can_fall_either_way(read, written, verdict):
    both = dict(zip(ADDED, (read, written), strict=True)) | dict.fromkeys(ALSO, TIED)
    false = {"BM25": [0.05], "own": [0.09], "cross-encoder": [0.02]}
    found = READERS.decide({"differences": both, "queries": 96, "right answers among the negatives": false})
    assert found.verdict == verdict


@pytest.mark.parametrize(("written", "verdict"), [(UP, "depends"), (TIED, "misleading")])
def test_without_a_cross_encoder_the_written_ones_decide_and_nothing_holds(written, verdict):
    there = dict.fromkeys(ALSO, TIED) | {"written minus pairs alone": written}
    false = {"BM25": [0.05], "own": [0.09]}
    found = READERS.decide({"differences": there, "queries": 96, "right answers among the negatives": false})
    assert found.verdict == verdict
    assert "not tried" in found.because


@pytest.mark.parametrize(
    ("gains", "anew", "verdict"),
    [
        (([0.3, 0.2, 0.4], [0.2, 0.1, 0.3], UP), UP, "holds"),
        ((UP, [0.2, 0.1, 0.3], UP), UP, "depends"),  # the second gains more than the first
        ((UP, TIED, DOWN), TIED, "depends"),
        ((TIED, TIED, TIED), TIED, "misleading"),
    ],
)
def test_rounds_can_fall_either_way(gains, anew, verdict):
    assert ROUNDS.decide({"gain of a round": gains, "anew minus once": anew}).verdict == verdict


@pytest.mark.parametrize(
    ("difference", "verdict"), [(UP, "misleading"), (TIED, "holds"), ([0.0, -0.05, 0.05], "depends"), (DOWN, "holds")]
)
def test_how_many_can_fall_either_way(difference, verdict):
    means = {str(M): [0.8] for M in HOW_MANY}
    assert NUMBER.decide({"ndcg@10": means, "differences": {"15 minus 7": difference}}).verdict == verdict


@pytest.mark.parametrize(
    ("late", "difference", "verdict"),
    [(0.01, UP, "holds"), (0.01, TIED, "depends"), (0.01, DOWN, "misleading"), (0.2, UP, "misleading")],
)
def test_the_window_can_fall_either_way(late, difference, verdict):
    names = [str(start) for start in STARTS] + list(OTHER_WAYS)
    false = {name: [0.1, 0.1] for name in names} | {"11": [late, late]}
    found = WINDOW.decide(
        {
            "ndcg@10": {name: [0.8] for name in names}, "right answers among the negatives": false,
            "differences": {"from 11 minus from 1": difference},
        }
    )  # fmt: skip
    assert found.verdict == verdict


# --- the experiment --------------------------------------------------------------------------


def test_no_answer_to_a_held_out_query_can_be_mined():
    docs = load("planted-300")
    held = {p for split in ("dev", "test") for query in docs.splits[split] for p in docs.qrels[query]}
    kept = without_held_out(docs)
    assert held
    assert not held & set(kept.corpus)
    assert set(kept.queries) == set(docs.splits["train"])
    assert all(p in kept.corpus for judged in kept.qrels.values() for p in judged)


@pytest.mark.parametrize("source", ["random", "BM25", "own", "own, no right answers"])
def test_arms_differ_in_their_negatives_alone(source):
    truth = world("planted", "notebook").truth
    pairs = tuples_of("planted", Arm("pairs alone"), 0, "notebook")
    rows = tuples_of("planted", Arm(source, 2), 0, "notebook")
    assert sorted(row[:2] for row in rows) == sorted(pairs)
    assert {len(row) for row in rows} == {4}
    found = mined("planted", Arm(source, 2), 0, "notebook")
    judged = world("planted", "notebook").train.qrels
    assert all(p not in judged[query] for query, ids in found.negatives.items() for p in ids)
    assert source != "own, no right answers" or false_share(found, truth) == 0


def test_right_answers_are_counted():
    truth = {"q1": {"a": 3}, "q2": {"c": 0}}
    two = Mined({"q1": {"a": 0.9, "b": 0.8}, "q2": {"c": 0.7, "d": 0.6}}, {}, {})
    assert false_share(two, truth) == 0.25
    assert false_by_rank(two.negatives, truth, 1, 1) == 0.5
    assert false_by_rank(two.negatives, truth, 2, 2) == 0


class Reader:
    """Scores a passage by its length."""

    def predict(self, pairs):
        return np.array([float(len(passage)) for _, passage in pairs])


def test_what_is_read_stays_below_the_positive():
    train = world("planted", "notebook").train
    own = hard_negatives._ranked("planted", "own", 0, "notebook")
    found = hard_negatives.read_negatives(train.queries, train, own, Reader(), 1)
    below = 0
    for query, ids in found.negatives.items():
        shortest = min(len(train.corpus[p]) for p in train.qrels[query])
        below += all(len(train.corpus[p]) < shortest or score == float("-inf") for p, score in ids.items())
    assert below == len(found.negatives)


def test_written_negatives_fill_up_with_random_ones(monkeypatch):
    class Model:
        def __call__(self, prompts):
            return [f"A passage about {len(prompt)} letters." if i % 2 else "" for i, prompt in enumerate(prompts)]

    monkeypatch.setattr(hard_negatives, "Recorded", lambda path: Model())
    found = mined("planted", Arm("written", num_queries=7), 5, "notebook")
    assert len(found.negatives) == 7
    assert len(found.written) == 3
    assert len(tuples_of("planted", Arm("written", num_queries=7), 5, "notebook")) == len(
        tuples_of("planted", Arm("pairs alone", num_queries=7), 5, "notebook")
    )


def test_an_arm_is_tuned_on_dev_queries_and_decided_on_test_queries(monkeypatch):
    def quality(encoder, docs):
        return np.full(4, 0.9 if docs is dev and encoder == 6e-4 else 0.1 if docs is dev else 0.3)

    dev = world("pydocs", "notebook").dev
    monkeypatch.setattr(
        hard_negatives, "SIZES", {"notebook": hard_negatives.SIZES["notebook"]._replace(lrs=(3e-4, 6e-4))}
    )
    monkeypatch.setattr(hard_negatives, "warmed", lambda *args: [])
    monkeypatch.setattr(hard_negatives, "train", lambda encoder, tuples, steps, lr, *args: encoder.append(lr))
    monkeypatch.setattr(hard_negatives, "per_query", lambda encoder, docs: quality(encoder[0], docs))
    found = hard_negatives.result("pydocs", Arm("pairs alone", num_queries=3), "notebook", (0, 1), steps=3)
    assert (found.lr, found.steps, found.false) == (6e-4, 3, None)
    assert (found.rows == 0.3).all()
    assert not set(dev.queries) & set(world("pydocs", "notebook").test.queries)


def test_rounds_begin_at_the_same_place_and_differ_in_mining():
    again, once = (chapter_08.in_rounds(0, "notebook", name == AGAIN) for name in (AGAIN, ONCE))
    np.testing.assert_array_equal(again["rows"][0], once["rows"][0])
    np.testing.assert_array_equal(again["rows"][1], once["rows"][1])
    assert len(again["history"]) == len(again["false"]) == 3
    assert all(each["grad_norm"] > 0 for one in again["history"] for each in one)
    assert len(set(once["false"])) == 1


def test_what_is_left_falls_with_a_sure_model_and_rises_with_a_hard_one():
    class Sure:
        def encode_query(self, texts):
            return np.array([[1.0, 0.0]] * len(texts))

        def encode_document(self, texts):
            return np.array([[1.0, 0.0], [0.95, 0.31], [0.0, 1.0], [0.0, 1.0]])

    docs = load("planted-300").split("train")
    query = next(iter(docs.queries))
    small = type(docs)(
        name="four", corpus={"p0": "a", "p1": "b", "p2": "c", "p3": "d"}, queries={query: "q"}, qrels={query: {"p0": 1}},
        splits={}, licence="", fingerprint="",
    )  # fmt: skip
    random, keywords, own = chapter_08.what_is_left(Sure(), small, [[2]], 0)[:, 0]
    assert 0 < random < own < 1  # all three wrong passages are drawn; the nearest stands there twice
    assert keywords == pytest.approx(random, abs=1e-6)
