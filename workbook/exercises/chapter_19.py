"""The exercises of chapter 19: agreement of rankings, all supports, leaks and who finds them, a pool, interleaving, silence that pays."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from math import log2, nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.metrics import evaluate, kendall_tau, spearman

# --- 19.1 Kendall's tau ----------------------------------------------------------------------


class Pairs(NamedTuple):
    """All pairs of systems, counted: ordered alike, ordered otherwise, apart in a, apart in b, tied in both, all."""

    alike: int
    otherwise: int
    in_a: int
    in_b: int
    in_neither: int
    all: int


def _count_pairs(a: Sequence[float], b: Sequence[float], chosen: Callable[[int], Any] | None = None) -> Pairs:
    places = list(chosen(len(a)) if chosen else combinations(range(len(a)), 2))
    products = [(a[i] - a[j]) * (b[i] - b[j]) for i, j in places]
    return Pairs(
        sum(p > 0 for p in products),
        sum(p < 0 for p in products),
        sum(a[i] != a[j] for i, j in places),
        sum(b[i] != b[j] for i, j in places),
        sum(a[i] == a[j] and b[i] == b[j] for i, j in places),
        len(places),
    )


def _geometric(n: Pairs) -> float:
    return sqrt(n.in_a * n.in_b)


def _tau(
    a, b, *, chosen=None, above=lambda n: n.alike - n.otherwise, below=_geometric, tied=lambda n: nan,
):  # fmt: skip
    """Tau with one part exchanged."""
    n = _count_pairs(a, b, chosen)
    if not n.in_a or not n.in_b:
        return tied(n)
    return above(n) / below(n) if below(n) else nan


def _agreement(**parts: Any) -> Answer:
    return lambda *args: _tau(*args, **parts)


def _by_groups_of_ties(a, b):
    """Ties counted by groups: a group of t equal scores has t (t - 1) / 2 tied pairs."""
    N = len(a)
    pairs = N * (N - 1) // 2
    ties = [sum(t * (t - 1) // 2 for t in Counter(scores).values()) for scores in (a, b)]
    if pairs in ties:
        return nan
    balance = 0
    for i in range(N):
        for j in range(i):
            product = (a[i] - a[j]) * (b[i] - b[j])
            balance += (product > 0) - (product < 0)
    return balance / ((pairs - ties[0]) ** 0.5 * (pairs - ties[1]) ** 0.5)


def _raise_zero(*args: Any) -> Any:
    raise ZeroDivisionError("division by zero")


def _ties_counted(of: Callable[[Counter], int]) -> Answer:
    """The tied pairs of each list by a wrong rule."""

    def answer(a, b):
        n = _count_pairs(a, b)
        if not n.in_a or not n.in_b:
            return nan
        left = [n.all - of(Counter(scores)) for scores in (a, b)]
        return (n.alike - n.otherwise) / sqrt(left[0] * left[1]) if min(left) > 0 else nan

    return answer


def _by_size(a, b):
    """The differences themselves, not their signs."""
    n = _count_pairs(a, b)
    total = sum((a[i] - a[j]) * (b[i] - b[j]) for i, j in combinations(range(len(a)), 2))
    return total / _geometric(n) if _geometric(n) else nan


def _pearson(a, b):
    x, y = (np.asarray(scores, dtype=float) - np.mean(scores) for scores in (a, b))
    length = sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / length if length > 1e-9 else nan


def _ties_by_place(a, b):
    """Equal scores are put in an order, as a sort does: the earlier system counts as the better one."""
    n = _count_pairs(a, b)
    if not n.in_a or not n.in_b:
        return nan
    ranks = []
    for scores in (a, b):
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        ranks.append([order.index(i) for i in range(len(scores))])
    return _tau(*ranks)


def _orders_read_as_ranks(a, b):
    """The systems in the order of their scores, where the rank of each system is meant."""
    n = _count_pairs(a, b)
    if not n.in_a or not n.in_b:
        return nan
    return _tau(*(sorted(range(len(scores)), key=lambda i: -scores[i]) for scores in (a, b)))


def _same_place(a, b):
    """The share of systems that have the same rank in both."""
    n = _count_pairs(a, b)
    if not n.in_a or not n.in_b:
        return nan
    ranks = [[sum(other > one for other in scores) for one in scores] for scores in (a, b)]
    return sum(x == y for x, y in zip(*ranks, strict=True)) / len(a)


def _one_list_against_the_other(a, b):
    """Each system's two scores held side by side."""
    up, down = (sum(x > y for x, y in pairs) for pairs in (zip(a, b, strict=True), zip(b, a, strict=True)))
    return (up - down) / (up + down) if up + down else nan


def _ties_side_by_side(a, b):
    """Only neighbours in a list can be tied."""
    n = _count_pairs(a, b)
    if not n.in_a or not n.in_b:
        return nan
    apart = [n.all - sum(x == y for x, y in pairwise(scores)) for scores in (a, b)]
    return (n.alike - n.otherwise) / sqrt(apart[0] * apart[1])


def _sorted_by_a(equal_goes_up: bool) -> Answer:
    """After a sort by a, how many pairs of b go up, and how many down."""

    def answer(a, b):
        n = _count_pairs(a, b)
        if not n.in_a or not n.in_b:
            return nan
        in_order = [y for _, y in sorted(zip(a, b, strict=True))]
        steps = [np.sign(y - x) for x, y in combinations(in_order, 2)]
        steps = [1 if step == 0 and equal_goes_up else step for step in steps]
        return float(sum(steps) / sum(step != 0 for step in steps))

    return answer


def _draw_scores(rng: random.Random) -> tuple[list[float], list[float]]:
    """Some pair is apart in both, unless a list has one value only."""
    while True:
        N = rng.randint(2, 6)
        values = rng.choice(((1.0, 2.0, 3.0), (0.1, 0.2, 0.3, 0.4, 0.5), (-1.0, 0.0, 4.0, 20.0)))
        a, b = ([rng.choice(values) for _ in range(N)] for _ in range(2))
        if rng.random() < 0.3:
            a, b = rng.sample(range(20), N), rng.sample(range(20), N)
            a, b = [x / 10 for x in a], [x / 10 for x in b]
        if rng.random() < 0.12:
            b = [b[0]] * N
        n = _count_pairs(a, b)
        if not n.in_a or not n.in_b or n.alike + n.otherwise:
            return a, b


def _turned(answer: Answer) -> str | None:
    a, b = [0.41, 0.35, 0.52, 0.35, 0.60], [0.30, 0.33, 0.41, 0.20, 0.41]
    there, back = answer(a, b), answer(b, a)
    return None if abs(there - back) < 1e-6 else f"one way it is {there:.4f}, the other way {back:.4f}"


def _itself(answer: Answer) -> str | None:
    a = [0.41, 0.35, 0.52, 0.35]
    found = answer(a, list(a))
    return None if abs(found - 1) < 1e-6 else f"a list and itself give {found:.4f}"


TAU = Exercise(
    id="19.1",
    title="Kendall's tau",
    difficulty="medium",
    minutes=10,
    section="Build it: do two rankings agree?",
    signature="list of float, list of float -> float",
    reference=kendall_tau,
    another=_by_groups_of_ties,
    draw=_draw_scores,
    loops=True,
    situations=(
        Situation("two systems are tied in a", lambda a, b: len(set(a)) < len(a)),
        Situation("two systems are tied in b", lambda a, b: len(set(b)) < len(b)),
        Situation("nothing is tied", lambda a, b: len(set(a)) == len(a) and len(set(b)) == len(b)),
        Situation("a pair is tied in both", lambda a, b: _count_pairs(a, b).in_neither > 0),
        Situation("all scores of a list are equal", lambda a, b: len(set(a)) == 1 or len(set(b)) == 1),
        Situation("there are two systems", lambda a, b: len(a) == 2),
        Situation(
            "a different number of pairs is tied in each",
            lambda a, b: _count_pairs(a, b).in_a != _count_pairs(a, b).in_b,
        ),
    ),
    cases=(
        Case("four systems, two of them change places", lambda: ([0.4, 0.3, 0.2, 0.1], [0.5, 0.6, 0.2, 0.1]), 4 / 6),
        Case("a tie in one list", lambda: ([0.3, 0.2, 0.2], [0.9, 0.8, 0.7]), 2 / sqrt(6)),
        Case(
            "a pair tied in both, and another one in b",
            lambda: ([1.0, 1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 5.0, 5.0, 3.0]),
            4 / sqrt(72),
        ),
        Case("turned round", lambda: ([0.1, 0.5, 0.3], [7.0, 2.0, 4.0]), -1.0),
        Case("all equal in b", lambda: ([0.1, 0.2, 0.3], [0.5, 0.5, 0.5]), nan),
        Case("all equal in a", lambda: ([2.0, 2.0], [0.1, 0.4]), nan),
        Case(
            "six systems, ties in both",
            lambda: ([0.31, 0.44, 0.44, 0.52, 0.29, 0.61], [0.70, 0.62, 0.70, 0.91, 0.55, 0.62]),
        ),
    ),
    properties=(
        Property("it does not matter which list comes first", _turned),
        Property("a list agrees wholly with itself, ties or not", _itself),
    ),
    mistakes=(
        Mistake(
            "divided by all pairs",
            _agreement(below=lambda n: n.all),
            "You divide by the number of all pairs: that is tau-a. With a tie it cannot reach 1, even for a list and itself. tau-b counts, for each "
            "list, only the pairs that are apart in it.",
        ),
        Mistake(
            "divided by the pairs that are apart in both",
            _agreement(below=lambda n: n.alike + n.otherwise),
            "You divide by the pairs that are apart in both lists. That is another measure, gamma, and ties cost nothing in it: two lists that agree "
            "on one pair and tie everywhere else would get 1.",
        ),
        Mistake(
            "the root is missing",
            _agreement(below=lambda n: n.in_a * n.in_b),
            "You divide by the product of the two counts. It is their geometric mean: take the root of the product.",
        ),
        Mistake(
            "the mean of the two counts",
            _agreement(below=lambda n: (n.in_a + n.in_b) / 2),
            "You divide by the arithmetic mean of the two counts. The contract takes the geometric mean, as for a cosine, where the lengths are multiplied.",
        ),
        Mistake(
            "the larger count",
            _agreement(below=lambda n: max(n.in_a, n.in_b)),
            "You divide by the larger of the two counts. Both count: the root of their product.",
        ),
        Mistake(
            "the smaller count",
            _agreement(below=lambda n: min(n.in_a, n.in_b)),
            "You divide by the smaller of the two counts. Both count: the root of their product.",
        ),
        Mistake(
            "ties of b are forgotten",
            _agreement(below=lambda n: n.in_a),
            "You look for ties in the first list only, and divide by the pairs that are apart in it. Turn the lists, and you get another number.",
        ),
        Mistake(
            "ties of a are forgotten",
            _agreement(below=lambda n: n.in_b),
            "You look for ties in the second list only, and divide by the pairs that are apart in it. Turn the lists, and you get another number.",
        ),
        Mistake(
            "a tie counts as agreement",
            _agreement(above=lambda n: n.all - 2 * n.otherwise),
            "Whatever is not the other way round counts as agreement with you, ties included: `>= 0` does that. A tied pair says nothing, and "
            "adds nothing above the line.",
        ),
        Mistake(
            "a tie counts as disagreement",
            _agreement(above=lambda n: 2 * n.alike - n.all),
            "Whatever is not ordered alike counts as disagreement with you, ties included: an `else` behind the first question does that. A tied pair "
            "says nothing, and adds nothing above the line.",
        ),
        Mistake(
            "tied in both counts as agreement",
            _agreement(above=lambda n: n.alike + n.in_neither - n.otherwise),
            "A pair that is tied in both lists counts as agreement with you: you compare the two signs, and zero equals zero. There is no order in "
            "either list that could agree.",
        ),
        Mistake(
            "only what agrees is counted",
            _agreement(above=lambda n: n.alike),
            "You count the pairs that are ordered alike and subtract nothing. Half of the pairs agree by chance; those that disagree are taken off, so "
            "that chance gives 0.",
        ),
        Mistake(
            "only what disagrees is counted",
            _agreement(above=lambda n: n.otherwise),
            "You count the pairs that are ordered otherwise. That is a distance. tau is the difference: those ordered alike minus those.",
        ),
        Mistake(
            "the sign is turned",
            _agreement(above=lambda n: n.otherwise - n.alike),
            "You subtract the pairs that are ordered alike from the others, so a list and itself get -1.",
        ),
        Mistake(
            "the sign is lost",
            _agreement(above=lambda n: abs(n.alike - n.otherwise)),
            "Your result is never negative. A ranking turned upside down must get -1: that is why the sign is kept.",
        ),
        Mistake(
            "one list against the other",
            _one_list_against_the_other,
            "You compare a system's score in `a` with its score in `b`. Two data sets have two scales, and the one being larger says nothing about order. Compare "
            "every two systems within each list.",
        ),
        Mistake(
            "sorted by a, then counted in b",
            _sorted_by_a(False),
            "You sort by `a` and count which pairs of `b` go up and which go down. A sort puts pairs that are tied in `a` into an order as well, and there is "
            "none: they add nothing.",
        ),
        Mistake(
            "sorted by a, and equal ones go up",
            _sorted_by_a(True),
            "You sort by `a` and count which pairs of `b` go up or stay, and which go down. Then ties in either list count as agreement. They add nothing.",
        ),
        Mistake(
            "each pair twice above the line",
            _agreement(above=lambda n: 2 * (n.alike - n.otherwise)),
            "Above the line each pair counts twice, as (i, j) and as (j, i), and once below it. Count them the same way in both.",
        ),
        Mistake(
            "neighbours only",
            _agreement(chosen=lambda N: [(i, i + 1) for i in range(N - 1)]),
            "You compare each system with the next one only. Every two systems are a pair: N (N - 1) / 2 of them.",
        ),
        Mistake(
            "all against the first",
            _agreement(chosen=lambda N: [(0, i) for i in range(1, N)]),
            "You compare all systems with the first one only. Every two systems are a pair: N (N - 1) / 2 of them.",
        ),
        Mistake(
            "differences instead of signs",
            _by_size,
            "You add up products of differences, so a pair that is far apart counts more. tau asks only who is ahead: take the signs.",
        ),
        Mistake(
            "Pearson's correlation",
            _pearson,
            "That is the correlation of the scores. One system that is far ahead decides it alone. tau asks only who is ahead of whom.",
        ),
        Mistake(
            "Spearman's correlation",
            lambda a, b: spearman(a, b),
            "That is Spearman's correlation, of chapter 03: it correlates ranks. tau counts pairs. Both run from -1 to 1, and they differ.",
        ),
        Mistake(
            "ties are put in an order",
            _ties_by_place,
            "You turn scores into ranks first, and a sort gives equal scores different ranks. So a tie counts as an order that the scores do not have.",
        ),
        Mistake(
            "orders instead of ranks",
            _orders_read_as_ranks,
            "You compare the sorted lists of systems place by place: `argsort` says which system stands at a place. What is needed is each system's "
            "own score, in both lists.",
        ),
        Mistake(
            "the share of equal ranks",
            _same_place,
            "You count the systems that have the same rank in both lists. One newcomer at the top moves everybody by one, and your number falls to 0, although "
            "all the others kept their order. Count pairs.",
        ),
        Mistake(
            "tied systems instead of tied pairs",
            _ties_counted(lambda counts: sum(t for t in counts.values() if t > 1)),
            "You take off the number of tied *systems*. t equal scores make t (t - 1) / 2 tied pairs.",
        ),
        Mistake(
            "one less for each further equal score",
            _ties_counted(lambda counts: sum(t - 1 for t in counts.values())),
            "For t equal scores you take off t - 1. They make t (t - 1) / 2 tied pairs: each with each.",
        ),
        Mistake(
            "ties between neighbours only",
            _ties_side_by_side,
            "You look for ties between neighbours in the list. It is not sorted, so equal scores may stand apart: every two systems are a pair.",
        ),
        Mistake(
            "tied pairs counted twice",
            _ties_counted(lambda counts: sum(t * (t - 1) for t in counts.values())),
            "For t equal scores you take off t (t - 1): each tied pair twice. All pairs were counted once, so halve it.",
        ),
        Mistake(
            "an error where all are equal",
            _agreement(tied=_raise_zero),
            "Where a list has one value only, no pair is apart in it, and you divide by zero. The contract says what to return.",
        ),
        Mistake(
            "0 where all are equal",
            _agreement(tied=lambda n: 0.0),
            "Where all scores of a list are equal you return 0: as many pairs agree as disagree. There is no pair that could do either. The contract "
            "says NaN, as scipy does, so that nobody reads a missing order as a measured one.",
        ),
        Mistake(
            "1 where all are equal",
            _agreement(tied=lambda n: 1.0),
            "Where all scores of a list are equal you return 1, as if that were full agreement. There is no order at all: the contract says NaN.",
        ),
    ),
    hints=(
        "A pair of systems is one question to each list: who is ahead, or neither? What are the possible pairs of answers, and what does each add?",
        "The sign of a difference is 1, 0 or -1. Multiply the two signs of a pair: what does the product say?",
        "Three counters, in one loop over i < j: the product of the signs, and for each list the square of its sign.",
    ),
)


# --- 19.2 all supports -----------------------------------------------------------------------

Rankings = Mapping[str, Sequence[str]]


def recall_of_all(rankings: Rankings, supports: Rankings, k: int) -> float:
    """The share of queries that have all their supports among the first k; queries without supports are left out."""
    qrels = {query: dict.fromkeys(needed, 1) for query, needed in supports.items() if needed}
    run = {query: {p: -float(rank) for rank, p in enumerate(rankings.get(query, ()))} for query in qrels}
    if not qrels:
        return 0.0
    found = evaluate(qrels, run, [f"recall@{k}"], per_query=True)[f"recall@{k}"]
    return sum(share == 1 for share in found.values()) / len(qrels)


def _by_the_last_support(rankings, supports, k):
    """The rank of the last support decides."""
    last = []
    for query in supports:
        ranked = list(rankings.get(query, []))
        ranks = [ranked.index(p) + 1 if p in ranked else k + 1 for p in supports[query]]
        if ranks:
            last.append(max(ranks))
    return sum(rank <= k for rank in last) / len(last) if last else 0.0


def _all_there(ranked: Sequence[str], needed: Sequence[str], k: int) -> float:
    return float(set(needed) <= set(ranked[:k]))


def _with_supports(supports: Rankings) -> list[str]:
    return [query for query in supports if supports[query]]


def _hops(
    rankings, supports, k, *, asked=lambda rankings, supports, k: _with_supports(supports),
    ranked=lambda rankings, query: list(rankings.get(query, ())), worth=_all_there,
    join=lambda found, rankings, supports: sum(found) / len(found), none=lambda: 0.0,
):  # fmt: skip
    """Recall of all supports with one part exchanged."""
    found = [worth(ranked(rankings, query), supports.get(query, ()), k) for query in asked(rankings, supports, k)]
    return join(found, rankings, supports) if found else none()


def _supported(**parts: Any) -> Answer:
    return lambda *args: _hops(*args, **parts)


def _share_of_supports(ranked, needed, k):
    return sum(p in ranked[:k] for p in needed) / len(needed)


def _added_over_all(rankings, supports, k):
    found = sum(p in rankings.get(q, ())[:k] for q, needed in supports.items() for p in needed)
    total = sum(len(needed) for needed in supports.values())
    return found / total if total else 0.0


def _one_list_for_all(rankings, supports, k):
    """The first k of every query thrown together."""
    shown = {p for q in supports for p in rankings.get(q, ())[:k]}
    return _hops(rankings, supports, k, worth=lambda ranked, needed, k: float(set(needed) <= shown))


def _in_their_order(ranked, needed, k):
    places = [ranked.index(p) for p in needed if p in ranked[:k]]
    return float(len(places) == len(needed) and places == sorted(places))


def _place_by_place_of(rankings, supports, k):
    """The first ranking with the first supports, whatever their ids."""
    sides = zip(rankings.values(), supports.values(), strict=False)
    found = [_all_there(ranked, needed, k) for ranked, needed in sides if needed]
    return sum(found) / len(found) if found else 0.0


def _one_after_the_last(ranked, needed, k):
    """1 over the rank at which all are there."""
    return 1 / max(ranked.index(p) + 1 for p in needed) if _all_there(ranked, needed, k) else 0.0


def _draw_supports(rng: random.Random) -> tuple[dict[str, list[str]], dict[str, list[str]], int]:
    k = rng.randint(1, 4)
    rankings, supports = {}, {}
    for query in rng.sample(["q1", "q2", "q3", "q4", "q5"], rng.randint(1, 4)):
        ids = rng.sample("ABCDEFG", 6)
        ranked = ids[: rng.randint(1, 6)]
        needed = rng.sample(ids, rng.choice((0, 1, 2, 2, 3)))
        if rng.random() < 0.5:
            needed = rng.sample(ranked[:k], min(len(ranked[:k]), rng.choice((1, 2, 3))))
        if rng.random() < 0.85:
            rankings[query] = ranked
        if rng.random() < 0.9:
            supports[query] = needed
    if rng.random() < 0.05:
        supports = {query: [] for query in supports}
    return rankings, supports, k


def _three_questions() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Two facts near the top, one of two, and one fact."""
    rankings = {
        "born where": ["A", "C", "B", "D"],
        "older than": ["E", "F", "A", "G"],
        "capital": ["H", "B", "A", "C"],
    }
    return rankings, {"born where": ["B", "A"], "older than": ["E", "G"], "capital": ["B"]}


def _more_never_hurts(answer: Answer) -> str | None:
    found = [answer(*_three_questions(), k) for k in (1, 2, 3, 4)]
    return None if found == sorted(found) else f"for k = 1, 2, 3, 4 it is {', '.join(f'{x:.2f}' for x in found)}"


SUPPORTS = Exercise(
    id="19.2",
    title="all supports",
    difficulty="easy",
    minutes=6,
    section="Further: questions that need two facts",
    signature="dict, dict, int -> float",
    reference=recall_of_all,
    another=_by_the_last_support,
    draw=_draw_supports,
    loops=True,
    situations=(
        Situation("a query has no supports", lambda r, s, k: any(not needed for needed in s.values())),
        Situation("a query has no ranking", lambda r, s, k: any(q not in r for q in s)),
        Situation("a query with supports has no ranking", lambda r, s, k: any(q not in r and s[q] for q in s)),
        Situation("a ranking belongs to no query of supports", lambda r, s, k: any(q not in s for q in r)),
        Situation("no query has supports", lambda r, s, k: not any(s.values())),
        Situation("a query has more supports than k", lambda r, s, k: any(len(needed) > k for needed in s.values())),
        Situation(
            "some of a query's supports are found, and not all",
            lambda r, s, k: any(0 < sum(p in r.get(q, ())[:k] for p in s[q]) < len(s[q]) for q in s),
        ),
        Situation(
            "a support stands behind the first k", lambda r, s, k: any(p in r.get(q, ())[k:] for q in s for p in s[q])
        ),
        Situation("k is larger than a ranking", lambda r, s, k: any(k > len(ranked) for ranked in r.values())),
    ),
    cases=(
        Case("three questions, k = 3", lambda: (*_three_questions(), 3), 2 / 3),
        Case("the same, k = 2", lambda: (*_three_questions(), 2), 1 / 3),
        Case(
            "one without supports, one without a ranking",
            lambda: (
                {"q2": ["B", "A"], "q9": ["A"], "q1": ["C", "A"]},
                {"q1": ["A"], "q2": [], "q3": ["C"], "q4": ["B", "D"]},
                2,
            ),
            1 / 3,
        ),
        Case("no query has supports", lambda: ({"q1": ["B", "A"]}, {"q1": []}, 5), 0.0),
        Case("three supports, k = 2", lambda: ({"q1": ["B", "A", "C"]}, {"q1": ["C", "B", "A"]}, 2), 0.0),
        Case("a short list", lambda: ({"q1": ["B", "A"], "q2": ["D"]}, {"q2": ["D"], "q1": ["A", "C"]}, 10), 1 / 2),
    ),
    properties=(Property("with a larger k it does not fall", _more_never_hurts),),
    mistakes=(
        Mistake(
            "one support is enough",
            _supported(worth=lambda ranked, needed, k: float(any(p in ranked[:k] for p in needed))),
            "A query counts with you as soon as one of its supports is there: `any`, or an intersection that is not empty. With one of two facts the "
            "question cannot be answered. All of them are asked for.",
        ),
        Mistake(
            "the share of supports",
            _supported(worth=_share_of_supports),
            "You count the share of supports that are there: the usual recall. Half of a chain answers no question, so a query counts 1 or 0.",
        ),
        Mistake(
            "without supports a query counts as answered",
            _supported(asked=lambda rankings, supports, k: list(supports)),
            "A query without supports counts 1 with you: all of nothing is there. It says nothing about the search, and flatters the mean. Leave it out.",
        ),
        Mistake(
            "without supports a query counts as missed",
            _supported(
                asked=lambda rankings, supports, k: list(supports),
                worth=lambda ranked, needed, k: _all_there(ranked, needed, k) if needed else 0.0,
            ),
            "A query without supports counts 0 with you, or stands in the number you divide by. No search could do anything for it. Leave it out.",
        ),
        Mistake(
            "silence is left out",
            _supported(asked=lambda rankings, supports, k: [q for q in supports if supports[q] and q in rankings]),
            "You leave out queries that have no ranking. Then a search looks better for saying nothing. Such a query counts 0.",
        ),
        Mistake(
            "an error where a ranking is missing",
            _supported(ranked=lambda rankings, query: list(rankings[query])),
            "A query of `supports` that `rankings` lacks raises an error. Nothing was found for it, so it counts 0.",
        ),
        Mistake(
            "the queries of rankings",
            lambda rankings, supports, k: _hops(
                rankings,
                supports,
                k,
                asked=lambda r, s, k: [q for q in r if s.get(q)] + [q for q in r if q not in s],
                worth=lambda ranked, needed, k: _all_there(ranked, needed, k) if needed else 0.0,
            ),
            "You go through the queries of `rankings`. The truth stands in `supports`: what was ranked beyond it is nobody's question, and what is "
            "missing was still asked.",
        ),
        Mistake(
            "divided by the number of rankings",
            _supported(join=lambda found, rankings, supports: sum(found) / max(len(rankings), 1)),
            "You divide by the number of rankings. Divide by the queries that have supports, ranked or not.",
        ),
        Mistake(
            "k is not used",
            _supported(worth=lambda ranked, needed, k: float(set(needed) <= set(ranked))),
            "You look through the whole ranking. Whoever reads the results, a person or a language model, sees the first k.",
        ),
        Mistake(
            "one place too few",
            _supported(worth=lambda ranked, needed, k: _all_there(ranked, needed, k - 1)),
            "You look at k - 1 places. The place k belongs to the first k.",
        ),
        Mistake(
            "one place too many",
            _supported(worth=lambda ranked, needed, k: _all_there(ranked, needed, k + 1)),
            "You look at k + 1 places: places counted from 0 and compared with `<= k` do that.",
        ),
        Mistake(
            "k supports are enough",
            _supported(
                worth=lambda ranked, needed, k: float(sum(p in ranked[:k] for p in needed) >= min(k, len(needed)))
            ),
            "Where a query has more supports than k, you ask for k of them only. They do not fit into k places, so the query counts 0: that is what "
            "the reader of k passages gets.",
        ),
        Mistake(
            "more supports than k are left out",
            _supported(asked=lambda rankings, supports, k: [q for q in supports if 0 < len(supports[q]) <= k]),
            "You leave out queries with more supports than k. They count 0: the question was asked, and k places cannot answer it.",
        ),
        Mistake(
            "nothing but supports",
            _supported(worth=lambda ranked, needed, k: float(set(ranked[:k]) == set(needed))),
            "You ask that the first k are the supports and nothing else. Other passages may stand between them.",
        ),
        Mistake(
            "all of the first k are supports",
            _supported(worth=lambda ranked, needed, k: float(bool(ranked[:k]) and set(ranked[:k]) <= set(needed))),
            "You ask whether all of the first k are supports. It is the other way round: whether all supports are among the first k.",
        ),
        Mistake(
            "in front of everything else",
            _supported(
                worth=lambda ranked, needed, k: float(len(needed) <= k and set(ranked[: len(needed)]) == set(needed))
            ),
            "You ask that the supports stand in front of everything else: two supports in the first two places. Among the first k is enough.",
        ),
        Mistake(
            "in the order in which they are listed",
            _supported(worth=_in_their_order),
            "You ask that the supports are ranked in the order in which `supports` lists them. They may stand in any order.",
        ),
        Mistake(
            "the first support only",
            _supported(worth=lambda ranked, needed, k: float(needed[0] in ranked[:k])),
            "You look for the first support of each query only. All of them are needed.",
        ),
        Mistake(
            "the last support only",
            _supported(worth=lambda ranked, needed, k: float(needed[-1] in ranked[:k])),
            "The last support alone decides: what a loop sets anew in each turn keeps what the last turn said. All of them are needed.",
        ),
        Mistake(
            "the supports of all queries added up",
            _added_over_all,
            "You count supports over all queries together. Each query is a question of its own, answered or not: decide for each, then take the mean.",
        ),
        Mistake(
            "the passages of all queries together",
            _one_list_for_all,
            "You throw the first k of all queries into one set. A support then counts as found although another query found it.",
        ),
        Mistake(
            "matched by their place",
            _place_by_place_of,
            "You go through both dicts side by side, so the first ranking meets the first supports. Their queries need not stand in the same order, nor in both: "
            "look each ranking up by the query's id.",
        ),
        Mistake(
            "1 over the rank of the last",
            _supported(worth=_one_after_the_last),
            "You take 1 over the rank of the last support. That is a reciprocal rank; here a query counts 1 or 0.",
        ),
        Mistake(
            "the number of queries",
            _supported(join=lambda found, rankings, supports: sum(found)),
            "You return how many queries count. The mean is asked for: divide by how many have supports.",
        ),
        Mistake(
            "in hundredths",
            _supported(join=lambda found, rankings, supports: 100 * sum(found) / len(found)),
            "Your result is a percentage. A share between 0 and 1 is asked for.",
        ),
        Mistake(
            "an error where no query has supports",
            _supported(none=_raise_zero),
            "Where no query has supports you divide by zero. The contract says what to return.",
        ),
        Mistake(
            "1 where no query has supports",
            _supported(none=lambda: 1.0),
            "Where no query has supports you return 1, as if everything had been found. The contract says 0.",
        ),
        Mistake(
            "NaN where no query has supports",
            _supported(none=lambda: nan),
            "Where no query has supports you return NaN, as a mean of nothing is. The contract says 0.",
        ),
    ),
    hints=(
        "For one query, what is the question: how many of its supports are there, or whether one is missing?",
        "A set says at once whether it holds all of another one. What does it say of an empty one?",
        "Go through `supports`, pass over the empty ones, ask for each ranking with a default, and divide by how many you have not passed over.",
    ),
)


# --- 19.3 a leak detector --------------------------------------------------------------------


def ngram_shares(queries: Sequence[str], training: Sequence[str], n: int) -> list[float]:
    """For each query the share of its runs of n words that stand in some training text."""
    texts = [text.lower().split() for text in training]
    seen = {size: {run for words in texts for run in _runs(words, size)} for size in range(1, n + 1)}
    shares = []
    for query in queries:
        words = query.lower().split()
        size = min(n, len(words))
        runs = _runs(words, size) if size else []
        shares.append(sum(run in seen[size] for run in runs) / len(runs) if runs else 0.0)
    return shares


Run = tuple[str, ...]


def _runs(words: Sequence[str], size: int) -> list[Run]:
    """All runs of `size` words that stand side by side."""
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def _place_by_place(queries, training, n):
    """Without sets: each run is looked for at each place of each text."""
    shares = []
    for query in queries:
        words = query.lower().split()
        if not words:
            shares.append(0.0)
            continue
        size, found, places = min(n, len(words)), 0, 0
        while places + size <= len(words):
            run = words[places : places + size]
            found += any(
                text[i : i + size] == run for text in (t.lower().split() for t in training) for i in range(len(text))
            )
            places += 1
        shares.append(found / places)
    return shares


def _lower_words(text: str) -> list[str]:
    return text.lower().split()


def _seen_runs(texts: list[list[str]], size: int) -> Any:
    return {run for words in texts for run in _runs(words, size)}


def _mean_of(hits: list[bool], runs: list[Run], seen: Any) -> float:
    return sum(hits) / len(hits)


def _leaks(
    queries, training, n, *, words_of=_lower_words, training_words=None, runs_of=_runs, seen_of=_seen_runs,
    short=lambda words, n: min(n, len(words)), empty=lambda: 0.0, share=_mean_of, whole=lambda shares: shares,
):  # fmt: skip
    """Shares of runs with one part exchanged; `short` gives the length of the runs, or a float: the share itself."""
    texts = [(training_words or words_of)(text) for text in training]
    shares = []
    for query in queries:
        words = words_of(query)
        size = short(words, n) if len(words) < n else n
        if not words:
            shares.append(empty())
            continue
        if isinstance(size, float):
            shares.append(size)
            continue
        seen, runs = seen_of(texts, size), runs_of(words, size)
        shares.append(share([run in seen for run in runs], runs, seen) if runs else 0.0)
    return whole(shares)


def _leaking(**parts: Any) -> Answer:
    return lambda *args: _leaks(*args, **parts)


def _each_in_order(key: Callable[[Run], Any]) -> dict[str, Any]:
    """Runs that count as equal where `key` gives the same."""
    return {
        "runs_of": lambda words, size: [key(run) for run in _runs(words, size)],
        "seen_of": lambda texts, size: {key(run) for words in texts for run in _runs(words, size)},
    }


def _as_a_piece_of_text(queries, training, n):
    """`run in text`, letters in letters."""
    texts = [" ".join(text.lower().split()) for text in training]
    return _leaks(queries, training, n, seen_of=lambda _, size: _Inside(texts))


def _short_ones_whole(queries, training, n):
    """A query with fewer than n words has to be a training text."""
    whole = [_lower_words(text) for text in training]
    return _leaks(queries, training, n, short=lambda words, n: float(words in whole))


class _Inside:
    """Holds a run where its letters stand in one of the texts."""

    def __init__(self, texts: list[str]):
        self.texts = texts

    def __contains__(self, run: Run) -> bool:
        return any(" ".join(run) in text for text in self.texts)


def _as_many_as_there_are(hits: list[bool], runs: list[Run], seen: Counter) -> float:
    """Each run of the training texts is used up once."""
    return sum(min(count, seen[run]) for run, count in Counter(runs).items()) / len(runs)


def _best_single_text(queries, training, n):
    each = [_leaks(queries, [text], n) for text in training]
    return [max(shares, default=0.0) for shares in zip(*each, strict=True)] if each else [0.0] * len(queries)


def _covered_words(queries, training, n):
    """The share of words that lie in some run that was found."""
    shares = []
    for query in queries:
        words = _lower_words(query)
        size = min(n, len(words))
        seen = _seen_runs([_lower_words(text) for text in training], size) if size else set()
        covered = {i + j for i, run in enumerate(_runs(words, size)) if size and run in seen for j in range(size)}
        shares.append(len(covered) / len(words) if words else 0.0)
    return shares


def _characters(queries, training, n):
    return _leaks(queries, training, n, words_of=lambda text: list(text.lower()))


def _from_the_training_side(queries, training, n):
    """The share of the training runs that stand in the query."""
    shares = []
    for query in queries:
        words = _lower_words(query)
        size = min(n, len(words))
        runs = [run for text in training for run in _runs(_lower_words(text), size)] if size else []
        own = set(_runs(words, size)) if size else set()
        shares.append(sum(run in own for run in runs) / len(runs) if runs else 0.0)
    return shares


def _alike_as_sets(hits: list[bool], runs: list[Run], seen: set) -> float:
    return len(set(runs) & seen) / len(set(runs) | seen)


def _mean_over_training(queries, training, n):
    each = [_leaks(queries, [text], n) for text in training]
    return [sum(shares) / len(shares) for shares in zip(*each, strict=True)] if each else [0.0] * len(queries)


def _all_sizes(queries, training, n):
    """Runs of one word, of two, and so on up to n, all together."""
    seen = {run for text in training for size in range(1, n + 1) for run in _runs(_lower_words(text), size)}
    every = [[run for size in range(1, n + 1) for run in _runs(_lower_words(query), size)] for query in queries]
    return [sum(run in seen for run in runs) / len(runs) if runs else 0.0 for runs in every]


def _any_size_behind(words: Sequence[str], size: int) -> list[Run]:
    """A slice beyond the end is shorter, and nobody complains."""
    return [tuple(words[i : i + size]) for i in range(len(words))]


def _draw_texts(rng: random.Random) -> tuple[list[str], list[str], int]:
    n = rng.choice((1, 2, 2, 3, 3))
    training = [draws.sentence(rng) for _ in range(rng.choice((0, 1, 2, 2, 3)))]
    queries = []
    for _ in range(rng.randint(1, 3)):
        if training and rng.random() < 0.7:
            words = rng.choice(training).split()
            start = rng.randrange(len(words) + 1)
            words = words[start : start + rng.randint(1, 4)] + draws.sentence(rng).split()[: rng.choice((0, 0, 1, 3))]
            words = words * rng.choice((1, 1, 1, 2))
            words = [word.upper() if rng.random() < 0.2 else word for word in words]
            queries.append(rng.choice((" ", " ", "  ", "\n")).join(words))
        else:
            queries.append(draws.sentence(rng))
    return queries, training, n


def _no_training_changes_nothing(answer: Answer) -> str | None:
    queries, training = ["Heart attack signs", "signs of a heart attack"], ["the signs of a stroke", "a heart attack"]
    first, second = (answer(queries, texts, 2) for texts in (training, training[::-1] + training))
    return (
        None
        if first == second
        else "the same training texts, in another order and one of them twice, give other shares"
    )


def _word_count(text: str) -> int:
    return len(text.split())


LEAKS = Exercise(
    id="19.3",
    title="a leak detector",
    difficulty="medium",
    minutes=10,
    section="Build it: a leak detector",
    signature="list of str, list of str, int -> list of float",
    reference=ngram_shares,
    another=_place_by_place,
    draw=_draw_texts,
    loops=True,
    situations=(
        Situation("a query has fewer than n words", lambda q, t, n: any(0 < _word_count(x) < n for x in q)),
        Situation("a query is empty", lambda q, t, n: any(not x.split() for x in q)),
        Situation("there is no training text", lambda q, t, n: not t),
        Situation("there is more than one training text", lambda q, t, n: len(t) > 1),
        Situation("a training text has fewer than n words", lambda q, t, n: any(_word_count(x) < n for x in t)),
        Situation("a text has capitals", lambda q, t, n: any(x != x.lower() for x in q + t)),
        Situation(
            "words are parted by more than one space", lambda q, t, n: any("  " in x or "\n" in x for x in q + t)
        ),
        Situation("n is 1", lambda q, t, n: n == 1),
        Situation(
            "a run stands twice in a query",
            lambda q, t, n: any(len(set(_runs(_lower_words(x), n))) < len(_runs(_lower_words(x), n)) for x in q),
        ),
        Situation("a query is found in part", lambda q, t, n: any(0 < share < 1 for share in ngram_shares(q, t, n))),
    ),
    cases=(
        Case(
            "three queries, n = 3",
            lambda: (
                ["What causes a heart attack", "how to train a neural network", "a heart"],
                ["Doctors know what causes a stroke", "Signs of a heart attack"],
                3,
            ),
            [2 / 3, 0.0, 1.0],
        ),
        Case(
            "letters, and runs across two texts",
            lambda: (["art attack", "blood sugar row"], ["heart attack", "Blood", "sugar row"], 2),
            [0.0, 1 / 2],
        ),
        Case("nothing to read", lambda: (["", "sugar"], [], 2), [0.0, 0.0]),
        Case(
            "short queries, and the order of words",
            lambda: (["blood", "sugar  blood", "Row, row"], ["low blood\nsugar row", "Row, Row row"], 3),
            [1.0, 0.0, 1.0],
        ),
        Case(
            "a run that stands twice",
            lambda: (["in a row in a test", "in-a in a"], ["put in a box", "a test. in a test"], 2),
            [3 / 5, 1 / 2],
        ),
        Case("words and their letters", lambda: (["in an art"], ["test", "i nan art"], 2), [0.0]),
        Case("single words", lambda: (["a row in a ROW", "test"], ["A heart in an in-an test."], 1), [3 / 5, 0.0]),
        Case(
            "longer texts",
            lambda: (
                ["heart row in a test. in an art row", "Sugar in a row, a row", "an in-an heart in a test."],
                ["a row in a test. in art", "sugar in a row a row an", "heart row, in an art row in"],
                3,
            ),
        ),
    ),
    properties=(
        Property(
            "neither the order of the training texts matters, nor how often one stands there",
            _no_training_changes_nothing,
        ),
    ),
    mistakes=(
        Mistake(
            "a short query is never found",
            _leaking(short=lambda words, n: 0.0),
            "A query with fewer than n words gets 0 with you. Most queries are short, and the detector would be blind to all of them. Such a query is one "
            "run: all its words, and training runs of that many words are what it is looked up in.",
        ),
        Mistake(
            "a short query always counts as found",
            _leaking(short=lambda words, n: 1.0),
            "A query with fewer than n words gets 1 with you, whatever stands in the training texts: a false alarm for every short query.",
        ),
        Mistake(
            "an error for a short query",
            _leaking(short=_raise_zero, empty=_raise_zero),
            "For a query with fewer than n words you divide by zero: it has no run of n words. The contract gives it one run of all its words.",
        ),
        Mistake(
            "an error for an empty query",
            _leaking(empty=_raise_zero),
            "An empty query has no words, and you divide by zero. The contract says 0.",
        ),
        Mistake(
            "an empty query counts as found",
            _leaking(empty=lambda: 1.0),
            "An empty query gets 1: nothing stands everywhere. The contract says 0, since nothing has leaked.",
        ),
        Mistake(
            "a short query only as a whole text",
            _short_ones_whole,
            "A short query is found with you only where a training text consists of just its words. It may stand anywhere inside a text.",
        ),
        Mistake(
            "capitals count",
            _leaking(words_of=lambda text: text.split()),
            "Capitals count with you, so a sentence that begins with a word does not match the same word elsewhere. Turn everything to lower case.",
        ),
        Mistake(
            "training texts keep their capitals",
            _leaking(training_words=lambda text: text.split()),
            "You turn the queries to lower case and leave the training texts as they are. Then nothing with a capital can match. Both sides.",
        ),
        Mistake(
            "queries keep their capitals",
            _leaking(words_of=lambda text: text.split(), training_words=_lower_words),
            "You turn the training texts to lower case and leave the queries as they are. Then nothing with a capital can match. Both sides.",
        ),
        Mistake(
            "split at each single space",
            _leaking(words_of=lambda text: text.lower().split(" ")),
            "You split at each single space. Two spaces then give an empty word, and a line's end sticks to its words. `split` without an argument takes all "
            "white space together.",
        ),
        Mistake(
            "without punctuation",
            _leaking(words_of=lambda text: "".join(c if c.isalnum() else " " for c in text.lower()).split()),
            "You take punctuation out. That is a good idea, and `workbook.training_data` does so; the contract splits at white space only, so `row,` is "
            "another word than `row`.",
        ),
        Mistake(
            "letters inside of words",
            _as_a_piece_of_text,
            "You look for a run as a piece of text, letter by letter. `art attack` stands in `heart attack` then. Compare words.",
        ),
        Mistake(
            "across two training texts",
            _leaking(seen_of=lambda texts, size: set(_runs([word for words in texts for word in words], size))),
            "You join the training texts to one long one. A run then begins in one text and ends in the next, and nobody ever read it.",
        ),
        Mistake(
            "the order of words does not count",
            _leaking(**_each_in_order(lambda run: tuple(sorted(run)))),
            "You compare runs as sets, or sorted: `sugar blood` matches `blood sugar`. A run is its words in their order.",
        ),
        Mistake(
            "single words",
            lambda queries, training, n: _leaks(queries, training, 1),
            "You look up single words, and n decides nothing. Nearly every word stands in some training text; it is their sequence that gives a leak away.",
        ),
        Mistake(
            "words run together",
            _leaking(**_each_in_order(lambda run: "".join(run))),
            "You join the words of a run without a space between them. `in an` and `i nan` then are the same. Keep the words apart, as in a tuple.",
        ),
        Mistake(
            "runs of all lengths up to n",
            _all_sizes,
            "You count runs of one word, of two, and so on up to n together. Single words stand nearly everywhere, and raise every share. A query's runs have one "
            "length: n, or all its words where it has fewer.",
        ),
        Mistake(
            "letters instead of words",
            _characters,
            "Your runs are of n letters. Runs of n words are asked for: split the text first.",
        ),
        Mistake(
            "the last run is missing",
            _leaking(runs_of=lambda words, size: _runs(words[:-1], size) if len(words) > size else _runs(words, size)),
            "The last run of each query is missing: `range(len(words) - n)` ends one too early. m words have m - n + 1 runs.",
        ),
        Mistake(
            "as many runs as words",
            _leaking(runs_of=_any_size_behind),
            "You divide by the number of words, or take a run at every word, also at the last ones, where a slice gives fewer than n. m words have m - n + 1 "
            "runs, so a whole leak would not reach 1.",
        ),
        Mistake(
            "each different run once",
            _leaking(runs_of=lambda words, size: sorted(set(_runs(words, size)))),
            "You count each *different* run of a query once, as a set does. The contract counts one at each place where it begins.",
        ),
        Mistake(
            "a training run can be used once",
            _leaking(
                seen_of=lambda texts, size: Counter(run for words in texts for run in _runs(words, size)),
                share=_as_many_as_there_are,
            ),
            "A run that stands twice in the query must stand twice in the training texts with you, as in BLEU. Once is enough to have been read.",
        ),
        Mistake(
            "side by side without overlap",
            _leaking(
                runs_of=lambda words, size: [tuple(words[i : i + size]) for i in range(0, len(words) - size + 1, size)]
            ),
            "Your runs lie end to end: the next one begins n words later. A run begins at every word that has n - 1 words behind it.",
        ),
        Mistake(
            "training runs without overlap",
            _leaking(
                seen_of=lambda texts, size: {
                    tuple(words[i : i + size]) for words in texts for i in range(0, len(words) - size + 1, size)
                }
            ),
            "The runs of your training texts lie end to end. A query need not begin where one of them does: take a run at every word.",
        ),
        Mistake(
            "the first run only",
            _leaking(runs_of=lambda words, size: _runs(words[:size], size)),
            "You look up the first n words of each query only. A leak may stand anywhere in it, and a share needs all runs.",
        ),
        Mistake(
            "the first training text only",
            lambda queries, training, n: _leaks(queries, training[:1], n),
            "You look at the first training text only.",
        ),
        Mistake(
            "the last training text only",
            lambda queries, training, n: _leaks(queries, training[-1:], n),
            "Only the last training text counts: the set of runs is made anew for each text. Make it once, before the loop.",
        ),
        Mistake(
            "all in one training text",
            _best_single_text,
            "You take the largest share that a single training text gives. The contract asks whether *any* text holds a run: two runs may come from two texts.",
        ),
        Mistake(
            "the mean over the training texts",
            _mean_over_training,
            "You take the mean over the training texts. One text that holds the whole query is a leak, however many others do not.",
        ),
        Mistake(
            "yes or no",
            _leaking(share=lambda hits, runs, seen: float(any(hits))),
            "You return 1 as soon as one run is found. The share is asked for; where to draw the line comes next.",
        ),
        Mistake(
            "only if all are found",
            _leaking(share=lambda hits, runs, seen: float(all(hits))),
            "You return 1 only where every run is found, else 0. The share is asked for; where to draw the line comes next.",
        ),
        Mistake(
            "the number of runs",
            _leaking(share=lambda hits, runs, seen: sum(hits)),
            "You return how many runs were found. Long queries then look more leaked than short ones: divide by how many the query has.",
        ),
        Mistake(
            "the share of words that are covered",
            _covered_words,
            "You count the words that lie in a run that was found. The contract counts runs.",
        ),
        Mistake(
            "the share that is not found",
            _leaking(share=lambda hits, runs, seen: 1 - sum(hits) / len(hits)),
            "You return the share of runs that are *not* found, the cleanness of the query. The leak is asked for.",
        ),
        Mistake(
            "the share of the training runs",
            _from_the_training_side,
            "You divide by the runs of the training texts. The more there are, the smaller the leak looks. The query's own runs are what counts.",
        ),
        Mistake(
            "Jaccard's index",
            _leaking(share=_alike_as_sets),
            "You divide by all runs of both sides, as the Jaccard index does. The training set is large, so nothing would ever look leaked. Divide by the "
            "query's own runs.",
        ),
        Mistake(
            "one mean for all queries",
            _leaking(whole=lambda shares: sum(shares) / len(shares)),
            "You return the mean over the queries. One number for each query is asked for: some have leaked, others have not.",
        ),
    ),
    hints=(
        "What do you look up, and in what? Both sides need the same words and the same runs. Which of them can be prepared once?",
        "A run as a tuple of words can be a member of a set. A short query has a run of another length: which set do you look it up in?",
        "For each length from 1 to n one set of runs of all training texts. Then, query by query, the length is n or the number of its words.",
    ),
)


# --- 19.4 how good is the detector -----------------------------------------------------------


def detector_quality(shares: Sequence[float], leaked: Sequence[bool], threshold: float) -> tuple[float, float]:
    """Precision and recall of reporting all queries whose share reaches the threshold."""
    reported = [share >= threshold for share in shares]
    both = sum(r and t for r, t in zip(reported, leaked, strict=True))
    precision = both / sum(reported) if any(reported) else 1.0
    recall = both / sum(leaked) if any(leaked) else 1.0
    return precision, recall


class Table(NamedTuple):
    """Reported and leaked, reported alone, leaked alone, neither."""

    both: int
    reported: int
    leaked: int
    neither: int


def _over(part: float, whole: float, nothing: float = 1.0) -> float:
    return part / whole if whole else nothing


def _by_sets(shares, leaked, threshold):
    """Numbers of queries, as sets."""
    reported = {i for i, share in enumerate(shares) if not share < threshold}
    true = {i for i, t in enumerate(leaked) if t}
    return tuple(len(reported & true) / len(found) if found else 1.0 for found in (reported, true))


def _table(shares, leaked, threshold, reports=lambda share, threshold: share >= threshold) -> Table:
    found = Counter((bool(reports(s, threshold)), bool(t)) for s, t in zip(shares, leaked, strict=True))
    return Table(found[True, True], found[True, False], found[False, True], found[False, False])


def _judged(
    shares, leaked, threshold, *, reports=lambda share, threshold: share >= threshold,
    precision=lambda n: _over(n.both, n.both + n.reported), recall=lambda n: _over(n.both, n.both + n.leaked),
    order=lambda p, r: (p, r),
):  # fmt: skip
    """Precision and recall with one part exchanged."""
    n = _table(shares, leaked, threshold, reports)
    return order(precision(n), recall(n))


def _detects(**parts: Any) -> Answer:
    return lambda *args: _judged(*args, **parts)


def _f1(p: float, r: float) -> float:
    return 2 * p * r / (p + r) if p + r else 0.0


def _weighed(shares, leaked, threshold):
    """Shares added up in place of queries."""
    both = sum(s for s, t in zip(shares, leaked, strict=True) if t and s >= threshold)
    return (
        _over(both, sum(s for s in shares if s >= threshold)),
        _over(both, sum(s for s, t in zip(shares, leaked, strict=True) if t)),
    )


def _error_if_nothing(part: float, whole: float) -> float:
    return part / whole


def _draw_detector(rng: random.Random) -> tuple[list[float], list[bool], float]:
    Q = rng.randint(1, 7)
    threshold = rng.choice((0.25, 0.5, 0.5, 0.75, 1.0))
    shares = [rng.choice((0.0, 0.125, 0.25, 0.5, 0.5, 0.75, 1.0, threshold)) for _ in range(Q)]
    chance = rng.choice((0.0, 0.5, 0.5, 0.5, 0.9))
    return shares, [rng.random() < chance for _ in range(Q)], threshold


def _lower_finds_more(answer: Answer) -> str | None:
    shares, leaked = [0.9, 0.1, 0.6, 0.0, 0.3], [True, False, True, False, True]
    found = [answer(shares, leaked, threshold)[1] for threshold in (0.95, 0.5, 0.2, 0.05)]
    return None if found == sorted(found) else f"recall at .95, .5, .2, .05 is {', '.join(f'{x:.2f}' for x in found)}"


DETECTOR = Exercise(
    id="19.4",
    title="how good is the detector",
    difficulty="easy",
    minutes=6,
    section="Build it: how good is the detector?",
    signature="list of float, list of bool, float -> (float, float)",
    reference=detector_quality,
    another=_by_sets,
    draw=_draw_detector,
    loops=True,
    situations=(
        Situation("nothing is reported", lambda s, t, x: all(share < x for share in s)),
        Situation("nothing has leaked", lambda s, t, x: not any(t)),
        Situation("a share is equal to the threshold", lambda s, t, x: x in s),
        Situation(
            "a leak is missed", lambda s, t, x: any(share < x and leak for share, leak in zip(s, t, strict=True))
        ),
        Situation(
            "an alarm is false", lambda s, t, x: any(share >= x and not leak for share, leak in zip(s, t, strict=True))
        ),
        Situation("all have leaked", lambda s, t, x: all(t)),
        Situation("everything is reported", lambda s, t, x: all(share >= x for share in s)),
        Situation(
            "nothing is reported, and something has leaked", lambda s, t, x: all(share < x for share in s) and any(t)
        ),
    ),
    cases=(
        Case(
            "five queries",
            lambda: ([0.9, 0.5, 0.2, 0.6, 0.0], [True, False, True, True, False], 0.5),
            (2 / 3, 2 / 3),
        ),
        Case("nothing is reported", lambda: ([0.1, 0.4], [True, False], 0.5), (1.0, 0.0)),
        Case("nothing has leaked", lambda: ([0.8, 0.1, 0.5], [False, False, False], 0.5), (0.0, 1.0)),
        Case("neither", lambda: ([0.25], [False], 0.5), (1.0, 1.0)),
        Case(
            "one alarm in four is right",
            lambda: ([1.0, 0.75, 0.75, 0.5, 0.75, 0.25], [True, False, False, True, False, False], 0.75),
            (1 / 4, 1 / 2),
        ),
        Case(
            "eight queries",
            lambda: (
                [0.3, 0.8, 0.6, 0.1, 0.9, 0.7, 0.2, 0.65],
                [False, True, True, True, True, False, True, True],
                0.65,
            ),
        ),
    ),
    properties=(Property("with a lower threshold recall does not fall", _lower_finds_more),),
    mistakes=(
        Mistake(
            "above the threshold only",
            _detects(reports=lambda share, threshold: share > threshold),
            "A share that is equal to the threshold is not reported with you. It reaches it: at or above. At 1.0 you would never report anything.",
        ),
        Mistake(
            "what lies below is reported",
            _detects(reports=lambda share, threshold: share < threshold),
            "You report what lies *below* the threshold. A large share is what gives a leak away.",
        ),
        Mistake(
            "the threshold is not used",
            _detects(reports=lambda share, threshold: share > 0),
            "You report every share above 0, whatever the threshold is.",
        ),
        Mistake(
            "the threshold is one half",
            _detects(reports=lambda share, threshold: share >= 0.5),
            "You report from one half on, as rounding does, whatever the threshold is.",
        ),
        Mistake(
            "recall first",
            _detects(order=lambda p, r: (r, p)),
            "Recall stands first in your result. Precision comes first: of what is reported, how much has leaked.",
        ),
        Mistake(
            "precision twice",
            _detects(order=lambda p, r: (p, p)),
            "Both numbers are divided by what was reported. Recall divides by what has leaked.",
        ),
        Mistake(
            "recall twice",
            _detects(order=lambda p, r: (r, r)),
            "Both numbers are divided by what has leaked. Precision divides by what was reported.",
        ),
        Mistake(
            "nothing reported: precision 0",
            _detects(precision=lambda n: _over(n.both, n.both + n.reported, 0.0)),
            "Where nothing is reported you say precision 0, as if every alarm had been false. There was none. The contract says 1; recall tells that nothing "
            "was found.",
        ),
        Mistake(
            "nothing leaked: recall 0",
            _detects(recall=lambda n: _over(n.both, n.both + n.leaked, 0.0)),
            "Where nothing has leaked you say recall 0, as if leaks had been missed. There was none to miss: the contract says 1.",
        ),
        Mistake(
            "0 in both edge cases",
            _detects(
                precision=lambda n: _over(n.both, n.both + n.reported, 0.0),
                recall=lambda n: _over(n.both, n.both + n.leaked, 0.0),
            ),
            "Where there is nothing to divide by you say 0, for precision and for recall. No false alarm and no missed leak are no faults: the contract says 1.",
        ),
        Mistake(
            "NaN in the edge cases",
            _detects(
                precision=lambda n: _over(n.both, n.both + n.reported, nan),
                recall=lambda n: _over(n.both, n.both + n.leaked, nan),
            ),
            "Where there is nothing to divide by you say NaN. Then no threshold can be compared with it; the contract says 1.",
        ),
        Mistake(
            "an error where nothing is reported",
            _detects(precision=lambda n: _error_if_nothing(n.both, n.both + n.reported)),
            "Where nothing is reported you divide by zero. The contract says what precision is then.",
        ),
        Mistake(
            "an error where nothing has leaked",
            _detects(recall=lambda n: _error_if_nothing(n.both, n.both + n.leaked)),
            "Where nothing has leaked you divide by zero. The contract says what recall is then.",
        ),
        Mistake(
            "an error in both edge cases",
            _detects(
                precision=lambda n: _error_if_nothing(n.both, n.both + n.reported),
                recall=lambda n: _error_if_nothing(n.both, n.both + n.leaked),
            ),
            "Where nothing is reported, or nothing has leaked, you divide by zero. The contract says what to return in each case.",
        ),
        Mistake(
            "nothing reported: both 1",
            lambda s, t, x: (1.0, 1.0) if max(s) < x else _judged(s, t, x),
            "Where nothing is reported you return 1 twice, as if all were well. If something has leaked it was missed: recall is 0.",
        ),
        Mistake(
            "nothing reported: both 0",
            lambda s, t, x: (0.0, 0.0) if max(s) < x else _judged(s, t, x),
            "Where nothing is reported you return 0 twice. No alarm was false, so precision is 1; and recall is 1 as well where nothing has leaked.",
        ),
        Mistake(
            "nothing leaked: both 1",
            lambda s, t, x: _judged(s, t, x) if any(t) else (1.0, 1.0),
            "Where nothing has leaked you return 1 twice. What was reported all the same is a false alarm: precision is 0.",
        ),
        Mistake(
            "the share of right answers",
            _detects(
                precision=lambda n: (n.both + n.neither) / sum(n),
            ),
            "Your first number is the share of queries that are told rightly, accuracy. With few leaks it is high for a detector that never reports anything.",
        ),
        Mistake(
            "of all queries: precision",
            _detects(precision=lambda n: n.both / sum(n)),
            "You divide by all queries in precision. Of those that are *reported*, how many have leaked?",
        ),
        Mistake(
            "of all queries: recall",
            _detects(recall=lambda n: n.both / sum(n)),
            "You divide by all queries in recall. Of those that have *leaked*, how many are reported?",
        ),
        Mistake(
            "of all queries: both",
            _detects(precision=lambda n: n.both / sum(n), recall=lambda n: n.both / sum(n)),
            "You divide by all queries. Precision divides by those reported, recall by those that have leaked.",
        ),
        Mistake(
            "the share of false alarms",
            _detects(precision=lambda n: _over(n.reported, n.both + n.reported, 0.0)),
            "Your first number is the share of alarms that are false. Precision is the share that is right.",
        ),
        Mistake(
            "the share that is missed",
            _detects(recall=lambda n: _over(n.leaked, n.both + n.leaked, 0.0)),
            "Your second number is the share of leaks that are missed. Recall is the share that is found.",
        ),
        Mistake(
            "recall of what is clean",
            _detects(recall=lambda n: _over(n.neither, n.neither + n.reported)),
            "Your second number is the share of clean queries that are left alone, specificity. Recall looks at those that have leaked.",
        ),
        Mistake(
            "everything reported counts as right",
            _detects(
                precision=lambda n: _over(n.both + n.reported, n.both + n.reported),
                recall=lambda n: _over(n.both + n.reported, n.both + n.leaked),
            ),
            "Above the line you count all that is reported, leaked or not. Only what is both counts.",
        ),
        Mistake(
            "F1",
            _detects(order=lambda p, r: (_f1(p, r), r)),
            "Your first number is F1, which mixes precision and recall. Each is asked for by itself.",
        ),
        Mistake(
            "numbers instead of shares",
            _detects(precision=lambda n: n.both, recall=lambda n: n.both),
            "You return numbers of queries. Divide: by what is reported, and by what has leaked.",
        ),
        Mistake(
            "shares added up",
            _weighed,
            "You add up shares where queries are counted. Once reported, a query counts as one, whatever its share is.",
        ),
        Mistake(
            "the other class",
            _detects(
                precision=lambda n: _over(n.neither, n.neither + n.leaked),
                recall=lambda n: _over(n.neither, n.neither + n.reported),
            ),
            "You judge how well *clean* queries are recognized: 0 stands for a leak with you. Turn it round.",
        ),
    ),
    hints=(
        "Four kinds of queries: reported or not, leaked or not. Which of them stand above the line, and which below, in each of the two numbers?",
        "Above the line both have the same count. What is it a share of, once, and then once more?",
        "Before you divide ask whether there is anything to divide by. No false alarm, and no missed leak: is that good or bad?",
    ),
)


# --- 19.5 a pool of judgements ---------------------------------------------------------------

Ranking = Sequence[str]


def pooled_ndcg(
    runs: Sequence[Ranking], truth: Mapping[str, int], new: Ranking, depth: int, k: int
) -> tuple[float, float]:
    """nDCG@k of a system that was not in the pool: its unjudged passages counted as wrong, and left out."""
    judged = {p: truth.get(p, 0) for ranking in runs for p in ranking[:depth]}
    condensed = [p for p in new if p in judged]
    first, second = (_measured(judged, ranking, k) for ranking in (new, condensed))
    return first, second


def _measured(judged: Mapping[str, int], ranking: Ranking, k: int) -> float:
    run = {"": {p: -float(rank) for rank, p in enumerate(ranking)}}
    return float(evaluate({"": dict(judged)}, run, [f"ndcg@{k}"])[f"ndcg@{k}"])


def _discounted(grades: Sequence[float]) -> float:
    return sum(grade / log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def _rank_by_rank(runs, truth, new, depth, k):
    """Sums in plain loops; the rank of a condensed list is counted on the way."""
    pool = set()
    for ranking in runs:
        pool.update(ranking[:depth])
    best = _discounted(sorted((truth.get(p, 0) for p in pool), reverse=True)[:k])
    plain = condensed = 0.0
    judged_so_far = 0
    for rank, passage in enumerate(new, start=1):
        if passage not in pool:
            continue
        judged_so_far += 1
        plain += truth.get(passage, 0) / log2(rank + 1) if rank <= k else 0.0
        condensed += truth.get(passage, 0) / log2(judged_so_far + 1) if judged_so_far <= k else 0.0
    return (plain / best, condensed / best) if best else (0.0, 0.0)


def _first_of_each(runs: Sequence[Ranking], new: Ranking, depth: int, k: int) -> set[str]:
    return {p for ranking in runs for p in ranking[:depth]}


def _true_grades(pool: set[str], truth: Mapping[str, int]) -> dict[str, int]:
    return {p: truth.get(p, 0) for p in pool}


def _known(new: Ranking, judged: Mapping[str, int]) -> list[str]:
    return [p for p in new if p in judged]


def _pooled(
    runs, truth, new, depth, k, *, pool=_first_of_each, known=lambda pool, truth: _true_grades(pool, truth),
    best=lambda judged, truth, new: judged.values(), cut=lambda best, k: best[:k], gain=float, unjudged=0,
    dcg=_discounted, shown=lambda new, k: new[:k], condense=lambda new, judged, k: _known(new, judged)[:k],
    over=lambda part, whole: part / whole if whole else 0.0, order=lambda plain, condensed: (plain, condensed),
):  # fmt: skip
    """Both numbers with one part exchanged."""
    judged = known(pool(runs, new, depth, k), truth)
    ideal = dcg([gain(g) for g in cut(sorted(best(judged, truth, new), reverse=True), k)])
    lists = shown(new, k), condense(new, judged, k)
    plain, condensed = (over(dcg([gain(judged.get(p, unjudged)) for p in each]), ideal) for each in lists)
    return order(plain, condensed)


def _from_pool(**parts: Any) -> Answer:
    return lambda *args: _pooled(*args, **parts)


def _alternating(runs: Sequence[Ranking], new: Ranking, depth: int, k: int) -> set[str]:
    """So many passages in all, taken from the runs in turn."""
    found: list[str] = []
    for rank in range(max(map(len, runs))):
        found += [ranking[rank] for ranking in runs if rank < len(ranking) and ranking[rank] not in found]
    return set(found[:depth])


def _in_all(runs: Sequence[Ranking], new: Ranking, depth: int, k: int) -> set[str]:
    return set.intersection(*(set(ranking[:depth]) for ranking in runs))


def _from_the_truth(runs, truth, new, depth, k):
    """Whatever has a grade in the truth is judged, and no pool is made."""
    return _pooled(runs, truth, new, depth, k, pool=lambda *args: set(truth))


def _condensed_ideal_of_its_own(runs, truth, new, depth, k):
    plain, _ = _pooled(runs, truth, new, depth, k)
    _, condensed = _pooled(
        runs, truth, new, depth, k, best=lambda judged, truth, new: [judged[p] for p in new if p in judged]
    )
    return plain, condensed


def _own_ideals(runs, truth, new, depth, k):
    """Each list, cut to k, in its best order."""
    judged = {p: truth.get(p, 0) for p in _first_of_each(runs, new, depth, k)}
    lists = [judged.get(p, 0) for p in new[:k]], [judged[p] for p in new if p in judged][:k]
    return tuple(_over(_discounted(x), _discounted(sorted(x, reverse=True)), 0.0) for x in lists)


def _divided_by_places_left(runs, truth, new, depth, k):
    """The ideal of the condensed list is cut to as many places as the list has."""
    plain, _ = _pooled(runs, truth, new, depth, k)
    left = sum(p in _first_of_each(runs, new, depth, k) for p in new)
    return plain, _pooled(runs, truth, new, depth, min(k, left))[1] if left else 0.0


def _precision_at_k(runs, truth, new, depth, k):
    return _pooled(
        runs, truth, new, depth, k, gain=lambda grade: float(grade > 0), dcg=lambda gains: sum(gains),
        over=lambda part, whole: part / k,
    )  # fmt: skip


def _recall_at_k(runs, truth, new, depth, k):
    return _pooled(runs, truth, new, depth, k, gain=lambda grade: float(grade > 0), dcg=sum, cut=lambda best, k: best)


def _below_the_unjudged(new: Ranking, judged: Mapping[str, int], k: int) -> list[str]:
    """Unjudged passages are taken out of the first k alone."""
    return [p for p in new[:k] if p in judged]


def _draw_pool(rng: random.Random) -> tuple[list[list[str]], dict[str, int], list[str], int, int]:
    names = list("ABCDEFGHI")
    truth = {p: rng.choice((0, 1, 1, 2, 3)) for p in rng.sample(names, rng.randint(1, 6))}
    if rng.random() < 0.1:
        truth = dict.fromkeys(truth, 0)
    runs = [rng.sample(names, rng.randint(1, 6)) for _ in range(rng.choice((1, 2, 2, 3)))]
    if rng.random() < 0.1:
        runs[0] = []
    new = rng.sample(names, rng.randint(3, 8)) if rng.random() < 0.95 else []
    return runs, truth, new, rng.choice((1, 2, 2, 3, 10)), rng.choice((1, 2, 3, 4, 4, 10))


def _the_pool(runs: Sequence[Ranking], depth: int) -> set[str]:
    return {p for ranking in runs for p in ranking[:depth]}


def _old_and_new() -> tuple[list[list[str]], dict[str, int], list[str]]:
    """The old system finds A and C; the new one finds B and D first, which nobody has judged at depth 3."""
    return [["A", "X", "C", "Y", "B"]], {"A": 1, "B": 2, "C": 1, "D": 1}, ["B", "A", "D", "C", "X"]


def _full_depth_is_the_truth(answer: Answer) -> str | None:
    _, truth, new = _old_and_new()
    runs = [["A", "X", "C", "Y", "B"], ["D", "C"]]
    plain, condensed = answer(runs, truth, new, 5, 5)
    right = _discounted([2, 1, 1, 1, 0]) / _discounted([2, 1, 1, 1])
    if abs(plain - right) < 1e-4 and abs(condensed - right) < 1e-4:
        return None
    return f"with everything judged both must be {right:.4f}; they are {plain:.4f} and {condensed:.4f}"


POOL = Exercise(
    id="19.5",
    title="a pool of judgements",
    difficulty="hard",
    minutes=15,
    section="Build it: a pool of judgements",
    signature="list of lists of str, dict, list of str, int, int -> (float, float)",
    reference=pooled_ndcg,
    another=_rank_by_rank,
    draw=_draw_pool,
    loops=True,
    situations=(
        Situation("nothing relevant was judged", lambda r, t, n, d, k: not any(t.get(p, 0) for p in _the_pool(r, d))),
        Situation("a run is empty", lambda r, t, n, d, k: not all(r)),
        Situation("there is one run", lambda r, t, n, d, k: len(r) == 1),
        Situation(
            "two runs have found the same passage",
            lambda r, t, n, d, k: len({p for x in r for p in x}) < sum(map(len, r)),
        ),
        Situation("a run is longer than the depth", lambda r, t, n, d, k: any(len(x) > d for x in r)),
        Situation(
            "the new system shows a passage that nobody judged",
            lambda r, t, n, d, k: any(p not in _the_pool(r, d) for p in n[:k]),
        ),
        Situation(
            "an unjudged passage that the new system shows is relevant in truth",
            lambda r, t, n, d, k: any(p not in _the_pool(r, d) and t.get(p, 0) for p in n[:k]),
        ),
        Situation(
            "a relevant passage of the new system moves up into the first k",
            lambda r, t, n, d, k: bool(
                {p for p in [p for p in n if p in _the_pool(r, d)][:k] if t.get(p, 0)} - set(n[:k])
            ),
        ),
        Situation("a judged passage does not stand in truth", lambda r, t, n, d, k: bool(_the_pool(r, d) - set(t))),
        Situation("a judged passage has grade 0", lambda r, t, n, d, k: any(t.get(p) == 0 for p in _the_pool(r, d))),
        Situation("a grade is above 1", lambda r, t, n, d, k: any(g > 1 for g in t.values())),
        Situation(
            "more relevant ones were judged than k",
            lambda r, t, n, d, k: sum(t.get(p, 0) > 0 for p in _the_pool(r, d)) > k,
        ),
        Situation("the new ranking is shorter than k", lambda r, t, n, d, k: len(n) < k),
    ),
    cases=(
        Case(
            "judged from the rival's first three, k = 3",
            lambda: (*_old_and_new(), 3, 3),
            ((1 / log2(3)) / (1 + 1 / log2(3)), 1.0),
        ),
        Case("judged from its first, k = 3", lambda: (*_old_and_new(), 1, 3), (1 / log2(3), 1.0)),
        Case(
            "two runs, and grades of 3 and 1",
            lambda: ([["A", "B"], ["C", "A"]], {"A": 1, "C": 3, "D": 2}, ["D", "B", "E", "C", "A"], 1, 4),
            ((3 / log2(5)) / (3 + 1 / log2(3)), (3 + 1 / log2(3)) / (3 + 1 / log2(3))),
        ),
        Case("nothing relevant was judged", lambda: ([["X", "A"]], {"A": 2}, ["A", "X"], 1, 10), (0.0, 0.0)),
        Case(
            "more relevant ones than k",
            lambda: ([["A", "B", "C"], []], {"A": 1, "B": 2, "C": 2}, ["X", "B", "A"], 9, 1),
            (0.0, 1.0),
        ),
        Case(
            "a longer pool",
            lambda: (
                [["H", "B", "A", "F"], ["B", "G", "C"], ["E", "B"]],
                {"A": 2, "B": 1, "C": 3, "D": 3, "E": 1, "F": 1, "I": 2},
                ["D", "G", "C", "I", "B", "A", "H", "E"],
                2,
                4,
            ),
        ),
    ),
    properties=(Property("with everything judged both numbers are the true nDCG", _full_depth_is_the_truth),),
    mistakes=(
        Mistake(
            "the ideal from the whole truth",
            _from_pool(best=lambda judged, truth, new: truth.values()),
            "Your ideal ranking takes grades from the whole truth. Nobody who measures knows them: what was not judged cannot stand in the ideal either.",
        ),
        Mistake(
            "the ideal from what was found",
            _from_pool(best=lambda judged, truth, new: [judged.get(p, 0) for p in new]),
            "Your ideal ranking is the new system's own list in its best order. What it did not find costs nothing then. The ideal comes from all judged "
            "passages.",
        ),
        Mistake(
            "an ideal of its own for each list",
            _own_ideals,
            "Your ideal is the measured list itself, its first k sorted by grade. What is not shown costs nothing then, and one relevant passage at rank 1 is a "
            "perfect search. The ideal comes from all judged passages, and is the same for both.",
        ),
        Mistake(
            "an ideal of its own for the condensed list",
            _condensed_ideal_of_its_own,
            "For the condensed list you take an ideal of what is left in it. What was judged relevant and is not in the list at all costs nothing then. Both "
            "numbers have the same ideal.",
        ),
        Mistake(
            "the ideal has as many places as the condensed list",
            _divided_by_places_left,
            "You cut the ideal to as many places as the condensed list has. The fewer judged passages a system shows, the easier it gets. The ideal has k places.",
        ),
        Mistake(
            "the ideal is not cut",
            _from_pool(cut=lambda best, k: best),
            "Your ideal ranking is longer than k, so with more than k relevant passages nobody reaches 1. Its first k count.",
        ),
        Mistake(
            "the new system is in the pool",
            _from_pool(pool=lambda runs, new, depth, k: _first_of_each([*runs, new], new, depth, k)),
            "You judge the new system's first passages, too. That is the remedy, and it costs judgements. Here only `runs` make the pool.",
        ),
        Mistake(
            "everything that was found is judged",
            _from_pool(pool=lambda runs, new, depth, k: _first_of_each(runs, new, 10**6, k)),
            "You judge the runs down to their end. `depth` says how far somebody has read.",
        ),
        Mistake(
            "the first k are judged",
            _from_pool(pool=lambda runs, new, depth, k: _first_of_each(runs, new, k, k)),
            "You judge the first k of each run. How far somebody has read is `depth`; k is how far the metric looks.",
        ),
        Mistake(
            "one passage less is judged",
            _from_pool(pool=lambda runs, new, depth, k: _first_of_each(runs, new, depth - 1, k)),
            "You judge depth - 1 passages of each run.",
        ),
        Mistake(
            "the first run alone",
            _from_pool(pool=lambda runs, new, depth, k: set(runs[0][:depth])),
            "You judge the first run only. The pool is the union over all of them.",
        ),
        Mistake(
            "the last run alone",
            _from_pool(pool=lambda runs, new, depth, k: set(runs[-1][:depth])),
            "Only the last run is judged: the pool is made anew for each run. Make it once, before the loop.",
        ),
        Mistake(
            "what all runs have in common",
            _from_pool(pool=_in_all),
            "You judge what stands in the first places of *all* runs. The pool is their union: one system is enough for a passage to be read.",
        ),
        Mistake(
            "so many passages in all",
            _from_pool(pool=_alternating),
            "You judge `depth` passages in all. It is `depth` of each run.",
        ),
        Mistake(
            "what stands in truth is judged",
            _from_the_truth,
            "You make no pool: whatever stands in `truth` counts as judged. The truth is complete, and nobody has it; judged is what the runs have shown.",
        ),
        Mistake(
            "what is judged must stand in truth",
            _from_pool(known=lambda pool, truth: {p: truth[p] for p in pool if p in truth}),
            "A passage of the pool that is missing in `truth` counts as unjudged with you. Somebody has read it: its grade is 0, and in the condensed list it "
            "keeps its place.",
        ),
        Mistake(
            "an error for what truth lacks",
            _from_pool(known=lambda pool, truth: {p: truth[p] for p in pool}),
            "A passage of the pool that is missing in `truth` raises an error. Its grade is 0.",
        ),
        Mistake(
            "irrelevant ones are left out, too",
            _from_pool(known=lambda pool, truth: {p: truth[p] for p in pool if truth.get(p, 0)}),
            "In the condensed list you keep the relevant passages only, so every list is perfect as far as it goes. What was judged and found wrong stays: it "
            "is the *unjudged* that leave.",
        ),
        Mistake(
            "cut to k, then condensed",
            _from_pool(condense=_below_the_unjudged),
            "You cut the list to k and then leave out what is unjudged. Nothing moves up from below then. Condense first, then count k places.",
        ),
        Mistake(
            "holes keep their places",
            _from_pool(condense=lambda new, judged, k: new[:k]),
            "In the second number the unjudged still hold their ranks, at grade 0: that is the first one once more. Without them what stands below moves up.",
        ),
        Mistake(
            "the first run is measured",
            lambda runs, truth, new, depth, k: _pooled(runs, truth, runs[0], depth, k),
            "You measure the first of `runs`, one of those that made the pool, and never look at `new`. It is the newcomer whose number is asked for.",
        ),
        Mistake(
            "condensed both times",
            _from_pool(order=lambda plain, condensed: (condensed, condensed)),
            "You leave the unjudged out in both numbers. In the first one they count as not relevant, and keep their ranks.",
        ),
        Mistake(
            "the condensed one first",
            _from_pool(order=lambda plain, condensed: (condensed, plain)),
            "The condensed number stands first. First comes the one in which the unjudged are wrong.",
        ),
        Mistake(
            "unjudged ones count as relevant",
            _from_pool(unjudged=1),
            "An unjudged passage gets grade 1 with you. That would be the most one can hope for; in the first number it has 0.",
        ),
        Mistake(
            "grades as yes or no",
            _from_pool(gain=lambda grade: float(grade > 0)),
            "You count a passage as relevant or not. nDCG sees grades: 3 is worth three times 1.",
        ),
        Mistake(
            "exponential gain",
            _from_pool(gain=lambda grade: 2.0**grade - 1),
            "Your gain is 2^grade - 1. The contract takes the grade itself, as trec_eval does.",
        ),
        Mistake(
            "1 over the rank",
            _from_pool(dcg=lambda gains: sum(g / rank for rank, g in enumerate(gains, start=1))),
            "Your discount is 1 / rank. It is 1 / log2(rank + 1), which falls more slowly.",
        ),
        Mistake(
            "ranks from 2",
            _from_pool(dcg=lambda gains: sum(g / log2(rank + 2) for rank, g in enumerate(gains, start=1))),
            "You add 1 to a rank that is counted from 1 already, and then the 1 of the formula: the first rank is divided by log2(3). It is divided by log2(2) = 1.",
        ),
        Mistake(
            "no discount",
            _from_pool(dcg=sum),
            "Your sums have no discount, so it does not matter where among the first k a passage stands.",
        ),
        Mistake(
            "k is not used",
            _from_pool(
                shown=lambda new, k: new,
                condense=lambda new, judged, k: [p for p in new if p in judged],
                cut=lambda best, k: best,
            ),
            "You go through whole lists. nDCG@k sees the first k places of each, the ideal one included.",
        ),
        Mistake(
            "k in the ideal only",
            _from_pool(shown=lambda new, k: new, condense=lambda new, judged, k: [p for p in new if p in judged]),
            "You cut the ideal at k, and not the lists. Then more than 1 can come out.",
        ),
        Mistake(
            "not divided by the ideal",
            _from_pool(over=lambda part, whole: part),
            "You return the discounted sum itself. nDCG divides by the sum of the ideal ranking.",
        ),
        Mistake(
            "precision",
            _precision_at_k,
            "That is precision: the relevant ones among the first k, divided by k. nDCG looks at grades and ranks.",
        ),
        Mistake(
            "recall",
            _recall_at_k,
            "That is recall: the share of what was judged relevant that is among the first k. nDCG looks at grades and ranks.",
        ),
        Mistake(
            "an error where nothing is relevant",
            _from_pool(over=_error_if_nothing),
            "Where no judged passage is relevant you divide by zero. The contract says 0, twice.",
        ),
        Mistake(
            "1 where nothing is relevant",
            _from_pool(over=lambda part, whole: part / whole if whole else 1.0),
            "Where no judged passage is relevant you return 1. The contract says 0; a mean over queries has to say how many of these there are.",
        ),
    ),
    hints=(
        "Who has been read by somebody? That set decides three things: which grades are known, what the ideal is, and what stays in the condensed list.",
        "Make a dict of the judged passages first, id to grade; one that the truth lacks has 0. The two numbers differ in the list that is measured, not in the "
        "ideal.",
        "Write nDCG@k of a list of ids once, with that dict. Call it with `new`, and with `new` without the ids that are not in the dict.",
    ),
)


# --- 19.6 interleaving -----------------------------------------------------------------------


def team_draft(
    a: Ranking, b: Ranking, coins: Sequence[bool], clicks: Sequence[str], k: int
) -> tuple[list[str], int, int]:
    """Two rankings merged by turns, and how many clicked passages each of them had picked."""
    team: dict[str, bool] = {}  # passage -> whether a has picked it
    for a_first in coins:
        for of_a in (a_first, not a_first):
            left = [p for p in (a if of_a else b) if p not in team]
            if left and len(team) < k:
                team[left[0]] = of_a
    clicked = [team[p] for p in set(clicks) if p in team]
    return list(team), sum(clicked), len(clicked) - sum(clicked)


def _by_the_smaller_team(a, b, coins, clicks, k):
    """Whoever has picked less often is next; with equal teams a coin decides, one for each round."""
    teams: tuple[list[str], list[str]] = ([], [])
    shown: list[str] = []
    turns, tossed = [0, 0], 0
    while len(shown) < k and (set(a) | set(b)) - set(shown):
        if turns[0] == turns[1]:
            side = 0 if coins[tossed] else 1
            tossed += 1
        else:
            side = turns.index(min(turns))
        turns[side] += 1
        passage = next((p for p in (a, b)[side] if p not in shown), None)
        if passage is not None:
            shown.append(passage)
            teams[side].append(passage)
    return shown, *(len(set(team) & set(clicks)) for team in teams)


def _rounds(coins: Sequence[bool], k: int) -> Iterator[bool]:
    """Whose turn it is: whether a's."""
    for first in coins:
        yield from (first, not first)


def _best_left(own: Ranking, shown: list[tuple[str, bool]], picks: int) -> str | None:
    """The best passage that is not shown yet; `picks` is how often this team had its turn."""
    taken = {p for p, _ in shown}
    return next((p for p in own if p not in taken), None)


def _best_left_or_error(own: Ranking, shown: list[tuple[str, bool]], picks: int) -> str:
    left = [p for p in own if p not in dict(shown)]
    return left[0]


def _to_its_team(shown: list[tuple[str, bool]], clicks: Sequence[str], a: Ranking, b: Ranking) -> tuple[int, int]:
    of_a = [p for p, team in shown if team and p in clicks]
    of_b = [p for p, team in shown if not team and p in clicks]
    return len(of_a), len(of_b)


def _draft(
    a, b, coins, clicks, k, *, turns=_rounds, pick=_best_left, full=lambda shown, k, turn: len(shown) >= k,
    stop=lambda shown, a, b: False, credit=_to_its_team, result=lambda ids, x, y: (ids, x, y),
):  # fmt: skip
    """Team-draft interleaving with one part exchanged."""
    shown: list[tuple[str, bool]] = []
    picks = {True: 0, False: 0}
    for turn, of_a in enumerate(turns(coins, k)):
        if full(shown, k, turn) or stop([p for p, _ in shown], a, b):
            break
        passage = pick(a if of_a else b, shown, picks[of_a])
        picks[of_a] += 1
        if passage is not None:
            shown.append((passage, of_a))
    return result([p for p, _ in shown], *credit(shown, clicks, a, b))


def _interleaved(**parts: Any) -> Answer:
    return lambda *args: _draft(*args, **parts)


def _next_in_line(own: Ranking, shown: list[tuple[str, bool]], picks: int) -> str | None:
    return own[picks] if picks < len(own) else None


def _turn_lost(own: Ranking, shown: list[tuple[str, bool]], picks: int) -> str | None:
    """A passage that is shown already costs the turn."""
    passage = _next_in_line(own, shown, picks)
    return None if passage in {p for p, _ in shown} else passage


def _used_up(shown: list[str], a: Ranking, b: Ranking) -> bool:
    return not set(a) - set(shown) or not set(b) - set(shown)


def _coin_at_each_place(a, b, coins, clicks, k):
    """The coin is looked up by the number of passages that are shown."""

    def turns(coins, k):
        place = 0
        while place < len(coins):
            yield from (coins[place], not coins[place])
            place += 2

    return _draft(a, b, coins, clicks, k, turns=turns)


def _credited_by(wins: Callable[[str, Ranking, Ranking], tuple[bool, bool]]) -> Callable[..., tuple[int, int]]:
    """Clicks credited by the lists, not by who picked."""

    def credit(shown, clicks, a, b):
        won = [wins(p, a, b) for p, _ in shown if p in clicks]
        return sum(x for x, _ in won), sum(y for _, y in won)

    return credit


def _better_rank(p: str, a: Ranking, b: Ranking) -> tuple[bool, bool]:
    of_a, of_b = (ranking.index(p) if p in ranking else 10**6 for ranking in (a, b))
    return of_a < of_b, of_b < of_a


def _each_click(shown: list[tuple[str, bool]], clicks: Sequence[str], a: Ranking, b: Ranking) -> tuple[int, int]:
    team = dict(shown)
    return sum(team.get(p) is True for p in clicks), sum(team.get(p) is False for p in clicks)


def _clicks_anywhere(shown: list[tuple[str, bool]], clicks: Sequence[str], a: Ranking, b: Ranking) -> tuple[int, int]:
    """What was never shown is credited to whoever ranks it."""
    team = dict(shown)
    of_a = sum(team.get(p, p in a) for p in set(clicks))
    return of_a, sum(not team[p] if p in team else p in b for p in set(clicks))


def _by_place(shown: list[tuple[str, bool]], clicks: Sequence[str], a: Ranking, b: Ranking) -> tuple[int, int]:
    places = [i % 2 for i, (p, _) in enumerate(shown) if p in clicks]
    return places.count(0), places.count(1)


def _the_winner(shown: list[tuple[str, bool]], clicks: Sequence[str], a: Ranking, b: Ranking) -> tuple[int, int]:
    x, y = _to_its_team(shown, clicks, a, b)
    return int(x > y), int(y > x)


def _share_of_clicks(shown: list[tuple[str, bool]], clicks: Sequence[str], a: Ranking, b: Ranking) -> Any:
    x, y = _to_its_team(shown, clicks, a, b)
    return (x / (x + y), y / (x + y)) if x + y else (0.0, 0.0)


def _both_at_once(a, b, coins, clicks, k):
    """The second team does not see what the first has just picked."""
    shown: list[tuple[str, bool]] = []
    for first in coins:
        picks = {True: _best_left(a, shown, 0), False: _best_left(b, shown, 0)}
        for of_a in (first, not first):
            passage = picks[of_a]
            if passage is not None and len(shown) < k:
                shown.append((passage, of_a))
    first_picks = dict(reversed(shown))
    won = [first_picks[p] for p in set(clicks) if p in first_picks]
    return [p for p, _ in shown], sum(won), len(won) - sum(won)


def _round_given_up(a, b, coins, clicks, k):
    """A team with none left ends the round for both."""
    shown: list[tuple[str, bool]] = []
    for first in coins:
        for of_a in (first, not first):
            passage = _best_left(a if of_a else b, shown, 0)
            if passage is None or len(shown) == k:
                break
            shown.append((passage, of_a))
    return [p for p, _ in shown], *_to_its_team(shown, clicks, a, b)


def _half_of_each(a, b, coins, clicks, k):
    """One half of the places from the one that begins, the rest from the other."""
    first, second = (a, b) if coins[0] else (b, a)
    head = list(first[: (k + 1) // 2])
    tail = [p for p in second if p not in head][: k - len(head)]
    teams = [(p, coins[0]) for p in head] + [(p, not coins[0]) for p in tail]
    return head + tail, *_to_its_team(teams, clicks, a, b)


def _lists_are_emptied(a, b, coins, clicks, k):
    right = _draft(list(a), list(b), coins, clicks, k)
    a.clear(), b.clear()
    return right


def _draw_draft(rng: random.Random) -> tuple[list[str], list[str], list[bool], list[str], int]:
    names = list("ABCDEFGH")[: rng.choice((4, 6, 8))]
    a, b = (rng.sample(names, rng.randint(1, min(5, len(names)))) for _ in range(2))
    if rng.random() < 0.1:
        rng.choice((a, b)).clear()
    k = rng.choice((1, 2, 3, 4, 5, 6, 10))
    coins = [rng.random() < 0.5 for _ in range(k + rng.choice((0, 0, 1)))]
    shown = _draft(a, b, coins, [], k)[0]
    clicks = rng.sample(names, rng.randint(0, 3)) + rng.sample(shown, min(len(shown), rng.choice((0, 1, 1))))
    return a, b, coins, clicks, k


def _sides_changed(answer: Answer) -> str | None:
    a, b, coins, clicks = ["C", "A", "B", "E"], ["A", "D", "C"], [True, False, False, True, True], ["A", "E", "D"]
    shown, x, y = answer(list(a), list(b), list(coins), list(clicks), 5)
    turned, y2, x2 = answer(list(b), list(a), [not coin for coin in coins], list(clicks), 5)
    if list(shown) == list(turned) and (x, y) == (x2, y2):
        return None
    return "with the two rankings exchanged and all coins turned, the same passages should be shown and the two credits should change places"


def _nobody_is_ahead(answer: Answer) -> str | None:
    """Equal rankings, each order of coins once: the clicks on the first two are shared evenly."""
    ranking, credits = ["B", "A", "D", "C"], [0, 0]
    for number in range(16):
        coins = [bool(number >> i & 1) for i in range(4)]
        _, x, y = answer(list(ranking), list(ranking), coins, ["B", "C"], 4)
        credits = [credits[0] + x, credits[1] + y]
    return (
        None
        if credits[0] == credits[1]
        else f"two equal rankings, all coins once: {credits[0]} clicks for a, {credits[1]} for b"
    )


DRAFT = Exercise(
    id="19.6",
    title="team-draft interleaving",
    difficulty="hard",
    minutes=18,
    section="Further: clicks",
    signature="list of str, list of str, list of bool, list of str, int -> (list of str, int, int)",
    reference=team_draft,
    another=_by_the_smaller_team,
    draw=_draw_draft,
    loops=True,
    situations=(
        Situation("a passage stands in both rankings", lambda a, b, *rest: bool(set(a) & set(b))),
        Situation("a ranking is empty", lambda a, b, *rest: not a or not b),
        Situation("both have the same passage first", lambda a, b, *rest: bool(a and b and a[0] == b[0])),
        Situation("one ranking is longer than the other", lambda a, b, *rest: len(a) != len(b)),
        Situation("there are fewer passages than k", lambda a, b, coins, clicks, k: len(set(a) | set(b)) < k),
        Situation("k is odd", lambda a, b, coins, clicks, k: k % 2 == 1),
        Situation("the first coin is for b", lambda a, b, coins, *rest: not coins[0]),
        Situation("the coins of the first two rounds differ", lambda a, b, coins, *rest: len(set(coins[:2])) > 1),
        Situation("a passage is clicked twice", lambda a, b, coins, clicks, k: len(set(clicks)) < len(clicks)),
        Situation("nothing is clicked", lambda a, b, coins, clicks, k: not clicks),
        Situation(
            "a passage is clicked that is not shown",
            lambda a, b, coins, clicks, k: bool(set(clicks) - set(team_draft(a, b, coins, clicks, k)[0])),
        ),
        Situation(
            "a clicked passage stands in both rankings",
            lambda a, b, coins, clicks, k: bool(set(a) & set(b) & set(clicks)),
        ),
    ),
    cases=(
        Case(
            "a passage in both, two rounds",
            lambda: (["A", "B", "C"], ["B", "D", "A"], [True, False, True, True], ["B", "C"], 4),
            (["A", "B", "D", "C"], 1, 1),
        ),
        Case(
            "the same first passage, b begins",
            lambda: (["A", "C", "B"], ["A", "B", "C"], [False, False, True], ["A"], 3),
            (["A", "C", "B"], 0, 1),
        ),
        Case(
            "one list is shorter",
            lambda: (["A"], ["D", "A", "C", "B"], [True, False, True, True, True], ["C", "A", "C"], 5),
            (["A", "D", "C", "B"], 1, 1),
        ),
        Case("nothing to show", lambda: ([], [], [True, True], ["A"], 2), ([], 0, 0)),
        Case(
            "b's first choices are taken",
            lambda: (["B", "A", "D"], ["B", "A", "C", "E"], [True, True, False, True], ["C", "B", "F"], 4),
            (["B", "A", "D", "C"], 1, 1),
        ),
        Case(
            "six places",
            lambda: (
                ["G", "B", "H", "A", "E"],
                ["B", "C", "G", "F", "D", "A"],
                [False, True, False, False, True, True],
                ["H", "B", "A", "F", "B"],
                6,
            ),
        ),
    ),
    properties=(
        Property("neither side is treated otherwise", _sides_changed),
        Property("two equal rankings share the clicks evenly over all coins", _nobody_is_ahead),
    ),
    mistakes=(
        Mistake(
            "one coin for all rounds",
            _interleaved(turns=lambda coins, k: [turn for _ in coins for turn in (coins[0], not coins[0])]),
            "The first coin decides all rounds with you. Then one team has all the odd places of a query, and these are seen first. Each round has its own coin.",
        ),
        Mistake(
            "a coin for each pick",
            _interleaved(turns=lambda coins, k: list(coins)),
            "You toss for each pick, so one team may pick three times in a row, and the teams differ in size. A coin says who *begins* a round; then the other "
            "one picks, too.",
        ),
        Mistake(
            "the coins are turned",
            _interleaved(turns=lambda coins, k: (turn for first in coins for turn in (not first, first))),
            "True lets b begin with you. It lets a begin.",
        ),
        Mistake(
            "the coin at the place",
            _coin_at_each_place,
            "You look the coin up by the number of passages that are shown, so every second one is skipped. There is one coin for each round, taken in turn.",
        ),
        Mistake(
            "a always begins",
            _interleaved(turns=lambda coins, k: (turn for _ in coins for turn in (True, False))),
            "a begins every round, and the coins are not used. What stands first is clicked more often, whoever picked it: that is what coins are for.",
        ),
        Mistake(
            "b always begins",
            _interleaved(turns=lambda coins, k: (turn for _ in coins for turn in (False, True))),
            "b begins every round, and the coins are not used. What stands first is clicked more often, whoever picked it: that is what coins are for.",
        ),
        Mistake(
            "the beginner changes from round to round",
            _interleaved(
                turns=lambda coins, k: (
                    turn for i in range(len(coins)) for turn in (coins[0] ^ bool(i % 2), not coins[0] ^ bool(i % 2))
                )
            ),
            "After the first coin the two begin in turn. That is a fixed pattern, with a fixed bias at each place: every round has its own coin.",
        ),
        Mistake(
            "one picks in each round",
            _interleaved(turns=lambda coins, k: (turn for first in coins for turn in (first, first))),
            "The one for whom the coin falls picks twice in its round, and the other not at all. In each round both pick once.",
        ),
        Mistake(
            "a passage is shown twice",
            _interleaved(pick=_next_in_line),
            "A passage that both rank is shown twice. Each team picks the best of its passages that is *not shown yet*.",
        ),
        Mistake(
            "both pick at once",
            _both_at_once,
            "In each round both teams pick before either passage is shown, so both may pick the same one, and it is shown twice. The second looks for what is left "
            "after the first has picked.",
        ),
        Mistake(
            "the worst that is left",
            _interleaved(pick=lambda own, shown, picks: _best_left(own[::-1], shown, picks)),
            "A team picks the *last* passage of its ranking that is left: `pop` takes from the end. The best is the first one.",
        ),
        Mistake(
            "a team with none left ends the round",
            _round_given_up,
            "Where a team has none left the round ends for both with you, so the other one loses its pick, and in the end too few are shown. Pass over this team only.",
        ),
        Mistake(
            "one half of each",
            _half_of_each,
            "You take one half of the places from the one that begins and the rest from the other. Nobody reads so far: the teams pick in turn, round by round.",
        ),
        Mistake(
            "what is taken costs the turn",
            _interleaved(pick=_turn_lost),
            "If a team's next passage is shown already, its turn is over with you. It goes on down its list, to the first that is not shown yet.",
        ),
        Mistake(
            "the end of one list is the end",
            _interleaved(stop=_used_up),
            "You stop as soon as one ranking has nothing left. Then fewer than k are shown although the other one has more: it goes on alone.",
        ),
        Mistake(
            "an error at the end of a list",
            _interleaved(pick=_best_left_or_error),
            "A team that has nothing left to pick raises an error. It passes, and the other one goes on.",
        ),
        Mistake(
            "k picks each",
            _interleaved(full=lambda shown, k, turn: turn >= 2 * k),
            "You make k rounds, with two picks each. k passages are shown in all.",
        ),
        Mistake(
            "rounds are finished",
            _interleaved(full=lambda shown, k, turn: turn % 2 == 0 and len(shown) >= k),
            "You look whether k are shown only at the end of a round, so with an odd k there is one too many. Stop in the middle of a round, too.",
        ),
        Mistake(
            "whole rounds only",
            _interleaved(turns=lambda coins, k: list(_rounds(coins[: k // 2], k))),
            "You make k // 2 rounds. With an odd k one passage is missing, and where a ranking ends early there are fewer still. Go on until k are shown.",
        ),
        Mistake(
            "one passage too many",
            _interleaved(full=lambda shown, k, turn: len(shown) > k),
            "k + 1 passages are shown. Stop as soon as there are k.",
        ),
        Mistake(
            "credit for whoever ranks it",
            _interleaved(credit=_credited_by(lambda p, a, b: (p in a, p in b))),
            "A click on a passage that both rank counts for both with you. It counts for the team that *picked* it; else clicks on common passages, most of "
            "them, say nothing.",
        ),
        Mistake(
            "credit for the better rank",
            _interleaved(credit=_credited_by(_better_rank)),
            "A click counts for the ranking that has the passage higher up. It counts for the team that picked it: only that was decided by a coin, and is fair.",
        ),
        Mistake(
            "what both rank goes to a",
            _interleaved(credit=_credited_by(lambda p, a, b: (p in a, p not in a))),
            "A click on a passage that both rank always counts for a: you ask first whether a has it. It counts for the team that picked it.",
        ),
        Mistake(
            "what both rank goes to b",
            _interleaved(credit=_credited_by(lambda p, a, b: (p not in b, p in b))),
            "A click on a passage that both rank always counts for b. It counts for the team that picked it.",
        ),
        Mistake(
            "what both rank does not count",
            _interleaved(credit=_credited_by(lambda p, a, b: (p not in b, p not in a))),
            "A click on a passage that both rank counts for nobody. It counts for the team that picked it.",
        ),
        Mistake(
            "odd places for a",
            _interleaved(credit=_by_place),
            "You credit clicks by their place: first, third and so on for a. Who picked at a place is up to the coins, and differs from round to round.",
        ),
        Mistake(
            "the first click alone",
            _interleaved(
                credit=lambda shown, clicks, a, b: _to_its_team(shown, [p for p, _ in shown if p in clicks][:1], a, b)
            ),
            "Only the first clicked passage from the top is credited with you. All clicked passages that are shown count, each once.",
        ),
        Mistake(
            "every click counts",
            _interleaved(credit=_each_click),
            "A passage that is clicked twice counts twice. It counts once: somebody went back to it.",
        ),
        Mistake(
            "clicks on what is not shown",
            _interleaved(credit=_clicks_anywhere),
            "You count clicks on passages that are not among those shown. Nobody can have clicked them in this list.",
        ),
        Mistake(
            "credits exchanged",
            _interleaved(result=lambda ids, x, y: (ids, y, x)),
            "The clicks of b stand before those of a.",
        ),
        Mistake(
            "the credits first",
            _interleaved(result=lambda ids, x, y: (x, y, ids)),
            "The passages come first, then the clicks of a, then those of b.",
        ),
        Mistake(
            "credits in a pair",
            _interleaved(result=lambda ids, x, y: (ids, (x, y))),
            "You return a pair of two, the second being a pair itself. Three results are asked for: passages, clicks of a, clicks of b.",
        ),
        Mistake(
            "who has won",
            _interleaved(credit=_the_winner),
            "You return who has won the query, as 1 and 0. The numbers of clicks are asked for; they are compared over many queries later.",
        ),
        Mistake(
            "shares of the clicks",
            _interleaved(credit=_share_of_clicks),
            "You return shares of the clicks. Their numbers are asked for.",
        ),
        Mistake(
            "the difference of the clicks",
            _interleaved(result=lambda ids, x, y: (ids, x - y)),
            "You return one number, the difference. Both are asked for: clicks of a, clicks of b.",
        ),
        Mistake(
            "the lists are emptied",
            _lists_are_emptied,
            "You take passages out of the lists that were passed in, and whoever called you still needs them. Work on copies, or remember what is shown.",
        ),
    ),
    hints=(
        "A round has two picks. Who picks first in it, what does a team pick, and when does it pass?",
        "Keep a dict from each shown passage to the team that picked it: it says what is shown, in order, and whom a click is credited to.",
        "Two loops, over the coins and over the two teams of a round. Before each pick look whether k are shown; after all, count the clicked keys by their team.",
    ),
)


# --- 19.7 the other way round ----------------------------------------------------------------


def smallest_silence() -> tuple[list[int], int]:
    """Two queries that find their passage; the one that finds it second says nothing from now on."""
    return [1, 2], 1


def _reciprocal(ranks: Sequence[int]) -> list[float]:
    return [1 / rank if rank else 0.0 for rank in ranks]


def _rises(before: float, after: float) -> str:
    return "rises" if after > before + 1e-12 else "does not rise"


def _over_all_queries(ranks: Sequence[int], silent: int) -> str:
    values = _reciprocal(ranks)
    after = [0.0 if place == silent else value for place, value in enumerate(values)]
    return _rises(sum(values) / len(values), sum(after) / len(after))


def _over_answered_queries(ranks: Sequence[int], silent: int) -> str:
    values = _reciprocal(ranks)
    after = [value for place, value in enumerate(values) if place != silent]
    return _rises(sum(values) / len(values), sum(after) / len(after) if after else 0.0)


def _not_a_silence(ranks: Any, silent: Any) -> str | None:
    if isinstance(silent, list | tuple | np.ndarray) and not isinstance(ranks, list | tuple | np.ndarray):
        return "the ranks come first, and then the place of the query that is silent"
    if not isinstance(ranks, list | tuple | np.ndarray) or not len(ranks):
        return "ranks must be a list of whole numbers, one for each query, such as [3, 0, 1]"
    if any(not _is_whole(rank) or rank < 0 for rank in ranks):
        return "a rank is a whole number from 0; 0 says that the passage is not found"
    if not _is_whole(silent) or not 0 <= silent < len(ranks):
        return (
            f"silent must be the place of a query in ranks, counted from 0: a whole number from 0 to {len(ranks) - 1}"
        )
    if ranks[int(silent)] == 0:
        return "the query that falls silent must have found its passage, or nothing is lost"
    return None


def _is_whole(value: Any) -> bool:
    return compare.kind(value) == "number" and not isinstance(value, bool) and int(value) == value


SILENCE = Reversed(
    id="19.7",
    title="silence that pays",
    difficulty="easy",
    minutes=5,
    section="Build it: silence that pays",
    signature="() -> list of int, int",
    reference=smallest_silence,
    another=lambda: ([2, 1], 0),
    right=_over_all_queries,
    wrong=_over_answered_queries,
    valid=_not_a_silence,
    smallest=3,
    measure=lambda ranks, silent: int(sum(ranks)),
    cases=(Case("nothing is passed in", lambda: (), smallest_silence()),),
    mistakes=(
        Mistake(
            "the silent query is named by its rank",
            lambda: ([1, 2], 2),
            "`silent` is the place of the query in `ranks`, counted from 0, and there is none with this number. Did you give its rank, or count from 1?",
            when=lambda ranks, silent: _is_whole(silent) and silent >= len(ranks),
        ),
        Mistake(
            "it had found nothing",
            lambda: ([1, 0], 1),
            "The query that falls silent had not found its passage, so the search has not got worse. Take one that is lost by it.",
            when=lambda ranks, silent: ranks[silent] == 0,
        ),
        Mistake(
            "one query",
            lambda: ([1], 0),
            "There is one query, and after it has fallen silent there is nothing to take a mean of.",
            when=lambda ranks, silent: len(ranks) == 1,
        ),
        Mistake(
            "the same rank",
            lambda: ([1, 1], 0),
            "All ranks are equal, so the mean stays where it is, whoever falls silent: the loss does not show, and nothing rises either.",
            when=lambda ranks, silent: len(set(ranks)) == 1,
        ),
        Mistake(
            "the better one falls silent",
            lambda: ([1, 2], 0),
            "The query that falls silent was better than the mean, so the mean falls without it. Which queries would somebody leave out who wants it to rise?",
            when=lambda ranks, silent: _over_answered_queries(ranks, silent) == "does not rise",
        ),
        Mistake(
            "more queries than it takes",
            lambda: ([1, 2, 1], 1),
            "It shows the mistake, with more queries than it takes. How many must there be for one to be below the mean?",
            when=lambda ranks, silent: len(ranks) > 2,
        ),
        Mistake(
            "a worse rank than it takes",
            lambda: ([1, 10], 1),
            "It shows the mistake, with larger ranks than it takes. How far below the other one must it be?",
            when=lambda ranks, silent: len(ranks) == 2,
        ),
    ),
    hints=(
        "When does a mean rise if one value is left out?",
        "Which reciprocal ranks are the largest two, and which ranks have them?",
        "Two queries, the first of which has found its passage at rank 1.",
    ),
)

EXERCISES = (TAU, SUPPORTS, LEAKS, DETECTOR, POOL, DRAFT, SILENCE)
