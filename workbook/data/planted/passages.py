"""The stream of passages: any stretch of the corpus, starting anywhere.

Passages come in blocks of 256, which hold the passages of 16 families in mixed order. A block is made
from its number alone; so the first passages are the same at every size, and a start in the middle
costs at most one block.

Taught in 09.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from workbook.data.planted.plan import Plan, make_plan
from workbook.data.planted.settings import Settings
from workbook.data.planted.wording import write_passage
from workbook.data.planted.world import PER_FAMILY, Family, family_draws, make_family, name_key

FAMILIES = 16  # in a block
BLOCK = FAMILIES * PER_FAMILY


class Block(NamedTuple):
    """A block of the corpus.

    Attributes:
        plan: of its 16 families.
        order: at each position, which of its 256 planned passages stands there.
        where: the other way round: at which position each planned passage stands.
        bits: `family_draws` of its families.
    """

    plan: Plan
    order: list[int]
    where: list[int]
    bits: np.ndarray


@lru_cache(maxsize=64)
def make_block(settings: Settings, number: int) -> Block:
    """The block with a number."""
    families = np.arange(number * FAMILIES, (number + 1) * FAMILIES)
    plan = make_plan(settings, families)
    order = np.argsort(plan.bits[..., 0].ravel(), kind="stable")
    where = np.argsort(order, kind="stable")
    return Block(plan, order.tolist(), where.tolist(), family_draws(settings.seed, families))


@lru_cache(maxsize=1024)
def get_family(settings: Settings, number: int) -> Family:
    """The four things of a family."""
    block, inside = divmod(number, FAMILIES)
    plan, _, _, bits = make_block(settings, block)
    kind, other_kind = plan.kinds[inside].tolist()
    return make_family(number, kind, other_kind, bits[inside].tolist(), name_key(settings.seed))


@lru_cache(maxsize=64)
def _rows(settings: Settings, number: int) -> list[tuple[int, ...]]:
    """What `write_passage` takes beside the family, for each of the 256 planned passages of a block."""
    plan = make_block(settings, number).plan
    columns = (plan.entity, plan.facet, plan.style, plan.extra, plan.compared, plan.sentences)
    shape, choice = plan.bits[..., 1].ravel(), plan.bits[..., 2].ravel()
    root = (plan.root + PER_FAMILY * np.arange(FAMILIES)[:, None]).ravel()
    twist = np.where(root == np.arange(BLOCK), np.uint64(0), choice | np.uint64(1))
    flat = (*(column.ravel() for column in columns), shape[root], choice[root], twist)
    return list(zip(*(column.tolist() for column in flat), strict=True))


def passage_texts(settings: Settings, start: int, stop: int) -> Iterator[str]:
    """The texts of the passages from `start` up to, not including, `stop`."""
    for number in range(start // BLOCK, -(-stop // BLOCK)):
        first, rows = number * BLOCK, _rows(settings, number)
        for planned in make_block(settings, number).order[max(start - first, 0) : stop - first]:
            family = get_family(settings, number * FAMILIES + planned // PER_FAMILY)
            yield write_passage(family, *rows[planned])


def passage_text(settings: Settings, number: int) -> str:
    """The text of one passage."""
    return next(passage_texts(settings, number, number + 1))
