"""What the figures of chapter 20 draw and say."""

import math

import pytest

from tests.helpers.drawn import told_by, trace
from workbook.figures.plain import num_bytes, plain
from workbook.figures.scale import Machine, amount, memory_over_rows, rows_in_a_file, ruler, stages_by_size, walls
from workbook.figures.search_costs import read_scale

LAPTOP = Machine(16e9, 500e9, 12, 30, 10e9)
STORED = {"float32": 4 * 384, "int8": 384, "codes": 48}


def texts(fig):
    return " ".join(map(told_by, fig.layout.annotations))


def test_walls_stand_where_the_prediction_has_them():
    assert walls(LAPTOP, 1_536) == {"night": 1_296_000, "memory": 10_416_666, "disk": 325_520_833}
    assert next(iter(walls(LAPTOP._replace(passages_per_second=20_000), 1_536))) == "memory"


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("bytes", 13.5168e9, "13.5 GB"),
        ("bytes", 1_000, "1 kB"),
        ("bytes", 7, "7 bytes"),
        ("hours", 81.48, "3.4 days"),
        ("hours", 1.0, "1 h"),
        ("seconds", 0.0021, "2.1 ms"),
        ("seconds", 60, "1 min"),
        ("hours", 24, "1 day"),
        ("seconds", 1e-3, "1 ms"),
    ],
)
def test_amounts_are_told_in_their_unit(kind, value, told):
    assert amount(kind, value) == told


def test_the_ruler_says_what_a_corpus_takes_and_which_walls_are_behind():
    fig = ruler(8_800_000, LAPTOP, STORED)
    told = texts(fig)
    for expected in ("13.5 GB as float32", "3.38 GB as int8", "422 MB as codes", "3.4 days to encode", "Walls behind you, with float32: the night, at 1,296,000."):  # fmt: skip
        assert expected in told
    assert trace(fig, "encoding").x[0] == pytest.approx(81.48)
    assert trace(fig, "exact search").x[0] == pytest.approx(1.352)
    assert len({trace(fig, name).marker.pattern.shape for name in STORED}) == 3


def test_the_first_state_is_before_any_wall_and_the_last_behind_all():
    assert "Walls behind you, with float32: none." in texts(ruler(1_000, LAPTOP, STORED))
    assert "the night, at 1,296,000, then the memory, at 10,416,666, then the disk" in texts(ruler(10**9, LAPTOP, STORED))  # fmt: skip


def test_axes_stay_and_bars_and_walls_lie_within_them():
    first, last = (ruler(N, LAPTOP, STORED) for N in (10**3, 10**9))
    for number in ("", 2, 3, 4):
        ranges = [fig.layout[f"xaxis{number}"].range for fig in (first, last)]
        assert ranges[0] == ranges[1]
    for fig in (first, last):
        for bar in fig.data[1:]:
            low, high = fig.layout[f"xaxis{bar.xaxis[1:]}"].range
            assert low < math.log10(bar.x[0]) < high
        for wall in fig.layout.shapes:
            low, high = fig.layout[f"xaxis{wall.xref[1:]}"].range
            assert low < math.log10(wall.x0) < high
    assert "night" not in first.layout.title.text
    assert "first" not in first.layout.meta["alt"]


def test_the_row_has_the_bytes_of_the_formula():
    fig = rows_in_a_file(7, 12, 5, 12)
    assert "shard 7 // 5 = 1, bytes 0 + 2 · 12 = 24 to 35" in texts(fig)
    assert "10 to 11" in texts(fig)  # the last shard is shorter
    assert "header" not in [note.text for note in fig.layout.annotations]
    assert "bytes 128 + 1 · 256 = 384 to 639" in texts(rows_in_a_file(4, 6, 3, 256, 128))


def test_what_cannot_be_drawn_is_refused():
    for bad in ((12, 12, 5, 12), (0, 100, 5, 12), (0, 9, 9, 12)):
        with pytest.raises(ValueError, match="expected a row below"):
            rows_in_a_file(*bad)


def test_memory_is_drawn_with_what_comes_after_the_last_row():
    fig = memory_over_rows({"list": [1e6, 2e6, 4e6], "blocks": [1e6, 1e6]}, [100, 200])
    assert (list(trace(fig, "list").x), list(trace(fig, "list").y)) == ([100, 200, 300], [1.0, 2.0, 4.0])
    assert list(trace(fig, "blocks").x) == [100, 200]
    assert "list: at most 4 MB; blocks: at most 1 MB" in texts(fig)
    assert trace(fig, "list").line.dash != trace(fig, "blocks").line.dash


def test_stages_are_those_of_the_record():
    record = read_scale()
    fig = stages_by_size(record, ["data", "encode", "index"], 1_024)
    sizes = [10_000, 100_000, 1_000_000, 8_800_000]
    assert list(fig.data[0].x) == sizes
    encoded = [line for line in fig.data if line.name == "encode"]
    assert [line.showlegend for line in encoded] == [True, False]
    costs = record["sizes"]["8800000"]["stages"]["encode"]
    assert encoded[0].y[-1] == pytest.approx(costs["cpu_seconds"], rel=1e-3)
    assert encoded[1].y[-1] == pytest.approx(costs["peak_anonymous_bytes"], rel=1e-3)
    together = trace(fig, "all vectors at once")
    assert together.y[-1] == 8_800_000 * 1_024
    low, high = fig.layout.yaxis2.range
    assert all(low < math.log10(value) < high for line in (*encoded[1:], together) for value in line.y)


def test_each_figure_is_small_and_tells_its_axes():
    figures = [
        ruler(10**6, LAPTOP, STORED),
        rows_in_a_file(3, 10, 4, 12, 8),
        memory_over_rows({"list": [1e6, 2e6]}, [100, 200]),
        stages_by_size(read_scale(), ["data"], 512),
    ]
    for fig in figures:
        assert num_bytes(plain(fig)) < 20_000
        assert len(fig.layout.meta["alt"]) > 100
        assert fig.layout.meta["notice"]
        assert len(fig.layout.title.text) < 40
