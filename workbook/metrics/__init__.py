"""Measuring: metrics of a ranking, and whether a difference is more than luck.

Taught in 03.
"""

from workbook.metrics.leaderboard import leaderboard
from workbook.metrics.ranking import (
    average_precision,
    evaluate,
    evaluate_ids,
    grades,
    ndcg,
    number_qrels,
    precision,
    ranked_ids,
    recall,
    reciprocal_rank,
    spearman,
)
from workbook.metrics.significance import Interval, bootstrap_ci, paired_permutation_test

__all__ = [
    "Interval", "average_precision", "bootstrap_ci", "evaluate", "evaluate_ids", "grades", "leaderboard", "ndcg",
    "number_qrels", "paired_permutation_test", "precision", "ranked_ids", "recall", "reciprocal_rank", "spearman",
]  # fmt: skip
