"""The figures of chapter 17 that tell what an index costs, by their data."""

import math

import pytest

from tests.helpers.drawn import told_by, trace
from workbook.figures import search_costs as figures
from workbook.figures.plain import num_bytes, plain
from workbook.figures.search_costs import Costs, Setting, Tried

LIKE = [197, 180, 170, 160, 150, 140, 130, 125, 120, 118, 110, 100, 95, 85, 70, 50]

TRIED = {
    "flat": Tried("", 1024, [Setting(0, 1.0, 1.0, 1.0, 1.0)]),
    "IVF": Tried("nprobe", 1032, [Setting(1, 0.07, 0.5, 0.45, 0.56), Setting(16, 1.01, 1.0, 1.0, 1.0)]),
    "PQ": Tried("rescore", 16, [Setting(n, 0.03 + n / 1e6, 0.8, 0.7, 0.9) for n in (10, 20, 50)]),
}


def test_the_frontier_has_a_line_for_each_index_with_its_bytes():
    fig = figures.frontier(TRIED, title="pydocs")
    assert [line.name for line in fig.data] == ["flat · 1,024 bytes", "IVF · nprobe · 1,032 bytes", "PQ · rescore · 16 bytes"]  # fmt: skip
    flat, ivf, pq = fig.data
    assert (list(ivf.x), list(ivf.y)) == ([0.07, 1.01], [0.5, 1.0])
    assert (ivf.error_y.array[0], ivf.error_y.arrayminus[0]) == pytest.approx((0.06, 0.05))
    assert list(flat.text) == [""]
    assert "1" in ivf.text
    assert len([label for label in pq.text if label]) < 3  # three points in one place: there is no room for all
    assert len({(line.line.dash, line.marker.symbol) for line in fig.data}) == 3
    left, right = fig.layout.xaxis.range
    assert left < math.log10(0.03)
    assert right > math.log10(1.01)
    assert all(left <= math.log10(at) <= right for at in fig.layout.xaxis.tickvals)
    assert list(fig.layout.yaxis.range) == [0, 1.03]
    assert figures.frontier(TRIED, span=(0.4, 0.8)).layout.yaxis.range == pytest.approx((0.4, 0.812))


GRID = {
    1: {8: (0.1, 0.05, 0.2), 256: (0.5, 0.4, 0.6)},
    8: {8: (0.2, 0.1, 0.3), 32: (0.45, 0.4, 0.5)},
    32: {8: (0.3, 0.2, 0.4), 64: (0.7, 0.6, 0.8)},
}


def test_equal_bytes_are_joined():
    fig = figures.equal_bytes(GRID, title="pydocs")
    joined = [line for line in fig.data if line.name.endswith("bytes")]
    assert [(line.name, list(line.x), list(line.y)) for line in joined] == [("32 bytes", [32, 32], [0.3, 0.5])]
    assert "32 bytes: 256 × 1, 32 × 8, 8 × 32" in fig.layout.meta["alt"]
    lines = {line.name: line for line in fig.data if line not in joined}
    assert list(lines) == ["1 bit", "8 bits", "32 bits"]
    for bits, line in zip(GRID, lines.values(), strict=True):
        assert [round(math.log2(x / (dims * bits / 8)), 1) for x, dims in zip(line.x, GRID[bits], strict=True)] in ([-0.1] * 2, [0] * 2, [0.1] * 2)  # fmt: skip
        assert list(line.y) == [value for value, _, _ in GRID[bits].values()]
        assert list(line.customdata) == [str(dims) for dims in GRID[bits]]
    assert list(fig.layout.yaxis.range) == pytest.approx([0, 0.864])


def test_labels_cover_neither_points_nor_one_another():
    crowd = {"a": Tried("ef", 9.5, [Setting(n, 0.1 * 1.02**n, 0.5, 0.4, 0.6) for n in range(30)])}
    fig = figures.frontier(crowd)
    (line,) = fig.data
    kept = [i for i, text in enumerate(line.text) if text]
    assert 1 <= len(kept) < 30
    assert line.name == "a · ef · 9.5 bytes"


def test_lists_are_sorted_and_the_price_of_a_probe_is_told():
    sizes = {"like vectors": LIKE[::-1], "one package": [1985, 15, *[0] * 14]}
    fig = figures.lists_by_size(sizes)
    for name in sizes:
        assert list(trace(fig, name).y) == sorted(sizes[name], reverse=True)
        assert list(trace(fig, name).x) == list(range(1, 17))
    assert list(trace(fig, "equal shares, 125").y) == [125, 125, None]
    told = told_by(fig.layout.annotations[0])
    assert told == (
        "like vectors: longest 197, a probe reads 137 of 2,000, 1.1 equal shares "
        "one package: longest 1,985, a probe reads 1,970 of 2,000, 15.8 equal shares"
    )
    assert fig.layout.yaxis.range[0] == 0
    assert fig.layout.yaxis.range[1] > 1985


def test_a_probe_of_equal_lists_reads_one_share_and_of_empty_ones_nothing():
    assert figures.read_on_average([125] * 16) == 125
    assert figures.read_on_average([2000] + [0] * 15) == 2000
    assert figures.read_on_average([0, 0]) == 0
    assert "0.0 equal shares" in told_by(figures.lists_by_size({"none": [0, 0]}).layout.annotations[0])


def test_the_cost_curve_draws_the_record_and_tells_what_is_computed():
    record = figures.read_scale()
    fig = figures.cost_curve(record)
    largest = record["sizes"]["8800000"]
    cpu, query, size = (f"{'x' if i == 1 else f'x{i}'}" for i in (1, 2, 3))
    lines = {(line.name, line.xaxis or "x"): line for line in fig.data if "proportion" not in line.name}
    for key, value in {
        ("vectors", cpu): largest["stages"]["encode"]["cpu_seconds"],
        ("IVF-PQ", cpu): largest["stages"]["index"]["cpu_seconds"],
        ("HNSW", cpu): record["sizes"]["1000000"]["hnsw"]["index"]["cpu_seconds"],
        ("IVF-PQ", query): largest["latency"]["whole_ms"],
        ("HNSW", query): record["sizes"]["1000000"]["hnsw"]["latency"]["whole_ms"],
        ("vectors", size): largest["stages"]["encode"]["bytes"],
        ("IVF-PQ", size): largest["stages"]["index"]["bytes"],
    }.items():
        assert lines[key].y[-1] == pytest.approx(value, rel=1e-3)
        assert lines[key].x[-1] == (1_000_000 if key[0] == "HNSW" else 8_800_000)
        assert lines[key].line.dash is None
    computed = [line for (name, _), line in lines.items() if name.endswith("computed")]
    assert len(computed) == 5  # HNSW was not built at the largest size
    assert all(list(line.x) == [8_800_000, 10**9] and line.marker.symbol.endswith("-open") and line.line.dash == "dot" for line in computed)  # fmt: skip
    for line in (line for line in fig.data if "proportion" in line.name):
        assert line.y[1] / line.y[0] == pytest.approx(line.x[1] / line.x[0], rel=1e-3)
    told = [told_by(note) for note in fig.layout.annotations if "computed:" in note.text]
    assert len(told) == 3
    assert told[0].endswith("vectors 7.8 to 14 h; IVF-PQ 7.8 to 9 h")
    assert [shape.x0 for shape in fig.layout.shapes] == [8_800_000] * 3
    assert all(fig.layout[axis].type == "log" for axis in ("xaxis", "yaxis", "xaxis3", "yaxis3"))


def test_slopes_of_the_record_are_those_of_the_text():
    record = figures.read_scale()
    told = record["slopes"]["the two largest"]
    costs = figures.costs(record)
    for of, what, slope in (
        ("vectors", "CPU time to encode or build", told["cpu_seconds"]["encode"]),
        ("IVF-PQ", "CPU time to encode or build", told["cpu_seconds"]["index"]),
        ("IVF-PQ", "time of one query", told["one query, scored again"]),
    ):
        each = costs[what][of]
        assert math.log10(each.at(88_000_000)[0] / each.values[-1]) == pytest.approx(slope, abs=1e-3)


def test_a_cost_goes_on_with_its_slope_or_in_proportion():
    assert Costs([100, 400, 1600], [1, 2, 4]).at(6400) == pytest.approx((8, 16))
    assert Costs([10, 100], [5, 5]).at(1000) == pytest.approx((5, 50))


@pytest.mark.parametrize(
    ("what", "low", "high", "told"),
    [
        ("bytes on disk", 4.3e11, 5.2e11, "430 to 520 GB"),
        ("time of one query", 57, 993, "57 to 990 ms"),
        ("CPU time to encode or build", 50, 7_200, "50 to 7,200 s"),
        ("CPU time to encode or build", 7_200, 7_200, "2 h"),
        ("CPU time to encode or build", 7_200, 3_600, "1 to 2 h"),
    ],
)
def test_two_amounts_are_told_in_one_unit(what, low, high, told):
    assert figures._between(what, low, high) == told


def test_every_figure_brings_its_words():
    for fig in (
        figures.frontier(TRIED, title="pydocs"),
        figures.equal_bytes(GRID, title="pydocs"),
        figures.lists_by_size({"like vectors": LIKE}),
        figures.cost_curve(figures.read_scale()),
    ):
        assert len(fig.layout.meta["alt"]) > 100
        assert len(fig.layout.meta["notice"]) > 100
        assert 0 < len(fig.layout.title.text) < 40
        assert num_bytes(plain(fig)) < 30_000
