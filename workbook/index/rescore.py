"""Rescoring: find many candidates with something cheap, rank the few with something exact.

The cheap side may be coarser vectors (`workbook.index.quantize`) or shorter ones: `funnel_search` starts with
the first dimensions of a Matryoshka embedding and takes in more of them as the candidates get fewer.

Letters: Q queries, N passages, D dimensions, C candidates, K results.

Taught in 13 and 17.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from workbook.index.vectors import answer, as_vectors, exhaustive
from workbook.similarity import first_k, normalize, truncate
from workbook.support.checks import check_positive


def rescore(query_embeddings: Any, candidates: Any, vectors_of: Callable[[Any], Any], k: int) -> tuple[Any, Any]:
    """Rank each query's candidates by the product with the float query, and keep the k best.

    Args:
        query_embeddings: (Q, D) floats.
        candidates: (Q, C) ids; -1 stands for none.
        vectors_of: ids (n,) -> vectors (n, D); called for one query at a time.
        k: results per query.
    Returns:
        scores (Q, K) and ids (Q, K), best first, equal scores in the order of the candidates; id -1 and
        -inf where there are fewer than k candidates.
    Raises:
        ValueError: shapes do not belong together, or k is not positive.
    """
    check_positive(k=k)
    queries = as_vectors(query_embeddings, None, "query_embeddings").cpu()
    ids = torch.as_tensor(candidates, dtype=torch.long).cpu()
    if ids.ndim != 2 or len(ids) != len(queries):
        raise ValueError(f"candidates must be (Q, C) with Q = {len(queries)}, got {tuple(ids.shape)}")
    scores = torch.full(ids.shape, float("-inf"))
    for row, query in enumerate(queries):
        real = ids[row] >= 0
        x = as_vectors(vectors_of(ids[row, real].numpy()), len(query), "vectors_of(ids)").cpu()
        scores[row, real] = x @ query
    best, order = first_k(scores, k)
    return answer(best, ids.gather(1, order), k, "inner_product", query_embeddings)


def funnel_cost(num_passages: int, k: int, matryoshka_dims: Sequence[int], rescore_multiplier: int = 4) -> int:
    """How many multiply-adds `funnel_search` spends on the products of one query; search with all D takes N · D.

        N · dim_0 + sum_i  min(N, k · rescore_multiplier^(n - i)) · dim_i,   i = 1 … n - 1

    Args:
        num_passages: N.
        k, matryoshka_dims, rescore_multiplier: as there.
    Returns:
        the number of multiply-adds; the normalizing of what is cut, which can be done beforehand, is not counted.
    """
    read = [num_passages, *_kept(k, len(matryoshka_dims), rescore_multiplier)[:-1]]  # by each stage
    return sum(min(num_passages, rows) * size for rows, size in zip(read, matryoshka_dims, strict=True))


def _kept(k: int, stages: int, rescore_multiplier: int) -> list[int]:
    """How many candidates each stage hands on."""
    return [k * rescore_multiplier**left for left in reversed(range(stages))]


def funnel_search(
    query_embeddings: Any,
    corpus: Any,
    k: int,
    matryoshka_dims: Sequence[int],
    rescore_multiplier: int = 4,
) -> tuple[Any, Any]:
    """Search with few dimensions, and rank ever fewer candidates with ever more of them.

    Stage i of n looks at the first matryoshka_dims[i] dimensions, normalized again, and keeps
    k · rescore_multiplier^(n - 1 - i) candidates: the first stage reads the corpus, the last returns k.

    Args:
        query_embeddings: (Q, D) floats.
        corpus: (N, D) floats, numpy or torch; may be a memory map, of which the first stage reads a prefix.
        k: results per query.
        matryoshka_dims: sizes in ascending order, those that the model was trained for.
        rescore_multiplier: how much wider each stage is than the next.
    Returns:
        scores (Q, K), cosines at the largest size, and ids (Q, K), best first; id -1 and -inf where there
        are fewer than k passages.
    Raises:
        ValueError: sizes that do not ascend or exceed D, shapes that do not belong together, k not positive.

    Source: Kusupati et al. 2022 (funnel retrieval).
    """
    check_positive(k=k, rescore_multiplier=rescore_multiplier)
    queries = as_vectors(query_embeddings, None, "query_embeddings").cpu()
    dims, D = list(matryoshka_dims), queries.shape[1]
    if not dims or dims != sorted(set(dims)) or not dims[0] >= 1 or dims[-1] > D:
        raise ValueError(f"matryoshka_dims must ascend from 1 at least to D = {D} at most, got {tuple(dims)}")
    if corpus.ndim != 2 or corpus.shape[1] != D:
        raise ValueError(f"corpus must be (N, D) with D = {D}, got {tuple(corpus.shape)}")

    def prefix(rows: Any, size: int) -> Tensor:
        return normalize(as_vectors(corpus[rows][:, :size], size, "corpus").cpu())  # the rest is not read

    kept = _kept(k, len(dims), rescore_multiplier)

    def prepare(block: Tensor) -> Callable[[Any], Tensor]:
        return lambda rows: block @ prefix(rows, dims[0]).T

    scores, ids = exhaustive(truncate(queries, dims[0]), len(corpus), kept[0], prepare)
    for size, most in zip(dims[1:], kept[1:], strict=True):
        scores, ids = rescore(truncate(queries, size), ids, partial(prefix, size=size), most)
    return answer(scores, ids, k, "inner_product", query_embeddings)
