"""The planted corpus as its users see it: passages, queries, labels and truth of one choice of settings.

Taught in 09.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict

from workbook.data.collection import Collection
from workbook.data.planted.labels import labels
from workbook.data.planted.passages import passage_text, passage_texts
from workbook.data.planted.queries import Query, make_query, query_numbers
from workbook.data.planted.settings import Settings
from workbook.data.planted.truth import Truth, relevant, truth

VERSION = 2  # of the texts; another version writes other passages
LICENCE = "CC0 1.0"
SPLITS = ("train", "dev", "test")


class Planted:
    """A corpus whose truth is known for every pair, made as it is read.

    Args:
        settings: what it follows from.
    """

    def __init__(self, settings: Settings):
        self.settings = settings

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value!r}" for name, value in asdict(self.settings).items())
        return f"planted({chosen})"

    def __len__(self) -> int:
        return self.settings.num_passages

    def passages(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[str, str]]:
        """The passages from `start` up to, not including, `stop`, one after the other.

        Args:
            start: number of the first; any is reached at once.
            stop: None for the end of the corpus.
        Returns:
            an iterator over (id, text). The id is the passage's number.
        Raises:
            ValueError: the stretch does not lie in the corpus.
        """
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"expected 0 ≤ start ≤ stop ≤ {len(self):,}, got start={start} and stop={stop}")
        return zip(map(str, range(start, stop)), passage_texts(self.settings, start, stop))  # noqa: B905

    def passage(self, passage_id: str) -> str:
        """The text of one passage.

        Raises:
            KeyError: there is no such passage.
        """
        return passage_text(self.settings, self._passage_number(passage_id))

    @property
    def num_queries(self) -> int:
        """How many queries there are, in all splits."""
        return len(query_numbers(self.settings))

    def queries(self, start: int = 0, stop: int | None = None, split: str | None = None) -> Iterator[tuple[str, str]]:
        """The queries, in the order of their numbers.

        Args:
            start, stop: which of all the queries, as in a slice.
            split: "train", "dev" or "test"; None for all.
        Returns:
            an iterator over (id, text).
        Raises:
            KeyError: there is no such split.
        """
        return ((query.id, query.text) for query in self.every_query(split, slice(start, stop)))

    def query(self, query_id: str) -> Query:
        """A query with all that is known about it.

        Raises:
            KeyError: there is no such query.
        """
        numbers = query_numbers(self.settings)
        if (number := _number(query_id)) is not None:
            at = int(numbers.searchsorted(number))
            if at < len(numbers) and numbers[at] == number:
                return make_query(self.settings, number)
        raise KeyError(f"no query {query_id!r}; ids are those that queries() gives, such as {str(numbers[0])!r}")

    def truth(self, query_id: str, passage_id: str) -> Truth:
        """Whether a passage answers a query, and why.

        Args:
            query_id: of any query.
            passage_id: of any passage.
        Returns:
            the grade, 0 to 3, and the reason.
        Raises:
            KeyError: there is no such query or passage.
        """
        return truth(self.settings, self.query(query_id), self._passage_number(passage_id))

    def truths(self, query_id: str) -> dict[str, int]:
        """All passages that truly answer a query: passage id -> grade above 0.

        Raises:
            KeyError: there is no such query.
        """
        return relevant(self.settings, self.query(query_id))

    def labels(self, query_id: str) -> dict[str, int]:
        """What the labels say of a query: in train some are missing and some wrong.

        Raises:
            KeyError: there is no such query.
        """
        return labels(self.settings, self.query(query_id))

    def qrels(self, split: str, complete: bool = False) -> dict[str, dict[str, int]]:
        """The judgements of a split: query id -> passage id -> grade.

        Args:
            split: "train", "dev" or "test".
            complete: give the truth instead of the labels; only in train do they differ.
        Raises:
            KeyError: there is no such split.
        """
        judge = relevant if complete else labels
        return {query.id: judge(self.settings, query) for query in self.every_query(split)}

    def every_query(self, split: str | None = None, some: slice = slice(None)) -> Iterator[Query]:
        """The queries of a split, or all, with what is known about them.

        Args:
            split: "train", "dev" or "test"; None for all.
            some: which of all the queries are looked at.
        Raises:
            KeyError: there is no such split.
        """
        if split not in (None, *SPLITS):
            raise KeyError(f"planted has no split {split!r}; it has {', '.join(SPLITS)}")
        made = (make_query(self.settings, number) for number in query_numbers(self.settings)[some].tolist())
        return (query for query in made if split in (None, query.split))

    @property
    def fingerprint(self) -> str:
        """Settings, and the SHA-256 of a sample of what they make."""
        digest = hashlib.sha256(repr((VERSION, self)).encode())
        for _, text in self.passages(0, min(len(self), 512)):
            digest.update(text.encode() + b"\n")
        for _, text in self.queries(0, 128):
            digest.update(text.encode() + b"\n")
        return f"planted {VERSION}, {len(self):,} passages, seed {self.settings.seed} sha256:{digest.hexdigest()[:16]}"

    def collection(self) -> Collection:
        """All of it in memory, with the labels as judgements."""
        queries = list(self.every_query())
        return Collection(
            name=f"planted-{len(self)}",
            corpus=dict(self.passages()),
            queries={query.id: query.text for query in queries},
            qrels={query.id: labels(self.settings, query) for query in queries},
            splits={split: tuple(query.id for query in queries if query.split == split) for split in SPLITS},
            licence=LICENCE,
            fingerprint=self.fingerprint,
        )

    def _passage_number(self, passage_id: str) -> int:
        number = _number(passage_id)
        if number is None or number >= len(self):
            raise KeyError(f"no passage {passage_id!r}; ids go from '0' to '{len(self) - 1}'")
        return number


def _number(id: str) -> int | None:
    """The number that an id spells; None where it is no id, or longer than any."""
    return int(id) if len(id) < 12 and id.isdecimal() and str(int(id)) == id else None


def planted(num_passages: int = 10_000, **settings: object) -> Planted:
    """A corpus whose truth is known for every query-passage pair.

        corpus = planted(1_000_000, seed=1)
        for passage_id, text in corpus.passages(): …
        corpus.truth(query_id, passage_id)      # Truth(grade=3, kind="states", reason=…)

    Nothing is kept: passages, queries and truth are computed from their numbers when they are asked for.

    Args:
        num_passages: N, from 1 to 2²⁴. The first passages are the same at every size.
        settings: seed, mean_words, near_duplicates, traps, drift, unlabelled, label_noise, num_queries;
            see `workbook.data.planted.settings.Settings`.
    Raises:
        ValueError: a setting is out of range.
        TypeError: there is no such setting.
    """
    return Planted(Settings(num_passages, **settings))  # type: ignore[arg-type]
