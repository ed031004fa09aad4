import pytest
import torch

from workbook.claims.chapter_05 import CLAIMS, accumulated
from workbook.losses import info_nce

BATCH, ACCUMULATION, GRADCACHE, DEVICES, CROWD = CLAIMS


def sweep(steps, examples, time):
    def budget(neighbours, ends):
        pairs = {"64 - 16": neighbours, "64 - 16 ": ends}
        return {"ndcg@10": {"16": [0.3, 0.3], "64": [0.4, 0.4]}, "setting": {}, "larger minus smaller": pairs}

    return {name: budget(*found) for name, found in (("steps", steps), ("examples", examples), ("time", time))}


UP, TIED, DOWN = [0.1, 0.05, 0.15], [0.0, -0.02, 0.02], [-0.1, -0.15, -0.05]


def test_batch_size_can_fall_either_way():
    assert BATCH.decide(sweep((UP, UP), (UP, UP), (UP, UP))).verdict == "holds"
    assert BATCH.decide(sweep((UP, UP), (TIED, TIED), (DOWN, DOWN))).verdict == "depends"
    assert BATCH.decide(sweep((TIED, TIED), (TIED, TIED), (DOWN, DOWN))).verdict == "misleading"
    assert BATCH.decide(sweep((DOWN, UP), (UP, UP), (UP, UP))).verdict == "depends"  # a size on the way loses
    assert "0.050 would have been seen" in BATCH.decide(sweep((UP, UP), (UP, UP), (UP, UP))).because


def accumulation(whole_minus):
    names = ("accumulated minus small, equal steps", "accumulated minus small, equal examples")
    found = {"batch size": 256, "mini-batch size": 32, "ndcg@10": {"whole": [0.5]}, "cosine of the gradients": [0.9]}
    return found | {"whole minus accumulated": whole_minus} | dict.fromkeys(names, TIED)


def test_accumulation_can_fall_either_way():
    assert ACCUMULATION.decide(accumulation(UP)).verdict == "misleading"
    assert ACCUMULATION.decide(accumulation([0.0, -0.005, 0.005])).verdict == "holds"
    assert ACCUMULATION.decide(accumulation(TIED)).verdict == "depends"


def test_the_accumulated_loss_has_the_gradient_of_its_pieces_added_up():
    query, positive = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    query.requires_grad_()
    (ours,) = torch.autograd.grad(accumulated(2)(query, positive, temperature=0.1), query)
    for k in range(4):
        (info_nce(query[k::4], positive[k::4], temperature=0.1) / 4).backward()
    torch.testing.assert_close(ours, query.grad)


def cached(difference, grown):
    row = {"difference": difference, "difference with dropout": 0.0, "megabytes": 1.0, "megabytes, whole": 2.0}
    return {"mini-batch size": 4, "rows": [row | {"batch size": 8}, row | {"batch size": 64, "megabytes": grown}]}


def test_gradcache_can_fall_either_way():
    assert GRADCACHE.decide(cached(1e-14, 1.1)).verdict == "holds"
    assert GRADCACHE.decide(cached(1e-14, 1.5)).verdict == "depends"
    assert GRADCACHE.decide(cached(1e-3, 1.0)).verdict == "misleading"


@pytest.mark.parametrize(("off", "verdict"), [(1e-14, "holds"), (1e-4, "misleading")])
def test_devices_can_fall_either_way(off, verdict):
    row = {"2": {"loss": 0.0, "gradient": off, "cosine": 1.0, "length": 1.0}}
    assert DEVICES.decide({"gathered": row, "alone": row, "copies without gradient": row}).verdict == verdict


def crowd(first, second, sharp=0.5):
    def start(share):
        row = {"others": [0.1], "from 0.7 to 1": [share], "ndcg@10": [0.5]}
        right = {"accuracy, threshold of 0.05": [0.5], "accuracy, own threshold": [0.8]}
        return {"untrained": row, "0.05": row, "0.01": row | right | {"ndcg@10": [sharp]}}

    return {"by start": {"fresh words": start(first), "crowded words": start(second)}}


def test_crowding_can_fall_either_way():
    assert CROWD.decide(crowd(0.99, 0.96)).verdict == "holds"
    assert CROWD.decide(crowd(0.99, 0.96, sharp=0.2)).verdict == "depends"  # crowded, and the order is lost
    assert CROWD.decide(crowd(0.2, 0.96)).verdict == "depends"
    assert CROWD.decide(crowd(0.2, 0.3)).verdict == "misleading"
