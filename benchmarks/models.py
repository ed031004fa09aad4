"""What the benchmarks of training and encoding share: real texts, two small encoders, and the peer that loads them."""

import random
from pathlib import Path

import torch
import transformers
from sentence_transformers import SentenceTransformer

from workbook.data import load
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer

Pairs = list[tuple[str, str]]

VOCABULARY, HIDDEN, LAYERS, HEADS = 8_000, 256, 2, 4
TRANSFORMER, STATIC = f"{LAYERS}-layer {HIDDEN}-d transformer", f"{HIDDEN}-d static encoder"


def pairs(count: int, split: str = "train") -> Pairs:
    """Titles and passages of `pydocs`, the same choice every time; all, if there are no more."""
    found = load("pydocs").pairs(split)
    return random.Random(0).sample(found, min(count, len(found)))


def save_encoders(texts: list[str], folder: Path, max_length: int) -> tuple[Path, Path]:
    """The folders of an untrained transformer and a static encoder, with a vocabulary learned from the texts."""
    tokenizer = train_tokenizer(texts, VOCABULARY)
    size = tokenizer.get_vocab_size()
    torch.manual_seed(0)
    backbones = {
        "transformer": TransformerEncoder(size, HIDDEN, LAYERS, HEADS, max_length=max_length),
        "static": StaticEncoder(size, HIDDEN),
    }
    for name, backbone in backbones.items():
        TextEncoder(tokenizer, backbone, max_length=max_length).save(folder / name)
    return folder / "transformer", folder / "static"


def load_peer(folder: Path) -> SentenceTransformer:
    """The same encoder in sentence-transformers, loaded without a word: BERT's pooler, which is missing, is not used."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
