"""Claims 3 to 6: how token vectors become one, and how vectors are compared.

Claims 3 to 5 train the same small transformer, once per pooling and seed, on the same batches. For
claims 3 and 5 nothing is warm-started: embeddings that were trained under mean pooling would favour it.
A causal decoder that is read at one token learns nothing from scratch in this budget, so in claim 4
all start from the same trained token embeddings. That favours the mean there; first and last token
are treated alike.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.measuring import METRIC, difference
from workbook.data import Collection, load
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.metrics import evaluate
from workbook.pooling import AttentionPool, cls_pool, last_token_pool, mean_pool, weighted_mean_pool
from workbook.similarity import cos_sim, dense_search, dot_score, euclidean_sim, normalize
from workbook.train import fit

HIDDEN_SIZE, MAX_LENGTH = 128, 48
BUDGETS = {  # steps, batch size, queries, passages
    "notebook": (12, 32, 100, 400),
    "record": (200, 64, 500, 2_500),
}
LR, CAUSAL_LR, CAUSAL_SHARE = 1e-3, 3e-3, 2  # a decoder gets twice the steps: its last token learns late
POOLINGS: dict[str, Callable[[], Callable[[Tensor, Tensor], Tensor]]] = {
    "cls": lambda: cls_pool,
    "mean": lambda: mean_pool,
    "last_token": lambda: last_token_pool,
    "weighted_mean": lambda: weighted_mean_pool,
    "attention": lambda: AttentionPool(HIDDEN_SIZE),
}


@cache
def small_docs(num_queries: int, num_passages: int) -> Collection:
    """Dev queries of pydocs, against their own passages and as many others as make `num_passages`."""
    return load("pydocs").split("dev").sample(num_queries, num_passages)


@cache
def tokenizer():
    """WordPiece of 8,000 pieces over the training split of pydocs, made once."""
    return train_tokenizer([text for pair in load("pydocs").pairs("train") for text in pair], vocab_size=8_000)


@cache
def trained_words(steps: int, batch_size: int, seed: int) -> Tensor:
    """Token embeddings of a static encoder that was trained on the same pairs: (V, D).

    Three times as long as a transformer's own start, so that positions do not drown them.
    """
    torch.manual_seed(seed)
    backbone = StaticEncoder(tokenizer().get_vocab_size(), HIDDEN_SIZE)
    pairs = load("pydocs").pairs("train")
    fit(
        TextEncoder(tokenizer(), backbone, max_length=MAX_LENGTH),
        pairs,
        steps=steps,
        batch_size=batch_size,
        lr=0.02,
        seed=seed,
    )
    weight = backbone.word.weight.detach()
    return weight * (0.06 / weight.std())


@cache
def quality(pooling: str, causal: bool, seed: int, budget: str) -> dict[str, float]:
    """Train one encoder and measure nDCG@10 of every query.

    Args:
        pooling: one of POOLINGS.
        causal: whether the transformer is a decoder; it then starts from trained words.
        seed: of the weights and the order of the pairs.
        budget: one of BUDGETS.
    Returns:
        query id -> nDCG@10.
    """
    steps, batch_size, num_queries, num_passages = BUDGETS[budget]
    start = trained_words(steps // 2, 8 * batch_size, seed) if causal else None
    torch.manual_seed(seed)
    backbone = TransformerEncoder(tokenizer().get_vocab_size(), HIDDEN_SIZE, num_layers=2, num_heads=4, causal=causal)
    if start is not None:
        backbone.embeddings.word.weight.data.copy_(start)
        steps *= CAUSAL_SHARE
    pool = POOLINGS[pooling]()
    encoder = TextEncoder(tokenizer(), backbone, pool, max_length=MAX_LENGTH)
    lr = CAUSAL_LR if causal else LR
    fit(encoder, load("pydocs").pairs("train"), steps=steps, batch_size=batch_size, lr=lr, seed=seed)
    docs = small_docs(num_queries, num_passages)
    run = dense_search(encoder.eval(), docs.corpus, docs.queries, k=10)
    return evaluate(docs.qrels, run, metrics=(METRIC,), per_query=True)[METRIC]


def by_seed(poolings: tuple[str, ...], causal: bool, budget: str, seeds: tuple[int, ...]) -> dict[str, np.ndarray]:
    """nDCG@10 by pooling, each an array (seeds, queries)."""
    return {name: np.array([list(quality(name, causal, seed, budget).values()) for seed in seeds]) for name in poolings}


def by_length(values: np.ndarray, budget: str) -> list[float]:
    """nDCG@10 (seeds, queries) as four means: of the queries with the shortest passages, to those with the longest."""
    docs = small_docs(*BUDGETS[budget][2:])
    lengths = np.array([len(docs.corpus[next(iter(docs.qrels[query]))]) for query in docs.queries])
    quarter = np.searchsorted(np.quantile(lengths, [0.25, 0.5, 0.75]), lengths)
    return [round(float(values[:, quarter == i].mean()), 4) for i in range(4)]


def spread(quarters: list[float]) -> float:
    """How much quality differs between the quarters: largest minus smallest, as a share of their mean."""
    return round((max(quarters) - min(quarters)) / max(float(np.mean(quarters)), 1e-9), 4)


# --- claim 3 ---------------------------------------------------------------------------------


def measure_mean_against_cls(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 of mean and CLS in an encoder that reads both ways: their means, the difference with its interval, and
    the quarters of passage length.
    """
    values = by_seed(("mean", "cls"), False, budget, seeds)
    return {
        "ndcg@10": {name: round(float(v.mean()), 4) for name, v in values.items()},
        "mean minus cls": difference(values["mean"], values["cls"]),
        "ndcg@10 by quarter of passage length": {name: by_length(v, budget) for name, v in values.items()},
    }


def decide_mean_against_cls(m: Measurements) -> Verdict:
    """Misleading when the interval lies below 0; holds when the mean is not worse and more even; else depends."""
    _, low, high = m["mean minus cls"]
    uneven = {name: spread(quarters) for name, quarters in m["ndcg@10 by quarter of passage length"].items()}
    because = (
        f"nDCG@10 mean minus CLS {m['mean minus cls'][0]:+.3f} [{low:+.3f}, {high:+.3f}]; "
        f"relative spread over passage lengths {uneven['mean']:.2f} (mean), {uneven['cls']:.2f} (CLS)"
    )
    intervals = (Interval("mean minus CLS", *m["mean minus cls"]),)
    if high < 0:
        return Verdict("misleading", because, intervals)
    return Verdict("holds" if low > -0.01 and uneven["mean"] < uneven["cls"] else "depends", because, intervals)


# --- claim 4 ---------------------------------------------------------------------------------


def measure_causal(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 of first token, last token, weighted mean and mean in a causal decoder, the two differences that the
    rule asks for, and the quarters of passage length.
    """
    values = by_seed(("cls", "last_token", "weighted_mean", "mean"), True, budget, seeds)
    return {
        "ndcg@10": {name: round(float(v.mean()), 4) for name, v in values.items()},
        "ndcg@10 by quarter of passage length": {name: by_length(v, budget) for name, v in values.items()},
        "chance": round(10 / BUDGETS[budget][3], 4),
        "last minus first": difference(values["last_token"], values["cls"]),
        "last minus mean": difference(values["last_token"], values["mean"]),
    }


def decide_causal(m: Measurements) -> Verdict:
    """Misleading when the first token finds anything; then the interval of last minus mean decides."""
    first, (_, low, _), (last_mean, last_low, last_high) = (
        m["ndcg@10"]["cls"],
        m["last minus first"],
        m["last minus mean"],
    )
    because = (
        f"nDCG@10: first token {first:.3f} (chance below {m['chance']:.3f}), last token {m['ndcg@10']['last_token']:.3f}, "
        f"mean {m['ndcg@10']['mean']:.3f}; last minus mean {last_mean:+.3f} [{last_low:+.3f}, {last_high:+.3f}]"
    )
    intervals = tuple(Interval(name, *m[name]) for name in ("last minus first", "last minus mean"))
    if first > m["chance"] or low <= 0:
        return Verdict("misleading", because, intervals)
    return Verdict("holds" if last_high >= 0 else "depends", because, intervals)


# --- claim 5 ---------------------------------------------------------------------------------


def measure_attention(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 of attention pooling and the mean, the difference with its interval, the quarters of passage length, and
    how many parameters the first has more.
    """
    values = by_seed(("attention", "mean"), False, budget, seeds)
    return {
        "ndcg@10": {name: round(float(v.mean()), 4) for name, v in values.items()},
        "attention minus mean": difference(values["attention"], values["mean"]),
        "ndcg@10 by quarter of passage length": {name: by_length(v, budget) for name, v in values.items()},
        "more parameters": sum(p.numel() for p in nn.Module.parameters(AttentionPool(HIDDEN_SIZE))),
    }


def decide_attention(m: Measurements) -> Verdict:
    """Holds when the interval lies above 0, is misleading when it lies below +0.01, else depends."""
    gain, low, high = m["attention minus mean"]
    because = f"{m['more parameters']} more parameters buy {gain:+.3f} nDCG@10 [{low:+.3f}, {high:+.3f}]"
    intervals = (Interval("attention minus mean", gain, low, high),)
    if low > 0:
        return Verdict("holds", because, intervals)
    return Verdict("misleading" if high < 0.01 else "depends", because, intervals)


# --- claim 6 ---------------------------------------------------------------------------------


def measure_ranking(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Random vectors of different lengths: for which share of the queries do cosine, dot product and Euclidean distance
    disagree on the best passage before normalizing, and on the whole order after it?
    """
    differ = {"before": [], "after": []}  # type: dict[str, list[float]]
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        queries, corpus = (torch.randn(n, 32, generator=generator, dtype=torch.float64) for n in (200, 1_000))
        corpus = corpus * torch.rand(1_000, 1, generator=generator, dtype=torch.float64).add(0.5)
        for when, change in (("before", lambda x: x), ("after", normalize)):
            first = [
                score(change(queries), change(corpus)).argmax(dim=1) for score in (cos_sim, dot_score, euclidean_sim)
            ]
            other = [
                score(change(queries), change(corpus)).argsort(dim=1) for score in (cos_sim, dot_score, euclidean_sim)
            ]
            same_order = (other[0] == other[1]).all(dim=1) & (other[0] == other[2]).all(dim=1)
            same_first = (first[0] == first[1]) & (first[0] == first[2])
            differ[when].append(1 - float((same_order if when == "after" else same_first).double().mean()))
    return {
        "queries whose whole order differs after normalizing": max(differ["after"]),
        "queries whose best passage differs before": round(min(differ["before"]), 4),
    }


def decide_ranking(m: Measurements) -> Verdict:
    """Holds when no order differs after normalizing, and the best passage often does before."""
    after, before = (
        m["queries whose whole order differs after normalizing"],
        m["queries whose best passage differs before"],
    )
    because = (
        f"order differs for {after:.0%} of queries after normalizing; the best passage differs for {before:.0%} before"
    )
    return Verdict("holds" if after == 0 and before > 0.1 else "misleading", because)


CLAIMS = (
    Claim(
        id=3,
        chapter="02",
        statement="Mean pooling is at least as good as CLS for a contrastively trained encoder, and more stable across text lengths.",
        rule=(
            "holds when the interval of nDCG@10, mean minus CLS, lies above -0.01 and the relative spread over quarters of passage "
            "length is smaller for mean; misleading when the interval lies below 0; depends otherwise"
        ),
        measure=measure_mean_against_cls,
        decide=decide_mean_against_cls,
    ),
    Claim(
        id=4,
        chapter="02",
        statement="Last-token pooling suits causal decoders; first-token pooling of a causal decoder carries nothing.",
        rule=(
            "holds when the first token is at chance, the last token beats it, and the interval of last minus mean reaches 0; "
            "depends when only mean pooling is better than last; misleading when the first token carries something"
        ),
        measure=measure_causal,
        decide=decide_causal,
    ),
    Claim(
        id=5,
        chapter="02",
        statement="Attention-weighted pooling is more expressive than the mean, and better for it.",
        rule=(
            "holds when the interval of nDCG@10, attention minus mean, lies above 0; misleading when it lies below +0.01; depends otherwise"
        ),
        measure=measure_attention,
        decide=decide_attention,
    ),
    Claim(
        id=6,
        chapter="02",
        statement="After L2 normalization, cosine, dot product and Euclidean distance rank alike; before it, they do not.",
        rule="holds when no query's order of 1,000 passages differs after normalizing, and the best passage differs for more than a tenth before",
        measure=measure_ranking,
        decide=decide_ranking,
    ),
)
