"""Hard negatives: find them, choose among them, and keep the false ones out.

Taught in 08 and 09.
"""

from workbook.mining.candidates import Candidates, Known, candidates, know, search, text_key
from workbook.mining.filters import filter_report, keeps_absolute_margin, keeps_relative_margin, keeps_within, reread
from workbook.mining.mine import (
    Mined,
    choose,
    labeled_pairs,
    mine_hard_negatives,
    mine_in_rounds,
    sift,
    training_tuples,
    write_negatives,
)

__all__ = [
    "Candidates", "Known", "Mined", "candidates", "choose", "filter_report", "keeps_absolute_margin",
    "keeps_relative_margin", "keeps_within", "know", "labeled_pairs", "mine_hard_negatives", "mine_in_rounds",
    "reread", "search", "sift", "text_key", "training_tuples", "write_negatives",
]  # fmt: skip
