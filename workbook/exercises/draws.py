"""Arguments of random calls, small enough to print, and what may be the case with them.

A drawer takes a `random.Random` and gives the arguments of one call. Numbers are small integers in half
of the draws, so that a failing call can be read; the edges that a text names (an empty text, a vector of
zeros, k beyond the list, nothing relevant) come up often enough to be met in sixty draws.
"""

import random
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from workbook.exercises.exercise import Situation

# --- texts as token vectors ------------------------------------------------------------------


def numbers(rng: random.Random, *shape: int) -> Tensor:
    """Floats of any shape: integers from -3 to 3 in half of the draws, else normal ones of another size."""
    count = torch.Size(shape).numel()
    if rng.random() < 0.5:
        values = [float(rng.randint(-3, 3)) for _ in range(count)]
    else:
        scale = rng.choice((0.5, 1.0, 3.0))
        values = [round(rng.gauss(0, scale), 2) or 0.25 for _ in range(count)]
        values = [v if abs(v) > 0.05 else 0.25 for v in values]  # what is nearly zero is another question than zero
    return torch.tensor(values).reshape(shape)


def mask(rng: random.Random, B: int, T: int, empty: bool = True) -> Tensor:
    """A mask (B, T), padded on one side; some first rows are short, and some rows are empty where allowed."""
    left = rng.random() < 0.5
    lengths = [rng.randint(0 if empty and rng.random() < 0.15 else 1, T) for _ in range(B)]
    rows = [[1] * n + [0] * (T - n) for n in lengths]
    return torch.tensor([row[::-1] if left else row for row in rows])


def texts(rng: random.Random, empty: bool = True) -> tuple[Tensor, Tensor]:
    """Token vectors and their mask, (B, T, D) and (B, T); the sizes differ from one another."""
    B, T, D = rng.randint(1, 3), rng.randint(1, 5), rng.randint(1, 4)
    return numbers(rng, B, T, D), mask(rng, B, T, empty)


def _padding(mask: Tensor) -> Tensor:
    return mask.sum(dim=1) < mask.shape[1]


EMPTY_TEXT = Situation("a text has no token at all", lambda hidden, mask, *rest: bool((mask.sum(1) == 0).any()))
TEXTS = (
    EMPTY_TEXT,
    Situation(
        "a text is padded on the left", lambda hidden, mask, *rest: bool((_padding(mask) & (mask[:, -1] == 1)).any())
    ),
    Situation(
        "a text is padded on the right", lambda hidden, mask, *rest: bool((_padding(mask) & (mask[:, 0] == 1)).any())
    ),
    Situation("there is padding", lambda hidden, mask, *rest: bool((mask == 0).any())),
    Situation(
        "texts of the batch have different lengths",
        lambda hidden, mask, *rest: len({int(n) for n in mask.sum(1)}) > 1,
    ),
    Situation("there is more than one text", lambda hidden, mask, *rest: len(mask) > 1),
    Situation("a text has more than one token", lambda hidden, mask, *rest: int(mask.sum(1).max()) > 1),
    Situation("there is one text only", lambda hidden, mask, *rest: len(mask) == 1),
)

# --- vectors ---------------------------------------------------------------------------------


def vectors(rng: random.Random, *shape: int, zeros: float = 0.1) -> Tensor:
    """Vectors along the last axis, of any length; some are zero."""
    found = numbers(rng, *shape)
    rows = found.view(-1, shape[-1])
    for row in range(len(rows)):
        if rng.random() < zeros:
            rows[row] = 0.0
    return found


def some_zero(*args: object) -> bool:
    """Whether a vector of zeros is among the arguments."""
    return any(isinstance(a, Tensor) and a.ndim and bool((a == 0).all(dim=-1).any()) for a in args)


ZERO_VECTOR = Situation("a vector is zero", some_zero)
ONE_VECTOR = Situation("there is only one vector", lambda x, *rest: x.ndim == 1 or len(x) == 1)
NEGATIVE = Situation("a number is negative", lambda x, *rest: bool((x < 0).any()))


def pairs(rng: random.Random, zeros: float = 0.0) -> tuple[Tensor, Tensor]:
    """As many queries as passages, (B, D) each, none of length 1 but by accident."""
    B, D = rng.randint(1, 4), rng.randint(2, 4)
    return vectors(rng, B, D, zeros=zeros), vectors(rng, B, D, zeros=zeros)


def temperature(rng: random.Random) -> float:
    """From 0.001, as low as the contracts go, to 2."""
    return rng.choice((0.001, 0.05, 0.1, 0.5, 1.0, 2.0))


PAIRS = (
    Situation("the temperature is not 1", lambda *args: args[-1] != 1.0),
    Situation("the temperature is below 1", lambda *args: args[-1] < 1.0),
    Situation("there is more than one pair", lambda query, *rest: len(query) > 1),
    Situation("there is one pair only", lambda query, *rest: len(query) == 1),
)

# --- rankings --------------------------------------------------------------------------------


def ranking(rng: random.Random) -> tuple[list[str], dict[str, int]]:
    """Ranked ids, not in the order of the alphabet, and graded judgements; some found passages were never judged."""
    ids = [f"{letter}{rng.randint(1, 99)}" for letter in "abcdefgh"]
    rng.shuffle(ids)
    ranked = ids[: rng.randint(0, 6)]
    judged = rng.sample(ids, rng.randint(1, 6))
    top = rng.choice((0, 1, 1, 3, 3, 3))
    return ranked, {passage: rng.randint(0, top) for passage in judged}


def ranking_at(rng: random.Random) -> tuple[list[str], dict[str, int], int]:
    """A ranking with a depth k, beyond its end in some draws."""
    return (*ranking(rng), rng.randint(1, 8))


def _first(ranked: list[str], rest: tuple) -> list[str]:
    return ranked[: rest[0]] if rest else ranked


def _before_relevant(ranked: list[str], judged: dict[str, int], like: Callable[[str], bool]) -> bool:
    last = max((i for i, p in enumerate(ranked) if judged.get(p, 0) > 0), default=0)
    return any(like(p) for p in ranked[:last])


def _repeats(grades: Iterable[int]) -> bool:
    above = [g for g in grades if g > 0]
    return len(above) > len(set(above))


RANKINGS = (
    Situation("no passage is relevant", lambda ranked, judged, *rest: not any(judged.values())),
    Situation("the ranking is empty", lambda ranked, judged, *rest: not ranked),
    Situation("k is larger than the ranking", lambda ranked, judged, *rest: bool(rest) and rest[0] > len(ranked)),
    Situation("the ranking is longer than k", lambda ranked, judged, *rest: bool(rest) and rest[0] < len(ranked)),
    Situation(
        "nothing relevant was found",
        lambda ranked, judged, *rest: not any(judged.get(p, 0) > 0 for p in _first(ranked, rest)),
    ),
    Situation(
        "a passage was found that nobody judged",
        lambda ranked, judged, *rest: any(p not in judged for p in _first(ranked, rest)),
    ),
    Situation(
        "a passage that nobody judged stands before a relevant one",
        lambda ranked, judged, *rest: _before_relevant(ranked, judged, lambda p: p not in judged),
    ),
    Situation(
        "a passage with grade 0 stands before a relevant one",
        lambda ranked, judged, *rest: _before_relevant(ranked, judged, lambda p: judged.get(p) == 0),
    ),
    Situation(
        "two found passages have the same grade above 0",
        lambda ranked, judged, *rest: _repeats([judged.get(p, 0) for p in _first(ranked, rest)]),
    ),
    Situation(
        "two judged passages have the same grade above 0", lambda ranked, judged, *rest: _repeats(judged.values())
    ),
    Situation(
        "a passage with grade 0 was found",
        lambda ranked, judged, *rest: any(judged.get(p) == 0 for p in _first(ranked, rest)),
    ),
    Situation("a judged passage has grade 0", lambda ranked, judged, *rest: 0 in judged.values()),
    Situation("a grade is above 1", lambda ranked, judged, *rest: any(g > 1 for g in judged.values())),
    Situation(
        "there are more relevant passages than k",
        lambda ranked, judged, *rest: bool(rest) and sum(g > 0 for g in judged.values()) > rest[0],
    ),
    Situation(
        "a relevant passage was not found",
        lambda ranked, judged, *rest: any(g > 0 and p not in _first(ranked, rest) for p, g in judged.items()),
    ),
    Situation(
        "more than one relevant passage was found",
        lambda ranked, judged, *rest: sum(judged.get(p, 0) > 0 for p in _first(ranked, rest)) > 1,
    ),
    Situation(
        "the ranking is shorter than k, and than the number of relevant passages",
        lambda ranked, judged, *rest: len(ranked) < min(*rest, sum(g > 0 for g in judged.values())) if rest else False,
    ),
    Situation(
        "relevant passages have different grades", lambda ranked, judged, *rest: len({*judged.values()} - {0}) > 1
    ),
    Situation(
        "the first passage is not relevant",
        lambda ranked, judged, *rest: bool(ranked) and judged.get(ranked[0], 0) == 0,
    ),
)

AT_K = tuple(s for s in RANKINGS if "k " in s.name or " k" in s.name)
WITHOUT_K = tuple(s for s in RANKINGS if s not in AT_K)

# --- words -----------------------------------------------------------------------------------

WORDS = ("heart", "art", "Sugar", "blood", "row", "Row", "row,", "a", "in", "an", "in-an", "test.")


def sentence(rng: random.Random) -> str:
    """Some words, with capitals, repetitions and uneven spaces; empty in some draws."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(0, 5))]
    return "".join(word + rng.choice((" ", " ", "  ", "\n", " ")) for word in words).rstrip(" ")


def two_sentences(rng: random.Random) -> tuple[str, str]:
    """A query and a passage."""
    return sentence(rng), sentence(rng)


def _lower(text: str) -> list[str]:
    return text.lower().split()


SENTENCES = (
    Situation("a word is written with capitals", lambda query, passage: (query + passage).lower() != query + passage),
    Situation("a word stands twice in the query", lambda query, passage: len(_lower(query)) > len(set(_lower(query)))),
    Situation(
        "a word stands twice in the passage", lambda query, passage: len(_lower(passage)) > len(set(_lower(passage)))
    ),
    Situation(
        "words are not parted by single spaces",
        lambda query, passage: any("  " in text or "\n" in text for text in (query, passage)),
    ),
    Situation("the query is empty", lambda query, passage: not query.split()),
    Situation("the passage is empty", lambda query, passage: not passage.split()),
    Situation(
        "a word of the query is part of a longer word",
        lambda query, passage: any(w in p and w != p for w in _lower(query) for p in _lower(passage)),
    ),
)
