import json

import pytest

from tests.helpers.plotly_model import drawn, seen, updated
from workbook.figures.plain import num_bytes, plain, spec
from workbook.figures.stored import stored
from workbook.figures.theme import figure


def bars(height, name="a", points=1):
    fig = figure(title=f"{name} {height}").add_bar(x=["x"] * points, y=[height] * points, name=name)
    return fig.add_annotation(x=0, y=height, text="high") if height > 1 else fig


def test_each_position_of_the_slider_is_a_fresh_draw_and_names_its_values():
    fig, kept = stored(bars, {"height": [1, 2], "name": ["a", "b"]})
    values = plain(fig)
    (slider,) = values["layout"]["sliders"]
    assert kept == 4
    assert [step["label"] for step in slider["steps"]] == ["1 · a", "2 · a", "1 · b", "2 · b"]
    assert slider["currentvalue"] == {"prefix": "height · name: ", "suffix": ""}
    state = drawn(values)
    for step, choice in zip(slider["steps"][::-1], [(2, "b"), (1, "b"), (2, "a"), (1, "a")], strict=True):
        state = updated(state, step["args"])
        expected = spec(bars(*choice))
        expected["layout"] |= {"height": 525, "sliders": [slider]}
        assert step["method"] == "update"
        assert seen(state) == seen(drawn(expected))


@pytest.mark.parametrize(("play", "values"), [(False, [1, 2]), (True, ["a", "b"]), (True, [True, False])])
def test_no_play_button_unless_asked_for_and_the_values_are_numbers(play, values):
    values = plain(stored(lambda value: bars(1, str(value)), {"value": values}, play)[0])
    assert "updatemenus" not in values["layout"]
    assert not values.get("frames")


def test_a_play_button_runs_through_frames():
    def ranged(height):
        return bars(height).update_layout(xaxis_range=[-1, 1], yaxis_range=[0, 3])

    fig, _ = stored(ranged, {"height": [1, 2, 3]}, play=True)
    values = plain(fig)
    (menu,) = values["layout"]["updatemenus"]
    assert [button["label"] for button in menu["buttons"]] == ["▶", "❚❚"]
    assert [frame["name"] for frame in values["frames"]] == ["0", "1", "2"]
    assert values["frames"][2]["data"] == [{"y": [3]}]
    assert values["frames"][0]["layout"]["annotations"] == [{"visible": False}]
    assert [step["args"][0] for step in values["layout"]["sliders"][0]["steps"]] == [["0"], ["1"], ["2"]]


def test_play_asks_for_ranges_of_axes_along_which_something_moves():
    with pytest.raises(ValueError, match="play needs a range for yaxis"):
        stored(bars, {"height": [1, 2]}, play=True)
    with pytest.raises(ValueError, match="play needs a range for xaxis"):
        stored(lambda x: figure(yaxis_range=[0, 1]).add_scatter(x=[x], y=[1]), {"x": [1, 2]}, play=True)
    stored(lambda size: figure().add_scatter(x=[1], y=[1], marker={"size": size}), {"size": [5, 9]}, play=True)


def test_at_most_forty_combinations_are_drawn():
    calls = []

    def draw(a, b):
        calls.append((a, b))
        return bars(a)

    fig, kept = stored(draw, {"a": range(10), "b": range(10)})
    assert kept == len(calls) == len(fig.layout.sliders[0].steps) == 40
    assert {a for a, _ in calls} == set(range(10))
    assert {b for _, b in calls} == {0, 3, 6, 9}
    assert fig.layout.sliders[0].currentvalue.suffix.strip() == "(40 of 100 combinations)"


@pytest.mark.parametrize(("points", "fewest", "most"), [(500, 5, 7), (700, 3, 5), (1_500, 1, 1)])
def test_large_draws_are_thinned_until_they_fit(monkeypatch, points, fewest, most):
    monkeypatch.setattr("workbook.figures.stored.MAX_BYTES", 16_000)
    calls = []

    def draw(height):
        calls.append(height)
        return bars(height, points=points)

    fig, kept = stored(draw, {"height": list(range(8))})
    assert num_bytes(plain(fig)) <= 16_000
    assert fewest <= kept <= most
    assert len(calls) == len(set(calls))  # none is drawn twice


def test_draws_that_are_too_large_even_alone_end(monkeypatch):
    monkeypatch.setattr("workbook.figures.stored.MAX_BYTES", 4_000)
    fig, kept = stored(lambda height: bars(height, points=2_000), {"height": [1, 2]})
    assert kept == 1
    assert num_bytes(plain(fig)) > 4_000  # for `show` to complain about


def test_two_builds_are_the_same_bytes():
    assert len({json.dumps(plain(stored(bars, {"height": [1, 2, 3]})[0])) for _ in range(2)}) == 1


def test_one_value_is_one_figure():
    fig, kept = stored(bars, {"height": [2]})
    assert kept == 1
    assert seen(plain(fig))["data"] == seen(spec(bars(2)))["data"]


def test_a_function_without_return_is_named():
    with pytest.raises(TypeError, match="does it end with return"):
        stored(lambda height: None, {"height": [1]})
