"""The new terms of each chapter, with the sentence that explains each: pop-ups in later chapters, and a page of their own.

A chapter lists its terms in its recap. What a term means is said where it first stands in bold, or else where it first
stands: that sentence is taken as it is, so the glossary cannot say anything else than the book.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from workbook.book.site.markdown import slug, to_html

LIST = re.compile(r"\*\*New terms:\*\* (.+?)\.?$", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.?!:])\s+(?=[A-Z*`])")
# Words that mean something else as well: a band of a signature and a band of error. They stand in the glossary, and no
# later chapter points to them by itself.
ALSO_PLAIN = {
    "band", "baseline", "batch", "block", "candidate", "collapse", "corpus", "cut", "ef", "gather", "guide",
    "head", "leak", "loss", "moments", "passage", "patience", "price", "query", "ranking", "residual", "resume",
    "role", "round", "scale", "schedule", "seed", "slope", "span", "stratum", "sweep", "threshold", "token",
    "tower", "twin", "window",
}  # fmt: skip
# Within these no term is marked: they lead somewhere already, are code, or are what a term is explained in.
KEPT = re.compile(
    r"<(a|button|code|pre|math|h\d|summary|script|style|strong|figcaption|svg)\b.*?</\1>|<[^>]+>", re.DOTALL
)


@dataclass(frozen=True)
class Term:
    """A term, where it is explained, and the sentence that does."""

    name: str
    chapter: str
    page: str
    section: str  # the id of its heading
    sentence: str  # as HTML

    @property
    def id(self) -> str:
        """Its place on the page of the glossary, such as "infonce"."""
        return slug(self.name)


def terms_of(chapter: str, page: str, texts: Sequence[str]) -> list[Term]:
    """The terms that a chapter lists as new and explains somewhere.

    Args:
        chapter: its number.
        page: the name of its page.
        texts: the Markdown of its cells, in order.
    """
    listed = [match[1] for text in texts for match in LIST.finditer(text)]
    names = [name.strip(" `") for line in listed for name in line.split(" · ")]
    found = []
    for name in dict.fromkeys(re.sub(r"\s*\(.*?\)", "", name) for name in names):
        if where := _explained(name, texts):
            found.append(Term(name, chapter, page, *where))
    return found


def _explained(name: str, texts: Sequence[str]) -> tuple[str, str] | None:
    """The section and the sentence, as HTML, where a term first stands in bold, or else where it first stands."""
    plain = rf"(?<!\w){re.escape(name)}(?:s|es)?(?!\w)"
    for pattern in (rf"\*\*{plain}\*\*", plain):
        section = ""
        for text in texts:
            for paragraph in text.split("\n"):
                if heading := re.match(r"#+ (.+)", paragraph):
                    section = slug(heading[1])
                elif not re.match(r"\*\*(New terms|You will|You need|Contract)|[|$>]|\d+\.\s", paragraph):
                    for sentence in SENTENCE.split(paragraph.lstrip("- ")):
                        if re.search(pattern, sentence, re.IGNORECASE):
                            html = to_html(sentence).strip().removeprefix("<p>").removesuffix("</p>")
                            return section, html
    return None


def pointed_to(terms: Iterable[Term]) -> list[Term]:
    """The terms that mean the same wherever they stand, so that later chapters may point to them by themselves."""
    return [term for term in terms if term.name not in ALSO_PLAIN and len(term.name) > 2]


def mark_terms(html: str, terms: Iterable[Term], seen: set[str]) -> str:
    """Turn the first place of each term on a page into a button that opens its sentence.

    Args:
        html: a piece of a page.
        terms: which.
        seen: the ids that are marked already; grows.
    """
    known = {term.name.lower(): term for term in terms}
    if not known:
        return html
    names = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    word = re.compile(rf"(?<![\w-])(\(?)({names})(?![\w-])([).,;:?]*)", re.IGNORECASE)

    def marked(match: re.Match) -> str:
        before, name, after = match.groups()
        term = known[name.lower()]
        if term.id in seen:
            return match[0]
        seen.add(term.id)
        button = f'<button class="term" type="button" popovertarget="term-{term.id}">{name}</button>'
        return f'<span class="whole">{before}{button}{after}</span>' if before or after else button

    pieces, end = [], 0
    for kept in KEPT.finditer(html):
        pieces += [word.sub(marked, html[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*pieces, word.sub(marked, html[end:])])


def popups(terms: Iterable[Term], seen: set[str]) -> str:
    """The boxes that the buttons of a page open. Browsers do that by themselves, without a script."""
    shown = {term.id: term for term in terms if term.id in seen}
    return "\n".join(
        f'<div popover id="term-{term.id}" class="popup"><p><b>{escape(term.name)}</b></p><p>{term.sentence}</p>'
        f'<p><a href="{term.page}#{term.section}">Chapter {term.chapter}</a></p></div>'
        for term in shown.values()
    )


def glossary(terms: Iterable[Term]) -> str:
    """All terms in the order of the alphabet, as a list of definitions."""
    entries = "\n".join(
        f'<dt id="{term.id}">{escape(term.name)}</dt>\n'
        f'<dd>{term.sentence} <a href="{term.page}#{term.section}">Chapter {term.chapter}</a></dd>'
        for term in sorted({term.id: term for term in reversed([*terms])}.values(), key=lambda term: term.name.lower())
    )
    return f'<h1 id="glossary">Glossary</h1>\n<p>Each term with the sentence that introduces it.</p>\n<dl class="glossary">\n{entries}\n</dl>'
