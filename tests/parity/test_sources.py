"""Which source a batch comes from, against sentence-transformers' samplers of several data sets."""

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset

from workbook.train import epoch_batches, source_shares

SIZES = {"web": 320, "code": 96, "titles": 64}


def drawn_by(sampler):
    """The number of batches from each set, and that no batch has rows of two."""
    from sentence_transformers.base import sampler as theirs

    sets = [range(n) for n in SIZES.values()]
    samplers = [theirs.DefaultBatchSampler(each, batch_size=32, drop_last=False) for each in sets]
    ends = np.cumsum(list(SIZES.values()))
    make = getattr(theirs, sampler)
    batches = list(make(ConcatDataset(sets), samplers, generator=torch.Generator(), seed=0))
    found = [set(np.searchsorted(ends, batch, side="right").tolist()) for batch in batches]
    assert all(len(each) == 1 for each in found)
    return [sum(each == {i} for each in found) for i in range(len(SIZES))]


@pytest.mark.parametrize(("sampler", "alpha"), [("ProportionalBatchSampler", 1.0), ("RoundRobinBatchSampler", 0.0)])
def test_proportional_is_alpha_1_and_round_robin_alpha_0(sampler, alpha):
    counts = drawn_by(sampler)
    assert [count / sum(counts) for count in counts] == pytest.approx(list(source_shares(SIZES, alpha).values()))


def test_an_epoch_of_ours_has_as_many_batches_of_each_source():
    groups = [source for source, n in SIZES.items() for _ in range(n)]
    batches = epoch_batches(np.ones(len(groups)), 32, groups=groups)
    ours = [sum(groups[batch[0]] == source for batch in batches) for source in SIZES]
    assert ours == drawn_by("ProportionalBatchSampler")
