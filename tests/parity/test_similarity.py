"""Our similarities are sentence-transformers'; our exact search is a faiss flat index."""

import pytest
import torch

from workbook import similarity

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("name", ["cos_sim", "dot_score", "euclidean_sim"])
def test_equal_to_sentence_transformers(name):
    from sentence_transformers import util

    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(9, 17, generator=generator).double(), torch.randn(23, 17, generator=generator).double()
    a[0] = 0
    assert torch.allclose(getattr(similarity, name)(a, b), getattr(util, name)(a, b), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dim", [1, 5, 17])
def test_a_cut_is_sentence_transformers_normalized_afterwards(dim):
    from sentence_transformers.util import truncate_embeddings

    x = torch.randn(9, 17, generator=torch.Generator().manual_seed(0)).double()
    expected = torch.nn.functional.normalize(truncate_embeddings(x, dim), dim=-1)
    assert torch.allclose(similarity.truncate(x, dim), expected, rtol=0, atol=1e-12)


def test_top_k_equal_to_a_faiss_flat_index():
    import faiss

    generator = torch.Generator().manual_seed(0)
    queries, corpus = torch.randn(50, 32, generator=generator), torch.randn(5000, 32, generator=generator)
    index = faiss.IndexFlatIP(32)
    index.add(corpus.numpy())
    expected_scores, expected_ids = index.search(queries.numpy(), 20)
    scores, ids = similarity.top_k(queries, corpus, 20, chunk_size=999)
    assert torch.equal(ids, torch.from_numpy(expected_ids))
    assert torch.allclose(scores, torch.from_numpy(expected_scores), atol=1e-4)


def test_top_k_with_many_ties_gives_the_scores_of_a_faiss_flat_index():
    """Every vector stands four times; faiss keeps any of the equal ones, ours those with the smaller ids."""
    import faiss

    generator = torch.Generator().manual_seed(1)
    # Whole numbers: scores that should be equal are.
    queries = torch.randint(-2, 3, (20, 8), generator=generator).float()
    corpus = torch.randint(-2, 3, (150, 8), generator=generator).float().repeat(4, 1)
    index = faiss.IndexFlatIP(8)
    index.add(corpus.numpy())
    expected_scores, _ = index.search(queries.numpy(), 30)
    for chunk_size in (7, 100, 10_000):
        scores, ids = similarity.top_k(queries, corpus, 30, chunk_size)
        assert torch.equal(scores, torch.from_numpy(expected_scores))
        exact = (queries @ corpus.T).sort(dim=1, descending=True, stable=True)
        assert torch.equal(ids, exact.indices[:, :30])
