"""The site: its links lead somewhere, its pages are light, its pictures are told in words, its colours can be read."""

import json
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from workbook.__main__ import main
from workbook.book.pictures import PLOTLY
from workbook.book.site import build_site
from workbook.book.site.build import ASSETS
from workbook.book.site.chapter import build_chapter, read_chapter
from workbook.book.site.formulas import FormulaError, mathml
from workbook.book.site.glossary import mark_terms, pointed_to, terms_of
from workbook.book.site.markdown import to_html, to_text
from workbook.book.site.questions import form, only_asks, questions_of
from workbook.book.site.search import sections_of
from workbook.book.site.vectors import as_bytes

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1_000_000


class Page(HTMLParser):
    """What a page links to, loads, and names."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.loaded, self.ids, self.tags = path, [], [], [], Counter()
        self.images, self.controls, self.popovers = [], [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags[tag] += 1
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" and "href" in values else []
        self.loaded += [
            values[name] for name in ("src", "href") if tag in ("script", "link", "img") and values.get(name)
        ]
        self.images += [values] if tag == "img" else []
        self.controls += [values] if tag == "script" else []
        self.popovers += [values["popovertarget"]] if "popovertarget" in values else []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    build_site(folder)
    return {path.name: Page(path) for path in sorted(folder.glob("*.html"))}


def folder_of(site):
    return next(iter(site.values())).path.parent


def test_every_chapter_has_a_page(site):
    stored = {f"{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert stored <= site.keys()
    assert {"index.html", "search.html", "glossary.html", "claims.html", "api.html"} <= site.keys()


def test_no_link_is_dead_or_leaves_the_folder(site):
    dead = []
    for name, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("http", "https"), f"{name}: {link}"
                continue
            target = unquote(parts.path) or name
            place = unquote(parts.fragment)
            if target not in site or (place and place not in site[target].ids):
                dead.append(f"{name}: {link}")
    assert not dead


def test_what_a_page_loads_lies_beside_it(site):
    for name, page in site.items():
        for source in page.loaded:
            assert not urlsplit(source).scheme, f"{name} loads {source}"
            assert (page.path.parent / source).is_file(), f"{name} loads {source}"


def test_scripts_are_classic_ones_that_a_page_from_the_disk_may_run(site):
    assert all("type" not in script for page in site.values() for script in page.controls)
    for path in ASSETS.glob("*.js"):
        code = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert not re.search(r"\b(fetch|import|export|Worker|XMLHttpRequest|eval)\b\s*[({]?", code), path.name
        assert "http:" not in code
        assert "https:" not in code
    assert "url(" not in (ASSETS / "book.css").read_text("utf-8")


def test_the_site_is_light(site):
    folder = folder_of(site)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 30 * MEGABYTE
    for name, page in site.items():
        assert page.path.stat().st_size < 1.5 * MEGABYTE, name


def test_every_picture_is_there_and_told_in_words(site):
    for name, page in site.items():
        assert page.tags["figure"] == sum("still" in image.get("class", "") for image in page.images)
        for image in page.images:
            assert len(image.get("alt", "")) > 20, f"{name}: {image}"
            assert (page.path.parent / image["src"]).stat().st_size > 200


def test_a_page_has_one_title_and_each_name_once(site):
    for name, page in site.items():
        assert page.tags["h1"] == 1, name
        assert [id for id, count in Counter(page.ids).items() if count > 1] == [], name
        assert set(page.popovers) <= set(page.ids), name


def test_what_the_search_finds_is_there(site):
    folder = folder_of(site)
    found = re.findall(r'^\{"page": "([^"]+)", "id": "([^"]+)"', (folder / "search-data.js").read_text("utf-8"), re.M)
    assert len(found) > 300
    assert all(id in site[page].ids for page, id in found)


def test_a_solution_is_folded_and_the_stub_is_not(site):
    html = site["12_training_data.html"].path.read_text("utf-8")
    shown = to_text(re.sub(r"<details><summary>Solution.*?</details>", "", html, flags=re.DOTALL))
    assert "rank <= k" in to_text(html)
    assert "rank <= k" not in shown
    assert "raise NotImplementedError" in shown
    assert "BEGIN SOLUTION" not in html
    assert html.count("<summary>Hint 3") == html.count("<summary>Solution")


def test_what_goes_further_is_folded(site):
    html = site["12_training_data.html"].path.read_text("utf-8")
    assert html.count('<details class="further">') == html.count('h2 id="further')


def test_each_choice_has_its_own_explanation():
    (question,) = questions_of('predict("04.p1")')
    html = form(question)
    assert html.count('type="radio"') == html.count('class="told"') == len(question.choices)
    assert html.count('class="choice correct"') == 1
    assert all(to_text(to_html(choice.explanation)) in to_text(html) for choice in question.choices)
    assert "Noted" in html
    assert len(questions_of('quiz("12")\nquiz("03.q2", "09.q1")')) > 3
    assert questions_of("x = 1\nprint(x)") == []


def test_a_cell_that_only_asks_is_not_shown_and_imports_are():
    assert only_asks('from workbook.exercises import predict\n\npredict("04.p1")')
    assert not only_asks('import torch\n\npredict("04.p1")')
    assert not only_asks("x = 1")
    assert not only_asks("")


def test_a_figure_without_a_picture_is_told_in_words(tmp_path):
    spec = {"data": [{"type": "bar"}], "layout": {"height": 300}}
    output = {
        "output_type": "display_data",
        "data": {PLOTLY: spec, "text/plain": "Figure: two bars\nWhat to notice: one"},
    }
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# 04 · A chapter"},
        {"cell_type": "code", "metadata": {}, "source": "show(bars)", "outputs": [output]},
    ]
    (tmp_path / "04_x.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
    built = build_chapter(read_chapter(tmp_path / "04_x.ipynb"), lambda link: link, [])
    assert '<p class="still">two bars</p>' in built.html
    assert built.pictures == {}
    assert built.figures == {"04-1": spec}


def test_a_formula_becomes_mathml_and_keeps_its_tex_for_who_cannot_see_it():
    made = mathml(r"\text{loss} = \frac{1}{B} \sum_i x_i^2", display=True)
    assert 'display="block"' in made
    assert 'alttext="\\text{loss}' in made
    assert {"mfrac", "msubsup", "mtext"} <= set(re.findall(r"<(\w+)", made))


@pytest.mark.parametrize("tex", [r"\unheard{x}", r"\frac{a", "a}", r"x^", r"\text{a", r"\left( x"])
def test_a_formula_that_cannot_be_drawn_is_refused(tex):
    with pytest.raises(FormulaError):
        mathml(tex)


def test_every_formula_of_the_sources_can_be_drawn():
    for path in (ROOT / "notebooks/source").rglob("*.py"):
        text = "\n".join(line[2:] for line in path.read_text("utf-8").splitlines() if line.startswith("# "))
        for display, inline in re.findall(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$", text, re.DOTALL):
            assert mathml(display or inline).startswith("<math")


def test_markdown_keeps_formulas_tables_and_code():
    html = to_html("Cost $a_i$, 5 $ and 6 $.\n\n| a | b |\n|---|--:|\n| 1 | `x` |\n\n```python\nx = 1\n```")
    assert html.count("<math") == 1
    assert 'tabindex="0"><table>' in html
    assert '<td class="right"><code>x</code></td>' in html
    assert '<span class="mi">1</span>' in html


def test_a_link_that_would_leave_the_site_becomes_its_text():
    html = to_html("[**bold** one](../gone.md), [two](here.html)", lambda link: None if "gone" in link else link)
    assert to_text(html) == "bold one, two"
    assert html.count("<a ") == 1


TEXTS = [
    "# 04 · What?\n\nThe loss is strange.",
    "## The idea\n\nTwo sentences. A **loss landscape** is what the weights see. It is large.",
    "## Recap\n\n**New terms:** loss landscape · nowhere told · scale.\n\nA scale counts.",
]


def test_a_term_has_the_sentence_that_introduces_it():
    terms = terms_of("04", "04.html", TEXTS)
    assert [(term.name, term.section) for term in terms] == [("loss landscape", "the-idea"), ("scale", "recap")]
    assert to_text(terms[0].sentence) == "A loss landscape is what the weights see."


def test_a_term_is_marked_once_and_only_in_plain_text():
    seen = set()
    terms = pointed_to(terms_of("04", "04.html", TEXTS))
    html = mark_terms(
        "<h2>loss landscape</h2><p>A <code>loss landscape</code>, a Loss landscape, a loss landscape, a scale.",
        terms,
        seen,
    )
    assert html.count("<button") == 1
    assert ">Loss landscape</button>" in html
    assert seen == {"loss-landscape"}  # a scale may be anything
    assert "<button" not in mark_terms("the loss landscape", terms, seen)


def test_a_page_is_cut_into_sections_without_what_was_printed_or_hidden():
    html = (
        '<h1 id="a">A</h1><p>x</p><h2 id="b">B <a class="anchor" href="#b">§</a></h2>y<pre class="output">z</pre>'
        "<details><summary>s</summary>hidden</details>"
    )
    found = [(section.id, section.title, section.text) for section in sections_of("a.html", "A", html)]
    assert found == [("a", "A", "x"), ("b", "A › B", "y")]


def test_vectors_fit_into_bytes():
    table = np.array([[1.0, -0.5, 0.25], [0, 0, 0], [-3, 2, 1]], dtype=np.float32)
    small, scale = as_bytes(table)
    assert small.dtype == np.int8
    assert np.abs(small * scale[:, None] - table).max() <= (scale / 2).max() + 1e-7


def colours(css):
    return {name: pair for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)}


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_letters_can_be_read_in_light_and_dark():
    """WCAG's 4.5 for every colour of letters, on the page and on the paper of code."""
    known = colours((ASSETS / "book.css").read_text("utf-8"))
    letters = [name for name in known if name not in ("paper", "raised", "line", "mark")]
    assert len(letters) > 8
    for theme in (0, 1):
        for name in letters:
            for paper in ("paper", "raised"):
                assert contrast(known[name][theme], known[paper][theme]) >= 4.5, (name, paper, theme)
        assert contrast(known["ink"][theme], known["mark"][theme]) >= 4.5


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("workbook.book.environment.ensure", lambda extras: sys.executable)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    assert main(["site", "00", "--folder", str(tmp_path / "mine")]) == 1
    assert "holds other files" in capsys.readouterr().err
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"
    assert main(["site", "77"]) == 2
    assert main(["site", "--plotly", str(tmp_path / "none.js")]) == 2


def test_a_notebook_without_a_title_is_refused(tmp_path):
    (tmp_path / "04_x.ipynb").write_text(
        '{"cells": [{"cell_type": "markdown", "metadata": {}, "source": "text"}], "metadata": {}}'
    )
    with pytest.raises(ValueError, match="does not begin with a heading"):
        read_chapter(tmp_path / "04_x.ipynb")
