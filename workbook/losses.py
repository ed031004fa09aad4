"""Contrastive losses: pull a query towards its passage, push it from the others.

Letters: B pairs in a batch, M explicit negatives per query, D dimensions. Similarity is the cosine,
so inputs need not be normalized.

Taught in 04.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.similarity import cos_sim, normalize

DIRECTIONS = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    temperature: float = 0.05,
    directions: Sequence[str] = ("query_to_doc",),
    partition_mode: str = "joint",
) -> Tensor:
    """InfoNCE: the cross-entropy of picking each query's own passage among all in the batch.

        loss = mean_i  -log( exp(s_ii / temperature) / sum_j exp(s_ij / temperature) )

    s_ij is the cosine of query i and passage j. The other queries' passages are the negatives: a
    batch of B pairs gives every query B - 1 of them for free. `directions` adds terms to the sum:

        query_to_doc     query i against all passages, explicit negatives included
        query_to_query   query i against the other queries
        doc_to_query     passage i against all queries
        doc_to_doc       passage i against the other passages

    Under partition_mode "joint" all terms of pair i share one sum (GTE's improved loss, with all four
    directions); under "per_direction" each direction has its own loss and they are averaged
    (the symmetric loss, with query_to_doc and doc_to_query).

    Args:
        query: (B, D).
        positive: (B, D); row i belongs to query i.
        negatives: (B, M, D), M hard negatives for each query, or None. All queries see all of them.
        temperature: divides the similarities; its inverse is called `scale` elsewhere.
        directions: one or more of the four; "query_to_doc" must be among them.
        partition_mode: "joint" or "per_direction".
    Returns:
        the mean loss over the batch, a scalar.
    Raises:
        ValueError: shapes do not belong together, temperature is not positive, or a name is unknown.

    Relations: equal to sentence-transformers `MultipleNegativesRankingLoss` with scale 1 / temperature.
    Source: van den Oord et al. 2018; Li et al. 2023 (GTE). Taught in 04.
    """
    _check_pair(query, positive, temperature)
    _check_directions(directions, partition_mode)
    B = len(query)
    docs = positive
    if negatives is not None:
        if negatives.ndim != 3 or negatives.shape[0] != B or negatives.shape[2] != query.shape[1]:
            raise ValueError(
                f"negatives must be (B, M, D) = ({B}, M, {query.shape[1]}), got {tuple(negatives.shape)}; "
                "give M negatives for every query of the batch"
            )
        docs = torch.cat([positive, negatives.transpose(0, 1).flatten(0, 1)])  # (B + M·B, D), positives first

    own = torch.eye(B, dtype=torch.bool, device=query.device)
    logits = {"query_to_doc": cos_sim(query, docs) / temperature}  # (B, B + M·B)
    if "query_to_query" in directions:
        logits["query_to_query"] = _without(cos_sim(query, query) / temperature, own)
    if "doc_to_query" in directions:
        logits["doc_to_query"] = cos_sim(positive, query) / temperature  # (B, B)
    if "doc_to_doc" in directions:
        # A passage is not its own negative, and its query's hard negatives are not near-copies to push from it.
        own_docs = own.repeat(1, len(docs) // B)
        logits["doc_to_doc"] = _without(cos_sim(positive, docs) / temperature, own_docs[:, : len(docs)])

    pulled = logits["query_to_doc"].diagonal()  # (B,), s_ii / temperature
    if partition_mode == "joint":
        partition = torch.cat([logits[direction] for direction in directions], dim=1).logsumexp(dim=1)
        return (partition - pulled).mean()
    return torch.stack([(logits[direction].logsumexp(dim=1) - pulled).mean() for direction in directions]).mean()


def nt_xent(a: Tensor, b: Tensor, temperature: float = 0.05) -> Tensor:
    """NT-Xent: two views of each item; each of the 2B views must find its partner among 2B - 1.

        loss = mean_i  -log( exp(s_ip / temperature) / sum_{j ≠ i} exp(s_ij / temperature) )

    i and j run over all 2B views; p is the other view of i.

    Args:
        a, b: (B, D), two views of the same B items.
        temperature: divides the cosines.
    Returns:
        the mean loss over the 2B views, a scalar.
    Raises:
        ValueError: shapes differ, or temperature is not positive.

    Source: Chen et al. 2020 (SimCLR). Taught in 04.
    """
    _check_pair(a, b, temperature)
    B = len(a)
    views = torch.cat([a, b])  # (2B, D)
    itself = torch.eye(2 * B, dtype=torch.bool, device=a.device)
    logits = _without(cos_sim(views, views) / temperature, itself)  # (2B, 2B)
    partner = torch.arange(2 * B, device=a.device).roll(B)
    return F.cross_entropy(logits, partner)


def triplet_loss(query: Tensor, positive: Tensor, negative: Tensor, margin: float = 5.0) -> Tensor:
    """Triplet loss: the positive must be nearer than the negative, by a margin.

        loss = mean_i  max(0, |q_i - p_i| - |q_i - n_i| + margin)

    Once the margin is kept the gradient is zero: unlike InfoNCE it stops looking.

    Args:
        query, positive, negative: (B, D).
        margin: in units of Euclidean distance; above 2 it can never be kept by vectors of length 1.
    Returns:
        the mean loss, a scalar.
    Raises:
        ValueError: shapes differ, or margin is not positive.

    Relations: equal to sentence-transformers `TripletLoss` with Euclidean distance.
    Source: Schroff et al. 2015 (FaceNet). Taught in 04.
    """
    _check_pair(query, positive)
    _check_pair(query, negative)
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}; with 0 two equal distances already cost nothing")
    return (_distance(query, positive) - _distance(query, negative) + margin).clamp(min=0).mean()


def info_nce_gradient(query: Tensor, positive: Tensor, temperature: float = 0.05) -> Tensor:
    """What InfoNCE does to each query, worked out by hand: the gradient with respect to unit-length queries.

        ∂loss/∂q_i = 1 / (B · temperature) · ( sum_j p_ij d_j  -  d_i ),   p_i = softmax_j(q_i · d_j / temperature)

    The query is pulled towards its passage d_i and pushed from the mean of all passages, weighted by
    how much the softmax confuses each with the right one.

    Args:
        query, positive: (B, D); normalized here, and the gradient is the one at the normalized query.
        temperature: divides the similarities.
    Returns:
        (B, D).
    Raises:
        ValueError: shapes differ, or temperature is not positive.

    Taught in 04.
    """
    _check_pair(query, positive, temperature)
    q, d = normalize(query), normalize(positive)
    p = (q @ d.T / temperature).softmax(dim=1)  # (B, B)
    return (p @ d - d) / (len(q) * temperature)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of each row of a to its row of b: (B,)."""
    return torch.linalg.vector_norm(a - b, dim=1)


def _without(logits: Tensor, excluded: Tensor) -> Tensor:
    return logits.masked_fill(excluded, float("-inf"))


def _check_pair(a: Tensor, b: Tensor, temperature: float = 1.0) -> None:
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"expected two tensors of the same shape (B, D), got {tuple(a.shape)} and {tuple(b.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; if you have a scale, give 1 / scale")


def _check_directions(directions: Sequence[str], partition_mode: str) -> None:
    if "query_to_doc" not in directions or not set(directions) <= set(DIRECTIONS):
        raise ValueError(f"directions must hold query_to_doc and come from {DIRECTIONS}, got {tuple(directions)}")
    if partition_mode not in ("joint", "per_direction"):
        raise ValueError(f'partition_mode must be "joint" or "per_direction", got {partition_mode!r}')
    if partition_mode == "per_direction" and not set(directions) <= {"query_to_doc", "doc_to_query"}:
        raise ValueError(
            "per_direction needs directions that hold the positive pair, query_to_doc and doc_to_query, "
            f"got {tuple(directions)}; use partition_mode='joint'"
        )
