"""Claims 7 and 8: first-stage recall is a ceiling, and small differences are noise."""

from functools import cache

import numpy as np

from workbook.bm25 import BM25
from workbook.claims.chapter_02 import small_docs
from workbook.claims.chapter_04 import trained
from workbook.claims.claim import Claim, Measurements, Verdict
from workbook.metrics import evaluate, paired_permutation_test, ranked_ids
from workbook.similarity import dense_search
from workbook.support.types import Run

BUDGETS = {"notebook": (20, 128, 100, 400), "record": (150, 512, 1_000, 10_000)}  # steps, batch, queries, passages
DEPTHS = (10, 100)


def _docs(budget: str):
    return small_docs(*BUDGETS[budget][2:])


@cache
def runs(budget: str, seed: int) -> dict[str, Run]:
    """BM25, an encoder trained for a moment, and the same encoder trained ten times less: name -> run."""
    steps, batch_size, *_ = BUDGETS[budget]
    docs = _docs(budget)
    found: dict[str, Run] = {"BM25": BM25().index(docs.corpus).search(docs.queries, k=max(DEPTHS))}
    for name, share in (("weak encoder", 10), ("encoder", 1)):
        encoder = trained(0.05, batch_size, max(1, steps // share), seed)
        found[name] = dense_search(encoder, docs.corpus, docs.queries, k=max(DEPTHS))
    return found


# --- claim 7 ---------------------------------------------------------------------------------


def measure_ceiling(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Rerank each first stage's passages perfectly, and at random; compare with its recall."""
    docs, rows = _docs(budget), []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        for name, run in runs(budget, seed).items():
            for depth in DEPTHS:
                kept = {q: {p: found[p] for p in ranked_ids(found, depth)} for q, found in run.items()}
                perfect = {q: {p: docs.qrels[q].get(p, 0) + 1e-3 for p in found} for q, found in kept.items()}
                shuffled = {q: {p: generator.random() for p in found} for q, found in kept.items()}
                recall = evaluate(docs.qrels, run, (f"recall@{depth}",))[f"recall@{depth}"]
                after = [evaluate(docs.qrels, r, (f"recall@{depth}",))[f"recall@{depth}"] for r in (perfect, shuffled)]
                best = evaluate(docs.qrels, perfect, ("recall@10",))["recall@10"]
                rows.append(
                    {"first stage": name, "depth": depth, "seed": seed, "recall": round(recall, 4)}
                    | {"after reranking": [round(x, 4) for x in after], "best Recall@10": round(best, 4)}
                )
    return {"rows": rows}


def decide_ceiling(m: Measurements) -> Verdict:
    """No order of the same passages may beat the recall they came with."""
    rows = m["rows"]
    above = [row for row in rows if max([*row["after reranking"], row["best Recall@10"]]) > row["recall"] + 1e-9]
    low, high = min(rows, key=lambda r: r["recall"]), max(rows, key=lambda r: r["recall"])
    because = (
        f"{len(above)} of {len(rows)} reranked runs exceed their first stage; with a perfect reranker the ceiling is "
        f"{low['recall']:.2f} for {low['first stage']} at {low['depth']} and {high['recall']:.2f} for {high['first stage']} at {high['depth']}"
    )
    return Verdict("misleading" if above else "holds", because)


# --- claim 8 ---------------------------------------------------------------------------------


def measure_noise(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Test sets of growing size, drawn from the queries: how often do they name the wrong winner?

    Two encoders, one trained for half the steps of the other, are compared, and the full one with BM25.
    """
    steps, batch_size, *_ = BUDGETS[budget]
    docs = _docs(budget)
    sizes = [n for n in (25, 50, 100, 200, 500) if n <= len(docs.queries) // 2 or n == 25]
    contests: dict[str, dict] = {}
    for seed in seeds:
        values = {}
        for name, share in (("full", 1.0), ("half", 0.5)):
            encoder = trained(0.05, batch_size, max(1, int(steps * share)), seed)
            run = dense_search(encoder, docs.corpus, docs.queries, k=10)
            values[name] = _per_query(docs, run)
        values["BM25"] = _per_query(docs, runs(budget, seed)["BM25"])
        for a, b in (("full", "half"), ("full", "BM25")):
            difference = values[a] - values[b]
            found = contests.setdefault(f"{a} against {b}", {"difference": [], "wrong winner": {}, "significant": {}})
            found["difference"].append(round(float(difference.mean()), 4))
            for n in sizes:
                wrong, sure = _repeat(difference, n, seed)
                found["wrong winner"].setdefault(str(n), []).append(wrong)
                found["significant"].setdefault(str(n), []).append(sure)
    return {"contests": contests, "sizes": sizes}


def _per_query(docs, run) -> np.ndarray:
    return np.array(list(evaluate(docs.qrels, run, ("ndcg@10",), per_query=True)["ndcg@10"].values()))


def _repeat(difference: np.ndarray, n: int, seed: int, times: int = 200) -> tuple[float, float]:
    generator = np.random.default_rng(seed)
    drawn = difference[generator.integers(0, len(difference), size=(times, n))]
    wrong = float((drawn.mean(axis=1) * difference.mean() <= 0).mean())
    p = [paired_permutation_test(row, np.zeros(n), num_permutations=500, seed=i) for i, row in enumerate(drawn[:50])]
    return round(wrong, 3), round(float(np.mean(np.array(p) < 0.05)), 3)


def decide_noise(m: Measurements) -> Verdict:
    """A small difference needs many queries: the smallest test sets must often miss it or name the wrong winner."""
    smallest, largest = str(m["sizes"][0]), str(m["sizes"][-1])
    rates = {
        name: [float(np.mean(found["significant"][size])) for size in (smallest, largest)]
        + [float(np.mean(found["wrong winner"][smallest])), float(np.mean(found["difference"]))]
        for name, found in m["contests"].items()
    }
    because = "; ".join(
        f"{name} ({first} minus {second} {gap:+.3f} nDCG@10): {few:.0%} of test sets of {smallest} queries find it, {many:.0%} of {largest}; "
        f"{wrong:.0%} of the small ones name the wrong winner"
        for name, (few, many, wrong, gap) in rates.items()
        for first, second in [name.split(" against ")]
    )
    small_gap = min(rates.values(), key=lambda r: abs(r[3]))
    return Verdict("holds" if small_gap[0] < 0.5 and small_gap[2] > 0.05 else "depends", because)


CLAIMS = (
    Claim(
        id=7,
        chapter="03",
        statement="A model that embeds poorly bounds everything after it: no reranker exceeds first-stage recall.",
        rule="holds when no reranking, not even a perfect one, of any first stage exceeds the recall of that first stage",
        measure=measure_ceiling,
        decide=decide_ceiling,
    ),
    Claim(
        id=8,
        chapter="03",
        statement="Differences smaller than the interval are noise: with few queries the wrong model often wins.",
        rule=(
            "for the contest with the smaller difference, holds when fewer than half of the smallest test sets find it significant "
            "(p < 0.05) and more than 5 % of them name the wrong winner; depends otherwise"
        ),
        measure=measure_noise,
        decide=decide_noise,
    ),
)
