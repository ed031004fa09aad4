"""Systems beside the vectors: keywords, fusion, and a cross-encoder that reads what others have found.

WORK/bm25/    the keyword index, built when it is first asked for

All of them give scores (Q, K) and rows of the corpus (Q, K), best first, -1 where there is none, as the search in
vectors does. So each can follow each.

Letters: Q queries, K results.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbook.bm25 import BM25
from workbook.cross_encoder import CrossEncoder
from workbook.encoder import find_model
from workbook.encoder.saving import SETTINGS_FILE
from workbook.pipeline.data_stage import is_covered, read_texts, searched_corpus
from workbook.pipeline.manifests import MANIFEST, STARTED, check_all, kept, read_json
from workbook.pipeline.progress import progress
from workbook.pipeline.stage import finished, stage
from workbook.rerank import rerank, rrf
from workbook.support.types import Reranker

Found = tuple[np.ndarray, np.ndarray]  # scores, rows


def build_keywords(work: str | Path, show: bool | None = None) -> dict[str, Any]:
    """The keyword index of all passages, unless it is there. Returns its manifest."""
    data = finished(work, "data", "data")
    bm25 = BM25()
    settings = {"method": bm25.method, "k1": bm25.k1, "b": bm25.b}
    inputs = {"data": data["fingerprint"]}
    there = [path for name in (MANIFEST, STARTED) if (path := Path(work) / "bm25" / name).is_file()]
    outdated = any(read_json(path)["inputs"] != inputs for path in there)
    with stage(work, "bm25", settings, inputs, anew=outdated) as job:
        if job.finished:
            return job.manifest
        with progress("keywords", None, show=show):
            bm25.index(read_texts(work, "corpus"))
        bm25.save(job.folder / "index")
        return job.finish({"passages": data["passages"], "words": len(bm25.vocabulary)})


def by_keywords(work: str, queries: Sequence[str], K: int, split: str | None = None) -> Found:
    """The K passages with the highest BM25 score; of a split whose queries stand in passages, of those without them."""
    covered = split if split is not None and is_covered(work, split) else None
    bm25, row_of = _keywords(work, covered)
    run = bm25.search({str(number): text for number, text in enumerate(queries)}, K)
    return as_arrays([{row_of[id]: score for id, score in found.items()} for found in run.values()], K)


def fused(parts: Sequence[Found], K: int) -> Found:
    """Reciprocal rank fusion of what several systems found for the same queries."""
    runs = [dict(enumerate(_as_dicts(*part))) for part in parts]
    return as_arrays(list(rrf(runs).values()), K)  # type: ignore[arg-type]


def reranked(model: Reranker, queries: Sequence[str], corpus: Mapping[int, str], found: Found, depth: int) -> Found:
    """The first `depth` passages of each query in the order that a cross-encoder gives them.

    Args:
        model: anything with predict(pairs).
        queries: Q texts.
        corpus: row -> text, of all rows that were found.
        found: what another system gave.
        depth: how many are read.
    """
    run: Any = dict(enumerate(_as_dicts(*(one[:, :depth] for one in found))))
    return as_arrays(list(rerank(model, run, dict(enumerate(queries)), corpus, depth).values()), depth)  # type: ignore[arg-type]


def read_reranker(name_or_folder: str | Path) -> CrossEncoder:
    """A cross-encoder: a folder of ours or of sentence-transformers, or a name in the hub's cache.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or no BERT with one label.
    """
    folder = find_model(name_or_folder)
    return CrossEncoder.load(folder) if (folder / SETTINGS_FILE).is_file() else CrossEncoder.from_pretrained(folder)


def passage_texts(work: str, rows: np.ndarray, split: str | None = None) -> dict[int, str]:
    """row -> text of the rows that were found; with a split as its queries search them."""
    corpus = read_texts(work, "corpus") if split is None else searched_corpus(work, split)
    wanted = np.unique(rows[rows >= 0])
    return dict(zip(wanted.tolist(), corpus.texts_at(wanted), strict=True))


def as_arrays(run: Sequence[Mapping[int, float]], K: int) -> Found:
    """For each query row -> score, best first: as scores (Q, K) and rows (Q, K)."""
    scores, rows = np.full((len(run), K), -np.inf, np.float32), np.full((len(run), K), -1, np.int64)
    for number, found in enumerate(run):
        width = min(K, len(found))
        rows[number, :width], scores[number, :width] = list(found)[:width], list(found.values())[:width]
    return scores, rows


def _as_dicts(scores: np.ndarray, rows: np.ndarray) -> list[dict[int, float]]:
    # Ranks as scores: equal scores of neighbours keep the order in which they were found.
    return [{int(row): -float(rank) for rank, row in enumerate(line) if row >= 0} for line in rows]


@kept("data", "bm25")
def _keywords(work: str, covered: str | None) -> tuple[BM25, dict[str, int]]:
    if covered:
        bm25 = BM25().index(searched_corpus(work, covered))
    else:
        check_all(work, "bm25", "search")
        bm25 = BM25.load(Path(work) / "bm25/index")
    return bm25, {id: row for row, id in enumerate(bm25.passage_ids)}
