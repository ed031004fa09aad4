"""Claims 12 to 15 and 66: what the size of a batch buys, and which ways of reaching it are real.

Every arm of claims 12 and 13 gets the same tuning: three learning rates and two temperatures, one run each with a seed
of its own, judged on half of the dev queries. The other half decides.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from workbook.claims.chapter_02 import small_docs
from workbook.claims.chapter_04 import tokenizer
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.measuring import METRIC, TUNING_SEED, difference, of_run
from workbook.claims.whole_batch import measure_devices, measure_gradcache
from workbook.data import Collection, load
from workbook.encoder import StaticEncoder, TextEncoder
from workbook.losses import info_nce
from workbook.metrics import evaluate
from workbook.similarity import cos_sim, dense_search
from workbook.train import fit

LRS, TEMPERATURES = (0.005, 0.02, 0.08), (0.05, 0.1)  # every arm tries all six
DIM, MAX_LENGTH = 128, 64
BUDGETS = {  # batch sizes, steps of the first comparison, examples of the second, queries, passages
    "notebook": ((16, 64), 8, 512, 100, 400),
    "record": ((16, 64, 256, 1024), 40, 25_600, 1_000, 2_000),
}
PIECES = {"notebook": (64, 16, 8), "record": (256, 32, 60)}  # batch size, mini-batch size, steps
CROWD = {"notebook": (128, 20, 100, 400), "record": (512, 100, 1_000, 4_000)}  # batch size, steps, queries, passages
CROWD_TEMPERATURES = (0.01, 0.02, 0.05, 0.1)


@cache
def _token_ids(texts: tuple[str, ...]) -> list[list[int]]:
    return TextEncoder.token_ids(new_encoder(0), list(texts))


class _Encoder(TextEncoder):
    """A text encoder that cuts the same list of texts into tokens once, for all of some hundred runs."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return _token_ids(tuple(texts))


def new_encoder(seed: int, shared: float = 0.0) -> TextEncoder:
    """A static encoder with fresh weights; `shared` is the length of a vector that is added to every word's."""
    torch.manual_seed(seed)
    backbone = StaticEncoder(tokenizer().get_vocab_size(), DIM)
    if shared:
        direction = torch.nn.functional.normalize(torch.randn(DIM), dim=0)
        backbone.word.weight.data += shared * direction
    return _Encoder(tokenizer(), backbone, max_length=MAX_LENGTH)


def accumulated(mini_batch_size: int) -> Callable[..., Tensor]:
    """InfoNCE as accumulation sees it: the mean over pieces, each with its own negatives alone.

    Its gradient is the mean of the pieces' gradients, which is what accumulating them gives. Every K-th pair goes into
    one piece, so that pieces are as mixed as the batch, which is sorted by length.
    """

    def loss(query: Tensor, positive: Tensor, temperature: float) -> Tensor:
        K = max(1, len(query) // mini_batch_size)
        return torch.stack([info_nce(query[k::K], positive[k::K], temperature=temperature) for k in range(K)]).mean()

    return loss


@cache
def quality(
    batch_size: int,
    steps: int,
    lr: float,
    temperature: float,
    seed: int,
    budget: str,
    mini_batch_size: int | None = None,
) -> np.ndarray:
    """nDCG@10 of each dev query after one run; with a mini_batch_size, under accumulation."""
    num_queries, num_passages = BUDGETS[budget][3:]
    docs = small_docs(num_queries, num_passages)
    encoder = new_encoder(seed)
    loss = accumulated(mini_batch_size) if mini_batch_size else info_nce
    fit(encoder, load("pydocs").pairs("train"), loss, steps, batch_size, lr, seed, temperature)
    run = dense_search(encoder, docs.corpus, docs.queries, k=10)
    return of_run(run, docs)


def tuned(
    batch_size: int, steps: int, seeds: tuple[int, ...], budget: str, mini_batch_size: int | None = None
) -> tuple[np.ndarray, dict[str, float]]:
    """The arm at its best setting: nDCG@10 (seeds, queries) of the deciding half, and what was chosen on the other."""
    grid = list(itertools.product(LRS, TEMPERATURES)) if budget == "record" else [(0.02, 0.1)]
    tries = {
        (lr, t): quality(batch_size, steps, lr, t, TUNING_SEED, budget, mini_batch_size)[::2].mean() for lr, t in grid
    }
    lr, temperature = max(tries, key=lambda setting: tries[setting])
    rows = [quality(batch_size, steps, lr, temperature, seed, budget, mini_batch_size)[1::2] for seed in seeds]
    return np.array(rows), {"steps": steps, "lr": lr, "temperature": temperature}


# --- claim 12 --------------------------------------------------------------------------------


def seconds_a_step(batch_size: int) -> float:
    """Processor time of one step, the median of thirty."""
    ends: list[float] = []
    pairs = load("pydocs").pairs("train")
    fit(
        new_encoder(0),
        pairs,
        steps=31,
        batch_size=batch_size,
        lr=0.02,
        on_step=lambda _: ends.append(time.process_time()),
    )
    return float(np.median(np.diff(ends)))


def measure_batch_size(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 by batch size when steps, examples or time are equal; each arm tuned; neighbours and ends compared."""
    sizes, steps, examples = BUDGETS[budget][:3]
    seconds = {B: seconds_a_step(B) for B in sizes}
    enough = seconds[sizes[-1]] * (examples // sizes[-1])  # the time that the largest batch takes for the examples
    budgets = {
        "steps": dict.fromkeys(sizes, steps),
        "examples": {B: examples // B for B in sizes},
        "time": {B: max(1, round(enough / seconds[B])) for B in sizes},
    }
    found: Measurements = {"milliseconds a step": {str(B): round(1000 * s, 2) for B, s in seconds.items()}}
    for name, steps_of in budgets.items():
        arms = {B: tuned(B, steps_of[B], seeds, budget) for B in sizes}
        found[name] = {
            "ndcg@10": {str(B): values.mean(axis=1).round(4).tolist() for B, (values, _) in arms.items()},
            "setting": {str(B): setting for B, (_, setting) in arms.items()},
            "larger minus smaller": {
                f"{b} - {a}": difference(arms[b][0], arms[a][0])
                for a, b in [*itertools.pairwise(sizes), (sizes[0], sizes[-1])]
            },
        }
    return found


def decide_batch_size(m: Measurements) -> Verdict:
    """Under which of the three budgets does the largest batch win, with no step on the way that loses?"""
    intervals, wins, parts, visible = [], [], [], 0.0
    for name in ("steps", "examples", "time"):
        *steps, ends = m[name]["larger minus smaller"].items()
        pair, (value, low, high) = ends
        wins.append(low > 0 and all(high > 0 for _, (_, _, high) in steps))
        means = {B: float(np.mean(seeds)) for B, seeds in m[name]["ndcg@10"].items()}
        best = max(means, key=lambda B: means[B])
        parts.append(f"equal {name}: {' · '.join(f'{B} {mean:.3f}' for B, mean in means.items())}, best {best}")
        visible = max(visible, (high - low) / 2)
        intervals.append(Interval(f"equal {name}, {pair}", value, low, high))
    verdict = "holds" if all(wins) else "depends" if any(wins) else "misleading"
    because = f"nDCG@10 by batch size. {'; '.join(parts)}; a difference of {visible:.3f} would have been seen"
    return Verdict(verdict, because, tuple(intervals))


# --- claim 13 --------------------------------------------------------------------------------


def measure_accumulation(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 of one large batch, of its pieces accumulated, and of the pieces as batches of their own; and the angle
    between the accumulated gradient and that of the whole, before training.
    """
    B, mini, steps = PIECES[budget]
    arms = {
        "whole": tuned(B, steps, seeds, budget),
        "accumulated": tuned(B, steps, seeds, budget, mini),
        "small, equal steps": tuned(mini, steps, seeds, budget),
        "small, equal examples": tuned(mini, steps * B // mini, seeds, budget),
    }
    values = {name: rows for name, (rows, _) in arms.items()}
    return {
        "batch size": B,
        "mini-batch size": mini,
        "ndcg@10": {name: rows.mean(axis=1).round(4).tolist() for name, rows in values.items()},
        "setting": {name: setting for name, (_, setting) in arms.items()},
        "whole minus accumulated": difference(values["whole"], values["accumulated"]),
        "accumulated minus small, equal steps": difference(values["accumulated"], values["small, equal steps"]),
        "accumulated minus small, equal examples": difference(values["accumulated"], values["small, equal examples"]),
        "cosine of the gradients": [round(gradient_cosine(B, mini, seed), 4) for seed in seeds],
    }


def gradient_cosine(B: int, mini_batch_size: int, seed: int) -> float:
    """The cosine of two gradients of one batch at a fresh encoder: in one piece, and accumulated."""
    encoder = new_encoder(seed)
    pairs = load("pydocs").pairs("train")
    rows = np.random.default_rng(seed).choice(len(pairs), B, replace=False)
    query, positive = (encoder.tokenize([pairs[row][side] for row in rows]) for side in (0, 1))
    gradients = []
    for loss in (info_nce, accumulated(mini_batch_size)):
        value = loss(encoder(*query), encoder(*positive), temperature=0.1)
        gradients.append(torch.autograd.grad(value, list(encoder.parameters()))[0].flatten())
    whole, in_pieces = gradients
    return float(torch.nn.functional.cosine_similarity(whole, in_pieces, dim=0))


def decide_accumulation(m: Measurements) -> Verdict:
    """Does accumulation reach what the large batch reaches?"""
    mean, low, high = m["whole minus accumulated"]
    names = (
        "whole minus accumulated",
        "accumulated minus small, equal steps",
        "accumulated minus small, equal examples",
    )
    intervals = tuple(Interval(name, *m[name]) for name in names)
    verdict = "misleading" if low > 0 else "holds" if low >= -0.01 and high <= 0.01 else "depends"
    means = " · ".join(f"{name} {np.mean(seeds):.3f}" for name, seeds in m["ndcg@10"].items())
    because = (
        f"{m['batch size']} pairs in pieces of {m['mini-batch size']}, nDCG@10: {means}; one batch is {mean:+.3f} "
        f"[{low:+.3f}, {high:+.3f}] above its accumulated pieces, whose gradient has a cosine of "
        f"{np.mean(m['cosine of the gradients']):.2f} with that of the whole; a difference of {(high - low) / 2:.3f} would have "
        "been seen"
    )
    return Verdict(verdict, because, intervals)


# --- claims 14 and 15 ------------------------------------------------------------------------


def decide_gradcache(m: Measurements) -> Verdict:
    """Is the gradient exact, and does the memory stay where it is while the batch grows?"""
    worst = max(max(row["difference"], row["difference with dropout"]) for row in m["rows"])
    first, last = m["rows"][0], m["rows"][-1]
    growth, whole = last["megabytes"] / first["megabytes"], last["megabytes, whole"] / first["megabytes, whole"]
    because = (
        f"gradients differ by less than {10 ** np.ceil(np.log10(max(worst, 1e-16))):.0e} of their largest entry; from "
        f"{first['batch size']} to {last['batch size']} pairs at {m['mini-batch size']} texts at a time, what is held for the "
        f"backward pass grows {growth:.2f} times, in one piece {whole:.2f} times"
    )
    return Verdict("holds" if worst < 1e-6 and growth <= 1.25 else "depends" if worst < 1e-6 else "misleading", because)


def decide_devices(m: Measurements) -> Verdict:
    """Are loss and gradient those of one process?"""
    worst = max(max(row["loss"], row["gradient"]) for row in m["gathered"].values())
    alone = " · ".join(f"{W} processes {row['cosine']:.2f}" for W, row in m["alone"].items())
    copies = " · ".join(f"{W} processes {row['length']:.2f}" for W, row in m["copies without gradient"].items())
    because = (
        f"gathered, loss and gradient differ from one process by less than {10 ** np.ceil(np.log10(max(worst, 1e-16))):.0e}; "
        f"without gathering the gradient's cosine with the right one is {alone}; gathered as copies without gradient it has "
        f"the right direction and this part of its length: {copies}"
    )
    return Verdict("holds" if worst < 1e-10 else "misleading", because)


# --- claim 66 --------------------------------------------------------------------------------

STARTS = {
    "fresh words": 0.0,
    "crowded words": 0.6,
}  # the length of what all words share; a word's own vector has about 1


def measure_crowding(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Cosines of dev queries with passages, own and others, by start and temperature; the quality; and what a threshold
    is worth that was taken from a model trained at 0.05.
    """
    batch_size, steps, num_queries, num_passages = CROWD[budget]
    docs = small_docs(num_queries, num_passages)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for (start, shared), seed in itertools.product(STARTS.items(), seeds):
        spaces = {}
        for temperature in (None, *CROWD_TEMPERATURES):
            encoder = new_encoder(seed, shared)
            if temperature:
                pairs = load("pydocs").pairs("train")
                fit(encoder, pairs, steps=steps, batch_size=batch_size, lr=0.02, seed=seed, temperature=temperature)
            spaces[temperature] = _cosines(encoder, docs)
            run = dense_search(encoder, docs.corpus, docs.queries, k=10)
            row = _describe(*spaces[temperature]) | {METRIC: evaluate(docs.qrels, run, (METRIC,))[METRIC]}
            into = found.setdefault(start, {}).setdefault("untrained" if temperature is None else str(temperature), {})
            for name, value in row.items():
                into.setdefault(name, []).append(round(float(value), 4))
        for temperature in CROWD_TEMPERATURES:
            into = found[start][str(temperature)]
            right = _accuracy(*spaces[temperature], _threshold(*spaces[0.05]))
            into.setdefault("accuracy, threshold of 0.05", []).append(round(right, 4))
            right = _accuracy(*spaces[temperature], _threshold(*spaces[temperature]))
            into.setdefault("accuracy, own threshold", []).append(round(right, 4))
    return {"by start": found}


def _cosines(encoder: TextEncoder, docs: Collection) -> tuple[np.ndarray, np.ndarray]:
    """Of each dev query with its own passage (Q,), and with those of all other queries (Q · (Q - 1),)."""
    sides = zip(*docs.pairs("sample"), strict=True)
    cosines = cos_sim(*(torch.from_numpy(encoder.encode(list(side))) for side in sides)).numpy()
    return np.diag(cosines), cosines[~np.eye(len(cosines), dtype=bool)]


def _describe(own: np.ndarray, others: np.ndarray) -> dict[str, float]:
    both = np.concatenate([own, others])
    return {
        "own": own.mean(), "others": others.mean(), "5 % lie below": np.quantile(both, 0.05),
        "95 % lie below": np.quantile(both, 0.95), "from 0.7 to 1": np.mean((both >= 0.7) & (both <= 1.0 + 1e-6)),
    }  # fmt: skip


def _threshold(own: np.ndarray, others: np.ndarray) -> float:
    """The cosine above which calling a pair a match is right most often, when matches are half of all."""
    return float(max(np.linspace(-1, 1, 401), key=lambda t: _accuracy(own, others, float(t))))


def _accuracy(own: np.ndarray, others: np.ndarray, threshold: float) -> float:
    return float(((own >= threshold).mean() + (others < threshold).mean()) / 2)


def decide_crowding(m: Measurements) -> Verdict:
    """From which starts do the cosines of a model trained at 0.01 lie in 0.7 to 1.0, and is its order any good?"""
    crowded, parts = [], []
    for start, by_temperature in m["by start"].items():
        at, sharp, soft = by_temperature["untrained"], by_temperature["0.01"], by_temperature["0.05"]
        crowded.append(min(sharp["from 0.7 to 1"]) >= 0.95)
        parts.append(
            f"{start} (others {np.mean(at['others']):.2f} before training): at 0.01 {np.mean(sharp['from 0.7 to 1']):.0%} of the "
            f"cosines lie from 0.7 to 1, at 0.05 {np.mean(soft['from 0.7 to 1']):.0%}; nDCG@10 {np.mean(sharp[METRIC]):.3f} and "
            f"{np.mean(soft[METRIC]):.3f}; a threshold taken from 0.05 is right for {np.mean(sharp['accuracy, threshold of 0.05']):.0%} "
            f"at 0.01, its own for {np.mean(sharp['accuracy, own threshold']):.0%}"
        )
    orders = all(
        np.mean(each["0.01"][METRIC]) >= 0.9 * np.mean(each["0.05"][METRIC]) for each in m["by start"].values()
    )
    verdict = "holds" if all(crowded) and orders else "depends" if any(crowded) else "misleading"
    return Verdict(verdict, "; ".join(parts))


CLAIMS = (
    Claim(
        id=12,
        chapter="05",
        statement="Larger batches, more negatives, better models: at equal steps, at equal examples, at equal time.",
        rule=(
            "a budget speaks for it when the largest batch beats the smallest in nDCG@10 with an interval above 0 and no size loses "
            "to the next smaller with an interval below 0; holds when all three budgets do, depends when some do, misleading when "
            "none does"
        ),
        measure=measure_batch_size,
        decide=decide_batch_size,
    ),
    Claim(
        id=13,
        chapter="05",
        statement="Gradient accumulation reaches a large effective batch.",
        rule=(
            "same pairs, same number of steps, both tuned: misleading when one batch beats its accumulated pieces in nDCG@10 with an "
            "interval above 0, holds when the interval lies within 0.01 of 0, depends otherwise"
        ),
        measure=measure_accumulation,
        decide=decide_accumulation,
    ),
    Claim(
        id=14,
        chapter="05",
        statement="GradCache computes the full-batch gradient in bounded memory.",
        rule=(
            "in float64, without dropout and with it, gradients differ by less than 1e-6 of their largest entry at every batch size, "
            "and what is held for the backward pass at the largest batch is at most 1.25 times that at the smallest; depends when "
            "only the first is so; misleading otherwise"
        ),
        measure=measure_gradcache,
        decide=decide_gradcache,
    ),
    Claim(
        id=15,
        chapter="05",
        statement="Negatives gathered across devices equal one large batch.",
        rule="holds when loss and gradient of several processes differ from those of one by less than 1e-10 in float64",
        measure=measure_devices,
        decide=decide_devices,
    ),
    Claim(
        id=66,
        chapter="05",
        statement="Trained at a temperature of 0.01, all cosines crowd into 0.7 to 1.0, and only their order counts.",
        rule=(
            "of a start: crowded when after training at 0.01, with every seed, 95 % of the cosines of dev queries with passages lie "
            "from 0.7 to 1; holds when both starts are and nDCG@10 is at least 0.9 of that at 0.05, depends when one is, misleading "
            "when none is"
        ),
        measure=measure_crowding,
        decide=decide_crowding,
    ),
)
