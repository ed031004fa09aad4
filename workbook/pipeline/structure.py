"""Structure: queries out of the texts themselves, where a collection comes without any.

What stands above or first says what the rest is about: a title of its body, a first sentence of what follows it,
and where there is neither, a span of words of the words around it. Such queries are not real: they use the words of
the author, who knew the text. They train a first model and give a first figure; `judge` gives the figure that counts.

A query stands in its own passage word for word. Whoever trains or measures with it reads the passage without it
(`Uncovered`); whoever asks a question of their own searches the whole passage.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from workbook.data import Collection
from workbook.data.stored.storage import StoredTexts
from workbook.training_data.structured import MIN_PASSAGE_WORDS, first_sentence_rest

TITLE_WORDS = 16  # at most
HELD_OUT = (0.1, 300)  # of the pairs, for dev and for test each: this share, and at most about so many


class Pair(NamedTuple):
    """A query that was found in a text: where, its words, and the text without it."""

    kind: str
    query: str
    rest: str


def structural_pair(text: str, id: str = "") -> Pair | None:
    """The query in a text; None where too little is left without it.

    A file without a title has its name for one, which is no query: what follows it is looked at.

    Args:
        text: of a passage.
        id: of the passage; of a file the path.

    >>> structural_pair("Dough\\n\\nFlour, water and salt are kneaded for ten minutes.").query
    'Dough'
    """
    first, _, rest = text.strip().partition("\n")
    text = rest if id and first == PurePosixPath(_path(id)).stem else text
    lines = [line for line in text.strip().split("\n") if re.search(r"\w", line) or not line.strip()]  # no underlines
    title, body = lines[0].strip("# \t\r") if lines else "", "\n".join(lines[1:]).strip()
    # The first line of a paragraph with breaks is no title: the next one is as long.
    stands_alone = body and (lines[0][0] == "#" or not lines[1].strip() or len(lines[1]) > 2 * len(lines[0]))
    if stands_alone and title and len(title.split()) <= TITLE_WORDS and len(body.split()) >= MIN_PASSAGE_WORDS:
        return Pair("title and body", title, body)
    if found := first_sentence_rest(text):
        return Pair("first sentence and rest", *found[0])
    words = text.split()
    length = max(3, len(words) // 5)
    if len(words) < length + MIN_PASSAGE_WORDS:
        return None
    start = int(_key(text)[:8], 16) % (len(words) - length + 1)
    return Pair(
        "span and rest", " ".join(words[start : start + length]), " ".join(words[:start] + words[start + length :])
    )


def structural_queries(
    corpus: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, dict[str, dict[str, int]]], Counter[str]]:
    """Queries from all passages, each with its own passage; of a long text in pieces, PATH#1 and so on, with them all.

    Args:
        corpus: the passages.
    Returns:
        query id -> query, where the id is that of the first passage; split -> judgements, where equal queries are in
        the same split whatever else is there; and from how many passages each kind of structure gave a query. A query
        of several texts is left out, and counted.
    """
    counts: Counter[str] = Counter()
    passages: dict[str, list[tuple[str, str, str]]] = {}  # query in small letters -> passage id, kind, query
    for id, text in corpus.items():
        if pair := structural_pair(text, id):
            passages.setdefault(" ".join(pair.query.lower().split()), []).append((id, pair.kind, pair.query))
        else:
            counts["too short"] += 1
    share = min(HELD_OUT[0], HELD_OUT[1] / max(1, len(passages)))
    queries: dict[str, str] = {}
    splits: dict[str, dict[str, dict[str, int]]] = {"train": {}, "dev": {}, "test": {}}
    for key, found in passages.items():
        if len({_path(id) for id, _, _ in found}) > 1:
            counts["query of several texts"] += len(found)
            continue
        counts.update(kind for _, kind, _ in found)
        id, _, queries[id] = found[0]
        place = int(_key(key)[:13], 16) / 16**13  # from 0 to 1
        split = "test" if place < share else "dev" if place < 2 * share else "train"
        splits[split][id] = {own: 1 for own, _, _ in found}
    return queries, splits, counts


def with_queries(texts: Collection) -> Collection:
    """Texts of one's own with queries, judgements and splits made of their structure, all of it in memory.

    Every passage is read without the query that stands in it.

    Args:
        texts: as `workbook.data.load` reads a folder of texts.
    Raises:
        ValueError: no text has a structure that gives a query.
    """
    queries, splits, counts = structural_queries(texts.corpus)
    if not queries:
        raise ValueError(f"none of {len(texts.corpus):,} texts gives a query: {dict(counts)}; longer texts are needed")
    rest = {id: pair.rest for id, text in texts.corpus.items() if (pair := structural_pair(text, id))}
    return replace(
        texts,
        corpus={**texts.corpus, **rest},
        queries=queries,
        qrels={id: judged for split in splits.values() for id, judged in split.items()},
        splits={name: tuple(split) for name, split in splits.items()},
    )


class Uncovered(StoredTexts):
    """A corpus whose passages are read without the queries that stand in them.

    Args:
        stored: the corpus.
        ids: whose queries are left out; those of all passages by default.
    """

    def __init__(self, stored: StoredTexts, ids: frozenset[str] | None = None):
        super().__init__(stored.folder, stored.verify)
        self.uncovered = ids

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The texts of the rows from start to before stop, without queries."""
        return self._without_queries(self.ids(start, stop), super().texts(start, stop))

    def texts_at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The texts of any rows, in the order asked for, without queries."""
        return self._without_queries(self.ids_at(rows), super().texts_at(rows))

    def _without_queries(self, ids: list[str], texts: list[str]) -> list[str]:
        pairs = [
            structural_pair(text, id) if self.uncovered is None or id in self.uncovered else None
            for id, text in zip(ids, texts, strict=True)
        ]
        return [pair.rest if pair else text for pair, text in zip(pairs, texts, strict=True)]


def _key(text: str) -> str:
    return hashlib.sha256(" ".join(text.lower().split()).encode("utf-8", "surrogatepass")).hexdigest()


def _path(id: str) -> str:
    """Of PATH#3 the path."""
    return re.sub(r"#\d+$", "", id)
