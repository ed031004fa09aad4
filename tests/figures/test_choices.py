import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.figures.choices import are_numbers, checked, label, spread, thinned

sizes = st.lists(st.integers(1, 30), min_size=1, max_size=4)


@given(sizes, st.integers(1, 50))
def test_thinned_keeps_no_more_than_asked_and_something_of_each(sizes, most):
    kept = thinned(sizes, most)
    assert math.prod(kept) <= most
    assert all(1 <= few <= size for few, size in zip(kept, sizes, strict=True))
    if math.prod(sizes) <= most:
        assert kept == sizes


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [([10], [10]), ([60], [40]), ([10, 10], [10, 4]), ([20, 5], [13, 3]), ([2, 2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 1])],
)
def test_the_first_parameter_keeps_most(sizes, kept):
    assert thinned(sizes, 40) == kept


@given(st.integers(1, 50), st.data())
def test_a_spread_is_even_and_has_both_ends(size, data):
    keep = data.draw(st.integers(1, size))
    rows = spread(size, keep)
    gaps = np.diff(rows)
    assert len(rows) == keep == len(set(rows))
    assert rows[0] == 0
    assert keep == 1 or (rows[-1] == size - 1 and max(gaps) - min(gaps) <= 1)


@pytest.mark.parametrize("values", [[], "abc", (), 0.05, None, range(0)])
def test_a_parameter_without_values_is_named(values):
    with pytest.raises(ValueError, match="temperature must be a list with at least one value"):
        checked({"temperature": values})


def test_no_parameter_at_all():
    with pytest.raises(ValueError, match="at least one parameter"):
        checked({})


def test_values_may_come_in_any_order_keeping_form():
    assert checked({"a": range(2), "b": (x for x in "xy"), "c": {"k": 1}, "d": np.array([1.5])}) == {
        "a": [0, 1],
        "b": ["x", "y"],
        "c": ["k"],
        "d": [1.5],
    }


def test_numbers():
    assert are_numbers([1, 2.5, np.float32(1), np.int64(3)])
    assert not are_numbers([1, "a"])
    assert not are_numbers([True, False])


def test_labels_are_short():
    assert [label(v) for v in (0.05, 1 / 3, np.float64(0.1), "mean", 10**9, True)] == [
        "0.05",
        "0.333333",
        "0.1",
        "mean",
        "1000000000",
        "True",
    ]
