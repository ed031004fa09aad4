"""The published recipes: stages, data and losses, each as one configuration.

Taught in 11.
"""

from workbook.recipes.families import (
    Recipe,
    TrainingStage,
    bge,
    distilled,
    e5,
    e5_mistral,
    gte,
    jina,
    nomic,
)
from workbook.recipes.run import build, mine_negatives, run_recipe
from workbook.recipes.sources import Sources, sources

__all__ = [
    "Recipe", "Sources", "TrainingStage", "bge", "build", "distilled", "e5", "e5_mistral", "gte", "jina", "mine_negatives",
    "nomic", "run_recipe", "sources",
]  # fmt: skip
