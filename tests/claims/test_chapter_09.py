import numpy as np
import pytest
import torch

from workbook.claims import chapter_09
from workbook.claims.chapter_09 import (
    CLAIMS,
    DOSES,
    FILTERS,
    GUIDED,
    KNOWN,
    MINED,
    by_rank_and_margin,
    counted,
    difference_of_shares,
    dosed,
    hardest_kept,
    name_of,
    setting_that_loses,
    share,
    suspicion,
)
from workbook.data import Collection
from workbook.mining import Candidates

SHARES, DOSE, FILTER = CLAIMS
UP, TIED, DOWN = [0.1, 0.05, 0.15], [0.0, -0.02, 0.02], [-0.1, -0.15, -0.05]
MANY, FEW = [0.1, 0.05, 0.15], [0.01, 0.0, 0.02]


def found(*rows, positive=0.8):
    """Candidates with these scores, of which row 0 of each query is right."""
    scores = torch.tensor(rows)
    Q, K = scores.shape
    ids = [f"p{i}" for i in range(Q * K)]
    numbers = torch.arange(Q * K).reshape(Q, K)
    return Candidates(
        [f"q{i}" for i in range(Q)], [*ids, "own"], numbers, scores, torch.ones(Q, K, dtype=torch.bool), [[Q * K]] * Q,
        torch.full((Q, 1), positive),
    )  # fmt: skip


def judged(*rows):
    at = found(*rows)
    Q, K = at.scores.shape
    false = torch.zeros(Q, K, dtype=torch.bool)
    false[:, 0] = True
    texts = {id: f"text of {id}" for id in at.passage_ids}
    docs = Collection("made", texts, {q: f"text of {q}" for q in at.query_ids}, {}, {})
    readers = {"encoder": (at.scores, at.hardest_positive[:, None])}
    return chapter_09.Judged(at, readers, false, chapter_09.World(docs, {}))


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ([(MANY, UP)] * 4, "holds"),
        ([(MANY, UP)] * 3 + [(FEW, UP)], "depends"),
        ([(MANY, UP)] + [(MANY, TIED)] * 3, "depends"),
        ([(FEW, UP)] * 4, "misleading"),
    ],
)
def test_shares_can_fall_either_way(settings, verdict):
    measured = {
        f"setting {i}": {
            "by rank": {"1": MANY, "11 to 20": FEW},
            "ranks 1 to 5": five,
            "rank 1 minus ranks 11 to 20": falls,
        }
        for i, (five, falls) in enumerate(settings)
    }
    assert SHARES.decide({"settings": measured}).verdict == verdict


def doses(mined, *at):
    costs = {name_of(dose): cost for dose, cost in zip(DOSES[1:], at, strict=True)} | {MINED: mined}
    early = {"steps": 20, "minus clean": {name_of(1.0): TIED}}
    return {
        "minus clean": costs, "minus none": costs, "share of right answers, as mined": 0.3, "steps": 60, "early": early,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (doses(DOWN, TIED, DOWN, DOWN), "holds"),
        (doses(TIED, TIED, DOWN, DOWN), "depends"),
        (doses(DOWN, TIED, DOWN, TIED), "depends"),
        (doses(TIED, TIED, TIED, TIED), "misleading"),
        (doses(UP, UP, UP, UP), "misleading"),
    ],
)
def test_doses_can_fall_either_way(measured, verdict):
    decided = DOSE.decide(measured)
    assert decided.verdict == verdict
    assert "0.050 would have been seen" in decided.because or "0.020 would have been seen" in decided.because


def filters(works, gains):
    counts = {"recall": [0.5, 0.4, 0.6], "precision": [0.3, 0.2, 0.4]}
    names = (*FILTERS, GUIDED, KNOWN)
    return {
        "filters": {name: counts | {"recall minus lost": w} for name, w in zip(FILTERS, works, strict=True)},
        "minus unfiltered": dict(zip(names, gains, strict=True)),
        "not there yet": [],
        "language model": {"model": "a model", "of them right": 0, "right answers among them": 20},
    }


@pytest.mark.parametrize(
    ("works", "gains", "verdict"),
    [
        ([UP] * 5, [TIED] * 4 + [UP, TIED, TIED], "holds"),
        ([UP] * 5, [TIED] * 7, "depends"),
        ([UP] * 5, [TIED] * 6 + [UP], "depends"),  # the truth alone regains quality
        ([UP] * 4 + [TIED], [UP] * 7, "depends"),
        ([TIED] * 5, [UP] * 7, "misleading"),
    ],
)
def test_filters_can_fall_either_way(works, gains, verdict):
    assert FILTER.decide(filters(works, gains)).verdict == verdict


def test_without_a_cross_encoder_the_other_filters_decide_and_the_verdict_says_so():
    measured = filters([UP] * 5, [UP] * 7)
    for counted_of in ("filters", "minus unfiltered"):
        del measured[counted_of]["cross-encoder"]
    decided = FILTER.decide(measured | {"not there yet": ["cross-encoder"]})
    assert decided.verdict == "holds"
    assert "cross-encoder not there yet" in decided.because


def test_right_answers_are_counted_by_rank_and_by_distance_to_the_positive():
    at = found([0.9, 0.79, 0.5], [0.78, 0.7, 0.4])
    counts = by_rank_and_margin(at, {"q0": {"p0": 3}, "q1": {"p4": 2}})
    assert counts["rank"][0].tolist() == [[1, 1], [0, 1], [0, 1], [0, 0], [0, 0]]
    assert counts["rank"][1].tolist() == [[0, 1], [1, 1], [0, 1], [0, 0], [0, 0]]
    assert counts["margin"][0].tolist() == [[1, 1], [0, 1], [0, 0], [0, 0], [0, 1]]
    assert counts["margin"].sum(axis=(0, 1)).tolist() == counts["rank"].sum(axis=(0, 1)).tolist()


def test_a_share_is_pooled_and_its_interval_resamples_queries():
    value, low, high = share(np.array([[1, 1], [0, 9]] * 50))
    assert value == 0.1
    assert low < 0.1 < high
    assert share(np.array([[1, 10]] * 20)) == [0.1, 0.1, 0.1]
    assert difference_of_shares(np.array([[1, 2]] * 9), np.array([[1, 4]] * 9)) == [0.25, 0.25, 0.25]


def test_a_setting_loses_as_many_true_negatives_as_it_may():
    at = judged(*[[0.9] + [i / 100 for i in range(20)] for _ in range(5)])
    for bar in ("threshold", "absolute margin", "relative margin", "fitted line"):
        suspicious = suspicion(bar, *at.readers["encoder"], slope=0.2)
        kept = suspicious <= setting_that_loses(suspicious, at, 0.1)
        assert counted(kept, at)["lost"][0] == pytest.approx(0.1)
        assert counted(kept, at)["recall"][0] == 1.0


def test_the_hardest_that_is_kept_is_taken_and_the_last_where_none_is():
    at = judged([0.9, 0.7, 0.5], [0.8, 0.6, 0.4])
    kept = torch.tensor([[False, True, True], [False, False, False]])
    assert [row[2] for row in hardest_kept(kept, at)] == ["text of p1", "text of p5"]


@pytest.mark.slow
def test_a_dose_is_the_share_of_right_answers_among_the_negatives():
    _, (docs, truth) = chapter_09.mined("notebook")
    answers = {(docs.queries[q], docs.corpus[p]) for q in docs.queries for p in truth[q] if p in docs.corpus}
    for dose in (0.0, 1.0):
        rows = dosed("notebook", dose, 0)
        assert np.mean([(query, negative) in answers for query, _, negative in rows]) == dose
        assert all((query, positive) in answers for query, positive, _ in rows)
    assert {len(row) for row in dosed("notebook", None, 0)} == {2}
    wrong = dosed("notebook", 0.0, 0, wrong=1.0)
    assert not any((query, positive) in answers for query, positive, _ in wrong)
    assert all(positive != negative for _, positive, negative in wrong)


def test_the_recorded_answers_of_a_language_model_are_held_against_the_truth():
    found = chapter_09.by_language_model()
    assert (found["asked"], found["right answers among them"], found["says yes"], found["of them right"]) == (
        40,
        20,
        0,
        0,
    )
