"""The loop and its schedule, beside those of others."""

import functools

import numpy as np
import pytest
import torch

from tests.train.test_fit import weights
from workbook.train import optimize, schedule


def test_a_loss_that_was_propagated_already_is_the_same_training():
    def run(loss_of):
        model = torch.nn.Linear(3, 1)
        torch.nn.init.ones_(model.weight)
        torch.nn.init.zeros_(model.bias)
        history = optimize(model, functools.partial(loss_of, model), np.ones(6), steps=4, batch_size=2, lr=0.1)
        return history, weights(model)

    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))

    def whole(model, rows):
        return model(x[rows]).square().mean()

    def in_pieces(model, rows):
        pieces = [model(x[[row]]).square().mean() / len(rows) for row in rows]
        for piece in pieces:
            piece.backward()
        return sum(pieces).detach()

    (a, first), (b, second) = run(whole), run(in_pieces)
    assert [r["loss"] for r in a] == pytest.approx([r["loss"] for r in b], abs=1e-6)
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


def test_the_schedule_rises_peaks_and_falls_by_hand():
    assert [schedule(step, 8, 3) for step in range(8)] == pytest.approx(
        [1 / 4, 2 / 4, 3 / 4, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5]
    )


def test_without_warmup_the_schedule_is_that_of_transformers():
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, 0, 10)
    for step in range(10):
        assert schedule(step, 10, 0) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()
