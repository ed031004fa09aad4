"""How many steps a machine has time for.

Taught in 00.
"""

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.losses import info_nce
from workbook.support.frontend import is_live
from workbook.train.fit import fit

TRIED = 5  # steps that are timed
FEWEST = 10  # steps that are taken, however slow the machine is


def steps_within(
    seconds: float,
    steps: int,
    encoder: torch.nn.Module,
    pairs: Sequence[tuple[str, ...]],
    loss: Callable[..., Tensor] = info_nce,
    batch_size: int = 64,
    **options: Any,
) -> int:
    """How many of `steps` training steps fit into so many seconds here, told by timing a few on a copy of the encoder.

    Only in front of a person: builds and tests take all steps, so that their numbers are the same everywhere.

    Args:
        seconds: what the training may take.
        steps: how many are wanted.
        encoder, pairs, loss, batch_size, options: as `fit` will get them. The encoder is left as it is.
    Returns:
        `steps`, or fewer, which is said with the reason.
    """
    if not is_live():
        return steps
    moments: list[float] = []
    options = {**options, "show": False, "on_step": lambda *_: moments.append(time.perf_counter())}
    fit(copy.deepcopy(encoder), pairs[: TRIED * batch_size], loss, TRIED, batch_size, **options)
    each = float(np.median(np.diff(moments))) if len(moments) > 1 else 0.0
    if steps * each <= seconds:
        return steps
    chosen = min(steps, max(FEWEST, int(seconds / each)))
    print(
        f"A step takes {each:.1f} s here, so {chosen} of {steps} steps are taken, about {chosen * each:.0f} s. "
        f"The results will be a little behind those in the text; steps={steps} takes {steps * each / 60:.0f} min."
    )
    return chosen
