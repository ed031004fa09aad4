"""The published recipes: stages, data and losses, each as one configuration.

Taught in 11.
"""

from workbook.recipes.families import (
    Published,
    Recipe,
    TrainingStage,
    bge,
    bge_m3,
    distilled,
    e5,
    e5_mistral,
    gte,
    instructed,
    jina,
    nomic,
    published_table,
    without,
)
from workbook.recipes.run import build, mine_negatives, run_recipe, stage_steps, started_from
from workbook.recipes.sources import Sources, sources

__all__ = [
    "Published",
    "Recipe",
    "Sources",
    "TrainingStage",
    "bge",
    "bge_m3",
    "build",
    "distilled",
    "e5",
    "e5_mistral",
    "gte",
    "instructed",
    "jina",
    "mine_negatives",
    "nomic",
    "published_table",
    "run_recipe",
    "sources",
    "stage_steps",
    "started_from",
    "without",
]  # fmt: skip
