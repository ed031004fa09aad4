"""search: the best passages for each query of a split, a batch of queries at a time, by one system or several.

    WORK/runs/SPLIT/rows.npy     (Q, K) row numbers of the passages, best first; -1 where there is none
    WORK/runs/SPLIT/scores.npy   (Q, K) float32
    WORK/runs/SPLIT/run.tsv      query id, Q0, passage id, rank, score, tag: what trec_eval reads
    WORK/queries/SPLIT/          vectors of queries that encode did not know

| run | system |
|---|---|
| SPLIT | dense: the index. IVF-PQ and HNSW give candidates; their vectors, memory-mapped, give the scores |
| SPLIT-exact | dense: every vector |
| SPLIT-bm25 | keywords |
| SPLIT-rrf | the other two fused |
| SPLIT-SYSTEM-rerank | the first of a system, read by a cross-encoder |

Letters: Q queries, N passages, D dimensions, K results.
"""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbook.encoder import find_model
from workbook.pipeline.data_stage import is_covered, own_passages, read_qrels, read_queries, read_texts, split_inputs
from workbook.pipeline.encode_stage import encode_queries, query_vectors, read_later
from workbook.pipeline.encoders import folder_fingerprint
from workbook.pipeline.manifests import kept, split_and_system
from workbook.pipeline.stage import at_least, check, finished, stage
from workbook.pipeline.systems import Found, build_keywords, by_keywords, fused, passage_texts, read_reranker, reranked
from workbook.pipeline.vector_search import PROBES, check_vectors, search_exactly, search_index, vectors_manifest
from workbook.pipeline.workers import make_files, slices
from workbook.support.files import whole_file, write_npy

BATCH_QUERIES = 1_024
RERANK_QUERIES = 16  # at a time: a cross-encoder takes seconds for them
SYSTEMS = ("bm25", "dense", "rrf")


def search(
    work: str | Path,
    split: str = "test",
    systems: str | Sequence[str] = "dense",
    rerank: str | Path | None = None,
    k: int = 100,
    rerank_depth: int = 50,
    probes: int = PROBES,
    candidates: int | None = None,
    exact: bool = False,
    limit: int | None = None,
    trec: bool = True,
    batch_queries: int = BATCH_QUERIES,
    processes: int = 1,
    anew: bool = False,
    show: bool | None = None,
) -> dict[str, Any]:
    """Search for the queries of a split, with one system after another. Each leaves a run of its own.

    Args:
        work: the work folder, with an index; keywords alone need but the data.
        split: whose queries; those that `encode` did not know are encoded here, alone.
        systems: of "bm25", "dense" and "rrf", one or several, also as "bm25,dense,rrf"; rrf brings the other two.
        rerank: a cross-encoder that reads what the last of the systems found: a folder, or a name in the hub's cache.
        k: results of each query.
        rerank_depth: how many of them are read; the others are dropped.
        probes: lists that IVF-PQ looks into; HNSW keeps twice as many candidates in its walk, at least `candidates`.
        candidates: of the index that are scored again by their vectors, at least k; 4 · k by default.
        exact: of dense, compare with every vector; the result goes to runs/SPLIT-exact.
        limit: only the first so many queries.
        trec: write run.tsv, too.
        batch_queries: queries in a batch; a killed run goes on at the batch it was at.
        processes: on this machine.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest of the last run.
    Raises:
        FileNotFoundError: vectors, index or cross-encoder are not there.
        KeyError: there is no such split.
        ValueError: a number is out of range, there is no such system, the split has no query, or a file is damaged.
    """
    work = Path(work)
    at_least(
        1, k=k, rerank_depth=rerank_depth, probes=probes, limit=limit, batch_queries=batch_queries, processes=processes
    )
    at_least(k, candidates=candidates)
    candidates = candidates or 4 * k
    names, inputs = chosen_systems(systems), split_inputs(work, split)
    N, Q = finished(work, "data", "data")["passages"], len(list(read_qrels(work, split))[:limit])
    settings = {"split": split, "k": k, "limit": limit, "batch_queries": batch_queries, "trec": trec}
    shared: Any = {"settings": settings, "inputs": inputs, "Q": Q, "processes": processes, "anew": anew, "show": show}
    runs: dict[str, dict[str, Any]] = {}  # name of the run -> its manifest
    how: dict[str, Any]
    for system in names:
        if system == "dense":
            plan = _plan_dense(work, split, min(k, N), exact, probes, candidates, anew)
        elif system == "bm25":
            words = build_keywords(work, show)
            how = {"system": "bm25", "searched": f"the words of all {N:,} passages"}
            plan = Plan("bm25", {}, {"bm25": words["fingerprint"]}, how, min(k, N))
        else:
            how = {"system": "rrf", "runs": list(runs), "searched": "bm25 and dense, fused"}
            plan = Plan("rrf", {}, _fingerprints(runs), how, min(k, N))
        runs[plan.run_of(split)] = _run(work, plan, **shared)
    if rerank is not None:
        base = list(runs)[-1]
        plan = _plan_rerank(Path(rerank), base, runs[base], rerank_depth)
        runs[plan.run_of(split)] = _run(work, plan, **shared)
    return list(runs.values())[-1]


class Plan(NamedTuple):
    """One run: what the others of the same call do not share.

    Attributes:
        system: with which its name ends; "" for the index.
        settings, inputs: as in `stage`.
        how: what `search_task` needs to know, as JSON.
        K: results of a query.
        batch_queries: at most.
    """

    system: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    how: dict[str, Any]
    K: int
    batch_queries: int = 2**31

    def run_of(self, split: str) -> str:
        """The name of the run."""
        return f"{split}-{self.system}" if self.system else split


def _plan_dense(work: Path, split: str, K: int, exact: bool, probes: int, candidates: int, anew: bool) -> Plan:
    vectors = finished(work, "vectors", "encode")
    built = None if exact else finished(work, "index", "index")
    kind = "flat" if built is None else built["settings"]["kind"]
    inputs = {"vectors": vectors["fingerprint"], **({"index": built["fingerprint"]} if built else {})}
    inputs |= encode_queries(work, split, anew)
    settings = {"exact": True} if exact else {"exact": False, "probes": probes, "candidates": candidates}
    searched = f"all {vectors['rows']:,} vectors, exact"
    if kind != "flat":
        where = f"{probes} of {built['settings']['lists']:,} lists, " if built and kind == "ivfpq" else ""
        searched = f"{kind} of {vectors['rows']:,} vectors, approximate: {where}{candidates} candidates scored again"
    how = {"system": "exact" if kind == "flat" else "index", "probes": probes, "candidates": candidates}
    return Plan("exact" if exact else "", settings, inputs, {**how, "searched": searched}, K)


def _plan_rerank(model: Path, base: str, found: dict[str, Any], depth: int) -> Plan:
    depth, system = min(depth, found["results"]), split_and_system(base)[1]
    system = "dense" if system in ("", "exact") else system
    how = {"system": "rerank", "runs": [base], "model": str(model), "depth": depth}
    how["searched"] = f"the first {depth} of {system}, read by {model.name}"
    inputs = {**_fingerprints({base: found}), "reranker": folder_fingerprint(find_model(model))}
    return Plan(f"{system}-rerank", {"rerank": model.name, "depth": depth}, inputs, how, depth, RERANK_QUERIES)


def _fingerprints(runs: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {f"runs/{name}": manifest["fingerprint"] for name, manifest in runs.items()}


def chosen_systems(systems: str | Sequence[str]) -> list[str]:
    """Systems in the order in which they run; with rrf the two that it fuses.

    Raises:
        ValueError: there is no system of that name.
    """
    asked = systems.split(",") if isinstance(systems, str) else list(systems)
    if unknown := [name for name in asked if name not in SYSTEMS]:
        raise ValueError(f"the systems are {', '.join(SYSTEMS)}, got {unknown[0]!r}")
    return [name for name in SYSTEMS if name in asked or "rrf" in asked]


def _run(
    work: Path, plan: Plan, settings: dict[str, Any], inputs: dict[str, str], Q: int, processes: int, anew: bool,
    show: bool | None,
) -> dict[str, Any]:  # fmt: skip
    """One run as a stage: a part for each batch of queries, put together in the end."""
    split, how, told, K = settings["split"], plan.how, json.dumps(plan.how), plan.K
    name = f"runs/{plan.run_of(split)}"
    with stage(work, name, settings | plan.settings, inputs | plan.inputs, anew) as job:
        if job.finished:
            return job.manifest
        batch = min(settings["batch_queries"], plan.batch_queries)
        parts = {
            _part(number): (stop - start, (str(work), name, number, split, start, stop, K, told))
            for number, start, stop in slices(Q, batch)
        }
        if not (job.folder / "rows.npy").is_file():
            if how["system"] in ("exact", "index"):
                check_vectors(work, show, with_index="index" in plan.inputs)
            make_files(job.folder, search_task, parts, f"searching {plan.run_of(split)}", processes, show)
            _join(job.folder, len(parts))
        if settings["trec"] and not (job.folder / "run.tsv").is_file():
            _write_trec(work, job.folder, list(read_qrels(work, split))[:Q])
        for path in job.folder.glob("part-*.npy"):
            path.unlink()
        return job.finish({"queries": Q, "results": K, "searched": how["searched"]})


def search_task(work: str, name: str, number: int, split: str, start: int, stop: int, K: int, told: str) -> None:
    """Search for one batch of queries, and write its part unless it is there."""
    path = Path(work) / name / _part(number)
    if path.is_file():
        return
    part, how = slice(start, stop), json.loads(told)
    if how["system"] in ("exact", "index"):
        scores, rows = _by_vectors(work, split, part, K, how)
    elif how["system"] == "bm25":
        scores, rows = by_keywords(work, _texts_of(work, split, part), K, split)
    else:
        found = [(scores[part], rows[part]) for rows, scores in (_run_of(work, run) for run in how["runs"])]
        if how["system"] == "rrf":
            scores, rows = fused(found, K)
        else:
            queries, passages = _texts_of(work, split, part), passage_texts(work, found[0][1][:, :K], split)
            scores, rows = reranked(_reranker(how["model"]), queries, passages, found[0], K)
    both = np.empty((2, len(rows), K), np.float32)
    both[0] = scores
    both[1] = rows.astype(np.int32).view(np.float32)
    write_npy(path, both)


def _by_vectors(work: str, split: str, part: slice, K: int, how: dict[str, Any]) -> Found:
    q = _queries(work, split)[part].astype(np.float32)  # (Q, D)
    covered = is_covered(work, split)
    # The passages that are searched without the queries in them, (H,).
    own = _rows_of(work, split) if covered else np.empty(0, np.int64)
    more = min(K + len(own), vectors_manifest(work)["rows"])
    if how["system"] == "exact":
        scores, rows = search_exactly(work, q, more)
    else:
        scores, rows = search_index(work, q, more, how["probes"], max(how["candidates"], more))
    if not covered:
        return scores, rows
    scores = np.where(np.isin(rows, own), -np.inf, scores)
    scores = np.concatenate([scores, q @ read_later(work, split, "rest.npy").astype(np.float32).T], axis=1)
    rows = np.concatenate([rows, np.broadcast_to(own, (len(q), len(own)))], axis=1)
    order = np.lexsort((rows, -scores), axis=1)[:, :K]
    scores, rows = np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return scores, np.where(np.isfinite(scores), rows, -1)


def read_run(work: str | Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """rows (Q, K) and scores (Q, K) of a finished search, memory-mapped.

    Args:
        work: the work folder.
        name: of the run: a split, or SPLIT-exact.
    """
    manifest = finished(work, f"runs/{name}", "search")
    paths = [check(work, manifest, file, "search") for file in ("rows.npy", "scores.npy")]
    rows, scores = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    return rows, scores


def _part(number: int) -> str:
    return f"part-{number:05}.npy"


def _join(folder: Path, parts: int) -> None:
    """All parts as two arrays, read one at a time; the rows are written last, for with them the parts are done with."""
    found = [np.load(folder / _part(number), mmap_mode="r", allow_pickle=False) for number in range(parts)]
    shape = sum(part.shape[1] for part in found), found[0].shape[2]
    for name, which, kind in (("scores.npy", 0, np.float32), ("rows.npy", 1, np.int32)):
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
        with whole_file(folder / name) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for part in found:
                file.write(part[which].tobytes())


def _write_trec(work: Path, folder: Path, query_ids: list[str]) -> None:
    corpus = read_texts(work, "corpus")
    rows, scores = (np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("rows", "scores"))
    with whole_file(folder / "run.tsv") as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, found, given in zip(query_ids, rows, scores, strict=True):
            ids = corpus.ids_at(found[found >= 0])  # those found come first
            for rank, (id, score) in enumerate(zip(ids, given.tolist(), strict=False), start=1):
                file.write(f"{query_id}\tQ0\t{id}\t{rank}\t{score:.6f}\tworkbook\n")


# What tasks of one process share. A split that was added later may be made anew while the vectors of the passages stay.
_queries = kept("vectors", "queries/{1}")(query_vectors)
_run_of = kept("runs/{1}", most=4)(read_run)
_reranker = functools.lru_cache(maxsize=1)(read_reranker)


def _rows_of(work: str, split: str) -> np.ndarray:
    """The rows of the passages that the queries of a split were made from."""
    corpus = read_texts(work, "corpus")
    return np.array([corpus.row(id) for id in own_passages(work, split)])


def _texts_of(work: str, split: str, part: slice) -> list[str]:
    queries = read_queries(work, split)
    return [queries[id] for id in list(read_qrels(work, split))[part]]
