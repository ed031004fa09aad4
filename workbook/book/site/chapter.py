"""A stored notebook as the inside of a page: its text, its code with what it printed, figures, questions, exercises."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from workbook.book.learner import BEGIN, derive
from workbook.book.pictures import PICTURE, PLOTLY
from workbook.book.site.glossary import Term, mark_terms, pointed_to, terms_of
from workbook.book.site.markdown import Linked, code_html, to_html, with_own_ids
from workbook.book.site.questions import form, only_asks, questions_of
from workbook.exercises.show import inline
from workbook.figures.stored import ROOM

FURTHER = "jp-MarkdownHeadingCollapsed"
EXERCISE = re.compile(r"^# Exercise (\d\d\.\d+) ", re.MULTILINE)
NEW_TERMS = re.compile(r"<p><strong>New terms:</strong>.*?</p>", re.DOTALL)
MINUTES = re.compile(r"\*\*It takes\*\* about (\d+) minutes")


@dataclass(frozen=True)
class Chapter:
    """A chapter as it is stored, with what other pages say of it."""

    number: str
    name: str  # of its page
    title: str
    minutes: str
    questions: int  # of its own, without those asked again
    cells: list[dict[str, Any]] = field(repr=False)
    stubs: list[dict[str, Any]] = field(repr=False)  # the cells of the learner's edition
    terms: list[Term] = field(repr=False)


@dataclass
class Built:
    """The inside of a chapter's page, and what stands in files beside it."""

    html: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)  # "04-2" -> a JPEG
    figures: dict[str, Any] = field(default_factory=dict)  # "04-2" -> plotly's data, layout, frames
    marked: set[str] = field(default_factory=set)  # ids of the terms that have a pop-up


def read_chapter(path: Path) -> Chapter:
    """A notebook of the complete edition.

    Raises:
        ValueError: it does not begin with a title.
    """
    notebook = json.loads(path.read_text("utf-8"))
    cells = notebook["cells"]
    texts = [_text(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    title = re.match(r"# (.+)", texts[0]) if texts else None
    if not title:
        raise ValueError(f"{path.name} does not begin with a heading of the first level")
    number, name = path.name[:2], f"{path.stem}.html"
    minutes = MINUTES.search(texts[0])
    code = [_text(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return Chapter(
        number=number,
        name=name,
        title=title[1],
        minutes=minutes[1] if minutes else "",
        questions=len(
            {question.id for text in code for question in questions_of(text) if question.id.startswith(number)}
        ),
        cells=cells,
        stubs=derive(notebook)["cells"],
        terms=terms_of(number, name, texts),
    )


def build_chapter(chapter: Chapter, linked: Linked, terms: Sequence[Term]) -> Built:
    """The inside of a chapter's page.

    Args:
        chapter: as from `read_chapter`.
        linked: where a link of its text leads on the site.
        terms: those of earlier chapters, which get a pop-up where they first stand.
    """
    built = Built()
    parts: list[str] = []
    for cell, stub in zip(chapter.cells, chapter.stubs, strict=True):
        source = _text(cell["source"])
        if cell["cell_type"] == "markdown":
            html = mark_terms(to_html(source, linked), pointed_to(terms), built.marked)
            html = NEW_TERMS.sub(lambda found: mark_terms(found[0], chapter.terms, built.marked), html)
            further = cell["metadata"].get(FURTHER)
            parts.append(html.replace("<h2 ", '<h2 class="further" ', 1) if further else html)
        else:
            parts.append(_code(source, _text(stub["source"])))
            parts.append(_outputs(cell, source, chapter.number, built))
    html = with_own_ids("\n".join(parts))
    built.html = "\n".join(map(_section, re.split(r"(?=<h2 )", html)))
    return built


def _section(html: str) -> str:
    """What stands below a heading, as a section; one that goes further is folded."""
    heading = re.match(r'<h2 (class="further" )?id="([^"]*)">(.*?)</h2>', html, re.DOTALL)
    if not heading:
        return f"<section>\n{html}\n</section>"
    rest = html[heading.end() :]
    title = f'<h2 id="{heading[2]}">{heading[3]} <a class="anchor" href="#{heading[2]}" aria-label="Link to this section">§</a></h2>'
    if heading[1]:
        return (
            f'<details class="further"><summary><h2 id="{heading[2]}">{heading[3]}</h2></summary>\n{rest}\n</details>'
        )
    return f'<section aria-labelledby="{heading[2]}">\n{title}\n{rest}\n</section>'


def _code(source: str, stub: str) -> str:
    """A code cell; of an exercise the stub, with hints and solution folded below it."""
    if not source.strip() or only_asks(source):
        return ""
    if BEGIN not in source:
        return _listing(source)
    solution = "\n".join(line for line in source.split("\n") if not line.strip().startswith("### "))
    id = EXERCISE.search(source)
    hints = "".join(
        _folded(f"Hint {n}", f"<p>{inline(hint)}</p>") for n, hint in enumerate(_hints(id[1] if id else ""), 1)
    )
    return f'<div class="exercise">\n{_listing(stub)}\n{hints}{_folded("Solution", _listing(solution))}\n</div>'


def _hints(id: str) -> Sequence[str]:
    from workbook.exercises import EXERCISES

    return EXERCISES[id].hints if id in EXERCISES else ()


def _outputs(cell: dict[str, Any], source: str, number: str, built: Built) -> str:
    asked = questions_of(source)
    parts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if PLOTLY in data:
            parts.append(_figure(data, number, built))
        elif "text/html" in data:
            html = _text(data["text/html"])
            if asked and html.startswith('<div class="workbook-stored"'):
                parts.append("\n".join(map(form, asked)))  # all questions of a cell stand in one output
            else:
                parts.append(f'<div class="said">{_with_reachable_code(html)}</div>')
        else:
            text = _text(output.get("text", data.get("text/plain", "")))
            parts.append(f'<pre class="output" tabindex="0">{escape(text.rstrip())}</pre>')
    return "\n".join(parts)


def _with_reachable_code(html: str) -> str:
    return html.replace("<pre ", '<pre tabindex="0" ')


def _figure(data: dict[str, Any], number: str, built: Built) -> str:
    """A figure as its stored picture; where scripts run, the one with its control takes the picture's place."""
    id = f"{number}-{len(built.figures) + 1}"
    alt, _, notice = _text(data["text/plain"]).removeprefix("Figure: ").partition("\nWhat to notice: ")
    spec = data[PLOTLY]
    built.figures[id] = {key: spec[key] for key in ("data", "layout", "frames") if spec.get(key)}
    still = f'<p class="still">{escape(alt)}</p>'  # a notebook that was built without Chromium has no pictures
    if PICTURE in data:
        built.pictures[id] = base64.b64decode(_text(data[PICTURE]))
        still = f'<img class="still" src="figures/{id}.jpg" alt="{escape(alt)}" loading="lazy">'
    height = (spec["layout"].get("height") or 420) - (ROOM if spec["layout"].get("sliders") else 0)
    kind = " grid" if any(trace.get("type") == "heatmap" for trace in spec["data"]) else ""
    told = f"<p>{escape(notice)}</p>" if notice else ""
    return f"""<figure class="figure{kind}" id="fig-{id}" data-height="{height}">
<div class="controls"></div>
<div class="stage">{still}</div>
<figcaption><a href="#fig-{id}">Figure {number}.{id[3:]}</a>
<details><summary>What to notice</summary><p>{escape(alt)}</p>{told}</details></figcaption>
</figure>"""


def _listing(source: str) -> str:
    return f'<pre class="code" tabindex="0"><code>{code_html(source)}</code></pre>'


def _folded(summary: str, html: str) -> str:
    return f"<details><summary>{summary}</summary>\n{html}\n</details>\n"


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)
