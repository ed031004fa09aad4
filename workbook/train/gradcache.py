"""GradCache: as many in-batch negatives as the loss can use, whatever fits into memory at once.

A contrastive loss compares every query of a batch with every passage, so a batch cannot be cut into
pieces and their gradients added: each piece would only know its own negatives. (Gradient
accumulation does just that. It makes the steps rarer, not the negatives more.)

Embeddings are small; what fills the memory is what the encoder keeps for its backward pass. So embed everything
without keeping anything, ask the loss for its gradient at the embeddings, then embed each piece once more and carry
that gradient on into the weights. The other way out is several processes (`workbook.train.distributed`); the two can
be combined, and `workbook.train.fit` does both.

Letters: B texts in a batch, D dimensions.

Taught in 05.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workbook.support.checks import check_positive
from workbook.train.resume import random_state, set_random_state

Encode = Callable[..., Tensor]
Columns = Sequence[Sequence[Any]]


def full_batch_step(encoder: Encode | Sequence[Encode], columns: Columns, loss: Callable[..., Tensor]) -> Tensor:
    """The gradient of a batch in one piece: what `gradcache_step` must equal, where memory is large enough.

    Args and Returns: as there.
    """
    value = loss(*(encode(*inputs) for encode, inputs in zip(_for_each(encoder, columns), columns, strict=True)))
    torch.autograd.backward(value)
    return value.detach()


def gradcache_step(
    encoder: Encode | Sequence[Encode],
    columns: Columns,
    loss: Callable[..., Tensor],
    mini_batch_size: int = 32,
    device: torch.device | None = None,
) -> Tensor:
    """The gradient of a batch of any size, with the activations of only mini_batch_size texts in memory.

        x_b = f(text_b; w)                              1. embed all, keep nothing
        g_b = ∂loss(x_1 … x_B) / ∂x_b                   2. the loss of the whole batch, down to the embeddings
        ∂loss/∂w = sum_b  g_b · ∂f(text_b; w) / ∂w      3. embed each piece again, and go on with its g

    That is the chain rule, not an approximation. The price is a second forward pass; a backward pass costs
    about two, so it is 4 instead of 3. The second pass repeats the dropout of the first: the random state
    before each piece is kept and put back. Afterwards the random generators stand as after one pass and the loss.

    Args:
        encoder: called as encoder(*inputs) on mini_batch_size rows at a time -> (mini_batch_size, D); or one
            such function for each column.
        columns: queries, positives, …: for each a tuple of inputs with B rows, such as `encoder.tokenize(texts)`.
        loss: called with one tensor (B, D) for each column.
        mini_batch_size: how many texts are encoded at a time.
        device: where the encoder draws random numbers; by default where the inputs are.
    Returns:
        the loss, a scalar without a gradient: the gradient has been added to `.grad` of the weights.
        `workbook.train.optimize` takes it as it is.
    Raises:
        ValueError: mini_batch_size is below 1, the batch is empty, columns and encoders do not match, or the
            loss leaves a column out.

    Memory: activations of mini_batch_size texts; for the whole batch B · D numbers per column, and what the
    loss keeps. InfoNCE keeps B² numbers a few times: 256 MiB each at B = 8,192 in float32.

    Relations: the gradient of the whole batch in one piece, as long as the encoder treats every text by
    itself (no BatchNorm); equal to sentence-transformers' `Cached…Loss` classes.
    Source: Gao et al. 2021 (GradCache).
    """
    encoders = _for_each(encoder, columns)
    B = _check_columns(encoders, columns, mini_batch_size)
    pieces = [slice(start, start + mini_batch_size) for start in range(0, B, mini_batch_size)]
    device = device or next((x.device for column in columns for x in column if isinstance(x, Tensor)), None)
    device = device or torch.device("cpu")

    embedded: list[Tensor] = []
    states: list[list[dict[str, Tensor]]] = []  # of the random generators, before each piece
    for encode, column in zip(encoders, columns, strict=True):
        vectors, before = [], []
        for piece in pieces:
            before.append(random_state(device))
            with torch.no_grad():
                vectors.append(encode(*(inputs[piece] for inputs in column)))
        embedded.append(torch.cat(vectors).requires_grad_())  # (B, D)
        states.append(before)

    value = loss(*embedded)
    torch.autograd.backward(value)
    after = random_state(device)

    for number, (encode, column, x, before) in enumerate(zip(encoders, columns, embedded, states, strict=True)):
        if x.grad is None:
            raise ValueError(f"the loss does not use column {number} of {len(columns)}; leave the column out")
        for piece, state in zip(pieces, before, strict=True):
            set_random_state(device, state)
            again = encode(*(inputs[piece] for inputs in column))
            if not again.requires_grad:  # a frozen tower: nothing to carry the gradient to
                break
            torch.autograd.backward(again, x.grad[piece])
    set_random_state(device, after)
    return value.detach()


def peak_saved_bytes(step: Callable[[], Any], model: torch.nn.Module) -> int:
    """The most memory that autograd holds for backward passes at any moment of a step: its activations.

    Args:
        step: what to watch; it is called once.
        model: its weights are not counted, they are there anyway.
    Returns:
        bytes. Each piece of memory counts once, however many operations have saved it.
    """
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    holders: Counter[int] = Counter()  # address -> how many saved tensors lie there
    bytes_now = bytes_most = 0

    class Saved:  # autograd lets it go when it lets the tensor go
        def __init__(self, x: Tensor):
            self.x = x.detach()

    def release(address: int, size: int) -> None:
        nonlocal bytes_now
        holders[address] -= 1
        bytes_now -= size if holders[address] == 0 else 0

    def pack(x: Tensor) -> Saved:
        nonlocal bytes_now, bytes_most
        address, size = x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()
        saved = Saved(x)
        if address not in weights:
            bytes_now += size if holders[address] == 0 else 0
            bytes_most = max(bytes_most, bytes_now)
            holders[address] += 1
            weakref.finalize(saved, release, address, size)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.x):
        step()
    return bytes_most


def _for_each(encoder: Encode | Sequence[Encode], columns: Columns) -> list[Encode]:
    return [encoder] * len(columns) if callable(encoder) else list(encoder)


def _check_columns(encoders: Sequence[Encode], columns: Columns, mini_batch_size: int) -> int:
    """The number of rows B, the same in all columns."""
    check_positive(mini_batch_size=mini_batch_size)
    rows = {len(inputs) for column in columns for inputs in column}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"columns must hold inputs with the same number of rows, at least 1, got {sorted(rows)} rows")
    if len(encoders) != len(columns):
        raise ValueError(f"give one encoder, or one for each of the {len(columns)} columns, got {len(encoders)}")
    return rows.pop()
