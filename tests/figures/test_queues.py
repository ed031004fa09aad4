"""What the figures of chapter 21 draw and say."""

import pytest

from workbook.figures.queues import (
    ONE_BY_ONE,
    TOGETHER,
    Measured,
    Served,
    bars_of_requests,
    batch_sizes,
    queue,
    swapped,
    under_load,
    waiting,
)
from workbook.serving.queue import nearest_rank, one_by_one, random_arrivals, together

FIVE = [0, 2, 4, 30, 31]
ALONE = Served(FIVE, one_by_one(FIVE, 10), 0, 10)


def states(rates=(50, 90)):
    found = {}
    for rate in rates:
        arrivals = [1000 * t for t in random_arrivals(rate, 300, seed=0)]
        found[rate, ONE_BY_ONE] = Served(arrivals, one_by_one(arrivals, 10), 0, 10)
        found[rate, TOGETHER] = Served(arrivals, together(arrivals, 0, 8, 8, 2), 8, 2)
    return found


def texts(fig):
    return " ".join(note.text.replace("<br>", " ") for note in fig.layout.annotations)


def test_a_request_waits_until_the_one_before_is_done():
    assert waiting(ALONE) == [(0, 0, 10), (2, 10, 20), (4, 20, 30), (30, 30, 40), (31, 40, 50)]


def test_who_is_answered_together_began_together():
    served = Served(FIVE, together(FIVE, 0, 8, 8, 2), 8, 2)
    assert batch_sizes(served) == [1, 2, 2, 1, 1]
    assert [start for _, start, _ in waiting(served)] == [0, 10, 10, 30, 40]


def test_bars_say_the_latency_of_each():
    fig = bars_of_requests(ALONE)
    assert texts(fig) == "10 18 26 10 19"
    waits, serves = fig.data
    assert list(waits.x) == [0, 8, 16, 0, 9]
    assert list(serves.base) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("way", [ONE_BY_ONE, TOGETHER])
def test_the_sentence_has_the_percentiles_of_all_requests(way):
    served = states()
    fig = queue(90, way, served)
    p50, p99 = (nearest_rank(served[90, way].latencies, p) for p in (50, 99))
    assert f"p50 {p50:.0f}, " in texts(fig)
    assert f"p99 {p99:.0f} ms, of 300 requests" in texts(fig)
    assert ("A batch has" in texts(fig)) == (way == TOGETHER)


def test_the_axes_and_the_lines_over_load_do_not_move_with_the_control():
    served = states()
    figs = [queue(rate, way, served) for rate, way in served]
    for axis in ("xaxis2", "yaxis2", "xaxis3", "yaxis3", "height"):
        assert len({str(fig.layout[axis]) for fig in figs}) == 1
    lines = [[list(t.y) for t in fig.data if t.name.startswith("p99, ")] for fig in figs]
    assert all(each == lines[0] for each in lines)


def test_a_server_is_drawn_by_its_percentiles_and_their_spread():
    runs = [[10.0] * 98 + [20.0] * 2, [10.0] * 98 + [40.0] * 2]
    fig = under_load({"at most 1": Measured(runs, 90.0)})
    by_name = {trace.name: trace for trace in fig.data if trace.name}
    assert list(by_name["p50"].x) == [10.0]
    assert list(by_name["p99"].x) == [30.0]
    assert list(by_name["p99"].error_x.array) == [10.0]
    assert "90 answers a second" in by_name["p99"].y[0]


def test_a_swap_is_told_with_what_is_still_found_and_the_own_text():
    cosines = {"the same": [1.0] * 10, "another": [0.0, 0.1, -0.9, 0.2]}
    fig = swapped("another", cosines, {"the same": 0.8, "another": 0.0}, {"the same": 1.0, "another": 0.03}, "hits")
    assert "hits .000" in texts(fig)
    assert "of yours it is 0.03" in texts(fig)
    assert sum(fig.data[0].y) == pytest.approx(1)


def test_what_is_unknown_is_refused():
    served = states()
    with pytest.raises(ValueError, match="rate must be"):
        queue(51, ONE_BY_ONE, served)
    with pytest.raises(ValueError, match="way must be"):
        queue(50, "at once", served)
    with pytest.raises(ValueError, match="today must be"):
        swapped("x", {"y": [1.0]}, {"y": 1.0}, {"y": 1.0}, "hits")
