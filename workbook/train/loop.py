"""The loop under every training: draw a batch, ask for its loss, follow the gradient a little way down.

Everything random follows from `seed`, so a run can be repeated, and a run that was stopped can go on as if it had
not been (`workbook.train.resume`).

Letters: N rows of data, B rows of a batch.

Taught in 07.
"""

import hashlib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.support.checks import check_positive
from workbook.support.frontend import budgeted, track
from workbook.train.batches import drawn_batches, stream_batches
from workbook.train.distributed import average_gradients, rank, wait_for_all
from workbook.train.resume import load_state, random_state, save_state, set_random_state

History = list[dict[str, float]]


def optimize(
    model: torch.nn.Module,
    loss_of: Callable[[np.ndarray], Tensor],
    lengths: np.ndarray,
    steps: int = 100,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    max_grad_norm: float = 1.0,
    pool_batches: int = 16,
    texts: Sequence[Sequence[Hashable]] | None = None,
    groups: Sequence[Hashable] | None = None,
    shares: Mapping[Any, float] | None = None,
    checkpoint: str | Path | None = None,
    save_every: int = 100,
    on_step: Callable[[dict[str, float]], Any] | None = None,
    settings: dict[str, Any] | None = None,
    show: bool | None = None,
) -> History:
    """The loop under every training: draw a batch, ask for its loss, follow the gradient a little way down.

    Args:
        model: what is trained, in place. Weights that need no gradient are left alone.
        loss_of: rows (B,) of the data -> the loss of that batch, a scalar. One that comes without a
            gradient has been propagated to the weights already, piece by piece.
        lengths: (N,), how long each row is, for batches of similar length.
        steps: how many batches, at most; `workbook.support.frontend.budgeted` may shorten a quick run.
        batch_size: rows in a batch, at most.
        lr: the highest learning rate, reached after warmup.
        seed: decides the batches and dropout. The global random state is left as it was.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: of matrices only; biases and LayerNorm weights are left alone.
        max_grad_norm: longer gradients are scaled down to this length; `math.inf` turns it off.
        pool_batches: how many batches are drawn together and sorted by length; 1 turns bucketing off.
        texts: N tuples, of which no two with a text in common stand in one batch; None lets them.
        groups: N names, such as the source of each row; the rows of a batch have one in common. None mixes them.
        shares: how often each group is drawn, as from `workbook.train.source_shares`; None takes every row once an epoch.
        checkpoint: a folder. Where it holds a run of the same configuration, that run goes on from there.
        save_every: steps between two checkpoints; the last step always writes one.
        on_step: called after each step with its record; training stops when it returns True, under torchrun
            in every process.
        settings: what else a resumed run must have in common with the one that was stopped, such as the data.
        show: whether to show progress; by default to a person only.
    Returns:
        one record {"step", "loss", "lr", "grad_norm"} for each step, those before a resume included; grad_norm is the
        length of the gradient before it is scaled down.
    Raises:
        ValueError: a number is out of range, nothing can be trained, or the checkpoint belongs to a
            different configuration.
        FloatingPointError: the loss or the gradient is not finite; the weights are those before that step.

    Source: Loshchilov and Hutter 2019 (AdamW).
    """
    _check_numbers(steps, batch_size, lr, warmup, pool_batches, save_every)
    if groups is not None and len(groups) != len(lengths):
        raise ValueError(f"groups must name a group for each of the {len(lengths)} rows, got {len(groups)}")
    if shares is not None and groups is None:
        raise ValueError("shares say how often each group is drawn, so give the groups of the rows too")
    steps = budgeted(steps)
    settings = {
        **(settings or {}), "steps": steps, "batch_size": batch_size, "lr": lr, "seed": seed, "warmup": warmup,
        "weight_decay": weight_decay, "max_grad_norm": str(max_grad_norm), "pool_batches": pool_batches,
        **({} if texts is None else {"no_duplicates": True}),
        **({} if groups is None else {"groups": hashlib.sha256(repr(list(groups)).encode()).hexdigest()[:16]}),
        **({} if shares is None else {"shares": dict(shares)}),
    }  # fmt: skip
    optimizer = _adamw(model, lr, weight_decay)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    device, was_training = parameters[0].device, model.training
    history: History = []
    with _own_randomness(device, seed):
        if checkpoint is not None:
            wait_for_all()  # for what the first process may still be writing there
            history = load_state(checkpoint, model, optimizer, device, settings)
        batches = (
            stream_batches(lengths, batch_size, seed, pool_batches, len(history), texts, groups)
            if groups is None or shares is None
            else drawn_batches(lengths, batch_size, groups, shares, seed, pool_batches, len(history), texts)
        )
        for step in track(range(len(history), steps), label="training", show=show):
            rate = lr * schedule(step, steps, round(warmup * steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            model.train()
            optimizer.zero_grad()
            value = loss_of(next(batches))
            if value.requires_grad:  # GradCache has gone back already
                torch.autograd.backward(value)
            average_gradients(parameters)  # over the processes of torchrun; one process has nothing to do
            norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
            record = {"step": step + 1, "loss": value.item(), "lr": rate, "grad_norm": norm.item()}
            _stop_unless_finite(record, norm.item(), history)
            _stop_without_gradient(parameters)
            optimizer.step()
            history.append(record)
            stop = on_step is not None and on_step(record) is True
            if checkpoint is not None and rank() == 0 and ((step + 1) % save_every == 0 or step + 1 == steps or stop):
                save_state(checkpoint, model, optimizer, device, settings, history)
            if stop:
                break
    model.train(was_training)
    return history


def schedule(step: int, steps: int, warmup_steps: int) -> float:
    """The share of the highest learning rate at a step: up a straight line, then down another.

        (step + 1) / (warmup_steps + 1)              while step < warmup_steps
        (steps - step) / (steps - warmup_steps)      after

    Args:
        step: counted from 0.
        steps: how many steps there are in all.
        warmup_steps: how many of them rise.
    Returns:
        above 0, and 1 at step `warmup_steps`.

    Without warmup equal to the linear schedule of transformers.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return (steps - step) / (steps - warmup_steps)


def _adamw(encoder: torch.nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    parameters = [p for p in encoder.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the encoder has no parameter that can be trained; did you freeze all of them?")
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda", "mps") and p.is_floating_point() for p in parameters)
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, fused=fused)


@contextmanager
def _own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    kept = random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        set_random_state(device, kept)


def _stop_unless_finite(record: dict[str, float], norm: float, history: History) -> None:
    if math.isfinite(record["loss"]) and math.isfinite(norm):
        return
    before = f"it was {history[-1]['loss']:.4f} one step before" if history else "this is the first step"
    raise FloatingPointError(
        f"the loss is {record['loss']} and the length of the gradient {norm} at step {record['step']}; {before}. "
        "Try a lower lr, a longer warmup or a higher temperature, and look for NaN in the weights you started from"
    )


def _stop_without_gradient(parameters: list[Tensor]) -> None:
    if all(p.grad is None for p in parameters):
        raise ValueError(
            "no gradient reached the model; does the loss depend on its output, without detach or no_grad?"
        )


def _check_numbers(steps: int, batch_size: int, lr: float, warmup: float, pool_batches: int, save_every: int) -> None:
    check_positive(steps=steps, batch_size=batch_size, pool_batches=pool_batches, save_every=save_every)
    if lr <= 0 or not 0 <= warmup < 1:
        raise ValueError(f"lr must be above 0 and warmup in [0, 1), got lr={lr}, warmup={warmup}")
