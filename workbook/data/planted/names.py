"""Coined names, each with a short form and a nickname that follow from it by rule.

A name is two words, and each word is a head and a tail: Har·elen Ton·asia. The heads number the
bearer, so no two are alike; tails make words rare. The short form joins the heads, Harton; the
nickname adds an i to each, Hari-Toni. None of the three shares a word with another, so a search by
words cannot cross from one to the other, and a model that reads pieces of words can learn to.

Taught in 09.
"""

from typing import NamedTuple

from workbook.data.planted.draws import TABLE, draw
from workbook.data.planted.word_lists import read_words

_LISTS = ("onsets", "vowels", "codas", "avoided syllables", "surname tails", "place tails", "first names")
_WORDS: dict[str, list[str]] = read_words("names.json", {name: [str] for name in _LISTS})
ONSETS, VOWELS, CODAS, _AVOIDED, SURNAME_TAILS, PLACE_TAILS, FIRST_NAMES = (_WORDS[name] for name in _LISTS)
AVOIDED = frozenset(_AVOIDED)  # syllables that are a word a reader would stumble over, or close to one
TAILS = tuple(
    vowel + consonant + end
    for end in ("", "a", "o", "en", "is", "er", "on", "ia")
    for vowel in "aeiou"
    for consonant in "lnrsdmtv"
)


def _heads() -> tuple[str, ...]:
    """2,048 syllables: consonants, a vowel, a consonant. Written one after the other, they can be told apart."""
    every = [onset + vowel + coda for onset in ONSETS for vowel in VOWELS for coda in CODAS]
    every = [syllable for syllable in every if syllable not in AVOIDED]
    order = sorted(range(len(every)), key=lambda i: draw(0, TABLE, i))
    return tuple(every[i].capitalize() for i in order[:2048])


HEADS = _heads()
LOWER_HEADS = tuple(head.lower() for head in HEADS)
SHORT = 40  # so many tails are short


class Name(NamedTuple):
    """A name in its three forms."""

    full: str
    short: str
    nickname: str


def scatter(number: int) -> int:
    """A number below 2²¹ sent to another below 2²¹, one to one, so that neighbours get names far apart."""
    x = number & 0x1FFFFF
    x = (x * 0x9E377) & 0x1FFFFF ^ 0xABCDE
    x ^= x >> 11
    x = (x * 0xC2B2D) & 0x1FFFFF
    x ^= x >> 10
    x = (x * 0x165667) & 0x1FFFFF
    return x ^ (x >> 11)


def make_name(first: int, second: int, tails: int) -> Name:
    """The name with these two heads.

    Args:
        first, second: numbers of heads, below 2,048.
        tails: 64 random bits that choose the tails; the short form and the nickname do not depend on them.
    """
    a, b, number = HEADS[first], HEADS[second], len(TAILS)
    b_tails = SHORT if tails >> 63 else number
    one, two = TAILS[(tails & 0xFFFF) % number], TAILS[(tails >> 16 & 0xFFFF) % b_tails]
    return Name(f"{a}{one} {b}{two}", a + LOWER_HEADS[second], f"{a}i-{b}i")


def make_person(bits: int) -> str:
    """A first name and a coined surname."""
    surname = HEADS[(bits >> 10) & 2047] + SURNAME_TAILS[(bits >> 21) % len(SURNAME_TAILS)]
    return f"{FIRST_NAMES[bits % len(FIRST_NAMES)]} {surname}"


def make_place(bits: int) -> str:
    """A coined place."""
    return HEADS[bits & 2047] + PLACE_TAILS[(bits >> 11) % len(PLACE_TAILS)]


COINED = {"person": make_person, "place": make_place}  # values that are made on the spot
