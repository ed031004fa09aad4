"""Claims 18 and 75: is a stopped training the same training, and is a lower loss a better retriever?

For claim 75 the dev queries are halved. One half gives what a trainer looks at, the loss of its pairs and its nDCG@10;
the other half tells what the model that was chosen is worth.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from workbook.claims.chapter_02 import small_docs
from workbook.claims.chapter_05 import new_encoder
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.measuring import METRIC, difference, of_run
from workbook.claims.stopped_run import measure_resume
from workbook.data import Collection, load
from workbook.encoder import TextEncoder
from workbook.encoder import load as load_encoder
from workbook.losses import info_nce
from workbook.metrics import spearman
from workbook.similarity import dense_search
from workbook.train import fit

TEMPERATURE, LR = 0.05, 0.02
BUDGETS = {  # queries, passages; steps of a run, pairs in a batch, looks; steps with few pairs
    "notebook": (200, 500, 60, 64, 6, 60),
    "record": (900, 2_000, 400, 256, 12, 300),
}
FEW = 1_000  # pairs
LRS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
SIZES = {"notebook": (16, 64), "record": (16, 64, 256, 1024)}
TRANSFORMER = (400, 1_000, 60, 32, 6)  # queries, passages, steps, pairs in a batch, looks
SLACK, COST, END = 0.1, 0.01, 0.02  # of a rank correlation; of nDCG@10, and of the upper end of its interval


class Look(NamedTuple):
    """What is seen of one model: InfoNCE of the first half's pairs, by temperature, and nDCG@10 of each query."""

    loss: dict[float, float]
    ndcg: np.ndarray


def look(encoder: TextEncoder, docs: Collection, temperatures: Sequence[float]) -> Look:
    """Every loss is a choice among the passages of the first half's pairs, however the model was trained."""
    pairs = docs.pairs("sample")[::2]
    query, positive = (torch.from_numpy(encoder.encode([pair[side] for pair in pairs])) for side in (0, 1))
    losses = {t: float(info_nce(query, positive, temperature=t)) for t in temperatures}
    run = dense_search(encoder, docs.corpus, docs.queries, k=10)
    return Look(losses, of_run(run, docs))


def checkpoints(
    encoder: TextEncoder, docs: Collection, pairs: list[tuple[str, str]], steps: int, batch_size: int, lr: float, looks: int,
    seed: int,
) -> dict[str, Look]:  # fmt: skip
    """Looks at equal distances during one run: step -> what was seen."""
    found: dict[str, Look] = {}

    def on_step(record: dict[str, float]) -> None:
        if record["step"] % (steps // looks) == 0:
            found[str(int(record["step"]))] = look(encoder, docs, (TEMPERATURE,))

    fit(encoder, pairs, info_nce, steps, batch_size, lr, seed, TEMPERATURE, on_step=on_step, show=False)
    return found


def models(budget: str, seed: int) -> dict[str, dict[str, Look]]:
    """What is compared with what: comparison -> model -> what is seen of it."""
    queries, passages, steps, batch_size, looks, few_steps = BUDGETS[budget]
    docs, pairs = small_docs(queries, passages), load("pydocs").pairs("train")

    def trained(lr: float = LR, temperature: float = TEMPERATURE, B: int = batch_size, taken: int = steps // 3) -> Look:
        encoder = new_encoder(seed)
        fit(encoder, pairs, info_nce, taken, B, lr, seed, temperature, show=False)
        return look(encoder, docs, sorted({TEMPERATURE, temperature}))

    found = {
        "checkpoints": checkpoints(new_encoder(seed), docs, pairs, steps, batch_size, LR, looks, seed),
        "checkpoints, few pairs": checkpoints(
            new_encoder(seed), docs, pairs[seed * FEW :][:FEW], few_steps, 64, LR, looks, seed
        ),
        "learning rates": {str(lr): trained(lr=lr) for lr in LRS},
        "temperatures": {str(t): trained(temperature=t) for t in TEMPERATURES},
        "batch sizes": {str(B): trained(B=B, taken=steps // 3 * batch_size // B) for B in SIZES[budget]},
    }
    if budget == "record":
        queries, passages, steps, batch_size, looks = TRANSFORMER
        whole = load_encoder("base/start")
        encoder = TextEncoder(whole.tokenizer, whole.backbone, whole.pooling, max_length=64)
        docs = small_docs(queries, passages)
        found["checkpoints, transformer"] = checkpoints(encoder, docs, pairs, steps, batch_size, 2e-4, looks, seed)
    return found


def measure_loss(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """For each comparison: how well the loss of one half orders the models by nDCG@10 of the other, how well nDCG@10 of the
    first half does, and what choosing by the one costs against choosing by the other.
    """
    by_seed = [models(budget, seed) for seed in seeds]

    def of_all(read: Callable[[str, Look], float], name: str) -> list[dict[str, float]]:
        return [{model: read(model, seen) for model, seen in each[name].items()} for each in by_seed]

    def by_own(model: str, seen: Look) -> float:
        return seen.loss[float(model)]

    def by_common(model: str, seen: Look) -> float:
        return seen.loss[TEMPERATURE]

    found: Measurements = {}
    for name in by_seed[0]:
        readings = {name: by_common}
        if name == "temperatures":
            readings = {"temperatures, each at its own": by_own, f"temperatures, all at {TEMPERATURE}": by_common}
        for title, read in readings.items():
            found[title] = _compare([each[name] for each in by_seed], of_all(read, name))
    return {"comparisons": found}


def _compare(by_seed: Sequence[dict[str, Look]], losses: Sequence[dict[str, float]]) -> Measurements:
    chosen: dict[str, list[str]] = {"loss": [], METRIC: []}
    orders: dict[str, list[float]] = {"loss": [], METRIC: []}
    rows: dict[str, list[np.ndarray]] = {"loss": [], METRIC: []}
    for seen, loss in zip(by_seed, losses, strict=True):
        names = list(seen)
        signs = {  # what the first half says, higher is better
            "loss": [-loss[name] for name in names],
            METRIC: [float(seen[name].ndcg[::2].mean()) for name in names],
        }
        other = [float(seen[name].ndcg[1::2].mean()) for name in names]
        for sign, values in signs.items():
            best = names[int(np.argmax(values))]
            chosen[sign].append(best)
            orders[sign].append(round(spearman(values, other), 3))
            rows[sign].append(seen[best].ndcg[1::2])
    return {
        "loss": {name: [round(loss[name], 4) for loss in losses] for name in by_seed[0]},
        METRIC: {name: [round(float(seen[name].ndcg[1::2].mean()), 4) for seen in by_seed] for name in by_seed[0]},
        "chosen": chosen,
        "spearman": orders,
        "cost of choosing by loss": difference(np.array(rows[METRIC]), np.array(rows["loss"])),
    }


def decide_loss(m: Measurements) -> Verdict:
    """In how many comparisons does the loss order and choose as well as the metric itself does?"""
    intervals, speaks, parts = [], [], []
    for name, row in m["comparisons"].items():
        by_loss, by_metric = (float(np.mean(row["spearman"][sign])) for sign in ("loss", METRIC))
        cost, low, high = row["cost of choosing by loss"]
        speaks.append(by_loss >= by_metric - SLACK and cost <= COST and high <= END)
        parts.append(f"{name} {by_loss:+.2f} ({by_metric:+.2f}), costs {cost:+.3f} [{low:+.3f}, {high:+.3f}]")
        intervals.append(Interval(f"cost, {name}", cost, low, high))
    verdict = "holds" if all(speaks) else "misleading" if 2 * sum(speaks) < len(speaks) else "depends"
    because = (
        "rank correlation of a lower loss with nDCG@10 of other queries (in brackets that of nDCG@10 itself), and what choosing by "
        f"loss costs: {'; '.join(parts)}; {sum(speaks)} of {len(speaks)} speak for it"
    )
    return Verdict(verdict, because, tuple(intervals))


def decide_resume(m: Measurements) -> Verdict:
    """Is every stopped run equal, and would a difference have been seen?"""
    equal = [row["equal weights"] and row["equal losses"] for row in m["rows"]]
    blind = [row for row in m["controls"] if row["without"] != "random" and row["largest difference"] == 0]
    if blind:
        raise ValueError(f"a checkpoint without its {blind[0]['without']} made no difference, so this sees nothing")
    killed = sum(row["stop"] == "killed" for row in m["rows"])
    lost = {
        part: max(row["largest difference"] for row in m["controls"] if row["without"] == part)
        for part in dict.fromkeys(row["without"] for row in m["controls"])
    }
    off = " · ".join(f"{part} {value:.2g}" for part, value in lost.items())
    because = (
        f"{sum(equal)} of {len(equal)} stopped runs, {killed} of them killed, end with the weights and losses of a run that never "
        f"stopped, bit by bit; with a part of the checkpoint lost, weights are off by at most: {off}"
    )
    return Verdict("holds" if all(equal) else "depends" if any(equal) else "misleading", because)


CLAIMS = (
    Claim(
        id=18,
        chapter="07",
        statement="Training stopped and resumed equals training never stopped.",
        rule=(
            "static encoder and transformer with dropout, stopped after several steps and killed in a process of its own: holds when "
            "every weight and every loss is equal bit by bit in every run, depends when in some, misleading when in none; a checkpoint "
            "without moments, or with weights alone, must make a difference"
        ),
        measure=measure_resume,
        decide=decide_resume,
    ),
    Claim(
        id=75,
        chapter="07",
        statement="A lower loss on held-out pairs means a better retriever.",
        rule=(
            "loss and nDCG@10 of half of the dev queries choose among models, nDCG@10 of the other half judges; a comparison speaks for "
            "it when the loss orders the models with a rank correlation at most 0.1 below that of nDCG@10, and choosing by loss costs no "
            "more than 0.01 of nDCG@10 with an interval that ends at 0.02 or below; holds when all comparisons do, misleading when fewer "
            "than half do, depends otherwise"
        ),
        measure=measure_loss,
        decide=decide_loss,
    ),
)
