"""The losses: what a batch of embeddings, or of scores, is told to become.

    contrastive     pairs of texts: one passage is right, the others of the batch are wrong       04, 05
    triplet         the right passage is nearer than a wrong one, by a margin                     04
    guided          as contrastive; a second model says which of the others are not wrong         09
    distillation    a teacher's scores say how much better one passage is than another            15
    labelled        pairs of texts and how alike they are: yes or no, a grade, or their order     12
    matryoshka      any of these at several sizes of the vector at once                           13
    cross_encoder   scores of query and passage read together, not embeddings                     15

What comes in half precision is widened first: a loss is float32 or more. Every name can be imported from
`workbook.losses`. Taught in 04, 05, 09, 12, 13 and 15.
"""

from workbook.losses.contrastive import DIRECTIONS, info_nce, info_nce_gradient, info_nce_plain, nt_xent
from workbook.losses.cross_encoder import lambda_loss, listwise_loss, margin_loss, pairwise_loss, pointwise_loss
from workbook.losses.distillation import distill_kl, margin_mse, similarity_kl
from workbook.losses.guided import gist_loss
from workbook.losses.labelled import contrastive_loss, cosent, cosine_similarity_loss
from workbook.losses.matryoshka import matryoshka_loss
from workbook.losses.triplet import batch_hard_triplet_loss, triplet_loss

__all__ = [
    "DIRECTIONS", "batch_hard_triplet_loss", "contrastive_loss", "cosent", "cosine_similarity_loss", "distill_kl",
    "gist_loss", "info_nce", "info_nce_gradient", "info_nce_plain", "lambda_loss", "listwise_loss", "margin_loss",
    "margin_mse", "matryoshka_loss", "nt_xent", "pairwise_loss", "pointwise_loss", "similarity_kl", "triplet_loss",
]  # fmt: skip
