"""What the training labels say, which is not the whole truth.

Of the true matches of a training query some are left out, as in any collection that nobody has read
in full, and some labels name a wrong passage of the same family, as a tired annotator would (of another
family, where this one has no passage left). Labels for dev and test are complete and true.

Taught in 09.
"""

from collections.abc import Set as AbstractSet
from itertools import chain

from workbook.data.planted.draws import LABEL, NOISE, draw
from workbook.data.planted.queries import Query, position
from workbook.data.planted.settings import Settings
from workbook.data.planted.truth import relevant
from workbook.data.planted.world import PER_FAMILY


def labels(settings: Settings, query: Query) -> dict[str, int]:
    """The labels of a query: passage id -> grade."""
    true = relevant(settings, query)
    if query.split != "train":
        return true
    given = {
        passage: grade
        for passage, grade in true.items()
        if passage == query.origin or not _chance(settings, LABEL, query, passage, settings.unlabelled)
    }
    moved: dict[str, int] = {}
    for passage, grade in given.items():
        if _chance(settings, NOISE, query, passage, settings.label_noise):
            wrong = _wrong_passage(settings, query, passage, true.keys() | moved.keys())
            moved[wrong or passage] = grade
        else:
            moved[passage] = grade
    return moved


def _chance(settings: Settings, purpose: int, query: Query, passage: str, rate: float) -> bool:
    return draw(settings.seed, purpose, int(query.id), int(passage)) < rate * 2**64


def _wrong_passage(settings: Settings, query: Query, passage: str, taken: AbstractSet[str]) -> str | None:
    """A passage of the query's family that is no match, or else any that is none; None if all are matches."""
    first = draw(settings.seed, NOISE, int(query.id), int(passage), 1)
    family = (position(settings, query.family, (first + i) % PER_FAMILY) for i in range(PER_FAMILY))
    others = ((first + i) % settings.num_passages for i in range(settings.num_passages))
    free = (at for at in chain(family, others) if at < settings.num_passages and str(at) not in taken)
    return str(at) if (at := next(free, None)) is not None else None
