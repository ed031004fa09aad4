"""The stream of passages: any stretch of the corpus, starting anywhere.

Passages come in blocks of 256, which hold the passages of 16 families in mixed order. A block is made
from its number alone; so the first passages are the same at every size, and a start in the middle
costs at most one block.

Taught in 09.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from workbook.data.planted.plan import Plan, make_plan
from workbook.data.planted.settings import Settings
from workbook.data.planted.wording import write_passage
from workbook.data.planted.world import PER_FAMILY, Family, family_draws, make_family

FAMILIES = 16  # in a block
BLOCK = FAMILIES * PER_FAMILY


def families_of(block: int) -> np.ndarray:
    """The numbers of the families of a block: (16,). Taught in 09."""
    return np.arange(block * FAMILIES, (block + 1) * FAMILIES)


@lru_cache(maxsize=64)
def block_plan(settings: Settings, block: int) -> tuple[Plan, list[int], list[int]]:
    """The plan of a block, and its order.

    Returns:
        the plan of its 16 families; at each position of the block, which of its 256 planned
        passages stands there; and the other way round, at which position each stands.

    Taught in 09.
    """
    plan = make_plan(settings, families_of(block))
    order = np.argsort(plan.bits[..., 0].ravel(), kind="stable")
    return plan, order.tolist(), np.argsort(order, kind="stable").tolist()


@lru_cache(maxsize=64)
def block_families(settings: Settings, block: int) -> list[Family]:
    """The things of the 16 families of a block. Taught in 09."""
    families = families_of(block)
    plan, _, _ = block_plan(settings, block)
    bits = family_draws(settings.seed, families).tolist()
    return [
        make_family(number, kind, other_kind, row)
        for number, (kind, other_kind), row in zip(families.tolist(), plan.kinds.tolist(), bits, strict=True)
    ]


def passage_texts(settings: Settings, start: int, stop: int) -> Iterator[str]:
    """The texts of the passages from `start` up to, not including, `stop`. Taught in 09."""
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        plan, order, _ = block_plan(settings, block)
        families = block_families(settings, block)
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
