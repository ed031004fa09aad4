"""Queries: each asks for one fact, and is written for one passage that states it.

A query has the number that its passage has in the plan, where passages stand family by family, so
all about it follows from its number. Queries are dealt to train, dev and test by whole families: a
thing asked about in one split, and whatever shares its name, is asked about in no other.

Taught in 09.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from workbook.data.planted.draws import GOLDEN, MASK, QUERY, draw
from workbook.data.planted.passages import BLOCK, FAMILIES, get_family, make_block
from workbook.data.planted.plan import make_plan
from workbook.data.planted.settings import Settings
from workbook.data.planted.wording import NAME_FORMS
from workbook.data.planted.world import NAMESAKE, PER_FAMILY

SORTS = ("exact", "keywords", "question", "synonym")
TRAIN, DEV = 0.8, 0.1  # shares of the families; the rest is for testing
DEFAULT_QUERIES = 100_000  # at most, where the settings do not say
CHUNK = 1 << 14


class Query(NamedTuple):
    """A query, and what is known about it.

    Attributes:
        id: its number, as text.
        text: what is asked.
        sort: "exact" (the words of the passage it was written for), "keywords", "question" (name and words
            as they come) or "synonym" (another form of the name, and the other vocabulary).
        split: "train", "dev" or "test".
        family, entity, facet: the fact that answers it.
        name_form: 0 full, 1 short, 2 nickname.
        vocabulary: 0 or 1.
        origin: id of the passage it was written for.
    """

    id: str
    text: str
    sort: str
    split: str
    family: int
    entity: int
    facet: int
    name_form: int
    vocabulary: int
    origin: str


def split_of(family: int) -> str:
    """The split of a family: evenly spread over the corpus, by the golden ratio."""
    turn = ((family + 1) * GOLDEN & MASK) / 2**64
    return "train" if turn < TRAIN else "dev" if turn < TRAIN + DEV else "test"


@lru_cache(maxsize=8)
def query_numbers(settings: Settings) -> np.ndarray:
    """The numbers of all queries, in ascending order, spread evenly over the corpus: (Q,) int64.

    Where the settings do not say how many, the facts that can be asked for are the limit.

    Raises:
        ValueError: the passages do not state as many facts as the settings ask for, or none.
    """
    wanted = settings.num_queries or max(1, min(settings.num_passages // 2, DEFAULT_QUERIES))
    families = -(-settings.num_passages // BLOCK) * FAMILIES
    stride = max(1, round(families * 0.6180339887498949))
    while math.gcd(stride, families) > 1:
        stride += 1
    chosen: list[np.ndarray] = []
    found = 0
    for turn in range(PER_FAMILY):  # one passage of every family, then another one of every family
        for start in range(0, families, CHUNK):
            family = np.arange(start, min(start + CHUNK, families)) * stride % families
            slot = (family * 11 + turn * 5) % PER_FAMILY
            good = family[:, None] * PER_FAMILY + slot[:, None]
            good = good[_can_be_asked(settings, family, slot)].ravel()
            chosen.append(good)
            found += len(good)
            if found >= wanted:
                return np.sort(np.concatenate(chosen)[:wanted])
    if found and settings.num_queries is None:
        return np.sort(np.concatenate(chosen))
    raise ValueError(
        f"{settings.num_passages:,} passages state {found:,} facts that can be asked for, and num_queries is {wanted:,}; "
        "ask for fewer, or for more passages, or set traps lower"
    )


def _can_be_asked(settings: Settings, family: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Whether a passage is in the corpus and a query may be written for it: (F,)."""
    good: np.ndarray = make_plan(settings, family).asked[np.arange(len(family)), slot]
    last = settings.num_passages // BLOCK  # only here may a passage be missing
    for i in np.flatnonzero(good & (family // FAMILIES == last)):
        good[i] = position(settings, int(family[i]), int(slot[i])) < settings.num_passages
    return good


def position(settings: Settings, family: int, slot: int) -> int:
    """Where in the corpus the planned passage `slot` of a family stands."""
    block, inside = divmod(family, FAMILIES)
    return block * BLOCK + make_block(settings, block).where[inside * PER_FAMILY + slot]


def make_query(settings: Settings, number: int) -> Query:
    """The query with a number.

    Raises:
        KeyError: no query has it.
    """
    family, slot = divmod(number, PER_FAMILY)
    block, inside = divmod(family, FAMILIES)
    plan = make_block(settings, block).plan
    entity, facet = int(plan.entity[inside, slot]), int(plan.facet[inside, slot])
    shape = int(plan.bits[inside, slot, 1])
    thing = get_family(settings, family)[entity]
    asked = thing.kind.facets[facet]
    bits = draw(settings.seed, QUERY, number)
    sort = SORTS[(0, 0, 1, 1, 2, 2, 2, 3)[bits & 7]]
    own_form, own_vocabulary = NAME_FORMS[shape & 7], shape >> 28 & 1
    if sort == "exact":
        form, vocabulary = own_form, own_vocabulary
    elif sort == "synonym":
        form, vocabulary = (own_form + 1 + (bits >> 3 & 1)) % 3, 1 - own_vocabulary
    else:
        form, vocabulary = NAME_FORMS[bits >> 3 & 7], bits >> 6 & 1
    noun = thing.kind.nouns[((shape >> 3 & 255) + (sort == "synonym")) % 3]
    # Two things bear this name: the query must say which. The others may.
    with_noun = entity in (0, NAMESAKE) or (sort != "synonym" and not bits >> 7 & 3)
    if sort == "question" or (sort == "synonym" and bits >> 9 & 1):
        name = f"the {noun} {thing.name[form]}" if with_noun else thing.name[form]
        way = bits >> 12 & 3  # two questions, one of them more often, or the facet as a noun phrase
        text = asked.nouns[vocabulary] if way == 3 else asked.questions[vocabulary * 2 + way % 2]
        text = text.replace("{s}", name)
    else:
        name = f"{thing.name[form]} {noun}" if with_noun else thing.name[form]
        words = (name, asked.keywords[vocabulary])
        text = " ".join(words if bits >> 11 & 3 else words[::-1]).lower()
    origin = str(position(settings, family, slot))
    return Query(str(number), text, sort, split_of(family), family, entity, facet, form, vocabulary, origin)
