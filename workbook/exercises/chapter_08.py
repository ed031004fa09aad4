"""The exercises of chapter 08: how hard a wrong answer pushes, which ones may be taken, what they cost, and a round of mining."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.exercises import compare
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.similarity import cos_sim

# --- 08.1 the push of each wrong answer ------------------------------------------------------


def pushes(own: float, wrong: Tensor, temperature: float) -> Tensor:
    """The weight of each wrong passage in the softmax of a query: float, (N,), float -> (N,)."""
    return (torch.cat([wrong.new_tensor([own]), wrong]) / temperature).softmax(dim=0)[1:]


def _pushes_in_logs(own, wrong, temperature):
    logits = wrong / temperature
    whole = torch.logaddexp(logits.logsumexp(dim=0), logits.new_tensor(own / temperature))
    return (logits - whole).exp()


def _with_own(own: float, wrong: Tensor) -> Tensor:
    return torch.cat([wrong.new_tensor([own]), wrong])


def _bare_exponentials(own: float, wrong: Tensor, temperature: float) -> Tensor:
    powers = (_with_own(own, wrong) / temperature).exp()
    return powers[1:] / powers.sum()


def _one_and_thirty_one() -> tuple[float, Tensor, float]:
    return 0.8, torch.tensor([0.75] + [0.2] * 31), 0.05


def _draw_pushes(rng: random.Random) -> tuple[float, Tensor, float]:
    cosines = [round(rng.uniform(-0.95, 0.95), 2) for _ in range(rng.randint(1, 5))]
    return round(rng.uniform(-0.2, 0.95), 2), torch.tensor(cosines), rng.choice((0.001, 0.02, 0.05, 0.2, 1.0, 2.0))


def _they_share_what_the_own_leaves(answer: Answer) -> str | None:
    own, wrong, temperature = 0.5, torch.tensor([0.3, 0.6, -0.2]), 0.1
    total = float(answer(own, wrong, temperature).sum())
    left = 1 - float((_with_own(own, wrong) / temperature).softmax(dim=0)[0])
    return (
        None
        if abs(total - left) < 1e-4
        else f"for own = 0.5, wrong = [0.3, 0.6, -0.2] and temperature = 0.1 they should weigh {left:.4f} together; yours weigh {total:.4f}"
    )


PUSH = Exercise(
    id="08.1",
    title="the push of each wrong answer",
    difficulty="easy",
    minutes=7,
    section="Build it: the push of a wrong answer",
    signature="float, (N,), float -> (N,)",
    reference=pushes,
    another=_pushes_in_logs,
    gradient=True,
    draw=_draw_pushes,
    situations=(
        Situation("there is one wrong passage only", lambda own, wrong, t: len(wrong) == 1),
        Situation("there is more than one wrong passage", lambda own, wrong, t: len(wrong) > 1),
        Situation("a wrong passage is nearer than the own one", lambda own, wrong, t: bool((wrong > own).any())),
        Situation("the temperature is not 1", lambda own, wrong, t: t != 1.0),
        Situation("the temperature is below 0.01", lambda own, wrong, t: t < 0.01),
    ),
    cases=(
        Case(
            "five passages, the own one at .80",
            lambda: (0.8, torch.tensor([0.75, 0.6, 0.4, 0.2]), 0.05),
            torch.tensor([0.265318, 0.0132093, 0.000241938, 4.43126e-06]),
        ),
        Case("one at .75 and 31 at .20", _one_and_thirty_one),
        Case("a low temperature", lambda: (0.8, torch.tensor([0.81, 0.79]), 0.005)),
        Case("a wrong one is nearer", lambda: (0.1, torch.tensor([0.4, -0.3, 0.2]), 0.5)),
    ),
    properties=(Property("they share what the own passage leaves", _they_share_what_the_own_leaves),),
    mistakes=(
        Mistake(
            "the own passage is not in the softmax",
            lambda own, wrong, t: (wrong / t).softmax(dim=0) + 0 * wrong,
            "You share out the whole of 1 among the wrong passages. The query's own passage stands in the same softmax, and the more "
            "it takes, the less is left to push.",
        ),
        Mistake(
            "each against the own passage alone",
            lambda own, wrong, t: ((wrong - own) / t).sigmoid(),
            "You hold each wrong passage against the own one by itself, as if the others were not there. All stand in one softmax, so "
            "a near one takes the push away from the others.",
        ),
        Mistake(
            "multiplied by the temperature",
            lambda own, wrong, t: (_with_own(own, wrong) * t).softmax(dim=0)[1:],
            "You multiply the cosines by the temperature. They are divided by it: a low temperature makes differences large.",
        ),
        Mistake(
            "temperature forgotten",
            lambda own, wrong, t: _with_own(own, wrong).softmax(dim=0)[1:],
            "The temperature never counts. Divide every cosine by it before the softmax.",
        ),
        Mistake(
            "all wrong ones push alike",
            lambda own, wrong, t: (
                (1 - (_with_own(own, wrong) / t).softmax(dim=0)[:1]).expand(len(wrong)) / len(wrong) + 0 * wrong
            ),
            "Together they push as much as they should, and you share it out evenly. Each has its own weight in the softmax: the nearest "
            "one may have nearly all.",
        ),
        Mistake(
            "the own passage is returned too",
            lambda own, wrong, t: (_with_own(own, wrong) / t).softmax(dim=0),
            "You return a weight too many: the first is the own passage's. It pulls. Asked for are the N that push.",
        ),
        Mistake(
            "the powers overflow",
            _bare_exponentials,
            "The formula is right, and at a low temperature e to the power of some hundred is more than a number of 32 bits can hold: "
            "inf divided by inf is NaN. A softmax of torch takes the largest logit off first.",
        ),
        Mistake(
            "logits instead of weights",
            lambda own, wrong, t: (_with_own(own, wrong) / t).log_softmax(dim=0)[1:],
            "These are the logarithms of the weights. Take the softmax, not its logarithm.",
        ),
        Mistake(
            "divided by the temperature once more",
            lambda own, wrong, t: pushes(own, wrong, t) / t,
            "This is the gradient with respect to the cosine: the weight, divided by the temperature once more. Asked for is the weight "
            "alone, a share of 1.",
        ),
    ),
    hints=(
        "One query, one softmax. Who stands in it?",
        "Put the own cosine in front of the wrong ones: (1 + N,). Divide all by the temperature.",
        "Take the softmax of these, and leave the first weight out.",
    ),
)


# --- 08.2 negatives of one query -------------------------------------------------------------

Texts = Mapping[str, str]
Grades = Mapping[str, int]


def negatives_of(
    query: str, found: Sequence[str], corpus: Texts, judged: Grades, skip: int, num_negatives: int
) -> list[str]:
    """The ids that a query gets as negatives, hardest first: what cannot be one is taken out before ranks are counted."""
    return _window(_without(query, found, corpus, judged), skip, num_negatives)


def _without(query, found, corpus, judged, own=True, copies=True, first_only=False, grade=1):
    """`found` without what cannot be a negative; the keywords leave a rule out."""
    known = [p for p, given in judged.items() if given >= grade]
    known = known[:1] if first_only else known
    texts = ({corpus[p] for p in known} if copies else set()) | ({query} if own else set())
    return [p for p in found if p not in known and corpus[p] not in texts]


def _window(ids: list[str], skip: int, num_negatives: int) -> list[str]:
    return ids[skip : skip + num_negatives]


def _negatives_by_hand(query, found, corpus, judged, skip, num_negatives):
    taken: list[str] = []
    for passage in found:
        if len(taken) == num_negatives:
            break
        answers = any(grade > 0 and corpus[known] == corpus[passage] for known, grade in judged.items())
        if answers or corpus[passage] == query:
            continue
        if skip > 0:
            skip -= 1
            continue
        taken.append(passage)
    return taken


def _rule(**rules: Any) -> Answer:
    return lambda query, found, corpus, judged, skip, M: _window(
        _without(query, found, corpus, judged, **rules), skip, M
    )


def _window_first(query, found, corpus, judged, skip, num_negatives):
    return _without(query, _window(list(found), skip, num_negatives), corpus, judged)


def _alike(same: Callable[[str, str], bool]) -> Answer:
    """The window with another idea of when two texts are the same."""

    def answer(query, found, corpus, judged, skip, num_negatives):
        forbidden = [corpus[p] for p, grade in judged.items() if grade > 0] + [query]
        return _window([p for p in found if not any(same(corpus[p], text) for text in forbidden)], skip, num_negatives)

    return answer


def _each_text_once(query, found, corpus, judged, skip, num_negatives):
    first = {corpus[p]: p for p in reversed(found)}
    return _window([p for p in _without(query, found, corpus, judged) if first[corpus[p]] == p], skip, num_negatives)


POND = {
    "p1": "Frogs sleep in mud.", "p2": "Frogs sleep in mud.", "p3": "In mud, all winter.", "p4": "where do frogs sleep",
    "p5": "Toads sleep in holes.", "p6": "Frogs eat flies.", "p7": "Newts hide under stones.", "p8": "A pond froze.",
    "p9": "FROGS sleep in mud.", "p10": " Frogs sleep in mud.", "p11": "Frogs sleep in mud. In winter.",
    "p12": "A pond froze.", "p13": "where do frogs sleep", "p14": "Where do frogs sleep",
}  # fmt: skip


def _pond(
    found: str, skip: int, num_negatives: int, **judged: int
) -> Callable[[], tuple[str, list[str], dict[str, str], dict[str, int], int, int]]:
    return lambda: ("where do frogs sleep", found.split(), dict(POND), dict(judged), skip, num_negatives)


def _draw_negatives(rng: random.Random) -> tuple[str, list[str], dict[str, str], dict[str, int], int, int]:
    names = list(POND)
    judged = {rng.choice(("p1", "p2")): rng.randint(1, 3)}
    for passage, chance in (("p3", 0.6), ("p5", 0.3), ("p6", 0.2), ("p2", 0.2)):
        if rng.random() < chance and passage not in judged:
            judged[passage] = rng.choice((0, 0, 2)) if passage != "p3" else rng.choice((1, 2))
    judged = dict(rng.sample(sorted(judged.items()), len(judged)))
    found = rng.sample(names, 0 if rng.random() < 0.1 else rng.randint(3, 9))
    return "where do frogs sleep", found, dict(POND), judged, rng.choice((0, 0, 1, 2)), rng.randint(1, 4)


def _positives(judged: Grades) -> list[str]:
    return [p for p, grade in judged.items() if grade > 0]


NEGATIVES = Exercise(
    id="08.2",
    title="the negatives of a query",
    difficulty="medium",
    minutes=12,
    section="Build it: the negatives of a query",
    signature="str, list of ids, id -> text, id -> grade, int, int -> list of ids",
    reference=negatives_of,
    another=_negatives_by_hand,
    draw=_draw_negatives,
    loops=True,
    situations=(
        Situation("nothing was found", lambda query, found, *rest: not found),
        Situation(
            "the query itself stands in the corpus and was found",
            lambda query, found, *rest: bool({"p4", "p13"} & set(found)),
        ),
        Situation("the query stands in the corpus twice", lambda query, found, *rest: {"p4", "p13"} <= set(found)),
        Situation(
            "a text that differs from an answer or the query in capitals or a space was found",
            lambda query, found, *rest: bool({"p9", "p10", "p14"} & set(found)),
        ),
        Situation("a text that holds an answer and more was found", lambda query, found, *rest: "p11" in found),
        Situation(
            "two equal texts were found that do not answer", lambda query, found, *rest: {"p8", "p12"} <= set(found)
        ),
        Situation(
            "a copy of an answer was judged with grade 0",
            lambda query, found, corpus, judged, *rest: 0 in (judged.get("p1"), judged.get("p2")),
        ),
        Situation(
            "two passages are known to answer", lambda query, found, corpus, judged, *rest: len(_positives(judged)) > 1
        ),
        Situation("a passage was judged and does not answer", lambda q, f, corpus, judged, *rest: 0 in judged.values()),
        Situation(
            "a copy of an answer was found under another id",
            lambda query, found, corpus, judged, *rest: bool({"p1", "p2"} & set(found) - set(_positives(judged))),
        ),
        Situation("ranks are skipped", lambda query, found, corpus, judged, skip, M: skip > 0),
        Situation(
            "fewer are left than asked for",
            lambda query, found, corpus, judged, skip, M: len(negatives_of(query, found, corpus, judged, skip, M)) < M,
        ),
    ),
    cases=(
        Case("one known answer, two wanted", _pond("p1 p5 p6 p7", 0, 2, p1=3), ["p5", "p6"]),
        Case("two known answers", _pond("p5 p3 p1 p6 p7", 0, 2, p1=3, p3=1), ["p5", "p6"]),
        Case("a copy of the answer, and the query itself", _pond("p4 p2 p1 p5 p6 p7", 0, 2, p1=3), ["p5", "p6"]),
        Case("the first is skipped", _pond("p1 p5 p6 p7 p8", 1, 2, p1=3), ["p6", "p7"]),
        Case("judged, and no answer", _pond("p1 p5 p6 p7", 0, 2, p1=2, p5=0), ["p5", "p6"]),
        Case("too few", _pond("p1 p6", 0, 3, p1=3), ["p6"]),
        Case("letter by letter", _pond("p9 p1 p10 p11", 0, 4, p1=3), ["p9", "p10", "p11"]),
        Case("equal texts that do not answer", _pond("p8 p12 p1 p13 p4 p14", 0, 3, p1=3), ["p8", "p12", "p14"]),
        Case("grade 0 on a copy of an answer", _pond("p2 p5", 0, 2, p1=3, p2=0), ["p5"]),
    ),
    mistakes=(
        Mistake(
            "only one of the known answers is taken out",
            _rule(first_only=True),
            "You take out one known answer, the first, and the query's other answers become its negatives. People build tuples from a "
            "pair and look at the pair alone: all that is known about the query counts.",
        ),
        Mistake(
            "a copy stays in",
            _rule(copies=False),
            "A known answer stands in the corpus a second time, under another id, and you take it for a negative. The text answers, "
            "whatever it is called.",
        ),
        Mistake(
            "the query is its own negative",
            _rule(own=False),
            "The query's own text stands in the corpus, and nothing is nearer to a query than itself. It is no wrong answer; take it "
            "out.",
        ),
        Mistake(
            "grade 0 counts as an answer",
            _rule(grade=0),
            "You take out every passage that was judged, also with grade 0. Somebody looked at that one and found that it does not "
            "answer: there is no safer negative.",
        ),
        Mistake(
            "ranks are counted too early",
            _window_first,
            "You cut the window out first and take the known answers out of it afterwards. Then the known answers use up ranks, and some "
            "queries get fewer negatives than others, or none. First take out, then count.",
        ),
        Mistake(
            "capitals and spaces are ignored",
            _alike(lambda text, other: " ".join(text.lower().split()) == " ".join(other.lower().split())),
            "You compare texts without their capitals or spaces. The contract compares letter by letter: what differs in one stays in.",
        ),
        Mistake(
            "what holds an answer is taken out",
            _alike(lambda text, other: other in text),
            "You take out every text in which an answer or the query stands as a part. Only an equal text is taken out.",
        ),
        Mistake(
            "equal wrong texts are taken once",
            _each_text_once,
            "Two wrong passages with one text become one with you. Only copies of an answer and of the query are taken out; the rest of "
            "`found` stays as it is.",
        ),
        Mistake(
            "grade 0 overrules the text",
            lambda query, found, corpus, judged, skip, M: _window(
                [p for p in found if judged.get(p) == 0 or p in _without(query, found, corpus, judged)], skip, M
            ),
            "A passage with grade 0 stays in, also where its text equals that of an answer. The text answers, whatever somebody said of "
            "its copy.",
        ),
        Mistake(
            "nothing is skipped",
            lambda query, found, corpus, judged, skip, M: _without(query, found, corpus, judged)[:M],
            "`skip` never counts: you take the hardest ones.",
        ),
        Mistake(
            "the window ends too early",
            lambda query, found, corpus, judged, skip, M: _without(query, found, corpus, judged)[skip:M],
            "Your window ends at rank `num_negatives`, counted from the top. It has `num_negatives` places behind the skipped ones.",
        ),
        Mistake(
            "from the end",
            lambda query, found, corpus, judged, skip, M: _window(
                _without(query, found, corpus, judged)[::-1], skip, M
            ),
            "You count from the end of the list: these are the easiest. `found` has the best first.",
        ),
        Mistake(
            "nothing is taken out",
            lambda query, found, corpus, judged, skip, M: _window(list(found), skip, M),
            "Nothing is taken out: the known answers of the query become its negatives, and the model is trained to push them away.",
        ),
        Mistake(
            "sorted by id",
            lambda query, found, corpus, judged, skip, M: sorted(
                _window(_without(query, found, corpus, judged), skip, M)
            ),
            "The right ones, in the order of their names. The hardest stands first: keep the order of `found`.",
        ),
    ),
    hints=(
        "Two questions, one after the other: which ids may be negatives at all? Which of these are in the window?",
        "Compare *texts*: those of all passages graded above 0, and the query. Then a copy is seen, whatever its id.",
        "Keep the order of `found`, leave out what has one of these texts, and cut from `skip`, as many as `num_negatives`.",
    ),
)


# --- 08.3 right answers among the wrong ones -------------------------------------------------

Found = Mapping[str, Sequence[str]]
Judged = Mapping[str, Grades]


def false_by_rank(found: Found, judged: Judged, truth: Judged, depth: int) -> list[float]:
    """At each rank behind the known answers, the share of queries whose passage there answers after all."""
    return _by_rank(found, judged, truth, depth)


def _unknown(ranked: Sequence[str], judged: Grades) -> list[str]:
    return [p for p in ranked if judged.get(p, 0) <= 0]


def _answers(truth: Grades, passage: str) -> bool:
    return truth.get(passage, 0) > 0


def _by_rank(
    found, judged, truth, depth, *, left=_unknown, answers=_answers, of=lambda having, queries: having,
):  # fmt: skip
    lists = {query: left(ranked, judged[query]) for query, ranked in found.items()}
    shares = []
    for rank in range(depth):
        there = [(query, ids[rank]) for query, ids in lists.items() if rank < len(ids)]
        false = sum(answers(truth[query], passage) for query, passage in there)
        whole = of(len(there), len(lists))
        shares.append(false / whole if whole else 0.0)
    return shares


def _counted_by_query(found, judged, truth, depth):
    false, there = [0] * depth, [0] * depth
    for query, ranked in found.items():
        rank = 0
        for passage in ranked:
            if judged[query].get(passage, 0) > 0 or rank == depth:
                continue
            there[rank] += 1
            false[rank] += truth[query].get(passage, 0) > 0
            rank += 1
    return [f / n if n else 0.0 for f, n in zip(false, there, strict=True)]


def _by_rank_with(**parts: Any) -> Answer:
    return lambda *args: _by_rank(*args, **parts)


def _with_gaps(found, judged, truth, depth):
    """Known answers keep their ranks, and those queries do not count there."""
    shares = []
    for rank in range(depth):
        there = [
            (q, r[rank]) for q, r in found.items() if rank < len(r) and judged[q].get(r[rank], 0) <= 0
        ]  # fmt: skip
        false = sum(_answers(truth[q], p) for q, p in there)
        shares.append(false / len(there) if there else 0.0)
    return shares


def _cumulated(found, judged, truth, depth):
    shares = []
    for rank in range(1, depth + 1):
        there = [(q, p) for q, r in found.items() for p in _unknown(r, judged[q])[:rank]]
        false = sum(_answers(truth[q], p) for q, p in there)
        shares.append(false / len(there) if there else 0.0)
    return shares


def _two_queries() -> tuple[dict, dict, dict, int]:
    found = {"q1": ["a", "b", "c", "d"], "q2": ["e", "a", "f"]}
    judged = {"q1": {"a": 3}, "q2": {"f": 2}}
    truth = {"q1": {"a": 3, "b": 2}, "q2": {"f": 2, "a": 1, "d": 3}}
    return found, judged, truth, 4


def _draw_by_rank(rng: random.Random) -> tuple[dict, dict, dict, int]:
    found, judged, truth = {}, {}, {}
    for query in rng.sample(("q1", "q2", "q3", "q4"), rng.randint(1, 4)):
        answers = rng.sample("abcdefg", rng.randint(1, 4))
        truth[query] = {p: rng.randint(1, 3) for p in answers} | ({"h": 0} if rng.random() < 0.4 else {})
        judged[query] = {p: truth[query][p] for p in answers[: rng.randint(1, len(answers))]}
        if rng.random() < 0.4:
            judged[query]["h"] = 0
        found[query] = rng.sample("abcdefgh", rng.randint(0 if rng.random() < 0.2 else 2, 8))
    return found, judged, truth, rng.randint(1, 6)


def _missing(found: Found, judged: Judged, truth: Judged) -> bool:
    return any(_answers(truth[q], p) and judged[q].get(p, 0) <= 0 for q, r in found.items() for p in r)


BY_RANK = Exercise(
    id="08.3",
    title="right answers among the wrong ones",
    difficulty="medium",
    minutes=10,
    section="Build it: right answers among the wrong ones",
    signature="query -> ids, query -> id -> grade, the same, int -> list of float",
    reference=false_by_rank,
    another=_counted_by_query,
    draw=_draw_by_rank,
    loops=True,
    situations=(
        Situation("there is more than one query", lambda found, *rest: len(found) > 1),
        Situation("nothing was found for a query", lambda found, *rest: any(not r for r in found.values())),
        Situation(
            "a known answer was found",
            lambda found, judged, *rest: any(judged[q].get(p, 0) > 0 for q, r in found.items() for p in r),
        ),
        Situation(
            "an answer that nobody marked was found", lambda found, judged, truth, depth: _missing(found, judged, truth)
        ),
        Situation(
            "a query has fewer candidates than ranks are asked for",
            lambda found, judged, truth, depth: any(len(_unknown(r, judged[q])) < depth for q, r in found.items()),
        ),
        Situation(
            "no query has a candidate at the last rank",
            lambda found, judged, truth, depth: all(len(_unknown(r, judged[q])) < depth for q, r in found.items()),
        ),
    ),
    cases=(
        Case("two queries, four ranks", _two_queries, [0.5, 0.5, 0.0, 0.0]),
        Case(
            "a known answer on top of each",
            lambda: (
                {"q1": ["a", "b"], "q2": ["c", "d", "e"]},
                {"q1": {"a": 1}, "q2": {"c": 2}},
                {"q1": {"a": 1, "b": 3}, "q2": {"c": 2}},
                2,
            ),
            [0.5, 0.0],
        ),
        Case("nothing found", lambda: ({"q1": []}, {"q1": {"a": 1}}, {"q1": {"a": 1}}, 2), [0.0, 0.0]),
    ),
    mistakes=(
        Mistake(
            "known answers are counted",
            _by_rank_with(left=lambda ranked, judged: list(ranked)),
            "The known answers are still in the lists, so you count them as well. Nobody would train against those; asked for are the "
            "answers that nobody marked.",
        ),
        Mistake(
            "known answers leave gaps",
            _with_gaps,
            "A known answer is not counted, and it still uses up its rank. Take it out first: what stood behind it moves up.",
        ),
        Mistake(
            "up to this rank",
            _cumulated,
            "You count all ranks up to each one. Asked for is each rank by itself.",
        ),
        Mistake(
            "a share of all queries",
            _by_rank_with(of=lambda having, queries: queries),
            "You divide by the number of all queries. At a deep rank some lists have ended: divide by the queries that have a candidate "
            "there.",
        ),
        Mistake(
            "a number, not a share",
            _by_rank_with(of=lambda having, queries: 1),
            "You count, and do not divide by the queries that have a candidate at the rank.",
        ),
        Mistake(
            "what is in the truth answers",
            _by_rank_with(answers=lambda truth, passage: passage in truth),
            "Every passage that the truth names counts as an answer with you, also one with grade 0.",
        ),
        Mistake(
            "the judgements instead of the truth",
            lambda found, judged, truth, depth: _by_rank(found, judged, judged, depth),
            "You look the candidates up in `judged`. By that, none of them answers, since its answers have just been taken out. That is "
            "how false negatives stay unseen: only `truth` knows them.",
        ),
        Mistake(
            "the share of the true ones",
            _by_rank_with(answers=lambda truth, passage: not _answers(truth, passage)),
            "This is the share that is wrong indeed. Asked for is the other part.",
        ),
        Mistake(
            "judged passages are taken out",
            _by_rank_with(left=lambda ranked, judged: [p for p in ranked if p not in judged]),
            "You take every judged passage out of the lists, also those with grade 0. Those do not answer, and stay candidates.",
        ),
    ),
    hints=(
        "First the lists without known answers, then rank by rank: who has a passage there?",
        "For a rank, collect the pairs (query, passage) of all lists that are long enough.",
        "Of these pairs count the ones with a grade above 0 in `truth`, and divide by their number; 0.0 where there are none.",
    ),
)


# --- 08.4 the other way round ----------------------------------------------------------------


def smallest_list() -> tuple[list[str], list[str], int, int]:
    """Two ids: a known answer, and one behind it that the window should have reached."""
    return ["answer", "other"], ["answer"], 0, 1


def _then_window(found: Sequence[str], known: Sequence[str], skip: int, num_negatives: int) -> list[str]:
    return [p for p in found if p not in known][int(skip) :][: int(num_negatives)]


def _then_without(found: Sequence[str], known: Sequence[str], skip: int, num_negatives: int) -> list[str]:
    return [p for p in list(found)[int(skip) :][: int(num_negatives)] if p not in known]


def _a_list(found: Any, known: Any, skip: Any, num_negatives: Any) -> str | None:
    if not isinstance(found, list | tuple) or not isinstance(known, list | tuple | set | frozenset):
        return "return found and known as lists of ids, then two whole numbers"
    if not all(isinstance(p, str) for p in [*found, *known]):
        return "ids are strings"
    if len(set(found)) < len(found):
        return "an id stands in found once at most"
    for name, number, least in (("skip", skip, 0), ("num_negatives", num_negatives, 1)):
        if (
            compare.kind(number) != "number"
            or isinstance(number, bool | float)
            or int(number) != number
            or number < least
        ):
            return f"{name} is a whole number from {least} on, got {number!r}"
    return None


REVERSED = Reversed(
    id="08.4",
    title="ranks that are counted too early",
    difficulty="medium",
    minutes=8,
    section="Build it: ranks that are counted too early",
    signature="() -> list of ids, list of ids, int, int",
    reference=smallest_list,
    another=lambda: (["a", "b"], ["a"], 1, 3),
    right=_then_window,
    wrong=_then_without,
    valid=_a_list,
    smallest=2,
    measure=lambda found, known, skip, num_negatives: len(found),
    cases=(Case("nothing is passed in", lambda: (), smallest_list()),),
    mistakes=(
        Mistake(
            "no known answer was found",
            lambda: (["a", "b"], ["c"], 0, 1),
            "None of the known answers is among what was found. Then there is nothing to take out, and it does not matter when.",
            when=lambda found, known, skip, M: not set(found) & set(known),
        ),
        Mistake(
            "the known answer lies behind the window",
            lambda: (["a", "b"], ["b"], 0, 1),
            "The known answer lies behind the window. Neither way gets as far as there.",
            when=lambda found, known, skip, M: (
                bool(set(found) & set(known)) and not set(found[: int(skip) + int(M)]) & set(known)
            ),
        ),
        Mistake(
            "the window holds the whole list",
            lambda: (["a", "b"], ["a"], 0, 2),
            "Nothing is skipped, and the window reaches the end of the list. Then the order of the two steps cannot be seen.",
            when=lambda found, known, skip, M: (
                skip == 0 and len(found) <= M and bool(set(found) & set(known)) and not set(found) <= set(known)
            ),
        ),
        Mistake(
            "nothing else is there",
            lambda: (["a"], ["a"], 0, 1),
            "All that was found is known to answer. Nothing is left for the window, in either order.",
            when=lambda found, known, skip, M: len(found) > 0 and set(found) <= set(known),
        ),
        Mistake(
            "more ids than it takes",
            lambda: (["a", "b", "c"], ["a"], 0, 1),
            "It works, and there are more ids than it takes. What do you need besides the known answer?",
            when=lambda found, known, skip, M: (
                len(found) > 2 and _then_window(found, known, skip, M) != _then_without(found, known, skip, M)
            ),
        ),
    ),
    hints=(
        "What does a known answer inside the window do to the number of negatives?",
        "One known answer and one other passage are enough. Where must the window end so that the other one is missed?",
        "Put the known answer first, skip nothing, and ask for one negative.",
    ),
)


# --- 08.5 what a step costs ------------------------------------------------------------------


def cost_of_step(num_pairs: int, num_negatives: int) -> tuple[int, int, float]:
    """Texts that a step encodes, choices of each query, and how many times the texts of a step without negatives."""
    texts = num_pairs * (2 + num_negatives)
    return texts, num_pairs * (1 + num_negatives), texts / (2 * num_pairs)


def _counted_cost(B, M):
    texts = [text for _ in range(B) for text in ("query", "positive", *["negative"] * M)]
    return len(texts), len([text for text in texts if text != "query"]), 1 + M / 2


def _cost(
    texts: Callable[[int, int], int] = lambda B, M: B * (2 + M),
    choices: Callable[[int, int], int] = lambda B, M: B * (1 + M),
    factor: Callable[[int, int], float] = lambda B, M: (2 + M) / 2,
) -> Answer:
    return lambda B, M: (texts(B, M), choices(B, M), factor(B, M))


COST = Exercise(
    id="08.5",
    title="what a step costs",
    difficulty="easy",
    minutes=5,
    section="Build it: what a step costs",
    signature="int, int -> (int, int, float)",
    reference=cost_of_step,
    another=_counted_cost,
    draw=lambda rng: (rng.choice((1, 2, 5, 16, 32, 64)), rng.choice((0, 1, 2, 3, 7, 15, 64))),
    situations=(
        Situation("there are no negatives", lambda B, M: M == 0),
        Situation("there is one negative for each query", lambda B, M: M == 1),
        Situation("there are several negatives for each query", lambda B, M: M > 1),
        Situation("there is more than one pair", lambda B, M: B > 1),
    ),
    cases=(
        Case("32 pairs, 3 negatives each", lambda: (32, 3), (160, 128, 2.5)),
        Case("32 pairs alone", lambda: (32, 0), (64, 32, 1.0)),
        Case("64 negatives each", lambda: (16, 64), (1056, 1040, 33.0)),
    ),
    mistakes=(
        Mistake(
            "a tuple costs as much as a pair",
            _cost(texts=lambda B, M: 2 * B, factor=lambda B, M: 1.0),
            "You count a query and a passage for each row, as if negatives came for nothing. Each of them is a text that is encoded, and "
            "gone back through: that is why a step with 64 negatives takes some thirty times as long.",
        ),
        Mistake(
            "the queries are forgotten",
            _cost(texts=lambda B, M: B * (1 + M), factor=lambda B, M: 1.0 + M),
            "You count the passages alone. The queries are encoded as well: a row has one query, one positive and M negatives.",
        ),
        Mistake(
            "the positives are forgotten",
            _cost(texts=lambda B, M: B * (1 + M), factor=lambda B, M: (1 + M) / 2),
            "A row has one query, one positive and M negatives. One of the three is missing in your number of texts.",
        ),
        Mistake(
            "each query sees its own row alone",
            _cost(choices=lambda B, M: 1 + M),
            "You let each query choose within its own row. All passages of the batch stand in its softmax: everybody's positives, and "
            "everybody's negatives.",
        ),
        Mistake(
            "only one's own negatives",
            _cost(choices=lambda B, M: B + M),
            "You count all positives and the query's own M negatives. The negatives of the other queries are there as well, and cost "
            "nothing more once they are encoded.",
        ),
        Mistake(
            "the choices of all queries",
            _cost(choices=lambda B, M: B * B * (1 + M)),
            "This counts the choices of all B queries together. Asked for are those of one.",
        ),
        Mistake(
            "the right one is no choice",
            _cost(choices=lambda B, M: B * (1 + M) - 1),
            "You leave the query's own passage out. It is one of the choices: the right one.",
        ),
        Mistake(
            "the factor counts passages",
            _cost(factor=lambda B, M: 1.0 + M),
            "Your factor compares passages with passages. The queries cost too, with and without negatives: compare all texts with the "
            "2 · B of a step without negatives.",
        ),
        Mistake(
            "the factor counts rows",
            _cost(factor=lambda B, M: float(2 + M)),
            "Your factor compares with a step of B texts. Without negatives a step has 2 · B: a query and a passage for each row.",
        ),
    ),
    hints=(
        "Write one row down: what does it hold? Then B rows.",
        "The texts of a row: query, positive, M negatives. The choices: all passages of the batch, of all rows.",
        "The factor is the number of texts, divided by the number of texts with M = 0.",
    ),
)


# --- 08.6 rounds of mine, filter, train ------------------------------------------------------

ALPHABET = "abcq"
PASSAGES = (
    "a",
    "b",
    "c",
    "ab",
    "ac",
    "bc",
    "abc",
    "aab",
    "abb",
    "aac",
    "acc",
    "bbc",
    "bcc",
)  # no two point the same way


class Letters(nn.Module):
    """A small encoder: a text is the mean of its letters' vectors."""

    def __init__(self, weight: Tensor, old: float | None = None):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.trained_before = old is not None
        self.weight.grad = None if old is None else torch.full_like(self.weight, old)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """n texts -> (n, D)."""
        return torch.stack([self.weight[[ALPHABET.index(letter) for letter in text]].mean(dim=0) for text in texts])

    def __repr__(self) -> str:
        return "an encoder of letters"


def mine_filter_train(
    encoder: nn.Module, queries: Texts, corpus: Texts, qrels: Judged, others: Found,
    rounds: int, num_negatives: int, margin: float, temperature: float, lr: float,
) -> list[dict[str, list[str]]]:  # fmt: skip
    """Rounds of mining with the encoder as it is, filtering, and a step on what was found; the negatives of each round."""
    return _rounds(encoder, queries, corpus, qrels, others, rounds, num_negatives, margin, temperature, lr)


def _all_known(judged: Grades) -> list[str]:
    return list(judged)


def _rounds(
    encoder, queries, corpus, qrels, others, rounds, num_negatives, margin, temperature, lr, *,
    known=_all_known, lowest=min, filtered=True, joined=True, replaced=False, once=False, in_loss=True, own_only=False,
    clear=True, sign=1.0, cosine=cos_sim, others_filtered=True, positive=lambda judged, score: next(iter(judged)),
):  # fmt: skip
    """The rounds, with one part exchanged."""
    history: list[dict[str, list[str]]] = []
    for _ in range(rounds):
        with torch.no_grad():
            scores = cosine(encoder(list(queries.values())), encoder(list(corpus.values())))
        negatives, positives = {}, []
        for query, row in zip(queries, scores.tolist(), strict=True):
            score = dict(zip(corpus, row, strict=True))
            positives.append(positive(qrels[query], score))
            bar = lowest(score[p] for p in qrels[query]) - margin
            possible = [p for p in sorted(score, key=lambda p: -score[p]) if p not in known(qrels[query])]
            if filtered:
                possible = [p for p in possible if score[p] <= bar]
            mined = [] if replaced and others[query] else possible[:num_negatives]
            more = (
                [p for p in others[query] if (p in possible or not others_filtered) and p not in mined]
                if joined
                else []
            )
            negatives[query] = mined + more
        if once and history:
            negatives = history[0]
        mined = [p for found in negatives.values() for p in found] if in_loss else []
        logits = cosine(encoder(list(queries.values())), encoder([corpus[p] for p in positives + mined])) / temperature
        if own_only:
            whose = [i for i, found in enumerate(negatives.values()) for _ in found]
            foreign = torch.arange(len(queries))[:, None] != torch.tensor([*range(len(queries)), *whose])
            foreign[:, : len(queries)] = False
            logits = logits.masked_fill(foreign, float("-inf"))
        loss = F.cross_entropy(logits, torch.arange(len(queries)))
        (gradient,) = torch.autograd.grad(loss, [encoder.weight])
        if not clear and encoder.weight.grad is not None:
            gradient = gradient + encoder.weight.grad
        encoder.weight.grad = gradient
        with torch.no_grad():
            encoder.weight -= sign * lr * gradient
        history.append(negatives)
    return history


def _rounds_by_the_letter(
    encoder, queries, corpus, qrels, others, rounds, num_negatives, margin, temperature, lr
):  # fmt: skip
    optimizer = torch.optim.SGD(encoder.parameters(), lr=lr)
    history = []
    for _ in range(rounds):
        found = {}
        with torch.no_grad():
            for query, text in queries.items():
                score = {p: float(torch.cosine_similarity(*encoder([text, corpus[p]]).split(1))) for p in corpus}
                lowest = min(score[p] for p in qrels[query])
                may = {p for p in corpus if p not in qrels[query] and score[p] + margin <= lowest}
                best = sorted(may, key=lambda p: score[p], reverse=True)[:num_negatives]
                found[query] = best + [p for p in others[query] if p in may and p not in best]
        choices = [next(iter(qrels[q])) for q in queries] + [p for ids in found.values() for p in ids]
        losses = []
        for i, text in enumerate(queries.values()):
            q = encoder([text])[0]
            logits = (
                torch.stack([F.cosine_similarity(q, encoder([corpus[p]])[0], dim=0) for p in choices]) / temperature
            )
            losses.append(logits.logsumexp(0) - logits[i])
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
        history.append(found)
    return history


def _letters(seed: int, D: int = 3) -> Tensor:
    return torch.randn(len(ALPHABET), D, generator=torch.Generator().manual_seed(seed))


def _plain_letters() -> Tensor:
    """a at 0 degrees, b at 90, c at 180; q, of which queries are made, at 0."""
    return torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]])


def _one_round() -> tuple:
    """The query points to 0 degrees, its answer too, and three others to 45, 90 and 180."""
    return (
        Letters(_plain_letters()), {"q1": "q"}, {"p1": "a", "p2": "ab", "p3": "b", "p4": "c"}, {"q1": {"p1": 3}},
        {"q1": ["p4"]}, 1, 1, 0.5, 1.0, 1.0,
    )  # fmt: skip


# p2's cosine is .707, above the bar of 1 - .5; so p3, at 0, is mined, and BM25's p4, at -1, joins. The logits are 1, 0, -1, the
# weights .6652, .2447, .0900. Of all vectors only the parts at right angles to the query move: b's by -.2447, q's by -.2447.
ONE_ROUND = {
    "the negatives of each round": [{"q1": ["p3", "p4"]}],
    "the weights": torch.tensor([[1.0, 0.0], [-0.2447285, 1.0], [-1.0, 0.0], [1.0, -0.2447285]]),
}


def _made(
    seed: int, queries: Texts, corpus: Texts, qrels: Judged, others: Found, rounds: int, M: int, margin: float,
    old: float | None = None,
) -> tuple:  # fmt: skip
    return (
        Letters(_letters(seed), old),
        dict(queries),
        dict(corpus),
        dict(qrels),
        dict(others),
        rounds,
        M,
        margin,
        0.2,
        0.3,
    )


def _three_queries(rounds: int, margin: float, old: float | None = None) -> Callable[[], tuple]:
    corpus = {f"p{i}": text for i, text in enumerate(PASSAGES)}
    queries = {"q1": "qa", "q2": "qbc", "q3": "qqc"}
    qrels = {"q1": {"p0": 3, "p7": 1}, "q2": {"p5": 2, "p6": 2, "p11": 1}, "q3": {"p2": 3}}
    others = {"q1": ["p7", "p9", "p3"], "q2": ["p11", "p1"], "q3": []}
    return lambda: _made(3, queries, corpus, qrels, others, rounds, 2, margin, old)


def _draw_rounds(rng: random.Random) -> tuple:
    corpus = {f"p{i}": text for i, text in enumerate(rng.sample(PASSAGES, rng.randint(4, 8)))}
    queries = {
        f"q{i}": text for i, text in enumerate(rng.sample(("q", "qa", "qb", "qc", "qab", "qqc"), rng.randint(1, 3)))
    }
    qrels = {q: {p: rng.randint(1, 3) for p in rng.sample(list(corpus), rng.choice((1, 1, 2)))} for q in queries}
    others = {q: rng.sample(list(corpus), rng.choice((0, 1, 2))) for q in queries}
    old = rng.choice((None, 0.5))
    return _made(
        rng.randrange(1000),
        queries,
        corpus,
        qrels,
        others,
        rng.randint(1, 3),
        rng.randint(1, 2),
        rng.choice((-3.0, 0.0, 0.1)),
        old,
    )


def _negatives_and_weights(result: Any, args: tuple) -> dict[str, Any]:
    if not isinstance(result, list | tuple) or not all(isinstance(each, dict) for each in result):
        raise compare.NotAResult("return a list with a dict for each round: query id -> list of passage ids")
    return {
        "the negatives of each round": [{q: list(ids) for q, ids in each.items()} for each in result],
        "the weights": args[0].weight.detach(),
    }


def _exchanged(**parts: Any) -> Answer:
    return lambda *args: _rounds(*args, **parts)


def _first_known(judged: Grades) -> list[str]:
    return list(judged)[:1]


def _best_scored(judged: Grades, score: Mapping[str, float]) -> str:
    return max(judged, key=lambda p: score[p])


def _mean(scores: Any) -> float:
    values = list(scores)
    return sum(values) / len(values)


ROUNDS = Exercise(
    id="08.6",
    title="rounds of mine, filter, train",
    difficulty="hard",
    minutes=22,
    section="Build it: rounds of mine, filter, train",
    signature="encoder, 4 dicts, int, int, float, float, float -> list of dicts; the encoder's weights are changed",
    reference=mine_filter_train,
    another=_rounds_by_the_letter,
    draw=_draw_rounds,
    loops=True,
    may_change=(0,),
    observe=_negatives_and_weights,
    situations=(
        Situation("there is more than one round", lambda *args: args[5] > 1),
        Situation("there is more than one query", lambda *args: len(args[1]) > 1),
        Situation("a query has more than one known answer", lambda *args: any(len(r) > 1 for r in args[3].values())),
        Situation("the other miner has something to add", lambda *args: any(args[4].values())),
        Situation("the margin lets everything through", lambda *args: args[7] < -2),
        Situation("the weights hold an old gradient", lambda encoder, *rest: encoder.trained_before),
    ),
    cases=(
        Case("one round, one query", _one_round, ONE_ROUND),
        Case("three queries, one round", _three_queries(1, 0.05)),
        Case("three queries, three rounds", _three_queries(3, 0.05, old=0.5)),
        Case("nothing is filtered", _three_queries(2, -3.0)),
    ),
    mistakes=(
        Mistake(
            "the negatives never reach the loss",
            _exchanged(in_loss=False),
            "The negatives are mined, returned, and not trained on: with them and without, your loss is the same. It happens where a loss "
            "takes them as an argument that nobody passes on. They belong among the passages that every query chooses from.",
        ),
        Mistake(
            "mined once",
            _exchanged(once=True),
            "You mine before the first round, and go on with those negatives. What was hard for the model of the first round is no longer "
            "hard for that of the third; it learns the habits of the one that mined. Mine anew in each round.",
        ),
        Mistake(
            "only one of the known answers is taken out",
            _exchanged(known=_first_known),
            "You take a query's first answer out, and its other known answers stay among the candidates. All that qrels name is no "
            "negative.",
        ),
        Mistake(
            "the own negatives replace the other miner's",
            _exchanged(joined=False),
            "What the other miner found is dropped: the encoder's own negatives take its place instead of joining it. Each miner has its "
            "own blind spots, so together they teach more.",
        ),
        Mistake(
            "the other miner's replace one's own",
            _exchanged(replaced=True),
            "Where the other miner has something, you take that and nothing of the encoder's own. Both belong together, the encoder's own "
            "first.",
        ),
        Mistake(
            "nothing is filtered",
            _exchanged(filtered=False),
            "No candidate is held against the positive: also those that score as high as a right answer are taken. They may well be "
            "one.",
        ),
        Mistake(
            "the bar hangs on the best answer",
            _exchanged(lowest=max),
            "Your bar hangs on the best of the known answers. Of several, the one with the lowest cosine counts: whatever scores like it "
            "may be an answer too.",
        ),
        Mistake(
            "the bar hangs on the first known answer",
            _exchanged(lowest=lambda scores: next(iter(scores))),
            "Your bar hangs on the first known answer, the one that you train on. Of several the one with the lowest cosine counts: what "
            "scores like it may be an answer too.",
        ),
        Mistake(
            "the other miner's are not filtered",
            _exchanged(others_filtered=False),
            "What the other miner found joins unseen: known answers and what stands above the bar with it. Its passages go through the "
            "same filter as the encoder's own.",
        ),
        Mistake(
            "the known answer that scores best is the positive",
            _exchanged(positive=_best_scored),
            "You take the known answer with the highest cosine for the positive. The first of `qrels` is asked for, whatever the encoder "
            "thinks of it.",
        ),
        Mistake(
            "the known answer with the highest grade is the positive",
            _exchanged(positive=lambda judged, score: max(judged, key=judged.get)),
            "You take the known answer with the highest grade for the positive. The first of `qrels` is asked for.",
        ),
        Mistake(
            "the bar hangs on the mean",
            _exchanged(lowest=_mean),
            "Your bar hangs on the mean cosine of the known answers. The lowest one counts.",
        ),
        Mistake(
            "each query sees its own negatives alone",
            _exchanged(own_only=True),
            "Each query chooses among all positives and its *own* negatives with you. The negatives of the others are encoded anyway, and "
            "stand in its softmax as well.",
        ),
        Mistake(
            "the old gradient counts",
            _exchanged(clear=False),
            "What stood in `.grad` before is added to the new gradient, from round to round. Clear it before you go backward.",
        ),
        Mistake(
            "up instead of down",
            _exchanged(sign=-1.0),
            "The weights move along the gradient, so the loss rises. A step goes against it.",
        ),
        Mistake(
            "nothing moves",
            _exchanged(sign=0.0),
            "The negatives of the first round are right, and no weight has moved: the optimizer's step is missing.",
        ),
        Mistake(
            "a dot product",
            _exchanged(cosine=lambda a, b: a @ b.T),
            "You compare by dot products. Take cosines, in mining and in the loss: a vector's length must not count.",
        ),
    ),
    hints=(
        "A loop over rounds with three parts: scores without a graph, negatives of each query, a training step.",
        "For a query: the lowest cosine of its known answers, minus the margin, is the bar. Sort the rest by cosine; keep those at or "
        "below the bar; the first ones, then the other miner's that also passed and are not there yet.",
        "For the step: the first known answer of each query, then all negatives in one list. Query i's right choice has number i.",
    ),
)

EXERCISES = (PUSH, NEGATIVES, BY_RANK, REVERSED, COST, ROUNDS)
