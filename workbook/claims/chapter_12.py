"""Claims 32 to 34 and 72: pairs that somebody wrote, pairs that a model or a rule wrote, and pairs that should not be there.

What SmolLM2 wrote is recorded (`workbook.claims.written_texts`); it is one small language model, and no verdict is about
others. Arms of a verdict see equally many pairs; those of the filter and of paraphrases, which decide nothing, differ in
number at equal steps. All have the same tuning: dev queries choose, test queries decide.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.claims import hard_negatives
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.hard_negatives import (
    CLEAN,
    ENCODER,
    KEYWORDS,
    LANGUAGE_MODEL,
    MARGIN,
    NONE,
    OWN,
    RANDOM,
    WRITTEN_QUERIES,
    Arm,
    new_encoder,
    result,
    world,
)
from workbook.claims.kept import kept
from workbook.claims.measuring import METRIC, TUNING_SEED, difference, level, of_run, per_query, signed, train, visible
from workbook.claims.written_texts import (
    Natural,
    WrittenPair,
    costs,
    docs_of,
    written_paraphrases,
    written_queries,
)
from workbook.data import Collection
from workbook.encoder import StaticEncoder, TextEncoder
from workbook.encoder import load as load_encoder
from workbook.mining import mine_hard_negatives
from workbook.pretraining.pairs import drop_words
from workbook.similarity import dense_search
from workbook.support.content_words import content_words
from workbook.support.types import Corpus, Queries, Run
from workbook.training_data import decontaminate, first_sentence_rest, keyword_queries, round_trip, rule_paraphrases

COLLECTIONS = ("planted", "pydocs")
Pairs = list[tuple[str, str]]
NATURAL, WRITTEN = "natural", "written"


def _said(name: str, row: Sequence[float]) -> str:
    return f"{name} {signed(row)}"


# --- claim 32 --------------------------------------------------------------------------------

FIRST, WORDS = "first sentence", "keywords"
FILTERED, SAME = "written, found again", "natural, same passages"
HALF, TWICE_BY_MODEL, TWICE_BY_RULES = "natural, half", "half, and paraphrased", "half, and paraphrased by rules"
FOUND_IN = 10  # of the filter: among so many first
MOST = 0.75  # of what natural pairs gain
STEPS = {"notebook": 2, "record": 24}


def find_own(pairs: Sequence[WrittenPair], corpus: Corpus, budget: str) -> list[WrittenPair]:
    """Those whose written query finds its passage among the first ten of the corpus, by the encoder that all start from."""
    asked = {pair.natural.passage_id: pair.query for pair in pairs}
    kept = set(round_trip(asked, corpus, {p: {p: 1} for p in asked}, new_encoder(budget).eval(), FOUND_IN).kept)
    return [pair for pair in pairs if pair.natural.passage_id in kept]


@cache
def query_arms(collection: str, budget: str) -> dict[str, Pairs]:
    """Arm -> its pairs. All but the filtered and the halved ones have one pair for each of the same passages."""
    found = written_queries(collection, "train")[: None if budget == "record" else 16]
    ids = [pair.natural.passage_id for pair in found]
    corpus = {**world(collection, budget).train.corpus, **{p.natural.passage_id: p.natural.passage for p in found}}
    keywords = keyword_queries(corpus)
    again = find_own(found, corpus, budget)
    natural = [(pair.natural.query, pair.natural.passage) for pair in found]
    paraphrased = written_paraphrases(collection)
    half = [(pair.query, pair.passage) for pair, _ in paraphrased]
    arms = {
        NATURAL: natural,
        WRITTEN: [(pair.query, pair.natural.passage) for pair in found],
        FIRST: [first_sentence_rest(passage)[0] for _, passage in natural],
        WORDS: [(keywords[p], passage) for p, (_, passage) in zip(ids, natural, strict=True)],
        FILTERED: [(pair.query, pair.natural.passage) for pair in again],
        SAME: [(pair.natural.query, pair.natural.passage) for pair in again],
        HALF: half,
        TWICE_BY_MODEL: [*half, *((text, pair.passage) for pair, text in paraphrased)],
        TWICE_BY_RULES: [*half, *((text, passage) for query, passage in half for text in rule_paraphrases(query)[:1])],
    }
    return {name: pairs for name, pairs in arms.items() if pairs}


@kept
def trained_on(collection: str, arm: str, lr: float, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query (Q,) after training on an arm's pairs: of dev queries with TUNING_SEED, else of test queries."""
    at, size = world(collection, budget), hard_negatives.SIZES[budget]
    encoder = new_encoder(budget)
    if arm != NONE:
        pairs = query_arms(collection, budget)[arm]
        train(
            encoder, pairs, quick=budget == "record", steps=STEPS[budget], batch_size=size.batch_size, lr=lr, seed=seed,
            no_duplicates=True,
        )  # fmt: skip
    return per_query(encoder.eval(), at.dev if seed == TUNING_SEED else at.test)


def of_arm(collection: str, arm: str, budget: str, seeds: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """nDCG@10 (seeds, queries) at the learning rate that dev queries prefer, and that rate."""
    lrs = hard_negatives.SIZES[budget].lrs
    lr = max(lrs, key=lambda lr: float(trained_on(collection, arm, lr, TUNING_SEED, budget).mean()))
    return np.array([trained_on(collection, arm, lr, seed, budget) for seed in seeds]), lr


COMPARED_PAIRS = (
    (WRITTEN, NATURAL), (WRITTEN, FIRST), (WRITTEN, WORDS), (FIRST, NATURAL), (WORDS, NATURAL), (FILTERED, SAME),
    (FILTERED, WRITTEN), (TWICE_BY_MODEL, HALF), (TWICE_BY_RULES, HALF), (NATURAL, HALF),
)  # fmt: skip


def measure_synthetic(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Natural, written and rule-made queries for the same passages, and paraphrases, from `ENCODER`."""
    found: Measurements = {}
    for collection in COLLECTIONS:
        arms = query_arms(collection, budget)
        tried = {arm: of_arm(collection, arm, budget, seeds) for arm in arms}
        before = trained_on(collection, NONE, 0.0, 0, budget)[None].repeat(len(seeds), axis=0)
        rows = {NONE: before} | {arm: values for arm, (values, _) in tried.items()}
        found[collection] = {
            METRIC: {arm: values.mean(axis=1).round(4).tolist() for arm, values in rows.items()},
            "pairs": {arm: len(pairs) for arm, pairs in arms.items()},
            "lr": {arm: lr for arm, (_, lr) in tried.items()},
            "gain": {arm: difference(values, before) for arm, values in rows.items() if arm != NONE},
            "written minus most of natural": difference(
                rows[WRITTEN] - before, MOST * (rows[NATURAL] - before)
            ),
            "differences": {
                f"{a} minus {b}": difference(rows[a], rows[b]) for a, b in COMPARED_PAIRS if a in rows and b in rows
            },
            "words shared": {arm: round(float(np.mean([shared(q, p) for q, p in arms[arm]])), 3) for arm in arms},
        }  # fmt: skip
    return {"collections": found, "steps": STEPS[budget]}


def decide_synthetic(m: Measurements) -> Verdict:
    """Do written pairs gain most of what natural pairs for the same passages gain, on both collections?"""
    each = m["collections"]
    useful = [of["gain"][WRITTEN][1] > 0 for of in each.values()]
    near = [of["written minus most of natural"][1] > 0 and of["gain"][NATURAL][1] > 0 for of in each.values()]
    verdict = "holds" if all(useful) and all(near) else "depends" if any(useful) else "misleading"
    intervals, parts = [], []
    for name, of in each.items():
        rows = {f"{arm} pairs": of["gain"][arm] for arm in (NATURAL, WRITTEN)} | {
            f"{WRITTEN} minus {MOST:g} of natural": of["written minus most of natural"]
        }
        intervals += [Interval(f"{name}: {what}", *row) for what, row in rows.items()]
        rules = ", ".join(_said(arm, of["gain"][arm]) for arm in (FIRST, WORDS))
        parts.append(
            f"{name}, {of['pairs'][NATURAL]} pairs: {', '.join(_said(what, row) for what, row in rows.items())}; by rules {rules}"
        )
    because = (
        f"nDCG@10 gained over {ENCODER} in {m['steps']} steps. {'. '.join(parts)}. A difference of "
        f"{visible([row[1:] for row in intervals]):.3f} would have been seen. One small language model says nothing about others"
    )
    return Verdict(verdict, because, tuple(intervals))


# --- claim 33 --------------------------------------------------------------------------------

NEGATIVE_STEPS = {"notebook": 2, "record": 24}
FILTERED_OWN = "own, 5 % below the positive"
NEGATIVE_ARMS = {
    NONE: Arm(NONE, num_queries=WRITTEN_QUERIES), RANDOM: Arm(RANDOM, num_queries=WRITTEN_QUERIES),
    KEYWORDS: Arm(KEYWORDS, num_queries=WRITTEN_QUERIES), OWN: Arm(OWN, num_queries=WRITTEN_QUERIES),
    FILTERED_OWN: Arm(OWN, relative_margin=MARGIN, num_queries=WRITTEN_QUERIES),
    CLEAN: Arm(CLEAN, num_queries=WRITTEN_QUERIES), LANGUAGE_MODEL: Arm(LANGUAGE_MODEL, num_queries=WRITTEN_QUERIES),
}  # fmt: skip
MINED = (OWN, FILTERED_OWN, KEYWORDS)  # what written ones have to beat


def mining_seconds(budget: str) -> float:
    """CPU seconds of a mined negative: encode the corpus and the queries, search, take the first."""
    docs = world("planted", budget).train
    queries = dict(list(docs.queries.items())[:WRITTEN_QUERIES])
    begin = time.process_time()
    mine_hard_negatives(queries, docs.corpus, docs.qrels, new_encoder(budget).eval(), num_negatives=1, too_few="pad")
    return (time.process_time() - begin) / len(queries)


def measure_negatives(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """One negative for each of the same queries, mined in several ways or written, and what one costs."""
    steps = NEGATIVE_STEPS[budget]
    results = {name: result("planted", arm, budget, seeds, steps) for name, arm in NEGATIVE_ARMS.items()}
    return {
        METRIC: {name: each.rows.mean(axis=1).round(4).tolist() for name, each in results.items()},
        "right answers among the negatives": {
            name: None if each.false is None else round(float(np.mean(each.false)), 4) for name, each in results.items()
        },
        "lr": {name: each.lr for name, each in results.items()},
        "steps": steps,
        "queries": WRITTEN_QUERIES,
        "differences": {
            f"{LANGUAGE_MODEL} minus {name}": difference(results[LANGUAGE_MODEL].rows, each.rows)
            for name, each in results.items()
            if name != LANGUAGE_MODEL
        },
        "CPU seconds of a mined negative": round(mining_seconds(budget), 4),
        "cost of a written negative": costs()["negative"],
    }


def decide_negatives(m: Measurements) -> Verdict:
    """Do written negatives beat those that the model mines itself, with a filter and without, and BM25's?"""
    rows = m["differences"]
    mined = [rows[f"{LANGUAGE_MODEL} minus {name}"] for name in MINED]
    above = [low > 0 for _, low, _ in mined]
    verdict = "holds" if all(above) else "depends" if any(high > 0 for _, _, high in mined) else "misleading"
    cost = m["cost of a written negative"]
    because = (
        f"nDCG@10 on planted, one negative for each of {m['queries']} queries: "
        f"{', '.join(_said(what, row) for what, row in rows.items())}; a difference of {visible(rows.values()):.3f} would have been seen. "
        f"A written negative took {cost['cpu_seconds']:.1f} CPU seconds and {cost['tokens_read'] + cost['tokens_written']:.0f} tokens, a mined "
        f"one {m['CPU seconds of a mined negative']:.2f} CPU seconds. One small language model says nothing about others"
    )
    return Verdict(verdict, because, tuple(Interval(what, *row) for what, row in rows.items()))


# --- claim 34 --------------------------------------------------------------------------------


class LeakSize(NamedTuple):
    """How much is trained and searched."""

    steps: int
    batch_size: int
    lrs: tuple[float, ...]
    pairs: int  # of a training, whatever leaked
    pool: int  # clean pairs, from which they are taken
    searched: tuple[int, int]  # dev or test queries, and passages


LEAK_SIZES = {
    "notebook": LeakSize(3, 16, (0.02,), 60, 90, (20, 60)),
    "record": LeakSize(80, 128, (0.01, 0.02), 1_000, 2_000, (400, 1_000)),
}
PERCENT = (2, 5, 10, 25, 50)  # of the test queries
EXACT, NEAR, REWORDED = "exact copies", "a word in twenty gone", "reworded, a word in five gone"
KINDS = {EXACT: 0.0, NEAR: 0.05, REWORDED: 0.2}  # share of the words of a passage that are left out
AT = 25  # percent, where the kinds are compared
NEXT_TO_NOTHING = 0.2  # of what the copied queries gain
NGRAM = {"planted": 13, "pydocs": 50}  # documentation shares phrases of a dozen words everywhere


class LeakWorld(NamedTuple):
    """Clean pairs to train on, and what is searched."""

    pool: Pairs
    dev: Collection
    test: Collection


@cache
def leak_world(collection: str, budget: str) -> LeakWorld:
    """Training pairs whose passages answer no dev or test query, and these queries among their passages."""
    size = LEAK_SIZES[budget]
    docs = docs_of(collection, "train")
    dev, test = (docs_of(collection, split).sample(*size.searched) for split in ("dev", "test"))
    return LeakWorld(docs.sample(size.pool).pairs("sample")[: size.pool], dev, test)


def copies(docs: Collection, kind: str) -> list[tuple[int, tuple[str, str]]]:
    """For each query its number and a pair that nearly repeats it and its answer, in an order that all arms share."""
    rng, order = np.random.default_rng(0), list(range(len(docs.queries)))
    random.Random(0).shuffle(order)
    ids = list(docs.queries)
    found = []
    for number in order:
        query, answer = docs.queries[ids[number]], docs.corpus[next(iter(docs.qrels[ids[number]]))]
        if kind == REWORDED:
            query = next(iter(rule_paraphrases(query)), query)
        elif kind == NEAR:
            query = " ".join(drop_words(query.split(), rng, KINDS[kind]))
        found.append((number, (query, " ".join(drop_words(answer.split(), rng, KINDS[kind])))))
    return found


class Leak(NamedTuple):
    """A training set into which a part of the test has slipped."""

    pairs: Pairs
    leaked: np.ndarray  # (Q,) bool, which test queries have a copy in it
    apart: np.ndarray  # (Q,) bool, which have none, and no right answer in it that was copied for another query
    found: float = 0.0  # of the copies, the share that the sieve dropped
    dropped: float = 0.0  # of the clean pairs, the share that it dropped too


@cache
def leak(collection: str, kind: str, percent: int, sieved: bool, budget: str) -> Leak:
    """Copies in place of clean pairs, so that all trainings see equally many; sieved ones are filled up with clean pairs."""
    at, size = leak_world(collection, budget), LEAK_SIZES[budget]
    put = copies(at.test, kind)[: round(len(at.test.queries) * percent / 100)]
    leaked = np.zeros(len(at.test.queries), dtype=bool)
    leaked[[number for number, _ in put]] = True
    ids = list(at.test.queries)
    copied = {next(iter(at.test.qrels[ids[number]])) for number, _ in put}
    apart = np.array([not copied & at.test.qrels[query].keys() for query in ids])
    rows = [pair for _, pair in put] + at.pool
    if not sieved:
        return Leak(rows[: size.pairs], leaked, apart)
    texts = dict(enumerate([*at.test.queries.values(), *at.test.corpus.values()]))
    kept = decontaminate(rows, {str(i): text for i, text in texts.items()}, ngram=NGRAM[collection]).kept
    clean = sum(row >= len(put) for row in kept)
    return Leak(
        [rows[row] for row in kept][: size.pairs], leaked, apart, 1 - (len(kept) - clean) / max(1, len(put)), 1 - clean / len(at.pool)
    )  # fmt: skip


@kept
def bag_after(collection: str, kind: str, percent: int, sieved: bool, lr: float, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query (Q,) of a fresh static encoder after training: of dev queries with TUNING_SEED, else of test queries."""
    at, size = leak_world(collection, budget), LEAK_SIZES[budget]
    tokenizer = load_encoder(ENCODER).tokenizer
    torch.manual_seed(seed)
    backbone = StaticEncoder(tokenizer.get_vocab_size(), 128)
    encoder = TextEncoder(tokenizer, backbone, max_length=64)
    backbone.scale_by_idf(encoder.token_ids([passage for _, passage in at.pool]))
    pairs = leak(collection, kind, percent, sieved, budget).pairs
    train(encoder, pairs, quick=False, steps=size.steps, batch_size=size.batch_size, lr=lr, seed=seed)
    return per_query(encoder, at.dev if seed == TUNING_SEED else at.test)


def slope(by_percent: Mapping[int, np.ndarray], clean: np.ndarray) -> np.ndarray:
    """What a percent is worth to each query: the least-squares line through the clean value. (seeds, Q)"""
    total = sum(percent * (rows - clean) for percent, rows in by_percent.items())
    return np.asarray(total / sum(percent**2 for percent in by_percent))


def measure_leak(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 by the share of test queries that have a near copy in the training, on all, the copied and the other queries."""
    found: Measurements = {}
    for collection in COLLECTIONS:
        lrs = LEAK_SIZES[budget].lrs
        lr = max(lrs, key=lambda lr: float(bag_after(collection, NEAR, 0, False, lr, TUNING_SEED, budget).mean()))

        def rows_of(kind: str, percent: int, sieved: bool, lr: float = lr, collection: str = collection) -> np.ndarray:
            return np.array([bag_after(collection, kind, percent, sieved, lr, seed, budget) for seed in seeds])

        clean = rows_of(NEAR, 0, False)
        rows = {percent: rows_of(NEAR, percent, False) for percent in PERCENT}
        clean_sieved = rows_of(NEAR, 0, True)  # the sieve also takes clean pairs that are near to the test
        most = leak(collection, NEAR, PERCENT[-1], False, budget)
        half, apart = most.leaked, most.apart
        some = leak(collection, NEAR, AT, False, budget).leaked
        kinds = {}
        for kind in KINDS:
            leaky, sieved = rows_of(kind, AT, False), rows_of(kind, AT, True)
            made = leak(collection, kind, AT, True, budget)
            kinds[kind] = {
                "copied queries gain": difference(leaky[:, some], clean[:, some]),
                "all gain": difference(leaky, clean),
                "all gain, sieved": difference(sieved, clean_sieved),
                "copied queries gain, sieved": difference(sieved[:, some], clean_sieved[:, some]),
                "copies found": round(made.found, 4), "clean pairs dropped": round(made.dropped, 4),
            }  # fmt: skip
        found[collection] = {
            METRIC: {str(p): each.mean(axis=1).round(4).tolist() for p, each in ({0: clean} | rows).items()},
            "copied": {str(p): round(float(_of(each, collection, p, budget).mean()), 4) for p, each in rows.items()},
            "not copied": {
                str(p): round(float(each[:, apart].mean()), 4) for p, each in ({0: clean} | rows).items()
            },
            "queries": {"copied": int(half.sum()), "apart": int(apart.sum()), "all": len(half)},
            "per percent": level(slope(rows, clean)),
            "copied queries gain": difference(rows[PERCENT[-1]][:, half], clean[:, half]),
            "other queries gain": difference(rows[PERCENT[-1]][:, apart], clean[:, apart]),
            "queries whose answer was copied for another gain": difference(
                rows[PERCENT[-1]][:, ~half & ~apart], clean[:, ~half & ~apart]
            ) if (~half & ~apart).any() else None,
            "sieve alone": difference(clean_sieved, clean),
            "kinds": kinds,
            "lr": lr,
        }  # fmt: skip
    return {"collections": found, "pairs": LEAK_SIZES[budget].pairs, "percent": list(PERCENT)}


def _of(rows: np.ndarray, collection: str, percent: int, budget: str) -> np.ndarray:
    """The rows of those queries that have a copy at this share; of all, where none has."""
    leaked = leak(collection, NEAR, percent, False, budget).leaked
    return rows[:, leaked] if leaked.any() else rows


def decide_leak(m: Measurements) -> Verdict:
    """Is each percent worth something on both, and do the other queries gain next to nothing of it?"""
    each = m["collections"]
    inflates = [of["per percent"][1] > 0 for of in each.values()]
    others = [of["other queries gain"][2] < NEXT_TO_NOTHING * of["copied queries gain"][0] for of in each.values()]
    verdict = "holds" if all(inflates) and all(others) else "depends" if any(inflates) else "misleading"
    intervals, parts = [], []
    for name, of in each.items():
        rows = {what: of[what] for what in ("copied queries gain", "other queries gain")}
        near = of["kinds"][NEAR]
        rows |= {f"at {AT} %": near["all gain"], f"at {AT} %, sieved": near["all gain, sieved"]}
        intervals += [Interval(f"{name}: {what}", *row) for what, row in rows.items()]
        value, low, high = (100 * x for x in of["per percent"])
        parts.append(
            f"{name}: a percent is worth {value:+.2f} [{low:+.2f}, {high:+.2f}] hundredths of nDCG@10; "
            f"{', '.join(_said(what, row) for what, row in rows.items())}; the sieve found {near['copies found']:.2f} of the copies and "
            f"dropped {near['clean pairs dropped']:.2f} of the clean pairs"
        )
    because = (
        f"{m['pairs']:,} training pairs, near copies in place of clean ones. {'. '.join(parts)}. A difference of "
        f"{visible([row[1:] for row in intervals]):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(intervals))


# --- claim 72 --------------------------------------------------------------------------------

TITLE = "title"
TESTED_ON = ("toy", "planted", "pydocs")
SEARCHED = {"notebook": 60, "record": 1_000}  # passages


class Asked(NamedTuple):
    """A test: a query for each passage, and the passages among which it is looked for."""

    queries: Queries
    corpus: Corpus
    qrels: dict[str, dict[str, int]]  # the passage it was written for
    also_right: dict[
        str, set[str]
    ]  # others that answer the natural query: taken out of every ranking, right or wrong as they are


def shared(query: str, passage: str) -> float:
    """The share of the query's content words that stand in the passage."""
    asked = content_words(query)
    return len(asked & content_words(passage)) / len(asked) if asked else 0.0


def exams(collection: str, budget: str) -> dict[str, Asked]:
    """Way to make queries -> a test of them, each for the same passages among the same others."""
    found = written_queries(collection, "test")[: None if budget == "record" else 16]
    docs = docs_of(collection, "test")
    ids = [pair.natural.passage_id for pair in found]
    others = [p for p in docs.corpus if p not in set(ids)]
    also_right = {
        pair.natural.passage_id: docs.qrels[pair.natural.query_id].keys() - {pair.natural.passage_id} for pair in found
    }
    kept = {*ids, *random.Random(0).sample(others, max(0, min(len(others), SEARCHED[budget] - len(ids))))}
    corpus = {p: text for p, text in docs.corpus.items() if p in kept}
    cut = {p: first_sentence_rest(corpus[p])[0] for p in ids}
    keywords = keyword_queries(corpus)
    made: dict[str, Callable[[Natural], str]] = {
        NATURAL: lambda natural: natural.query,
        FIRST: lambda natural: cut[natural.passage_id][0],
        WORDS: lambda natural: keywords[natural.passage_id],
    }
    if collection == "toy":
        titles = {p: text.partition("\n")[0] for p, text in load_titles().items()}
        made[TITLE] = lambda natural: titles[natural.passage_id]
    texts = {name: {p: make(pair.natural) for p, pair in zip(ids, found, strict=True)} for name, make in made.items()}
    texts[WRITTEN] = {p: pair.query for p, pair in zip(ids, found, strict=True)}
    without_first = corpus | {
        p: rest for p, (_, rest) in cut.items()
    }  # whoever asks with the first sentence has it not
    return {
        name: Asked(queries, without_first if name == FIRST else corpus, {p: {p: 1} for p in ids}, also_right)
        for name, queries in texts.items()
    }


def one_answer(run: Run, test: Asked) -> Run:
    """The run without further right answers, so that finding one of them is neither praised nor blamed."""
    return {q: {p: score for p, score in hits.items() if p not in test.also_right[q]} for q, hits in run.items()}


def load_titles() -> Corpus:
    """The passages of `toy` under their titles."""
    from workbook.data import load

    return load("toy").corpus


def measure_flattery(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What BM25 is ahead of `ENCODER` on natural, written and rule-made queries; nothing is trained, so no seed matters."""
    encoder = load_encoder(ENCODER)
    found: Measurements = {}
    for collection in TESTED_ON:
        keyword, dense, words = {}, {}, {}
        for name, test in exams(collection, budget).items():
            docs = Collection(name, test.corpus, test.queries, test.qrels, {})
            depth = 10 + max(map(len, test.also_right.values()))
            by_words = BM25().index(test.corpus).search(test.queries, k=depth)
            by_vectors = dense_search(encoder, test.corpus, test.queries, k=depth)
            keyword[name], dense[name] = (of_run(one_answer(run, test), docs)[None] for run in (by_words, by_vectors))
            words[name] = np.array(
                [[shared(q, docs_of(collection, "test").corpus[p]) for p, q in test.queries.items()]]
            )
        lead = {name: keyword[name] - dense[name] for name in keyword}
        others = [name for name in lead if name != NATURAL]
        found[collection] = {
            "queries": int(lead[NATURAL].shape[1]),
            METRIC: {
                name: {"BM25": round(float(keyword[name].mean()), 4), "dense": round(float(dense[name].mean()), 4)}
                for name in keyword
            },
            "words shared": {name: round(float(each.mean()), 4) for name, each in words.items()},
            "BM25 minus dense": {name: level(each) for name, each in lead.items()},
            "more words shared": {name: difference(words[name], words[NATURAL]) for name in others},
            "flattery": {name: difference(lead[name], lead[NATURAL]) for name in others},
        }  # fmt: skip
    return {"collections": found}


def decide_flattery(m: Measurements) -> Verdict:
    """On how many collections do written queries share more words, and raise BM25's lead?"""
    each = m["collections"]
    both = [of["more words shared"][WRITTEN][1] > 0 and of["flattery"][WRITTEN][1] > 0 for of in each.values()]
    flatters = [of["flattery"][WRITTEN][1] > 0 for of in each.values()]
    verdict = "holds" if all(both) else "depends" if any(flatters) else "misleading"
    rows = {f"{name}: {way} queries": row for name, of in each.items() for way, row in of["flattery"].items()}
    parts = [
        f"{name}: {_said('BM25 minus dense on natural queries', of['BM25 minus dense'][NATURAL])}, on written ones "
        f"{signed(of['BM25 minus dense'][WRITTEN])}; words shared {of['words shared'][NATURAL]:.2f} and {of['words shared'][WRITTEN]:.2f}"
        for name, of in each.items()
    ]
    written = {name: of["flattery"][WRITTEN] for name, of in each.items()}
    because = (
        f"nDCG@10. {'. '.join(parts)}. What BM25 is ahead on written queries beyond its lead on natural ones: "
        f"{', '.join(_said(name, row) for name, row in written.items())}; a difference of {visible(written.values()):.3f} would have been seen. "
        "One small language model says nothing about others"
    )
    return Verdict(verdict, because, tuple(Interval(what, *row) for what, row in rows.items()))


CLAIMS = (
    Claim(
        32,
        "12",
        "Synthetic queries approach natural ones at equal size.",
        f"on planted and on pydocs, the same {ENCODER} is trained on the same passages, once with the natural query of each and once with the "
        "one that SmolLM2 wrote for it, equally many pairs and steps, each at its better of two learning rates, five seeds. Holds when on "
        f"both, natural pairs gain, written ones gain, and written ones gain more than {MOST:g} of what natural ones do, each in nDCG@10 on "
        "test queries with an interval above 0; misleading when written pairs gain on neither; depends otherwise. Rule-made queries, "
        "the filter and paraphrases stand beside it and decide nothing",
        measure_synthetic,
        decide_synthetic,
    ),
    Claim(
        33,
        "12",
        "Hard negatives written by an LLM beat mined ones: where, and at what cost.",
        "on planted, where each query has one labelled answer and others that nobody labelled, one negative for each of 96 queries, by "
        "SmolLM2 (a random passage where it wrote nothing usable) or mined, each arm at its better of two learning rates, five seeds. Holds "
        "when nDCG@10 of written minus the encoder's own first, minus its first that is 5 % below the positive, and minus BM25's first "
        "all lie above 0 with their intervals; misleading when all lie below 0 with theirs; depends otherwise. The encoder's first without "
        "any right answer, other ways of mining and the cost of a negative stand beside it",
        measure_negatives,
        decide_negatives,
    ),
    Claim(
        34,
        "12",
        "Near-duplicate leakage inflates scores: by how much per percent leaked.",
        f"a static encoder, {LEAK_SIZES['record'].pairs:,} training pairs, in place of some of them near copies of 2 to 50 % of the test queries "
        "with their answers, on planted and on pydocs, five seeds. Holds when on both nDCG@10 over all test queries rises with the percent "
        "leaked, with an interval above 0 for the slope, and the queries of which neither themselves nor an answer was copied gain less than "
        f"{NEXT_TO_NOTHING:g} of what the copied ones gain, with their whole interval; depends when the slope is above 0 on one or other "
        "queries gain more; misleading when it is on none. What decontamination finds and leaves, against clean pairs that went through it as "
        "well, stands beside it",
        measure_leak,
        decide_leak,
    ),
    Claim(
        72,
        "12",
        "Written queries repeat their passage's words, so a test made of them flatters keyword search.",
        f"for the same passages of toy, planted and pydocs, natural queries and those that SmolLM2 wrote, nDCG@10 of BM25 minus {ENCODER}, "
        "further right answers to the natural query taken out of every ranking. "
        "Holds when on all three written queries share more of their content words with their passage than natural ones and BM25's lead is "
        "larger on them, both with an interval above 0; depends when the lead is larger on some; misleading when on none. Titles, first "
        "sentences and keywords stand beside it",
        measure_flattery,
        decide_flattery,
        seeded=False,
    ),
)
