"""Claims 16, 17 and 71: one tower or two, and words that are put before a text.

Every arm gets the same tuning: two learning rates, one run each with a seed of its own, judged on half of the dev
queries. The other half decides. Transformers start from `base/start`, which has never seen a pair.
"""

import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from workbook.claims import measuring
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.measuring import TUNING_SEED, difference, signed, visible
from workbook.data import Collection, load
from workbook.encoder import Dense, DualEncoder, StaticEncoder, TextEncoder
from workbook.encoder import load as load_encoder
from workbook.metrics import evaluate
from workbook.similarity import dense_search
from workbook.support.types import Encoder

METRICS = ("ndcg@10", "recall@10")
PAIRS = 8_000  # of a collection, at most
DIM = 128  # of a static encoder


class Size(NamedTuple):
    """How much is trained and searched."""

    steps: int
    batch_size: int
    lrs: tuple[float, ...]
    max_length: int
    queries: int
    passages: int


SIZES = {
    ("static", "notebook"): Size(6, 64, (0.02,), 64, 60, 200),
    ("static", "record"): Size(120, 128, (0.005, 0.02), 64, 500, 2_000),
    ("transformer", "notebook"): Size(2, 8, (2e-4,), 16, 20, 40),
    ("transformer", "record"): Size(24, 32, (1e-4, 3e-4), 48, 400, 1_000),
}


@cache
def dev(collection: str, queries: int, passages: int) -> Collection:
    """Dev queries, against their own passages and as many others as make `passages`."""
    return load(collection).split("dev").sample(queries, passages)


@cache
def _token_ids(texts: tuple[str, ...], max_length: int, special: bool) -> list[list[int]]:
    encoder = TextEncoder(load_encoder("base/start").tokenizer, nn.Identity(), max_length=max_length)
    encoder.add_special_tokens = special
    return encoder.token_ids(texts)


class _Encoder(TextEncoder):
    """A text encoder with the pieces of `base/start` that cuts the same list of texts into tokens once, for all runs."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return _token_ids(tuple(texts), self.max_length, self.add_special_tokens)


def per_query(encoder: Encoder, docs: Collection) -> np.ndarray:
    """nDCG@10 and Recall@10 of each query: (2, Q)."""
    run = dense_search(encoder, docs.corpus, docs.queries, k=10)
    values = evaluate(docs.qrels, run, METRICS, per_query=True)
    return np.array([list(values[metric].values()) for metric in METRICS])


def train(encoder: nn.Module, kind: str, collection: str, size: Size, lr: float, seed: int, steps: int) -> None:
    """Steps of InfoNCE at temperature 0.05; a transformer in bfloat16."""
    pairs = load(collection).pairs("train")[:PAIRS]
    quick = kind == "transformer"
    measuring.train(encoder, pairs, quick=quick, steps=steps, batch_size=size.batch_size, lr=lr, seed=seed)


# --- claim 16 --------------------------------------------------------------------------------

SHARED, ONE_START, TWO_STARTS = "one shared tower", "two towers, one start", "two towers, different starts"
HEADS, STATIC_QUERIES = "one trunk, two heads", "static queries, transformer documents"
ARMS = {"static": (SHARED, ONE_START, TWO_STARTS, HEADS), "transformer": (SHARED, ONE_START, HEADS, STATIC_QUERIES)}
COLLECTIONS = {"static": ("pydocs", "pydocs-code", "planted"), "transformer": ("pydocs", "pydocs-code")}
EQUAL = {"static": ("steps", "time"), "transformer": ("time",)}


def one_tower(kind: str, seed: int, max_length: int, layers: tuple[nn.Module, ...] = ()) -> TextEncoder:
    """A static encoder with fresh words, or `base/start`, whatever the seed."""
    start = load_encoder("base/start")
    torch.manual_seed(seed)
    backbone = start.backbone if kind == "transformer" else StaticEncoder(start.tokenizer.get_vocab_size(), DIM)
    return _Encoder(start.tokenizer, backbone, max_length=max_length, layers=layers)


def static_queries(max_length: int) -> TextEncoder:
    """A static encoder in which each word has the vector that `base/start` gives it when it stands alone."""
    start = load_encoder("base/start")
    with torch.no_grad():
        alone = start.encode([start.tokenizer.decode([v]) for v in range(start.tokenizer.get_vocab_size())])
    backbone = StaticEncoder(*alone.shape)
    backbone.word.weight.data.copy_(torch.from_numpy(alone))
    return _Encoder(start.tokenizer, backbone, max_length=max_length)


def same_head(size: int) -> nn.Module:
    """A linear layer that starts by changing nothing."""
    head = Dense(size, size, bias=False, activation="Identity")
    nn.init.eye_(head.linear.weight)
    return head


def new_towers(kind: str, arm: str, seed: int, max_length: int) -> DualEncoder:
    """The towers of an arm before training."""
    tower = one_tower(kind, seed, max_length)
    if arm == SHARED:
        return DualEncoder(tower)
    if arm == STATIC_QUERIES:
        return DualEncoder(static_queries(max_length), tower)
    if arm == HEADS:
        heads = [same_head(tower.full_size) for _ in range(2)]
        return DualEncoder(
            *(_Encoder(tower.tokenizer, tower.backbone, max_length=max_length, layers=[h]) for h in heads)
        )
    return DualEncoder(tower, one_tower(kind, seed + (1_000 if arm == TWO_STARTS else 0), max_length))


class Trained(NamedTuple):
    """What came of one run: nDCG@10 and Recall@10 by query (2, Q), and the mean cosine of a passage's two vectors."""

    quality: np.ndarray
    own_cosine: float


@cache
def trained_towers(kind: str, arm: str, collection: str, steps: int, lr: float, seed: int, budget: str) -> Trained:
    """One run of claim 16."""
    size = SIZES[kind, budget]
    docs = dev(collection, size.queries, size.passages)
    towers = new_towers(kind, arm, seed, size.max_length)
    train(towers, kind, collection, size, lr, seed, steps)
    some = list(docs.corpus.values())[:100]
    own = (towers.encode_query(some) * towers.encode_document(some)).sum(axis=1).mean()
    return Trained(per_query(towers, docs), float(own))


@cache
def seconds_a_step(kind: str, arm: str, collection: str, budget: str) -> float:
    """Processor time of one step, the median of some."""
    ends: list[float] = []
    size = SIZES[kind, budget]
    towers = new_towers(kind, arm, 0, size.max_length)
    measuring.train(
        towers, load(collection).pairs("train")[:PAIRS], quick=kind == "transformer", steps=13, batch_size=size.batch_size,
        lr=size.lrs[0], on_step=lambda _: ends.append(time.process_time()),
    )  # fmt: skip
    return float(np.median(np.diff(ends)))


def measure_towers(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 of each arm in each setting, its difference from one shared tower, and what its towers make of one text."""
    settings: dict[str, Measurements] = {}
    for kind, arms in ARMS.items():
        size = SIZES[kind, budget]
        for collection in COLLECTIONS[kind]:
            seconds = {arm: seconds_a_step(kind, arm, collection, budget) for arm in arms}
            for what in EQUAL[kind]:
                steps = {arm: max(1, round(size.steps * seconds[SHARED] / seconds[arm])) for arm in arms}
                steps = steps if what == "time" else dict.fromkeys(arms, size.steps)
                settings[f"{kind}, {collection}, equal {what}"] = _setting(kind, collection, steps, budget, seeds) | {
                    "milliseconds a step": {arm: round(1000 * s, 1) for arm, s in seconds.items()}
                }
    return {"settings": settings}


def _setting(kind: str, collection: str, steps: dict[str, int], budget: str, seeds: tuple[int, ...]) -> Measurements:
    rows, lrs, own = {}, {}, {}
    for arm, n in steps.items():
        tries = {
            lr: trained_towers(kind, arm, collection, n, lr, TUNING_SEED, budget).quality[0, ::2].mean()
            for lr in SIZES[kind, budget].lrs
        }
        lrs[arm] = max(tries, key=lambda lr: tries[lr])
        runs = [trained_towers(kind, arm, collection, n, lrs[arm], seed, budget) for seed in seeds]
        rows[arm] = np.array([run.quality[:, 1::2] for run in runs])  # (seeds, 2, queries)
        own[arm] = [round(run.own_cosine, 3) for run in runs]
    return {
        "steps": steps,
        "lr": lrs,
        **{m: {arm: r[:, i].mean(axis=1).round(4).tolist() for arm, r in rows.items()} for i, m in enumerate(METRICS)},
        "minus shared": {arm: difference(r[:, 0], rows[SHARED][:, 0]) for arm, r in rows.items() if arm != SHARED},
        "cosine of a passage's two vectors": own,
    }


def decide_towers(m: Measurements) -> Verdict:
    """In which settings do two towers from one start beat one shared tower?"""
    intervals = {name: s["minus shared"][ONE_START] for name, s in m["settings"].items()}
    wins = [name for name, (_, low, _) in intervals.items() if low > 0]
    losses = [name for name, (_, _, high) in intervals.items() if high < 0]
    verdict = "depends" if not wins else "holds" if 2 * len(wins) <= len(intervals) else "misleading"
    because = (
        f"two towers from one start beat one shared tower in {len(wins)} of {len(intervals)} settings"
        f"{f' ({_several(wins)})' if wins else ''} and lose in {len(losses)}{f' ({_several(losses)})' if losses else ''}; "
        f"nDCG@10 shared and apart: {_several([_two(name, s) for name, s in m['settings'].items()])}; a difference of "
        f"{visible(intervals.values()):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(Interval(name, *each) for name, each in intervals.items()))


def _several(names: Sequence[str]) -> str:
    return "; ".join(names)


def _two(name: str, setting: Measurements) -> str:
    shared, apart = (np.mean(setting[METRICS[0]][arm]) for arm in (SHARED, ONE_START))
    return f"{name} {shared:.3f} · {apart:.3f}"


# --- claims 17 and 71 ------------------------------------------------------------------------

QUERY, DOCUMENT = "query: ", "passage: "
WITH, WITHOUT, EXCHANGED, QUERY_ON_BOTH = "with", "without", "exchanged", "the query's on both"
PROMPTS = {WITH: (QUERY, DOCUMENT), WITHOUT: ("", ""), EXCHANGED: (DOCUMENT, QUERY), QUERY_ON_BOTH: (QUERY, QUERY)}
POOLED, LEFT_OUT = "pooled", "left out"
PROMPTED = ("pydocs", "planted")


@cache
def prompted(collection: str, prompts: str, pooling: str, lr: float, seed: int, budget: str) -> TextEncoder:
    """`base/start` after training with some prompts, their tokens pooled or left out."""
    size = SIZES["transformer", budget]
    encoder = one_tower("transformer", seed, size.max_length)
    _say(encoder, prompts, pooling)
    train(encoder, "transformer", collection, size, lr, seed, size.steps)
    return encoder


def _say(encoder: TextEncoder, prompts: str, pooling: str) -> None:
    encoder.query_prompt, encoder.document_prompt = PROMPTS[prompts]
    encoder.include_prompt = pooling == POOLED


@cache
def tuned_lr(collection: str, prompts: str, pooling: str, budget: str) -> float:
    """The better learning rate, searched as trained, on the tuning half."""
    size = SIZES["transformer", budget]
    docs = dev(collection, size.queries, size.passages)
    tries = {
        lr: per_query(prompted(collection, prompts, pooling, lr, TUNING_SEED, budget), docs)[0, ::2].mean()
        for lr in size.lrs
    }
    return max(tries, key=lambda lr: tries[lr])


class Cell(NamedTuple):
    """How it was trained and how it is searched."""

    trained: str
    searched: str
    trained_pooling: str = POOLED
    searched_pooling: str = POOLED


@cache
def cell(collection: str, how: Cell, seeds: tuple[int, ...], budget: str) -> np.ndarray:
    """nDCG@10 and Recall@10 of the deciding half: (seeds, 2, queries)."""
    size = SIZES["transformer", budget]
    lr, rows = tuned_lr(collection, how.trained, how.trained_pooling, budget), []
    for seed in seeds:
        encoder = prompted(collection, how.trained, how.trained_pooling, lr, seed, budget)
        _say(encoder, how.searched, how.searched_pooling)
        rows.append(per_query(encoder, dev(collection, size.queries, size.passages))[:, 1::2])
    return np.array(rows)


def _cells(
    collection: str, cells: dict[str, Cell], minus: dict[str, tuple[str, str]], budget: str, seeds: tuple[int, ...]
) -> Measurements:
    rows = {name: cell(collection, how, seeds, budget) for name, how in cells.items()}
    return {
        "lr": {name: tuned_lr(collection, how.trained, how.trained_pooling, budget) for name, how in cells.items()},
        **{
            m: {name: r[:, i].mean(axis=1).round(4).tolist() for name, r in rows.items()} for i, m in enumerate(METRICS)
        },
        "differences": {name: difference(rows[a][:, 0], rows[b][:, 0]) for name, (a, b) in minus.items()},
    }


FOUR_WAYS = {f"trained {a}, searched {b}": Cell(a, b) for a in (WITHOUT, WITH) for b in (WITHOUT, WITH)} | {
    f"trained {WITH}, searched {b}": Cell(WITH, b) for b in (EXCHANGED, QUERY_ON_BOTH)
}
_MATCHED = f"trained {WITH}, searched {WITH}"
WORTH = {
    "prompts, in training and search": (_MATCHED, f"trained {WITHOUT}, searched {WITHOUT}"),
    "not forgotten at search": (_MATCHED, f"trained {WITH}, searched {WITHOUT}"),
    "not exchanged at search": (_MATCHED, f"trained {WITH}, searched {EXCHANGED}"),
    "not the query's on both": (_MATCHED, f"trained {WITH}, searched {QUERY_ON_BOTH}"),
    "not added at search alone": (f"trained {WITHOUT}, searched {WITHOUT}", f"trained {WITHOUT}, searched {WITH}"),
}
ASKED = tuple(WORTH)[:3]  # what the rule looks at


def measure_prompts(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The four-way table of prompts in training and at search, with the two exchanged, and what each match is worth."""
    return {"collections": {name: _cells(name, FOUR_WAYS, WORTH, budget, seeds) for name in PROMPTED}}


def decide_prompts(m: Measurements) -> Verdict:
    """Are prompts worth something, and does a mismatch cost, on every collection?"""
    worth = {(name, what): c["differences"][what] for name, c in m["collections"].items() for what in ASKED}
    above = [low > 0 for _, low, _ in worth.values()]
    verdict = "holds" if all(above) else "depends" if any(above) else "misleading"
    because = "nDCG@10. " + "; ".join(
        f"{name}: " + ", ".join(f"{what} {signed(row)}" for what, row in rows)
        for name, rows in ((n, [(w, c["differences"][w]) for w in ASKED]) for n, c in m["collections"].items())
    )
    because += f"; a difference of {visible(worth.values()):.3f} would have been seen"
    return Verdict(verdict, because, tuple(Interval(f"{n}: {w}", *each) for (n, w), each in worth.items()))


POOLINGS = {
    f"trained {a}, searched {b}": Cell(WITH, WITH, a, b) for a in (POOLED, LEFT_OUT) for b in (POOLED, LEFT_OUT)
}
OUT = "left out, in training and search"
OF_POOLING = {
    OUT: (f"trained {LEFT_OUT}, searched {LEFT_OUT}", f"trained {POOLED}, searched {POOLED}"),
    "left out at search alone": (f"trained {POOLED}, searched {LEFT_OUT}", f"trained {POOLED}, searched {POOLED}"),
    "left out in training alone": (f"trained {LEFT_OUT}, searched {POOLED}", f"trained {POOLED}, searched {POOLED}"),
}


def measure_pooling(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Prompts read by the transformer in any case; their tokens pooled or left out, in training and at search."""
    return {"collections": {name: _cells(name, POOLINGS, OF_POOLING, budget, seeds) for name in PROMPTED}}


def decide_pooling(m: Measurements) -> Verdict:
    """Is leaving them out better, on every collection?"""
    found = {name: c["differences"][OUT] for name, c in m["collections"].items()}
    above = [low > 0 for _, low, _ in found.values()]
    verdict = "holds" if all(above) else "depends" if any(above) else "misleading"
    parts = []
    for name, c in m["collections"].items():
        value, low, high = found[name]
        alone = c["differences"]["left out at search alone"][0]
        parts.append(f"{name} {value:+.3f} [{low:+.3f}, {high:+.3f}], at search alone {alone:+.3f}")
    because = f"nDCG@10 by leaving the prompt's tokens out of pooling: {'; '.join(parts)}; a difference of "
    because += f"{visible(found.values()):.3f} would have been seen"
    return Verdict(verdict, because, tuple(Interval(name, *each) for name, each in found.items()))


CLAIMS = (
    Claim(
        id=16,
        chapter="06",
        statement="Shared towers work well in practice; separate towers sometimes better: when?",
        rule=(
            "a setting is an encoder (static, transformer), a collection, and what is equal (steps, processor time), each arm at its "
            "own learning rate. Two towers from one start are compared with one shared tower: holds when they beat it in nDCG@10 with "
            "an interval above 0 in at least one setting and in at most half of them, misleading when in more than half, depends when "
            "in none"
        ),
        measure=measure_towers,
        decide=decide_towers,
    ),
    Claim(
        id=17,
        chapter="06",
        statement="Query and passage prefixes matter, and mismatched prefixes cost.",
        rule=(
            "trained and searched with prompts, nDCG@10 is compared with training and search without; with prompts forgotten at search; "
            "and with the two exchanged at search. Holds when all three intervals lie above 0 on both collections, depends when some "
            "do, misleading when none does"
        ),
        measure=measure_prompts,
        decide=decide_prompts,
    ),
    Claim(
        id=71,
        chapter="06",
        statement="Prompt tokens are better left out of pooling.",
        rule=(
            "of nDCG@10, prompt's tokens left out of pooling in training and search minus pooled in both: holds when the interval lies "
            "above 0 on both collections, depends when on one, misleading when on none"
        ),
        measure=measure_pooling,
        decide=decide_pooling,
    ),
)
