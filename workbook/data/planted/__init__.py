"""`planted`: generated text whose truth is known for every query and passage.

    from workbook.data.planted import planted
    corpus = planted(100_000)

The world (`world.py`, with `kinds.py`, `values.py` and `names.py`) decides what is
true; the plan (`plan.py`) what each passage says of it; the wording (`wording.py`, `fillers.py`) how.
Queries, truth and labels follow from the plan. The words stand in the files of datasets/planted; CARD.md there has statistics.

Taught in 09.
"""

from workbook.data.planted.corpus import Planted, planted
from workbook.data.planted.queries import Query
from workbook.data.planted.settings import Settings
from workbook.data.planted.truth import Truth
from workbook.data.planted.write import write_beir, write_msmarco

__all__ = ["Planted", "Query", "Settings", "Truth", "planted", "write_beir", "write_msmarco"]
