"""Hard negatives: passages that look like the answer to a query and are not.

They are found in five steps, always in this order:

    search      a source gives each query its best passages          `workbook.mining.candidates`
    exclude     known positives, and the query's own text
    reread      a cross-encoder reads query and passage together     `workbook.mining.filters`
    filter      margins below the positive, a highest and a lowest score
    choose      ranks range_min to range_max, then the first ones, or random ones

Letters: Q queries, N passages, K candidates of a query.

Taught in 08 (sources, rounds) and 09 (filters).
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from workbook.mining.candidates import Candidates, Known, know, search, text_key
from workbook.mining.filters import keeps_absolute_margin, keeps_relative_margin, keeps_within, reread
from workbook.similarity import Run
from workbook.support.types import Qrels


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
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    qrels: Qrels,
    source: Any,
    cross_encoder: Any = None,
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
    """Find passages that are hard to tell from each query's positive.

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
    known = know(queries, corpus, qrels)
    filtered = any(x is not None for x in (absolute_margin, relative_margin, max_score))
    if range_max is None:
        factor = 10 if filtered or (cross_encoder is not None and min_score is not None) else 1
        range_max = range_min + factor * num_negatives + known.most_excluded
    _check_ranges(range_min, range_max, num_negatives, sampling_strategy, too_few)
    found = search(known, corpus, source, range_max, chunk_size)
    if cross_encoder is not None:
        found = reread(found, cross_encoder, queries, corpus)

    counts = {
        "queries": len(queries),
        "queries without a positive": len(queries) - len(found.query_ids),
        "candidates": int(found.possible.sum()),
    }
    kept, removed = sift(found, max_score, min_score, absolute_margin, relative_margin)
    counts |= removed

    negatives = choose(found, kept, range_min, range_max, num_negatives, sampling_strategy, random.Random(seed))
    short = [i for i, chosen in enumerate(negatives) if len(chosen) < num_negatives]
    counts["queries with too few negatives"] = len(short)
    if too_few == "pad":
        _pad(known, negatives, num_negatives, random.Random(seed))
    needed = 1 if too_few == "keep" else num_negatives
    dropped = {i for i in short if len(negatives[i]) < needed}
    counts["queries dropped"] = len(dropped)
    counts["negatives"] = sum(len(chosen) for i, chosen in enumerate(negatives) if i not in dropped)
    left = [(i, query_id) for i, query_id in enumerate(found.query_ids) if i not in dropped]
    ids, scores = found.passage_ids, found.positive_scores.tolist()
    return Mined(
        negatives={query_id: {ids[row]: score for row, score in negatives[i].items()} for i, query_id in left},
        positives={
            query_id: {ids[row]: scores[i][p] for p, row in enumerate(found.positives[i])} for i, query_id in left
        },
        counts=counts,
    )


def sift(
    found: Candidates,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
) -> tuple[Tensor, dict[str, int]]:
    """Which candidates pass the filters of `mine_hard_negatives`, and how many each removed.

    Args:
        found: the candidates.
        max_score, min_score, absolute_margin, relative_margin: as in `mine_hard_negatives`; None leaves it out.
    Returns:
        kept (Q, K) bool, and a count for each filter.
    """
    positive, kept, counts = found.hardest_positive, found.possible, {}
    filters: dict[str, tuple[float | None, Callable[[float], Tensor]]] = {
        "absolute_margin": (absolute_margin, lambda margin: keeps_absolute_margin(found.scores, positive, margin)),
        "relative_margin": (relative_margin, lambda margin: keeps_relative_margin(found.scores, positive, margin)),
        "max_score": (max_score, lambda bound: keeps_within(found.scores, max_score=bound)),
        "min_score": (min_score, lambda bound: keeps_within(found.scores, min_score=bound)),
    }
    for name, (setting, keeps) in filters.items():
        if setting is not None:
            still = kept & keeps(setting)
            counts[f"removed by {name}"] = int(kept.sum() - still.sum())
            kept = still
    return kept, counts


def write_negatives(
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    qrels: Qrels,
    write: Callable[[str, str], Sequence[str]],
    num_negatives: int = 1,
    too_few: str = "drop",
) -> Mined:
    """Have negatives written: texts on the topic of the query that do not answer it.

    What is empty, stands there twice, or repeats the query or a positive is left out, and counted. A
    language model may write an answer all the same. To filter: mine once more, with
    {**corpus, **mined.written} as the corpus, mined.negatives as the source, and a cross-encoder.

    Args:
        queries, corpus, qrels: as in `mine_hard_negatives`.
        write: (query, positive) -> texts, such as a language model asked with
            `workbook.training_data.written.negative_prompt`. It is asked once for each query, with its first positive.
        num_negatives: how many each query gets.
        too_few: leave out a query with fewer ("drop"), or keep those it has, if any ("keep").
    Returns:
        the negatives, all with score 0, for nothing has scored them; their texts are in `written`.
    Raises:
        TypeError: `write` returned a single string.
        ValueError: num_negatives or too_few is out of range, or qrels name an unknown passage.

    Source: Wang et al. 2024 (E5-mistral: written hard negatives).
    """
    if num_negatives < 1 or too_few not in ("drop", "keep"):
        raise ValueError(f'expected num_negatives ≥ 1 and too_few "drop" or "keep", got {num_negatives}, {too_few!r}')
    known = know(queries, corpus, qrels)
    counts = Counter({"queries": len(queries), "queries without a positive": len(queries) - len(known.queries)})
    negatives: Run = {}
    positives: Run = {}
    written: dict[str, str] = {}
    for query_id, rows in zip(known.queries, known.positives, strict=True):
        ids = [known.passage_ids[row] for row in rows]
        texts = write(queries[query_id], corpus[ids[0]])
        if isinstance(texts, str):
            raise TypeError("write must return a list of texts, got one string; put it into a list")
        seen = {text_key(""), text_key(queries[query_id]), *(text_key(corpus[passage_id]) for passage_id in ids)}
        usable: list[str] = []
        for text in texts:
            counts["texts written"] += 1
            counts["texts left out"] += text_key(text) in seen
            if text_key(text) not in seen:
                seen.add(text_key(text))
                usable.append(text)
        counts["queries with too few negatives"] += len(usable) < num_negatives
        if len(usable) < (1 if too_few == "keep" else num_negatives):
            counts["queries dropped"] += 1
            continue
        named = {f"{query_id}#written{n}": text for n, text in enumerate(usable[:num_negatives], start=1)}
        counts["negatives"] += len(named)
        written |= named
        negatives[query_id] = dict.fromkeys(named, 0.0)
        positives[query_id] = dict.fromkeys(ids, 0.0)
    return Mined(negatives, positives, dict(counts), written)


def training_tuples(mined: Mined, queries: Mapping[str, str], corpus: Mapping[str, str]) -> list[tuple[str, ...]]:
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


def labeled_pairs(mined: Mined, queries: Mapping[str, str], corpus: Mapping[str, str]) -> list[tuple[str, str, float]]:
    """(query, passage, label), positives with label 1 and negatives with label 0, for a cross-encoder."""
    return [
        (queries[query_id], _text(mined, corpus, passage_id), label)
        for query_id, found in mined.negatives.items()
        for label, passage_ids in ((1.0, mined.positives[query_id]), (0.0, found))
        for passage_id in passage_ids
    ]


def mine_in_rounds(
    encoder: Any,
    train: Callable[[list[tuple[str, ...]]], Any],
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    qrels: Qrels,
    rounds: int = 2,
    first: Any = None,
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
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
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


def _text(mined: Mined, corpus: Mapping[str, str], passage_id: str) -> str:
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
        found, kept: the candidates, and those that `sift` left, (Q, K) bool.
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


def _pad(known: Known, negatives: list[dict[int, float]], num_negatives: int, rng: random.Random) -> None:
    """Fill up with random passages, where the corpus holds enough that are allowed."""
    N = len(known.passage_ids)
    for chosen, excluded in zip(negatives, known.excluded, strict=True):
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
    if sampling_strategy not in ("top", "random"):
        raise ValueError(f'sampling_strategy must be "top" or "random", got {sampling_strategy!r}')
    if too_few not in ("drop", "pad", "keep"):
        raise ValueError(f'too_few must be "drop", "pad" or "keep", got {too_few!r}')
