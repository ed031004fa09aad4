"""Models on disk: saved whole or not at all, and readable by sentence-transformers.

A saved folder holds what sentence-transformers expects (weights as safetensors, tokenizer, pooling, layers, prompts)
and `workbook.json`, which says how to build our own classes. What sentence-transformers has no part for (a causal
`TransformerEncoder`, `AttentionPool`) is saved for `TextEncoder.load` alone.

Parts are written and read here; `TextEncoder.save` and `TextEncoder.load` put them together.

Taught in 07.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from workbook.encoder.hugging_face import POOLING_FLAGS, HuggingFaceBackbone, load_backbone, read_layer
from workbook.encoder.layers import Dense, Normalize
from workbook.encoder.static import StaticEncoder
from workbook.encoder.transformer import TransformerEncoder, bert_config, bert_name
from workbook.pooling import AttentionPool, Pooling, names_of_pooling, pooling_from_names
from workbook.support.files import inside, read_saved, replace_folder, write_atomically, write_json, write_safetensors

SETTINGS_FILE = "workbook.json"  # also marks a folder that was written here and may be replaced
KINDS = {"transformer": TransformerEncoder, "static": StaticEncoder, "huggingface": HuggingFaceBackbone}
THEIR_NAME = {"transformer": bert_name, "static": {"word.weight": "embedding.weight"}.__getitem__}  # of a weight
Module = dict[str, Any]  # a line of sentence-transformers' modules.json


def write_encoder(
    folder: Path,
    tokenizer: Tokenizer,
    pad_id: int,
    backbone: nn.Module,
    pooling: Pooling,
    layers: nn.Sequential,
    settings: dict[str, Any],
) -> None:
    """Write the parts of a text encoder into an empty folder.

    Args:
        folder: where.
        tokenizer, pad_id, backbone, pooling, layers: of the encoder.
        settings: its other arguments, by name.
    Raises:
        ValueError: a part is of a kind that no file can name, or a LoRA update is not merged.
    """
    if any(name.endswith("lora_A") for name, _ in backbone.named_parameters()):
        raise ValueError("the encoder holds a LoRA update of its own; merge it first, or keep it with save_adapter")
    kind, names = _kind_of(backbone), _names_of(pooling)
    modules = _modules(kind, layers, settings["normalize"])
    _write_backbone(folder, kind, backbone)
    if isinstance(pooling, AttentionPool):
        write_safetensors(folder / "pooling.safetensors", {"query": pooling.query})
    after = [module for module in modules if module["path"].endswith(("_Dense", "_Normalize"))]
    for layer, module in zip(layers, after, strict=False):  # the last Normalize is a setting, not a layer
        _write_layer(folder / module["path"], layer)
    write_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    ours = {
        "backbone": {"kind": kind, "config": getattr(backbone, "config", None)},
        "pooling": names[0] if len(names) == 1 else names,
        "layers": [module["path"] for module in after[: len(layers)]],
        "text_encoder": settings,
    }
    write_json(folder / SETTINGS_FILE, ours)
    if kind == "static":
        has_part = names == ["mean"] and settings["include_prompt"]
    else:
        has_part = names != ["attention"] and not getattr(backbone, "causal", False)
    if has_part:
        _write_sentence_transformers(folder, modules, settings)
        if kind != "static":
            _write_pooling(folder / "1_Pooling", int(backbone.hidden_size), names, settings["include_prompt"])  # type: ignore[arg-type]
            config = tokenizer_config(tokenizer, pad_id, settings["max_length"], settings["truncation_side"])
            write_json(folder / "tokenizer_config.json", config)


def read_encoder(folder: str | Path) -> dict[str, Any]:
    """Read what `write_encoder` wrote, as the arguments of a `TextEncoder`.

    Raises:
        FileNotFoundError: there is no saved encoder.
        ValueError: a file is damaged.
    """
    folder = Path(folder)
    with read_saved(folder, SETTINGS_FILE, "encoder", "save") as saved:
        backbone = _read_backbone(folder, saved["backbone"])
        layers = [read_layer(inside(folder, path), path.partition("_")[2]) for path in saved.get("layers", [])]
        return {
            "tokenizer": Tokenizer.from_file(str(folder / "tokenizer.json")),
            "backbone": backbone,
            "pooling": _read_pooling(folder, saved["pooling"], backbone),
            "layers": layers,
            **saved["text_encoder"],
        }


def save_model(
    folder: str | Path,
    weights: Mapping[str, Tensor],
    config: dict[str, Any],
    tokenizer: Tokenizer,
    pad_id: int,
    ours: dict[str, Any],
) -> None:
    """Write a model with a head, such as a cross-encoder, in Hugging Face's layout and with `workbook.json`.

    Args:
        folder: new, empty, or holding a model that this wrote, which is replaced in one step.
        weights: by Hugging Face's names.
        config: what goes into config.json.
        tokenizer, pad_id: saved as a fast tokenizer.
        ours: what goes into workbook.json.
    Raises:
        FileExistsError: the folder holds something else.
    """
    with replace_folder(folder, SETTINGS_FILE) as new:
        write_safetensors(new / "model.safetensors", weights, metadata={"format": "pt"})
        write_json(new / "config.json", config)
        write_atomically(new / "tokenizer.json", tokenizer.to_str(pretty=True))
        theirs = tokenizer_config(tokenizer, pad_id, (tokenizer.truncation or {}).get("max_length"))
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
        write_json(new / "tokenizer_config.json", {**theirs, "model_input_names": inputs})
        write_json(new / SETTINGS_FILE, ours)


def load_model(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor], Tokenizer]:
    """Read what `save_model` wrote: our settings, the weights, the tokenizer.

    Raises:
        FileNotFoundError: the folder holds no model of this kind.
        ValueError: a file in it is damaged.
    """
    folder = Path(folder)
    with read_saved(folder, SETTINGS_FILE, kind, "save") as saved:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = load_file(folder / "model.safetensors")
    if kind not in saved:
        raise FileNotFoundError(f"{folder} holds another kind of model than {kind}: {', '.join(saved)}")
    return saved[kind], weights, tokenizer


def tokenizer_config(
    tokenizer: Tokenizer, pad_id: int, max_length: int | None, truncation_side: str = "right"
) -> dict[str, Any]:
    """What tokenizer_config.json says beside tokenizer.json, so that transformers loads a fast tokenizer.

    Padding goes to the right, whatever side the encoder pads on: our vectors do not depend on the side, and
    there a model that counts positions from the left edge gives the same ones.
    """
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    special = {name: token for name, token in names.items() if tokenizer.token_to_id(token) is not None}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "padding_side": "right",
        "truncation_side": truncation_side,
        "pad_token": tokenizer.id_to_token(pad_id),
        **special,
    }


def _write_backbone(folder: Path, kind: str, backbone: Any) -> None:
    if kind == "huggingface":
        backbone.model.save_pretrained(folder)
        return
    weights = {THEIR_NAME[kind](name): p for name, p in backbone.named_parameters()}
    write_safetensors(folder / "model.safetensors", weights, metadata={"format": "pt"})
    if kind == "transformer":
        write_json(folder / "config.json", bert_config(backbone.config))


def _read_backbone(folder: Path, saved: dict[str, Any]) -> nn.Module:
    if saved["kind"] == "huggingface":
        return load_backbone(folder)
    weights = load_file(folder / "model.safetensors")
    backbone: nn.Module = KINDS[saved["kind"]](**saved["config"])
    theirs = THEIR_NAME[saved["kind"]]
    backbone.load_state_dict({name: weights[theirs(name)] for name, _ in backbone.named_parameters()})
    return backbone


def _kind_of(backbone: nn.Module) -> str:
    for kind, cls in KINDS.items():
        if isinstance(backbone, cls):
            return kind
    raise ValueError(
        f"cannot save a backbone of type {type(backbone).__name__}; use {', '.join(c.__name__ for c in KINDS.values())}"
    )


def _names_of(pooling: Pooling) -> list[str]:
    names = ["attention"] if isinstance(pooling, AttentionPool) else names_of_pooling(pooling)
    if not names:
        raise ValueError(
            f"cannot save the pooling {getattr(pooling, '__name__', pooling)!r}: a file can only name the functions of "
            "workbook.pooling, ConcatenatedPool of them, and AttentionPool; give one of those"
        )
    return names


def _read_pooling(folder: Path, names: str | list[str], backbone: nn.Module) -> Pooling:
    if names != "attention":
        return pooling_from_names(names)
    pooling = AttentionPool(int(backbone.hidden_size))  # type: ignore[arg-type]
    pooling.load_state_dict(load_file(folder / "pooling.safetensors"))
    return pooling


def _modules(kind: str, layers: nn.Sequential, normalize: bool) -> list[Module]:
    """The lines of modules.json: the backbone in the folder itself, every other module in one below it."""
    parts = ["StaticEmbedding"] if kind == "static" else ["Transformer", "Pooling"]
    for layer in layers:
        if not isinstance(layer, Dense | Normalize):
            raise ValueError(f"cannot save a layer of type {type(layer).__name__}; use Dense and Normalize")
        parts.append(type(layer).__name__)
    parts += ["Normalize"] if normalize else []
    return [
        {"idx": i, "name": str(i), "path": f"{i}_{part}" if i else "", "type": f"sentence_transformers.models.{part}"}
        for i, part in enumerate(parts)
    ]


def _write_layer(folder: Path, layer: nn.Module) -> None:
    folder.mkdir()
    if isinstance(layer, Dense):
        activation, linear = type(layer.activation), layer.linear
        config = {
            "in_features": linear.in_features,
            "out_features": linear.out_features,
            "bias": linear.bias is not None,
            "activation_function": f"{activation.__module__}.{activation.__name__}",
        }
        write_json(folder / "config.json", config)
        write_safetensors(folder / "model.safetensors", dict(layer.named_parameters()))


def _write_pooling(folder: Path, hidden_size: int, names: list[str], include_prompt: bool) -> None:
    config: dict[str, Any] = {"word_embedding_dimension": hidden_size, "include_prompt": include_prompt}
    config |= {flag: name in names for name, flag in POOLING_FLAGS.items()}
    if names != [name for name in POOLING_FLAGS if name in names]:
        config["pooling_mode"] = names  # flags have one order only; this is read by version 5.5 and later
    write_json(folder / "config.json", config)


def _write_sentence_transformers(folder: Path, modules: list[Module], settings: dict[str, Any]) -> None:
    """The files that sentence-transformers reads, of version 3 and later."""
    for module in modules[1:]:
        (folder / module["path"]).mkdir(exist_ok=True)
    write_json(folder / "modules.json", modules)
    if modules[0]["type"].endswith(".Transformer"):
        config = {"max_seq_length": settings["max_length"], "do_lower_case": False}
        write_json(folder / "sentence_bert_config.json", config)
    prompts = {"query": settings["query_prompt"], "document": settings["document_prompt"]}
    theirs: dict[str, Any] = {"prompts": prompts, "similarity_fn_name": "cosine"}
    if settings["default_prompt"]:
        theirs |= {"prompts": {**prompts, "default": settings["default_prompt"]}, "default_prompt_name": "default"}
    if settings["truncate_dim"]:
        theirs["truncate_dim"] = settings["truncate_dim"]
    write_json(folder / "config_sentence_transformers.json", theirs)
