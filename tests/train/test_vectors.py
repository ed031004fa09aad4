"""Learning a teacher's vectors: equal to what sentence-transformers asks for, and shorter vectors as sklearn cuts them."""

import numpy as np
import pytest
import torch

from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.losses import similarity_kl
from workbook.train import fit_vectors, principal_directions

TEXTS = [f"{a} the {b}" for a in ("open", "close", "read", "sort") for b in ("file", "list", "matrix of numbers")]


@pytest.fixture
def student():
    tokenizer = train_tokenizer(TEXTS, vocab_size=80)
    torch.manual_seed(0)
    return TextEncoder(tokenizer, TransformerEncoder(tokenizer.get_vocab_size(), 8, 1, 2, max_length=16), max_length=16)


@pytest.fixture
def vectors():
    return torch.randn(len(TEXTS), 8, generator=torch.Generator().manual_seed(1))


def test_the_first_loss_is_one_minus_the_mean_cosine(student, vectors):
    mine = torch.from_numpy(student.encode(TEXTS))
    expected = 1 - torch.nn.functional.cosine_similarity(mine, vectors).mean()
    history = fit_vectors(student, TEXTS, vectors, steps=1, batch_size=len(TEXTS), lr=1e-3, show=False)
    assert history[0]["loss"] == pytest.approx(float(expected), abs=1e-5)


def test_the_student_comes_to_the_teachers_vectors(student, vectors):
    history = fit_vectors(student, TEXTS, vectors, steps=300, batch_size=6, lr=0.01, seed=3, show=False)
    assert history[0]["loss"] > 0.7
    assert np.mean([record["loss"] for record in history[-5:]]) < 0.25


def test_similarities_are_learned_beside_the_vectors(student, vectors):
    mine = torch.from_numpy(student.encode(TEXTS))
    expected = 1 - torch.nn.functional.cosine_similarity(mine, vectors).mean() + 0.5 * similarity_kl(mine, vectors, 0.2)
    options = {"batch_size": len(TEXTS), "lr": 0.01, "show": False, "similarities": 0.5, "temperature": 0.2}
    history = fit_vectors(student, TEXTS, vectors, steps=150, **options)
    assert history[0]["loss"] == pytest.approx(float(expected), abs=1e-5)
    assert similarity_kl(torch.from_numpy(student.encode(TEXTS)), vectors, 0.2) < similarity_kl(mine, vectors, 0.2) / 2


def test_the_length_of_a_vector_does_not_count(student, vectors):
    start = {name: p.detach().clone() for name, p in student.named_parameters()}
    ends = []
    for scaled in (vectors, vectors * torch.linspace(0.1, 9, len(TEXTS))[:, None]):
        student.load_state_dict(start, strict=False)
        fit_vectors(student, TEXTS, scaled, steps=3, batch_size=6, lr=0.01, show=False)
        ends.append(student.encode(TEXTS))
    np.testing.assert_allclose(*ends, atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "shape"), [([], (0, 8)), ("text", (4, 8)), (TEXTS, (len(TEXTS), 9)), (TEXTS, (3, 8))]
)
def test_vectors_that_do_not_belong_to_the_texts_are_refused(student, texts, shape):
    with pytest.raises(ValueError, match=r"expected vectors \(N, D\)"):
        fit_vectors(student, texts, torch.ones(shape), steps=1, show=False)


def test_principal_directions_keep_cosines_best():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 12, generator=generator) @ torch.diag(torch.linspace(3, 0.1, 12)) + 0.5
    directions = principal_directions(x, 5)
    torch.testing.assert_close(directions.T @ directions, torch.eye(5), atol=1e-5, rtol=0)
    kept = (x @ directions).square().sum(dim=0)
    assert torch.equal(kept, kept.sort(descending=True).values)
    random = torch.linalg.qr(torch.randn(12, 5, generator=generator)).Q
    assert (x @ directions).square().sum() > (x @ random).square().sum()


def test_more_directions_than_there_are_is_refused():
    with pytest.raises(ValueError, match="D must be at most N = 3 and E = 4, got 4"):
        principal_directions(torch.randn(3, 4), 4)
