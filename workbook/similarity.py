"""Similarity: how close two text vectors are, and which of many are the closest.

Letters: Q queries, N passages, D dimensions, K results.

Taught in 02 (similarity) and 03 (search).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Run = dict[str, dict[str, float]]


def normalize(x: Tensor) -> Tensor:
    """Scale each vector to length 1. A zero vector stays zero.

        normalize(x) = x / |x|

    Args:
        x: (..., D).
    Returns:
        (..., D).

    Equal to `torch.nn.functional.normalize(x, dim=-1)`.
    """
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def dot_score(a: Tensor, b: Tensor) -> Tensor:
    """The dot product of every row of `a` with every row of `b`: (Q, D), (N, D) -> (Q, N).

    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `util.dot_score`.
    """
    a, b = _matrices(a, b)
    return a @ b.T


def cos_sim(a: Tensor, b: Tensor) -> Tensor:
    """The cosine of the angle between every row of `a` and of `b`: (Q, D), (N, D) -> (Q, N).

        cos(a, b) = a · b / (|a| |b|)

    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `util.cos_sim`.
    """
    a, b = _matrices(a, b)
    return normalize(a) @ normalize(b).T


def euclidean_sim(a: Tensor, b: Tensor) -> Tensor:
    """Minus the Euclidean distance, so that larger means closer: (Q, D), (N, D) -> (Q, N).

    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `util.euclidean_sim`.
    """
    a, b = _matrices(a, b)
    return -torch.cdist(a, b, p=2.0)


def top_k(
    queries: Tensor,
    corpus: Tensor,
    k: int,
    chunk_size: int = 16_384,
    score: Callable[[Tensor, Tensor], Tensor] = dot_score,
) -> tuple[Tensor, Tensor]:
    """Find the k passages with the highest score for each query, exactly.

    The corpus is read in chunks, so memory is Q · (chunk_size + 2k) scores whatever N is. Among equal
    scores the smaller id comes first, whatever the chunk size.

    Args:
        queries: (Q, D).
        corpus: (N, D).
        k: how many results; when k > N, all N are returned.
        chunk_size: how many passages are scored at a time.
        score: `dot_score`, `cos_sim` or `euclidean_sim`.
    Returns:
        scores (Q, K) in descending order and ids (Q, K), row numbers of `corpus`; K = min(k, N).
    Raises:
        ValueError: k or chunk_size is not positive, the shapes do not belong together, or a score is
            NaN; the message names the row it came from.

    The same results as a faiss flat index.
    """
    queries, corpus = _matrices(queries, corpus)
    if k < 1 or chunk_size < 1:
        raise ValueError(f"k and chunk_size must be at least 1, got k={k}, chunk_size={chunk_size}")
    parts = (corpus[start : start + chunk_size] for start in range(0, len(corpus), chunk_size))
    return _best_of(queries, parts, k, score)


def _best_of(
    queries: Tensor, parts: Iterable[Tensor], k: int, score: Callable[[Tensor, Tensor], Tensor] = dot_score
) -> tuple[Tensor, Tensor]:
    """The k best over the parts of a corpus, (chunk, D) each, of which one at a time is needed."""
    best = queries.new_empty(len(queries), 0)
    best_ids = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
    start = 0
    if score is dot_score and len(queries) == 1:
        score = dot_score_of_one
    for part in parts:
        scores, ids = first_k(score(queries, part), k)
        if scores[:, 0].isnan().any():  # NaN counts as the largest number: if there is one, it stands first
            raise ValueError(_where_nan_arose(queries, part, start))
        # Earlier chunks hold smaller ids and stand first, so that they stay first among equal scores.
        best, order = first_k(torch.cat([best, scores], dim=1), k)
        best_ids = torch.cat([best_ids, ids + start], dim=1).gather(1, order)
        start += len(part)
        del part, scores, ids  # before the next one is made
    return best, best_ids


def dot_score_of_one(query: Tensor, x: Tensor) -> Tensor:
    """`dot_score` of a single query, (1, D), (N, D) -> (1, N), in half the time.

    A product with one row takes as long as reading x, which numpy does faster than torch. It cannot where
    there is a gradient, another dtype or an accelerator.
    """
    if any(a.requires_grad or a.dtype != torch.float32 or a.device.type != "cpu" for a in (query, x)):
        return query @ x.T
    with np.errstate(over="ignore", invalid="ignore"):  # torch does not warn of infinity either
        return torch.from_numpy(np.vecdot(x.numpy(), query.numpy())[None])


def first_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row in descending order, equal scores by ascending position.

    Args:
        scores: (Q, N).
        k: how many; when k > N, all N are returned.
    Returns:
        values and positions, both (Q, K).
    """
    k = min(k, scores.shape[1])
    values, ids = scores.topk(min(k + 1, scores.shape[1]), dim=1)  # one more, to see whether the cut parts equal scores
    torn = (values[:, k - 1 : k] == values[:, k:]).any(dim=1)  # (Q,)
    ids, _ = ids[:, :k].sort(dim=1)
    values, order = scores.gather(1, ids).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, order)
    if torn.any():  # there topk may have kept any of them; a stable sort keeps those that stand first
        ids[torn] = scores[torn].sort(dim=1, descending=True, stable=True).indices[:, :k]
    return values, ids


def _where_nan_arose(queries: Tensor, part: Tensor, start: int) -> str:
    for name, x, first in (("queries", queries, 0), ("corpus", part, start)):
        if x.isnan().any():
            row = first + int(x.isnan().any(dim=1).nonzero()[0])
            return f"{name} must not hold NaN, row {row} does; a NaN has no rank, so find where it arose"
    return "a score is NaN, though no vector holds one; a NaN has no rank, so look for infinite numbers in the vectors"


def dense_search(
    encoder: Any,
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    k: int = 100,
    corpus_embeddings: Any = None,
    chunk_size: int = 16_384,
    **options: Any,
) -> Run:
    """Encode a corpus and queries, and search: the whole dense retriever in one call.

    Passages are encoded and scored `chunk_size` at a time and their vectors are let go, so memory does not
    grow with the corpus.

    Args:
        encoder: a `workbook.encoder.TextEncoder`, or anything with `encode_query` and `encode_document`.
        corpus: passage id -> text.
        queries: query id -> text.
        k: results per query.
        corpus_embeddings: (N, D), what `encode_document` gave for this corpus before, to save doing it
            again.
        chunk_size: passages at a time.
        options: passed on to `encode_query` and `encode_document`, such as truncate_dim.
    Returns:
        run: query id -> passage id -> score, best first.
    Raises:
        ValueError: k or chunk_size is not positive, or the corpus and its embeddings differ in number.
    """
    passage_ids = list(corpus)
    if corpus_embeddings is not None and len(corpus_embeddings) != len(corpus):
        raise ValueError(f"expected an embedding for each of {len(corpus)} passages, got {len(corpus_embeddings)}")
    asked = torch.as_tensor(encoder.encode_query(list(queries.values()), **options))
    if corpus_embeddings is not None:
        scores, ids = top_k(asked, torch.as_tensor(corpus_embeddings), k, chunk_size)
    else:
        if k < 1 or chunk_size < 1:
            raise ValueError(f"k and chunk_size must be at least 1, got k={k}, chunk_size={chunk_size}")
        parts = (passage_ids[start : start + chunk_size] for start in range(0, len(corpus), chunk_size))
        scores, ids = _best_of(
            asked, (_encoded(encoder, [corpus[i] for i in part], asked, options) for part in parts), k
        )
    return as_run(queries, passage_ids, scores, ids)


def _encoded(encoder: Any, texts: list[str], asked: Tensor, options: dict[str, Any]) -> Tensor:
    vectors = torch.as_tensor(encoder.encode_document(texts, **options))
    if len(vectors) != len(texts):
        raise ValueError(f"expected an embedding for each of {len(texts)} passages, got {len(vectors)}")
    return _matrices(asked, vectors)[1]


def as_run(queries: Iterable[str], passage_ids: Sequence[str], scores: Any, ids: Any) -> Run:
    """What a search returned, under the names of queries and passages.

    Args:
        queries: Q query ids.
        passage_ids: the id of each row that was searched.
        scores: (Q, K), numpy or torch, best first.
        ids: (Q, K) row numbers; below 0 where there is no result.
    Returns:
        run: query id -> passage id -> score, best first.
    """
    return {
        query_id: {passage_ids[i]: score for i, score in zip(row, row_scores, strict=True) if i >= 0}
        for query_id, row, row_scores in zip(queries, ids.tolist(), scores.tolist(), strict=True)
    }


def _matrices(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"expected (Q, D) and (N, D) with the same D, got {tuple(a.shape)} and {tuple(b.shape)}; "
            "give a single vector as vector[None, :], and encode both sides with the same model"
        )
    return a, b
