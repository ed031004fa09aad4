"""What `python -m workbook lab --no-browser` opens: chapter 00, without news, and Run all stays where the reader was."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.lab import notebook, page, require_chromium
from workbook.book.environment import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

# The environment is there: nothing is to be installed for a test.
LAB = "from argparse import Namespace; from workbook.__main__ import _lab; _lab(Namespace(no_browser=True))"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    require_chromium()
    folder = tmp_path_factory.mktemp("lab")
    (folder / "learn").mkdir()
    (folder / "learn/long.ipynb").write_text(notebook(*(f"# {i}" + "\n" * 8 + f"print({i})" for i in range(40))))
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(folder / "w"), "JUPYTERLAB_SETTINGS_DIR": str(folder / "s")}
    environment = {**os.environ, **own, "WORKBOOK_LEARN": str(folder / "learn"), "PYTHONPATH": str(ROOT)}
    log = folder / "log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-c", LAB], stdout=file, stderr=file, env=environment, start_new_session=True
        )
    try:
        for _ in range(1200):
            if found := re.search(r"http://127\.0\.0\.1\S+token=\w+", log.read_text()):
                break
            time.sleep(0.25)
        assert found, log.read_text()
        yield found[0]
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # JupyterLab is its child
        server.wait(60)


def test_the_printed_address_opens_chapter_00_without_news(address):
    with page() as view:
        view.goto(address, timeout=300_000)
        view.wait_for_selector(".jp-Notebook .jp-Cell", timeout=300_000)
        view.wait_for_timeout(3000)
        assert "Start here" in view.title() or "00_start_here" in view.url
        assert view.locator(".jp-toastContainer, .Toastify__toast").count() == 0


def test_run_all_ends_where_the_reader_was(address):
    with page() as view:
        view.goto(address.replace("00_start_here.ipynb?", "long.ipynb?reset&"), timeout=300_000)
        view.wait_for_selector(".jp-Notebook .jp-Cell", timeout=300_000)
        view.locator(".jp-CodeCell").nth(10).click()
        view.wait_for_timeout(1000)
        top = "() => document.querySelector('.jp-NotebookPanel .jp-WindowedPanel-outer').scrollTop"
        before = view.evaluate(top)
        view.get_by_role("menuitem", name="Run", exact=True).click()
        view.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
        view.locator(".jp-CodeCell").nth(39).locator(".jp-OutputArea-output").wait_for(
            state="attached", timeout=300_000
        )
        view.wait_for_timeout(2000)
        assert view.locator(".jp-CodeCell.jp-mod-active .cm-line").first.inner_text() == "# 10"
        assert abs(view.evaluate(top) - before) < 400  # outputs above have grown by a line each
