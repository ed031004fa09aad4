"""Pairs that are already there: text that people have structured says what belongs together.

A title says what the body is about, a heading what its section is about, a question what its answer answers,
a first sentence what the rest tells. Nobody has judged such pairs, so they pass the sieves of
`workbook.training_data.sieves` before a model may see them.

Each maker takes one text; `workbook.pretraining.pairs.pairs_from` takes many, and counts those that give nothing:

    pairs_from(texts, first_sentence_rest).counts

Taught in 12.
"""

import re
from typing import NamedTuple

from workbook.pretraining.pairs import Pairs, sentence_starts

MIN_PASSAGE_WORDS = 8  # a passage with fewer says too little


class Section(NamedTuple):
    """A heading of a Markdown text, and what stands below it until the next heading.

    Attributes:
        level: 1 for the largest heading; 0, with an empty heading, for what stands before the first.
        heading: without its marks.
        text: without the headings below it.
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

    Source: CommonMark 0.31, sections 4.2, 4.3 and 4.5.
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

    Source: Wang et al. 2022 (E5, title-passage pairs).
    """
    cut = [section for section in sections(markdown) if section.heading or section.text]
    headed = [i for i, section in enumerate(cut) if section.heading]
    if headed:
        first = headed[0]
        below = [text for section in cut[first + 1 :] for text in (section.heading, section.text) if text]
        return _worth(cut[first].heading, "\n\n".join([cut[first].text, *below]).strip())
    title, gap, body = markdown.strip().partition("\n\n")
    return _worth(title.strip() if gap and "\n" not in title.strip() else "", body.strip(), "without a title")


def heading_sections(markdown: str, path: bool = False) -> Pairs:
    """(heading, section): each heading with the text right below it.

    Args:
        markdown: a Markdown text.
        path: put the headings above in front, "Search: Options: Limits", for one alone often says too little.
    Returns:
        one pair for each section of eight words or more, in order.
    """
    pairs = Pairs()
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

    Source: Lewis et al. 2021 (PAQ: questions and answers as training data).
    """
    pairs = Pairs((head, body) for _, head, body in sections(text) if head.endswith(("?", "？")) and body)
    mark = r"^[ \t>*_#-]*(?:{0})[ \t]*\d*[ \t]*[*_]*[:.)][*_]*[ \t]+"
    question, answer = mark.format("q|question"), mark.format("a|answer")
    blocks = re.split(question, text, flags=re.MULTILINE | re.IGNORECASE)[1:]
    for block in blocks:
        question_text, *rest = re.split(answer, block, maxsplit=1, flags=re.MULTILINE | re.IGNORECASE)
        answer_text = re.split(r"\n[ \t]*#{1,6}[ \t]", rest[0])[0].strip() if rest else ""  # up to a heading
        question_text = " ".join(question_text.split()).strip("*_ ")
        if question_text and answer_text:
            pairs.append((question_text, answer_text))
    return pairs


def first_sentence_rest(text: str) -> Pairs:
    """(first sentence, rest) of a text.

    Args:
        text: prose; `workbook.pretraining.pairs.sentence_starts` says where a sentence ends.
    Returns:
        one pair, or none where there is no rest or it is shorter than eight words.

    Relations: the inverse cloze task with the first sentence instead of a random one.
    """
    text = text.strip()
    cut = next(sentence_starts(text), 0)
    return _worth(" ".join(text[:cut].split()), text[cut:], "of a single sentence")


def _worth(query: str, passage: str, without: str = "") -> Pairs:
    """A pair, or none and the reason: `without` where there is no query."""
    if not passage:
        return Pairs((), {"empty": 1})
    if not query:
        return Pairs((), {without: 1})
    # In scripts without blanks a word is a character or two.
    if len(passage.split()) < MIN_PASSAGE_WORDS and len(passage) < 8 * MIN_PASSAGE_WORDS:
        return Pairs((), {f"with a passage of fewer than {MIN_PASSAGE_WORDS} words": 1})
    return Pairs([(query, passage)], {"gave a pair": 1})
