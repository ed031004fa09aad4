"""Measuring: metrics of a ranking and of other tasks, and whether a difference is more than luck.

Taught in 03 and 19.
"""

from workbook.metrics.calibration import expected_calibration_error, fit_platt, reliability_curve
from workbook.metrics.correlation import kendall_tau, spearman
from workbook.metrics.leaderboard import leaderboard, shared_ranks
from workbook.metrics.measures import average_precision, hit_rate, ndcg, precision, r_precision, recall, reciprocal_rank
from workbook.metrics.mteb_beir import BEIREncoder, MTEBEncoder, mteb_task
from workbook.metrics.ranking import (
    evaluate,
    evaluate_ids,
    grades,
    judged_only,
    ndcg_by_chance,
    number_qrels,
    ranked_ids,
)
from workbook.metrics.significance import Interval, bootstrap_ci, paired_permutation_test
from workbook.metrics.tasks import (
    bitext_mining,
    classification,
    clustering,
    pair_classification,
    retrieval,
    sts,
    summarization,
)
from workbook.metrics.trec import read_trec_run, write_trec_qrels, write_trec_run

__all__ = [
    "BEIREncoder", "Interval", "MTEBEncoder", "average_precision", "bitext_mining", "bootstrap_ci",
    "classification", "clustering", "evaluate", "evaluate_ids", "expected_calibration_error", "fit_platt",
    "grades", "hit_rate", "judged_only", "kendall_tau", "leaderboard", "mteb_task", "ndcg", "ndcg_by_chance", "number_qrels",
    "pair_classification", "paired_permutation_test", "precision", "r_precision", "ranked_ids", "read_trec_run",
    "recall", "reciprocal_rank", "reliability_curve", "retrieval", "shared_ranks", "spearman", "sts",
    "summarization", "write_trec_qrels", "write_trec_run",
]  # fmt: skip
