"""Training data: pairs that are already there, and what has to go before a model may see them.

Text that people have structured holds pairs for free: a title says what the body is about, a heading
what its section is about, a question what its answer answers, a first sentence what the rest tells.
Pairs found so, or written by a language model (`workbook.written_data`), are then sieved:

    round_trip               does the query find its own passage?
    remove_near_duplicates   is there almost the same text already?
    decontaminate            does it stand in the evaluation?

Every sieve says what it dropped, and why.

Taught in 12.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from workbook.candidates import candidates
from workbook.metrics import Qrels
from workbook.near_duplicates import MinHashIndex

Pairs = list[tuple[str, str]]
Key = TypeVar("Key", str, int)

MIN_PASSAGE_WORDS = 8  # a passage with fewer says too little
ABBREVIATION = r"(e\.g|i\.e|cf|vs|approx|fig|eq|dr|mr|mrs|ms|st|prof|[a-z])\."  # or an initial


# --- pairs from structure -----------------------------------------------------------------------


class Section(NamedTuple):
    """A heading of a Markdown text, and what stands below it until the next heading.

    Attributes:
        level: 1 for the largest heading; 0, with an empty heading, for what stands before the first.
        heading: without its marks.
        text: without the headings below it.

    Taught in 12.
    """

    level: int
    heading: str
    text: str


def sections(markdown: str) -> list[Section]:
    """Cut a Markdown text at its headings.

    Both kinds of heading are known, `# marked` and underlined with === or ---. A # inside a code block
    is no heading. Front matter between two --- at the very beginning is left out.

    Args:
        markdown: a text; one without headings is one section without a heading.
    Returns:
        the sections in order, empty ones too.

    Source: CommonMark 0.31, sections 4.2, 4.3 and 4.5. Taught in 12.
    """
    markdown = re.sub(r"\A---[ \t]*\n.*?\n---[ \t]*(\n|\Z)", "", markdown, flags=re.DOTALL)
    found: list[tuple[int, str, list[str]]] = [(0, "", [])]
    fence = ""
    for line in markdown.split("\n"):
        lines = found[-1][2]
        mark = re.match(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if fence:
            closes = mark is not None and mark[1].startswith(fence) and not mark[2].strip()
            fence = "" if closes else fence
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):  # otherwise it is code within a line
            fence = mark[1]
        elif marked := re.match(r" {0,3}(#{1,6})([ \t].*)?$", line):
            heading = re.sub(r"(^|[ \t])#+$", "", (marked[2] or "").strip())  # it may be closed as well
            found.append((len(marked[1]), heading.strip(), []))
            continue
        elif (under := re.match(r" {0,3}(=+|-+)[ \t]*$", line)) and (above := _paragraph(lines)):
            del lines[-len(above) :]
            found.append((1 if under[1][0] == "=" else 2, " ".join(map(str.strip, above)), []))
            continue
        lines.append(line)
    cut = [Section(level, heading, "\n".join(lines).strip()) for level, heading, lines in found]
    return cut if cut[0].text or len(cut) == 1 else cut[1:]


def _paragraph(lines: list[str]) -> list[str]:
    """The lines of running text at the end, which an underline would make a heading."""
    above: list[str] = []
    for line in reversed(lines):
        if not line.strip() or re.match(r" {4}|\t| {0,3}([-*+>|]|\d+[.)]|`{3,}[^`]*$|~{3,})", line):
            break
        above.insert(0, line)
    return above


def title_body(markdown: str) -> Pairs:
    """(title, body): the first heading, and all that follows it, other headings included.

    A text without headings has a title where its first line stands alone, with an empty line after it.

    Args:
        markdown: a Markdown or plain text.
    Returns:
        one pair, or none where a side is missing or the body is shorter than eight words.

    Source: Wang et al. 2022 (E5, title-passage pairs). Taught in 12.
    """
    cut = [section for section in sections(markdown) if section.heading or section.text]
    headed = [i for i, section in enumerate(cut) if section.heading]
    if headed:
        first = headed[0]
        below = [text for section in cut[first + 1 :] for text in (section.heading, section.text) if text]
        return _worth(cut[first].heading, "\n\n".join([cut[first].text, *below]).strip())
    title, gap, body = markdown.strip().partition("\n\n")
    return _worth(title.strip(), body.strip()) if gap and "\n" not in title.strip() else []


def heading_sections(markdown: str, path: bool = False) -> Pairs:
    """(heading, section): each heading with the text right below it.

    Args:
        markdown: a Markdown text.
        path: put the headings above in front, "Search: Options: Limits", for one alone often says too little.
    Returns:
        one pair for each section of eight words or more, in order.

    Taught in 12.
    """
    pairs: Pairs = []
    above: list[tuple[int, str]] = []
    for level, heading, text in sections(markdown):
        if not heading:
            continue
        above = [*((n, name) for n, name in above if n < level), (level, heading)]
        pairs += _worth(": ".join(name for _, name in above) if path else heading, text)
    return pairs


def question_answers(text: str) -> Pairs:
    """(question, answer): headings that end in a question mark, and blocks that begin with Q: and A:.

    Args:
        text: Markdown or plain text. "Question:", "**Q:**", "Q1." and their like are known, too.
    Returns:
        the pairs, questions in headings first. Answers may be as short as one word.

    Source: Lewis et al. 2021 (PAQ: questions and answers as training data). Taught in 12.
    """
    pairs = [(heading, body) for _, heading, body in sections(text) if heading.endswith(("?", "？")) and body]
    mark = r"^[ \t>*_#-]*(?:{0})[ \t]*\d*[ \t]*[*_]*[:.)][*_]*[ \t]+"
    question, answer = mark.format("q|question"), mark.format("a|answer")
    blocks = re.split(question, text, flags=re.MULTILINE | re.IGNORECASE)[1:]
    for block in blocks:
        asked, *answers = re.split(answer, block, maxsplit=1, flags=re.MULTILINE | re.IGNORECASE)
        said = re.split(r"\n[ \t]*#{1,6}[ \t]", answers[0])[0].strip() if answers else ""
        asked = " ".join(asked.split()).strip("*_ ")
        if asked and said:
            pairs.append((asked, said))
    return pairs


def first_sentence_rest(text: str) -> Pairs:
    """(first sentence, rest) of a text.

    A sentence ends with . ! or ? before a space and a capital, not after an abbreviation or an initial, with
    the paragraph, or with 。！？.

    Args:
        text: prose.
    Returns:
        one pair, or none where the rest is shorter than eight words.

    Relations: the inverse cloze task with the first sentence instead of a random one. Taught in 12.
    """
    text = text.strip()
    for end in re.finditer(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z\d])|[。！？]|\n\s*\n", text):
        last_word = text[: end.start() + 1].split()[-1].lstrip("(\"'").lower()
        if text[end.start()] != "." or not re.fullmatch(ABBREVIATION, last_word):
            return _worth(" ".join(text[: end.end()].split()), text[end.end() :].strip())
    return []


def _worth(query: str, passage: str) -> Pairs:
    # In scripts without spaces a word is a letter or two.
    long_enough = len(passage.split()) >= MIN_PASSAGE_WORDS or len(passage) >= 8 * MIN_PASSAGE_WORDS
    return [(query, passage)] if query and long_enough else []


# --- sieves -------------------------------------------------------------------------------------


class Dropped(NamedTuple):
    """Why something was dropped.

    Attributes:
        why: the reason, in words.
        by: the id of the text that decided it.
        value: how much: a share of shingles J, a number of words, or a rank.

    Taught in 12.
    """

    why: str
    by: str
    value: float


@dataclass(frozen=True)
class Sieved(Generic[Key]):
    """What a sieve kept and what it dropped, by id or by row number.

    Taught in 12.
    """

    kept: list[Key] = field(repr=False)
    dropped: dict[Key, Dropped] = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """How many were kept, and how many dropped for which reason. Taught in 12."""
        return {"kept": len(self.kept), **Counter(reason.why for reason in self.dropped.values())}

    def __repr__(self) -> str:
        return f"Sieved({self.counts})"


def round_trip(
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    qrels: Qrels,
    source: Any,
    k: int = 1,
    chunk_size: int = 4_096,
) -> Sieved[str]:
    """Keep the queries that find their own passage.

    A written query may ask for what the passage does not say, or for what every passage says. Either way
    a retriever that looks for it comes back with something else.

    Args:
        queries: query id -> text.
        corpus: passage id -> text.
        qrels: query id -> passage id -> grade, above 0 for the passage that the query was written for.
        source: an encoder, a BM25 or a run, as in `workbook.candidates.candidates`. Not one trained on
            these queries.
        k: keep a query when its passage is among the first k. The query's own text does not count as found.
        chunk_size: passages that are encoded and scored at a time.
    Returns:
        the ids of the queries kept, and of those dropped, with the passage that came first.
    Raises:
        ValueError: k is not positive, or qrels name an unknown passage.

    Source: Alberti et al. 2019 (round-trip consistency); Dai et al. 2023 (Promptagator, k = 1). Taught in 12.
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
        duplicate is missed with the probability 1 - `workbook.near_duplicates.chance_to_meet`(J).
    Raises:
        ValueError: threshold is not above 0 and at most 1.

    Source: Broder 1997; Lee et al. 2022 (deduplicating training data). Taught in 12.
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

    Source: Brown et al. 2020 (GPT-3, 13-grams); Lee et al. 2022. Taught in 12 and 19.
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


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _runs(words: list[str], ngram: int) -> Iterable[str]:
    return (" ".join(words[i : i + ngram]) for i in range(len(words) - ngram + 1))
