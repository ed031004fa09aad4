"""Resume: stop a training run at any moment, and go on as if nothing had happened.

What decides the next step is the weights, the optimizer's moments, the number of steps done (the
learning rate and the position in the data follow from it) and the state of the random generators.
All of it is saved; the test is that a resumed run ends in exactly the weights of an uninterrupted one.

A checkpoint is a folder of two files. `step-N.safetensors` holds the tensors; `training.json` holds
the settings, the history and the name of the tensor file. The JSON file is replaced last and in one
step, so a kill at any moment leaves a whole checkpoint: the old one or the new one.

Taught in 07.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbook.support.files import inside, write_atomically, write_json

NAME = "training.json"


def save_state(
    folder: str | Path,
    encoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    settings: dict[str, Any],
    history: list[dict[str, float]],
) -> None:
    """Write a checkpoint, and only then remove the one before it.

    Args:
        folder: made if it is not there.
        encoder, optimizer: their state is saved.
        device: whose random state is saved, beside the processor's.
        settings: JSON; a run with other settings is refused by `load_state`.
        history: one record for each step done.
    Raises:
        OSError: the disk is full or the folder cannot be written; the old checkpoint is untouched.
    """
    from safetensors.torch import save

    tensors = {f"model.{name}": value for name, value in encoder.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    tensors |= {f"random.{name}": value for name, value in random_state(device).items()}
    # A copy of each: safetensors refuses tensors that share memory, such as tied weights.
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    folder = Path(folder)
    file = f"step-{len(history)}.safetensors"
    write_atomically(folder / file, save(tensors))
    write_json(folder / NAME, {"file": file, "settings": settings, "model": _shapes(encoder), "history": history})
    for old in [*folder.glob("step-*.safetensors"), *folder.glob(".step-*.tmp"), *folder.glob(f".{NAME}.*.tmp")]:
        if old.name != file:
            old.unlink(missing_ok=True)


def load_state(
    folder: str | Path,
    encoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    settings: dict[str, Any],
) -> list[dict[str, float]]:
    """Read a checkpoint into an encoder, its optimizer and the random generators.

    Returns:
        the history so far; empty where the folder holds no checkpoint.
    Raises:
        ValueError: the checkpoint belongs to other settings or another model, or is damaged.
            Nothing is changed then.
    """
    from safetensors.torch import load_file

    folder = Path(folder)
    if not (folder / NAME).exists():
        return []
    try:
        facts = json.loads((folder / NAME).read_text("utf-8"))
        saved_settings, saved_shapes, history = facts["settings"], facts["model"], list(facts["history"])
        tensors = load_file(inside(folder, facts["file"]))
    except Exception as error:
        raise ValueError(
            f"the checkpoint in {folder} cannot be read ({error}); remove the folder to start the training anew"
        ) from error
    if names := differing(saved_settings, settings):
        changes = [f"{name} was {saved_settings.get(name)!r} and is now {settings.get(name)!r}" for name in names]
        raise ValueError(
            f"the checkpoint in {folder} belongs to another configuration: {'; '.join(changes)}. "
            "Go on with the old settings, or give this run a folder of its own"
        )
    if names := differing(saved_shapes, _shapes(encoder)):
        raise ValueError(
            f"the checkpoint in {folder} belongs to another model: {', '.join(names[:3])} differ; "
            "give this model a folder of its own"
        )
    encoder.load_state_dict(_under("model.", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer.", tensors).items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    set_random_state(device, _under("random.", tensors))
    return history


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of the random generators that a run on `device` draws from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(device: torch.device, state: dict[str, Tensor]) -> None:
    """Put back what `random_state` returned. A generator that was not saved is left alone."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def loss_name(loss: Callable[..., Any]) -> str:
    """What a checkpoint calls a loss: its function and the arguments that are fixed."""
    if isinstance(loss, functools.partial):
        args = tuple(loss_name(x) if callable(x) else x for x in loss.args)  # matryoshka_loss holds another loss
        return f"{loss_name(loss.func)}{args}{sorted(loss.keywords.items())}"
    return getattr(loss, "__qualname__", type(loss).__qualname__)


def hash_of_columns(columns: Sequence[Sequence[Tensor]]) -> str:
    """Tell one set of training data from another, for the settings of a checkpoint.

    Texts, prompts, tokenizer and truncation all change the token ids.

    Args:
        columns: lists of tensors, such as the token ids of N texts.
    """
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.array([len(ids) for ids in column]).tobytes())
        digest.update(torch.cat(list(column)).view(torch.uint8).numpy().tobytes())  # bfloat16 has no numpy dtype
    return digest.hexdigest()[:16]


def differing(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names that have another value, or none, on one side."""
    return sorted(name for name in saved.keys() | now.keys() if saved.get(name) != now.get(name))


def _shapes(encoder: nn.Module) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in encoder.state_dict().items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
