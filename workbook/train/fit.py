"""Training: pairs of texts teach an encoder which texts belong together, one batch at a time.

A step takes a batch of pairs, embeds both sides, asks the loss how wrong the similarities are, and
moves every weight a little against the gradient. Everything random follows from `seed`, so a run
can be repeated, and a run that was stopped can go on as if it had not been (`workbook.train.resume`).

Letters: N pairs, B pairs in a batch, T tokens, D dimensions, M negatives of a pair.

Taught in 00 and 07.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.encoder import StaticEncoder
from workbook.losses import info_nce
from workbook.support.frontend import budgeted, track
from workbook.train import resume
from workbook.train.batches import bucketed_batches, rectangle, stream_batches
from workbook.train.gradcache import average_gradients, gather_with_gradient, gradcache_step, rank, share, wait_for_all

__all__ = ["bucketed_batches", "fingerprint", "fit", "optimize", "schedule"]

History = list[dict[str, float]]
Column = list[Tensor]  # the token ids of N texts
AT_A_TIME = 8  # texts that a transformer reads together on a processor


def fit(
    encoder: Any,
    pairs: Sequence[tuple[str, ...]],
    loss: Callable[..., Tensor] = info_nce,
    steps: int = 100,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
    temperature: float | None = None,
    dtype: torch.dtype | None = None,
    labels: Tensor | None = None,
    mini_batch_size: int | None = None,
    **options: Any,
) -> History:
    """Train an encoder on pairs with AdamW, linear warmup and linear decay.

    Batches hold texts of similar length (`bucketed_batches`), so little is spent on padding. The
    other passages of a batch serve as negatives, and they too are of similar length: the model
    cannot tell them from the positive by length alone. Texts are tokenized once, before the first step.

    Under `torchrun`, once `torch.distributed.init_process_group` has been called, each process encodes its
    share of every batch, and all take the same step: that of one process with the whole batch.

    Args:
        encoder: a `workbook.encoder.TextEncoder`; it is trained in place, on the device it is on. One with
            a `query_encoder` and a `document_encoder` of its own is trained tower by tower.
        pairs: N tuples (query, positive) or (query, positive, negative, …), all of one length.
        loss: called as loss(query (B, D), positive (B, D)), with negatives (B, M, D) third if there are any.
        steps: how many batches, at most; `workbook.support.frontend.budgeted` may shorten a quick run.
        batch_size: pairs in a batch, at most; all N where there are fewer.
        lr: the highest learning rate, reached after warmup.
        seed: decides the batches and dropout. The global random state is left as it was.
        temperature: passed on to the loss, unless None.
        dtype: `torch.bfloat16` runs the encoder under autocast; the loss always sees float32 or more.
        labels: (N, …), what a teacher says of each pair; the rows of a batch reach the loss as `labels`.
        mini_batch_size: with a number, only so many texts are in memory at a time, by GradCache
            (`workbook.train.gradcache`). The gradient stays that of the whole batch.
        options: passed on to `optimize`: warmup, weight_decay, max_grad_norm, pool_batches, checkpoint,
            save_every, on_step, show.
    Returns:
        one record {"step", "loss", "lr"} for each step, those before a resume included.
    Raises:
        ValueError: there are no pairs, they differ in length, a number is out of range, or the
            checkpoint belongs to a different configuration.
        FloatingPointError: the loss or the gradient is not finite; the weights are those before that step.

    Source: Loshchilov and Hutter 2019 (AdamW).
    """
    _check(pairs, dtype, labels)
    sides = [
        getattr(encoder, "document_encoder" if column else "query_encoder", encoder) for column in range(len(pairs[0]))
    ]
    columns = [
        _tokenize(side, texts, column)
        for column, (side, texts) in enumerate(zip(sides, zip(*pairs, strict=True), strict=True))
    ]
    lengths = np.array([[len(ids) for ids in column] for column in columns[1:]]).max(axis=0)  # (N,), passages only
    device = next(encoder.parameters()).device
    said = {} if temperature is None else {"temperature": temperature}

    def embedding(side: Any, column: Column) -> Callable[[np.ndarray], Tensor]:
        def embed(rows: np.ndarray) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype is not None):
                vectors = _embed(side, column, rows, device)
            return vectors.float() if vectors.dtype in (torch.bfloat16, torch.float16) else vectors

        return embed

    embed = [embedding(side, column) for side, column in zip(sides, columns, strict=True)]

    def loss_of(rows: np.ndarray) -> Tensor:
        taught = {} if labels is None else {"labels": labels[torch.from_numpy(rows)].to(device)}

        def of_embeddings(*embedded: Tensor) -> Tensor:
            query, positive, *negatives = (gather_with_gradient(x) for x in embedded)
            inputs = [query, positive, torch.stack(negatives, dim=1)] if negatives else [query, positive]  # (B, M, D)
            return loss(*inputs, **said, **taught)

        here = share(rows)  # under torchrun a part of them
        if mini_batch_size is None:
            return of_embeddings(*(of(here) for of in embed))
        return gradcache_step(embed, [(here,)] * len(embed), of_embeddings, mini_batch_size, device)

    settings = {
        "temperature": temperature, "dtype": str(dtype), "loss": loss_name(loss), "pairs": fingerprint(columns),
        **({} if labels is None else {"labels": fingerprint([[labels.cpu()]])}),
        **({} if mini_batch_size is None else {"mini_batch_size": mini_batch_size}),
    }  # fmt: skip
    return optimize(encoder, loss_of, lengths, steps, batch_size, lr, seed, settings=settings, **options)


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
        checkpoint: a folder. Where it holds a run of the same configuration, that run goes on from there.
        save_every: steps between two checkpoints; the last step always writes one.
        on_step: called after each step with its record; training stops when it returns True, under torchrun
            in every process.
        settings: what else a resumed run must have in common with the one that was stopped, such as the data.
        show: whether to show progress; by default to a person only.
    Returns:
        one record {"step", "loss", "lr"} for each step, those before a resume included.
    Raises:
        ValueError: a number is out of range, nothing can be trained, or the checkpoint belongs to a
            different configuration.
        FloatingPointError: the loss or the gradient is not finite; the weights are those before that step.

    Source: Loshchilov and Hutter 2019 (AdamW).
    """
    _check_numbers(steps, batch_size, lr, warmup, pool_batches, save_every)
    steps = budgeted(steps)
    settings = {
        **(settings or {}), "steps": steps, "batch_size": batch_size, "lr": lr, "seed": seed, "warmup": warmup,
        "weight_decay": weight_decay, "max_grad_norm": str(max_grad_norm), "pool_batches": pool_batches,
    }  # fmt: skip
    optimizer = _adamw(model, lr, weight_decay)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    device, was_training = parameters[0].device, model.training
    history: History = []
    with _own_randomness(device, seed):
        if checkpoint is not None:
            wait_for_all()  # for what the first process may still be writing there
            history = resume.load_state(checkpoint, model, optimizer, device, settings)
        batches = stream_batches(lengths, batch_size, seed, pool_batches, start=len(history))
        for step in track(range(len(history), steps), label="training", show=show):
            rate = lr * schedule(step, steps, round(warmup * steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            model.train()
            optimizer.zero_grad()
            value = loss_of(next(batches))
            if value.requires_grad:
                value.backward()
            average_gradients(parameters)  # over the processes of torchrun; one process has nothing to do
            norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
            record = {"step": step + 1, "loss": value.item(), "lr": rate}
            _stop_unless_finite(record, norm.item(), history)
            _stop_without_gradient(parameters)
            optimizer.step()
            history.append(record)
            stop = on_step is not None and on_step(record) is True
            if checkpoint is not None and rank() == 0 and ((step + 1) % save_every == 0 or step + 1 == steps or stop):
                resume.save_state(checkpoint, model, optimizer, device, settings, history)
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


def _tokenize(encoder: Any, texts: Sequence[str], column: int) -> Column:
    prompt = encoder.query_prompt if column == 0 else encoder.document_prompt
    ids: Column = []
    for start in range(0, len(texts), 1024):
        input_ids, mask = encoder.tokenize([prompt + text for text in texts[start : start + 1024]])
        mask = mask.bool().cpu()
        ids += input_ids.cpu()[mask].split(mask.sum(dim=1).tolist())
    return ids


def _embed(encoder: Any, column: Column, rows: np.ndarray, device: torch.device) -> Tensor:
    """One vector for each text of a batch, (B, D).

    Padding costs a processor as much as text, so there a transformer reads a few texts of similar length
    at a time; to the loss they are one batch all the same. An accelerator is faster with all at once, and
    so is a bag of vectors: each call gives it a gradient as large as its table.
    """
    if device.type != "cpu" or isinstance(encoder.backbone, StaticEncoder):
        return encoder(*_pad(encoder, column, rows, device))
    by_length = np.argsort([len(column[row]) for row in rows], kind="stable")
    groups = np.array_split(by_length, math.ceil(len(rows) / AT_A_TIME))
    vectors = torch.cat([encoder(*_pad(encoder, column, rows[group], device)) for group in groups])
    return vectors[np.argsort(by_length)]  # in the order of the batch again


def _pad(encoder: Any, column: Column, rows: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    input_ids, mask = rectangle([column[row] for row in rows], encoder.pad_id, encoder.padding_side)
    return input_ids.to(device), mask.to(device)


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
    kept = resume.random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        resume.set_random_state(device, kept)


def _stop_unless_finite(record: dict[str, float], norm: float, history: History) -> None:
    if math.isfinite(record["loss"]) and math.isfinite(norm):
        return
    before = f"it was {history[-1]['loss']:.4f} one step before" if history else "this is the first step"
    raise FloatingPointError(
        f"the loss is {record['loss']} and the length of the gradient {norm} at step {record['step']}; {before}. "
        "Try a lower lr, a longer warmup or a higher temperature, and look for NaN in the weights you started from"
    )


def loss_name(loss: Callable[..., Any]) -> str:
    """What a checkpoint calls a loss: its function and the arguments that are fixed."""
    if isinstance(loss, functools.partial):
        args = tuple(loss_name(x) if callable(x) else x for x in loss.args)  # matryoshka_loss holds another loss
        return f"{loss_name(loss.func)}{args}{sorted(loss.keywords.items())}"
    return getattr(loss, "__qualname__", type(loss).__qualname__)


def fingerprint(columns: Sequence[Column]) -> str:
    """Tell one set of training data from another, for the settings of a checkpoint.

    Texts, prompts, tokenizer and truncation all change the token ids.

    Args:
        columns: lists of tensors, such as the token ids of N texts.
    """
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.array([len(ids) for ids in column]).tobytes())
        digest.update(torch.cat(list(column)).numpy().tobytes())
    return digest.hexdigest()[:16]


def _stop_without_gradient(parameters: list[Tensor]) -> None:
    if all(p.grad is None for p in parameters):
        raise ValueError(
            "no gradient reached the model; does the loss depend on its output, without detach or no_grad?"
        )


def check_tuples(tuples: Sequence[tuple[str, ...]]) -> int:
    """How many passages stand beside each query, in tuples (query, passage, …) of one length.

    Raises:
        ValueError: there are no tuples, one is no tuple, or they differ in length.
    """
    if not tuples:
        raise ValueError("expected at least one (query, passage, …), got none; is the split's name right?")
    width = len(tuples[0])
    for row, texts in enumerate(tuples):
        if isinstance(texts, str) or len(texts) < 2 or len(texts) != width:
            raise ValueError(
                f"expected tuples (query, passage, …) of one length, {width} by the first; number {row} is {texts!r}; "
                "drop it, or give every query the same number of passages"
            )
    return width - 1


def _check(pairs: Sequence[tuple[str, ...]], dtype: torch.dtype | None, labels: Tensor | None) -> None:
    check_tuples(pairs)
    if dtype not in (None, torch.bfloat16):
        raise ValueError(f"dtype must be None or torch.bfloat16, got {dtype}; float16 would need a loss scale")
    if labels is not None and len(labels) != len(pairs):
        raise ValueError(f"labels must have a row for each of the {len(pairs)} pairs, got {len(labels)}")


def _check_numbers(steps: int, batch_size: int, lr: float, warmup: float, pool_batches: int, save_every: int) -> None:
    whole = {"steps": steps, "batch_size": batch_size, "pool_batches": pool_batches, "save_every": save_every}
    for name, number in whole.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if lr <= 0 or not 0 <= warmup < 1:
        raise ValueError(f"lr must be above 0 and warmup in [0, 1), got lr={lr}, warmup={warmup}")
