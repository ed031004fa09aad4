"""The search in vectors: every shard, or the candidates of an index, scored again by their vectors.

Vectors and index are memory-mapped, and stay open for the next batch of queries.

Letters: Q queries, D dimensions, C candidates of a query, K results.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbook.pipeline.encode_stage import read_rows, read_vectors, shard_name
from workbook.pipeline.index_stage import graph_shards, open_index
from workbook.pipeline.manifests import check_all, finished, kept
from workbook.pipeline.progress import progress
from workbook.similarity import first_k, top_k

PROBES = 64  # lists
AT_A_TIME = 64  # queries whose candidates are looked up together


def check_vectors(work: str | Path, show: bool | None = None, with_index: bool = False) -> None:
    """Compare all vectors, and the index, with their SHA-256, once for all workers.

    Raises:
        ValueError: a file is damaged.
    """
    commands = {"vectors": "encode", "index": "index"} if with_index else {"vectors": "encode"}
    files = sum(len(finished(work, name, command)["files"]) for name, command in commands.items())
    with progress("checking", files, show=show) as more:
        for name, command in commands.items():
            check_all(work, name, command, more)


def score_rows(work: str, q: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The score of each query with some rows of the corpus: (Q, D), (Q, C) -> (Q, C); -inf for a row of -1.

    Vectors are read from the memory-mapped shards, each once.
    """
    size = vectors_manifest(work)["settings"]["shard_rows"]
    wanted, where = np.unique(rows, return_inverse=True)
    d = read_rows(wanted, q.shape[1], size, functools.partial(_shard, work))
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
            rows = vectors_manifest(work)["settings"]["shard_rows"]
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


def search_exactly(work: str, q: np.ndarray, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Every passage, (Q, D) -> scores and rows (Q, K): the shards pass by, and the best so far are kept."""
    asked = torch.from_numpy(q)
    best, best_rows = asked.new_empty(len(q), 0), torch.empty(len(q), 0, dtype=torch.long)
    first = 0
    for number in range(vectors_manifest(work)["shards"]):
        shard = _shard(work, number)
        for start in range(0, len(shard), 16_384):
            d = torch.from_numpy(shard[start : start + 16_384].astype(np.float32))
            found, rows = top_k(asked, d, K)
            # Earlier rows stand first, so that they stay first among equal scores.
            best, order = first_k(torch.cat([best, found], dim=1), K)
            best_rows = torch.cat([best_rows, rows + first + start], dim=1).gather(1, order)
        first += len(shard)
    return best.numpy(), best_rows.numpy()


@kept("vectors")
def vectors_manifest(work: str) -> dict[str, Any]:
    """The manifest of the vectors."""
    return finished(work, "vectors", "encode")


@kept("vectors", most=4_096)
def _shard(work: str, number: int) -> np.ndarray:
    return read_vectors(work, shard_name(number), verify=False)


_index = kept("index")(open_index)
