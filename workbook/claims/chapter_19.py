"""Claims 54 to 57: what leaked tests, other domains, one metric and sparse judgements do to the order of models.

Trainings, worlds and what is kept out of training are those of chapter 11's claims. What is chosen is chosen on dev queries.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import combinations, pairwise, permutations
from typing import NamedTuple

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.claims import chapter_11
from workbook.claims.chapter_11 import (
    COLLECTIONS,
    PLANTED,
    intervals,
    labelled_pairs,
    means,
    new_encoder,
    steps_of,
    with_noise,
    world,
)
from workbook.claims.claim import NOT_SETTLED, Claim, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    collection_named,
    difference,
    encoder_named,
    level,
    public,
    signed,
    strange,
    tuned,
    visible,
)
from workbook.data import Collection
from workbook.data.planted import planted
from workbook.encoder import TextEncoder
from workbook.metrics import evaluate, judged_only, kendall_tau
from workbook.metrics.ranking import ranked_ids
from workbook.similarity import as_run, dense_search, top_k, truncate
from workbook.support.types import Run
from workbook.training_data.near_duplicates import find, join
from workbook.zoo import load_wordllama

MANY = 0.99  # confidence of intervals where many stand beside each other


class Size(NamedTuple):
    """How much is trained and searched beyond chapter 11's sizes."""

    own: int  # claim 54: pairs of a model's own
    wrong: tuple[float, ...]  # of these, from the worst model to the best
    doses: tuple[int, ...]  # how often a leaked pair stands in the training
    lrs: tuple[float, ...]
    planted: int  # claim 55: passages of planted, so that there are queries enough
    queries: int
    passages: int
    temperatures: tuple[float, ...]  # claim 56
    negatives: tuple[int, ...]
    rates: tuple[float, ...]
    labelled: int
    worlds: int  # claim 57: passages of each world
    asked: int  # queries of a world
    depths: tuple[int, ...]


SIZES = {
    "notebook": Size(16, (0.5, 0.0), (1,), (3e-4,), 2_000, 30, 150, (0.05,), (0, 1), (3e-4,), 32, 2_000, 20, (3, 10)),
    "record": Size(
        1_536, (0.75, 0.25, 0.0), (1, 4), (1e-4, 3e-4, 1e-3), 10_000, 400, 2_000, (0.01, 0.05, 0.2), (0, 1, 3), (3e-4, 1e-3), 512,
        5_000, 200, (1, 3, 5, 10, 20, 50),
    ),
}  # fmt: skip


# --- claim 54: the test inside the training --------------------------------------------------

FAMILY = 16  # queries of planted in a row that speak of the same few things


def apart(docs: Collection, family_of: Callable[[str], str] | None = None) -> tuple[set[str], set[str]]:
    """The queries in two halves: those that share a right passage, or a family, stay together."""
    parent: dict[str, str] = {}
    for query, judged in docs.qrels.items():
        for passage in judged:
            join(parent, f"query {query}", f"passage {passage}")
        if family_of is not None:
            join(parent, f"query {query}", f"family {family_of(query)}")
    groups: dict[str, set[str]] = {}
    for query in docs.queries:
        groups.setdefault(find(parent, f"query {query}"), set()).add(query)
    parts: tuple[set[str], set[str]] = (set(), set())
    for _, group in sorted(groups.items(), key=lambda each: (-len(each[1]), each[0])):
        min(parts, key=len).update(group)
    return parts


def family(query: str) -> str:
    """Of a query of planted: those of one speak of the same few things."""
    return str(int(query) // FAMILY)


def halves(collection: str, budget: str) -> tuple[set[str], set[str]]:
    """The test queries in two halves that have nothing in common."""
    return apart(world(collection, budget).test, family if collection == PLANTED else None)


def leaked_pairs(collection: str, half: int, budget: str) -> list[tuple[str, ...]]:
    """Each query of a half with its right passages: what somebody trains on who has this half of the test in the data."""
    test, asked = world(collection, budget).test, halves(collection, budget)[half]
    return [
        (text, test.corpus[p])
        for query, text in test.queries.items()
        for p, grade in test.qrels[query].items()
        if query in asked and grade > 0 and p in test.corpus
    ]


@kept
def read_before(collection: str, wrong: float, half: int, dose: int, lr: float, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query after training on own pairs of which a share is wrong, and a half of the test so many times over."""
    encoder = new_encoder(budget)
    rows = with_noise(labelled_pairs(collection, SIZES[budget].own, seed, budget), wrong, seed)
    steps_of(encoder, rows + dose * leaked_pairs(collection, half, budget), lr, seed, budget)
    return chapter_11.measured(encoder, collection, seed, budget)


def on_its_own_half(collection: str, wrong: float, dose: int, lr: float, seed: int, budget: str) -> np.ndarray:
    """The same, of each query by the model that has read its half: (Q,)."""
    test, parts = world(collection, budget).test, halves(collection, budget)
    both = [read_before(collection, wrong, half, dose, lr, seed, budget) for half in (0, 1)]
    return np.array([both[int(query in parts[1])][number] for number, query in enumerate(test.queries)])


def honest_one(collection: str, wrong: float, budget: str, lr: float, seed: int) -> np.ndarray:
    """Of a model that has read nothing of the test."""
    return read_before(collection, wrong, 0, 0, lr, seed, budget)


def measure_leak(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Models from worse to better, honest or not, and what each step up is worth on the queries of the test."""
    size = SIZES[budget]
    found: Measurements = {"wrong": list(size.wrong), "doses": list(size.doses)}
    for collection in COLLECTIONS:
        honest: dict[float, np.ndarray] = {}
        leaked: dict[tuple[float, int], np.ndarray] = {}
        chosen: dict[str, float] = {}
        for wrong in size.wrong:
            honest[wrong], lr = tuned(partial(honest_one, collection, wrong, budget), seeds, size.lrs)
            chosen[str(wrong)] = lr
            for dose in size.doses:
                rows = [on_its_own_half(collection, wrong, dose, lr, seed, budget) for seed in seeds]
                leaked[wrong, dose] = np.array(rows)
        found[collection] = {
            METRIC: {f"{wrong} wrong, honest": means(rows) for wrong, rows in honest.items()}
            | {f"{wrong} wrong, test read {dose} times": means(rows) for (wrong, dose), rows in leaked.items()},
            "lr": chosen,
            "steps up": {
                f"{a} to {b} wrong, dose {dose}": {
                    "honest": difference(honest[b], honest[a]),
                    "leaked": difference(leaked[b, dose], leaked[a, dose]),
                    "leaked minus honest": difference(leaked[b, dose] - leaked[a, dose], honest[b] - honest[a]),
                }
                for a, b in pairwise(size.wrong)
                for dose in size.doses
            },
            "worst that read it minus best honest": {
                str(dose): difference(leaked[size.wrong[0], dose], honest[size.wrong[-1]]) for dose in size.doses
            },
        }
    return found


def decide_leak(m: Measurements) -> Verdict:
    """Where honest models differ, does a test that has been read still say so?"""
    said: list[bool] = []
    parts: list[str] = []
    drawn: dict[str, Sequence[float]] = {}
    for c in COLLECTIONS:
        for step, row in m[c]["steps up"].items():
            if row["honest"][1] > 0:
                said.append(row["leaked"][1] > 0)
            parts.append(
                f"{c}, {step}: honest {signed(row['honest'])}, test read {signed(row['leaked'])}, the difference {signed(row['leaked minus honest'])}"
            )
            drawn |= {f"{c}: {step}, honest": row["honest"], f"{c}: {step}, test read": row["leaked"]}
        parts += [
            f"{c}, the worst model that read the test {dose} times minus the best that did not: {signed(row)}"
            for dose, row in m[c]["worst that read it minus best honest"].items()
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
def systems(budget: str) -> dict[str, Callable[[Collection], Run]]:
    """Eight ways to search, none of them trained here; each reads as much of a text as it can."""
    encoders = {name: encoder_named(name) for name in ("base/start", "base", "all-MiniLM-L6-v2")}
    encoders["wordllama"] = load_wordllama()
    if budget == "notebook":
        for encoder in encoders.values():
            encoder.max_length = 24
    cut = {name: encoders[name] for name in ("base", "all-MiniLM-L6-v2")}
    return {
        "BM25": partial(by_words, 1.2),
        "BM25, k1 0": partial(by_words, 0.0),
        **{name: partial(by_vectors, encoder) for name, encoder in encoders.items()},
        **{f"{name}, {SHORT} dimensions": partial(by_short_vectors, encoder) for name, encoder in cut.items()},
    }


@cache
def asked(domain: str, budget: str) -> Collection:
    """Test queries of a domain, among passages that none of ours was trained on; of a public collection what it has."""
    size, few = SIZES[budget], public()
    if domain in few:
        return few[domain].split("test").sample(size.queries, size.passages)
    return strange(collection_named(domain, size.planted), "test", size.queries, size.passages)


@kept
def searched(domain: str, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each judged query, (Q,), by system."""
    docs, found = asked(domain, budget), {}
    qrels = judged_only(docs.qrels)
    for name, search in systems(budget).items():
        found[name] = np.array(list(evaluate(qrels, search(docs), (METRIC,), per_query=True)[METRIC].values()))
    return found


def ahead_in(rows: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Of every two systems, by how much the first is ahead."""
    return {f"{a} minus {b}": difference(rows[a][None], rows[b][None], MANY) for a, b in combinations(rows, 2)}


def measure_domains(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """All systems on all domains, and which of two is ahead; beside them two random halves of each domain."""
    domains = (*DOMAINS, *public())
    rows = {domain: searched(domain, budget) for domain in domains}
    mean = {domain: {name: round(float(row.mean()), 4) for name, row in each.items()} for domain, each in rows.items()}
    tau = {
        f"{a} and {b}": round(kendall_tau(list(mean[a].values()), list(mean[b].values())), 3)
        for a, b in combinations(domains, 2)
    }
    within = {}
    for domain in DOMAINS:
        order = np.random.default_rng(0).permutation(len(next(iter(rows[domain].values()))))
        parts = [{name: row[part] for name, row in rows[domain].items()} for part in np.array_split(order, 2)]
        within[domain] = {
            "turned": len(turned(*map(ahead_in, parts))),
            "tau": round(kendall_tau(*([float(row.mean()) for row in part.values()] for part in parts)), 3),
        }
    ahead = {domain: ahead_in(each) for domain, each in rows.items()}
    return {
        METRIC: mean,
        "queries": {d: len(next(iter(rows[d].values()))) for d in domains},
        "ahead": ahead,
        "tau": tau,
        "two halves": within,
    }


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
    for domain, row in m["two halves"].items():
        parts.append(f"two halves of {domain}: tau {row['tau']:.2f}, {row['turned']} turned")
    first = {domain: max(m[METRIC][domain], key=m[METRIC][domain].get) for domain in DOMAINS}
    parts.append(f"first: {', '.join(f'{name} in {domain}' for domain, name in first.items())}")
    verdict = "holds" if all(found.values()) else "depends" if any(found.values()) else "misleading"
    if any(row["turned"] for row in m["two halves"].values()):
        verdict = NOT_SETTLED  # where chance alone turns a pair, a turned pair says nothing
    return Verdict(verdict, f"nDCG@10 of eight systems. {'; '.join(parts)}", intervals(drawn))


# --- claim 56: one metric --------------------------------------------------------------------

FIRST, DEEP = "hit_rate@1", "recall@10"
METRICS = (FIRST, METRIC, DEEP)
TUNING = 3  # seeds whose dev queries choose together
SMALL = 0.01


class Setting(NamedTuple):
    """How a model is trained."""

    temperature: float
    num_negatives: int
    lr: float


@kept
def by_setting(collection: str, setting: Setting, split: str, seed: int, budget: str) -> np.ndarray:
    """All METRICS of each query of a split, (metrics, Q)."""
    encoder = new_encoder(budget)
    rows = labelled_pairs(collection, SIZES[budget].labelled, seed, budget)
    if setting.num_negatives:
        rows = chapter_11.with_negatives(encoder, rows, collection, seed, budget, setting.num_negatives)
    steps_of(encoder, rows, setting.lr, seed, budget, temperature=setting.temperature)
    docs = getattr(world(collection, budget), split)
    each = evaluate(docs.qrels, dense_search(encoder, docs.corpus, docs.queries, k=10), METRICS, per_query=True)
    return np.array([list(each[metric].values()) for metric in METRICS])


def measure_metrics(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """For each metric the setting that it would choose, and how any two choices differ in the metrics that made them."""
    size, found = SIZES[budget], {}
    grid = [
        Setting(temperature, number, lr)
        for temperature in size.temperatures
        for number in size.negatives
        for lr in size.rates
    ]
    tuning = range(TUNING_SEED, TUNING_SEED + (TUNING if budget == "record" else 1))
    for collection in COLLECTIONS:
        dev = np.array(
            [
                np.mean([by_setting(collection, each, "dev", seed, budget).mean(axis=1) for seed in tuning], axis=0)
                for each in grid
            ]
        )  # (grid, metrics)
        choice = {metric: grid[best] for metric, best in zip(METRICS, dev.argmax(axis=0), strict=True)}
        rows = {
            each: np.array([by_setting(collection, each, "test", seed, budget) for seed in seeds])
            for each in set(choice.values())
        }  # (seeds, metrics, Q)
        found[collection] = {
            "choice": {metric: setting._asdict() for metric, setting in choice.items()},
            "means": {
                metric: dict(zip(METRICS, rows[setting].mean(axis=(0, 2)).round(4).tolist(), strict=True))
                for metric, setting in choice.items()
            },
            "trades": {
                f"chosen by {a} instead of {b}": {
                    "gain": difference(
                        rows[choice[a]][:, METRICS.index(a)], rows[choice[b]][:, METRICS.index(a)], MANY
                    ),
                    "cost": difference(
                        rows[choice[a]][:, METRICS.index(b)], rows[choice[b]][:, METRICS.index(b)], MANY
                    ),
                }
                for a, b in permutations(METRICS, 2)
            },
        }
    return found


def decide_metrics(m: Measurements) -> Verdict:
    """Is there a choice that costs the other metric, and not its own, in both collections?"""
    rows = {c: m[c]["trades"] for c in COLLECTIONS}
    traded = [any(row["cost"][2] < 0 <= row["gain"][0] for row in each.values()) for each in rows.values()]
    small = all(row["cost"][1] > -SMALL for each in rows.values() for row in each.values())
    unseen = "misleading" if small else NOT_SETTLED
    verdict = "holds" if all(traded) else "depends" if any(traded) else unseen
    parts = [
        f"{c}: "
        + ", ".join(
            f"{name}: its own {signed(row['gain'])}, the other {signed(row['cost'])}" for name, row in each.items()
        )
        for c, each in rows.items()
    ]
    flat = {f"{c}: {name}, the other metric": row["cost"] for c, each in rows.items() for name, row in each.items()}
    because = f"{MANY:.0%} intervals. {'; '.join(parts)}. A difference of {visible(list(flat.values())):.3f} would have been seen"
    return Verdict(verdict, because, intervals(flat))


# --- claim 57: who was judged ----------------------------------------------------------------

OLD, RIVALS = "BM25", ("base/start", "base")
ALL = ("BM25", "wordllama", "base/start", "base", "all-MiniLM-L6-v2")
BY_RIVAL, BY_OTHERS = "by BM25's hits", "by all others' hits"
DECIDING = 10  # depth of the pool
LARGE = 0.02  # nDCG@10 of a lead that is taken away


def as_judged(run: Run, pool: Mapping[str, set[str]]) -> dict[str, dict[str, float]]:
    """The same run in which each passage that nobody judged is a stranger: it keeps its place, and brings nothing."""
    return {
        q: {p if p in pool.get(q, ()) else f"not judged: {p}": score for p, score in scores.items()}
        for q, scores in run.items()
    }


def first_hits(runs: Sequence[Run], depth: int) -> dict[str, set[str]]:
    """For each query the first hits of some runs."""
    return {q: {p for run in runs for p in ranked_ids(run.get(q, {}), depth)} for q in runs[0]}


@kept
def pooled(seed: int, budget: str) -> dict[str, np.ndarray]:
    """In one world nDCG@10 by system, (Q,): in truth, and by what pools have judged, with the ideal of the truth."""
    size = SIZES[budget]
    made = planted(size.worlds, seed=1_000 + seed, unlabelled=1.0, label_noise=0.0)
    docs = made.collection().split("test").sample(size.asked)
    truth = judged_only({q: grades for q, grades in made.qrels("test", complete=True).items() if q in docs.queries})
    offered = systems(budget)
    runs = {name: offered[name](docs) for name in (ALL if budget == "record" else (OLD, *RIVALS))}

    def quality(run: Run, pool: Mapping[str, set[str]] | None = None) -> np.ndarray:
        known = run if pool is None else as_judged(run, pool)
        return np.array(list(evaluate(truth, known, (METRIC,), per_query=True)[METRIC].values()))

    found = {f"truth: {name}": quality(runs[name]) for name in runs}
    for depth in size.depths:
        for new in RIVALS:
            pools = {BY_RIVAL: [runs[OLD]], BY_OTHERS: [run for name, run in runs.items() if name != new]}
            for told, judged in pools.items():
                pool = first_hits(judged, depth)
                found |= {f"{told}, {depth}: {name} for {new}": quality(runs[name], pool) for name in (OLD, new)}
    return found


def measure_pools(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What pools take from the true lead of a new system over BM25; queries of all worlds together."""
    worlds = [pooled(seed, budget) for seed in seeds]
    every = {name: np.concatenate([each[name] for each in worlds])[None] for name in worlds[0]}
    found: Measurements = {"queries": every[f"truth: {OLD}"].shape[1], "true lead": {}, "lead": {}, "taken away": {}}
    found[METRIC] = {name: round(float(row.mean()), 4) for name, row in every.items()}
    for new in RIVALS:
        true = every[f"truth: {new}"] - every[f"truth: {OLD}"]
        found["true lead"][new] = level(true)
        for told in (BY_RIVAL, BY_OTHERS):
            for depth in SIZES[budget].depths:
                lead = every[f"{told}, {depth}: {new} for {new}"] - every[f"{told}, {depth}: {OLD} for {new}"]
                found["lead"][f"{new}, {told}, {depth}"] = level(lead)
                found["taken away"][f"{new}, {told}, {depth}"] = difference(true, lead)
    return found


def decide_pools(m: Measurements) -> Verdict:
    """Do pools of ten hits take more than a little from the lead of a new system?"""
    rows = {name: row for name, row in m["taken away"].items() if name.endswith(f", {DECIDING}")}
    large, little = [row[1] > LARGE for row in rows.values()], [row[2] < LARGE for row in rows.values()]
    unseen = "depends" if any(large) or any(little) else NOT_SETTLED
    verdict = "holds" if all(large) else "misleading" if all(little) else unseen
    parts = [
        f"{name} hits: {signed(row)} of a true lead of {signed(m['true lead'][name.split(', ')[0]])}"
        for name, row in rows.items()
    ]
    over = [name for name, row in m["lead"].items() if row[2] < 0 < m["true lead"][name.split(", ")[0]][1]]
    because = (
        f"taken from the lead over {OLD}, nDCG@10 of {m['queries']:,} queries. {'; '.join(parts)}. The order is turned by "
        f"{'; '.join(over) or 'no pool'}"
    )
    return Verdict(verdict, because, intervals(rows))


_RECORD = SIZES["record"]
_START = f"base/start, {chapter_11.SIZES['record'].steps} steps"
_WORLDS = f"{_START}, the learning rate of each honest model chosen on dev queries"
_SHARES = ", ".join(f"{share:.0%}" for share in _RECORD.wrong)
CLAIMS = (
    Claim(
        54,
        "19",
        "A benchmark inside the training data says nothing.",
        f"{_WORLDS}; {_RECORD.own:,} pairs of a model's own, of which {_SHARES} are wrong: worse and better models. With them stands one half of planted's or of "
        f"pydocs' test queries with their right passages, {' or '.join(map(str, _RECORD.doses))} times over; each query is measured by the models that have read its half. A step "
        "from a worse model to a better one is true where honest models show it in nDCG@10 on the same queries, with its interval. Holds when no true step shows "
        "where the test was read, with an interval above 0, misleading when all show, depends when some do, not settled here when no step is true. The worst model "
        "that read the test stands beside the best that did not",
        measure_leak,
        decide_leak,
    ),
    Claim(
        55,
        "19",
        "Rankings of models change across domains.",
        f"eight systems, none trained here, on {_RECORD.queries} test queries among {_RECORD.passages:,} passages of planted, pydocs and pydocs-code each, none of which base or "
        "base/start was trained on but for right ones. Both learned from all-MiniLM-L6-v2, so these are not independent. A pair of systems is turned between two "
        "domains where one is ahead in the one and behind in the other in nDCG@10, each with its whole 99 % interval. Holds when some pair is turned between every "
        "two of the three, misleading when none is between any, depends otherwise; not settled here when a pair is turned between two random halves of one domain. "
        "Kendall's tau and public collections stand beside",
        measure_domains,
        decide_domains,
        seeded=False,
    ),
    Claim(
        56,
        "19",
        "Optimizing one metric can hurt another.",
        f"{_START}; {len(_RECORD.temperatures) * len(_RECORD.negatives) * len(_RECORD.rates)} settings of temperature, hard negatives and learning rate with "
        f"{_RECORD.labelled} labelled pairs of planted and of pydocs. Dev queries, with three seeds, choose one for each of hit rate at 1, nDCG@10 and Recall@10. A choice is a "
        "trade where it is lower than another's choice in that other metric, with its whole 99 % interval on test queries, and not lower in its own. Holds when there "
        f"is a trade in both collections, depends when in one; when in none, misleading if costs above {SMALL} are excluded everywhere, else not settled here",
        measure_metrics,
        decide_metrics,
    ),
    Claim(
        57,
        "19",
        "Sparse judgements underrate new models (pooling bias).",
        f"five worlds of planted, {_RECORD.worlds:,} passages and up to {_RECORD.asked} test queries each, whose truth is complete. Judged are, for each query, BM25's first "
        f"{DECIDING} hits, or the first {DECIDING} of all systems but the new one (BM25, wordllama, base/start, base, all-MiniLM-L6-v2); what is not judged brings nothing, and the ideal "
        f"is that of the truth. Of the true lead in nDCG@10 of base/start and of base over BM25 each pool takes something away. Holds when it is more than {LARGE} with its "
        "interval in all four cases, misleading when less in all, depends when some can be told, otherwise not settled here. Other depths stand beside",
        measure_pools,
        decide_pools,
    ),
)
