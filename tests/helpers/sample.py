"""One small exercise for the tests of the engine: the mean of the tokens."""

from pathlib import Path

import torch

from workbook.exercises import Case, Exercise, Mistake, Property


def reference(hidden, mask):
    weight = mask.to(hidden.dtype)[:, :, None]
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


def by_loop(hidden, mask):
    return torch.stack([row[keep.bool()].mean(dim=0) for row, keep in zip(hidden, mask, strict=True)])


def stub(hidden, mask):
    raise NotImplementedError


def plain_mean(hidden, mask):
    return hidden.mean(dim=1)


def a_sum(hidden, mask):
    return (hidden * mask[:, :, None]).sum(dim=1)


def detached(hidden, mask):
    return reference(hidden, mask).detach()


def random_batch():
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
    return torch.randn(3, 4, 5, generator=generator), mask


def padding_changes_nothing(pool):
    hidden, mask = random_batch()
    padded = pool(torch.cat([hidden, hidden[:, :1]], dim=1), torch.cat([mask, 0 * mask[:, :1]], dim=1))
    return None if torch.allclose(padded, pool(hidden, mask)) else "one more padded position moved the result"


EXERCISE = Exercise(
    id="99.1",
    title="mean of the tokens",
    difficulty="easy",
    minutes=5,
    section="Build it",
    signature="(B, T, D), (B, T) -> (B, D)",
    reference=reference,
    another=by_loop,
    gradient=True,
    cases=(
        Case(
            "two tokens, one of them padding",
            lambda: (torch.tensor([[[2.0], [4.0]]]), torch.tensor([[1, 0]])),
            torch.tensor([[2.0]]),
        ),
        Case("three random texts", random_batch),
    ),
    properties=(Property("padding changes nothing", padding_changes_nothing),),
    mistakes=(
        Mistake("padding is averaged in", plain_mean, "You divide by T, and padding is part of the sum."),
        Mistake("a sum, not a mean", a_sum, "Nothing is divided, so long texts get long vectors."),
        Mistake("the gradient is cut off", detached, "The result is right, but nothing can be learned from it."),
    ),
    hints=("what is padding?", "count the tokens of each row", "multiply, sum, divide by the count"),
)

FOLDER = Path(__file__).parent  # where 99.toml lies
