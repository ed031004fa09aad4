"""Every stored notebook was run from top to bottom, is small, and holds nothing of one machine."""

import json
import re
import statistics

import nbformat
import pytest

from workbook.book import notebooks
from workbook.book.learner import derive
from workbook.book.minutes import sections, words

PATHS = sorted(notebooks.NOTEBOOKS.glob("*.ipynb"))
pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path, kind=None):
    found = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in found if kind in (None, cell["cell_type"])]


def source(cell):
    return "".join(cell["source"])


def test_is_built_from_its_source(path):
    assert [line for line in notebooks.drift() if line.startswith(path.name)] == []


def test_was_run_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in cells(path, "code") if source(cell).strip()]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_are_clean(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            assert output["output_type"] != "error", source(cell)
            assert output.get("name") != "stderr", source(cell)
            assert not [kind for kind in output.get("data", {}) if "widget" in kind], source(cell)
    assert "widgets" not in json.loads(path.read_text("utf-8"))["metadata"]


def test_every_figure_has_an_alternative_text(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "application/vnd.plotly.v1+json" in data:
                assert len("".join(data["text/plain"])) > 60, source(cell)
                assert len(json.dumps(data)) < 300_000, source(cell)


def test_every_figure_is_a_picture_where_plotly_is_not(path):
    """As nbconvert shows it, and GitHub, which has the same order of kinds."""
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_filename(str(path))
    figures = path.read_text("utf-8").count('"application/vnd.plotly.v1+json"')
    assert page.count("data:image/jpeg;base64,") == figures >= 2


def test_no_path_of_some_machine(path):
    assert not re.search(r"/(home|root|tmp|work|Users)/\w", path.read_text("utf-8"))


def test_solutions_are_folded_and_the_learners_stubs_are_not(path):
    stored = json.loads(path.read_text("utf-8"))
    for complete, stub in zip(stored["cells"], derive(stored)["cells"], strict=True):
        has_solution = "### BEGIN SOLUTION" in source(complete)
        assert complete["metadata"].get("jupyter", {}).get("source_hidden", False) == has_solution
        assert "jupyter" not in stub["metadata"]


def test_size_words_and_cells(path):
    assert path.stat().st_size < 2_000_000
    core, *_ = sections(nbformat.read(path, as_version=4).cells)
    assert words(core) <= 2_500
    assert statistics.median(source(cell).count("\n") + 1 for cell in cells(path, "code") if source(cell).strip()) <= 7


def test_most_outputs_are_compared_and_no_cell_is_skipped(path):
    code = cells(path, "code")
    tags = [tag for cell in code for tag in cell["metadata"].get("tags", [])]
    assert "nbval-skip" not in tags
    assert tags.count("nbval-ignore-output") <= len(code) / 3


def test_has_exercises_figures_a_quiz_and_claims(path):
    text = "\n".join(source(cell) for cell in cells(path))
    assert len(re.findall(r"\bcheck\(\s*\"", text)) >= 3
    assert len(re.findall(r"\bexplore\(", text)) >= 2
    assert f'quiz("{path.name[:2]}")' in text
    assert "settle(" in text


def test_what_is_written_on_a_cell_is_written_by_the_heat_map(path):
    """A dark page turns the ink of annotations light, and that of a heat map's own text it leaves alone."""
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            fig = output.get("data", {}).get("application/vnd.plotly.v1+json", {})
            for grid in (trace for trace in fig.get("data", []) if trace["type"] == "heatmap"):
                rows, columns = len(grid["z"]), len(grid["z"][0])
                axes = grid.get("xaxis", "x"), grid.get("yaxis", "y")
                for note in fig["layout"].get("annotations", []):
                    on_it = (note.get("xref", "x"), note.get("yref", "y")) == axes
                    place = [at for at in (note.get("x"), note.get("y")) if isinstance(at, int | float)]
                    inside = len(place) == 2 and -0.5 <= place[0] < columns - 0.5 and -0.5 <= place[1] < rows - 0.5
                    assert not (on_it and inside), f"{note['text']!r} is an annotation on a cell"
