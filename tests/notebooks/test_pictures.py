"""Pictures of stored figures: first, middle and last state, drawn once, and never a wrong one."""

import base64
import io

import nbformat
import pytest
from PIL import Image

from tests.helpers.lab import require_chromium
from workbook.book import notebooks, pictures
from workbook.book.pictures import LARGEST, PICTURE, PLOTLY, add_pictures, side_by_side
from workbook.figures.plain import bundle
from workbook.figures.stored import stored
from workbook.figures.theme import figure


def notebook(*figures):
    outputs = [
        nbformat.v4.new_output("display_data", {PLOTLY: bundle(fig), "text/plain": "Figure: bars."}) for fig in figures
    ]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("show", outputs=outputs)])


def picture(book, i=0):
    return Image.open(io.BytesIO(base64.b64decode(book.cells[0].outputs[i].data[PICTURE])))


def bars(height):
    return figure().add_bar(y=[height]).update_yaxes(range=[0, 3])


def png(color, size=(600, 400)):
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(file, "PNG") if color is None else Image.new(
        "RGB", size, color
    ).save(file, "PNG")
    return file.getvalue()


def test_states_stand_side_by_side_and_stay_small():
    row = Image.open(io.BytesIO(side_by_side([png("red"), png("blue")])))
    assert row.width == 1000
    assert row.getpixel((100, 100))[0] > 200
    assert row.getpixel((900, 100))[2] > 200
    assert len(side_by_side([png(None)] * 3)) < 3 * LARGEST  # noise is the worst case


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_a_picture_shows_the_ends_of_the_slider_and_is_kept_while_the_figure_is_the_same():
    require_chromium()
    slider, _ = stored(bars, {"height": [0, 1, 2, 3]})
    book = notebook(bars(1), slider)
    assert add_pictures(book) == 0
    assert picture(book).width <= 500
    row = picture(book, 1)
    assert row.width > 1000

    def blue(image):
        return sum(count for count, (r, _, b) in image.convert("RGB").getcolors(2**24) if b > r + 60)

    thirds = [blue(row.crop((i * row.width // 3, 0, (i + 1) * row.width // 3, row.height))) for i in range(3)]
    assert thirds[0] < thirds[1] < thirds[2]
    assert book.cells[0].outputs[0].metadata[PICTURE]["alt"] == "Figure: bars."
    before = notebook(bars(1), bars(2))
    before.cells[0].outputs[0].data[PICTURE] = "kept"
    again = notebook(bars(1))
    assert add_pictures(again, before) == 0
    assert again.cells[0].outputs[0].data[PICTURE] == "kept"


def test_without_chromium_unchanged_figures_keep_theirs_and_others_are_counted(monkeypatch):
    monkeypatch.setattr(pictures, "chromium", lambda: None)
    before = notebook(bars(1), bars(2))
    for output in before.cells[0].outputs:
        output.data[PICTURE] = "kept"
    book = notebook(bars(1), bars(3))
    assert add_pictures(book, before) == 1
    assert [output.data.get(PICTURE) for output in book.cells[0].outputs] == ["kept", None]


def test_a_build_says_which_pictures_are_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(pictures, "chromium", lambda: None)
    monkeypatch.setattr(notebooks, "chapters", lambda numbers: [tmp_path / "00_tiny.py"])
    monkeypatch.setattr(notebooks, "from_source", lambda source: notebook(bars(1)))
    monkeypatch.setattr(notebooks, "execute", lambda book, name: book)
    notebooks.build()
    assert "1 figures changed and have no picture: install Chromium" in capsys.readouterr().out
