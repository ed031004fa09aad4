"""Claims 26 and 27: what a start is worth that has seen no label.

Texts without labels are the documentation of `pydocs`. The labelled task is a near one: from the first sentence of a
docstring to its code, `pydocs-code`. Each objective reads equally many of the same texts, once from fresh weights and once
on from `ENCODER`, which has read them before, and is then fine-tuned in one and the same way on 32 to 4,096 labelled pairs,
drawn by the seed. Nothing that is searched or asked on dev or test stands in texts or labels. Dev queries choose the
learning rate, and in claim 27 the pooling; test queries decide. A model that guessed words is compared after that
fine-tuning and never before.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import torch

from workbook.bm25 import BM25
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    difference,
    per_query,
    quickly,
    sieved,
    signed,
    split_of,
    texts_of,
    train,
    visible,
)  # fmt: skip
from workbook.data import Collection, load
from workbook.encoder import TextEncoder, TransformerEncoder
from workbook.encoder import load as load_encoder
from workbook.metrics import evaluate
from workbook.pooling import cls_pool, mean_pool
from workbook.pretraining import (
    MaskedLanguageModel,
    RetroMAE,
    inverse_cloze_pairs,
    pretrain,
    span_pairs,
    title_body_pairs,
)
from workbook.pretraining.pairs import split_sentences
from workbook.similarity import dense_search

ENCODER = "base/start"  # what the continued arms go on from: words guessed and vectors distilled, here too, and no pair
SCRATCH, CONTINUED = "from scratch", "continued"
STARTS = (SCRATCH, CONTINUED)
NONE, MLM, ICT, SPANS, TITLES, RETROMAE = "none", "MLM", "ICT", "spans", "title-body", "RetroMAE"
PAIR_OBJECTIVES = (ICT, SPANS, TITLES)
POOLINGS = {"mean": mean_pool, "cls": cls_pool}
TEXTS, TASK = "pydocs", "pydocs-code"
TUNING_LABELS = 1  # which of the numbers of labels
FEWEST, MOST = 0, -1

# As published, each the same model fine-tuned from BERT's masked language modelling, and from RetroMAE.
PUBLISHED = {
    "MS MARCO, MRR@10": (0.346, 0.382),
    "BEIR, nDCG@10": (0.371, 0.452),
}  # the authors' README


class Size(NamedTuple):
    """How much is read, labelled and searched."""

    pre_steps: int  # without labels
    steps: int  # of fine-tuning, at least; with many labels as many as show each of them once
    batch_size: int
    max_length: int
    texts: int
    pool: int  # of labelled pairs, from which arms draw
    labels: tuple[int, ...]
    searched: tuple[int, int]  # dev or test queries, and passages
    lrs: tuple[float, ...]  # for both stages


SIZES = {
    "notebook": Size(2, 2, 8, 24, 60, 40, (8, 16), (20, 60), (3e-4,)),
    "record": Size(80, 40, 32, 48, 6_000, 6_000, (32, 256, 1_024, 4_096), (300, 700), (1e-4, 3e-4, 1e-3)),
}


# --- what is read ----------------------------------------------------------------------------


@cache
def documents(budget: str) -> tuple[tuple[str, str], ...]:
    """Titles and bodies of the training split, drawn once; here they are texts, and nobody's labels.

    A body has two sentences at least, so that each of them gives something to every objective.
    """
    pairs = [(title, body) for title, body in load(TEXTS).pairs("train") if len(split_sentences(body)) > 1]
    return clean(pairs, SIZES[budget].texts, budget)


def texts(budget: str) -> list[str]:
    """The bodies of the same, as running text."""
    return [body for _, body in documents(budget)]


@cache
def labels(budget: str) -> tuple[tuple[str, str], ...]:
    """All labelled pairs from which arms draw."""
    return clean(load(TASK).pairs("train"), SIZES[budget].pool, budget)


def clean(pairs: Sequence[tuple[str, str]], count: int, budget: str) -> tuple[tuple[str, str], ...]:
    """At most so many of the pairs, drawn once; without those in which something stands that is asked or searched later."""
    drawn = random.Random(0).sample(pairs, min(count, len(pairs)))
    return tuple(sieved(drawn, texts_of(*(searched(split, budget) for split in ("dev", "test")))))


def drawn_labels(count: int, seed: int, budget: str) -> list[tuple[str, str]]:
    """Labelled pairs; of one seed, more labels hold the fewer ones."""
    order = np.random.default_rng(seed).permutation(len(labels(budget)))
    return [labels(budget)[i] for i in order[:count]]


@cache
def searched(split: str, budget: str) -> Collection:
    """Dev or test queries, and the passages among which they search."""
    return load(TASK).split(split).sample(*SIZES[budget].searched)


# --- training --------------------------------------------------------------------------------


def new_encoder(start: str, seed: int, budget: str, pooling: str = "mean") -> TextEncoder:
    """Fresh weights of the same shape, or the shipped ones."""
    encoder = load_encoder(ENCODER)
    backbone = encoder.backbone
    assert isinstance(backbone, TransformerEncoder)
    if start == SCRATCH:
        torch.manual_seed(seed)
        backbone = TransformerEncoder(**backbone.config)
    return TextEncoder(encoder.tokenizer, backbone, POOLINGS[pooling], max_length=SIZES[budget].max_length)


def contrast(
    encoder: TextEncoder, pairs: Sequence[tuple[str, str]], steps: int, lr: float, seed: int, budget: str
) -> None:
    """Steps of InfoNCE at temperature 0.05."""
    size = SIZES[budget]
    train(encoder, pairs, quick=budget == "record", steps=steps, batch_size=size.batch_size, lr=lr, seed=seed)


@cache
def pretrained(objective: str, start: str, lr: float, seed: int, budget: str) -> TextEncoder:
    """An encoder after reading texts without labels. It is not to be trained on: `copy.deepcopy` it."""
    encoder, size = new_encoder(start, seed, budget), SIZES[budget]
    if objective in PAIR_OBJECTIVES:
        contrast(encoder, unlabelled_pairs(objective, seed, budget), size.pre_steps, lr, seed, budget)
    elif objective != NONE:
        model = MaskedLanguageModel(encoder, seed=seed) if objective == MLM else RetroMAE(encoder, seed=seed)
        with quickly(budget == "record") as dtype:
            pretrain(model, texts(budget), size.pre_steps, size.batch_size, dtype, lr=lr, seed=seed, show=False)
    return encoder.eval()


def unlabelled_pairs(objective: str, seed: int, budget: str) -> list[tuple[str, str]]:
    """Pairs out of single texts, by one of PAIR_OBJECTIVES."""
    if objective == TITLES:
        return title_body_pairs(documents(budget))
    return inverse_cloze_pairs(texts(budget), seed) if objective == ICT else span_pairs(texts(budget), seed)


class Setting(NamedTuple):
    """What dev queries choose for an arm."""

    lr: float
    pooling: str


@kept
def fine_tuned(objective: str, start: str, setting: Setting, count: int, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query (Q,) after fine-tuning on `count` labels: of dev queries with TUNING_SEED, else of test queries."""
    encoder = copy.deepcopy(pretrained(objective, start, setting.lr, seed, budget))
    encoder.pooling = POOLINGS[setting.pooling]
    steps = max(SIZES[budget].steps, count // SIZES[budget].batch_size)
    contrast(encoder, drawn_labels(count, seed, budget), steps, setting.lr, seed, budget)
    return per_query(encoder.eval(), searched(split_of(seed), budget))


def tuned(objective: str, start: str, poolings: Sequence[str], count: int, budget: str) -> Setting:
    """The best learning rate for so many labels on dev queries, with a seed of its own.

    What suits 256 labels ruins 32 and is too low for 4,096, so each number of labels has a rate. The pooling is chosen once,
    together with the rate, at a middle number.
    """
    size = SIZES[budget]

    def best(tries: Sequence[Setting], count: int) -> Setting:
        return max(tries, key=lambda s: float(fine_tuned(objective, start, s, count, TUNING_SEED, budget).mean()))

    pooling = poolings[0]
    if len(poolings) > 1:
        tries = [Setting(lr, pooling) for lr in size.lrs for pooling in poolings]
        pooling = best(tries, size.labels[TUNING_LABELS]).pooling
    return best([Setting(lr, pooling) for lr in size.lrs], count)


Rows = dict[str, dict[int, np.ndarray]]
Chosen = dict[str, dict[int, Setting]]


def curves(
    objectives: Sequence[str], start: str, poolings: Sequence[str], budget: str, seeds: tuple[int, ...]
) -> tuple[Rows, Chosen]:
    """nDCG@10 by objective and number of labels, each (seeds, queries), and what was chosen for each."""
    labels = SIZES[budget].labels
    chosen = {name: {count: tuned(name, start, poolings, count, budget) for count in labels} for name in objectives}
    rows = {
        name: {
            count: np.array([fine_tuned(name, start, setting, count, seed, budget) for seed in seeds])
            for count, setting in by_count.items()
        }
        for name, by_count in chosen.items()
    }
    return rows, chosen


@kept
def unlabelled(objective: str, start: str, lr: float, seed: int, budget: str) -> np.ndarray:
    """nDCG@10 of each query (Q,) after reading alone: of dev queries with TUNING_SEED, else of test queries."""
    split = split_of(seed)
    return per_query(pretrained(objective, start, lr, seed, budget), searched(split, budget))


def without_labels(objective: str, start: str, budget: str, seeds: tuple[int, ...]) -> np.ndarray:
    """The same, (seeds, queries), at the rate that dev queries prefer."""
    lrs = SIZES[budget].lrs
    lr = max(lrs, key=lambda lr: float(unlabelled(objective, start, lr, TUNING_SEED, budget).mean()))
    return np.array([unlabelled(objective, start, lr, seed, budget) for seed in seeds])


def _kept(rows: Rows, chosen: Chosen) -> Measurements:
    return {
        METRIC: {
            name: {str(count): values.mean(axis=1).round(4).tolist() for count, values in by_count.items()}
            for name, by_count in rows.items()
        },
        "chosen": {
            name: {str(count): setting._asdict() for count, setting in by_count.items()}
            for name, by_count in chosen.items()
        },
    }


def gains(rows: Rows, name: str, over: str) -> dict[str, list[float]]:
    """What one start is ahead of another, by number of labels, with intervals."""
    return {str(count): difference(values, rows[over][count]) for count, values in rows[name].items()}


def pays_up_to(gain: Mapping[str, Sequence[float]]) -> int:
    """The largest number of labels up to which every interval of a gain lies above 0; 0 where the first does not."""
    pays = takewhile(lambda count: gain[count][1] > 0, sorted(gain, key=int))
    return max(map(int, pays), default=0)


# --- claim 26 --------------------------------------------------------------------------------


def measure_pairs(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """ICT, spans and title-body: without a label, and as starts for fine-tuning; and what a leak is worth."""
    size = SIZES[budget]
    found: Measurements = {"labels": list(size.labels)}
    for start in STARTS:
        rows, chosen = curves((NONE, *PAIR_OBJECTIVES), start, ("mean",), budget, seeds)
        alone = {name: without_labels(name, start, budget, seeds) for name in (NONE, *PAIR_OBJECTIVES)}
        labelled = rows[NONE][size.labels[MOST]]
        found[start] = _kept(rows, chosen) | {
            "without labels": {name: values.mean(axis=1).round(4).tolist() for name, values in alone.items()},
            "without labels, minus all labels": {name: difference(alone[name], labelled) for name in PAIR_OBJECTIVES},
            "gain": {name: gains(rows, name, NONE) for name in PAIR_OBJECTIVES},
        }
    test = searched("test", budget)
    keywords = BM25().index(test.corpus).search(test.queries, k=10)
    found["BM25"] = round(float(evaluate(test.qrels, keywords, (METRIC,))[METRIC]), 4)
    return found | {"leak": measure_leak(budget, seeds)}


def measure_leak(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Pages that hold test queries and their answers stand among the texts: every second test query is on one.

    Title-body goes on from `ENCODER` on as many pages as it sees in all steps. Where nothing leaked, as many pages of the
    same form stand there, each with a docstring and its code that are no test query's. Nothing is fine-tuned.
    """
    size, test = SIZES[budget], searched("test", budget)
    leaked = np.arange(len(test.queries)) % 2 == 0
    pages = [
        (test.queries[query], test.corpus[next(iter(test.qrels[query]))])
        for query, is_leaked in zip(test.queries, leaked, strict=True)
        if is_leaked
    ]
    others = title_body_pairs(documents(budget))[: max(size.pre_steps * size.batch_size - len(pages), size.batch_size)]
    arms = {"clean": labels(budget)[: len(pages)], "leaked": pages}
    rows: dict[str, np.ndarray] = {}
    places: dict[str, list[int]] = {}
    for name, of_the_form in arms.items():
        of_seeds = []
        for seed in seeds:
            encoder = new_encoder(CONTINUED, seed, budget)
            contrast(encoder, [*others, *of_the_form], size.pre_steps, size.lrs[0], seed, budget)
            of_seeds.append(per_query(encoder.eval(), test))
            places.setdefault(name, ranks(encoder, test))  # of the first seed
        rows[name] = np.array(of_seeds)
    return {
        "leaked queries gain": difference(rows["leaked"][:, leaked], rows["clean"][:, leaked]),
        "clean queries gain": difference(rows["leaked"][:, ~leaked], rows["clean"][:, ~leaked]),
        "all gain": difference(rows["leaked"], rows["clean"]),
        "pages": len(pages),
        "texts": len(others) + len(pages),
        "leaked": leaked.tolist(),
        "ranks": places,
    }


def ranks(encoder: TextEncoder, docs: Collection) -> list[int]:
    """The rank of each query's best answer, 1 on top."""
    run = dense_search(encoder, docs.corpus, docs.queries, k=len(docs.corpus))
    return [
        next(place for place, p in enumerate(run[query], start=1) if docs.qrels[query].get(p, 0) > 0)
        for query in docs.queries
    ]


def decide_pairs(m: Measurements) -> Verdict:
    """Is each objective, from both starts, useful with the fewest labels, and weak without any?"""
    fewest = str(m["labels"][FEWEST])
    rows = {(start, name): m[start]["gain"][name][fewest] for start in STARTS for name in PAIR_OBJECTIVES}
    below = [m[start]["without labels, minus all labels"][name] for start in STARTS for name in PAIR_OBJECTIVES]
    useful, weak = [low > 0 for _, low, _ in rows.values()], all(high < 0 for _, _, high in below)
    verdict = "holds" if all(useful) and weak else "depends" if any(useful) else "misleading"
    parts = []
    for start in STARTS:
        told = ", ".join(
            f"{name} {signed(rows[start, name])} (pays up to {pays_up_to(m[start]['gain'][name]):,})"
            for name in PAIR_OBJECTIVES
        )
        without = ", ".join(
            f"{name} {np.mean(m[start]['without labels'][name]):.3f}" for name in (NONE, *PAIR_OBJECTIVES)
        )
        parts.append(f"{start}: {told}; without a label {without}")
    because = (
        f"nDCG@10, gain over no pre-training after fine-tuning on {fewest} labels. {'. '.join(parts)}. A difference of "
        f"{visible(list(rows.values())):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(Interval(f"{start}: {name}", *row) for (start, name), row in rows.items()))


# --- claim 27 --------------------------------------------------------------------------------


def measure_retromae(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """RetroMAE and MLM as starts, each with the pooling that dev queries prefer; and RetroMAE with either one."""
    size = SIZES[budget]
    found: Measurements = {"labels": list(size.labels)}
    count = size.labels[TUNING_LABELS]
    for start in STARTS:
        rows, chosen = curves((NONE, MLM, RETROMAE), start, tuple(POOLINGS), budget, seeds)
        means = {name: np.mean(list(by_count.values()), axis=0) for name, by_count in rows.items()}  # (seeds, queries)
        by_pooling = {
            pooling: np.array(
                [
                    fine_tuned(RETROMAE, start, tuned(RETROMAE, start, (pooling,), count, budget), count, seed, budget)
                    for seed in seeds
                ]
            )
            for pooling in POOLINGS
        }
        found[start] = _kept(rows, chosen) | {
            "RetroMAE minus MLM": difference(means[RETROMAE], means[MLM]),
            "RetroMAE minus MLM, by labels": gains(rows, RETROMAE, MLM),
            "gain": {name: gains(rows, name, NONE) for name in (MLM, RETROMAE)},
            "RetroMAE by pooling": {name: values.mean(axis=1).round(4).tolist() for name, values in by_pooling.items()},
            "cls minus mean": difference(by_pooling["cls"], by_pooling["mean"]),
        }
    return found | {"published": {name: list(pair) for name, pair in PUBLISHED.items()}}


def decide_retromae(m: Measurements) -> Verdict:
    """Is RetroMAE ahead of MLM in the mean over all numbers of labels, from both starts?"""
    rows = {start: m[start]["RetroMAE minus MLM"] for start in STARTS}
    above, below = [low > 0 for _, low, _ in rows.values()], [high < 0 for _, _, high in rows.values()]
    verdict = (
        "holds" if all(above) else "depends" if any(above) else "misleading" if all(below) else "holds at scale only"
    )
    parts = []
    for start in STARTS:
        fewest = str(m["labels"][FEWEST])
        chosen = {name: m[start]["chosen"][name][fewest]["pooling"] for name in (MLM, RETROMAE)}
        parts.append(
            f"{start} {signed(rows[start])} (pooling {chosen[RETROMAE]} and {chosen[MLM]}; RetroMAE over no pre-training with the "
            f"fewest labels {signed(m[start]['gain'][RETROMAE][str(m['labels'][FEWEST])])}, MLM {signed(m[start]['gain'][MLM][str(m['labels'][FEWEST])])})"
        )
    published = "; ".join(f"{name} {a:.3f} and {b:.3f}" for name, (a, b) in m["published"].items())
    because = (
        f"nDCG@10, RetroMAE minus MLM, mean over {', '.join(f'{n:,}' for n in m['labels'])} labels: {'; '.join(parts)}; a difference "
        f"of {visible(list(rows.values())):.3f} would have been seen. Published, MLM and RetroMAE on billions of words: {published}"
    )
    return Verdict(
        verdict, because, tuple(Interval(f"{start}: RetroMAE minus MLM", *row) for start, row in rows.items())
    )


_RECORD: Any = SIZES["record"]
CLAIMS = (
    Claim(
        26,
        "10",
        "ICT, contrastive span prediction and title-body prediction give weak but useful signal.",
        f"documentation without labels, {_RECORD.pre_steps} steps of {_RECORD.batch_size}, from fresh weights and on from base/start, "
        f"which has read it before, then one fine-tuning on labelled pairs of docstring and code, {_RECORD.steps} steps and as many "
        "more as show each pair once, five seeds, a learning rate for each number of labels by dev queries. Useful: with "
        f"{_RECORD.labels[FEWEST]} labels nDCG@10 on test queries is above that without pre-training, with an interval above 0. Weak: "
        f"without any label it is below what {_RECORD.labels[MOST]:,} labels alone reach, with an interval below 0. Holds when all "
        "three objectives are useful and weak from both starts; misleading when none is useful from either; depends otherwise",
        measure_pairs,
        decide_pairs,
    ),
    Claim(
        27,
        "10",
        "Retrieval-oriented pre-training beats masked language modelling alone as a start for fine-tuning.",
        "the same experiment with RetroMAE and MLM, equally many steps on the same texts, each with the pooling and the learning rates "
        "that dev queries prefer. Holds when the mean nDCG@10 on test queries over all numbers of labels is higher from RetroMAE, with "
        "an interval above 0, from fresh weights and on from base/start; depends when from one of them; misleading when MLM is above it "
        "from both, with intervals below 0; otherwise holds at scale only, as published, with the smallest difference that could have "
        "been seen here",
        measure_retromae,
        decide_retromae,
    ),
)
