"""Training: pairs teach an encoder which texts belong together, one batch at a time.

    fit             from pairs of texts to a loss                                       00, 07
    loop            the loop under it and under every other training                    07
    batches         which texts are read together in a step                             05, 07
    resume          stop at any moment, and go on                                       07
    gradcache       a batch larger than the memory                                      05
    distributed     a batch over several processes                                      05, 20
    diagnosis       why a loss does not fall                                            07
    early_stopping  which step's weights to keep                                        07, 18

Taught in 00, 05, 07, 18 and 20.
"""

from workbook.train.batches import (
    bucketed_batches,
    drawn_batches,
    epoch_batches,
    rectangle,
    share_with_twin,
    source_shares,
    stream_batches,
    without_duplicates,
)
from workbook.train.budget import steps_within
from workbook.train.diagnosis import Symptoms, diagnose, symptoms
from workbook.train.distributed import (
    average_gradients,
    gather_with_gradient,
    rank,
    share,
    wait_for_all,
    world_size,
)
from workbook.train.early_stopping import Looks, best, stopped_at
from workbook.train.fit import check_tuples, fit
from workbook.train.gradcache import full_batch_step, gradcache_step, peak_saved_bytes
from workbook.train.loop import History, optimize, schedule
from workbook.train.resume import (
    hash_of_columns,
    load_state,
    loss_name,
    random_state,
    save_state,
    set_random_state,
)
from workbook.train.vectors import fit_vectors, principal_directions

__all__ = [
    "History", "Looks", "Symptoms", "average_gradients", "best", "bucketed_batches", "check_tuples", "diagnose", "drawn_batches", "epoch_batches",
    "fit", "fit_vectors", "full_batch_step", "gather_with_gradient", "gradcache_step", "hash_of_columns", "load_state", "loss_name", "optimize",
    "peak_saved_bytes", "principal_directions", "random_state", "rank", "rectangle", "save_state", "schedule",
    "set_random_state", "share", "share_with_twin", "source_shares",
    "steps_within", "stopped_at", "stream_batches", "symptoms", "wait_for_all", "without_duplicates", "world_size",
]  # fmt: skip
