"""Training data: what has to go before a model may see it.

Pairs found in structured text (`workbook.training_data.structured`), or written by a language model
(`workbook.training_data.written`), are sieved:

    round_trip               does the query find its own passage?
    remove_near_duplicates   is there almost the same text already?
    decontaminate            does it stand in the evaluation?

Every sieve says what it dropped, and why. `refuse_evaluation_texts` drops nothing: it stops a training
whose texts were not sieved.

Taught in 12.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from workbook.mining.candidates import Source, candidates
from workbook.support.types import Corpus, Qrels, Queries
from workbook.training_data.near_duplicates import MinHashIndex

Key = TypeVar("Key", str, int)


class Dropped(NamedTuple):
    """Why something was dropped.

    Attributes:
        why: the reason, in words.
        by: the id of the text that decided it.
        value: how much: a share of shingles J, a number of words, or a rank.
    """

    why: str
    by: str
    value: float


@dataclass(frozen=True)
class Sieved(Generic[Key]):
    """What a sieve kept and what it dropped, by id or by row number."""

    kept: list[Key] = field(repr=False)
    dropped: dict[Key, Dropped] = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """How many were kept, and how many dropped for which reason."""
        return {"kept": len(self.kept), **Counter(reason.why for reason in self.dropped.values())}

    def __repr__(self) -> str:
        return f"Sieved({self.counts})"


def round_trip(
    queries: Queries, corpus: Corpus, qrels: Qrels, source: Source, k: int = 1, chunk_size: int = 4_096
) -> Sieved[str]:
    """Keep the queries that find their own passage.

    A written query may ask for what the passage does not say, or for what every passage says. Either way
    a retriever that looks for it comes back with something else.

    Args:
        queries: query id -> text.
        corpus: passage id -> text.
        qrels: query id -> passage id -> grade, above 0 for the passage that the query was written for.
        source: an encoder, a BM25 or a run, as in `workbook.mining.candidates.candidates`. Not one trained on
            these queries.
        k: keep a query when its passage is among the first k. The query's own text does not count as found.
        chunk_size: passages that are encoded and scored at a time.
    Returns:
        the ids of the queries kept, and of those dropped, with the passage that came first.
    Raises:
        ValueError: k is not positive, or qrels name an unknown passage.

    Source: Alberti et al. 2019 (round-trip consistency); Dai et al. 2023 (Promptagator, k = 1).
    """
    found = candidates(queries, corpus, qrels, source, k, chunk_size)
    kept: list[str] = []
    dropped = {
        query_id: Dropped("no passage of its own", "", 0)
        for query_id in queries
        if not any(grade > 0 for grade in qrels.get(query_id, {}).values())
    }
    for query_id, rows, possible, own in zip(
        found.query_ids, found.rows.tolist(), found.possible.tolist(), found.positives, strict=True
    ):
        ranking = [row for row, there in zip(rows, possible, strict=True) if there or row in own]
        rank = next((rank for rank, row in enumerate(ranking, start=1) if row in own), float("inf"))
        if rank <= k:
            kept.append(query_id)
        else:
            first = found.passage_ids[ranking[0]] if ranking else ""
            dropped[query_id] = Dropped("does not find its passage", first, rank)
    return Sieved(kept, dropped)


def remove_near_duplicates(texts: Mapping[str, str], threshold: float = 0.8) -> Sieved[str]:
    """Keep one of several texts that are almost the same: the first.

    Each text is compared with those kept before it, so a chain a ~ b ~ c, where a and c differ, keeps a and c.

    Args:
        texts: text id -> text.
        threshold: J, the share of common shingles, from which two are the same.
    Returns:
        the ids kept, and of those dropped, with the text they repeat and J. What is dropped is certain; a
        duplicate is missed with the probability 1 - `workbook.training_data.near_duplicates.chance_to_meet`(J).
    Raises:
        ValueError: threshold is not above 0 and at most 1.

    Source: Broder 1997; Lee et al. 2022 (deduplicating training data).
    """
    index = MinHashIndex(threshold)
    kept: list[str] = []
    dropped: dict[str, Dropped] = {}
    for name, text in texts.items():
        nearest = index.nearest(text)
        if nearest:
            dropped[name] = Dropped("near-duplicate", *nearest)
        else:
            kept.append(name)
            index.add(name, text)
    return Sieved(kept, dropped)


def decontaminate(
    pairs: Sequence[tuple[str, ...]], evaluation: Mapping[str, str], ngram: int = 13, threshold: float = 0.8
) -> Sieved[int]:
    """Drop training pairs of which any text stands in an evaluation set, wholly, partly or nearly.

    In this order: the same words ("equal"), a run of `ngram` words in common ("shared words"), or J from
    the threshold ("near-duplicate"). Case, punctuation and white space do not count. An evaluation text
    shorter than `ngram` words, as most queries are, drops only what is equal or nearly so.

    Args:
        pairs: tuples of texts, such as (query, positive, negative, …).
        evaluation: id -> text, queries and passages alike. Only these are kept in memory.
        ngram: words in a run.
        threshold: J, the share of common shingles.
    Returns:
        the row numbers kept, and of those dropped, with the evaluation text and the words or J they share.
    Raises:
        ValueError: ngram is not positive, or threshold is not above 0 and at most 1.

    Source: Brown et al. 2020 (GPT-3, 13-grams); Lee et al. 2022.
    """
    if ngram < 1:
        raise ValueError(f"ngram must be at least 1 word, got {ngram}")
    index = MinHashIndex(threshold)
    equal: dict[str, str] = {}
    runs: dict[str, str] = {}
    for name, text in evaluation.items():
        words = _words(text)
        if words:
            equal.setdefault(" ".join(words), name)
            index.add(name, text)
        for run in _runs(words, ngram):
            runs.setdefault(run, name)

    def reason(text: str) -> Dropped | None:
        words = _words(text)
        if " ".join(words) in equal:
            return Dropped("equal", equal[" ".join(words)], len(words))
        shared = next((run for run in _runs(words, ngram) if run in runs), None)
        if shared is not None:
            return Dropped("shared words", runs[shared], ngram)
        nearest = index.nearest(text) if words else None
        return Dropped("near-duplicate", *nearest) if nearest else None

    reasons = {row: next(filter(None, map(reason, pair)), None) for row, pair in enumerate(pairs)}
    return Sieved([row for row, why in reasons.items() if not why], {row: why for row, why in reasons.items() if why})


def refuse_evaluation_texts(texts: Iterable[str], evaluation: Iterable[str]) -> None:
    """Stop before a training that would see its own exam.

    A test passage among the training texts measures memory, and the number looks like understanding.

    Args:
        texts: what is about to be trained on, pre-training included.
        evaluation: queries and passages of the evaluation.
    Raises:
        ValueError: one of the texts is an evaluation text: "equal" for `decontaminate`, which finds those that
            are only nearly equal, too.
    """
    known = {_key(text) for text in evaluation} - {""}
    found = [text for text in texts if _key(text) in known]
    if found:
        raise ValueError(
            f"{len(found)} training texts are evaluation texts, the first is {found[0][:60]!r}; "
            "leave them out with workbook.training_data.sieves.decontaminate"
        )


def _key(text: str) -> str:
    """Equal for texts with the same words in the same order."""
    return " ".join(_words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _runs(words: list[str], ngram: int) -> Iterable[str]:
    return (" ".join(words[i : i + ngram]) for i in range(len(words) - ngram + 1))
