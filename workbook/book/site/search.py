"""What the book's search reads: every section as a text, and the vectors of the words that the base encoder knows.

The page searches with the two methods that the book teaches first: BM25 (chapter 03, `assets/bm25.js`) and the mean of word
vectors (chapters 00 and 02, `assets/vectors.js`). Both are computed in the browser; `bm25.js` is equal to `workbook.bm25`.
"""

import json
import re
from dataclasses import asdict, dataclass
from html import unescape

from workbook.book.site.markdown import to_text

# What a section prints, asks and hides is not what it says.
NOT_SAID = re.compile(
    r'<pre class="output".*?</pre>|<form.*?</form>|<details>.*?</details>|<div class="said">.*?</div>', re.DOTALL
)
SECTION = re.compile(r'<h([12]) id="([^"]+)">(.*?)\s*(?:<a class="anchor".*?)?</h\1>', re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A piece of a page that a search can find."""

    page: str
    id: str
    title: str  # the page's, and the heading's below it
    text: str


def sections_of(name: str, title: str, inside: str) -> list[Section]:
    """The sections of a page: what stands before its first heading of level two, and below each.

    Args:
        name: of the page's file.
        title: of the page.
        inside: of its main part, as HTML.
    """
    html = NOT_SAID.sub(" ", inside)
    starts = [*SECTION.finditer(html)]
    ends = [*(match.start() for match in starts), len(html)][1:]
    found = []
    for start, end in zip(starts, ends, strict=True):
        heading = unescape(to_text(start[3]))
        text = to_text(html[start.end() : end])
        whole = title if start[1] == "1" else f"{title} › {heading}"
        if text:
            found.append(Section(name, start[2], whole, text))
    return found


def as_script(sections: list[Section]) -> str:
    """The sections as a script that sets a variable: a page that was opened from the disk may not fetch a file."""
    rows = ",\n".join(json.dumps(asdict(section), ensure_ascii=False) for section in sections)
    return f"window.workbookSections = [\n{rows}\n];\n"
