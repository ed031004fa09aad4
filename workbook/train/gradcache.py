"""Large batches: as many in-batch negatives as the loss can use, whatever fits into memory at once.

A contrastive loss compares every query of a batch with every passage, so a batch cannot be cut into
pieces and their gradients added: each piece would only know its own negatives. (Gradient
accumulation does just that. It makes the steps rarer, not the negatives more.) Two ways out:

    GradCache   one process, piece by piece. Embeddings are small; what fills the memory is what the
                encoder keeps for its backward pass. So embed everything without keeping anything, ask
                the loss for its gradient at the embeddings, then embed each piece once more and carry
                that gradient on into the weights.
    gathering   several processes, each with its share of the batch. They exchange embeddings, and on
                the way back the gradients of those embeddings.

The two can be combined, and `workbook.train.fit.fit` does both: `mini_batch_size` asks for GradCache, and
under `torchrun` every process takes its share of each batch.

Letters: B texts in a batch, D dimensions, W processes.

Taught in 05, and at scale in 20.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed

from workbook.train.resume import random_state, set_random_state

Encode = Callable[..., Tensor]
MOST_AXES = 8  # of a tensor that is gathered


def gradcache_step(
    encoder: Encode | Sequence[Encode],
    columns: Sequence[Sequence[Any]],
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
        `workbook.train.fit.optimize` takes it as it is.
    Raises:
        ValueError: mini_batch_size is below 1, the batch is empty, columns and encoders do not match, or the
            loss leaves a column out.

    Memory: activations of mini_batch_size texts; for the whole batch B · D numbers per column, and what the
    loss keeps. InfoNCE keeps B² numbers a few times: 256 MiB each at B = 8,192 in float32.

    Relations: the gradient of the whole batch in one piece, as long as the encoder treats every text by
    itself (no BatchNorm); equal to sentence-transformers' `Cached…Loss` classes.
    Source: Gao et al. 2021 (GradCache).
    """
    encoders = [encoder] * len(columns) if callable(encoder) else list(encoder)
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
    value.backward()
    after = random_state(device)

    for number, (encode, column, x, before) in enumerate(zip(encoders, columns, embedded, states, strict=True)):
        if x.grad is None:
            raise ValueError(f"the loss does not use column {number} of {len(columns)}; leave the column out")
        for piece, state in zip(pieces, before, strict=True):
            set_random_state(device, state)
            again = encode(*(inputs[piece] for inputs in column))
            if not again.requires_grad:  # a frozen tower: nothing to carry the gradient to
                break
            again.backward(x.grad[piece])
    set_random_state(device, after)
    return value.detach()


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
    gathered: Tensor = _Gather.apply(x, _rows_of_each(x))
    return gathered


class _Gather(torch.autograd.Function):
    """Forward: all rows. Backward: the gradients of all processes, summed, cut to the own rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: list[int]) -> Tensor:
        ctx.rows = rows
        sent = x.new_zeros(max(rows), *x.shape[1:])  # processes can only send equally much
        sent[: len(x)] = x
        received = [torch.empty_like(sent) for _ in rows]
        distributed.all_gather(received, sent)
        return torch.cat([part[:n] for part, n in zip(received, rows, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed.split(ctx.rows)[rank()], None


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each `.grad` by its mean over all processes; in one process nothing happens.

    A weight that has a gradient in some processes only counts as 0 in the others.
    """
    W, trained = world_size(), [p for p in parameters if p.requires_grad]
    if W == 1 or not trained:
        return
    reached = torch.tensor([p.grad is not None for p in trained], dtype=torch.long, device=trained[0].device)
    distributed.all_reduce(reached)
    for p, somewhere in zip(trained, reached.tolist(), strict=True):
        if somewhere:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            distributed.all_reduce(p.grad)
            p.grad /= W


def share(rows: Any) -> Any:
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
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return distributed.get_rank() if world_size() > 1 else 0


def wait_for_all() -> None:
    """Go on when every process is here: what one of them wrote before can be read now."""
    if world_size() > 1:
        distributed.barrier()


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


def _check_columns(encoders: Sequence[Encode], columns: Sequence[Sequence[Any]], mini_batch_size: int) -> int:
    """The number of rows B, the same in all columns."""
    if mini_batch_size < 1:
        raise ValueError(f"mini_batch_size must be at least 1, got {mini_batch_size}")
    rows = {len(inputs) for column in columns for inputs in column}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"columns must hold inputs with the same number of rows, at least 1, got {sorted(rows)} rows")
    if len(encoders) != len(columns):
        raise ValueError(f"give one encoder, or one for each of the {len(columns)} columns, got {len(encoders)}")
    return rows.pop()


def _rows_of_each(x: Tensor) -> list[int]:
    """How many rows each process brings."""
    if not 1 <= x.ndim <= MOST_AXES:
        raise ValueError(f"expected (B, …) with at most {MOST_AXES} axes, got {tuple(x.shape)}")
    facts = torch.zeros(MOST_AXES + 2, dtype=torch.long, device=x.device)
    facts[: x.ndim + 2] = torch.tensor([x.ndim, x.element_size(), *x.shape])
    of_each = [torch.empty_like(facts) for _ in range(world_size())]
    distributed.all_gather(of_each, facts)
    kinds = {(*each[:2].tolist(), *each[3:].tolist()) for each in of_each}
    if len(kinds) > 1:
        shapes = [tuple(each[2 : 2 + int(each[0])].tolist()) for each in of_each]
        raise ValueError(
            f"all processes must gather rows of one shape and dtype, got {shapes} by rank; "
            "is the same encoder loaded in every process?"
        )
    return [int(each[2]) for each in of_each]
