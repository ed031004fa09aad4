"""The pages beside the book: they are up to date, their links lead somewhere, their examples run."""

import ast
import doctest
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

import workbook
from tests.helpers.house import modules

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "datasets").glob("*/*.md")]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[\w-]+)?\)")
WITH_EXAMPLES = [name for name, path in modules().items() if re.search(r"^\s*>>> ", path.read_text("utf-8"), re.M)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_links_to_what_is_there(page):
    missing = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert not missing


def test_the_reference_was_made_from_the_docstrings_as_they_stand():
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs/make_api.py")
    make_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_api)
    assert (ROOT / "docs/api.md").read_text("utf-8") == make_api.page(), "make it anew: python docs/make_api.py"


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_docstrings_run_and_print_what_they_say(name):
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried
    assert not failed


def test_the_first_things_a_reader_calls_have_an_example():
    assert {"workbook.pooling", "workbook.similarity", "workbook.metrics.ranking", "workbook.bm25"} <= {*WITH_EXAMPLES}


@pytest.mark.slow  # loads a pretrained model
def test_readme_begins_with_code_that_runs():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    told = ast.literal_eval(re.search(r"# (\{.*\}), rounded", code)[1])
    assert {query: {i: round(score, 2) for i, score in found.items()} for query, found in names["ids"].items()} == told


def test_the_version_is_that_of_the_changelog():
    newest = re.search(r"^## (\d+\.\d+\.\d+) · \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert workbook.__version__ == newest[1]
