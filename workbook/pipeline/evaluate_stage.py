"""evaluate: how good a run is, with an interval.

    WORK/evaluation/SPLIT/evaluation.json

Letters: Q queries, K results, R relevant passages.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbook.metrics import evaluate_ids
from workbook.metrics.significance import bootstrap_ci
from workbook.pipeline.data_stage import read_qrels, read_texts, with_splits
from workbook.pipeline.progress import progress
from workbook.pipeline.search_stage import read_run
from workbook.pipeline.stage import finished, stage
from workbook.support.files import write_json

METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@100")


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
    """Measure the run of a split, each metric with its bootstrap interval.

    Args:
        work: the work folder, with a run.
        split: whose run.
        metrics: as in `workbook.metrics.evaluate`; METRICS by default, as far as the run is deep enough.
        exact: measure the run of the exact search, runs/SPLIT-exact.
        confidence: share of the bootstrap means inside the interval.
        seed: of the bootstrap.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest, whose "metrics" are metric -> {"mean", "low", "high"}.
    Raises:
        FileNotFoundError: the run is not finished.
        KeyError: there is no such split.
        ValueError: a metric is unknown, or asks for more results than the run holds.
    """
    work = Path(work)
    name = f"{split}-exact" if exact else split
    facts, run_facts = with_splits(work, split), finished(work, f"runs/{name}", "search")
    inputs = {"data": facts["fingerprint"], "run": run_facts["fingerprint"]}
    # Of a corpus that is smaller than k, the run holds everything.
    depth = math.inf if run_facts["results"] == facts["passages"] else run_facts["results"]
    metrics = [metric for metric in METRICS if _depth(metric) <= depth] if metrics is None else list(metrics)
    evaluate_ids([[0]], [[0]], metrics=metrics)  # stops at an unknown metric before anything is removed
    if too_deep := [metric for metric in metrics if _depth(metric) > depth]:
        raise ValueError(
            f"{too_deep[0]} asks for more than the {depth} results of each query in {work / 'runs' / name}; "
            f"search with -k {_depth(too_deep[0])}"
        )
    settings = {"split": split, "metrics": metrics, "confidence": confidence, "seed": seed}
    with stage(work, f"evaluation/{name}", settings, inputs, anew) as run:
        if run.finished:
            return run.manifest
        rows, _ = read_run(work, name)
        relevant, grades = relevant_rows(work, split, len(rows), show)
        values = evaluate_ids(rows, relevant, grades, metrics, per_query=True)
        found = {
            metric: dict(zip(("mean", "low", "high"), bootstrap_ci(x, confidence, seed=seed), strict=True))
            for metric, x in values.items()
        }
        results = {"queries": len(rows), "metrics": found}
        write_json(run.folder / "evaluation.json", results)
        return run.finish(results)


def _depth(metric: str) -> int:
    """The k of "recall@k"; 0 of a metric without one, which takes the run as it is."""
    return int(metric.partition("@")[2] or 0)


def relevant_rows(work: str | Path, split: str, Q: int, show: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Judgements as `evaluate_ids` takes them: row numbers (Q, R), -1 for none, and grades (Q, R).

    Only the judged ids are looked up; a judged passage that the corpus lacks is relevant and never found.
    """
    corpus = read_texts(work, "corpus")
    judged = list(read_qrels(work, split).values())[:Q]
    R = max([1, *(sum(grade > 0 for grade in one.values()) for one in judged)])
    rows, grades = np.full((Q, R), -1, np.int64), np.zeros((Q, R))
    with progress("judgements", Q, show=show) as more:
        for number, one in enumerate(judged):
            relevant = [(passage_id, grade) for passage_id, grade in one.items() if grade > 0]
            for place, (passage_id, grade) in enumerate(relevant):
                grades[number, place] = grade
                if passage_id in corpus:
                    rows[number, place] = corpus.row(passage_id)
            more(1)
    return rows, grades
