"""Pairs that are already there: text that people have structured says what belongs together.

A title says what the body is about, a heading what its section is about, a question what its answer answers,
a first sentence what the rest tells. Nobody has judged such pairs, so they pass the sieves of
`workbook.training_data.sieves` before a model may see them.

Taught in 12.
"""

import re
from typing import NamedTuple

Pairs = list[tuple[str, str]]

MIN_PASSAGE_WORDS = 8  # a passage with fewer says too little
ABBREVIATION = r"(e\.g|i\.e|cf|vs|approx|fig|eq|dr|mr|mrs|ms|st|prof|[a-z])\."  # or an initial


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
    return _worth(title.strip(), body.strip()) if gap and "\n" not in title.strip() else []


def heading_sections(markdown: str, path: bool = False) -> Pairs:
    """(heading, section): each heading with the text right below it.

    Args:
        markdown: a Markdown text.
        path: put the headings above in front, "Search: Options: Limits", for one alone often says too little.
    Returns:
        one pair for each section of eight words or more, in order.
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

    Source: Lewis et al. 2021 (PAQ: questions and answers as training data).
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

    Relations: the inverse cloze task with the first sentence instead of a random one.
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
