import pytest
import torch

from workbook.late_interaction import maxsim, pool_tokens
from workbook.similarity import normalize


def some(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(sum(lengths), 8, generator=generator)), torch.tensor(lengths)


def test_equal_tokens_become_one_and_no_score_changes():
    words, _ = some([6])
    passages = torch.cat([words[:1], words[1:].repeat_interleave(3, dim=0)])
    pooled, lengths = pool_tokens(passages, torch.tensor([16]), factor=3)
    assert lengths.tolist() == [6]
    assert torch.allclose(pooled[0], words[0])
    assert {tuple(row) for row in pooled.round(decimals=4).tolist()} == {
        tuple(row) for row in words.round(decimals=4).tolist()
    }
    query, _ = some([4], seed=1)
    torch.testing.assert_close(maxsim(query, pooled, lengths), maxsim(query, passages, torch.tensor([16])))


def test_a_mean_is_shorter_than_what_it_stands_for():
    two = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    pooled, lengths = pool_tokens(two, torch.tensor([2]), factor=2, protected=0)
    assert lengths.tolist() == [1]
    torch.testing.assert_close(pooled, torch.tensor([[0.8, 0.4]]))


@pytest.mark.parametrize("lengths", [[1], [2, 1], [0, 3], [0], []])
def test_short_passages_keep_what_they_have(lengths):
    passages, count = some(lengths)
    pooled, kept = pool_tokens(passages, count, factor=4)
    assert len(pooled) == kept.sum()
    assert kept.tolist() == [min(length, 2) for length in lengths]
    assert torch.equal(pool_tokens(passages, count, factor=1)[0], passages)


def test_a_passage_does_not_depend_on_its_neighbours():
    passages, lengths = some([9, 14, 5])
    together, kept = pool_tokens(passages, lengths)
    alone = [pool_tokens(each, torch.tensor([len(each)]))[0] for each in passages.split(lengths.tolist())]
    assert torch.equal(together, torch.cat(alone))
    assert kept.tolist() == [5, 7, 3]


@pytest.mark.parametrize(("factor", "protected", "lengths"), [(0, 1, [3]), (2, -1, [3]), (2, 1, [4])])
def test_what_cannot_be_pooled_is_refused(factor, protected, lengths):
    with pytest.raises(ValueError, match=r"factor|protected"):
        pool_tokens(some([3])[0], torch.tensor(lengths), factor, protected)
