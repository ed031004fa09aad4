"""Distillation into a bi-encoder: a teacher has scored the passages, and the student learns its scores.

A cross-encoder reads query and passage together and judges better than a product of two vectors, but
it is far too slow to search with. Its scores hold more than right and wrong: how much better, and
which wrong passages are nearly right.

Letters: B queries in a batch, M negatives per query, D dimensions. Similarity is the dot product.

Taught in 15.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.losses.checks import LARGEST, check_negatives, check_pair, check_passages, check_range
from workbook.similarity import cos_sim
from workbook.support.precision import at_least_float32, without_autocast


def margin_mse(query: Tensor, positive: Tensor, negatives: Tensor, labels: Tensor) -> Tensor:
    """MarginMSE: the student's margins between positive and negatives shall be the teacher's.

        loss = mean_im  ( (s_i0 - s_im) - (t_i0 - t_im) )²,   s_i0 = q_i · p_i,  s_im = q_i · n_im

    Only differences count, so a teacher whose scores have another zero does no harm. Their scale does:
    vectors of length 1 cannot have a margin above 2, and cross-encoder logits often do. Then turn off
    the student's normalization, or scale the labels.

    Args:
        query, positive: (B, D).
        negatives: (B, M, D).
        labels: (B, 1 + M), the teacher's scores t: of the positive, then of the negatives.
    Returns:
        the mean over all B · M margins, a scalar.
    Raises:
        ValueError: shapes do not belong together, there is nothing to compare, or a label is NaN or infinite.

    Relations: equal to sentence-transformers `MarginMSELoss`.
    Source: Hofstätter et al. 2020.
    """
    s, t = _scores(query, positive, negatives, labels)  # (B, 1 + M), both
    check_range(t, -LARGEST, LARGEST, "no margin is infinite; leave that passage out, or use distill_kl")
    return ((s[:, :1] - s[:, 1:]) - (t[:, :1] - t[:, 1:])).square().mean()


def distill_kl(query: Tensor, positive: Tensor, negatives: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """KL distillation: the student's distribution over a query's passages shall be the teacher's.

        loss = temperature² · mean_i  sum_m  P_im · log(P_im / S_im)
        P_i = softmax_m(t_im / temperature),   S_i = softmax_m(s_im / temperature)

    m runs over the positive and its M negatives. A gradient shrinks with the square of the temperature; the
    factor makes up for it, so that the temperature can be changed without changing the learning rate.

    Args:
        query, positive: (B, D).
        negatives: (B, M, D).
        labels: (B, 1 + M), the teacher's scores t: of the positive, then of the negatives. Scores, not
            probabilities: a softmax is taken here. -inf excludes a passage: the teacher gives it no probability,
            and the student learns to give it none.
        temperature: softens both distributions.
    Returns:
        the mean over the batch, a scalar; 0 where the two agree.
    Raises:
        ValueError: shapes do not belong together, there is nothing to compare, a label is NaN or +inf, all of a
            query are -inf, or temperature is not a positive number.

    Relations: equal to sentence-transformers `DistillKLDivLoss`.
    Source: Hinton et al. 2015.
    """
    _check_temperature(temperature)
    s, t = _scores(query, positive, negatives, labels)  # (B, 1 + M), both
    check_range(t, -math.inf, LARGEST, "a score that excludes a passage is -inf")
    check_passages(~t.isneginf())
    log_S, log_P = (s / temperature).log_softmax(dim=1), (t / temperature).log_softmax(dim=1)
    log_P = log_P.clamp(min=-LARGEST)  # 0 · log 0 is 0, but 0 · -inf is NaN
    return F.kl_div(log_S, log_P, reduction="batchmean", log_target=True) * temperature**2


def similarity_kl(student: Tensor, teacher: Tensor, temperature: float = 0.1) -> Tensor:
    """Every text shall be as near to the others of its batch as the teacher says: its nearest ones count most.

        loss = mean_i  sum_j≠i  P_ij · log(P_ij / S_ij)
        P_i = softmax_j≠i(cos(t_i, t_j) / temperature),   S_i = softmax_j≠i(cos(s_i, s_j) / temperature)

    Nothing is said about where the vectors point, only about angles between them, which is all that a search by cosine
    uses. So the teacher's vectors may be longer than the student's.

    Args:
        student: (B, D), B of 3 or more: of two texts each has only one other to be near.
        teacher: (B, E), vectors of the same texts; no gradient flows into them.
        temperature: small ones look at the nearest texts only.
    Returns:
        the mean over the batch, a scalar; 0 where all angles agree.
    Raises:
        ValueError: there are not as many vectors of the one as of the other, or fewer than three, or temperature is
            not a positive number.

    Relations: temperature² times this is `distill_kl` of vectors of length 1, where each text asks for all the others.
    Source: Fang et al. 2021 (SEED), with a queue where we take the batch.
    """
    _check_temperature(temperature)
    if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher) or len(student) < 3:
        raise ValueError(
            f"expected vectors of the same 3 or more texts, (B, D) and (B, E), got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
    student, teacher = at_least_float32(student), at_least_float32(teacher.detach())
    B = len(student)
    others = ~torch.eye(B, dtype=torch.bool, device=student.device)
    with without_autocast(student):
        S, T = (cos_sim(x, x)[others].view(B, B - 1) / temperature for x in (student, teacher))
    return F.kl_div(S.log_softmax(dim=1), T.log_softmax(dim=1), reduction="batchmean", log_target=True)


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature}")


def _scores(query: Tensor, positive: Tensor, negatives: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The student's scores and the teacher's, both (B, 1 + M), the positive first."""
    query, positive = check_pair(query, positive)
    negatives = check_negatives(query, negatives)
    B, M, _ = negatives.shape
    if M == 0:
        raise ValueError("expected at least one negative per query, got none; a positive alone has no margin")
    if labels.shape != (B, 1 + M):
        raise ValueError(
            f"labels must be (B, 1 + M) = ({B}, {1 + M}), got {tuple(labels.shape)}; give the teacher's score of the "
            "positive first, then of each negative"
        )
    docs = torch.cat([positive[:, None], negatives], dim=1)  # (B, 1 + M, D)
    with without_autocast(query):
        return torch.einsum("bd,bmd->bm", query, docs), labels.detach().to(query)
