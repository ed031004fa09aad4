"""The training loop: batches of similar length, a loss, a step; again.

Letters: B pairs in a batch, T token positions, D dimensions.

Taught in 07, used from 00 on.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbook.encoder import TextEncoder
from workbook.files import write_atomically
from workbook.frontend import budgeted, track
from workbook.losses import info_nce

History = list[dict[str, float]]


def fit(
    encoder: TextEncoder,
    pairs: Sequence[Sequence[str]],
    loss: Callable[..., Tensor] = info_nce,
    steps: int = 100,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
    temperature: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    autocast: torch.dtype | None = None,
    checkpoint: str | Path | None = None,
    save_every: int = 100,
    on_step: Callable[[int, float], None] | None = None,
) -> History:
    """Train an encoder on pairs with in-batch negatives.

    AdamW, with a learning rate that rises over the first steps and then falls to zero in a straight
    line. Batches hold pairs of similar length, so little is spent on padding; the in-batch negatives
    are then of similar length too, which keeps length from giving the answer away.

    Args:
        encoder: what to train, in place. It ends in evaluation mode.
        pairs: (query, positive) texts, or (query, positive, negative, …) with M negatives each.
        loss: (query (B, D), positive (B, D)[, negatives (B, M, D)]) -> scalar.
        steps: how many batches; a quick run takes a fraction of them (`workbook.frontend.budgeted`).
        batch_size: B. When there are fewer pairs, a batch holds them all.
        lr: the highest learning rate.
        seed: of the order of the pairs and of dropout.
        temperature: passed on to the loss where it is given.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: AdamW's.
        max_grad_norm: longer gradients are scaled down to this length.
        autocast: compute in this type, such as torch.bfloat16, where the processor is fast at it.
        checkpoint: a file. Training is saved to it and goes on from it: stopped and resumed is the same
            as never stopped, bit by bit.
        save_every: steps between two checkpoints.
        on_step: called with (step, loss) after each step.
    Returns:
        one {"step", "loss"} for each step, counted from 1.
    Raises:
        ValueError: no pairs, an argument out of range, or a checkpoint of another training.
        FloatingPointError: the loss became NaN or infinite.

    Taught in 07.
    """
    if not pairs:
        raise ValueError("pairs is empty; give (query, positive) texts, such as Collection.pairs('train')")
    if steps < 1 or batch_size < 1 or lr <= 0:
        raise ValueError(f"steps, batch_size and lr must be positive, got {steps}, {batch_size} and {lr}")
    steps = budgeted(steps)
    options = {} if temperature is None else {"temperature": temperature}
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps, warmup))
    columns = [encoder.token_ids(texts) for texts in _columns(encoder, pairs)]
    conditions = {"steps": steps, "batch_size": batch_size, "lr": lr, "seed": seed, "pairs": len(pairs)}
    torch.manual_seed(seed)
    history = _resume(checkpoint, encoder, optimizer, schedule, conditions)

    encoder.train()
    batches = bucketed_batches([max(map(len, row)) for row in zip(*columns, strict=True)], batch_size, steps, seed)
    for step, rows in enumerate(track(batches, total=steps, label="training"), start=1):
        if step <= len(history):
            continue  # done before the interruption; the order of the batches is the same again
        with torch.autocast(encoder.device.type, dtype=autocast, enabled=autocast is not None):
            embeddings = [_embed(encoder, [ids[row] for row in rows]) for ids in columns]
            negatives = [torch.stack(embeddings[2:], dim=1)] if len(embeddings) > 2 else []
            value = loss(embeddings[0], embeddings[1], *negatives, **options)
        if not value.isfinite():
            raise FloatingPointError(
                f"the loss became {value.item()} at step {step}; lower lr ({lr}) or raise temperature"
            )
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), max_grad_norm)
        optimizer.step()
        schedule.step()
        history.append({"step": step, "loss": value.item()})
        if checkpoint is not None and (step % save_every == 0 or step == steps):
            _save(checkpoint, encoder, optimizer, schedule, conditions, history)
        if on_step is not None:
            on_step(step, value.item())
    encoder.eval()
    return history


def learning_rate(step: int, steps: int, warmup: float) -> float:
    """The share of the highest learning rate at a step: up over the warm-up, then down to zero. Taught in 07."""
    rising = max(1, round(steps * warmup))
    return min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))


def bucketed_batches(lengths: Sequence[int], batch_size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of each batch: random pairs, but those of one batch are of similar length.

    Each epoch shuffles the rows, cuts them into pools of 50 batches, sorts each pool by length, and
    deals the pool's batches in random order. Every row comes once an epoch; an incomplete batch at
    the end of an epoch is left out.

    Args:
        lengths: tokens of each row.
        batch_size: rows in a batch.
        steps: how many batches.
        seed: of the shuffling.

    Taught in 07.
    """
    batch_size = min(batch_size, len(lengths))
    length = np.asarray(lengths)
    generator = np.random.default_rng(seed)
    dealt = 0
    while True:
        order = generator.permutation(len(length))
        order = order[: len(order) - len(order) % batch_size]
        batches = []
        for start in range(0, len(order), 50 * batch_size):
            pool = order[start : start + 50 * batch_size]
            pool = pool[np.argsort(length[pool], kind="stable")]
            batches += list(pool.reshape(-1, batch_size))
        for i in generator.permutation(len(batches)):
            yield batches[i].tolist()
            dealt += 1
            if dealt == steps:
                return


def _columns(encoder: TextEncoder, pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Queries, positives and perhaps negatives, each with its prompt."""
    width = len(pairs[0])
    if width < 2 or any(len(row) != width for row in pairs):
        raise ValueError("every row of pairs must hold a query, a positive and equally many negatives")
    prompts = [encoder.query_prompt] + [encoder.document_prompt] * (width - 1)
    return [[prompt + row[i] for row in pairs] for i, prompt in enumerate(prompts)]


def _embed(encoder: TextEncoder, ids: list[list[int]]) -> Tensor:
    input_ids, mask = encoder.pad(ids)
    return encoder(input_ids.to(encoder.device), mask.to(encoder.device))


# --- checkpoints: tensors as safetensors, the rest as JSON in the same file ------------------------


def _save(path: str | Path, encoder: Any, optimizer: Any, schedule: Any, conditions: dict, history: History) -> None:
    tensors = {f"model.{name}": value.contiguous() for name, value in encoder.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors["random"] = torch.get_rng_state()
    if encoder.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(encoder.device)
    about = {"conditions": conditions, "history": history, "schedule": schedule.last_epoch}
    temporary = Path(f"{path}.writing")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, temporary, metadata={"training": json.dumps(about)})
        write_atomically(path, temporary.read_bytes())
    finally:
        temporary.unlink(missing_ok=True)


def _resume(path: str | Path | None, encoder: Any, optimizer: Any, schedule: Any, conditions: dict) -> History:
    """Put a saved training back; an empty history where there is none."""
    if path is None or not Path(path).exists():
        return []
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["training"])
    if about["conditions"] != conditions:
        differ = {name: (about["conditions"].get(name), value) for name, value in conditions.items()}
        differ = {name: pair for name, pair in differ.items() if pair[0] != pair[1]}
        raise ValueError(
            f"the checkpoint {Path(path).name} belongs to another training, (saved, now): {differ}; delete it or name another"
        )
    tensors = load_file(path)
    encoder.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".")
            state.setdefault(int(i), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    schedule.last_epoch = about["schedule"]
    for group, base in zip(optimizer.param_groups, schedule.base_lrs, strict=True):
        group["lr"] = base * schedule.lr_lambdas[0](about["schedule"])
    torch.set_rng_state(tensors["random"])
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], encoder.device)
    return list(about["history"])
