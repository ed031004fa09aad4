"""Pairs from links: what an author wrote on a link says what the page behind it is about.

    <a href="sorting.html#stable">how to sort in a stable way</a>   ->   ("how to sort in a stable way", what stands at #stable)

Such words come from somebody else than the page's own, so they share fewer words with it than its title does: they are
nearer to a query. Search engines have ranked by them since 1998. Read are HTML files of a folder, such as the
documentation that a package brings; nothing is downloaded, and links that lead out of the folder are left out.

Taught in 12.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workbook.pretraining.pairs import Pairs
from workbook.support.files import MAX_LINE, files_below
from workbook.training_data.structured import MIN_PASSAGE_WORDS

# What a page does not say, where a new word begins, and what has no end.
UNREAD = frozenset(["footer", "head", "header", "nav", "script", "style", "svg", "template"])
BLOCKS = frozenset(
    ["article", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "li", "main", "ol", "p", "pre", "section",
     "table", "td", "th", "tr", "ul"]
)  # fmt: skip
NO_END = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
SAYS_NOTHING = re.compile(
    r"(click )?here|this|link|more|read more|next|previous|prev|up|top|home|index|contents|source|\W*", re.IGNORECASE
)
MIN_ANCHOR_WORDS, MAX_ANCHOR_WORDS = 2, 24
MAX_PAGE_WORDS = 200


class _Page(HTMLParser):
    """The words of a page, where its places (id) begin, and its links with what is written on them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.places: dict[str, int] = {}  # id of an element -> number of the first word in it
        self.links: list[tuple[str, str]] = []  # address, text
        self._unread: list[str] = []  # open elements that are not read
        self._link: tuple[str, list[str]] | None = None
        self._joined = ""  # text since the last block: a word may be cut by <b>

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self._flush()
        of = dict(attrs)
        place = of.get("id") or (of.get("name") if tag == "a" else None)
        if place:
            self._flush()
            self.places.setdefault(place, len(self.words))
        if tag in UNREAD or (self._unread and tag not in NO_END):
            self._unread.append(tag)
        elif tag == "a" and of.get("href"):
            self._link = str(of["href"]), []

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self._flush()
        if tag in self._unread:  # whatever was left open inside it ends with it
            while self._unread.pop() != tag:
                pass
        elif tag == "a" and self._link:
            address, parts = self._link
            self.links.append((address, " ".join("".join(parts).split())))
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._joined += data
            if self._link:
                self._link[1].append(data)

    def _flush(self) -> None:
        self.words += self._joined.split()
        self._joined = ""

    def close(self) -> None:
        super().close()
        self._flush()


def installed_documentation() -> list[Path]:
    """Folders with HTML documentation of Python that this machine already has; none, where there are none."""
    known = (*Path("/usr/share/doc").glob("python3*/html"), *Path(sys.base_prefix).glob("share/doc/*/html"))
    return sorted(
        folder for folder in (*known, Path(sys.base_prefix) / "Doc/html") if (folder / "index.html").is_file()
    )


def anchor_pairs(folder: str | Path) -> Pairs:
    """(what is written on a link, what stands where it leads) of the HTML files of a folder.

    A page that is reached without a place begins with its first word, else with the place; 200 words of it are taken,
    without the link's own words where they come first. A link within the same page counts as well. The same pair is
    given once.

    Args:
        folder: with .html or .htm files in it, or in folders below.
    Returns:
        the pairs, files in order of their names, with counts of links that gave none, and why.
    Raises:
        FileNotFoundError: there is no such folder, or no such file in it.

    Source: Brin and Page 1998 (anchor text); Zhou et al. 2022 (as pairs for pre-training).
    """
    folder = Path(folder).resolve()
    pages = {path: page for path in files_below(folder) if (page := _read(path))} if folder.is_dir() else {}
    if not pages:
        raise FileNotFoundError(
            f"{folder} holds no .html or .htm file that can be read; give the folder of an HTML documentation, such as "
            "the one that `make html` of Sphinx writes"
        )
    pairs, counts, seen = Pairs(), Counter[str](), set[tuple[str, str]]()
    for path, page in pages.items():
        for why, pair in _pairs_of(path, page, pages):
            if pair in seen:
                why = "repeated"
            elif pair:
                seen.add(pair)
                pairs.append(pair)
            counts[why] += 1
    pairs.counts = counts
    return pairs


def _pairs_of(path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """For each link of a page why it gives no pair, or that it does, and the pair."""
    for address, text in page.links:
        parts = urlsplit(address)
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        to = pages.get(target) or pages.get(target / "index.html")
        if parts.scheme or parts.netloc or to is None:
            yield "leads out of the folder", None
            continue
        place = unquote(parts.fragment)
        if place and place not in to.places:
            yield "leads to a place that is not there", None
            continue
        anchor = " ".join(text.strip("¶#").split())
        passage = " ".join(to.words[to.places.get(place, 0) :][:MAX_PAGE_WORDS])
        if passage.lower().startswith(anchor.lower()):  # a heading that says the same would teach copying
            passage = passage[len(anchor) :].lstrip(" .:;,-–—")
        if not MIN_ANCHOR_WORDS <= len(anchor.split()) <= MAX_ANCHOR_WORDS or SAYS_NOTHING.fullmatch(anchor):
            yield "with words that say nothing", None
        elif len(passage.split()) < MIN_PASSAGE_WORDS:
            yield f"to fewer than {MIN_PASSAGE_WORDS} words", None
        else:
            yield "gave a pair", (anchor, passage)


def _read(path: Path) -> _Page | None:
    """A page; None for another kind of file, or one that is too large or not UTF-8."""
    if path.suffix.lower() not in (".html", ".htm"):
        return None
    with path.open("rb") as file:
        raw = file.read(MAX_LINE)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if len(raw) == MAX_LINE:
        return None
    page = _Page()
    page.feed(text)
    page.close()
    return page
