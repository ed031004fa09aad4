import itertools

import ipywidgets as widgets
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.plotly_model import figures, seen
from workbook.figures.panel import follow, panel
from workbook.figures.plain import plain, spec
from workbook.figures.theme import figure


@given(st.lists(figures, min_size=2, max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_figure_that_follows_others_is_the_same_as_a_fresh_one(specs):
    specs = [spec(go.Figure(each)) for each in specs]  # as plotly writes them
    widget = go.FigureWidget(specs[0])
    for before, after in itertools.pairwise(specs):
        follow(widget, before, after)
        assert seen(plain(widget)) == seen(plain(go.FigureWidget(after)))


def test_like_traces_are_changed_in_place_and_others_replaced():
    def lines(*ys, **more):
        return spec(figure().add_traces([go.Scatter(y=y, **more) for y in ys]))

    widget = go.FigureWidget(lines([1], [2]))
    trace = widget.data[0]
    follow(widget, lines([1], [2]), lines([3], [4]))
    assert widget.data[0] is trace
    assert list(trace.y) == [3]
    follow(widget, lines([3], [4]), lines([5], name="new"))
    assert [(each.name, list(each.y)) for each in widget.data] == [("new", [5])]


def parts(box):
    """The controls, the figure, the message and the alternative text of a panel."""
    *controls, fig, message = box.children
    return controls, fig, message


def bars(height, name="a"):
    if height < 0:
        raise ValueError("a height below <0>")
    return figure(title=name).add_bar(y=[height])


def test_moving_a_control_draws_anew():
    (slider, buttons), fig, message = parts(panel(bars, {"height": [1, 2], "name": ["a", "b"]}))
    assert isinstance(slider, widgets.SelectionSlider)
    assert isinstance(buttons, widgets.ToggleButtons)
    assert [label for label, _ in slider.options] == ["1", "2"]
    assert list(fig.data[0].y) == [1]
    slider.index = 1
    assert list(fig.data[0].y) == [2]
    buttons.index = 1
    assert fig.layout.title.text == "b"
    assert message.value == ""


def test_the_page_hears_of_a_figure_with_its_first_draw_in_it(monkeypatch):
    born = []
    send = widgets.widget.comm.create_comm
    monkeypatch.setattr(
        widgets.widget.comm, "create_comm", lambda **new: born.append(new["data"]["state"]) or send(**new)
    )
    panel(bars, {"height": [3]})
    (state,) = [state for state in born if "_widget_data" in state]
    assert [trace["y"] for trace in plain(state["_widget_data"])] == [[3]]
    assert state["_widget_layout"]["width"] == 720


def test_a_page_that_is_loaded_again_gets_the_figure_of_the_slider():
    (slider,), fig, _ = parts(panel(bars, {"height": [1, 2, 3]}))
    slider.index = 2
    state = fig.get_state()
    assert [trace["y"] for trace in plain(state["_widget_data"])] == [[3]]
    assert plain(state["_widget_layout"])["width"] == 720


def test_a_failing_draw_tells_and_keeps_the_figure():
    (slider,), fig, message = parts(panel(bars, {"height": [1, -1, 2]}))
    slider.index = 1
    assert "ValueError: a height below &lt;0&gt;" in message.value
    assert list(fig.data[0].y) == [1]
    slider.index = 2
    assert message.value == ""
    assert list(fig.data[0].y) == [2]


def test_a_function_that_returns_no_figure_is_told():
    _, fig, message = parts(panel(lambda height: None, {"height": [1]}))
    assert "does it end with return" in message.value
    assert len(fig.data) == 0


@pytest.mark.parametrize(
    ("play", "values", "there"), [(True, [1, 2], True), (False, [1, 2], False), (True, "ab", False)]
)
def test_a_play_button_for_numbers_only(play, values, there):
    (control,), *_ = parts(panel(lambda v: bars(len(str(v))), {"v": list(values)}, play))
    assert isinstance(control, widgets.HBox) == there
    if there:
        button, slider = control.children
        assert isinstance(button, widgets.Play)
        assert button.max == 1
        button.value = 1
        assert slider.index == 1
