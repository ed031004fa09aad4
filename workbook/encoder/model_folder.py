"""A model of ours as a folder that Hugging Face's libraries read: whole or not there.

`workbook.encoder.saving` does this for text encoders; here is what cross-encoders and sparse encoders share.

Taught in 07.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from workbook.encoder.saving import OURS, tokenizer_config
from workbook.support.files import replace_folder, write_atomically, write_json, write_safetensors


def save_model(
    folder: str | Path,
    weights: Mapping[str, Tensor],
    config: dict[str, Any],
    tokenizer: Tokenizer,
    pad_id: int,
    ours: dict[str, Any],
) -> None:
    """Write a model in Hugging Face's layout, and `workbook.json`, which says how to build our own.

    Args:
        folder: new, empty, or holding a model that this wrote, which is replaced in one step.
        weights: by Hugging Face's names.
        config: what goes into config.json.
        tokenizer, pad_id: saved as a fast tokenizer.
        ours: what goes into workbook.json.
    Raises:
        FileExistsError: the folder holds something else.
    """
    tensors = {name: p.detach().cpu().contiguous() for name, p in weights.items()}
    with replace_folder(folder, OURS) as new:
        write_safetensors(new / "model.safetensors", tensors, metadata={"format": "pt"})
        write_json(new / "config.json", config)
        write_atomically(new / "tokenizer.json", tokenizer.to_str(pretty=True))
        theirs = tokenizer_config(tokenizer, pad_id, (tokenizer.truncation or {}).get("max_length"))
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
        write_json(new / "tokenizer_config.json", {**theirs, "model_input_names": inputs})
        write_json(new / OURS, ours)


def load_model(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor], Tokenizer]:
    """Read what `save_model` wrote: our settings, the weights, the tokenizer.

    Raises:
        FileNotFoundError: the folder holds no model of this kind.
        ValueError: a file in it is damaged.
    """
    folder = Path(folder)
    if not (folder / OURS).exists():
        raise FileNotFoundError(f"{folder} holds no {OURS}; give a folder that save wrote, or use from_pretrained")
    try:
        settings = json.loads((folder / OURS).read_text("utf-8"))
        if kind not in settings:
            raise FileNotFoundError(f"{folder} holds another kind of model than {kind}: {', '.join(settings)}")
        return (
            settings[kind],
            load_file(folder / "model.safetensors"),
            Tokenizer.from_file(str(folder / "tokenizer.json")),
        )
    except (json.JSONDecodeError, SafetensorError) as error:
        raise ValueError(f"{folder} is damaged ({error}); save the model again") from error
