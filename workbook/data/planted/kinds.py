"""What the world is made of: eight kinds of things, six facets of each, and the words for them (kinds.json).

A facet has two vocabularies that share no telling word: "grows to a height of" and "measures, when
fully grown". A sentence uses one of them, and so does a question. The pairs are the same for every
thing of a kind, so a model can learn from some plants how people ask about others.

In a wording {S} is the subject at the beginning of the sentence, {s} the subject elsewhere, {v} the
value.

Taught in 09.
"""

from typing import Any, NamedTuple

from workbook.data.planted.word_lists import read_words

FACETS = 6  # of each kind
FACET = {
    "name": str,
    "values": str,
    "wordings": [str, 4],
    "nouns": [str, 2],
    "keywords": [str, 2],
    "questions": [str, 4],
}
KIND = {"name": str, "nouns": [str, 3], "share": float, "facets": [FACET, FACETS]}


class Facet(NamedTuple):
    """One thing that can be said of a kind.

    Attributes:
        name: what it is called in reasons.
        values: the kind of value, see `values.py`.
        wordings: four sentences; the first two in the first vocabulary, the others in the second.
        nouns: the facet as a noun phrase, in each vocabulary.
        keywords: what one types into a search box, in each vocabulary.
        questions: two in each vocabulary.
    """

    name: str
    values: str
    wordings: tuple[str, ...]
    nouns: tuple[str, ...]
    keywords: tuple[str, ...]
    questions: tuple[str, ...]


class Kind(NamedTuple):
    """A kind of things.

    Attributes:
        name: for example "plant".
        nouns: three words for it.
        share: of the corpus, where topics do not drift.
        facets: six.
    """

    name: str
    nouns: tuple[str, ...]
    share: float
    facets: tuple[Facet, ...]


def _facet(row: dict[str, Any]) -> Facet:
    return Facet(row["name"], row["values"], *(tuple(row[name]) for name in Facet._fields[2:]))


KINDS = tuple(
    Kind(row["name"], tuple(row["nouns"]), row["share"], tuple(map(_facet, row["facets"])))
    for row in read_words("kinds.json", [KIND])
)
