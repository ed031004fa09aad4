"""Guided in-batch negatives: a second model, the guide, says which negatives are not wrong after all.

In a batch some other query's passage may answer this query too. Nobody has labelled it, so InfoNCE
pushes it away. A guide that is already good sees it: it scores that passage above the query's own.
Such a passage leaves the sum.

Letters: B pairs in a batch, M explicit negatives per query, D dimensions of the embeddings, G of the guide's.

Taught in 09.
"""

import torch
from torch import Tensor

from workbook.losses.checks import check_negatives, check_pair
from workbook.similarity import cos_sim
from workbook.support.checks import check_choice


def gist_loss(
    query: Tensor,
    positive: Tensor,
    guide_query: Tensor,
    guide_positive: Tensor,
    negatives: Tensor | None = None,
    guide_negatives: Tensor | None = None,
    temperature: float = 0.05,
    margin_strategy: str = "absolute",
    margin: float = 0.0,
    contrast_anchors: bool = True,
    contrast_positives: bool = True,
) -> Tensor:
    """InfoNCE without the negatives that a guide model finds nearer than the positive.

        loss = mean_i  -log( exp(s_ii / temperature) / (exp(s_ii / temperature) + sum_j kept_ij · exp(s_ij / temperature)) )
        kept_ij = g_ij ≤ g_ii - margin              margin_strategy "absolute"
        kept_ij = g_ij ≤ g_ii - |g_ii| · margin     margin_strategy "relative"

    s are the cosines of the model that is trained, g those of the guide. j runs over the passages and the
    explicit negatives of all queries; with `contrast_anchors` over the other queries, with
    `contrast_positives` over the other passages seen from passage i. One bound, g_ii, holds for all of them.

    An exact copy of the positive only ties with it in the guide's eyes, and a tie is kept; a small margin
    removes it.

    Args:
        query: (B, D).
        positive: (B, D); row i belongs to query i.
        guide_query, guide_positive: (B, G), the same texts embedded by the guide. No gradient reaches them.
        negatives: (B, M, D), M hard negatives for each query, or None.
        guide_negatives: (B, M, G), the same texts embedded by the guide.
        temperature: divides the cosines of the model.
        margin_strategy: "absolute", in units of cosine, or "relative", as a share of the positive's.
        margin: how far below the positive a negative must be for the guide; 0 or more.
        contrast_anchors: whether the other queries are negatives too.
        contrast_positives: whether the passages are pushed from one another too.
    Returns:
        the mean loss over the batch, a scalar.
    Raises:
        ValueError: shapes do not belong together, the batch is empty, a number is out of range, a name is
            unknown, or the guide's embeddings hold NaN, with which nothing can be compared.

    Relations: equal to sentence-transformers `GISTEmbedLoss`, and with several negatives to
    `CachedGISTEmbedLoss`; both have temperature 0.01 by default. There, where the guide finds the positive
    as near to the query as the query to itself, the query becomes its own negative; here it never does.
    Source: Solatorio 2024 (GISTEmbed); the margin from Moreira et al. 2024 (NV-Retriever).
    """
    query, positive = check_pair(query, positive, temperature)
    guide_query, guide_positive = check_pair(guide_query, guide_positive)
    _check_guide(query, negatives, guide_query, guide_negatives)
    _check_margin(margin_strategy, margin)
    guides = [x for x in (guide_query, guide_positive, guide_negatives) if x is not None]
    if any(x.isnan().any() for x in guides):
        raise ValueError(
            "the guide's embeddings must not hold NaN: nothing lies above it, so nothing would be left out"
        )
    guide_to_positive = cos_sim(guide_query, guide_positive)  # (B, B)
    bound = guide_to_positive.diagonal()[:, None]  # (B, 1), g_ii
    bound = bound - margin * (1.0 if margin_strategy == "absolute" else bound.abs())
    pair = torch.eye(len(query), dtype=torch.bool, device=query.device)

    def logits(a: Tensor, b: Tensor, dropped: Tensor) -> Tensor:
        return (cos_sim(a, b) / temperature).masked_fill(dropped, float("-inf"))

    parts = [logits(query, positive, (guide_to_positive > bound) & ~pair)]  # (B, B); the positive always stays
    if contrast_anchors:
        parts.append(logits(query, query, (cos_sim(guide_query, guide_query) > bound) | pair))
    if contrast_positives:
        parts.append(logits(positive, positive, (cos_sim(guide_positive, guide_positive) > bound) | pair))
    if negatives is not None and guide_negatives is not None:
        parts.append(
            logits(query, negatives.flatten(0, 1), cos_sim(guide_query, guide_negatives.flatten(0, 1)) > bound)
        )
    return (torch.cat(parts, dim=1).logsumexp(dim=1) - parts[0].diagonal()).mean()


def _check_guide(query: Tensor, negatives: Tensor | None, guide_query: Tensor, guide_negatives: Tensor | None) -> None:
    if len(guide_query) != len(query):
        raise ValueError(f"the guide must embed the same {len(query)} queries, got {len(guide_query)}")
    if (negatives is None) != (guide_negatives is None):
        raise ValueError("negatives and guide_negatives go together; the guide must see the negatives too")
    if negatives is not None and guide_negatives is not None:
        check_negatives(query, negatives)
        check_negatives(guide_query, guide_negatives)
        if negatives.shape[1] != guide_negatives.shape[1]:
            raise ValueError(
                f"the guide must embed the same {negatives.shape[1]} negatives, got {guide_negatives.shape[1]}"
            )


def _check_margin(margin_strategy: str, margin: float) -> None:
    check_choice("margin_strategy", margin_strategy, ("absolute", "relative"))
    if not margin >= 0:
        raise ValueError(
            f"margin must be 0 or more, got {margin}; it is how far a negative must stay below the positive"
        )
