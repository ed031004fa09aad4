"""evaluate: how good the runs of a split are, each metric with an interval, and whether BM25 was beaten.

    WORK/evaluation/RUN/evaluation.json
    WORK/evaluation/RUN/values.npy       (metrics, Q) the value of each query

Letters: Q queries, K results, R relevant passages.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbook.metrics import evaluate_ids
from workbook.metrics.significance import bootstrap_ci, paired_permutation_test
from workbook.pipeline.data_stage import is_covered, read_qrels, read_texts, split_inputs
from workbook.pipeline.manifests import check, finished, runs_of, split_and_system
from workbook.pipeline.progress import progress
from workbook.pipeline.search_stage import read_run
from workbook.pipeline.stage import stage
from workbook.support.files import write_json, write_npy

METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@100")
INTERVAL = "{mean:.3f} [{low:.3f}, {high:.3f}]"
SURE = 0.05  # a difference with a larger p-value may be chance
STRUCTURAL = "These queries were made from the passages' own words, nobody asked them: `judge` measures with real ones."


def evaluate(
    work: str | Path,
    split: str = "test",
    metrics: Sequence[str] | None = None,
    exact: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
    anew: bool = False,
    show: bool | None = None,
) -> dict[str, Any]:
    """Measure all runs of a split, each metric with its bootstrap interval, and compare them with BM25's.

    A query without a relevant passage counts as 0, as in pytrec_eval; where there are any, they are counted, and the
    mean over the others stands beside it.

    Args:
        work: the work folder, with a run.
        split: whose runs.
        metrics: as in `workbook.metrics.evaluate`; METRICS by default. Of each run those that it is deep enough for.
        exact: the first run is that of the exact search, runs/SPLIT-exact.
        confidence: share of the bootstrap means inside the interval.
        seed: of the bootstrap.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest of the first run, whose "metrics" are metric -> {"mean", "low", "high"}, with "summary": a table
        of all runs, and what follows from it, in words.
    Raises:
        FileNotFoundError: the run is not finished.
        KeyError: there is no such split.
        ValueError: a metric is unknown, or asks for more results than the first run holds.
    """
    work, inputs = Path(work), split_inputs(work, split)
    names = runs_of(work, split)
    first = f"{split}-exact" if exact else split if split in names or not names else names[0]
    options = {"metrics": metrics, "confidence": confidence, "seed": seed, "anew": anew, "show": show}
    manifests = {name: _measure(work, split, name, inputs, name == first, options) for name in sorted({first, *names})}
    return {**manifests[first], "summary": _summary(work, split, manifests, seed)}


def _measure(
    work: Path, split: str, name: str, inputs: dict[str, str], first: bool, options: dict[str, Any]
) -> dict[str, Any]:
    """One run."""
    found = finished(work, f"runs/{name}", "search")
    # Of a corpus that is smaller than k, the run holds everything.
    depth = math.inf if found["results"] == finished(work, "data", "data")["passages"] else found["results"]
    metrics = list(METRICS if options["metrics"] is None else options["metrics"])
    evaluate_ids([[0]], [[0]], metrics=metrics)  # stops at an unknown metric before anything is removed
    if first and options["metrics"] and (too_deep := [metric for metric in metrics if _depth(metric) > depth]):
        raise ValueError(
            f"{too_deep[0]} asks for more than the {depth} results of each query in {work / 'runs' / name}; "
            f"search with -k {_depth(too_deep[0])}"
        )
    metrics = [metric for metric in metrics if _depth(metric) <= depth]
    confidence, seed = options["confidence"], options["seed"]
    settings = {"split": split, "metrics": metrics, "confidence": confidence, "seed": seed}
    inputs = {**inputs, f"runs/{name}": found["fingerprint"]}
    with stage(work, f"evaluation/{name}", settings, inputs, options["anew"]) as job:
        if job.finished:
            return job.manifest
        rows, _ = read_run(work, name)
        relevant, grades = relevant_rows(work, split, len(rows), options["show"])
        values = evaluate_ids(rows, relevant, grades, metrics, per_query=True)
        judged = (grades > 0).any(axis=1)  # (Q,)
        results = {
            "queries": len(rows),
            "searched": found["searched"],
            "metrics": {
                metric: dict(zip(("mean", "low", "high"), bootstrap_ci(x, confidence, seed=seed), strict=True))
                for metric, x in values.items()
            },
        }
        if not judged.all():
            results["queries without a relevant passage"] = int((~judged).sum())
            results["mean of the others"] = {
                m: float(x[judged].mean()) if judged.any() else 0.0 for m, x in values.items()
            }
        write_json(job.folder / "evaluation.json", results)
        write_npy(job.folder / "values.npy", np.stack(list(values.values())) if values else np.zeros((0, len(rows))))
        return job.finish(results)


def _summary(work: Path, split: str, manifests: dict[str, dict[str, Any]], seed: int) -> str:
    """A table of the runs; how many queries have nothing to find; and whether BM25 was beaten."""
    metrics = list(dict.fromkeys(metric for manifest in manifests.values() for metric in manifest["metrics"]))
    lines = [["system", *metrics, "searched"]]
    for name, manifest in manifests.items():
        cells = [INTERVAL.format(**found) if (found := manifest["metrics"].get(metric)) else "–" for metric in metrics]
        lines.append([_system(name), *cells, manifest["searched"]])
        if others := manifest.get("mean of the others"):
            count = manifest["queries"] - manifest["queries without a relevant passage"]
            lines.append([f"  of {count:,}", *(f"{others[m]:.3f}" if m in others else "–" for m in metrics), ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    facts = next(iter(manifests.values()))
    told.append(
        f"{facts['queries']:,} queries; in brackets the interval that {facts['settings']['confidence']:.0%} of draws fall in."
    )
    if nothing := facts.get("queries without a relevant passage"):
        told.append(f"{nothing:,} of them have no relevant passage and count as 0; the lines below leave them out.")
    told += [STRUCTURAL] if is_covered(work, split) else []
    return "\n".join([*told, *_against_bm25(work, split, manifests, seed)])


def _against_bm25(work: Path, split: str, manifests: dict[str, dict[str, Any]], seed: int) -> list[str]:
    """For each run whether it is better than BM25's: the mean difference of the first metric, and a paired test."""
    base = f"{split}-bm25"
    if base not in manifests:
        return [f"BM25 was not asked: `python -m workbook search {work} {split} --with bm25`, then evaluate again."]
    told = []
    for name, manifest in manifests.items():
        shared = [metric for metric in manifest["metrics"] if metric in manifests[base]["metrics"]]
        if name == base or not shared:
            continue
        ours, theirs = (_values(work, manifests[one], shared[0]) for one in (name, base))
        Q = min(len(ours), len(theirs))
        difference, p = float((ours[:Q] - theirs[:Q]).mean()), paired_permutation_test(ours[:Q], theirs[:Q], seed=seed)
        verdict = "beats BM25" if difference > 0 and p < SURE else "does not beat BM25"
        chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" + (", which may be chance" if p >= SURE else "")
        told.append(f"{_system(name)} {verdict}: {shared[0]} {difference:+.3f} ({chance}).")
    return told


def _values(work: Path, manifest: dict[str, Any], metric: str) -> np.ndarray:
    path = check(work, manifest, "values.npy", "evaluate")
    values: np.ndarray = np.load(path, allow_pickle=False)[list(manifest["metrics"]).index(metric)]
    return values


def _system(run: str) -> str:
    return split_and_system(run)[1] or "dense"


def _depth(metric: str) -> int:
    """The k of "recall@k"; 0 of a metric without one, which takes the run as it is."""
    return int(metric.partition("@")[2] or 0)


def relevant_rows(work: str | Path, split: str, Q: int, show: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Judgements as `evaluate_ids` takes them: row numbers (Q, R), -1 for none, and grades (Q, R).

    Only the judged ids are looked up; a judged passage that the corpus lacks is relevant and never found.
    """
    corpus = read_texts(work, "corpus")
    judged = list(read_qrels(work, split).values())[:Q]
    relevant = [{id: grade for id, grade in one.items() if grade > 0} for one in judged]
    R = max([1, *map(len, relevant)])
    rows, grades = np.full((Q, R), -1, np.int64), np.zeros((Q, R))
    with progress("judgements", Q, show=show) as more:
        for number, one in enumerate(relevant):
            grades[number, : len(one)] = list(one.values())
            rows[number, : len(one)] = [corpus.row(id) if id in corpus else -1 for id in one]
            more(1)
    return rows, grades
