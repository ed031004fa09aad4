"""The losses: what a batch of embeddings, or of scores, is told to become.

    contrastive     pairs of texts: one passage is right, the others of the batch are wrong       04, 05
    guided          the same, while a second model says which of them are not wrong after all     09
    distillation    a teacher's scores say how much better one passage is than another            15
    cosent          graded similarities: only their order counts                                  12
    matryoshka      any of these at several sizes of the vector at once                           13
    cross_encoder   scores of query and passage read together, not embeddings                     15

Every name can be imported from `workbook.losses`. Taught in 04, 05, 09, 12, 13 and 15.
"""

from workbook.losses.contrastive import DIRECTIONS, info_nce, info_nce_gradient, nt_xent, triplet_loss
from workbook.losses.cosent import cosent
from workbook.losses.cross_encoder import lambda_loss, listwise_loss, margin_loss, pairwise_loss, pointwise_loss
from workbook.losses.distillation import distill_kl, margin_mse
from workbook.losses.guided import gist_loss
from workbook.losses.matryoshka import matryoshka_loss

__all__ = [
    "DIRECTIONS", "cosent", "distill_kl", "gist_loss", "info_nce", "info_nce_gradient", "lambda_loss",
    "listwise_loss", "margin_loss", "margin_mse", "matryoshka_loss", "nt_xent", "pairwise_loss", "pointwise_loss", "triplet_loss",
]  # fmt: skip
