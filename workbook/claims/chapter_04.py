"""Claims 9 to 11: what InfoNCE is, what the temperature does, and the two forces behind it."""

from functools import cache

import numpy as np
import torch
from torch.nn import functional as F

from workbook.claims.chapter_02 import small_docs
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.measuring import difference, of_run
from workbook.data import load
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.geometry import alignment, uniformity
from workbook.losses import info_nce
from workbook.similarity import dense_search
from workbook.train import fit

BUDGETS = {  # steps, batch sizes, temperatures, queries, passages
    "notebook": (20, (128,), (0.02, 0.1, 1.0), 100, 400),
    "record": (100, (32, 512), (0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0), 1_000, 10_000),
}
TYPICAL = (0.02, 0.05)


@cache
def tokenizer():
    """WordPiece of 8,000 pieces over a third of the training pairs of pydocs, made once."""
    return train_tokenizer([text for pair in load("pydocs").pairs("train")[::3] for text in pair], vocab_size=8_000)


def new_encoder(seed: int) -> TextEncoder:
    """A static encoder of 128 dimensions with fresh weights."""
    torch.manual_seed(seed)
    return TextEncoder(tokenizer(), StaticEncoder(tokenizer().get_vocab_size(), 128), max_length=64)


@cache
def trained(temperature: float, batch_size: int, steps: int, seed: int) -> TextEncoder:
    """An encoder trained on pydocs at one temperature; kept, because claims 7, 8, 10 and 11 share some."""
    encoder = new_encoder(seed)
    pairs = load("pydocs").pairs("train")
    fit(encoder, pairs, steps=steps, batch_size=batch_size, lr=0.02, seed=seed, temperature=temperature)
    return encoder


# --- claim 9 ---------------------------------------------------------------------------------


def measure_identity(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """InfoNCE beside torch's cross-entropy: the largest difference of values and of gradients over many shapes and
    temperatures, in float64.
    """
    value, gradient = 0.0, 0.0
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for B in (1, 2, 17, 256):
            for temperature in (0.01, 0.05, 1.0):
                q, d = (torch.randn(B, 24, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
                ours = info_nce(q, d, temperature=temperature)
                logits = F.normalize(q) @ F.normalize(d).T / temperature
                theirs = F.cross_entropy(logits, torch.arange(B))
                value = max(value, (ours - theirs).abs().item())
                grads = zip(torch.autograd.grad(ours, (q, d)), torch.autograd.grad(theirs, (q, d)), strict=True)
                gradient = max([gradient, *((a - b).abs().max().item() for a, b in grads)])
    return {"largest difference of losses": value, "largest difference of gradients": gradient}


def decide_identity(m: Measurements) -> Verdict:
    """Holds when only rounding in float64 is left."""
    worst = max(m.values())
    because = f"losses and gradients differ by less than {10 ** np.ceil(np.log10(max(worst, 1e-16))):.0e}"
    return Verdict("holds" if worst < 1e-10 else "misleading", because)


# --- claim 10 --------------------------------------------------------------------------------


def measure_temperature(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 by batch size and temperature, one mean per seed; and for each batch size its best temperature, with how
    far that lies above the best one from 0.02 to 0.05.
    """
    steps, batch_sizes, temperatures, num_queries, num_passages = BUDGETS[budget]
    docs = small_docs(num_queries, num_passages)
    curve: dict[str, dict[str, list[float]]] = {}
    best = {}
    for batch_size in batch_sizes:
        per_query = {}
        for temperature in temperatures:
            rows = []
            for seed in seeds:
                encoder = trained(temperature, batch_size, steps, seed)
                run = dense_search(encoder, docs.corpus, docs.queries, k=10)
                rows.append(of_run(run, docs))
            per_query[temperature] = np.array(rows)  # (seeds, queries)
            curve.setdefault(str(batch_size), {})[str(temperature)] = (
                per_query[temperature].mean(axis=1).round(4).tolist()
            )
        top = max(per_query, key=lambda t: per_query[t].mean())
        typical = max(TYPICAL if TYPICAL[1] in per_query else (TYPICAL[0],), key=lambda t: per_query[t].mean())
        gap = difference(per_query[top], per_query[typical])  # the best was picked on these queries: a little too large
        best[str(batch_size)] = {"temperature": top, "above typical": gap}
    return {"ndcg@10": curve, "best": best}


def decide_temperature(m: Measurements) -> Verdict:
    """Does the best temperature of every batch size fall into 0.02 to 0.05, or tie with it?"""
    parts, inside = [], []
    for batch_size, found in m["best"].items():
        gain, low, high = found["above typical"]
        typical = TYPICAL[0] <= found["temperature"] <= TYPICAL[1]
        above = "one of these" if typical else f"{gain:+.3f} [{low:+.3f}, {high:+.3f}] nDCG@10 above 0.02 to 0.05"
        parts.append(f"batch {batch_size}: best at {found['temperature']}, {above}")
        inside.append(typical or low <= 0.005)
    verdict = "holds" if all(inside) else "depends" if any(inside) else "misleading"
    intervals = tuple(
        Interval(f"batch {batch_size}, best minus typical", *found["above typical"])
        for batch_size, found in m["best"].items()
    )
    return Verdict(verdict, "; ".join(parts), intervals)


# --- claim 11 --------------------------------------------------------------------------------


def measure_trade(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Alignment and uniformity of dev pairs after training, by temperature, one value per seed."""
    steps, batch_sizes, temperatures, num_queries, num_passages = BUDGETS[budget]
    docs = small_docs(num_queries, num_passages)
    pairs = docs.pairs("sample")
    found: dict[str, dict[str, list[float]]] = {}
    for temperature in temperatures:
        for seed in seeds:
            encoder = trained(temperature, batch_sizes[-1], steps, seed)
            x = torch.from_numpy(encoder.encode_query([query for query, _ in pairs]))
            y = torch.from_numpy(encoder.encode_document([passage for _, passage in pairs]))
            row = found.setdefault(str(temperature), {"alignment": [], "uniformity": []})
            row["alignment"].append(round(float(alignment(x, y)), 4))
            row["uniformity"].append(round(float(uniformity(y)), 4))
    return {"by temperature": found}


def decide_trade(m: Measurements) -> Verdict:
    """Rank correlation over temperatures: a trade means that as one number falls the other rises."""
    from workbook.metrics import spearman

    rows = m["by temperature"].values()
    a = [float(np.mean(row["alignment"])) for row in rows]
    u = [float(np.mean(row["uniformity"])) for row in rows]
    rho = spearman(a, u)
    each = " · ".join(f"{t}: {x:.2f}, {y:.2f}" for t, x, y in zip(m["by temperature"], a, u, strict=True))
    because = f"temperature: alignment, uniformity are {each}; rank correlation {rho:+.2f}"
    return Verdict("holds" if rho <= -0.8 else "depends" if rho < 0 else "misleading", because)


CLAIMS = (
    Claim(
        id=9,
        chapter="04",
        statement="InfoNCE is softmax cross-entropy over similarities divided by temperature.",
        rule="holds when losses and gradients agree to 1e-10 in float64 over all tried shapes and temperatures",
        measure=measure_identity,
        decide=decide_identity,
    ),
    Claim(
        id=10,
        chapter="04",
        statement="Temperatures of 0.02 to 0.05 are typical because they work best, at small and large batches alike.",
        rule=(
            "holds when at every batch size the best temperature lies from 0.02 to 0.05, or is not more than 0.005 nDCG@10 above "
            "it by the lower end of the interval; depends when that is so at some batch sizes; misleading when at none"
        ),
        measure=measure_temperature,
        decide=decide_temperature,
    ),
    Claim(
        id=11,
        chapter="04",
        statement="Contrastive training trades alignment against uniformity.",
        rule=(
            "over temperatures, holds when the rank correlation of alignment and uniformity is at most -0.8, "
            "depends when it is below 0, misleading otherwise"
        ),
        measure=measure_trade,
        decide=decide_trade,
    ),
)
