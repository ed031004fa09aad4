import pytest

import workbook.losses as losses
from workbook.losses import loss_for

PAIR, TRIPLE = [("a", "b"), ("c", "d")], [("q", "d", "n"), ("r", "e", "m")]


@pytest.mark.parametrize(
    ("rows", "labels", "name"),
    [
        (PAIR, None, "info_nce"),
        (TRIPLE, None, "info_nce"),
        (PAIR, [1, 0], "contrastive_loss"),
        (PAIR, [1.0, 0.0], "contrastive_loss"),
        (PAIR, [1, 0.4], "cosent"),
        (PAIR, [5, 3], "cosent"),
        ([("a",), ("b",)], [0, 1], "batch_hard_triplet_loss"),
        (TRIPLE, [0.3, 2.0], "margin_mse"),
        (TRIPLE, [[0.3, 2.0], [1.0, 0.0]], "distill_kl"),
    ],
)
def test_the_loss_that_fits_is_one_of_ours(rows, labels, name):
    assert loss_for(rows, labels) == name
    assert callable(getattr(losses, name))


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        ([], None, "rows of one length"),
        ([("a", "b"), ("c",)], None, "rows of one length"),
        (PAIR, [1], "a label for each"),
        ([("a",)], None, "nothing to be near to"),
        (TRIPLE, [[1.0], [2.0]], "a score for each of the 2 passages"),
    ],
)
def test_what_fits_no_loss_is_refused(rows, labels, message):
    with pytest.raises(ValueError, match=message):
        loss_for(rows, labels)
