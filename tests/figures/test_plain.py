import datetime
import json

import numpy as np
import plotly.graph_objects as go
import pytest

from workbook.figures.plain import MAX_BYTES, bundle, plain, spec
from workbook.figures.theme import figure


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "uint16", "int64"])
def test_packed_arrays_are_unpacked(dtype):
    values = np.arange(6, dtype=dtype).reshape(2, 3)
    fig = go.Figure(go.Heatmap(z=values))
    assert "bdata" in json.dumps(fig.to_plotly_json()["data"][0]["z"])  # else this shows nothing
    assert plain(fig)["data"][0]["z"] == values.tolist()


def test_numbers_are_short():
    assert plain([0.123456, 1234.5678, np.float32(0.1), np.int64(7), np.array([1 / 3])]) == [
        0.1235,
        1235.0,
        0.1,
        7,
        [0.3333],
    ]
    assert plain(123456) == 123456


def test_what_json_lacks_becomes_a_gap():
    fig = go.Figure(go.Scatter(y=np.array([1, np.nan, np.inf, -np.inf])))
    assert plain(fig)["data"][0]["y"] == [1.0, None, None, None]
    json.dumps(plain(fig), allow_nan=False)


def test_truth_texts_and_dates_stay_themselves():
    assert plain([True, np.bool_(False), "a", np.str_("b"), None]) == [True, False, "a", "b", None]
    assert plain(datetime.date(2024, 1, 2)) == "2024-01-02"


def test_two_builds_are_the_same_bytes_without_random_ids():
    def build():
        fig = go.FigureWidget(figure(title="a").add_scatter(y=np.random.default_rng(0).normal(size=9), uid="random"))
        return json.dumps(bundle(fig))

    assert build() == build()
    assert "uid" not in build()


def test_a_figure_loses_its_own_slider_and_has_types():
    fig = go.Figure({"data": [{"y": [1]}], "layout": {"sliders": [{}], "updatemenus": [{}], "title": {"text": "a"}}})
    assert spec(fig)["data"] == [{"type": "scatter", "y": [1]}]
    assert {"sliders", "updatemenus"}.isdisjoint(spec(fig)["layout"])


def test_no_figure_is_named():
    with pytest.raises(TypeError, match="plotly Figure, got NoneType; does it end with return"):
        spec(None)


def test_a_figure_too_large_to_store_says_so():
    with pytest.raises(ValueError, match="give fewer points"):
        bundle(figure().add_scatter(y=list(range(MAX_BYTES // 4))))
