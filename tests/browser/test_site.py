"""The site in a browser, opened from the disk with everything else out of reach: it moves, searches, asks, remembers."""

import json

import numpy as np
import pytest

from tests.helpers.lab import page, require_chromium
from workbook.bm25 import BM25
from workbook.book.site import build_site
from workbook.book.site.vectors import as_bytes, words_of_base
from workbook.encoder import load
from workbook.support.words import words

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

WAIT = 600_000  # milliseconds
QUERIES = (
    "temperature of the softmax",
    "mean_pool",
    "Jaccard index",
    "What is a hard negative?",
    "the the",
    "zzz",
    "Größe, naïve 5 %",
)
ODD_TEXTS = ("Ünïcode ﬁ ＡＢ x_y 3.14", "the cat's naïve_tokenizer-test", "ΑΣ ΟΔΟΣ", "a b  c\tdd", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    build_site(folder, ["04", "12"])
    return folder


@pytest.fixture(scope="module")
def view(folder):
    require_chromium()
    with page(1200, 900) as view:
        view.set_default_timeout(WAIT)
        view.unroute("**/*")
        view.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
        yield view


def go(view, folder, address):
    view.goto("about:blank")  # the same page with another place would not be loaded anew
    view.goto(f"{folder.as_uri()}/{address}")


def drawn(view, id):
    """The title of a figure as plotly has drawn it, and the heights of its bars or points."""
    view.wait_for_selector(f"#{id}.drawn")
    return view.evaluate(f"""() => {{
      const gd = document.querySelector('#{id} .live');
      return [gd._fullLayout.title.text, JSON.stringify(gd._fullData.map(trace => Array.from(trace.y || [])))];
    }}""")


def test_a_slider_moves_the_figure_and_the_address(view, folder):
    go(view, folder, "04_infonce.html#fig-04-4")
    before = drawn(view, "fig-04-4")
    slider = view.locator("#fig-04-4 input[type=range]")
    slider.focus()
    slider.press("ArrowRight")
    view.wait_for_function("t => document.querySelector('#fig-04-4 .live')._fullLayout.title.text !== t", arg=before[0])
    after = drawn(view, "fig-04-4")
    assert before[0].startswith("temperature 1")
    assert after[0].startswith("temperature 0.3")
    assert after[1] != before[1]
    assert view.evaluate("location.hash") == "#fig-04-4?temperature=0.3"
    assert slider.get_attribute("aria-valuetext") == "0.3"
    go(view, folder, "04_infonce.html#fig-04-4?temperature=0.3")  # a presenter's link shows the same scene
    view.wait_for_function(
        "document.querySelector('#fig-04-4 .live')?._fullLayout?.title.text.startsWith('temperature 0.3')"
    )
    assert drawn(view, "fig-04-4") == after


def test_a_figure_that_plays_is_moved_by_hand_as_well(view, folder):
    go(view, folder, "04_infonce.html#fig-04-2?step=20")
    view.wait_for_function("document.querySelector('#fig-04-2 .live')?._fullLayout?.title.text === 'after 20 steps'")
    assert view.locator("#fig-04-2 button.play").count() == 1


def test_names_are_buttons(view, folder):
    go(view, folder, "12_training_data.html")
    figure = view.locator("figure:has(.still[alt])").filter(has=view.locator("figcaption")).nth(3)
    id = figure.get_attribute("id")
    figure.scroll_into_view_if_needed()
    before = drawn(view, id)
    figure.get_by_label("planted").check(force=True)
    view.wait_for_function(f"t => document.querySelector('#{id} .live')._fullLayout.title.text !== t", arg=before[0])
    assert view.evaluate("location.hash") == f"#{id}?collection=planted"


def test_the_search_is_our_bm25(view, folder):
    go(view, folder, "search.html?q=Jaccard")
    assert "12" in view.locator(".results li a").first.inner_text()
    sections = view.evaluate("workbookSections.map(s => `${s.title} ${s.text}`)")
    ours = BM25().index({str(i): text for i, text in enumerate(sections)})
    theirs = view.evaluate(
        "([texts, queries]) => { const i = new BM25(texts); return queries.map(q => [...i.scores(q)]); }",
        [sections, QUERIES],
    )
    for query, scores in zip(QUERIES, theirs, strict=True):
        np.testing.assert_allclose(scores, ours.scores(query), rtol=0, atol=1e-12)
    best = view.evaluate("([texts, q]) => new BM25(texts).search(q, 10).map(([i]) => i)", [sections, QUERIES[0]])
    assert [str(i) for i in best] == [*ours.search({"q": QUERIES[0]}, k=10)["q"]]
    texts = [*sections[:40], *ODD_TEXTS]
    assert view.evaluate("texts => texts.map(words)", texts) == [words(text) for text in texts]


def test_the_search_by_vectors_is_a_mean_of_the_shipped_ones(view, folder):
    go(view, folder, "search.html")
    texts = [*view.evaluate("workbookSections.slice(0, 60).map(s => s.text.slice(0, 600))"), *ODD_TEXTS[:4]]
    tokenizer = load("base").tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    told = """([texts, query]) => {
      const v = new WordVectors(workbookVectors, texts);
      return [texts.map(t => v.ids(t)), [...v.scores(query)]];
    }"""
    theirs, cosines = view.evaluate(told, [texts, texts[0]])
    assert theirs == ids
    table, scale = as_bytes(words_of_base()[1])
    n = np.zeros(len(table))
    for row in ids:
        n[list(set(row))] += 1
    weighted = table * scale[:, None] * np.log(1 + len(texts) / (1 + n))[:, None]
    means = np.array([weighted[row].sum(axis=0) for row in ids])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(cosines, means @ means[0], atol=1e-5)


def test_a_quiz_answers_each_choice_and_remembers(view, folder):
    go(view, folder, "04_infonce.html")
    quiz = view.locator('form[data-question="04.q1"]')
    wrong, right = quiz.locator(".choice").nth(0), quiz.locator(".choice").nth(1)
    wrong.locator("input").focus()
    wrong.locator("input").press("Space")
    assert "the softmax would be flat" in wrong.locator(".told").inner_text()
    assert not right.locator(".told").is_visible()
    wrong.locator("input").press("ArrowDown")
    assert "✓ Right." in right.locator(".told").inner_text()
    go(view, folder, "04_infonce.html")
    assert right.locator("input").is_checked()
    go(view, folder, "index.html")
    assert "1 of" in view.locator('.answered[data-chapter="04"]').inner_text()


def test_the_keyboard_alone_is_enough(view, folder):
    go(view, folder, "12_training_data.html")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.className") == "skip"
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "main"
    term = view.locator("button.term").first
    term.focus()
    term.press("Enter")
    assert view.locator(".popup:popover-open").count() == 1
    view.keyboard.press("Escape")
    assert view.locator(".popup:popover-open").count() == 0
    reached = "() => [...document.querySelectorAll('pre, .scroll')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0).length"
    assert view.evaluate(reached) == 0


def test_light_and_dark_are_kept(view, folder):
    go(view, folder, "index.html")
    paper = "getComputedStyle(document.body).backgroundColor"
    before = view.evaluate(paper)
    view.locator("button.theme").click()
    after = view.evaluate(paper)
    assert before != after
    go(view, folder, "glossary.html")
    assert view.evaluate(paper) == after
    view.locator("button.theme").click()


def test_no_page_is_wider_than_its_window(view, folder):
    wide = []
    for path in sorted(folder.glob("*.html")):
        go(view, folder, path.name)
        for width in (360, 1920):
            view.set_viewport_size({"width": width, "height": 800})
            if view.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append((path.name, width))
    view.set_viewport_size({"width": 1200, "height": 900})
    assert wide == []


def test_without_a_script_everything_is_there_to_read(view, folder):
    context = view.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{folder.as_uri()}/04_infonce.html", timeout=WAIT)
    assert plain.locator("#fig-04-4 .still").is_visible()
    choice = plain.locator('form[data-question="04.q1"] .choice').first
    choice.locator("input").check(timeout=WAIT)
    assert choice.locator(".told").is_visible()
    context.close()


def test_the_console_holds_no_error(view):
    assert view.errors == [], json.dumps(view.errors, indent=1)
