import pytest

from workbook.figures.theme import COLORS, DASHES, SYMBOLS, bar_style, figure, short, stacked, ticks_at
from workbook.support.page import page_style


def test_a_title_keeps_its_place_left_of_the_buttons():
    for fig in (figure(title="a"), figure(title={"text": "a"})):
        assert (fig.layout.title.text, fig.layout.title.x, fig.layout.title.xref) == ("a", 0, "paper")


def test_colours_come_with_a_symbol_and_a_dash_each():
    assert len(COLORS) == len(SYMBOLS) == len(DASHES) == len(set(SYMBOLS)) == len(set(COLORS))


def test_the_look_is_readable_on_any_page():
    layout = figure().layout
    assert (layout.paper_bgcolor, layout.plot_bgcolor, layout.font.color) == ("white", "white", "#222222")


@pytest.mark.parametrize(("color", "shape"), [("#0072B2", "/"), (COLORS[:2], ["", "x"]), ("#0072B2", ["", "/"])])
def test_bars_take_one_style_or_one_for_each(color, shape):
    (trace,) = figure().add_bar(y=[1, 2], marker=bar_style(color, shape)).data
    assert trace.marker.color == color
    assert list(trace.marker.pattern.shape) == list(shape)


def test_ticks_of_measured_values():
    assert ticks_at([0.01, 1024])["ticktext"] == ["0.01", "1,024"]
    assert ticks_at([8, 1, 1])["tickvals"] == [8, 1, 1]
    assert ticks_at([8, 1, 1, 2, 3], apart=2)["tickvals"] == [1, 3, 8]


@pytest.mark.parametrize(
    ("value", "text"), [(0.4941, ".494"), (0.99951, "1.000"), (0, ".000"), (-0.25, "-.250"), (10.0, "10.000")]
)
def test_metrics_are_written_as_in_the_text(value, text):
    assert short(value) == text


def test_rows_stand_one_below_the_other_and_keep_their_pixels():
    total, (first, gap, last) = stacked(100, 50, 250)
    assert (total, first, gap, last) == (400, [0.75, 1], [0.625, 0.75], [0, 0.625])
    assert stacked(7) == (7, [[0, 1]])


def test_a_room_gets_large_letters_and_no_code(monkeypatch):
    assert figure().layout.font.size == 14
    assert "jp-Cell-inputWrapper" not in page_style()
    monkeypatch.setenv("WORKBOOK_PRESENT", "1")
    assert figure().layout.font.size == 20
    assert "jp-Cell-inputWrapper { display: none; }" in page_style()
