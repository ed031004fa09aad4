"""A model of ours as a folder that Hugging Face's libraries read: whole or not there.

`workbook.checkpoint` does this for text encoders; here is what cross-encoders and sparse encoders share.

Taught in 07.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from workbook.checkpoint import OURS
from workbook.files import write_json


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

    Taught in 07.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / OURS).exists():
        raise FileExistsError(f"{folder} holds other files than a saved model; give a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    special = {name: token for name, token in names.items() if tokenizer.token_to_id(token) is not None}
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        tensors = {name: p.detach().cpu().contiguous() for name, p in weights.items()}
        save_file(tensors, new / "model.safetensors", metadata={"format": "pt"})
        write_json(new / "config.json", config)
        tokenizer.save(str(new / "tokenizer.json"))
        length = (tokenizer.truncation or {}).get("max_length")
        write_json(
            new / "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": length,
                "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
                "pad_token": tokenizer.id_to_token(pad_id),
                **special,
            },
        )
        write_json(new / OURS, ours)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        new.rename(folder)


def load_model(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor], Tokenizer]:
    """Read what `save_model` wrote: our settings, the weights, the tokenizer.

    Raises:
        FileNotFoundError: the folder holds no model of this kind.
        ValueError: a file in it is damaged.

    Taught in 07.
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
