"""Batches without duplicates are those that sentence-transformers' sampler forms from the same order of the rows."""

import numpy as np
import pytest
import torch

from workbook.train import without_duplicates

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("batch_size", [1, 7, 16])
@pytest.mark.parametrize("distinct", [3, 20, 1000])
def test_no_duplicates(batch_size, distinct):
    from datasets import Dataset
    from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

    rng = np.random.default_rng(distinct)
    texts = [tuple(f"text {number}" for number in rng.integers(0, distinct, size=2)) for _ in range(112)]
    dataset = Dataset.from_dict(dict(zip(("anchor", "positive"), zip(*texts, strict=True), strict=True)))
    sampler = NoDuplicatesBatchSampler(dataset, batch_size, drop_last=False, generator=torch.Generator(), seed=5)
    expected = list(sampler)
    order = torch.randperm(112, generator=torch.Generator().manual_seed(5)).numpy()
    found = without_duplicates(np.split(order, 112 // batch_size), texts)
    assert [batch.tolist() for batch in found] == expected
