"""The plain forms of chapter 15 give what the package gives."""

import numpy as np
import pytest
import torch

from tests.test_cross_encoder import TOKENIZER, untrained
from workbook.cross_encoder import fit_cross_encoder
from workbook.exercises import EXERCISES, chapter_15
from workbook.losses import listwise_loss, margin_mse, pairwise_loss, pointwise_loss
from workbook.metrics import evaluate, expected_calibration_error, reliability_curve

WORDS = ["red", "green", "blue", "black", "white", "brown", "pink", "gray", "red", "blue"]


@pytest.mark.parametrize("max_length", range(5, 16))
def test_pair_ids_are_those_of_the_package(max_length):
    encoder = untrained(max_length=max_length)
    cls, sep = (TOKENIZER.token_to_id(name) for name in ("[CLS]", "[SEP]"))
    lengths = [(q, p) for q in range(10) for p in range(10)]
    texts = [(" ".join(WORDS[:q]), " ".join(WORDS[::-1][:p])) for q, p in lengths]
    apart = [[TOKENIZER.encode(text, add_special_tokens=False).ids for text in pair] for pair in texts]
    ours = [chapter_15.pair_ids(*pair, cls, sep, max_length) for pair in apart]
    assert [list(column) for column in zip(*ours, strict=True)] == list(encoder.token_ids(texts))


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("form", ["reference", "another"])
def test_the_losses_are_those_of_the_package(form):
    scores = 3 * drawn(5, 6)
    labels = (drawn(5, 6, seed=1) > 0.3).double()
    labels[:, 0], labels[:, 1] = 1, 0
    pointwise, pairwise, listwise = getattr(EXERCISES["15.2"], form)(scores, labels)
    assert torch.allclose(pointwise, pointwise_loss(scores.flatten(), labels.flatten()))
    assert torch.allclose(pairwise, pairwise_loss(scores, labels))
    one_right = torch.zeros_like(labels)
    one_right[:, 0] = 1
    assert torch.allclose(listwise, listwise_loss(scores, labels.log()))
    # With one relevant passage it is ListNet's with labels that are sure.
    alone = getattr(EXERCISES["15.2"], form)(scores, one_right)[2]
    assert torch.allclose(alone, listwise_loss(scores, 100 * one_right))


@pytest.mark.parametrize("form", ["reference", "another"])
def test_margin_mse_is_that_of_the_package(form):
    args = drawn(4, 3), drawn(4, 3, seed=1), drawn(4, 2, 3, seed=2), 5 * drawn(4, 3, seed=3)
    assert torch.allclose(getattr(EXERCISES["15.3"], form)(*args), margin_mse(*args))


@pytest.mark.parametrize("bins", [1, 3, 10])
def test_reliability_is_that_of_the_package(bins):
    p = drawn(200).sigmoid()
    labels = (drawn(200, seed=1).sigmoid() < p).double()
    *columns, error = EXERCISES["15.4"].another(p, labels, bins)
    for ours, theirs in zip(columns, reliability_curve(p, labels, bins), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert error == pytest.approx(expected_calibration_error(p, labels, bins))


class Reading(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, pairs):
        return self.encoder(*self.encoder.pad(*self.encoder.token_ids(pairs)))


@pytest.mark.parametrize("form", ["reference", "another"])
def test_the_loss_of_a_step_is_that_of_a_reranker_trained_on_the_same_lists(form):
    queries, corpus = {"q1": "red", "q2": "blue"}, {word: word for word in WORDS}
    qrels, run = {"q1": {"red": 1}, "q2": {"blue": 1}}, {"q1": {"pink": 2.0, "red": 1.0}, "q2": {"gray": 1.0}}
    args = queries, corpus, qrels, run, ["brown", "black"], 1, 0.1
    encoder = untrained(dropout=0.0)
    ranked = {
        q: dict(zip(ids, encoder.predict([(q, p) for p in ids]).tolist(), strict=True))
        for q, ids in (("red", ["red", "pink", "brown", "black"]), ("blue", ["blue", "gray", "brown", "black"]))
    }
    loss, mrr = getattr(EXERCISES["15.6"], form)(Reading(untrained(dropout=0.0)), *args)
    rows = [("red", "red", "pink", "brown", "black"), ("blue", "blue", "gray", "brown", "black")]
    history = fit_cross_encoder(encoder, rows, steps=1, batch_size=2)
    assert loss == pytest.approx(history[0]["loss"], abs=1e-5)
    assert mrr == pytest.approx(evaluate({q: {q: 1} for q in ranked}, ranked, ("mrr",))["mrr"])
