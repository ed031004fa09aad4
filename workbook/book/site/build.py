"""Write the site: chapters, glossary, search, reference, claims and the documents behind them, into one folder."""

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePosixPath

from workbook.book.environment import ROOT
from workbook.book.learner import NOTEBOOKS
from workbook.book.site.chapter import Built, Chapter, build_chapter, read_chapter
from workbook.book.site.glossary import Term, glossary, popups
from workbook.book.site.markdown import Linked, to_html, with_own_ids
from workbook.book.site.page import BOOK, Entry, page
from workbook.book.site.search import Section, as_script, sections_of
from workbook.book.site.vectors import vectors_script
from workbook.support.files import replace_folder

ASSETS = Path(__file__).parent / "assets"
DOCS = ("your_texts", "data", "cluster", "architecture", "api")  # of docs/, in the order of the table of contents
CHAPTERS, BEHIND = "Chapters", "Behind the chapters"
MARK = "search-data.js"  # a folder that holds it is a site, and may be replaced by one
VECTORS = "vectors-data.js"
SEARCHES = [MARK, VECTORS, "assets/bm25.js", "assets/vectors.js", "assets/search.js"]
LINK = re.compile(r"(?P<path>[^#]*)(?P<place>#.*)?")


def build_site(folder: Path, numbers: Sequence[str] = (), plotly: Path | None = None) -> list[Path]:
    """Write the site into a folder, whole or not at all, over one that is there.

    Args:
        folder: it is made when it is missing.
        numbers: of the chapters; all that are stored by default.
        plotly: a smaller bundle of plotly.js with scatter, bar and heatmap; the whole one of the Python package by default.
    Returns:
        the pages.
    Raises:
        FileExistsError: the folder holds something else.
        FormulaError: a formula uses something that is not known yet.
    """
    chapters = [
        read_chapter(path)
        for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
        if not numbers or path.name[:2] in numbers
    ]
    entries = _entries(chapters)
    with replace_folder(folder, MARK) as new:
        sections = [*_write_chapters(new, chapters, entries), *_write_pages_behind(new, chapters, entries)]
        _write(new / MARK, as_script(sections))
        _write(new / VECTORS, vectors_script())
        for asset in sorted(ASSETS.iterdir()):
            _write(new / "assets" / asset.name, asset.read_bytes())
        _write(new / "assets/plotly.min.js", (plotly or _plotly()).read_bytes())
        _write(new / "house.svg", (ROOT / "docs/house.svg").read_bytes())
    return [folder / entry.name for entry in entries]


def _write_chapters(folder: Path, chapters: Sequence[Chapter], entries: Sequence[Entry]) -> list[Section]:
    """Each chapter with pop-ups for the terms of those before it."""
    terms: list[Term] = []
    sections: list[Section] = []
    for chapter, entry in zip(chapters, entries[1 : 1 + len(chapters)], strict=True):
        built = build_chapter(chapter, _linked(entries, "notebooks"), terms)
        scripts = [f"figures/{chapter.number}.js", "assets/figures.js"]
        _write(
            folder / chapter.name,
            page(built.html, entry, entries, scripts, popups([*chapter.terms, *terms], built.marked)),
        )
        _write_figures(folder / "figures", chapter.number, built)
        sections += sections_of(chapter.name, chapter.title, built.html)
        known = {term.id for term in terms}
        terms += [term for term in chapter.terms if term.id not in known]
    return sections


def _write_pages_behind(folder: Path, chapters: Sequence[Chapter], entries: Sequence[Entry]) -> list[Section]:
    """The pages that are no chapter; those behind the chapters can be found."""
    insides = {
        "index.html": _index(chapters),
        "glossary.html": glossary(term for chapter in chapters for term in chapter.terms),
        "claims.html": _claims(),
        "search.html": SEARCH,
        **{f"{name}.html": _document(name, entries) for name in DOCS},
    }
    sections: list[Section] = []
    for entry in entries:
        if entry.name in insides:
            scripts = SEARCHES if entry.name == "search.html" else []
            _write(folder / entry.name, page(insides[entry.name], entry, entries, scripts))
            sections += sections_of(entry.name, entry.title, insides[entry.name]) if entry.group == BEHIND else []
    return sections


def _entries(chapters: Sequence[Chapter]) -> list[Entry]:
    """All pages in the order of the table of contents."""
    documents = [Entry(f"{name}.html", _title(name), BEHIND) for name in DOCS]
    return [
        Entry("index.html", BOOK),
        *(Entry(chapter.name, chapter.title, CHAPTERS) for chapter in chapters),
        Entry("glossary.html", "Glossary", BEHIND),
        Entry("claims.html", "The claims board", BEHIND),
        *documents,
        Entry("search.html", "Search"),
    ]


def _title(document: str) -> str:
    return (ROOT / f"docs/{document}.md").read_text("utf-8").split("\n", 1)[0].removeprefix("# ")


def _linked(entries: Sequence[Entry], folder: str) -> Linked:
    """Where a link of a text leads that stands in a folder of the repository: to a page of the site, or nowhere."""
    names = {entry.name for entry in entries}

    def linked(link: str) -> str | None:
        if re.match(r"https?:|#", link):
            return link
        match = LINK.fullmatch(link)
        path = PurePosixPath(folder) / (match["path"] if match else link)
        name = path.name if path.suffix == ".svg" else f"{path.stem}.html"
        return f"{name}{match['place'] or ''}" if match and (name in names or name == "house.svg") else None

    return linked


def _document(name: str, entries: Sequence[Entry]) -> str:
    return with_own_ids(
        to_html((ROOT / f"docs/{name}.md").read_text("utf-8"), _linked(entries, "docs"), formulas=False)
    )


def _claims() -> str:
    from workbook.claims import CLAIMS
    from workbook.claims.page import board_parts

    style, board = board_parts(CLAIMS.values())
    board = board.replace("<h1>", '<h1 id="claims">', 1)
    # The place of a claim is its heading, as on every page.
    board = re.sub(r' (id="claim-\d+")>\s*<h2>', r"><h2 \1>", board)
    return f'<style>#main {{\n{style}\n}}</style>\n<div class="claims">{board}</div>'


def _index(chapters: Sequence[Chapter]) -> str:
    rows = "\n".join(_chapter_row(chapter) for chapter in chapters)
    return f"""<h1 id="book">{BOOK}</h1>
<p class="lead">How text-embedding models are trained and used: every idea built from scratch, tried on real text, and measured.</p>
<p>These pages are for reading, and for showing to a room. Figures move, questions answer, and the search is the one that
chapter 03 builds. To write the code yourself and have it checked, run <code>make lab</code> in the workbook's folder.</p>
<ol class="chapters">
{rows}
</ol>
<h2 id="links-for-a-room">Links for a room</h2>
<p>The address keeps what a figure shows. Move its control, and copy the address: whoever opens it sees the same scene.</p>"""


def _chapter_row(chapter: Chapter) -> str:
    number, _, title = chapter.title.partition(" · ")
    minutes = f"{chapter.minutes} minutes" if chapter.minutes else ""
    return (
        f'<li><a href="{chapter.name}"><span class="number">{number}</span><span>{escape(title)}</span></a> '
        f'<small>{minutes}<span class="answered" data-chapter="{chapter.number}" data-count="{chapter.questions}"></span></small></li>'
    )


SEARCH = """<h1 id="search">Search</h1>
<form class="ask"><label for="asked">What are you looking for?</label>
<input type="search" id="asked" name="q" autocomplete="off"></form>
<noscript><p>The search needs scripts. The table of contents and the glossary do without.</p></noscript>
<p class="count" role="status"></p>
<div class="results"></div>
"""


def _write_figures(folder: Path, number: str, built: Built) -> None:
    """The pictures of a chapter, and its figures as a script that adds them to a variable."""
    for id, picture in built.pictures.items():
        _write(folder / f"{id}.jpg", picture)
    rows = ",\n".join(
        f"{json.dumps(id)}: {json.dumps(spec, ensure_ascii=False, separators=(',', ':'))}"
        for id, spec in built.figures.items()
    )
    _write(folder / f"{number}.js", f"window.workbookFigures = {{\n{rows}\n}};\n")


def _plotly() -> Path:
    import plotly

    return Path(plotly.__file__).parent / "package_data/plotly.min.js"


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
