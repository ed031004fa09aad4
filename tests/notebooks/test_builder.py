"""Two builds give the same bytes; a failing cell overwrites nothing."""

import nbformat
import pytest

from workbook.book import notebooks

SOURCE = """# %% [markdown]
# # A title

# %%
import random
print(random.random() < 2)
print("second line")

# %%
from IPython.display import HTML
HTML("<b>bold</b>")
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(notebooks, "SOURCES", tmp_path / "source")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/00_tiny.py").write_text(SOURCE)
    return tmp_path


@pytest.mark.slow
def test_two_builds_are_byte_identical_and_drift_is_seen(place):
    (first,) = notebooks.build(["00"])
    content = first.read_bytes()
    (second,) = notebooks.build()
    assert second.read_bytes() == content
    assert notebooks.drift() == []
    (place / "source/00_tiny.py").write_text(SOURCE.replace("second", "third"))
    assert notebooks.drift() == ["00_tiny.ipynb differs from its source; run: make notebooks"]


@pytest.mark.slow
def test_a_failing_cell_names_itself_and_overwrites_nothing(place):
    target = place / "00_tiny.ipynb"
    target.write_text("old")
    (place / "source/00_tiny.py").write_text(SOURCE + "\n# %%\nraise RuntimeError('on purpose')\n")
    with pytest.raises(notebooks.BuildError, match=r"00_tiny: the code cell after \[\d\] did not run[\s\S]*on purpose"):
        notebooks.build()
    assert target.read_text() == "old"


def test_drift_names_what_is_missing_on_either_side(place):
    assert notebooks.drift() == ["00_tiny.ipynb has not been built"]
    nbformat.write(notebooks.from_source(place / "source/00_tiny.py"), place / "00_tiny.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), place / "07_lost.ipynb")
    assert notebooks.drift() == ["07_lost.ipynb has no source"]


def test_an_unknown_chapter_is_named(place):
    with pytest.raises(notebooks.BuildError, match="no chapter 77; there are 00_tiny"):
        notebooks.chapters(["77"])
