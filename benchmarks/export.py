"""An exported encoder beside torch: milliseconds of CPU time for one text and for 32, bytes on disk, one thread.

Equality comes first: the vectors of the ONNX graph are torch's, those of int8 have a cosine and a share of
equal neighbours that stand in the note. all-MiniLM-L6-v2 is measured where its weights are at hand, and a
model of its size with random ones otherwise: random weights lose less by rounding than trained ones, whose
largest values stand out.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from benchmarks.models import HEADS, TRANSFORMER, VOCABULARY, pairs
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.export import OnnxEncoder, export_onnx, load_onnx
from workbook.zoo.families import FAMILIES, MINILM, load_pretrained, minilm_from_wheel

PASSAGES, QUERIES, LENGTH = 500, 100, 128
BATCHES = {1: 100, 32: 15}  # texts at a time -> how many calls
SIZES = {TRANSFORMER: (256, 2), "6-layer 384-d transformer": (384, 6)}  # the second as large as MiniLM
SAME, NEAR, OVERLAP = 1e-5, 0.98, 0.8  # fp32: largest difference; int8: smallest cosine, mean share of the first ten


def run() -> list[dict]:
    """Rows of the median latency: torch is the peer."""
    torch.set_num_threads(1)
    some = pairs(PASSAGES)
    queries, passages = [query for query, _ in some[:QUERIES]], [passage for _, passage in some]
    tokenizer = train_tokenizer(passages, VOCABULARY)
    rows = []
    for what, encoder in encoders(tokenizer):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            encoder.save(folder / "torch")
            exported: dict[str, OnnxEncoder] = {}
            for kind in ("fp32", "int8"):
                export_onnx(encoder, folder / kind, int8=kind == "int8")
                exported[kind] = load_onnx(folder / kind, num_threads=1)
            notes = compare(encoder, exported, queries, passages)
            sizes = {kind: megabytes(folder / kind) for kind in ("torch", "fp32", "int8")}
        for size, calls in BATCHES.items():
            texts = [passages[start : start + size] for start in np.arange(calls) * size % (PASSAGES - size)]
            median = medians({"torch": encoder, **exported}, texts)
            rows += [
                {
                    "what": f"encode {size} passage{'s' * (size > 1)}, {what}, ONNX {kind}",
                    "ours": 1000 * median[kind],
                    "peer": 1000 * median["torch"],
                    "peer_name": "torch",
                    "ratio": median["torch"] / median[kind],
                    "unit": "CPU ms, p50",
                    "note": f"{notes[kind]}; {sizes[kind]:.1f} MB, torch's {sizes['torch']:.1f} MB",
                }
                for kind in exported
            ]
    return rows


def encoders(tokenizer: Tokenizer) -> Iterator[tuple[str, TextEncoder]]:
    """Name and encoder: all-MiniLM-L6-v2 in place of the untrained one of its size, where the weights are."""
    pretrained = minilm_from_wheel()
    for what, (hidden, layers) in SIZES.items():
        if layers == 6 and pretrained is not None:
            yield MINILM, load_pretrained(pretrained, family=FAMILIES[MINILM], max_length=LENGTH)
            continue
        torch.manual_seed(0)
        backbone = TransformerEncoder(tokenizer.get_vocab_size(), hidden, layers, HEADS, max_length=LENGTH)
        yield f"untrained {what}", TextEncoder(tokenizer, backbone, max_length=LENGTH).eval()


def compare(
    encoder: TextEncoder, exported: dict[str, OnnxEncoder], queries: list[str], passages: list[str]
) -> dict[str, str]:
    """What is equal, in words.

    Raises:
        AssertionError: it is not equal enough to be timed.
    """
    asked, found = encoder.encode(queries), encoder.encode(passages)
    whole = exported["fp32"].encode(passages)
    difference = float(np.abs(whole - found).max())
    assert difference < SAME, f"ONNX differs from torch by {difference:.1e}"
    small = exported["int8"].encode(passages)
    cosine = float((small * found).sum(axis=1).min())
    overlap = same_first_ten(asked @ found.T, exported["int8"].encode(queries) @ small.T)
    assert cosine > NEAR, f"the smallest cosine of int8 is {cosine:.4f}"
    assert overlap > OVERLAP, f"int8 keeps {overlap:.2f} of the first ten"
    return {
        "fp32": f"equal to {difference:.0e}",
        "int8": f"cosine at least {cosine:.4f}, {overlap:.0%} of the first ten kept",
    }


def same_first_ten(a: np.ndarray, b: np.ndarray) -> float:
    """The mean share of each query's ten best passages that both rankings have."""
    first = (np.argsort(-scores, axis=1, kind="stable")[:, :10] for scores in (a, b))
    return float(np.mean([len(set(x) & set(y)) / 10 for x, y in zip(*first, strict=True)]))


def medians(encoders: dict[str, Any], batches: list[list[str]]) -> dict[str, float]:
    """The median CPU seconds of a call of each, taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    for batch in [batches[0], *batches]:
        for name, encoder in encoders.items():
            seconds[name].append(cpu(lambda encoder=encoder, batch=batch: encoder.encode(batch)))
    return {name: float(np.median(times[1:])) for name, times in seconds.items()}  # the first warms up


def cpu(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
