"""The learner's edition of every chapter runs to its end with nothing solved."""

import nbformat
import pytest

from workbook.book import notebooks
from workbook.book.learner import derive

PATHS = sorted(notebooks.NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_runs_to_its_end_with_every_exercise_not_started(path):
    edition = derive(nbformat.read(path, as_version=4))
    text = "\n".join(cell.source for cell in edition.cells)
    assert "BEGIN SOLUTION" not in text
    assert text.count("raise NotImplementedError") >= 3
    notebooks.execute(edition, path.stem, {"WORKBOOK_STEP_DIVISOR": "20"})
    checks = [cell for cell in edition.cells if cell.cell_type == "code" and "= check(" in cell.source]
    assert len(checks) >= 3
    for cell in checks:
        shown = "".join(str(output.get("text", "")) + str(output.get("data", "")) for output in cell.outputs)
        assert "not started" in shown, cell.source
