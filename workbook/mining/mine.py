"""Hard negatives: passages that look like the answer to a query and are not.

They are found in five steps, always in this order:

    search      a source gives each query its best passages          `workbook.mining.candidates`
    exclude     known positives, and the query's own text
    read        a cross-encoder reads query and passage together     `workbook.mining.filters`
    filter      margins below the positive, a highest and a lowest score
    choose      ranks range_min to range_max, then the first ones, or random ones

`negatives_of_one_query` is the whole idea; `mine_hard_negatives` does it for many queries at once.

Letters: Q queries, N passages, K candidates of a query.

Taught in 08 (sources, rounds) and 09 (filters).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from workbook.mining.candidates import Candidates, MiningTask, Source, mining_task, search_task
from workbook.mining.filters import apply_filters, is_kept, score_with_cross_encoder
from workbook.support.checks import check_choice, check_positive
from workbook.support.types import Corpus, Encoder, Qrels, Queries, Reranker, Run


def negatives_of_one_query(
    ranking: Mapping[str, float],
    positives: Mapping[str, float],
    num_negatives: int = 3,
    range_min: int = 0,
    range_max: int | None = None,
    **settings: float | None,
) -> list[str]:
    """Hard negatives of one query, from what was found for it: the rule of `mine_hard_negatives` in three lines.

    Args:
        ranking: passage id -> score.
        positives: passage id -> score on the same scale, one at least.
        num_negatives, range_min, range_max: as in `mine_hard_negatives`.
        settings: margins and bounds, as in `workbook.mining.filters.is_kept`.
    Returns:
        passage ids, hardest first.
    """
    best_first = sorted(ranking, key=lambda passage: -ranking[passage])
    hardest = min(positives.values())  # of several positives the one with the lowest score
    kept = [p for p in best_first if p not in positives and is_kept(ranking[p], hardest, **settings)]
    return kept[range_min:range_max][:num_negatives]


@dataclass(frozen=True)
class Mined:
    """Negatives for each query, and what became of the others.

    Attributes:
        negatives: query id -> passage id -> score, hardest first; -inf for one that only fills up.
        positives: query id -> passage id -> score.
        counts: how many queries and candidates there were, and how many were lost for which reason.
        written: passage id -> text of negatives that stand in no corpus.
    """

    negatives: Run = field(repr=False)
    positives: Run = field(repr=False)
    counts: dict[str, int]
    written: dict[str, str] = field(default_factory=dict, repr=False)


def mine_hard_negatives(
    queries: Queries,
    corpus: Corpus,
    qrels: Qrels,
    source: Source,
    cross_encoder: Reranker | None = None,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    num_negatives: int = 3,
    sampling_strategy: str = "top",
    too_few: str = "drop",
    seed: int = 0,
    chunk_size: int = 4_096,
) -> Mined:
    """Find passages that are hard to tell from each query's positive: `negatives_of_one_query` for all of them.

    Args:
        queries: query id -> text. Those without a positive are passed over, and counted.
        corpus: passage id -> text.
        qrels: query id -> passage id -> grade. A grade above 0 is a positive, and never a negative.
        source: an encoder, a BM25, or a run; see `candidates`.
        cross_encoder: anything with predict([(query, passage), …]) -> scores. Where given, filters and
            ranks go by its scores.
        range_min: skip this many of the best candidates. Ranks are counted after the filters.
        range_max: the last rank that may be taken. By default range_min + num_negatives, ten times
            num_negatives where a filter may remove some, and as many more as a query has positives.
        max_score: keep scores up to this.
        min_score: keep scores from this.
        absolute_margin: see `keeps_absolute_margin`.
        relative_margin: see `keeps_relative_margin`.
        num_negatives: how many each query gets.
        sampling_strategy: "top", the best ranks, or "random", any of the ranks in range.
        too_few: a query with fewer than num_negatives is left out ("drop"), filled up with random
            passages that are neither positives nor the query ("pad"), or keeps those it has, if any ("keep").
        seed: decides what is random. The global random state is left as it was.
        chunk_size: passages that are encoded and scored at a time; memory does not grow with N
            beyond the ids and 16 bytes per text.
    Returns:
        the negatives, the scores of the positives, and counts.
    Raises:
        ValueError: a range holds no room for num_negatives, a name or an id is unknown, or a score is NaN.
        TypeError: the source is neither.

    Relations: the same negatives as sentence-transformers `util.mine_hard_negatives`, of which "drop" is
    the format n-tuple and "keep" the format triplet. That one leaves its cross_encoder unused unless a
    margin or a bound is set, and can return the query's own text.
    Source: Karpukhin et al. 2020 (BM25 negatives); Xiong et al. 2021 (ANCE); Moreira et al. 2024
    (NV-Retriever, positive-aware margins).
    """
    task = mining_task(queries, corpus, qrels)
    filters = {
        "absolute_margin": absolute_margin, "relative_margin": relative_margin, "max_score": max_score,
        "min_score": min_score,
    }  # fmt: skip
    if range_max is None:
        counted = filters if cross_encoder is not None else {**filters, "min_score": None}
        factor = 1 if all(setting is None for setting in counted.values()) else 10
        range_max = range_min + factor * num_negatives + task.most_excluded
    _check_ranges(range_min, range_max, num_negatives, sampling_strategy, too_few)
    found = search_task(task, corpus, source, range_max, chunk_size)
    if cross_encoder is not None:
        found = score_with_cross_encoder(found, cross_encoder, queries, corpus)
    kept, removed = apply_filters(found, **filters)
    chosen = choose(found, kept, range_min, range_max, num_negatives, sampling_strategy, random.Random(seed))
    short = sum(len(rows) < num_negatives for rows in chosen)
    if too_few == "pad":
        _pad(task, chosen, num_negatives, random.Random(seed))

    needed = 1 if too_few == "keep" else num_negatives
    negatives: dict[str, dict[str, float]] = {}
    positives: dict[str, dict[str, float]] = {}
    ids, scores = found.passage_ids, found.positive_scores.tolist()
    for i, query_id in enumerate(found.query_ids):
        if len(chosen[i]) >= needed:
            negatives[query_id] = {ids[row]: score for row, score in chosen[i].items()}
            positives[query_id] = {ids[row]: scores[i][p] for p, row in enumerate(found.positives[i])}
    counts = {
        "queries": len(queries),
        "queries without a positive": len(queries) - len(found.query_ids),
        "candidates": int(found.possible.sum()),
        **removed,
        "queries with too few negatives": short,
        "queries dropped": len(found.query_ids) - len(negatives),
        "negatives": sum(map(len, negatives.values())),
    }
    return Mined(negatives, positives, counts)


def training_tuples(mined: Mined, queries: Queries, corpus: Corpus) -> list[tuple[str, ...]]:
    """(query, positive, negative, …) for `workbook.train.fit`, one tuple for each positive.

    Raises:
        ValueError: the queries have different numbers of negatives, as too_few="keep" leaves them.
    """
    widths = {len(found) for found in mined.negatives.values()}
    if len(widths) > 1:
        raise ValueError(
            f"all tuples must be of one length, but queries have {sorted(widths)} negatives; "
            'mine with too_few="drop" or "pad", or use labeled_pairs'
        )
    return [
        (queries[query_id], corpus[positive], *(_text(mined, corpus, passage_id) for passage_id in found))
        for query_id, found in mined.negatives.items()
        for positive in mined.positives[query_id]
    ]


def labeled_pairs(mined: Mined, queries: Queries, corpus: Corpus) -> list[tuple[str, str, float]]:
    """(query, passage, label), positives with label 1 and negatives with label 0, for a cross-encoder."""
    return [
        (queries[query_id], _text(mined, corpus, passage_id), label)
        for query_id, found in mined.negatives.items()
        for label, passage_ids in ((1.0, mined.positives[query_id]), (0.0, found))
        for passage_id in passage_ids
    ]


def mine_in_rounds(
    encoder: Encoder,
    train: Callable[[list[tuple[str, ...]]], Any],
    queries: Queries,
    corpus: Corpus,
    qrels: Qrels,
    rounds: int = 2,
    first: Source | None = None,
    **options: Any,
) -> list[Mined]:
    """Mine, train, mine again: what was hard for the last round's encoder is no longer hard for this one.

    Args:
        encoder: mines, and is trained in place.
        train: called with the tuples of a round; trains `encoder`, such as a call of `workbook.train.fit`.
        queries, corpus, qrels: as in `mine_hard_negatives`.
        rounds: how many times.
        first: the source of the first round, such as a BM25 while the encoder has learned nothing yet.
        options: passed on to `mine_hard_negatives`.
    Returns:
        what each round mined.
    Raises:
        ValueError: rounds is not positive, or a round mined nothing.

    Source: Xiong et al. 2021 (ANCE).
    """
    check_positive(rounds=rounds)
    history = []
    for number in range(rounds):
        source = first if number == 0 and first is not None else encoder
        mined = mine_hard_negatives(queries, corpus, qrels, source, **options)
        tuples = training_tuples(mined, queries, corpus)
        if not tuples:
            raise ValueError(f"round {number + 1} mined nothing to train on: {mined.counts}; loosen the filters")
        train(tuples)
        history.append(mined)
    return history


def _text(mined: Mined, corpus: Corpus, passage_id: str) -> str:
    return mined.written[passage_id] if passage_id in mined.written else corpus[passage_id]


def choose(
    found: Candidates,
    kept: Tensor,
    range_min: int,
    range_max: int,
    num_negatives: int,
    sampling_strategy: str,
    rng: random.Random,
) -> list[dict[int, float]]:
    """The negatives of each query, row -> score, hardest first.

    Args:
        found, kept: the candidates, and those that `apply_filters` left, (Q, K) bool.
        range_min, range_max, num_negatives, sampling_strategy: as in `mine_hard_negatives`.
        rng: decides what is random.
    """
    order = (~kept).sort(dim=1, stable=True).indices[:, range_min:range_max]  # kept first, best first
    rows, scores = found.rows.gather(1, order).tolist(), found.scores.gather(1, order).tolist()
    negatives = []
    for i, count in enumerate((kept.sum(dim=1).clamp(max=range_max) - range_min).tolist()):
        places: Sequence[int] = range(num_negatives)
        if sampling_strategy == "random":
            places = sorted(rng.sample(range(max(count, num_negatives)), num_negatives))
        negatives.append({rows[i][place]: scores[i][place] for place in places if place < count})
    return negatives


def _pad(task: MiningTask, negatives: list[dict[int, float]], num_negatives: int, rng: random.Random) -> None:
    """Fill up with random passages, where the corpus holds enough that are allowed."""
    N = len(task.passage_ids)
    for chosen, excluded in zip(negatives, task.excluded, strict=True):
        missing, taken = num_negatives - len(chosen), {*chosen, *excluded}
        if missing > 0:
            drawn = rng.sample(range(N), min(N, missing + len(taken)))  # enough, even if all that is taken is drawn
            free = [row for row in drawn if row not in taken]
            chosen.update(dict.fromkeys(free[:missing], float("-inf")))


def _check_ranges(range_min: int, range_max: int, num_negatives: int, sampling_strategy: str, too_few: str) -> None:
    if num_negatives < 1 or range_min < 0 or num_negatives > range_max - range_min:
        raise ValueError(
            f"num_negatives must be at least 1, range_min at least 0, and num_negatives must fit between range_min and "
            f"range_max, got num_negatives={num_negatives}, range_min={range_min}, range_max={range_max}"
        )
    check_choice("sampling_strategy", sampling_strategy, ("top", "random"))
    check_choice("too_few", too_few, ("drop", "pad", "keep"))
