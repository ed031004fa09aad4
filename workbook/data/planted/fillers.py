"""Everything that surrounds a fact: introductions, remarks and boilerplate, by kind.

They say nothing that a question asks for. Patterns and words were written by hand; a table of
finished sentences is expanded from them once, frequent words before rare ones, and a passage picks
from it. {x} is the subject of a sentence; {kind} a word for the kind.

Taught in 09.
"""

import re
from functools import cache

import numpy as np

from workbook.data.planted.draws import TABLE, draws
from workbook.data.planted.word_lists import read_words, sentences

SIZE = 1 << 12  # sentences in a table
SLOTS = 1 << 6  # sentence i is made from pattern i modulo 64, so that a passage can avoid to repeat one

PLACES = ("town", "festival")
NOUN = {"software": "program"}  # where the name of a kind takes no article
CLASSES = ("intro", "thing", "quality", "agent", "verb", "trouble", "where", "venue")  # of words


@cache
def _words() -> dict[str, dict[str, list[str]]]:
    """Kind -> class -> words, the frequent ones first. The place of a kind among them numbers its tables."""
    words: dict[str, dict[str, list[str]]] = read_words("words.json", {str: {name: [str] for name in CLASSES}})
    return words


def _pick(words: list[str], bits: int) -> str:
    """A word of a list, the first ones more often: the square of a number between 0 and 1 is mostly small."""
    return words[(bits & 0xFFFF) ** 2 * len(words) >> 32]


def expand(kind: str, patterns: list[str], table: int, size: int) -> list[str]:
    """A table of finished sentences; "{x}" is left in, as "%s".

    Args:
        kind: whose words.
        patterns: sentences with holes.
        table: tables with different numbers have different sentences.
        size: how many sentences.
    """
    words = {name: _words()[kind][name] for name in CLASSES[1:]}
    made: list[str] = []
    for bits in draws(table, TABLE, np.arange(size), len(words) + 1).tolist():
        filled = {
            "x": "%s",
            "a": f"a {NOUN.get(kind, kind)}",
            "number": str(11 + (bits[-1] >> 8) % (40 if bits[-1] & 1 else 790)),
        }
        filled["month"] = f"{sentences()['months'][(bits[-1] >> 20) % 12]} {2020 + (bits[-1] >> 32) % 7}"
        for (name, choices), b in zip(words.items(), bits, strict=False):
            first, second = _pick(choices, b), _pick(choices, b >> 16)
            if second == first:
                second = choices[(choices.index(first) + 1) % len(choices)]
            filled |= {name: first, name + "2": second, name.capitalize(): first[0].upper() + first[1:]}
        made.append(patterns[len(made) % SLOTS % len(patterns)].format_map(filled))
    return made


@cache
def about(kind: str) -> list[str]:
    """4,096 remarks about a subject, each with "%s" where its name goes."""
    patterns = sentences()["about"] + sentences()["attended" if kind in PLACES else "met with"]
    return expand(kind, patterns, 3 * list(_words()).index(kind), SIZE)


@cache
def around(kind: str) -> list[str]:
    """4,096 remarks about a kind of things at large."""
    return expand(kind, sentences()["around"], 3 * list(_words()).index(kind) + 1, SIZE)


@cache
def boilerplate(kind: str) -> list[str]:
    """512 sentences that stand at the end of any page."""
    return expand(kind, sentences()["boilerplate"], 3 * list(_words()).index(kind) + 2, SIZE // 8)


def introductions(kind: str) -> list[str]:
    """What a thing of a kind is, "{kind}" left in."""
    return _words()[kind]["intro"]


def with_noun(introduction: str, noun: str) -> str:
    """An introduction with a word for the kind in it, and the article that the word wants."""
    return re.sub(r"\ba (?=[aeiou])", "an ", introduction.format(kind=noun))
