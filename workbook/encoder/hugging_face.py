"""Models of others: any Hugging Face model as a backbone, and what sentence-transformers' files say about using it.

The weights alone are not the encoder. Which pooling they were trained with, what stands after it, which prompts, which
length: all that stands in a handful of JSON files, and each is kept here or refused by name. What is silently left out
gives vectors that are a little worse, and nobody is told.

Letters: B texts, T token positions, D dimensions.

Taught in 22.
"""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, normalizers
from torch import Tensor, nn

from workbook.encoder.layers import Dense, Normalize
from workbook.pooling import POOLINGS, Pooling, pooling_from_names
from workbook.support.checks import misfit
from workbook.support.files import for_transformers, inside, is_gguf

POOLING_FLAGS = {  # sentence-transformers' name of a pooling -> its flag in folders of older versions
    "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens", "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}  # fmt: skip
TRANSFORMER_CONFIGS = [  # the first that is there says how long texts may be
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
]


class HuggingFaceBackbone(nn.Module):
    """Any Hugging Face model as a backbone: (input_ids (B, T), mask (B, T)) -> hidden (B, T, D).

    A text gets the vectors that the model gives it with padding on the right, whichever side it is padded on here.
    Models differ in how they number positions: BERT counts padding on the left as text, RoBERTa begins at 2 and finds
    the padding by its id, OPT by the mask, T5 knows distances only. All of them agree where a text begins at
    column 0, so there every text is moved, and its vectors are moved back.

    Args:
        model: what `transformers.AutoModel` loads, an encoder or a decoder, without a head.
    Raises:
        ValueError: the model ignores padding, or has both an encoder and a decoder.
    """

    def __init__(self, model: Any):
        super().__init__()
        name, takes = type(model).__name__, inspect.signature(model.forward).parameters
        if "decoder_input_ids" in takes:
            raise ValueError(f"{name} has an encoder and a decoder; give its encoder alone, such as T5EncoderModel")
        if "input_ids" in takes and "attention_mask" not in takes:
            raise ValueError(f"{name} takes no attention_mask: padding would change the vectors; take another model")
        self.model = model
        self.hidden_size = int(model.config.hidden_size)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> hidden (B, T, D)."""
        mask = mask.long()
        # The tokens of a text go to columns 0, 1, …, what is padding to the columns behind them.
        padding, length = 1 - mask, mask.sum(dim=1, keepdim=True)
        column = torch.where(mask == 1, mask.cumsum(dim=1), length + padding.cumsum(dim=1)) - 1  # (B, T)
        ids, attended = (torch.zeros_like(x).scatter(1, column, x) for x in (input_ids, mask))
        output = self.model(input_ids=ids, attention_mask=attended)
        if not hasattr(output, "last_hidden_state"):
            raise TypeError(f"{type(self.model).__name__} gives no last_hidden_state; give the model without its head")
        hidden: Tensor = output.last_hidden_state
        return hidden.gather(1, column[:, :, None].expand_as(hidden))


def as_backbone(backbone: Any) -> Any:
    """A model of transformers becomes a `HuggingFaceBackbone`; anything else is a backbone already."""
    return HuggingFaceBackbone(backbone) if hasattr(backbone, "save_pretrained") else backbone


def as_tokenizer(tokenizer: Any) -> Tokenizer:
    """A copy of a `tokenizers.Tokenizer`; one of transformers' gives the one inside, with its padding token."""
    if isinstance(tokenizer, Tokenizer):
        return Tokenizer.from_str(tokenizer.to_str())
    own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    pad = tokenizer.pad_token or tokenizer.eos_token
    own.enable_padding(pad_id=own.token_to_id(pad) if pad else 0, pad_token=pad or "[PAD]")
    return own


def find_model(name_or_folder: str | Path, allow_download: bool = False) -> Path:
    """The folder of a model, or its GGUF file: itself, or where the hub's cache keeps it.

    Args:
        name_or_folder: a local folder, a local GGUF file, or a name on the Hugging Face hub.
        allow_download: fetch the files when they are not in the cache.
    Raises:
        FileNotFoundError: it is neither.
    """
    if Path(name_or_folder).is_dir() or is_gguf(name_or_folder):
        return Path(name_or_folder)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name_or_folder), local_files_only=not allow_download))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"{name_or_folder} is neither a folder nor in the hub's cache; give a local folder, or allow_download=True"
        ) from error


def load_whole(auto_class: Any, folder: Path, unused: tuple[str, ...] = ("pooler.",), spare: bool = True) -> Any:
    """Load a model of transformers, and refuse one of which weights are missing: they would be random numbers.

    Args:
        auto_class: such as `transformers.AutoModel`.
        folder: with config.json and the weights as safetensors; or a GGUF file, whose weights are unpacked to float32.
        unused: how the names of weights begin that may be missing, because nothing is asked of them.
        spare: whether there may be weights that the model has no place for, such as those of a head.
    Raises:
        ValueError: weights are missing, or to spare; both are listed.
    """
    model, told = auto_class.from_pretrained(
        **for_transformers(folder),
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told below
    )
    missing = [*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])]
    missing = [name for name in missing if not name.startswith(unused)]
    if missing or (told["unexpected_keys"] and not spare):
        raise ValueError(
            f"{folder} does not hold the weights of a {type(model).__name__}, and random ones would take their place: "
            f"{misfit(missing, told['unexpected_keys'])}. Is there another prefix before the names?"
        )
    if is_gguf(folder) and (quantizer := getattr(model, "hf_quantizer", None)) is not None:
        quantizer.remove_quantization_config(model)  # unpacked, it is a model like any other, and can be saved
    return model


def load_backbone(folder: Path) -> HuggingFaceBackbone:
    """The model of a folder as a backbone; of T5 and its kind the encoder alone."""
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    config = AutoConfig.from_pretrained(**for_transformers(folder))
    encodes = type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING
    return HuggingFaceBackbone(load_whole(AutoModelForTextEncoding if encodes else AutoModel, folder))


def read_pretrained(
    name_or_folder: str | Path, pooling: str | Sequence[str] | Pooling | None = None, allow_download: bool = False
) -> dict[str, Any]:
    """The parts and settings of a Hugging Face model or a sentence-transformers folder, as `TextEncoder` takes them.

    Args:
        name_or_folder, pooling, allow_download: as in `TextEncoder.from_pretrained`.
    Raises:
        FileNotFoundError: the model is neither a folder nor in the cache.
        ValueError: nothing says which pooling the model needs, or a file asks for what is not supported here.
    """
    from transformers import AutoTokenizer

    folder = find_model(name_or_folder, allow_download)
    stated = stated_settings(folder)
    pooling = stated.get("pooling") if pooling is None else pooling
    if pooling is None:
        raise ValueError(
            f"nothing in {folder.name} says which pooling the model was trained with; read its model card and give "
            f"pooling, one of {', '.join(POOLINGS)}"
        )
    root = _modules(folder)[0][1] if stated else folder
    backbone = load_backbone(root)
    fast = AutoTokenizer.from_pretrained(**for_transformers(root))
    tokenizer = as_tokenizer(fast)
    if any(tokenizer.encode("a").type_ids) and "token_type_ids" in fast.model_input_names:
        raise ValueError(
            f"the tokenizer of {folder.name} marks special tokens with a segment of their own; not supported"
        )
    if stated.pop("lowercase", False):
        _lowercase(tokenizer)
    longest = getattr(backbone.model.config, "max_position_embeddings", -1)
    defaults = {
        "normalize": False,
        "max_length": int(min(fast.model_max_length, longest if longest > 0 else 512)),
        "padding_side": fast.padding_side,
        "truncation_side": fast.truncation_side,
    }
    pooled = pooling if callable(pooling) else pooling_from_names(pooling)
    return {**defaults, **stated, "tokenizer": tokenizer, "backbone": backbone, "pooling": pooled}


def stated_settings(folder: Path) -> dict[str, Any]:
    """What the sentence-transformers files of a folder say, by the names of `TextEncoder`'s arguments.

    Raises:
        ValueError: a file asks for what is not supported here, by its name, or names a file outside of the folder.
    """
    if not (folder / "modules.json").exists():
        return {}
    (_, root), *others = _modules(folder)
    stated = _stated_by_transformer(root) | _stated_by_model(folder)
    if others:
        stated |= _stated_by_pooling(others[0][1])
    layers = [read_layer(path, kind) for kind, path in others[1:]]
    normalize = bool(layers) and isinstance(layers[-1], Normalize)
    return {**stated, "layers": layers[: len(layers) - normalize], "normalize": normalize}


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """The modules of modules.json: kind and folder. A Transformer, a Pooling, then Dense and Normalize in any order."""
    listed = json.loads((folder / "modules.json").read_text("utf-8"))
    paths = [inside(folder, module["path"]) for module in listed]
    kinds = [module["type"].rpartition(".")[2] for module in listed]
    for place, (module, kind) in enumerate(zip(listed, kinds, strict=True)):
        expected = ("Dense", "Normalize") if place > 1 else ("Pooling",) if place else ("Transformer",)
        if not module["type"].startswith("sentence_transformers.") or kind not in expected:
            raise ValueError(
                f"module {place} of {folder.name} is {module['type']}; supported there is {' or '.join(expected)}, so "
                "load this model with sentence-transformers"
            )
    return list(zip(kinds, paths, strict=True))


def _stated_by_transformer(folder: Path) -> dict[str, Any]:
    config = next((c for name in TRANSFORMER_CONFIGS if (c := read_config(folder / name))), {})
    text = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    fixed = {
        "transformer_task": "feature-extraction",
        "module_output_name": "token_embeddings",
        "modality_config": text,
    }
    _refuse(folder, config, {"max_seq_length", "do_lower_case", "unpad_inputs"}, fixed)
    return _given(max_length=config.get("max_seq_length"), lowercase=config.get("do_lower_case"))


def _stated_by_pooling(folder: Path) -> dict[str, Any]:
    config = read_config(folder / "config.json")
    sizes = {"word_embedding_dimension", "embedding_dimension"}
    _refuse(folder, config, {*sizes, *POOLING_FLAGS.values(), "pooling_mode", "include_prompt"}, {})
    modes = config.get("pooling_mode") or [name for name, flag in POOLING_FLAGS.items() if config.get(flag)] or "mean"
    return {"pooling": modes, "include_prompt": config.get("include_prompt", True)}


def _stated_by_model(folder: Path) -> dict[str, Any]:
    config = read_config(folder / "config_sentence_transformers.json")
    known = {"__version__", "requirements", "similarity_fn_name", "prompts", "default_prompt_name", "truncate_dim"}
    _refuse(folder, config, known, {"model_type": "SentenceTransformer"})
    prompts = config.get("prompts") or {}
    return _given(
        query_prompt=prompts.get("query"),
        document_prompt=next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), None),
        default_prompt=prompts.get(config.get("default_prompt_name")),
        truncate_dim=config.get("truncate_dim"),
    )


def read_layer(folder: Path, kind: str) -> nn.Module:
    """A module after the pooling, `Dense` or `Normalize`, from its folder in sentence-transformers' layout."""
    config = read_config(folder / "config.json")
    on_vectors = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
    if kind == "Normalize":
        _refuse(folder, config, set(), on_vectors)
        return Normalize()
    known = {"in_features", "out_features", "bias", "activation_function"}
    _refuse(folder, config, known, on_vectors)
    package, _, activation = config.get("activation_function", "torch.nn.modules.activation.Tanh").rpartition(".")
    if not package.startswith("torch.nn"):
        raise ValueError(f"the activation {package}.{activation} of {folder} is none of torch.nn's; not supported")
    layer = Dense(config["in_features"], config["out_features"], config.get("bias", True), activation)
    layer.load_state_dict(load_file(folder / "model.safetensors"))
    return layer


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value}


def read_config(path: Path) -> dict[str, Any]:
    """A JSON file of settings; none where there is no file."""
    config: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return config


def _refuse(folder: Path, config: dict[str, Any], known: set[str], fixed: dict[str, Any]) -> None:
    """Raise where a file sets what is not known here, or what is fixed here to another value."""
    for name, value in config.items():
        if value and name not in known and value != fixed.get(name):
            supported = repr(fixed[name]) if name in fixed else "no such setting"
            raise ValueError(
                f"{folder} sets {name} to {value!r}, and {supported} is supported; load this model with "
                "sentence-transformers"
            )


def _lowercase(tokenizer: Tokenizer) -> None:
    """sentence-transformers' `do_lower_case`: before all other steps, unless the tokenizer has such a step."""
    present = tokenizer.normalizer
    steps: list[Any] = [present] if present else []
    if isinstance(present, normalizers.Sequence):
        steps = [present[i] for i in range(len(present))]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])
