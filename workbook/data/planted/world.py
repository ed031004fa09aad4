"""The world behind the corpus: families of four things, their names, and what is true of them.

A family is three things of one kind, two of which share the first word of their names, and a
namesake: a thing of another kind with the name of the first. Sixteen passages speak of each family.
Everything follows from the seed and the family's number, so the world needs no memory and no end.

Letters: F families, S = 16 passages of a family.

Taught in 09.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from workbook.data.planted.draws import FAMILY, TABLE, draw, draws
from workbook.data.planted.kinds import FACETS, KINDS, Kind
from workbook.data.planted.names import COINED, Name, make_name, scatter
from workbook.data.planted.values import VALUES

PER_FAMILY = 16  # passages
ENTITIES = 4
NAMESAKE = 3  # the entity of a family that is of another kind
MAX_FAMILIES = 1 << 20  # as many as there are names


class Entity(NamedTuple):
    """A thing of the world.

    Attributes:
        kind: of `KINDS`.
        name: its three forms.
        values: of its six facets.
        bits: what the values were drawn from, one number for each facet.
        place: 0, 1 or 2, its place among the three that share these numbers and differ in values.
    """

    kind: Kind
    name: Name
    values: list[str]
    bits: list[int]
    place: int


def kinds_of_families(families: np.ndarray, bits: np.ndarray, drift: float) -> np.ndarray:
    """The kind of the first three things of each family.

    The share of a kind k of K rises and falls along the corpus, each kind in its turn:

        share_k(F) ∝ share_k · (1 + drift · cos 2π(log2(1 + F / 4) / 6 - k / K))

    The logarithm makes the first and the last part of a corpus differ at every size.

    Args:
        families: (F,) their numbers.
        bits: (F,) uint64, what decides.
        drift: from 0, the same everywhere, to 1.
    Returns:
        (F,) int64, rows of `KINDS`.
    """
    base = np.array([kind.share for kind in KINDS])
    phase = np.log2(1 + families / 4)[:, None] / 6 - np.arange(len(KINDS)) / len(KINDS)  # (F, K)
    share = base * (1 + drift * np.cos(2 * math.pi * phase))
    limit = np.rint(share.cumsum(axis=1) / share.sum(axis=1, keepdims=True) * 65536)  # rounded: the same everywhere
    kinds: np.ndarray = ((bits & np.uint64(0xFFFF)).astype(np.int64)[:, None] >= limit[:, :-1]).sum(axis=1)
    return kinds


def family_draws(seed: int, families: np.ndarray) -> np.ndarray:
    """All chance that goes into the things of families: (F, 11) uint64."""
    return draws(seed, FAMILY, families, 5 + FACETS)


def namesake_kinds(kinds: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The kind of each family's namesake, never the family's own: (F,) int64."""
    others = (bits >> np.uint64(16)) % np.uint64(len(KINDS) - 1)
    return (kinds + 1 + others.astype(np.int64)) % len(KINDS)


Family = tuple[Entity, Entity, Entity, Entity]


@cache
def name_key(seed: int) -> int:
    """What the numbers of names are mixed with, so that another seed names its things otherwise."""
    return draw(seed, TABLE, 0) & 0x1FFFFF


def make_family(number: int, kind: int, other_kind: int, bits: list[int], key: int) -> Family:
    """The four things of a family.

    Args:
        number: of the family.
        kind, other_kind: rows of `KINDS`, the second for the namesake.
        bits: its row of `family_draws`.
        key: of the seed, see `name_key`.
    """
    first, other = scatter(2 * number ^ key), scatter((2 * number + 1) ^ key)
    a, b = first >> 10, first & 1023
    tails, sister_tails = bits[2], bits[3]
    name = make_name(a, b, tails)
    # Second heads from 1,024 on belong to sisters alone, so no sister has the name of anything else.
    sister = make_name(a, 1024 + (b ^ (a & 1023)), (tails & 0xFFFF) | (sister_tails >> 16 << 16))
    third = make_name(other >> 10, other & 1023, bits[4])
    own, others = KINDS[kind], KINDS[other_kind]
    values = bits[5:]
    return (
        _entity(own, name, values, 0),
        _entity(own, sister, values, 1),
        _entity(own, third, values, 2),
        _entity(others, name, [b >> 20 for b in values], 0),
    )


def _entity(kind: Kind, name: Name, bits: list[int], place: int) -> Entity:
    values = []
    for (make, words, number, third), b in zip(_value_makers(kind), bits, strict=True):
        if make is None:
            # Three different values for the three of a family: 2 steps are less than the way round.
            values.append(words[(b + place * (1 + (b >> 24) % third)) % number])
        else:
            values.append(make(b >> place))  # shifted by one bit, it is another person altogether
    return Entity(kind, name, values, bits, place)


@cache
def _value_makers(kind: Kind) -> list[tuple[Callable[[int], str] | None, list[str], int, int]]:
    """For each facet: what makes its values, or None and the list of them, its length and the longest step."""
    makers: list[tuple[Callable[[int], str] | None, list[str], int, int]] = []
    for facet in kind.facets:
        words = VALUES.get(facet.values, ([], []))[0]
        makers.append((COINED.get(facet.values), words, len(words), (len(words) - 1) // 3))
    return makers


def rough_value(thing: Entity, facet: int) -> str:
    """The rough form of one of its values.

    Raises:
        ValueError: such values have none.
    """
    _, _, number, third = _value_makers(thing.kind)[facet]
    _, rough = VALUES.get(thing.kind.facets[facet].values, ([], []))
    b = thing.bits[facet]
    form = rough[(b + thing.place * (1 + (b >> 24) % third)) % number] if rough else None
    if form is None:
        raise ValueError(f"{thing.values[facet]!r} has no rough form")
    return form


def wrong_value(thing: Entity, facet: int) -> str:
    """A value of the facet that neither it nor its relatives have."""
    make, words, number, third = _value_makers(thing.kind)[facet]
    b = thing.bits[facet]
    if make is not None:
        shared = {make(b >> place) for place in range(NAMESAKE)}
        return next(value for shift in range(5, 64) if (value := make(b >> thing.place + shift)) not in shared)
    return words[(b + (thing.place + 3) * (1 + (b >> 24) % third)) % number]
