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
