"""Written data: queries, paraphrases and negatives that a language model writes.

A domain without labelled queries still has passages. A model is asked, for each passage, which
question it answers, and question and passage are a pair. What comes back is text, not data: numbered,
quoted, wrapped in JSON or in politeness, sometimes empty, sometimes a copy of the passage. So every
reply is parsed, what is unusable is dropped, and the counts say how much. What is left still has to
pass `workbook.training_data.sieves.round_trip`.

The model is any callable, generate(prompts) -> replies, in order; None stands for a reply that did not
come. `workbook.llm` makes some.

Taught in 12.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from workbook.mining import Mined, mining_task, text_key
from workbook.support.frontend import track
from workbook.support.types import Corpus, Qrels, Queries

Generate = Callable[[list[str]], Sequence[str | None]]

PROMPTS_AT_A_TIME = 256
MAX_QUERY_WORDS = 64  # more than that is no query but a passage
LABELS = "query|queries|question|paraphrase|passage|negative"  # that models put in front of a text, or use as keys
INTRODUCTION = rf"(sure|certainly|of course|okay|here (is|are))\b.*\b({LABELS})s?\W*$"
ONE_A_LINE = "Write one on each line, without numbers and without anything else."


# --- prompts ------------------------------------------------------------------------------------


def query_prompt(passage: str, num_queries: int = 1, examples: Sequence[tuple[str, str]] = ()) -> str:
    """Ask for search queries that a passage answers.

    Args:
        passage: the text to ask about.
        num_queries: how many.
        examples: (passage, query) pairs of the task at hand; a few of them say what a query looks
            like there better than any description.

    Source: Nogueira et al. 2019 (doc2query); Bonifacio et al. 2022 (InPars); Dai et al. 2023
    (Promptagator, a few examples of each task).
    """
    shown = "".join(f"Passage: {p}\nQuery: {q}\n\n" for p, q in examples)
    return (
        f"Write {_number(num_queries, 'search query', 'different search queries')} that the passage answers. "
        "Somebody who has not seen the passage must understand them. Use words of your own. "
        f"{ONE_A_LINE}\n\n{shown}Passage: {passage}\n{'Query' if num_queries == 1 else 'Queries'}:"
    )


def paraphrase_prompt(query: str, num_paraphrases: int = 1) -> str:
    """Ask for the same query in other words."""
    return (
        f"Say the query in other words, in {_number(num_paraphrases, 'way', 'different ways')}. "
        f"Each must ask for exactly the same. {ONE_A_LINE}\n\nQuery: {query}\nParaphrases:"
    )


def negative_prompt(query: str, positive: str, num_negatives: int = 1) -> str:
    """Ask for passages that are near the topic of a query and do not answer it.

    Source: Wang et al. 2024 (E5-mistral: written hard negatives).
    """
    return (
        f"Below are a query and a passage that answers it. Write {_number(num_negatives, 'passage', 'passages')} on the "
        "same topic, of about the same length and style, that a hasty reader would take for an answer and that do not "
        f"answer the query. {ONE_A_LINE}\n\nQuery: {query}\nPassage: {positive}\nPassages that do not answer it:"
    )


def _number(count: int, one: str, many: str) -> str:
    if count < 1:
        raise ValueError(f"at least 1 must be asked for, got {count}")
    return f"1 {one}" if count == 1 else f"{count} {many}"


# --- replies ------------------------------------------------------------------------------------


def parse_texts(reply: str | None) -> list[str]:
    """The texts in a language model's reply.

    Known are a JSON list, of strings or of objects, objects one after the other, and lines, with or without
    numbers, bullets, labels ("Query 2:"), quotes, an introduction, a fence around them, and <think> blocks.

    Args:
        reply: what came back; None where nothing did.
    Returns:
        the texts in their order, without empty ones. Of a JSON list that is cut off, the whole strings.
    """
    reply = re.sub(r"<think>.*?(</think>|\Z)", "", reply or "", flags=re.DOTALL)
    reply = re.sub(r"^\s*(```|~~~)\w*\s*$", "", reply, flags=re.MULTILINE)
    found = _from_json(reply)
    if found is None:
        found = [line.strip() for line in reply.splitlines() if line.strip()]
        found = [line for line in found if not line.endswith(":") and not re.match(INTRODUCTION, line, re.IGNORECASE)]
    return [text for text in map(_bare, found) if text]


def _from_json(reply: str) -> list[str] | None:
    """The strings of the JSON in a reply, a cut off list included; None where lines are meant."""
    start = re.search(r"[\[{]", reply)
    if not start or re.search(r"\w", reply[: start.start()].rpartition("\n")[2].rpartition(":")[2]):
        return None  # no bracket, or one in the middle of a line
    rest, found = reply[start.start() :].strip(), list[str]()
    if not re.match(r'[\[{]\s*["\[{\]}]', rest):
        return None  # "[MASK] is a token"
    while rest[:1] in ("[", "{"):  # a list, or objects one after the other
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            # The part of a list that is there, if the model ran out of tokens.
            whole = re.findall(r'"((?:[^"\\]|\\.)*)"\s*(?=[,\]])', rest) if re.match(r'\[\s*"', rest) else []
            return [*found, *(text.replace('\\"', '"') for text in whole)]
        found += _strings(value)
        rest = rest[end:].lstrip(", \n\r\t")
    return found


def _strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value; of an object that names one of them as the text, only that one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        named = [part for key, part in value.items() if re.fullmatch(rf"(?:{LABELS}|text)s?", key, re.IGNORECASE)]
        yield from _strings(named or list(value.values()))
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _bare(text: str) -> str:
    """A line without its number, bullet, label and quotes, with single blanks."""
    text = " ".join(text.split())
    text = re.sub(r"^(?:[-*•–]\s+|\(?\d{1,2}[.):]\s+|\(?[a-e][.)]\s+)", "", text)
    text = re.sub(rf"^\**(?:{LABELS})s?\s*\d*\**\s*[:.)]\**\s*", "", text, flags=re.IGNORECASE)
    for left, right in ('""', "''", "“”", "‘’", "«»", "„“", "``", ("**", "**")):
        inner = text[len(left) : -len(right)]
        if text == left + inner + right and left not in inner:
            text = inner.strip()
    return text if re.search(r"\w", text) else ""


# --- writing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """Queries for passages, and what became of the other replies.

    Attributes:
        queries: query id -> text.
        qrels: query id -> passage id -> 1.
        counts: how many were asked for and written, and how many were dropped for which reason.
    """

    queries: dict[str, str] = field(repr=False)
    qrels: dict[str, dict[str, int]] = field(repr=False)
    counts: dict[str, int]


def generate_queries(
    corpus: Corpus,
    generate: Generate,
    num_queries: int = 1,
    examples: Sequence[tuple[str, str]] = (),
    prompt: Callable[[str, int, Sequence[tuple[str, str]]], str] = query_prompt,
) -> Written:
    """Have queries written for each passage.

    Dropped are queries longer than 64 words, those that copy their passage, and those written for two
    different passages: what every passage answers asks for none of them.

    Args:
        corpus: passage id -> text.
        generate: prompts -> replies.
        num_queries: for each passage, at most.
        examples: (passage, query) pairs to show.
        prompt: (passage, num_queries, examples) -> prompt.
    Returns:
        the queries, the passage of each, and counts.
    Raises:
        ValueError: generate did not return one reply for each prompt.

    Source: see `query_prompt`; Wang et al. 2022 (GPL) for training on such pairs.
    """
    counts: Counter[str] = Counter()
    written: dict[str, tuple[str, str]] = {}  # query id -> passage id, text
    asked_by: dict[bytes, set[bytes]] = {}  # query -> the different passages it was written for
    prompts = (prompt(text, num_queries, examples) for text in corpus.values())
    for (passage_id, passage), texts in zip(
        corpus.items(), _replies(generate, prompts, len(corpus), counts), strict=True
    ):
        own: set[bytes] = set()
        for text in texts:
            key = text_key(text)
            if key in own:
                counts["repeated"] += 1
            elif len(text.split()) > MAX_QUERY_WORDS:
                counts["too long"] += 1
            elif key == text_key(passage):
                counts["copied from the passage"] += 1
            elif len(own) == num_queries:
                counts["more than were asked for"] += 1
            else:
                own.add(key)
                asked_by.setdefault(key, set()).add(text_key(passage))
                written[f"{passage_id}#query{len(own)}"] = passage_id, text
    general = {query_id for query_id, (_, text) in written.items() if len(asked_by[text_key(text)]) > 1}
    counts["written for several passages"] += len(general)
    kept = {query_id: found for query_id, found in written.items() if query_id not in general}
    counts["kept"] = len(kept)
    return Written(
        {query_id: text for query_id, (_, text) in kept.items()},
        {query_id: {passage_id: 1} for query_id, (passage_id, _) in kept.items()},
        dict(counts),
    )


def generate_paraphrases(
    queries: Queries, generate: Generate, num_paraphrases: int = 1
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Have each query said in other words.

    Args:
        queries: query id -> text.
        generate: prompts -> replies.
        num_paraphrases: for each query, at most.
    Returns:
        query id -> paraphrases, for the queries that have any; and counts. One that repeats the query
        or another paraphrase of it is dropped.
    Raises:
        ValueError: generate did not return one reply for each prompt.
    """
    counts: Counter[str] = Counter()
    found: dict[str, list[str]] = {}
    prompts = (paraphrase_prompt(text, num_paraphrases) for text in queries.values())
    for (query_id, query), texts in zip(
        queries.items(), _replies(generate, prompts, len(queries), counts), strict=True
    ):
        different = _different(texts, query)
        kept = different[:num_paraphrases]
        counts["repeated"] += len(texts) - len(different)
        counts["more than were asked for"] += len(different) - len(kept)
        counts["kept"] += len(kept)
        if kept:
            found[query_id] = kept
    return found, dict(counts)


def write_negatives(
    queries: Queries,
    corpus: Corpus,
    qrels: Qrels,
    write: Callable[[str, str], Sequence[str]],
    num_negatives: int = 1,
    too_few: str = "drop",
) -> Mined:
    """Have negatives written: texts on the topic of the query that do not answer it.

    What is empty, stands there twice, or repeats the query or a positive is left out, and counted. A
    language model may write an answer all the same. To filter: mine once more, with
    {**corpus, **mined.written} as the corpus, mined.negatives as the source, and a cross-encoder.

    Args:
        queries, corpus, qrels: as in `workbook.mining.mine_hard_negatives`.
        write: (query, positive) -> texts. It is asked once for each query, with its first positive.
        num_negatives: how many each query gets.
        too_few: leave out a query with fewer ("drop"), or keep those it has, if any ("keep").
    Returns:
        the negatives, all with score 0, for nothing has scored them; their texts are in `written`.
    Raises:
        TypeError: `write` returned a single string.
        ValueError: num_negatives or too_few is out of range, or qrels name an unknown passage.

    Source: Wang et al. 2024 (E5-mistral: written hard negatives).
    """
    if num_negatives < 1 or too_few not in ("drop", "keep"):
        raise ValueError(f'expected num_negatives ≥ 1 and too_few "drop" or "keep", got {num_negatives}, {too_few!r}')
    task = mining_task(queries, corpus, qrels)
    counts = Counter({"queries": len(queries), "queries without a positive": len(queries) - len(task.queries)})
    negatives: dict[str, dict[str, float]] = {}
    positives: dict[str, dict[str, float]] = {}
    written: dict[str, str] = {}
    for (query_id, query), rows in zip(task.queries.items(), task.positives, strict=True):
        ids = [task.passage_ids[row] for row in rows]
        texts = write(query, corpus[ids[0]])
        if isinstance(texts, str):
            raise TypeError("write must return a list of texts, got one string; put it into a list")
        usable = _different(texts, query, *(corpus[passage_id] for passage_id in ids))
        counts["texts written"] += len(texts)
        counts["texts left out"] += len(texts) - len(usable)
        counts["queries with too few negatives"] += len(usable) < num_negatives
        if len(usable) < (1 if too_few == "keep" else num_negatives):
            counts["queries dropped"] += 1
            continue
        named = {f"{query_id}#written{n}": text for n, text in enumerate(usable[:num_negatives], start=1)}
        counts["negatives"] += len(named)
        written |= named
        negatives[query_id] = dict.fromkeys(named, 0.0)
        positives[query_id] = dict.fromkeys(ids, 0.0)
    return Mined(negatives, positives, dict(counts), written)


def generate_negatives(
    queries: Queries,
    corpus: Corpus,
    qrels: Qrels,
    generate: Generate,
    num_negatives: int = 1,
    too_few: str = "drop",
) -> Mined:
    """Have negatives written, many queries in one call: `write_negatives` in batches.

    Args:
        queries, corpus, qrels, num_negatives, too_few: as there.
        generate: prompts -> replies.
    Returns:
        the negatives, with their texts in `written`; the counts hold those of the replies, too.
    Raises:
        ValueError: generate did not return one reply for each prompt, or as there.
    """
    counts: Counter[str] = Counter()
    task = mining_task(queries, corpus, qrels)
    prompts = (
        negative_prompt(query, corpus[task.passage_ids[rows[0]]], num_negatives)
        for query, rows in zip(task.queries.values(), task.positives, strict=True)
    )
    replies = _replies(generate, prompts, len(task.queries), counts)
    # write_negatives goes through the queries in the same order, and takes the next reply for each.
    mined = write_negatives(queries, corpus, qrels, lambda query, positive: next(replies), num_negatives, too_few)
    return replace(mined, counts={**counts, **mined.counts})


def _different(texts: Iterable[str], *known: str) -> list[str]:
    """The texts that are not empty, none of the known ones and not there before, in their order."""
    seen = {text_key(text) for text in ("", *known)}
    different: list[str] = []
    for text in texts:
        if text_key(text) not in seen:
            seen.add(text_key(text))
            different.append(text)
    return different


def _replies(generate: Generate, prompts: Iterable[str], total: int, counts: Counter[str]) -> Iterator[list[str]]:
    """The texts in each reply; prompts are made and asked a batch at a time."""
    prompts = iter(track(prompts, total, label="writing"))
    while batch := list(islice(prompts, PROMPTS_AT_A_TIME)):
        replies = generate(batch)
        if isinstance(replies, str) or len(replies) != len(batch):
            got = "one string" if isinstance(replies, str) else f"{len(replies)}"
            raise ValueError(f"generate must return one reply for each of {len(batch)} prompts, got {got}")
        for texts in map(parse_texts, replies):
            counts["asked"] += 1
            counts["without a usable reply"] += not texts
            counts["texts in the replies"] += len(texts)
            yield texts
