"""Retrieve, fuse and rerank: several systems after one another, and one taught by another.

Taught in 15 and 16.
"""

from workbook.rerank.distillation import distill, teacher_scores
from workbook.rerank.fusion import hybrid_scores, rrf, score_fusion
from workbook.rerank.pipeline import SearchStep, ceiling, rerank, score_pairs, search_in_stages

__all__ = [
    "SearchStep", "ceiling", "distill", "hybrid_scores", "rerank", "rrf", "score_fusion", "score_pairs",
    "search_in_stages", "teacher_scores",
]  # fmt: skip
