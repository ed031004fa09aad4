"""Exact search beside a faiss flat index: the same vectors, one thread."""

import faiss
import torch

from benchmarks.timing import row
from workbook.similarity import top_k

PASSAGES, QUERIES, SIZE, K = 50_000, 500, 384, 100


def run() -> list[dict]:
    """The 100 nearest of 50,000 passages, for many queries at once and for one."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    corpus = torch.nn.functional.normalize(torch.randn(PASSAGES, SIZE, generator=generator))
    queries = torch.nn.functional.normalize(torch.randn(QUERIES, SIZE, generator=generator))
    index = faiss.IndexFlatIP(SIZE)
    index.add(corpus.numpy())
    assert torch.equal(top_k(queries[:10], corpus, K)[1], torch.from_numpy(index.search(queries[:10].numpy(), K)[1]))
    return [
        row(
            f"exact search, {count} of {QUERIES} queries, {PASSAGES:,} passages",
            "faiss flat",
            lambda asked=queries[:count]: top_k(asked, corpus, K),
            lambda asked=queries[:count]: index.search(asked.numpy(), K),
        )
        for count in (QUERIES, 1)
    ]
