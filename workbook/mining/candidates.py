"""Candidates: what a retriever ranks high for each query, before anybody asks whether it is wrong.

A random passage is easily told from the right one, and teaches little. So a source, an encoder or
BM25 or any finished run, searches the corpus for each query. What cannot be a negative is marked at
once: known positives, under any id that holds their text, and the query's own text.

Letters: Q queries, N passages, D dimensions, K candidates of a query, P positives of a query.

Taught in 08.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from workbook.similarity import normalize, top_k
from workbook.support.checks import check_positive
from workbook.support.precision import at_least_float32
from workbook.support.types import Corpus, Encoder, Qrels, Queries, Run

QUERIES_AT_A_TIME = 1_024  # that are compared with a chunk of the corpus


@runtime_checkable
class KeywordIndex(Protocol):
    """Searches by words; `workbook.bm25.BM25` is one."""

    def index(self, corpus: Corpus, /) -> Any: ...

    def search(self, queries: Queries, k: int, /) -> Run: ...

    def scores(self, query: str, /) -> np.ndarray: ...


Source = Encoder | KeywordIndex | Run


@dataclass(frozen=True)
class Candidates:
    """What a source found, before any filter.

    Attributes:
        query_ids: the Q queries that have a positive.
        passage_ids: the id of each row of the corpus; a text that stands there twice is one row.
        rows: (Q, K) rows of the corpus, best first; -1 where nothing was found.
        scores: (Q, K), the source's.
        possible: (Q, K) bool; False for known positives, the query's own text, and where nothing was found.
        positives: the rows of each query's positives.
        positive_scores: (Q, P), on the same scale as `scores`; inf where a query has fewer than P.
    """

    query_ids: list[str]
    passage_ids: list[str] = field(repr=False)
    rows: Tensor = field(repr=False)
    scores: Tensor = field(repr=False)
    possible: Tensor = field(repr=False)
    positives: list[list[int]] = field(repr=False)
    positive_scores: Tensor = field(repr=False)

    @property
    def hardest_positive(self) -> Tensor:
        """The lowest score of a positive of each query, (Q,): a margin has to be kept from this one."""
        return self.positive_scores.min(dim=1).values

    def run(self, kept: Tensor | None = None) -> Run:
        """The possible candidates that a filter keeps, as query id -> passage id -> score, best first.

        Args:
            kept: (Q, K) bool, what one of the filters below returned; all, if None.
        """
        kept = self.possible if kept is None else self.possible & kept
        return {
            query_id: {self.passage_ids[row]: score for row, score, keep in zip(*line, strict=True) if keep}
            for query_id, *line in zip(
                self.query_ids, self.rows.tolist(), self.scores.tolist(), kept.tolist(), strict=True
            )
        }


def text_key(text: str) -> bytes:
    """16 bytes that are equal for texts which differ in case and white space only."""
    return blake2b(" ".join(text.split()).casefold().encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True)
class MiningTask:
    """Queries, corpus and judgements by row numbers: what is known before any search.

    Attributes:
        queries: query id -> text, of the Q queries that have a positive.
        passage_ids: the id of each row of the corpus; a text that stands there twice is one row.
        row_of: passage id -> row.
        positives: the rows of each query's positives.
        excluded: those, and the row of the query's own text.
    """

    queries: dict[str, str] = field(repr=False)
    passage_ids: list[str] = field(repr=False)
    row_of: dict[str, int] = field(repr=False)
    positives: list[list[int]] = field(repr=False)
    excluded: list[list[int]] = field(repr=False)

    @property
    def most_excluded(self) -> int:
        """The largest number of rows that a query has to exclude."""
        return max(map(len, self.excluded), default=0)


def mining_task(queries: Queries, corpus: Corpus, qrels: Qrels) -> MiningTask:
    """Number the different texts of a corpus, and look up which of them cannot be a query's negatives.

    Args:
        queries, corpus, qrels: as in `candidates`.
    Returns:
        rows, positives and what to exclude; of the texts, 16 bytes each are kept while it works.
    Raises:
        ValueError: qrels name a passage that the corpus lacks.
    """
    row_of_text: dict[bytes, int] = {}
    row_of: dict[str, int] = {}
    passage_ids: list[str] = []
    for passage_id, text in corpus.items():
        row = row_of[passage_id] = row_of_text.setdefault(text_key(text), len(row_of_text))
        if row == len(passage_ids):  # a text that has not been seen before
            passage_ids.append(passage_id)
    task = MiningTask({}, passage_ids, row_of, [], [])
    for query_id, text in queries.items():
        judged = [passage_id for passage_id, grade in qrels.get(query_id, {}).items() if grade > 0]
        if not judged:
            continue
        missing = [passage_id for passage_id in judged if passage_id not in row_of]
        if missing:
            raise ValueError(
                f"qrels name passage {missing[0]!r} for query {query_id!r}, but the corpus lacks it; "
                "give the whole corpus, or drop the judgement"
            )
        positives = list(dict.fromkeys(row_of[passage_id] for passage_id in judged))
        own = row_of_text.get(text_key(text))
        task.queries[query_id] = text
        task.positives.append(positives)
        task.excluded.append(positives if own is None or own in positives else [*positives, own])
    return task


def candidates(
    queries: Queries, corpus: Corpus, qrels: Qrels, source: Source, k: int = 100, chunk_size: int = 4_096
) -> Candidates:
    """Search for each query, with room for what cannot be a negative.

    Args:
        queries, corpus, qrels: as in `mine_hard_negatives`.
        source: an encoder, whose score is the cosine; a keyword index such as `workbook.bm25.BM25`, which is
            filled here; or a run, query id -> passage id -> score.
        k: candidates of each query, at least. K is k plus the most that any query has to exclude.
        chunk_size: passages that are encoded and scored at a time.
    Returns:
        what was found, best first; equal scores in the order of the corpus.
    Raises:
        ValueError: k is not positive, qrels or the run names a passage that the corpus lacks, or a score is NaN.
        TypeError: the source is neither of the three.
    """
    return search_task(mining_task(queries, corpus, qrels), corpus, source, k, chunk_size)


def search_task(task: MiningTask, corpus: Corpus, source: Source, k: int, chunk_size: int = 4_096) -> Candidates:
    """`candidates` for what `mining_task` returned."""
    check_positive(k=k, chunk_size=chunk_size)
    k += task.most_excluded
    if isinstance(source, KeywordIndex):
        rows, scores, positive_scores = _from_keywords(source, task, corpus, k)
    elif hasattr(source, "encode_query") and hasattr(source, "encode_document"):
        rows, scores, positive_scores = _from_encoder(source, task, corpus, k, chunk_size)
    elif isinstance(source, Mapping):
        rows, scores, positive_scores = _from_run(source, task, k)
    else:
        raise TypeError(
            "source must be an encoder (encode_query, encode_document), a BM25 (index, search, scores) or a run "
            f"(query id -> passage id -> score), got {type(source).__name__}"
        )
    possible = rows >= 0
    for column in _padded(task.excluded, -1).to(rows.device).T:
        possible &= rows != column[:, None]
    return Candidates(list(task.queries), task.passage_ids, rows, scores, possible, task.positives, positive_scores)


def _from_encoder(
    encoder: Encoder, task: MiningTask, corpus: Corpus, k: int, chunk_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """rows and scores (Q, K), positive_scores (Q, P), by cosine; the corpus passes by in chunks."""
    Q, N = len(task.queries), len(task.passage_ids)
    K = min(k, N)
    q = _unit_vectors(encoder.encode_query(list(task.queries.values()))) if Q else torch.empty(0, 1)  # (Q, D)
    rows = torch.full((Q, K), -1, device=q.device)
    scores = q.new_full((Q, K), float("-inf"))
    positives = _padded(task.positives, -1).to(q.device)  # (Q, P)
    positive_scores = q.new_full(positives.shape, float("inf"))
    for start in range(0, N if Q else 0, chunk_size):
        chunk_ids = task.passage_ids[start : start + chunk_size]
        d = _unit_vectors(encoder.encode_document([corpus[passage_id] for passage_id in chunk_ids]))  # (chunk, D)
        for first in range(0, Q, QUERIES_AT_A_TIME):
            block = slice(first, first + QUERIES_AT_A_TIME)
            found, found_rows = top_k(q[block], d, K, chunk_size)
            # Earlier chunks stand first, so among equal scores the stable sort keeps the order of the corpus.
            best, order = torch.cat([scores[block], found], dim=1).sort(dim=1, descending=True, stable=True)
            scores[block] = best[:, :K]
            rows[block] = torch.cat([rows[block], found_rows + start], dim=1).gather(1, order[:, :K])
        query, slot = ((positives >= start) & (positives < start + len(d))).nonzero(as_tuple=True)
        positive_scores[query, slot] = (q[query] * d[positives[query, slot] - start]).sum(dim=1)
    return rows, scores, positive_scores


def _from_keywords(keywords: KeywordIndex, task: MiningTask, corpus: Corpus, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same from an inverted index, which holds the whole corpus in memory. No word in common scores 0."""
    keywords.index({passage_id: corpus[passage_id] for passage_id in task.passage_ids})
    rows, scores, _ = _from_run(keywords.search(task.queries, k), task, k)
    positive_scores = torch.full(_padded(task.positives, -1).shape, float("inf"), dtype=scores.dtype)
    for i, (text, positives) in enumerate(zip(task.queries.values(), task.positives, strict=True)):
        positive_scores[i, : len(positives)] = torch.from_numpy(keywords.scores(text)[positives])
    return rows, scores, positive_scores


def _from_run(run: Run, task: MiningTask, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same from a run; the score of a positive that it does not hold is NaN, for it is unknown."""
    rows, scores, positive_scores = [], [], []
    for query_id, positives in zip(task.queries, task.positives, strict=True):
        best: dict[int, float] = {}
        for passage_id, score in sorted(run.get(query_id, {}).items(), key=lambda item: -item[1]):
            if passage_id not in task.row_of:
                raise ValueError(
                    f"the run names passage {passage_id!r} for query {query_id!r}, but the corpus lacks it"
                )
            best.setdefault(task.row_of[passage_id], score)
        rows.append(list(best)[:k])
        scores.append(list(best.values())[:k])
        positive_scores.append([best.get(row, float("nan")) for row in positives])
    found = _padded(scores, float("-inf"), torch.float64)
    if found.isnan().any():
        raise ValueError("a run must not hold NaN scores; a NaN has no rank, so find where it arose")
    return _padded(rows, -1), found, _padded(positive_scores, float("inf"), torch.float64)


def _unit_vectors(vectors: np.ndarray) -> Tensor:
    return normalize(at_least_float32(torch.as_tensor(vectors)))


def _padded(lines: Sequence[Sequence[float]], fill: float, dtype: torch.dtype = torch.long) -> Tensor:
    """Lists of different lengths as one tensor, (Q, longest), at least one wide."""
    width = max([1, *map(len, lines)])
    filled = [[*line, *[fill] * (width - len(line))] for line in lines]
    return torch.tensor(filled, dtype=dtype).reshape(len(lines), width)
