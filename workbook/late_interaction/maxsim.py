"""Late interaction: keep a vector for every token, and let the tokens of query and passage meet only at search time.

One vector must say everything about a passage at once. Here each token of the query looks for the one
token of the passage that answers it best, and the passage's score is the sum of these best matches:

    score(q, d) = sum_s  max_t  q_s · d_t

`maxsim_one` is these three operations for one query and one passage, `maxsim_padded` for a batch of both with
masks, as in training, and `maxsim` is the fast one for search. Similarities and sums are float32 or more,
whatever the vectors are stored in.

For search, passages of different lengths are kept *ragged*: the tokens of all passages one below another in
one matrix, and a list of lengths that says where each passage ends.

Letters: Q queries of S tokens, N passages of T tokens (L tokens in all), D dimensions, B pairs in a batch.

Taught in 14.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.similarity import as_run
from workbook.support.checks import check_positive
from workbook.support.types import Corpus, Queries, Run

EMPTY_SCORE = -1e9  # of a passage without tokens: below any real one, and finite, so that a loss survives it
QUERY_TOKENS = 256  # scored together; with `chunk_size` passage tokens the similarities fit a processor's cache


class TokenEncoder(Protocol):
    """Embeds each token: `workbook.late_interaction.colbert.ColbertEncoder`, or anything with its two calls."""

    def encode_query(self, texts: Sequence[str], /) -> Tensor: ...  # (Q, S, D)

    def encode_document(self, texts: Sequence[str], /) -> tuple[Tensor, Tensor]: ...  # (L, D) and lengths (N,)


def maxsim_one(query: Tensor, passage: Tensor) -> Tensor:
    """Score one passage for one query: compare all tokens, keep each query token's best match, add these up.

        score = sum_s  max_t  query_s · passage_t

    Args:
        query: (S, D).
        passage: (T, D), one token at least.
    Returns:
        a scalar.

    Source: Khattab and Zaharia 2020 (ColBERT).
    """
    dtype = _score_dtype(query, passage)
    similarity = torch.einsum("sd,td->st", query.to(dtype), passage.to(dtype))
    best = similarity.max(dim=1).values  # (S,)
    return best.sum()


def maxsim_padded(
    query: Tensor, passages: Tensor, mask: Tensor | None = None, query_mask: Tensor | None = None
) -> Tensor:
    """`maxsim_one` for every query and passage of a batch, filled up to the same lengths: the form of training.

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
    dtype = _score_dtype(query, passages)
    if T == 0:
        return query.new_full((len(query), N), EMPTY_SCORE, dtype=dtype)
    is_token = torch.ones(N, T) if mask is None else mask
    is_asked = torch.ones(query.shape[:2]) if query_mask is None else query_mask
    is_token, is_asked = is_token.to(query.device).bool(), is_asked.to(query.device).bool()

    similarity = torch.einsum("qsd,ntd->qnst", query.to(dtype), passages.to(dtype))
    similarity = similarity.masked_fill(~is_token[:, None], float("-inf"))  # padding of a passage never wins
    best = similarity.max(dim=3).values  # (Q, N, S)
    best = best.masked_fill(~is_asked[:, None], 0.0)  # padding of a query adds nothing
    return best.sum(dim=2).masked_fill(~is_token.any(dim=1), EMPTY_SCORE)


def maxsim(
    query: Tensor, passages: Tensor, lengths: Tensor, query_mask: Tensor | None = None, chunk_size: int = 1024
) -> Tensor:
    """`maxsim_one` for every query and every passage of a corpus, without padding.

        score_qn = sum_s  query_mask_qs · max_{t in passage n}  query_qs · passages_t

    One matrix product compares all tokens, then each passage takes the maximum of its own segment. Nothing is
    spent on padding, and it cannot win: a row of zeros has similarity 0, and 0 beats every negative similarity.

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
    """
    queries = query[None] if query.ndim == 2 else query  # (Q, S, D)
    is_asked = torch.ones(queries.shape[:2]) if query_mask is None else query_mask
    is_asked = is_asked[None] if is_asked.ndim == 1 else is_asked  # (Q, S)
    _check(queries, passages, lengths, is_asked)
    check_positive(chunk_size=chunk_size)
    queries, is_asked = queries.to(_score_dtype(queries, passages)), is_asked.to(query.device).bool()
    Q, at_a_time = len(queries), max(1, QUERY_TOKENS // max(1, queries.shape[1]))
    blocks = [slice(start, start + at_a_time) for start in range(0, max(1, Q), at_a_time)]
    scores = [_score_chunks(queries[block], is_asked[block], passages, lengths, chunk_size) for block in blocks]
    return scores[0][0] if query.ndim == 2 else torch.cat(scores)


def _score_chunks(queries: Tensor, is_asked: Tensor, passages: Tensor, lengths: Tensor, chunk_size: int) -> Tensor:
    Q, S, D = queries.shape
    rows = queries.reshape(Q * S, D)
    pieces = list(passage_chunks(lengths, chunk_size))
    # All chunks write to the same memory: new memory for each costs a quarter of the product's time again. Where
    # there is a gradient each product has to be kept.
    has_gradient = torch.is_grad_enabled() and (queries.requires_grad or passages.requires_grad)
    largest = max((end - start for *_, start, end in pieces), default=0)
    memory = None if has_gradient else rows.new_empty(Q * S * largest)
    scores = [rows.new_empty(Q, 0)]
    for first, last, start, end in pieces:
        out = None if memory is None else memory[: Q * S * (end - start)].view(Q * S, end - start)
        similarity = torch.mm(rows, passages[start:end].to(rows.dtype).T, out=out)  # (Q·S, tokens)
        best = segment_max(similarity, lengths[first:last]).view(Q, S, last - first)
        scores.append(torch.where(is_asked[:, :, None], best, 0.0).sum(dim=1))
    return torch.cat(scores, dim=1).masked_fill((lengths == 0).to(queries.device), EMPTY_SCORE)


def segment_max(values: Tensor, lengths: Tensor) -> Tensor:
    """The maximum of each segment of a row: (R, L) and N lengths that sum to L -> (R, N).

        torch.stack([segment.max(dim=1).values for segment in values.split(lengths.tolist(), dim=1)], dim=1)

    in one operation, and an empty segment has the maximum -∞.
    """
    result = values.new_full((len(values), len(lengths)), float("-inf"))
    if values.device.type != "cpu" or values.requires_grad or values.dtype == torch.bfloat16:  # numpy has none
        owner = torch.repeat_interleave(lengths.to(values.device))  # (L,), the segment of each column
        return result.scatter_reduce(1, owner.expand(len(values), -1), values, "amax")
    starts = (lengths.cumsum(0) - lengths).numpy()
    filled = lengths.numpy() > 0  # reduceat, which walks each row once, knows no empty segments
    if filled.any():
        best = np.maximum.reduceat(values.numpy(), starts[filled], axis=1)
        result[:, torch.from_numpy(filled)] = torch.from_numpy(best)
    return result


def passage_chunks(lengths: Tensor, chunk_size: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut ragged passages into runs of at most `chunk_size` tokens, one passage at least.

    Yields (first passage, last passage + 1, first token, last token + 1).
    """
    ends = np.concatenate([[0], lengths.cpu().numpy().cumsum()])
    first = 0
    while first < len(lengths):
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + chunk_size, side="right")) - 1)
        yield first, last, int(ends[first]), int(ends[last])
        first = last


def token_rows(lengths: Tensor, passages: Tensor) -> Tensor:
    """Where the tokens of some passages stand among all tokens: lengths (N,), passages (n,) -> row numbers.

    passage n owns the rows  sum_{i < n} lengths_i, …, of which there are lengths_n
    """
    counts = lengths[passages]
    first = (lengths.cumsum(0) - lengths)[passages]
    step = torch.arange(int(counts.sum()), device=lengths.device)
    return step + torch.repeat_interleave(first - (counts.cumsum(0) - counts), counts)


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
    dtype = _score_dtype(query, passage)
    similarity, matched = (query.to(dtype) @ passage.to(dtype).T).max(dim=1)
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
    encoder: TokenEncoder,
    corpus: Corpus,
    queries: Queries,
    k: int = 100,
    chunk_size: int = 1024,
    corpus_embeddings: tuple[Tensor, Tensor] | None = None,
) -> Run:
    """Encode a corpus and queries, and rank by exact MaxSim.

    The corpus is encoded and scored `chunk_size` passages at a time, and only their scores are kept: memory is
    Q · N scores and the vectors of one chunk. To keep the vectors, see `workbook.late_interaction.plaid`.

    Args:
        encoder: a `workbook.late_interaction.colbert.ColbertEncoder`, or another `TokenEncoder`.
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
    check_positive(k=k, chunk_size=chunk_size)
    ids, texts = list(corpus), list(corpus.values())
    asked = encoder.encode_query(list(queries.values()))
    starts = range(0, len(texts), chunk_size)
    parts: Iterable[tuple[Tensor, Tensor]] = (encoder.encode_document(texts[i : i + chunk_size]) for i in starts)
    if corpus_embeddings is not None:
        parts = [corpus_embeddings]
        if len(corpus_embeddings[1]) != len(texts):
            raise ValueError(f"expected the vectors of {len(texts)} passages, got those of {len(corpus_embeddings[1])}")
    scores = torch.cat([asked.new_empty(len(queries), 0), *(maxsim(asked, *part) for part in parts)], dim=1)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    return as_run(queries, ids, scores[:, :k], order[:, :k])


def _score_dtype(a: Tensor, b: Tensor) -> torch.dtype:
    """float32, or more where either side has more: in half precision a sum of products loses whole units."""
    return torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)


def _check(queries: Tensor, passages: Tensor, lengths: Tensor, mask: Tensor | None) -> None:
    if queries.ndim != 3 or passages.ndim != 2 or queries.shape[2] != passages.shape[1]:
        raise ValueError(
            f"expected queries (Q, S, D) and passages (L, D) with the same D, got {tuple(queries.shape)} and "
            f"{tuple(passages.shape)}; encode both sides with the same model, and join passages with torch.cat"
        )
    whole = lengths.ndim == 1 and not lengths.dtype.is_floating_point and not (lengths < 0).any()
    if not whole or int(lengths.sum()) != len(passages):
        raise ValueError(
            f"lengths must be (N,) integers that sum to L = {len(passages)}, got {tuple(lengths.shape)} of "
            f"{lengths.dtype} that sum to {lengths.sum().item()}; do they belong to other passages?"
        )
    if mask is not None and mask.shape != queries.shape[:2]:
        raise ValueError(
            f"query_mask must be (Q, S) = {tuple(queries.shape[:2])} to match the queries, got {tuple(mask.shape)}"
        )
