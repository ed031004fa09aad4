"""What stands around the inside of every page: head, bar, table of contents, previous and next."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from workbook.support.page import DARK_FIGURES

BOOK = "The Embedding Workbook"
# Before the first paint, so that a dark page does not begin white. What a reader chose goes before the system's wish.
THEME = """<script>
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("workbook-theme"); } catch (error) { /* a browser may forbid it for files */ }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.jpThemeLight = String(!dark);
  document.documentElement.classList.add("scripted");
})();
</script>"""


@dataclass(frozen=True)
class Entry:
    """A page in the table of contents."""

    name: str
    title: str
    group: str = ""  # "chapters", or the pages behind them


def page(inside: str, here: Entry, entries: Sequence[Entry], scripts: Sequence[str] = (), after: str = "") -> str:
    """A whole page.

    Args:
        inside: of its main part.
        here: its own entry.
        entries: all pages, in their order.
        scripts: files of `assets`, besides the book's own.
        after: what stands behind the main part, such as pop-ups.
    """
    title = BOOK if here.name == "index.html" else f"{_plain(here.title)} · {BOOK}"
    files = "\n".join(f'<script src="{name}" defer></script>' for name in ("assets/book.js", *scripts))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
{THEME}
<link rel="stylesheet" href="assets/book.css">
<style>{DARK_FIGURES}</style>
{files}
</head>
<body>
<a class="skip" href="#main">To the text</a>
<header class="bar">
<button class="menu" type="button" popovertarget="contents">Contents</button>
<a class="home" href="index.html"><span>The Embedding </span>Workbook</a>
<form class="find" action="search.html" role="search"><input type="search" name="q" aria-label="Search the book" placeholder="Search"></form>
<button class="theme" type="button" hidden>Dark</button>
</header>
<div class="columns">
<nav id="contents" popover aria-label="Contents">
{_contents(here, entries, inside)}
</nav>
<main id="main" tabindex="-1">
{inside}
{_neighbours(here, entries)}
</main>
</div>
{after}
</body>
</html>
"""


def _contents(here: Entry, entries: Sequence[Entry], inside: str) -> str:
    """All pages; below the page itself its sections."""
    lists = []
    for group in dict.fromkeys(entry.group for entry in entries if entry.group):
        rows = "\n".join(_row(entry, here, inside) for entry in entries if entry.group == group)
        lists.append(f"<p>{group}</p>\n<ul>\n{rows}\n</ul>")
    return "\n".join(lists)


def _row(entry: Entry, here: Entry, inside: str) -> str:
    if entry.name != here.name:
        return f'<li><a href="{entry.name}">{escape(_plain(entry.title))}</a></li>'
    headings = re.findall(r'<h2 id="([^"]+)">(.*?)\s*(?:<a class="anchor"|</h2>)', inside, re.DOTALL)
    sections = "".join(f'<li><a href="#{id}">{heading}</a></li>' for id, heading in headings)
    inner = f"<ul>{sections}</ul>" if 0 < len(headings) < 60 else ""
    return f'<li><a href="{entry.name}" aria-current="page">{escape(_plain(entry.title))}</a>{inner}</li>'


def _neighbours(here: Entry, entries: Sequence[Entry]) -> str:
    """Links to the page before and the page after, among those of the same group."""
    row = [entry for entry in entries if entry.group and entry.group == here.group]
    if here not in row:
        return ""
    at = row.index(here)
    links = []
    if at:
        links.append(
            f'<a rel="prev" href="{row[at - 1].name}"><small>Previous</small> {escape(_plain(row[at - 1].title))}</a>'
        )
    if at + 1 < len(row):
        links.append(
            f'<a rel="next" href="{row[at + 1].name}"><small>Next</small> {escape(_plain(row[at + 1].title))}</a>'
        )
    return f'<nav class="neighbours" aria-label="Previous and next">{"".join(links)}</nav>'


def _plain(title: str) -> str:
    return title.replace("`", "")
