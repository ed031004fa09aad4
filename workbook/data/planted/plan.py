"""What each passage says, before any word is chosen: of which thing, which facts, in what manner.

The plan is all that truth depends on. It is made for whole families at once, in numpy, and takes
microseconds a family; so the grade of any pair can be computed when it is asked for, and no table of
pairs is needed.

Letters: F families, S = 16 passages of a family.

Taught in 09.
"""

from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from workbook.data.planted.draws import PASSAGE, draws
from workbook.data.planted.kinds import FACETS, KINDS
from workbook.data.planted.settings import Settings
from workbook.data.planted.values import VALUES
from workbook.data.planted.world import NAMESAKE, PER_FAMILY, family_draws, kinds_of_families, namesake_kinds

# How a passage treats its main fact.
STATES, ROUGHLY, DENIES, ASKS = range(4)

# How the sixteen passages are dealt to the four things of a family: some are talked about more than others.
PORTIONS = (
    (7, 4, 3, 2), (9, 3, 2, 2), (5, 5, 4, 2), (6, 4, 4, 2), (8, 4, 2, 2), (6, 3, 3, 4), (11, 2, 2, 1), (5, 4, 4, 3),
)  # fmt: skip
ENTITY = np.array([[entity for entity, n in enumerate(portion) for _ in range(n)] for portion in PORTIONS])
ORDINAL = np.array([[j for n in portion for j in range(n)] for portion in PORTIONS])

HAS_ROUGH = np.array(
    [[facet.values in VALUES and VALUES[facet.values][1][0] is not None for facet in kind.facets] for kind in KINDS]
)
WORDS_PER_SENTENCE, BOILERPLATE_WORDS = 10.49, 1.2  # measured
SPREAD = 0.45  # standard deviation of the logarithm of the length
ROUGH_SHARE, COMPARED_SHARE = 0.15, 0.2
EXTRA_FACTS = np.array([0, 0, 1, 1, 1, 2, 2, 3])


class Plan(NamedTuple):
    """What the passages of families say; each array is (F, S).

    Attributes:
        kinds: (F, 2), rows of `KINDS`: of the family, and of its namesake.
        root: the passage of the family that a near-duplicate repeats; its own number elsewhere.
        entity: of which of the four things.
        facet: the main fact's.
        style: STATES, ROUGHLY, DENIES or ASKS, how the main fact is treated.
        extra: how many of the facets after the main one are stated too.
        compared: whether the same facet of a relative is stated for comparison.
        sentences: how many, boilerplate aside.
        asked: whether it is the first to state its main fact, so that a query may be written for it.
        bits: (F, S, 3) uint64, for the order of passages and for the wording.
    """

    kinds: np.ndarray
    root: np.ndarray
    entity: np.ndarray
    facet: np.ndarray
    style: np.ndarray
    extra: np.ndarray
    compared: np.ndarray
    sentences: np.ndarray
    asked: np.ndarray
    bits: np.ndarray


def make_plan(settings: Settings, families: np.ndarray) -> Plan:
    """The plan of some families.

    Args:
        settings: of the corpus.
        families: (F,) their numbers.
    """
    families = np.asarray(families, dtype=np.int64)
    world = family_draws(settings.seed, families)
    kinds = kinds_of_families(families, world[:, 0], settings.drift)
    kinds = np.stack([kinds, namesake_kinds(kinds, world[:, 1])], axis=1)
    portion = _part(world[:, 1], 0) % len(PORTIONS)
    entity, ordinal = ENTITY[portion], ORDINAL[portion]

    numbers = families[:, None] * PER_FAMILY + np.arange(PER_FAMILY)  # (F, S)
    bits = draws(settings.seed, PASSAGE, numbers.ravel(), 5).reshape(*numbers.shape, 5)
    chance, more = bits[..., 0], bits[..., 1]
    # Of 16 passages 4 are the first of their thing and have nothing to repeat.
    repeats = (ordinal > 0) & (_part(chance, 0) < settings.near_duplicates * 16 / 12 * 65536)
    own = np.broadcast_to(np.arange(PER_FAMILY), numbers.shape)
    source = own - ordinal + _part(chance, 1) % np.maximum(ordinal, 1)
    root = np.where(repeats, source, own)
    for s in range(PER_FAMILY):  # what repeats a repetition repeats what that one repeats
        root[:, s] = np.take_along_axis(root, root[:, s : s + 1], axis=1)[:, 0]

    sentences = _lengths(settings.mean_words)[_part(chance, 2) & 1023]
    extra = np.minimum(EXTRA_FACTS[_part(chance, 3) & 7], sentences - 1)
    left = sentences - 1 - extra
    compared = (entity != NAMESAKE) & (left > 0) & (_part(more, 0) < COMPARED_SHARE * 65536)
    rough = _part(more, 1) < ROUGH_SHARE * 65536
    trap = _part(more, 2) < settings.traps * 65536
    # Each passage about a thing takes up the thing's next facet, but one that is rough or a trap takes up
    # that of the passage before it (the first one that of the second): a fact that is stated elsewhere.
    start = np.take_along_axis(_part(world[:, 1], 2)[:, None] >> np.arange(4), entity, axis=1)
    shifted = rough | trap
    facet = (start + ordinal + np.where(shifted, np.where(ordinal > 0, -1, 1), 0)) % FACETS
    has_rough = HAS_ROUGH[np.where(entity == NAMESAKE, kinds[:, 1:], kinds[:, :1]), facet]
    style = np.where(trap, np.where(_part(more, 3) & 1, DENIES, ASKS), np.where(rough & has_rough, ROUGHLY, STATES))
    asked = ~repeats & ~shifted & (ordinal < FACETS)

    def of_root(x: np.ndarray) -> np.ndarray:
        return np.take_along_axis(x, root, axis=1)

    return Plan(
        kinds, root, entity, of_root(facet), of_root(style), of_root(extra), of_root(compared), of_root(sentences),
        asked, bits[..., 2:],
    )  # fmt: skip


def _part(bits: np.ndarray, i: int) -> np.ndarray:
    """The i-th 16 of 64 bits, as int64."""
    return ((bits >> np.uint64(16 * i)) & np.uint64(0xFFFF)).astype(np.int64)


@cache
def _lengths(mean_words: float) -> np.ndarray:
    """1,024 numbers of sentences, log-normal, whose mean gives the mean number of words."""
    mean = max((mean_words - BOILERPLATE_WORDS) / WORDS_PER_SENTENCE, 1.0)
    normal = NormalDist(-(SPREAD**2) / 2, SPREAD)
    ideal = [mean * np.exp(normal.inv_cdf((i + 0.5) / 1024)) for i in range(1024)]
    # Rounded up or down in turn, so that the mean is kept; the golden ratio deals the turns evenly.
    return np.array([max(1, int(x + (i * 0.6180339887498949) % 1)) for i, x in enumerate(ideal)])
