"""plotly.js itself: a stored figure, moved to any value after any other, looks like a fresh draw of that value."""

import json
from pathlib import Path

import plotly
import pytest

from tests.helpers.lab import page, require_chromium
from workbook.figures.plain import plain, spec
from workbook.figures.stored import ROOM, stored
from workbook.figures.theme import figure

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

PLOTLY_JS = Path(plotly.__file__).parent / "package_data/plotly.min.js"
EVERY_PAIR = [0, 1, 2, 0, 2, 1, 0]  # each value is reached from each other

# What plotly drew, without what it hides: private fields, invisible items, the slider itself; and without what it works
# out from the size of the letters: ranges and ticks of an axis whose range it may choose. That it may, is compared.
STATE = """gd => {
  const clean = value => {
    if (ArrayBuffer.isView(value)) return Array.from(value);
    if (Array.isArray(value)) return value.map(clean);
    if (value === null || typeof value !== 'object') return value;
    const kept = Object.keys(value).filter(k => k[0] !== '_' && !['uid', 'index', 'hoverinfo'].includes(k)).sort();
    return Object.fromEntries(kept.filter(k => !(value[k] instanceof Node)).map(k => [k, clean(value[k])]));
  };
  const seen = item => item.visible !== false;
  const {sliders, updatemenus, ...layout} = clean(gd._fullLayout);
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis/.test(name)) continue;
    const chosen = axis.autorange || axis.scaleanchor || Object.values(layout).some(a => a?.scaleanchor === name.replace('axis', ''));
    for (const key of [...(chosen ? ['range'] : []), ...(axis.tickmode === 'auto' ? ['tick0', 'dtick'] : [])]) delete axis[key];
  }
  for (const name of ['annotations', 'shapes', 'images']) layout[name] = (layout[name] || []).filter(seen);
  return JSON.stringify({data: gd._fullData.filter(seen).map(clean), layout});
}"""


@pytest.fixture(scope="module")
def view():
    require_chromium()
    with page(900, 700) as view:
        view.set_content('<div id="stored"></div><div id="fresh"></div>')
        view.add_script_tag(path=str(PLOTLY_JS))
        yield view


def axes_without_ranges(i):
    return figure().add_scatter(x=[1, 2, 3 + i], y=[1, 10**i, 5], name="a").update_yaxes(rangemode="tozero")


def ranges_that_come_and_go(i):
    ranges = [{}, {"range": [0, 7]}, {"autorange": "reversed"}]
    return figure().add_scatter(x=[1, 2], y=[2, i]).update_yaxes(ranges[i])


def kinds_of_axes(i):
    x = [["a", "b", "c"], [1, 20, 300], ["2024-01-01", "2024-02-01", "2024-03-01"]][i]
    return figure().add_scatter(x=x, y=[1, 2, 3])


def logarithmic_axes(i):
    return figure(xaxis_type=["linear", "log", "linear"][i]).add_scatter(x=[1, 20, 300], y=[1, 2, 3])


def more_and_fewer_traces(i):
    fig = figure()
    if i == 1:
        fig.add_bar(x=[1, 2], y=[1, 2])
    fig.add_scatter(x=[1, 2], y=[2, i])
    if i == 2:
        fig.add_scatter(x=[1, 2], y=[3, 1], marker={"symbol": "square"}, name="squares")
        fig.add_scatter(x=[1, 2], y=[4, 1], error_y={"array": [1, 2]})
    return fig


def a_second_axis(i):
    fig = figure().add_scatter(x=[1, 2], y=[1, 2])
    if i == 1:
        fig.add_scatter(x=[1, 2], y=[10, 20], yaxis="y2")
        fig.update_layout(yaxis2={"overlaying": "y", "side": "right", "title": "force"})
    return fig


def annotations_and_shapes(i):
    fig = figure().add_scatter(x=[1, 2], y=[2, i])
    for j in range(i):
        fig.add_annotation(x=j, y=j, text=f"note {j}", **({"showarrow": False} if j else {}))
    if i != 1:
        fig.add_shape(type="rect", x0=0, x1=i, y0=0, y1=1, **({"line": {"dash": "dot"}} if i else {}))
    return fig.add_hline(y=1) if i == 1 else fig


def titles_and_legends(i):
    texts = [{}, {"title": "one", "xaxis_title": "x"}, {"title": {"text": "two", "x": 0.5}, "legend_orientation": "h"}]
    return figure(**texts[i]).add_scatter(x=[1, 2], y=[2, i]).add_scatter(x=[1, 2], y=[i, 2])


def bars(i):
    fig = figure(**({"barmode": "stack"} if i == 1 else {}))
    for name in "ab":
        fig.add_bar(x=[["u", "v", "w"], ["w", "v", "u"], ["z", "u"]][i], y=[1, 2, 3][: 3 - i // 2], name=name)
    return fig


def statistics(i):
    fig = figure().add_histogram(x=[j ** (1 + i) for j in range(30)])
    return fig.add_box(y=[1, 2, 3, i * 10], xaxis="x2").update_layout(xaxis2={"anchor": "y", "overlaying": "x"})


def colour_scales(i):
    fig = figure().add_heatmap(z=[[10**i, 2], [3, 4 + i]])
    return fig.add_scatter(x=[0, 1], y=[0, 1], mode="markers", marker={"color": [i, 3 * i], "showscale": i == 1})


def scaled_together(i):
    fig = figure(**({"width": 500} if i == 2 else {})).add_scatter(x=[1, 2], y=[1, 2 + i])
    return fig.update_yaxes(scaleanchor="x", range=[-1, 5]) if i == 1 else fig


FIGURES = [
    axes_without_ranges,
    ranges_that_come_and_go,
    kinds_of_axes,
    logarithmic_axes,
    more_and_fewer_traces,
    a_second_axis,
    annotations_and_shapes,
    titles_and_legends,
    bars,
    statistics,
    colour_scales,
    scaled_together,
]


def fresh_draws(view, function, fig):
    """What plotly draws for each value when it is the first one, in the room beside the same slider."""
    states = []
    for value in range(3):
        drawn = spec(function(value))
        drawn["layout"].update(
            {name: fig["layout"][name] for name in ("sliders", "updatemenus") if name in fig["layout"]},
            height=drawn["layout"]["height"] + ROOM,
        )
        draw = f"async fig => {{ await Plotly.newPlot('fresh', fig); return ({STATE})(fresh); }}"
        states.append(json.loads(view.evaluate(draw, drawn)))
    return states


def moved(view, fig, order):
    """What is drawn after each move of the slider, made as plotly makes it."""
    run = f"""async ([fig, order]) => {{
      await Plotly.newPlot('stored', fig);
      const states = [];
      for (const value of order) {{
        const step = fig.layout.sliders[0].steps[value];
        await Plotly[step.method]('stored', ...step.args);
        states.push(({STATE})(stored));
      }}
      return states;
    }}"""
    return list(map(json.loads, view.evaluate(run, [fig, order])))


@pytest.mark.parametrize("function", FIGURES, ids=lambda function: function.__name__)
def test_each_value_looks_like_a_fresh_draw_whatever_was_there_before(view, function):
    fig, _ = stored(function, {"i": [0, 1, 2]})
    fresh = fresh_draws(view, function, plain(fig))
    assert fresh[0] != fresh[1] != fresh[2]
    for value, state in zip(EVERY_PAIR, moved(view, plain(fig), EVERY_PAIR), strict=True):
        assert state == fresh[value]


def with_ranges(i):
    fig = more_and_fewer_traces(i).update_xaxes(range=[0, 3]).update_yaxes(range=[0, 5 + i])
    return fig.add_annotation(x=i, y=1, text="here") if i else fig


def test_the_frames_of_an_animation_look_like_fresh_draws_too(view):
    fig, _ = stored(with_ranges, {"i": [0, 1, 2]}, play=True)
    fresh = fresh_draws(view, with_ranges, plain(fig))
    for value, state in zip(EVERY_PAIR, moved(view, plain(fig), EVERY_PAIR), strict=True):
        for axis in ("xaxis", "yaxis"):  # said in the frames; a fresh draw infers it from the range
            assert state["layout"][axis].pop("autorange") == fresh[value]["layout"][axis].get("autorange", False)
            fresh[value]["layout"][axis]["autorange"] = False
            state["layout"][axis]["autorange"] = False
        assert state == fresh[value]


def test_a_reader_drags_the_slider_and_presses_play(view):
    fig, _ = stored(lambda i: figure().add_bar(x=["a"], y=[10**i], name="b"), {"i": [0, 1, 2]})
    view.evaluate("fig => Plotly.newPlot('stored', fig)", plain(fig))
    handle, rail = view.locator("#stored .slider-grip-rect"), view.locator("#stored .slider-rail-rect")
    end = rail.bounding_box()
    handle.hover()
    view.mouse.down()
    view.mouse.move(end["x"] + end["width"], end["y"] + end["height"] / 2, steps=5)
    view.mouse.up()
    view.wait_for_function("stored._fullData[0].y[0] == 100 && stored._fullLayout.yaxis.range[1] > 100", timeout=60_000)

    fig, _ = stored(
        lambda i: figure().add_bar(x=["a"], y=[10**i]).update_yaxes(range=[0, 100]), {"i": [0, 1, 2]}, play=True
    )
    view.evaluate("async fig => { await Plotly.newPlot('stored', fig); }", plain(fig))
    view.locator("#stored .updatemenu-button").first.click()
    view.wait_for_function("stored._fullData[0].y[0] == 100", timeout=60_000)
    assert view.evaluate("stored.layout.sliders[0].active") == 2


def test_the_console_holds_no_error(view):
    assert view.errors == []
