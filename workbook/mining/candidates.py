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
from typing import Any

import torch
from torch import Tensor

from workbook.similarity import Run, normalize, top_k
from workbook.support.types import Qrels

QUERIES_AT_A_TIME = 1_024  # that are compared with a chunk of the corpus


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


def candidates(
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    qrels: Qrels,
    source: Any,
    k: int = 100,
    chunk_size: int = 4_096,
) -> Candidates:
    """Search for each query, with room for what cannot be a negative.

    Args:
        queries, corpus, qrels: as in `mine_hard_negatives`.
        source: an encoder with `encode_query` and `encode_document`, whose score is the cosine; a
            `workbook.bm25.BM25`, which is indexed here; or a run, query id -> passage id -> score.
        k: candidates of each query, at least. K is k plus the most that any query has to exclude.
        chunk_size: passages that are encoded and scored at a time.
    Returns:
        what was found, best first; equal scores in the order of the corpus.
    Raises:
        ValueError: k is not positive, qrels or the run names a passage that the corpus lacks, or a score is NaN.
        TypeError: the source is neither of the three.
    """
    return search(know(queries, corpus, qrels), corpus, source, k, chunk_size)


@dataclass(frozen=True)
class Known:
    """What is known before any search.

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


def know(queries: Mapping[str, str], corpus: Mapping[str, str], qrels: Qrels) -> Known:
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
        if row == len(passage_ids):
            passage_ids.append(passage_id)
    known = Known({}, passage_ids, row_of, [], [])
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
        known.queries[query_id] = text
        known.positives.append(list(dict.fromkeys(row_of[passage_id] for passage_id in judged)))
        own = row_of_text.get(text_key(text))
        known.excluded.append(list(dict.fromkeys([*known.positives[-1], *([] if own is None else [own])])))
    return known


def text_key(text: str) -> bytes:
    """16 bytes that are equal for texts which differ in case and white space only."""
    return blake2b(" ".join(text.split()).casefold().encode("utf-8", "surrogatepass"), digest_size=16).digest()


def search(known: Known, corpus: Mapping[str, str], source: Any, k: int, chunk_size: int = 4_096) -> Candidates:
    """`candidates` for what `know` returned."""
    if k < 1 or chunk_size < 1:
        raise ValueError(f"k and chunk_size must be at least 1, got k={k}, chunk_size={chunk_size}")
    k += known.most_excluded
    if hasattr(source, "encode_query") and hasattr(source, "encode_document"):
        rows, scores, positive_scores = _dense(source, known, corpus, k, chunk_size)
    elif hasattr(source, "index") and hasattr(source, "scores"):
        rows, scores, positive_scores = _keyword(source, known, corpus, k)
    elif isinstance(source, Mapping):
        rows, scores, positive_scores = _finished(source, known, k)
    else:
        raise TypeError(
            "source must be an encoder (encode_query, encode_document), a BM25 (index, search, scores) or a run "
            f"(query id -> passage id -> score), got {type(source).__name__}"
        )
    possible = rows >= 0
    for column in _rectangle(known.excluded, -1).to(rows.device).T:
        possible &= rows != column[:, None]
    return Candidates(list(known.queries), known.passage_ids, rows, scores, possible, known.positives, positive_scores)


def _dense(
    encoder: Any, known: Known, corpus: Mapping[str, str], k: int, chunk_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """rows and scores (Q, K), positive_scores (Q, P), by cosine; the corpus passes by in chunks."""
    Q, N = len(known.queries), len(known.passage_ids)
    K = min(k, N)
    q = _unit(encoder.encode_query(list(known.queries.values()))) if Q else torch.empty(0, 1)  # (Q, D)
    rows = torch.full((Q, K), -1, device=q.device)
    scores = q.new_full((Q, K), float("-inf"))
    positives = _rectangle(known.positives, -1).to(q.device)  # (Q, P)
    positive_scores = q.new_full(positives.shape, float("inf"))
    for start in range(0, N if Q else 0, chunk_size):
        chunk_ids = known.passage_ids[start : start + chunk_size]
        d = _unit(encoder.encode_document([corpus[passage_id] for passage_id in chunk_ids]))  # (chunk, D)
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


def _keyword(bm25: Any, known: Known, corpus: Mapping[str, str], k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same from an inverted index, which holds the whole corpus in memory. No word in common scores 0."""
    bm25.index({passage_id: corpus[passage_id] for passage_id in known.passage_ids})
    rows, scores, _ = _finished(bm25.search(known.queries, k), known, k)
    positive_scores = torch.full(_rectangle(known.positives, -1).shape, float("inf"), dtype=scores.dtype)
    for i, (text, positives) in enumerate(zip(known.queries.values(), known.positives, strict=True)):
        positive_scores[i, : len(positives)] = torch.from_numpy(bm25.scores(text)[positives])
    return rows, scores, positive_scores


def _finished(run: Mapping[str, Mapping[str, float]], known: Known, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same from a run; the score of a positive that it does not hold is NaN, for it is unknown."""
    rows, scores, positive_scores = [], [], []
    for query_id, positives in zip(known.queries, known.positives, strict=True):
        best: dict[int, float] = {}
        for passage_id, score in sorted(run.get(query_id, {}).items(), key=lambda item: -item[1]):
            if passage_id not in known.row_of:
                raise ValueError(
                    f"the run names passage {passage_id!r} for query {query_id!r}, but the corpus lacks it"
                )
            best.setdefault(known.row_of[passage_id], score)
        rows.append(list(best)[:k])
        scores.append(list(best.values())[:k])
        positive_scores.append([best.get(row, float("nan")) for row in positives])
    found = _rectangle(scores, float("-inf"), torch.float64)
    if found.isnan().any():
        raise ValueError("a run must not hold NaN scores; a NaN has no rank, so find where it arose")
    return _rectangle(rows, -1), found, _rectangle(positive_scores, float("inf"), torch.float64)


def _unit(vectors: Any) -> Tensor:
    return normalize(torch.as_tensor(vectors))


def _rectangle(lines: Sequence[Sequence[float]], fill: float, dtype: torch.dtype = torch.long) -> Tensor:
    """Lists of different lengths as one tensor, (Q, longest), at least one wide."""
    width = max([1, *map(len, lines)])
    filled = [[*line, *[fill] * (width - len(line))] for line in lines]
    return torch.tensor(filled, dtype=dtype).reshape(len(lines), width)
