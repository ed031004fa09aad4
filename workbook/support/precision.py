"""Sums in float32 or more: a half-precision number overflows, and counts no further than 256 or 2,048.

float16 ends at 65,504 and counts to 2,048 in steps of 1; bfloat16 reaches as far as float32 but counts to 256 only.
So vectors may be stored in half precision, while what is summed over them is float32: tokens into a text,
dimensions into a score, scores into a loss. float64 stays float64.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; any other tensor as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Inside, a product of float32 tensors on the device of `x` is float32, under `torch.autocast` too."""
    there = x.device.type
    return torch.autocast(there, enabled=False) if torch.amp.is_autocast_available(there) else nullcontext()
