"""Which stage earned the score? Every family in miniature, with each of its stages taken out, and BGE's stages in all orders.

One budget of steps for all: when a stage is taken out, the others share its steps. All begin at `ENCODER`, which stands for
the backbone that a family starts from; where a family does not read the mean, it has first been taught on bare texts to say
the same at the token that is read. Without its backbone a family begins at fresh weights of the same shape. Weak pairs
are spans of passages, and queries of which a share names a wrong passage; labelled pairs are few and clean. Each family,
each family without a part, and each order has a factor of its own for the learning rates of its stages, chosen on dev queries;
test queries are measured. What a family gains over where it began decides its place. Differences have 99 % intervals, for there are many. E5's teacher is not public, and no cross-encoder
of this size reads better than its student (claim 31): its last stage has hard labels here, with the same mined negatives.

    python -m workbook.claims.recipe_stages        measures all this anew, in about two hours on one core
"""

import copy
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from workbook.claims import chapter_11
from workbook.claims.claim import Measurements
from workbook.claims.kept import arms, kept
from workbook.claims.measuring import METRIC, difference, level, quickly, tuned
from workbook.claims.record import SEEDS
from workbook.encoder import TextEncoder, TransformerEncoder
from workbook.encoder import load as load_encoder
from workbook.metrics.leaderboard import shared_ranks
from workbook.pretraining import span_pairs
from workbook.recipes import Recipe, Sources, TrainingStage, instructed, run_recipe, stage_steps, started_from, without
from workbook.recipes.families import RECIPES
from workbook.support import machine
from workbook.support.files import write_json
from workbook.train import fit_vectors

ENCODER = chapter_11.ENCODER
COLLECTIONS = chapter_11.COLLECTIONS  # all families are run whole on both, and taken apart on the first
RECORD = Path(__file__).parent / "records/recipe_stages.json"
FULL, PROMPT = "all stages", "prompt"
NOISE = 0.1  # share of the weak queries that name a wrong passage
MOST_NEGATIVES = 2
CONFIDENCE = 0.99  # of a difference: some thirty are drawn beside each other
TASKS = {
    "queries": "Given a query, retrieve a text that may answer it",
    "spans": "Given a part of a text, retrieve another part of the same text",
    "judged": "Given a search query, retrieve relevant passages that answer it",
}


class Size(NamedTuple):
    """How much is trained and searched; `world` is the budget of `chapter_11.world`."""

    steps: int
    batch_size: int
    factors: tuple[float, ...]  # of the families' own learning rates
    max_length: int
    weak: int
    labelled: int
    world: str
    read_steps: int  # on bare texts, where a family does not read the mean


SIZES = {
    "notebook": Size(4, 8, (0.3,), 24, 16, 16, "notebook", 2),
    "record": Size(36, 24, (0.03, 0.1, 0.3, 1.0), 64, 400, 240, "record", 300),
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


def miniature(recipe: Recipe, factor: float, budget: str) -> Recipe:
    """The same at the budget's batch and lower learning rates; what the authors took over is there, so its stage is not."""
    taken, size = backbone_of(recipe), SIZES[budget]
    small = capped(without(recipe, taken) if taken else recipe)
    stages = (replace(untaught(stage), lr=factor * stage.lr, batch_size=size.batch_size) for stage in small.stages)
    return replace(small, stages=tuple(stages))


def untaught(stage: TrainingStage) -> TrainingStage:
    """A stage after a cross-encoder with hard labels instead: there is none here that could teach."""
    by_reading = stage.kind == "distillation" and stage.taught_by == "cross-encoder"
    return replace(stage, kind="contrastive") if by_reading else stage


def backbone_of(recipe: Recipe) -> str:
    """The stage that the authors did not train themselves, for which `ENCODER` stands; "" where they did."""
    return next((stage.name for stage in recipe.stages if stage.published.taken_over), "")


def removable(recipe: Recipe) -> list[str]:
    """What can be taken out of a family: its stages, but for one that would leave nothing to train, and its prompts."""
    names, backbone = [stage.name for stage in recipe.stages], backbone_of(recipe)
    trained = [name for name in names if name != backbone]
    return [*(name for name in names if trained != [name]), *([PROMPT] if recipe.query_prompt else [])]


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
        with quickly(budget == "record") as dtype:
            vectors = torch.from_numpy(original.encode(texts))
            fit_vectors(encoder, texts, vectors, size.read_steps, batch_size=32, lr=1e-3, dtype=dtype, show=False)
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
    """Through all stages of a recipe, in place."""
    given = data(collection, budget, seed)
    with quickly(budget == "record") as dtype:
        _, histories = run_recipe(recipe, given, steps, seed=seed, encoder=encoder, dtype=dtype)
    assert sum(map(len, histories.values())) == steps
    return encoder.eval()


def unprompted(encoder: TextEncoder) -> TextEncoder:
    """The same without its prompts, in place: before training it has met none."""
    encoder.query_prompt = encoder.document_prompt = ""
    return encoder


def measured(encoder: TextEncoder, collection: str, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query (Q,), of dev queries with TUNING_SEED, else of test queries."""
    return chapter_11.measured(encoder, collection, seed, SIZES[budget].world)


@kept
def result(family: str, out: str, collection: str, budget: str, factor: float, seed: int) -> np.ndarray:
    """nDCG@10 of each query after a family's training, with something taken out or FULL."""
    recipe = RECIPES[family]()
    recipe = instructed(recipe, "none") if out == PROMPT else recipe
    small, backbone = miniature(recipe, factor, budget), backbone_of(recipe)
    if out not in (FULL, PROMPT, backbone):
        small = without(small, out)
    encoder = start(small, collection, seed, budget, fresh=out == backbone)
    return measured(train(small, encoder, collection, SIZES[budget].steps, seed, budget), collection, seed, budget)


def families(
    collection: str, budget: str, seeds: Sequence[int], apart: bool = True, names: Sequence[str] = tuple(RECIPES)
) -> Measurements:
    """Each family whole and, where they are taken apart, without each of its parts; and the leaderboard of what the whole ones gain over their starts."""
    found: Measurements = {}
    gains: dict[str, np.ndarray] = {}
    for name in names:
        outs = removable(RECIPES[name]()) if apart else []
        arms_of = {
            out: tuned(partial(result, name, out, collection, budget), seeds, factors_of(name, out, budget))
            for out in (FULL, *outs)
        }
        rows = {out: values for out, (values, _) in arms_of.items()}
        whole, encoder = rows[FULL], unprompted(copy.deepcopy(read_at(name, collection, budget)))
        at_start = measured(encoder, collection, seeds[0], budget)[None]
        gains[name] = whole - at_start
        found[name] = {
            "factor": {out: factor for out, (_, factor) in arms_of.items()},
            "start": chapter_11.means(at_start)[0],
            METRIC: {out: values.mean(axis=1).round(4).tolist() for out, values in rows.items()},
            "interval": level(whole),
            "gain": level(gains[name], CONFIDENCE),
            "without": {out: difference(rows[out], whole, CONFIDENCE) for out in outs},
        }
    ranks = shared_ranks(gains, lambda above, below: difference(above, below, CONFIDENCE)[1] > 0)
    return {"families": found, "leaderboard": dict(sorted(ranks.items(), key=lambda each: -gains[each[0]].mean()))}


def factors_of(name: str, out: str, budget: str) -> tuple[float, ...]:
    """What the learning rates of an arm are multiplied with; fresh weights want higher ones than weights that have read."""
    fresh = out == backbone_of(RECIPES[name]())
    return (*SIZES[budget].factors, *((3.0,) if fresh and budget == "record" else ()))


@kept
def one_order(names: tuple[str, ...], collection: str, budget: str, factor: float, seed: int) -> np.ndarray:
    """nDCG@10 of each query before BGE's stages in this order and after each of them: (1 + stages, queries).

    Without its prompt: where labelled pairs come first, weak ones would unlearn it, and the order would be blamed.
    """
    recipe = miniature(instructed(RECIPES["bge"](), "none"), factor, budget)
    stages = {stage.name: stage for stage in recipe.stages}
    counts = dict(zip(stages, stage_steps([s.share for s in recipe.stages], SIZES[budget].steps), strict=True))
    encoder = start(recipe, collection, seed, budget)
    found = [measured(encoder, collection, seed, budget)]
    for name in names:
        alone = replace(recipe, stages=(replace(stages[name], share=1.0),))
        train(alone, encoder, collection, counts[name], seed, budget)
        found.append(measured(encoder, collection, seed, budget))
    return np.array(found)


def orders(collection: str, budget: str, seeds: Sequence[int]) -> Measurements:
    """BGE's three stages in each of the six orders: mean nDCG@10 of each seed before the first and after each stage.

    "minus the published order" is what each other order ends ahead.
    """
    published = tuple(stage.name for stage in miniature(RECIPES["bge"](), 1.0, budget).stages)
    every = {
        order: tuned(partial(one_order, order, collection, budget), seeds, SIZES[budget].factors)
        for order in itertools.permutations(published)
    }
    ends = {order: rows[:, -1] for order, (rows, _) in every.items()}
    return {
        "lines": {" → ".join(order): rows.mean(axis=-1).round(4).tolist() for order, (rows, _) in every.items()},
        "factor": {" → ".join(order): factor for order, (_, factor) in every.items()},
        "minus the published order": {
            " → ".join(order): difference(rows, ends[published], CONFIDENCE)
            for order, rows in ends.items()
            if order != published
        },
    }


def measure(budget: str = "record", seeds: tuple[int, ...] = SEEDS) -> Measurements:
    """All of it: by collection the families, their leaderboard, and the orders, which are those of the first alone."""
    first, *others = COLLECTIONS
    whole = {c: families(c, budget, seeds, apart=False) for c in others}
    return {first: {**families(first, budget, seeds), "orders": orders(first, budget, seeds)}, **whole}


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
