"""The exercises of chapter 00: short ones, to see how checks work, and one that puts a whole measurement together."""

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from workbook import similarity
from workbook.exercises import draws
from workbook.exercises.exercise import Case, Exercise, Mistake, Reversed, Situation

# --- 00.1 shared words -----------------------------------------------------------------------


def shared_words(query: str, passage: str) -> int:
    """How many different words of the query stand in the passage, upper and lower case alike."""
    return len(set(query.lower().split()) & set(passage.lower().split()))


SHARED = Exercise(
    id="00.1",
    title="keyword search in one line",
    difficulty="easy",
    minutes=4,
    section="Build it: how keyword search sees a text",
    signature="query, passage -> int",
    reference=shared_words,
    another=lambda query, passage: sum(word in passage.lower().split() for word in set(query.lower().split())),
    draw=draws.two_sentences,
    situations=draws.SENTENCES,
    cases=(
        Case("one shared word", lambda: ("heart attack", "the heart pumps blood"), 1),
        Case("the same meaning, other words", lambda: ("heart attack", "acute myocardial infarction"), 0),
        Case("upper and lower case", lambda: ("Heart Attack", "a heart attack is an emergency"), 2),
        Case("capitals in the passage", lambda: ("blood sugar", "Blood and Sugar"), 2),
        Case("a word that stands twice", lambda: ("row row row your boat", "how to row a row boat"), 2),
        Case("part of a word", lambda: ("art", "the artist has a heart"), 0),
        Case("two spaces and a new line", lambda: ("blood  sugar", "sugar in the\nblood of a patient"), 2),
    ),
    mistakes=(
        Mistake(
            "case counts",
            lambda query, passage: len(set(query.split()) & set(passage.split())),
            "Heart and heart are different words for you. People do not type with care: bring both texts to lower case first.",
        ),
        Mistake(
            "only the query in lower case",
            lambda query, passage: len(set(query.lower().split()) & set(passage.split())),
            "You bring only the query to lower case. A passage begins with a capital letter, too: do the same to both texts.",
        ),
        Mistake(
            "split at single spaces",
            lambda query, passage: len(set(query.lower().split(" ")) & set(passage.lower().split(" "))),
            "You split at single spaces. Two spaces then give an empty word, and a new line glues two words together. split() "
            "without an argument cuts at any white space.",
        ),
        Mistake(
            "repeated words count again",
            lambda query, passage: sum(word in passage.lower().split() for word in query.lower().split()),
            "A word that stands three times in the query counts three times. Count different words: make a set of the query's words.",
        ),
        Mistake(
            "parts of words match",
            lambda query, passage: sum(word in passage.lower() for word in set(query.lower().split())),
            "You look for the word inside the whole string, so “art” is found in “heart”. Split the passage into words, too.",
        ),
        Mistake(
            "words of the passage",
            lambda query, passage: len(set(passage.lower().split())),
            "You count the words of the passage alone. Count those that both texts hold.",
        ),
    ),
    hints=(
        "What does Python offer for “the things that are in both”?",
        "Lower case, split at spaces, make a set: do that to both texts.",
        "The size of the intersection of the two sets.",
    ),
)

# --- 00.2 cosine of two vectors --------------------------------------------------------------


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """The cosine of two vectors (D,), by `workbook.similarity.cos_sim`."""
    return similarity.cos_sim(a[None], b[None])[0, 0]


def _two_vectors(rng: random.Random) -> tuple[Tensor, Tensor]:
    D = rng.randint(1, 4)
    return draws.vectors(rng, D, zeros=0.0) + 0.125, draws.vectors(rng, D, zeros=0.0) + 0.125  # none is zero


COSINE = Exercise(
    id="00.2",
    title="how close are two vectors?",
    difficulty="easy",
    minutes=5,
    section="Build it: how an encoder sees a text",
    signature="(D,), (D,) -> scalar",
    reference=cosine,
    another=lambda a, b: torch.nn.functional.cosine_similarity(a, b, dim=0),
    draw=_two_vectors,
    situations=(Situation("the cosine is negative", lambda a, b: bool(a @ b < 0)),),
    gradient=True,
    cases=(
        Case("the same direction", lambda: (torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])), torch.tensor(1.0)),
        Case("3-4-5", lambda: (torch.tensor([3.0, 4.0]), torch.tensor([1.0, 0.0])), torch.tensor(0.6)),
        Case("opposite", lambda: (torch.tensor([0.0, 2.0]), torch.tensor([0.0, -5.0])), torch.tensor(-1.0)),
        Case("random", lambda: tuple(torch.randn(2, 9, generator=torch.Generator().manual_seed(0)))),
    ),
    mistakes=(
        Mistake(
            "dot product",
            lambda a, b: a @ b,
            "This is the dot product: it grows with the lengths of the vectors. Divide by both lengths, and only the direction counts.",
        ),
        Mistake(
            "divided by one length",
            lambda a, b: a @ b / a.norm(),
            "You divide by one length only. The other vector's length still counts.",
        ),
        Mistake(
            "divided by the sum of the lengths",
            lambda a, b: a @ b / (a.norm() + b.norm()),
            "You divide by the sum of the lengths. Divide by their product.",
        ),
        Mistake(
            "distance",
            lambda a, b: (a - b).norm(),
            "This is the distance: small when two vectors are close. A similarity is large then.",
        ),
    ),
    hints=(
        "Start with the dot product. What must you take out of it?",
        "a.norm() is the length of a.",
        "The dot product over the product of both lengths.",
    ),
)

# --- 00.3 recall -----------------------------------------------------------------------------


def found_in_first(ranked: list[str], wanted: str, k: int) -> int:
    """1 if the wanted passage is among the first k, else 0; its mean over queries is Recall@k."""
    return int(wanted in ranked[:k])


def _ranking_and_wanted(rng: random.Random) -> tuple[list[str], str, int]:
    ranked = [f"p{n}" for n in rng.sample(range(10, 99), rng.randint(0, 6))]
    return ranked, rng.choice([*ranked, *ranked, "p7"]), rng.randint(1, 7)


FOUND = (
    Situation("k is larger than the list", lambda ranked, wanted, k: k > len(ranked)),
    Situation("the wanted passage is not in the list", lambda ranked, wanted, k: wanted not in ranked),
    Situation("the wanted passage stands behind place k", lambda ranked, wanted, k: wanted in ranked[k:]),
    Situation("the wanted passage stands at place k", lambda ranked, wanted, k: ranked[k - 1 : k] == [wanted]),
    Situation("the wanted passage stands at place k + 1", lambda ranked, wanted, k: ranked[k : k + 1] == [wanted]),
    Situation("the wanted passage stands first", lambda ranked, wanted, k: ranked[:1] == [wanted]),
    Situation("the wanted passage stands last", lambda ranked, wanted, k: ranked[-1:] == [wanted]),
    Situation("the ids are not in the order of the alphabet", lambda ranked, wanted, k: ranked != sorted(ranked)),
    Situation("the list is empty", lambda ranked, wanted, k: not ranked),
)

RECALL = Exercise(
    id="00.3",
    title="did it find the passage?",
    difficulty="easy",
    minutes=3,
    section="Build it: did it find the passage?",
    signature="ranked ids, wanted id, k -> 0 or 1",
    reference=found_in_first,
    another=lambda ranked, wanted, k: 1 if any(p == wanted for p, _ in zip(ranked, range(k), strict=False)) else 0,
    draw=_ranking_and_wanted,
    situations=FOUND,
    cases=(
        Case("third of three", lambda: (["a", "b", "c", "d"], "c", 3), 1),
        Case("second of three", lambda: (["a", "b", "c", "d"], "b", 3), 1),
        Case("one too late", lambda: (["a", "b", "c", "d"], "d", 3), 0),
        Case("far too late", lambda: (["a", "b", "c", "d", "e"], "e", 2), 0),
        Case("never", lambda: (["a", "b"], "z", 10), 0),
        Case("first", lambda: (["a", "b"], "a", 1), 1),
    ),
    mistakes=(
        Mistake(
            "k forgotten",
            lambda ranked, wanted, k: int(wanted in ranked),
            "You look at the whole list. Only the first k count.",
        ),
        Mistake(
            "off by one",
            lambda ranked, wanted, k: int(wanted in ranked[: k - 1]),
            "You stop one too early: ranked[:k] already holds exactly k passages.",
        ),
        Mistake(
            "one too many",
            lambda ranked, wanted, k: int(wanted in ranked[: k + 1]),
            "You look at k + 1 passages: ranked[:k] ends before position k.",
        ),
        Mistake(
            "the rank itself",
            lambda ranked, wanted, k: ranked.index(wanted) + 1 if wanted in ranked[:k] else 0,
            "You return the rank. Only 1 (found) or 0 (not found) is asked for.",
        ),
        Mistake(
            "only the k-th place",
            lambda ranked, wanted, k: int(wanted in ranked[k - 1 : k]),
            "You look at place k alone. All places from the first to the k-th count.",
        ),
    ),
    hints=(
        "How do you take the first k of a list?",
        "ranked[:k], and then the word in.",
        "int(...) turns True into 1.",
    ),
)

# --- 00.4 the other way round ----------------------------------------------------------------


def words_inside(query: str, passage: str) -> int:
    """The faulty line of the chapter: a word counts wherever its letters stand, inside other words too."""
    return sum(word in passage.lower() for word in set(query.lower().split()))


def where_they_differ() -> tuple[str, str]:
    """The shortest query and passage for which `words_inside` is wrong: three letters in all."""
    return "a", "ab"


def _not_allowed(query: str, passage: str) -> str | None:
    if not (isinstance(query, str) and isinstance(passage, str)):
        return "return two texts, a query and a passage"
    plain = all(letter == " " or "a" <= letter <= "z" for letter in query + passage)
    return None if plain else "keep to the letters a to z and spaces"


def _shared(query: str, passage: str) -> bool:
    return bool(set(query.split()) & set(passage.split()))


def _other_way(query: str, passage: str) -> bool:
    return any(word in query and word != query for word in passage.split())


DIFFER = Reversed(
    id="00.4",
    title="the shortest input that shows a mistake",
    difficulty="easy",
    minutes=4,
    section="The other way round",
    signature="() -> query, passage",
    reference=where_they_differ,
    another=lambda: ("b", "bb"),
    cases=(Case("the shortest", lambda: (), ("a", "ab")),),
    right=shared_words,
    wrong=words_inside,
    valid=_not_allowed,
    smallest=3,
    measure=lambda query, passage: len(query) + len(passage),
    mistakes=(
        Mistake(
            "an empty query",
            lambda: ("", "ab"),
            "A query without words finds nothing, whoever counts. Give it one word.",
            when=lambda query, passage: not query.split(),
        ),
        Mistake(
            "a word that both share",
            lambda: ("a", "a"),
            "The whole word stands in the passage, so both functions count it, and rightly. You need letters that stand there "
            "without being a word of their own.",
            when=lambda query, passage: (
                _shared(query, passage) and words_inside(query, passage) == shared_words(query, passage)
            ),
        ),
        Mistake(
            "the longer word stands in the query",
            lambda: ("ab", "a"),
            "The faulty function looks for the query's word in the passage, not for the passage's in the query. Turn the two around.",
            when=lambda query, passage: _other_way(query, passage) and not words_inside(query, passage),
        ),
        Mistake(
            "nothing in common",
            lambda: ("a", "bc"),
            "The letters of the query do not stand in the passage at all, so both functions give 0.",
            when=lambda query, passage: not words_inside(query, passage),
        ),
        Mistake(
            "right, but longer than needed",
            lambda: ("art", "heart"),
            "This shows it. Now take letters away from both for as long as the two functions still differ.",
            when=lambda query, passage: words_inside(query, passage) != shared_words(query, passage),
        ),
    ),
    hints=(
        "In which texts of exercise 00.1 did a short word hide inside a longer one?",
        "One word for each text will do. The query's word must stand inside the other, and must not be the same.",
        "How few letters can a word have, and how many more does one need that hides it?",
    ),
)

# --- 00.5 a whole measurement ----------------------------------------------------------------

Encode = Callable[[Sequence[str]], Tensor]


def recall_at(
    encode: Encode, corpus: Mapping[str, str], queries: Mapping[str, str], wanted: Mapping[str, str], k: int
) -> float:
    """Recall@k of an encoder: the share of the queries whose passage is among the k with the highest cosine.

    Args:
        encode: N texts -> their vectors (N, D), of any length but zero.
        corpus: passage id -> text.
        queries: query id -> text, at least one.
        wanted: query id -> the id of the passage that answers it.
        k: how many passages are looked at.
    """
    scores = similarity.cos_sim(encode(list(queries.values())), encode(list(corpus.values())))  # (Q, N)
    order = scores.argsort(dim=1, descending=True).tolist()
    return _mean_found(order, list(corpus), queries, wanted, k)


def _mean_found(
    order: list[list[int]], ids: list[str], queries: Mapping[str, str], wanted: Mapping[str, str], k: int
) -> float:
    ranked = {query: [ids[i] for i in rows] for query, rows in zip(queries, order, strict=True)}
    return sum(found_in_first(ranked[query], wanted[query], k) for query in queries) / len(queries)


def _by_counting_better(encode, corpus, queries, wanted, k):
    vectors = dict(zip(corpus, encode(list(corpus.values())), strict=True))
    hits = 0
    for query, text in queries.items():
        close = {p: float(cosine(encode([text])[0], vector)) for p, vector in vectors.items()}
        hits += sum(other > close[wanted[query]] for other in close.values()) < k
    return hits / len(queries)


class Lookup:
    """An encoder for pencil and paper: it knows the vector of each text. Texts -> (N, D)."""

    def __init__(self, vectors: Mapping[str, Sequence[float]]):
        self.vectors = vectors

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([self.vectors[text] for text in texts])

    def __repr__(self) -> str:
        return ", ".join(f"{text} ↦ ({', '.join(f'{x:g}' for x in v)})" for text, v in self.vectors.items())


TEXTS = ("ship", "star", "salt", "rope", "wind", "moss", "clay", "iron")


def _to_be_measured(rng: random.Random) -> tuple[Lookup, dict[str, str], dict[str, str], dict[str, str], int]:
    """Vectors of any length, none zero, with cosines that differ; ids in no order; `wanted` in an order of its own."""
    N, Q, D = rng.choice((1, 3, 4, 5)), rng.randint(1, 3), rng.randint(2, 3)
    while True:
        drawn = torch.tensor([[float(rng.randint(-4, 4)) for _ in range(D)] for _ in range(Q + N)])
        drawn[Q:] *= torch.tensor([rng.choice((1.0, 3.0, 9.0)) for _ in range(N)])[:, None]
        close = similarity.cos_sim(drawn[:Q], drawn[Q:]).sort(dim=1).values
        if bool(drawn.any(dim=1).all()) and bool((close.diff(dim=1) > 1e-3).all()):
            break
    texts = rng.sample(TEXTS, Q + N)
    ids = [f"p{n}" for n in rng.sample(range(10, 99), N)]
    names = [f"q{n}" for n in rng.sample(range(10, 99), Q)]
    corpus = dict(zip(ids, texts[Q:], strict=True))
    queries = dict(zip(names, texts[:Q], strict=True))
    wanted = {query: rng.choice(ids) for query in rng.sample(names, Q)}
    return Lookup(dict(zip(texts, drawn.tolist(), strict=True))), corpus, queries, wanted, rng.choice((1, 1, 2, 3, 7))


def _two_queries(k: int) -> tuple:
    encode = Lookup({"ship": [1.0, 0.0], "star": [0.0, 1.0], "salt": [1.0, 0.0], "rope": [3.0, 4.0]})
    corpus, queries = {"p1": "salt", "p2": "rope"}, {"q1": "ship", "q2": "star"}
    return encode, corpus, queries, {"q1": "p1", "q2": "p1"}, k


def _three_queries() -> tuple:
    encode = Lookup(
        {
            "ship": [2.0, 1.0],
            "star": [-1.0, 2.0],
            "salt": [0.0, -3.0],
            "rope": [1.0, 0.0],
            "wind": [9.0, 8.0],
            "moss": [-1.0, 3.0],
        }
    )
    corpus, queries = {"p7": "wind", "p3": "moss", "p5": "rope"}, {"q2": "ship", "q9": "star", "q1": "salt"}
    return encode, corpus, queries, {"q1": "p5", "q2": "p5", "q9": "p3"}, 1


def _by_dot(encode, corpus, queries, wanted, k):
    order = (encode(list(queries.values())) @ encode(list(corpus.values())).T).argsort(dim=1, descending=True)
    return _mean_found(order.tolist(), list(corpus), queries, wanted, k)


def _the_worst_first(encode, corpus, queries, wanted, k):
    order = similarity.cos_sim(encode(list(queries.values())), encode(list(corpus.values()))).argsort(dim=1)
    return _mean_found(order.tolist(), list(corpus), queries, wanted, k)


def _in_the_order_of_wanted(encode, corpus, queries, wanted, k):
    return recall_at(encode, corpus, queries, dict(zip(queries, wanted.values(), strict=True)), k)


ASSEMBLED = Exercise(
    id="00.5",
    title="measure an encoder",
    difficulty="medium",
    minutes=12,
    section="Put it together",
    signature="encode, corpus, queries, wanted, k -> share",
    reference=recall_at,
    another=_by_counting_better,
    draw=_to_be_measured,
    situations=(
        Situation("k is larger than the corpus", lambda encode, corpus, queries, wanted, k: k > len(corpus)),
        Situation("k is 1", lambda encode, corpus, queries, wanted, k: k == 1),
        Situation("there is one query only", lambda encode, corpus, queries, wanted, k: len(queries) == 1),
        Situation("there is one passage only", lambda encode, corpus, queries, wanted, k: len(corpus) == 1),
        Situation(
            "there are as many queries as passages",
            lambda encode, corpus, queries, wanted, k: len(queries) == len(corpus),
        ),
        Situation(
            "`wanted` has another order than `queries`",
            lambda encode, corpus, queries, wanted, k: list(wanted) != list(queries),
        ),
        Situation(
            "two queries want the same passage",
            lambda encode, corpus, queries, wanted, k: len(set(wanted.values())) < len(wanted),
        ),
        Situation(
            "the order by the dot product is another",
            lambda *args: recall_at(*args) != _by_dot(*args),
        ),
    ),
    cases=(
        Case("two queries that want the same passage, k = 1", lambda: _two_queries(1), 0.5),
        Case("the same, k = 2", lambda: _two_queries(2), 1.0),
        Case("k is larger than the corpus", lambda: _two_queries(5), 1.0),
        Case("three queries", _three_queries),
    ),
    mistakes=(
        Mistake(
            "dot product in place of the cosine",
            _by_dot,
            "You rank by the dot product. A passage with a long vector then comes first for many queries, whatever it says. "
            "Take both lengths out, as in 00.2.",
            section="Build it: how an encoder sees a text",
        ),
        Mistake(
            "the worst first",
            _the_worst_first,
            "You sort from the lowest cosine up, so the first k are the least alike. The closest passage must stand first.",
        ),
        Mistake(
            "a count, not a share",
            lambda encode, corpus, queries, wanted, k: round(
                recall_at(encode, corpus, queries, wanted, k) * len(queries)
            ),
            "You return how many queries found their passage. Recall is their share: divide by the number of queries.",
        ),
        Mistake(
            "row numbers in place of ids",
            lambda encode, corpus, queries, wanted, k: 0.0,
            "Nothing is ever found. A sort gives the numbers of rows, and `wanted` holds ids: look each row's id up first.",
        ),
        Mistake(
            "k forgotten",
            lambda encode, corpus, queries, wanted, k: 1.0,
            "Every passage stands somewhere in the whole ranking, so you always get 1. Only the first k count.",
            section="Build it: did it find the passage?",
        ),
        Mistake(
            "one too few",
            lambda encode, corpus, queries, wanted, k: (
                recall_at(encode, corpus, queries, wanted, k - 1) if k > 1 else 0.0
            ),
            "You look at k - 1 passages: a slice that ends at k holds k of them.",
            section="Build it: did it find the passage?",
        ),
        Mistake(
            "divided by the passages",
            lambda encode, corpus, queries, wanted, k: (
                recall_at(encode, corpus, queries, wanted, k) * len(queries) / len(corpus)
            ),
            "You divide by the number of passages. The mean is over the queries.",
        ),
        Mistake(
            "divided by k",
            lambda encode, corpus, queries, wanted, k: recall_at(encode, corpus, queries, wanted, k) * len(queries) / k,
            "You divide by k, as for a precision. The mean is over the queries.",
        ),
        Mistake(
            "wanted passages in the order of the dict",
            _in_the_order_of_wanted,
            "You take the wanted passages in the order in which they stand. `wanted` has an order of its own: ask it by the query's id.",
        ),
    ),
    hints=(
        "Four steps: vectors of both sides, a score for each query and passage, a ranking for each query, the mean of 0s and 1s.",
        "With rows of length 1, one matrix product gives all cosines, (Q, N). Sort each row from the highest down.",
        "Turn row numbers into passage ids, give each ranking to the function of 00.3, add up, and divide by the number of queries.",
    ),
)

EXERCISES = (SHARED, COSINE, RECALL, DIFFER, ASSEMBLED)
