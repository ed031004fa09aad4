"""The exercises of chapter 16: two ways to fuse, SPLADE's vector and its price, a ceiling, a cut too early, a search within a budget."""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.rerank import fusion, pipeline
from workbook.similarity import normalize
from workbook.sparse import flops, splade_pool

Scores = Mapping[str, float]
Fused = dict[str, float]

# --- 16.1 reciprocal rank fusion -------------------------------------------------------------


def rrf(runs: Sequence[Scores], k: float) -> Fused:
    """Each passage with the sum of 1 / (k + rank) over the runs that hold it, best first."""
    return dict(fusion.rrf([{"": scores} for scores in runs], k)[""])  # type: ignore[arg-type]


def _ranked(scores: Scores) -> list[str]:
    return sorted(scores, key=lambda p: -scores[p])


def _ranks(scores: Scores) -> dict[str, int]:
    return {passage: rank for rank, passage in enumerate(_ranked(scores), start=1)}


def _best_first(sums: Scores) -> Fused:
    return {passage: sums[passage] for passage in _ranked(sums)}


def _ranks_fused(
    runs, k, *, ranks=_ranks, share=lambda k, rank, score: 1 / (k + rank), join=lambda found, R, k: sum(found),
    order=_best_first,
):  # fmt: skip
    """Fusion by ranks with one part exchanged."""
    shares: dict[str, list[float]] = {}
    for scores in runs:
        for passage, rank in ranks(scores).items():
            shares.setdefault(passage, []).append(share(k, rank, scores[passage]))
    return order({passage: join(found, len(runs), k) for passage, found in shares.items()})


def _by_rank(**parts: Any) -> Answer:
    return lambda *args: _ranks_fused(*args, **parts)


def _counted_ranks(runs, k):
    """A rank is one more than the number of passages in front; then one sort by three keys."""
    sums: Fused = {}
    place: dict[str, tuple[int, int]] = {}
    for number, scores in enumerate(runs):
        ids = list(scores)
        for i, passage in enumerate(ids):
            above = [p for j, p in enumerate(ids) if (scores[p], -j) > (scores[passage], -i)]
            sums[passage] = sums.get(passage, 0.0) + 1 / (k + len(above) + 1)
            place.setdefault(passage, (number, len(above)))
    return {p: sums[p] for p in sorted(sums, key=lambda p: (-sums[p], *place[p]))}


def _ranks_by(key: Callable[[Scores], Callable[[str], Any]], backwards: bool = False) -> Callable[[Scores], dict]:
    """Ranks in another order."""
    return lambda scores: {
        p: rank for rank, p in enumerate(sorted(scores, key=key(scores), reverse=backwards), start=1)
    }


def _shared_ranks(dense: bool) -> Callable[[Scores], dict[str, int]]:
    """Equal scores share the better rank; `dense` leaves no gap behind them."""

    def ranks(scores):
        values = sorted(set(scores.values()) if dense else scores.values(), reverse=True)
        return {passage: values.index(scores[passage]) + 1 for passage in _ranked(scores)}

    return ranks


def _in_dict_order(fuse: Answer) -> Answer:
    """The same sums; equal ones in the order in which the dicts hold them."""

    def answer(runs, *rest):
        sums = fuse(runs, *rest)
        return _best_first({p: sums[p] for scores in runs for p in scores})

    return answer


def _in_order_by(key: Callable[[Scores], Callable[[str], Any]], backwards: bool = False) -> Callable[[Scores], Fused]:
    return lambda sums: {p: sums[p] for p in sorted(sums, key=key(sums), reverse=backwards)}


def _held_by_all(sums_of: Answer) -> Answer:
    def answer(runs, *rest):
        return {p: s for p, s in sums_of(runs, *rest).items() if all(p in scores for scores in runs)}

    return answer


def _of_the_first_run(sums_of: Answer) -> Answer:
    def answer(runs, *rest):
        return {p: s for p, s in sums_of(runs, *rest).items() if p in runs[0]}

    return answer


def _missing_behind_the_last(runs, k):
    every = {p: None for scores in runs for p in _ranked(scores)}
    return _best_first({p: sum(1 / (k + _ranks(s).get(p, len(s) + 1)) for s in runs) for p in every})


def _missing_behind_all(runs, k):
    every = {p: None for scores in runs for p in _ranked(scores)}
    return _best_first({p: sum(1 / (k + _ranks(s).get(p, len(every) + 1)) for s in runs) for p in every})


def _mean_ranks(scores: Scores) -> dict[str, float]:
    """Equal scores share the mean of their ranks, as in a rank correlation."""
    ranks = _ranks(scores)
    alike = {p: [ranks[q] for q in scores if scores[q] == scores[p]] for p in _ranked(scores)}
    return {p: sum(found) / len(found) for p, found in alike.items()}


def _order_as_ranks(scores: Scores) -> dict[str, int]:
    """The places that a sort takes its entries from, where the places it puts them at are meant."""
    ids = list(scores)
    places = {ids[i]: ids.index(p) + 1 for i, p in enumerate(_ranked(scores))}
    return {p: places[p] for p in ids}


def _one_long_list(runs, k):
    """All hits of all runs, sorted by score together."""
    hits = [(score, p) for scores in runs for p, score in scores.items()]
    sums: Fused = {}
    for rank, (_, p) in enumerate(sorted(hits, key=lambda hit: -hit[0]), start=1):
        sums[p] = sums.get(p, 0.0) + 1 / (k + rank)
    return _best_first(sums)


def _ranks_run_on(runs, k):
    sums: Fused = {}
    rank = 0
    for scores in runs:
        for p in _ranked(scores):
            rank += 1
            sums[p] = sums.get(p, 0.0) + 1 / (k + rank)
    return _best_first(sums)


def _two_at_a_time(runs, k):
    found = rrf(runs[:1], k)
    for scores in runs[1:]:
        found = rrf([found, scores], k)
    return found


def _scaled_to_one(runs, k):
    found = rrf(runs, k)
    highest = max(found.values(), default=1.0)
    return {p: s / highest for p, s in found.items()}


def _runs_are_emptied(runs, k):
    fused = rrf(runs, k)
    for scores in runs:
        scores.clear()
    return fused


def _ids_and_scores(result: Any, args: tuple) -> dict[str, Any]:
    """A dict does not count its order when it is compared, so the order stands beside it."""
    if not isinstance(result, Mapping):
        raise compare.NotAResult(f"return a dict, passage id -> sum, best first; got a {type(result).__name__}")
    return {"order": list(result), "sums": dict(result)}


def _expected(**sums: float) -> dict[str, Any]:
    return {"order": list(sums), "sums": sums}


NAMES = "ABCDEFGH"
KEYWORDS = {"B": 9.5, "A": 12.0, "D": 3.0, "C": 7.0}
COSINES = {"C": 0.82, "B": 0.6, "A": 0.8, "E": 0.61}


def _keywords_and_cosines() -> list[Fused]:
    """A B C D and C A E B, not in their order."""
    return [dict(KEYWORDS), dict(COSINES)]


def _draw_scores(rng: random.Random, least: int = 0) -> Fused:
    """One run: keyword scores, cosines, or logits; at times with equal scores, seldom in the order of its ids."""
    names = rng.sample(NAMES, 0 if least == 0 and rng.random() < 0.1 else rng.randint(max(1, least), 5))
    low, high = rng.choice(((0.0, 30.0), (0.3, 0.95), (-8.0, 8.0)))
    values = [round(rng.uniform(low, high), 2) for _ in names]
    if len(names) > 1 and rng.random() < 0.3:
        values[-1] = values[0]
    return dict(zip(names, values, strict=True))


def _clear_sums(runs: Sequence[Scores], k: float) -> bool:
    """Equal sums are sums of the same two shares at most: no order hangs on how a computer rounds."""
    ranks: dict[str, list[int]] = {}
    for scores in runs:
        for p, rank in _ranks(scores).items():
            ranks.setdefault(p, []).append(rank)
    made = {p: tuple(sorted(found)) for p, found in ranks.items()}
    exact = {p: sum(Fraction(1, int(k) + rank) for rank in found) for p, found in made.items()}
    return all(exact[a] != exact[b] or (made[a] == made[b] and len(made[a]) < 3) for a in made for b in made if a != b)


def _draw_runs(rng: random.Random) -> tuple[list[Fused], int]:
    while True:
        runs = [_draw_scores(rng) for _ in range(rng.choice((1, 2, 2, 2, 3, 3, 4)))]
        k = rng.choice((0, 1, 10, 60, 60, 60))
        if _clear_sums(runs, k):
            return runs, k


def _has_equal(values: Any) -> bool:
    found = list(values)
    return len(set(found)) < len(found)


RUNS = (
    Situation("two passages of a run have the same score", lambda runs, *r: any(_has_equal(s.values()) for s in runs)),
    Situation(
        "a run is not in the order of its scores",
        lambda runs, *r: any(list(scores) != _ranked(scores) for scores in runs),
    ),
    Situation(
        "a passage stands in some runs only",
        lambda runs, *r: any(p not in scores for other in runs for p in other for scores in runs),
    ),
    Situation(
        "a passage stands in more than one run", lambda runs, *r: _has_equal(p for scores in runs for p in scores)
    ),
    Situation("a run is empty", lambda runs, *r: not all(runs)),
    Situation("there is one run", lambda runs, *r: len(runs) == 1),
    Situation("there is more than one run", lambda runs, *r: len(runs) > 1),
    Situation("there are more than two runs", lambda runs, *r: len(runs) > 2),
    Situation("a score is negative", lambda runs, *r: any(s < 0 for scores in runs for s in scores.values())),
)


def _only_ranks_count(answer: Answer) -> str | None:
    before = answer(_keywords_and_cosines(), 60)
    after = answer([{p: 100 * s - 7 for p, s in KEYWORDS.items()}, dict(COSINES)], 60)
    return None if list(before.items()) == list(after.items()) else "other scores in the same order give another result"


RRF = Exercise(
    id="16.1",
    title="reciprocal rank fusion",
    difficulty="easy",
    minutes=8,
    section="Build it: ranks alone",
    signature="list of dict, int -> dict",
    reference=rrf,
    another=_counted_ranks,
    draw=_draw_runs,
    observe=_ids_and_scores,
    tolerance=1e-8,
    loops=True,
    situations=(
        *RUNS,
        Situation("two passages have the same sum", lambda runs, k: _has_equal(rrf(runs, k).values())),
        Situation("k is 0", lambda runs, k: k == 0),
        Situation("k is not 60", lambda runs, k: k != 60),
    ),
    cases=(
        Case(
            "A B C D by keywords, C A E B by cosine",
            lambda: (_keywords_and_cosines(), 60),
            _expected(A=1 / 61 + 1 / 62, C=1 / 63 + 1 / 61, B=1 / 62 + 1 / 64, E=1 / 63, D=1 / 64),
        ),
        Case(
            "equal scores, k = 1",
            lambda: ([{"Z": 5.0, "B": 5.0, "A": 8.0, "C": 5.0}], 1),
            _expected(A=1 / 2, Z=1 / 3, B=1 / 4, C=1 / 5),
        ),
        Case(
            "equal sums",
            lambda: ([{"B": 1.0, "D": 2.0, "X": 0.5}, {"D": -4.0, "B": -3.0, "A": -9.0}], 9),
            _expected(D=1 / 10 + 1 / 11, B=1 / 11 + 1 / 10, X=1 / 12, A=1 / 12),
        ),
        Case("one run is empty, k = 0", lambda: ([{}, {"B": 0.2, "A": 0.4}], 0), _expected(A=1.0, B=1 / 2)),
        Case(
            "three runs",
            lambda: ([{"A": 3.0, "B": 2.0, "C": 1.0, "D": 0.5}, {"D": -1.0, "B": -2.0}, {"C": 0.9, "E": 0.4}], 2),
        ),
        Case("nothing was found", lambda: ([{}, {}], 60), _expected()),
    ),
    properties=(Property("only ranks count", _only_ranks_count),),
    mistakes=(
        Mistake(
            "ranks counted from 0",
            _by_rank(share=lambda k, rank, score: 1 / (k + rank - 1)),
            "You count ranks from 0, as `enumerate` does when it is told nothing. The best passage gets 1 / k with you, and with k = 0 you "
            "divide by zero. Ranks start at 1.",
        ),
        Mistake(
            "the place in the dict is the rank",
            _by_rank(ranks=lambda scores: {p: i for i, p in enumerate(scores, start=1)}),
            "You take the place in the dict for the rank. The entries stand in any order, so sort them by their score before you count.",
        ),
        Mistake(
            "sorted by id",
            _by_rank(ranks=_ranks_by(lambda scores: lambda p: p)),
            "You sort the ids, not the scores: `sorted` of a dict, or of its items, goes by the keys. The highest score has rank 1.",
        ),
        Mistake(
            "the worst has rank 1",
            _by_rank(ranks=_ranks_by(lambda scores: scores.__getitem__)),
            "You sort from low to high, so the worst hit of each run gets rank 1 and the largest share. Higher scores are better.",
        ),
        Mistake(
            "scores are added up",
            _by_rank(share=lambda k, rank, score: score),
            "You add up the scores as they come. BM25 gives 12 where a cosine gives .8, so one run decides alone. Only the rank counts here, "
            "whatever the score is.",
        ),
        Mistake(
            "the score divided by the rank",
            _by_rank(share=lambda k, rank, score: score / (k + rank)),
            "You divide the score by k + rank. Then the scale of the scores decides again which run counts. It is 1 that is divided.",
        ),
        Mistake(
            "the rank itself",
            _by_rank(share=lambda k, rank, score: k + rank),
            "You add up k + rank. That is larger for worse ranks, and it grows with each run that holds a passage. Take 1 divided by it.",
        ),
        Mistake(
            "a mean over the runs that hold it",
            _by_rank(join=lambda found, R, k: sum(found) / len(found)),
            "You divide by the number of runs that hold the passage. Then to be found by two is worth no more than to be found by one, and "
            "that is what fusion is to reward. Take the sum.",
        ),
        Mistake(
            "a mean over all runs",
            _by_rank(join=lambda found, R, k: sum(found) / R),
            "You divide by the number of runs. The order stays; the sums are too small. The sum itself is asked for.",
        ),
        Mistake(
            "a share of the most possible",
            _by_rank(join=lambda found, R, k: sum(found) * (k + 1) / R),
            "You divide by the most that is possible, the number of runs over k + 1, so that the best can reach 1. That looks like a "
            "relevance, and is none: a passage that nobody should read gets it too, if all runs put it first. Return the sum.",
        ),
        Mistake(
            "the best has 1",
            _scaled_to_one,
            "You divide by the largest sum, so the best passage always has 1, however poor it is. Return the sums as they are.",
        ),
        Mistake(
            "only what all runs hold",
            _held_by_all(rrf),
            "You keep passages that every run holds. What one retriever alone has found is the reason to have two: it gets its share from "
            "that one.",
        ),
        Mistake(
            "what scores 0 or less is left out",
            _by_rank(ranks=lambda scores: _ranks({p: s for p, s in scores.items() if s > 0})),
            "You leave out what scores 0 or less. Logits of a good hit can be negative, and cosines, too; only who stands before whom counts.",
        ),
        Mistake(
            "only what the first run holds",
            _of_the_first_run(rrf),
            "You walk through the passages of the first run alone. What only a later run has found is lost.",
        ),
        Mistake(
            "missing means the rank behind the last",
            _missing_behind_the_last,
            "A passage that a run lacks gets a share from it with you, as if it stood right behind the last. That is much, and more the "
            "shorter the run is. It gets nothing.",
        ),
        Mistake(
            "missing means the rank behind all passages",
            _missing_behind_all,
            "A passage that a run lacks gets a share from it with you, as if it stood behind all passages of all runs. It gets nothing.",
        ),
        Mistake(
            "equal scores share a rank",
            _by_rank(ranks=_shared_ranks(dense=False)),
            "Equal scores share a rank with you. Each has a rank of its own; of equal ones the one that stands first in the dict comes "
            "first.",
        ),
        Mistake(
            "equal scores share a rank, without a gap",
            _by_rank(ranks=_shared_ranks(dense=True)),
            "You rank the different scores, so equal ones share a rank and those behind them move up. Count passages: each has a rank of "
            "its own.",
        ),
        Mistake(
            "equal scores share the mean rank",
            _by_rank(ranks=_mean_ranks),
            "Equal scores share the mean of their ranks with you, as in a rank correlation. Each has a rank of its own; of equal ones the one "
            "that stands first in the dict comes first.",
        ),
        Mistake(
            "equal scores by id",
            _by_rank(ranks=_ranks_by(lambda scores: lambda p: (-scores[p], p))),
            "You rank equal scores by their ids. They keep the order in which the run holds them.",
        ),
        Mistake(
            "equal scores by id, from the back",
            _by_rank(ranks=_ranks_by(lambda scores: lambda p: (scores[p], p), backwards=True)),
            "Of equal scores the larger id comes first with you, as in trec_eval (chapter 03). Here they keep the order in which the run "
            "holds them.",
        ),
        Mistake(
            "of equal scores the last first",
            _by_rank(ranks=lambda scores: {p: i for i, p in enumerate(sorted(scores, key=scores.get)[::-1], start=1)}),
            "You sort upwards and turn the list round. That turns equal scores round, too: the one that stands last in the dict comes first.",
        ),
        Mistake(
            "argsort taken for ranks",
            _by_rank(ranks=_order_as_ranks),
            "`argsort` tells you which passage stands at rank 1, 2, 3. You read it the other way round: as the rank of passage 1, 2, 3. Walk "
            "along the sorted ids and count.",
        ),
        Mistake(
            "not sorted",
            _by_rank(order=dict),
            "The sums are right, and the dict holds them in the order in which you met the passages. The best one stands first.",
        ),
        Mistake(
            "the best one last",
            _by_rank(order=_in_order_by(lambda sums: sums.__getitem__)),
            "The sums are right, and the dict is sorted from low to high. The best one stands first.",
        ),
        Mistake(
            "equal sums by id",
            _by_rank(order=_in_order_by(lambda sums: lambda p: (-sums[p], p))),
            "You sort equal sums by their ids. The passage of the earlier run comes first, and within a run the one with the better rank.",
        ),
        Mistake(
            "equal sums by id, from the back",
            _by_rank(order=_in_order_by(lambda sums: lambda p: (sums[p], p), backwards=True)),
            "Of equal sums the larger id comes first with you. The passage of the earlier run comes first, and within a run the one with the "
            "better rank.",
        ),
        Mistake(
            "of equal sums the last first",
            _by_rank(order=lambda sums: {p: sums[p] for p in sorted(sums, key=sums.get)[::-1]}),
            "You sort the sums upwards and turn the list round, which turns equal ones round, too. Of equal sums the passage of the earlier "
            "run comes first, and within a run the one with the better rank.",
        ),
        Mistake(
            "equal sums as the dicts stand",
            _in_dict_order(rrf),
            "Of two passages with the same sum you put the one first that stands first in the dict. Within a run it is the one with the "
            "better rank.",
        ),
        Mistake(
            "the best share alone",
            _by_rank(join=lambda found, R, k: max(found)),
            "You keep the largest of a passage's shares. Then a second run that finds it, too, says nothing. Add them up.",
        ),
        Mistake(
            "the last run overwrites",
            _by_rank(join=lambda found, R, k: found[-1]),
            "Each run overwrites what the one before has given. Add to what stands there already.",
        ),
        Mistake(
            "the first share is lost",
            _by_rank(join=lambda found, R, k: sum(found[1:])),
            "Where you meet a passage for the first time, you put it into the dict without its share; so what one run alone holds has 0. The "
            "first share counts like the others.",
        ),
        Mistake(
            "the sums begin at 1",
            _by_rank(join=lambda found, R, k: 1 + sum(found)),
            "Your sums begin at 1. They begin at 0, and each run that holds the passage adds its share.",
        ),
        Mistake(
            "k is always 60",
            lambda runs, k: rrf(runs, 60),
            "You use 60, the usual choice, whatever `k` is.",
        ),
        Mistake(
            "k is not used",
            lambda runs, k: rrf(runs, 0),
            "You take 1 / rank: k is missing. Without it the first of one run weighs as much as the second of two.",
        ),
        Mistake(
            "the brackets are missing",
            _by_rank(share=lambda k, rank, score: 1 / k + rank),
            "1 / k + rank is (1 / k) + rank in Python. The sum of k and rank belongs into brackets.",
        ),
        Mistake(
            "the discount of nDCG",
            _by_rank(share=lambda k, rank, score: 1 / math.log2(rank + 1)),
            "You use the discount of nDCG, 1 / log2(rank + 1). Here a rank is worth 1 / (k + rank).",
        ),
        Mistake(
            "one long list",
            _one_long_list,
            "You put the hits of all runs into one list and rank them together by score. Scores of different runs cannot be compared: rank "
            "each run for itself.",
        ),
        Mistake(
            "ranks run on",
            _ranks_run_on,
            "Your ranks do not start again with each run: the first of the second run has a rank behind the last of the first.",
        ),
        Mistake(
            "two at a time",
            _two_at_a_time,
            "You fuse two runs, and then the result with the third. The sums of the first two are thrown away for their ranks, so the last "
            "run weighs as much as all before it. Add up over all runs at once.",
        ),
        Mistake(
            "what was passed in has changed",
            _runs_are_emptied,
            "The result is right, and the runs that were passed in are empty afterwards. Whoever called you still needs them: work on copies.",
        ),
    ),
    hints=(
        "A score is needed for one thing only: to know who stands before whom in its own run.",
        "For each run sort the ids by score, from high to low, and count from 1. A dict of sums grows by one share for each of them.",
        "Python's `sorted` keeps equal ones in the order in which they came, also with `reverse=True`. So the order of equal sums follows from "
        "the order in which you fill the dict.",
    ),
)


# --- 16.2 a weighted sum of scores -----------------------------------------------------------


def weighted_sum(runs: Sequence[Scores], weights: Sequence[float]) -> Fused:
    """Each passage with the weighted sum of its scores between 0 and 1, run by run; best first."""
    ranked = [{"": {passage: scores[passage] for passage in _ranked(scores)}} for scores in runs]
    return dict(fusion.score_fusion(ranked, weights)[""])


def _min_max(scores: Scores, equal: Callable[[float], float] = lambda s: 0.0) -> Fused:
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return {p: equal(s) if low == high else (s - low) / (high - low) for p, s in scores.items()}


def _weighed(found: Sequence[tuple[float, float]], weights: Sequence[float]) -> float:
    """A passage's numbers, each with its run's weight, added up."""
    return sum(weight * number for weight, number in found)


def _scores_fused(
    runs, weights, *, norm=_min_max, before=lambda runs: runs, join=_weighed, order=_best_first
):  # fmt: skip
    """A weighted sum with one part exchanged."""
    found: dict[str, list[tuple[float, float]]] = {}
    for scores, weight in zip(before(runs), weights, strict=True):
        normalized = norm(scores)
        for passage in _ranked(scores):
            found.setdefault(passage, []).append((weight, normalized[passage]))
    return order({passage: join(each, weights) for passage, each in found.items()})


def _by_score(**parts: Any) -> Answer:
    return lambda *args: _scores_fused(*args, **parts)


def _passage_by_passage(runs, weights):
    """For each passage one sum over all runs, with a 0 where a run lacks it."""
    ordered = [sorted(scores.items(), key=lambda item: item[1], reverse=True) for scores in runs]
    every = list(dict.fromkeys(passage for items in ordered for passage, _ in items))

    def of(items, passage):
        values = [score for _, score in items]
        if passage not in dict(items) or values[0] == values[-1]:
            return 0.0
        return (dict(items)[passage] - values[-1]) / (values[0] - values[-1])

    sums = [sum(w * of(items, p) for w, items in zip(weights, ordered, strict=True)) for p in every]
    return {every[i]: sums[i] for i in np.argsort([-s for s in sums], kind="stable")}


def _filled_with_zero(runs):
    every = [p for scores in runs for p in scores]
    return [{p: scores.get(p, 0.0) for p in [*_ranked(scores), *every]} for scores in runs]


def _over_all_runs(runs, weights):
    values = [s for scores in runs for s in scores.values()]
    low, high = min(values, default=0.0), max(values, default=0.0)
    return _scores_fused(
        runs,
        weights,
        norm=lambda scores: {p: (s - low) / (high - low) if high > low else 0.0 for p, s in scores.items()},
    )


def _deviations(ddof: int) -> Callable[[Scores], Fused]:
    def normalized(scores):
        values = np.array(list(scores.values()))
        spread = values.std(ddof=ddof) if len(set(scores.values())) > 1 else 0.0
        return {p: float((s - values.mean()) / spread) if spread else 0.0 for p, s in scores.items()}

    return normalized


def _softmax(scores: Scores) -> Fused:
    powers = {p: math.exp(s - max(scores.values())) for p, s in scores.items()}
    return {p: power / sum(powers.values()) for p, power in powers.items()}


def _divided_by(what: Callable[[list[float]], float]) -> Callable[[Scores], Fused]:
    """Each score divided by one number of its run; by 1 where that is 0."""
    return lambda scores: {p: s / (what(list(scores.values())) or 1.0) for p, s in scores.items()}


def _by_places(scores: Scores) -> Fused:
    count = len(scores)
    return {p: (count - rank) / (count - 1) if count > 1 else 0.0 for p, rank in _ranks(scores).items()}


def _by_ids(scores: Scores) -> Fused:
    """Python's min and max of a dict are those of its keys."""
    low, high = (scores[min(scores)], scores[max(scores)]) if scores else (0.0, 0.0)
    return {p: (s - low) / (high - low) if high != low else 0.0 for p, s in scores.items()}


def _centred(scores: Scores) -> Fused:
    values = list(scores.values())
    mean, spread = sum(values) / max(1, len(values)), max(values, default=0.0) - min(values, default=0.0)
    return {p: (s - mean) / spread if spread else 0.0 for p, s in scores.items()}


def _not_found(given: float) -> Callable[..., float]:
    """What a run gives to a passage that it lacks, before its weight."""

    def join(found, weights):
        return _weighed(found, weights) + given * (sum(weights) - sum(weight for weight, _ in found))

    return join


def _weights_first(runs, weights):
    weighed = [{p: w * s for p, s in scores.items()} for scores, w in zip(runs, weights, strict=True)]
    return _scores_fused(weighed, [1.0] * len(runs))


def _after_the_sum(runs, weights):
    """Weighed scores added up as they are, and the sums brought between 0 and 1."""
    return _best_first(_min_max(_scores_fused(runs, weights, norm=dict)))


def _cut_below_zero(scores: Scores) -> Fused:
    return _divided_by(max)({p: max(0.0, s) for p, s in scores.items()})


def _draw_weighted(rng: random.Random) -> tuple[list[Fused], list[float]]:
    """Half of the draws: numbers that a computer holds exactly, with equal sums; else any, and no two sums are near."""
    while True:
        exact = rng.random() < 0.5
        runs = []
        for _ in range(rng.choice((1, 2, 2, 2, 3))):
            scores = _draw_scores(rng)
            if exact and scores:
                unit, low, steps = rng.choice((0.125, 1.0, 2.0)), rng.randint(-3, 3), rng.choice((2, 4, 4))
                scores = {p: unit * (low + rng.choice((0, steps, rng.randint(0, steps)))) for p in scores}
                if rng.random() < 0.7 and len(scores) > 1:  # both ends are there, so every step is an exact share
                    first, second = rng.sample(list(scores), 2)
                    scores[first], scores[second] = unit * low, unit * (low + steps)
            runs.append(scores)
        weights = [rng.choice((1.0, 0.5, 0.25, 2.0, 0.0)) for _ in runs]
        if _clear_weighted(runs, weights):
            return runs, weights


def _clear_weighted(runs: Sequence[Scores], weights: Sequence[float]) -> bool:
    """Sums are equal exactly, of shares that a computer holds exactly, or far from equal."""
    shares: dict[str, list[Fraction]] = {}
    for scores, weight in zip(runs, weights, strict=True):
        values = [Fraction(s) for s in scores.values()]
        for p, s in scores.items():
            spread = max(values) - min(values)
            shares.setdefault(p, []).append(Fraction(weight) * (Fraction(s) - min(values)) / (spread or 1))
    sums = {p: sum(found, Fraction(0)) for p, found in shares.items()}
    exact = {p: all(share.denominator & (share.denominator - 1) == 0 for share in found) for p, found in shares.items()}
    near = [(a, b) for a in sums for b in sums if a < b and abs(sums[a] - sums[b]) < Fraction(1, 1000)]
    return all(sums[a] == sums[b] and exact[a] and exact[b] for a, b in near)


def _scales_do_not_count(answer: Answer) -> str | None:
    before = answer(_keywords_and_cosines(), [1.0, 0.5])
    after = answer([{p: 8 * s - 4 for p, s in KEYWORDS.items()}, dict(COSINES)], [1.0, 0.5])
    same = list(before) == list(after) and all(abs(before[p] - after[p]) < 1e-6 for p in before)
    return None if same else "a run whose scores are multiplied by 8 and moved by 4 gives another result"


SUM = Exercise(
    id="16.2",
    title="a weighted sum of scores",
    difficulty="medium",
    minutes=10,
    section="Build it: a weighted sum",
    signature="list of dict, list of float -> dict",
    reference=weighted_sum,
    another=_passage_by_passage,
    draw=_draw_weighted,
    observe=_ids_and_scores,
    loops=True,
    situations=(
        *RUNS,
        Situation(
            "all scores of a run are equal, or it has only one",
            lambda runs, w: any(len(set(s.values())) == 1 for s in runs),
        ),
        Situation("a weight is 0", lambda runs, weights: 0 in weights),
        Situation("a weight is not 1", lambda runs, weights: any(w != 1 for w in weights)),
        Situation(
            "two passages have the same sum", lambda runs, weights: _has_equal(weighted_sum(runs, weights).values())
        ),
    ),
    cases=(
        Case(
            "keywords and cosines, weights 1 and 2",
            lambda: ([{"B": 8.0, "A": 12.0, "C": 4.0}, {"A": 0.5, "B": 0.9, "D": 0.75}], [1.0, 2.0]),
            _expected(B=0.5 + 2.0, D=1.25, A=1.0 + 0.0, C=0.0),
        ),
        Case(
            "all scores equal, and one alone",
            lambda: ([{"A": 7.0, "B": 7.0}, {"C": 0.9}, {"B": 2.0, "D": 6.0, "A": 3.0}], [1.0, 1.0, 1.0]),
            _expected(D=1.0, A=0.25, B=0.0, C=0.0),
        ),
        Case(
            "negative scores, a weight of 0",
            lambda: ([{"A": -9.0, "B": -1.0, "C": -3.0}, {"C": 5.0, "D": 30.0}], [1.0, 0.0]),
            _expected(B=1.0, C=0.75, A=0.0, D=0.0),
        ),
        Case(
            "equal sums",
            lambda: ([{"B": 1.0, "D": 5.0, "C": 3.0}, {"C": 1.0, "A": 4.0, "B": 2.0, "E": 0.0}], [0.5, 1.0]),
            _expected(A=1.0, D=0.5, C=0.25 + 0.25, B=0.0 + 0.5, E=0.0),
        ),
        Case(
            "one run is empty",
            lambda: ([{}, {"A": 1.5, "C": 4.0, "B": 2.0}], [1.0, 0.5]),
            _expected(C=0.5, B=0.1, A=0.0),
        ),
    ),
    properties=(Property("the scale of a run's scores does not count", _scales_do_not_count),),
    mistakes=(
        Mistake(
            "raw scores are added",
            _by_score(norm=dict),
            "You weigh the scores as they come. A cosine of .9 beside a BM25 score of 12 says nothing, whatever the weights: one run decides "
            "alone. Bring each run between 0 and 1 first.",
        ),
        Mistake(
            "divided by the highest",
            _by_score(norm=_divided_by(max)),
            "You divide by the highest score and take nothing off. Cosines lie between .5 and .9, so the last hit still gets more than a "
            "half; and a run of negative scores comes out upside down. The lowest score becomes 0.",
        ),
        Mistake(
            "divided by the spread, and nothing taken off",
            _by_score(norm=_divided_by(lambda values: max(values) - min(values))),
            "You divide by max - min, and the lowest score is not taken off before. Then the last hit is not 0, and the scale still counts.",
        ),
        Mistake(
            "the lowest taken off, and not divided",
            _by_score(norm=lambda scores: {p: s - min(scores.values()) for p, s in scores.items()}),
            "You take the lowest score off and do not divide by max - min. BM25 still reaches 20 where cosines reach .4.",
        ),
        Mistake(
            "divided by the highest instead of the spread",
            _by_score(
                norm=lambda scores: {
                    p: (s - min(scores.values())) / (max(scores.values()) or 1.0) for p, s in scores.items()
                }
            ),
            "You take the lowest score off and divide by the highest. The best hit then does not reach 1: divide by max - min.",
        ),
        Mistake(
            "the lowest and highest id",
            _by_score(norm=_by_ids),
            "`min` of a dict is its smallest key, so your lowest score is that of the first id in the alphabet, and your highest that of the "
            "last. Look among the values.",
        ),
        Mistake(
            "the mean taken off",
            _by_score(norm=_centred),
            "You take off the mean. What lies below it then has a negative number, so not to be found is better than that. The lowest score is "
            "taken off.",
        ),
        Mistake(
            "1 in the denominator",
            _by_score(
                norm=lambda s: {
                    p: (x - min(s.values())) / (max(s.values()) - min(s.values()) + 1) for p, x in s.items()
                }
            ),
            "You add 1 to max - min, so as not to divide by zero. Beside a spread of 20 that is little, beside a cosine's .3 it is nearly all: "
            "the scale counts again. Treat a run of equal scores by itself.",
        ),
        Mistake(
            "the lowest and highest of all runs",
            _over_all_runs,
            "You look for the lowest and highest score among all runs together. Then BM25 fills the range from 0 to 1 and all cosines lie at "
            "one end of it. Each run has its own.",
        ),
        Mistake(
            "what is missing is a score of 0",
            _by_score(before=_filled_with_zero),
            "You put a 0 in for each passage that a run lacks, and normalize afterwards. Now that 0 is the run's lowest score, or even its "
            "highest, and everybody else's number changes. Normalize what was found; what was not found gets 0 after that.",
        ),
        Mistake(
            "what is missing is punished",
            _by_score(join=_not_found(-1.0)),
            "A passage loses the weight of each run that lacks it. Then what one run alone has found hardly ever comes in front. A run that "
            "lacks it gives 0.",
        ),
        Mistake(
            "what is missing gets a half",
            _by_score(join=_not_found(0.5)),
            "A run that lacks a passage gives it a half with you: more than to what it has found in the lower half of its range. It gives 0.",
        ),
        Mistake(
            "all equal means 1",
            _by_score(norm=lambda scores: _min_max(scores, lambda s: 1.0)),
            "Where all scores of a run are equal, you give each 1, as to a best hit. Each is the last hit as well; the contract gives 0.",
        ),
        Mistake(
            "all equal share 1",
            _by_score(norm=lambda scores: _min_max(scores, lambda s: 1 / len(scores))),
            "Where all scores of a run are equal, you share out 1 among them; a passage that is alone gets all of it. The contract gives 0.",
        ),
        Mistake(
            "all equal means a half",
            _by_score(norm=lambda scores: _min_max(scores, lambda s: 0.5)),
            "Where all scores of a run are equal, you give each a half. The contract gives 0.",
        ),
        Mistake(
            "all equal stay as they are",
            _by_score(norm=lambda scores: _min_max(scores, lambda s: s)),
            "Where all scores of a run are equal, you leave them as they are, on their own scale: a single BM25 hit of 20 then beats "
            "everything. The contract gives 0.",
        ),
        Mistake(
            "divided by zero where all are equal",
            _by_score(
                norm=lambda s: {p: (x - min(s.values())) / (max(s.values()) - min(s.values())) for p, x in s.items()}
            ),
            "Where all scores of a run are equal, as when it holds one passage only, max - min is 0 and you divide by it. Give each 0 there.",
        ),
        Mistake(
            "an empty run raises",
            _by_score(norm=lambda scores: _min_max(scores) if scores else {"": min(scores.values())}),
            "A run can be empty, and an empty list has no lowest value: `min` raises. Such a run adds nothing.",
        ),
        Mistake(
            "a small number in the denominator",
            _by_score(
                norm=lambda s: {
                    p: (x - min(s.values())) / (max(s.values()) - min(s.values()) + 1e-7) for p, x in s.items()
                }
            ),
            "You add a small number to max - min, so as not to divide by zero. Then sums that should be equal differ a little, and their "
            "order is chance. Treat a run of equal scores by itself.",
        ),
        Mistake(
            "weights are not used",
            lambda runs, weights: weighted_sum(runs, [1.0] * len(runs)),
            "The weights never count: each run has weight 1.",
        ),
        Mistake(
            "the first weight for all",
            lambda runs, weights: weighted_sum(runs, weights[:1] * len(runs)),
            "Every run has the first run's weight. Each has its own.",
        ),
        Mistake(
            "weighed before it is normalized",
            _weights_first,
            "You multiply by the weight first and normalize then. Min-max takes any factor off again, so the weights never count (a weight of "
            "0 aside). Weigh what is normalized.",
        ),
        Mistake(
            "normalized after the sum",
            _after_the_sum,
            "You add up the raw scores and bring the sums between 0 and 1. By then one run has decided. Normalize each run before you add.",
        ),
        Mistake(
            "the sums normalized once more",
            lambda runs, weights: _best_first(_min_max(weighted_sum(runs, weights))),
            "You bring the sums between 0 and 1 once more, after the runs have been. Then the last one always has 0 and the first 1. The sums "
            "themselves are asked for.",
        ),
        Mistake(
            "divided by the sum of the weights",
            _by_score(join=lambda found, weights: sum(w * s for w, s in found) / (sum(weights) or 1.0)),
            "You divide by the sum of the weights: a weighted mean. The order is the same; the sum is asked for.",
        ),
        Mistake(
            "a mean over the runs that hold it",
            _by_score(join=lambda found, weights: sum(w * s for w, s in found) / (sum(w for w, _ in found) or 1.0)),
            "You divide by the weights of those runs that hold the passage. What one run alone puts first then has as much as what all put "
            "first. A run that lacks a passage gives it 0, and nothing is divided.",
        ),
        Mistake(
            "only what all runs hold",
            _held_by_all(weighted_sum),
            "You keep passages that every run holds. A passage that a run lacks gets 0 from it, and stays in.",
        ),
        Mistake(
            "a run of weight 0 is left out",
            lambda runs, weights: weighted_sum(
                *zip(*[(s, w) for s, w in zip(runs, weights, strict=True) if w] or [({}, 1.0)], strict=True)
            ),
            "You leave out a run whose weight is 0, and with it the passages that only it holds. They belong in the result, with a sum of 0.",
        ),
        Mistake(
            "a run of equal scores is left out",
            lambda runs, weights: weighted_sum([s if len(set(s.values())) > 1 else {} for s in runs], weights),
            "You leave out a run whose scores are all equal, and with it the passages that only it holds. They get 0 from it, and belong in "
            "the result.",
        ),
        Mistake(
            "a run of one passage is left out",
            lambda runs, weights: weighted_sum([s if len(s) > 1 else {} for s in runs], weights),
            "You leave out a run that holds one passage. It gets 0 from that run, and belongs in the result.",
        ),
        Mistake(
            "what has 0 is dropped",
            lambda runs, weights: {p: s for p, s in weighted_sum(runs, weights).items() if s > 0},
            "You leave out passages whose sum is 0. Somebody has found them: they stand at the end.",
        ),
        Mistake(
            "only what the first run holds",
            _of_the_first_run(weighted_sum),
            "You walk through the passages of the first run alone. What only a later run has found is lost.",
        ),
        Mistake(
            "means and deviations",
            _by_score(norm=_deviations(ddof=0)),
            "You take off the mean and divide by the standard deviation. That is z-score, a fair choice too, but 0 means average there, so "
            "not to be found is better than to be found last. Min-max is asked for.",
        ),
        Mistake(
            "means and deviations of a sample",
            _by_score(norm=_deviations(ddof=1)),
            "You take off the mean and divide by the standard deviation, with n - 1. That is z-score, in which 0 means average, so not to be "
            "found is better than to be found last. Min-max is asked for.",
        ),
        Mistake(
            "a softmax",
            _by_score(norm=_softmax),
            "You take a softmax of each run. A difference of 5 between two BM25 scores then gives nearly all to the first; cosines come out "
            "nearly equal. Min-max is asked for.",
        ),
        Mistake(
            "a sigmoid",
            _by_score(norm=lambda scores: {p: 1 / (1 + math.exp(-s)) for p, s in scores.items()}),
            "You put each score through a sigmoid. BM25's are all nearly 1 then, and cosines all near .7: the scale still counts. Min-max is "
            "asked for.",
        ),
        Mistake(
            "clipped",
            _by_score(norm=lambda scores: {p: min(1.0, max(0.0, s)) for p, s in scores.items()}),
            "You cut off what lies above 1 and below 0. All BM25 scores above 1 are equal then. Min-max moves and stretches; it cuts nothing off.",
        ),
        Mistake(
            "divided by the sum",
            _by_score(norm=_divided_by(sum)),
            "You divide by the sum of a run's scores. A long run then has small numbers, and negative scores spoil all. Min-max is asked for.",
        ),
        Mistake(
            "divided by the length",
            _by_score(norm=_divided_by(lambda values: math.sqrt(sum(v * v for v in values)))),
            "You divide a run's scores by their length as a vector. Min-max is asked for: the lowest becomes 0, the highest 1.",
        ),
        Mistake(
            "places instead of scores",
            _by_score(norm=_by_places),
            "You share out the numbers from 1 to 0 evenly by rank. How far the first is ahead of the second is lost, and that is what a "
            "weighted sum keeps.",
        ),
        Mistake(
            "as with distances",
            _by_score(
                norm=lambda scores: {
                    p: 1 - s if len(set(scores.values())) > 1 else s for p, s in _min_max(scores).items()
                }
            ),
            "Your lowest score becomes 1 and the highest 0. That is right for distances; scores are better when they are higher.",
        ),
        Mistake(
            "negative scores count as 0",
            _by_score(norm=_cut_below_zero),
            "You take 0 for the lowest score, and cut off what lies below. The lowest score of the run becomes 0, be it positive or negative.",
        ),
        Mistake(
            "the best number alone",
            _by_score(join=lambda found, weights: max(w * s for w, s in found)),
            "You keep the largest of a passage's numbers. Add them up, so that being found twice counts.",
        ),
        Mistake(
            "a product",
            _by_score(join=lambda found, weights: math.prod(w * s for w, s in found)),
            "You multiply a passage's numbers. One 0, which the last hit of a run has, then takes everything away. Add them up.",
        ),
        Mistake(
            "times the number of runs",
            _by_score(join=lambda found, weights: len(found) * sum(w * s for w, s in found)),
            "You multiply by the number of runs that hold the passage (CombMNZ). The plain sum already counts each of them.",
        ),
        Mistake(
            "the last run overwrites",
            _by_score(join=lambda found, weights: found[-1][0] * found[-1][1]),
            "Each run overwrites what the one before has given. Add to what stands there already.",
        ),
        Mistake(
            "weights in the other order",
            lambda runs, weights: weighted_sum(runs, weights[::-1]),
            "The weights go with the runs in reversed order. The first weight belongs to the first run.",
        ),
        Mistake(
            "not sorted",
            _by_score(order=dict),
            "The sums are right, and the dict holds them in the order in which you met the passages. The best one stands first.",
        ),
        Mistake(
            "the best one last",
            _by_score(order=_in_order_by(lambda sums: sums.__getitem__)),
            "The sums are right, and the dict is sorted from low to high. The best one stands first.",
        ),
        Mistake(
            "equal sums by id",
            _by_score(order=_in_order_by(lambda sums: lambda p: (-sums[p], p))),
            "You sort equal sums by their ids. The passage of the earlier run comes first, and within a run the one with the better rank.",
        ),
        Mistake(
            "of equal sums the last first",
            _by_score(order=lambda sums: {p: sums[p] for p in sorted(sums, key=sums.get)[::-1]}),
            "You sort the sums upwards and turn the list round, which turns equal ones round, too. Of equal sums the passage of the earlier "
            "run comes first, and within a run the one with the better rank.",
        ),
        Mistake(
            "equal sums as the dicts stand",
            _in_dict_order(weighted_sum),
            "Of two passages with the same sum you put the one first that stands first in the dict. Within a run it is the one with the "
            "higher score.",
        ),
    ),
    hints=(
        "Three steps for each run: its lowest and highest score, the numbers between 0 and 1, the weight.",
        "Nothing has to be done for a passage that a run lacks: adding 0 changes no sum. What has to be done where max - min is 0?",
        "Walk through each run from its best score down, so that the dict of sums is filled in the order that decides between equal sums.",
    ),
)


# --- 16.3 SPLADE's vector --------------------------------------------------------------------


def splade_vector(logits: Tensor, mask: Tensor) -> Tensor:
    """How loudly a text speaks for each word, at its loudest token: (B, T, V), (B, T) -> (B, V)."""
    return splade_pool(logits, mask)


def _hidden(x: Tensor, is_token: Tensor) -> Tensor:
    return torch.where(is_token, x, 0.0)


def _multiplied(x: Tensor, is_token: Tensor) -> Tensor:
    """The same, but that 0 times infinity is not 0."""
    return x * is_token


def _squashed(x: Tensor) -> Tensor:
    return x.relu().log1p()


def _vector(
    logits, mask, *, hide=_hidden, squash=_squashed, pool=lambda w, is_token: w.amax(1), last=lambda w: w,
    before=lambda logits: logits,
):  # fmt: skip
    """SPLADE's vector with one part exchanged."""
    is_token = mask.bool()[:, :, None]
    return last(pool(hide(squash(before(logits)), is_token), is_token))


def _spoken(**parts: Any) -> Answer:
    return lambda *args: _vector(*args, **parts)


def _text_by_text(logits, mask):
    rows = []
    for x, keep in zip(logits, mask, strict=True):
        spoken = x[keep.bool()]
        rows.append(torch.log(1 + spoken.amax(0).clamp(min=0)) if len(spoken) else x.sum(0) * 0)
    return torch.stack(rows)


def _from_the_front(logits, mask):
    counts = mask.sum(1, keepdim=True)
    return splade_pool(logits, (torch.arange(mask.shape[1]) < counts).to(mask.dtype))


def _cut_to_the_longest(logits, mask):
    longest = int(mask.sum(1).max())
    return _squashed(logits[:, :longest]).amax(1) if longest else logits[:, 0] * 0


def _draw_logits(rng: random.Random) -> tuple[Tensor, Tensor]:
    """As a masked language model gives them: most below 0, some loud; padding at either side or in between."""
    logits, mask = draws.texts(rng)
    if rng.random() < 0.3:
        mask = mask[:, rng.sample(range(mask.shape[1]), mask.shape[1])]
    return logits * rng.choice((1.0, 1.0, 4.0)) - rng.choice((0.0, 0.0, 1.0)), mask


def _two_texts() -> tuple[Tensor, Tensor]:
    """Three words. The second text has one token; at its padding word 0 is very loud."""
    logits = [[[1.0, -2.0, 0.0], [3.0, -0.5, 0.5]], [[-1.0, 0.25, 2.0], [9.0, -3.0, 1.0]]]
    return torch.tensor(logits), torch.tensor([[1, 1], [1, 0]])


def _padding_is_silent(answer: Answer) -> str | None:
    logits = torch.tensor([[[1.0, -2.0], [-0.5, 0.5]]])
    alone = answer(logits, torch.tensor([[1, 1]]))
    padded = answer(torch.cat([logits, torch.full((1, 2, 2), 40.0)], dim=1), torch.tensor([[1, 1, 0, 0]]))
    return (
        None
        if torch.allclose(alone, padded, atol=1e-5)
        else f"two positions of padding turn {alone.tolist()} into {padded.tolist()}"
    )


def _loud_and_silent(answer: Answer) -> str | None:
    seen = answer(torch.tensor([[[-500.0, 500.0]]]), torch.tensor([[1]]))[0].tolist()
    right = abs(seen[0]) < 1e-6 and abs(seen[1] - math.log(501)) < 1e-3
    return (
        None if right else f"for logits of -500 and 500 the weights are {seen}, and should be 0 and {math.log(501):.4f}"
    )


VECTOR = Exercise(
    id="16.3",
    title="SPLADE's vector",
    difficulty="medium",
    minutes=8,
    section="Build it: SPLADE's vector",
    signature="(B, T, V), (B, T) -> (B, V)",
    reference=splade_vector,
    another=_text_by_text,
    gradient=True,
    draw=_draw_logits,
    situations=(
        *draws.TEXTS,
        Situation(
            "padding stands between tokens",
            lambda logits, mask: any(
                "01" in row and "10" in row for row in ("".join(map(str, r)) for r in mask.tolist())
            ),
        ),
        Situation(
            "a word is spoken for at padding only",
            lambda logits, mask: bool(((splade_pool(logits, mask) == 0) & (logits.amax(1) > 0)).any()),
        ),
        Situation("a word has only negative logits", lambda logits, mask: bool((logits.amax(1) < 0).any())),
        Situation("a logit is -1 or lower", lambda logits, mask: bool((logits[mask.bool()] <= -1).any())),
        Situation(
            "two tokens speak for the same word",
            lambda logits, mask: bool(((logits > 0) & mask.bool()[:, :, None]).sum(1).amax() > 1),
        ),
    ),
    cases=(
        Case(
            "two texts, three words",
            _two_texts,
            torch.tensor([[math.log(4), 0.0, math.log(1.5)], [0.0, math.log(1.25), math.log(3)]]),
        ),
        Case(
            "one text has no token",
            lambda: (torch.tensor([[[2.0, 1.0]], [[-4.0, 7.0]]]), torch.tensor([[0], [1]])),
            torch.tensor([[0.0, 0.0], [0.0, math.log(8)]]),
        ),
        Case(
            "padding in front and between",
            lambda: (
                torch.tensor(
                    [[[8.0, -1.5, 0.5, 1.0], [0.25, -0.25, -3.0, 2.0], [6.0, 5.0, -0.75, 9.0], [-2.0, -4.0, 1.5, 2.0]]]
                ),
                torch.tensor([[0, 1, 0, 1]]),
            ),
        ),
    ),
    properties=(
        Property("padding is silent, however loud it is", _padding_is_silent),
        Property("the weights are finite and never negative", _loud_and_silent),
    ),
    mistakes=(
        Mistake(
            "the mask is not used",
            _spoken(hide=lambda w, is_token: w),
            "The mask never counts. A model gives logits at padding, too, and they may be the loudest for some word: the text is then found by "
            "words that only its padding speaks for.",
        ),
        Mistake(
            "ones and zeros of the mask exchanged",
            _spoken(hide=lambda w, is_token: _hidden(w, ~is_token)),
            "You listen to the padding and silence the tokens. 1 marks a token.",
        ),
        Mistake(
            "relu after the logarithm",
            _spoken(squash=lambda x: x.log1p().relu()),
            "You take the logarithm first and cut below 0 afterwards. 1 plus a logit below -1 has no logarithm: NaN, and relu does not mend "
            "that. Most logits are that low. Cut first.",
        ),
        Mistake(
            "relu after the logarithm, and the mask after both",
            _spoken(squash=lambda x: x.log1p().relu(), hide=_multiplied),
            "You take the logarithm first and cut below 0 afterwards. 1 plus a logit below -1 has no logarithm: NaN, and neither relu nor a "
            "product with the mask mends that. Cut first.",
        ),
        Mistake(
            "no relu",
            _spoken(squash=lambda x: x, last=lambda w: w.log1p()),
            "Nothing is cut below 0. Weights come out negative, and NaN from -1 down. A word that no token speaks for has weight 0.",
        ),
        Mistake(
            "relu around 1 + the logit",
            _spoken(squash=lambda x: (1 + x).relu().log()),
            "You add 1 before you cut. A logit of -.5 then gives log(.5), which is negative, and one of -2 the logarithm of 0. Cut the logit "
            "itself at 0, then add 1.",
        ),
        Mistake(
            "the 1 is missing",
            _spoken(squash=lambda x: x.relu().log()),
            "You take log of the logit instead of log(1 + the logit). At 0 that is minus infinity, and below 1 it is negative.",
        ),
        Mistake(
            "the 1 is missing, and the mask is multiplied",
            _spoken(squash=lambda x: x.relu().log(), hide=_multiplied),
            "You take log of the logit instead of log(1 + the logit). At 0 that is minus infinity, and 0 times that, at padding, is NaN.",
        ),
        Mistake(
            "1 is added to the logarithm",
            _spoken(squash=lambda x: x.relu().log() + 1, hide=_multiplied),
            "You take log of the logit and add 1. It is log(1 + the logit): 1 is added first, so that 0 becomes log 1, which is 0.",
        ),
        Mistake(
            "no logarithm",
            _spoken(squash=torch.relu),
            "The logarithm is missing. It keeps one loud word from drowning all others: 20 times as loud is not 20 times as much to say.",
        ),
        Mistake(
            "a logarithm twice",
            _spoken(squash=lambda x: x.relu().log1p().log1p()),
            "You take log(1 + …) twice, in each token and once more. Some later models do; here it is once.",
        ),
        Mistake(
            "to another base",
            _spoken(squash=lambda x: (1 + x.relu()).log2()),
            "You take the logarithm to base 2. The natural one is asked for.",
        ),
        Mistake(
            "softplus",
            _spoken(squash=F.softplus),
            "You compute log(1 + e to the power of the logit). That is softplus: it is above 0 for every word, so no word is ever left out. The "
            "logit itself is cut at 0, and 1 is added.",
        ),
        Mistake(
            "the sum over the tokens",
            _spoken(pool=lambda w, is_token: w.sum(1)),
            "You add up over the tokens, as the first SPLADE did. A long text then has heavy words by its length. Keep the loudest token's.",
        ),
        Mistake(
            "the sum before the logarithm",
            _spoken(squash=torch.relu, pool=lambda w, is_token: w.sum(1), last=torch.log1p),
            "You add up over the tokens and take the logarithm of the sum. Keep the loudest token's weight for each word.",
        ),
        Mistake(
            "a softmax over the tokens",
            _spoken(pool=lambda w, is_token: (w.softmax(1) * w).sum(1)),
            "You weigh the tokens by a softmax and add up. That comes near the loudest one only where it is far ahead. Keep the loudest.",
        ),
        Mistake(
            "a root",
            _spoken(squash=lambda x: x.relu().sqrt()),
            "You take the root. It holds loud words back, too, and less so than log(1 + …), which is asked for.",
        ),
        Mistake(
            "the mean over the tokens",
            _spoken(pool=lambda w, is_token: w.sum(1) / is_token.sum(1).clamp(min=1)),
            "You take the mean over the tokens. A word that one token of fifty speaks for then hardly counts. Keep the loudest.",
        ),
        Mistake(
            "the mean over all positions",
            _spoken(pool=lambda w, is_token: w.mean(1)),
            "You take the mean over all positions, padding included. Keep the loudest token's weight.",
        ),
        Mistake(
            "the loudest word of each token",
            lambda logits, mask: _hidden(_squashed(logits), mask.bool()[:, :, None]).amax(2),
            "You take the maximum along the last axis: for each token its loudest word, (B, T). For each word the loudest token is wanted, "
            "(B, V).",
        ),
        Mistake(
            "the maximum over the batch",
            lambda logits, mask: _hidden(_squashed(logits), mask.bool()[:, :, None]).amax((0, 1)).expand(len(mask), -1),
            "Your maximum runs over all texts of the batch as well, so all have the same vector. Each text has its own tokens: axis 1.",
        ),
        Mistake(
            "the first token alone",
            lambda logits, mask: _squashed(logits[:, 0]) * mask[:, :1],
            "You read the first position alone, as with [CLS]. All tokens have a voice.",
        ),
        Mistake(
            "minus infinity without tokens",
            _spoken(hide=lambda w, is_token: w.masked_fill(~is_token, -math.inf)),
            "You silence padding with minus infinity after the logarithm. A text without tokens then has nothing else. No weight is below 0, so "
            "0 silences padding well enough; or put minus infinity in before the relu.",
        ),
        Mistake(
            "a low number before the logarithm",
            _spoken(squash=torch.relu, hide=lambda w, is_token: w.masked_fill(~is_token, -1e9), last=torch.log1p),
            "You put a low number in place of padding after the relu. A text without tokens has nothing else, and that number has no logarithm: "
            "NaN. Put it in before the relu, or put 0.",
        ),
        Mistake(
            "cut to the longest text",
            _cut_to_the_longest,
            "You cut the batch to its longest text. The shorter ones still have padding, and it takes part. Each text has its own row of the mask.",
        ),
        Mistake(
            "divided by the number of tokens",
            _spoken(pool=lambda w, is_token: w.amax(1) / is_token.sum(1).clamp(min=1)),
            "You divide the loudest token's weight by the number of tokens. Nothing has to be divided: a maximum does not grow with the length "
            "as a sum does.",
        ),
        Mistake(
            "padding is taken to stand at the end",
            _from_the_front,
            "You count the tokens and take as many from the front. Padding may stand anywhere: take the positions whose mask is 1.",
        ),
        Mistake(
            "the first text's mask for all",
            lambda logits, mask: splade_pool(logits, mask[:1].expand_as(mask)),
            "All texts are masked as the first one is. Each has its own row.",
        ),
        Mistake(
            "signs do not count",
            _spoken(squash=lambda x: x.abs().log1p()),
            "You take absolute values, so a word that the model is sure does not belong here counts as much as one that does.",
        ),
        Mistake(
            "probabilities first",
            _spoken(before=lambda logits: logits.softmax(2)),
            "You turn the logits into probabilities first. They are never 0, so every word is in the vector, and they share out 1 among all. Use "
            "the logits.",
        ),
        Mistake(
            "at length 1",
            _spoken(last=normalize),
            "You bring the vectors to length 1. How much a text has to say is part of its vector here; nothing is normalized.",
        ),
        Mistake(
            "who speaks, and not how loudly",
            _spoken(last=lambda w: (w > 0).to(w.dtype)),
            "You return 1 for each word that some token speaks for. How loudly is the point.",
        ),
    ),
    hints=(
        "Four steps in some order: cut at 0, the logarithm of 1 plus it, padding, the maximum. Which must come before which?",
        "The mask belongs to B and T; it needs a third axis of length 1 to stand beside the logits.",
        "Every weight is 0 or more. So a 0 in place of padding can never win, and it is also the right answer where nothing else is there.",
    ),
)


# --- 16.7 what a batch of them costs (it stands behind 16.3 in the text) ---------------------


def price(weights: Tensor) -> Tensor:
    """FLOPS: the mean weight of each word in the batch, squared, added up over the words: (B, V) -> scalar."""
    return flops(weights)


def _pairs_of_texts(weights):
    """The mean over all pairs of texts of what they cost one another."""
    return torch.einsum("iv,jv->ij", weights, weights).mean()


def _draw_weights(rng: random.Random) -> tuple[Tensor]:
    """Most weights are 0."""
    found = draws.numbers(rng, rng.randint(1, 4), rng.randint(1, 5)).relu()
    return (found if found.any() else found + 0.5,)


def _who_shares_pays(answer: Answer) -> str | None:
    shared, apart = float(answer(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))), float(answer(torch.eye(2)))
    right = abs(shared - 1) < 1e-4 and abs(apart - 0.5) < 1e-4
    return (
        None
        if right
        else f"one word of weight 1 in both of two texts should cost 1, two different words .5; yours {shared:.4g} and {apart:.4g}"
    )


PRICE = Exercise(
    id="16.7",
    title="what a batch costs",
    difficulty="easy",
    minutes=5,
    section="Build it: what a batch costs",
    signature="(B, V) -> scalar",
    reference=price,
    another=_pairs_of_texts,
    gradient=True,
    draw=_draw_weights,
    situations=(
        Situation("there is one text", lambda weights: len(weights) == 1),
        Situation("there is one word", lambda weights: weights.shape[1] == 1),
        Situation("two texts share a word", lambda weights: bool(((weights > 0).sum(0) > 1).any())),
        Situation("a word is in no text", lambda weights: bool((weights.amax(0) == 0).any())),
        Situation("a text is empty", lambda weights: bool((weights.amax(1) == 0).any())),
        Situation("there are as many texts as words", lambda weights: weights.shape[0] == weights.shape[1]),
    ),
    cases=(
        Case(
            "two texts share a word",
            lambda: (torch.tensor([[2.0, 0.0, 1.0], [2.0, 4.0, 0.0]]),),
            torch.tensor(4.0 + 4.0 + 0.25),
        ),
        Case("each has a word of its own", lambda: (torch.tensor([[0.0, 2.0], [2.0, 0.0]]),), torch.tensor(1.0 + 1.0)),
        Case("one text", lambda: (torch.tensor([[3.0, 0.0, 0.5]]),), torch.tensor(9.25)),
        Case("four texts, two words", lambda: (torch.tensor([[1.0, 0.0], [3.0, 0.5], [0.0, 0.0], [2.0, 1.5]]),)),
    ),
    properties=(Property("a word that all use costs more than words that each uses alone", _who_shares_pays),),
    mistakes=(
        Mistake(
            "each text for itself",
            lambda weights: weights.square().mean(0).sum(),
            "You square each weight and take the mean then: the price of each text by itself. It is the same whether all texts use one word "
            "or each its own. Take the mean first: what everybody uses has the long list that every query must walk through.",
        ),
        Mistake(
            "L1",
            lambda weights: weights.sum(1).mean(),
            "The square is missing: this is the mean sum of a text's weights, L1. It presses on rare and common words alike.",
        ),
        Mistake(
            "the sum over the batch",
            lambda weights: weights.sum(0).square().sum(),
            "You add up over the batch instead of taking the mean. The price then grows with the square of B, so another batch size needs "
            "another weight for it.",
        ),
        Mistake(
            "divided once",
            lambda weights: weights.sum(0).square().sum() / len(weights),
            "You square the sum over the batch and divide by B once. The mean is squared, so B divides twice.",
        ),
        Mistake(
            "the mean over the words",
            lambda weights: weights.mean(0).square().mean(),
            "You take the mean over the words at the end. V is tens of thousands, most words cost nothing, and the price nearly vanishes. Add up.",
        ),
        Mistake(
            "the mean of each text",
            lambda weights: weights.mean(1).square().sum(),
            "You take the mean along the words, one number for each text. It is the mean over the texts, one number for each word: axis 0.",
        ),
        Mistake(
            "not added up",
            lambda weights: weights.mean(0).square(),
            "The squares are right and stand side by side, (V,). A loss is one number: add them up.",
        ),
        Mistake(
            "all added up, then squared",
            lambda weights: weights.mean(0).sum().square(),
            "You add up over the words and square then. Words that have nothing to do with one another are multiplied that way. Square each "
            "word's mean by itself.",
        ),
        Mistake(
            "one mean of everything, squared",
            lambda weights: weights.mean().square(),
            "You take one mean over texts and words, and square it. Each word has its own mean and its own square; these are added up.",
        ),
        Mistake(
            "one sum of everything, squared",
            lambda weights: weights.sum().square(),
            "You add up everything and square it. Each word has its own mean over the texts and its own square; these are added up.",
        ),
        Mistake(
            "one sum of everything, squared, over B",
            lambda weights: weights.sum().square() / len(weights),
            "You add up everything, square it, and divide by B. Each word has its own mean over the texts and its own square; these are added up.",
        ),
        Mistake(
            "the length",
            lambda weights: torch.linalg.vector_norm(weights.mean(0)),
            "You take the root of the sum: the length of the mean vector. The sum of squares itself is asked for.",
        ),
        Mistake(
            "the length, text by text",
            lambda weights: torch.linalg.vector_norm(weights, dim=1).mean(),
            "You take the mean length of the texts' vectors. Asked for is the mean vector, and the sum of its squares.",
        ),
        Mistake(
            "all squares added up",
            lambda weights: weights.square().sum(),
            "You add up the squares of all weights. No mean is taken, so it does not count who shares a word with whom.",
        ),
        Mistake(
            "the mean of all squares",
            lambda weights: weights.square().mean(),
            "You take the mean of all squares. It does not count who shares a word with whom: mean over the texts first, then the square.",
        ),
        Mistake(
            "the distance to a threshold",
            lambda weights: (flops(weights) - 30.0).abs(),
            "You take the distance to a threshold. A batch that is cheaper than that is then pushed to cost more. The price itself is the term, "
            "and 0 is the best it can be.",
        ),
        Mistake(
            "what is above a threshold",
            lambda weights: (flops(weights) - 1.0).relu(),
            "You only charge for what lies above a threshold, so below it nothing presses any more. The price itself is the term.",
        ),
        Mistake(
            "words are counted",
            lambda weights: (weights > 0).float().mean(0).square().sum() + 0 * weights.sum(),
            "You count in how many texts a word stands. That is nearer to what a search costs, and has no gradient: a weight is there or not. "
            "The mean weight stands in for it.",
        ),
        Mistake(
            "words in use are counted",
            lambda weights: (weights > 0).float().sum(1).mean() + 0 * weights.sum(),
            "You count the words of each text. A count has no gradient, and it does not see who shares a word with whom.",
        ),
        Mistake(
            "the loudest text",
            lambda weights: weights.amax(0).square().sum(),
            "You take each word's largest weight in the batch. One text alone then makes a word as dear as all together would. Take the mean.",
        ),
        Mistake(
            "the mean over texts that use the word",
            lambda weights: (weights.sum(0) / (weights > 0).sum(0).clamp(min=1)).square().sum(),
            "You divide by the number of texts that use the word. Then a rare word is as dear as one that all use. Divide by B.",
        ),
        Mistake(
            "only what is shared",
            lambda weights: torch.where((weights > 0).sum(0) > 1, weights.mean(0), 0.0).square().sum(),
            "You charge only for words that more than one text uses. Each word costs the square of its mean, and a rare one little by itself.",
        ),
        Mistake(
            "the variance",
            lambda weights: weights.var(0, unbiased=False).sum(),
            "You compute the variance over the batch. A word that all texts use equally would cost nothing, and it is the dearest of all.",
        ),
        Mistake(
            "the batch times itself, without each text's own square",
            lambda weights: (weights.sum(0).square() - weights.square().sum(0)).sum() / len(weights) ** 2,
            "You leave out what each text has in common with itself. The square of the mean has these parts, too.",
        ),
        Mistake(
            "one over B of the mean",
            lambda weights: weights.mean(0).square().sum() / len(weights),
            "You divide by B once more. The mean over the batch has done that already.",
        ),
    ),
    hints=(
        "The texts of a batch share one index. Along which axis do you meet the same word in all texts?",
        "Three steps, and their order is all there is to it: the mean, the square, the sum.",
        "The mean leaves (V,), one number for each word; then everything is as for one vector.",
    ),
)


# --- 16.4 the ceiling ------------------------------------------------------------------------


def ceiling(judged: Mapping[str, int], scores: Scores, depth: int, k: int) -> tuple[float, float]:
    """The recall at a depth, and the nDCG@k of a reranker that orders the first `depth` by their true grades."""
    qrels, run = {"": judged}, {"": scores}
    # A recall without "@" is that of all that the perfect reranker knows: the first `depth`.
    return pipeline.ceiling(qrels, run, depth, "recall"), pipeline.ceiling(qrels, run, depth, f"ndcg@{k}")


def _dcg(
    grades: Sequence[int],
    gain: Callable[[int], float] = float,
    discount: Callable[[int], float] = lambda rank: math.log2(rank + 1),
) -> float:
    return sum(gain(grade) / discount(rank) for rank, grade in enumerate(grades, start=1))


def _read_of_relevant(judged: Mapping[str, int], read: Sequence[str], depth: int, k: int) -> float:
    return sum(judged.get(p, 0) > 0 for p in read) / sum(grade > 0 for grade in judged.values())


def _highest(
    judged, scores, depth, k, *, first=lambda judged, scores, depth, k: _ranked(scores)[:depth],
    perfect=lambda grades: sorted(grades, reverse=True), cut=lambda grades, k: grades[:k],
    ideal=lambda judged, found, k: sorted(judged.values(), reverse=True)[:k], gain=float, unjudged=0,
    discount=lambda rank: math.log2(rank + 1), recall=_read_of_relevant, nothing=(0.0, 0.0),
):  # fmt: skip
    """The ceiling with one part exchanged."""
    if nothing is not None and not any(judged.values()):
        return nothing
    found = first(judged, scores, depth, k)
    grades = [judged.get(p, unjudged) for p in found]
    best = _dcg(ideal(judged, grades, k), gain, discount)
    reached = _dcg(cut(perfect(grades), k), gain, discount)
    return recall(judged, found, depth, k), reached / best if best or nothing is None else 0.0


def _with(**parts: Any) -> Answer:
    return lambda *args: _highest(*args, **parts)


def _highest_by_counting(judged, scores, depth, k):
    """How many of each grade are within reach, and are there at all."""
    within = {p for p in scores if sum(other > scores[p] for other in scores.values()) < depth}
    there = Counter(judged.values())
    reached = Counter(judged[p] for p in within if p in judged)
    relevant = sum(count for grade, count in there.items() if grade)
    if not relevant:
        return 0.0, 0.0

    def dcg(counts):
        row = np.array([grade for grade in (3, 2, 1) for _ in range(counts[grade])][:k], dtype=float)
        return float((row / np.log2(np.arange(2, len(row) + 2))).sum())

    return sum(count for grade, count in reached.items() if grade) / relevant, dcg(reached) / dcg(there)


def _not_divided(judged, scores, depth, k):
    recall, _ = _highest(judged, scores, depth, k)
    grades = sorted((judged.get(p, 0) for p in _ranked(scores)[:depth]), reverse=True)
    return recall, _dcg(grades[:k]) if any(judged.values()) else 0.0


def _best_of_all_found(judged, scores, depth, k):
    """The best order of the whole run as the ideal."""
    within = sorted((grade for p, grade in judged.items() if p in scores), reverse=True)[:k]
    return _highest(judged, scores, depth, k, ideal=lambda judged, found, k: within)


def _of_those_found(judged, scores, depth, k):
    relevant = sum(grade > 0 for p, grade in judged.items() if p in scores)
    return _highest(
        judged, scores, depth, k, recall=lambda judged, read, depth, k: sum(judged.get(p, 0) > 0 for p in read) / max(1, relevant)
    )  # fmt: skip


def _relevant_first(judged: Mapping[str, int]) -> list[str]:
    return [p for p, grade in judged.items() if grade > 0]


def _condensed(judged, scores, depth, k):
    return [p for p in _ranked(scores) if p in judged][:depth]


def _draw_judged(rng: random.Random) -> tuple[dict[str, int], Fused, int, int]:
    scores = dict(
        zip(
            rng.sample("abcdefgh", rng.randint(0 if rng.random() < 0.2 else 2, 7)),
            rng.sample(range(-20, 90), 7),
            strict=False,
        )
    )
    judged = {p: rng.choice((0, 1, 1, 2, 3)) for p in rng.sample("abcdefghyz", rng.randint(1, 6))}
    if rng.random() < 0.08:
        judged = dict.fromkeys(judged, 0)
    return judged, {p: s / 8 for p, s in scores.items()}, rng.randint(1, 6), rng.choice((1, 2, 3, 3, 10))


def _first_of(scores: Scores, depth: int) -> list[str]:
    return _ranked(scores)[:depth]


def _four_found() -> tuple[dict[str, int], Fused, int, int]:
    """b, a, d, c by score; c is out of reach, z was not found."""
    return {"a": 1, "c": 3, "z": 2, "b": 0}, {"a": 7.0, "b": 9.0, "c": 1.0, "d": 4.0}, 3, 10


def _deeper_is_never_lower(answer: Answer) -> str | None:
    judged, scores, _, k = _four_found()
    found = [answer(judged, scores, depth, k) for depth in (1, 2, 3, 4)]
    for part, name in enumerate(("recall", "nDCG")):
        values = [float(f[part]) for f in found]
        if any(b < a - 1e-9 for a, b in pairwise(values)):
            return f"from depth to depth the {name} goes {', '.join(f'{v:.3f}' for v in values)}"
    return None


# b a d c: only a, of grade 1, is within reach. Without the cut: 3, 2, 1 in the best order.
FOUR = (1 / 3, 1 / (3 + 2 / math.log2(3) + 1 / 2))

CEILING = Exercise(
    id="16.4",
    title="the ceiling",
    difficulty="medium",
    minutes=10,
    section="Build it: the ceiling",
    signature="dict, dict, int, int -> (float, float)",
    reference=ceiling,
    another=_highest_by_counting,
    draw=_draw_judged,
    loops=True,
    situations=(
        Situation("nothing is relevant", lambda judged, s, depth, k: not any(judged.values())),
        Situation("nothing was found", lambda judged, scores, depth, k: not scores),
        Situation("depth is larger than the run", lambda judged, scores, depth, k: depth > len(scores)),
        Situation("depth is larger than k", lambda judged, scores, depth, k: depth > k),
        Situation("k is larger than depth", lambda judged, scores, depth, k: k > depth),
        Situation("the run is not in the order of its scores", lambda judged, s, depth, k: list(s) != _ranked(s)),
        Situation(
            "a relevant passage was found, and stands behind the depth",
            lambda judged, s, depth, k: any(judged.get(p, 0) for p in _ranked(s)[depth:]),
        ),
        Situation(
            "a relevant passage was not found",
            lambda judged, s, depth, k: any(g and p not in s for p, g in judged.items()),
        ),
        Situation(
            "a passage within the depth was not judged",
            lambda judged, s, depth, k: any(p not in judged for p in _first_of(s, depth)),
        ),
        Situation(
            "there are more relevant passages than k", lambda judged, s, depth, k: len(_relevant_first(judged)) > k
        ),
        Situation(
            "relevant passages have different grades", lambda judged, s, depth, k: len({*judged.values()} - {0}) > 1
        ),
        Situation("a judged passage has grade 0", lambda judged, s, depth, k: 0 in judged.values()),
    ),
    cases=(
        Case("three of four are read", _four_found, FOUR),
        Case(
            "all four are read",
            lambda: (*_four_found()[:2], 4, 10),
            (2 / 3, (3 + 1 / math.log2(3)) / (3 + 2 / math.log2(3) + 1 / 2)),
        ),
        Case(
            "k is smaller than the depth",
            lambda: ({"a": 1, "b": 1, "c": 2, "d": 0}, {"d": 0.9, "a": 0.8, "b": 0.3, "c": 0.5}, 4, 2),
            (1.0, 1.0),
        ),
        Case("nothing is relevant", lambda: ({"a": 0, "b": 0}, {"a": 2.0, "c": 1.0}, 5, 3), (0.0, 0.0)),
        Case("nothing was found", lambda: ({"a": 2}, {}, 3, 3), (0.0, 0.0)),
        Case(
            "two of six are read, k = 1",
            lambda: (
                {"c": 2, "e": 3, "f": 1, "a": 1, "y": 1},
                {"f": -1.0, "b": 6.0, "c": 3.5, "a": -2.5, "d": 2.0, "e": 3.0},
                2,
                1,
            ),
            (1 / 5, 2 / 3),
        ),
    ),
    properties=(Property("who reads deeper has no lower ceiling", _deeper_is_never_lower),),
    mistakes=(
        Mistake(
            "the best order of what was found",
            _with(ideal=lambda judged, found, k: sorted(found, reverse=True)[:k]),
            "You divide by the best order of the passages that were read. A perfect reranker always reaches that, so your nDCG is 1 wherever "
            "anything relevant was read. The best order is that of all judged passages, found or not.",
        ),
        Mistake(
            "the best order of the whole run",
            _best_of_all_found,
            "You divide by the best order of what the run holds, read or not. What was never retrieved is missing in both, so the first stage's "
            "losses are not seen. The best order is that of all judged passages.",
        ),
        Mistake(
            "what is missing is found all the same",
            _with(
                first=lambda judged, scores, depth, k: list(judged),
                recall=lambda judged, first, depth, k: 1.0,
            ),
            "Your perfect reranker puts relevant passages first that nobody has retrieved. It can only order what it is given.",
        ),
        Mistake(
            "depth is not used",
            _with(first=lambda judged, scores, depth, k: _ranked(scores)),
            "Your reranker reads the whole run. It reads the first `depth` passages, and what stands behind them it never sees.",
        ),
        Mistake(
            "the first of the dict",
            _with(first=lambda judged, scores, depth, k: list(scores)[:depth]),
            "You take the first `depth` entries of the dict. They stand in any order: those with the highest scores are read.",
        ),
        Mistake(
            "the first ids in the alphabet",
            _with(first=lambda judged, scores, depth, k: sorted(scores)[:depth]),
            "`sorted` of a dict sorts its ids. The passages with the highest scores are read: sort by score.",
        ),
        Mistake(
            "sorted by grade, then cut to the depth",
            _with(first=lambda judged, scores, depth, k: sorted(scores, key=lambda p: -judged.get(p, 0))[:depth]),
            "You sort the whole run by grade and cut to `depth` then. That reranker has read the whole run. The first stage decides who is "
            "among the first `depth`; only these are sorted by grade.",
        ),
        Mistake(
            "the lowest scores are read",
            _with(first=lambda judged, scores, depth, k: sorted(scores, key=scores.get)[:depth]),
            "You sort from low to high, and read the worst of the run. Higher scores are better.",
        ),
        Mistake(
            "the first stage's order",
            _with(perfect=list),
            "You measure the first stage's own order. A perfect reranker sorts what it has read by the grades, best first.",
        ),
        Mistake(
            "relevant ones first, whatever their grade",
            _with(perfect=lambda grades: sorted(grades, key=lambda grade: grade == 0)),
            "You put the relevant passages first, and leave them in the first stage's order among themselves. A perfect reranker sorts by the "
            "grade: a 3 stands before a 1.",
        ),
        Mistake(
            "the worst order",
            _with(perfect=sorted),
            "You sort what was read by grade from low to high. The best one stands first.",
        ),
        Mistake(
            "cut to k, then reranked",
            _with(first=lambda judged, scores, depth, k: _ranked(scores)[: min(depth, k)]),
            "You cut the run to k before it is reranked. Then nothing can come in from behind rank k. Read `depth`, order them, and cut then.",
        ),
        Mistake(
            "k instead of depth",
            _with(first=lambda judged, scores, depth, k: _ranked(scores)[:k], cut=lambda grades, k: grades),
            "You read k passages. It is `depth` that says how many are read; k is where nDCG stops counting.",
        ),
        Mistake(
            "only judged passages take up depth",
            _with(first=_condensed),
            "You leave out what nobody has judged before you count the depth. The reranker does not know who was judged: such passages cost "
            "reading time like any other.",
        ),
        Mistake(
            "unjudged passages are relevant",
            _with(
                unjudged=1,
                recall=lambda judged, read, depth, k: (
                    sum(judged.get(p, 1) > 0 for p in read) / len(_relevant_first(judged))
                ),
            ),
            "A passage that nobody judged counts as relevant with you. It has grade 0.",
        ),
        Mistake(
            "unjudged passages raise",
            _with(first=lambda judged, scores, depth, k: [p for p in _ranked(scores)[:depth] if judged[p] >= 0]),
            "A passage that was read and that nobody judged is no key of `judged`, and you look it up there. It has grade 0.",
        ),
        Mistake(
            "one too few is read",
            _with(first=lambda judged, scores, depth, k: _ranked(scores)[: depth - 1]),
            "You read one passage too few. `depth` passages are read, from rank 1 to rank `depth`.",
        ),
        Mistake(
            "one too many is read",
            _with(first=lambda judged, scores, depth, k: _ranked(scores)[: depth + 1]),
            "You read one passage too many: a slice that ends at `depth` already holds as many.",
        ),
        Mistake(
            "nDCG does not stop at k",
            _with(cut=lambda grades, k: grades, ideal=lambda judged, found, k: sorted(judged.values(), reverse=True)),
            "k never counts: your DCG goes on to the end of what was read, and so does the best one. Both stop at rank k.",
        ),
        Mistake(
            "the best order does not stop at k",
            _with(ideal=lambda judged, found, k: sorted(judged.values(), reverse=True)),
            "Your best DCG counts all relevant passages, and k places cannot hold them all. It stops at rank k, like the other.",
        ),
        Mistake(
            "the reached order does not stop at k",
            _with(cut=lambda grades, k: grades),
            "Your reached DCG goes on behind rank k, and the best one stops there, so your nDCG can be above 1. Both stop at rank k.",
        ),
        Mistake(
            "the best order stops at the depth",
            _with(ideal=lambda judged, found, k: sorted(judged.values(), reverse=True)[: min(len(found), k)]),
            "You cut the best order to as many passages as were read. A reranker that reads less then looks as good as one that reads all. "
            "It stops at k, whatever was read.",
        ),
        Mistake(
            "gain 2^grade - 1",
            _with(gain=lambda grade: 2.0**grade - 1),
            "You use the gain 2^grade - 1. Here the gain is the grade itself, as in trec_eval and chapter 03.",
        ),
        Mistake(
            "grades do not count",
            _with(gain=lambda grade: float(grade > 0)),
            "Every relevant passage counts 1 in your nDCG. The gain is the grade.",
        ),
        Mistake(
            "no discount",
            _with(discount=lambda rank: 1.0),
            "Every rank counts alike in your nDCG. Divide by log2(rank + 1).",
        ),
        Mistake(
            "the first two ranks are not discounted",
            _with(discount=lambda rank: math.log2(max(2, rank))),
            "Your discount is log2(rank) from rank 2 on, as in the oldest form of nDCG: the first two ranks count alike. It is log2(rank + 1).",
        ),
        Mistake(
            "log2 of 1",
            _with(discount=lambda rank: math.log2(rank)),
            "You divide by log2 of the rank, and the logarithm of 1 is 0. With ranks from 1 it is log2(rank + 1); with places from 0 it is "
            "log2(place + 2).",
        ),
        Mistake(
            "not divided by the best",
            _not_divided,
            "Your second number is the DCG itself. The n in nDCG stands for normalized: divide by the DCG of the best order.",
        ),
        Mistake(
            "the discount 1 / rank",
            _with(discount=lambda rank: float(rank)),
            "You divide by the rank. nDCG divides by log2(rank + 1), which falls more slowly.",
        ),
        Mistake(
            "ranks counted from 0 in the discount",
            _with(discount=lambda rank: math.log2(rank + 2)),
            "Your discount is log2(rank + 2) with ranks from 1. It is log2(rank + 1): the first is not discounted.",
        ),
        Mistake(
            "a share of what was read",
            _with(recall=lambda judged, first, depth, k: sum(judged.get(p, 0) > 0 for p in first) / max(1, len(first))),
            "You divide by the number of passages that were read: that is precision. Recall divides by the number of relevant passages.",
        ),
        Mistake(
            "divided by the depth",
            _with(recall=lambda judged, first, depth, k: sum(judged.get(p, 0) > 0 for p in first) / depth),
            "You divide by the depth: that is precision. Recall divides by the number of relevant passages.",
        ),
        Mistake(
            "a share of what the run holds",
            _of_those_found,
            "You divide by the relevant passages that the run holds somewhere. Then a first stage that finds one of ten, on top, has recall 1. "
            "Divide by all relevant passages.",
        ),
        Mistake(
            "all judged are relevant",
            _with(recall=lambda judged, first, depth, k: sum(p in judged for p in first) / len(judged)),
            "Your recall counts every judged passage, also with grade 0. Only a grade above 0 is relevant.",
        ),
        Mistake(
            "divided by all judged",
            _with(recall=lambda judged, first, depth, k: sum(judged.get(p, 0) > 0 for p in first) / len(judged)),
            "You divide by the number of judged passages, those with grade 0 among them. Divide by the relevant ones.",
        ),
        Mistake(
            "recall of the grades",
            _with(recall=lambda judged, first, depth, k: sum(judged.get(p, 0) for p in first) / sum(judged.values())),
            "Your recall adds up grades. It counts passages: each relevant one as 1.",
        ),
        Mistake(
            "recall at k",
            _with(
                recall=lambda judged, first, depth, k: (
                    sum(sorted((judged.get(p, 0) > 0 for p in first), reverse=True)[:k]) / len(_relevant_first(judged))
                )
            ),
            "Your recall stops at k. It is the recall of all that was read, up to `depth`.",
        ),
        Mistake(
            "found or not",
            _with(recall=lambda judged, first, depth, k: float(any(judged.get(p, 0) for p in first))),
            "Your recall is 1 as soon as one relevant passage was read: that is the hit rate. Recall is the share of them.",
        ),
        Mistake(
            "at most the depth can be found",
            _with(
                recall=lambda judged, first, depth, k: (
                    sum(judged.get(p, 0) > 0 for p in first) / min(depth, len(_relevant_first(judged)))
                )
            ),
            "Where there are more relevant passages than `depth`, you divide by `depth`. Recall always divides by all relevant ones; that is why "
            "a small depth has a low ceiling.",
        ),
        Mistake(
            "1 where nothing is relevant",
            _with(nothing=(1.0, 1.0)),
            "Where nothing is relevant you return 1, as if all had been found. The contract gives 0.",
        ),
        Mistake(
            "an error where nothing is relevant",
            _with(nothing=None),
            "Where nothing is relevant you divide by zero. Both numbers are 0 there.",
        ),
        Mistake(
            "nDCG first",
            lambda *args: _highest(*args)[::-1],
            "The right numbers in the other order. The recall comes first.",
        ),
    ),
    hints=(
        "Who is read? In which order would somebody put them who knows the grades? And against what is that held?",
        "The passages with the highest scores, `depth` of them. A passage that nobody judged has grade 0.",
        "Two sorted lists of grades, both cut at k: that of the passages read, and that of all judged ones.",
    ),
)


# --- 16.5 the other way round ----------------------------------------------------------------


def smallest_cut() -> tuple[list[str], dict[str, float], int, int]:
    """Two passages, of which the judge prefers the second; one is wanted."""
    return ["a", "b"], {"a": 0.1, "b": 0.9}, 2, 1


def _rerank_then_cut(first: Any, judge: Any, depth: int, k: int) -> list:
    return sorted(first[:depth], key=lambda p: -judge[p])[:k]


def _cut_then_rerank(first: Any, judge: Any, depth: int, k: int) -> list:
    return sorted(first[:k], key=lambda p: -judge[p])


def _not_a_run(first: Any, judge: Any, depth: Any, k: Any) -> str | None:
    if not isinstance(first, list | tuple) or not first:
        return "first must be a list of ids, best first, such as ['a', 'b', 'c']"
    if len(set(first)) < len(first):
        return "an id stands twice in first"
    if not isinstance(judge, Mapping):
        return "judge must be a dict: id -> score"
    if any(p not in judge for p in first):
        return "judge must have a score for each id of first"
    if not all(isinstance(judge[p], int | float) and math.isfinite(judge[p]) for p in first):
        return "the scores of judge must be numbers that are finite"
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in (depth, k)) or not 1 <= k <= depth:
        return "depth and k must be whole numbers, k at least 1 and depth at least k"
    return None


def _shown(first: Any, judge: Any, depth: int, k: int) -> bool:
    return _rerank_then_cut(first, judge, depth, k) != _cut_then_rerank(first, judge, depth, k)


def _read_scores(first: Any, judge: Any, depth: int) -> list[float]:
    return [judge[p] for p in first[:depth]]


REVERSED = Reversed(
    id="16.5",
    title="cut too early",
    difficulty="easy",
    minutes=5,
    section="Build it: cut too early",
    signature="() -> list of ids, dict of scores, int, int",
    reference=smallest_cut,
    another=lambda: (("x", "y"), {"y": -1, "x": -2}, 7, 1),
    right=_rerank_then_cut,
    wrong=_cut_then_rerank,
    valid=_not_a_run,
    smallest=2,
    measure=lambda first, judge, depth, k: len(first),
    cases=(Case("nothing is passed in", lambda: (), smallest_cut()),),
    mistakes=(
        Mistake(
            "scores of the first stage",
            lambda: ({"a": 2.0, "b": 1.0}, {"a": 0.1, "b": 0.9}, 2, 1),
            "You give the first stage's scores. Its order is all that is asked for: a list of ids, best first.",
            when=lambda first, judge, depth, k: isinstance(first, Mapping),
        ),
        Mistake(
            "scores in a list",
            lambda: (["a", "b"], [0.1, 0.9], 2, 1),
            "The judge's scores stand in a list. Give a dict, id -> score, so that it is clear whose they are.",
            when=lambda first, judge, depth, k: isinstance(judge, list | tuple),
        ),
        Mistake(
            "an id twice",
            lambda: (["a", "a"], {"a": 0.9}, 2, 1),
            "A run holds each passage once.",
            when=lambda first, judge, depth, k: len(set(first)) < len(first),
        ),
        Mistake(
            "a passage without a score",
            lambda: (["a", "b"], {"b": 0.9}, 2, 1),
            "The judge has no score for one of the passages. It may be asked about each.",
            when=lambda first, judge, depth, k: any(p not in judge for p in first),
        ),
        Mistake(
            "depth and k exchanged",
            lambda: (["a", "b"], {"a": 0.1, "b": 0.9}, 1, 2),
            "You read fewer than you return. `depth` is how many are read, `k` how many are wanted, and depth is at least k.",
            when=lambda first, judge, depth, k: k > depth,
        ),
        Mistake(
            "nothing is wanted",
            lambda: (["a", "b"], {"a": 0.1, "b": 0.9}, 2, 0),
            "With k = 0 both return nothing. One at least is wanted.",
            when=lambda first, judge, depth, k: k < 1,
        ),
        Mistake(
            "one passage",
            lambda: (["a"], {"a": 0.9}, 2, 1),
            "There is one passage, and it is returned either way. Somebody must be kept out.",
            when=lambda first, judge, depth, k: len(first) == 1,
        ),
        Mistake(
            "no more is read than is wanted",
            lambda: (["a", "b"], {"a": 0.1, "b": 0.9}, 1, 1),
            "Depth and k are equal, so both read the same passages. Then it does not matter when you cut.",
            when=lambda first, judge, depth, k: depth == k,
        ),
        Mistake(
            "everything is wanted",
            lambda: (["a", "b"], {"a": 0.1, "b": 0.9}, 3, 2),
            "As many are wanted as there are, so nobody is cut off too early. Want fewer.",
            when=lambda first, judge, depth, k: k >= len(first),
        ),
        Mistake(
            "the judge has no opinion",
            lambda: (["a", "b"], {"a": 0.5, "b": 0.5}, 2, 1),
            "The judge gives all the same score, so the first stage's order stays, either way.",
            when=lambda first, judge, depth, k: len(set(_read_scores(first, judge, depth))) == 1,
        ),
        Mistake(
            "the better one is out of reach",
            lambda: (["a", "b", "c"], {"a": 0.6, "b": 0.2, "c": 0.9}, 2, 1),
            "The passage that the judge would lift stands behind the depth, so the right way does not read it either.",
            when=lambda first, judge, depth, k: (
                not _shown(first, judge, depth, k)
                and max((judge[p] for p in first[depth:]), default=-math.inf) > min(_read_scores(first, judge, k))
            ),
        ),
        Mistake(
            "only the wanted ones change places",
            lambda: (["a", "b", "c"], {"a": 0.6, "b": 0.9, "c": 0.1}, 3, 2),
            "The judge only turns round the order of the first k. Both ways see that. Which passage must move to make a difference?",
            when=lambda first, judge, depth, k: (
                not _shown(first, judge, depth, k) and _cut_then_rerank(first, judge, depth, k) != list(first[:k])
            ),
        ),
        Mistake(
            "the judge agrees with the first stage",
            lambda: (["a", "b"], {"a": 0.9, "b": 0.1}, 2, 1),
            "The judge would keep the same passages, in the same order. It has to think better of one that the first stage has put behind k. "
            "Higher scores are better.",
            when=lambda first, judge, depth, k: not _shown(first, judge, depth, k),
        ),
        Mistake(
            "more passages than it takes",
            lambda: (["a", "b", "c"], {"a": 0.1, "b": 0.2, "c": 0.9}, 3, 1),
            "It shows the mistake, with more passages than it takes. One that is kept out and one that stays are enough.",
            when=lambda first, judge, depth, k: len(first) > 2 and _shown(first, judge, depth, k),
        ),
    ),
    hints=(
        "The two ways see different passages. Which ones does only the right way see?",
        "A passage must stand behind k and within the depth, and the judge must like it better than one of the first k.",
        "How many passages are wanted, at the least? And how many more have to be there?",
    ),
)


# --- 16.6 a search within a budget -----------------------------------------------------------


class Finds:
    """A retriever that knows one query: what it finds is written down."""

    def __init__(self, query: str, found: Scores):
        self.query, self.found = query, dict(found)

    def __call__(self, query: str) -> Fused:
        return dict(self.found) if query == self.query else {}

    def __repr__(self) -> str:
        return f"finds {compare.render(self.found)}"


class Judge:
    """A reranker that knows one query: (query, passage) pairs -> a score for each."""

    def __init__(self, query: str, scores: Scores):
        self.query, self.scores = query, dict(scores)

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        known = {(self.query, passage): score for passage, score in self.scores.items()}
        return [known[query, passage] for query, passage in pairs]

    def __repr__(self) -> str:
        return f"judges {compare.render(self.scores)}"


Retrievers = Mapping[str, Callable[[str], Scores]]
Score = Callable[[list[tuple[str, str]]], Sequence[float]]


def search_within(
    query: str,
    retrievers: Retrievers,
    milliseconds: Mapping[str, int],
    per_pair: int,
    budget: int,
    k: int,
    score: Score,
) -> list[str]:
    """Retrieve, fuse, and rerank as many as the budget holds; the k first ids."""
    return _staged(query, retrievers, milliseconds, per_pair, budget, k, score)


def _pairs_scored(query: str, ids: Sequence[str], score: Score) -> Fused:
    return dict(zip(ids, score([(query, passage) for passage in ids]), strict=True)) if ids else {}


def _refused(left: int) -> None:
    if left < 0:
        raise ValueError(f"the retrievers alone take {-left} ms more than there are")


def _read_first(fused: Fused, found: Fused) -> list[str]:
    """What was read, by its new score; behind it what was not."""
    return [*_ranked(found), *(p for p in fused if p not in found)]


def _all_of_them(names: Sequence[str], milliseconds: Mapping[str, int]) -> int:
    return sum(milliseconds[name] for name in names)


def _staged(
    query, retrievers, milliseconds, per_pair, budget, k, score, *, spent=_all_of_them,
    refuse=_refused, fit=lambda left, per_pair, budget: left // per_pair, fuse=lambda runs, k: rrf(runs, 60),
    read=lambda fused, n, k: list(fused)[:n], order=_read_first, last=lambda ids, found, k: ids[:k],
):  # fmt: skip
    """The search with one part exchanged."""
    left = budget - spent(list(retrievers), milliseconds)
    refuse(left)
    fused = fuse([search(query) for search in retrievers.values()], k)
    found = _pairs_scored(query, read(fused, fit(left, per_pair, budget), k), score)
    return last(order(fused, found), found, k)


def _searching(**parts: Any) -> Answer:
    return lambda *args: _staged(*args, **parts)


def _pair_by_pair(query, retrievers, milliseconds, per_pair, budget, k, score):
    """Pay for one thing after another; a place in the order is a key of three."""
    runs = []
    for name, retriever in retrievers.items():
        budget -= milliseconds[name]
        runs.append(retriever(query))
    if budget < 0:
        raise ValueError("no time is left")
    keys = []
    for place, passage in enumerate(_counted_ranks(runs, 60)):
        is_read = budget >= per_pair
        budget -= per_pair if is_read else 0
        keys.append((not is_read, -score([(query, passage)])[0] if is_read else 0.0, place, passage))
        if not is_read:
            budget = 0
    return [passage for *_, passage in sorted(keys)[:k]]


def _everything_scored(query, retrievers, milliseconds, per_pair, budget, k, score):
    left = budget - sum(milliseconds[name] for name in retrievers)
    _refused(left)
    fused = rrf([search(query) for search in retrievers.values()], 60)
    found = _pairs_scored(query, list(fused), score)
    return _read_first(fused, {p: found[p] for p in list(fused)[: left // per_pair]})[:k]


def _asked_twice(query, retrievers, milliseconds, per_pair, budget, k, score):
    for search in retrievers.values():
        search(query)
    return _staged(query, retrievers, milliseconds, per_pair, budget, k, score)


def _each_run_reranked(query, retrievers, milliseconds, per_pair, budget, k, score):
    """The first n of each retriever are read, and what comes of it is fused."""
    left = budget - sum(milliseconds[name] for name in retrievers)
    _refused(left)
    runs = []
    for search in retrievers.values():
        fused = rrf([search(query)], 60)
        found = _pairs_scored(query, list(fused)[: left // per_pair], score)
        runs.append({p: -float(i) for i, p in enumerate(_read_first(fused, found))})
    return list(rrf(runs, 60))[:k]


def _called_in(order: Callable[[Retrievers, Mapping[str, int]], Any]) -> Answer:
    """The retrievers called, and fused, in another order."""

    def answer(query, retrievers, milliseconds, *rest):
        return _staged(query, {name: retrievers[name] for name in order(retrievers, milliseconds)}, milliseconds, *rest)

    return answer


def _all_or_nothing(query, retrievers, milliseconds, per_pair, budget, k, score):
    def fitting(fused, n, k):
        return list(fused) if n >= len(fused) else []

    return _staged(query, retrievers, milliseconds, per_pair, budget, k, score, read=fitting)


def _seam_torn(query, retrievers, milliseconds, per_pair, budget, k, score):
    """The first unread passage is left out."""
    left = budget - sum(milliseconds[name] for name in retrievers)
    _refused(left)
    n = left // per_pair
    return _staged(
        query, retrievers, milliseconds, per_pair, budget, k, score,
        order=lambda fused, found: [*_ranked(found), *list(fused)[n + 1 :]],
    )  # fmt: skip


def _nothing_returned(query, retrievers, milliseconds, per_pair, budget, k, score):
    try:
        return _staged(query, retrievers, milliseconds, per_pair, budget, k, score)
    except ValueError:
        return []


def _a_price_for_each_retriever(query, retrievers, milliseconds, per_pair, *rest):
    return _staged(query, retrievers, milliseconds, per_pair * len(retrievers), *rest)


def _kept_by_all(runs: Sequence[Scores], k: int) -> Fused:
    return {p: s for p, s in rrf(runs, 60).items() if all(p in scores for scores in runs)}


def _lists_joined(runs: Sequence[Scores], k: int) -> Fused:
    return dict.fromkeys((p for scores in runs for p in _ranked(scores)), 0.0)


def _sums_of_scores(runs: Sequence[Scores], k: int) -> Fused:
    return _ranks_fused(runs, 60, share=lambda k, rank, score: score)


QUERY = "heart attack"


def _made(
    runs: Mapping[str, Scores], milliseconds: Mapping[str, int], per_pair: int, budget: int, k: int, scores: Scores
) -> Callable[[], tuple]:
    return lambda: (
        QUERY,
        {name: Finds(QUERY, found) for name, found in runs.items()},
        dict(milliseconds),
        per_pair,
        budget,
        k,
        Judge(QUERY, scores),
    )


TWO = {"bm25": KEYWORDS, "dense": COSINES}
TEN_AND_TWENTY = {"dense": 20, "bm25": 10}
OPINIONS = {"A": -1.0, "B": 9.0, "C": 3.5, "D": 4.0, "E": 8.0}


def _draw_search(rng: random.Random) -> tuple:
    while True:
        runs = [_draw_scores(rng) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
        if _clear_sums(runs, 60):
            break
    names = rng.sample(("bm25", "dense", "splade"), len(runs))
    milliseconds = {name: rng.choice((5, 10, 20, 30)) for name in rng.sample(names, len(names))}
    per_pair = rng.choice((5, 8, 10, 30))
    room = rng.choice(
        (
            -7,
            -1,
            0,
            rng.randint(0, per_pair - 1),
            *(n * per_pair + rng.randint(0, per_pair - 1) for n in (1, 1, 2, 2, 3, 3, 4, 9)),
        )
    )
    scores = {p: round(rng.uniform(-6, 9), 1) for p in NAMES}
    if rng.random() < 0.3:
        scores = {p: float(round(s / 5)) for p, s in scores.items()}  # some are equal
    elif rng.random() < 0.3:
        scores = {p: s / 1000 for p, s in scores.items()}  # as probabilities near 0
    budget = sum(milliseconds.values()) + room
    found = _made(
        dict(zip(names, runs, strict=True)),
        milliseconds,
        per_pair,
        max(budget, 1),
        rng.choice((1, 1, 2, 3, 4, 9)),
        scores,
    )
    return found()


def _budgeted(args: tuple) -> tuple[int, int, int]:
    """What is left for pairs, how many fit, and how many candidates there are."""
    query, retrievers, milliseconds, per_pair, budget, *_ = args
    left = budget - sum(milliseconds.values())
    return left, left // per_pair, len({p for search in retrievers.values() for p in search(query)})


def _counted(answer: Answer, per_pair: int) -> tuple[int, list[str]]:
    """How many pairs were scored, and which retrievers were asked, where 80 ms are left for pairs."""
    pairs: list[int] = []
    asked: list[str] = []

    def search(name: str, found: Scores) -> Callable[[str], Fused]:
        def retrieve(query: str) -> Fused:
            asked.append(name)
            return dict(found)

        return retrieve

    def score(given):
        given = list(given)
        pairs.append(len(given))
        return [OPINIONS[p] for _, p in given]

    retrievers = {name: search(name, found) for name, found in TWO.items()}
    answer(QUERY, retrievers, dict(TEN_AND_TWENTY), per_pair, 110, 1, score)
    return sum(pairs), asked


def _no_more_than_fit(answer: Answer) -> str | None:
    pairs, _ = _counted(answer, 40)
    return None if pairs == 2 else f"with room for 2 pairs among 5 candidates, {pairs} were scored"


def _none_where_none_fits(answer: Answer) -> str | None:
    pairs, _ = _counted(answer, 90)
    return None if pairs == 0 else f"with 80 ms left and 90 for a pair, {pairs} were scored"


def _each_asked_once(answer: Answer) -> str | None:
    _, asked = _counted(answer, 40)
    return (
        None
        if sorted(asked) == ["bm25", "dense"]
        else f"of the retrievers bm25 and dense these were asked: {', '.join(asked)}"
    )


SEARCH = Exercise(
    id="16.6",
    title="a search within a budget",
    difficulty="hard",
    minutes=20,
    section="Build it: a search within a budget",
    signature="str, dict, dict, int, int, int, score -> list of ids",
    reference=search_within,
    another=_pair_by_pair,
    draw=_draw_search,
    loops=True,
    situations=(
        Situation("the retrievers alone exceed the budget", lambda *args: _budgeted(args)[0] < 0),
        Situation("the retrievers use the budget up exactly", lambda *args: _budgeted(args)[0] == 0),
        Situation("the budget has room for no pair", lambda *args: 0 <= _budgeted(args)[0] < args[3]),
        Situation("time is left that is too short for a pair", lambda *args: _budgeted(args)[0] % args[3] != 0),
        Situation("fewer candidates were found than fit", lambda *args: _budgeted(args)[2] < _budgeted(args)[1]),
        Situation("more passages fit than are wanted", lambda *args: _budgeted(args)[1] > args[5]),
        Situation("more passages are wanted than fit", lambda *args: 0 <= _budgeted(args)[1] < args[5]),
        Situation("k is larger than the number of candidates", lambda *args: args[5] > _budgeted(args)[2]),
        Situation("there is one retriever", lambda *args: len(args[1]) == 1),
        Situation("there are three retrievers", lambda *args: len(args[1]) == 3),
        Situation("a retriever finds nothing", lambda *args: any(not search(QUERY) for search in args[1].values())),
        Situation("the judge gives equal scores", lambda *args: _has_equal(args[6].scores.values())),
    ),
    cases=(
        Case("room for two pairs, three wanted", _made(TWO, TEN_AND_TWENTY, 40, 110, 3, OPINIONS), ["C", "A", "B"]),
        Case("room for four pairs, one wanted", _made(TWO, TEN_AND_TWENTY, 20, 110, 1, OPINIONS), ["B"]),
        Case("room for no pair", _made(TWO, TEN_AND_TWENTY, 90, 110, 4, OPINIONS), ["A", "C", "B", "E"]),
        Case("the retrievers use all of it", _made(TWO, TEN_AND_TWENTY, 5, 30, 2, OPINIONS), ["A", "C"]),
        Case("the retrievers exceed it", _made(TWO, TEN_AND_TWENTY, 5, 29, 2, OPINIONS)),
        Case(
            "room for all, and the judge is undecided",
            _made(TWO, TEN_AND_TWENTY, 3, 110, 9, {"A": 1.0, "B": 2.0, "C": 1.0, "D": 2.0, "E": 2.0}),
            ["B", "E", "D", "A", "C"],
        ),
        Case(
            "the judge's scores are small",
            _made(TWO, TEN_AND_TWENTY, 3, 110, 4, {p: s / 1000 for p, s in OPINIONS.items()}),
            ["B", "E", "D", "C"],
        ),
        Case(
            "fourth in both, and first in one",
            _made(
                {"bm25": {"A": 9.0, "B": 8.0, "C": 7.0, "D": 6.0}, "dense": {"E": 0.9, "F": 0.8, "G": 0.7, "D": 0.6}},
                TEN_AND_TWENTY,
                90,
                110,
                1,
                {},
            ),
            ["D"],
        ),
        Case(
            "each finds one passage, and no pair fits",
            _made(
                {"splade": {"S": 2.0}, "bm25": {"B": 9.0}, "dense": {"D": 0.9}},
                {"dense": 20, "splade": 30, "bm25": 10},
                90,
                110,
                3,
                {},
            ),
            ["S", "B", "D"],
        ),
        Case(
            "the judge likes nothing",
            _made(TWO, TEN_AND_TWENTY, 40, 110, 3, {"A": -5.0, "B": -9.0, "C": -3.5, "D": -1.0, "E": -2.0}),
            ["C", "A", "B"],
        ),
        Case("one retriever", _made({"dense": COSINES}, {"dense": 20}, 40, 110, 3, OPINIONS), ["C", "A", "E"]),
        Case("nothing was found", _made({"bm25": {}, "dense": {}}, TEN_AND_TWENTY, 40, 110, 3, OPINIONS), []),
    ),
    properties=(
        Property("no more pairs are scored than fit", _no_more_than_fit),
        Property("where no pair fits, none is scored", _none_where_none_fits),
        Property("each retriever is asked once", _each_asked_once),
    ),
    mistakes=(
        Mistake(
            "cut to k, then reranked",
            _searching(read=lambda fused, n, k: list(fused)[: min(n, k)]),
            "You rerank no more than the k that are wanted. Then the same k come back in another order, and nothing can come in from behind. "
            "Read as many as fit, and cut to k at the end.",
        ),
        Mistake(
            "k are read, whatever the budget",
            _searching(read=lambda fused, n, k: list(fused)[:k]),
            "You rerank k passages. It is the budget that says how many are read, and k how many are returned.",
        ),
        Mistake(
            "k are read at the least",
            _searching(read=lambda fused, n, k: list(fused)[: max(n, k)]),
            "You rerank k passages also where fewer fit. The budget decides how many are read; what was not read still can be returned.",
        ),
        Mistake(
            "all or nothing",
            _all_or_nothing,
            "Where not all candidates fit, you rerank none. Rerank as many as fit: the first ones.",
        ),
        Mistake(
            "everything is read",
            _searching(read=lambda fused, n, k: list(fused)),
            "You rerank all candidates, and the budget never counts. How many pairs fit in what the retrievers have left?",
        ),
        Mistake(
            "everything is scored, and little of it used",
            _everything_scored,
            "The result is right, and you score all candidates for it. The time is spent when the reranker reads a pair, not when its score is "
            "used. Cut first, then score.",
        ),
        Mistake(
            "retrievers are asked twice",
            _asked_twice,
            "The result is right, and each retriever is asked twice. Each call costs its milliseconds: keep what it gave.",
        ),
        Mistake(
            "what was not read is dropped",
            _searching(last=lambda ids, found, k: [p for p in ids if p in found][:k]),
            "You return only what was reranked. Where fewer fit than are wanted, the list is too short, and empty where none fits. What was not "
            "read stands behind.",
        ),
        Mistake(
            "one is lost between read and unread",
            _seam_torn,
            "The first passage that was not read is missing. What is read ends where the rest begins: [:n] and [n:].",
        ),
        Mistake(
            "both kinds of scores in one list",
            _searching(order=lambda fused, found: _ranked({p: found.get(p, s) for p, s in fused.items()})),
            "You sort read and unread passages together: a reranker's 3.5 or -1 beside a fused sum of .03. These have nothing to do with each "
            "other. What was read stands in front, also with a negative score.",
        ),
        Mistake(
            "unread passages have a score of 0",
            _searching(order=lambda fused, found: _ranked({p: found.get(p, 0.0) for p in fused})),
            "What was not read has 0 with you, and goes in front of what was read and scored negative. No score is no 0: what was read stands "
            "in front, whatever its score.",
        ),
        Mistake(
            "new and old scores added",
            _searching(order=lambda fused, found: _read_first(fused, {p: s + fused[p] for p, s in found.items()})),
            "You add the fused sum to the reranker's score. Small scores, such as probabilities near 0, are then decided by the first stages, "
            "which have not read the texts together. The new score alone decides; equal ones keep the fused order.",
        ),
        Mistake(
            "the retrievers run side by side",
            _searching(spent=lambda names, ms: max(ms[n] for n in names)),
            "You take off the slowest retriever's time, as if all ran side by side. They run one after another: their times are added up.",
        ),
        Mistake(
            "the retrievers cost nothing",
            _searching(spent=lambda names, ms: 0),
            "You divide the whole budget by the time of a pair. The retrievers have used some of it.",
        ),
        Mistake(
            "the retrievers cost nothing, after the check",
            _searching(fit=lambda left, per_pair, budget: budget // per_pair),
            "You check the retrievers' time and then divide the whole budget by the time of a pair. Divide what is left.",
        ),
        Mistake(
            "the first retriever's time alone",
            _searching(spent=lambda names, ms: ms[names[0]]),
            "You take off the time of one retriever. Each costs its own.",
        ),
        Mistake(
            "rounded up",
            _searching(fit=lambda left, per_pair, budget: -(-left // per_pair)),
            "You round the number of pairs up. The last one ends after the budget does: round down.",
        ),
        Mistake(
            "rounded",
            _searching(fit=lambda left, per_pair, budget: round(left / per_pair)),
            "You round to the nearest number of pairs. Where that is up, the last pair ends after the budget does: round down.",
        ),
        Mistake(
            "one pair at least",
            _searching(fit=lambda left, per_pair, budget: max(1, left // per_pair)),
            "You read one pair at least, also where the budget has no room for it. The order stays what it was, for one passage cannot change "
            "places with itself; the time is gone all the same.",
        ),
        Mistake(
            "one pair too few",
            _searching(fit=lambda left, per_pair, budget: max(0, left // per_pair - 1)),
            "You read one pair fewer than fit.",
        ),
        Mistake(
            "each pair paid once for each retriever",
            _a_price_for_each_retriever,
            "You multiply the time of a pair by the number of retrievers. A fused passage is read once, whoever has found it.",
        ),
        Mistake(
            "milliseconds as pairs",
            _searching(fit=lambda left, per_pair, budget: left),
            "You read one pair for each millisecond that is left. Divide by what a pair takes.",
        ),
        Mistake(
            "an error where nothing is left",
            _searching(refuse=lambda left: _refused(left - 1)),
            "You raise an error where the retrievers use the budget up exactly. They fit: the fused order is returned, and nothing is reranked.",
        ),
        Mistake(
            "an error where no pair fits",
            lambda query, retrievers, ms, per_pair, budget, k, score: _staged(
                query, retrievers, ms, per_pair, budget, k, score, refuse=lambda left: _refused(left - per_pair)
            ),
            "You raise an error where the budget has no room for a pair. The search can still answer, in fused order. An error is due only "
            "where the retrievers alone exceed it.",
        ),
        Mistake(
            "no error",
            _searching(refuse=lambda left: None, fit=lambda left, per_pair, budget: max(0, left // per_pair)),
            "Where the retrievers alone exceed the budget you return the fused order, late. Raise ValueError: whoever set the budget must know.",
        ),
        Mistake(
            "an empty list instead of an error",
            _nothing_returned,
            "Where the retrievers alone exceed the budget you return an empty list. That looks like a search that has found nothing. Raise "
            "ValueError.",
        ),
        Mistake(
            "a negative number of pairs",
            _searching(refuse=lambda left: None),
            "Where the retrievers alone exceed the budget, a negative number of pairs fits, and a slice that ends at -2 takes all but the last "
            "two. Raise ValueError there.",
        ),
        Mistake(
            "k of the fusion is the number wanted",
            _searching(fuse=lambda runs, k: rrf(runs, k)),
            "You hand `k` to the fusion. Two things are called k: how many are wanted, and what is added to a rank. The latter is 60 here.",
        ),
        Mistake(
            "raw scores added",
            _searching(fuse=_sums_of_scores),
            "You fuse by adding up raw scores, so one retriever decides alone. Fuse by RRF.",
        ),
        Mistake(
            "a weighted sum",
            _searching(fuse=lambda runs, k: weighted_sum(runs, [1.0] * len(runs))),
            "You fuse by a weighted sum of normalized scores. Fuse by RRF.",
        ),
        Mistake(
            "retrievers in the order of their times",
            _called_in(lambda retrievers, milliseconds: milliseconds),
            "You walk through `milliseconds` and fuse in that order. Of equal sums the passage of the earlier run comes first, and the runs come "
            "in the order of `retrievers`.",
        ),
        Mistake(
            "retrievers in the order of their names",
            _called_in(lambda retrievers, milliseconds: sorted(retrievers)),
            "You sort the retrievers by name. Of equal sums the passage of the earlier run comes first, and the runs come in the order of "
            "`retrievers`.",
        ),
        Mistake(
            "lists put one behind the other",
            _searching(fuse=_lists_joined),
            "You put the retrievers' lists one behind the other. The second one's best then stands behind the first one's worst. Fuse by RRF.",
        ),
        Mistake(
            "the first retriever alone",
            _searching(fuse=lambda runs, k: rrf(runs[:1], 60)),
            "You use what the first retriever found. All of them are fused.",
        ),
        Mistake(
            "only what all have found",
            _searching(fuse=_kept_by_all),
            "You keep what all retrievers have found. A passage that one has found is a candidate.",
        ),
        Mistake(
            "each run reranked",
            _each_run_reranked,
            "You rerank as many as fit of each retriever's run, and fuse after that. That spends the budget several times. Fuse first, then "
            "rerank once.",
        ),
        Mistake(
            "the best candidate is not read",
            _searching(
                read=lambda fused, n, k: list(fused)[1 : 1 + n], order=lambda fused, found: _read_first(fused, found)
            ),
            "You begin to read at the second candidate, so the first of the fused list is never read. A slice begins at 0.",
        ),
        Mistake(
            "the last ones are read",
            _searching(read=lambda fused, n, k: list(fused)[::-1][: max(0, n)]),
            "You rerank the passages at the end of the fused list. The first ones are read.",
        ),
        Mistake(
            "the worst first",
            _searching(
                order=lambda fused, found: [*sorted(found, key=found.get), *(p for p in fused if p not in found)]
            ),
            "You sort the new scores from low to high. Higher is better.",
        ),
        Mistake(
            "equal new scores by id",
            _searching(
                order=lambda fused, found: [
                    *sorted(found, key=lambda p: (-found[p], p)),
                    *(p for p in fused if p not in found),
                ]
            ),
            "You sort equal new scores by their ids. They keep the fused order.",
        ),
        Mistake(
            "of equal new scores the last first",
            _searching(
                order=lambda fused, found: [*sorted(found, key=found.get)[::-1], *(p for p in fused if p not in found)]
            ),
            "You sort the new scores upwards and turn the list round, which turns equal ones round, too. They keep the fused order.",
        ),
        Mistake(
            "unread passages by id",
            _searching(order=lambda fused, found: [*_ranked(found), *sorted(p for p in fused if p not in found)]),
            "What was not read stands in the order of its ids. It keeps the fused order.",
        ),
        Mistake(
            "unread passages in front",
            _searching(order=lambda fused, found: [*(p for p in fused if p not in found), *_ranked(found)]),
            "What was not read stands in front of what was. It stands behind.",
        ),
        Mistake(
            "k is not used",
            _searching(last=lambda ids, found, k: ids),
            "You return all candidates. At most k are wanted.",
        ),
        Mistake(
            "negative scores are dropped",
            _searching(order=lambda fused, found: [p for p in _read_first(fused, found) if found.get(p, 1.0) > 0]),
            "You drop what the reranker has scored 0 or less. Its scores are logits: they order passages, and 0 is no border between good and "
            "bad. Nobody is dropped.",
        ),
        Mistake(
            "negative scores do not count",
            _searching(order=lambda fused, found: _read_first(fused, {p: s for p, s in found.items() if s > 0})),
            "What the reranker has scored 0 or less goes back among the unread with you. It was read: it stands in front of them, by its "
            "score.",
        ),
        Mistake(
            "k of those read, and k of the others",
            _searching(
                last=lambda ids, found, k: [
                    *[p for p in ids if p in found][:k],
                    *[p for p in ids if p not in found][:k],
                ]
            ),
            "You cut the read and the unread passages to k, and then put them together: up to twice as many. Put them together first.",
        ),
        Mistake(
            "k is not used where no pair fits",
            _searching(last=lambda ids, found, k: ids[:k] if found else ids),
            "Where no pair fits, you return all candidates. At most k are wanted there, too.",
        ),
        Mistake(
            "the new order is not used",
            _searching(order=lambda fused, found: list(fused)),
            "You return the fused order: the reranker's scores change nothing.",
        ),
    ),
    hints=(
        "Write down where the 110 milliseconds go: one line for each retriever, and the rest divided by the time of a pair.",
        "The fused dict's keys are the candidates in order. Split them in two lists at the number that fits; only the first goes to `score`.",
        "Sort the first list by its new scores, higher first; Python's `sorted` keeps equal ones as they are. Put the second behind it and cut to "
        "k. Before all that, look whether anything is left: a slice takes a negative end without complaint.",
    ),
)

EXERCISES = (RRF, SUM, VECTOR, PRICE, CEILING, REVERSED, SEARCH)
