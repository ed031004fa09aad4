import numpy as np
import pytest
import torch

from workbook.claims.chapter_07 import CLAIMS, Look, _compare
from workbook.claims.stopped_run import KINDS, new_encoder, train, weights, without

RESUME, LOSS = CLAIMS


def runs(*equal, without_moments=0.1):
    rows = [{"stop": 7, "equal weights": each, "equal losses": True} for each in equal]
    rows[-1]["stop"] = "killed"
    lost = {"all but the weights": 0.2, "optimizer": without_moments, "random": 0.0}
    return {"rows": rows, "controls": [{"without": part, "largest difference": off} for part, off in lost.items()]}


def test_resume_can_fall_either_way():
    assert RESUME.decide(runs(True, True)).verdict == "holds"
    assert "2 of 2 stopped runs, 1 of them killed" in RESUME.decide(runs(True, True)).because
    assert RESUME.decide(runs(True, False)).verdict == "depends"
    assert RESUME.decide(runs(False, False)).verdict == "misleading"


def test_a_comparison_that_sees_nothing_settles_nothing():
    with pytest.raises(ValueError, match="without its optimizer made no difference"):
        RESUME.decide(runs(True, without_moments=0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_part_is_noticed_where_it_matters(kind):
    whole = new_encoder(kind, 0)
    train(whole, 0, 12)
    found = without(kind, 0, 12, 5, weights(whole))
    assert found["all but the weights"] > 0
    assert found["optimizer"] > 0
    assert (found["random"] > 0) == (kind != "static")  # a bag of vectors draws nothing


def test_a_stopped_run_of_the_experiment_goes_on(tmp_path):
    whole, resumed = new_encoder(KINDS[1], 0), new_encoder(KINDS[1], 1)
    history = train(whole, 0, 12)
    train(new_encoder(KINDS[1], 0), 0, 12, tmp_path, until=5)
    assert train(resumed, 0, 12, tmp_path) == history
    assert torch.equal(weights(resumed), weights(whole))


def comparison(by_loss, by_metric, cost):
    return {"spearman": {"loss": [by_loss], "ndcg@10": [by_metric]}, "cost of choosing by loss": cost}


GOOD, TURNED = comparison(0.9, 0.95, [0.0, -0.01, 0.01]), comparison(-0.3, 0.9, [0.03, 0.01, 0.05])


@pytest.mark.parametrize(
    ("comparisons", "verdict"),
    [
        ([GOOD, GOOD], "holds"),
        ([GOOD, TURNED], "depends"),
        ([TURNED, TURNED, GOOD], "misleading"),
        ([GOOD, comparison(0.9, 0.95, [0.0, -0.05, 0.05])], "depends"),  # too few queries to say that it costs nothing
        (
            [GOOD, comparison(0.1, 0.15, [0.0, -0.01, 0.01])],
            "holds",
        ),  # where nDCG itself orders nothing, the loss need not
    ],
)
def test_loss_can_fall_either_way(comparisons, verdict):
    found = LOSS.decide({"comparisons": {str(i): each for i, each in enumerate(comparisons)}})
    assert found.verdict == verdict
    assert len(found.intervals) == len(comparisons)


def test_one_half_chooses_and_the_other_judges():
    """Queries 0 and 2 choose, 1 and 3 judge: the model that is best for the first half is worst for the second."""
    seen = {
        "a": Look({0.05: 1.0}, np.array([0.9, 0.1, 0.9, 0.1])),
        "b": Look({0.05: 2.0}, np.array([0.2, 0.8, 0.2, 0.8])),
    }
    found = _compare([seen], [{name: each.loss[0.05] for name, each in seen.items()}])
    assert found["chosen"] == {"loss": ["a"], "ndcg@10": ["a"]}
    assert found["ndcg@10"] == {"a": [0.1], "b": [0.8]}
    assert found["spearman"] == {"loss": [-1.0], "ndcg@10": [-1.0]}
    turned = _compare([seen], [{"a": 2.0, "b": 1.0}])
    assert turned["chosen"]["loss"] == ["b"]
    assert turned["cost of choosing by loss"][0] == pytest.approx(-0.7)
