"""A decoder as a retriever: SmolLM2 with LoRA on pairs of pydocs, with and without what E5-mistral does.

Each arm trains once for each seed; three more arms change the first at search only. Test queries of pydocs, nDCG@10.

    python -m workbook.claims.decoder_run        trains and measures all this anew; needs the extra `llm`
"""

import copy
import json
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from workbook.adapt import add_lora, trained_parameters
from workbook.claims.claim import Measurements
from workbook.claims.hard_negatives import WRITER
from workbook.claims.measuring import METRIC, difference, per_query, train
from workbook.data import Collection, load
from workbook.encoder import TextEncoder
from workbook.encoder.hugging_face import load_backbone
from workbook.recipes.decoder import LINEAR, decoder_encoder
from workbook.support import machine
from workbook.support.files import write_json
from workbook.zoo import files_of_wheel

RECORD = Path(__file__).parent / "records/decoder.json"
PROMPT = "Instruct: Given a title, retrieve the documentation written under it\nQuery: "
WHOLE, PLAIN, MEAN, ENDLESS = "as E5-mistral", "no instruction", "mean pooling", "no end token"
TRAINED: Mapping[str, dict[str, Any]] = {  # arm -> how its encoder differs from the first
    WHOLE: {},
    PLAIN: {"query_prompt": ""},
    MEAN: {"pooling": "mean"},
    ENDLESS: {"end": None},
}
SEARCHED = ("instruction left out at search", "end token left out at search", "mean of the tokens at search")


class Size(NamedTuple):
    """How much is trained and searched: 30 steps of 8 short pairs take three minutes on one core, in float32."""

    steps: int = 30
    batch_size: int = 8
    lr: float = 1e-3
    r: int = 16
    max_length: int = 32
    queries: int = 100
    passages: int = 250
    seeds: tuple[int, ...] = (0, 1)


@cache
def _loaded(model: Path) -> nn.Module:
    return load_backbone(model)


def new_encoder(model: Path, size: Size, seed: int, **settings: Any) -> TextEncoder:
    """The language model with LoRA beside all linear layers."""
    first: dict[str, Any] = {"query_prompt": PROMPT, "max_length": size.max_length}
    encoder = decoder_encoder(model, backbone=copy.deepcopy(_loaded(model)), **(first | settings))
    add_lora(encoder, size.r, 2 * size.r, LINEAR, seed=seed)
    return encoder


def at_search(encoder: TextEncoder, model: Path, size: Size) -> dict[str, TextEncoder]:
    """The trained encoder of WHOLE, with one thing changed that was there in training."""
    same: dict[str, Any] = {"backbone": encoder.backbone, "max_length": size.max_length, "query_prompt": PROMPT}
    changes: tuple[dict[str, Any], ...] = ({"query_prompt": ""}, {"end": None}, {"pooling": "mean"})
    return {name: decoder_encoder(model, **{**same, **change}) for name, change in zip(SEARCHED, changes, strict=True)}


def measure(model: Path, pairs: list[tuple[str, ...]], test: Collection, size: Size) -> Measurements:
    """nDCG@10 by arm and seed, what each is ahead of the first, and what was trained."""
    rows: dict[str, list[np.ndarray]] = {"untrained": [per_query(new_encoder(model, size, 0).eval(), test)]}
    for seed in size.seeds:
        for arm, settings in TRAINED.items():
            encoder = new_encoder(model, size, seed, **settings)
            train(
                encoder, pairs, quick=False, steps=size.steps, batch_size=size.batch_size, lr=size.lr, seed=seed,
                temperature=0.02,
            )  # fmt: skip
            encoder.eval()
            rows.setdefault(arm, []).append(per_query(encoder, test))
            if arm == WHOLE:
                for name, changed in at_search(encoder, model, size).items():
                    rows.setdefault(name, []).append(per_query(changed, test))
            print(f"seed {seed}, {arm}: {rows[arm][-1].mean():.3f}", file=sys.stderr)
    values = {arm: np.array(of_seeds) for arm, of_seeds in rows.items()}
    numbers, all_numbers = trained_parameters(encoder)  # the same in every arm
    return {
        METRIC: {arm: each.mean(axis=1).round(4).tolist() for arm, each in values.items()},
        "minus": {
            arm: difference(each, values[WHOLE]) for arm, each in values.items() if arm not in (WHOLE, "untrained")
        },
        "trained parameters": numbers,
        "parameters": all_numbers,
    }


def read() -> Measurements:
    """The committed record: nDCG@10 by arm and seed, and what each arm is ahead of the first."""
    found: Measurements = json.loads(RECORD.read_text("utf-8"))["measurements"]
    return found


def record(size: Size | None = None) -> Path:
    """Measure with SmolLM2, and write down what came out and under which conditions."""
    size, began = size or Size(), time.perf_counter()
    pairs: list[tuple[str, ...]] = list(load("pydocs").pairs("train"))
    test = load("pydocs").split("test").sample(size.queries, size.passages)
    found = measure(files_of_wheel(WRITER)[0], pairs, test, size)
    write_json(
        RECORD,
        {
            "measurements": found, "model": WRITER, "size": {**size._asdict(), "seeds": list(size.seeds)},
            "seconds": round(time.perf_counter() - began, 1), "command": "python -m workbook.claims.decoder_run",
            **machine.describe(),
        },
    )  # fmt: skip
    return RECORD


if __name__ == "__main__":
    print(record())
