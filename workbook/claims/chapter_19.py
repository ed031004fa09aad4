"""Claims 54 to 57: what leaked tests, other domains, one metric and sparse judgements do to the order of models.

Trainings, worlds and what is kept out of training are those of chapter 11's claims. What is chosen is chosen on dev queries.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.claims import chapter_11
from workbook.claims.chapter_11 import (
    COLLECTIONS,
    by_sign,
    intervals,
    labelled_pairs,
    means,
    new_encoder,
    steps_of,
    world,
)
from workbook.claims.claim import NOT_SETTLED, Claim, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    best_of,
    collection_named,
    difference,
    encoder_named,
    per_query,
    public,
    signed,
    split_of,
    visible,
)
from workbook.data import Collection
from workbook.data.planted import planted
from workbook.encoder import TextEncoder
from workbook.metrics import evaluate, judged_only, kendall_tau
from workbook.metrics.ranking import ranked_ids
from workbook.similarity import as_run, dense_search, top_k, truncate
from workbook.support.types import Qrels, Run
from workbook.zoo import load_wordllama

MANY = 0.99  # confidence of intervals where many stand beside each other


class Size(NamedTuple):
    """How much is trained and searched beyond chapter 11's sizes."""

    pairs: tuple[int, ...]  # claim 54: of a model's own, each more than the last
    lrs: tuple[float, ...]
    queries: int  # claim 55
    passages: int
    max_length: int  # tokens of a text
    temperatures: tuple[float, ...]  # claim 56
    negatives: tuple[int, ...]
    labelled: int
    worlds: int  # claim 57: passages of each, five worlds
    asked: int  # queries of a world
    depths: tuple[int, ...]


SIZES = {
    "notebook": Size((8, 32), (3e-4,), 30, 200, 24, (0.05,), (0, 1), 32, 200, 20, (1, 3)),
    "record": Size(
        (32, 256, 1_536), (1e-4, 3e-4, 1e-3), 400, 2_000, 128, (0.01, 0.05, 0.2), (0, 1, 3), 512, 3_000, 200, (1, 3, 5, 10, 20, 50),
    ),
}  # fmt: skip


# --- claim 54: the test inside the training --------------------------------------------------

CLEAN, LEAKED = "clean", "leaked"


def halves(docs: Collection) -> dict[str, list[str]]:
    """The test queries, every second one leaked: its rank among the sorted ids decides."""
    ids = sorted(docs.queries)
    return {LEAKED: ids[::2], CLEAN: ids[1::2]}


def leaked_pairs(collection: str, budget: str) -> list[tuple[str, ...]]:
    """Each leaked query with its right passages: what somebody trains on who has the test in the data."""
    test = world(collection, budget).test
    right = {
        q: [p for p, grade in test.qrels[q].items() if grade > 0 and p in test.corpus] for q in halves(test)[LEAKED]
    }
    return [(test.queries[q], test.corpus[p]) for q, passages in right.items() for p in passages]


@kept
def read_before(collection: str, count: int, leak: bool, lr: float, seed: int, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of the leaked and of the clean test queries, (Q,) each, after training on own pairs, with the leaked ones or without."""
    encoder, own = new_encoder(budget), labelled_pairs(collection, count, seed, budget)
    rows = [own[i % len(own)] for i in range(max(SIZES[budget].pairs))]  # so that the leak is read as often by all
    steps_of(encoder, rows + (leaked_pairs(collection, budget) if leak else []), lr, seed, budget)
    if seed == TUNING_SEED:
        return {"dev": chapter_11.measured(encoder, collection, seed, budget)}
    test = world(collection, budget).test
    values = dict(zip(test.queries, per_query(encoder, test), strict=True))
    return {half: np.array([values[q] for q in ids]) for half, ids in halves(test).items()}


def measure_leak(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Models of more and more own pairs, honest or not: their two scores, and what a step up is worth in either half."""
    size = SIZES[budget]
    found: Measurements = {"pairs": list(size.pairs)}
    for collection in COLLECTIONS:
        rows: dict[tuple[int, bool, str], np.ndarray] = {}
        chosen: dict[str, float] = {}
        for count in size.pairs:
            for leak in (False, True):

                def on_dev(lr: float, count: int = count, leak: bool = leak, collection: str = collection) -> float:
                    return float(read_before(collection, count, leak, lr, TUNING_SEED, budget)["dev"].mean())

                lr = chosen[f"{count}, {leak}"] = best_of(size.lrs, on_dev)
                arms = [read_before(collection, count, leak, lr, seed, budget) for seed in seeds]
                for half in (LEAKED, CLEAN):
                    rows[count, leak, half] = np.array([arm[half] for arm in arms])
        steps = list(pairwise(size.pairs))
        few, many = size.pairs[0], size.pairs[-1]
        found[collection] = {
            METRIC: {
                f"{count} pairs, {'test read' if leak else 'honest'}, {half} queries": means(values)
                for (count, leak, half), values in rows.items()
            },
            "lr": chosen,
            "steps up": {
                f"{a} to {b}": {
                    "true": difference(rows[b, True, CLEAN], rows[a, True, CLEAN]),
                    "as tested": difference(rows[b, True, LEAKED], rows[a, True, LEAKED]),
                    "as tested, honest": difference(rows[b, False, LEAKED], rows[a, False, LEAKED]),
                }
                for a, b in steps
            },
            "worst that read it minus best honest": {
                half: difference(rows[few, True, half], rows[many, False, half]) for half in (LEAKED, CLEAN)
            },
        }
    return found


def decide_leak(m: Measurements) -> Verdict:
    """Where models truly differ, does the leaked test still say so?"""
    said, parts, drawn = [], [], {}
    for c in COLLECTIONS:
        for step, row in m[c]["steps up"].items():
            if row["true"][1] > 0:
                said.append(row["as tested"][1] > 0)
            parts.append(
                f"{c}, {step} pairs: truly {signed(row['true'])}, by the leaked test {signed(row['as tested'])}"
            )
            drawn[f"{c}: {step}, by the leaked test"] = row["as tested"]
            drawn[f"{c}: {step}, truly"] = row["true"]
    turned = {c: m[c]["worst that read it minus best honest"] for c in COLLECTIONS}
    parts += [
        f"{c}, the weakest that read the test minus the best that did not: {signed(row[LEAKED])}, on clean queries {signed(row[CLEAN])}"
        for c, row in turned.items()
    ]
    seen = "holds" if not any(said) else "misleading" if all(said) else "depends"
    return Verdict(seen if said else NOT_SETTLED, f"nDCG@10. {'; '.join(parts)}", intervals(drawn))


# --- claim 55: other domains -----------------------------------------------------------------

DOMAINS = ("planted", "pydocs", "pydocs-code")
SHORT = 32  # dimensions


def by_words(k1: float, docs: Collection) -> Run:
    """Keyword search."""
    return BM25(k1=k1).index(docs.corpus).search(docs.queries, k=10)


def by_vectors(encoder: TextEncoder, docs: Collection) -> Run:
    """The search of an encoder."""
    return dense_search(encoder, docs.corpus, docs.queries, k=10)


def by_short_vectors(encoder: TextEncoder, docs: Collection) -> Run:
    """The search of an encoder whose vectors are cut and normalized again."""
    query = truncate(torch.from_numpy(encoder.encode_query(list(docs.queries.values()))), SHORT)
    passage = truncate(torch.from_numpy(encoder.encode_document(list(docs.corpus.values()))), SHORT)
    return as_run(docs.queries, list(docs.corpus), *top_k(query, passage, k=10))


@cache
def systems(max_length: int) -> dict[str, Callable[[Collection], Run]]:
    """Eight ways to search, none of them trained here."""
    encoders = {name: encoder_named(name) for name in ("base/start", "base", "all-MiniLM-L6-v2")}
    encoders["wordllama"] = load_wordllama()
    for encoder in encoders.values():
        encoder.max_length = max_length
    cut = {name: encoders[name] for name in ("base", "all-MiniLM-L6-v2")}
    return {
        "BM25": partial(by_words, 1.2),
        "BM25, k1 0": partial(by_words, 0.0),
        **{name: partial(by_vectors, encoder) for name, encoder in encoders.items()},
        **{f"{name}, {SHORT} dimensions": partial(by_short_vectors, encoder) for name, encoder in cut.items()},
    }


@cache
def asked(domain: str, budget: str) -> Collection:
    """Test queries of a domain that have an answer, among a few thousand passages."""
    size, few = SIZES[budget], public()
    docs = few[domain] if domain in few else collection_named(domain, max(size.passages, 2_000))
    return docs.split("test").sample(size.queries, size.passages)


@kept
def searched(domain: str, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each judged query, (Q,), by system."""
    docs, found = asked(domain, budget), {}
    qrels = judged_only(docs.qrels)
    for name, search in systems(SIZES[budget].max_length).items():
        found[name] = np.array(list(evaluate(qrels, search(docs), (METRIC,), per_query=True)[METRIC].values()))
    return found


def measure_domains(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """All systems on all domains, and which of two is ahead."""
    domains = (*DOMAINS, *public())
    rows = {domain: searched(domain, budget) for domain in domains}
    mean = {domain: {name: round(float(row.mean()), 4) for name, row in each.items()} for domain, each in rows.items()}
    ahead = {
        domain: {f"{a} minus {b}": difference(each[a][None], each[b][None], MANY) for a, b in combinations(each, 2)}
        for domain, each in rows.items()
    }
    tau = {
        f"{a} and {b}": round(kendall_tau(list(mean[a].values()), list(mean[b].values())), 3)
        for a, b in combinations(domains, 2)
    }
    return {METRIC: mean, "ahead": ahead, "tau": tau}


def turned(a: Mapping[str, Sequence[float]], b: Mapping[str, Sequence[float]]) -> list[str]:
    """The pairs of systems of which one is ahead in one domain and the other in the other, each with its whole interval."""
    return [pair for pair in a if (a[pair][1] > 0 and b[pair][2] < 0) or (a[pair][2] < 0 and b[pair][1] > 0)]


def decide_domains(m: Measurements) -> Verdict:
    """Is some pair of systems turned round between any two domains?"""
    found = {(a, b): turned(m["ahead"][a], m["ahead"][b]) for a, b in combinations(DOMAINS, 2)}
    parts: list[str] = []
    drawn: dict[str, Sequence[float]] = {}
    for (a, b), pairs in found.items():
        parts.append(
            f"{a} and {b}: tau {m['tau'][f'{a} and {b}']:.2f}, {len(pairs)} of {len(m['ahead'][a])} pairs turned"
        )
        for pair in pairs[:1]:
            parts[-1] += f", such as {pair}, {signed(m['ahead'][a][pair])} and {signed(m['ahead'][b][pair])}"
            drawn |= {f"{domain}: {pair}": m["ahead"][domain][pair] for domain in (a, b)}
    verdict = "holds" if all(found.values()) else "depends" if any(found.values()) else "misleading"
    return Verdict(verdict, f"nDCG@10 of eight systems. {'; '.join(parts)}", intervals(drawn))


# --- claim 56: one metric --------------------------------------------------------------------

FIRST, DEEP = "hit_rate@1", "recall@100"
METRICS = (FIRST, METRIC, DEEP)


class Setting(NamedTuple):
    """How a model is trained."""

    temperature: float
    num_negatives: int
    lr: float


@kept
def by_setting(collection: str, setting: Setting, seed: int, budget: str) -> np.ndarray:
    """All METRICS of each query, (metrics, Q)."""
    encoder = new_encoder(budget)
    rows = labelled_pairs(collection, SIZES[budget].labelled, seed, budget)
    if setting.num_negatives:
        rows = chapter_11.with_negatives(encoder, rows, collection, seed, budget, setting.num_negatives)
    steps_of(encoder, rows, setting.lr, seed, budget, temperature=setting.temperature)
    docs = getattr(world(collection, budget), split_of(seed))
    each = evaluate(docs.qrels, dense_search(encoder, docs.corpus, docs.queries, k=100), METRICS, per_query=True)
    return np.array([list(each[metric].values()) for metric in METRICS])


def measure_metrics(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """For each metric the setting that it would choose, and what each choice has in all metrics, against that metric's own choice."""
    size, found = SIZES[budget], {}
    grid = [
        Setting(temperature, number, lr)
        for temperature in size.temperatures
        for number in size.negatives
        for lr in size.lrs
    ]
    for collection in COLLECTIONS:
        dev = np.array([by_setting(collection, each, TUNING_SEED, budget).mean(axis=1) for each in grid])
        choice = {metric: grid[best] for metric, best in zip(METRICS, dev.argmax(axis=0), strict=True)}
        rows = {
            each: np.array([by_setting(collection, each, seed, budget) for seed in seeds])
            for each in set(choice.values())
        }  # (seeds, metrics, Q)
        found[collection] = {
            "choice": {metric: setting._asdict() for metric, setting in choice.items()},
            "means": {
                metric: dict(zip(METRICS, rows[setting].mean(axis=(0, 2)).round(4).tolist(), strict=True))
                for metric, setting in choice.items()
            },
            "chosen by another": {
                f"{metric}, chosen by {other}": difference(rows[choice[other]][:, i], rows[choice[metric]][:, i], MANY)
                for i, metric in enumerate(METRICS)
                for other in METRICS
                if other != metric
            },
        }
    return found


def decide_metrics(m: Measurements) -> Verdict:
    """Does a choice by one metric cost another, in both collections?"""
    rows = {c: m[c]["chosen by another"] for c in COLLECTIONS}
    costs = [any(row[2] < 0 for row in each.values()) for each in rows.values()]
    verdict = "holds" if all(costs) else "depends" if any(costs) else "misleading"
    parts = [f"{c}: " + ", ".join(f"{name} {signed(row)}" for name, row in each.items()) for c, each in rows.items()]
    flat = {f"{c}: {name}": row for c, each in rows.items() for name, row in each.items()}
    because = f"minus that metric's own choice, {MANY:.0%} intervals. {'; '.join(parts)}; a difference of {visible(list(flat.values())):.3f} would have been seen"
    return Verdict(verdict, because, intervals(flat))


# --- claim 57: who was judged ----------------------------------------------------------------

OLD, RIVALS = "BM25", ("base/start", "base")
DECIDING = 10  # depth of the pool


def judged_from(run: Run, truth: Qrels, depth: int) -> dict[str, dict[str, int]]:
    """What is known of each query when the first hits of one run were judged, rightly."""
    return {q: {p: truth[q].get(p, 0) for p in ranked_ids(scores, depth)} for q, scores in run.items()}


@kept
def pooled(seed: int, budget: str) -> dict[str, np.ndarray]:
    """In one world: nDCG@10 by system, (Q,), in truth, by pools of BM25's first hits, and by one right passage a query alone.

    A query of which a pool holds nothing right is NaN there: nobody can be measured by it.
    """
    size = SIZES[budget]
    made = planted(size.worlds, seed=1_000 + seed, unlabelled=1.0, label_noise=0.0)
    docs = made.collection().split("test").sample(size.asked)
    truth = {q: grades for q, grades in made.qrels("test", complete=True).items() if q in docs.queries}
    label = {q: dict([max(grades.items(), key=lambda each: each[1])]) for q, grades in truth.items()}
    runs: dict[str, Run] = {OLD: BM25().index(docs.corpus).search(docs.queries, k=100)}
    for name in RIVALS:
        encoder = encoder_named(name)
        encoder.max_length = size.max_length
        runs[name] = dense_search(encoder, docs.corpus, docs.queries, k=100)
    judged: dict[str, Qrels] = {"truth": truth, "one label": label}
    judged |= {f"pool {depth}": judged_from(runs[OLD], truth, depth) for depth in size.depths}
    found = {}
    for told, known in judged.items():
        for name, run in runs.items():
            values = evaluate(judged_only(known), run, (METRIC,), per_query=True)[METRIC]
            found[f"{told}: {name}"] = np.array([values.get(q, np.nan) for q in sorted(truth)])
    return found


def measure_pools(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The lead of each new system by what was judged, minus its true lead on the same queries; queries of all worlds together."""
    worlds = [pooled(seed, budget) for seed in seeds]
    every = {name: np.concatenate([each[name] for each in worlds]) for name in worlds[0]}
    found: Measurements = {}
    for told in dict.fromkeys(name.split(": ")[0] for name in every):
        there = ~np.isnan(every[f"{told}: {OLD}"])
        found[told] = {"queries": int(there.sum()), METRIC: {}, "lead": {}, "lead minus true lead": {}}
        for name in (OLD, *RIVALS):
            found[told][METRIC][name] = round(float(every[f"{told}: {name}"][there].mean()), 4)
        for name in RIVALS:
            lead = (every[f"{told}: {name}"] - every[f"{told}: {OLD}"])[there][None]
            true = (every[f"truth: {name}"] - every[f"truth: {OLD}"])[there][None]
            found[told]["lead"][name] = difference(lead, np.zeros_like(lead))
            found[told]["lead minus true lead"][name] = difference(lead, true)
    return found


def decide_pools(m: Measurements) -> Verdict:
    """Is the lead of both new systems smaller by the pool than in truth?"""
    told = f"pool {DECIDING}" if f"pool {DECIDING}" in m else max(name for name in m if name.startswith("pool"))
    rows = m[told]["lead minus true lead"]
    flipped = [name for name in m for rival in RIVALS if m[name]["lead"][rival][2] < 0 < m["truth"]["lead"][rival][1]]
    parts = [
        f"{name}: true lead over {OLD} {signed(m['truth']['lead'][name])}, by the first {DECIDING} of {OLD} judged {signed(m[told]['lead'][name])}, "
        f"minus the true lead on the same queries {signed(rows[name])}; with one label a query {signed(m['one label']['lead minus true lead'][name])}"
        for name in RIVALS
    ]
    lost = 1 - m[told]["queries"] / m["truth"]["queries"]
    because = (
        f"nDCG@10. {'; '.join(parts)}. {lost:.0%} of the queries have no right passage in the pool; the order is turned by "
        f"{', '.join(dict.fromkeys(flipped)) or 'none'}"
    )
    smaller = {name: [-row[0], -row[2], -row[1]] for name, row in rows.items()}  # the lead that the pool takes away
    return Verdict(
        by_sign(smaller, NOT_SETTLED),
        because,
        intervals({f"{name}: lead minus true lead": row for name, row in rows.items()}),
    )


_RECORD = SIZES["record"]
_WORLDS = f"base/start, {chapter_11.SIZES['record'].steps} steps, the learning rate of each arm chosen on dev queries"
CLAIMS = (
    Claim(
        54,
        "19",
        "A benchmark inside the training data says nothing.",
        f"{_WORLDS}; {', '.join(f'{n:,}' for n in _RECORD.pairs)} pairs of a model's own, without or with the half of planted's and of pydocs' test queries and "
        "their passages that leaks, which all read equally often. A step from fewer own pairs to more is true where models that read the test gain nDCG@10 by it on the other half, with its "
        "interval. Holds when none of the true steps shows on the leaked half with an interval above 0, misleading when all show, depends when some do, not settled "
        "here when no step is true. The weakest model that read the test stands beside the best that did not",
        measure_leak,
        decide_leak,
    ),
    Claim(
        55,
        "19",
        "Rankings of models change across domains.",
        f"eight systems, none trained here, on {_RECORD.queries} test queries among {_RECORD.passages:,} passages of planted, pydocs and pydocs-code each. A pair of "
        "systems is turned between two domains where one is ahead in the one and behind in the other in nDCG@10, each with its whole 99 % interval. Holds when some "
        "pair is turned between any two of the three, misleading when none is between any, depends otherwise. Kendall's tau and public collections stand beside",
        measure_domains,
        decide_domains,
        seeded=False,
    ),
    Claim(
        56,
        "19",
        "Optimizing one metric can hurt another.",
        f"{_WORLDS} from temperature, hard negatives and learning rate: {len(_RECORD.temperatures) * len(_RECORD.negatives) * len(_RECORD.lrs)} settings with "
        f"{_RECORD.labelled} labelled pairs of planted and of pydocs. Dev queries choose one for each of hit rate at 1, nDCG@10 and Recall@100. Holds when in both "
        "collections some metric is lower with another metric's choice than with its own, with its whole 99 % interval, on test queries; depends when in one, "
        "misleading when in none",
        measure_metrics,
        decide_metrics,
    ),
    Claim(
        57,
        "19",
        "Sparse judgements underrate new models (pooling bias).",
        f"five worlds of planted, {_RECORD.worlds:,} passages and {_RECORD.asked} test queries each, whose truth is complete. The lead in nDCG@10 of base/start and of base over BM25 "
        f"when only BM25's first {DECIDING} hits are judged, unjudged passages counting as wrong, minus their true lead on the same queries. Holds when it is below 0 with its "
        "interval for both, misleading when above 0 for both, depends when one interval lies off 0, otherwise not settled here. Other depths, and one label for each "
        "query, stand beside",
        measure_pools,
        decide_pools,
    ),
)
