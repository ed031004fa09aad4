"""The world behind the corpus: families of four things, their names, and what is true of them.

A family is three things of one kind, two of which share the first word of their names, and a
namesake: a thing of another kind with the name of the first. Sixteen passages speak of each family.
Everything follows from the seed and the family's number, so the world needs no memory and no end.

Letters: F families, S = 16 passages of a family.

Taught in 09.
"""

import math
from typing import NamedTuple

import numpy as np

from workbook.data.planted.draws import FAMILY, draws
from workbook.data.planted.kinds import Kind
from workbook.data.planted.kinds_more import KINDS
from workbook.data.planted.names import Name, make_name, make_person, make_place, scatter
from workbook.data.planted.values import VALUES, Rough

PER_FAMILY = 16  # passages
ENTITIES = 4
NAMESAKE = 3  # the entity of a family that is of another kind
FACETS = 6
MAX_FAMILIES = 1 << 20  # as many as there are names


class Entity(NamedTuple):
    """A thing of the world.

    Attributes:
        kind: of `KINDS`.
        name: its three forms.
        values: of its six facets.
        rough: the same, roughly; None where there is no rough form.
        wrong: of each facet, a value that it does not have.

    Taught in 09.
    """

    kind: Kind
    name: Name
    values: tuple[str, ...]
    rough: tuple[Rough, ...]
    wrong: tuple[str, ...]


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

    Taught in 09.
    """
    base = np.array([kind.share for kind in KINDS])
    phase = np.log2(1 + families / 4)[:, None] / 6 - np.arange(len(KINDS)) / len(KINDS)  # (F, K)
    share = base * (1 + drift * np.cos(2 * math.pi * phase))
    limit = np.rint(share.cumsum(axis=1) / share.sum(axis=1, keepdims=True) * 65536)  # rounded: the same everywhere
    return ((bits & np.uint64(0xFFFF)).astype(np.int64)[:, None] >= limit[:, :-1]).sum(axis=1)


def family_draws(seed: int, families: np.ndarray) -> np.ndarray:
    """All chance that goes into the things of families: (F, 11) uint64. Taught in 09."""
    return draws(seed, FAMILY, families, 5 + FACETS)


def namesake_kinds(kinds: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The kind of each family's namesake, never the family's own: (F,) int64. Taught in 09."""
    others = (bits >> np.uint64(16)) % np.uint64(len(KINDS) - 1)
    return (kinds + 1 + others.astype(np.int64)) % len(KINDS)


def make_family(number: int, kind: int, other_kind: int, bits: list[int]) -> tuple[Entity, Entity, Entity, Entity]:
    """The four things of a family.

    Args:
        number: of the family.
        kind, other_kind: rows of `KINDS`, the second for the namesake.
        bits: its row of `family_draws`.

    Taught in 09.
    """
    first, other = scatter(2 * number), scatter(2 * number + 1)
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


def _entity(kind: Kind, name: Name, bits: list[int], i: int) -> Entity:
    exact, rough, wrong = [], [], []
    for facet, b in zip(kind.facets, bits, strict=True):
        if facet.values == "person":
            exact.append(make_person(b >> i))  # shifted by one bit, all of it is another person
            wrong.append(make_person(b >> i + 5))
            rough.append(None)
        elif facet.values == "place":
            exact.append(make_place(b >> i))
            wrong.append(make_place(b >> i + 5))
            rough.append(None)
        else:
            words, roughly = VALUES[facet.values]
            # Three different values for the three of a family: 2 steps are less than the way round.
            step = 1 + (b >> 24) % ((len(words) - 1) // 3)
            at = (b + i * step) % len(words)
            exact.append(words[at])
            rough.append(roughly[at])
            wrong.append(words[(at + 3 * step) % len(words)])  # no relative's, and not its own
    return Entity(kind, name, tuple(exact), tuple(rough), tuple(wrong))
