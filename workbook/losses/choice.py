"""Which loss fits the columns of a table: how many texts stand in a row, and what a label says of them.

    texts in a row   label of a row                loss
    1                its class                     batch_hard_triplet_loss
    2                none                          info_nce
    2                0 or 1                        contrastive_loss
    2                a grade                       cosent
    3 or more        none                          info_nce, with the negatives of its own
    3                the margin of a teacher       margin_mse
    3 or more        a teacher's score for each    distill_kl

Taught in 07.
"""

from collections.abc import Sequence
from typing import Any


def loss_for(rows: Sequence[Sequence[str]], labels: Sequence[Any] | None = None) -> str:
    """The name of the loss in `workbook.losses` that a table can teach with: the first to try.

    Args:
        rows: N tuples of texts, all of one length: one text; a pair; or a query, its positive and its negatives.
        labels: N of them, or None: for one text its class; for a pair a number, how well it belongs together; for a
            query and its passages one number, the margin between the positive and the negative, or a list with a
            score for each passage, such as a teacher gives.
    Returns:
        one of "info_nce", "contrastive_loss", "cosent", "margin_mse", "distill_kl", "batch_hard_triplet_loss".
    Raises:
        ValueError: there are no rows, they differ in length, or no loss fits them.

    Source: the table "Loss Overview" of sentence-transformers. `margin_mse` takes scores: give a margin m as (m, 0).
    """
    texts = {len(row) for row in rows}
    if len(texts) != 1 or (labels is not None and len(labels) != len(rows)):
        raise ValueError(f"expected rows of one length and a label for each, got rows of {sorted(texts)} texts")
    (width,) = texts
    if labels is None:
        if width < 2:
            raise ValueError("one text without a label has nothing to be near to; make pairs (workbook.pretraining)")
        return "info_nce"
    if width == 1:
        return "batch_hard_triplet_loss"
    if width == 2:
        return "contrastive_loss" if set(labels) <= {0, 1} else "cosent"
    if all(isinstance(label, list | tuple) and len(label) == width - 1 for label in labels):
        return "distill_kl"
    if width == 3 and all(isinstance(label, int | float) for label in labels):
        return "margin_mse"
    raise ValueError(f"expected a score for each of the {width - 1} passages of a row, or the margin of a triplet")
