"""Losses of a cross-encoder: it reads query and passage together and gives one score, the logit.

Pointwise, each pair of texts is judged alone: relevant or not. Pairwise, only which of two passages of
a query is better. Listwise, all passages of a query at once. From left to right less is asked of the
scores and more of the order, which is what a reranker is used for.

Letters: B pairs of texts, Q queries, N passages of each query.

Taught in 15.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.losses.checks import LARGEST, check_labels, check_passages


def pointwise_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Pointwise: the cross-entropy of "relevant" and "not relevant", each pair of texts by itself.

        loss = mean_i  -( label_i · log σ(logit_i) + (1 - label_i) · log(1 - σ(logit_i)) ),   σ(x) = 1 / (1 + exp(-x))

    After it σ(logit) can be read as a probability, as far as the training data's share of relevant pairs is
    the real one. A logit itself is no probability.

    Args:
        logits: (B,).
        labels: (B,), between 0 and 1.
    Returns:
        the mean over the batch, a scalar.
    Raises:
        ValueError: shapes differ, the batch is empty, or a label is outside [0, 1], where the loss has no bottom.

    Relations: equal to sentence-transformers' cross-encoder `BinaryCrossEntropyLoss`.
    Source: Nogueira and Cho 2019.
    """
    logits, labels, _ = check_labels(logits, labels, 1, None, 0, 1, "divide grades by the highest one")
    return F.binary_cross_entropy_with_logits(logits, labels)


def pairwise_loss(logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pairwise (RankNet): of two passages of a query, the one with the higher label shall have the higher score.

        loss = mean_{labels_i > labels_j}  log( 1 + exp(-(logit_i - logit_j)) )

    Args:
        logits: (Q, N), the scores of N passages for each query.
        labels: (Q, N), grades on any scale; only their order counts.
        mask: (Q, N), 1 = passage, 0 = a place that only fills the row; None where all are passages.
    Returns:
        the mean over all comparisons of the batch, a scalar; 0 where no two labels differ.
    Raises:
        ValueError: shapes differ, the batch is empty, a query has no passage, or a label is NaN.

    Relations: equal to sentence-transformers' cross-encoder `RankNetLoss` with reduction_log "natural"; its
    default divides by log 2.
    Source: Burges et al. 2005.
    """
    logits, labels, passage = check_labels(logits, labels, 2, mask)
    difference, better = _comparisons(logits, labels, passage)
    return -F.logsigmoid(difference[better]).sum() / better.sum().clamp(min=1)


def listwise_loss(logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """Listwise (ListNet): the distribution over a query's passages shall be the one that its labels have.

        loss = mean_q  -sum_n  P_qn · log S_qn,   P_q = softmax_n(labels_qn),   S_q = softmax_n(logits_qn)

    The softmax cross-entropy of picking one passage is this loss with P = 1 at that passage. ListNet
    does not go so far: with labels 1 and 0 the relevant passage gets e / (e + N - 1) of P, 23 per cent
    of ten. Multiply the labels, by 100 say, and ListNet *is* the softmax cross-entropy.

    Args:
        logits: (Q, N), the scores of N passages for each query.
        labels: (Q, N), grades; their differences count. -inf gives a passage no share of P.
        mask: (Q, N), 1 = passage, 0 = a place that only fills the row; None where all are passages.
    Returns:
        the mean over the queries, a scalar. Its smallest value is the entropy of P, not 0.
    Raises:
        ValueError: shapes differ, the batch is empty, a query has no passage, or a label is NaN.

    Relations: equal to sentence-transformers' cross-encoder `ListNetLoss`.
    Source: Cao et al. 2007.
    """
    logits, labels, passage = check_labels(logits, labels, 2, mask, high=LARGEST)
    labels = labels.masked_fill(~passage, float("-inf"))
    check_passages(~labels.isneginf())
    P = labels.softmax(dim=1)
    S = logits.masked_fill(~passage, torch.finfo(logits.dtype).min).log_softmax(dim=1)
    return -(P * S).sum(dim=1).mean()


def lambda_loss(logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """LambdaRank: `pairwise_loss`, each comparison weighted by what a swap of the two would do to nDCG.

        loss = mean_{labels_i > labels_j}  |gain_i - gain_j| · |discount_i - discount_j| · log( 1 + exp(-(logit_i - logit_j)) )
        gain = (2^label - 1) / ideal DCG,   discount = 1 / log2(1 + rank),   rank by the present logits, from 1

    A mistake at the top of the list costs more than one at the bottom. The weights are constants: no
    gradient goes through the ranks. Note that gain is exponential here, while trec's nDCG is linear.

    Args:
        logits: (Q, N), the scores of N passages for each query.
        labels: (Q, N), grades; those below 0 gain nothing.
        mask: (Q, N), 1 = passage, 0 = a place that only fills the row; None where all are passages.
    Returns:
        the mean over all comparisons of the batch, a scalar; 0 where no two labels differ.
    Raises:
        ValueError: shapes differ, the batch is empty, a query has no passage, or a label is NaN.

    Relations: equal to sentence-transformers' cross-encoder `LambdaLoss` with `LambdaRankScheme` and
    reduction_log "natural"; its default scheme is another, NDCG-Loss2++.
    Source: Burges et al. 2006; Wang et al. 2018 (LambdaLoss).
    """
    logits, labels, passage = check_labels(logits, labels, 2, mask, high=LARGEST)
    difference, better = _comparisons(logits, labels, passage)
    gain = torch.exp2(labels.clamp(min=0)) - 1  # (Q, N), 0 where there is no passage
    order = logits.masked_fill(~passage, float("-inf")).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1) + 1  # (Q, N), of each passage
    ideal = gain.sort(dim=1, descending=True).values @ (1 / torch.arange(2, gain.shape[1] + 2).to(gain).log2())  # (Q,)
    gain = gain / ideal.clamp(min=1e-10)[:, None]
    discount = 1 / (1 + rank.to(gain)).log2()
    weight = (gain[:, :, None] - gain[:, None, :]).abs() * (discount[:, :, None] - discount[:, None, :]).abs()
    return -(weight[better] * F.logsigmoid(difference[better])).sum() / better.sum().clamp(min=1)


def margin_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """MarginMSE: the margins between the first passage and the others shall be those that a teacher gave.

        loss = mean_{q, n > 0}  ( (logit_q0 - logit_qn) - (label_q0 - label_qn) )²

    Only differences count, so a teacher whose scores have another zero does no harm.

    Args:
        logits: (Q, N), the scores of a positive and then of N - 1 negatives for each query.
        labels: (Q, N), the teacher's scores of the same passages.
    Returns:
        the mean over all Q · (N - 1) margins, a scalar.
    Raises:
        ValueError: shapes differ, the batch is empty, or there is no negative.

    Relations: `margin_mse` is the same for embeddings. Equal to sentence-transformers' cross-encoder `MarginMSELoss`.
    Source: Hofstätter et al. 2020.
    """
    logits, labels, _ = check_labels(logits, labels, 2)
    if logits.shape[1] < 2:
        raise ValueError(f"expected a positive and at least one negative, got {tuple(logits.shape)}; one has no margin")
    student, teacher = (scores[:, :1] - scores[:, 1:] for scores in (logits, labels))  # (Q, N - 1), both
    return (student - teacher).square().mean()


def _comparisons(logits: Tensor, labels: Tensor, passage: Tensor) -> tuple[Tensor, Tensor]:
    """logit_i - logit_j, and whether i should be above j: both (Q, N, N)."""
    difference = logits[:, :, None] - logits[:, None, :]
    better = (labels[:, :, None] > labels[:, None, :]) & passage[:, :, None] & passage[:, None, :]
    return difference, better
