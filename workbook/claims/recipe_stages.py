"""Which stage earned the score? Every family in miniature, with each of its stages taken out, and BGE's stages in all orders.

One budget of steps for all: when a stage is taken out, the others share its steps. All begin at `ENCODER`, which stands for
the backbone that a family starts from; where a family does not read the mean, it has first been taught on bare texts to say
the same at the token that is read. Without its backbone a family begins at fresh weights of the same shape. Weak pairs
are spans of passages, and queries of which a share names a wrong passage; labelled pairs are few and clean. The learning
rate of a family is chosen on dev queries, for all its stages together; test queries are measured.

    python -m workbook.claims.recipe_stages        measures all this anew, in about an hour on one core
"""

import copy
import itertools
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from workbook.base.make import quick_attention
from workbook.claims import chapter_11
from workbook.claims.claim import Measurements
from workbook.claims.kept import arms, kept
from workbook.claims.measuring import METRIC, difference, per_query
from workbook.claims.record import SEEDS
from workbook.encoder import TextEncoder, TransformerEncoder
from workbook.encoder import load as load_encoder
from workbook.metrics import bootstrap_ci
from workbook.metrics.leaderboard import shared_ranks
from workbook.pretraining import span_pairs
from workbook.recipes import Recipe, Sources, instructed, run_recipe, stage_steps, started_from, without
from workbook.recipes.families import RECIPES
from workbook.support import machine
from workbook.support.files import write_json
from workbook.train import fit_vectors

ENCODER = chapter_11.ENCODER
COLLECTIONS = chapter_11.COLLECTIONS
RECORD = Path(__file__).parent / "records/recipe_stages.json"
FULL, PROMPT, BACKBONE = "all stages", "prompt", "backbone"
TUNING_SEED = chapter_11.TUNING_SEED
NOISE = 0.3  # share of the weak queries that name a wrong passage
MOST_NEGATIVES = 2
TASKS = {
    "queries": "Given a query, retrieve a text that may answer it",
    "spans": "Given a part of a text, retrieve another part of the same text",
    "judged": "Given a search query, retrieve relevant passages that answer it",
}


class Size(NamedTuple):
    """How much is trained and searched; `world` is the budget of `chapter_11.world`."""

    steps: int
    batch_size: int
    lrs: tuple[float, ...]
    max_length: int
    weak: int
    labelled: int
    searched: tuple[int, int]  # dev or test queries, and the passages among which they search
    world: str
    read_steps: int  # on bare texts, where a family does not read the mean
    teacher_steps: int  # of the cross-encoder that teaches E5


SIZES = {
    "notebook": Size(4, 8, (3e-4,), 24, 16, 16, (20, 60), "notebook", 2, 2),
    "record": Size(30, 24, (3e-4, 1e-3), 40, 400, 240, (250, 400), "record", 300, 120),
}


@cache
def data(collection: str, budget: str, seed: int) -> Sources:
    """Texts, weak and labelled pairs of one collection; no evaluation text is among them (`chapter_11.world`)."""
    size = SIZES[budget]
    pairs = chapter_11.labelled_pairs(collection, size.weak + size.labelled, seed, size.world)
    labelled, weak = pairs[: size.labelled], chapter_11.with_noise(pairs[size.labelled :], NOISE, seed)
    texts = list(dict.fromkeys(passage for _, passage in pairs))
    sources = {"queries": [(q, p) for q, p in weak], "spans": span_pairs(texts, seed)}
    return Sources(texts, sources, {"judged": [(q, p) for q, p in labelled]}, TASKS)


def capped(recipe: Recipe) -> Recipe:
    """A family with no more than MOST_NEGATIVES beside a pair, which is how it is run here and drawn."""
    stages = (replace(stage, num_negatives=min(stage.num_negatives, MOST_NEGATIVES)) for stage in recipe.stages)
    return replace(recipe, stages=tuple(stages))


def miniature(recipe: Recipe, lr: float, budget: str) -> Recipe:
    """The same at the budget's batch and one learning rate; the backbone is there, so its stage is not."""
    small = capped(without(recipe, BACKBONE) if BACKBONE in [stage.name for stage in recipe.stages] else recipe)
    size = SIZES[budget]
    return replace(small, stages=tuple(replace(s, lr=lr, batch_size=size.batch_size) for s in small.stages))


def removable(recipe: Recipe) -> list[str]:
    """What can be taken out of a family: each of its stages, and its prompts where it has some."""
    return [*(stage.name for stage in recipe.stages), *([PROMPT] if recipe.query_prompt else [])]


@cache
def read_at(recipe_name: str, collection: str, budget: str) -> TextEncoder:
    """`ENCODER` with the vector of a text where the family reads it: taught on bare texts to have its mean vector there.

    Read at its first token, or from left to right, it would say nothing: it was made for the mean of all tokens, and no
    family starts from a backbone that was made for another pooling. It is not to be trained on: `copy.deepcopy` it.
    """
    size, recipe, original = SIZES[budget], RECIPES[recipe_name](), load_encoder(ENCODER)
    encoder = started_from(recipe, original, size.max_length)
    if recipe.pooling != "mean":
        queries = [query for query, _ in chapter_11.pool(collection, size.world)]
        texts = [*chapter_11.shelf(collection, size.world), *queries]
        original.max_length = size.max_length
        with quick_attention() if budget == "record" else nullcontext():
            fit_vectors(
                encoder, texts, torch.from_numpy(original.encode(texts)), steps=size.read_steps, batch_size=32, lr=1e-3,
                dtype=torch.bfloat16 if budget == "record" else None, show=False,
            )  # fmt: skip
    return encoder.eval()


def start(recipe: Recipe, collection: str, seed: int, budget: str, fresh: bool = False) -> TextEncoder:
    """Where a family begins: at `read_at`, or at fresh weights of its shape."""
    encoder = copy.deepcopy(read_at(recipe.name, collection, budget))
    if fresh:
        assert isinstance(encoder.backbone, TransformerEncoder)
        torch.manual_seed(seed)
        encoder.backbone = TransformerEncoder(**encoder.backbone.config)
    return encoder


def train(recipe: Recipe, encoder: TextEncoder, collection: str, steps: int, seed: int, budget: str) -> TextEncoder:
    """Through all stages of a recipe, in place; the teacher of a collection is that of claim 31, after fewer steps."""
    dtype = torch.bfloat16 if budget == "record" else None
    taught = any(stage.taught_by == "cross-encoder" for stage in recipe.stages if stage.kind == "distillation")
    teacher = chapter_11.teacher(collection, SIZES[budget].world, SIZES[budget].teacher_steps) if taught else None
    with quick_attention() if budget == "record" else nullcontext():
        run_recipe(
            recipe, data(collection, budget, seed), steps, seed=seed, encoder=encoder, teacher=teacher, dtype=dtype
        )
    return encoder.eval()


def measured(encoder: TextEncoder, collection: str, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query (Q,), of dev queries with TUNING_SEED, else of test queries."""
    at = chapter_11.world(collection, SIZES[budget].world)
    docs = at.dev if seed == TUNING_SEED else at.test
    return per_query(encoder, docs.sample(*SIZES[budget].searched))


@kept
def result(family: str, out: str, collection: str, lr: float, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query after a family's training, with something taken out or FULL."""
    recipe = RECIPES[family]()
    recipe = instructed(recipe, "none") if out == PROMPT else recipe
    small = miniature(recipe, lr, budget)
    if out not in (FULL, PROMPT, BACKBONE):
        small = without(small, out)
    encoder = start(small, collection, seed, budget, fresh=out == BACKBONE)
    return measured(train(small, encoder, collection, SIZES[budget].steps, seed, budget), collection, seed, budget)


def tuned_lr(family: str, collection: str, budget: str) -> float:
    """The learning rate that dev queries prefer for a family with all its stages."""
    lrs = SIZES[budget].lrs
    if len(lrs) == 1:
        return lrs[0]
    return max(lrs, key=lambda lr: float(result(family, FULL, collection, lr, TUNING_SEED, budget).mean()))


def families(collection: str, budget: str, seeds: Sequence[int], names: Sequence[str] = tuple(RECIPES)) -> Measurements:
    """Each family whole and with each part taken out, and the leaderboard of the whole ones."""
    found: Measurements = {}
    whole: dict[str, np.ndarray] = {}
    for name in names:
        lr, outs = tuned_lr(name, collection, budget), removable(RECIPES[name]())
        rows = {out: np.array([result(name, out, collection, lr, s, budget) for s in seeds]) for out in (FULL, *outs)}
        whole[name] = rows[FULL].mean(axis=0)
        found[name] = {
            "lr": lr,
            "start": round(float(measured(read_at(name, collection, budget), collection, seeds[0], budget).mean()), 4),
            METRIC: {out: values.mean(axis=1).round(4).tolist() for out, values in rows.items()},
            "interval": [round(float(x), 4) for x in bootstrap_ci(whole[name])],
            "without": {out: difference(rows[out], rows[FULL]) for out in outs},
        }
    ranks = shared_ranks(whole)
    return {"families": found, "leaderboard": dict(sorted(ranks.items(), key=lambda each: -whole[each[0]].mean()))}


def orders(collection: str, budget: str, seeds: Sequence[int]) -> Measurements:
    """BGE's three stages in each of the six orders: mean nDCG@10 of each seed before the first and after each stage."""
    lr = tuned_lr("bge", collection, budget)
    recipe = miniature(RECIPES["bge"](), lr, budget)
    at_start = [
        float(measured(start(recipe, collection, s, budget), collection, s, budget).mean()) for s in seeds[:1]
    ] * len(seeds)
    counts = dict(zip(recipe.stages, stage_steps([s.share for s in recipe.stages], SIZES[budget].steps), strict=True))
    after: dict[tuple[str, ...], dict[int, tuple[TextEncoder, float]]] = {}
    lines: Measurements = {}
    for order in itertools.permutations(recipe.stages):
        names = tuple(stage.name for stage in order)
        for number, stage in enumerate(order, start=1):
            for seed in seeds if names[:number] not in after else ():  # two orders share their first stage
                before = after[names[: number - 1]][seed][0] if number > 1 else start(recipe, collection, seed, budget)
                encoder = copy.deepcopy(before)
                train(replace(recipe, stages=(stage,)), encoder, collection, counts[stage], seed, budget)
                score = float(measured(encoder, collection, seed, budget).mean())
                after.setdefault(names[:number], {})[seed] = (encoder, score)
        reached = [[after[names[:n]][seed][1] for n in (1, 2, 3)] for seed in seeds]
        lines[" → ".join(names)] = [
            [round(x, 4) for x in (first, *scores)] for first, scores in zip(at_start, reached, strict=True)
        ]
    return lines


def measure(budget: str = "record", seeds: tuple[int, ...] = SEEDS) -> Measurements:
    """All of it: by collection the families, their leaderboard, and the orders."""
    return {c: {**families(c, budget, seeds), "orders": orders(c, budget, seeds)} for c in COLLECTIONS}


def read() -> Measurements:
    """The committed record: collection -> "families", "leaderboard" and "orders"."""
    found: Measurements = json.loads(RECORD.read_text("utf-8"))["measurements"]
    return found


def record() -> Path:
    """Measure at the record's budget, and write down what came out and under which conditions."""
    began = time.perf_counter()
    with arms("recipe_stages") as before:  # what was stopped goes on
        found = measure()
    size: Any = SIZES["record"]
    write_json(
        RECORD,
        {
            "measurements": found, "size": size._asdict(), "seeds": list(SEEDS), "start": ENCODER,
            "seconds": round(time.perf_counter() - began + before.seconds, 1),
            "command": "python -m workbook.claims.recipe_stages",
            **machine.describe(),
        },
    )  # fmt: skip
    return RECORD


if __name__ == "__main__":
    print(record())
