"""What every chapter's source holds, so that a reader finds the same tools at hand in each."""

import pytest

from workbook.book.notebooks import chapters


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_what_a_reader_may_call_is_imported(path):
    line = "from workbook.exercises import check, hint, predict, quiz, reveal"
    assert line in path.read_text("utf-8").splitlines()


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_no_cell_tells_what_its_figure_shows_before_it_is_drawn(path):
    assert "alt=" not in path.read_text("utf-8")
