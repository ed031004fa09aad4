"""The figures of chapter 08: what must hold whatever numbers they are given."""

import pytest

from workbook.figures import hard_negatives as figures
from workbook.figures.hard_negatives import Ranked, Window
from workbook.figures.stored import stored

KINDS = ["states", "sister", "unrelated", "denies", *["same kind"] * 120]
RANKED = Ranked("who made it", 0.8, [0.82, 0.75, 0.5, 0.4, *[0.2] * 120], KINDS)
WINDOWS = {start: Window(0.1 / start, 0.03 / start, 0.8, 0.79, 0.81) for start in (1, 6, 11, 31, 101)}


def test_the_weights_of_five_passages_are_those_of_the_text():
    weights = figures.softmax_weights(0.8, [0.75, 0.6, 0.4, 0.2], 0.05)
    assert weights == pytest.approx([0.7212, 0.2653, 0.0132, 0.00024, 0.0000044], abs=1e-4)
    texts = [a.text for a in figures.five_passages(0.8, [0.75, 0.6, 0.4, 0.2], 0.05).layout.annotations]
    assert texts == ["0.721", "0.265", "0.013", "0.000242", "0.000004"]


def test_a_very_low_temperature_does_not_overflow():
    assert figures.softmax_weights(0.8, [0.9], 0.0001) == pytest.approx([0, 1])


@pytest.mark.parametrize("start", WINDOWS)
def test_the_window_draws_a_bar_for_each_chosen_rank(start):
    fig = figures.the_window(RANKED, WINDOWS, start)
    bars = next(trace for trace in fig.data if trace.type == "bar" and trace.yaxis == "y2")
    assert list(bars.x) == list(range(start, start + 15))
    assert sum(bars.y) < 1
    assert f"ranks {start} to {start + 14}" == fig.layout.title.text


def test_marks_say_what_a_candidate_is_and_axes_stay():
    fig = figures.the_window(RANKED, WINDOWS, 1)
    marks = {trace.name: list(trace.x) for trace in fig.data if trace.type == "scatter"}
    assert marks["a right answer"] == [1]
    assert marks["looks like one"] == [2, 4]
    assert marks["easy"][0] == 3
    assert len({trace.marker.symbol for trace in fig.data if trace.type == "scatter"}) == 3
    other = figures.the_window(RANKED, WINDOWS, 101)
    for axis in ("xaxis", "yaxis", "yaxis2", "xaxis2", "xaxis3", "xaxis4"):
        assert fig.layout[axis].range == other.layout[axis].range


def test_five_windows_fit_into_a_stored_figure():
    fig, kept = stored(lambda start: figures.the_window(RANKED, WINDOWS, start), {"start": list(WINDOWS)})
    assert kept == 5
    assert len(fig.to_json()) < 300_000


def test_the_step_turns_away_from_the_answer_only_where_it_is_counted():
    def arrow(counted):
        fig = figures.wrong_way(0.8, 0.84, [0.2] * 30, 0.05, counted)
        return next(a.y for a in fig.layout.annotations if a.showarrow)

    assert arrow(True) > 0.5
    assert abs(arrow(False)) < 0.01
    title = figures.wrong_way(0.8, 0.84, [0.2] * 30, 0.05, True).layout.title.text
    assert title == "own weight 0.310, hidden answer 0.690"


def test_two_curves_share_an_axis_and_settings_without_negatives_have_no_share():
    fig = figures.quality_and_right_answers({"0": [0.7, 0.8], "1": [0.8]}, {"1": [0.1, 0.3]}, "nDCG@10", "negatives")
    above, below = fig.data
    assert list(above.x) == ["0", "1"]
    assert list(below.x) == ["1"]
    assert below.y[0] == pytest.approx(20)
    assert above.yaxis != below.yaxis


def test_rounds_are_parted_by_lines_and_quality_stands_at_their_ends():
    fig = figures.rounds([[2, 1], [3, 2, 1]], [[1, 1], [1, 1, 1]], [[0.7], [0.8], [0.9]], "nDCG@10")
    assert [shape.x0 for shape in fig.layout.shapes] == [2.5]
    assert list(fig.data[-1].x) == [0, 2, 5]
    assert [list(trace.x) for trace in fig.data[:2]] == [[1, 2], [3, 4, 5]]


def test_histograms_are_shares_of_all():
    fig = figures.before_and_after(
        {"before": ([0.9, 0.8], [0.1]), "after": ([1.0], [1.0])}, {"before": "a", "after": "b"}
    )
    assert [round(sum(trace.y), 3) for trace in fig.data] == [1, 1, 1, 1]
