"""The rules of claims 42 and 43 can fall either way, and what they compare differs in the wall alone."""

import numpy as np
import pytest
import torch

from tests.helpers.rows import DOWN, TIED, UP
from workbook.base import reader as reader_module
from workbook.base.reader import Reader
from workbook.claims import chapter_15
from workbook.claims.chapter_15 import (
    AS_IT_IS,
    CLAIMS,
    COLLECTIONS,
    SAME_LISTS,
    candidates,
    first_stage,
    read,
    reranked,
    searched,
)
from workbook.claims.measuring import of_run

GAIN, COST = CLAIMS


def cases(*rows, most=DOWN):
    names = [f"{collection}, {rival}" for collection in COLLECTIONS for rival in (AS_IT_IS, SAME_LISTS)]
    return {
        name: {"bi-encoder": 0.5, "cross-encoder": 0.6, "minus": row, "minus the least": row, "minus the most": most}
        for name, row in zip(names, rows, strict=True)
    }


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((UP, UP, UP, UP), "holds"),
        ((UP, TIED, UP, DOWN), "depends"),
        ((DOWN, DOWN, DOWN, DOWN), "misleading"),
        ((DOWN, TIED, DOWN, DOWN), "not settled here"),
    ],
)
def test_it_can_fall_either_way(rows, verdict):
    result = GAIN.decide({"cases": cases(*rows)})
    assert result.verdict == verdict
    assert "0.500 to 0.600" in result.because
    assert "+20%" in result.because
    assert "More than 15 % better: nowhere" in result.because
    assert len(result.intervals) == 4


def test_more_than_the_claim_says_is_told():
    assert (
        "better: planted, base as it is, planted, base behind"
        in GAIN.decide({"cases": cases(UP, UP, UP, UP, most=UP)}).because
    )


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [(([101, 300], [400, 500]), "holds"), (([9, 99], [3, 20]), "misleading"), (([99, 300], [400, 500]), "depends")],
)
def test_the_cost_can_fall_either_way(ratios, verdict):
    rows = {
        name: {"ratio": ratio, "reading": [9000.0], "searching": [0.2]}
        for name, ratio in zip(COLLECTIONS, ratios, strict=True)
    }
    assert COST.decide({"collections": rows}).verdict == verdict


def test_an_untrained_reader_behind_the_wall_orders_as_the_base_does(monkeypatch):
    """What differs between the arms is the wall: without training and words there is no difference at all."""
    for length in ("QUERY_LENGTH", "PASSAGE_LENGTH"):
        monkeypatch.setattr(reader_module, length, first_stage("notebook").max_length)
    reader = Reader(first_stage("notebook"), wall=2)
    with torch.no_grad():
        reader.rarity.zero_()
    docs = searched("planted", "test", "notebook")
    alone = of_run(candidates("planted", "test", "notebook"), docs)
    np.testing.assert_allclose(reranked(reader, "planted", "test", "notebook"), alone, atol=1e-6)


def test_an_arm_that_was_measured_leaves_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(chapter_15, "user_cache", lambda: tmp_path)
    read.__wrapped__(1, 1e-4, 3, "notebook")
    assert not any((tmp_path / "claims").iterdir())


def test_the_cost_counts_a_million_passages_whatever_is_timed(monkeypatch):
    times = iter([1.0] * 100)
    monkeypatch.setattr(chapter_15, "seconds", lambda work: next(times))
    found = chapter_15.measure_cost("notebook", ())["collections"]["planted"]
    size = chapter_15.COSTS["notebook"]
    assert found["reading"] == [pytest.approx(1e6 / size.pairs, abs=0.01)] * chapter_15.ROUNDS
    assert found["searching"] == [pytest.approx(1e6 / size.vectors / size.queries, abs=1e-4)] * chapter_15.ROUNDS
