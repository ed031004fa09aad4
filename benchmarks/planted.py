"""The planted corpus: passages a second on one core, beside a plain way to do the same and beside the rate we promise."""

import random
from itertools import islice

from benchmarks.timing import rate_row, timed
from workbook.data.planted import planted

COUNT, START = 50_000, 1_000_000  # passages, away from the beginning
PROMISED = 50_000  # passages a second at about 55 words
MEGABYTE = 1e6


def run() -> list[dict]:
    """Passages and megabytes per CPU second, and what a start in the middle and a look at the truth cost."""
    corpus = planted(2 * START)
    next(corpus.passages())  # the tables of sentences are made at the first passage

    def stream() -> int:
        return sum(len(text.encode()) for _, text in corpus.passages(START, START + COUNT))

    size, seconds = min((timed(stream) for _ in range(3)), key=lambda measured: measured[1])
    words = sum(len(text.split()) for _, text in corpus.passages(START, START + 2_000)) / 2_000
    what = f"planted, {COUNT:,} passages of {words:.0f} words"
    promised = COUNT / PROMISED
    _, dice = timed(lambda: [roll(number) for number in range(COUNT)])
    queries = list(islice((query.id for query in corpus.every_query()), 2_000))
    _, judged = timed(lambda: [corpus.truths(query) for query in queries])
    return [
        rate_row(what, "the promised rate", COUNT, seconds, promised, "passages", 1.0, "the peer is a number, not a run"),
        rate_row(what, "the promised rate", size / MEGABYTE, seconds, promised, "MB", None, "UTF-8, encoding included"),
        rate_row(
            what, "random.Random, once a passage", COUNT, seconds, dice, "passages", None,
            "the peer only seeds a generator for each passage and draws five numbers; it writes nothing",
        ),
        rate_row(
            "planted, all true matches of a query", "looking at each of 10,000 passages", len(queries), judged,
            one_by_one(corpus, queries[0]) * len(queries), "queries", None,
        ),
    ]  # fmt: skip


def roll(number: int) -> list[float]:
    """What a generator that must start anywhere would do without hashes: a state for each passage."""
    generator = random.Random(number)
    return [generator.random() for _ in range(5)]


def one_by_one(corpus, query: str) -> float:
    """Seconds to ask for the truth about 10,000 passages, measured on 500 of them."""
    _, seconds = timed(lambda: [corpus.truth(query, str(number)) for number in range(500)])
    return seconds * 20
