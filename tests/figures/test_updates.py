import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.plotly_model import animated, drawn, figures, seen, updated, with_ranges
from workbook.figures.stored import arguments
from workbook.figures.updates import differences, flat, kind, nested, updates

several = st.lists(figures, min_size=2, max_size=4)


@given(several, st.data())
@settings(max_examples=100, deadline=None)
def test_each_figure_looks_like_a_fresh_draw_after_any_others(specs, data):
    fitted, steps = updates(specs)
    state = drawn(fitted[0])
    assert seen(state) == seen(drawn(specs[0]))
    for k in data.draw(st.lists(st.integers(0, len(specs) - 1), min_size=1, max_size=5)):
        state = updated(state, arguments(fitted[0], steps[k]))
        assert seen(state) == seen(drawn(specs[k]))


@given(several, st.data())
@settings(max_examples=100, deadline=None)
def test_so_do_the_frames_of_an_animation_whose_axes_have_ranges(specs, data):
    specs = [with_ranges(spec) for spec in specs]
    fitted, steps = updates(specs)
    state = drawn(fitted[0])
    for k in data.draw(st.lists(st.integers(0, len(specs) - 1), min_size=1, max_size=5)):
        state = animated(state, steps[k])
        assert seen(state) == seen(drawn(specs[k]))


@given(several)
@settings(max_examples=30, deadline=None)
def test_the_figures_given_stay_as_they_are(specs):
    before = copy.deepcopy(specs)
    updates(specs)
    assert specs == before


def bar(y, **more):
    return {"type": "bar", "y": y, **more}


def test_what_is_the_same_in_all_is_not_set_again():
    specs = [{"data": [bar([1], name="a"), bar([5])], "layout": {"height": 9, "title": {"text": t}}} for t in "ab"]
    specs[1]["data"][0]["y"] = [2]
    fitted, steps = updates(specs)
    assert fitted == specs
    assert steps == [
        {"data": [{"y": [1]}], "traces": [0], "layout": {"title": {"text": "a"}}},
        {"data": [{"y": [2]}], "traces": [0], "layout": {"title": {"text": "b"}}},
    ]


def test_a_missing_trace_is_invisible_and_the_others_keep_their_order_and_their_names():
    line, bars = {"type": "scatter", "y": [1]}, bar([2])
    fitted, steps = updates([{"data": [line], "layout": {}}, {"data": [bars, line], "layout": {}}])
    assert [trace["type"] for trace in fitted[0]["data"]] == ["bar", "scatter"]
    assert fitted[0]["data"] == [{"type": "bar", "visible": False}, {"type": "scatter", "y": [1], "name": "trace 0"}]
    assert steps[1] == {
        "data": [{"visible": True, "y": [2], "name": "trace 0"}, {"name": "trace 1"}],
        "traces": [0, 1],
        "layout": {},
    }


def test_an_attribute_that_a_figure_lacks_is_taken_back():
    title, none = {"title": {"text": "a"}}, {}
    _, steps = updates([{"data": [], "layout": title}, {"data": [], "layout": none}])
    assert steps[1]["layout"] == {"title": {"text": None}}


def test_an_axis_without_a_range_is_told_to_look_anew():
    ranged = {"yaxis": {"range": [0, 1]}}
    _, steps = updates([{"data": [], "layout": ranged}, {"data": [], "layout": {"yaxis": {}}}])
    assert [step["layout"]["yaxis"] for step in steps] == [
        {"range": [0, 1], "autorange": False},
        {"range": None, "autorange": True},
    ]
    reversed_ = {"yaxis": {"autorange": "reversed"}}
    _, steps = updates([{"data": [], "layout": ranged}, {"data": [], "layout": reversed_}])
    assert steps[1]["layout"]["yaxis"]["autorange"] == "reversed"


def test_true_and_one_differ():
    assert differences([{"x": True}, {"x": 1}]) == [{("x",): True}, {("x",): 1}]


def test_traces_are_of_one_kind_when_they_set_the_same_attributes():
    assert kind(bar([1])) == kind(bar([2, 3]))
    assert kind(bar([1])) != kind(bar([1], name="a"))
    assert kind({"dimensions": [{"label": "a"}]}) != kind({"dimensions": [{"values": [1]}]})


@given(
    st.recursive(st.integers(), lambda leaf: st.dictionaries(st.sampled_from("abc"), leaf, min_size=1), max_leaves=6)
)
def test_nested_undoes_flat(value):
    if isinstance(value, dict):
        assert nested(flat(value)) == value
