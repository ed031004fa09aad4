"""Retrieve, fuse, rerank: cheap searches find a hundred candidates, an expensive model orders the best of them.

Every stage reads fewer passages with a better judge:

    retrieve     N passages       BM25, dense, sparse: milliseconds for all of them
    fuse         some hundreds    `workbook.rerank.fusion`: next to nothing
    rerank       some dozens      a cross-encoder: milliseconds for each

What limits the result is the stage before: no reranker finds what was never retrieved (`ceiling`). What
limits the speed is the last stage: its cost grows with its depth, and with nothing else.

Letters: Q queries, N passages.

Taught in 16.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from workbook.metrics.ranking import evaluate, ranked_ids
from workbook.rerank.fusion import rrf
from workbook.support.checks import check_positive
from workbook.support.types import Corpus, Qrels, Queries, Reranker, Run

Retriever = Callable[[Queries, int], Run]


def score_pairs(model: Reranker, pairs: Iterable[tuple[str, str]], chunk_size: int = 4096) -> list[float]:
    """One score for each (query, passage), asked for `chunk_size` at a time.

    Raises:
        ValueError: the answer is not one finite score for each pair.
    """
    pairs, found = iter(pairs), list[float]()
    while chunk := list(islice(pairs, chunk_size)):
        scores = [float(score) for score in torch.as_tensor(model.predict(chunk)).reshape(-1)]
        finite = sum(map(math.isfinite, scores))
        if not len(chunk) == len(scores) == finite:
            raise ValueError(
                f"the model must give one finite score for each of {len(chunk)} pairs, got {len(scores)}, "
                f"{finite} of them finite; has it more than one label?"
            )
        found += scores
    return found


def rerank(
    model: Reranker, run: Run, queries: Queries, corpus: Corpus, depth: int = 100, chunk_size: int = 4096
) -> dict[str, dict[str, float]]:
    """Score the first passages of a run again, and order them by the new scores.

    Args:
        model: anything with predict(pairs) -> one score each; a `CrossEncoder`, ours or sentence-transformers'.
        run: query id -> passage id -> score.
        queries: query id -> text.
        corpus: passage id -> text.
        depth: how many passages of each query are read; the others are dropped, for their old scores do not
            compare with the new ones. Which are the first is decided as in `evaluate`.
        chunk_size: pairs per call of the model.
    Returns:
        run: at most depth passages per query, best first; equal new scores in the old order.
    Raises:
        ValueError: a number is not positive, or the model gives something else than one finite score for each
            pair.
        KeyError: a query or passage of the run has no text.

    Source: Nogueira and Cho 2019.
    """
    check_positive(depth=depth, chunk_size=chunk_size)
    asked = [(query, passage) for query, scores in run.items() for passage in ranked_ids(scores, depth)]
    scores = score_pairs(model, (_texts(queries, corpus, *ids) for ids in asked), chunk_size)
    new: dict[str, dict[str, float]] = {query: {} for query in run}
    for (query, passage), score in sorted(zip(asked, scores, strict=True), key=lambda item: -item[1]):
        new[query][passage] = score  # best first, so each query's passages are in order too
    return new


def ceiling(qrels: Qrels, run: Run, depth: int, metric: str = "ndcg@10") -> float:
    """What a perfect reranker would reach at a depth: it orders by the judgements, and knows no other passages.

    Args:
        qrels: query id -> passage id -> grade.
        run: what was retrieved.
        depth: how many passages of each query it reads.
        metric: as in `evaluate`. For "recall@k" with k ≥ depth it is the run's own recall@depth.
    Returns:
        the mean over the queries of `qrels`; no reranking of the run to this depth can have more.
    Raises:
        ValueError: depth is not positive, or as `evaluate`.
    """
    check_positive(depth=depth)
    perfect = {
        query: {passage: float(max(0, qrels.get(query, {}).get(passage, 0))) for passage in ranked_ids(scores, depth)}
        for query, scores in run.items()
    }
    return float(evaluate(qrels, perfect, [metric])[metric])


@dataclass(frozen=True)
class SearchStep:
    """What one step of a search did.

    Attributes:
        name: "retrieve: bm25", "fuse" or "rerank".
        run: what it handed on.
        seconds: wall time for all queries.
        read: passages that it was given per query, on average; None for a retriever, which has the corpus.
    """

    name: str
    run: Run
    seconds: float
    read: float | None = None

    def __repr__(self) -> str:
        Q = max(len(self.run), 1)
        read = "the corpus" if self.read is None else f"{self.read:.0f} passages"
        handed = sum(map(len, self.run.values())) / Q
        return f"{self.name}: {read} -> {handed:.0f} passages, {1000 * self.seconds / Q:.1f} ms per query"


def search_in_stages(
    retrievers: Mapping[str, Retriever],
    queries: Queries,
    corpus: Corpus,
    model: Reranker | None = None,
    retrieve_depth: int = 100,
    rerank_depth: int = 50,
    fuse: Callable[[Sequence[Run]], Run] = rrf,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Run, list[SearchStep]]:
    """Retrieve in several ways, fuse, rerank, and say what each step cost.

    Args:
        retrievers: name -> (queries, k) -> run; `BM25.search` is one, and
            `lambda queries, k: dense_search(encoder, corpus, queries, k)` another.
        queries: query id -> text.
        corpus: passage id -> text.
        model: the reranker, as in `rerank`; None ends after the fusion.
        retrieve_depth: passages that each retriever returns per query.
        rerank_depth: passages that the reranker reads per query, the best of the fused ones.
        fuse: runs -> run; left out where there is one retriever.
        clock: what tells the time, in seconds.
    Returns:
        the last run, and a record of every step in order.
    Raises:
        ValueError: there is no retriever, or a depth is not positive.
    """
    if not retrievers or retrieve_depth < 1:
        raise ValueError(
            f"expected a retriever and a positive retrieve_depth, got {len(retrievers)} and {retrieve_depth}"
        )
    steps: list[SearchStep] = []

    def timed(name: str, read: float | None, work: Callable[..., Run], *args: Any) -> Run:
        start = clock()
        run = work(*args)
        steps.append(SearchStep(name, run, clock() - start, read))
        return run

    runs = [timed(f"retrieve: {name}", None, search, queries, retrieve_depth) for name, search in retrievers.items()]
    run = runs[0]
    if len(runs) > 1:
        run = timed("fuse", sum(map(_mean_size, runs)), fuse, runs)
    if model is not None:
        run = timed("rerank", _mean_size(run, rerank_depth), rerank, model, run, queries, corpus, rerank_depth)
    return run, steps


def _mean_size(run: Run, most: float = math.inf) -> float:
    return sum(min(len(scores), most) for scores in run.values()) / max(len(run), 1)


def _texts(queries: Queries, corpus: Corpus, query: str, passage: str) -> tuple[str, str]:
    if query not in queries or passage not in corpus:
        raise KeyError(
            f"the run holds query {query!r} and passage {passage!r}, one of which has no text; is it of other data?"
        )
    return queries[query], corpus[passage]
