"""JupyterLab in headless Chromium, on loopback only, with nothing of this machine's configuration."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest

from workbook.book.pictures import chromium

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require_chromium() -> None:
    """Skip the test where there is no Chromium, or fail it where WORKBOOK_REQUIRE_BROWSER=1 says it must run."""
    if chromium() is None:
        if os.environ.get("WORKBOOK_REQUIRE_BROWSER") == "1":
            pytest.fail("Chromium is required here and was not found")
        pytest.skip("Chromium was not found; install it to run the browser test")


def notebook(*sources: str) -> str:
    """A notebook of code cells that nobody has run."""
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**empty, "id": f"c{i}", "source": source} for i, source in enumerate(sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells})


@contextlib.contextmanager
def jupyterlab(root: Path, scratch: Path, theme: str = "light", **variables: str) -> Iterator[str]:
    """A JupyterLab server for a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folders = {name: scratch / name for name in ("config", "data", "runtime", "workspaces", "settings")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    settings = scratch / "overrides"
    (settings / "@jupyterlab/apputils-extension").mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folders["config"]),
        "JUPYTER_DATA_DIR": str(folders["data"]),
        "JUPYTER_RUNTIME_DIR": str(folders["runtime"]),
        **variables,
    }
    environment.pop("WORKBOOK_LIVE", None)
    user = folders["settings"] / "@jupyterlab"
    (user / "apputils-extension").mkdir(parents=True)
    name = "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
    (user / "apputils-extension/themes.jupyterlab-settings").write_text(f'{{"theme": "{name}"}}')
    (user / "apputils-extension/notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    (user / "notebook-extension").mkdir()
    (user / "notebook-extension/tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += [f"--ServerApp.root_dir={root}", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.workspaces_dir={folders['workspaces']}", f"--LabApp.user_settings_dir={folders['settings']}"]
    command += [
        "--ServerApp.tornado_settings={'ws_ping_interval': 0}"
    ]  # who answers late on a busy machine is not gone
    log = (scratch / "server.log").open("w")
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=scratch)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(720):  # three minutes, for a busy machine
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2).read()
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise RuntimeError(f"JupyterLab did not start:\n{(scratch / 'server.log').read_text()[-2000:]}")
        yield address
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        log.close()


@contextlib.contextmanager
def page(width: int = 1400, height: int = 1000) -> Iterator:
    """A browser page that reaches nothing but loopback; `page.errors` collects the console's errors."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        view = browser.new_page(viewport={"width": width, "height": height})
        view.errors = []
        view.on("pageerror", lambda error: view.errors.append(str(error)))
        view.on("console", lambda message: view.errors.append(message.text) if message.type == "error" else None)
        view.route("**/*", lambda route: route.continue_() if _is_local(route.request.url) else route.abort())
        yield view
        browser.close()


def open_notebook(view, address: str, name: str) -> None:
    """Open a notebook and wait until JupyterLab has drawn it."""
    view.goto(f"{address}/lab/tree/{name}?reset", timeout=600_000)
    view.wait_for_selector(".jp-Notebook .jp-Cell", timeout=600_000)
    view.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell.currentWidget", timeout=300_000)


def wait_until_idle(view) -> None:
    """Wait until the kernel has nothing to do, as a person does who reads an answer before typing again."""
    view.wait_for_function(
        "() => { const s = window.jupyterapp.shell.currentWidget?.sessionContext?.session;"
        " return s && s.kernel && s.kernel.status === 'idle'; }",
        timeout=600_000,
    )


def run_all(view, timeout: float) -> None:
    """Run every cell, and wait until the last one has run."""
    wait_until_idle(view)
    view.evaluate(
        "() => { window.finished = false; window.jupyterapp.commands.execute('notebook:run-all-cells')"
        ".then(() => { window.finished = true; }); }"
    )
    view.wait_for_function("() => window.finished", timeout=timeout * 1000)


def _is_local(url: str) -> bool:
    return urlparse(url).scheme in ("data", "blob") or urlparse(url).hostname in ("127.0.0.1", "localhost")
