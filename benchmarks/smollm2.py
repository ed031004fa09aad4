"""SmolLM2-135M-Instruct: which share of its answers can be used, where the truth is known.

It is asked whether a passage answers a query, against the truth of `planted` and the hand-written judgements of `toy`;
and to write a query for a passage, beside the hand-written ones of `toy`. The answers stand in
datasets/smollm2/answers.jsonl and are replayed; what is missing there is asked for, all of it in about two minutes of
one core. One weak model says nothing about language models.

    python -m benchmarks smollm2
"""

import random
import resource
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scipy.stats import binomtest

from benchmarks.timing import timed
from workbook import data
from workbook.bm25 import words
from workbook.data.planted import planted
from workbook.llm import LLMError, LocalModel, Recorded
from workbook.training_data import (
    Written,
    generate_queries,
    judge_prompt,
    parse_judgement,
    round_trip,
)
from workbook.zoo import files_of_wheel, load_wordllama

MODEL = "SmolLM2-135M-Instruct"
DATASETS = Path(__file__).parents[1] / "datasets"
RECORD, BY_HAND = DATASETS / "smollm2/answers.jsonl", DATASETS / "toy/llm_answers.jsonl"
MAX_TOKENS = 32  # of an answer; more than one word or one query needs
QUERIES, PASSAGES = 20, 10  # of each collection: to be judged, each with two passages; and to write a query for
TRAPS = ("denies", "asks", "other facet", "sister", "namesake")  # of `planted`: what a hasty reader takes for an answer
AGAIN = 8  # answers that are asked for once more, to time them


class Pair(NamedTuple):
    """A query and a passage, and whether the passage answers it."""

    query: str
    passage: str
    answers: bool


def run() -> list[dict]:
    """A row for each task, and one for what an answer costs."""
    corpora = {"planted": dict(planted(1_000).passages()), "toy": dict(data.load("toy").corpus)}
    asked = {"planted": planted_pairs("test"), "toy": toy_pairs("test")}
    by_hand = [id for id in corpora["toy"] if id.endswith("-001")]  # the passages with hand-written queries
    to_write = {"planted": random.Random(0).sample(sorted(corpora["planted"]), PASSAGES), "toy": by_hand}
    rows = [{"task": f"judge, {name}", **judged(pairs)} for name, pairs in asked.items()]
    for name, ids in to_write.items():
        generated = generate_queries({id: corpora[name][id] for id in ids}, ask)
        rows.append({"task": f"write, {name}", **written(generated, len(ids), corpora[name])})
    generated = generate_queries({id: corpora["toy"][id] for id in by_hand}, Recorded(BY_HAND), num_queries=2)
    rows.append({"task": "write, toy, by hand", **written(generated, 2 * len(by_hand), corpora["toy"])})
    return [*rows, *cost([judge_prompt(pair.query, pair.passage) for pair in asked["toy"][:AGAIN]])]


def planted_pairs(split: str) -> list[Pair]:
    """Queries of a split, each with the passage it was written for, and with one that is near and does not answer."""
    corpus = planted(1_000)
    chance, found = random.Random(0), list[Pair]()
    queries = [query for query in corpus.every_query(split) if corpus.truth(query.id, query.origin).grade == 3]
    for query in chance.sample(queries, QUERIES):
        kinds = {number: corpus.truth(query.id, str(number)).kind for number in range(len(corpus))}
        near = [number for number, kind in kinds.items() if kind in TRAPS]
        near = near or [number for number, kind in kinds.items() if kind == "same kind"]
        found.append(Pair(query.text, corpus.passage(query.origin), True))
        found.append(Pair(query.text, corpus.passage(str(chance.choice(near))), False))
    return found


def toy_pairs(split: str) -> list[Pair]:
    """Queries of a split, each with a passage of grade 3, and with one that was judged and has grade 0."""
    collection = data.load("toy")
    chance, found = random.Random(0), list[Pair]()
    for query in chance.sample(collection.splits[split], QUERIES):
        for grade in (3, 0):
            passages = [id for id, given in collection.qrels[query].items() if given == grade]
            found.append(Pair(collection.queries[query], collection.corpus[chance.choice(passages)], grade == 3))
    return found


def ask(prompts: Sequence[str]) -> list[str]:
    """The recorded answers; those that are missing are asked for, and added to the record."""
    try:
        return Recorded(RECORD)(prompts)
    except (FileNotFoundError, LLMError):
        return Recorded(RECORD, model())(prompts)


@cache
def model() -> LocalModel:
    """The model from its wheel."""
    return LocalModel(files_of_wheel(MODEL)[0], max_tokens=MAX_TOKENS)


def judged(pairs: Sequence[Pair]) -> dict:
    """How many of its judgements can be read, and are right."""
    said = [parse_judgement(reply) for reply in ask([judge_prompt(p.query, p.passage) for p in pairs])]
    right = [answer is pair.answers for answer, pair in zip(said, pairs, strict=True)]
    reasons = Counter("no yes or no" if answer is None else f"a wrong {'yes' if answer else 'no'}"
                      for answer, ok in zip(said, right, strict=True) if not ok)  # fmt: skip
    return {**share(sum(right), len(right)), "chance": 0.5, "says_yes": said.count(True), "unusable": dict(reasons)}


def written(generated: Written, asked: int, corpus: dict[str, str]) -> dict:
    """How many of the queries it was asked for can be used: they ask, in words of their own, for what their passage says.

    Left out are those that `generate_queries` drops, that speak of "the passage", that repeat words of it in a row,
    and that do not find it first among all passages of the collection with wordllama.
    """
    reasons, kept = Counter({"none, or no query": asked - len(generated.queries)}), dict[str, str]()
    for id, query in generated.queries.items():
        said, read = words(query), words(corpus[next(iter(generated.qrels[id]))])
        if "passage" in said:
            reasons["speaks of the passage"] += 1
        elif any(read[i : i + len(said)] == said for i in range(len(read))):
            reasons["copied from the passage"] += 1
        else:
            kept[id] = query
    found = round_trip(kept, corpus, generated.qrels, load_wordllama()).kept if kept else []
    reasons["does not find its passage"] = len(kept) - len(found)
    return {**share(len(found), asked), "chance": 1 / len(corpus), "unusable": dict(+reasons)}


def share(usable: int, asked: int) -> dict:
    """A count as a share with its 95 % interval (Wilson)."""
    interval = binomtest(usable, asked).proportion_ci(method="wilson")
    return {"asked": asked, "usable": usable, "share": usable / asked, "low": interval.low, "high": interval.high}


def cost(prompts: Sequence[str]) -> list[dict]:
    """CPU seconds of an answer, memory, and whether answers come out as recorded; nothing where the wheel is absent."""
    try:
        loaded = model()
    except FileNotFoundError:
        return []
    answers, seconds = timed(lambda: loaded(prompts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    same = sum(a == b for a, b in zip(answers, Recorded(RECORD)(prompts), strict=True))
    return [{
        "task": "asked again", "asked": len(prompts), "as_recorded": same,
        "cpu_seconds_per_answer": seconds / len(prompts), "peak_gib": peak,
    }]  # fmt: skip


def table(rows: list[dict]) -> str:
    """The rows as one aligned table of text, with the reasons why answers cannot be used."""
    wide = max(len(row["task"]) for row in rows)
    lines = [f"{'task':<{wide}}  {'usable':>9}  {'share, 95 % interval':<22}  chance"]
    for row in rows:
        if "share" not in row:
            lines.append(
                f"asked again: {row['as_recorded']} of {row['asked']} answers as recorded; "
                f"{row['cpu_seconds_per_answer']:.2f} CPU s an answer, {row['peak_gib']:.1f} GiB at most"
            )
            continue
        interval = f"{row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        lines.append(
            f"{row['task']:<{wide}}  {row['usable']:>3} of {row['asked']:<3}  {interval:<22}  {row['chance']:.3f}"
        )
        reasons = [f"{count} {why}" for why, count in row["unusable"].items()]
        if "says_yes" in row:
            reasons.append(f"says yes {row['says_yes']} times")
        lines.append(f"    {', '.join(reasons)}")
    return "\n".join([*lines, "One weak model: no verdict about language models rests on it."])
