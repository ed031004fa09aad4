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


def passage_texts(settings: Settings, start: int, stop: int) -> Iterator[str]:
    """The texts of the passages from `start` up to, not including, `stop`."""
    key = name_key(settings.seed)
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        plan, order, _, world = make_block(settings, block)
        families = [
            make_family(block * FAMILIES + i, kind, other_kind, row, key)
            for i, ((kind, other_kind), row) in enumerate(zip(plan.kinds.tolist(), world.tolist(), strict=True))
        ]
        flat = [x.reshape(BLOCK).tolist() for x in (plan.root, plan.entity, plan.facet, plan.style, plan.extra,
                                                   plan.compared, plan.sentences)]  # fmt: skip
        root, entity, facet, style, extra, compared, sentences = flat
        shape, choice = plan.bits[..., 1].reshape(BLOCK).tolist(), plan.bits[..., 2].reshape(BLOCK).tolist()
        first = block * BLOCK
        for i in order[max(start - first, 0) : stop - first]:
            family = i >> 4
            r = root[i] + (family << 4)
            yield write_passage(
                families[family], entity[i], facet[i], style[i], extra[i], compared[i], sentences[i],
                shape[r], choice[r], 0 if r == i else choice[i] | 1,
            )  # fmt: skip


def passage_text(settings: Settings, number: int) -> str:
    """The text of one passage."""
    block, at = divmod(number, BLOCK)
    plan, order, _, _ = make_block(settings, block)
    family, slot = divmod(order[at], PER_FAMILY)
    root = int(plan.root[family, slot])
    entity, facet, style, extra, compared, sentences = (
        int(x[family, slot]) for x in (plan.entity, plan.facet, plan.style, plan.extra, plan.compared, plan.sentences)
    )
    shape, choice, twist = (int(plan.bits[family, at, i]) for at, i in ((root, 1), (root, 2), (slot, 2)))
    return write_passage(
        get_family(settings, block * FAMILIES + family), entity, facet, style, extra, compared, sentences,
        shape, choice, 0 if root == slot else twist | 1,
    )  # fmt: skip
