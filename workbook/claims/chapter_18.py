"""Claims 50 to 53 and 69: what a new domain's pairs bring, what they cost elsewhere, and what limits the cost.

All arms of a comparison begin at `base` and take the same number of steps. Two domains are new to it, of which it has read no text:

    near    the documentation of networkx and IPython, which `pydocs` holds out; base has read other packages' documentation
    far     SQuAD's questions and the paragraphs of Wikipedia that they were asked about; base has read nothing of that kind

and two are old, searched together: pydocs' test queries, and those of `planted`, another world than the twelve it was trained
on. Pairs of these that base has been trained on are what is mixed in. Learning rates are chosen on the new domain's dev
queries, with a seed of their own, as many for each arm; test queries decide. No text that is asked or searched there, nor
one nearly like it, is trained on.

    WORKBOOK_PUBLIC=FOLDER python -m workbook claims run 50 51 52 53 69 --record

needs squad_train in that folder, in BEIR's layout; without it the near domain alone is measured, and a record says so. In one
run the claims share their trainings.
"""

import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from workbook.adapt import adapt, add_lora, average_weights, merge, mix_pairs, trained_parameters
from workbook.base.texts import PASSAGES, WORLDS
from workbook.bm25 import BM25
from workbook.claims.chapter_11 import by_sign, intervals, means
from workbook.claims.claim import NOT_SETTLED, Claim, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    best_of,
    difference,
    of_run,
    per_query,
    public,
    quickly,
    sieved,
    signed,
    texts_of,
    train,
    visible,
)
from workbook.data import Collection, load
from workbook.data.planted import planted
from workbook.data.pydocs import HELD_OUT, place_of
from workbook.data.seen import hashes, without_seen
from workbook.encoder import TextEncoder
from workbook.encoder import load as load_encoder
from workbook.encoder.shipped import seen_by
from workbook.metrics import ndcg_by_chance
from workbook.pretraining import span_pairs
from workbook.train import peak_saved_bytes

NEAR, FAR, SQUAD = "near", "far", "squad_train"
SMALL = 0.02  # nDCG@10: the smallest effect that counts as one
MANY = 0.99  # confidence where many intervals stand beside each other
RANK, ALPHA = 8, 16.0
LINEAR = ("query", "key", "value", "attention.output", "expand", "contract")  # all linear layers
SHARES = {NEAR: (0.35, 0.15), FAR: (0.05, 0.05)}  # of a domain's queries that are test and dev; the near one is small
FULL, OLD_ALONE, LOW_RANK = "full", "old pairs alone", "LoRA"
MIXED, LOWER, STOPPED = "mixing", "a third of the rate", "early stopping on two sets"
WEAK, STRONG, STAGED, TOGETHER = "weak alone", "strong alone", "weak, then strong", "both in one"
STAGES = (STRONG, WEAK, STAGED, TOGETHER)
LONGER = "few pairs for as many steps"
REMEDIES = (MIXED, LOWER, STOPPED, LOW_RANK)
LOOKS = 8  # at both sets, where training may be stopped
EPOCHS = 4
AVERAGES = (0.25, 0.5, 0.75)  # share of the adapted weights
HALF = 0.5
LESS_MEMORY = 0.75  # a step of LoRA holds so much of what a full one holds, at most
Rows = list[tuple[str, ...]]


class Size(NamedTuple):
    """How much is trained and searched."""

    steps: tuple[int, int]  # fewest and most: four times through the pairs, within these
    stage_steps: int  # of all arms of claim 53
    batch_size: int
    lrs: tuple[float, ...]
    lora_lrs: tuple[float, ...]
    max_length: int  # tokens of a text
    near: tuple[int, ...]  # pairs, from few to most
    far: tuple[int, ...]
    few: int  # of claims 51 and 53; one of both
    queries: int
    passages: int
    old: tuple[int, int]  # queries and passages of each of two collections


SIZES = {
    "notebook": Size((2, 2), 2, 8, (3e-4,), (3e-3,), 24, (8, 16), (8, 16), 8, 20, 60, (10, 30)),
    "record": Size(
        (32, 256), 64, 32, (1e-4, 3e-4, 1e-3), (1e-3, 3e-3, 1e-2), 48, (32, 128, 384), (32, 128, 512, 2_048, 8_192), 128, 300, 1_000, (150, 500),
    ),
}  # fmt: skip


class World(NamedTuple):
    """A domain: what is searched on dev and on test, and its training pairs."""

    dev: Collection
    test: Collection
    pairs: tuple[tuple[str, str], ...]


# --- texts -----------------------------------------------------------------------------------


def domains(budget: str) -> tuple[str, ...]:
    """Which new domains are measured: the far one needs a public collection, and minutes."""
    return (NEAR, FAR) if budget == "record" and public((SQUAD,)) else (NEAR,)


def own(passage: str) -> bool:
    """Whether a passage of pydocs stands in a package that base has not read."""
    return passage.partition(".")[0] in HELD_OUT


def source(domain: str) -> Collection:
    """All queries and passages of a new domain; each query is asked of a passage of its own."""
    docs = load("pydocs") if domain == NEAR else public((SQUAD,))[SQUAD]
    queries = docs.splits["held_out" if domain == NEAR else "train"]
    corpus = {p: text for p, text in docs.corpus.items() if domain == FAR or own(p)}
    taken: set[str] = set()
    qrels: dict[str, dict[str, int]] = {}
    for query in queries:
        right = {p: 1 for p, grade in docs.qrels[query].items() if grade > 0 and p in corpus}
        if right and not taken & right.keys():
            qrels[query] = right
            taken |= right.keys()
    return replace(
        docs, corpus=corpus, queries={q: docs.queries[q] for q in qrels}, qrels=qrels, splits={"all": tuple(qrels)}
    )


def parts_of(docs: Collection, test: float, dev: float) -> dict[str, list[str]]:
    """Query ids of test, dev and train, dealt by what their right passages say: another version moves nothing across."""
    parts: dict[str, list[str]] = {"test": [], "dev": [], "train": []}
    for query, right in docs.qrels.items():
        place = place_of(docs.corpus[p] for p in right)
        part = "test" if place < test else "dev" if place < test + dev else "train"
        parts[part].append(query)
    return parts


@cache
def world(domain: str, budget: str) -> World:
    """Dev and test queries among passages that are no training query's, and training pairs that repeat none of these."""
    size, docs = SIZES[budget], source(domain)
    parts = parts_of(docs, *SHARES[domain])
    trained = {p for query in parts["train"] for p in docs.qrels[query]}
    searched = replace(
        docs,
        corpus={p: text for p, text in docs.corpus.items() if p not in trained},
        splits={part: tuple(ids) for part, ids in parts.items()},
    )
    dev, test = (unread(searched.split(part).sample(size.queries, size.passages)) for part in ("dev", "test"))
    asked = list(dict.fromkeys(texts_of(dev, test, *(old(part, budget) for part in ("dev", "test")))))
    wanted = 2 * most(domain, budget)  # the sieve drops some
    ids = random.Random(0).sample(parts["train"], min(len(parts["train"]), wanted))
    drawn = [(docs.queries[query], docs.corpus[p]) for query in ids for p in docs.qrels[query]]
    pairs = sieved(drawn, asked)
    return World(dev, test, tuple(pairs))


def unread(docs: Collection) -> Collection:
    """Without the few queries of which base has met a text elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return without_seen(docs, seen_by("base"), "base")


def joined(*parts: Collection) -> Collection:
    """Several collections as one, their ids told apart."""
    return replace(
        parts[0],
        name=" and ".join(part.name for part in parts),
        corpus={f"{i}/{p}": text for i, part in enumerate(parts) for p, text in part.corpus.items()},
        queries={f"{i}/{q}": text for i, part in enumerate(parts) for q, text in part.queries.items()},
        qrels={
            f"{i}/{q}": {f"{i}/{p}": grade for p, grade in judged.items()}
            for i, part in enumerate(parts)
            for q, judged in part.qrels.items()
        },
        splits={},
    )


@cache
def old(split: str, budget: str) -> Collection:
    """What base does well: pydocs and planted, searched as one. No passage of a new domain is among them."""
    size, docs = SIZES[budget], load("pydocs")
    known = replace(docs, corpus={p: text for p, text in docs.corpus.items() if not own(p)})
    made = planted(3_000, unlabelled=1.0, label_noise=0.0).collection()
    return joined(*(each.split(split).sample(*size.old) for each in (known, made)))


@cache
def old_pairs(budget: str) -> tuple[tuple[str, str], ...]:
    """Pairs of old domains whose passages base was trained on, half of them of either kind, as many as the most new ones."""
    size, seen = SIZES[budget], set(seen_by("base").tolist())
    count = max(size.near[-1], size.far[-1]) * 3 // 4  # of either kind; the sieve drops some
    new = [part for domain in domains(budget) for part in (world(domain, budget).dev, world(domain, budget).test)]
    asked = list(dict.fromkeys(texts_of(*new, *(old(part, budget) for part in ("dev", "test")))))
    both = []
    for source_of in (documented(), made()):
        read = (pair for pair in source_of if int(hashes([pair[1]])[0]) in seen)
        both.append(sieved(list(islice(read, count)), asked))
    return tuple(pair for pairs in zip(*both, strict=False) for pair in pairs)


def documented() -> list[tuple[str, str]]:
    """Titles and bodies of pydocs, shuffled."""
    pairs = load("pydocs").pairs("train")
    return random.Random(0).sample(pairs, len(pairs))


def made() -> Iterator[tuple[str, str]]:
    """Questions and answers of the worlds that base was trained on, one world after the other."""
    for seed in WORLDS:
        yield from planted(PASSAGES, seed=seed, unlabelled=1.0, label_noise=0.0).collection().pairs("train")


def own_pairs(domain: str, count: int, seed: int, budget: str) -> Rows:
    """Training pairs of a domain, drawn by the seed; more of them hold the fewer ones."""
    pairs = world(domain, budget).pairs
    return list(random.Random(seed).sample(pairs, len(pairs))[:count])


def counts(domain: str, budget: str) -> tuple[int, ...]:
    """Numbers of pairs, from few to most."""
    return SIZES[budget].near if domain == NEAR else SIZES[budget].far


def most(domain: str, budget: str) -> int:
    """The largest number of pairs."""
    return counts(domain, budget)[-1]


def steps_for(arm: str, domain: str, count: int, budget: str) -> int:
    """How long an arm is trained: arms that are compared with one another have the same number of pairs, and so of steps."""
    size = SIZES[budget]
    if arm in STAGES:
        return size.stage_steps
    pairs, (fewest, highest) = most(domain, budget) if arm == LONGER else count, size.steps
    return min(max(EPOCHS * pairs // size.batch_size, fewest), highest)


# --- trainings -------------------------------------------------------------------------------


def new_encoder(budget: str) -> TextEncoder:
    """The encoder that all start from."""
    encoder = load_encoder("base")
    encoder.max_length = SIZES[budget].max_length
    return encoder


def steps_of(encoder: TextEncoder, rows: Rows, lr: float, seed: int, budget: str, steps: int) -> None:
    """Train in place."""
    train(
        encoder, rows, quick=budget == "record", lr=lr, seed=seed, steps=steps, batch_size=SIZES[budget].batch_size, no_duplicates=True
    )  # fmt: skip


def weak_pairs(domain: str, seed: int, budget: str) -> Rows:
    """Two spans of one passage: what a domain gives that nobody has asked anything yet."""
    return list(span_pairs([passage for _, passage in world(domain, budget).pairs], seed))


def rows_of(arm: str, domain: str, count: int, seed: int, budget: str) -> Rows:
    """What an arm of one stage is trained on."""
    rows, general = own_pairs(domain, count, seed, budget), list(old_pairs(budget))
    if arm == OLD_ALONE:
        return random.Random(seed).sample(general, len(rows))
    if arm == MIXED:
        return mix_pairs(rows, general, HALF, seed)
    if arm == WEAK:
        return weak_pairs(domain, seed, budget)
    if arm == TOGETHER:  # as many rows of the one kind as of the other
        weak = weak_pairs(domain, seed, budget)
        return [of[i % len(of)] for of in (weak, rows) for i in range(max(len(weak), len(rows)))]
    return rows


def trained(arm: str, domain: str, count: int, lr: float, seed: int, budget: str) -> TextEncoder:
    """Base after one of the arms."""
    encoder, steps = new_encoder(budget), steps_for(arm, domain, count, budget)
    rows = rows_of(arm, domain, count, seed, budget)
    if arm == LOW_RANK:
        add_lora(encoder, RANK, ALPHA, LINEAR, seed=seed)
    if arm == STOPPED:
        with quickly(budget == "record") as dtype:
            adapt(
                encoder, rows, world(domain, budget).dev, old("dev", budget), steps, SMALL / 2, dtype=dtype,
                evaluate_every=max(1, steps // LOOKS), patience=LOOKS + 1, lr=lr, seed=seed, batch_size=SIZES[budget].batch_size,
                temperature=0.05, no_duplicates=True, show=False,
            )  # fmt: skip
    elif arm == STAGED:
        steps_of(encoder, weak_pairs(domain, seed, budget), lr, seed, budget, steps // 2)
        steps_of(encoder, rows, lr, seed, budget, steps - steps // 2)
    else:
        steps_of(encoder, rows, lr, seed, budget, steps)
    if arm == LOW_RANK:
        merge(encoder)
    encoder.eval()
    return encoder


def measured(encoder: TextEncoder, domain: str, seed: int, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each query of the new domain and of the old ones: of dev queries with TUNING_SEED, else of test queries."""
    part = "dev" if seed == TUNING_SEED else "test"
    new = getattr(world(domain, budget), part)
    return {"new": per_query(encoder, new), "old": per_query(encoder, old(part, budget))}


@kept
def result(arm: str, domain: str, count: int, lr: float, seed: int, budget: str) -> dict[str, np.ndarray]:
    """`measured` after an arm; of the fully trained one with the most pairs also averaged with base."""
    encoder = trained(arm, domain, count, lr, seed, budget)
    found = measured(encoder, domain, seed, budget)
    if arm == FULL and count == most(domain, budget) and seed != TUNING_SEED:
        before, after = new_encoder(budget).state_dict(), {k: v.clone() for k, v in encoder.state_dict().items()}
        for alpha in AVERAGES:
            encoder.load_state_dict(average_weights(before, after, alpha))
            found |= {f"{alpha} {name}": row for name, row in measured(encoder, domain, seed, budget).items()}
    return found


@kept
def at_start(domain: str, budget: str) -> dict[str, np.ndarray]:
    """The same of base as it is."""
    return measured(new_encoder(budget), domain, 0, budget)


@cache
def rate(arm: str, domain: str, count: int, budget: str) -> float:
    """The learning rate that the new domain's dev queries prefer; two arms take what another has found."""
    size = SIZES[budget]
    if arm in (LOWER, STOPPED):
        lr = rate(FULL, domain, count, budget)
        return float(f"{lr / 3:.1e}") if arm == LOWER else lr
    choices = size.lora_lrs if arm == LOW_RANK else size.lrs
    return best_of(choices, lambda lr: float(result(arm, domain, count, lr, TUNING_SEED, budget)["new"].mean()))


def arm_of(arm: str, domain: str, count: int, budget: str, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """An arm at its rate: (seeds, queries) of the new and of the old domain, and of averages where there are some."""
    lr, trained_as = rate(arm, domain, count, budget), FULL if arm == LOWER else arm
    each = [result(trained_as, domain, count, lr, seed, budget) for seed in seeds]
    return {name: np.array([rows[name] for rows in each]) for name in each[0]}


def start_of(domain: str, budget: str, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Base as it is, (seeds, queries)."""
    return {name: row[None].repeat(len(seeds), axis=0) for name, row in at_start(domain, budget).items()}


def beside(domain: str, budget: str) -> Measurements:
    """What chance and keyword search reach on the same test queries, and how many there are."""
    found: Measurements = {"pairs": len(world(domain, budget).pairs)}
    for name, docs in (("new", world(domain, budget).test), ("old", old("test", budget))):
        words = of_run(BM25().index(docs.corpus).search(docs.queries, k=10), docs)
        found[name] = {
            "queries": len(docs.queries), "passages": len(docs.corpus), "BM25": round(float(words.mean()), 4),
            "chance": round(ndcg_by_chance(docs.qrels, len(docs.corpus)), 4),
            "base": round(float(at_start(domain, budget)[name].mean()), 4),
        }  # fmt: skip
    return found


# --- claim 50: how many pairs ----------------------------------------------------------------


def measure_pairs(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What more and more own pairs gain on the new domain, and what as many old ones do."""
    found: Measurements = {}
    for domain in domains(budget):
        start = start_of(domain, budget, seeds)["new"]
        rows = {count: arm_of(FULL, domain, count, budget, seeds)["new"] for count in counts(domain, budget)}
        last = most(domain, budget)
        general = arm_of(OLD_ALONE, domain, last, budget, seeds)["new"]
        longer = arm_of(LONGER, domain, SIZES[budget].few, budget, seeds)["new"]
        found[domain] = {
            "beside": beside(domain, budget),
            METRIC: {str(count): means(values) for count, values in rows.items()},
            "lr": {str(count): rate(FULL, domain, count, budget) for count in rows},
            "gain": {str(count): difference(values, start) for count, values in rows.items()},
            "gain of old pairs": difference(general, start),
            "gain of few, as long": difference(longer, start),
            "own minus old pairs": difference(rows[last], general),
        }
    return found


def decide_pairs(m: Measurements) -> Verdict:
    """Do the most pairs gain more than a little, and more than as many old ones, in each domain?"""
    helped, excluded, parts = [], [], []
    drawn: dict[str, Sequence[float]] = {}
    for domain, of in m.items():
        gains = {int(count): row for count, row in of["gain"].items()}
        gain, ahead = gains[max(gains)], of["own minus old pairs"]
        helped.append(gain[1] > SMALL and ahead[1] > 0)
        excluded.append(gain[2] < SMALL)
        first = min((count for count, row in gains.items() if row[1] > SMALL), default=None)
        enough = f"{first:,} are enough" if first else "none are enough"
        curve = ", ".join(f"{count:,} {signed(row)}" for count, row in sorted(gains.items()))
        told = of["beside"]["new"]
        parts.append(
            f"{domain}: {curve}; for a gain above {SMALL} {enough}; as many old pairs {signed(of['gain of old pairs'])}, few for as many steps {signed(of['gain of few, as long'])}; base {told['base']:.3f}, BM25 {told['BM25']:.3f}"
        )
        drawn |= {f"{domain}: {count:,} pairs": row for count, row in sorted(gains.items())}
        drawn[f"{domain}: own minus old pairs"] = ahead
    verdict = "holds" if all(helped) else "misleading" if all(excluded) else "depends" if any(helped) else NOT_SETTLED
    because = f"gain in nDCG@10 on the new domain. {'. '.join(parts)}. A difference of {visible(list(drawn.values())):.3f} would have been seen"
    return Verdict(verdict, because, intervals(drawn))


# --- claim 51: LoRA --------------------------------------------------------------------------


def footprint(arm: str, budget: str) -> dict[str, int]:
    """What a training step holds beside the weights: numbers trained, bytes of activations, and of gradients and optimizer."""
    encoder, size = new_encoder(budget), SIZES[budget]
    if arm == LOW_RANK:
        add_lora(encoder, RANK, ALPHA, LINEAR)
    numbers, all_numbers = trained_parameters(encoder)
    rows = own_pairs(NEAR, size.batch_size, 0, budget)
    step = partial(train, encoder, rows, quick=False, steps=1, batch_size=size.batch_size, lr=1e-4)
    activations = peak_saved_bytes(step, encoder)
    return {
        "trained numbers": numbers,
        "all numbers": all_numbers,
        "activations": activations,
        "gradients and optimizer": 3 * 4 * numbers,  # one gradient, two moments, float32 each
    }


def measure_lora(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """LoRA minus full fine-tuning, with few pairs and with the most; and what a step of each holds."""
    found: Measurements = {"domains": {}, "memory": {arm: footprint(arm, budget) for arm in (FULL, LOW_RANK)}}
    for domain in domains(budget):
        found["domains"][domain] = {"lr": {}, METRIC: {}, "LoRA minus full": {}, "gain of full": {}}
        for name, count in (("few", SIZES[budget].few), ("most", most(domain, budget))):
            rows = {arm: arm_of(arm, domain, count, budget, seeds)["new"] for arm in (FULL, LOW_RANK)}
            of = found["domains"][domain]
            of["lr"][name] = {arm: rate(arm, domain, count, budget) for arm in rows}
            of[METRIC][name] = {arm: means(values) for arm, values in rows.items()}
            of["LoRA minus full"][name] = difference(rows[LOW_RANK], rows[FULL])
            of["gain of full"][name] = difference(rows[FULL], start_of(domain, budget, seeds)["new"])
    return found


def decide_lora(m: Measurements) -> Verdict:
    """Is LoRA no more than a little behind with the most pairs, ahead with few, and does it hold a quarter less?"""
    rows = {
        f"{d}: {name}, LoRA minus full": row
        for d, of in m["domains"].items()
        for name, row in of["LoRA minus full"].items()
    }
    many = [row for name, row in rows.items() if ": most" in name]
    few = [row for name, row in rows.items() if ": few" in name]
    held = {arm: of["activations"] + of["gradients and optimizer"] for arm, of in m["memory"].items()}
    close, data = [row[1] > -SMALL for row in many], [row[1] > 0 for row in few]
    memory = held[LOW_RANK] < LESS_MEMORY * held[FULL]
    if all(close) and all(data) and memory:
        verdict = "holds"
    elif all(row[2] < -SMALL for row in many) or held[LOW_RANK] >= held[FULL]:
        verdict = "misleading"
    else:
        verdict = "depends" if any(close) or any(data) else NOT_SETTLED
    numbers = {arm: of["trained numbers"] for arm, of in m["memory"].items()}
    told = "; ".join(f"{name} {signed(row)}" for name, row in rows.items())
    because = (
        f"nDCG@10 on the new domain: {told}. Numbers trained: {numbers[LOW_RANK]:,} of {numbers[FULL]:,}; a step holds "
        f"{held[LOW_RANK] / 1e6:.1f} MB beside the weights instead of {held[FULL] / 1e6:.1f}, of which "
        f"{m['memory'][LOW_RANK]['activations'] / 1e6:.1f} and {m['memory'][FULL]['activations'] / 1e6:.1f} are activations. "
        f"A difference of {visible(list(rows.values())):.3f} would have been seen"
    )
    return Verdict(verdict, because, intervals(rows))


# --- claim 52: forgetting --------------------------------------------------------------------


def halfway(start: np.ndarray, full: np.ndarray) -> np.ndarray:
    """What the straight line between before and after would give in its middle."""
    return (start + full) / 2


def measure_forgetting(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What narrow training costs on old domains, and what four remedies keep there without losing half of the gain."""
    found: Measurements = {}
    for domain in domains(budget):
        count = most(domain, budget)
        start, narrow = start_of(domain, budget, seeds), arm_of(FULL, domain, count, budget, seeds)
        middle = halfway(start["new"], narrow["new"])
        rows = {arm: arm_of(arm, domain, count, budget, seeds) for arm in REMEDIES}
        found[domain] = {
            "beside": beside(domain, budget),
            "lr": {arm: rate(arm, domain, count, budget) for arm in (FULL, *REMEDIES)},
            METRIC: {
                arm: {name: means(values) for name, values in of.items() if name in ("new", "old")}
                for arm, of in {FULL: narrow, **rows}.items()
            },
            "narrow": {name: difference(narrow[name], start[name], MANY) for name in ("new", "old")},
            "kept": {arm: difference(of["old"], narrow["old"], MANY) for arm, of in rows.items()},
            "more than half of the gain": {arm: difference(of["new"], middle, MANY) for arm, of in rows.items()},
        }
    return found


def decide_forgetting(m: Measurements) -> Verdict:
    """Does narrow training lose old domains, and does each remedy keep more of them for less than half of the gain?"""
    loses = {d: of["narrow"]["old"][2] < 0 for d, of in m.items()}
    limits = {
        (d, arm): of["kept"][arm][1] > 0 and of["more than half of the gain"][arm][1] > 0
        for d, of in m.items() if loses[d] for arm in of["kept"]
    }  # fmt: skip
    if loses and all(loses.values()) and all(limits.values()):
        verdict = "holds"
    elif all(of["narrow"]["old"][1] > -SMALL for of in m.values()):
        verdict = "misleading"
    else:
        verdict = "depends" if any(loses.values()) else NOT_SETTLED
    parts = []
    for d, of in m.items():
        told = "; ".join(
            f"{arm} keeps {signed(of['kept'][arm])}, above half of the gain {signed(of['more than half of the gain'][arm])}"
            for arm in of["kept"]
        )
        parts.append(
            f"{d}: narrow training {signed(of['narrow']['new'])} on the new, {signed(of['narrow']['old'])} on the old; {told}"
        )
    drawn = {f"{d}: narrow, old": of["narrow"]["old"] for d, of in m.items()}
    drawn |= {f"{d}: {arm}, old minus narrow": row for d, of in m.items() for arm, row in of["kept"].items()}
    because = f"nDCG@10, {MANY:.0%} intervals. {'. '.join(parts)}. A difference of {visible(list(drawn.values())):.3f} would have been seen"
    return Verdict(verdict, because, intervals(drawn))


# --- claim 53: weak, then strong -------------------------------------------------------------


def measure_stages(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Spans of the domain's passages first and a few labelled pairs afterwards, minus either alone, in as many steps."""
    found: Measurements = {}
    for domain in domains(budget):
        few = SIZES[budget].few
        rows = {arm: arm_of(arm, domain, few, budget, seeds)["new"] for arm in STAGES}
        start = start_of(domain, budget, seeds)["new"]
        found[domain] = {
            "weak pairs": len(weak_pairs(domain, seeds[0], budget)),
            "lr": {arm: rate(arm, domain, few, budget) for arm in rows},
            METRIC: {arm: means(values) for arm, values in rows.items()},
            "staged minus": {arm: difference(rows[STAGED], rows[arm]) for arm in (STRONG, WEAK)},
            "staged minus both in one": difference(rows[STAGED], rows[TOGETHER]),
            "gain": {arm: difference(values, start) for arm, values in rows.items()},
        }
    return found


def decide_stages(m: Measurements) -> Verdict:
    """Are the stages above either alone, in each domain?"""
    rows = {f"{d}: staged minus {name}": row for d, of in m.items() for name, row in of["staged minus"].items()}
    parts = [
        f"{d}: {', '.join(f'minus {name} {signed(row)}' for name, row in of['staged minus'].items())}; minus both in one "
        f"{signed(of['staged minus both in one'])}; over base {', '.join(f'{arm} {signed(row)}' for arm, row in of['gain'].items())}"
        for d, of in m.items()
    ]
    because = f"nDCG@10 on the new domain, weak pairs and then labelled ones. {'. '.join(parts)}. A difference of {visible(list(rows.values())):.3f} would have been seen"
    return Verdict(by_sign(rows, NOT_SETTLED), because, intervals(rows))


# --- claim 69: averaging ---------------------------------------------------------------------


def measure_averages(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The half-and-half average of base and the adapted model, minus the middle of both, on the new domain and on the old."""
    found: Measurements = {}
    for domain in domains(budget):
        count = most(domain, budget)
        start, full = start_of(domain, budget, seeds), arm_of(FULL, domain, count, budget, seeds)
        others = {arm: arm_of(arm, domain, count, budget, seeds) for arm in (LOWER, MIXED)}
        found[domain] = {
            "adapted minus base": {name: difference(full[name], start[name]) for name in ("new", "old")},
            "above the middle": {
                name: difference(full[f"{HALF} {name}"], halfway(start[name], full[name])) for name in ("new", "old")
            },
            METRIC: {
                str(alpha): {name: round(float(full[f"{alpha} {name}"].mean()), 4) for name in ("new", "old")}
                for alpha in AVERAGES
            },
            "minus": {
                arm: {name: difference(full[f"{HALF} {name}"], of[name]) for name in ("new", "old")}
                for arm, of in others.items()
            },
        }
    return found


def decide_averages(m: Measurements) -> Verdict:
    """Where something was gained and something lost, does the average keep more than half of both?"""
    traded = [d for d, of in m.items() if of["adapted minus base"]["new"][1] > 0 > of["adapted minus base"]["old"][2]]
    rows = {
        f"{d}: {name}, average minus the middle": row
        for d, of in m.items()
        for name, row in of["above the middle"].items()
    }
    deciding = {name: row for name, row in rows.items() if name.partition(":")[0] in traded}
    verdict = by_sign(deciding, NOT_SETTLED) if traded else NOT_SETTLED
    parts = []
    for d, of in m.items():
        changed, above = of["adapted minus base"], of["above the middle"]
        told = "; ".join(
            f"minus {arm} {signed(row['new'])} and {signed(row['old'])}" for arm, row in of["minus"].items()
        )
        parts.append(
            f"{d}: adapted {signed(changed['new'])} on the new and {signed(changed['old'])} on the old; averaged half and half, above the middle "
            f"{signed(above['new'])} and {signed(above['old'])}; {told}"
        )
    because = f"nDCG@10. {'. '.join(parts)}. A difference of {visible(list(rows.values())):.3f} would have been seen"
    return Verdict(verdict, because, intervals(rows))


_RECORD = SIZES["record"]


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


_FROM = f"From base, {EPOCHS} times through the pairs in {_RECORD.steps[0]} to {_RECORD.steps[1]} steps of {_RECORD.batch_size}, learning rates chosen on the new domain's dev queries, {len(_RECORD.lrs)} for each arm, five seeds"
_DOMAINS = (
    "The near domain is networkx' and IPython's documentation, the far one SQuAD's questions and paragraphs; base has read nothing of either. Up to "
    f"{_RECORD.queries} test queries of each among up to {_RECORD.passages:,} passages that were not trained on"
)
_OLD = f"The old domains are {_RECORD.old[0]} queries each of pydocs and planted, searched as one"
CLAIMS = (
    Claim(
        50,
        "18",
        "Fine-tuning on a domain helps there, with thousands of pairs.",
        f"{_FROM}; {_listed(_RECORD.near)} own pairs of a near domain and {_listed(_RECORD.far)} of a far one. {_DOMAINS}. A gain in nDCG@10 counts from {SMALL}. Fine-tuning helps where "
        "the most pairs gain more than that, with the interval, and more than as many pairs of old domains. Holds when it helps in both, misleading when such a gain is "
        "excluded in both, depends when it helps in one, else not settled here. From which number on the gain counts stands beside, and what few pairs gain in as many steps as the most",
        measure_pairs,
        decide_pairs,
    ),
    Claim(
        51,
        "18",
        "LoRA comes close to full fine-tuning with less data and memory.",
        f"{_FROM}; LoRA of rank {RANK} on all linear layers beside full fine-tuning, with {_RECORD.few} pairs and with the most ({_RECORD.near[-1]:,} near, {_RECORD.far[-1]:,} far). {_DOMAINS}. "
        f"Holds when LoRA minus full lies above -{SMALL} nDCG@10 with its interval with the most pairs (close), above 0 with few (less data), in both domains, and a step holds at least a quarter less "
        "beside the weights: activations, gradients and Adam's moments (memory). Misleading when it lies below that with the most in both, or a step holds no less. Depends when it is close, or ahead with few, in "
        "some domain, else not settled here",
        measure_lora,
        decide_lora,
    ),
    Claim(
        52,
        "18",
        "Narrow fine-tuning forgets; mixing, lower learning rates, early stopping on two sets and LoRA limit it.",
        f"{_FROM}; the most pairs alone (narrow), mixed half and half with pairs that base was trained on, at a third of the rate, stopped at the best of {LOOKS} looks on dev queries at which old "
        f"domains have lost no more than {SMALL / 2}, or with LoRA. {_DOMAINS}. {_OLD}. In nDCG@10, {MANY:.0%} intervals: narrow training forgets where it lies below base on the old; a remedy limits "
        "that where it lies above narrow on the old and above half of its gain on the new, so that learning nothing is no remedy. Holds when in both domains narrow training forgets and all "
        f"four limit it, misleading when a loss of {SMALL} is excluded in both, depends when it forgets in one, or not all limit it, else not settled here",
        measure_forgetting,
        decide_forgetting,
    ),
    Claim(
        53,
        "18",
        "Weak-then-strong staged fine-tuning beats either alone.",
        f"From base, {_RECORD.stage_steps} steps of {_RECORD.batch_size} pairs, for two stages half of them each, learning rates chosen as in claim 50; weak pairs are two spans of a passage of the domain, strong ones {_RECORD.few} labelled pairs. {_DOMAINS}. Holds when the stages lie above "
        "strong pairs alone and above weak pairs alone in nDCG@10, with the whole interval, in both domains; misleading when below all, depends when some can be told, else not settled here. "
        "Both kinds in one stage stand beside: whether it is the order that helps, or the texts",
        measure_stages,
        decide_stages,
    ),
    Claim(
        69,
        "18",
        "Averaging the weights of the adapted and the original model keeps most of both.",
        f"{_FROM}; the most pairs, all weights trained, and averaged half and half with base. {_DOMAINS}. {_OLD}. Most is more than half: in domains where training gains on the new and loses on "
        "the old, with the intervals, the average has to lie above the middle of before and after in nDCG@10. Holds when it does on the new and on the old in each, with the whole interval, misleading "
        "when below in all, depends when some can be told, else not settled here. A third of the rate, and mixing, stand beside: less training might do the same",
        measure_averages,
        decide_averages,
    ),
)  # fmt: skip
