"""search: the best passages for each query of a split, a batch of queries at a time.

    WORK/runs/SPLIT/rows.npy     (Q, K) row numbers of the passages, best first; -1 where there is none
    WORK/runs/SPLIT/scores.npy   (Q, K) float32
    WORK/runs/SPLIT/run.tsv      query id, Q0, passage id, rank, score, tag: what trec_eval reads

IVF-PQ and HNSW give candidates; their vectors, memory-mapped, give the scores.

Letters: Q queries, N passages, D dimensions, K results.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbook.pipeline.data_stage import read_qrels, read_texts, with_splits
from workbook.pipeline.encode_stage import read_vectors, shard_name
from workbook.pipeline.index_stage import graph_shards, read_index
from workbook.pipeline.progress import progress
from workbook.pipeline.stage import at_least, check, finished, stage
from workbook.pipeline.workers import run_tasks
from workbook.similarity import first_k, top_k
from workbook.support.files import whole_file, write_npy

BATCH_QUERIES = 1_024
PROBES = 64  # lists
AT_A_TIME = 64  # queries whose candidates are looked up together


def search(
    work: str | Path,
    split: str = "test",
    k: int = 100,
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
    """Search for the queries of a split.

    Args:
        work: the work folder, with an index.
        split: whose queries.
        k: results of each query.
        probes: lists that IVF-PQ looks into; HNSW keeps twice as many candidates in its walk, at least `candidates`.
        candidates: of the index that are scored again by their vectors, at least k; 4 · k by default.
        exact: compare with every vector; the result goes to runs/SPLIT-exact.
        limit: only the first so many queries.
        trec: write run.tsv, too.
        batch_queries: queries in a batch; a killed run goes on at the batch it was at.
        processes: on this machine.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest.
    Raises:
        FileNotFoundError: vectors or index are not finished.
        KeyError: there is no such split.
        ValueError: a number is out of range, the split has no query or its queries are not encoded, or a file is damaged.
    """
    work = Path(work)
    at_least(1, k=k, probes=probes, limit=limit, batch_queries=batch_queries, processes=processes)
    at_least(k, candidates=candidates)
    facts, vectors = with_splits(work, split), finished(work, "vectors", "encode")
    if split not in vectors["settings"]["splits"]:
        raise ValueError(
            f"{work / 'vectors'} holds no queries of {split!r}, only of {', '.join(vectors['settings']['splits'])}; "
            f"run `python -m workbook encode {work} --anew` for all splits"
        )
    inputs = {"data": facts["fingerprint"], "vectors": vectors["fingerprint"]}
    settings: dict[str, Any] = {"split": split, "k": k, "limit": limit, "batch_queries": batch_queries, "trec": trec}
    if not exact:
        built = finished(work, "index", "index")
        exact = built["settings"]["kind"] == "flat"
        inputs["index"] = built["fingerprint"]
        settings |= {"exact": False, "probes": probes, "candidates": candidates or 4 * k}
        name = f"runs/{split}"
    else:
        settings |= {"exact": True}
        name = f"runs/{split}-exact"
    query_ids = list(read_qrels(work, split))[:limit]
    Q, K = len(query_ids), min(k, vectors["rows"])
    with stage(work, name, settings, inputs, anew) as run:
        if run.finished:
            return run.manifest
        mode = "exact" if exact else "index"
        tasks = [
            (str(work), name, start // batch_queries, split, start, min(start + batch_queries, Q), K, mode, probes,
             candidates or 4 * k)
            for start in range(0, Q, batch_queries)
        ]  # fmt: skip
        there = sum(task[5] - task[4] for task in tasks if _part(run.folder, task[2]).is_file())
        if not (run.folder / "rows.npy").is_file():
            check_vectors(work, show, with_index=not exact)
            with progress("searching", Q, there, show) as more:
                for task, fresh in run_tasks(search_task, tasks, processes):
                    more((task[5] - task[4]) if fresh else 0)
            _join(run.folder, len(tasks), Q, K)
        if trec and not (run.folder / "run.tsv").is_file():
            _write_trec(work, run.folder, query_ids)
        for path in run.folder.glob("part-*.npy"):
            path.unlink()
        return run.finish({"queries": Q, "results": K})


def search_task(
    work: str, name: str, number: int, split: str, start: int, stop: int, K: int, mode: str, probes: int, more: int
) -> bool:
    """Search for one batch of queries, and write its part unless it is there. Returns whether it was not."""
    path = _part(Path(work) / name, number)
    if path.is_file():
        return False
    q = _queries(work, split)[start:stop].astype(np.float32)  # (Q, D)
    scores, rows = _exact(work, q, K) if mode == "exact" else search_index(work, q, K, probes, more)
    both = np.empty((2, len(q), K), np.float32)
    both[0] = scores
    both[1] = rows.astype(np.int32).view(np.float32)
    write_npy(path, both)
    return True


def check_vectors(work: str | Path, show: bool | None = None, with_index: bool = False) -> None:
    """Compare all vectors, and the index, with their SHA-256, once for all workers.

    Raises:
        ValueError: a file is damaged.
    """
    commands = {"vectors": "encode", "index": "index"} if with_index else {"vectors": "encode"}
    manifests = [finished(work, name, command) for name, command in commands.items()]
    with progress("checking", sum(len(manifest["files"]) for manifest in manifests), show=show) as more:
        for manifest, command in zip(manifests, commands.values(), strict=True):
            for file in manifest["files"]:
                check(work, manifest, file["file"], command)
                more(1)


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


def score_rows(work: str, q: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The score of each query with some rows of the corpus: (Q, D), (Q, C) -> (Q, C); -inf for a row of -1.

    Vectors are read from the memory-mapped shards, each once.
    """
    size = _vectors_manifest(work)["settings"]["shard_rows"]
    wanted, where = np.unique(rows, return_inverse=True)
    d = np.zeros((len(wanted), q.shape[1]), np.float32)
    for number in np.unique(wanted[wanted >= 0] // size):
        inside = wanted // size == number
        d[inside] = _shard(work, int(number))[wanted[inside] - number * size]
    where = where.reshape(rows.shape)
    scores = np.einsum("qd,qcd->qc", q, d[where])
    return np.where(rows >= 0, scores, -np.inf).astype(np.float32)


def find_candidates(work: str, q: np.ndarray, probes: int, more: int) -> np.ndarray:
    """What the index gives for each query, to be scored again: (Q, D) -> (Q, C) rows, ascending; -1 where there is none.

    C is `more`, and for HNSW so many of each graph.
    """
    manifest, indexes = _index(work)
    found = []
    for number, one in enumerate(indexes):
        if manifest["settings"]["kind"] == "ivfpq":
            one.nprobe = probes
            first = 0
        else:
            one.hnsw.efSearch = max(2 * probes, more)
            rows = _vectors_manifest(work)["settings"]["shard_rows"]
            first = number * graph_shards(rows) * rows
        ids = one.search(q, min(more, one.ntotal))[1]
        found.append(np.where(ids >= 0, ids + first, -1))
    return np.sort(np.concatenate(found, axis=1), axis=1)  # ascending, so that equal scores keep this order


def search_index(work: str, q: np.ndarray, K: int, probes: int, more: int) -> tuple[np.ndarray, np.ndarray]:
    """The index' candidates, scored again by their vectors: (Q, D) -> scores and rows, (Q, K), best first.

    Where fewer are found, -inf and -1 fill up.
    """
    scores, rows = np.full((len(q), K), -np.inf, np.float32), np.full((len(q), K), -1, np.int64)
    for start in range(0, len(q), AT_A_TIME):
        block = slice(start, start + AT_A_TIME)
        candidates = find_candidates(work, q[block], probes, more)
        again = score_rows(work, q[block], candidates)
        order = np.argsort(-again, axis=1, kind="stable")[:, :K]
        width = order.shape[1]
        scores[block, :width] = np.take_along_axis(again, order, axis=1)
        rows[block, :width] = np.take_along_axis(candidates, order, axis=1)
    return scores, rows


def _exact(work: str, q: np.ndarray, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Every passage: the shards pass by, and the best so far are kept."""
    asked = torch.from_numpy(q)
    best, best_rows = asked.new_empty(len(q), 0), torch.empty(len(q), 0, dtype=torch.long)
    first = 0
    for number in range(_vectors_manifest(work)["shards"]):
        shard = _shard(work, number)
        for start in range(0, len(shard), 16_384):
            d = torch.from_numpy(shard[start : start + 16_384].astype(np.float32))
            found, rows = top_k(asked, d, K)
            # Earlier rows stand first, so that they stay first among equal scores.
            best, order = first_k(torch.cat([best, found], dim=1), K)
            best_rows = torch.cat([best_rows, rows + first + start], dim=1).gather(1, order)
        first += len(shard)
    return best.numpy(), best_rows.numpy()


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.npy"


def _join(folder: Path, parts: int, Q: int, K: int) -> None:
    """All parts as two arrays; the rows are written last, for with them the parts are no longer needed."""
    for name, which, kind in (("scores.npy", 0, np.float32), ("rows.npy", 1, np.int32)):
        with whole_file(folder / name) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": (Q, K)}
            )
            for number in range(parts):
                file.write(np.load(_part(folder, number), allow_pickle=False)[which].tobytes())


def _write_trec(work: Path, folder: Path, query_ids: list[str]) -> None:
    corpus = read_texts(work, "corpus")
    rows = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
    scores = np.load(folder / "scores.npy", mmap_mode="r", allow_pickle=False)
    with whole_file(folder / "run.tsv") as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, found, given in zip(query_ids, rows, scores, strict=True):
            ids = corpus.ids_at(found[found >= 0])
            for rank, (id, score) in enumerate(
                zip(ids, given.tolist(), strict=False), start=1
            ):  # those found come first
                file.write(f"{query_id}\tQ0\t{id}\t{rank}\t{score:.6f}\tworkbook\n")


@functools.lru_cache(maxsize=1)
def _manifest_of(work: str, written: int) -> dict[str, Any]:
    return finished(work, "vectors", "encode")


def _vectors_manifest(work: str) -> dict[str, Any]:
    return _manifest_of(work, (Path(work) / "vectors" / "manifest.json").stat().st_mtime_ns)


@functools.lru_cache(maxsize=4_096)
def _shard_of(work: str, number: int, fingerprint: str) -> np.ndarray:
    return read_vectors(work, shard_name(number), verify=False)


def _shard(work: str, number: int) -> np.ndarray:
    return _shard_of(work, number, _vectors_manifest(work)["fingerprint"])


@functools.lru_cache(maxsize=1)
def _index_of(work: str, written: int) -> tuple[dict[str, Any], list[Any]]:
    return read_index(work)


def _index(work: str) -> tuple[dict[str, Any], list[Any]]:
    return _index_of(work, (Path(work) / "index" / "manifest.json").stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _queries_of(work: str, split: str, fingerprint: str) -> np.ndarray:
    return read_vectors(work, f"queries-{split}.npy")


def _queries(work: str, split: str) -> np.ndarray:
    return _queries_of(work, split, _vectors_manifest(work)["fingerprint"])
