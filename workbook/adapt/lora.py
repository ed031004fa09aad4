"""LoRA: leave the model's matrices alone, and learn a small correction beside each.

Fine-tuning changes a matrix W of D × D numbers by some update. LoRA supposes that the update needs few
directions, writes it as a product of two thin matrices, and trains these alone:

    y = W x + b + (alpha / r) B A x        A (r, D_in), B (D_out, r)

B starts at zero, so the first output is that of the model as it was. Afterwards (alpha / r) B A can be added
to W once and for all: the merged model has the old shape and speed.

Letters: r rank of the update, D_in and D_out sizes of a linear layer, x (..., D_in).

Taught in 18.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.support.files import read_saved, write_atomically, write_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # peft's names
PREFIX = "base_model.model."  # what peft puts before the name of a layer


class LoRALinear(nn.Module):
    """A linear layer that is frozen, and a low-rank update that is not.

        y = W x + b + (alpha / r) lora_B lora_A dropout(x)

    Args:
        base: the layer W, b; it is kept, not copied, and no longer trained.
        r: rank of the update, at least 1.
        alpha: the update counts alpha / r times, so that the learning rate need not follow r.
        dropout: share of x that the update does not see in training.
        generator: draws lora_A, uniformly in ±1 / √D_in; lora_B is zero.
    Raises:
        ValueError: a number is out of range.

    Source: Hu et al. 2022. Equal to peft's `lora.Linear`.
    """

    def __init__(
        self,
        base: nn.Linear,
        r: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        _check_numbers(r, alpha, dropout)
        self.base = base.requires_grad_(False)
        self.r, self.alpha, self.dropout = r, alpha, dropout
        self.in_features, self.out_features = base.in_features, base.out_features
        bound = 1 / math.sqrt(base.in_features)
        drawn = torch.empty(r, base.in_features).uniform_(-bound, bound, generator=generator)  # the same on any device
        self.lora_A = nn.Parameter(drawn.to(base.weight))  # (r, D_in)
        self.lora_B = nn.Parameter(base.weight.new_zeros(base.out_features, r))  # (D_out, r)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D_in) -> (..., D_out)."""
        y: Tensor = self.base(x)
        seen = F.dropout(x, self.dropout, self.training)
        update = F.linear(F.linear(seen, self.lora_A), self.lora_B)  # (..., D_out), through r numbers
        return y + update * (self.alpha / self.r)

    @property
    def weight(self) -> Tensor:
        """What `merge` writes: W + (alpha / r) B A, (D_out, D_in)."""
        return self.base.weight + self.lora_B @ self.lora_A * (self.alpha / self.r)

    def extra_repr(self) -> str:
        """What `print(model)` shows of it."""
        return f"r={self.r}, alpha={self.alpha}, dropout={self.dropout}"


def add_lora(
    model: nn.Module,
    r: int = 8,
    alpha: float = 16.0,
    target_modules: Sequence[str] = ("query", "value"),
    dropout: float = 0.0,
    seed: int = 0,
) -> nn.Module:
    """Freeze a model, and put a `LoRALinear` around each linear layer that is named.

    Args:
        model: changed in place; a `workbook.encoder.TextEncoder` or any other module.
        r, alpha, dropout: as in `LoRALinear`.
        target_modules: the last parts of the layers' names: "query" means every layer called query,
            "attention.output" only an output below attention.
        seed: of the matrices A; the global random state is left as it was.
    Returns:
        the model. `workbook.train.fit` now trains the updates alone.
    Raises:
        ValueError: a number is out of range, a name fits no linear layer, or the model has LoRA already.

    Source: Hu et al. 2022, who adapt query and value. Equal to peft's `get_peft_model`.
    """
    _check_numbers(r, alpha, dropout)
    if _lora_layers(model):
        raise ValueError("the model has LoRA already; merge it first, or load_adapter into it")
    layers = _find(model, target_modules)
    generator = torch.Generator().manual_seed(seed)
    _wrap(model, layers, lambda name, layer: LoRALinear(layer, r, alpha, dropout, generator))
    return model


def extract_lora(
    model: nn.Module, before: nn.Module, r: int = 8, target_modules: Sequence[str] = ("query", "value")
) -> nn.Module:
    """Put what a full training has changed into LoRA: of each layer's change, the nearest matrix of rank r.

        W - W_before = U Σ Vᵀ,   lora_B = U_r √Σ_r,   lora_A = √Σ_r V_rᵀ,   alpha = r

    Args:
        model: trained in full; changed in place: its layers begin from `before` again, with an update beside each.
        before: the same model as it was.
        r: rank of the updates; at a layer's full rank nothing is lost.
        target_modules: as in `add_lora`; other weights stay as the training left them.
    Returns:
        the model, frozen but for the updates.
    Raises:
        ValueError: a number is out of range, a name fits no linear layer, the model has LoRA already, or `before` is
            built in another way. The model is then as it was.

    Source: Eckart and Young 1936: no other matrix of rank r is nearer, by the sum of squares.
    """
    tuned, old = (
        {name: layer.weight.detach().clone() for name, layer in _find(m, target_modules).items()}
        for m in (model, before)
    )
    if {name: w.shape for name, w in tuned.items()} != {name: w.shape for name, w in old.items()}:
        raise ValueError("the two models are built in different ways; give the model as it was before its training")
    add_lora(model, r, float(r), target_modules)
    with torch.no_grad():
        for name, layer in _adapted(model).items():
            U, S, V = torch.linalg.svd((tuned[name] - old[name]).double(), full_matrices=False)
            root = S[:r].sqrt()
            layer.base.weight.copy_(old[name])
            layer.lora_A.zero_()[: len(root)] = (root[:, None] * V[:r]).to(layer.lora_A)
            layer.lora_B.zero_()[:, : len(root)] = (U[:, :r] * root).to(layer.lora_B)
    return model


def merge(model: nn.Module) -> nn.Module:
    """Add each update to its matrix, and put the plain linear layers back.

        W ← W + (alpha / r) B A

    Args:
        model: with LoRA; changed in place. All its weights can be trained again.
    Returns:
        the model, which computes what it computed before, and saves like any other.
    Raises:
        ValueError: the model has no LoRA.

    Equal to peft's `merge_and_unload`.
    """
    for name, layer in _adapted(model).items():
        with torch.no_grad():
            layer.base.weight.copy_(layer.weight)
            layer.lora_B.zero_()  # it is in W now: a layer that stands in two places is met twice
        _put(model, name, layer.base)
    return model.requires_grad_(True)


def trained_parameters(model: nn.Module) -> tuple[int, int]:
    """How many numbers are trained, and how many there are.

    LoRA trains r · (D_in + D_out) for a layer of D_in · D_out.

    Equal to peft's `get_nb_trainable_parameters`.
    """
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


def lora_state(model: nn.Module) -> dict[str, Tensor]:
    """What LoRA has learned: layer.lora_A (r, D_in) and layer.lora_B (D_out, r) of every adapted layer.

    Raises:
        ValueError: the model has no LoRA.
    """
    layers = _adapted(model).items()
    return {f"{name}.{part}": getattr(layer, part).detach() for name, layer in layers for part in ("lora_A", "lora_B")}


def save_adapter(model: nn.Module, folder: str | Path) -> None:
    """Write what LoRA has learned, a small fraction of the model, in peft's layout.

    Give the Hugging Face model itself, `encoder.backbone.model`, where peft is to read the folder.

    Args:
        model: with LoRA.
        folder: made if it is not there; an adapter in it is replaced.
    Raises:
        ValueError: the model has no LoRA, or its layers have several settings.
        OSError: the disk is full or the folder cannot be written.
    """
    layers = _adapted(model)
    settings = {(layer.r, layer.alpha, layer.dropout) for layer in layers.values()}
    if len(settings) > 1:
        raise ValueError(
            f"an adapter has one r, alpha and dropout, this model has {sorted(settings)}; merge it instead"
        )
    ((r, alpha, dropout),) = settings
    tensors = {f"{PREFIX}{name}.weight": value.cpu().contiguous().clone() for name, value in lora_state(model).items()}
    config = {
        "peft_type": "LORA", "task_type": None, "base_model_name_or_path": None, "inference_mode": True, "bias": "none",
        "r": r, "lora_alpha": alpha, "lora_dropout": dropout, "target_modules": list(layers),
    }  # fmt: skip
    # The settings stand beside the tensors too: a kill between the two files is noticed when they are read.
    written = save(tensors, metadata={"r": str(r), "alpha": str(alpha), "format": "pt"})
    write_atomically(Path(folder) / WEIGHTS, written)
    write_json(Path(folder) / CONFIG, config)


def load_adapter(model: nn.Module, folder: str | Path) -> nn.Module:
    """Read an adapter into a model: one without LoRA gets it, one with the same LoRA gets other numbers.

    The names of the saved matrices say which layers have an update, however target_modules, exclude_modules or
    layers_to_transform once chose them. rank_pattern, alpha_pattern and use_rslora are taken over as r and alpha.

    Args:
        model: of the shapes of the one that was saved; changed in place.
        folder: what `save_adapter` or peft wrote.
    Returns:
        the model, which computes what peft computes with that adapter.
    Raises:
        FileNotFoundError: the folder holds no adapter.
        ValueError: a file is damaged, the adapter belongs to another model, or it is not plain LoRA: then the
            message names the field of peft's LoraConfig. Nothing is changed then.
    """
    config, tensors = _read(Path(folder))
    saved = {name: tuple(value.shape) for name, value in tensors.items()}
    layers = {name: layer for name, layer in _linear_layers(model).items() if f"{name}.lora_A" in saved}
    numbers = {name: _numbers(config, name) for name in layers}
    expected = {f"{name}.lora_A": (numbers[name][0], layer.in_features) for name, layer in layers.items()}
    expected |= {f"{name}.lora_B": (layer.out_features, numbers[name][0]) for name, layer in layers.items()}
    if saved != expected:
        name, *_ = sorted(name for name, _ in saved.items() ^ expected.items())
        raise ValueError(
            f"the adapter in {folder} belongs to another model: {name} is {saved.get(name, 'missing')} there, and "
            f"here {expected.get(name, 'missing')}; load it into the model it was trained on"
        )
    present = _lora_layers(model)
    if not present:
        generator = torch.Generator()  # for numbers that are replaced below
        _wrap(model, layers, lambda name, layer: LoRALinear(layer, *numbers[name], config["lora_dropout"], generator))
    elif {name: (layer.r, layer.alpha) for name, layer in present.items()} != numbers:
        raise ValueError("the model has another LoRA than the adapter; merge it first, or load into a model without")
    with torch.no_grad():
        for name, value in lora_state(model).items():
            value.copy_(tensors[name])
    return model


# Every field of peft's LoraConfig is read, without effect on what is computed from saved matrices, or refused.
READ = {
    "r", "lora_alpha", "lora_dropout", "rank_pattern", "alpha_pattern", "use_rslora",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
}  # fmt: skip
NEEDED = {"peft_type", "r", "lora_alpha", "lora_dropout", "target_modules"}
WITHOUT_EFFECT = {
    "peft_version", "base_model_name_or_path", "revision", "task_type", "auto_mapping", "inference_mode",
    "megatron_core", "qalora_group_size", "eva_config", "runtime_config",
    "fan_in_fan_out",  # peft takes it back for nn.Linear, the only layer here
}  # fmt: skip
PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva", "mica"),  # others change W itself
}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with read_saved(folder, CONFIG, "adapter", "save_adapter or peft") as config:
        data = (folder / WEIGHTS).read_bytes()
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
    _refuse_what_is_not_plain(config, folder)
    if missing := NEEDED - config.keys():
        raise ValueError(f"the adapter in {folder} is damaged ({CONFIG} lacks {sorted(missing)}); save it again")
    r, alpha, targets = config["r"], config["lora_alpha"], config["target_modules"]
    if not tensors or (header.get("r", str(r)), header.get("alpha", str(alpha))) != (str(r), str(alpha)):
        raise ValueError(f"the adapter in {folder} is damaged ({CONFIG} belongs to another {WEIGHTS}); save it again")
    tensors = {name.removeprefix(PREFIX).removesuffix(".weight"): value for name, value in tensors.items()}
    for name in sorted(tensors):
        if not _fits(name.rpartition(".")[0], targets):
            raise ValueError(f"the adapter in {folder} holds {name}, which its target_modules {targets!r} leave out")
    return config, tensors


def _refuse_what_is_not_plain(config: dict[str, Any], folder: Path) -> None:
    rest = {field: value for field, value in config.items() if field not in READ | WITHOUT_EFFECT | PLAIN.keys()}
    others = {field: config[field] for field, plain in PLAIN.items() if config.get(field, plain[0]) not in plain}
    others |= {field: value for field, value in rest.items() if value}
    if others:
        said = ", ".join(f"{field}={value!r}" for field, value in others.items())
        raise ValueError(f"the adapter in {folder} is not plain LoRA: {said}; load it with peft, and merge it there")


def _numbers(config: dict[str, Any], name: str) -> tuple[int, float]:
    """r and alpha of a layer."""

    def of_layer(patterns: dict[str, Any] | None, default: Any) -> Any:
        return next((n for key, n in (patterns or {}).items() if re.match(rf"(.*\.)?({key})$", name)), default)

    r = of_layer(config.get("rank_pattern"), config["r"])
    alpha = of_layer(config.get("alpha_pattern"), config["lora_alpha"])
    _check_numbers(r, alpha, config["lora_dropout"])
    # rsLoRA counts the update alpha / √r times, which is LoRA with a larger alpha.
    return r, alpha * math.sqrt(r) if config.get("use_rslora") else alpha


def _linear_layers(model: nn.Module) -> dict[str, nn.Linear | LoRALinear]:
    """name -> layer; one that stands in two places has two names. The insides of a LoRALinear are not looked at."""
    modules = model.named_modules(remove_duplicate=False)
    return {n: m for n, m in modules if isinstance(m, nn.Linear | LoRALinear) and n and not n.endswith(".base")}


def _find(model: nn.Module, target_modules: Sequence[str]) -> dict[str, Any]:
    """The linear layers whose names end in one of the targets: name -> layer."""
    if isinstance(target_modules, str) or not target_modules:
        raise ValueError(f"target_modules must be names such as ('query', 'value'), got {target_modules!r}")
    layers = _linear_layers(model)
    for target in target_modules:
        if not any(_fits(name, [target]) for name in layers):
            last = sorted({name.rsplit(".", 1)[-1] for name in layers})
            raise ValueError(f"no linear layer is called {target!r}; this model has {', '.join(last) or 'none'}")
    return {name: layer for name, layer in layers.items() if _fits(name, target_modules)}


def _fits(name: str, targets: str | Sequence[str]) -> bool:
    """Whether a layer is meant: by the end of its name, or, as in peft, by a regular expression for all of it."""
    if isinstance(targets, str):
        return targets.lower() == "all-linear" or re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _wrap(model: nn.Module, layers: Mapping[str, Any], update: Callable[[str, nn.Linear], LoRALinear]) -> None:
    """Freeze a model and put an update around some of its layers."""
    model.requires_grad_(False)
    wrapped: dict[int, LoRALinear] = {}
    for name, layer in layers.items():
        if id(layer) not in wrapped:  # a layer that stands in two places is one layer, and gets one update
            wrapped[id(layer)] = update(name, layer).train(layer.training)
        _put(model, name, wrapped[id(layer)])


def _lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    return {n: m for n, m in model.named_modules(remove_duplicate=False) if isinstance(m, LoRALinear)}


def _adapted(model: nn.Module) -> dict[str, LoRALinear]:
    layers = _lora_layers(model)
    if not layers:
        raise ValueError("the model has no LoRA; call add_lora first")
    return layers


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)


def _check_numbers(r: int, alpha: float, dropout: float) -> None:
    if r < 1 or int(r) != r or not alpha > 0 or not math.isfinite(alpha) or not 0 <= dropout < 1:
        raise ValueError(
            f"r must be a whole number of at least 1, alpha above 0 and dropout in [0, 1), got r={r}, alpha={alpha}, "
            f"dropout={dropout}"
        )
