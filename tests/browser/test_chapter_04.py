"""A learner opens chapter 04 in JupyterLab, runs all, and moves the temperature."""

import os

import pytest

from tests.helpers.lab import jupyterlab, open_notebook, page, require_chromium, run_all
from workbook.book.environment import ROOT
from workbook.book.learner import start

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3600)]


@pytest.fixture
def learn(tmp_path):
    require_chromium()
    folder = tmp_path / "learn"
    start(folder)
    return folder


def test_the_temperature_slider_moves_the_figure(learn, tmp_path):
    quick = {"WORKBOOK_STEP_DIVISOR": "20", "WORKBOOK_LEARN": str(learn), "PYTHONPATH": str(ROOT)}
    with jupyterlab(learn, tmp_path / "jupyter", **quick) as address, page() as view:
        open_notebook(view, address, "04_infonce.ipynb")
        run_all(view, timeout=1800)
        outputs = view.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        assert outputs.count() == 0
        panel = view.locator(".widget-vbox", has_text="easy 6").last
        handle = panel.locator(".widget-slider .noUi-handle").first
        handle.scroll_into_view_if_needed()
        figure = panel.locator(".js-plotly-plot").element_handle()
        weights = "figure => [...figure._fullData[0].y].map(Number)"
        before = view.evaluate(weights, figure)
        for value in ("0.3", "0.1", "0.03", "0.01"):
            handle.press("ArrowRight")  # takes the focus, which the last cell of a run may have taken away
            panel.locator(".widget-readout").first.filter(has_text=value).wait_for(timeout=200_000)
        # a lower temperature gives weight to the own passage
        moved = "([figure, before]) => figure._fullData[0].y[0] > before + 0.1"
        view.wait_for_function(moved, arg=[figure, before[0]], timeout=200_000)
        assert "not started" in view.locator(".jp-Notebook").inner_text()
        if folder := os.environ.get("WORKBOOK_SCREENSHOTS"):
            view.screenshot(path=f"{folder}/chapter_04.png")
        assert [error for error in view.errors if "favicon" not in error] == []
