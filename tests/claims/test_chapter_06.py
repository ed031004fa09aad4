import numpy as np
import pytest
import torch

from workbook.claims import chapter_06
from workbook.claims.chapter_06 import ASKED, CLAIMS, ONE_START, OUT, PROMPTED, SHARED, same_head

TOWERS, PROMPTS, POOLING = CLAIMS
UP, TIED, DOWN = [0.1, 0.05, 0.15], [0.0, -0.02, 0.02], [-0.1, -0.15, -0.05]


def settings(*differences):
    def setting(difference):
        return {"ndcg@10": {SHARED: [0.5], ONE_START: [0.4]}, "minus shared": {ONE_START: difference}}

    return {"settings": {f"setting {i}": setting(each) for i, each in enumerate(differences)}}


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [((UP, DOWN, TIED), "holds"), ((UP, UP, DOWN), "misleading"), ((TIED, DOWN), "depends"), ((UP, DOWN), "holds")],
)
def test_towers_can_fall_either_way(differences, verdict):
    found = TOWERS.decide(settings(*differences))
    assert found.verdict == verdict
    assert "0.050 would have been seen" in found.because
    assert len(found.intervals) == len(differences)


def prompted(first, second):
    def of(three):
        return {"differences": dict(zip(ASKED, three, strict=True)) | {"not the query's on both": TIED}}

    return {"collections": dict(zip(PROMPTED, (of(first), of(second)), strict=True))}


def test_prompts_can_fall_either_way():
    assert PROMPTS.decide(prompted([UP] * 3, [UP] * 3)).verdict == "holds"
    assert PROMPTS.decide(prompted([UP] * 3, [UP, TIED, UP])).verdict == "depends"
    assert PROMPTS.decide(prompted([TIED] * 3, [DOWN] * 3)).verdict == "misleading"


def pooled(first, second):
    def of(difference):
        return {"differences": {OUT: difference, "left out at search alone": DOWN}}

    return {"collections": dict(zip(PROMPTED, (of(first), of(second)), strict=True))}


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [(UP, UP, "holds"), (UP, TIED, "depends"), (TIED, DOWN, "misleading")]
)
def test_pooling_can_fall_either_way(first, second, verdict):
    assert POOLING.decide(pooled(first, second)).verdict == verdict


def test_a_head_starts_by_changing_nothing():
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(same_head(4)(x), x)


def test_a_setting_is_tuned_on_one_half_and_decided_on_the_other(monkeypatch):
    """The better rate on the even queries is taken, and the odd ones are reported."""

    def trained(kind, arm, collection, steps, lr, seed, budget):
        tuning = 0.9 if lr == 0.02 else 0.1
        deciding = 0.3 if arm == SHARED else 0.4
        return chapter_06.Trained(np.tile([tuning, deciding], (2, 10)), 1.0)

    monkeypatch.setattr(chapter_06, "trained_towers", trained)
    found = chapter_06._setting("static", "pydocs", {SHARED: 6, ONE_START: 6}, "record", (0, 1))
    assert found["lr"] == {SHARED: 0.02, ONE_START: 0.02}
    assert found["ndcg@10"] == {SHARED: [0.3, 0.3], ONE_START: [0.4, 0.4]}
    assert found["minus shared"][ONE_START] == pytest.approx([0.1, 0.1, 0.1])
