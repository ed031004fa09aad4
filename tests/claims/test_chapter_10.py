import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_10
from workbook.claims.chapter_10 import (
    CLAIMS,
    CONTINUED,
    ICT,
    MLM,
    NONE,
    PAIR_OBJECTIVES,
    RETROMAE,
    SCRATCH,
    SPANS,
    STARTS,
    TITLES,
    TUNING_SEED,
    Setting,
    documents,
    drawn_labels,
    labels,
    pays_up_to,
    pretrained,
    ranks,
    searched,
    texts,
    tuned,
    unlabelled_pairs,
)

PAIRS, STARTED = CLAIMS


def pairs_found(scratch, continued, alone=DOWN):
    of = {SCRATCH: scratch, CONTINUED: continued}
    return {"labels": [32, 4_096]} | {
        start: {
            "gain": {name: {"32": row, "4096": TIED} for name, row in zip(PAIR_OBJECTIVES, of[start], strict=True)},
            "without labels": {name: [0.3, 0.4] for name in (NONE, *PAIR_OBJECTIVES)},
            "without labels, minus all labels": dict.fromkeys(PAIR_OBJECTIVES, alone),
        }
        for start in STARTS
    }


@pytest.mark.parametrize(
    ("scratch", "continued", "alone", "verdict"),
    [
        ((UP, UP, UP), (UP, UP, UP), DOWN, "holds"),
        ((UP, UP, UP), (UP, UP, UP), UP, "depends"),  # as good as labels: not weak
        ((UP, UP, UP), (TIED, TIED, TIED), DOWN, "depends"),
        ((TIED, TIED, UP), (DOWN, DOWN, DOWN), DOWN, "depends"),
        ((TIED, DOWN, TIED), (TIED, DOWN, TIED), DOWN, "misleading"),
    ],
)
def test_pairs_without_labels_can_fall_either_way(scratch, continued, alone, verdict):
    found = PAIRS.decide(pairs_found(scratch, continued, alone))
    assert found.verdict == verdict
    assert len(found.intervals) == 6
    assert "would have been seen" in found.because


def starts_found(scratch, continued):
    return {"labels": [32, 4_096], "published": {"MS MARCO, MRR@10": [0.346, 0.382]}} | {
        start: {
            "RetroMAE minus MLM": row,
            "chosen": {name: {"32": {"lr": 1e-3, "pooling": "mean"}} for name in (MLM, RETROMAE)},
            "gain": {name: {"32": TIED, "4096": TIED} for name in (MLM, RETROMAE)},
        }
        for start, row in ((SCRATCH, scratch), (CONTINUED, continued))
    }


@pytest.mark.parametrize(
    ("scratch", "continued", "verdict"),
    [
        (UP, UP, "holds"),
        (UP, DOWN, "depends"),
        (TIED, UP, "depends"),
        (TIED, TIED, "holds at scale only"),
        (DOWN, TIED, "holds at scale only"),
        (DOWN, DOWN, "misleading"),
    ],
)
def test_retromae_can_fall_either_way(scratch, continued, verdict):
    found = STARTED.decide(starts_found(scratch, continued))
    assert found.verdict == verdict
    assert "0.346 and 0.382" in found.because


@pytest.mark.parametrize(
    ("lows", "last"),
    [((0.1, 0.1, -0.1), 256), ((-0.1, -0.1, -0.1), 0), ((-0.1, 0.1, 0.1), 0), ((0.1, 0.1, 0.1), 4_096)],
)
def test_a_start_pays_until_an_interval_touches_zero(lows, last):
    gain = {count: [low + 0.1, low, low + 0.2] for count, low in zip(("32", "256", "4096"), lows, strict=True)}
    assert pays_up_to(gain) == last


# --- the experiment --------------------------------------------------------------------------


def test_more_labels_of_a_seed_hold_the_fewer_and_seeds_differ():
    few, many = (drawn_labels(count, 3, "notebook") for count in (8, 16))
    assert many[:8] == few
    assert drawn_labels(8, 4, "notebook") != few
    assert set(few) <= set(labels("notebook"))


def test_all_objectives_read_the_same_texts():
    read = " ".join(texts("notebook"))
    for _, body in documents("notebook"):
        assert body in read
    for objective in (ICT, SPANS, TITLES):
        pairs = unlabelled_pairs(objective, 0, "notebook")
        assert len(pairs) == len(documents("notebook"))  # every text gives one to each
        assert all(passage.split()[0] in read for _, passage in pairs)


@pytest.mark.parametrize("source", [documents, labels])
def test_nothing_that_is_asked_or_searched_is_read_or_labelled(source):
    parts = [searched(split, "record") for split in ("dev", "test")]
    asked = {
        " ".join(text.lower().split()) for part in parts for text in [*part.queries.values(), *part.corpus.values()]
    }
    assert len(asked) > 1_000
    assert not asked & {" ".join(text.lower().split()) for pair in source("record") for text in pair}


def test_with_many_labels_each_is_seen_once_at_least(monkeypatch):
    seen = {}

    def contrast(encoder, pairs, steps, lr, seed, budget):
        seen[len(pairs)] = steps

    monkeypatch.setattr(chapter_10, "contrast", contrast)
    size = chapter_10.SIZES["notebook"]
    for count in (4, 40):
        chapter_10.fine_tuned(NONE, CONTINUED, Setting(1.0, "mean"), count, 0, "notebook")
    assert seen == {4: size.steps, len(labels("notebook")): 40 // size.batch_size}


def test_dev_and_test_queries_have_nothing_in_common():
    assert not set(searched("dev", "notebook").queries) & set(searched("test", "notebook").queries)


def test_dev_queries_choose_a_rate_for_each_number_of_labels_and_test_queries_decide(monkeypatch):
    seen, best = [], {8: 1e-4, 16: 1e-2}

    def quality(objective, start, setting, count, seed, budget):
        seen.append(seed)
        return np.full(3, 0.5 * (setting.lr == best[count]) + 0.4 * (setting.pooling == "cls"))

    monkeypatch.setattr(chapter_10, "fine_tuned", quality)
    size = chapter_10.SIZES["notebook"]._replace(lrs=(1e-4, 1e-2))
    monkeypatch.setitem(chapter_10.SIZES, "notebook", size)
    assert tuned(RETROMAE, SCRATCH, ("mean", "cls"), 8, "notebook") == Setting(1e-4, "cls")
    assert tuned(RETROMAE, SCRATCH, ("mean", "cls"), 16, "notebook") == Setting(1e-2, "cls")
    assert tuned(RETROMAE, SCRATCH, ("mean",), 16, "notebook") == Setting(1e-2, "mean")
    assert set(seen) == {TUNING_SEED}
    rows, chosen = chapter_10.curves((NONE, MLM), SCRATCH, ("mean", "cls"), "notebook", (0, 1))
    assert chosen[MLM] == {8: Setting(1e-4, "cls"), 16: Setting(1e-2, "cls")}
    assert rows[MLM][8].shape == (2, 3)


def test_without_labels_dev_queries_choose_the_rate_too(monkeypatch):
    def quality(objective, start, lr, seed, budget):
        return np.full(3, lr if seed == TUNING_SEED else 7.0 + seed)

    monkeypatch.setattr(chapter_10, "unlabelled", quality)
    assert chapter_10.without_labels(TITLES, SCRATCH, "notebook", (0, 1)).tolist() == [[7.0] * 3, [8.0] * 3]


@pytest.mark.parametrize("objective", [MLM, RETROMAE, TITLES])
def test_reading_moves_a_copy_of_the_start(objective):
    before, after = (pretrained(name, CONTINUED, 3e-4, 0, "notebook") for name in (NONE, objective))
    moved = [
        bool((a != b).any()) for a, b in zip(before.backbone.parameters(), after.backbone.parameters(), strict=True)
    ]
    assert any(moved)
    assert before.backbone is not after.backbone


def test_from_scratch_seeds_differ_and_the_shipped_start_does_not():
    def first(start, seed):
        return next(iter(pretrained(NONE, start, 3e-4, seed, "notebook").backbone.parameters()))

    assert (first(SCRATCH, 0) != first(SCRATCH, 1)).any()
    assert (first(CONTINUED, 0) == first(CONTINUED, 1)).all()


def test_a_rank_is_that_of_the_best_answer():
    class Letters:
        def encode_query(self, found):
            return np.array([[1.0, 0.0]] * len(found))

        def encode_document(self, found):
            return np.array(
                [[0.0, 1.0] if text == "far" else [0.8, 0.6] if text == "near" else [1.0, 0.0] for text in found]
            )

    docs = searched("test", "notebook")
    small = type(docs)(
        name="three", corpus={"a": "far", "b": "near", "c": "same"}, queries={"q": "x", "r": "y"},
        qrels={"q": {"a": 1, "b": 1}, "r": {"c": 2}}, splits={}, licence="", fingerprint="",
    )  # fmt: skip
    assert ranks(Letters(), small) == [2, 1]


def test_a_leak_is_measured_on_the_queries_that_leaked_and_on_the_others():
    found = chapter_10.measure_leak("notebook", (0,))
    n = len(searched("test", "notebook").queries)
    assert len(found["leaked"]) == len(found["ranks"]["clean"]) == len(found["ranks"]["leaked"]) == n
    assert found["pages"] == sum(found["leaked"]) == n // 2
    assert min(found["ranks"]["leaked"]) >= 1
