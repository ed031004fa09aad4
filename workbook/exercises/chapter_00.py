"""The exercises of chapter 00: three short ones, to see how exercises and checks work."""

import random

import torch
from torch import Tensor

from workbook import similarity
from workbook.exercises import draws
from workbook.exercises.exercise import Case, Exercise, Mistake, Situation

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

EXERCISES = (SHARED, COSINE, RECALL)
