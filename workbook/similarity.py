"""Similarity: how close two text vectors are, and which of many are the closest.

Letters: Q queries, N passages, D dimensions, K results. A normalized vector has the dtype of the vector;
scores are float32 or more, whatever the vectors are stored in.

Taught in 02 (similarity), 03 (search) and 13 (truncate).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.support.checks import check_positive
from workbook.support.precision import at_least_float32, without_autocast
from workbook.support.types import Corpus, Encoder, Queries, Run

Score = Callable[[Tensor, Tensor], Tensor]  # (Q, D), (N, D) -> (Q, N), larger is closer


def normalize(x: Tensor) -> Tensor:
    """Scale each vector to length 1. A zero vector stays zero.

        normalize(x) = x / |x|

    Args:
        x: (..., D).
    Returns:
        (..., D), in the dtype of x.

    Equal to `torch.nn.functional.normalize(x, dim=-1)`.
    """
    full = at_least_float32(x)
    length: Tensor = torch.linalg.vector_norm(full, dim=-1, keepdim=True)
    return (full / length.clamp(min=1e-12)).to(x.dtype)


def truncate(x: Tensor, dim: int, layer_norm: bool = False) -> Tensor:
    """Keep the first dimensions of each vector, scaled to length 1 again. What is zero there stays zero.

        truncate(x, dim) = normalize(x[..., :dim])

    Cut first: how much length lies in the first dimensions differs from vector to vector.

    Args:
        x: (..., D), of any length.
        dim: from 1 to D.
        layer_norm: shift and scale each whole vector to mean 0 and variance 1 before the cut, for models that were
            trained so, such as nomic-embed-text-v1.5. The scale is lost again at length 1; the shift stays.
    Returns:
        (..., dim), in the dtype of x.
    Raises:
        ValueError: dim is below 1 or above D.

    Equal to sentence-transformers `truncate_embeddings`, normalized afterwards.
    """
    if not 1 <= dim <= x.shape[-1]:
        raise ValueError(f"dim must be from 1 to D = {x.shape[-1]}, got {dim}")
    whole = torch.nn.functional.layer_norm(x, x.shape[-1:]) if layer_norm else x
    return normalize(whole[..., :dim])


def dot_score(a: Tensor, b: Tensor) -> Tensor:
    """The dot product of every row of `a` with every row of `b`: (Q, D), (N, D) -> (Q, N).

    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `util.dot_score`.
    """
    a, b = _matrices(a, b)
    with without_autocast(a):
        return a @ b.T


def cos_sim(a: Tensor, b: Tensor) -> Tensor:
    """The cosine of the angle between every row of `a` and of `b`: (Q, D), (N, D) -> (Q, N).

        cos(a, b) = a · b / (|a| |b|)

    Raises:
        ValueError: the shapes do not belong together.

    >>> cos_sim(torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor([[1., 0.]])

    Equal to sentence-transformers `util.cos_sim`.
    """
    a, b = _matrices(a, b)
    return dot_score(normalize(a), normalize(b))


def euclidean_sim(a: Tensor, b: Tensor) -> Tensor:
    """Minus the Euclidean distance, so that larger means closer: (Q, D), (N, D) -> (Q, N).

    Raises:
        ValueError: the shapes do not belong together.

    Equal to sentence-transformers `util.euclidean_sim`.
    """
    a, b = _matrices(a, b)
    # Not by |a|² + |b|² - 2 a·b: far from the origin that subtracts two large numbers, and the distance is lost.
    return -torch.cdist(a, b, p=2.0, compute_mode="donot_use_mm_for_euclid_dist")


def top_k(
    queries: Tensor, corpus: Tensor, k: int, chunk_size: int = 16_384, score: Score = dot_score
) -> tuple[Tensor, Tensor]:
    """Find the k passages with the highest score for each query, exactly.

    The corpus is read in chunks, so memory is Q · (chunk_size + 2k) scores whatever N is. Among equal
    scores the smaller row comes first, whatever the chunk size.

    Args:
        queries: (Q, D).
        corpus: (N, D).
        k: how many results; when k > N, all N are returned.
        chunk_size: how many passages are scored at a time.
        score: `dot_score`, `cos_sim` or `euclidean_sim`.
    Returns:
        scores (Q, K) in descending order and ids (Q, K); K = min(k, N). The ids are row numbers of `corpus`:
        `as_run` gives them the names of queries and passages, which `workbook.metrics.evaluate` asks for.
    Raises:
        ValueError: k or chunk_size is not positive, the shapes do not belong together, or a score is
            NaN; the message names the row it came from.

    >>> scores, ids = top_k(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [3.0, 0.0], [2.0, 0.0]]), k=2)
    >>> ids
    tensor([[1, 2]])

    The same results as a faiss flat index.
    """
    _check_matrices(queries, corpus)
    check_positive(k=k, chunk_size=chunk_size)
    parts = (corpus[start : start + chunk_size] for start in range(0, len(corpus), chunk_size))
    return _best_of(queries, parts, k, score)


def top_k_plain(queries: Tensor, corpus: Tensor, k: int, score: Score = dot_score) -> tuple[Tensor, Tensor]:
    """`top_k` in one piece: score everything, sort, cut."""
    return first_k_plain(score(queries, corpus), k)


def _best_of(queries: Tensor, parts: Iterable[Tensor], k: int, score: Score = dot_score) -> tuple[Tensor, Tensor]:
    """The k best over the parts of a corpus, (chunk, D) each, of which one at a time is needed."""
    queries = at_least_float32(queries)
    best = queries.new_empty(len(queries), 0)
    best_ids = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
    start = 0
    if score is dot_score and len(queries) == 1:
        score = dot_score_of_one
    for part in parts:
        _check_matrices(queries, part)
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
        return dot_score(query, x)
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
    values, ids = scores.topk(min(k + 1, scores.shape[1]), dim=1)  # one more, to see what was cut off
    tied_at_the_cut = (values[:, k - 1 : k] == values[:, k:]).any(dim=1)  # (Q,), the last kept and the first cut off
    ids, _ = ids[:, :k].sort(dim=1)
    values, order = scores.gather(1, ids).sort(dim=1, descending=True, stable=True)
    ids = ids.gather(1, order)
    if tied_at_the_cut.any():  # there topk may have kept any of the equal ones
        ids[tied_at_the_cut] = first_k_plain(scores[tied_at_the_cut], k)[1]
    return values, ids


def first_k_plain(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """`first_k` by a full sort: a stable one leaves equal scores in their order."""
    values, ids = scores.sort(dim=1, descending=True, stable=True)
    return values[:, :k], ids[:, :k]


def _where_nan_arose(queries: Tensor, part: Tensor, start: int) -> str:
    for name, x, first in (("queries", queries, 0), ("corpus", part, start)):
        if x.isnan().any():
            row = first + int(x.isnan().any(dim=1).nonzero()[0])
            return f"{name} must not hold NaN, row {row} does; a NaN has no rank, so find where it arose"
    return "a score is NaN, though no vector holds one; a NaN has no rank, so look for infinite numbers in the vectors"


def dense_search(
    encoder: Encoder,
    corpus: Corpus,
    queries: Queries,
    k: int = 100,
    corpus_embeddings: np.ndarray | Tensor | None = None,
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
    check_positive(k=k, chunk_size=chunk_size)
    passage_ids = list(corpus)
    asked = torch.as_tensor(encoder.encode_query(list(queries.values()), **options))  # (Q, D)

    def vectors_of(ids: list[str]) -> Tensor:
        return _vectors(encoder.encode_document([corpus[i] for i in ids], **options), len(ids))

    if corpus_embeddings is None:
        parts = (vectors_of(passage_ids[start : start + chunk_size]) for start in range(0, len(corpus), chunk_size))
        scores, ids = _best_of(asked, parts, k)
    else:
        scores, ids = top_k(asked, _vectors(corpus_embeddings, len(corpus)), k, chunk_size)
    return as_run(queries, passage_ids, scores, ids)


def as_run(
    queries: Iterable[str], passage_ids: Sequence[str], scores: np.ndarray | Tensor, ids: np.ndarray | Tensor
) -> Run:
    """From row numbers to a run: what a search returned, under the names of queries and passages.

        run = as_run(queries, list(corpus), *top_k(query_vectors, corpus_vectors, 100))
        evaluate(run, qrels)

    `top_k`, the indexes of `workbook.index`, `scalar_search`, `binary_search` and faiss know passages by their row;
    qrels know them by their id. This is the step between them.

    Args:
        queries: Q query ids, in the order of the rows of `scores`; a dict of queries will do.
        passage_ids: N ids, in the order in which the passages were encoded, as `list(corpus)`.
        scores: (Q, K), numpy or torch, best first.
        ids: (Q, K) row numbers below N; below 0 where there is no result.
    Returns:
        run: query id -> passage id -> score, best first.
    Raises:
        ValueError: there are not as many queries as rows, scores and ids differ in shape, or an id is no row of
            the N passages.
    """
    query_ids = list(queries)
    if tuple(scores.shape) != tuple(ids.shape) or len(ids) != len(query_ids):
        raise ValueError(
            f"expected scores and ids (Q, K) with a row for each of the {len(query_ids)} queries, got "
            f"{tuple(scores.shape)} and {tuple(ids.shape)}"
        )
    rows = ids.tolist()
    highest = max((row for found in rows for row in found), default=-1)
    if highest >= len(passage_ids):
        raise ValueError(
            f"row {highest} is none of the {len(passage_ids)} passages; give the ids of all that were searched, in "
            "that order, as list(corpus)"
        )
    return {
        query_id: {passage_ids[row]: score for row, score in zip(found, its_scores, strict=True) if row >= 0}
        for query_id, found, its_scores in zip(query_ids, rows, scores.tolist(), strict=True)
    }


def _matrices(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides of a score, checked, in float32 or more."""
    _check_matrices(a, b)
    return at_least_float32(a), at_least_float32(b)


def _check_matrices(a: Tensor, b: Tensor) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"expected (Q, D) and (N, D) with the same D, got {tuple(a.shape)} and {tuple(b.shape)}; "
            "give a single vector as vector[None, :], and encode both sides with the same model"
        )


def _vectors(given: np.ndarray | Tensor, N: int) -> Tensor:
    if len(given) != N:
        raise ValueError(f"expected an embedding for each of {N} passages, got {len(given)}")
    return torch.as_tensor(given)
