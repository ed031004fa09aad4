"""Late interaction: keep a vector for every token, and let the tokens of query and passage meet only at search time.

One vector must say everything about a passage at once. Here each token of the query looks for the one
token of the passage that answers it best, and the passage's score is the sum of these best matches:

    score(q, d) = sum_s  max_t  q_s · d_t

Passages have different lengths. They are kept *ragged*: the tokens of all passages one below another in
one matrix, and a list of lengths that says where each passage ends.

Letters: Q queries of S tokens, N passages of T tokens (L tokens in all), D dimensions, B pairs in a batch.

Taught in 14.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.similarity import Run, as_run

EMPTY_SCORE = -1e9  # of a passage without tokens: below any real one, and finite, so that a loss survives it
QUERY_TOKENS = 256  # scored together; with `chunk_size` passage tokens the similarities fit a processor's cache


def maxsim(
    query: Tensor, passages: Tensor, lengths: Tensor, query_mask: Tensor | None = None, chunk_size: int = 1024
) -> Tensor:
    """Score every passage for every query: the sum, over the query's tokens, of the best match in the passage.

        score_qn = sum_s  query_mask_qs · max_{t in passage n}  query_qs · passages_t

    One matrix product compares all tokens, then each passage takes the maximum of its own segment. There is
    no padding, so nothing is spent on it and it cannot win: a row of zeros has similarity 0, and 0 beats
    every negative similarity.

    Args:
        query: (Q, S, D), or (S, D) for one query.
        passages: (L, D), the tokens of all passages one below another.
        lengths: (N,) integers that sum to L.
        query_mask: (Q, S), or (S,) for one query; 1 = token, 0 = padding. None: all are tokens.
        chunk_size: how many passage tokens are compared at a time; a longer passage is taken whole. Memory
            is QUERY_TOKENS · chunk_size similarities beside the result, whatever L is.
    Returns:
        (Q, N), or (N,) for one query; float32 or more. A passage without tokens scores EMPTY_SCORE.
    Raises:
        ValueError: the shapes do not belong together.

    Relations: equal to sentence-transformers `util.maxsim` on a list of passages. colbert-ai's own segmented
    maximum on a processor starts at 0 instead of -∞, so it never counts a negative similarity: a hidden ReLU.
    Source: Khattab and Zaharia 2020 (ColBERT).
    """
    queries = query[None] if query.ndim == 2 else query
    mask = query_mask[None] if query_mask is not None and query.ndim == 2 else query_mask
    _check(queries, passages, lengths, mask)
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    at_a_time = max(1, QUERY_TOKENS // max(1, queries.shape[1]))
    rows = []
    for start in range(0, len(queries), at_a_time):
        some = queries[start : start + at_a_time]
        some_mask = None if mask is None else mask[start : start + at_a_time]
        rows.append(_score_chunks(some, passages, lengths, some_mask, chunk_size))
    dtype = torch.promote_types(query.dtype, torch.float32)
    scores = torch.cat(rows) if rows else query.new_empty(0, len(lengths), dtype=dtype)
    return scores[0] if query.ndim == 2 else scores


def maxsim_padded(
    query: Tensor, passages: Tensor, mask: Tensor | None = None, query_mask: Tensor | None = None
) -> Tensor:
    """`maxsim` for passages that are filled up to the same length: how a batch is scored in training.

        score_qn = sum_s  query_mask_qs · max_{t: mask_nt = 1}  query_qs · passages_nt

    Args:
        query: (Q, S, D).
        passages: (N, T, D).
        mask: (N, T), 1 = token, 0 = padding; padding is left out of the maximum. None: all are tokens.
        query_mask: (Q, S); padding is left out of the sum.
    Returns:
        (Q, N); float32 or more. Memory is Q · N · S · T similarities.
    Raises:
        ValueError: the shapes do not belong together.

    Relations: equal to sentence-transformers `util.maxsim` with masks, and to pylate's `colbert_scores` without.
    With a mask pylate multiplies the similarities by 0, so there padding beats a token with a negative one.
    """
    if passages.ndim != 3 or (mask is not None and mask.shape != passages.shape[:2]):
        raise ValueError(
            f"passages must be (N, T, D) and mask (N, T), got {tuple(passages.shape)} and "
            f"{None if mask is None else tuple(mask.shape)}; ragged passages go to maxsim"
        )
    N, T = passages.shape[:2]
    _check(query, passages.flatten(0, 1), torch.full((N,), T), query_mask)
    if T == 0:
        return query.new_full((len(query), N), EMPTY_SCORE, dtype=torch.promote_types(query.dtype, torch.float32))
    similarity = torch.einsum("qsd,ntd->qnst", query, passages)
    if mask is not None:
        similarity = similarity.masked_fill(~mask.bool()[None, :, None], float("-inf"))
    best = _at_least_float32(similarity.max(dim=3).values)  # (Q, N, S)
    if query_mask is not None:
        best = torch.where(query_mask.bool()[:, None], best, 0.0)
    empty = torch.zeros(N, dtype=torch.bool, device=query.device) if mask is None else ~mask.bool().any(dim=1)
    return best.sum(dim=2).masked_fill(empty, EMPTY_SCORE)


def segment_max(values: Tensor, lengths: Tensor) -> Tensor:
    """The maximum of each segment of a row: (R, L) and N lengths that sum to L -> (R, N).

    An empty segment has the maximum -∞. Where no gradient is wanted, a processor walks each row once.
    """
    if values.device.type != "cpu" or values.requires_grad:
        owner = torch.repeat_interleave(lengths.to(values.device))  # (L,), the segment of each column
        start = values.new_full((len(values), len(lengths)), float("-inf"))
        return start.scatter_reduce(1, owner.expand(len(values), -1), values, "amax")
    if not values.numel():
        return values.new_full((len(values), len(lengths)), float("-inf"))
    rows, length = _at_least_float32(values).numpy(), lengths.numpy()
    starts = length.cumsum() - length
    if length.all():
        return torch.from_numpy(np.maximum.reduceat(rows, starts, axis=1))
    best = np.full((len(rows), len(length)), float("-inf"), dtype=rows.dtype)  # reduceat knows no empty segments
    best[:, length > 0] = np.maximum.reduceat(rows, starts[length > 0], axis=1)
    return torch.from_numpy(best)


def token_alignments(query: Tensor, passage: Tensor) -> tuple[Tensor, Tensor]:
    """Which token of the passage each token of the query found, and how similar it is.

        matched_s = argmax_t  query_s · passage_t

    The similarities sum to the passage's MaxSim. All of them, for a heat map, are `query @ passage.T`;
    `ColbertEncoder.query_tokens` and `document_tokens` name the rows and columns.

    Args:
        query: (S, D).
        passage: (T, D), of one passage.
    Returns:
        matched (S,), positions in the passage, and similarity (S,).
    Raises:
        ValueError: the shapes do not belong together, or the passage has no tokens.
    """
    if query.ndim != 2 or passage.ndim != 2 or query.shape[1] != passage.shape[1] or not len(passage):
        raise ValueError(
            f"expected (S, D) and (T, D) with the same D and T ≥ 1, got {tuple(query.shape)} and {tuple(passage.shape)}; "
            "give one query and one passage, as flat.split(lengths.tolist())[n]"
        )
    similarity, matched = (query @ passage.T).max(dim=1)
    return matched, similarity


def colbert_loss(query: Tensor, passages: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """InfoNCE with MaxSim in place of the cosine: pick each query's own passage among all in the batch.

        loss = mean_i  -log( exp(score_ii / temperature) / sum_j exp(score_ij / temperature) )

    Scores are sums over the query's tokens, so 1.0 here is about what 1 / S is to a cosine.

    Args:
        query: (B, S, D).
        passages: (N, T, D), N ≥ B: row i belongs to query i, the rest are negatives of all queries.
        mask: (N, T), 1 where a token takes part in MaxSim.
        temperature: divides the scores; its inverse is called `scale` elsewhere.
    Returns:
        the mean loss over the batch, a scalar.
    Raises:
        ValueError: the shapes do not belong together, or temperature is not positive.

    Relations: equal to sentence-transformers `MultiVectorMultipleNegativesRankingLoss` with scale 1 / temperature.
    Source: Santhanam et al. 2022 (ColBERTv2) for in-batch negatives.
    """
    if len(passages) < len(query) or not temperature > 0:
        raise ValueError(
            f"expected a passage for each query and a positive temperature, got {len(query)} queries, "
            f"{len(passages)} passages and temperature {temperature}"
        )
    scores = maxsim_padded(query, passages, mask) / temperature  # (B, N)
    return F.cross_entropy(scores, torch.arange(len(query), device=scores.device))


def maxsim_search(
    encoder: Any,
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    k: int = 100,
    chunk_size: int = 1024,
    corpus_embeddings: tuple[Tensor, Tensor] | None = None,
) -> Run:
    """Encode a corpus and queries, and rank by exact MaxSim.

    The corpus is encoded and scored `chunk_size` passages at a time, and only their scores are kept: memory is
    Q · N scores and the vectors of one chunk. To keep the vectors, see `workbook.late_interaction.plaid`.

    Args:
        encoder: a `workbook.late_interaction.colbert.ColbertEncoder`, or anything with its `encode_query` and `encode_document`.
        corpus: passage id -> text.
        queries: query id -> text.
        k: results per query; when k > N, all N are returned.
        chunk_size: passages encoded and scored at a time.
        corpus_embeddings: (L, D) and lengths (N,), what `encode_document` gave for this corpus before, to save
            doing it again.
    Returns:
        run: query id -> passage id -> score, best first; equal scores in the order of the corpus.
    Raises:
        ValueError: k or chunk_size is not positive, or the corpus and its embeddings differ in number.
    """
    if k < 1 or chunk_size < 1:
        raise ValueError(f"k and chunk_size must be at least 1, got k={k}, chunk_size={chunk_size}")
    ids, texts = list(corpus), list(corpus.values())
    asked = encoder.encode_query(list(queries.values()))
    parts = [torch.zeros(len(queries), 0)]
    if corpus_embeddings is not None:
        if len(corpus_embeddings[1]) != len(texts):
            raise ValueError(f"expected the vectors of {len(texts)} passages, got those of {len(corpus_embeddings[1])}")
        parts.append(maxsim(asked, *corpus_embeddings))
    else:
        for start in range(0, len(texts), chunk_size):
            parts.append(maxsim(asked, *encoder.encode_document(texts[start : start + chunk_size])))
    scores, order = torch.cat(parts, dim=1).sort(dim=1, descending=True, stable=True)
    return as_run(queries, ids, scores[:, :k], order[:, :k])


def token_rows(lengths: Tensor, passages: Tensor) -> Tensor:
    """Where the tokens of some passages stand among all tokens: lengths (N,), passages (n,) -> row numbers.

    passage n owns the rows  sum_{i < n} lengths_i, …, of which there are lengths_n
    """
    counts = lengths[passages]
    first = (lengths.cumsum(0) - lengths)[passages]
    step = torch.arange(int(counts.sum()), device=lengths.device)
    return step + torch.repeat_interleave(first - (counts.cumsum(0) - counts), counts)


def chunks(lengths: Tensor, chunk_size: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut ragged passages into runs of at most `chunk_size` tokens, one passage at least.

    Yields (first passage, last passage + 1, first token, last token + 1).
    """
    ends = np.concatenate([[0], lengths.cpu().numpy().cumsum()])
    first = 0
    while first < len(lengths):
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + chunk_size, side="right")) - 1)
        yield first, last, int(ends[first]), int(ends[last])
        first = last


def _score_chunks(queries: Tensor, passages: Tensor, lengths: Tensor, mask: Tensor | None, chunk_size: int) -> Tensor:
    Q, S, D = queries.shape
    rows = queries.reshape(Q * S, D)
    pieces = list(chunks(lengths, chunk_size))
    # All chunks write to the same memory: new memory for each costs a quarter of the product's time again.
    has_gradient = torch.is_grad_enabled() and (queries.requires_grad or passages.requires_grad)
    memory = (
        None if has_gradient else rows.new_empty(Q * S * max((end - start for *_, start, end in pieces), default=0))
    )
    scores = [queries.new_empty(Q, 0, dtype=torch.promote_types(queries.dtype, torch.float32))]
    for first, last, start, end in pieces:
        out = None if memory is None else memory[: Q * S * (end - start)].view(Q * S, end - start)
        similarity = torch.mm(rows, passages[start:end].T, out=out)  # (Q·S, tokens)
        best = _at_least_float32(segment_max(similarity, lengths[first:last])).view(Q, S, last - first)
        if mask is not None:
            best = torch.where(mask.bool()[:, :, None], best, 0.0)
        scores.append(best.sum(dim=1))
    return torch.cat(scores, dim=1).masked_fill((lengths == 0).to(queries.device), EMPTY_SCORE)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _check(queries: Tensor, passages: Tensor, lengths: Tensor, mask: Tensor | None) -> None:
    if queries.ndim != 3 or passages.ndim != 2 or queries.shape[2] != passages.shape[1]:
        raise ValueError(
            f"expected queries (Q, S, D) and passages (L, D) with the same D, got {tuple(queries.shape)} and "
            f"{tuple(passages.shape)}; encode both sides with the same model, and join passages with torch.cat"
        )
    if (
        lengths.ndim != 1
        or lengths.dtype.is_floating_point
        or int(lengths.sum()) != len(passages)
        or (lengths < 0).any()
    ):
        raise ValueError(
            f"lengths must be (N,) integers that sum to L = {len(passages)}, got {tuple(lengths.shape)} of "
            f"{lengths.dtype} that sum to {lengths.sum().item()}; do they belong to other passages?"
        )
    if mask is not None and mask.shape != queries.shape[:2]:
        raise ValueError(
            f"query_mask must be (Q, S) = {tuple(queries.shape[:2])} to match the queries, got {tuple(mask.shape)}"
        )
