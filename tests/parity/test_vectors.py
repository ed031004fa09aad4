"""Distilled vectors: the loss is that of sentence-transformers, the shorter vectors are those of scikit-learn."""

import numpy as np
import pytest
import torch

from workbook.train import principal_directions

pytestmark = pytest.mark.parity


def test_directions_span_those_of_sklearn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32) * np.linspace(4, 0.5, 10, dtype=np.float32)
    theirs = decomposition.TruncatedSVD(4, algorithm="arpack", random_state=0).fit(x).components_.T  # (E, D)
    ours = principal_directions(torch.from_numpy(x), 4).numpy()
    np.testing.assert_allclose(np.abs((ours * theirs).sum(axis=0)), 1, atol=1e-4)


def test_one_minus_cosine_is_the_mean_squared_error_of_unit_vectors():
    losses = pytest.importorskip("sentence_transformers.losses")
    student, teacher = (torch.nn.functional.normalize(torch.randn(6, 16), dim=1) for _ in range(2))

    class Fixed(torch.nn.Module):
        def forward(self, features):
            return {"sentence_embedding": student}

    theirs = losses.MSELoss(Fixed())([{}], teacher)
    ours = (1 - torch.nn.functional.cosine_similarity(student, teacher)).mean()
    torch.testing.assert_close(theirs * student.shape[1] / 2, ours)
