"""What was made fast is what its plain version says: every pair of the two, on random inputs.

A row of PAIRS names the pair, the fast version, the plain one, and a function from a seeded generator to the
arguments of both.
"""

import pytest
import torch
from torch.testing import assert_close

from workbook import losses, pooling, similarity
from workbook.train import gradcache


def hidden_and_mask(generator):
    """Token vectors with NaN where there is padding, on either side, and a text without tokens."""
    hidden = torch.randn(6, 9, 4, generator=generator, dtype=torch.float64)
    mask = torch.arange(9)[None] < torch.randint(0, 10, (6, 1), generator=generator)
    mask[:3], mask[0] = mask[:3].flip(1), False
    return hidden.masked_fill(~mask[:, :, None], torch.nan), mask.long()


def vectors_with_ties(generator, Q=5):
    """Queries, a corpus in which many scores are equal, and k."""
    queries, corpus = (torch.randint(-2, 3, (n, 3), generator=generator).float() for n in (Q, 40))
    return queries, corpus, int(torch.randint(1, 50, (), generator=generator))


def texts_and_vectors(generator):
    """Queries and positives, and a temperature."""
    return *torch.randn(2, 8, 5, generator=generator, dtype=torch.float64), 0.02 + float(
        torch.rand((), generator=generator)
    )


def step_of(step, *options):
    """The loss and the gradients of a small model after a step."""

    def run(weight, x, y):
        model = torch.nn.Linear(5, 4, dtype=torch.float64)
        with torch.no_grad():
            model.weight.copy_(weight)
            model.bias.zero_()
        value = step(model, [(x,), (y,)], losses.info_nce, *options)
        return value, model.weight.grad

    return run


def a_layer_and_two_columns(generator):
    return tuple(torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (4, 11, 11))


PAIRS = [
    ("gradcache_step", step_of(gradcache.gradcache_step, 3), step_of(gradcache.full_batch_step), a_layer_and_two_columns),
    ("info_nce", lambda q, p, t: losses.info_nce(q, p, temperature=t), losses.info_nce_plain, texts_and_vectors),
    ("mean_pool", pooling.mean_pool, pooling.mean_pool_plain, hidden_and_mask),
    ("first_k", similarity.first_k, similarity.first_k_plain, lambda g: vectors_with_ties(g)[1:]),
    ("top_k", lambda *x: similarity.top_k(*x, chunk_size=7), similarity.top_k_plain, vectors_with_ties),
    ("dot_score_of_one", similarity.dot_score_of_one, similarity.dot_score, lambda g: vectors_with_ties(g, Q=1)[:2]),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("fast", "plain", "inputs"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_the_fast_version_is_the_plain_one(fast, plain, inputs, seed):
    arguments = inputs(torch.Generator().manual_seed(seed))
    assert_close(fast(*arguments), plain(*arguments), rtol=1e-9, atol=1e-9)
