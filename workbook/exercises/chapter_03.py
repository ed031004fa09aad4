"""The exercises of chapter 03: four metrics, one keyword score, one interval, and two systems compared by them."""

import math
import random
from functools import partial
from typing import Any

import numpy as np

from workbook.exercises import draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.metrics import ranking as metrics

Ranking = list[str]
Judged = dict[str, int]
Scores = dict[str, dict[str, float]]  # a run

# Seven passages were judged for one query; "d" and "f" were never found.
JUDGED: Judged = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 0, "f": 1, "g": 0}
RANKED: Ranking = ["b", "a", "x", "c", "e", "y"]


def measure_one(metric: str, ranked: Ranking, judged: Judged) -> float:
    """One query's value of a metric, by `workbook.metrics.evaluate` on a run with this ranking."""
    run = {"q": {passage: float(-rank) for rank, passage in enumerate(ranked)}}
    return metrics.evaluate({"q": judged}, run, (metric,))[metric]


def recall_at_k(ranked: Ranking, judged: Judged, k: int) -> float:
    """Recall@k of one query: the share of its relevant passages that stand in the first k."""
    return measure_one(f"recall@{k}", ranked, judged)


def reciprocal_rank(ranked: Ranking, judged: Judged, k: int) -> float:
    """1 / rank of the first relevant passage, 0 where none stands in the first k."""
    return measure_one(f"mrr@{k}", ranked, judged)


def ndcg_at_k(ranked: Ranking, judged: Judged, k: int) -> float:
    """nDCG@k of one query with the grade as gain; the ideal comes from all judgements."""
    return measure_one(f"ndcg@{k}", ranked, judged)


def average_precision(ranked: Ranking, judged: Judged) -> float:
    """The mean, over all relevant passages, of the precision at the rank of each; 0 for one not found."""
    return measure_one("map", ranked, judged)


def _fresh(ranked: Ranking, judged: Judged, k: int) -> tuple[Ranking, Judged, int]:
    """Copies, so that an answer that changes its arguments spoils nothing."""
    return list(ranked), dict(judged), k


def _cases(*expected: float) -> tuple[Case, ...]:
    """The example at three depths, a query without a find, and a longer ranking."""
    rows: tuple[tuple[str, Ranking, Judged, int], ...] = (
        ("the example, k = 4", RANKED, JUDGED, 4),
        ("the example, k = 1", RANKED, JUDGED, 1),
        ("nothing found", ["x", "y"], JUDGED, 2),
        ("more asked for than found", ["c", "a"], JUDGED, 10),
    )
    cases = [
        Case(name, partial(_fresh, ranked, judged, k), value)
        for (name, ranked, judged, k), value in zip(rows, expected, strict=True)
    ]
    long = [f"p{i}" for i in range(30)]
    judged = {f"p{i}": i % 4 for i in range(0, 40, 3)}
    cases.append(Case("the example, k = 2", partial(_fresh, RANKED, JUDGED, 2)))
    return (*cases, Case("thirty passages", partial(_fresh, long, judged, 10)))


def _nothing_relevant(metric: Answer) -> str | None:
    value = metric(["a", "b"], {"a": 0}, 2)
    return None if value == 0 else f"a query without any relevant passage gave {value}, not 0"


def _at_most_one(metric: Answer) -> str | None:
    value = metric(["c", "a", "d", "f"], {"a": 3, "c": 1, "d": 2, "f": 1, "z": 0}, 4)
    return None if value <= 1 + 1e-9 else f"a ranking scored {value:.3f}; nothing is better than 1"


BOUNDED = (
    Property("a query without relevant passages counts 0", _nothing_relevant),
    Property("never above 1", _at_most_one),
)


def _dcg(grades: list[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def _num_relevant(judged: Judged) -> int:
    return sum(grade > 0 for grade in judged.values())


def _found(ranked: Ranking, judged: Judged, k: int) -> int:
    return sum(judged.get(p, 0) > 0 for p in ranked[:k])


def _safe(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


# --- 03.1 recall -----------------------------------------------------------------------------

RECALL = Exercise(
    id="03.1",
    title="Recall@k",
    difficulty="easy",
    minutes=5,
    section="Build it: Recall@k",
    signature="ranked ids, judged id -> grade, k -> float",
    reference=recall_at_k,
    another=lambda ranked, judged, k: _safe(
        len({p for p in ranked[:k] if judged.get(p, 0) > 0}), _num_relevant(judged)
    ),
    draw=draws.ranking_at,
    situations=draws.RANKINGS,
    cases=_cases(0.5, 0.0, 0.0, 0.5),
    properties=BOUNDED,
    mistakes=(
        Mistake(
            "divided by k",
            lambda ranked, judged, k: sum(judged.get(p, 0) > 0 for p in ranked[:k]) / k,
            "You divide by k: that is precision, the share of the shown that is relevant. Recall is the share of the relevant that "
            "is shown.",
        ),
        Mistake(
            "judged means relevant",
            lambda ranked, judged, k: len(set(ranked[:k]) & set(judged)) / len(judged),
            "You count every judged passage as relevant. A grade of 0 says that somebody looked, and it was wrong.",
        ),
        Mistake(
            "divided by all judged",
            lambda ranked, judged, k: _safe(_found(ranked, judged, k), len(judged)),
            "You divide by everything that was judged. A passage of grade 0 is judged, and not relevant: nobody wants to find it.",
        ),
        Mistake(
            "grades added up",
            lambda ranked, judged, k: _safe(sum(judged.get(p, 0) for p in ranked[:k]), sum(judged.values())),
            "You add up grades. For recall each relevant passage counts once, however high its grade: count how many there are.",
        ),
        Mistake(
            "k forgotten",
            lambda ranked, judged, k: _safe(sum(judged.get(p, 0) > 0 for p in ranked), _num_relevant(judged)),
            "You look at the whole ranking. Only the first k passages count.",
        ),
        Mistake(
            "found or not found",
            lambda ranked, judged, k: float(any(judged.get(p, 0) > 0 for p in ranked[:k])),
            "You answer whether anything relevant was found. That is the hit rate, or success@k. Recall asks how much of it.",
        ),
    ),
    hints=(
        "How many relevant passages are there? How many of them stand in the first k?",
        "A passage is relevant when its grade is above 0. judged.get(p, 0) gives 0 for one that nobody judged.",
        "Relevant ones among ranked[:k], divided by all relevant ones; 0 when there are none.",
    ),
)

# --- 03.2 reciprocal rank --------------------------------------------------------------------


def _rr(ranked: Ranking, judged: Judged, k: int, offset: int = 1) -> float:
    for rank, passage in enumerate(ranked[:k], start=offset):
        if judged.get(passage, 0) > 0:
            return 1 / max(rank, 1e-9)
    return 0.0


MRR = Exercise(
    id="03.2",
    title="reciprocal rank",
    difficulty="easy",
    minutes=4,
    section="Build it: reciprocal rank",
    signature="ranked ids, judged id -> grade, k -> float",
    reference=reciprocal_rank,
    another=_rr,
    draw=draws.ranking_at,
    situations=draws.RANKINGS,
    cases=_cases(0.5, 0.0, 0.0, 1.0),
    properties=BOUNDED,
    mistakes=(
        Mistake(
            "ranks start at zero",
            lambda ranked, judged, k: next(
                (1 / (i or 0.5) for i, p in enumerate(ranked[:k]) if judged.get(p, 0) > 0), 0.0
            ),
            "Your ranks start at 0. The first passage has rank 1, so a find in first place counts 1, in second place one half.",
        ),
        Mistake(
            "the last find instead of the first",
            lambda ranked, judged, k: (
                max((i for i, p in enumerate(ranked[:k], 1) if judged.get(p, 0) > 0), default=0) ** -1.0
                if any(judged.get(p, 0) > 0 for p in ranked[:k])
                else 0.0
            ),
            "You take the last relevant passage. Reciprocal rank stops at the first one: it asks how far a reader has to look.",
        ),
        Mistake(
            "any judged passage counts",
            lambda ranked, judged, k: next((1 / i for i, p in enumerate(ranked[:k], 1) if p in judged), 0.0),
            "You stop at the first judged passage. A grade of 0 means that somebody looked, and it is wrong.",
        ),
        Mistake(
            "the best grade instead of the first find",
            lambda ranked, judged, k: (
                _rr(
                    ranked,
                    {p: int(g == max(judged.get(q, 0) for q in ranked[:k])) for p, g in judged.items() if g > 0},
                    k,
                )
                if ranked[:k]
                else 0.0
            ),
            "You look for the passage with the highest grade. Any grade above 0 is relevant, and the first relevant passage counts, "
            "whatever better one comes later.",
        ),
        Mistake(
            "multiplied by the grade",
            lambda ranked, judged, k: next(
                (judged[p] / i for i, p in enumerate(ranked[:k], 1) if judged.get(p, 0) > 0), 0.0
            ),
            "You multiply by the grade. Reciprocal rank asks how far a reader has to look, whatever the grade of what is found.",
        ),
        Mistake(
            "unjudged passages take no rank",
            lambda ranked, judged, k: _rr([p for p in ranked if p in judged], judged, k),
            "You leave out passages that nobody judged before you count. The reader sees them, too: each takes up a rank.",
        ),
        Mistake(
            "k forgotten",
            lambda ranked, judged, k: _rr(ranked, judged, len(ranked)),
            "You search the whole ranking. A find beyond rank k counts 0.",
        ),
    ),
    hints=(
        "How far does a reader have to look before the first right passage?",
        "Go through the first k passages with their ranks, counted from 1.",
        "Return 1 / rank at the first passage with a grade above 0, and 0 after the loop.",
    ),
)

# --- 03.3 nDCG -------------------------------------------------------------------------------


def _ndcg(ranked: Ranking, judged: Judged, k: int) -> float:
    gains = [max(0, judged.get(p, 0)) for p in ranked[:k]]
    return _safe(_dcg(gains), _dcg(sorted((g for g in judged.values() if g > 0), reverse=True)[:k]))


def _ndcg_wrong_ideal(ranked: Ranking, judged: Judged, k: int) -> float:
    gains = [judged.get(p, 0) for p in ranked[:k]]
    return _safe(_dcg(gains), _dcg(sorted(gains, reverse=True)))


def _ndcg_exponential(ranked: Ranking, judged: Judged, k: int) -> float:
    gain = lambda g: 2**g - 1  # noqa: E731
    gains = [gain(judged.get(p, 0)) for p in ranked[:k]]
    return _safe(_dcg(gains), _dcg(sorted(map(gain, judged.values()), reverse=True)[:k]))


NDCG = Exercise(
    id="03.3",
    title="nDCG@k",
    difficulty="medium",
    minutes=12,
    section="Build it: nDCG",
    signature="ranked ids, judged id -> grade, k -> float",
    reference=ndcg_at_k,
    another=_ndcg,
    draw=draws.ranking_at,
    situations=draws.RANKINGS,
    cases=_cases(
        (3 / math.log2(3) + 1 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / 2 + 1 / math.log2(5)),
        0.0,
        0.0,
        (1 + 3 / math.log2(3)) / (3 + 2 / math.log2(3) + 1 / 2 + 1 / math.log2(5)),
    ),
    properties=BOUNDED,
    mistakes=(
        Mistake(
            "the ideal comes from the retrieved list",
            _ndcg_wrong_ideal,
            "Your ideal ranking is the retrieved list, sorted. A system that finds one poor passage and misses three good ones then "
            "scores 1. The ideal comes from all judged passages, found or not. Public libraries have shipped this mistake.",
        ),
        Mistake(
            "not divided by the ideal",
            lambda ranked, judged, k: _dcg([judged.get(p, 0) for p in ranked[:k]]),
            "This is DCG. Without dividing by the best possible value, queries with many relevant passages count for more.",
        ),
        Mistake(
            "exponential gain",
            _ndcg_exponential,
            "You take 2^grade - 1 as gain. That is a definition people use, but not the one of trec_eval, and the two cannot be "
            "compared. Here the gain is the grade.",
        ),
        Mistake(
            "the ideal is not cut at k",
            lambda ranked, judged, k: _safe(
                _dcg([judged.get(p, 0) for p in ranked[:k]]), _dcg(sorted(judged.values(), reverse=True))
            ),
            "Your ideal ranking is longer than k. A perfect first k then scores below 1. Cut both at k.",
        ),
        Mistake(
            "the ideal is full of top grades",
            lambda ranked, judged, k: _dcg([judged.get(p, 0) for p in ranked[:k]]) / _dcg([3] * k),
            "Your ideal has grade 3 at every rank, whatever was judged. Few queries have that many such passages: no ranking could "
            "reach 1.",
        ),
        Mistake(
            "a set of grades",
            lambda ranked, judged, k: _safe(
                _dcg([judged.get(p, 0) for p in ranked[:k]]),
                _dcg(sorted({g for g in judged.values() if g > 0}, reverse=True)[:k]),
            ),
            "Your ideal holds each grade once. Equal grades of two passages are two gains; a set keeps one of them, and the ideal "
            "is too small.",
        ),
        Mistake(
            "discount starts too late",
            lambda ranked, judged, k: _safe(
                sum(judged.get(p, 0) / math.log2(r + 2) for r, p in enumerate(ranked[:k], 1)),
                sum(g / math.log2(r + 2) for r, g in enumerate(sorted(judged.values(), reverse=True)[:k], 1)),
            ),
            "Your first rank is discounted already: ranks are counted from 1, and rank 1 has the discount 1.",
        ),
        Mistake(
            "discount starts too early",
            lambda ranked, judged, k: _safe(
                sum(judged.get(p, 0) / math.log2(max(r, 2)) for r, p in enumerate(ranked[:k], 1)),
                sum(g / math.log2(max(r, 2)) for r, g in enumerate(sorted(judged.values(), reverse=True)[:k], 1)),
            ),
            "Your discount is log2(rank), so ranks 1 and 2 count the same. It is log2(rank + 1).",
        ),
    ),
    hints=(
        "Write DCG first, for a list of grades. What list of grades would be the best possible?",
        "The best possible list: all judged grades, highest first, cut at k.",
        "DCG of the grades of ranked[:k], divided by DCG of the best list; 0 when that is 0.",
    ),
)

# --- 03.4 average precision ------------------------------------------------------------------


def _ap(ranked: Ranking, judged: Judged) -> float:
    total, found = 0.0, 0
    for rank, passage in enumerate(ranked, start=1):
        if judged.get(passage, 0) > 0:
            found += 1
            total += found / rank
    return _safe(total, _num_relevant(judged))


def _ap_found_only(ranked: Ranking, judged: Judged) -> float:
    return _safe(_ap(ranked, judged) * _num_relevant(judged), sum(judged.get(p, 0) > 0 for p in ranked))


AP = Exercise(
    id="03.4",
    title="average precision",
    difficulty="medium",
    minutes=10,
    section="Further: average precision",
    signature="ranked ids, judged id -> grade -> float",
    reference=average_precision,
    another=_ap,
    draw=draws.ranking,
    situations=draws.WITHOUT_K,
    cases=(
        Case("the example", lambda: (list(RANKED), dict(JUDGED)), (1 / 2 + 2 / 4) / 4),
        Case("nothing found", lambda: (["x"], dict(JUDGED)), 0.0),
        Case("two of four, at once", lambda: (["a", "d"], dict(JUDGED)), 0.5),
        Case("thirty passages", lambda: ([f"p{i}" for i in range(30)], {f"p{i}": i % 4 for i in range(0, 40, 3)})),
    ),
    properties=(
        Property("a query without relevant passages counts 0", lambda ap: _nothing_relevant(lambda r, j, k: ap(r, j))),
    ),
    mistakes=(
        Mistake(
            "divided by what was found",
            _ap_found_only,
            "You divide by the relevant passages that were found. What was missed must count: divide by all relevant ones.",
        ),
        Mistake(
            "the sum of reciprocal ranks",
            lambda ranked, judged: _safe(
                sum(1 / r for r, p in enumerate(ranked, 1) if judged.get(p, 0) > 0), _num_relevant(judged)
            ),
            "You add 1 / rank at each find. Precision at a find counts all finds up to it: at the second one it is 2 / rank.",
        ),
        Mistake(
            "precision at every rank",
            lambda ranked, judged: (
                sum(sum(judged.get(p, 0) > 0 for p in ranked[:r]) / r for r in range(1, len(ranked) + 1)) / len(ranked)
            ),
            "You average the precision at every rank. Only the ranks that hold a relevant passage count.",
        ),
        Mistake(
            "precision added at every rank",
            lambda ranked, judged: _safe(
                sum(sum(judged.get(p, 0) > 0 for p in ranked[:r]) / r for r in range(1, len(ranked) + 1)),
                _num_relevant(judged),
            ),
            "You add the precision at every rank. Only at the ranks of relevant passages is it added.",
        ),
        Mistake(
            "counted too late",
            lambda ranked, judged: _safe(
                sum(
                    sum(judged.get(p, 0) > 0 for p in ranked[: r - 1]) / r
                    for r in range(1, len(ranked) + 1)
                    if judged.get(ranked[r - 1], 0) > 0
                ),
                _num_relevant(judged),
            ),
            "You add the precision before you count the passage that was just found, so each is one find too few. The find itself counts.",
        ),
        Mistake(
            "grades as gain",
            lambda ranked, judged: _safe(
                sum(
                    sum(judged.get(p, 0) for p in ranked[:r]) / r
                    for r in range(1, len(ranked) + 1)
                    if judged.get(ranked[r - 1], 0) > 0
                ),
                _num_relevant(judged),
            ),
            "You add grades. Average precision knows relevant and not relevant only; nDCG is the metric with grades.",
        ),
    ),
    hints=(
        "At which ranks does something relevant stand? What is the precision up to each of them?",
        "Keep a count of finds. At the n-th find at rank r the precision is n / r.",
        "Add those precisions and divide by the number of all relevant passages.",
    ),
)

# --- 03.5 BM25 of one word -------------------------------------------------------------------


def bm25_weight(count: int, length: float, mean_length: float, num_passages: int, num_with_word: int) -> float:
    """What one word adds to a passage's score, in Lucene's form with k1 = 1.2 and b = 0.75."""
    from workbook.bm25 import METHODS

    idf, tf = METHODS["lucene"]
    score = idf(np.float64(num_passages), np.float64(num_with_word)) * tf(
        np.float64(count), length / mean_length, 1.2, 0.75, 0
    )
    return float(score)


def _bm25(count, length, mean_length, num_passages, num_with_word, k1=1.2, b=0.75):
    idf = math.log(1 + (num_passages - num_with_word + 0.5) / (num_with_word + 0.5))
    return idf * count / (count + k1 * (1 - b + b * length / mean_length))


def _saturates(weight: Answer) -> str | None:
    few, many = weight(1, 10, 10, 100, 5), weight(1000, 10, 10, 100, 5)
    return (
        None
        if many < 3 * few
        else f"a word a thousand times weighs {many / few:.0f} times as much as once; it must level off"
    )


def _a_word(rng: random.Random) -> tuple[int, int, float, int, int]:
    passages = rng.randint(2, 1000)
    return rng.randint(0, 5), rng.randint(5, 60), rng.choice((10.0, 24.5, 40.0)), passages, rng.randint(1, passages)


BM25_WEIGHT = Exercise(
    id="03.5",
    title="the BM25 weight of one word",
    difficulty="medium",
    minutes=10,
    section="Build it: BM25",
    signature="count, length, mean_length, num_passages, num_with_word -> float",
    reference=bm25_weight,
    another=_bm25,
    draw=_a_word,
    situations=(
        Situation("the word does not stand in the passage", lambda count, *rest: count == 0),
        Situation("the word stands there more than once", lambda count, *rest: count > 1),
        Situation(
            "the passage does not have the mean length", lambda count, length, mean_length, *rest: length != mean_length
        ),
        Situation(
            "the word stands in more than half of the passages",
            lambda count, length, mean, n, with_word: with_word > n / 2,
        ),
    ),
    cases=(
        Case("once in a passage of mean length", lambda: (1, 10, 10.0, 100, 5), math.log(1 + 95.5 / 5.5) / 2.2),
        Case("three times in a long passage", lambda: (3, 40, 20.0, 1000, 17)),
        Case("not there", lambda: (0, 12, 10.0, 50, 3), 0.0),
        Case("a word that nearly all passages hold", lambda: (2, 8, 10.0, 100, 97)),
    ),
    properties=(Property("repetition levels off", _saturates),),
    mistakes=(
        Mistake(
            "no length correction",
            lambda c, length, mean, N, n: _bm25(c, length, mean, N, n, b=0.0),
            "The length of the passage does not count. A long passage holds more of every word, by being long; b holds it back.",
        ),
        Mistake(
            "tf-idf: no saturation",
            lambda c, length, mean, N, n: math.log(1 + (N - n + 0.5) / (n + 0.5)) * c,
            "The count goes in as it is: that is TF-IDF. In BM25 the tenth repetition adds next to nothing.",
        ),
        Mistake(
            "idf that turns negative",
            lambda c, length, mean, N, n: (
                math.log((N - n + 0.5) / (n + 0.5)) * c / (c + 1.2 * (0.25 + 0.75 * length / mean))
            ),
            "Your idf becomes negative for a word in more than half of the passages, so a match lowers the score. Lucene adds 1 "
            "inside the logarithm.",
        ),
        Mistake(
            "there or not there",
            lambda c, length, mean, N, n: _bm25(min(c, 1), length, mean, N, n),
            "A second and a third occurrence change nothing in yours: you ask whether the word is there, as shared words did in "
            "chapter 00. BM25 counts how often, with less and less effect.",
        ),
        Mistake(
            "another k1",
            lambda c, length, mean, N, n: _bm25(c, length, mean, N, n, k1=1.5),
            "Your k1 is 1.5, as in another library. Here it is 1.2: repetition levels off a little sooner.",
        ),
        Mistake(
            "b and 1 - b exchanged",
            lambda c, length, mean, N, n: _bm25(c, length, mean, N, n, b=0.25),
            "You have exchanged b and 1 - b: the length counts a quarter where it should count three quarters.",
        ),
        Mistake(
            "N and n exchanged",
            lambda c, length, mean, N, n: (
                math.log(1 + abs(n - N + 0.5) / (N + 0.5)) * c / (c + 1.2 * (0.25 + 0.75 * length / mean))
            ),
            "The number of passages and the number with the word are exchanged in your idf, so frequent words weigh most. The rarer "
            "a word is, the more it says.",
        ),
        Mistake(
            "the idf of plain TF-IDF",
            lambda c, length, mean, N, n: math.log(N / n) * c / (c + 1.2 * (0.25 + 0.75 * length / mean)),
            "Your idf is log(N / n), that of plain TF-IDF. BM25 sets the passages without the word against those with it.",
        ),
        Mistake(
            "the idf of scikit-learn",
            lambda c, length, mean, N, n: (
                (math.log((1 + N) / (1 + n)) + 1) * c / (c + 1.2 * (0.25 + 0.75 * length / mean))
            ),
            "Your idf is that of scikit-learn's TF-IDF, which never falls below 1. Another formula stands in the chapter.",
        ),
        Mistake(
            "with the factor k1 + 1",
            lambda c, length, mean, N, n: 2.2 * _bm25(c, length, mean, N, n),
            "You have the factor (k1 + 1). The original has it, Lucene left it out: it changes every score alike and no ranking.",
        ),
    ),
    hints=(
        "Two factors: how rare is the word (idf), and how often does it stand here (tf)?",
        "idf = log(1 + (N - n + 0.5) / (n + 0.5)); tf = count / (count + something that grows with the length).",
        "The something is k1 · (1 - b + b · length / mean_length) with k1 = 1.2 and b = 0.75.",
    ),
)

# --- 03.6 the interval -----------------------------------------------------------------------


def interval(values: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean by given draws; `workbook.metrics.significance.bootstrap_ci` draws them itself."""
    means = np.asarray(values)[draws].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _draws(Q: int, times: int = 200) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    return generator.random(Q).round(2), generator.integers(0, Q, size=(times, Q))


def _some_draws(rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    Q, times = rng.randint(1, 5), rng.randint(2, 6)
    values = np.array([rng.choice((0.0, 0.25, 0.5, 1.0)) for _ in range(Q)])
    return values, np.array([[rng.randrange(Q) for _ in range(Q)] for _ in range(times)])


INTERVAL = Exercise(
    id="03.6",
    title="a bootstrap interval",
    difficulty="medium",
    minutes=10,
    section="Build it: an interval",
    signature="values (Q,), draws (R, Q) of row numbers -> (low, high)",
    reference=interval,
    another=lambda values, draws: tuple(
        float(x) for x in np.percentile([np.mean([values[i] for i in row]) for row in draws], [2.5, 97.5])
    ),
    draw=_some_draws,
    situations=(
        Situation("there are as many draws as queries", lambda values, draws: draws.shape[0] == draws.shape[1]),
        Situation("there is one query", lambda values, draws: len(values) == 1),
    ),
    cases=(
        Case(
            "two queries, four draws",
            lambda: (np.array([0.0, 1.0]), np.array([[0, 0], [0, 1], [1, 0], [1, 1]])),
            (0.0375, 0.9625),
        ),
        Case("thirty queries", lambda: _draws(30)),
        Case("five queries", lambda: _draws(5)),
    ),
    mistakes=(
        Mistake(
            "spread of the queries",
            lambda values, draws: tuple(float(x) for x in np.quantile(values, [0.025, 0.975])),
            "This is where 95 % of the queries lie, not where the mean lies. You want the spread of the means of the draws.",
        ),
        Mistake(
            "90 per cent",
            lambda values, draws: tuple(
                float(x) for x in np.quantile(np.asarray(values)[draws].mean(axis=1), [0.05, 0.95])
            ),
            "You cut off 5 % on each side: that is a 90 % interval. For 95 %, cut off 2.5 % on each side.",
        ),
        Mistake(
            "two of the means, and nothing between them",
            lambda values, draws: (
                (means := np.sort(np.asarray(values)[draws].mean(axis=1)))[int(0.025 * len(means))].item(),
                means[min(int(0.975 * len(means)), len(means) - 1)].item(),
            ),
            "You pick two of the sorted means by a row number. With few draws 2.5 % falls between two of them: `np.quantile` "
            "interpolates, and that is asked for.",
        ),
        Mistake(
            "mean over the wrong axis",
            lambda values, draws: tuple(
                float(x) for x in np.quantile(np.asarray(values)[draws].mean(axis=0), [0.025, 0.975])
            ),
            "You average over axis 0, over the draws. Each draw is a row: its mean runs along axis 1, as a text's tokens did in "
            "mean pooling.",
        ),
    ),
    hints=(
        "Each row of draws is another set of queries that you might have had. What do you compute for each?",
        "values[draws] has the shape of draws. Take the mean of each row.",
        "np.quantile of those means at 0.025 and 0.975.",
    ),
)

# --- 03.7 reversed: where the wrong ideal shows -----------------------------------------------


def shows_the_mistake() -> tuple[Ranking, Judged, int]:
    """A ranking, its judgements and k: one relevant passage found, one missed, and room for both."""
    return ["a"], {"a": 1, "b": 1}, 2


def _no_ranking(ranked: Any, judged: Any, k: Any) -> str | None:
    if not isinstance(ranked, list) or not all(isinstance(p, str) for p in ranked):
        return "the ranking must be a list of ids, each a text"
    if len(set(ranked)) < len(ranked):
        return "a passage stands twice in the ranking; a search returns each once"
    if not isinstance(judged, dict) or not all(isinstance(p, str) for p in judged):
        return "the judgements must be a dictionary from passage id to grade"
    if not all(type(grade) is int and 0 <= grade <= 3 for grade in judged.values()):
        return "a grade must be a whole number from 0 to 3"
    if type(k) is not int or k < 1:
        return "k must be a whole number of at least 1"
    return None


def _tells(ranked: Ranking, judged: Judged, k: int) -> bool:
    return abs(_ndcg(ranked, judged, k) - _ndcg_wrong_ideal(ranked, judged, k)) > 1e-6


SHOWS = Reversed(
    id="03.7",
    title="where the wrong ideal shows",
    difficulty="medium",
    minutes=6,
    section="Where does it show?",
    signature="-> (ranked, judged, k)",
    reference=shows_the_mistake,
    another=lambda: (["x"], {"y": 3, "x": 2}, 1),
    cases=(Case("your input", lambda: (), (["a"], {"a": 1, "b": 1}, 2)),),
    right=ndcg_at_k,
    wrong=_ndcg_wrong_ideal,
    valid=_no_ranking,
    smallest=3,
    measure=lambda ranked, judged, k: len(ranked) + len(judged),
    mistakes=(
        Mistake(
            "nothing relevant was found",
            lambda: (["x"], {"a": 3, "b": 1}, 2),
            "Nothing relevant stands in the first k, so both functions give 0. The one in a hurry is wrong about rankings that "
            "have something to show.",
            when=lambda ranked, judged, k: _found(ranked, judged, k) == 0,
        ),
        Mistake(
            "everything relevant was found",
            lambda: (["b", "a"], {"a": 3, "b": 1}, 2),
            "All that is relevant stands in your first k. Then the retrieved list in its best order is the best there is, and "
            "the line in a hurry is right.",
            when=lambda ranked, judged, k: _found(ranked, judged, k) == _num_relevant(judged),
        ),
        Mistake(
            "what is missed would not count",
            lambda: (["a"], {"a": 1, "b": 1}, 1),
            "A relevant passage is missed, but the ideal is cut at k, and what you found fills it as well as the missed one would.",
            when=lambda ranked, judged, k: not _tells(ranked, judged, k),
        ),
        Mistake(
            "larger than needed",
            lambda: (["x", "a"], {"a": 3, "b": 1, "c": 0}, 4),
            "It shows the mistake. Take away every id without which it still does: count what is found, and what is missed.",
            when=_tells,
        ),
    ),
    hints=(
        "When is the retrieved list in its best order the best possible ranking? Then both functions agree.",
        "Something relevant must be found, and something relevant must be missed that would have counted.",
        "Three ids are enough, one in the ranking and two among the judgements. Mind k.",
    ),
)

# --- 03.8 assembling: two systems on the same queries ----------------------------------------

Row = dict[str, float]


def compare_runs(qrels: dict[str, Judged], first: Scores, second: Scores, k: int, draws: np.ndarray) -> Row:
    """Two runs on the same queries by nDCG@k: both means, the paired difference with its 95 % interval, wins and losses.

    Args:
        qrels: query id -> passage id -> grade.
        first, second: query id -> passage id -> score; a query that one lacks counts 0.
        k: the cut.
        draws: (R, Q) row numbers of queries, in the order of `qrels`.
    Returns:
        "first" and "second", their means; "difference", second minus first, from "low" to "high"; how many
        queries the second does "better" and "worse".
    """
    name = f"ndcg@{k}"
    runs = [{query: run.get(query, {}) for query in qrels} for run in (first, second)]
    values = [metrics.evaluate(qrels, run, (name,), per_query=True)[name].values() for run in runs]
    a, b = (np.array(list(each)) for each in values)  # (Q,) each
    return _row(a, b, interval(b - a, draws))


def _row(a: np.ndarray, b: np.ndarray, ends: tuple[float, float]) -> Row:
    return {
        "first": float(a.mean()),
        "second": float(b.mean()),
        "difference": float((b - a).mean()),
        "low": ends[0],
        "high": ends[1],
        "better": int((b > a).sum()),
        "worse": int((b < a).sum()),
    }


def _by_score(scores: dict[str, float]) -> Ranking:
    return [passage for _, passage in sorted(((score, passage) for passage, score in scores.items()), reverse=True)]


def _each(qrels: dict[str, Judged], run: Scores, k: int, rank: Answer = _by_score, ndcg: Answer = _ndcg) -> np.ndarray:
    """nDCG@k of each query, with a way to rank and an nDCG that may be wrong: (Q,)."""
    return np.array([ndcg(rank(run.get(query, {})), judged, k) for query, judged in qrels.items()])


def _compared(qrels, first, second, k, draws, **how):
    a, b = _each(qrels, first, k, **how), _each(qrels, second, k, **how)
    return _row(a, b, interval(b - a, draws))


def _unpaired(qrels, first, second, k, draws):
    a, b = _each(qrels, first, k), _each(qrels, second, k)
    (low_a, high_a), (low_b, high_b) = interval(a, draws), interval(b, draws)
    return _row(a, b, (low_b - high_a, high_b - low_a))


def _ends_subtracted(qrels, first, second, k, draws):
    a, b = _each(qrels, first, k), _each(qrels, second, k)
    (low_a, high_a), (low_b, high_b) = interval(a, draws), interval(b, draws)
    return _row(a, b, (low_b - low_a, high_b - high_a))


def _only_answered(qrels, first, second, k, draws):
    a, b = _each(qrels, first, k), _each(qrels, second, k)
    kept = [[query in run for query in qrels] for run in (first, second)]
    means = [float(each[rows].mean()) if any(rows) else 0.0 for each, rows in zip((a, b), kept, strict=True)]
    row = _row(a, b, interval(b - a, draws))
    return {**row, "first": means[0], "second": means[1], "difference": means[1] - means[0]}


def _two_runs(rng: random.Random) -> tuple[dict[str, Judged], Scores, Scores, int, np.ndarray]:
    """Up to four queries; a run may lack one, return nothing for one, or answer one that nobody judged."""
    queries, ids = [f"q{number}" for number in rng.sample(range(10, 99), rng.randint(1, 4))], list("abcdef")
    qrels = {query: {p: rng.choice((0, 1, 1, 3)) for p in rng.sample(ids, rng.randint(1, 4))} for query in queries}
    runs: list[Scores] = [{}, {}]
    for run in runs:
        for query in (*queries, *(["q9"] if rng.random() < 0.2 else [])):
            if rng.random() < 0.85:
                found = rng.sample(ids, rng.randint(0, 5))
                run[query] = {passage: rng.choice((-3.0, -0.5, 0.25, 0.251, 1.0, 2.0, 10.0)) for passage in found}
    rows = [[rng.randrange(len(queries)) for _ in queries] for _ in range(rng.randint(2, 6))]
    return qrels, runs[0], runs[1], rng.randint(1, 6), np.array(rows)


def _three_queries() -> tuple[dict[str, Judged], Scores, Scores, int, np.ndarray]:
    qrels = {"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 1, "d": 0}}
    first = {"q1": {"a": 2.0, "x": 1.0}, "q2": {"x": 1.0, "y": 0.5}}  # q3 is missing
    second = {"q1": {"a": 0.5, "x": 0.9, "y": 0.1}, "q2": {"b": 0.4}, "q3": {"c": 0.3}}
    return qrels, first, second, 1, np.array([[0, 0, 0], [0, 1, 2], [1, 1, 2], [2, 2, 2]])


def _first_and_second_alike() -> tuple[dict[str, Judged], Scores, Scores, int, np.ndarray]:
    qrels = {"q1": {"a": 3, "b": 1, "c": 2}, "q2": {"b": 2, "a": 1}}
    run = {"q1": {"b": 1.0, "a": 1.0, "z": 3.0}, "q2": {"a": 0.5, "b": 0.5}}
    return qrels, run, {query: dict(scores) for query, scores in run.items()}, 3, np.array([[0, 1], [1, 1], [0, 0]])


def _is_missing(qrels, first, second, *rest) -> bool:
    return any(query not in run for query in qrels for run in (first, second))


def _has_ties(qrels, first, second, *rest) -> bool:
    every = [scores for run in (first, second) for query, scores in run.items() if query in qrels]
    return any(len(set(scores.values())) < len(scores) for scores in every)


COMPARE = Exercise(
    id="03.8",
    title="two systems on the same queries",
    difficulty="hard",
    minutes=18,
    section="Put it together: is B better than A?",
    signature="qrels, run, run, k, draws (R, Q) -> dict",
    reference=compare_runs,
    another=_compared,
    draw=_two_runs,
    situations=(
        Situation("a run lacks a query", _is_missing),
        Situation("two passages of a query have the same score", _has_ties),
        Situation(
            "a run holds a query that nobody judged",
            lambda qrels, first, second, *rest: bool((first.keys() | second.keys()) - qrels.keys()),
        ),
        Situation(
            "a run returns nothing for a query",
            lambda qrels, first, second, *rest: any(run.get(query) == {} for query in qrels for run in (first, second)),
        ),
        Situation("there is one query", lambda qrels, *rest: len(qrels) == 1),
        Situation(
            "a run returns fewer than k passages for a query, and fewer than are relevant",
            lambda qrels, first, second, k, *rest: any(
                0 < len(run.get(query, {})) < min(k, _num_relevant(judged))
                for query, judged in qrels.items()
                for run in (first, second)
            ),
        ),
        Situation(
            "a query has no relevant passage",
            lambda qrels, *rest: any(_num_relevant(judged) == 0 for judged in qrels.values()),
        ),
    ),
    cases=(
        Case(
            "three queries, k = 1, one missing in the first run",
            _three_queries,
            {
                "first": 1 / 3,
                "second": 2 / 3,
                "difference": 1 / 3,
                "low": -0.9,
                "high": 1.0,
                "better": 2,
                "worse": 1,
            },
        ),
        Case("the same run twice", _first_and_second_alike),
    ),
    mistakes=(
        Mistake(
            "not sorted by score",
            partial(_compared, rank=list),
            "You take the passages in the order in which the run happens to hold them. A run is a dictionary of scores: the "
            "highest score is rank 1.",
        ),
        Mistake(
            "sorted by id",
            partial(_compared, rank=lambda scores: sorted(scores, reverse=True)),
            "You sort the ids and never look at their scores: iterating over a dictionary gives its keys. The id decides only "
            "between equal scores.",
        ),
        Mistake(
            "lowest score first",
            partial(_compared, rank=lambda scores: _by_score(scores)[::-1]),
            "Your rank 1 has the lowest score. Python sorts upwards unless told otherwise.",
        ),
        Mistake(
            "ties the other way round",
            partial(_compared, rank=lambda scores: sorted(scores, key=lambda passage: (-scores[passage], passage))),
            "Where two scores are equal, yours puts the smaller id first. The contract follows trec_eval: the larger id.",
        ),
        Mistake(
            "the ideal comes from the retrieved list",
            partial(_compared, ndcg=_ndcg_wrong_ideal),
            "The nDCG inside takes its ideal from what was retrieved: the line in a hurry. Use your ndcg_at_k.",
        ),
        Mistake(
            "recall instead of nDCG",
            partial(_compared, ndcg=RECALL.another),
            "You measure each query by its recall, to which all ranks down to k are alike. The table is one of nDCG@k.",
        ),
        Mistake(
            "not paired",
            _unpaired,
            "You make an interval for each system and set one against the other. Both answered the same queries: take the "
            "difference query by query first, and then one interval of that.",
        ),
        Mistake(
            "ends subtracted from ends",
            _ends_subtracted,
            "You make an interval for each system and subtract low from low and high from high. That is the interval of nothing, "
            "and not paired. Take the difference query by query first, and then one interval of that.",
        ),
        Mistake(
            "the interval of the second system",
            lambda qrels, first, second, k, draws: _row(
                _each(qrels, first, k), _each(qrels, second, k), interval(_each(qrels, second, k), draws)
            ),
            "Your low and high are those of the second system's mean. They should hold the difference.",
        ),
        Mistake(
            "first minus second",
            lambda qrels, first, second, k, draws: (
                _compared(qrels, second, first, k, draws)
                | {"first": float(_each(qrels, first, k).mean()), "second": float(_each(qrels, second, k).mean())}
            ),
            "Your difference is first minus second. It is second minus first: above 0 where the second is better.",
        ),
        Mistake(
            "missing queries are left out of the mean",
            _only_answered,
            "You average over the queries that a run holds. A query it lacks counts 0, or silence would be rewarded.",
        ),
    ),
    hints=(
        "For each run you need one nDCG for each query of qrels, in the order of qrels. Everything else follows from two such lists.",
        "run.get(query, {}) is empty for a missing query. Sort by score and id together, largest first; ndcg_at_k does the rest.",
        "Subtract the lists, hand the differences and the draws to interval, and count the signs of the differences.",
    ),
)

EXERCISES = (RECALL, MRR, NDCG, AP, BM25_WEIGHT, INTERVAL, SHOWS, COMPARE)
