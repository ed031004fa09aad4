"""mine: hard negatives from a run, a batch of queries at a time, with the filters of `workbook.mining`.

    WORK/negatives/SPLIT/part-00000.tsv, …   query id, positive id, negative ids: a line for each positive
    WORK/negatives/SPLIT/part-00000.json, …  what was kept and removed

Letters: Q queries, K candidates of a query, P positives of a query.
"""

import json
import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbook.data.stored.storage import StoredTexts
from workbook.mining import apply_filters, choose
from workbook.mining.candidates import Candidates, text_key
from workbook.pipeline.data_stage import read_qrels, read_texts, with_splits
from workbook.pipeline.encode_stage import query_vectors
from workbook.pipeline.evaluate_stage import relevant_rows
from workbook.pipeline.manifests import kept
from workbook.pipeline.search_stage import read_run
from workbook.pipeline.stage import at_least, finished, stage
from workbook.pipeline.vector_search import check_vectors, score_rows
from workbook.pipeline.workers import make_files, run_tasks, slices
from workbook.support.files import write_atomically, write_json

BATCH_QUERIES = 1_024
KEPT = "queries kept"
DROPPED = (  # why a query is left out
    "dropped, no positive in the corpus",
    "dropped, too few candidates in the run",
    "dropped, no candidate left by the filters",
    "dropped, too few candidates left by the filters",
)


def mine(
    work: str | Path,
    split: str = "train",
    num_negatives: int = 4,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = 0.05,
    sampling_strategy: str = "top",
    seed: int = 0,
    exact: bool = False,
    batch_queries: int = BATCH_QUERIES,
    processes: int = 1,
    anew: bool = False,
    show: bool | None = None,
    runner: Callable[..., Any] = run_tasks,
) -> dict[str, Any]:
    """Choose hard negatives among what a search found.

    Judged positives, the query's own text, and passages with the text of either, are never negatives, nor is what
    scores nearly as high as a positive: it may well be one. Queries with fewer than num_negatives are left out, and
    counted by the reason.

    Args:
        work: the work folder, with a run of the split.
        split: whose run.
        num_negatives, range_min, range_max, max_score, min_score, absolute_margin, relative_margin,
            sampling_strategy: as in `workbook.mining.mine_hard_negatives`. Without a relative_margin (None) nothing is
            left out for its high score.
        seed: decides what is random.
        exact: mine from the run of the exact search, runs/SPLIT-exact.
        batch_queries: queries in a batch, and so in a part.
        processes: on this machine.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
        runner: who calls `mine_task` for each batch; see `workbook.pipeline.ray_jobs`.
    Returns:
        the manifest, with the counts.
    Raises:
        FileNotFoundError: the run is not finished.
        KeyError: there is no such split.
        ValueError: a number is out of range, or the run holds too few results for the ranks.

    Source: Xiong et al. 2021 (ANCE); Moreira et al. 2024 (NV-Retriever).
    """
    work = Path(work)
    at_least(1, num_negatives=num_negatives, batch_queries=batch_queries, processes=processes)
    at_least(0, range_min=range_min)
    filtered = any(bound is not None for bound in (relative_margin, absolute_margin, max_score))
    deep = range_min + (10 if filtered else 2) * num_negatives
    range_max = deep if range_max is None else range_max
    if range_max - range_min < num_negatives:
        raise ValueError(
            f"expected room for num_negatives = {num_negatives} between range_min and range_max, "
            f"got {range_min} and {range_max}"
        )
    for bound in (max_score, min_score, absolute_margin, relative_margin):
        if bound is not None and math.isnan(bound):
            raise ValueError("scores and margins must be numbers, got nan; leave the option out instead")
    if sampling_strategy not in ("top", "random"):
        raise ValueError(f"sampling_strategy must be top or random, got {sampling_strategy!r}")
    name = f"{split}-exact" if exact else split
    data, facts = with_splits(work, split), finished(work, f"runs/{name}", "search")
    if facts["results"] < range_min + num_negatives:
        raise ValueError(
            f"the run holds {facts['results']} results of each query, too few for {num_negatives} negatives from rank "
            f"{range_min} on; search with a larger k, or ask for fewer"
        )
    options = {
        "num_negatives": num_negatives, "range_min": range_min, "range_max": range_max, "max_score": max_score,
        "min_score": min_score, "absolute_margin": absolute_margin, "relative_margin": relative_margin,
        "sampling_strategy": sampling_strategy, "seed": seed, "run": name,
    }  # fmt: skip
    settings = {"split": split, "batch_queries": batch_queries, **options}
    inputs = {"data": data["fingerprint"], "run": facts["fingerprint"]}
    with stage(work, f"negatives/{split}", settings, inputs, anew) as run:
        if run.finished:
            return run.manifest
        check_vectors(work, show)
        Q, told = facts["queries"], json.dumps(options)
        parts = {
            f"part-{number:05}.tsv": (stop - start, (str(work), split, number, start, stop, told))
            for number, start, stop in slices(Q, batch_queries)
        }
        make_files(run.folder, mine_task, parts, "mining", processes, show, runner)
        return run.finish({"counts": _counts(run.folder)})


def mine_task(work: str, split: str, number: int, start: int, stop: int, options: str) -> None:
    """Mine for one batch of queries into a part, unless the part is there; the function of every way of running."""
    folder = Path(work) / "negatives" / split
    path = folder / f"part-{number:05}.tsv"
    if path.is_file():
        return
    wanted = json.loads(options)
    query_ids, positives, rows_of_run, scores_of_run, q, corpus, queries = _known(work, wanted["run"], split)
    ids = query_ids[start:stop]
    depth = wanted["range_max"] + positives.shape[1]
    rows = np.array(rows_of_run[start:stop, :depth], dtype=np.int64)
    scores = np.array(scores_of_run[start:stop, :depth])
    of_positives = score_rows(work, q[start:stop].astype(np.float32), positives[start:stop])
    known = [[int(row) for row in line if row >= 0] for line in positives[start:stop]]
    found = Candidates(
        ids,
        [],
        torch.from_numpy(rows),
        torch.from_numpy(scores),
        torch.from_numpy(_possible(corpus, [queries[id] for id in ids], rows, known)),
        known,
        torch.from_numpy(np.where(positives[start:stop] >= 0, of_positives, np.inf)),
    )
    filters = ("max_score", "min_score", "absolute_margin", "relative_margin")
    kept, counts = apply_filters(found, **{name: wanted[name] for name in filters})
    counts = {"queries": len(ids), "candidates": int(found.possible.sum()), **counts}
    M = wanted["num_negatives"]
    rng = random.Random(f"{wanted['seed']} {number}")
    chosen = choose(found, kept, wanted["range_min"], wanted["range_max"], M, wanted["sampling_strategy"], rng)
    used = np.unique([row for mined, own in zip(chosen, known, strict=True) for row in (*mined, *own)]).astype(np.int64)
    name = dict(zip(used.tolist(), corpus.ids_at(used), strict=True))
    lines, fates = [], dict.fromkeys((KEPT, *DROPPED), 0)
    for query_id, mined, own, possible in zip(ids, chosen, known, found.possible.sum(dim=1).tolist(), strict=True):
        fate = KEPT
        if not own:
            fate = DROPPED[0]
        elif possible < wanted["range_min"] + M:
            fate = DROPPED[1]
        elif len(mined) < M:
            fate = DROPPED[3] if mined else DROPPED[2]
        else:
            lines += ["\t".join([query_id, name[row], *(name[other] for other in mined)]) + "\n" for row in own]
        fates[fate] += 1
    counts |= fates
    write_json(path.with_suffix(".json"), counts)
    write_atomically(path, "".join(lines))


def _possible(corpus: StoredTexts, asked: list[str], rows: np.ndarray, positives: list[list[int]]) -> np.ndarray:
    """(Q, K): no positive, no text that is the query's or a positive's, and no text twice."""
    wanted = np.unique(np.concatenate([rows.ravel(), *(np.array(line, dtype=np.int64) for line in positives)]))
    wanted = wanted[wanted >= 0]
    key = dict(zip(wanted.tolist(), map(text_key, corpus.texts_at(wanted)), strict=True))
    possible = np.zeros(rows.shape, dtype=bool)
    for i, (query, line, own) in enumerate(zip(asked, rows.tolist(), positives, strict=True)):
        seen = {text_key(query), *(key[row] for row in own)}
        for j, row in enumerate(line):
            possible[i, j] = row >= 0 and key[row] not in seen
            seen.add(key.get(row, b""))
    return possible


def _counts(folder: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("part-*.json")):
        counts.update(json.loads(path.read_text("utf-8")))
    return dict(counts)


@kept("runs/{1}")
def _known(work: str, run: str, split: str) -> tuple[Any, ...]:
    """What all batches of a run share: ids, rows of the positives (Q, P), the run, the queries' vectors, the texts."""
    rows, scores = read_run(work, run)
    query_ids = list(read_qrels(work, split))[: len(rows)]
    positives, _ = relevant_rows(work, split, len(rows))
    q = query_vectors(work, split)
    return query_ids, positives, rows, scores, q, read_texts(work, "corpus"), read_texts(work, "queries")
