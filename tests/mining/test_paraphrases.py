"""Paraphrase mining by hand, at the edges, and within bounded memory."""

import pytest
import torch

from tests.late_interaction.test_maxsim import Largest
from workbook.mining import closest_pairs, paraphrase_mining
from workbook.similarity import normalize


def test_pairs_by_hand_best_first_each_once():
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0], [0.0, 1.0]])
    pairs = closest_pairs(x)
    assert [(i, j) for _, i, j in pairs] == [(1, 3), (1, 2), (2, 3), (0, 2), (0, 1), (0, 3)]
    assert [score for score, *_ in pairs] == pytest.approx([1, 0.8, 0.8, 0.6, 0, 0])
    assert closest_pairs(x, max_pairs=2) == pairs[:2]
    assert [(i, j) for _, i, j in closest_pairs(x, num_neighbours=1)] == [(1, 3), (1, 2), (0, 2)]
    assert closest_pairs(x[:1]) == closest_pairs(x[:0]) == []


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 100])
def test_many_twins_do_not_push_the_text_itself_into_the_pairs(chunk_size):
    x = torch.ones(7, 3)
    pairs = closest_pairs(x, num_neighbours=2, chunk_size=chunk_size)
    assert all(i < j for _, i, j in pairs)
    assert len({(i, j) for _, i, j in pairs}) == len(pairs)
    counted = torch.bincount(torch.tensor([[i, j] for _, i, j in pairs]).flatten(), minlength=7)
    assert (counted >= 2).all()


def test_half_precision_is_compared_in_float32():
    x = torch.randn(20, 64, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    assert closest_pairs(x) == closest_pairs(x.float())


def test_texts_are_encoded_as_documents():
    class Lengths:
        def encode_document(self, texts):
            return [[float(len(text)), 1.0] for text in texts]

    assert [(i, j) for _, i, j in paraphrase_mining(Lengths(), ["aaaa", "bbb", ""])] == [(0, 1), (1, 2), (0, 2)]


@pytest.mark.slow  # the first dispatch mode of a process imports half of torch
def test_memory_does_not_grow_with_the_number_of_pairs():
    for N in (200, 800):
        x = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
        with Largest() as largest:
            closest_pairs(x, max_pairs=500, num_neighbours=10, chunk_size=50)
        assert largest.numel <= max(x.numel(), 50 * (50 + 2 * 11), 500 + 50 * 11)


def test_numbers_out_of_range_are_refused():
    x = torch.eye(3)
    for options in ({"max_pairs": 0}, {"num_neighbours": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            closest_pairs(x, **options)
    with pytest.raises(ValueError, match=r"expected \(Q, D\) and \(N, D\)"):
        closest_pairs(x[0])
    with pytest.raises(ValueError, match="must not hold NaN"):
        closest_pairs(normalize(x) * float("nan"))
