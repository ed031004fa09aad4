"""Claims 19 to 22, 67 and 68: which wrong answers teach the most, how many, and from which ranks.

The experiment is that of `workbook.claims.hard_negatives`: all arms of a seed start from the same weights. Arms that are
compared have the same tuning; dev queries choose, test queries decide.
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from workbook.bm25 import BM25
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.hard_negatives import (
    CLEAN,
    CROSS_ENCODER,
    KEYWORDS,
    LANGUAGE_MODEL,
    MARGIN,
    NONE,
    OWN,
    RANDOM,
    SIZES,
    WRITTEN_QUERIES,
    Arm,
    Remembering,
    Result,
    base_of,
    false_by_rank,
    false_share,
    has_cross_encoder,
    new_encoder,
    result,
    train,
    warmed,
    world,
)
from workbook.claims.measuring import METRIC, difference, per_query, signed, visible
from workbook.data import Collection
from workbook.encoder import TextEncoder
from workbook.mining import candidates, mine_hard_negatives, training_tuples

COLLECTIONS = ("planted", "pydocs")
LR = 3e-4  # where arms differ in nothing that would want another
SMALL = 0.01  # nDCG@10: what is no gain worth its price

Row = tuple[float, float, float]


def _said(name: str, row: Sequence[float]) -> str:
    return f"{name} {signed(row)}"


def _of_arms(results: Mapping[str, Result]) -> Measurements:
    """What is kept of each arm."""
    return {
        METRIC: {name: r.rows.mean(axis=1).round(4).tolist() for name, r in results.items()},
        "right answers among the negatives": {
            name: None if r.false is None else [round(share, 4) for share in r.false] for name, r in results.items()
        },
        "lr": {name: r.lr for name, r in results.items()},
        "steps": {name: r.steps for name, r in results.items()},
    }


# --- claim 19 --------------------------------------------------------------------------------

OTHERS, NEAR_ZERO, TEMPERATURE = (
    31,
    0.05,
    0.05,
)  # random passages beside a query's own; of the gradient's largest length
LOOKS = {"notebook": (0, 2), "record": (0, 8, 16, 32)}
PROBED = {"notebook": (20, 60), "record": (200, 700)}  # queries, passages
LISTS = ("31 random", "and BM25's first", "and its own first")


def what_is_left(encoder: TextEncoder, docs: Collection, keywords: Sequence[list[int]], seed: int) -> np.ndarray:
    """1 - p of each query's own passage: how long the query's gradient is, beside the longest possible. (3, Q), by LISTS.

    Args:
        encoder: as it is.
        docs: queries, and passages among which it finds its own.
        keywords: for each query the row of BM25's first passage that is not marked as an answer, if it has one.
        seed: draws the random passages.
    """
    ids = list(docs.corpus)
    row_of = {p: row for row, p in enumerate(ids)}
    q, d = encoder.encode_query(list(docs.queries.values())), encoder.encode_document(list(docs.corpus.values()))
    cosines = q @ d.T  # (Q, N)
    known = [[row_of[p] for p, grade in docs.qrels[query].items() if grade > 0] for query in docs.queries]
    rng = np.random.default_rng(seed)
    found = []
    for row, answers, keyword in zip(cosines, known, keywords, strict=True):
        wrong = np.setdiff1d(np.arange(len(ids)), answers)
        drawn = rng.choice(wrong, min(OTHERS, len(wrong)), replace=False)
        hardest = wrong[row[wrong].argmax()]
        lists = (drawn, [*drawn, *keyword], [*drawn, hardest])
        found.append([1 - 1 / (1 + np.exp((row[list(each)] - row[answers[0]]) / TEMPERATURE).sum()) for each in lists])
    return np.array(found).T


def measure_random(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The share of queries that hardly learn from 31 random passages, at some steps of a training on pairs alone."""
    found: Measurements = {}
    for collection in COLLECTIONS:
        docs = world(collection, budget).train.sample(*PROBED[budget])
        keyword_run = candidates(docs.queries, docs.corpus, docs.qrels, BM25(), k=10).run()
        row_of = {p: row for row, p in enumerate(docs.corpus)}
        keywords = [[row_of[p] for p in list(keyword_run[query])[:1]] for query in docs.queries]
        left = np.array(
            [_left_by_step(collection, docs, keywords, seed, budget) for seed in seeds]
        )  # (seeds, looks, 3, Q)
        done = left < NEAR_ZERO
        last = done[:, -1]
        found[collection] = {
            "steps": list(LOOKS[budget]),
            "share near zero": {
                name: done[:, :, i].mean(axis=2).round(4).tolist() for i, name in enumerate(LISTS)
            },  # by seed, then by look
            "mean length": {name: left[:, :, i].mean(axis=(0, 2)).round(4).tolist() for i, name in enumerate(LISTS)},
            "last share, 31 random": last[:, 0].mean(axis=1).round(4).tolist(),
            "fewer with its own first": difference(last[:, 0].astype(float), last[:, 2].astype(float)),
            "fewer with BM25's first": difference(last[:, 0].astype(float), last[:, 1].astype(float)),
        }
    return {"collections": found}


def _left_by_step(
    collection: str, docs: Collection, keywords: Sequence[list[int]], seed: int, budget: str
) -> list[np.ndarray]:
    encoder = new_encoder(budget)
    looks = [what_is_left(encoder, docs, keywords, seed)]

    def on_step(record: dict[str, float]) -> None:
        if record["step"] in LOOKS[budget]:
            looks.append(what_is_left(encoder, docs, keywords, seed))

    pairs = world(collection, budget).train.pairs("sample")
    train(encoder, pairs, LOOKS[budget][-1], LR, seed, budget, on_step=on_step)
    return looks


def decide_random(m: Measurements) -> Verdict:
    """Do most queries hardly learn from random passages any more, and more of them from a hard one?"""
    rows = m["collections"]
    most = {name: min(row["last share, 31 random"]) > 0.5 for name, row in rows.items()}
    more = {name: row["fewer with its own first"][1] > 0 for name, row in rows.items()}
    fulfilled = [most[name] and more[name] for name in rows]
    verdict = "holds" if all(fulfilled) else "depends" if any(most.values()) else "misleading"
    parts = []
    for name, row in rows.items():
        shares = [float(np.mean([seed[i] for seed in row["share near zero"][LISTS[0]]])) for i in (0, -1)]
        hard = float(np.mean([seed[-1] for seed in row["share near zero"][LISTS[2]]]))
        parts.append(
            f"{name} {shares[0]:.2f} before and {shares[1]:.2f} after {row['steps'][-1]} steps, {hard:.2f} with its own first beside them"
        )
    because = f"share of queries whose gradient from {OTHERS} random passages is below {NEAR_ZERO:g} of its largest: {'; '.join(parts)}"
    intervals = [
        Interval(f"{name}: fewer with its own first", *row["fewer with its own first"]) for name, row in rows.items()
    ]
    return Verdict(verdict, because, tuple(intervals))


# --- claim 20 --------------------------------------------------------------------------------

BELOW = "own, 5 % below the positive"
MINERS = {
    NONE: Arm(NONE), RANDOM: Arm(RANDOM), KEYWORDS: Arm(KEYWORDS), OWN: Arm(OWN),
    BELOW: Arm(OWN, relative_margin=MARGIN),
}  # fmt: skip
ORDER = {"BM25 minus random": (KEYWORDS, RANDOM), "own minus BM25": (OWN, KEYWORDS)}  # what the rule looks at
BESIDE = {
    "random minus pairs alone": (RANDOM, NONE), "own minus pairs alone": (OWN, NONE),
    "own, 5 % below, minus own": (BELOW, OWN), "own, 5 % below, minus random": (BELOW, RANDOM),
    "own, 5 % below, minus pairs alone": (BELOW, NONE),
    "own without right answers minus own": (CLEAN, OWN), "own without right answers minus BM25": (CLEAN, KEYWORDS),
}  # fmt: skip


def measure_miners(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 with one negative for each query, by where it comes from; on `planted` also with right answers taken out."""
    found: Measurements = {}
    for collection in COLLECTIONS:
        arms = MINERS | ({CLEAN: Arm(CLEAN)} if world(collection, budget).truth is not None else {})
        results = {name: result(collection, arm, budget, seeds) for name, arm in arms.items()}
        found[collection] = _of_arms(results) | {
            "differences": {
                name: difference(results[a].rows, results[b].rows)
                for name, (a, b) in (ORDER | BESIDE).items()
                if a in results and b in results
            }
        }
    return {"collections": found}


def decide_miners(m: Measurements) -> Verdict:
    """Is the order random, BM25, own, on every collection?"""
    rows = {(name, what): c["differences"][what] for name, c in m["collections"].items() for what in ORDER}
    above = [low > 0 for _, low, _ in rows.values()]
    verdict = "holds" if all(above) else "depends" if any(above) else "misleading"
    parts = [
        f"{name}: " + ", ".join(_said(w, c["differences"][w]) for w in ORDER) for name, c in m["collections"].items()
    ]
    false = m["collections"]["planted"]["right answers among the negatives"]
    shares = ", ".join(f"{name} {np.mean(false[name]):.3f}" for name in (RANDOM, KEYWORDS, OWN))
    because = (
        f"nDCG@10. {'; '.join(parts)}; right answers among the negatives of planted: {shares}; a difference of "
        f"{visible(rows.values()):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(Interval(f"{n}: {w}", *each) for (n, w), each in rows.items()))


# --- claim 21 --------------------------------------------------------------------------------

FEW_STEPS = {"notebook": 2, "record": 24}
READERS = {
    name: Arm(name, num_queries=WRITTEN_QUERIES) for name in (NONE, KEYWORDS, OWN, CROSS_ENCODER, LANGUAGE_MODEL)
}  # the cross-encoder is left out while none is shipped
ADDED = {
    "cross-encoder minus own": (CROSS_ENCODER, OWN), "written minus pairs alone": (LANGUAGE_MODEL, NONE),
}  # what the rule looks at  # fmt: skip
ALSO = {
    "cross-encoder minus pairs alone": (CROSS_ENCODER, NONE), "own minus pairs alone": (OWN, NONE),
    "written minus own": (LANGUAGE_MODEL, OWN), "written minus BM25": (LANGUAGE_MODEL, KEYWORDS),
}  # fmt: skip


def measure_readers(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 on `planted` with one negative for each of the queries for which a language model has written one."""
    steps = FEW_STEPS[budget]
    there = {name: arm for name, arm in READERS.items() if name != CROSS_ENCODER or has_cross_encoder()}
    results = {name: result("planted", arm, budget, seeds, steps) for name, arm in there.items()}
    compared = {name: arms for name, arms in (ADDED | ALSO).items() if set(arms) <= set(there)}
    return _of_arms(results) | {
        "queries": WRITTEN_QUERIES,
        "differences": {name: difference(results[a].rows, results[b].rows) for name, (a, b) in compared.items()},
    }


def decide_readers(m: Measurements) -> Verdict:
    """Does a cross-encoder add to what the encoder finds by itself, and a written negative to pairs alone?"""
    rows = {what: m["differences"][what] for what in ADDED if what in m["differences"]}
    above = [low > 0 for _, low, _ in rows.values()]
    both = len(rows) == len(ADDED)
    verdict = "holds" if all(above) and both else "depends" if any(above) else "misleading"
    missing = "" if both else ". A cross-encoder was not tried: none is shipped yet"
    false = m["right answers among the negatives"]
    shares = ", ".join(
        f"{name} {np.mean(shares):.3f}" for name, shares in false.items() if shares and name != LANGUAGE_MODEL
    )
    because = (
        f"nDCG@10 on planted, one negative for each of {m['queries']} queries: "
        f"{', '.join(_said(what, row) for what, row in m['differences'].items())}; right answers among the negatives: {shares}; a "
        f"difference of {visible(rows.values()):.3f} would have been seen. One small language model says nothing about others{missing}"
    )
    return Verdict(verdict, because, tuple(Interval(what, *row) for what, row in rows.items()))


# --- claim 22 --------------------------------------------------------------------------------

NUM_ROUNDS = 3
ROUND_STEPS = {"notebook": 2, "record": 20}
AGAIN, ONCE = "mined anew in each round", "mined once"


def in_rounds(seed: int, budget: str, anew: bool) -> Measurements:
    """Three rounds on `planted`: quality before and after each, the losses and lengths of gradients, right answers mined."""
    docs, _, test, truth = world("planted", budget)
    assert truth is not None
    encoder, mined = warmed("planted", seed, budget), None
    rows, history, false = [per_query(encoder, test)], [], []
    for number in range(NUM_ROUNDS):
        if mined is None or anew:
            # in round 1 the encoder is that of all arms, whose passages are encoded once
            miner = Remembering(base_of("planted", seed, budget)) if number == 0 else encoder.eval()
            mined = mine_hard_negatives(
                docs.queries, docs.corpus, docs.qrels, miner, relative_margin=MARGIN, num_negatives=1, too_few="pad"
            )
        history.append(
            train(
                encoder,
                training_tuples(mined, docs.queries, docs.corpus),
                ROUND_STEPS[budget],
                LR,
                seed + number,
                budget,
            )
        )
        rows.append(per_query(encoder, test))
        false.append(false_share(mined, truth))
    return {"rows": np.array(rows), "history": history, "false": false}


def measure_rounds(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What each round gains, beside as many steps with the first round's negatives."""
    runs = {name: [in_rounds(seed, budget, name == AGAIN) for seed in seeds] for name in (AGAIN, ONCE)}
    rows = {
        name: np.array([run["rows"] for run in of_seeds]) for name, of_seeds in runs.items()
    }  # (seeds, 1 + rounds, Q)
    first = runs[AGAIN][0]["history"]
    return {
        METRIC: {name: r.mean(axis=2).round(4).tolist() for name, r in rows.items()},
        "gain of a round": [difference(rows[AGAIN][:, n + 1], rows[AGAIN][:, n]) for n in range(NUM_ROUNDS)],
        "anew minus once": difference(rows[AGAIN][:, -1], rows[ONCE][:, -1]),
        "right answers among the negatives": [
            round(float(np.mean([run["false"][n] for run in runs[AGAIN]])), 4) for n in range(NUM_ROUNDS)
        ],
        "loss of the first seed": [[round(each["loss"], 4) for each in one] for one in first],
        "length of the gradient, first seed": [[round(each["grad_norm"], 4) for each in one] for one in first],
    }


def decide_rounds(m: Measurements) -> Verdict:
    """Does each round gain, each less than the one before, and is mining anew worth it?"""
    gains, anew = m["gain of a round"], m["anew minus once"]
    helps = [low > 0 for _, low, _ in gains]
    less = all(a[0] > b[0] for a, b in itertools.pairwise(gains))
    verdict = "holds" if all(helps) and less and anew[1] > 0 else "depends" if helps[0] or anew[1] > 0 else "misleading"
    parts = ", ".join(_said(f"round {n}", gain) for n, gain in enumerate(gains, start=1))
    because = (
        f"nDCG@10 gained on planted: {parts}; three rounds mined anew minus as many steps with the first round's negatives "
        f"{signed(anew)}; a difference of {visible([*gains, anew]):.3f} would have been seen"
    )
    names = [f"round {n}" for n in range(1, NUM_ROUNDS + 1)]
    return Verdict(
        verdict,
        because,
        tuple(Interval(n, *row) for n, row in zip([*names, "anew minus once"], [*gains, anew], strict=True)),
    )


# --- claim 67 --------------------------------------------------------------------------------

HOW_MANY = (0, 1, 3, 7, 15)
NUMBER_STEPS = {"notebook": 2, "record": 40}


@cache
def _of_number(number: int) -> Arm:
    return Arm(OWN, number, relative_margin=MARGIN) if number else Arm(NONE)


def measure_number(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 on `planted` by the number of negatives, at equal steps; and one negative for as many texts as seven take.

    They score 5 % below the positive at most.
    """
    steps = NUMBER_STEPS[budget]
    results = {str(M): result("planted", _of_number(M), budget, seeds, steps, LR) for M in HOW_MANY}
    as_many = result("planted", _of_number(1), budget, seeds, steps * (2 + 7) // (2 + 1), LR)
    compared = {"15 minus 7": ("15", "7"), "7 minus 1": ("7", "1"), "1 minus 0": ("1", "0")}
    return _of_arms(results) | {
        "texts in a step": {str(M): SIZES[budget].batch_size * (2 + M) for M in HOW_MANY},
        "differences": {name: difference(results[a].rows, results[b].rows) for name, (a, b) in compared.items()}
        | {"7 minus 1, equal texts": difference(results["7"].rows, as_many.rows)},
    }


def decide_number(m: Measurements) -> Verdict:
    """Do fifteen add nothing to seven, with enough queries to say so?"""
    _, low, high = m["differences"]["15 minus 7"]
    verdict = "misleading" if low > 0 else "holds" if high <= SMALL else "depends"
    means = " · ".join(f"{M}: {np.mean(seeds):.3f}" for M, seeds in m[METRIC].items())
    because = (
        f"nDCG@10 on planted at equal steps by number of negatives: {means}; "
        f"{', '.join(_said(name, row) for name, row in m['differences'].items())}; a difference of {(high - low) / 2:.3f} would have been "
        "seen"
    )
    return Verdict(verdict, because, tuple(Interval(name, *row) for name, row in m["differences"].items()))


# --- claim 68 --------------------------------------------------------------------------------

STARTS, WIDTH, DRAWN = (1, 6, 11, 31, 101), 15, 2
WINDOW_STEPS = {"notebook": 2, "record": 60}
BY_MARGIN, TRUE_ONLY = "first ones, 5 % below the positive", "first ones, no right answers"
OTHER_WAYS = {BY_MARGIN: Arm(OWN, DRAWN, relative_margin=MARGIN), TRUE_ONLY: Arm(CLEAN, DRAWN)}
BANDS = ((1, 1), (2, 5), (6, 10), (11, 20), (21, 50), (51, 100))


def measure_window(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 on `planted` with two negatives drawn from fifteen ranks, by where the ranks begin; and two other ways."""
    windows = {str(start): Arm(OWN, DRAWN, start - 1, WIDTH) for start in STARTS}
    results = {
        name: result("planted", arm, budget, seeds, WINDOW_STEPS[budget], LR)
        for name, arm in (windows | OTHER_WAYS).items()
    }
    docs, _, _, truth = world("planted", budget)
    assert truth is not None
    by_rank: dict[str, list[float]] = {f"{first} to {last}": [] for first, last in BANDS}
    for seed in seeds:
        own = Remembering(base_of("planted", seed, budget))
        ranked = candidates(docs.queries, docs.corpus, docs.qrels, own, k=100).run()
        for first, last in BANDS:
            by_rank[f"{first} to {last}"].append(round(false_by_rank(ranked, truth, first, last), 4))
    return _of_arms(results) | {
        "right answers by rank": by_rank,
        "differences": {
            f"from {start} minus from 1": difference(results[start].rows, results["1"].rows)
            for start in list(windows)[1:]
        }
        | {f"{name} minus from 1": difference(results[name].rows, results["1"].rows) for name in OTHER_WAYS},
    }


def decide_window(m: Measurements) -> Verdict:
    """From rank 11 on: fewer right answers in every seed, and a better model?"""
    false = m["right answers among the negatives"]
    fewer = all(late < early for late, early in zip(false["11"], false["1"], strict=True))
    _, low, high = m["differences"]["from 11 minus from 1"]
    verdict = "holds" if fewer and low > 0 else "misleading" if high < 0 or not fewer else "depends"
    means = " · ".join(
        f"{start}: {np.mean(m[METRIC][str(start)]):.3f} ({np.mean(false[str(start)]):.3f})" for start in STARTS
    )
    because = (
        f"nDCG@10 on planted by the first of fifteen ranks, in brackets the share of right answers: {means}; "
        f"{', '.join(_said(name, row) for name, row in m['differences'].items())}; a difference of {(high - low) / 2:.3f} would have been "
        "seen"
    )
    return Verdict(verdict, because, tuple(Interval(name, *row) for name, row in m["differences"].items()))


CLAIMS = (
    Claim(
        id=19,
        chapter="08",
        statement="Random negatives soon teach nothing: share of near-zero gradients over time.",
        rule=(
            "a query's gradient from 31 random passages, 1 minus the softmax weight of its own passage at temperature 0.05, is near zero "
            "below 0.05. Holds when after 32 steps on pairs alone that is so for more than half of the queries in every seed, on planted "
            "and on pydocs, and for fewer once the encoder's own first wrong passage stands beside them, with an interval above 0; depends "
            "when more than half are near zero on one of the two, misleading when on none"
        ),
        measure=measure_random,
        decide=decide_random,
    ),
    Claim(
        id=20,
        chapter="08",
        statement="BM25 negatives beat random ones; negatives mined by the model itself beat BM25's.",
        rule=(
            "one negative for each query beside the batch, all arms from the same weights, each at its better of two learning rates, on "
            "planted and on pydocs: holds when nDCG@10 of BM25's minus random ones and of the model's own minus BM25's lie above 0 with "
            "their intervals on both, depends when some of the four do, misleading when none does"
        ),
        measure=measure_miners,
        decide=decide_miners,
    ),
    Claim(
        id=21,
        chapter="08",
        statement="Cross-encoder-mined and LLM-written negatives: what each adds.",
        rule=(
            "on planted, one negative for each of 96 queries, each arm at its better of two learning rates: what a cross-encoder scores "
            "highest among the encoder's first 20, below the positive, is compared with the encoder's own first; what SmolLM2 wrote is "
            "compared with pairs alone. Holds when both differences in nDCG@10 lie above 0 with their intervals, depends when one does, "
            "misleading when none does. While no cross-encoder is shipped the written ones decide, for depends or misleading"
        ),
        measure=measure_readers,
        decide=decide_readers,
    ),
    Claim(
        id=22,
        chapter="08",
        statement="Each further round of mining helps, less and less.",
        rule=(
            "three rounds on planted, each mines one negative 5 % below the positive with the encoder as it is, and trains for as many steps "
            "at one learning rate: holds when every round's gain in nDCG@10 lies above 0 with its interval, each is smaller than the one "
            "before, and the three beat as many steps with the first round's negatives with an interval above 0; depends when the first "
            "round gains or mining anew is worth it, misleading when neither"
        ),
        measure=measure_rounds,
        decide=decide_rounds,
    ),
    Claim(
        id=67,
        chapter="08",
        statement="More than about seven hard negatives for a query add nothing.",
        rule=(
            "on planted, the encoder's own first 0, 1, 3, 7 or 15 that score 5 % below the positive, equal steps, one learning rate: misleading when nDCG@10 of fifteen minus "
            "seven lies above 0 with its interval, holds when the interval ends at 0.01 or below, depends otherwise, since a gain could not "
            "be excluded"
        ),
        measure=measure_number,
        decide=decide_number,
    ),
    Claim(
        id=68,
        chapter="08",
        statement="Skipping the first ranks when mining is safer than taking the hardest.",
        rule=(
            "on planted, two negatives drawn from fifteen ranks that begin at 1, 6, 11, 31 or 101, equal steps, one learning rate: holds when "
            "from rank 11 on there are fewer right answers among them than from rank 1 on in every seed and nDCG@10 is higher with an "
            "interval above 0; depends when there are fewer and the interval holds 0; misleading otherwise"
        ),
        measure=measure_window,
        decide=decide_window,
    ),
)
