"""Encoders on disk: saved whole or not at all, and readable by sentence-transformers.

A saved folder holds what sentence-transformers expects (weights as safetensors, tokenizer, pooling,
prompts) and `workbook.json`, which says how to build our own classes. What sentence-transformers has
no part for (a causal `TransformerEncoder`, `AttentionPool`) is saved for `load` alone.

Taught in 07.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from workbook.encoder.text_encoder import Pooling, StaticEncoder, TextEncoder
from workbook.encoder.transformer import TransformerEncoder, bert_config, bert_name
from workbook.pooling import AttentionPool, cls_pool, last_token_pool, max_pool, mean_pool, weighted_mean_pool
from workbook.support.files import inside, replace_folder, write_atomically, write_json, write_safetensors

POOLINGS: dict[str, Pooling] = {  # sentence-transformers' name -> ours
    "cls": cls_pool,
    "mean": mean_pool,
    "max": max_pool,
    "lasttoken": last_token_pool,
    "weightedmean": weighted_mean_pool,
}
OURS = "workbook.json"


class HuggingFaceBackbone(nn.Module):
    """Any Hugging Face model as a backbone: (input_ids (B, T), mask (B, T)) -> hidden (B, T, D).

    Args:
        model: what `transformers.AutoModel` loads, an encoder or a decoder.
    """

    def __init__(self, model: Any):
        super().__init__()
        self.model = model
        self.hidden_size = int(model.config.hidden_size)
        # Models with learned positions count padding on the left as positions, unless they are told.
        # (RoBERTa's kind counts from its own offset, and finds it by itself.)
        takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        self.tells_positions = takes_positions and "roberta" not in model.config.model_type

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> hidden (B, T, D)."""
        inputs = {"input_ids": input_ids, "attention_mask": mask}
        if self.tells_positions:
            inputs["position_ids"] = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
        return self.model(**inputs).last_hidden_state


def save(encoder: TextEncoder, folder: str | Path) -> None:
    """Write an encoder to a folder; an encoder that was there before is replaced in one step.

    Args:
        encoder: what to save.
        folder: where. It must be new, empty, or hold a saved encoder.
    Raises:
        FileExistsError: the folder holds something else.
        ValueError: the pooling is a function that cannot be named in a file, or a LoRA update is not merged.
    """
    if any(name.endswith("lora_A") for name, _ in encoder.named_parameters()):
        raise ValueError("the encoder holds a LoRA update of its own; merge it first, or keep it with save_adapter")
    with replace_folder(folder, OURS) as new:
        _write(encoder, new)


def load(folder: str | Path) -> TextEncoder:
    """Read an encoder that `save` wrote.

    Raises:
        FileNotFoundError: there is no saved encoder.
        ValueError: a file is damaged.
    """
    folder = Path(folder)
    if not (folder / OURS).exists():
        raise FileNotFoundError(
            f"{folder} holds no {OURS}; give a folder that TextEncoder.save wrote, or use TextEncoder.from_pretrained"
        )
    try:
        settings = json.loads((folder / OURS).read_text("utf-8"))
        backbone = _read_backbone(settings["backbone"], folder)
        pooling = _read_pooling(settings["pooling"], folder, backbone)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return TextEncoder(tokenizer, backbone, pooling, **settings["text_encoder"]).eval()
    except (KeyError, json.JSONDecodeError, SafetensorError, RuntimeError) as error:
        raise ValueError(f"{folder} is damaged ({error}); save the encoder again") from error


def from_pretrained(
    name_or_folder: str | Path,
    pooling: str | Pooling | None = None,
    allow_download: bool = False,
    **settings: Any,
) -> TextEncoder:
    """Build an encoder around a Hugging Face model.

    Pooling, normalization, prompts and length are read from the sentence-transformers files of the
    folder where it has them.

    Args:
        name_or_folder: a local folder, or a name whose files are in the hub's cache.
        pooling: "cls", "mean", "max", "lasttoken", "weightedmean", or a function; needed where the
            folder does not say.
        allow_download: fetch the files from the hub when they are not in its cache.
        settings: passed on to `TextEncoder`, before what the folder says.
    Returns:
        an encoder in evaluation mode.
    Raises:
        FileNotFoundError: the model is neither a folder nor in the cache.
        ValueError: nothing says which pooling the model needs.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = find_model(name_or_folder, allow_download)
    stated = stated_settings(folder)
    if pooling is None:
        pooling = stated.pop("pooling", None)
        if pooling is None:
            raise ValueError(
                f"nothing in {folder.name} says which pooling the model was trained with; read its model card and give "
                f"pooling, one of {', '.join(POOLINGS)}"
            )
    stated.pop("pooling", None)
    fast = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    tokenizer = fast.backend_tokenizer
    pad = fast.pad_token if fast.pad_token is not None else fast.eos_token
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad) if pad else 0, pad_token=pad or "[PAD]")
    longest = min(fast.model_max_length, getattr(model.config, "max_position_embeddings", 512))
    defaults = {"normalize": False, "max_length": int(longest), "padding_side": fast.padding_side}
    pooled = POOLINGS[pooling] if isinstance(pooling, str) else pooling
    return TextEncoder(tokenizer, HuggingFaceBackbone(model), pooled, **{**defaults, **stated, **settings}).eval()


def find_model(name_or_folder: str | Path, allow_download: bool = False) -> Path:
    """The folder of a model: itself, or where the hub's cache keeps it.

    Args:
        name_or_folder: a local folder, or a name on the Hugging Face hub.
        allow_download: fetch the files when they are not in the cache.
    Raises:
        FileNotFoundError: it is neither.
    """
    if Path(name_or_folder).is_dir():
        return Path(name_or_folder)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name_or_folder), local_files_only=not allow_download))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"{name_or_folder} is neither a folder nor in the hub's cache; give a local folder, or allow_download=True"
        ) from error


def stated_settings(folder: Path) -> dict[str, Any]:
    """What the sentence-transformers files of a folder say about pooling, length and prompts."""
    if not (folder / "modules.json").exists():
        return {}
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    kinds = {module["type"].rsplit(".", 1)[-1]: inside(folder, module["path"]) for module in modules}
    stated: dict[str, Any] = {"normalize": "Normalize" in kinds}
    if "Pooling" in kinds:
        config = json.loads((kinds["Pooling"] / "config.json").read_text("utf-8"))
        mode = config.get("pooling_mode") or next((name for name, key in _ST_FLAGS.items() if config.get(key)), None)
        if mode in POOLINGS:
            stated["pooling"] = mode
    for name in ("sentence_bert_config.json", "config_sentence_transformers.json"):
        if (folder / name).exists():
            config = json.loads((folder / name).read_text("utf-8"))
            if config.get("max_seq_length"):
                stated["max_length"] = config["max_seq_length"]
            prompts = config.get("prompts") or {}
            stated.update({f"{kind}_prompt": prompts[kind] for kind in ("query", "document") if prompts.get(kind)})
    return stated


_ST_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "lasttoken": "pooling_mode_lasttoken",
    "weightedmean": "pooling_mode_weightedmean_tokens",
}


def _write(encoder: TextEncoder, folder: Path) -> None:
    backbone, kind = encoder.backbone, _kind(encoder.backbone)
    pooling = _pooling_name(encoder.pooling)
    if kind == "huggingface":
        backbone.model.save_pretrained(folder)  # type: ignore[operator,union-attr]
    elif kind == "static":
        weights = {"embedding.weight": backbone.word.weight.detach().contiguous()}  # type: ignore[operator,union-attr]
        write_safetensors(folder / "model.safetensors", weights)
    else:
        weights = {bert_name(name): p.detach().contiguous() for name, p in backbone.named_parameters()}
        write_safetensors(folder / "model.safetensors", weights, metadata={"format": "pt"})
        write_json(folder / "config.json", bert_config(backbone.config))  # type: ignore[arg-type]
    if isinstance(encoder.pooling, AttentionPool):
        write_safetensors(folder / "pooling.safetensors", {"query": encoder.pooling.query.detach().contiguous()})
    write_atomically(folder / "tokenizer.json", encoder.tokenizer.to_str(pretty=True))
    settings = ("normalize", "max_length", "query_prompt", "document_prompt", "padding_side")
    ours = {
        "backbone": {"kind": kind, "config": getattr(backbone, "config", None)},
        "pooling": pooling,
        "text_encoder": {name: getattr(encoder, name) for name in settings},
    }
    write_json(folder / OURS, ours)
    understood = pooling in POOLINGS and not (kind == "transformer" and backbone.causal)
    if understood and (kind != "static" or pooling == "mean"):
        _write_sentence_transformers(encoder, kind, pooling, folder)


def _write_sentence_transformers(encoder: TextEncoder, kind: str, pooling: str, folder: Path) -> None:
    """The files that sentence-transformers reads, of version 3 and later."""
    parts = ["StaticEmbedding"] if kind == "static" else ["Transformer", "Pooling"]
    parts += ["Normalize"] if encoder.normalize else []
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": "" if i == 0 else f"{i}_{part}",
            "type": f"sentence_transformers.models.{part}",
        }
        for i, part in enumerate(parts)
    ]
    for module in modules[1:]:
        (folder / str(module["path"])).mkdir()
    write_json(folder / "modules.json", modules)
    if kind != "static":
        D = encoder.backbone.hidden_size
        flags = {flag: name == pooling for name, flag in _ST_FLAGS.items()}
        write_json(folder / "1_Pooling/config.json", {"word_embedding_dimension": D, **flags})
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": encoder.max_length, "do_lower_case": False})
        # Our pooling and positions do not see the side; BertModel's positions do, so it pads on the right.
        side = encoder.padding_side if kind == "huggingface" else "right"
        config = tokenizer_config(encoder.tokenizer, encoder.pad_id, encoder.max_length, side)
        write_json(folder / "tokenizer_config.json", config)
    prompts = {"query": encoder.query_prompt, "document": encoder.document_prompt}
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})


def tokenizer_config(
    tokenizer: Tokenizer, pad_id: int, max_length: int | None, padding_side: str = "right"
) -> dict[str, Any]:
    """What tokenizer_config.json says beside tokenizer.json, so that transformers loads a fast tokenizer."""
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    special = {name: token for name, token in names.items() if tokenizer.token_to_id(token) is not None}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "padding_side": padding_side,
        "pad_token": tokenizer.id_to_token(pad_id),
        **special,
    }


def _read_backbone(saved: dict[str, Any], folder: Path) -> nn.Module:
    if saved["kind"] == "huggingface":
        from transformers import AutoModel

        return HuggingFaceBackbone(AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True))
    weights = load_file(folder / "model.safetensors")
    if saved["kind"] == "static":
        backbone: nn.Module = StaticEncoder(**saved["config"])
        backbone.load_state_dict({"word.weight": weights["embedding.weight"]})
        return backbone
    backbone = TransformerEncoder(**saved["config"])
    backbone.load_state_dict({name: weights[bert_name(name)] for name, _ in backbone.named_parameters()})
    return backbone


def _read_pooling(name: str, folder: Path, backbone: nn.Module) -> Pooling:
    if name != "attention":
        return POOLINGS[name]
    pooling = AttentionPool(int(backbone.hidden_size))  # type: ignore[arg-type]
    pooling.load_state_dict(load_file(folder / "pooling.safetensors"))
    return pooling


def _kind(backbone: nn.Module) -> str:
    for kind, cls in (
        ("transformer", TransformerEncoder),
        ("static", StaticEncoder),
        ("huggingface", HuggingFaceBackbone),
    ):
        if isinstance(backbone, cls):
            return kind
    raise ValueError(
        f"cannot save a backbone of type {type(backbone).__name__}; use TransformerEncoder, StaticEncoder or from_pretrained"
    )


def _pooling_name(pooling: Pooling) -> str:
    if isinstance(pooling, AttentionPool):
        return "attention"
    for name, function in POOLINGS.items():
        if pooling is function:
            return name
    raise ValueError(
        f"cannot save the pooling {getattr(pooling, '__name__', pooling)!r}: a file can only name the functions of "
        "workbook.pooling and AttentionPool; give one of those"
    )
