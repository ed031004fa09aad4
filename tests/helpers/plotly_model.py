"""What plotly.js does with updates, in a few lines, and made-up figures to try it on.

`tests/browser/test_stored_figures.py` holds the same claims against plotly.js itself.
"""

import copy
import re

from hypothesis import strategies as st

LISTS = ("annotations", "images", "shapes")
AXES = re.compile(r"[xy]axis\d*$")


def drawn(figure):
    """Draw: plotly writes the range that it finds for an axis into the figure, and remembers that it found it."""
    state = copy.deepcopy(figure)
    for name in ["xaxis", "yaxis", *filter(AXES.match, state["layout"])]:
        axis = state["layout"].setdefault(name, {})
        if axis.get("autorange", axis.get("range") is None):
            axis["autorange"], axis["range"] = axis.get("autorange") or True, ["found", "by plotly"]
    return state


def animated(state, frame):
    """Plotly.animate: dicts are merged, lists replaced, annotations and shapes merged one by one."""
    state = copy.deepcopy(state)
    for i, change in zip(frame["traces"], frame["data"], strict=True):
        _merge(state["data"][i], change)
    layout = copy.deepcopy(frame["layout"])
    for name in filter(AXES.match, layout):  # a frame can set a range, but not take it back
        if not isinstance(layout[name].get("range"), list):
            layout[name].pop("range", None)
    for name in LISTS:
        items = state["layout"].setdefault(name, [])
        for i, change in enumerate(layout.pop(name, [])):
            items[i:] = [_merge(items[i] if i < len(items) else {}, change), *items[i + 1 :]]
    _merge(state["layout"], layout)
    return state if any(_is_auto(axis) for axis in _axes(state)) else drawn(state)  # it does not look for ranges anew


def updated(state, arguments):
    """Plotly.update: values are set by path, None takes one away; a range that is set ends the search for one."""
    state = copy.deepcopy(state)
    changes, layout, traces = copy.deepcopy(arguments)
    for path, values in changes.items():
        for i, value in zip(traces, values, strict=True):
            _put(state["data"][i], path.split("."), value)
    for path, value in layout.items():
        _put(state["layout"], path.split("."), value)
        if path.endswith(".range") and path.replace(".range", ".autorange") not in layout:
            _put(state["layout"], path.replace(".range", ".autorange").split("."), False)
    return drawn(state)


def seen(state):
    """What a reader sees: nothing invisible, no empty attributes, no ranges but those that were asked for."""
    data = [{"name": f"trace {i}", **trace} for i, trace in enumerate(state["data"])]
    layout = copy.deepcopy(state["layout"])
    for name in filter(AXES.match, list(layout)):
        auto = layout[name].get("autorange")
        if auto is False:
            del layout[name]["autorange"]
        elif auto is not None and layout[name].get("range") is not None:
            del layout[name]["range"]
        if auto is True:
            del layout[name]["autorange"]
    for name in LISTS:
        layout[name] = _visible(layout.get(name, []))
    return _without_empty({"data": _visible(data), "layout": layout})


def _visible(items):
    return [
        {k: v for k, v in item.items() if (k, v) != ("visible", True)} for item in items if item.get("visible", True)
    ]


def _without_empty(value):
    if not isinstance(value, dict):
        return [_without_empty(item) for item in value] if isinstance(value, list) else value
    kept = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item is not None and item != {} and item != []}


def _axes(state):
    return [axis for name, axis in state["layout"].items() if AXES.match(name)]


def _is_auto(axis):
    return axis.get("autorange", axis.get("range") is None)


def _merge(target, source):
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
    return target


def _put(target, path, value):
    for key in path[:-1]:
        target = target.setdefault(key, {})
    if value is None:
        target.pop(path[-1], None)
    else:
        target[path[-1]] = value


def _some(**attributes):
    return st.fixed_dictionaries({}, optional=attributes)


numbers = st.lists(st.integers(0, 9), min_size=1, max_size=3)
colors = st.sampled_from(["red", "blue"])
traces = st.one_of(
    st.builds(
        lambda y, more: {"type": "scatter", "y": y, **more},
        numbers,
        _some(
            name=st.just("line"),
            mode=st.sampled_from(["lines", "markers"]),
            marker=_some(color=colors, size=st.just(9)),
        ),
    ),
    st.builds(lambda y, more: {"type": "bar", "y": y, **more}, numbers, _some(name=st.just("bars"))),
    st.builds(lambda y: {"type": "heatmap", "z": [y, y]}, numbers),
)
annotations = st.builds(
    lambda text, more: {"text": text, "x": 1, "y": 1, **more}, colors, _some(showarrow=st.just(False))
)
shapes = st.builds(
    lambda x, more: {"type": "rect", "x0": 0, "x1": x, **more}, st.integers(1, 3), _some(line=_some(color=colors))
)
axes = _some(range=st.sampled_from([[0, 1], [0, 2]]), title=st.builds(dict, text=st.just("rank")), type=st.just("log"))
layouts = _some(
    title=st.builds(lambda text: {"text": text}, colors),
    xaxis=axes,
    yaxis=axes,
    yaxis2=axes,
    annotations=st.lists(annotations, min_size=1, max_size=3),
    shapes=st.lists(shapes, min_size=1, max_size=2),
    barmode=st.just("stack"),
)
figures = st.builds(lambda data, layout: {"data": data, "layout": layout}, st.lists(traces, max_size=4), layouts)


def with_ranges(figure):
    """The same figure with a range for each axis, as an animation needs."""
    figure = copy.deepcopy(figure)
    for name in ["xaxis", "yaxis", *filter(AXES.match, figure["layout"])]:
        figure["layout"].setdefault(name, {}).setdefault("range", [0, 9])
    return figure
