"""Training: pairs of texts teach an encoder which texts belong together, one batch at a time.

A step takes a batch of pairs, embeds both sides, asks the loss how wrong the similarities are, and
moves every weight a little against the gradient (`workbook.train.loop`).

Letters: N pairs, B pairs in a batch, T tokens, D dimensions, M negatives of a pair.

Taught in 00 and 07.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from workbook.encoder import TextEncoder
from workbook.encoder.tokenizer import rectangle
from workbook.losses import info_nce
from workbook.support.precision import at_least_float32
from workbook.support.types import PaddedEncoder, StaticBackbone
from workbook.train.distributed import gather_with_gradient, share
from workbook.train.gradcache import gradcache_step
from workbook.train.loop import History, optimize
from workbook.train.resume import hash_of_columns, loss_name

AT_A_TIME = 8  # texts that a transformer reads together on a processor


def fit(
    encoder: torch.nn.Module,
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
    no_duplicates: bool = False,
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
            a `query_encoder` and a `document_encoder` of its own is trained tower by tower. Each side is read with its
            encoder's prompt, whose tokens take part in pooling or not as `include_prompt` says.
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
        no_duplicates: whether to keep pairs that have a text in common out of one batch, where the one's passage
            would be the other's negative.
        options: passed on to `optimize`: warmup, weight_decay, max_grad_norm, pool_batches, groups, shares,
            checkpoint, save_every, on_step, show.
    Returns:
        one record {"step", "loss", "lr", "grad_norm"} for each step, those before a resume included.
    Raises:
        ValueError: there are no pairs, they differ in length, a number is out of range, or the
            checkpoint belongs to a different configuration.
        FloatingPointError: the loss or the gradient is not finite; the weights are those before that step.

    Source: Loshchilov and Hutter 2019 (AdamW).
    """
    _check(pairs, dtype, labels)
    queries, *passages = zip(*pairs, strict=True)
    sides = [_side(encoder, "query", queries, dtype), *(_side(encoder, "document", x, dtype) for x in passages)]
    settings = {
        "temperature": temperature, "dtype": str(dtype), "loss": loss_name(loss),
        "pairs": hash_of_columns([side.ids for side in sides]),
        **({} if labels is None else {"labels": hash_of_columns([[labels.cpu()]])}),
        **({} if mini_batch_size is None else {"mini_batch_size": mini_batch_size}),
        **({"skipped": [side.skip for side in sides]} if any(side.skip for side in sides) else {}),
    }  # fmt: skip
    if temperature is not None:
        loss = functools.partial(loss, temperature=temperature)
    lengths = np.array([[len(ids) for ids in side.ids] for side in sides[1:]]).max(axis=0)  # (N,), passages only
    return optimize(
        encoder, BatchLoss(sides, loss, labels, mini_batch_size), lengths, steps, batch_size, lr, seed,
        texts=pairs if no_duplicates else None, settings=settings, **options,
    )  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One side of the pairs, such as all queries, and the encoder that reads it."""

    encoder: PaddedEncoder
    ids: list[Tensor]  # the token ids of N texts
    dtype: torch.dtype | None = None  # of autocast
    skip: int | None = None  # leading tokens that take no part in pooling; None where the encoder is not to be asked

    def embed(self, rows: np.ndarray) -> Tensor:
        """The texts with these numbers, (B,), as vectors in float32 or more: (B, D).

        Padding costs a processor as much as text, so there an encoder that needs it reads a few texts of similar
        length at a time; to the loss they are one batch all the same. An accelerator is faster with all at once,
        and so is a bag of vectors: each call gives it a gradient as large as its table.
        """
        device = next(self.encoder.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.dtype is not None):
            if device.type != "cpu" or isinstance(self.encoder.backbone, StaticBackbone):
                return at_least_float32(self._vectors(rows, device))
            by_length = np.argsort([len(self.ids[row]) for row in rows], kind="stable")
            groups = np.array_split(rows[by_length], math.ceil(len(rows) / AT_A_TIME))
            vectors = torch.cat([self._vectors(group, device) for group in groups])
            return at_least_float32(vectors[np.argsort(by_length)])  # in the order of the batch again

    def _vectors(self, rows: np.ndarray, device: torch.device) -> Tensor:
        ids, mask = rectangle([self.ids[row] for row in rows], self.encoder.pad_id, self.encoder.padding_side)
        ids, mask = ids.to(device), mask.to(device)
        if self.skip is None:
            return self.encoder(ids, mask)
        vectors: Tensor = cast(TextEncoder, self.encoder)(ids, mask, self.skip)
        return vectors


@dataclass(frozen=True)
class BatchLoss:
    """From the numbers of a batch of pairs to its loss."""

    sides: list[Side]  # queries, positives, and M columns of negatives
    loss: Callable[..., Tensor]
    labels: Tensor | None  # (N, …)
    mini_batch_size: int | None  # for GradCache

    def __call__(self, rows: np.ndarray) -> Tensor:
        """The loss of the pairs with these numbers, (B,): a scalar; under GradCache its gradient is there already."""
        here = share(rows)  # under torchrun a part of them
        of_embeddings = functools.partial(self.of_embeddings, rows)
        if self.mini_batch_size is None:
            return of_embeddings(*(side.embed(here) for side in self.sides))
        device = next(self.sides[0].encoder.parameters()).device
        embed = [side.embed for side in self.sides]
        return gradcache_step(embed, [(here,)] * len(embed), of_embeddings, self.mini_batch_size, device)

    def of_embeddings(self, rows: np.ndarray, *embedded: Tensor) -> Tensor:
        """The loss of the whole batch, from this process's part of its embeddings: (B_w, D) for each side."""
        query, positive, *negatives = (gather_with_gradient(x) for x in embedded)
        inputs = [query, positive, torch.stack(negatives, dim=1)] if negatives else [query, positive]  # (B, M, D)
        if self.labels is None:
            return self.loss(*inputs)
        return self.loss(*inputs, labels=self.labels[torch.from_numpy(rows)].to(query.device))


def _side(encoder: torch.nn.Module, which: str, texts: Sequence[str], dtype: torch.dtype | None) -> Side:
    """Tokenize the queries or a column of documents, with the prompt and the tower that are theirs."""
    tower = cast(PaddedEncoder, getattr(encoder, f"{which}_encoder", encoder))
    prompt = getattr(tower, f"{which}_prompt")
    ids: list[Tensor] = []
    for start in range(0, len(texts), 1024):
        input_ids, mask = tower.tokenize([prompt + text for text in texts[start : start + 1024]])
        mask = mask.bool().cpu()
        ids += torch.split(input_ids.cpu()[mask], mask.sum(dim=1).tolist())  # without padding
    return Side(tower, ids, dtype, _skipped(tower, prompt))


def _skipped(tower: PaddedEncoder, prompt: str) -> int | None:
    """How many leading tokens take no part in pooling; None where all do."""
    if not isinstance(tower, TextEncoder) or tower.include_prompt:
        return None
    return tower.prompt_length(prompt) if prompt else 0


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
