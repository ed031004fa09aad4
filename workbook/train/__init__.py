"""Training: pairs teach an encoder which texts belong together, one batch at a time.

Taught in 00, 05 and 07.
"""

from workbook.train.batches import bucketed_batches, rectangle, stream_batches
from workbook.train.early_stopping import Looks, best
from workbook.train.fit import check_tuples, fingerprint, fit, loss_name, optimize, schedule
from workbook.train.gradcache import (
    average_gradients,
    gather_with_gradient,
    gradcache_step,
    peak_saved_bytes,
    rank,
    share,
    wait_for_all,
    world_size,
)
from workbook.train.resume import load_state, random_state, save_state, set_random_state

__all__ = [
    "Looks", "average_gradients", "best", "bucketed_batches", "check_tuples", "fingerprint", "fit",
    "gather_with_gradient", "gradcache_step", "load_state", "loss_name", "optimize", "peak_saved_bytes",
    "random_state", "rank", "rectangle", "save_state", "schedule", "set_random_state", "share", "stream_batches",
    "wait_for_all", "world_size",
]  # fmt: skip
