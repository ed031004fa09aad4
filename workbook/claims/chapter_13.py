"""Claims 35 to 37: vectors that are cut, what it costs to train them for it, and a search that begins with short ones.

All arms start from the same weights, see the same pairs in the same order, and have the same tuning: two learning rates,
one run each with a seed of its own, judged on dev queries. Test queries decide. A cut vector is normalized again.

`base/start` learned its teacher's vectors along their principal directions, the furthest first, so its axes are not in a
random order. An arm that is turned at random shows what an encoder without such a past would do.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.hard_negatives import without_held_out
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    best_of,
    collection_named,
    difference,
    of_run,
    signed,
    train,
    visible,
)
from workbook.data import Collection
from workbook.encoder import TextEncoder
from workbook.encoder import load as load_encoder
from workbook.index.rescore import funnel_cost, funnel_search
from workbook.losses import info_nce, matryoshka_loss
from workbook.similarity import top_k, truncate
from workbook.train import principal_directions

ENCODER = "base/start"  # all arms start from it
COLLECTIONS = ("planted", "pydocs")
DIMS = (8, 16, 32, 64, 128, 256)
WHOLE, SMALL = 256, 32  # the whole vector, and an eighth of it
ALONE = {"planted": (8, 16, 32, 64, 128), "pydocs": (8, 32)}  # sizes with a training of their own
PLAIN, NESTED = "plain", "Matryoshka"
TURNED, PCA, SEPARATE = "plain, turned at random", "plain, PCA", "trained for that size alone"


class Size(NamedTuple):
    """How much is trained and searched."""

    steps: int
    batch_size: int
    lrs: tuple[float, ...]
    max_length: int
    queries: int  # of training, one pair each
    passages: int
    searched: tuple[int, int]  # dev or test queries, and the passages among which they search
    shelf: int  # passages of the funnel's corpus
    pairs: tuple[int, ...]  # of which claim 36 trains


SIZES = {
    "notebook": Size(2, 8, (6e-4,), 24, 24, 120, (20, 60), 80, (8, 24)),
    "record": Size(60, 32, (3e-4, 1e-3), 64, 1_200, 6_000, (400, 1_000), 4_000, (75, 300, 1_200)),
}


class World(NamedTuple):
    """What is trained on, and what is searched afterwards."""

    train: Collection
    dev: Collection
    test: Collection
    whole: Collection  # from which the funnel's corpora are drawn


@cache
def world(collection: str, budget: str) -> World:
    """Train queries with one label each; dev and test queries with their passages, which nobody trains on."""
    size = SIZES[budget]
    docs = collection_named(collection, size.passages)
    train = without_held_out(docs).sample(size.queries, size.queries)
    dev, test = (docs.split(split).sample(*size.searched) for split in ("dev", "test"))
    return World(train, dev, test, docs)


# --- training --------------------------------------------------------------------------------

Dims = tuple[int, ...]  # whose losses are added up; the whole vector alone is plain training


@cache
def trained(collection: str, dims: Dims, lr: float, seed: int, budget: str, num_pairs: int = 0) -> TextEncoder:
    """`ENCODER` after steps of InfoNCE at these sizes, on the first `num_pairs` pairs or all of them."""
    size = SIZES[budget]
    encoder = load_encoder(ENCODER)
    encoder.max_length = size.max_length
    pairs = world(collection, budget).train.pairs("sample")
    pairs = random.Random(0).sample(pairs, min(num_pairs or len(pairs), len(pairs)))
    loss = info_nce if dims == (WHOLE,) else matryoshka_loss(info_nce, dims)
    train(
        encoder, pairs, quick=budget == "record", loss=loss, steps=size.steps, batch_size=size.batch_size, lr=lr, seed=seed
    )  # fmt: skip
    return encoder.eval()


def vectors_of(encoder: TextEncoder, docs: Collection) -> tuple[Tensor, Tensor]:
    """Queries (Q, D) and passages (N, D)."""
    queries, passages = list(docs.queries.values()), list(docs.corpus.values())
    return torch.from_numpy(encoder.encode_query(queries)), torch.from_numpy(encoder.encode_document(passages))


def quality(ids: np.ndarray, docs: Collection) -> np.ndarray:
    """nDCG@10 of each query, (Q,), from the rows that were found, (Q, K), best first; -1 for none."""
    passages, K = list(docs.corpus), ids.shape[1]
    run = {
        query: {passages[row]: float(K - rank) for rank, row in enumerate(found) if row >= 0}
        for query, found in zip(docs.queries, ids, strict=True)
    }
    return of_run(run, docs)


def found(query: Tensor, passage: Tensor, dim: int) -> np.ndarray:
    """The rows of the ten nearest by the first dimensions: (Q, 10)."""
    return top_k(truncate(query, dim), truncate(passage, dim), k=10)[1].numpy()


def at_sizes(query: Tensor, passage: Tensor, docs: Collection, dims: Sequence[int] = DIMS) -> np.ndarray:
    """nDCG@10 of each query at each size: (sizes, Q)."""
    return np.array([quality(found(query, passage, dim), docs) for dim in dims])


def turn_at_random(D: int, seed: int) -> Tensor:
    """(D, D), orthogonal: all cosines of whole vectors stay."""
    turn: Tensor = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(seed)))[0]
    return turn


def turn_by_pca(encoder: TextEncoder, collection: str, budget: str) -> Tensor:
    """(D, D): the principal directions of the training passages, the furthest first."""
    passages = torch.from_numpy(encoder.encode_document(list(world(collection, budget).train.corpus.values())))
    D = passages.shape[1]
    # fewer passages than dimensions (a quick run): the directions beyond them are those of a faint identity
    return principal_directions(torch.cat([passages, 1e-3 * torch.eye(D)]), D)


@cache
def chosen_lr(collection: str, dims: Dims, budget: str) -> float:
    """The learning rate under which dev queries find most: the mean over the sizes that the loss trains."""
    size = SIZES[budget]
    dev = world(collection, budget).dev

    def on_dev(lr: float) -> float:
        query, passage = vectors_of(trained(collection, dims, lr, TUNING_SEED, budget), dev)
        return float(at_sizes(query, passage, dev, dims).mean())

    return best_of(size.lrs, on_dev)


def arms_of(collection: str, budget: str, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """nDCG@10 of all arms, (seeds, sizes, queries); a size without a training of its own is NaN."""
    test = world(collection, budget).test
    rows: dict[str, list[np.ndarray]] = {name: [] for name in (PLAIN, NESTED, TURNED, PCA, SEPARATE)}
    for seed in seeds:
        plain, nested = (
            trained(collection, dims, chosen_lr(collection, dims, budget), seed, budget) for dims in ((WHOLE,), DIMS)
        )
        query, passage = vectors_of(plain, test)
        rows[PLAIN].append(at_sizes(query, passage, test))
        rows[NESTED].append(at_sizes(*vectors_of(nested, test), test))
        for name, turn in (
            (TURNED, turn_at_random(query.shape[1], seed)), (PCA, turn_by_pca(plain, collection, budget)),
        ):  # fmt: skip
            rows[name].append(at_sizes(query @ turn, passage @ turn, test))
        alone = np.full_like(rows[PLAIN][-1], np.nan)
        alone[-1] = rows[PLAIN][-1][-1]  # the whole vector alone is plain training
        for dim in ALONE[collection]:
            encoder = trained(collection, (dim,), chosen_lr(collection, (dim,), budget), seed, budget)
            alone[DIMS.index(dim)] = at_sizes(*vectors_of(encoder, test), test, (dim,))[0]
        rows[SEPARATE].append(alone)
    return {name: np.array(each) for name, each in rows.items()}


def _by_size(rows: np.ndarray) -> dict[str, list[float]]:
    """Size -> the mean of each seed; sizes that were not measured are missing."""
    means = rows.mean(axis=2)  # (seeds, sizes)
    return {str(d): means[:, i].round(4).tolist() for i, d in enumerate(DIMS) if not np.isnan(means[:, i]).any()}


def _said(name: str, row: Sequence[float]) -> str:
    return f"{name} {signed(row)}"


# --- claim 35 --------------------------------------------------------------------------------

COLLAPSES, KEEPS, AHEAD = (
    f"plain at {SMALL} minus half of its whole",
    f"Matryoshka at {SMALL} minus nine tenths of its whole",
    f"Matryoshka minus plain at {SMALL}",
)


def measure_cut(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 at every size, by how the vector was made ready for the cut."""
    result: Measurements = {}
    small, whole = DIMS.index(SMALL), DIMS.index(WHOLE)
    for collection in COLLECTIONS:
        rows = arms_of(collection, budget, seeds)
        beside = {
            f"Matryoshka minus {other} at {d}": difference(rows[NESTED][:, i], rows[other][:, i])
            for other in (PLAIN, TURNED, PCA, SEPARATE)
            for i, d in enumerate(DIMS)
            if not np.isnan(rows[other][:, i]).any()
        }
        result[collection] = {
            METRIC: {name: _by_size(each) for name, each in rows.items()},
            "differences": {
                COLLAPSES: difference(rows[PLAIN][:, small], 0.5 * rows[PLAIN][:, whole]),
                KEEPS: difference(rows[NESTED][:, small], 0.9 * rows[NESTED][:, whole]),
                AHEAD: difference(rows[NESTED][:, small], rows[PLAIN][:, small]),
            }
            | beside,
            "lr": {
                PLAIN: chosen_lr(collection, (WHOLE,), budget), NESTED: chosen_lr(collection, DIMS, budget),
                SEPARATE: {str(d): chosen_lr(collection, (d,), budget) for d in ALONE[collection]},
            },
        }  # fmt: skip
    return {"collections": result, "steps": SIZES[budget].steps}


def decide_cut(m: Measurements) -> Verdict:
    """At an eighth: has plain lost more than half, has Matryoshka kept nine tenths, and is it ahead?"""
    rows = {name: each["differences"] for name, each in m["collections"].items()}
    ahead = [row[AHEAD][1] > 0 for row in rows.values()]
    as_said = [row[COLLAPSES][2] < 0 and row[KEEPS][1] > 0 for row in rows.values()]
    verdict = "holds" if all(ahead) and all(as_said) else "depends" if any(ahead) else "misleading"
    parts = []
    for name, each in m["collections"].items():
        kept = {arm: np.mean(by[str(SMALL)]) / max(np.mean(by[str(WHOLE)]), 1e-9) for arm, by in _full(each)}
        shares = ", ".join(f"{arm} {share:.2f}" for arm, share in kept.items())
        pca = rows[name][f"Matryoshka minus {PCA} at {SMALL}"]
        parts.append(f"{name}: {shares}; {_said(AHEAD, rows[name][AHEAD])}, {_said('minus PCA', pca)}")
    intervals = [
        Interval(f"{name}: {what}", *row[what]) for name, row in rows.items() for what in (COLLAPSES, KEEPS, AHEAD)
    ]
    because = (
        f"share of its nDCG@10 that a vector keeps at {SMALL} of {WHOLE} dimensions. {'; '.join(parts)}; a difference of "
        f"{visible([each[1:] for each in intervals]):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(intervals))


def _full(of_collection: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> list:
    """The arms that were measured at the small size and the whole one."""
    return [(arm, by) for arm, by in of_collection[METRIC].items() if str(SMALL) in by and str(WHOLE) in by]


# --- claim 36 --------------------------------------------------------------------------------

LITTLE = 0.01  # nDCG@10


def measure_price(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Both losses at every size, by how many pairs there are; equal steps."""
    result: Measurements = {}
    for collection in COLLECTIONS:
        test, rows = world(collection, budget).test, {}
        for name, dims in ((PLAIN, (WHOLE,)), (NESTED, DIMS)):
            for num_pairs in SIZES[budget].pairs:
                lr = chosen_lr(collection, dims, budget)  # with all pairs
                encoders = [trained(collection, dims, lr, seed, budget, num_pairs) for seed in seeds]
                of_seeds = [at_sizes(*vectors_of(encoder, test), test) for encoder in encoders]
                rows[name, num_pairs] = np.array(of_seeds)
        whole = DIMS.index(WHOLE)
        result[collection] = {
            METRIC: {name: {str(n): _by_size(rows[name, n]) for n in SIZES[budget].pairs} for name in (PLAIN, NESTED)},
            "at full size": {
                str(n): difference(rows[NESTED, n][:, whole], rows[PLAIN, n][:, whole]) for n in SIZES[budget].pairs
            },
            "whole minus an eighth, Matryoshka": {
                str(n): difference(rows[NESTED, n][:, whole], rows[NESTED, n][:, DIMS.index(SMALL)])
                for n in SIZES[budget].pairs
            },
        }
    return {"collections": result, "most pairs": max(SIZES[budget].pairs), "steps": SIZES[budget].steps}


def decide_price(m: Measurements) -> Verdict:
    """Is less than LITTLE lost at full size, on every collection?"""
    most = str(m["most pairs"])
    rows = {name: each["at full size"][most] for name, each in m["collections"].items()}
    little, much = [low > -LITTLE for _, low, _ in rows.values()], [high < -LITTLE for _, _, high in rows.values()]
    verdict = "holds" if all(little) else "misleading" if all(much) else "depends"
    fewer = "; ".join(
        f"{name} with {n} pairs {signed(row)}"
        for name, each in m["collections"].items()
        for n, row in each["at full size"].items()
        if n != most
    )
    because = (
        f"nDCG@10 of all {WHOLE} dimensions, Matryoshka minus plain, {most} pairs: "
        f"{', '.join(_said(name, row) for name, row in rows.items())}; {fewer}; a difference of {visible(list(rows.values())):.3f} would "
        "have been seen"
    )
    return Verdict(verdict, because, tuple(Interval(f"{name}: at full size", *row) for name, row in rows.items()))


# --- claim 37 --------------------------------------------------------------------------------

FUNNELS: tuple[tuple[Dims, int], ...] = (
    ((8, 256), 8), ((16, 256), 4), ((16, 256), 8), ((32, 256), 2), ((32, 256), 4), ((64, 256), 4), ((64, 256), 2),
    ((8, 32, 256), 4), ((16, 64, 256), 2), ((16, 64, 256), 4), ((32, 128, 256), 4), ((8, 16, 32, 64, 128, 256), 2),
)  # sizes, and how much wider each stage is than the next; the last is the progressive search of the authors' code  # fmt: skip
FRACTION, SLACK = 0.25, 0.005  # of the multiply-adds; of nDCG@10 on dev


def name_of(funnel: tuple[Dims, int]) -> str:
    """Such as "16, 64, 256 × 4"."""
    return f"{', '.join(map(str, funnel[0]))} × {funnel[1]}"


def shelf(collection: str, split: str, budget: str) -> Collection:
    """Queries of a split among many passages."""
    size = SIZES[budget]
    return world(collection, budget).whole.split(split).sample(size.searched[0], size.shelf)


def through(funnel: tuple[Dims, int], query: Tensor, passage: Tensor) -> np.ndarray:
    """The rows that a funnel finds: (Q, 10)."""
    return np.asarray(funnel_search(query, passage, 10, *funnel)[1])


def work_of(funnel: tuple[Dims, int], N: int) -> float:
    """Multiply-adds of a query, as a share of those of a search with whole vectors."""
    return funnel_cost(N, 10, *funnel) / (N * WHOLE)


def recall(ids: np.ndarray, exact: np.ndarray) -> float:
    """The share of the exact first ten that was found."""
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids.tolist(), exact.tolist(), strict=True)]))


def chosen_funnel(collection: str, budget: str) -> tuple[Dims, int]:
    """The one with the least work that costs dev queries no more than SLACK; the best one where there is none."""
    dev = shelf(collection, "dev", budget)
    encoder = trained(collection, DIMS, chosen_lr(collection, DIMS, budget), TUNING_SEED, budget)
    query, passage = vectors_of(encoder, dev)
    exact = quality(found(query, passage, WHOLE), dev).mean()
    values = {funnel: quality(through(funnel, query, passage), dev).mean() for funnel in FUNNELS}
    good = [funnel for funnel in FUNNELS if values[funnel] >= exact - SLACK]
    N = len(dev.corpus)
    return min(good, key=lambda f: work_of(f, N)) if good else max(FUNNELS, key=lambda f: values[f])


def measure_funnel(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Quality, recall of the exact ten and work of all funnels; a search with the first stage alone; and other vectors."""
    result: Measurements = {}
    for collection in COLLECTIONS:
        test, best = shelf(collection, "test", budget), chosen_funnel(collection, budget)
        N = len(test.corpus)
        ndcg: dict[str, list[np.ndarray]] = {}
        recalls: dict[str, list[float]] = {}
        for seed in seeds:
            plain, nested = (
                trained(collection, dims, chosen_lr(collection, dims, budget), seed, budget)
                for dims in ((WHOLE,), DIMS)
            )
            query, passage = vectors_of(nested, test)
            other_query, other_passage = vectors_of(plain, test)
            turn = turn_by_pca(plain, collection, budget)
            exact, other_exact = found(query, passage, WHOLE), found(other_query, other_passage, WHOLE)
            searches = {name_of(f): (through(f, query, passage), exact) for f in FUNNELS} | {
                "exact": (exact, exact),
                "first stage alone": (found(query, passage, best[0][0]), exact),
                "exact, plain": (other_exact, other_exact),
                "chosen, plain": (through(best, other_query, other_passage), other_exact),
                "chosen, plain, PCA": (through(best, other_query @ turn, other_passage @ turn), other_exact),
            }
            for name, (ids, right) in searches.items():
                ndcg.setdefault(name, []).append(quality(ids, test))
                recalls.setdefault(name, []).append(round(recall(ids, right), 4))
        rows = {name: np.array(each) for name, each in ndcg.items()}
        chosen = name_of(best)
        result[collection] = {
            "passages": N,
            "chosen": chosen,
            "work": {name_of(f): round(work_of(f, N), 4) for f in FUNNELS}
            | {"exact": 1.0, "first stage alone": round(best[0][0] / WHOLE, 4)},
            METRIC: {name: each.mean(axis=1).round(4).tolist() for name, each in rows.items()},
            "recall of the exact ten": recalls,
            "differences": {
                "funnel minus exact": difference(rows[chosen], rows["exact"]),
                "first stage alone minus exact": difference(rows["first stage alone"], rows["exact"]),
                "funnel minus exact, plain": difference(rows["chosen, plain"], rows["exact, plain"]),
                "funnel minus exact, plain, PCA": difference(rows["chosen, plain, PCA"], rows["exact, plain"]),
            },
        }
    return {"collections": result}


def decide_funnel(m: Measurements) -> Verdict:
    """Within LITTLE of exact search at no more than a quarter of the multiply-adds?"""
    fulfilled, parts, intervals = [], [], []
    for name, each in m["collections"].items():
        row, work = each["differences"]["funnel minus exact"], each["work"][each["chosen"]]
        fulfilled.append(row[1] > -LITTLE and work <= FRACTION)
        share = np.mean(each["recall of the exact ten"][each["chosen"]])
        parts.append(
            f"{name}, {each['passages']:,} passages, {each['chosen']}: {work:.3f} of the multiply-adds, {share:.3f} of the exact ten, "
            f"{_said('nDCG@10', row)}; the first stage alone {each['differences']['first stage alone minus exact'][0]:+.3f}"
        )
        intervals.append(Interval(f"{name}: funnel minus exact", *row))
    verdict = "holds" if all(fulfilled) else "depends" if any(fulfilled) else "misleading"
    because = f"{'; '.join(parts)}; a difference of {visible([i[1:] for i in intervals]):.3f} would have been seen"
    return Verdict(verdict, because, tuple(intervals))


CLAIMS = (
    Claim(
        id=35,
        chapter="13",
        statement="Truncating an ordinary embedding collapses; truncating a Matryoshka embedding degrades gracefully.",
        rule=(
            "base/start after 60 steps with InfoNCE, or with InfoNCE at sizes 8 to 256 added up, each at its better of two learning rates, on "
            "planted and on pydocs; cut to 32 of 256 dimensions and normalized again. Holds when on both the plain vector has lost more than "
            "half of its nDCG@10, the Matryoshka vector has kept more than nine tenths of its own, and is ahead of the plain one, each with "
            "its interval; depends when it is ahead on at least one of the two, misleading when on none. PCA, a random turn and trainings "
            "for one size alone stand beside and decide nothing"
        ),
        measure=measure_cut,
        decide=decide_cut,
    ),
    Claim(
        id=36,
        chapter="13",
        statement="Matryoshka training costs little at full size.",
        rule=(
            "the same trainings on 1,200 pairs, nDCG@10 of all 256 dimensions, Matryoshka minus plain: holds when the interval lies above "
            "-0.01 on planted and on pydocs, misleading when it lies below -0.01 on both, depends otherwise"
        ),
        measure=measure_price,
        decide=decide_price,
    ),
    Claim(
        id=37,
        chapter="13",
        statement="Funnel search keeps quality at a fraction of the work.",
        rule=(
            "Matryoshka vectors, 4,000 passages of planted and of pydocs, ten results. Of twelve funnels the one with the fewest multiply-adds "
            "is taken whose nDCG@10 on dev queries is within 0.005 of exact search. Holds when on test queries its nDCG@10 minus that of exact "
            "search lies above -0.01 with its interval and it needs at most a quarter of the multiply-adds, on both; depends when on one, "
            "misleading when on none"
        ),
        measure=measure_funnel,
        decide=decide_funnel,
    ),
)
