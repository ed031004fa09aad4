"""The encoders that come with the workbook: `datasets/base`, made by `python -m workbook base`.

Taught in 07.
"""

from pathlib import Path

import numpy as np

from workbook.encoder.text_encoder import TextEncoder

FOLDER = Path(__file__).resolve().parents[2] / "datasets" / "base"
SHIPPED = {"base": "base", "base/start": "start"}


def load(name_or_folder: str | Path) -> TextEncoder:
    """An encoder that comes with the workbook, or one that `save` wrote, in evaluation mode.

    Args:
        name_or_folder: "base", trained on pairs; "base/start", the same before it saw a pair; or a folder.
    Raises:
        FileNotFoundError: the folder holds no encoder; a shipped one is made by `python -m workbook base`.
        ValueError: a file in it is damaged.
    """
    if name_or_folder not in SHIPPED:
        return TextEncoder.load(name_or_folder)
    folder = FOLDER / SHIPPED[str(name_or_folder)]
    if not folder.exists():
        raise FileNotFoundError(
            f"the encoder {name_or_folder!r} is not shipped yet; `python -m workbook base` makes it"
        )
    return TextEncoder.load(folder)


def seen_by(name: str) -> np.ndarray:
    """The hashes of all texts that a shipped encoder was trained on, for `workbook.data.seen.without_seen`.

    Args:
        name: "base" or "base/start".
    Returns:
        (N,) uint64, sorted.
    Raises:
        KeyError: no such encoder is shipped.
    """
    if name not in SHIPPED:
        raise KeyError(f"no encoder {name!r} comes with the workbook; there are {', '.join(SHIPPED)}")
    seen: np.ndarray = np.load(FOLDER / "seen.npy", allow_pickle=False)
    return seen
