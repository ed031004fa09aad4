"""A decoder as a retriever: SmolLM2 with LoRA on pairs of pydocs, with and without what E5-mistral does.

An illustration, not a claim: few steps, three seeds, and one learning rate for all arms, which the first arm's dev queries
chose. Three more arms change the first at search only. Test queries of pydocs, nDCG@10.

    python -m workbook.claims.decoder_run        trains and measures all this anew, in about an hour and a half on one core;
                                                 needs the extra `llm`
"""

import copy
import json
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from workbook.adapt import add_lora, trained_parameters
from workbook.claims.claim import Measurements
from workbook.claims.hard_negatives import WRITER
from workbook.claims.kept import arms, kept
from workbook.claims.measuring import METRIC, TUNING_SEED, best_of, difference, per_query, sieved, texts_of, train
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
LONGEST = 64  # characters of a query
SEARCHED = ("instruction left out at search", "end token left out at search", "mean of the tokens at search")


class Size(NamedTuple):
    """How much is trained and searched: 30 steps of 8 short pairs take four minutes on one core, in float32."""

    steps: int = 30
    batch_size: int = 8
    lrs: tuple[float, ...] = (3e-4, 1e-3)
    r: int = 16
    max_length: int = 40  # tokens of a passage, and of a query with its instruction
    pairs: int = 1_000
    queries: int = 150
    passages: int = 300
    seeds: tuple[int, ...] = (0, 1, 2)


@cache
def data(size: Size) -> tuple[list[tuple[str, ...]], Collection, Collection]:
    """Training pairs, dev and test; nothing that is asked or searched stands in a pair.

    Queries are short ones, so that none is cut behind its instruction.
    """
    docs = load("pydocs")
    short = {q: text for q, text in docs.queries.items() if len(text) <= LONGEST}
    splits = {name: tuple(q for q in ids if q in short) for name, ids in docs.splits.items()}
    docs = replace(docs, queries=short, splits=splits)
    dev, test = (docs.split(split).sample(size.queries, size.passages) for split in ("dev", "test"))
    rows: list[tuple[str, ...]] = random.Random(0).sample(docs.pairs("train"), 3 * size.pairs // 2)
    return sieved(rows, texts_of(dev, test))[: size.pairs], dev, test


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


@kept
def searched(arm: str, model: Path, size: Size, lr: float, seed: int) -> dict[str, np.ndarray]:
    """nDCG@10 of each query after an arm's training; of test queries the first arm has those of SEARCHED besides."""
    pairs, dev, test = data(size)
    encoder = new_encoder(model, size, seed, **TRAINED[arm])
    train(
        encoder, pairs, quick=False, steps=size.steps, batch_size=size.batch_size, lr=lr, seed=seed, temperature=0.02,
        no_duplicates=True,
    )  # fmt: skip
    encoder.eval()
    found = {arm: per_query(encoder, dev if seed == TUNING_SEED else test)}
    if arm == WHOLE and seed != TUNING_SEED:
        found |= {name: per_query(changed, test) for name, changed in at_search(encoder, model, size).items()}
    print(f"seed {seed}, {arm}: {found[arm].mean():.3f}", file=sys.stderr)
    return found


def measure(model: Path, size: Size) -> Measurements:
    """nDCG@10 by arm and seed, what each is ahead of the first, and what was trained."""
    lr = best_of(size.lrs, lambda lr: float(searched(WHOLE, model, size, lr, TUNING_SEED)[WHOLE].mean()))
    rows: dict[str, list[np.ndarray]] = {}
    for seed in size.seeds:
        for trained in TRAINED:
            for arm, values in searched(trained, model, size, lr, seed).items():
                rows.setdefault(arm, []).append(values)
    first = new_encoder(model, size, 0)
    numbers, all_numbers = trained_parameters(first)  # the same in every arm
    before = per_query(first.eval(), data(size)[2])
    of_arms = {arm: np.array(of_seeds) for arm, of_seeds in rows.items()}
    return {
        METRIC: {"untrained": [round(float(before.mean()), 4)]}
        | {arm: each.mean(axis=1).round(4).tolist() for arm, each in of_arms.items()},
        "minus": {arm: difference(each, of_arms[WHOLE]) for arm, each in of_arms.items() if arm != WHOLE},
        "lr": lr,
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
    with arms("decoder") as before:  # what was stopped goes on
        found = measure(files_of_wheel(WRITER)[0], size)
    write_json(
        RECORD,
        {
            "measurements": found, "model": WRITER, "size": size._asdict(),
            "seconds": round(time.perf_counter() - began + before.seconds, 1),
            "command": "python -m workbook.claims.decoder_run",
            **machine.describe(),
        },
    )  # fmt: skip
    return RECORD


if __name__ == "__main__":
    print(record())
