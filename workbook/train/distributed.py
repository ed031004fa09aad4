"""Several processes: each encodes its share of a batch, and all take the step of one process with the whole batch.

They exchange embeddings, and on the way back the gradients of those embeddings. In one process nothing happens, so
the loop is the same with and without `torchrun`.

Letters: B rows of a batch, W processes.

Taught in 05 and 20.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

Rows = TypeVar("Rows", Tensor, np.ndarray, list[Any])
MOST_AXES = 8  # of a tensor that is gathered


def gather_with_gradient(x: Tensor) -> Tensor:
    """The rows of all processes, in the order of their ranks; gradients find their way back to each.

        forward     [x_1; x_2; …; x_W]  in every process
        backward    process w receives  sum_v  ∂loss_v / ∂x_w

    Every process then computes the loss of the whole batch, so what process w receives is W times the
    gradient of its own rows. The mean over processes, `average_gradients` (or DistributedDataParallel),
    takes the W away again: loss, gradients and step are those of one process with the whole batch.

    The known mistake: `torch.distributed.all_gather` returns copies without a history. If each process
    puts its own rows back among the copies, each row has its gradient once, not W times; after the mean
    the whole gradient is 1 / W of the right one, and the loss must be multiplied by W. The loss itself does
    not show it, and Adam hides it, which divides by the size of the gradient; clipping and SGD do not.

    Args:
        x: (B_w, …), this process's rows; their number may differ between processes, and may be 0.
    Returns:
        (B, …), B the sum of all B_w; x itself where there is only one process.
    Raises:
        ValueError: another process brings rows of another shape or dtype. All processes raise it together.

    Equal to `torch.distributed.nn.functional.all_gather` (deprecated there) where the numbers of rows are equal; used by
    sentence-transformers' losses under `gather_across_devices`.
    """
    if world_size() == 1:
        return x
    gather: Callable[[Tensor, list[int]], Tensor] = _Gather.apply
    return gather(x, _rows_of_each(x))


class _Gather(torch.autograd.Function):
    """Forward: all rows. Backward: the gradients of all processes, summed, cut to the own rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: list[int]) -> Tensor:
        ctx.rows = rows
        sent = x.new_zeros(max(rows), *x.shape[1:])  # processes can only send equally much
        sent[: len(x)] = x
        received = [torch.empty_like(sent) for _ in rows]
        dist.all_gather(received, sent)
        return torch.cat([part[:n] for part, n in zip(received, rows, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return torch.split(summed, ctx.rows)[rank()], None


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each `.grad` by its mean over all processes; in one process nothing happens.

    A weight that has a gradient in some processes only counts as 0 in the others.
    """
    W, trained = world_size(), [p for p in parameters if p.requires_grad]
    if W == 1 or not trained:
        return
    reached = torch.tensor([p.grad is not None for p in trained], dtype=torch.long, device=trained[0].device)
    dist.all_reduce(reached)
    for p, somewhere in zip(trained, reached.tolist(), strict=True):
        if somewhere:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            dist.all_reduce(p.grad)
            p.grad /= W


def share(rows: Rows) -> Rows:
    """This process's part of a batch: W parts as equal as can be, in order, so that gathering restores the batch.

    Args:
        rows: (B, …), the same in every process.
    Returns:
        (B_w, …); all of it in one process.
    Raises:
        ValueError: there are fewer rows than processes.
    """
    B, W, w = len(rows), world_size(), rank()
    if B < W:
        raise ValueError(f"a batch needs a row for each of the {W} processes, got {B}; start fewer, or take more data")
    return rows[w * B // W : (w + 1) * B // W]


def world_size() -> int:
    """How many processes train together: W, or 1 outside `torch.distributed`."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def wait_for_all() -> None:
    """Go on when every process is here: what one of them wrote before can be read now."""
    if world_size() > 1:
        dist.barrier()


def _rows_of_each(x: Tensor) -> list[int]:
    """How many rows each process brings."""
    if not 1 <= x.ndim <= MOST_AXES:
        raise ValueError(f"expected (B, …) with at most {MOST_AXES} axes, got {tuple(x.shape)}")
    facts = torch.zeros(MOST_AXES + 2, dtype=torch.long, device=x.device)
    facts[: x.ndim + 2] = torch.tensor([x.ndim, x.element_size(), *x.shape])
    of_each = [torch.empty_like(facts) for _ in range(world_size())]
    dist.all_gather(of_each, facts)
    kinds = {(*each[:2].tolist(), *each[3:].tolist()) for each in of_each}
    if len(kinds) > 1:
        shapes = [tuple(each[2 : 2 + int(each[0])].tolist()) for each in of_each]
        raise ValueError(
            f"all processes must gather rows of one shape and dtype, got {shapes} by rank; "
            "is the same encoder loaded in every process?"
        )
    return [int(each[2]) for each in of_each]
