"""What SmolLM2 has written for claims 32, 33 and 72, and how it is asked: once, the answers are replayed.

Passages are chosen by the hash of their text, so that another version of a package moves few of them. Those of `pydocs`
belong to their packages: of every question only the key is kept (`Recorded`, keep_prompts). Where a package was read in
another version, the answers that still fit are used; `written_queries` says how many there are.

    python -m workbook.claims.written_texts train test paraphrases cost      asks for what is missing, and says how long it took
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import islice
from typing import NamedTuple

from workbook.claims.hard_negatives import (
    ENCODER,
    WRITER,
    WRITTEN,
    WRITTEN_QUERIES,
    without_held_out,
    world,
)
from workbook.claims.measuring import collection_named
from workbook.data import Collection, load
from workbook.data.collection import sha256
from workbook.encoder import load as load_encoder
from workbook.llm import LocalModel, Recorded
from workbook.support.files import write_json
from workbook.training_data import (
    first_sentence_rest,
    generate_paraphrases,
    generate_queries,
    negative_prompt,
    paraphrase_prompt,
    query_prompt,
)
from workbook.training_data.written import Generate
from workbook.zoo import files_of_wheel

QUERIES = WRITTEN.with_name("queries.jsonl")  # and paraphrases
COSTS = WRITTEN.with_name("costs.json")
PASSAGES = 6_000  # of `planted`
MAX_TOKENS = 24  # of a query
READ_WORDS = 60  # of a passage
TRAINED, TESTED = 128, 80  # passages of each collection for which a query is written
PARAPHRASED = TRAINED // 2  # queries
TIMED = 8  # answers that are asked for once more, to time them
AT_A_TIME = 16


class Natural(NamedTuple):
    """A query that nobody wrote for an experiment, and the passage that answers it."""

    query_id: str
    query: str
    passage_id: str
    passage: str


def short_prompt(passage: str, num_queries: int = 1, examples: Sequence[tuple[str, str]] = ()) -> str:
    """Ask for a query, by the beginning of a passage: reading is most of what an answer costs."""
    return query_prompt(" ".join(passage.split()[:READ_WORDS]), num_queries, examples)


def without_titles(toy: Collection) -> Collection:
    """The passages of `toy` without their first lines, so that a title can be asked for like any other query."""
    corpus = {p: text.partition("\n")[2] or text for p, text in toy.corpus.items()}
    return Collection("toy", corpus, toy.queries, toy.qrels, toy.splits)


@cache
def docs_of(collection: str, split: str) -> Collection:
    """Where the natural pairs are: the queries of a split; from the passages of "train" those are gone that answer another's."""
    if collection == "toy":
        return without_titles(load("toy")).split(split)
    docs = collection_named(collection, PASSAGES)
    return without_held_out(docs) if split == "train" else docs.split(split)


@cache
def asked(collection: str, split: str) -> tuple[Natural, ...]:
    """The passages for which a query is asked for: prose of two sentences or more with a natural query, each once."""
    docs = docs_of(collection, split)
    query_of: dict[str, str] = {}
    for query_id, judged in docs.qrels.items():
        best = max(judged, key=lambda p: judged[p])
        if judged[best] > 0:
            query_of.setdefault(best, query_id)
    by_hash = sorted(query_of, key=lambda p: sha256(docs.corpus[p]))
    prose = (p for p in by_hash if ">>>" not in docs.corpus[p] and first_sentence_rest(docs.corpus[p]))
    few = islice(prose, TRAINED if split == "train" else TESTED)
    return tuple(Natural(query_of[p], docs.queries[query_of[p]], p, docs.corpus[p]) for p in few)


class WrittenPair(NamedTuple):
    """A natural pair, and what the model wrote for the same passage."""

    natural: Natural
    query: str


def written_queries(collection: str, split: str, generate: Generate | None = None) -> list[WrittenPair]:
    """The passages for which there is a usable written query, with both queries.

    Args:
        collection: "planted", "pydocs", or "toy" (test only).
        split: "train" or "test".
        generate: who writes; the recorded answers by default.
    Raises:
        ValueError: fewer than half of the passages have one; the message says how to record them.
    """
    pairs: Sequence[Natural] = asked(collection, split)
    if generate is None:
        recorded = Recorded(QUERIES)
        pairs = [pair for pair in pairs if short_prompt(pair.passage) in recorded]
        generate = recorded
    corpus = {pair.passage_id: pair.passage for pair in pairs}
    made = generate_queries(corpus, generate, prompt=short_prompt)
    text_of = {next(iter(passages)): made.queries[query] for query, passages in made.qrels.items()}
    found = [WrittenPair(pair, text_of[pair.passage_id]) for pair in pairs if pair.passage_id in text_of]
    wanted = len(asked(collection, split))
    if 2 * len(found) < wanted:
        raise ValueError(
            f"{QUERIES.name} has a usable query for {len(found)} of {wanted} {split} passages of {collection}, expected half of them; "
            f"your packages may have other versions: python -m workbook.claims.written_texts {split}"
        )
    return found


def written_paraphrases(collection: str, generate: Generate | None = None) -> list[tuple[Natural, str]]:
    """The training queries that have a paraphrase, with it."""
    pairs: Sequence[Natural] = asked(collection, "train")[:PARAPHRASED]
    if generate is None:
        recorded = Recorded(QUERIES)
        pairs = [pair for pair in pairs if paraphrase_prompt(pair.query) in recorded]
        generate = recorded
    found, _ = generate_paraphrases({pair.query_id: pair.query for pair in pairs}, generate)
    return [(pair, found[pair.query_id][0]) for pair in pairs if pair.query_id in found]


def costs() -> dict[str, dict[str, float]]:
    """What an answer costs, by kind ("query", "negative"): CPU seconds, tokens read and tokens written."""
    found: dict[str, dict[str, float]] = json.loads(COSTS.read_text("utf-8"))
    return found


# --- recording -------------------------------------------------------------------------------


@cache
def _model(max_tokens: int) -> LocalModel:
    return LocalModel(files_of_wheel(WRITER)[0], max_tokens=max_tokens)


def record(what: str, collections: Sequence[str] = ("planted", "pydocs", "toy")) -> int:
    """Ask for the "train" or "test" queries or the "paraphrases" that are not there yet; how many prompts there are."""
    recorded = Recorded(QUERIES, _model(MAX_TOKENS), keep_prompts=False)
    count = 0
    for collection in collections:
        if collection == "toy" and what != "test":
            continue
        split = "test" if what == "test" else "train"
        prompts = [
            paraphrase_prompt(pair.query) if what == "paraphrases" else short_prompt(pair.passage)
            for pair in asked(collection, split)[: PARAPHRASED if what == "paraphrases" else None]
        ]
        for start in range(0, len(prompts), AT_A_TIME):
            recorded(prompts[start : start + AT_A_TIME])
        count += len(prompts)
    return count


def record_costs() -> int:
    """Ask some questions once more, and write down what an answer takes."""
    train = world("planted", "record").train
    queries = list(train.queries)[:WRITTEN_QUERIES][:TIMED]
    first = {q: next(iter(train.qrels[q])) for q in queries}
    kinds = {
        "query": (MAX_TOKENS, [short_prompt(pair.passage) for pair in asked("planted", "train")[:TIMED]]),
        "negative": (64, [negative_prompt(train.queries[q], train.corpus[first[q]]) for q in queries]),
    }
    tokenizer = load_encoder(ENCODER).tokenizer

    def pieces(texts: Sequence[str]) -> int:
        return sum(len(tokenizer.encode(text).ids) - 2 for text in texts)

    found = {}
    for kind, (max_tokens, prompts) in kinds.items():
        model = _model(max_tokens)
        begin = time.process_time()
        answers = model(prompts)
        seconds = time.process_time() - begin
        found[kind] = {
            "answers": TIMED, "cpu_seconds": round(seconds / TIMED, 3), "tokens_read": round(pieces(prompts) / TIMED, 1),
            "tokens_written": round(pieces(answers) / TIMED, 1),
        }  # fmt: skip
    write_json(COSTS, found)
    return 2 * TIMED


def main(names: Sequence[str]) -> None:
    """Record what is named, and say how long each took."""
    known: dict[str, Callable[[], int]] = {
        **{what: partial(record, what) for what in ("train", "test", "paraphrases")},
        "cost": record_costs,
    }
    if not names or set(names) - set(known):
        raise SystemExit(f"expected one or more of {', '.join(known)}, got {' '.join(names) or 'nothing'}")
    for name in names:
        begin, cpu = time.perf_counter(), time.process_time()
        count = known[name]()
        print(
            f"{name}: {count} prompts, {time.perf_counter() - begin:.0f} s, {time.process_time() - cpu:.0f} CPU s",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
