"""Hard negatives: find them, choose among them, and keep the false ones out.

Taught in 08 and 09.
"""

from workbook.mining.candidates import Candidates, MiningTask, candidates, mining_task, search_task, text_key
from workbook.mining.filters import (
    apply_filters,
    count_filter,
    filter_report,
    is_kept,
    keeps_absolute_margin,
    keeps_relative_margin,
    keeps_within,
    score_with_cross_encoder,
)
from workbook.mining.mine import (
    Mined,
    choose,
    labeled_pairs,
    mine_hard_negatives,
    mine_in_rounds,
    negatives_of_one_query,
    training_tuples,
)
from workbook.mining.paraphrases import closest_pairs, closest_pairs_plain, paraphrase_mining
from workbook.mining.spot_check import STRATA, strata_of, stratified_rate, stratified_sample

__all__ = [
    "STRATA", "Candidates", "Mined", "MiningTask", "apply_filters", "candidates", "choose", "closest_pairs",
    "closest_pairs_plain", "count_filter", "filter_report", "is_kept", "keeps_absolute_margin", "keeps_relative_margin",
    "keeps_within", "labeled_pairs", "mine_hard_negatives", "mine_in_rounds", "mining_task", "negatives_of_one_query",
    "paraphrase_mining", "score_with_cross_encoder", "search_task", "strata_of", "stratified_rate", "stratified_sample",
    "text_key", "training_tuples",
]  # fmt: skip
