"""What a reader touches, in JupyterLab: figures to explore, questions, help and the search box of chapter 00; and what is
left of it when the page is loaded again.
"""

import itertools
import json
import re

import pytest

from tests.browser.test_stored_figures import (
    EVERY_PAIR,
    PLOTLY_JS,
    STATE,
    annotations_and_shapes,
    more_and_fewer_traces,
)
from tests.helpers.lab import jupyterlab, notebook, open_notebook, page, require_chromium, run_all, wait_until_idle
from workbook.book.environment import ROOT
from workbook.figures.plain import spec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3600)]

FIGURES = """from tests.browser.test_stored_figures import annotations_and_shapes, more_and_fewer_traces
from workbook.figures import explore
explore(more_and_fewer_traces, alt="Bars and lines.", i=[0, 1, 2])
explore(annotations_and_shapes, alt="Notes.", play=True, i=[0, 1, 2])"""

SEARCH = """from workbook import data
from workbook.bm25 import BM25
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.figures.search import side_by_side
docs = data.load("toy")
tokenizer = train_tokenizer(list(docs.corpus.values()), vocab_size=2000)
encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 64))
vectors = encoder.encode_document(list(docs.corpus.values()))
side_by_side(docs, BM25().index(docs.corpus), encoder, vectors, ["diabetes"])"""

ASKED = """from workbook.exercises import check, predict
predict("02.p1")
mean_pool = check("02.1", lambda hidden, mask: hidden.mean(dim=1))"""

# What a live figure and a fresh draw must share; the rest differs with the front end's settings.
LAYOUT = ("title", "xaxis", "yaxis", "annotations", "shapes", "barmode", "legend", "width", "height")


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    require_chromium()
    folder = tmp_path_factory.mktemp("widgets")
    (folder / "lab").mkdir()
    (folder / "lab/touch.ipynb").write_text(notebook(FIGURES, SEARCH, ASKED))
    with jupyterlab(folder / "lab", folder / "jupyter", PYTHONPATH=str(ROOT)) as address, page() as view:
        open_notebook(view, address, "touch.ipynb")
        run_all(view, timeout=1800)
        view.wait_for_selector(".workbook-live .js-plotly-plot .main-svg >> nth=1", timeout=300_000)
        yield view


def drawn(view, figure):
    state = json.loads(view.evaluate(f"figure => ({STATE})(figure)", figure))
    return {"data": state["data"], "layout": {name: state["layout"].get(name) for name in LAYOUT}}


@pytest.mark.parametrize(("place", "function"), [(0, more_and_fewer_traces), (1, annotations_and_shapes)])
def test_a_live_figure_looks_like_a_fresh_draw_whatever_was_there_before(view, place, function):
    fresh = []
    blank = view.context.browser.new_page()
    blank.set_content('<div id="fresh"></div>')
    blank.add_script_tag(path=str(PLOTLY_JS))
    for value in range(3):
        blank.evaluate("async fig => { await Plotly.newPlot('fresh', fig); }", spec(function(value)))
        fresh.append(drawn(blank, blank.query_selector("#fresh")))
    blank.close()
    live = view.locator(".workbook-live .js-plotly-plot").nth(place)
    handle = view.locator(".workbook-live .widget-slider .noUi-handle").nth(place)
    handle.scroll_into_view_if_needed()
    for before, value in itertools.pairwise(EVERY_PAIR):
        for _ in range(abs(value - before)):
            handle.press("ArrowRight" if value > before else "ArrowLeft")
        for _ in range(100):
            if (state := drawn(view, live.element_handle())) == fresh[value]:
                break
            view.wait_for_timeout(100)
        assert state == fresh[value]


def test_the_alternative_text_unfolds_below_a_live_figure(view):
    told = view.get_by_text("Bars and lines.", exact=True)
    assert not told.is_visible()
    view.get_by_text("What to notice").first.click()
    assert told.is_visible()


def test_a_reader_searches_with_both_systems(view):
    box = view.locator(".widget-text input")
    box.scroll_into_view_if_needed()
    results = view.locator(".jp-OutputArea table").last
    assert box.input_value() == "diabetes"
    assert "keyword search" in results.inner_text()
    assert "diabetes" in results.inner_text().lower()
    box.fill("heart attack")
    box.press("Enter")
    results.filter(has_text="eart").wait_for(timeout=200_000)
    words, dense = (results.locator("td").nth(i).locator("p").count() for i in (0, 1))
    assert words >= 1
    assert dense == 4
    nothing = results.filter(has_text="no passage holds any of these words")
    for _ in range(
        20
    ):  # the kernel's echo of the last query may be put in place of the next one: then it is typed again
        wait_until_idle(view)
        box.fill("zzzz")
        view.get_by_role("button", name="Search").click()
        view.wait_for_timeout(2_000)
        wait_until_idle(view)
        if nothing.is_visible():
            break
    assert nothing.is_visible()


def test_a_wrong_answer_is_helped_below(view):
    view.get_by_role("button", name="Hint").click()
    view.get_by_text("Hint 1 of 3").wait_for(timeout=60_000)


def test_the_stored_figure_steps_back_while_the_live_one_is_there(view):
    assert view.locator(".jp-RenderedPlotly").count() == 2
    assert not any(view.locator(".jp-RenderedPlotly").nth(i).is_visible() for i in range(2))
    assert view.locator(".workbook-live .js-plotly-plot").first.is_visible()


def test_a_figure_follows_the_theme(view):
    def ink_and_paper():
        return view.evaluate(
            """() => { const plot = document.querySelector('.workbook-live .js-plotly-plot');
            return [getComputedStyle(plot.querySelector('.xtick text')).fill,
                    getComputedStyle(plot.querySelector('.main-svg')).backgroundColor]; }"""
        )

    assert ink_and_paper() == ["rgb(34, 34, 34)", "rgb(255, 255, 255)"]
    for theme, dark in (("JupyterLab Dark", "true"), ("JupyterLab Light", "false")):
        view.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        view.wait_for_function(f"() => (document.body.dataset.jpThemeLight === 'false') === {dark}", timeout=60_000)
        view.wait_for_timeout(500)
        if dark == "true":
            ink, paper = ink_and_paper()
            assert min(map(int, re.findall(r"\d+", ink)[:3])) > 200
            assert paper == "rgba(0, 0, 0, 0)"
    assert ink_and_paper() == ["rgb(34, 34, 34)", "rgb(255, 255, 255)"]


def test_the_console_holds_no_error(view):
    assert [error for error in view.errors if "favicon" not in error] == []


def reloaded(view):
    name = view.url.split("/lab/tree/")
    view.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    open_notebook(view, name[0], name[1].split("?")[0])


def test_a_page_that_is_loaded_again_shows_the_figure_of_its_slider(view):
    reloaded(view)
    live = view.locator(".workbook-live .js-plotly-plot").first
    live.wait_for(timeout=300_000)
    handle = view.locator(".workbook-live .widget-slider .noUi-handle").first
    value = int(float(handle.get_attribute("aria-valuenow")))
    expected = spec(more_and_fewer_traces(value))["data"]
    view.wait_for_function(
        "n => document.querySelector('.workbook-live .js-plotly-plot')._fullData.length >= n", arg=len(expected)
    )
    shown = [trace["y"] for trace in json.loads(view.evaluate(f"gd => ({STATE})(gd)", live.element_handle()))["data"]]
    assert shown == [trace["y"] for trace in expected]


def test_without_a_kernel_the_stored_figure_is_left_and_no_error(view):
    view.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    reloaded(view)
    view.get_by_text("Error displaying widget").first.wait_for(state="attached", timeout=300_000)
    plots = view.locator(".jp-RenderedPlotly")
    assert plots.count() == 2
    assert all(plots.nth(i).is_visible() for i in range(2))
    plots.first.hover()  # plotly in JupyterLab shows a picture that it has kept until the reader comes near
    plots.first.locator(".slider-container").wait_for(timeout=60_000)
    errors = view.get_by_text("Error displaying widget")
    assert not any(errors.nth(i).is_visible() for i in range(errors.count()))
    assert view.locator(".workbook-stored details").first.is_visible()


def test_the_stored_picture_is_dark_on_a_dark_page(view):
    view.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    view.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'", timeout=60_000)
    filters = view.evaluate("() => [...document.querySelectorAll('.plot-img')].map(e => getComputedStyle(e).filter)")
    assert filters
    assert all("invert(0.93)" in turned for turned in filters)
    view.evaluate(
        "() => document.querySelectorAll('details').forEach(e => e.parentElement.classList.add('workbook-grid'))"
    )
    dimmed = view.evaluate("() => [...document.querySelectorAll('.plot-img')].map(e => getComputedStyle(e).filter)")
    assert all("brightness(0.85)" in filter for filter in dimmed)
