"""What the figures of chapter 18 draw and say."""

import pytest

from tests.helpers.drawn import told_by, trace
from workbook.figures.adaptation import MIXTURE, Place, plane_of_domains, there_and_back, thin_product

PATHS = {"a high rate": [(0.6, 0.4), (0.2, 0.3), (0.3, 0.5)], "LoRA": [(0.6, 0.4), (0.58, 0.5)]}
MIXED = {
    0: Place((0.6, 0.55, 0.65), (0.4, 0.35, 0.45)),
    0.5: Place((0.56, 0.5, 0.6), (0.49, 0.4, 0.55)),
    1: Place((0.4, 0.35, 0.45), (0.5, 0.45, 0.55)),
}
RANKED = {"what rises": {0: 40, 0.5: 3, 1: 1}, "what falls": {0: 1, 0.5: 1, 1: 12}}


def texts(fig):
    return " ".join(map(told_by, fig.layout.annotations))


def test_the_grid_is_the_product_and_both_factors_stand_beside_it():
    fig = thin_product([[1], [0], [-1], [2]], [[0.5, 0, 0, -0.5]], 2)
    assert [list(row) for row in trace(fig, "update").z] == [[1, 0, 0, -1], [0] * 4, [-1, 0, 0, 1], [2, 0, 0, -2]]
    assert [list(row) for row in trace(fig, "B").z] == [[1], [0], [-1], [2]]
    assert "8 numbers make 16" in texts(fig)
    assert fig.layout.title.text == "rank 1: 8 numbers for 16"
    left, above, update = fig.data
    assert list(left.y) == list(update.y)
    assert list(above.x) == list(update.x)
    assert max(left.x) < min(update.x)
    assert max(above.y) < min(update.y)
    assert update.zmin == -update.zmax  # 0 is white
    assert "-0" not in {text for row in update.text for text in row}


def test_two_directions_are_summed_and_what_does_not_fit_is_refused():
    fig = thin_product([[1, 2]], [[3], [4]], 0.5)
    assert trace(fig, "update").z[0][0] == 5.5
    assert "summed over r" in texts(fig)
    with pytest.raises(ValueError, match=r"expected B .* got \(1, 2\) and \(1, 1\)"):
        thin_product([[1, 2]], [[1]], 1)


def test_a_plane_has_equal_scales_and_holds_every_place():
    fig = plane_of_domains(PATHS)
    x, y = fig.layout.xaxis, fig.layout.yaxis
    assert y.scaleanchor == "x"
    assert x.range[1] - x.range[0] == pytest.approx(y.range[1] - y.range[0])
    for path in PATHS.values():
        assert all(x.range[0] < old < x.range[1] and y.range[0] < new < y.range[1] for old, new in path)
    assert list(trace(fig, "a high rate").x) == [0.6, 0.2, 0.3]
    assert (trace(fig, "start").x[0], trace(fig, "start").y[0]) == (0.6, 0.4)
    looks = {(line.line.dash, line.marker.symbol) for line in fig.data if line.name in PATHS}
    assert len(looks) == len(PATHS)


def test_paths_begin_at_one_place():
    with pytest.raises(ValueError, match="begin at one place"):
        plane_of_domains({"a": [(0.1, 0.2)], "b": [(0.2, 0.2)]})
    with pytest.raises(ValueError, match="begin at one place"):
        plane_of_domains({"a": []})


@pytest.mark.parametrize(
    ("alpha", "places", "told"),
    [
        (0, 1, "0% of the gain for 0% of the loss"),
        (0.5, 2, "α = 0.5: old .560, new .490; adapted: .400, .500. That is 90% of the gain for 20% of the loss"),
        (1, 3, "100% of the gain for 100% of the loss"),
    ],
)
def test_the_average_is_drawn_as_far_as_it_is_asked_for(alpha, places, told):
    fig = there_and_back(alpha, MIXED, PATHS, RANKED)
    assert told in texts(fig)
    assert len([x for x in trace(fig, "average, so far").x if x is not None]) == places
    assert trace(fig, MIXTURE).x[0] == MIXED[alpha].old[0]
    assert list(trace(fig, "a").y) == [40, 3, 1][:places]
    assert trace(fig, "a").text[-1] == "a"
    assert f"b “what falls”: rank 1, here {RANKED['what falls'][alpha]}" in texts(fig)


def test_nothing_moves_but_what_the_share_moves():
    first, last = (there_and_back(alpha, MIXED, PATHS, RANKED).layout for alpha in (0, 1))
    for name in ("xaxis", "yaxis", "xaxis2", "yaxis2"):
        assert first[name].range == last[name].range
    assert (first.height, first.margin) == (last.height, last.margin)
    low, top = last.yaxis2.range
    assert low > top  # rank 1 is on top


def test_where_nothing_was_gained_no_share_of_it_is_told():
    worse = MIXED | {1: Place((0.4, 0.35, 0.45), (0.3, 0.25, 0.35))}
    assert "of the gain" not in texts(there_and_back(0.5, worse, PATHS, RANKED))


def test_the_alternative_text_does_not_tell_the_outcome():
    for fig in (there_and_back(0.5, MIXED, PATHS, RANKED), plane_of_domains(PATHS)):
        assert not any(number in fig.layout.meta["alt"] for number in (".56", ".49", ".4", ".2"))


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="alpha must be"):
        there_and_back(0.3, MIXED, PATHS, RANKED)
    with pytest.raises(ValueError, match="needs the shares 0 and 1"):
        there_and_back(0.5, {0.5: MIXED[0.5]}, PATHS, RANKED)
