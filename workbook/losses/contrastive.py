"""Contrastive losses: pull a query towards its passage, push it from the others.

Letters: B pairs in a batch, M explicit negatives per query, D dimensions. Similarity is the cosine,
so inputs need not be normalized.

Taught in 04; duplicates and hardness in 05.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.losses.checks import check_negatives, check_pair
from workbook.similarity import cos_sim, normalize
from workbook.support.checks import check_choice

DIRECTIONS = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
HARDNESS_MODES = ("in_batch_negatives", "hard_negatives", "all_negatives")


def info_nce_plain(query: Tensor, positive: Tensor, temperature: float = 0.05) -> Tensor:
    """InfoNCE itself: the cross-entropy of picking each query's own passage among all in the batch.

        loss = mean_i  -log( exp(s_ii / temperature) / sum_j exp(s_ij / temperature) ),   s_ij = cos(query_i, positive_j)

    Args:
        query: (B, D).
        positive: (B, D); row i belongs to query i.
        temperature: divides the similarities; its inverse is called `scale` elsewhere.
    Returns:
        the mean loss over the batch, a scalar.

    `info_nce` is the same, with explicit negatives, other directions, ids and hardness where they are asked for.
    Source: van den Oord et al. 2018.
    """
    logits = cos_sim(query, positive) / temperature  # (B, B): row i is query i against all passages
    return F.cross_entropy(logits, torch.arange(len(query), device=query.device))  # its own one is number i


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    temperature: float = 0.05,
    directions: Sequence[str] = ("query_to_doc",),
    partition_mode: str = "joint",
    ids: Tensor | None = None,
    negative_ids: Tensor | None = None,
    hardness_mode: str | None = None,
    hardness_strength: float = 0.0,
) -> Tensor:
    """InfoNCE with all that is asked of it: the sum of `info_nce_plain`, with more terms, fewer, or weighted ones.

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

    A passage that stands twice in a batch is a negative of its own query: a false one. Where `ids` tells
    which passages are the same, a second copy leaves every sum, and so does the query that it belongs to.

    Hardness weighting adds hardness_strength · s_ij, as a constant, to the logit of a negative in
    query_to_doc: the nearer it already is, the more it counts.

    Args:
        query: (B, D).
        positive: (B, D); row i belongs to query i.
        negatives: (B, M, D), M hard negatives for each query, or None. All queries see all of them.
        temperature: divides the similarities; its inverse is called `scale` elsewhere.
        directions: one or more of the four; "query_to_doc" must be among them.
        partition_mode: "joint" or "per_direction".
        ids: (B,), a number for each positive; equal numbers mean the same passage.
        negative_ids: (B, M), the same for the explicit negatives; without it all of them count as different.
        hardness_mode: None; "in_batch_negatives", which weights the passages of other queries;
            "hard_negatives", the query's own explicit ones; or "all_negatives", both.
        hardness_strength: how much, 0 or more.
    Returns:
        the mean loss over the batch, a scalar.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, a number is out of range, or a name
            is unknown.

    >>> alike = torch.ones(8, 4)  # every passage looks the same: a guess among eight costs log 8
    >>> info_nce(alike, alike)
    tensor(2.0794)

    Relations: equal to sentence-transformers `MultipleNegativesRankingLoss` with scale 1 / temperature.
    Masking by id is the loss's share of what its batch sampler NO_DUPLICATES does.
    Source: van den Oord et al. 2018; Li et al. 2023 (GTE); Lan et al. 2025 (hardness).
    """
    query, positive = check_pair(query, positive, temperature)
    _check_names(directions, partition_mode, hardness_mode, hardness_strength)
    docs, M = positive, 0
    if negatives is not None:
        negatives = check_negatives(query, negatives)
        M = negatives.shape[1]
        docs = torch.cat([positive, _rows(negatives)])  # (B + M·B, D), positives first
    _check_ids(query, negatives, ids, negative_ids)

    pair = torch.eye(len(query), dtype=torch.bool, device=query.device)  # (B, B), True at i, i
    own = pair.repeat(1, 1 + M)  # (B, B + M·B), all passages of query i
    similarity = cos_sim(query, docs)  # (B, B + M·B)
    logits = {"query_to_doc": similarity / temperature}
    if hardness_mode is not None:
        weighted = _weighted_negatives(pair, own, hardness_mode)
        logits["query_to_doc"] = logits["query_to_doc"] + hardness_strength * similarity.detach() * weighted
    if "query_to_query" in directions:
        logits["query_to_query"] = _without(cos_sim(query, query) / temperature, pair)
    if "doc_to_query" in directions:
        logits["doc_to_query"] = cos_sim(positive, query) / temperature  # (B, B)
    if "doc_to_doc" in directions:
        # A passage is not its own negative, and its query's hard negatives are not near-copies to push from it.
        logits["doc_to_doc"] = _without(cos_sim(positive, docs) / temperature, own)

    pulled = logits["query_to_doc"].diagonal()  # (B,), s_ii / temperature
    if ids is not None:
        doc_ids = ids if negative_ids is None else torch.cat([ids, _rows(negative_ids)])
        copy = F.pad(ids[:, None] == doc_ids, (0, len(docs) - len(doc_ids)))  # (B, B + M·B), passage j is passage i
        copy[:, : len(query)] &= ~pair
        logits = {d: _without(logits[d], copy[:, : logits[d].shape[1]]) for d in logits}
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
        ValueError: shapes differ, the batch is empty, or temperature is not positive.

    Source: Chen et al. 2020 (SimCLR).
    """
    a, b = check_pair(a, b, temperature)
    B = len(a)
    views = torch.cat([a, b])  # (2B, D)
    itself = torch.eye(2 * B, dtype=torch.bool, device=a.device)
    logits = _without(cos_sim(views, views) / temperature, itself)  # (2B, 2B)
    partner = torch.arange(2 * B, device=a.device).roll(B)
    return F.cross_entropy(logits, partner)


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
        ValueError: shapes differ, the batch is empty, or temperature is not positive.
    """
    query, positive = check_pair(query, positive, temperature)
    q, d = normalize(query), normalize(positive)
    p = (q @ d.T / temperature).softmax(dim=1)  # (B, B)
    return (p @ d - d) / (len(q) * temperature)


def _rows(of_negatives: Tensor) -> Tensor:
    """(B, M, …) -> (M·B, …): the first negative of every query, then the second of every query, and so on."""
    return of_negatives.transpose(0, 1).flatten(0, 1)


def _weighted_negatives(pair: Tensor, own: Tensor, hardness_mode: str) -> Tensor:
    """Which of the passages (B, B + M·B) hardness weighting looks at; never the positive."""
    if hardness_mode == "in_batch_negatives":
        return ~own
    positive = F.pad(pair, (0, own.shape[1] - len(pair)))
    return own & ~positive if hardness_mode == "hard_negatives" else ~positive


def _without(logits: Tensor, excluded: Tensor) -> Tensor:
    return logits.masked_fill(excluded, float("-inf"))


def _check_names(
    directions: Sequence[str], partition_mode: str, hardness_mode: str | None, hardness_strength: float
) -> None:
    if "query_to_doc" not in directions or not set(directions) <= set(DIRECTIONS):
        raise ValueError(f"directions must hold query_to_doc and come from {DIRECTIONS}, got {tuple(directions)}")
    check_choice("partition_mode", partition_mode, ("joint", "per_direction"))
    if partition_mode == "per_direction" and not set(directions) <= {"query_to_doc", "doc_to_query"}:
        raise ValueError(
            "per_direction needs directions that hold the positive pair, query_to_doc and doc_to_query, "
            f"got {tuple(directions)}; use partition_mode='joint'"
        )
    if hardness_mode not in (None, *HARDNESS_MODES):
        raise ValueError(f"hardness_mode must be None or one of {HARDNESS_MODES}, got {hardness_mode!r}")
    if not hardness_strength >= 0 or (hardness_mode is None and hardness_strength > 0):
        raise ValueError(
            f"hardness_strength must be 0 or more and needs a hardness_mode, got {hardness_strength} and "
            f"{hardness_mode!r}; published are 9 for in_batch_negatives and 5 for hard_negatives"
        )


def _check_ids(query: Tensor, negatives: Tensor | None, ids: Tensor | None, negative_ids: Tensor | None) -> None:
    if ids is not None and ids.shape != query.shape[:1]:
        raise ValueError(f"ids must be (B,) = ({len(query)},), a number for each passage, got {tuple(ids.shape)}")
    if negative_ids is None:
        return
    if ids is None or negatives is None or negative_ids.shape != negatives.shape[:2]:
        raise ValueError(
            "negative_ids must be (B, M), a number for each negative, and come with ids and negatives; got "
            f"{tuple(negative_ids.shape)}"
        )
